"""Passing data of any kind through a model, batch by batch."""

import keras
import numpy as np

from keras_skeleton import _graph
from keras_skeleton import _inputs
from keras_skeleton._arrays import to_numpy
from keras_skeleton.evaluation import progress
from keras_skeleton.evaluation.averaging import average_scores


def extract_features(
    encoder, data, pooling="published", batch_size=64, verbose=0
) -> tuple[np.ndarray, np.ndarray | None]:
    """Computes the features of clips, in inference mode.

    Args:
        encoder: A model whose layer `features` is pooled, encoder or
            classifier; or any model that ends in features `(N, D)`.
        data: Batches of clips `(N, M, T, V, C)` or of `(clips, labels)`: a
            `PyDataset` (such as of `Sequences.to_keras`), a
            `tf.data.Dataset` or another iterable of batches. Or arrays: the
            clips, or a tuple `(clips, labels)`. For a model with several
            inputs, the clips are a dict of arrays by name. Where a sample has
            several clips on an axis of their own (`SplitClips`), their
            features are averaged.
        pooling: `"avg"` or `"max"`, over persons, time and joints; or
            `"published"`, the rule of the encoder's system, which is the
            average unless the system has another one.
        batch_size: Samples per batch; for arrays only.
        verbose: 1 for a progress bar over the batches.

    Returns:
        Tuple of the float32 features `(N, D)` and the int64 labels `(N,)`,
        or `None` instead of them if `data` has no labels.

    Example:

    ```python
    batches = train.to_keras([CropResize(120, interval=(0.95,))])
    features, labels = extract_features(encoder, batches)
    ```
    """
    model = feature_model(encoder, pooling)
    return predict(model, data, batch_size, verbose=verbose)


def feature_model(encoder, pooling="published"):
    """The model from clips to pooled features `(N, D)`.

    Args:
        encoder: See `extract_features`.
        pooling: See `extract_features`. A model may have a rule of its own, a
            method `pooled(features, kind)` from a symbolic feature map to
            symbolic features, such as those of `keras_skeleton.applications`.

    Returns:
        A model that shares the layers of the encoder.
    """
    if pooling not in ("avg", "max", "published"):
        raise ValueError(
            "`pooling` must be 'avg', 'max' or 'published'. Received "
            f"{pooling!r}."
        )
    nodes = _graph.layer_nodes(encoder)
    if any(node.operation.name == "features" for node in nodes):
        features = _graph.layer_output(encoder, "features")
        pool = getattr(encoder, "pooled", _pooled)
        return _graph.cached(
            encoder,
            ("pooled", pooling),
            lambda: keras.Model(
                _inputs.form_of(encoder), pool(features, pooling)
            ),
        )
    if len(encoder.output_shape) == 2:
        return encoder
    raise ValueError(
        f"The model {encoder.name!r} has no layer named 'features' and gives "
        f"outputs of shape {encoder.output_shape}. Pass an encoder of "
        "`keras_skeleton.applications`, or a model that ends in features of "
        "shape (samples, features)."
    )


def _pooled(features, kind):
    """Average or maximum over all axes between samples and channels."""
    reduce = keras.ops.max if kind == "max" else keras.ops.mean
    axes = tuple(range(1, len(features.shape) - 1))
    return reduce(features, axis=axes) if axes else features


def predict(
    model, data, batch_size=64, probabilities=False, verbose=0
) -> tuple[np.ndarray, np.ndarray | None]:
    """Computes the outputs for all samples, in inference mode.

    Several clips of a sample lie on an axis of their own, the second, as
    `SplitClips` makes it: `(N, K, M, T, V, C)` for a model of `(N, M, T, V,
    C)`. The outputs of a sample's clips are averaged (`average_scores`).

    Args:
        model: A model with one output `(N, ...)`.
        data: See `extract_features`.
        batch_size: Samples per batch; for arrays only.
        probabilities: Of several clips of a sample, whether the softmax of
            the outputs is averaged, in place of the outputs themselves.
        verbose: 1 for a progress bar over the batches.

    Returns:
        Tuple of the float32 outputs and the int64 labels, or `None`.

    Raises:
        ValueError: If there are no clips, or an output is not finite.
    """
    outputs, labels = [], []
    full = 0
    bar = progress.bar(_num_batches(data, batch_size), "batch", verbose)
    for inputs, own_labels in batches_of(data, batch_size):
        bar.add(1)
        inputs, clips = _fold_clips(model, inputs)
        # One shape for all batches: backends compile once for each.
        number = _inputs.count(inputs)
        full = max(full, number)
        rows = np.minimum(np.arange(full), number - 1)
        batch = inputs if number == full else _inputs.rows_of(inputs, rows)
        output = keras.ops.convert_to_numpy(model.predict_on_batch(batch))
        output = output[:number].astype("float32")
        if clips is not None:
            output = output.reshape(-1, clips, *output.shape[1:])
            output = average_scores(output, probabilities=probabilities)
        outputs.append(output)
        labels.append(own_labels)
    if not outputs:
        raise ValueError("There are no clips: `data` has no batches.")
    outputs = np.concatenate(outputs)
    _check_finite(model, outputs)
    if any(each is None for each in labels):
        return outputs, None
    return outputs, _whole_numbers(np.concatenate(labels))


