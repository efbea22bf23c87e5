"""A2J: anchors vote for the joints of a depth crop."""

import math

import keras
from keras import ops

from keras_skeleton import layers
from keras_skeleton._types import PathLike
from keras_skeleton.applications import _resnet
from keras_skeleton.applications._application import check_choice
from keras_skeleton.applications._application import constructor
from keras_skeleton.applications._poses import PoseEstimator
from keras_skeleton.applications._poses import check_frames
from keras_skeleton.applications._video_input import PIXEL_DEVIATION
from keras_skeleton.applications._video_input import PIXEL_MEAN
from keras_skeleton.layers.anchors import PLACES
from keras_skeleton.skeletons.skeleton import SkeletonLike

__all__ = ["A2J", "PIXEL_DEVIATION", "PIXEL_MEAN"]
MODALITIES = ("depth", "video")
COORDINATES = ("camera", "crop")


@keras.saving.register_keras_serializable(package="keras_skeleton")
class A2J(PoseEstimator):
    """Anchor-to-joint regression: 3D joints out of crops of a depth map.

        crop -> ResNet -> stage 3 -> head: weights of anchors    ---.
                             |                                      |
                          stage 4 -> head: offsets of anchors   -- votes
                                  -> head: depths of anchors    ----'
        votes -> row, column, depth -> metres

    On every 16 x 16 pixels of the crop there are 16 anchors. Each says how
    far away each joint is, how deep it lies, and how much its word counts
    (`layers.anchor_votes`). The network is ResNet-50 without the last stride
    (dilation instead). It is the depth network and, with
    `modality="video"`, a form of the picture network of UniPose, which train
    on the joints that a network of point clouds found (`training_model`).

    Frames are taken one by one: `T` is only how many of them a sample has.

    The crop is made by `datasets.depth.crop_depth`, normalized by mean and
    deviation of the training crops. A missing axis of colours is made by
    taking the depth three times, as published. Pictures have three channels,
    normalized by `PIXEL_MEAN` and `PIXEL_DEVIATION` (of values up to 255);
    then depths are those from the root of the skeleton, whose own depth is
    the input `root_depth` (`datasets.depth.depth_at`). That form of the
    picture network is a choice: how UniPose builds its own is not known.

    | `A2J` | data | from |
    |---|---|---|
    | `itop_side` | ITOP side | authors |
    | `itop_top` | ITOP top | authors |

    The paper states 88.0 and 80.5 % of joints within 10 cm; we have not
    measured them.

    Args:
        weights: `None` (random), a registered name, a path, or an `hf://` or
            `https://` address.
        input_shape: `(T, H, W, C)` of the crops; `H` and `W` are multiples of
            16. Defaults to `(1, 288, 288, 1)`.
        skeleton: A `Skeleton` or its registered name, for example
            `"coco17"`. Defaults to `"itop15"`.
        modality: `"depth"` (default), or `"video"` for pictures. It is the
            name of the input, too.
        coordinates: `"camera"` (default) for joints in metres; or `"crop"`
            for row, column and depth in units of the crop, for which no
            other inputs are needed.
        depth_scale: Units of depth in a metre. Defaults to 50.0.
        hidden_dim: Channels of the first convolution; the stages have 4, 8,
            16 and 32 times as many. Defaults to 64.
        blocks: Blocks of each of the four stages. Defaults to
            `(3, 4, 6, 3)`.
        head_dim: Channels of the heads. Defaults to 256.
        head_layers: Convolutions of a head before the last. Defaults to 4.
        anchor_places: Where in a cell of 16 x 16 pixels anchors lie, in
            pixels, in both directions. Defaults to `(2, 6, 10, 14)`.
        anchor_column_places: The same from left to right; `None` (default) if
            it is no other.
        name: Name of the model.
        dtype: Data type policy of the layers.

    Input shape: a dict of `depth` (or `video`) `(N, T, H, W, C)`; `box`
        `(N, T, 4)`: left, top, width, height of the crop in pixels of the
        whole picture; `intrinsics` `(N, 3, 3)`, the matrix of the camera,
        whose focal lengths are negative where its axes point left or up
        (`datasets.itop.INTRINSICS`); and of pictures `root_depth` `(N, T, 1)`
        in metres. With `coordinates="crop"` the array of crops itself.

    Output shape: `(N, T, V, 3)`: metres in the axes of the camera, or row,
        column and depth in the crop.

    Raises:
        ValueError: If arguments contradict each other or the weights; the
            message says how to mend it.

    Example:

    >>> model = A2J(coordinates="crop")
    >>> model(np.zeros((1, 1, 288, 288, 1))).shape
    (1, 1, 15, 3)

    Reference: Xiong et al., A2J: Anchor-to-joint regression network for 3D
    articulated pose estimation from a single depth image, ICCV 2019, arXiv
    1908.09999; official code zhangboshen/A2J. Zheng et al., UniPose, PRCV
    2025, arXiv 2509.23376.
    """

    system = "a2j"
    search_space = {
        "hidden_dim": [16, 32, 64],
        "head_dim": [64, 128, 256],
        "head_layers": [2, 3, 4],
    }
    tiny = {
        "input_shape": (2, 32, 48, 1),
        "hidden_dim": 4,
        "blocks": (1, 1, 1, 1),
        "head_dim": 8,
        "head_layers": 1,
        "anchor_column_places": (4, 12),
    }

    @constructor
    def __init__(
        self,
        weights: PathLike | None = None,
        *,
        input_shape=(1, 288, 288, 1),
        skeleton: SkeletonLike = "itop15",
        modality="depth",
        coordinates="camera",
        depth_scale=50.0,
        hidden_dim=64,
        blocks=(3, 4, 6, 3),
        head_dim=256,
        head_layers=4,
        anchor_places=PLACES,
        anchor_column_places=None,
        name="a2j",
        dtype=None,
    ):
        """See the class."""

    @staticmethod
    def settle_shape(settings, skeleton):
        axes = ("frames", "rows", "columns", "channels")
        shape = check_frames(settings["input_shape"], axes, (1, 288, 288, 1))
        if shape[1] % _resnet.STRIDE or shape[2] % _resnet.STRIDE:
            raise ValueError(
                "Rows and columns of the crop must be multiples of "
                f"{_resnet.STRIDE}, the size of a cell of anchors. Received "
                f"input_shape={shape}."
            )
        return shape

    @staticmethod
    def check(settings):
        check_choice("modality", settings["modality"], MODALITIES)
        check_choice("coordinates", settings["coordinates"], COORDINATES)
        if settings["input_shape"][3] not in (1, 3):
            raise ValueError(
                "Crops have one channel, or three of pictures. Received "
                f"input_shape={settings['input_shape']}."
            )
        if len(settings["blocks"]) != 4 or min(settings["blocks"]) < 1:
            raise ValueError(
                "`blocks` must be four positive numbers, one for each stage. "
                f"Received blocks={settings['blocks']}."
            )
        if not all(map(len, _places(settings))):
            raise ValueError(
                "`anchor_places` must name at least one place in a cell. "
                f"Received anchor_places={settings['anchor_places']} and "
                f"anchor_column_places={settings['anchor_column_places']}."
            )
        if not settings["depth_scale"] > 0:
            raise ValueError(
                "`depth_scale` must be above 0. Received depth_scale="
                f"{settings['depth_scale']}."
            )

    @staticmethod
    def make_inputs(settings):
        frames = settings["input_shape"][0]
        modality = settings["modality"]
        crops = keras.Input(settings["input_shape"], name=modality)
        if settings["coordinates"] == "crop":
            return crops
        inputs = {
            modality: crops,
            "box": keras.Input((frames, 4), name="box"),
            "intrinsics": keras.Input((3, 3), name="intrinsics"),
        }
        if modality == "video":
            inputs["root_depth"] = keras.Input((frames, 1), name="root_depth")
        return inputs

    @staticmethod
    def encoder_graph(inputs, settings, skeleton, dtype):
        frames, rows, columns, channels = settings["input_shape"]
        is_dict = isinstance(inputs, dict)
        crops = inputs[settings["modality"]] if is_dict else inputs
        x = ops.reshape(crops, (-1, rows, columns, channels))
        if channels == 1:
            x = ops.concatenate([x, x, x], axis=-1)
        third, fourth = _resnet.stages(
            x, settings["hidden_dim"], settings["blocks"], dtype
        )[2:]
        joints = skeleton.num_joints
        votes = layers.AnchorVotes(
            rows // _resnet.STRIDE,
            columns // _resnet.STRIDE,
            _resnet.STRIDE,
            settings["anchor_places"],
            frames,
            settings["anchor_column_places"],
            name="votes",
            # Sums over thousands of anchors.
            dtype="float32",
        )(
            anchor_head(third, "weights", joints, None, settings, dtype),
            anchor_head(fourth, "offsets", joints, 2, settings, dtype),
            anchor_head(fourth, "depths", joints, None, settings, dtype),
        )
        found = votes[..., :3]
        if settings["coordinates"] == "crop":
            return keras.layers.Identity(name="joints", dtype="float32")(found)
        return layers.CropToCamera(
            rows,
            columns,
            settings["depth_scale"],
            name="joints",
            dtype="float32",
        )(
            found,
            inputs["box"],
            inputs["intrinsics"],
            inputs.get("root_depth"),
        )

    def training_model(self):
        """The model of all that the published loss compares.

        It shares all layers with this one, which is trained with it. Its
        labels are joints in the crop, of `datasets.depth.joints_in_crop`:
        true ones, or those that another network found, UniPose's way to
        train without labels. Joints of all zeros are left out.

        Returns:
            A `keras.Model` of the crops `(N, T, H, W, C)` with outputs
            `(N, T, V, 6)` for `losses.AnchorToJointError`: joints in the
            crop, and where anchors alone put them.

        Example:

        >>> training = model.training_model()
        >>> training.compile(
        ...     keras.optimizers.Adam(3.5e-4, weight_decay=1e-4),
        ...     keras_skeleton.losses.AnchorToJointError(),
        ... )
        >>> training.fit(crops, joints_in_crop(found, boxes, intrinsics, 288))
        """
        inputs = self.input
        if isinstance(inputs, dict):
            inputs = inputs[self.settings["modality"]]
        votes = self.get_layer("votes").output
        return keras.Model(inputs, votes, name=f"{self.name}_training")


