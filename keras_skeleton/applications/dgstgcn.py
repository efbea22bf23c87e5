"""DG-STGCN: graphs that are learned without the body and differ by clip."""

import keras
from keras import ops

from keras_skeleton import layers
from keras_skeleton._types import PathLike
from keras_skeleton.applications._application import constructor
from keras_skeleton.applications._conventions import conventions
from keras_skeleton.applications.stgcnpp import BLOCKS
from keras_skeleton.applications.stgcnpp import FUSION_WEIGHTS as FUSION_WEIGHTS
from keras_skeleton.applications.stgcnpp import STGCNPlusPlus
from keras_skeleton.skeletons.skeleton import SkeletonLike


@keras.saving.register_keras_serializable(package="keras_skeleton")
class DGSTGCN(STGCNPlusPlus):
    """DG-STGCN of PYSKL: encoder, or classifier with a head.

    The coordinates are normalized for each joint and axis, all persons alike,
    and pass through ten blocks. In a block every joint receives along
    learned graphs, which begin as random numbers and to which each clip adds
    how its joints differ, and agree (`layers.DynamicGraphConvolution`); then
    six branches look over time, with the mean of all joints as one joint more
    (`layers.MixedTemporalConvolution`). The fifth and the eighth block halve
    the frames and double the channels. Persons meet only in the head, as
    means; absent persons (all zero) take part like the others, as published.

    Of the skeleton only the number of joints counts.

    The encoder ends in the feature map `(N, M, T', V, D)` of the layer
    `features`, with `T' = ceil(T / 4)` (rounded up at each halving) and `D` 4
    times `hidden_dim`, or after `pooling` in `(N, D)`. The classifier ends in
    the layer `predictions`.

    It is the backbone of `ACLNet`. One model sees one stream; scores of
    several are added (`FUSION_WEIGHTS`). Graphs begin with other numbers in
    each block; in the published code with the same in all.

    `weights` of PYSKL are `"<protocol>_3d_<stream>"`: protocol `ntu60_xsub`,
    `ntu60_xview`, `ntu120_xsub` or `ntu120_xset`; stream `joint`, `bone`,
    `joint_motion` or `bone_motion`. They are fetched at the first use. Top-1
    accuracy in percent:

    | `DGSTGCN` | data | supervised | fused | from |
    |---|---|---|---|---|
    | `ntu60_xsub_<stream>` | NTU-60 X-sub | 88.1-91.6 | 93.2 | authors |
    | `ntu60_xview_<stream>` | NTU-60 X-view | 94.3-96.7 | 97.5 | authors |
    | `ntu120_xsub_<stream>` | NTU-120 X-sub | 82.9-88.0 | 89.6 | authors |
    | `ntu120_xset_<stream>` | NTU-120 X-set | 85.7-89.8 | 91.3 | authors |

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
        hidden_dim: Channels of the first blocks, a multiple of `num_graphs`,
            and at least one for each of the 6 branches over time. Defaults to
            64.
        blocks: For each block its width, in multiples of `hidden_dim`, and
            its stride over time. Defaults to `BLOCKS`, the ten published
            ones.
        num_graphs: Graphs of each block, which share its channels. Defaults
            to 8.
        graph_ratio: Channels of each graph, as a share of those of the block;
            one over `num_graphs` where none is given. Defaults to `None`.
        dropout_rate: Dropout at the end of each block but the first. Defaults
            to 0.
        name: Name of the model.
        dtype: Data type policy of the layers.

    Input shape: `(N, M, T, V, C)`, metres.

    Raises:
        ValueError: If arguments contradict each other, the skeleton or the
            weights; the message says how to mend it.

    Example:

    >>> model = DGSTGCN(input_shape=(1, 64, 20, 3), skeleton="nw_ucla",
    ...                 classes=10)
    >>> model(np.zeros((2, 1, 64, 20, 3))).shape
    (2, 10)

    Reference: Duan et al., DG-STGCN: Dynamic Spatial-Temporal Modeling for
    Skeleton-based Action Recognition, 2022, arXiv 2210.05895; official code
    kennymckormick/pyskl.
    """

    system = "dgstgcn"
    mean_joint = True
    search_space = {
        "hidden_dim": [32, 48, 64, 96],
        "num_graphs": [4, 8, 16],
        "graph_ratio": [0.125, 0.25],
        "dropout_rate": (0.0, 0.5),
    }
    recipes = {
        "training": {
            "optimizer": "sgd",
            "learning_rate": 0.1,
            "minimum": 0.0,
            "warmup_epochs": 0,
            "epochs": 150,
            "batch_size": 64,
            "weight_decay": 5e-4,
            "nesterov": True,
            "label_smoothing": 0.0,
            "augmentation": (
                {"class": "RandomRotation", "config": {"max_angle": 0.2}},
            ),
        },
    }
    tiny = {
        "input_shape": (1, 8, 20, 3),
        "skeleton": "kinect20",
        "hidden_dim": 8,
        "num_graphs": 4,
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
        num_graphs=8,
        graph_ratio=None,
        dropout_rate=0.0,
        name="dgstgcn",
        dtype=None,
    ):
        """See the class."""

    @staticmethod
    def check(settings):
        STGCNPlusPlus.check(settings)
        dim, graphs = settings["hidden_dim"], settings["num_graphs"]
        ratio = settings["graph_ratio"]
        if ratio is not None and not 1 <= ratio * dim <= dim:
            raise ValueError(
                "`graph_ratio` must be a share of `hidden_dim` that gives a "
                f"graph at least one channel. Received graph_ratio={ratio} "
                f"and hidden_dim={dim}."
            )
        if graphs < 1 or (ratio is None and dim % graphs):
            raise ValueError(
                "`hidden_dim` must be a multiple of `num_graphs`. Received "
                f"hidden_dim={dim} and num_graphs={graphs}."
            )

    @staticmethod
    def graph_convolution(settings, skeleton, **arguments):
        ratio = settings["graph_ratio"]
        return layers.DynamicGraphConvolution(
            num_graphs=settings["num_graphs"],
            graph_filters=ratio and int(ratio * arguments["filters"]),
            **arguments,
        )

    def graph_features(self, inputs):
        """What each clip adds to the graphs of the last block.

        Args:
            inputs: What goes into the last block, `(N M, T', V, D)`, such as
                a symbolic `model.blocks[-1].input`.

        Returns:
            Tensor `(N, V V)`, the mean over channels and persons, the sending
            joint being the one that changes last but one. All 0 at first.
        """
        graphs = self.blocks[-1].graph_convolution.clip_graphs(inputs)
        joints = inputs.shape[2]
        graphs = ops.reshape(
            ops.mean(graphs, axis=(1, 2)),
            (-1, self.settings["input_shape"][0], joints * joints),
        )
        return ops.mean(graphs, axis=1)


preprocess_input, decode_predictions = conventions("dgstgcn", num_frames=100)
