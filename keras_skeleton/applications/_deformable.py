"""The block of the 3D deformable transformer: three attentions.

A reconstruction, see `DeformableTransformer3D`. In all of them `tokens` are
`(N, T, H, W, C)`, those of the video; `pose` is `(N, T, V, C)`, those of the
joints; `cross` is `(N, 2, C)`, the cross-modal tokens.
"""

import itertools

import keras
import numpy as np
from keras import ops

from keras_skeleton import layers
from keras_skeleton.layers.convolution import Kernel
from keras_skeleton.layers.convolution import depthwise_volume


def small():
    """The published kind of start: normal numbers, cut off."""
    return keras.initializers.TruncatedNormal(stddev=0.02)


def norm(name, width, dtype):
    """A layer normalization, built."""
    layer = layers.LayerNormalization(name=name, dtype=dtype)
    layer.build((None, width))
    return layer


def dense(units, name, inputs, dtype, **arguments):
    """A dense layer, built."""
    arguments = {"kernel_initializer": small(), **arguments}
    layer = keras.layers.Dense(units, name=name, dtype=dtype, **arguments)
    layer.build((None, inputs))
    return layer


def _constant(values):
    return ops.convert_to_tensor(np.asarray(values, "float32"))


def flat(x):
    """Tokens `(N, ..., C)` as `(N, L, C)`."""
    return ops.reshape(x, (-1, int(np.prod(x.shape[1:-1])), x.shape[-1]))


def interleaved(parts, axis, length):
    """Puts every so many entries back to where they were taken from.

    Args:
        parts: Tensors with the entries 0, n, 2n, ...; 1, n + 1, ...; and so
            on along the axis.
        axis: The axis.
        length: Entries of the result.
    """
    longest = parts[0].shape[axis]
    filled = []
    for x in parts:
        margin = [(0, 0)] * len(x.shape)
        margin[axis] = (0, longest - x.shape[axis])
        filled.append(ops.pad(x, margin))
    x = ops.stack(filled, axis=axis + 1)
    shape = list(x.shape)
    x = ops.reshape(
        x, (-1, *shape[1:axis], longest * len(parts), *shape[axis + 2 :])
    )
    return x[(slice(None),) * axis + (slice(0, length),)]


class _Residual(keras.layers.Layer):
    """Base: an attention behind a normalization, added to what it took."""

    attention_class = layers.SelfAttention

    def __init__(
        self, num_heads, dropout_rate=0.0, drop_path_rate=0.0, **kwargs
    ):
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.dropout_rate = dropout_rate
        self.drop_path_rate = drop_path_rate
        dtype = self.dtype_policy
        self.attention = self.attention_class(
            num_heads,
            dropout_rate=dropout_rate,
            attention_dropout_rate=dropout_rate,
            name="attention",
            dtype=dtype,
        )
        self.drop_path = layers.DropPath(drop_path_rate, dtype=dtype)

    def build_attention(self, width):
        self.norm = norm("norm", width, self.dtype_policy)
        self.attention.build((None, None, width))

    def added(self, tokens, training):
        """Tokens of a group with what they take from each other."""
        taken = self.attention(self.norm(tokens), training=training)
        return tokens + self.drop_path(taken, training=training)

    def get_config(self):
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "dropout_rate": self.dropout_rate,
            "drop_path_rate": self.drop_path_rate,
        }


