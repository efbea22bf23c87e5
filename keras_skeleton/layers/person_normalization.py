"""Normalization of the coordinates of each joint of each person."""

import keras
from keras import ops

from keras_skeleton.layers.batch_normalization import BatchNormalization


@keras.saving.register_keras_serializable(package="keras_skeleton")
class PersonNormalization(BatchNormalization):
    """Batch normalization for each person, joint and channel by itself.

    The statistics are those over samples and frames. The variables are flat:
    the entry of person `m`, joint `v` and channel `c` is
    `(m * V + v) * C + c`. Where persons share them, the statistics are those
    over persons too, and there are no entries for each person.

    Args:
        shared: Whether all persons are normalized alike.
        **kwargs: As in `BatchNormalization`.

    Input and output shape: `(N, M, T, V, C)`.
    """

    def __init__(self, shared=False, **kwargs):
        super().__init__(**kwargs)
        self.shared = shared

    def build(self, input_shape):
        _, persons, _, joints, channels = input_shape
        persons = 1 if self.shared else persons
        super().build((None, None, persons * joints * channels))
        self.input_spec = None

    def call(self, inputs, training=None):
        persons, _, joints, channels = inputs.shape[1:]
        shape = (1 if self.shared else persons, 1, joints, channels)
        axes = (0, 1, 2) if self.shared else (0, 2)
        x = ops.cast(inputs, self.moving_mean.dtype)
        mean, variance = self.moving_mean, self.moving_variance
        batch_statistics = training and self.trainable
        if batch_statistics:
            mean = ops.reshape(ops.mean(x, axis=axes), (-1,))
        x = x - ops.reshape(mean, shape)
        if batch_statistics:
            variance = ops.reshape(ops.mean(ops.square(x), axis=axes), (-1,))
            count = ops.cast(ops.size(x) // mean.shape[0], x.dtype)
            unbiased = variance * (count / ops.maximum(count - 1, 1))
            for moving, batch in (
                (self.moving_mean, mean),
                (self.moving_variance, unbiased),
            ):
                moving.assign(
                    moving * self.momentum + batch * (1 - self.momentum)
                )
        scale = self.gamma * ops.rsqrt(variance + self.epsilon)
        outputs = x * ops.reshape(scale, shape) + ops.reshape(self.beta, shape)
        return ops.cast(outputs, self.compute_dtype)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "shared": self.shared}
