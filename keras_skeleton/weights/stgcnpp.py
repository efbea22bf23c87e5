"""ST-GCN++: published weights and the names of their tensors.

Official code: kennymckormick/pyskl.
"""

from keras_skeleton.weights import brl
from keras_skeleton.weights import published
from keras_skeleton.weights import pyskl
from keras_skeleton.weights import tensor_names as names_of

build = pyskl.build


def table(model, names=()):
    """Conversion table of an `STGCNPlusPlus`.

    Args:
        model: The model to load into.
        names: Names of the official tensors at hand.
    """
    return pyskl.table(network(model), names)


def network(model):
    """Entries of the layers of an `STGCNPlusPlus` without its head."""
    entries = names_of.norm("data_bn", "input_norm")
    for i, block in enumerate(model.blocks):
        official, ours = f"gcn.{i}", f"block_{i}"
        entries += [
            *pyskl.graph_convolution(
                f"{official}.gcn", f"{ours}/graph_convolution"
            ),
            *pyskl.mixed_temporal_convolution(
                len(block.temporal_convolution.dilations),
                f"{official}.tcn",
                f"{ours}/temporal_convolution",
            ),
            *pyskl.shortcut(official, ours),
        ]
    return entries


# Joints, bones, their motion and all together, in percent.
_SCORES = {
    ("ntu60_xsub", "3d"): (89.3, 90.1, 87.5, 87.3, 92.1),
    ("ntu60_xsub", "hrnet"): (89.3, 92.3, 84.0, 88.8, 93.2),
    ("ntu60_xview", "3d"): (95.6, 95.5, 94.3, 93.8, 97.0),
    ("ntu60_xview", "hrnet"): (97.4, 97.2, 93.4, 95.4, 98.5),
    ("ntu120_xsub", "3d"): (83.2, 85.6, 80.4, 81.5, 87.5),
    ("ntu120_xsub", "hrnet"): (84.4, 84.8, 76.4, 81.1, 86.4),
    ("ntu120_xset", "3d"): (85.6, 87.5, 84.3, 83.0, 89.8),
    ("ntu120_xset", "hrnet"): (88.1, 88.5, 82.6, 84.1, 90.3),
}
_STRONG_SCORES = {
    "ntu60_xsub": (90.3, 90.8, 88.3, 87.8, 92.6),
    "ntu60_xview": (96.6, 95.9, 95.1, 93.7, 97.4),
    "ntu120_xsub": (84.3, 87.0, 82.2, 81.9, 88.6),
    "ntu120_xset": (86.7, 88.3, 85.1, 84.4, 90.8),
}
# Of joints, bones, their motion, skips and their motion, and all together.
_BRL_SCORES = {
    "ntu60_xsub": (76.7, 76.1, 75.0, 72.8, 77.7, 73.4, 81.8),
    "ntu60_xview": (81.4, 80.3, 78.5, 76.2, 81.1, 77.2, 85.4),
    "ntu120_xsub": (65.3, 65.3, 59.7, 59.8, 64.2, 59.6, 69.7),
    "ntu120_xset": (66.8, 66.6, 63.5, 62.2, 65.9, 61.6, 71.3),
}


def _folder(test_set, joints):
    return f"{test_set}_{'3dkp' if joints == '3d' else joints}"


PRETRAINED = (
    *(
        pyskl.card(
            "stgcnpp",
            test_set,
            joints,
            stream,
            score,
            fused,
            f"stgcnpp/stgcnpp_{_folder(test_set, joints)}",
            prefix="2d_" if joints == "hrnet" else "",
        )
        for (test_set, joints), (*scores, fused) in _SCORES.items()
        for stream, score in zip(published.STREAMS, scores, strict=True)
    ),
    *(
        pyskl.card(
            "stgcnpp",
            test_set,
            "3d",
            stream,
            score,
            fused,
            f"strong_aug/{_folder(test_set, '3d')}",
            prefix="aug_",
        )
        for test_set, (*scores, fused) in _STRONG_SCORES.items()
        for stream, score in zip(published.STREAMS, scores, strict=True)
    ),
    *brl.cards("stgcnpp", _BRL_SCORES),
)
