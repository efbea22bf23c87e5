"""Graph isomorphism layers: sums over neighbours, then a small network."""

import keras
import numpy as np
from keras import ops

from keras_skeleton.layers import _joined
from keras_skeleton.layers.activations import exact_gelu
from keras_skeleton.layers.batch_normalization import BatchNormalization
from keras_skeleton.layers.dense import uniform_dense
from keras_skeleton.layers.layer_normalization import LayerNormalization

# Those of GraphMAE; the first has a slope to learn.
ACTIVATIONS = {
    "prelu": None,
    "relu": ops.relu,
    "gelu": exact_gelu,
    "elu": ops.elu,
}
NORMALIZATIONS = ("batch", "layer")


@keras.saving.register_keras_serializable(package="keras_skeleton")
class GraphIsomorphismLayer(keras.layers.Layer):
    """Sums each joint and its neighbours, and passes the sum through an MLP.

        u[i] = center_weight * x[i] + sum over j of graph[i, j] x[j]
        outputs = projection(act(norm(hidden(u))))

    and, unless it is the last layer of a decoder, another normalization and
    activation (`norm`, `activation`). `hidden` and `projection` are dense.
    Batch normalizations take their statistics over all joints of all rows of
    the batch. A PReLU has one slope for all channels, 0.25 at first.

    Args:
        filters: Channels of the output.
        graph: Array `(V, V)`: the weight at which the joint of the row
            receives from that of the column; without the joints themselves.
        hidden_dim: Width between the two dense layers. Defaults to `None`,
            as wide as the output.
        center_weight: Weight of the joint itself, `1 + epsilon` in the
            paper.
        activation: `"prelu"`, `"relu"`, `"gelu"` or `"elu"`.
        normalized: Whether the second normalization and activation follow.
        dropout_rate: Dropout of the inputs.
        residual: Whether the inputs are added to the outputs; through a dense
            layer without bias where they have other channels.
        normalization: `"batch"` or `"layer"`.
        **kwargs: Arguments of `keras.layers.Layer`.

    Input shape: `(..., V, C)`.

    Output shape: `(..., V, filters)`.

    Raises:
        ValueError: If the graph is not square, or not that of the inputs.

    Example:

    >>> layer = GraphIsomorphismLayer(64, body_graph(3, [(1, 0), (2, 1)]))
    >>> layer(ops.zeros((4, 16, 3, 2))).shape
    (4, 16, 3, 64)

    Reference: Xu et al., How Powerful are Graph Neural Networks?, ICLR 2019,
    arXiv 1810.00826; in the form of the code of THUDM/GraphMAE.
    """

    def __init__(
        self,
        filters,
        graph,
        hidden_dim=None,
        center_weight=1.0,
        activation="prelu",
        normalized=True,
        dropout_rate=0.0,
        residual=False,
        normalization="batch",
        **kwargs,
    ):
        super().__init__(**kwargs)
        graph = np.asarray(graph, dtype="float32")
        if graph.ndim != 2 or graph.shape[0] != graph.shape[1]:
            raise ValueError(
                "`graph` must have the shape (joints, joints). Received shape "
                f"{graph.shape}."
            )
        if activation not in ACTIVATIONS:
            raise ValueError(
                f"`activation` must be one of {', '.join(ACTIVATIONS)}. "
                f"Received activation={activation!r}."
            )
        if normalization not in NORMALIZATIONS:
            raise ValueError(
                f"`normalization` must be one of {', '.join(NORMALIZATIONS)}. "
                f"Received normalization={normalization!r}."
            )
        self.filters = filters
        self.graph = graph
        self.residual = residual
        self.normalization = normalization
        self.hidden_dim = hidden_dim
        self.center_weight = center_weight
        self.activation_name = activation
        self.normalized = normalized
        self.dropout_rate = dropout_rate
        self.dropout = keras.layers.Dropout(
            dropout_rate, dtype=self.dtype_policy
        )

    def build(self, input_shape):
        joints, channels = input_shape[-2:]
        if joints != len(self.graph):
            raise ValueError(
                f"The graph has {len(self.graph)} joints, the inputs have "
                f"{joints}. Pass the graph of the inputs' skeleton."
            )
        width, policy = self.hidden_dim or self.filters, self.dtype_policy
        self.hidden = uniform_dense(width, channels, "hidden", policy)
        self.hidden_norm = self._norm("hidden_norm", width)
        self.hidden_activation = self._activation("hidden_activation", width)
        self.projection = uniform_dense(
            self.filters, width, "projection", policy
        )
        if self.normalized:
            self.norm = self._norm("norm", self.filters)
            self.activation = self._activation("activation", self.filters)

        self.shortcut = None
        if self.residual and channels != self.filters:
            self.shortcut = uniform_dense(
                self.filters, channels, "shortcut", policy, use_bias=False
            )

    def _norm(self, name, channels):
        if self.normalization == "layer":
            norm = LayerNormalization(name=name, dtype=self.dtype_policy)
        else:
            norm = BatchNormalization(name=name, dtype=self.dtype_policy)
        norm.build((None, None, channels))
        return norm

    def _activation(self, name, channels):
        if self.activation_name != "prelu":
            return ACTIVATIONS[self.activation_name]
        layer = keras.layers.PReLU(
            keras.initializers.Constant(0.25),
            shared_axes=(1, 2),
            name=name,
            dtype=self.dtype_policy,
        )
        layer.build((None, len(self.graph), channels))
        return layer

    def call(self, inputs, training=None):
        x = ops.reshape(inputs, (-1, *inputs.shape[-2:]))
        x = given = self.dropout(x, training=training)
        graph = self.graph + self.center_weight * np.eye(len(self.graph))
        x = ops.matmul(ops.cast(graph, x.dtype), x)
        x = self._mapped(x, self.hidden, self.hidden_norm, training)
        x = self.hidden_activation(x)
        if self.normalized:
            x = self._mapped(x, self.projection, self.norm, training)
            x = self.activation(x)
        else:
            x = self.projection(x)
        if self.residual:
            x = x + (self.shortcut(given) if self.shortcut else given)
        return ops.reshape(x, (-1, *inputs.shape[1:-1], self.filters))

    def _mapped(self, x, linear, norm, training):
        if self.normalization == "layer":
            return norm(linear(x))
        return _joined.normalized_linear(x, [linear], [norm], training)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.filters)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "graph": self.graph.tolist(),
            "residual": self.residual,
            "normalization": self.normalization,
            "hidden_dim": self.hidden_dim,
            "center_weight": self.center_weight,
            "activation": self.activation_name,
            "normalized": self.normalized,
            "dropout_rate": self.dropout_rate,
        }


