"""CascadeFormer: a transformer over frames, and a second one behind it."""

import keras
from keras import ops

from keras_skeleton import _graph
from keras_skeleton import layers
from keras_skeleton._types import PathLike
from keras_skeleton.applications import _cascade
from keras_skeleton.applications import _frame_tokens
from keras_skeleton.applications._application import Application
from keras_skeleton.applications._application import check_choice
from keras_skeleton.applications._application import constructor
from keras_skeleton.applications._conventions import conventions
from keras_skeleton.applications._frozen import EncoderTraining
from keras_skeleton.applications._input_check import InputCheck
from keras_skeleton.layers.augmentation.views import MainPerson
from keras_skeleton.skeletons.skeleton import SkeletonLike
from keras_skeleton.training import MaskedPrediction

# What some arguments may be; the published first.
CHOICES = {
    "person": ("main", "first"),
    "frame_embedding": ("linear", "convolution", "transformer"),
    "position_initializer": ("zeros", "truncated_normal"),
    "value_order": ("joints", "coordinates"),
    "cross_attention": ("plain", "feed_forward"),
}


@keras.saving.register_keras_serializable(package="keras_skeleton")
class CascadeFormer(Application):
    """Cascaded frame transformers: encoder, or classifier with a head.

    Every frame of one person is one token, which a post-norm transformer
    compares with those of the other frames. For classification a second
    transformer follows; the tokens of the first attend to those of the
    second, and their mean over time is classified.

    The encoder is the first transformer and ends in the layer `features` of
    shape `(N, 1, T, 1, D)`, or after `pooling` in `(N, D)`. The head holds
    all that comes after it:

    - `"cascade"`: second transformer, cross attention, mean over time and a
      dense layer.
    - `"cascade_mlp"`: the same with a layer normalization, dropout, dense
      layer, ReLU and dropout before the last dense layer.
    - `"linear"`: mean over time of the first transformer's tokens, batch
      normalization without scale and offset, dense layer.

    The published versions:

    | version | arguments |
    |---|---|
    | 1.0 | the defaults |
    | 1.1 | `frame_embedding="convolution"`, `num_positions=2048`, `position_initializer="truncated_normal"` |
    | 1.2 | `frame_embedding="transformer"`, and as 1.1 |
    | 1.0 of NTU RGB+D | `num_positions=64`, `position_initializer="truncated_normal"`, `cross_attention="feed_forward"`, `head="cascade_mlp"`, `cascade_dropout_rate=0.2`, `cross_attention_dropout_rate=0.2`; 768, 16 and 16 (X-sub) or 512, 12 and 8 (X-view) as `hidden_dim`, `num_layers` and `num_heads` |

    Padding (zeros after the last frame) takes part in attention and in the
    mean over time as published, so that scores depend on how far a clip is
    padded. With `mask_padding` they do not.

    All blocks start from weights of their own; the published stacks start as
    copies of one block. The projection behind the attention starts as Keras'
    dense layers do.

    Architecture arguments that are left out are taken from `weights` or from
    `encoder`, and else have the published values, the defaults below.

    | `CascadeFormer` | data | fine-tuned | from |
    |---|---|---|---|
    | `penn_1_0` | Penn Action official | 94.7 | authors |
    | `penn_1_1` | Penn Action official | 94.1 | authors |
    | `penn_1_2` | Penn Action official | 94.1 | authors |
    | `nw_ucla_1_0` | NW-UCLA X-view | 88.8 | authors |
    | `nw_ucla_1_1` | NW-UCLA X-view | 91.2 | authors |
    | `nw_ucla_1_2` | NW-UCLA X-view | 90.7 | authors |
    | `ntu60_xsub_1_0` | NTU-60 X-sub | 81.0 | authors |
    | `ntu60_xview_1_0` | NTU-60 X-view | 88.2 | authors |
    | `nw_ucla` | NW-UCLA X-view | 85.3 (81.8) | us |

    Top-1 accuracy in percent, as the authors state it; those of `nw_ucla`,
    which come with the package, are measured, in brackets without copies of
    training clips: version 1.1 with a twelfth of the weights and 32 frames,
    in a fiftieth of the published steps. The authors' files lie on a public
    hub whose list we could not read: the error of the first call says
    how their scripts call the files, and which command installs them. A
    model is four files, `T1` and `T2` for the two transformers, `cross_attn`
    and `head`; `T1` alone, or that of pre-training, gives the encoder. Those
    of another training are loaded by `weights.load_official(model, {"T1":
    path, ...})`, into a model of its sizes.

    Args:
        weights: `None` (random), a registered name, a path, or an `hf://` or
            `https://` address.
        input_shape: `(M, T, V, C)`: persons, frames, joints, coordinates.
            Defaults to `(1, 64, 20, 3)`.
        skeleton: A `Skeleton` or its registered name. Defaults to
            `"nw_ucla"`.
        classes: `None` for the encoder, a number for the classifier. The
            head comes from `weights` if these have one of the same kind and
            number of classes, and is new otherwise.
        pooling: `None`, or how the encoder's output is pooled over time:
            `"avg"`, `"max"` or `"published"`, the system's own rule, which
            is the average, over valid frames with `mask_padding`.
        encoder: A built CascadeFormer encoder to put a head on. Layers and
            variables are shared.
        classifier_activation: Activation of `predictions`. Defaults to none:
            the outputs are logits.
        head: `"cascade"` (default), `"cascade_mlp"` or `"linear"`.
        person: Who is seen of several persons: `"main"` (default), whose
            absolute coordinates have the largest sum (published for NTU
            RGB+D), or `"first"`.
        frame_embedding: What the joints of a frame go through before they
            become a token: `"linear"` (default), nothing; `"convolution"`,
            a small convolution over joints in their order; `"transformer"`,
            one block of attention between joints.
        value_order: Order of a frame's values: `"joints"` (default), the
            coordinates of one joint after those of another, or
            `"coordinates"`, all x first, as published for version 1.0 on
            NW-UCLA.
        hidden_dim: Token width `D`. Defaults to 256.
        num_layers: Blocks of the first transformer. Defaults to 4.
        num_heads: Attention heads. Defaults to 8.
        mlp_dim: Width of the MLPs. Defaults to 2048, at every `D`.
        num_positions: Frames that have a learned position. Defaults to 1000.
        position_initializer: `"zeros"` (default) or `"truncated_normal"`,
            with a deviation of 0.02.
        dropout_rate: Dropout of the first transformer. Defaults to 0.1.
        mask_padding: Whether padding is left out. Defaults to `False`.
        cascade_layers: Blocks of the second transformer. Defaults to `None`,
            as many as the first has.
        cascade_dropout_rate: Dropout of the second transformer. Defaults to
            0.1.
        cross_attention: `"plain"` (default), or `"feed_forward"` with two
            dense layers behind.
        cross_attention_heads: Heads of the cross attention. Defaults to
            `None`, as many as the blocks have. The published evaluation on
            Penn Action and NW-UCLA uses 4 of weights trained with 8.
        cross_attention_dropout_rate: Dropout of the cross attention.
            Defaults to 0.1.
        head_dropout_rate: Dropout of the head `"cascade_mlp"`. Defaults to
            0.3.
        name: Name of the model.
        dtype: Data type policy of the layers.

    Input shape: `(N, M, T, V, C)`.

    Raises:
        ValueError: If arguments contradict each other, the skeleton or the
            weights; the message says how to mend it.

    Example:

    >>> encoder = CascadeFormer(input_shape=(1, 48, 20, 3), num_layers=2)
    >>> encoder(np.zeros((2, 1, 48, 20, 3))).shape
    (2, 1, 48, 1, 256)
    >>> classifier = CascadeFormer(encoder=encoder, classes=10)
    >>> classifier(np.zeros((2, 1, 48, 20, 3))).shape
    (2, 10)

    Reference: Peng and Yilmaz, CascadeFormer, ICPR 2026, arXiv 2509.00692;
    official code Yusen-Peng/CascadeFormer.
    """  # noqa: E501

    takes_pixels = True
    system = "cascadeformer"
    heads = ("cascade", "cascade_mlp")
    changeable = (
        "head",
        "cascade_layers",
        "cascade_dropout_rate",
        "cross_attention",
        "cross_attention_heads",
        "cross_attention_dropout_rate",
        "head_dropout_rate",
    )
    search_space = {
        "cascade_layers": [1, 2, 4],
        "cascade_dropout_rate": (0.0, 0.4),
        "cross_attention_dropout_rate": (0.0, 0.4),
    }
    # From random weights nothing was published: the rate of the pre-training.
    recipes = {
        "training": {
            "learning_rate": 1e-4,
            "minimum": 0.0,
            "weight_decay": 1e-4,
            "decay_vectors": True,
            "batch_size": 4,
            "label_smoothing": 0.0,
        },
        "finetune": {
            "learning_rate": 3e-5,
            "minimum": 0.0,
            "weight_decay": 1e-4,
            "decay_vectors": True,
            "batch_size": 4,
            "label_smoothing": 0.0,
        },
    }
    tiny = {
        "input_shape": (1, 8, 20, 3),
        "skeleton": "kinect20",
        "hidden_dim": 8,
        "num_layers": 2,
        "num_heads": 2,
        "mlp_dim": 16,
        "num_positions": 8,
        "cascade_layers": 1,
        "cross_attention_heads": 4,
    }

    @constructor
    def __init__(
        self,
        weights: PathLike | None = None,
        *,
        input_shape=(1, 64, 20, 3),
        skeleton: SkeletonLike = "nw_ucla",
        classes=None,
        pooling=None,
        encoder=None,
        classifier_activation=None,
        head="cascade",
        person="main",
        frame_embedding="linear",
        value_order="joints",
        hidden_dim=256,
        num_layers=4,
        num_heads=8,
        mlp_dim=2048,
        num_positions=1000,
        position_initializer="zeros",
        dropout_rate=0.1,
        mask_padding=False,
        cascade_layers=None,
        cascade_dropout_rate=0.1,
        cross_attention="plain",
        cross_attention_heads=None,
        cross_attention_dropout_rate=0.1,
        head_dropout_rate=0.3,
        name="cascadeformer",
        dtype=None,
    ):
        """See the class."""

    @staticmethod
    def check(settings):
        for name, choices in CHOICES.items():
            check_choice(name, settings[name], choices)

    @staticmethod
    def encoder_graph(inputs, settings, skeleton, dtype):
        frames = settings["input_shape"][1]
        x = inputs
        if settings["input_shape"][0] > 1 and settings["person"] == "main":
            x = MainPerson(name="main_person")(x)
        x = layers.FoldPersons(name="fold_persons", dtype=dtype)(x[:, :1])
        valid = ()
        if settings["mask_padding"]:
            valid = (_frame_tokens.ValidFrames(name="valid_frames")(x),)
        for layer in _frame_tokens.embedding_layers(settings, dtype):
            x = layer(x)
        for block in _cascade.blocks(
            settings,
            settings["num_layers"],
            settings["dropout_rate"],
            "block",
            dtype,
        ):
            x = block(x, *valid)
        return layers.TokenGrid(1, frames, 1, name="features", dtype=dtype)(x)

    @staticmethod
    def head_graph(features, settings, skeleton, classes, activation, dtype):
        valid = _valid_frames(features)
        x = ops.reshape(features, (-1, features.shape[2], features.shape[4]))
        context = x
        for block in _cascade.blocks(
            settings,
            settings["cascade_layers"] or settings["num_layers"],
            settings["cascade_dropout_rate"],
            "cascade_block",
            dtype,
        ):
            context = block(context, *valid)
        x = _cascade.CascadeAttention(
            settings["cross_attention_heads"] or settings["num_heads"],
            settings["cross_attention"] == "feed_forward",
            settings["cross_attention_dropout_rate"],
            name="cross_attention",
            dtype=dtype,
        )(x, context, *valid)
        x = _frame_tokens.FrameMean(name="head_pooled", dtype=dtype)(x, *valid)
        if settings["head"] == "cascade_mlp":
            x = _cascade.head_mlp(x, settings, dtype)
        # The loss needs full precision whatever the layers compute in.
        return _cascade.dense(
            classes, x.shape[-1], "predictions", "float32", activation
        )(x)

    @classmethod
    def pooled(cls, features, kind="published", dtype=None):
        valid = _valid_frames(features)
        if kind != "published" or not valid:
            return super().pooled(features, kind, dtype)
        x = ops.reshape(features, (-1, features.shape[2], features.shape[4]))
        return _frame_tokens.FrameMean(name="pooled", dtype=dtype)(x, *valid)

    @property
    def blocks(self):
        """The blocks of the first transformer, first to last."""
        count = self.settings["num_layers"]
        return [self.get_layer(f"block_{i}") for i in range(count)]

    def one_person(self, clips):
        """The person that is seen, `(N, T, V, C)`."""
        if clips.shape[1] > 1 and self.settings["person"] == "main":
            clips = self.get_layer("main_person")(clips)
        return self.get_layer("fold_persons")(clips[:, :1])

    def embed(self, clips, training=None):
        """Tokens `(B, T, D)` of single-person clips `(B, T, V, C)`."""
        mixing = _frame_tokens.MIXING[self.settings["frame_embedding"]]
        if mixing is not None:
            clips = self.get_layer(mixing)(clips, training=training)
        return self.get_layer("frame_embedding")(clips)

    def encode(self, clips, valid=None, training=None):
        """Tokens `(B, T, D)` of such clips behind the last block.

        `valid`, `(B, T)`, is 0 where a frame is padding to be left out.
        """
        tokens = self.embed(clips, training)
        for block in self.blocks:
            tokens = block(tokens, valid, training=training)
        return tokens


