"""NTU RGB+D 60 and 120: raw skeleton files and prepared arrays."""

import functools
import importlib.resources
import os
import pathlib
import re

import numpy as np

from keras_skeleton._types import PathLike
from keras_skeleton.datasets import _missing
from keras_skeleton.datasets.files import archives
from keras_skeleton.datasets.readers import _places
from keras_skeleton.datasets.readers import _prepared
from keras_skeleton.datasets.readers._ntu_raw import Recording as Recording
from keras_skeleton.datasets.readers._ntu_raw import parse_skeleton
from keras_skeleton.datasets.readers._ntu_raw import prepare_like_ctrgcn
from keras_skeleton.datasets.readers._ntu_raw import prepare_like_pyskl
from keras_skeleton.datasets.readers.base import Clip
from keras_skeleton.datasets.readers.base import Reader
from keras_skeleton.datasets.readers.base import collect
from keras_skeleton.datasets.sequences import Sequences

# Performers whose clips are the training set; 60 uses those up to 40.
TRAIN_SUBJECTS = (
    (1, 2, 4, 5, 8, 9, 13, 14, 15, 16, 17, 18, 19, 25, 27, 28, 31, 34, 35, 38)
    + (45, 46, 47, 49, 50, 52, 53, 54, 55, 56, 57, 58, 59, 70, 74, 78, 80, 81)
    + (82, 83, 84, 85, 86, 89, 91, 92, 93, 94, 95, 97, 98, 100, 103)
)
# Samples are taken subject by subject (camera by camera, setup by setup) in
# the order of these lists.
PROTOCOLS = {
    "ntu60": {
        "xsub": ("subject", TRAIN_SUBJECTS, range(1, 41)),
        "xview": ("camera", (2, 3), (1,)),
    },
    "ntu120": {
        "xsub": ("subject", TRAIN_SUBJECTS, range(1, 107)),
        "xset": ("setup", range(2, 33, 2), range(1, 33, 2)),
    },
}
NUM_CLASSES = {"ntu60": 60, "ntu120": 120}
PREPARATIONS = ("ctrgcn", "pyskl")
# The classes that one-shot recognition is tested on, and their only clips
# that may be learned from.
NOVEL_ACTIONS = range(1, 121, 6)
EXEMPLARS = {
    f"S{1 if action <= 60 else 18:03d}C003P008R001A{action:03d}"
    for action in NOVEL_ACTIONS
}
NAME = re.compile(r"S(\d{3})C(\d{3})P(\d{3})R(\d{3})A(\d{3})", re.ASCII)
HINT = (
    "Request NTU RGB+D at https://rose1.ntu.edu.sg/dataset/actionRecognition/ "
    "and pass the path of nturgbd_skeletons_s001_to_s017.zip, of a folder of "
    "its .skeleton files, or a list of several such paths (NTU RGB+D 120 also "
    "needs nturgbd_skeletons_s018_to_s032.zip)."
)


