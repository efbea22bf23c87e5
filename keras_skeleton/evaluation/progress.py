"""Progress bars of protocols."""

import sys

import keras

from keras_skeleton import _progress


class _NoBar:
    """What takes the place of a bar that nobody wants to see."""

    def add(self, number):
        """Does nothing."""


def bar(target, unit, verbose):
    """A progress bar, or something that takes its calls and shows nothing.

    Args:
        target: Number of steps, `None` where it is not known.
        unit: What a step is.
        verbose: Whether to show it.
    """
    if not verbose:
        return _NoBar()
    if not _is_watched():
        return _progress.Progress(target, unit)
    return keras.utils.Progbar(target, unit_name=unit)


def _is_watched():
    """Whether a line can be written over; in a file, Keras' bar is codes."""
    return sys.stdout.isatty() or "ipykernel" in sys.modules


class EpochBar(keras.callbacks.Callback):
    """One progress bar for a whole training, whose epochs take a moment each.

    Args:
        epochs: Number of epochs.
    """

    def __init__(self, epochs):
        super().__init__()
        self.bar = None
        if not _is_watched():
            self.lines = _progress.Progress(epochs, "epoch")
            return
        self.bar = keras.utils.Progbar(
            epochs, stateful_metrics=("accuracy", "loss"), unit_name="epoch"
        )

    def on_epoch_end(self, epoch, logs=None):
        """Shows the loss and the accuracy of an epoch."""
        if self.bar is None:
            logs = (f"{name} {value:.4f}" for name, value in logs.items())
            self.lines.add(1, ", ".join(logs))
        else:
            self.bar.update(epoch + 1, list(logs.items()), finalize=False)

    def on_train_end(self, logs=None):
        """Ends the line."""
        if self.bar is not None:
            self.bar.update(self.bar.target, finalize=True)
