"""Keypoints in the JSON form of COCO, as most pose estimators write them."""

import itertools

import numpy as np

from keras_skeleton._types import PathLike
from keras_skeleton.datasets import _coordinates
from keras_skeleton.datasets import _names
from keras_skeleton.datasets.readers import _described
from keras_skeleton.datasets.readers import _extracted
from keras_skeleton.datasets.readers import _keypoints
from keras_skeleton.datasets.readers import _layouts
from keras_skeleton.datasets.readers.base import Clip
from keras_skeleton.datasets.readers.base import Skipped
from keras_skeleton.datasets.readers.base import collect
from keras_skeleton.datasets.readers.base import layout
from keras_skeleton.datasets.sequences import Sequences

HINT = (
    "Pass the path of a .json file with the poses of one video (a list of "
    "entries with `image_id` and `keypoints`), or of a folder or .zip archive "
    "of such files."
)


def load_data(
    path: PathLike,
    skeleton=None,
    num_persons=2,
    labels=None,
    class_names=None,
    strict=False,
    workers=1,
    missing="zeros",
) -> Sequences:
    """Reads poses in the JSON forms of COCO, MMPose and Ultralytics.

    A file holds one of these:

    - COCO's results, an entry for each person in each frame, as AlphaPose,
      Detectron2, ViTPose and others write them: `{"image_id": 12,
      "keypoints": [x, y, score, ...]}`. Frames are ordered by `image_id`,
      numbers in texts such as `"frame_12.jpg"` by their value. Numbers that
      are left out between others are frames without anybody (of every `n`-th
      frame, where most numbers are `n` apart), unless more than half would be.
    - COCO's annotations, as annotation tools export them: `images` with an
      `id` and a `file_name`, and `annotations` that name the id. Frames are
      ordered by `frame_id` or, without one, by `file_name`; images without
      an annotation are frames without anybody. Names of joints in
      `categories` are used: a layout of other joints is made of them, and
      joints that are those of `skeleton` in another order are put in its.
      Of several categories, one is read: that with the joints of `skeleton`,
      else that of most annotations; the others are left aside, which is told.
    - Frames of MMPose, a list (alone or under `"instance_info"`) of
      `{"frame_id": 0, "instances": [{"keypoints": [[x, y], ...],
      "keypoint_scores": [...]}]}`. Names of joints in `"meta_info"` are used
      as those in `categories`.
    - A list with a list of persons for each frame, as results of Ultralytics
      give it: `{"keypoints": {"x": [...], "y": [...], "visible": [...]}}`.

    A file is a clip, named by its path without `.json`. Where images are in
    several folders, belong to several videos (`video_id`), or have names
    that begin differently and count on from there, each is a clip instead.
    Files of one frame each whose names differ in the last number alone, as
    estimators write them for a folder of images, are the frames of one clip,
    which is told; they are clips of one frame where `labels` names them.
    A file may also hold a line of JSON for each entry.

    Persons are followed by `track_id`, `person_id` or `idx`, a number, a
    text or a list of one; those without one as by `openpose.load_data`.

    Args:
        path: path of a file, or of a folder or .zip archive of files.
        skeleton: `Skeleton`, the name of a registered one, or the path of a
            `.json` file of one, with as many joints as there are keypoints.
            By default, that which the file describes, else `"coco17"`.
        num_persons: integer, the persons to keep: those seen in most frames.
        labels: dictionary from names of clips (or of their files) to their
            classes, numbers from 0 or names of classes, or the path of a
            .csv file of `name,label`. Clips without one get the label -1;
            names without a clip are told.
        class_names: list of the names of the classes, in the order of their
            numbers; by default those in `labels`, in alphabetical order.
        strict: boolean, whether a clip that cannot be used is an error. If
            not, it is left out, and named in a warning and in `skipped`.
        workers: integer, the processes that read.
        missing: what to do where something was not found (null, NaN, a
            score of 0): `"zeros"`, `"interpolate"` or `"error"`, see
            `readers.Reader.configure`.

    Returns:
        A `Sequences` object with clips `(M, T, V, 3)`: x, y in pixels and
        the third number of the file, the score (in annotations, 0 for no
        keypoint, 1 for a hidden and 2 for a visible one; 1 where a file has
        none). Where the first file has three places and a score, clips are
        `(M, T, V, 4)`.

    Raises:
        FileNotFoundError: if there are no such files at `path`.
        ValueError: if no clip can be used, or if one cannot and `strict`.

    Example:

    ```python
    data = keras_skeleton.datasets.coco.load_data(
        "poses", labels={"walk_01": 0, "run_01": 1}
    )
    ```
    """
    reader = CocoReader(path, skeleton, num_persons, labels, class_names)
    return collect(reader, strict, workers, missing=missing)


