"""Graph convolution over a hyper-graph that adapts to every clip."""

import keras
import numpy as np
from keras import ops

from keras_skeleton.layers import _joined
from keras_skeleton.layers.graph._shortcut import ShortcutLayer
from keras_skeleton.layers.graph.virtual_joints import TINY
from keras_skeleton.layers.graph.virtual_joints import DivergenceRegularizer
from keras_skeleton.layers.graph.virtual_joints import RepeatedRow
from keras_skeleton.layers.graph.virtual_joints import safe_sqrt
from keras_skeleton.layers.temporal import kernel_initializer


class _Grouped(keras.layers.Layer):
    """Dense layer for each group of channels by itself.

    Kernel `(groups, inputs / groups, outputs / groups)`, bias `(outputs,)`.
    """

    def __init__(self, groups, filters, **kwargs):
        super().__init__(**kwargs)
        self.groups = groups
        self.filters = filters

    def build(self, input_shape):
        width = self.filters // self.groups
        # By all outputs: the published initialization counts no groups.
        stddev = (2 / self.filters) ** 0.5
        self.kernel = self.add_weight(
            name="kernel",
            shape=(self.groups, input_shape[-1] // self.groups, width),
            initializer=keras.initializers.RandomNormal(stddev=stddev),
        )
        self.bias = self.add_weight(
            name="bias", shape=(self.filters,), initializer="zeros"
        )

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.filters)


