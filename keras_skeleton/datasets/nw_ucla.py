"""Northwestern-UCLA Multiview Action 3D: skeletons of ten actions."""

import functools
import json
import pathlib
import re
import zipfile
import zlib

import numpy as np

from keras_skeleton import skeletons
from keras_skeleton.datasets._clips import find_fault
from keras_skeleton.datasets._preparation import report_left_out
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
NAME = re.compile(r"a(\d\d)_s(\d\d)_e(\d\d)_v(\d\d)\.json")
FOLDER = "all_sqe"
ADDRESS = "https://www.dropbox.com/s/10pcm4pksjy6mkq/all_sqe.zip?dl=1"
CAMERAS = (1, 2, 3)


def load_data(path, strict=False):
    """Reads the skeletons of NW-UCLA from the archive or the folder.

    1,484 clips of one person, 20 joints, 1 to 201 frames, in metres in the
    axes of the camera; ten actions by ten subjects before three cameras. The
    frames are unevenly thinned, so speeds in metres per second mean nothing.

    Protocols: `"xview"` trains on cameras 1 and 2 and tests on camera 3
    (1,020 and 464 clips), as most papers do; `"xview_1"` and `"xview_2"`
    test on the other cameras. In the files that the field uses, the 95 test
    clips of camera 3 for picking up with two hands and dropping trash are
    exact copies of training clips of camera 2: `test.duplicates(train)`
    finds them. Report accuracies without them beside the usual ones.

    The data are for research use and can be had from the authors' page or
    from https://www.dropbox.com/s/10pcm4pksjy6mkq/all_sqe.zip?dl=1.

    Args:
        path: path of `all_sqe.zip`, of the folder of its `.json` files, or
            of the folder around it. Nothing is extracted.
        strict: boolean, whether a file that cannot be used is an error. If
            not, it is left out, and named in a warning and in `skipped`.

    Returns:
        A `Sequences` object with the metadata `"subject"`, `"repetition"`
        and `"camera"`, in the order of the file names.

    Raises:
        FileNotFoundError: if there are no such files at `path`.
        ValueError: if the archive is damaged, if no file can be used, or if
            one cannot and `strict`.

    Example:

    ```python
    data = keras_skeleton.datasets.nw_ucla.load_data("all_sqe.zip")
    train, test = data.split("xview")
    ```

    Reference: [Wang et al., 2014](https://arxiv.org/abs/1405.2941).
    """
    clips, labels, numbers, names, skipped = [], [], [], [], []
    for name, read in _read_files(pathlib.Path(path)):
        try:
            clip, label, fields = _parse(name, read)
        except ValueError as error:
            skipped.append((name, str(error)))
            continue
        clips.append(clip)
        labels.append(label)
        numbers.append(fields)
        names.append(name.removesuffix(".json"))
    total = len(clips) + len(skipped)
    report_left_out(skipped, total, f"files of {str(path)!r}", strict)
    numbers = np.array(numbers, "int64")
    cameras = numbers[:, 2]
    data = Sequences.from_arrays(
        clips,
        labels,
        skeleton="nw_ucla",
        names=names,
        metadata={
            "subject": numbers[:, 0],
            "repetition": numbers[:, 1],
            "camera": cameras,
        },
        class_names=CLASS_NAMES,
        splits={
            protocol: {
                "train": np.flatnonzero(cameras != camera),
                "test": np.flatnonzero(cameras == camera),
            }
            for protocol, camera in (
                ("xview", 3),
                ("xview_1", 1),
                ("xview_2", 2),
            )
        },
    )
    data.skipped = skipped
    return data


def _read_files(path):
    """Yields the name of each `.json` file and a function that reads it."""
    if path.is_dir():
        for folder in (path, path / FOLDER):
            files = sorted(folder.glob("*.json"))
            if any(NAME.fullmatch(file.name) for file in files):
                for file in files:
                    if not file.name.startswith("."):
                        yield file.name, file.read_bytes
                return
        path = path / f"{FOLDER}.zip"
    if not path.exists():
        raise _nothing_found(path)
    if not zipfile.is_zipfile(path):
        raise ValueError(
            f"{str(path)!r} is not a complete .zip archive. It was probably "
            f"cut off while it was copied: get it again from {ADDRESS}"
        )
    with zipfile.ZipFile(path) as archive:
        members = {
            member.rpartition("/")[2]: member
            for member in archive.namelist()
            if member.endswith(".json")
        }
        if not any(map(NAME.fullmatch, members)):
            raise _nothing_found(path)
        for name, member in sorted(members.items()):
            if not name.startswith("."):
                yield name, functools.partial(archive.read, member)


def _nothing_found(path):
    return FileNotFoundError(
        f"There are no files of NW-UCLA at {str(path)!r}. Get all_sqe.zip "
        f"from {ADDRESS} and pass its path, or that of the folder with its "
        ".json files (named like a01_s01_e00_v01.json)."
    )


def _parse(name, read):
    """Returns the clip, its label and the numbers in the file's name."""
    match = NAME.fullmatch(name)
    if not match:
        raise ValueError("its name is not like a01_s01_e00_v01.json")
    action, *numbers = map(int, match.groups())
    if action not in ACTIONS or numbers[-1] not in CAMERAS:
        raise ValueError("there is no such action or camera in the data set")
    try:
        content = json.loads(read())
    except (OSError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"it cannot be read as JSON: {error}") from error
    for key in ("skeletons", "label"):
        if not isinstance(content, dict) or key not in content:
            raise ValueError(f"it has no key {key!r}")
    label = content["label"]
    if not isinstance(label, int) or not 1 <= label <= len(CLASS_NAMES):
        raise ValueError(
            f"its label is {label!r}, not a whole number from 1 to "
            f"{len(CLASS_NAMES)}"
        )
    if label != ACTIONS.index(action) + 1:
        raise ValueError(
            f"its label is {label}, but action {action} in its name has the "
            f"label {ACTIONS.index(action) + 1}"
        )
    clip = content["skeletons"]
    fault = find_fault(clip, skeletons.get("nw_ucla"))
    if fault is None and (np.ndim(clip) != 3 or np.shape(clip)[-1] != 3):
        fault = f"its shape is {np.shape(clip)}; expected (frames, 20, 3)"
    if fault:
        raise ValueError(fault)
    return np.asarray(clip, "float32"), label - 1, numbers
