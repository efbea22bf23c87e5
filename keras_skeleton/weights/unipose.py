"""UniPose: names of the tensors of C3P, and of PointNet++ as a start.

UniPose itself published no weights.
"""

import collections.abc

import numpy as np

from keras_skeleton.weights import conversion
from keras_skeleton.weights import tensor_names as names_of
from keras_skeleton.weights.cards import File
from keras_skeleton.weights.cards import PretrainedWeights
from keras_skeleton.weights.cards import Score
from keras_skeleton.weights.conversion import transpose
from keras_skeleton.weights.reader import read_tensors


def table(model, names=()):
    """Conversion table of a `UniPose`.

    Args:
        model: The model to load into, or one that trains it.
        names: Not used; the tensors have the same names in all files.
    """
    model = getattr(model, "model", model)
    make = {
        "hourglass": _hourglasses,
        "point_transformer": _point_transformer,
        "voting": _voting,
    }[model.settings["network"]]
    return names_of.ExactTable(tuple(make(model.settings)), {})


def _hourglasses(settings):
    entries, heads = [], settings["head_dim"]
    depth = 1 if isinstance(heads, int) else len(heads)
    for stage in range(1, settings["num_stages"] + 1):
        ours = f"stage_{stage}"
        for theirs, name in (("SA", "abstraction"), ("FP", "propagation")):
            for i, widths in enumerate(settings[f"{name}_widths"], 1):
                for k in range(len(widths)):
                    entries += _layer(
                        f"{theirs}{stage}{i}.mlp_layers.{3 * k}",
                        f"{theirs}{stage}{i}.mlp_layers.{3 * k + 1}",
                        f"{ours}_{name}_{i}",
                        k,
                    )
        for i, kind in enumerate(("heat", "vectors"), 1):
            head = f"netG{stage}{i}.layers"
            for k in range(depth):
                entries += _layer(
                    f"{head}.0.{3 * k}",
                    f"{head}.0.{3 * k + 1}",
                    f"{ours}_{kind}_hidden",
                    k,
                )
            entries += names_of.pointwise(f"{head}.2", f"{ours}_{kind}")
    return entries


def _voting(settings):
    """The names of PointNet++, and ours for what it does not have."""
    return [
        entry
        for i, widths in enumerate(settings["abstraction_widths"], 1)
        for k in range(len(widths))
        for entry in _layer(
            f"sa{i}.mlp_convs.{k}",
            f"sa{i}.mlp_bns.{k}",
            f"stage_1_abstraction_{i}",
            k,
        )
    ]


def _layer(convolution, norm, ours, number, kernel=None):
    """A pointwise convolution and its batch normalization."""
    return [
        *names_of.linear(
            convolution,
            f"{ours}/dense_{number}",
            kernel or names_of.pointwise_kernel,
        ),
        *names_of.norm(norm, f"{ours}/norm_{number}"),
    ]


def _point_transformer(settings):
    count = len(settings["num_centers"])
    entries = [
        *_mlp("backbone.fc1", "embedding", 2),
        *_attention("backbone.transformer1", "attention_down_0"),
        *_mlp("fc2", "bottom", 3),
        *_attention("transformer2", "attention_bottom"),
        *_mlp("H_fc3", "heat", 3),
        *_mlp("O_fc3", "vectors", 3),
    ]
    for i in range(count):
        down = f"backbone.transition_downs.{i}.sa"
        for k in (0, 1):
            entries += _layer(
                f"{down}.mlp_convs.{k}",
                f"{down}.mlp_bns.{k}",
                f"down_{i + 1}",
                k,
            )
        entries += _attention(
            f"backbone.transformers.{i}", f"attention_down_{i + 1}"
        )
        level = count - 1 - i
        for part, name in (("fc1", "coarse"), ("fc2", "skip")):
            up = f"transition_ups.{i}.{part}"
            entries += _layer(
                f"{up}.0", f"{up}.2", f"up_{level}_{name}", 0, transpose
            )
        entries += _attention(f"transformers.{i}", f"attention_up_{level}")
    return entries


