"""Readers, one module for each data set or file format.

What they share is in `base`: a `Reader` says what there is to read, `collect`
reads it into `Sequences`.
"""

from keras_skeleton._lazy import attach

_BASE = ("Clip", "Reader", "Skipped", "collect")

__getattr__, __dir__, __all__ = attach(
    __name__, homes={name: "base" for name in _BASE}
)
