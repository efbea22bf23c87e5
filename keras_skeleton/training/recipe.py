"""Recipes: how a system is trained, in one object."""

import dataclasses
import math
import typing

import keras

from keras_skeleton import _values
from keras_skeleton.layers import augmentation as transforms_of
from keras_skeleton.losses import SmoothedCrossentropy
from keras_skeleton.training.optimizers import SGD
from keras_skeleton.training.optimizers import LayerwiseAdamW
from keras_skeleton.training.optimizers import WarmupSteps
from keras_skeleton.training.optimizers import layerwise_scales
from keras_skeleton.training.optimizers import warmup_cosine
from keras_skeleton.training.step_model import PretextModel
from keras_skeleton.training.step_model import StepModel

# What `for_clips` asks of a training: so many steps, of batches that are at
# most so large a part of the clips.
MIN_STEPS = 1500
LARGEST_SHARE = 1 / 8
SMALLEST_BATCH = 8
KINDS = ("training", "linear", "finetune", "semi", "transfer", "pretrain")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a model is trained: augmentation, optimizer, schedule and loss.

    The systems have their published ones, by the kind of training:

    - `"training"`: a classifier from random weights; where nothing else was
      published, as in fine-tuning,
    - `"finetune"`: a classifier from a pre-trained encoder, also `"semi"`
      with few labels and `"transfer"` on other data,
    - `"pretrain"`: a pretext model, without labels.

    `Recipe.of` finds it, `for_clips` fits it to the size of the data, and
    `batches` and `compile` prepare what `fit` takes.

    Args:
        optimizer: `"adamw"` (`LayerwiseAdamW`) or `"sgd"` (`SGD`).
        learning_rate: Highest learning rate.
        minimum: Where the cosine ends.
        steps: Epochs after which the learning rate is a tenth; `()` for a
            cosine.
        warmup_epochs: Epochs of the linear warm-up.
        epochs: Number of epochs.
        batch_size: Clips per step.
        weight_decay: Of the optimizer.
        decay_vectors: Whether AdamW decays biases and normalizations, too.
        nesterov: Whether SGD looks ahead.
        beta_2: Decay of AdamW's second moment.
        layer_decay: Factor on the learning rate from one transformer block to
            the one before, or `None`.
        label_smoothing: Of the cross-entropy.
        interval: Share of a clip that `CropResize` takes in training, as a
            range, or `None` for what it takes elsewhere.
        augmentation: Further transforms of training clips, as data (see
            `keras_skeleton.layers.augmentation.serialize_transforms`).
        arguments: Dict of arguments of the classifier, such as
            `{"drop_path_rate": 0.3}`.
        kind: Kind of training, if it is known.

    Raises:
        ValueError: If a value makes no sense.

    Example:

    ```python
    recipe = Recipe.of("ctrgcn", "training").for_clips(train)
    model = CTRGCN(
        input_shape=(1, 64, 20, 3),
        skeleton=train.skeleton,
        classes=len(train.class_names),
        **recipe.arguments,
    )
    batches = recipe.batches(train, [CropResize(64, interval=(0.95,))])
    recipe.compile(model, batches)
    model.fit(batches, epochs=recipe.epochs, shuffle=False)
    ```
    """

    optimizer: str = "adamw"
    learning_rate: float = 3e-4
    minimum: float = 1e-5
    steps: tuple = ()
    warmup_epochs: float = 5
    epochs: int = 100
    batch_size: int = 48
    weight_decay: float = 0.05
    decay_vectors: bool = False
    nesterov: bool = False
    beta_2: float = 0.999
    layer_decay: float | None = None
    label_smoothing: float = 0.1
    interval: tuple | None = None
    augmentation: tuple = ()
    arguments: dict = dataclasses.field(default_factory=dict)
    kind: str | None = None

    def __post_init__(self):
        if self.optimizer not in ("sgd", "adamw"):
            raise ValueError(
                "`optimizer` must be 'sgd' or 'adamw'. Received: "
                f"{self.optimizer!r}"
            )
        for key in ("epochs", "batch_size"):
            value = _values.whole_number(key, getattr(self, key), 1)
            object.__setattr__(self, key, value)
        for key in ("learning_rate", "layer_decay"):
            if getattr(self, key) is not None:
                _values.number(key, getattr(self, key), above=0)
        for key in (
            "minimum",
            "warmup_epochs",
            "weight_decay",
            "label_smoothing",
        ):
            _values.number(key, getattr(self, key), least=0)
        is_one = not hasattr(self.steps, "__iter__")
        steps = (self.steps,) if is_one else tuple(self.steps)
        for step in steps:
            _values.number("steps", step, least=0)
        object.__setattr__(self, "steps", steps)

    @classmethod
    def of(cls, system, kind: str | tuple = "training", **given) -> typing.Self:
        """The recipe of a system: what is given, else what was published.

        Args:
            system: A model of `keras_skeleton.applications`, its class, or
                the name of a system, such as `"mamp"`. Other models get the
                defaults of this class.
            kind: Kind of training, or a tuple of kinds of which the first
                that the system has a recipe for counts.
            **given: What is to be otherwise; `None` counts as not given. Of
                other `epochs`, see `lasting`.

        Raises:
            ValueError: If there is no such system or kind, or a recipe has
                no such entry.
        """
        known = {field.name for field in dataclasses.fields(cls)}
        unknown = sorted(set(given) - known)
        if unknown:
            raise ValueError(
                f"Unknown {', '.join(map(repr, unknown))}. A recipe has "
                f"{', '.join(sorted(known))}."
            )
        given = {k: value for k, value in given.items() if value is not None}
        kinds = (kind,) if isinstance(kind, str) else tuple(kind)
        unknown = [each for each in kinds if each not in KINDS]
        if unknown or not kinds:
            raise ValueError(
                f"`kind` must be one of {', '.join(map(repr, KINDS))}. "
                f"Received: {kind!r}"
            )
        found = cls(**_published(system, kinds), kind=kinds[0])
        if "epochs" in given:
            found = found.lasting(given["epochs"])
        return dataclasses.replace(found, **given)

    def lasting(self, epochs) -> typing.Self:
        """The same recipe over another number of epochs.

        The `steps` move in proportion, and a warm-up takes at most a tenth.
        """
        epochs = _values.whole_number("epochs", epochs, 1)
        share = epochs / self.epochs
        return dataclasses.replace(
            self,
            epochs=epochs,
            steps=tuple(round(step * share) for step in self.steps),
            warmup_epochs=min(self.warmup_epochs, epochs / 10),
        )

    def for_clips(self, clips) -> typing.Self:
        """The recipe for a data set of another size than the published one.

        Small data sets give few steps in an epoch, so that the published
        number of epochs would stop before anything is learned. Batches are at
        most an eighth of the clips (and at least 8), and epochs become as
        many as 1,500 steps take, if they were fewer.

        Args:
            clips: Training clips, or how many there are.
        """
        if isinstance(clips, str | bytes | bool):
            raise ValueError(
                "Pass the training clips, or how many there are. Received: "
                f"{clips!r}"
            )
        count = len(clips) if hasattr(clips, "__len__") else clips
        count = _values.whole_number("clips", count, 1)
        size = min(
            self.batch_size, max(SMALLEST_BATCH, int(count * LARGEST_SHARE))
        )
        per_epoch = max(count // size, 1)
        epochs = max(self.epochs, math.ceil(MIN_STEPS / per_epoch))
        return dataclasses.replace(self.lasting(epochs), batch_size=size)

    def transforms(self, plain, coordinates=("x", "y", "z")) -> list:
        """The transforms of training clips.

        Args:
            plain: List of transforms that bring a clip to the form that the
                model takes.
            coordinates: Names of the coordinates. Clips without a `"z"` are
                rotated in the plane.

        Returns:
            List of the same, with the recipe's `interval` and, after the
            last transform that chooses frames, its `augmentation`. Lost
            frames are filled first, see `FillLostFrames`; put that first for
            test clips too, where there may be any.
        """
        changed = []
        last = 0
        for transform in transforms_of.filling_lost_frames(plain):
            if isinstance(transform, transforms_of.FrameChoice):
                last = len(changed) + 1
            if self.interval and isinstance(
                transform, transforms_of.CropResize
            ):
                config = {**transform.get_config(), "interval": self.interval}
                transform = type(transform).from_config(config)
            changed.append(transform)
        added = transforms_of.deserialize_transforms(self.augmentation)
        if "z" not in coordinates:
            added = [_in_the_plane(transform) for transform in added]
        return [*changed[:last], *added, *changed[last:]]

    def batches(self, train, plain, seed=0, **options):
        """Shuffled batches of training clips, each epoch drawn anew.

        Args:
            train: `Sequences` or one of its sisters.
            plain: See `transforms`.
            seed: Seed of the order and of the transforms.
            **options: Further arguments of `Sequences.to_keras`, such as
                `labels=False`.

        Returns:
            What `fit` takes, with `shuffle=False`.
        """
        size = min(self.batch_size, len(train))
        return train.to_keras(
            self.transforms(plain, train.coordinates),
            batch_size=size,
            shuffle=True,
            seed=seed,
            **{"drop_remainder": True, **options},
        )

    def make_optimizer(
        self, model, steps_per_epoch
    ) -> keras.optimizers.Optimizer:
        """The optimizer with its schedule.

        Args:
            model: The model to train.
            steps_per_epoch: Batches of an epoch.
        """
        total = int(self.epochs * steps_per_epoch)
        warmup = int(self.warmup_epochs * steps_per_epoch)
        rate = self.learning_rate
        if self.steps:
            boundaries = [int(step * steps_per_epoch) for step in self.steps]
            rate = WarmupSteps(rate, boundaries, warmup)
        else:
            rate = warmup_cosine(
                rate, self.minimum, warmup_steps=warmup, total_steps=total
            )
        if self.optimizer == "sgd":
            return SGD(
                rate, nesterov=self.nesterov, weight_decay=self.weight_decay
            )
        scales = None
        if self.layer_decay:
            scales = layerwise_scales(model, self.layer_decay)
        return LayerwiseAdamW(
            rate,
            weight_decay=self.weight_decay,
            decay_vectors=self.decay_vectors,
            scales=scales,
            beta_2=self.beta_2,
        )

    def compile(self, model, batches, **options) -> keras.Model:
        """Compiles a model for a training by this recipe.

        Models with a training step of their own have their loss too, as have
        those that find poses; others get the cross-entropy of the recipe, and
        the metric `accuracy`.

        Args:
            model: The model to train.
            batches: What `fit` is to get, or the number of its batches.
            **options: Further arguments of `compile`.

        Returns:
            The model.
        """
        count = len(batches) if hasattr(batches, "__len__") else batches
        is_pretext = isinstance(model, PretextModel)
        if is_pretext != (self.kind == "pretrain") and self.kind is not None:
            raise ValueError(
                f"The recipe is of the kind {self.kind!r}, but "
                f"{type(model).__name__} is trained "
                + ("without labels." if is_pretext else "with labels.")
            )
        is_classifier = getattr(model, "task", "classes") == "classes"
        if is_classifier and not isinstance(model, StepModel):
            options = {
                "loss": SmoothedCrossentropy(self.label_smoothing),
                "metrics": ["accuracy"],
                **options,
            }
        model.compile(self.make_optimizer(model, count), **options)
        return model


def _in_the_plane(transform):
    if isinstance(transform, transforms_of.RandomRotation):
        config = {**transform.get_config(), "dimensions": 2}
        for key in ("max_angle", "min_angle"):
            config[key] = config[key][-1]
        return type(transform).from_config(config)
    return transform


def _published(system, kinds):
    """What a system does otherwise than by default, for one of some kinds."""
    if isinstance(system, str):
        system = _class_of(system, is_pretext="pretrain" in kinds)
    elif not isinstance(system, keras.Model) and not (
        isinstance(system, type) and issubclass(system, keras.Model)
    ):
        raise ValueError(
            "Pass a model, its class or the name of a system. Received: "
            f"{system!r}"
        )
    known = getattr(system, "recipes", {})
    if "training" in kinds:
        kinds = (*kinds, "finetune")
    found = next((known[kind] for kind in kinds if kind in known), None)
    if found is None and "pretrain" in kinds:
        name = getattr(system, "__name__", type(system).__name__)
        raise ValueError(
            f"{name} has no recipe of the kind 'pretrain'. Give the optimizer "
            "to `compile` yourself."
        )
    return found or {}


def _class_of(system, is_pretext):
    from keras_skeleton import applications

    if system not in applications.SYSTEMS:
        raise ValueError(
            f"There is no system {system!r}. There are "
            f"{', '.join(applications.SYSTEMS)}."
        )
    classes = [
        getattr(applications, name) for name in applications.SYSTEMS[system]
    ]
    for kind in classes:
        if issubclass(kind, PretextModel) == is_pretext:
            return kind
    raise ValueError(
        f"{classes[0].__name__} is trained with labels alone: there is no "
        "pretext model of it."
    )
