"""Video, depth and infrared of data sets whose skeletons are read elsewhere.

Each kind finds the files of a data set and gives them the names that its
skeletons have, so that `Aligned` joins both; labels and protocols are those
of the skeletons.
"""

import pathlib
import re
import typing

import numpy as np

from keras_skeleton._types import PathLike
from keras_skeleton.datasets import _decoding
from keras_skeleton.datasets import _picture_sources
from keras_skeleton.datasets import features
from keras_skeleton.datasets.features import Videos
from keras_skeleton.datasets.files import parsing
from keras_skeleton.datasets.readers import ntu
from keras_skeleton.datasets.readers import panoptic

# Rows and columns of the depth maps of Kinect v2.
KINECT_SIZE = (424, 512)
# Milliseconds that a depth map may be away from a skeleton, as in the code
# of the authors.
SYNCHRONOUS = 17.0
UCLA_VIDEO = re.compile(r"a(\d\d)/v(\d\d)_(s\d\d_e\d\d)\.avi$", re.ASCII)
UCLA_FOLDER = re.compile(r"view_(\d)/(a\d\d_s\d\d_e\d\d)$", re.ASCII)
PENN_FOLDER = re.compile(r"\d{4}$", re.ASCII)
TOYOTA_NAME = re.compile(
    r"(?P<action>[^_/]+)_p(?P<subject>\d+)_r\d+_v\d+_c(?P<camera>\d+)$",
    re.ASCII,
)
TOYOTA_LIST = re.compile(
    r"(train|validation|val|test)_(CS|CV1|CV2)\.txt$", re.ASCII | re.IGNORECASE
)


class Kind(typing.NamedTuple):
    """One kind of pictures of a data set.

    Attributes:
        find: Function of the folder and of options that gives a dict from
            names of clips to what `Videos` takes.
        summary: What the folder should be.
        options: Names of the options of `find`.
    """

    find: typing.Callable
    summary: str
    options: tuple = ()


def load(kind, path: PathLike, size=None, **options) -> Videos:
    """Opens the pictures of a data set, decoded when needed.

    Args:
        kind: A key of `KINDS`.
        path: The folder.
        size: `(H, W)` to which frames are resized, or `None`.
        **options: Options of the kind.

    Returns:
        `Videos` with the names of the skeletons. What cannot be read is left
        out and named in `skipped`.

    Raises:
        FileNotFoundError: If the folder is not there.
        ValueError: If there is no such kind or option, or nothing in the
            folder can be read.

    Example:

    >>> depth = videos.load("ntu_depth", "nturgb+d_depth_masked")
    >>> data = Aligned(skeletons=sequences, depth=depth)
    """
    return features.Videos(find(kind, path, **options), size)


def find(kind, path: PathLike, **options) -> dict:
    """What `load` opens: a dict from names of clips to their pictures."""
    if kind not in KINDS:
        raise ValueError(
            f"Unknown kind of pictures {kind!r}. Known are {', '.join(KINDS)}."
        )
    found = KINDS[kind]
    if unknown := set(options) - set(found.options):
        raise ValueError(
            f"{kind!r} has no option {sorted(unknown)[0]!r}. It has "
            f"{', '.join(found.options) or 'none'}."
        )
    folder = pathlib.Path(path)
    if not folder.is_dir():
        raise FileNotFoundError(f"There is no folder {str(folder)!r}.")
    clips = found.find(folder, **options)
    if not clips:
        raise ValueError(
            f"Nothing in {str(folder)!r} is named as {kind!r} should be: "
            f"{found.summary}."
        )
    return clips


def _any(folder, pattern="*"):
    return features.find_videos(folder, pattern)


def _by_name(pairs):
    """A dict of pairs of name and path, each name of which is there once.

    Raises:
        ValueError: If a clip is there twice, as in maps of depth with and
            without their background.
    """
    clips = {}
    for name, path in pairs:
        if name in clips:
            raise ValueError(
                f"The clip {name!r} is there more than once: "
                f"{str(clips[name])!r} and {str(path)!r}. Pass the folder of "
                "one of both."
            )
        clips[name] = path
    return clips


