"""The networks of FineTec's completion: of query and prompt, the answers.

Query and prompt are pairs in time, `(B, 2T, V, C)`. Both run through one
network, in which the query becomes the mean of both after the second part.
"""

import keras
from keras import ops

from keras_skeleton.layers.activations import exact_gelu
from keras_skeleton.layers.layer_normalization import LayerNormalization

# The blocks of the drawn network, by the axis that each mixes, and the width
# of its hidden layer in multiples of that axis: an hourglass.
DRAWN = (
    (("joints", 4), ("frames", 4)),
    (("joints", 2), ("frames", 2)),
    (("frames", 2), ("joints", 2)),
    (("frames", 4), ("joints", 4)),
)
# Pairs, or blocks, after which the prompt joins the query.
MERGED_AFTER = 2
NUM_SIC_BLOCKS = 5


def _dense(units, size, name, dtype, activation=None, **arguments):
    layer = keras.layers.Dense(
        units, activation=activation, name=name, dtype=dtype, **arguments
    )
    layer.build((None, size))
    return layer


@keras.saving.register_keras_serializable(package="keras_skeleton")
class AxisMixing(keras.layers.Layer):
    """Mixes joints with joints, or frames with frames: S-MLP and T-MLP.

    `x + pool(relu(dense(x)))` along one axis of size `n`: a dense layer from
    `n` to `expansion * n`, a ReLU, and the mean of each `expansion`
    neighbouring units. All else shares the weights. (The sum is a choice:
    what comes out of a ReLU and a mean is never negative.)

    Args:
        axis: `"joints"` or `"frames"`.
        expansion: Hidden units per entry of the axis.
        **kwargs: Arguments of `keras.layers.Layer`.

    Input and output shape: `(B, T, V, C)`.
    """

    def __init__(self, axis, expansion, **kwargs):
        super().__init__(**kwargs)
        self.axis = axis
        self.expansion = expansion

    def build(self, input_shape):
        size = input_shape[1 if self.axis == "frames" else 2]
        self.dense = _dense(
            self.expansion * size, size, "dense", self.dtype_policy, "relu"
        )

    def call(self, inputs):
        order = (0, 2, 3, 1) if self.axis == "frames" else (0, 1, 3, 2)
        back = (0, 3, 1, 2) if self.axis == "frames" else (0, 1, 3, 2)
        x = ops.transpose(inputs, order)
        pools = (-1, *x.shape[1:], self.expansion)
        x = ops.mean(ops.reshape(self.dense(x), pools), axis=-1)
        return inputs + ops.transpose(x, back)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {
            **super().get_config(),
            "axis": self.axis,
            "expansion": self.expansion,
        }


