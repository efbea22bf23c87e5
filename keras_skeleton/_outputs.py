"""Files to write: checked before the work, and written whole or not at all."""

import contextlib
import os
import pathlib


def check(outputs, inputs=None):
    """Raises an error unless all files can be written, each to its own place.

    Args:
        outputs: Dict of paths by what messages call them; `None` is left out.
        inputs: Dict of paths that are read and must stay as they are.

    Raises:
        ValueError: If something is no path, or two are the same place.
        OSError: If a file cannot be written there.
    """
    for name, path in outputs.items():
        if path is not None:
            _check_place(name, path)
    check_apart(outputs, inputs)


def check_apart(outputs, inputs=None):
    """Raises a `ValueError` if a file to write is another one, or is read.

    Args:
        outputs: See `check`.
        inputs: See `check`.
    """
    taken = {
        os.path.realpath(path): name
        for name, path in (inputs or {}).items()
        if isinstance(path, str | os.PathLike)
    }
    for name, path in outputs.items():
        if path is None:
            continue
        other = taken.setdefault(os.path.realpath(path), name)
        if other != name:
            raise ValueError(
                f"{name} and {other} are the same file, {str(path)!r}: it "
                f"would be replaced. Choose another path for {name}."
            )


def check_file(name, path):
    """Raises an error if a path cannot be that of a file to write.

    Args:
        name: What messages call it.
        path: The path; its folder need not be there.
    """
    if not isinstance(path, str | os.PathLike) or not os.fspath(path):
        raise ValueError(
            f"{name} must be the path of a file to write. Received: {path!r}"
        )
    if os.path.exists(path) and not os.path.isdir(path):
        if not os.path.isfile(path):
            # A device or a pipe would be replaced by a file.
            raise ValueError(
                f"{name} must be the path of a file to write, and "
                f"{str(path)!r} is no ordinary file. Choose another path."
            )
    if os.path.isdir(path):
        raise IsADirectoryError(
            f"{name} must be the path of a file to write, and {str(path)!r} "
            "is a folder. Add the name of a file."
        )


def _check_place(name, path):
    check_file(name, path)
    folder = pathlib.Path(path).absolute().parent
    if not folder.is_dir():
        raise FileNotFoundError(
            f"There is no folder {str(folder)!r} to write {name}, "
            f"{str(path)!r}, to. Make it first, or choose another path."
        )
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(
            f"Nothing may be written to the folder {str(folder)!r} of {name}, "
            f"{str(path)!r}. Choose another path."
        )


@contextlib.contextmanager
def replacing(path, keep_ending=False):
    """Gives a path beside another, and moves that file there at the end.

    After an error nothing is left, and what was there before stays. Errors
    name the path that was asked for.

    Args:
        path: The path.
        keep_ending: Whether the path beside it has the same ending, for
            writers that go by it. Others had better not take a file that is
            half written for a whole one.
    """
    check({"`path`": path})
    path = pathlib.Path(path)
    ending = path.suffix if keep_ending else ""
    part = path.with_name(f".{path.name}.{os.getpid()}.part{ending}")
    try:
        yield part
        os.replace(part, path)
    except OSError as error:
        if str(error.filename) != str(part):
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        part.unlink(missing_ok=True)


def write_text(path, text):
    """Writes a text in the place of a file."""
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8")