@keras.saving.register_keras_serializable(package="keras_skeleton")
class GraphIsomorphismNetwork(keras.layers.Layer):
    """Graph isomorphism layers one behind another, all of the same width.

    Args:
        filters: Channels of each layer.
        graph: Array `(V, V)`, see `GraphIsomorphismLayer`.
        num_layers: Number of layers, the sub-layers `layer_0`, `layer_1` ...
        activation: See `GraphIsomorphismLayer`.
        dropout_rate: Dropout of the inputs of each layer.
        center_weight: See `GraphIsomorphismLayer`.
        residual: See `GraphIsomorphismLayer`.
        normalization: See `GraphIsomorphismLayer`.
        **kwargs: Arguments of `keras.layers.Layer`.

    Input shape: `(..., V, C)`.

    Output shape: `(..., V, filters)`.

    Reference: as for `GraphIsomorphismLayer`.
    """

    def __init__(
        self,
        filters,
        graph,
        num_layers=3,
        activation="prelu",
        dropout_rate=0.0,
        center_weight=1.0,
        residual=False,
        normalization="batch",
        **kwargs,
    ):
        super().__init__(**kwargs)
        if num_layers < 1:
            raise ValueError(
                "`num_layers` must be at least 1. Received "
                f"num_layers={num_layers}."
            )
        self.filters = filters
        self.graph = np.asarray(graph, dtype="float32")
        self.num_layers = num_layers
        self.activation_name = activation
        self.dropout_rate = dropout_rate
        self.center_weight = center_weight
        self.residual = residual
        self.normalization = normalization
        self.layers = [
            GraphIsomorphismLayer(
                filters,
                graph,
                center_weight=center_weight,
                activation=activation,
                dropout_rate=dropout_rate,
                residual=residual,
                normalization=normalization,
                name=f"layer_{i}",
                dtype=self.dtype_policy,
            )
            for i in range(num_layers)
        ]

    def build(self, input_shape):
        for layer in self.layers:
            layer.build(input_shape)
            input_shape = layer.compute_output_shape(input_shape)

    def call(self, inputs, training=None):
        x = inputs
        for layer in self.layers:
            x = layer(x, training=training)
        return x

    def copy(self, name):
        """Another network of the same form, with variables of its own, none
        of them frozen."""
        config = {**self.get_config(), "name": name, "trainable": True}
        return type(self).from_config(config)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.filters)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "graph": self.graph.tolist(),
            "num_layers": self.num_layers,
            "activation": self.activation_name,
            "dropout_rate": self.dropout_rate,
            "center_weight": self.center_weight,
            "residual": self.residual,
            "normalization": self.normalization,
        }
