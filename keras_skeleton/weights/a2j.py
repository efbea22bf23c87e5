"""A2J: published weights, and the names of their tensors.

Official code: zhangboshen/A2J. The network has the names of torchvision's
ResNet-50 after `Backbone.model`; heads are `classificationModel` (weights of
anchors), `regressionModel` (offsets) and `DepthRegressionModel`.
"""

from keras_skeleton.weights import tensor_names as names_of
from keras_skeleton.weights.cards import File
from keras_skeleton.weights.cards import PretrainedWeights

BACKBONE = "Backbone.model"
HEADS = {
    "weights": "classificationModel",
    "offsets": "regressionModel",
    "depths": "DepthRegressionModel",
}
# The classes of ImageNet, which nothing uses.
IGNORED = ("*num_batches_tracked", f"{BACKBONE}.fc.*")


def table(model, names=()):
    """Conversion table of an `A2J`.

    Args:
        model: The model to load into.
        names: Not used; the tensors have the same names in all files.
    """
    entries = _normalized(f"{BACKBONE}.conv1", f"{BACKBONE}.bn1", "stem")
    for stage, count in enumerate(model.settings["blocks"]):
        for i in range(count):
            entries += _block(
                f"{BACKBONE}.layer{stage + 1}.{i}", f"stage_{stage}_block_{i}"
            )
    for ours, official in HEADS.items():
        entries += head(official, ours, model.settings["head_layers"])
    return names_of.ExactTable(tuple(entries), {}, IGNORED)


def head(official, ours, layers):
    """A head of that many convolutions before its last."""
    entries = names_of.linear(f"{official}.output", f"{ours}_output", kernel)
    for i in range(layers):
        entries += _normalized(
            f"{official}.conv{i + 1}",
            f"{official}.bn{i + 1}",
            f"{ours}_convolution_{i}",
        )
    return entries


def kernel(array):
    """(outputs, inputs, rows, columns) to (rows, columns, inputs, outputs)."""
    if array.ndim != 4:
        raise ValueError("expected a convolution, (out, in, rows, columns)")
    return array.transpose(2, 3, 1, 0)


def _normalized(convolution, norm, ours):
    return [
        *names_of.linear(convolution, f"{ours}/convolution", kernel),
        *names_of.norm(norm, f"{ours}/norm"),
    ]


def _block(official, ours):
    entries = _normalized(
        f"{official}.downsample.0",
        f"{official}.downsample.1",
        f"{ours}/shortcut",
    )
    for number, layer in enumerate(("narrow", "convolution", "widen"), 1):
        entries += _normalized(
            f"{official}.conv{number}",
            f"{official}.bn{number}",
            f"{ours}/{layer}",
        )
    return entries


def build(entry, tensors):
    """The model that an official file of registered weights belongs to.

    Args:
        entry: The `PretrainedWeights`.
        tensors: Dict of official names to arrays.
    """
    from keras_skeleton import applications

    name = f"{HEADS['depths']}.output.bias"
    if name not in tensors:
        raise ValueError(
            f"The file is none of {entry.name!r}: it has no tensor {name!r}. "
            f"It holds {', '.join(sorted(tensors)[:5]) or 'nothing'}, ..."
        )
    return applications.A2J(**entry.configuration)


def _card(view, mean, deviation, percent):
    return PretrainedWeights(
        system="a2j",
        name=f"itop_{view}",
        configuration={"input_shape": (1, 288, 288, 1), "skeleton": "itop15"},
        files=(
            File(
                name=f"ITOP_{view}.pth",
                obtained="by hand",
                page=(
                    "https://drive.google.com/open?id="
                    "1fGe3K1mO934WPZEkHLCX7MNgmmgzRX4z"
                ),
            ),
        ),
        source=f"zhangboshen/A2J, trained on ITOP, view from the {view}",
        licence="MIT",
        recipe={
            "data_set": "itop",
            "protocol": view,
            "transforms": [],
            "stream": None,
        },
        notes=(
            "Crops of 288 x 288 pixels, nearest neighbour, normalized by mean "
            f"{mean} and deviation {deviation} (metres). The authors state "
            f"{percent} % of joints within 10 cm of the {FRAMES} valid test "
            "frames, with the given boxes; not measured by us."
        ),
    )


# Valid test frames of each view.
FRAMES = 4863
PRETRAINED = (
    _card("side", 3.44405, 0.540398, 88.0),
    _card("top", 2.143078, 0.609971, 80.5),
)
