"""M-Mixer: every modality is read with the others in mind."""

import keras
from keras import ops

from keras_skeleton import _graph
from keras_skeleton import layers
from keras_skeleton._types import PathLike
from keras_skeleton.applications import _mixing
from keras_skeleton.applications._application import Application
from keras_skeleton.applications._application import check_choice
from keras_skeleton.applications._application import check_number
from keras_skeleton.applications._application import constructor
from keras_skeleton.applications._conventions import conventions
from keras_skeleton.applications.stgcn import STGCN
from keras_skeleton.skeletons.skeleton import SkeletonLike

# The published modalities, and the width of their features.
MODALITIES = (("video", 512), ("depth", 512), ("infrared", 512))
SKELETONS = "skeletons"


@keras.saving.register_keras_serializable(package="keras_skeleton")
class MMixer(Application):
    """Recurrent units of several modalities, fed with content of the others.

        features of a modality f_1 ... f_T --> unit -> unit -> ... -> h_T --+
                                                ^       ^                   |
        features of the others --> content -----+-------+                scores
                                                                            |
        ... the same for each other modality ... ------------------- h_T --+

    **This is a reconstruction.** The text of the papers could not be read
    where it describes the method: known are that each modality has a
    recurrent unit with a mixing, a reset and an update part, that learned
    queries find content in the others, that it is the same for all frames and
    that the last states are concatenated and classified. The equations in
    `ContextualizationUnit` and `ComplementaryFeatures`, all sizes and the
    losses are choices of ours that agree with that. There is no official code
    and no published weight to compare with.

    Inputs are features of each frame, of any two or more modalities by any
    names. The modality `skeletons` is encoded by the model: a few blocks of
    `STGCN` that keep the number of frames, averaged over persons and joints
    (a choice of ours; the papers use pictures only). For pictures, put any
    network of single frames in front with `with_extractors`.

    The encoder ends in the feature map `(N, 1, T, K, D)` of the layer
    `features`, with the `K` modalities in the place of joints. The published
    pooling takes the last frame and puts the modalities side by side.

    Args:
        weights: `None` (random), a path, or an `hf://` or `https://` address.
        input_shape: `(M, T, V, C)`: persons, frames, joints, coordinates of
            skeletons. Its `T` is that of all modalities, also where there
            are no skeletons. Defaults to `(2, 16, 25, 3)`.
        modalities: Names with the width of the features, as pairs or a dict:
            the order is that of the fusion. Defaults to `MODALITIES`, the
            published ones. Of `skeletons` the width is that of its encoder.
        skeleton: A `Skeleton` or its registered name. Defaults to `"ntu"`.
        classes: `None` for the encoder, a number for the classifier.
        pooling: `None`, or how the encoder's output is pooled over frames
            and modalities: `"avg"`, `"max"` or `"published"`.
        encoder: A built encoder to put a head on. Layers and variables are
            shared.
        classifier_activation: Activation of `predictions`. Defaults to none:
            the outputs are logits.
        head: `"published"` (default): states side by side, dense layer. Or
            `"linear"`, which normalizes between the two.
        content: How the content of the others is found: `"cfem"` (default;
            learned queries attend to all their frames) or `"mean"` (linear
            maps of their means).
        hidden_dim: Width `D` of states and content. Defaults to 512.
        num_heads: Heads of the queries' attention. Defaults to 8.
        num_queries: Learned queries of each modality. Defaults to 1.
        readout: What is classified: `"last"` (default), the states of the
            last frame, or `"mean"`, their mean over the frames.
        mask_padding: Whether frames in which all inputs are zero are left
            out: they change no state. Defaults to False.
        num_skeleton_blocks: Blocks of the encoder of skeletons. Defaults
            to 3.
        name: Name of the model.
        dtype: Data type policy of the layers.

    Input shape: a dict by the names of the modalities: `skeletons` `(N, M, T,
        V, C)`, all others `(N, T, width)`.

    Raises:
        ValueError: If there are fewer than two modalities, or arguments
            contradict each other.

    Example:

    >>> model = MMixer(classes=60)
    >>> features = {
    ...     name: np.zeros((2, 16, width)) for name, width in MODALITIES
    ... }
    >>> model(features).shape
    (2, 60)

    Reference: Lee et al., Modality Mixer for Multi-modal Action Recognition,
    WACV 2023, arXiv 2208.11314, and with Complementary Feature Extraction
    Module, CVIU 2025, arXiv 2311.12344.
    """

    takes_pixels = True
    system = "mmixer"
    changeable = ("head", "readout")
    search_space = {
        "content": ["cfem", "mean"],
        "hidden_dim": [128, 256, 512],
        "num_queries": [1, 2, 4],
        "readout": ["last", "mean"],
    }
    # A cosine of half the epochs: the published steps end in standstill.
    recipes = {
        "training": {
            "learning_rate": 1e-4,
            "minimum": 0.0,
            "warmup_epochs": 5,
            "epochs": 100,
            "batch_size": 32,
            "weight_decay": 1e-4,
            "label_smoothing": 0.0,
        },
    }
    tiny = {
        "input_shape": (1, 8, 20, 3),
        "modalities": ((SKELETONS, 8), ("video", 6)),
        "skeleton": "kinect20",
        "hidden_dim": 8,
        "num_heads": 2,
        "num_skeleton_blocks": 1,
    }

    @constructor
    def __init__(
        self,
        weights: PathLike | None = None,
        *,
        input_shape=(2, 16, 25, 3),
        modalities=MODALITIES,
        skeleton: SkeletonLike = "ntu",
        classes=None,
        pooling=None,
        encoder=None,
        classifier_activation=None,
        head="published",
        content="cfem",
        hidden_dim=512,
        num_heads=8,
        num_queries=1,
        readout="last",
        mask_padding=False,
        num_skeleton_blocks=3,
        name="mmixer",
        dtype=None,
    ):
        """See the class."""

    @staticmethod
    def check(settings):
        check_choice("content", settings["content"], ("cfem", "mean"))
        check_choice("readout", settings["readout"], ("last", "mean"))
        check_number("num_queries", settings["num_queries"], 1, whole=True)
        given = settings["modalities"]
        try:
            pairs = tuple(
                (str(name), int(width)) for name, width in dict(given).items()
            )
        except (TypeError, ValueError):
            pairs = ()
        if len(pairs) < 2 or min(width for _, width in pairs) < 1:
            raise ValueError(
                "`modalities` must be two or more names with the width of "
                "their features, for example {'video': 512, 'skeletons': "
                f"64}}: each is read with the others in mind. Received: {given}"
            )
        settings["modalities"] = pairs
        has_heads = settings["content"] == "cfem"
        if has_heads and settings["hidden_dim"] % settings["num_heads"]:
            raise ValueError(
                "`hidden_dim` must be a multiple of `num_heads`. Received: "
                f"{settings['hidden_dim']} and {settings['num_heads']}."
            )

    @staticmethod
    def make_inputs(settings):
        frames = settings["input_shape"][1]
        return {
            name: keras.Input(
                settings["input_shape"]
                if name == SKELETONS
                else (frames, width),
                name=name,
            )
            for name, width in settings["modalities"]
        }

    @staticmethod
    def encoder_graph(inputs, settings, skeleton, dtype):
        valid = _valid(inputs, settings, dtype)
        features = {
            name: _skeleton_frames(x, settings, skeleton, dtype)
            if name == SKELETONS
            else x
            for name, x in inputs.items()
        }
        contents = _contents(features, valid, settings, dtype)
        states = [
            _mixing.ContextualizationUnit(
                settings["hidden_dim"], name=f"unit_{name}", dtype=dtype
            )(features[name], contents[name], *valid)
            for name, _ in settings["modalities"]
        ]
        x = ops.stack(states, axis=2)
        return keras.layers.Reshape(
            (1, *x.shape[1:]), name="features", dtype=dtype
        )(x)

    @classmethod
    def pooled(cls, features, kind="published", dtype=None):
        if kind != "published":
            return super().pooled(features, kind, dtype)
        return _mixing.ReadOut(name="pooled", dtype=dtype)(features)

    @staticmethod
    def head_graph(features, settings, skeleton, classes, activation, dtype):
        return keras.layers.Dense(
            classes,
            activation=activation,
            name="predictions",
            # The loss needs full precision whatever the layers compute in.
            dtype="float32",
        )(_read_out(features, settings, dtype))

    def by_head(self):
        """The model that also gives scores of each modality, for training.

        It shares all layers with this classifier, which is trained with it.
        The heads of the modalities are new and part of the training only.

        Returns:
            A `keras.Model` of the same inputs with logits `(N, 1 + K,
            classes)`, the fused ones first: train it with
            `losses.JointCrossentropy((1, a, ...))`, `a` being the weight of
            the mean of the others divided by `K`.

        Raises:
            ValueError: If this is an encoder.
        """
        classes = self.get_config()["classes"]
        if classes is None:
            raise ValueError(
                "An encoder has no scores. Build the model with `classes=`."
            )
        if self.settings["head"] == "published":
            states = self.get_layer("read_out").output
        else:
            states = _read_out(self.feature_map, self.settings, None)
        width, scores = self.settings["hidden_dim"], [self.output]
        for i, (name, _) in enumerate(self.settings["modalities"]):
            head = keras.layers.Dense(
                classes, name=f"auxiliary_{name}", dtype="float32"
            )
            scores.append(head(states[:, i * width : (i + 1) * width]))
        return keras.Model(
            self.input, ops.stack(scores, axis=1), name=f"{self.name}_by_head"
        )

    def with_extractors(self, extractors):
        """Puts networks in front that make features of pictures or clips.

        Args:
            extractors: Dict of Keras models by modality; for others the
                features stay the input. A model takes one frame `(N, H, W,
                C)` and gives `(N, width)`, then it is applied to each frame;
                or it takes all and gives `(N, T, width)`, or a feature map
                `(N, M, T, V, width)`, which is averaged over persons and
                joints.

        Returns:
            A `keras.Model` that takes a dict of what the extractors take.

        Raises:
            ValueError: If a modality is unknown, or features do not fit.

        Example:

        >>> frames = keras.applications.MobileNetV3Small(
        ...     include_top=False, pooling="avg", weights=None
        ... )
        >>> mixer = MMixer(modalities={"video": 576, "depth": 512})
        >>> model = mixer.with_extractors({"video": frames})
        """
        inputs, features = {}, {}
        unknown = set(extractors) - set(self.input)
        if unknown:
            raise ValueError(
                f"The model has the modalities {', '.join(self.input)}. "
                f"Received extractors of {', '.join(sorted(unknown))}."
            )
        for name, symbolic in self.input.items():
            shape = tuple(symbolic.shape[1:])
            if name in extractors:
                inputs[name], features[name] = _extracted(
                    name, extractors[name], shape
                )
            else:
                inputs[name] = keras.Input(shape, name=name)
                features[name] = inputs[name]
        return keras.Model(
            inputs, self(features), name=f"{self.name}_with_extractors"
        )