def _ntu_videos(ending):
    def find_files(folder):
        return _by_name(
            (path.stem.removesuffix(ending), path)
            for path in sorted(folder.rglob(f"*{ending}.avi"))
            if ntu.NAME.fullmatch(path.stem.removesuffix(ending))
        )

    return find_files


def _ntu_depth(folder):
    # Depth-00000001.png of the maps as measured, MDepth-00000001.png of those
    # of which the background was removed.
    return _by_name(
        (path.name, path)
        for path in sorted(folder.rglob("S*"))
        if ntu.NAME.fullmatch(path.name) and path.is_dir()
    )


def _ucla_videos(folder):
    found = []
    for path in sorted(folder.rglob("*.avi")):
        if match := UCLA_VIDEO.search(path.as_posix()):
            action, view, rest = match.groups()
            found.append((f"a{action}_{rest}_v{view}", path))
    return _by_name(found)


def _ucla_frames(ending):
    def find_files(folder):
        places = []
        for path in sorted(folder.rglob("a*_s*_e*")):
            match = UCLA_FOLDER.search(path.as_posix())
            if match and path.is_dir():
                view, name = match.groups()
                places.append((f"{name}_v0{view}", path))
        return {
            name: sorted(
                (
                    each
                    for each in path.iterdir()
                    if each.stem.endswith(ending) and _decoding.is_picture(each)
                ),
                key=_decoding.by_numbers,
            )
            for name, path in _by_name(places).items()
        }

    return find_files


def _penn_frames(folder):
    if (folder / "frames").is_dir():
        folder = folder / "frames"
    return {
        path.name: path
        for path in sorted(folder.iterdir())
        if PENN_FOLDER.match(path.name) and path.is_dir()
    }


def _toyota_videos(folder):
    return _by_name(
        (path.stem, path)
        for path in sorted(folder.rglob("*.mp4"))
        if TOYOTA_NAME.match(path.stem)
    )


def _panoptic_depth(folder, node=1):
    """Depth maps at the instants of the skeletons.

    Each file of a skeleton states its `univTime`, the tables of the Kinects
    that of each map. The nearest is taken; where none is within 17
    milliseconds, the map is zeros.
    """
    reader = panoptic.PanopticReader(folder)
    clips = {}
    for unit in reader.units():
        files = [folder / name for _, name in reader.files(unit)]
        try:
            clips[unit] = _depth_of(files, node)
        except (OSError, ValueError) as error:
            clips[unit] = ValueError(str(error))
    return clips


def _depth_of(files, node):
    """The depth maps of a sequence, whose skeletons are in these files."""
    sequence = files[0].parent.parent
    data = sequence / "kinect_shared_depth" / f"KINECTNODE{node}"
    instants = [_instant(file) for file in files]
    return _picture_sources.RawDepth(
        data / "depthdata.dat",
        _nearest(_depth_times(_sync_table(sequence), node), instants),
        *KINECT_SIZE,
        is_mirrored=True,
    )


def _sync_table(sequence):
    for folder in (sequence, sequence / "kinect_shared_depth"):
        for path in sorted(folder.glob("ksynctables*.json")):
            return path
    raise ValueError(f"there is no ksynctables_*.json in {sequence.name!r}")


def _depth_times(path, node):
    """Milliseconds of the depth maps of a Kinect, float64 `(K,)`."""
    content = parsing.parse_json(path.read_bytes())
    try:
        times = content["kinect"]["depth"][f"KINECTNODE{node}"]["univ_time"]
        times = np.asarray(times, "float64")
    except (LookupError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path.name!r} has no times of depth maps of the Kinect {node}: "
            f"{error}"
        ) from error
    if times.ndim != 1 or not times.size:
        raise ValueError(f"{path.name!r} has no times of the Kinect {node}")
    return times


def _instant(path):
    content = parsing.parse_json(path.read_bytes())
    time = content.get("univTime") if isinstance(content, dict) else None
    if not isinstance(time, (int, float)):
        raise ValueError(f"{path.name!r} has no number 'univTime'")
    return float(time)


