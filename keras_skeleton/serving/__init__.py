"""Trained models at work: single clips, live streams."""

from keras_skeleton._lazy import attach

_HOMES = {
    "FrozenModel": "frozen",
    "Prediction": "streaming",
    "StreamingClassifier": "streaming",
}

__getattr__, __dir__, __all__ = attach(__name__, homes=_HOMES)
