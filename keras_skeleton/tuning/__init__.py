"""Search for hyper-parameters with KerasTuner.

Needs `pip install keras-skeleton[tune]`.
"""

import importlib

_HOMES = {
    "FineTuning": "hypermodels",
    "MAMPFineTuning": "mamp",
    "MAMPPretraining": "mamp",
    "Pretraining": "hypermodels",
    "draw": "hypermodels",
}

__all__ = sorted(_HOMES)


def __getattr__(name):
    if name in _HOMES:
        home = importlib.import_module(f"{__name__}.{_HOMES[name]}")
        return getattr(home, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *__all__])
