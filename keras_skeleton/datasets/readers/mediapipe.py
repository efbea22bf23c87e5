"""MediaPipe Pose: 33 landmarks, from files or from its results."""

import itertools
import math
import re

import numpy as np

from keras_skeleton import skeletons
from keras_skeleton._types import PathLike
from keras_skeleton.datasets import _names
from keras_skeleton.datasets.files import parsing
from keras_skeleton.datasets.files import wide
from keras_skeleton.datasets.readers import _extracted
from keras_skeleton.datasets.readers.base import Clip
from keras_skeleton.datasets.readers.base import Skipped
from keras_skeleton.datasets.readers.base import collect
from keras_skeleton.datasets.readers.base import layout
from keras_skeleton.datasets.sequences import Sequences
from keras_skeleton.skeletons.skeleton import SkeletonLike

NUM_LANDMARKS = 33
VALUES = ("x", "y", "z", "visibility")
KEYS = {"image": "pose_landmarks", "world": "pose_world_landmarks"}
# As JavaScript, Kotlin and Swift call them.
OTHER_KEYS = {
    "pose_landmarks": (
        *("poseLandmarks", "landmarks", "normalizedLandmarks", "pose"),
        "keypoints",
    ),
    "pose_world_landmarks": (
        *("poseWorldLandmarks", "worldLandmarks", "world_landmarks"),
        *("za", "keypoints3D"),
    ),
}
# What a file calls its frames, the number of a frame, and that of a landmark.
FRAMES = ("frames", "data", "results", *OTHER_KEYS["pose_landmarks"])
FRAME_NUMBERS = (
    *("frame", "frame_id", "frame_index", "frame_number", "frameIndex"),
    *("frame_idx", "timestamp", "timestamp_ms", "time"),
)
LANDMARK_NUMBERS = ("id", "index", "landmark", "landmark_index")
DIGITS = re.compile(r"\D*(\d{1,18})\D*", re.ASCII)
INSTEAD = "; for a line for each joint there is `custom.from_csv`"
HINT = (
    "Pass the path of a .json or .csv file with the landmarks of one video, "
    "or of a folder or .zip archive of such files; the documentation of "
    "`datasets.mediapipe.load_data` describes them."
)


def load_data(
    path: PathLike,
    landmarks="image",
    num_persons=1,
    labels=None,
    class_names=None,
    strict=False,
    workers=1,
    skeleton: SkeletonLike | PathLike = "mediapipe33",
    missing="zeros",
) -> Sequences:
    """Reads landmarks of MediaPipe Pose from JSON or CSV files.

    MediaPipe does not write files itself. A file is a clip, named by its
    path without the ending.

    JSON: a list of frames, alone or under `"frames"`. A frame has the keys
    `"pose_landmarks"` and `"pose_world_landmarks"` (one is enough; spelled
    as in JavaScript, too), each a list of persons; a person is a list of 33
    landmarks, and a landmark is `{"x": 0.5, "y": 0.3, "z": -0.1,
    "visibility": 0.9}` or a list of these numbers. Instead of the list of
    persons, there may be one person, or `null` for nobody; instead of the
    frame, what would be under its key. Frames that have a number (`"frame"`,
    `"timestamp"`) are put in its order, landmarks in that of their `"id"` or
    of their names.

    CSV: a line for each person in each frame, with commas, semicolons or
    tabs. Columns are found by the names in the first line: `frame`,
    `person`, `label` (or `class`), `video` (or `clip`), and `x0`, `y0`, `z0`,
    `v0` (counted from 0 or 1) or `nose_x` and so on; without names, the last
    132 (or 99, without visibility) columns are the landmarks, after label,
    frame and person as far as there are any. Without a column for frames,
    every line is one; in a table with several labels or videos, each stretch
    of lines of one of them is a clip. Empty cells and NaN are landmarks that
    were not found.

    In both, whole numbers of frames that are left out between others are
    frames without anybody (of every `n`-th frame, where most numbers are `n`
    apart), unless more than half would be.

    Persons are followed by their numbers in CSV, else as by
    `openpose.load_data`.

    Args:
        path: path of a file, or of a folder or .zip archive of files.
        landmarks: `"image"` for x and y in widths and heights of the image
            and z in widths, or `"world"` for metres from the middle of the
            hips, with y down. CSV files hold one kind, which is read.
        num_persons: integer, the persons to keep: those seen in most frames.
        labels: dictionary from names of clips (or of their files) to their
            classes, numbers from 0 or names of classes, or the path of a
            .csv file of `name,label`. Clips without one get that of their
            table, or -1; names without a clip are told.
        class_names: list of the names of the classes, in the order of their
            numbers; by default those in `labels`, or else in the tables, in
            alphabetical order.
        strict: boolean, whether a clip that cannot be used is an error. If
            not, it is left out, and named in a warning and in `skipped`.
        workers: integer, the processes that read.
        skeleton: `Skeleton` of 33 joints to use in the place of MediaPipe's,
            or the name of a registered one.
        missing: what to do where something was not found (null, NaN, empty
            cells): `"zeros"`, `"interpolate"` or `"error"`, see
            `readers.Reader.configure`.

    Returns:
        A `Sequences` object with clips `(M, T, 33, 4)`: x, y, z, visibility.

    Raises:
        FileNotFoundError: if there are no such files at `path`.
        ValueError: if no clip can be used, or if one cannot and `strict`.

    Example:

    ```python
    frames = []
    for image in video:
        result = landmarker.detect(image)
        frames.append(
            {
                "pose_world_landmarks": [
                    [[p.x, p.y, p.z, p.visibility] for p in person]
                    for person in result.pose_world_landmarks
                ]
            }
        )
    with open("poses/walk_01.json", "w") as file:
        json.dump(frames, file)
    data = keras_skeleton.datasets.mediapipe.load_data(
        "poses", landmarks="world", labels={"walk_01": "walk"}
    )
    ```

    Reference:

    - [Bazarevsky et al., 2020](https://arxiv.org/abs/2006.10204)
    """
    reader = MediaPipeReader(
        path, landmarks, num_persons, labels, class_names, skeleton
    )
    return collect(reader, strict, workers, missing=missing)


