import hashlib

import pytest
from web import serving

from keras_skeleton import _download as download

pytestmark = pytest.mark.once

CONTENT = bytes(range(256)) * 40
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(download.time, "sleep", lambda seconds: None)
    with serving(CONTENT) as server:
        yield server


def ranges(server):
    return [wanted for _, wanted in server.requests]


def test_fetches_once(server, cache, capsys):
    address = f"{server.address}/file.safetensors"
    path = download.fetch(address, SHA256)
    assert path.parent == cache
    assert path.read_bytes() == CONTENT
    assert path.name.endswith("file.safetensors")
    assert [p.name for p in cache.iterdir()] == [path.name]
    # From now on no request: it works without a network.
    assert download.fetch(address) == path
    assert download.fetch(f"{address}#sha256={SHA256}") == path
    assert len(server.requests) == 1
    assert capsys.readouterr().out == ""


def test_given_name_and_equal_names(server, cache):
    path = download.fetch(f"{server.address}/a/f.bin", file_name="mine.bin")
    assert path == cache / "mine.bin"
    one = download.fetch(f"{server.address}/a/f.bin")
    two = download.fetch(f"{server.address}/b/f.bin")
    assert one != two


def test_interrupted_transfer_is_taken_up(server):
    server.plan = [("break off", 1000), ("break off", 2000), ("error", 503)]
    path = download.fetch(f"{server.address}/f", SHA256)
    assert path.read_bytes() == CONTENT
    assert ranges(server) == [
        None,
        "bytes=1000-",
        "bytes=3000-",
        "bytes=3000-",
    ]


def test_next_call_takes_up_a_transfer_with_a_hash(server, cache):
    server.plan = [("break off", 100)] * download.ATTEMPTS
    with pytest.raises(ConnectionError, match="ended early"):
        download.fetch(f"{server.address}/f", SHA256)
    assert {p.suffix for p in cache.iterdir()} == {".part", ".version"}
    server.requests.clear()
    assert download.fetch(f"{server.address}/f", SHA256).stat().st_size
    assert ranges(server) == [f"bytes={100 * download.ATTEMPTS}-"]


def test_next_call_takes_up_the_same_version(server, cache):
    server.plan = [("break off", 100)] * download.ATTEMPTS
    with pytest.raises(ConnectionError):
        download.fetch(f"{server.address}/f")
    server.requests.clear()
    assert download.fetch(f"{server.address}/f").read_bytes() == CONTENT
    assert ranges(server) == [f"bytes={100 * download.ATTEMPTS}-"]
    assert len(list(cache.iterdir())) == 1


def test_next_call_starts_over_for_another_version(server):
    server.plan = [("break off", 100)] * download.ATTEMPTS
    with pytest.raises(ConnectionError):
        download.fetch(f"{server.address}/f")
    server.content, server.etag = CONTENT[::-1], '"2"'
    assert download.fetch(f"{server.address}/f").read_bytes() == CONTENT[::-1]


def test_next_call_starts_over_for_an_unknown_version(server):
    server.etag = 'W/"1"'
    server.plan = [("break off", 100)] * download.ATTEMPTS
    with pytest.raises(ConnectionError):
        download.fetch(f"{server.address}/f")
    server.requests.clear()
    assert download.fetch(f"{server.address}/f").read_bytes() == CONTENT
    assert ranges(server) == [None]


def test_content_is_checked(server, cache):
    def check(path):
        if path.read_bytes() != CONTENT:
            raise ValueError("other content")

    server.content = CONTENT[::-1]
    with pytest.raises(ValueError, match="other content"):
        download.fetch(f"{server.address}/f", kind="datasets", check=check)
    folder = download.cache_folder("datasets")
    assert not any(folder.iterdir())
    server.content = CONTENT
    path = download.fetch(f"{server.address}/f", kind="datasets", check=check)
    assert path.parent == folder


def test_server_without_ranges(server):
    server.ranges = False
    server.plan = [("break off", 1000)]
    assert download.fetch(f"{server.address}/f").read_bytes() == CONTENT


def test_file_that_changes_during_the_transfer(server):
    def change():
        server.content = CONTENT[::-1]
        server.etag = '"2"'

    server.plan = [("break off", 300)]
    server.on_break = change
    path = download.fetch(f"{server.address}/f")
    assert path.read_bytes() == CONTENT[::-1]


def test_part_that_is_longer_than_the_file(server, cache):
    name = download.fetch(f"{server.address}/f", SHA256).name
    (cache / name).rename(cache / f"{name}.part")
    (cache / f"{name}.part").write_bytes(CONTENT + b"more")
    assert download.fetch(f"{server.address}/f", SHA256).name == name


def test_wrong_hash_is_removed(server, cache):
    with pytest.raises(ValueError, match=f"{SHA256}, expected was 0000"):
        download.fetch(f"{server.address}/f", 64 * "0")
    assert not list(cache.iterdir())


def test_corrupt_cached_file_is_fetched_again(server):
    path = download.fetch(f"{server.address}/f", SHA256)
    path.write_bytes(b"broken")
    assert download.fetch(f"{server.address}/f", SHA256) == path
    assert path.read_bytes() == CONTENT


def test_missing_file_is_not_tried_again(server):
    server.plan = [("error", 404)]
    with pytest.raises(ConnectionError, match="/f cannot be fetched: 404"):
        download.fetch(f"{server.address}/f")
    assert len(server.requests) == 1


def test_dead_server(server):
    address = server.address
    server.server_close()
    with pytest.raises(ConnectionError, match="cannot be fetched"):
        download.fetch(f"{address}/f")


def test_redirection_to_an_insecure_address(monkeypatch):
    class Reply:
        status, headers = 200, {}

        def geturl(self):
            return "http://example.org/f"

        def __enter__(self):
            return self

        def __exit__(self, *exception):
            pass

    monkeypatch.setattr(
        download.urllib.request, "urlopen", lambda *a, **k: Reply()
    )
    with pytest.raises(ValueError, match="http://example.org/f"):
        download.fetch("https://example.org/f")


def test_hub_addresses(server, monkeypatch):
    monkeypatch.delenv("HF_ENDPOINT", raising=False)
    assert (
        download.web_address("hf://me/repo/a b/c.safetensors")
        == "https://huggingface.co/me/repo/resolve/main/a%20b/c.safetensors"
    )
    monkeypatch.setenv("HF_ENDPOINT", server.address + "/")
    path = download.fetch(f"hf://me/repo#sha256={SHA256}")
    assert path.read_bytes() == CONTENT
    assert server.requests[0][0] == "/me/repo/resolve/main/model.safetensors"


@pytest.mark.parametrize(
    "address",
    [
        "http://example.org/f",
        "ftp://example.org/f",
        "file:///etc/hostname",
        "hf://user",
        "hf://user//file",
        "hf://user/repo/../../x",
        "https://example.org/f#md5=0",
        "https://example.org/f#sha256=12",
    ],
)
def test_refused_addresses(address):
    with pytest.raises(ValueError):
        download.fetch(address)


def test_progress_is_shown_on_a_terminal(server, monkeypatch, capsys):
    monkeypatch.setattr(download.sys.stdout, "isatty", lambda: True)
    download.fetch(f"{server.address}/f")
    assert f"{len(CONTENT)}/{len(CONTENT)}" in capsys.readouterr().out
