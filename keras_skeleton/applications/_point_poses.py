"""Joints out of what networks say about the points of a cloud."""

import keras
from keras import ops

from keras_skeleton.layers import gather_tokens


@keras.saving.register_keras_serializable(package="keras_skeleton")
class HeatAndVectors(keras.layers.Layer):
    """Of each point and joint, how near it is and the way to it, together.

    Call arguments:
        heat: Tensor `(B, P, V)`.
        vectors: Tensor `(B, P, 3 V)`, the coordinates of a joint together.

    Output shape: `(B, P, V, 4)`, heat first.
    """

    def call(self, heat, vectors):
        shape = (-1, *heat.shape[1:], 3)
        return ops.concatenate(
            [heat[..., None], ops.reshape(vectors, shape)], axis=-1
        )

    def compute_output_shape(self, heat_shape, vectors_shape):
        return (*heat_shape, 4)


@keras.saving.register_keras_serializable(package="keras_skeleton")
class JointsOfPoints(keras.layers.Layer):
    """Joints out of the points that are nearest to them.

    Of the points of highest heat `h` for a joint, each says where it is,

        q = p + v (1 - h) reach / length

    with its place `p` and its vector `v` to the joint; the joint is their
    mean, weighted by the heat. So `1 - h` stands for the distance in
    multiples of the reach, and `v` for the direction, though nothing makes
    it a unit vector. Which points are taken is no matter of gradients.

    Args:
        num_candidates: How many points are taken for each joint.
        reach: In metres.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        points: Tensor `(B, P, 3)` in lengths of the box.
        heat_and_vectors: Tensor `(B, P, V, 4)`.
        length: Tensor `(B, 1)`: length of the box in metres.

    Output shape: float32 `(B, V, 3)` in lengths of the box.
    """

    def __init__(self, num_candidates, reach=0.8, **kwargs):
        super().__init__(**kwargs)
        self.num_candidates = num_candidates
        self.reach = reach

    def call(self, points, heat_and_vectors, length):
        number, joints = heat_and_vectors.shape[1:3]
        heat = heat_and_vectors[..., 0]
        chosen = min(self.num_candidates, number)
        _, best = ops.top_k(ops.stop_gradient(ops.swapaxes(heat, 1, 2)), chosen)
        # Rows of points and joints as one axis.
        best = ops.cast(best, "int32") * joints
        best = best + ops.arange(0, joints, dtype="int32")[:, None]
        scale = self.reach / ops.reshape(length, (-1, 1, 1, 1))
        way = heat_and_vectors[..., 1:] * (1 - heat[..., None]) * scale
        places = points[:, :, None] + way
        rows = ops.concatenate([places, heat[..., None]], axis=-1)
        rows = ops.reshape(rows, (-1, number * joints, 4))
        best = ops.reshape(best, (-1, joints * chosen))
        found = ops.reshape(gather_tokens(rows, best), (-1, joints, chosen, 4))
        weight = found[..., 3:]
        total = ops.maximum(ops.sum(weight, axis=2), 1e-12)
        return ops.sum(found[..., :3] * weight, axis=2) / total

    def compute_output_shape(
        self, points_shape, heat_and_vectors_shape, length_shape
    ):
        return points_shape[0], heat_and_vectors_shape[2], 3

    def get_config(self):
        return {
            **super().get_config(),
            "num_candidates": self.num_candidates,
            "reach": self.reach,
        }


@keras.saving.register_keras_serializable(package="keras_skeleton")
class FromBox(keras.layers.Layer):
    """Places in the box of a cloud to metres: `R ((p + offset) length)`.

    Call arguments:
        joints: Tensor `(N, T, V, 3)` in lengths of the box.
        rotation: Tensor `(N, T, 3, 3)` whose columns are the axes of the box.
        offset: Tensor `(N, T, 3)` in lengths of the box.
        length: Tensor `(N, T)` in metres.

    Output shape: `(N, T, V, 3)` in metres.
    """

    def call(self, joints, rotation, offset, length):
        places = (joints + offset[:, :, None]) * length[:, :, None, None]
        return ops.matmul(places, ops.swapaxes(rotation, 2, 3))

    def compute_output_shape(
        self, joints_shape, rotation_shape, offset_shape, length_shape
    ):
        return joints_shape


def to_box(places, rotation, offset, length):
    """Places in metres to lengths of the box of a cloud.

    Args:
        places: Tensor `(..., V, 3)` in metres.
        rotation: Tensor `(..., 3, 3)` whose columns are the axes of the box.
        offset: Tensor `(..., 3)` in lengths of the box.
        length: Tensor `(...)` in metres.

    Returns:
        Tensor `(..., V, 3)`.
    """
    turned = ops.matmul(places, rotation)
    length = ops.expand_dims(ops.expand_dims(length, -1), -1)
    return turned / length - ops.expand_dims(offset, -2)


@keras.saving.register_keras_serializable(package="keras_skeleton")
class JointsByVote(keras.layers.Layer):
    """Joints as means of what points say, weighted by a softmax over points.

    Call arguments:
        points: Tensor `(B, S, 3)`.
        offsets: Tensor `(B, S, 3 V)`, the coordinates of a joint together.
        logits: Tensor `(B, S, V)`.

    Output shape: float32 `(B, V, 3)`.
    """

    def call(self, points, offsets, logits):
        offsets = ops.reshape(offsets, (-1, *logits.shape[1:], 3))
        weights = ops.softmax(logits, axis=1)[..., None]
        return ops.sum(weights * (points[:, :, None] + offsets), axis=1)

    def compute_output_shape(self, points_shape, offsets_shape, logits_shape):
        return points_shape[0], logits_shape[2], 3


@keras.saving.register_keras_serializable(package="keras_skeleton")
class SplitFrames(keras.layers.Layer):
    """Takes frames out of the batch: `(N * T, ...)` to `(N, T, ...)`.

    Args:
        num_frames: Frames `T`.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    def __init__(self, num_frames, **kwargs):
        super().__init__(**kwargs)
        self.num_frames = num_frames

    def call(self, inputs):
        return ops.reshape(inputs, (-1, self.num_frames, *inputs.shape[1:]))

    def compute_output_shape(self, input_shape):
        rows = input_shape[0]
        samples = None if rows is None else rows // self.num_frames
        return (samples, self.num_frames, *input_shape[1:])

    def get_config(self):
        return {**super().get_config(), "num_frames": self.num_frames}
