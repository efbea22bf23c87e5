"""Choosing clips: shares of them, and training and test parts of one's own."""

import warnings

import numpy as np

from keras_skeleton.datasets import _names


def find_part(what, indices, names):
    """The clips of a part of a split, by numbers, booleans or names.

    Args:
        what: What they are given for, such as `"splits['own']['train']"`.
        indices: list of clip numbers, one boolean for each clip, or names.
        names: The names of all clips.

    Returns:
        What `_checks.check_indices` takes.

    Raises:
        ValueError: If names are those of no clip, or numbers seem to be
            meant as booleans.
    """
    indices = list(indices) if isinstance(indices, set) else indices
    array = np.asarray(indices)
    if array.dtype.kind in "US" and array.ndim == 1 and array.size:
        found = _names.indices_of(map(str, array.tolist()), names, what)
        return np.array(found, "int64")
    if array.dtype.kind not in "iu" or array.ndim != 1:
        return indices
    values = set(array.tolist())
    if len(array) == len(names) > 2 and values <= {0, 1}:
        raise ValueError(
            f"`{what}` holds as many numbers 0 and 1 as there are clips, "
            "which would choose the first two clips again and again. Pass "
            "booleans (`array == 1`) or the numbers of clips."
        )
    if len(values) < len(array):
        warnings.warn(
            f"`{what}` names {len(array) - len(values)} clips more than once.",
            stacklevel=5,
        )
    return indices


def report_overlap(splits, names):
    """Warns of clips that are in two parts of a protocol.

    Args:
        splits: dictionary `{protocol: {part: indices}}`.
        names: The names of all clips.
    """
    for protocol, parts in splits.items():
        seen = {}
        for part, indices in parts.items():
            for other, before in seen.items():
                both = np.intersect1d(indices, before)
                if both.size:
                    some = _names.list_some(names[i] for i in both)
                    warnings.warn(
                        f"{both.size} clips are in the {other!r} and in the "
                        f"{part!r} part of {protocol!r}: {some}. Results on "
                        "clips that were trained on say little.",
                        stacklevel=4,
                    )
            seen[part] = indices


def keep_classes(order, labels, kept):
    """The first clips of an order, and the first one of each class.

    Args:
        order: int array, all clips.
        labels: int array, their classes by the number of the clip.
        kept: How many to keep, if there are no more classes.

    Returns:
        The chosen clips, in the given order.
    """
    _, first = np.unique(labels[order], return_index=True)
    first = first[labels[order[first]] >= 0]
    others = np.setdiff1d(np.arange(len(order)), first)
    places = np.concatenate([first, others[: max(kept - len(first), 0)]])
    return order[np.sort(places)]


def report_lost_classes(all_labels, labels, class_names):
    """Warns of the classes of which no clip is left."""
    lost = np.setdiff1d(all_labels[all_labels >= 0], labels)
    if lost.size:
        names = lost if class_names is None else [class_names[i] for i in lost]
        warnings.warn(
            f"{lost.size} classes have no clip left in this share: "
            f"{_names.list_some(names)}. Pass every_class=True to keep at "
            "least one clip of each.",
            stacklevel=3,
        )


def split(labels, groups, test, seed):
    """Chooses the clips of a test part.

    Args:
        labels: int array, the class of each clip.
        groups: array, one value for each clip, so that those of one value
            stay together; `None` if each may go where it likes.
        test: Share of the clips, above 0 and below 1; with groups, also a
            list of values.
        seed: Seed of the draw.

    Returns:
        bool array, one value for each clip.

    Raises:
        ValueError: If `test` is something else, or a part would be empty.
    """
    generator = np.random.default_rng(seed)
    if isinstance(test, int | float | np.number) and not isinstance(test, bool):
        if not 0 < test < 1:
            raise ValueError(
                "`test` must be a share above 0 and below 1, or a list of "
                f"groups. Received: {test}"
            )
        if groups is None:
            return _draw_clips(labels, test, generator)
        return _draw_groups(groups, test, generator)
    if groups is None or isinstance(test, str):
        raise ValueError(
            f"`test` must be a share above 0 and below 1. Received: {test!r}"
        )
    wanted = np.asarray(list(test))
    there = np.unique(groups)
    missing = [value for value in wanted.tolist() if value not in there]
    if missing or not wanted.size:
        raise ValueError(
            f"No clip is of the group {_names.list_some(missing)}; there are "
            f"{_names.list_some(there.tolist())}."
        )
    is_test = np.isin(groups, wanted)
    if is_test.all():
        raise ValueError("`test` names all groups; none is left for training.")
    return is_test


def _draw_clips(labels, share, generator):
    """A share of each class, and at least one clip on each side."""
    is_test = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        members = generator.permutation(np.flatnonzero(labels == label))
        count = int(round(share * len(members)))
        if len(members) > 1:
            count = min(max(count, 1), len(members) - 1)
        else:
            count = 0
        is_test[members[:count]] = True
    if not is_test.any():
        raise ValueError(
            "Every class has one clip only, so none can be tested. Pass "
            "`labels` or more clips."
        )
    return is_test


def _draw_groups(groups, share, generator):
    """Whole groups, about a share of the clips, one on each side."""
    values, counts = np.unique(groups, return_counts=True)
    if len(values) < 2:
        raise ValueError(
            "All clips are of one group, "
            f"{_names.list_some(values.tolist())}: it cannot be divided."
        )
    wanted = share * counts.sum()
    chosen, size = [], 0
    for group in generator.permutation(len(values)).tolist():
        # As near to the share as whole groups come.
        if abs(size + counts[group] - wanted) <= abs(size - wanted):
            chosen.append(group)
            size += counts[group]
    chosen = chosen[: len(values) - 1] or [int(np.argmin(counts))]
    return np.isin(groups, values[chosen])


def resample(clip, source, target):
    """Brings a clip to another frame rate.

    Places between two frames lie on the line between them; where a joint is
    lost (zeros) in one of them, it is as in the nearer one.

    Args:
        clip: float array `(P, T, V, C)`.
        source: Frames per second that it has.
        target: Frames per second to get.

    Returns:
        float32 array `(P, K, V, C)` from the first frame on, as far as the
        clip goes.
    """
    length = clip.shape[1]
    # A hair more, so that a last frame is not lost to rounding.
    count = int((length - 1) / source * target + 1e-6) + 1
    places = np.minimum(np.arange(count) * (source / target), length - 1)
    before = np.floor(places + 1e-9).astype(int)
    after = np.minimum(before + 1, length - 1)
    share = np.clip(places - before, 0, 1)[:, None, None]
    first, second = clip[:, before], clip[:, after]
    mixed = first + share * (second - first)
    is_lost = ~(first.any(-1) & second.any(-1))
    nearer = np.where(share < 0.5, first, second)
    return np.where(is_lost[..., None], nearer, mixed).astype("float32")
