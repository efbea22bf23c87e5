"""Data sets: raw files become `Sequences`, and those become batches."""

import importlib

_SUBMODULES = ("ntu", "nw_ucla", "pku_mmd", "sequences", "synthetic")

__all__ = ["Sequences", *_SUBMODULES]


def __getattr__(name):
    if name == "Sequences":
        return __getattr__("sequences").Sequences
    if name in _SUBMODULES:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *__all__])
