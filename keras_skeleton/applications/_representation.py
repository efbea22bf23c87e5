"""Layers of SkeletonMAE: from encoded joints to a clip's representation."""

import keras
from keras import ops

from keras_skeleton.layers import MultiScaleTemporalConvolution
from keras_skeleton.layers import _joined
from keras_skeleton.layers import temporal
from keras_skeleton.layers.batch_normalization import BatchNormalization
from keras_skeleton.layers.dense import uniform_dense


@keras.saving.register_keras_serializable(package="keras_skeleton")
class FramePositions(keras.layers.Layer):
    """Adds what is learned of each frame to all its joints, 0 at first.

    Input and output shape: `(N, M, T, V, D)`.
    """

    def build(self, input_shape):
        self.positions = self.add_weight(
            name="positions",
            shape=(input_shape[2], input_shape[4]),
            initializer="zeros",
        )

    def call(self, inputs):
        return inputs + self.positions[:, None]

    def compute_output_shape(self, input_shape):
        return input_shape


@keras.saving.register_keras_serializable(package="keras_skeleton")
class RepresentationLayer(keras.layers.Layer):
    """A spatial-temporal representation layer, with an encoder per person.

        summed[t] = sum over joints of encoder_m(x[t]) + residual(x[t])
        outputs = relu(projection(summed))

    for each person `m`: every joint receives the sum over all joints, beside
    a pointwise map of its own features. Nothing is mixed over time.

    Args:
        encoders: List of a layer for each person, from `(N, T, V, C)` to
            `(N, T, V, D)`.
        filters: Channels of the output.
        **kwargs: Arguments of `keras.layers.Layer`.

    Input shape: `(N, M, T, V, C)`.

    Output shape: `(N, M, T, V, filters)`.
    """

    def __init__(self, encoders, filters, **kwargs):
        super().__init__(**kwargs)
        self.encoders = list(encoders)
        self.filters = filters

    def build(self, input_shape):
        samples, _, *rest = input_shape
        width, policy = self.encoders[0].filters, self.dtype_policy
        for encoder in self.encoders:
            # One may be that of pre-training, which has its variables.
            if not encoder.built:
                encoder.build((samples, *rest))
        self.residual = uniform_dense(width, rest[-1], "residual", policy)
        self.projection = uniform_dense(
            self.filters, width, "projection", policy
        )

    def call(self, inputs, training=None):
        summed = self.summed(inputs, training)
        return ops.relu(self.projection(summed))

    def encoded(self, inputs, training=None):
        """The joints of each person behind the person's encoder."""
        return ops.stack(
            [
                encoder(inputs[:, person], training=training)
                for person, encoder in enumerate(self.encoders)
            ],
            axis=1,
        )

    def summed(self, inputs, training=None):
        """What each joint receives, with its own features beside."""
        encoded = self.encoded(inputs, training)
        return ops.sum(encoded, axis=3, keepdims=True) + self.residual(inputs)

    def start_from(self, encoder):
        """Gives all encoders the weights of another one."""
        for each in self.encoders:
            if each is not encoder:
                each.set_weights(encoder.get_weights())

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.filters)

    def get_config(self):
        encoders = [
            keras.saving.serialize_keras_object(each) for each in self.encoders
        ]
        for encoder in encoders:
            # This layer builds them, so that their variables lie here.
            encoder.pop("build_config", None)
        return {
            **super().get_config(),
            "encoders": encoders,
            "filters": self.filters,
        }

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        config["encoders"] = [
            keras.saving.deserialize_keras_object(each)
            for each in config["encoders"]
        ]
        return cls(**config)


@keras.saving.register_keras_serializable(package="keras_skeleton")
class TemporalPooling(keras.layers.Layer):
    """Convolutions over time at several scales, with a shortcut.

    `relu(convolution(x) + shortcut(x))`; the shortcut is pointwise with a
    normalization, or the identity where no frames are skipped.

    Args:
        filters: Channels of input and output, a multiple of 4.
        stride: Frames from one output to the next.
        **kwargs: Arguments of `keras.layers.Layer`.

    Input shape: `(N, M, T, V, filters)`.

    Output shape: `(N, M, T', V, filters)` with `T' = ceil(T / stride)`.

    Reference: Chen et al., Channel-wise Topology Refinement Graph
    Convolution for Skeleton-Based Action Recognition, ICCV 2021,
    arXiv 2107.12213.
    """

    def __init__(self, filters, stride=1, **kwargs):
        super().__init__(**kwargs)
        self.filters = filters
        self.stride = stride
        self.convolution = MultiScaleTemporalConvolution(
            filters,
            stride=stride,
            name="convolution",
            dtype=self.dtype_policy,
        )
        self.shortcut = None

    def build(self, input_shape):
        folded = (None, *input_shape[2:])
        self.convolution.build(folded)
        if self.stride != 1:
            self.shortcut = keras.layers.Dense(
                self.filters,
                kernel_initializer=temporal.kernel_initializer(),
                name="shortcut",
                dtype=self.dtype_policy,
            )
            self.shortcut.build(folded)
            self.shortcut_norm = BatchNormalization(
                name="shortcut_norm", dtype=self.dtype_policy
            )
            self.shortcut_norm.build(folded)

    def call(self, inputs, training=None):
        x = ops.reshape(inputs, (-1, *inputs.shape[2:]))
        y = self.convolution(x, training=training)
        if self.shortcut is not None:
            x = _joined.normalized_linear(
                temporal.take_every(x, self.stride),
                [self.shortcut],
                [self.shortcut_norm],
                training,
            )
        y = ops.relu(y + x)
        return ops.reshape(y, (-1, inputs.shape[1], *y.shape[1:]))

    def compute_output_shape(self, input_shape):
        samples, persons, frames, joints, _ = input_shape
        frames = -(-frames // self.stride)
        return samples, persons, frames, joints, self.filters

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "stride": self.stride,
        }
