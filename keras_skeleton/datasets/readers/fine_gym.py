"""FineGym: poses of gymnasts in the 99 or 288 element classes."""

import pathlib
import re

from keras_skeleton._types import PathLike
from keras_skeleton.datasets import _names
from keras_skeleton.datasets.files.pickles import as_integer
from keras_skeleton.datasets.readers import pyskl
from keras_skeleton.datasets.readers.base import collect
from keras_skeleton.datasets.readers.pyskl import ADDRESSES
from keras_skeleton.datasets.readers.pyskl import AnnotationReader
from keras_skeleton.datasets.sequences import Sequences

NUM_CLASSES = {"gym99": 99, "gym288": 288}
# A video, an event in it and an element of that, with and without marks.
CLIP_NAME = re.compile(r"(.+?)_(?:E_)?(\d+)_(\d+)_(?:A_)?(\d+)_(\d+)", re.ASCII)
HINTS = {
    "gym99": f"Get gym_hrnet.pkl from {ADDRESSES['gym99']}",
    "gym288": "Get Gym288-skeleton from "
    "https://huggingface.co/datasets/Lozumi/Gym288-skeleton",
}
LISTS_HINT = (
    "Get the lists, such as gym99_train_element_v1.1.txt and "
    "gym99_val_element.txt, from https://sdolivia.github.io/FineGym/"
)


def load_data(
    path: PathLike | None = None,
    version="gym99",
    train_list=None,
    test_list=None,
    class_names=None,
    strict=False,
    workers=1,
    missing="zeros",
    skeleton=None,
) -> Sequences:
    """Reads the skeletons of FineGym.

    Clips of one gymnast, 17 joints, in pixels with x to the right and y down,
    and their scores; 2 to 725 frames. Elements of vault, floor exercise,
    balance beam and uneven bars: 99 classes with many clips each, or 288 of
    very different sizes.

    Protocol: `"official"`; 28,739 clips for training and 9,484 for testing
    of `"gym288"`. With lists of FineGym, which differ between its versions,
    clips have the parts and labels that these say, and clips in neither list
    are left out.

    `"gym99"` is the file `gym_hrnet.pkl` of PYSKL, see
    `keras_skeleton.datasets.pyskl.ADDRESSES`; `"gym288"` is Gym288-skeleton
    (https://huggingface.co/datasets/Lozumi/Gym288-skeleton, CC BY 4.0),
    whose later version holds both. The annotations of FineGym are at
    https://sdolivia.github.io/FineGym/.

    Args:
        path: path of the `.pkl` file.
            By default, that of `"gym99"` is fetched once.
        version: `"gym99"` or `"gym288"`.
        train_list, test_list: paths of annotation lists, with the name of a
            clip and its class in each line; both or none.
        class_names: list of strings, or the path of a text file with a class
            in each line, such as `gym99_categories.txt` of FineGym.
        strict: boolean, whether an annotation that cannot be used is an
            error. If not, it is left out, and named in a warning and in
            `skipped`.
        workers: integer, the processes that read.
        missing: what to do where something was not found (NaN, null):
            `"zeros"`, `"interpolate"` or `"error"`, see
            `readers.Reader.configure`.
        skeleton: `Skeleton`, or the name of a registered one, with as many
            joints in the order of the data, in the place of their own.

    Returns:
        A `Sequences` object with clips `(1, T, 17, 3)` in the order of the
        file, with the metadata `"height"` and `"width"` of the video.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if a file is damaged, if no annotation can be used, or if
            one cannot and `strict`.

    Example:

    ```python
    data = keras_skeleton.datasets.fine_gym.load_data("gym_hrnet.pkl")
    train, test = data.split("official")
    ```

    Reference:

    - [Shao et al., 2020](https://arxiv.org/abs/2004.06704)
    - [Shao et al., 2025](https://arxiv.org/abs/2512.25067) (Gym288-skeleton)
    """
    path = pyskl.locate(path, version, HINTS.get(version))
    reader = FineGymReader(path, version, train_list, test_list, class_names)
    return collect(reader, strict, workers, missing=missing, skeleton=skeleton)


