"""EPAM-Net: published weights and the names of their tensors.

Official code: ahmed-nady/Multimodal-Action-Recognition. Files of both streams
have names that begin with `rgb_backbone`, `pose_backbone`, their heads and
`attention_module`; files of one stream have `backbone` and `cls_head`. Names
may have `module.` in front.
"""

from keras_skeleton.datasets import formats
from keras_skeleton.weights import conversion
from keras_skeleton.weights import published
from keras_skeleton.weights import tensor_names as names_of
from keras_skeleton.weights.cards import File
from keras_skeleton.weights.cards import PretrainedWeights
from keras_skeleton.weights.conversion import Entry
from keras_skeleton.weights.conversion import Part

_HEADS = ("cls_head.*", "rgb_cls_head.*", "pose_cls_head.*")
_OUR_HEADS = ("head_norm/*", "predictions/*", "*_scores/*")


def table(model, names=()):
    """Conversion table of an `EPAMNet`.

    Args:
        model: The model to load into.
        names: Names of the official tensors at hand, which tell whether they
            have a prefix.
    """
    prefix = ""
    if names and all(name.startswith("module.") for name in names):
        prefix = "module."
    settings = model.settings
    if settings["streams"] == "both":
        entries = [
            *_stream(model, "rgb_backbone", "video"),
            *_stream(model, "pose_backbone", "skeletons"),
            *names_of.linear("rgb_cls_head.fc_cls", "video_scores"),
            *names_of.linear("pose_cls_head.fc_cls", "skeletons_scores"),
            *names_of.inside(_attention(settings), "attention_module."),
        ]
    else:
        entries = [
            *_stream(model, "backbone", settings["streams"]),
            *names_of.linear("cls_head.fc_cls", "predictions"),
        ]
    parts = {
        "head": Part(tuple(f"{prefix}{name}" for name in _HEADS), _OUR_HEADS)
    }
    entries = names_of.inside(entries, prefix)
    return names_of.ExactTable(tuple(entries), parts)


def _stream(model, official, ours):
    blocks = f"{ours}_blocks".replace("skeletons", "skeleton")
    entries = _normalized(
        f"{official}.conv1_s",
        f"{ours}_stem/convolution",
        f"{ours}_stem/norm",
        _kernel,
    )
    for stage, count in enumerate(model.settings[blocks]):
        for i in range(count):
            entries += _block(
                f"{official}.layer{stage + 1}.{i}",
                f"{ours}_stage_{stage}_block_{i}",
            )
    return entries + _normalized(
        f"{official}.conv5", f"{ours}_end/pointwise", f"{ours}_end/norm"
    )


def _block(official, ours):
    entries = _normalized(
        f"{official}.conv2",
        f"{ours}/convolution",
        f"{ours}/convolution_norm",
        _depthwise_kernel,
    )
    for theirs, name in (
        ("conv1", "expand"),
        ("conv3", "project"),
        ("downsample", "shortcut"),
    ):
        entries += _normalized(
            f"{official}.{theirs}", f"{ours}/{name}", f"{ours}/{name}_norm"
        )
    for theirs, name in (("fc1", "squeeze"), ("fc2", "excite")):
        entries += names_of.linear(
            f"{official}.se_module.{theirs}", f"{ours}/{name}", _pointwise
        )
    return entries


def _attention(settings):
    """Names within the attention, whichever of its variants it is."""
    kind, ours = settings["attention"], "attention"
    if kind in ("nested", "serial"):
        return [
            Entry("spatial.conv.weight", f"{ours}/kernel", _kernel),
            *names_of.norm("spatial.bn", f"{ours}/norm"),
            Entry(
                "conv_temporal_attention.weight",
                f"{ours}/temporal_kernel",
                _over_time,
            ),
        ]
    if kind == "dense":
        linear = conversion.transpose
        return [
            Entry(
                "conv_ch_compress.weight", f"{ours}/compress_kernel", _kernel
            ),
            Entry("conv_ch_compress.bias", f"{ours}/compress_bias"),
            Entry("conv_sptial_attention.weight", f"{ours}/kernel", _kernel),
            Entry("conv_sptial_attention.bias", f"{ours}/bias"),
            Entry("fc1.weight", f"{ours}/frames_hidden/kernel", linear),
            Entry("fc2.weight", f"{ours}/frames_output/kernel", linear),
        ]
    names = {"theta": "theta", "phi": "phi", "g": "value"}
    names["conv_out"] = "output_map"
    entries = []
    for theirs, name in names.items() if kind != "none" else ():
        entries += names_of.linear(
            f"{theirs}.conv", f"{ours}/{name}", _pointwise
        )
    return entries


def _normalized(official, ours, norm, convert=None):
    """A convolution without bias and its batch normalization."""
    return [
        Entry(
            f"{official}.conv.weight", f"{ours}/kernel", convert or _pointwise
        ),
        *names_of.norm(f"{official}.bn", norm),
    ]


def _check(kernel, shape):
    """Raises a ValueError unless a kernel of five axes has these sizes."""
    if kernel.ndim != 5 or any(
        size not in (None, found)
        for size, found in zip(shape, kernel.shape, strict=True)
    ):
        raise ValueError("expected a convolution, (out, in, 1, rows, columns)")


def _pointwise(kernel):
    """(outputs, inputs, 1, 1, 1) to (inputs, outputs)."""
    _check(kernel, (None, None, 1, 1, 1))
    return kernel[:, :, 0, 0, 0].T


def _kernel(kernel):
    """(outputs, inputs, 1, rows, columns) to (rows, columns, in, out)."""
    _check(kernel, (None, None, 1, None, None))
    return kernel[:, :, 0].transpose(2, 3, 1, 0)


