"""Data sets: raw files become `Sequences`, and those become batches."""

from keras_skeleton._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    submodules=(
        "bvh",
        "casia_b",
        "coco",
        "custom",
        "dhg",
        "fine_gym",
        "formats",
        "human36m",
        "itop",
        "k400",
        "kinetics",
        "mediapipe",
        "ntu",
        "ntu_x",
        "nw_ucla",
        "openpose",
        "overview",
        "panoptic",
        "penn_action",
        "pku_mmd",
        "preparation",
        "pyskl",
        "readers",
        "sequences",
        "shrec17",
        "stgcn",
        "synthetic",
    ),
    homes={"Sequences": "sequences"},
)
