"""MAMP: published weights and the names of their tensors.

Official code: maoyunyao/MAMP.
"""

import functools

from keras_skeleton.weights import conversion
from keras_skeleton.weights import published
from keras_skeleton.weights import tensor_names as names_of
from keras_skeleton.weights.cards import File
from keras_skeleton.weights.cards import PretrainedWeights
from keras_skeleton.weights.conversion import ConversionTable
from keras_skeleton.weights.conversion import Entry
from keras_skeleton.weights.conversion import Part
from keras_skeleton.weights.conversion import fit_segments

PARTS = {
    "head": Part(
        ("head.*",), ("head_hidden/*", "head_norm/*", "predictions/*")
    ),
    "pretext": Part(("decoder_*", "mask_token"), ("decoder_*", "mask_token/*")),
}


def table(model, names=()):
    """Conversion table of a `MAMP` or `MAMPPretext`.

    Args:
        model: The model to load into.
        names: Names of the official tensors at hand; they tell the two forms
            of the linear head apart.
    """
    embedding = getattr(model, "encoder", model).get_layer("joint_embedding")
    patch = (embedding.segment_length, embedding.joints_per_patch)
    finetune = any(layer.name == "head_hidden" for layer in model.layers)
    entries = [
        Entry(
            "joints_embed.proj.weight",
            "joint_embedding/kernel",
            functools.partial(_patch_kernel, patch=patch),
        ),
        Entry("joints_embed.proj.bias", "joint_embedding/bias"),
        *names_of.affine("norm", "norm"),
        Entry("mask_token", "mask_token/token"),
        *names_of.linear("decoder_embed", "decoder_embedding"),
        *names_of.affine("decoder_norm", "decoder_norm"),
        *names_of.linear("decoder_pred", "decoder_prediction"),
    ]
    for prefix in ("", "decoder_"):
        position = f"{prefix}position_embedding"
        entries += [
            Entry(
                f"{prefix}temp_embed",
                f"{position}/temporal",
                adapt=fit_segments,
            ),
            Entry(f"{prefix}pos_embed", f"{position}/joint"),
            *names_of.transformer_block(
                f"{prefix}blocks.{{i}}", f"{prefix}block_{{i}}"
            ),
        ]
    head, constants = _head(finetune, names)
    return ConversionTable((*entries, *head), PARTS, constants=constants)


def _patch_kernel(kernel, patch):
    """Kernel of a strided convolution as one matrix.

    From (D, C, frames, joints) to (frames * joints * C, D).
    """
    if kernel.ndim != 4 or kernel.shape[2:] != patch:
        raise ValueError(
            f"expected (D, C, {patch[0]}, {patch[1]}) for tokens of "
            f"{patch[0]} frames and {patch[1]} joints"
        )
    kernel = kernel.transpose(2, 3, 1, 0)
    return kernel.reshape(-1, kernel.shape[-1])


def _head(finetune, names):
    if finetune:
        return [
            *names_of.linear("head.fc1", "head_hidden"),
            *names_of.norm("head.bn", "head_norm"),
            *names_of.linear("head.fc2", "predictions"),
        ], {}
    if "head.fc.weight" in names:
        # The linear head before linear probing has no normalization:
        # statistics that leave the features alone (the variance with the
        # layer's epsilon of 1e-6 makes 1).
        return names_of.linear("head.fc", "predictions"), {
            "head_norm/moving_mean": 0.0,
            "head_norm/moving_variance": 1.0 - 1e-6,
        }
    return [
        *names_of.statistics("head.fc.0", "head_norm"),
        *names_of.linear("head.fc.1", "predictions"),
    ], {}


def build(entry, tensors):
    """The model that an official file of registered weights belongs to.

    A pre-training checkpoint belongs to a `MAMPPretext`, one with a head to a
    classifier, and one with neither to an encoder.
    """
    application, pretext = conversion.classes_of(entry.system).values()
    arguments = dict(entry.configuration)
    if "decoder_pred.weight" in tensors:
        return pretext(**arguments, **entry.pretext)
    for name, head in (
        ("head.fc2.bias", "finetune"),
        ("head.fc.1.bias", "linear"),
        ("head.fc.bias", "linear"),
    ):
        if name in tensors:
            arguments |= {"head": head, "classes": tensors[name].size}
    return application(**arguments)


def _published(name, test_set, file_name, decoder_layers, temperature, scores):
    data = published.data_name(*test_set.split("_"))
    linear, finetuned = scores
    file = File(
        name=f"the {data} checkpoint (likely {file_name})",
        obtained="by hand",
        page=(
            "https://rec.ustc.edu.cn/share/64bde560-5939-11ee-bf1f-5fbb082a1db4"
        ),
    )
    return PretrainedWeights(
        system="mamp",
        name=name,
        configuration={
            "input_shape": (2, 120, 25, 3),
            "skeleton": "ntu",
            "hidden_dim": 256,
            "num_layers": 8,
            "num_heads": 8,
            "mlp_ratio": 4,
            "segment_length": 4,
            "joints_per_patch": 1,
            "use_qkv_bias": True,
        },
        files=(file,),
        pretext={
            "decoder_layers": decoder_layers,
            "masking_temperature": temperature,
        },
        source=f"maoyunyao/MAMP, pre-trained on {data}",
        licence=(
            "none stated by the authors; the code it builds on is CC BY-NC "
            "4.0. For research only."
        ),
        scores=(
            published.stated("linear", linear, "the authors"),
            published.stated("finetuned", finetuned, "the authors"),
        ),
        notes=(
            "The weights are those after pre-training, without a "
            "classification head."
        ),
        **published.evaluation(
            test_set, [published.middle(120)], has_head=False
        ),
    )


PRETRAINED = (
    _published("ntu60", "ntu60_xsub", "ntu60_xsub.pth", 3, 0.8, (85.0, 93.0)),
    _published(
        "ntu60_xview", "ntu60_xview", "ntu60_xview.pth", 3, 0.8, (89.0, 97.5)
    ),
    _published(
        "ntu120_xsub", "ntu120_xsub", "ntu120_xsub.pth", 5, 0.75, (78.1, 89.8)
    ),
    _published(
        "ntu120_xset",
        "ntu120_xset",
        "ntu120_xset.pth or ntu120_xview.pth",
        5,
        0.75,
        (79.5, 91.5),
    ),
)
