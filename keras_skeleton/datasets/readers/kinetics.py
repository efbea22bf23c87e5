"""Kinetics-Skeleton: two-dimensional poses of 400 actions by OpenPose."""

import pathlib
import re

import numpy as np

from keras_skeleton import _values
from keras_skeleton._types import PathLike
from keras_skeleton.datasets import _names
from keras_skeleton.datasets.files import archives
from keras_skeleton.datasets.files import parsing
from keras_skeleton.datasets.files.pickles import as_integer
from keras_skeleton.datasets.readers import _places
from keras_skeleton.datasets.readers import stgcn
from keras_skeleton.datasets.readers.base import Clip
from keras_skeleton.datasets.readers.base import Reader
from keras_skeleton.datasets.readers.base import collect
from keras_skeleton.datasets.sequences import Sequences

NUM_JOINTS = 18
MOST_CLASSES = 10_000
# Videos have 300 frames.
MOST_FRAMES = 10_000
# Of each frame this many persons are looked at, in the order of the file.
PERSONS_READ = 5
CLIP = re.compile(r"(?:^|/)(?:[^/]*[_-])?(train|val)/([^/]+)\.json$")
LABELS = re.compile(r"(?:^|/)[^/]*(train|val)_label\.json$")
HINT = (
    "Get Kinetics-Skeleton from the page of ST-GCN "
    "(https://github.com/yysijie/st-gcn), unpack it, and pass the path of "
    "the folder that holds kinetics_train, kinetics_val and the files "
    "kinetics_train_label.json and kinetics_val_label.json, or that of the "
    "arrays train_data.npy and train_label.pkl."
)


def load_data(
    path: PathLike | None = None,
    max_persons=2,
    strict=False,
    workers=1,
    missing="zeros",
    skeleton=None,
) -> Sequences:
    """Reads Kinetics-Skeleton: files of clips, or the arrays of ST-GCN.

    About 240,000 clips for training and 20,000 for validation, mostly 300
    frames at 30 frames per second, 18 joints of OpenPose: x to the right and
    y down as shares of the image's width and height, minus 0.5, and the
    score. Joints that were not found are 0. In each frame, the persons with
    the highest sums of scores are kept (of the first five of the file),
    highest first: the same place need not be the same person in the next
    frame. Frames are where the files number them, so the first, number 0, is
    empty. Clips in which nobody was found are left out.

    Clips in the later form of MMSkeleton, in folders `train` and `val`, keep
    the persons of the lowest numbers instead, as its reader does.

    Protocol: `"official"`, training and validation.

    The data are on the page of https://github.com/yysijie/st-gcn (7.5 GB);
    the terms of Kinetics apply.

    Args:
        path: path of the folder with the `.json` files, of a .zip archive of
            it, or of the folder with the arrays.
            By default, it is looked for as `kinetics` in the cache of
            Keras, `~/.keras/datasets/keras_skeleton`.
        max_persons: integer, the persons of a frame to keep.
        strict: boolean, whether a file that cannot be used is an error. If
            not, it is left out, and named in a warning and in `skipped`.
        workers: integer, the processes that read.
        missing: what to do where something was not found (NaN, null):
            `"zeros"`, `"interpolate"` or `"error"`, see
            `readers.Reader.configure`.
        skeleton: `Skeleton`, or the name of a registered one, with as many
            joints in the order of the data, in the place of their own.

    Returns:
        A `Sequences` object with clips `(M, T, 18, 3)`.

    Raises:
        FileNotFoundError: if there are no such files at `path`.
        ValueError: if no file can be used, or if one cannot and `strict`.

    Example:

    ```python
    data = keras_skeleton.datasets.kinetics.load_data(
        "kinetics-skeleton", workers=8
    )
    train, test = data.split("official")
    ```

    Reference:

    - [Yan et al., 2018](https://arxiv.org/abs/1801.07455)
    """
    path = _places.locate(path, "kinetics", HINT)
    return collect(
        make_reader(path, max_persons),
        strict,
        workers,
        missing=missing,
        skeleton=skeleton,
    )


def make_reader(path, max_persons=2):
    """Returns the reader for what there is at `path`, see `load_data`."""
    if stgcn.find_data(path, "train") or stgcn.find_data(path, "val"):
        return stgcn.ArrayReader(path, "openpose18", "official")
    return KineticsReader(path, max_persons)


