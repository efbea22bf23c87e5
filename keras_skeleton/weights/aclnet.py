"""ACLNet: published weights and the names of their tensors.

Official code: firework8/ACLNet.
"""

from keras_skeleton.weights import dgstgcn
from keras_skeleton.weights import published
from keras_skeleton.weights import pyskl
from keras_skeleton.weights import tensor_names as names_of
from keras_skeleton.weights.cards import File
from keras_skeleton.weights.cards import PretrainedWeights
from keras_skeleton.weights.conversion import Part

build = pyskl.build
# Official and our names of what training adds to the classifier.
PROJECTIONS = {
    "cls_head.inter_loss.cl_fc": "inter_projection",
    "cls_head.intra_loss.cl_fc": "intra_projection",
}
# No checkpoint has them: in the official code they are lost with the process.
MEMORIES = ("affinity/*", "memory/*")


def table(model, names=()):
    """Conversion table of an `ACLNet` or `ACLNetTraining`.

    Args:
        model: The model to load into.
        names: Names of the official tensors at hand.
    """
    classifier = getattr(model, "model", model)
    entries = [
        entry
        for official, ours in PROJECTIONS.items()
        for entry in names_of.linear(official, ours)
    ]
    training = Part(
        tuple(f"{name}.*" for name in PROJECTIONS),
        tuple(f"{name}/*" for name in (*PROJECTIONS.values(), "affinity"))
        + ("memory/*",),
    )
    return pyskl.table(
        dgstgcn.network(classifier),
        names,
        more=entries,
        parts={"training": training},
        kept=MEMORIES,
    )


def _published(stream, run, epoch, name="", score=None):
    letters = run.partition("_")[0]
    words = stream.replace("_", " ")
    file = f"best_top1_acc_epoch_{epoch}.pth"
    scores = [published.stated("fused", 93.58, "the authors")]
    if score is not None:
        scores.insert(0, published.stated("supervised", score, "the authors"))
    transforms = pyskl.transforms("3d", stream, upright=False)
    return PretrainedWeights(
        system="aclnet",
        name=f"{name}ntu60_xsub_{stream}",
        configuration={
            "input_shape": (2, pyskl.NUM_FRAMES, 25, 3),
            "skeleton": "ntu",
            "hidden_dim": 96,
            "num_graphs": 8,
        },
        files=(
            File(
                name=file,
                obtained="fetched",
                url=f"hf://firework8/ACLNet/ntu60_xsub/{run}/{file}",
            ),
        ),
        source=f"firework8/ACLNet, trained on NTU-60 X-sub, {words} stream",
        licence="MIT",
        scores=tuple(scores),
        notes=(
            f"Of several runs of the stream {letters!r} this is {run!r}; "
            "which one the stated score belongs to is not known. Scores are "
            "those of the mean probabilities of ten samples of each clip, "
            "num_clips=10, fused of six streams; this recipe takes one."
        ),
        **published.evaluation("ntu60_xsub", transforms, stream),
    )


PRETRAINED = (
    _published("joint", "j_1", 148, score=91.44),
    _published("joint", "j_2", 149, "second_"),
    _published("bone", "b_1", 150, score=91.90),
    _published("bone", "b_2", 147, "second_"),
    _published("bone", "b_3", 150, "third_"),
    _published("bone_motion", "bm", 144),
)
