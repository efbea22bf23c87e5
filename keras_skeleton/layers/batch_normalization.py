"""Batch normalization with the running statistics of the published code."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_skeleton")
class BatchNormalization(keras.layers.BatchNormalization):
    """`keras.layers.BatchNormalization` that tracks the unbiased variance.

    All published systems were trained with PyTorch, whose running variance
    averages the unbiased batch variance (n - 1 in the denominator) while the
    normalization itself uses the biased one; Keras averages the biased one.
    The variance is computed from centred values: Keras subtracts the squared
    mean from the mean square, which loses digits where features lie far from
    0 compared to their spread. The defaults of `momentum` and `epsilon` are
    PyTorch's as well.

    Args:
        momentum: Weight of the old running statistics (PyTorch's 0.1 is 0.9).
        epsilon: Added to the variance.
        **kwargs: As in `keras.layers.BatchNormalization`.
    """

    def __init__(self, axis=-1, momentum=0.9, epsilon=1e-5, **kwargs):
        super().__init__(
            axis=axis, momentum=momentum, epsilon=epsilon, **kwargs
        )

    def call(self, inputs, training=None, mask=None):
        if not training or not self.trainable:
            return super().call(inputs, training=training, mask=mask)
        x = ops.cast(inputs, self.moving_mean.dtype)
        rank = len(x.shape)
        axes = [axis for axis in range(rank) if axis != self.axis % rank]
        mean = ops.mean(x, axis=axes, keepdims=True)
        variance = ops.mean(ops.square(x - mean), axis=axes)
        mean = ops.squeeze(mean, axis=axes)
        values = ops.cast(ops.size(x) // x.shape[self.axis], x.dtype)
        unbiased = variance * values / ops.maximum(values - 1, 1)
        for moving, batch in (
            (self.moving_mean, mean),
            (self.moving_variance, unbiased),
        ):
            moving.assign(moving * self.momentum + batch * (1 - self.momentum))
        outputs = ops.batch_normalization(
            x,
            mean,
            variance,
            axis=self.axis,
            offset=self.beta if self.center else None,
            scale=self.gamma if self.scale else None,
            epsilon=self.epsilon,
        )
        return ops.cast(outputs, self.compute_dtype)
