"""ITOP: persons before a depth camera, for estimating their pose."""

import pathlib
import re

import numpy as np

from keras_skeleton._types import PathLike
from keras_skeleton.datasets.files import hdf5
from keras_skeleton.datasets.readers import _places
from keras_skeleton.datasets.readers.base import Clip
from keras_skeleton.datasets.readers.base import Reader
from keras_skeleton.datasets.readers.base import collect
from keras_skeleton.datasets.sequences import Sequences

NUM_JOINTS = 15
#: Matrix of the camera in pixels, for `datasets.depth` and models such as
#: `A2J`. The y axis points up.
INTRINSICS = (
    (1 / 0.0035, 0.0, 160.0),
    (0.0, -1 / 0.0035, 120.0),
    (0.0, 0.0, 1.0),
)
#: Mean and deviation of the depths of training crops, as published for A2J.
DEPTH_STATISTICS = {"side": (3.44405, 0.540398), "top": (2.143078, 0.609971)}
VIEWS = ("side", "top")
PARTS = ("train", "test")
IDENTITY = re.compile(rb"(\d{1,4})_(\d{1,9})")
MOST_FRAMES = 1 << 20
COORDINATES = {
    "world": ("real_world_coordinates", 3),
    "image": ("image_coordinates", 2),
}
HINT = (
    "Get ITOP_side_train_labels.h5.gz and ITOP_side_test_labels.h5.gz (or "
    "those of the view `top`) from https://zenodo.org/record/3932973, unpack "
    "them with gunzip, and pass the path of their folder."
)


def load_data(
    path: PathLike | None = None,
    view="side",
    coordinates="world",
    strict=False,
    workers=1,
    missing="zeros",
    skeleton=None,
) -> Sequences:
    """Reads the joints of ITOP for the frames that have valid ones.

    A person, filmed by a depth camera from the side or from above: 16
    persons and 39,795 frames for training, 4 persons and 10,501 frames for
    testing, of which 4,863 are valid. 15 joints. World coordinates are
    metres in the axes of the camera: x to the right, y up, z away from it.
    Image coordinates are pixels of the 320 x 240 depth image.

    A clip is a run of frames of one person that follow each other in the
    file, all of them valid. The depth images stay on disk: frame `t` of a
    clip is image `first_frame + t` of the file that `open_images` opens.

    Protocol: `"official"`, the training and the test files.

    The data can be had from https://zenodo.org/record/3932973.

    Args:
        path: path of the folder of the two files of labels, or of one of
            them.
            By default, it is looked for as `itop` in the cache of
            Keras, `~/.keras/datasets/keras_skeleton`.
        view: `"side"` or `"top"`.
        coordinates: `"world"` or `"image"`.
        strict: boolean, whether a run that cannot be used is an error. If
            not, it is left out, and named in a warning and in `skipped`.
        workers: integer, the processes that read.
        missing: what to do where something was not found (NaN, null):
            `"zeros"`, `"interpolate"` or `"error"`, see
            `readers.Reader.configure`.
        skeleton: `Skeleton`, or the name of a registered one, with as many
            joints in the order of the data, in the place of their own.

    Returns:
        A `Sequences` object without labels, with clips `(1, T, 15, 4)`: x,
        y, z, and whether the joint is visible (1) or hidden (0); image
        coordinates lack z. The metadata are `"person"`, `"first_frame"` and
        `"train"`.

    Raises:
        FileNotFoundError: if there are no such files at `path`.
        ValueError: if a file is damaged, if no clip can be used, or if one
            cannot and `strict`.

    Example:

    ```python
    data = keras_skeleton.datasets.itop.load_data("itop", view="side")
    train, test = data.split("official")
    first = test.metadata["first_frame"][0]
    images = keras_skeleton.datasets.itop.open_images(
        "itop/ITOP_side_test_depth_map.h5"
    )
    image = images[first]  # (240, 320), in metres
    joints = test[0][0][0, 0]  # (15, 4)
    ```

    Reference:

    - [Haque et al., 2016](https://arxiv.org/abs/1603.07076)
    """
    path = _places.locate(path, "itop", HINT)
    return collect(
        ITOPReader(path, view, coordinates),
        strict,
        workers,
        missing=missing,
        skeleton=skeleton,
    )


