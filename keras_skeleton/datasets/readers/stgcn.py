"""Prepared arrays of ST-GCN, 2s-AGCN and the many that follow them."""

import pathlib
import tokenize
import warnings
import zipfile

import numpy as np

from keras_skeleton._types import PathLike
from keras_skeleton.datasets import _coordinates
from keras_skeleton.datasets import _names
from keras_skeleton.datasets.files.pickles import as_integer
from keras_skeleton.datasets.files.pickles import as_name
from keras_skeleton.datasets.files.pickles import as_strings
from keras_skeleton.datasets.files.pickles import read_pickle
from keras_skeleton.datasets.readers import _layouts
from keras_skeleton.datasets.readers import ntu
from keras_skeleton.datasets.readers.base import Clip
from keras_skeleton.datasets.readers.base import Reader
from keras_skeleton.datasets.readers.base import collect
from keras_skeleton.datasets.readers.base import layout
from keras_skeleton.datasets.readers.pyskl import find_fields
from keras_skeleton.datasets.readers.pyskl import read_fields
from keras_skeleton.datasets.sequences import Sequences

# The parts by their names in file names, and names of files by family.
PARTS = {"train": "train", "val": "test", "test": "test"}
DATA_FILES = ("data", "data_joint", "position")
PROTOCOLS = ("xsub", "xview", "xset", "xsetup")
# Samples to look at for telling layouts and coordinates apart.
LOOK = 20
HINT = (
    "Expected a folder with files like train_data.npy (or "
    "train_data_joint.npy, train_position.npy) and train_label.pkl (or "
    "train_label.npy), and the same for val."
)


def load_data(
    path: PathLike,
    skeleton=None,
    split=None,
    class_names=None,
    strict=False,
    workers=1,
    missing="zeros",
) -> Sequences:
    """Reads the arrays that ST-GCN and its followers train on.

    `{train,val}_data.npy` (ST-GCN, AimCLR, HiCLR, CrosSCLR),
    `{train,val}_data_joint.npy` (2s-AGCN, HaLP, CMD) or
    `{train,val}_position.npy` (50 frames; AimCLR, HiCLR) are float32 arrays
    of samples, coordinates, frames, joints and persons, `{train,val}_label`
    their classes, numbers from 0 or names. Zeros after the last frame and
    absent persons are cut off; where there is a file
    `{train,val}_num_frame.npy`, a clip has the frames it says, without the
    repetitions that fill the array up. Everything else stays as the
    preparation left it: see there whether clips are centred.

    Arrays are read from disk a clip at a time, so they may be larger than
    memory.

    Args:
        path: path of the folder with the files of one protocol.
        skeleton: `Skeleton` or the name of a registered one. By default by
            the number of joints: 25 `"ntu"`, 18 `"openpose18"`, 17
            `"coco17"`, 20 `"nw_ucla"`.
        split: string, what to call the protocol. By default the name of the
            folder if it is `"xsub"`, `"xview"`, `"xset"` or `"xsetup"`, else
            `"official"`.
        class_names: list of strings. By default those that are labels, in
            alphabetical order, or those of NTU RGB+D, where the clips have
            such names.
        strict: boolean, whether a sample that cannot be used is an error. If
            not, it is left out, and named in a warning and in `skipped`.
        workers: integer, the processes that read.
        missing: what to do where something was not found (NaN, null):
            `"zeros"`, `"interpolate"` or `"error"`, see
            `readers.Reader.configure`.

    Returns:
        A `Sequences` object with clips `(M, T, V, C)`, those for training
        first, with the metadata `"setup"`, `"camera"`, `"subject"` and
        `"repetition"` where the names tell them.

    Raises:
        FileNotFoundError: if there are no such files at `path`.
        ValueError: if a file is damaged or of another shape, if no sample
            can be used, or if one cannot and `strict`.

    Example:

    ```python
    data = keras_skeleton.datasets.stgcn.load_data("NTU-RGB-D/xsub")
    train, test = data.split("xsub")
    ```

    Reference:

    - [Yan et al., 2018](https://arxiv.org/abs/1801.07455)
    """
    return collect(
        ArrayReader(path, skeleton, split, class_names),
        strict,
        workers,
        missing=missing,
    )


