"""How well joints were restored, in NumPy; in the unit of the clips."""

import numpy as np
from numpy.typing import ArrayLike

from keras_skeleton._arrays import to_numpy


def mpjpe(
    true: ArrayLike, restored: ArrayLike, valid: ArrayLike | None = None
) -> float:
    """Mean per-joint position error.

    The mean distance of each joint from its true place.

    Args:
        true: Array `(..., T, V, C)`, the true clips.
        restored: Array of the same shape.
        valid: Optional array `(..., T)`, 0 where a frame does not count, as
            padding, or what was not restored.

    Returns:
        A float, in the unit of the clips.

    Raises:
        ValueError: If shapes do not fit, a number is not finite, or no frame
            counts.

    Example:

    >>> mpjpe(np.zeros((1, 4, 17, 2)), np.ones((1, 4, 17, 2)))
    1.4142135623730951

    Reference: as in the code of Skeleton-in-Context, arXiv 2312.03703, and
    [FineTec](https://arxiv.org/abs/2512.25067).
    """
    true, restored, valid = checked(true, restored, valid)
    return mean_of_frames(np.linalg.norm(restored - true, axis=-1), valid)


def n_mpjpe(
    true: ArrayLike, restored: ArrayLike, valid: ArrayLike | None = None
) -> float:
    """As `mpjpe`, each frame normalized to its best scale.

    What was restored is multiplied, in each frame, by the factor that brings
    it closest to the true places, `sum(true * restored) / sum(restored ** 2)`
    over joints and coordinates. A frame of zeros stays so.

    Args:
        true: See `mpjpe`, also for the other arguments.

    Returns:
        A float, in the unit of the clips.
    """
    true, restored, valid = checked(true, restored, valid)
    axes = (-2, -1)
    size = np.sum(restored**2, axis=axes, keepdims=True)
    product = np.sum(true * restored, axis=axes, keepdims=True)
    scale = product / np.where(size > 0, size, 1)
    return mean_of_frames(
        np.linalg.norm(scale * restored - true, axis=-1), valid
    )


def mpjve(
    true: ArrayLike, restored: ArrayLike, valid: ArrayLike | None = None
) -> float:
    """Mean per-joint velocity error.

    The mean distance of each joint's motion from the true one. Motion is the
    difference of neighbouring frames; it counts where both do.

    Args:
        true: See `mpjpe`, also for the other arguments; `T` is at least 2.

    Returns:
        A float, in the unit of the clips per frame.
    """
    true, restored, valid = checked(true, restored, valid)
    if true.shape[-3] < 2:
        raise ValueError(
            "There is no motion in clips of one frame. Received shape "
            f"{true.shape}."
        )
    difference = np.diff(restored - true, axis=-3)
    both = valid[..., 1:] & valid[..., :-1]
    return mean_of_frames(np.linalg.norm(difference, axis=-1), both)


def checked(true, restored, valid):
    """Both in double precision, and a boolean mask of frames."""
    true = to_numpy(true, "float64")
    restored = to_numpy(restored, "float64")
    if true.shape != restored.shape or true.ndim < 3:
        raise ValueError(
            "True and restored clips must have one shape (..., frames, "
            f"joints, coordinates). Received {true.shape} and "
            f"{restored.shape}."
        )
    for name, clips in (("true", true), ("restored", restored)):
        if not np.isfinite(clips).all():
            raise ValueError(
                f"`{name}` holds {np.sum(~np.isfinite(clips))} numbers that "
                "are not finite. Leave these frames out, by `valid`, and set "
                "them to zero."
            )
    if valid is None:
        valid = np.ones(true.shape[:-2])
    valid = np.asarray(valid) != 0
    if valid.shape != true.shape[:-2]:
        raise ValueError(
            "`valid` must have a value for each frame, an array of shape "
            f"{true.shape[:-2]}. Received shape {valid.shape}."
        )
    return true, restored, valid


def mean_of_frames(values, valid):
    """Mean of `(..., T, V)` over joints of the frames that count."""
    if not valid.any():
        raise ValueError("No frame counts: `valid` is 0 everywhere.")
    return float(values[valid].mean())
