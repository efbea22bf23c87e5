"""The raw text of NTU RGB+D, and what published code makes of its bodies."""

import typing

import numpy as np

from keras_skeleton.datasets import _missing

NUM_JOINTS = 25
NUM_FIELDS = 12

# Thresholds of all official preparations: bodies this short are noise,
# frames wider than this share of their height are noise, and so are bodies
# with this share of noisy frames.
SHORTEST_BODY = 11
WIDEST_FRAME = 0.8
NOISIEST_BODY = 0.69754
# In the preparation of PYSKL, coordinates that add up to less are nobody's.
NOTHING = 1e-3


class Recording(typing.NamedTuple):
    """One raw file.

    Attributes:
        num_frames: integer, the frames of the file, empty ones included.
        bodies: dictionary from the tracking identity (string, in order of
            first appearance) to the pair `(frames, joints)`: the int64
            indices `(n,)` of the frames that show the body and its float32
            coordinates `(n, 25, 3)` in metres.
        filled: integer, the joints in frames that are NaN in the file. As
            preparations centre and compare bodies, zeros would be places
            there: they lie between those of the frames around.
    """

    num_frames: int
    bodies: dict
    filled: int = 0


def parse_skeleton(data):
    """Reads the text of one raw `.skeleton` file.

    Args:
        data: bytes, the content of the file.

    Returns:
        A `Recording`.

    Raises:
        ValueError: if the text does not hold what its counts promise, or
            values that are not finite numbers; the message names the line.

    Example:

    ```python
    with open("S001C001P001R001A001.skeleton", "rb") as file:
        recording = parse_skeleton(file.read())
    ```
    """
    lines = data.splitlines()
    while lines and not lines[-1].strip():
        lines.pop()
    # Python, but nobody else, takes 1_000 for a number.
    if b"_" in data:
        row = next(row for row, line in enumerate(lines) if b"_" in line)
        raise ValueError(_describe(lines, row, len(lines)))
    # A sentinel makes a count that leads past the end an unreadable count.
    size = len(lines)
    lines.append(b"")
    row = blocks = 0
    found = {}
    fields = []
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
                    fields += line.split(None, 3)[:3]
                row = last
    except ValueError:
        raise ValueError(_describe(lines, row, size)) from None
    if row != size:
        raise ValueError(
            f"line {row + 1}: the file promises {num_frames} frames, but goes "
            "on after them."
        )
    bodies = _collect_bodies(lines, found, fields)
    filled = sum(_fill(joints) for _, joints in bodies.values())
    return Recording(num_frames, bodies, filled)


def _fill(joints):
    """Fills joints of a body that are NaN, and returns how many are."""
    lost = np.isnan(joints).any(-1)
    if not lost.any():
        return 0
    if lost.all(0).any():
        raise ValueError(
            f"joint {int(np.argmax(lost.all(0)))} of a body is NaN in all of "
            f"its {len(joints)} frames"
        )
    joints[lost] = 0
    filled, count = _missing.interpolate(joints[None], lost[None])
    joints[:] = filled[0]
    return count


def _describe(lines, row, size):
    place = f"line {row + 1}: "
    if row >= size:
        return place + "the file ends before all it promises. Copy it again."
    return place + (
        f"expected a number of frames, of bodies, or {NUM_JOINTS} joints, or "
        f"the line of a body. Received: {lines[row][:60]!r}"
    )


def _collect_bodies(lines, found, fields):
    try:
        values = _to_float32(fields)
        num_blocks = sum(map(len, found.values()))
        values = values.reshape(num_blocks, NUM_JOINTS, 3)
        is_readable = not np.isinf(values).any()
        # Only the last line can have lost its end.
        is_readable &= len(lines[-2].split()) in (1, NUM_FIELDS)
    except ValueError:
        is_readable = False
    if not is_readable:
        rows = sorted(row for places in found.values() for *_, row in places)
        raise ValueError(_find_bad_joint(lines, rows))
    bodies = {}
    for identity, places in found.items():
        frames, blocks, _ = np.array(places, "int64").T
        bodies[identity.decode("ascii", "replace")] = (frames, values[blocks])
    return bodies


def _to_float32(fields):
    values = np.fromiter(map(float, fields), "float64", len(fields))
    with np.errstate(over="ignore"):
        return values.astype("float32")


def _find_bad_joint(lines, blocks):
    rows = [row for first in blocks for row in range(first, first + NUM_JOINTS)]
    return next(
        f"line {row + 1}: expected the {NUM_FIELDS} finite numbers of a "
        f"joint. Received: {lines[row][:60]!r}"
        for row in rows
        if not _is_joint(lines[row])
    )


def _is_joint(line):
    try:
        values = _to_float32(line.split())
    except ValueError:
        return False
    return len(values) == NUM_FIELDS and not np.isinf(values[:3]).any()


class Body:
    """A body with its frames moved up to its first one.

    Attributes:
        joints: float32 array `(n, 25, 3)`.
        start, end: integers, its first and its last frame, counted over the
            frames that show anybody.
        motion: float, how much it moves.
    """

    def __init__(self, joints, start):
        self.joints = joints
        self.start = start
        self.end = start + len(joints) - 1
        self.motion = _motion(joints)

    def good_frames(self):
        """Whether each frame is not much wider than tall."""
        x, y = self.joints[..., 0], self.joints[..., 1]
        return np.ptp(x, axis=1) <= WIDEST_FRAME * np.ptp(y, axis=1)

    def ignore_frames(self, is_good):
        """Measures the motion without frames that are noise."""
        if not is_good.all():
            self.motion = min(self.motion, _motion(self.joints[is_good]))


