"""How well poses were estimated, in NumPy; distances in the unit of the poses.

Beside what `recovery` measures of restored clips. `pose_metrics` has the same
as metrics of Keras.
"""

import time

import numpy as np
from numpy.typing import ArrayLike

from keras_skeleton import skeletons
from keras_skeleton._arrays import to_numpy
from keras_skeleton.evaluation import measured
from keras_skeleton.evaluation import recovery
from keras_skeleton.evaluation import result as results
from keras_skeleton.skeletons.skeleton import SkeletonLike

ALIGNMENTS = (None, "root", "procrustes")


def joint_errors(
    true: ArrayLike, found: ArrayLike, align=None, root=None
) -> np.ndarray:
    """Distance of each joint from its true place.

    Args:
        true: Array `(..., V, C)`, the true poses, usually in metres.
        found: Array of the same shape.
        align: What does not count: `None`, all counts; `"root"`, where the
            person is: the joint `root` is put to its true place; or
            `"procrustes"`, also how the person is turned, and its size: of
            all similarity maps (without reflections) that with the least
            squares of the distances is done to each pose.
        root: Number of the joint for `"root"`, for example
            `skeletons.get("itop15").center`.

    Returns:
        float64 array `(..., V)`.

    Raises:
        ValueError: If shapes do not fit, a number is not finite, or `align`
            is none of the choices.

    Example:

    >>> true = np.eye(3)
    >>> joint_errors(true, 2 * true + 1, align="procrustes").round(6)
    array([0., 0., 0.])

    Reference: Gower, Generalized Procrustes analysis, 1975; Umeyama, Least-
    squares estimation of transformation parameters, PAMI 1991.
    """
    true, found = _checked(true, found)
    check_alignment(align, root, true.shape[-2])
    if align == "root":
        found = found - found[..., [root], :] + true[..., [root], :]
    elif align == "procrustes":
        found = procrustes(true, found)
    return np.linalg.norm(found - true, axis=-1)


def procrustes(true: ArrayLike, found: ArrayLike) -> np.ndarray:
    """Poses brought to the true ones by the best similarity map of each.

    Args:
        true: Array `(..., V, C)`.
        found: Array of the same shape.

    Returns:
        float64 array `(..., V, C)`: scaled, turned and moved `found`. A pose
        whose joints are all at one place is only moved.
    """
    true, found = _checked(true, found)
    middle = np.mean(true, axis=-2, keepdims=True)
    x, y = found - np.mean(found, axis=-2, keepdims=True), true - middle
    left, size, right = np.linalg.svd(np.swapaxes(x, -1, -2) @ y)
    # A reflection of the direction that matters least makes it a rotation.
    sign = np.where(np.linalg.det(left @ right) < 0, -1.0, 1.0)
    size[..., -1] *= sign
    left[..., :, -1] *= sign[..., None]
    square = np.sum(x**2, axis=(-2, -1))
    scale = np.sum(size, axis=-1) / np.where(square > 0, square, 1)
    return scale[..., None, None] * (x @ (left @ right)) + middle


def root_mpjpe(
    true: ArrayLike, found: ArrayLike, root=0, valid: ArrayLike | None = None
) -> float:
    """`mpjpe` with the joint `root` at its true place.

    Args:
        true: See `mpjpe`, also for the other arguments.
        found: Array of the same shape.
        root: Number of a joint.
        valid: See `mpjpe`.

    Returns:
        A float, in the unit of the poses.
    """
    return _mean_error(true, found, valid, "root", root)


def pa_mpjpe(
    true: ArrayLike, found: ArrayLike, valid: ArrayLike | None = None
) -> float:
    """`mpjpe` of poses brought to the true ones by `procrustes`.

    Args:
        true: See `mpjpe`, also for the other arguments.

    Returns:
        A float, in the unit of the poses.
    """
    return _mean_error(true, found, valid, "procrustes", None)


def joint_accuracy(
    true: ArrayLike,
    found: ArrayLike,
    threshold=0.1,
    *,
    inclusive=False,
    per_joint=False,
    valid: ArrayLike | None = None,
) -> float | np.ndarray:
    """Percentage of joints that lie near to their true places.

    For a threshold of 0.1 m it is the mAP at 10 cm that results on ITOP and
    CMU Panoptic are stated in.

    Args:
        true: See `mpjpe`, also for `found` and `valid`.
        found: Array of the same shape.
        threshold: Distance in the unit of the poses.
        inclusive: Whether a distance of exactly `threshold` counts, as in
            the published script of C3P. By default it must be below, as on
            ITOP.
        per_joint: Whether to return a number for each joint.
        valid: See `mpjpe`.

    Returns:
        A float, 0 to 100, or an array `(V,)` of them.

    Example:

    >>> joint_accuracy(np.zeros((1, 2, 3)), [[[0, 0, 0.05], [0, 0, 0.2]]])
    50.0

    Reference: Haque et al., Towards viewpoint invariant 3D human pose
    estimation, ECCV 2016, arXiv 1603.07076.
    """
    if not threshold > 0:
        raise ValueError(
            f"`threshold` must be a distance above 0. Received: {threshold}"
        )
    true, found, valid = recovery.checked(true, found, valid)
    errors = joint_errors(true, found)[valid]
    if not len(errors):
        raise ValueError("No frame counts: `valid` is 0 everywhere.")
    is_near = errors <= threshold if inclusive else errors < threshold
    share = 100.0 * np.mean(is_near, axis=0)
    return share if per_joint else float(np.mean(share))


