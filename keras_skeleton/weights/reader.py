"""Reads tensors from weight files without executing anything in them."""

import json
import math
import pathlib
import zipfile
import zlib

import numpy as np

from keras_skeleton._types import PathLike
from keras_skeleton.datasets.files import unpickling
from keras_skeleton.weights import _torch_files
from keras_skeleton.weights import wrappers

# How many bytes one byte of a compressed archive can stand for.
MOST_INFLATION = 1100


def read_tensors(path: PathLike, key=None) -> dict[str, np.ndarray]:
    """Reads the named tensors of a weight file.

    Understands PyTorch files (`.pth`, `.pt`, `.bin`, `.ckpt`), `.safetensors`
    and `.npz`. PyTorch files are read without PyTorch by an unpickler that
    knows tensors, plain containers and numbers and refuses everything else,
    so no code in a file can run. Of a training checkpoint only the tensors of
    the model are read. What wrappers put before nearly all names is dropped:
    `module.`, `model.` and `_orig_mod.`.

    Args:
        path: File to read.
        key: Entry of a PyTorch checkpoint that holds the tensors, or what
            the names of those to read begin with, such as `"teacher"`. By
            default the first of `"model"`, `"state_dict"` and the like, else
            the only entry with tensors, else the file itself.

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
    return wrappers.unwrapped(_read(pathlib.Path(path), key))


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
        return _torch_files.read(path, size, key)
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
