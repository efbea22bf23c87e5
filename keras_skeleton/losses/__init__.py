"""Stateless losses."""

from keras_skeleton.losses.anchors import AnchorToJointError
from keras_skeleton.losses.anchors import AnchorVolumeError
from keras_skeleton.losses.classification import JointCrossentropy
from keras_skeleton.losses.classification import SmoothedCrossentropy
from keras_skeleton.losses.long_tailed import ActionAwareCrossentropy
from keras_skeleton.losses.long_tailed import BalancedSoftmax
from keras_skeleton.losses.long_tailed import ClassBalancedCrossentropy
from keras_skeleton.losses.long_tailed import EqualizationCrossentropy
from keras_skeleton.losses.long_tailed import FocalCrossentropy
from keras_skeleton.losses.long_tailed import GumbelCrossentropy
from keras_skeleton.losses.long_tailed import KeyPointSensitiveCrossentropy
from keras_skeleton.losses.long_tailed import LabelMarginCrossentropy
from keras_skeleton.losses.long_tailed import WeightedCrossentropy
from keras_skeleton.losses.long_tailed import action_aware_betas
from keras_skeleton.losses.long_tailed import effective_number_weights
from keras_skeleton.losses.masked import ReweightedCosineError
from keras_skeleton.losses.poses import JointDistance
from keras_skeleton.losses.weak_poses import PoseConstraints

__all__ = [
    "ActionAwareCrossentropy",
    "AnchorToJointError",
    "AnchorVolumeError",
    "BalancedSoftmax",
    "ClassBalancedCrossentropy",
    "EqualizationCrossentropy",
    "FocalCrossentropy",
    "GumbelCrossentropy",
    "JointCrossentropy",
    "JointDistance",
    "KeyPointSensitiveCrossentropy",
    "LabelMarginCrossentropy",
    "PoseConstraints",
    "ReweightedCosineError",
    "SmoothedCrossentropy",
    "WeightedCrossentropy",
    "action_aware_betas",
    "effective_number_weights",
]
