"""Noise on the places of joints."""

import math

import keras

from keras_skeleton.layers.augmentation.base import SkeletonTransform
from keras_skeleton.layers.augmentation.chains import copy_with
from keras_skeleton.layers.augmentation.scores import KeepScores

# A person whose smallest coordinates lie within a hundredth of the origin is
# taken for absent, as in PYSKL.
ABSENT = 1e-4


def normal_numbers(ops, radius, angle):
    """Two normally distributed tensors of two of uniform numbers.

    This is the Box-Muller transform.
    """
    radius = ops.sqrt(-2.0 * ops.log1p(-radius))
    angle = 2.0 * math.pi * angle
    return radius * ops.cos(angle), radius * ops.sin(angle)


def _check_clip_shape(clip_shape):
    shape = tuple(int(size) for size in clip_shape)
    if len(shape) != 4:
        raise ValueError(
            "`clip_shape` must be (persons, frames, joints, coordinates). "
            f"Received: {clip_shape}"
        )
    return shape


class _ClipNoise(SkeletonTransform):
    """Noise for clips of one shape, which the number of draws depends on."""

    moves_joints = True

    def beside_scores(self, number):
        *rest, coordinates = self.clip_shape
        places = copy_with(self, clip_shape=(*rest, coordinates - number))
        return KeepScores(places, number)


def _check_clips(layer, shape):
    if shape[1:] != layer.clip_shape:
        raise ValueError(
            f"{type(layer).__name__} was made for clips of shape "
            f"{layer.clip_shape}. Received {shape[1:]}."
        )


@keras.saving.register_keras_serializable(package="keras_skeleton")
class RandomNoise(_ClipNoise):
    """Moves each joint by a random distance in a random direction.

    The distance is normally distributed, with a standard deviation of
    `sigma` times the diagonal of the box around a person's joints in one
    frame, or around all persons in all frames. The direction is that of a
    random point of the cube from -1 to 1. Absent persons do not move: those
    whose smallest coordinates have a squared norm of at most 1e-4.

    Args:
        clip_shape: Shape `(M, T, V, C)` of the clips, which the number of
            draws depends on.
        sigma: Standard deviation, relative to the box.
        base: `"frame"` or `"video"`: which box it is relative to.
        shared: Whether the joints move alike in all frames and persons;
            only with `base="video"`.
        **kwargs: See `SkeletonTransform`.

    Call arguments:
        clips: float32 tensor `(N, M, T, V, C)`. All `C` coordinates are
            moved; see `KeepScores` for clips with a score.
        draws: Optional `(N, J * (2 + C))` numbers in [0, 1) for
            `J = M * T * V` joints, or `J = V` shared ones: `J` each for the
            radius and the angle of the Box-Muller transform, then the points
            `(J, C)` of the cube.
        training: Whether joints move when there are no draws.

    Returns:
        Clips of the same shape.

    Reference: [Duan et al., 2022](https://arxiv.org/abs/2205.09443).
    """

    def __init__(
        self, clip_shape, sigma=0.01, base="frame", shared=False, **kwargs
    ):
        super().__init__(**kwargs)
        self.clip_shape = _check_clip_shape(clip_shape)
        if base not in ("frame", "video"):
            raise ValueError(
                f"`base` must be 'frame' or 'video'. Received: {base!r}"
            )
        if shared and base == "frame":
            raise ValueError(
                "Noise that is shared by all frames needs base='video'."
            )
        self.sigma = float(sigma)
        self.base = base
        self.shared = bool(shared)

    @property
    def _noise_shape(self):
        *rest, coordinates = self.clip_shape
        if self.shared:
            rest[:2] = 1, 1
        return (*rest, coordinates)

    @property
    def num_draws(self):
        *joints, coordinates = self._noise_shape
        return math.prod(joints) * (2 + coordinates)

    def check(self, shape):
        _check_clips(self, shape)

    def transform(self, clips, draws, lengths):
        ops = self.backend.numpy
        draws = self.draws_as_tensor(draws)
        *joints, coordinates = self._noise_shape
        count = math.prod(joints)
        normal, _ = normal_numbers(
            ops, draws[:, :count], draws[:, count : 2 * count]
        )
        normal = ops.reshape(normal, (-1, *joints, 1))
        point = 2.0 * draws[:, 2 * count :] - 1.0
        point = ops.reshape(point, (-1, *joints, coordinates))
        norm = ops.sqrt(ops.sum(point**2, axis=-1, keepdims=True))
        direction = point / ops.maximum(norm, keras.config.epsilon())
        return clips + self.sigma * self._size(clips) * normal * direction

    def _size(self, clips):
        """Diagonal of the box, `(N, M, T, 1, 1)`, zero for the absent."""
        ops = self.backend.numpy
        low = ops.min(clips, axis=3, keepdims=True)
        high = ops.max(clips, axis=3, keepdims=True)
        is_present = ops.sum(low**2, axis=-1, keepdims=True) > ABSENT
        if self.base == "video":
            limit = ops.full_like(low, float("inf"))
            low = ops.where(is_present, low, limit)
            high = ops.where(is_present, high, -limit)
            low = ops.min(low, axis=(1, 2), keepdims=True)
            high = ops.max(high, axis=(1, 2), keepdims=True)
        size = ops.sqrt(ops.sum((high - low) ** 2, axis=-1, keepdims=True))
        return ops.where(is_present, size, ops.zeros_like(size))

    def get_config(self):
        return {
            **super().get_config(),
            "clip_shape": list(self.clip_shape),
            "sigma": self.sigma,
            "base": self.base,
            "shared": self.shared,
        }


