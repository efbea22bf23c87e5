"""Annotation pickles of PYSKL and MMAction2, of any data set."""

import pathlib
import re
import typing

import numpy as np

from keras_skeleton._types import PathLike
from keras_skeleton.datasets import _coordinates
from keras_skeleton.datasets import _names
from keras_skeleton.datasets.files.pickles import as_array
from keras_skeleton.datasets.files.pickles import as_integer
from keras_skeleton.datasets.files.pickles import as_name
from keras_skeleton.datasets.files.pickles import as_strings
from keras_skeleton.datasets.files.pickles import read_pickle
from keras_skeleton.datasets.readers import _layouts
from keras_skeleton.datasets.readers import _places
from keras_skeleton.datasets.readers import ntu
from keras_skeleton.datasets.readers import nw_ucla
from keras_skeleton.datasets.readers import pku_mmd
from keras_skeleton.datasets.readers.base import Clip
from keras_skeleton.datasets.readers.base import Reader
from keras_skeleton.datasets.readers.base import collect
from keras_skeleton.datasets.readers.base import layout
from keras_skeleton.datasets.sequences import Sequences

_PYSKL = "https://download.openmmlab.com/mmaction/pyskl/data"
# What can be downloaded without an account.
ADDRESSES = {
    "ntu60_3d": f"{_PYSKL}/nturgbd/ntu60_3danno.pkl",
    "ntu60_2d": f"{_PYSKL}/nturgbd/ntu60_hrnet.pkl",
    "ntu120_3d": f"{_PYSKL}/nturgbd/ntu120_3danno.pkl",
    "ntu120_2d": f"{_PYSKL}/nturgbd/ntu120_hrnet.pkl",
    "gym99": f"{_PYSKL}/gym/gym_hrnet.pkl",
    "ucf101": f"{_PYSKL}/ucf101/ucf101_hrnet.pkl",
    "hmdb51": f"{_PYSKL}/hmdb51/hmdb51_hrnet.pkl",
    "diving48": f"{_PYSKL}/diving48/diving48_hrnet.pkl",
    "k400": f"{_PYSKL}/k400/k400_hrnet.pkl",
    "nw_ucla": "https://huggingface.co/firework8/BRL/resolve/main/data/"
    "nw_ucla_3danno.pkl",
}


class DataSet(typing.NamedTuple):
    """What is known of a published annotation file.

    Attributes:
        skeleton: string, the name of the joint layout.
        num_classes: integer.
        class_names: list of strings, or `None` where the file of the data
            set has none.
        num_clips: integer, or `None` where it is unknown.
    """

    skeleton: str
    num_classes: int
    class_names: list | None = None
    num_clips: int | None = None


DATA_SETS = {
    "ntu60_3d": DataSet("ntu", 60, ntu.class_names(60), 56_578),
    "ntu60_2d": DataSet("coco17", 60, ntu.class_names(60), 56_578),
    "ntu120_3d": DataSet("ntu", 120, ntu.class_names(120), 113_945),
    "ntu120_2d": DataSet("coco17", 120, ntu.class_names(120), 113_945),
    "gym99": DataSet("coco17", 99),
    "gym288": DataSet("coco17", 288, None, 38_223),
    "ucf101": DataSet("coco17", 101),
    "hmdb51": DataSet("coco17", 51),
    "diving48": DataSet("coco17", 48),
    "pku_mmd": DataSet("ntu", 51, list(pku_mmd.CLASS_NAMES)),
    "pku_mmd_2d": DataSet("coco17", 51, list(pku_mmd.CLASS_NAMES)),
    "nw_ucla": DataSet("nw_ucla", 10, list(nw_ucla.CLASS_NAMES), 1_484),
}
# Annotations to look at for telling layouts apart.
LOOK = 20
# What names of clips tell, where they have one of these forms.
NAME_FIELDS = (
    (ntu.NAME, ("setup", "camera", "subject", "repetition")),
    (
        re.compile(r"a\d\d_s(\d\d)_e(\d\d)_v(\d\d)", re.ASCII),
        ("subject", "repetition", "camera"),
    ),
)
SPLIT_NAME = re.compile(
    r"(?:(?P<protocol>.+)_)?(?P<part>train|val|test)_?(?P<number>\d*)",
    re.ASCII,
)
MOST_CLASSES = 1_000_000


