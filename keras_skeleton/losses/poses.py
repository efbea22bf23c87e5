"""Losses of joints that are known."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_skeleton")
class JointDistance(keras.losses.Loss):
    """The mean distance between joints and their labels, in their unit.

    Joints whose label is all zeros were not found and do not count.

    Args:
        **kwargs: As in `keras.losses.Loss`.

    Call arguments:
        y_true: Joints `(N, ..., V, 3)`.
        y_pred: Joints `(N, ..., V, 3)` that are estimated.

    Returns:
        The mean over samples of the mean over their joints.

    Example:

    >>> loss = JointDistance()
    >>> float(loss([[[3.0, 4.0, 1.0], [0.0, 0.0, 0.0]]], ops.ones((1, 2, 3))))
    3.605...
    """

    def __init__(self, name="joint_distance", **kwargs):
        super().__init__(name=name, **kwargs)

    def call(self, y_true, y_pred):
        y_true = ops.cast(y_true, "float32")
        y_pred = ops.cast(y_pred, "float32")
        axes = tuple(range(1, len(y_true.shape) - 1))
        squares = ops.sum(ops.square(y_true - y_pred), axis=-1)
        # The root has no gradient at 0.
        distance = ops.sqrt(ops.maximum(squares, 1e-16))
        known = ops.cast(ops.any(y_true != 0, axis=-1), distance.dtype)
        count = ops.maximum(ops.sum(known, axis=axes), 1)
        return ops.sum(distance * known, axis=axes) / count
