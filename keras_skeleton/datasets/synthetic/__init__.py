"""Generated motion."""

from keras_skeleton._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    homes={
        name: "motion" for name in ("CAMERA_HEIGHT", "CLASS_NAMES", "load_data")
    },
)
