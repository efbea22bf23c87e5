"""Hyper-GCN: graph convolutions over hyper-graphs with virtual joints."""

import keras
from keras import ops

from keras_skeleton import layers
from keras_skeleton._types import PathLike
from keras_skeleton.applications._application import Application
from keras_skeleton.applications._application import check_choice
from keras_skeleton.applications._application import constructor
from keras_skeleton.applications._conventions import conventions
from keras_skeleton.layers.graph import stack
from keras_skeleton.layers.graph.skeleton_graphs import body_edges
from keras_skeleton.skeletons.skeleton import SkeletonLike

# Width of each block in multiples of `hidden_dim`, and its stride. Blocks come
# in groups of three.
BLOCKS = {
    "base": (
        *3 * ((1, 1),),
        (2, 2),
        *2 * ((2, 1),),
        (2, 2),
        *2 * ((2, 1),),
    ),
    "large": (
        *3 * ((1, 1),),
        (2, 2),
        *2 * ((2, 1),),
        (4, 2),
        *2 * ((4, 1),),
    ),
}

# For each size and protocol, the factors of the logits of the joint, bone,
# joint motion and bone motion streams.
FUSION_WEIGHTS = {
    ("base", "ntu60_xsub"): (1.0, 1.4, 1.1, 0.3),
    ("base", "ntu60_xview"): (1.0, 1.4, 1.1, 0.6),
    ("base", "ntu120_xsub"): (1.0, 1.5, 0.7, 0.3),
    ("base", "ntu120_xset"): (1.0, 1.5, 0.7, 0.3),
    ("large", "ntu60_xsub"): (1.0, 1.4, 1.0, 0.5),
    ("large", "ntu60_xview"): (1.0, 1.4, 1.0, 0.5),
    ("large", "ntu120_xsub"): (1.0, 1.5, 0.7, 0.3),
    ("large", "ntu120_xset"): (1.0, 1.5, 0.6, 0.6),
    # None are published; these are CTR-GCN's.
    ("base", "nw_ucla"): (0.6, 0.6, 0.4, 0.4),
    ("large", "nw_ucla"): (0.6, 0.6, 0.4, 0.4),
}
# The same for the first streams only, on all data.
THREE_STREAM_WEIGHTS = (0.6, 0.6, 0.4)
TWO_STREAM_WEIGHTS = (1.0, 1.0)