def load_data(
    path: PathLike | list | None = None,
    dataset="ntu60",
    preparation="ctrgcn",
    split=None,
    strict=False,
    workers=1,
    missing="zeros",
    skeleton=None,
) -> Sequences:
    """Reads NTU RGB+D from its raw files or from a prepared file.

    25 joints of one or two persons at 30 frames per second, in metres: y up,
    z away from the camera. NTU RGB+D 60 has 56,578 usable clips of 60
    actions by 40 subjects before 3 cameras in 17 setups; 120 has 113,945 of
    120 actions by 106 subjects in 32 setups. Their protocols (training and
    test clips):

    - 60, `"xsub"` by subject (40,091 and 16,487) and `"xview"`, tested on
      camera 1 (37,646 and 18,932);
    - 120, `"xsub"` (63,026 and 50,919) and `"xset"`, tested on odd setups
      (54,468 and 59,477);
    - 120, `"one_shot"`: trained on 100 actions, the auxiliary set, and
      tested on the other 20, of each of which one clip may be learned from;
      those are the third part, `splits["one_shot"]["exemplars"]`.

    The raw files are for research and are had on request from
    https://rose1.ntu.edu.sg/dataset/actionRecognition/.

    Args:
        path: path of an `.npz` file, see `load_prepared`, or the places of
            the raw files, see `prepare_raw`.
            By default, it is looked for as `ntu60` in the cache of
            Keras, `~/.keras/datasets/keras_skeleton`.
        dataset: `"ntu60"` or `"ntu120"`, for raw files.
        preparation: `"ctrgcn"` or `"pyskl"`, for raw files.
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
        A `Sequences` object.

    Raises:
        FileNotFoundError: if there are no such files.
        ValueError: if no clip can be used, or if one cannot and `strict`.

    Example:

    ```python
    data = keras_skeleton.datasets.ntu.load_data(
        "nturgbd_skeletons_s001_to_s017.zip", workers=8
    )
    train, test = data.split("xsub")
    ```

    Reference:

    - [NTU RGB+D](https://arxiv.org/abs/1604.02808)
    - [NTU RGB+D 120](https://arxiv.org/abs/1905.04757)
    """
    path = _places.locate(path, dataset, HINT)
    if _prepared.is_prepared(path):
        return load_prepared(
            path, split, strict, workers, missing=missing, skeleton=skeleton
        )
    return prepare_raw(path, dataset, strict, preparation, workers)


def load_prepared(
    path: PathLike,
    split=None,
    strict=False,
    workers=1,
    missing="zeros",
    skeleton=None,
) -> Sequences:
    """Loads an `.npz` file of the official preparation.

    This is the form in which the code of MAMP, CTR-GCN and others keeps NTU
    RGB+D: `x_train` and `x_test` of shape `(samples, frames, 150)` (person
    by person, joint by joint, x, y, z; zeros after the end) and one-hot
    `y_train` and `y_test`. Clips are cut to their length while the file is
    read in pieces, so memory never holds the padding.

    Args:
        path: path of the file, such as `"NTU60_XSub.npz"`.
        split: string, the name of the protocol the file was divided by. By
            default, the file's name tells (`XSub`, `CV`, `CSet`, ...), and
            if not, it is `"xsub"`.
        strict: boolean, whether samples that are empty or not finite raise
            an error. Otherwise they are named in a warning and left out.
        workers: integer, the processes that read.
        missing: what to do where something was not found (NaN, null):
            `"zeros"`, `"interpolate"` or `"error"`, see
            `readers.Reader.configure`.
        skeleton: `Skeleton`, or the name of a registered one, with as many
            joints in the order of the data, in the place of their own.

    Returns:
        A `Sequences` object with clips of shape `(2, T, 25, 3)`, the
        training samples first, and the one protocol `split`.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is cut off, lacks an array, or an array has
            another shape.

    Example:

    ```python
    data = keras_skeleton.datasets.ntu.load_prepared("NTU60_XSub.npz")
    train, test = data.split("xsub")
    ```
    """
    return _prepared.load(
        path,
        class_names,
        split,
        strict,
        workers,
        missing=missing,
        skeleton=skeleton,
    )


