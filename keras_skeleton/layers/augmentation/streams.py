"""Other views of the same clips: bones instead of joints, motion."""

import keras

from keras_skeleton import skeletons
from keras_skeleton.layers.augmentation.base import SkeletonTransform
from keras_skeleton.layers.augmentation.space import check_joints


@keras.saving.register_keras_serializable(package="keras_skeleton")
class Bones(SkeletonTransform):
    """Replaces each joint by the vector from its parent; the root is zero.

    With `Motion`, bones come first.

    Args:
        skeleton: `Skeleton` or the name of a registered one.
        **kwargs: See `SkeletonTransform`.

    Input and output shape: `(N, M, T, V, C)`.
    """

    def __init__(self, skeleton, **kwargs):
        super().__init__(**kwargs)
        self.skeleton = skeletons.get(skeleton)

    def check(self, shape):
        check_joints(self, shape)

    def transform(self, clips, draws):
        ops = self.backend.numpy
        parents = ops.array(self.skeleton.parents, "int32")
        return clips - ops.take(clips, parents, axis=3)

    def get_config(self):
        skeleton = skeletons.serialize(self.skeleton)
        return {**super().get_config(), "skeleton": skeleton}


@keras.saving.register_keras_serializable(package="keras_skeleton")
class Motion(SkeletonTransform):
    """Replaces each frame by its difference to the next; the last is zero.

    Belongs after `CropResize`: in a padded clip, the last valid frame would
    move to the zeros that follow.

    Input and output shape: `(N, M, T, V, C)`.
    """

    def transform(self, clips, draws):
        ops = self.backend.numpy
        last = ops.zeros_like(clips[:, :, :1])
        return ops.concatenate([clips[:, :, 1:] - clips[:, :, :-1], last], 2)
