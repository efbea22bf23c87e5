"""Checks of what is drawn: clips, maps of importance, names."""

import numpy as np

from keras_skeleton import skeletons


def check_clip(clip, skeleton, num_dims=4, name="clip"):
    """Returns the clip as float32 and the skeleton, or says what is wrong.

    `num_dims` is 4 for a clip `(M, T, V, C)` and 3 for one frame
    `(M, V, C)`; the axis of persons may be left out.
    """
    skeleton = skeletons.get(skeleton)
    clip = np.asarray(clip, dtype="float32")
    if clip.ndim == num_dims - 1:
        clip = clip[None]
    layout = "(M, T, V, C)" if num_dims == 4 else "(M, V, C)"
    if clip.ndim != num_dims or clip.shape[-1] not in (2, 3) or not clip.size:
        raise ValueError(
            f"`{name}` must have the shape {layout} with 2 or 3 coordinates "
            f"and at least one frame, for one sample. Received shape "
            f"{clip.shape}. Take one sample of a batch with `clips[0]`."
        )
    if clip.shape[-2] != skeleton.num_joints:
        raise ValueError(
            f"`{name}` has {clip.shape[-2]} joints, but the skeleton "
            f"{skeleton.name!r} has {skeleton.num_joints}. Pass the skeleton "
            f"that the clip was recorded with."
        )
    check_finite(clip, name)
    return clip, skeleton


def check_finite(array, name):
    bad = ~np.isfinite(array)
    if bad.any():
        raise ValueError(
            f"`{name}` must be finite. Received {int(bad.sum())} NaN or "
            f"infinite of {array.size} values, the first at index "
            f"{tuple(int(i) for i in np.argwhere(bad)[0])}. Repair or remove "
            f"them first."
        )


def check_importance(importance, shape, name="importance"):
    """Returns a non-negative finite float32 map of exactly `shape`."""
    importance = np.asarray(importance, dtype="float32")
    if importance.shape == shape[1:] and shape[0] == 1:
        importance = importance[None]
    if importance.shape != shape:
        raise ValueError(
            f"`{name}` must have one value for each person, frame and joint: "
            f"shape {shape}. Received shape {importance.shape}. Bring token "
            f"maps to frames and joints with `explain.upsample`."
        )
    check_finite(importance, name)
    if (importance < 0).any():
        raise ValueError(
            f"`{name}` must not be negative. Received a minimum of "
            f"{importance.min()}."
        )
    return importance


def class_names(names, num_classes):
    """The given names as strings, numbers for `None`."""
    if names is None:
        return [f"Class {index}" for index in range(num_classes)]
    names = [str(name) for name in names]
    if len(names) != num_classes:
        raise ValueError(
            f"`class_names` must have {num_classes} names, one per class. "
            f"Received {len(names)}."
        )
    return names
