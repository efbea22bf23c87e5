"""EPAM-Net: skeletons say where in the video to look."""

import keras
import numpy as np
from keras import ops

from keras_skeleton import _graph
from keras_skeleton import layers
from keras_skeleton._types import PathLike
from keras_skeleton.applications import _pose_attention
from keras_skeleton.applications._application import Application
from keras_skeleton.applications._application import check_choice
from keras_skeleton.applications._application import check_number
from keras_skeleton.applications._application import constructor
from keras_skeleton.applications._conventions import conventions
from keras_skeleton.applications._video_input import PIXEL_DEVIATION
from keras_skeleton.applications._video_input import PIXEL_MEAN
from keras_skeleton.applications._video_input import choose_frames
from keras_skeleton.applications._video_input import preprocess_input
from keras_skeleton.applications._xshift import EXCITED
from keras_skeleton.applications._xshift import xshift_stream
from keras_skeleton.layers import augmentation
from keras_skeleton.skeletons.skeleton import SkeletonLike
from keras_skeleton.weights import conversion

__all__ = [
    "EPAMNet",
    "PIXEL_DEVIATION",
    "PIXEL_MEAN",
    "choose_frames",
    "decode_predictions",
    "preprocess_input",
]
STREAMS = ("both", "video", "skeletons")
ATTENTIONS = (*_pose_attention.ATTENTIONS, "none")
CROPS = ("inside", "around", "none")
# The limbs that are drawn of 17 joints, as published.
LIMBS = (
    (0, 1), (0, 2), (1, 3), (2, 4), (0, 5), (5, 7), (7, 9), (0, 6), (6, 8),
    (8, 10), (5, 11), (11, 13), (13, 15), (6, 12), (12, 14), (14, 16),
    (11, 12),
)  # fmt: skip


@keras.saving.register_keras_serializable(package="keras_skeleton")
class StreamGrid(keras.layers.Layer):
    """Features of video and of pose side by side on the grid of the video.

    Features of the pose become the mean of the frames between two of the
    video, so that their mean over the clip stays what it is.

    Call arguments:
        video: Tensor `(N, T, H, W, C)`.
        skeletons: Tensor `(N, k T, H, W, D)`.

    Output shape: `(N, 1, T, H * W, C + D)`.
    """

    def call(self, video, skeletons):
        frames, height, width, channels = video.shape[1:]
        ratio = skeletons.shape[1] // frames
        shape = (-1, frames, ratio, height * width, skeletons.shape[-1])
        pose = ops.mean(ops.reshape(skeletons, shape), axis=2)
        video = ops.reshape(video, (-1, frames, height * width, channels))
        return ops.concatenate([video, pose], axis=-1)[:, None]

    def compute_output_shape(self, video_shape, skeletons_shape):
        batch, frames, height, width, channels = video_shape
        channels += skeletons_shape[-1]
        return batch, 1, frames, height * width, channels


