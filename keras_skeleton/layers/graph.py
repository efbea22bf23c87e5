"""Graphs of the body, and convolutions over them."""

import keras
import numpy as np
from keras import ops

from keras_skeleton.layers import _joined
from keras_skeleton.layers import temporal
from keras_skeleton.layers.batch_normalization import BatchNormalization


def spatial_graph(num_joints, edges):
    """The three graphs of a body: joints themselves, inward and outward.

    `graph[s, u, v]` is the weight at which joint `u` receives from joint
    `v`: in the first graph from itself, in the second (inward) from its
    children, in the third (outward) from its parents. Columns of the latter
    two add up to 1, or are 0 where a joint sends to nobody.

    Args:
        num_joints: Number of joints `V`.
        edges: Pairs `(child, parent)` of joints from 0, for example the
            `edges` of a `Skeleton`. They need not form a tree.

    Returns:
        float32 array `(3, V, V)`.

    Example:

    >>> spatial_graph(2, [(1, 0)])[1]
    array([[0., 1.],
           [0., 0.]], dtype=float32)
    """
    inward = np.zeros((num_joints, num_joints))
    for child, parent in edges:
        if not (0 <= child < num_joints and 0 <= parent < num_joints):
            raise ValueError(
                f"`edges` names the pair {(child, parent)}, but the "
                f"{num_joints} joints are numbered 0 to {num_joints - 1}."
            )
        inward[parent, child] = 1
    graphs = [np.eye(num_joints)]
    for matrix in (inward, inward.T):
        total = matrix.sum(axis=0)
        graphs.append(matrix / np.where(total > 0, total, 1))
    return np.stack(graphs).astype("float32")