def _nearest(times, instants):
    """The number of the nearest map of each instant, -1 if it is too far."""
    distance = np.abs(times[None] - np.array(instants)[:, None])
    nearest = distance.argmin(axis=1)
    is_far = distance.min(axis=1) > SYNCHRONOUS
    return np.where(is_far, -1, nearest)


KINDS = {
    "videos": Kind(
        _any, "videos, or folders of pictures, one for each clip", ("pattern",)
    ),
    "ntu_video": Kind(_ntu_videos("_rgb"), "S001C001P001R001A001_rgb.avi"),
    "ntu_infrared": Kind(_ntu_videos("_ir"), "S001C001P001R001A001_ir.avi"),
    "ntu_depth": Kind(
        _ntu_depth, "S001C001P001R001A001/Depth-00000001.png or MDepth-..."
    ),
    "nw_ucla_video": Kind(_ucla_videos, "a01/v01_s01_e00.avi"),
    "nw_ucla_frames": Kind(
        _ucla_frames("_rgb"), "view_1/a01_s01_e00/frame_0_..._rgb.jpg"
    ),
    "nw_ucla_depth": Kind(
        _ucla_frames("_depth"), "view_1/a01_s01_e00/frame_0_..._depth.png"
    ),
    "penn_action_frames": Kind(_penn_frames, "frames/0001/000001.jpg"),
    "toyota_video": Kind(_toyota_videos, "Cutbread_p02_r00_v02_c03.mp4"),
    "panoptic_depth": Kind(
        _panoptic_depth,
        "SEQUENCE/kinect_shared_depth/KINECTNODE1/depthdata.dat with "
        "ksynctables_SEQUENCE.json and the folder of body3DScene files",
        ("node",),
    ),
}


def toyota_protocols(folder: PathLike, names=None) -> dict:
    """Reads the published lists of Toyota Smarthome.

    Files `train_CS.txt`, `validation_CS.txt` and `test_CS.txt`, and those of
    `CV1` and `CV2`, one clip a line: `Cutbread_p02_r00_v02_c03.mp4`, and its
    label behind it in the lists of EPAM-Net. The class is what the name
    begins with; labels must agree with it.

    Args:
        folder: The folder of the lists.
        names: Names of the clips at hand; those of other clips are left out.
            By default all are kept.

    Returns:
        Dict by protocol (`"cs"`, `"cv1"`, `"cv2"`) of dicts by part
        (`"train"`, `"validation"`, `"test"`) of names of clips, as
        `Sequences` takes them; and a dict from names to names of classes.

    Raises:
        FileNotFoundError: If there are no lists.
        ValueError: If a line is something else; the message names it.

    Example:

    >>> splits, classes = videos.toyota_protocols("splits", poses.names)
    """
    folder = pathlib.Path(folder)
    protocols, classes, numbers = {}, {}, {}
    wanted = None if names is None else set(names)
    for path in sorted(folder.glob("*.txt")):
        match = TOYOTA_LIST.match(path.name)
        if not match:
            continue
        part, protocol = match[1].lower(), match[2].lower()
        part = {"val": "validation"}.get(part, part)
        kept = []
        lines = path.read_text("utf-8").splitlines()
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            name, action, label = _toyota_line(line, f"{path.name}:{number}")
            known = numbers.setdefault((protocol, action), label)
            if label is not None and known not in (None, label):
                raise ValueError(
                    f"{path.name}:{number}: {action!r} has the label {label}, "
                    f"but {known} before"
                )
            if wanted is None or name in wanted:
                kept.append(name)
                classes[name] = action
        protocols.setdefault(protocol, {})[part] = kept
    if not protocols:
        raise FileNotFoundError(
            f"There are no lists such as train_CS.txt in {str(folder)!r}."
        )
    return protocols, classes


def _toyota_line(line, place):
    words = line.split()
    name = words[0].rpartition("/")[2]
    name = re.sub(r"\.(mp4|json)$", "", name)
    match = TOYOTA_NAME.match(name)
    label = words[1] if len(words) == 2 else None
    if not match or len(words) > 2 or (label and not label.isdecimal()):
        raise ValueError(
            f"{place}: expected a name such as Cutbread_p02_r00_v02_c03.mp4 "
            f"and perhaps a label. Received: {line[:80]!r}"
        )
    return name, match["action"], label
