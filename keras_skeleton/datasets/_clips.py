"""Checking and joining single clips."""

import collections
import hashlib
import warnings

import numpy as np

from keras_skeleton.datasets import _checks
from keras_skeleton.datasets import _coordinates
from keras_skeleton.datasets import _missing
from keras_skeleton.datasets import _selection

# What people who come from ST-GCN and its successors pass.
STGCN_AXES = (
    "(coordinates, frames, joints, persons), as in ST-GCN; pass "
    "`clip.transpose(3, 1, 2, 0)`"
)
AS_MEANT = "if it is as you mean it, name the `coordinates`, such as ('x', 'y')"


def settle_all(clips, skeleton, missing="zeros", names=None, named=True):
    """Brings all clips to the form in which they are kept.

    Args:
        clips: list of arrays; each that can be used is replaced.
        skeleton: the `Skeleton` they should show.
        missing: see `_missing.settle`.
        names: the names of the coordinates, or `None`.
        named: whether they were given; see `find_fault`.

    Returns:
        A dictionary from the index of each unusable clip to what is wrong
        with it, and one from the index of a clip to what was done to it.
    """
    faults, notes = {}, {}
    coordinates = collections.Counter()
    for index, clip in enumerate(clips):
        clips[index], note, fault = settle(
            clip, skeleton, missing, names, named
        )
        if note:
            notes[index] = note
        if fault:
            faults[index] = fault
        else:
            coordinates[np.shape(clip)[-1]] += 1
    if len(coordinates) > 1:
        usual = coordinates.most_common(1)[0][0]
        for index, clip in enumerate(clips):
            received = np.shape(clip)[-1] if index not in faults else usual
            if received != usual:
                faults[index] = (
                    f"it has {received} coordinates, others have {usual}"
                )
    return dict(sorted(faults.items())), notes


def settle(clip, skeleton, missing="zeros", names=None, named=True):
    """Checks a clip, and treats what was not found.

    Args:
        clip: array `(T, V, C)` or `(M, T, V, C)`.
        skeleton: the `Skeleton` it should show.
        missing: see `_missing.settle`.
        names: the names of the coordinates, or `None` if they are unknown.
        named: see `find_fault`.

    Returns:
        The clip, what was done to it or `None`, what makes it unusable or
        `None`.
    """
    clip = _as_numbers(clip)
    fault = find_fault(clip, skeleton, named)
    if fault:
        return clip, None, fault
    with np.errstate(over="ignore"):
        clip = np.asarray(clip, "float32")
    scored = _coordinates.count_scores(tuple(names or ())) > 0
    return _missing.settle(clip, missing, scored)


def _as_numbers(clip):
    """The clip, with NaN for what is masked or `None` in it."""
    if isinstance(clip, np.ma.MaskedArray):
        if clip.dtype.kind in "fiu" and np.ma.is_masked(clip):
            clip = clip.astype("float32").filled(np.nan)
        return np.asarray(clip)
    try:
        array = np.asarray(clip)
        if array.dtype.kind == "O" and array.ndim > 2:
            array = array.astype("float32")
    except (ValueError, TypeError, OverflowError):
        return clip
    return array


def find_fault(clip, skeleton, named=True):
    """Says what makes a clip unusable, or returns `None`.

    Args:
        clip: array `(T, V, C)` or `(M, T, V, C)`; NaN is no fault.
        skeleton: the `Skeleton` it should show.
        named: whether the caller has said what the coordinates are, so that
            an unusual but possible shape is meant.
    """
    try:
        clip = np.asarray(clip)
    except ValueError:
        return "it is not one rectangular array of numbers"
    if clip.dtype.kind not in "fiu":
        return f"it holds no real numbers but dtype {clip.dtype}"
    if clip.ndim not in (3, 4):
        return (
            f"its shape is {clip.shape}; expected (frames, joints, "
            "coordinates) or (persons, frames, joints, coordinates)"
            f"{_mend_shape(clip.shape, skeleton.num_joints)}"
        )
    if not clip.size:
        return f"it is empty, its shape is {clip.shape}"
    fault = _axis_fault(clip.shape, skeleton)
    if not fault and clip.ndim == 4:
        fault = _person_fault(clip.shape, named)
        if not fault and not named:
            fault = _layout_fault(clip)
    if fault:
        return fault
    with np.errstate(over="ignore"):
        broken = np.isinf(np.asarray(clip, "float32"))
    if broken.any():
        frame = np.argwhere(broken)[0][-3]
        return (
            f"{int(broken.sum())} of its values are infinite, the first in "
            f"frame {frame}; values that were not found should be 0 or NaN"
        )
    return None


