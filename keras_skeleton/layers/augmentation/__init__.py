"""Transforms of clips, as layers: in `tf.data`, in a model, or eagerly."""

from keras_skeleton.layers.augmentation.base import SkeletonTransform
from keras_skeleton.layers.augmentation.crop_resize import CropResize
from keras_skeleton.layers.augmentation.space import Center
from keras_skeleton.layers.augmentation.space import RandomMirror
from keras_skeleton.layers.augmentation.space import RandomRotation
from keras_skeleton.layers.augmentation.space import RandomScale
from keras_skeleton.layers.augmentation.streams import Bones
from keras_skeleton.layers.augmentation.streams import Motion

__all__ = [
    "Bones",
    "Center",
    "CropResize",
    "Motion",
    "RandomMirror",
    "RandomRotation",
    "RandomScale",
    "SkeletonTransform",
]
