"""Transforms made of transforms: one after another, and several views."""

import keras

from keras_skeleton.layers.augmentation._choice import integers
from keras_skeleton.layers.augmentation.base import SkeletonTransform


def as_transforms(name, layers):
    """A tuple of transforms of one, or of several; or of their configs."""
    if not isinstance(layers, list | tuple):
        layers = (layers,)
    layers = tuple(
        keras.saving.deserialize_keras_object(each)
        if isinstance(each, dict)
        else each
        for each in layers
    )
    for each in layers:
        if not isinstance(each, SkeletonTransform) or isinstance(each, Views):
            raise ValueError(
                f"`{name}` must be a list of transforms from "
                "`keras_skeleton.layers.augmentation`, each of which makes "
                f"clips of clips. Received: {each!r}"
            )
    return layers


def count_draws(layers):
    """Draws that transforms need together for each clip."""
    return sum(each.num_draws for each in layers)


def copy_with(transform, **arguments):
    """A transform of the same kind with some other arguments."""
    config = {**transform.get_config(), **arguments}
    return type(transform).from_config(config)


def run_chain(layers, backend, clips, draws, lengths):
    """Applies transforms one after another.

    Args:
        layers: The transforms.
        backend: The `backend` of the transform at work.
        clips: `(N, M, T, V, C)`.
        draws: Numbers in [0, 1), `(N, count_draws(layers))`, each transform
            taking the next columns; or `None` for what they do outside
            training.
        lengths: int32 `(N,)`, or `None`.

    Returns:
        The clips and their lengths.
    """
    start = 0
    for each in layers:
        stop = start + each.num_draws
        is_random = draws is not None and each.num_draws
        own = draws[:, start:stop] if is_random else None
        start = stop
        each.backend = backend
        changed = each.call(clips, own, lengths)
        if lengths is not None:
            lengths = each.new_lengths(clips, own, lengths)
        clips = changed
    return clips, lengths


@keras.saving.register_keras_serializable(package="keras_skeleton")
class Views(SkeletonTransform):
    """Makes several views of each clip, each with draws of its own.

    A view is what a list of transforms makes of a clip. The lists may be the
    same, or share transforms: what a transform draws for one view tells
    nothing about what it draws for another.

    The layer serves inside a training step, where the views are made on the
    device (`augmentation=` of the contrastive models); its draws then follow
    from a state that is part of the model, so that a training that was
    stopped goes on with the same views. In a pipeline it is the last
    transform, and batches hold a dict of the views in place of the clips:
    `sequences.to_keras([Center(), Views(query=..., key=...)])`.

    Outside training, each view is what its transforms make without draws.

    Args:
        common: Transforms, the first argument and without a name, that are
            applied once, before the views part: what all of them share, such
            as the cut to a number of frames. None by default.
        seed: Seed of the layer's own draws.
        name: Name of the layer.
        dtype: Data type of the clips.
        trainable: As of every layer; there is nothing to train.
        **views: For each view, by its name, a transform or a list of them;
            an empty list leaves the clips as they are.

    Call arguments:
        clips: float32 tensor `(N, M, T, V, C)`.
        draws: Optional `(N, num_draws)` numbers in [0, 1): those of the
            common transforms, then of each view's, in the given order.
        lengths: int32 `(N,)`, the frames of each clip.
        training: Whether the transforms act randomly when there are no
            draws.

    Returns:
        Dict of the clips of each view.

    Raises:
        ValueError: If there is no view, or something else than transforms.

    Example:

    >>> weak, strong = [RandomShear(0.5)], [RandomShear(1.0), DropAxis()]
    >>> views = Views(UniformSample(50), query=weak, key=strong, seed=1)
    >>> made = views(np.ones((8, 1, 80, 25, 3)), training=True)
    >>> made["query"].shape, made["key"].shape
    ((8, 1, 50, 25, 3), (8, 1, 50, 25, 3))
    """

    def __init__(
        self,
        common=(),
        /,
        seed=None,
        name=None,
        dtype="float32",
        trainable=True,
        **views,
    ):
        super().__init__(seed=seed, name=name, dtype=dtype, trainable=trainable)
        if not views:
            raise ValueError(
                "Views needs at least one view, such as query=[RandomShear()]."
            )
        self.common = as_transforms("common", common)
        self.views = {
            view: as_transforms(view, layers) for view, layers in views.items()
        }

    @property
    def view_names(self):
        """Names of the views, in the order given."""
        return tuple(self.views)

    @property
    def num_draws(self):
        chains = (self.common, *self.views.values())
        return sum(map(count_draws, chains))

    def build(self, input_shape):
        # No transform has weights, whose shapes would matter.
        for layers in (self.common, *self.views.values()):
            for each in layers:
                if not each.built:
                    each.build(input_shape)

    def beside_scores(self, number):
        def chain(layers):
            changed = (each.beside_scores(number) for each in layers)
            return [keras.saving.serialize_keras_object(x) for x in changed]

        views = {view: chain(layers) for view, layers in self.views.items()}
        return copy_with(self, common=chain(self.common), views=views)

    def transform(self, clips, draws, lengths):
        return {
            view: clips
            for view, (clips, _) in self._make(clips, draws, lengths).items()
        }

    def deterministic(self, clips, lengths):
        return self.transform(clips, None, lengths)

    def new_lengths(self, clips, draws, lengths):
        """Returns a dict of the lengths of each view's clips."""
        return {
            view: lengths
            for view, (_, lengths) in self._make(clips, draws, lengths).items()
        }

    def _make(self, clips, draws, lengths):
        """Clips and lengths of each view."""
        stop = count_draws(self.common)
        own = None if draws is None else draws[:, :stop]
        clips, lengths = run_chain(
            self.common, self.backend, clips, own, lengths
        )
        made = {}
        for view, layers in self.views.items():
            start, stop = stop, stop + count_draws(layers)
            own = None if draws is None else draws[:, start:stop]
            made[view] = run_chain(layers, self.backend, clips, own, lengths)
        return made

    def compute_output_shape(self, input_shape):
        shape = _output_shape(self.common, input_shape)
        return {
            view: _output_shape(layers, shape)
            for view, layers in self.views.items()
        }

    def get_config(self):
        def serialized(layers):
            return [keras.saving.serialize_keras_object(x) for x in layers]

        return {
            **super().get_config(),
            "common": serialized(self.common),
            "views": {
                view: serialized(layers) for view, layers in self.views.items()
            },
        }

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        common = config.pop("common", ())
        return cls(common, **config.pop("views", {}), **config)


