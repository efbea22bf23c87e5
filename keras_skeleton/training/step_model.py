"""Models whose training step is ours: the base of all that `fit` does here."""

import importlib
import inspect

import keras
from keras import ops

from keras_skeleton._compat import one_call
from keras_skeleton.training import given
from keras_skeleton.training import targets

_step = importlib.import_module(
    f"keras_skeleton.training._step_{keras.backend.backend()}"
)
_FIT = inspect.signature(keras.Model.fit)


class StepModel(_step.Step, keras.Model):
    """A model with its own training step, trained by `compile` and `fit`.

    One step on a batch is, on every backend:

    1. `before_step` changes the state that moves first: momentum encoders
       that follow the weights of the step before.
    2. `objective` computes the loss and what else the step needs. The losses
       that layers add themselves (`add_loss`, regularizers) are added to it.
    3. The optimizer takes a gradient step on the trainable variables.
    4. `after_step` changes the state that follows: feature queues,
       prototypes, counts.

    `objective` itself changes no such state: PyTorch's backward pass would
    meet tensors that are no longer what they were.

    State lives in non-trainable variables, so that it is saved with the model
    and a stopped training resumes exactly (`ResumeTraining`).

    Attributes:
        epoch: Variable with the number of the current epoch of `fit`, from
            0. Saved with the model.
        seen: Variable with the number of samples trained on. Saved with the
            model.
        reported: Names of the values that `objective` reports beside the
            loss.

    Example:

    ```python
    class Autoencoder(StepModel):
        reported = ("root",)

        def __init__(self):
            super().__init__()
            self.layer = keras.layers.Dense(8)
            self.layer.build((None, 8))
            self.built = True

        def call(self, inputs):
            return self.layer(inputs)

        def objective(self, x, y, training):
            error = ops.mean(ops.square(self(x) - y))
            return error, {"root": ops.sqrt(error)}, ()
    ```
    """

    reported = ()
    #: Whether `objective` takes `sample_weight`, as a fourth argument.
    takes_sample_weight = False
    #: Whether it is trained with labels.
    takes_labels = False

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if keras.backend.backend() == "torch":
            # Its compiler computes wrong gradients, without an error, where
            # state changes before the backward pass.
            self.supports_jit = False
        self._means = {
            name: keras.metrics.Mean(name=name)
            for name in ("loss", *self.reported)
        }
        self.epoch = self._counter("epoch")
        self.seen = self._counter("seen")

    def _counter(self, name):
        return self.add_weight(
            name=name,
            shape=(),
            initializer="zeros",
            dtype="int32",
            trainable=False,
            # Every replica counts the samples of all.
            aggregation="only_first_replica",
        )

    def objective(self, x, y, training) -> tuple:
        """Computes the loss of one batch.

        Args:
            x: The inputs of a batch as the data source yields them.
            y: The labels, or `None`.
            training: Whether this is a training or an evaluation step.

        Returns:
            A tuple `(loss, report, carried)`: the scalar loss, a dict with a
            scalar for each name in `reported`, and any tensors that
            `after_step` needs (for example the keys to be queued).
        """
        raise NotImplementedError(
            f"{type(self).__name__} must define `objective`."
        )

    def before_step(self) -> None:
        """Changes state before the loss; does nothing by default."""

    def after_step(self, carried) -> None:
        """Changes state after the gradient step; does nothing by default.

        Args:
            carried: What `objective` handed over. Where several devices share
                a batch, each has its own share: `gather` joins them.
        """

    def mean_over_devices(self, value):
        """The mean of a scalar of each device that shares the batch."""
        return ops.mean(self.gather(ops.reshape(value, (1,))))

    @property
    def metrics(self):
        return list(self._means.values())

    def fit(self, *args, **kwargs) -> keras.callbacks.History:
        if getattr(self, "loss", None) is not None:
            raise ValueError(
                f"{type(self).__name__} has an objective of its own and takes "
                f"no loss. Received loss={self.loss!r}: leave it out of "
                "`compile`."
            )
        bound = _FIT.bind(self, *args, **kwargs)
        given.look_at_fit(self, bound.arguments)
        given.call_back(bound.arguments, _EpochCounter())
        return super().fit(*bound.args[1:], **bound.kwargs)

    def evaluate(self, x=None, y=None, *args, **kwargs):
        """Measures the loss, see `keras.Model.evaluate`."""
        # What `fit` validates with was looked at before it began.
        if not kwargs.get("_use_cached_eval_dataset"):
            x = self.look_at(x, y)
        return super().evaluate(x, y, *args, **kwargs)

    def train_on_batch(self, x, y=None, *args, **kwargs):
        """Trains on one batch, see `keras.Model.train_on_batch`."""
        return super().train_on_batch(self.look_at(x, y), y, *args, **kwargs)

    def look_at(self, x, y=None):
        """The data of `fit` or `evaluate`, if something can be learned."""
        return given.looked_at(
            self, x, y, check=self.check_data, labels=self.takes_labels
        )

    def check_data(self, x, y) -> None:
        """Raises a `ValueError` for data that nothing can be learned from."""
        targets.check_finite(x)

    def unpack(self, data):
        """Inputs, labels and sample weights of a batch, or `None` for each."""
        x, y, weight = keras.utils.unpack_x_y_sample_weight(data)
        if weight is not None and not self.takes_sample_weight:
            raise ValueError(
                f"{type(self).__name__} takes no sample weights, but the data "
                "yield some. Leave them out."
            )
        return x, y, weight

    def _total_objective(self, data, training):
        """As `objective`, with the losses of the layers; also the inputs."""
        x, y, weight = self.unpack(data)
        weighted = (weight,) if self.takes_sample_weight else ()
        with one_call(self):
            loss, report, carried = self.objective(x, y, training, *weighted)
            for own in self.losses:
                loss = loss + ops.sum(ops.cast(own, loss.dtype))
        return loss, report, carried

    def _finish_step(self, data, carried):
        """What follows the gradient step."""
        self.after_step(carried)
        self.seen.assign(self.seen + self._replicas() * _batch_size(data))

    def _record(self, loss, report, data):
        """Adds one batch to the running means and returns the logs."""
        if set(report) != set(self.reported):
            raise ValueError(
                f"`objective` of {type(self).__name__} reported "
                f"{sorted(report)}, but `reported` names "
                f"{sorted(self.reported)}."
            )
        size = _batch_size(data)
        for name, value in {"loss": loss, **report}.items():
            self._means[name].update_state(value, sample_weight=size)
        return {name: mean.result() for name, mean in self._means.items()}


