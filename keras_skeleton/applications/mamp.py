"""MAMP: a skeleton transformer pre-trained by masked motion prediction."""

import keras
import numpy as np
from keras import ops

from keras_skeleton import layers
from keras_skeleton._types import PathLike
from keras_skeleton.applications._application import Application
from keras_skeleton.applications._application import constructor
from keras_skeleton.applications._conventions import conventions
from keras_skeleton.applications._frozen import EncoderTraining
from keras_skeleton.applications._input_check import InputCheck
from keras_skeleton.skeletons.skeleton import SkeletonLike
from keras_skeleton.training import MaskedPrediction


@keras.saving.register_keras_serializable(package="keras_skeleton")
class MAMP(Application):
    """Skeleton transformer of MAMP: encoder, or classifier with a head.

    Every joint of every segment of `segment_length` frames is one token. The
    tokens of a person pass through a plain pre-norm transformer; persons do
    not attend to each other and are averaged in the head.

    The encoder ends in the layer `features` of shape `(N, M, T', V', D)` with
    `T' = T / segment_length` and `V' = V / joints_per_patch`, or after
    `pooling` in `(N, D)`. The classifier ends in the layer `predictions` and
    has one of the two published heads:

    - `"finetune"`: dropout, mean over time, joints and channels flattened,
      mean over persons, dense layer of `head_dim`, batch normalization, ReLU,
      dense layer. The joints keep their identity.
    - `"linear"`: mean over persons, time and joints, batch normalization
      without scale and offset, dense layer. To probe an encoder, freeze it
      first (`keras_skeleton.evaluation.linear_probe` does).

    Absent persons (all zero) are encoded and averaged like the others, as in
    the published code.

    Architecture arguments that are left out are taken from `weights` or from
    `encoder`, and else have the published values, the defaults below.

    | `MAMP` | data | linear | 1-nn | fine-tuned | from |
    |---|---|---|---|---|---|
    | `ntu60` | NTU-60 X-sub | 85.0 | | 93.0 | authors |
    | `ntu60_xview` | NTU-60 X-view | 89.0 | | 97.5 | authors |
    | `ntu120_xsub` | NTU-120 X-sub | 78.1 | | 89.8 | authors |
    | `ntu120_xset` | NTU-120 X-set | 79.5 | | 91.5 | authors |
    | `nw_ucla` | NW-UCLA X-view | | | 90.9 (89.7) | us |
    | `nw_ucla_pretext` | NW-UCLA X-view | 74.6 | 75.2 | | us |

    Top-1 accuracy in percent. For the authors' weights it is what their
    repository states; they have no licence text (treat them as for research
    only) and lie behind a share page: the error of the first call says which
    file to fetch and which command installs it. Ours come with the package
    and are of moderate size (1.0 million parameters in the encoder, 64
    frames); measured on all 464 clips of view 3, and in brackets without the
    95 that are copies of training clips. `weights.get("mamp", "nw_ucla")` is
    the card.

    Args:
        weights: `None` (random), a registered name, a path, or an `hf://` or
            `https://` address.
        input_shape: `(M, T, V, C)`: persons, frames, joints, coordinates.
            Defaults to `(2, 120, 25, 3)`. `T` must be a multiple of
            `segment_length`. Weights of another `T` are accepted: their
            temporal embedding is resized.
        skeleton: A `Skeleton` or its registered name. Defaults to `"ntu"`.
        classes: `None` for the encoder, a number for the classifier. The
            head comes from `weights` if these have one of the same kind and
            number of classes, and is new otherwise.
        pooling: `None`, or how the encoder's output is pooled over persons,
            time and joints: `"avg"`, `"max"` or `"published"`, the system's
            own rule, which is the average.
        encoder: A built MAMP encoder to put a head on. Layers and variables
            are shared, and the encoder stays as it is: another
            `drop_path_rate` holds for the new model alone.
        classifier_activation: Activation of `predictions`. Defaults to none:
            the outputs are logits.
        head: `"finetune"` (default) or `"linear"`.
        hidden_dim: Token width `D`. Defaults to 256.
        num_layers: Transformer blocks. Defaults to 8.
        num_heads: Attention heads. Defaults to 8.
        mlp_ratio: Width of the MLPs relative to `D`. Defaults to 4.
        segment_length: Frames per token. Defaults to 4.
        joints_per_patch: Joints per token. Defaults to 1.
        use_qkv_bias: Bias in the attention's projection. Defaults to `True`.
        dropout_rate: Dropout inside the blocks. Defaults to 0.
        attention_dropout_rate: Dropout on attention weights. Defaults to 0.
        drop_path_rate: Stochastic depth of the last block; earlier blocks
            have less, the first none. Defaults to 0; the published
            fine-tuning uses 0.3.
        head_dim: Width of the fine-tune head. Defaults to 2048.
        head_dropout_rate: Dropout of the fine-tune head. Defaults to 0.3.
        name: Name of the model.
        dtype: Data type policy of the layers.

    Input shape: `(N, M, T, V, C)`, metres.

    Raises:
        ValueError: If arguments contradict each other, the skeleton or the
            weights; the message says how to mend it.

    Example:

    >>> encoder = MAMP(input_shape=(1, 48, 20, 3), skeleton="nw_ucla")
    >>> encoder(np.zeros((2, 1, 48, 20, 3))).shape
    (2, 1, 12, 20, 256)
    >>> classifier = MAMP(encoder=encoder, classes=10, drop_path_rate=0.3)
    >>> classifier(np.zeros((2, 1, 48, 20, 3))).shape
    (2, 10)

    Reference: Mao et al., Masked Motion Predictors are Strong 3D Action
    Representation Learners, ICCV 2023, arXiv 2308.07092; official code
    maoyunyao/MAMP.
    """

    system = "mamp"
    heads = ("finetune",)
    changeable = ("drop_path_rate", "head", "head_dim", "head_dropout_rate")
    search_space = {
        "drop_path_rate": (0.0, 0.4),
        "head_dropout_rate": (0.0, 0.5),
    }
    recipes = {
        "training": {
            "interval": (0.5, 1.0),
            "augmentation": ({"class": "RandomRotation"},),
            "arguments": {"drop_path_rate": 0.3, "head_dropout_rate": 0.3},
        },
        "linear": {"learning_rate": 0.1, "epochs": 100, "batch_size": 256},
        "finetune": {
            "layer_decay": 0.8,
            "interval": (0.5, 1.0),
            "augmentation": ({"class": "RandomRotation"},),
            "arguments": {"drop_path_rate": 0.3, "head_dropout_rate": 0.3},
        },
    }
    tiny = {
        "input_shape": (1, 8, 20, 3),
        "skeleton": "kinect20",
        "hidden_dim": 8,
        "num_layers": 2,
        "num_heads": 2,
        "head_dim": 8,
    }

    @constructor
    def __init__(
        self,
        weights: PathLike | None = None,
        *,
        input_shape=(2, 120, 25, 3),
        skeleton: SkeletonLike = "ntu",
        classes=None,
        pooling=None,
        encoder=None,
        classifier_activation=None,
        head="finetune",
        hidden_dim=256,
        num_layers=8,
        num_heads=8,
        mlp_ratio: float = 4,
        segment_length=4,
        joints_per_patch=1,
        use_qkv_bias=True,
        dropout_rate=0.0,
        attention_dropout_rate=0.0,
        drop_path_rate=0.0,
        head_dim=2048,
        head_dropout_rate=0.3,
        name="mamp",
        dtype=None,
    ):
        """See the class."""

    @staticmethod
    def encoder_graph(inputs, settings, skeleton, dtype):
        persons, frames, joints, _ = settings["input_shape"]
        segments = frames // settings["segment_length"]
        patches = joints // settings["joints_per_patch"]
        x = layers.FoldPersons(name="fold_persons", dtype=dtype)(inputs)
        x = layers.JointEmbedding(
            settings["hidden_dim"],
            settings["segment_length"],
            settings["joints_per_patch"],
            name="joint_embedding",
            dtype=dtype,
        )(x)
        x = layers.PositionEmbedding(
            segments, patches, name="position_embedding", dtype=dtype
        )(x)
        for block in _blocks(
            settings, settings["num_layers"], prefix="block", dtype=dtype
        ):
            x = block(x)
        x = layers.LayerNormalization(epsilon=1e-5, name="norm", dtype=dtype)(x)
        return layers.TokenGrid(
            persons, segments, patches, name="features", dtype=dtype
        )(x)

    @classmethod
    def reused_features(cls, encoder, settings):
        rates = _drop_path_rates(settings)
        if rates == _drop_path_rates(encoder.settings):
            return encoder.feature_map
        # The depth belongs to this model's calls of the shared layers, so
        # that other models with the same encoder keep theirs.
        x = encoder.get_layer("fold_persons")(encoder.input)
        x = encoder.embed(x)
        for block, rate in zip(encoder.blocks, rates, strict=True):
            x = block(x, drop_path_rate=rate)
        x = encoder.get_layer("norm")(x)
        return encoder.get_layer("features")(x)

    @staticmethod
    def head_graph(features, settings, skeleton, classes, activation, dtype):
        x = keras.layers.Dropout(
            settings["head_dropout_rate"], name="head_dropout", dtype=dtype
        )(features)
        x = ops.mean(x, axis=2)
        persons, patches, dim = x.shape[1:]
        x = ops.reshape(x, (-1, persons, patches * dim))
        x = ops.mean(x, axis=1)
        x = keras.layers.Dense(
            settings["head_dim"], name="head_hidden", dtype=dtype
        )(x)
        x = layers.BatchNormalization(name="head_norm", dtype=dtype)(x)
        x = ops.relu(x)
        return keras.layers.Dense(
            classes,
            activation=activation,
            name="predictions",
            # The loss needs full precision whatever the layers compute in.
            dtype="float32",
        )(x)

    @property
    def blocks(self):
        """The transformer blocks, first to last."""
        count = self.settings["num_layers"]
        return [self.get_layer(f"block_{i}") for i in range(count)]

    def embed(self, clips):
        """Tokens `(B, L, D)` of single-person clips `(B, T, V, C)`."""
        tokens = self.get_layer("joint_embedding")(clips)
        return self.get_layer("position_embedding")(tokens)

    def encode(self, tokens, training=None):
        """Passes any choice of tokens `(B, K, D)` through all blocks."""
        for block in self.blocks:
            tokens = block(tokens, training=training)
        return self.get_layer("norm")(tokens)


