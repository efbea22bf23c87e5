"""Human3.6M as MotionBERT prepared it: poses in the image and in depth."""

import pathlib
import re
import zipfile

import numpy as np

from keras_skeleton import _values
from keras_skeleton._types import PathLike
from keras_skeleton.datasets.files.pickles import as_array
from keras_skeleton.datasets.files.pickles import as_strings
from keras_skeleton.datasets.files.pickles import read_pickle
from keras_skeleton.datasets.readers import _places
from keras_skeleton.datasets.readers.base import Clip
from keras_skeleton.datasets.readers.base import Reader
from keras_skeleton.datasets.readers.base import collect
from keras_skeleton.datasets.sequences import Sequences

PARTS = ("train", "test")
NUM_JOINTS = 17
# Width and height of the images of each camera in pixels.
CAMERAS = {
    "54138969": (1000, 1002),
    "55011271": (1000, 1000),
    "58860488": (1000, 1000),
    "60457274": (1000, 1002),
}
SUBJECT = re.compile(r"[sS]_?0*(\d{1,2})(?!\d)", re.ASCII)
HINT = (
    "Get Human3.6M from http://vision.imar.ro/human3.6m (on request), and "
    "its preparation, such as h36m_sh_conf_cam_source_final.pkl, by the "
    "instructions of https://github.com/Walter0807/MotionBERT."
)


def load_data(
    path: PathLike | None = None,
    poses="3d",
    normalize=True,
    clip_length=None,
    stride=None,
    strict=False,
    workers=1,
    missing="zeros",
    skeleton=None,
) -> Sequences:
    """Reads Human3.6M in the form of MotionBERT.

    One person, 17 joints, 50 frames per second, before four cameras.
    Subjects 1, 5, 6, 7 and 8 are for training (1,559,752 frames), 9 and 11
    for testing (566,920), which is the protocol `"official"`; 15 actions.
    Frames are cut into clips where their source changes.

    Three-dimensional poses are those of the image: x to the right and y down
    in pixels, and z, depth, in the same unit. Two-dimensional ones are what
    a detector found, with its confidence as the third coordinate. With
    `normalize`, x becomes `2 x / w - 1`, y becomes `2 y / w - h / w` and z
    becomes `2 z / w` for images of the width `w` and the height `h`.

    The data are for research, on request:
    http://vision.imar.ro/human3.6m. They must not be passed on.

    Args:
        path: path of the `.pkl` file.
            By default, it is looked for as `human36m` in the cache of
            Keras, `~/.keras/datasets/keras_skeleton`.
        poses: `"3d"` or `"2d"`.
        normalize: boolean, whether to scale pixels by the image's width.
        clip_length: integer, the frames of each clip, for example 16. By
            default a clip has all frames of its source. Sources that are
            shorter give one clip of all their frames.
        stride: integer, frames from the start of one clip to the start of
            the next. By default `clip_length`.
        strict: boolean, whether a clip that cannot be used is an error. If
            not, it is left out, and named in a warning and in `skipped`.
        workers: integer, the processes that read.
        missing: what to do where something was not found (NaN, null):
            `"zeros"`, `"interpolate"` or `"error"`, see
            `readers.Reader.configure`.
        skeleton: `Skeleton`, or the name of a registered one, with as many
            joints in the order of the data, in the place of their own.

    Returns:
        A `Sequences` object with clips `(1, T, 17, 3)`, those for training
        first, with the metadata `"camera"`, `"subject"` (-1 where the source
        does not tell) and `"start"`, the frame of the source a clip starts
        with. The classes are the names of actions in the file.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is damaged or has another form, if no clip can be
            used, or if one cannot and `strict`.

    Example:

    ```python
    data = keras_skeleton.datasets.human36m.load_data(
        "h36m_sh_conf_cam_source_final.pkl", clip_length=16
    )
    train, test = data.split("official")
    ```

    Reference:

    - [Ionescu et al., 2014](https://doi.org/10.1109/TPAMI.2013.248)
    - [Zhu et al., 2023](https://arxiv.org/abs/2210.06551)
    """
    path = _places.locate(path, "human36m", HINT)
    reader = Human36MReader(path, poses, normalize, clip_length, stride)
    return collect(reader, strict, workers, missing=missing, skeleton=skeleton)


