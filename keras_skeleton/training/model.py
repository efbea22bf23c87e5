"""The base of all models that are trained without labels."""

import importlib

import keras
from keras import ops

_step = importlib.import_module(
    f"keras_skeleton.training._step_{keras.backend.backend()}"
)


class PretextModel(_step.PretextStep, keras.Model):
    """A model with its own training step, trained by `compile` and `fit`.

    One step on a batch of unlabelled data is, on every backend:

    1. `objective` computes the loss and what else the step needs;
    2. the optimizer takes a gradient step on the trainable variables;
    3. `after_step` changes the state that follows the weights: momentum
       encoders, feature queues, prototypes. Nothing but the forward pass may
       change such state earlier: PyTorch's compiler would then compute wrong
       gradients without an error.

    A subclass defines `objective` and, where it holds such state,
    `after_step`. State lives in non-trainable variables, so that it is saved
    with the model.

    Example:

    ```python
    class Autoencoder(PretextModel):
        def __init__(self):
            super().__init__()
            self.layer = keras.layers.Dense(8)
            self.layer.build((None, 8))
            self.built = True

        def call(self, inputs):
            return self.layer(inputs)

        def objective(self, inputs, training):
            error = ops.mean(ops.square(self(inputs) - inputs))
            return error, {"root": ops.sqrt(error)}, ()
    ```
    """

    #: Names of the values that `objective` reports beside the loss.
    reported = ()

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._means = {
            name: keras.metrics.Mean(name=name)
            for name in ("loss", *self.reported)
        }

    def objective(self, inputs, training):
        """Computes the loss of one batch.

        Args:
            inputs: A batch as the data source yields it, without labels.
            training: Whether this is a training or an evaluation step.

        Returns:
            A tuple `(loss, report, carried)`: the scalar loss, a dict with a
            scalar for each name in `reported`, and any tensors that
            `after_step` needs (for example the keys to be queued).
        """
        raise NotImplementedError(
            f"{type(self).__name__} must define `objective`."
        )

    def after_step(self, carried):
        """Changes state after the gradient step; does nothing by default."""

    @property
    def metrics(self):
        return list(self._means.values())

    def _record(self, loss, report, inputs):
        """Adds one batch to the running means and returns the logs."""
        if set(report) != set(self.reported):
            raise ValueError(
                f"`objective` of {type(self).__name__} reported "
                f"{sorted(report)}, but `reported` names "
                f"{sorted(self.reported)}."
            )
        batch_size = ops.shape(keras.tree.flatten(inputs)[0])[0]
        for name, value in {"loss": loss, **report}.items():
            self._means[name].update_state(value, sample_weight=batch_size)
        return {name: mean.result() for name, mean in self._means.items()}
