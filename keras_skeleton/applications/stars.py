"""STARS: a MAMP encoder tuned by nearest-neighbour contrast.

`STARSPretext` is the published system. `STARSMoCo` and `STARSDINO` tune the
same part of the same network with the two objectives it was compared to.
"""

import keras
from keras import ops

from keras_skeleton import layers
from keras_skeleton.applications._application import renamed
from keras_skeleton.applications._conventions import conventions
from keras_skeleton.applications._frozen import EncoderTraining
from keras_skeleton.applications._input_check import InputCheck
from keras_skeleton.applications.mamp import MAMP
from keras_skeleton.training import Branch
from keras_skeleton.training import MomentumContrast
from keras_skeleton.training import NeighborQueue
from keras_skeleton.training import PretextModel
from keras_skeleton.training import SelfDistillation
from keras_skeleton.training.vectors import unit_vectors


@keras.saving.register_keras_serializable(package="keras_skeleton")
class STARS(MAMP):
    """The network of `MAMP`, with the weights that STARS tuned.

    Architecture, heads and arguments are those of `MAMP`; the weights differ.
    Features are compared (nearest neighbours, few labels) as the average over
    persons and tokens, which is what `pooling` gives.

    | `STARS` | data | linear | 1-nn | fine-tuned | from |
    |---|---|---|---|---|---|
    | `ntu60` | NTU-60 X-sub | 87.1 | 79.9 | 93.0 | authors |
    | `ntu60_xview` | NTU-60 X-view | 90.9 | 88.6 | 97.5 | authors |
    | `ntu120_xsub` | NTU-120 X-sub | 79.9 | 67.6 | 89.9 | authors |
    | `ntu120_xset` | NTU-120 X-set | 80.8 | 67.7 | 91.4 | authors |
    | `pku` | PKU-MMD X-sub | 52.7 | | | authors |
    | `nw_ucla` | NW-UCLA X-view | 79.5 (79.9) | 80.0 (74.8) | | us |

    Top-1 accuracy in percent, as the authors' repository states it; for
    PKU-MMD (phase II) as others quote it. The files lie behind a share page:
    the error of the first call says which to fetch and which command installs
    it. Ours come with the package: the encoder of MAMP's `nw_ucla_pretext`,
    tuned on augmented views; before, its 1-nn was 75.2 (68.8), and the linear
    probe 74.6 (73.4), where the brackets leave out test clips that are copies
    of training clips. `weights.get("stars", "nw_ucla")` is the card.

    Args:
        weights: `None` (random), a registered name, a path, or an `hf://` or
            `https://` address.
        name: Name of the model.
        **kwargs: The other arguments of `MAMP`, with the same defaults.

    Input shape: `(N, M, T, V, C)`, metres.

    Raises:
        ValueError: As `MAMP`.

    Example:

    >>> encoder = STARS(input_shape=(1, 48, 20, 3), skeleton="nw_ucla")
    >>> encoder(np.zeros((2, 1, 48, 20, 3))).shape
    (2, 1, 12, 20, 256)
    >>> same = STARS(encoder=MAMP("nw_ucla_pretext"))  # to tune that encoder

    Reference: Mehraban et al., STARS: Self-supervised Tuning for 3D Action
    Recognition in Skeleton Sequences, arXiv 2407.10935; official code
    TaatiTeam/STARS.
    """

    system = "stars"
    __init__ = renamed(MAMP.__init__, "stars")


