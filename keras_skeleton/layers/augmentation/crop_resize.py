"""Cropping clips in time and bringing them to one length."""

import keras

from keras_skeleton.layers.augmentation._frames import FrameChoice
from keras_skeleton.layers.augmentation.chains import copy_with
from keras_skeleton.layers.augmentation.streams import is_found

# The share of a clip that published evaluations look at.
CENTER_SHARE = 0.95


@keras.saving.register_keras_serializable(package="keras_skeleton")
class CropResize(FrameChoice):
    """Crops each clip in time and resizes the crop.

    Of the `F` frames of a clip a crop is kept:

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
        interval: One or two shares of the frames, above 0 and at most 1.
        min_frames: Least number of frames that a random crop keeps.
        score: Whether the last coordinate is a score. If so, a joint that was
            not found in one of two frames (see `Bones`) is as in the nearer
            one, in place of half-way to zero. `None`: as the
            `coordinates` of the data say, and none where nobody knows.
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
        self,
        num_frames,
        interval=(0.5, 1.0),
        min_frames=64,
        score=None,
        **kwargs,
    ):
        super().__init__(num_frames, **kwargs)
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
        if min_frames < 1:
            raise ValueError(
                f"`min_frames` must be at least 1. Received: {min_frames}"
            )
        self.interval = interval
        self.min_frames = int(min_frames)
        self.score = None if score is None else bool(score)

    def beside_scores(self, number):
        if self.score is not None:
            return self
        return copy_with(self, score=True)

    @property
    def num_draws(self):
        return 2 if len(self.interval) == 2 else 0

    def choose_frames(self, lengths, draws=None, longest=None):
        """Returns the frames before each place of the result, then those after.

        See `FrameChoice.choose_frames`; `K` is `2 * num_frames`.
        """
        ops = self.backend.numpy
        start, length = self._crop(lengths, draws)
        left = self.backend.cast(self._places(length), "int32")
        # A clip without frames has length 0 and shows its padding.
        right = ops.maximum(ops.minimum(left + 1, length[:, None] - 1), 0)
        return start[:, None] + ops.concatenate([left, right], axis=1)

    def of_chosen(self, clips, frames, draws, lengths):
        cast = self.backend.cast
        places = self._places(self._crop(lengths, draws)[1])
        weight = places - cast(cast(places, "int32"), "float32")
        weight = weight[:, None, :, None, None]
        size = self.num_frames
        left, right = clips[:, :, :size], clips[:, :, size:]
        mixed = (1.0 - weight) * left + weight * right
        if not self.score:
            return mixed
        ops = self.backend.numpy
        in_both = is_found(ops, left) & is_found(ops, right)
        nearer = ops.where(weight < 0.5, left, right)
        return ops.where(in_both, mixed, nearer)

    def _crop(self, lengths, draws):
        """First frame and frames of each crop, int32 `(N,)`."""
        ops = self.backend.numpy
        if draws is None:
            share = self.interval[0] if not self.num_draws else CENTER_SHARE
            start = self.whole_part(lambda x: (1 - share) * x / 2, lengths)
            return start, lengths - 2 * start
        low, high = self.interval
        length = self.whole_part(
            lambda lengths, draws: lengths * (draws[:, 0] * (high - low) + low),
            lengths,
            draws,
        )
        length = ops.minimum(ops.maximum(length, self.min_frames), lengths)
        start = self.whole_part(
            lambda starts, draws: draws[:, 1] * starts,
            lengths - length + 1,
            draws,
        )
        return start, length

    def _places(self, length):
        """Where in its crop each frame lies, float32 `(N, num_frames)`."""
        ops = self.backend.numpy
        length = length[:, None]
        # Single precision, as in the published code: in double precision,
        # weights would differ by more than the rounding of the result.
        place = ops.arange(self.num_frames, dtype="float32") + 0.5
        # Two tensors, as JAX multiplies by the reciprocal of a number.
        size = ops.full_like(length, self.num_frames, dtype="float32")
        scale = self.backend.cast(length, "float32") / size
        return ops.maximum(place[None] * scale - 0.5, 0.0)

    def get_config(self):
        return {
            **super().get_config(),
            "interval": list(self.interval),
            "min_frames": self.min_frames,
            "score": self.score,
        }