def _mend_shape(shape, joints):
    """How to bring what has too few or too many axes into shape."""
    if len(shape) == 2 and shape[0] == joints and 2 <= shape[1] <= 4:
        return "; one clip alone stands in a list, too: `[clip]`"
    if len(shape) == 2:
        for persons in (1, 2):
            width, rest = divmod(shape[1], joints * persons)
            if not rest and 2 <= width <= 4:
                text = f"; pass `clip.reshape(-1, {joints}, {width})`"
                if persons > 1:
                    text = (
                        f"; pass `clip.reshape(-1, {persons}, {joints}, "
                        f"{width}).swapaxes(0, 1)`"
                    )
                return text + " if the numbers of a joint stand together"
    if len(shape) == 5:
        return "; pass the array of all clips, not a list with it"
    return ""


def _layout_fault(clip):
    """Says why a clip that fits seems to have the axes of ST-GCN."""
    shape = clip.shape
    if shape[0] not in (2, 3, 4):
        return None
    # Coordinates of one person, who would be there without any extent.
    alone = np.asarray(clip[..., 1:], "float32")
    alone = not np.nan_to_num(alone).any()
    if not (alone or (shape[0], shape[-1]) == (3, 2) or _is_mixed(clip)):
        return None
    return (
        f"its shape {shape} means {shape[0]} persons of {shape[-1]} "
        f"coordinates, but seems to be {STGCN_AXES}; {AS_MEANT}"
    )


def _is_mixed(clip):
    """Whether persons of a clip seem to be coordinates, by their values.

    The heights of joints are much the same in all persons, from head to
    feet; they are not what the same joints have on another axis. Few joints
    may be alike by chance.
    """
    if clip.shape[2] < 10:
        return False
    body = np.nan_to_num(np.asarray(clip, "float32")).mean(axis=1)
    body = np.moveaxis(body, -1, 1)  # (first axis, last axis, V)
    body = body - body.mean(axis=-1, keepdims=True)
    size = np.linalg.norm(body, axis=-1, keepdims=True)
    body = body / np.where(size > 0, size, 1)
    of_first = np.abs((body[0] * body[1]).sum(-1)).max()
    of_last = np.abs((body[:, 0] * body[:, 1]).sum(-1)).max()
    return of_last > 0.95 and of_last > of_first + 0.4


def _person_fault(shape, named):
    """Says why a clip `(M, T, V, C)` has more persons than can be.

    Where the coordinates were named, a crowd for a moment is possible.
    """
    persons, frames = shape[:2]
    if named:
        is_crowd = persons > (4 if frames <= 2 else max(10, 2 * frames))
    else:
        is_crowd = persons > 10 or persons > max(frames, 2)
    if not is_crowd:
        return None
    mend = "(frames, persons, joints, coordinates), `clip.swapaxes(0, 1)`"
    if 2 <= frames <= 4:
        mend += (
            ", or of (frames, coordinates, joints, persons), "
            "`clip.transpose(3, 0, 2, 1)`"
        )
    return (
        f"its shape {shape} means {persons} persons in {frames} frames; "
        "persons and frames seem to be swapped; expected (persons, frames, "
        f"joints, coordinates): pass, of {mend}"
        f"{'' if named else f'; {AS_MEANT}'}"
    )


def _axis_fault(shape, skeleton):
    joints = skeleton.num_joints
    expected = "(persons, frames, joints, coordinates)"
    if len(shape) == 3:
        expected = "(frames, joints, coordinates)"
    if shape[-2] != joints:
        fault = (
            f"its shape {shape} has {shape[-2]} joints on the axis before "
            f"the last, but the skeleton {skeleton.name!r} has {joints}"
        )
        if shape[-3] == joints:
            fault += "; frames and joints seem to be swapped"
        elif joints in shape:
            fault += "; the axes seem to be in another order"
        return f"{fault}; expected {expected}"
    if shape[-1] == 1:
        fault = (
            f"its shape {shape} has one coordinate on the last axis, where 2 "
            f"to 4 are usual; expected {expected}"
        )
        if len(shape) == 4 and 2 <= shape[0] <= 4:
            fault += f"; it seems to be {STGCN_AXES}"
        return fault
    if shape[-1] > 4:
        return (
            f"its shape {shape} has {shape[-1]} coordinates on the last "
            f"axis, where 2 to 4 are usual; expected {expected}"
        )
    return None


def _with_persons(clip):
    """Gives a clip the axis of persons, without those absent at its end."""
    clip = np.asarray(clip, "float32")
    clip = clip[None] if clip.ndim == 3 else clip
    present = np.flatnonzero(clip.any(axis=(1, 2, 3)))
    return clip[: present.max(initial=0) + 1]


