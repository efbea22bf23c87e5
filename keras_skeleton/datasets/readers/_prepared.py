"""The `.npz` form that several official preparations share."""

import os
import pathlib
import tokenize
import zipfile
import zlib

import numpy as np

from keras_skeleton.datasets.readers.base import Clip
from keras_skeleton.datasets.readers.base import Reader
from keras_skeleton.datasets.readers.base import Skipped
from keras_skeleton.datasets.readers.base import collect

PERSONS, JOINTS = 2, 25
ROW_WIDTH = PERSONS * JOINTS * 3
PARTS = ("train", "test")
SAMPLES_AT_ONCE = 16
# Official files have 300; a header can promise anything.
MOST_FRAMES = 10_000
MOST_CLASSES = 10_000
# Words in file names by which official files tell their protocol.
PROTOCOLS = {
    "xsub": "xsub",
    "csub": "xsub",
    "cs": "xsub",
    "xview": "xview",
    "cv": "xview",
    "xset": "xset",
    "cset": "xset",
}


class PreparedReader(Reader):
    """Reads the samples of one `.npz` file, some at a time.

    A unit is `(part, first, last)`, samples `first` to `last - 1` of a part.
    The file is read from its start to its end, never as a whole.

    Args:
        path: path of the file.
        class_names: function from the number of classes to their names, or
            to `None` where they are unknown.
        split: string, the name of the protocol the file was divided by. By
            default, the file's name tells, and if not, it is `"xsub"`.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is cut off, lacks an array, or an array has
            another shape.
    """

    skeleton = "ntu"

    def __init__(self, path, class_names, split=None):
        self.path = os.fspath(path)
        self.split = split or _protocol_of(self.path)
        self._stream = None
        if not os.path.exists(self.path):
            raise FileNotFoundError(f"There is no file {self.path!r}.")
        try:
            with _open_archive(self.path) as archive:
                _check_members(archive, self.path)
                labels = {
                    part: _read_labels(archive, part, self.path)
                    for part in PARTS
                }
                for part, (classes, _) in labels.items():
                    self._check_shape(archive, part, len(classes))
        except _DAMAGES as error:
            raise damaged(self.path, error) from error
        columns = {num_columns for _, num_columns in labels.values()}
        if len(columns) != 1:
            raise ValueError(
                f"In {self.path!r}, y_train and y_test must have the same "
                f"number of columns. Received: {sorted(columns)}"
            )
        self.labels = {part: classes for part, (classes, _) in labels.items()}
        self.class_names = class_names(columns.pop())
        if not self.units():
            raise ValueError(f"{self.path!r} holds no samples.")

    def __getstate__(self):
        return {**self.__dict__, "_stream": None}

    def units(self):
        return [
            (part, first, min(first + SAMPLES_AT_ONCE, len(labels)))
            for part, labels in self.labels.items()
            for first in range(0, len(labels), SAMPLES_AT_ONCE)
        ]

    def unit_name(self, unit):
        part, first, last = unit
        return f"{part}_{first:06d} to {part}_{last - 1:06d}"

    def read(self, unit):
        """Yields the samples of a unit.

        Raises:
            zipfile.BadZipFile: if the file is damaged. It is no
                `ValueError`, as what was read before cannot be trusted.
        """
        part, first, last = unit
        try:
            block = self._read_block(part, first, last)
        except _DAMAGES as error:
            self._stream = None
            raise zipfile.BadZipFile(str(damaged(self.path, error))) from error
        for index, sample in enumerate(block, first):
            name = f"{part}_{index:06d}"
            filled = np.flatnonzero(sample.any(axis=1))
            if not len(filled):
                yield Skipped(name, "all its values are 0")
                continue
            clip = sample[: filled[-1] + 1].reshape(-1, PERSONS, JOINTS, 3)
            # A copy, so that the padded block can be released.
            with np.errstate(over="ignore"):
                clip = clip.astype("float32")
            label = int(self.labels[part][index])
            yield Clip(name, clip.swapaxes(0, 1), label)

    def splits(self, names, labels, metadata):
        parts = np.array([name.partition("_")[0] for name in names])
        return {
            self.split: {part: np.flatnonzero(parts == part) for part in PARTS}
        }

    def _check_shape(self, archive, part, num_labels):
        name = f"x_{part}"
        member, shape, _ = _open_array(archive, name, self.path)
        member.close()
        if len(shape) != 3 or shape[2] != ROW_WIDTH:
            raise ValueError(
                f"The array {name!r} of {self.path!r} must have the shape "
                f"(samples, frames, {ROW_WIDTH}). Received: shape={shape}"
            )
        if not 1 <= shape[1] <= MOST_FRAMES:
            raise ValueError(
                f"The array {name!r} of {self.path!r} must have 1 to "
                f"{MOST_FRAMES} frames. Received: shape={shape}"
            )
        if shape[0] != num_labels:
            raise ValueError(
                f"{self.path!r} must hold as many samples as labels. Received: "
                f"{shape[0]} rows in {name!r}, {num_labels} in 'y_{part}'"
            )

    def _read_block(self, part, first, last):
        """Returns samples `(n, T, 150)`, going on where the last call ended."""
        if self._stream is None or self._stream[0] != (part, first):
            archive = _open_archive(self.path)
            name = f"x_{part}"
            member, shape, dtype = _open_array(archive, name, self.path)
            member.seek(first * shape[1] * ROW_WIDTH * dtype.itemsize, 1)
            self._stream = None, archive, member, shape[1], dtype
        _, archive, member, length, dtype = self._stream
        block = _read_rows(member, dtype, last - first, length * ROW_WIDTH)
        self._stream = (part, last), archive, member, length, dtype
        return block.reshape(-1, length, ROW_WIDTH)


