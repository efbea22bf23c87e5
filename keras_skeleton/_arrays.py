"""What is computed in NumPy, from arrays of whatever kind."""

import numpy as np
from numpy.typing import ArrayLike
from numpy.typing import DTypeLike


def to_numpy(value: ArrayLike, dtype: DTypeLike = None) -> np.ndarray:
    """An array of anything like one, tensors of any backend included.

    What a model gives outside of `predict` carries gradients in PyTorch, which
    NumPy does not take.
    """
    if hasattr(value, "detach"):
        value = value.detach().cpu()
    return np.asarray(value, dtype)