def open_images(path: PathLike):
    """Opens the depth images or the point clouds of ITOP.

    Args:
        path: path of a file such as `ITOP_side_test_depth_map.h5` or
            `ITOP_side_test_point_cloud.h5`.

    Returns:
        An `h5py.Dataset`, which reads from disk what is asked of it by
        indices or slices: float16 depth images `(frames, 240, 320)` in
        metres, or points `(frames, 76800, 3)` in world coordinates, row by
        row of the image. Its file is closed with `.file.close()`.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is damaged, or another file.
    """
    file = hdf5.open_file(path)
    faults = []
    for shape in ((None, 240, 320), (None, 76800, 3)):
        try:
            return hdf5.get_dataset(
                file, "data", shape, "f", MOST_FRAMES * 76800 * 3
            )
        except ValueError as error:
            faults.append(str(error))
    file.close()
    raise ValueError(f"{str(path)!r}: {faults[0]} (or {faults[1]}).")


def load_frames(
    path: PathLike,
    view="side",
    part="test",
    frames=None,
    points=False,
) -> dict[str, np.ndarray]:
    """Reads depth images of ITOP together with their joints.

    Only frames with valid joints, the ones that results are stated for.

    Args:
        path: Path of the folder with `ITOP_<view>_<part>_labels.h5` and
            `..._depth_map.h5` (or `..._point_cloud.h5`).
        view: `"side"` or `"top"`.
        part: `"train"` or `"test"`.
        frames: Which of the valid frames, a slice or an array of numbers;
            by default all, 1.5 GB of the test part.
        points: Whether to read the point clouds instead of the images.

    Returns:
        Dict of arrays: `depth` `(N, 240, 320)` in metres, or `points`
        `(N, 76800, 3)`, both float32; `joints` `(N, 15, 3)` in metres, y up;
        `places` `(N, 15, 2)`, columns and rows; `visible` `(N, 15)`, boolean;
        `person` `(N,)`; and `index` `(N,)`, the number of the frame in the
        files.

    Raises:
        FileNotFoundError: If there are no such files.
        ValueError: If they are damaged or do not fit together.

    Example:

    ```python
    data = keras_skeleton.datasets.itop.load_frames("itop", frames=slice(99))
    boxes = keras_skeleton.datasets.depth.person_boxes(data["places"])
    crops = keras_skeleton.datasets.depth.crop_depth(data["depth"], boxes)
    ```
    """
    if view not in VIEWS or part not in PARTS:
        raise ValueError(
            "`view` must be 'side' or 'top' and `part` 'train' or 'test'. "
            f"Received: {view!r} and {part!r}"
        )
    path = pathlib.Path(_places.locate(path, "itop", HINT))
    name = f"ITOP_{view}_{part}"
    kind = "point_cloud" if points else "depth_map"
    reader = ITOPReader(_existing(path / f"{name}_labels.h5"), view)
    index = [np.arange(start, stop) for *_, start, stop in reader.units()]
    person = [
        np.full(stop - start, person)
        for _, person, start, stop in reader.units()
    ]
    if not index:
        raise ValueError(
            f"{name}_labels.h5 in {str(path)!r} has no valid frame"
        )
    frames = slice(None) if frames is None else frames
    index = np.concatenate(index)[frames]
    found = {"person": np.concatenate(person)[frames], "index": index}
    for key, (source, width, kinds) in {
        "joints": ("real_world_coordinates", 3, "f"),
        "places": ("image_coordinates", 2, "fiu"),
        "visible": ("visible_joints", None, "iub"),
    }.items():
        shape = (None, NUM_JOINTS, width)[: 3 if width else 2]
        values = hdf5.get_dataset(
            reader._open(part), source, shape, kinds, MOST_FRAMES * 45
        )
        found[key] = _rows(values, index, f"{source} of {name}")
    found["visible"] = found["visible"] > 0
    images = open_images(_existing(path / f"{name}_{kind}.h5"))
    try:
        if points != (images.shape[-1] == 3):
            raise ValueError(
                f"{name}_{kind}.h5 holds frames of shape {images.shape[1:]}."
            )
        values = _rows(images, index, f"{name}_{kind}.h5")
    finally:
        images.file.close()
    return {"points" if points else "depth": values, **found}


