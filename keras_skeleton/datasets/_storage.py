"""The HDF5 files of `Sequences`: one, or a set of numbered shards."""

import glob
import json
import os
import re
import warnings

import h5py
import numpy as np

from keras_skeleton import _outputs
from keras_skeleton import skeletons
from keras_skeleton.datasets import _bodies
from keras_skeleton.datasets import _checksums
from keras_skeleton.datasets import _stored
from keras_skeleton.datasets.files import hdf5

FORMAT = "keras_skeleton sequences"
# 1: the bodies of a clip frame after frame, in a frame person after person.
# 2: person after person.
# 3: the same, with checksums behind it.
VERSION = 3
OLD_FORMS = {
    1: "which is slower to read and has no checksums",
    2: "without checksums: damage to its frames would not be noticed",
}
SHARD = re.compile(r"(.*)-(\d{5})-of-(\d{5})(\.[^.]*)?")


def save(sequences, path):
    writer = _checksums.Writer()
    with _outputs.replacing(path) as part:
        with h5py.File(part, "w") as file:
            start = _write(sequences, file, writer)
        _checksums.append(part, start, writer)


def _write(sequences, file, writer):
    """Writes everything; returns where the bodies lie in the file."""
    # Contiguous, so that the file can be mapped into memory; clip by clip,
    # so that a set larger than memory can be written.
    persons, *rest = sequences.frame_shape
    num_bodies = int((sequences.lengths * sequences.persons).sum())
    bodies = file.create_dataset("bodies", (num_bodies, *rest), "float32")
    start = 0
    for index in range(len(sequences)):
        rows = np.ascontiguousarray(sequences.clip(index), "float32")
        rows = rows.reshape(-1, *rest)
        bodies[start : start + len(rows)] = rows
        writer.update(rows)
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
    return bodies.id.get_offset() or 0


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
    paths = paths_of(path)
    files = [_load(each, in_memory) for each in paths]
    versions = [each.pop("version") for each in files]
    for version, what in OLD_FORMS.items():
        if version in versions:
            warnings.warn(
                f"{paths[versions.index(version)]!r} is of an old form, "
                f"{what}. Write it anew: Sequences.load(path).save(path).",
                stacklevel=3,
            )
            break
    return files[0] if len(files) == 1 else _join(files, paths[0])


def paths_of(path):
    """Returns the paths of a file, of its shards, or of a list of files."""
    if not isinstance(path, str | os.PathLike):
        return [os.fspath(each) for each in path]
    if os.path.isfile(path):
        return [os.fspath(path)]
    return find_shards(os.fspath(path))


def find_damage(path):
    """Reads whole files and says what was changed in them.

    Args:
        path: See `Sequences.load`.

    Returns:
        A list of messages, empty if all is as it was written, and the number
        of files that have no checksums.
    """
    faults, unknown = [], 0
    for each in paths_of(path):
        try:
            bodies = _load(each, in_memory=False)["bodies"]
        except ValueError as error:
            faults.append(str(error))
            continue
        if not isinstance(bodies, _bodies.Checked):
            unknown += bool(len(bodies))
        elif wrong := bodies.find_damage(0, len(bodies)):
            clips = bodies.clips_of(wrong)
            faults.append(_bodies.damage(each, clips))
    return faults, unknown


class _Foreign(ValueError):
    """A file that is not damaged, but none that can be read."""


def _load(path, in_memory):
    """The arguments of the `Sequences` in one file, and its version."""
    # Imported here, as it imports this module.
    from keras_skeleton.datasets.sequences import Sequences

    try:
        sums = _checksums.read(path)
        with h5py.File(path, "r") as file:
            version = _version(file, path)
            if sums is None and version not in OLD_FORMS:
                raise ValueError(
                    "its checksums are missing: the end was cut off, or "
                    "another program has changed it"
                )
            arguments, start, shape = _stored.read(file, version == 1)
        # Nothing can be mapped of an empty file.
        is_empty = 0 in shape
        bodies = (
            np.zeros(shape, "float32")
            if is_empty
            else np.memmap(path, "float32", "r", start, shape)
        )
        if sums is not None and (
            sums.size != bodies.nbytes or (sums.start != start and sums.size)
        ):
            raise ValueError("its checksums are those of other frames")
        Sequences(bodies=bodies, **arguments)
    except (_Foreign, FileNotFoundError):
        raise
    except hdf5.ERRORS as error:
        raise ValueError(
            f"{path!r} cannot be read as a file of sequences: it is cut off, "
            f"damaged or of another kind ({str(error) or type(error).__name__}"
            "). Copy it or prepare it again."
        ) from error
    counts = arguments["lengths"], arguments["persons"]
    if in_memory and not is_empty:
        bodies = np.fromfile(path, "float32", bodies.size, offset=start)
        bodies = bodies.reshape(shape)
    if sums is not None:
        ends = np.cumsum(counts[0] * counts[1])
        names = arguments["names"]
        bodies = _bodies.Checked(bodies, sums, ends, names, path)
    if version == 1:
        bodies = _bodies.FrameMajor(bodies, *counts)
    if in_memory:
        bodies = np.asarray(bodies)
    return {"bodies": bodies, "version": version, **arguments}


def _version(file, path):
    """The version of a store; anything else is refused."""
    found = [
        file.attrs.get_id(name)
        for name in ("format", "version")
        if name in file.attrs
    ]
    is_store = (
        len(found) == 2
        and all(each.shape == () for each in found)
        and found[1].dtype.kind in "iu"
        and file.attrs["format"] == FORMAT
    )
    if not is_store:
        from keras_skeleton.datasets import video_store

        hint = ""
        if video_store.is_store(path):
            hint = " It holds pictures of video: `Videos.load` opens it."
        raise _Foreign(
            f"{path!r} is an HDF5 file, but not one that `Sequences.save` "
            f"wrote.{hint}"
        )
    version = int(file.attrs["version"])
    if version > VERSION:
        raise _Foreign(
            f"{path!r} was written by a newer version of keras_skeleton: "
            "update the package to read it."
        )
    if version < 1:
        raise ValueError(f"its version is {version}")
    return version


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
        "bodies": _bodies.Blocks([each["bodies"] for each in filled]),
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
