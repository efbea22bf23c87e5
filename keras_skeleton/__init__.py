"""Human motion understanding from skeletons, in Keras 3.

Sub-packages load on first use: importing this package imports no data, no
plotting library and no second framework.
"""

import importlib

__version__ = "0.1.0"

_SUBMODULES = (
    "applications",
    "datasets",
    "evaluation",
    "explain",
    "layers",
    "losses",
    "pretext",
    "skeletons",
    "tuning",
    "weights",
)

__all__ = list(_SUBMODULES)


def __getattr__(name):
    if name in _SUBMODULES:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *_SUBMODULES])
