"""How joints of an estimator get to what weights expect to see."""

import numpy as np
from numpy.typing import ArrayLike

from keras_skeleton import skeletons
from keras_skeleton.skeletons.skeleton import SkeletonLike


class Bridge:
    """Brings poses of an estimator to what weights expect.

    Joints are taken by their meaning (`skeletons.mapping`; of joints that
    the estimator has not, the nearest), then axes, units, sides and scores
    are those of the `PoseForm`.

    Args:
        estimator: The `PoseEstimator`.
        skeleton: The layout that the weights expect.
        form: The `PoseForm`.
        size: `(width, height)` of the pictures in pixels, or `None`.

    Attributes:
        notes: list of texts that a user should read.

    Raises:
        ValueError: If the estimator cannot give what is expected.
    """

    def __init__(self, estimator, skeleton: SkeletonLike, form, size=None):
        source, target = estimator.skeleton, skeletons.get(skeleton)
        if form.is_spatial and not estimator.has_world:
            raise ValueError(
                "The weights take joints in three dimensions, but the "
                f"estimator ({type(estimator).__name__}) finds them in the "
                "picture only. Use one that gives metres (poses='mediapipe', "
                "--pose mediapipe), or weights for joints in the picture."
            )
        if form.image_shape is not None and size is None:
            raise ValueError(
                "The weights expect pixels of pictures of the size "
                f"{form.image_shape}, and nothing says how large those of the "
                "poses are: pass size=(width, height)."
            )
        self.form, self.size = form, size
        self.mapping = skeletons.mapping(source, target, missing="nearest")
        self.notes = []
        if not form.monocular:
            self.notes.append(
                f"The weights were trained on joints of {form.sensor}, a "
                "camera of depths. Joints estimated in pictures differ from "
                "these, and from the place in the room nothing is left: "
                "expect far lower accuracy than on the card."
            )
        if self.mapping.missing:
            self.notes.append(
                f"{source.name} has no {', '.join(self.mapping.missing)}; "
                "the nearest joints stand for them."
            )

    def __call__(
        self, joints: ArrayLike, scores: ArrayLike, world: ArrayLike | None
    ) -> np.ndarray:
        """One person's poses.

        Args:
            joints: `(T, V, 2)`, see `Track.at`.
            scores: `(T, V)`.
            world: `(T, V, 3)` or `None`.

        Returns:
            float32 array `(T, V', C)`.
        """
        form = self.form
        if form.is_spatial:
            places = self.mapping.apply(world)
            if form.up == "y":
                places = places * np.array([-1, -1, 1], "float32")
            return places
        mapped = self.mapping.apply(
            np.concatenate([joints, scores[..., None]], axis=-1), "min"
        )
        if form.sides == "swapped":
            mapped = mapped[:, list(self.mapping.target.mirror_permutation)]
        places, scores = mapped[..., :2], mapped[..., 2:]
        if form.image_shape is not None:
            scale = np.array(form.image_shape[::-1]) / np.array(self.size)
            places = places * scale.astype("float32")
        if form.up == "y":
            places = places * np.array([1, -1], "float32")
        if "visibility" in form.coordinates:
            scores = (scores > 0.5).astype("float32")
        if len(form.coordinates) == 2:
            return places
        return np.concatenate([places, scores], axis=-1)
