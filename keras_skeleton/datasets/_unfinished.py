"""Work that goes on where it was stopped: its parts, and whose they are."""

import hashlib
import os
import pathlib
import shutil

PLAN = "plan.txt"


def open_parts(folder, fingerprint):
    """Makes the folder of unfinished work, or keeps that of the same work.

    Args:
        folder: Path of the folder.
        fingerprint: What tells this work from others, see `fingerprint_of`.

    Returns:
        The `pathlib.Path` of the folder.

    Raises:
        ValueError: If the folder is there and something else.
    """
    folder = pathlib.Path(folder)
    plan = folder / PLAN
    if folder.exists() and not plan.exists():
        raise ValueError(
            f"{str(folder)!r} is needed for unfinished work, but is something "
            "else. Move it away, or write to another path."
        )
    if plan.exists() and plan.read_text() != fingerprint:
        # Another data set, other options or other files: nothing to go on.
        shutil.rmtree(folder)
    if not plan.exists():
        folder.mkdir(parents=True)
        plan.write_text(fingerprint)
    return folder


def state_of(path):
    """Size and time of a file, which tell whether it has changed."""
    state = os.stat(path)
    return state.st_size, state.st_mtime_ns


def fingerprint_of(parts):
    """A word that is the same for the same things."""
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        digest.update(repr(part).encode())
    return digest.hexdigest()
