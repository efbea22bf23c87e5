"""Northwestern-UCLA Multiview Action 3D: skeletons of ten actions."""

import pathlib
import re

import numpy as np

from keras_skeleton._types import PathLike
from keras_skeleton.datasets._long_tailed import long_tailed
from keras_skeleton.datasets.files import archives
from keras_skeleton.datasets.files.parsing import parse_json
from keras_skeleton.datasets.files.parsing import to_array
from keras_skeleton.datasets.readers import _places
from keras_skeleton.datasets.readers.base import Clip
from keras_skeleton.datasets.readers.base import Reader
from keras_skeleton.datasets.readers.base import collect
from keras_skeleton.datasets.readers.base import read_units
from keras_skeleton.datasets.sequences import Sequences

CLASS_NAMES = (
    "pick up with one hand",
    "pick up with two hands",
    "drop trash",
    "walk around",
    "sit down",
    "stand up",
    "donning",
    "doffing",
    "throw",
    "carry",
)
# Actions 7 and 10 do not exist.
ACTIONS = (1, 2, 3, 4, 5, 6, 8, 9, 11, 12)
NAME = re.compile(r"(?:^|/)a(\d\d)_s(\d\d)_e(\d\d)_v(\d\d)\.json$", re.ASCII)
ARCHIVE = "all_sqe.zip"
ADDRESS = "https://www.dropbox.com/s/10pcm4pksjy6mkq/all_sqe.zip?dl=1"
HINT = (
    f"Get {ARCHIVE} from {ADDRESS} and pass its path, or that of the folder "
    "with its .json files (named like a01_s01_e00_v01.json)."
)
NUM_CLIPS = 1484
# Clips of the largest class of the long-tailed protocol, and how many times
# more they are than those of the smallest.
LARGEST_CLASS, IMBALANCE = 100, 10
# The camera that each protocol tests on.
PROTOCOLS = {"xview": 3, "xview_1": 1, "xview_2": 2}


def load_data(
    path: PathLike | None = None,
    strict=False,
    workers=1,
    missing="zeros",
    skeleton=None,
) -> Sequences:
    """Reads the skeletons of NW-UCLA from the archive or the folder.

    1,484 clips of one person, 20 joints, 1 to 201 frames, in metres in the
    axes of the camera; ten actions by ten subjects before three cameras. The
    frames are unevenly thinned, so speeds in metres per second mean nothing.

    Protocols: `"xview"` trains on cameras 1 and 2 and tests on camera 3
    (1,020 and 464 clips), as most papers do; `"xview_1"` and `"xview_2"`
    test on the other cameras. `"xview_long_tailed"` tests as `"xview"` and
    trains on 403 clips at most of the same, from 100 of the first class to 10
    of the last, by BRL's rule (`Sequences.long_tailed(100, 10)`; the
    published list is not to be had).

    In the files that the field uses, the 95 test clips of camera 3 for
    picking up with two hands and dropping trash are exact copies of training
    clips of camera 2: `test.duplicates(train)` finds them. Report accuracies
    without them beside the usual ones.

    The data are for research use.

    Args:
        path: path of `all_sqe.zip`, of the folder of its `.json` files, or
            of the folder around it. Nothing is extracted. By default, the
            archive is fetched once (14 MB) from
            https://www.dropbox.com/s/10pcm4pksjy6mkq/all_sqe.zip?dl=1.
        strict: boolean, whether a file that cannot be used is an error. If
            not, it is left out, and named in a warning and in `skipped`.
        workers: integer, the processes that read.
        missing: what to do where something was not found (NaN, null):
            `"zeros"`, `"interpolate"` or `"error"`, see
            `readers.Reader.configure`.
        skeleton: `Skeleton`, or the name of a registered one, with as many
            joints in the order of the data, in the place of their own.

    Returns:
        A `Sequences` object with the metadata `"subject"`, `"repetition"`
        and `"camera"`, in the order of the file names.

    Raises:
        FileNotFoundError: if there are no such files at `path`.
        ConnectionError: if the archive cannot be fetched.
        ValueError: if the archive is damaged, if no file can be used, or if
            one cannot and `strict`.

    Example:

    ```python
    data = keras_skeleton.datasets.nw_ucla.load_data("all_sqe.zip")
    train, test = data.split("xview")
    ```

    Reference: [Wang et al., 2014](https://arxiv.org/abs/1405.2941).
    """
    path = _places.locate(path, ARCHIVE, HINT, ADDRESS, _check_archive)
    return collect(
        NWUCLAReader(path), strict, workers, missing=missing, skeleton=skeleton
    )