def prepare_raw(
    source: PathLike | list,
    dataset="ntu60",
    strict=False,
    preparation="ctrgcn",
    workers=1,
    missing="zeros",
    skeleton=None,
) -> Sequences:
    """Prepares raw `.skeleton` files as published code does.

    With `preparation="ctrgcn"`, the result equals the arrays of the official
    three-step preparation that CTR-GCN, MAMP, STARS and Hyper-GCN were
    trained on:

    1. Frames without a body are dropped. A body that leaves and returns has
       its later frames moved up to the earlier ones.
    2. Where there are several bodies, those of up to 11 frames and those
       that are mostly wider than tall are removed. The rest, the most moving
       first, are laid into two tracks; a body that fits neither is dropped,
       and so are frames in which nobody is left.
    3. All coordinates are taken relative to the middle of the spine of the
       first person in the first frame that shows that person.

    Persons without a body are zeros, with one exception that the official
    code makes: in NTU RGB+D 120, single persons are stored twice.

    With `preparation="pyskl"`, it equals the annotation files
    `ntu60_3danno.pkl` and `ntu120_3danno.pkl` of PYSKL, which ACLNet and BRL
    use too:

    1. The same.
    2. The same bodies are removed, but if none is left, so is the clip, and
       tracks may not share a frame. A single body begins with its own first
       frame; with several, frames without anybody are dropped at both ends
       only, and a person who is not there at first becomes the second.
    3. Coordinates stay as they are, rounded to half precision (about 1 mm).

    Files that the data set's authors list as missing skeletons are skipped.
    With `dataset="ntu60"`, so are those of the setups and actions that
    belong to NTU RGB+D 120 only.

    Args:
        source: a directory, searched with its sub-directories, a `.zip`
            archive, which is read without extracting it, a `.skeleton`
            file, or a list of these.
        dataset: `"ntu60"` or `"ntu120"`.
        strict: boolean, whether a file that cannot be used raises an error.
            Otherwise such files are named in a warning and left out.
        preparation: `"ctrgcn"` or `"pyskl"`.
        workers: integer, the processes that read.
        missing: what to do where something was not found (NaN, null):
            `"zeros"`, `"interpolate"` or `"error"`, see
            `readers.Reader.configure`.
        skeleton: `Skeleton`, or the name of a registered one, with as many
            joints in the order of the data, in the place of their own.

    Returns:
        A `Sequences` object with clips of shape `(2, T, 25, 3)` in metres,
        in the order of their names; the metadata hold subject, camera, setup
        and repetition. The protocols are those of `load_data`.

    Raises:
        FileNotFoundError: if a path or all `.skeleton` files are missing.
        ValueError: if no file can be used, or with `strict`, if one cannot.

    Example:

    ```python
    data = keras_skeleton.datasets.ntu.prepare_raw("nturgb+d_skeletons")
    data.save("ntu60.h5")
    ```

    Reference:

    - [NTU RGB+D 120](https://arxiv.org/abs/1905.04757)
    - [PYSKL](https://arxiv.org/abs/2205.09443)
    """
    return collect(
        NTUReader(source, dataset, preparation),
        strict,
        workers,
        missing=missing,
        skeleton=skeleton,
    )


def parse_skeleton_file(path: PathLike):
    """Reads one raw `.skeleton` text file.

    Args:
        path: path of the file.

    Returns:
        A `Recording`.

    Raises:
        ValueError: if the text does not hold what its counts promise, or
            values that are not finite numbers; the message names the file
            and the line.

    Example:

    ```python
    recording = parse_skeleton_file("S001C001P001R001A001.skeleton")
    for frames, joints in recording.bodies.values():
        print(frames.shape, joints.shape)
    ```
    """
    try:
        return parse_skeleton(pathlib.Path(path).read_bytes())
    except ValueError as error:
        raise ValueError(f"{os.fspath(path)!r}, {error}") from None


def make_reader(
    path: PathLike, dataset="ntu60", preparation="ctrgcn", split=None
) -> Reader:
    """Returns the `Reader` of what `path` is, see `load_data`."""
    if _prepared.is_prepared(path):
        return _prepared.PreparedReader(path, class_names, split)
    return NTUReader(path, dataset, preparation)


