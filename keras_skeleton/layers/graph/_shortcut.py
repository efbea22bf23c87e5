"""What the graph convolutions end in: a normalization and a shortcut."""

import keras
from keras import ops

from keras_skeleton.layers import _joined
from keras_skeleton.layers.batch_normalization import BatchNormalization
from keras_skeleton.layers.temporal import kernel_initializer


class ShortcutLayer(keras.layers.Layer):
    """Base of layers whose result is `relu(norm(y) + shortcut(x))`.

    The shortcut is pointwise with a normalization (`shortcut`,
    `shortcut_norm`) where the number of channels changes, and else the
    identity.

    Args:
        filters: Channels of the output.
        gamma: Scale of the normalization at first. Almost nothing by
            default: blocks begin as their shortcuts.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    def __init__(self, filters, gamma=1e-6, **kwargs):
        super().__init__(**kwargs)
        if filters < 1:
            raise ValueError(
                f"`filters` must be at least 1. Received filters={filters}."
            )
        self.filters = filters
        self.norm = BatchNormalization(
            gamma_initializer=keras.initializers.Constant(gamma),
            name="norm",
            dtype=self.dtype_policy,
        )
        self.shortcut = None

    def pointwise(self, channels, name, initializer=None):
        """A dense layer over the channels, not built yet."""
        return keras.layers.Dense(
            channels,
            kernel_initializer=initializer or kernel_initializer(),
            name=name,
            dtype=self.dtype_policy,
        )

    def build_end(self, input_shape, initializer=None):
        """Builds the normalization and, where it is needed, the shortcut."""
        output_shape = self.compute_output_shape(input_shape)
        self.norm.build(output_shape)
        if input_shape[-1] != self.filters:
            self.shortcut = self.pointwise(
                self.filters, "shortcut", initializer
            )
            self.shortcut.build(input_shape)
            self.shortcut_norm = BatchNormalization(
                name="shortcut_norm", dtype=self.dtype_policy
            )
            self.shortcut_norm.build(output_shape)

    def uses_batch_statistics(self, training):
        """Whether `norm` is one of batch statistics, and not a linear map."""
        return training and self.norm.trainable

    def end(self, normalized, inputs, training):
        """`relu(normalized + shortcut(inputs))`."""
        if self.shortcut is not None:
            inputs = _joined.normalized_linear(
                inputs, [self.shortcut], [self.shortcut_norm], training
            )
        return ops.relu(normalized + inputs)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.filters)
