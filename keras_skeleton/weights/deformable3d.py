"""3D deformable transformer: the names of tensors of the reconstruction.

There is no official code and no published file. The names are those of an
independent computation that the tests compare with, where query, key and
value of an attention are one tensor.
"""

from keras_skeleton.weights import conversion
from keras_skeleton.weights import tensor_names as names_of
from keras_skeleton.weights.conversion import Entry
from keras_skeleton.weights.conversion import Part

PRETRAINED = ()
PARTS = {"head": Part(("head.*",), ("head_norm/*", "predictions/*"))}


def table(model, names=()):
    """Conversion table of the blocks of a `DeformableTransformer3D`.

    Args:
        model: The model to load into.
        names: Not used; the tensors have the same names in all files.
    """
    entries = names_of.linear("head", "predictions")
    for i in range(model.settings["num_blocks"]):
        entries += block(f"blocks.{i}.", f"block_{i}/")
    return names_of.ExactTable(tuple(entries), PARTS)


def block(official="", ours=""):
    """A `DeformableBlock`."""
    search = "deform.search"
    entries = [
        Entry(
            f"{search}.offset.dw.weight",
            "deformable/offset_convolution/kernel",
            _depthwise_kernel,
        ),
        Entry(f"{search}.offset.dw.bias", "deformable/offset_bias"),
        *names_of.affine(f"{search}.offset.norm", "deformable/offset_norm"),
        *names_of.linear(f"{search}.offset.pw", "deformable/offset_map"),
        *names_of.linear(f"{search}.score", "deformable/score_map"),
        *names_of.affine("ffn.norm", "mlp_norm"),
        *names_of.linear("ffn.fc1", "mlp_hidden"),
        *names_of.linear("ffn.fc2", "mlp_output"),
    ]
    for theirs, name in (
        ("deform", "deformable"),
        ("joint", "joints"),
        ("temporal", "frames"),
    ):
        entries += names_of.affine(f"{theirs}.norm", f"{name}/norm")
        attention = f"{theirs}.attn", f"{name}/attention"
        for part, layer in (("qkv", "qkv"), ("out", "projection")):
            entries += names_of.linear(
                f"{attention[0]}.{part}", f"{attention[1]}/{layer}"
            )
    return names_of.inside(entries, official, ours)


def _depthwise_kernel(kernel):
    """(channels, 1, frames, rows, columns) to (frames, rows, columns, ch)."""
    if kernel.ndim != 5 or kernel.shape[1] != 1:
        raise ValueError("expected a convolution by channel, (ch, 1, t, h, w)")
    return kernel[:, 0].transpose(1, 2, 3, 0)


def build(entry, tensors):
    """The classifier that a file of registered weights belongs to."""
    return conversion.build_classifier(entry, tensors, "head.bias")
