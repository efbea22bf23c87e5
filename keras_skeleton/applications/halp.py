"""HaLP: momentum contrast with positives made in feature space."""

import keras
from keras import ops

from keras_skeleton import _values
from keras_skeleton import layers
from keras_skeleton._types import PathLike
from keras_skeleton.applications._application import Application
from keras_skeleton.applications._application import constructor
from keras_skeleton.applications._conventions import conventions
from keras_skeleton.applications._input_check import InputCheck
from keras_skeleton.applications._pretext import pooled_encoder
from keras_skeleton.applications._pretext import pretext_config
from keras_skeleton.applications._pretext import stream_branches
from keras_skeleton.applications._pretext import stream_transform
from keras_skeleton.layers.augmentation import Views
from keras_skeleton.layers.augmentation import corrupting_augmentation
from keras_skeleton.skeletons.skeleton import SkeletonLike
from keras_skeleton.training import MomentumContrast
from keras_skeleton.training import Prototypes
from keras_skeleton.training.distillation import mutual_distillation
from keras_skeleton.training.hallucination import make_positives
from keras_skeleton.training.hallucination import pull

STREAMS = ("joint", "joint_motion", "bone")


@keras.saving.register_keras_serializable(package="keras_skeleton")
class HaLP(Application):
    """The recurrent network of HaLP: encoder, or classifier with a head.

    All coordinates of a frame, those of both persons, are one vector. It is
    batch-normalized and passes through layers of gated recurrent units
    (`keras_skeleton.layers.StackedGRU`), two units beside each other in each.
    The features of a clip are the states of both at its last frame. It is
    the network of CMD and of skeleton-contrast as well.

    As in the published code, and unlike in the papers' words, both units go
    forward in time: `backward=True` is the bidirectional network that the
    papers speak of, with which published weights give nothing of use.

    The encoder ends in the layer `features` of shape `(N, 1, T, 1, D)` with
    `D` twice `hidden_dim`, or after `pooling` in `(N, D)`. The classifier ends
    in the layer `predictions`. Absent persons (all zero) take part like the
    others, as in the published code.

    One model sees one stream: joints, their motion, or bones. Published
    results of three streams are those of the mean of their logits
    (`keras_skeleton.evaluation.fuse_scores`).

    `weights` of the authors are the momentum contrast that their training
    begins with (`hallucination_weight=0` in `HaLPPretext`), of which they
    state no score; those after it are not released. Publications state for
    them, by linear probe and 1-nn, 79.7 and 65.8 % on NTU-60 X-sub, 71.1 and
    55.8 % on NTU-120 X-sub.

    | `HaLP` | data | linear | 1-nn | from |
    |---|---|---|---|---|
    | `ntu60_baseline` | NTU-60 X-sub | | | authors |
    | `ntu120_baseline` | NTU-120 X-sub | | | authors |
    | `pku_baseline` | PKU-MMD X-sub | | | authors |
    | `nw_ucla` | NW-UCLA X-view | 66.4 (66.1) | 65.5 (56.6) | us |

    Args:
        weights: `None` (random), a registered name, a path, or an `hf://` or
            `https://` address.
        input_shape: `(M, T, V, C)`: persons, frames, joints, coordinates.
            Defaults to `(2, 64, 25, 3)`. Weights fit any `T`.
        skeleton: A `Skeleton` or its registered name. Defaults to `"ntu"`.
        classes: `None` for the encoder, a number for the classifier.
        pooling: `None`, or how the encoder's output is pooled: `"avg"` or
            `"max"` over the frames, or `"published"`, the system's own rule,
            which is the last frame.
        encoder: A built HaLP encoder to put a head on. Layers and variables
            are shared.
        classifier_activation: Activation of `predictions`. Defaults to none:
            the outputs are logits.
        head: `"published"` (default): dense layer on the last frame. Or
            `"linear"`, which normalizes between the two.
        hidden_dim: Width of the state of one recurrent unit. Defaults to
            1024.
        num_layers: Layers of recurrent units. Defaults to 3.
        backward: Whether the second unit of each layer goes backward in
            time. Defaults to `False`.
        name: Name of the model.
        dtype: Data type policy of the layers.

    Input shape: `(N, M, T, V, C)`, metres.

    Raises:
        ValueError: If arguments contradict each other, the skeleton or the
            weights; the message says how to mend it.

    Example:

    >>> model = HaLP(input_shape=(1, 64, 20, 3), skeleton="nw_ucla",
    ...              classes=10)
    >>> model(np.zeros((2, 1, 64, 20, 3))).shape
    (2, 10)

    Reference: Shah et al., HaLP: Hallucinating Latent Positives for
    Skeleton-based Self-Supervised Learning of Actions, CVPR 2023, arXiv
    2304.00387; official code anshulbshah/HaLP.
    """

    system = "halp"
    # What recurrent layers keep has no type in the file, which does not run.
    cannot_export = (("tensorflow", "onnx"),)
    search_space = {
        "hidden_dim": [128, 256, 512, 1024],
        "num_layers": [1, 2, 3],
        "backward": [True, False],
    }
    recipes = {
        "linear": {
            "learning_rate": 0.005,
            "steps": (50, 70),
            "epochs": 80,
            "batch_size": 64,
            "normalize": False,
        },
        "finetune": {
            "optimizer": "sgd",
            "learning_rate": 0.01,
            "steps": (50, 70),
            "warmup_epochs": 0,
            "epochs": 80,
            "batch_size": 64,
            "weight_decay": 0.0,
            "label_smoothing": 0.0,
            "interval": (0.5, 1.0),
        },
    }
    tiny = {
        "input_shape": (1, 8, 20, 3),
        "skeleton": "kinect20",
        "hidden_dim": 8,
        "num_layers": 2,
    }

    @constructor
    def __init__(
        self,
        weights: PathLike | None = None,
        *,
        input_shape=(2, 64, 25, 3),
        skeleton: SkeletonLike = "ntu",
        classes=None,
        pooling=None,
        encoder=None,
        classifier_activation=None,
        head="published",
        hidden_dim=1024,
        num_layers=3,
        backward=False,
        name="halp",
        dtype=None,
    ):
        """See the class."""

    @staticmethod
    def encoder_graph(inputs, settings, skeleton, dtype):
        persons, frames, joints, coordinates = settings["input_shape"]
        # The order of the values of a frame: joint, coordinate, person.
        x = keras.layers.Permute((2, 3, 4, 1), dtype=dtype)(inputs)
        x = keras.layers.Reshape(
            (frames, joints * coordinates * persons), name="frames", dtype=dtype
        )(x)
        x = layers.BatchNormalization(name="input_norm", dtype=dtype)(x)
        x = layers.StackedGRU(
            settings["hidden_dim"],
            settings["num_layers"],
            settings["backward"],
            name="gru",
            dtype=dtype,
        )(x)
        return keras.layers.Reshape(
            (1, frames, 1, x.shape[-1]), name="features", dtype=dtype
        )(x)

    @classmethod
    def pooled(cls, features, kind="published", dtype=None):
        if kind != "published":
            return super().pooled(features, kind, dtype)
        return LastFrame(name="pooled", dtype=dtype)(features)

    @classmethod
    def head_graph(
        cls, features, settings, skeleton, classes, activation, dtype
    ):
        return keras.layers.Dense(
            classes,
            activation=activation,
            kernel_initializer=keras.initializers.RandomNormal(stddev=0.01),
            name="predictions",
            # The loss needs full precision whatever the layers compute in.
            dtype="float32",
        )(cls.pooled(features, dtype=dtype))


