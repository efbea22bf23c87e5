"""Kinetics 400: poses of PYSKL, an index and the files of its clips."""

import pathlib

import numpy as np

from keras_skeleton import _values
from keras_skeleton._types import PathLike
from keras_skeleton.datasets.files.pickles import as_array
from keras_skeleton.datasets.files.pickles import as_integer
from keras_skeleton.datasets.files.pickles import as_name
from keras_skeleton.datasets.files.pickles import read_pickle
from keras_skeleton.datasets.readers._decompress import decompress_pose
from keras_skeleton.datasets.readers.base import collect
from keras_skeleton.datasets.readers.pyskl import ADDRESSES
from keras_skeleton.datasets.readers.pyskl import AnnotationReader
from keras_skeleton.datasets.sequences import Sequences

NUM_CLASSES = 400
THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9)
# Files of clips that are kept open: neighbours in the index share one.
OPEN_FILES = 8
# Persons times frames of one clip; 300 frames are the rule.
MOST_PLACES = 300_000
HINT = (
    "The index k400_hrnet.pkl is at "
    f"{ADDRESSES['k400']}, the folder of its clip files (k400_kpfiles_2d.zip, "
    "to be unpacked) at "
    "https://openxlab.org.cn/datasets/OpenMMLab/Kinetics400-skeleton."
)


def load_data(
    path: PathLike,
    keypoints,
    box_threshold=None,
    valid_ratio=0.0,
    max_persons=10,
    class_names=None,
    strict=False,
    workers=1,
    missing="zeros",
    skeleton=None,
) -> Sequences:
    """Reads the two-dimensional poses of Kinetics 400.

    Clips of any number of persons, 17 joints, in pixels with x to the right
    and y down, and their scores; 400 classes. Every second frame of a video
    was looked at, and frames without anybody are left out. Persons are
    numbered as they were found in each frame: nobody is tracked.

    Protocol: `"official"`, training and validation.

    The index can be downloaded, the files of the clips with an account:
    https://openxlab.org.cn/datasets/OpenMMLab/Kinetics400-skeleton. The terms
    of Kinetics apply.

    Args:
        path: path of `k400_hrnet.pkl`.
        keypoints: path of the folder with the files of the clips.
        box_threshold: 0.5, 0.6, 0.7, 0.8 or 0.9, the score from which a
            detected person counts, for `valid_ratio`.
        valid_ratio: float, the share of frames with such a person that a
            clip needs. If it is above 0, other clips are left out, and so
            are persons of a lower score in those that stay. Published models
            were trained with 0, which leaves nothing out.
        max_persons: integer, the persons of a frame that stay: those of the
            highest scores.
        class_names: list of the 400 names in the order of the labels.
        strict: boolean, whether a clip that cannot be used is an error. If
            not, it is left out, and named in a warning and in `skipped`.
        workers: integer, the processes that read.
        missing: what to do where something was not found (NaN, null):
            `"zeros"`, `"interpolate"` or `"error"`, see
            `readers.Reader.configure`.
        skeleton: `Skeleton`, or the name of a registered one, with as many
            joints in the order of the data, in the place of their own.

    Returns:
        A `Sequences` object with clips `(M, T, 17, 3)` in the order of the
        index, with the metadata `"height"` and `"width"` of the video.

    Raises:
        FileNotFoundError: if there is no such file or folder.
        ValueError: if the index is damaged, if no clip can be used, or if
            one cannot and `strict`.

    Example:

    ```python
    data = keras_skeleton.datasets.k400.load_data(
        "k400_hrnet.pkl", "kpfiles", workers=8
    )
    train, test = data.split("official")
    ```

    Reference:

    - [Duan et al., 2022](https://arxiv.org/abs/2205.09443)
    """
    reader = K400Reader(
        path, keypoints, box_threshold, valid_ratio, max_persons, class_names
    )
    return collect(reader, strict, workers, missing=missing, skeleton=skeleton)


