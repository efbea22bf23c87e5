"""Multi-head self-attention over tokens."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_skeleton")
class SelfAttention(keras.layers.Layer):
    """Multi-head self-attention with one joint query-key-value projection.

    For each head with width `d = D / num_heads`:
    `softmax(q k^T / sqrt(d)) v`, heads concatenated and projected.

    Args:
        num_heads: Number of heads; must divide the token width `D`.
        use_qkv_bias: Whether the query, key and value projection has a bias.
        dropout_rate: Dropout after the output projection.
        attention_dropout_rate: Dropout on the attention weights.

    Input and output shape: `(B, L, D)`.

    Example:

    >>> layer = SelfAttention(num_heads=4)
    >>> layer(ops.zeros((2, 50, 64))).shape
    (2, 50, 64)
    >>> layer.attention_weights(ops.zeros((2, 50, 64))).shape
    (2, 4, 50, 50)
    """

    def __init__(
        self,
        num_heads,
        use_qkv_bias=True,
        dropout_rate=0.0,
        attention_dropout_rate=0.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.use_qkv_bias = use_qkv_bias
        self.dropout_rate = dropout_rate
        self.attention_dropout_rate = attention_dropout_rate
        self.dropout = keras.layers.Dropout(
            dropout_rate, dtype=self.dtype_policy
        )
        self.attention_dropout = keras.layers.Dropout(
            attention_dropout_rate, dtype=self.dtype_policy
        )

    def build(self, input_shape):
        dim = input_shape[-1]
        if dim % self.num_heads:
            raise ValueError(
                f"The token width {dim} does not divide into "
                f"num_heads={self.num_heads} heads. Choose a width that is a "
                "multiple of the number of heads."
            )
        self.qkv = keras.layers.Dense(
            3 * dim,
            use_bias=self.use_qkv_bias,
            name="qkv",
            dtype=self.dtype_policy,
        )
        self.qkv.build(input_shape)
        self.projection = keras.layers.Dense(
            dim, name="projection", dtype=self.dtype_policy
        )
        self.projection.build(input_shape)

    def call(self, tokens, training=None):
        query, key, value = self._heads(tokens)
        if self.attention_dropout_rate == 0 and not _prefers_explicit():
            mixed = ops.dot_product_attention(query, key, value)
        else:
            weights = self.attention_dropout(
                self._softmax(query, key), training=training
            )
            mixed = ops.einsum("bhqk,bkhd->bqhd", weights, value)
        mixed = ops.reshape(mixed, (-1, *tokens.shape[1:]))
        return self.dropout(self.projection(mixed), training=training)

    def attention_weights(self, tokens):
        """The softmax weights `(B, num_heads, L, L)`; each row sums to 1."""
        query, key, _ = self._heads(tokens)
        return self._softmax(query, key)

    def _heads(self, tokens):
        length, dim = tokens.shape[1:]
        shape = (-1, length, self.num_heads, dim // self.num_heads)
        parts = ops.split(self.qkv(tokens), 3, axis=-1)
        return [ops.reshape(part, shape) for part in parts]

    def _softmax(self, query, key):
        scores = ops.einsum("bqhd,bkhd->bhqk", query, key)
        return ops.softmax(scores * query.shape[-1] ** -0.5, axis=-1)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "use_qkv_bias": self.use_qkv_bias,
            "dropout_rate": self.dropout_rate,
            "attention_dropout_rate": self.attention_dropout_rate,
        }


def _prefers_explicit():
    """Whether written-out attention trains faster than the fused operation.

    On JAX without an accelerator the gradient of the fused operation takes a
    third longer, and it rejects float16.
    """
    return keras.backend.backend() == "jax" and all(
        device.startswith("cpu") for device in keras.distribution.list_devices()
    )
