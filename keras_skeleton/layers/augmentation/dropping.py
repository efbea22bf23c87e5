"""Transforms that set parts of clips to zero, and random use of any."""

import keras
import numpy as np

from keras_skeleton import skeletons
from keras_skeleton.layers.augmentation._choice import choose
from keras_skeleton.layers.augmentation._choice import integers
from keras_skeleton.layers.augmentation._choice import membership
from keras_skeleton.layers.augmentation.base import SkeletonTransform
from keras_skeleton.layers.augmentation.space import check_joints


@keras.saving.register_keras_serializable(package="keras_skeleton")
class RandomApply(SkeletonTransform):
    """Applies another transform to a random share of the clips.

    Outside training the other transform does what it does outside training;
    one without draws is left out.

    Args:
        layer: The transform; it must keep the shape of the clips.
        probability: Probability that a clip is transformed.
        **kwargs: See `SkeletonTransform`.

    Call arguments:
        clips: float32 tensor `(N, M, T, V, C)`.
        draws: Optional `(N, 1 + layer.num_draws)` numbers in [0, 1): below
            `probability` in the first column, a clip is transformed with the
            others.
        training: Whether to act when there are no draws.

    Returns:
        Clips of the same shape.

    Raises:
        ValueError: If the transform changes the shape of the clips.

    Example:

    >>> layer = RandomApply(DropAxis(), probability=0.5)
    >>> layer(np.ones((2, 1, 64, 20, 3)), training=True).shape
    (2, 1, 64, 20, 3)
    """

    def __init__(self, layer, probability=0.5, **kwargs):
        super().__init__(**kwargs)
        if isinstance(layer, dict):
            layer = keras.saving.deserialize_keras_object(layer)
        if not isinstance(layer, SkeletonTransform):
            raise ValueError(
                f"`layer` must be a `SkeletonTransform`. Received: {layer!r}"
            )
        if not 0 <= probability <= 1:
            raise ValueError(
                "`probability` must be between 0 and 1. Received: "
                f"{probability}"
            )
        self.layer = layer
        self.probability = float(probability)

    @property
    def num_draws(self):
        return 1 + self.layer.num_draws

    def build(self, input_shape):
        self.layer.build(input_shape)

    def check(self, shape):
        self.layer.check(shape)
        changed = tuple(self.layer.compute_output_shape(shape))
        if changed != shape:
            raise ValueError(
                "RandomApply needs a transform that keeps the shape of clips, "
                f"but {type(self.layer).__name__} makes {changed} of {shape}."
            )

    def beside_scores(self, number):
        changed = self.layer.beside_scores(number)
        return type(self)(changed, self.probability, seed=self.seed)

    def transform(self, clips, draws, lengths):
        # The engine at work is known to the layer that was called.
        self.layer.backend = self.backend
        changed = self.layer.transform(clips, self._rest(draws), lengths)
        chosen = self._chosen(draws)[:, None, None, None, None]
        return self.backend.numpy.where(chosen, changed, clips)

    def deterministic(self, clips, lengths):
        if not self.layer.num_draws:
            return clips
        self.layer.backend = self.backend
        return self.layer.deterministic(clips, lengths)

    def new_lengths(self, clips, draws, lengths):
        if draws is None and not self.layer.num_draws:
            return lengths
        self.layer.backend = self.backend
        changed = self.layer.new_lengths(clips, self._rest(draws), lengths)
        if draws is None:
            return changed
        return self.backend.numpy.where(self._chosen(draws), changed, lengths)

    def _chosen(self, draws):
        return self.draws_as_tensor(draws[:, 0]) < self.probability

    def _rest(self, draws):
        if draws is None or not self.layer.num_draws:
            return None
        return draws[:, 1:]

    def get_config(self):
        return {
            **super().get_config(),
            "layer": keras.saving.serialize_keras_object(self.layer),
            "probability": self.probability,
        }


@keras.saving.register_keras_serializable(package="keras_skeleton")
class DropAxis(SkeletonTransform):
    """Sets one random coordinate of each clip to zero everywhere.

    Args:
        **kwargs: See `SkeletonTransform`.

    Call arguments:
        clips: float32 tensor `(N, M, T, V, C)`.
        draws: Optional `(N, 1)` numbers in [0, 1), from which coordinate
            `floor(draw * C)` follows.
        training: Whether to act when there are no draws.

    Returns:
        Clips of the same shape.

    Reference: the NW-UCLA recipe of
    [Hyper-GCN](https://arxiv.org/abs/2411.14796).
    """

    moves_joints = True
    num_draws = 1

    def transform(self, clips, draws, lengths):
        ops = self.backend.numpy
        coordinates = clips.shape[-1]
        dropped = integers(self, draws, 0, coordinates - 1)
        is_dropped = ops.arange(coordinates, dtype="int32") == dropped
        return ops.where(is_dropped[:, None, None, None], 0.0, clips)


