"""Spatial decomposition of FineTec: regions that move, and that rest.

S_base -> mean motion of each region -> the most dynamic, and the rest
S_dyna:  S_base, but its dynamic joints cropped in time and dropped
S_stat:  S_base, but its static joints mirrored
"""

import keras
import numpy as np
from keras import ops

from keras_skeleton import layers
from keras_skeleton.layers.augmentation import FillLostFrames
from keras_skeleton.layers.augmentation.filling import filled


def regions_of(skeleton, dynamic_regions):
    """The joints of each region of a layout, its `parts`."""
    regions = tuple(part for part in skeleton.parts.values() if part)
    if len(regions) <= dynamic_regions:
        raise ValueError(
            f"The skeleton {skeleton.name!r} names {len(regions)} parts, of "
            f"which {dynamic_regions} would be dynamic and none static. Give "
            "it `parts`, for example head, arms and legs, or lower "
            "`dynamic_regions`."
        )
    return regions


def region_motion(clips, regions):
    """How much joints and regions move.

    Args:
        clips: `(B, T, V, C)`.
        regions: Array `(G, V)`, the share of each joint in its region's mean.

    Returns:
        The mean distance from frame to frame of each joint, `(B, V)`, and
        the mean of it over each region, `(B, G)`.
    """
    steps = ops.square(clips[:, 1:] - clips[:, :-1])
    joints = ops.mean(ops.sqrt(ops.sum(steps, axis=-1)), axis=1)
    shares = ops.convert_to_tensor(regions, joints.dtype)
    return joints, ops.matmul(joints, ops.transpose(shares))


def largest(values, count):
    """Which `count` values of each row `(B, G)` are largest, boolean.

    Of equal ones, those that come first.
    """
    number = np.arange(values.shape[1])
    is_earlier = number[None, :] < number[:, None]
    one, other = values[:, :, None], values[:, None, :]
    is_equal = ops.logical_and(other == one, is_earlier)
    is_before = ops.logical_or(other > one, is_equal)
    rank = ops.sum(ops.cast(is_before, "int32"), axis=2)
    return rank < count


def resized(clips, start, length):
    """A part of each clip, stretched in time to all of its frames.

    Args:
        clips: `(B, T, V, C)`.
        start: int32 `(B,)`, the first frame of the part.
        length: int32 `(B,)`, its frames.
    """
    frames = clips.shape[1]
    share = ops.linspace(0.0, 1.0, frames)
    span = ops.cast(length - 1, "float32")[:, None]
    place = ops.cast(start, "float32")[:, None] + span * share
    before = ops.floor(place)
    weight = ops.cast(place - before, clips.dtype)[:, :, None]
    before = ops.cast(before, "int32")
    after = ops.minimum(before + 1, frames - 1)
    flat = ops.reshape(clips, (-1, frames, clips.shape[2] * clips.shape[3]))
    left = layers.gather_tokens(flat, before)
    right = layers.gather_tokens(flat, after)
    made = left + weight * (right - left)
    return ops.reshape(made, (-1, *clips.shape[1:]))


def mirrored(clips):
    """Clips mirrored in x about the mean x of all joints and frames."""
    x, rest = clips[..., :1], clips[..., 1:]
    middle = ops.mean(x, axis=(1, 2, 3), keepdims=True)
    return ops.concatenate([2 * middle - x, rest], axis=-1)