@keras.saving.register_keras_serializable(package="keras_skeleton")
class LastFrame(keras.layers.Layer):
    """The features of the last frame, averaged over persons and joints.

    Input shape: `(N, M, T, V, D)`.

    Output shape: `(N, D)`.
    """

    def call(self, inputs):
        return ops.mean(inputs[:, :, -1], axis=(1, 2))

    def compute_output_shape(self, input_shape):
        return (input_shape[0], input_shape[-1])


@keras.saving.register_keras_serializable(package="keras_skeleton")
class HaLPPretext(InputCheck, MomentumContrast):
    """Momentum contrast with positives hallucinated in feature space.

    `MomentumContrast` of one stream or several, `joint`, `joint_motion` and
    `bone`, computed from the views in the step, with an encoder each. The loss
    adds to the sum of their contrasts two terms, where their weights are not
    0:

    Hallucinated positives. Prototypes are centres of clusters of the newest
    keys of the queue. From each key `k`, whose nearest prototype is `p_0`,
    `num_positives` arcs lead to prototypes `p` drawn among the `num_candidates`
    next nearest after the `num_skipped` nearest. With `omega` the angle
    between `k` and `p`, the place on the arc that is as near to `p_0` as to
    `p` is

        kappa = (1 - p p_0) / (k (p_0 - p))
        t_max = atan(sin(omega) / (kappa + cos(omega))) / omega

    and the positive lies at the share `t = (1 - u) t_max` of the arc, `u` drawn
    below `margin`. Of them only those count whose nearest prototype is still
    `p_0`; their loss is `-(q z) / temperature`, averaged over all of the batch
    (not clip by clip), and reaches the query alone. (The arc tangent is that
    of one argument, as published: where the place is beyond a right angle,
    `t` is negative and the positive on the other side of the key.)

    Positives are made when `warmup` clips were seen. At the first step then
    the prototypes are computed before the loss, and again after its keys have
    entered the queue, then after every `refresh_period`-th step. In the
    published code a step's number begins anew with every epoch, and the count
    of clips with every start of the program. Here both go on, and are saved
    with the model.

    Distillation between streams (CMD). Each stream teaches each other what
    its keys `k_a` find in its queue: for its `num_distilled` most similar
    entries, `KL(softmax(k_a queue_a / teacher_temperature) || softmax(q_b
    queue_b / student_temperature))` over the same places of both queues, which
    fill alike; averaged over the batch and summed over the ordered pairs.

    So one class trains the systems of the family:

    | | `streams` | `hallucination_weight` |
    |---|---|---|
    | momentum contrast (skeleton-contrast, the baseline) | one | 0 |
    | HaLP | one | 2 (PKU-MMD: 1) |
    | CMD | `STREAMS` | 0 |
    | CMD with HaLP | `STREAMS` | 1, a choice: none is stated |

    The loss of CMD with HaLP is written by us after the parts, as its training
    loop is not published; its first centres are drawn with
    `spread_centers=False`. Published: SGD at 0.01 with momentum 0.9 and weight
    decay 1e-4, batches of 64; the baseline for 200 epochs (PKU-MMD: 500), then
    HaLP to epoch 451 (1001), with a tenth of the rate from 351 (801) on.

    A batch is the views `query` and `key`, or clips alone, see
    `MomentumContrast`. Keys are normalized by statistics of their own batch.
    Weights begin as published, but for the kernel of the projector's last
    layer, within PyTorch's bounds here (published: Xavier's).

    Args:
        encoder: The `HaLP` or other encoder to train, of the first stream;
            built from `encoder_arguments` if left out, as `HaLP`. Those of
            further streams are built like it.
        streams: Names of the streams, out of `STREAMS`.
        embedding_dim: Channels that are compared.
        queue_size: Keys in the queue of each stream, `K`.
        momentum: Share of the old weights of a key branch that stays.
        temperature: Divides the similarities.
        hallucination_weight: Weight of the hallucinated positives.
        num_positives: Positives of each key.
        num_prototypes: Prototypes of each stream.
        num_clustered: Keys that prototypes are computed from, the newest.
        num_candidates: See above. Published: 20, which are all there are.
        num_skipped: See above, at least 1, the nearest itself. (The option's
            published name says candidates are ignored; 0 leaves none there.)
        margin: See above. `None` puts positives right before the boundary, at
            `t_max - 0.01` (published as the number 1000).
        refresh_period: Steps from one clustering to the next. Published: 10
            (the code's own default is 5).
        spread_centers: Whether first centres are drawn far apart, see
            `keras_skeleton.training.prototypes.first_centers`.
        warmup: Clips to see before positives are made; `None` for
            `2 * queue_size + 1`, as published.
        distillation_weight: Weight of the distillation between streams.
        num_distilled: See above, also for the temperatures.
        teacher_temperature: Divides the teacher's similarities.
        student_temperature: Divides the student's similarities.
        augmentation: What makes the views in the step, where batches are
            clips alone: `"published"` (`corrupted_views`), a layer, or `None`
            for views that are both the clip itself.
        seed: Seed of the queue, the prototypes and the positives.
        name: Name of the model.
        dtype: Data type policy of the layers.
        **encoder_arguments: Arguments of `HaLP`, such as `input_shape` and
            `skeleton`.

    Attributes:
        encoder: The encoder of the first stream, pooled. Those of all:
            `pretext.queries[stream].encoder`.

    Raises:
        ValueError: If streams are unknown or repeated, or numbers do not fit
            each other.

    Example:

    >>> pretext = HaLPPretext(input_shape=(1, 64, 20, 3), skeleton="nw_ucla",
    ...                       hidden_dim=256, queue_size=512)
    >>> pretext.compile(SGD(0.01, momentum=0.9, weight_decay=1e-4))
    >>> history = pretext.fit(clips, batch_size=64)
    >>> model = HaLP(encoder=pretext.encoder, classes=10)

    Reference: as for `HaLP`; Mao et al., CMD: Self-supervised 3D Action
    Representation Learning with Cross-modal Mutual Distillation, ECCV 2022,
    arXiv 2208.12448, official code maoyunyao/CMD.
    """

    system = "halp"
    reported = ("contrast", "distillation", "hallucination")
    search_space = {
        "temperature": (0.05, 0.2),
        "queue_size": [512, 2048, 8192, 16384],
        "hallucination_weight": (0.0, 2.0),
        "num_prototypes": [10, 20, 40],
        "margin": (0.2, 1.0),
    }
    recipes = {
        "pretrain": {
            "optimizer": "sgd",
            "learning_rate": 0.01,
            "steps": (351,),
            "warmup_epochs": 0,
            "epochs": 451,
            "batch_size": 64,
            "weight_decay": 1e-4,
            "nesterov": False,
            "label_smoothing": 0.0,
        },
    }
    tiny = {
        **HaLP.tiny,
        "embedding_dim": 8,
        "queue_size": 16,
        "num_clustered": 16,
        "num_prototypes": 4,
        "num_positives": 5,
        "num_distilled": 8,
        "warmup": 2,
    }

    def __init__(
        self,
        encoder=None,
        *,
        streams=("joint",),
        embedding_dim=128,
        queue_size=16384,
        momentum=0.999,
        temperature=0.07,
        hallucination_weight=2.0,
        num_positives=100,
        num_prototypes=20,
        num_clustered=256,
        num_candidates=20,
        num_skipped=1,
        margin=0.8,
        refresh_period=10,
        spread_centers=True,
        warmup=None,
        distillation_weight=1.0,
        num_distilled=8192,
        teacher_temperature=0.05,
        student_temperature=0.1,
        augmentation: str | keras.layers.Layer | None = "published",
        seed=None,
        name="halp_pretext",
        dtype=None,
        **encoder_arguments,
    ):
        streams = _check_streams(streams)
        encoder = pooled_encoder(HaLP, encoder, encoder_arguments, dtype)
        if augmentation == "published":
            _, frames, joints, coordinates = encoder.input_form
            augmentation = corrupted_views(frames, joints, min(3, coordinates))
        super().__init__(
            stream_branches(encoder, streams, embedding_dim, dtype),
            queue_size=queue_size,
            momentum=momentum,
            temperature=temperature,
            seed=seed,
            augmentation=augmentation,
            name=name,
            dtype=dtype,
        )
        self.streams = streams
        self.embedding_dim = embedding_dim
        self.queue_size = queue_size
        self.hallucination_weight = hallucination_weight
        self.num_positives = num_positives
        self.num_prototypes = num_prototypes
        self.num_clustered = num_clustered
        self.num_candidates = num_candidates
        self.num_skipped = num_skipped
        self.margin = margin
        self.refresh_period = refresh_period
        self.spread_centers = spread_centers
        self.warmup = warmup
        self.distillation_weight = distillation_weight
        self.num_distilled = num_distilled
        self.teacher_temperature = teacher_temperature
        self.student_temperature = student_temperature
        self.seed = seed
        _check_numbers(self)
        self.generator = keras.random.SeedGenerator(seed)
        self.to_stream = {
            stream: stream_transform(stream, encoder.skeleton)
            for stream in streams
        }
        self.prototypes = {}
        if hallucination_weight:
            self.prototypes = {
                stream: Prototypes(
                    num_prototypes,
                    embedding_dim,
                    refresh_period,
                    spread_centers,
                    seed,
                    name=f"prototypes_{stream}",
                    # A layer's own type would round what is compared.
                    dtype="float32",
                )
                for stream in streams
            }

    trains_on_inputs = False

    @property
    def input_form(self):
        return self.encoder.input_form

    @property
    def is_warm(self):
        """Whether enough clips were seen before this step."""
        warmup = self.warmup
        if warmup is None:
            warmup = 2 * self.queue_size + 1
        return self.seen.value >= warmup

    def streams_of(self, view):
        return {
            stream: view if transform is None else transform(view)
            for stream, transform in self.to_stream.items()
        }

    def before_step(self):
        super().before_step()
        for stream, prototypes in self.prototypes.items():
            newest = self.queues[stream].newest(self.num_clustered)
            prototypes.begin(newest, self.is_warm)

    def objective(self, x, y, training):
        views = self.views_of(x, training)
        keys = self.embed_keys(views["key"], training)
        queries = {
            stream: self.queries[stream](clips, training=training)
            for stream, clips in self.streams_of(views["query"]).items()
        }
        queues = {s: queue.vectors() for s, queue in self.queues.items()}
        contrast = sum(
            self.contrast(queries[s], keys[s], queues[s]) for s in queries
        )
        distillation = self.distill(queries, keys, queues)
        hallucination = self.hallucinate(queries, keys)
        loss = (
            contrast
            + self.distillation_weight * distillation
            + self.hallucination_weight * hallucination
        )
        report = {
            "contrast": contrast,
            "distillation": distillation,
            "hallucination": hallucination,
        }
        return loss, report, keys

    def after_step(self, carried):
        super().after_step(carried)
        for stream, prototypes in self.prototypes.items():
            newest = self.queues[stream].newest(self.num_clustered)
            prototypes.update(newest, self.is_warm)

    def distill(self, queries, keys, queues):
        """The distillation between all pairs of streams.

        Args:
            queries: Dict of the streams' queries `(N, E)`; also `keys`.
            queues: Dict of the keys in the streams' queues `(K, E)`.
        """
        if len(queries) == 1 or not self.distillation_weight:
            return ops.zeros(())
        return mutual_distillation(
            queries,
            keys,
            queues,
            self.num_distilled,
            self.teacher_temperature,
            self.student_temperature,
        )

    def hallucinate(self, queries, keys):
        """The sum of the streams' losses of hallucinated positives.

        Args:
            queries: Dict of the streams' queries `(N, E)`; also `keys`.
        """
        total = ops.zeros(())
        for stream, prototypes in self.prototypes.items():
            columns, shares = self.draw(stream, ops.shape(keys[stream])[0])
            positives, is_kept = make_positives(
                keys[stream],
                prototypes.centers(),
                columns,
                shares,
                self.num_candidates,
                self.num_skipped,
            )
            total = total + pull(
                queries[stream],
                positives,
                is_kept,
                self.temperature,
                self.mean_over_devices(ops.sum(ops.cast(is_kept, "float32"))),
            )
        # Prototypes are 0 before.
        return ops.where(self.is_warm, total, 0.0)

    def draw(self, stream, count):
        """Which candidates positives lie towards, and how far off.

        Args:
            stream: Name of the stream.
            count: Number of keys, `N`.

        Returns:
            Tuple of whole numbers, the places among the candidates, the most
            similar last, and of the numbers `u`, or `None` where positives lie
            right before the boundary; both `(N, num_positives)`.
        """
        shape = (count, self.num_positives)
        candidates = min(
            self.num_candidates, self.num_prototypes - self.num_skipped
        )
        columns = keras.random.randint(
            shape, 0, candidates, seed=self.generator
        )
        if self.margin is None:
            return columns, None
        return columns, keras.random.uniform(
            shape, 0.0, self.margin, seed=self.generator
        )

    def get_config(self):
        return pretext_config(
            self,
            "streams",
            "embedding_dim",
            "queue_size",
            "momentum",
            "temperature",
            "hallucination_weight",
            "num_positives",
            "num_prototypes",
            "num_clustered",
            "num_candidates",
            "num_skipped",
            "margin",
            "refresh_period",
            "spread_centers",
            "warmup",
            "distillation_weight",
            "num_distilled",
            "teacher_temperature",
            "student_temperature",
            "augmentation",
            "seed",
        )

    @classmethod
    def from_config(cls, config):
        return cls(**keras.saving.deserialize_keras_object(config))


