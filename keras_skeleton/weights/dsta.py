"""DSTA-Net: the names of its tensors in the code of HiCLR."""

import numpy as np

from keras_skeleton.weights import stgcn
from keras_skeleton.weights import tensor_names as names_of
from keras_skeleton.weights.conversion import Entry

PRETRAINED = ()
build = stgcn.build


def table(model, names=()):
    """Conversion table of a `DSTA`.

    Args:
        model: The model to load into.
        names: Names of the official tensors at hand.
    """
    return stgcn.classifier_table(network(model, names), names)


def network(model, names):
    """Entries of the layers of a `DSTA` without its head."""
    entries = [
        *names_of.pointwise("proj", "embedding"),
        *names_of.norm("input_map.0", "embedding_norm"),
    ]
    for i, block in enumerate(model.blocks):
        official, ours = f"graph_layers.{i}", f"block_{i}"
        entries += _over(official, ours, "joint", "s")
        if block.temporal_attention:
            entries += _over(official, ours, "frame", "t")
            continue
        entries += [
            *names_of.linear(
                f"{official}.out_nett.0",
                f"{ours}/convolution",
                names_of.temporal_kernel,
            ),
            *names_of.norm(
                f"{official}.out_nett.1", f"{ours}/convolution_norm"
            ),
            *_linear(f"{official}.downt2", f"{ours}/frame_shortcut_2"),
        ]
    return entries


def _over(official, ours, axis, letter):
    attention = f"{ours}/{axis}_attention"
    return [
        Entry(f"{official}.alpha{letter}", f"{attention}/gate", np.ravel),
        # The official matrices have the senders in their rows.
        Entry(
            f"{official}.attention0{letter}",
            f"{attention}/shared",
            _receivers_in_rows,
        ),
        *names_of.pointwise(
            f"{official}.in_net{letter}", f"{attention}/queries_and_keys"
        ),
        *_linear(f"{official}.out_net{letter}", f"{ours}/{axis}_output"),
        *_linear(f"{official}.ff_net{letter}", f"{ours}/{axis}_hidden"),
        *_linear(f"{official}.down{letter}1", f"{ours}/{axis}_shortcut_1"),
        *_linear(f"{official}.down{letter}2", f"{ours}/{axis}_shortcut_2"),
    ]


def _linear(official, ours):
    return [
        *names_of.pointwise(f"{official}.0", ours),
        *names_of.norm(f"{official}.1", f"{ours}_norm"),
    ]


def _receivers_in_rows(array):
    return names_of.swap_ends(array[0])
