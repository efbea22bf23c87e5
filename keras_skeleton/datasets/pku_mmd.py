"""PKU-MMD, phases I and II: raw text files and prepared arrays."""

import pathlib

import numpy as np

from keras_skeleton.datasets import _preparation
from keras_skeleton.datasets.sequences import Sequences

MAX_FRAMES = 300
SPLIT_FILES = {"xsub": "cross-subject", "xview": "cross-view"}
CLASS_NAMES = (
    "bow",
    "brushing hair",
    "brushing teeth",
    "check time",
    "cheer up",
    "clapping",
    "cross hands in front",
    "drink water",
    "drop",
    "eat meal/snack",
    "falling",
    "giving something to other person",
    "hand waving",
    "handshaking",
    "hopping",
    "hugging other person",
    "jump up",
    "kicking other person",
    "kicking something",
    "make a phone call",
    "pat on back of other person",
    "pickup",
    "playing with phone/tablet",
    "point finger at the other person",
    "pointing to something with finger",
    "punching/slapping other person",
    "pushing other person",
    "put on a hat/cap",
    "put something inside pocket",
    "reading",
    "rub two hands together",
    "salute",
    "sitting down",
    "standing up",
    "take off a hat/cap",
    "take off glasses",
    "take off jacket",
    "take out something from pocket",
    "taking a selfie",
    "tear up paper",
    "throw",
    "touch back",
    "touch chest",
    "touch head",
    "touch neck",
    "typing on a keyboard",
    "use a fan",
    "wear jacket",
    "wear on glasses",
    "wipe face",
    "writing",
)


def load_prepared(path, split="xsub", strict=False):
    """Loads an `.npz` file of the official preparation.

    Files such as `"PKUv1_XSub.npz"` have the same form as those of NTU
    RGB+D, see `keras_skeleton.datasets.ntu.load_prepared`.

    Args:
        path: path of the file.
        split: string, the name of the protocol the file was divided by.
        strict: boolean, whether samples that are empty or not finite raise
            an error. Otherwise they are named in a warning and left out.

    Returns:
        A `Sequences` object with clips of shape `(2, T, 25, 3)`.

    Example:

    ```python
    data = keras_skeleton.datasets.pku_mmd.load_prepared("PKUv2_XSub.npz")
    train, test = data.split("xsub")
    ```
    """
    return _preparation.read_prepared(path, split, _class_names, strict)


def prepare_raw(directory, strict=False):
    """Prepares the raw text files as the official code of MAMP does.

    Each action instance of the untrimmed recordings becomes a clip of its
    frames from the start up to, but without, the end, at most 300 of them.
    Coordinates are neither cleaned nor centred. Instances without any body
    are dropped.

    Args:
        directory: path of a folder with the folders `skeleton` and `label`,
            which hold equally named text files, and with the split lists
            `cross-subject.txt` and `cross-view.txt` of phase I, or
            `cross_subject_v2.txt` and `cross_view_v2.txt` of phase II
            (hyphens and underscores are both accepted; one list is enough).
        strict: boolean, whether a file that cannot be used raises an error.
            Otherwise such files are named in a warning and left out.

    Returns:
        A `Sequences` object with clips of shape `(2, T, 25, 3)` in metres,
        recording by recording in the order of their names. The protocols
        are `"xsub"` and `"xview"`, as far as there is a list; recordings
        that are not among the list's training videos are for testing.

    Raises:
        FileNotFoundError: if there are no recordings or no split list.
        ValueError: if no file can be used, or with `strict`, if one cannot.

    Example:

    ```python
    data = keras_skeleton.datasets.pku_mmd.prepare_raw("pku_mmd_v1")
    data.save("pku_mmd_v1.h5")
    ```

    Reference:

    - [PKU-MMD](https://arxiv.org/abs/1703.07475)
    """
    directory = pathlib.Path(directory)
    train_videos = _read_splits(directory)
    paths = sorted((directory / "skeleton").glob("*.txt"))
    if not paths:
        raise FileNotFoundError(
            f"There are no text files in {str(directory / 'skeleton')!r}."
        )
    clips, labels, names, videos, problems = [], [], [], [], []
    for path in paths:
        label_path = directory / "label" / path.name
        try:
            rows = _read_numbers(path, None, _preparation.ROW_WIDTH)
            actions = _read_numbers(label_path, b",", 4)
        except (ValueError, OSError) as error:
            if strict:
                raise ValueError(f"{path.stem}: {error}") from error
            problems.append((path.stem, str(error)))
            continue
        for line, action in enumerate(actions.astype("int64"), 1):
            try:
                clip = _cut(rows, *action[:3])
            except ValueError as error:
                problems.append((f"{path.stem}_{line:03d}", str(error)))
                continue
            # Most of a recording is nobody's clip: keep no view of it.
            if clip.any():
                clips.append(clip.copy())
                labels.append(action[0] - 1)
                names.append(f"{path.stem}_{line:03d}")
                videos.append(path.stem)
    _preparation.report_left_out(
        problems, len(problems) + len(clips), "actions or recordings", strict
    )
    if not clips:
        raise ValueError(f"{str(directory)!r} holds no action with a body.")
    frames, offsets = _preparation.join_clips(clips)
    splits = {}
    for protocol, chosen in train_videos.items():
        is_train = np.array([video in chosen for video in videos])
        splits[protocol] = {
            "train": np.flatnonzero(is_train),
            "test": np.flatnonzero(~is_train),
        }
    return Sequences(
        frames=frames,
        offsets=offsets,
        labels=np.array(labels, "int64"),
        names=names,
        skeleton="ntu",
        class_names=list(CLASS_NAMES),
        splits=splits,
        skipped=problems,
    )


