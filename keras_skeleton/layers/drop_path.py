"""Stochastic depth."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_skeleton")
class DropPath(keras.layers.Layer):
    """Drops a residual branch for whole rows of the batch during training.

    A row is kept where `floor(1 - rate + u) = 1` for one uniform draw `u` in
    [0, 1) per row; kept rows are divided by `1 - rate`.

    Args:
        rate: Share of rows dropped, in [0, 1).
        seed: Seed of the draws.

    Call arguments:
        inputs: Tensor `(B, ...)`.
        training: Outside training the layer passes its input on.
        rate: Another rate for this call.

    Reference: Huang et al., Deep Networks with Stochastic Depth,
    arXiv 1603.09382.
    """

    def __init__(self, rate, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.rate = _check(rate)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, inputs, training=False, rate=None):
        rate = self.rate if rate is None else _check(rate)
        if not training or rate == 0:
            return inputs
        kept = ops.floor(1 - rate + self.draw(ops.shape(inputs)[0]))
        kept = ops.cast(kept, inputs.dtype) / (1 - rate)
        return inputs * ops.reshape(kept, (-1, *[1] * (inputs.ndim - 1)))

    def draw(self, rows):
        """One uniform number in [0, 1) for each of `rows` rows."""
        return keras.random.uniform((rows,), seed=self.seed_generator)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "rate": self.rate, "seed": self.seed}


def _check(rate):
    if not 0 <= rate < 1:
        raise ValueError(
            f"`rate` must be at least 0 and below 1. Received rate={rate}."
        )
    return rate
