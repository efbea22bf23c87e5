"""Progress bars of protocols."""

import keras


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
    return keras.utils.Progbar(target, unit_name=unit) if verbose else _NoBar()


class EpochBar(keras.callbacks.Callback):
    """One progress bar for a whole training, whose epochs take a moment each.

    Args:
        epochs: Number of epochs.
    """

    def __init__(self, epochs):
        super().__init__()
        self.bar = keras.utils.Progbar(
            epochs, stateful_metrics=("accuracy", "loss"), unit_name="epoch"
        )

    def on_epoch_end(self, epoch, logs=None):
        """Shows the loss and the accuracy of an epoch."""
        self.bar.update(epoch + 1, list(logs.items()), finalize=False)

    def on_train_end(self, logs=None):
        """Ends the line."""
        self.bar.update(self.bar.target, finalize=True)
