"""Transforms of clips in space."""

import keras

from keras_skeleton import skeletons
from keras_skeleton.layers.augmentation.base import SkeletonTransform


@keras.saving.register_keras_serializable(package="keras_skeleton")
class RandomRotation(SkeletonTransform):
    """Rotates each clip about the origin by three random angles.

    The rotation about x comes first, then y, then z; each turns by an angle
    between plus and minus `max_angle`. All frames and persons of a clip turn
    alike. A positive angle about z turns y towards x.

    Args:
        max_angle: Radians, one number or one for each axis (x, y, z).
        **kwargs: See `SkeletonTransform`.

    Call arguments:
        clips: float32 tensor `(N, M, T, V, 3)`.
        draws: Optional `(N, 3)` numbers `u` in [0, 1); the angles are
            `(2 * u - 1) * max_angle`.
        training: Whether to rotate when there are no draws.

    Returns:
        Clips of the same shape.

    Raises:
        ValueError: If the clips have not three coordinates.

    Reference: [Chen et al., 2021](https://arxiv.org/abs/2107.12213).
    """

    num_draws = 3

    def __init__(self, max_angle=0.3, **kwargs):
        super().__init__(**kwargs)
        angles = (max_angle,) * 3
        if not isinstance(max_angle, int | float):
            angles = tuple(max_angle)
        if len(angles) != 3:
            raise ValueError(
                "`max_angle` must be one angle or three, about x, y and z. "
                f"Received: {max_angle}"
            )
        self.max_angle = tuple(float(angle) for angle in angles)

    def check(self, shape):
        if shape[-1] != 3:
            raise ValueError(
                "RandomRotation turns clips in space and needs three "
                f"coordinates x, y, z. Received clips of shape {shape}."
            )

    def transform(self, clips, draws):
        ops = self.backend.numpy
        draws = self.draws_as_tensor(draws)
        limit = self.draws_as_tensor(self.max_angle)
        angles = (2.0 * draws - 1.0) * limit
        cos, sin = ops.cos(angles), ops.sin(angles)
        cx, cy, cz = cos[:, 0], cos[:, 1], cos[:, 2]
        sx, sy, sz = sin[:, 0], sin[:, 1], sin[:, 2]
        # Rows of the product Rz Ry Rx, transposed for row vectors.
        columns = [
            [cz * cy, sz * cx + cz * sy * sx, sz * sx - cz * sy * cx],
            [-sz * cy, cz * cx - sz * sy * sx, cz * sx + sz * sy * cx],
            [sy, -cy * sx, cy * cx],
        ]
        matrix = ops.stack(
            [ops.stack(column, axis=-1) for column in columns], axis=-1
        )
        _, persons, frames, joints, _ = clips.shape
        shape = self.backend.shape(clips)
        flat = ops.reshape(clips, (shape[0], -1, 3))
        return ops.reshape(
            ops.matmul(flat, matrix), (-1, persons, shape[2], joints, 3)
        )

    def get_config(self):
        return {**super().get_config(), "max_angle": list(self.max_angle)}


@keras.saving.register_keras_serializable(package="keras_skeleton")
class RandomScale(SkeletonTransform):
    """Multiplies each clip by a random factor.

    Args:
        factor: Lower and upper limit of the factor.
        **kwargs: See `SkeletonTransform`.

    Call arguments:
        clips: float32 tensor `(N, M, T, V, C)`.
        draws: Optional `(N, 1)` numbers in [0, 1).
        training: Whether to scale when there are no draws.

    Returns:
        Clips of the same shape.
    """

    num_draws = 1

    def __init__(self, factor, **kwargs):
        super().__init__(**kwargs)
        self.factor = tuple(float(limit) for limit in factor)
        if len(self.factor) != 2 or not 0 < self.factor[0] <= self.factor[1]:
            raise ValueError(
                "`factor` must be a lower and an upper limit above 0. "
                f"Received: {factor}"
            )

    def transform(self, clips, draws):
        low, high = self.factor
        draws = self.draws_as_tensor(draws)
        scale = low + (high - low) * draws[:, 0]
        return clips * scale[:, None, None, None, None]

    def get_config(self):
        return {**super().get_config(), "factor": list(self.factor)}


