"""Layers of networks that take clips of several joint layouts.

The clips of a batch have the joints of the largest layout: those of others
are padded with zeros at the end. A tensor `layout` says which is whose, by
the number of the layout.
"""

import keras
import numpy as np
from keras import ops

from keras_skeleton.layers.graph.convolution import PartitionGraphConvolution
from keras_skeleton.layers.person_normalization import PersonNormalization


@keras.saving.register_keras_serializable(package="keras_skeleton")
class LayoutNormalization(keras.layers.Layer):
    """Batch normalization of joints, for each layout by itself.

    Each layout has a `PersonNormalization` that persons share, of its name.
    Statistics of a layout are those of its own clips, and its running
    statistics stay where a batch has none. Padding becomes 0.

    Args:
        sizes: Dict from the names of the layouts to their numbers of joints.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: Tensor `(N, M, T, V, C)`.
        layout: int `(N,)`, numbers of layouts in the order of `sizes`. Only
            where there are several.
        training: Whether batch statistics count.

    Output shape: `(N, M, T, V, C)`.
    """

    def __init__(self, sizes, **kwargs):
        super().__init__(**kwargs)
        self.sizes = dict(sizes)
        self.norms = [
            PersonNormalization(shared=True, name=name, dtype=self.dtype_policy)
            for name in self.sizes
        ]

    def build(self, input_shape):
        *rest, _, channels = input_shape
        for norm, joints in zip(self.norms, self.sizes.values(), strict=True):
            norm.build((*rest, joints, channels))

    def call(self, inputs, layout=None, training=None):
        if layout is None:
            return self.norms[0](inputs, training=training)
        layout = ops.cast(layout, "int32")
        x = ops.cast(inputs, self.norms[0].moving_mean.dtype)
        if training and self.trainable:
            mean, variance = self._batch_statistics(x, layout)
        else:
            mean = self._stacked("moving_mean", x)
            variance = self._stacked("moving_variance", x, 1.0)
        scale = ops.rsqrt(variance + self.norms[0].epsilon)
        scale = scale * self._stacked("gamma", x)
        x = x - self._of_clips(mean, layout, x)
        outputs = x * self._of_clips(scale, layout, x)
        offset = self._of_clips(self._stacked("beta", x), layout, x)
        return ops.cast(outputs + offset, self.compute_dtype)

    def _stacked(self, kind, x, fill=0.0):
        """A kind of variable of all layouts, `(layouts, V * C)`."""
        size = x.shape[3] * x.shape[4]
        values = [ops.cast(getattr(n, kind), x.dtype) for n in self.norms]
        return ops.stack(
            [
                ops.pad(value, (0, size - value.shape[0]), "constant", fill)
                for value in values
            ]
        )

    @staticmethod
    def _of_clips(values, layout, x):
        """The row of each clip's layout, `(N, 1, 1, V, C)`."""
        rows = ops.take(values, layout, axis=0)
        return ops.reshape(rows, (-1, 1, 1, *x.shape[3:]))

    def _batch_statistics(self, x, layout):
        """Mean and variance `(layouts, V * C)`; moves the running ones."""
        is_of = ops.one_hot(layout, len(self.norms), dtype=x.dtype)
        numbers = ops.sum(is_of, axis=0)[:, None] * (x.shape[1] * x.shape[2])

        def average(values):
            values = ops.sum(values, axis=(1, 2))
            values = ops.reshape(values, (-1, 1, x.shape[3] * x.shape[4]))
            total = ops.sum(is_of[:, :, None] * values, axis=0)
            return total / ops.maximum(numbers, 1)

        mean = average(x)
        variance = average(ops.square(x - self._of_clips(mean, layout, x)))
        unbiased = variance * (numbers / ops.maximum(numbers - 1, 1))
        for i, norm in enumerate(self.norms):
            size = norm.moving_mean.shape[0]
            for moving, batch in (
                (norm.moving_mean, mean),
                (norm.moving_variance, unbiased),
            ):
                share = ops.where(numbers[i] > 0, 1 - norm.momentum, 0.0)
                share = ops.cast(share, x.dtype)
                moving.assign(moving * (1 - share) + batch[i, :size] * share)
        return mean, variance

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "sizes": self.sizes}


