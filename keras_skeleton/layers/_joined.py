"""Several linear maps and normalizations, computed as one."""

from keras import ops


def joined(variables):
    """Variables side by side on the last axis."""
    if len(variables) == 1:
        return ops.convert_to_tensor(variables[0])
    return ops.concatenate(
        [ops.convert_to_tensor(variable) for variable in variables], axis=-1
    )


def parameters(layers):
    """Kernels and biases of layers with the same input, side by side.

    One product over all outputs takes less time than one for each layer.
    """
    return (
        joined([layer.kernel for layer in layers]),
        joined([layer.bias for layer in layers]),
    )


def linear(x, layers):
    """Outputs of dense layers with the same input, side by side."""
    kernel, bias = parameters(layers)
    return ops.matmul(x, kernel) + bias


def normalized_linear(x, layers, norms, training):
    """As `linear`, followed by the batch normalization of each layer."""
    return normalized(
        lambda kernel: ops.matmul(x, kernel), layers, norms, training
    )


def normalized(function, layers, norms, training):
    """A function of kernels, its biases and batch normalization.

    Outside training the normalizations become part of the kernels, which
    saves their pass over the outputs.

    Args:
        function: Linear function of a kernel whose last axis is that of the
            outputs.
        layers: Layers with a `kernel` and a `bias` that are joined.
        norms: The batch normalization of each layer's outputs.
        training: Whether batch statistics count.
    """
    kernel, bias = parameters(layers)
    if training and norms[0].trainable:
        return normalize(function(kernel) + bias, norms, training)
    scale, offset = scale_and_offset(norms)
    dtype = kernel.dtype
    offset = ops.cast(bias, scale.dtype) * scale + offset
    kernel = ops.cast(ops.cast(kernel, scale.dtype) * scale, dtype)
    return function(kernel) + ops.cast(offset, dtype)


def normalize(x, norms, training):
    """Batch normalizations of consecutive groups of channels, as one."""
    if not training or not norms[0].trainable:
        scale, offset = scale_and_offset(norms)
        return x * ops.cast(scale, x.dtype) + ops.cast(offset, x.dtype)
    values = ops.cast(x, norms[0].moving_mean.dtype)
    axes = list(range(len(x.shape) - 1))
    mean = ops.mean(values, axis=axes)
    # Centred before all else: where channels lie far from 0 compared to
    # their spread, gradients would lose digits otherwise.
    values = values - mean
    variance = ops.mean(ops.square(values), axis=axes)
    count = ops.cast(ops.size(x) // x.shape[-1], values.dtype)
    unbiased = variance * (count / ops.maximum(count - 1, 1))
    first = 0
    for norm in norms:
        last = first + norm.moving_mean.shape[0]
        for moving, batch in (
            (norm.moving_mean, mean),
            (norm.moving_variance, unbiased),
        ):
            moving.assign(
                moving * norm.momentum + batch[first:last] * (1 - norm.momentum)
            )
        first = last
    scale = joined([norm.gamma for norm in norms])
    scale = scale * ops.rsqrt(variance + norms[0].epsilon)
    outputs = values * scale + joined([norm.beta for norm in norms])
    return ops.cast(outputs, x.dtype)


def scale_and_offset(norms):
    """What batch normalizations multiply by and add outside training."""
    gamma = joined([norm.gamma for norm in norms])
    variance = joined([norm.moving_variance for norm in norms])
    scale = ops.cast(gamma, variance.dtype) * ops.rsqrt(
        variance + norms[0].epsilon
    )
    mean = joined([norm.moving_mean for norm in norms])
    beta = ops.cast(joined([norm.beta for norm in norms]), variance.dtype)
    return scale, beta - mean * scale
