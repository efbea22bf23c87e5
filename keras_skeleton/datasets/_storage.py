"""The HDF5 file of a `Sequences`."""

import json
import os

import h5py
import numpy as np

from keras_skeleton import skeletons

FORMAT = "keras_skeleton sequences"
VERSION = 1


def save(sequences, path):
    partial = f"{path}.{os.getpid()}.partial"
    try:
        with h5py.File(partial, "w") as file:
            _write(sequences, file)
        os.replace(partial, path)
    finally:
        if os.path.exists(partial):
            os.remove(partial)


def _write(sequences, file):
    offsets = sequences.offsets
    rest = sequences._store.shape[1:]
    # Contiguous, so that the file can be mapped into memory; clip by clip,
    # so that a set larger than memory can be written.
    frames = file.create_dataset("frames", (offsets[-1], *rest), "float32")
    for index, start in enumerate(offsets[:-1]):
        frames[start : offsets[index + 1]] = sequences._clip(index)
    file["offsets"] = offsets
    file["labels"] = sequences.labels
    for name, values in sequences.metadata.items():
        file[f"metadata/{name}"] = _storable(values)
    for protocol, parts in sequences.splits.items():
        for part, indices in parts.items():
            file[f"splits/{protocol}/{part}"] = indices
    # A data set of its own, as attributes end at 64 kB.
    file["description"] = json.dumps(
        {
            "names": sequences.names,
            "skeleton": skeletons.serialize(sequences.skeleton),
            "class_names": sequences.class_names,
            "skipped": sequences.skipped,
        }
    )
    # Written last.
    file.attrs["format"] = FORMAT
    file.attrs["version"] = VERSION


def _storable(values):
    if values.dtype.kind == "U":
        return values.astype(h5py.string_dtype())
    return values


def load(path, in_memory):
    """Reads the arguments of a `Sequences` from its file."""
    if not os.path.isfile(path):
        raise FileNotFoundError(f"There is no file {path!r}.")
    try:
        with h5py.File(path, "r") as file:
            if file.attrs.get("format") != FORMAT:
                raise ValueError(
                    f"{path!r} is an HDF5 file, but not one that "
                    "`Sequences.save` wrote."
                )
            if file.attrs["version"] > VERSION:
                raise ValueError(
                    f"{path!r} was written by a newer version of "
                    "keras_skeleton: update the package to read it."
                )
            return _read(file, path, in_memory)
    except (OSError, KeyError) as error:
        raise ValueError(
            f"{path!r} cannot be read as a file of sequences: it is cut off, "
            f"damaged or of another kind ({error}). Copy it or prepare it "
            "again."
        ) from error


def _read(file, path, in_memory):
    frames = file["frames"]
    if in_memory or not frames.size:
        frames = frames[:]
    else:
        frames = np.memmap(
            path, frames.dtype, "r", frames.id.get_offset(), frames.shape
        )
    metadata = {}
    for name, values in file.get("metadata", {}).items():
        is_text = h5py.check_string_dtype(values.dtype) is not None
        metadata[name] = values.asstr()[:].astype(str) if is_text else values[:]
    return {
        "frames": frames,
        "offsets": file["offsets"][:],
        "labels": file["labels"][:],
        "metadata": metadata,
        "splits": {
            protocol: {part: indices[:] for part, indices in parts.items()}
            for protocol, parts in file.get("splits", {}).items()
        },
        **json.loads(file["description"][()]),
    }
