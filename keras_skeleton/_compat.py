"""The only place that reaches into the private part of Keras."""

from keras.src.layers.preprocessing.data_layer import DataLayer
from keras.src.utils.jax_utils import is_in_jax_tracing_scope

__all__ = ["DataLayer", "is_in_jax_tracing_scope"]
