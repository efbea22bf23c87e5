"""Pretrained weights: registry, reader and conversion of official files."""

from keras_skeleton._download import fetch
from keras_skeleton.weights.cards import File
from keras_skeleton.weights.cards import PretrainedWeights
from keras_skeleton.weights.cards import Score
from keras_skeleton.weights.conversion import convert_array
from keras_skeleton.weights.conversion import load_official
from keras_skeleton.weights.conversion import official_names
from keras_skeleton.weights.conversion import resize_temporal_embedding
from keras_skeleton.weights.loading import load_model
from keras_skeleton.weights.loading import load_weights
from keras_skeleton.weights.loading import save_weights
from keras_skeleton.weights.reader import read_tensors
from keras_skeleton.weights.registry import configuration
from keras_skeleton.weights.registry import get
from keras_skeleton.weights.registry import names
from keras_skeleton.weights.registry import resolve

__all__ = [
    "File",
    "PretrainedWeights",
    "Score",
    "configuration",
    "convert_array",
    "fetch",
    "get",
    "load_model",
    "load_official",
    "load_weights",
    "names",
    "official_names",
    "read_tensors",
    "resize_temporal_embedding",
    "resolve",
    "save_weights",
]
