"""HiCLR: published weights and the names of their tensors.

Official code: JHang2020/HiCLR.
"""

from keras_skeleton.weights import conversion
from keras_skeleton.weights import tensor_names as names_of
from keras_skeleton.weights.conversion import Entry
from keras_skeleton.weights.conversion import Part

QUERY, KEY = "encoder_q.", "encoder_k."


def table(model, names=()):
    """Conversion table of a `HiCLR` or a `HiCLRPretext`.

    Args:
        model: The model to load into.
        names: Names of the official tensors at hand.
    """
    encoder = getattr(model, "encoder", model)
    own = conversion.system_module(
        "stgcn" if encoder.system == "hiclr" else encoder.system
    )
    network = own.network(encoder, names)
    if encoder is model:
        entries = [*network, *names_of.linear("fc", "predictions")]
        prefix = prefix_of(names)
        entries = names_of.inside(entries, prefix)
        return names_of.ExactTable(tuple(entries), parts(prefix))
    branch = [*network, *names_of.projector("fc", "projector")]
    entries = [
        *names_of.inside(branch, QUERY),
        *names_of.inside(branch, KEY, f"key_{model.stream}/"),
        *names_of.queue("queue", f"queue_{model.stream}"),
        Entry("mask_param", "joint_mask/value"),
    ]
    return names_of.ExactTable(tuple(entries), parts(QUERY))


def prefix_of(names):
    """What the names of a file begin with."""
    return QUERY if any(name.startswith(QUERY) for name in names) else ""


def parts(prefix):
    """The parts of files whose names begin with a prefix."""
    return {
        "head": Part((f"{prefix}fc.*",), ("head_norm/*", "predictions/*")),
        "projector": Part((f"{prefix}fc.*",), ("projector/*",)),
        "key": Part((f"{KEY}*",), ("key_*",)),
        "queue": Part(("queue*",), ("queue_*",)),
        "mask": Part(("mask_param",), ("joint_mask/*",)),
    }


def build(entry, tensors):
    """The model that an official file of registered weights belongs to."""
    application, pretext = conversion.classes_of(entry.system).values()
    if "queue" not in tensors:
        return conversion.build_classifier(
            entry, tensors, f"{prefix_of(tensors)}fc.bias"
        )
    return pretext(
        **entry.configuration,
        embedding_dim=tensors["queue"].shape[0],
        queue_size=tensors["queue"].shape[1],
    )


PRETRAINED = ()
