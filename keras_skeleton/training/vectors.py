"""Vectors that are compared by their direction."""

from keras import ops


def unit_vectors(vectors):
    """Brings vectors to length 1; those of length 0 stay as they are.

    Nor does their gradient change. That of a division by the length is NaN
    there, and would spoil all weights.

    Args:
        vectors: Tensor `(..., D)`.
    """
    vectors = ops.convert_to_tensor(vectors)
    squares = ops.sum(ops.square(vectors), axis=-1, keepdims=True)
    return vectors * ops.rsqrt(ops.where(squares > 0, squares, 1.0))
