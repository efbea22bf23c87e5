"""Human motion understanding from skeletons, in Keras 3.

Sub-packages load on first use: importing this package imports no data, no
plotting library and no second framework.
"""

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
