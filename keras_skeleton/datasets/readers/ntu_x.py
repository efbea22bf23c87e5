"""NTU-X: NTU RGB+D 60 and 120 with fingers, from estimated poses."""

import re

import numpy as np

from keras_skeleton._types import PathLike
from keras_skeleton.datasets.files import archives
from keras_skeleton.datasets.files import hdf5
from keras_skeleton.datasets.readers import _places
from keras_skeleton.datasets.readers import ntu
from keras_skeleton.datasets.readers.base import Clip
from keras_skeleton.datasets.readers.base import Reader
from keras_skeleton.datasets.readers.base import collect
from keras_skeleton.datasets.sequences import Sequences

NUM_JOINTS = 67
# With the joints of the face.
MOST_JOINTS = 118
MOST_FRAMES = 10_000
MOST_PERSONS = 16
PATH = re.compile(r"(?:^|/)(S\d{3}C\d{3}P\d{3}R\d{3}A\d{3})\.h5$", re.ASCII)
HINT = (
    "NTU60-X and NTU120-X (https://github.com/skelemoa/ntu-x) are folders "
    "`train` and `test` of files like S001C001P001R001A001.h5. Pass the path "
    "of the folder that holds both."
)


def load_data(
    path: PathLike | None = None,
    version=60,
    strict=False,
    workers=1,
    missing="zeros",
    skeleton=None,
) -> Sequences:
    """Reads NTU60-X or NTU120-X as PSUMNet uses them.

    The clips of NTU RGB+D with the body and the fingers as an estimator saw
    them in the video: of 118 joints the first 67 are kept, 25 of the body
    and 21 of each hand, and those of the face left out. Labels, subjects and
    protocols are those of NTU RGB+D.

    Protocols: `"xsub"` and, of 60, `"xview"`, or, of 120, `"xset"`.

    The data can be had from https://github.com/skelemoa/ntu-x for research.

    Args:
        path: path of the folder with the folders `train` and `test` of
            `.h5` files, or of any folder with such files.
            By default, it is looked for as `ntu60_x` in the cache of
            Keras, `~/.keras/datasets/keras_skeleton`.
        version: 60 or 120, the number of classes.
        strict: boolean, whether a file that cannot be used is an error. If
            not, it is left out, and named in a warning and in `skipped`.
        workers: integer, the processes that read.
        missing: what to do where something was not found (NaN, null):
            `"zeros"`, `"interpolate"` or `"error"`, see
            `readers.Reader.configure`.
        skeleton: `Skeleton`, or the name of a registered one, with as many
            joints in the order of the data, in the place of their own.

    Returns:
        A `Sequences` object with clips `(M, T, 67, 3)` in the order of their
        names and with the metadata `"setup"`, `"camera"`, `"subject"` and
        `"repetition"`.

    Raises:
        FileNotFoundError: if there are no such files at `path`.
        ValueError: if no file can be used, or if one cannot and `strict`.

    Example:

    ```python
    data = keras_skeleton.datasets.ntu_x.load_data("NTU60-X")
    train, test = data.split("xsub")
    ```

    Reference:

    - [Trivedi et al., 2021](https://arxiv.org/abs/2101.11529)
    - [PSUMNet](https://arxiv.org/abs/2208.05775)
    """
    path = _places.locate(path, f"ntu{version}_x", HINT)
    return collect(
        NTUXReader(path, version),
        strict,
        workers,
        missing=missing,
        skeleton=skeleton,
    )


class NTUXReader(Reader):
    """Reader of NTU-X; a unit is the name of a file.

    Args:
        path: See `load_data`, also for the other argument.
        version: 60 or 120.
    """

    skeleton = "ntu_x67"

    def __init__(self, path, version=60):
        if version not in (60, 120):
            raise ValueError(
                f"`version` must be 60 or 120. Received: {version}"
            )
        self.version = version
        self.class_names = ntu.class_names(version)
        self._source = archives.open_source(path, ".h5", HINT, wanted=PATH)
        if not self._source.path.is_dir():
            raise ValueError(
                "HDF5 files cannot be read within an archive: unpack "
                f"{str(path)!r} and pass the path of the folder."
            )

    def units(self):
        names = [name for name in self._source.names if PATH.search(name)]
        return sorted(names, key=lambda name: name.rpartition("/")[2])

    def read(self, unit):
        name = PATH.search(unit)[1]
        fields = ntu.NAME.fullmatch(name).groups()
        setup, camera, subject, repetition, action = map(int, fields)
        if not 1 <= action <= self.version:
            raise ValueError(f"its class {action} is not among {self.version}")
        with hdf5.open_file(self._source.path / unit) as file:
            frames = _read_frames(file)
        metadata = {
            "setup": setup,
            "camera": camera,
            "subject": subject,
            "repetition": repetition,
        }
        yield Clip(name, frames, action - 1, metadata)

    def splits(self, names, labels, metadata):
        splits = {}
        protocols = ntu.PROTOCOLS[f"ntu{self.version}"]
        for protocol, (key, chosen, _) in protocols.items():
            train = np.isin(metadata[key], list(chosen))
            splits[protocol] = {
                "train": np.flatnonzero(train),
                "test": np.flatnonzero(~train),
            }
        return splits


def _read_frames(file):
    """The clip `(M, T, 67, 3)` of an open file."""
    names = list(file)
    if not names:
        raise ValueError("it holds no array")
    # As the published code does.
    most = 3 * MOST_FRAMES * MOST_JOINTS * MOST_PERSONS
    array = hdf5.get_dataset(file, names[-1], (None,) * 4, "fiu", most)
    if array.shape[2] < NUM_JOINTS or array.shape[0] != 3:
        raise ValueError(
            f"its array has the shape {array.shape}; expected (3, frames, at "
            f"least {NUM_JOINTS} joints, persons)"
        )
    joints = np.float32(array[:, :, :NUM_JOINTS])
    return joints.transpose(3, 1, 2, 0)
