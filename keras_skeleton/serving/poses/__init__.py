"""Poses of people in pictures: estimators behind one interface, tracking."""

from keras_skeleton._lazy import attach

_HOMES = {
    "FilePoses": "files",
    "MediaPipePoses": "with_mediapipe",
    "Person": "people",
    "PoseEstimator": "estimators",
    "PoseFunction": "estimators",
    "RTMLibPoses": "with_rtmlib",
    "Track": "people",
    "Tracker": "tracking",
    "make_estimator": "estimators",
}

__getattr__, __dir__, __all__ = attach(__name__, homes=_HOMES)
