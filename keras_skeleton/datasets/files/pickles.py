"""Annotation pickles: plain containers and NumPy arrays, nothing else."""

import io
import math
import mmap
import operator
import pathlib
import re

import numpy as np

from keras_skeleton.datasets.files import unpickling
from keras_skeleton.datasets.files.unpickling import Named

TYPE_NAME = re.compile(r"[biufcSU][1-9][0-9]{0,8}|O[48]?")
# Data from this size on are left in the file until they are asked for.
LARGE = 4096


def read_pickle(path, lazy=False):
    """Reads a pickle of plain data without executing anything in it.

    Allowed are lists, tuples, dictionaries, sets, strings, bytes, numbers,
    booleans, `None`, and NumPy arrays and scalars of numbers and strings,
    from all versions of NumPy and Python, as old as Python 2 (whose strings
    are taken as Latin 1).

    Args:
        path: path of the file.
        lazy: Whether to return `StoredArray` objects in place of arrays.
            They leave large data in the file, which stays mapped into
            memory, so that even a file larger than memory can be opened,
            by several processes. Use `numpy.asarray` to get the numbers.

    Returns:
        The content.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is empty, truncated, no pickle, or refers to
            anything but plain data. The message says to what.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {str(path)!r}.")
    try:
        with open(path, "rb") as file:
            size = file.seek(0, io.SEEK_END)
            if not size:
                raise ValueError("it is empty")
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return _ArrayUnpickler(content, size, lazy).load()
    except ValueError as error:
        raise ValueError(
            f"{str(path)!r} cannot be read as a pickle of plain data: {error}"
        ) from error


def parse_pickle(data, lazy=False):
    """The content of a pickle in memory, see `read_pickle`."""
    return _ArrayUnpickler(io.BytesIO(data), len(data), lazy).load()


class StoredArray:
    """An array whose numbers may still be in the file.

    Attributes:
        shape: tuple of integers.
        dtype: NumPy data type.
    """

    def __init__(self):
        self.shape = (0,)
        self.dtype = np.dtype("u1")
        self._order = "C"
        self._data = b""

    def __len__(self):
        return self.shape[0] if self.shape else 0

    @property
    def ndim(self):
        return len(self.shape)

    def __setstate__(self, state):
        _, self.shape, self.dtype, is_fortran, self._data = state
        self._order = "F" if is_fortran else "C"

    def __array__(self, dtype=None, copy=None):
        data = self._data
        if isinstance(data, Stored):
            data = data.read()
        if self.dtype.hasobject:
            array = np.empty(len(data), self.dtype)
            array[:] = data
        else:
            array = _from_bytes(data, self.dtype, self.shape)
        array = array.reshape(self.shape, order=self._order)
        return array.astype(dtype or self.dtype, copy=bool(copy))


class Stored:
    """A piece of a file, bytes or text that stands for bytes."""

    def __init__(self, file, size, is_text):
        self.file = file
        self.start = file.tell()
        self.size = size
        self.is_text = is_text

    def read(self):
        """Returns the bytes, or a view into the file."""
        is_mapped = isinstance(self.file, mmap.mmap)
        view = memoryview(self.file if is_mapped else self.file.getbuffer())
        piece = view[self.start : self.start + self.size]
        # Old protocols know no bytes.
        return bytes(piece).decode().encode("latin1") if self.is_text else piece


class _Type:
    """A data type, whose byte order may still be set."""

    def __init__(self, name, align=False, copy=False):
        if not isinstance(name, str) or not TYPE_NAME.fullmatch(name):
            raise ValueError(f"it has an array whose type is {_brief(name)}")
        self.dtype = np.dtype(name)

    def set_order(self, state):
        if (
            type(state) is not tuple
            or len(state) < 5
            or state[1] not in ("<", ">", "|", "=")
            or any(part is not None for part in state[2:5])
        ):
            raise ValueError("it has an array with fields or of unknown order")
        self.dtype = self.dtype.newbyteorder(state[1])


def _from_bytes(data, dtype, shape):
    """The numbers of an array `shape`, in one row."""
    if len(data) != math.prod(shape) * dtype.itemsize:
        raise _size_error(shape, dtype, len(data))
    # NumPy takes no empty buffers.
    return np.frombuffer(data, dtype) if len(data) else np.zeros(0, dtype)


def _size_error(shape, dtype, size):
    return ValueError(
        f"it has an array of shape {shape} and type {dtype}, which is not "
        f"the size of its data ({size} bytes)"
    )


def _as_dtype(kind):
    if not isinstance(kind, _Type):
        raise ValueError("it has an array without a type")
    return kind.dtype


def _as_shape(shape):
    if type(shape) is not tuple or len(shape) > 32:
        raise ValueError("it has an array of an impossible shape")
    if any(type(n) is not int or not 0 <= n < 1 << 60 for n in shape):
        raise ValueError("it has an array of an impossible shape")
    return shape


def _scalar(kind, data):
    dtype = _as_dtype(kind)
    if isinstance(data, str):
        data = data.encode("latin1")
    if dtype.hasobject or not isinstance(data, bytes):
        raise ValueError("it has a number without bytes")
    return _from_bytes(data, dtype, ())[0]


def _bytes(values=b""):
    if not isinstance(values, bytes):
        raise ValueError("it makes bytes of something else")
    return values


class _ArrayUnpickler(unpickling.Unpickler):
    def __init__(self, file, size, lazy):
        super().__init__(file, size, self._names())
        self.lazy = lazy

    def _names(self):
        names = {
            ("numpy", "ndarray"): None,
            ("numpy", "dtype"): _Type,
        }
        for module in ("__builtin__", "builtins"):
            names[module, "bytes"] = _bytes
            names[module, "set"] = self._make_set
            names[module, "frozenset"] = self._make_set
        for package in ("numpy.core", "numpy._core"):
            names[f"{package}.multiarray", "_reconstruct"] = self._make_array
            names[f"{package}.multiarray", "scalar"] = _scalar
            names[f"{package}.numeric", "_frombuffer"] = self._from_buffer
        return names

    def encode(self, text, encoding="latin1"):
        return text if isinstance(text, Stored) else super().encode(text)

    def _make_set(self, values=()):
        if not isinstance(values, (list, tuple)):
            raise ValueError("it makes a set of something else")
        self.charge(unpickling.SET_BYTES + unpickling.ITEM_BYTES * len(values))
        return set(map(self.check_key, values))

    def _make_array(self, kind=None, shape=(0,), code=b"b"):
        if not isinstance(kind, Named) or kind.name != "ndarray":
            raise ValueError("it has an array of an unknown kind")
        return StoredArray() if self.lazy else np.zeros(0, "u1")

    def _from_buffer(self, data, kind, shape, order="C"):
        array = self._make_array(Named("ndarray", None))
        self.build(array, (1, shape, kind, order == "F", data))
        return array

    def build(self, instance, state):
        if isinstance(instance, _Type):
            instance.set_order(state)
        elif isinstance(instance, (np.ndarray, StoredArray)):
            instance.__setstate__(self._check_array(state))
        else:
            super().build(instance, state)

    def _check_array(self, state):
        """A state that agrees with itself, so that NumPy can take it."""
        if type(state) is not tuple or len(state) not in (4, 5):
            raise ValueError("it has an array with an unknown state")
        shape, kind, is_fortran, data = state[-4:]
        if isinstance(data, (str, bytes)):
            self.charge(len(data))
        elif isinstance(data, list):
            self.charge(8 * len(data))
        shape, dtype = _as_shape(shape), _as_dtype(kind)
        if isinstance(data, str):
            data = data.encode("latin1")
        if dtype.hasobject:
            self._check_objects(shape, data)
        elif isinstance(data, Stored):
            is_shorter = data.size < math.prod(shape) * dtype.itemsize
            is_other = data.size > math.prod(shape) * dtype.itemsize
            # Text takes one or two bytes for each byte it stands for.
            if is_shorter or (is_other and not data.is_text):
                raise _size_error(shape, dtype, data.size)
        elif not isinstance(data, bytes):
            raise ValueError("it has an array without bytes")
        elif len(data) != math.prod(shape) * dtype.itemsize:
            raise _size_error(shape, dtype, len(data))
        return (1, shape, dtype, bool(is_fortran), data)

    @staticmethod
    def _check_objects(shape, values):
        if type(values) is not list or len(values) != math.prod(shape):
            raise ValueError("it has an array of objects, but none in it")
        simple = unpickling.SIMPLE_TYPES
        other = [type(v) for v in values if type(v) not in simple]
        if other:
            raise ValueError(
                f"it has an array of objects of type {other[0].__name__}"
            )

    def _read_data(self, size, is_text):
        if self.lazy and size >= LARGE:
            stored = Stored(self.file, size, is_text)
            if stored.start + size > self.size:
                raise ValueError("it ends too early")
            self.file.seek(size, io.SEEK_CUR)
            self.append(stored)
        elif is_text:
            self.append(self.read(size).decode("utf-8", "surrogatepass"))
        else:
            self.append(self.read(size))

    def load_binbytes(self):
        self._read_data(int.from_bytes(self.read(4), "little"), False)

    def load_binbytes8(self):
        self._read_data(int.from_bytes(self.read(8), "little"), False)

    def load_binunicode(self):
        self._read_data(int.from_bytes(self.read(4), "little"), True)

    def load_binunicode8(self):
        self._read_data(int.from_bytes(self.read(8), "little"), True)


_ArrayUnpickler.dispatch = unpickling.handlers(_ArrayUnpickler)


def as_integer(value, what, least=0, most=(1 << 31) - 1):
    """A whole number of an annotation, checked.

    Args:
        value: What was found.
        what: string, what it is, for the message.
        least, most: Range it must be in.
    """
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or not least <= number <= most:
        raise ValueError(
            f"its {what} is {_brief(value)}, not a whole number from {least} "
            f"to {most}"
        )
    return number


def as_name(value):
    """A name of an annotation, checked."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"its name is {_brief(value)}, not a string")
    if len(value) > 1000 or not value.isprintable():
        raise ValueError("its name is too long or has control characters")
    return str(value)


# Never `numpy.asarray` of what a pickle holds before these checks: a few bytes
# of lists within lists can stand for more numbers than there is memory.


def as_array(value, what):
    """An array of numbers of an annotation, checked."""
    if not isinstance(value, (np.ndarray, StoredArray)):
        raise ValueError(f"its {what} is {_brief(value)}, not an array")
    if value.dtype.kind not in "fiu":
        raise ValueError(f"its {what} has the type {value.dtype}, no numbers")
    return np.asarray(value)


def as_strings(values, what):
    """A list of strings of an annotation, checked; numbers become text."""
    if isinstance(values, (np.ndarray, StoredArray)):
        values = np.asarray(values).ravel().tolist()
    if not isinstance(values, (list, tuple, set, frozenset)) or not all(
        isinstance(value, (str, int)) for value in values
    ):
        raise ValueError(f"{what} is {_brief(values)}, not a list of names")
    return [str(value) for value in values]


def _brief(value):
    """A short description: content may be huge or contain itself."""
    if isinstance(value, str):
        return repr(value[:60])
    if isinstance(value, (float, np.generic)):
        return repr(value)[:60]
    if isinstance(value, int):
        return repr(value) if value.bit_length() < 99 else "a huge number"
    return f"of type {type(value).__name__}"