class _EpochCounter(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        self.model.epoch.assign(epoch)


def _batch_size(data):
    x = keras.utils.unpack_x_y_sample_weight(data)[0]
    return ops.shape(keras.tree.flatten(x)[0])[0]


class PretextModel(StepModel):
    """A model that trains an encoder without labels.

    Labels in the data are left aside: `objective` gets `None` for them.

    Attributes:
        encoder: The encoder that is trained.
    """

    def unpack(self, data):
        x, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        return x, None, None


class SupervisedModel(StepModel):
    """A classifier in training whose loss has a memory.

    It exists for losses that hold prototypes, counts or queues; where the
    loss is stateless, `compile(loss=...)` on the classifier itself is all
    that is needed. Calling the model calls the classifier, so `predict` gives
    its scores.

    Args:
        model: The plain classifier, which stays one: save and use it by
            itself after training.
        **kwargs: Arguments of `keras.Model`.

    Attributes:
        model: The plain classifier.
        network: The class of the classifier that is built of further
            arguments, or `None`.
    """

    takes_sample_weight = True
    takes_labels = True
    network = None

    def __init__(self, model, **kwargs):
        super().__init__(**kwargs)
        self.model = model
        self.built = True

    def call(self, inputs, training=None):
        return self.model(inputs, training=training)

    def fit(self, x=None, *args, **kwargs) -> keras.callbacks.History:
        """Trains the model, see `keras.Model.fit`.

        The classifier then knows the names of its classes, as far as the data
        do.
        """
        classes = self.model.output_shape[-1]
        self.model.class_names = targets.class_names(x, classes)
        return super().fit(x, *args, **kwargs)

    def check_data(self, x, y) -> None:
        super().check_data(x, y)
        targets.check_classes(x, y, self.model.output_shape[-1])

    def unpack(self, data):
        x, y, weight = super().unpack(data)
        if y is None:
            raise ValueError(
                f"{type(self).__name__} trains with labels, but the data "
                "yield none. Pass batches of (clips, labels)."
            )
        return x, y, weight