def _places(settings):
    """Where in a cell anchors lie, from top to bottom and from the left."""
    rows = settings.get("anchor_places", PLACES)
    return rows, settings.get("anchor_column_places") or rows


def anchor_head(x, name, joints, size, settings, dtype=None):
    """A head: what a feature map says of each anchor.

    Args:
        x: Symbolic feature map `(B, H, W, C)`.
        name: `"weights"`, `"offsets"` or `"depths"`.
        joints: Number of joints.
        size: See `layers.AnchorMaps`.
        settings: Dict with `head_dim`, `head_layers` and, if they are others
            than published, `anchor_places` and `anchor_column_places`.
        dtype: Data type policy of the layers.
    """
    for i in range(settings["head_layers"]):
        x = _resnet.ConvolutionNorm(
            settings["head_dim"],
            3,
            use_bias=True,
            initializer="glorot_normal",
            name=f"{name}_convolution_{i}",
            dtype=dtype,
        )(x)
    x = keras.layers.Conv2D(
        math.prod(map(len, _places(settings))) * joints * (size or 1),
        3,
        padding="same",
        data_format="channels_last",
        kernel_initializer="glorot_normal",
        name=f"{name}_output",
        dtype=dtype,
    )(x)
    return layers.AnchorMaps(joints, size, name=name, dtype=dtype)(x)
