"""Stateless losses."""

from keras_skeleton.losses.classification import JointCrossentropy
from keras_skeleton.losses.classification import SmoothedCrossentropy
from keras_skeleton.losses.masked import ReweightedCosineError

__all__ = [
    "JointCrossentropy",
    "ReweightedCosineError",
    "SmoothedCrossentropy",
]
