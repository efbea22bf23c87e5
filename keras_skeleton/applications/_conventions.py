"""Functions that every module of a system offers, written once."""

import numpy as np


def decode_predictions(system, predictions, class_names, top=5):
    """Turns rows of class scores into named classes.

    Args:
        system: Name of the system in the registry of weights.
        predictions: Array `(N, classes)` of logits or probabilities.
        class_names: Names of the classes, in label order, or the name of
            registered weights of the system.
        top: How many classes to return for each row.

    Returns:
        For each row a list of `(class name, score)`, best first.

    Example:

    >>> names = ["sit down", "stand up"]
    >>> decode_predictions("mamp", [[0.1, 2.0]], names, top=1)
    [[('stand up', 2.0)]]
    """
    if isinstance(class_names, str):
        from keras_skeleton.weights import registry

        class_names = registry.get(system, class_names).class_names
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
