"""3D deformable transformer: attention to what matters in space and time."""

import keras
from keras import ops

from keras_skeleton import _graph
from keras_skeleton import layers
from keras_skeleton._types import PathLike
from keras_skeleton.applications import _deformable
from keras_skeleton.applications import _video_input
from keras_skeleton.applications._application import Application
from keras_skeleton.applications._application import check_number
from keras_skeleton.applications._application import constructor
from keras_skeleton.applications._conventions import conventions
from keras_skeleton.applications._volumes import residual_volumes
from keras_skeleton.layers import augmentation
from keras_skeleton.skeletons.skeleton import SkeletonLike

# Channels of each stage, and its strides over frames and over pixels.
STAGES = ((64, 1, 2), (128, 2, 2), (256, 1, 2))


@keras.saving.register_keras_serializable(package="keras_skeleton")
class GridPosition(keras.layers.Layer):
    """Adds a learned embedding of the place in the picture and of the time.

    Input and output shape: `(N, T, H, W, C)`.
    """

    def build(self, input_shape):
        _, frames, height, width, channels = input_shape
        normal = keras.initializers.RandomNormal
        self.space = self.add_weight(
            name="space",
            shape=(height, width, channels),
            initializer=normal(stddev=0.02),
        )
        self.time = self.add_weight(
            name="time",
            shape=(frames, 1, 1, channels),
            initializer=normal(stddev=0.02),
        )

    def call(self, inputs):
        return inputs + self.space + self.time

    def compute_output_shape(self, input_shape):
        return input_shape


@keras.saving.register_keras_serializable(package="keras_skeleton")
class PoseTokens(keras.layers.Layer):
    """What the video shows at the joints, and where the joints are.

    With the pictures `m` of a joint in the frames that belong to one of the
    grid, its token is the sum of

    - what is at its place, `sum(m * z) / (sum(m) + 1e-6)` over places, `m`
      averaged over those frames;
    - where it is, a linear map of all numbers of `m`, in the order of the
      frames;
    - an embedding of the joint and one of the time.

    All of it is a choice. The linear map makes the pose a modality of its
    own: without it the place of a joint shows only through the embedding of
    places in `z`, behind all that the video shows there.

    Call arguments:
        tokens: Tensor `(N, T, H, W, C)`.
        heatmaps: Tensor `(N, k T, H, W, V)`.

    Output shape: `(N, T, V, C)`.
    """

    def build(self, tokens_shape, heatmaps_shape):
        _, frames, height, width, channels = tokens_shape
        normal = keras.initializers.RandomNormal
        self.joint = self.add_weight(
            name="joint",
            shape=(heatmaps_shape[-1], channels),
            initializer=normal(stddev=0.02),
        )
        self.time = self.add_weight(
            name="time",
            shape=(frames, 1, channels),
            initializer=normal(stddev=0.02),
        )
        each = heatmaps_shape[1] // frames
        self.place = self.add_weight(
            name="place",
            shape=(each * height * width, channels),
            initializer="glorot_normal",
        )

    def call(self, tokens, heatmaps):
        frames, height, width, _ = tokens.shape[1:]
        each, joints = heatmaps.shape[1] // frames, heatmaps.shape[-1]
        pixels = height * width
        maps = ops.reshape(heatmaps, (-1, frames, each * pixels, joints))
        maps = ops.swapaxes(maps, 2, 3)
        place = ops.matmul(maps, self.place)
        maps = ops.reshape(maps, (-1, frames, joints, each, pixels))
        maps = ops.mean(maps, axis=3)
        rows = ops.reshape(tokens, (-1, frames, pixels, tokens.shape[-1]))
        total = ops.matmul(maps, rows)
        weight = ops.sum(maps, axis=3)[..., None]
        # In half precision the small number would be 0, and joints outside
        # of the video no numbers.
        total, weight = (ops.cast(x, "float32") for x in (total, weight))
        shown = ops.cast(total / (weight + 1e-6), tokens.dtype)
        return shown + place + self.joint + self.time

    def compute_output_shape(self, tokens_shape, heatmaps_shape):
        return (*tokens_shape[:2], heatmaps_shape[-1], tokens_shape[-1])


