"""Convolutions over pictures with the same padding on all sides."""

import math

import keras
from keras import ops

from keras_skeleton import _backends


class Kernel(keras.layers.Layer):
    """A kernel with which the layer that has it convolves.

    Args:
        shape: Shape of the kernel, channels of the output last.
        places: How many of its axes, the first ones, are places.
        use_bias: Whether there is a bias, which starts at 0.
        initializer: Where the kernel starts; He's normal initialization by
            outputs by default.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    bias = None

    def __init__(
        self, shape, places=2, use_bias=False, initializer=None, **kwargs
    ):
        super().__init__(**kwargs)
        self.shape_of_kernel = shape
        self.places = places
        self.use_bias = use_bias
        self.initializer = initializer

    def build(self, input_shape=None):
        shape = self.shape_of_kernel
        outputs = shape[-1] * math.prod(shape[: self.places])
        he_normal = keras.initializers.RandomNormal(
            stddev=math.sqrt(2 / outputs)
        )
        self.kernel = self.add_weight(
            name="kernel",
            shape=shape,
            initializer=self.initializer or he_normal,
        )
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias", shape=shape[-1:], initializer="zeros"
            )


def convolve_rows(x, kernel, stride=1, dilation=1):
    """Convolution that pads by half of the kernel on every side.

    Unlike Keras' `padding="same"`, whose padding hangs on stride and size.

    Args:
        x: Tensor `(B, H, W, C)`.
        kernel: Tensor `(rows, columns, C, filters)`, of odd sizes.
        stride: Pixels from one output to the next.
        dilation: Pixels from one entry of the kernel to the next; above 1
            only with a stride of 1.

    Returns:
        Tensor `(B, H', W', filters)` with `H' = ceil(H / stride)`.
    """
    return _convolved(ops.conv, x, kernel, stride, dilation)


def depthwise_rows(x, kernel, stride=1):
    """The same, each channel by itself.

    Args:
        x: Tensor `(B, H, W, C)`.
        kernel: Tensor `(rows, columns, C)`, of odd sizes.
        stride: Pixels from one output to the next.

    Returns:
        Tensor `(B, H', W', C)` with `H' = ceil(H / stride)`.
    """
    if _backends.is_jax_on_cpu():
        # Its own takes 15 to 80 times as long as one product for each entry
        # of the kernel, which become one loop.
        return _sum_of_products(_padded(x, kernel), x, kernel, stride)
    return _convolved(ops.depthwise_conv, x, kernel[..., None], stride)


def convolve_volume(x, kernel, strides=(1, 1)):
    """Convolution over time and space, padded by half of it on every side.

    It is one convolution over space of neighbouring frames put side by side:
    compilers take far longer over three axes on CPUs.

    Args:
        x: Tensor `(N, T, H, W, C)`.
        kernel: Tensor `(frames, rows, columns, C, filters)`, of odd sizes.
        strides: Frames, and pixels, from one output to the next.

    Returns:
        Tensor `(N, T', H', W', filters)`, sizes divided and rounded up.
    """
    x = _neighbours(x, kernel.shape[0], strides[0])
    x = ops.concatenate(x, axis=-1)
    frames, rows, columns, channels, filters = kernel.shape
    kernel = ops.transpose(kernel, (1, 2, 0, 3, 4))
    kernel = ops.reshape(kernel, (rows, columns, frames * channels, filters))
    y = convolve_rows(_folded(x), kernel, strides[1])
    return ops.reshape(y, (-1, x.shape[1], *y.shape[1:]))


def depthwise_volume(x, kernel):
    """The same at stride 1, each channel by itself.

    Args:
        x: Tensor `(N, T, H, W, C)`.
        kernel: Tensor `(frames, rows, columns, C)`, of odd sizes.
    """
    total = 0
    for i, frames in enumerate(_neighbours(x, kernel.shape[0], 1)):
        total = total + depthwise_rows(_folded(frames), kernel[i])
    return ops.reshape(total, (-1, *x.shape[1:]))


def _neighbours(x, count, stride):
    """For each entry of a kernel over time, the frames that it sees."""
    frames, margin = x.shape[1], count // 2
    padded = ops.pad(x, ((0, 0), (margin, margin), (0, 0), (0, 0), (0, 0)))
    return [padded[:, i : i + frames : stride] for i in range(count)]


def _convolved(convolve, x, kernel, stride, dilation=1):
    # At stride 1, backends pad both sides alike, without a copy.
    padding = "same"
    if stride > 1:
        x, padding = _padded(x, kernel), "valid"
    if keras.backend.backend() != "torch":
        return convolve(
            x,
            kernel,
            strides=stride,
            padding=padding,
            data_format="channels_last",
            dilation_rate=dilation,
        )
    # With the channels last, Keras copies the pictures twice, to put the
    # channels first and back in memory. PyTorch takes them as they are.
    y = convolve(
        ops.transpose(x, (0, 3, 1, 2)),
        _outputs_first(kernel),
        strides=stride,
        padding=padding,
        data_format="channels_first",
        dilation_rate=dilation,
    )
    return ops.transpose(y, (0, 2, 3, 1))


def _outputs_first(kernel):
    """The same kernel, in memory as PyTorch has it.

    Its gradient in half precision on CPUs asks for that.
    """
    order = (3, 2, 0, 1)
    turned = ops.transpose(kernel, order)
    # There is no other operation that writes what was turned.
    turned = ops.reshape(ops.reshape(turned, (-1,)), turned.shape)
    return ops.transpose(turned, (2, 3, 1, 0))


def _folded(x):
    return ops.reshape(x, (-1, *x.shape[2:]))


def _padded(x, kernel):
    rows, columns = (size // 2 for size in kernel.shape[:2])
    return ops.pad(x, ((0, 0), (rows, rows), (columns, columns), (0, 0)))


def _sum_of_products(padded, x, kernel, stride):
    height, width = x.shape[1:3]
    total = 0
    for i in range(kernel.shape[0]):
        for j in range(kernel.shape[1]):
            part = padded[:, i : i + height : stride, j : j + width : stride]
            total = total + part * kernel[i, j]
    return total
