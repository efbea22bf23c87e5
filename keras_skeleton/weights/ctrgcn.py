"""CTR-GCN: published weights and the names of their tensors.

Official code: Uason-Chen/CTR-GCN.
"""

from keras_skeleton.weights import tensor_names as names_of
from keras_skeleton.weights.conversion import Part
from keras_skeleton.weights.registry import PretrainedWeights

PARTS = {"head": Part(("fc.*",), ("head_norm/*", "predictions/*"))}


def table(model, names=()):
    """Conversion table of a `CTRGCN`.

    Args:
        model: The model to load into.
        names: Not used; the tensors have the same names in all files.
    """
    entries = [
        *names_of.norm("data_bn", "input_norm"),
        *names_of.linear("fc", "predictions"),
    ]
    for i, block in enumerate(model.blocks):
        entries += names_of.block(block, f"l{i + 1}", f"block_{i}")
    return names_of.ExactTable(tuple(entries), PARTS)


def build(entry, tensors):
    """The model that an official file of registered weights belongs to."""
    from keras_skeleton import applications

    return applications.CTRGCN(
        **entry.configuration, classes=tensors["fc.bias"].size
    )


_STREAMS = ("joint", "bone", "joint_motion", "bone_motion")


def _published(protocol, data, classes, score, stream):
    words = stream.replace("_", " ")
    return PretrainedWeights(
        system="ctrgcn",
        name=f"{protocol}_{stream}",
        configuration={
            "input_shape": (2, 64, 25, 3),
            "skeleton": "ntu",
            "hidden_dim": 64,
        },
        obtained="by hand",
        source=f"Uason-Chen/CTR-GCN, trained on {data} X-sub, {words} stream",
        page=(
            "https://drive.google.com/drive/folders/"
            "1C9XUAgnwrGelvl4mGGVZQW6akiapgdnd"
        ),
        file_name=(
            f"the {words} checkpoint of {data} X-sub (its name has the form "
            "runs-<epoch>-<step>.pt)"
        ),
        licence="CC BY-NC 4.0",
        scores={"four streams fused, top-1": score},
        classes=classes,
        preprocessing=(
            f"{data} X-sub, middle 95 % of the frames resized to 64, {words} "
            "stream, in metres"
        ),
        notes=(
            "The score is that of the logits of four streams added with the "
            "published factors, as publications state it; none is stated for "
            "one stream."
        ),
    )


PRETRAINED = tuple(
    _published(*protocol, stream)
    for protocol in (
        ("ntu60_xsub", "NTU RGB+D 60", 60, 92.4),
        ("ntu120_xsub", "NTU RGB+D 120", 120, 88.9),
    )
    for stream in _STREAMS
)
