"""DHG-14/28: hand gestures, of which subjects are left out one by one."""

import numpy as np

from keras_skeleton._types import PathLike
from keras_skeleton.datasets.readers import _places
from keras_skeleton.datasets.readers import shrec17
from keras_skeleton.datasets.readers.base import Clip
from keras_skeleton.datasets.readers.base import collect
from keras_skeleton.datasets.sequences import Sequences

NUM_SUBJECTS = 20
LIMITS_FILE = "informations_troncage_sequences.txt"
HINT = (
    "Get the DHG-14/28 data set (DHG2016) from "
    "http://www-rech.telecom-lille.fr/DHGdataset/ and pass the path of the "
    "archive or of the folder with gesture_1 to gesture_14 and "
    f"{LIMITS_FILE}."
)


def load_data(
    path: PathLike | None = None,
    classes=14,
    coordinates="world",
    normalize=False,
    trim=True,
    strict=False,
    workers=1,
    missing="zeros",
    skeleton=None,
) -> Sequences:
    """Reads the gestures of DHG-14/28 from their original text files.

    2,800 clips of one hand with 22 joints: 14 gestures, each performed five
    times with one finger and five times with the whole hand, by 20 subjects.
    In metres in the axes of the depth camera, or in pixels of its image.

    Protocols: `"subject_1"` to `"subject_20"` test on this subject (140
    clips) and train on the others; results are averages over the twenty.

    The data can be had from http://www-rech.telecom-lille.fr/DHGdataset/ for
    research.

    Args:
        path: path of the folder with `gesture_1` to `gesture_14`, of a
            folder around it, or of a .zip archive.
            By default, it is looked for as `dhg` in the cache of
            Keras, `~/.keras/datasets/keras_skeleton`.
        classes: 14 for the gestures, or 28 to distinguish the two ways of
            performing them. Gesture `g` and way `w`, both from 0, then make
            the label `g + 14 * w`; SHREC'17 numbers differently.
        coordinates: `"world"` or `"image"`.
        normalize: boolean, whether to move the wrist of the first frame to
            the origin, as the published models on these data do.
        trim: boolean, whether to cut clips to the frames between the start
            and the end of the gesture, both included, that the file
            `informations_troncage_sequences.txt` names, as is usual.
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
    data = keras_skeleton.datasets.dhg.load_data("DHG2016", classes=28)
    train, test = data.split("subject_1")
    ```

    Reference:

    - [De Smedt et al., 2016](https://doi.org/10.1109/CVPRW.2016.153)
    """
    path = _places.locate(path, "dhg", HINT)
    reader = DHGReader(path, classes, coordinates, normalize, trim)
    return collect(reader, strict, workers, missing=missing, skeleton=skeleton)


class DHGReader(shrec17.GestureReader):
    """Reader of DHG-14/28; a unit is the name of a text file.

    Args:
        path: See `load_data`, also for the other arguments.
        classes: 14 or 28.
        coordinates: `"world"` or `"image"`.
        normalize: boolean.
        trim: boolean.
    """

    def __init__(
        self,
        path,
        classes=14,
        coordinates="world",
        normalize=False,
        trim=True,
    ):
        super().__init__(path, classes, coordinates, normalize, HINT)
        self._limits = self._read_limits() if trim else None

    @staticmethod
    def name_classes(classes):
        """The names of the 14 or 28 classes."""
        ways = shrec17.WAYS if classes == 28 else (None,)
        return [
            f"{gesture} ({way})" if way else gesture
            for way in ways
            for gesture in shrec17.GESTURES
        ]

    def read(self, unit):
        numbers, frames = self.parse(unit)
        gesture, finger, subject, essai = numbers
        shrec17.check_numbers(gesture, finger, subject, NUM_SUBJECTS)
        if self._limits is not None:
            frames = self._trim(frames, tuple(numbers))
        if self.normalize:
            frames = shrec17.normalize_hand(frames, bone=None)
        label = gesture - 1
        if self.classes == 28:
            label += len(shrec17.GESTURES) * (finger - 1)
        metadata = {"finger": finger, "subject": subject, "repetition": essai}
        name = f"{gesture}_{finger}_{subject}_{essai}"
        yield Clip(name, frames, label, metadata)

    def splits(self, names, labels, metadata):
        subjects = metadata["subject"]
        return {
            f"subject_{subject}": {
                "train": np.flatnonzero(subjects != subject),
                "test": np.flatnonzero(subjects == subject),
            }
            for subject in range(1, NUM_SUBJECTS + 1)
        }

    def _trim(self, frames, numbers):
        if numbers not in self._limits:
            raise ValueError(f"{LIMITS_FILE!r} does not name it")
        start, end = self._limits[numbers]
        if not start <= end < len(frames):
            raise ValueError(
                f"{LIMITS_FILE!r} says frames {start} to {end}, but it has "
                f"{len(frames)} frames"
            )
        return frames[start : end + 1]

    def _read_limits(self):
        for name in self._source.names:
            if name.rpartition("/")[2] == LIMITS_FILE:
                return parse_limits(self._source.read(name))
        raise FileNotFoundError(
            f"There is no file {LIMITS_FILE!r} beside the gestures. {HINT} "
            "With `trim=False`, clips are read whole without it."
        )


def parse_limits(data):
    """Reads where gestures start and end.

    Args:
        data: bytes; each line has the numbers gesture, finger, subject,
            essai, first and last frame.

    Returns:
        Dictionary from the first four numbers to the last two.

    Raises:
        ValueError: if a line is anything else.
    """
    limits = {}
    for number, line in enumerate(data.splitlines(), 1):
        if not line.strip():
            continue
        try:
            *key, start, end = map(int, line.split())
        except ValueError:
            key = ()
        if len(key) != 4 or min(*key, start, end) < 0:
            raise ValueError(
                f"{LIMITS_FILE!r}, line {number}: expected six whole numbers, "
                "gesture, finger, subject, essai, first and last frame."
            )
        limits[tuple(key)] = (start, end)
    return limits
