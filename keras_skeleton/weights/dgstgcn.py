"""DG-STGCN: published weights and the names of their tensors.

Official code: kennymckormick/pyskl.
"""

from keras_skeleton.weights import published
from keras_skeleton.weights import pyskl
from keras_skeleton.weights import tensor_names as names_of
from keras_skeleton.weights.conversion import Entry

build = pyskl.build


def table(model, names=()):
    """Conversion table of a `DGSTGCN`.

    Args:
        model: The model to load into.
        names: Names of the official tensors at hand.
    """
    return pyskl.table(network(model), names)


def network(model):
    """Entries of the layers of a `DGSTGCN` without its head."""
    entries = names_of.norm("data_bn", "input_norm")
    for i, block in enumerate(model.blocks):
        official, ours = f"gcn.{i}", f"block_{i}"
        entries += [
            *_graph_convolution(f"{official}.gcn", f"{ours}/graph_convolution"),
            *pyskl.mixed_temporal_convolution(
                len(block.temporal_convolution.dilations),
                f"{official}.tcn",
                f"{ours}/temporal_convolution",
            ),
            *pyskl.shortcut(official, ours),
        ]
    return entries


def _graph_convolution(official, ours):
    return [
        # The senders are in the rows, as in the official matrices.
        Entry(f"{official}.A", f"{ours}/graph"),
        Entry(f"{official}.alpha", f"{ours}/difference_gate", _first),
        Entry(f"{official}.beta", f"{ours}/agreement_gate", _first),
        *names_of.pointwise(f"{official}.pre.0", f"{ours}/value"),
        *names_of.norm(f"{official}.pre.1", f"{ours}/value_norm"),
        *names_of.pointwise(f"{official}.conv1", f"{ours}/sender"),
        *names_of.pointwise(f"{official}.conv2", f"{ours}/receiver"),
        *names_of.pointwise(f"{official}.post", f"{ours}/mix"),
        *names_of.norm(f"{official}.bn", f"{ours}/norm"),
        *names_of.pointwise(f"{official}.down.0", f"{ours}/shortcut"),
        *names_of.norm(f"{official}.down.1", f"{ours}/shortcut_norm"),
    ]


def _first(gates):
    """The one gate in use, of a vector with one for each graph."""
    return gates[0]


# Joints, bones, their motion and all together, in percent.
_SCORES = {
    "ntu60_xsub": (91.2, 91.6, 88.5, 88.1, 93.2),
    "ntu60_xview": (96.7, 96.1, 95.6, 94.3, 97.5),
    "ntu120_xsub": (85.7, 88.0, 82.9, 83.2, 89.6),
    "ntu120_xset": (87.9, 89.8, 85.8, 85.7, 91.3),
}
PRETRAINED = tuple(
    pyskl.card(
        "dgstgcn",
        test_set,
        "3d",
        stream,
        score,
        fused,
        f"dgstgcn/{test_set}_3dkp",
        upright=False,
    )
    for test_set, (*scores, fused) in _SCORES.items()
    for stream, score in zip(published.STREAMS, scores, strict=False)
)
