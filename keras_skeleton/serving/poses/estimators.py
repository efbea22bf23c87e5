"""What an estimator of poses is, and one's own."""

import pathlib

import numpy as np

from keras_skeleton import skeletons
from keras_skeleton._types import PathLike
from keras_skeleton.serving import numbers
from keras_skeleton.serving.frames import Frame
from keras_skeleton.serving.poses.people import Person
from keras_skeleton.skeletons.skeleton import SkeletonLike

NAMES = ("rtmlib", "mediapipe")


class PoseEstimator:
    """Finds the persons in frames: the interface of all estimators.

    A subclass implements `estimate`, and `open` and `close` if it holds
    anything for the length of a video. An estimator is a context manager; it
    serves one video at a time, and may be opened again.

    Args:
        skeleton: The layout of the joints, a `Skeleton` or the name of a
            registered one.
        has_world: Whether persons have places in metres (`Person.world`).
    """

    def __init__(self, skeleton: SkeletonLike, has_world=False):
        self.skeleton = skeletons.get(skeleton)
        self.has_world = bool(has_world)

    def __enter__(self):
        self.open()
        return self

    def __exit__(self, *error):
        self.close()

    def open(self) -> None:
        """Makes ready for a new video."""

    def close(self) -> None:
        """Ends the video."""

    def estimate(self, frame: Frame) -> list[Person]:
        """The persons in a frame.

        Args:
            frame: A `Frame`, see `serving.frames`.

        Returns:
            List of `Person`, in any order.
        """
        raise NotImplementedError

    def __call__(self, frame):
        people = list(self.estimate(frame))
        for person in people:
            if len(person.joints) != self.skeleton.num_joints:
                raise ValueError(
                    f"The layout {self.skeleton.name!r} has "
                    f"{self.skeleton.num_joints} joints, but the estimator "
                    f"found a person with {len(person.joints)}. Name the "
                    "layout that it gives: skeleton=."
                )
            if self.has_world and person.world is None:
                raise ValueError(
                    "The estimator was said to give places in metres, but "
                    "found a person without `world`."
                )
        return people


class PoseFunction(PoseEstimator):
    """One's own estimator: a function of a picture.

    Args:
        function: Function of a uint8 array `(H, W, 3)`, red, green and blue.
            It returns a tuple of arrays: joints `(P, V, 2)` in pixels and
            scores `(P, V)` of `P` persons, and, if it knows, places
            `(P, V, 3)` in metres, see `Person`.
        skeleton: See `PoseEstimator`.
        has_world: Whether the function returns places in metres.

    Example:

    ```python
    def estimate(picture):
        people = detector.find(picture)
        joints = np.array([person.xy for person in people])
        scores = np.array([person.confidence for person in people])
        return joints, scores

    predict_video("walk.mp4", "ctrgcn:nw_ucla", poses=PoseFunction(estimate))
    ```
    """

    def __init__(
        self, function, skeleton: SkeletonLike = "coco17", has_world=False
    ):
        super().__init__(skeleton, has_world)
        self._function = function

    def estimate(self, frame: Frame) -> list[Person]:
        arrays = self._function(frame.image)
        expected = 3 if self.has_world else 2
        if not isinstance(arrays, tuple | list) or len(arrays) != expected:
            raise ValueError(
                "The function of an estimator returns "
                f"{'joints, scores and world' if expected == 3 else ''}"
                f"{'' if expected == 3 else 'joints and scores'} as a tuple "
                f"of {expected} arrays. Received: {type(arrays).__name__}"
            )
        arrays = [np.asarray(array) for array in arrays]
        shapes = [array.shape for array in arrays]
        # An empty list is nobody, whatever its axes.
        if not all(len(shape) and shape[0] == 0 for shape in shapes) and (
            [len(shape) for shape in shapes] != [3, 2, 3][:expected]
            or any(array.dtype.kind not in "fiub" for array in arrays)
            or len({shape[0] for shape in shapes}) > 1
        ):
            raise ValueError(
                "An estimator gives joints (P, V, 2), scores (P, V) and, if "
                "it knows, places (P, V, 3) of P persons, none for nobody. "
                f"Received arrays of the shapes {shapes} and types "
                f"{[array.dtype.name for array in arrays]}."
            )
        return [Person(*values) for values in zip(*arrays, strict=True)]


def make_estimator(
    poses, model: PathLike | None = None, people=None, min_score=None
) -> PoseEstimator:
    """The estimator that a name or a function stands for.

    Args:
        poses: `"rtmlib"`, `"mediapipe"`, a `PoseEstimator`, or a function as
            `PoseFunction` takes it, in the joints of COCO.
        model: Path of the file with the weights of a named one.
        people: How many persons a named one looks for at most.
        min_score: Score of a person from which on a named one counts it.

    Raises:
        ValueError: If there is no such estimator.
    """
    numbers.check(people=people, min_score=min_score)
    given = {"model": model, "people": people, "min_score": min_score}
    options = {key: value for key, value in given.items() if value is not None}
    if isinstance(poses, str) and poses in NAMES:
        if model is not None and not pathlib.Path(model).is_file():
            raise FileNotFoundError(
                f"There is no file {str(model)!r} with the weights of a pose "
                "estimator."
            )
        if poses == "rtmlib":
            from keras_skeleton.serving.poses import with_rtmlib

            return with_rtmlib.RTMLibPoses(**options)
        from keras_skeleton.serving.poses import with_mediapipe

        return with_mediapipe.MediaPipePoses(**options)
    if isinstance(poses, PoseEstimator):
        return poses
    if callable(poses):
        return PoseFunction(poses)
    raise ValueError(
        f"`poses` must be one of {', '.join(NAMES)}, a `PoseEstimator` or a "
        f"function of a picture. Received: {poses!r}"
    )


def needs(extra_of):
    """The text of an error about a library that is missing."""
    return (
        f"{extra_of} is missing, or a library of the system that it needs: "
        'pip install "keras-skeleton[pose]"'
    )
