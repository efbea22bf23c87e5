"""From the joints that a network sees to those of the whole skeleton."""

import numpy as np
from numpy.typing import ArrayLike


def joints_of(model, layer="features") -> tuple:
    """The joints of the skeleton that those of a layer are.

    A model that sees parts of the body says so by a method `joints_of(layer)`
    of its own; all others see the whole skeleton.

    Args:
        model: A model with a `skeleton`.
        layer: Name of a layer whose output has an axis of joints, or of the
            input.

    Returns:
        Tuple of joint indices; `0..V-1` for models of whole skeletons.

    Example:

    >>> joints_of(applications.PSUMNet(part="leg", skeleton="nw_ucla",
    ...                                input_shape=(1, 64, 9, 12)))
    (0, 12, 13, 14, 15, 16, 17, 18, 19)
    """
    if hasattr(model, "joints_of"):
        return tuple(model.joints_of(layer))
    skeleton = getattr(model, "skeleton", None)
    if skeleton is None:
        raise ValueError(
            f"The model {model.name!r} names no skeleton. Set it, for example "
            'model.skeleton = keras_skeleton.skeletons.get("ntu").'
        )
    return tuple(range(skeleton.num_joints))


def to_skeleton(importance: ArrayLike, model, layer="features") -> np.ndarray:
    """Brings a map over the joints of a layer to those of the skeleton.

    A joint that the layer has several times, as several parts share it, gets
    the sum of its values, so that sums are kept; a joint that it does not
    have gets 0. Maps of layers that see the whole skeleton are returned as
    they are.

    Args:
        importance: Array `(N, M, T', V')`.
        model: The model that the map explains.
        layer: The layer that the map is of; for `saliency` the input,
            `"skeletons"`.

    Returns:
        Array `(N, M, T', V)`.

    Example:

    ```python
    cam = to_skeleton(grad_cam(model, clips), model)
    shares = to_shares(upsample(cam, *clips.shape[2:4]))
    draw_strip(clips[0], model.skeleton, shares[0])
    ```
    """
    importance = np.asarray(importance)
    if not hasattr(model, "joints_of"):
        return importance
    joints = joints_of(model, layer)
    size = model.skeleton.num_joints
    if joints == tuple(range(size)):
        return importance
    if importance.ndim != 4 or importance.shape[-1] != len(joints):
        raise ValueError(
            f"`importance` must have the shape (N, M, T', {len(joints)}) with "
            f"the joints of the layer {layer!r}. Received shape "
            f"{importance.shape}. Say by `layer=` which one the map is of; "
            "that of `saliency` is the input, 'skeletons'."
        )
    result = np.zeros((*importance.shape[:-1], size), importance.dtype)
    np.add.at(result, (..., list(joints)), importance)
    return result