class CocoReader(_extracted.ExtractedReader):
    """Reader of keypoints; a unit is the name of a file.

    Args:
        path: See `load_data`, also for the other arguments.
        skeleton: `Skeleton`, string or `None`.
        num_persons: integer.
        labels: dictionary or `None`.
        class_names: list of strings or `None`.
    """

    coordinates = ("x", "y", "score")

    def __init__(
        self,
        path,
        skeleton=None,
        num_persons=2,
        labels=None,
        class_names=None,
    ):
        super().__init__(path, ".json", HINT, labels, class_names, num_persons)
        self._frames_of = self._find_series()
        bodies = self._look(None if skeleton is None else layout(skeleton))
        if bodies[0].shape[-1] == 4:
            self.coordinates = ("x", "y", "z", "score")
        elif not all(_has_score(body) for body in bodies):
            self.coordinates = ("x", "y", "z")

    def _find_series(self):
        """Maps clips to their files where each file shows one frame."""
        names = self._source.names
        groups = _extracted.group_frames(names, self._source.stem)
        groups = {n: files for n, files in groups.items() if len(files) > 1}
        given = _names.Finder(self.labels, names)
        if not groups or any(given.find(name) is not None for name in names):
            return {}
        for name in next(iter(groups.values())):
            # Any number of joints will do to see whether it is one frame.
            try:
                return groups if self._is_frame(name) else {}
            except (ValueError, OSError):
                continue
        return {}

    def _is_frame(self, name):
        return _keypoints.is_frame(self._source.read(name))

    def units(self):
        grouped = set(itertools.chain(*self._frames_of.values()))
        return list(self._frames_of) + [
            name for name in self._source.names if name not in grouped
        ]

    def _look(self, skeleton):
        """Finds the layout by the first file that can be read."""
        self._joints, self._order = None, None
        self.skeleton = layout("coco17") if skeleton is None else skeleton
        size = None if skeleton is None else skeleton.num_joints
        for name in self._source.names:
            try:
                found = self._parse(name, size)
            except ValueError:
                continue
            bodies = [
                body
                for frames in found.clips.values()
                for frame in frames
                for _, body in frame
            ]
            if not bodies:
                continue
            self._use_names(found, skeleton is None)
            return bodies
        # What is wrong is told where the file is read.
        return [np.zeros((self.skeleton.num_joints, 3))]

    def _use_names(self, found, may_make):
        """Follows the names that a file has for its joints."""
        if found.joints is None:
            return
        self._joints = found.joints
        named = [_described.word(joint) for joint in found.joints]
        known = [_described.word(joint) for joint in self.skeleton.joints]
        if sorted(known) == sorted(named):
            order = [named.index(joint) for joint in known]
            self._order = order if order != sorted(order) else None
        elif may_make:
            name = found.layout or "coco"
            made = _layouts.make(name, found.joints, found.bones)
            # What MMPose has trained on has a layout here, with other words.
            same = _layouts.of_bones(made) if found.layout else None
            self.skeleton = same or made
            _layouts.check_sides(self.skeleton, 6)

    def read(self, unit):
        joints = self.skeleton.num_joints
        if unit in self._frames_of:
            found = self._join(unit, joints)
        else:
            found = self._parse(unit, joints)
        if found.joints is not None and self._joints is not None:
            if found.joints != self._joints:
                raise ValueError(
                    "its 'categories' name other joints than those of the "
                    "first file"
                )
        for folder, frames in found.clips.items():
            name = folder or unit.removesuffix(".json")
            notes = list(found.notes)
            clip = _extracted.track(
                [[person for _, person in persons] for persons in frames],
                self.num_persons,
                [[identity for identity, _ in persons] for persons in frames],
                notes,
            )
            if not len(clip):
                reason = f"its {len(frames)} frames show nobody"
                yield Skipped(name, "; ".join([reason, *notes]))
                continue
            if self._order is not None:
                clip = clip[:, :, self._order]
            if clip.shape[-1] != len(self.coordinates):
                raise ValueError(
                    f"it has {clip.shape[-1]} numbers for each joint, the "
                    f"first file {len(self.coordinates)}"
                )
            yield Clip(name, clip, self.label(name), notes=tuple(notes))

    def _parse(self, name, size):
        data = self._source.read(name)
        known = self._joints or self.skeleton.joints
        if not self._frames_of:
            return _keypoints.parse(data, size, known)
        return _keypoints.parse_frame(data, size, known)

    def _join(self, unit, joints):
        """The frames of a clip out of the files of each."""
        files, frames = self._frames_of[unit], []
        for name in files:
            try:
                found = self._parse(name, joints)
                shown = [f for clip in found.clips.values() for f in clip]
                if len(shown) != 1:
                    raise ValueError(f"it holds {len(shown)} frames, not one")
            except ValueError as error:
                raise ValueError(f"{name!r}: {error}") from error
            frames += shown
        note = (
            f"it is put together of {len(frames)} files of one frame each; to "
            "make each of them a clip, name them in `labels`"
        )
        return found._replace(clips={"": frames}, notes=[note])


def _has_score(body):
    """Whether the third value of joints may be a score.

    Annotations have 0, 1 or 2 for how a joint is seen, some tools percents.
    """
    return _coordinates.may_be_scores(body[:, 2], largest=100)


def parse_keypoints(data, num_joints=17):
    """Reads a file of keypoints.

    Args:
        data: bytes of JSON text.
        num_joints: integer, the keypoints of a person.

    Returns:
        Dictionary from the folder of the images, mostly `""`, to a list of
        frames in their order, each a list with a pair for each person: the
        identity, or `None` if it is not known, and the joints, float32
        `(V, 3)`.

    Raises:
        ValueError: if it is anything else.
    """
    return _keypoints.parse(data, num_joints).clips
