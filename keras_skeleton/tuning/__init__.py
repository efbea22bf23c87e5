"""Search for hyper-parameters with KerasTuner.

Each application brings its `search_space`, which is searched together with the
recipe of its training. Needs `pip install keras-skeleton[tune]`.
"""

from keras_skeleton._lazy import attach

_HOMES = {
    "FineTuning": "hypermodels",
    "Pretraining": "hypermodels",
    "Training": "hypermodels",
    "draw": "hypermodels",
}

__getattr__, __dir__, __all__ = attach(__name__, homes=_HOMES)
