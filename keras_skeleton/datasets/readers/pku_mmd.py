"""PKU-MMD, phases I and II: raw text files and prepared arrays."""

import pathlib

import numpy as np

from keras_skeleton._types import PathLike
from keras_skeleton.datasets import _names
from keras_skeleton.datasets.files import archives
from keras_skeleton.datasets.files.parsing import parse_table
from keras_skeleton.datasets.readers import _places
from keras_skeleton.datasets.readers import _prepared
from keras_skeleton.datasets.readers.base import Clip
from keras_skeleton.datasets.readers.base import Reader
from keras_skeleton.datasets.readers.base import Skipped
from keras_skeleton.datasets.readers.base import collect
from keras_skeleton.datasets.sequences import Sequences

MAX_FRAMES = 300
SPLIT_LISTS = {"cross-subject": "xsub", "cross-view": "xview"}
HINT = (
    "Request PKU-MMD at https://struct002.github.io/PKUMMD and pass the path "
    "of a folder, or of a .zip archive, with the folders `skeleton` and "
    "`label` of equally named .txt files, and with the split lists, such as "
    "cross-subject.txt or cross_view_v2.txt."
)
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


def load_data(
    path: PathLike | None = None,
    split=None,
    strict=False,
    workers=1,
    missing="zeros",
    skeleton=None,
) -> Sequences:
    """Reads PKU-MMD from its raw files or from a prepared file.

    25 joints of one or two persons (Kinect v2, as in NTU RGB+D) at 30 frames
    per second, in metres; 51 actions cut out of untrimmed recordings. Phase I
    has 1,076 recordings with about 21,500 actions by 66 subjects before 3
    cameras, phase II 1,009 with about 6,950 by 13 subjects, of 41 of the
    classes.

    Protocols: `"xsub"` by subject and `"xview"`, tested on the left camera,
    by the lists that come with the data.

    The data are for research and are had on request from
    https://struct002.github.io/PKUMMD.

    Args:
        path: path of an `.npz` file, see `load_prepared`, or of the raw
            files, see `prepare_raw`.
            By default, it is looked for as `pku_mmd` in the cache of
            Keras, `~/.keras/datasets/keras_skeleton`.
        split: string, the protocol of an `.npz` file.
        strict: boolean, whether a clip that cannot be used is an error. If
            not, it is left out, and named in a warning and in `skipped`.
        workers: integer, the processes that read.
        missing: what to do where something was not found (NaN, null):
            `"zeros"`, `"interpolate"` or `"error"`, see
            `readers.Reader.configure`.
        skeleton: `Skeleton`, or the name of a registered one, with as many
            joints in the order of the data, in the place of their own.

    Returns:
        A `Sequences` object with clips of shape `(2, T, 25, 3)`.

    Raises:
        FileNotFoundError: if there are no such files.
        ValueError: if no clip can be used, or if one cannot and `strict`.

    Example:

    ```python
    data = keras_skeleton.datasets.pku_mmd.load_data("pku_mmd_v1", workers=8)
    train, test = data.split("xsub")
    ```

    Reference: [Liu et al., 2017](https://arxiv.org/abs/1703.07475).
    """
    path = _places.locate(path, "pku_mmd", HINT)
    if _prepared.is_prepared(path):
        return load_prepared(
            path, split, strict, workers, missing=missing, skeleton=skeleton
        )
    return prepare_raw(
        path, strict, workers, missing=missing, skeleton=skeleton
    )


def load_prepared(
    path: PathLike,
    split=None,
    strict=False,
    workers=1,
    missing="zeros",
    skeleton=None,
) -> Sequences:
    """Loads an `.npz` file of the official preparation.

    Files such as `"PKUv1_XSub.npz"` have the same form as those of NTU
    RGB+D, see `keras_skeleton.datasets.ntu.load_prepared`.

    Args:
        path: path of the file.
        split: string, the name of the protocol the file was divided by. By
            default, the file's name tells, and if not, it is `"xsub"`.
        strict: boolean, whether samples that are empty or not finite raise
            an error. Otherwise they are named in a warning and left out.
        workers: integer, the processes that read.
        missing: what to do where something was not found (NaN, null):
            `"zeros"`, `"interpolate"` or `"error"`, see
            `readers.Reader.configure`.
        skeleton: `Skeleton`, or the name of a registered one, with as many
            joints in the order of the data, in the place of their own.

    Returns:
        A `Sequences` object with clips of shape `(2, T, 25, 3)`.

    Example:

    ```python
    data = keras_skeleton.datasets.pku_mmd.load_prepared("PKUv2_XSub.npz")
    train, test = data.split("xsub")
    ```
    """
    return _prepared.load(
        path,
        _class_names,
        split,
        strict,
        workers,
        missing=missing,
        skeleton=skeleton,
    )


