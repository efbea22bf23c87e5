"""HaLP: published weights and the names of their tensors.

Official code: anshulbshah/HaLP; that of maoyunyao/CMD has the same names.
"""

from keras_skeleton.weights import conversion
from keras_skeleton.weights import published
from keras_skeleton.weights import tensor_names as names_of
from keras_skeleton.weights.cards import File
from keras_skeleton.weights.cards import PretrainedWeights
from keras_skeleton.weights.conversion import ConversionTable
from keras_skeleton.weights.conversion import Entry
from keras_skeleton.weights.conversion import Part

ADDRESS = "https://www.cis.jhu.edu/~ashah/HaLP/baseline_checkpoints"
QUERY, KEY = "encoder_q", "encoder_k"
# Streams by what their tensors' names end in; a file of one stream, whichever
# it is, has the names without an end.
ENDS = {"joint": "", "motion": "_motion", "bone": "_bone"}
PROTOTYPES = {"joint": "_j", "motion": "_m", "bone": "_b"}


def table(model, names=()):
    """Conversion table of a `HaLP` or a `HaLPPretext`.

    Args:
        model: The model to load into.
        names: Names of the official tensors at hand: those of an encoder by
            itself do not begin with `encoder_q`.
    """
    alone = any(name.startswith(("encoder.", "input_norm.")) for name in names)
    alone = alone or any(name.startswith("fc.") for name in names)
    streams = list(getattr(model, "queries", ["joint"]))
    entries, constants = [], {}
    for i, stream in enumerate(streams):
        end = ENDS[stream] if i else ""
        query = "" if alone else f"{QUERY}{end}."
        entries += [
            *_branch(query, f"{stream}/" if i else ""),
            *_branch(f"{KEY}{end}.", f"key_{stream}/"),
            Entry(
                f"queue{end}", f"queue_{stream}/features", conversion.transpose
            ),
            Entry(f"queue_ptr{end}", f"queue_{stream}/position", _scalar),
            Entry(
                f"prototypes{PROTOTYPES[stream] if len(streams) > 1 else ''}",
                f"prototypes_{stream}/vectors",
            ),
        ]
        # The baselines have none, and no file says when new ones are due.
        constants |= {
            f"prototypes_{stream}/vectors": 0.0,
            f"prototypes_{stream}/countdown": -1,
        }
    unused = set(ENDS.values()) - {ENDS[stream] for stream in streams[1:]}
    return ConversionTable(
        tuple(entries), _parts(unused - {""}), constants=constants
    )


def _parts(unused_ends):
    others = tuple(
        f"{kind}{end}*"
        for end in sorted(unused_ends)
        for kind in (QUERY, KEY, "queue", "queue_ptr")
    )
    return {
        "head": Part(("*fc.weight", "*fc.bias"), ("predictions/*",)),
        "projector": Part(("*fc.0.*", "*fc.2.*"), ("*projector_*",)),
        "keys": Part((f"{KEY}*", "queue*"), ("key_*", "queue_*")),
        "prototypes": Part(("prototypes*",), ("prototypes_*",)),
        "other streams": Part(others, ()),
    }


def _branch(official, ours):
    return [
        *names_of.norm(f"{official}input_norm", f"{ours}input_norm"),
        *(
            entry
            for end, unit in (("", "first"), ("_reverse", "second"))
            for entry in _unit(
                f"{official}encoder.gru.{{kind}}_l{{i}}{end}",
                f"{ours}gru/layer_{{i}}_{unit}",
            )
        ),
        *names_of.linear(f"{official}fc", f"{ours}predictions"),
        *names_of.linear(f"{official}fc.0", f"{ours}projector_hidden"),
        *names_of.linear(f"{official}fc.2", f"{ours}projector_output"),
    ]


def _unit(official, ours):
    """One direction of one layer."""
    return [
        Entry(official.replace("{kind}", kind), f"{ours}/{name}", convert)
        for kind, name, convert in (
            ("weight_ih", "kernel", conversion.transpose),
            ("weight_hh", "recurrent_kernel", conversion.transpose),
            ("bias_ih", "bias", None),
            ("bias_hh", "recurrent_bias", None),
        )
    ]


def _scalar(array):
    return array.reshape(())


def stream_tensors(tensors, stream):
    """The tensors of one encoder of a file of three streams.

    Args:
        tensors: Dict of official names to arrays.
        stream: `"joint"`, `"motion"` or `"bone"`.

    Returns:
        Dict of those of that stream's query encoder, named as in a file of
        one stream.
    """
    begin = f"{QUERY}{ENDS[stream]}."
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
        streams = [s for s, end in ENDS.items() if f"queue{end}" in tensors]
        dim, size = tensors["queue"].shape
        return pretext(
            **entry.configuration,
            streams=streams,
            embedding_dim=dim,
            queue_size=size,
            distillation_weight=1.0 if len(streams) > 1 else 0.0,
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
            test_set, [published.middle(64)], has_head=False
        ),
    )


PRETRAINED = (
    _baseline("ntu60_baseline", "ntu60_xsub", "ntu60_xsub_sm", 200),
    _baseline("ntu120_baseline", "ntu120_xsub", "ntu120_xsub_sm", 200),
    _baseline("pku_baseline", "pku_mmd_xsub", "pku_xsub_sm", 500),
)