@keras.saving.register_keras_serializable(package="keras_skeleton")
class LayoutGraphConvolution(PartitionGraphConvolution):
    """Graph convolution of ST-GCN whose graphs depend on the layout.

    As `PartitionGraphConvolution`, with graphs and weights of edges
    (`graph_<name>`, `importance_<name>`) for each layout; all else is shared.
    Padded joints receive nothing and send nothing, but the normalization
    turns their 0 into a constant and counts them in its statistics, as in the
    published code.

    Args:
        filters: Channels of the output.
        graphs: Dict from the names of the layouts to arrays `(S, V, V)`.
        **kwargs: As in `PartitionGraphConvolution`.

    Call arguments:
        inputs: Tensor `(B, T, V, C)`.
        layout: int `(B,)`, numbers of layouts in the order of `graphs`. Only
            where there are several.
        training, edge_dropout: As in `PartitionGraphConvolution`.

    Output shape: `(B, T, V, filters)`.
    """

    def __init__(self, filters, graphs, **kwargs):
        graphs = {
            name: np.asarray(graph, "float32") for name, graph in graphs.items()
        }
        super().__init__(filters, next(iter(graphs.values())), **kwargs)
        self._initial_graphs = graphs

    def build(self, input_shape):
        joints = input_shape[2]
        for graph in self._initial_graphs.values():
            if graph.shape[1] > joints:
                raise ValueError(
                    f"A graph has {graph.shape[1]} joints, but the inputs have "
                    f"{joints}. Pad clips to the largest layout."
                )
        self.graphs, self.edge_importances = [], []
        for name, graph in self._initial_graphs.items():
            self.graphs.append(
                self.add_weight(
                    name=f"graph_{name}",
                    shape=graph.shape,
                    initializer=lambda shape, dtype, graph=graph: ops.cast(
                        graph, dtype
                    ),
                    trainable=self.adaptive,
                )
            )
            if self.importance:
                self.edge_importances.append(
                    self.add_weight(
                        name=f"importance_{name}",
                        shape=graph.shape,
                        initializer="ones",
                    )
                )
        self.build_layers(input_shape)

    def call(self, inputs, training=None, edge_dropout=0.0, layout=None):
        graph = self._topology(edge_dropout)
        if layout is not None:
            joints = inputs.shape[2]
            graphs = [
                self._topology(edge_dropout, i) for i in range(len(self.graphs))
            ]
            widths = [joints - graph.shape[-1] for graph in graphs]
            graph = ops.stack(
                [
                    ops.pad(graph, ((0, 0), (0, width), (0, width)))
                    for graph, width in zip(graphs, widths, strict=True)
                ]
            )
            graph = ops.take(graph, ops.cast(layout, "int32"), axis=0)
        received = self.receive(inputs, graph)
        return self.activate(received, inputs, training)

    def _topology(self, edge_dropout, number=0):
        graph = self.graphs[number].value
        if edge_dropout:
            graph = self.drop_edges(graph, edge_dropout)
        if self.importance:
            graph = graph * self.edge_importances[number]
        return graph

    def topology(self, inputs=None):
        """The graphs of the first layout, `(S, V, V)`."""
        return self._topology(0.0)

    def get_config(self):
        config = super().get_config()
        del config["graph"]
        graphs = {
            k: graph.tolist() for k, graph in self._initial_graphs.items()
        }
        return {**config, "graphs": graphs}


@keras.saving.register_keras_serializable(package="keras_skeleton")
class FillJoints(keras.layers.Layer):
    """Gives padded joints the mean features of those that there are.

    So any mean over joints is that over the layout's own, and any maximum
    too.

    Args:
        sizes: Numbers of joints of the layouts.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: Tensor `(N, M, T, V, D)`.
        layout: int `(N,)`, numbers of layouts.

    Output shape: `(N, M, T, V, D)`.
    """

    def __init__(self, sizes, **kwargs):
        super().__init__(**kwargs)
        self.sizes = tuple(sizes)

    def is_joint(self, layout, joints):
        """Which joints are the layout's own, boolean `(N, joints)`."""
        number = ops.take(
            ops.convert_to_tensor(self.sizes, "int32"),
            ops.cast(layout, "int32"),
            axis=0,
        )
        return ops.arange(joints, dtype="int32") < number[:, None]

    def call(self, inputs, layout):
        real = self.is_joint(layout, inputs.shape[3])[:, None, None, :, None]
        own = ops.where(real, inputs, ops.zeros_like(inputs))
        number = ops.sum(ops.cast(real, inputs.dtype), axis=3, keepdims=True)
        mean = ops.sum(own, axis=3, keepdims=True) / number
        return ops.where(real, inputs, mean)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "sizes": self.sizes}


@keras.saving.register_keras_serializable(package="keras_skeleton")
class LayoutDense(keras.layers.Layer):
    """A dense layer for each layout, of its name.

    Args:
        units: Outputs.
        names: Names of the layouts.
        activation: Of the outputs.
        kernel_initializer: Of the kernels.
        bias_initializer: Of the biases.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: Tensor `(N, D)`.
        layout: int `(N,)`, numbers of layouts in the order of `names`. Only
            where there are several.

    Output shape: `(N, units)`.
    """

    def __init__(
        self,
        units,
        names,
        activation=None,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.units = units
        self.names = tuple(names)
        self.activation = keras.activations.get(activation)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.heads = [
            keras.layers.Dense(
                units,
                kernel_initializer=self.kernel_initializer.clone(),
                bias_initializer=self.bias_initializer.clone(),
                name=name,
                dtype=self.dtype_policy,
            )
            for name in self.names
        ]

    def build(self, input_shape):
        for head in self.heads:
            head.build(input_shape)

    def call(self, inputs, layout=None):
        if layout is None:
            return self.activation(self.heads[0](inputs))
        outputs = ops.stack([head(inputs) for head in self.heads], axis=1)
        chosen = ops.one_hot(layout, len(self.heads), dtype="bool")
        outputs = ops.where(chosen[:, :, None], outputs, 0.0)
        return self.activation(ops.sum(outputs, axis=1))

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.units)

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "names": self.names,
            "activation": keras.activations.serialize(self.activation),
            "kernel_initializer": keras.initializers.serialize(
                self.kernel_initializer
            ),
            "bias_initializer": keras.initializers.serialize(
                self.bias_initializer
            ),
        }
