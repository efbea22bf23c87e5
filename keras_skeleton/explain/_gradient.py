"""The gradient of a class score, one small function per backend."""

import contextlib

import keras
import numpy as np
from keras import ops

from keras_skeleton._backends import of_backend


def gradient(model, weights, values, fixed=()):
    """The gradient of `sum(weights * model(values))` at the inputs.

    Args:
        model: Functional model with one output.
        weights: Array of the shape of the output.
        values: What the model takes: an array, or a dict of arrays.
        fixed: Arrays of further inputs, which are held fixed; the model then
            takes a list of `values` and these.

    Returns:
        float32 NumPy arrays in the structure of `values`.
    """
    function = of_backend(
        "A gradient",
        tensorflow=_gradient_tensorflow,
        torch=_gradient_torch,
        jax=_gradient_jax,
    )
    weights, values, fixed = keras.tree.map_structure(
        lambda array: ops.convert_to_tensor(array, dtype="float32"),
        (weights, values, list(fixed)),
    )
    result = function(model, weights, values, fixed)
    return keras.tree.map_structure(
        lambda x: np.array(ops.convert_to_numpy(x), dtype="float32"), result
    )


def without_gradient():
    """A context in which torch keeps no graph; nothing on other backends."""
    if keras.backend.backend() != "torch":
        return contextlib.nullcontext()
    import torch

    return torch.no_grad()


def _inputs(values, fixed):
    return [values, *fixed] if fixed else values


def _score(outputs, weights):
    return ops.sum(ops.cast(outputs, "float32") * weights)


def _gradient_tensorflow(model, weights, values, fixed):
    import tensorflow as tf

    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(values)
        total = _score(model(_inputs(values, fixed), training=False), weights)
    return tape.gradient(
        total, values, unconnected_gradients=tf.UnconnectedGradients.ZERO
    )


def _gradient_torch(model, weights, values, fixed):
    import torch

    with torch.enable_grad():
        values = keras.tree.map_structure(
            lambda x: x.detach().clone().requires_grad_(True), values
        )
        total = _score(model(_inputs(values, fixed), training=False), weights)
        found = torch.autograd.grad(
            total, keras.tree.flatten(values), materialize_grads=True
        )
    return keras.tree.pack_sequence_as(values, found)


def _gradient_jax(model, weights, values, fixed):
    import jax

    # Compiled once per model: single operations are compiled one by one.
    # Weights are arguments, so that later changes of them are seen.
    function = getattr(model, "_explain_gradient", None)
    if function is None:

        def score(values, weights, fixed, trainable, untrained):
            outputs, _ = model.stateless_call(
                trainable, untrained, _inputs(values, fixed), training=False
            )
            return _score(outputs, weights)

        function = model._explain_gradient = jax.jit(jax.grad(score))
    trainable = [variable.value for variable in model.trainable_variables]
    untrained = [variable.value for variable in model.non_trainable_variables]
    return function(values, weights, fixed, trainable, untrained)
