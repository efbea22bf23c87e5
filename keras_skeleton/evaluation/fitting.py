"""How heads and whole classifiers are trained and watched."""

import dataclasses

import keras

from keras_skeleton import _graph
from keras_skeleton.evaluation import progress
from keras_skeleton.evaluation.parts import ArrayBatches
from keras_skeleton.training import Recipe


@dataclasses.dataclass(frozen=True, kw_only=True)
class HeadRecipe(Recipe):
    """How a head on a frozen encoder is trained, see `Recipe`.

    Args:
        normalize: Whether features are normalized first, by a batch
            normalization without scale and offset.
        head_stddev: Standard deviation of the head's first values.
    """

    optimizer: str = "sgd"
    learning_rate: float = 0.1
    minimum: float = 0.0
    warmup_epochs: float = 0
    batch_size: int = 256
    weight_decay: float = 0.0
    normalize: bool = True
    head_stddev: float = 0.01


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
    copy = _graph.rebuilt(model)
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