def from_results(results, landmarks="image", num_persons=1) -> np.ndarray:
    """Makes a clip of the results of MediaPipe for the frames of a video.

    Args:
        results: list with the result for each frame, of a `PoseLandmarker`
            or of the older `solutions.pose.Pose`.
        landmarks: `"image"` or `"world"`, see `load_data`.
        num_persons: integer, the persons to keep, see `load_data`.

    Returns:
        float32 array `(M, T, 33, 4)`: x, y, z, visibility; frames without a
        person are zeros.

    Raises:
        ValueError: if there is nobody, or if a result is something else.

    Example:

    ```python
    clips = [from_results([landmarker.detect(i) for i in v]) for v in videos]
    data = keras_skeleton.datasets.Sequences.from_arrays(
        clips, labels, skeleton="mediapipe33"
    )
    ```
    """
    key = _key(landmarks)
    frames = []
    for number, result in enumerate(results):
        if not hasattr(result, key):
            raise ValueError(
                f"The result of frame {number} has no {key!r}. Received: "
                f"{type(result).__name__}"
            )
        frames.append(_read_persons(getattr(result, key)))
    return _follow(frames, num_persons)


class MediaPipeReader(_extracted.ExtractedReader):
    """Reader of landmarks; a unit is the name of a file.

    Args:
        path: See `load_data`, also for the other arguments.
        landmarks: string.
        num_persons: integer.
        labels: dictionary or `None`.
        class_names: list of strings or `None`.
        skeleton: `Skeleton` or string.
    """

    coordinates = VALUES

    def __init__(
        self,
        path,
        landmarks="image",
        num_persons=1,
        labels=None,
        class_names=None,
        skeleton="mediapipe33",
    ):
        super().__init__(
            path, (".json", ".csv"), HINT, labels, class_names, num_persons
        )
        self._key = _key(landmarks)
        self.landmarks = landmarks
        self.skeleton = layout("mediapipe33")
        self.configure(skeleton=skeleton)
        if not self.labels and self.class_names is None:
            self.class_names = self._find_classes()

    def _find_classes(self):
        """The texts in the tables' columns of labels, in order."""
        found = set()
        for name in self._source.names:
            if name.lower().endswith(".csv"):
                try:
                    found |= wide.labels_of(self._source.read(name))
                except (ValueError, OSError):
                    continue  # Told where the file is read.
        found.discard("")
        if all(map(str.isdecimal, found)):
            return None
        return sorted(found)

    def read(self, unit):
        data = self._source.read(unit)
        name, _, ending = unit.rpartition(".")
        if ending.lower() == "csv":
            yield from self._read_table(name, data)
            return
        frames = parse_json(data, self._key)
        yield self._make_clip(name, frames)

    def _read_table(self, name, data):
        table = parse_table(data)
        parts = _stretches(table)
        clips = {}
        for clip, label, rows in parts:
            called = name
            if len(parts) > 1:
                called = f"{name}/{clip or label or 'unlabelled'}"
                clips[called] = clips.get(called, 0) + 1
                if clips[called] > 1:
                    called += f"_{clips[called]}"
            frames = _lay_out(table, rows)
            yield self._make_clip(
                called,
                [[values for _, values in persons] for persons in frames],
                [[number for number, _ in persons] for persons in frames],
                label,
            )

    def _make_clip(self, name, frames, identities=None, label=None):
        notes = []
        if identities is None:
            identities = _alone(frames)
        clip = _extracted.track(frames, self.num_persons, identities, notes)
        if not len(clip):
            seen = f"its {len(frames)} frames show nobody"
            return Skipped(name, "; ".join([seen, *notes]))
        number = self.label(name)
        if number < 0 and label and not self.labels:
            label = int(label) if label.isdecimal() else label
            number = _names.number_label(label, self.class_names)
        return Clip(name, clip, number, notes=tuple(notes))