def _depthwise_kernel(kernel):
    """(channels, 1, 1, rows, columns) to (rows, columns, channels)."""
    _check(kernel, (None, 1, 1, None, None))
    return kernel[:, 0, 0].transpose(1, 2, 0)


def _over_time(kernel):
    """(outputs, inputs, frames) to (frames, inputs, outputs)."""
    return kernel.transpose(2, 1, 0)


def build(entry, tensors):
    """The classifier that an official file of registered weights belongs to."""
    for bias in ("pose_cls_head.fc_cls.bias", "cls_head.fc_cls.bias"):
        if f"module.{bias}" in tensors:
            bias = f"module.{bias}"
        if bias in tensors:
            break
    return conversion.build_classifier(entry, tensors, bias)


_PAGES = {
    "both": "1I0To7YHzSlbjpypomjkcE_DnWK01knB1",
    "one": "1b4bUxybR4X8gvv9TJszYpiFOJNVdicdG",
}
_BOTH = (
    "X3dRGBTShift_X3dPoseTShift_double_shifted_chs_CBAM_spatial_efficient_"
    "temporal_{}.pth"
)
_TOYOTA_CLASSES = (
    "Cook.Cleandishes", "Cook.Cleanup", "Cook.Cut", "Cook.Stir",
    "Cook.Usestove", "Cutbread", "Drink.Frombottle", "Drink.Fromcan",
    "Drink.Fromcup", "Drink.Fromglass", "Eat.Attable", "Eat.Snack", "Enter",
    "Getup", "Laydown", "Leave", "Makecoffee.Pourgrains",
    "Makecoffee.Pourwater", "Maketea.Boilwater", "Maketea.Insertteabag",
    "Pour.Frombottle", "Pour.Fromcan", "Pour.Fromkettle", "Readbook",
    "Sitdown", "Takepills", "Uselaptop", "Usetablet", "Usetelephone", "Walk",
    "WatchTV",
)  # fmt: skip


def _published(test_set, data_set, file, streams="both", score=None):
    protocol = test_set.rsplit("_", 1)[1]
    data = published.data_name(data_set, protocol)
    words = {
        "both": "video and pose",
        "video": "video alone",
        "skeletons": "pose alone",
    }[streams]
    names = _TOYOTA_CLASSES
    if data_set != "toyota_smarthome":
        names = formats.class_names(data_set)
    configuration = {
        "input_shape": (2, 48, 17, 3),
        "video_shape": (16, 224, 224, 3),
        "skeleton": "coco17",
        "streams": streams,
        "attention": "nested",
    }
    if streams == "skeletons":
        # Boxes of this stage of the training may leave the image.
        configuration["crop"] = "around"
    stream = None if streams == "both" else streams
    name = test_set if stream is None else f"{test_set}_{stream}"
    page = _PAGES["both" if streams == "both" else "one"]
    return PretrainedWeights(
        system="epamnet",
        name=name,
        configuration=configuration,
        files=(
            File(
                name=file,
                obtained="by hand",
                page=f"https://drive.google.com/drive/folders/{page}",
            ),
        ),
        source=(
            "ahmed-nady/Multimodal-Action-Recognition, trained on "
            f"{data}, {words}"
        ),
        licence="none stated by the authors. For research only.",
        recipe={
            "data_set": data_set,
            "protocol": protocol,
            "transforms": [published.transform("SegmentSample", num_frames=48)],
            "stream": stream,
        },
        classes=len(names),
        class_names=names,
        scores=(
            ()
            if score is None
            else (published.stated("fused", score, "the authors"),)
        ),
        notes=(
            "Poses are those of HRNet, 17 joints (MMAction2's annotation "
            "files). The number of the epoch in the name of a file says "
            "nothing about which is best: every epoch is called so."
        ),
    )


PRETRAINED = (
    *(
        _published(test_set, data_set, _BOTH.format(file), score=score)
        for test_set, data_set, file, score in (
            (
                "ntu60_xsub",
                "ntu60_2d",
                "NTU60_XSub_best_top1_acc_epoch_4",
                96.1,
            ),
            ("ntu60_xview", "ntu60_2d", "NTU60_XView_best_top1_acc_8", 99.0),
            ("ntu120_xsub", "ntu120_2d", "NTU120_XSub_best_top1_acc_8", 92.4),
            ("ntu120_xset", "ntu120_2d", "NTU120_XSet_best_top1_acc_10", 94.3),
            (
                "toyota_cs",
                "toyota_smarthome",
                "ToyotaSH_XSub_best_top1_acc_epoch_11",
                71.7,
            ),
        )
    ),
    *(
        _published(test_set, data_set, f"{file}.pth", stream)
        for test_set, data_set, file, stream in (
            (
                "ntu60_xsub",
                "ntu60_2d",
                "ntu60_xsub_x3dTShiftPose_double_shifted_chs_best_top1_acc_"
                "epoch_235",
                "skeletons",
            ),
            (
                "ntu120_xsub",
                "ntu120_2d",
                "ntu120_xsub_x3dTShiftPose_SE_best_top1_acc_epoch_235",
                "skeletons",
            ),
            (
                "ntu120_xsub",
                "ntu120_2d",
                "ntu120_xsub_x3dTShiftD_I3Dhead_RGB_epoch_205",
                "video",
            ),
            (
                "pku_xsub",
                "pku_mmd_2d",
                "pku_xsub_XTShiftPose_SE_double_chs_best_top1_acc_epoch_240",
                "skeletons",
            ),
        )
    ),
)
