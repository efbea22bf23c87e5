"""Virtual joints: their place in the graph, first values and divergence."""

import keras
import numpy as np
from keras import ops

TINY = 1e-8


def virtual_joint_graph(num_joints, edges, num_virtual_joints=0):
    """Adjacency of a skeleton and of virtual joints that see all of it.

    Every joint is linked to itself and along the bones; every virtual joint
    to itself and to all real joints, but to no other virtual one.

    Args:
        num_joints: Number of real joints, `V`.
        edges: Pairs `(child, parent)` of joints.
        num_virtual_joints: Number of virtual joints, numbered from `V`.

    Returns:
        Symmetric float32 array `(V + virtual, V + virtual)` of 0 and 1.

    Example:

    >>> virtual_joint_graph(2, [(1, 0)], 1).tolist()
    [[1.0, 1.0, 1.0], [1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]
    """
    matrix = np.eye(num_joints + num_virtual_joints, dtype="float32")
    for child, parent in edges:
        matrix[child, parent] = matrix[parent, child] = 1
    matrix[:num_joints, num_joints:] = 1
    matrix[num_joints:, :num_joints] = 1
    return matrix


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
