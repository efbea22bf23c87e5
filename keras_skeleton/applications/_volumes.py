"""A small residual network of pictures in time, and what follows it."""

import keras
from keras import ops

from keras_skeleton.layers import BatchNormalization
from keras_skeleton.layers import _joined
from keras_skeleton.layers.convolution import Kernel
from keras_skeleton.layers.convolution import convolve_volume


class _Convolutions(keras.layers.Layer):
    """Base of layers of convolutions, each with its batch normalization."""

    def add_convolution(self, name, shape):
        """A kernel over frames, rows and columns, and its normalization."""
        kernel = Kernel(shape, 3, name=name, dtype=self.dtype_policy)
        kernel.build()
        norm = BatchNormalization(name=f"{name}_norm", dtype=self.dtype_policy)
        norm.build((None, shape[-1]))
        setattr(self, name, kernel)
        setattr(self, f"{name}_norm", norm)

    def convolve(self, x, name, strides, training):
        """Convolution and normalization."""
        return _joined.normalized(
            lambda kernel: convolve_volume(x, kernel, strides),
            [getattr(self, name)],
            [getattr(self, f"{name}_norm")],
            training,
        )


@keras.saving.register_keras_serializable(package="keras_skeleton")
class VolumeStem(_Convolutions):
    """Convolution over 3 frames and 7 x 7 pixels, at every other pixel.

    Args:
        filters: Channels of the output.
        **kwargs: Arguments of `keras.layers.Layer`.

    Input shape: `(N, T, H, W, C)`.

    Output shape: `(N, T, H', W', filters)` with `H' = ceil(H / 2)`.
    """

    def __init__(self, filters, **kwargs):
        super().__init__(**kwargs)
        self.filters = filters

    def build(self, input_shape):
        shape = (3, 7, 7, input_shape[-1], self.filters)
        self.add_convolution("convolution", shape)

    def call(self, inputs, training=None):
        return ops.relu(self.convolve(inputs, "convolution", (1, 2), training))

    def get_config(self):
        return {**super().get_config(), "filters": self.filters}


@keras.saving.register_keras_serializable(package="keras_skeleton")
class VolumeBlock(_Convolutions):
    """Residual block of two convolutions over 3 frames and 3 x 3 pixels.

    Args:
        filters: Channels of the output.
        strides: Frames, and pixels, from one output to the next.
        **kwargs: Arguments of `keras.layers.Layer`.

    Input shape: `(N, T, H, W, C)`.

    Output shape: `(N, T', H', W', filters)`, sizes divided and rounded up.
    """

    def __init__(self, filters, strides=(1, 1), **kwargs):
        super().__init__(**kwargs)
        self.filters = filters
        self.strides = tuple(strides)

    def build(self, input_shape):
        channels = input_shape[-1]
        self.add_convolution("first", (3, 3, 3, channels, self.filters))
        self.add_convolution("second", (3, 3, 3, self.filters, self.filters))
        self.has_shortcut = channels != self.filters or max(self.strides) > 1
        if self.has_shortcut:
            self.add_convolution("shortcut", (1, 1, 1, channels, self.filters))

    def call(self, inputs, training=None):
        y = ops.relu(self.convolve(inputs, "first", self.strides, training))
        y = self.convolve(y, "second", (1, 1), training)
        if self.has_shortcut:
            inputs = self.convolve(inputs, "shortcut", self.strides, training)
        return ops.relu(y + inputs)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "strides": list(self.strides),
        }


def residual_volumes(x, stages, blocks, dtype):
    """Features of video, a graph of flat layers.

    Args:
        x: Symbolic tensor `(N, T, H, W, C)`.
        stages: For each stage its channels and its strides over frames and
            over pixels.
        blocks: Blocks of each stage.
        dtype: Data type policy of the layers.

    Returns:
        Symbolic tensor `(N, T', H', W', D)`.
    """
    x = VolumeStem(stages[0][0], name="stem", dtype=dtype)(x)
    for stage, (filters, frames, pixels) in enumerate(stages):
        for i in range(blocks):
            strides = (frames, pixels) if i == 0 else (1, 1)
            x = VolumeBlock(
                filters,
                strides,
                name=f"stage_{stage}_block_{i}",
                dtype=dtype,
            )(x)
    return x
