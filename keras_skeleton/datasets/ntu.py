"""NTU RGB+D 60 and 120: raw skeleton files and prepared arrays."""

import functools
import importlib.resources
import os
import pathlib
import re
import typing

import numpy as np

from keras_skeleton.datasets import _preparation
from keras_skeleton.datasets.sequences import Sequences

NUM_JOINTS = 25
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
NAME = re.compile(r"S(\d{3})C(\d{3})P(\d{3})R(\d{3})A(\d{3})")

# Thresholds of the official preparation: bodies this short are noise, frames
# wider than this share of their height are noise, and so are bodies with
# this share of noisy frames.
SHORTEST_BODY = 11
WIDEST_FRAME = 0.8
NOISIEST_BODY = 0.69754


class Recording(typing.NamedTuple):
    """One raw file.

    Attributes:
        num_frames: integer, the frames of the file, empty ones included.
        bodies: dictionary from the tracking identity (string, in order of
            first appearance) to the pair `(frames, joints)`: the int64
            indices `(n,)` of the frames that show the body and its float32
            coordinates `(n, 25, 3)` in metres.
    """

    num_frames: int
    bodies: dict


def load_prepared(path, split="xsub", strict=False):
    """Loads an `.npz` file of the official preparation.

    This is the form in which the code of MAMP, CTR-GCN and others keeps NTU
    RGB+D: `x_train` and `x_test` of shape `(samples, frames, 150)` (person
    by person, joint by joint, x, y, z; zeros after the end) and one-hot
    `y_train` and `y_test`. Clips are cut to their length while the file is
    read in pieces, so memory holds neither the padding nor a second copy.

    Args:
        path: path of the file, such as `"NTU60_XSub.npz"`.
        split: string, the name of the protocol the file was divided by; the
            file does not tell.
        strict: boolean, whether samples that are empty or not finite raise
            an error. Otherwise they are named in a warning and left out.

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
    return _preparation.read_prepared(path, split, _class_names, strict)


def parse_skeleton_file(path):
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
    lines = pathlib.Path(path).read_bytes().splitlines()
    while lines and not lines[-1].strip():
        lines.pop()
    # A sentinel makes a count that leads past the end an unreadable count.
    size = len(lines)
    lines.append(b"")
    row = blocks = 0
    found = {}
    coordinates = []
    try:
        num_frames = int(lines[0])
        row = 1
        for frame in range(num_frames):
            num_bodies = int(lines[row])
            if num_bodies < 0:
                raise ValueError
            row += 1
            for _ in range(num_bodies):
                identity, _ = lines[row].split(None, 1)
                row += 1
                if int(lines[row]) != NUM_JOINTS:
                    raise ValueError
                row += 1
                last = row + NUM_JOINTS
                if last > size:
                    row = size
                    raise ValueError
                found.setdefault(identity, []).append((frame, blocks, row))
                blocks += 1
                for line in lines[row:last]:
                    coordinates += line.split(None, 3)[:3]
                row = last
    except ValueError:
        raise ValueError(_describe(path, lines, row, size)) from None
    if row != size:
        raise ValueError(
            f"{os.fspath(path)!r}, line {row + 1}: the file promises "
            f"{num_frames} frames, but goes on after them."
        )
    return Recording(
        num_frames, _collect_bodies(path, lines, found, coordinates)
    )


def _describe(path, lines, row, size):
    place = f"{os.fspath(path)!r}, line {row + 1}: "
    if row >= size:
        return place + "the file ends before all it promises. Copy it again."
    return place + (
        f"expected a number of frames, of bodies, or {NUM_JOINTS} joints, or "
        f"the line of a body. Received: {lines[row][:60]!r}"
    )


def _collect_bodies(path, lines, found, coordinates):
    try:
        values = _to_float32(coordinates)
        num_blocks = sum(map(len, found.values()))
        values = values.reshape(num_blocks, NUM_JOINTS, 3)
        is_readable = np.isfinite(values).all()
        # Only the last line can have lost its end.
        is_readable &= len(lines[-2].split()) in (1, 12)
    except ValueError:
        is_readable = False
    if not is_readable:
        rows = sorted(row for places in found.values() for *_, row in places)
        raise ValueError(_find_bad_joint(path, lines, rows))
    bodies = {}
    for identity, places in found.items():
        frames, blocks, _ = np.array(places, "int64").T
        bodies[identity.decode("ascii", "replace")] = (frames, values[blocks])
    return bodies


def _to_float32(fields):
    with np.errstate(over="ignore"):
        return np.array(list(map(float, fields)), "float32")


def _find_bad_joint(path, lines, blocks):
    rows = [row for first in blocks for row in range(first, first + NUM_JOINTS)]
    return next(
        f"{os.fspath(path)!r}, line {row + 1}: expected the 12 finite numbers "
        f"of a joint. Received: {lines[row][:60]!r}"
        for row in rows
        if not _is_joint(lines[row])
    )


def _is_joint(line):
    try:
        values = _to_float32(line.split())
    except ValueError:
        return False
    return len(values) == 12 and np.isfinite(values[:3]).all()


def prepare_raw(source, dataset="ntu60", strict=False):
    """Prepares raw `.skeleton` files as the official code does.

    The result equals the arrays of the official three-step preparation that
    the published models were trained on:

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

    Files that the data set's authors list as missing skeletons are skipped.
    With `dataset="ntu60"`, so are those of the setups and actions that
    belong to NTU RGB+D 120 only.

    Args:
        source: a directory, searched with its sub-directories, or a list of
            directories and files.
        dataset: `"ntu60"` or `"ntu120"`.
        strict: boolean, whether a file that cannot be used raises an error.
            Otherwise such files are named in a warning and left out.

    Returns:
        A `Sequences` object with clips of shape `(2, T, 25, 3)` in metres,
        in the order of their names; the metadata hold subject, camera, setup
        and repetition. The protocols are `"xsub"` and, for 60, `"xview"`,
        for 120, `"xset"`.

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
    """
    if dataset not in PROTOCOLS:
        raise ValueError(
            f"`dataset` must be one of {list(PROTOCOLS)}. Received: {dataset!r}"
        )
    paths, problems = _select_files(source, dataset)
    total = len(paths) + len(problems)
    clips, names = [], []
    for name, path in paths.items():
        try:
            clips.append(_prepare_file(path, dataset))
            names.append(name)
        except (ValueError, OSError) as error:
            if strict:
                raise ValueError(f"{name}: {error}") from error
            problems.append((name, str(error)))
    _preparation.report_left_out(problems, total, "files", strict)
    setup, camera, subject, repetition, action = np.array(
        [_parse_name(name) for name in names], "int64"
    ).T
    frames, offsets = _preparation.join_clips(clips)
    metadata = {
        "subject": subject,
        "camera": camera,
        "setup": setup,
        "repetition": repetition,
    }
    return Sequences(
        frames=frames,
        offsets=offsets,
        labels=action - 1,
        names=names,
        metadata=metadata,
        skeleton="ntu",
        class_names=_class_names(NUM_CLASSES[dataset]),
        splits=_make_splits(metadata, dataset),
        skipped=problems,
    )


def _select_files(source, dataset):
    """Paths to read, by name and in its order, and names that are odd."""
    if isinstance(source, str | os.PathLike):
        source = [source]
    files = []
    for place in map(pathlib.Path, source):
        if place.is_dir():
            files += place.rglob("*.skeleton")
        elif place.exists():
            files.append(place)
        else:
            raise FileNotFoundError(f"There is no {str(place)!r}.")
    if not files:
        raise FileNotFoundError(
            f"There are no .skeleton files in {[str(p) for p in source]}."
        )
    missing = _read_resource("ntu_missing.txt")
    paths, problems = {}, []
    for path in sorted(files, key=lambda path: (path.stem, path)):
        name = path.stem
        numbers = _parse_name(name)
        if numbers is None:
            problems.append((str(path), "not named like SsssCcccPpppRrrrAaaa"))
        elif name in paths:
            problems.append((str(path), f"the same name as {paths[name]}"))
        elif name in missing:
            continue
        elif dataset == "ntu120" or (numbers[0] <= 17 and numbers[-1] <= 60):
            paths[name] = path
    if not paths and not problems:
        raise FileNotFoundError(
            f"Of the {len(files)} .skeleton files, none belongs to "
            f"{dataset!r}, or all are among those listed as missing."
        )
    return paths, problems


def _parse_name(name):
    match = NAME.fullmatch(name)
    return match and tuple(map(int, match.groups()))


def _prepare_file(path, dataset):
    """One clip `(T, 2, 25, 3)` of the official preparation."""
    tracks = _denoise(parse_skeleton_file(path))
    clip = _center(tracks)
    if clip.shape[1] == 1:
        other = clip if dataset == "ntu120" else np.zeros_like(clip)
        clip = np.concatenate([clip, other], axis=1)
    return clip


class _Body:
    """A body with its frames moved up to its first one."""

    def __init__(self, joints, start):
        self.joints = joints
        self.start = start
        self.end = start + len(joints) - 1
        self.motion = _motion(joints)

    def overlaps(self, start, end):
        # Sharing one frame does not count as overlap.
        return min(self.end, end) - max(self.start, start) > 0


def _motion(joints):
    return np.sum(np.var(joints.reshape(-1, 3), axis=0))


def _shown_frames(recording):
    """Indices of the frames that show a body."""
    shown = [frames for frames, _ in recording.bodies.values()]
    return np.unique(np.concatenate(shown)) if shown else np.zeros(0, "int64")


def _list_bodies(recording):
    shown = _shown_frames(recording)
    return [
        _Body(joints, int(np.searchsorted(shown, frames[0])))
        for frames, joints in recording.bodies.values()
    ]


def _denoise(recording):
    """Tracks `(T, 1, 25, 3)` for a single body, else `(T, 2, 25, 3)`."""
    bodies = _list_bodies(recording)
    num_frames = len(_shown_frames(recording))
    if not bodies:
        raise ValueError("the file shows no body in any frame.")
    if any(body.end >= num_frames for body in bodies):
        raise ValueError("the file shows a body twice in the same frame.")
    if len(bodies) == 1:
        return _place(num_frames, bodies)
    bodies = [body for body in bodies if len(body.joints) > SHORTEST_BODY]
    if not bodies:
        raise ValueError(
            f"the file shows {len(recording.bodies)} bodies, none of them in "
            f"more than {SHORTEST_BODY} frames."
        )
    bodies = _drop_wide_bodies(bodies)
    if len(bodies) == 1:
        tracks = _place(num_frames, bodies)
    else:
        bodies.sort(key=lambda body: body.motion, reverse=True)
        tracks = _place(num_frames, *_assign(bodies))
    empty = tracks.reshape(len(tracks), -1).sum(axis=1) == 0
    return tracks[~empty]


def _drop_wide_bodies(bodies):
    kept = list(bodies)
    for body in bodies:
        if len(kept) == 1:
            break
        x, y = body.joints[..., 0], body.joints[..., 1]
        good = np.ptp(x, axis=1) <= WIDEST_FRAME * np.ptp(y, axis=1)
        num_bad = int(np.sum(~good))
        if num_bad / len(good) >= NOISIEST_BODY:
            kept.remove(body)
        elif num_bad:
            body.motion = min(body.motion, _motion(body.joints[good]))
    return kept


def _assign(bodies):
    """Divides bodies, the most moving first, among two persons."""
    first = [bodies[0]]
    first_start, first_end = bodies[0].start, bodies[0].end
    second = []
    # The second person begins as if seen in frame 0, and so is never given
    # a body from before a later one.
    second_start, second_end = 0, 0
    for body in bodies[1:]:
        if not body.overlaps(first_start, first_end):
            first.append(body)
            first_start = min(first_start, body.start)
            first_end = max(first_end, body.end)
        elif not body.overlaps(second_start, second_end):
            second.append(body)
            second_start = min(second_start, body.start)
            second_end = max(second_end, body.end)
    return first, second


def _place(num_frames, *persons):
    tracks = np.zeros((num_frames, len(persons), NUM_JOINTS, 3), "float32")
    for person, bodies in enumerate(persons):
        for body in bodies:
            tracks[body.start : body.end + 1, person] = body.joints
    return tracks


def _center(tracks):
    """Moves the spine of the first person's first frame to the origin."""
    num_frames, num_persons = tracks.shape[:2]
    rows = tracks.reshape(num_frames, num_persons, -1)
    first = np.argmax(rows[:, 0].any(axis=1))
    clip = tracks - tracks[first, 0, 1]
    if num_persons == 2:
        clip[rows.sum(axis=2) == 0] = 0.0
    return clip


def _make_splits(metadata, dataset):
    splits = {}
    for protocol, (key, train, test) in PROTOCOLS[dataset].items():
        values = metadata[key]
        test = [number for number in test if number not in train]
        splits[protocol] = {
            part: np.concatenate(
                [np.flatnonzero(values == number) for number in numbers]
            )
            for part, numbers in [("train", train), ("test", test)]
        }
    return splits


@functools.cache
def _read_resource(name):
    folder = importlib.resources.files("keras_skeleton.datasets")
    text = (folder / "resources" / name).read_text("utf-8")
    return dict.fromkeys(text.splitlines())


def _class_names(number):
    names = list(_read_resource("ntu_classes.txt"))
    return names[:number] if number in (60, 120) else None
