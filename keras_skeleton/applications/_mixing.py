"""The parts of M-Mixer: content of the other modalities, and the mixing cell.

Everything inside of them is a reconstruction, see `MMixer`.
"""

import keras
from keras import ops

from keras_skeleton.layers import CrossAttention
from keras_skeleton.layers import LayerNormalization
from keras_skeleton.layers import exact_gelu


def _dense(units, name, inputs, dtype):
    layer = keras.layers.Dense(units, name=name, dtype=dtype)
    layer.build((None, inputs))
    return layer


def _norm(name, width, dtype):
    layer = LayerNormalization(name=name, dtype=dtype)
    layer.build((None, width))
    return layer


@keras.saving.register_keras_serializable(package="keras_skeleton")
class MeanContent(keras.layers.Layer):
    """What a whole sequence is about: a linear map of its mean.

    Args:
        units: Width `D` of the content.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        features: Tensor `(N, T, C)`.
        valid: Tensor `(N, T)`, 0 for padding; all frames count by default.

    Output shape: `(N, D)`.
    """

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units

    def build(self, features_shape, valid_shape=None):
        self.map = _dense(
            self.units, "map", features_shape[-1], self.dtype_policy
        )

    def call(self, features, valid=None):
        if valid is None:
            return self.map(ops.mean(features, axis=1))
        weight = ops.cast(valid, features.dtype)[..., None]
        count = ops.maximum(ops.sum(weight, axis=1), 1)
        return self.map(ops.sum(features * weight, axis=1) / count)

    def compute_output_shape(self, features_shape, valid_shape=None):
        return features_shape[0], self.units

    def get_config(self):
        return {**super().get_config(), "units": self.units}


@keras.saving.register_keras_serializable(package="keras_skeleton")
class ComplementaryFeatures(keras.layers.Layer):
    """What learned queries find in the features of the other modalities.

        y = norm_1(q + attention(q, memory, memory))
        y = norm_2(y + W_2 gelu(W_1 y))

    and the mean over the queries. The memory has all frames of all other
    modalities, without positions.

    Args:
        num_heads: Heads of the attention; must divide `D`.
        num_queries: Number of learned queries.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        memory: Tensor `(N, L, D)`.
        valid: Tensor `(N, L)`, 0 for padding, which nobody attends to.

    Output shape: `(N, D)`.
    """

    def __init__(self, num_heads, num_queries=1, **kwargs):
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.num_queries = num_queries

    def build(self, memory_shape, valid_shape=None):
        width, dtype = memory_shape[-1], self.dtype_policy
        self.query = self.add_weight(
            name="query",
            shape=(self.num_queries, width),
            initializer=keras.initializers.RandomNormal(stddev=0.02),
        )
        self.attention = CrossAttention(
            self.num_heads, name="attention", dtype=dtype
        )
        self.attention.build((None, self.num_queries, width))
        self.mlp_hidden = _dense(4 * width, "mlp_hidden", width, dtype)
        self.mlp_output = _dense(width, "mlp_output", 4 * width, dtype)
        self.norm_1 = _norm("norm_1", width, dtype)
        self.norm_2 = _norm("norm_2", width, dtype)

    def call(self, memory, valid=None):
        query = self._queries(memory)
        y = self.norm_1(query + self.attention(query, memory, valid))
        hidden = exact_gelu(self.mlp_hidden(y))
        y = self.norm_2(y + self.mlp_output(hidden))
        return ops.mean(y, axis=1)

    def attention_weights(self, memory, valid=None):
        """How much each query takes of each frame, `(N, heads, Q, L)`."""
        query = self._queries(memory)
        return self.attention.attention_weights(query, memory, valid)

    def _queries(self, memory):
        """The queries for each clip, `(N, Q, D)`."""
        return ops.cast(self.query, memory.dtype) + ops.zeros_like(
            memory[:, :1]
        )

    def compute_output_shape(self, memory_shape, valid_shape=None):
        return memory_shape[0], memory_shape[-1]

    def get_config(self):
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "num_queries": self.num_queries,
        }


