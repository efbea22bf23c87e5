"""Reads tensors from weight files without executing anything in them."""

import io
import json
import math
import mmap
import pathlib
import zipfile
import zlib

import numpy as np

from keras_skeleton.datasets.files import unpickling
from keras_skeleton.datasets.files.unpickling import Inert

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
STATE_KEYS = ("model", "state_dict")
# What data parallel training, trainers and compilers put before all names.
WRAPPERS = ("module.", "model.", "_orig_mod.")
# Axes of a tensor; NumPy knows no more.
MOST_AXES = 64
# How much larger than a file its tensors may be, which can share storages.
MOST_SHARING = 16
FREE_BYTES = 1 << 24
# How many bytes one byte of a compressed archive can stand for.
MOST_INFLATION = 1100


def read_tensors(path, key=None):
    """Reads the named tensors of a weight file.

    Understands PyTorch files (`.pth`, `.pt`, `.bin`, `.ckpt`), `.safetensors`
    and `.npz`. PyTorch files are read without PyTorch by an unpickler that
    knows tensors, plain containers and numbers and refuses everything else,
    so no code in a file can run. Of a training checkpoint only the tensors of
    the model are read. What wrappers put before all names is dropped:
    `module.`, `model.` and `_orig_mod.`.

    Args:
        path: File to read.
        key: Entry of a PyTorch checkpoint that holds the tensors. By default
            the first of `"model"`, `"state_dict"`, else the file itself.

    Returns:
        Dict of tensor names to NumPy arrays, which may be read-only.
        bfloat16 becomes float32.

    Raises:
        ValueError: If the file is empty, truncated, of another type, or holds
            anything but plain data; the message names the file.
        FileNotFoundError: If there is no such file.

    Example:

    >>> tensors = read_tensors("checkpoint-399.pth")
    >>> tensors["norm.weight"].shape
    (256,)
    """
    return _unwrap(_read(pathlib.Path(path), key))


def _unwrap(tensors):
    """Drops what wrappers put before all names."""
    for wrapper in (w for _ in WRAPPERS for w in WRAPPERS):
        if tensors and all(name.startswith(wrapper) for name in tensors):
            tensors = {
                name.removeprefix(wrapper): array
                for name, array in tensors.items()
            }
    return tensors


def _read(path, key):
    size = _file_size(path)
    suffix = path.suffix.lower()
    if key is not None and suffix in (".safetensors", ".npz"):
        raise ValueError(
            f"{path.name} holds tensors only, and no entry {key!r} to choose: "
            "`key` is for PyTorch checkpoints."
        )
    if suffix == ".safetensors":
        return read_safetensors(path)[0]
    if suffix == ".npz":
        return _read_npz(path)
    if suffix in (".h5", ".keras"):
        raise ValueError(
            f"{path.name} is a file of Keras, which holds no tensor names. "
            "Load it into a model of the same architecture with "
            "`keras_skeleton.weights.load_weights(model, path)`."
        )
    try:
        if zipfile.is_zipfile(path):
            return _read_torch_zip(path, size, key)
        return _read_torch_legacy(path, size, key)
    except (
        *unpickling.ERRORS,
        NotImplementedError,
        RuntimeError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        raise ValueError(
            f"{path.name} cannot be read as a PyTorch checkpoint: "
            f"{error or type(error).__name__}"
        ) from error


def read_safetensors(path):
    """Reads a `.safetensors` file.

    Returns:
        A tuple: the dict of tensors, and the dict of the file's metadata.
    """
    # Gives NumPy the type bfloat16; a dependency of Keras.
    import ml_dtypes  # noqa: F401
    import safetensors

    path = pathlib.Path(path)
    _file_size(path)
    try:
        with safetensors.safe_open(path, framework="np") as file:
            metadata = dict(file.metadata() or {})
            tensors = {}
            for name in file.keys():
                tensors[name] = _widen(file.get_tensor(name))
            return tensors, metadata
    except (safetensors.SafetensorError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path.name} is no valid safetensors file (truncated, or of "
            f"another type?): {error}"
        ) from error


def read_metadata(path):
    """Reads the metadata of a `.safetensors` file, not its tensors."""
    path = pathlib.Path(path)
    size = _file_size(path)
    try:
        with open(path, "rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if length > size - 8:
                raise ValueError("the header is longer than the file")
            header = json.loads(file.read(length))
        return dict(header.get("__metadata__", {}))
    except (ValueError, AttributeError, TypeError) as error:
        raise ValueError(
            f"{path.name} is no valid safetensors file (truncated, or of "
            f"another type?): {error}"
        ) from error


def _file_size(path):
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {str(path)!r}.")
    size = path.stat().st_size
    if size == 0:
        raise ValueError(f"{path.name} is empty. Get the file again.")
    return size


def _widen(array):
    is_bfloat16 = array.dtype.name == "bfloat16"
    return array.astype("float32") if is_bfloat16 else array


def _read_npz(path):
    try:
        tensors = {}
        with zipfile.ZipFile(path) as archive:
            # Members may lie on top of each other.
            total = sum(info.file_size for info in archive.infolist())
            if total > MOST_INFLATION * path.stat().st_size:
                raise ValueError("its arrays are larger than it can hold")
            for info in archive.infolist():
                with archive.open(info) as file:
                    name = info.filename.removesuffix(".npy")
                    tensors[name] = _read_npy(file, info.file_size)
        return tensors
    except (
        ValueError,
        EOFError,
        NotImplementedError,
        RuntimeError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        raise ValueError(
            f"{path.name} cannot be read as an .npz archive of plain "
            f"arrays: {error}"
        ) from error


def _read_npy(file, size):
    """Reads one member, after comparing its declared size with the real one."""
    version = np.lib.format.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"unknown array format {version}")
    read_header = (
        np.lib.format.read_array_header_1_0
        if version == (1, 0)
        else np.lib.format.read_array_header_2_0
    )
    shape, fortran, dtype = read_header(file)
    if dtype.hasobject:
        raise ValueError("it holds Python objects, which are never loaded")
    if math.prod(shape) * dtype.itemsize != size - file.tell():
        raise ValueError(
            f"an array declares the shape {shape} of {dtype}, which is not "
            "the size of its data"
        )
    data = np.frombuffer(file.read(), dtype)
    return data.reshape(shape, order="F" if fortran else "C")


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
    if isinstance(container, dict):
        keys = STATE_KEYS if key is None else (key,)
        inner = [container[k] for k in keys if k in container]
        if key is not None and not inner:
            raise ValueError(
                f"it has no entry {key!r}, only {_entries(container)}"
            )
        # A module may itself be called "model": only dicts are containers.
        container = next((i for i in inner if isinstance(i, dict)), container)
    if not isinstance(container, dict):
        raise ValueError("it holds no state dict")
    tensors = {
        str(name): value.array()
        for name, value in container.items()
        if isinstance(value, _Tensor)
    }
    if not tensors:
        raise ValueError(
            "it holds no tensors at its top level, nor under `model` or "
            f"`state_dict`. Its entries are {_entries(container)}"
        )
    total = sum(array.nbytes for array in tensors.values())
    if total > MOST_SHARING * size + FREE_BYTES:
        raise ValueError(
            f"its {len(tensors)} tensors would take {total:,} bytes, which "
            "repeat its numbers too often"
        )
    return tensors


def _entries(container):
    found = [str(each)[:100] for each in container]
    more = f" and {len(found) - 50} more" if len(found) > 50 else ""
    return f"{sorted(found[:50])}{more}"
