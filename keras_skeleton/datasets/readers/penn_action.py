"""Penn Action: joints of fifteen actions, annotated in video frames."""

import pathlib
import re

import numpy as np

from keras_skeleton._types import PathLike
from keras_skeleton.datasets.files import archives
from keras_skeleton.datasets.files import parsing
from keras_skeleton.datasets.files.matlab import parse_matlab
from keras_skeleton.datasets.readers import _places
from keras_skeleton.datasets.readers.base import Clip
from keras_skeleton.datasets.readers.base import Reader
from keras_skeleton.datasets.readers.base import collect
from keras_skeleton.datasets.sequences import Sequences

CLASS_NAMES = (
    "baseball_pitch",
    "baseball_swing",
    "bench_press",
    "bowl",
    "clean_and_jerk",
    "golf_swing",
    "jump_rope",
    "jumping_jacks",
    "pullup",
    "pushup",
    "situp",
    "squat",
    "strum_guitar",
    "tennis_forehand",
    "tennis_serve",
)
NUM_JOINTS = 13
NAME = re.compile(r"(^|/)\d{4}\.mat$", re.ASCII)
HINT = (
    "Get Penn Action from http://dreamdragon.github.io/PennAction/, unpack "
    "it, and pass the path of its folder `labels` (0001.mat to 2326.mat), of "
    "the folder around it, or of a .zip archive of it."
)


def load_data(
    path: PathLike | None = None,
    strict=False,
    workers=1,
    missing="zeros",
    skeleton=None,
) -> Sequences:
    """Reads the annotated joints of Penn Action.

    2,326 clips of one person, 13 joints, 18 to 663 frames, in pixels of the
    video with x to the right and y down; the third coordinate is 1 where a
    joint is visible and 0 where its place was guessed (22 % of the joints).
    "Left" is mostly the left in the image, which is the person's right in
    views from the front. Fifteen actions.

    Protocol: `"official"`, which the files themselves name: 1,258 clips for
    training and 1,068 for testing.

    The data can be had from http://dreamdragon.github.io/PennAction/; no
    licence is stated.

    Args:
        path: path of the folder `labels` of `.mat` files, of a folder
            around it, or of a .zip archive of either.
            By default, it is looked for as `penn_action` in the cache of
            Keras, `~/.keras/datasets/keras_skeleton`.
        strict: boolean, whether a file that cannot be used is an error. If
            not, it is left out, and named in a warning and in `skipped`.
        workers: integer, the processes that read.
        missing: what to do where something was not found (NaN, null):
            `"zeros"`, `"interpolate"` or `"error"`, see
            `readers.Reader.configure`.
        skeleton: `Skeleton`, or the name of a registered one, with as many
            joints in the order of the data, in the place of their own.

    Returns:
        A `Sequences` object with clips `(1, T, 13, 3)` in the order of the
        file names and with the metadata `"pose"` (the view: front, back,
        left, right), `"height"` and `"width"` of the video in pixels, and
        `"train"`.

    Raises:
        FileNotFoundError: if there are no such files at `path`.
        ValueError: if no file can be used, or if one cannot and `strict`.

    Example:

    ```python
    data = keras_skeleton.datasets.penn_action.load_data("labels.zip")
    train, test = data.split("official")
    ```

    Reference:

    - [Zhang et al., 2013](https://doi.org/10.1109/ICCV.2013.280)
    """
    path = _places.locate(path, "penn_action", HINT)
    return collect(
        PennActionReader(path),
        strict,
        workers,
        missing=missing,
        skeleton=skeleton,
    )


class PennActionReader(Reader):
    """Reader of Penn Action; a unit is the name of a `.mat` file.

    Args:
        path: See `load_data`.
    """

    skeleton = "penn13"
    class_names = list(CLASS_NAMES)
    coordinates = ("x", "y", "visibility")

    def __init__(self, path):
        self._source = archives.open_source(
            path, ".mat", HINT, archive="labels.zip", wanted=NAME
        )

    def units(self):
        return self._source.names

    def read(self, unit):
        frames, label, metadata = parse_annotation(self._source.read(unit))
        yield Clip(pathlib.PurePath(unit).stem, frames, label, metadata)

    def splits(self, names, labels, metadata):
        train = metadata["train"].astype(bool)
        return {
            "official": {
                "train": np.flatnonzero(train),
                "test": np.flatnonzero(~train),
            }
        }


def parse_annotation(data):
    """Reads one annotation file.

    Args:
        data: bytes of a `.mat` file.

    Returns:
        The clip, float32 `(T, 13, 3)`, its label and its metadata.

    Raises:
        ValueError: if it is not such a file.
    """
    content = parse_matlab(data)
    # The types differ from file to file, small unsigned ones among them.
    x, y, visible = (
        _field(content, name, (None, NUM_JOINTS))
        for name in ("x", "y", "visibility")
    )
    if not x.shape == y.shape == visible.shape:
        raise ValueError(
            f"`x`, `y` and `visibility` have the shapes {x.shape}, {y.shape} "
            f"and {visible.shape}"
        )
    if not np.isin(visible, (0, 1)).all():
        raise ValueError("`visibility` is neither 0 nor 1")
    size = _field(content, "dimensions", (1, 3))[0]
    train = _field(content, "train", (1, 1)).item()
    if train not in (-1, 1):
        raise ValueError(f"`train` is {train:g}; expected 1 or -1")
    action, pose = content.get("action"), content.get("pose")
    if action not in CLASS_NAMES:
        raise ValueError(f"`action` is {action!r}, which is no class")
    metadata = {
        "pose": pose if isinstance(pose, str) else "",
        "height": _whole(size[0]),
        "width": _whole(size[1]),
        "train": train > 0,
    }
    frames = np.stack([x, y, visible], -1)
    return frames, CLASS_NAMES.index(action), metadata


def _field(content, name, shape):
    value = content.get(name)
    if not isinstance(value, np.ndarray):
        raise ValueError(f"it has no array {name!r}")
    if value.ndim != len(shape) or any(
        wanted not in (None, size)
        for wanted, size in zip(shape, value.shape, strict=True)
    ):
        raise ValueError(f"{name!r} has the shape {value.shape}")
    return parsing.to_float32(value)


def _whole(value):
    if not 0 < value < 1 << 20:
        raise ValueError(f"`dimensions` holds {value:g}")
    return int(value)
