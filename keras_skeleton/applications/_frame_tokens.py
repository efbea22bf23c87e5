"""Frames as tokens: what CascadeFormer makes of clips before attention."""

import keras
from keras import ops

from keras_skeleton.applications._cascade import EncoderBlock
from keras_skeleton.applications._cascade import dense


@keras.saving.register_keras_serializable(package="keras_skeleton")
class JointConvolution(keras.layers.Layer):
    """Mixes neighbouring joints of a frame, each with the next in number.

    A convolution over three joints, a ReLU and a pointwise convolution, all
    with as many channels as there are coordinates.

    Input and output shape: `(B, T, V, C)`.
    """

    def build(self, input_shape):
        self.hidden = self._convolution(3, input_shape[-1], "hidden")
        self.hidden_output = self._convolution(1, input_shape[-1], "output")

    def _convolution(self, size, channels, name):
        limit = (size * channels) ** -0.5
        layer = keras.layers.Conv1D(
            channels,
            size,
            padding="same",
            kernel_initializer=keras.initializers.RandomUniform(-limit, limit),
            bias_initializer=keras.initializers.RandomUniform(-limit, limit),
            name=name,
            dtype=self.dtype_policy,
        )
        layer.build((None, None, channels))
        return layer

    def call(self, clips, training=None):
        joints = ops.reshape(clips, (-1, *clips.shape[2:]))
        joints = self.hidden_output(ops.relu(self.hidden(joints)))
        return ops.reshape(joints, (-1, *clips.shape[1:]))

    def compute_output_shape(self, input_shape):
        return input_shape


@keras.saving.register_keras_serializable(package="keras_skeleton")
class JointTransformer(keras.layers.Layer):
    """Lets the joints of each frame attend to each other.

    A dense layer to the token width, one `EncoderBlock` and a dense layer
    back to coordinates. Joints have no position of their own.

    Args:
        hidden_dim: Token width.
        num_heads: Attention heads.
        mlp_dim: Width of the block's MLP.
        dropout_rate: Dropout of the block.
        **kwargs: Arguments of `keras.layers.Layer`.

    Input and output shape: `(B, T, V, C)`.
    """

    def __init__(
        self, hidden_dim, num_heads, mlp_dim=2048, dropout_rate=0.1, **kwargs
    ):
        super().__init__(**kwargs)
        self.hidden_dim = hidden_dim
        self.num_heads = num_heads
        self.mlp_dim = mlp_dim
        self.dropout_rate = dropout_rate
        self.block = EncoderBlock(
            num_heads,
            mlp_dim,
            dropout_rate,
            name="block",
            dtype=self.dtype_policy,
        )

    def build(self, input_shape):
        joints, channels = input_shape[-2:]
        dim, policy = self.hidden_dim, self.dtype_policy
        self.embedding = dense(dim, channels, "embedding", policy)
        self.block.build((None, joints, dim))
        self.projection = dense(channels, dim, "projection", policy)

    def call(self, clips, training=None):
        joints = self.block(self._tokens(clips), training=training)
        return ops.reshape(self.projection(joints), (-1, *clips.shape[1:]))

    def _tokens(self, clips):
        """The joints of each frame, `(B * T, V, hidden_dim)`."""
        return self.embedding(ops.reshape(clips, (-1, *clips.shape[2:])))

    def attention_of_frames(self, clips):
        """How much joints of a frame take from others, `(B, T, heads, V, V)`.

        Each row sums to 1.
        """
        weights = self.block.attention_weights(self._tokens(clips))
        return ops.reshape(weights, (-1, clips.shape[1], *weights.shape[1:]))

    def topology(self, inputs=None):
        """The attention as graphs of each clip, `(B, heads, V, V)`.

        The mean over frames, without those that are all zero, where all
        joints are alike.
        """
        if inputs is None:
            raise ValueError(
                f"The graphs of the layer {self.name!r} are attention, which "
                "depends on the clip: see `clip_topology`."
            )
        weights = self.attention_of_frames(inputs)
        is_seen = ops.any(inputs != 0, axis=(2, 3))
        is_seen = ops.cast(is_seen, weights.dtype)[:, :, None, None, None]
        count = ops.maximum(ops.sum(is_seen, axis=1), 1)
        return ops.sum(weights * is_seen, axis=1) / count

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {
            **super().get_config(),
            "hidden_dim": self.hidden_dim,
            "num_heads": self.num_heads,
            "mlp_dim": self.mlp_dim,
            "dropout_rate": self.dropout_rate,
        }


