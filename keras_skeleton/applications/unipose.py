"""UniPose: 3D poses out of point clouds, learned from 2D poses."""

import keras

from keras_skeleton import layers
from keras_skeleton._types import PathLike
from keras_skeleton.applications import _point_networks
from keras_skeleton.applications import _point_poses
from keras_skeleton.applications._application import check_choice
from keras_skeleton.applications._application import check_number
from keras_skeleton.applications._application import constructor
from keras_skeleton.applications._poses import PoseEstimator
from keras_skeleton.applications._poses import check_frames
from keras_skeleton.applications._weak_poses import UniPoseTraining
from keras_skeleton.skeletons.skeleton import SkeletonLike
from keras_skeleton.weights import conversion

__all__ = ["UniPose", "UniPoseTraining"]

# What the networks have by default: centres of the levels, neighbours, and
# squares of the radii, in lengths of the box, and in metres for "voting".
NETWORKS = {
    "hourglass": {
        "num_centers": (512, 128),
        "num_neighbors": (64, 64),
        "squared_radii": (0.015, 0.04),
    },
    "point_transformer": {
        "num_centers": (512, 128, 32, 8),
        "num_neighbors": 16,
        "squared_radii": (),
    },
    "voting": {
        "num_centers": (512, 128),
        "num_neighbors": (32, 64),
        "squared_radii": (0.01, 0.0625),
    },
}
ABSTRACTION_WIDTHS = ((64, 64, 128), (128, 128, 256), (256, 512, 1024))
PROPAGATION_WIDTHS = ((256, 256), (256, 128), (128, 128, 128))


