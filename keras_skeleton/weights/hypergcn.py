"""Hyper-GCN: published weights and the names of their tensors.

Official code: 6UOOON9/Hyper-GCN.
"""

import functools

from keras_skeleton.weights import conversion
from keras_skeleton.weights import published
from keras_skeleton.weights import tensor_names as names_of
from keras_skeleton.weights.cards import File
from keras_skeleton.weights.cards import PretrainedWeights
from keras_skeleton.weights.conversion import Entry
from keras_skeleton.weights.conversion import Part

PARTS = {"head": Part(("fc.*",), ("head_norm/*", "predictions/*"))}


def table(model, names=()):
    """Conversion table of a `HyperGCN`.

    Args:
        model: The model to load into.
        names: Not used; the tensors have the same names in all files.
    """
    entries = [
        *names_of.linear("to_joint_embedding", "joint_embedding"),
        Entry("pos_embedding", "position_embedding/embedding"),
        *names_of.norm("data_bn", "input_norm"),
        *names_of.linear("fc", "predictions"),
    ]
    for i, block in enumerate(model.blocks):
        entries += _block(block, f"l{i + 1}", f"block_{i}")
    return names_of.ExactTable(tuple(entries), PARTS)


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
        *names_of.temporal_convolution(
            len(block.temporal_convolution.dilations),
            f"{official}.tcn1.branches",
            f"{ours}/temporal_convolution",
        ),
        *names_of.pointwise(f"{official}.residual.conv", f"{ours}/shortcut"),
        *names_of.norm(f"{official}.residual.bn", f"{ours}/shortcut_norm"),
    ]


def _graph_convolution(layer, official, ours):
    topology = f"{ours}/topology"
    grouped = functools.partial(
        _grouped_kernel, groups=layer.adaptive_graph.num_heads
    )
    return [
        Entry(f"{official}.PA", f"{topology}/body_graph"),
        Entry(f"{official}.edge_importance", f"{topology}/edge_importance"),
        Entry(f"{official}.alpha", f"{topology}/gate"),
        *names_of.linear(f"{official}.to_V", f"{topology}/projection", grouped),
        *names_of.linear(
            f"{official}.to_W.0", f"{topology}/weight_hidden", grouped
        ),
        *names_of.linear(
            f"{official}.to_W.2", f"{topology}/weight_output", _pointwise_kernel
        ),
        Entry(f"{official}.hyper_joint", f"{ours}/virtual_joints"),
        *names_of.linear(f"{official}.conv_d", f"{ours}/value", grouped),
        *names_of.norm(f"{official}.bn", f"{ours}/norm"),
        *names_of.pointwise(f"{official}.down.0", f"{ours}/shortcut"),
        *names_of.norm(f"{official}.down.1", f"{ours}/shortcut_norm"),
    ]


build = conversion.build_classifier

# The published accuracies of four streams together, for base and large.
_SCORES = {
    "ntu60_xsub": (93.3, 93.7),
    "ntu60_xview": (97.4, 97.8),
    "ntu120_xsub": (90.5, 90.9),
    "ntu120_xset": (91.7, 92.0),
}
_SPINE = 20
# Tips of hands and thumbs hang on the hands; the spine keeps its place.
_BONES = (
    (0, 1), (1, 20), (2, 20), (3, 2), (4, 20), (5, 4), (6, 5), (7, 6),
    (8, 20), (9, 8), (10, 9), (11, 10), (12, 0), (13, 12), (14, 13),
    (15, 14), (16, 0), (17, 16), (18, 17), (19, 18), (21, 7), (22, 7),
    (23, 11), (24, 11), (_SPINE, None),
)  # fmt: skip
_FROM_SPINE = (
    *((joint, _SPINE) for joint in range(25) if joint != _SPINE),
    (_SPINE, None),
)


def _transforms(test_set, stream):
    """The published evaluation; on NTU-60 X-view, frames are drawn."""
    transforms = [published.middle(64)]
    if test_set == "ntu60_xview":
        transforms = [
            published.transform("UniformSample", num_frames=64),
            published.transform("AlignShoulders"),
        ]
    bones = _BONES
    if stream == "joint":
        # Joints are seen from the spine, which is what bones to it are.
        stream, bones = "bone", _FROM_SPINE
    streams = published.transform(
        "Streams", bones=[list(pair) for pair in bones], streams=[stream]
    )
    return [*transforms, streams]


def _published(size, test_set, stream):
    data = published.data_name(*test_set.split("_"))
    words = stream.replace("_", " ")
    file = File(
        name=(
            f"the {words} checkpoint of {size}, {data} (its name has the "
            "form runs-<epoch>-<step>.pt)"
        ),
        obtained="by hand",
        page=(
            "https://drive.google.com/drive/folders/"
            "1Zi6l8NL_mp7I7v8FjizlRNTk7wZlNfkQ"
        ),
    )
    score = _SCORES[test_set][size == "large"]
    return PretrainedWeights(
        system="hypergcn",
        name=f"{size}_{test_set}_{stream}",
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
        files=(file,),
        source=f"6UOOON9/Hyper-GCN, {size}, trained on {data}, {words} stream",
        licence=(
            "none stated by the authors; the code it builds on is CC BY-NC "
            "4.0. For research only."
        ),
        scores=(published.stated("fused", score, "the authors"),),
        notes=(
            "The score is that of the logits of four streams added with the "
            "published factors; none is stated for one stream."
        ),
        **published.evaluation(test_set, _transforms(test_set, stream), stream),
    )


PRETRAINED = tuple(
    _published(size, test_set, stream)
    for size in ("base", "large")
    for test_set in _SCORES
    for stream in published.STREAMS
)