class KineticsReader(Reader):
    """Reader of `.json` files; a unit is a file and its label, if known.

    Args:
        path, max_persons: See `load_data`.
    """

    skeleton = "openpose18"
    coordinates = ("x", "y", "score")

    def __init__(self, path, max_persons=2):
        self.max_persons = _values.whole_number("max_persons", max_persons, 1)
        self._source = archives.open_source(path, ".json", HINT, wanted=CLIP)
        labels = {}
        for table in self._label_tables().values():
            labels.update(
                (label, name) for label, name in table.values() if name
            )
        if labels:
            self.class_names = [
                labels.get(number, str(number))
                for number in range(max(labels) + 1)
            ]

    def _label_tables(self):
        tables = {}
        for name in self._source.names:
            match = LABELS.search(name)
            if match:
                try:
                    table = parse_labels(self._source.read(name))
                except ValueError as error:
                    raise ValueError(f"{name}: {error}") from error
                tables[match[1]] = table
        return tables

    def units(self):
        tables = self._label_tables()
        units = []
        for name in self._source.names:
            match = CLIP.search(name)
            if not match:
                continue
            part, clip = match.groups()
            label = None
            if part in tables:
                label, _ = tables[part].get(clip, (None, None))
                if label is None and clip in tables[part]:
                    continue  # Nobody was found.
            units.append((name, label))
        return units

    def unit_name(self, unit):
        return pathlib.PurePosixPath(unit[0]).stem

    def read(self, unit):
        name, label = unit
        frames, found = parse_clip(self._source.read(name), self.max_persons)
        if label is not None and label != found:
            raise ValueError(
                f"its label is {found}, in the list of labels {label}"
            )
        found = _names.number_label(found, self.class_names)
        yield Clip(self.unit_name(unit), frames, found)

    def check(self, names, skipped):
        there = {}
        for match in filter(None, map(CLIP.search, self._source.names)):
            there.setdefault(match[1], set()).add(match[2])
        for part, table in self._label_tables().items():
            clips = there.get(part, set())
            _names.report(
                f"{part}_label.json",
                table,
                [name for name in table if name not in clips],
                sorted(clips),
                complete=clips <= set(table),
            )
        return super().check(names, skipped)

    def splits(self, names, labels, metadata):
        part_of = {}
        for name in self._source.names:
            match = CLIP.search(name)
            if match:
                part_of.setdefault(match[2], match[1])
        parts = {"train": [], "val": []}
        for index, name in enumerate(names):
            parts[part_of[name]].append(index)
        return {"official": {"train": parts["train"], "test": parts["val"]}}


def parse_labels(data):
    """Reads a list of labels.

    Args:
        data: bytes of a file like `kinetics_train_label.json`.

    Returns:
        A dictionary from clips to `(label, name)`; the label is `None` where
        nobody was found.

    Raises:
        ValueError: if it is no such list.
    """
    content = parsing.parse_json(data)
    if not isinstance(content, dict):
        raise ValueError("it is no dictionary of clips")
    table = {}
    for clip, entry in content.items():
        if not isinstance(entry, dict):
            raise ValueError(f"the label of clip {clip[:80]!r} is missing")
        label = as_integer(entry.get("label_index"), "label", 0, MOST_CLASSES)
        name = entry.get("label")
        name = name if isinstance(name, str) and name.isprintable() else None
        found = entry.get("has_skeleton", True)
        table[clip] = (label if found else None, name if found else None)
    return table


def parse_clip(data, max_persons=2):
    """Reads one clip, in the form of ST-GCN or of MMSkeleton.

    Args:
        data: bytes of the file.
        max_persons: integer, the persons of a frame to keep.

    Returns:
        A float32 array `(M, T, V, 3)`, and the label.

    Raises:
        ValueError: if the file has another form.
    """
    content = parsing.parse_json(data)
    if isinstance(content, dict) and "data" in content:
        return _parse_frames(content, max_persons)
    if isinstance(content, dict) and "annotations" in content:
        return _parse_annotations(content, max_persons)
    raise ValueError("it has neither the key 'data' nor 'annotations'")


