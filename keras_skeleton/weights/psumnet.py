"""PSUMNet: published weights and the names of their tensors.

Official code: skelemoa/psumnet.
"""

from keras_skeleton.weights import tensor_names as names_of
from keras_skeleton.weights.conversion import Part
from keras_skeleton.weights.registry import PretrainedWeights

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


def build(entry, tensors):
    """The model that an official file of registered weights belongs to."""
    from keras_skeleton import applications

    return applications.PSUMNet(
        **entry.configuration, classes=tensors["fc.bias"].size
    )


def _published(protocol, data, classes, score):
    return PretrainedWeights(
        system="psumnet",
        name=f"{protocol}_body",
        configuration={
            "input_shape": (2, 64, 25, 12),
            "skeleton": "ntu",
            "part": "body",
            "bones": "published",
            "hidden_dim": 64,
        },
        obtained="by hand",
        source=f"skelemoa/psumnet, trained on {data} X-sub, body's network",
        page=(
            "https://drive.google.com/file/d/"
            "1trlUTJTuE7TdXarzVVAqTmnw52Z9MK8E/view"
        ),
        file_name=(
            f"the weights of the body's network for {data} X-sub in the "
            "archive (its name has the form runs-<epoch>-<step>.pt)"
        ),
        licence="CC BY-NC 4.0",
        scores={"three networks fused, top-1": score},
        classes=classes,
        preprocessing=(
            f"{data} X-sub, middle 95 % of the frames resized to 64, joints, "
            "bones and the motion of both as channels, in metres"
        ),
        notes=(
            "The score is that of the logits of the networks of the body, "
            "the hands and the legs added with the published factors, as the "
            "authors' repository states it; none is stated for the body's "
            "network alone."
        ),
    )


PRETRAINED = (
    _published("ntu60_xsub", "NTU RGB+D 60", 60, 92.9),
    _published("ntu120_xsub", "NTU RGB+D 120", 120, 89.4),
)
