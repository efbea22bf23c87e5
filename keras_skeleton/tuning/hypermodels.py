"""What the search spaces of all systems share."""

import keras

from keras_skeleton.losses import SmoothedCrossentropy
from keras_skeleton.training import SGD
from keras_skeleton.training import LayerwiseAdamW
from keras_skeleton.training import WarmupSteps
from keras_skeleton.training import layerwise_scales
from keras_skeleton.training import warmup_cosine

try:
    import keras_tuner
except ImportError as error:
    raise ImportError(
        "The search for hyper-parameters needs KerasTuner: "
        "pip install keras-skeleton[tune]"
    ) from error


def draw(hp, name, space):
    """Draws one hyper-parameter.

    Args:
        hp: The `keras_tuner.HyperParameters` of a trial.
        name: Name of the hyper-parameter.
        space: `(low, high)` for a real number between them, `(low, high,
            "log")` for one drawn on a logarithmic scale, a list to choose
            from, or a single value that stays fixed (a tuple of tuples is
            one too).

    Returns:
        The value, a plain Python number (or the list's entry).

    Example:

    >>> draw(keras_tuner.HyperParameters(), "rate", (1e-4, 1e-2, "log"))
    0.0001
    """
    if isinstance(space, list):
        value = hp.Choice(name, space)
    elif isinstance(space, tuple) and not isinstance(space[0], tuple):
        if len(space) not in (2, 3) or space[2:] not in ((), ("log",)):
            raise ValueError(
                f"The range of {name!r} must be (low, high) or (low, high, "
                f"'log'). Received {space}."
            )
        low, high, *sampling = space
        value = hp.Float(
            name,
            float(low),
            float(high),
            sampling=sampling[0] if sampling else "linear",
        )
    else:
        return space
    # Bayesian optimization hands over NumPy's numbers.
    return value.item() if hasattr(value, "item") else value


class _HyperModel(keras_tuner.HyperModel):
    """A hypermodel with named spaces that can be changed one by one."""

    #: The spaces to search by default, see `draw`.
    spaces = {}

    def __init__(self, spaces, steps, warmup_share, name):
        super().__init__(name=name)
        unknown = set(spaces or {}) - set(self.spaces)
        if unknown:
            raise ValueError(
                f"Unknown in `spaces`: {', '.join(sorted(unknown))}. "
                f"{type(self).__name__} searches "
                f"{', '.join(self.spaces)}."
            )
        if steps < 1 or not 0 <= warmup_share < 1:
            raise ValueError(
                "`steps` must be at least 1 and `warmup_share` in [0, 1). "
                f"Received steps={steps} and warmup_share={warmup_share}."
            )
        self.spaces = {**self.spaces, **(spaces or {})}
        self.steps = int(steps)
        self.warmup_share = warmup_share

    def draw_all(self, hp):
        """Draws every hyper-parameter: a dict by name."""
        return {name: draw(hp, name, s) for name, s in self.spaces.items()}

    def schedule(self, peak, minimum_share):
        return warmup_cosine(
            peak,
            peak * minimum_share,
            warmup_steps=int(self.steps * self.warmup_share),
            total_steps=self.steps,
        )


class _Classification(_HyperModel):
    """A hypermodel of classifiers; their recipe apart from their arguments."""

    #: Names of the spaces that are not arguments of the model.
    recipe = ()

    def __init__(self, steps, spaces, warmup_share, name):
        super().__init__(spaces, steps, warmup_share, name)
        self.objective = keras_tuner.Objective("val_accuracy", "max")

    def build_model(self, **arguments):
        """Makes a fresh classifier that gives logits."""
        raise NotImplementedError

    def optimizer(self, model, recipe):
        """Makes the optimizer of a fresh classifier.

        Args:
            model: The classifier.
            recipe: Dict of what was drawn for the `recipe`.
        """
        raise NotImplementedError

    def build(self, hp):
        values = self.draw_all(hp)
        recipe = {name: values.pop(name) for name in self.recipe}
        model = self.build_model(**values)
        model.compile(
            self.optimizer(model, recipe),
            loss=SmoothedCrossentropy(recipe["label_smoothing"]),
            metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
        )
        return model


class FineTuning(_Classification):
    """Search space for fine-tuning a classifier.

    The recipe is the published one: AdamW with layer-wise decay of the
    learning rate, linear warm-up and a cosine down to 1/30 of the peak,
    cross-entropy with label smoothing.

    A system's class tells by `build_model(**arguments)` how to make a fresh
    classifier; all spaces beside the recipe's four (`learning_rate`,
    `layer_decay`, `weight_decay`, `label_smoothing`) are its arguments.

    Args:
        steps: Optimizer steps of one training: batches times epochs.
        spaces: Dict of spaces that replace the default ones, see `draw`; a
            single value takes a hyper-parameter out of the search.
        warmup_share: Share of the steps in which the learning rate rises.
        name: Name of the hypermodel.

    Attributes:
        objective: Pass it to the tuner. Tune on a part of the training
            clips that is kept aside, not on the test clips.
    """

    spaces = {
        "learning_rate": (1e-4, 1e-3, "log"),
        "layer_decay": (0.6, 1.0),
        "weight_decay": (0.01, 0.2, "log"),
        "label_smoothing": (0.0, 0.2),
    }
    recipe = tuple(spaces)

    def __init__(self, steps, spaces=None, warmup_share=0.05, name=None):
        super().__init__(steps, spaces, warmup_share, name)

    def optimizer(self, model, recipe):
        return LayerwiseAdamW(
            self.schedule(recipe["learning_rate"], 1 / 30),
            weight_decay=recipe["weight_decay"],
            scales=layerwise_scales(model, recipe["layer_decay"]),
        )


