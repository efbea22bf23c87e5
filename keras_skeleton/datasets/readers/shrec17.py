"""SHREC'17 track: hand gestures, performed with one finger or the hand."""

import re

import numpy as np
from numpy.typing import ArrayLike

from keras_skeleton._types import PathLike
from keras_skeleton.datasets.files import archives
from keras_skeleton.datasets.files import parsing
from keras_skeleton.datasets.files.pickles import parse_pickle
from keras_skeleton.datasets.readers import _places
from keras_skeleton.datasets.readers.base import Clip
from keras_skeleton.datasets.readers.base import Reader
from keras_skeleton.datasets.readers.base import Skipped
from keras_skeleton.datasets.readers.base import collect
from keras_skeleton.datasets.sequences import Sequences

GESTURES = (
    "grab",
    "tap",
    "expand",
    "pinch",
    "rotation clockwise",
    "rotation counter-clockwise",
    "swipe right",
    "swipe left",
    "swipe up",
    "swipe down",
    "swipe x",
    "swipe +",
    "swipe v",
    "shake",
)
WAYS = ("one finger", "whole hand")
TEST_SUBJECTS = (1, 5, 6, 17, 18, 23, 24, 28)
NUM_SUBJECTS = 28
NUM_JOINTS = 22
# Numbers per joint in the two files of a clip.
WIDTHS = {"world": 3, "image": 2}
PATH = re.compile(
    r"(?:^|/)gesture_(\d{1,2})/finger_(\d)/subject_(\d{1,2})/essai_(\d{1,2})"
    r"/skeletons?_(world|image)\.txt$",
    re.ASCII,
)
NAME = re.compile(r"(\d{1,2})_(\d)_(\d{1,2})_(\d{1,2})", re.ASCII)
# The pickle of all training clips has about 70 MB.
MOST_BYTES = 1 << 29
HINT = (
    "Get HandGestureDataset_SHREC2017 from "
    "http://www-rech.telecom-lille.fr/shrec2017-hand/ and pass the path of "
    "the archive or of the folder with gesture_1 to gesture_14."
)
PREPARED_HINT = (
    "The prepared form consists of train_skeleton.pkl, train_label_14.pkl, "
    "train_label_28.pkl and the same of `test` (or `val`), as the code of "
    "PSUMNet and of DSTA-Net writes them. Pass the path of their folder or "
    "of a .zip archive of it."
)


def load_data(
    path: PathLike | None = None,
    classes=14,
    coordinates="world",
    normalize=False,
    strict=False,
    workers=1,
    missing="zeros",
    skeleton=None,
) -> Sequences:
    """Reads the gestures of SHREC'17 from their original text files.

    2,800 clips of one hand with 22 joints: 14 gestures, each performed with
    one finger and with the whole hand, by 28 subjects. In metres in the axes
    of the depth camera, or in pixels of its image.

    Protocol: `"official"` trains on 20 subjects (1,960 clips) and tests on
    subjects 1, 5, 6, 17, 18, 23, 24 and 28 (840 clips), which is what the
    lists that come with the data say.

    The data can be had from http://www-rech.telecom-lille.fr/shrec2017-hand/
    for research.

    Args:
        path: path of the folder with `gesture_1` to `gesture_14`, of a
            folder around it, or of a .zip archive.
            By default, it is looked for as `shrec17` in the cache of
            Keras, `~/.keras/datasets/keras_skeleton`.
        classes: 14 for the gestures, or 28 to distinguish the two ways of
            performing them. Gesture `g` and way `w`, both from 0, then make
            the label `2 * g + w`; DHG-14/28 numbers differently.
        coordinates: `"world"` or `"image"`.
        normalize: boolean, whether to apply `normalize_hand`, as the
            published models on these data do.
        strict: boolean, whether a file that cannot be used is an error. If
            not, it is left out, and named in a warning and in `skipped`.
        workers: integer, the processes that read.
        missing: what to do where something was not found (NaN, null):
            `"zeros"`, `"interpolate"` or `"error"`, see
            `readers.Reader.configure`.
        skeleton: `Skeleton`, or the name of a registered one, with as many
            joints in the order of the data, in the place of their own.

    Returns:
        A `Sequences` object with clips `(1, T, 22, 3)`, or 2 coordinates,
        named `gesture_finger_subject_essai`, and with the metadata
        `"finger"`, `"subject"` and `"repetition"`.

    Raises:
        FileNotFoundError: if there are no such files at `path`.
        ValueError: if no file can be used, or if one cannot and `strict`.

    Example:

    ```python
    data = keras_skeleton.datasets.shrec17.load_data(
        "HandGestureDataset_SHREC2017", classes=28, normalize=True
    )
    train, test = data.split("official")
    ```

    Reference:

    - [De Smedt et al., 2017](https://doi.org/10.2312/3dor.20171049)
    """
    path = _places.locate(path, "shrec17", HINT)
    reader = SHREC17Reader(path, classes, coordinates, normalize)
    return collect(reader, strict, workers, missing=missing, skeleton=skeleton)


