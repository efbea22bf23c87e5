"""Noise on the places of joints."""

import math

import keras

from keras_skeleton.layers.augmentation.base import SkeletonTransform

# A person whose smallest coordinates lie within a hundredth of the origin is
# taken for absent, as in PYSKL.
ABSENT = 1e-4


@keras.saving.register_keras_serializable(package="keras_skeleton")
class RandomNoise(SkeletonTransform):
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
            moved, so a score must not be among them.
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
        self.clip_shape = tuple(int(size) for size in clip_shape)
        if len(self.clip_shape) != 4:
            raise ValueError(
                "`clip_shape` must be (persons, frames, joints, "
                f"coordinates). Received: {clip_shape}"
            )
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
        if shape[1:] != self.clip_shape:
            raise ValueError(
                f"RandomNoise was made for clips of shape {self.clip_shape}. "
                f"Received {shape[1:]}."
            )

    def transform(self, clips, draws, lengths):
        ops = self.backend.numpy
        draws = self.draws_as_tensor(draws)
        *joints, coordinates = self._noise_shape
        count = math.prod(joints)
        radius, angle = draws[:, :count], draws[:, count : 2 * count]
        normal = ops.sqrt(-2.0 * ops.log1p(-radius))
        normal = normal * ops.cos(2.0 * math.pi * angle)
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
