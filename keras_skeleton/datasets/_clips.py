"""Checking and joining single clips."""

import collections

import numpy as np


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
    """Brings a clip into the order of the store, `(T, M, V, C)`."""
    clip = np.asarray(clip)
    return clip[:, None] if clip.ndim == 3 else clip.swapaxes(0, 1)


def join(clips):
    """Joins clips `(T, V, C)` or `(M, T, V, C)` to frames and offsets."""
    clips = [_with_persons(clip) for clip in clips]
    offsets = np.cumsum([0, *map(len, clips)])
    persons = max(clip.shape[1] for clip in clips)
    shape = (offsets[-1], persons, *clips[0].shape[2:])
    frames = np.zeros(shape, "float32")
    for clip, start in zip(clips, offsets[:-1], strict=True):
        frames[start : start + len(clip), : clip.shape[1]] = clip
    return frames, offsets


def renumber(splits, kept, num_clips):
    """The splits of `num_clips` clips for those of them that are kept."""
    place = {old: new for new, old in enumerate(kept)}
    renumbered = {}
    for protocol, parts in splits.items():
        renumbered[protocol] = {}
        for part, indices in parts.items():
            outside = set(map(int, indices)) - set(range(num_clips))
            if outside:
                raise ValueError(
                    f"The {part!r} indices of {protocol!r} name clip "
                    f"{min(outside)}; there are {num_clips} clips."
                )
            found = [place[i] for i in map(int, indices) if i in place]
            renumbered[protocol][part] = found
    return renumbered
