"""HiCLR: published weights and the names of their tensors.

Official code: JHang2020/HiCLR.
"""

from keras_skeleton.layers.augmentation import facing_preprocessing
from keras_skeleton.layers.augmentation import serialize_transforms
from keras_skeleton.weights import conversion
from keras_skeleton.weights import published
from keras_skeleton.weights import stgcn
from keras_skeleton.weights import tensor_names as names_of
from keras_skeleton.weights.cards import File
from keras_skeleton.weights.cards import PretrainedWeights
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


def _published(stream, linear):
    words = stream.replace("_", " ")
    file = File(
        name=(
            f"the {words} checkpoint of the linear evaluation (its name has "
            "the form epoch<epoch>_acc<accuracy>_model.pt) or of the "
            "pre-training (epoch<epoch>_model.pt)"
        ),
        obtained="by hand",
        page=(
            "https://drive.google.com/drive/folders/"
            "1xi4EgygteeLY1-9JIWIPcm-pYpoY7JTa"
        ),
    )
    transforms = serialize_transforms(facing_preprocessing())
    if stream != "joint":
        transforms.append(
            published.transform("Streams", skeleton="ntu", streams=[stream])
        )
    return PretrainedWeights(
        system="hiclr",
        name=f"ntu60_{stream}",
        configuration={
            "input_shape": (2, 50, 25, 3),
            "skeleton": "ntu",
            "hidden_dim": 16,
            "output_dim": 256,
        },
        files=(file,),
        source=f"JHang2020/HiCLR, trained on NTU-60 X-sub, {words} stream",
        licence="MIT",
        scores=(
            published.stated("linear", linear, "the authors"),
            published.stated("fused", 80.94, "the authors"),
        ),
        notes=(
            "The authors select the epoch of the linear evaluation that is "
            "best on the test labels, and the weights of the fusion of three "
            "streams too. The names of the files on their page are not known."
        ),
        **published.evaluation("ntu60_xsub", transforms, stream),
    )


PRETRAINED = tuple(
    _published(stream, linear)
    for stream, linear in (
        ("joint", 77.30),
        ("bone", 75.59),
        ("joint_motion", 70.29),
    )
)
