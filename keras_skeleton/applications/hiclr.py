"""HiCLR: contrast of views that are augmented more and more."""

import keras
from keras import ops

from keras_skeleton import _values
from keras_skeleton import layers
from keras_skeleton.applications._application import check_choice
from keras_skeleton.applications._application import renamed
from keras_skeleton.applications._conventions import conventions
from keras_skeleton.applications._pretext import StreamContrast
from keras_skeleton.applications.stgcn import STGCN
from keras_skeleton.layers import augmentation as augmentations


@keras.saving.register_keras_serializable(package="keras_skeleton")
class HiCLR(STGCN):
    """The network of `STGCN`, with the weights that HiCLR trained.

    Architecture, heads and arguments are those of `STGCN`.

    | `HiCLR` | data | linear | 1-nn | fused | from |
    |---|---|---|---|---|---|
    | `ntu60_<stream>` | NTU-60 X-sub | 70.3-77.3 | | 80.9 | authors |
    | `nw_ucla` | NW-UCLA X-view | 65.9 (65.0) | 66.6 (58.0) | | us |

    Top-1 accuracy in percent; that of the authors' weights as their
    repository states it. Their files lie behind a share page: the error of
    the first call says which to fetch and which command installs it. Ours
    have half of the channels in the last block; in brackets without test
    clips that are copies of training clips.

    Args:
        weights: `None` (random), a registered name, a path, or an `hf://` or
            `https://` address.
        name: Name of the model.
        **kwargs: The other arguments of `STGCN`, with the same defaults.

    Input shape: `(N, M, T, V, C)`, metres.

    Raises:
        ValueError: As `STGCN`.

    Example:

    >>> encoder = HiCLR(input_shape=(1, 50, 20, 3), skeleton="nw_ucla")
    >>> encoder(np.zeros((2, 1, 50, 20, 3))).shape
    (2, 1, 13, 20, 256)

    Reference: Zhang et al., Hierarchical Consistent Contrastive Learning for
    Skeleton-Based Action Recognition with Growing Augmentations, AAAI 2023,
    arXiv 2211.13466; official code JHang2020/HiCLR.
    """

    system = "hiclr"
    __init__ = renamed(STGCN.__init__, "hiclr")


@keras.saving.register_keras_serializable(package="keras_skeleton")
class JointMask(keras.layers.Layer):
    """Puts a number that is learned in place of some joints of each frame.

    The joints are drawn anew in each call, for training and outside, and are
    the same for all clips and persons of the batch.

    Args:
        ratio: Share of the joints, rounded down to whole joints.
        seed: Seed of the draws.
        **kwargs: Arguments of `keras.layers.Layer`.

    Input and output shape: `(N, M, T, V, C)`.
    """

    def __init__(self, ratio, seed=None, **kwargs):
        super().__init__(**kwargs)
        if not 0 <= ratio <= 1:
            raise ValueError(
                "`ratio` must be between 0 and 1, the share of the joints to "
                f"mask. Received: {ratio}"
            )
        self.ratio = ratio
        self.seed = seed
        self.generator = keras.random.SeedGenerator(seed)

    def build(self, input_shape):
        self.value = self.add_weight(
            name="value", shape=(1,), initializer="zeros"
        )

    def call(self, clips):
        kept = ops.cast(self.draw(*clips.shape[2:4]), clips.dtype)
        kept = kept[None, None, :, :, None]
        return clips * kept + ops.cast(self.value, clips.dtype) * (1 - kept)

    def draw(self, frames, joints):
        """A mask `(T, V)`, true for the joints that stay."""
        draws = keras.random.uniform((frames, joints), seed=self.generator)
        count = int(joints * self.ratio)
        if not count:
            return ops.ones_like(draws, dtype="bool")
        largest, _ = ops.top_k(draws, count)
        return draws < largest[:, -1:]

    def get_config(self):
        return {**super().get_config(), "ratio": self.ratio, "seed": self.seed}