def _valid(inputs, settings, dtype):
    """Which frames count, as a list: empty where all do."""
    if not settings["mask_padding"]:
        return []
    layer = _mixing.ValidFrames(name="valid", dtype=dtype)
    return [layer(list(inputs.values()))]


def _contents(features, valid, settings, dtype):
    """What the other modalities are about, for each modality."""
    width = settings["hidden_dim"]
    if settings["content"] == "mean":
        own = {
            name: _mixing.MeanContent(
                width, name=f"content_{name}", dtype=dtype
            )(x, *valid)
            for name, x in features.items()
        }
        return {
            name: _joined([own[other] for other in own if other != name], -1)
            for name in own
        }
    bank = {
        name: keras.layers.Dense(width, name=f"bank_{name}", dtype=dtype)(x)
        for name, x in features.items()
    }
    contents = {}
    for name in bank:
        others = [bank[other] for other in bank if other != name]
        contents[name] = _mixing.ComplementaryFeatures(
            settings["num_heads"],
            settings["num_queries"],
            name=f"complement_{name}",
            dtype=dtype,
        )(_joined(others, 1), *(_joined(valid * len(others), 1) for _ in valid))
    return contents


def _joined(tensors, axis):
    return tensors[0] if len(tensors) == 1 else ops.concatenate(tensors, axis)


