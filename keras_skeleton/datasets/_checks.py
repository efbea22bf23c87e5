"""Checks of the arguments of `Sequences`."""

import numpy as np


def check_axes(frames, skeleton, num_axes, axes):
    """Raises a `ValueError` where `frames` do not have the named axes."""
    joints = skeleton.num_joints
    shape = tuple(getattr(frames, "shape", np.shape(frames)))
    if len(shape) != num_axes or shape[-2] != joints:
        raise ValueError(
            f"`frames` must have the axes {axes} and the {joints} joints "
            f"of the skeleton {skeleton.name!r}. Received frames of "
            f"shape {shape}."
        )


def check_coordinates(names, number):
    """Returns the names of the coordinates as a tuple."""
    if names is None:
        names = ("x", "y", "z", "w")[:number]
    names = tuple(str(name) for name in names)
    if len(names) != number:
        raise ValueError(
            f"`coordinates` must name the {number} coordinates of the "
            f"frames. Received: {names}"
        )
    return names


def check_labels(labels, num_clips, class_names):
    """Returns labels as int64, -1 for unknown ones."""
    if labels is None:
        return np.full(num_clips, -1, "int64")
    received = np.asarray(labels)
    labels = received.astype("int64") if received.size else received
    if labels.shape != (num_clips,) or np.any(labels != received):
        raise ValueError(
            "`labels` must be one whole number for each of the "
            f"{num_clips} clips (not one-hot rows). Received labels of "
            f"shape {received.shape} and dtype {received.dtype}."
        )
    labels = labels.astype("int64")
    limit = np.inf if class_names is None else len(class_names)
    outside = np.flatnonzero((labels < -1) | (labels >= limit))
    if outside.size:
        raise ValueError(
            "`labels` count from 0, with -1 for an unknown class, and "
            f"there are {limit} class names. Received the label "
            f"{labels[outside[0]]} for clip {outside[0]}."
        )
    return labels


def check_indices(indices, num_clips):
    """Returns chosen clips as int64 indices from 0."""
    indices = np.asarray(indices)
    if indices.dtype == bool and indices.shape == (num_clips,):
        return np.flatnonzero(indices)
    if not indices.size:
        return np.zeros(0, "int64")
    if indices.ndim != 1 or indices.dtype.kind not in "iu":
        raise ValueError(
            "Clips are chosen by a list of indices or by one boolean for "
            f"each clip. Received an array of shape {indices.shape} and "
            f"dtype {indices.dtype}; there are {num_clips} clips."
        )
    if indices.min() < -num_clips or indices.max() >= num_clips:
        raise ValueError(
            f"There are {num_clips} clips. Received indices from "
            f"{indices.min()} to {indices.max()}."
        )
    return indices.astype("int64") % num_clips
