"""Several linear maps and normalizations, computed as one."""

from keras import ops


def joined(variables):
    """Values of variables side by side on the last axis."""
    values = [variable.value for variable in variables]
    return values[0] if len(values) == 1 else ops.concatenate(values, axis=-1)


def parameters(layers):
    """Kernels and biases of layers with the same input, side by side.

    One product over all outputs takes less time than one for each layer. The
    bias is `None` of layers without one.
    """
    kernel = joined([layer.kernel for layer in layers])
    if layers[0].bias is None:
        return kernel, None
    return kernel, joined([layer.bias for layer in layers])


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
        layers: Layers with a `kernel` and a `bias` that are joined; the bias
            may be `None`.
        norms: The batch normalization of each layer's outputs.
        training: Whether batch statistics count.
    """
    kernel, bias = parameters(layers)
    if training and norms[0].trainable:
        x = function(kernel)
        return normalize(x if bias is None else x + bias, norms, training)
    # The statistics are float32 whatever the layers compute in.
    scale, offset = scale_and_offset(norms)
    if bias is not None:
        offset = as_type(bias, scale) * scale + offset
    scaled = as_type(as_type(kernel, scale) * scale, kernel)
    return function(scaled) + as_type(offset, kernel)


def normalize(x, norms, training):
    """Batch normalizations of consecutive groups of channels, as one."""
    if not training or not norms[0].trainable:
        scale, offset = scale_and_offset(norms)
        return x * as_type(scale, x) + as_type(offset, x)
    values = ops.cast(x, norms[0].moving_mean.dtype)
    mean = channel_mean(values)
    # Centred before all else: where channels lie far from 0 compared to
    # their spread, gradients would lose digits otherwise.
    values = values - mean
    variance = channel_mean(ops.square(values))
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
    gamma = as_type(joined([norm.gamma for norm in norms]), values)
    beta = as_type(joined([norm.beta for norm in norms]), values)
    scale = gamma * ops.rsqrt(variance + norms[0].epsilon)
    return as_type(values * scale + beta, x)


def channel_mean(x):
    """Mean over all axes but the last, row by row.

    Over all at once, TensorFlow adds one number after another, which loses
    two digits for some 100000 of them, and takes twice as long.
    """
    inner = tuple(range(1, len(x.shape) - 1))
    return ops.mean(ops.mean(x, axis=inner) if inner else x, axis=0)


def as_type(x, other):
    """`x` in the data type of `other`, without a cast that does nothing."""
    return x if x.dtype == other.dtype else ops.cast(x, other.dtype)


def scale_and_offset(norms):
    """What batch normalizations multiply by and add outside training."""
    kinds = ("gamma", "beta", "moving_mean", "moving_variance")
    values = [getattr(norm, kind).value for kind in kinds for norm in norms]
    if len(norms) > 1:
        # All in one go: to start an operation on so few numbers takes longer
        # than to do it.
        values = ops.split(ops.concatenate(values), 4)
    gamma, beta, mean, variance = values
    gamma, beta = as_type(gamma, variance), as_type(beta, variance)
    scale = gamma * (variance + norms[0].epsilon) ** -0.5
    return scale, beta - mean * scale