@keras.saving.register_keras_serializable(package="keras_skeleton")
class AdaptiveHyperGraph(keras.layers.Layer):
    """Graph of a body plus a hyper-graph of the features at its joints.

    For each head, every joint `u` opens one hyper-edge. It belongs to the
    hyper-edges of its `num_neighbors` nearest joints, itself included, by the
    distance `D` of learned projections; with what share is
    `H[u] = softmax(-D[u])` over these and 0 elsewhere. Which joints these are
    is not differentiated. Hyper-edges have learned weights `W` in (-1, 1).
    The hyper-graph as a graph of the joints is

    `G[u, v] = sum_e H[u, e] W[e] / Dv[u] * W[e] / De[e] * H[v, e]`

    with `De[e] = sum_u H[u, e]` and `Dv[u] = sum_e |H[u, e] W[e]|`. (The
    weights enter twice, so that it never has negative entries.) The result is
    `A + relu(gate) * G`, where `A` is the graph of the body times a learned
    importance of each edge, its rows normalized to an absolute sum of 1.

    At exactly equal distances, as between virtual joints before training,
    the backend's `top_k` chooses: the joint with the lower number on
    TensorFlow and JAX.

    Args:
        body_graph: Adjacency `(V, V)` of the joints, virtual ones included;
            row = receiver, column = sender. Kept as a variable for each head,
            which is not trained.
        num_heads: Number of heads; divides the channels.
        num_neighbors: Hyper-edges that each joint belongs to; all, if there
            are fewer joints.
        reduction: Channels of a head for each channel of its projection.
        **kwargs: Arguments of `keras.layers.Layer`.

    Input shape: `(B, V, C)`.

    Output shape: `(B, num_heads, V, V)`, receivers before senders.

    Example:

    >>> body = virtual_joint_graph(3, [(1, 0), (2, 1)])
    >>> layer = AdaptiveHyperGraph(body, num_heads=2, num_neighbors=2)
    >>> layer(ops.ones((4, 3, 16))).shape
    (4, 2, 3, 3)

    Reference: Zhou et al., Adaptive Hyper-Graph Convolution Network for
    Skeleton-based Human Action Recognition with Virtual Connections, ICCV
    2025, arXiv 2411.14796.
    """

    def __init__(
        self, body_graph, num_heads=8, num_neighbors=9, reduction=4, **kwargs
    ):
        super().__init__(**kwargs)
        body_graph = np.asarray(body_graph, "float32")
        if body_graph.ndim != 2 or body_graph.shape[0] != body_graph.shape[1]:
            raise ValueError(
                "`body_graph` must be a square matrix. Received shape "
                f"{body_graph.shape}."
            )
        _check_positive(
            num_heads=num_heads,
            num_neighbors=num_neighbors,
            reduction=reduction,
        )
        self._body_graph = body_graph
        self.num_heads = num_heads
        self.num_neighbors = num_neighbors
        self.reduction = reduction

    def build(self, input_shape):
        joints, channels = input_shape[1:]
        if joints != len(self._body_graph):
            raise ValueError(
                f"The graph of the body has {len(self._body_graph)} joints, "
                f"the input has {joints}. Received input_shape="
                f"{tuple(input_shape)}."
            )
        _check_heads(channels, self.num_heads)
        shape = (self.num_heads, joints, joints)
        self.body_graph = self.add_weight(
            name="body_graph",
            shape=shape,
            initializer=lambda shape, dtype: ops.convert_to_tensor(
                np.tile(self._body_graph, (shape[0], 1, 1)), dtype
            ),
            trainable=False,
        )
        self.edge_importance = self.add_weight(
            name="edge_importance", shape=shape, initializer="ones"
        )
        self.gate = self.add_weight(name="gate", shape=(1,), initializer="ones")
        width = max(channels // self.num_heads // self.reduction, 1)
        policy = {"dtype": self.dtype_policy}
        hidden = self.num_heads * width
        self.projection = _Grouped(
            self.num_heads, hidden, name="projection", **policy
        )
        self.weight_hidden = _Grouped(
            self.num_heads, hidden, name="weight_hidden", **policy
        )
        self.weight_output = keras.layers.Dense(
            self.num_heads,
            activation="tanh",
            kernel_initializer=kernel_initializer(),
            name="weight_output",
            **policy,
        )
        self.projection.build(input_shape)
        self.weight_hidden.build(input_shape)
        self.weight_output.build((*input_shape[:-1], hidden))

    def call(self, inputs):
        projected, hidden = self.project(inputs)
        graph = self.hyper_graph(
            self._incidence(projected), self._edge_weights(hidden)
        )
        return self.normalized_body_graph() + ops.relu(self.gate) * graph

    def normalized_body_graph(self):
        """Graph of the body with its learned edges, `(num_heads, V, V)`."""
        graph = self.edge_importance * self.body_graph
        total = ops.sum(ops.abs(graph), axis=-1, keepdims=True)
        return graph / (total + TINY)

    def distances(self, inputs):
        """Distances `(B, num_heads, V, V)` of the projections."""
        return _distances(self.project(inputs)[0])

    def incidence(self, inputs):
        """Share of joint `u` in hyper-edge `e`, `(B, num_heads, V, V)`."""
        return self._incidence(self.project(inputs)[0])

    def edge_weights(self, inputs):
        """Weights of the hyper-edges, `(B, num_heads, V)`."""
        return self._edge_weights(self.project(inputs)[1])

    def hyper_graph(self, incidence, edge_weights):
        """The hyper-graph as a graph of the joints, `(B, num_heads, V, V)`."""
        weights = ops.expand_dims(edge_weights, -2)
        weighted = incidence * weights
        joint_degree = ops.sum(ops.abs(weighted), axis=-1, keepdims=True)
        edge_degree = ops.sum(incidence, axis=-2, keepdims=True)
        left = weighted / (joint_degree + TINY)
        right = incidence * (weights / (edge_degree + TINY))
        return ops.matmul(left, ops.swapaxes(right, -1, -2))

    def project(self, inputs):
        """Both projections of `(B, V, C)`, `(B, num_heads, width, V)` each."""
        layers = (self.projection, self.weight_hidden)
        kernel = _joined.joined([layer.kernel for layer in layers])
        heads, depth, width = kernel.shape
        bias = ops.concatenate(
            [ops.reshape(layer.bias, (heads, -1)) for layer in layers], axis=-1
        )
        joints = inputs.shape[1]
        x = ops.reshape(inputs, (-1, joints, heads, depth))
        x = ops.einsum("bvkc,kcd->bkdv", x, kernel)
        x = x + ops.expand_dims(bias, -1)
        return x[:, :, : width // 2], x[:, :, width // 2 :]

    def _incidence(self, projected):
        distances = _distances(projected)
        joints = distances.shape[-1]
        neighbors = min(self.num_neighbors, joints)
        _, nearest = ops.top_k(-ops.stop_gradient(distances), neighbors)
        # From the indices and not from the last distance, which would take
        # more than `neighbors` of equal ones.
        chosen = ops.any(
            ops.equal(
                ops.expand_dims(nearest, -1),
                ops.arange(0, joints, dtype=nearest.dtype),
            ),
            axis=-2,
        )
        # Each joint is at distance 0 from itself, so that this is a softmax.
        shares = ops.exp(-distances)
        shares = ops.where(chosen, shares, 0.0)
        return shares / ops.sum(shares, axis=-1, keepdims=True)

    def _edge_weights(self, hidden):
        heads, width, joints = hidden.shape[1:]
        hidden = ops.leaky_relu(hidden, 0.01)
        hidden = ops.reshape(hidden, (-1, heads * width, joints))
        # The joints stay last: no transposition before or after.
        layer = self.weight_output
        weights = ops.matmul(ops.transpose(layer.kernel), hidden)
        return layer.activation(weights + layer.bias.value[:, None])

    def compute_output_shape(self, input_shape):
        batch, joints, _ = input_shape
        return batch, self.num_heads, joints, joints

    def get_config(self):
        return {
            **super().get_config(),
            "body_graph": self._body_graph.tolist(),
            "num_heads": self.num_heads,
            "num_neighbors": self.num_neighbors,
            "reduction": self.reduction,
        }


@keras.saving.register_keras_serializable(package="keras_skeleton")
class HyperGraphConvolution(ShortcutLayer):
    """Multi-head graph convolution with virtual joints and hyper-edges.

    Learned virtual joints, the same for all clips and frames, join the real
    ones. The graph of each clip comes from its features, averaged over time
    (`AdaptiveHyperGraph`). Each head `k` has its own graph `A` and share of
    the channels:
    `y[t, u, k] = sum_v A[k, u, v] W_k x[t, v, k]`. The result at the real
    joints is `relu(norm(y) + shortcut(x))`; the shortcut is pointwise with a
    normalization where the number of channels changes, and else the identity.

    Args:
        filters: Channels of the output, a multiple of `num_heads`.
        body_graph: Adjacency `(V + virtual, V + virtual)`, see
            `virtual_joint_graph`.
        num_virtual_joints: The last joints of the graph, which the input
            does not have.
        num_heads: As in `AdaptiveHyperGraph`.
        num_neighbors: As in `AdaptiveHyperGraph`.
        divergence_weight: Factor of a loss that drives the virtual joints
            apart (`DivergenceRegularizer`), added to the losses of the model.
        distinct_virtual_joints: Whether each virtual joint starts with random
            values of its own. As published, all start equal and part only
            through the choice among equally near joints.
        **kwargs: Arguments of `keras.layers.Layer`.

    Input shape: `(B, T, V, C)`, with `C` a multiple of `num_heads`.

    Output shape: `(B, T, V, filters)`.

    Example:

    >>> body = virtual_joint_graph(3, [(1, 0), (2, 1)], 2)
    >>> layer = HyperGraphConvolution(32, body, 2)
    >>> layer(ops.ones((4, 10, 3, 16))).shape
    (4, 10, 3, 32)

    Reference: as for `AdaptiveHyperGraph`.
    """

    def __init__(
        self,
        filters,
        body_graph,
        num_virtual_joints=0,
        num_heads=8,
        num_neighbors=9,
        divergence_weight=0.0,
        distinct_virtual_joints=False,
        **kwargs,
    ):
        super().__init__(filters, **kwargs)
        _check_heads(filters, num_heads)
        self.num_virtual_joints = num_virtual_joints
        self.divergence_weight = divergence_weight
        self.distinct_virtual_joints = distinct_virtual_joints
        # Small sums in denominators: half precision would lose them.
        self.adaptive_graph = AdaptiveHyperGraph(
            body_graph,
            num_heads,
            num_neighbors,
            name="topology",
            dtype="float64" if self.dtype == "float64" else "float32",
        )
        self.value = _Grouped(
            num_heads, filters, name="value", dtype=self.dtype_policy
        )

    def build(self, input_shape):
        *_, joints, channels = input_shape
        _check_heads(channels, self.adaptive_graph.num_heads)
        if self.num_virtual_joints:
            self.virtual_joints = self.add_weight(
                name="virtual_joints",
                shape=(self.num_virtual_joints, channels),
                initializer=(
                    keras.initializers.RandomNormal(stddev=1.0)
                    if self.distinct_virtual_joints
                    else RepeatedRow()
                ),
                regularizer=(
                    DivergenceRegularizer(self.divergence_weight)
                    if self.divergence_weight and self.num_virtual_joints > 1
                    else None
                ),
            )
        total = joints + self.num_virtual_joints
        self.adaptive_graph.build((None, total, channels))
        self.value.build(input_shape)
        self.build_end(input_shape)

    def topology(self, inputs=None):
        """The graph of each clip `(B, heads, V + virtual, V + virtual)`.

        Without inputs, that of the body alone, `(heads, V + virtual, V +
        virtual)`, with the learned importance of its edges.
        """
        if inputs is None:
            return self.adaptive_graph.normalized_body_graph()
        return self.adaptive_graph(self.nodes(inputs))

    def hyper_edges(self, inputs):
        """The hyper-edges of each clip.

        Returns:
            Tuple `(incidence, weights, graph)` of tensors `(B, heads, V +
            virtual, V + virtual)`, `(B, heads, V + virtual)` and as the
            first, see `AdaptiveHyperGraph`.
        """
        nodes = ops.cast(self.nodes(inputs), self.adaptive_graph.compute_dtype)
        incidence = self.adaptive_graph.incidence(nodes)
        weights = self.adaptive_graph.edge_weights(nodes)
        graph = self.adaptive_graph.hyper_graph(incidence, weights)
        return incidence, weights, graph

    def nodes(self, inputs):
        """Features of all joints, `(B, V + virtual, C)`, mean over time."""
        nodes = ops.mean(inputs, axis=1)
        if not self.num_virtual_joints:
            return nodes
        virtual = _joined.as_type(self.virtual_joints.value, nodes)
        virtual = virtual + ops.zeros_like(nodes[:, :1])
        return ops.concatenate([nodes, virtual], axis=1)

    def call(self, inputs, training=None):
        graph = self.topology(inputs)
        if self.uses_batch_statistics(training):
            y = self.convolve(inputs, graph)
            y = _joined.normalize(y, [self.norm], training)
        else:
            # The normalization becomes part of the values.
            scale, offset = _joined.scale_and_offset([self.norm])
            y = self.convolve(inputs, graph, scale, offset)
        return self.end(y, inputs, training)

    def convolve(self, inputs, graph, scale=None, offset=None):
        """Convolution of `(B, T, V, C)` with a graph for each head.

        Args:
            inputs: Tensor `(B, T, V, C)`, the real joints.
            graph: Tensor `(B, heads, V + virtual, V + virtual)`.
            scale: Tensor `(filters,)` to multiply the result by, or `None`.
            offset: Tensor `(filters,)` to add then, or `None`.
        """
        frames, joints, channels = inputs.shape[1:]
        heads = self.adaptive_graph.num_heads
        depth, width = channels // heads, self.filters // heads
        kernel, bias = self._values(scale, inputs)
        # Heads before all else, so that both products are of large matrices,
        # without a copy between them.
        graph = ops.transpose(graph[:, :, :joints], (1, 0, 2, 3))
        graph = _joined.as_type(graph, inputs)
        x = ops.reshape(inputs, (-1, frames, joints, heads, depth))
        x = ops.transpose(x, (3, 0, 2, 1, 4))
        x = ops.reshape(x, (heads, -1, joints, frames * depth))
        y = ops.matmul(graph[..., :joints], x)
        y = ops.matmul(ops.reshape(y, (heads, -1, depth)), kernel)
        y = ops.reshape(y, (heads, -1, joints, frames, width))
        constant = self._constant_part(graph, kernel, bias)
        if offset is not None:
            offset = ops.reshape(offset, (heads, 1, 1, width))
            constant = constant + _joined.as_type(offset, constant)
        y = y + ops.expand_dims(constant, 3)
        y = ops.transpose(y, (1, 3, 2, 0, 4))
        return ops.reshape(y, (-1, frames, joints, self.filters))

    def _values(self, scale, inputs):
        """The kernel, and the bias `(heads, 1, 1, width)`, scaled."""
        kernel, bias = self.value.kernel.value, self.value.bias.value
        heads, _, width = kernel.shape
        if scale is not None:
            scale = _joined.as_type(scale, bias)
            bias = bias * scale
            kernel = kernel * ops.reshape(scale, (heads, 1, width))
        bias = ops.reshape(bias, (heads, 1, 1, width))
        return _joined.as_type(kernel, inputs), _joined.as_type(bias, inputs)

    def _constant_part(self, graph, kernel, bias):
        """What is the same in all frames, `(heads, B, V, filters / heads)`.

        That is what virtual joints send, and the bias.
        """
        constant = ops.sum(graph, axis=-1, keepdims=True) * bias
        if not self.num_virtual_joints:
            return constant
        heads, depth, _ = kernel.shape
        virtual = _joined.as_type(self.virtual_joints.value, kernel)
        virtual = ops.reshape(virtual, (-1, heads, depth))
        sent = ops.matmul(ops.transpose(virtual, (1, 0, 2)), kernel)
        joints = graph.shape[2]
        sent = ops.matmul(graph[..., joints:], ops.expand_dims(sent, 1))
        return constant + sent

    def get_config(self):
        graph = self.adaptive_graph.get_config()
        return {
            **super().get_config(),
            "filters": self.filters,
            "body_graph": graph["body_graph"],
            "num_virtual_joints": self.num_virtual_joints,
            "num_heads": graph["num_heads"],
            "num_neighbors": graph["num_neighbors"],
            "divergence_weight": self.divergence_weight,
            "distinct_virtual_joints": self.distinct_virtual_joints,
        }


def _distances(projected):
    """Euclidean distances of `(B, heads, width, V)`, `(B, heads, V, V)`.

    By differences: the form with a matrix product is not 0 from a joint to
    itself.
    """
    difference = ops.expand_dims(projected, -1) - ops.expand_dims(projected, -2)
    return safe_sqrt(ops.sum(ops.square(difference), axis=2))


def _check_heads(channels, heads):
    if channels % heads:
        raise ValueError(
            f"{channels} channels cannot be divided among num_heads={heads}. "
            "Choose a multiple."
        )


def _check_positive(**values):
    for name, value in values.items():
        if value < 1:
            raise ValueError(
                f"`{name}` must be at least 1. Received {name}={value}."
            )