def measure_poses(
    true: ArrayLike,
    found: ArrayLike,
    skeleton: SkeletonLike,
    *,
    threshold=0.1,
    inclusive=False,
    valid: ArrayLike | None = None,
    root=None,
) -> dict:
    """Measures estimated poses by all that is usual, joint by joint.

    Args:
        true: Array `(..., V, 3)` in metres.
        found: Array of the same shape.
        skeleton: A `Skeleton` or its registered name.
        threshold: Distance in metres below which a joint counts as right.
        inclusive: See `joint_accuracy`.
        valid: Optional array `(...)`, 0 where a pose does not count.
        root: Name or number of the joint that is aligned for the error
            without the person's place. By default the skeleton's centre.

    Returns:
        Dict of the fields `scores` and `joints` of a `Result`: the share of
        joints within the threshold, and the mean error in centimetres, also
        with roots and with whole poses aligned.

    Raises:
        ValueError: If poses, skeleton and root do not fit.
    """
    skeleton = skeletons.get(skeleton)
    root = skeleton.center if root is None else root
    if isinstance(root, str):
        if root not in skeleton.joints:
            raise ValueError(
                f"The skeleton {skeleton.name!r} has no joint {root!r}; it has "
                f"{', '.join(skeleton.joints)}."
            )
        root = skeleton.joints.index(root)
    true, found = to_numpy(true), to_numpy(found)
    if true.ndim < 2 or true.shape[-2:] != (skeleton.num_joints, 3):
        raise ValueError(
            f"Poses must have the {skeleton.num_joints} joints of "
            f"{skeleton.name!r} in metres, (..., {skeleton.num_joints}, 3). "
            f"Received shape {true.shape}."
        )
    valid = None if valid is None else np.asarray(valid)[None]
    true, found, valid = recovery.checked(true[None], found[None], valid)
    if not valid.any():
        raise ValueError("No pose counts: `valid` is 0 everywhere.")
    errors = joint_errors(true, found)[valid]
    is_near = errors <= threshold if inclusive else errors < threshold
    near, error = f"within {100 * threshold:g} cm", "error"
    scores = {
        near: results.Percentage.count(is_near.ravel()),
        error: _distance(errors),
    }
    for align in ALIGNMENTS[1:]:
        aligned = joint_errors(true, found, align, root)[valid]
        scores[f"error, {align} aligned"] = _distance(aligned)
    joints = {
        name: {
            near: results.Percentage.count(is_near[:, joint]),
            error: _distance(errors[:, joint]),
        }
        for joint, name in enumerate(skeleton.joints)
    }
    return {"scores": scores, "joints": joints}


def evaluate_poses(
    model,
    inputs: ArrayLike | dict,
    true: ArrayLike,
    skeleton: SkeletonLike | None = None,
    *,
    batch_size=64,
    verbose=0,
    **options,
) -> results.Result:
    """Measures a model that estimates poses.

    Args:
        model: A model with outputs `(N, V, 3)` in metres.
        inputs: What it takes, an array or a dict of arrays by name.
        true: Array `(N, V, 3)`, the true poses in the same axes.
        skeleton: A `Skeleton` or its name. By default the model's own.
        batch_size: Samples per pass.
        verbose: 1 for a progress bar.
        **options: Further arguments of `measure_poses`.

    Returns:
        A `Result`, which prints a line for each joint.

    Raises:
        ValueError: If the model gives other poses than there are.

    Example:

    ```python
    result = evaluate_poses(model, {"depth": crops, ...}, joints)
    print(result)
    print(result.joints["head"]["error"])
    ```
    """
    start = time.perf_counter()
    if skeleton is None:
        skeleton = getattr(model, "skeleton", None)
    if skeleton is None:
        raise ValueError(
            f"The model {model.name!r} has no skeleton. Pass `skeleton=`, "
            "the layout of its joints."
        )
    found = model.predict(inputs, batch_size=batch_size, verbose=verbose)
    if np.shape(found) != np.shape(true):
        raise ValueError(
            f"The model gives poses of shape {np.shape(found)}, but the true "
            f"ones have shape {np.shape(true)}."
        )
    return measured.finished(
        "poses", model, start, **measure_poses(true, found, skeleton, **options)
    )


def _distance(errors):
    return results.Distance(100 * float(np.mean(errors)), errors.size)


def check_alignment(align, root, joints=None):
    """Raises a `ValueError` for a wrong alignment or root."""
    if align not in ALIGNMENTS:
        raise ValueError(
            "`align` must be None, 'root' or 'procrustes'. Received: "
            f"align={align!r}"
        )
    if align != "root":
        return
    is_joint = isinstance(root, int | np.integer) and root >= 0
    if not is_joint or (joints is not None and root >= joints):
        raise ValueError(
            "To align roots, `root` must be the number of a joint"
            + (f", 0 to {joints - 1}" if joints else "")
            + f". Received root={root!r}."
        )


def _mean_error(true, found, valid, align, root):
    true, found, valid = recovery.checked(true, found, valid)
    return recovery.mean_of_frames(
        joint_errors(true, found, align, root), valid
    )


def _checked(true, found):
    true, found, _ = recovery.checked(
        to_numpy(true)[None], to_numpy(found)[None], None
    )
    return true[0], found[0]
