"""CascadeFormer: published weights and the names of their tensors.

Official code: Yusen-Peng/CascadeFormer. A trained model is four files: the
first transformer, the second, the cross attention and the head. Names of
their tensors have the role of the file in front, as in `T1.pos_embedding`;
those of a file with the first transformer alone, after pre-training, have
not.
"""

from keras_skeleton.weights import conversion
from keras_skeleton.weights import tensor_names as names_of
from keras_skeleton.weights.conversion import ConversionTable
from keras_skeleton.weights.conversion import Entry
from keras_skeleton.weights.conversion import Part

ROLES = ("T1", "T2", "cross_attn", "head")
PARTS = {
    "head": Part(
        ("T2.*", "cross_attn.*", "head.*"),
        ("cascade_block_*", "cross_attention/*", "head_*", "predictions/*"),
    ),
    "pretext": Part(
        ("reconstruction_head.*", "T1.reconstruction_head.*"),
        ("reconstruction/*",),
    ),
}


def table(model, names=()):
    """Conversion table of a `CascadeFormer` or `CascadeFormerPretext`.

    Args:
        model: The model to load into.
        names: Names of the official tensors at hand; they tell whether these
            are of several files, and how the first layer is called.
    """
    encoder = getattr(model, "encoder", model)
    has_roles = encoder is model
    if names:
        has_roles = any(name.split(".")[0] in ROLES for name in names)
    first = "T1." if has_roles else ""
    entries = [
        *names_of.inside(_first(encoder.settings, names, first), first),
        *names_of.inside(
            _encoder_block("encoder.layers.{i}", "cascade_block_{i}"), "T2."
        ),
        *names_of.inside(_cross_attention(encoder.settings), "cross_attn."),
        *names_of.inside(_head(encoder.settings), "head."),
    ]
    return ConversionTable(tuple(entries), PARTS)


def _first(settings, names, prefix):
    """The first transformer and its decoder."""
    # Only the first release of version 1.0 calls it `embedding`.
    embedding = "joint_embedding"
    if settings["position_initializer"] == "zeros":
        embedding = "embedding"
    for name in ("embedding", "joint_embedding"):
        if f"{prefix}{name}.weight" in names:
            embedding = name
    spatial = "spatial_transformer"
    return [
        *names_of.linear(embedding, "frame_embedding/projection"),
        Entry("pos_embedding", "frame_embedding/positions"),
        *names_of.linear(
            "joint_conv.0", "joint_convolution/hidden", _joint_kernel
        ),
        *names_of.linear(
            "joint_conv.2", "joint_convolution/output", _joint_kernel
        ),
        *names_of.linear(
            f"{spatial}.joint_embedding", "joint_transformer/embedding"
        ),
        *_encoder_block(
            f"{spatial}.encoder.layers.0", "joint_transformer/block"
        ),
        *names_of.linear(
            f"{spatial}.output_proj", "joint_transformer/projection"
        ),
        *_encoder_block("transformer_encoder.layers.{i}", "block_{i}"),
        *names_of.linear("reconstruction_head", "reconstruction"),
    ]


def _joint_kernel(kernel):
    """(outputs, inputs, joints) to (joints, inputs, outputs)."""
    if kernel.ndim != 3:
        raise ValueError(
            "expected a convolution over joints, (out, in, joints)"
        )
    return kernel.transpose(2, 1, 0)


def _attention(official, ours):
    """Attention whose queries, keys and values are projected as one."""
    projection = Entry(
        f"{official}.in_proj_weight", f"{ours}/qkv/kernel", conversion.transpose
    )
    return [
        projection,
        Entry(f"{official}.in_proj_bias", f"{ours}/qkv/bias"),
        *names_of.linear(f"{official}.out_proj", f"{ours}/projection"),
    ]


def _encoder_block(official, ours):
    return [
        *_attention(f"{official}.self_attn", f"{ours}/attention"),
        *names_of.linear(f"{official}.linear1", f"{ours}/mlp_hidden"),
        *names_of.linear(f"{official}.linear2", f"{ours}/mlp_output"),
        *names_of.affine(f"{official}.norm1", f"{ours}/norm_1"),
        *names_of.affine(f"{official}.norm2", f"{ours}/norm_2"),
    ]


def _cross_attention(settings):
    ours = "cross_attention"
    attention = _attention("cross_attention", f"{ours}/attention")
    if settings["cross_attention"] == "plain":
        return [*attention, *names_of.affine("norm", f"{ours}/norm")]
    return [
        *attention,
        *names_of.affine("norm1", f"{ours}/norm"),
        *names_of.linear("ffn.0", f"{ours}/mlp_hidden"),
        *names_of.linear("ffn.3", f"{ours}/mlp_output"),
        *names_of.affine("norm2", f"{ours}/mlp_norm"),
    ]


def _head(settings):
    if settings["head"] != "cascade_mlp":
        return names_of.linear("fc", "predictions")
    return [
        *names_of.affine("net.0", "head_norm"),
        *names_of.linear("net.2", "head_hidden"),
        *names_of.linear("net.5", "predictions"),
    ]


def build(entry, tensors):
    """The model that the official files of registered weights belong to.

    All four files are a classifier, the first alone is a
    `CascadeFormerPretext`.
    """
    application, pretext = conversion.classes_of(entry.system).values()
    for name in ("head.fc.bias", "head.net.5.bias"):
        if name in tensors:
            return application(
                **entry.configuration, classes=tensors[name].size
            )
    return pretext(**entry.configuration, **entry.pretext)


PRETRAINED = ()
