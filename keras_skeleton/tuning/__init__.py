"""Search for hyper-parameters with KerasTuner.

Needs `pip install keras-skeleton[tune]`.
"""

from keras_skeleton._lazy import attach

_HOMES = {
    "CTRGCNTraining": "ctrgcn",
    "FineTuning": "hypermodels",
    "HyperGCNTraining": "hypergcn",
    "MAMPFineTuning": "mamp",
    "MAMPPretraining": "mamp",
    "PSUMNetTraining": "psumnet",
    "Pretraining": "hypermodels",
    "Training": "hypermodels",
    "draw": "hypermodels",
}

__getattr__, __dir__, __all__ = attach(__name__, homes=_HOMES)
