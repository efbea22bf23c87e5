"""Bringing clips to a number of persons."""

import keras

from keras_skeleton.layers.augmentation.base import SkeletonTransform


@keras.saving.register_keras_serializable(package="keras_skeleton")
class Persons(SkeletonTransform):
    """Brings clips to a number of persons.

    Of more persons, the first ones stay. Fewer are filled up by zeros, or by
    repeating: with `mode="repeat"`, every person of a clip that shows nobody
    but its first person is a copy of that one. (The mode `loop` of PYSKL is
    meant to, but fills up by zeros.)

    Args:
        num_persons: Persons to return.
        mode: `"zeros"` or `"repeat"`.
        **kwargs: See `SkeletonTransform`.

    Input shape: `(N, M, T, V, C)`.

    Output shape: `(N, num_persons, T, V, C)`.

    Example:

    >>> Persons(2)(np.ones((4, 1, 80, 25, 3))).shape
    (4, 2, 80, 25, 3)

    Reference: [Duan et al., 2022](https://arxiv.org/abs/2205.09443).
    """

    def __init__(self, num_persons=2, mode="zeros", **kwargs):
        super().__init__(**kwargs)
        if num_persons < 1:
            raise ValueError(
                f"`num_persons` must be at least 1. Received: {num_persons}"
            )
        if mode not in ("zeros", "repeat"):
            raise ValueError(
                f"`mode` must be 'zeros' or 'repeat'. Received: {mode!r}"
            )
        self.num_persons = int(num_persons)
        self.mode = mode

    def transform(self, clips, draws, lengths):
        ops = self.backend.numpy
        first = clips[:, :1]
        missing = self.num_persons - clips.shape[1]
        is_alone = ops.all(clips[:, 1:] == 0, axis=(1, 2, 3, 4), keepdims=True)
        if missing > 0:
            zeros = [ops.zeros_like(first)] * missing
            clips = ops.concatenate([clips, *zeros], axis=1)
        elif missing < 0:
            return clips[:, : self.num_persons]
        if self.mode == "zeros":
            return clips
        return ops.where(is_alone, first, clips)

    def compute_output_shape(self, input_shape):
        samples, _, *rest = input_shape
        return (samples, self.num_persons, *rest)

    def get_config(self):
        return {
            **super().get_config(),
            "num_persons": self.num_persons,
            "mode": self.mode,
        }
