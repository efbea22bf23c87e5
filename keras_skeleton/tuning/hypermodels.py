"""Hypermodels of any system: training, fine-tuning, pre-training."""

import dataclasses
import inspect

from keras_skeleton import applications
from keras_skeleton.training import PretextModel
from keras_skeleton.training import Recipe
from keras_skeleton.training import StepModel

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
    """A hypermodel of a class that has a `search_space`.

    It searches around the system's recipe of training, and the arguments of
    the class.

    Attributes:
        published: The `Recipe`.
        recipe: Dict of the spaces around it, see `draw`.
    """

    #: Which recipe counts.
    recipe_kind = None

    def __init__(self, kind, steps, spaces, warmup_share, name, arguments):
        super().__init__(name=name)
        self.kind = kind
        self.published = self.find_recipe(kind)
        self.recipe = self.around(self.published)
        known = {**self.recipe, **kind.search_space}
        unknown = set(spaces or {}) - {*known, *_arguments_of(kind)}
        if unknown:
            raise ValueError(
                f"Unknown in `spaces`: {', '.join(sorted(unknown))}. "
                f"{type(self).__name__} of {kind.__name__} searches "
                f"{', '.join(known)}, and other arguments of "
                f"{kind.__name__} if they are named."
            )
        twice = sorted(set(arguments) & {*self.recipe, *(spaces or {})})
        if twice:
            raise ValueError(
                f"{', '.join(twice)} would be searched as well as fixed. "
                f"Fix it by spaces={{{twice[0]!r}: {arguments[twice[0]]!r}}}."
            )
        # An argument that is given has nothing to be searched for.
        self.spaces = {
            key: space
            for key, space in {**known, **(spaces or {})}.items()
            if key not in arguments
        }
        if steps < 1 or not 0 <= warmup_share < 1:
            raise ValueError(
                "`steps` must be at least 1 and `warmup_share` in [0, 1). "
                f"Received steps={steps} and warmup_share={warmup_share}."
            )
        self.steps = int(steps)
        self.warmup_share = warmup_share
        self.arguments = arguments

    def draw_all(self, hp):
        """Draws every hyper-parameter: two dicts, the recipe's and the
        arguments of the class."""
        values = {name: draw(hp, name, s) for name, s in self.spaces.items()}
        recipe = {name: values.pop(name) for name in self.recipe}
        return recipe, values

    def find_recipe(self, kind):
        """The published recipe of a class."""
        return Recipe.of(kind, self.recipe_kind)

    def around(self, published):
        """The spaces around a published recipe."""
        rate = published.learning_rate
        return {"learning_rate": (rate / 3, 3 * rate, "log")}

    def settle(self, drawn):
        """The recipe of a trial.

        Args:
            drawn: Dict of what was drawn of the recipe.
        """
        # Published steps say nothing of where a cosine ends.
        minimum = 0.0 if self.published.steps else self.published.minimum
        share = minimum / self.published.learning_rate
        # Its one epoch is the whole training.
        return dataclasses.replace(
            self.published,
            epochs=1,
            warmup_epochs=self.warmup_share,
            **{"steps": (), "minimum": share * drawn["learning_rate"], **drawn},
        )


class _Classification(_HyperModel):
    """A hypermodel of classifiers that give logits."""

    def __init__(
        self,
        application,
        classes,
        steps,
        weights,
        encoder,
        spaces,
        warmup_share,
        name,
        arguments,
    ):
        kind = _class_of(application)
        super().__init__(kind, steps, spaces, warmup_share, name, arguments)
        if encoder is not None and (
            weights is not None
            or not callable(encoder)
            or hasattr(encoder, "get_weights")
        ):
            raise ValueError(
                "`encoder` must be a function that returns a new encoder for "
                "each trial, without `weights` beside it. Received "
                f"encoder={encoder!r} and weights={weights!r}."
            )
        self.classes = classes
        self.weights = weights
        self.encoder = encoder
        self.objective = keras_tuner.Objective("val_accuracy", "max")

    def around(self, published):
        decay = published.weight_decay
        spaces = {
            **super().around(published),
            "weight_decay": (decay / 5, 4 * decay, "log") if decay else 0.0,
        }
        # A model with a step of its own has its loss, too.
        if not issubclass(self.kind, StepModel):
            spaces["label_smoothing"] = (0.0, 0.2)
        return spaces

    def build(self, hp):
        drawn, arguments = self.draw_all(hp)
        encoder = None if self.encoder is None else self.encoder()
        model = self.kind(
            self.weights,
            encoder=encoder,
            classes=self.classes,
            **self.arguments,
            **arguments,
        )
        return self.settle(drawn).compile(model, self.steps)


