"""The HDF5 files of `Sequences`: one, or a set of numbered shards."""

import glob
import json
import os
import re
import warnings

import h5py
import numpy as np

from keras_skeleton import skeletons

FORMAT = "keras_skeleton sequences"
# 1: the bodies of a clip frame after frame, in a frame person after person.
# 2: person after person.
VERSION = 2
SHARD = re.compile(r"(.*)-(\d{5})-of-(\d{5})(\.[^.]*)?")


class Blocks:
    """Arrays joined along their first axis, without copying them.

    Supports what `Sequences` needs of its bodies: a slice that lies within
    one of the arrays, and reading everything.
    """

    dtype = np.dtype("float32")

    def __init__(self, arrays):
        self.arrays = arrays
        self.ends = np.cumsum([len(array) for array in arrays])
        self.shape = (int(self.ends[-1]), *arrays[0].shape[1:])

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, rows):
        start, stop, _ = rows.indices(len(self))
        block = int(np.searchsorted(self.ends, start, "right"))
        first = self.ends[block] - len(self.arrays[block])
        return self.arrays[block][start - first : stop - first]

    def __array__(self, dtype=None, copy=None):
        return np.concatenate([np.asarray(array) for array in self.arrays])


class FrameMajor:
    """The bodies of a file of version 1 in the order of today.

    Supports slices that lie within one clip, which is read whole.
    """

    dtype = np.dtype("float32")

    def __init__(self, bodies, lengths, persons):
        self.bodies = bodies
        self.lengths, self.persons = lengths, persons
        self.ends = np.cumsum(lengths * persons)
        self.shape = bodies.shape

    def __len__(self):
        return len(self.bodies)

    def __getitem__(self, rows):
        start, stop, _ = rows.indices(len(self))
        clip = int(np.searchsorted(self.ends, start, "right"))
        length, persons = self.lengths[clip], self.persons[clip]
        first = self.ends[clip] - length * persons
        bodies = np.asarray(self.bodies[first : self.ends[clip]])
        bodies = bodies.reshape(length, persons, *self.shape[1:])
        bodies = bodies.swapaxes(0, 1).reshape(-1, *self.shape[1:])
        return bodies[start - first : stop - first]

    def __array__(self, dtype=None, copy=None):
        bodies = np.empty(self.shape, self.dtype)
        for stop, size in zip(
            self.ends, self.lengths * self.persons, strict=True
        ):
            bodies[stop - size : stop] = self[stop - size : stop]
        return bodies


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
    # Contiguous, so that the file can be mapped into memory; clip by clip,
    # so that a set larger than memory can be written.
    persons, *rest = sequences.frame_shape
    num_bodies = int((sequences.lengths * sequences.persons).sum())
    bodies = file.create_dataset("bodies", (num_bodies, *rest), "float32")
    start = 0
    for index in range(len(sequences)):
        rows = sequences.clip(index).reshape(-1, *rest)
        bodies[start : start + len(rows)] = rows
        start += len(rows)
    file["lengths"] = sequences.lengths
    file["persons"] = sequences.persons
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
            "num_persons": persons,
            "coordinates": sequences.coordinates,
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


def shard_path(path, index, count):
    """Where shard `index` of `count` of the file `path` lies."""
    stem, extension = os.path.splitext(path)
    return f"{stem}-{index:05d}-of-{count:05d}{extension}"


def find_shards(path):
    """Returns the paths of the shards of `path`, which must be complete."""
    stem, extension = os.path.splitext(path)
    pattern = f"{glob.escape(stem)}-?????-of-?????{glob.escape(extension)}"
    found = [p for p in sorted(glob.glob(pattern)) if SHARD.fullmatch(p)]
    counts = {int(SHARD.fullmatch(each)[3]) for each in found}
    if not found:
        raise FileNotFoundError(f"There is no file {path!r}.")
    if len(counts) > 1:
        raise ValueError(
            f"Beside {path!r} there are sets of {sorted(counts)} shards. "
            "Remove those that are out of date."
        )
    (count,) = counts
    wanted = [shard_path(path, index, count) for index in range(count)]
    missing = sorted(set(wanted) - set(found))
    if missing:
        raise ValueError(
            f"{len(missing)} of the {count} shards of {path!r} are missing, "
            f"the first is {missing[0]!r}. Prepare them again."
        )
    return wanted