@keras.saving.register_keras_serializable(package="keras_skeleton")
class EPAMNet(Application):
    """A network for video and one for pictures of the pose, which guides it.

        skeletons -> box -> heat maps -> X-ShiftNet -> S ---------> scores
                                                       |               +
                                                   attention           |
                                                       |               |
        video -----------------------> X-ShiftNet -> F (1 + A) ---> scores

    X-ShiftNet is X3D without convolutions over time: a part of the channels
    looks a frame ahead or back instead. The skeletons have several frames for
    each of the video, the published model three; the attention sees the first
    of them. Scores of the two streams are added. Either stream stands alone
    with `streams=`.

    Pictures of the pose are made inside the model. First the box around all
    persons in all frames of the clip is cut out (`crop`), then every joint is
    drawn as a small spot (`layers.PoseHeatmaps`). Videos should show the same
    people in much the same box: `preprocess_input` does the rest.

    The encoder ends in the feature map `(N, 1, T', H' * W', D)` of the layer
    `features`, video before pose on the last axis, where features of the pose
    are averaged over the frames that belong to one of the video.

    The published training starts from both streams alone (`load_streams`) and
    adds the cross-entropies of both scores: compile `by_stream()` with
    `losses.JointCrossentropy`.

    | `EPAMNet` | data | fused | from |
    |---|---|---|---|
    | `ntu60_xsub` | NTU-60 X-sub | 96.1 | authors |
    | `ntu60_xview` | NTU-60 X-view | 99.0 | authors |
    | `ntu120_xsub` | NTU-120 X-sub | 92.4 | authors |
    | `ntu120_xset` | NTU-120 X-set | 94.3 | authors |
    | `toyota_cs` | Toyota Smarthome CS | 71.7 | authors |
    | `ntu60_xsub_skeletons` | NTU-60 X-sub | | authors |
    | `ntu120_xsub_<stream>` | NTU-120 X-sub | | authors |
    | `pku_xsub_skeletons` | PKU-MMD X-sub | | authors |

    Accuracy in percent, as the authors' repository states it; on Toyota
    Smarthome it is the mean over classes.

    Args:
        weights: `None` (random), a registered name, a path, or an `hf://` or
            `https://` address.
        input_shape: `(M, T, V, C)` of the skeletons: persons, frames, joints,
            column and row in pixels and, with `C = 3`, score. Defaults to
            `(2, 48, 17, 3)`. Weights fit any `M` and `T`.
        video_shape: `(T, H, W, C)` of the video: frames, rows, columns,
            channels. The skeletons have a whole multiple of its frames.
            Defaults to `(16, 224, 224, 3)`.
        skeleton: A `Skeleton` or its registered name. Defaults to
            `"coco17"`.
        classes: `None` for the encoder, a number for the classifier.
        pooling: `None`, or how the encoder's output is pooled: `"avg"`,
            `"max"` or `"published"`, the average.
        encoder: A built encoder to put a head on. Layers and variables are
            shared.
        classifier_activation: Activation of `predictions`. Defaults to none:
            the outputs are logits.
        head: `"published"` (default): for each stream mean, dropout and dense
            layer, whose scores are added. Or `"linear"`, which normalizes
            the means of both and has one dense layer.
        streams: `"both"` (default), `"video"` or `"skeletons"`. Of one, the
            input is the array itself.
        attention: How the pose guides the video: `"nested"` (default, the
            published one), the published variants `"serial"`, `"dense"`,
            `"nonlocal"` and `"nonlocal_softmax"`, or `"none"`.
        attention_size: Pixels, and frames, that the convolutions of the
            attention look over, an odd number. Defaults to 7.
        attention_reduction: In the variants `"nonlocal"` and
            `"nonlocal_softmax"`, how many times fewer channels than the video
            has are compared. Defaults to 2.
        video_hidden_dim: Channels of the video's first stage. Defaults to 24.
        skeleton_hidden_dim: The same of the pose. Defaults to 24.
        video_blocks: Blocks in each stage of the video. Defaults to
            `(3, 5, 11, 7)`.
        skeleton_blocks: The same of the pose. Defaults to `(5, 11, 7)`.
        video_strides: Stride of each stage of the video; `None` (default) is
            2 for all. The stem has a stride of 2.
        skeleton_strides: The same of the pose. Defaults to `None`.
        skeleton_stem_stride: Stride of the stem of the pose. Defaults to 1.
        expansion: Channels inside of a block, as a multiple of its output's.
            Defaults to 2.25.
        skeleton_expansion: The same of the pose, if it is another; `None`
            (default) is that of the video.
        excitation: Which blocks of a stage weigh their channels: `"half"`
            (default), every other one from the first on, `"all"` or `"none"`.
        excitation_reduction: How many times fewer hidden channels that has,
            rounded to a multiple of 8. Defaults to 16.
        video_shift: In the network of the video, a channel in so many looks
            ahead, and one back. Defaults to 8.
        skeleton_shift: The same of the pose. Defaults to 4.
        heatmaps: What is drawn: `"joints"` (default) or `"limbs"`.
        heatmap_size: Rows and columns of the pictures of the pose. Defaults
            to 56.
        heatmap_sigma: Size of a spot, in pixels of these pictures. Defaults
            to 0.6.
        crop: Which box is drawn: `"inside"` (default), which ends at the
            edges of the image, `"around"`, which does not, or `"none"`:
            coordinates are pixels of the pictures already.
        image_size: `(H, W)` of the image that the skeletons were found in,
            pixels. Defaults to `(1080, 1920)`.
        dropout_rate: Dropout before the dense layers. Defaults to 0.5.
        name: Name of the model.
        dtype: Data type policy of the layers.

    Input shape: a dict with `skeletons` `(N, M, T, V, C)` in pixels and
        `video` `(N, T, H, W, C)`, normalized; or one of them.

    Raises:
        ValueError: If arguments contradict each other, the skeleton or the
            weights; the message says how to mend it.

    Example:

    >>> model = EPAMNet(classes=60)
    >>> clips = {
    ...     "skeletons": np.zeros((1, 2, 48, 17, 3)),
    ...     "video": np.zeros((1, 16, 224, 224, 3)),
    ... }
    >>> model(clips).shape
    (1, 60)

    Reference: Abdelkawy et al., EPAM-Net: An efficient pose-driven
    attention-guided multimodal network for video action recognition,
    Neurocomputing 2025, arXiv 2408.05421; official code
    ahmed-nady/Multimodal-Action-Recognition.
    """

    takes_pixels = True
    system = "epamnet"
    changeable = ("head", "dropout_rate")
    search_space = {
        "attention": list(ATTENTIONS),
        "attention_size": [3, 5, 7],
        "heatmap_sigma": (0.4, 1.2),
        "heatmaps": ["joints", "limbs"],
        "dropout_rate": (0.0, 0.7),
    }
    # Of a single stream, after PoseConv3D; of both together it is not public.
    recipes = {
        "training": {
            "optimizer": "sgd",
            "learning_rate": 0.4,
            "minimum": 0.0,
            "warmup_epochs": 0,
            "epochs": 240,
            "batch_size": 256,
            "weight_decay": 3e-4,
            "nesterov": False,
            "label_smoothing": 0.0,
        },
    }
    tiny = {
        "input_shape": (1, 8, 20, 3),
        "video_shape": (4, 16, 16, 3),
        "skeleton": "kinect20",
        "video_hidden_dim": 8,
        "skeleton_hidden_dim": 8,
        "video_blocks": (2,),
        "skeleton_blocks": (2,),
        "video_strides": (2,),
        "skeleton_strides": (1,),
        "skeleton_stem_stride": 2,
        "skeleton_expansion": 2.0,
        "heatmap_size": 8,
        "image_size": (16, 16),
    }

    @constructor
    def __init__(
        self,
        weights: PathLike | None = None,
        *,
        input_shape=(2, 48, 17, 3),
        video_shape=(16, 224, 224, 3),
        skeleton: SkeletonLike = "coco17",
        classes=None,
        pooling=None,
        encoder=None,
        classifier_activation=None,
        head="published",
        streams="both",
        attention="nested",
        attention_size=7,
        attention_reduction=2,
        video_hidden_dim=24,
        skeleton_hidden_dim=24,
        video_blocks=(3, 5, 11, 7),
        skeleton_blocks=(5, 11, 7),
        video_strides=None,
        skeleton_strides=None,
        skeleton_stem_stride=1,
        expansion=2.25,
        skeleton_expansion=None,
        excitation="half",
        excitation_reduction=16,
        video_shift=8,
        skeleton_shift=4,
        heatmaps="joints",
        heatmap_size=56,
        heatmap_sigma=0.6,
        crop="inside",
        image_size=(1080, 1920),
        dropout_rate=0.5,
        name="epamnet",
        dtype=None,
    ):
        """See the class."""

    @staticmethod
    def check(settings):
        for name, choices in (
            ("streams", STREAMS),
            ("attention", ATTENTIONS),
            ("excitation", tuple(EXCITED)),
            ("heatmaps", ("joints", "limbs")),
            ("crop", CROPS),
        ):
            check_choice(name, settings[name], choices)
        for name in ("attention_reduction", "skeleton_stem_stride"):
            check_number(name, settings[name], 1, whole=True)
        for name in ("video_shift", "skeleton_shift"):
            check_number(name, settings[name], 2, whole=True)
        for name in ("excitation_reduction", "expansion", "skeleton_expansion"):
            if name != "skeleton_expansion" or settings[name] is not None:
                check_number(name, settings[name], 1)
        if settings["attention_size"] % 2 != 1:
            raise ValueError(
                "`attention_size` must be an odd number, so that there is a "
                f"middle. Received attention_size={settings['attention_size']}."
            )
        for stream in ("video", "skeleton"):
            strides, blocks = (
                settings[f"{stream}_{name}"] for name in ("strides", "blocks")
            )
            if not blocks or min(blocks) < 1:
                raise ValueError(
                    f"`{stream}_blocks` must be at least one positive number, "
                    f"the blocks of each stage. Received {blocks}."
                )
            if strides is not None and (
                len(strides) != len(blocks) or min(strides) < 1
            ):
                raise ValueError(
                    f"`{stream}_strides` must be one positive number for each "
                    f"of the {len(blocks)} stages of `{stream}_blocks`. "
                    f"Received {stream}_strides={strides}."
                )
        video, pose = settings["video_shape"], settings["input_shape"]
        if len(video) != 4 or min(video) < 1:
            raise ValueError(
                "`video_shape` must be four positive numbers (frames, rows, "
                f"columns, channels). Received video_shape={video}."
            )
        if settings["streams"] != "video" and pose[3] not in (2, 3):
            raise ValueError(
                "Skeletons have column, row and, as third coordinate, score. "
                f"Received input_shape={pose}."
            )
        if settings["streams"] != "both":
            return
        if pose[1] % video[0]:
            raise ValueError(
                "The skeletons must have a whole multiple of the video's "
                f"frames. Received input_shape={pose} and video_shape={video}."
            )
        height, width = (
            _extent(size, _strides(settings, "video")) for size in video[1:3]
        )
        drawn = _extent(
            settings["heatmap_size"], _strides(settings, "skeleton")
        )
        if (height, width) != (drawn, drawn):
            raise ValueError(
                "The features of video and pose must have the same size, but "
                f"are {height} x {width} and {drawn} x {drawn}. A stage "
                "halves a picture, if no strides are passed, and the stem of "
                f"the video too: change `video_shape` ({video}), "
                f"`heatmap_size` ({settings['heatmap_size']}), the number of "
                "stages or their strides."
            )

    @staticmethod
    def make_inputs(settings):
        inputs = {
            "skeletons": keras.Input(settings["input_shape"], name="skeletons"),
            "video": keras.Input(settings["video_shape"], name="video"),
        }
        streams = settings["streams"]
        return inputs if streams == "both" else inputs[streams]

    @staticmethod
    def encoder_graph(inputs, settings, skeleton, dtype):
        streams = settings["streams"]
        given = inputs if streams == "both" else {streams: inputs}
        found = {}
        if "skeletons" in given:
            found["skeletons"] = _pose_stream(
                given["skeletons"], settings, skeleton, dtype
            )
        if "video" in given:
            found["video"] = xshift_stream(
                given["video"],
                "video",
                width=settings["video_hidden_dim"],
                blocks=settings["video_blocks"],
                expansion=settings["expansion"],
                strides=_strides(settings, "video"),
                shift=settings["video_shift"],
                excitation=settings["excitation"],
                reduction=settings["excitation_reduction"],
                dtype=dtype,
            )
        if streams != "both":
            x = found[streams]
            frames, height, width, channels = x.shape[1:]
            return keras.layers.Reshape(
                (1, frames, height * width, channels),
                name="features",
                dtype=dtype,
            )(x)
        video, pose = found["video"], found["skeletons"]
        if settings["attention"] != "none":
            every = pose.shape[1] // video.shape[1]
            video = _pose_attention.pose_attention(
                settings["attention"],
                settings["attention_size"],
                settings["attention_reduction"],
                name="attention",
                dtype=dtype,
            )(video, pose[:, ::every])
        return StreamGrid(name="features", dtype=dtype)(video, pose)

    @classmethod
    def head_graph(
        cls, features, settings, skeleton, classes, activation, dtype
    ):
        x = cls.pooled(features, dtype=dtype)
        x = keras.layers.Dropout(
            settings["dropout_rate"], name="dropout", dtype=dtype
        )(x)

        def dense(name, activation=None):
            return keras.layers.Dense(
                classes,
                activation=activation,
                kernel_initializer=keras.initializers.RandomNormal(stddev=0.01),
                name=name,
                # The loss needs full precision whatever the layers compute in.
                dtype="float32",
            )

        if settings["streams"] != "both":
            return dense("predictions", activation)(x)
        first = _video_channels(settings)
        scores = [
            dense("video_scores")(x[:, :first]),
            dense("skeletons_scores")(x[:, first:]),
        ]
        if activation is None:
            return keras.layers.Add(name="predictions", dtype="float32")(scores)
        fused = keras.layers.Add(name="scores", dtype="float32")(scores)
        return keras.layers.Activation(
            activation, name="predictions", dtype="float32"
        )(fused)

    def by_stream(self):
        """The model that gives the scores of each stream, for training.

        It shares all layers with this classifier, which is trained with it.

        Returns:
            A `keras.Model` of the same inputs with the logits of the video
            and of the skeletons, `(N, 2, classes)`.

        Raises:
            ValueError: If this is no classifier with the published head for
                both streams.

        Example:

        >>> training = model.by_stream()
        >>> training.compile(
        ...     keras_skeleton.training.SGD(
        ...         0.0015,
        ...         nesterov=False,
        ...         weight_decay=3e-4,
        ...         global_clipnorm=40.0,
        ...     ),
        ...     keras_skeleton.losses.JointCrossentropy(),
        ... )
        """
        settings, end = self.settings, self.get_config()["classes"]
        if (
            end is None
            or settings["streams"] != "both"
            or settings["head"] != "published"
        ):
            raise ValueError(
                "Only a classifier of both streams with the published head "
                "has scores of each. Received a model with classes="
                f"{end}, streams={settings['streams']!r} and head="
                f"{settings['head']!r}."
            )
        scores = [
            self.get_layer(f"{stream}_scores").output
            for stream in ("video", "skeletons")
        ]
        return keras.Model(
            self.input, ops.stack(scores, axis=1), name=f"{self.name}_by_stream"
        )

    def importance(self, inputs):
        """Where and when the attention looks at the video, from 0 to 1.

        Args:
            inputs: Inputs of the model.

        Returns:
            float32 `(N, T, H', W')`, the weights of the features of the
            video, which `drawing.draw_pictures` lays over its frames.

        Raises:
            ValueError: If it is the model of one stream, or the variant of
                the attention has no weights of places (`"nonlocal"`,
                `"nonlocal_softmax"`).
        """
        settings = self.settings
        without = "nonlocal", "nonlocal_softmax", "none"
        if settings["streams"] != "both" or settings["attention"] in without:
            raise ValueError(
                "The model has no weights of places in the video. Received a "
                f"model with streams={settings['streams']!r} and attention="
                f"{settings['attention']!r}."
            )
        layer = self.get_layer("attention")
        node = _graph.layer_node(self, "attention")
        front = _graph.cached(
            self,
            "importance",
            lambda: keras.Model(self.input, list(node.input_tensors)),
        )
        video, pose = map(ops.convert_to_tensor, front.predict_on_batch(inputs))
        found = ops.convert_to_numpy(layer.attention(video, pose))
        # That of the variant "serial" is the same in all of a frame.
        return np.broadcast_to(found, (*video.shape[:4], 1))[..., 0]

    def load_streams(self, video=None, skeletons=None):
        """Takes over the weights of models of one stream each.

        Args:
            video: An `EPAMNet(streams="video")`, or `None`.
            skeletons: An `EPAMNet(streams="skeletons")`, or `None`.

        Raises:
            ValueError: If a model has other weights than the stream here.
        """
        ours, found = conversion.variables_of(self), {}
        for stream, model in (("video", video), ("skeletons", skeletons)):
            theirs = {} if model is None else conversion.variables_of(model)
            for path, variable in theirs.items():
                if path.startswith("predictions/"):
                    path = path.replace("predictions", f"{stream}_scores", 1)
                if path not in ours or ours[path].shape != variable.shape:
                    raise ValueError(
                        f"The model {self.name!r} has no variable {path!r} "
                        f"of shape {tuple(variable.shape)}. Build the model "
                        f"of the stream {stream!r} with the same arguments."
                    )
                found[path] = ops.convert_to_numpy(variable.value)
        conversion.assign(ours, found)


