"""Transforms of where the body is seen from, and of its place and size."""

import math

import keras

from keras_skeleton import _values
from keras_skeleton.layers.augmentation._choice import integers
from keras_skeleton.layers.augmentation.base import SkeletonTransform
from keras_skeleton.layers.augmentation.space import rotate
from keras_skeleton.layers.augmentation.space import stack

# Rows of this many frames let NumPy find extremes several times faster.
GROUP = 8


class _SpaceTransform(SkeletonTransform):
    """Base of transforms that need three coordinates and certain joints."""

    moves_joints = True
    joints = ()

    def check(self, shape):
        name = type(self).__name__
        if shape[-1] != 3:
            raise ValueError(
                f"{name} needs three coordinates x, y, z. Received clips of "
                f"shape {shape}."
            )
        outside = [joint for joint in self.joints if not 0 <= joint < shape[3]]
        if outside:
            raise ValueError(
                f"{name} uses joint {outside[0]}, but the clips have the "
                f"joints 0 to {shape[3] - 1}. Received clips of shape {shape}."
            )


@keras.saving.register_keras_serializable(package="keras_skeleton")
class RandomView(_SpaceTransform):
    """Shows each clip from a random side and at a random size.

    Coordinates turn about y and then about x, each by a random whole number
    of degrees from `-max_angle` to `max_angle`, and are multiplied by a
    random factor. For angles `a` and `b` about x and y and a factor `s`, a
    row `p = (x, y, z)` becomes `s p Ry(b) Rx(a)`, with

        Rx(a) = [[1, 0, 0], [0, cos a, sin a], [0, -sin a, cos a]]
        Ry(b) = [[cos b, 0, -sin b], [0, 1, 0], [sin b, 0, cos b]]

    Clips should be centred first: `Center(joint=1)` on NW-UCLA. They are
    left alone outside training.

    Args:
        max_angle: Largest angle in degrees, a whole number.
        factor: Lower and upper limit of the factor.
        **kwargs: See `SkeletonTransform`.

    Call arguments:
        clips: float32 tensor `(N, M, T, V, 3)`.
        draws: Optional `(N, 3)` numbers in [0, 1): the angles about x and y
            and the factor.
        training: Whether to act when there are no draws.

    Returns:
        Clips of the same shape.

    Raises:
        ValueError: If the clips have not three coordinates.

    Reference: the NW-UCLA recipe of
    [Chen et al., 2021](https://arxiv.org/abs/2107.12213).
    """

    num_draws = 3

    def __init__(self, max_angle=60, factor=(0.5, 1.5), **kwargs):
        super().__init__(**kwargs)
        if int(max_angle) != max_angle or not 0 <= max_angle <= 180:
            raise ValueError(
                "`max_angle` must be a whole number of degrees from 0 to 180. "
                f"Received: {max_angle}"
            )
        self.max_angle = int(max_angle)
        self.factor = tuple(float(limit) for limit in factor)
        if len(self.factor) != 2 or not 0 < self.factor[0] <= self.factor[1]:
            raise ValueError(
                "`factor` must be a lower and an upper limit above 0. "
                f"Received: {factor}"
            )

    def transform(self, clips, draws, lengths):
        backend, ops = self.backend, self.backend.numpy
        limit = self.max_angle
        degrees = integers(self, draws[:, :2], -limit, limit)
        angles = backend.cast(degrees, "float32") * (math.pi / 180)
        cos, sin = ops.cos(angles), ops.sin(angles)
        cx, cy, sx, sy = cos[:, 0], cos[:, 1], sin[:, 0], sin[:, 1]
        rows = [
            [cy, sy * sx, -sy * cx],
            [ops.zeros_like(cx), cx, sx],
            [sy, -cy * sx, cy * cx],
        ]
        low, high = self.factor
        factor = low + (high - low) * self.draws_as_tensor(draws)[:, 2]
        matrix = stack(backend, rows) * factor[:, None, None]
        return rotate(backend, clips, matrix)

    def get_config(self):
        return {
            **super().get_config(),
            "max_angle": self.max_angle,
            "factor": list(self.factor),
        }


