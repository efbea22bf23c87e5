"""Models with fixed weights, compiled for single clips."""

import warnings

import keras
import numpy as np
from keras import ops

from keras_skeleton._backends import of_backend


class FrozenModel:
    """A function with the weights that a model has at this moment.

    For a live source, or wherever clips come one by one. What depends on
    weights alone, such as normalizations that become part of kernels, is
    computed once; `predict` does it in every call, which takes much of the
    time with single clips. TensorFlow and JAX compile the whole with XLA,
    PyTorch keeps the list of its operations. Many clips at a time are the
    business of `predict`.

    The weights are copied: training or loading others changes the model, not
    this. Random operations give the same values in every call.

    Args:
        model: A built Keras model with one input, whose shape is known but
            for the number of clips; with any outputs.
        batch_size: Clips in each call.

    Call arguments:
        clips: Array of the shape `input_shape`.

    Returns:
        NumPy arrays in the structure of the model's outputs, as they are
        outside training.

    Raises:
        ValueError: If the model's input or the shape of `clips` does not fit.

    Example:

    >>> model = keras_skeleton.applications.CTRGCN(
    ...     input_shape=(1, 52, 20, 3), skeleton="nw_ucla", classes=10
    ... )
    >>> classify = FrozenModel(model)
    >>> classify(np.zeros((1, 1, 52, 20, 3))).shape
    (1, 10)
    """

    def __init__(self, model, batch_size=1):
        compiler = of_backend(
            "A frozen model",
            tensorflow=_compile_tensorflow,
            torch=_compile_torch,
            jax=_compile_jax,
        )
        if batch_size < 1:
            raise ValueError(
                "`batch_size` must be at least 1. Received "
                f"batch_size={batch_size}."
            )
        self.input_shape = (batch_size, *_shape_of_clips(model))
        self._dtype = model.inputs[0].dtype
        kinds = (model.trainable_variables, model.non_trainable_variables)
        weights = [[_Constant(variable) for variable in kind] for kind in kinds]

        def function(clips):
            tensors = [[each.tensor() for each in kind] for kind in weights]
            return model.stateless_call(*tensors, clips, training=False)[0]

        zeros = np.zeros(self.input_shape, self._dtype)
        self._function = compiler(function, zeros)
        # Compiles it, and shows at once whether it runs.
        self(zeros)

    def __call__(self, clips):
        clips = np.asarray(clips, self._dtype)
        if clips.shape != self.input_shape:
            raise ValueError(
                f"The model was frozen for clips {self.input_shape}. Received "
                f"shape {clips.shape}. Another number of clips is the "
                "`batch_size` of `FrozenModel`."
            )
        return keras.tree.map_structure(
            ops.convert_to_numpy, self._function(clips)
        )


class _Constant:
    """The value that a variable has at this moment."""

    def __init__(self, variable):
        self.array = np.array(ops.convert_to_numpy(variable.value))
        self.dtype = variable.dtype

    def tensor(self):
        return ops.convert_to_tensor(self.array, self.dtype)


def _shape_of_clips(model):
    """Shape of a sample of the model's only input."""
    inputs = getattr(model, "inputs", None) or []
    if len(inputs) != 1 or None in inputs[0].shape[1:]:
        found = [tuple(tensor.shape) for tensor in inputs]
        raise ValueError(
            "A model to freeze must be a built Keras model with one input of "
            "known shape. Received a model with inputs of the shapes "
            f"{found or 'unknown'}."
        )
    return tuple(inputs[0].shape[1:])


def _compile_tensorflow(function, zeros):
    import tensorflow as tf

    return tf.function(function, autograph=False, jit_compile=True)


def _compile_jax(function, zeros):
    import jax

    return jax.jit(function)


def _compile_torch(function, zeros):
    import torch
    from torch.fx.experimental.const_fold import split_const_subgraphs
    from torch.fx.experimental.proxy_tensor import make_fx

    with torch.no_grad(), warnings.catch_warnings():
        # Of attributes that are there under another name.
        warnings.filterwarnings("ignore", message=".*insert a get_attr Node")
        graph = make_fx(function)(ops.convert_to_tensor(zeros))
        graph = split_const_subgraphs(graph)
        graph.run_folding()

    def run(clips):
        with torch.inference_mode():
            return graph(ops.convert_to_tensor(clips))

    return run
