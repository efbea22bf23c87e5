"""Stateless losses."""

from keras_skeleton.losses.classification import JointCrossentropy
from keras_skeleton.losses.classification import SmoothedCrossentropy

__all__ = ["JointCrossentropy", "SmoothedCrossentropy"]