@keras.saving.register_keras_serializable(package="keras_skeleton")
class DeformableAttention(_Residual):
    """Attention of the video to tokens that are searched in space and time.

    At every place `p` of the grid, with `z` the normalized tokens:

        o = gelu(norm(convolution(z)))                  depthwise, 3 x 3 x 3
        d = tanh(W_d o) * offset_range
        token = z at p + d, interpolated, within the clip
        s = sigmoid(w token + b)

    Tokens with `s < threshold` are left out; the others are multiplied by
    `s`, which is how the score learns. Queries are the cross-modal tokens and
    `z`, keys and values the cross-modal tokens and what was found.

    Args:
        num_heads: Heads of the attention.
        offset_range: Farthest offsets in frames, rows and columns of the grid.
        threshold: Least score of a token that is kept.
        **kwargs: `dropout_rate`, `drop_path_rate`, arguments of
            `keras.layers.Layer`.

    Call arguments: `tokens`, `cross`.

    Returns:
        The two, changed.
    """

    attention_class = layers.CrossAttention

    def __init__(
        self, num_heads, offset_range=(2.0, 3.0, 3.0), threshold=0.5, **kwargs
    ):
        super().__init__(num_heads, **kwargs)
        self.offset_range = tuple(float(each) for each in offset_range)
        self.threshold = threshold

    def build(self, tokens_shape, cross_shape):
        width, dtype = tokens_shape[-1], self.dtype_policy
        self.build_attention(width)
        self.offset_kernel = Kernel(
            (3, 3, 3, width), 3, name="offset_convolution", dtype=dtype
        )
        self.offset_kernel.build()
        self.offset_bias = self.add_weight(
            name="offset_bias", shape=(width,), initializer="zeros"
        )
        self.offset_norm = norm("offset_norm", width, dtype)
        # At first every place looks at itself, and almost all are kept.
        self.offset_map = dense(
            3,
            "offset_map",
            width,
            dtype,
            use_bias=False,
            kernel_initializer="zeros",
        )
        self.score_map = dense(
            1,
            "score_map",
            width,
            dtype,
            bias_initializer=keras.initializers.Constant(2.0),
        )

    def call(self, tokens, cross, training=None):
        query, memory, valid = self._search(tokens, cross)
        taken = self.attention(query, memory, valid, training=training)
        taken = self.drop_path(taken, training=training)
        shape = (-1, *tokens.shape[1:])
        return tokens + ops.reshape(taken[:, 2:], shape), cross + taken[:, :2]

    def attention_weights(self, tokens, cross):
        """How much cross-modal tokens and video take of what was found.

        `(N, heads, 2 + L, 2 + L)`, the cross-modal tokens first.
        """
        return self.attention.attention_weights(*self._search(tokens, cross))

    def _search(self, tokens, cross):
        z, cross = self.norm(tokens), self.norm(cross)
        found, score, keep = self.search(z)
        memory = ops.concatenate([cross, flat(found * score)], axis=1)
        valid = ops.concatenate(
            [ops.ones_like(cross[..., 0]), flat(keep)[..., 0]], axis=1
        )
        query = ops.concatenate([cross, flat(z)], axis=1)
        return query, memory, valid

    def search(self, z):
        """What is found for every place: tokens, scores, 1 for the kept."""
        found = self.sample(z, self.offsets(z))
        score = ops.sigmoid(self.score_map(found))
        keep = ops.cast(score >= self.threshold, score.dtype)
        return found, score, keep

    def offsets(self, z):
        """Frames, rows and columns from each place, `(N, T, H, W, 3)`."""
        x = depthwise_volume(z, self.offset_kernel.kernel) + self.offset_bias
        x = self.offset_map(layers.exact_gelu(self.offset_norm(x)))
        return ops.tanh(ops.cast(x, "float32")) * _constant(self.offset_range)

    def sample(self, z, offsets):
        """Tokens between the places of the grid, interpolated linearly."""
        sizes = z.shape[1:4]
        grid = np.stack(
            np.meshgrid(*map(np.arange, sizes), indexing="ij"), axis=-1
        )
        last = np.array(sizes) - 1
        place = ops.minimum(offsets + _constant(grid), _constant(last))
        place = ops.maximum(place, 0.0)
        # The last cell ends at the last place.
        start = _constant(np.maximum(last - 1, 0))
        low = ops.stop_gradient(ops.minimum(ops.floor(place), start))
        share = place - low
        total, rows = 0, flat(z)
        for corner in itertools.product((0, 1), repeat=3):
            index = ops.minimum(low + _constant(corner), _constant(last))
            index = ops.cast(index, "int32")
            index = (index[..., 0] * sizes[1] + index[..., 1]) * sizes[
                2
            ] + index[..., 2]
            weight = 1.0
            for axis, upper in enumerate(corner):
                part = share[..., axis]
                weight = weight * (part if upper else 1 - part)
            picked = layers.gather_tokens(
                rows, ops.reshape(index, (-1, rows.shape[1]))
            )
            weight = ops.reshape(weight, (-1, rows.shape[1], 1))
            total = total + picked * ops.cast(weight, picked.dtype)
        return ops.reshape(total, (-1, *z.shape[1:]))

    def get_config(self):
        return {
            **super().get_config(),
            "offset_range": list(self.offset_range),
            "threshold": self.threshold,
        }