@keras.saving.register_keras_serializable(package="keras_skeleton")
class STARSHead(keras.layers.Layer):
    """Projector and predictor on pooled features.

    The projector is one batch normalization. The predictor is a dense layer
    without bias, batch normalization, ReLU and a dense layer.

    Args:
        dim: Width of the predictions.
        hidden_dim: Width inside the predictor.
        **kwargs: Arguments of `keras.layers.Layer`.

    Input shape: `(N, D)`.

    Output shape: `(N, dim)`.
    """

    def __init__(self, dim, hidden_dim=4096, **kwargs):
        super().__init__(**kwargs)
        self.dim = dim
        self.hidden_dim = hidden_dim
        policy = {"dtype": self.dtype_policy}
        normal = keras.initializers.RandomNormal
        self.projector = layers.BatchNormalization(
            gamma_initializer=normal(1.0, 0.02), name="projector", **policy
        )
        self.predictor_hidden = keras.layers.Dense(
            hidden_dim,
            use_bias=False,
            kernel_initializer=normal(stddev=0.02),
            name="predictor_hidden",
            **policy,
        )
        self.predictor_norm = layers.BatchNormalization(
            gamma_initializer=normal(1.0, 0.02), name="predictor_norm", **policy
        )
        self.predictor_output = keras.layers.Dense(
            dim,
            kernel_initializer=normal(stddev=0.02),
            name="predictor_output",
            # The loss needs full precision whatever the layers compute in.
            dtype="float32",
        )

    def build(self, input_shape):
        self.projector.build(input_shape)
        self.predictor_hidden.build(input_shape)
        self.predictor_norm.build((None, self.hidden_dim))
        self.predictor_output.build((None, self.hidden_dim))
        self.built = True

    def project(self, features, training=None):
        """Projections `(N, D)` of features."""
        return self.projector(features, training=training)

    def predict(self, projections, training=None):
        """Predictions `(N, dim)` from projections."""
        x = self.predictor_hidden(projections)
        x = self.predictor_norm(x, training=training)
        return self.predictor_output(ops.relu(x))

    def call(self, features, training=None):
        return self.predict(self.project(features, training), training)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.dim)

    def get_config(self):
        return {
            **super().get_config(),
            "dim": self.dim,
            "hidden_dim": self.hidden_dim,
        }


class _Tuning(EncoderTraining, InputCheck):
    """Mixin: models that tune the last blocks of a STARS encoder."""

    system = "stars"
    trains_on_inputs = False

    @property
    def input_form(self):
        return self.encoder.input_form

    def release(self):
        """Makes the whole encoder trainable again.

        Layer by layer: on TensorFlow, `encoder.trainable = True` does nothing
        to frozen layers of a model that is not frozen itself.

        Returns:
            The encoder.
        """
        for layer in self.encoder.layers:
            layer.trainable = True
        return self.encoder

    def own_config(self, *names):
        """The configuration: the encoder's settings and named attributes."""
        own = {key: getattr(self, key) for key in ("tuned_blocks", *names)}
        return self.arguments_with(**own)


def _tuned(encoder, blocks, arguments, dtype):
    """A pooled encoder of which only the last blocks are trained.

    Args:
        encoder: A `MAMP` or `STARS`, whose layers it shares; or `None`.
        blocks: Number of blocks to train; `None` for half of them.
        arguments: Those of the encoder, if there is none.
        dtype: Data type policy of the layers.

    Returns:
        A tuple: the encoder, and the number of trained blocks.
    """
    if encoder is None:
        encoder = STARS(dtype=dtype, **arguments)
    elif arguments:
        raise ValueError(
            "Pass either `encoder` or the arguments to build one, not both."
        )
    encoder = STARS(encoder=encoder, pooling="published", dtype=dtype)
    count = encoder.settings["num_layers"]
    if blocks is None:
        blocks = count - count // 2
    if not 0 <= blocks <= count:
        raise ValueError(
            f"`tuned_blocks` must be 0 (the head only) to {count}, the blocks "
            "of the encoder, or None for half of them. Received "
            f"tuned_blocks={blocks}."
        )
    tuned = {f"block_{i}" for i in range(count - blocks, count)}
    if blocks:
        tuned.add("norm")
    for layer in encoder.layers:
        layer.trainable = layer.name in tuned
    return encoder, blocks


