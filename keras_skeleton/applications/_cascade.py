"""Layers of CascadeFormer: frames as tokens, encoder blocks, the cascade."""

import keras
from keras import ops

from keras_skeleton import layers


def dense(units, fan_in, name, dtype, activation=None):
    """A dense layer that starts uniform within `1 / sqrt(fan_in)`, built."""
    limit = fan_in**-0.5
    layer = keras.layers.Dense(
        units,
        activation=activation,
        kernel_initializer=keras.initializers.RandomUniform(-limit, limit),
        bias_initializer=keras.initializers.RandomUniform(-limit, limit),
        name=name,
        dtype=dtype,
    )
    layer.build((None, fan_in))
    return layer


def _norm(dim, name, dtype):
    norm = keras.layers.LayerNormalization(epsilon=1e-5, name=name, dtype=dtype)
    norm.build((None, dim))
    return norm


@keras.saving.register_keras_serializable(package="keras_skeleton")
class EncoderBlock(keras.layers.Layer):
    """The transformer block that is normalized after each sum.

    `x = LayerNorm(x + Attention(x))`, then `x = LayerNorm(x + MLP(x))`; the
    MLP is two dense layers with a ReLU between them.

    Args:
        num_heads: Attention heads; must divide the token width `D`.
        mlp_dim: Width of the MLP's hidden layer.
        dropout_rate: Dropout on the attention weights, after the attention
            and after both layers of the MLP.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        tokens: Tensor `(B, L, D)`.
        valid: Optional tensor `(B, L)`, 0 where a token is padding, which
            nobody attends to.
        training: Whether dropout acts.

    Output shape: `(B, L, D)`.
    """

    def __init__(self, num_heads, mlp_dim=2048, dropout_rate=0.1, **kwargs):
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.mlp_dim = mlp_dim
        self.dropout_rate = dropout_rate
        self.attention = layers.SelfAttention(
            num_heads,
            dropout_rate=dropout_rate,
            attention_dropout_rate=dropout_rate,
            name="attention",
            dtype=self.dtype_policy,
        )
        self.dropout = keras.layers.Dropout(
            dropout_rate, dtype=self.dtype_policy
        )

    def build(self, input_shape):
        dim, policy = input_shape[-1], self.dtype_policy
        self.attention.build(input_shape)
        self.norm_1 = _norm(dim, "norm_1", policy)
        self.mlp_hidden = dense(
            self.mlp_dim, dim, "mlp_hidden", policy, activation="relu"
        )
        self.mlp_output = dense(dim, self.mlp_dim, "mlp_output", policy)
        self.norm_2 = _norm(dim, "norm_2", policy)

    def call(self, tokens, valid=None, training=None):
        branch = self.attention(tokens, valid=valid, training=training)
        tokens = self.norm_1(tokens + branch)
        branch = self.mlp_hidden(tokens)
        branch = self.dropout(branch, training=training)
        branch = self.dropout(self.mlp_output(branch), training=training)
        return self.norm_2(tokens + branch)

    def attention_weights(self, tokens, valid=None):
        """Attention weights `(B, num_heads, L, L)` for the block's input."""
        return self.attention.attention_weights(tokens, valid)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "mlp_dim": self.mlp_dim,
            "dropout_rate": self.dropout_rate,
        }


