"""Blocks of networks on point clouds: PointNet++ and point transformer."""

import keras
from keras import ops

from keras_skeleton.layers.batch_normalization import BatchNormalization
from keras_skeleton.layers.dense import uniform_dense
from keras_skeleton.layers.points import gather_groups
from keras_skeleton.layers.points import interpolate
from keras_skeleton.layers.points import largest


@keras.saving.register_keras_serializable(package="keras_skeleton")
class PointMLP(keras.layers.Layer):
    """Dense layers on each point, with batch normalization and ReLU.

    Args:
        widths: Channels of each.
        **kwargs: Arguments of `keras.layers.Layer`.

    Input shape: `(B, P, C)`.

    Output shape: `(B, P, widths[-1])`.
    """

    def __init__(self, widths, **kwargs):
        super().__init__(**kwargs)
        self.widths = tuple(widths)

    def build(self, input_shape):
        self._make_layers(input_shape[-1], rank=3)

    def _make_layers(self, channels, rank):
        self.dense_layers, self.norms = [], []
        for i, width in enumerate(self.widths):
            self.dense_layers.append(
                uniform_dense(width, channels, f"dense_{i}", self.dtype_policy)
            )
            norm = BatchNormalization(name=f"norm_{i}", dtype=self.dtype_policy)
            norm.build((*(rank - 1) * (None,), width))
            self.norms.append(norm)
            channels = width

    def call(self, inputs, training=None):
        return self._finish(self.dense_layers[0](inputs), training)

    def _finish(self, x, training):
        """All that comes after the first dense layer."""
        for dense, norm in zip(
            (None, *self.dense_layers[1:]), self.norms, strict=True
        ):
            x = x if dense is None else dense(x)
            x = ops.relu(norm(x, training=training))
        return x

    def _first(self, x, rows):
        """What some rows of the first kernel make of their inputs."""
        kernel = ops.cast(self.dense_layers[0].kernel[rows], self.compute_dtype)
        return ops.matmul(ops.cast(x, self.compute_dtype), kernel)

    @property
    def _bias(self):
        return ops.cast(self.dense_layers[0].bias, self.compute_dtype)

    def compute_output_shape(self, input_shape, *others):
        return (*input_shape[:-1], self.widths[-1])

    def get_config(self):
        return {**super().get_config(), "widths": list(self.widths)}


@keras.saving.register_keras_serializable(package="keras_skeleton")
class SetAbstraction(PointMLP):
    """Features of groups of points: MLP on each member, then the maximum.

    A member comes with its place relative to the centre before its features.
    Without groups all points are one, with their places as they are.

    As a dense layer is linear, the first one is applied to the features of
    the points before they are gathered, once each instead of once for each
    group.

    Args:
        widths: Channels of the dense layers, see `PointMLP`.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        points: float32 tensor `(B, P, 3)`.
        features: Tensor `(B, P, C)`, or `None`.
        indices: int32 tensor `(B, S, K)` of the members of groups, or `None`.
        centers: float32 tensor `(B, S, 3)`; by default the first points.

    Output shape: `(B, S, widths[-1])`, or `(B, 1, widths[-1])`.

    Reference: Qi et al., PointNet++, NeurIPS 2017, arXiv 1706.02413.
    """

    def __init__(self, widths, **kwargs):
        super().__init__(widths, **kwargs)
        # Places relative to a centre need full precision.
        self.autocast = False

    def build(
        self,
        points_shape,
        features_shape=None,
        indices_shape=None,
        centers_shape=None,
    ):
        channels = 3 + (features_shape[-1] if features_shape else 0)
        self._make_layers(channels, rank=3 if indices_shape is None else 4)

    def call(
        self, points, features=None, indices=None, centers=None, training=None
    ):
        of_features = 0
        if features is not None:
            of_features = self._first(features, slice(3, None))
        if indices is None:
            places = points
        else:
            if features is not None:
                of_features = gather_groups(of_features, indices)
            if centers is None:
                centers = points[:, : indices.shape[1]]
            places = gather_groups(points, indices) - centers[:, :, None]
        x = self._first(places, slice(0, 3)) + of_features + self._bias
        x = self._finish(x, training)
        if indices is None:
            return largest(x, 1, training)[:, None]
        return largest(x, 2, training)

    def compute_output_shape(
        self,
        points_shape,
        features_shape=None,
        indices_shape=None,
        centers_shape=None,
    ):
        groups = 1 if indices_shape is None else indices_shape[1]
        return points_shape[0], groups, self.widths[-1]