class FineTuning(_Classification):
    """Search for the best fine-tuning of a classifier.

    The recipe is the system's for fine-tuning
    (`keras_skeleton.training.Recipe`), with a linear warm-up and a cosine.
    Searched around it are `learning_rate`, `weight_decay`, `label_smoothing`
    and, of transformers whose recipe has one, `layer_decay`; and the
    `search_space` of the application.

    Args:
        application: A class of `keras_skeleton.applications`, or the name of
            its system, such as `"mamp"`.
        classes: Number of classes.
        steps: Optimizer steps of one training: batches times epochs.
        weights: Pretrained weights, see the application; random if left out.
        encoder: Function without arguments that returns a pretrained
            encoder, instead of `weights`. It is called for each trial and
            must return a new one, as training changes it.
        spaces: Dict of spaces that replace the default ones, see `draw`, or
            add further arguments of the application; a single value takes a
            hyper-parameter out of the search.
        warmup_share: Share of the steps in which the learning rate rises.
        name: Name of the hypermodel.
        **arguments: Further arguments of the application, which are not
            searched.

    Attributes:
        objective: Pass it to the tuner. Tune on a part of the training
            clips that is kept aside, not on the test clips.

    Raises:
        ValueError: If something is unknown or given twice.

    Example:

    ```python
    space = FineTuning("mamp", 10, steps=50 * len(batches), weights=path)
    tuner = keras_tuner.BayesianOptimization(space, space.objective, 30)
    tuner.search(batches, validation_data=validation, epochs=50)
    ```
    """

    recipe_kind = "finetune"

    def __init__(
        self,
        application,
        classes,
        steps,
        weights=None,
        encoder=None,
        spaces=None,
        warmup_share=0.05,
        name=None,
        **arguments,
    ):
        super().__init__(
            application,
            classes,
            steps,
            weights,
            encoder,
            spaces,
            warmup_share,
            name,
            arguments,
        )

    def around(self, published):
        spaces = super().around(published)
        if published.layer_decay:
            spaces["layer_decay"] = (0.6, 1.0)
        return spaces


class Training(_Classification):
    """Search for the best training of a classifier from random weights.

    The recipe is the system's for training
    (`keras_skeleton.training.Recipe`), with a linear warm-up. The learning
    rate then follows a `"cosine"`, or `"steps"`: a tenth after 0.55 and after
    0.85 of the training, about where the published steps of graph networks
    lie. Searched around it are `learning_rate`, `weight_decay` and
    `label_smoothing`, if named also `decay`, and the `search_space` of the
    application.

    Models whose loss has a memory (`BRL`, `ACLNetTraining`) are searched like
    others, together with the network that they build, but have no
    `label_smoothing`. What they count in epochs, such as `switch_epoch`, goes
    with those of `search`.

    Args:
        application: As in `FineTuning`, or a `SupervisedModel` such as `BRL`.
        classes: Number of classes.
        steps: Optimizer steps of one training: batches times epochs.
        spaces: See `FineTuning`.
        warmup_share: Share of the steps in which the learning rate rises.
            The published warm-up is 5 of 65 to 140 epochs.
        name: Name of the hypermodel.
        **arguments: Further arguments of the application, such as
            `input_shape` and `skeleton`, which are not searched.

    Attributes:
        objective: As in `FineTuning`.

    Raises:
        ValueError: If something is unknown or given twice.

    Example:

    ```python
    space = Training(
        "ctrgcn",
        10,
        steps=65 * len(batches),
        input_shape=(1, 52, 20, 3),
        skeleton="nw_ucla",
        spaces={"adaptive": True, "decay": ["cosine", "steps"]},
    )
    tuner = keras_tuner.BayesianOptimization(space, space.objective, 30)
    tuner.search(batches, validation_data=validation, epochs=65)
    ```
    """

    recipe_kind = "training"

    def __init__(
        self,
        application,
        classes,
        steps,
        spaces=None,
        warmup_share=0.05,
        name=None,
        **arguments,
    ):
        super().__init__(
            application,
            classes,
            steps,
            None,
            None,
            spaces,
            warmup_share,
            name,
            arguments,
        )

    def around(self, published):
        return {**super().around(published), "decay": "cosine"}

    def settle(self, drawn):
        decay = drawn.pop("decay")
        if decay not in ("cosine", "steps"):
            raise ValueError(
                f"`decay` must be 'cosine' or 'steps'. Received: {decay!r}"
            )
        steps = (0.55, 0.85) if decay == "steps" else ()
        return super().settle({**drawn, "steps": steps})