class ArrayReader(Reader):
    """Reader of prepared arrays; a unit is a part and a row of its array.

    Args:
        path, skeleton, split, class_names: See `load_data`.
    """

    def __init__(self, path, skeleton=None, split=None, class_names=None):
        self.path = pathlib.Path(path)
        self._parts = {}
        self.parts = [p for p in PARTS if find_data(self.path, p) is not None]
        if {"val", "test"} <= set(self.parts):
            raise ValueError(
                f"There are arrays 'val' and 'test' at {str(self.path)!r}; "
                "move one of them elsewhere, so that it is plain which one is "
                "to test on."
            )
        if not self.parts:
            raise FileNotFoundError(
                f"There are no arrays at {str(self.path)!r}. {HINT}"
            )
        self.split = split or _protocol_of(self.path.resolve().name)
        parts = [self._open(part) for part in self.parts]
        joints = {part.data.shape[3] for part in parts}
        for part in parts:
            _check_axes(part.data.shape, self.path)
        if skeleton is None:
            names = _layouts.BY_SIZE.get(min(joints))
            if names is None or len(joints) > 1:
                raise ValueError(
                    f"Arrays with {sorted(joints)} joints are not of a known "
                    "layout. Pass `skeleton`. Axes are (samples, coordinates, "
                    "frames, joints, persons), received shape "
                    f"{parts[0].data.shape}."
                )
            skeleton = _layouts.guess(names, _some_bodies(parts[0].data))
        self.skeleton = layout(skeleton)
        # Estimators of two-dimensional poses give a score as well, but what
        # these joints are in space has a depth in its place.
        width = {part.data.shape[1] for part in parts}
        is_posed = self.skeleton.name in ("openpose18", "coco17")
        if is_posed and width == {3} and all(map(_has_scores, parts)):
            self.coordinates = ("x", "y", "score")
        self.name_fields = find_fields([n for p in parts for n in p.names])
        is_ntu = self.name_fields is not None and self.skeleton.name == "ntu"
        labels = [label for part in parts for label in part.labels]
        numbers, class_names = _names.number_all(labels, class_names)
        most = max(numbers, default=-1)
        if class_names is None and is_ntu and most < 120:
            class_names = ntu.class_names(60 if most < 60 else 120)
        if class_names is not None:
            self.class_names = list(class_names)
            if most >= len(self.class_names):
                raise ValueError(
                    f"There are labels up to {most} at {str(path)!r}, but "
                    f"only {len(self.class_names)} class names."
                )

    def __getstate__(self):
        return {**self.__dict__, "_parts": {}}

    def _open(self, part):
        if part not in self._parts:
            self._parts[part] = Part(self.path, part)
        return self._parts[part]

    def units(self):
        return [
            (part, row)
            for part in self.parts
            for row in range(len(self._open(part).names))
        ]

    def unit_name(self, unit):
        part, row = unit
        return self._open(part).names[row]

    def read(self, unit):
        part, row = self._open(unit[0]), unit[1]
        frames = np.asarray(part.data[row], "float32").transpose(3, 1, 2, 0)
        length = None if part.lengths is None else part.lengths[row]
        name = part.names[row]
        metadata = read_fields(name, self.name_fields)
        labels, _ = _names.number_all([part.labels[row]], self.class_names)
        yield Clip(name, trim(frames, length), labels[0], metadata)

    def splits(self, names, labels, metadata):
        place = {name: index for index, name in enumerate(names)}
        indices = {part: [] for part in PARTS.values()}
        for part in self.parts:
            members = self._open(part).names
            indices[PARTS[part]] = [place[n] for n in members if n in place]
        return {self.split: indices}


def _check_axes(shape, path):
    """Refuses arrays whose axes seem to be in another order."""
    if not 2 <= shape[1] <= 4 or (shape[1], shape[4]) == (2, 3):
        raise ValueError(
            f"The arrays at {str(path)!r} have the shape {shape}, which would "
            f"mean {shape[1]} coordinates of {shape[4]} persons; expected "
            "(samples, coordinates, frames, joints, persons). Transpose them, "
            "or pass clips to `Sequences.from_arrays`."
        )


def _has_scores(part):
    """Whether the third coordinate of the first clips may be a score."""
    return _coordinates.may_be_scores(part.data[:LOOK, 2])


