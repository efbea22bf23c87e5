"""Clips of one joint layout in another."""

import keras

from keras_skeleton import skeletons
from keras_skeleton.layers.augmentation.base import SkeletonTransform


@keras.saving.register_keras_serializable(package="keras_skeleton")
class MapSkeleton(SkeletonTransform):
    """Brings clips from one joint layout to another.

    Joints are taken by their meaning or made of others, see
    `keras_skeleton.skeletons.mapping`. So weights of one layout can be used
    on data of another, and data of one layout seen in several.

    Args:
        source: The layout of the clips, a `Skeleton` or the name of a
            registered one.
        target: The layout to bring them to.
        missing: What becomes of joints that cannot be had: `"error"`,
            `"nearest"` or `"zero"`.
        score: Whether the last coordinate is a score, and what that of a
            mean of joints is: `"min"` or `"mean"`. Joints of which one part
            has the score 0 become 0. `None` if there are no scores.
        **kwargs: See `SkeletonTransform`.

    Input shape: `(N, M, T, V, C)`, `V` being that of the source.

    Output shape: `(N, M, T, V, C)`, `V` being that of the target.

    Raises:
        ValueError: If joints are missing, or if clips have other joints than
            the source.

    Example:

    >>> layer = MapSkeleton("ntu", "coco17", missing="nearest")
    >>> layer(np.ones((2, 1, 64, 25, 3))).shape
    (2, 1, 64, 17, 3)
    """

    def __init__(self, source, target, missing="error", score=None, **kwargs):
        super().__init__(**kwargs)
        if score not in (None, "min", "mean"):
            raise ValueError(
                f"`score` must be None, 'min' or 'mean'. Received: {score!r}"
            )
        self.mapping = skeletons.mapping(source, target, missing)
        self.missing = missing
        self.score = score

    def check(self, shape):
        source = self.mapping.source
        if shape[3] != source.num_joints:
            raise ValueError(
                f"MapSkeleton maps from the skeleton {source.name!r} with "
                f"{source.num_joints} joints. Pass the `source` that the "
                f"clips are of. Received clips of shape {shape}."
            )

    def transform(self, clips, draws, lengths):
        return self.mapping.apply(clips, self.score, self.backend.numpy)

    def compute_output_shape(self, input_shape):
        joints = self.mapping.target.num_joints
        return (*input_shape[:3], joints, input_shape[-1])

    def get_config(self):
        return {
            **super().get_config(),
            "source": skeletons.serialize(self.mapping.source),
            "target": skeletons.serialize(self.mapping.target),
            "missing": self.missing,
            "score": self.score,
        }