def _whole_numbers(labels):
    is_whole = labels.dtype.kind in "iub" or (
        labels.dtype.kind == "f" and (np.floor(labels) == labels).all()
    )
    if not is_whole:
        raise ValueError(
            "Labels must be whole numbers, counted from 0. Received the type "
            f"{labels.dtype} with values such as {labels.ravel()[0]!s}."
        )
    return labels.astype("int64")


def _check_finite(model, outputs):
    broken = ~np.isfinite(outputs).all(axis=tuple(range(1, outputs.ndim)))
    if broken.any():
        raise ValueError(
            f"{model.name!r} gives NaN or infinite values for "
            f"{broken.sum()} of {len(outputs)} clips, the first being clip "
            f"{int(np.argmax(broken))}. Check its weights and the clips."
        )


def _fold_clips(model, inputs):
    """Moves several clips of each sample into the batch.

    Returns:
        Tuple of the inputs and the number of clips of each sample, `None`
        where clips have no axis of their own.
    """
    arrays = keras.tree.flatten(inputs)
    tensors = getattr(model, "inputs", None) or []
    if len(arrays) != len(tensors) or not all(
        array.ndim == len(tensor.shape) + 1
        for array, tensor in zip(arrays, tensors, strict=True)
    ):
        return inputs, None
    clips = {array.shape[1] for array in arrays}
    if len(clips) > 1:
        raise ValueError(
            "All inputs must have the same number of clips for each sample, "
            f"their second axis. Received {sorted(clips)}."
        )
    inputs = keras.tree.map_structure(
        lambda array: array.reshape(-1, *array.shape[2:]), inputs
    )
    return inputs, clips.pop()


def batches_of(data, batch_size):
    """Yields `(inputs, labels)`; labels may be `None`."""
    if is_sequences(data):
        raise ValueError(
            "Received a `Sequences`, whose clips have different lengths. "
            "Pass batches of it: data.to_keras(transforms, batch_size)."
        )
    if isinstance(data, str) or not (
        is_array(data) or hasattr(data, "__iter__")
    ):
        raise ValueError(
            "Pass `Sequences`, batches of clips, or arrays of them. Received: "
            f"{data!r}"
        )
    if is_array(data) or isinstance(data, tuple | dict):
        yield from _slices(data, batch_size)
        return
    if isinstance(data, keras.utils.PyDataset):
        for index in range(len(data)):
            yield unpack(data[index])
        return
    for batch in data:
        yield unpack(batch)


def _num_batches(data, batch_size):
    """The number of batches, `None` where it is not known."""
    if is_array(data) or isinstance(data, tuple | dict):
        number = _inputs.count(unpack(data)[0])
        return -(-number // batch_size)
    return len(data) if hasattr(data, "__len__") else None


def is_sequences(data):
    """Whether data are a `Sequences`, clips of different lengths."""
    return hasattr(data, "select") and hasattr(data, "to_keras")


def is_array(value):
    """Whether data are clips alone, in one array."""
    return hasattr(value, "shape") and hasattr(value, "dtype")


def _slices(data, batch_size):
    inputs, labels = unpack(data)
    number = _inputs.count(inputs)
    if labels is not None and len(labels) != number:
        raise ValueError(f"There are {number} clips, but {len(labels)} labels.")
    for start in range(0, number, batch_size):
        rows = slice(start, start + batch_size)
        yield (
            _inputs.rows_of(inputs, rows),
            None if labels is None else labels[rows],
        )


def unpack(batch):
    """Arrays of the inputs, and of the labels or `None`."""
    inputs, labels, _ = keras.utils.unpack_x_y_sample_weight(batch)
    inputs = keras.tree.map_structure(to_numpy, inputs)
    return inputs, None if labels is None else to_numpy(labels)
