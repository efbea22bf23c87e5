"""Transforms of clips in time that keep the number of frames."""

import keras

from keras_skeleton.layers.augmentation._choice import integers
from keras_skeleton.layers.augmentation.base import SkeletonTransform
from keras_skeleton.layers.augmentation.chains import copy_with
from keras_skeleton.layers.augmentation.scores import KeepScores


class _InTime(SkeletonTransform):
    """Base of transforms of the valid frames of a clip."""

    def frame_numbers(self, clips):
        """int32 `(1, T)`."""
        frames = self.backend.shape(clips)[2]
        return self.backend.numpy.arange(frames, dtype="int32")[None]

    def keep_valid(self, clips, lengths):
        """Clips with zeros after their `lengths`, `(N,)`."""
        is_valid = self.frame_numbers(clips) < lengths[:, None]
        is_valid = is_valid[:, None, :, None, None]
        return self.backend.numpy.where(is_valid, clips, 0.0)


@keras.saving.register_keras_serializable(package="keras_skeleton")
class TemporalCrop(_InTime):
    """Moves each clip in time and goes back where it would end.

    A clip of `L` frames is made longer by `p = floor(L / padding_ratio)`
    frames at either end, which are its first and last frames in reverse order
    (those at the very ends twice). Of this, `L` frames from a random one of
    the first `2 p + 1` are kept.

    Args:
        padding_ratio: Whole number that the length is divided by.
        **kwargs: See `SkeletonTransform`.

    Call arguments:
        clips: float32 tensor `(N, M, T, V, C)`.
        draws: Optional `(N, 1)` numbers in [0, 1), for the first frame.
        training: Whether to act when there are no draws.

    Returns:
        Clips of the same shape.

    Example:

    >>> TemporalCrop()(np.ones((2, 1, 50, 25, 3)), training=True).shape
    (2, 1, 50, 25, 3)

    Reference: [AimCLR](https://arxiv.org/abs/2112.03590).
    """

    num_draws = 1

    def __init__(self, padding_ratio=6, **kwargs):
        super().__init__(**kwargs)
        if int(padding_ratio) != padding_ratio or padding_ratio < 1:
            raise ValueError(
                "`padding_ratio` must be a whole number of at least 1. "
                f"Received: {padding_ratio}"
            )
        self.padding_ratio = int(padding_ratio)

    def transform(self, clips, draws, lengths):
        ops = self.backend.numpy
        lengths = self.valid_length(clips, lengths)
        length = lengths[:, None]
        padding = length // self.padding_ratio
        start = integers(self, draws[:, :1], 0, 2 * padding) - padding
        frame = self.frame_numbers(clips) + start
        frame = ops.where(frame < 0, -1 - frame, frame)
        frame = ops.where(frame < length, frame, 2 * length - 1 - frame)
        # What is not kept must be there all the same.
        frame = ops.maximum(ops.minimum(frame, length - 1), 0)
        return self.keep_valid(self.take_frames(clips, frame), lengths)

    def get_config(self):
        return {**super().get_config(), "padding_ratio": self.padding_ratio}


@keras.saving.register_keras_serializable(package="keras_skeleton")
class RandomTimeFlip(_InTime):
    """Plays a share of the clips, half by default, backwards.

    Args:
        rate: Share of the clips that are reversed, from 0 to 1.
        **kwargs: See `SkeletonTransform`.

    Call arguments:
        clips: float32 tensor `(N, M, T, V, C)`.
        draws: Optional `(N, 1)` numbers in [0, 1); below `rate` a clip is
            reversed.
        training: Whether to act when there are no draws.

    Returns:
        Clips of the same shape.

    Reference: [AimCLR](https://arxiv.org/abs/2112.03590), which does not use
    it by default.
    """

    num_draws = 1

    def __init__(self, rate=0.5, **kwargs):
        super().__init__(**kwargs)
        self.rate = float(rate)
        if not 0 <= self.rate <= 1:
            raise ValueError(f"`rate` must be from 0 to 1. Received: {rate}")

    def transform(self, clips, draws, lengths):
        ops = self.backend.numpy
        length = self.valid_length(clips, lengths)[:, None]
        frame = self.frame_numbers(clips)
        chosen = self.draws_as_tensor(draws)[:, :1] < self.rate
        is_moved = chosen & (frame < length)
        frame = ops.where(is_moved, length - 1 - frame, frame)
        return self.take_frames(clips, frame)

    def get_config(self):
        return {**super().get_config(), "rate": self.rate}


@keras.saving.register_keras_serializable(package="keras_skeleton")
class RandomTimeShift(_InTime):
    """Lets each clip begin at a random frame, what came before at its end.

    Args:
        **kwargs: See `SkeletonTransform`.

    Call arguments:
        clips: float32 tensor `(N, M, T, V, C)`.
        draws: Optional `(N, 1)` numbers in [0, 1), for the first frame.
        training: Whether to act when there are no draws.

    Returns:
        Clips of the same shape.

    Example:

    >>> RandomTimeShift()(np.ones((2, 1, 50, 25, 3)), training=True).shape
    (2, 1, 50, 25, 3)

    Reference: the code of [BRL](https://arxiv.org/abs/2308.14024), whose
    recipes do not use it.
    """

    num_draws = 1

    def transform(self, clips, draws, lengths):
        ops = self.backend.numpy
        length = self.valid_length(clips, lengths)[:, None]
        start = integers(self, draws[:, :1], 0, length - 1)
        frame = self.frame_numbers(clips)
        moved = frame + start
        moved = ops.where(moved < length, moved, moved - length)
        return self.take_frames(clips, ops.where(frame < length, moved, frame))


