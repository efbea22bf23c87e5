"""Passing data of any kind through a model, batch by batch."""

import keras
import numpy as np

from keras_skeleton.applications._application import Application


def extract_features(encoder, data, pooling="avg", batch_size=64):
    """Computes the features of clips, in inference mode.

    Args:
        encoder: A model of `keras_skeleton.applications`, encoder or
            classifier, whose layer `features` is pooled; or any model that
            ends in features `(N, D)`.
        data: Batches of clips `(N, M, T, V, C)` or of `(clips, labels)`: a
            `PyDataset` (such as of `Sequences.to_keras`), a
            `tf.data.Dataset` or another iterable of batches. Or arrays: the
            clips, or a tuple `(clips, labels)`.
        pooling: `"avg"` or `"max"`, over persons, time and joints.
        batch_size: Clips per batch; for arrays only.

    Returns:
        Tuple of the float32 features `(N, D)` and the int64 labels `(N,)`,
        or `None` instead of them if `data` has no labels.

    Example:

    ```python
    batches = train.to_keras([CropResize(120, interval=(0.95,))])
    features, labels = extract_features(encoder, batches)
    ```
    """
    return predict(feature_model(encoder, pooling), data, batch_size)


def feature_model(encoder, pooling="avg"):
    """The model from clips to pooled features `(N, D)`."""
    if pooling not in ("avg", "max"):
        raise ValueError(
            f"`pooling` must be 'avg' or 'max'. Received {pooling!r}."
        )
    for layer in encoder.layers:
        if layer.name == "features":
            pooled = Application.pooled(layer.output, pooling, dtype="float32")
            return keras.Model(encoder.input, pooled)
    if len(encoder.output_shape) == 2:
        return encoder
    raise ValueError(
        f"The model {encoder.name!r} has no layer named 'features' and gives "
        f"outputs of shape {encoder.output_shape}. Pass an encoder of "
        "`keras_skeleton.applications`, or a model that ends in features of "
        "shape (samples, features)."
    )


def predict(model, data, batch_size=64):
    """Computes the outputs for all clips, in inference mode.

    Args:
        model: A model with one output `(N, ...)`.
        data: See `extract_features`.
        batch_size: Clips per batch; for arrays only.

    Returns:
        Tuple of the float32 outputs and the int64 labels, or `None`.

    Raises:
        ValueError: If there are no clips, or an output is not finite.
    """
    outputs, labels = [], []
    full = 0
    for clips, own_labels in _batches(data, batch_size):
        # One shape for all batches: backends compile once for each.
        full = max(full, len(clips))
        rows = np.minimum(np.arange(full), len(clips) - 1)
        batch = clips if len(clips) == full else clips[rows]
        output = keras.ops.convert_to_numpy(model.predict_on_batch(batch))
        outputs.append(output[: len(clips)].astype("float32"))
        labels.append(own_labels)
    if not outputs:
        raise ValueError("There are no clips: `data` has no batches.")
    outputs = np.concatenate(outputs)
    broken = ~np.isfinite(outputs).all(axis=tuple(range(1, outputs.ndim)))
    if broken.any():
        raise ValueError(
            f"{model.name!r} gives NaN or infinite values for "
            f"{broken.sum()} of {len(outputs)} clips, the first being clip "
            f"{int(np.argmax(broken))}. Check its weights and the clips."
        )
    if any(each is None for each in labels):
        return outputs, None
    return outputs, np.concatenate(labels).astype("int64")


def _batches(data, batch_size):
    """Yields `(clips, labels)`; labels may be `None`."""
    if hasattr(data, "select") and hasattr(data, "to_keras"):
        raise ValueError(
            "Received a `Sequences`, whose clips have different lengths. "
            "Pass batches of it: data.to_keras(transforms, batch_size)."
        )
    if _is_array(data) or isinstance(data, tuple):
        yield from _slices(data, batch_size)
        return
    if isinstance(data, keras.utils.PyDataset):
        for index in range(len(data)):
            yield _unpack(data[index])
        return
    for batch in data:
        yield _unpack(batch)


def _is_array(value):
    return hasattr(value, "shape") and hasattr(value, "dtype")


def _slices(data, batch_size):
    clips, labels = _unpack(data)
    if labels is not None and len(labels) != len(clips):
        raise ValueError(
            f"There are {len(clips)} clips, but {len(labels)} labels."
        )
    for start in range(0, len(clips), batch_size):
        rows = slice(start, start + batch_size)
        yield clips[rows], None if labels is None else labels[rows]


def _unpack(batch):
    clips, labels, _ = keras.utils.unpack_x_y_sample_weight(batch)
    return _to_numpy(clips), None if labels is None else _to_numpy(labels)


def _to_numpy(value):
    # Batches may come from another framework than the backend's.
    return value.numpy() if hasattr(value, "numpy") else np.asarray(value)