# What damaged, encrypted and unusually packed members raise.
_DAMAGES = (zipfile.BadZipFile, EOFError, zlib.error, RuntimeError)


def _open_archive(path):
    try:
        return zipfile.ZipFile(path)
    # The reader of archives trusts their tables in places.
    except (OSError, MemoryError):
        raise
    except Exception as error:
        raise zipfile.BadZipFile(str(error)) from error


def damaged(path, error):
    return ValueError(
        f"{path!r} is not a complete .npz file ({error}). It was probably cut "
        "off while it was copied or written: copy it again."
    )


def load(
    path,
    class_names,
    split=None,
    strict=False,
    workers=1,
    missing="zeros",
    skeleton=None,
):
    """Reads all of a file, see `PreparedReader`."""
    try:
        return collect(
            PreparedReader(path, class_names, split),
            strict,
            workers,
            missing=missing,
            skeleton=skeleton,
        )
    except zipfile.BadZipFile as error:
        raise ValueError(str(error)) from error


def is_prepared(path):
    """Whether a path is that of such a file, and not of raw ones."""
    single = isinstance(path, str | os.PathLike)
    return single and pathlib.Path(path).suffix.lower() == ".npz"


def _protocol_of(path):
    words = pathlib.Path(path).stem.lower().replace("-", "_").split("_")
    return next((PROTOCOLS[w] for w in words if w in PROTOCOLS), "xsub")


def _check_members(archive, path):
    wanted = ["x_train", "y_train", "x_test", "y_test"]
    held = [name.removesuffix(".npy") for name in archive.namelist()]
    missing = [name for name in wanted if name not in held]
    if missing:
        raise ValueError(
            f"{path!r} must hold the arrays {wanted}. Missing: {missing}. "
            f"Held: {held[:20]}"
        )


def _open_array(archive, name, path):
    """Opens a member and reads the header of the array in it."""
    try:
        member = archive.open(f"{name}.npy")
        version = np.lib.format.read_magic(member)
        read_header = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[version]
        shape, is_fortran, dtype = read_header(member)
    except (
        *(KeyError, ValueError, TypeError, SyntaxError),
        *(MemoryError, RecursionError, tokenize.TokenError),
    ) as error:
        raise ValueError(
            f"The array {name!r} of {path!r} has no readable header: {error}"
        ) from error
    if dtype.hasobject or dtype.kind not in "fiu" or is_fortran:
        raise ValueError(
            f"The array {name!r} of {path!r} must hold plain numbers in C "
            f"order. Received: dtype={dtype}, fortran_order={is_fortran}"
        )
    return member, shape, dtype


def _read_rows(member, dtype, count, width):
    data = member.read(count * width * dtype.itemsize)
    if len(data) < count * width * dtype.itemsize:
        raise EOFError("an array ends early")
    return np.frombuffer(data, dtype).reshape(count, width)


def _read_labels(archive, part, path):
    """Returns the classes of a part and how many classes there are."""
    name = f"y_{part}"
    member, shape, dtype = _open_array(archive, name, path)
    with member:
        if len(shape) != 2 or not 1 <= shape[1] <= MOST_CLASSES:
            raise ValueError(
                f"The array {name!r} of {path!r} must be one-hot, of shape "
                f"(samples, classes). Received: shape={shape}"
            )
        labels = [np.zeros(0, "int64")]
        at_once = 1 << 12
        for start in range(0, shape[0], at_once):
            count = min(at_once, shape[0] - start)
            one_hot = _read_rows(member, dtype, count, shape[1])
            wrong = (one_hot != 0).sum(axis=1) != 1
            wrong |= one_hot.max(axis=1) != 1
            if wrong.any():
                raise ValueError(
                    f"Each row of the array {name!r} of {path!r} must have "
                    f"one 1 and be 0 elsewhere. Row {start + wrong.argmax()} "
                    "is not like that."
                )
            labels.append(one_hot.argmax(axis=1))
    return np.concatenate(labels), shape[1]
