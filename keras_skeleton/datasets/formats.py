"""All formats by name, for commands and for programs that choose one."""

import importlib
import inspect
import os
import typing

if typing.TYPE_CHECKING:
    from keras_skeleton.datasets.readers import Reader


class Format(typing.NamedTuple):
    """Where the reader of a format is.

    Attributes:
        module: string, a module of `keras_skeleton.datasets.readers`.
        maker: string, what in it makes the `Reader` of a path.
        summary: string, what the path should be.
        options: dictionary of arguments that the name stands for.
        ntu_classes: 60 or 120, the classes of NTU RGB+D that the data have.
    """

    module: str
    maker: str
    summary: str
    options: dict = {}
    ntu_classes: int | None = None


_RAW_NTU = "folder or .zip of .skeleton files, or a prepared .npz"
_PICKLE = "annotation file .pkl of pyskl or mmaction2"

FORMATS = {
    "ntu60": Format("ntu", "make_reader", _RAW_NTU, {"dataset": "ntu60"}, 60),
    "ntu120": Format(
        "ntu", "make_reader", _RAW_NTU, {"dataset": "ntu120"}, 120
    ),
    "ntu60_x": Format(
        "ntu_x", "NTUXReader", "folder of NTU60-X arrays", {"version": 60}, 60
    ),
    "ntu120_x": Format(
        "ntu_x",
        "NTUXReader",
        "folder of NTU120-X arrays",
        {"version": 120},
        120,
    ),
    "pku_mmd": Format(
        "pku_mmd",
        "make_reader",
        "folder of raw text files of phase I or II, or a prepared .npz",
    ),
    "nw_ucla": Format(
        "nw_ucla", "NWUCLAReader", "all_sqe.zip or the folder of .json files"
    ),
    "pyskl": Format("pyskl", "AnnotationReader", _PICKLE),
    "ntu60_2d": Format(
        "pyskl", "AnnotationReader", _PICKLE, {"name": "ntu60_2d"}, 60
    ),
    "ntu120_2d": Format(
        "pyskl", "AnnotationReader", _PICKLE, {"name": "ntu120_2d"}, 120
    ),
    "pku_mmd_2d": Format(
        "pyskl", "AnnotationReader", _PICKLE, {"name": "pku_mmd_2d"}
    ),
    "gym99": Format("fine_gym", "FineGymReader", _PICKLE, {"version": "gym99"}),
    "gym288": Format(
        "fine_gym", "FineGymReader", _PICKLE, {"version": "gym288"}
    ),
    "k400": Format(
        "k400", "K400Reader", "k400_hrnet.pkl; option keypoints=FOLDER"
    ),
    "kinetics": Format(
        "kinetics", "make_reader", "folder of raw .json files, or .npy arrays"
    ),
    "stgcn": Format(
        "stgcn", "ArrayReader", "folder of .npy arrays (N, C, T, V, M)"
    ),
    "penn_action": Format(
        "penn_action", "PennActionReader", "folder or .zip of labels/*.mat"
    ),
    "shrec17": Format("shrec17", "SHREC17Reader", "folder of raw files"),
    "shrec17_prepared": Format(
        "shrec17", "PreparedReader", "folder of the .pkl files of PSUMNet"
    ),
    "dhg": Format("dhg", "DHGReader", "folder of raw files"),
    "casia_b": Format(
        "casia_b", "CasiaBReader", ".csv of GaitGraph, or folder of .pkl files"
    ),
    "itop": Format("itop", "ITOPReader", "folder of label files .h5"),
    "panoptic": Format(
        "panoptic", "PanopticReader", "folder of body3DScene .json files"
    ),
    "human36m": Format("human36m", "Human36MReader", ".pkl of MotionBERT"),
    "openpose": Format(
        "openpose", "OpenPoseReader", "folder of keypoint .json files"
    ),
    "coco": Format("coco", "CocoReader", "keypoint results .json"),
    "mediapipe": Format("mediapipe", "MediaPipeReader", ".json or .csv files"),
    "bvh": Format("bvh", "BVHReader", "folder of .bvh files"),
    "csv": Format(
        "custom", "CSVReader", "your own table .csv; option skeleton=NAME"
    ),
    "json": Format("custom", "JSONReader", "your own .json"),
}