@keras.saving.register_keras_serializable(package="keras_skeleton")
class DrawnCompletion(keras.layers.Layer):
    """The network as the paper's framework figure draws it.

    Four pairs of blocks: S-MLP and T-MLP twice, then T-MLP and S-MLP twice,
    the outer pairs wider. After the second pair the query becomes the mean of
    query and prompt (a choice, as in Skeleton-in-Context). A dense layer over
    the joints ends it (a choice: coordinates have a sign).

    Call arguments:
        query: `(B, 2T, V, C)`, the corrupted clip and the standing pose.
        prompt: `(B, 2T, V, C)`, the corrupted and the whole example.

    Output: The second half in time of both, `(B, T, V, C)` each.
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.pairs = [
            [
                AxisMixing(
                    axis,
                    expansion,
                    name=f"{axis}_{i}",
                    dtype=self.dtype_policy,
                )
                for axis, expansion in pair
            ]
            for i, pair in enumerate(DRAWN)
        ]

    def build(self, query_shape, prompt_shape=None):
        for block in sum(self.pairs, []):
            block.build(query_shape)
        joints = query_shape[2]
        self.output_joints = _dense(
            joints,
            joints,
            "output_joints",
            self.dtype_policy,
            # Small, so that all begins near the standing pose.
            kernel_initializer=keras.initializers.RandomNormal(stddev=0.01),
        )

    def call(self, query, prompt):
        # As one batch, as both see the same weights.
        x = ops.concatenate([query, prompt], axis=0)
        for i, pair in enumerate(self.pairs):
            for block in pair:
                x = block(x)
            if i + 1 == MERGED_AFTER:
                x = _merged(x)
        x = ops.transpose(x[:, x.shape[1] // 2 :], (0, 1, 3, 2))
        x = ops.transpose(self.output_joints(x), (0, 1, 3, 2))
        return batches(x, 2)


def batches(x, number):
    """Takes batches that were joined into one apart again.

    A split would be of constant sizes in exported files.
    """
    x = ops.reshape(x, (number, -1, *x.shape[1:]))
    return [x[i] for i in range(number)]


def _merged(x):
    """Queries, the first half of the batch, become means with prompts."""
    query, prompt = batches(x, 2)
    return ops.concatenate([(query + prompt) / 2, prompt], axis=0)


@keras.saving.register_keras_serializable(package="keras_skeleton")
class ContextMixer(keras.layers.Layer):
    """The network after Skeleton-in-Context, with channels for each joint.

    A dense layer to `hidden_dim` channels with learned codes of joints and
    frames; five blocks, each of which mixes joints, frames and channels by
    two dense layers with a GELU, behind a normalization and added to their
    input; query and prompt are averaged after the second; normalization,
    dense layer, tanh, dense layer. What the paper's figure does not show.

    Args:
        hidden_dim: Channels of each joint.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments and output: As `DrawnCompletion`.
    """

    def __init__(self, hidden_dim=128, **kwargs):
        super().__init__(**kwargs)
        self.hidden_dim = hidden_dim

    def build(self, query_shape, prompt_shape=None):
        _, frames, joints, coordinates = query_shape
        dim, policy = self.hidden_dim, self.dtype_policy
        self.embedding = _dense(dim, coordinates, "embedding", policy)
        codes = keras.initializers.RandomNormal(stddev=0.02)
        self.joint_code = self.add_weight((joints, dim), codes, name="joints")
        self.frame_code = self.add_weight(
            (frames, 1, dim), codes, name="frames"
        )
        # Along the axis that comes last: joints, frames, channels.
        self.blocks = [
            [
                self._mixer(i, name, size)
                for name, size in (
                    ("joints", joints),
                    ("frames", frames),
                    ("channels", dim),
                )
            ]
            for i in range(NUM_SIC_BLOCKS)
        ]
        self.output_norm = self._norm("output_norm")
        self.output_hidden = _dense(dim, dim, "output_hidden", policy, "tanh")
        self.output_coordinates = _dense(
            coordinates,
            dim,
            "output_coordinates",
            policy,
            kernel_initializer=keras.initializers.RandomNormal(stddev=0.01),
        )

    def _mixer(self, number, name, size):
        policy = self.dtype_policy
        return (
            self._norm(f"{name}_{number}_norm"),
            _dense(
                2 * size, size, f"{name}_{number}_hidden", policy, exact_gelu
            ),
            _dense(size, 2 * size, f"{name}_{number}_output", policy),
        )

    def _norm(self, name):
        norm = LayerNormalization(
            epsilon=1e-6, name=name, dtype=self.dtype_policy
        )
        norm.build((None, self.hidden_dim))
        return norm

    def call(self, query, prompt):
        x = self.embedding(ops.concatenate([query, prompt], axis=0))
        codes = ops.cast(self.joint_code + self.frame_code, x.dtype)
        x = x + codes
        # Each order of axes ends in the one to mix, and is its own inverse.
        orders = ((0, 1, 3, 2), (0, 3, 2, 1), (0, 1, 2, 3))
        for i, block in enumerate(self.blocks):
            for (norm, hidden, output), order in zip(
                block, orders, strict=True
            ):
                mixed = ops.transpose(norm(x), order)
                mixed = output(hidden(mixed))
                x = x + ops.transpose(mixed, order)
            if i + 1 == MERGED_AFTER:
                x = _merged(x)
        x = self.output_norm(x[:, x.shape[1] // 2 :])
        x = self.output_coordinates(self.output_hidden(x))
        return batches(x, 2)

    def get_config(self):
        return {**super().get_config(), "hidden_dim": self.hidden_dim}
