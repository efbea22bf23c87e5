"""Context-aware completion of FineTec: lost frames out of an example.

    prompt:  restored example | the example with frames lost
    query:   a standing pose  | the clip with frames lost      -> the clip

Both pairs go through one network, whose blocks mix joints (S-MLP) or frames
(T-MLP).
"""

import keras
import numpy as np
from keras import ops

from keras_skeleton.layers.augmentation import FillLostFrames
from keras_skeleton.layers.augmentation.filling import filled

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
NETWORKS = ("drawn", "sic")
STARTS = ("prior", "interpolation")
VALIDITY = ("frames", "length", "given")


def _dense(units, size, name, dtype, activation=None, **arguments):
    layer = keras.layers.Dense(
        units, activation=activation, name=name, dtype=dtype, **arguments
    )
    layer.build((None, size))
    return layer


@keras.saving.register_keras_serializable(package="keras_skeleton")
class LostFrames(keras.layers.Layer):
    """Says which frames of a clip are lost.

    Args:
        validity: See `FineTec`.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        clips: `(N, M, T, V, C)`.
        valid: `(N, T)`, 0 where a frame is lost, if that is given.

    Output shape: `(N, T)`, 1 where a frame is lost.
    """

    def __init__(self, validity="frames", **kwargs):
        super().__init__(**kwargs)
        self.validity = validity

    def call(self, clips, valid=None):
        if valid is not None:
            return ops.cast(ops.equal(valid, 0), self.compute_dtype)
        is_seen = ops.any(clips != 0, axis=(1, 3, 4))
        is_lost = ops.logical_not(is_seen)
        if self.validity == "length":
            number = ops.arange(1, clips.shape[2] + 1, dtype="int32")
            length = ops.max(ops.where(is_seen, number, 0), axis=1)
            is_lost = ops.logical_and(is_lost, number <= length[:, None])
        return ops.cast(is_lost, self.compute_dtype)

    def compute_output_shape(self, clips_shape, valid_shape=None):
        return clips_shape[0], clips_shape[2]

    def get_config(self):
        return {**super().get_config(), "validity": self.validity}


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
        return ops.split(x, 2, axis=0)