def digest(clip):
    """Bytes that are the same for clips `(P, T, V, C)` that are the same.

    Places kept for absent persons do not count.
    """
    # Adding zero turns -0.0, equal but of other bytes, into 0.0.
    clip = clip + np.float32(0)
    present = np.flatnonzero(clip.any(axis=(1, 2, 3)))
    clip = clip[: present.max(initial=-1) + 1]
    found = hashlib.blake2b(str(clip.shape).encode(), digest_size=16)
    found.update(np.ascontiguousarray(clip))
    return found.digest()


def join(clips, num_joints):
    """Joins clips `(T, V, C)` or `(M, T, V, C)` to one block.

    Args:
        clips: list of arrays. It is emptied, so that memory holds the data
            once.
        num_joints: `V`, for a list of no clips.

    Returns:
        Dictionary of the arguments `bodies`, `lengths`, `persons` and
        `num_persons` of `Sequences`. Persons who appear in no frame of a
        clip are left out if no later one does.
    """
    shapes = [np.shape(clip) for clip in clips]
    coordinates = {shape[-1] for shape in shapes} or {3}
    if len(coordinates) > 1:
        raise ValueError(
            "All clips must have the same number of coordinates. Received "
            f"clips with {sorted(coordinates)}."
        )
    for index, clip in enumerate(clips):
        clips[index] = _with_persons(clip)
    lengths = np.array([clip.shape[1] for clip in clips], "int64")
    persons = np.array([len(clip) for clip in clips], "int64")
    starts = np.cumsum(lengths * persons) - lengths * persons
    num_bodies = int((lengths * persons).sum())
    bodies = np.empty((num_bodies, num_joints, *coordinates), "float32")
    for start in starts[::-1]:
        clip = clips.pop()
        rows = clip.reshape(-1, *bodies.shape[1:])
        bodies[start : start + len(rows)] = rows
    return {
        "bodies": bodies,
        "lengths": lengths,
        "persons": persons,
        "num_persons": max((s[0] for s in shapes if len(s) == 4), default=1),
    }


def report_skipped(skipped, total, strict, warn=True):
    """Warns of what could not be read, or raises where nothing was or may.

    Args:
        skipped: list of `(name, reason)`.
        total: How many clips or files there were.
        strict: Whether one problem is one too many.
        warn: Whether to warn of problems that are no error.

    Raises:
        ValueError: If `strict` and there are problems, or if nothing is left.
    """
    if not total:
        raise ValueError("There are no clips.")
    if not skipped:
        return
    lines = [f"  {name}: {reason}" for name, reason in skipped[:20]]
    if len(skipped) > 20:
        lines.append(f"  and {len(skipped) - 20} more (see `skipped`)")
    message = "\n".join(
        [f"{len(skipped)} of {total} clips or files cannot be used:", *lines]
    )
    if strict or len(skipped) == total:
        raise ValueError(message)
    if warn:
        warnings.warn(f"{message}\nThey are left out.", stacklevel=4)


def format_notes(notes):
    """One text of what was done to clips, or `None` if nothing was.

    Args:
        notes: list of `(name, what was done)`.
    """
    if not notes:
        return None
    lines = [f"  {name}: {note}" for name, note in notes[:20]]
    if len(notes) > 20:
        lines.append(f"  and {len(notes) - 20} more")
    return "\n".join(["Clips were read with remarks:", *lines])


def report_notes(notes):
    """Warns of what was done to clips, see `format_notes`."""
    if notes:
        warnings.warn(format_notes(notes), stacklevel=4)


def renumber(splits, kept, names):
    """The splits of all clips, by `names`, for those that are kept."""
    place = {old: new for new, old in enumerate(kept)}
    renumbered = {}
    for protocol, parts in splits.items():
        renumbered[protocol] = {}
        for part, indices in parts.items():
            what = f"splits[{protocol!r}][{part!r}]"
            try:
                indices = _checks.check_indices(
                    _selection.find_part(what, indices, names), len(names)
                )
            except ValueError as error:
                raise ValueError(
                    f"The {part!r} indices of {protocol!r}: {error}"
                ) from error
            found = [place[i] for i in indices.tolist() if i in place]
            renumbered[protocol][part] = found
    return renumbered


def count_zeros(clips):
    """Counts clips and frames that show nobody.

    Args:
        clips: iterable of arrays `(T, V, C)` or `(M, T, V, C)`.

    Returns:
        A dictionary: `clips`, those that are zeros throughout; of the others,
        `frames_within`, before a frame that shows somebody, and
        `frames_at_end`, after the last one, as padding is.
    """
    counts = {"clips": 0, "frames_within": 0, "frames_at_end": 0}
    for clip in clips:
        within, at_end = _missing.count_empty_frames(clip)
        if at_end == clip.shape[-3]:
            counts["clips"] += 1
        else:
            counts["frames_within"] += within
            counts["frames_at_end"] += at_end
    return counts
