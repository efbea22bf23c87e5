"""Picking frames: spread over a clip, or padded to one length."""

import keras
import numpy as np

from keras_skeleton.layers.augmentation._choice import integers
from keras_skeleton.layers.augmentation._frames import FrameChoice
from keras_skeleton.layers.augmentation.base import SkeletonTransform
from keras_skeleton.layers.augmentation.chains import copy_with
from keras_skeleton.layers.augmentation.streams import Streams


class _FrameSelection(FrameChoice):
    """A transform that picks frames by their numbers, or streams of them."""

    def __init__(self, num_frames, streams=None, **kwargs):
        super().__init__(num_frames, **kwargs)
        if isinstance(streams, dict):
            streams = keras.saving.deserialize_keras_object(streams)
        if streams is not None and not isinstance(streams, Streams):
            raise ValueError(
                f"`streams` must be a `Streams` layer. Received: {streams!r}"
            )
        self.streams = streams

    def build(self, input_shape):
        if self.streams is not None:
            self.streams.build(input_shape)
        super().build(input_shape)

    def beside_scores(self, number):
        if self.streams is None:
            return self
        streams = self.streams.beside_scores(number)
        streams = keras.saving.serialize_keras_object(streams)
        return copy_with(self, streams=streams)

    def check(self, shape):
        if self.streams is not None:
            self.streams.check(shape)

    @property
    def _has_motion(self):
        return self.streams is not None and self.streams.has_motion

    def select(self, lengths, draws, longest):
        """Returns the numbers of the frames that make up the result.

        Arguments are those of `choose_frames`.

        Returns:
            int32 `(N, total_frames)`.
        """
        raise NotImplementedError

    def choose_frames(self, lengths, draws=None, longest=None):
        """Returns the frames; with motion, each followed by the next one.

        See `FrameChoice.choose_frames`.
        """
        ops = self.backend.numpy
        frames = self.select(lengths, draws, longest)
        if not self._has_motion:
            return frames
        last = ops.maximum(lengths[:, None] - 1, 0)
        pairs = [frames, ops.minimum(frames + 1, last)]
        pairs = ops.stack(pairs, axis=-1)
        return ops.reshape(pairs, (-1, 2 * self.total_frames))

    def of_chosen(self, clips, frames, draws, lengths):
        if self.streams is None:
            return clips
        if not self._has_motion:
            return self.streams.features(self.backend, clips)
        is_followed = frames + 1 < lengths[:, None]
        clips = self.streams.features(self.backend, clips, is_followed)
        return clips[:, :, ::2]

    def compute_output_shape(self, input_shape):
        if self.streams is not None:
            input_shape = self.streams.compute_output_shape(input_shape)
        return super().compute_output_shape(input_shape)

    def get_config(self):
        streams = self.streams
        return {
            **super().get_config(),
            "streams": streams and keras.saving.serialize_keras_object(streams),
        }