@keras.saving.register_keras_serializable(package="keras_skeleton")
class DropJoints(SkeletonTransform):
    """Sets some joints to zero in some frames.

    How many joints and frames is random within limits, and so is which; the
    same joints vanish in all the chosen frames and for all persons. Clips
    with fewer joints or frames than the limits lose all they have. Without
    `lengths`, all frames of the batch are taken for those of the clips.

    Args:
        joints: Least and largest number of joints.
        frames: Least and largest number of frames; `None` for all.
        **kwargs: See `SkeletonTransform`.

    Call arguments:
        clips: float32 tensor `(N, M, T, V, C)`.
        draws: Optional `(N, 2 + joints[1] + frames[1])` numbers in [0, 1):
            the number of joints and of frames, then one for each joint and
            each frame that may be chosen. `(N, 1 + joints[1])` where all
            frames are.
        training: Whether to act when there are no draws.

    Returns:
        Clips of the same shape.

    Reference: the NW-UCLA recipe of
    [Hyper-GCN](https://arxiv.org/abs/2411.14796).
    """

    def __init__(self, joints=(4, 12), frames=(16, 32), **kwargs):
        super().__init__(**kwargs)
        self.joints = tuple(joints)
        self.frames = None if frames is None else tuple(frames)
        for what in ("joints", "frames"):
            limits = getattr(self, what)
            if limits is None:
                continue
            if len(limits) != 2 or not 0 <= limits[0] <= limits[1]:
                raise ValueError(
                    f"`{what}` must be a least and a largest number. "
                    f"Received: {limits}"
                )

    @property
    def num_draws(self):
        if self.frames is None:
            return 1 + self.joints[1]
        return 2 + self.joints[1] + self.frames[1]

    def transform(self, clips, draws, lengths):
        backend, ops = self.backend, self.backend.numpy
        first = 1 if self.frames is None else 2
        middle = first + self.joints[1]
        num_joints, num_frames = clips.shape[3], backend.shape(clips)[2]
        if lengths is None:
            lengths = integers(self, draws[:, 0], 0, 0) + num_frames
        joints = self._chosen(
            draws[:, 0],
            draws[:, first:middle],
            self.joints,
            ops.full_like(lengths, num_joints),
            num_joints,
        )
        if self.frames is None:
            return ops.where(joints[:, None, None, :, None], 0.0, clips)
        frames = self._chosen(
            draws[:, 1], draws[:, middle:], self.frames, lengths, num_frames
        )
        is_dropped = frames[:, None, :, None] & joints[:, None, None]
        return ops.where(is_dropped[..., None], 0.0, clips)

    def _chosen(self, count_draws, draws, limits, population, size):
        count = integers(self, count_draws, *limits)
        count = self.backend.numpy.minimum(count, population)
        chosen = choose(self, population, count, draws)
        return membership(self, chosen, size)

    def get_config(self):
        return {
            **super().get_config(),
            "joints": list(self.joints),
            "frames": self.frames and list(self.frames),
        }


@keras.saving.register_keras_serializable(package="keras_skeleton")
class DropSide(SkeletonTransform):
    """Sets the limbs of a random side of the body to zero everywhere.

    Args:
        skeleton: `Skeleton` or the name of a registered one, whose `mirror`
            says which joints are on which side.
        **kwargs: See `SkeletonTransform`.

    Call arguments:
        clips: float32 tensor `(N, M, T, V, C)`.
        draws: Optional `(N, 1)` numbers in [0, 1): below a half, the first
            side of the skeleton's pairs is lost, else the second.
        training: Whether to act when there are no draws.

    Returns:
        Clips of the same shape.

    Raises:
        ValueError: If the skeleton has no pairs.

    Example:

    >>> layer = RandomApply(DropSide("ntu"), probability=0.5)
    >>> layer(np.ones((2, 1, 64, 25, 3)), training=True).shape
    (2, 1, 64, 25, 3)

    Reference: the code of [BRL](https://arxiv.org/abs/2308.14024), whose
    recipes do not use it.
    """

    num_draws = 1

    def __init__(self, skeleton, **kwargs):
        super().__init__(**kwargs)
        self.skeleton = skeletons.get(skeleton)
        if not self.skeleton.mirror:
            raise ValueError(
                f"The skeleton {self.skeleton.name!r} has no sides: its "
                "`mirror` names no pairs of joints."
            )

    def check(self, shape):
        check_joints(self, shape)

    def transform(self, clips, draws, lengths):
        ops = self.backend.numpy
        sides = np.zeros((2, clips.shape[3]), bool)
        for side, joints in zip(
            sides, zip(*self.skeleton.mirror, strict=True), strict=True
        ):
            side[list(joints)] = True
        is_first = self.draws_as_tensor(draws)[:, :1] < 0.5
        first, second = (
            self.backend.convert_to_tensor(side[None], "bool") for side in sides
        )
        is_lost = (is_first & first) | (~is_first & second)
        return ops.where(is_lost[:, None, None, :, None], 0.0, clips)

    def get_config(self):
        skeleton = skeletons.serialize(self.skeleton)
        return {**super().get_config(), "skeleton": skeleton}


@keras.saving.register_keras_serializable(package="keras_skeleton")
class ZeroInvisible(SkeletonTransform):
    """Sets joints of low score to zero and takes the score away.

    The score or visibility is the last coordinate.

    Args:
        threshold: Joints with a score of at most this are not visible.
        **kwargs: See `SkeletonTransform`.

    Input shape: `(N, M, T, V, C)`.

    Output shape: `(N, M, T, V, C - 1)`.

    Reference: the Penn Action recipe of
    [CascadeFormer](https://arxiv.org/abs/2509.00692).
    """

    def __init__(self, threshold=0.0, **kwargs):
        super().__init__(**kwargs)
        self.threshold = float(threshold)

    def check(self, shape):
        if shape[-1] < 2:
            raise ValueError(
                "ZeroInvisible takes the last coordinate as a score and needs "
                f"another one before it. Received clips of shape {shape}."
            )

    def transform(self, clips, draws, lengths):
        is_seen = clips[..., -1:] > self.threshold
        return self.backend.numpy.where(is_seen, clips[..., :-1], 0.0)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], input_shape[-1] - 1)

    def get_config(self):
        return {**super().get_config(), "threshold": self.threshold}
