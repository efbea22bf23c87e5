"""DSTA-Net in the form that HiCLR trains: attention of joints, then time."""

import keras
import numpy as np
from keras import ops

from keras_skeleton import layers
from keras_skeleton._types import PathLike
from keras_skeleton.applications._application import constructor
from keras_skeleton.applications._block_network import BlockNetwork
from keras_skeleton.applications._conventions import conventions
from keras_skeleton.layers import _joined
from keras_skeleton.layers import temporal
from keras_skeleton.layers.graph.entries import add_entries
from keras_skeleton.layers.graph.entries import drop_entries
from keras_skeleton.skeletons.skeleton import SkeletonLike

# Channels, channels in which joints are compared, and stride over time.
BLOCKS = (
    (32, 16, 1),
    (32, 16, 1),
    (64, 16, 2),
    (64, 16, 1),
    (128, 32, 2),
    (128, 32, 1),
    (128, 32, 1),
    (256, 32, 1),
)


def _kernel():
    return keras.initializers.RandomNormal(stddev=0.02)


@keras.saving.register_keras_serializable(package="keras_skeleton")
class AxisAttention(keras.layers.Layer):
    """Attention between joints that all frames of a clip share.

    For each of `S` subsets, with a sinusoidal position of the joint added to
    the input of queries and keys,

        topology_s[u, v] = gate_s tanh(q_s[v] . k_s[u] / (D T)) + shared_s[u, v]
        outputs[t, u, s] = sum over v of topology_s[u, v] x[t, v]

    where the product is over the `D` channels and all frames. There is no
    softmax: weights may be negative and do not add up to 1.

    Called with `edge_dropout` and `edge_addition`, entries of the topology are
    dropped and others added, each with a probability that is drawn below
    these in each call. That is an augmentation, which acts in training and
    outside. Added entries have the mean of all, and the whole keeps its sum;
    both are taken over the batch, as published.

    Args:
        num_subsets: Number of subsets, `S`.
        dim: Channels of queries and keys, `D`.
        shared: What `shared` is at first: `"uniform"`, every entry `1 / V`,
            or `"identity"`.
        seed: Seed of dropped and added entries.
        **kwargs: Arguments of `keras.layers.Layer`.

    Input shape: `(B, T, V, C)`.

    Output shape: `(B, T, V, S * C)`.

    Reference: Shi et al., Decoupled Spatial-Temporal Attention Network for
    Skeleton-Based Action-Gesture Recognition, ACCV 2020, arXiv 2007.03263.
    """

    def __init__(self, num_subsets, dim, shared="uniform", seed=None, **kwargs):
        super().__init__(**kwargs)
        self.num_subsets = num_subsets
        self.dim = dim
        self.shared = shared
        self.seed = seed
        self.generator = keras.random.SeedGenerator(seed)
        self.queries_and_keys = keras.layers.Dense(
            2 * num_subsets * dim,
            kernel_initializer=_kernel(),
            name="queries_and_keys",
            dtype=self.dtype_policy,
        )

    def build(self, input_shape):
        joints, channels = input_shape[-2:]
        self.positions = positions(joints, channels)
        self.queries_and_keys.build(input_shape)
        self.gate = self.add_weight(
            name="gate", shape=(self.num_subsets,), initializer="ones"
        )
        first = np.eye(joints) if self.shared == "identity" else 1 / joints
        self.shared_topology = self.add_weight(
            name="shared",
            shape=(self.num_subsets, joints, joints),
            initializer=lambda shape, dtype: ops.cast(
                np.broadcast_to(first, shape), dtype
            ),
        )

    def call(self, inputs, edge_dropout=0.0, edge_addition=0.0):
        topology = self.topology(inputs)
        if edge_dropout:
            topology = self.drop(topology, edge_dropout)
        if edge_addition:
            topology = self.add(topology, edge_addition)
        frames, joints, channels = inputs.shape[1:]
        x = ops.transpose(inputs, (0, 2, 1, 3))
        x = ops.reshape(x, (-1, 1, joints, frames * channels))
        x = ops.matmul(topology, x)
        shape = (-1, self.num_subsets, joints, frames, channels)
        x = ops.transpose(ops.reshape(x, shape), (0, 3, 2, 1, 4))
        return ops.reshape(x, (-1, frames, joints, self.num_subsets * channels))

    def topology(self, inputs):
        """The weights in use, `(B, S, V, V)`, receivers in rows."""
        frames, joints, _ = inputs.shape[1:]
        x = inputs + ops.cast(self.positions, inputs.dtype)
        x = self.queries_and_keys(x)
        x = ops.reshape(x, (-1, frames, joints, 2, self.num_subsets, self.dim))
        x = ops.transpose(x, (3, 0, 4, 2, 1, 5))
        x = ops.reshape(x, (2, -1, self.num_subsets, joints, frames * self.dim))
        senders, receivers = x[0], x[1]
        product = ops.matmul(receivers, ops.transpose(senders, (0, 1, 3, 2)))
        relation = ops.tanh(product / (frames * self.dim))
        gate = ops.cast(self.gate, relation.dtype)[:, None, None]
        shared = ops.cast(self.shared_topology, relation.dtype)
        return gate * relation + shared

    def drop(self, topology, edge_dropout):
        """The topology without some entries."""
        rate = edge_dropout * keras.random.uniform((), seed=self.generator)
        return drop_entries(topology, self.draw(topology) < 1 - rate, rate)

    def add(self, topology, edge_addition):
        """The topology with entries in the place of some zeros."""
        rate = edge_addition * keras.random.uniform((), seed=self.generator)
        return add_entries(topology, self.draw(topology) < rate)

    def draw(self, topology):
        return keras.random.uniform(ops.shape(topology), seed=self.generator)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.num_subsets * input_shape[-1])

    def get_config(self):
        return {
            **super().get_config(),
            "num_subsets": self.num_subsets,
            "dim": self.dim,
            "shared": self.shared,
            "seed": self.seed,
        }