def _check_streams(streams):
    streams = (streams,) if isinstance(streams, str) else tuple(streams)
    if (
        not streams
        or len(set(streams)) != len(streams)
        or not set(streams) <= set(STREAMS)
    ):
        raise ValueError(
            f"`streams` must be one or more of {', '.join(STREAMS)}, each "
            f"once. Received streams={streams}."
        )
    return streams


def _check_numbers(model):
    for name, least in (
        ("num_positives", 1),
        ("num_prototypes", 1),
        ("num_clustered", 1),
        ("num_candidates", 1),
        ("num_skipped", 1),
        ("refresh_period", 1),
        ("warmup", 0),
    ):
        if getattr(model, name) is not None:
            _values.whole_number(name, getattr(model, name), least)
    for name in ("hallucination_weight", "distillation_weight"):
        _values.number(name, getattr(model, name), least=0)
    for name in ("teacher_temperature", "student_temperature"):
        _values.number(name, getattr(model, name), above=0)
    if model.margin is not None:
        _values.number("margin", model.margin, least=0)
    if model.hallucination_weight:
        if model.num_skipped >= model.num_prototypes:
            raise ValueError(
                "`num_skipped` must be less than `num_prototypes`, so that "
                "there is one to go to. Received "
                f"num_skipped={model.num_skipped} and "
                f"num_prototypes={model.num_prototypes}."
            )
        if not model.num_prototypes <= model.num_clustered <= model.queue_size:
            raise ValueError(
                "`num_clustered` must be at least `num_prototypes` and at "
                "most `queue_size`. Received "
                f"num_clustered={model.num_clustered}, "
                f"num_prototypes={model.num_prototypes} and "
                f"queue_size={model.queue_size}."
            )
    if len(model.streams) > 1 and not (
        1 <= model.num_distilled <= model.queue_size
    ):
        raise ValueError(
            "`num_distilled` must be 1 to `queue_size`. Received "
            f"num_distilled={model.num_distilled} and "
            f"queue_size={model.queue_size}."
        )


def corrupted_views(num_frames=64, num_joints=25, dimensions=3):
    """The published views: two cuts of a clip with corrupted joints or shear.

    Args:
        num_frames: Frames of each view. Clips may be longer or shorter.
        num_joints: Joints of the clips, of which three fifths are corrupted.
        dimensions: 3, or 2 for clips in the image plane.

    Returns:
        A `Views` layer with the views `query` and `key`.
    """
    view = corrupting_augmentation(num_frames, num_joints * 3 // 5, dimensions)
    return Views(query=view, key=view, name="views")


preprocess_input, decode_predictions = conventions("halp", num_frames=64)