class Human36MReader(Reader):
    """Reader of Human3.6M; a unit is a part and a range of its frames.

    Args:
        path, poses, normalize, clip_length, stride: See `load_data`.
    """

    skeleton = "h36m17"

    def __init__(
        self, path, poses="3d", normalize=True, clip_length=None, stride=None
    ):
        if poses not in ("2d", "3d"):
            raise ValueError(
                f"`poses` must be '2d' or '3d'. Received: {poses!r}"
            )
        for name, value in (("clip_length", clip_length), ("stride", stride)):
            if value is not None:
                _values.whole_number(name, value, 1)
        self.path = pathlib.Path(path)
        if not self.path.is_file():
            raise FileNotFoundError(f"There is no file {str(path)!r}. {HINT}")
        self.poses = poses
        self.coordinates = ("x", "y", "z" if poses == "3d" else "score")
        self.normalize = normalize
        self.clip_length = clip_length
        self.stride = stride or clip_length
        self._parts = None
        actions = set()
        for part in self._open().values():
            actions.update(part.actions or ())
        if actions:
            self.class_names = sorted(actions)

    def __getstate__(self):
        return {**self.__dict__, "_parts": None}

    def _open(self):
        if self._parts is None:
            if zipfile.is_zipfile(self.path):
                raise ValueError(
                    f"{str(self.path)!r} is an archive of arrays, as of "
                    "VideoPose3D or SMPL, and not the pickle of MotionBERT. "
                    "Read it with `numpy.load`, and pass joints (frames, "
                    "joints, coordinates) to `Sequences.from_arrays` with "
                    "their `skeleton`."
                )
            content = read_pickle(self.path, lazy=True)
            if not isinstance(content, dict) or not set(PARTS) & set(content):
                raise ValueError(
                    f"{str(self.path)!r} has neither the key 'train' nor "
                    "'test'."
                )
            try:
                self._parts = {
                    part: Part(content[part], self.poses)
                    for part in PARTS
                    if part in content
                }
            except ValueError as error:
                raise ValueError(f"{str(self.path)!r}: {error}") from error
        return self._parts

    def units(self):
        return [
            (name, start, end)
            for name, part in self._open().items()
            for first, last in part.sources()
            for start, end in self._cut(first, last)
        ]

    def _cut(self, first, last):
        length = self.clip_length
        if length is None or last - first <= length:
            return [(first, last)]
        starts = range(first, last - length + 1, self.stride)
        return [(start, start + length) for start in starts]

    def unit_name(self, unit):
        name, start, _ = unit
        return f"{self._open()[name].names[start]}_{start:07d}"

    def read(self, unit):
        name, start, end = unit
        part = self._open()[name]
        frames = part.clip(start, end)
        camera = part.cameras[start]
        if self.normalize:
            frames = _normalize(frames, camera, has_depth=self.poses == "3d")
        label = -1
        if part.actions:
            label = self.class_names.index(part.actions[start])
        subject = SUBJECT.match(part.names[start])
        metadata = {
            "camera": camera,
            "subject": int(subject[1]) if subject else -1,
            "start": start - part.first_of(start),
        }
        yield Clip(self.unit_name(unit), frames, label, metadata)

    def splits(self, names, labels, metadata):
        part_of = {self.unit_name(unit): unit[0] for unit in self.units()}
        indices = {part: [] for part in PARTS}
        for index, name in enumerate(names):
            indices[part_of[name]].append(index)
        return {"official": indices}


def _normalize(frames, camera, has_depth):
    if camera not in CAMERAS:
        raise ValueError(
            f"its camera is {camera[:40]!r}, not one of {', '.join(CAMERAS)}"
        )
    width, height = CAMERAS[camera]
    offset = np.array([1, height / width])
    frames[..., :2] = frames[..., :2] / width * 2 - offset
    if has_depth:
        frames[..., 2] = frames[..., 2] / width * 2
    return frames


class Part:
    """One part of the file, `"train"` or `"test"`.

    Attributes:
        frames: array `(N, 17, 2)` or `(N, 17, 3)`.
        confidence: array `(N, 17)` or `(N, 17, 1)`, or `None`.
        names: list of strings, the source of each frame.
        cameras: list of strings, the camera of each frame.
        actions: list of strings, or `None`.
    """

    def __init__(self, content, poses):
        if not isinstance(content, dict):
            raise ValueError("its parts are no dictionaries")
        key = "joint3d_image" if poses == "3d" else "joint_2d"
        frames = as_array(content.get(key), repr(key))
        wanted = 3 if poses == "3d" else 2
        if frames.ndim != 3 or frames.shape[1] != NUM_JOINTS:
            raise ValueError(
                f"its {key!r} has the shape {frames.shape}; expected "
                f"(frames, {NUM_JOINTS}, {wanted})"
            )
        if frames.shape[2] < wanted:
            raise ValueError(
                f"its {key!r} has {frames.shape[2]} coordinates; expected "
                f"{wanted}"
            )
        self.frames = frames[..., :wanted]
        self.confidence = None
        if poses == "2d" and content.get("confidence") is not None:
            self.confidence = as_array(content["confidence"], "'confidence'")
            shape = self.confidence.shape
            if shape not in (frames.shape[:2], (*frames.shape[:2], 1)):
                raise ValueError(
                    f"its 'confidence' has the shape {shape}, its poses "
                    f"{frames.shape}"
                )
        self.names = self._column(content, "source")
        self.cameras = self._column(content, "camera_name")
        self.actions = None
        if content.get("action") is not None:
            self.actions = self._column(content, "action")
        self._firsts = self._find_firsts()

    def clip(self, start, end):
        """Frames `start` to `end - 1` as a float32 array `(T, 17, 3)`."""
        places = self.frames[start:end]
        clip = np.ones((*places.shape[:2], 3), "float32")
        with np.errstate(over="ignore"):
            clip[..., : places.shape[2]] = places
            if self.confidence is not None:
                confidence = self.confidence[start:end]
                clip[..., 2] = confidence.reshape(clip.shape[:2])
        return clip

    def _column(self, content, key):
        values = as_strings(content.get(key), f"its {key!r}")
        if len(values) != len(self.frames):
            raise ValueError(
                f"its {key!r} has {len(values)} entries for "
                f"{len(self.frames)} frames"
            )
        wrong = next((v for v in set(values) if not _is_word(v)), None)
        if wrong is not None:
            raise ValueError(f"its {key!r} holds {wrong[:40]!r}")
        return values

    def _find_firsts(self):
        """The first frame of each source, and the number of all frames."""
        names = np.array(self.names, dtype=object)
        changes = np.flatnonzero(names[1:] != names[:-1]) + 1
        ends = [len(names)] if len(names) else []
        return np.array([*([0] if ends else []), *changes, *ends], "int64")

    def sources(self):
        """Yields the first frame of each source and the one after its last."""
        return zip(
            self._firsts[:-1].tolist(), self._firsts[1:].tolist(), strict=True
        )

    def first_of(self, frame):
        """The first frame of the source that a frame belongs to."""
        place = np.searchsorted(self._firsts, frame, side="right") - 1
        return int(self._firsts[place])


def _is_word(value):
    return 0 < len(value) < 200 and value.isprintable()
