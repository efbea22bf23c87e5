"""The gradient of a class score, one small function per backend."""

import contextlib

import keras
import numpy as np
from keras import ops

from keras_skeleton._backends import of_backend


def gradient(model, weights, values, *others):
    """The gradient of `sum(weights * model(values))` at the input.

    Args:
        model: Functional model with one output.
        weights: Array of the shape of the output.
        values: The first input, an array.
        *others: Further inputs of the model, which are held fixed.

    Returns:
        NumPy array of the shape of `values`.
    """
    function = of_backend(
        "A gradient",
        tensorflow=_gradient_tensorflow,
        torch=_gradient_torch,
        jax=_gradient_jax,
    )
    weights, values, *others = (
        ops.convert_to_tensor(array, dtype="float32")
        for array in (weights, values, *others)
    )
    result = function(model, weights, values, others)
    return np.array(ops.convert_to_numpy(result), dtype="float32")


def without_gradient():
    """A context in which torch keeps no graph; nothing on other backends."""
    if keras.backend.backend() != "torch":
        return contextlib.nullcontext()
    import torch

    return torch.no_grad()


def _inputs(values, others):
    return [values, *others] if others else values


def _score(outputs, weights):
    return ops.sum(ops.cast(outputs, "float32") * weights)


def _gradient_tensorflow(model, weights, values, others):
    import tensorflow as tf

    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(values)
        total = _score(model(_inputs(values, others), training=False), weights)
    return tape.gradient(
        total, values, unconnected_gradients=tf.UnconnectedGradients.ZERO
    )


def _gradient_torch(model, weights, values, others):
    import torch

    with torch.enable_grad():
        values = values.detach().clone().requires_grad_(True)
        total = _score(model(_inputs(values, others), training=False), weights)
        return torch.autograd.grad(total, values)[0]


def _gradient_jax(model, weights, values, others):
    import jax

    # Compiled once per model: single operations are compiled one by one.
    # Weights are arguments, so that later changes of them are seen.
    function = getattr(model, "_explain_gradient", None)
    if function is None:

        def score(values, weights, others, trainable, fixed):
            outputs, _ = model.stateless_call(
                trainable, fixed, _inputs(values, others), training=False
            )
            return _score(outputs, weights)

        function = model._explain_gradient = jax.jit(jax.grad(score))
    trainable = [variable.value for variable in model.trainable_variables]
    fixed = [variable.value for variable in model.non_trainable_variables]
    return function(values, weights, others, trainable, fixed)
