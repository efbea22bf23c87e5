"""ST-GCN in the thin form that contrastive pre-training uses."""

import keras

from keras_skeleton import layers
from keras_skeleton._types import PathLike
from keras_skeleton.applications._application import constructor
from keras_skeleton.applications._block_network import BlockNetwork
from keras_skeleton.applications._conventions import conventions
from keras_skeleton.layers.graph import stack
from keras_skeleton.skeletons.skeleton import SkeletonLike

# Width in multiples of `hidden_dim`, and stride over time; a block of
# `output_dim` channels follows.
BLOCKS = (
    (1, 1),
    (1, 1),
    (1, 1),
    (1, 1),
    (2, 2),
    (2, 1),
    (2, 1),
    (4, 2),
    (4, 1),
)

initializer = keras.initializers.RandomNormal


@keras.saving.register_keras_serializable(package="keras_skeleton")
class STGCN(BlockNetwork):
    """Graph network over fixed parts of the neighbourhood of each joint.

    The network that SkeletonCLR, AimCLR, HiCLR and MS-CLR train without
    labels: ST-GCN with a quarter of its channels and a wide last block. Each
    block receives along three graphs (`layers.partition_graph`), whose edges
    it weights by learned importance, and then looks over 9 frames. Persons
    share everything, the statistics of the input normalization too.

    The encoder ends in the feature map `(N, M, T', V, D)` of the layer
    `features`, `T'` being a quarter of the frames, rounded up twice, and `D`
    `output_dim`; after `pooling` in `(N, D)`, where absent persons count as
    any other, as published. The classifier ends in the layer `predictions`.

    The graphs part the neighbours by their distance to the root of the
    skeleton's tree (the shoulder centre of Kinect), as published.

    Kernels begin as normal numbers with deviation 0.02, as in the
    pre-training of these systems; of their normalizations' scales, which
    begin as normal numbers around 1 there, ours are 1.

    `weights` of PYSKL are those of the original, wide form, trained with
    labels: `"<protocol>_<stream>"` with the protocol `ntu60_xsub`,
    `ntu60_xview`, `ntu120_xsub` or `ntu120_xset` and the stream `joint`,
    `bone`, `joint_motion` or `bone_motion`. They are fetched at the first use.
    Top-1 accuracy in percent:

    | `STGCN` | data | supervised | fused | from |
    |---|---|---|---|---|
    | `ntu60_xsub_<stream>` | NTU-60 X-sub | 85.8-88.6 | 90.7 | authors |
    | `ntu60_xview_<stream>` | NTU-60 X-view | 92.8-95.5 | 96.5 | authors |
    | `ntu120_xsub_<stream>` | NTU-120 X-sub | 80.3-83.7 | 86.2 | authors |
    | `ntu120_xset_<stream>` | NTU-120 X-set | 82.7-85.8 | 88.4 | authors |

    Args:
        weights: `None` (random), a registered name, a path, or an `hf://` or
            `https://` address. Systems that train this network have weights
            of their own.
        input_shape: `(M, T, V, C)`: persons, frames, joints, coordinates.
            Defaults to `(2, 50, 25, 3)`. Weights fit any `M` and `T`.
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
        hidden_dim: Channels of the first blocks. Defaults to 16; 64 is the
            original ST-GCN.
        output_dim: Channels of the last block. Defaults to 256. `None`
            leaves that block out.
        blocks: For each block but the last its width, in multiples of
            `hidden_dim`, and its stride over time. Defaults to `BLOCKS`, the
            nine published ones.
        kernel_size: Frames in the kernels over time. Defaults to 9.
        dropout_rate: Dropout at the end of each block but the first. Defaults
            to 0.5.
        name: Name of the model.
        dtype: Data type policy of the layers.

    Input shape: `(N, M, T, V, C)`, metres.

    Raises:
        ValueError: If arguments contradict each other, the skeleton or the
            weights; the message says how to mend it.

    Example:

    >>> encoder = STGCN(input_shape=(1, 50, 20, 3), skeleton="nw_ucla")
    >>> encoder(np.zeros((2, 1, 50, 20, 3))).shape
    (2, 1, 13, 20, 256)

    Reference: Yan et al., Spatial Temporal Graph Convolutional Networks for
    Skeleton-Based Action Recognition, AAAI 2018, arXiv 1801.07455; in the
    form of the code of JHang2020/HiCLR and Levigty/AimCLR.
    """

    system = "stgcn"
    search_space = {
        "hidden_dim": [16, 32, 64],
        "output_dim": [128, 256],
        "kernel_size": [5, 9, 13],
        "dropout_rate": (0.0, 0.5),
    }
    # Those of HiCLR.
    recipes = {
        "linear": {
            "learning_rate": 3.0,
            "steps": (80,),
            "epochs": 100,
            "batch_size": 128,
            "normalize": False,
            "head_stddev": 0.02,
        },
        "finetune": {
            "optimizer": "sgd",
            "learning_rate": 0.1,
            "steps": (29, 54),
            "epochs": 70,
            "batch_size": 64,
            "weight_decay": 1e-4,
            "nesterov": True,
            "label_smoothing": 0.0,
        },
        "semi": {
            "optimizer": "sgd",
            "learning_rate": 0.1,
            "steps": (19, 39),
            "epochs": 60,
            "batch_size": 64,
            "weight_decay": 1e-4,
            "nesterov": True,
            "label_smoothing": 0.0,
        },
    }
    tiny = {
        "input_shape": (1, 8, 20, 3),
        "skeleton": "kinect20",
        "hidden_dim": 4,
        "output_dim": 8,
        "blocks": ((1, 1), (2, 2)),
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
        hidden_dim=16,
        output_dim: int | None = 256,
        blocks=BLOCKS,
        kernel_size=9,
        dropout_rate=0.5,
        name="stgcn",
        dtype=None,
    ):
        """See the class."""

    @staticmethod
    def check(settings):
        stack.check_blocks(settings["blocks"], whole=False)
        if settings["kernel_size"] % 2 == 0:
            raise ValueError(
                "`kernel_size` must be an odd number of frames. Received "
                f"kernel_size={settings['kernel_size']}."
            )

    @staticmethod
    def plan(settings):
        """Channels and stride of each block."""
        plan = [
            # Rounding must not take a channel away.
            (int(width * settings["hidden_dim"] + 1e-4), stride)
            for width, stride in settings["blocks"]
        ]
        last = settings["output_dim"]
        return plan if last is None else [*plan, (last, 1)]

    @classmethod
    def encoder_graph(cls, inputs, settings, skeleton, dtype):
        blocks = []
        for i, (filters, stride) in enumerate(cls.plan(settings)):
            block = cls.block(
                settings,
                skeleton,
                filters,
                stride,
                residual=i > 0,
                dropout_rate=settings["dropout_rate"] if i > 0 else 0.0,
                name=f"block_{i}",
                dtype=dtype,
            )
            blocks.append(block)
        norm = cls.input_norm(
            settings, skeleton, name="input_norm", dtype=dtype
        )
        return cls._features(inputs, norm, blocks, dtype)

    @classmethod
    def block(cls, settings, skeleton, filters, stride, **arguments):
        """One block."""
        convolution = cls.graph_convolution(
            settings,
            skeleton,
            filters=filters,
            kernel_initializer=initializer(stddev=0.02),
            name="graph_convolution",
            dtype=arguments["dtype"],
        )
        return layers.SpatioTemporalBlock(
            convolution,
            stride=stride,
            multi_scale=False,
            kernel_size=settings["kernel_size"],
            kernel_initializer=initializer(stddev=0.02),
            **arguments,
        )

    @staticmethod
    def graph_convolution(settings, skeleton, **arguments):
        """The graph convolution of a block."""
        graph = layers.partition_graph(
            skeleton.num_joints, skeleton.edges, skeleton.root
        )
        return layers.PartitionGraphConvolution(graph=graph, **arguments)

    @staticmethod
    def input_norm(settings, skeleton, **arguments):
        """The normalization of the clips."""
        return layers.PersonNormalization(shared=True, **arguments)

    @staticmethod
    def _features(clips, norm, blocks, dtype, dropout_rate=None, **options):
        x = norm(clips)
        x = layers.FoldPersons(name="fold_persons", dtype=dtype)(x)
        for i, block in enumerate(blocks):
            rate = dropout_rate if i > 0 else None
            x = block(x, dropout_rate=rate, **options)
        return layers.TokenGrid(
            clips.shape[1], x.shape[1], x.shape[2], name="features", dtype=dtype
        )(x)

    def features_again(self, **options):
        norm = self.get_layer("input_norm")
        dtype = self.dtype_policy
        return self._features(self.input, norm, self.blocks, dtype, **options)

    @property
    def blocks(self):
        """The blocks, first to last."""
        count = len(self.plan(self.settings))
        return [self.get_layer(f"block_{i}") for i in range(count)]


preprocess_input, decode_predictions = conventions("stgcn", num_frames=50)
