"""Poses that people extract themselves: what their readers share."""

import numpy as np

from keras_skeleton.datasets.files import archives
from keras_skeleton.datasets.readers.base import Reader

# Frames after which someone who comes back is someone else.
LONGEST_GAP = 30
MOST_PERSONS_IN_FRAME = 100


class ExtractedReader(Reader):
    """A reader of files without classes, whose clips get labels by name.

    Args:
        path: path of a folder, a .zip archive or a single file.
        suffixes: string or tuple of strings that file names end in.
        hint: string, what there should be.
        labels: See `openpose.load_data`.
        class_names: See `openpose.load_data`.
    """

    def __init__(self, path, suffixes, hint, labels=None, class_names=None):
        self._source = archives.open_source(path, suffixes, hint)
        self._labels, self.class_names = number_labels(labels, class_names)

    def units(self):
        return self._source.names

    def label(self, name):
        """Returns the label of the clip of a name, -1 if it has none."""
        return self._labels.get(name, -1)


def number_labels(labels, class_names):
    """Turns labels into numbers.

    Args:
        labels: dictionary from names of clips to classes: numbers from 0, or
            names of classes; or `None`.
        class_names: list of strings, or `None` for the names in `labels`, in
            alphabetical order.

    Returns:
        A dictionary from names of clips to numbers, and the names of the
        classes, or `None`.

    Raises:
        ValueError: if a label is not among the classes.
    """
    labels = dict(labels or {})
    is_named = [isinstance(label, str) for label in labels.values()]
    if class_names is None and any(is_named) and all(is_named):
        class_names = sorted(set(labels.values()))
    class_names = None if class_names is None else list(class_names)
    return {
        name: number_label(label, class_names) for name, label in labels.items()
    }, class_names


def number_label(label, class_names):
    """Returns the number of a class that is given by number or name."""
    if isinstance(label, str) and class_names and label in class_names:
        return class_names.index(label)
    limit = np.inf if class_names is None else len(class_names)
    is_number = isinstance(label, int | np.integer)
    if not is_number or isinstance(label, bool) or not 0 <= label < limit:
        words = "whole numbers from 0"
        if class_names is not None:
            words = f"among the {len(class_names)} classes"
        raise ValueError(f"Labels must be {words}. Received: {label!r}")
    return int(label)


def clip_names(parts):
    """Names clips by the parts of their paths that tell them apart.

    Args:
        parts: list of tuples of strings, all different.

    Returns:
        List of strings, all different.
    """
    shared = 0
    if len(parts) > 1:
        shortest = min(map(len, parts))
        while shared < shortest and len({p[shared] for p in parts}) == 1:
            shared += 1
    return ["/".join(p[min(shared, len(p) - 1) :]) for p in parts]


def track(frames, num_persons, identities=None):
    """Follows persons through frames.

    Where every person of a clip has an identity, no two of one frame the
    same, these are followed. Else, in each frame, the person and the track
    that are nearest, by the mean of visible joints, are joined first, then
    the next nearest. Two that are farther apart than the larger of them is
    large are not joined, and neither are those with over 30 frames between
    them: then a new track begins.

    Args:
        frames: list, for each frame, of a list of persons, float32 arrays
            `(V, C)`; joints that are not visible are zeros.
        num_persons: integer, the tracks to keep: those with most frames, the
            earliest first among equals.
        identities: list of lists of hashable identities, or `None`.

    Returns:
        float32 array `(M, T, V, C)` with the tracks in order of their
        length, or `(0, T, 0, 0)` if there is nobody; `M` is at most
        `num_persons`.

    Raises:
        ValueError: if a frame shows more than 100 persons.
    """
    if num_persons < 1:
        raise ValueError(
            f"`num_persons` must be at least 1. Received: {num_persons}"
        )
    crowd = max(map(len, frames), default=0)
    if crowd > MOST_PERSONS_IN_FRAME:
        raise ValueError(f"a frame shows {crowd} persons")
    if identities is not None and all(map(_are_distinct, identities)):
        tracks = {}
        for t, (persons, names) in enumerate(
            zip(frames, identities, strict=True)
        ):
            for person, name in zip(persons, names, strict=True):
                tracks.setdefault(name, []).append((t, person))
        tracks = list(tracks.values())
    else:
        tracks = _join_nearest(frames)
    tracks = sorted(tracks, key=len, reverse=True)[:num_persons]
    shape = tracks[0][0][1].shape if tracks else (0, 0)
    clip = np.zeros((len(tracks), len(frames), *shape), "float32")
    for row, found in zip(clip, tracks, strict=True):
        for t, person in found:
            row[t] = person
    return clip


def _are_distinct(names):
    return None not in names and len(set(names)) == len(names)


def _join_nearest(frames):
    tracks, live = [], []
    for t, persons in enumerate(frames):
        persons = [person for person in persons if person.any()]
        live = [track for track in live if t - track[-1][0] <= LONGEST_GAP]
        pairs = _pair_nearest(persons, [track[-1][1] for track in live])
        for index, person in enumerate(persons):
            if index in pairs:
                live[pairs[index]].append((t, person))
            else:
                tracks.append([(t, person)])
                live.append(tracks[-1])
    return tracks


def _pair_nearest(now, then):
    """Maps persons to those of before, the nearest pairs first."""
    if not now or not then:
        return {}
    here, sizes = map(np.stack, zip(*map(_place, now), strict=True))
    there, sizes_before = map(np.stack, zip(*map(_place, then), strict=True))
    with np.errstate(invalid="ignore"):
        far = np.linalg.norm(here[:, None] - there[None], axis=-1)
    near = far <= np.maximum(sizes[:, None], sizes_before[None])
    persons, tracks = np.nonzero(near)
    order = np.argsort(far[near], kind="stable")
    pairs, taken = {}, set()
    for person, track in zip(
        persons[order].tolist(), tracks[order].tolist(), strict=True
    ):
        if person not in pairs and track not in taken:
            pairs[person] = track
            taken.add(track)
    return pairs


def _place(person):
    """The mean of visible joints, and how far they spread."""
    # The last coordinate is the score.
    joints = np.float64(person[person.any(-1), :-1])
    with np.errstate(invalid="ignore"):
        return joints.mean(0), np.linalg.norm(joints.max(0) - joints.min(0))
