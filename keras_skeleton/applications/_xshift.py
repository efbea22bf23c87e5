"""X-ShiftNet: plain convolutions over space, shifted channels over time.

The network of one stream of EPAM-Net: X3D whose convolutions over time are
gone. Instead a part of the channels looks one frame ahead, another part one
frame back, before each block.
"""

import math

import keras
from keras import ops

from keras_skeleton.layers import BatchNormalization
from keras_skeleton.layers import _joined
from keras_skeleton.layers.convolution import Kernel
from keras_skeleton.layers.convolution import convolve_rows
from keras_skeleton.layers.convolution import depthwise_rows

# A squeeze-and-excitation block has so many times fewer hidden channels.
EXCITATION = 16
# Which blocks of a stage are excited, by the number of the block.
EXCITED = {
    "half": lambda i: i % 2 == 0,
    "all": lambda i: True,
    "none": lambda i: False,
}


def rounded_channels(channels, reduction=EXCITATION):
    """Hidden channels of the excitation of a block, a multiple of 8."""
    wanted = channels / reduction
    rounded = max(8, int(wanted + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * wanted else rounded + 8


def shift_frames(x, share):
    """Moves a part of the channels by a frame, and another one back.

    Of `C` channels the first `C // share` show the next frame, the `C //
    share` after them the one before, and the others stay. What comes from
    outside of the clip is 0.

    Args:
        x: Tensor `(N, T, ..., C)`.
        share: Whole number.

    Returns:
        Tensor of the same shape.
    """
    count = x.shape[-1] // share
    if count == 0:
        return x
    nothing = ops.zeros_like(x[:, :1, ..., :count])
    ahead = ops.concatenate([x[:, 1:, ..., :count], nothing], axis=1)
    back = x[:, :-1, ..., count : 2 * count]
    back = ops.concatenate([nothing, back], axis=1)
    return ops.concatenate([ahead, back, x[..., 2 * count :]], axis=-1)


def over_frames(function, x):
    """Applies a function of pictures to each frame of `(N, T, H, W, C)`."""
    y = function(ops.reshape(x, (-1, *x.shape[2:])))
    return ops.reshape(y, (-1, x.shape[1], *y.shape[1:]))


def _normal(outputs):
    """He's normal initialization by outputs, as published."""
    return keras.initializers.RandomNormal(stddev=math.sqrt(2 / outputs))


@keras.saving.register_keras_serializable(package="keras_skeleton")
class XShiftStem(keras.layers.Layer):
    """Convolution over 3 x 3 pixels, batch normalization, ReLU.

    Args:
        filters: Channels of the output.
        stride: Pixels from one output to the next.
        **kwargs: Arguments of `keras.layers.Layer`.

    Input shape: `(N, T, H, W, C)`.

    Output shape: `(N, T, H', W', filters)` with `H' = ceil(H / stride)`.
    """

    def __init__(self, filters, stride=1, **kwargs):
        super().__init__(**kwargs)
        self.filters = filters
        self.stride = stride

    def build(self, input_shape):
        dtype = self.dtype_policy
        shape = (3, 3, input_shape[-1], self.filters)
        self.convolution = Kernel(shape, name="convolution", dtype=dtype)
        self.convolution.build()
        self.norm = BatchNormalization(name="norm", dtype=dtype)
        self.norm.build(self.compute_output_shape(input_shape))

    def call(self, inputs, training=None):
        def convolve(kernel):
            return over_frames(
                lambda x: convolve_rows(x, kernel, self.stride), inputs
            )

        return ops.relu(
            _joined.normalized(
                convolve, [self.convolution], [self.norm], training
            )
        )

    def compute_output_shape(self, input_shape):
        return _strided(input_shape, self.stride, self.filters)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "stride": self.stride,
        }


@keras.saving.register_keras_serializable(package="keras_skeleton")
class XShiftBlock(keras.layers.Layer):
    """Residual block: shift over time, convolution over space.

        y = shift(x)
        y = relu(norm(expand(y)))           pointwise, to `expanded` channels
        y = norm(convolution(y))            depthwise over 3 x 3 pixels
        y = y * sigmoid(excite(relu(squeeze(mean(y)))))     where asked for
        y = norm(project(swish(y)))         pointwise, to `filters` channels
        relu(y + shortcut(x))

    The shift is on the residual branch only. The shortcut is pointwise with a
    normalization where the shape changes, and else the identity.

    Args:
        filters: Channels of the output.
        expanded: Channels between the pointwise maps.
        stride: Pixels from one output to the next.
        shift: A channel in so many looks ahead, and one back.
        is_excited: Whether means over the clip weigh the channels.
        reduction: So many times fewer are the hidden channels of that,
            rounded to a multiple of 8.
        **kwargs: Arguments of `keras.layers.Layer`.

    Input shape: `(N, T, H, W, C)`.

    Output shape: `(N, T, H', W', filters)` with `H' = ceil(H / stride)`.
    """

    def __init__(
        self,
        filters,
        expanded,
        stride=1,
        shift=8,
        is_excited=True,
        reduction=EXCITATION,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.filters = filters
        self.expanded = expanded
        self.stride = stride
        self.shift = shift
        self.is_excited = is_excited
        self.reduction = reduction

    def build(self, input_shape):
        channels = input_shape[-1]
        self._pointwise("expand", channels, self.expanded)
        self.convolution = Kernel(
            (3, 3, self.expanded), name="convolution", dtype=self.dtype_policy
        )
        self.convolution.build()
        self._norm("convolution_norm", self.expanded)
        if self.is_excited:
            hidden = rounded_channels(self.expanded, self.reduction)
            self.squeeze = self._dense("squeeze", self.expanded, hidden, True)
            self.excite = self._dense("excite", hidden, self.expanded, True)
        # At first the block is its shortcut.
        self._pointwise("project", self.expanded, self.filters, "zeros")
        self.has_shortcut = self.stride != 1 or channels != self.filters
        if self.has_shortcut:
            self._pointwise("shortcut", channels, self.filters)

    def _pointwise(self, name, inputs, outputs, gamma="ones"):
        setattr(self, name, self._dense(name, inputs, outputs))
        self._norm(f"{name}_norm", outputs, gamma)

    def _dense(self, name, inputs, outputs, use_bias=False):
        layer = keras.layers.Dense(
            outputs,
            use_bias=use_bias,
            kernel_initializer=_normal(outputs),
            name=name,
            dtype=self.dtype_policy,
        )
        layer.build((None, inputs))
        return layer

    def _norm(self, name, channels, gamma="ones"):
        layer = BatchNormalization(
            gamma_initializer=gamma, name=name, dtype=self.dtype_policy
        )
        layer.build((None, channels))
        setattr(self, name, layer)

    def call(self, inputs, training=None):
        def mapped(x, name):
            layer, norm = getattr(self, name), getattr(self, f"{name}_norm")
            return _joined.normalized_linear(x, [layer], [norm], training)

        y = ops.relu(mapped(shift_frames(inputs, self.shift), "expand"))
        y = _joined.normalized(
            lambda kernel: over_frames(
                lambda x: depthwise_rows(x, kernel, self.stride), y
            ),
            [self.convolution],
            [self.convolution_norm],
            training,
        )
        if self.is_excited:
            mean = ops.mean(y, axis=(1, 2, 3), keepdims=True)
            weight = ops.sigmoid(self.excite(ops.relu(self.squeeze(mean))))
            y = y * weight
        y = mapped(ops.silu(y), "project")
        if self.has_shortcut:
            every = self.stride
            inputs = mapped(inputs[:, :, ::every, ::every], "shortcut")
        return ops.relu(y + inputs)

    def compute_output_shape(self, input_shape):
        return _strided(input_shape, self.stride, self.filters)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "expanded": self.expanded,
            "stride": self.stride,
            "shift": self.shift,
            "is_excited": self.is_excited,
            "reduction": self.reduction,
        }


@keras.saving.register_keras_serializable(package="keras_skeleton")
class XShiftEnd(keras.layers.Layer):
    """Pointwise map, batch normalization, ReLU: the last layer of a stream.

    Args:
        filters: Channels of the output.
        **kwargs: Arguments of `keras.layers.Layer`.

    Input shape: `(N, T, H, W, C)`.

    Output shape: `(N, T, H, W, filters)`.
    """

    def __init__(self, filters, **kwargs):
        super().__init__(**kwargs)
        self.filters = filters

    def build(self, input_shape):
        dtype = self.dtype_policy
        self.pointwise = keras.layers.Dense(
            self.filters,
            use_bias=False,
            kernel_initializer=_normal(self.filters),
            name="pointwise",
            dtype=dtype,
        )
        self.pointwise.build(input_shape)
        self.norm = BatchNormalization(name="norm", dtype=dtype)
        self.norm.build((None, self.filters))

    def call(self, inputs, training=None):
        return ops.relu(
            _joined.normalized_linear(
                inputs, [self.pointwise], [self.norm], training
            )
        )

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.filters)

    def get_config(self):
        return {**super().get_config(), "filters": self.filters}


