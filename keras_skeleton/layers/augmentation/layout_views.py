"""Views of clips in several joint layouts."""

import keras
from keras import ops

from keras_skeleton import skeletons

PAIRS = ("full_random", "with_first")


@keras.saving.register_keras_serializable(package="keras_skeleton")
class LayoutViews(keras.layers.Layer):
    """Views of clips, each in a joint layout that is drawn for the batch.

    Queries and keys of a batch have one layout each, drawn anew in each call:

    - `"full_random"`: both from all layouts, independently. The released
      configurations of MS-CLR.
    - `"with_first"`: one of the two is the first layout (Kinect in the
      published code), the other one is drawn from all.

    In the published code a worker of the data loader draws once for an epoch.
    To draw for each batch has the same expectation and mixes more.

    Clips that are there in one layout only are brought to the others by
    `skeletons.mapping(missing="nearest")`.

    Args:
        layouts: The layouts, each a `Skeleton` or its registered name.
        source: The layout of clips that come alone. Defaults to the first.
        views: Layer from clips to a dict of their views, such as `Views`; or
            a dict of such layers by the names of the layouts, where they
            differ in what is left and right. Without it, all views are the
            clips.
        view_names: Names of the views, where there is no layer to name them.
        key_views: Names of the views that have the layout of keys; the others
            have that of queries.
        pairs: See above.
        seed: Seed of the draws.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        clips: Tensor `(N, M, T, V, C)` in the layout `source`, or a dict of
            such tensors by the names of all layouts.
        training: Passed on to `views`.

    Returns:
        Dict from the names of the views to dicts of `"skeletons"`, `(N, M, T,
        V, C)` with the joints of the largest layout, and `"layout"`, int
        `(N,)`.

    Example:

    >>> layer = LayoutViews(("ntu", "coco17"))
    >>> layer(np.ones((4, 2, 50, 25, 3)))["key"]["skeletons"].shape
    (4, 2, 50, 25, 3)

    Reference: Kiray et al., MS-CLR: Multi-Skeleton Contrastive Learning for
    Human Action Recognition, arXiv 2508.14889.
    """

    def __init__(
        self,
        layouts,
        source=None,
        views=None,
        view_names=("basic", "key", "extreme"),
        key_views=("key",),
        pairs="full_random",
        seed=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if pairs not in PAIRS:
            raise ValueError(
                f"`pairs` must be {' or '.join(map(repr, PAIRS))}. Received "
                f"pairs={pairs!r}."
            )
        found = map(skeletons.get, layouts)
        self.layouts = {each.name: each for each in found}
        self.source = skeletons.get(source or next(iter(self.layouts.values())))
        self.views = views
        if isinstance(views, dict) and set(views) != set(self.layouts):
            raise ValueError(
                "`views` must be one layer, or one for each of the layouts "
                f"{', '.join(self.layouts)}. Received {', '.join(views)}."
            )
        self.view_names = tuple(view_names)
        self.key_views = tuple(key_views)
        self.pairs = pairs
        self.seed = seed
        self.generator = keras.random.SeedGenerator(seed)
        self._maps = {
            name: skeletons.mapping(self.source, each, missing="nearest")
            for name, each in self.layouts.items()
        }

    def build(self, input_shape):
        # No transform has weights, whose shapes would matter.
        for layer in keras.tree.flatten(self.views):
            if layer is not None and not layer.built:
                layer.build(input_shape)

    def call(self, clips, training=None):
        views = {
            name: self._views_of(name, each, training)
            for name, each in self.in_layouts(clips).items()
        }
        query, key = self.draw()
        first = next(iter(views.values()))
        return {
            view: self._chosen(
                [views[name][view] for name in self.layouts],
                key if view in self.key_views else query,
            )
            for view in first
        }

    def in_layouts(self, clips):
        """The clips in all layouts, by their names."""
        if isinstance(clips, dict):
            if set(clips) != set(self.layouts):
                raise ValueError(
                    "Clips must come alone, or in all of the layouts "
                    f"{', '.join(self.layouts)}. Received {', '.join(clips)}."
                )
            return clips
        if clips.shape[3] != self.source.num_joints:
            raise ValueError(
                f"Clips that come alone must be of {self.source.name!r}, with "
                f"{self.source.num_joints} joints. Received clips of shape "
                f"{tuple(clips.shape)}; pass `source`."
            )
        clips = ops.convert_to_tensor(clips, "float32")
        return {k: each.apply(clips, ops=ops) for k, each in self._maps.items()}

    def _views_of(self, name, clips, training):
        if self.views is None:
            return dict.fromkeys(self.view_names, clips)
        layer = self.views
        if isinstance(layer, dict):
            layer = layer[name]
        return layer(clips, training=training)

    def draw(self):
        """The numbers of the layouts of queries and keys, two scalars."""
        draws = keras.random.uniform((3,), seed=self.generator)
        numbers = ops.floor(draws * len(self.layouts))
        numbers = ops.cast(numbers, "int32")
        query, key = numbers[0], numbers[1]
        if self.pairs == "with_first":
            is_query = ops.cast(draws[2] < 0.5, "int32")
            query, key = query * (1 - is_query), key * is_query
        return query, key

    def _chosen(self, clips, number):
        """The clips in the layout of a number, and that number for each."""
        joints = max(each.num_joints for each in self.layouts.values())
        padded = [
            ops.pad(x, (*3 * ((0, 0),), (0, joints - x.shape[3]), (0, 0)))
            for x in clips
        ]
        taken = ops.take(ops.stack(padded), number, axis=0)
        layout = ops.zeros_like(taken[:, 0, 0, 0, 0], dtype="int32") + number
        return {"skeletons": taken, "layout": layout}

    def get_config(self):
        return {
            **super().get_config(),
            "layouts": [skeletons.serialize(x) for x in self.layouts.values()],
            "source": skeletons.serialize(self.source),
            "views": keras.saving.serialize_keras_object(self.views),
            "view_names": list(self.view_names),
            "key_views": list(self.key_views),
            "pairs": self.pairs,
            "seed": self.seed,
        }

    @classmethod
    def from_config(cls, config):
        views = keras.saving.deserialize_keras_object(config["views"])
        return cls(**{**config, "views": views})
