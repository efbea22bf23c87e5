"""What explanations ask of a model: its scores, and inputs that fit it."""

import keras
import numpy as np
from keras import ops

from keras_skeleton import _graph
from keras_skeleton import _inputs


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
    node = _graph.node_of(output)
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


def part(model, key, outputs):
    """The model up to some tensors of its graph.

    Args:
        model: The model.
        key: Under which the part is kept.
        outputs: Function that returns the tensors.
    """
    return _graph.cached(
        model, key, lambda: keras.Model(_inputs.form_of(model), outputs())
    )


def batches(inputs, batch_size):
    """The inputs in batches of so many samples."""
    for start in range(0, _inputs.count(inputs), batch_size):
        yield _inputs.rows_of(inputs, slice(start, start + batch_size))


def run(model, inputs, batch_size=8):
    """The outputs of a sub-model as float32 NumPy arrays, batch by batch."""
    parts = [
        model.predict_on_batch(batch).astype("float32")
        for batch in batches(inputs, batch_size)
    ]
    return np.concatenate(parts)


def given_arrays(model, inputs):
    """The arrays of inputs by the `id` of the model's symbolic input."""
    arrays = keras.tree.flatten(inputs)
    return dict(zip(map(id, model.inputs), arrays, strict=True))


def able_nodes(model, ability):
    """The nodes of layers with a method of this name, first to last.

    Args:
        model: The model.
        ability: One of those that `keras_skeleton.layers` describes.
    """
    return [
        node
        for node in _graph.layer_nodes(model)
        if callable(getattr(node.operation, ability, None))
    ]


def inputs_of_nodes(model, nodes, clips, batch_size):
    """Yields, batch by batch, what the layers of some nodes take.

    Args:
        model: The model.
        nodes: Nodes of its graph.
        clips: Checked inputs of the model.
        batch_size: Samples in a batch.

    Yields:
        Tuple of the number of samples and, for each node, the list of the
        tensors that its layer takes.
    """
    tensors = {
        id(tensor): tensor for node in nodes for tensor in node.input_tensors
    }
    # The input of a first layer may be that of the model.
    for tensor in model.inputs:
        tensors.pop(id(tensor), None)
    for batch in batches(clips, batch_size):
        arrays = given_arrays(model, batch)
        if tensors:
            key = ("inputs", *tensors)
            front = part(model, key, lambda: list(tensors.values()))
            outputs = keras.tree.flatten(front.predict_on_batch(batch))
            arrays.update(zip(tensors, outputs, strict=True))
        yield (
            _inputs.count(batch),
            [
                [
                    ops.cast(arrays[id(each)], node.operation.variable_dtype)
                    for each in node.input_tensors
                ]
                for node in nodes
            ],
        )


def to_array(tensor):
    """A float32 copy: some arrays share their memory with the variable."""
    return np.array(ops.convert_to_numpy(tensor), dtype="float32")


def by_sample(tensor, samples):
    """A tensor whose rows are samples and persons as an array `(N, M, ...)`."""
    array = to_array(tensor)
    return array.reshape(samples, -1, *array.shape[1:])


def check_inputs(model, clips):
    """Returns float32 arrays of the model's input shapes.

    Args:
        model: A model with one input, or with a dict of inputs.
        clips: An array, or a dict of arrays by name.
    """
    form = _inputs.form_of(model)
    if not isinstance(form, dict):
        return _check_array(clips, form, "clips")
    if not isinstance(clips, dict) or set(clips) != set(form):
        found = type(clips).__name__
        if isinstance(clips, dict):
            found = f"a dictionary with {', '.join(map(repr, clips))}"
        raise ValueError(
            f"The model {model.name!r} takes a dictionary of arrays "
            f"{', '.join(map(repr, form))}. Received {found}."
        )
    arrays = {
        name: _check_array(clips[name], form[name], f"clips[{name!r}]")
        for name in form
    }
    if len({len(array) for array in arrays.values()}) > 1:
        raise ValueError(
            "All inputs must have the same number of samples. Received "
            f"{ {name: len(array) for name, array in arrays.items()} }."
        )
    return arrays


def _check_array(array, tensor, name):
    array = np.asarray(array, dtype="float32")
    expected = tuple(tensor.shape[1:])
    if array.shape[1:] != expected or not len(array):
        raise ValueError(
            f"`{name}` must be a batch of the model's input shape (N, "
            f"{', '.join(map(str, expected))}). Received shape "
            f"{array.shape}."
            + (
                " Add a batch axis with `clip[None]`."
                if array.shape == expected
                else ""
            )
        )
    if not np.isfinite(array).all():
        raise ValueError(f"`{name}` must be finite. Received NaN or infinity.")
    return array


def present_persons(clips):
    """1 for persons with any coordinate other than zero, else 0: `(N, M)`."""
    return np.any(clips != 0, axis=(2, 3, 4)).astype("float32")