@keras.saving.register_keras_serializable(package="keras_skeleton")
class ContextualizationUnit(keras.layers.Layer):
    """Recurrent unit that mixes content into every frame before it looks.

        u_t = norm_f(W_f f_t)               the frame
        v   = norm_c(W_c c)                 the content, the same for all
        s_t = sigmoid(W_s [u_t; v])
        x_t = s_t u_t + (1 - s_t) v         mixed
        r_t = sigmoid(W_r [x_t; h_(t-1)])   what is forgotten
        z_t = sigmoid(W_z [x_t; h_(t-1)])   what is new
        g_t = tanh(W_h [x_t; r_t h_(t-1)])
        h_t = (1 - z_t) h_(t-1) + z_t g_t

    with biases everywhere and `h_0 = 0`. Padding leaves the state as it is.
    Here `z_t` is the share of the new: the opposite of Keras' GRU.

    Args:
        units: Width `D` of the state.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        features: Tensor `(N, T, C)`.
        content: Tensor `(N, E)`.
        valid: Tensor `(N, T)`, 0 for padding.

    Output shape: `(N, T, D)`, the states of all frames.
    """

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units

    def build(self, features_shape, content_shape, valid_shape=None):
        units, dtype = self.units, self.dtype_policy
        self.frame_map = _dense(units, "frame_map", features_shape[-1], dtype)
        self.content_map = _dense(
            units, "content_map", content_shape[-1], dtype
        )
        self.frame_norm = _norm("frame_norm", units, dtype)
        self.content_norm = _norm("content_norm", units, dtype)
        for name in ("mix_gate", "reset_gate", "update_gate", "candidate"):
            setattr(self, name, _dense(units, name, 2 * units, dtype))

    def _normalized(self, features, content):
        frames = self.frame_norm(self.frame_map(features))
        content = self.content_norm(self.content_map(content))
        return frames, content[:, None]

    def mix_gates(self, features, content):
        """How much of each frame is its own, `(N, T, D)`, from 0 to 1."""
        return self._gates_of(*self._normalized(features, content))

    def _gates_of(self, frames, content):
        # The part of the content is the same for all frames.
        own, other = self._halves(self.mix_gate)
        return ops.sigmoid(
            ops.matmul(frames, own)
            + ops.matmul(content, other)
            + self.mix_gate.bias
        )

    def _halves(self, layer):
        kernel = ops.convert_to_tensor(layer.kernel)
        return kernel[: self.units], kernel[self.units :]

    def call(self, features, content, valid=None):
        frames, content = self._normalized(features, content)
        gate = self._gates_of(frames, content)
        mixed = gate * frames + (1 - gate) * content
        layers = (self.reset_gate, self.update_gate, self.candidate)
        kernels, recurrent = zip(*map(self._halves, layers), strict=True)
        # Of all frames at once: only the products with states need the loop.
        given = ops.matmul(mixed, ops.concatenate(kernels, axis=1))
        given = given + ops.concatenate([layer.bias for layer in layers])
        gates = ops.concatenate(recurrent[:2], axis=1)
        state, states = ops.zeros_like(mixed[:, 0]), []
        # Written out, as TensorFlow does not compile the gradient of a loop.
        for t in range(features.shape[1]):
            x_gates = given[:, t, : 2 * self.units]
            x_new = given[:, t, 2 * self.units :]
            both = ops.sigmoid(x_gates + ops.matmul(state, gates))
            reset, update = ops.split(both, 2, axis=-1)
            new = ops.tanh(x_new + ops.matmul(reset * state, recurrent[2]))
            if valid is not None:
                update = update * ops.cast(valid[:, t, None], update.dtype)
            state = state + update * (new - state)
            states.append(state)
        return ops.stack(states, axis=1)

    def compute_output_shape(
        self, features_shape, content_shape, valid_shape=None
    ):
        return (*features_shape[:2], self.units)

    def get_config(self):
        return {**super().get_config(), "units": self.units}


@keras.saving.register_keras_serializable(package="keras_skeleton")
class ValidFrames(keras.layers.Layer):
    """1 for the frames in which any input is not all zero.

    Call arguments:
        inputs: List of tensors `(N, T, C)` or, of skeletons, `(N, M, T, V,
            C)`.

    Output shape: `(N, T)`.
    """

    def call(self, inputs):
        found = 0
        for x in inputs:
            axes = (1, 3, 4) if len(x.shape) == 5 else (2,)
            found = ops.maximum(found, ops.max(ops.abs(x), axis=axes))
        return ops.cast(found > 0, self.compute_dtype)

    def compute_output_shape(self, input_shape):
        batch, *sizes = input_shape[0]
        return batch, sizes[1] if len(sizes) == 4 else sizes[0]


@keras.saving.register_keras_serializable(package="keras_skeleton")
class ReadOut(keras.layers.Layer):
    """The states of all modalities side by side: of the last frame, or mean.

    Args:
        kind: `"last"` or `"mean"`.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        states: Tensor `(N, 1, T, K, D)`.
        valid: Tensor `(N, T)`, 0 for frames that the mean leaves out.

    Output shape: `(N, K * D)`.
    """

    def __init__(self, kind="last", **kwargs):
        super().__init__(**kwargs)
        self.kind = kind

    def call(self, states, valid=None):
        count, width = states.shape[3:]
        if self.kind == "last":
            # Padding has left the state as it was.
            chosen = states[:, 0, -1]
        elif valid is None:
            chosen = ops.mean(states[:, 0], axis=1)
        else:
            weight = ops.cast(valid, states.dtype)
            chosen = ops.einsum("ntkd,nt->nkd", states[:, 0], weight)
            total = ops.maximum(ops.sum(weight, axis=1), 1)
            chosen = chosen / total[:, None, None]
        return ops.reshape(chosen, (-1, count * width))

    def compute_output_shape(self, states_shape, valid_shape=None):
        return states_shape[0], states_shape[3] * states_shape[4]

    def get_config(self):
        return {**super().get_config(), "kind": self.kind}
