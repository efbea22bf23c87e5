"""CMU Panoptic: several persons in a dome of cameras, in three dimensions."""

import re

import numpy as np

from keras_skeleton import _values
from keras_skeleton._types import PathLike
from keras_skeleton.datasets.files import archives
from keras_skeleton.datasets.files import parsing
from keras_skeleton.datasets.readers import _extracted
from keras_skeleton.datasets.readers import _places
from keras_skeleton.datasets.readers.base import Clip
from keras_skeleton.datasets.readers.base import Reader
from keras_skeleton.datasets.readers.base import collect
from keras_skeleton.datasets.sequences import Sequences

NUM_JOINTS = 19
# Where the joints of the layout "panoptic19" are found in a file: its end is
# left eye, left ear, right eye, right ear.
ORDERS = {
    "eye_ear": list(range(19)),
    "right_left": [*range(15), 16, 18, 15, 17],
}
UNITS = {"metres": 0.01, "centimetres": 1.0}
PATH = re.compile(r"(?:^|/)body3DScene_(\d{1,12})\.json$", re.ASCII)
HINT = (
    "Get sequences of CMU Panoptic from http://domedb.perception.cs.cmu.edu "
    "and pass the path of a folder of files like body3DScene_00000100.json, "
    "or of a folder or .zip archive of such folders."
)


def load_data(
    path: PathLike | None = None,
    head="eye_ear",
    unit="metres",
    num_persons=8,
    strict=False,
    workers=1,
    missing="zeros",
    skeleton=None,
) -> Sequences:
    """Reads the three-dimensional poses of CMU Panoptic.

    Sequences of several persons with 19 joints, in the axes of the dome,
    with y down, at 29.97 frames per second. Each folder of
    `body3DScene_*.json` files is a clip; persons are told apart by the
    numbers in the files. Numbers of frames may be missing; the clip has one
    frame for each file.

    The data can be had from http://domedb.perception.cs.cmu.edu for
    research; they have no protocol or classes of their own.

    Args:
        path: path of a folder of files, of a folder around such folders
            (sequences, `hdPose3d_stage1_coco19`), or of a .zip archive.
            By default, it is looked for as `panoptic` in the cache of
            Keras, `~/.keras/datasets/keras_skeleton`.
        head: What joints 15 to 18 of the files are. The page of the data
            set lists left eye, left ear, right eye, right ear: `"eye_ear"`.
            Several published readers take them for right eye, left eye,
            right ear, left ear: `"right_left"`. Look at a frame before you
            rely on these four. The clips have the order of the skeleton
            `"panoptic19"` either way.
        unit: `"metres"` or `"centimetres"`, the unit of the files.
        num_persons: integer, the persons to keep: those seen in most frames.
        strict: boolean, whether a sequence that cannot be used is an error.
            If not, it is left out, and named in a warning and in `skipped`.
        workers: integer, the processes that read.
        missing: what to do where something was not found (NaN, null):
            `"zeros"`, `"interpolate"` or `"error"`, see
            `readers.Reader.configure`.
        skeleton: `Skeleton`, or the name of a registered one, with as many
            joints in the order of the data, in the place of their own.

    Returns:
        A `Sequences` object without labels, with clips `(M, T, 19, 4)`: x,
        y, z and the confidence; joints that were not found are zeros, also
        the last four where a file has 15 joints. The metadata is
        `"first_frame"`, the number of the first file.

    Raises:
        FileNotFoundError: if there are no such files at `path`.
        ValueError: if no clip can be used, or if one cannot and `strict`.

    Example:

    ```python
    data = keras_skeleton.datasets.panoptic.load_data("171204_pose1")
    persons, _ = data[0]  # (M, T, 19, 4)
    ```

    Reference:

    - [Joo et al., 2017](https://arxiv.org/abs/1612.03153)
    """
    path = _places.locate(path, "panoptic", HINT)
    reader = PanopticReader(path, head, unit, num_persons)
    return collect(reader, strict, workers, missing=missing, skeleton=skeleton)


class PanopticReader(Reader):
    """Reader of CMU Panoptic; a unit is the name of a sequence.

    Args:
        path: See `load_data`, also for the other arguments.
        head: string.
        unit: string.
        num_persons: integer.
    """

    skeleton = "panoptic19"
    coordinates = ("x", "y", "z", "score")

    def __init__(self, path, head="eye_ear", unit="metres", num_persons=8):
        if head not in ORDERS or unit not in UNITS:
            raise ValueError(
                f"`head` must be one of {list(ORDERS)} and `unit` one of "
                f"{list(UNITS)}. Received: {head!r} and {unit!r}"
            )
        self.head = head
        self.unit = unit
        self.num_persons = _values.whole_number("num_persons", num_persons, 1)
        self._source = archives.open_source(path, ".json", HINT, wanted=PATH)
        self._clips = None

    def __getstate__(self):
        return {**self.__dict__, "_clips": None}

    def units(self):
        return list(self._group())

    def read(self, unit):
        frames, identities = [], []
        files = self._group()[unit]
        for _, name in files:
            try:
                bodies = parse_bodies(self._source.read(name))
            except ValueError as error:
                raise ValueError(f"{name!r}: {error}") from error
            identities.append(list(bodies))
            frames.append(list(bodies.values()))
        clip = _extracted.track(frames, self.num_persons, identities)
        if not len(clip):
            raise ValueError("it shows nobody")
        clip = clip[:, :, ORDERS[self.head]]
        clip[..., :3] *= np.float32(UNITS[self.unit])
        yield Clip(unit, clip, -1, {"first_frame": files[0][0]})

    def files(self, unit):
        """Numbers and names of the files of a sequence, in their order."""
        return self._group()[unit]

    def _group(self):
        """Maps the name of each sequence to its files, in order."""
        if self._clips is None:
            groups = {}
            for name in self._source.names:
                match = PATH.search(name)
                if match:
                    found = groups.setdefault(name.rpartition("/")[0], [])
                    found.append((int(match[1]), name))
            parts = [
                tuple(folder.split("/")) if folder else (self._source.stem,)
                for folder in groups
            ]
            self._clips = {
                name: sorted(files)
                for name, files in zip(
                    _extracted.clip_names(parts), groups.values(), strict=True
                )
            }
        return self._clips


def parse_bodies(data):
    """Reads the file of one frame.

    Args:
        data: bytes of JSON text.

    Returns:
        Dictionary from the numbers of persons to their joints, float32
        `(19, 4)`: x, y, z and the confidence, zeros where a joint was not
        found.

    Raises:
        ValueError: if it is anything else.
    """
    content = parsing.parse_json(data)
    bodies = content.get("bodies") if isinstance(content, dict) else None
    if isinstance(content, dict) and content.get("bodies", 0) is None:
        bodies = []
    if not isinstance(bodies, list):
        raise ValueError("it has no list 'bodies'")
    found = {}
    for body in bodies:
        number = None
        if isinstance(body, dict):
            number = _extracted.identity(body.get("id"))
        if number is None:
            raise ValueError("a body has no number 'id'")
        if number in found:
            raise ValueError(f"it has two bodies {number}")
        count = 19 if "joints19" in body else 15
        numbers = body.get(f"joints{count}", 0)
        if numbers is None or numbers == []:
            continue
        numbers = parsing.to_array(numbers, (4 * count,))
        joints = np.zeros((NUM_JOINTS, 4), "float32")
        joints[:count] = numbers.reshape(count, 4)
        # Not found is told by a confidence of -1.
        joints[joints[:, 3] < 0] = 0
        found[number] = joints
    return found
