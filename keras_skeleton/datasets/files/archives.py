"""Files of a folder or of a .zip archive, read without extracting any."""

import functools
import os
import pathlib
import stat
import zipfile
import zlib

# More than any file of one clip has; a megabyte of a compressed archive can
# hold a gigabyte.
LIMIT = 1 << 27
# Bytes to read at a time from a file that is larger than it states.
STEP = 1 << 16


class Source:
    """Named files that lie in a folder, in a .zip archive, or alone.

    Names are paths with `/` below the folder or in the archive, sorted, as
    far as they end in one of `suffixes`; those of hidden files are left out.
    Nothing is ever written. `open_source` makes one and checks it.

    A source can be pickled; the archive is opened again where it is needed.

    Args:
        path: path of the folder, of the archive, or of a single file.
        suffixes: tuple of strings, in lower case.
        archive: string, the name of an archive to look for in a folder that
            has no such files itself.
        limit: integer, the bytes that a file may have.

    Attributes:
        stem: string, what to call a clip that has no other name.
    """

    def __init__(self, path, suffixes, archive=None, limit=LIMIT):
        self.path = pathlib.Path(path)
        self.suffixes = tuple(suffixes)
        self.limit = limit
        if not self.path.exists():
            raise FileNotFoundError(f"{str(self.path)!r} does not exist.")
        self._files = self._find()
        if not self._files and archive and (self.path / archive).is_file():
            self.path = self.path / archive
            self._files = self._find()
        self.stem = self.path.resolve().stem

    @property
    def names(self):
        """Sorted list of the names of the files."""
        if self._files is None:
            self._files = self._find()
        return list(self._files)

    def __iter__(self):
        """Yields `(name, read)` for each file; `read()` gives its bytes."""
        for name in self.names:
            yield name, functools.partial(self.read, name)

    def read(self, name):
        """Returns the bytes of a file.

        Raises:
            FileNotFoundError: if there is no file of that name.
            ValueError: if the file is damaged, encrypted, larger than
                `limit`, or if its name points out of the archive.
        """
        if self._files is None:
            self._files = self._find()
        if name not in self._files:
            raise FileNotFoundError("there is no such file")
        file = self._files[name]
        if isinstance(file, zipfile.ZipInfo):
            return self._read_member(file)
        status = os.stat(file)
        if not stat.S_ISREG(status.st_mode):
            raise ValueError("it is not a regular file")
        with open(file, "rb") as opened:
            return self._read_all(opened, status.st_size)

    def __getstate__(self):
        state = self.__dict__.copy()
        state["_files"] = None
        state.pop("_archive", None)
        return state

    def _find(self):
        """Maps the name of each file to where it is."""
        if self.path.is_dir():
            files = {
                path.relative_to(self.path).as_posix(): path
                for path in self.path.rglob("*")
                if self._wants(path.relative_to(self.path).as_posix())
                and not path.is_dir()
            }
        elif self._is_single():
            files = {self.path.name: self.path}
        else:
            self._archive = self._open_archive()
            files = {
                member.filename: member
                for member in self._archive.infolist()
                if self._wants(member.filename)
            }
        return dict(sorted(files.items()))

    def _is_single(self):
        if self.path.name.lower().endswith(".zip"):
            return False
        return self.path.name.lower().endswith(self.suffixes)

    def _wants(self, name):
        parts = name.replace("\\", "/").split("/")
        # The last part of a folder's name in an archive is empty.
        hidden = parts[-1][:1] in ("", ".") or "__MACOSX" in parts
        return not hidden and parts[-1].lower().endswith(self.suffixes)

    def _open_archive(self):
        try:
            return zipfile.ZipFile(self.path)
        # The reader of archives trusts their tables in places.
        except (OSError, MemoryError):
            raise
        except Exception as error:
            wanted = " or ".join(map(repr, self.suffixes))
            raise ValueError(
                f"{str(self.path)!r} is not a folder, a file that ends in "
                f"{wanted}, or a complete .zip archive ({error}). It may have "
                "been cut off while it was copied: get it again."
            ) from error

    def _read_member(self, member):
        parts = member.filename.replace("\\", "/").split("/")
        if ".." in parts or parts[0] == "" or ":" in parts[0]:
            raise ValueError("its name points out of the archive")
        if member.flag_bits & 1:
            raise ValueError("it is encrypted")
        # Only these two can be unpacked piece by piece.
        if member.compress_type not in (
            zipfile.ZIP_STORED,
            zipfile.ZIP_DEFLATED,
        ):
            raise ValueError(
                "it is compressed by a method other than deflate; pack it again"
            )
        try:
            with self._archive.open(member) as file:
                return self._read_all(file, member.file_size)
        except (zlib.error, zipfile.BadZipFile, EOFError) as error:
            raise ValueError(f"it is damaged: {error}") from error
        except (NotImplementedError, RuntimeError) as error:
            raise ValueError(f"it cannot be unpacked: {error}") from error

    def _read_all(self, file, size):
        """Reads an open file, which may be larger than it states."""
        # What is asked for is reserved, however little there is: so the
        # stated size comes first, then small steps.
        pieces, received, step = [], 0, size + 1
        while max(size, received) <= self.limit:
            piece = file.read(step)
            if not piece:
                return b"".join(pieces)
            pieces.append(piece)
            received += len(piece)
            step = STEP
        raise ValueError(
            f"it has more than {self.limit:,} bytes, which is more than any "
            "such file"
        )


def open_source(path, suffixes, hint, archive=None, wanted=None, limit=LIMIT):
    """Finds files in a folder, in a .zip archive, or a single file.

    Args:
        path: path of the folder, the archive or the file.
        suffixes: string or tuple of strings that names end in.
        hint: string, what there should be at `path` and where to get it.
        archive: see `Source`.
        wanted: compiled pattern that the path of at least one file, below
            the folder or in the archive, must contain.
        limit: integer, the bytes that a file may have.

    Returns:
        A `Source` with at least one file.

    Raises:
        FileNotFoundError: if there is nothing at `path`, or no such file.
        ValueError: if an archive is damaged.
    """
    if isinstance(suffixes, str):
        suffixes = (suffixes,)
    if not pathlib.Path(path).exists():
        raise FileNotFoundError(f"There is nothing at {str(path)!r}. {hint}")
    source = Source(path, suffixes, archive, limit)
    found = source.names
    if wanted is not None:
        found = [name for name in found if wanted.search(name)]
    if not found:
        raise FileNotFoundError(
            f"None of the files that are needed is in {str(path)!r}. {hint}"
        )
    return source
