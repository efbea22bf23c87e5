"""Inputs of models: one array, or a dict of several by name."""

import keras

from keras_skeleton import _graph

#: The name of clips (N, M, T, V, C) among several inputs.
SKELETONS = "skeletons"


def form_of(model):
    """What a model takes: a symbolic tensor, or a dict of them by name.

    Raises:
        ValueError: If it has several inputs without names, or none.
    """
    tensors = getattr(model, "inputs", None) or []
    if len(tensors) == 1 and not isinstance(
        getattr(model, "input", None), dict
    ):
        return tensors[0]
    form = model.input if tensors else None
    if not isinstance(form, dict):
        raise ValueError(
            "The model must be a Functional model with one input, or with a "
            "dictionary of inputs by name: keras.Model({'skeletons': ..., "
            f"'video': ...}}, outputs). Received {model.__class__.__name__} "
            f"{getattr(model, 'name', '')!r}.{_graph.network_inside(model)}"
        )
    return form


def skeletons_of(inputs):
    """The clips among arrays or symbolic tensors; `None` without any."""
    return inputs.get(SKELETONS) if isinstance(inputs, dict) else inputs


def count(inputs):
    """The number of samples."""
    return len(keras.tree.flatten(inputs)[0])


def rows_of(inputs, rows):
    """Some of the samples: those of a slice or of an array of numbers."""
    return keras.tree.map_structure(lambda array: array[rows], inputs)