@keras.saving.register_keras_serializable(package="keras_skeleton")
class STARSPretext(_Tuning, PretextModel):
    """Nearest-neighbour contrastive tuning of a MAMP encoder.

    Pooled features `f` pass a projector and a predictor (`STARSHead`), whose
    outputs `z` and `q` are brought to length 1. For two views a and b of each
    clip, `nn` being the nearest projection in a queue of earlier ones,

        logits_a = nn(z_b) q_a^T / temperature        (N, N)
        loss_a   = cross-entropy(logits_a, own row)
        loss     = (loss_a + loss_b) / 2

    so the other samples' predictions are the negatives, and the queue only
    gives neighbours. It then receives `z_a`. No gradient flows through
    neighbours. The published views are one and the same clip, without any
    augmentation: then it is encoded once, and passes the head twice, so that
    the running statistics move twice as in the published code (dropout, which
    is not used, would be the same for both).

    In the published code no gradient flows through `q_b` either, so that
    `loss_b` counts in the value only. That is the default here: where both
    views are one clip, `symmetric=True` only doubles the gradient; where they
    differ, it is the sound choice.

    Only the head, the last norm and the last blocks are trained. The other
    layers are frozen (`trainable=False`) in the encoder that was passed too,
    since both share them: call `release()` before the encoder is trained as a
    whole, as in fine-tuning. The recipe (10 epochs of batches of 128):

        LayerwiseAdamW(
            1e-3,
            weight_decay=0.01,
            decay_vectors=True,
            beta_2=0.95,
            clipnorm=3.0,
            scales=layerwise_scales(pretext.encoder, decay=0.45),
        )

    A batch is the clips `(N, M, T, V, C)`; two views of them, a pair or a dict
    with the names `"query"` and `"key"`, as `Views` makes it; or a dict of one
    of these as `"clips"` and, as `"sample"`, the numbers `(N,)` of the clips
    in the data set. With numbers, a clip never is its own neighbour; without
    them it may find itself as it was an epoch ago, if the queue reaches that
    far back.

    Calling the model returns a dict: `features` `(N, D)` (before the head,
    those to evaluate), `projection` and `prediction` `(N, D)`, of length 1.
    Where several replicas share a batch, each contrasts its own clips.

    Args:
        encoder: The `MAMP` or `STARS` encoder to tune; built from
            `encoder_arguments` if left out.
        tuned_blocks: Number of blocks to train, the last ones. Defaults to
            half of them, rounded up; 0 trains the head only.
        predictor_dim: Width inside the predictor.
        queue_size: Projections in the queue, `K`.
        num_candidates: The neighbour is drawn from that many nearest.
        temperature: Divides the similarities.
        symmetric: Whether gradients flow through the predictions of both
            views.
        seed: Seed of the queue.
        name: Name of the model.
        dtype: Data type policy of the layers.
        **encoder_arguments: Arguments of `STARS`, such as `weights`,
            `input_shape` and `skeleton`. (`weights` are those of the encoder;
            `weights.load_weights(pretext, "ntu60")` loads the published head
            and queue too.)

    Attributes:
        encoder: The `STARS` encoder, pooled.

    Example:

    >>> pretext = STARSPretext(MAMP("nw_ucla_pretext"), queue_size=512)
    >>> pretext.compile(LayerwiseAdamW(1e-3, clipnorm=3.0))
    >>> clips = np.random.normal(size=(8, 1, 64, 20, 3))
    >>> data = {"clips": clips, "sample": np.arange(8)}
    >>> history = pretext.fit(data, batch_size=4, verbose=0)
    >>> model = STARS(encoder=pretext.release(), classes=10)

    Reference: as for `STARS`; Dwibedi et al., With a Little Help from My
    Friends: Nearest-Neighbor Contrastive Learning of Visual Representations,
    ICCV 2021, arXiv 2104.14548.
    """

    search_space = {
        "temperature": (0.05, 0.2),
        "queue_size": [512, 2048, 8192, 32768],
        "tuned_blocks": [0, 1, 2, 4],
    }
    tiny = {**MAMP.tiny, "predictor_dim": 16, "queue_size": 16}

    def __init__(
        self,
        encoder=None,
        *,
        tuned_blocks=None,
        predictor_dim=4096,
        queue_size=32768,
        num_candidates=1,
        temperature=0.07,
        symmetric=False,
        seed=None,
        name="stars_pretext",
        dtype=None,
        **encoder_arguments,
    ):
        super().__init__(name=name, dtype=dtype)
        self.encoder, self.tuned_blocks = _tuned(
            encoder, tuned_blocks, encoder_arguments, dtype
        )
        self.predictor_dim = predictor_dim
        self.queue_size = queue_size
        self.num_candidates = num_candidates
        self.temperature = temperature
        self.symmetric = symmetric
        self.seed = seed
        dim = self.encoder.output_shape[-1]
        self.head = STARSHead(
            dim, predictor_dim, name="tuning_head", dtype=self.dtype_policy
        )
        self.head.build((None, dim))
        # A layer's own type would round what is compared.
        self.queue = NeighborQueue(
            queue_size, dim, num_candidates, seed, name="queue", dtype="float32"
        )
        self.built = True

    def call(self, clips, training=None):
        features = self.encoder(clips, training=training)
        projection, prediction = self.embed(features, training)
        return {
            "features": features,
            "projection": projection,
            "prediction": prediction,
        }

    def embed(self, features, training=None):
        """Projections and predictions of features, of length 1."""
        projection = self.head.project(features, training)
        prediction = self.head.predict(projection, training)
        return _unit(projection), _unit(prediction)

    def objective(self, x, y, training):
        first, second, samples = _views(x)
        features = self.encoder(first, training=training)
        others = features
        if second is not None:
            others = self.encoder(second, training=training)
        projection, prediction = self.embed(features, training)
        other_projection, other_prediction = self.embed(others, training)
        if not self.symmetric:
            other_prediction = ops.stop_gradient(other_prediction)
        loss = 0.5 * (
            self.contrast(other_projection, prediction, samples)
            + self.contrast(projection, other_prediction, samples)
        )
        return loss, {}, (ops.stop_gradient(projection), samples)

    def contrast(self, projections, predictions, samples=None):
        """Finds the predictions by the neighbours of the other view.

        Args:
            projections: Those of the one view, `(N, D)`.
            predictions: Those of the other view, `(N, D)`.
            samples: Numbers of the clips, or `None`.

        Returns:
            The mean cross-entropy.
        """
        neighbors = self.queue.neighbors(
            ops.stop_gradient(projections), samples
        )
        logits = ops.matmul(neighbors, ops.transpose(predictions))
        shares = ops.log_softmax(logits / self.temperature, axis=-1)
        return -ops.mean(ops.diagonal(shares))

    def after_step(self, carried):
        projections, samples = carried
        if samples is None:
            samples = -ops.ones_like(projections[:, 0])
        self.queue.push(self.gather(projections), sample=self.gather(samples))

    def get_config(self):
        return self.own_config(
            "predictor_dim",
            "queue_size",
            "num_candidates",
            "temperature",
            "symmetric",
            "seed",
        )