@keras.saving.register_keras_serializable(package="keras_skeleton")
class HiCLRPretext(StreamContrast):
    """Contrast of growing augmentations, each following the one before.

    Three views of each clip are encoded: `basic`, `normal` and `strong`, the
    last being the view `strong` of the batch with something added in the step
    (`strong`). With `p_i` the softmax of each view's similarities to the
    key and to the queue,

        loss = contrast(p_basic) + (cross-entropy(p_basic, p_normal)
                                    + cross-entropy(p_normal, p_strong)) / 2

    where no gradient flows through the first argument: weaker views teach
    stronger ones. From `mining_epoch` on the nearest keys of the queue are
    positives too (`keras_skeleton.training.ConsistentContrast`).

    What is added to the strong view:

    - `"mask"`: in each frame some joints are replaced by a number that is
      learned, the same joints for the whole batch. The released weights come
      from this.
    - `"edges"`: edges of the graphs are dropped (and, in `DSTA`, added). In
      the published history, not in the released code; where it is said to
      add edges to ST-GCN too, the code never did.
    - `"style"`: mean and deviation of each coordinate become those of
      another clip of the batch (adaptive instance normalization). In the
      published history too.
    - `None`: nothing.

    As the published trainer draws all weights anew after the key branch has
    copied them, keys are random at first there (`copy_keys=False`). That is
    not known to help, so that they begin as the queries here.

    Args:
        encoder: The `STGCN`, `DSTA` or other encoder to train; built from
            `encoder_arguments` if left out, as `HiCLR`.
        stream: What the encoder sees: `"joint"`, `"bone"` or
            `"joint_motion"`, computed from the views in the step.
        embedding_dim: Channels that are compared.
        queue_size: Keys in the queue, `K`.
        momentum: Share of the old weights of the key branch that stays.
        temperature: Divides the similarities.
        strong: See above.
        mask_ratio: Share of the joints that is masked in each frame, for
            `"mask"`.
        edge_dropout: Edges are dropped with a probability drawn below it,
            for `"edges"`.
        mining_epoch: Epochs without mining; `None` for never. Published: the
            first half.
        num_mined: Neighbours of each view that count as positives.
        copy_keys: See above.
        augmentation: What makes the views in the step, where batches are
            clips alone: `"published"` (`growing_views`), a layer, or `None`
            for views that are all the clip itself.
        seed: Seed of the queue, the masks and the styles.
        name: Name of the model.
        dtype: Data type policy of the layers.
        **encoder_arguments: Arguments of `HiCLR`, such as `input_shape` and
            `skeleton`.

    Attributes:
        encoder: The encoder, pooled.

    Example:

    >>> pretext = HiCLRPretext(input_shape=(1, 50, 20, 3), skeleton="nw_ucla",
    ...                        queue_size=512)
    >>> pretext.compile(SGD(0.1, momentum=0.9, weight_decay=1e-4))
    >>> history = pretext.fit(clips, batch_size=128)
    >>> model = HiCLR(encoder=pretext.encoder, classes=10)

    Reference: as for `HiCLR`.
    """

    system = "hiclr"
    view_names = ("basic", "key", "normal", "strong")
    guides = (0, 1)
    own_arguments = ("strong", "mask_ratio", "edge_dropout")
    search_space = {
        "temperature": (0.05, 0.2),
        "queue_size": [512, 2048, 8192, 32768],
        "mask_ratio": (0.0, 0.3),
    }
    tiny = {**STGCN.tiny, "embedding_dim": 8, "queue_size": 16}

    def __init__(
        self,
        encoder=None,
        *,
        stream="joint",
        embedding_dim=128,
        queue_size=32768,
        momentum=0.999,
        temperature=0.07,
        strong="mask",
        mask_ratio=0.1,
        edge_dropout=0.1,
        mining_epoch=150,
        num_mined=1,
        copy_keys=True,
        augmentation: str | keras.layers.Layer | None = "published",
        seed=None,
        name="hiclr_pretext",
        dtype=None,
        **encoder_arguments,
    ):
        check_choice("strong", strong, ("mask", "edges", "style", None))
        _values.number("edge_dropout", edge_dropout, least=0, most=1)
        super().__init__(
            HiCLR,
            encoder,
            encoder_arguments,
            stream=stream,
            embedding_dim=embedding_dim,
            mining_epoch=mining_epoch,
            num_mined=num_mined,
            queue_size=queue_size,
            momentum=momentum,
            temperature=temperature,
            copy_keys=copy_keys,
            augmentation=augmentation,
            seed=seed,
            name=name,
            dtype=dtype,
        )
        self.strong = strong
        self.mask_ratio = mask_ratio
        self.edge_dropout = edge_dropout
        self.generator = keras.random.SeedGenerator(seed)
        if strong == "mask":
            self.joint_mask = JointMask(mask_ratio, seed, name="joint_mask")
            self.joint_mask.build(None)
        elif strong == "edges":
            if not hasattr(self.encoder, "augmented"):
                raise ValueError(
                    "strong='edges' needs an encoder with graphs whose edges "
                    "can be dropped, such as `STGCN` or `DSTA`. Received the "
                    f"encoder {self.encoder.name!r}."
                )
            self.augmented = self.encoder.augmented(edge_dropout=edge_dropout)

    @staticmethod
    def published_views(encoder):
        return growing_views(encoder.skeleton, encoder.input_form)

    def embed(self, views, training):
        basic, normal, strong = (
            self.streams_of(views[name])[self.stream]
            for name in ("basic", "normal", "strong")
        )
        query = self.queries[self.stream]
        embeddings = [query(x, training=training) for x in (basic, normal)]
        if self.strong == "edges":
            features = self.augmented(strong, training=training)
            return [*embeddings, query.project(features, training=training)]
        if self.strong == "mask":
            strong = self.joint_mask(strong)
        elif self.strong == "style":
            strong = self.mix(strong)
        return [*embeddings, query(strong, training=training)]

    def mix(self, clips):
        """Clips in the style of other clips of the batch."""
        count = ops.shape(clips)[0]
        places = (ops.arange(count) + self.draw_offset(count)) % count
        return layers.style_transfer(clips, ops.take(clips, places, axis=0))

    def draw_offset(self, count):
        """How far away in the batch the clip is that gives the style."""
        draw = keras.random.uniform((), seed=self.generator)
        spread = ops.cast(ops.maximum(count - 2, 1), draw.dtype)
        return 1 + ops.cast(ops.floor(draw * spread), "int32")


def growing_views(skeleton, clip_shape):
    """The published views: two weak ones, and two strong ones.

    Args:
        skeleton: `Skeleton` of the clips or the name of a registered one.
        clip_shape: Shape `(M, T, V, C)` of the clips; in two dimensions, the
            same is done in the plane. A third coordinate is taken for one
            of space, so clips with a score need views of their own.

    Returns:
        A `Views` layer with the views `basic`, `key`, `normal`, `strong`.

    Example:

    >>> views = growing_views("ntu", (2, 50, 25, 3))
    >>> batches = sequences.to_keras([*facing_preprocessing(), views])
    """
    dimensions = min(3, clip_shape[-1])
    basic = augmentations.basic_augmentation(dimensions=dimensions)
    strong = augmentations.strong_augmentation(
        skeleton, clip_shape, dimensions=dimensions
    )
    return augmentations.Views(
        basic=basic, key=basic, normal=strong, strong=strong, name="views"
    )


preprocess_input, decode_predictions = conventions("hiclr", num_frames=50)
