"""Moving the person axis into the batch and back."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_skeleton")
class FoldPersons(keras.layers.Layer):
    """Folds persons into the batch: `(N, M, ...)` to `(N * M, ...)`.

    Row `n * M + m` of the result is person `m` of sample `n`.

    Example:

    >>> FoldPersons()(ops.zeros((4, 2, 120, 25, 3))).shape
    (8, 120, 25, 3)
    """

    def call(self, inputs):
        return ops.reshape(inputs, (-1, *inputs.shape[2:]))

    def compute_output_shape(self, input_shape):
        samples, persons = input_shape[:2]
        rows = None if samples is None else samples * persons
        return (rows, *input_shape[2:])


@keras.saving.register_keras_serializable(package="keras_skeleton")
class TokenGrid(keras.layers.Layer):
    """Lays flat tokens of folded persons out over persons, time and joints.

    Args:
        num_persons: Persons `M` per sample.
        num_segments: Tokens `T'` along time.
        num_patches: Tokens `V'` along the joints.

    Input shape: `(N * M, T' * V', D)`, time-major.

    Output shape: `(N, M, T', V', D)`.

    Example:

    >>> TokenGrid(2, 30, 25)(ops.zeros((8, 750, 256))).shape
    (4, 2, 30, 25, 256)
    """

    def __init__(self, num_persons, num_segments, num_patches, **kwargs):
        super().__init__(**kwargs)
        self.num_persons = num_persons
        self.num_segments = num_segments
        self.num_patches = num_patches

    def call(self, inputs):
        return ops.reshape(inputs, (-1, *self._grid(), inputs.shape[-1]))

    def compute_output_shape(self, input_shape):
        rows = input_shape[0]
        samples = None if rows is None else rows // self.num_persons
        return (samples, *self._grid(), input_shape[-1])

    def _grid(self):
        return self.num_persons, self.num_segments, self.num_patches

    def get_config(self):
        return {
            **super().get_config(),
            "num_persons": self.num_persons,
            "num_segments": self.num_segments,
            "num_patches": self.num_patches,
        }