# Options of every reader, see `readers.Reader.configure`.
COMMON = ("missing", "skeleton")
# Options that a format cannot do without: what they may be, an example.
NEEDED = {
    "skeleton": (
        ", the name of a registered layout of joints or the path of a .json "
        "file that describes one",
        "kinect20",
    ),
    "keypoints": (", the folder with the files of the clips", "kpfiles"),
}


def make_reader(name: str, path, **options) -> "Reader":
    """Returns the `readers.Reader` of a format for the data at a path.

    Args:
        name: A key of `FORMATS`.
        path: What the format's reader takes.
        **options: Its other arguments, and for every format `missing` and
            `skeleton`, see `readers.Reader.configure`.

    Raises:
        FileNotFoundError: If the data are not there.
        ValueError: If there is no such format or option, or the data are
            something else.

    Example:

    >>> reader = make_reader("nw_ucla", "all_sqe.zip")
    >>> preparation.prepare(reader, "nw_ucla.h5")
    """
    found, module = _find(name)
    make = getattr(module, found.maker)
    parameters = list(inspect.signature(make).parameters.values())[1:]
    known = [parameter.name for parameter in parameters]
    both = {each: options.pop(each, None) for each in set(COMMON) - set(known)}
    if unknown := set(options) - set(known):
        raise ValueError(
            f"The format {name!r} has no option {sorted(unknown)[0]!r}. It "
            f"has {', '.join((*known, *both))}."
        )
    for parameter in parameters:
        if parameter.default is parameter.empty:
            if options.get(parameter.name) is None:
                raise ValueError(
                    f"The format {name!r} needs the option {parameter.name!r}"
                    f"{_describe(parameter.name)}"
                )
    try:
        reader = make(path, **{**found.options, **options})
        return reader.configure(**both)
    except (TypeError, AttributeError, LookupError, ArithmeticError) as error:
        # A value of a kind that nobody thought of.
        given = {**options, **{k: v for k, v in both.items() if v is not None}}
        words = ", ".join(f"{key}={value!r}" for key, value in given.items())
        raise ValueError(
            f"{os.fspath(path)!r} cannot be read as {name!r} with the options "
            f"{words or 'none'}: {type(error).__name__}: {error}"
        ) from error


def _describe(option):
    """What a needed option may be, and an example."""
    what, example = NEEDED.get(option, ("", "..."))
    return f"{what}: in Python {option}=..., or --option {option}={example}."


def class_names(name: str) -> list[str]:
    """Names of the classes of a format's data, where all data have the same.

    Args:
        name: A key of `FORMATS`.

    Returns:
        List of names in label order.

    Raises:
        ValueError: If there is no such format, or its data name their
            classes themselves.

    Example:

    >>> class_names("ntu60")[:2]
    ['drink water', 'eat meal/snack']
    """
    found, module = _find(name)
    if found.ntu_classes is not None:
        from keras_skeleton.datasets.readers import ntu

        return ntu.class_names(found.ntu_classes)
    names = getattr(module, "CLASS_NAMES", None)
    if "name" in found.options:
        # One reader for the files of many data sets.
        names = module.DATA_SETS[found.options["name"]].class_names
    if names is None:
        raise ValueError(
            f"The classes of the format {name!r} are not the same in all "
            "data: take the `class_names` of the `Sequences`."
        )
    return list(names)


def _find(name):
    """The `Format` and the module of a name."""
    if name not in FORMATS:
        raise ValueError(
            f"Unknown format {name!r}. Known are {', '.join(FORMATS)}."
        )
    found = FORMATS[name]
    return found, importlib.import_module(
        f"keras_skeleton.datasets.readers.{found.module}"
    )
