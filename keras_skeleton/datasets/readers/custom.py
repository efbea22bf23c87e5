"""One's own data: from arrays, from CSV tables or from JSON files.

Three ways lead from anything to `Sequences`, with any layout of joints:

```python
import keras_skeleton as ks

arm = ks.skeletons.Skeleton(
    "arm", joints=("shoulder", "elbow", "hand"), edges=((1, 0), (2, 1))
)
# Arrays (frames, joints, coordinates), or with persons before the frames.
data = ks.datasets.Sequences.from_arrays(clips, labels, skeleton=arm)
# Tables with the columns clip, frame, joint, x, y, z, label.
data = ks.datasets.custom.from_csv("clips.csv", arm, ["wave", "point"])
# JSON with {"clips": [{"name": ..., "label": ..., "frames": [...]}, ...]}.
data = ks.datasets.custom.from_json("clips.json", arm, ["wave", "point"])
```
"""

import re
import warnings

import numpy as np

from keras_skeleton import skeletons
from keras_skeleton._types import PathLike
from keras_skeleton.datasets import _names
from keras_skeleton.datasets.files import archives
from keras_skeleton.datasets.files import parsing
from keras_skeleton.datasets.files import tables
from keras_skeleton.datasets.files import wide
from keras_skeleton.datasets.readers.base import Clip
from keras_skeleton.datasets.readers.base import Reader
from keras_skeleton.datasets.readers.base import Skipped
from keras_skeleton.datasets.readers.base import collect
from keras_skeleton.datasets.readers.base import layout
from keras_skeleton.datasets.sequences import Sequences

