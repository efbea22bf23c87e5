"""Convolutions over graphs of the body."""

import keras
import numpy as np
from keras import ops

from keras_skeleton.layers import _joined
from keras_skeleton.layers.graph._shortcut import ShortcutLayer
from keras_skeleton.layers.graph.entries import drop_entries


class _SpatialGraphLayer(ShortcutLayer):
    """Base of convolutions over `S` given graphs that may be trained."""

    def __init__(self, filters, graph, adaptive=True, **kwargs):
        super().__init__(filters, **kwargs)
        graph = np.asarray(graph, dtype="float32")
        if graph.ndim != 3 or graph.shape[1] != graph.shape[2]:
            raise ValueError(
                "`graph` must have the shape (graphs, joints, joints). "
                f"Received shape {graph.shape}."
            )
        self.adaptive = adaptive
        self._initial_graph = graph

    def pointwise_of_graphs(self, kind, channels, initializer=None):
        """One dense layer for each graph."""
        return [
            self.pointwise(channels, f"{kind}_{s}", initializer)
            for s in range(len(self._initial_graph))
        ]

    def build_graph(self, joints):
        initial = self._initial_graph
        if joints != initial.shape[1]:
            raise ValueError(
                f"The graph has {initial.shape[1]} joints, the inputs have "
                f"{joints}. Pass the graph of the inputs' skeleton."
            )
        self.graph = self.add_weight(
            name="graph",
            shape=initial.shape,
            initializer=lambda shape, dtype: ops.cast(initial, dtype),
            trainable=self.adaptive,
        )

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "graph": self._initial_graph.tolist(),
            "adaptive": self.adaptive,
        }


@keras.saving.register_keras_serializable(package="keras_skeleton")
class GraphConvolution(_SpatialGraphLayer):
    """Graph convolution over graphs that are the same for all clips.

    Each of the `S` graphs has a pointwise convolution of its own, the
    sub-layer `value_s`:

        z[t, u] = sum over s of value_s(sum over v of graph[s, u, v] x[t, v])
        outputs = relu(norm(z) + x)

    Where the channels change, `x` at the end passes through `shortcut` and
    `shortcut_norm`. Adaptive graphs begin as the given ones and are trained;
    what each joint receives is divided by its Euclidean norm over the
    senders (`topology`).

    Args:
        filters: Channels of the output.
        graph: Array `(S, V, V)`; see `spatial_graph`.
        adaptive: Whether the graphs are trained. Fixed ones are used as they
            are given.
        **kwargs: Arguments of `keras.layers.Layer`.

    Input shape: `(B, T, V, C)`.

    Output shape: `(B, T, V, filters)`.

    Example:

    >>> arm = spatial_graph(3, [(1, 0), (2, 1)])
    >>> GraphConvolution(64, arm)(ops.zeros((4, 16, 3, 3))).shape
    (4, 16, 3, 64)

    Reference: the network that Chen et al., Channel-wise Topology Refinement
    Graph Convolution for Skeleton-Based Action Recognition, ICCV 2021,
    arXiv 2107.12213, compare with.
    """

    def __init__(self, filters, graph, adaptive=True, **kwargs):
        super().__init__(filters, graph, adaptive, **kwargs)
        self.values = self.pointwise_of_graphs(
            "value", filters, self._initial_kernel
        )

    def _initial_kernel(self, shape, dtype=None):
        # As published: smaller than He's, by the inputs and by the graphs.
        size = shape[0] * shape[1] * len(self._initial_graph)
        return keras.random.normal(shape, stddev=(2 / size) ** 0.5, dtype=dtype)

    def build(self, input_shape):
        self.build_graph(input_shape[2])
        for layer in self.values:
            layer.build(input_shape)
        self.build_end(input_shape)

    def call(self, inputs, training=None):
        outputs = sum(
            value(ops.matmul(graph, inputs))
            for value, graph in zip(
                self.values,
                ops.unstack(ops.cast(self.topology(), inputs.dtype)),
                strict=True,
            )
        )
        outputs = _joined.normalize(outputs, [self.norm], training)
        return self.end(outputs, inputs, training)

    def topology(self, inputs=None):
        """The graphs in use, `(S, V, V)`, with and without inputs."""
        graph = self.graph.value
        if not self.adaptive:
            return graph
        norm = ops.sqrt(ops.sum(ops.square(graph), axis=-1, keepdims=True))
        return graph / (norm + 1e-4)


