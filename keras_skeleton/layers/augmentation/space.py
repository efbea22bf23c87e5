"""Transforms of clips in space."""

import keras

from keras_skeleton import _values
from keras_skeleton import skeletons
from keras_skeleton.layers.augmentation._choice import integers
from keras_skeleton.layers.augmentation.base import SkeletonTransform


def stack(backend, rows):
    """Makes matrices `(N, D, D)` of rows of tensors `(N,)`."""
    entries = [entry for row in rows for entry in row]
    matrix = backend.numpy.stack(entries, axis=-1)
    return backend.numpy.reshape(matrix, (-1, len(rows), len(rows)))


def rotate(backend, clips, matrix):
    """Multiplies the leading coordinates, as rows, by a matrix `(N, D, D)`."""
    ops = backend.numpy
    _, persons, _, joints, coordinates = clips.shape
    samples, _, frames = backend.shape(clips)[:3]
    size = matrix.shape[-1]
    flat = ops.reshape(clips[..., :size], (samples, -1, size))
    shape = (-1, persons, frames, joints, size)
    rotated = ops.reshape(ops.matmul(flat, matrix), shape)
    if size == coordinates:
        return rotated
    return ops.concatenate([rotated, clips[..., size:]], axis=-1)


@keras.saving.register_keras_serializable(package="keras_skeleton")
class RandomRotation(SkeletonTransform):
    """Rotates each clip about the origin by random angles.

    In three dimensions, the rotation about x comes first, then y, then z,
    each by an angle of its own; a positive angle about z turns y towards x.
    In two dimensions there is one angle, and a positive one turns x towards
    y; a score as third coordinate stays. All frames and persons of a clip
    turn alike.

    Args:
        max_angle: Largest angle in radians, one number or, in three
            dimensions, one for each axis (x, y, z).
        min_angle: Smallest angle, in the same form; the negative of
            `max_angle` by default. The code of PYSKL draws angles of
            two-dimensional clips between `-max_angle` and 1 by mistake:
            `RandomRotation(1.0, min_angle=-0.3, dimensions=2)`.
        minor_angle: If given, one axis is drawn for each clip that turns as
            said; the angles about the two others are smaller, as if
            `max_angle` were this. In three dimensions only. Published, in
            degrees: 30, from 0, and 1 (AimCLR, HiCLR, MS-CLR).
        dimensions: 3, or 2 for clips in the image plane.
        **kwargs: See `SkeletonTransform`.

    Call arguments:
        clips: float32 tensor `(N, M, T, V, C)`, `C` being 3, or 2 or 3 in
            two dimensions.
        draws: Optional `(N, 3)` or `(N, 1)` numbers `u` in [0, 1); the
            angles are `min_angle + u * (max_angle - min_angle)`. With a
            `minor_angle` `(N, 4)`: one for the axis comes first.
        training: Whether to rotate when there are no draws.

    Returns:
        Clips of the same shape.

    Raises:
        ValueError: If the clips have other coordinates.

    References:
        - [Chen et al., 2021](https://arxiv.org/abs/2107.12213)
        - [Duan et al., 2022](https://arxiv.org/abs/2205.09443)
        - [AimCLR](https://arxiv.org/abs/2112.03590)
    """

    moves_joints = True

    def __init__(
        self,
        max_angle: float | tuple = 0.3,
        min_angle=None,
        minor_angle=None,
        dimensions=3,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if dimensions not in (2, 3):
            raise ValueError(
                f"`dimensions` must be 2 or 3. Received: {dimensions}"
            )
        self.dimensions = dimensions
        self.max_angle = self._angles("max_angle", max_angle)
        self.min_angle = tuple(-angle for angle in self.max_angle)
        if min_angle is not None:
            self.min_angle = self._angles("min_angle", min_angle)
        if minor_angle is not None and (
            dimensions == 2 or not all(self.max_angle)
        ):
            raise ValueError(
                "`minor_angle` needs three dimensions and a `max_angle` other "
                f"than 0. Received: max_angle={max_angle}, "
                f"minor_angle={minor_angle}, dimensions={dimensions}"
            )
        self.minor_angle = None if minor_angle is None else float(minor_angle)

    @property
    def num_draws(self):
        return self._num_angles + (self.minor_angle is not None)

    @property
    def _num_angles(self):
        return 3 if self.dimensions == 3 else 1

    def _angles(self, name, angles):
        if isinstance(angles, int | float):
            angles = (angles,) * self._num_angles
        angles = tuple(float(angle) for angle in angles)
        if len(angles) != self._num_angles:
            raise ValueError(
                f"`{name}` must be one angle"
                f"{' or three, about x, y and z' * (self.dimensions == 3)}. "
                f"Received: {angles}"
            )
        return angles

    def check(self, shape):
        if self.dimensions == 3 and shape[-1] != 3:
            raise ValueError(
                "RandomRotation turns clips in space and needs three "
                "coordinates x, y, z; dimensions=2 turns them in the plane. "
                f"Received clips of shape {shape}."
            )
        if self.dimensions == 2 and shape[-1] not in (2, 3):
            raise ValueError(
                "RandomRotation with dimensions=2 needs the coordinates x "
                "and y, and at most a score. Received clips of shape "
                f"{shape}."
            )

    def transform(self, clips, draws, lengths):
        ops = self.backend.numpy
        low = self.draws_as_tensor(self.min_angle)
        high = self.draws_as_tensor(self.max_angle)
        numbers = self.draws_as_tensor(draws)[:, -self._num_angles :]
        angles = low + numbers * (high - low)
        if self.minor_angle is not None:
            axis = integers(self, draws[:, :1], 0, 2)
            is_main = ops.arange(3, dtype="int32") == axis
            minor = angles * (self.minor_angle / high)
            angles = ops.where(is_main, angles, minor)
        rows = _rows_3d if self.dimensions == 3 else _rows_2d
        rows = rows(ops.cos(angles), ops.sin(angles))
        return rotate(self.backend, clips, stack(self.backend, rows))

    def get_config(self):
        return {
            **super().get_config(),
            "max_angle": list(self.max_angle),
            "min_angle": list(self.min_angle),
            "minor_angle": self.minor_angle,
            "dimensions": self.dimensions,
        }


def _rows_2d(cos, sin):
    """Rows of the rotation in the plane, for points as rows."""
    cos, sin = cos[:, 0], sin[:, 0]
    return [[cos, sin], [-sin, cos]]


def _rows_3d(cos, sin):
    """Rows of the rotation about x, then y, then z, for points as rows."""
    cx, cy, cz = cos[:, 0], cos[:, 1], cos[:, 2]
    sx, sy, sz = sin[:, 0], sin[:, 1], sin[:, 2]
    return [
        [cz * cy, -sz * cy, sy],
        [sz * cx + cz * sy * sx, cz * cx - sz * sy * sx, -cy * sx],
        [sz * sx - cz * sy * cx, cz * sx + sz * sy * cx, cy * cx],
    ]


@keras.saving.register_keras_serializable(package="keras_skeleton")
class RandomScale(SkeletonTransform):
    """Multiplies each clip by random factors.

    Args:
        factor: Lower and upper limit of one factor for all coordinates, or
            such a pair for each coordinate, whose factors are independent.
            Coordinates beyond the last pair, a score for example, stay.
        **kwargs: See `SkeletonTransform`.

    Call arguments:
        clips: float32 tensor `(N, M, T, V, C)`.
        draws: Optional `(N, F)` numbers in [0, 1) for `F` factors.
        training: Whether to scale when there are no draws.

    Returns:
        Clips of the same shape.

    Example:

    >>> RandomScale([(0.9, 1.1)] * 3).num_draws
    3
    """

    moves_joints = True

    def __init__(self, factor, **kwargs):
        super().__init__(**kwargs)
        factor = tuple(factor)
        self.is_shared = not any(
            isinstance(limits, list | tuple) for limits in factor
        )
        pairs = (factor,) if self.is_shared else factor
        for pair in pairs:
            if len(pair) != 2 or not 0 < pair[0] <= pair[1]:
                raise ValueError(
                    "`factor` must be a lower and an upper limit above 0, or "
                    f"such a pair for each coordinate. Received: {factor}"
                )
        self.pairs = tuple((float(low), float(high)) for low, high in pairs)

    @property
    def num_draws(self):
        return len(self.pairs)

    def check(self, shape):
        if len(self.pairs) > shape[-1]:
            raise ValueError(
                f"RandomScale has limits for {len(self.pairs)} coordinates. "
                f"Received clips of shape {shape}."
            )

    def transform(self, clips, draws, lengths):
        ops = self.backend.numpy
        limits = self.draws_as_tensor(self.pairs)
        low, high = limits[:, 0], limits[:, 1]
        scale = low + (high - low) * self.draws_as_tensor(draws)
        rest = clips.shape[-1] - len(self.pairs)
        if rest and not self.is_shared:
            ones = ops.ones_like(scale[:, :1])
            scale = ops.concatenate([scale] + [ones] * rest, axis=1)
        return clips * scale[:, None, None, None]

    def get_config(self):
        factor = [list(pair) for pair in self.pairs]
        return {
            **super().get_config(),
            "factor": factor[0] if self.is_shared else factor,
        }


@keras.saving.register_keras_serializable(package="keras_skeleton")
class RandomMirror(SkeletonTransform):
    """Mirrors a share of the clips, half by default, from left to right.

    The first coordinate `x` becomes `image_width - x`, except where it is
    zero as in absent joints, and left joints swap places with right ones.
    Without an `image_width` the plane `x = 0` is the mirror, for centred
    clips and for images whose coordinates are normalised by
    `PreNormalize2D`. Other coordinates, a score too, are not changed.

    Args:
        skeleton: `Skeleton` or the name of a registered one.
        image_width: Width of the images, in the units of the coordinates.
        rate: Share of the clips that are mirrored, from 0 to 1.
        reflect: Whether `x` changes. Without, joints swap places and nothing
            else, as in the published code of AimCLR, HiCLR and MS-CLR: the
            body then looks the same way as before, its sides exchanged.
        **kwargs: See `SkeletonTransform`.

    Call arguments:
        clips: float32 tensor `(N, M, T, V, C)`.
        draws: Optional `(N, 1)` numbers in [0, 1); below `rate` a clip is
            mirrored.
        training: Whether to mirror when there are no draws.

    Returns:
        Clips of the same shape.
    """

    num_draws = 1

    def __init__(
        self, skeleton, image_width=0.0, rate=0.5, reflect=True, **kwargs
    ):
        super().__init__(**kwargs)
        self.skeleton = skeletons.get(skeleton)
        self.image_width = float(image_width)
        self.rate = float(rate)
        self.reflect = bool(reflect)
        if self.image_width < 0 or not 0 <= self.rate <= 1:
            raise ValueError(
                "`image_width` must be at least 0 and `rate` from 0 to 1. "
                f"Received: image_width={image_width}, rate={rate}"
            )

    def check(self, shape):
        check_joints(self, shape)

    def transform(self, clips, draws, lengths):
        ops = self.backend.numpy
        order = self.skeleton.mirror_permutation
        mirrored = take_joints(self.backend, clips, order)
        if self.reflect:
            x = mirrored[..., :1]
            x = ops.where(x != 0, self.image_width - x, x)
            mirrored = ops.concatenate([x, mirrored[..., 1:]], axis=-1)
        chosen = self.draws_as_tensor(draws)[:, 0] < self.rate
        chosen = chosen[:, None, None, None, None]
        return ops.where(chosen, mirrored, clips)

    def get_config(self):
        return {
            **super().get_config(),
            "skeleton": skeletons.serialize(self.skeleton),
            "image_width": self.image_width,
            "rate": self.rate,
            "reflect": self.reflect,
        }


@keras.saving.register_keras_serializable(package="keras_skeleton")
class Center(SkeletonTransform):
    """Moves each clip so that the body starts at the origin.

    The place of one joint of the first person, in the first frame that shows
    this person, is subtracted everywhere. Absent persons and padded frames
    stay zero. Other recipes centre each frame by itself (`per`).

    Args:
        joint: Index of the joint. By default the centre of `skeleton`, or
            without a skeleton the mean of all joints.
        skeleton: `Skeleton` or the name of a registered one.
        per: `"clip"` as said; `"frame"` subtracts in each frame the first
            person's joint from everybody (HaLP), `"person"` in each frame
            each person's own (HiCLR). With these two, joints at zero stay
            there.
        **kwargs: See `SkeletonTransform`.

    Input and output shape: `(N, M, T, V, C)`. All `C` coordinates are
    centred; `KeepScores` leaves out a score, as pipelines do where the data
    have one.
    """

    moves_joints = True

    def __init__(self, joint=None, skeleton=None, per="clip", **kwargs):
        super().__init__(**kwargs)
        if per not in ("clip", "frame", "person"):
            raise ValueError(
                f"`per` must be 'clip', 'frame' or 'person'. Received: {per!r}"
            )
        self.per = per
        self.skeleton = None if skeleton is None else skeletons.get(skeleton)
        if joint is None and self.skeleton is not None:
            joint = self.skeleton.center
        if joint is not None:
            joint = _values.whole_number("joint", joint, 0)
        self.joint = joint

    def check(self, shape):
        if self.skeleton is not None:
            check_joints(self, shape)
        if self.joint is not None and not 0 <= self.joint < shape[3]:
            raise ValueError(
                f"Center subtracts joint {self.joint}, but the clips have the "
                f"joints 0 to {shape[3] - 1}. Received shape {shape}."
            )

    def transform(self, clips, draws, lengths):
        if self.per != "clip":
            return self._center_frames(clips)
        ops = self.backend.numpy
        is_present = self.backend.cast(self.is_present(clips), "float32")
        first = ops.argmax(is_present[:, 0], axis=1)
        first = self.backend.cast(first, "int32")[:, None]
        body = self.take_frames(clips, first)[:, 0, 0]
        if self.joint is None:
            origin = ops.mean(body, axis=1)
        else:
            origin = body[:, self.joint]
        origin = self.for_rows(origin, clips) * is_present[..., None]
        centred = self.as_rows(clips) - origin
        return ops.reshape(centred, self.backend.shape(clips))

    def _center_frames(self, clips):
        ops = self.backend.numpy
        origin = clips if self.per == "person" else clips[:, :1]
        if self.joint is None:
            origin = ops.mean(origin, axis=3, keepdims=True)
        else:
            origin = origin[:, :, :, self.joint : self.joint + 1]
        is_seen = ops.any(clips != 0, axis=-1, keepdims=True)
        return ops.where(is_seen, clips - origin, 0.0)

    def get_config(self):
        skeleton = self.skeleton
        return {
            **super().get_config(),
            "joint": self.joint,
            "skeleton": skeleton and skeletons.serialize(skeleton),
            "per": self.per,
        }


def take_joints(backend, clips, joints):
    """Some joints of `(N, M, T, V, C)`, in a given order.

    `take` is for NumPy only, where it is fast: Keras makes of it operations on
    PyTorch that cannot be exported.
    """
    if backend.name == "numpy":
        return backend.numpy.take(clips, joints, axis=3)
    num_joints = int(clips.shape[3])  # a tensor while PyTorch traces
    columns = backend.numpy.split(clips, num_joints, axis=3)
    return backend.numpy.concatenate([columns[i] for i in joints], axis=3)


def check_joints(transform, shape):
    skeleton = transform.skeleton
    if shape[3] != skeleton.num_joints:
        raise ValueError(
            f"{type(transform).__name__} got the skeleton {skeleton.name!r} "
            f"with {skeleton.num_joints} joints, but clips with {shape[3]}. "
            "Pass the `skeleton` of the clips. Received clips of shape "
            f"{shape}."
        )
