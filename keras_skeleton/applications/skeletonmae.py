"""SkeletonMAE: hidden body parts are predicted on the graph of the body."""

import math

import keras
import numpy as np
from keras import ops

from keras_skeleton import _graph
from keras_skeleton import _values
from keras_skeleton import layers
from keras_skeleton._types import PathLike
from keras_skeleton.applications import _hidden_parts
from keras_skeleton.applications._application import Application
from keras_skeleton.applications._application import constructor
from keras_skeleton.applications._conventions import conventions
from keras_skeleton.applications._frozen import EncoderTraining
from keras_skeleton.applications._input_check import InputCheck
from keras_skeleton.applications._representation import FramePositions
from keras_skeleton.applications._representation import RepresentationLayer
from keras_skeleton.applications._representation import TemporalPooling
from keras_skeleton.layers.dense import uniform_dense
from keras_skeleton.losses import ReweightedCosineError
from keras_skeleton.skeletons.skeleton import SkeletonLike
from keras_skeleton.training import MaskedPrediction

# Links of the published graph beside the bones of our layout: across the
# shoulders and across the hips.
LINKS = {"coco17": ((5, 6), (11, 12))}


@keras.saving.register_keras_serializable(package="keras_skeleton")
class SkeletonMAE(Application):
    """Graph-based masked autoencoder: encoder, or classifier with a head.

    A reconstruction: the authors published no code and no weights. What the
    paper (its main part) states is built as stated; *choices* are ours.

    The encoder is what `SkeletonMAEPretext` trains: a dense layer from the
    coordinates of each joint to `hidden_dim` features, then graph isomorphism
    layers over the joints of one person in one frame
    (`keras_skeleton.layers.GraphIsomorphismNetwork`). It ends in the layer
    `features` of shape `(N, M, T, V, encoder_dim)`, or after `pooling` in
    `(N, encoder_dim)`, and mixes nothing over time.

    The head `"published"` is all that the paper fine-tunes, its model SSL: a
    learned position of each frame is added to the embedded joints, and for
    each entry of `strides` follows

    - a spatial-temporal representation layer: an encoder for each person,
      whose joints are added up, a pointwise residual, a dense layer, ReLU;
    - multi-scale convolutions over time with this stride (the paper names
      them and describes them elsewhere; choice: those of CTR-GCN, with a
      shortcut, behind each layer). 0 leaves them out.

    The last map is the layer `features` of the classifier, `(N, M, T', V,
    output_dim)`; choice: its mean over persons, time and joints passes
    through a dense layer, ReLU and dropout to the layer `predictions`.

    Each encoder of the head is a copy of the pre-trained one with variables
    of its own, but for the first person's in the first layer, which is that
    of the given `encoder` itself. The paper says so of the persons; that it
    holds for all layers is a choice. Absent persons (all zero) take part like
    the others (choice).

    Choices also are the widths, biases, zeros for the first positions, the
    PReLU that the text and not the figure has, and PyTorch's initialization.

    Architecture arguments that are left out are taken from `weights` or from
    `encoder`, and else have the published values, the defaults below.

    Args:
        weights: `None` (random), a path, or an `hf://` or `https://` address.
        input_shape: `(M, T, V, C)`: persons, frames, joints, coordinates.
            Defaults to `(2, 64, 17, 2)`.
        skeleton: A `Skeleton` or its registered name. Defaults to
            `"coco17"`.
        classes: `None` for the encoder, a number for the classifier.
        pooling: `None`, or how the encoder's output is pooled over persons,
            time and joints: `"avg"`, `"max"` or `"published"`, which is the
            average.
        encoder: A built SkeletonMAE encoder to put a head on, such as that
            of a `SkeletonMAEPretext`. Layers and variables are shared.
        classifier_activation: Activation of `predictions`. Defaults to none:
            the outputs are logits.
        head: `"published"` (default), or `"linear"`: mean of the encoder's
            features, normalization, dense layer.
        hidden_dim: Features of an embedded joint, `D`. Defaults to 64.
        encoder_dim: Width of the graph isomorphism layers; choice. Defaults
            to 64.
        encoder_layers: Number of graph isomorphism layers. Defaults to 3.
        activation: `"prelu"` (default), `"relu"`, `"gelu"` or `"elu"`, of
            these layers.
        dropout_rate: Dropout before each of them; choice. Defaults to 0.0.
        center_weight: Weight at which a joint adds itself to its neighbours,
            `1 + eps` of a graph isomorphism layer; choice. Defaults to 1.0.
        links: Pairs of joints that are linked beside the bones, such as
            `((5, 6), (11, 12))`. Defaults to `None`: the published ones, see
            `LINKS`, and none in other layouts.
        strides: For each representation layer the stride of the convolutions
            over time behind it. Defaults to `(2, 2, 2)`.
        output_dim: Channels of the last representation layer, a multiple of
            4; choice. Defaults to 256.
        mlp_dim: Width of the head's dense layer; choice. Defaults to 256.
        head_dropout_rate: Dropout of the head; choice. Defaults to 0.5.
        name: Name of the model.
        dtype: Data type policy of the layers.

    Input shape: `(N, M, T, V, C)`. Published: image coordinates; choice:
    from -1 to 1 over the picture, undetected joints zero.

    Raises:
        ValueError: If arguments contradict each other, the skeleton or the
            weights; the message says how to mend it.

    Example:

    >>> pretext = SkeletonMAEPretext(input_shape=(1, 32, 17, 2))
    >>> model = SkeletonMAE(encoder=pretext.encoder, classes=10)
    >>> model(np.zeros((2, 1, 32, 17, 2))).shape
    (2, 10)

    Reference: Yan et al., SkeletonMAE: Graph-based Masked Autoencoder for
    Skeleton Sequence Pre-training, ICCV 2023, arXiv 2307.08476; graph layers
    as in the code of THUDM/GraphMAE, which the paper extends.
    """

    system = "skeletonmae"
    changeable = (
        "head",
        "strides",
        "output_dim",
        "mlp_dim",
        "head_dropout_rate",
    )
    search_space = {
        "output_dim": [128, 256],
        "mlp_dim": [128, 256],
        "head_dropout_rate": (0.0, 0.5),
    }
    # Weight decay and Nesterov's momentum are choices.
    recipes = {
        "finetune": {
            "optimizer": "sgd",
            "learning_rate": 0.1,
            "steps": (90, 100),
            "warmup_epochs": 5,
            "epochs": 110,
            "batch_size": 128,
            "weight_decay": 4e-4,
            "nesterov": True,
            "label_smoothing": 0.1,
        },
    }
    tiny = {
        "input_shape": (1, 8, 20, 3),
        "skeleton": "kinect20",
        "hidden_dim": 8,
        "encoder_dim": 8,
        "encoder_layers": 2,
        "strides": (2, 0),
        "output_dim": 8,
        "mlp_dim": 8,
    }

    @constructor
    def __init__(
        self,
        weights: PathLike | None = None,
        *,
        input_shape=(2, 64, 17, 2),
        skeleton: SkeletonLike = "coco17",
        classes=None,
        pooling=None,
        encoder=None,
        classifier_activation=None,
        head="published",
        hidden_dim=64,
        encoder_dim=64,
        encoder_layers=3,
        activation="prelu",
        dropout_rate=0.0,
        center_weight=1.0,
        links=None,
        strides=(2, 2, 2),
        output_dim=256,
        mlp_dim=256,
        head_dropout_rate=0.5,
        name="skeletonmae",
        dtype=None,
    ):
        """See the class."""

    @staticmethod
    def check(settings):
        strides = settings["strides"]
        is_list = isinstance(strides, tuple) and strides
        if not is_list or not all(map(_is_number, strides)):
            raise ValueError(
                "`strides` must have a whole number of at least 0 for each "
                f"representation layer. Received strides={strides}."
            )
        links, joints = settings["links"], settings["input_shape"][2]
        for link in () if links is None else links:
            is_pair = isinstance(link, tuple) and len(link) == 2
            if not is_pair or not all(_is_number(j, joints) for j in link):
                raise ValueError(
                    f"`links` must hold pairs of joints from 0 to {joints - 1}"
                    f", such as ((5, 6), (11, 12)). Received links={links}."
                )

    @staticmethod
    def encoder_graph(inputs, settings, skeleton, dtype):
        links = settings["links"]
        if links is None:
            links = LINKS.get(skeleton.name, ())
        *rest, coordinates = inputs.shape[1:]
        x = uniform_dense(
            settings["hidden_dim"], coordinates, "joint_embedding", dtype
        )(inputs)
        x = layers.GraphIsomorphismNetwork(
            settings["encoder_dim"],
            layers.body_graph(rest[-1], (*skeleton.edges, *links)),
            settings["encoder_layers"],
            settings["activation"],
            settings["dropout_rate"],
            settings["center_weight"],
            name="joint_encoder",
            dtype=dtype,
        )(x)
        return keras.layers.Identity(name="features", dtype=dtype)(x)

    @classmethod
    def head_graph(
        cls, features, settings, skeleton, classes, activation, dtype
    ):
        (encoded,) = _graph.node_of(features).input_tensors
        node = _graph.node_of(encoded)
        encoder, (x,) = node.operation, node.input_tensors
        x = FramePositions(name="frame_positions", dtype=dtype)(x)
        persons, last = x.shape[1], len(settings["strides"]) - 1
        for i, stride in enumerate(settings["strides"]):
            filters = settings["output_dim" if i == last else "hidden_dim"]
            encoders = [encoder.copy(f"person_{m}") for m in range(persons)]
            if i == 0:
                encoders[0] = encoder
            layer = RepresentationLayer(
                encoders, filters, name=f"representation_{i}", dtype=dtype
            )
            x = layer(x)
            layer.start_from(encoder)
            if stride:
                x = TemporalPooling(
                    filters, stride, name=f"temporal_pooling_{i}", dtype=dtype
                )(x)
        x = keras.layers.Identity(name="features", dtype=dtype)(x)
        x = cls.pooled(x, dtype=dtype)
        x = uniform_dense(
            settings["mlp_dim"], x.shape[-1], "head_hidden", dtype, "relu"
        )(x)
        x = keras.layers.Dropout(
            settings["head_dropout_rate"], name="head_dropout", dtype=dtype
        )(x)
        # The loss needs full precision whatever the layers compute in.
        return uniform_dense(
            classes, x.shape[-1], "predictions", "float32", activation
        )(x)

    @property
    def joint_embedding(self):
        """The layer from coordinates to embedded joints."""
        return self.get_layer("joint_embedding")

    @property
    def joint_encoder(self):
        """The graph isomorphism layers, as one layer."""
        for layer in self.representation_layers:
            return layer.encoders[0]
        return self.get_layer("joint_encoder")

    @property
    def representation_layers(self):
        """Those of the published head; none without it."""
        kind = RepresentationLayer
        return [layer for layer in self.layers if isinstance(layer, kind)]

    def start_head(self):
        for layer in self.representation_layers:
            layer.start_from(self.joint_encoder)


