"""Measures of classification, in NumPy. Accuracies are in percent."""

import math

import numpy as np
from numpy.typing import ArrayLike

from keras_skeleton._arrays import to_numpy


def top_k_accuracy(scores: ArrayLike, labels: ArrayLike, k=1) -> float:
    """Percentage of clips whose class is among the `k` highest scores.

    Of equal scores the class with the lower number counts as higher, as for
    `argmax`: a model that scores all classes alike is right about class 0
    only.

    Args:
        scores: Array `(N, classes)` of logits or probabilities.
        labels: N whole numbers, counted from 0.
        k: Positive whole number, at most the number of classes.

    Returns:
        A float, 0 to 100.

    Raises:
        ValueError: If shapes do not fit, a score is NaN, or a label is none
            of the classes.

    Example:

    >>> top_k_accuracy([[0.1, 0.9], [0.8, 0.2]], [1, 1])
    50.0
    """
    return 100.0 * float(np.mean(is_in_top_k(scores, labels, k)))


def is_in_top_k(scores: ArrayLike, labels: ArrayLike, k=1) -> np.ndarray:
    """Whether the class of each clip is among the `k` highest scores.

    Args:
        scores: See `top_k_accuracy`, also for the other arguments.

    Returns:
        Boolean array `(N,)`.
    """
    scores = to_numpy(scores)
    if scores.ndim != 2 or not scores.size:
        raise ValueError(
            "`scores` must have one row per clip and one column per class. "
            f"Received shape {scores.shape}."
        )
    nan = np.isnan(scores).any(axis=1)
    if nan.any():
        raise ValueError(
            f"The scores of {nan.sum()} of {len(scores)} clips are NaN, the "
            f"first those of clip {int(np.argmax(nan))}. Check the weights "
            "of the model and the clips."
        )
    labels = check_labels(labels, scores.shape[1], "labels", len(scores))
    if not isinstance(k, int | np.integer) or not 1 <= k <= scores.shape[1]:
        raise ValueError(
            f"`k` must be a whole number from 1 to the {scores.shape[1]} "
            f"classes. Received k={k!r}."
        )
    own = scores[np.arange(len(scores)), labels][:, None]
    is_before = np.arange(scores.shape[1]) < labels[:, None]
    rank = np.sum((scores > own) | ((scores == own) & is_before), axis=1)
    return rank < k


def confusion_matrix(
    labels: ArrayLike, predicted: ArrayLike, num_classes: int
) -> np.ndarray:
    """Counts how often each class is taken for each other.

    Args:
        labels: N whole numbers, the true classes, counted from 0.
        predicted: N whole numbers, the predicted classes.
        num_classes: Number of classes K.

    Returns:
        int64 array `(K, K)`: true class in rows, predicted in columns.

    Raises:
        ValueError: If lengths differ or a number is none of the classes.

    Example:

    >>> confusion_matrix([0, 1, 1], [0, 1, 0], num_classes=2)
    array([[1, 0],
           [1, 1]])
    """
    labels = check_labels(labels, num_classes, "labels")
    predicted = check_labels(predicted, num_classes, "predicted", len(labels))
    pairs = labels * num_classes + predicted
    counts = np.bincount(pairs, minlength=num_classes**2)
    return counts.reshape(num_classes, num_classes)


def per_class_accuracy(matrix: ArrayLike, absent=math.nan) -> np.ndarray:
    """Percentage of the clips of each class that were recognised.

    Args:
        matrix: Array `(K, K)` of `confusion_matrix`.
        absent: What stands for classes without clips. Defaults to NaN; the
            published code of PYSKL, and of what is built on it, has 0.

    Returns:
        Array `(K,)`, 0 to 100, or `absent`.
    """
    matrix = np.asarray(matrix)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ValueError(
            "`matrix` must be square, as `confusion_matrix` returns it. "
            f"Received shape {matrix.shape}."
        )
    clips = matrix.sum(axis=1)
    share = np.diagonal(matrix) / np.maximum(clips, 1)
    return np.where(clips > 0, 100.0 * share, absent)


