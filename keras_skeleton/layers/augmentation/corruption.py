"""Clips with missing frames, and plain ways to fill the gaps."""

import keras
import numpy as np

from keras_skeleton.layers.augmentation._choice import choose
from keras_skeleton.layers.augmentation._choice import integers
from keras_skeleton.layers.augmentation._choice import membership
from keras_skeleton.layers.augmentation.base import SkeletonTransform
from keras_skeleton.layers.augmentation.filling import FILLS
from keras_skeleton.layers.augmentation.filling import check_fill
from keras_skeleton.layers.augmentation.filling import filled

LEVELS = {"minor": 0.25, "moderate": 0.5, "severe": 0.75}
STRATEGIES = ("random", "pattern", "prefix", "suffix", "in-between")
PERIODS = (2, 3, 4)


class _WithoutFrames(SkeletonTransform):
    """Base of transforms that remove frames of clips of one length."""

    def __init__(self, num_frames, **kwargs):
        super().__init__(**kwargs)
        if int(num_frames) != num_frames or num_frames < 2:
            raise ValueError(
                "`num_frames` must be a whole number of at least 2. "
                f"Received: {num_frames}"
            )
        self.num_frames = int(num_frames)

    def check(self, shape):
        if shape[2] not in (None, self.num_frames):
            raise ValueError(
                f"{type(self).__name__} was made for {self.num_frames} "
                "frames; bring clips to that length first. Received clips of "
                f"shape {shape}."
            )

    def removed(self, draws):
        """Which frames are removed, boolean `(N, num_frames)`."""
        raise NotImplementedError

    def transform(self, clips, draws, lengths):
        removed = self.removed(draws)[:, None, :, None, None]
        return self.backend.numpy.where(removed, 0.0, clips)

    def get_config(self):
        return {**super().get_config(), "num_frames": self.num_frames}


@keras.saving.register_keras_serializable(package="keras_skeleton")
class CorruptFrames(_WithoutFrames):
    """Removes a share of the frames, as in a benchmark of lost frames.

    `floor(share * T)` frames, any of them, become zero for all persons. The
    gaps may be filled at once: by linear interpolation in time, where the
    first and the last frame that is left hold beyond it, or by duplication
    of the last frame before the gap (at the start, of the first one left).

    The layer acts on the given draws, or in training. For a benchmark every
    method must see the same gaps: `corruption_draws` gives the same numbers
    for a clip every time.

    Args:
        num_frames: Frames `T` of the clips.
        level: `"minor"`, `"moderate"`, `"severe"` (a quarter, half or three
            quarters of the frames), or a share of them.
        fill: `None`, `"interpolation"` or `"duplication"`, see
            `FillLostFrames`.
        **kwargs: See `SkeletonTransform`.

    Call arguments:
        clips: float32 tensor `(N, M, T, V, C)`.
        draws: Optional `(N, floor(share * T))` numbers in [0, 1).
        training: Whether to act when there are no draws.

    Returns:
        Clips of the same shape.

    Raises:
        ValueError: If the clips have another number of frames.

    Example:

    >>> layer = CorruptFrames(48, "severe")
    >>> draws = corruption_draws(layer, indices=[0, 1])
    >>> layer(np.ones((2, 1, 48, 17, 2)), draws=draws).shape
    (2, 1, 48, 17, 2)

    Reference: [FineTec](https://arxiv.org/abs/2512.25067).
    """

    def __init__(
        self, num_frames, level: str | float = "moderate", fill=None, **kwargs
    ):
        super().__init__(num_frames, **kwargs)
        share = LEVELS.get(level, level)
        if isinstance(share, str) or not 0 <= share < 1:
            raise ValueError(
                f"`level` must be one of {', '.join(LEVELS)}, or a share of "
                f"the frames below 1. Received: {level!r}"
            )
        check_fill(fill, (None, *FILLS))
        self.level, self.share, self.fill = level, float(share), fill

    @property
    def num_draws(self):
        return int(self.share * self.num_frames)

    def removed(self, draws):
        ops = self.backend.numpy
        zeros = ops.zeros_like(integers(self, draws[:, 0], 0, 0))
        population, count = zeros + self.num_frames, zeros + draws.shape[1]
        chosen = choose(self, population, count, draws)
        return membership(self, chosen, self.num_frames)

    def transform(self, clips, draws, lengths):
        if draws is None:
            return clips
        if self.fill is None:
            return super().transform(clips, draws, lengths)
        return filled(self, clips, ~self.removed(draws), self.fill)

    def get_config(self):
        config = {"level": self.level, "fill": self.fill}
        return {**super().get_config(), **config}


