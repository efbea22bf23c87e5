"""PSUMNet: one network for each part of the body, all modalities at once."""

import keras
from keras import ops

from keras_skeleton import layers
from keras_skeleton import skeletons
from keras_skeleton._types import PathLike
from keras_skeleton.applications._application import Application
from keras_skeleton.applications._application import check_shape
from keras_skeleton.applications._application import constructor
from keras_skeleton.applications._conventions import conventions
from keras_skeleton.layers.augmentation import BodyPart
from keras_skeleton.layers.augmentation import SelectJoints
from keras_skeleton.layers.augmentation import Streams
from keras_skeleton.layers.augmentation import body_part
from keras_skeleton.layers.graph import stack
from keras_skeleton.skeletons.skeleton import SkeletonLike

# Width of each block in multiples of `hidden_dim`, and its stride.
BLOCKS = {
    "body": (
        *4 * ((1, 1),),
        (2, 2),
        *2 * ((2, 1),),
        (4, 2),
        *2 * ((4, 1),),
    ),
    "hand": ((1, 1), (2, 2), *2 * ((2, 1),), (4, 2), (4, 1)),
    "leg": ((1, 1), (2, 2), (2, 1), (4, 2)),
}
PARTS = tuple(BLOCKS)
# Published layouts of parts, by the name of the skeleton.
_LAYOUTS = {"ntu": "ntu", "ntu_x67": "ntu_x", "shrec22": "shrec"}

# Published factors of the logits of the body, the hands and the legs.
FUSION_WEIGHTS = {
    "ntu60_xsub": (2.0, 1.8, 0.7),
    "ntu60_xview": (2.1, 1.6, 0.7),
    "ntu120_xsub": (2.2, 1.5, 0.7),
    "ntu120_xset": (2.1, 2.0, 0.8),
    "ntu60_x": (3.4, 2.0, 1.0),
    "ntu120_x": (2.4, 2.2, 1.0),
}


