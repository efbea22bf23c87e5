"""Convolutions over time, each joint by itself."""

import functools

import keras
from keras import ops

from keras_skeleton.layers import _joined
from keras_skeleton.layers.batch_normalization import BatchNormalization

PADDINGS = ("zeros", "edge")


def kernel_initializer():
    """He's normal initialization by outputs.

    As published for CTR-GCN, PSUMNet and Hyper-GCN.
    """
    return keras.initializers.VarianceScaling(
        2.0, mode="fan_out", distribution="untruncated_normal"
    )


@keras.saving.register_keras_serializable(package="keras_skeleton")
class TemporalConvolution(keras.layers.Layer):
    """Convolution over time with padding on both sides.

    Unlike Keras' `padding="same"`, the padding is the same on both sides
    whatever the stride, as in the published code.

    Args:
        filters: Channels of the output.
        kernel_size: Frames in the kernel, an odd number.
        stride: Frames from one output to the next.
        dilation: Frames from one entry of the kernel to the next.
        padding: `"zeros"`, or `"edge"` to repeat the first and last frame.
        kernel_initializer: Defaults to He's normal initialization by outputs.
        **kwargs: Arguments of `keras.layers.Layer`.

    Input shape: `(B, T, V, C)`.

    Output shape: `(B, T', V, filters)` with `T' = ceil(T / stride)`.

    Example:

    >>> TemporalConvolution(8, 9, stride=2)(ops.zeros((2, 15, 25, 3))).shape
    (2, 8, 25, 8)
    """

    def __init__(
        self,
        filters,
        kernel_size,
        stride=1,
        dilation=1,
        padding="zeros",
        kernel_initializer=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        check(kernel_size, stride, (dilation,), padding)
        self.filters = filters
        self.kernel_size = kernel_size
        self.stride = stride
        self.dilation = dilation
        self.padding = padding
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def build(self, input_shape):
        self.kernel = self.add_weight(
            name="kernel",
            shape=(self.kernel_size, input_shape[-1], self.filters),
            initializer=self.kernel_initializer or kernel_initializer(),
        )
        self.bias = self.add_weight(
            name="bias", shape=(self.filters,), initializer="zeros"
        )

    def call(self, inputs):
        return self.convolve(inputs, self.kernel) + self.bias

    def convolve(self, inputs, kernel):
        """The convolution with any kernel, without the bias."""
        stride, dilation, last_stride = self.stride, self.dilation, 1
        # At stride 1 the backends pad both sides alike, without a copy.
        is_padded_inside = stride == 1 and self.padding == "zeros"
        x = inputs
        if not is_padded_inside:
            margin = dilation * (self.kernel_size // 2)
            x = pad_frames(x, margin, self.padding)
        # Backends do not take strides together with dilations.
        if dilation % stride == 0:
            x = take_every(x, stride)
            stride, dilation = 1, dilation // stride
        elif dilation > 1:
            stride, last_stride = 1, stride
        padding = "same" if is_padded_inside else "valid"
        x = _over_frames(x, kernel, stride, dilation, padding)
        return take_every(x, last_stride)

    def compute_output_shape(self, input_shape):
        batch, frames, joints, _ = input_shape
        return batch, -(-frames // self.stride), joints, self.filters

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "stride": self.stride,
            "dilation": self.dilation,
            "padding": self.padding,
            "kernel_initializer": keras.initializers.serialize(
                self.kernel_initializer
            ),
        }


@keras.saving.register_keras_serializable(package="keras_skeleton")
class MultiScaleTemporalConvolution(keras.layers.Layer):
    """Convolutions over time at several scales, side by side.

    Every branch begins with a pointwise convolution to its share of the
    channels and a batch normalization. Then:

    - one branch for each dilation: ReLU, temporal convolution, normalization;
    - one branch: ReLU, maximum over 3 frames, normalization;
    - one branch: nothing more.

    There is no residual, and an activation at the end only on demand.

    Sub-layers of branch `i`, in the order above: `pointwise_{i}` and
    `pointwise_norm_{i}` of all, `convolution_{i}` and `convolution_norm_{i}`
    of the first, `pooling_norm` of the pooling branch.

    Args:
        filters: Channels of the output, a multiple of the number of branches
            (two more than dilations).
        kernel_size: Frames in the kernels, an odd number.
        dilations: Dilation of each convolution.
        stride: Frames from one output to the next.
        padding: `"zeros"`, or `"edge"` to repeat the first and last frame,
            for the convolutions.
        relu: Whether a ReLU follows, as in PYSKL's form of CTR-GCN.
        **kwargs: Arguments of `keras.layers.Layer`.

    Input shape: `(B, T, V, C)`.

    Output shape: `(B, T', V, filters)` with `T' = ceil(T / stride)`.

    Example:

    >>> layer = MultiScaleTemporalConvolution(64, stride=2)
    >>> layer(ops.zeros((2, 52, 20, 32))).shape
    (2, 26, 20, 64)

    Reference: Chen et al., Channel-wise Topology Refinement Graph
    Convolution for Skeleton-Based Action Recognition, ICCV 2021,
    arXiv 2107.12213.
    """

    def __init__(
        self,
        filters,
        kernel_size=5,
        dilations=(1, 2),
        stride=1,
        padding="zeros",
        relu=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        dilations = tuple(int(dilation) for dilation in dilations)
        check(kernel_size, stride, dilations, padding)
        branches = len(dilations) + 2
        if filters < 1 or filters % branches:
            raise ValueError(
                f"`filters` must be a multiple of the {branches} branches "
                f"({len(dilations)} dilations, pooling and pointwise). "
                f"Received filters={filters}."
            )
        self.filters = filters
        self.kernel_size = kernel_size
        self.dilations = dilations
        self.stride = stride
        self.padding = padding
        self.relu = relu
        self._width = width = filters // branches
        policy = {"dtype": self.dtype_policy}
        self.pointwise = [
            keras.layers.Dense(
                width,
                kernel_initializer=kernel_initializer(),
                name=f"pointwise_{i}",
                **policy,
            )
            for i in range(branches)
        ]
        self.pointwise_norms = [
            self._norm(f"pointwise_norm_{i}") for i in range(branches)
        ]
        self.convolutions = [
            TemporalConvolution(
                width,
                kernel_size,
                stride,
                dilation,
                padding,
                name=f"convolution_{i}",
                **policy,
            )
            for i, dilation in enumerate(dilations)
        ]
        self.convolution_norms = [
            self._norm(f"convolution_norm_{i}") for i in range(len(dilations))
        ]
        self.pooling_norm = self._norm("pooling_norm")

    def _norm(self, name):
        initializer = keras.initializers.RandomNormal(mean=1.0, stddev=0.02)
        return BatchNormalization(
            gamma_initializer=initializer, name=name, dtype=self.dtype_policy
        )

    def build(self, input_shape):
        inner = (*input_shape[:-1], self._width)
        for layer in self.pointwise:
            layer.build(input_shape)
        for layer in (
            *self.pointwise_norms,
            *self.convolutions,
            *self.convolution_norms,
            self.pooling_norm,
        ):
            layer.build(inner)

    def call(self, inputs, training=None):
        outputs = ops.concatenate(self.branches(inputs, training), axis=-1)
        return ops.relu(outputs) if self.relu else outputs

    def branches(self, inputs, training=None):
        """The outputs of the branches, `(B, T', V, filters / branches)`."""
        count = len(self.pointwise)
        if self.stride == 1:
            *inner, pointwise = self._pointwise(inputs, 0, count, training)
        else:
            inner = self._pointwise(inputs, 0, count - 1, training)
            kept = take_every(inputs, self.stride)
            (pointwise,) = self._pointwise(kept, count - 1, count, training)
        *inner, pooled = (ops.relu(x) for x in inner)
        outputs = [
            _joined.normalized(
                functools.partial(convolution.convolve, x),
                [convolution],
                [norm],
                training,
            )
            for x, convolution, norm in zip(
                inner, self.convolutions, self.convolution_norms, strict=True
            )
        ]
        pooled = _joined.normalize(
            max_over_frames(pooled, self.stride), [self.pooling_norm], training
        )
        return [*outputs, pooled, pointwise]

    def _pointwise(self, x, first, last, training):
        x = _joined.normalized_linear(
            x,
            self.pointwise[first:last],
            self.pointwise_norms[first:last],
            training,
        )
        return ops.split(x, last - first, axis=-1)

    def compute_output_shape(self, input_shape):
        batch, frames, joints, _ = input_shape
        return batch, -(-frames // self.stride), joints, self.filters

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "dilations": list(self.dilations),
            "stride": self.stride,
            "padding": self.padding,
            "relu": self.relu,
        }


def _over_frames(x, kernel, stride, dilation, padding):
    """Convolution of `(B, T, V, C)` over the frames."""
    options = {"padding": padding, "data_format": "channels_last"}
    if keras.backend.backend() != "jax":
        return ops.conv(
            x,
            kernel[:, None],
            strides=(stride, 1),
            dilation_rate=(dilation, 1),
            **options,
        )
    # Without an accelerator, XLA takes up to twice as long over kernels with
    # an axis of length 1, above all for their gradients.
    _, frames, joints, channels = x.shape
    x = ops.reshape(ops.transpose(x, (0, 2, 1, 3)), (-1, frames, channels))
    x = ops.conv(x, kernel, stride, dilation_rate=dilation, **options)
    x = ops.reshape(x, (-1, joints, *x.shape[1:]))
    return ops.transpose(x, (0, 2, 1, 3))


def pad_frames(x, margin, padding):
    """Adds frames on both sides of `(B, T, V, C)`."""
    if not margin:
        return x
    if padding == "zeros":
        return ops.pad(x, ((0, 0), (margin, margin), (0, 0), (0, 0)))
    first, last = margin * [x[:, :1]], margin * [x[:, -1:]]
    return ops.concatenate([*first, x, *last], axis=1)


def take_every(x, stride):
    """Every `stride`-th frame of `(B, T, V, C)`, from the first on."""
    if stride == 1:
        return x
    _, frames, joints, channels = x.shape
    missing = -frames % stride
    if missing:
        x = ops.pad(x, ((0, 0), (0, missing), (0, 0), (0, 0)))
    # A strided slice takes several times as long on TensorFlow.
    x = ops.reshape(
        x, (-1, (frames + missing) // stride, stride * joints, channels)
    )
    return ops.split(x, stride, axis=2)[0]


def max_over_frames(x, stride):
    """Maximum of each frame and its neighbours; `x` must not be negative."""
    joints, channels = x.shape[2:]
    padding = "same"
    if stride > 1:
        x, padding = pad_frames(x, 1, "zeros"), "valid"
    x = ops.reshape(x, (-1, x.shape[1], joints * channels))
    x = ops.max_pool(
        x, 3, strides=stride, padding=padding, data_format="channels_last"
    )
    return ops.reshape(x, (-1, x.shape[1], joints, channels))


def check(kernel_size, stride, dilations, padding="zeros"):
    """Raises a `ValueError` for what no convolution over time can have."""
    if kernel_size < 1 or kernel_size % 2 == 0:
        raise ValueError(
            "`kernel_size` must be an odd number of frames, so that each "
            f"output has a middle. Received kernel_size={kernel_size}."
        )
    for name, value in (
        ("stride", stride),
        *(("dilation", d) for d in dilations),
    ):
        if value < 1:
            raise ValueError(
                f"A {name} must be at least 1. Received {name}={value}."
            )
    if padding not in PADDINGS:
        raise ValueError(
            f"`padding` must be one of {', '.join(map(repr, PADDINGS))}. "
            f"Received padding={padding!r}."
        )
