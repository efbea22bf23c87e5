"""Training of pose networks on clouds and 2D poses, without 3D labels."""

import keras
import numpy as np

from keras_skeleton import losses
from keras_skeleton.applications import _point_networks
from keras_skeleton.applications._input_check import InputCheck
from keras_skeleton.applications._point_poses import FromBox
from keras_skeleton.losses import weak_poses
from keras_skeleton.training import StepModel


@keras.saving.register_keras_serializable(package="keras_skeleton")
class UniPoseTraining(InputCheck, StepModel):
    """Trains a `UniPose` on clips of point clouds and 2D poses.

    There are no 3D labels: joints must lie on the viewing rays of the 2D
    joints that a detector found in the pictures, move smoothly, and have
    bones of lasting and on both sides equal length (`losses.PoseConstraints`
    says how each term is computed). That joints are decoded from points on
    the body's surface fixes how far away they are. The loss is the weighted
    sum of the terms, added up over the stages of the network.

    The terms, their weights and the sum over stages are those of the
    published code of C3P (`form="code"`), the best evidence there is of what
    UniPose does (see `UniPose`). Published are also the poster's form of the
    terms, lengths of bones measured for each person and a camera of its own
    for the pictures. Scores and the form `"metric"` are choices of ours.
    What UniPose does between its networks for clouds, depth and colour
    ("cross-modality interaction") is not known and not here.

    The recipe of C3P: Adam with a learning rate of 1e-4 and an epsilon of
    1e-8, 140 epochs, the rate divided by ten after 90 and after 110, one
    clip of 6 successive frames in a step.

    The plain network `model` is what remains after training; `predict` it.

    Args:
        model: A `UniPose`; built from `model_arguments` if left out.
        form: `"code"`, `"poster"` or `"metric"`, see
            `losses.PoseConstraints`.
        term_weights: Dict of the weights of terms that differ from those of
            the form (`losses.weak_poses.WEIGHTS`); 0 leaves a term out.
        bone_lengths: Lengths of the limbs in metres, the left side's before
            the right's, in the order of `losses.weak_poses.limbs`; `"input"`
            for lengths of each clip, the input `bone_lengths`; `"general"`
            for the table in the code of C3P, where those of a person are
            unknown.
        use_scores: Whether the 2D joints come with scores, by which the rays
            are weighted.
        use_extrinsics: Whether the pictures are of another camera than the
            clouds, so that there is an input `extrinsics`.
        constancy: See `losses.PoseConstraints`.
        projection: See `losses.PoseConstraints`.
        thickness: See `losses.PoseConstraints`.
        min_score: See `losses.PoseConstraints`.
        joint_depths: See `losses.PoseConstraints`.
        name: Name of the model.
        dtype: Data type policy of the layers.
        **model_arguments: Arguments of `UniPose`.

    Attributes:
        model: The plain network.
        constraints: The `PoseConstraints`.

    Input shape: a dict with the inputs of the network, `keypoints` `(N, T,
        V, 2)`, column and row in pixels (`(N, T, V, 3)` with scores), and
        `intrinsics` `(N, 3, 3)` of the camera, whose focal lengths are
        negative where its axes point left or up. `extrinsics` `(N, 4, 4)`
        bring points of the cloud to the camera of the pictures;
        `bone_lengths` are `(N, 2 L)`. With the term `depth` there are `depths`
    `(N, T, V)`, what a depth camera measures at the 2D joints
    (`datasets.depth.depth_at`).

    Raises:
        ValueError: If arguments do not fit together.

    Example:

    >>> training = UniPoseTraining(input_shape=(6, 2048, 6))
    >>> training.compile(keras.optimizers.Adam(1e-4, epsilon=1e-8))
    >>> history = training.fit(clips, batch_size=1, epochs=140)
    >>> joints = training.model.predict(clouds)

    Reference: see `UniPose`.
    """

    system = "unipose"
    reported = weak_poses.TERMS
    # Motion takes three frames.
    tiny = {**_point_networks.TINY, "input_shape": (3, 24, 6)}

    def __init__(
        self,
        model=None,
        *,
        form="code",
        term_weights=None,
        bone_lengths="general",
        use_scores=False,
        use_extrinsics=False,
        constancy="frame",
        projection="ray",
        thickness=0.15,
        min_score=0.0,
        joint_depths=None,
        name="unipose_training",
        dtype=None,
        **model_arguments,
    ):
        model = _network(model, model_arguments, dtype)
        super().__init__(name=name, dtype=dtype)
        self.model = model
        self._arguments = {
            "form": form,
            "term_weights": term_weights,
            "bone_lengths": bone_lengths,
            "use_scores": use_scores,
            "use_extrinsics": use_extrinsics,
            "constancy": constancy,
            "projection": projection,
            "thickness": thickness,
            "min_score": min_score,
            "joint_depths": _plain(joint_depths),
        }
        self.constraints = losses.PoseConstraints(
            model.skeleton,
            form,
            term_weights,
            constancy,
            projection,
            thickness,
            min_score,
            joint_depths,
        )
        weights = self.constraints.weights
        frames = model.output_shape[1]
        if "motion" in weights and frames < 3:
            raise ValueError(
                "The motion of joints needs clips of three frames at least. "
                f"The model has {frames}: build it with another "
                "`input_shape`, or pass term_weights={'motion': 0}."
            )
        self.bone_lengths = None
        if "length" in weights and not _is(bone_lengths, "input"):
            self.bone_lengths = self._fixed_lengths(bone_lengths)
        self.stages = model.by_stage()
        self.built = True

    def _fixed_lengths(self, given):
        if isinstance(given, str) and given != "general":
            raise ValueError(
                "`bone_lengths` must be lengths, 'input' or 'general'. "
                f"Received bone_lengths={given!r}."
            )
        if _is(given, "general"):
            given = weak_poses.GENERAL_LENGTHS
        found = np.asarray(given, "float32").reshape(-1)
        number = self.constraints.limbs[..., 0].size
        if found.size != number:
            raise ValueError(
                f"The skeleton {self.model.skeleton.name!r} has {number} "
                f"bones of limbs, but there are {found.size} lengths. Pass "
                "them as `bone_lengths`, in the order of "
                "`losses.weak_poses.limbs`, or term_weights={'length': 0}."
            )
        return found[None]

    @property
    def input_form(self):
        form = self.model.input_form
        if not isinstance(form, dict):
            form = {"points": form}
        frames, joints = self.model.output_shape[1:3]
        channels = 3 if self._arguments["use_scores"] else 2
        form = {
            **form,
            "keypoints": (frames, joints, channels),
            "intrinsics": (3, 3),
        }
        if self._arguments["use_extrinsics"]:
            form["extrinsics"] = (4, 4)
        if self._by_clip:
            form["bone_lengths"] = (self.constraints.limbs[..., 0].size,)
        if "depth" in self.constraints.weights:
            form["depths"] = (frames, joints)
        return form

    @property
    def _by_clip(self):
        return "length" in self.constraints.weights and (
            self.bone_lengths is None
        )

    def _own(self, inputs):
        """What the network takes of the inputs."""
        form = self.model.input_form
        if not isinstance(form, dict):
            return inputs["points"]
        return {name: inputs[name] for name in form}

    def call(self, inputs, training=None):
        return self.model(self._own(inputs), training=training)

    def unpack(self, data):
        # Labels, if there are any, are for evaluation.
        x, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        return x, None, None

    def objective(self, x, y, training):
        points = None
        if "surface" in self.constraints.weights:
            points = x["points"][..., :3]
            if "length" in x:
                box = [x[name] for name in ("rotation", "offset", "length")]
                points = FromBox()(points, *box)
        lengths = self.bone_lengths
        if self._by_clip:
            lengths = x["bone_lengths"]
        loss = 0
        stages = self.stages(self._own(x), training=training)
        for joints in keras.tree.flatten(stages):
            total, terms = self.constraints(
                joints,
                x["keypoints"],
                x["intrinsics"],
                x.get("extrinsics"),
                lengths,
                points,
                x.get("depths"),
            )
            loss = loss + total
        # Those of the last stage, the result.
        report = {name: terms.get(name, 0.0) for name in self.reported}
        return loss, report, ()

    def get_config(self):
        return {
            "model": keras.saving.serialize_keras_object(self.model),
            **self._arguments,
            "name": self.name,
            "dtype": self.dtype_policy.name,
        }

    @classmethod
    def from_config(cls, config):
        model = keras.saving.deserialize_keras_object(config["model"])
        return cls(**{**config, "model": model})


def _plain(values):
    """An array as a list, for the configuration."""
    return None if values is None else np.asarray(values).tolist()


def _is(value, word):
    return isinstance(value, str) and value == word


def _network(model, arguments, dtype):
    """The given network, or one of these arguments."""
    from keras_skeleton.applications.unipose import UniPose

    if model is None:
        return UniPose(**{"dtype": dtype, **arguments})
    if arguments:
        raise ValueError(
            "Pass either `model` or the arguments to build one, not both. "
            f"Received a model and {', '.join(arguments)}."
        )
    if not hasattr(model, "by_stage"):
        raise ValueError(
            f"`model` must be a `UniPose`. Received a {type(model).__name__}."
        )
    return model
