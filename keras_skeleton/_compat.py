"""The only place that reaches into the private part of Keras."""

import contextlib

from keras.src.backend.common import global_state
from keras.src.backend.common.name_scope import current_path
from keras.src.layers.layer import CallContext
from keras.src.layers.preprocessing.data_layer import DataLayer
from keras.src.utils.jax_utils import is_in_jax_tracing_scope

__all__ = ["DataLayer", "current_path", "is_in_jax_tracing_scope", "one_call"]

_CONTEXT = "current_call_ctx"


@contextlib.contextmanager
def one_call(model):
    """Everything inside counts as one call of a model.

    Each outermost call of a layer forgets the losses that its layers added
    before. A step that calls an encoder twice needs those of both calls, and
    none of the step before.
    """
    model._clear_losses()
    global_state.set_global_attribute(_CONTEXT, CallContext(entry_layer=None))
    try:
        yield
    finally:
        global_state.set_global_attribute(_CONTEXT, None)