@keras.saving.register_keras_serializable(package="keras_skeleton")
class AlignShoulders(_SpaceTransform):
    """Turns each clip so that the first frame's shoulders lie along x.

    The line from the first of two joints to the second, of the first person
    in the first frame, is turned to the direction of x on the shortest way.
    All frames and persons turn alike. A clip that has no such line, or one
    along x already, stays as it is.

    Args:
        shoulders: Indices of the left and the right shoulder.
        **kwargs: See `SkeletonTransform`.

    Input and output shape: `(N, M, T, V, 3)`.

    Raises:
        ValueError: If the clips lack the joints or a coordinate.

    Reference: the cross-view recipe of
    [Hyper-GCN](https://arxiv.org/abs/2411.14796).
    """

    def __init__(self, shoulders=(4, 8), **kwargs):
        super().__init__(**kwargs)
        self.joints = tuple(int(joint) for joint in shoulders)
        if len(set(self.joints)) != 2:
            raise ValueError(
                "`shoulders` must be two different joints, left and right. "
                f"Received: {shoulders}"
            )

    def transform(self, clips, draws, lengths):
        ops = self.backend.numpy
        left, right = self.joints
        line = clips[:, 0, 0, right] - clips[:, 0, 0, left]
        x, y, z = line[:, 0], line[:, 1], line[:, 2]
        # The axis is the cross product of the line and x: (0, z, -y).
        across = ops.sqrt(y * y + z * z)
        length = ops.sqrt(x * x + y * y + z * z)
        stays = (ops.abs(y) + ops.abs(z) < 1e-6) | (across < 1e-6 * length)
        safe = ops.where(stays, 1.0, across)
        ay, az = z / safe, -y / safe
        long = ops.where(stays, 1.0, length)
        cos, sin = x / long, across / long
        rest = 1.0 - cos
        rows = [
            [cos, az * sin, -ay * sin],
            [-az * sin, cos + ay * ay * rest, ay * az * rest],
            [ay * sin, ay * az * rest, cos + az * az * rest],
        ]
        stays = stays[:, None, None, None, None]
        turned = rotate(self.backend, clips, stack(self.backend, rows))
        return ops.where(stays, clips, turned)

    def get_config(self):
        return {**super().get_config(), "shoulders": list(self.joints)}


@keras.saving.register_keras_serializable(package="keras_skeleton")
class FaceFront(_SpaceTransform):
    """Turns every frame about the vertical axis so that shoulders lie along x.

    Each person is turned by itself in each frame, so that the body always
    looks the same way; y is the vertical axis. Where shoulders lie above each
    other, nothing turns.

    The published code finds the angle by its cosine, `x / (length + 1e-4)`,
    and takes its sign from the sum of z over the clip: a person who turns
    around is turned the wrong way for a while. `published=True` does so, as
    published encoders have seen such clips.

    Args:
        shoulders: Indices of the left and the right shoulder.
        published: See above.
        **kwargs: See `SkeletonTransform`.

    Input and output shape: `(N, M, T, V, 3)`.

    Raises:
        ValueError: If the clips lack the joints or a coordinate.

    Reference: the preprocessing of
    [HiCLR](https://arxiv.org/abs/2211.13466).
    """

    def __init__(self, shoulders=(4, 8), published=False, **kwargs):
        super().__init__(**kwargs)
        self.joints = tuple(int(joint) for joint in shoulders)
        if len(set(self.joints)) != 2:
            raise ValueError(
                "`shoulders` must be two different joints, left and right. "
                f"Received: {shoulders}"
            )
        self.published = bool(published)

    def transform(self, clips, draws, lengths):
        ops = self.backend.numpy
        left, right = self.joints
        line = clips[..., right, :] - clips[..., left, :]
        cos, sin = self._angle(line[..., 0], line[..., 2])
        cos, sin = cos[..., None, None], sin[..., None, None]
        x, y, z = clips[..., :1], clips[..., 1:2], clips[..., 2:]
        turned = [cos * x - sin * z, y, sin * x + cos * z]
        return ops.concatenate(turned, axis=-1)

    def _angle(self, x, z):
        """Cosine and sine of the turn of each frame, `(N, M, T)`."""
        ops = self.backend.numpy
        length = ops.sqrt(x * x + z * z)
        if not self.published:
            has_length = length > 0
            length = ops.where(has_length, length, 1.0)
            return ops.where(has_length, x / length, 1.0), -z / length
        extra = 1e-4
        cos = x / (length + extra)
        # The root of 1 - cos^2, without its loss of digits.
        sin = z * z + extra * (2.0 * length + extra)
        sin = ops.sqrt(sin) / (length + extra)
        is_behind = ops.sum(z, axis=2, keepdims=True) >= 0
        return cos, ops.where(is_behind, -sin, sin)

    def get_config(self):
        return {
            **super().get_config(),
            "shoulders": list(self.joints),
            "published": self.published,
        }


