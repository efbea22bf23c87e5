"""ResNet with a dense end: the network in front of the heads of A2J.

ResNet-50 of four stages whose last one keeps the size of its input: its
strides became dilations, so that the third and the fourth have the same size,
a sixteenth of the picture.
"""

import keras
from keras import ops

from keras_skeleton.layers import BatchNormalization
from keras_skeleton.layers import _joined
from keras_skeleton.layers.convolution import Kernel
from keras_skeleton.layers.convolution import convolve_rows

# A block's output has so many times the channels of its convolution.
EXPANSION = 4
# Strides of the first block, dilation of the others, of each stage.
STAGES = ((1, 1), (2, 1), (2, 1), (1, 2))
# Pixels of the picture for each place of the third stage and of the fourth.
STRIDE = 16


@keras.saving.register_keras_serializable(package="keras_skeleton")
class ConvolutionNorm(keras.layers.Layer):
    """Convolution, batch normalization and, where asked for, ReLU.

    Args:
        filters: Channels of the output.
        size: Rows and columns of the kernel, odd.
        stride: Pixels from one output to the next.
        dilation: Pixels from one entry of the kernel to the next.
        relu: Whether negative outputs become 0.
        use_bias: Whether the convolution has a bias.
        initializer: Where the kernel starts, see `Kernel`.
        **kwargs: Arguments of `keras.layers.Layer`.

    Input shape: `(B, H, W, C)`.

    Output shape: `(B, H', W', filters)` with `H' = ceil(H / stride)`.
    """

    def __init__(
        self,
        filters,
        size=1,
        stride=1,
        dilation=1,
        relu=True,
        use_bias=False,
        initializer=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.filters = filters
        self.size = size
        self.stride = stride
        self.dilation = dilation
        self.relu = relu
        self.use_bias = use_bias
        self.initializer = keras.initializers.get(initializer)

    def build(self, input_shape):
        dtype = self.dtype_policy
        self.convolution = Kernel(
            (self.size, self.size, input_shape[-1], self.filters),
            use_bias=self.use_bias,
            initializer=self.initializer,
            name="convolution",
            dtype=dtype,
        )
        self.convolution.build()
        self.norm = BatchNormalization(name="norm", dtype=dtype)
        self.norm.build(self.compute_output_shape(input_shape))

    def call(self, inputs, training=None):
        def convolve(kernel):
            if self.size == 1:
                every = self.stride
                x = inputs if every == 1 else inputs[:, ::every, ::every]
                return ops.matmul(x, kernel[0, 0])
            return convolve_rows(inputs, kernel, self.stride, self.dilation)

        x = _joined.normalized(
            convolve, [self.convolution], [self.norm], training
        )
        return ops.relu(x) if self.relu else x

    def compute_output_shape(self, input_shape):
        batch, height, width, _ = input_shape
        every = self.stride
        return batch, -(-height // every), -(-width // every), self.filters

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "size": self.size,
            "stride": self.stride,
            "dilation": self.dilation,
            "relu": self.relu,
            "use_bias": self.use_bias,
            "initializer": keras.initializers.serialize(self.initializer),
        }


@keras.saving.register_keras_serializable(package="keras_skeleton")
class Bottleneck(keras.layers.Layer):
    """Residual block: narrow, convolve, widen.

        y = relu(norm(pointwise(x)))            to `filters` channels
        y = relu(norm(convolution(y)))          over 3 x 3 pixels
        relu(norm(pointwise(y)) + shortcut(x))  to `4 filters` channels

    The shortcut is pointwise with a normalization where the shape changes.

    Args:
        filters: Channels of the convolution.
        stride: Its stride.
        dilation: Its dilation.
        **kwargs: Arguments of `keras.layers.Layer`.

    Input shape: `(B, H, W, C)`.

    Output shape: `(B, H', W', 4 filters)` with `H' = ceil(H / stride)`.
    """

    def __init__(self, filters, stride=1, dilation=1, **kwargs):
        super().__init__(**kwargs)
        self.filters = filters
        self.stride = stride
        self.dilation = dilation

    def build(self, input_shape):
        policy, wide = self.dtype_policy, EXPANSION * self.filters
        self.narrow = ConvolutionNorm(self.filters, name="narrow", dtype=policy)
        self.convolution = ConvolutionNorm(
            self.filters,
            3,
            self.stride,
            self.dilation,
            name="convolution",
            dtype=policy,
        )
        self.widen = ConvolutionNorm(
            wide, relu=False, name="widen", dtype=policy
        )
        self.shortcut = None
        if self.stride != 1 or input_shape[-1] != wide:
            self.shortcut = ConvolutionNorm(
                wide,
                stride=self.stride,
                relu=False,
                name="shortcut",
                dtype=policy,
            )
            self.shortcut.build(input_shape)
        shape = input_shape
        for layer in (self.narrow, self.convolution, self.widen):
            layer.build(shape)
            shape = layer.compute_output_shape(shape)

    def call(self, inputs, training=None):
        x = self.narrow(inputs, training=training)
        x = self.convolution(x, training=training)
        x = self.widen(x, training=training)
        if self.shortcut is not None:
            inputs = self.shortcut(inputs, training=training)
        return ops.relu(x + inputs)

    def compute_output_shape(self, input_shape):
        batch, height, width, _ = input_shape
        every = self.stride
        wide = EXPANSION * self.filters
        return batch, -(-height // every), -(-width // every), wide

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "stride": self.stride,
            "dilation": self.dilation,
        }


def stages(x, filters, blocks, dtype=None):
    """The outputs of the stages of a ResNet, strides 4, 8, 16 and 16.

    Args:
        x: Symbolic pictures `(B, H, W, C)`.
        filters: Channels of the first convolution, 64 of ResNet-50.
        blocks: Blocks of each of the four stages, `(3, 4, 6, 3)` of
            ResNet-50.
        dtype: Data type policy of the layers.

    Returns:
        List of four feature maps; that of stage `s`, counted from 0, has
        `4 * 2**s * filters` channels.
    """
    x = ConvolutionNorm(filters, 7, 2, name="stem", dtype=dtype)(x)
    # Nothing is below 0 here, so zeros are as good as nothing.
    x = keras.layers.ZeroPadding2D(1, name="stem_padding", dtype=dtype)(x)
    x = keras.layers.MaxPooling2D(3, 2, name="stem_pooling", dtype=dtype)(x)
    found = []
    for stage, (count, (stride, dilation)) in enumerate(
        zip(blocks, STAGES, strict=True)
    ):
        for i in range(count):
            x = Bottleneck(
                filters * 2**stage,
                stride if i == 0 else 1,
                dilation if i else 1,
                name=f"stage_{stage}_block_{i}",
                dtype=dtype,
            )(x)
        found.append(x)
    return found
