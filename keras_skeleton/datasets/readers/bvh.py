"""BVH motion capture files: hierarchies of joints and their rotations."""

import re
import typing

import numpy as np

from keras_skeleton import _values
from keras_skeleton._types import PathLike
from keras_skeleton.datasets.files import parsing
from keras_skeleton.datasets.readers import _extracted
from keras_skeleton.datasets.readers import _layouts
from keras_skeleton.datasets.readers.base import Clip
from keras_skeleton.datasets.readers.base import collect
from keras_skeleton.datasets.sequences import Sequences
from keras_skeleton.skeletons import Skeleton

MOST_JOINTS = 256
LONGEST_HIERARCHY = 1 << 20
LONGEST_NAME = 200
# Joints in frames: over half an hour of a body.
MOST_PLACES = 1 << 24
POSITIONS = ("Xposition", "Yposition", "Zposition")
ROTATIONS = ("Xrotation", "Yrotation", "Zrotation")
NO_BVH = "it is no BVH file"
HINT = (
    "Pass the path of a .bvh file, or of a folder or .zip archive of such "
    "files with the same joints."
)


class Motion(typing.NamedTuple):
    """What a BVH file holds.

    Attributes:
        names: list of strings, the joints in the order of the file; the end
            of a limb is called after its last joint, with `_end`.
        parents: list of integers, -1 for the root.
        offsets: float64 array `(V, 3)` from each parent.
        channels: list of a list of strings for each joint, such as
            `["Zrotation", "Xrotation", "Yrotation"]`.
        values: float64 array `(T, all channels)`, angles in degrees.
        frame_time: float, seconds from one frame to the next.
    """

    names: list
    parents: list
    offsets: np.ndarray
    channels: list
    values: np.ndarray
    frame_time: float


def load_data(
    path: PathLike,
    scale=1.0,
    relative_positions=False,
    labels=None,
    class_names=None,
    strict=False,
    workers=1,
    skeleton=None,
    missing="zeros",
) -> Sequences:
    """Reads BVH motion capture as positions of joints.

    A file is a clip, named by its path without `.bvh`. All must have the
    same joints in the same order as the first one; offsets, that is, the
    lengths of bones, may differ. The skeleton is made of the hierarchy: the
    ends of limbs are joints too, and joints whose names differ by `left` and
    `right`, or by the letters L and R at the start, at the end or alone
    (`Bip01 L Thigh`), mirror each other. A name may have spaces.

    A joint's rotation is the product of the rotations about the axes of its
    channels, the first one leftmost, acting on column vectors; a child lies
    at its offset in the turned axes of its parent.

    Args:
        path: path of a file, or of a folder or .zip archive of files.
        scale: float, what to multiply positions by, such as 0.01 to get
            metres of centimetres; BVH files do not name their unit.
        relative_positions: boolean. If false, the position channels of a
            joint take the place of its offset, as most programs write them;
            if true, they are added to it.
        labels: dictionary from names of clips (or of their files) to their
            classes, numbers from 0 or names of classes, or the path of a
            .csv file of `name,label`. Clips without one get the label -1;
            names without a clip are told.
        class_names: list of the names of the classes, in the order of their
            numbers; by default those in `labels`, in alphabetical order.
        strict: boolean, whether a file that cannot be used is an error. If
            not, it is left out, and named in a warning and in `skipped`.
        workers: integer, the processes that read.
        skeleton: `Skeleton`, or the name of a registered one, with as many
            joints in the order of the files, in the place of their own.
        missing: what to do where something was not found (NaN, null):
            `"zeros"`, `"interpolate"` or `"error"`, see
            `readers.Reader.configure`.

    Returns:
        A `Sequences` object with clips `(1, T, V, 3)` and the metadata
        `"frame_time"` in seconds.

    Raises:
        FileNotFoundError: if there are no such files at `path`.
        ValueError: if no file can be used, or if one cannot and `strict`.

    Example:

    ```python
    data = keras_skeleton.datasets.bvh.load_data("motions", scale=0.01)
    print(data.skeleton.joints, data.metadata["frame_time"])
    ```
    """
    reader = BVHReader(
        path, scale, relative_positions, labels, class_names, skeleton
    )
    return collect(reader, strict, workers, missing=missing)


