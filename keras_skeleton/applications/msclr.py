"""MS-CLR: contrast of clips in several joint layouts, on AimCLR."""

import keras
from keras import ops

from keras_skeleton import _values
from keras_skeleton import layers
from keras_skeleton.applications._application import check_choice
from keras_skeleton.applications._conventions import conventions
from keras_skeleton.applications._multi_skeleton import MSCLR
from keras_skeleton.applications._pretext import StreamContrast
from keras_skeleton.layers import augmentation as augmentations
from keras_skeleton.layers.augmentation import LayoutViews
from keras_skeleton.layers.augmentation import Streams
from keras_skeleton.layers.augmentation.streams import PUBLISHED_BONES
from keras_skeleton.training.contrast import check_augmentation


@keras.saving.register_keras_serializable(package="keras_skeleton")
class AimCLRPretext(StreamContrast):
    """Contrast of extremely augmented clips with mildly augmented ones.

    Two views of each clip are encoded: `basic` and `extreme`; and the feature
    map of the second once more after features that stand out were left out
    (`keras_skeleton.layers.FeatureDrop`). With `p` the softmax of the
    similarities to the key and to the queue,

        loss = contrast(p_basic) + (cross-entropy(p_basic, p_extreme)
                                    + cross-entropy(p_basic, p_dropped)) / 2

    where no gradient flows through the first argument. From `mining_epoch` on
    the nearest keys of the queue are positives too
    (`keras_skeleton.training.ConsistentContrast`).

    As the published trainer draws all weights anew after the key branch has
    copied them (normal numbers with deviation 0.02), keys are random at first
    there (`copy_keys=False`). That is not known to help, so that they begin
    as the queries here.

    Args:
        encoder: The `STGCN` or other encoder to train; built from
            `encoder_arguments` if left out, as `MSCLR`.
        stream: What the encoder sees: `"joint"`, `"bone"` or
            `"joint_motion"`, computed from the views in the step.
        embedding_dim: Channels that are compared.
        queue_size: Keys in the queue, `K`.
        momentum: Share of the old weights of the key branch that stays.
        temperature: Divides the similarities.
        drop_threshold: Attention from which on features are left out.
        mining_epoch: Epochs without mining; `None` for never. Published: the
            first half.
        num_mined: Neighbours of each embedding that count as positives.
        copy_keys: See above.
        augmentation: What makes the views in the step, where batches are
            clips alone: `"published"` (`extreme_views`), a layer, or `None`
            for views that are all the clip itself.
        seed: Seed of the queue.
        name: Name of the model.
        dtype: Data type policy of the layers.
        **encoder_arguments: Arguments of `MSCLR`, such as `input_shape` and
            `skeleton`.

    Attributes:
        encoder: The encoder, pooled.

    Example:

    >>> pretext = AimCLRPretext(input_shape=(1, 50, 20, 3), skeleton="nw_ucla",
    ...                         queue_size=512)
    >>> pretext.compile(SGD(0.1, momentum=0.9, weight_decay=1e-4))
    >>> history = pretext.fit(clips, batch_size=128)
    >>> model = MSCLR(encoder=pretext.encoder, classes=10)

    Reference: Guo et al., Contrastive Learning from Extremely Augmented
    Skeleton Sequences for Self-supervised Action Recognition, AAAI 2022,
    arXiv 2112.03590; official code Levigty/AimCLR.
    """

    system = "msclr"
    view_names = ("basic", "key", "extreme")
    guides = (0, 0)
    own_arguments = ("drop_threshold",)
    search_space = {
        "temperature": (0.05, 0.2),
        "queue_size": [512, 2048, 8192, 32768],
        "drop_threshold": (0.65, 0.9),
    }
    tiny = {
        **MSCLR.tiny,
        "embedding_dim": 8,
        "queue_size": 16,
        # So few numbers are told apart too easily at the published one.
        "temperature": 0.5,
    }

    def __init__(
        self,
        encoder=None,
        *,
        stream="joint",
        embedding_dim=128,
        queue_size=32768,
        momentum=0.999,
        temperature=0.07,
        drop_threshold=0.7,
        mining_epoch=150,
        num_mined=1,
        copy_keys=True,
        augmentation: str | keras.layers.Layer | None = "published",
        seed=None,
        name="aimclr_pretext",
        dtype=None,
        **encoder_arguments,
    ):
        # The attention of what does not stand out at all is the logistic
        # function of 1/2.
        _values.number("drop_threshold", drop_threshold, above=0.62246, most=1)
        super().__init__(
            MSCLR,
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
        self.drop_threshold = drop_threshold
        self.feature_drop = layers.FeatureDrop(
            drop_threshold, name="feature_drop"
        )
        self.feature_drop.build(None)
        self.mapped = keras.Model(
            self.encoder.input, [self.encoder.output, self.encoder.feature_map]
        )

    @staticmethod
    def published_views(encoder):
        return extreme_views(encoder.skeleton, encoder.input_form)

    def embed(self, views, training):
        basic, extreme = (
            self.streams_of(views[name])[self.stream]
            for name in ("basic", "extreme")
        )
        query = self.queries[self.stream]
        first = query(basic, training=training)
        pooled, feature_map = self.mapped(extreme, training=training)
        dropped = self.drop_features(feature_map, extreme)
        return [
            first,
            query.project(pooled, training=training),
            query.project(dropped, training=training),
        ]

    def drop_features(self, feature_map, clips):
        """Pools what is left of a feature map.

        Args:
            feature_map: Tensor `(N, M, T', V', D)`.
            clips: What it is the map of.

        Returns:
            Means over persons, time and joints, `(N, D)`.
        """
        folded = ops.reshape(feature_map, (-1, *feature_map.shape[2:]))
        dropped = self.feature_drop(folded)
        dropped = ops.reshape(dropped, (-1, *feature_map.shape[1:]))
        return ops.mean(dropped, axis=(1, 2, 3))


@keras.saving.register_keras_serializable(package="keras_skeleton")
class MSCLRPretext(AimCLRPretext):
    """Contrast of one joint layout with another.

    As `AimCLRPretext`, with an encoder of several layouts: the queries
    (`basic` and `extreme`) are clips of one layout, the keys the same clips
    in another, or in the same one, and the queue holds keys of all layouts.
    Without augmentation that is said to be poor.

    A batch is one of these:

    - A dict of the views `basic`, `key` and `extreme`, each a dict of
      `"skeletons"` and `"layout"`, as `MSCLR` takes it.
    - A dict of clips `(N, M, T, V, C)` by the names of all layouts. The step
      draws a pair of layouts and makes the views
      (`keras_skeleton.layers.augmentation.LayoutViews`).
    - Clips of one layout, the `skeleton` of the encoder. The others are made
      of them by `keras_skeleton.skeletons.mapping`, before the same is done.
    - A dict of `"skeletons"` and `"layout"`: clips each in a layout of its
      own, which are all views.

    The published code scales clips of other layouts than Kinect's by 0.001,
    from millimetres to metres: here clips are to be in metres.

    Args:
        encoder: The `MSCLR` to train; built from `encoder_arguments` if left
            out.
        layouts: The layouts, where no encoder is given. Published:
            `("ntu", "smplx42")`.
        stream: See `AimCLRPretext`, also for `embedding_dim`, `queue_size`,
            `momentum`, `temperature`, `drop_threshold`, `mining_epoch`,
            `num_mined` and `copy_keys`. Bones are those of each layout.
        pairs: How the layouts of queries and keys are drawn for each batch:
            `"full_random"` or `"with_first"`, see `LayoutViews`.
        augmentation: `"published"` (`extreme_views` of each layout), a layer
            from clips of a layout to a dict of the views, a dict of such
            layers by the names of the layouts, or `None`; see `LayoutViews`.
        seed: Seed of the queue and of the pairs.
        name: Name of the model.
        dtype: Data type policy of the layers.
        **encoder_arguments: Arguments of `MSCLR`. The joints of `input_shape`
            are those of the largest layout.

    Attributes:
        encoder: The encoder, pooled. For clips of one layout alone, take
            `encoder.for_layout(name)`.

    Example:

    >>> pretext = MSCLRPretext(layouts=("nw_ucla", "coco17"), queue_size=512,
    ...                        input_shape=(1, 50, 20, 3))
    >>> pretext.compile(SGD(0.1, momentum=0.9, weight_decay=1e-4))
    >>> history = pretext.fit(clips, batch_size=128)
    >>> encoder = pretext.encoder.for_layout("nw_ucla")

    Reference: as for `MSCLR`.
    """

    tiny = {**AimCLRPretext.tiny, "layouts": ("kinect20", "coco17")}

    def __init__(
        self,
        encoder=None,
        *,
        layouts=None,
        pairs="full_random",
        augmentation: str | dict | keras.layers.Layer | None = "published",
        seed=None,
        name="msclr_pretext",
        dtype=None,
        **arguments,
    ):
        if encoder is None:
            arguments["layouts"] = layouts or ("ntu", "smplx42")
        elif layouts is not None:
            raise ValueError(
                "Pass either `encoder` or `layouts`, not both: an encoder has "
                "its layouts."
            )
        super().__init__(
            encoder,
            augmentation=None,
            seed=seed,
            name=name,
            dtype=dtype,
            **arguments,
        )
        self.pairs = pairs
        if isinstance(augmentation, str):
            check_choice("augmentation", augmentation, ("published", None))
            augmentation = self._published_views()
        by_layout = isinstance(augmentation, dict)
        for each in augmentation.values() if by_layout else [augmentation]:
            check_augmentation(each, self.view_names)
        self.augmentation = LayoutViews(
            self._layouts().values(),
            source=self.encoder.skeleton,
            views=augmentation,
            view_names=self.view_names,
            pairs=pairs,
            seed=seed,
        )
        self.augmentation.build(None)

    def _layouts(self):
        layouts = getattr(self.encoder, "layouts", {})
        if len(layouts) < 2:
            raise ValueError(
                f"{type(self).__name__} takes an `MSCLR` of several `layouts`. "
                f"The encoder {self.encoder.name!r} has "
                f"{', '.join(layouts) or 'none of its own'}; for one layout "
                "there is `AimCLRPretext`."
            )
        return layouts

    def _published_views(self):
        persons, frames, _, channels = self.input_form["skeletons"]
        return {
            name: extreme_views(
                layout, (persons, frames, layout.num_joints, channels)
            )
            for name, layout in self._layouts().items()
        }

    def views_of(self, x, training=None):
        if isinstance(x, dict):
            if set(x) == set(self.input_form):
                return dict.fromkeys(self.view_names, x)
            if set(x) == set(self.encoder.layouts):
                return self.augmentation(x, training=training)
        return super().views_of(x, training)

    def stream_layer(self, stream):
        layouts = self._layouts()
        if stream == "joint":
            return None
        if stream == "joint_motion":
            to_motion = Streams(streams=[stream])
            return lambda view: {
                **view,
                "skeletons": to_motion(view["skeletons"]),
            }
        published = self.encoder.settings["published_graphs"]
        to_bones = [
            Streams(
                layout,
                streams=[stream],
                bones=PUBLISHED_BONES.get(name) if published else None,
            )
            for name, layout in layouts.items()
        ]
        return lambda view: _bones_of(view, to_bones)

    def drop_features(self, feature_map, clips):
        persons, _, joints = feature_map.shape[1:4]
        fill = self.mapped.get_layer("features")
        layout = clips["layout"]
        is_joint = fill.is_joint(layout, joints)
        folded = ops.reshape(feature_map, (-1, *feature_map.shape[2:]))
        rows = ops.repeat(is_joint, persons, axis=0)
        dropped = self.feature_drop(folded, is_joint=rows)
        dropped = ops.reshape(dropped, (-1, *feature_map.shape[1:]))
        return ops.mean(fill(dropped, layout=layout), axis=(1, 2, 3))

    def get_config(self):
        return {
            **super().get_config(),
            "pairs": self.pairs,
            "augmentation": keras.saving.serialize_keras_object(
                self.augmentation.views
            ),
        }


def extreme_views(skeleton, clip_shape):
    """The published views: two weak ones, and an extremely augmented one.

    Args:
        skeleton: `Skeleton` of the clips or the name of a registered one.
        clip_shape: Shape `(M, T, V, C)` of the clips; in two dimensions, the
            same is done in the plane. A third coordinate is taken for one
            of space, so clips with a score need views of their own.

    Returns:
        A `Views` layer with the views `basic`, `key` and `extreme`.
    """
    dimensions = min(3, clip_shape[-1])
    basic = augmentations.basic_augmentation(dimensions=dimensions)
    strong = augmentations.strong_augmentation(
        skeleton, clip_shape, dimensions=dimensions
    )
    return augmentations.Views(
        basic=basic, key=basic, extreme=strong, name="views"
    )


def _bones_of(view, to_bones):
    """A view of bones: those of each clip's own layout."""
    clips, layout = view["skeletons"], view["layout"]
    bones = ops.zeros_like(clips)
    for number, layer in enumerate(to_bones):
        joints = layer.skeleton.num_joints
        margin = (0, clips.shape[3] - joints)
        own = layer(clips[:, :, :, :joints])
        own = ops.pad(own, (*3 * ((0, 0),), margin, (0, 0)))
        is_own = ops.cast(layout, "int32") == number
        bones = ops.where(is_own[:, None, None, None, None], own, bones)
    return {"skeletons": bones, "layout": layout}


preprocess_input, decode_predictions = conventions("msclr", num_frames=50)
