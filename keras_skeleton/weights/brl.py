"""BRL: published weights of the classifiers that it trained.

Official code: firework8/BRL. The weights belong to the systems of the
networks, ST-GCN++ and CTR-GCN.
"""

from keras_skeleton.weights import conversion
from keras_skeleton.weights import published
from keras_skeleton.weights import pyskl
from keras_skeleton.weights.cards import File
from keras_skeleton.weights.cards import PretrainedWeights

PRETRAINED = ()
build = pyskl.build
ADDRESS = "hf://firework8/BRL"
STREAMS = (*published.STREAMS, "skip", "skip_motion")
_FOLDERS = {
    "ntu60_xsub": "1ksC002PtEMxCt8A5l5ftqSN9guBzJxy0",
    "ntu60_xview": "1KrtXE1tdJGVJz2ixWpR6Vd7l5qzAf8TV",
    "ntu120_xsub": "1Lgnm_phTSM1fniYHONfzahJBdJZm36IV",
    "ntu120_xset": "1L1mmgp-RtifmXTiWTNBU21e6Q3r7QV4i",
}


def table(model, names=()):
    """Conversion table of a `BRL`, which is that of its classifier.

    Args:
        model: The model to load into.
        names: Names of the official tensors at hand.
    """
    return conversion.table_for(model.model, names)


def cards(system, scores, configuration=()):
    """The cards of all streams of a system that BRL trained.

    Args:
        system: Name of the system of the network.
        scores: Dict from test sets to the stated accuracies of `STREAMS` and
            of all six together, in percent.
        configuration: Arguments of the constructor beside the usual.
    """
    return tuple(
        _card(system, test_set, stream, score, fused, configuration)
        for test_set, (*each, fused) in scores.items()
        for stream, score in zip(STREAMS, each, strict=True)
    )


def _card(system, test_set, stream, score, fused, configuration):
    data = published.data_name(*test_set.split("_"))
    words = stream.replace("_", " ")
    file = File(
        name=f"the best checkpoint of {data}, {words} stream (a file .pth)",
        obtained="by hand",
        page=(f"https://drive.google.com/drive/folders/{_FOLDERS[test_set]}"),
    )
    return PretrainedWeights(
        system=system,
        name=f"brl_{test_set}_{stream}",
        configuration={
            "input_shape": (2, 64, 25, 3),
            "skeleton": "ntu",
            "hidden_dim": 64,
            **dict(configuration),
        },
        files=(file,),
        source=(
            f"firework8/BRL, trained on long-tailed {data} (6 clips in the "
            f"rarest class), {words} stream"
        ),
        licence="MIT",
        scores=(
            published.stated("supervised", score, "the authors"),
            published.stated("fused", fused, "the authors"),
        ),
        notes=(
            "The scores are those of the mean probabilities of ten samples "
            "of each clip, UniformSample(64, num_clips=10); this recipe takes "
            f"one. Of six streams together the second. Also in the folder "
            f"ckpt of {ADDRESS}, under names that we do not know."
        ),
        **published.evaluation(
            test_set, pyskl.transforms("3d", stream, num_frames=64), stream
        ),
    )
