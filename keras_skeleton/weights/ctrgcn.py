"""CTR-GCN: published weights and the names of their tensors.

Official code: Uason-Chen/CTR-GCN.
"""

from keras_skeleton.weights import conversion
from keras_skeleton.weights import published
from keras_skeleton.weights import tensor_names as names_of
from keras_skeleton.weights.cards import File
from keras_skeleton.weights.cards import PretrainedWeights
from keras_skeleton.weights.conversion import Part

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


build = conversion.build_classifier


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


PRETRAINED = tuple(
    _published(test_set, score, stream)
    for test_set, score in (("ntu60_xsub", 92.4), ("ntu120_xsub", 88.9))
    for stream in published.STREAMS
)
