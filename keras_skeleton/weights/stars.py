"""STARS: published weights and the names of their tensors.

Official code: TaatiTeam/STARS.
"""

from keras_skeleton.weights import conversion
from keras_skeleton.weights import mamp
from keras_skeleton.weights import published
from keras_skeleton.weights import tensor_names as names_of
from keras_skeleton.weights.cards import File
from keras_skeleton.weights.cards import PretrainedWeights
from keras_skeleton.weights.conversion import ConversionTable
from keras_skeleton.weights.conversion import Entry
from keras_skeleton.weights.conversion import Part

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
        *names_of.norm("head.projector.0", "tuning_head/projector"),
        *names_of.linear("head.predictor.0", "tuning_head/predictor_hidden"),
        *names_of.norm("head.predictor.1", "tuning_head/predictor_norm"),
        *names_of.linear("head.predictor.3", "tuning_head/predictor_output"),
    ]
    entries = [
        *names_of.inside(entries, STUDENT),
        *names_of.inside(entries, TEACHER, "key_joint/"),
    ]
    for queue in ("queue", "queue_joint"):
        entries += names_of.queue("queue", queue)
        entries.append(Entry("queue_id", f"{queue}/sample"))
    return ConversionTable(tuple(entries), PARTS, constants=network.constants)


def build(entry, tensors):
    """The model that an official file of registered weights belongs to."""
    application, pretext, *_ = conversion.classes_of(entry.system).values()
    if "queue" not in tensors:
        return application(**entry.configuration)
    return pretext(
        **entry.configuration,
        predictor_dim=len(tensors[f"{STUDENT}head.predictor.0.weight"]),
        queue_size=tensors["queue"].shape[1],
    )


def _published(name, test_set, file_name, source, **scores):
    data = published.data_name(*test_set.rsplit("_", 1))
    file = File(
        name=f"the {data} weights (likely {file_name})",
        obtained="by hand",
        page=(
            "https://drive.google.com/drive/folders/"
            "1xIEo8ZVBAb3QyvNsWxMXb9hDPDa8Fjay"
        ),
    )
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
        files=(file,),
        source=f"TaatiTeam/STARS, the encoder of MAMP tuned on {data}",
        licence=(
            "MIT by the repository's licence file; the MAMP weights that were "
            "tuned have none. For research only."
        ),
        scores=tuple(
            published.stated(kind, percent, source)
            for kind, percent in scores.items()
        ),
        notes=(
            "The authors select the checkpoint that is best on the test "
            "labels. Beside the encoder the file holds the head and the queue "
            "of the tuning, and no classification head."
        ),
        **published.evaluation(
            test_set, [published.middle(120)], has_head=False
        ),
    )


PRETRAINED = (
    *(
        _published(
            name,
            test_set,
            f"clrtuning_second_{test_set}.pt",
            "the authors",
            **dict(zip(("linear", "1-nn", "finetuned"), scores, strict=True)),
        )
        for name, test_set, *scores in (
            ("ntu60", "ntu60_xsub", 87.1, 79.9, 93.0),
            ("ntu60_xview", "ntu60_xview", 90.9, 88.6, 97.5),
            ("ntu120_xsub", "ntu120_xsub", 79.9, 67.6, 89.9),
            ("ntu120_xset", "ntu120_xset", 80.8, 67.7, 91.4),
        )
    ),
    _published(
        "pku",
        "pku_mmd_xsub",
        "clrtuning_second_pku.pt",
        "others, for phase II",
        linear=52.7,
    ),
)