def positions(count, channels):
    """Sinusoidal positions, float32 `(count, channels)`."""
    rates = np.exp(-np.arange(0, channels, 2) * np.log(10000.0) / channels)
    angles = np.arange(count)[:, None] * rates
    table = np.zeros((count, channels), "float32")
    table[:, 0::2] = np.sin(angles)
    table[:, 1::2] = np.cos(angles)[:, : channels // 2]
    return table


@keras.saving.register_keras_serializable(package="keras_skeleton")
class DSTABlock(keras.layers.Layer):
    """Attention between joints, then convolution or attention over time.

    With LeakyReLU `f` (slope 0.1), and shortcuts that are the identity or, in
    a block that changes channels or skips frames, pointwise with a
    normalization:

        y = f(norm(dense(attention(x))) + shortcut(x))
        y = f(norm(dense(y)) + shortcut(x))
        outputs = f(norm(convolution(y)) + dropout(shortcut(y)))

    With `temporal_attention`, the third line is the first two again, over
    frames in place of joints, of which the second skips frames.

    Args:
        filters: Channels of the output.
        dim: Channels of queries and keys.
        num_subsets: Subsets of the attention.
        stride: Frames from one output to the next.
        temporal_attention: See above.
        dropout_rate: Dropout of the last shortcut.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: Tensor, see below.
        training: Whether batch statistics count, and dropout acts.
        edge_dropout: See `AxisAttention`, also for `edge_addition`; for the
            attention between joints.
        dropout_rate: In place of the layer's own.

    Input shape: `(B, T, V, C)`.

    Output shape: `(B, T', V, filters)` with `T' = ceil(T / stride)`.
    """

    def __init__(
        self,
        filters,
        dim,
        num_subsets=3,
        stride=1,
        temporal_attention=False,
        dropout_rate=0.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.filters = filters
        self.dim = dim
        self.num_subsets = num_subsets
        self.stride = stride
        self.temporal_attention = temporal_attention
        self.dropout_rate = dropout_rate
        self.seed_generator = keras.random.SeedGenerator()
        self.joint_attention = self._attention("joint_attention", "uniform")
        if temporal_attention:
            self.frame_attention = self._attention(
                "frame_attention", "identity"
            )
        else:
            self.convolution = temporal.TemporalConvolution(
                filters,
                kernel_size=7,
                stride=stride,
                kernel_initializer=_kernel(),
                name="convolution",
                dtype=self.dtype_policy,
            )

    def _attention(self, name, shared):
        return AxisAttention(
            self.num_subsets,
            self.dim,
            shared,
            name=name,
            dtype=self.dtype_policy,
        )

    def build(self, input_shape):
        batch, frames, joints, channels = input_shape
        self._linear = {}
        self.joint_attention.build(input_shape)
        widened = self.num_subsets * channels
        is_new = channels != self.filters or self.stride != 1
        self._add_linear("joint_output", widened)
        self._add_linear("joint_hidden", self.filters)
        if is_new:
            self._add_linear("joint_shortcut_1", channels)
            self._add_linear("joint_shortcut_2", channels)
        shape = (batch, frames, joints, self.filters)
        if self.temporal_attention:
            self.frame_attention.build((batch, joints, frames, self.filters))
            self._add_linear("frame_output", self.num_subsets * self.filters)
            self._add_linear("frame_hidden", self.filters)
            if is_new:
                self._add_linear("frame_shortcut_1", self.filters)
        else:
            self.convolution.build(shape)
            self.convolution_norm = self._norm("convolution_norm")
        if is_new:
            self._add_linear("frame_shortcut_2", self.filters)

    def _norm(self, name):
        norm = layers.BatchNormalization(name=name, dtype=self.dtype_policy)
        norm.build((None, self.filters))
        return norm

    def _add_linear(self, name, channels):
        """Makes a dense layer of a name, and its normalization."""
        dense = keras.layers.Dense(
            self.filters,
            kernel_initializer=_kernel(),
            name=name,
            dtype=self.dtype_policy,
        )
        dense.build((None, channels))
        setattr(self, name, dense)
        setattr(self, f"{name}_norm", self._norm(f"{name}_norm"))

    def linear(self, x, name, training):
        """Dense layer and normalization of a name; `x` if there is none."""
        dense = getattr(self, name, None)
        if dense is None:
            return x
        norm = getattr(self, f"{name}_norm")
        return _joined.normalized_linear(x, [dense], [norm], training)

    def call(
        self,
        inputs,
        training=None,
        edge_dropout=0.0,
        edge_addition=0.0,
        dropout_rate=None,
    ):
        def linear(x, name):
            return self.linear(x, name, training)

        x = inputs
        y = self.joint_attention(
            x, edge_dropout=edge_dropout, edge_addition=edge_addition
        )
        y = _activate(linear(y, "joint_output") + linear(x, "joint_shortcut_1"))
        x = _activate(linear(y, "joint_hidden") + linear(x, "joint_shortcut_2"))
        skipped = linear(
            temporal.take_every(x, self.stride), "frame_shortcut_2"
        )
        rate = self.dropout_rate if dropout_rate is None else dropout_rate
        if training and rate:
            skipped = keras.random.dropout(
                skipped, rate, seed=self.seed_generator
            )
        if not self.temporal_attention:
            y = self.convolution(x)
            y = _joined.normalize(y, [self.convolution_norm], training)
            return _activate(y + skipped)
        y = self.frame_attention(ops.transpose(x, (0, 2, 1, 3)))
        y = ops.transpose(y, (0, 2, 1, 3))
        y = _activate(linear(y, "frame_output") + linear(x, "frame_shortcut_1"))
        y = temporal.take_every(y, self.stride)
        return _activate(linear(y, "frame_hidden") + skipped)

    def topology(self, inputs=None):
        """The weights between joints, `(B, S, V, V)`; shared ones without.

        What the layer shares between all clips is not all that it uses.
        """
        if inputs is None:
            return self.joint_attention.shared_topology.value
        return self.joint_attention.topology(inputs)

    def compute_output_shape(self, input_shape):
        batch, frames, joints, _ = input_shape
        return batch, -(-frames // self.stride), joints, self.filters

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "dim": self.dim,
            "num_subsets": self.num_subsets,
            "stride": self.stride,
            "temporal_attention": self.temporal_attention,
            "dropout_rate": self.dropout_rate,
        }


def _activate(x):
    return ops.leaky_relu(x, 0.1)


@keras.saving.register_keras_serializable(package="keras_skeleton")
class DSTA(BlockNetwork):
    """Transformer over joints with convolutions over time.

    Each block lets all joints receive from all others by weights that the
    frames of a clip share (`AxisAttention`), and then looks over 7 frames.
    Persons share everything. HiCLR pre-trains it without labels
    (`HiCLRPretext(DSTA(dropout_rate=0.5))`).

    The encoder ends in the feature map `(N, M, T', V, D)` of the layer
    `features`; after `pooling` in `(N, D)`, where absent persons count as any
    other, as published. The classifier ends in the layer `predictions`.

    In the published fine-tuning and linear evaluation the first dense layer,
    `embedding`, is frozen, which seems an oversight: here all is trained
    unless `model.get_layer("embedding").trainable = False`.

    Kernels begin as normal numbers with deviation 0.02, as in the published
    training.

    Args:
        weights: `None` (random), a path, or an `hf://` or `https://` address.
        input_shape: `(M, T, V, C)`: persons, frames, joints, coordinates.
            Defaults to `(2, 50, 25, 3)`. Weights fit any `M`, and any `T`
            where there is no temporal attention.
        skeleton: A `Skeleton` or its registered name. Defaults to `"ntu"`.
        classes: `None` for the encoder, a number for the classifier.
        pooling: `None`, or how the encoder's output is pooled over persons,
            time and joints: `"avg"`, `"max"` or `"published"`, the system's
            own rule, which is the average.
        encoder: A built encoder to put a head on. Layers and variables are
            shared.
        classifier_activation: Activation of `predictions`. Defaults to none:
            the outputs are logits.
        head: `"published"` (default): mean over persons, time and joints,
            dense layer. Or `"linear"`, which normalizes between the two.
        hidden_dim: Channels before the first block. Defaults to 32.
        blocks: For each block its channels, the channels in which joints are
            compared, and its stride over time. Defaults to `BLOCKS`, the
            eight published ones.
        num_subsets: Attentions beside each other. Defaults to 3.
        temporal_attention: Whether attention over frames takes the place of
            the convolutions over time; published code has it, published
            results do not use it. Defaults to `False`.
        dropout_rate: Dropout at the end of each block. Defaults to 0;
            published: 0.5 in pre-training, 0 after it.
        name: Name of the model.
        dtype: Data type policy of the layers.

    Input shape: `(N, M, T, V, C)`, metres.

    Raises:
        ValueError: If arguments contradict each other, the skeleton or the
            weights; the message says how to mend it.

    Example:

    >>> encoder = DSTA(input_shape=(1, 50, 20, 3), skeleton="nw_ucla")
    >>> encoder(np.zeros((2, 1, 50, 20, 3))).shape
    (2, 1, 13, 20, 256)

    Reference: Shi et al., Decoupled Spatial-Temporal Attention Network for
    Skeleton-Based Action-Gesture Recognition, ACCV 2020, arXiv 2007.03263, in
    the form of the code of JHang2020/HiCLR.
    """

    system = "dsta"
    search_space = {
        "num_subsets": [2, 3, 4],
        "temporal_attention": [True, False],
        "dropout_rate": (0.0, 0.5),
    }
    # Those of HiCLR.
    recipes = {
        "linear": {
            "learning_rate": 3.0,
            "steps": (30, 80),
            "epochs": 100,
            "batch_size": 128,
            "normalize": False,
            "head_stddev": 0.02,
        },
        "finetune": {
            "optimizer": "sgd",
            "learning_rate": 0.1,
            "steps": (34, 54),
            "epochs": 80,
            "batch_size": 128,
            "weight_decay": 5e-4,
            "nesterov": True,
            "label_smoothing": 0.0,
        },
    }
    tiny = {
        "input_shape": (1, 8, 20, 3),
        "skeleton": "kinect20",
        "hidden_dim": 4,
        "blocks": ((4, 2, 1), (8, 2, 2)),
    }

    @constructor
    def __init__(
        self,
        weights: PathLike | None = None,
        *,
        input_shape=(2, 50, 25, 3),
        skeleton: SkeletonLike = "ntu",
        classes=None,
        pooling=None,
        encoder=None,
        classifier_activation=None,
        head="published",
        hidden_dim=32,
        blocks=BLOCKS,
        num_subsets=3,
        temporal_attention=False,
        dropout_rate=0.0,
        name="dsta",
        dtype=None,
    ):
        """See the class."""

    @staticmethod
    def check(settings):
        blocks = settings["blocks"]
        if not blocks or any(
            len(block) != 3 or min(block) < 1 for block in blocks
        ):
            raise ValueError(
                "`blocks` must hold three positive whole numbers for each "
                "block: channels, channels of the comparison, stride. "
                f"Received blocks={blocks!r}."
            )

    @classmethod
    def encoder_graph(cls, inputs, settings, skeleton, dtype):
        first = [
            keras.layers.Dense(
                settings["hidden_dim"],
                kernel_initializer=_kernel(),
                name="embedding",
                dtype=dtype,
            ),
            layers.BatchNormalization(name="embedding_norm", dtype=dtype),
            keras.layers.LeakyReLU(0.1, name="embedding_relu", dtype=dtype),
        ]
        blocks = [
            DSTABlock(
                filters,
                dim,
                settings["num_subsets"],
                stride,
                settings["temporal_attention"],
                settings["dropout_rate"],
                name=f"block_{i}",
                dtype=dtype,
            )
            for i, (filters, dim, stride) in enumerate(settings["blocks"])
        ]
        return cls._features(inputs, first, blocks, dtype)

    @staticmethod
    def _features(clips, first, blocks, dtype, **options):
        x = layers.FoldPersons(name="fold_persons", dtype=dtype)(clips)
        for layer in first:
            x = layer(x)
        for block in blocks:
            x = block(x, **options)
        return layers.TokenGrid(
            clips.shape[1], x.shape[1], x.shape[2], name="features", dtype=dtype
        )(x)

    def features_again(self, **options):
        names = ("embedding", "embedding_norm", "embedding_relu")
        first = [self.get_layer(name) for name in names]
        dtype = self.dtype_policy
        return self._features(self.input, first, self.blocks, dtype, **options)

    @property
    def blocks(self):
        """The blocks, first to last."""
        count = len(self.settings["blocks"])
        return [self.get_layer(f"block_{i}") for i in range(count)]


preprocess_input, decode_predictions = conventions("dsta", num_frames=50)