@keras.saving.register_keras_serializable(package="keras_skeleton")
class FrameEmbedding(keras.layers.Layer):
    """Makes one token of the values of each frame, and adds its position.

    Args:
        hidden_dim: Token width `D`.
        num_positions: Frames that the learned table has a position for.
        position_initializer: Of the table.
        value_order: `"joints"`, the coordinates of one joint after those of
            another, or `"coordinates"`, all x before all y.
        **kwargs: Arguments of `keras.layers.Layer`.

    Input shape: `(B, T, V, C)`.

    Output shape: `(B, T, D)`.

    Raises:
        ValueError: If there are more frames than positions.
    """

    def __init__(
        self,
        hidden_dim,
        num_positions,
        position_initializer="zeros",
        value_order="joints",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.hidden_dim = hidden_dim
        self.num_positions = num_positions
        self.position_initializer = position_initializer
        self.value_order = value_order

    def build(self, input_shape):
        _, frames, joints, coordinates = input_shape
        if frames > self.num_positions:
            raise ValueError(
                f"Clips of {frames} frames need as many positions. Received "
                f"num_positions={self.num_positions}: raise it, or shorten "
                "the clips."
            )
        self.projection = dense(
            self.hidden_dim,
            joints * coordinates,
            "projection",
            self.dtype_policy,
        )
        initializer = keras.initializers.get(self.position_initializer)
        if self.position_initializer == "truncated_normal":
            initializer = keras.initializers.TruncatedNormal(stddev=0.02)
        self.positions = self.add_weight(
            name="positions",
            shape=(1, self.num_positions, self.hidden_dim),
            initializer=initializer,
        )

    def call(self, clips):
        tokens = self.projection(flat_frames(clips, self.value_order))
        frames = clips.shape[1]
        return tokens + ops.cast(self.positions[:, :frames], tokens.dtype)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:2], self.hidden_dim)

    def get_config(self):
        return {
            **super().get_config(),
            "hidden_dim": self.hidden_dim,
            "num_positions": self.num_positions,
            "position_initializer": self.position_initializer,
            "value_order": self.value_order,
        }


@keras.saving.register_keras_serializable(package="keras_skeleton")
class ValidFrames(keras.layers.Layer):
    """1 for frames up to the last that is not all zero, 0 for padding.

    All frames of a clip that is zero throughout are valid.

    Input shape: `(B, T, V, C)`.

    Output shape: `(B, T)`.
    """

    def __init__(self, **kwargs):
        super().__init__(**{**kwargs, "dtype": "float32"})

    def call(self, clips):
        seen = ops.cast(ops.any(clips != 0, axis=(2, 3)), "float32")
        later = ops.flip(ops.cumsum(ops.flip(seen, axis=1), axis=1), axis=1)
        is_empty = ops.sum(seen, axis=1, keepdims=True) == 0
        valid = ops.logical_or(later > 0, is_empty)
        return ops.cast(valid, "float32")

    def compute_output_shape(self, input_shape):
        return input_shape[:2]


@keras.saving.register_keras_serializable(package="keras_skeleton")
class FrameMean(keras.layers.Layer):
    """The mean token of a clip, over valid frames only if these are given.

    Call arguments:
        tokens: Tensor `(B, T, D)`.
        valid: Optional tensor `(B, T)`, 0 where a frame is padding.

    Output shape: `(B, D)`.
    """

    def call(self, tokens, valid=None):
        if valid is None:
            return ops.mean(tokens, axis=1)
        valid = ops.cast(valid, "float32")
        weights = valid / ops.sum(valid, axis=1, keepdims=True)
        weights = ops.cast(weights, tokens.dtype)
        return ops.sum(tokens * weights[..., None], axis=1)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], input_shape[-1])


def flat_frames(clips, value_order="joints"):
    """Clips `(B, T, V, C)` with the values of a frame in one row."""
    frames, joints, coordinates = clips.shape[1:]
    if value_order == "coordinates":
        clips = ops.transpose(clips, (0, 1, 3, 2))
    return ops.reshape(clips, (-1, frames, joints * coordinates))


# The layer in front of the frame embedding, by kind.
MIXING = {
    "linear": None,
    "convolution": "joint_convolution",
    "transformer": "joint_transformer",
}


def embedding_layers(settings, dtype):
    """The layers that make tokens of frames."""
    found = []
    if settings["frame_embedding"] == "convolution":
        found.append(JointConvolution(name="joint_convolution", dtype=dtype))
    elif settings["frame_embedding"] == "transformer":
        found.append(
            JointTransformer(
                settings["hidden_dim"],
                settings["num_heads"],
                settings["mlp_dim"],
                settings["dropout_rate"],
                name="joint_transformer",
                dtype=dtype,
            )
        )
    embedding = FrameEmbedding(
        settings["hidden_dim"],
        settings["num_positions"],
        settings["position_initializer"],
        settings["value_order"],
        name="frame_embedding",
        dtype=dtype,
    )
    return [*found, embedding]