@keras.saving.register_keras_serializable(package="keras_skeleton")
class FeaturePropagation(PointMLP):
    """Features of few points, interpolated at many, joined with theirs.

    As a dense layer is linear, the first one is applied before features are
    interpolated.

    Args:
        widths: Channels of the dense layers, see `PointMLP`.
        skip_first: Whether the features that the points have come before
            those that are interpolated in the input of the first dense layer
            (PointNet++), or after them (C3P, the default).
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        coarse: Tensor `(B, S, C)`. Of one point, all take its features.
        skip: Tensor `(B, P, D)`, or `None`.
        indices: int32 tensor `(B, P, K)`, see `InterpolationWeights`; not
            needed of one point.
        weights: float32 tensor `(B, P, K)`, likewise.

    Output shape: `(B, P, widths[-1])`.

    Reference: Qi et al., PointNet++, NeurIPS 2017, arXiv 1706.02413.
    """

    def __init__(self, widths, skip_first=False, **kwargs):
        super().__init__(widths, **kwargs)
        self.autocast = False
        self.skip_first = skip_first

    def build(
        self,
        coarse_shape,
        skip_shape=None,
        indices_shape=None,
        weights_shape=None,
    ):
        own = skip_shape[-1] if skip_shape else 0
        self._make_layers(coarse_shape[-1] + own, rank=3)

    def call(
        self, coarse, skip=None, indices=None, weights=None, training=None
    ):
        first = 0
        if self.skip_first and skip is not None:
            first = skip.shape[-1]
        rows = slice(first, first + coarse.shape[-1])
        x = self._first(coarse, rows)
        if indices is not None:
            x = interpolate(x, indices, weights)
        if skip is not None:
            start = 0 if self.skip_first else coarse.shape[-1]
            rows = slice(start, start + skip.shape[-1])
            x = x + self._first(skip, rows)
        return self._finish(x + self._bias, training)

    def compute_output_shape(
        self,
        coarse_shape,
        skip_shape=None,
        indices_shape=None,
        weights_shape=None,
    ):
        known = skip_shape or indices_shape or coarse_shape
        return coarse_shape[0], known[1], self.widths[-1]

    def get_config(self):
        return {**super().get_config(), "skip_first": self.skip_first}


@keras.saving.register_keras_serializable(package="keras_skeleton")
class Interpolation(keras.layers.Layer):
    """Features of points out of those of others, see `InterpolationWeights`.

    Call arguments:
        features: Tensor `(B, S, C)`.
        indices: int32 tensor `(B, P, K)`.
        weights: float32 tensor `(B, P, K)`.

    Output shape: `(B, P, C)`.
    """

    def call(self, features, indices, weights):
        return interpolate(features, indices, weights)

    def compute_output_shape(
        self, features_shape, indices_shape, weights_shape
    ):
        return (*indices_shape[:2], features_shape[-1])


@keras.saving.register_keras_serializable(package="keras_skeleton")
class PointAttention(keras.layers.Layer):
    """Attention of each point to its neighbours, channel by channel.

    With `u = linear(f)`, queries, keys and values `q, k, v` of `u` and the
    embedding `e_ij` of the way from point `j` to point `i`,

        a_ij = softmax over j of MLP(q_i - k_j + e_ij) / sqrt(d)
        f_i + linear(sum over j of a_ij * (v_j + e_ij))

    Args:
        attention_dim: Channels `d` inside.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        points: float32 tensor `(B, P, 3)`.
        features: Tensor `(B, P, C)`.
        indices: int32 tensor `(B, P, K)` of neighbours.

    Output shape: `(B, P, C)`.

    Reference: Zhao et al., Point Transformer, ICCV 2021, arXiv 2012.09164,
    in the form of wucunlin/C3P.
    """

    def __init__(self, attention_dim, **kwargs):
        super().__init__(**kwargs)
        self.autocast = False
        self.attention_dim = attention_dim

    def build(self, points_shape, features_shape, indices_shape):
        channels, dim = features_shape[-1], self.attention_dim

        def dense(name, inputs, units=dim, use_bias=True):
            return uniform_dense(
                units, inputs, name, self.dtype_policy, use_bias=use_bias
            )

        self.expand = dense("expand", channels)
        self.query = dense("query", dim, use_bias=False)
        self.key = dense("key", dim, use_bias=False)
        self.value = dense("value", dim, use_bias=False)
        self.place_hidden = dense("place_hidden", 3)
        self.place_output = dense("place_output", dim)
        self.score_hidden = dense("score_hidden", dim)
        self.score_output = dense("score_output", dim)
        self.projection = dense("projection", dim, channels)

    def call(self, points, features, indices):
        features = ops.cast(features, self.compute_dtype)
        ways = points[:, :, None] - gather_groups(points, indices)
        ways = self.place_output(ops.relu(self.place_hidden(ways)))
        u = self.expand(features)
        keys = gather_groups(self.key(u), indices)
        scores = self.query(u)[:, :, None] - keys + ways
        scores = self.score_output(ops.relu(self.score_hidden(scores)))
        scores = ops.softmax(scores * self.attention_dim**-0.5, axis=2)
        values = gather_groups(self.value(u), indices) + ways
        return features + self.projection(ops.sum(scores * values, axis=2))

    def compute_output_shape(self, points_shape, features_shape, indices_shape):
        return features_shape

    def get_config(self):
        return {**super().get_config(), "attention_dim": self.attention_dim}
