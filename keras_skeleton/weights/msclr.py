"""MS-CLR and AimCLR: the names of their tensors.

Official code: 3Dwe-ai/ms-clr, alvaroritter/AimCLR and Levigty/AimCLR.
"""

import functools
import re

from keras_skeleton.weights import conversion
from keras_skeleton.weights import hiclr
from keras_skeleton.weights import stgcn
from keras_skeleton.weights import tensor_names as names_of
from keras_skeleton.weights.conversion import Entry
from keras_skeleton.weights.conversion import Part
from keras_skeleton.weights.hiclr import KEY
from keras_skeleton.weights.hiclr import QUERY

# Our names of layouts, by the authors'.
LAYOUTS = {
    "ntu-rgb+d": "ntu",
    "smpl_24": "smpl24",
    "smplx_42": "smplx42",
    "berkeley_mhad_43": "berkeley_mhad43",
}
PRETRAINED = ()


def table(model, names=()):
    """Conversion table of an `MSCLR`, `MSCLRPretext` or `AimCLRPretext`.

    Args:
        model: The model to load into.
        names: Names of the official tensors at hand: those of AimCLR do not
            say the layout, as there is only one.
    """
    encoder = getattr(model, "encoder", model)
    is_branch = encoder is not model
    prefix = QUERY if is_branch else hiclr.prefix_of(names)
    found = layouts_of(names)
    official = {
        ours: None if f"{prefix}A" in names else theirs
        for theirs, ours in {**LAYOUTS, **found}.items()
    }
    own = {
        name: (official.get(name, name), layout.num_joints)
        for name, layout in encoder.layouts.items()
    }
    entries = network(encoder, own)
    if is_branch:
        entries += names_of.projector("fc", "projector")
        entries = [
            *names_of.inside(entries, QUERY),
            *names_of.inside(entries, KEY, f"key_{model.stream}/"),
            *names_of.queue("queue", f"queue_{model.stream}"),
        ]
    else:
        entries = names_of.inside([*entries, *_heads(encoder, own)], prefix)
    parts = hiclr.parts(prefix)
    for theirs, ours in found.items():
        if ours not in own:
            parts[f"layout {theirs}"] = _of_layout(theirs, prefix)
    return names_of.ExactTable(tuple(entries), parts)


def layouts_of(names):
    """The layouts that a file has tensors of, ours by the authors' names."""
    matches = (re.search(r"(?:^|\.)A_(.+)$", name) for name in names)
    found = {match[1] for match in matches if match}
    return {theirs: LAYOUTS.get(theirs, theirs) for theirs in sorted(found)}


def network(encoder, layouts):
    """Entries of the layers of an `MSCLR` without its head.

    Args:
        encoder: The encoder or classifier.
        layouts: For each layout by its name, the authors' name of it, `None`
            where names do not say it, and its number of joints.
    """
    entries = []
    for ours, (theirs, joints) in layouts.items():
        cut = functools.partial(_cut, joints=joints)
        dot = f".{theirs}" if theirs else ""
        entries += names_of.norm(f"data_bn{dot}", f"input_norm/{ours}")
        for i in range(len(encoder.blocks)):
            convolution = f"block_{i}/graph_convolution"
            entries += [
                Entry(
                    f"A_{theirs}" if theirs else "A",
                    f"{convolution}/graph_{ours}",
                    cut,
                ),
                Entry(
                    f"edge_importance{dot}.{i}",
                    f"{convolution}/importance_{ours}",
                    cut,
                ),
            ]
    for i in range(len(encoder.blocks)):
        entries += stgcn.block_layers(f"st_gcn_networks.{i}", f"block_{i}")
    return entries


def _cut(graphs, joints):
    """Without padding, with the ends swapped."""
    if graphs.ndim != 3 or min(graphs.shape[1:]) < joints:
        raise ValueError(f"expected graphs of at least {joints} joints")
    return names_of.swap_ends(graphs[:, :joints, :joints])


def _heads(encoder, layouts):
    if encoder.settings["head"] != "ensemble":
        return names_of.linear("fc", "predictions")
    return [
        entry
        for ours, (theirs, _) in layouts.items()
        for entry in names_of.linear(
            f"fc.{theirs}" if theirs else "fc", f"predictions/{ours}"
        )
    ]


def _of_layout(name, prefix):
    """What a file has of a layout that a model may lack."""
    return Part(
        tuple(
            f"{each}{tensor}"
            for each in {prefix, QUERY, KEY}
            for tensor in (
                f"A_{name}",
                f"data_bn.{name}.*",
                f"edge_importance.{name}.*",
                f"fc.{name}.*",
            )
        ),
        (),
    )


def build(entry, tensors):
    """The model that an official file of registered weights belongs to."""
    application, pretext, single = conversion.classes_of(entry.system).values()
    layouts = tuple(layouts_of(tensors).values())
    several = {"layouts": layouts} if len(layouts) > 1 else {}
    arguments = {**entry.configuration, **several}
    if "queue" in tensors:
        return (pretext if several else single)(
            **arguments,
            embedding_dim=tensors["queue"].shape[0],
            queue_size=tensors["queue"].shape[1],
        )
    bias = f"{hiclr.prefix_of(tensors)}fc.bias"
    if bias in tensors:
        return application(**arguments, classes=tensors[bias].size)
    *_, bias = (x for name, x in tensors.items() if name.endswith(".bias"))
    return application(**arguments, classes=bias.size, head="ensemble")