@keras.saving.register_keras_serializable(package="keras_skeleton")
class JointStrideAttention(_Residual):
    """Attention among every so many joints of a frame and cross-modal tokens.

    Joints `r, r + stride, ...` of a frame are a group with the cross-modal
    tokens, whose results are averaged over groups and frames.

    Args:
        num_heads: Heads of the attention.
        stride: Number of groups of a frame.
        **kwargs: `dropout_rate`, `drop_path_rate`, arguments of
            `keras.layers.Layer`.

    Call arguments: `pose`, `cross`.

    Returns:
        The two, changed.
    """

    def __init__(self, num_heads, stride=3, **kwargs):
        super().__init__(num_heads, **kwargs)
        self.stride = stride

    def build(self, pose_shape, cross_shape):
        self.build_attention(pose_shape[-1])

    def _groups(self, pose, cross):
        frames, joints, width = pose.shape[1:]
        ones = ops.ones_like(pose[:, :, :1, :1])
        spread = ops.reshape(cross[:, None] * ones, (-1, 2, width))
        for r in range(min(self.stride, joints)):
            part = pose[:, :, r :: self.stride]
            part = ops.reshape(part, (-1, *part.shape[2:]))
            yield ops.concatenate([spread, part], axis=1)

    def call(self, pose, cross, training=None):
        frames, joints, width = pose.shape[1:]
        parts, centres = [], []
        for group in self._groups(pose, cross):
            group = self.added(group, training)
            group = ops.reshape(group, (-1, frames, *group.shape[1:]))
            parts.append(group[:, :, 2:])
            centres.append(ops.mean(group[:, :, :2], axis=1))
        cross = sum(centres) / len(centres)
        return interleaved(parts, 2, joints), cross

    def importance(self, pose, cross):
        """What each cross-modal token takes of each joint, by head.

        `(N, heads, T, 2, V)`; with what it takes of the two cross-modal
        tokens, each group adds up to 1.
        """
        frames, joints = pose.shape[1:3]
        parts = []
        for group in self._groups(pose, cross):
            weights = self.attention.attention_weights(self.norm(group))
            weights = weights[:, :, :2, 2:]
            shape = (-1, frames, *weights.shape[1:])
            parts.append(ops.reshape(weights, shape))
        return ops.transpose(interleaved(parts, 4, joints), (0, 2, 1, 3, 4))

    def attention_weights(self, pose, cross):
        """What the cross-modal tokens take of the joints of all frames.

        `(N, heads, 2, T * V)`, time-major. Groups see few joints each; their
        weights are divided by their sum, so that rows add up to 1.
        """
        weights = self.importance(pose, cross)
        weights = ops.transpose(weights, (0, 1, 3, 2, 4))
        shape = (-1, *weights.shape[1:3], weights.shape[3] * weights.shape[4])
        weights = ops.reshape(weights, shape)
        return weights / ops.sum(weights, axis=-1, keepdims=True)

    def get_config(self):
        return {**super().get_config(), "stride": self.stride}


@keras.saving.register_keras_serializable(package="keras_skeleton")
class TemporalStrideAttention(_Residual):
    """Attention among all tokens of every so many frames.

    All tokens of the frames `r, r + stride, ...` are a group with the
    cross-modal tokens, whose results are averaged over the groups.

    Args:
        num_heads: Heads of the attention.
        stride: Number of groups of a clip.
        **kwargs: `dropout_rate`, `drop_path_rate`, arguments of
            `keras.layers.Layer`.

    Call arguments: `tokens`, `pose`, `cross`.

    Returns:
        The three, changed.
    """

    def __init__(self, num_heads, stride=2, **kwargs):
        super().__init__(num_heads, **kwargs)
        self.stride = stride

    def build(self, tokens_shape, pose_shape, cross_shape):
        self.build_attention(tokens_shape[-1])

    def _groups(self, tokens, pose, cross):
        for r in range(min(self.stride, tokens.shape[1])):
            parts = tokens[:, r :: self.stride], pose[:, r :: self.stride]
            group = ops.concatenate([cross, *map(flat, parts)], axis=1)
            yield group, *(part.shape[1:] for part in parts)

    def call(self, tokens, pose, cross, training=None):
        seen, joints, centres = [], [], []
        for group, shape, pose_shape in self._groups(tokens, pose, cross):
            group = self.added(group, training)
            end = 2 + int(np.prod(shape[:-1]))
            centres.append(group[:, :2])
            seen.append(ops.reshape(group[:, 2:end], (-1, *shape)))
            joints.append(ops.reshape(group[:, end:], (-1, *pose_shape)))
        frames = tokens.shape[1]
        return (
            interleaved(seen, 1, frames),
            interleaved(joints, 1, frames),
            sum(centres) / len(centres),
        )

    def importance(self, tokens, pose, cross):
        """What each cross-modal token takes of each frame, by head.

        `(N, heads, 2, T)`, summed over the tokens of a frame.
        """
        parts = []
        for group, shape, _ in self._groups(tokens, pose, cross):
            weights = self.attention.attention_weights(self.norm(group))
            weights = weights[:, :, :2, 2:]
            count, end = shape[0], int(np.prod(shape[:-1]))
            total = 0
            for part in (weights[..., :end], weights[..., end:]):
                size = part.shape[-1] // count
                lead = part.shape[1:3]
                part = ops.reshape(part, (-1, *lead, count, size))
                total = total + ops.sum(part, axis=-1)
            parts.append(total)
        return interleaved(parts, 3, tokens.shape[1])

    def get_config(self):
        return {**super().get_config(), "stride": self.stride}