class K400Reader(AnnotationReader):
    """Reader of Kinetics 400 poses; a unit is a number in the index.

    Args:
        path, keypoints, box_threshold, valid_ratio, max_persons,
            class_names: See `load_data`.
    """

    coordinates = ("x", "y", "score")

    def __init__(
        self,
        path,
        keypoints,
        box_threshold=None,
        valid_ratio=0.0,
        max_persons=10,
        class_names=None,
    ):
        self.keypoints = pathlib.Path(keypoints)
        for what, exists in (
            (path, pathlib.Path(path).is_file()),
            (keypoints, self.keypoints.is_dir()),
        ):
            if not exists:
                raise FileNotFoundError(
                    f"There is nothing at {str(what)!r}. {HINT}"
                )
        valid_ratio = _values.number("valid_ratio", valid_ratio)
        if valid_ratio > 0 and box_threshold not in THRESHOLDS:
            raise ValueError(
                "With `valid_ratio`, `box_threshold` must be one of "
                f"{THRESHOLDS}. Received: {box_threshold}"
            )
        self.box_threshold = box_threshold
        self.valid_ratio = valid_ratio
        self.max_persons = _values.whole_number("max_persons", max_persons, 1)
        self._files = {}
        super().__init__(path, None, "coco17", class_names)
        self.num_classes = min(self.num_classes, NUM_CLASSES)

    def __getstate__(self):
        return {**super().__getstate__(), "_files": {}}

    def units(self):
        units = super().units()
        if not self.valid_ratio > 0:
            return units
        return [unit for unit in units if self._is_kept(self.annotations[unit])]

    def _is_kept(self, annotation):
        """Whether a person is seen in enough frames, as far as is known."""
        try:
            total = as_integer(annotation["total_frames"], "length", 1)
            return self._valid_frames(annotation) / total >= self.valid_ratio
        except (ValueError, TypeError, KeyError):
            return True  # What is wrong is reported when it is read.

    def _valid_frames(self, annotation):
        # Two forms of the index exist.
        key = f"valid@{self.box_threshold}"
        if key in annotation:
            return as_integer(annotation[key], key)
        for threshold, count in annotation["valid"].items():
            if abs(float(threshold) - self.box_threshold) < 0.01:
                return as_integer(count, key)
        raise KeyError(key)

    def read_frames(self, annotation):
        skeletons = self._find_skeletons(annotation)
        indices = as_array(annotation.get("frame_inds"), "'frame_inds'")
        keep = None
        if self.valid_ratio > 0:
            scores = as_array(annotation.get("box_score"), "'box_score'")
            keep = scores >= self.box_threshold
        if skeletons.ndim != 3 or skeletons.shape[1:] != (17, 3):
            raise ValueError(
                f"its 'keypoint' has the shape {skeletons.shape}; expected "
                "(skeletons, 17, 3)"
            )
        if indices.dtype.kind not in "iu":
            raise ValueError("its 'frame_inds' are not whole numbers")
        persons = np.unique(indices, return_counts=True)[1]
        if persons.max(initial=0) * len(persons) > MOST_PLACES:
            raise ValueError("it shows more persons than a video can")
        places, scores = decompress_pose(
            skeletons, indices, keep=keep, max_persons=self.max_persons
        )
        if not len(places):
            raise ValueError("it shows nobody")
        frames = np.concatenate([places, scores[..., None]], axis=-1)
        return frames.astype("float32")

    def _find_skeletons(self, annotation):
        name = as_name(annotation.get(self.name_key))
        content = self._open_file(as_name(annotation.get("raw_file")))
        entry = content.get(name)
        if not isinstance(entry, dict):
            raise ValueError("the file of its joints has no entry for it")
        return as_array(entry.get("keypoint"), "'keypoint'")

    def _open_file(self, raw_file):
        """The content of a file, by the path it once had."""
        # A folder of the author; nothing outside of ours is ever opened.
        base = raw_file.replace("\\", "/").rpartition("/")[2]
        if base in ("", ".", ".."):
            raise ValueError("the file of its joints has no name")
        if base not in self._files:
            content = read_pickle(self.keypoints / base, lazy=True)
            if not isinstance(content, dict):
                raise ValueError(f"{base!r} is no dictionary of clips")
            while len(self._files) >= OPEN_FILES:
                del self._files[next(iter(self._files))]
            self._files[base] = content
        return self._files[base]
