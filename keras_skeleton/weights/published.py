"""What the cards of weights that others published have in common."""

from keras_skeleton.datasets import formats
from keras_skeleton.layers.augmentation.streams import STREAMS as STREAMS
from keras_skeleton.weights.cards import Score

# How data sets and protocols are called in tables.
DATA_SETS = {
    "itop": "ITOP",
    "ntu60": "NTU-60",
    "ntu60_2d": "NTU-60",
    "ntu120": "NTU-120",
    "ntu120_2d": "NTU-120",
    "nw_ucla": "NW-UCLA",
    "panoptic": "CMU Panoptic",
    "penn_action": "Penn Action",
    "pku_mmd": "PKU-MMD",
    "pku_mmd_2d": "PKU-MMD",
    "pyskl": "NTU 2D",
    "toyota_smarthome": "Toyota Smarthome",
}
PROTOCOLS = {
    "xsub": "X-sub",
    "xview": "X-view",
    "xset": "X-set",
    "cs": "CS",
    "front": "front",
    "c3p": "as in C3P",
    "xview_long_tailed": "X-view, long-tailed",
}


def data_name(data_set, protocol):
    """What a test set is called, for example `"NTU-60 X-sub"`."""
    words = DATA_SETS.get(data_set, data_set)
    return f"{words} {PROTOCOLS.get(protocol, protocol)}"


def transform(name, **config):
    """A transform of a recipe as data; what is left out has its default."""
    return {"class": name, "config": config}


def middle(num_frames):
    """The published evaluation on NTU RGB+D: the middle 95 %, resized."""
    return transform("CropResize", num_frames=num_frames, interval=[0.95])


def evaluation(test_set, transforms, stream=None, has_head=True):
    """The entries of a card that say what weights are evaluated by.

    Args:
        test_set: Data set and protocol, for example `"ntu60_xsub"`.
        transforms: List of transforms as data.
        stream: Name of the stream or part that the transforms make.
        has_head: Whether the weights have a classification head.

    Returns:
        Dict with `recipe`, `classes` and `class_names`.
    """
    data_set, protocol = test_set.rsplit("_", 1)
    class_names = formats.class_names(data_set)
    return {
        "recipe": {
            "data_set": data_set,
            "protocol": protocol,
            "transforms": transforms,
            "stream": stream,
        },
        "classes": len(class_names) if has_head else None,
        "class_names": class_names,
    }


def stated(kind, percent, stated_by):
    """A published top-1 accuracy."""
    return Score("top1", kind, percent=percent, stated_by=stated_by)
