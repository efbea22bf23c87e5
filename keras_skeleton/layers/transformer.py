"""The pre-norm transformer block."""

import keras

from keras_skeleton.layers.activations import exact_gelu
from keras_skeleton.layers.attention import SelfAttention
from keras_skeleton.layers.dense import mlp
from keras_skeleton.layers.drop_path import DropPath
from keras_skeleton.layers.layer_normalization import LayerNormalization


@keras.saving.register_keras_serializable(package="keras_skeleton")
class TransformerBlock(keras.layers.Layer):
    """Self-attention and an MLP, each normalized first and added back.

    `x = x + DropPath(Attention(LayerNorm(x)))`, then
    `x = x + DropPath(MLP(LayerNorm(x)))`; the MLP is two dense layers with an
    exact GELU between them.

    Args:
        num_heads: Attention heads; must divide the token width `D`.
        mlp_ratio: Width of the MLP's hidden layer relative to `D`.
        use_qkv_bias: Whether the query, key and value projection has a bias.
        dropout_rate: Dropout after the attention projection and after both
            layers of the MLP.
        attention_dropout_rate: Dropout on the attention weights.
        drop_path_rate: Share of rows whose branch is dropped in training;
            drawn for both branches separately.
        epsilon: Epsilon of the layer normalizations.

    Call arguments:
        tokens: Tensor `(B, L, D)`.
        training: Whether dropout and drop path act.
        drop_path_rate: Another rate for this call, for models that share the
            block.

    Output shape: `(B, L, D)`.

    Example:

    >>> TransformerBlock(num_heads=4)(ops.zeros((2, 50, 64))).shape
    (2, 50, 64)
    """

    def __init__(
        self,
        num_heads,
        mlp_ratio=4.0,
        use_qkv_bias=True,
        dropout_rate=0.0,
        attention_dropout_rate=0.0,
        drop_path_rate=0.0,
        epsilon=1e-5,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.mlp_ratio = mlp_ratio
        self.use_qkv_bias = use_qkv_bias
        self.dropout_rate = dropout_rate
        self.attention_dropout_rate = attention_dropout_rate
        self.drop_path_rate = drop_path_rate
        self.epsilon = epsilon
        policy = self.dtype_policy
        self.norm_1 = LayerNormalization(
            epsilon=epsilon, name="norm_1", dtype=policy
        )
        self.attention = SelfAttention(
            num_heads,
            use_qkv_bias=use_qkv_bias,
            dropout_rate=dropout_rate,
            attention_dropout_rate=attention_dropout_rate,
            name="attention",
            dtype=policy,
        )
        self.drop_path_1 = DropPath(drop_path_rate, dtype=policy)
        self.norm_2 = LayerNormalization(
            epsilon=epsilon, name="norm_2", dtype=policy
        )
        self.dropout = keras.layers.Dropout(dropout_rate, dtype=policy)
        self.drop_path_2 = DropPath(drop_path_rate, dtype=policy)

    def build(self, input_shape):
        dim = input_shape[-1]
        hidden = int(dim * self.mlp_ratio)
        self.norm_1.build(input_shape)
        # Else a model of such blocks counts as unbuilt, and `fit` would call
        # it on the first batch, whatever the training step makes of a batch.
        self.drop_path_1.build(input_shape)
        self.drop_path_2.build(input_shape)
        self.attention.build(input_shape)
        self.norm_2.build(input_shape)
        self.mlp_hidden = keras.layers.Dense(
            hidden,
            activation=exact_gelu,
            name="mlp_hidden",
            dtype=self.dtype_policy,
        )
        self.mlp_hidden.build(input_shape)
        self.mlp_output = keras.layers.Dense(
            dim, name="mlp_output", dtype=self.dtype_policy
        )
        self.mlp_output.build((*input_shape[:-1], hidden))

    def call(self, tokens, training=None, drop_path_rate=None):
        branch = self.attention.call(
            self.norm_1.call(tokens), training=training
        )
        return self._add(tokens, branch, training, drop_path_rate)

    def _add(self, tokens, branch, training=None, rate=None):
        """What follows the attention's branch."""
        tokens = tokens + self.drop_path_1.call(branch, training, rate)
        branch = self.mlp(self.norm_2.call(tokens), training=training)
        return tokens + self.drop_path_2.call(branch, training, rate)

    def mlp(self, tokens, training=None):
        """The MLP branch alone, before drop path and residual sum."""
        return mlp(
            tokens, self.mlp_hidden, self.mlp_output, self.dropout, training
        )

    def attention_weights(self, tokens):
        """Attention weights `(B, num_heads, L, L)` for the block's input."""
        return self.attention.attention_weights(self.norm_1(tokens))

    def with_attention(self, weights, tokens):
        """What the block would return if its attention weights were these."""
        branch = self.attention.with_attention(weights, self.norm_1(tokens))
        return self._add(tokens, branch)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "mlp_ratio": self.mlp_ratio,
            "use_qkv_bias": self.use_qkv_bias,
            "dropout_rate": self.dropout_rate,
            "attention_dropout_rate": self.attention_dropout_rate,
            "drop_path_rate": self.drop_path_rate,
            "epsilon": self.epsilon,
        }