def _strides(settings, stream):
    """Stride of the stem of a stream, and of each of its stages."""
    stem = 2 if stream == "video" else settings["skeleton_stem_stride"]
    stages = settings[f"{stream}_strides"]
    return stem, *(stages or [2] * len(settings[f"{stream}_blocks"]))


def _extent(size, strides):
    for stride in strides:
        size = -(-size // stride)
    return size


def _video_channels(settings):
    """Channels of the video's features, which come first."""
    last = settings["video_hidden_dim"] * 2 ** (
        len(settings["video_blocks"]) - 1
    )
    return int(last * settings["expansion"])


def _pose_stream(x, settings, skeleton, dtype):
    size = 2 * (settings["heatmap_size"],)
    if settings["crop"] != "none":
        x = augmentation.CropToPeople(
            settings["image_size"],
            size,
            stays_inside=settings["crop"] == "inside",
            name="crop",
        )(x)
    limbs = None
    if settings["heatmaps"] == "limbs":
        limbs = LIMBS if skeleton.name == "coco17" else skeleton.edges
    x = layers.PoseHeatmaps(
        size, settings["heatmap_sigma"], limbs, name="heatmaps", dtype=dtype
    )(x)
    return xshift_stream(
        x,
        "skeletons",
        width=settings["skeleton_hidden_dim"],
        blocks=settings["skeleton_blocks"],
        expansion=settings["skeleton_expansion"] or settings["expansion"],
        strides=_strides(settings, "skeleton"),
        shift=settings["skeleton_shift"],
        excitation=settings["excitation"],
        reduction=settings["excitation_reduction"],
        dtype=dtype,
    )


_, decode_predictions = conventions("epamnet", num_frames=48)
