"""Checks of the arguments of `Sequences`."""

import numpy as np


def check_counts(name, counts, num_clips=None):
    """Returns one whole number from 1 up for each clip, as int64."""
    received = np.asarray(counts)
    counts = received.astype("int64")
    if (
        counts.ndim != 1
        or num_clips not in (None, len(counts))
        or np.any(counts != received)
        or np.any(counts < 1)
    ):
        clips = "each clip" if num_clips is None else f"{num_clips} clips"
        raise ValueError(
            f"`{name}` must hold one whole number from 1 up for {clips}. "
            f"Received shape {received.shape}, smallest number "
            f"{received.min(initial=1)}."
        )
    return counts


def check_bodies(bodies, skeleton, counts):
    """Raises a `ValueError` where the bodies are not those of the clips."""
    joints = skeleton.num_joints
    shape = tuple(getattr(bodies, "shape", np.shape(bodies)))
    if len(shape) != 3 or shape[1] != joints:
        raise ValueError(
            "`bodies` must have the axes (bodies, joints, coordinates) and "
            f"the {joints} joints of the skeleton {skeleton.name!r}. "
            f"Received bodies of shape {shape}."
        )
    if shape[2] < 2:
        raise ValueError(
            f"`bodies` have {shape[2]} coordinates, where 2 to 4 are usual. "
            f"Received bodies of shape {shape}; expected (bodies, joints, "
            "coordinates)."
        )
    if counts.sum() != shape[0]:
        raise ValueError(
            f"`lengths` and `persons` ask for {counts.sum()} bodies, but "
            f"`bodies` holds {shape[0]}."
        )


def check_entries(num_clips, entries):
    """Raises a `ValueError` where a list is not as long as that of clips."""
    for what, values in entries.items():
        if not hasattr(values, "__len__") or isinstance(values, set | str):
            raise ValueError(
                f"{what!r} must be a list with one value for each of the "
                f"{num_clips} clips. Received: {values!r}"
            )
        if len(values) != num_clips:
            raise ValueError(
                f"There are {num_clips} clips but {len(values)} entries of "
                f"{what!r}."
            )


def check_clips(clips):
    """Returns clips as a list, if they are several."""
    if clips is None or isinstance(clips, str | bytes | dict | set):
        what = "dictionary" if isinstance(clips, dict) else repr(clips)[:60]
        raise ValueError(
            "`clips` must be a list of arrays (frames, joints, coordinates); "
            "pass the values of a dictionary, and its keys as `names`. "
            f"Received: {what}"
        )
    if not hasattr(clips, "__iter__"):
        raise ValueError(f"`clips` must be a list. Received: {clips!r}")
    shape = tuple(getattr(clips, "shape", ()))
    if len(shape) == 3 and 2 <= shape[-1] <= 4:
        raise ValueError(
            f"`clips` has the shape {shape} of one clip; one clip alone "
            "stands in a list, too: `[clip]`."
        )
    return list(clips)


def check_splits(splits):
    """Returns protocols and their parts, a dictionary of dictionaries."""
    splits = {} if splits is None else splits
    if not hasattr(splits, "items") or any(
        not hasattr(parts, "items") for parts in splits.values()
    ):
        raise ValueError(
            "`splits` must be a dictionary from names of protocols to parts, "
            "such as {'own': {'train': [0, 1], 'test': [2]}}. Received: "
            f"{str(splits)[:200]}"
        )
    return splits


def frame_rates(source, metadata, num_clips):
    """Returns the frames per second of each clip.

    Args:
        source: A number, one for each clip, or `None` for the metadata's.
        metadata: dictionary of arrays.
        num_clips: How many clips there are.

    Raises:
        ValueError: If they are unknown or no numbers above 0.
    """
    if source is None:
        for key in ("frame_rate", "fps", "frame_time"):
            if key in metadata:
                source = np.asarray(metadata[key], "float64")
                if key == "frame_time":
                    with np.errstate(divide="ignore"):
                        source = 1 / source
                break
        else:
            raise ValueError(
                "The clips have no metadata 'frame_rate', 'fps' or "
                "'frame_time': pass `source`, their frames per second."
            )
    try:
        rates = np.broadcast_to(np.asarray(source, "float64"), (num_clips,))
    except (ValueError, TypeError):
        rates = np.zeros(1)
    if not (np.isfinite(rates) & (rates > 0)).all():
        raise ValueError(
            "`source` must be one number above 0, or one for each of the "
            f"{num_clips} clips. Received: {source!r}"
        )
    return rates


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
        number = "no" if class_names is None else limit
        raise ValueError(
            "`labels` count from 0, with -1 for an unknown class, and "
            f"there are {number} class names. Received the label "
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
