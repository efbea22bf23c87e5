"""Checking and joining single clips."""

import collections
import hashlib
import warnings

import numpy as np

from keras_skeleton.datasets import _checks


def find_faults(clips, skeleton):
    """Maps the index of each unusable clip to what is wrong with it."""
    faults = {}
    coordinates = collections.Counter()
    for index, clip in enumerate(clips):
        fault = find_fault(clip, skeleton)
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
    return dict(sorted(faults.items()))


def find_fault(clip, skeleton):
    """Says what makes a clip unusable, or returns `None`.

    Args:
        clip: array `(T, V, C)` or `(M, T, V, C)`.
        skeleton: the `Skeleton` it should show.
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
        )
    if not clip.size:
        return f"it is empty, its shape is {clip.shape}"
    fault = _axis_fault(clip.shape, skeleton)
    if fault:
        return fault
    broken = ~np.isfinite(np.asarray(clip, "float32"))
    if broken.any():
        frame = np.argwhere(broken)[0][-3]
        return (
            f"{int(broken.sum())} of its values are NaN or infinite, the "
            f"first in frame {frame}"
        )
    return None


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
    if shape[-1] > 4:
        return (
            f"its shape {shape} has {shape[-1]} coordinates on the last "
            f"axis, where 2 to 4 are usual; expected {expected}"
        )
    if len(shape) == 4 and shape[0] > 4 and shape[1] <= 2:
        return (
            f"its shape {shape} means {shape[0]} persons in {shape[1]} "
            "frames; persons and frames seem to be swapped; expected "
            f"{expected}"
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


def renumber(splits, kept, num_clips):
    """The splits of `num_clips` clips for those of them that are kept."""
    place = {old: new for new, old in enumerate(kept)}
    renumbered = {}
    for protocol, parts in splits.items():
        renumbered[protocol] = {}
        for part, indices in parts.items():
            try:
                indices = _checks.check_indices(indices, num_clips)
            except ValueError as error:
                raise ValueError(
                    f"The {part!r} indices of {protocol!r}: {error}"
                ) from error
            found = [place[i] for i in indices.tolist() if i in place]
            renumbered[protocol][part] = found
    return renumbered
