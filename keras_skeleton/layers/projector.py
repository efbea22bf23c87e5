"""The network between an encoder and a contrastive loss."""

import keras


@keras.saving.register_keras_serializable(package="keras_skeleton")
class Projector(keras.layers.Layer):
    """Dense layer (`hidden`), ReLU, dense layer (`output`).

    Args:
        dim: Channels of the result.
        kernel_initializer: Of both kernels. Defaults to uniform numbers below
            `1 / sqrt(D)`, as are the biases at first.
        **kwargs: Arguments of `keras.layers.Layer`.

    Input shape: `(N, D)`.

    Output shape: `(N, dim)`, float32.

    Example:

    >>> Projector(128)(ops.zeros((2, 256))).shape
    (2, 128)

    Reference: Chen et al., Improved Baselines with Momentum Contrastive
    Learning, arXiv 2003.04297.
    """

    def __init__(self, dim, kernel_initializer=None, **kwargs):
        super().__init__(**kwargs)
        self.dim = dim
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.hidden = self.projection = None

    def build(self, input_shape):
        width = input_shape[-1]
        self.hidden = self._dense(width, width, "hidden", self.dtype_policy)
        # What is compared needs full precision.
        self.projection = self._dense(self.dim, width, "output", "float32")
        self.hidden.build(input_shape)
        self.projection.build(input_shape)

    def _dense(self, units, width, name, dtype):
        limit = width**-0.5
        uniform = keras.initializers.RandomUniform
        return keras.layers.Dense(
            units,
            activation="relu" if name == "hidden" else None,
            kernel_initializer=self.kernel_initializer
            or uniform(-limit, limit),
            bias_initializer="zeros"
            if self.kernel_initializer
            else uniform(-limit, limit),
            name=name,
            dtype=dtype,
        )

    def call(self, features):
        return self.projection(self.hidden(features))

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.dim)

    def get_config(self):
        return {
            **super().get_config(),
            "dim": self.dim,
            "kernel_initializer": keras.initializers.serialize(
                self.kernel_initializer
            ),
        }