@keras.saving.register_keras_serializable(package="keras_skeleton")
class ChannelTopologyGraphConvolution(keras.layers.Layer):
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
        super().__init__(**kwargs)
        graph = np.asarray(graph, dtype="float32")
        if graph.ndim != 3 or graph.shape[1] != graph.shape[2]:
            raise ValueError(
                "`graph` must have the shape (graphs, joints, joints). "
                f"Received shape {graph.shape}."
            )
        if filters < 1 or relation_channels < 1:
            raise ValueError(
                "`filters` and `relation_channels` must be positive. Received "
                f"filters={filters} and relation_channels={relation_channels}."
            )
        self.filters = filters
        self.relation_channels = relation_channels
        self.adaptive = adaptive
        self._initial_graph = graph

        def pointwise(kind, channels):
            return [
                self._pointwise(channels, f"{kind}_{s}")
                for s in range(len(graph))
            ]

        self.receivers = pointwise("receiver", relation_channels)
        self.senders = pointwise("sender", relation_channels)
        self.relations = pointwise("relation", filters)
        self.values = pointwise("value", filters)
        self.norm = BatchNormalization(
            gamma_initializer=keras.initializers.Constant(1e-6),
            name="norm",
            dtype=self.dtype_policy,
        )
        self.shortcut = None

    def _pointwise(self, channels, name):
        return keras.layers.Dense(
            channels,
            kernel_initializer=temporal.kernel_initializer(),
            name=name,
            dtype=self.dtype_policy,
        )

    def build(self, input_shape):
        *rest, joints, channels = input_shape
        if joints != self._initial_graph.shape[1]:
            raise ValueError(
                f"The graph has {self._initial_graph.shape[1]} joints, the "
                f"inputs have {joints}. Received "
                f"input_shape={tuple(input_shape)}."
            )
        initial = self._initial_graph
        self.graph = self.add_weight(
            name="graph",
            shape=initial.shape,
            initializer=lambda shape, dtype: ops.cast(initial, dtype),
            trainable=self.adaptive,
        )
        self.gate = self.add_weight(
            name="gate", shape=(1,), initializer="zeros"
        )
        for layer in (*self.receivers, *self.senders, *self.values):
            layer.build(input_shape)
        for layer in self.relations:
            layer.build((*rest, joints, self.relation_channels))
        output_shape = (*rest, joints, self.filters)
        self.norm.build(output_shape)
        if channels != self.filters:
            self.shortcut = self._pointwise(self.filters, "shortcut")
            self.shortcut.build(input_shape)
            self.shortcut_norm = BatchNormalization(
                name="shortcut_norm", dtype=self.dtype_policy
            )
            self.shortcut_norm.build(output_shape)

    def call(self, inputs, training=None):
        count = len(self.values)
        kernels, biases = _joined.parameters(self.values)
        kernels = ops.reshape(ops.transpose(kernels), (count, self.filters, -1))
        biases = ops.reshape(biases, (count, self.filters, 1))
        batch_statistics = training and self.norm.trainable
        if not batch_statistics:
            # The normalization becomes part of the values.
            scale, offset = _joined.scale_and_offset([self.norm])
            scale = _joined.as_type(ops.expand_dims(scale, 1), kernels)
            kernels, biases = kernels * scale, biases * scale
        _, frames, joints, channels = inputs.shape
        # The joints are gathered channel by channel: with the channels in
        # front already in the values, only the inputs are transposed.
        columns = ops.transpose(
            ops.reshape(inputs, (-1, frames * joints, channels)), (0, 2, 1)
        )
        outputs = None
        for topology, kernel, bias in zip(
            self.topologies(inputs),
            ops.unstack(kernels),
            ops.unstack(biases),
            strict=True,
        ):
            values = ops.matmul(kernel, columns) + bias
            values = ops.reshape(values, (-1, self.filters, frames, joints))
            part = ops.matmul(values, ops.transpose(topology, (0, 1, 3, 2)))
            outputs = part if outputs is None else outputs + part
        outputs = ops.transpose(outputs, (0, 2, 3, 1))
        if batch_statistics:
            outputs = _joined.normalize(outputs, [self.norm], training)
        else:
            outputs = outputs + _joined.as_type(offset, outputs)
        shortcut = inputs
        if self.shortcut is not None:
            shortcut = _joined.normalized_linear(
                inputs, [self.shortcut], [self.shortcut_norm], training
            )
        return ops.relu(outputs + shortcut)

    def topologies(self, inputs):
        """The refined graphs of each row: `S` tensors `(B, filters, V, V)`.

        Entry `[b, c, u, v]` is the weight at which, in channel `c`, joint
        `u` receives from joint `v`.
        """
        count, joints, _ = self.graph.shape
        gate = self.gate.value
        kernels, biases = _joined.parameters(self.relations)
        kernels = ops.transpose(kernels * gate)
        kernels = ops.reshape(kernels, (count, 1, self.filters, -1))
        biases = ops.reshape(biases * gate, (count, 1, self.filters, 1))
        graphs = ops.reshape(self.graph, (count, 1, 1, joints * joints))
        topologies = ops.matmul(kernels, self.differences(inputs))
        topologies = topologies + (biases + graphs)
        topologies = ops.reshape(
            topologies, (count, -1, self.filters, joints, joints)
        )
        return ops.unstack(topologies)

    def differences(self, inputs):
        """How joints differ: `(S, B, relation_channels, V * V)`."""
        count, joints, _ = self.graph.shape
        mean = ops.reshape(ops.mean(inputs, axis=1), (-1, inputs.shape[-1]))
        ends = _joined.linear(mean, [*self.receivers, *self.senders])
        ends = ops.reshape(
            ends, (-1, joints, 2 * count, self.relation_channels)
        )
        ends = ops.transpose(ends, (2, 0, 3, 1))
        receivers, senders = ops.split(ends, 2)
        differences = ops.tanh(
            ops.expand_dims(receivers, -1) - ops.expand_dims(senders, -2)
        )
        shape = (count, -1, self.relation_channels, joints * joints)
        return ops.reshape(differences, shape)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.filters)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "graph": self._initial_graph.tolist(),
            "relation_channels": self.relation_channels,
            "adaptive": self.adaptive,
        }