def load(path, in_memory):
    """Reads the arguments of a `Sequences`, see `Sequences.load`."""
    if not isinstance(path, str | os.PathLike):
        paths = [os.fspath(each) for each in path]
    elif os.path.isfile(path):
        paths = [os.fspath(path)]
    else:
        paths = find_shards(os.fspath(path))
    files = [_load(each, in_memory) for each in paths]
    if old := [p for p, f in zip(paths, files, strict=True) if f.pop("is_old")]:
        warnings.warn(
            f"{old[0]!r} is of an old form, which is slower to read. Write it "
            "anew: Sequences.load(path).save(path).",
            stacklevel=3,
        )
    return files[0] if len(files) == 1 else _join(files, paths[0])


def _load(path, in_memory):
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
    arguments = json.loads(file["description"][()])
    is_old = file.attrs["version"] == 1
    lengths = np.diff(file["offsets"][:]) if is_old else file["lengths"][:]
    persons = file["persons"][:]
    bodies = file["bodies"]
    if in_memory or not bodies.size:
        bodies = bodies[:]
    else:
        bodies = np.memmap(
            path, bodies.dtype, "r", bodies.id.get_offset(), bodies.shape
        )
    if is_old:
        bodies = FrameMajor(bodies, lengths, persons)
        bodies = np.asarray(bodies) if in_memory else bodies
    metadata = {}
    for name, values in file.get("metadata", {}).items():
        is_text = h5py.check_string_dtype(values.dtype) is not None
        metadata[name] = values.asstr()[:].astype(str) if is_text else values[:]
    return {
        "bodies": bodies,
        "lengths": lengths,
        "persons": persons,
        "is_old": is_old,
        "labels": file["labels"][:],
        "metadata": metadata,
        "splits": {
            protocol: {part: indices[:] for part, indices in parts.items()}
            for protocol, parts in file.get("splits", {}).items()
        },
        **arguments,
    }


def _join(files, path):
    """Joins the arguments of several `Sequences`."""
    # A file all of whose clips were left out tells nothing of the others.
    filled = [each for each in files if len(each["labels"])] or files[:1]
    _check_alike(filled, path)

    def join(values):
        return np.concatenate(list(values))

    sizes = [len(each["labels"]) for each in filled]
    splits = {}
    for each, start in zip(filled, np.cumsum([0, *sizes]), strict=False):
        for protocol, parts in each["splits"].items():
            for part, indices in parts.items():
                of_protocol = splits.setdefault(protocol, {})
                of_protocol.setdefault(part, []).append(indices + start)
    return {
        "bodies": Blocks([each["bodies"] for each in filled]),
        "lengths": join(each["lengths"] for each in filled),
        "persons": join(each["persons"] for each in filled),
        "num_persons": max(each["num_persons"] for each in filled),
        "labels": join(each["labels"] for each in filled),
        "names": [name for each in filled for name in each["names"]],
        "metadata": {
            key: join(each["metadata"][key] for each in filled)
            for key in filled[0]["metadata"]
        },
        "splits": {
            protocol: {part: join(found) for part, found in parts.items()}
            for protocol, parts in splits.items()
        },
        "skeleton": filled[0]["skeleton"],
        "class_names": filled[0]["class_names"],
        "coordinates": filled[0]["coordinates"],
        "skipped": [tuple(one) for each in files for one in each["skipped"]],
    }


def _check_alike(files, path):
    described = {
        "skeleton": [each["skeleton"] for each in files],
        "class names": [each["class_names"] for each in files],
        "coordinates": [each["coordinates"] for each in files],
        "metadata": [sorted(each["metadata"]) for each in files],
    }
    for what, values in described.items():
        if any(value != values[0] for value in values):
            raise ValueError(
                f"The files beside {path!r} differ in their {what}: they are "
                "not of one data set, or not prepared together."
            )
