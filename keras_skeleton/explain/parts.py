"""From the joints that a network sees to those of the whole skeleton."""

import numpy as np


def part_joints(model, part=None):
    """The joints of the skeleton that a network's joints are.

    Args:
        model: A model of this package.
        part: Of a `PSUMNet` of all parts: `"body"`, `"hand"` or `"leg"`, or
            `None` for the joints of all parts one after another, as in its
            layer `features`.

    Returns:
        Tuple of joint indices; `0..V-1` for models of whole skeletons.

    Example:

    >>> part_joints(applications.PSUMNet(part="leg", skeleton="nw_ucla",
    ...                                  input_shape=(1, 64, 9, 12)))
    (0, 12, 13, 14, 15, 16, 17, 18, 19)
    """
    from keras_skeleton.applications import PSUMNet
    from keras_skeleton.applications.psumnet import part_of

    if not isinstance(model, PSUMNet):
        if part is not None:
            raise ValueError(
                f"Only a PSUMNet has parts. Received part={part!r} and "
                f"{model.__class__.__name__} {model.name!r}."
            )
        return tuple(range(model.skeleton.num_joints))
    if part is not None:
        model.prefix(part)  # says which parts there are
    return tuple(
        joint
        for name in ([part] if part else model.parts)
        for joint in part_of(model.skeleton, name).joints
    )


def to_skeleton(importance, model, part=None):
    """Brings a map over the joints of parts to those of the skeleton.

    A joint that several parts share gets the sum of its values there, so
    that sums are kept; a joint of no part gets 0. Maps that have the joints
    of the skeleton already, such as the `saliency` of a `PSUMNet` of all
    parts and all maps of other models, are returned as they are.

    Args:
        importance: Array `(N, M, T', V')`.
        model: The model that the map explains.
        part: Of a `PSUMNet` of all parts: the part that the map is of, for
            example of its layer `"hand_features"`.

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
    if getattr(model, "parts", None) is None:
        return importance
    joints = part_joints(model, part)
    size = model.skeleton.num_joints
    received = importance.shape[-1] if importance.ndim == 4 else None
    if received == size and part is None and len(model.parts) > 1:
        return importance
    if received != len(joints):
        raise ValueError(
            f"`importance` must have the shape (N, M, T', {len(joints)}) with "
            f"the joints of {part or ', '.join(model.parts)}. Received shape "
            f"{importance.shape}."
        )
    result = np.zeros((*importance.shape[:-1], size), importance.dtype)
    np.add.at(result, (..., list(joints)), importance)
    return result