def _merged(x):
    """Queries, the first half of the batch, become means with prompts."""
    query, prompt = ops.split(x, 2, axis=0)
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
            _dense(2 * size, size, f"{name}_{number}_hidden", policy, "gelu"),
            _dense(size, 2 * size, f"{name}_{number}_output", policy),
        )

    def _norm(self, name):
        norm = keras.layers.LayerNormalization(
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
        return ops.split(x, 2, axis=0)

    def get_config(self):
        return {**super().get_config(), "hidden_dim": self.hidden_dim}


@keras.saving.register_keras_serializable(package="keras_skeleton")
class Completion(keras.layers.Layer):
    """Restores lost frames of each person by in-context learning.

    Frames that are not lost stay as they are; in a lost one stands what the
    network adds to where it starts from. Who is seen nowhere in a clip stays
    absent.

    The bank of examples and the standing pose, the mean over it, are
    variables that `fill` sets and training leaves alone.

    Args:
        network: `"drawn"` or `"sic"`.
        start: What the network adds to: `"prior"`, the standing pose, or
            `"interpolation"`, the frames beside the gap, which then also
            stand in its gaps and in the place of the pose.
        bank_size: Examples that are kept.
        hidden_dim: Channels of `"sic"`.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        clips: `(N, M, T, V, C)`, zero in lost frames.
        lost: `(N, T)`, 1 where a frame is lost.

    Output shape: `(N, M, T, V, C)`.
    """

    def __init__(
        self,
        network="drawn",
        start="prior",
        bank_size=32,
        hidden_dim=128,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.network = network
        self.start = start
        self.bank_size = bank_size
        self.hidden_dim = hidden_dim
        self.filler = FillLostFrames()
        policy = self.dtype_policy
        if network == "drawn":
            self.mixing = DrawnCompletion(name="drawn", dtype=policy)
        else:
            self.mixing = ContextMixer(hidden_dim, name="sic", dtype=policy)

    def build(self, clips_shape, lost_shape=None):
        clip = tuple(clips_shape[2:])
        self.bank = self.add_weight(
            (self.bank_size, *clip), "zeros", trainable=False, name="bank"
        )
        self.prior = self.add_weight(
            clip[1:], "zeros", trainable=False, name="prior"
        )
        pair = (None, 2 * clip[0], *clip[1:])
        self.mixing.build(pair, pair)

    @property
    def is_filled(self):
        """Whether the bank holds examples."""
        return bool(ops.convert_to_numpy(ops.any(self.bank.value != 0)))

    def fill(self, persons, pose, seed=0):
        """Sets the bank and the standing pose.

        Args:
            persons: Array `(B, T, V, C)` of whole clips of one person.
            pose: Array `(V, C)`.
            seed: Seed of the choice where there are more than the bank
                holds; where there are fewer, they are repeated.
        """
        order = np.random.default_rng(seed).permutation(len(persons))
        chosen = np.resize(order, self.bank_size)
        self.bank.assign(persons[chosen])
        self.prior.assign(pose)

    def example(self):
        """The example of inference, the first of the bank.

        Of its frames every second is lost.

        Returns:
            The example `(1, T, V, C)` and its lost frames `(1, T)`.
        """
        frames = self.bank.shape[1]
        lost = np.arange(frames) % 2 == 1
        return self.bank[:1], ops.convert_to_tensor(lost[None], "float32")

    def restored(self, clips, lost, example=None, example_lost=None):
        """What the network makes of all frames, lost or not.

        Args:
            clips: `(B, T, V, C)` of single persons, zero in lost frames.
            lost: `(B, T)`.
            example: `(B, T, V, C)`, by default that of inference.
            example_lost: `(B, T)`, the frames that are hidden of it.

        Returns:
            The restored clips and examples, `(B, T, V, C)` each.
        """
        if example is None:
            example, example_lost = self.example()
        clips = ops.cast(clips, self.compute_dtype)
        example = ops.cast(example, self.compute_dtype)
        hidden = ops.cast(example_lost, self.compute_dtype)
        hidden = example * (1 - hidden[..., None, None])
        pose = ops.cast(self.prior, self.compute_dtype)
        clip_start = pose + ops.zeros_like(clips)
        example_start = pose + ops.zeros_like(example)
        if self.start == "interpolation":
            clip_start = clips = self._interpolated(clips, lost)
            example_start = self._interpolated(hidden, example_lost)
            hidden = example_start
        query = ops.concatenate([clips, clip_start], axis=1)
        prompt = ops.concatenate([hidden, example], axis=1)
        # One example may serve all.
        same = ops.zeros_like(query)
        found, found_example = self.mixing(query, prompt + same)
        return clip_start + found, example_start + found_example

    def _interpolated(self, clips, lost):
        left = ops.cast(lost, "float32") == 0
        clips = ops.cast(clips[:, None], "float32")
        made = filled(self.filler, clips, left, "interpolation")
        return ops.cast(made[:, 0], self.compute_dtype)

    def call(self, clips, lost):
        persons, frames = clips.shape[1:3]
        rows = ops.reshape(clips, (-1, *clips.shape[2:]))
        lost = ops.repeat(lost[:, None], persons, axis=1)
        lost = ops.reshape(lost, (-1, frames))
        is_lost = ops.cast(lost, "float32")[:, :, None, None] > 0
        # Where lost frames are given, they may hold anything.
        rows = ops.where(is_lost, 0, rows)
        restored, _ = self.restored(rows, lost)
        is_present = ops.any(rows != 0, axis=(1, 2, 3), keepdims=True)
        rows = ops.where(is_lost & is_present, restored, rows)
        return ops.reshape(rows, (-1, *clips.shape[1:]))

    def compute_output_shape(self, clips_shape, lost_shape=None):
        return clips_shape

    def get_config(self):
        return {
            **super().get_config(),
            "network": self.network,
            "start": self.start,
            "bank_size": self.bank_size,
            "hidden_dim": self.hidden_dim,
        }
