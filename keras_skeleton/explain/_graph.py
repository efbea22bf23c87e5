"""Finding layers and cutting sub-models inside a Functional model."""

import weakref

import keras
import numpy as np
from keras import ops

_cache = weakref.WeakKeyDictionary()


def cached(model, key, build):
    """`build()`, once per model: a cut leaves nodes behind in its layers."""
    parts = _cache.setdefault(model, {})
    if key not in parts:
        parts[key] = build()
    return parts[key]


def layer_nodes(model):
    """The nodes of a Functional model's own graph, inputs first.

    A layer that several models share has a node in each of them, so its
    `layer.output` may belong to another model.
    """
    outputs = getattr(model, "outputs", None)
    if not outputs:
        raise ValueError(
            "The model must be a Functional model (or a subclass with a "
            f"graph inside). Received {model.__class__.__name__} "
            f"{model.name!r} without a graph."
        )
    ordered, seen = [], set()
    waiting = [_node(tensor) for tensor in outputs]
    while waiting:
        node = waiting[-1]
        before = [_node(tensor) for tensor in node.input_tensors]
        before = [other for other in before if id(other) not in seen]
        if before:
            waiting.extend(reversed(before))
            continue
        waiting.pop()
        if id(node) not in seen:
            seen.add(id(node))
            ordered.append(node)
    return ordered


def layer_node(model, name):
    """The node of the layer `name` in this model's graph."""
    nodes = [n for n in layer_nodes(model) if n.operation.name == name]
    if not nodes:
        raise ValueError(
            f"The graph of the model {model.name!r} has no layer {name!r}. "
            f"Its layers: {', '.join(layer.name for layer in model.layers)}."
        )
    return nodes[-1]


def layer_output(model, name):
    """The symbolic output of the layer `name` in this model's graph."""
    return layer_node(model, name).outputs[0]


def logits(model):
    """The symbolic class scores before a final softmax, and whether there
    was one."""
    output = model.outputs[0]
    if len(model.outputs) != 1 or len(output.shape) != 2:
        raise ValueError(
            "The model must be a classifier with one output (N, classes). "
            f"Received output shapes {[t.shape for t in model.outputs]}. "
            "Build the model with `classes=`."
        )
    node = _node(output)
    layer = node.operation
    before = node.input_tensors[0] if node.input_tensors else None
    if isinstance(layer, keras.layers.Softmax):
        return before, True
    activation = getattr(layer, "activation", None)
    if activation in (None, keras.activations.linear):
        return output, False
    if activation is not keras.activations.softmax:
        return output, False
    if isinstance(layer, keras.layers.Activation):
        return before, True
    if not isinstance(layer, keras.layers.Dense):
        raise ValueError(
            "The logits cannot be taken from a final layer of the type "
            f"{layer.__class__.__name__} with softmax. Build the model with "
            "`classifier_activation=None`."
        )
    scores = ops.matmul(before, layer.kernel)
    if layer.bias is not None:
        scores = scores + layer.bias
    return scores, True


def run(model, clips, batch_size=8):
    """The outputs of a sub-model as float32 NumPy arrays, batch by batch."""
    parts = []
    for start in range(0, len(clips), batch_size):
        outputs = model.predict_on_batch(clips[start : start + batch_size])
        parts.append(outputs.astype("float32"))
    return np.concatenate(parts)


def check_clips(model, clips):
    """Returns float32 clips of the model's input shape."""
    clips = np.asarray(clips, dtype="float32")
    if len(getattr(model, "inputs", None) or []) != 1:
        raise ValueError(
            "The model must be a Functional model with one input. Received "
            f"{model.__class__.__name__} {model.name!r}."
        )
    expected = tuple(model.inputs[0].shape[1:])
    if clips.shape[1:] != expected or not len(clips):
        raise ValueError(
            "`clips` must be a batch of the model's input shape (N, "
            f"{', '.join(map(str, expected))}). Received shape "
            f"{clips.shape}."
            + (
                " Add a batch axis with `clip[None]`."
                if clips.shape == expected
                else ""
            )
        )
    if not np.isfinite(clips).all():
        raise ValueError("`clips` must be finite. Received NaN or infinity.")
    return clips


def present_persons(clips):
    """1 for persons with any coordinate other than zero, else 0: `(N, M)`."""
    return np.any(clips != 0, axis=(2, 3, 4)).astype("float32")


def _node(tensor):
    operation, index, _ = tensor._keras_history
    return operation._inbound_nodes[index]