@keras.saving.register_keras_serializable(package="keras_skeleton")
class RandomMirror(SkeletonTransform):
    """Mirrors half of the clips at the plane `x = 0`.

    The first coordinate changes its sign, and left joints swap places with
    right ones. Coordinates should be centred: pixels, for example, are not.

    Args:
        skeleton: `Skeleton` or the name of a registered one.
        **kwargs: See `SkeletonTransform`.

    Call arguments:
        clips: float32 tensor `(N, M, T, V, C)`.
        draws: Optional `(N, 1)` numbers in [0, 1); below 0.5 a clip is
            mirrored.
        training: Whether to mirror when there are no draws.

    Returns:
        Clips of the same shape.
    """

    num_draws = 1

    def __init__(self, skeleton, **kwargs):
        super().__init__(**kwargs)
        self.skeleton = skeletons.get(skeleton)

    def check(self, shape):
        check_joints(self, shape)

    def transform(self, clips, draws):
        ops = self.backend.numpy
        order = self.skeleton.mirror_permutation
        sign = [-1.0] + [1.0] * (clips.shape[-1] - 1)
        mirrored = ops.take(clips, ops.array(order, "int32"), axis=3)
        mirrored = mirrored * self.backend.convert_to_tensor(sign, "float32")
        chosen = self.draws_as_tensor(draws)[:, 0] < 0.5
        chosen = chosen[:, None, None, None, None]
        return ops.where(chosen, mirrored, clips)

    def get_config(self):
        skeleton = skeletons.serialize(self.skeleton)
        return {**super().get_config(), "skeleton": skeleton}


@keras.saving.register_keras_serializable(package="keras_skeleton")
class Center(SkeletonTransform):
    """Moves each clip so that the body starts at the origin.

    The place of one joint of the first person, in the first frame that shows
    this person, is subtracted everywhere. Absent persons and padded frames
    stay zero.

    Args:
        joint: Index of the joint. By default the centre of `skeleton`, or
            without a skeleton the mean of all joints.
        skeleton: `Skeleton` or the name of a registered one.
        **kwargs: See `SkeletonTransform`.

    Input and output shape: `(N, M, T, V, C)`. All `C` coordinates are
    centred, so a score must not be among them.
    """

    def __init__(self, joint=None, skeleton=None, **kwargs):
        super().__init__(**kwargs)
        self.skeleton = None if skeleton is None else skeletons.get(skeleton)
        if joint is None and self.skeleton is not None:
            joint = self.skeleton.center
        self.joint = joint

    def check(self, shape):
        if self.skeleton is not None:
            check_joints(self, shape)
        if self.joint is not None and not 0 <= self.joint < shape[3]:
            raise ValueError(
                f"Center subtracts joint {self.joint}, but the clips have the "
                f"joints 0 to {shape[3] - 1}. Received shape {shape}."
            )

    def transform(self, clips, draws):
        ops = self.backend.numpy
        is_present = ops.any(clips != 0, axis=(3, 4))
        first = ops.argmax(self.backend.cast(is_present[:, 0], "int32"), axis=1)
        frames = ops.arange(self.backend.shape(clips)[2], dtype="int32")
        is_first = frames[None] == self.backend.cast(first, "int32")[:, None]
        if self.joint is None:
            place = ops.mean(clips[:, 0], axis=2)
        else:
            place = clips[:, 0, :, self.joint]
        is_first = self.backend.cast(is_first, "float32")[..., None]
        origin = ops.sum(place * is_first, axis=1)
        keep = self.backend.cast(is_present, "float32")[..., None, None]
        return clips - origin[:, None, None, None] * keep

    def get_config(self):
        skeleton = self.skeleton
        return {
            **super().get_config(),
            "joint": self.joint,
            "skeleton": skeleton and skeletons.serialize(skeleton),
        }


def check_joints(transform, shape):
    skeleton = transform.skeleton
    if shape[3] != skeleton.num_joints:
        raise ValueError(
            f"{type(transform).__name__} got the skeleton {skeleton.name!r} "
            f"with {skeleton.num_joints} joints, but clips with {shape[3]}. "
            "Pass the `skeleton` of the clips. Received clips of shape "
            f"{shape}."
        )