@keras.saving.register_keras_serializable(package="keras_skeleton")
class STARSMoCo(_Tuning, MomentumContrast):
    """Tunes a MAMP encoder by momentum contrast, for comparison.

    `MomentumContrast` of one stream, `joint`, whose queries and keys are the
    predictions of a `STARSHead`. The authors train it on augmented views and
    find it weaker than `STARSPretext` (10 nearest neighbours on NTU-60 X-sub:
    72.2 against 81.9, as others quote it). Their loop also leaves a batch of
    the queue's places free after each batch, which is not done here.

    Args:
        encoder: See `STARSPretext`, also for `tuned_blocks`,
            `predictor_dim`, `queue_size`, `seed`, `name`, `dtype` and
            `encoder_arguments`.
        momentum: Share of the old weights of the key branch that stays.
        temperature: Divides the similarities.

    Example:

    >>> pretext = STARSMoCo(MAMP("nw_ucla_pretext"), queue_size=512)
    >>> pretext.compile(LayerwiseAdamW(1e-3, clipnorm=3.0))
    >>> pretext.fit(pairs_of_views)

    Reference: as for `STARS`; He et al., Momentum Contrast for Unsupervised
    Visual Representation Learning, CVPR 2020, arXiv 1911.05722.
    """

    tiny = STARSPretext.tiny

    def __init__(
        self,
        encoder=None,
        *,
        tuned_blocks=None,
        predictor_dim=4096,
        queue_size=32768,
        momentum=0.999,
        temperature=0.07,
        seed=None,
        name="stars_moco",
        dtype=None,
        **encoder_arguments,
    ):
        encoder, blocks = _tuned(
            encoder, tuned_blocks, encoder_arguments, dtype
        )
        head = STARSHead(
            encoder.output_shape[-1],
            predictor_dim,
            name="tuning_head",
            dtype=dtype,
        )
        super().__init__(
            {"joint": Branch(encoder, head)},
            queue_size=queue_size,
            momentum=momentum,
            temperature=temperature,
            seed=seed,
            name=name,
            dtype=dtype,
        )
        self.tuned_blocks = blocks
        self.predictor_dim = predictor_dim
        self.queue_size = queue_size
        self.seed = seed

    def get_config(self):
        return self.own_config(
            "predictor_dim", "queue_size", "momentum", "temperature", "seed"
        )