class Training(_Classification):
    """Search space for training a classifier from random weights.

    The recipe is that of the graph networks: SGD with Nesterov's momentum of
    0.9 and the L2 penalty of all variables in the gradient, linear warm-up,
    cross-entropy with label smoothing. The learning rate then follows a
    `"cosine"` to 0, or `"steps"`: a tenth after 0.55 and after 0.85 of the
    training, about where the published steps lie.

    A system's class names its `application`; all spaces beside the recipe's
    four (`learning_rate`, `weight_decay`, `label_smoothing`, `decay`) are
    arguments of it.

    Args:
        classes: Number of classes.
        steps: Optimizer steps of one training: batches times epochs.
        spaces: See `FineTuning`.
        warmup_share: Share of the steps in which the learning rate rises.
            The published warm-up is 5 of 65 to 140 epochs.
        name: Name of the hypermodel.
        **arguments: Further arguments of the application, such as
            `input_shape` and `skeleton`.

    Attributes:
        objective: As in `FineTuning`.
    """

    spaces = {
        "learning_rate": (0.02, 0.2, "log"),
        "weight_decay": (5e-5, 1e-3, "log"),
        "label_smoothing": (0.0, 0.2),
        "decay": "cosine",
    }
    recipe = tuple(spaces)
    #: The class of the model.
    application = None

    def __init__(
        self,
        classes,
        steps,
        spaces=None,
        warmup_share=0.05,
        name=None,
        **arguments,
    ):
        super().__init__(steps, spaces, warmup_share, name)
        twice = sorted(set(arguments) & set(self.spaces))
        if twice:
            raise ValueError(
                f"{', '.join(twice)} would be searched as well as fixed. "
                f"Fix it by spaces={{{twice[0]!r}: {arguments[twice[0]]!r}}}."
            )
        self.classes = classes
        self.arguments = arguments

    def build_model(self, **arguments):
        return self.application(
            classes=self.classes, **self.arguments, **arguments
        )

    def optimizer(self, model, recipe):
        peak, decay = recipe["learning_rate"], recipe["decay"]
        if decay not in ("cosine", "steps"):
            raise ValueError(
                f"`decay` must be 'cosine' or 'steps'. Received: {decay!r}"
            )
        rate = self.schedule(peak, 0.0)
        if decay == "steps":
            rate = WarmupSteps(
                peak,
                [int(share * self.steps) for share in (0.55, 0.85)],
                warmup_steps=int(self.steps * self.warmup_share),
            )
        return SGD(rate, weight_decay=recipe["weight_decay"])


class Pretraining(_HyperModel):
    """Search space for training an encoder without labels.

    The recipe is the published one: AdamW with linear warm-up and a cosine
    down to half the peak. A system's class tells by
    `build_model(**arguments)` how to make a fresh pretext model; all spaces
    beside `learning_rate` and `weight_decay` are its arguments.

    Losses of different tasks cannot be compared: hiding less, for example,
    makes the loss smaller and the features no better. To compare features
    instead, pass `labelled`: the objective is then the accuracy of the
    nearest neighbour after training.

    Args:
        steps: Optimizer steps of one training: batches times epochs.
        spaces: See `FineTuning`.
        labelled: Tuple `(train, test)` of labelled data, see
            `keras_skeleton.evaluation.extract_features`, or `None`.
        warmup_share: See `FineTuning`.
        validate: Whether the objective without `labelled` is the loss of
            validation data, or that of the training data.
        name: Name of the hypermodel.

    Attributes:
        objective: Pass it to the tuner: `"knn_accuracy"`, `"val_loss"` or
            `"loss"`.
    """

    spaces = {
        "learning_rate": (3e-4, 3e-3, "log"),
        "weight_decay": 0.05,
    }

    def __init__(
        self,
        steps,
        spaces=None,
        labelled=None,
        warmup_share=0.05,
        validate=False,
        name=None,
    ):
        super().__init__(spaces, steps, warmup_share, name)
        self.labelled = labelled
        self.objective = keras_tuner.Objective(
            "val_loss" if validate else "loss", "min"
        )
        if labelled is not None:
            self.objective = keras_tuner.Objective("knn_accuracy", "max")

    def build_model(self, **arguments):
        """Makes a fresh pretext model."""
        raise NotImplementedError

    def build(self, hp):
        values = self.draw_all(hp)
        recipe = {name: values.pop(name) for name in Pretraining.spaces}
        model = self.build_model(**values)
        model.compile(
            LayerwiseAdamW(
                self.schedule(recipe["learning_rate"], 1 / 2),
                weight_decay=recipe["weight_decay"],
                beta_2=0.95,
            )
        )
        return model

    def fit(self, hp, model, *args, **kwargs):
        history = model.fit(*args, **kwargs)
        if self.labelled is None:
            return history
        from keras_skeleton.evaluation import extract_features
        from keras_skeleton.evaluation import knn_accuracy

        train, test = (
            extract_features(model.encoder, part) for part in self.labelled
        )
        last = {name: values[-1] for name, values in history.history.items()}
        return {**last, "knn_accuracy": knn_accuracy(*train, *test)}
