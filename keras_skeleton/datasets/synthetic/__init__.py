"""Generated motion, and pictures of it."""

from keras_skeleton._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    homes={
        **dict.fromkeys(
            ("CAMERA_HEIGHT", "CLASS_NAMES", "load_data"), "motion"
        ),
        **dict.fromkeys(
            ("Camera", "depth_points", "draw_clip", "film"), "pictures"
        ),
    },
)