LONGEST_TEXT = 200
MOST_JOINTS = 256
# What may stand in the column `split`, and the part it means.
PARTS = {
    **dict.fromkeys(("train", "training", "trn"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "validation"),
    **dict.fromkeys(("test", "testing", "tst"), "test"),
}
NUMBER = re.compile(r"-?\d{1,18}", re.ASCII)
HINT = "Pass the path of a {0} file, or of a folder or .zip archive of them."


def from_csv(
    path: PathLike,
    skeleton,
    class_names=None,
    metadata=(),
    strict=False,
    workers=1,
    missing="zeros",
) -> Sequences:
    """Reads one's own clips from CSV tables.

    A line describes a joint of a person in a frame. The first line names the
    columns, in any order; others than these are left alone:

    - `clip`: the name of the clip. Without this column, a file is a clip.
    - `frame`: a number. Whole numbers that are left out between others are
      frames without anybody (of every `n`-th frame, where most numbers are
      `n` apart), unless more than half would be.
    - `person`: anything that tells persons apart, by default one person.
    - `joint`: the name of a joint of the skeleton, or its number from 0.
    - `x`, `y`, and optionally `z` and `score` (or `confidence`,
      `visibility`).
    - `label`: optionally the class, a number from 0 or a name; empty, NaN,
      null or None if it is not known.

    Joints without a line are zeros; so are those with empty cells or NaN, see
    `missing`. A line of a frame without a joint shows nobody. Semicolons and
    tabs may stand for the commas.

    Args:
        path: path of a file, or of a folder or .zip archive of files.
        skeleton: `Skeleton`, the name of a registered one, or the path of a
            `.json` file of one.
        class_names: list of the names of the classes, in the order of their
            numbers; by default those that are labels, in alphabetical order.
        metadata: list of further columns with one value for each clip, such
            as `["subject"]`. One that is called `"split"` and holds `train`
            and `test` (or `val`) makes the protocol `"own"`.
        strict: boolean, whether a clip that cannot be used is an error. If
            not, it is left out, and named in a warning and in `skipped`.
        workers: integer, the processes that read.
        missing: what to do where something was not found (an empty cell,
            NaN): `"zeros"`, `"interpolate"` or `"error"`, see
            `readers.Reader.configure`.

    Returns:
        A `Sequences` object with clips `(M, T, V, C)`, `C` the columns that
        there are of x, y, z and score.

    Raises:
        FileNotFoundError: if there are no such files at `path`.
        ValueError: if no clip can be used, or if one cannot and `strict`.

    Example:

    ```python
    # clip,frame,joint,x,y,label
    # wave_01,0,shoulder,0.1,1.4,wave
    data = keras_skeleton.datasets.custom.from_csv(
        "clips.csv", skeleton=arm, class_names=["wave", "point"]
    )
    ```
    """
    reader = CSVReader(path, skeleton, class_names, metadata)
    return collect(reader, strict, workers, missing=missing)


def from_json(
    path: PathLike,
    skeleton=None,
    class_names=None,
    metadata=(),
    strict=False,
    workers=1,
    missing="zeros",
) -> Sequences:
    """Reads one's own clips from JSON files.

    A file holds `{"clips": [clip, ...]}`, and a clip
    `{"name": "wave_01", "label": "wave", "frames": [...]}` with nested lists
    `(T, V, C)`, or `(M, T, V, C)` for several persons. The label, a number
    from 0 or a name, may be missing. Beside the clips, `"skeleton"` (a name
    or what `Skeleton.to_dict` returns), `"class_names"` and `"coordinates"`
    (by default x, y, z, score, as far as they go) may be given; those of the
    first file count.

    Args:
        path: path of a file, or of a folder or .zip archive of files.
        skeleton: `Skeleton` or the name of a registered one, or `None` for
            that of the file.
        class_names: list of the names of the classes, in the order of their
            numbers, or `None` for those of the file, or else those that are
            labels, in alphabetical order.
        metadata: list of further keys of each clip, see `from_csv`.
        strict: See `from_csv`.
        workers: integer, the processes that read.
        missing: See `from_csv`; a joint that is null or empty was not found,
            and a frame that is null or empty shows nobody.

    Returns:
        A `Sequences` object with clips `(M, T, V, C)`.

    Raises:
        FileNotFoundError: if there are no such files at `path`.
        ValueError: if no clip can be used, or if one cannot and `strict`.

    Example:

    ```python
    clips = [{"name": "wave_01", "label": 0, "frames": array.tolist()}]
    with open("clips.json", "w") as file:
        json.dump({"skeleton": arm.to_dict(), "clips": clips}, file)
    data = keras_skeleton.datasets.custom.from_json("clips.json")
    ```
    """
    reader = JSONReader(path, skeleton, class_names, metadata)
    return collect(reader, strict, workers, missing=missing)


class _OwnReader(Reader):
    """What the readers of one's own data have in common."""

    ending = None

    def __init__(self, path, metadata):
        if isinstance(metadata, str) or not hasattr(metadata, "__iter__"):
            raise ValueError(
                "`metadata` must be a list of names, such as ['subject']. "
                f"Received: {metadata!r}"
            )
        self._source = archives.open_source(
            path, self.ending, HINT.format(self.ending)
        )
        self._metadata = tuple(map(str, metadata))

    def _find_classes(self, labels_of):
        """Names of classes among the labels of all files, in order."""
        found = set()
        for name in self._source.names:
            try:
                found |= {
                    label
                    for label in labels_of(self._source.read(name))
                    if isinstance(label, str) and not NUMBER.fullmatch(label)
                }
            except (ValueError, OSError):
                continue  # Told where the file is read.
        return sorted(found - {""}) or None

    def units(self):
        return self._source.names

    def splits(self, names, labels, metadata):
        if "split" not in metadata:
            return {}
        _check_parts(metadata["split"])
        parts = np.array([PARTS.get(_part(p)) for p in metadata["split"]])
        own = {
            part: np.flatnonzero(parts == part)
            for part in ("train", "validation", "test")
        }
        if not len(own["test"]):
            own["test"] = own["validation"]
        if own["test"] is own["validation"] or not len(own["validation"]):
            del own["validation"]
        return {"own": own}


class CSVReader(_OwnReader):
    """Reader of one's own CSV tables; a unit is the name of a file.

    Args:
        path: See `from_csv`, also for the other arguments.
        skeleton: `Skeleton` or string.
        class_names: list of strings or `None`.
        metadata: list of strings.
    """

    ending = ".csv"

    def __init__(self, path, skeleton, class_names=None, metadata=()):
        super().__init__(path, metadata)
        self.skeleton = layout(skeleton)
        self.class_names = _names.check_class_names(class_names)
        first = self._source.names[0]
        try:
            header = tables.parse_header(self._source.read(first))
            tables.check_columns(header, self._metadata)
        except ValueError as error:
            raise ValueError(f"{first!r}: {error}") from error
        self.coordinates = tables.coordinates_of(header)
        if self.class_names is None and "label" in header:
            self.class_names = self._find_classes(tables.labels_of)

    def read(self, unit):
        table = tables.parse_csv(self._source.read(unit), self._metadata)
        found = tables.coordinates_of(table.columns)
        if found != self.coordinates:
            raise ValueError(
                f"it has the coordinates {found}, the first file "
                f"{self.coordinates}"
            )
        for name, rows in table.clips.items():
            name = unit[: -len(self.ending)] if name is None else name
            try:
                yield self._make_clip(name, rows, table.columns)
            except ValueError as error:
                yield Skipped(name, str(error))

    def _make_clip(self, name, rows, columns):
        frames = tables.arrange(rows, columns, self.skeleton)
        label = None
        if "label" in columns:
            label = tables.only_value(rows, columns, "label", wide.label_of)
        metadata = {
            key: _as_value(tables.only_value(rows, columns, key))
            for key in self._metadata
        }
        label = _read_label(label, self.class_names)
        return Clip(name, frames, label, metadata)


class JSONReader(_OwnReader):
    """Reader of one's own JSON files; a unit is the name of a file.

    Args:
        path: See `from_json`, also for the other arguments.
        skeleton: `Skeleton`, string or `None`.
        class_names: list of strings or `None`.
        metadata: list of strings.
    """

    ending = ".json"

    def __init__(self, path, skeleton=None, class_names=None, metadata=()):
        super().__init__(path, metadata)
        first = self._source.names[0]
        try:
            found = parse_json(self._source.read(first))
            if skeleton is None:
                skeleton = read_skeleton(found.get("skeleton"))
            if class_names is None:
                class_names = _read_names(found, "class_names")
            self.coordinates = _read_names(found, "coordinates")
            if self.coordinates is None:
                self.coordinates = _count_coordinates(found["clips"])
        except ValueError as error:
            raise ValueError(f"{first!r}: {error}") from error
        self.skeleton = layout(skeleton)
        self.class_names = _names.check_class_names(class_names)
        if self.class_names is None:
            self.class_names = self._find_classes(_labels_of)

    def read(self, unit):
        content = parse_json(self._source.read(unit))
        for place, entry in enumerate(content["clips"]):
            name = f"{unit[: -len(self.ending)]}_{place}"
            if isinstance(entry, dict):
                name = str(entry.get("name", name))[:LONGEST_TEXT]
            try:
                yield self._make_clip(name, entry)
            except ValueError as error:
                yield Skipped(name, str(error))

    def _make_clip(self, name, entry):
        if not isinstance(entry, dict):
            raise ValueError("it is not described by names and values")
        missing = {"frames", *self._metadata} - set(entry)
        if missing:
            raise ValueError(f"it has no {sorted(missing)[0]!r}")
        frames = parsing.to_numbers(entry["frames"])
        if frames.ndim < 3 and frames.ndim and np.isnan(frames).all():
            raise ValueError(f"its {len(frames)} frames show nobody")
        persons = (None,) * (frames.ndim == 4)
        shape = (*persons, None, None, len(self.coordinates))
        metadata = {key: _as_value(entry[key]) for key in self._metadata}
        label = _read_label(entry.get("label"), self.class_names)
        return Clip(name, parsing.to_array(frames, shape), label, metadata)


def parse_json(data):
    """Reads a JSON file of clips.

    Args:
        data: bytes of the text.

    Returns:
        A dictionary in which `"clips"` is a list.

    Raises:
        ValueError: if it is anything else.
    """
    content = parsing.parse_json(data)
    clips = content.get("clips") if isinstance(content, dict) else None
    if not isinstance(clips, list):
        raise ValueError("it has no list 'clips'")
    return content


def _labels_of(data):
    """The labels of the clips of a file."""
    return [
        entry.get("label")
        for entry in parse_json(data)["clips"]
        if isinstance(entry, dict)
    ]


def read_skeleton(found):
    """Makes the layout that a file describes.

    Args:
        found: what stands in the file.

    Returns:
        A `Skeleton`.

    Raises:
        ValueError: if it describes none, or one of over 256 joints.
    """
    if found is None:
        raise ValueError(
            "it names no 'skeleton'; add it there, or pass `skeleton`"
        )
    joints = found.get("joints") if isinstance(found, dict) else ()
    if isinstance(joints, list | tuple) and len(joints) <= MOST_JOINTS:
        try:
            return skeletons.get(found)
        except (TypeError, OverflowError) as error:
            raise ValueError(f"its 'skeleton' is invalid: {error}") from error
    raise ValueError(
        f"its 'skeleton' must have a list of at most {MOST_JOINTS} joints"
    )


def _read_names(found, key):
    names = found.get(key)
    if names is not None and not (
        isinstance(names, list) and all(isinstance(name, str) for name in names)
    ):
        raise ValueError(f"its {key!r} are not a list of texts")
    return names


def _count_coordinates(clips):
    """Names for as many coordinates as the first joint of a file has."""
    for clip in clips:
        found = clip.get("frames") if isinstance(clip, dict) else None
        shape = parsing.nested_shape(found)
        # Clips before it show nobody.
        if len(shape) > 2 and 2 <= shape[-1] <= 4:
            return tables.COORDINATES[: shape[-1]]
        if len(shape) > 2:
            break
    raise ValueError("its first clip has no joint of 2 to 4 coordinates")


def _read_label(label, class_names):
    if _names.is_unknown(label) or label in ("", "-1", -1):
        return -1
    if isinstance(label, str) and label not in (class_names or ()):
        label = _as_value(label)
    return _names.number_label(label, class_names)


def _as_value(value):
    """A number if it is a whole one, else a short text."""
    if isinstance(value, str):
        if len(value) > LONGEST_TEXT:
            raise ValueError(f"{value[:40]!r}... is too long a text")
        return int(value) if NUMBER.fullmatch(value) else value
    if isinstance(value, bool | int | float) and abs(value) < 1 << 62:
        return value
    raise ValueError(f"{str(value)[:40]!r} is neither a number nor a text")


def _check_parts(values):
    """Tells of values in the column `split` that are no parts."""
    found = set(map(_part, values)) - {""}
    unknown = found - set(PARTS)
    text = (
        f"The column 'split' holds {_names.list_some(sorted(unknown))}, "
        "where 'train' and 'test' are expected"
    )
    if unknown and unknown == found:
        raise ValueError(f"{text}.")
    if unknown:
        warnings.warn(f"{text}; such clips are in no part.", stacklevel=6)


def _part(value):
    return str(value).strip().lower()