@keras.saving.register_keras_serializable(package="keras_skeleton")
class PSUMNet(Application):
    """PSUMNet: encoder or classifier, of one part of the body or of all.

    One network looks at the whole body, one at both hands and one at both
    legs. Each sees the joints, the bones and the motion of both as twelve
    channels, in the frame of reference of the whole body, and is a stack of
    CTR-GCN's blocks (`keras_skeleton.layers.SpatioTemporalBlock`), ten, six
    and four of them. Persons meet only in the head, as means; absent persons
    (all zero) take part like the others, as in the published code.

    - With `part`, the model is one of the networks. It takes the twelve
      channels of the joints of its part; `SelectJoints` and `Streams` with
      the joints and bones of `part_of(skeleton, part)` make them. Published
      networks are trained by themselves, each in this form.
    - Without `part`, it is the three together: it takes clips of the whole
      skeleton, makes the channels inside, and adds the logits with the
      `fusion_weights`. `load_streams` brings the weights of trained
      networks; the whole may be trained as well.

    The encoder ends in the layer `features` of shape `(N, M, T', V', D)` with
    `T' = ceil(T / 4)` (rounded up at each halving), `V'` the joints of the
    part or of all parts one after another, and `D` 4 times `hidden_dim`, or
    after `pooling` in `(N, D)`. The classifier ends in the layer
    `predictions`.

    Architecture arguments that are left out are taken from `weights` or from
    `encoder`, and else have the published values, the defaults below.

    `weights` of the authors are `"ntu60_xsub_body"` and `"ntu120_xsub_body"`,
    those of the body's network. They lie behind a share page: the error of
    the first call says which file to fetch and which command installs it.
    Top-1 accuracy of the three networks together, in percent, as the authors
    state it: NTU-60 X-sub 92.9, NTU-120 X-sub 89.4, NTU-60-X 94.7, NTU-120-X
    89.1; of the hands' network alone on SHREC'17 with 14 and 28 gestures
    95.5 and 93.1.

    Args:
        weights: `None` (random), a registered name, a path, or an `hf://` or
            `https://` address.
        input_shape: `(M, T, V, C)`: persons, frames, joints, channels.
            Defaults to `None`: 2 persons and 64 frames, with `part` its
            joints in 12 channels, and without the joints of the skeleton in
            3. Weights fit any `T`.
        skeleton: The whole body: a `Skeleton` or its registered name.
            Defaults to `"ntu"`.
        part: `"body"`, `"hand"`, `"leg"`, or `None` (default) for all three.
        bones: `"published"` (default) or `"corrected"`: the graph of a part,
            and the bones that the three together make inside. See `part_of`.
            The weights bring the graph along.
        classes: `None` for the encoder, a number for the classifier.
        pooling: `None`, or how the encoder's output is pooled over persons,
            time and joints: `"avg"`, `"max"` or `"published"`, the system's
            own rule, which is the average.
        encoder: A built PSUMNet encoder to put a head on. Layers and
            variables are shared.
        classifier_activation: Activation of `predictions`. Defaults to none:
            the outputs are logits.
        head: `"published"` (default): mean over persons, time and joints,
            dense layer, for each part. Or `"linear"`: one for the joints of
            all parts together, which normalizes between the two.
        hidden_dim: Channels of the first blocks, a multiple of 4. Defaults
            to 64.
        blocks: Dict from each part to its blocks: for each the width, in
            multiples of `hidden_dim`, and the stride over time. Defaults to
            `BLOCKS`, the published ten, six and four.
        fusion_weights: Factors of the logits of the body, the hands and the
            legs. Defaults to `(2.0, 1.8, 0.7)`, those of NTU-60 X-sub;
            `FUSION_WEIGHTS` has all published ones.
        dropout_rate: Dropout before the last layer. Defaults to 0.
        name: Name of the model.
        dtype: Data type policy of the layers.

    Input shape: `(N, M, T, V, C)`, metres.

    Raises:
        ValueError: If arguments contradict each other, the skeleton or the
            weights; the message says how to mend it.

    Example:

    >>> hands = PSUMNet(part="hand", classes=60)
    >>> hands(np.zeros((2, 2, 64, 13, 12))).shape
    (2, 60)
    >>> model = PSUMNet(classes=60)
    >>> model.load_streams(hand=hands)
    >>> model(np.zeros((2, 2, 64, 25, 3))).shape
    (2, 60)

    Reference: Trivedi and Sarvadevabhatla, PSUMNet: Unified Modality Part
    Streams are All You Need for Efficient Pose-based Action Recognition,
    ECCV 2022 Workshops, arXiv 2208.05775; official code skelemoa/psumnet.
    """

    system = "psumnet"
    changeable = ("head", "fusion_weights", "dropout_rate")
    search_space = {
        "hidden_dim": [16, 32, 48, 64],
        "dropout_rate": (0.0, 0.5),
    }
    # Published is a learning rate that is halved where the loss on the test
    # data stands still; here a cosine.
    recipes = {
        "training": {
            "optimizer": "sgd",
            "learning_rate": 0.1,
            "minimum": 0.0,
            "warmup_epochs": 0,
            "epochs": 200,
            "batch_size": 64,
            "weight_decay": 5e-4,
            "nesterov": True,
            "label_smoothing": 0.0,
            "interval": (0.5, 1.0),
            "augmentation": ({"class": "RandomRotation"},),
        },
    }
    tiny = {
        "input_shape": (1, 8, 20, 3),
        "skeleton": "kinect20",
        "hidden_dim": 4,
        "blocks": {"body": ((2, 2),), "hand": ((2, 2),), "leg": ((2, 2),)},
    }

    @constructor
    def __init__(
        self,
        weights: PathLike | None = None,
        *,
        input_shape=None,
        skeleton: SkeletonLike = "ntu",
        part=None,
        bones="published",
        classes=None,
        pooling=None,
        encoder=None,
        classifier_activation=None,
        head="published",
        hidden_dim=64,
        blocks=BLOCKS,
        fusion_weights=FUSION_WEIGHTS["ntu60_xsub"],
        dropout_rate=0.0,
        name="psumnet",
        dtype=None,
    ):
        """See the class."""

    @staticmethod
    def settle_shape(settings, skeleton):
        parts = _parts(settings, skeleton)
        shape, part = settings["input_shape"], settings["part"]
        if part is None:
            shape = shape or (2, 64, skeleton.num_joints, 3)
            return check_shape(shape, skeleton)
        joints = len(parts[part].joints)
        shape = shape or (2, 64, joints, 12)
        if len(shape) == 4 and shape[2] != joints:
            raise ValueError(
                f"The part {part!r} of the skeleton {skeleton.name!r} has "
                f"{joints} joints, in the order of `part_of`. Received "
                f"input_shape={tuple(shape)}, whose third number is "
                f"{shape[2]}. Without `part`, the model takes clips of the "
                "whole skeleton."
            )
        whole = (*shape[:2], skeleton.num_joints, *shape[3:])
        persons, frames, _, channels = check_shape(whole, skeleton)
        return persons, frames, joints, channels

    @staticmethod
    def check(settings):
        stack.check_width(settings["hidden_dim"])
        if set(settings["blocks"]) != set(PARTS):
            raise ValueError(
                "`blocks` must be a dictionary with the blocks of each of "
                f"{', '.join(PARTS)}. Received the keys "
                f"{', '.join(map(str, settings['blocks']))}."
            )
        for blocks in settings["blocks"].values():
            stack.check_blocks(blocks)
        factors = tuple(float(factor) for factor in settings["fusion_weights"])
        if len(factors) != len(PARTS):
            raise ValueError(
                "`fusion_weights` must be one factor for each of "
                f"{', '.join(PARTS)}. Received fusion_weights={factors}."
            )
        settings["fusion_weights"] = factors

    @staticmethod
    def encoder_graph(inputs, settings, skeleton, dtype):
        parts = _parts(settings, skeleton)
        if settings["part"]:
            (part,) = parts
            return _part_features(inputs, settings, part, parts[part], dtype)
        outputs = []
        for part, chosen in parts.items():
            x = SelectJoints(chosen.joints, name=f"{part}_joints")(inputs)
            x = Streams(bones=chosen.bones, name=f"{part}_streams")(x)
            outputs.append(
                _part_features(x, settings, part, chosen, dtype, f"{part}_")
            )
        return keras.layers.Concatenate(axis=3, name="features", dtype=dtype)(
            outputs
        )

    @staticmethod
    def head_graph(features, settings, skeleton, classes, activation, dtype):
        def head(features, activation, prefix):
            return stack.logits(
                features,
                classes,
                activation=activation,
                dropout_rate=settings["dropout_rate"],
                prefix=prefix,
                dtype=dtype,
            )

        if settings["part"]:
            return head(features, activation, "")
        scores, first = [], 0
        for part, chosen in _parts(settings, skeleton).items():
            last = first + len(chosen.joints)
            scores.append(head(features[:, :, :, first:last], None, f"{part}_"))
            first = last
        return ScoreFusion(
            settings["fusion_weights"],
            activation,
            name="predictions",
            dtype="float32",
        )(scores)

    @property
    def parts(self):
        """Names of the parts whose networks the model has."""
        part = self.settings["part"]
        return PARTS if part is None else (part,)

    def blocks(self, part):
        """The blocks of the network of one part, first to last."""
        prefix = self.prefix(part)
        return [
            self.get_layer(f"{prefix}block_{i}")
            for i in range(len(self.settings["blocks"][part]))
        ]

    def prefix(self, part):
        """What the names of the layers of one part begin with."""
        if part not in self.parts:
            raise ValueError(
                f"The model {self.name!r} has the parts "
                f"{', '.join(self.parts)}. Received part={part!r}."
            )
        return "" if self.settings["part"] else f"{part}_"

    def joints_of(self, layer="features"):
        """The joints of the skeleton that those of a layer are.

        Args:
            layer: Name of a layer. The three networks see parts of the body;
                their joints follow one another in the layer `features`.

        Returns:
            Tuple of joint indices.
        """
        parts = _parts(self.settings, self.skeleton)
        for part, chosen in parts.items():
            prefix = self.prefix(part)
            if prefix and layer.startswith(prefix):
                return chosen.joints
        if len(parts) > 1 and layer != "features":
            return tuple(range(self.skeleton.num_joints))
        return sum((chosen.joints for chosen in parts.values()), start=())

    def load_streams(self, **streams):
        """Loads trained networks of parts into the three together.

        Args:
            **streams: By part (`body=`, `hand=`, `leg=`) a `PSUMNet` of this
                part, or what `weights=` takes for one.

        Raises:
            ValueError: If a network is that of another part, or does not fit.
        """
        from keras_skeleton.weights import conversion

        variables = conversion.variables_of(self)
        arrays = {}
        for part, stream in streams.items():
            prefix = self.prefix(part)
            if not isinstance(stream, PSUMNet):
                stream = self._stream(part, stream)
            if stream.parts != (part,) or not prefix:
                raise ValueError(
                    "`load_streams` puts networks of single parts into a "
                    "model of all three. Received a network of "
                    f"{', '.join(stream.parts)} for part={part!r} of the "
                    f"model {self.name!r}."
                )
            for path, variable in conversion.variables_of(stream).items():
                target = variables.get(prefix + path)
                if target is None or target.shape != variable.shape:
                    raise ValueError(
                        f"{path} of shape {tuple(variable.shape)} has no "
                        f"place in the model {self.name!r}. Build both with "
                        "the same `classes`, persons and other arguments."
                    )
                arrays[prefix + path] = ops.convert_to_numpy(variable.value)
        conversion.assign(variables, arrays)

    def _stream(self, part, weights):
        settings = {
            key: self.settings[key]
            for key in ("skeleton", "bones", "hidden_dim", "blocks")
        }
        persons, frames, _, coordinates = self.settings["input_shape"]
        joints = len(part_of(self.skeleton, part, settings["bones"]).joints)
        return PSUMNet(
            weights,
            part=part,
            classes=self.ends["classes"],
            input_shape=(persons, frames, joints, 4 * coordinates),
            **settings,
        )


