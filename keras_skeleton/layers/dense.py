"""Dense layers that start as PyTorch's do."""

import keras


def uniform_dense(units, fan_in, name, dtype, activation=None, use_bias=True):
    """A built dense layer that starts uniform within `1 / sqrt(fan_in)`.

    Kernel and bias do, as those of linear layers in PyTorch, which the
    published networks leave at that where their code says nothing.

    Args:
        units: Values per output.
        fan_in: Values per input.
        name: Name of the layer.
        dtype: Data type policy of the layer.
        activation: As in `keras.layers.Dense`.
        use_bias: As in `keras.layers.Dense`.
    """
    limit = fan_in**-0.5
    layer = keras.layers.Dense(
        units,
        activation=activation,
        use_bias=use_bias,
        kernel_initializer=keras.initializers.RandomUniform(-limit, limit),
        bias_initializer=keras.initializers.RandomUniform(-limit, limit),
        name=name,
        dtype=dtype,
    )
    layer.build((None, fan_in))
    return layer