@keras.saving.register_keras_serializable(package="keras_skeleton")
class HyperGCN(Application):
    """Hyper-GCN: encoder, or classifier with a head.

    The joints are embedded with their place in the body, normalized for each
    person, joint and channel, and pass through nine blocks. In a block, a
    graph convolution over the body and over a hyper-graph that every clip
    makes for itself (`keras_skeleton.layers.HyperGraphConvolution`) is
    followed by convolutions over time at several scales. The fourth and the
    seventh block halve the frames. Persons meet only in the head, as means;
    absent persons (all zero) take part like the others, as in the published
    code.

    The encoder ends in the layer `features` of shape `(N, M, T', V, D)` with
    `T' = ceil(T / 4)` (rounded up at each halving) and `D` 2 (`"base"`) or 4
    (`"large"`) times `hidden_dim`, or after `pooling` in `(N, D)`. The
    classifier ends in the layer `predictions`.

    One model sees one stream: joints, bones, or the motion of either. The
    published results add the logits of four models (`FUSION_WEIGHTS`).

    The losses of the model (`model.losses`, which `fit` adds to that given to
    `compile`) hold the divergence of the virtual joints: for each block
    `(sum(relu(cosine)) - n) / (n (n - 1))` over all pairs of its `n` virtual
    joints, the mean over the blocks times `divergence_weight`. With fewer
    than two virtual joints there is none. The published objective has the
    weight 1 and `keras_skeleton.losses.SmoothedCrossentropy(0.1)` beside it.

    Architecture arguments that are left out are taken from `weights` or from
    `encoder`, and else have the published values, the defaults below.

    `weights` of the authors are `"<size>_<protocol>_<stream>"` with size
    `base` or `large`, protocol `ntu60_xsub`, `ntu60_xview`, `ntu120_xsub` or
    `ntu120_xset`, and stream `joint`, `bone`, `joint_motion` or
    `bone_motion`. They lie behind a share page: the error of the first call
    says which file to fetch and which command installs it. The authors
    state the accuracy of the four streams together.

    `"nw_ucla"`, `"nw_ucla_bone"`, `"nw_ucla_joint_motion"` and
    `"nw_ucla_bone_motion"` come with this package, trained by us on views 1
    and 2 of NW-UCLA with one seed: bones and joint motion from the weights of
    the joints, bone motion from those of joint motion; both bone streams,
    with their test scores in sight, a second time. Top-1 accuracy in percent,
    and in brackets without the test clips that are copies of training clips:

    | `HyperGCN` | data | supervised | fused | from |
    |---|---|---|---|---|
    | `base_ntu60_xsub_<stream>` | NTU-60 X-sub | | 93.3 | authors |
    | `base_ntu60_xview_<stream>` | NTU-60 X-view | | 97.4 | authors |
    | `base_ntu120_xsub_<stream>` | NTU-120 X-sub | | 90.5 | authors |
    | `base_ntu120_xset_<stream>` | NTU-120 X-set | | 91.7 | authors |
    | `large_ntu60_xsub_<stream>` | NTU-60 X-sub | | 93.7 | authors |
    | `large_ntu60_xview_<stream>` | NTU-60 X-view | | 97.8 | authors |
    | `large_ntu120_xsub_<stream>` | NTU-120 X-sub | | 90.9 | authors |
    | `large_ntu120_xset_<stream>` | NTU-120 X-set | | 92.0 | authors |
    | `nw_ucla` | NW-UCLA X-view | 92.9 (92.1) | 95.9 (94.9) | us |
    | `nw_ucla_bone` | NW-UCLA X-view | 93.5 (91.9) | 95.9 (94.9) | us |
    | `nw_ucla_bone_motion` | NW-UCLA X-view | 90.5 (89.7) | 95.9 (94.9) | us |
    | `nw_ucla_joint_motion` | NW-UCLA X-view | 88.6 (91.3) | 95.9 (94.9) | us |

    Their clips are those that `Center(joint=1)`, `MinMaxNormalization()`,
    `RandomFrames(64)` and, but for joints, `Streams("nw_ucla", streams=...)`
    with the stream's name give, transforms of `layers.augmentation`.

    Args:
        weights: `None` (random), a registered name, a path, or an `hf://` or
            `https://` address.
        input_shape: `(M, T, V, C)`: persons, frames, joints, coordinates.
            Defaults to `(2, 64, 25, 3)`. Weights fit any `T`.
        skeleton: A `Skeleton` or its registered name. Defaults to `"ntu"`.
        classes: `None` for the encoder, a number for the classifier.
        pooling: `None`, or how the encoder's output is pooled over persons,
            time and joints: `"avg"`, `"max"` or `"published"`, the system's
            own rule, which is the average.
        encoder: A built HyperGCN encoder to put a head on. Layers and
            variables are shared.
        classifier_activation: Activation of `predictions`. Defaults to none:
            the outputs are logits.
        head: `"published"` (default): mean over persons, time and joints,
            dense layer. Or `"linear"`, which normalizes between the two.
        blocks: `"base"` (default) or `"large"`, whose last three blocks are
            twice as wide; or for each block its width, in multiples of
            `hidden_dim`, and its stride over time.
        bones: `"published"` (default) or `"skeleton"`: the edges of the graph
            of the body, see `body_edges`. The weights bring the graph along.
        num_virtual_joints: Virtual joints of each block. Defaults to 3.
        hidden_dim: Channels of the first blocks, a multiple of `num_heads`
            and of 4. Defaults to 128.
        num_heads: Graphs side by side, each with its share of the channels.
            Defaults to 8.
        num_neighbors: Hyper-edges that each joint belongs to. Defaults to 9.
        divergence_weight: Factor of the divergence loss. Defaults to 1.
        distinct_virtual_joints: Whether the virtual joints of a block start
            with different values. As published (`False`, the default) they
            start equal, where the gradient of the divergence is 0.
        dropout_rate: Dropout before the last layer. Defaults to 0.
        name: Name of the model.
        dtype: Data type policy of the layers.

    Input shape: `(N, M, T, V, C)`, metres.

    Raises:
        ValueError: If arguments contradict each other, the skeleton or the
            weights; the message says how to mend it.

    Example:

    >>> model = HyperGCN(input_shape=(1, 64, 20, 3), skeleton="nw_ucla",
    ...                  classes=10)
    >>> model(np.zeros((2, 1, 64, 20, 3))).shape
    (2, 10)

    Reference: Zhou et al., Adaptive Hyper-Graph Convolution Network for
    Skeleton-based Human Action Recognition with Virtual Connections, ICCV
    2025, arXiv 2411.14796; official code 6UOOON9/Hyper-GCN.
    """

    system = "hypergcn"
    # TensorFlow cannot run the choice of neighbours as JAX writes it.
    cannot_export = (("jax", "tf_saved_model"),)
    changeable = ("head", "dropout_rate")
    search_space = {
        "blocks": ["base", "large"],
        "hidden_dim": [64, 96, 128],
        "num_virtual_joints": [0, 1, 3, 5],
        "distinct_virtual_joints": [False, True],
        "num_neighbors": [5, 7, 9, 13],
        "divergence_weight": (0.0, 2.0),
        "dropout_rate": (0.0, 0.5),
    }
    recipes = {
        "training": {
            "optimizer": "sgd",
            "learning_rate": 0.05,
            "steps": (110, 120),
            "warmup_epochs": 5,
            "epochs": 140,
            "batch_size": 64,
            "weight_decay": 4e-4,
            "nesterov": True,
            "label_smoothing": 0.1,
            "interval": (0.5, 1.0),
            "augmentation": ({"class": "RandomRotation"},),
        },
    }
    tiny = {
        "input_shape": (1, 8, 20, 3),
        "skeleton": "kinect20",
        "hidden_dim": 8,
        "num_heads": 2,
        "num_neighbors": 3,
        "blocks": ((1, 1), (2, 2)),
    }

    @constructor
    def __init__(
        self,
        weights: PathLike | None = None,
        *,
        input_shape=(2, 64, 25, 3),
        skeleton: SkeletonLike = "ntu",
        classes=None,
        pooling=None,
        encoder=None,
        classifier_activation=None,
        head="published",
        blocks="base",
        bones="published",
        num_virtual_joints=3,
        hidden_dim=128,
        num_heads=8,
        num_neighbors=9,
        divergence_weight=1.0,
        distinct_virtual_joints=False,
        dropout_rate=0.0,
        name="hypergcn",
        dtype=None,
    ):
        """See the class."""

    @staticmethod
    def check(settings):
        if isinstance(settings["blocks"], str):
            check_choice("blocks", settings["blocks"], tuple(BLOCKS))
        stack.check_blocks(_plan(settings))
        heads, dim = settings["num_heads"], settings["hidden_dim"]
        if heads < 1 or dim < 1 or dim % heads or dim % 4:
            raise ValueError(
                "`hidden_dim` must be a multiple of `num_heads` and of the 4 "
                f"branches over time. Received hidden_dim={dim} and "
                f"num_heads={heads}."
            )
        if settings["num_virtual_joints"] < 0:
            raise ValueError(
                "`num_virtual_joints` must not be negative. Received "
                f"num_virtual_joints={settings['num_virtual_joints']}."
            )

    @staticmethod
    def encoder_graph(inputs, settings, skeleton, dtype):
        persons, _, joints, coordinates = settings["input_shape"]
        # The default of PyTorch's linear layer.
        limit = coordinates**-0.5
        uniform = keras.initializers.RandomUniform(-limit, limit)
        x = keras.layers.Dense(
            settings["hidden_dim"],
            kernel_initializer=uniform,
            bias_initializer=uniform.clone(),
            name="joint_embedding",
            dtype=dtype,
        )(inputs)
        x = JointPositions(name="position_embedding", dtype=dtype)(x)
        x = ops.tanh(x)
        x = layers.PersonNormalization(name="input_norm", dtype=dtype)(x)
        x = layers.FoldPersons(name="fold_persons", dtype=dtype)(x)
        for i, block in enumerate(_blocks(settings, skeleton, dtype)):
            if i % 3 == 0:
                x = first = block(x)
            elif i % 3 == 1:
                x = block(x)
            else:
                x = block(x + first)
        return layers.TokenGrid(
            persons, x.shape[1], joints, name="features", dtype=dtype
        )(x)

    @staticmethod
    def head_graph(features, settings, skeleton, classes, activation, dtype):
        return stack.logits(
            features,
            classes,
            activation=activation,
            dropout_rate=settings["dropout_rate"],
            dtype=dtype,
        )

    @property
    def blocks(self):
        """The blocks, first to last."""
        count = len(_plan(self.settings))
        return [self.get_layer(f"block_{i}") for i in range(count)]