def load_prepared(
    path: PathLike, classes=14, strict=False, missing="zeros", skeleton=None
) -> Sequences:
    """Reads the prepared gestures of PSUMNet and DSTA-Net.

    The clips are those of `load_data(..., normalize=True)`.

    Args:
        path: path of the folder, or .zip archive, of `train_skeleton.pkl`,
            `train_label_14.pkl` and so on.
        classes: 14 or 28, see `load_data`.
        strict: See `load_data`.
        missing: See `load_data`.
        skeleton: See `load_data`.

    Returns:
        A `Sequences` object as from `load_data`, training clips first.

    Raises:
        FileNotFoundError: if there are no such files at `path`.
        ValueError: if a file is damaged or holds anything but arrays.

    Example:

    ```python
    data = keras_skeleton.datasets.shrec17.load_prepared("data/shrec")
    ```
    """
    return collect(
        PreparedReader(path, classes),
        strict,
        missing=missing,
        skeleton=skeleton,
    )


def normalize_hand(clip: ArrayLike, bone=(0, 10)) -> np.ndarray:
    """Moves and scales a hand as the published models expect it.

    The wrist of the first frame becomes the origin, and the length of a bone
    in the first frame where it has one becomes 1. Joints at zero stay there.

    Args:
        clip: float32 array `(T, 22, 3)`.
        bone: pair of joints, by default the wrist and the base of the
            middle finger, or `None` not to scale, as for DHG-14/28.

    Returns:
        float32 array `(T, 22, 3)`.
    """
    clip = np.array(clip, "float32")
    if len(clip) and clip[0].sum() == 0:
        # Frames without a hand are moved to the end.
        kept = clip[clip.sum((1, 2)) != 0]
        clip[:] = 0
        clip[: len(kept)] = kept
    present = clip.sum(-1, keepdims=True) != 0
    clip = (clip - clip[:1, :1]) * present
    if bone is not None:
        lengths = np.linalg.norm(clip[:, bone[1]] - clip[:, bone[0]], axis=-1)
        lengths = lengths[lengths != 0]
        if lengths.size:
            clip = clip / lengths[0]
    return clip


class GestureReader(Reader):
    """What the readers of SHREC'17 and DHG-14/28 have in common.

    Args:
        path: path of the data.
        classes: 14 or 28.
        coordinates: `"world"` or `"image"`.
        normalize: boolean.
        hint: string, where to get the data.
    """

    skeleton = "shrec22"

    def __init__(self, path, classes, coordinates, normalize, hint):
        check_classes(classes)
        if coordinates not in WIDTHS:
            raise ValueError(
                "`coordinates` must be 'world' or 'image'. Received: "
                f"{coordinates!r}"
            )
        if normalize and coordinates == "image":
            raise ValueError("`normalize` needs the coordinates 'world'.")
        self.classes = classes
        self.kind = coordinates
        self.coordinates = ("x", "y", "z")[: WIDTHS[coordinates]]
        self.normalize = normalize
        self.class_names = self.name_classes(classes)
        self._source = archives.open_source(path, ".txt", hint, wanted=PATH)

    def units(self):
        """Names of the text files, in the order of their numbers."""
        found = []
        for name in self._source.names:
            match = PATH.search(name)
            if match and match[5] == self.kind:
                found.append((*map(int, match.groups()[:4]), name))
        return [name for *_, name in sorted(found)]

    def parse(self, unit):
        """Returns the numbers in a unit's name and its frames."""
        numbers = [int(number) for number in PATH.search(unit).groups()[:4]]
        width = WIDTHS[self.kind]
        return numbers, parse_frames(self._source.read(unit), width)


class SHREC17Reader(GestureReader):
    """Reader of SHREC'17; a unit is the name of a text file.

    Args:
        path: See `load_data`, also for the other arguments.
        classes: 14 or 28.
        coordinates: `"world"` or `"image"`.
        normalize: boolean.
    """

    def __init__(self, path, classes=14, coordinates="world", normalize=False):
        super().__init__(path, classes, coordinates, normalize, HINT)

    @staticmethod
    def name_classes(classes):
        """The names of the 14 or 28 classes."""
        return name_classes(classes)

    def read(self, unit):
        numbers, frames = self.parse(unit)
        if self.normalize:
            frames = normalize_hand(frames)
        yield make_clip(numbers, frames, self.classes)

    def splits(self, names, labels, metadata):
        test = np.isin(metadata["subject"], TEST_SUBJECTS)
        return {
            "official": {
                "train": np.flatnonzero(~test),
                "test": np.flatnonzero(test),
            }
        }