@keras.saving.register_keras_serializable(package="keras_skeleton")
class MaskFrames(_WithoutFrames):
    """Removes frames by one of several strategies, for completion training.

    Of `T` frames, `n = floor(ratio * T)` become zero for all persons:

    - `"random"`: any;
    - `"pattern"`: all but every second, third or fourth, whatever `ratio`;
    - `"prefix"`: the first;
    - `"suffix"`: the last;
    - `"in-between"`: consecutive ones, but not the first or the last of the
      clip (then at most `T - 2`).

    Strategy and ratio are drawn for each clip from those given.

    Args:
        num_frames: Frames `T` of the clips.
        strategies: Names of strategies.
        ratios: Shares of the frames, above 0 and below 1.
        **kwargs: See `SkeletonTransform`.

    Call arguments:
        clips: float32 tensor `(N, M, T, V, C)`.
        draws: Optional `(N, 5 + floor(max(ratios) * T))` numbers in [0, 1):
            strategy, ratio, period and offset of the pattern, first frame
            in between, and one for each frame removed at random.
        training: Whether to act when there are no draws.

    Returns:
        Clips of the same shape.

    Raises:
        ValueError: If the clips have another number of frames.

    Reference: [FineTec](https://arxiv.org/abs/2512.25067).
    """

    def __init__(
        self,
        num_frames,
        strategies=STRATEGIES,
        ratios=(0.25, 0.5, 0.75),
        **kwargs,
    ):
        super().__init__(num_frames, **kwargs)
        if isinstance(strategies, str):
            strategies = (strategies,)
        if isinstance(ratios, int | float):
            ratios = (ratios,)
        self.strategies, self.ratios = tuple(strategies), tuple(ratios)
        if not self.strategies or set(self.strategies) - set(STRATEGIES):
            raise ValueError(
                f"`strategies` must be among {STRATEGIES}. Received: "
                f"{strategies}"
            )
        if not self.ratios or not all(0 < ratio < 1 for ratio in self.ratios):
            raise ValueError(
                "`ratios` must be shares of the frames above 0 and below 1. "
                f"Received: {ratios}"
            )

    @property
    def num_draws(self):
        return 5 + self._counts[-1]

    @property
    def _counts(self):
        return sorted(int(ratio * self.num_frames) for ratio in self.ratios)

    def removed(self, draws):
        ops = self.backend.numpy
        size = self.num_frames
        strategy = integers(self, draws[:, 0], 0, len(self.strategies) - 1)
        ratio = integers(self, draws[:, 1], 0, len(self.ratios) - 1)
        counts = ops.array(
            [int(ratio * size) for ratio in self.ratios], "int32"
        )
        count = ops.take(counts, ratio, axis=0)
        frame = ops.arange(size, dtype="int32")[None]
        removed = frame < 0
        for number, name in enumerate(self.strategies):
            method = getattr(self, "_" + name.replace("-", "_"))
            is_chosen = (strategy == number)[:, None]
            removed = removed | (is_chosen & method(frame, count, draws))
        return removed

    def _random(self, frame, count, draws):
        population = self.backend.numpy.zeros_like(count) + self.num_frames
        if draws.shape[1] == 5:
            return frame < 0
        chosen = choose(self, population, count, draws[:, 5:])
        return membership(self, chosen, self.num_frames)

    def _pattern(self, frame, count, draws):
        ops = self.backend.numpy
        period = ops.array(PERIODS, "int32")
        choice = integers(self, draws[:, 2], 0, len(PERIODS) - 1)
        period = ops.take(period, choice, axis=0)
        offset = integers(self, draws[:, 3], 0, period - 1)
        return frame % period[:, None] != offset[:, None]

    def _prefix(self, frame, count, draws):
        return frame < count[:, None]

    def _suffix(self, frame, count, draws):
        return frame >= self.num_frames - count[:, None]

    def _in_between(self, frame, count, draws):
        ops = self.backend.numpy
        count = ops.minimum(count, self.num_frames - 2)
        start = integers(self, draws[:, 4], 0, self.num_frames - 2 - count)
        start = 1 + start[:, None]
        return (frame >= start) & (frame < start + count[:, None])

    def get_config(self):
        return {
            **super().get_config(),
            "strategies": list(self.strategies),
            "ratios": list(self.ratios),
        }


