"""Reads tensors from files of PyTorch without executing anything in them."""

import io
import math
import mmap
import zipfile

import numpy as np

from keras_skeleton.datasets.files import unpickling
from keras_skeleton.datasets.files.unpickling import Inert
from keras_skeleton.weights import wrappers

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C

# PyTorch storage class -> type of its numbers. bfloat16 has no NumPy type: it
# is read as 16-bit integers and widened.
STORAGE_TYPES = {
    "DoubleStorage": "f8",
    "FloatStorage": "f4",
    "HalfStorage": "f2",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "i8",
    "IntStorage": "i4",
    "ShortStorage": "i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "b1",
}

NUMBER_TYPES = (
    "float64 float32 float16 bfloat16 int64 int32 int16 int8 uint8 bool"
).split()

# Entries of a checkpoint that hold the tensors of the model.
STATE_KEYS = (
    *("model", "state_dict", "model_state_dict", "net", "network", "module"),
    *("weights", "params", "state", "encoder", "backbone", "model_state"),
)
# Axes of a tensor; NumPy knows no more.
MOST_AXES = 64
# How much larger than a file its tensors may be, which can share storages.
MOST_SHARING = 16
FREE_BYTES = 1 << 24


def read(path, size, key):
    """Returns the tensors of a file of `size` bytes, see `read_tensors`."""
    if zipfile.is_zipfile(path):
        return _read_torch_zip(path, size, key)
    return _read_torch_legacy(path, size, key)


class _Storage:
    """Raw numbers of one or more tensors, read when first needed."""

    def __init__(self, dtype, count, read):
        self.dtype = dtype
        self.count = count
        self.read = read
        self._array = None

    def array(self):
        if self._array is None:
            kind = "u2" if self.dtype == "bfloat16" else self.dtype
            order, data = self.read()
            dtype = np.dtype(kind).newbyteorder(order)
            if len(data) != self.count * dtype.itemsize:
                raise ValueError(
                    f"a storage declares {self.count} numbers of "
                    f"{dtype.itemsize} bytes but has {len(data)} bytes"
                )
            array = np.frombuffer(data, dtype).astype(
                dtype.newbyteorder("="), copy=False
            )
            if self.dtype == "bfloat16":
                array = (array.astype("u4") << 16).view("f4")
            self._array = array
        return self._array


class _Tensor:
    """A view into a storage; a NumPy array once its checks have passed."""

    def __init__(self, storage, offset, shape, strides):
        self.storage = storage
        self.offset = offset
        self.shape = shape
        self.strides = strides

    def array(self):
        numbers = (self.offset, *self.shape, *self.strides)
        if (
            not isinstance(self.storage, _Storage)
            or len(self.shape) != len(self.strides)
            or any(type(n) is not int or not 0 <= n < 1 << 60 for n in numbers)
        ):
            raise ValueError("a tensor has an invalid description")
        last = self.offset + sum(
            (size - 1) * stride
            for size, stride in zip(self.shape, self.strides, strict=True)
        )
        empty = 0 in self.shape
        if not empty and last >= self.storage.count:
            raise ValueError(
                f"a tensor of shape {tuple(self.shape)} reaches beyond the "
                f"{self.storage.count} numbers of its storage"
            )
        values = self.storage.array()
        if empty:
            return np.zeros(self.shape, values.dtype)
        # Expanded tensors have more elements than their storage; huge ones
        # are an attempt to exhaust the memory.
        if math.prod(self.shape) > max(self.storage.count, 1 << 16):
            raise ValueError(
                f"a tensor of shape {tuple(self.shape)} repeats a storage of "
                f"{self.storage.count} numbers too often"
            )
        return np.lib.stride_tricks.as_strided(
            values[self.offset :],
            self.shape,
            [stride * values.itemsize for stride in self.strides],
            writeable=False,
        )


def _rebuild_tensor(storage, offset, shape, strides, *unused):
    return _Tensor(storage, offset, _size(shape), _size(strides))


def _rebuild_parameter(data, *unused):
    return data


def _size(values=()):
    if not isinstance(values, (list, tuple)) or len(values) > MOST_AXES:
        raise ValueError("a tensor has an impossible shape")
    return tuple(values)


# What a checkpoint may refer to.
_NAMES = {
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
    ("torch", "Size"): _size,
    ("torch", "device"): Inert,
    ("argparse", "Namespace"): Inert,
    ("numpy", "dtype"): Inert,
    ("numpy", "ndarray"): None,
    ("numpy.core.multiarray", "_reconstruct"): Inert,
    ("numpy.core.multiarray", "scalar"): Inert,
    ("numpy._core.multiarray", "_reconstruct"): Inert,
    ("numpy._core.multiarray", "scalar"): Inert,
    **{("torch", name): None for name in (*STORAGE_TYPES, *NUMBER_TYPES)},
}