def _mlp(official, ours, count):
    return [
        entry
        for i in range(count)
        for entry in names_of.linear(f"{official}.{2 * i}", f"{ours}_{i}")
    ]


def _attention(official, ours):
    entries = []
    for theirs, name in (
        ("fc1", "expand"),
        ("fc2", "projection"),
        ("fc_delta.0", "place_hidden"),
        ("fc_delta.2", "place_output"),
        ("fc_gamma.0", "score_hidden"),
        ("fc_gamma.2", "score_output"),
    ):
        entries += names_of.linear(f"{official}.{theirs}", f"{ours}/{name}")
    for theirs, name in (("qs", "query"), ("ks", "key"), ("vs", "value")):
        weight, _ = names_of.linear(f"{official}.w_{theirs}", f"{ours}/{name}")
        entries.append(weight)
    return entries


def pointnet2_arrays(model, source):
    """The layers of a PointNet++ of classes that `"voting"` starts from.

    Args:
        model: The `UniPose`.
        source: Path of the file, or dict of official names to arrays.

    Returns:
        Dict of arrays by the paths of variables.

    Raises:
        ValueError: If tensors are missing or of another shape.
    """
    if isinstance(source, collections.abc.Mapping):
        label, tensors = "The given tensors", dict(source)
    else:
        label, tensors = str(source), read_tensors(source)
    arrays, missing, mismatched = {}, [], []
    variables = conversion.variables_of(model)
    for entry in _voting(model.settings):
        if entry.official not in tensors:
            missing.append(entry.official)
            continue
        array = np.asarray(tensors[entry.official])
        array = entry.convert(array) if entry.convert else array
        shape = tuple(variables[entry.variable].shape)
        if array.shape != shape:
            mismatched.append(f"{entry.official} {array.shape} for {shape}")
        arrays[entry.variable] = array
    conversion.check(label, model, missing, [], mismatched)
    return arrays


def build(entry, tensors):
    """The model that a file of registered weights belongs to."""
    application, *_ = conversion.classes_of(entry.system).values()
    return application(**entry.configuration)


_NOTES = (
    "The file is a dict whose entry `state_dict` holds the tensors. Trained "
    "on clouds prepared by C3P's authors: 2048 points of a person in their "
    "box, with normals. UniPose itself published no weights; these are of its "
    "predecessor."
)


def _published(name, file, page, data_set, skeleton, share, notes="", **others):
    protocol = {"itop": "front", "panoptic": "c3p"}[data_set]
    return PretrainedWeights(
        system="unipose",
        name=name,
        configuration={
            "input_shape": (1 if data_set == "itop" else 8, 2048, 6),
            "skeleton": skeleton,
            **others,
        },
        files=(File(name=file, obtained="by hand", page=page),),
        source="wucunlin/C3P, trained without 3D labels",
        licence="GPL-2.0 of the repository; none stated for the weights.",
        recipe={
            "data_set": data_set,
            "protocol": protocol,
            "transforms": [],
            "stream": None,
        },
        scores=(
            Score(
                "mAP at 10 cm", "weak", percent=share, stated_by="the authors"
            ),
        ),
        notes=f"{_NOTES} {notes}".strip(),
    )


_DRIVE = "https://drive.google.com/file/d/{}/view"
PRETRAINED = (
    _published(
        "itop",
        "checkpointbest.pth.tar",
        _DRIVE.format("1XE3M4h5Lf9OxVWSQwKoolDpd9xF4xUch"),
        "itop",
        "itop15",
        84.5,
        num_candidates=25,
    ),
    _published(
        "panoptic",
        "checkpoint6.1cm.pth.tar",
        _DRIVE.format("1zjuVIOWQ_FSH4_pq0Acm7Hvjmbs8pUY4"),
        "panoptic",
        "coco17",
        89.4,
    ),
    _published(
        "panoptic_transformer",
        "checkpointPT5.3cm.pth.tar",
        "https://github.com/wucunlin/C3P",
        "panoptic",
        "coco17",
        93.8,
        "The code names the file, but the repository gives no address of it.",
        network="point_transformer",
    ),
)
