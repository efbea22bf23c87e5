import contextlib
import io
import zipfile

from fuzzing import fuzzed
from fuzzing import mutated
from hypothesis import given

from keras_skeleton.datasets.files.archives import open_source


def pack(compression):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", compression) as archive:
        archive.writestr("top/a.txt", b"0123456789" * 5)
        archive.writestr("top/b.txt", b"text")
    return data.getvalue()


EXAMPLES = [pack(zipfile.ZIP_STORED), pack(zipfile.ZIP_DEFLATED)]


def test_archives(tmp_path):
    path = tmp_path / "files.zip"

    @fuzzed
    @given(mutated(EXAMPLES))
    def check(data):
        path.write_bytes(data)
        with contextlib.suppress(ValueError, OSError):
            for _, read in open_source(path, ".txt", "hint", limit=1000):
                with contextlib.suppress(ValueError, OSError):
                    assert len(read()) <= 1000

    check()
    assert [found.name for found in tmp_path.iterdir()] == ["files.zip"]
