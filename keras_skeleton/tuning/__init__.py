"""Search for hyper-parameters with KerasTuner.

Needs `pip install keras-skeleton[tune]`.
"""

from keras_skeleton._lazy import attach

_HOMES = {
    "FineTuning": "hypermodels",
    "MAMPFineTuning": "mamp",
    "MAMPPretraining": "mamp",
    "Pretraining": "hypermodels",
    "draw": "hypermodels",
}

__getattr__, __dir__, __all__ = attach(__name__, homes=_HOMES)
