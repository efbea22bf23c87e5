"""Graph convolution whose graphs follow from how joints differ and agree."""

import keras
from keras import ops

from keras_skeleton.layers import _joined
from keras_skeleton.layers.batch_normalization import BatchNormalization
from keras_skeleton.layers.graph._shortcut import ShortcutLayer
from keras_skeleton.layers.mixed_temporal import uniform_initializer


@keras.saving.register_keras_serializable(package="keras_skeleton")
class DynamicGraphConvolution(ShortcutLayer):
    """Graph convolution over learned graphs that every clip changes.

    Nothing is known of the body but the number of its joints: the graphs
    begin as random numbers. There are `num_graphs` graphs `k`, among which the
    channels are parted, and each channel `c` of a graph has one of its own:

        s, r = mean over time of sender(x), receiver(x)
        differences[k, c, v, w] = tanh(s[k, c, v] - r[k, c, w])
        agreement[k, v, w] = softmax over v (sum over c s[k, c, v] r[k, c, w])
        topology[k, c, w, v] = graph[k, v, w]
            + difference_gate * differences[k, c, v, w]
            + agreement_gate * agreement[k, v, w]
        z[t, w] = sum over v of topology[w, v] relu(value_norm(value(x)))[t, v]
        outputs = relu(norm(mix(z)) + x)

    with pointwise convolutions `sender`, `receiver`, `value` and `mix`, all
    sub-layers of these names. Where the channels change, `x` at the end
    passes through `shortcut` and `shortcut_norm`. Both gates, numbers for all
    graphs, begin at 0.

    Args:
        filters: Channels of the output.
        num_graphs: Number of graphs.
        graph_filters: Channels of each graph. Defaults to
            `filters / num_graphs`, which must be a whole number then.
        graph_initializer: Of the graphs. Defaults to normal numbers with mean
            0.04 and deviation 0.02.
        kernel_initializer: Of all kernels. Defaults to uniform numbers below
            one over the root of the number of inputs.
        **kwargs: Arguments of `keras.layers.Layer`.

    Input shape: `(B, T, V, C)`.

    Output shape: `(B, T, V, filters)`.

    Example:

    >>> DynamicGraphConvolution(64)(ops.zeros((4, 16, 25, 3))).shape
    (4, 16, 25, 64)

    Reference: Duan et al., DG-STGCN: Dynamic Spatial-Temporal Modeling for
    Skeleton-based Action Recognition, arXiv 2210.05895.
    """

    def __init__(
        self,
        filters,
        num_graphs=8,
        graph_filters=None,
        graph_initializer=None,
        kernel_initializer=None,
        **kwargs,
    ):
        super().__init__(filters, gamma=1.0, **kwargs)
        if num_graphs < 1 or (graph_filters is None and filters % num_graphs):
            raise ValueError(
                "`filters` must be a multiple of `num_graphs`, which share "
                f"them. Received filters={filters} and num_graphs="
                f"{num_graphs}."
            )
        if graph_filters is not None and graph_filters < 1:
            raise ValueError(
                "`graph_filters` must be at least 1. Received graph_filters="
                f"{graph_filters}."
            )
        self.num_graphs = num_graphs
        self.graph_filters = graph_filters
        self.graph_initializer = keras.initializers.get(graph_initializer)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        inner = num_graphs * self._share
        self.sender = self.pointwise(inner, "sender")
        self.receiver = self.pointwise(inner, "receiver")
        self.value = self.pointwise(inner, "value")
        self.value_norm = BatchNormalization(
            name="value_norm", dtype=self.dtype_policy
        )
        self.mix = self.pointwise(filters, "mix")

    def pointwise(self, channels, name, initializer=None):
        initializer = initializer or self.kernel_initializer
        return super().pointwise(
            channels, name, initializer or uniform_initializer()
        )

    def build(self, input_shape):
        self.graph = self.add_weight(
            name="graph",
            shape=(self.num_graphs, input_shape[2], input_shape[2]),
            initializer=self.graph_initializer or random_graph(),
        )
        self.difference_gate = self.add_weight(
            name="difference_gate", shape=(), initializer="zeros"
        )
        self.agreement_gate = self.add_weight(
            name="agreement_gate", shape=(), initializer="zeros"
        )
        output_shape = self.compute_output_shape(input_shape)
        for layer in (self.sender, self.receiver, self.value):
            layer.build(input_shape)
        inner = (*output_shape[:-1], self.num_graphs * self._share)
        for layer in (self.value_norm, self.mix):
            layer.build(inner)
        self.build_end(input_shape)

    def call(self, inputs, training=None):
        values = ops.relu(
            _joined.normalized_linear(
                inputs, [self.value], [self.value_norm], training
            )
        )
        _, frames, joints, _ = inputs.shape
        graphs = self.graph[:, None] + self.clip_graphs(inputs)
        inner = self.num_graphs * self._share
        graphs = ops.reshape(graphs, (-1, inner, joints, joints))
        # Each channel has a graph of its own: channels in front.
        received = ops.matmul(ops.transpose(values, (0, 3, 1, 2)), graphs)
        received = ops.transpose(received, (0, 2, 3, 1))
        outputs = _joined.normalized_linear(
            received, [self.mix], [self.norm], training
        )
        return self.end(outputs, inputs, training)

    def clip_graphs(self, inputs):
        """What each clip adds to the graphs: `(B, S, C / S, V, V)`.

        Senders are in the rows, receivers in the columns.
        """
        joints = inputs.shape[2]
        mean = ops.reshape(ops.mean(inputs, axis=1), (-1, inputs.shape[-1]))
        ends = _joined.linear(mean, [self.sender, self.receiver])
        ends = ops.reshape(ends, (-1, joints, 2, self.num_graphs, self._share))
        ends = ops.transpose(ends, (2, 0, 3, 4, 1))
        senders, receivers = ops.unstack(ends, num=2)
        differences = ops.tanh(senders[..., None] - receivers[..., None, :])
        products = ops.matmul(ops.swapaxes(senders, -1, -2), receivers)
        agreement = ops.softmax(products, axis=-2)[:, :, None]
        return (
            self.difference_gate * differences + self.agreement_gate * agreement
        )

    @property
    def _share(self):
        if self.graph_filters is not None:
            return self.graph_filters
        return self.filters // self.num_graphs

    def topology(self, inputs=None):
        """The graphs of each row: `(B, S, C / S, V, V)`.

        Entry `[b, s, c, u, v]` is the weight at which, in channel `c` of
        graph `s`, joint `u` receives from joint `v`. Without inputs, the
        graphs `(S, V, V)` that all clips share.
        """
        graph = self.graph.value
        if inputs is None:
            return ops.transpose(graph, (0, 2, 1))
        graphs = graph[:, None] + self.clip_graphs(inputs)
        return ops.swapaxes(graphs, -1, -2)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "num_graphs": self.num_graphs,
            "graph_filters": self.graph_filters,
            "graph_initializer": keras.initializers.serialize(
                self.graph_initializer
            ),
            "kernel_initializer": keras.initializers.serialize(
                self.kernel_initializer
            ),
        }


def random_graph():
    """Normal numbers around 0.04, which graphs begin as."""
    return keras.initializers.RandomNormal(mean=0.04, stddev=0.02)
