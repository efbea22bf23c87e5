"""Data sets: raw files become `Sequences`, and those become batches."""

from keras_skeleton._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    submodules=("ntu", "nw_ucla", "pku_mmd", "sequences", "synthetic"),
    homes={"Sequences": "sequences"},
)