def _stretches(table):
    """List of clip, label and rows, one for each stretch of both.

    A column that has another value in each line names frames, not clips.
    """
    count = len(table.lines)
    names = table.clips or [None] * count
    labels = table.labels or [None] * count
    if len(set(names)) == count:
        names = [None] * count
    keys = list(zip(names, labels, strict=True))
    return [
        (*key, list(rows))
        for key, rows in itertools.groupby(range(count), keys.__getitem__)
    ]


def parse_json(data, key="pose_landmarks"):
    """Reads a JSON file of landmarks.

    Args:
        data: bytes of the text.
        key: string, the kind of landmarks.

    Returns:
        List of frames, each a list of persons, float32 `(33, 4)`.

    Raises:
        ValueError: if it is anything else.
    """
    found = []
    for number, frame in enumerate(_list_frames(parsing.parse_json(data), key)):
        frame = _under_key(frame, key, number)
        try:
            found.append(_read_persons(frame))
        except ValueError as error:
            raise ValueError(f"frame {number}: {error}") from error
    return found


def _list_frames(content, key):
    """The frames of a file, in the order of the numbers that they have."""
    frames = content
    if isinstance(content, dict):
        keys = (*FRAMES, key, *OTHER_KEYS[key])
        frames = next((content[k] for k in keys if k in content), None)
        numbers = list(map(DIGITS.fullmatch, content))
        if content and all(numbers):
            # Under the number or the name of each frame.
            numbers = [int(match[1]) for match in numbers]
            return _in_time(list(content.values()), numbers)
    if not isinstance(frames, list):
        there = ""
        if isinstance(content, dict):
            there = f"; its keys are {', '.join(map(repr, list(content)[:5]))}"
        raise ValueError(f"it holds no list of frames{there}")
    if frames and all(isinstance(frame, dict) for frame in frames):
        return _in_time(frames, [_number(f, FRAME_NUMBERS) for f in frames])
    return frames


def _in_time(frames, numbers):
    """Frames in the order of their numbers, `None` where one is left out."""
    if None in numbers or len(set(numbers)) < len(numbers) or not frames:
        return frames
    return parsing.with_lost_frames(
        _sorted(frames, numbers), sorted(numbers), None
    )


def _sorted(things, numbers):
    """Things in the order of their numbers, where all have another one."""
    if None in numbers or len(set(numbers)) < len(numbers):
        return things
    order = sorted(range(len(things)), key=numbers.__getitem__)
    return [things[index] for index in order]


def _number(found, keys):
    for key in keys:
        value = found.get(key)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return value if math.isfinite(value) else None
    return None


def _under_key(frame, key, number):
    """What a frame has under one of the spellings of a key."""
    if frame is None or isinstance(frame, list):
        return frame
    if isinstance(frame, dict):
        for name in (key, *OTHER_KEYS[key]):
            if name in frame:
                return frame[name]
        joints = skeletons.get("mediapipe33").joints
        if "landmark" in frame or joints[0] in map(str.lower, frame):
            return frame
    there = ""
    if isinstance(frame, dict):
        there = f"; its keys are {', '.join(map(repr, list(frame)[:5]))}"
    raise ValueError(f"frame {number} has no {key!r}{there}")


def parse_table(data):
    """Reads a CSV file of landmarks as a `files.wide.Table`.

    Args:
        data: bytes of the text.

    Raises:
        ValueError: if it is anything else.
    """
    return wide.parse(data, skeletons.get("mediapipe33").joints, INSTEAD)


def parse_csv(data):
    """Reads a CSV file of landmarks.

    Args:
        data: bytes of the text.

    Returns:
        List of frames, each a dictionary from the numbers of persons to
        float32 arrays `(33, 4)`.

    Raises:
        ValueError: if it is anything else.
    """
    table = parse_table(data)
    return [
        {
            place if number is None else number: values
            for place, (number, values) in enumerate(persons)
        }
        for persons in _lay_out(table, range(len(table.lines)))
    ]