@keras.saving.register_keras_serializable(package="keras_skeleton")
class RegionPerturbation(keras.layers.Layer):
    """Two perturbed copies of clips: of what moves, and of what rests.

    The regions that move most are dynamic, the others static; joints of no
    region are neither. In the first copy the dynamic joints are cropped in
    time to half of the frames or more, stretched again, and lose a fifth of
    the frames, never the first or the last, which are interpolated. In the
    second, the static joints are mirrored in x in half of the clips; their
    names stay, as only a part of the body turns. All other joints stay.

    The kinds of perturbation are the paper's, their strengths and order a
    choice. No gradient passes through the selection.

    Args:
        regions: Tuple of tuples of joints.
        dynamic_regions: How many regions are dynamic.
        crop: The smallest share of the frames that is cropped to.
        drop: Share of the frames that is dropped.
        mirror: Probability of the mirror.
        seed: Seed of the draws.
        **kwargs: Arguments of `keras.layers.Layer`.

    Input shape: `(B, T, V, C)`.

    Output: Tuple of two tensors of that shape.
    """

    def __init__(
        self,
        regions,
        dynamic_regions=2,
        crop=0.5,
        drop=0.2,
        mirror=0.5,
        seed=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.regions = tuple(tuple(region) for region in regions)
        self.dynamic_regions = dynamic_regions
        self.crop = crop
        self.drop = drop
        self.mirror = mirror
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.filler = FillLostFrames()

    def build(self, input_shape):
        joints = input_shape[2]
        members = np.zeros((len(self.regions), joints), "float32")
        for row, region in zip(members, self.regions, strict=True):
            row[list(region)] = 1
        self.members = members
        # As in `Completion`.
        self.filler.build((None, 1, *input_shape[1:]))

    def joint_groups(self, clips):
        """Which joints are dynamic, and which static, boolean `(B, V)`."""
        shares = self.members / self.members.sum(axis=1, keepdims=True)
        # In full precision, as equal regions are told apart by their order.
        clips = ops.stop_gradient(ops.cast(clips, "float32"))
        _, motion = region_motion(clips, shares)
        dynamic = ops.cast(largest(motion, self.dynamic_regions), "float32")
        return (
            ops.matmul(dynamic, self.members) > 0,
            ops.matmul(1 - dynamic, self.members) > 0,
        )

    def call(self, clips):
        rows, frames = ops.shape(clips)[0], clips.shape[1]
        draws = keras.random.uniform((rows, 3), seed=self.seed_generator)
        # Any number of frames from the smallest on is alike likely.
        smallest = max(1, int(np.ceil(self.crop * frames)))
        length = smallest + _whole(draws[:, 0], frames - smallest + 1)
        start = _whole(draws[:, 1], frames - length + 1)
        return self.perturbed(
            clips, start, length, self._dropped(rows, frames), draws[:, 2]
        )

    def _dropped(self, rows, frames):
        """Dropped frames, boolean `(B, T)`."""
        count = min(int(self.drop * frames), frames - 2)
        inner = keras.random.uniform(
            (rows, max(frames - 2, 0)), seed=self.seed_generator
        )
        ends = ops.ones((rows, 1))
        noise = ops.concatenate([ends, inner, ends], axis=1)[:, :frames]
        if count < 1:
            return noise < 0
        return noise <= ops.sort(noise, axis=1)[:, count - 1 : count]

    def perturbed(self, clips, start, length, dropped, flips):
        """Both copies, for given draws.

        Args:
            clips: `(B, T, V, C)`.
            start: int32 `(B,)`, the first frame of the crop.
            length: int32 `(B,)`, its frames.
            dropped: Boolean `(B, T)`.
            flips: `(B,)`, mirrored where below the probability.
        """
        dynamic, static = self.joint_groups(clips)
        moved = resized(clips, start, length)
        moved = filled(self.filler, moved[:, None], ~dropped, "interpolation")[
            :, 0
        ]
        moved = ops.cast(moved, clips.dtype)
        static = static & (flips < self.mirror)[:, None]
        return (
            ops.where(dynamic[:, None, :, None], moved, clips),
            ops.where(static[:, None, :, None], mirrored(clips), clips),
        )

    def compute_output_shape(self, input_shape):
        return input_shape, input_shape

    def get_config(self):
        return {
            **super().get_config(),
            "regions": self.regions,
            "dynamic_regions": self.dynamic_regions,
            "crop": self.crop,
            "drop": self.drop,
            "mirror": self.mirror,
            "seed": self.seed,
        }


def _whole(draws, limit):
    """Whole numbers below a limit, from draws in [0, 1)."""
    limit = ops.cast(limit, "float32")
    number = ops.minimum(ops.floor(draws * limit), limit - 1)
    return ops.cast(number, "int32")
