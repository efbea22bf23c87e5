"""MS-CLR and AimCLR: the names of their tensors.

Official code: 3Dwe-ai/ms-clr, alvaroritter/AimCLR and Levigty/AimCLR.
"""

import functools
import re

from keras_skeleton import skeletons
from keras_skeleton.weights import conversion
from keras_skeleton.weights import stgcn
from keras_skeleton.weights import tensor_names as names_of
from keras_skeleton.weights.conversion import Entry
from keras_skeleton.weights.conversion import Part
from keras_skeleton.weights.stgcn import KEY
from keras_skeleton.weights.stgcn import QUERY

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
    own = conversion.system_module(encoder.system)
    entries = own.network(encoder, names)
    if encoder is model:
        prefix = stgcn.prefix_of(names)
        entries = names_of.inside([*entries, *_heads(encoder, names)], prefix)
    else:
        prefix = QUERY
        entries = [*entries, *names_of.projector("fc", "projector")]
        entries = [
            *names_of.inside(entries, QUERY),
            *names_of.inside(entries, KEY, f"key_{model.stream}/"),
            *names_of.queue("queue", f"queue_{model.stream}"),
        ]
    parts = {
        **stgcn.parts(prefix),
        "other layouts": _other_layouts(encoder, prefix),
    }
    return names_of.ExactTable(tuple(entries), parts, stgcn.IGNORED)


def layouts_of(names):
    """The layouts that a file has tensors of, ours by the authors' names."""
    matches = (re.search(r"(?:^|\.)A_(.+)$", name) for name in names)
    found = {match[1] for match in matches if match}
    return {theirs: LAYOUTS.get(theirs, theirs) for theirs in sorted(found)}


def _named(encoder, names):
    """The authors' names of an encoder's layouts, by ours.

    They are `None` where a file of AimCLR does not say them.
    """
    theirs = {ours: name for name, ours in LAYOUTS.items()}
    says_none = any(re.search(r"(?:^|\.)A$", name) for name in names)
    return {
        name: None if says_none else theirs.get(name, name)
        for name in encoder.layouts
    }


def network(model, names=()):
    """Entries of the layers of an `MSCLR` without its head."""
    entries = []
    for ours, theirs in _named(model, names).items():
        cut = functools.partial(_cut, joints=model.layouts[ours].num_joints)
        dot = f".{theirs}" if theirs else ""
        graph = f"A_{theirs}" if theirs else "A"
        entries += names_of.norm(f"data_bn{dot}", f"input_norm/{ours}")
        for i in range(len(model.blocks)):
            edges = f"edge_importance{dot}.{i}"
            convolution = f"block_{i}/graph_convolution"
            entries += [
                Entry(graph, f"{convolution}/graph_{ours}", cut),
                Entry(edges, f"{convolution}/importance_{ours}", cut),
            ]
    for i in range(len(model.blocks)):
        entries += stgcn.block_layers(f"st_gcn_networks.{i}", f"block_{i}")
    return entries


def _cut(graphs, joints):
    """Without padding, with the ends swapped."""
    if graphs.ndim != 3 or min(graphs.shape[1:]) < joints:
        raise ValueError(f"expected graphs of at least {joints} joints")
    return names_of.swap_ends(graphs[:, :joints, :joints])


def _heads(model, names):
    if model.settings["head"] != "ensemble":
        return names_of.linear("fc", "predictions")
    return [
        entry
        for ours, theirs in _named(model, names).items()
        for entry in names_of.linear(
            f"fc.{theirs}" if theirs else "fc", f"predictions/{ours}"
        )
    ]


class OtherLayouts(Part):
    """What files have of layouts that a model lacks.

    Its `variables` are the names of the model's own layouts.
    """

    def has_variable(self, path):
        found = re.search(
            r"(?:input_norm|predictions)/([^/]+)/"
            r"|graph_convolution/(?:graph|importance)_(.+)$",
            path,
        )
        return bool(found) and (found[1] or found[2]) not in self.variables


def _other_layouts(encoder, prefix):
    own = tuple(getattr(encoder, "layouts", ()))
    official = tuple(
        f"{begin}{tensor}"
        for begin in (prefix, KEY)
        for theirs, ours in LAYOUTS.items()
        if ours not in own
        for tensor in (
            f"A_{theirs}",
            f"data_bn.{theirs}.*",
            f"edge_importance.{theirs}.*",
            f"fc.{theirs}.*",
        )
    )
    return OtherLayouts(official, own)


def build(entry, tensors):
    """The model that an official file of registered weights belongs to."""
    application, pretext, single = conversion.classes_of(entry.system).values()
    arguments = dict(entry.configuration)
    layouts = tuple(layouts_of(tensors).values())
    if len(layouts) > 1:
        persons, frames, _, coordinates = arguments.pop("input_shape")
        joints = max(skeletons.get(each).num_joints for each in layouts)
        arguments["input_shape"] = persons, frames, joints, coordinates
        arguments["layouts"] = layouts
    if "queue" in tensors:
        arguments["embedding_dim"], arguments["queue_size"] = tensors[
            "queue"
        ].shape
        return (pretext if len(layouts) > 1 else single)(**arguments)
    prefix = stgcn.prefix_of(tensors)
    heads = [
        array.size
        for name, array in tensors.items()
        if name.startswith(f"{prefix}fc.") and name.endswith(".bias")
    ]
    if f"{prefix}fc.bias" not in tensors:
        arguments["head"] = "ensemble"
    return application(**arguments, classes=heads[0])
