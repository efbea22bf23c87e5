"""OpenPose: its JSON files, one for each frame of a video."""

import itertools

from keras_skeleton import skeletons
from keras_skeleton._types import PathLike
from keras_skeleton.datasets.files import parsing
from keras_skeleton.datasets.readers import _extracted
from keras_skeleton.datasets.readers import _layouts
from keras_skeleton.datasets.readers.base import Clip
from keras_skeleton.datasets.readers.base import Skipped
from keras_skeleton.datasets.readers.base import collect
from keras_skeleton.datasets.readers.base import layout
from keras_skeleton.datasets.sequences import Sequences

# By the number of joints, the usual layout first.
SKELETONS = {
    18: ("openpose18",),
    25: ("openpose25", "openpose25b"),
    26: ("halpe26",),
}
# Frames to look at for telling layouts apart.
LOOK = 20
# Version 0.1 has another key.
KEYS = ("pose_keypoints_2d", "pose_keypoints")
HINT = (
    "Run OpenPose with `--write_json FOLDER`, once for each video, and pass "
    "the path of the folder, of a folder of such folders, or of a .zip "
    "archive."
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
    """Reads poses that OpenPose has written.

    Understood are all versions of its JSON output; faces and hands are left
    out. The files do not say which joints they hold: without `skeleton`, 18
    are taken for those of COCO and 25 for BODY_25, unless the bones of
    BODY_25B are clearly shorter, which is told. The files of one
    folder whose names differ in the number at the end only are the frames of
    one clip, in the order of that number; numbers may be missing.

    OpenPose lists persons in any order. They are followed by `person_id`
    where it is known, else from frame to frame by where the mean of their
    visible joints is: the nearest first, and no farther than the person is
    large; someone who was away for more than 30 frames is someone new.

    Args:
        path: path of a folder of files, of a folder with a folder for each
            clip, or of a .zip archive.
        skeleton: `Skeleton`, the name of a registered one (`"openpose25"`,
            `"openpose25b"`, `"openpose18"`), or the path of a `.json` file
            of one, with as many joints as the files have; or `None` for that
            of the first person found. Clips with another number of joints
            are left out.
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
        A `Sequences` object with clips `(M, T, V, 3)`: x, y in pixels (or as
        `--keypoint_scale` says) and the score from 0 to 1; joints that were
        not found are zeros. A clip is named as its folder and its files.

    Raises:
        FileNotFoundError: if there are no such files at `path`.
        ValueError: if no clip can be used, or if one cannot and `strict`.

    Example:

    ```python
    data = keras_skeleton.datasets.openpose.load_data(
        "poses", labels={"walk_01": "walk", "run_01": "run"}
    )
    ```

    Reference:

    - [Cao et al., 2019](https://arxiv.org/abs/1812.08008)
    """
    reader = OpenPoseReader(path, skeleton, num_persons, labels, class_names)
    return collect(reader, strict, workers, missing=missing)


class OpenPoseReader(_extracted.ExtractedReader):
    """Reader of the output of OpenPose; a unit is the name of a clip.

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
        self._clips = None
        if skeleton is not None:
            skeleton = layout(skeleton)
        self.skeleton = self._find_layout(path, skeleton)

    def __getstate__(self):
        return {**self.__dict__, "_clips": None}

    def units(self):
        grouped = set(itertools.chain(*self._group().values()))
        return list(self._group()) + [
            name for name in self._source.names if name not in grouped
        ]

    def read(self, unit):
        if unit not in self._group():
            raise ValueError("its name does not end in the number of a frame")
        frames, identities, notes = [], [], []
        for name in self._group()[unit]:
            try:
                persons = parse_frame(self._source.read(name))
            except ValueError as error:
                raise ValueError(f"{name!r}: {error}") from error
            for _, joints in persons:
                if len(joints) != self.skeleton.num_joints:
                    raise ValueError(
                        f"{name!r} has {len(joints)} joints, others are read "
                        f"as {self.skeleton.name!r}"
                    )
            frames.append([joints for _, joints in persons])
            identities.append([identity for identity, _ in persons])
        clip = _extracted.track(frames, self.num_persons, identities, notes)
        if not len(clip):
            reason = f"its {len(frames)} frames show nobody"
            yield Skipped(unit, "; ".join([reason, *notes]))
            return
        yield Clip(unit, clip, self.label(unit), notes=tuple(notes))

    def _group(self):
        """Maps the name of each clip to the names of its files, in order."""
        if self._clips is None:
            self._clips = _extracted.group_frames(
                self._source.names, self._source.stem
            )
        return self._clips

    def _find_layout(self, path, skeleton):
        """The layout that is given or likely, checked by the first files."""
        bodies, first_fault = [], None
        for name in itertools.chain(*self._group().values()):
            try:
                bodies += [j for _, j in parse_frame(self._source.read(name))]
            except ValueError as error:
                first_fault = first_fault or f"{name!r}: {error}"
            if len(bodies) >= (1 if skeleton is not None else LOOK):
                break
        if not bodies:
            if skeleton is not None:
                return skeleton
            reason = f"no file in {str(path)!r} shows a person"
            if not self._group():
                first = self._source.names[0]
                reason = (
                    f"no file in {str(path)!r} has a name that ends in the "
                    "number of its frame, such as "
                    "walk_000000000012_keypoints.json; the first one is "
                    f"{first!r}, and files of whole clips are read by "
                    "`coco.load_data`"
                )
            elif first_fault:
                reason = f"{reason} (the first reason: {first_fault})"
            raise ValueError(f"{reason[0].upper()}{reason[1:]}. {HINT}")
        size = len(bodies[0])
        if skeleton is not None:
            if skeleton.num_joints != size:
                raise ValueError(
                    f"The persons have {size} joints, the skeleton "
                    f"{skeleton.name!r} {skeleton.num_joints}: "
                    f"{_layouts.of_size(size)}. Received: {skeleton.name!r}"
                )
            return skeleton
        if size not in SKELETONS:
            raise ValueError(
                f"The persons have {size} joints, and the files do not say "
                f"which: {_layouts.of_size(size)}."
            )
        bodies = [body for body in bodies if len(body) == size]
        return skeletons.get(_layouts.guess(SKELETONS[size], bodies, 6))


def parse_frame(data):
    """Reads the file of one frame.

    Args:
        data: bytes of JSON text.

    Returns:
        List with a pair for each person: the identity, or `None` if it is
        not known, and the joints, float32 `(V, 3)`.

    Raises:
        ValueError: if it is anything else.
    """
    content = parsing.parse_json(data)
    people = content.get("people", 0) if isinstance(content, dict) else 0
    people = [] if people is None else people
    if not isinstance(people, list):
        raise ValueError("it has no list 'people'")
    persons = []
    for person in people:
        if person is None:
            continue
        if not isinstance(person, dict):
            raise ValueError("a person is not described by names and values")
        numbers = next((person[key] for key in KEYS if key in person), None)
        if numbers is None:
            if any(key in person for key in KEYS):
                continue
            raise ValueError(f"a person has no {KEYS[0]!r}")
        numbers = parsing.to_array(numbers, (None,))
        if not numbers.size:
            if person.get("pose_keypoints_3d"):
                raise ValueError(
                    "a person has 'pose_keypoints_3d' alone, which are not "
                    "read; write 2D keypoints as well"
                )
            continue
        if numbers.size % 3:
            raise ValueError(
                f"a person has {numbers.size} numbers; expected 75 "
                "(BODY_25), 54 (COCO) or three for each joint of another one"
            )
        identity = _extracted.identity(person.get("person_id"))
        persons.append((identity, numbers.reshape(-1, 3)))
    return persons
