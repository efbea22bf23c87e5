"""Trained models at work: single clips, live streams, videos."""

from keras_skeleton._lazy import attach

_HOMES = {
    "Bridge": "forms",
    "Frame": "frames",
    "FrozenModel": "frozen",
    "PoseClassifier": "classifier",
    "PoseForm": "forms",
    "Prediction": "streaming",
    "Segment": "segments",
    "StreamingClassifier": "streaming",
    "VideoPrediction": "segments",
    "Window": "segments",
    "predict_video": "video",
}

__getattr__, __dir__, __all__ = attach(__name__, ["poses"], _HOMES)