class Pretraining(_HyperModel):
    """Search for the best training of an encoder without labels.

    The recipe is the system's for pre-training
    (`keras_skeleton.training.Recipe`; of STARS, that of MAMP), with a linear
    warm-up and a cosine. Searched around it are the `learning_rate`, if named
    also the `weight_decay`, and the `search_space` of the pretext model.

    Losses of different tasks cannot be compared: hiding less, for example,
    makes the loss smaller and the features no better. To compare features
    instead, pass `labelled`: the objective is then the accuracy of the
    nearest neighbour after training. Or fix what makes the task easier by
    `spaces`.

    Args:
        pretext: A pretext class of `keras_skeleton.applications`, such as
            `MAMPPretext`, or the name of its system.
        steps: Optimizer steps of one training: batches times epochs.
        spaces: See `FineTuning`.
        labelled: Tuple `(train, test)` of labelled data, see
            `keras_skeleton.evaluation.extract_features`, or `None`.
        warmup_share: See `FineTuning`.
        validate: Whether the objective without `labelled` is the loss of
            validation data, or that of the training data.
        name: Name of the hypermodel.
        **arguments: Further arguments of the pretext class, such as
            `input_shape`, which are not searched.

    Attributes:
        objective: Pass it to the tuner: `"knn_accuracy"`, `"val_loss"` or
            `"loss"`.

    Raises:
        ValueError: If something is unknown or given twice.

    Example:

    ```python
    space = Pretraining(
        "mamp",
        steps=20 * len(clips),
        labelled=(train, held_out),
        input_shape=(1, 48, 20, 3),
        skeleton="nw_ucla",
    )
    tuner = keras_tuner.RandomSearch(space, space.objective, max_trials=10)
    tuner.search(clips, epochs=20)
    ```
    """

    recipe_kind = "pretrain"

    def find_recipe(self, kind):
        """The published recipe of a pretext class; STARS starts from MAMP."""
        known = "pretrain" in getattr(kind, "recipes", {})
        return Recipe.of(kind if known else "mamp", "pretrain")

    def around(self, published):
        return {
            **super().around(published),
            "weight_decay": published.weight_decay,
        }

    def __init__(
        self,
        pretext,
        steps,
        spaces=None,
        labelled=None,
        warmup_share=0.05,
        validate=False,
        name=None,
        **arguments,
    ):
        kind = _class_of(pretext, is_pretext=True)
        super().__init__(kind, steps, spaces, warmup_share, name, arguments)
        self.labelled = labelled
        self.objective = keras_tuner.Objective(
            "val_loss" if validate else "loss", "min"
        )
        if labelled is not None:
            self.objective = keras_tuner.Objective("knn_accuracy", "max")

    def build(self, hp):
        drawn, arguments = self.draw_all(hp)
        model = self.kind(**self.arguments, **arguments)
        return self.settle(drawn).compile(model, self.steps)

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


def _class_of(kind, is_pretext=False):
    """The class that a class or the name of a system stands for."""

    def fits(value):
        return (
            isinstance(value, type)
            and hasattr(value, "search_space")
            and getattr(value, "task", "classes") == "classes"
            and issubclass(value, PretextModel) == is_pretext
        )

    # Of two in a system, its name stands for the first.
    classes = {
        system: value
        for system, names in applications.SYSTEMS.items()
        for value in (getattr(applications, name) for name in reversed(names))
        if fits(value)
    }
    found = classes.get(kind) if isinstance(kind, str) else kind
    if not fits(found):
        what = "pretext class" if is_pretext else "encoder and classifier"
        raise ValueError(
            f"There is nothing to search for {kind!r}. Pass the {what} of a "
            "system, a class with a `search_space`, or the name of one of "
            f"{', '.join(classes)}."
        )
    return found


def _arguments_of(kind):
    """Names of the arguments that say how a model is built."""
    names = set(inspect.signature(kind.__init__).parameters)
    if getattr(kind, "network", None) is not None:
        names |= _arguments_of(kind.network)
    return names - {"self", "weights", "encoder", "classes", "name", "model"}