def _output_shape(layers, shape):
    for each in layers:
        shape = tuple(each.compute_output_shape(shape))
    return tuple(shape)


@keras.saving.register_keras_serializable(package="keras_skeleton")
class RandomChoice(SkeletonTransform):
    """Applies one of several transforms to each clip, drawn at random.

    All are as likely. Outside training, clips stay as they are.

    Args:
        layers: The transforms; they must keep the shape of the clips.
        **kwargs: See `SkeletonTransform`.

    Call arguments:
        clips: float32 tensor `(N, M, T, V, C)`.
        draws: Optional `(N, num_draws)` numbers in [0, 1): the first says
            which transform, those of each transform follow.
        training: Whether to act when there are no draws.

    Returns:
        Clips of the same shape.

    Raises:
        ValueError: If a transform changes the shape of the clips.

    Example:

    >>> layer = RandomChoice([JointCorruption(), RandomShear(1.0)])
    >>> layer(np.ones((2, 1, 64, 25, 3)), training=True).shape
    (2, 1, 64, 25, 3)

    Reference: [HaLP](https://arxiv.org/abs/2304.00387), whose views are made
    by either of the two transforms above.
    """

    def __init__(self, layers, **kwargs):
        super().__init__(**kwargs)
        self.layers = as_transforms("layers", layers)
        if not self.layers:
            raise ValueError("`layers` must hold at least one transform.")

    @property
    def num_draws(self):
        return 1 + count_draws(self.layers)

    def build(self, input_shape):
        for each in self.layers:
            if not each.built:
                each.build(input_shape)

    def check(self, shape):
        for each in self.layers:
            changed = tuple(each.compute_output_shape(shape))
            if changed != shape:
                raise ValueError(
                    "RandomChoice needs transforms that keep the shape of "
                    f"clips, but {type(each).__name__} makes {changed} of "
                    f"{shape}."
                )

    def beside_scores(self, number):
        changed = (each.beside_scores(number) for each in self.layers)
        changed = map(keras.saving.serialize_keras_object, changed)
        return copy_with(self, layers=list(changed))

    def transform(self, clips, draws, lengths):
        return self._choose(clips, draws, lengths)[0]

    def new_lengths(self, clips, draws, lengths):
        if draws is None:
            return lengths
        return self._choose(clips, draws, lengths)[1]

    def _choose(self, clips, draws, lengths):
        """What the transform drawn makes of the clips, and their lengths."""
        ops = self.backend.numpy
        choice = integers(self, draws[:, 0], 0, len(self.layers) - 1)
        made, left, stop = clips, lengths, 1
        for number, each in enumerate(self.layers):
            start, stop = stop, stop + each.num_draws
            found, length = run_chain(
                [each], self.backend, clips, draws[:, start:stop], lengths
            )
            is_chosen = choice == number
            made = ops.where(is_chosen[:, None, None, None, None], found, made)
            if lengths is not None:
                left = ops.where(is_chosen, length, left)
        return made, left

    def get_config(self):
        layers = map(keras.saving.serialize_keras_object, self.layers)
        return {**super().get_config(), "layers": list(layers)}
