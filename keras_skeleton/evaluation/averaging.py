"""Averages of class scores: over clips, persons and models. NumPy only."""

import numpy as np
from numpy.typing import ArrayLike

from keras_skeleton._arrays import to_numpy
from keras_skeleton._scores import to_probabilities


def average_scores(
    scores: ArrayLike, is_counted: ArrayLike | None = None, probabilities=False
) -> np.ndarray:
    """Averages what a model says about several clips or persons of a sample.

    Args:
        scores: Array `(N, K, ...)`: of each sample, `K` rows of class scores
            or features, one for each clip or person. Rows that lie in the
            batch one after another become it by `reshape(-1, K, ...)`.
        is_counted: Array `(N, K)` of booleans or weights, such as 0 for
            persons who are absent. All count alike by default; a sample
            whose rows do not count has the plain mean.
        probabilities: Whether the softmax of the scores is averaged, in place
            of the scores themselves.

    Returns:
        Array `(N, ...)`, of the type of `scores`.

    Raises:
        ValueError: If shapes do not fit or a weight is negative.

    Example:

    >>> average_scores([[[1.0, 0.0], [3.0, 2.0]]])
    array([[2., 1.]])
    >>> average_scores([[[1.0, 0.0], [3.0, 2.0]]], [[True, False]])
    array([[1., 0.]])
    """
    scores = to_numpy(scores)
    if scores.ndim < 3 or not scores.shape[1]:
        raise ValueError(
            "`scores` must have the shape (samples, clips or persons, "
            f"classes). Received shape {scores.shape}."
        )
    if probabilities:
        scores = to_probabilities(scores)
    if is_counted is None:
        return scores.mean(axis=1)
    weights = np.asarray(is_counted, dtype=scores.dtype)
    if weights.shape != scores.shape[:2] or (weights < 0).any():
        raise ValueError(
            "`is_counted` must be one number, not negative, for each row of "
            f"each sample, {scores.shape[:2]}. Received shape "
            f"{weights.shape}."
        )
    weights = np.where(weights.any(axis=1, keepdims=True), weights, 1)
    weights = weights / weights.sum(axis=1, keepdims=True)
    return np.einsum("nk,nk...->n...", weights, scores)


def fuse_scores(
    scores: ArrayLike | dict,
    weights: ArrayLike | dict | None = None,
    probabilities=False,
    names=None,
) -> np.ndarray:
    """Adds the class scores of several models.

    Published results of graph networks fuse models that were trained on
    joints, bones and their motion, or on parts of the body.

    Args:
        scores: Arrays `(N, classes)` of logits, a list or a dictionary; rows
            of all belong to the same clips.
        weights: Factor of each model, a list in the order of `scores` or a
            dictionary with the same keys. Defaults to 1 for each.
        probabilities: Whether the softmax of the scores is added, in place
            of the scores themselves.
        names: Names of the clips of each model, lists in the form of
            `scores`, which must be the same. By default nobody looks.

    Returns:
        Array `(N, classes)`.

    Raises:
        ValueError: If shapes, numbers of models and weights, or names of
            clips differ.

    Example:

    >>> fuse_scores([[[1.0, 0.0]], [[0.0, 3.0]]], [1.0, 0.5])
    array([[1. , 1.5]])
    """
    if isinstance(scores, dict):
        models = list(scores)
        if isinstance(weights, dict):
            if set(weights) != set(models):
                raise ValueError(
                    "`weights` must name the models of `scores`. Received "
                    f"{sorted(weights)} for {sorted(models)}."
                )
            weights = [weights[model] for model in models]
        if names is not None:
            names = [names[model] for model in models]
        scores = [scores[model] for model in models]
    elif isinstance(weights, dict):
        raise ValueError(
            "`weights` by name need `scores` by name, a dictionary."
        )
    arrays = [to_numpy(array) for array in scores]
    shapes = {array.shape for array in arrays}
    if len(shapes) != 1 or len(next(iter(shapes))) != 2:
        raise ValueError(
            "`scores` must be one or more arrays (clips, classes) of the "
            f"same shape. Received the shapes {sorted(shapes)}."
        )
    weights = np.ones(len(arrays)) if weights is None else np.asarray(weights)
    if weights.shape != (len(arrays),):
        raise ValueError(
            f"`weights` must be one number for each of the {len(arrays)} "
            f"models. Received an array of shape {weights.shape}."
        )
    if names is not None:
        _check_names(list(map(list, names)), len(arrays[0]))
    if probabilities:
        arrays = [to_probabilities(array) for array in arrays]
    return sum(
        float(weight) * array
        for weight, array in zip(weights, arrays, strict=True)
    )


def _check_names(names, number):
    """The rows of all models must belong to the same clips."""
    first, *others = names
    for which, other in enumerate(others, start=2):
        if len(first) == len(other) == number:
            differ = [i for i in range(number) if first[i] != other[i]]
            if not differ:
                continue
            row = differ[0]
            what = (
                f"{len(differ)} of {number} rows differ, the first being row "
                f"{row}: {first[row]!r} and {other[row]!r}"
            )
        else:
            what = f"there are {len(first)} and {len(other)} names"
        raise ValueError(
            "The scores of all models must be those of the same clips in the "
            f"same order. Of model 1 and model {which}, {what} (of {number} "
            "rows of scores)."
        )