@keras.saving.register_keras_serializable(package="keras_skeleton")
class GaussianBlur(_InTime):
    """Smooths each clip in time, by a random amount.

    Each frame becomes a sum of the frames around it, weighted with
    `exp(-k^2 / (2 sigma^2))` at the distance `k`. As in the published code,
    and so what published encoders have seen, the weights do not add up to 1
    and there is nothing but zeros before and after a clip: with a large
    `sigma` the body grows, up to five times, and shrinks again at the ends.
    `normalized=True` takes the mean of the frames that there are instead.

    Args:
        sigma: Least and largest standard deviation, in frames.
        num_taps: Number of frames that count, odd.
        normalized: Whether weights of the frames of the clip add up to 1.
        found_only: Whether a joint at zero, which was not found, has no
            weight, the frames around it the more. Pipelines of data with
            scores say so.
        **kwargs: See `SkeletonTransform`.

    Call arguments:
        clips: float32 tensor `(N, M, T, V, C)`.
        draws: Optional `(N, 1)` numbers in [0, 1), for `sigma`.
        training: Whether to act when there are no draws.

    Returns:
        Clips of the same shape.

    Example:

    >>> blur = GaussianBlur(normalized=True)
    >>> np.ptp(blur(np.ones((2, 1, 50, 25, 3)), training=True)) < 1e-6
    True

    Reference: [AimCLR](https://arxiv.org/abs/2112.03590).
    """

    moves_joints = True
    num_draws = 1

    def __init__(
        self,
        sigma=(0.1, 2.0),
        num_taps=15,
        normalized=False,
        found_only=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.sigma = tuple(float(limit) for limit in sigma)
        if len(self.sigma) != 2 or not 0 < self.sigma[0] <= self.sigma[1]:
            raise ValueError(
                "`sigma` must be a lower and an upper limit above 0. "
                f"Received: {sigma}"
            )
        if num_taps % 2 != 1 or num_taps < 1:
            raise ValueError(
                "`num_taps` must be an odd number, the frame itself and as "
                f"many before as after it. Received: {num_taps}"
            )
        self.num_taps = int(num_taps)
        self.normalized = bool(normalized)
        self.found_only = bool(found_only)

    def beside_scores(self, number):
        return KeepScores(copy_with(self, found_only=True), number)

    def transform(self, clips, draws, lengths):
        backend, ops = self.backend, self.backend.numpy
        lengths = self.valid_length(clips, lengths)
        low, high = self.sigma
        sigma = low + (high - low) * self.draws_as_tensor(draws)
        frame = self.frame_numbers(clips)
        distance = frame - ops.transpose(frame)  # (T, T)
        near = ops.abs(distance) <= self.num_taps // 2
        square = backend.cast(distance * distance, "float32")
        weights = ops.exp(square[None] / (-2.0 * (sigma * sigma)[:, :, None]))
        weights = ops.where(near[None], weights, 0.0)
        if self.normalized:
            is_valid = (frame < lengths[:, None])[:, None]
            weights = ops.where(is_valid, weights, 0.0)
            total = ops.sum(weights, axis=2, keepdims=True)
            weights = weights / ops.where(total > 0, total, 1.0)
        # A product with a matrix is faster than a convolution with other
        # weights for each clip.
        blurred = ops.matmul(weights[:, None], self.as_rows(clips))
        blurred = ops.reshape(blurred, backend.shape(clips))
        if self.found_only:
            is_valid = (frame < lengths[:, None])[:, None, :, None]
            is_found = is_valid & ops.any(clips != 0, axis=-1)
            found = backend.cast(is_found, "float32")
            there = backend.cast(is_valid, "float32")
            share = ops.matmul(weights[:, None], found)
            whole = ops.matmul(weights[:, None], there)
            share = whole / ops.where(share > 0, share, 1.0)
            blurred = blurred * share[..., None]
        return self.keep_valid(blurred, lengths)

    def get_config(self):
        return {
            **super().get_config(),
            "sigma": list(self.sigma),
            "num_taps": self.num_taps,
            "normalized": self.normalized,
            "found_only": self.found_only,
        }


@keras.saving.register_keras_serializable(package="keras_skeleton")
class LoopFrames(_InTime):
    """Lets a person who is not seen any more start over.

    Each person by itself: if nobody is in its first frame, the frames that
    show the person move to the front; then the frames after the last one that
    does, up to the end of the clip, repeat those before. Other gaps stay, and
    so does a person who is never seen.

    Args:
        **kwargs: See `SkeletonTransform`.

    Input and output shape: `(N, M, T, V, C)`.

    Reference: [Shi et al., 2019](https://arxiv.org/abs/1805.07694), whose
    normalization of NTU RGB+D begins with this.
    """

    def transform(self, clips, draws, lengths):
        backend, ops = self.backend, self.backend.numpy
        lengths = self.valid_length(clips, lengths)
        persons, shape = clips.shape[1], backend.shape(clips)
        single = ops.reshape(clips, (-1, 1, *shape[2:]))
        is_seen = ops.reshape(self.is_present(clips), (-1, shape[2]))
        frame, cast = self.frame_numbers(clips), backend.cast
        count = ops.sum(cast(is_seen, "int32"), axis=1, keepdims=True)
        last = ops.max(ops.where(is_seen, frame + 1, 0), axis=1, keepdims=True)
        # All keys differ, so the order does not depend on the sort.
        order = ops.argsort(ops.where(is_seen, frame, frame + shape[2]))
        starts = is_seen[:, :1]
        order = ops.where(starts, frame, cast(order, "int32"))
        end = ops.where(starts, last, cast(count, "int32"))
        end = ops.maximum(end, 1)
        single = self.take_frames(single, order)
        single = self.take_frames(single, frame % end)
        looped = ops.reshape(single, (-1, persons, *shape[2:]))
        return self.keep_valid(looped, lengths)