def prepare_raw(
    directory: PathLike, strict=False, workers=1, missing="zeros", skeleton=None
) -> Sequences:
    """Prepares the raw text files as the official code of MAMP does.

    Each action instance of the untrimmed recordings becomes a clip of its
    frames from the start up to, but without, the end, at most 300 of them.
    Coordinates are neither cleaned nor centred. Instances without any body
    are dropped.

    Args:
        directory: path of a folder, or of a `.zip` archive, with a folder
            `skeleton` and a folder `label` (or with names that contain
            these words), which hold equally named text files, and with the
            split lists `cross-subject.txt` and `cross-view.txt` of phase I,
            or `cross_subject_v2.txt` and `cross_view_v2.txt` of phase II
            (hyphens and underscores are both accepted; one list is enough).
        strict: boolean, whether a file that cannot be used raises an error.
            Otherwise such files are named in a warning and left out.
        workers: integer, the processes that read.
        missing: what to do where something was not found (NaN, null):
            `"zeros"`, `"interpolate"` or `"error"`, see
            `readers.Reader.configure`.
        skeleton: `Skeleton`, or the name of a registered one, with as many
            joints in the order of the data, in the place of their own.

    Returns:
        A `Sequences` object with clips of shape `(2, T, 25, 3)` in metres,
        recording by recording in the order of their names, with the metadata
        `"recording"` and `"camera"` (the end of its name). The protocols
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
    return collect(
        PKUReader(directory),
        strict,
        workers,
        missing=missing,
        skeleton=skeleton,
    )


def make_reader(path, split=None):
    """Returns the `Reader` of what `path` is, see `load_data`."""
    if _prepared.is_prepared(path):
        return _prepared.PreparedReader(path, _class_names, split)
    return PKUReader(path)


class PKUReader(Reader):
    """Reads raw text files; a unit is the name of a recording.

    Args:
        path: See `prepare_raw`.
    """

    skeleton = "ntu"
    class_names = list(CLASS_NAMES)

    def __init__(self, path):
        self._source = archives.open_source(path, ".txt", HINT)
        self._files = {"skeleton": {}, "label": {}}
        self._train, self._listed = {}, {}
        for name in self._source.names:
            file = pathlib.PurePosixPath(name)
            stem = file.stem.lower().replace("_", "-").removesuffix("-v2")
            if stem in SPLIT_LISTS:
                content = self._source.read(name)
                names = parse_split_list(content, name)
                protocol = SPLIT_LISTS[stem]
                self._train.setdefault(protocol, set()).update(names)
                words = content.decode("utf-8", "replace").replace(",", " ")
                listed = self._listed.setdefault(protocol, set())
                listed.update(words.split())
            for kind, files in self._files.items():
                if kind in file.parent.name.lower():
                    files[file.stem] = name
        if not self._train:
            raise FileNotFoundError(
                f"There is no split list in {str(path)!r}. {HINT}"
            )
        if not self._files["skeleton"]:
            raise FileNotFoundError(
                f"There are no text files in a folder `skeleton` in "
                f"{str(path)!r}. {HINT}"
            )

    def units(self):
        return sorted(self._files["skeleton"])

    def read(self, unit):
        rows, actions = (
            self._read_table(kind, unit, parse)
            for kind, parse in (
                ("skeleton", parse_skeletons),
                ("label", parse_actions),
            )
        )
        metadata = {"recording": unit, "camera": unit.rpartition("-")[2]}
        for number, action in enumerate(actions, 1):
            name = f"{unit}_{number:03d}"
            try:
                clip = _cut(rows, *action[:3])
            except ValueError as error:
                yield Skipped(name, str(error))
                continue
            shown = np.flatnonzero(clip.any(axis=(1, 2, 3)))
            if len(shown):
                # Published arrays pad with zeros and so end there, too. Most
                # of a recording is nobody's clip: keep no view of it.
                clip = clip[: shown[-1] + 1].swapaxes(0, 1).copy()
                yield Clip(name, clip, int(action[0]) - 1, metadata)

    def _read_table(self, kind, unit, parse):
        name = self._files[kind].get(unit)
        if name is None:
            raise ValueError(f"there is no {kind} file of this name")
        try:
            return parse(self._source.read(name))
        except ValueError as error:
            raise ValueError(f"in its {kind} file, {error}") from error

    def check(self, names, skipped):
        there = self._files["skeleton"]
        for protocol, train in self._train.items():
            _names.report(
                f"the training videos of {protocol}",
                train,
                sorted(train - set(there)),
                sorted(there),
                complete=set(there) <= self._listed[protocol],
            )
        return super().check(names, skipped)

    def splits(self, names, labels, metadata):
        recordings = [name.rpartition("_")[0] for name in names]
        splits = {}
        for protocol, train in self._train.items():
            is_train = np.array([each in train for each in recordings], bool)
            splits[protocol] = {
                "train": np.flatnonzero(is_train),
                "test": np.flatnonzero(~is_train),
            }
        return splits


def parse_skeletons(data):
    """Reads the text of a skeleton file.

    Args:
        data: bytes.

    Returns:
        float32 array `(T, 2, 25, 3)`.

    Raises:
        ValueError: if a line does not hold 150 numbers; it names the line.
    """
    rows = parse_table(data, _prepared.ROW_WIDTH)
    with np.errstate(over="ignore"):
        rows = rows.astype("float32")
    return rows.reshape(-1, _prepared.PERSONS, _prepared.JOINTS, 3)


def parse_actions(data):
    """Reads the text of a label file.

    Args:
        data: bytes.

    Returns:
        int64 array `(actions, 4)`: class from 1, first frame, end, and how
        sure the annotation is.

    Raises:
        ValueError: if a line does not hold 4 whole numbers; it names the
            line.
    """
    table = parse_table(data.replace(b",", b" "), 4)
    # From there on, doubles are not exact.
    is_whole = (np.abs(table) < 2**53) & (np.floor(table) == table)
    if not is_whole.all():
        row = np.flatnonzero(~is_whole.all(axis=1))[0]
        raise ValueError(
            f"action {row + 1}: expected whole numbers. Received: "
            f"{table[row].tolist()}"
        )
    return table.astype("int64")


def parse_split_list(data, name="the list"):
    """Returns the set of the training videos of a split list."""
    lines = data.decode("utf-8", "replace").splitlines()
    if len(lines) < 2 or not lines[1].strip():
        raise ValueError(
            f"{name!r}, line 2: expected the names of the training videos, "
            "separated by commas."
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
    return rows[start : min(end, start + MAX_FRAMES)]


def _class_names(number):
    return list(CLASS_NAMES) if number == len(CLASS_NAMES) else None