class _Unpickler(unpickling.Unpickler):
    """Builds tensors and plain containers, and nothing else."""

    refused = (
        "Nothing was executed. If you trust the file, load it with PyTorch "
        "and save its state dict alone."
    )

    def __init__(self, file, size, read_storage=None):
        super().__init__(file, size, _NAMES)
        self.read_storage = read_storage
        self.storages = {}

    def persistent_load(self, identifier):
        if type(identifier) is not tuple or len(identifier) not in (5, 6):
            raise ValueError("it holds a storage of an unknown kind")
        kind, storage_class, key, _, count, *view = identifier
        if kind != "storage" or any(part is not None for part in view):
            raise ValueError("it holds a storage of an unknown kind")
        if type(key) is not str or type(count) is not int or count < 0:
            raise ValueError("a storage has an invalid description")
        dtype = STORAGE_TYPES.get(getattr(storage_class, "name", None))
        if dtype is None:
            raise ValueError("it holds numbers of an unknown type")
        if key not in self.storages:
            self.storages[key] = _Storage(
                dtype, count, lambda: self.read_storage(key)
            )
        storage = self.storages[key]
        if (storage.dtype, storage.count) != (dtype, count):
            raise ValueError("a storage is described in two ways")
        return storage


def _read_torch_zip(path, size, key):
    with zipfile.ZipFile(path) as archive:
        members = {info.filename: info for info in archive.infolist()}
        roots = [n for n in members if n.endswith("/data.pkl")]
        if len(roots) != 1:
            raise ValueError("it is a zip archive without `data.pkl`")
        if any(i.compress_type != zipfile.ZIP_STORED for i in members.values()):
            raise ValueError("its content is compressed; PyTorch never does so")
        if sum(info.file_size for info in members.values()) > size:
            raise ValueError("its members are larger than the file")
        root = roots[0].removesuffix("data.pkl")
        order = b"little"
        if root + "byteorder" in members:
            order = archive.read(root + "byteorder")
        if order not in (b"little", b"big"):
            raise ValueError("its byte order is unknown")
        data = archive.read(roots[0])

        def read_storage(name):
            content = archive.read(f"{root}data/{name}")
            return ("<" if order == b"little" else ">"), content

        unpickler = _Unpickler(io.BytesIO(data), len(data), read_storage)
        return _state_dict(unpickler.load(), key, size)


def _read_torch_legacy(path, size, key):
    """The format before PyTorch 1.6: pickles in a row, then raw storages."""
    with (
        open(path, "rb") as opened,
        mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as file,
    ):
        try:
            magic = _Unpickler(file, size).load()
        except ValueError:
            magic = None
        if type(magic) is not int or magic != LEGACY_MAGIC:
            raise ValueError(
                "it is neither a zip archive nor of the older format. It may "
                "be truncated, or a web page saved under this name."
            )
        for _ in range(2):  # protocol version, system information
            _Unpickler(file, size).load()
        contents = {}
        unpickler = _Unpickler(file, size, contents.__getitem__)
        container = unpickler.load()
        for name in _Unpickler(file, size).load():
            storage = unpickler.storages[name]
            width = 2 if storage.dtype == "bfloat16" else int(storage.dtype[1])
            count = int.from_bytes(file.read(8), "little")
            if count != storage.count or count * width > size:
                raise ValueError("a storage is larger than the file")
            contents[name] = ("<", file.read(count * width))
    return _state_dict(container, key, size)


def _state_dict(container, key, size):
    if isinstance(container, dict) and key is not None:
        container = _entry(container, key)
    elif isinstance(container, dict):
        container = _only_entry(container)
    if not isinstance(container, dict):
        raise ValueError("it holds no state dict")
    tensors = {
        str(name): value.array()
        for name, value in container.items()
        if isinstance(value, _Tensor)
    }
    if not tensors:
        raise ValueError(
            "it holds no tensors at its top level, nor under `model`, "
            "`state_dict` or the like; choose an entry by `key`. Its entries "
            f"are {_entries(container)}"
        )
    total = sum(array.nbytes for array in tensors.values())
    if total > MOST_SHARING * size + FREE_BYTES:
        raise ValueError(
            f"its {len(tensors)} tensors would take {total:,} bytes, which "
            "repeat its numbers too often"
        )
    return tensors


def _entry(container, key):
    """An entry of a checkpoint, or the tensors whose names begin with it."""
    if key in container:
        return container[key]
    for inner in (container, _only_entry(container)):
        tensors = {
            str(name): value
            for name, value in inner.items()
            if isinstance(value, _Tensor)
        }
        found = {
            name.removeprefix(f"{key}."): value
            for name, value in wrappers.unwrapped(tensors).items()
            if name.startswith(f"{key}.")
        }
        if found:
            return found
    raise ValueError(f"it has no entry {key!r}, only {_entries(container)}")


def _only_entry(container, depth=3):
    """The dictionary of tensors of a model in a checkpoint.

    That under one of `STATE_KEYS`, else the only one that holds tensors.
    """
    # A module may itself be called "model": only dicts are containers.
    for name in STATE_KEYS:
        if isinstance(container.get(name), dict) and _holds(container[name]):
            return _only_entry(container[name], depth - 1)
    if depth < 1 or _is_state(container):
        return container
    inner = [each for each in list(container.values())[:100] if _holds(each)]
    return _only_entry(inner[0], depth - 1) if len(inner) == 1 else container


def _holds(found, depth=3):
    """Whether there are tensors in dictionaries in dictionaries."""
    if not isinstance(found, dict) or depth < 1:
        return False
    # Enough entries for a checkpoint, few enough for one made to be slow.
    return _is_state(found) or any(
        _holds(each, depth - 1) for each in list(found.values())[:100]
    )


def _is_state(found):
    return any(isinstance(value, _Tensor) for value in found.values())


def _entries(container):
    found = [str(each)[:100] for each in container]
    more = f" and {len(found) - 50} more" if len(found) > 50 else ""
    return f"{sorted(found[:50])}{more}"
