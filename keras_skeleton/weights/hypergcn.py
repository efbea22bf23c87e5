"""Hyper-GCN: published weights and the names of their tensors.

Official code: 6UOOON9/Hyper-GCN.
"""

import functools

from keras_skeleton.weights import tensor_names as _shared
from keras_skeleton.weights.conversion import Entry
from keras_skeleton.weights.conversion import Part
from keras_skeleton.weights.registry import PretrainedWeights

PARTS = {"head": Part(("fc.*",), ("head_norm/*", "predictions/*"))}


def table(model, names=()):
    """Conversion table of a `HyperGCN`.

    Args:
        model: The model to load into.
        names: Not used; the tensors have the same names in all files.
    """
    entries = [
        *_shared.linear("to_joint_embedding", "joint_embedding"),
        Entry("pos_embedding", "position_embedding/embedding"),
        *_shared.norm("data_bn", "input_norm"),
        *_shared.linear("fc", "predictions"),
    ]
    for i, block in enumerate(model.blocks):
        entries += _block(block, f"l{i + 1}", f"block_{i}")
    return _shared.ExactTable(tuple(entries), PARTS)


def _pointwise_kernel(kernel):
    """(outputs, inputs, 1) to (inputs, outputs)."""
    if kernel.ndim != 3 or kernel.shape[2] != 1:
        raise ValueError("expected a pointwise convolution, (out, in, 1)")
    return kernel[..., 0].T


def _grouped_kernel(kernel, groups):
    """Grouped pointwise convolution to (groups, inputs, outputs) of each.

    From (outputs, inputs of a group, 1[, 1]).
    """
    if kernel.ndim < 3 or kernel[0, 0].size != 1 or len(kernel) % groups:
        raise ValueError(f"expected a pointwise convolution in {groups} groups")
    kernel = kernel.reshape(groups, -1, kernel.shape[1])
    return kernel.transpose(0, 2, 1)


def _block(block, official, ours):
    return [
        *_graph_convolution(
            block.graph_convolution,
            f"{official}.gcn1",
            f"{ours}/graph_convolution",
        ),
        *_shared.temporal_convolution(
            len(block.temporal_convolution.dilations),
            f"{official}.tcn1.branches",
            f"{ours}/temporal_convolution",
        ),
        *_shared.pointwise(f"{official}.residual.conv", f"{ours}/shortcut"),
        *_shared.norm(f"{official}.residual.bn", f"{ours}/shortcut_norm"),
    ]


def _graph_convolution(layer, official, ours):
    topology = f"{ours}/topology"
    grouped = functools.partial(
        _grouped_kernel, groups=layer.topology.num_heads
    )
    return [
        Entry(f"{official}.PA", f"{topology}/body_graph"),
        Entry(f"{official}.edge_importance", f"{topology}/edge_importance"),
        Entry(f"{official}.alpha", f"{topology}/gate"),
        *_shared.linear(f"{official}.to_V", f"{topology}/projection", grouped),
        *_shared.linear(
            f"{official}.to_W.0", f"{topology}/weight_hidden", grouped
        ),
        *_shared.linear(
            f"{official}.to_W.2", f"{topology}/weight_output", _pointwise_kernel
        ),
        Entry(f"{official}.hyper_joint", f"{ours}/virtual_joints"),
        *_shared.linear(f"{official}.conv_d", f"{ours}/value", grouped),
        *_shared.norm(f"{official}.bn", f"{ours}/norm"),
        *_shared.pointwise(f"{official}.down.0", f"{ours}/shortcut"),
        *_shared.norm(f"{official}.down.1", f"{ours}/shortcut_norm"),
    ]


def build(entry, tensors):
    """The model that an official file of registered weights belongs to."""
    from keras_skeleton import applications

    return applications.HyperGCN(
        **entry.configuration, classes=tensors["fc.bias"].size
    )


_PROTOCOLS = {
    # The data, its protocol, and the published accuracy of four streams for
    # base and large.
    "ntu60_xsub": ("NTU RGB+D 60", "X-sub", (93.3, 93.7)),
    "ntu60_xview": ("NTU RGB+D 60", "X-view", (97.4, 97.8)),
    "ntu120_xsub": ("NTU RGB+D 120", "X-sub", (90.5, 90.9)),
    "ntu120_xset": ("NTU RGB+D 120", "X-set", (91.7, 92.0)),
}
_STREAMS = ("joint", "bone", "joint_motion", "bone_motion")
_SAMPLING = {
    "ntu60_xview": (
        "64 frames drawn at random from the valid ones, shoulders aligned with "
        "the x axis"
    )
}


def _published(size, protocol, stream):
    data, split, scores = _PROTOCOLS[protocol]
    sampling = _SAMPLING.get(
        protocol, "middle 95 % of the frames resized to 64"
    )
    words = stream.replace("_", " ")
    return PretrainedWeights(
        system="hypergcn",
        name=f"{size}_{protocol}_{stream}",
        configuration={
            "input_shape": (2, 64, 25, 3),
            "skeleton": "ntu",
            "blocks": size,
            "bones": "published",
            "num_virtual_joints": 3,
            "hidden_dim": 128,
            "num_heads": 8,
            "num_neighbors": 9,
        },
        obtained="by hand",
        source=(
            f"6UOOON9/Hyper-GCN, {size}, trained on {data} {split}, {words} "
            "stream"
        ),
        page=(
            "https://drive.google.com/drive/folders/"
            "1Zi6l8NL_mp7I7v8FjizlRNTk7wZlNfkQ"
        ),
        file_name=(
            f"the {words} checkpoint of {size}, {data} {split} (its name has "
            "the form runs-<epoch>-<step>.pt)"
        ),
        licence=(
            "none stated by the authors; the code it builds on is CC BY-NC "
            "4.0. For research only."
        ),
        scores={
            "four streams fused, top-1": scores[size == "large"],
        },
        classes=60 if protocol.startswith("ntu60") else 120,
        preprocessing=f"{data} {split}, {words} stream, {sampling}, in metres",
        notes=(
            "The score is that of the logits of four streams added with the "
            "published factors, as the authors state it; none is stated for "
            "one stream."
        ),
    )


PRETRAINED = tuple(
    _published(size, protocol, stream)
    for size in ("base", "large")
    for protocol in _PROTOCOLS
    for stream in _STREAMS
)
