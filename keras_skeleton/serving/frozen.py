"""Models with fixed weights, compiled for single clips."""

import warnings

import keras
import numpy as np
from keras import ops
from numpy.typing import ArrayLike

from keras_skeleton import _inputs
from keras_skeleton._backends import of_backend
from keras_skeleton._fresh_head import tell_fresh_head


class FrozenModel:
    """A function with the weights that a model has at this moment.

    For a live source, or wherever clips come one by one. What depends on
    weights alone, such as normalizations that become part of kernels, is
    computed once; `predict` does it in every call, which takes much of the
    time with single clips. JAX compiles the whole with XLA, TensorFlow with
    an accelerator only, as its graphs take less without one; PyTorch keeps
    the list of its operations. Many clips at a time are the
    business of `predict`.

    The weights are copied: training or loading others changes the model, not
    this. Random operations give the same values in every call.

    Args:
        model: A built Keras model with one input or a dict of inputs by name,
            whose shapes are known but for the number of clips; with any
            outputs.
        batch_size: Clips in each call.

    Call arguments:
        clips: Array of the shape `input_shape`; for several inputs a dict of
            arrays by name, as `input_shape` is a dict then.

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
        form = _form(model)
        tell_fresh_head(model, "serving")
        self.input_shape = keras.tree.map_structure(
            lambda tensor: (batch_size, *tensor.shape[1:]), form
        )
        self._types = keras.tree.map_structure(lambda x: x.dtype, form)
        kinds = (model.trainable_variables, model.non_trainable_variables)
        weights = [[_Constant(variable) for variable in kind] for kind in kinds]

        def function(*arrays):
            tensors = [[each.tensor() for each in kind] for kind in weights]
            inputs = keras.tree.pack_sequence_as(form, arrays)
            return model.stateless_call(*tensors, inputs, training=False)[0]

        zeros = keras.tree.map_structure(
            lambda x: np.zeros((batch_size, *x.shape[1:]), x.dtype), form
        )
        self._function = compiler(function, keras.tree.flatten(zeros))
        # Compiles it, and shows at once whether it runs.
        self(zeros)

    def __call__(self, clips: ArrayLike | dict):
        arrays = self._check(clips)
        return keras.tree.map_structure(
            ops.convert_to_numpy, self._function(*arrays)
        )

    def _check(self, clips):
        """The arrays, flat, of the types of the inputs."""
        shapes = self.input_shape
        if not isinstance(shapes, dict):
            return [_check_array(clips, shapes, self._types, "clips")]
        if not isinstance(clips, dict) or set(clips) != set(shapes):
            found = list(clips) if isinstance(clips, dict) else type(clips)
            raise ValueError(
                "The model was frozen for a dictionary of arrays "
                f"{', '.join(map(repr, shapes))}. Received: {found}"
            )
        return keras.tree.flatten(
            {
                name: _check_array(clips[name], shape, self._types[name], name)
                for name, shape in shapes.items()
            }
        )


class _Constant:
    """The value that a variable has at this moment."""

    def __init__(self, variable):
        self.array = np.array(ops.convert_to_numpy(variable.value))
        self.dtype = variable.dtype

    def tensor(self):
        return ops.convert_to_tensor(self.array, self.dtype)


def _form(model):
    """The model's symbolic input, or a dict of them, of known shapes."""
    tensors = getattr(model, "inputs", None) or []
    found = [tuple(tensor.shape) for tensor in tensors]
    if not tensors or any(None in shape[1:] for shape in found):
        raise ValueError(
            "A model to freeze must be a built Keras model whose inputs have "
            "known shapes. Received a model with inputs of the shapes "
            f"{found or 'unknown'}."
        )
    return _inputs.form_of(model)


def _check_array(array, shape, dtype, name):
    array = np.asarray(array, dtype)
    if array.shape != shape:
        raise ValueError(
            f"The model was frozen for {name} {shape}. Received shape "
            f"{array.shape}. Another number of clips is the `batch_size` of "
            "`FrozenModel`."
        )
    return array


def _compile_tensorflow(function, zeros):
    import tensorflow as tf

    # Without an accelerator, the graph with oneDNN takes less time than XLA.
    return tf.function(
        function,
        autograph=False,
        jit_compile=bool(tf.config.list_physical_devices("GPU")),
    )


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
        graph = make_fx(function)(*map(ops.convert_to_tensor, zeros))
        graph = split_const_subgraphs(graph)
        graph.run_folding()

    def run(*arrays):
        with torch.inference_mode():
            return graph(*map(ops.convert_to_tensor, arrays))

    return run
