"""Convolutions over pictures with the same padding on all sides."""

from keras import ops

from keras_skeleton import _backends


def convolve_rows(x, kernel, stride=1):
    """Convolution that pads by half of the kernel on every side.

    Unlike Keras' `padding="same"`, whose padding hangs on stride and size.

    Args:
        x: Tensor `(B, H, W, C)`.
        kernel: Tensor `(rows, columns, C, filters)`, of odd sizes.
        stride: Pixels from one output to the next.

    Returns:
        Tensor `(B, H', W', filters)` with `H' = ceil(H / stride)`.
    """
    if stride == 1:
        # Backends pad both sides alike then, without a copy.
        return ops.conv(x, kernel, padding="same", data_format="channels_last")
    return ops.conv(
        _padded(x, kernel),
        kernel,
        strides=stride,
        padding="valid",
        data_format="channels_last",
    )


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
    padding = "same"
    if stride > 1:
        x, padding = _padded(x, kernel), "valid"
    return ops.depthwise_conv(
        x,
        kernel[..., None],
        strides=stride,
        padding=padding,
        data_format="channels_last",
    )


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
