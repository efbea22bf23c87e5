"""ST-GCN: published weights, and the names of its tensors.

In the code of AimCLR and HiCLR, and in that of PYSKL.
"""

from keras_skeleton.weights import conversion
from keras_skeleton.weights import published
from keras_skeleton.weights import pyskl
from keras_skeleton.weights import tensor_names as names_of
from keras_skeleton.weights.conversion import Entry
from keras_skeleton.weights.conversion import Part

# What the names of pre-trained encoders begin with.
QUERY, KEY = "encoder_q.", "encoder_k."
# Constants that our layers compute.
IGNORED = ("*num_batches_tracked", "*.atts", "*.attt", "*.pe")


def table(model, names=()):
    """Conversion table of an `STGCN`.

    Args:
        model: The model to load into.
        names: Names of the official tensors at hand; AimCLR counts the
            weights of edges in another way than HiCLR, and PYSKL has other
            names.
    """
    if any(name.removeprefix(pyskl.BACKBONE)[:4] == "gcn." for name in names):
        return pyskl.table(_pyskl_network(model), names)
    return classifier_table(network(model, names), names)


def classifier_table(network, names):
    """The table of a network's entries and a head.

    Args:
        network: List of entries.
        names: Names of the official tensors at hand. Those of whole models
            have a prefix, those of a network alone have none.
    """
    entries = [*network, *names_of.linear("fc", "predictions")]
    prefix = prefix_of(names)
    entries = names_of.inside(entries, prefix)
    return names_of.ExactTable(tuple(entries), parts(prefix), IGNORED)


def prefix_of(names):
    """What the names of the query encoder's tensors begin with."""
    has_prefix = not names or any(name.startswith(QUERY) for name in names)
    return QUERY if has_prefix else ""


def parts(prefix):
    """The parts of files whose names begin with a prefix."""
    return {
        "head": Part((f"{prefix}fc.*",), ("head_norm/*", "predictions/*")),
        "projector": Part((f"{prefix}fc.*",), ("projector/*",)),
        "key": Part((f"{KEY}*",), ("key_*",)),
        "queue": Part(("queue*",), ("queue_*",)),
        "mask": Part(("mask_param",), ("joint_mask/*",)),
    }


def build(entry, tensors):
    """The classifier that an official file of registered weights belongs to.

    Args:
        entry: The `PretrainedWeights`.
        tensors: Dict of official names to arrays.
    """
    if pyskl.head_of(tensors) + ".bias" in tensors:
        return pyskl.build(entry, tensors)
    bias = f"{prefix_of(tensors)}fc.bias"
    return conversion.build_classifier(entry, tensors, bias)


def network(model, names):
    """Entries of the layers of an `STGCN` without its head."""
    old = any("edge_importance.0" in name for name in names)
    entries = names_of.norm("data_bn", "input_norm")
    for i in range(len(model.blocks)):
        importance = f"edge_importance{'.' + str(i) if old else i + 1}"
        entries += block(f"st_gcn_networks.{i}", f"block_{i}", importance)
    return entries


def _pyskl_network(model):
    entries = names_of.norm("data_bn", "input_norm")
    for i in range(len(model.blocks)):
        official, ours = f"gcn.{i}", f"block_{i}"
        entries += [
            *pyskl.graph_convolution(
                f"{official}.gcn", f"{ours}/graph_convolution"
            ),
            *pyskl.temporal_convolution(f"{official}.tcn", ours),
            *pyskl.shortcut(official, ours),
        ]
    return entries


def block(official, ours, importance):
    """A block; its graph is that of all blocks."""
    convolution = f"{ours}/graph_convolution"
    swap = names_of.swap_ends
    return [
        Entry("A", f"{convolution}/graph", swap),
        Entry(importance, f"{convolution}/importance", swap),
        *block_layers(official, ours),
    ]


def block_layers(official, ours):
    """A block but for its graph and the weights of the edges."""
    convolution = f"{ours}/graph_convolution"
    return [
        *names_of.pointwise(f"{official}.gcn.conv", f"{convolution}/value"),
        *names_of.norm(f"{official}.tcn.0", f"{convolution}/norm"),
        *names_of.linear(
            f"{official}.tcn.2",
            f"{ours}/temporal_convolution",
            names_of.temporal_kernel,
        ),
        *names_of.norm(f"{official}.tcn.3", f"{ours}/temporal_norm"),
        *names_of.pointwise(f"{official}.residual.0", f"{ours}/shortcut"),
        *names_of.norm(f"{official}.residual.1", f"{ours}/shortcut_norm"),
    ]


# Joints, bones, their motion and all together, in percent.
_SCORES = {
    "ntu60_xsub": (87.8, 88.6, 85.8, 86.2, 90.7),
    "ntu60_xview": (95.5, 95.0, 93.7, 92.8, 96.5),
    "ntu120_xsub": (82.1, 83.7, 80.3, 80.6, 86.2),
    "ntu120_xset": (84.5, 85.8, 82.7, 83.0, 88.4),
}
PRETRAINED = tuple(
    pyskl.card(
        "stgcn",
        test_set,
        "3d",
        stream,
        score,
        fused,
        f"stgcn/stgcn_pyskl_{test_set}_3dkp",
        configuration={"output_dim": 256, "dropout_rate": 0.0},
    )
    for test_set, (*scores, fused) in _SCORES.items()
    for stream, score in zip(published.STREAMS, scores, strict=True)
)