@keras.saving.register_keras_serializable(package="keras_skeleton")
class UniformSample(_FrameSelection):
    """Samples frames that are spread evenly over each clip.

    Of `F` frames a crop of `L` is taken from a random place, all of
    them by default, and `S = num_frames` frames are taken from the crop:

    - `L < S`: consecutive frames from a random start, starting over at the
      end of the clip;
    - `S <= L < 2 S`: `S` frames in order, leaving out `L - S` random ones of
      the crop, at most one between two that are taken;
    - `2 S <= L`: one random frame of each of `S` equal parts.

    Outside training, and with `mode="test"`, the choice depends on the
    number of frames alone: it is the one of the published test pipelines,
    where NumPy's legacy generator starts from `test_seed` for each clip, and
    short clips start at evenly spaced frames.

    Several samples of a clip follow each other in time; `SplitClips` gives
    them an axis of their own.

    Args:
        num_frames: Frames `S` of one sample.
        num_clips: Samples that are taken of each clip.
        interval: Length of the crop as a share of the frames: one number,
            or a lower and an upper one to draw it between.
        mode: `"train"`, or `"test"` for a transform without randomness.
        streams: Optional `Streams` that are computed before frames are
            sampled, so that motion is that between neighbours of the clip.
        max_frames: Frames of the longest clip, needed where the shape does
            not tell it: in `tf.data` with batches of any length. Longer
            clips are an error there.
        test_seed: Seed of the choice outside training.
        **kwargs: See `SkeletonTransform`.

    Call arguments:
        clips: float32 tensor `(N, M, T, V, C)`.
        draws: Optional `(N, num_clips * (S + 3))` numbers in [0, 1): for
            each sample, the share and the place of the crop, and `S + 1` for
            its frames. For `L < S` the first of these is the start, for
            `L < 2 S` the positions of the `L - S` smallest come before the
            frames that are left out, and else one belongs to each part.
        training: Whether to sample randomly when there are no draws.

    Returns:
        float32 tensor `(N, M, num_clips * S, V, C)`, with the channels of
        `streams`.

    Example:

    >>> layer = UniformSample(100, num_clips=10, mode="test")
    >>> layer(np.ones((2, 1, 80, 25, 3))).shape
    (2, 1, 1000, 25, 3)

    Reference: [Duan et al., 2022](https://arxiv.org/abs/2104.13586).
    """

    def __init__(
        self,
        num_frames,
        num_clips=1,
        interval: float | tuple = 1.0,
        mode="train",
        streams=None,
        max_frames=300,
        test_seed=255,
        **kwargs,
    ):
        super().__init__(num_frames, streams, **kwargs)
        if isinstance(interval, int | float):
            interval = (interval, interval)
        interval = tuple(float(share) for share in interval)
        if len(interval) != 2 or not 0 < interval[0] <= interval[1] <= 1:
            raise ValueError(
                "`interval` must be one share of the frames, or a lower and "
                "an upper one, above 0 and at most 1. Received: "
                f"interval={interval}"
            )
        if mode not in ("train", "test"):
            raise ValueError(
                f"`mode` must be 'train' or 'test'. Received: {mode!r}"
            )
        if num_clips < 1 or max_frames < 1:
            raise ValueError(
                "`num_clips` and `max_frames` must be at least 1. Received: "
                f"num_clips={num_clips}, max_frames={max_frames}"
            )
        self.num_clips = int(num_clips)
        self.interval = interval
        self.mode = mode
        self.max_frames = int(max_frames)
        self.test_seed = int(test_seed)
        self._test_table = np.zeros((1, self.total_frames), "int32")

    @property
    def num_draws(self):
        if self.mode == "test":
            return 0
        return self.num_clips * (self.num_frames + 3)

    @property
    def total_frames(self):
        return self.num_clips * self.num_frames

    def select(self, lengths, draws, longest):
        ops = self.backend.numpy
        if draws is None:
            table = self._table(self.max_frames if longest is None else longest)
            table = self.backend.convert_to_tensor(table, "int32")
            return ops.take(table, lengths, axis=0)
        size = self.num_frames + 3
        frames = [
            self._sample(lengths, draws[:, clip * size : (clip + 1) * size])
            for clip in range(self.num_clips)
        ]
        return ops.concatenate(frames, axis=1)

    def _sample(self, length, draws):
        """Numbers of the frames `(N, S)` by one sample's draws `(N, S + 3)`."""
        backend, ops, size = self.backend, self.backend.numpy, self.num_frames
        low, high = self.interval
        length = ops.maximum(length, 1)
        crop = self.whole_part(
            lambda length, draws: length * (draws[:, 0] * (high - low) + low),
            length,
            draws,
        )
        crop = ops.maximum(crop, 1)
        place = integers(self, draws[:, 1], 0, length - crop)[:, None]
        start = integers(self, draws[:, 2], 0, crop - 1)[:, None]
        length, crop = length[:, None], crop[:, None]
        order = ops.arange(size, dtype="int32")[None]

        rank = ops.argsort(ops.argsort(self.draws_as_tensor(draws[:, 2:])))
        is_skip = backend.cast(rank, "int32") < crop - size
        skips = ops.cumsum(backend.cast(is_skip, "int32"), axis=1)

        edges = ops.arange(size + 1, dtype="int32")[None] * crop // size
        parts = ops.maximum(edges[:, 1:] - edges[:, :-1], 1)
        picks = edges[:, :-1] + integers(self, draws[:, 2:-1], 0, parts - 1)

        frames = ops.where(crop < 2 * size, order + skips[:, :-1], picks)
        frames = ops.where(crop < size, start + order, frames)
        return self._into_clip(frames, place, crop, length)

    def _into_clip(self, frames, place, crop, length):
        return (frames + place) % length

    def _table(self, longest):
        """Frames `(longest + 1, num_clips * S)` by the length of a clip."""
        table = self._test_table
        if len(table) <= longest:
            rows = range(len(table), longest + 1)
            rows = [self._test_frames(length) for length in rows]
            table = np.concatenate([table, np.array(rows, "int32")])
            # In one piece, as several threads may come here.
            self._test_table = table
        return table[: longest + 1]

    def _test_frames(self, length):
        generator = np.random.RandomState(self.test_seed)
        size = self.num_frames
        samples = []
        for clip in range(self.num_clips):
            crop, place = self._test_crop(length, generator)
            frames = np.arange(size)
            if crop < size:
                frames += self._test_start(clip, crop, generator)
            elif crop < 2 * size:
                skips = np.zeros(size + 1, "int64")
                chosen = generator.choice(size + 1, crop - size, replace=False)
                skips[chosen] = 1
                frames += np.cumsum(skips)[:-1]
            else:
                edges = np.arange(size + 1) * crop // size
                frames = edges[:-1] + generator.randint(np.diff(edges))
            samples.append(self._into_clip(frames, place, crop, length))
        return np.concatenate(samples)

    def _test_crop(self, length, generator):
        low, high = self.interval
        share = generator.rand() * (high - low) + low
        crop = max(int(share * length), 1)
        return crop, generator.randint(length - crop + 1)

    def _test_start(self, clip, crop, generator):
        if crop < self.num_clips:
            return clip
        return clip * crop // self.num_clips

    def get_config(self):
        return {
            **super().get_config(),
            "num_clips": self.num_clips,
            "interval": list(self.interval),
            "mode": self.mode,
            "max_frames": self.max_frames,
            "test_seed": self.test_seed,
        }