@keras.saving.register_keras_serializable(package="keras_skeleton")
class CrossModalTokens(keras.layers.Layer):
    """Two learned tokens for each clip, one for the video and one for the pose.

    Input shape: `(N, T, H, W, C)`, of which the size is taken.

    Output shape: `(N, 2, C)`.
    """

    def build(self, input_shape):
        self.tokens = self.add_weight(
            name="tokens",
            shape=(2, input_shape[-1]),
            initializer=keras.initializers.RandomNormal(stddev=0.02),
        )

    def call(self, inputs):
        return self.tokens + ops.zeros_like(inputs[:, :1, 0, 0])

    def compute_output_shape(self, input_shape):
        return input_shape[0], 2, input_shape[-1]


@keras.saving.register_keras_serializable(package="keras_skeleton")
class DeformableTransformer3D(Application):
    """Transformer over video and joints that looks at the telling places.

        video -> network -> grid of tokens Z ---+
                              |                 |
        skeletons -> heat maps of joints -> tokens P
                                                |
        per block:  Z, cross   searched tokens: offsets and scores
                    P, cross   every so many joints of a frame
                    Z, P, cross   all of every so many frames
                    each       MLP
                                                |
        two cross-modal tokens -> mean -> norm -> scores

    **This is a reconstruction.** The text of the paper could not be read
    where it describes the method: known are the three attentions and their
    order, the cross-modal tokens, which tokens make queries, keys and values,
    that tokens are searched in three dimensions and only those of high score
    are kept, and that the last cross-modal tokens are classified. How tokens
    are searched and scored (`DeformableAttention`), how groups are made and
    joined, the network in front, all sizes and rates are choices of ours that
    agree with that. There is no official code and no published weight to
    compare with.

    The encoder ends in the feature map `(N, 1, 1, 2, D)` of the layer
    `features`, the two cross-modal tokens.

    `importance` shows what the cross-modal tokens take of each joint and
    frame. That this explains the network was measured on generated data by
    `explain.faithfulness`: it holds for frames and not for joints.

    Args:
        weights: `None` (random), a path, or an `hf://` or `https://` address.
        input_shape: `(M, T, V, C)` of the skeletons: persons, frames, joints,
            column and row in pixels of the video and, with `C = 3`, score.
            `T` is a whole multiple of the frames of the grid. Defaults to
            `(2, 16, 17, 3)`.
        video_shape: `(T, H, W, C)` of the video: frames, rows, columns,
            channels. Defaults to `(16, 224, 224, 3)`.
        skeleton: A `Skeleton` or its registered name. Defaults to
            `"coco17"`.
        classes: `None` for the encoder, a number for the classifier.
        pooling: `None`, or how the encoder's output is pooled over the two
            tokens: `"avg"`, `"max"` or `"published"`, the average.
        encoder: A built encoder to put a head on. Layers and variables are
            shared.
        classifier_activation: Activation of `predictions`. Defaults to none:
            the outputs are logits.
        head: `"published"` (default): mean of the two tokens, layer
            normalization, dense layer. Or `"linear"`, with a batch
            normalization in its place.
        stages: Channels of each stage of the network in front, and its
            strides over frames and over pixels. Defaults to `STAGES`.
        stage_blocks: Residual blocks of each stage. Defaults to 2.
        hidden_dim: Width of the tokens. Defaults to 192.
        num_blocks: Blocks of the transformer. Defaults to 4.
        num_heads: Heads of the attentions. Defaults to 6.
        offset_range: Farthest offsets of searched tokens, in frames, rows
            and columns of the grid. Defaults to `(2.0, 3.0, 3.0)`.
        threshold: Least score of a token that is kept. Defaults to 0.5.
        joint_stride: Groups of joints in a frame. Defaults to 3.
        temporal_stride: Groups of frames in a clip. Defaults to 2.
        mlp_ratio: Width of the MLPs, in multiples of the tokens'. Defaults
            to 4.
        dropout_rate: Dropout in attentions and MLPs. Defaults to 0.1.
        drop_path_rate: Share of residual branches dropped in the last block;
            it grows from 0 in the first. Defaults to 0.1.
        name: Name of the model.
        dtype: Data type policy of the layers.

    Input shape: a dict with `skeletons` `(N, M, T, V, C)` and `video` `(N, T,
        H, W, C)`, normalized.

    Raises:
        ValueError: If arguments contradict each other or the skeleton; the
            message says how to mend it.

    Example:

    >>> model = DeformableTransformer3D(classes=60)
    >>> clips = {
    ...     "skeletons": np.zeros((1, 2, 16, 17, 3)),
    ...     "video": np.zeros((1, 16, 224, 224, 3)),
    ... }
    >>> model(clips).shape
    (1, 60)

    Reference: Kim et al., Cross-Modal Learning with 3D Deformable Attention
    for Action Recognition, ICCV 2023, arXiv 2212.05638.
    """

    takes_pixels = True
    system = "deformable3d"
    search_space = {
        "hidden_dim": [96, 192, 288],
        "num_blocks": [2, 4, 6],
        "joint_stride": [2, 3, 4],
        "temporal_stride": [2, 4],
        "dropout_rate": (0.0, 0.3),
    }
    # A choice: the published one could not be read.
    recipes = {
        "training": {
            "learning_rate": 5e-4,
            "minimum": 1e-6,
            "warmup_epochs": 5,
            "epochs": 120,
            "batch_size": 64,
            "weight_decay": 0.05,
            "label_smoothing": 0.0,
        },
    }
    tiny = {
        "input_shape": (1, 8, 20, 3),
        "video_shape": (4, 16, 16, 1),
        "skeleton": "kinect20",
        "stages": ((4, 2, 2),),
        "stage_blocks": 1,
        "hidden_dim": 8,
        "num_blocks": 1,
        "num_heads": 2,
        "dropout_rate": 0.0,
    }

    @constructor
    def __init__(
        self,
        weights: PathLike | None = None,
        *,
        input_shape=(2, 16, 17, 3),
        video_shape=(16, 224, 224, 3),
        skeleton: SkeletonLike = "coco17",
        classes=None,
        pooling=None,
        encoder=None,
        classifier_activation=None,
        head="published",
        stages=STAGES,
        stage_blocks=2,
        hidden_dim=192,
        num_blocks=4,
        num_heads=6,
        offset_range=(2.0, 3.0, 3.0),
        threshold=0.5,
        joint_stride=3,
        temporal_stride=2,
        mlp_ratio: float = 4,
        dropout_rate=0.1,
        drop_path_rate=0.1,
        name="deformable3d",
        dtype=None,
    ):
        """See the class."""

    @staticmethod
    def check(settings):
        video, pose = settings["video_shape"], settings["input_shape"]
        if len(video) != 4 or min(video) < 1:
            raise ValueError(
                "`video_shape` must be four positive numbers (frames, rows, "
                f"columns, channels). Received video_shape={video}."
            )
        if pose[3] not in (2, 3):
            raise ValueError(
                "Skeletons have column, row and, as third coordinate, score. "
                f"Received input_shape={pose}."
            )
        counts = {
            key: settings[key]
            for key in ("joint_stride", "temporal_stride", "num_blocks")
        }
        if not settings["stages"] or min(counts.values()) < 1:
            raise ValueError(
                f"`stages` must name at least one, and {', '.join(counts)} "
                "must be at least 1. Received: "
                f"stages={settings['stages']}, {counts}."
            )
        frames = video[0]
        for _, stride, _ in settings["stages"]:
            frames = -(-frames // stride)
        if pose[1] % frames:
            raise ValueError(
                "The skeletons must have a whole multiple of the frames of "
                f"the grid, {frames}. Received input_shape={pose} and "
                f"video_shape={video}."
            )
        check_number("threshold", settings["threshold"], 0, 1)
        ranges = settings["offset_range"]
        if len(ranges) != 3 or min(ranges) < 0:
            raise ValueError(
                "`offset_range` must be three numbers from 0 up (frames, rows, "
                f"columns). Received offset_range={ranges}."
            )
        if settings["hidden_dim"] % settings["num_heads"]:
            raise ValueError(
                "`hidden_dim` must be a multiple of `num_heads`. Received: "
                f"{settings['hidden_dim']} and {settings['num_heads']}."
            )

    @staticmethod
    def make_inputs(settings):
        return {
            "skeletons": keras.Input(settings["input_shape"], name="skeletons"),
            "video": keras.Input(settings["video_shape"], name="video"),
        }

    @staticmethod
    def encoder_graph(inputs, settings, skeleton, dtype):
        x = residual_volumes(
            inputs["video"],
            settings["stages"],
            settings["stage_blocks"],
            dtype,
        )
        tokens = keras.layers.Dense(
            settings["hidden_dim"],
            kernel_initializer=_deformable.small(),
            name="projection",
            dtype=dtype,
        )(x)
        tokens = GridPosition(name="grid_position", dtype=dtype)(tokens)
        grid = tuple(tokens.shape[2:4])
        joints = augmentation.ScaleInPlane(
            settings["video_shape"][1:3], grid, name="to_grid"
        )(inputs["skeletons"])
        heatmaps = layers.PoseHeatmaps(
            grid, sigma=1.0, window=False, name="heatmaps", dtype=dtype
        )(joints)
        pose = PoseTokens(name="pose_tokens", dtype=dtype)(tokens, heatmaps)
        cross = CrossModalTokens(name="cross_modal", dtype=dtype)(tokens)
        count = settings["num_blocks"]
        for i in range(count):
            tokens, pose, cross = _deformable.DeformableBlock(
                *_block_arguments(settings),
                drop_path_rate=settings["drop_path_rate"]
                * i
                / max(count - 1, 1),
                name=f"block_{i}",
                dtype=dtype,
            )(tokens, pose, cross)
        return keras.layers.Reshape(
            (1, 1, *cross.shape[1:]), name="features", dtype=dtype
        )(cross)

    @classmethod
    def head_graph(
        cls, features, settings, skeleton, classes, activation, dtype
    ):
        x = cls.pooled(features, dtype=dtype)
        x = layers.LayerNormalization(name="head_norm", dtype=dtype)(x)
        return keras.layers.Dense(
            classes,
            activation=activation,
            kernel_initializer=_deformable.small(),
            name="predictions",
            # The loss needs full precision whatever the layers compute in.
            dtype="float32",
        )(x)

    def importance(self, inputs, block=-1):
        """How important joints and frames are to a block, from 0 to 1.

        Args:
            inputs: Inputs of the model.
            block: Number of the block; the last by default.

        Returns:
            Arrays `(N, T, V)` of joints, the largest of a frame being 1, and
            `(N, T)` of frames, the largest of a clip being 1. `T` are the
            frames of the grid.
        """
        blocks = range(self.settings["num_blocks"])
        layer = self.get_layer(f"block_{blocks[block]}")
        node = _graph.layer_node(self, layer.name)
        front = _graph.cached(
            self,
            ("importance", layer.name),
            lambda: keras.Model(self.input, list(node.input_tensors)),
        )
        given = front.predict_on_batch(inputs)
        found = layer.importance(*map(ops.convert_to_tensor, given))
        return tuple(map(ops.convert_to_numpy, found))


def _block_arguments(settings):
    return [
        settings[name]
        for name in (
            "num_heads",
            "offset_range",
            "threshold",
            "joint_stride",
            "temporal_stride",
            "mlp_ratio",
            "dropout_rate",
        )
    ]


def preprocess_input(inputs, num_frames=16, num_video_frames=16, lengths=None):
    """Brings skeletons and video to the form that the model takes.

    As `epamnet.preprocess_input`, with other numbers of frames by default.
    """
    return _video_input.preprocess_input(
        inputs, num_frames, num_video_frames, lengths
    )


_, decode_predictions = conventions("deformable3d", num_frames=16)