def _is_number(value, below=math.inf):
    """Whether a value is a whole number from 0 to below another."""
    return isinstance(value, int | np.integer) and 0 <= value < below


@keras.saving.register_keras_serializable(package="keras_skeleton")
class SkeletonMAEPretext(EncoderTraining, InputCheck, MaskedPrediction):
    """Hidden body parts: trains a SkeletonMAE encoder without labels.

    In each frame, the embedded joints of some parts of the body are replaced
    by a learned token. From the encoder's features a dense layer without bias
    and one graph isomorphism layer, without a normalization at its end,
    predict the embedded joints; the loss is the re-weighted cosine error of
    the hidden ones (`keras_skeleton.losses.ReweightedCosineError`). Persons
    that are absent from a frame (all zero) do not count (choice).

    The embedding that makes the targets is trained too. The paper does not
    say whether the targets pass gradients on; by choice they do not, lest all
    joints get the same features.

    Train it with `compile(optimizer)` and `fit(clips)`; there is no loss to
    pass. Published: Adam with a learning rate of 1.5e-4, batches of 1024, 50
    epochs. Calling the model returns a dict with the `prediction`, the
    `target` (both `(N * M * T, V, D)`) and the `mask` `(N * M * T, V)`.

    Args:
        encoder: The SkeletonMAE encoder to train; built from
            `encoder_arguments` if left out.
        hidden_parts: Names of the parts that are hidden in all clips; or a
            whole number: so many are drawn for each clip, the same for all
            its persons and frames. Published, as the best of fixed ones:
            right arm and right leg.
        parts: Dict from the name of a part to its joints. Defaults to the
            published ones for COCO's joints, and to those of the skeleton in
            other layouts.
        exponent: Of the re-weighted cosine error.
        form: `"mean"` or `"paper"`, see `ReweightedCosineError`; choice.
        detach_target: Whether no gradients flow through the targets.
        remask: Whether the features of hidden joints are zero before the
            last layer, as in GraphMAE; the paper does not mention it.
        seed: Seed of the draws.
        name: Name of the model.
        dtype: Data type policy of the layers.
        **encoder_arguments: Arguments of `SkeletonMAE`, such as
            `input_shape` and `skeleton`.

    Raises:
        ValueError: If there is no such part, or nothing is left to see.

    Example:

    >>> pretext = SkeletonMAEPretext(input_shape=(1, 32, 17, 2))
    >>> pretext.compile(keras.optimizers.Adam(1.5e-4))
    >>> clips = np.random.normal(size=(8, 1, 32, 17, 2))
    >>> history = pretext.fit(clips, batch_size=4, verbose=0)
    >>> model = SkeletonMAE(encoder=pretext.encoder, classes=10)

    Reference: as for `SkeletonMAE`.
    """

    system = "skeletonmae"
    search_space = {
        "hidden_parts": [1, 2, 3],
        "remask": [True, False],
        "exponent": [1.0, 2.0, 3.0],
    }
    # A constant rate and no weight decay are choices.
    recipes = {
        "pretrain": {
            "learning_rate": 1.5e-4,
            "minimum": 1.5e-4,
            "warmup_epochs": 0,
            "epochs": 50,
            "batch_size": 1024,
            "weight_decay": 0.0,
        },
    }
    tiny = SkeletonMAE.tiny

    def __init__(
        self,
        encoder=None,
        *,
        hidden_parts=("right_arm", "right_leg"),
        parts=None,
        exponent=2.0,
        form="mean",
        detach_target=True,
        remask=False,
        seed=None,
        name="skeletonmae_pretext",
        dtype=None,
        **encoder_arguments,
    ):
        super().__init__(name=name, dtype=dtype)
        if encoder is None:
            encoder = SkeletonMAE(dtype=dtype, **encoder_arguments)
        elif encoder_arguments:
            raise ValueError(
                "Pass either `encoder` or the arguments to build one, not both."
            )
        if not isinstance(encoder, SkeletonMAE):
            raise ValueError(
                "`encoder` must be a built SkeletonMAE, such as "
                f"SkeletonMAE(weights). Received encoder={encoder!r}."
            )
        self.encoder = encoder
        self.input_form = encoder.input_form
        self.parts = parts
        if isinstance(hidden_parts, str):
            hidden_parts = (hidden_parts,)
        if isinstance(hidden_parts, list):
            hidden_parts = tuple(hidden_parts)
        if not isinstance(hidden_parts, tuple):
            hidden_parts = _values.whole_number("hidden_parts", hidden_parts)
        self.hidden_parts = hidden_parts
        self.cosine_error = ReweightedCosineError(exponent, form)
        self.detach_target = detach_target
        self.remask = remask
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self._of_parts = _hidden_parts.joints_of(
            encoder.skeleton, parts, hidden_parts
        )

        settings, policy = encoder.settings, {"dtype": self.dtype_policy}
        joints, dim = encoder.skeleton.num_joints, settings["hidden_dim"]
        width = settings["encoder_dim"]
        self.mask_token = layers.MaskToken("zeros", name="mask_token", **policy)
        self.mask_token.build((None, joints, dim))
        self.encoder_to_decoder = uniform_dense(
            width,
            width,
            "encoder_to_decoder",
            self.dtype_policy,
            use_bias=False,
        )
        self.decoder = layers.GraphIsomorphismLayer(
            dim,
            encoder.joint_encoder.graph,
            hidden_dim=width,
            center_weight=settings["center_weight"],
            activation=settings["activation"],
            normalized=False,
            name="decoder",
            **policy,
        )
        self.decoder.build((None, joints, width))
        self.built = True

    def prepare(self, clips):
        """One row for each person in each frame, `(N * M * T, V, C)`."""
        return ops.reshape(clips, (-1, *clips.shape[3:]))

    def hide(self, clips):
        persons, frames = self.input_form[:2]
        rows = ops.shape(clips)[0]
        of_parts = ops.convert_to_tensor(self._of_parts)
        if isinstance(self.hidden_parts, tuple):
            mask = ops.tile(ops.max(of_parts, axis=0)[None], (rows, 1))
        else:
            samples = rows // (persons * frames)
            noise = self.draw(samples, len(self._of_parts))
            _, chosen = ops.top_k(-noise, self.hidden_parts)
            mask = ops.max(ops.take(of_parts, chosen, axis=0), axis=1)
            mask = ops.repeat(mask, persons * frames, axis=0)
        present = ops.any(clips != 0, axis=(1, 2))
        return mask, mask * ops.cast(present, mask.dtype)[:, None]

    def draw(self, samples, parts):
        """Uniform numbers `(N, parts)`; where smallest, a part is hidden."""
        return keras.random.uniform((samples, parts), seed=self.seed_generator)

    def predict_hidden(self, clips, choice, training=None):
        x = self.encoder.joint_embedding(clips)
        x = self.mask_token(x, None, choice)
        x = self.encoder.joint_encoder(x, training=training)
        x = self.encoder_to_decoder(x)
        if self.remask:
            x = x * (1 - ops.cast(choice, x.dtype))[..., None]
        return self.decoder(x, training=training)

    def make_target(self, clips):
        target = self.encoder.joint_embedding(clips)
        return ops.stop_gradient(target) if self.detach_target else target

    def hidden_loss(self, prediction, target, mask):
        return self.cosine_error(target, prediction, sample_weight=mask)

    def restore(self, clips):
        """Clips whose hidden joints are where they are predicted.

        What is predicted are directions of embedded joints: of all places of
        a joint, the one whose embedding is nearest to the predicted direction
        counts, within the bounds of the clip.

        Args:
            clips: Clips `(N, M, T, V, C)`.

        Returns:
            Tuple of clips of that shape and the mask `(N, M, T, V)`, 1 where
            a joint was hidden.
        """
        clips = ops.cast(clips, "float32")
        rows = self.prepare(clips)
        choice, mask = self.hide(rows)
        predicted = ops.cast(self.predict_hidden(rows, choice), "float32")
        places = _hidden_parts.nearest_places(
            predicted, self.encoder.joint_embedding
        )
        places = ops.reshape(places, ops.shape(clips))
        low, high = (
            find(clips, axis=(1, 2, 3), keepdims=True)
            for find in (ops.min, ops.max)
        )
        places = ops.minimum(ops.maximum(places, low), high)
        mask = ops.reshape(mask, ops.shape(clips)[:-1])
        return ops.where(mask[..., None] > 0, places, clips), mask

    def get_config(self):
        return self.arguments_with(
            hidden_parts=self.hidden_parts,
            parts=self.parts,
            exponent=self.cosine_error.exponent,
            form=self.cosine_error.form,
            detach_target=self.detach_target,
            remask=self.remask,
            seed=self.seed,
        )


preprocess_input, decode_predictions = conventions("skeletonmae", num_frames=64)
