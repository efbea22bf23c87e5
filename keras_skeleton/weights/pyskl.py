"""What the published weights of PYSKL and its descendants have in common.

Official code: kennymckormick/pyskl, and firework8/BRL.
"""

from keras_skeleton.layers import augmentation
from keras_skeleton.layers.augmentation import serialize_transforms
from keras_skeleton.weights import conversion
from keras_skeleton.weights import published
from keras_skeleton.weights import tensor_names as names_of
from keras_skeleton.weights.cards import File
from keras_skeleton.weights.cards import PretrainedWeights
from keras_skeleton.weights.conversion import Entry
from keras_skeleton.weights.conversion import Part

ADDRESS = "https://download.openmmlab.com/mmaction/pyskl/ckpt"
BACKBONE, HEAD = "backbone.", "cls_head.fc_cls"
LETTERS = dict(zip(published.STREAMS, ("j", "b", "jm", "bm"), strict=True))
NUM_FRAMES = 100


def head_of(names):
    """Official name of the last layer; mmaction2 has another than PYSKL."""
    is_other = any(name.startswith("cls_head.fc.") for name in names)
    return "cls_head.fc" if is_other else HEAD


def table(network, names, ignored=(), more=(), parts=None, kept=()):
    """The table of a classifier, or of a file that holds its network alone.

    Args:
        network: Entries of all layers but the head, without prefix.
        names: Names of the official tensors at hand, none for the usual.
        ignored: Patterns of names of constants that our layers compute.
        more: Further entries, by their whole names.
        parts: Dict of further parts.
        kept: See `ConversionTable`.
    """
    head = head_of(names)
    is_alone = names and not any(name.startswith(BACKBONE) for name in names)
    prefix = "" if is_alone else BACKBONE
    entries = [
        *names_of.inside(network, prefix),
        *names_of.linear(head, "predictions"),
        *more,
    ]
    parts = {
        "head": Part((f"{head}.*",), ("head_norm/*", "predictions/*")),
        **(parts or {}),
    }
    return names_of.ExactTable(
        tuple(entries),
        parts,
        ("*num_batches_tracked", *ignored),
        kept=tuple(kept),
    )


def build(entry, tensors):
    """The classifier that an official file of registered weights belongs to.

    Args:
        entry: The `PretrainedWeights`.
        tensors: Dict of official names to arrays.
    """
    bias = f"{head_of(tensors)}.bias"
    return conversion.build_classifier(entry, tensors, bias)


def graph_convolution(official, ours):
    """A `PartitionGraphConvolution`; official rows are the senders."""
    swap = names_of.swap_ends
    return [
        Entry(f"{official}.A", f"{ours}/graph", swap),
        Entry(f"{official}.PA", f"{ours}/importance", swap),
        *names_of.pointwise(f"{official}.conv", f"{ours}/value"),
        *names_of.graph_end(official, ours),
    ]


def temporal_convolution(official, ours):
    """A `TemporalConvolution` and its normalization in a block `ours`."""
    return [
        *names_of.linear(
            f"{official}.conv",
            f"{ours}/temporal_convolution",
            names_of.temporal_kernel,
        ),
        *names_of.norm(f"{official}.bn", f"{ours}/temporal_norm"),
    ]


def mixed_temporal_convolution(dilations, official, ours):
    """A `MixedTemporalConvolution`.

    Args:
        dilations: Number of branches with a convolution.
        official: Official name of the layer.
        ours: Path of ours.
    """
    entries = [
        Entry(f"{official}.add_coeff", f"{ours}/gates", adapt=_first_joints),
        *names_of.norm(f"{official}.transform.0", f"{ours}/mixing_norm"),
        *names_of.pointwise(f"{official}.transform.2", f"{ours}/mixing"),
        *names_of.norm(f"{official}.bn", f"{ours}/norm"),
        *names_of.pointwise(
            f"{official}.branches.{dilations + 1}",
            f"{ours}/pointwise_{dilations + 1}",
        ),
    ]
    for i in range(dilations + 1):
        branch = f"{official}.branches.{i}"
        entries += names_of.pointwise(f"{branch}.0", f"{ours}/pointwise_{i}")
        entries += names_of.norm(f"{branch}.1", f"{ours}/pointwise_norm_{i}")
        if i < dilations:
            entries += names_of.linear(
                f"{branch}.3.conv",
                f"{ours}/convolution_{i}",
                names_of.temporal_kernel,
            )
    return entries


