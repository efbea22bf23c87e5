"""Activations that become ONNX."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_skeleton")
def exact_gelu(x):
    """The exact GELU, `x * (1 + erf(x / sqrt(2))) / 2`.

    TensorFlow's own takes the complementary error function, which ONNX does
    not have: files would be written that nothing can read.

    Args:
        x: Tensor of any shape.

    Example:

    >>> float(exact_gelu(ops.convert_to_tensor(1.0)))
    0.8413...
    """
    if keras.backend.backend() != "tensorflow":
        return ops.gelu(x, approximate=False)
    return 0.5 * x * (1 + ops.erf(x * 0.5**0.5))
