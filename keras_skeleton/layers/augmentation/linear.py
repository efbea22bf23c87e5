"""Random linear maps of the coordinates."""

import keras

from keras_skeleton.layers.augmentation._choice import choose
from keras_skeleton.layers.augmentation._choice import membership
from keras_skeleton.layers.augmentation.base import SkeletonTransform
from keras_skeleton.layers.augmentation.space import rotate
from keras_skeleton.layers.augmentation.space import stack


def _check_limit(limit, dimensions):
    if dimensions not in (2, 3) or limit < 0:
        raise ValueError(
            "`limit` must be at least 0 and `dimensions` 2 or 3. Received: "
            f"limit={limit}, dimensions={dimensions}"
        )


def _check_dimensions(layer, shape):
    if shape[-1] < layer.dimensions:
        raise ValueError(
            f"{type(layer).__name__} maps {layer.dimensions} coordinates. "
            f"Received clips of shape {shape}; pass dimensions={shape[-1]}."
        )


@keras.saving.register_keras_serializable(package="keras_skeleton")
class RandomShear(SkeletonTransform):
    """Shears each clip: every coordinate gains a share of the others.

    A joint `p` becomes `S p`, where `S` has ones on its diagonal and random
    numbers elsewhere. All frames, persons and joints are sheared alike.

    Args:
        limit: Numbers are drawn from `-limit` to `limit`. Published are 0.5
            (AimCLR, HiCLR, MS-CLR) and 1 (HaLP).
        dimensions: Coordinates that are sheared, 3 or 2; further ones, such
            as a score, stay.
        **kwargs: See `SkeletonTransform`.

    Call arguments:
        clips: float32 tensor `(N, M, T, V, C)`.
        draws: Optional `(N, 6)` numbers in [0, 1), or `(N, 2)` in two
            dimensions: the entries of `S` beside its diagonal, row by row.
        training: Whether to shear when there are no draws.

    Returns:
        Clips of the same shape.

    Raises:
        ValueError: If the clips have fewer coordinates.

    Example:

    >>> RandomShear(0.5)(np.ones((2, 1, 50, 25, 3)), training=True).shape
    (2, 1, 50, 25, 3)

    Reference: [AimCLR](https://arxiv.org/abs/2112.03590).
    """

    moves_joints = True

    def __init__(self, limit=0.5, dimensions=3, **kwargs):
        super().__init__(**kwargs)
        _check_limit(limit, dimensions)
        self.limit = float(limit)
        self.dimensions = dimensions

    @property
    def num_draws(self):
        return self.dimensions * (self.dimensions - 1)

    def check(self, shape):
        _check_dimensions(self, shape)

    def transform(self, clips, draws, lengths):
        numbers = self.limit * (2.0 * self.draws_as_tensor(draws) - 1.0)
        one = self.backend.numpy.ones_like(numbers[:, 0])
        size, beside = self.dimensions, iter(range(self.num_draws))
        rows = [
            [one if i == j else numbers[:, next(beside)] for j in range(size)]
            for i in range(size)
        ]
        # Joints are rows, so the matrix is turned over.
        matrix = stack(self.backend, list(zip(*rows, strict=True)))
        return rotate(self.backend, clips, matrix)

    def get_config(self):
        return {
            **super().get_config(),
            "limit": self.limit,
            "dimensions": self.dimensions,
        }


@keras.saving.register_keras_serializable(package="keras_skeleton")
class JointCorruption(SkeletonTransform):
    """Takes the places of some joints away, or distorts them.

    The joints are drawn for each clip, and are the same in all frames and for
    all persons. In half of the clips they become zero; in the others their
    coordinates, as a row, are multiplied by a random matrix.

    Args:
        num_joints: Joints that are corrupted; published: 15 of 25.
        limit: The entries of the matrix are drawn from `-limit` to `limit`.
        zero_rate: Share of the clips whose joints become zero.
        dimensions: Coordinates that the matrix mixes, 3 or 2.
        **kwargs: See `SkeletonTransform`.

    Call arguments:
        clips: float32 tensor `(N, M, T, V, C)`.
        draws: Optional `(N, 1 + num_joints + dimensions ** 2)` numbers in
            [0, 1): below `zero_rate` for zeros, then the joints, then the
            matrix row by row.
        training: Whether to act when there are no draws.

    Returns:
        Clips of the same shape.

    Raises:
        ValueError: If the clips have fewer joints or coordinates.

    Example:

    >>> JointCorruption()(np.ones((2, 1, 64, 25, 3)), training=True).shape
    (2, 1, 64, 25, 3)

    Reference: [HaLP](https://arxiv.org/abs/2304.00387).
    """

    moves_joints = True

    def __init__(
        self, num_joints=15, limit=1.0, zero_rate=0.5, dimensions=3, **kwargs
    ):
        super().__init__(**kwargs)
        if num_joints < 1 or not 0 <= zero_rate <= 1:
            raise ValueError(
                "`num_joints` must be at least 1 and `zero_rate` from 0 to 1. "
                f"Received: num_joints={num_joints}, zero_rate={zero_rate}"
            )
        _check_limit(limit, dimensions)
        self.num_joints = int(num_joints)
        self.limit = float(limit)
        self.zero_rate = float(zero_rate)
        self.dimensions = dimensions

    @property
    def num_draws(self):
        return 1 + self.num_joints + self.dimensions**2

    def check(self, shape):
        _check_dimensions(self, shape)
        if shape[3] < self.num_joints:
            raise ValueError(
                f"JointCorruption corrupts {self.num_joints} joints; pass a "
                f"smaller `num_joints`. Received clips of shape {shape}."
            )

    def transform(self, clips, draws, lengths):
        ops = self.backend.numpy
        size, middle = self.dimensions, 1 + self.num_joints
        joints = self._corrupted(clips.shape[3], draws[:, 1:middle])
        numbers = self.draws_as_tensor(draws)
        matrix = self.limit * (2.0 * numbers[:, middle:] - 1.0)
        is_zero = numbers[:, 0] < self.zero_rate
        matrix = ops.where(is_zero[:, None], 0.0, matrix)
        matrix = ops.reshape(matrix, (-1, size, size))
        changed = rotate(self.backend, clips, matrix)
        return ops.where(joints[:, None, None, :, None], changed, clips)

    def _corrupted(self, population, draws):
        """Which joints are corrupted, boolean `(N, V)`."""
        ops = self.backend.numpy
        every = ops.zeros_like(self.whole_part(lambda u: u, draws[:, 0]))
        chosen = choose(
            self, every + population, every + self.num_joints, draws
        )
        return membership(self, chosen, population)

    def get_config(self):
        return {
            **super().get_config(),
            "num_joints": self.num_joints,
            "limit": self.limit,
            "zero_rate": self.zero_rate,
            "dimensions": self.dimensions,
        }
