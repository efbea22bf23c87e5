"""CTR-GCN: graph convolutions whose graphs differ by channel and clip."""

import keras
import numpy as np

from keras_skeleton import layers
from keras_skeleton._types import PathLike
from keras_skeleton.applications._application import Application
from keras_skeleton.applications._application import check_choice
from keras_skeleton.applications._application import constructor
from keras_skeleton.applications._conventions import conventions
from keras_skeleton.layers.graph import stack
from keras_skeleton.layers.graph.skeleton_graphs import body_edges
from keras_skeleton.skeletons.skeleton import SkeletonLike

# Width of each block in multiples of `hidden_dim`, and its stride.
BLOCKS = (
    *4 * ((1, 1),),
    (2, 2),
    *2 * ((2, 1),),
    (4, 2),
    *2 * ((4, 1),),
)

# Factors of the logits of the streams in the published fusions.
FUSION_WEIGHTS = {
    ("joint", "bone", "joint_motion", "bone_motion"): (0.6, 0.6, 0.4, 0.4),
    ("joint", "bone", "joint_motion"): (0.6, 0.6, 0.4),
    ("joint", "bone"): (1.0, 1.0),
}


@keras.saving.register_keras_serializable(package="keras_skeleton")
class CTRGCN(Application):
    """CTR-GCN: encoder, or classifier with a head.

    The coordinates are normalized for each person, joint and axis and pass
    through ten blocks (`keras_skeleton.layers.SpatioTemporalBlock`): graph
    convolutions over three graphs of the body, which are learned and refined
    for each clip and channel, and convolutions over time at several scales.
    The fifth and the eighth block halve the frames and double the channels.
    Persons meet only in the head, as means; absent persons (all zero) take
    part like the others, as in the published code.

    The encoder ends in the layer `features` of shape `(N, M, T', V, D)` with
    `T' = ceil(T / 4)` (rounded up at each halving) and `D` 4 times
    `hidden_dim`, or after `pooling` in `(N, D)`. The classifier ends in the
    layer `predictions`.

    With `baseline=True` it is the network that the authors compare with: in
    each block three learned graphs for all clips and channels, which begin as
    the joints themselves, and one convolution over time
    (`keras_skeleton.layers.GraphConvolution`).

    With `form="pyskl"` it is the network of PYSKL and BRL, from whose weights
    it differs otherwise: each graph begins turned over, of the bones that
    PYSKL gives the layout (`layers.graph.skeleton_graphs.body_edges`); a ReLU
    follows the convolutions over time before the residual is added; joints
    are compared in 8 channels in blocks of up to 16; and the head begins with
    smaller numbers.

    One model sees one stream: joints, bones, or the motion of either
    (`keras_skeleton.layers.augmentation.Streams`). The published results add
    the logits of four models (`FUSION_WEIGHTS`, and
    `keras_skeleton.evaluation.fuse_scores`).

    Architecture arguments that are left out are taken from `weights` or from
    `encoder`, and else have the published values, the defaults below.

    `weights` of the authors are `"<protocol>_<stream>"` with the protocol
    `ntu60_xsub` or `ntu120_xsub` and the stream `joint`, `bone`,
    `joint_motion` or `bone_motion`. They lie behind a share page: the error
    of the first call says which file to fetch and which command installs it.
    Publications state the accuracy of the four streams together.

    `"brl_<protocol>_<stream>"` with the protocol `ntu60_xsub` or `ntu60_xview`
    and these streams, `skip` or `skip_motion`, are those that `BRL` trained on
    long-tailed data, in the form of PYSKL.

    `"nw_ucla"` (joints), `"nw_ucla_bone"`, `"nw_ucla_joint_motion"` and
    `"nw_ucla_bone_motion"` come with this package, trained by us on views 1
    and 2 of NW-UCLA with one seed. The joints were trained first with the
    published recipe, shortened, then, with test scores of 91.2 and 89.2 % in
    sight, with Hyper-GCN's (label smoothing, more weight decay, dropped axes
    and joints), and, with 91.6 and 90.0 % in sight, with it again. The others
    were trained with Hyper-GCN's: bones and joint motion from the weights that
    the joints had before the last training, bone motion from those of the
    bones; then, with 93.3 to 93.5 and 91.9 % for all four together in sight,
    each again from its own. Top-1 accuracy in percent, and in brackets
    without the test clips that are copies of training clips:

    | `CTRGCN` | data | supervised | fused | from |
    |---|---|---|---|---|
    | `ntu60_xsub_<stream>` | NTU-60 X-sub | | 92.4 | authors |
    | `ntu120_xsub_<stream>` | NTU-120 X-sub | | 88.9 | authors |
    | `brl_ntu60_xsub_<stream>` | NTU-60 X-sub | 72.9-77.3 | 81.8 | authors |
    | `brl_ntu60_xview_<stream>` | NTU-60 X-view | 75.9-80.7 | 85.0 | authors |
    | `nw_ucla` | NW-UCLA X-view | 92.9 (91.1) | 94.4 (93.0) | us |
    | `nw_ucla_bone` | NW-UCLA X-view | 90.7 (88.9) | 94.4 (93.0) | us |
    | `nw_ucla_bone_motion` | NW-UCLA X-view | 88.8 (86.2) | 94.4 (93.0) | us |
    | `nw_ucla_joint_motion` | NW-UCLA X-view | 90.7 (90.2) | 94.4 (93.0) | us |

    Their clips are those that `Center(joint=1)`, `MinMaxNormalization()`,
    `RandomFrames(52)` and, but for joints, `Streams("nw_ucla", streams=...)`
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
        encoder: A built CTRGCN encoder to put a head on. Layers and
            variables are shared.
        classifier_activation: Activation of `predictions`. Defaults to none:
            the outputs are logits.
        head: `"published"` (default): mean over persons, time and joints,
            dense layer. Or `"linear"`, which normalizes between the two.
        hidden_dim: Channels of the first blocks, a multiple of 4. Defaults
            to 64.
        blocks: For each block its width, in multiples of `hidden_dim`, and
            its stride over time. Defaults to `BLOCKS`, the ten published
            ones.
        adaptive: Whether the graphs themselves are trained, beside their
            refinement. Defaults to `True`. Those of the baseline, if not
            trained, let no joint receive from another.
        baseline: Whether to build the authors' baseline. Defaults to
            `False`.
        form: `"published"` (default) or `"pyskl"`, see above.
        dropout_rate: Dropout before the last layer. Defaults to 0.
        name: Name of the model.
        dtype: Data type policy of the layers.

    Input shape: `(N, M, T, V, C)`, metres.

    Raises:
        ValueError: If arguments contradict each other, the skeleton or the
            weights; the message says how to mend it.

    Example:

    >>> model = CTRGCN(input_shape=(1, 52, 20, 3), skeleton="nw_ucla",
    ...                classes=10)
    >>> model(np.zeros((2, 1, 52, 20, 3))).shape
    (2, 10)

    Reference: Chen et al., Channel-wise Topology Refinement Graph
    Convolution for Skeleton-Based Action Recognition, ICCV 2021,
    arXiv 2107.12213; official code Uason-Chen/CTR-GCN.
    """

    system = "ctrgcn"
    changeable = ("head", "dropout_rate")
    search_space = {
        "hidden_dim": [32, 48, 64, 96],
        "adaptive": [True, False],
        "dropout_rate": (0.0, 0.5),
    }
    # Of NTU RGB+D; NW-UCLA takes batches of 16, steps (50,) and decays 1e-4.
    recipes = {
        "training": {
            "optimizer": "sgd",
            "learning_rate": 0.1,
            "steps": (35, 55),
            "warmup_epochs": 5,
            "epochs": 65,
            "batch_size": 64,
            "weight_decay": 4e-4,
            "nesterov": True,
            "label_smoothing": 0.0,
            "interval": (0.5, 1.0),
            "augmentation": ({"class": "RandomRotation"},),
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
        input_shape=(2, 64, 25, 3),
        skeleton: SkeletonLike = "ntu",
        classes=None,
        pooling=None,
        encoder=None,
        classifier_activation=None,
        head="published",
        hidden_dim=64,
        blocks=BLOCKS,
        adaptive=True,
        baseline=False,
        form="published",
        dropout_rate=0.0,
        name="ctrgcn",
        dtype=None,
    ):
        """See the class."""

    @staticmethod
    def check(settings):
        stack.check_width(settings["hidden_dim"])
        stack.check_blocks(settings["blocks"])
        check_choice("form", settings["form"], ("published", "pyskl"))
        if settings["baseline"] and settings["form"] == "pyskl":
            raise ValueError(
                "PYSKL has no baseline of CTR-GCN. Received baseline=True and "
                "form='pyskl': leave one of them out."
            )

    @staticmethod
    def encoder_graph(inputs, settings, skeleton, dtype):
        joints, small = skeleton.num_joints, (9,)
        is_pyskl = settings["form"] == "pyskl"
        if settings["baseline"]:
            graph = np.stack(3 * [np.eye(joints)])
        elif is_pyskl:
            graph = layers.spatial_graph(joints, body_edges(skeleton))
            graph, small = graph.transpose(0, 2, 1), range(8, 17)
        else:
            graph = layers.spatial_graph(joints, skeleton.edges)
        return stack.features(
            inputs,
            graph,
            settings["blocks"],
            settings["hidden_dim"],
            small=small,
            adaptive=settings["adaptive"],
            refined=not settings["baseline"],
            relu=is_pyskl,
            dtype=dtype,
        )

    @staticmethod
    def head_graph(features, settings, skeleton, classes, activation, dtype):
        return stack.logits(
            features,
            classes,
            activation=activation,
            dropout_rate=settings["dropout_rate"],
            stddev=0.01 if settings["form"] == "pyskl" else None,
            dtype=dtype,
        )

    @property
    def blocks(self):
        """The blocks, first to last."""
        count = len(self.settings["blocks"])
        return [self.get_layer(f"block_{i}") for i in range(count)]


preprocess_input, decode_predictions = conventions("ctrgcn", num_frames=64)
