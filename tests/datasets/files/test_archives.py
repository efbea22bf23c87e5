import os
import pickle
import re
import struct
import zipfile

import pytest

from keras_skeleton.datasets.files.archives import open_source

FILES = {"b/2.txt": b"two", "a/10.txt": b"ten", "a/9.TXT": b"nine"}


def write(path, files, compression=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
        archive.mkdir("folder")


def make(tmp_path, form):
    """A source of `FILES` and what their names begin with."""
    extra = {"notes.md": b"-", ".hidden.txt": b"-", "__MACOSX/c.txt": b"-"}
    if form in ("zip", "zip_with_top"):
        top = "top/" if form == "zip_with_top" else ""
        files = {top + name: data for name, data in {**FILES, **extra}.items()}
        write(tmp_path / "files.zip", files)
        return tmp_path / "files.zip", top
    top = "top/" if form == "parent" else ""
    for name, data in {**FILES, **extra}.items():
        path = tmp_path / "data" / (top + name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return tmp_path / "data", top


@pytest.mark.parametrize("form", ["folder", "parent", "zip", "zip_with_top"])
def test_every_form(tmp_path, form):
    path, top = make(tmp_path, form)
    before = sorted(tmp_path.rglob("*"))
    source = open_source(path, ".txt", "hint", wanted=re.compile("2"))
    assert source.names == [top + name for name in sorted(FILES)]
    for copy in (source, pickle.loads(pickle.dumps(source))):
        found = {name: read() for name, read in copy}
        assert found == {top + name: data for name, data in FILES.items()}
    with pytest.raises(FileNotFoundError):
        source.read(top + "notes.md")
    source = open_source(path, "", "hint")
    assert source.names == sorted(
        [top + name for name in FILES] + [top + "notes.md"]
    )
    assert sorted(tmp_path.rglob("*")) == before


def test_single_file_and_archive_in_a_folder(tmp_path):
    (tmp_path / "one.csv").write_bytes(b"1")
    source = open_source(str(tmp_path / "one.csv"), (".json", ".csv"), "hint")
    assert (source.names, source.stem) == (["one.csv"], "one")
    assert source.read("one.csv") == b"1"
    write(tmp_path / "all.zip", FILES)
    source = open_source(tmp_path, ".txt", "hint", archive="all.zip")
    assert source.names == sorted(FILES)


def test_nothing_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere.*Get it there"):
        open_source(tmp_path / "nowhere", ".txt", "Get it there.")
    write(tmp_path / "files.zip", {"a.md": b""})
    for path in (tmp_path, tmp_path / "files.zip"):
        with pytest.raises(FileNotFoundError, match="Get it there"):
            open_source(path, ".txt", "Get it there.")
    write(tmp_path / "files.zip", FILES)
    with pytest.raises(FileNotFoundError, match="Get it there"):
        open_source(
            tmp_path / "files.zip",
            ".txt",
            "Get it there.",
            wanted=re.compile("c/"),
        )
    whole = (tmp_path / "files.zip").read_bytes()
    for data in (b"", b"PK", whole[:-30], b"x" * 100):
        (tmp_path / "files.zip").write_bytes(data)
        with pytest.raises(ValueError, match="complete .zip archive"):
            open_source(tmp_path / "files.zip", ".txt", "hint")


@pytest.mark.parametrize(
    "name",
    ["../a.txt", "b/../../a.txt", "/etc/a.txt", "C:/a.txt", "..\\a.txt"],
)
def test_names_that_lead_out(tmp_path, name):
    write(tmp_path / "files.zip", {name: b"evil", "good.txt": b"good"})
    source = open_source(tmp_path / "files.zip", ".txt", "hint")
    assert len(source.names) == 2
    (evil,) = set(source.names) - {"good.txt"}
    with pytest.raises(ValueError, match="points out of the archive"):
        source.read(evil)
    assert source.read("good.txt") == b"good"
    assert [p.name for p in tmp_path.iterdir()] == ["files.zip"]


def test_bombs(tmp_path):
    path = tmp_path / "files.zip"
    write(path, {"a.txt": b"\0" * 1_000_000})
    assert path.stat().st_size < 5000
    source = open_source(path, ".txt", "hint", limit=1000)
    with pytest.raises(ValueError, match="more than 1,000 bytes"):
        source.read("a.txt")
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        write(path, {"a.txt": b"\0" * 1_000_000}, method)
        with pytest.raises(ValueError, match="other than deflate"):
            open_source(path, ".txt", "hint").read("a.txt")
    (tmp_path / "a.txt").write_bytes(b"x" * 1001)
    source = open_source(tmp_path, ".txt", "hint", limit=1000)
    with pytest.raises(ValueError, match="more than 1,000 bytes"):
        source.read("a.txt")


def test_lying_and_damaged_members(tmp_path):
    path = tmp_path / "files.zip"
    write(path, {"a.txt": b"0123456789" * 500})
    raw = bytearray(path.read_bytes())
    entry = raw.find(b"PK\x01\x02")
    small, encrypted, broken = bytearray(raw), bytearray(raw), bytearray(raw)
    struct.pack_into("<I", small, entry + 24, 10)
    encrypted[entry + 8] |= 1
    encrypted[6] |= 1
    broken[45] ^= 255
    for data, reason in (
        (small, "damaged"),
        (encrypted, "encrypted"),
        (broken, "damaged"),
    ):
        path.write_bytes(data)
        with pytest.raises(ValueError, match=reason):
            open_source(path, ".txt", "hint").read("a.txt")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_pipes_are_no_files(tmp_path):
    os.mkfifo(tmp_path / "a.txt")
    source = open_source(tmp_path, ".txt", "hint")
    with pytest.raises(ValueError, match="regular file"):
        source.read("a.txt")
