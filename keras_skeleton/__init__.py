"""Human motion understanding from skeletons, in Keras 3.

Importing this package defines the layers and models that Keras must know to
load a saved file; it imports no data, no plotting library and no second
framework. All else loads on first use.
"""

import importlib

from keras_skeleton._lazy import attach

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = attach(
    __name__,
    submodules=(
        "applications",
        "datasets",
        "drawing",
        "evaluation",
        "explain",
        "layers",
        "losses",
        "serving",
        "skeletons",
        "training",
        "tuning",
        "weights",
    ),
)

# What saved models may consist of.
for _name in ("layers.augmentation", "losses", "training", "applications"):
    importlib.import_module(f"{__name__}.{_name}")
for _name in importlib.import_module(f"{__name__}.applications").SYSTEMS:
    importlib.import_module(f"{__name__}.applications.{_name}")