def load_data(
    path: PathLike | None = None,
    name=None,
    skeleton=None,
    class_names=None,
    strict=False,
    workers=1,
    missing="zeros",
) -> Sequences:
    """Reads the annotation pickle of PYSKL or MMAction2 of any data set.

    Such a file is a dictionary with the lists of names `"split"` and the
    list `"annotations"`, or that list alone. Three-dimensional joints are in
    metres in the axes of the camera, not centred; two-dimensional ones in
    pixels with x to the right and y down, and their score becomes the third
    coordinate. Numbers are stored as float16, so places are rounded to about
    1 mm at 3 m, and to half a pixel from 1,024 pixels on.

    | `name` | clips | classes | joints | protocols (training / test) |
    |---|---|---|---|---|
    | `"ntu60_3d"`, `"ntu60_2d"` | 56,578 | 60 | 25 (3D), 17 (2D) | `"xsub"` (40,091 / 16,487), `"xview"` (37,646 / 18,932) |
    | `"ntu120_3d"`, `"ntu120_2d"` | 113,945 | 120 | 25 (3D), 17 (2D) | `"xsub"` (63,026 / 50,919), `"xset"` (54,468 / 59,477) |
    | `"gym99"` |  | 99 | 17 | `"official"` |
    | `"gym288"` | 38,223 | 288 | 17 | `"official"` (28,739 / 9,484) |
    | `"ucf101"`, `"hmdb51"` |  | 101, 51 | 17 | `"split_1"`, `"split_2"`, `"split_3"` |
    | `"diving48"` |  | 48 | 17 | `"official"` |
    | `"pku_mmd"`, `"pku_mmd_2d"` |  | 51 | 25 (3D), 17 (2D) | `"xsub"`, `"xview"` |
    | `"nw_ucla"` | 1,484 | 10 | 20 | `"xview"` (1,020 / 464) |

    The lists `<p>_train` and `<p>_val` (or `_test`) become the protocol
    `<p>`, `train1` and `test1` the protocol `"split_1"`, `train` and `val`
    or `test` the protocol `"official"`. Where there are all three, the part
    `"validation"` holds the second. A list of another name becomes the
    training part of a protocol of its name.

    `ADDRESSES` says where the files are; they have no licence of their own,
    and the terms of the data sets apply. That of PKU-MMD (`pku_mmd.pkl`) is
    on the page of https://github.com/firework8/ACLNet, that of its 2D poses on
    the page of https://github.com/ahmed-nady/Multimodal-Action-Recognition.

    Args:
        path: path of the `.pkl` file.
            By default, the file of `name` is fetched
            once, if it is among `ADDRESSES`.
        name: string, one of the data sets above: tells the joints and the
            class names, and checks labels. Any other file needs none.
        skeleton: `Skeleton` or the name of a registered one. By default,
            that of `name`, or by the number of joints: 25 `"ntu"`, 17
            `"coco17"`, 18 `"openpose18"`, 20 `"nw_ucla"`, unless the bones
            of another layout are clearly shorter, which is told.
        class_names: list of strings, in the order of the labels; by default
            those that are labels, if these are names, in alphabetical order.
        strict: boolean, whether an annotation that cannot be used is an
            error. If not, it is left out, and named in a warning and in
            `skipped`.
        workers: integer, the processes that read.
        missing: what to do where something was not found (NaN, null):
            `"zeros"`, `"interpolate"` or `"error"`, see
            `readers.Reader.configure`.

    Returns:
        A `Sequences` object with clips `(M, T, V, C)` in the order of the
        file. Metadata are `"height"` and `"width"` of the image, where the
        file has them, and what names like `S001C001P001R001A001` tell.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no such pickle or is damaged, if no annotation
            can be used, or if one cannot and `strict`.

    Example:

    ```python
    data = keras_skeleton.datasets.pyskl.load_data(
        "ntu60_3danno.pkl", "ntu60_3d"
    )
    train, test = data.split("xsub")
    ```

    Reference:

    - [Duan et al., 2022](https://arxiv.org/abs/2205.09443)
    """  # noqa: E501
    path = locate(path, name)
    reader = AnnotationReader(path, name, skeleton, class_names)
    return collect(reader, strict, workers, missing=missing)


def locate(path, name, hint=None):
    """Returns the path of an annotation file, which may be fetched for it.

    Args:
        path: The given path, or `None`.
        name: Name of the data set.
        hint: Where to get it, if it cannot be fetched.

    Raises:
        FileNotFoundError: If there is no path, and the file of `name` cannot
            be fetched.
        ConnectionError, ValueError: If it cannot be fetched or is damaged.
    """
    if path is not None:
        return path
    if name is None:
        raise FileNotFoundError(
            "Pass the `path` of an annotation file, or the `name` of one that "
            f"can be fetched: {', '.join(ADDRESSES)}."
        )
    if hint is None:
        hint = f"The annotation file of {name!r} must be fetched by hand."

    def check(file):
        reader = AnnotationReader(file, name)
        expected = DATA_SETS[name].num_clips
        if expected and len(reader.units()) != expected:
            raise ValueError(
                f"The file of {name!r} holds {len(reader.units())} clips, "
                f"not {expected}. It was removed."
            )

    return _places.locate(path, f"{name}.pkl", hint, ADDRESSES.get(name), check)