def _read_splits(directory):
    """Names of the training videos of each protocol that has a list."""
    splits = {}
    for protocol, stem in SPLIT_FILES.items():
        for name in (stem, stem.replace("-", "_")):
            for path in (
                directory / f"{name}.txt",
                directory / f"{name}_v2.txt",
            ):
                if path.is_file():
                    splits[protocol] = _read_train_videos(path)
    if not splits:
        raise FileNotFoundError(
            f"There is no split list in {str(directory)!r}, such as "
            "'cross-subject.txt' or 'cross_view_v2.txt'."
        )
    return splits


def _read_train_videos(path):
    lines = path.read_text("utf-8").splitlines()
    if len(lines) < 2 or not lines[1].strip():
        raise ValueError(
            f"{str(path)!r}, line 2: expected the names of the training "
            "videos, separated by commas."
        )
    return {name.strip() for name in lines[1].split(",")} - {""}


def _cut(rows, action, start, end):
    """The clip `(T, 2, 25, 3)` of one action instance."""
    if not 1 <= action <= len(CLASS_NAMES):
        raise ValueError(
            f"the class must be between 1 and {len(CLASS_NAMES)}. "
            f"Received: {action}"
        )
    if not 0 <= start < min(end, len(rows)):
        raise ValueError(
            f"frames {start} to {end} are not among the {len(rows)} frames "
            "of the recording."
        )
    clip = rows[start : min(end, start + MAX_FRAMES)]
    return clip.reshape(-1, _preparation.PERSONS, _preparation.JOINTS, 3)


def _read_numbers(path, separator, width):
    """Reads a table of finite numbers as float32 `(rows, width)`."""
    lines = path.read_bytes().splitlines()
    while lines and not lines[-1].strip():
        lines.pop()
    if not lines:
        raise ValueError(f"{str(path)!r} is empty.")
    table = np.empty((len(lines), width), "float32")
    for row, line in enumerate(lines):
        try:
            values = list(map(float, line.split(separator)))
        except ValueError:
            values = []
        with np.errstate(over="ignore"):
            table[row] = values if len(values) == width else np.nan
        if not np.isfinite(table[row]).all():
            raise ValueError(
                f"{str(path)!r}, line {row + 1}: expected {width} finite "
                f"numbers. Received: {line[:60]!r}"
            )
    return table


def _class_names(number):
    return list(CLASS_NAMES) if number == len(CLASS_NAMES) else None
