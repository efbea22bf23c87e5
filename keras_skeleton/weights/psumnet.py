"""PSUMNet: published weights and the names of their tensors.

Official code: skelemoa/psumnet.
"""

from keras_skeleton.weights import conversion
from keras_skeleton.weights import published
from keras_skeleton.weights import tensor_names as names_of
from keras_skeleton.weights.cards import File
from keras_skeleton.weights.cards import PretrainedWeights
from keras_skeleton.weights.conversion import Part

PARTS = {
    "head": Part(
        ("fc.*", "*.fc.*"),
        ("head_norm/*", "predictions/*", "*_predictions/*"),
    )
}


def table(model, names=()):
    """Conversion table of a `PSUMNet`.

    In a model of all three networks, names begin with the part they belong
    to, for example `hand.fc.weight`: there are no official files of these.

    Args:
        model: The model to load into.
        names: Not used; the tensors have the same names in all files.
    """
    entries = []
    for part in model.parts:
        ours = model.prefix(part)
        official = ours.replace("_", ".")
        entries += [
            *names_of.norm(f"{official}data_bn", f"{ours}input_norm"),
            *names_of.linear(f"{official}fc", f"{ours}predictions"),
        ]
        for i, block in enumerate(model.blocks(part)):
            entries += names_of.block(
                block, f"{official}layers.{i}", f"{ours}block_{i}"
            )
    return names_of.ExactTable(tuple(entries), PARTS)


build = conversion.build_classifier


def _published(test_set, score):
    data = published.data_name(*test_set.split("_"))
    file = File(
        name=(
            f"the weights of the body's network for {data} in the archive "
            "(its name has the form runs-<epoch>-<step>.pt)"
        ),
        obtained="by hand",
        page=(
            "https://drive.google.com/file/d/"
            "1trlUTJTuE7TdXarzVVAqTmnw52Z9MK8E/view"
        ),
    )
    # Joints, bones and the motion of both, as channels.
    transforms = [
        published.middle(64),
        published.transform("Streams", skeleton="ntu"),
    ]
    return PretrainedWeights(
        system="psumnet",
        name=f"{test_set}_body",
        configuration={
            "input_shape": (2, 64, 25, 12),
            "skeleton": "ntu",
            "part": "body",
            "bones": "published",
            "hidden_dim": 64,
        },
        files=(file,),
        source=f"skelemoa/psumnet, trained on {data}, body's network",
        licence="CC BY-NC 4.0",
        scores=(published.stated("fused", score, "the authors"),),
        notes=(
            "The score is that of the logits of the networks of the body, "
            "the hands and the legs added with the published factors; none "
            "is stated for the body's network alone."
        ),
        **published.evaluation(test_set, transforms, "body"),
    )


PRETRAINED = (_published("ntu60_xsub", 92.9), _published("ntu120_xsub", 89.4))
