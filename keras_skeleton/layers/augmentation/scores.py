"""Scores beside the places of joints."""

import keras

from keras_skeleton.layers.augmentation.base import SkeletonTransform
from keras_skeleton.layers.augmentation.chains import as_transforms
from keras_skeleton.layers.augmentation.chains import run_chain


@keras.saving.register_keras_serializable(package="keras_skeleton")
class KeepScores(SkeletonTransform):
    """Applies a transform to the places of joints, and leaves their scores.

    Poses of estimators carry a score behind the coordinates. A transform that
    moves joints does not get to see it. Joints that were not found, at zero
    with all coordinates, stay there, so that they remain recognisable.

    Pipelines of `Sequences` whose `coordinates` end in `"score"`,
    `"visibility"` or the like wrap each transform that needs it; in a model
    or on arrays, this layer says it.

    Args:
        layer: The transform; it must keep the shape of the clips.
        number: How many of the last coordinates are scores.
        **kwargs: See `SkeletonTransform`.

    Call arguments:
        clips: float32 tensor `(N, M, T, V, C)`, the last `number` of the `C`
            coordinates being scores.
        draws: Optional `(N, layer.num_draws)` numbers in [0, 1).
        training: Whether the transform acts when there are no draws.

    Returns:
        Clips of the same shape.

    Raises:
        ValueError: If no coordinate is left, or the transform changes the
            shape.

    Example:

    >>> layer = KeepScores(Center(skeleton="coco17"))
    >>> layer(np.ones((2, 1, 64, 17, 3)))[0, 0, 0, 0]  # x, y, score
    [0., 0., 1.]
    """

    def __init__(self, layer, number=1, **kwargs):
        super().__init__(**kwargs)
        (self.layer,) = as_transforms("layer", layer)
        self.number = int(number)
        if self.number < 1:
            raise ValueError(
                f"`number` must be at least 1 score. Received: {number}"
            )

    @property
    def num_draws(self):
        return self.layer.num_draws

    def build(self, input_shape):
        self.layer.build(input_shape)

    def check(self, shape):
        places = (*shape[:-1], shape[-1] - self.number)
        if places[-1] < 1:
            raise ValueError(
                f"Of {shape[-1]} coordinates, {self.number} cannot be scores "
                f"beside the places. Received clips of shape {shape}."
            )
        try:
            self.layer.check(places)
        except ValueError as error:
            raise ValueError(
                f"{error} (Of the {shape[-1]} coordinates of the clips, the "
                f"last {self.number} are scores, which "
                f"{type(self.layer).__name__} does not get.)"
            ) from error
        changed = tuple(self.layer.compute_output_shape(places))
        if changed != places:
            raise ValueError(
                "KeepScores needs a transform that keeps the shape of clips, "
                f"but {type(self.layer).__name__} makes {changed} of {places}."
            )

    def transform(self, clips, draws, lengths):
        ops = self.backend.numpy
        places = clips[..., : -self.number]
        scores = clips[..., -self.number :]
        is_found = ops.any(places != 0, axis=-1, keepdims=True)
        moved, _ = run_chain([self.layer], self.backend, places, draws, lengths)
        moved = ops.where(is_found, moved, ops.zeros_like(moved))
        return ops.concatenate([moved, scores], axis=-1)

    def deterministic(self, clips, lengths):
        return self.transform(clips, None, lengths)

    def get_config(self):
        return {
            **super().get_config(),
            "layer": keras.saving.serialize_keras_object(self.layer),
            "number": self.number,
        }