@keras.saving.register_keras_serializable(package="keras_skeleton")
class UniformSampleDecode(UniformSample):
    """Samples frames as `UniformSample`, but starts over within the crop.

    Where the crop is shorter than `num_frames`, frames start over at the end
    of the crop, not of the clip, and outside training they start at random
    frames, drawn from `test_seed`, not at evenly spaced ones. This is the
    sampling that recipes with the step `UniformSampleDecode` were trained
    and tested with.

    Arguments, call arguments and result are those of `UniformSample`.

    Example:

    >>> layer = UniformSampleDecode(64, interval=(0.5, 1.0))
    >>> layer(np.ones((2, 1, 80, 25, 3)), training=True).shape
    (2, 1, 64, 25, 3)

    Reference: [Duan et al., 2022](https://arxiv.org/abs/2210.05895).
    """

    def _into_clip(self, frames, place, crop, length):
        return frames % crop + place

    def _test_start(self, clip, crop, generator):
        return generator.randint(crop)


@keras.saving.register_keras_serializable(package="keras_skeleton")
class SegmentSample(UniformSample):
    """Samples frames as `UniformSample` does of whole clips.

    Outside training the generator that chooses frames is not asked for a
    crop first, so that it chooses others. This is the sampling of MMAction2
    0.x, which EPAM-Net was trained and tested with.

    Arguments, call arguments and result are those of `UniformSample`; the
    `interval` must be left at 1.

    Example:

    >>> layer = SegmentSample(48, mode="test")
    >>> layer(np.ones((2, 1, 80, 17, 3))).shape
    (2, 1, 48, 17, 3)

    Reference: [Duan et al., 2022](https://arxiv.org/abs/2104.13586).
    """

    def __init__(self, num_frames, **kwargs):
        super().__init__(num_frames, **kwargs)
        if self.interval != (1.0, 1.0):
            raise ValueError(
                "SegmentSample takes whole clips. Received: interval="
                f"{self.interval}; use `UniformSample` for parts of them."
            )

    def _test_crop(self, length, generator):
        return max(length, 1), 0