@keras.saving.register_keras_serializable(package="keras_skeleton")
class ScoreFusion(keras.layers.Layer):
    """Weighted sum of class scores.

    Args:
        factors: Factor of each input.
        activation: Activation of the sum.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        scores: List of tensors `(N, classes)`.

    Output shape: `(N, classes)`.
    """

    def __init__(self, factors, activation=None, **kwargs):
        super().__init__(**kwargs)
        self.factors = tuple(float(factor) for factor in factors)
        self.activation = keras.activations.get(activation)

    def call(self, scores):
        parts = [
            factor * score
            for factor, score in zip(self.factors, scores, strict=True)
        ]
        return self.activation(sum(parts[1:], start=parts[0]))

    def compute_output_shape(self, input_shape):
        return input_shape[0]

    def get_config(self):
        return {
            **super().get_config(),
            "factors": list(self.factors),
            "activation": keras.activations.serialize(self.activation),
        }


def part_of(skeleton, part, bones="published"):
    """Joints and bones of a part of the body.

    For the layouts of the published data sets (`"ntu"`, `"ntu_x67"`,
    `"shrec22"`) as published, see
    `keras_skeleton.layers.augmentation.body_part`; the published legs of
    `"ntu"` and hands of `"shrec22"` are off by one joint, which
    `"corrected"` mends. For other layouts, the body is the whole skeleton,
    and the hands and legs are the arms and legs that it names among its
    `parts`, with the joints that they hang on in front.

    Args:
        skeleton: A `Skeleton` or its registered name.
        part: `"body"`, `"hand"` or `"leg"`.
        bones: `"published"` or `"corrected"`.

    Returns:
        A `keras_skeleton.layers.augmentation.BodyPart`.

    Raises:
        ValueError: If the layout has no such part.

    Example:

    >>> part_of("nw_ucla", "hand").joints
    (2, 4, 5, 6, 7, 8, 9, 10, 11)
    """
    if part not in PARTS:
        raise ValueError(
            f"`part` must be one of {', '.join(PARTS)}. Received part={part!r}."
        )
    if bones not in ("published", "corrected"):
        raise ValueError(
            "`bones` must be 'published' or 'corrected'. Received "
            f"bones={bones!r}."
        )
    skeleton = skeletons.get(skeleton)
    layout = _LAYOUTS.get(skeleton.name)
    if layout is not None and skeleton == skeletons.get(skeleton.name):
        return body_part(layout, part, corrected=bones == "corrected")
    if part == "body":
        return BodyPart(tuple(range(skeleton.num_joints)), skeleton.edges)
    limb = {"hand": "arm", "leg": "leg"}[part]
    names = [f"{side}_{limb}" for side in ("left", "right")]
    missing = [name for name in names if name not in skeleton.parts]
    if missing:
        raise ValueError(
            f"The skeleton {skeleton.name!r} names no part {missing[0]!r}, "
            f"which the network of part={part!r} looks at. Pass a `Skeleton` "
            f"with {' and '.join(map(repr, names))} among its `parts`."
        )
    limbs = [joint for name in names for joint in skeleton.parts[name]]
    parents = {skeleton.parents[joint] for joint in limbs}
    joints = (*sorted(parents.difference(limbs)), *limbs)
    place = {joint: i for i, joint in enumerate(joints)}
    return BodyPart(
        joints,
        tuple(
            (place[child], place[parent])
            for child, parent in skeleton.edges
            if child in place and parent in place
        ),
    )


def _parts(settings, skeleton):
    """The `BodyPart` of each network of the model, by name."""
    names = [settings["part"]] if settings["part"] else PARTS
    return {name: part_of(skeleton, name, settings["bones"]) for name in names}


def _part_features(clips, settings, part, chosen, dtype, prefix=""):
    return stack.features(
        clips,
        layers.spatial_graph(len(chosen.joints), chosen.bones),
        settings["blocks"][part],
        settings["hidden_dim"],
        prefix=prefix,
        dtype=dtype,
    )


preprocess_input, decode_predictions = conventions("psumnet", num_frames=64)