@keras.saving.register_keras_serializable(package="keras_skeleton")
class MaskJoints(SkeletonTransform):
    """Sets some joints of each frame to zero, others in every frame.

    All persons lose the same joints. (In HiCLR's training step the joints are
    the same for all clips of a batch too, and a learned number takes their
    place: `applications.HiCLRPretext` does that.)

    Args:
        num_frames: Frames `T` of the clips.
        num_joints: Joints `V` of the clips.
        ratio: Share of the joints that is masked, rounded down.
        **kwargs: See `SkeletonTransform`.

    Call arguments:
        clips: float32 tensor `(N, M, T, V, C)`.
        draws: Optional `(N, T * V)` numbers in [0, 1), frame by frame: the
            joints with the smallest are masked.
        training: Whether to act when there are no draws.

    Returns:
        Clips of the same shape.

    Raises:
        ValueError: If the clips have other frames or joints.

    Example:

    >>> MaskJoints(50, 25)(np.ones((2, 1, 50, 25, 3)), training=True).shape
    (2, 1, 50, 25, 3)

    Reference: [HiCLR](https://arxiv.org/abs/2211.13466).
    """

    def __init__(self, num_frames, num_joints, ratio=0.1, **kwargs):
        super().__init__(**kwargs)
        if num_frames < 1 or num_joints < 1 or not 0 <= ratio < 1:
            raise ValueError(
                "`num_frames` and `num_joints` must be at least 1 and `ratio` "
                f"a share below 1. Received: num_frames={num_frames}, "
                f"num_joints={num_joints}, ratio={ratio}"
            )
        self.num_frames, self.num_joints = int(num_frames), int(num_joints)
        self.ratio = float(ratio)

    @property
    def num_draws(self):
        return self.num_frames * self.num_joints

    def check(self, shape):
        if shape[2] not in (None, self.num_frames) or (
            shape[3] != self.num_joints
        ):
            raise ValueError(
                f"MaskJoints was made for {self.num_frames} frames and "
                f"{self.num_joints} joints. Received clips of shape {shape}."
            )

    def transform(self, clips, draws, lengths):
        ops = self.backend.numpy
        count = int(self.num_joints * self.ratio)
        if not count:
            return clips
        draws = self.draws_as_tensor(draws)
        draws = ops.reshape(draws, (-1, self.num_frames, self.num_joints))
        largest = ops.sort(draws, axis=-1)[..., count - 1 : count]
        is_masked = (draws <= largest)[:, None, :, :, None]
        return ops.where(is_masked, 0.0, clips)

    def get_config(self):
        return {
            **super().get_config(),
            "num_frames": self.num_frames,
            "num_joints": self.num_joints,
            "ratio": self.ratio,
        }


def corruption_draws(layer, indices, seed=0):
    """Draws that are always the same for a clip, whatever else is drawn.

    Args:
        layer: A random transform, for example `CorruptFrames`.
        indices: Numbers of the clips in their data set, `(N,)`.
        seed: Seed of the benchmark.

    Returns:
        float64 array `(N, layer.num_draws)` in [0, 1).
    """
    rows = [
        np.random.default_rng((seed, int(index))).random(layer.num_draws)
        for index in indices
    ]
    return np.stack(rows)