class PreparedReader(Reader):
    """Reader of the prepared form; a unit is `"train"` or `"test"`.

    Args:
        path: See `load_prepared`, also for the other argument.
        classes: 14 or 28.
    """

    skeleton = "shrec22"

    def __init__(self, path, classes=14):
        check_classes(classes)
        self.classes = classes
        self.class_names = name_classes(classes)
        wanted = re.compile(r"(^|/)(train|test|val)_skeleton\.pkl$")
        self._source = archives.open_source(
            path, ".pkl", PREPARED_HINT, wanted=wanted, limit=MOST_BYTES
        )

    def units(self):
        return ["train", "test"]

    def read(self, unit):
        arrays = self._load(unit, "skeleton")
        listing = self._load(unit, f"label_{self.classes}")
        if not isinstance(listing, list | tuple) or len(listing) != 2:
            raise ValueError("its labels are not a pair of names and classes")
        names, labels = map(_as_list, listing)
        if not len(_as_list(arrays)) == len(names) == len(labels):
            raise ValueError(
                f"it has {len(_as_list(arrays))} arrays, {len(names)} names "
                f"and {len(labels)} labels"
            )
        for array, name, label in zip(arrays, names, labels, strict=True):
            try:
                yield self._make_clip(array, name, label, unit)
            except ValueError as error:
                yield Skipped(str(name), str(error))

    def _make_clip(self, array, name, label, unit):
        match = NAME.fullmatch(str(name))
        if not match:
            raise ValueError("its name is not gesture_finger_subject_essai")
        clip = make_clip(map(int, match.groups()), None, self.classes)
        if label != clip.label:
            raise ValueError(
                f"its label is {label}, its name says {clip.label}"
            )
        if (clip.metadata["subject"] in TEST_SUBJECTS) != (unit == "test"):
            raise ValueError("its subject belongs to the other part")
        array = np.asarray(array)
        if array.ndim != 4 or array.dtype.kind != "f":
            raise ValueError(f"its shape is {array.shape}; expected 4 axes")
        frames = np.float32(array.transpose(3, 1, 2, 0))
        return clip._replace(frames=frames)

    def _load(self, part, what):
        ends = [f"{part}_{what}.pkl"]
        if part == "test":
            ends.append(f"val_{what}.pkl")
        for name in self._source.names:
            if name.rpartition("/")[2] in ends:
                return parse_pickle(self._source.read(name))
        raise FileNotFoundError(f"there is no {ends[0]!r}")

    splits = SHREC17Reader.splits


def check_classes(classes):
    """Raises a `ValueError` for a number of classes other than 14 or 28."""
    if classes not in (14, 28):
        raise ValueError(f"`classes` must be 14 or 28. Received: {classes!r}")


def name_classes(classes):
    """Returns the names of the 14 or 28 classes."""
    if classes == 14:
        return list(GESTURES)
    return [f"{gesture} ({way})" for gesture in GESTURES for way in WAYS]


def make_clip(numbers, frames, classes):
    """The clip that the numbers gesture, finger, subject, essai name."""
    gesture, finger, subject, essai = numbers
    check_numbers(gesture, finger, subject, NUM_SUBJECTS)
    label = gesture - 1
    if classes == 28:
        label = 2 * label + finger - 1
    metadata = {"finger": finger, "subject": subject, "repetition": essai}
    name = f"{gesture}_{finger}_{subject}_{essai}"
    return Clip(name, frames, label, metadata)


def check_numbers(gesture, finger, subject, num_subjects):
    """Raises a `ValueError` for numbers that the data set does not have."""
    if (
        not 1 <= gesture <= len(GESTURES)
        or not 1 <= finger <= len(WAYS)
        or not 1 <= subject <= num_subjects
    ):
        raise ValueError("there is no such gesture, finger or subject")


def parse_frames(data, width=3):
    """Reads the text of one clip: a line of 22 joints for each frame.

    Args:
        data: bytes of the text.
        width: integer, the coordinates of a joint.

    Returns:
        float32 array `(T, 22, width)`.

    Raises:
        ValueError: if it is anything else; the message names the line.
    """
    values = parsing.parse_table(data, NUM_JOINTS * width)
    return parsing.to_float32(values).reshape(-1, NUM_JOINTS, width)


def _as_list(values):
    if not isinstance(values, list | tuple | np.ndarray):
        raise ValueError(
            f"it holds a {type(values).__name__} instead of a list"
        )
    return list(values)