@keras.saving.register_keras_serializable(package="keras_skeleton")
class MinMaxNormalization(SkeletonTransform):
    """Stretches each coordinate of each clip to the range from -1 to 1.

    The smallest and the largest value are those of all joints, frames and
    persons of the clip, for each coordinate by itself. A coordinate that is
    the same everywhere becomes zero. Absent persons and padded frames stay
    zero and do not count.

    Input and output shape: `(N, M, T, V, C)`.

    Reference: the NW-UCLA recipe of
    [Chen et al., 2021](https://arxiv.org/abs/2107.12213).
    """

    moves_joints = True

    def transform(self, clips, draws, lengths):
        backend, ops = self.backend, self.backend.numpy
        rows = self.as_rows(clips)
        is_present = self.is_present(clips)
        taken = self._take_present(rows, is_present)
        low = self._over_all(ops.min, taken, clips.shape)
        high = self._over_all(ops.max, taken, clips.shape)
        half = (high - low) / 2.0
        has_range = half > 0
        half = ops.where(has_range, half, 1.0)
        one = backend.cast(has_range, "float32")
        # The lowest value goes first: it is exact, unlike the middle.
        stretched = rows - self.for_rows(low, clips)
        stretched = stretched / self.for_rows(half, clips)
        stretched = stretched - self.for_rows(one, clips)
        keep = backend.cast(is_present, "float32")[..., None]
        return ops.reshape(stretched * keep, backend.shape(clips))

    def _take_present(self, rows, is_present):
        """Takes a multiple of `GROUP` rows of each clip.

        These are all that are present, some of them more than once, or only
        absent ones if none is. This is faster than masking.

        Args:
            rows: `(N, M, T, V * C)`.
            is_present: boolean `(N, M, T)`.

        Returns:
            Rows `(N, K, V * C)`.
        """
        backend, ops = self.backend, self.backend.numpy
        samples, persons, frames, size = backend.shape(rows)
        number = persons * frames
        is_present = ops.reshape(is_present, (samples, number))
        first = ops.argmax(backend.cast(is_present, "int32"), axis=1)
        first = backend.cast(first, "int32")[:, None]
        index = ops.arange(number, dtype="int32")
        index = ops.where(is_present, index, first)
        filled = ops.arange(-(-number // GROUP) * GROUP, dtype="int32")
        index = ops.take(index, filled % number, axis=1)
        start = ops.arange(samples, dtype="int32")[:, None] * number
        return ops.take(ops.reshape(rows, (-1, size)), start + index, axis=0)

    def _over_all(self, extreme, rows, shape):
        """The `extreme` of each coordinate of rows `(N, K, V * C)`, `(N, C)`.

        In steps, so that NumPy does most of it along a long last axis.
        """
        joints, coordinates = shape[3:]
        ops, size = self.backend.numpy, joints * coordinates
        samples, number = self.backend.shape(rows)[:2]
        wide = ops.reshape(rows, (samples, number // GROUP, GROUP * size))
        values = extreme(wide, axis=1)
        values = extreme(ops.reshape(values, (-1, GROUP, size)), axis=1)
        values = ops.reshape(values, (-1, joints, coordinates))
        return extreme(values, axis=1)


@keras.saving.register_keras_serializable(package="keras_skeleton")
class RootNormalization(SkeletonTransform):
    """Centres every frame on one joint and divides by the body's reach.

    Each person's joint is subtracted in every frame. Then the clip is
    divided by the largest distance of any joint from it, plus 1e-8. Absent
    persons and padded frames stay zero.

    Args:
        joint: Index of the joint.
        **kwargs: See `SkeletonTransform`.

    Input and output shape: `(N, M, T, V, C)`. `KeepScores` leaves out
    a score, as pipelines do where the data have one.

    Raises:
        ValueError: If the clips lack the joint.

    Reference: the first NTU recipe of
    [CascadeFormer](https://arxiv.org/abs/2509.00692).
    """

    moves_joints = True

    def __init__(self, joint=0, **kwargs):
        super().__init__(**kwargs)
        self.joint = _values.whole_number("joint", joint, 0)

    def check(self, shape):
        if not 0 <= self.joint < shape[3]:
            raise ValueError(
                f"RootNormalization subtracts joint {self.joint}, but the "
                f"clips have the joints 0 to {shape[3] - 1}. Received clips "
                f"of shape {shape}."
            )

    def transform(self, clips, draws, lengths):
        ops = self.backend.numpy
        clips = clips - clips[:, :, :, self.joint : self.joint + 1]
        reach = ops.sqrt(ops.sum(clips * clips, axis=-1, keepdims=True))
        reach = ops.max(reach, axis=(1, 2, 3), keepdims=True)
        return clips / (reach + 1e-8)

    def get_config(self):
        return {**super().get_config(), "joint": self.joint}


@keras.saving.register_keras_serializable(package="keras_skeleton")
class BoneNormalization(SkeletonTransform):
    """Centres each clip on a joint's first place, in units of one bone.

    The place of the bone's first joint in the first frame is subtracted from
    every joint that is seen (joints whose coordinates sum to zero are not
    and stay zero), and the clip is divided by the length of the bone in the
    first frame where it has one. A clip in which it never has one is only
    centred. Every person is treated by itself.

    On SHREC'17 the bone leads from the wrist to the base of the middle
    finger.

    Args:
        bone: Indices of the two joints of the bone; the first is the origin.
        **kwargs: See `SkeletonTransform`.

    Input and output shape: `(N, M, T, V, C)`.

    Raises:
        ValueError: If the clips lack the joints.

    Reference: [DSTA-Net](https://arxiv.org/abs/2007.03263).
    """

    moves_joints = True

    def __init__(self, bone=(0, 10), **kwargs):
        super().__init__(**kwargs)
        self.bone = tuple(int(joint) for joint in bone)
        if len(set(self.bone)) != 2:
            raise ValueError(
                f"`bone` must be two different joints. Received: {bone}"
            )

    def check(self, shape):
        if not all(0 <= joint < shape[3] for joint in self.bone):
            raise ValueError(
                f"BoneNormalization uses the joints {self.bone}, but the "
                f"clips have the joints 0 to {shape[3] - 1}. Received clips "
                f"of shape {shape}."
            )

    def transform(self, clips, draws, lengths):
        backend, ops = self.backend, self.backend.numpy
        origin, end = self.bone
        is_seen = ops.sum(clips, axis=-1, keepdims=True) != 0
        place = clips[:, :, :1, origin : origin + 1]
        clips = ops.where(is_seen, clips - place, clips)
        bone = clips[:, :, :, end] - clips[:, :, :, origin]
        length = ops.sqrt(ops.sum(bone * bone, axis=-1))
        # The length of the first frame where it is not zero.
        number = ops.arange(backend.shape(clips)[2], dtype="int32")
        has_length = backend.cast(length > 0, "int32")
        first = backend.cast(ops.argmax(has_length, axis=2), "int32")
        is_first = backend.cast(number == first[:, :, None], "float32")
        length = ops.sum(length * is_first, axis=2)
        length = ops.where(length > 0, length, 1.0)
        return clips / length[:, :, None, None, None]

    def get_config(self):
        return {**super().get_config(), "bone": list(self.bone)}


@keras.saving.register_keras_serializable(package="keras_skeleton")
class MainPerson(SkeletonTransform):
    """Keeps the one person of each clip with the largest coordinates.

    That is the person whose absolute coordinates have the largest sum, the
    earlier one of equals. In centred clips this favours the one who is seen
    longer and moves farther.

    Input shape: `(N, M, T, V, C)`.

    Output shape: `(N, 1, T, V, C)`.

    Reference: [CascadeFormer](https://arxiv.org/abs/2509.00692).
    """

    def transform(self, clips, draws, lengths):
        backend, ops = self.backend, self.backend.numpy
        size = ops.sum(ops.abs(clips), axis=(2, 3, 4))
        main = backend.cast(ops.argmax(size, axis=1), "int32")
        is_main = ops.arange(clips.shape[1], dtype="int32") == main[:, None]
        is_main = is_main[:, :, None, None, None]
        return ops.sum(ops.where(is_main, clips, 0.0), axis=1, keepdims=True)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], 1, *input_shape[2:])