@keras.saving.register_keras_serializable(package="keras_skeleton")
class ChannelTopologyGraphConvolution(_SpatialGraphLayer):
    """Graph convolution whose graphs differ from channel to channel.

    Each of the `S` graphs is learned, begins as a given one and is refined
    for each clip and output channel by how the joints' features differ:

        q, k = mean over time of receiver_s(x), sender_s(x)
        topology_s[u, v] = gate * relation_s(tanh(q[u] - k[v])) + graph[s, u, v]
        z[t, u, c] = sum over s and v of topology_s[u, v, c] value_s(x)[t, v, c]
        outputs = relu(norm(z) + x)

    with pointwise convolutions `receiver_s`, `sender_s`, `relation_s` and
    `value_s`, all sub-layers of these names. Where the channels change, `x`
    at the end passes through `shortcut` and `shortcut_norm`. The `gate`, one
    number for all graphs, begins at 0.

    Args:
        filters: Channels of the output.
        graph: Array `(S, V, V)`; see `spatial_graph`.
        relation_channels: Channels in which joints are compared.
        adaptive: Whether `graph` is trained.
        **kwargs: Arguments of `keras.layers.Layer`.

    Input shape: `(B, T, V, C)`.

    Output shape: `(B, T, V, filters)`.

    Example:

    >>> arm = spatial_graph(3, [(1, 0), (2, 1)])
    >>> layer = ChannelTopologyGraphConvolution(64, arm, 8)
    >>> layer(ops.zeros((4, 16, 3, 3))).shape
    (4, 16, 3, 64)

    Reference: Chen et al., Channel-wise Topology Refinement Graph
    Convolution for Skeleton-Based Action Recognition, ICCV 2021,
    arXiv 2107.12213.
    """

    def __init__(
        self, filters, graph, relation_channels, adaptive=True, **kwargs
    ):
        super().__init__(filters, graph, adaptive, **kwargs)
        if relation_channels < 1:
            raise ValueError(
                "`relation_channels` must be at least 1. Received "
                f"relation_channels={relation_channels}."
            )
        self.relation_channels = relation_channels
        pointwise = self.pointwise_of_graphs
        self.receivers = pointwise("receiver", relation_channels)
        self.senders = pointwise("sender", relation_channels)
        self.relations = pointwise("relation", filters)
        self.values = pointwise("value", filters)

    def build(self, input_shape):
        self.build_graph(input_shape[2])
        self.gate = self.add_weight(
            name="gate", shape=(1,), initializer="zeros"
        )
        for layer in (*self.receivers, *self.senders, *self.values):
            layer.build(input_shape)
        for layer in self.relations:
            layer.build((*input_shape[:-1], self.relation_channels))
        self.build_end(input_shape)

    def call(self, inputs, training=None):
        count = len(self.values)
        kernel, bias = _joined.parameters(self.values)
        batch_statistics = self.uses_batch_statistics(training)
        if not batch_statistics:
            # The normalization becomes part of the values.
            scale, offset = _joined.scale_and_offset([self.norm])
            scale = ops.tile(_joined.as_type(scale, kernel), count)
            kernel, bias = kernel * scale, bias * scale
        _, frames, joints, channels = inputs.shape
        # The joints are gathered channel by channel: with the channels in
        # front already in the values, only the inputs are transposed.
        columns = ops.transpose(
            ops.reshape(inputs, (-1, frames * joints, channels)), (0, 2, 1)
        )
        values = ops.matmul(ops.transpose(kernel), columns)
        values = values + ops.expand_dims(bias, 1)
        values = ops.reshape(values, (-1, count, self.filters, frames, joints))
        topologies = ops.transpose(self.topology(inputs), (0, 1, 2, 4, 3))
        outputs = _sum_over_graphs(ops.matmul(values, topologies))
        outputs = ops.transpose(outputs, (0, 2, 3, 1))
        if batch_statistics:
            outputs = _joined.normalize(outputs, [self.norm], training)
        else:
            outputs = outputs + _joined.as_type(offset, outputs)
        return self.end(outputs, inputs, training)

    def topology(self, inputs=None):
        """The refined graphs of each row: `(B, S, filters, V, V)`.

        Entry `[b, s, c, u, v]` is the weight at which, in graph `s` and
        channel `c`, joint `u` receives from joint `v`. Without inputs, the
        graphs `(S, V, V)` that are refined.
        """
        if inputs is None:
            return self.graph.value
        count, joints, _ = self.graph.shape
        gate = self.gate.value
        kernels, biases = _joined.parameters(self.relations)
        kernels = ops.transpose(kernels * gate)
        kernels = ops.reshape(kernels, (count, self.filters, -1))
        biases = ops.reshape(biases * gate, (count, self.filters, 1))
        graphs = ops.reshape(self.graph, (count, 1, joints * joints))
        topologies = ops.matmul(kernels, self.differences(inputs))
        topologies = topologies + (biases + graphs)
        shape = (-1, count, self.filters, joints, joints)
        return ops.reshape(topologies, shape)

    def differences(self, inputs):
        """How joints differ: `(B, S, relation_channels, V * V)`."""
        count, joints, _ = self.graph.shape
        mean = ops.reshape(ops.mean(inputs, axis=1), (-1, inputs.shape[-1]))
        ends = _joined.linear(mean, [*self.receivers, *self.senders])
        ends = ops.reshape(
            ends, (-1, joints, 2 * count, self.relation_channels)
        )
        ends = ops.transpose(ends, (0, 2, 3, 1))
        receivers, senders = ops.split(ends, 2, axis=1)
        differences = ops.tanh(
            ops.expand_dims(receivers, -1) - ops.expand_dims(senders, -2)
        )
        shape = (-1, count, self.relation_channels, joints * joints)
        return ops.reshape(differences, shape)

    def get_config(self):
        return {
            **super().get_config(),
            "relation_channels": self.relation_channels,
        }


