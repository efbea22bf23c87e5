"""OpenPose: its JSON files, one for each frame of a video."""

import itertools
import re

from keras_skeleton.datasets.files import parsing
from keras_skeleton.datasets.readers import _extracted
from keras_skeleton.datasets.readers.base import Clip
from keras_skeleton.datasets.readers.base import collect

SKELETONS = {25: "openpose25", 18: "openpose18"}
NAME = re.compile(r"(.*?)_?(\d{1,18})(?:_keypoints)?\.json", re.I | re.A)
# Version 0.1 has another key.
KEYS = ("pose_keypoints_2d", "pose_keypoints")
HINT = (
    "Run OpenPose with `--write_json FOLDER`, once for each video, and pass "
    "the path of the folder, of a folder of such folders, or of a .zip "
    "archive."
)


def load_data(
    path,
    skeleton=None,
    num_persons=2,
    labels=None,
    class_names=None,
    strict=False,
    workers=1,
):
    """Reads poses that OpenPose has written.

    Understood are all versions of its JSON output with the 25 joints of
    BODY_25 or the 18 of COCO; faces and hands are left out. The files of one
    folder whose names differ in the number at the end only are the frames of
    one clip, in the order of that number; numbers may be missing.

    OpenPose lists persons in any order. They are followed by `person_id`
    where it is known for all, else from frame to frame by where the mean of
    their visible joints is: the nearest first, and no farther than the
    person is large; someone who was away for more than 30 frames is someone
    new.

    Args:
        path: path of a folder of files, of a folder with a folder for each
            clip, or of a .zip archive.
        skeleton: `"openpose25"` or `"openpose18"`, or `None` for that of
            the first person found; clips with another one are left out.
        num_persons: integer, the persons to keep: those seen in most frames.
        labels: dictionary from names of clips to their classes, numbers from
            0 or names of classes. Clips without one get the label -1.
        class_names: list of the names of the classes, in the order of their
            numbers; by default those in `labels`, in alphabetical order.
        strict: boolean, whether a clip that cannot be used is an error. If
            not, it is left out, and named in a warning and in `skipped`.
        workers: integer, the processes that read.

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
    return collect(reader, strict, workers)


class OpenPoseReader(_extracted.ExtractedReader):
    """Reader of the output of OpenPose; a unit is the name of a clip.

    Args:
        path: See `load_data`, also for the other arguments.
        skeleton: string or `None`.
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
        super().__init__(path, ".json", HINT, labels, class_names)
        self.num_persons = num_persons
        self._clips = None
        if skeleton is None:
            skeleton = SKELETONS[self._find_joints(path)]
        if skeleton not in SKELETONS.values():
            raise ValueError(
                "`skeleton` must be 'openpose25', 'openpose18' or None. "
                f"Received: {skeleton!r}"
            )
        self.skeleton = skeleton

    def __getstate__(self):
        return {**self.__dict__, "_clips": None}

    def units(self):
        return list(self._group())

    def read(self, unit):
        frames, identities = [], []
        for name in self._group()[unit]:
            try:
                persons = parse_frame(self._source.read(name))
            except ValueError as error:
                raise ValueError(f"{name!r}: {error}") from error
            for _, joints in persons:
                if SKELETONS[len(joints)] != self.skeleton:
                    raise ValueError(
                        f"{name!r} has {len(joints)} joints, others are read "
                        f"as {self.skeleton!r}"
                    )
            frames.append([joints for _, joints in persons])
            identities.append([identity for identity, _ in persons])
        clip = _extracted.track(frames, self.num_persons, identities)
        if not len(clip):
            raise ValueError("it shows nobody")
        yield Clip(unit, clip, self.label(unit))

    def _group(self):
        """Maps the name of each clip to the names of its files, in order."""
        if self._clips is None:
            groups = {}
            for name in self._source.names:
                folder, _, file = name.rpartition("/")
                match = NAME.fullmatch(file)
                if match:
                    parts = tuple(filter(None, [*folder.split("/"), match[1]]))
                    found = groups.setdefault(parts or (self._source.stem,), [])
                    found.append((int(match[2]), name))
            # A folder is mostly called as the video is.
            keys = [
                key[:-1] if len(key) > 1 and key[-1] == key[-2] else key
                for key in groups
            ]
            if len(set(keys)) < len(keys):
                keys = list(groups)
            self._clips = {
                name: [file for _, file in sorted(files)]
                for name, files in zip(
                    _extracted.clip_names(keys), groups.values(), strict=True
                )
            }
        return self._clips

    def _find_joints(self, path):
        for name in itertools.chain(*self._group().values()):
            try:
                for _, joints in parse_frame(self._source.read(name)):
                    return len(joints)
            except ValueError:
                continue
        raise ValueError(f"No file in {str(path)!r} shows a person. {HINT}")


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
    people = content.get("people") if isinstance(content, dict) else None
    if not isinstance(people, list):
        raise ValueError("it has no list 'people'")
    persons = []
    for person in people:
        if not isinstance(person, dict):
            raise ValueError("a person is not described by names and values")
        numbers = next((person[key] for key in KEYS if key in person), None)
        if numbers is None:
            raise ValueError(f"a person has no {KEYS[0]!r}")
        numbers = parsing.to_array(numbers, (None,))
        if not numbers.size:
            continue
        if numbers.size not in [3 * joints for joints in SKELETONS]:
            raise ValueError(
                f"a person has {numbers.size} numbers; expected 75 (BODY_25) "
                "or 54 (COCO)"
            )
        persons.append((_identity(person), numbers.reshape(-1, 3)))
    return persons


def _identity(person):
    identity = person.get("person_id")
    if isinstance(identity, list) and len(identity) == 1:
        identity = identity[0]
    if type(identity) is int and identity >= 0:
        return identity
    return None