def _motion(joints):
    return np.sum(np.var(joints.reshape(-1, 3), axis=0))


def shown_frames(recording):
    """Indices of the frames that show a body."""
    shown = [frames for frames, _ in recording.bodies.values()]
    return np.unique(np.concatenate(shown)) if shown else np.zeros(0, "int64")


def list_bodies(recording):
    """Returns a `Body` for each identity, in order of first appearance."""
    if not recording.bodies:
        raise ValueError("the file shows no body in any frame.")
    shown = shown_frames(recording)
    return [
        Body(joints, int(np.searchsorted(shown, frames[0])))
        for frames, joints in recording.bodies.values()
    ]


def _drop_short_bodies(bodies):
    kept = [body for body in bodies if len(body.joints) > SHORTEST_BODY]
    if not kept:
        raise ValueError(
            f"the file shows {len(bodies)} bodies, none of them in more than "
            f"{SHORTEST_BODY} frames."
        )
    return kept


@np.errstate(over="ignore", invalid="ignore")
def prepare_like_ctrgcn(recording, repeat_single=False):
    """What CTR-GCN, MAMP and others make of a file.

    Args:
        recording: A `Recording`.
        repeat_single: boolean, whether a single person becomes both.

    Returns:
        float32 array `(2, T, 25, 3)`.
    """
    clip = _center(denoise(recording))
    if clip.shape[1] == 1:
        other = clip if repeat_single else np.zeros_like(clip)
        clip = np.concatenate([clip, other], axis=1)
    return clip.swapaxes(0, 1)


def denoise(recording):
    """Tracks `(T, 1, 25, 3)` for a single body, else `(T, 2, 25, 3)`."""
    bodies = list_bodies(recording)
    num_frames = len(shown_frames(recording))
    if any(body.end >= num_frames for body in bodies):
        raise ValueError("the file shows a body twice in the same frame.")
    if len(bodies) == 1:
        return _place(num_frames, bodies)
    bodies = _drop_wide_bodies(_drop_short_bodies(bodies))
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
        is_good = body.good_frames()
        if np.sum(~is_good) / len(is_good) >= NOISIEST_BODY:
            kept.remove(body)
        else:
            body.ignore_frames(is_good)
    return kept


def _assign(bodies, shared=1):
    """Divides bodies, the most moving first, among two persons.

    Args:
        bodies: list of `Body`.
        shared: integer, the frames that bodies of one person may share.
    """
    persons = [[bodies[0]], []]
    # The second person begins as if seen at the very start, and so is never
    # given a body from before a later one.
    spans = [(bodies[0].start, bodies[0].end), (0, shared - 1)]
    for body in bodies[1:]:
        for person, (start, end) in enumerate(spans):
            common = min(body.end, end) - max(body.start, start) + 1
            if common <= shared:
                persons[person].append(body)
                spans[person] = min(start, body.start), max(end, body.end)
                break
    return persons


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


@np.errstate(over="ignore", invalid="ignore")
def prepare_like_pyskl(recording):
    """What PYSKL makes of a file, before it is stored in half precision.

    Args:
        recording: A `Recording`.

    Returns:
        float32 array `(1, T, 25, 3)` or `(2, T, 25, 3)` of values that half
        precision can hold.
    """
    bodies = _sorted_by_motion(list_bodies(recording))
    if len(bodies) > 1:
        bodies = _drop_short_bodies(bodies)
    if len(bodies) > 1:
        bodies = _keep_good_bodies(bodies)
    if len(bodies) == 1:
        clip = bodies[0].joints[None]
    else:
        num_frames = max(body.end for body in bodies) + 1
        clip = _place(num_frames, *_assign(bodies, shared=0))
        clip = _first_seen_first(_trim(clip.swapaxes(0, 1)))
    return clip.astype("float16").astype("float32")


def _sorted_by_motion(bodies):
    return sorted(bodies, key=lambda body: body.motion, reverse=True)


def _keep_good_bodies(bodies):
    kept = []
    for body in bodies:
        is_good = body.good_frames()
        if 1 - np.sum(is_good) / len(is_good) < NOISIEST_BODY:
            body.ignore_frames(is_good)
            kept.append(body)
    if not kept:
        raise ValueError(
            f"all {len(bodies)} bodies that the file shows are wider than "
            "tall most of the time."
        )
    return _sorted_by_motion(kept)


def _trim(clip):
    """Leaves out frames without anybody at both ends."""
    is_filled = np.abs(clip).sum(axis=(0, 2, 3)) >= NOTHING
    filled = np.flatnonzero(is_filled)
    if not len(filled):
        raise ValueError("all joints of all bodies are at the origin.")
    return clip[:, filled[0] : filled[-1] + 1]


def _first_seen_first(clip):
    """Swaps two persons if only the second one is in the first frame."""
    first, second = np.abs(clip[:, 0, 1]).sum(axis=1)
    return clip[::-1] if first < NOTHING < second else clip
