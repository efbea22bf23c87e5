"""CASIA-B: poses of walking people, for gait recognition."""

import pathlib
import re

import numpy as np

from keras_skeleton._types import PathLike
from keras_skeleton.datasets.files.parsing import parse_numbers
from keras_skeleton.datasets.files.pickles import as_array
from keras_skeleton.datasets.files.pickles import read_pickle
from keras_skeleton.datasets.readers import _places
from keras_skeleton.datasets.readers.base import Clip
from keras_skeleton.datasets.readers.base import Reader
from keras_skeleton.datasets.readers.base import collect
from keras_skeleton.datasets.sequences import Sequences

NUM_SUBJECTS = 124
# Subjects up to this one are for training.
LAST_TRAIN_SUBJECT = 74
CONDITIONS = {"nm": 6, "bg": 2, "cl": 2}
NUM_JOINTS = 17
# `001-bg-01-000/000017.jpg` in tables, `001/bg-01/000/000.pkl` in folders.
ROW = re.compile(rb"(?:^|/)(\d{3})-(nm|bg|cl)-(\d{2})-(\d{3})/(\d+)\.[a-z]+$")
FILE = re.compile(
    r"(?:^|/)(\d{3})/(nm|bg|cl)-(\d{2})/(\d{3})/[^/]+\.pkl$", re.ASCII
)
# Bytes of the longest line of a table; a good one has about 500.
LONGEST_LINE = 1 << 16
HINT = (
    "Pass the path of the folder with casia-b_pose_train_valid.csv and "
    "casia-b_pose_test.csv of GaitGraph "
    "(https://github.com/tteepe/GaitGraph/releases/tag/v0.1), of one such "
    "file, or of a folder with files like 001/bg-01/000/000.pkl."
)


def load_data(
    path: PathLike | None = None,
    strict=False,
    workers=1,
    missing="zeros",
    skeleton=None,
) -> Sequences:
    """Reads poses of CASIA-B: tables of GaitGraph or folders of OpenGait.

    124 subjects walk past eleven cameras, six times normally ("nm"), twice
    with a bag ("bg"), twice in a coat ("cl"): up to 13,640 clips of one
    person, 17 joints, in pixels with x to the right and y down, and their
    scores. The class is the subject.

    Protocols: `"subjects"` has subjects 1 to 74 in the training part and 75
    to 124 in the test part, as is usual for training. For recognition,
    `"gallery_nm"`, `"gallery_bg"` and `"gallery_cl"` hold subjects 75 to
    124: the gallery, nm-01 to nm-04, as the training part, and the probes of
    a condition (nm-05 and nm-06, bg-01 and bg-02, cl-01 and cl-02) as the
    test part; `"gallery"` the gallery and the probes of all conditions.
    `keras_skeleton.evaluation.cross_view` compares a probe with the gallery
    of each other view, and averages over the views: the identical view does
    not count.

    The poses of GaitGraph can be downloaded from
    https://github.com/tteepe/GaitGraph/releases/tag/v0.1; CASIA-B itself is
    for research, on request.

    Args:
        path: path of the folder with the `.csv` files, of one of them, or of
            the folder with the folders of the subjects.
            By default, it is looked for as `casia_b` in the cache of
            Keras, `~/.keras/datasets/keras_skeleton`.
        strict: boolean, whether a sequence that cannot be used is an error.
            If not, it is left out, and named in a warning and in `skipped`.
            Rows of a table without a full pose are never used.
        workers: integer, the processes that read.
        missing: what to do where something was not found (NaN, null):
            `"zeros"`, `"interpolate"` or `"error"`, see
            `readers.Reader.configure`.
        skeleton: `Skeleton`, or the name of a registered one, with as many
            joints in the order of the data, in the place of their own.

    Returns:
        A `Sequences` object with clips `(1, T, 17, 3)` and the metadata
        `"subject"`, `"condition"` (`"nm"`, `"bg"` or `"cl"`), `"sequence"`
        and `"view"` in degrees.

    Raises:
        FileNotFoundError: if there are no such files at `path`.
        ValueError: if no sequence can be used, or if one cannot and
            `strict`.

    Example:

    ```python
    data = keras_skeleton.datasets.casia_b.load_data("gaitgraph_data")
    train, _ = data.split("subjects")
    gallery, probes = data.split("gallery_cl")
    ```

    Reference:

    - [Yu et al., 2006](https://doi.org/10.1109/ICPR.2006.67)
    - [Teepe et al., 2021](https://arxiv.org/abs/2101.11228)
    """
    path = _places.locate(path, "casia_b", HINT)
    return collect(
        CasiaBReader(path), strict, workers, missing=missing, skeleton=skeleton
    )


