"""Pairs of what is near each other."""

import numpy as np


def nearest_pairs(distances, allowed):
    """Joins rows to columns, the nearest pair first, each at most once.

    Args:
        distances: float array `(rows, columns)`.
        allowed: bool array `(rows, columns)`, which pairs may be joined.

    Returns:
        Dict from rows to columns.

    Example:

    >>> distances = np.array([[1.0, 2.0], [0.5, 9.0]])
    >>> nearest_pairs(distances, distances < 5)
    {1: 0, 0: 1}
    """
    rows, columns = np.nonzero(allowed)
    order = np.argsort(distances[allowed], kind="stable")
    pairs, taken = {}, set()
    for row, column in zip(
        rows[order].tolist(), columns[order].tolist(), strict=True
    ):
        if row not in pairs and column not in taken:
            pairs[row] = column
            taken.add(column)
    return pairs