def _skeleton_frames(clips, settings, skeleton, dtype):
    """Features of each frame of the skeletons."""
    width = dict(settings["modalities"])[SKELETONS]
    x = STGCN.input_norm(settings, skeleton, name="input_norm", dtype=dtype)(
        clips
    )
    x = layers.FoldPersons(name="fold_persons", dtype=dtype)(x)
    for i in range(settings["num_skeleton_blocks"]):
        convolution = STGCN.graph_convolution(
            settings,
            skeleton,
            filters=width,
            name="graph_convolution",
            dtype=dtype,
        )
        x = layers.SpatioTemporalBlock(
            convolution,
            residual=i > 0,
            multi_scale=False,
            kernel_size=9,
            name=f"block_{i}",
            dtype=dtype,
        )(x)
    x = layers.TokenGrid(
        clips.shape[1], *x.shape[1:3], name="skeleton_features", dtype=dtype
    )(x)
    return ops.mean(x, axis=(1, 3))


def _read_out(features, settings, dtype):
    valid = []
    if settings["mask_padding"] and settings["readout"] == "mean":
        valid = [_graph.tensor_before(features, "valid")]
    layer = _mixing.ReadOut(settings["readout"], name="read_out", dtype=dtype)
    return layer(features, *valid)


def _extracted(name, extractor, shape):
    """Symbolic input and features of an extractor, which must have a shape."""
    if len(shape) != 2:
        raise ValueError(
            f"The modality {name!r} is encoded by the model. Give it another "
            "name to put an extractor in front."
        )
    frames, width = shape
    # A `Sequential` has these before it is called, and no `input` yet.
    (given,), (output,) = extractor.inputs, extractor.outputs
    taken, rank = tuple(given.shape[1:]), len(output.shape)
    if rank == 2:
        source = keras.Input((frames, *taken), name=name)
        found = extractor(ops.reshape(source, (-1, *taken)))
        found = ops.reshape(found, (-1, frames, found.shape[-1]))
    else:
        source = keras.Input(taken, name=name)
        found = extractor(source)
        if rank == 5:
            found = ops.mean(found, axis=(1, 3))
    if tuple(found.shape[1:]) != (frames, width):
        raise ValueError(
            f"The model takes {frames} frames of {name!r} of width {width}. "
            f"The extractor {extractor.name!r} gives features of shape "
            f"{tuple(found.shape[1:])}."
        )
    return source, found


preprocess_input, decode_predictions = conventions("mmixer", num_frames=16)