# Channels from which on `PartitionGraphConvolution` takes frame by frame.
_WIDE = 8


def _sum_over_graphs(x):
    """Sum of `(B, S, ...)` over the second axis."""
    if keras.backend.backend() == "jax":
        # Without an accelerator, XLA takes ten times as long to sum over so
        # short an axis in the middle.
        return sum(ops.unstack(x, axis=1))
    return ops.sum(x, axis=1)


@keras.saving.register_keras_serializable(package="keras_skeleton")
class PartitionGraphConvolution(_SpatialGraphLayer):
    """Graph convolution of ST-GCN: given graphs with learned edge weights.

    Each of the `S` graphs has a pointwise convolution of its own, the parts of
    the sub-layer `value`:

        z[t, u] = sum over s and v of topology[s, u, v] value_s(x[t, v])
        outputs = relu(norm(z))

    with `topology = graph * importance`; the importance of an edge is 1 at
    first. With `residual`, as in ST-GCN++, the result is
    `relu(norm(z) + x)`: where the channels change, `x` passes through
    `shortcut` and `shortcut_norm`.

    Called with `edge_dropout`, each edge is left out with a probability that
    is drawn below it in each call, and the others grow accordingly; the whole
    batch shares the draw. That is an augmentation, which acts in training and
    outside.

    Args:
        filters: Channels of the output.
        graph: Array `(S, V, V)`; see `partition_graph`.
        importance: Whether the weights of the edges are learned.
        adaptive: Whether the graphs themselves are trained; they begin as
            the given ones.
        residual: Whether the inputs are added.
        kernel_initializer: Of `value` and `shortcut`. Defaults to He's normal
            initialization by outputs.
        seed: Seed of the dropped edges.
        **kwargs: Arguments of `keras.layers.Layer`.

    Input shape: `(B, T, V, C)`.

    Output shape: `(B, T, V, filters)`.

    Example:

    >>> arm = partition_graph(3, [(1, 0), (2, 1)], center=0)
    >>> PartitionGraphConvolution(64, arm)(ops.zeros((4, 16, 3, 3))).shape
    (4, 16, 3, 64)

    Reference: Yan et al., Spatial Temporal Graph Convolutional Networks for
    Skeleton-Based Action Recognition, AAAI 2018, arXiv 1801.07455.
    """

    def __init__(
        self,
        filters,
        graph,
        importance=True,
        adaptive=False,
        residual=False,
        kernel_initializer=None,
        seed=None,
        **kwargs,
    ):
        super().__init__(filters, graph, adaptive, gamma=1.0, **kwargs)
        self.importance = importance
        self.residual = residual
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.seed = seed
        self.generator = keras.random.SeedGenerator(seed)
        self.value = self.pointwise(
            filters * len(self._initial_graph), "value", self.kernel_initializer
        )

    def build(self, input_shape):
        self.build_graph(input_shape[2])
        if self.importance:
            self.edge_importance = self.add_weight(
                name="importance",
                shape=self._initial_graph.shape,
                initializer="ones",
            )
        self.build_layers(input_shape)

    def build_layers(self, input_shape):
        """Builds all but the graphs and the weights of their edges."""
        self.value.build(input_shape)
        if self.residual:
            self.build_end(input_shape, self.kernel_initializer)
        else:
            self.norm.build((*input_shape[:-1], self.filters))

    def call(self, inputs, training=None, edge_dropout=0.0):
        received = self.aggregate(inputs, edge_dropout)
        return self.activate(received, inputs, training)

    def aggregate(self, inputs, edge_dropout=0.0):
        """What the joints receive, before normalization and ReLU."""
        return self.receive(inputs, self._topology(edge_dropout))

    def activate(self, received, inputs, training):
        """Normalization, the inputs where they are added, and ReLU."""
        normalized = _joined.normalize(received, [self.norm], training)
        if self.residual:
            return self.end(normalized, inputs, training)
        return ops.relu(normalized)

    def receive(self, inputs, graph):
        """What the joints receive along the graphs.

        Args:
            inputs: Tensor `(B, T, V, C)`.
            graph: Tensor `(S, V, V)`, or `(B, S, V, V)`, one for each row.
        """
        graph = ops.cast(graph, inputs.dtype)
        number, joints, _ = graph.shape[-3:]
        frames, channels = inputs.shape[1], inputs.shape[-1]
        rows = () if len(graph.shape) == 3 else (-1,)
        # Rows in the order of receiver and graph: what a joint receives along
        # all graphs then lies side by side, without a transposition.
        order = (0, 2, 1, 3) if rows else (1, 0, 2)
        to_receivers = ops.reshape(
            ops.transpose(graph, order), (*rows, joints * number, joints)
        )
        x = inputs
        if rows:
            to_receivers = ops.expand_dims(to_receivers, 1)
        elif channels >= _WIDE:
            # A product for each frame takes less time than one over all, for
            # which the joints are moved to the end and back.
            x = ops.reshape(x, (-1, joints, channels))
            to_receivers = ops.broadcast_to(
                to_receivers, (ops.shape(x)[0], joints * number, joints)
            )
        x = ops.matmul(to_receivers, x)
        x = ops.reshape(x, (-1, frames, joints, number * channels))
        kernel = ops.reshape(
            self.value.kernel, (channels, number, self.filters)
        )
        kernel = ops.reshape(
            ops.transpose(kernel, (1, 0, 2)), (number * channels, self.filters)
        )
        # A bias before the graph counts as often as a joint receives.
        bias = ops.reshape(self.value.bias, (number, self.filters))
        received = ops.swapaxes(ops.sum(graph, axis=-1), -1, -2)
        bias = ops.matmul(received, ops.cast(bias, received.dtype))
        if rows:
            bias = ops.expand_dims(bias, 1)
        return ops.matmul(x, ops.cast(kernel, x.dtype)) + bias

    def topology(self, inputs=None):
        """The graphs in use, `(S, V, V)`, with and without inputs."""
        return self._topology(0.0)

    def _topology(self, edge_dropout):
        graph = self.graph.value
        if edge_dropout:
            graph = self.drop_edges(graph, edge_dropout)
        return graph * self.edge_importance if self.importance else graph

    def drop_edges(self, graph, edge_dropout):
        """The graphs without some edges.

        Args:
            graph: Tensor `(S, V, V)`.
            edge_dropout: What the probability is drawn below.
        """
        rate = edge_dropout * keras.random.uniform((), seed=self.generator)
        draws = keras.random.uniform(graph.shape, seed=self.generator)
        return drop_entries(graph, draws < 1 - rate, rate)

    def get_config(self):
        return {
            **super().get_config(),
            "importance": self.importance,
            "residual": self.residual,
            "kernel_initializer": keras.initializers.serialize(
                self.kernel_initializer
            ),
            "seed": self.seed,
        }