class AnnotationReader(Reader):
    """Reader of annotation pickles; a unit is the index of an annotation.

    The file stays on disk: each process keeps the list of annotations, and
    gets the joints of one at a time.

    Args:
        path, name, skeleton, class_names: See `load_data`.
    """

    def __init__(self, path, name=None, skeleton=None, class_names=None):
        if name is not None and name not in DATA_SETS:
            raise ValueError(
                f"Unknown data set {name!r}. Known are "
                f"{', '.join(DATA_SETS)}; other files need no `name`."
            )
        self.path = pathlib.Path(path)
        if not self.path.is_file():
            address = ADDRESSES.get(name)
            raise FileNotFoundError(
                f"There is no file {str(self.path)!r}."
                + (f" Get it from {address}" if address else "")
            )
        self.name = name
        known = DATA_SETS.get(name)
        self.num_classes = MOST_CLASSES
        if known is not None:
            class_names = class_names or known.class_names
            skeleton = skeleton or known.skeleton
            self.num_classes = known.num_classes
        if class_names is not None:
            self.class_names = _names.check_class_names(class_names)
            self.num_classes = len(self.class_names)
        self._content = None
        self._survey()
        found = self._first_shape()
        if skeleton is None:
            skeleton = self._guess_skeleton(found)
        self.skeleton = layout(skeleton)
        if self.coordinates is None and found is not None:
            self.coordinates = self._name_coordinates(found)

    def _survey(self):
        """Finds out what the annotations have in common."""
        annotations = [a for a in self.annotations if isinstance(a, dict)]
        if not annotations:
            raise ValueError(f"{str(self.path)!r} has no annotation.")
        keys = set().union(*annotations)
        self.name_key = "filename" if "filename" in keys else "frame_dir"
        if {"filename", "frame_dir"} <= keys:
            self.name_key = "frame_dir"
        self.has_image = "img_shape" in keys
        names = [self._name_of(a) for a in annotations]
        self.name_fields = find_fields(names)
        if self.class_names is None and all(map(_is_named, annotations)):
            texts = {a.get("label") for a in annotations}
            texts = {text.strip() for text in filter(_is_text, texts)}
            texts -= {*_names.UNLABELLED}
            if not all(map(_names.is_whole, texts)):
                self.class_names = sorted(texts)
                self.num_classes = len(texts)

    def _name_of(self, annotation):
        name = annotation.get(self.name_key)
        return annotation.get("filename") if name is None else name

    def _first_shape(self):
        """Joints, coordinates, and whether there are scores beside them."""
        for annotation in self.annotations:
            if isinstance(annotation, dict):
                shape = getattr(annotation.get("keypoint"), "shape", ())
                if len(shape) == 4:
                    scored = annotation.get("keypoint_score") is not None
                    return shape[2], shape[3], scored
        return None

    def _guess_skeleton(self, found):
        names = _layouts.BY_SIZE.get(None if found is None else found[0])
        if names is not None:
            return _layouts.guess(names, self._some_bodies(found), 5)
        if found is not None:
            raise ValueError(
                f"The {found[0]} joints of {str(self.path)!r} are not those "
                f"of a known layout. Pass `skeleton`: "
                f"{_layouts.of_size(found[0])}."
            )
        try:
            first = next(a for a in self.annotations if isinstance(a, dict))
            self.read_frames(first)
            reason = "it has no joints"
        except ValueError as error:
            reason = str(error)
        raise ValueError(
            f"No annotation of {str(self.path)!r} can be used, the first one "
            f"because {reason}; its keys are "
            f"{', '.join(repr(str(key)[:40]) for key in list(first)[:9])}. "
            "Or pass `skeleton`."
        )

    def _some_bodies(self, found):
        """Bodies `(V, C + 1)` of places and a score."""
        bodies = []
        for annotation in self.annotations[:LOOK]:
            try:
                frames = self.read_frames(annotation)
            except (ValueError, AttributeError):
                continue
            if frames.size and frames.shape[2] == found[0]:
                body = frames[0, frames.shape[1] // 2]
                places = body[:, : 2 if self.has_image else 3]
                scores = body[:, -1] if found[2] else places.any(-1)
                bodies.append(np.column_stack([places, scores]))
        return bodies

    def _name_coordinates(self, found):
        _, width, scored = found
        if width not in (2, 3):
            return None
        if scored:
            return (*("x", "y", "z")[:width], "score")
        # Only what was found in images says how large they are. But joints
        # that were lifted into space may keep it, with depths, no scores.
        if self.has_image and width == 3 and self._has_scores():
            return ("x", "y", "score")
        return ("x", "y", "z")[:width]

    def _has_scores(self):
        """Whether the third coordinate of the first clips may be a score."""
        for annotation in self.annotations[:LOOK]:
            try:
                frames = self.read_frames(annotation)
            except (ValueError, AttributeError):
                continue
            if not _coordinates.may_be_scores(frames[..., 2]):
                return False
        return True

    @property
    def annotations(self):
        return self._open()[0]

    def _open(self):
        if self._content is None:
            content = read_pickle(self.path, lazy=True)
            if isinstance(content, dict) and "annotations" in content:
                annotations = content["annotations"]
                lists = content.get("split") or content.get("splits") or {}
            else:
                annotations, lists = content, {}
            if not isinstance(annotations, list) or not isinstance(lists, dict):
                raise ValueError(
                    f"{str(self.path)!r} holds no annotations: expected a "
                    "list of dictionaries, or a dictionary with the keys "
                    "'split' and 'annotations'."
                )
            self._content = annotations, lists
        return self._content

    def __getstate__(self):
        return {**self.__dict__, "_content": None}

    def units(self):
        return list(range(len(self.annotations)))

    def unit_name(self, unit):
        annotation = self.annotations[unit]
        if isinstance(annotation, dict):
            name = self._name_of(annotation)
            if isinstance(name, str) and len(name) < 1000:
                return name
        return f"annotation {unit}"

    def read(self, unit):
        annotation = self.annotations[unit]
        if not isinstance(annotation, dict):
            raise ValueError("it is no dictionary")
        name = as_name(self._name_of(annotation))
        label = self.read_label(name, annotation)
        frames = self.read_frames(annotation)
        if self.coordinates and frames.shape[-1] != len(self.coordinates):
            raise ValueError(
                f"it has {frames.shape[-1]} coordinates, others have "
                f"{len(self.coordinates)}"
            )
        yield Clip(name, frames, label, self._metadata(name, annotation))

    def read_label(self, name, annotation):
        """The label of an annotation, -1 if it has none."""
        label = annotation.get("label")
        (label,) = _names.read_texts([label], self.class_names, [name])
        if _names.is_no_class(label):
            return -1
        if isinstance(label, str) and label in (self.class_names or ()):
            return self.class_names.index(label)
        if isinstance(label, float) and label.is_integer():
            label = int(label)
        label = as_integer(label, "label")
        if label >= self.num_classes:
            raise ValueError(
                f"{_names.NO_CLASS} whole numbers from 0 to "
                f"{self.num_classes - 1}: its label is {label}"
            )
        return label

    def read_frames(self, annotation):
        """The clip `(M, T, V, C)` of an annotation."""
        return parse_frames(annotation)

    def _metadata(self, name, annotation):
        metadata = {}
        if self.has_image:
            height, width = parse_image_shape(annotation.get("img_shape"))
            metadata.update(height=height, width=width)
        return {**metadata, **read_fields(name, self.name_fields)}

    def splits(self, names, labels, metadata):
        lists = read_lists(self._open()[1], self.path)
        splits = join_splits(lists, names)
        # As the rule is called elsewhere.
        if self.name == "nw_ucla" and "official" in splits:
            splits["xview"] = splits.pop("official")
        return splits

    def check(self, names, skipped):
        lists = read_lists(self._open()[1], self.path)
        there = map(self._name_of, filter(_is_dict, self.annotations))
        check_lists(lists, names, [*there, *(name for name, _ in skipped)])
        return super().check(names, skipped)


def find_fields(names):
    """The entry of `NAME_FIELDS` that fits all names, or `None`."""
    for fields in NAME_FIELDS:
        if all(isinstance(n, str) and fields[0].search(n) for n in names):
            return fields
    return None


def read_fields(name, fields):
    """The numbers in a name as a dictionary, empty without `fields`."""
    if fields is None:
        return {}
    pattern, keys = fields
    return dict(
        zip(keys, map(int, pattern.search(name).groups()), strict=False)
    )


def parse_frames(annotation):
    """The clip `(M, T, V, C)` of an annotation, scores in the last place.

    Args:
        annotation: dictionary with `"keypoint"` `(M, T, V, C)`, and perhaps
            `"keypoint_score"` `(M, T, V)` and `"total_frames"`.

    Returns:
        float32 array.

    Raises:
        ValueError: if there are no joints or the parts do not fit together.
    """
    frames = _numbers(annotation, "keypoint")
    if frames.ndim != 4:
        raise ValueError(
            f"its 'keypoint' has the shape {frames.shape}; expected "
            "(persons, frames, joints, coordinates)"
        )
    if annotation.get("keypoint_score") is not None:
        scores = _numbers(annotation, "keypoint_score")
        if scores.shape != frames.shape[:3]:
            raise ValueError(
                f"its 'keypoint_score' has the shape {scores.shape}, its "
                f"'keypoint' {frames.shape}"
            )
        frames = np.concatenate([frames, scores[..., None]], axis=-1)
    total = annotation.get("total_frames")
    if total is not None:
        total = as_integer(total, "total_frames")
        if total != frames.shape[1]:
            raise ValueError(
                f"its 'total_frames' is {total}, but its 'keypoint' has the "
                f"shape {frames.shape}"
            )
    return frames


def _numbers(annotation, key):
    array = as_array(annotation.get(key), repr(key))
    with np.errstate(over="ignore"):
        return array.astype("float32")


def parse_image_shape(shape):
    """Height and width of an annotation's image, 0 where there are none."""
    if shape is None:
        return 0, 0
    if not isinstance(shape, (tuple, list)):
        shape = as_array(shape, "'img_shape'").ravel().tolist()
    if len(shape) < 2:
        raise ValueError("its 'img_shape' is not (height, width)")
    return tuple(as_integer(n, "img_shape", 0, 1 << 20) for n in shape[:2])


def _is_named(annotation):
    """Whether the label of an annotation is a name, or unknown."""
    label = annotation.get("label")
    return _names.is_unknown(label) or (
        isinstance(label, str) and len(label) < 200
    )


def _is_dict(found):
    return isinstance(found, dict)


def _is_text(found):
    return isinstance(found, str)


def read_lists(lists, path):
    """Checks lists of clip names.

    Args:
        lists: dictionary from the name of a list, such as `"xsub_train"`,
            to names of clips.
        path: what to call the file in messages.

    Returns:
        A dictionary from names of lists to dictionaries, the keys of which
        are the names.
    """
    return {
        str(name): dict.fromkeys(
            as_strings(members, f"{path}: split {name!s:.80}")
        )
        for name, members in lists.items()
    }


def join_splits(lists, names):
    """Makes protocols of lists of clip names.

    Args:
        lists: See `read_lists`.
        names: list of the names of all clips.

    Returns:
        A dictionary `{protocol: {part: indices}}`.
    """
    splits = {}
    for list_name, members in lists.items():
        protocol, part = _protocol_and_part(list_name)
        find = _finder(members, names)
        chosen = [i for i, name in enumerate(names) if find(name) is not None]
        splits.setdefault(protocol, {})[part] = chosen
    for parts in splits.values():
        if "val" in parts:
            part = "validation" if "test" in parts else "test"
            parts[part] = parts.pop("val")
        parts.setdefault("train", [])
        parts.setdefault("test", [])
    return splits


def check_lists(lists, names, others):
    """Tells which names in lists are those of no clip.

    Args:
        lists: See `read_lists`.
        names: list of the names of all clips.
        others: list of names of clips that were left out.

    Raises:
        ValueError: If nothing or only half of a list is there, and there are
            clips that are in no list.
    """
    there = list(filter(_is_text, [*names, *others]))
    listed, lacking = set(), {}
    for list_name, members in lists.items():
        find = _finder(members, there)
        found = {name: find(name) for name in there}
        listed |= {name for name, member in found.items() if member is not None}
        used = set(found.values())
        lacking[list_name] = [name for name in members if name not in used]
    complete = set(names) <= listed
    for list_name, unmatched in lacking.items():
        _names.report(
            f"split[{list_name!r}]",
            list(lists[list_name]),
            unmatched,
            names,
            complete,
        )


def _finder(members, names):
    """A function from names of clips to the members that mean them."""
    if set(members) <= set(names):
        return lambda name: name if name in members else None
    return _names.Finder(members, names).find


def _protocol_and_part(name):
    match = SPLIT_NAME.fullmatch(name)
    if not match:
        return name, "train"
    protocol, number = match["protocol"], match["number"]
    if number:
        protocol = f"{protocol or 'split'}_{number}"
    return protocol or "official", match["part"]
