"""STARS: published weights and the names of their tensors.

Official code: TaatiTeam/STARS.
"""

import dataclasses

from keras_skeleton.weights import mamp
from keras_skeleton.weights.conversion import ConversionTable
from keras_skeleton.weights.conversion import Entry
from keras_skeleton.weights.conversion import Part
from keras_skeleton.weights.conversion import transpose
from keras_skeleton.weights.registry import PretrainedWeights
from keras_skeleton.weights.tensor_names import linear
from keras_skeleton.weights.tensor_names import norm

STUDENT, TEACHER = "encoder_student.", "encoder_teacher."
PARTS = {
    "head": mamp.PARTS["head"],
    "tuning": Part(
        (f"{STUDENT}head.*", "queue*"), ("tuning_head/*", "queue*/*")
    ),
    "teacher": Part((f"{TEACHER}*",), ("key_joint/*",)),
}


def table(model, names=()):
    """Conversion table of a `STARS`, a `STARSPretext` or a `STARSMoCo`.

    Args:
        model: The model to load into.
        names: Names of the official tensors at hand: those of downstream
            training, and of the pre-training before, are MAMP's.
    """
    network = mamp.table(model, names)
    if "temp_embed" in names:
        return network
    entries = [
        *network.entries,
        *norm("head.projector.0", "tuning_head/projector"),
        *linear("head.predictor.0", "tuning_head/predictor_hidden"),
        *norm("head.predictor.1", "tuning_head/predictor_norm"),
        *linear("head.predictor.3", "tuning_head/predictor_output"),
    ]
    entries = [
        dataclasses.replace(
            entry,
            official=official + entry.official,
            variable=ours + entry.variable,
        )
        for official, ours in ((STUDENT, ""), (TEACHER, "key_joint/"))
        for entry in entries
    ]
    for queue in ("queue", "queue_joint"):
        entries += [
            Entry("queue", f"{queue}/features", transpose),
            Entry("queue_ptr", f"{queue}/position", _scalar),
            Entry("queue_id", f"{queue}/sample"),
        ]
    return ConversionTable(tuple(entries), PARTS, constants=network.constants)


def _scalar(array):
    return array.reshape(())


def build(entry, tensors):
    """The model that an official file of registered weights belongs to."""
    from keras_skeleton import applications

    if "queue" not in tensors:
        return applications.STARS(**entry.configuration)
    return applications.STARSPretext(
        **entry.configuration,
        predictor_dim=len(tensors[f"{STUDENT}head.predictor.0.weight"]),
        queue_size=tensors["queue"].shape[1],
    )


def _published(name, data, file_name, linear, neighbor, finetuned):
    scores = {
        "linear probe, top-1": linear,
        "nearest neighbour, top-1": neighbor,
        "fine-tuned, top-1": finetuned,
    }
    return PretrainedWeights(
        system="stars",
        name=name,
        configuration={
            "input_shape": (2, 120, 25, 3),
            "skeleton": "ntu",
            "hidden_dim": 256,
            "num_layers": 8,
            "num_heads": 8,
            "mlp_ratio": 4,
            "segment_length": 4,
            "joints_per_patch": 1,
            "use_qkv_bias": True,
        },
        obtained="by hand",
        source=f"TaatiTeam/STARS, MAMP's encoder tuned on {data}",
        page=(
            "https://drive.google.com/drive/folders/"
            "1xIEo8ZVBAb3QyvNsWxMXb9hDPDa8Fjay"
        ),
        file_name=f"the {data} weights (likely {file_name})",
        licence=(
            "MIT by the repository's licence file; the MAMP weights that were "
            "tuned have none. For research only."
        ),
        scores={k: score for k, score in scores.items() if score is not None},
        preprocessing=(
            f"{data}, middle 95 % of the frames resized to 120, in metres"
        ),
        notes=(
            "Scores as the authors' repository states them, for PKU-MMD as a "
            "publication about it does. The checkpoint that the authors "
            "select is the best one on test labels. Beside the encoder it "
            "holds the head and the queue of the tuning."
        ),
    )


PRETRAINED = tuple(
    _published(name, data, f"clrtuning_second_{file}.pt", *scores)
    for name, data, file, *scores in (
        ("ntu60", "NTU RGB+D 60 X-sub", "ntu60_xsub", 87.1, 79.9, 93.0),
        ("ntu60_xview", "NTU RGB+D 60 X-view", "ntu60_xview", 90.9, 88.6, 97.5),
        ("ntu120_xsub", "NTU RGB+D 120 X-sub", "ntu120_xsub", 79.9, 67.6, 89.9),
        ("ntu120_xset", "NTU RGB+D 120 X-set", "ntu120_xset", 80.8, 67.7, 91.4),
        ("pku", "PKU-MMD II X-sub", "pku", 52.7, None, None),
    )
)
