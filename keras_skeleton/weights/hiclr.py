"""HiCLR: published weights and the names of their tensors.

Official code: JHang2020/HiCLR.
"""

from keras_skeleton.weights import conversion
from keras_skeleton.weights import stgcn
from keras_skeleton.weights import tensor_names as names_of
from keras_skeleton.weights.conversion import Entry

network = stgcn.network


def table(model, names=()):
    """Conversion table of a `HiCLR` or a `HiCLRPretext`.

    Args:
        model: The model to load into.
        names: Names of the official tensors at hand.
    """
    encoder = getattr(model, "encoder", model)
    if encoder is model:
        return stgcn.table(model, names)
    own = conversion.system_module(encoder.system)
    branch = [
        *own.network(encoder, names),
        *names_of.projector("fc", "projector"),
    ]
    entries = [
        *names_of.inside(branch, stgcn.QUERY),
        *names_of.inside(branch, stgcn.KEY, f"key_{model.stream}/"),
        *names_of.queue("queue", f"queue_{model.stream}"),
        Entry("mask_param", "joint_mask/value"),
    ]
    return names_of.ExactTable(
        tuple(entries), stgcn.parts(stgcn.QUERY), stgcn.IGNORED
    )


def build(entry, tensors):
    """The model that an official file of registered weights belongs to."""
    application, pretext = conversion.classes_of(entry.system).values()
    if "queue" not in tensors:
        return stgcn.build(entry, tensors)
    return pretext(
        **entry.configuration,
        embedding_dim=tensors["queue"].shape[0],
        queue_size=tensors["queue"].shape[1],
    )


PRETRAINED = ()
