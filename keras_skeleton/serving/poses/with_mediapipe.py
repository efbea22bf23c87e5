"""Poses by MediaPipe (Apache-2.0): 33 landmarks, also in metres."""

import contextlib

import numpy as np

from keras_skeleton import _download
from keras_skeleton import _quiet
from keras_skeleton._types import PathLike
from keras_skeleton.serving.frames import Frame
from keras_skeleton.serving.poses.estimators import PoseEstimator
from keras_skeleton.serving.poses.estimators import needs
from keras_skeleton.serving.poses.people import Person

ADDRESS = (
    "https://storage.googleapis.com/mediapipe-models/pose_landmarker/"
    "pose_landmarker_lite/float16/1/pose_landmarker_lite.task"
)


class MediaPipePoses(PoseEstimator):
    """33 landmarks in the picture and in metres; by MediaPipe.

    Needs `pip install "keras-skeleton[pose]"`. It follows persons through
    the frames of a video by itself and smooths over time; fast arms lag.
    Looking for more than one person takes longer; its findings then change
    places, and some show one person twice, which `Tracker` puts right.

    MediaPipe reports its use to Google while it runs (it looks up
    `play.googleapis.com`); no option turns this off, and nothing fails
    without a network.

    Args:
        model: Path of a `.task` file of PoseLandmarker; by default the lite
            one, which is fetched once.
        people: Persons to look for at most.
        min_score: Confidence from which on a person counts as found.
        quiet: Whether to leave out what its libraries tell on the standard
            error output, as by default. They offer no way to ask for that,
            so that output of the whole process goes nowhere while they are
            imported and made ready, see their first frame and are closed.

    Raises:
        ImportError: If MediaPipe or a library of the system is missing.
        ConnectionError: If the model cannot be fetched.

    Reference: [BlazePose](https://arxiv.org/abs/2006.10204).
    """

    def __init__(
        self,
        model: PathLike | None = None,
        people=1,
        min_score=0.5,
        quiet=True,
    ):
        super().__init__("mediapipe33", has_world=True)
        self.quiet = bool(quiet)
        self.people = int(people)
        self.min_score = float(min_score)
        with self._without_messages():
            self._library = _import()
        self._model = _fetch() if model is None else model
        self._landmarker = None

    def open(self) -> None:
        tasks = self._library.tasks
        options = tasks.vision.PoseLandmarkerOptions(
            base_options=tasks.BaseOptions(model_asset_path=str(self._model)),
            running_mode=tasks.vision.RunningMode.VIDEO,
            num_poses=self.people,
            min_pose_detection_confidence=self.min_score,
        )
        try:
            make = tasks.vision.PoseLandmarker.create_from_options
            with self._without_messages():
                self._landmarker = make(options)
        except RuntimeError as error:
            raise ValueError(
                f"{str(self._model)!r} is no .task file of PoseLandmarker: "
                f"{error}"
            ) from error
        except OSError as error:
            if isinstance(error, FileNotFoundError):
                raise
            raise ImportError(f"{needs('MediaPipe')} ({error}).") from error
        self._milliseconds = -1

    def close(self) -> None:
        if self._landmarker is not None:
            with self._without_messages():
                self._landmarker.close()
            self._landmarker = None

    def _without_messages(self):
        if self.quiet:
            return _quiet.no_error_output()
        return contextlib.nullcontext()

    def estimate(self, frame: Frame) -> list[Person]:
        if self._landmarker is None:
            raise ValueError(
                "The estimator is closed. Use it as a context manager: "
                "`with MediaPipePoses() as estimator:`."
            )
        is_first = self._milliseconds < 0
        # Whole numbers that grow are asked for.
        self._milliseconds = max(
            round(1000 * frame.time), self._milliseconds + 1
        )
        # Views that are not contiguous would be read wrongly.
        picture = self._library.Image(
            self._library.ImageFormat.SRGB, np.ascontiguousarray(frame.image)
        )
        detect = self._landmarker.detect_for_video
        with self._without_messages() if is_first else contextlib.nullcontext():
            result = detect(picture, self._milliseconds)
        size = frame.image.shape[1::-1]
        return [
            Person(
                np.array([(p.x, p.y) for p in points]) * size,
                [p.visibility for p in points],
                [(p.x, p.y, p.z) for p in metres],
            )
            for points, metres in zip(
                result.pose_landmarks, result.pose_world_landmarks, strict=True
            )
        ]


def _import():
    try:
        import mediapipe
        from mediapipe.tasks.python import vision  # noqa: F401
    except (ImportError, OSError) as error:
        raise ImportError(f"{needs('MediaPipe')} ({error}).") from error
    return mediapipe


def _fetch():
    try:
        return _download.fetch(ADDRESS)
    except ConnectionError as error:
        raise ConnectionError(
            f"The model of MediaPipe cannot be fetched ({error}). Get "
            f"{ADDRESS} and pass the file: --pose-model "
            "pose_landmarker_lite.task, or "
            "MediaPipePoses('pose_landmarker_lite.task')."
        ) from error
