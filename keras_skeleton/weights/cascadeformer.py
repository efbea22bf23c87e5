"""CascadeFormer: published weights and the names of their tensors.

Official code: Yusen-Peng/CascadeFormer. A trained model is four files: the
first transformer, the second, the cross attention and the head. Names of
their tensors have the role of the file in front, as in `T1.pos_embedding`;
those of a file with the first transformer alone, after pre-training, have
not.
"""

from keras_skeleton.weights import conversion
from keras_skeleton.weights import published
from keras_skeleton.weights import tensor_names as names_of
from keras_skeleton.weights.cards import File
from keras_skeleton.weights.cards import PretrainedWeights
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

    All four files are a classifier, the first alone a `CascadeFormerPretext`.
    """
    application, pretext = conversion.classes_of(entry.system).values()
    for name in ("head.fc.bias", "head.net.5.bias"):
        if name in tensors:
            classes = tensors[name].size
            return application(**entry.configuration, classes=classes)
    return pretext(**entry.configuration, **entry.pretext)


# The first release; what later ones changed is in `_VERSIONS` and `_NTU`.
_BASE = {
    "frame_embedding": "linear",
    "value_order": "joints",
    "hidden_dim": 256,
    "num_layers": 4,
    "num_heads": 8,
    "mlp_dim": 2048,
    "num_positions": 1000,
    "position_initializer": "zeros",
    "cross_attention": "plain",
    "head": "cascade",
}
_LONGER = {"num_positions": 2048, "position_initializer": "truncated_normal"}
_VERSIONS = {
    "1.0": {},
    "1.1": {**_LONGER, "frame_embedding": "convolution"},
    "1.2": {**_LONGER, "frame_embedding": "transformer"},
}
_NTU = {
    "input_shape": (2, 64, 25, 3),
    "skeleton": "ntu",
    "num_positions": 64,
    "position_initializer": "truncated_normal",
    "cross_attention": "feed_forward",
    "head": "cascade_mlp",
    "cascade_dropout_rate": 0.2,
    "cross_attention_dropout_rate": 0.2,
}
_NW_UCLA = {"input_shape": (1, 64, 20, 3), "skeleton": "nw_ucla"}
# The longest clip. Padding is masked, which is what a batch of one clip is.
_PENN = {
    "input_shape": (1, 663, 13, 2),
    "skeleton": "penn13",
    "mask_padding": True,
}
# Right arm, left arm, right leg, left leg, torso.
LIMBS = [*range(4, 20), 1, 2, 0, 3]
_TRANSFORMS = {
    "ntu60": [published.middle(64)],
    "nw_ucla": [
        published.transform("Center", joint=1),
        published.transform("MinMaxNormalization"),
        published.transform("RandomFrames", num_frames=64),
        published.transform("SelectJoints", joints=LIMBS),
    ],
    "penn_action": [
        published.transform("ZeroInvisible"),
        published.transform("PadTo", num_frames=663, mode="zero"),
    ],
}
_FILES = {"ntu60": "NTU", "nw_ucla": "NUCLA", "penn_action": "Penn"}


def _files(data_set):
    """Of a list of files that could not be read: names are its scripts'."""
    return tuple(
        File(
            name=f"likely {_FILES[data_set]}_finetuned_{role}.pt",
            obtained="by hand",
            role=role,
            page="hf://YusenPeng/CascadeFormerCheckpoints",
            required=role == "T1",
        )
        for role in ROLES
    )


def _published(name, test_set, version, score, configuration, notes=""):
    data_set, protocol = test_set.rsplit("_", 1)
    data = published.data_name(data_set, protocol)
    return PretrainedWeights(
        system="cascadeformer",
        name=name,
        configuration={**_BASE, **_VERSIONS[version], **configuration},
        files=_files(data_set),
        source=f"Yusen-Peng/CascadeFormer {version}, trained on {data}",
        licence="MIT by the repository of the checkpoints",
        scores=(published.stated("finetuned", score, "the authors"),),
        notes=(
            f"{notes}The names of the files are not certain. The first alone, "
            "or one of it after pre-training, installs the encoder."
        ),
        **published.evaluation(test_set, _TRANSFORMS[data_set]),
    )


_CHOSEN = "The authors select the epoch that is best on the test data. "
_FOUR_HEADS = (
    "The authors' evaluation has 4 heads in the cross attention, which was "
    "trained with 8: cross_attention_heads=4. "
)
_IN_BATCHES = (
    "The authors evaluate in padded batches of 4 clips without a mask. "
)
PRETRAINED = (
    *(
        _published(
            f"penn_{version.replace('.', '_')}",
            "penn_action_official",
            version,
            score,
            _PENN,
            f"{_IN_BATCHES}{_FOUR_HEADS}",
        )
        for version, score in (("1.0", 94.66), ("1.1", 94.10), ("1.2", 94.10))
    ),
    _published(
        "nw_ucla_1_0",
        "nw_ucla_xview",
        "1.0",
        88.79,
        {**_NW_UCLA, "value_order": "coordinates"},
    ),
    *(
        _published(
            f"nw_ucla_{version.replace('.', '_')}",
            "nw_ucla_xview",
            version,
            score,
            _NW_UCLA,
            f"{_CHOSEN}{_FOUR_HEADS}",
        )
        for version, score in (("1.1", 91.16), ("1.2", 90.73))
    ),
    _published(
        "ntu60_xsub_1_0",
        "ntu60_xsub",
        "1.0",
        81.01,
        {**_NTU, "hidden_dim": 768, "num_layers": 16, "num_heads": 16},
        _CHOSEN,
    ),
    _published(
        "ntu60_xview_1_0",
        "ntu60_xview",
        "1.0",
        88.17,
        {**_NTU, "hidden_dim": 512, "num_layers": 12, "num_heads": 8},
        _CHOSEN,
    ),
)