@keras.saving.register_keras_serializable(package="keras_skeleton")
class PadTo(_FrameSelection):
    """Brings clips to a number of frames by repeating or by zeros.

    Longer clips lose their end. Zeros that are added count as frames from
    then on, as in published code.

    Args:
        num_frames: Frames to return.
        mode: `"loop"` starts over at the end of the clip, `"zero"` leaves
            zeros after it.
        streams: Optional `Streams` that are computed before, so that nothing
            moves into the padding.
        **kwargs: See `SkeletonTransform`.

    Call arguments:
        clips: float32 tensor `(N, M, T, V, C)`.

    Returns:
        float32 tensor `(N, M, num_frames, V, C)`, with the channels of
        `streams`.

    Example:

    >>> PadTo(300)(np.ones((2, 1, 80, 25, 3))).shape
    (2, 1, 300, 25, 3)

    Reference: [Duan et al., 2022](https://arxiv.org/abs/2205.09443).
    """

    def __init__(self, num_frames, mode="loop", streams=None, **kwargs):
        super().__init__(num_frames, streams, **kwargs)
        if mode not in ("loop", "zero"):
            raise ValueError(
                f"`mode` must be 'loop' or 'zero'. Received: {mode!r}"
            )
        self.mode = mode

    def select(self, lengths, draws, longest):
        number = self.backend.numpy.arange(self.num_frames, dtype="int32")
        return number[None] % self.backend.numpy.maximum(lengths, 1)[:, None]

    def of_chosen(self, clips, frames, draws, lengths):
        ops = self.backend.numpy
        clips = super().of_chosen(clips, frames, draws, lengths)
        if self.mode == "loop":
            return clips
        number = ops.arange(self.num_frames, dtype="int32")[None]
        is_valid = (number < lengths[:, None])[:, None, :, None, None]
        return ops.where(is_valid, clips, ops.zeros_like(clips))

    def get_config(self):
        return {**super().get_config(), "mode": self.mode}


@keras.saving.register_keras_serializable(package="keras_skeleton")
class SplitClips(SkeletonTransform):
    """Gives several samples of a clip, which follow in time, their own axis.

    Comes last, as other transforms take batches without this axis. The
    scores of the samples are to be averaged.

    Args:
        num_clips: Samples of each clip, as in `UniformSample`.
        **kwargs: See `SkeletonTransform`.

    Input shape: `(N, M, num_clips * T, V, C)`.

    Output shape: `(N, num_clips, M, T, V, C)`.

    Example:

    >>> SplitClips(10)(np.ones((2, 1, 1000, 25, 3))).shape
    (2, 10, 1, 100, 25, 3)
    """

    def __init__(self, num_clips, **kwargs):
        super().__init__(**kwargs)
        if num_clips < 1:
            raise ValueError(
                f"`num_clips` must be at least 1. Received: {num_clips}"
            )
        self.num_clips = int(num_clips)

    def check(self, shape):
        if shape[2] is None or shape[2] % self.num_clips:
            raise ValueError(
                f"SplitClips divides time into {self.num_clips} samples. "
                f"Received clips of shape {shape}, with {shape[2]} frames."
            )

    def transform(self, clips, draws, lengths):
        ops = self.backend.numpy
        shape = self.compute_output_shape((-1, *clips.shape[1:]))
        samples, count, persons, frames, joints, coordinates = shape
        shape = (samples, persons, count, frames, joints, coordinates)
        return ops.transpose(ops.reshape(clips, shape), (0, 2, 1, 3, 4, 5))

    def new_lengths(self, clips, draws, lengths):
        return lengths // self.num_clips

    def compute_output_shape(self, input_shape):
        samples, persons, frames, joints, coordinates = input_shape
        if frames is not None:
            frames //= self.num_clips
        return samples, self.num_clips, persons, frames, joints, coordinates

    def get_config(self):
        return {**super().get_config(), "num_clips": self.num_clips}
