"""Poses that people extract themselves: what their readers share."""

import re

import numpy as np

from keras_skeleton import _values
from keras_skeleton._matching import nearest_pairs
from keras_skeleton.datasets import _names
from keras_skeleton.datasets.files import archives
from keras_skeleton.datasets.readers.base import Reader

# Frames after which someone who comes back is someone else.
LONGEST_GAP = 30
MOST_PERSONS_IN_FRAME = 100
# A file of one frame: how its name begins, the last number, and its end.
FRAME_NAME = re.compile(
    r"(.*?)[_.-]?(\d{1,18})(\D*)\.\w+", re.ASCII | re.DOTALL
)


class ExtractedReader(Reader):
    """A reader of files without classes, whose clips get labels by name.

    Args:
        path: path of a folder, a .zip archive or a single file.
        suffixes: string or tuple of strings that file names end in.
        hint: string, what there should be.
        labels: See `openpose.load_data`.
        class_names: See `openpose.load_data`.
        num_persons: integer, the persons to keep.
    """

    def __init__(
        self,
        path,
        suffixes,
        hint,
        labels=None,
        class_names=None,
        num_persons=1,
    ):
        self.num_persons = _values.whole_number("num_persons", num_persons, 1)
        self._named = None
        self._source = archives.open_source(path, suffixes, hint)
        frames = group_frames(self._source.names, self._source.stem)
        self.labels, self.class_names = _names.number_labels(
            labels, class_names, [*self._source.names, *frames]
        )

    def units(self):
        return self._source.names

    def label(self, name):
        """Returns the label of the clip of a name, -1 if it has none."""
        if self._named is None:
            self._named = _names.Finder(self.labels, self.units())
        return self.labels.get(self._named.find(name), -1)

    def check(self, names, skipped):
        named = _names.Finder(self.labels, [*self.units(), *names])
        there = [*names, *(name for name, _ in skipped)]
        complete = all(named.find(name) is not None for name in names)
        _names.report(
            "labels", named.given, named.unmatched(there), names, complete
        )
        return super().check(names, skipped)


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


def group_frames(names, stem):
    """Groups files of one frame each to clips.

    Files of a folder whose names differ in their last number alone belong
    together, in the order of that number.

    Args:
        names: list of names of files, with `/` between folders.
        stem: string, the name of a clip for which none is left.

    Returns:
        Dictionary from the name of each clip to a list of names of files.
        Names without a number are in none.
    """
    groups = {}
    for name in names:
        folder, _, file = name.rpartition("/")
        match = FRAME_NAME.fullmatch(file)
        if match:
            end = match[3].lower().strip("_-. ")
            end = "" if end in ("keypoints", "pose", "poses") else end
            begin = "_".join(filter(None, [match[1], end]))
            parts = tuple(filter(None, [*folder.split("/"), begin]))
            found = groups.setdefault(parts or (stem,), [])
            found.append((int(match[2]), name))
    # A folder is mostly called as the video is.
    keys = [
        key[:-1] if len(key) > 1 and key[-1] == key[-2] else key
        for key in groups
    ]
    if len(set(keys)) < len(keys):
        keys = list(groups)
    return {
        name: [file for _, file in sorted(files)]
        for name, files in zip(clip_names(keys), groups.values(), strict=True)
    }


def identity(value):
    """The number or text by which a tracker knows a person, or `None`.

    Args:
        value: what a file holds: a number, a text, or a list of one. A
            negative number and an empty text stand for nobody known.
    """
    while isinstance(value, list | tuple) and len(value) == 1:
        value = value[0]
    if isinstance(value, str):
        value = value.strip()
        try:
            value = float(value) if len(value) < 40 else value
        except ValueError:
            return None if value.lower() in ("", "none", "null") else value
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if not np.isfinite(value) or value < 0:
        return None
    return int(value) if value == int(value) else value


