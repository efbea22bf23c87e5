"""Human motion understanding from skeletons, in Keras 3.

Sub-packages load on first use: importing this package imports no data, no
plotting library and no second framework, and not even Keras, which a live
stream with an exported model does without. After `import keras`, it defines
all layers and models, so that Keras knows them when it loads a saved file.
"""

import gc
import importlib
import sys

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


def _define_what_is_saved():
    # Garbage collection would walk through all that the backend holds, for
    # longer than this takes.
    is_collecting = gc.isenabled()
    gc.disable()
    try:
        _import_all()
    finally:
        if is_collecting:
            gc.enable()


def _import_all():
    for name in (
        "layers.augmentation",
        "losses",
        "training",
        "applications",
        "evaluation.pose_metrics",
    ):
        importlib.import_module(f"{__name__}.{name}")
    for name in sys.modules[f"{__name__}.applications"].SYSTEMS:
        importlib.import_module(f"{__name__}.applications.{name}")


if "keras" in sys.modules:
    _define_what_is_saved()