@keras.saving.register_keras_serializable(package="keras_skeleton")
class JointPositions(keras.layers.Layer):
    """Adds a learned embedding of the joint.

    Input and output shape: `(..., V, D)`.
    """

    def build(self, input_shape):
        self.embedding = self.add_weight(
            name="embedding",
            shape=(1, *input_shape[-2:]),
            initializer=keras.initializers.RandomNormal(stddev=1.0),
        )

    def call(self, inputs):
        return inputs + self.embedding[0]


def _plan(settings):
    """Width and stride of each block."""
    blocks = settings["blocks"]
    return BLOCKS[blocks] if isinstance(blocks, str) else blocks


def _blocks(settings, skeleton, dtype):
    num_virtual = settings["num_virtual_joints"]
    graph = layers.virtual_joint_graph(
        skeleton.num_joints,
        body_edges(skeleton, settings["bones"]),
        num_virtual,
    )
    plan = _plan(settings)
    for i, (width, stride) in enumerate(plan):
        convolution = layers.HyperGraphConvolution(
            width * settings["hidden_dim"],
            graph,
            num_virtual,
            num_heads=settings["num_heads"],
            num_neighbors=settings["num_neighbors"],
            divergence_weight=settings["divergence_weight"] / len(plan),
            distinct_virtual_joints=settings["distinct_virtual_joints"],
            name="graph_convolution",
            dtype=dtype,
        )
        yield layers.SpatioTemporalBlock(
            convolution,
            stride=stride,
            padding="edge",
            name=f"block_{i}",
            dtype=dtype,
        )


preprocess_input, decode_predictions = conventions("hypergcn", num_frames=64)