def mean_class_accuracy(matrix: ArrayLike, absent=math.nan) -> float:
    """Mean of `per_class_accuracy` over the classes that have clips.

    With `absent=0`, as in the published code, classes without clips count as
    not recognised.
    """
    accuracy = per_class_accuracy(matrix, absent)
    if np.isnan(accuracy).all():
        raise ValueError("There are no clips to compute an accuracy of.")
    return float(np.nanmean(accuracy))


def class_groups(
    class_counts: ArrayLike, thresholds=None
) -> dict[str, np.ndarray]:
    """Parts the classes of long-tailed training data by their frequency.

    Args:
        class_counts: Training clips of each class.
        thresholds: `None` for thirds: the `int(C / 3)` most frequent of `C`
            classes, as many in the middle, and the rest, those that BRL
            shows more often (a choice: its authors state no groups). Or two
            numbers, usually 100 and 20: more clips than the first, at least
            the second, and fewer.

    Returns:
        Dict from `"many"`, `"medium"` and `"few"` to rising class numbers.

    Raises:
        ValueError: If the thresholds do not fall.

    Example:

    >>> class_groups([600, 30, 6])["few"]
    array([2])
    """
    counts = np.asarray(class_counts)
    if counts.ndim != 1 or not counts.size:
        raise ValueError(
            "`class_counts` must be one number for each class. Received shape "
            f"{counts.shape}."
        )
    if thresholds is None:
        order, third = np.argsort(-counts, kind="stable"), len(counts) // 3
        parts = np.split(order, [third, 2 * third])
        return dict(zip(_GROUPS, map(np.sort, parts), strict=True))
    high, low = thresholds
    if not high >= low:
        raise ValueError(
            "`thresholds` must be a higher and a lower number of clips. "
            f"Received thresholds={thresholds}."
        )
    parts = (counts > high, (counts >= low) & (counts <= high), counts < low)
    return dict(zip(_GROUPS, map(np.flatnonzero, parts), strict=True))


_GROUPS = ("many", "medium", "few")


def group_accuracy(matrix: ArrayLike, groups: dict) -> dict[str, float]:
    """Mean accuracy of the classes of each group, in percent.

    Args:
        matrix: Array `(K, K)` of `confusion_matrix`.
        groups: Dict from names to class numbers, see `class_groups`.

    Returns:
        Dict from the names to floats; NaN for groups without clips.

    Example:

    >>> groups = class_groups([600, 30, 6])
    >>> group_accuracy(np.diag([4, 4, 0]) + [[0, 0, 0], [0, 0, 0], [4, 0, 0]],
    ...                groups)
    {'many': 100.0, 'medium': 100.0, 'few': 0.0}
    """
    accuracy = per_class_accuracy(matrix)
    found = {}
    for name, classes in groups.items():
        own = accuracy[np.asarray(classes, "int64")]
        own = own[~np.isnan(own)]
        found[name] = float(own.mean()) if own.size else float("nan")
    return found


def check_labels(labels, num_classes, name="labels", length=None):
    """Returns class numbers as int64 `(N,)`, or raises a `ValueError`."""
    received = np.asarray(labels)
    if received.ndim != 1 or received.dtype.kind not in "iuf":
        raise ValueError(
            f"`{name}` must be one whole number for each clip (not one-hot "
            f"rows). Received shape {received.shape} and dtype "
            f"{received.dtype}."
        )
    if length is not None and len(received) != length:
        raise ValueError(
            f"There are {length} clips, but {len(received)} entries of "
            f"`{name}`."
        )
    in_range = (received >= 0) & (received < num_classes)
    outside = ~(in_range & (np.floor(received) == received))
    if outside.any():
        limit = "from 0 up"
        if np.isfinite(num_classes):
            limit = (
                f"from 0 to {num_classes - 1}, as there are {num_classes} "
                "classes"
            )
        raise ValueError(
            f"`{name}` must be whole numbers {limit}. Received "
            f"{received[outside][0]} for clip {int(np.argmax(outside))}."
        )
    return received.astype("int64")
