"""Transforms that choose random frames."""

import keras

from keras_skeleton.layers.augmentation._choice import choose
from keras_skeleton.layers.augmentation._choice import integers
from keras_skeleton.layers.augmentation._frames import FrameChoice

# Published feeders draw from this many copies of the frames, so that short
# clips have enough of them.
COPIES = 100


@keras.saving.register_keras_serializable(package="keras_skeleton")
class RandomFrames(FrameChoice):
    """Takes random frames in their order; outside training, even steps.

    In training, `num_frames` frames are drawn without replacement from 100
    copies of the `L` valid frames and sorted, so short clips show frames
    several times and long ones leave some out. Outside training, the frames
    are the whole parts of `num_frames` numbers evenly spaced from 0 to
    `L - 1`. All persons share the frames.

    Args:
        num_frames: Frames to return.
        **kwargs: See `SkeletonTransform`.

    Call arguments:
        clips: float32 tensor `(N, M, T, V, C)`.
        draws: Optional `(N, num_frames)` numbers in [0, 1).
        training: Whether frames are random when there are no draws.

    Returns:
        float32 tensor `(N, M, num_frames, V, C)`.

    Example:

    >>> RandomFrames(52)(np.ones((2, 1, 33, 20, 3))).shape
    (2, 1, 52, 20, 3)

    Reference: the NW-UCLA recipe of
    [Chen et al., 2021](https://arxiv.org/abs/2107.12213).
    """

    @property
    def num_draws(self):
        return self.num_frames

    def choose_frames(self, lengths, draws=None, longest=None):
        ops = self.backend.numpy
        if draws is None:
            return self._even_frames(lengths)
        length = ops.maximum(lengths, 1)
        count = ops.full_like(length, self.num_frames)
        population = length * max(COPIES, self.num_frames)
        chosen = choose(self, population, count, draws) % length[:, None]
        # TensorFlow forgets the shape of what it sorts.
        return ops.reshape(ops.sort(chosen, axis=1), (-1, self.num_frames))

    def _even_frames(self, lengths):
        ops = self.backend.numpy
        last = ops.maximum(lengths - 1, 0)[:, None]
        number = ops.arange(self.num_frames, dtype="int32")
        steps = max(self.num_frames - 1, 1)
        # In double precision and in this order, as NumPy's `linspace` does:
        # some whole numbers come out just below themselves.
        index = self.whole_part(
            lambda last, number: number * (last / steps), last, number
        )
        if self.num_frames > 1:
            index = ops.where(number == steps, last, index)
        return index


@keras.saving.register_keras_serializable(package="keras_skeleton")
class RandomSegmentFrames(FrameChoice):
    """Takes one random frame from each of equal segments of the clip.

    The `L` valid frames are cut into `num_frames` segments, from frame
    `floor(i * L / num_frames)` to before the next one's. A clip with fewer
    frames is repeated, `ceil(num_frames / L) + 1` times. Outside training,
    the frame is the one in the middle of its segment.

    Args:
        num_frames: Frames to return.
        share: Share of the frames that is looked at, the middle ones; of a
            clip that is repeated, the middle of its repeated frames.
        **kwargs: See `SkeletonTransform`.

    Call arguments:
        clips: float32 tensor `(N, M, T, V, C)`.
        draws: Optional `(N, num_frames)` numbers in [0, 1), the place in
            each segment.
        training: Whether frames are random when there are no draws.

    Returns:
        float32 tensor `(N, M, num_frames, V, C)`.

    Raises:
        ValueError: If `share` is not above 0 and at most 1.

    Reference: the first NTU recipe of
    [CascadeFormer](https://arxiv.org/abs/2509.00692).
    """

    def __init__(self, num_frames, share=1.0, **kwargs):
        super().__init__(num_frames, **kwargs)
        if not 0 < share <= 1:
            raise ValueError(
                "`share` must be above 0 and at most 1. Received: "
                f"share={share}"
            )
        self.share = float(share)

    @property
    def num_draws(self):
        return self.num_frames

    def choose_frames(self, lengths, draws=None, longest=None):
        ops = self.backend.numpy
        size = self.num_frames
        length = ops.maximum(lengths, 1)[:, None]
        seen = ops.maximum(self._seen(length), 1)
        repeats = ops.where(seen < size, (size + seen - 1) // seen + 1, 1)
        total = length * repeats
        seen = ops.maximum(self._seen(total), 1)
        # In double precision and in this order, as in the published code:
        # some whole numbers come out just below themselves.
        edges = self.whole_part(
            lambda seen, number: number * (seen / size),
            seen,
            ops.arange(size + 1, dtype="int32"),
        )
        first, end = (total - seen) // 2, edges[:, 1:]
        start = edges[:, :-1]
        if draws is None:
            return (first + (start + end) // 2) % length
        last = ops.maximum(end - start - 1, 0)
        return (first + start + integers(self, draws, 0, last)) % length

    def _seen(self, frames):
        """How many of so many frames are looked at."""
        return self.whole_part(lambda frames: frames * self.share, frames)

    def get_config(self):
        return {**super().get_config(), "share": self.share}
