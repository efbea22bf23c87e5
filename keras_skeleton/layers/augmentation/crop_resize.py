"""Cropping clips in time and bringing them to one length."""

import keras

from keras_skeleton.layers.augmentation.base import SkeletonTransform

# The share of a clip that published evaluations look at.
CENTER_SHARE = 0.95


@keras.saving.register_keras_serializable(package="keras_skeleton")
class CropResize(SkeletonTransform):
    """Crops the valid frames of each clip and resizes them in time.

    Valid frames are those whose coordinates do not sum to zero; they lead,
    padding follows. Of `F` valid frames a crop is kept:

    - `interval` of one share `q`: the middle, without
      `floor((1 - q) * F / 2)` frames at each end;
    - `interval` of two shares: a random share `p` between them,
      `floor(F * p)` frames but at least `min_frames` (or all, if there are
      fewer), from a random start.

    The crop is interpolated linearly to `num_frames`, without smoothing, so
    that the ends of the two time spans meet (not the centres of their first
    and last frames). All persons share the crop.

    Outside training, an interval of two shares keeps the middle 0.95.

    Args:
        num_frames: Frames to return.
        interval: One or two shares of the valid frames, above 0 and at
            most 1.
        min_frames: Least number of frames that a random crop keeps.
        **kwargs: See `SkeletonTransform`.

    Call arguments:
        clips: float32 tensor `(N, M, T, V, C)`.
        draws: Optional `(N, 2)` numbers in [0, 1): the share and the start.
        training: Whether crops are random when there are no draws.

    Returns:
        float32 tensor `(N, M, num_frames, V, C)`.

    Example:

    >>> CropResize(120, interval=(0.95,))(np.ones((2, 1, 80, 25, 3))).shape
    (2, 1, 120, 25, 3)

    Reference: [Chen et al., 2021](https://arxiv.org/abs/2107.12213).
    """

    def __init__(
        self, num_frames, interval=(0.5, 1.0), min_frames=64, **kwargs
    ):
        super().__init__(**kwargs)
        if isinstance(interval, int | float):
            interval = (interval,)
        interval = tuple(float(share) for share in interval)
        if (
            len(interval) not in (1, 2)
            or not all(0 < share <= 1 for share in interval)
            or interval[0] > interval[-1]
        ):
            raise ValueError(
                "`interval` must be one share of the frames, or a lower and "
                "an upper one, above 0 and at most 1. Received: "
                f"interval={interval}"
            )
        if num_frames < 1 or min_frames < 1:
            raise ValueError(
                "`num_frames` and `min_frames` must be at least 1. Received: "
                f"num_frames={num_frames}, min_frames={min_frames}"
            )
        self.num_frames = int(num_frames)
        self.interval = interval
        self.min_frames = int(min_frames)

    @property
    def num_draws(self):
        return 2 if len(self.interval) == 2 else 0

    def transform(self, clips, draws):
        if draws is None:
            return self._center_crop(clips, self.interval[0])
        ops = self.backend.numpy
        low, high = self.interval
        valid = self._valid_frames(clips)
        length = self.whole_part(
            lambda valid, draws: valid * (draws[:, 0] * (high - low) + low),
            valid,
            draws,
        )
        length = ops.minimum(ops.maximum(length, self.min_frames), valid)
        start = self.whole_part(
            lambda starts, draws: draws[:, 1] * starts,
            valid - length + 1,
            draws,
        )
        return self._resize(clips, start, length)

    def deterministic(self, clips):
        return self._center_crop(clips, CENTER_SHARE)

    def _center_crop(self, clips, share):
        valid = self._valid_frames(clips)
        start = self.whole_part(lambda valid: (1 - share) * valid / 2, valid)
        return self._resize(clips, start, valid - 2 * start)

    def _valid_frames(self, clips):
        ops = self.backend.numpy
        is_valid = ops.sum(clips, axis=(1, 3, 4)) != 0
        return ops.sum(self.backend.cast(is_valid, "int32"), axis=1)

    def _resize(self, clips, start, length):
        backend, ops = self.backend, self.backend.numpy
        start, length = start[:, None], length[:, None]
        # Single precision, as in the published code: in double precision,
        # weights would differ by more than the rounding of the result.
        position = ops.arange(self.num_frames, dtype="float32") + 0.5
        # Two tensors, as JAX multiplies by the reciprocal of a number.
        size = ops.full_like(length, self.num_frames, dtype="float32")
        scale = backend.cast(length, "float32") / size
        position = ops.maximum(position[None] * scale - 0.5, 0.0)
        left = backend.cast(position, "int32")
        weight = position - backend.cast(left, "float32")
        weight = weight[:, None, :, None, None]
        # A clip without valid frames has length 0 and shows its padding.
        right = ops.maximum(ops.minimum(left + 1, length - 1), 0)
        return (1.0 - weight) * self.take_frames(
            clips, start + left
        ) + weight * self.take_frames(clips, start + right)

    def compute_output_shape(self, input_shape):
        samples, persons, _, joints, coordinates = input_shape
        return samples, persons, self.num_frames, joints, coordinates

    def get_config(self):
        return {
            **super().get_config(),
            "num_frames": self.num_frames,
            "interval": list(self.interval),
            "min_frames": self.min_frames,
        }