@keras.saving.register_keras_serializable(package="keras_skeleton")
class JointConvolution(keras.layers.Layer):
    """Mixes neighbouring joints of a frame, each with the next in number.

    A convolution over three joints, a ReLU and a pointwise convolution, all
    with as many channels as there are coordinates.

    Input and output shape: `(B, T, V, C)`.
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)

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

    def call(self, clips):
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
        joints = ops.reshape(clips, (-1, *clips.shape[2:]))
        joints = self.block(self.embedding(joints), training=training)
        return ops.reshape(self.projection(joints), (-1, *clips.shape[1:]))

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


def flat_frames(clips, value_order="joints"):
    """Clips `(B, T, V, C)` with the values of a frame in one row."""
    frames, joints, coordinates = clips.shape[1:]
    if value_order == "coordinates":
        clips = ops.transpose(clips, (0, 1, 3, 2))
    return ops.reshape(clips, (-1, frames, joints * coordinates))


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

    def __init__(self, **kwargs):
        super().__init__(**kwargs)

    def call(self, tokens, valid=None):
        if valid is None:
            return ops.mean(tokens, axis=1)
        weights = valid / ops.sum(valid, axis=1, keepdims=True)
        weights = ops.cast(weights, tokens.dtype)
        return ops.sum(tokens * weights[..., None], axis=1)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], input_shape[-1])


@keras.saving.register_keras_serializable(package="keras_skeleton")
class CrossAttention(layers.SelfAttention):
    """Attention of tokens to those of another sequence of the same length.

    Arguments and weights are those of `SelfAttention`: queries are made of
    the first tokens, keys and values of the second.

    Call arguments:
        tokens: Tensor `(B, L, D)`.
        context: Tensor `(B, L, D)`.
        valid: Optional tensor `(B, L)`, 0 where the context is padding.
        training: Whether dropout acts.

    Output shape: `(B, L, D)`.
    """

    def call(self, tokens, context, valid=None, training=None):
        return self.attend(*self._parts(tokens, context), valid, training)

    def attention_weights(self, tokens, context, valid=None):
        """The softmax weights `(B, num_heads, L, L)`; each row sums to 1."""
        query, key, _ = self._parts(tokens, context)
        return self.softmax(query, key, valid)

    def _parts(self, tokens, context):
        dim = tokens.shape[-1]
        kernel, bias = self.qkv.kernel, self.qkv.bias
        query = ops.matmul(tokens, kernel[:, :dim]) + bias[:dim]
        rest = ops.matmul(context, kernel[:, dim:]) + bias[dim:]
        parts = (query, *ops.split(rest, 2, axis=-1))
        return [self.by_head(part) for part in parts]


@keras.saving.register_keras_serializable(package="keras_skeleton")
class CascadeAttention(keras.layers.Layer):
    """Lets the first encoder's tokens attend to those of the second.

    `x = LayerNorm(tokens + Attention(tokens, context, context))`, and with
    `feed_forward` then `LayerNorm(x + MLP(x))`, an MLP of the token width
    with a ReLU between its two layers.

    Args:
        num_heads: Attention heads.
        feed_forward: Whether the MLP follows.
        dropout_rate: Dropout after the attention; with `feed_forward` also
            on the attention weights and after both layers of the MLP.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        tokens: Tensor `(B, L, D)`.
        context: Tensor `(B, L, D)`.
        valid: Optional tensor `(B, L)`, 0 where the context is padding.
        training: Whether dropout acts.

    Output shape: `(B, L, D)`.
    """

    def __init__(
        self, num_heads, feed_forward=False, dropout_rate=0.1, **kwargs
    ):
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.feed_forward = feed_forward
        self.dropout_rate = dropout_rate
        self.attention = CrossAttention(
            num_heads,
            dropout_rate=dropout_rate,
            attention_dropout_rate=dropout_rate if feed_forward else 0.0,
            name="attention",
            dtype=self.dtype_policy,
        )
        self.dropout = keras.layers.Dropout(
            dropout_rate, dtype=self.dtype_policy
        )

    def build(self, input_shape):
        dim, policy = input_shape[-1], self.dtype_policy
        self.attention.build(input_shape)
        self.norm = _norm(dim, "norm", policy)
        if self.feed_forward:
            self.mlp_hidden = dense(dim, dim, "mlp_hidden", policy, "relu")
            self.mlp_output = dense(dim, dim, "mlp_output", policy)
            self.mlp_norm = _norm(dim, "mlp_norm", policy)

    def call(self, tokens, context, valid=None, training=None):
        branch = self.attention(tokens, context, valid, training=training)
        tokens = self.norm(tokens + branch)
        if not self.feed_forward:
            return tokens
        branch = self.dropout(self.mlp_hidden(tokens), training=training)
        branch = self.dropout(self.mlp_output(branch), training=training)
        return self.mlp_norm(tokens + branch)

    def attention_weights(self, tokens, context, valid=None):
        """Attention weights `(B, num_heads, L, L)` for the layer's inputs."""
        return self.attention.attention_weights(tokens, context, valid)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "feed_forward": self.feed_forward,
            "dropout_rate": self.dropout_rate,
        }
