"""Virtual joints: their first values, and what drives them apart."""

import keras
from keras import ops

TINY = 1e-8


@keras.saving.register_keras_serializable(package="keras_skeleton")
class DivergenceRegularizer(keras.regularizers.Regularizer):
    """Drives the rows of a variable apart.

    With `c[i, j]` the cosine of the rows `i` and `j` of `n`:
    `weight * (sum(relu(c)) - n) / (n * (n - 1))`. It is 1 for equal rows and
    0 for rows that are at right angles or further apart; without two rows
    there is nothing to drive apart, and it is 0.

    Args:
        weight: Factor.

    Example:

    >>> float(DivergenceRegularizer(1.0)(ops.ones((3, 8))))
    1.0
    """

    def __init__(self, weight=1.0):
        self.weight = float(weight)

    def __call__(self, x):
        rows = x.shape[0]
        if rows < 2:
            return ops.zeros((), dtype=x.dtype)
        products = ops.matmul(x, ops.transpose(x))
        # Not the root of the squared norms: its gradient is safe at 0 rows.
        norms = safe_sqrt(ops.sum(ops.square(x), axis=1))
        cosines = products / (norms[:, None] * norms[None] + TINY)
        excess = ops.sum(ops.relu(cosines)) - rows
        return self.weight * excess / (rows * (rows - 1))

    def get_config(self):
        return {"weight": self.weight}


@keras.saving.register_keras_serializable(package="keras_skeleton")
class RepeatedRow(keras.initializers.Initializer):
    """One standard normal row, repeated for every row of the variable."""

    def __call__(self, shape, dtype=None):
        row = keras.initializers.RandomNormal(stddev=1.0)(
            (1, *shape[1:]), dtype
        )
        # A product, and not a view of one row, which could not be assigned to.
        return ops.ones(shape, dtype) * row


def safe_sqrt(x):
    """Square root with the gradient 0 at 0, where it would be infinite."""
    is_zero = ops.equal(x, 0)
    return ops.where(is_zero, 0.0, ops.sqrt(ops.where(is_zero, 1.0, x)))
