"""Multi-head attention over tokens."""

import keras
from keras import ops

from keras_skeleton import _backends
from keras_skeleton.layers.dense import drop
from keras_skeleton.layers.dense import project


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

    Call arguments:
        tokens: Tensor `(B, L, D)`.
        valid: Optional tensor `(B, L)`, 0 where a token is padding, which
            nobody attends to.
        training: Whether dropout acts.

    Output shape: `(B, L, D)`.

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

    def call(self, tokens, valid=None, training=None):
        return self.attend(*self._heads(tokens), valid, training)

    def attend(self, query, key, value, valid=None, training=None):
        """What the queries `(B, L, num_heads, d)` take, `(B, L, D)`."""
        drops = training and self.attention_dropout_rate > 0
        if valid is None and not drops and not _prefers_explicit():
            return self._joined(
                ops.dot_product_attention(query, key, value), training
            )
        weights = self.softmax(query, key, valid)
        weights = drop(weights, self.attention_dropout, training)
        return self._mixed(weights, value, training)

    def _mixed(self, weights, value, training=None):
        mixed = ops.matmul(weights, ops.transpose(value, (0, 2, 1, 3)))
        return self._joined(ops.transpose(mixed, (0, 2, 1, 3)), training)

    def _joined(self, mixed, training=None):
        """`(B, L, num_heads, d)` of all heads projected, `(B, L, D)`."""
        length, heads, width = mixed.shape[1:]
        mixed = ops.reshape(mixed, (-1, length, heads * width))
        return drop(project(mixed, self.projection), self.dropout, training)

    def attention_weights(self, tokens, valid=None):
        """The softmax weights `(B, num_heads, L, L)`; each row sums to 1."""
        query, key, _ = self._heads(tokens)
        return self.softmax(query, key, valid)

    def with_attention(self, weights, tokens, valid=None):
        """What the layer would return if its softmax weights were these."""
        return self._mixed(weights, self._heads(tokens)[2])

    def _heads(self, tokens):
        length, dim = tokens.shape[1:]
        shape = (-1, length, 3, self.num_heads, dim // self.num_heads)
        parts = ops.reshape(project(tokens, self.qkv), shape)
        return [parts[:, :, i] for i in range(3)]

    def by_head(self, part):
        """`(B, L, D)` as `(B, L, num_heads, d)`."""
        length, dim = part.shape[1:]
        shape = (-1, length, self.num_heads, dim // self.num_heads)
        return ops.reshape(part, shape)

    def softmax(self, query, key, valid=None):
        """The weights of queries and keys `(B, L, num_heads, d)`."""
        # Scaling and transposing the small tensors saves passes over the
        # large one of scores.
        query = ops.transpose(query * query.shape[-1] ** -0.5, (0, 2, 1, 3))
        scores = ops.matmul(query, ops.transpose(key, (0, 2, 3, 1)))
        scores = ops.cast(scores, "float32")
        if valid is not None:
            valid = ops.cast(valid, "float32")
            scores = scores + 1e9 * (valid[:, None, None] - 1)
        return ops.cast(ops.softmax(scores, axis=-1), query.dtype)

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


@keras.saving.register_keras_serializable(package="keras_skeleton")
class CrossAttention(SelfAttention):
    """Attention of tokens to those of another sequence.

    Arguments and weights are those of `SelfAttention`: queries are made of
    the first tokens, keys and values of the second.

    Call arguments:
        tokens: Tensor `(B, L, D)`.
        context: Tensor `(B, L', D)`.
        valid: Optional tensor `(B, L')`, 0 where the context is padding.
        training: Whether dropout acts.

    Output shape: `(B, L, D)`.

    Example:

    >>> layer = CrossAttention(num_heads=4)
    >>> layer(ops.zeros((2, 50, 64)), ops.zeros((2, 20, 64))).shape
    (2, 50, 64)
    """

    def call(self, tokens, context, valid=None, training=None):
        return self.attend(*self._parts(tokens, context), valid, training)

    def attention_weights(self, tokens, context, valid=None):
        """The softmax weights `(B, num_heads, L, L')`; each row sums to 1."""
        query, key, _ = self._parts(tokens, context)
        return self.softmax(query, key, valid)

    def with_attention(self, weights, tokens, context, valid=None):
        """What the layer would return if its softmax weights were these."""
        return self._mixed(weights, self._parts(tokens, context)[2])

    def _parts(self, tokens, context):
        dim = tokens.shape[-1]
        kernel = self.qkv.kernel
        query = ops.matmul(tokens, kernel[:, :dim])
        rest = ops.matmul(context, kernel[:, dim:])
        if self.use_qkv_bias:
            query = query + self.qkv.bias[:dim]
            rest = rest + self.qkv.bias[dim:]
        parts = (query, *ops.split(rest, 2, axis=-1))
        return [self.by_head(part) for part in parts]


def _prefers_explicit():
    """Whether written-out attention is faster than the fused operation.

    Keras has no fused kernel on TensorFlow, and none on JAX without an
    accelerator: there its general form takes up to 1.7 times as long, and
    rejects float16 on JAX.
    """
    return keras.backend.backend() == "tensorflow" or _backends.is_jax_on_cpu()
