"""How heads and whole classifiers are trained by a recipe of plain data."""

import keras
import numpy as np

from keras_skeleton import training
from keras_skeleton.evaluation import progress
from keras_skeleton.evaluation.parts import ArrayBatches

#: Of a head on a frozen encoder, unless its system has a recipe of its own.
LINEAR = {
    "optimizer": "sgd",
    "learning_rate": 0.1,
    "minimum": 0.0,
    "steps": (),
    "warmup_epochs": 0,
    "epochs": 100,
    "batch_size": 256,
    "weight_decay": 0.0,
    "nesterov": False,
    "normalize": True,
    "head_stddev": 0.01,
}
#: Of a whole classifier from a pre-trained encoder.
FINETUNE = {
    "optimizer": "adamw",
    "learning_rate": 3e-4,
    "minimum": 1e-5,
    "steps": (),
    "warmup_epochs": 5,
    "epochs": 100,
    "batch_size": 48,
    "weight_decay": 0.05,
    "nesterov": False,
    "layer_decay": None,
    "label_smoothing": 0.1,
    "interval": None,
    "augmentation": (),
    "arguments": {},
}


def settle(encoder, kinds, defaults, given):
    """A recipe of training: given, else the system's, else the defaults.

    Args:
        encoder: The encoder. Its class may have the attribute `recipes`, a
            dict of recipes by kind.
        kinds: Names of kinds, the first that the system knows counts.
        defaults: Dict of all entries of a recipe.
        given: Dict of what the caller named; `None` counts as not named.

    Returns:
        Dict. Where other `epochs` are given, but no other `steps`, these move
        in proportion.

    Raises:
        ValueError: If there is no such entry.
    """
    unknown = set(given) - set(defaults)
    if unknown:
        raise ValueError(
            f"Unknown {', '.join(map(repr, sorted(unknown)))}. A recipe has "
            f"{', '.join(defaults)}."
        )
    known = getattr(type(encoder), "recipes", {})
    own = next((known[kind] for kind in kinds if kind in known), {})
    given = {key: value for key, value in given.items() if value is not None}
    recipe = {**defaults, **own, **given}
    if "epochs" in given and "steps" not in given:
        share = given["epochs"] / {**defaults, **own}["epochs"]
        recipe["steps"] = tuple(round(s * share) for s in recipe["steps"])
    for key in ("epochs", "batch_size"):
        if not isinstance(recipe[key], int | np.integer) or recipe[key] < 1:
            raise ValueError(
                f"`{key}` must be a whole number from 1 up. Received: "
                f"{key}={recipe[key]!r}"
            )
    return recipe


def make_optimizer(recipe, model, steps_per_epoch):
    """The optimizer of a recipe, with its schedule.

    A warm-up takes at most a tenth of the training.

    Args:
        recipe: Dict of `settle`.
        model: The model to train.
        steps_per_epoch: Batches of an epoch.
    """
    total = recipe["epochs"] * steps_per_epoch
    warmup = min(recipe["warmup_epochs"] * steps_per_epoch, total // 10)
    rate = recipe["learning_rate"]
    if recipe["steps"]:
        boundaries = [step * steps_per_epoch for step in recipe["steps"]]
        rate = training.WarmupSteps(rate, boundaries, warmup)
    else:
        rate = training.warmup_cosine(
            rate, recipe["minimum"], warmup_steps=warmup, total_steps=total
        )
    if recipe["optimizer"] == "sgd":
        return training.SGD(
            rate,
            nesterov=recipe["nesterov"],
            weight_decay=recipe["weight_decay"],
        )
    if recipe["optimizer"] != "adamw":
        raise ValueError(
            "`optimizer` must be 'sgd' or 'adamw'. Received: "
            f"{recipe['optimizer']!r}"
        )
    scales = None
    if recipe.get("layer_decay"):
        scales = training.layerwise_scales(model, recipe["layer_decay"])
    return training.LayerwiseAdamW(
        rate, weight_decay=recipe["weight_decay"], scales=scales
    )


def fit(model, batches, epochs, watched, verbose=0, begin=None):
    """Trains, and watches the accuracy on other data after each epoch.

    Args:
        model: A compiled model with the metric `accuracy`.
        batches: Training batches.
        epochs: Number of epochs.
        watched: Dict from a name to a function of the model that gives an
            accuracy in percent. By `"validation"` the epoch is chosen whose
            weights the model has in the end, the first of several; else it
            has those of the last.
        verbose: 1 for a progress bar over the epochs.
        begin: Function of an epoch's number, called before it.

    Returns:
        Dict of lists, one number for each epoch, and the number of the
        epoch whose weights were kept, counted from 1.
    """
    watch = _Watch(batches, watched, begin)
    callbacks = [watch, *([progress.EpochBar(epochs)] if verbose else [])]
    # Shuffled by the batches themselves.
    history = model.fit(
        batches, epochs=epochs, shuffle=False, callbacks=callbacks, verbose=0
    ).history
    if watch.best is not None:
        model.set_weights(watch.best[2])
    found = {
        "loss": [float(value) for value in history["loss"]],
        "training accuracy": [100 * float(v) for v in history["accuracy"]],
        **watch.history,
    }
    return found, epochs if watch.best is None else watch.best[1] + 1


class _Watch(keras.callbacks.Callback):
    """Measures after each epoch; keeps the best weights on validation data."""

    def __init__(self, batches, watched, begin):
        super().__init__()
        self.batches, self.watched, self.begin = batches, watched, begin
        self.history = {f"{name} accuracy": [] for name in watched}
        self.best = None

    def on_epoch_begin(self, epoch, logs=None):
        if self.begin is not None:
            self.begin(epoch)
        if isinstance(self.batches, ArrayBatches):
            self.batches.set_epoch(epoch)

    def on_epoch_end(self, epoch, logs=None):
        # Through the callback: on JAX it brings the variables up to date.
        model = self.model
        for name, measure in self.watched.items():
            value = float(measure(model))
            self.history[f"{name} accuracy"].append(value)
            if name == "validation" and (
                self.best is None or value > self.best[0]
            ):
                self.best = (value, epoch, model.get_weights())


def copy_of(model):
    """A model of the same form with the same weights, all of its own."""
    copy = type(model).from_config(model.get_config())
    copy.set_weights(model.get_weights())
    return copy


def best_on_test(history, of):
    """The best accuracy of any epoch, chosen on the test data.

    Args:
        history: Dict of `fit`.
        of: Number of test clips.

    Returns:
        Dict with the score; its name says how it was chosen.
    """
    from keras_skeleton.evaluation.result import Percentage

    value = max(history["test accuracy"])
    correct = round(value * of / 100)
    return {"top1, best epoch on test": Percentage(value, of, correct)}
