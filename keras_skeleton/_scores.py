"""From class scores to probabilities. NumPy only."""

import numpy as np
from numpy.typing import ArrayLike

from keras_skeleton._arrays import to_numpy


def to_probabilities(scores: ArrayLike) -> np.ndarray:
    """The softmax of class scores.

    Args:
        scores: Array `(..., classes)` of logits.

    Returns:
        Array of the same shape, whose last axis sums to 1.

    Example:

    >>> to_probabilities([[0.0, 0.0], [1000.0, 0.0]])
    array([[0.5, 0.5],
           [1. , 0. ]])
    """
    scores = to_numpy(scores)
    exponential = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return exponential / exponential.sum(axis=-1, keepdims=True)