@keras.saving.register_keras_serializable(package="keras_skeleton")
class GaussianNoise(_ClipNoise):
    """Adds normally distributed noise to every coordinate.

    Absent persons and padded frames stay zero. (In the published code they
    get noise too: `absent=True`.)

    Args:
        clip_shape: Shape `(M, T, V, C)` of the clips, which the number of
            draws depends on.
        sigma: Standard deviation, in the units of the clips.
        absent: Whether there is noise where nobody is.
        **kwargs: See `SkeletonTransform`.

    Call arguments:
        clips: float32 tensor `(N, M, T, V, C)`. All `C` coordinates are
            changed; see `KeepScores` for clips with a score.
        draws: Optional `(N, 2 * K)` numbers in [0, 1), where `K` is half of
            `M * T * V * C`, rounded up: radii and angles of the Box-Muller
            transform, whose cosines give the first half of the noise and
            whose sines the other.
        training: Whether to act when there are no draws.

    Returns:
        Clips of the same shape.

    Raises:
        ValueError: If the clips have another shape.

    Example:

    >>> noise = GaussianNoise((1, 50, 25, 3))
    >>> noise(np.ones((2, 1, 50, 25, 3)), training=True).shape
    (2, 1, 50, 25, 3)

    Reference: [AimCLR](https://arxiv.org/abs/2112.03590).
    """

    def __init__(self, clip_shape, sigma=0.01, absent=False, **kwargs):
        super().__init__(**kwargs)
        self.clip_shape = _check_clip_shape(clip_shape)
        if sigma < 0:
            raise ValueError(f"`sigma` must be at least 0. Received: {sigma}")
        self.sigma = float(sigma)
        self.absent = bool(absent)

    @property
    def _num_pairs(self):
        return (math.prod(self.clip_shape) + 1) // 2

    @property
    def num_draws(self):
        return 2 * self._num_pairs

    def check(self, shape):
        _check_clips(self, shape)

    def transform(self, clips, draws, lengths):
        ops = self.backend.numpy
        draws, half = self.draws_as_tensor(draws), self._num_pairs
        noise = normal_numbers(ops, draws[:, :half], draws[:, half:])
        noise = ops.concatenate(noise, axis=1)
        noise = noise[:, : math.prod(self.clip_shape)]
        noise = self.sigma * ops.reshape(noise, (-1, *self.clip_shape))
        if not self.absent:
            is_present = self.is_present(clips)[..., None, None]
            noise = ops.where(is_present, noise, 0.0)
        return clips + noise

    def get_config(self):
        return {
            **super().get_config(),
            "clip_shape": list(self.clip_shape),
            "sigma": self.sigma,
            "absent": self.absent,
        }