def _blocks(settings, count, prefix, dtype):
    rates = _drop_path_rates(settings)
    return [
        layers.TransformerBlock(
            settings["num_heads"],
            mlp_ratio=settings["mlp_ratio"],
            use_qkv_bias=settings["use_qkv_bias"],
            dropout_rate=settings["dropout_rate"],
            attention_dropout_rate=settings["attention_dropout_rate"],
            drop_path_rate=rates[i],
            name=f"{prefix}_{i}",
            dtype=dtype,
        )
        for i in range(count)
    ]


def _drop_path_rates(settings):
    last, count = settings["drop_path_rate"], settings["num_layers"]
    return np.linspace(0, last, count).tolist()


@keras.saving.register_keras_serializable(package="keras_skeleton")
class MAMPPretext(EncoderTraining, InputCheck, MaskedPrediction):
    """Masked motion prediction: trains a MAMP encoder without labels.

    Most tokens are hidden from the encoder, preferably those that move
    (`keras_skeleton.layers.MotionAwareMasking`). A light decoder receives the
    encoded rest with a learned token in every hidden place and predicts, for
    each hidden token, the motion `x[t + s] - x[t]` of its joints and frames
    (0 in the last `s` frames of the clip). The loss is the mean squared error
    over the hidden tokens of the whole batch, absent persons included as in
    the published code.

    With `target="joints"` and `masking_temperature=0` this is the plain
    masked-joint baseline of the official repository (its `model_mae`).

    Train it with `compile(optimizer)` and `fit(clips)`; there is no loss to
    pass. Calling the model returns a dict with the `prediction`, the `target`
    (both `(N * M, L, values)`) and the `mask` `(N * M, L)`.

    Args:
        encoder: The MAMP encoder to train; built from `encoder_arguments` if
            left out.
        mask_ratio: Share of hidden tokens.
        masking_temperature: Temperature of the preference for moving tokens;
            0 masks uniformly. Published: 0.8 for NTU-60 and PKU-MMD, 0.75
            for NTU-120.
        target: `"motion"` or `"joints"` (the coordinates themselves).
        normalize_target: Whether every target token is normalized to mean 0
            and (unbiased) variance 1.
        motion_stride: Frames `s` between the two ends of a motion.
        decoder_dim: Token width of the decoder.
        decoder_layers: Transformer blocks of the decoder, at most those of
            the encoder. Published: 3 for NTU-60, 5 for NTU-120 and PKU-MMD.
        name: Name of the model.
        dtype: Data type policy of the layers.
        **encoder_arguments: Arguments of `MAMP`, such as `input_shape` and
            `skeleton`.

    Example:

    >>> pretext = MAMPPretext(input_shape=(1, 48, 20, 3), skeleton="nw_ucla")
    >>> pretext.compile("adamw")
    >>> clips = np.random.normal(size=(8, 1, 48, 20, 3))
    >>> history = pretext.fit(clips, batch_size=4, verbose=0)
    >>> model = MAMP(encoder=pretext.encoder, classes=10)

    Reference: as for `MAMP`.
    """

    system = "mamp"
    search_space = {
        "mask_ratio": (0.75, 0.95),
        "masking_temperature": (0.5, 1.0),
        "decoder_layers": [1, 2, 3, 5],
        "decoder_dim": [128, 256],
    }
    recipes = {
        "pretrain": {
            "learning_rate": 1e-3,
            "minimum": 5e-4,
            "warmup_epochs": 20,
            "epochs": 400,
            "batch_size": 128,
            "beta_2": 0.95,
            "interval": (0.5, 1.0),
            "augmentation": ({"class": "RandomRotation"},),
        },
    }
    tiny = {**MAMP.tiny, "decoder_dim": 8, "decoder_layers": 1}

    def __init__(
        self,
        encoder=None,
        *,
        mask_ratio=0.9,
        masking_temperature=0.8,
        target="motion",
        normalize_target=True,
        motion_stride=1,
        decoder_dim=256,
        decoder_layers=3,
        name="mamp_pretext",
        dtype=None,
        **encoder_arguments,
    ):
        super().__init__(name=name, dtype=dtype)
        if target not in ("motion", "joints"):
            raise ValueError(
                "`target` must be 'motion' or 'joints'. Received "
                f"target={target!r}."
            )
        if encoder is None:
            encoder = MAMP(dtype=dtype, **encoder_arguments)
        elif encoder_arguments:
            raise ValueError(
                "Pass either `encoder` or the arguments to build one, not both."
            )
        settings = encoder.get_config()
        if decoder_layers > settings["num_layers"]:
            raise ValueError(
                f"decoder_layers={decoder_layers} exceeds the "
                f"{settings['num_layers']} layers of the encoder."
            )
        frames, joints, coordinates = settings["input_shape"][1:]
        if target == "motion" and not 0 < motion_stride < frames:
            raise ValueError(
                f"`motion_stride` must be at least 1 and below the {frames} "
                f"frames of a clip. Received motion_stride={motion_stride}."
            )
        self.encoder = encoder
        self.input_form = encoder.input_form
        self.mask_ratio = mask_ratio
        self.masking_temperature = masking_temperature
        self.target = target
        self.normalize_target = normalize_target
        self.motion_stride = motion_stride
        self.decoder_dim = decoder_dim
        self.decoder_layers = decoder_layers

        self.segment_length = settings["segment_length"]
        self.joints_per_patch = settings["joints_per_patch"]
        segments = frames // self.segment_length
        patches = joints // self.joints_per_patch
        self._grid = (segments, patches)
        length = segments * patches
        values = self.segment_length * self.joints_per_patch * coordinates

        policy = {"dtype": self.dtype_policy}
        self.fold_persons = layers.FoldPersons(**policy)
        self.masking = layers.MotionAwareMasking(
            mask_ratio, masking_temperature, name="masking", dtype="float32"
        )
        self.decoder_embedding = keras.layers.Dense(
            decoder_dim, name="decoder_embedding", **policy
        )
        self.mask_token = layers.MaskToken(name="mask_token", **policy)
        self.decoder_position_embedding = layers.PositionEmbedding(
            *self._grid, name="decoder_position_embedding", **policy
        )
        self.decoder_blocks = _blocks(
            settings, decoder_layers, prefix="decoder_block", **policy
        )
        self.decoder_norm = layers.LayerNormalization(
            epsilon=1e-5, name="decoder_norm", **policy
        )
        self.decoder_prediction = keras.layers.Dense(
            values, name="decoder_prediction", dtype="float32"
        )

        tokens = (None, length, decoder_dim)
        self.decoder_embedding.build((None, None, settings["hidden_dim"]))
        self.mask_token.build(tokens)
        for layer in (
            self.decoder_position_embedding,
            *self.decoder_blocks,
            self.decoder_norm,
            self.decoder_prediction,
        ):
            layer.build(tokens)
        self.built = True

    def prepare(self, clips):
        return self.fold_persons(clips)

    def hide(self, clips):
        patches = self._patchify(clips)
        kept, mask = self.masking(
            ops.reshape(patches, (-1, *self._grid, patches.shape[-1]))
        )
        return (kept, mask), mask

    def predict_hidden(self, clips, choice, training=None):
        kept, mask = choice
        tokens = layers.gather_tokens(self.encoder.embed(clips), kept)
        latent = self.encoder.encode(tokens, training=training)
        return self.decode(latent, kept, mask, training=training)

    def decode(self, latent, kept, mask, training=None):
        """Predicts the values of all tokens from those that were kept."""
        x = self.mask_token(self.decoder_embedding(latent), kept, mask)
        x = self.decoder_position_embedding(x)
        for block in self.decoder_blocks:
            x = block(x, training=training)
        return self.decoder_prediction(self.decoder_norm(x))

    def make_target(self, clips):
        """What is to be predicted: `(B, L, values)` for clips `(B, T, V, C)`.

        Motion is taken before the clip is cut into tokens, so it crosses the
        borders of segments.
        """
        clips = ops.cast(clips, "float32")
        if self.target == "motion":
            stride = self.motion_stride
            motion = clips[:, stride:] - clips[:, :-stride]
            still = ops.zeros_like(clips[:, :stride])
            clips = ops.concatenate([motion, still], axis=1)
        target = self._patchify(clips)
        if not self.normalize_target:
            return target
        count = target.shape[-1]
        mean, variance = ops.moments(target, axes=-1, keepdims=True)
        variance = variance * (count / max(count - 1, 1))
        return (target - mean) / ops.sqrt(variance + 1e-6)

    def _patchify(self, clips):
        return layers.patchify(
            clips, self.segment_length, self.joints_per_patch
        )

    def get_config(self):
        return self.arguments_with(
            mask_ratio=self.mask_ratio,
            masking_temperature=self.masking_temperature,
            target=self.target,
            normalize_target=self.normalize_target,
            motion_stride=self.motion_stride,
            decoder_dim=self.decoder_dim,
            decoder_layers=self.decoder_layers,
        )


preprocess_input, decode_predictions = conventions("mamp", num_frames=120)
