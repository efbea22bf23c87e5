"""Fusion of the scores of several models for the same clips."""

import numpy as np


def fuse_scores(scores, weights=None, probabilities=False):
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

    Returns:
        Array `(N, classes)`.

    Raises:
        ValueError: If shapes or numbers of models and weights differ.

    Example:

    >>> fuse_scores([[[1.0, 0.0]], [[0.0, 3.0]]], [1.0, 0.5])
    array([[1. , 1.5]])
    """
    if isinstance(scores, dict):
        names = list(scores)
        if isinstance(weights, dict):
            if set(weights) != set(names):
                raise ValueError(
                    "`weights` must name the models of `scores`. Received "
                    f"{sorted(weights)} for {sorted(names)}."
                )
            weights = [weights[name] for name in names]
        scores = [scores[name] for name in names]
    elif isinstance(weights, dict):
        raise ValueError(
            "`weights` by name need `scores` by name, a dictionary."
        )
    arrays = [np.asarray(array) for array in scores]
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
    if probabilities:
        arrays = [_softmax(array) for array in arrays]
    return sum(
        float(weight) * array
        for weight, array in zip(weights, arrays, strict=True)
    )


def _softmax(scores):
    exponential = np.exp(scores - scores.max(axis=1, keepdims=True))
    return exponential / exponential.sum(axis=1, keepdims=True)
