"""A classifier together with what it needs to see a person."""

import itertools
import json
import pathlib
import typing

import numpy as np

from keras_skeleton import skeletons
from keras_skeleton._fresh_head import tell_fresh_head
from keras_skeleton._scores import to_probabilities
from keras_skeleton.datasets import _coordinates
from keras_skeleton.datasets._pose_forms import PoseForm
from keras_skeleton.datasets._pose_forms import form_of
from keras_skeleton.layers import augmentation
from keras_skeleton.serving.forms import Bridge
from keras_skeleton.serving.frozen import FrozenModel
from keras_skeleton.serving.streaming import StreamingClassifier


class PoseClassifier:
    """A classifier with transforms, class names and the poses it expects.

    Args:
        model: A Keras classifier of one input `(N, M, T, V, C)` that gives
            logits. Each person is shown to it alone, as the first of `M`.
        transforms: List of transforms of evaluation; `FillLostFrames` comes
            before them if it is not among them.
        form: The `PoseForm` of the clips that the transforms take.
        class_names: Names of the classes in label order.
        skeleton: Layout of the clips; by default that of the model.
        label: What to call it in texts.

    Raises:
        ValueError: If model, transforms and names do not fit each other.

    Example:

    >>> classifier = PoseClassifier.from_weights("ctrgcn:nw_ucla")
    >>> classifier.class_names[3]
    'walk around'
    """

    def __init__(
        self,
        model,
        transforms,
        form,
        class_names=None,
        skeleton=None,
        label="",
    ):
        shape = getattr(model, "input_shape", None)
        if not isinstance(shape, tuple) or len(shape) != 5:
            raise ValueError(
                "Persons are shown to classifiers of skeletons alone, with "
                "one input (N, M, T, V, C). Received a model with input "
                f"shape {shape}."
            )
        if len(model.output_shape) != 2:
            raise ValueError(
                f"The model {model.name!r} has no classification head. Pass "
                "weights of a classifier, or build one with `classes=`."
            )
        classes = model.output_shape[1]
        self.class_names = list(class_names or map(str, range(classes)))
        if len(self.class_names) != classes:
            raise ValueError(
                f"The model has {classes} classes. Received "
                f"{len(self.class_names)} class names."
            )
        self.model, self.form, self.label = model, form, label
        self.transforms = augmentation.filling_lost_frames(transforms)
        self.skeleton = skeletons.get(
            model.skeleton if skeleton is None else skeleton
        )
        self.frame_shape = (
            shape[1],
            self.skeleton.num_joints,
            len(form.coordinates),
        )
        tell_fresh_head(model, "serving")
        told = _coordinates.keeping_scores(
            self.transforms,
            _coordinates.count_scores(form.coordinates),
            (None, shape[1], None, *self.frame_shape[1:]),
        )
        self._on_numpy = [each.on_numpy() for each in told]

    @classmethod
    def from_weights(cls, weights: str, form=None) -> typing.Self:
        """The classifier of registered weights, or of one's own file.

        Transforms, class names and form come from the card, or from what
        `save_weights(model, path, transforms=..., class_names=...,
        data_set=...)` recorded.

        Args:
            weights: `"SYSTEM:NAME"` or `"SYSTEM:FILE"`, for example
                `"ctrgcn:nw_ucla"`.
            form: A `PoseForm` in the place of the recorded one.

        Raises:
            ValueError: If anything is not recorded.
            FileNotFoundError: If the weights must be obtained by hand first.
        """
        from keras_skeleton import applications
        from keras_skeleton.weights import loading
        from keras_skeleton.weights import registry

        system, colon, name = str(weights).partition(":")
        if not colon or system not in applications.SYSTEMS:
            raise ValueError(
                "`weights` must be SYSTEM:NAME or SYSTEM:FILE with one of the "
                f"systems {', '.join(applications.SYSTEMS)}, for example "
                f"ctrgcn:nw_ucla. Received: {str(weights)!r}"
            )
        model, found = loading.load_model(system, name)
        _, entry = registry.resolve(system, name)
        recipe = {}
        for each in reversed(found):
            recipe |= {key: value for key, value in each.items() if value}
        if "transforms" not in recipe:
            raise ValueError(
                f"Nothing says how clips are prepared for the weights "
                f"{str(weights)!r}. Record it: save_weights(model, path, "
                "transforms=serialize_transforms([...]))."
            )
        names = entry.class_names if entry is not None else ()
        if not names and "class_names" in recipe:
            names = _from_json(recipe["class_names"])
        if isinstance(recipe.get("form"), str):
            recipe["form"] = _from_json(recipe["form"])
        return cls(
            model,
            augmentation.deserialize_transforms(recipe["transforms"]),
            form or form_of(recipe, repr(str(weights))),
            names,
            label=str(weights),
        )

    def bridge(self, estimator, size=None) -> Bridge:
        """The `Bridge` from an estimator's poses to this classifier."""
        return Bridge(estimator, self.skeleton, self.form, size)

    def probabilities(self, clips, batch_size=8) -> np.ndarray:
        """Class probabilities of clips of one person each.

        Args:
            clips: Iterable of arrays `(T, V, C)`, of any lengths.
            batch_size: Clips per pass through the model.

        Returns:
            Array `(N, classes)`.
        """
        found, clips = [], iter(clips)
        while some := list(itertools.islice(clips, batch_size)):
            # Always as many, so that nothing is compiled twice.
            full = some + some[-1:] * (batch_size - len(some))
            scores = self.model.predict_on_batch(self._prepare(full))
            found.append(to_probabilities(scores)[: len(some)])
        return np.concatenate(found)

    def _prepare(self, clips):
        """Clips as the model takes them, `(N, M, T, V, C)`."""
        persons, joints, coordinates = self.frame_shape
        longest = max(map(len, clips))
        batch = np.zeros(
            (len(clips), persons, longest, joints, coordinates), "float32"
        )
        for row, clip in zip(batch, clips, strict=True):
            row[0, : len(clip)] = clip
        for transform in self._on_numpy:
            batch = transform(batch)
        expected = tuple(self.model.input_shape[1:])
        if batch.shape[1:] != expected:
            raise ValueError(
                f"The transforms make clips {batch.shape[1:]}, but the model "
                f"takes {expected}. Pass the transforms it was evaluated with."
            )
        return batch

    def stream(
        self, window, every, smoothing=0.5, threshold=0.0
    ) -> StreamingClassifier:
        """A function that makes a `StreamingClassifier` for a person.

        The model is frozen once for all of them. Predictions begin when half
        a window is there.

        Args:
            window: Frames to keep.
            every: Frames from one prediction to the next.
            smoothing: See `StreamingClassifier`, also for `threshold`.
        """
        frozen = FrozenModel(self.model)

        def make():
            return StreamingClassifier(
                frozen,
                self.transforms,
                window=window,
                frame_shape=self.frame_shape,
                coordinates=self.form.coordinates,
                every=every,
                min_frames=max(window // 2, 1),
                smoothing=smoothing,
                threshold=threshold,
                class_names=self.class_names,
            )

        return make


def as_classifier(weights, form=None):
    """The `PoseClassifier` that an argument stands for."""
    if form is not None and not isinstance(form, PoseForm):
        raise ValueError(f"`form` must be a `PoseForm`. Received: {form!r}")
    if isinstance(weights, PoseClassifier):
        return weights
    if isinstance(weights, str | pathlib.PurePath):
        return PoseClassifier.from_weights(weights, form)
    raise ValueError(
        "`weights` must be SYSTEM:NAME, SYSTEM:FILE or a `PoseClassifier`. "
        f"Received: {weights!r}"
    )


def _from_json(text):
    return json.loads(text) if isinstance(text, str) else text