def track(frames, num_persons, identities=None, notes=None):
    """Follows persons through frames.

    Persons with an identity keep it. One that is found more than once in a
    frame tells nothing there, and nothing at all if that is so in most of
    its frames. The others are joined to the nearest track of somebody who is
    not known to be elsewhere in the frame: in each frame, the person and the
    track that are nearest, by the mean of visible joints, are joined first,
    then the next nearest. Two that are farther apart than the larger of them
    is large are not joined, and neither are those with over 30 frames
    between them: then a new track begins.

    Args:
        frames: list, for each frame, of a list of persons, float32 arrays
            `(V, C)`; joints that are not visible are zeros or NaN.
        num_persons: integer, the tracks to keep: those with most frames, the
            earliest first among equals.
        identities: list of lists of what `identity` returned, or `None`.
        notes: list to which texts are added where identities are not
            believed, or persons are NaN throughout; or `None`.

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
    if identities is None:
        identities = [[None] * len(persons) for persons in frames]
    unknown = sum(
        bool(name is None and np.isnan(person).all())
        for pair in zip(frames, identities, strict=True)
        for person, name in zip(*pair, strict=True)
    )
    if unknown and notes is not None:
        notes.append(f"{unknown} persons in frames are NaN or null throughout")
    identities = _believe(identities, notes)
    tracks = _follow(frames, identities)
    tracks = sorted(tracks, key=len, reverse=True)[:num_persons]
    shape = tracks[0][0][1].shape if tracks else (0, 0)
    clip = np.zeros((len(tracks), len(frames), *shape), "float32")
    for row, found in zip(clip, tracks, strict=True):
        for t, person in found:
            row[t] = person
    return clip


def _believe(identities, notes):
    """Identities without those that several persons of a frame have."""
    seen, repeated = {}, {}
    for names in identities:
        for name in set(names) - {None}:
            seen[name] = seen.get(name, 0) + 1
            if names.count(name) > 1:
                repeated[name] = repeated.get(name, 0) + 1
    if not repeated:
        return identities
    never = {name for name, count in repeated.items() if 2 * count > seen[name]}
    if notes is not None:
        first = next(iter(repeated))
        frames = sum(repeated.values())
        notes.append(
            f"the identity {first!r} is that of several persons in a frame "
            f"({len(repeated)} identities, {frames} times): persons are "
            "joined by distance there"
        )
    return [
        [
            None if name in never or names.count(name) > 1 else name
            for name in names
        ]
        for names in identities
    ]


def _follow(frames, identities):
    """Lists of `(frame, person)`, one for each track."""
    tracks, live, known = [], [], {}
    for t, (persons, names) in enumerate(zip(frames, identities, strict=True)):
        found = [
            (person, name)
            for person, name in zip(persons, names, strict=True)
            if np.nan_to_num(person).any()
            or (name is not None and np.isnan(person).any())
        ]
        live = [track for track in live if t - track[-1][0] <= LONGEST_GAP]
        named = {id(track): name for name, track in known.items()}
        taken, rest = set(), []
        for person, name in found:
            if name in known:
                known[name].append((t, person))
                taken.add(id(known[name]))
                if not any(track is known[name] for track in live):
                    live.append(known[name])
            else:
                rest.append((person, name))
        # Those with a new identity may continue a track without one.
        for new in (True, False):
            group = [each for each in rest if (each[1] is not None) == new]
            free = [
                track
                for track in live
                if id(track) not in taken and not (new and id(track) in named)
            ]
            pairs = _pair_nearest(
                [person for person, _ in group],
                [track[-1][1] for track in free],
            )
            for index, (person, name) in enumerate(group):
                if index in pairs:
                    joined = free[pairs[index]]
                    joined.append((t, person))
                else:
                    joined = [(t, person)]
                    tracks.append(joined)
                    live.append(joined)
                taken.add(id(joined))
                if name is not None:
                    known[name] = joined
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
    return nearest_pairs(far, near)


def _place(person):
    """The mean of visible joints, and how far they spread."""
    # The last coordinate is the score.
    is_seen = person.any(-1) & ~np.isnan(person).any(-1)
    joints = np.float64(person[is_seen, :-1])
    if not len(joints):
        return np.full(person.shape[-1] - 1, np.nan), np.nan
    with np.errstate(invalid="ignore"):
        return joints.mean(0), np.linalg.norm(joints.max(0) - joints.min(0))
