"""Dense layers: how they start, and their use inside of other layers.

To call a Keras layer takes longer than the product of a clip's few tokens with
a kernel. Layers that are made of others therefore use what is here, and `call`
of those of the same data type.
"""

import keras
from keras import ops


def project(x, layer):
    """What a built `keras.layers.Dense` gives of `x`."""
    if layer.lora_enabled or layer.quantization_mode:
        return layer(x)
    x = ops.matmul(x, layer.kernel)
    if layer.bias is not None:
        # On PyTorch in place: new memory takes half as long as the product.
        x += layer.bias.value
    return x if layer.activation is None else layer.activation(x)


def drop(x, layer, training):
    """What a `keras.layers.Dropout` gives, without a call of no effect."""
    return layer(x, training=True) if training and layer.rate else x


def mlp(x, hidden, output, dropout, training):
    """Two dense layers, each with dropout behind."""
    x = drop(project(x, hidden), dropout, training)
    return drop(project(x, output), dropout, training)


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
