"""Coordinates and persons of a clip that is drawn."""

import numpy as np

UP_AXES = ("y", "-y", "z")


def to_upright(coordinates, up):
    """Rotates coordinates into the Kinect frame: y up, z away from the viewer.

    Two coordinates get a depth of zero. The map is a proper rotation, so left
    and right are never exchanged.
    """
    if up not in UP_AXES:
        raise ValueError(
            f'`up` must be one of {UP_AXES} ("-y" for image coordinates '
            f"that grow downwards). Received: up={up!r}"
        )
    if coordinates.shape[-1] == 2:
        depth = np.zeros(coordinates.shape[:-1] + (1,), coordinates.dtype)
        coordinates = np.concatenate([coordinates, depth], axis=-1)
    x, y, z = np.moveaxis(coordinates, -1, 0)
    if up == "-y":
        x, y = -x, -y
    elif up == "z":
        y, z = z, -y
    return np.stack([x, y, z], axis=-1)


def present(clip):
    """True where a person is in the frame: `(M, T)` of a clip, `(M,)` of a
    frame. An absent person has only zeros."""
    return np.any(clip != 0, axis=(-2, -1))


def joint_names(skeleton):
    """Names to show: "Left hand" for `left_hand`."""
    names = [name.replace("_", " ") for name in skeleton.joints]
    return [name[:1].upper() + name[1:] for name in names]
