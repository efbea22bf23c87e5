"""What goes into the models of all systems, and what comes out."""

import numpy as np

from keras_skeleton.datasets import formats
from keras_skeleton.layers import augmentation


def preprocess_input(system, clips, weights=None, num_frames=64):
    """Brings clips of any length to the form that a model takes.

    Args:
        system: Name of the system.
        clips: Array `(N, M, T, V, C)`, zero-padded at the end, in metres.
        weights: Name of registered weights of the system: what their card
            names is done, without chance. By default, the published
            evaluation on NTU RGB+D is: the middle 95 % of the valid frames,
            resized in time by linear interpolation.
        num_frames: Frames of the result, without `weights`.

    Returns:
        Tensor `(N, M, T', V', C')`.

    Raises:
        ValueError: If there are no such weights, or the clips have other
            joints or coordinates than these were trained on.
    """
    if weights is None:
        transforms = [augmentation.CropResize(num_frames, interval=(0.95,))]
    else:
        from keras_skeleton.weights import registry

        recipe = registry.get(system, weights).recipe
        if not recipe:
            raise ValueError(
                f"The card of the weights {weights!r} of {system} does not "
                "say what to do with clips."
            )
        transforms = augmentation.deserialize_transforms(recipe["transforms"])
    for transform in transforms:
        clips = transform(clips, training=False)
    return clips


def decode_predictions(system, predictions, class_names, top=5):
    """Turns rows of class scores into named classes.

    Args:
        system: Name of the system.
        predictions: Array `(N, classes)` of logits or probabilities.
        class_names: Names of the classes, in label order; or the name of
            registered weights of the system, or of a data set (a key of
            `datasets.formats.FORMATS`).
        top: How many classes to return for each row.

    Returns:
        For each row a list of `(class name, score)`, best first.

    Example:

    >>> names = ["sit down", "stand up"]
    >>> decode_predictions("mamp", [[0.1, 2.0]], names, top=1)
    [[('stand up', 2.0)]]
    """
    if isinstance(class_names, str):
        class_names = _names_of(system, class_names)
    scores = np.asarray(predictions, dtype="float32")
    if scores.ndim != 2 or scores.shape[1] != len(class_names):
        raise ValueError(
            "`predictions` must have one row per clip and one column per "
            f"class name. Received predictions of shape {scores.shape} and "
            f"{len(class_names)} class names: pass the names of the data set "
            "that the model was trained on."
        )
    best = np.argsort(-scores, axis=1, kind="stable")[:, :top]
    return [
        [(class_names[i], float(row[i])) for i in order]
        for row, order in zip(scores, best, strict=True)
    ]


def _names_of(system, name):
    from keras_skeleton.weights import registry

    known = registry.names(system=system)
    if name in known:
        return registry.get(system, name).class_names
    if name in formats.FORMATS:
        return formats.class_names(name)
    raise ValueError(
        f"{name!r} names neither weights of {system} ({', '.join(known)}) nor "
        f"a data set ({', '.join(formats.FORMATS)})."
    )