class BVHReader(_extracted.ExtractedReader):
    """Reader of BVH files; a unit is the name of a file.

    Args:
        path: See `load_data`, also for the other arguments.
        scale: float.
        relative_positions: boolean.
        labels: dictionary or `None`.
        class_names: list of strings or `None`.
        skeleton: `Skeleton`, string or `None`.
    """

    def __init__(
        self,
        path,
        scale=1.0,
        relative_positions=False,
        labels=None,
        class_names=None,
        skeleton=None,
    ):
        super().__init__(path, ".bvh", HINT, labels, class_names)
        self.scale = _values.number("scale", scale, above=0)
        self.relative_positions = _values.truth(
            "relative_positions", relative_positions
        )
        self._own = self.skeleton = self._find_skeleton(path)
        self.configure(skeleton=skeleton)
        if skeleton is None:
            _layouts.check_sides(self.skeleton)

    def read(self, unit):
        motion = parse_bvh(self._source.read(unit))
        skeleton = self._own
        parents = [max(parent, 0) for parent in motion.parents]
        if (
            tuple(motion.names) != skeleton.joints
            or tuple(parents) != skeleton.parents
        ):
            raise ValueError(
                f"its {len(motion.names)} joints are not the "
                f"{skeleton.num_joints} of the first file"
            )
        clip = joint_positions(motion, self.relative_positions)
        with np.errstate(over="ignore", invalid="ignore"):
            clip = np.float32(clip * self.scale)
        name = unit[: -len(".bvh")]
        metadata = {"frame_time": motion.frame_time}
        yield Clip(name, clip, self.label(name), metadata)

    def _find_skeleton(self, path):
        faults = []
        for name in self._source.names:
            try:
                return make_skeleton(parse_bvh(self._source.read(name)))
            except ValueError as error:
                faults.append((name, str(error)))
        what = "can be read"
        if all(NO_BVH in fault for _, fault in faults):
            what = "is a BVH file"
        # The reason of one that is a BVH file tells more.
        name, fault = min(faults, key=lambda each: NO_BVH in each[1])
        raise ValueError(
            f"None of the {len(faults)} files in {str(path)!r} {what}. "
            f"{name!r}: {fault}"
        )


def make_skeleton(motion, name="bvh") -> Skeleton:
    """Makes the layout of a `Motion`.

    Args:
        motion: A `Motion`.
        name: string, the name of the layout.

    Returns:
        A `Skeleton` with the joints in the order of the file.
    """
    return Skeleton(
        name=name,
        joints=motion.names,
        edges=[(c, p) for c, p in enumerate(motion.parents) if p >= 0],
        mirror=_layouts.mirror(motion.names),
    )


def joint_positions(motion, relative_positions=False) -> np.ndarray:
    """Computes where the joints are.

    Args:
        motion: A `Motion`.
        relative_positions: See `load_data`.

    Returns:
        float64 array `(T, V, 3)`.
    """
    num_frames = len(motion.values)
    places = np.zeros((num_frames, len(motion.names), 3))
    turns = np.zeros((num_frames, len(motion.names), 3, 3))
    column = 0
    # Broken values are found where clips are checked.
    with np.errstate(over="ignore", invalid="ignore"):
        for joint, parent in enumerate(motion.parents):
            channels = motion.channels[joint]
            values = motion.values[:, column : column + len(channels)]
            column += len(channels)
            offset = np.tile(motion.offsets[joint], (num_frames, 1))
            turn = np.broadcast_to(np.eye(3), (num_frames, 3, 3))
            for channel, value in zip(channels, values.T, strict=True):
                if channel in ROTATIONS:
                    axis = ROTATIONS.index(channel)
                    turn = turn @ _rotation(axis, np.radians(value))
                elif relative_positions:
                    offset[:, POSITIONS.index(channel)] += value
                else:
                    offset[:, POSITIONS.index(channel)] = value
            if parent < 0:
                places[:, joint], turns[:, joint] = offset, turn
                continue
            moved = turns[:, parent] @ offset[..., None]
            places[:, joint] = places[:, parent] + moved[..., 0]
            turns[:, joint] = turns[:, parent] @ turn
    return places


def _rotation(axis, angles):
    """Matrices `(T, 3, 3)` that turn column vectors about an axis."""
    matrices = np.zeros((len(angles), 3, 3))
    first, second = (axis + 1) % 3, (axis + 2) % 3
    matrices[:, axis, axis] = 1
    matrices[:, first, first] = matrices[:, second, second] = np.cos(angles)
    matrices[:, second, first] = np.sin(angles)
    matrices[:, first, second] = -np.sin(angles)
    return matrices


def parse_bvh(data: bytes) -> Motion:
    """Reads a BVH file.

    Args:
        data: bytes of the text.

    Returns:
        A `Motion`.

    Raises:
        ValueError: if it is anything else.
    """
    if data[:3] == b"\xef\xbb\xbf":
        data = data[3:]
    if not re.match(rb"\s*HIERARCHY\b", data, re.I):
        raise ValueError(f"{NO_BVH}: it does not begin with HIERARCHY")
    border = re.search(rb"\sMOTION\s", data[:LONGEST_HIERARCHY], re.I)
    if not border:
        raise ValueError("it has no part MOTION")
    head = data[: border.start()]
    names, parents, offsets, channels = _Hierarchy(head).parse()
    line = head.count(b"\n") + 2
    words = data[border.end() :].split(None, 5)
    labels = [word.lower() for word in words[:1] + words[2:4]]
    if len(words) < 5 or labels != [b"frames:", b"frame", b"time:"]:
        raise ValueError(
            f"line {line}: its part MOTION lacks `Frames:` or `Frame Time:`"
        )
    num_frames = _whole(words[1], "Frames:")
    frame_time = _number(words[4])
    if not 0 <= frame_time < np.inf:
        raise ValueError(f"its `Frame Time:` is {frame_time}")
    width = sum(map(len, channels))
    values = parsing.parse_numbers(words[5] if len(words) > 5 else b"")
    if values is None:
        raise ValueError("its motion holds something that is not a number")
    if not width or len(values) != num_frames * width:
        raise ValueError(
            f"its motion has {len(values)} numbers; expected {num_frames} "
            f"frames of {width} channels"
        )
    if num_frames * len(names) > MOST_PLACES:
        raise ValueError("its motion is too long; cut it into clips")
    values = values.reshape(num_frames, width)
    return Motion(names, parents, offsets, channels, values, frame_time)


