"""Keypoints in the JSON form of COCO, as most pose estimators write them."""

import re

from keras_skeleton import skeletons
from keras_skeleton.datasets.files import parsing
from keras_skeleton.datasets.readers import _extracted
from keras_skeleton.datasets.readers.base import Clip
from keras_skeleton.datasets.readers.base import collect

DIGITS = re.compile(r"(\d{1,18})", re.ASCII)
# Names of a person's number that trackers use.
IDENTITIES = ("track_id", "person_id", "idx")
HINT = (
    "Pass the path of a .json file with the poses of one video (a list of "
    "entries with `image_id` and `keypoints`), or of a folder or .zip archive "
    "of such files."
)


def load_data(
    path,
    skeleton="coco17",
    num_persons=2,
    labels=None,
    class_names=None,
    strict=False,
    workers=1,
):
    """Reads poses in the JSON form of COCO's keypoint results.

    A file holds a list, one entry for each person in each frame:
    `{"image_id": 12, "keypoints": [x, y, score, ...], "score": 0.9}`, as
    MMPose, AlphaPose, Detectron2, ViTPose and others can write it; a
    dictionary with such a list under `"annotations"` is read too. Frames are
    ordered by `image_id`, numbers in texts such as `"frame_12.jpg"` by their
    value; frames without an entry are not part of the clip.

    A file is a clip, named by its path without `.json`. Where `image_id` is
    a text with `/`, each folder in it is a clip instead.

    Persons are followed by `track_id`, `person_id` or `idx` where all have
    one, else as by `openpose.load_data`.

    Args:
        path: path of a file, or of a folder or .zip archive of files.
        skeleton: `Skeleton` or the name of a registered one, with as many
            joints as there are keypoints.
        num_persons: integer, the persons to keep: those seen in most frames.
        labels: dictionary from names of clips to their classes, numbers from
            0 or names of classes. Clips without one get the label -1.
        class_names: list of the names of the classes, in the order of their
            numbers; by default those in `labels`, in alphabetical order.
        strict: boolean, whether a clip that cannot be used is an error. If
            not, it is left out, and named in a warning and in `skipped`.
        workers: integer, the processes that read.

    Returns:
        A `Sequences` object with clips `(M, T, V, 3)`: x, y in pixels and
        the third number of the file, the score (in annotations, 0 for no
        keypoint, 1 for a hidden and 2 for a visible one).

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
    return collect(reader, strict, workers)


class CocoReader(_extracted.ExtractedReader):
    """Reader of COCO keypoints; a unit is the name of a file.

    Args:
        path: See `load_data`, also for the other arguments.
        skeleton: `Skeleton` or string.
        num_persons: integer.
        labels: dictionary or `None`.
        class_names: list of strings or `None`.
    """

    coordinates = ("x", "y", "score")

    def __init__(
        self,
        path,
        skeleton="coco17",
        num_persons=2,
        labels=None,
        class_names=None,
    ):
        super().__init__(path, ".json", HINT, labels, class_names)
        self.skeleton = skeletons.get(skeleton)
        self.num_persons = num_persons

    def read(self, unit):
        joints = self.skeleton.num_joints
        clips = parse_keypoints(self._source.read(unit), joints)
        for folder, frames in clips.items():
            name = folder or unit.removesuffix(".json")
            clip = _extracted.track(
                [[person for _, person in persons] for persons in frames],
                self.num_persons,
                [[identity for identity, _ in persons] for persons in frames],
            )
            yield Clip(name, clip, self.label(name))


def parse_keypoints(data, num_joints=17):
    """Reads a list of keypoints.

    Args:
        data: bytes of JSON text.
        num_joints: integer, the keypoints of a person.

    Returns:
        Dictionary from the folder in `image_id`, mostly `""`, to a list of
        frames in their order, each a list with a pair for each person: the
        identity, or `None` if it is not known, and the joints, float32
        `(V, 3)`.

    Raises:
        ValueError: if it is anything else.
    """
    entries = parsing.parse_json(data)
    if isinstance(entries, dict):
        entries = entries.get("annotations")
    if not isinstance(entries, list) or not entries:
        raise ValueError("it holds no list of keypoints")
    clips = {}
    for place, entry in enumerate(entries):
        try:
            folder, order, person = _parse_entry(entry, num_joints)
        except ValueError as error:
            raise ValueError(f"entry {place}: {error}") from error
        frames = clips.setdefault(folder, {})
        frames.setdefault(order, []).append(person)
    return {
        folder: [frames[order] for order in sorted(frames)]
        for folder, frames in sorted(clips.items())
    }


def _parse_entry(entry, num_joints):
    """Returns the folder, what to order frames by, and the person."""
    if not isinstance(entry, dict):
        raise ValueError("it is not described by names and values")
    image = entry.get("image_id")
    if isinstance(image, bool) or not isinstance(image, int | str):
        raise ValueError("it has no `image_id`, a number or a text")
    folder, _, file = str(image).rpartition("/")
    # Texts and numbers take turns, so that keys can be compared.
    order = DIGITS.split(file)
    order[1::2] = map(int, order[1::2])
    numbers = parsing.to_array(entry.get("keypoints"), (None,))
    if numbers.size != 3 * num_joints:
        raise ValueError(
            f"it has {numbers.size} numbers; expected x, y and score of "
            f"{num_joints} joints"
        )
    identity = next((entry[key] for key in IDENTITIES if key in entry), None)
    if isinstance(identity, bool) or not isinstance(identity, int | float):
        identity = None
    return folder, tuple(order), (identity, numbers.reshape(num_joints, 3))
