"""Layers of CascadeFormer: encoder blocks, and what joins two of them."""

import keras

from keras_skeleton import layers
from keras_skeleton.layers.dense import mlp
from keras_skeleton.layers.dense import uniform_dense as dense


def _norm(dim, name, dtype):
    norm = layers.LayerNormalization(epsilon=1e-5, name=name, dtype=dtype)
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
        branch = self.attention.call(tokens, valid, training)
        return self._add(tokens, branch, training)

    def _add(self, tokens, branch, training=None):
        """What follows the attention's branch."""
        tokens = self.norm_1.call(tokens + branch)
        branch = mlp(
            tokens, self.mlp_hidden, self.mlp_output, self.dropout, training
        )
        return self.norm_2.call(tokens + branch)

    def attention_weights(self, tokens, valid=None):
        """Attention weights `(B, num_heads, L, L)` for the block's input."""
        return self.attention.attention_weights(tokens, valid)

    def with_attention(self, weights, tokens, valid=None):
        """What the block would return if its attention weights were these."""
        branch = self.attention.with_attention(weights, tokens)
        return self._add(tokens, branch)

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
        self.attention = layers.CrossAttention(
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
        branch = self.attention.call(tokens, context, valid, training)
        tokens = self.norm.call(tokens + branch)
        if not self.feed_forward:
            return tokens
        branch = mlp(
            tokens, self.mlp_hidden, self.mlp_output, self.dropout, training
        )
        return self.mlp_norm.call(tokens + branch)

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


def blocks(settings, count, dropout_rate, prefix, dtype):
    return [
        EncoderBlock(
            settings["num_heads"],
            settings["mlp_dim"],
            dropout_rate,
            name=f"{prefix}_{i}",
            dtype=dtype,
        )
        for i in range(count)
    ]


def head_mlp(x, settings, dtype):
    dim = x.shape[-1]
    rate = settings["head_dropout_rate"]
    x = layers.LayerNormalization(epsilon=1e-5, name="head_norm", dtype=dtype)(
        x
    )
    x = keras.layers.Dropout(rate, name="head_dropout_1", dtype=dtype)(x)
    x = dense(dim, dim, "head_hidden", dtype, activation="relu")(x)
    return keras.layers.Dropout(rate, name="head_dropout_2", dtype=dtype)(x)