class CasiaBReader(Reader):
    """Reader of CASIA-B poses.

    A unit is the name of a file, a sequence such as `"001-nm-01-000"`, and
    where in the file its rows are: pairs of the first byte and the one
    after the last. There are none for files with one sequence.

    Args:
        path: See `load_data`.
    """

    skeleton = "coco17"
    coordinates = ("x", "y", "score")
    class_names = [f"{subject:03d}" for subject in range(1, NUM_SUBJECTS + 1)]

    def __init__(self, path):
        self.path = pathlib.Path(path)
        if not self.path.exists():
            raise FileNotFoundError(
                f"There is nothing at {str(path)!r}. {HINT}"
            )
        if self.path.is_dir():
            self.files = sorted(
                file.relative_to(self.path).as_posix()
                for pattern in ("*.csv", "*/*/*/*.pkl")
                for file in self.path.glob(pattern)
                if pattern == "*.csv" or FILE.search(file.as_posix())
            )
        else:
            self.files = [self.path.name]
            self.path = self.path.parent
        if not self.files:
            raise FileNotFoundError(
                f"There are no poses at {str(path)!r}. {HINT}"
            )

    def units(self):
        units = []
        for file in self.files:
            match = FILE.search((self.path / file).as_posix())
            if match:
                units.append((file, "-".join(match.groups()), ()))
                continue
            with open(self.path / file, "rb") as opened:
                places = find_sequences(opened)
            units += [(file, name, tuple(p)) for name, p in places.items()]
        if not units:
            raise ValueError(
                f"No line of {', '.join(self.files[:3])} begins with the path "
                f"of an image such as 001-nm-01-000/000017.jpg. {HINT}"
            )
        return units

    def unit_name(self, unit):
        return unit[1]

    def read(self, unit):
        file, name, places = unit
        path = self.path / file
        if places:
            frames = parse_rows(_read_places(path, places))
        else:
            frames = as_array(read_pickle(path), "content")
            if frames.shape[1:] != (NUM_JOINTS, 3):
                raise ValueError(
                    f"its shape is {frames.shape}; expected (frames, "
                    f"{NUM_JOINTS}, 3)"
                )
            with np.errstate(over="ignore"):
                frames = frames.astype("float32")
        subject, condition, sequence, view = name.split("-")
        if not 1 <= int(subject) <= NUM_SUBJECTS:
            raise ValueError(f"there is no subject {subject}")
        metadata = {
            "subject": int(subject),
            "condition": condition,
            "sequence": int(sequence),
            "view": int(view),
        }
        yield Clip(name, frames, int(subject) - 1, metadata)

    def splits(self, names, labels, metadata):
        condition, sequence = metadata["condition"], metadata["sequence"]
        is_train = metadata["subject"] <= LAST_TRAIN_SUBJECT
        gallery = ~is_train & (condition == "nm") & (sequence <= 4)
        splits = {
            "subjects": {
                "train": np.flatnonzero(is_train),
                "test": np.flatnonzero(~is_train),
            }
        }
        splits["gallery"] = {
            "train": np.flatnonzero(gallery),
            "test": np.flatnonzero(~is_train & ~gallery),
        }
        for kind in CONDITIONS:
            probes = ~is_train & (condition == kind) & ~gallery
            splits[f"gallery_{kind}"] = {
                "train": np.flatnonzero(gallery),
                "test": np.flatnonzero(probes),
            }
        return splits


def _read_places(path, places):
    pieces = []
    with open(path, "rb") as file:
        for start, end in places:
            file.seek(start)
            pieces.append(file.read(end - start))
    return b"".join(pieces)


def find_sequences(file):
    """Finds the rows of each sequence in a table.

    Args:
        file: binary file, at its beginning.

    Returns:
        A dictionary from names such as `"001-nm-01-000"` to lists of
        `(start, end)`, in the order of the file.
    """
    found = {}
    end = 0
    while True:
        line = file.readline(LONGEST_LINE)
        if not line:
            return found
        start, end = end, end + len(line)
        match = ROW.search(line.partition(b",")[0].strip(b' "'))
        if match:
            name = b"-".join(match.groups()[:4]).decode()
            places = found.setdefault(name, [])
            if places and places[-1][1] == start:
                places[-1] = (places[-1][0], end)
            else:
                places.append((start, end))


def parse_rows(data):
    """Reads the rows of one sequence.

    Rows with too few numbers, or with something else, are passed over, and
    of two rows of one frame the last counts.

    Args:
        data: bytes, lines of an image's path and 51 numbers, separated by
            commas.

    Returns:
        float32 array `(T, 17, 3)`.

    Raises:
        ValueError: if there is no good row.
    """
    poses = {}
    for line in data.splitlines():
        path, _, numbers = line.partition(b",")
        match = ROW.search(path.strip(b' "'))
        values = parse_numbers(numbers.replace(b",", b" "))
        full = numbers.count(b",") == 3 * NUM_JOINTS - 1
        if match and full and values is not None:
            if len(values) == 3 * NUM_JOINTS and np.isfinite(values).all():
                poses[int(match[5][-18:])] = values
    if not poses:
        raise ValueError("it has no row with a full pose")
    frames = np.stack(list(poses.values())).reshape(-1, NUM_JOINTS, 3)
    with np.errstate(over="ignore"):
        return frames.astype("float32")