def _check_archive(path):
    """Raises a `ValueError` for anything but the complete archive."""
    reader = NWUCLAReader(path)
    clips, skipped = read_units(reader, reader.units())
    if len(clips) != NUM_CLIPS:
        raise ValueError(
            f"What {ADDRESS} gave holds {len(clips)} clips, not the "
            f"{NUM_CLIPS} of NW-UCLA, and {len(skipped)} other files. It was "
            "removed. Try again, or get the archive by other means."
        )


class NWUCLAReader(Reader):
    """Reads the `.json` files; a unit is the name of one.

    Args:
        path: See `load_data`.
    """

    skeleton = "nw_ucla"
    class_names = list(CLASS_NAMES)

    def __init__(self, path):
        self._source = archives.open_source(
            path, ".json", HINT, archive=ARCHIVE, wanted=NAME
        )

    def units(self):
        return sorted(self._source.names, key=self.unit_name)

    def unit_name(self, unit):
        return pathlib.PurePosixPath(unit).stem

    def read(self, unit):
        name = self.unit_name(unit)
        match = NAME.search(unit)
        if not match:
            raise ValueError("its name is not like a01_s01_e00_v01.json")
        action, subject, repetition, camera = map(int, match.groups())
        if action not in ACTIONS or camera not in PROTOCOLS.values():
            raise ValueError(
                "there is no such action or camera in the data set"
            )
        clip, label = parse_clip(self._source.read(unit))
        if label != ACTIONS.index(action):
            raise ValueError(
                f"its label is {label + 1}, but action {action} in its name "
                f"has the label {ACTIONS.index(action) + 1}"
            )
        metadata = {
            "subject": subject,
            "repetition": repetition,
            "camera": camera,
        }
        yield Clip(name, clip, label, metadata)

    def splits(self, names, labels, metadata):
        cameras = np.array([int(name[-2:]) for name in names], "int64")
        found = {
            protocol: {
                "train": np.flatnonzero(cameras != camera),
                "test": np.flatnonzero(cameras == camera),
            }
            for protocol, camera in PROTOCOLS.items()
        }
        train = found["xview"]["train"]
        if len(train):
            kept = long_tailed(
                np.asarray(names)[train],
                np.asarray(labels)[train],
                LARGEST_CLASS,
                IMBALANCE,
                len(CLASS_NAMES),
            )
            found["xview_long_tailed"] = {
                "train": train[kept],
                "test": found["xview"]["test"],
            }
        return found


def parse_clip(data):
    """Reads the text of one file.

    Args:
        data: bytes.

    Returns:
        float32 array `(frames, joints, 3)` and the label, counted from 0.

    Raises:
        ValueError: if the text is no JSON, lacks a part or holds something
            else.
    """
    content = parse_json(data)
    for key in ("skeletons", "label"):
        if not isinstance(content, dict) or key not in content:
            raise ValueError(f"it has no key {key!r}")
    label = content["label"]
    if not isinstance(label, int) or not 1 <= label <= len(CLASS_NAMES):
        raise ValueError(
            f"its label is {repr(label)[:60]}, not a whole number from 1 to "
            f"{len(CLASS_NAMES)}"
        )
    return to_array(content["skeletons"], (None, None, 3)), label - 1