def _strided(input_shape, stride, filters):
    batch, frames, height, width, _ = input_shape
    return batch, frames, -(-height // stride), -(-width // stride), filters


def xshift_stream(
    x,
    name,
    *,
    width,
    blocks,
    expansion,
    strides,
    shift,
    excitation="half",
    reduction=EXCITATION,
    dtype=None,
):
    """The features of one stream, a graph of flat layers.

    Stages double the channels.

    Args:
        x: Symbolic tensor `(N, T, H, W, C)`.
        name: What the names of layers begin with.
        width: Channels of the stem and of the first stage.
        blocks: Number of blocks in each stage.
        expansion: Channels inside of a block, as a multiple of its output's.
        strides: Stride of the stem, and of the first block of each stage.
        shift: See `XShiftBlock`.
        excitation: Which blocks of a stage are excited: `"half"` (every other
            one, from the first on), `"all"` or `"none"`.
        reduction: See `XShiftBlock`.
        dtype: Data type policy of the layers.

    Returns:
        Symbolic tensor `(N, T, H', W', D)`.
    """
    x = XShiftStem(width, strides[0], name=f"{name}_stem", dtype=dtype)(x)
    for stage, count in enumerate(blocks):
        filters = width * 2**stage
        for i in range(count):
            x = XShiftBlock(
                filters,
                int(filters * expansion),
                stride=strides[stage + 1] if i == 0 else 1,
                shift=shift,
                is_excited=EXCITED[excitation](i),
                reduction=reduction,
                name=f"{name}_stage_{stage}_block_{i}",
                dtype=dtype,
            )(x)
    filters = int(x.shape[-1] * expansion)
    return XShiftEnd(filters, name=f"{name}_end", dtype=dtype)(x)