def _first_joints(gates, shape):
    """The official vector is one for 25 joints, whatever the layout."""
    return gates[: shape[0]] if gates.ndim == 1 else gates


def shortcut(official, ours):
    """The shortcut of a `SpatioTemporalBlock`."""
    return [
        *names_of.pointwise(f"{official}.residual.conv", f"{ours}/shortcut"),
        *names_of.norm(f"{official}.residual.bn", f"{ours}/shortcut_norm"),
    ]


def transforms(
    joints, stream, num_frames=NUM_FRAMES, num_clips=1, upright=True
):
    """The published preprocessing for evaluation.

    Args:
        joints: `"3d"` or `"hrnet"`.
        stream: Name of the stream.
        num_frames: Frames of a sample.
        num_clips: Samples of each clip, whose scores are averaged.
        upright: Whether the spine is brought upright. Recipes that leave it,
            those of DG-STGCN and ACLNet, sample in another way as well.
    """
    is_flat = joints == "hrnet"
    first = augmentation.PreNormalize3D(align_spine=upright)
    streams = {"skeleton": "ntu"}
    if is_flat:
        first = augmentation.PreNormalize2D()
        streams = {"skeleton": "coco17", "bones": "coco", "score": True}
    made = None
    if stream != "joint":
        made = augmentation.Streams(streams=stream, **streams)
    kind = augmentation.UniformSample
    if not upright:
        kind = augmentation.UniformSampleDecode
    sample = kind(num_frames, num_clips, mode="test", streams=made)
    return serialize_transforms([first, sample])


def card(
    system,
    test_set,
    joints,
    stream,
    score,
    fused,
    folder,
    prefix="",
    configuration=(),
    upright=True,
):
    """The card of weights of PYSKL.

    Args:
        system: Name of the system.
        test_set: Data set and protocol, for example `"ntu60_xsub"`.
        joints: `"3d"` (Kinect) or `"hrnet"` (estimated in the image).
        stream: Name of the stream.
        score: The stated accuracy in percent, of ten samples of each clip.
        fused: The same of the four streams together.
        folder: Folder of the file below `ADDRESS`.
        prefix: Begins the name of the weights.
        configuration: Arguments of the constructor beside the usual.
        upright: See `transforms`.
    """
    data = published.data_name(*test_set.split("_"))
    words = stream.replace("_", " ")
    file = f"{LETTERS[stream]}.pth"
    is_flat = joints == "hrnet"
    found = published.evaluation(
        test_set, transforms(joints, stream, upright=upright), stream
    )
    if is_flat:
        # Of an annotation file, ntu60_hrnet.pkl or ntu120_hrnet.pkl.
        found["recipe"]["data_set"] = "pyskl"
    return PretrainedWeights(
        system=system,
        name=f"{prefix}{test_set}_{stream}",
        configuration={
            "input_shape": (2, NUM_FRAMES, 17 if is_flat else 25, 3),
            "skeleton": "coco17" if is_flat else "ntu",
            "hidden_dim": 64,
            **dict(configuration),
        },
        files=(
            File(
                name=file, obtained="fetched", url=f"{ADDRESS}/{folder}/{file}"
            ),
        ),
        source=f"kennymckormick/pyskl, trained on {data}, {words} stream",
        licence="Apache-2.0",
        scores=(
            published.stated("supervised", score, "the authors"),
            published.stated("fused", fused, "the authors"),
        ),
        notes=(
            "The scores are those of the mean probabilities of ten samples "
            "of each clip, num_clips=10; this recipe takes one."
        ),
        **found,
    )