def _lay_out(table, rows):
    """The frames of some rows of a table, pairs of identity and landmarks."""
    frames, seen = {}, set()
    for row in rows:
        frame = row if table.frames is None else table.frames[row]
        # Numbers before names, which cannot be compared with them.
        frame = (isinstance(frame, tuple), frame)
        person = None
        if table.persons is not None:
            person = _extracted.identity(table.persons[row])
            if (frame, person) in seen and person is not None:
                raise ValueError(
                    f"line {table.lines[row]} repeats a person of its frame: "
                    "another line has the same in the columns of both"
                )
            seen.add((frame, person))
        frames.setdefault(frame, []).append((person, table.values[row]))
    # Where no frame has two lines, there is one person.
    if table.persons is None and all(len(f) == 1 for f in frames.values()):
        frames = {key: [(0, one[0][1])] for key, one in frames.items()}
    ordered = sorted(frames)
    found, numbers = [frames[key] for key in ordered], [n for _, n in ordered]
    if table.frames is None or any(is_name for is_name, _ in ordered):
        return found
    return parsing.with_lost_frames(found, numbers)


def _alone(frames):
    """Identities where no frame shows two: then there is one person."""
    if any(len(persons) > 1 for persons in frames):
        return None
    return [[0] * len(persons) for persons in frames]


def _follow(frames, num_persons):
    clip = _extracted.track(frames, num_persons, _alone(frames))
    if not len(clip):
        raise ValueError("it shows nobody")
    return clip


def _key(landmarks):
    if landmarks not in KEYS:
        raise ValueError(
            f"`landmarks` must be 'image' or 'world'. Received: {landmarks!r}"
        )
    return KEYS[landmarks]


def _read_persons(found):
    """The persons of a frame, however MediaPipe or a file holds them."""
    found = _unwrap(found)
    is_flat = found and all(isinstance(n, int | float) for n in found)
    is_person = len(found) == NUM_LANDMARKS and all(
        one is None or _is_landmark(one) for one in found
    )
    if is_flat or is_person or (found and all(map(_is_landmark, found))):
        found = [found]
    # Of the persons of a frame, some may be null or empty.
    return [_read_person(one) for one in map(_unwrap, found) if one]


def _unwrap(found):
    """The list in one of the older results, or in what became of it."""
    if found is None:
        return []
    if isinstance(found, dict) and "landmark" in found:
        found = found["landmark"]
    if isinstance(found, dict):
        found = _by_names(found)
    found = getattr(found, "landmark", found)
    if isinstance(found, str | bytes | int | float | None):
        raise ValueError("it holds something else than landmarks")
    return list(found)


def _by_names(found):
    """Landmarks in their order, out of a dictionary from their names."""
    known = {str(name).lower().replace(" ", "_"): name for name in found}
    joints = skeletons.get("mediapipe33").joints
    if not set(joints) <= set(known):
        raise ValueError("it holds something else than landmarks")
    return [found[known[joint]] for joint in joints]


def _is_landmark(found):
    if isinstance(found, dict):
        return "x" in found or "X" in found
    if isinstance(found, list):
        return bool(found) and isinstance(found[0], int | float | None)
    return hasattr(found, "x")


def _read_person(person):
    if len(person) in (3 * NUM_LANDMARKS, 4 * NUM_LANDMARKS) and all(
        isinstance(number, int | float | None) for number in person
    ):
        # All numbers one after the other.
        width = len(person) // NUM_LANDMARKS
        person = [person[i : i + width] for i in range(0, len(person), width)]
    if all(isinstance(landmark, dict) for landmark in person):
        numbers = [_number(one, LANDMARK_NUMBERS) for one in person]
        if set(numbers) == set(range(NUM_LANDMARKS)):
            person = _sorted(person, numbers)
    numbers = []
    for landmark in person:
        if landmark is None:
            landmark = [None] * len(VALUES)
        elif not isinstance(landmark, list):
            landmark = [_value(landmark, name) for name in VALUES]
            # Some results do not tell; then all that was found is visible.
            if landmark[-1] is None:
                landmark[-1] = 1.0
        elif len(landmark) == 3:
            landmark = [*landmark, 1.0]
        elif len(landmark) == 5:
            # The last one is the presence.
            landmark = landmark[:4]
        numbers.append(landmark)
    return parsing.to_array(numbers, (NUM_LANDMARKS, len(VALUES)))


def _value(landmark, name):
    if isinstance(landmark, dict):
        names = (name, name.title())
        names += ("score",) if name == "visibility" else ()
        return next((landmark[n] for n in names if n in landmark), None)
    return getattr(landmark, name, None)