class NTUReader(Reader):
    """Reads raw `.skeleton` files; a unit is the place and name of one.

    Args:
        source: See `prepare_raw`, also for the other arguments.
    """

    skeleton = "ntu"

    def __init__(self, source, dataset="ntu60", preparation="ctrgcn"):
        for name, value, known in (
            ("dataset", dataset, tuple(PROTOCOLS)),
            ("preparation", preparation, PREPARATIONS),
        ):
            if value not in known:
                raise ValueError(
                    f"`{name}` must be one of {list(known)}. Received: "
                    f"{value!r}"
                )
        self.dataset = dataset
        self.preparation = preparation
        self.class_names = class_names(NUM_CLASSES[dataset])
        if isinstance(source, str | os.PathLike):
            source = [source]
        self._places = [
            archives.open_source(place, ".skeleton", HINT) for place in source
        ]
        if not self.units():
            raise FileNotFoundError(
                f"Of the .skeleton files in {[str(p) for p in source]}, none "
                f"belongs to {dataset!r}, or all are among those listed as "
                f"missing. {HINT}"
            )

    def units(self):
        units = [
            (index, name)
            for index, place in enumerate(self._places)
            for name in place.names
            if self._is_wanted(_stem(name))
        ]
        return sorted(units, key=lambda unit: (_stem(unit[1]), unit))

    def _is_wanted(self, stem):
        numbers = _parse_name(stem)
        if numbers is None:
            # To be reported.
            return True
        is_small = numbers[0] <= 17 and numbers[-1] <= 60
        is_missing = stem in _read_resource("ntu_missing.txt")
        return not is_missing and (is_small or self.dataset == "ntu120")

    def unit_name(self, unit):
        return _stem(unit[1])

    def read(self, unit):
        index, file = unit
        name = _stem(file)
        numbers = _parse_name(name)
        if numbers is None:
            raise ValueError("its name is not like SsssCcccPpppRrrrAaaa")
        if not 1 <= numbers[-1] <= NUM_CLASSES[self.dataset]:
            raise ValueError(f"there is no action {numbers[-1]}")
        recording = parse_skeleton(self._places[index].read(file))
        if self.preparation == "pyskl":
            frames = prepare_like_pyskl(recording)
        else:
            is_larger = self.dataset == "ntu120"
            frames = prepare_like_ctrgcn(recording, repeat_single=is_larger)
        setup, camera, subject, repetition, action = numbers
        metadata = {
            "subject": subject,
            "camera": camera,
            "setup": setup,
            "repetition": repetition,
        }
        notes = ()
        if recording.filled:
            told = f"{recording.filled} joints in frames are NaN"
            if self.missing == "error":
                raise ValueError(f"{told}; {_missing.MEND}")
            notes = (f"{told}; they were interpolated",)
        yield Clip(name, frames, action - 1, metadata, notes)

    def splits(self, names, labels, metadata):
        numbers = [_parse_name(name) for name in names]
        numbers = np.array(numbers, "int64").reshape(-1, 5)
        columns = {"setup": 0, "camera": 1, "subject": 2}
        splits = {}
        for protocol, (key, *parts) in PROTOCOLS[self.dataset].items():
            train, test = parts
            test = [number for number in test if number not in train]
            splits[protocol] = {
                part: self._clips_of(numbers[:, columns[key]], chosen)
                for part, chosen in (("train", train), ("test", test))
            }
        if self.dataset == "ntu120":
            splits["one_shot"] = _one_shot(names, numbers[:, 4])
        return splits

    def _clips_of(self, values, chosen):
        indices = [np.flatnonzero(values == number) for number in chosen]
        indices = np.concatenate(indices)
        return np.sort(indices) if self.preparation == "pyskl" else indices


def _one_shot(names, actions):
    is_novel = np.isin(actions, NOVEL_ACTIONS)
    is_exemplar = np.array([name in EXEMPLARS for name in names], bool)
    return {
        "train": np.flatnonzero(~is_novel),
        "exemplars": np.flatnonzero(is_exemplar),
        "test": np.flatnonzero(is_novel & ~is_exemplar),
    }


def _stem(name):
    return pathlib.PurePosixPath(name).stem


def _parse_name(name):
    match = NAME.fullmatch(name)
    return match and tuple(map(int, match.groups()))


@functools.cache
def _read_resource(name):
    folder = importlib.resources.files("keras_skeleton.datasets")
    text = (folder / "resources" / name).read_text("utf-8")
    return dict.fromkeys(text.splitlines())


def class_names(number) -> list | None:
    """Names of the 60 or 120 classes; `None` for another number."""
    names = list(_read_resource("ntu_classes.txt"))
    return names[:number] if number in (60, 120) else None
