"""Data sets: raw files become `Sequences`, and those become batches."""

from keras_skeleton._lazy import attach

# Modules of `readers`, one for each data set or file format.
READERS = (
    "bvh",
    "casia_b",
    "coco",
    "custom",
    "dhg",
    "fine_gym",
    "human36m",
    "itop",
    "k400",
    "kinetics",
    "mediapipe",
    "ntu",
    "ntu_x",
    "nw_ucla",
    "openpose",
    "panoptic",
    "penn_action",
    "pku_mmd",
    "pyskl",
    "shrec17",
    "stgcn",
    "videos",
)
_OWN = (
    "aligned",
    "batches",
    "clouds",
    "depth",
    "features",
    "files",
    "formats",
    "overview",
    "preparation",
    "readers",
    "samplers",
    "sequences",
    "synthetic",
    "video_store",
)

__getattr__, __dir__, __all__ = attach(
    __name__,
    submodules={
        **{name: f"readers.{name}" for name in READERS},
        **{name: name for name in _OWN},
    },
    homes={
        "Aligned": "aligned",
        "Features": "features",
        "Sequences": "sequences",
        "Videos": "features",
        "class_counts": "_long_tailed",
    },
)