class ITOPReader(Reader):
    """Reader of ITOP; a unit is a part, a person and a range of frames.

    Args:
        path: See `load_data`, also for the other arguments.
        view: `"side"` or `"top"`.
        coordinates: `"world"` or `"image"`.
    """

    skeleton = "itop15"

    def __init__(self, path, view="side", coordinates="world"):
        if view not in VIEWS or coordinates not in COORDINATES:
            raise ValueError(
                "`view` must be 'side' or 'top' and `coordinates` 'world' or "
                f"'image'. Received: {view!r} and {coordinates!r}"
            )
        self.kind = coordinates
        width = COORDINATES[coordinates][1]
        self.coordinates = (*("x", "y", "z")[:width], "visibility")
        self.paths = _find(pathlib.Path(path), view)
        self._files = {}

    def __getstate__(self):
        return {**self.__dict__, "_files": {}}

    def units(self):
        units = []
        for part, path in self.paths.items():
            file = self._open(part)
            try:
                ids = hdf5.get_dataset(file, "id", (None,), "SO", MOST_FRAMES)
                valid = hdf5.get_dataset(
                    file, "is_valid", (len(ids),), "uib", MOST_FRAMES
                )
                if hdf5.is_text(ids):
                    texts = hdf5.read_text(ids, "id", 16 * len(ids))
                else:
                    texts = ids[:]
                runs = find_runs(texts, valid[:])
            except (ValueError, OSError) as error:
                raise ValueError(f"{str(path)!r}: {error}.") from error
            units += [(part, *run) for run in runs]
        return units

    def unit_name(self, unit):
        part, person, start, stop = unit
        return f"{part}_{person:02d}_{start:06d}"

    def read(self, unit):
        part, person, start, stop = unit
        file = self._open(part)
        name, width = COORDINATES[self.kind]
        shape = (None, NUM_JOINTS)
        most = MOST_FRAMES * NUM_JOINTS
        joints = hdf5.get_dataset(
            file, name, (*shape, width), "fiu", most * width
        )
        visible = hdf5.get_dataset(file, "visible_joints", shape, "iub", most)
        if min(len(joints), len(visible)) < stop:
            raise ValueError("its joints end before its last frame")
        frames = np.concatenate(
            [
                np.float32(joints[start:stop]),
                np.float32(visible[start:stop] > 0)[..., None],
            ],
            -1,
        )
        metadata = {
            "person": person,
            "first_frame": start,
            "train": part == "train",
        }
        yield Clip(self.unit_name(unit), frames, -1, metadata)

    def splits(self, names, labels, metadata):
        train = metadata["train"].astype(bool)
        return {
            "official": {
                "train": np.flatnonzero(train),
                "test": np.flatnonzero(~train),
            }
        }

    def _open(self, part):
        if part not in self._files:
            self._files[part] = hdf5.open_file(self.paths[part])
        return self._files[part]


def find_runs(ids, valid):
    """Finds runs of valid frames of one person.

    Args:
        ids: array of texts `b"PP_FFFFF"`, person and frame.
        valid: array, not 0 for a frame to keep.

    Returns:
        List of `(person, start, stop)`, indices into the file.

    Raises:
        ValueError: if an id is anything else.
    """
    runs = []
    for index in np.flatnonzero(valid).tolist():
        text = ids[index]
        text = text.encode() if isinstance(text, str) else bytes(text)
        match = IDENTITY.fullmatch(text)
        if not match:
            raise ValueError(f"the id of frame {index} is {text[:40]!r}")
        person = int(match[1])
        if runs and runs[-1][0] == person and runs[-1][2] == index:
            runs[-1][2] += 1
        else:
            runs.append([person, index, index + 1])
    return [tuple(run) for run in runs]


def _find(path, view):
    """Maps the part of the data to the path of its labels."""
    names = {part: f"ITOP_{view}_{part}_labels.h5" for part in PARTS}
    if path.is_file():
        for part in PARTS:
            if f"_{part}_" in path.name:
                return {part: path}
        raise ValueError(
            f"The name of {str(path)!r} does not tell whether it is for "
            f"training or testing; expected {names['train']!r} or "
            f"{names['test']!r}."
        )
    found = {
        part: path / name
        for part, name in names.items()
        if (path / name).is_file()
    }
    if not found:
        raise FileNotFoundError(
            f"There is neither {names['train']!r} nor {names['test']!r} in "
            f"{str(path)!r}. {HINT}"
        )
    return found


def _existing(path):
    if not path.is_file():
        raise FileNotFoundError(
            f"There is no file {str(path)!r}. {HINT} Images and clouds are "
            "ITOP_side_test_depth_map.h5.gz, ITOP_side_test_point_cloud.h5.gz "
            "and so on there."
        )
    return path


def _rows(values, index, what):
    """Some rows of an HDF5 data set as float32, in their order."""
    if len(index) and index.max() >= len(values):
        raise ValueError(
            f"{what}: there are {len(values)} frames, but frame "
            f"{index.max()} has joints."
        )
    order, places = np.unique(index, return_inverse=True)
    # Neighbouring frames at once: a list of numbers is read far slower.
    breaks = np.flatnonzero(np.diff(order) != 1) + 1
    parts = [
        np.asarray(values[run[0] : run[-1] + 1], "float32")
        for run in np.split(order, breaks)
        if len(run)
    ]
    if not parts:
        return np.zeros((0, *values.shape[1:]), "float32")
    return np.concatenate(parts)[places.ravel()]
