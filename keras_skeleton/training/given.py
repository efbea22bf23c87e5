"""Data that come to `fit`, `evaluate` or `predict`, looked at before Keras.

What no model could take would else end in an error from inside of Keras or of
a layer, or in none at all.
"""

import functools
import os
import warnings

import keras
import numpy as np

_KINDS_OF_NUMBERS = "fiub"


def look_at_fit(model, arguments):
    """Looks at the data of `fit`, for training and for validation.

    Of what cannot be looked at before, the loss tells: training stops where
    it is no number.

    Args:
        model: The model, with a method `look_at`.
        arguments: Dict of the arguments by name, which is changed: datasets
            become such that are looked at batch by batch.
    """
    arguments["x"] = model.look_at(arguments.get("x"), arguments.get("y"))
    held_out = arguments.get("validation_data")
    if isinstance(held_out, list | tuple) and held_out:
        x = model.look_at(*held_out[:2])
        arguments["validation_data"] = (x, *held_out[1:])
    elif held_out is not None:
        arguments["validation_data"] = model.look_at(held_out)
    call_back(arguments, StopAtNaN())


def call_back(arguments, callback):
    """Puts a callback before those among the arguments of `fit`."""
    callbacks = arguments.get("callbacks")
    if isinstance(callbacks, keras.callbacks.CallbackList):
        callbacks.append(callback)
    else:
        listed = keras.tree.flatten(callbacks or [])
        arguments["callbacks"] = [callback, *listed]


class StopAtNaN(keras.callbacks.Callback):
    """Stops a training after an epoch whose loss is not a number."""

    def on_epoch_end(self, epoch, logs=None):
        loss = (logs or {}).get("loss")
        if loss is None or np.isfinite(loss):
            return
        self.model.stop_training = True
        warnings.warn(
            f"Training stops: the loss of epoch {epoch + 1} is {loss}, and so "
            "may be the weights. Either clips hold NaN or infinity, or labels "
            "are none of the classes 0, 1, ... (arrays and `Sequences` that "
            "are passed to `fit` are looked at before), or the learning rate "
            "is too high.",
            stacklevel=2,
        )


def looked_at(model, x, y=None, *, form=None, check=None, labels=False):
    """Returns the inputs as they go to Keras, if a model can take them.

    What cannot be looked at without using it up, such as a generator, is
    left alone; of a `tf.data.Dataset`, its shapes and types are seen.

    Args:
        model: The model.
        x: Its inputs: arrays, a dict of them, or what yields batches.
        y: Labels, or `None`.
        form: Shape of an input without the batch, a dict of such shapes by
            name, or `None` where inputs may have other forms.
        check: Function of inputs and labels that raises an error.
        labels: Whether there have to be labels.

    Raises:
        ValueError: If the model cannot take them: what came, what was
            expected, and how to mend it.
    """
    _check_kind(model, x)
    if hasattr(x, "element_spec"):
        _check_dataset(model, x.element_spec, form, labels)
    elif isinstance(x, keras.utils.PyDataset):
        if check is not None:
            check(x, y)
        if not x.use_multiprocessing:
            look = functools.partial(
                looked_at, model, form=form, check=check, labels=labels
            )
            return _LookedAt(x, look)
    elif _is_array(x) or isinstance(x, dict | list | tuple):
        x = _arrays(model, x, form)
        _check_arrays(model, x, form)
        _check_counts(x, y)
        if check is not None:
            check(x, y)
        if labels and y is None:
            raise _no_labels(model, "fit(clips, labels)")
    return x


class _LookedAt(keras.utils.PyDataset):
    """The batches of another dataset, each looked at."""

    def __init__(self, dataset, look):
        super().__init__(
            workers=dataset.workers, max_queue_size=dataset.max_queue_size
        )
        self.dataset, self.look = dataset, look

    def __len__(self):
        return len(self.dataset)

    @property
    def num_batches(self):
        return self.dataset.num_batches

    def __getitem__(self, index):
        batch = self.dataset[index]
        x, y, _ = keras.utils.unpack_x_y_sample_weight(batch)
        self.look(x, y)
        return batch

    def on_epoch_begin(self):
        self.dataset.on_epoch_begin()

    def on_epoch_end(self):
        self.dataset.on_epoch_end()


def _is_array(value):
    return hasattr(value, "shape") and hasattr(value, "dtype")


def _check_kind(model, x):
    if x is None:
        raise ValueError(
            f"There are no inputs for the model {model.name!r}: pass an "
            "array of clips, or what yields batches of them."
        )
    if isinstance(x, str | os.PathLike):
        raise ValueError(
            f"Models take arrays or batches, no files. Received: {str(x)!r}. "
            "`keras_skeleton.datasets` reads files, and `numpy.load` those "
            "of arrays."
        )