def _parse_frames(content, max_persons):
    label = as_integer(content.get("label_index"), "label", 0, MOST_CLASSES)
    times, places, poses, scores = [], [], [], []
    for frame in filter(None, _dictionaries(content["data"], "'data'")):
        time = as_integer(
            frame.get("frame_index"), "frame_index", 0, MOST_FRAMES
        )
        persons = frame.get("skeleton", 0)
        persons = [] if persons is None else persons
        persons = _dictionaries(persons, "'skeleton'")[:PERSONS_READ]
        for place, person in enumerate(persons):
            if person is None or person.get("pose", 0) in (None, []):
                continue
            times.append(time)
            places.append(place)
            poses.append(person.get("pose"))
            scores.append(person.get("score"))
    if not times:
        raise ValueError("it shows nobody")
    poses = _to_doubles(poses, 2 * NUM_JOINTS).reshape(-1, NUM_JOINTS, 2)
    scores = _to_doubles(scores, NUM_JOINTS)
    # Joints before persons: sums then round as they do in the original.
    shape = (max(times) + 1, NUM_JOINTS, PERSONS_READ)
    clip = np.zeros((3, *shape))
    clip[0, times, :, places] = poses[..., 0] - 0.5
    clip[1, times, :, places] = poses[..., 1] - 0.5
    clip[2, times, :, places] = scores
    clip[:2, clip[2] == 0] = 0
    totals = np.nan_to_num(clip[2]).sum(axis=1)
    order = np.argsort(-totals, axis=1, kind="stable")
    order = order[None, :, None, :max_persons]
    clip = np.take_along_axis(clip, order, axis=3)
    return _finish(clip.transpose(3, 1, 2, 0)), label


@np.errstate(over="ignore")
def _parse_annotations(content, max_persons):
    label = as_integer(content.get("category_id"), "label", 0, MOST_CLASSES)
    info = content.get("info")
    if not isinstance(info, dict):
        raise ValueError("it has no key 'info'")
    resolution = _to_doubles([info.get("resolution")], 2)[0]
    resolution = resolution.astype("float32")
    if not ((resolution > 0) & np.isfinite(resolution)).all():
        raise ValueError(f"its 'resolution' is {resolution.tolist()}")
    length = as_integer(info.get("num_frame"), "num_frame", 1, MOST_FRAMES)
    times, places, joints = [], [], []
    persons = _dictionaries(content["annotations"], "'annotations'")
    for person in filter(None, persons):
        place = person.get("person_id")
        place = person.get("id") if place is None else place
        place = as_integer(place, "person_id")
        time = as_integer(person.get("frame_index"), "frame_index")
        if place < max_persons and time < length:
            times.append(time)
            places.append(place)
            joints.append(person.get("keypoints"))
    if not times:
        raise ValueError("it shows nobody")
    # In single precision, as its reader does.
    joints = _to_doubles(joints, None, 3).astype("float32")
    shape = (max(places) + 1, max(times) + 1, *joints.shape[1:])
    if shape[0] * shape[1] > MOST_FRAMES:
        raise ValueError(f"it has {shape[0]} persons in {shape[1]} frames")
    joints[..., :2] = joints[..., :2] / resolution - 0.5
    joints[joints[..., 2] == 0] = 0
    clip = np.zeros(shape, "float32")
    clip[places, times] = joints
    return _finish(clip), label


def _dictionaries(values, what):
    """A list of dictionaries or, for what was not found, `None`."""
    if not isinstance(values, list) or not all(
        isinstance(value, dict | None) for value in values
    ):
        raise ValueError(f"its {what} is not a list of dictionaries")
    return values


def _to_doubles(values, *sizes):
    """A float64 array of lists; in it, places are centred without loss."""
    try:
        array = np.asarray(values)
    except ValueError:
        array = None
    if array is None or array.dtype.kind == "O":
        array = parsing.to_doubles(values)
    fits = array.ndim == len(sizes) + 1 and all(
        wanted in (None, size)
        for wanted, size in zip(sizes, array.shape[1:], strict=True)
    )
    if not fits or array.dtype.kind not in "fiu":
        raise ValueError(
            f"its numbers have the shape {array.shape} and the type "
            f"{array.dtype}"
        )
    return array.astype("float64")


def _finish(clip):
    with np.errstate(over="ignore"):
        return stgcn.trim(clip.astype("float32"))
