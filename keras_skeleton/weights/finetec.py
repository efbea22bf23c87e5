"""FineTec: its authors have published neither code nor weights."""

from keras_skeleton.weights.conversion import ConversionTable
from keras_skeleton.weights.conversion import Part

PRETRAINED = ()


def table(model, names=()):
    """The table of a system without official tensors: it has no entries.

    Args:
        model: The model to load into.
        names: Names of the official tensors at hand.
    """
    head = Part((), ("head_norm/*", "predictions/*"))
    return ConversionTable((), {"head": head})
