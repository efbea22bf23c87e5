"""M-Mixer: the names of the tensors of the reconstruction.

There is no official code and no published file. The names are those of an
independent computation that the tests compare with: modalities by number,
and query, key and value of an attention as one tensor.
"""

from keras_skeleton.weights import conversion
from keras_skeleton.weights import tensor_names as names_of
from keras_skeleton.weights.conversion import Entry
from keras_skeleton.weights.conversion import Part

PRETRAINED = ()
PARTS = {
    "head": Part(("head.*",), ("head_norm/*", "predictions/*")),
    "auxiliary": Part(("aux_head.*",), ("auxiliary_*",)),
}
_COMPLEMENT = {
    "attn.qkv": "attention/qkv",
    "attn.out": "attention/projection",
    "ffn1": "mlp_hidden",
    "ffn2": "mlp_output",
}
_UNIT = {
    "proj_f": "frame_map",
    "proj_c": "content_map",
    "mix_gate": "mix_gate",
    "reset_gate": "reset_gate",
    "update_gate": "update_gate",
    "candidate": "candidate",
}


def table(model, names=()):
    """Conversion table of an `MMixer` without skeletons.

    Args:
        model: The model to load into.
        names: Not used; the tensors have the same names in all files.
    """
    kind = model.settings["content"]
    entries = names_of.linear("head", "predictions")
    for i, (name, _) in enumerate(model.settings["modalities"]):
        entries += names_of.linear(f"content.{i}", f"content_{name}/map")
        entries += names_of.linear(f"bank.{i}", f"bank_{name}")
        entries += names_of.linear(f"aux_head.{i}", f"auxiliary_{name}")
        ours = f"complement_{name}"
        entries.append(Entry(f"cfem.{i}.query", f"{ours}/query"))
        entries += _maps(f"cfem.{i}", ours, _COMPLEMENT)
        for number in (1, 2):
            entries += names_of.affine(
                f"cfem.{i}.norm{number}", f"{ours}/norm_{number}"
            )
        theirs, ours = f"mcu_{kind}.{i}", f"unit_{name}"
        entries += _maps(theirs, ours, _UNIT)
        entries += names_of.affine(f"{theirs}.norm_f", f"{ours}/frame_norm")
        entries += names_of.affine(f"{theirs}.norm_c", f"{ours}/content_norm")
    return names_of.ExactTable(tuple(entries), PARTS)


def _maps(official, ours, names):
    return [
        entry
        for theirs, name in names.items()
        for entry in names_of.linear(f"{official}.{theirs}", f"{ours}/{name}")
    ]


def build(entry, tensors):
    """The classifier that a file of registered weights belongs to."""
    return conversion.build_classifier(entry, tensors, "head.bias")