@keras.saving.register_keras_serializable(package="keras_skeleton")
class DeformableBlock(keras.layers.Layer):
    """Deformable, joint stride and temporal stride attention, and an MLP.

    Args:
        num_heads: Heads of the attentions.
        offset_range, threshold: See `DeformableAttention`.
        joint_stride: See `JointStrideAttention`.
        temporal_stride: See `TemporalStrideAttention`.
        mlp_ratio: Width of the MLP, in multiples of the tokens'.
        dropout_rate: Dropout in the attentions and the MLP.
        drop_path_rate: Share of residual branches dropped.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments: `tokens`, `pose`, `cross`.

    Returns:
        The three, changed.
    """

    def __init__(
        self,
        num_heads,
        offset_range=(2.0, 3.0, 3.0),
        threshold=0.5,
        joint_stride=3,
        temporal_stride=2,
        mlp_ratio=4,
        dropout_rate=0.0,
        drop_path_rate=0.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.config = {
            "num_heads": num_heads,
            "offset_range": list(offset_range),
            "threshold": threshold,
            "joint_stride": joint_stride,
            "temporal_stride": temporal_stride,
            "mlp_ratio": mlp_ratio,
            "dropout_rate": dropout_rate,
            "drop_path_rate": drop_path_rate,
        }
        dtype = self.dtype_policy
        shared = {
            "num_heads": num_heads,
            "dropout_rate": dropout_rate,
            "drop_path_rate": drop_path_rate,
            "dtype": dtype,
        }
        self.deformable = DeformableAttention(
            offset_range=offset_range,
            threshold=threshold,
            name="deformable",
            **shared,
        )
        self.joints = JointStrideAttention(
            stride=joint_stride, name="joints", **shared
        )
        self.frames = TemporalStrideAttention(
            stride=temporal_stride, name="frames", **shared
        )
        self.dropout = keras.layers.Dropout(dropout_rate, dtype=dtype)
        self.drop_path = layers.DropPath(drop_path_rate, dtype=dtype)

    def build(self, tokens_shape, pose_shape, cross_shape):
        width, dtype = tokens_shape[-1], self.dtype_policy
        hidden = int(width * self.config["mlp_ratio"])
        self.deformable.build(tokens_shape, cross_shape)
        self.joints.build(pose_shape, cross_shape)
        self.frames.build(tokens_shape, pose_shape, cross_shape)
        self.mlp_norm = norm("mlp_norm", width, dtype)
        self.mlp_hidden = dense(hidden, "mlp_hidden", width, dtype)
        self.mlp_output = dense(width, "mlp_output", hidden, dtype)

    def call(self, tokens, pose, cross, training=None):
        tokens, cross = self.deformable(tokens, cross, training=training)
        pose, cross = self.joints(pose, cross, training=training)
        all_three = self.frames(tokens, pose, cross, training=training)
        return tuple(self._mlp(each, training) for each in all_three)

    def _mlp(self, tokens, training):
        x = layers.exact_gelu(self.mlp_hidden(self.mlp_norm(tokens)))
        x = self.mlp_output(self.dropout(x, training=training))
        x = self.dropout(x, training=training)
        return tokens + self.drop_path(x, training=training)

    def attention_weights(self, tokens, pose, cross):
        """What the cross-modal tokens take of the joints of all frames.

        See `JointStrideAttention.attention_weights`.
        """
        _, cross = self.deformable(tokens, cross)
        return self.joints.attention_weights(pose, cross)

    def importance(self, tokens, pose, cross):
        """Of joints, `(N, T, V)`, and of frames, `(N, T)`, from 0 to 1.

        What the cross-modal tokens take of them, averaged over heads and over
        the two, and divided by the largest: of the joints of the frame, of
        the frames of the clip.
        """
        tokens, cross = self.deformable(tokens, cross)
        joints = ops.mean(self.joints.importance(pose, cross), axis=(1, 3))
        pose, cross = self.joints(pose, cross)
        frames = self.frames.importance(tokens, pose, cross)
        frames = ops.mean(frames, axis=(1, 2))
        return tuple(
            x / ops.max(x, axis=-1, keepdims=True) for x in (joints, frames)
        )

    def get_config(self):
        return {**super().get_config(), **self.config}
