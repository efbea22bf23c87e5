"""MediaPipe Pose: 33 landmarks, from files or from its results."""

from keras_skeleton.datasets.files import parsing
from keras_skeleton.datasets.readers import _extracted
from keras_skeleton.datasets.readers.base import Clip
from keras_skeleton.datasets.readers.base import collect

NUM_LANDMARKS = 33
VALUES = ("x", "y", "z", "visibility")
KEYS = {"image": "pose_landmarks", "world": "pose_world_landmarks"}
HINT = (
    "Pass the path of a .json or .csv file with the landmarks of one video, "
    "or of a folder or .zip archive of such files; the documentation of "
    "`datasets.mediapipe.load_data` describes them."
)


def load_data(
    path,
    landmarks="image",
    num_persons=1,
    labels=None,
    class_names=None,
    strict=False,
    workers=1,
):
    """Reads landmarks of MediaPipe Pose from JSON or CSV files.

    MediaPipe does not write files itself. A file is a clip, named by its
    path without the ending.

    JSON: a list of frames, alone or under `"frames"`. A frame has the keys
    `"pose_landmarks"` and `"pose_world_landmarks"` (one is enough), each a
    list of persons; a person is a list of 33 landmarks, and a landmark is
    `{"x": 0.5, "y": 0.3, "z": -0.1, "visibility": 0.9}` or a list of these
    four numbers. Instead of the list of persons, there may be one person, or
    `null` for nobody.

    CSV: a line for each person in each frame, with the number of the frame,
    the number of the person, and 33 times x, y, z, visibility. Lines with
    other than numbers at the top are a header. Frames without a line are not
    part of the clip.

    Persons are followed by their numbers in CSV, else as by
    `openpose.load_data`.

    Args:
        path: path of a file, or of a folder or .zip archive of files.
        landmarks: `"image"` for x and y in widths and heights of the image
            and z in widths, or `"world"` for metres from the middle of the
            hips, with y down. CSV files hold one kind, which is read.
        num_persons: integer, the persons to keep: those seen in most frames.
        labels: dictionary from names of clips to their classes, numbers from
            0 or names of classes. Clips without one get the label -1.
        class_names: list of the names of the classes, in the order of their
            numbers; by default those in `labels`, in alphabetical order.
        strict: boolean, whether a clip that cannot be used is an error. If
            not, it is left out, and named in a warning and in `skipped`.
        workers: integer, the processes that read.

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
    reader = MediaPipeReader(path, landmarks, num_persons, labels, class_names)
    return collect(reader, strict, workers)


def from_results(results, landmarks="image", num_persons=1):
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
    """

    skeleton = "mediapipe33"
    coordinates = VALUES

    def __init__(
        self,
        path,
        landmarks="image",
        num_persons=1,
        labels=None,
        class_names=None,
    ):
        super().__init__(path, (".json", ".csv"), HINT, labels, class_names)
        self._key = _key(landmarks)
        self.num_persons = num_persons

    def read(self, unit):
        data = self._source.read(unit)
        name, _, ending = unit.rpartition(".")
        identities = None
        if ending.lower() == "csv":
            rows = parse_csv(data)
            frames = [list(persons.values()) for persons in rows]
            identities = [list(persons) for persons in rows]
        else:
            frames = parse_json(data, self._key)
        clip = _follow(frames, self.num_persons, identities)
        yield Clip(name, clip, self.label(name))


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
    frames = parsing.parse_json(data)
    if isinstance(frames, dict):
        frames = frames.get("frames")
    if not isinstance(frames, list):
        raise ValueError("it holds no list of frames")
    found = []
    for number, frame in enumerate(frames):
        if not isinstance(frame, dict) or key not in frame:
            raise ValueError(f"frame {number} has no {key!r}")
        try:
            found.append(_read_persons(frame[key]))
        except ValueError as error:
            raise ValueError(f"frame {number}: {error}") from error
    return found


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
    lines = data.removeprefix(b"\xef\xbb\xbf").splitlines()
    frames = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        values = parsing.parse_numbers(line.replace(b",", b" "))
        if values is None and not frames:
            continue
        width = 2 + NUM_LANDMARKS * len(VALUES)
        if values is None or len(values) != width:
            raise ValueError(f"line {number} does not hold {width} numbers")
        frame, person = values[:2]
        persons = frames.setdefault(frame, {})
        if person in persons:
            raise ValueError(f"line {number} repeats a person of its frame")
        joints = parsing.to_float32(values[2:])
        persons[person] = joints.reshape(NUM_LANDMARKS, len(VALUES))
    return [frames[frame] for frame in sorted(frames)]


def _follow(frames, num_persons, identities=None):
    clip = _extracted.track(frames, num_persons, identities)
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
    if found and all(map(_is_landmark, found)):
        found = [found]
    return [_read_person(_unwrap(person)) for person in found]


def _unwrap(found):
    """The list in one of the older results, or in what became of it."""
    if found is None:
        return []
    if isinstance(found, dict):
        found = found.get("landmark")
    found = getattr(found, "landmark", found)
    if isinstance(found, str | bytes | int | float | None):
        raise ValueError("it holds something else than landmarks")
    return list(found)


def _is_landmark(found):
    if isinstance(found, dict):
        return "x" in found
    if isinstance(found, list):
        return bool(found) and isinstance(found[0], int | float)
    return hasattr(found, "x")


def _read_person(person):
    numbers = []
    for landmark in person:
        if not isinstance(landmark, list):
            landmark = [_value(landmark, name) for name in VALUES]
            # Some results do not tell; then all that was found is visible.
            if landmark[-1] is None:
                landmark[-1] = 1.0
        numbers.append(landmark)
    return parsing.to_array(numbers, (NUM_LANDMARKS, len(VALUES)))


def _value(landmark, name):
    if isinstance(landmark, dict):
        return landmark.get(name)
    return getattr(landmark, name, None)
