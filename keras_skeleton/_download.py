"""Fetches files over the network, once: weights and data sets."""

import hashlib
import http.client
import os
import pathlib
import re
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

from keras_skeleton._types import PathLike

ATTEMPTS = 4
TIMEOUT_SECONDS = 30
CHUNK_BYTES = 1 << 20


def cache_folder(kind="models"):
    """Folder of fetched files inside the cache of Keras.

    Args:
        kind: `"models"` for weights, `"datasets"` for data.
    """
    root = os.environ.get("KERAS_HOME") or pathlib.Path.home() / ".keras"
    return pathlib.Path(root) / kind / "keras_skeleton"


def is_address(text):
    """Whether a text is an address and not a name or path."""
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", str(text)) is not None


def web_address(address):
    """Checks an address and turns `hf://user/repo/file` into `https://`.

    Without a file name, `hf://user/repo` means `model.safetensors` there.
    """
    if address.startswith("hf://"):
        parts = address.removeprefix("hf://").strip("/").split("/")
        if len(parts) < 2 or not all(parts) or ".." in parts:
            raise ValueError(
                "An address of the Hugging Face hub has the form "
                f"hf://user/repository/file. Received {address!r}."
            )
        base = os.environ.get("HF_ENDPOINT") or "https://huggingface.co"
        user, repository, *file = parts
        file = "/".join(file) or "model.safetensors"
        address = (
            f"{base.rstrip('/')}/{user}/{repository}/resolve/main/"
            f"{urllib.parse.quote(file)}"
        )
    url = urllib.parse.urlsplit(address)
    local = url.hostname in ("localhost", "127.0.0.1", "::1")
    if url.scheme != "https" and not (url.scheme == "http" and local):
        raise ValueError(
            "Files are fetched from https:// and hf:// addresses only. "
            f"Received {address!r}."
        )
    return address


def fetch(
    address: PathLike, sha256=None, file_name=None, kind="models", check=None
) -> pathlib.Path:
    """Fetches a file into the cache, unless it is there already.

    An interrupted transfer is taken up where it stopped, also by a later
    call, unless the file may have changed at its source. A file that is in
    the cache (with the right hash, if one is given) needs no network.

    Args:
        address: An `https://` or `hf://user/repository/file` address. It may
            end in `#sha256=<hash>`.
        sha256: Hash the file must have, in hexadecimal.
        file_name: Name in the cache; made from the address by default.
        kind: Which cache, see `cache_folder`.
        check: Function that is called with the path of the fetched file and
            raises a `ValueError` if its content is not what it should be,
            for files whose hash is unknown.

    Returns:
        Path of the file.

    Raises:
        ValueError: If the file does not have the expected hash or content;
            it is removed.
        ConnectionError: If the file cannot be fetched.

    Example:

    >>> path = fetch("hf://user/repository/model.safetensors")
    """
    address, _, fragment = str(address).partition("#")
    if fragment:
        if not re.fullmatch(r"sha256=[0-9a-fA-F]{64}", fragment):
            raise ValueError(
                "The part of an address after '#' must be sha256= and 64 "
                f"hexadecimal digits. Received {fragment!r}."
            )
        sha256 = sha256 or fragment.removeprefix("sha256=")
    sha256 = sha256.lower() if sha256 else None
    url = web_address(address)
    target = cache_folder(kind) / (file_name or _cache_name(url))
    if target.is_file() and (not sha256 or file_sha256(target) == sha256):
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    # What the server calls the version of the file that the part is of.
    version = target.with_name(target.name + ".version")
    if not sha256 and not version.exists():
        # Nobody would notice if the rest came from a newer version.
        part.unlink(missing_ok=True)
    _transfer(url, part, version)
    try:
        _check(part, url, sha256, check)
    except ValueError:
        part.unlink()
        raise
    finally:
        version.unlink(missing_ok=True)
    os.replace(part, target)
    return target


def _check(part, url, sha256, check):
    received = file_sha256(part) if sha256 else None
    if received != sha256:
        raise ValueError(
            f"The file from {url} has the SHA-256 {received}, expected was "
            f"{sha256}. It was removed. Try again; if this repeats, the file "
            "was changed at its source."
        )
    if check is not None:
        check(part)


def file_sha256(path):
    """SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _cache_name(url):
    """A name that tells files of equal names at different places apart."""
    name = urllib.parse.unquote(urllib.parse.urlsplit(url).path)
    name = re.sub(r"[^\w.-]", "_", name.rsplit("/", 1)[-1]) or "weights"
    return f"{hashlib.sha256(url.encode()).hexdigest()[:12]}-{name}"


def _transfer(url, part, version):
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(0.5 * 2 ** (attempt - 1))
        try:
            if _transfer_once(url, part, version):
                return
            reason = "the connection ended early"
        except urllib.error.HTTPError as error:
            reason = f"{error.code} {error.reason}"
            error.close()
            if error.code == 416:  # The part is not from this file.
                part.unlink(missing_ok=True)
            elif error.code < 500 and error.code != 429:
                break
        except (OSError, http.client.HTTPException) as error:
            reason = str(getattr(error, "reason", error)) or repr(error)
    raise ConnectionError(
        f"{url} cannot be fetched: {reason}. Check the address and the "
        "connection, or fetch the file by other means and pass its path."
    )


def _transfer_once(url, part, version):
    """Fetches what is missing of a file; returns whether it is complete."""
    start = part.stat().st_size if part.exists() else 0
    headers = {
        "Accept-Encoding": "identity",
        "User-Agent": "keras-skeleton",
    }
    if start:
        headers["Range"] = f"bytes={start}-"
        if version.exists():
            headers["If-Range"] = version.read_text()
    request = urllib.request.Request(url, headers=headers)
    with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as reply:
        web_address(reply.geturl())  # A redirection must stay secure too.
        total = int(reply.headers.get("Content-Length") or 0)
        if start and reply.status == 206:
            match = re.fullmatch(
                r"bytes (\d+)-\d+/(\d+)", reply.headers["Content-Range"] or ""
            )
            if not match or int(match[1]) != start:
                part.unlink()
                return False
            total = int(match[2])
        else:
            start = 0
        etag = reply.headers.get("ETag") or ""
        if etag and not etag.startswith("W/"):
            version.write_text(etag)
        _write(reply, part, start, total or None)
    return not total or part.stat().st_size == total


def _write(reply, part, start, total):
    progress = None
    if sys.stdout.isatty():
        import keras

        progress = keras.utils.Progbar(total, unit_name="byte")
    with open(part, "ab" if start else "wb") as file:
        while chunk := reply.read(CHUNK_BYTES):
            file.write(chunk)
            if progress is not None:
                progress.update(file.tell())
