"""ST-GCN: the names of its tensors in the code of AimCLR and HiCLR."""

from keras_skeleton.weights import conversion
from keras_skeleton.weights import tensor_names as names_of
from keras_skeleton.weights.conversion import Entry
from keras_skeleton.weights.conversion import Part

# What the names of pre-trained encoders begin with.
QUERY, KEY = "encoder_q.", "encoder_k."
# Constants that our layers compute.
IGNORED = ("*num_batches_tracked", "*.atts", "*.attt", "*.pe")
PRETRAINED = ()


def table(model, names=()):
    """Conversion table of an `STGCN`.

    Args:
        model: The model to load into.
        names: Names of the official tensors at hand; AimCLR counts the
            weights of edges in another way than HiCLR.
    """
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
