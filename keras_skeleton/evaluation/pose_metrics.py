"""Measures of estimated poses as metrics of Keras, for `compile`."""

import keras
from keras import ops

from keras_skeleton.evaluation import poses


@keras.saving.register_keras_serializable(package="keras_skeleton")
class JointError(keras.metrics.Mean):
    """Mean distance of joints from their true places, as `mpjpe`.

    Args:
        align: `None`, `"root"` or `"procrustes"`, see `joint_errors`.
        root: Number of the joint for `"root"`.
        unit: What errors are multiplied by: 100 shows metres as centimetres.
        name: Name of the metric.
        **kwargs: As in `keras.metrics.Metric`.

    Call arguments:
        y_true: Tensor `(..., V, C)`.
        y_pred: Tensor of the same shape.
        sample_weight: Optional tensor that broadcasts to `(..., V)` from the
            left: the weight of a sample, a frame or a joint; 0 leaves it out.

    Example:

    >>> model.compile("adam", "mae", metrics=[JointError(unit=100)])
    """

    def __init__(
        self, align=None, root=None, unit=1.0, name="joint_error", **kwargs
    ):
        super().__init__(name=name, **kwargs)
        poses.check_alignment(align, root)
        self.align = align
        self.root = root
        self.unit = unit

    def update_state(self, y_true, y_pred, sample_weight=None):
        y_true, y_pred = _same_form(y_true, y_pred)
        if self.align == "root":
            poses.check_alignment("root", self.root, y_true.shape[-2])
            at = slice(self.root, self.root + 1)
            y_pred = y_pred - y_pred[..., at, :] + y_true[..., at, :]
        elif self.align == "procrustes":
            y_pred = _procrustes(y_true, y_pred)
        errors = self.unit * _distances(y_true, y_pred)
        super().update_state(errors, _weights(sample_weight, errors))

    def get_config(self):
        return {
            **super().get_config(),
            "align": self.align,
            "root": self.root,
            "unit": self.unit,
        }


@keras.saving.register_keras_serializable(package="keras_skeleton")
class JointAccuracy(keras.metrics.Mean):
    """Share of joints near their true places, from 0 to 1; mAP at 10 cm.

    As Keras' own accuracies it is no percentage; `joint_accuracy` gives that.

    Args:
        threshold: Distance in the unit of the poses.
        inclusive: Whether a distance of exactly `threshold` counts, as in
            the published script of C3P; by default it does not.
        joint: Number of the only joint that counts, or `None` for all.
        name: Name of the metric.
        **kwargs: As in `keras.metrics.Metric`.

    Call arguments:
        y_true: See `JointError`, also for the other arguments.
    """

    def __init__(
        self,
        threshold=0.1,
        inclusive=False,
        joint=None,
        name="joint_accuracy",
        **kwargs,
    ):
        super().__init__(name=name, **kwargs)
        self.threshold = threshold
        self.inclusive = inclusive
        self.joint = joint

    def update_state(self, y_true, y_pred, sample_weight=None):
        y_true, y_pred = _same_form(y_true, y_pred)
        errors = _distances(y_true, y_pred)
        weights = _weights(sample_weight, errors)
        if self.joint is not None:
            errors = errors[..., self.joint]
            weights = None if weights is None else weights[..., self.joint]
        is_near = errors < self.threshold
        if self.inclusive:
            is_near = errors <= self.threshold
        super().update_state(ops.cast(is_near, "float32"), weights)

    def get_config(self):
        return {
            **super().get_config(),
            "threshold": self.threshold,
            "inclusive": self.inclusive,
            "joint": self.joint,
        }


def _same_form(y_true, y_pred):
    y_true, y_pred = (ops.cast(x, "float32") for x in (y_true, y_pred))
    if tuple(y_true.shape[-2:]) != tuple(y_pred.shape[-2:]) or (
        len(y_true.shape) != len(y_pred.shape)
    ):
        raise ValueError(
            "True and estimated poses must have one shape (..., joints, "
            f"coordinates). Received {tuple(y_true.shape)} and "
            f"{tuple(y_pred.shape)}."
        )
    if y_true.shape[-1] not in (2, 3):
        raise ValueError(
            "Joints have two or three coordinates. Received shape "
            f"{tuple(y_true.shape)}."
        )
    return y_true, y_pred


def _distances(y_true, y_pred):
    return ops.sqrt(ops.sum(ops.square(y_pred - y_true), axis=-1))


def _weights(sample_weight, errors):
    """Weights of the shape of errors, of those of samples or of frames."""
    if sample_weight is None:
        return None
    weights = ops.cast(sample_weight, errors.dtype)
    missing = len(errors.shape) - len(weights.shape)
    weights = ops.reshape(weights, (*ops.shape(weights), *missing * (1,)))
    return weights * ops.ones_like(errors)


def _procrustes(y_true, y_pred):
    """As `poses.procrustes`."""
    middle = ops.mean(y_true, axis=-2, keepdims=True)
    x = y_pred - ops.mean(y_pred, axis=-2, keepdims=True)
    y = y_true - middle
    left, size, right = ops.svd(ops.matmul(ops.swapaxes(x, -1, -2), y))
    turn = ops.matmul(left, right)
    sign = ops.where(_determinant(turn) < 0, -1.0, 1.0)
    # A reflection of the direction that matters least makes it a rotation.
    ones = ops.ones_like(size[..., :-1])
    signs = ops.concatenate([ones, sign[..., None]], axis=-1)
    turn = ops.matmul(left * signs[..., None, :], right)
    square = ops.sum(ops.square(x), axis=(-2, -1))
    scale = ops.sum(size * signs, axis=-1) / ops.where(square > 0, square, 1.0)
    return scale[..., None, None] * ops.matmul(x, turn) + middle


def _determinant(x):
    """That of matrices of 2 or 3 rows; XLA has none."""
    if x.shape[-1] == 2:
        return x[..., 0, 0] * x[..., 1, 1] - x[..., 0, 1] * x[..., 1, 0]
    rows = [x[..., i, :] for i in range(3)]
    return ops.sum(ops.cross(rows[0], rows[1]) * rows[2], axis=-1)
