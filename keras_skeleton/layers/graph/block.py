"""The block of graph networks: over joints, then over time."""

import functools

import keras
from keras import ops

from keras_skeleton.layers import _joined
from keras_skeleton.layers import temporal
from keras_skeleton.layers.batch_normalization import BatchNormalization


@keras.saving.register_keras_serializable(package="keras_skeleton")
class SpatioTemporalBlock(keras.layers.Layer):
    """Graph convolution, then convolutions over time, and a residual.

    `relu(temporal_convolution(graph_convolution(x)) + shortcut(x))`. The
    shortcut is the identity; pointwise with a normalization (`shortcut`,
    `shortcut_norm`) where the channels change or frames are skipped; or
    absent.

    Args:
        graph_convolution: A layer from `(B, T, V, C)` to `(B, T, V, filters)`
            with the attribute `filters`. The block has its abilities
            (`topology`, `hyper_edges`), as both take the same inputs.
        stride: Frames from one output to the next, those of
            `temporal_convolution` where that is given.
        residual: Whether there is a shortcut.
        padding: Of the convolutions over time, see
            `MultiScaleTemporalConvolution`.
        multi_scale: Whether there are convolutions over time at several
            scales, or else one with a normalization (`temporal_norm`).
        kernel_size: Frames in the kernels over time.
        dropout_rate: Dropout before the shortcut is added.
        kernel_initializer: Of the one convolution over time and of the
            shortcut. Defaults to He's normal initialization by outputs.
        temporal_convolution: A layer in place of the convolutions over time,
            such as `MixedTemporalConvolution`, with the attributes `filters`
            and `stride`. `padding`, `multi_scale` and `kernel_size` then
            have no meaning.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: Tensor, see below.
        training: Whether batch statistics count, and dropout acts.
        edge_dropout: For a graph convolution that knows it; see
            `PartitionGraphConvolution`.
        dropout_rate: In place of the layer's own.
        layout: For a graph convolution that knows it; see
            `LayoutGraphConvolution`.

    Input shape: `(B, T, V, C)`.

    Output shape: `(B, T', V, filters)` with `T' = ceil(T / stride)`.

    Example:

    >>> arm = spatial_graph(3, [(1, 0), (2, 1)])
    >>> convolution = ChannelTopologyGraphConvolution(64, arm, 8)
    >>> block = SpatioTemporalBlock(convolution, stride=2)
    >>> block(ops.zeros((4, 16, 3, 3))).shape
    (4, 8, 3, 64)

    Reference: Chen et al., Channel-wise Topology Refinement Graph
    Convolution for Skeleton-Based Action Recognition, ICCV 2021,
    arXiv 2107.12213.
    """

    def __init__(
        self,
        graph_convolution,
        stride=1,
        residual=True,
        padding="zeros",
        multi_scale=True,
        kernel_size=5,
        dropout_rate=0.0,
        kernel_initializer=None,
        temporal_convolution=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.kernel_size = kernel_size
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.dropout_rate = dropout_rate
        self.seed_generator = keras.random.SeedGenerator()
        self.stride = stride
        self.residual = residual
        self.padding = padding
        self.multi_scale = multi_scale
        self.graph_convolution = graph_convolution
        self.temporal_norm = None
        self.shortcut = None
        self._given = temporal_convolution is not None
        if self._given:
            _check_filters(temporal_convolution, graph_convolution)
            self.stride = temporal_convolution.stride
            self.multi_scale = True
            self.temporal_convolution = temporal_convolution
            return
        kind, options = temporal.MultiScaleTemporalConvolution, {}
        if not multi_scale:
            kind = temporal.TemporalConvolution
            options["kernel_initializer"] = self.kernel_initializer
        self.temporal_convolution = kind(
            graph_convolution.filters,
            kernel_size=kernel_size,
            stride=stride,
            padding=padding,
            name="temporal_convolution",
            dtype=self.dtype_policy,
            **options,
        )
        if not multi_scale:
            self.temporal_norm = BatchNormalization(
                name="temporal_norm", dtype=self.dtype_policy
            )

    def build(self, input_shape):
        filters = self.graph_convolution.filters
        output_shape = (*input_shape[:-1], filters)
        self.graph_convolution.build(input_shape)
        self.temporal_convolution.build(output_shape)
        if not self.multi_scale:
            self.temporal_norm.build(output_shape)
        changes = input_shape[-1] != filters or self.stride != 1
        if self.residual and changes:
            self.shortcut = keras.layers.Dense(
                filters,
                kernel_initializer=self.kernel_initializer
                or temporal.kernel_initializer(),
                name="shortcut",
                dtype=self.dtype_policy,
            )
            self.shortcut_norm = BatchNormalization(
                name="shortcut_norm", dtype=self.dtype_policy
            )
            self.shortcut.build(input_shape)
            self.shortcut_norm.build(output_shape)

    def call(
        self,
        inputs,
        training=None,
        edge_dropout=0.0,
        dropout_rate=None,
        layout=None,
    ):
        options = {"edge_dropout": edge_dropout} if edge_dropout else {}
        if layout is not None:
            options["layout"] = layout
        x = self.graph_convolution(inputs, training=training, **options)
        if self.multi_scale:
            x = self.temporal_convolution(x, training=training)
        else:
            x = _joined.normalized(
                functools.partial(self.temporal_convolution.convolve, x),
                [self.temporal_convolution],
                [self.temporal_norm],
                training,
            )
        rate = self.dropout_rate if dropout_rate is None else dropout_rate
        if training and rate:
            x = keras.random.dropout(x, rate, seed=self.seed_generator)
        if self.shortcut is not None:
            x = x + _joined.normalized_linear(
                temporal.take_every(inputs, self.stride),
                [self.shortcut],
                [self.shortcut_norm],
                training,
            )
        elif self.residual:
            x = x + inputs
        return ops.relu(x)

    @property
    def topology(self):
        """The method `topology` of the graph convolution, if it has one."""
        return self.graph_convolution.topology

    @property
    def hyper_edges(self):
        """The method `hyper_edges` of the graph convolution, if it has one."""
        return self.graph_convolution.hyper_edges

    def compute_output_shape(self, input_shape):
        return self.temporal_convolution.compute_output_shape(
            self.graph_convolution.compute_output_shape(input_shape)
        )

    def get_config(self):
        temporal = None
        if self._given:
            temporal = _serialized(self.temporal_convolution)
        return {
            **super().get_config(),
            "graph_convolution": _serialized(self.graph_convolution),
            "temporal_convolution": temporal,
            "stride": self.stride,
            "residual": self.residual,
            "padding": self.padding,
            "multi_scale": self.multi_scale,
            "kernel_size": self.kernel_size,
            "dropout_rate": self.dropout_rate,
            "kernel_initializer": keras.initializers.serialize(
                self.kernel_initializer
            ),
        }

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        for part in ("graph_convolution", "temporal_convolution"):
            if config.get(part) is not None:
                config[part] = keras.saving.deserialize_keras_object(
                    config[part]
                )
        return cls(**config)


def _serialized(layer):
    """A part as data; the block builds it, so that its variables are here."""
    config = keras.saving.serialize_keras_object(layer)
    config.pop("build_config", None)
    return config


def _check_filters(temporal_convolution, graph_convolution):
    found = temporal_convolution.filters, graph_convolution.filters
    if found[0] != found[1]:
        raise ValueError(
            "The convolutions over joints and over time must have the same "
            f"`filters`. Received {found[1]} over joints and {found[0]} over "
            "time."
        )
