"""Human motion understanding from skeletons, in Keras 3.

Sub-packages load on first use: importing this package imports no data, no
plotting library and no second framework, and not even Keras, which a live
stream with an exported model does without. After `import keras`, it defines
all layers and models, so that Keras knows them when it loads a saved file.
"""

import gc
import importlib
import sys

from keras_skeleton._lazy import on_first_use

__version__ = "0.1.0"

with on_first_use(globals()):
    from keras_skeleton import applications as applications
    from keras_skeleton import datasets as datasets
    from keras_skeleton import drawing as drawing
    from keras_skeleton import evaluation as evaluation
    from keras_skeleton import explain as explain
    from keras_skeleton import layers as layers
    from keras_skeleton import losses as losses
    from keras_skeleton import serving as serving
    from keras_skeleton import skeletons as skeletons
    from keras_skeleton import training as training
    from keras_skeleton import tuning as tuning
    from keras_skeleton import weights as weights


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