class FineGymReader(AnnotationReader):
    """Reader of FineGym; a unit is the index of an annotation.

    Args:
        path, version, train_list, test_list, class_names: See `load_data`.
    """

    def __init__(
        self,
        path,
        version="gym99",
        train_list=None,
        test_list=None,
        class_names=None,
    ):
        if version not in NUM_CLASSES:
            raise ValueError(
                f"`version` must be 'gym99' or 'gym288'. Received: {version!r}"
            )
        if (train_list is None) != (test_list is None):
            raise ValueError(
                "Pass both `train_list` and `test_list`, or neither."
            )
        if not pathlib.Path(path).is_file():
            raise FileNotFoundError(
                f"There is no file {str(path)!r}. {HINTS[version]}"
            )
        self._lists = None
        if train_list is not None:
            self._lists = {
                part: _read(each, parse_list, NUM_CLASSES[version])
                for part, each in (("train", train_list), ("test", test_list))
            }
        if class_names is not None and not isinstance(
            class_names, (list, tuple)
        ):
            class_names = _read(class_names, parse_categories)
        super().__init__(path, version, class_names=class_names)
        if self._lists is not None:
            self._check_lists()

    def _check_lists(self):
        """Tells which names in the given lists are those of no clip."""
        clips = {clip_key(self.unit_name(unit)) for unit in super().units()}
        complete = clips <= set().union(*self._lists.values())
        for part, table in self._lists.items():
            unmatched = [name for name in table if name not in clips]
            _names.report(
                f"{part}_list", table, unmatched, sorted(clips), complete
            )

    def units(self):
        if self._lists is None:
            return super().units()
        listed = {**self._lists["train"], **self._lists["test"]}
        return [
            unit
            for unit in super().units()
            if clip_key(self.unit_name(unit)) in listed
        ]

    def read_label(self, name, annotation):
        key = clip_key(name)
        for table in (self._lists or {}).values():
            if key in table:
                return table[key]
        return super().read_label(name, annotation)

    def splits(self, names, labels, metadata):
        if self._lists is None:
            return super().splits(names, labels, metadata)
        keys = [clip_key(name) for name in names]
        return {
            "official": {
                part: [i for i, key in enumerate(keys) if key in table]
                for part, table in self._lists.items()
            }
        }


def clip_key(name):
    """The name of a clip without the marks that some lists have."""
    match = CLIP_NAME.fullmatch(name)
    return "_".join(match.groups()) if match else name


def parse_list(data, num_classes):
    """Reads an annotation list.

    Args:
        data: bytes, lines of the name of a clip and its class.
        num_classes: integer.

    Returns:
        A dictionary from names, as `clip_key` gives them, to labels.

    Raises:
        ValueError: if a line has another form; it names the line.
    """
    table = {}
    for number, line in enumerate(_lines(data), 1):
        if not line.strip():
            continue
        fields = line.split()
        if len(fields) != 2 or not re.fullmatch("[0-9]{1,9}", fields[1]):
            raise ValueError(
                f"line {number}: expected the name of a clip and its class. "
                f"Received: {line[:80]!r}"
            )
        label = as_integer(
            int(fields[1]), f"label in line {number}", 0, num_classes - 1
        )
        table[clip_key(fields[0])] = label
    if not table:
        raise ValueError("it is empty")
    return table


def parse_categories(data):
    """Reads class names: the text after the last `;` of each line."""
    names = [line.rpartition(";")[2].strip() for line in _lines(data)]
    names = [name for name in names if name]
    if not names or not all(name.isprintable() for name in names):
        raise ValueError("it is no list of class names")
    return names


def _lines(data):
    try:
        return data.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"it is not UTF-8 text: {error}") from error


def _read(path, parse, *arguments):
    path = pathlib.Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {str(path)!r}. {LISTS_HINT}")
    try:
        return parse(path.read_bytes(), *arguments)
    except ValueError as error:
        raise ValueError(f"{str(path)!r}: {error}") from error
