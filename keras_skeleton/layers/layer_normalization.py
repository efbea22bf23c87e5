"""Layer normalization that becomes ONNX."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_skeleton")
class LayerNormalization(keras.layers.LayerNormalization):
    """`keras.layers.LayerNormalization` over the last axis, that is exported.

    On PyTorch, Keras takes the size of the axis from the inputs, and ONNX
    files for any number of clips know no kernel for a size that is not
    constant. There, and only there, the normalization is written out.

    Args:
        epsilon: Added to the variance. Defaults to 1e-5, PyTorch's.
        **kwargs: As in `keras.layers.LayerNormalization`.
    """

    def __init__(self, epsilon=1e-5, **kwargs):
        super().__init__(epsilon=epsilon, **kwargs)

    def call(self, inputs):
        # PyTorch's tracer has tensors in the place of sizes.
        if isinstance(inputs.shape[-1], int):
            return super().call(inputs)
        x = ops.cast(inputs, "float32")
        x = x - ops.mean(x, axis=-1, keepdims=True)
        variance = ops.mean(ops.square(x), axis=-1, keepdims=True)
        x = x * ops.rsqrt(variance + self.epsilon)
        if self.gamma is not None:
            x = x * self.gamma
        if self.beta is not None:
            x = x + self.beta
        return ops.cast(x, self.compute_dtype)