class _Hierarchy:
    """The part of a file that names joints, read word by word.

    A joint's name is the rest of its line, and may hold spaces.

    Args:
        head: bytes, up to the part MOTION.
    """

    def __init__(self, head):
        # Lines end in any of the three ways.
        lines = re.split(rb"\r\n|\n|\r", head)
        self._words = [
            (word, number)
            for number, line in enumerate(lines, 1)
            for word in line.split()
        ]
        self._place = 0

    def parse(self):
        """Returns names, parents, offsets and channels of the joints."""
        names, parents, offsets, channels = [], [], [], []
        # Joints that are not complete yet, the last one innermost; -1 stands
        # for none.
        path = [-1]
        self._expect(b"HIERARCHY")
        while self._place < len(self._words):
            word = self._next()
            if word == b"}" and len(path) > 1:
                path.pop()
            elif word.upper() in (b"ROOT", b"JOINT", b"END"):
                is_root = path[-1] < 0
                if (word.upper() == b"ROOT") != is_root or (is_root and names):
                    raise self._error(
                        "its hierarchy does not grow from one ROOT"
                    )
                if len(names) == MOST_JOINTS:
                    raise self._error(f"it has more than {MOST_JOINTS} joints")
                name = self._rest_of_line()
                if word.upper() == b"END":
                    name = f"{names[path[-1]]}_end"
                names.append(_unused(name[:LONGEST_NAME], names))
                parents.append(path[-1])
                path.append(len(names) - 1)
                channels.append([])
                self._expect(b"{")
                self._expect(b"OFFSET")
                offsets.append([self._read(_number) for _ in range(3)])
            elif word.upper() == b"CHANNELS" and path[-1] >= 0:
                if channels[path[-1]]:
                    raise self._error("a joint has its CHANNELS twice")
                channels[path[-1]] = self._channels()
            else:
                raise self._error(f"its hierarchy holds {word[:40]!r}")
        if len(path) > 1 or not names:
            raise self._error("its hierarchy is not complete")
        return names, parents, np.array(offsets), channels

    def _next(self):
        self._place += 1
        if self._place > len(self._words):
            return b""
        return self._words[self._place - 1][0]

    def _rest_of_line(self):
        """The words up to the end of the line, or to the brace on it."""
        line = self._words[self._place - 1][1]
        words = []
        while self._place < len(self._words):
            word, number = self._words[self._place]
            if number != line or word == b"{":
                break
            words.append(word.decode("utf-8", "replace"))
            self._place += 1
        return " ".join(words)

    def _channels(self):
        count = self._read(lambda word: _whole(word, "CHANNELS"))
        if count > len(POSITIONS + ROTATIONS):
            raise self._error(f"a joint has {count} channels")
        return [self._read(_channel) for _ in range(count)]

    def _read(self, convert):
        try:
            return convert(self._next())
        except ValueError as error:
            raise self._error(str(error)) from None

    def _expect(self, wanted):
        word = self._next()
        if word.upper() != wanted:
            raise self._error(
                f"its hierarchy has {word[:40]!r} where {wanted!r} is expected"
            )

    def _error(self, text):
        place = min(self._place, len(self._words)) - 1
        line = self._words[place][1] if self._words else 1
        return ValueError(f"line {line}: {text}")


def _unused(name, names):
    """The name, with a number if another joint has it."""
    unused, number = name, 2
    while unused in names:
        unused, number = f"{name}_{number}", number + 1
    return unused


def _channel(word):
    for channel in (*POSITIONS, *ROTATIONS):
        if word.lower() == channel.lower().encode():
            return channel
    raise ValueError(f"there is no channel {word[:40]!r}")


def _number(word):
    try:
        return float(word)
    except ValueError:
        text = word[:40].decode("utf-8", "replace")
        raise ValueError(f"{text!r} is not a number") from None


def _whole(word, what):
    try:
        number = int(word)
    except ValueError:
        number = -1
    if number < 0:
        raise ValueError(f"`{what}` is {word[:40]!r}, not a whole number")
    return number