@keras.saving.register_keras_serializable(package="keras_skeleton")
class STARSDINO(_Tuning, SelfDistillation):
    """Tunes a MAMP encoder by self-distillation, for comparison.

    `SelfDistillation` of the predictions of a `STARSHead`. The authors train
    it on augmented views and find it weaker than `STARSPretext` (10 nearest
    neighbours on NTU-60 X-sub: 77.6 against 81.9, as others quote it).

    Args:
        encoder: See `STARSPretext`, also for `tuned_blocks`,
            `predictor_dim`, `name`, `dtype` and `encoder_arguments`.
        output_dim: Width of the predictions.
        student_temperature: See `SelfDistillation`, also for
            `teacher_temperature`, `centering`, `koleo_weight`, `momentum` and
            `epochs`.

    Example:

    >>> pretext = STARSDINO(MAMP("nw_ucla_pretext"), epochs=10)
    >>> pretext.compile(LayerwiseAdamW(1e-3, clipnorm=3.0))
    >>> pretext.fit(pairs_of_views, epochs=10)

    Reference: as for `STARS`; Caron et al., Emerging Properties in
    Self-Supervised Vision Transformers, ICCV 2021, arXiv 2104.14294.
    """

    tiny = {**MAMP.tiny, "predictor_dim": 16, "output_dim": 8}

    def __init__(
        self,
        encoder=None,
        *,
        tuned_blocks=None,
        predictor_dim=4096,
        output_dim=128,
        student_temperature=0.1,
        teacher_temperature=0.04,
        centering="sinkhorn",
        koleo_weight=0.1,
        momentum=0.996,
        epochs=10,
        name="stars_dino",
        dtype=None,
        **encoder_arguments,
    ):
        encoder, blocks = _tuned(
            encoder, tuned_blocks, encoder_arguments, dtype
        )
        head = STARSHead(
            output_dim, predictor_dim, name="tuning_head", dtype=dtype
        )
        super().__init__(
            Branch(encoder, head),
            student_temperature=student_temperature,
            teacher_temperature=teacher_temperature,
            centering=centering,
            koleo_weight=koleo_weight,
            momentum=momentum,
            epochs=epochs,
            name=name,
            dtype=dtype,
        )
        self.tuned_blocks = blocks
        self.predictor_dim = predictor_dim
        self.output_dim = output_dim

    def get_config(self):
        return self.own_config(
            "predictor_dim",
            "output_dim",
            "student_temperature",
            "teacher_temperature",
            "centering",
            "koleo_weight",
            "momentum",
            "epochs",
        )


def _unit(vectors):
    return unit_vectors(ops.cast(vectors, "float32"))


def _views(x):
    """First view, second view or `None`, and numbers or `None`."""
    samples = None
    if isinstance(x, dict) and "clips" in x:
        samples, x = x.get("sample"), x["clips"]
    if isinstance(x, dict):
        x = x["query"], x["key"]
    first, second = x if isinstance(x, list | tuple) else (x, None)
    return first, second, samples


preprocess_input, decode_predictions = conventions("stars", num_frames=120)