@keras.saving.register_keras_serializable(package="keras_skeleton")
class UniPose(PoseEstimator):
    """A network that finds the joints of a person in a point cloud.

        points -> PointNet++ hourglass -> heat and vectors of each point
           |                |                          |
           +----------------+-------- hourglass -------+
                                          |
                             heat and vectors -> joints in the box -> metres

    Each point says of each joint how near it is and which way it lies; the
    nearest points vote. Each frame is looked at by itself. It is trained
    without 3D labels by `UniPoseTraining`, or with some by `compile` and
    `fit`.

    **What is official.** Neither code nor weights of UniPose were published,
    and the text of its method could not be read: known are the stages, the
    kinds of losses and the data sets. The networks `"hourglass"` and
    `"point_transformer"`, their decoding and losses are those of C3P, of the
    same group and for the same purpose, in the form of its code; that UniPose
    uses them is an assumption. `"voting"` is a choice of ours out of official
    PointNet++ layers. What learns from its joints to find some in depth maps
    or pictures is `A2J`.

    Networks:

    - `"hourglass"`: two stages of PointNet++ down to one feature of the
      cloud and up again. Points come in an order: the first `num_centers[0]`
      are the centres of the first level, and of these the first
      `num_centers[1]` those of the second (chosen by
      `layers.FarthestPoints`).
    - `"point_transformer"`: attention between neighbours on several levels.
      Centres are chosen inside, in training from a random first point as
      published; otherwise always from the first, which the published code
      does not, so that a cloud gives the same joints each time.
    - `"voting"`: PointNet++ whose points of the first level vote by a
      softmax. The input is the cloud itself, in metres.

    The hourglass becomes ONNX on every backend; the others, which choose
    points in a loop, on PyTorch only.

    The first two see a cloud in its box: turned to its main axes, divided by
    the length of the box, centred. The inputs `rotation`, `offset` and
    `length` bring the joints back, `X = R ((p + offset) length)`.

    | `UniPose` | data | from |
    |---|---|---|
    | `itop` | ITOP front | authors |
    | `panoptic` | CMU Panoptic as in C3P | authors |
    | `panoptic_transformer` | CMU Panoptic as in C3P | authors |

    The authors of C3P state 84.5, 89.4 and 93.8 % of the joints within 10 cm
    for these, trained without 3D labels.

    Args:
        weights: `None` (random), a registered name, a path, or an `hf://` or
            `https://` address.
        input_shape: `(T, P, C)`: frames, points, and channels of a point: its
            place, then other features, as published the normal. Weights fit
            any `T` and `P`. Defaults to `(6, 2048, 6)`.
        skeleton: A `Skeleton` or its registered name. Defaults to
            `"coco17"`.
        network: `"hourglass"` (default), `"point_transformer"` or
            `"voting"`.
        num_stages: Hourglasses one after the other. Defaults to 2.
        num_centers: Centres of each level. Defaults to `None`: 512 and 128,
            and 32 and 8 of the point transformer.
        num_neighbors: Members of the groups of each level; one number for
            the point transformer. Defaults to `None`: 64 and 64, 16, or 32
            and 64.
        squared_radii: Squares of the radii of groups. Defaults to `None`:
            `(0.015, 0.04)` in lengths of the box, or `(0.01, 0.0625)` square
            metres (voting). The point transformer has none.
        abstraction_widths: Channels on the way down. Defaults to
            `ABSTRACTION_WIDTHS`.
        propagation_widths: Channels on the way up. Defaults to
            `PROPAGATION_WIDTHS`; the last entry is of the hourglass alone.
        head_dim: Channels of the heads, or those of each of their layers.
            Defaults to 128.
        num_interpolated: Points of a level that those of the one before take
            their features from (not the point transformer). Defaults to 3.
        embed_dim: Channels of the point transformer at the points, doubled
            at each level. Defaults to 32.
        attention_dim: Channels inside of its attention. Defaults to 512.
        bottom_dim: Channels of its lowest MLP. Defaults to 512.
        num_candidates: Points that vote for a joint (not `"voting"`).
            Defaults to 64; of published weights for ITOP, 25.
        reach: Distance from a point in metres at which its heat is 0.
            Defaults to 0.8.
        dropout_rate: Dropout in the heads of hourglasses. Defaults to 0.5.
        name: Name of the model.
        dtype: Data type policy of the layers.

    Input shape: a dict with `points` `(N, T, P, C)`, `rotation`
        `(N, T, 3, 3)`, `offset` `(N, T, 3)` and `length` `(N, T)`; for
        `"voting"` the points alone.

    Output shape: `(N, T, V, 3)`, joints in metres in the frame of reference
        of the cloud.

    Raises:
        ValueError: If arguments contradict each other; the message says how
            to mend it.

    Example:

    >>> model = UniPose(input_shape=(1, 2048, 6), skeleton="itop15")
    >>> clouds = {
    ...     "points": np.zeros((2, 1, 2048, 6)),
    ...     "rotation": np.tile(np.eye(3), (2, 1, 1, 1)),
    ...     "offset": np.zeros((2, 1, 3)),
    ...     "length": np.ones((2, 1)),
    ... }
    >>> model(clouds).shape
    (2, 1, 15, 3)

    Reference: Zheng et al., UniPose, PRCV 2025, arXiv 2509.23376; Wu et al.,
    Cross-domain Pose Prior Propagation for Weakly Supervised 3D Human Pose
    Estimation, ECCV 2022, official code wucunlin/C3P; layers of
    yanx27/Pointnet_Pointnet2_pytorch.
    """

    system = "unipose"
    search_space = {
        "num_candidates": [25, 64, 128],
        "reach": (0.4, 1.2),
        "head_dim": [64, 128, 256],
        "dropout_rate": (0.0, 0.6),
    }
    tiny = {
        **_point_networks.TINY,
        "input_shape": (2, 24, 6),
        "embed_dim": 8,
        "attention_dim": 8,
        "dropout_rate": 0.0,
    }

    @constructor
    def __init__(
        self,
        weights: PathLike | None = None,
        *,
        input_shape=(6, 2048, 6),
        skeleton: SkeletonLike = "coco17",
        network="hourglass",
        num_stages=2,
        num_centers=None,
        num_neighbors=None,
        squared_radii=None,
        abstraction_widths=ABSTRACTION_WIDTHS,
        propagation_widths=PROPAGATION_WIDTHS,
        head_dim=128,
        num_interpolated=3,
        embed_dim=32,
        attention_dim=512,
        bottom_dim=512,
        num_candidates=64,
        reach=0.8,
        dropout_rate=0.5,
        name="unipose",
        dtype=None,
    ):
        """See the class."""

    @property
    def cannot_export(self):
        # They choose points in a loop, which the file does not hold.
        if self.settings["network"] == "hourglass":
            return ()
        return (("tensorflow", "onnx"), ("jax", "onnx"))

    @staticmethod
    def settle_shape(settings, skeleton):
        shape = check_frames(
            settings["input_shape"],
            ("frames", "points", "channels"),
            (6, 2048, 6),
        )
        if shape[2] < 3:
            raise ValueError(
                "Points have three coordinates before other channels. "
                f"Received input_shape={shape}."
            )
        return shape

    @staticmethod
    def check(settings):
        check_choice("network", settings["network"], tuple(NETWORKS))
        check_number("reach", settings["reach"], 0.001)
        for key, value in NETWORKS[settings["network"]].items():
            if settings[key] is None:
                settings[key] = value
        is_transformer = settings["network"] == "point_transformer"
        neighbors = settings["num_neighbors"]
        if isinstance(neighbors, int) and not is_transformer:
            settings["num_neighbors"] = neighbors = (neighbors, neighbors)
        centers = settings["num_centers"]
        expected = {
            "num_centers": len(centers) if is_transformer else 2,
            "squared_radii": 0 if is_transformer else 2,
            "abstraction_widths": 3,
            "propagation_widths": 3,
        }
        if not is_transformer:
            expected["num_neighbors"] = 2
        elif not isinstance(neighbors, int):
            raise ValueError(
                "`num_neighbors` of the point transformer is one number. "
                f"Received num_neighbors={neighbors}."
            )
        for key, number in expected.items():
            if len(settings[key]) != number:
                raise ValueError(
                    f"`{key}` of the network {settings['network']!r} has "
                    f"{number} entries. Received {key}={settings[key]}."
                )
        sizes = (settings["input_shape"][1], *centers, 1)
        if not centers or list(sizes) != sorted(sizes, reverse=True):
            raise ValueError(
                "Each level has at most as many centres as the one before "
                "has points, and the first at most as many as the cloud. "
                f"Received num_centers={centers} and "
                f"input_shape={settings['input_shape']}."
            )
        for key in ("num_stages", "num_candidates", "num_interpolated"):
            if settings[key] < 1:
                raise ValueError(
                    f"`{key}` must be at least 1. Received {settings[key]}."
                )

    @staticmethod
    def make_inputs(settings):
        shape = settings["input_shape"]
        # In full precision whatever the layers compute in.
        forms = {"points": shape}
        if settings["network"] != "voting":
            frames = shape[:1]
            forms["rotation"] = (*frames, 3, 3)
            forms["offset"] = (*frames, 3)
            forms["length"] = frames
        inputs = {
            name: keras.Input(form, name=name, dtype="float32")
            for name, form in forms.items()
        }
        return inputs if len(inputs) > 1 else inputs["points"]

    @staticmethod
    def encoder_graph(inputs, settings, skeleton, dtype):
        points = inputs["points"] if isinstance(inputs, dict) else inputs
        fold = layers.FoldPersons(name="points_of_frames", dtype="float32")
        x, joints = fold(points), skeleton.num_joints
        if settings["network"] == "voting":
            x = _point_networks.voting(x, joints, settings, dtype)
            return _point_poses.SplitFrames(
                settings["input_shape"][0], name="joints", dtype="float32"
            )(x)
        network = _point_networks.hourglasses
        if settings["network"] == "point_transformer":
            network = _point_networks.point_transformer
        *_, last = network(x, joints, settings, dtype)
        return _decoded(x, last, inputs, settings)

    def by_stage(self):
        """The model that gives the joints of each stage, for training.

        It shares all layers with this model, which is trained with it.

        Returns:
            A `keras.Model` of the same inputs whose output is a list of
            joints `(N, T, V, 3)`, one for each stage, the last one last.
        """
        outputs = [self.output]
        if self.settings["network"] == "hourglass":
            points = self.get_layer("points_of_frames").output
            for stage in range(self.settings["num_stages"] - 1, 0, -1):
                name = f"stage_{stage}"
                found = self.get_layer(f"{name}_heat_and_vectors").output
                joints = _decoded(
                    points, found, self.input, self.settings, f"{name}_"
                )
                outputs.insert(0, joints)
        return keras.Model(self.input, outputs, name=f"{self.name}_by_stage")

    def load_pointnet2(self, source):
        """Starts `network="voting"` from a PointNet++ of object classes.

        The first half of the network takes over the weights of the layers of
        the same names, `sa1` to `sa3`; its other half stays as it is. Those
        of yanx27/Pointnet_Pointnet2_pytorch (MIT licence, trained on
        ModelNet40 without normals) are
        `log/classification/pointnet2_ssg_wo_normals/checkpoints/best_model.pth`
        in that repository.

        Args:
            source: Path of the file, or dict of official names to arrays.

        Raises:
            ValueError: If it does not fit; the message lists why.
        """
        from keras_skeleton.weights import unipose

        if self.settings["network"] != "voting":
            raise ValueError(
                "A PointNet++ of classes fits network='voting' only. This "
                f"model has network={self.settings['network']!r}."
            )
        conversion.assign(
            conversion.variables_of(self),
            unipose.pointnet2_arrays(self, source),
        )


def _decoded(points, heat_and_vectors, inputs, settings, prefix=""):
    """Joints in metres from what a network says of each point."""
    frames = settings["input_shape"][0]
    length = keras.layers.Reshape(
        (frames, 1), name=f"{prefix}lengths", dtype="float32"
    )(inputs["length"])
    length = layers.FoldPersons(
        name=f"{prefix}length_of_frames", dtype="float32"
    )(length)
    joints = _point_poses.JointsOfPoints(
        settings["num_candidates"],
        settings["reach"],
        name=f"{prefix}joints_of_frames",
        dtype="float32",
    )(points[..., :3], heat_and_vectors, length)
    joints = _point_poses.SplitFrames(
        frames, name=f"{prefix}joints_in_box", dtype="float32"
    )(joints)
    box = [inputs[name] for name in ("rotation", "offset", "length")]
    return _point_poses.FromBox(name=f"{prefix}joints", dtype="float32")(
        joints, *box
    )
