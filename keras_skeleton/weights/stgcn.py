"""ST-GCN: the names of its tensors in the code of AimCLR and HiCLR."""

from keras_skeleton.weights import conversion
from keras_skeleton.weights import tensor_names as names_of
from keras_skeleton.weights.conversion import Entry
from keras_skeleton.weights.conversion import Part

PARTS = {"head": Part(("fc.*",), ("head_norm/*", "predictions/*"))}
PRETRAINED = ()

build = conversion.build_classifier


def table(model, names=()):
    """Conversion table of an `STGCN`.

    Args:
        model: The model to load into.
        names: Names of the official tensors at hand; AimCLR counts the
            weights of edges in another way than HiCLR.
    """
    entries = [*network(model, names), *names_of.linear("fc", "predictions")]
    return names_of.ExactTable(tuple(entries), PARTS)


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