def _arrays(model, x, form):
    """Inputs in the structure that the model takes."""
    if isinstance(x, dict):
        # An input by its name, as it comes beside others.
        names = [tensor.name for tensor in getattr(model, "inputs", None) or ()]
        if isinstance(form, tuple) and list(x) in (["skeletons"], names):
            return next(iter(x.values()))
        if isinstance(form, tuple):
            raise ValueError(
                f"The model {model.name!r} takes one array, but received a "
                f"dictionary with {', '.join(map(repr, x)) or 'nothing'}. "
                "Pass the array of clips itself."
            )
        return x
    if _is_array(x) or form is None:
        return x
    if isinstance(form, dict):
        raise ValueError(
            f"The model {model.name!r} takes a dictionary with the inputs "
            f"{', '.join(map(repr, form))}. Received a {type(x).__name__} of "
            f"{len(x)}: give each array its name."
        )
    if len(x) == 1 and _is_array(x[0]) and x[0].shape[1:] == form:
        return x[0]
    shapes = {tuple(each.shape) for each in x if _is_array(each)}
    advice = "`numpy.asarray(clips, 'float32')` makes one."
    if shapes:
        advice = "`numpy.stack(clips)` makes one of clips of the same shape."
    if len(shapes) > 1:
        advice = (
            "They have different shapes: `datasets.Sequences.from_arrays` "
            "takes them, and its `to_keras` brings them to one."
        )
    raise ValueError(
        f"The model {model.name!r} takes an array of clips, but received a "
        f"{type(x).__name__} of {len(x)}. {advice}"
    )


def _named(model, x, form):
    """Arrays by what messages call them, and the shapes they must have."""
    if isinstance(form, dict):
        model.check_names(x)
        return {repr(name): (x[name], form[name]) for name in form}
    if not isinstance(x, dict):
        x = {"": x}
    # Views may be nested deeper.
    return {
        name and repr(name): (array, form)
        for name, array in x.items()
        if _is_array(array)
    }


def _check_arrays(model, x, form):
    for name, (array, shape) in _named(model, x, form).items():
        what = name or "clips"
        if not _is_array(array):
            raise ValueError(
                f"The input {what} of the model {model.name!r} must be an "
                f"array. Received: {type(array).__name__}. "
                "`numpy.asarray(values, 'float32')` makes one of lists of "
                "numbers."
            )
        kind = getattr(array.dtype, "kind", "f")
        if isinstance(array, np.ndarray) and kind not in _KINDS_OF_NUMBERS:
            raise ValueError(
                f"The model {model.name!r} takes numbers, but {what} are an "
                f"array of the type {array.dtype}. Bring all clips to one "
                "number of frames, and missing values to zeros, and make "
                "one array: `numpy.asarray(clips, 'float32')`."
            )
        if shape is not None:
            model.check_input(what, array, shape)
        if array.shape and array.shape[0] == 0:
            raise ValueError(
                f"There is nothing to compute: {what} of shape "
                f"{tuple(array.shape)} hold no samples."
            )


def _check_counts(x, y):
    counts = {}
    for name, array in (x if isinstance(x, dict) else {"clips": x}).items():
        if _is_array(array) and array.shape:
            counts[name] = int(array.shape[0])
    if isinstance(y, list | tuple) or (_is_array(y) and len(y.shape)):
        counts["labels"] = len(y)
    if len(set(counts.values())) > 1:
        raise ValueError(
            "Inputs and labels must have the same number of samples, in the "
            "same order. Received "
            f"{', '.join(f'{count} {name}' for name, count in counts.items())}."
        )


def _check_dataset(model, spec, form, labels):
    """Shapes and types of what a `tf.data.Dataset` yields."""
    x, y = spec, None
    if isinstance(spec, tuple):
        x, y = (*spec, None)[:2]
    if isinstance(form, dict):
        model.check_names(x)
    for name, (tensor, shape) in _named(model, x, form).items():
        found = getattr(tensor.shape, "dims", tensor.shape)
        if shape is None or found is None:
            continue
        found = tuple(tensor.shape)
        if found == shape:
            raise ValueError(
                f"The dataset yields single samples of shape {found}. Make "
                "batches of them: `dataset.batch(32)`."
            )
        wanted = (found[0] if found else None, *shape)
        if len(found) != len(wanted) or any(
            size not in (None, expected)
            for size, expected in zip(found, wanted, strict=True)
        ):
            model.check_input(name or "clips", tensor, shape)
    if labels and y is None:
        raise _no_labels(model, "`tf.data.Dataset.from_tensor_slices((c, l))`")
    if labels and getattr(y, "dtype", None) == "string":
        raise ValueError(
            "The dataset yields texts as labels, but they must be whole "
            "numbers from 0. `numpy.unique(labels, return_inverse=True)` "
            "gives the names of the classes and the numbers."
        )


def _no_labels(model, example):
    return ValueError(
        f"The model {model.name!r} is trained and measured with labels, but "
        f"there are none. Pass them beside the inputs, as in {example}, or "
        "yield batches of (clips, labels)."
    )
