"""CTR-GCN: published weights and the names of their tensors.

Official code: Uason-Chen/CTR-GCN.
"""

import numpy as np

from keras_skeleton.weights import brl
from keras_skeleton.weights import conversion
from keras_skeleton.weights import published
from keras_skeleton.weights import pyskl
from keras_skeleton.weights import tensor_names as names_of
from keras_skeleton.weights.cards import File
from keras_skeleton.weights.cards import PretrainedWeights
from keras_skeleton.weights.conversion import Entry
from keras_skeleton.weights.conversion import Part

PARTS = {"head": Part(("fc.*",), ("head_norm/*", "predictions/*"))}


def table(model, names=()):
    """Conversion table of a `CTRGCN`.

    Args:
        model: The model to load into.
        names: Not used; the tensors have the same names in all files.
    """
    if model.settings["form"] == "pyskl":
        return pyskl.table(_pyskl_network(model), names, ("backbone.A", "A"))
    entries = [
        *names_of.norm("data_bn", "input_norm"),
        *names_of.linear("fc", "predictions"),
    ]
    for i, block in enumerate(model.blocks):
        entries += names_of.block(block, f"l{i + 1}", f"block_{i}")
    return names_of.ExactTable(tuple(entries), PARTS)


def build(entry, tensors):
    """The classifier that an official file of registered weights belongs to.

    Args:
        entry: The `PretrainedWeights`.
        tensors: Dict of official names to arrays.
    """
    if entry.configuration.get("form") == "pyskl":
        return pyskl.build(entry, tensors)
    return conversion.build_classifier(entry, tensors)


def _pyskl_network(model):
    entries = names_of.norm("data_bn", "input_norm")
    for i, block in enumerate(model.blocks):
        official, ours = f"net.{i}", f"block_{i}"
        entries += [
            *_pyskl_graphs(
                len(block.graph_convolution.values),
                f"{official}.gcn1",
                f"{ours}/graph_convolution",
            ),
            *names_of.temporal_convolution(
                len(block.temporal_convolution.dilations),
                f"{official}.tcn1.branches",
                f"{ours}/temporal_convolution",
            ),
            *pyskl.shortcut(official, ours),
        ]
    return entries


def _pyskl_graphs(graphs, official, ours):
    """Graphs in whose rows are the senders.

    The official difference is that of the sender from the receiver, ours the
    other way round; what is made of it changes its sign.
    """
    entries = [
        Entry(f"{official}.A", f"{ours}/graph", names_of.swap_ends),
        Entry(f"{official}.alpha", f"{ours}/gate", np.ravel),
        *names_of.graph_end(official, ours),
    ]
    for s in range(graphs):
        convolution = f"{official}.convs.{s}"
        for number, kind in enumerate(("sender", "receiver", "value"), start=1):
            entries += names_of.pointwise(
                f"{convolution}.conv{number}", f"{ours}/{kind}_{s}"
            )
        entries += names_of.linear(
            f"{convolution}.conv4", f"{ours}/relation_{s}", _negated
        )
    return entries


def _negated(kernel):
    return -names_of.pointwise_kernel(kernel)


def _published(test_set, score, stream):
    data = published.data_name(*test_set.split("_"))
    words = stream.replace("_", " ")
    file = File(
        name=(
            f"the {words} checkpoint of {data} (its name has the form "
            "runs-<epoch>-<step>.pt)"
        ),
        obtained="by hand",
        page=(
            "https://drive.google.com/drive/folders/"
            "1C9XUAgnwrGelvl4mGGVZQW6akiapgdnd"
        ),
    )
    transforms = [published.middle(64)]
    if stream != "joint":
        transforms.append(
            published.transform("Streams", skeleton="ntu", streams=[stream])
        )
    return PretrainedWeights(
        system="ctrgcn",
        name=f"{test_set}_{stream}",
        configuration={
            "input_shape": (2, 64, 25, 3),
            "skeleton": "ntu",
            "hidden_dim": 64,
        },
        files=(file,),
        source=f"Uason-Chen/CTR-GCN, trained on {data}, {words} stream",
        licence="CC BY-NC 4.0",
        scores=(published.stated("fused", score, "publications"),),
        notes=(
            "The score is that of the logits of four streams added with the "
            "published factors; none is stated for one stream."
        ),
        **published.evaluation(test_set, transforms, stream),
    )


# Of joints, bones, their motion, skips and their motion, and all together.
_BRL_SCORES = {
    "ntu60_xsub": (76.9, 77.3, 73.0, 72.9, 76.7, 73.3, 81.8),
    "ntu60_xview": (80.7, 79.8, 78.9, 75.9, 79.9, 77.2, 85.0),
}
PRETRAINED = (
    *(
        _published(test_set, score, stream)
        for test_set, score in (("ntu60_xsub", 92.4), ("ntu120_xsub", 88.9))
        for stream in published.STREAMS
    ),
    *brl.cards("ctrgcn", _BRL_SCORES, {"form": "pyskl"}),
)
