"""ST-GCN++: learned graphs, and branches over time that are mixed."""

import keras

from keras_skeleton import layers
from keras_skeleton._types import PathLike
from keras_skeleton.applications._application import constructor
from keras_skeleton.applications._conventions import conventions
from keras_skeleton.applications.stgcn import STGCN
from keras_skeleton.layers.graph import stack
from keras_skeleton.layers.graph.skeleton_graphs import body_edges
from keras_skeleton.layers.mixed_temporal import uniform_initializer
from keras_skeleton.skeletons.skeleton import SkeletonLike

# Width of each block in multiples of `hidden_dim`, and its stride.
BLOCKS = (
    *4 * ((1, 1),),
    (2, 2),
    *2 * ((2, 1),),
    (4, 2),
    *2 * ((4, 1),),
)
NUM_BRANCHES = 6
# Factors of the scores (after softmax) of the streams in published fusions.
FUSION_WEIGHTS = {
    ("joint", "bone", "joint_motion", "bone_motion"): (2.0, 2.0, 1.0, 1.0),
    ("joint", "bone"): (1.0, 1.0),
}


@keras.saving.register_keras_serializable(package="keras_skeleton")
class STGCNPlusPlus(STGCN):
    """ST-GCN++ of PYSKL: encoder, or classifier with a head.

    The coordinates are normalized for each joint and axis, all persons alike,
    and pass through ten blocks. In a block every joint receives along three
    graphs (itself, inward, outward) that begin as those of the body and are
    learned as they are (`layers.PartitionGraphConvolution`); then six
    branches look over time, four of them at different distances, and are
    mixed (`layers.MixedTemporalConvolution`). The fifth and the eighth block
    halve the frames and double the channels. Persons meet only in the head,
    as means; absent persons (all zero) take part like the others, as
    published.

    The encoder ends in the feature map `(N, M, T', V, D)` of the layer
    `features`, with `T' = ceil(T / 4)` (rounded up at each halving) and `D` 4
    times `hidden_dim`, or after `pooling` in `(N, D)`. The classifier ends in
    the layer `predictions`.

    It is the backbone of `BRL`, and with four channels that of FineTec. One
    model sees one stream; scores of several are added (`FUSION_WEIGHTS`).

    In the published graph of the body, kept here, a joint of the "inward"
    graph receives from its parent; since graphs are learned, only the first
    steps depend on it.

    `weights` of PYSKL are `"<protocol>_<stream>"`: protocol `ntu60_xsub`,
    `ntu60_xview`, `ntu120_xsub` or `ntu120_xset`; stream `joint`, `bone`,
    `joint_motion` or `bone_motion`. With `aug_` in front, they were
    trained with scaled and turned clips; with `2d_`, on joints in the
    image and their scores (layout `coco17`). They are fetched at the first
    use. Those that `BRL` trained on long-tailed data, `brl_`, also have the
    streams `skip` and `skip_motion`, and lie behind a share page.

    `"penn"` comes with this package, for what any 2D pose estimator finds: six
    narrow blocks, trained by us with one seed on four fifths of Penn Action's
    training clips, whose labelled joints got errors like an estimator's
    (`benchmarks/train_penn.py`). It takes the layout `penn13` in any pixels
    with a score (`skeletons.mapping` makes it of `coco17`, `mediapipe33` and
    others; which side is called the left does not matter), whole clips or
    windows of them, after `preprocess_input(clips, weights="penn")`. Of the
    1,068 test clips it recognizes 1,042 as labelled, 1,038 with such errors,
    1,041 with the sides exchanged, and 977 by a random half of their frames.

    Top-1 accuracy in percent:

    | `STGCNPlusPlus` | data | supervised | fused | from |
    |---|---|---|---|---|
    | `ntu60_xsub_<stream>` | NTU-60 X-sub | 87.3-90.1 | 92.1 | authors |
    | `2d_ntu60_xsub_<stream>` | NTU 2D X-sub | 84.0-92.3 | 93.2 | authors |
    | `ntu60_xview_<stream>` | NTU-60 X-view | 93.8-95.6 | 97.0 | authors |
    | `2d_ntu60_xview_<stream>` | NTU 2D X-view | 93.4-97.4 | 98.5 | authors |
    | `ntu120_xsub_<stream>` | NTU-120 X-sub | 80.4-85.6 | 87.5 | authors |
    | `2d_ntu120_xsub_<stream>` | NTU 2D X-sub | 76.4-84.8 | 86.4 | authors |
    | `ntu120_xset_<stream>` | NTU-120 X-set | 83.0-87.5 | 89.8 | authors |
    | `2d_ntu120_xset_<stream>` | NTU 2D X-set | 82.6-88.5 | 90.3 | authors |
    | `aug_ntu60_xsub_<stream>` | NTU-60 X-sub | 87.8-90.8 | 92.6 | authors |
    | `aug_ntu60_xview_<stream>` | NTU-60 X-view | 93.7-96.6 | 97.4 | authors |
    | `aug_ntu120_xsub_<stream>` | NTU-120 X-sub | 81.9-87.0 | 88.6 | authors |
    | `aug_ntu120_xset_<stream>` | NTU-120 X-set | 84.4-88.3 | 90.8 | authors |
    | `brl_ntu60_xsub_<stream>` | NTU-60 X-sub | 72.8-77.7 | 81.8 | authors |
    | `brl_ntu60_xview_<stream>` | NTU-60 X-view | 76.2-81.4 | 85.4 | authors |
    | `brl_ntu120_xsub_<stream>` | NTU-120 X-sub | 59.6-65.3 | 69.7 | authors |
    | `brl_ntu120_xset_<stream>` | NTU-120 X-set | 61.6-66.8 | 71.3 | authors |
    | `penn` | Penn Action official | 97.6 | | us |

    Args:
        weights: `None` (random), a registered name, a path, or an `hf://` or
            `https://` address.
        input_shape: `(M, T, V, C)`: persons, frames, joints, coordinates.
            Defaults to `(2, 100, 25, 3)`. Weights fit any `M` and `T`.
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
        hidden_dim: Channels of the first blocks, at least one for each of the
            6 branches over time. Defaults to 64.
        blocks: For each block its width, in multiples of `hidden_dim`, whole
            or not, and its stride over time. Defaults to `BLOCKS`, the ten
            published ones.
        bones: `"published"` (default) or `"skeleton"`: the edges that the
            graphs begin with, see `layers.graph.skeleton_graphs.body_edges`.
        dropout_rate: Dropout at the end of each block but the first. Defaults
            to 0.
        name: Name of the model.
        dtype: Data type policy of the layers.

    Input shape: `(N, M, T, V, C)`, metres; in the image, coordinates from -1
    to 1 and the score.

    Raises:
        ValueError: If arguments contradict each other, the skeleton or the
            weights; the message says how to mend it.

    Example:

    >>> model = STGCNPlusPlus(input_shape=(1, 64, 20, 3), skeleton="nw_ucla",
    ...                       classes=10)
    >>> model(np.zeros((2, 1, 64, 20, 3))).shape
    (2, 10)

    Reference: Duan et al., PYSKL: Towards Good Practices for Skeleton Action
    Recognition, 2022, arXiv 2205.09443; official code kennymckormick/pyskl.
    """

    system = "stgcnpp"
    #: Whether the mean of the joints passes through the branches over time.
    mean_joint = False
    search_space = {
        "hidden_dim": [32, 48, 64, 96],
        "dropout_rate": (0.0, 0.5),
    }
    recipes = {
        "training": {
            "optimizer": "sgd",
            "learning_rate": 0.1,
            "minimum": 0.0,
            "warmup_epochs": 0,
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
        "hidden_dim": 8,
        "blocks": ((1, 1), (2, 2)),
    }

    @constructor
    def __init__(
        self,
        weights: PathLike | None = None,
        *,
        input_shape=(2, 100, 25, 3),
        skeleton: SkeletonLike = "ntu",
        classes=None,
        pooling=None,
        encoder=None,
        classifier_activation=None,
        head="published",
        hidden_dim=64,
        blocks=BLOCKS,
        bones="published",
        dropout_rate=0.0,
        name="stgcnpp",
        dtype=None,
    ):
        """See the class."""

    @staticmethod
    def check(settings):
        stack.check_blocks(settings["blocks"], whole=False)
        if settings["hidden_dim"] < NUM_BRANCHES:
            raise ValueError(
                f"`hidden_dim` must be at least {NUM_BRANCHES}, one channel "
                "for each branch over time. Received "
                f"hidden_dim={settings['hidden_dim']}."
            )

    @staticmethod
    def plan(settings):
        return [
            # Rounding must not take a channel away.
            (int(width * settings["hidden_dim"] + 1e-4), stride)
            for width, stride in settings["blocks"]
        ]

    @classmethod
    def block(cls, settings, skeleton, filters, stride, **arguments):
        dtype = arguments["dtype"]
        return layers.SpatioTemporalBlock(
            cls.graph_convolution(
                settings,
                skeleton,
                filters=filters,
                kernel_initializer=uniform_initializer(),
                name="graph_convolution",
                dtype=dtype,
            ),
            temporal_convolution=layers.MixedTemporalConvolution(
                filters,
                stride=stride,
                mean_joint=cls.mean_joint,
                name="temporal_convolution",
                dtype=dtype,
            ),
            kernel_initializer=uniform_initializer(),
            **arguments,
        )

    @staticmethod
    def graph_convolution(settings, skeleton, **arguments):
        edges = body_edges(skeleton, settings["bones"])
        # The published sum is over the receivers of the original graph.
        graph = layers.spatial_graph(skeleton.num_joints, edges)
        graph = graph.transpose(0, 2, 1)
        return layers.PartitionGraphConvolution(
            graph=graph,
            importance=False,
            adaptive=True,
            residual=True,
            **arguments,
        )

    @classmethod
    def head_graph(
        cls, features, settings, skeleton, classes, activation, dtype
    ):
        return keras.layers.Dense(
            classes,
            activation=activation,
            kernel_initializer=keras.initializers.RandomNormal(stddev=0.01),
            name="predictions",
            # The loss needs full precision whatever the layers compute in.
            dtype="float32",
        )(cls.pooled(features, dtype=dtype))


preprocess_input, decode_predictions = conventions("stgcnpp", num_frames=100)