def _some_bodies(data):
    """Bodies `(V, 3)` of the first two coordinates and whether they are."""
    bodies = []
    for row in range(min(len(data), LOOK)):
        places = np.asarray(data[row, :2, :, :, 0], "float32")
        shown = np.flatnonzero(places.any(axis=(0, 2)))
        if len(shown):
            body = places[:, shown[len(shown) // 2]].T
            bodies.append(np.column_stack([body, body.any(-1)]))
    return bodies


class Part:
    """The files of one part, `"train"` or `"val"`.

    Attributes:
        data: array `(N, C, T, V, M)` on disk.
        names: list of strings.
        labels: list of integers, of names of classes, or of `None`.
        lengths: int array, the frames of each sample, or `None`.
    """

    def __init__(self, folder, part):
        path = find_data(folder, part)
        self.data = open_array(path, 5, "f")
        if not self.data.size:
            raise ValueError(f"{str(path)!r} is empty.")
        for suffix in ("pkl", "npy"):
            labels = folder / f"{part}_label.{suffix}"
            if labels.is_file():
                break
        else:
            raise FileNotFoundError(
                f"There are no labels beside {str(path)!r}. {HINT}"
            )
        if suffix == "pkl":
            self.names, self.labels = read_labels(labels)
        else:
            values = open_array(labels, None, "iufU").ravel().tolist()
            self.labels = list(map(_as_label, values))
            self.names = [f"{part}_{row:06d}" for row in range(len(values))]
        self.lengths = None
        lengths = folder / f"{part}_num_frame.npy"
        if lengths.is_file():
            self.lengths = np.asarray(open_array(lengths, None, "iu")).ravel()
            if (self.lengths < 1).any() or len(self.lengths) != len(self.data):
                raise ValueError(f"{str(lengths)!r} holds no lengths of clips.")
        if len(self.labels) != len(self.data):
            raise ValueError(
                f"{str(labels)!r} holds {len(self.labels)} labels, but "
                f"{str(path)!r} {len(self.data)} samples."
            )


def find_data(folder, part):
    """The path of the array of a part, or `None`."""
    paths = (pathlib.Path(folder) / f"{part}_{n}.npy" for n in DATA_FILES)
    return next((path for path in paths if path.is_file()), None)


def open_array(path, num_axes, kinds):
    """Opens an `.npy` file without reading it.

    Args:
        path: path of the file.
        num_axes: integer, the axes it must have, or `None` for any.
        kinds: string, the kinds of NumPy types it may have.

    Raises:
        ValueError: if it is truncated, damaged, or another array.
    """
    try:
        # NumPy warns of old headers, and of damaged ones before it fails.
        with warnings.catch_warnings(), np.errstate(over="ignore"):
            warnings.simplefilter("ignore")
            array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (
        ValueError,
        TypeError,
        EOFError,
        OverflowError,
        SyntaxError,
        MemoryError,
        tokenize.TokenError,
        zipfile.BadZipFile,
    ) as error:
        raise ValueError(
            f"{str(path)!r} cannot be read as an .npy array: {error}"
        ) from error
    if not isinstance(array, np.ndarray):
        array.close()
        raise ValueError(f"{str(path)!r} is an archive, not an array.")
    fits = num_axes in (None, array.ndim)
    if not fits or array.dtype.kind not in kinds:
        raise ValueError(
            f"{str(path)!r} holds an array of shape {array.shape} and type "
            f"{array.dtype}, which is not what its name says."
        )
    return array


def read_labels(path):
    """Reads names and labels of a pickle `(names, labels)`."""
    content = read_pickle(path)
    if not isinstance(content, (tuple, list)) or len(content) != 2:
        raise ValueError(f"{str(path)!r} is no pair of names and labels.")
    names = as_strings(content[0], f"{path}: names")
    labels = content[1]
    if isinstance(labels, np.ndarray):
        labels = labels.ravel().tolist()
    if not isinstance(labels, (tuple, list)) or len(labels) != len(names):
        raise ValueError(
            f"{str(path)!r} has {len(names)} names, but not a label for each."
        )
    names = [as_name(name).removesuffix(".skeleton") for name in names]
    return names, list(map(_as_label, labels))


def _as_label(label):
    """A whole number, the name of a class, or `None` where it is unknown."""
    if _names.is_unknown(label):
        return None
    if isinstance(label, str):
        return as_name(label)
    if isinstance(label, float) and label.is_integer():
        label = int(label)
    return as_integer(label, "label")


def trim(frames, length=None):
    """Cuts off what pads a clip `(M, T, V, C)`: at its end, and persons.

    Args:
        frames: The clip.
        length: Its frames, where they are known. By default it ends with the
            last frame that shows somebody.
    """
    persons = np.flatnonzero(frames.any(axis=(1, 2, 3)))
    shown = np.flatnonzero(frames.any(axis=(0, 2, 3)))
    if not shown.size:
        return frames[:1]
    if length is None:
        length = shown[-1] + 1
    return frames[: persons[-1] + 1, :length]


def _protocol_of(folder):
    name = folder.lower()
    if name not in PROTOCOLS:
        return "official"
    return "xset" if name == "xsetup" else name
