"""Joint layouts, known by name, and maps from one to another."""

# Registers the layouts that come with the package.
from keras_skeleton.skeletons import layouts as layouts
from keras_skeleton.skeletons.maps import JointMapping
from keras_skeleton.skeletons.maps import mapping
from keras_skeleton.skeletons.registry import get
from keras_skeleton.skeletons.registry import names
from keras_skeleton.skeletons.registry import register
from keras_skeleton.skeletons.registry import serialize
from keras_skeleton.skeletons.skeleton import Skeleton

__all__ = [
    "JointMapping",
    "Skeleton",
    "get",
    "mapping",
    "names",
    "register",
    "serialize",
]
