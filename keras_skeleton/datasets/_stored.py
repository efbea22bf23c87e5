"""What a store says of its clips, read as a file that anybody may have made."""

import json
import math

import numpy as np

from keras_skeleton.datasets.files import hdf5

# More than any layout has; checks of a layout compare all pairs.
MOST_JOINTS = 2000
# Room for persons that no clip needs.
MOST_PERSONS = 1000
# How much larger texts may become that are filled up to the longest.
MOST_PADDING = 64
NUMBERS = "iufb"
# What names are that nobody made texts of.
PLAIN = (str, int, float)
KEYS = {
    "names",
    "num_persons",
    "coordinates",
    "skeleton",
    "class_names",
    "skipped",
}


def read(file, is_old):
    """Reads all but the bodies.

    Args:
        file: an open `h5py.File`.
        is_old: Whether it is of version 1.

    Returns:
        The arguments of a `Sequences` without `bodies`, and the place and
        the shape of these in the file.

    Raises:
        ValueError: If it holds anything but clips, or more than its size
            allows.
    """
    return _Content(file).read(is_old)


class _Content:
    """An open file, and how much of it has not been read."""

    def __init__(self, file):
        self.file = file
        self.size = self.left = hdf5.file_size(file)

    def read(self, is_old):
        bodies = self.take(self.file, "bodies", 3)
        if bodies.dtype != np.float32:
            raise ValueError(f"its 'bodies' have the type {bodies.dtype}")
        place = bodies.id.get_offset()
        if place is None and math.prod(bodies.shape):
            raise ValueError("its 'bodies' are not in one piece")
        if is_old:
            lengths = np.diff(self.numbers(self.file, "offsets"))
        else:
            lengths = self.numbers(self.file, "lengths")
        persons = self.numbers(self.file, "persons")
        _check_counts(lengths, persons, bodies.shape[0])
        description = self.description(persons, bodies.shape[1:])
        metadata = hdf5.get_group(self.file, "metadata")
        splits = hdf5.get_group(self.file, "splits")
        arguments = {
            "lengths": lengths,
            "persons": persons,
            "labels": self.numbers(self.file, "labels"),
            "metadata": {
                name: self.column(metadata, name) for name in _names(metadata)
            },
            "splits": {
                protocol: self.parts(hdf5.get_group(splits, protocol))
                for protocol in _names(splits)
            },
            **description,
        }
        return arguments, place or 0, bodies.shape

    def parts(self, group):
        return {part: self.numbers(group, part) for part in _names(group)}

    def take(self, parent, name, axes):
        """A data set whose bytes no other one has."""
        found = hdf5.open_dataset(parent, name, contiguous=True)
        if len(found.shape or ()) != axes and axes is not None:
            raise ValueError(f"its {name!r} has the shape {found.shape}")
        self.left -= hdf5.num_bytes(found)
        if self.left < 0:
            raise ValueError("its data sets are more than the file can hold")
        return found

    def numbers(self, parent, name):
        found = self.take(parent, name, 1)
        if found.dtype.kind not in "iu":
            raise ValueError(f"its {name!r} has the type {found.dtype}")
        return found[:]

    def column(self, parent, name):
        """Values of all clips."""
        found = self.take(parent, name, None)
        if not found.shape:
            raise ValueError(f"its {name!r} has the shape {found.shape}")
        if not hdf5.is_text(found):
            if found.dtype.kind not in NUMBERS + "S":
                raise ValueError(f"its {name!r} has the type {found.dtype}")
            return found[:]
        texts = [text.decode() for text in self.texts(found, name)]
        longest = max(map(len, texts), default=0)
        if (
            4 * longest * len(texts)
            > MOST_PADDING * self.size + hdf5.FREE_BYTES
        ):
            raise ValueError(f"a text in its {name!r} is too long")
        return np.array(texts, "U").reshape(found.shape)

    def texts(self, found, name):
        texts = hdf5.read_text(found, name, self.left)
        self.left -= sum(map(len, texts))
        return texts

    def description(self, persons, frame_shape):
        found = self.take(self.file, "description", 0)
        if not hdf5.is_text(found):
            raise ValueError("its 'description' is no text")
        (text,) = self.texts(found, "description")
        try:
            described = json.loads(text)
        except RecursionError as error:
            raise ValueError("its 'description' is too deep") from error
        return _check_description(described, persons, *frame_shape)


def _names(group):
    """The names in a group, if there is one."""
    for name in group or ():
        if not name.isprintable():
            raise ValueError(f"it holds the name {name!r}")
        yield name


def _check_counts(lengths, persons, num_bodies):
    """Before anything is multiplied, which could overflow."""
    if len(lengths) != len(persons):
        raise ValueError(
            f"it has the lengths of {len(lengths)} and the persons of "
            f"{len(persons)} clips"
        )
    for counts in (lengths, persons):
        if np.any(counts < 1) or np.any(counts > num_bodies):
            raise ValueError("it has clips of no or too many frames or persons")
    total = (lengths.astype("float64") * persons).sum()
    if total != num_bodies:
        raise ValueError(
            f"its clips need {total:.0f} bodies, but there are {num_bodies}"
        )


def _check_description(found, of_clips, num_joints, num_coordinates):
    if not isinstance(found, dict) or found.keys() != KEYS:
        keys = sorted(found) if isinstance(found, dict) else type(found)
        raise ValueError(
            f"its description has the entries {str(keys)[:200]}; expected "
            f"{sorted(KEYS)}"
        )
    classes, persons = found["class_names"], found["num_persons"]
    most_persons = max(MOST_PERSONS, int(of_clips.max(initial=1)))
    right = {
        "names": _is_texts(found["names"], len(of_clips)),
        "num_persons": type(persons) is int and 1 <= persons <= most_persons,
        "coordinates": _is_texts(found["coordinates"], num_coordinates),
        "skeleton": _is_skeleton(found["skeleton"], num_joints),
        "class_names": classes is None or _is_texts(classes, kinds=PLAIN),
        "skipped": isinstance(found["skipped"], list)
        and all(_is_texts(each, 2, PLAIN) for each in found["skipped"]),
    }
    for name, is_right in right.items():
        if not is_right:
            raise ValueError(
                f"{name!r} of its description is not as `Sequences.save` "
                f"writes it, but {str(found[name])[:100]}"
            )
    return found


def _is_texts(values, size=None, kinds=str):
    return (
        isinstance(values, list)
        and (size is None or len(values) == size)
        and all(isinstance(value, kinds) for value in values)
    )


def _is_skeleton(found, num_joints):
    """Whether a layout can be built of it in little time."""
    if isinstance(found, str):
        return True
    if not isinstance(found, dict):
        return False
    joints, edges = found.get("joints"), found.get("edges")
    return (
        isinstance(found.get("name"), str)
        and _is_texts(joints, num_joints)
        and num_joints <= MOST_JOINTS
        and isinstance(edges, list)
        and len(edges) < num_joints
    )