def _valid_frames(features):
    """What the encoder's blocks take beside tokens: nothing, or a mask."""
    (tokens,) = _graph.node_of(features).input_tensors
    return tuple(_graph.node_of(tokens).input_tensors[1:])


@keras.saving.register_keras_serializable(package="keras_skeleton")
class CascadeFormerPretext(EncoderTraining, InputCheck, MaskedPrediction):
    """Masked joints or frames: trains a CascadeFormer encoder without labels.

    In each clip a share of all joints of all frames, or of whole frames, is
    set to zero, and a dense layer predicts all coordinates from the encoded
    frames. The loss is the mean squared error over the hidden coordinates of
    the whole batch; the target is the clip as it was.

    Padding is hidden and predicted like all else, as published; with the
    encoder's `mask_padding` it is seen by nobody and does not count.

    Train it with `compile(optimizer)` and `fit(clips)`; there is no loss to
    pass. Published: Adam with a learning rate of 1e-4. Calling the model
    returns a dict with the `prediction`, the `target` (both
    `(N, T * V, C)`, time-major) and the `mask` `(N, T * V)`. With the
    encoder's `value_order="coordinates"`, a place is not one joint but `C`
    neighbouring values of that order, as in the published code.

    Args:
        encoder: The CascadeFormer encoder to train; built from
            `encoder_arguments` if left out.
        mask_ratio: Share of hidden joints or frames; at least one is hidden.
        hidden: `"joints"` or `"frames"`.
        seed: Seed of the draws.
        name: Name of the model.
        dtype: Data type policy of the layers.
        **encoder_arguments: Arguments of `CascadeFormer`, such as
            `input_shape` and `skeleton`.

    Example:

    >>> pretext = CascadeFormerPretext(input_shape=(1, 48, 20, 3))
    >>> pretext.compile("adam")
    >>> clips = np.random.normal(size=(8, 1, 48, 20, 3))
    >>> history = pretext.fit(clips, batch_size=4, verbose=0)
    >>> model = CascadeFormer(encoder=pretext.encoder, classes=10)

    Reference: as for `CascadeFormer`.
    """

    system = "cascadeformer"
    search_space = {
        "mask_ratio": (0.1, 0.6),
        "hidden": ["joints", "frames"],
    }
    # Of Penn Action and NW-UCLA.
    recipes = {
        "pretrain": {
            "learning_rate": 1e-4,
            "minimum": 1e-4,
            "warmup_epochs": 0,
            "epochs": 1000,
            "batch_size": 4,
            "weight_decay": 0.0,
        },
    }
    tiny = CascadeFormer.tiny

    def __init__(
        self,
        encoder=None,
        *,
        mask_ratio=0.3,
        hidden="joints",
        seed=None,
        name="cascadeformer_pretext",
        dtype=None,
        **encoder_arguments,
    ):
        super().__init__(name=name, dtype=dtype)
        check_choice("hidden", hidden, ("joints", "frames"))
        if not 0 < mask_ratio < 1:
            raise ValueError(
                "`mask_ratio` must lie between 0 and 1. Received "
                f"mask_ratio={mask_ratio}."
            )
        if encoder is None:
            encoder = CascadeFormer(dtype=dtype, **encoder_arguments)
        elif encoder_arguments:
            raise ValueError(
                "Pass either `encoder` or the arguments to build one, not both."
            )
        self.encoder = encoder
        self.input_form = encoder.input_form
        self.mask_ratio = mask_ratio
        self.hidden = hidden
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        joints, coordinates = encoder.settings["input_shape"][2:]
        # The loss needs full precision whatever the layers compute in.
        self.reconstruction = _cascade.dense(
            joints * coordinates,
            encoder.settings["hidden_dim"],
            "reconstruction",
            "float32",
        )
        self.valid_frames = None
        if encoder.settings["mask_padding"]:
            self.valid_frames = encoder.get_layer("valid_frames")
        self.built = True

    def prepare(self, clips):
        return self.encoder.one_person(clips)

    def hide(self, clips):
        frames, joints = clips.shape[1:3]
        length = frames * (joints if self.hidden == "joints" else 1)
        noise = self.draw(ops.shape(clips)[0], length)
        # Of the product, as rounding decides about the last one.
        count = max(1, int(self.mask_ratio * length))
        _, places = ops.top_k(-noise, count)
        ones = ops.ones_like(places, dtype="float32")[..., None]
        mask = layers.scatter_tokens(ones, places, length)[..., 0]
        if self.hidden == "frames":
            mask = ops.repeat(mask, joints, axis=1)
        valid = self._valid(clips)
        if valid is None:
            return mask, mask
        return mask, mask * ops.repeat(valid, joints, axis=1)

    def draw(self, rows, length):
        """Uniform numbers `(B, L)`; the places of the smallest are hidden."""
        return keras.random.uniform((rows, length), seed=self.seed_generator)

    def masked(self, clips, mask):
        """Clips `(B, T, V, C)` with zeros where the mask is 1."""
        places = self._places(clips) * (1 - mask)[..., None]
        return self._from_places(places, clips)

    def restore(self, clips):
        """Clips whose hidden joints are where they are predicted.

        Args:
            clips: Clips `(N, M, T, V, C)`.

        Returns:
            Tuple of clips `(N, 1, T, V, C)` of the person that is seen and
            the mask `(N, 1, T, V)`, 1 where something of a joint was hidden.
        """
        one = self.prepare(clips)
        choice, mask = self.hide(one)
        is_hidden = mask[..., None] * ops.ones_like(self._places(one))
        is_hidden = self._from_places(is_hidden, one)
        predicted = self.predict_hidden(one, choice)
        restored = ops.where(
            is_hidden > 0, self._from_places(predicted, one), one
        )
        return restored[:, None], ops.max(is_hidden, axis=-1)[:, None]

    def predict_hidden(self, clips, choice, training=None):
        valid = self._valid(clips)
        return self.reconstruct(self.masked(clips, choice), valid, training)

    def reconstruct(self, clips, valid=None, training=None):
        """Predicts all values of clips `(B, T, V, C)`, `(B, T * V, C)`."""
        tokens = self.encoder.encode(clips, valid, training=training)
        values = self.reconstruction(tokens)
        _, frames, joints, coordinates = clips.shape
        return ops.reshape(values, (-1, frames * joints, coordinates))

    def make_target(self, clips):
        return self._places(clips)

    def _places(self, clips):
        """What may be hidden at once, `(B, T * V, C)`."""
        order = self.encoder.settings["value_order"]
        _, frames, joints, coordinates = clips.shape
        values = _frame_tokens.flat_frames(ops.cast(clips, "float32"), order)
        return ops.reshape(values, (-1, frames * joints, coordinates))

    def _from_places(self, places, clips):
        """The inverse of `_places`, for clips of the same shape as others."""
        if self.encoder.settings["value_order"] == "joints":
            return ops.reshape(places, (-1, *clips.shape[1:]))
        _, frames, joints, coordinates = clips.shape
        x = ops.reshape(places, (-1, frames, coordinates, joints))
        return ops.transpose(x, (0, 1, 3, 2))

    def _valid(self, clips):
        return None if self.valid_frames is None else self.valid_frames(clips)

    def get_config(self):
        return self.arguments_with(
            mask_ratio=self.mask_ratio,
            hidden=self.hidden,
            seed=self.seed,
        )


preprocess_input, decode_predictions = conventions(
    "cascadeformer", num_frames=64
)
