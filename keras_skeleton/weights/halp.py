"""HaLP: published weights and the names of their tensors.

Official code: anshulbshah/HaLP; that of maoyunyao/CMD has the same names.
"""

from keras_skeleton.layers.augmentation import serialize_transforms
from keras_skeleton.layers.augmentation import upright_preprocessing
from keras_skeleton.weights import conversion
from keras_skeleton.weights import published
from keras_skeleton.weights import tensor_names as names_of
from keras_skeleton.weights.cards import File
from keras_skeleton.weights.cards import PretrainedWeights
from keras_skeleton.weights.conversion import Entry
from keras_skeleton.weights.conversion import Part

ADDRESS = "https://www.cis.jhu.edu/~ashah/HaLP/baseline_checkpoints"
QUERY, KEY = "encoder_q", "encoder_k"
# What names of a stream's tensors end in, those of prototypes apart. In a file
# of one stream, whichever it is, names have no such end.
ENDS = {
    "joint": ("", "_j"),
    "joint_motion": ("_motion", "_m"),
    "bone": ("_bone", "_b"),
}


def table(model, names=()):
    """Conversion table of a `HaLP` or a `HaLPPretext`.

    Args:
        model: The model to load into.
        names: Names of the official tensors at hand: those of an encoder by
            itself do not begin with `encoder_q`.
    """
    encoder = getattr(model, "encoder", model)
    own = conversion.system_module(encoder.system).network(encoder, names)
    if encoder is model:
        alone = any(name.startswith(("encoder.", "fc.")) for name in names)
        entries = names_of.inside(own, "" if alone else f"{QUERY}.")
        return names_of.ExactTable(tuple(entries), _parts())
    branch = [*own, *names_of.projector("fc", "projector")]
    entries, constants = [], {}
    first, *others = model.streams
    for stream in model.streams:
        end, of_prototypes = ENDS[stream] if others else ("", "")
        ours = "" if stream == first else f"{stream}/"
        prototypes = f"prototypes_{stream}"
        entries += [
            *names_of.inside(branch, f"{QUERY}{end}.", ours),
            *names_of.inside(branch, f"{KEY}{end}.", f"key_{stream}/"),
            Entry(
                f"queue{end}", f"queue_{stream}/features", conversion.transpose
            ),
            Entry(
                f"queue_ptr{end}", f"queue_{stream}/position", names_of.scalar
            ),
            Entry(f"prototypes{of_prototypes}", f"{prototypes}/vectors"),
        ]
        # Baselines have none, and no file says when new ones are due.
        constants |= {
            f"{prototypes}/vectors": 0.0,
            f"{prototypes}/countdown": -1,
        }
    return names_of.ExactTable(
        tuple(entries), _parts(others), constants=constants
    )


def network(encoder, names=()):
    """The tensors of an encoder or classifier.

    Args:
        encoder: The `HaLP`.
        names: Not used; the tensors have the same names in all files.
    """
    entries = [
        *names_of.norm("input_norm", "input_norm"),
        *names_of.linear("fc", "predictions"),
    ]
    for i in range(encoder.settings["num_layers"]):
        for end, unit in (("", "first"), ("_reverse", "second")):
            for kind, name, convert in (
                ("weight_ih", "kernel", conversion.transpose),
                ("weight_hh", "recurrent_kernel", conversion.transpose),
                ("bias_ih", "bias", None),
                ("bias_hh", "recurrent_bias", None),
            ):
                official = f"encoder.gru.{kind}_l{i}{end}"
                ours = f"gru/layer_{i}_{unit}/{name}"
                entries.append(Entry(official, ours, convert))
    return entries


def _parts(others=()):
    """The parts of a model with these streams beside the first."""
    left_out = [end for s, (end, _) in ENDS.items() if end and s not in others]
    patterns = [
        f"{kind}{end}*"
        for kind in (QUERY, KEY, "queue", "queue_ptr")
        for end in left_out
    ]
    if not others:
        patterns.append("prototypes_?")
    return {
        "head": Part(("*fc.weight", "*fc.bias"), ("predictions/*",)),
        "projector": Part(("*fc.0.*", "*fc.2.*"), ("*projector/*",)),
        "keys": Part((f"{KEY}*", "queue*"), ("key_*", "queue_*")),
        "prototypes": Part(("prototypes*",), ("prototypes_*",)),
        "other streams": Part(tuple(patterns), ()),
    }


def stream_tensors(tensors, stream):
    """The tensors of one encoder of a file of three streams.

    Args:
        tensors: Dict of official names to arrays.
        stream: `"joint"`, `"joint_motion"` or `"bone"`.

    Returns:
        Dict of those of that stream's query encoder, named as in a file of
        one stream.
    """
    begin = f"{QUERY}{ENDS[stream][0]}."
    return {
        f"{QUERY}.{name.removeprefix(begin)}": array
        for name, array in tensors.items()
        if name.startswith(begin)
    }


def build(entry, tensors):
    """The model that an official file of registered weights belongs to.

    A pre-training checkpoint belongs to a `HaLPPretext`, of all streams that
    it holds; one with a head to a classifier, and one with neither to an
    encoder.
    """
    application, pretext = conversion.classes_of(entry.system).values()
    if "queue" in tensors:
        has_prototypes = any(name.startswith("prototypes") for name in tensors)
        streams = [s for s, (e, _) in ENDS.items() if f"queue{e}" in tensors]
        dim, size = tensors["queue"].shape
        return pretext(
            **entry.configuration,
            streams=streams,
            embedding_dim=dim,
            queue_size=size,
            hallucination_weight=2.0 if has_prototypes else 0.0,
        )
    arguments = dict(entry.configuration)
    for name in (f"{QUERY}.fc.bias", "fc.bias"):
        if name in tensors:
            arguments["classes"] = tensors[name].size
    return application(**arguments)


def _baseline(name, test_set, folder, epochs):
    data = published.data_name(*test_set.rsplit("_", 1))
    file = f"checkpoint_{epochs:04}.pth.tar"
    return PretrainedWeights(
        system="halp",
        name=name,
        configuration={
            "input_shape": (2, 64, 25, 3),
            "skeleton": "ntu",
            "hidden_dim": 1024,
            "num_layers": 3,
            "backward": False,
        },
        files=(
            File(
                name=file, obtained="fetched", url=f"{ADDRESS}/{folder}/{file}"
            ),
        ),
        source=(
            f"anshulbshah/HaLP, momentum contrast on {data} for {epochs} "
            "epochs, without hallucinated positives"
        ),
        licence="none stated by the authors. For research only.",
        notes=(
            "What the published training with hallucinated positives starts "
            "from; the authors release no weights after it, and state no "
            "score of these. Of the joints, without a classification head."
        ),
        **published.evaluation(
            test_set,
            [
                *serialize_transforms(upright_preprocessing()),
                published.middle(64),
            ],
            has_head=False,
        ),
    )


PRETRAINED = (
    _baseline("ntu60_baseline", "ntu60_xsub", "ntu60_xsub_sm", 200),
    _baseline("ntu120_baseline", "ntu120_xsub", "ntu120_xsub_sm", 200),
    _baseline("pku_baseline", "pku_mmd_xsub", "pku_xsub_sm", 500),
)
