"""Crops of depth maps around persons, and joints in them, in NumPy.

What the networks of A2J take and learn from. A box is `(left, top, width,
height)` in pixels of the whole picture; the intrinsics of a camera are the
matrix `((fx, 0, cx), (0, fy, cy), (0, 0, 1))` of focal lengths and middle in
pixels. A negative focal length says that an axis points the other way: x to
the left of the picture, y up.
"""

import numpy as np
from numpy.typing import ArrayLike


def person_boxes(places: ArrayLike, margin=0.2) -> np.ndarray:
    """The boxes around persons, from their joints in the picture.

    Args:
        places: Array `(..., V, 2)` of columns and rows, or more numbers, of
            which the others do not count. Joints at exactly (0, 0) are
            missing.
        margin: By how much a box is larger than the extent of the joints, a
            share of it, half on each side. 20 % is a choice.

    Returns:
        float32 `(..., 4)`: left, top, width, height. Zeros where there is no
        joint.
    """
    places = np.asarray(places, "float32")[..., :2]
    known = np.any(places != 0, axis=-1, keepdims=True)
    low = np.min(np.where(known, places, np.inf), axis=-2)
    high = np.max(np.where(known, places, -np.inf), axis=-2)
    return _enlarged(low, high, known.any(axis=(-2, -1)), margin)


def mask_boxes(mask: ArrayLike, margin=0.1) -> np.ndarray:
    """The boxes around what masks show.

    Args:
        mask: boolean array `(T, H, W)`.
        margin: See `person_boxes`.

    Returns:
        float32 `(T, 4)`: left, top, width, height. Zeros of empty masks.
    """
    mask = np.asarray(mask, bool)
    ends = []
    for axis in (1, 2):
        line = mask.any(axis=axis)
        first = line.argmax(axis=1)
        ends.append((first, line.shape[1] - line[:, ::-1].argmax(axis=1)))
    low = np.stack([first for first, _ in ends], axis=-1)
    high = np.stack([last for _, last in ends], axis=-1)
    return _enlarged(low, high, mask.any(axis=(1, 2)), margin)


def crop_depth(
    depth: ArrayLike,
    boxes: ArrayLike,
    size: int | tuple = 288,
    mean=0.0,
    deviation=1.0,
) -> np.ndarray:
    """Cuts boxes out of depth maps and brings them to one size.

    Pixel `(row, column)` of a crop is the pixel that `top + row height /
    rows`, `left + column width / columns` falls into: nearest neighbours, as
    no depth in between is one of a surface. What lies outside of the picture
    is as what was not measured: depth 0 before the normalization (a choice).

    Args:
        depth: Array `(T, H, W)` in metres, or pictures `(T, H, W, C)`.
        boxes: Array `(T, 4)`.
        size: Rows and columns of the crops, a number or two.
        mean: What is subtracted, of all or of each channel.
        deviation: What is divided by then. For ITOP, the published numbers
            are 3.44405 and 0.540398 (view from the side), 2.143078 and
            0.609971 (top); for other data see `depth_statistics`.

    Returns:
        float32 `(T, rows, columns, 1)`, or `(T, rows, columns, C)`.

    Raises:
        ValueError: If there is not a box for each picture, or one is empty.

    Example:

    >>> crop_depth(np.ones((2, 240, 320)), [[100, 20, 90, 180]] * 2).shape
    (2, 288, 288, 1)
    """
    depth, boxes = np.asarray(depth), np.asarray(boxes, "float64")
    if depth.ndim not in (3, 4) or boxes.shape != (len(depth), 4):
        raise ValueError(
            "Depth maps (frames, rows, columns) need a box (left, top, width, "
            f"height) each. Received shapes {depth.shape} and {boxes.shape}."
        )
    _check_boxes(boxes)
    rows, columns = _size(size)
    left, top, width, height = boxes.T[:, :, None]
    row = np.floor(top + np.arange(rows) * height / rows).astype(int)
    column = np.floor(left + np.arange(columns) * width / columns).astype(int)
    is_row = (row >= 0) & (row < depth.shape[1])
    is_column = (column >= 0) & (column < depth.shape[2])
    frames = np.arange(len(depth))[:, None, None]
    crops = depth[
        frames,
        np.where(is_row, row, 0)[:, :, None],
        np.where(is_column, column, 0)[:, None],
    ].astype("float32")
    inside = is_row[:, :, None] & is_column[:, None]
    if depth.ndim == 3:
        crops = crops[..., None]
    # What was not measured may be NaN in files.
    crops = np.where(inside[..., None] & np.isfinite(crops), crops, 0)
    return ((crops - np.float32(mean)) / np.float32(deviation)).astype(
        "float32"
    )


def depth_statistics(crops: ArrayLike):
    """Mean and deviation of what was measured in crops.

    Args:
        crops: Array of `crop_depth` without normalization, of training data.

    Returns:
        Two floats, the arguments `mean` and `deviation` of `crop_depth`.
    """
    values = np.asarray(crops, "float64")
    values = values[values > 0]
    if not values.size:
        raise ValueError("Nothing was measured: all depths are 0.")
    return float(values.mean()), float(max(values.std(), 1e-6))


def joints_in_crop(
    joints: ArrayLike,
    boxes: ArrayLike,
    intrinsics: ArrayLike,
    size: int | tuple = 288,
    depth_scale=50.0,
    root_depth: ArrayLike | None = None,
) -> np.ndarray:
    """Joints in metres as rows, columns and depths of crops.

    What `losses.AnchorToJointError` compares; the reverse of
    `layers.CropToCamera`.

    Args:
        joints: Array `(..., V, 3)` in metres, in the axes of the camera.
            Joints of all zeros, which nobody knows, stay so.
        boxes: Array `(..., 4)`.
        intrinsics: Array `(3, 3)`.
        size: Rows and columns of the crops, a number or two.
        depth_scale: Units of depth in a metre.
        root_depth: Optional array `(..., 1)`: depth that others are relative
            to.

    Returns:
        float32 `(..., V, 3)`: row, column, depth.

    Raises:
        ValueError: If a box is empty, or a joint is not in front of the
            camera.
    """
    joints = np.asarray(joints, "float64")
    boxes = np.asarray(boxes, "float64")[..., None, :]
    (fx, _, cx), (_, fy, cy), _ = _matrix(intrinsics)
    known = np.any(joints != 0, axis=-1)
    x, y, z = np.moveaxis(joints, -1, 0)
    if np.any(known & ~(z > 0)):
        raise ValueError(
            "Joints must lie in front of the camera, at a depth above 0. "
            f"Received a depth of {z[known].min():g} m. Check the order of "
            "coordinates; joints that are not known are all zeros."
        )
    _check_boxes(boxes)
    rows, columns = _size(size)
    z = np.where(known, z, 1)
    u, v = x * fx / z + cx, y * fy / z + cy
    if root_depth is not None:
        z = z - root_depth
    found = np.stack(
        [
            (v - boxes[..., 1]) * rows / boxes[..., 3],
            (u - boxes[..., 0]) * columns / boxes[..., 2],
            z * depth_scale,
        ],
        axis=-1,
    )
    return np.where(known[..., None], found, 0).astype("float32")


def depth_at(depth: ArrayLike, places: ArrayLike, radius=3) -> np.ndarray:
    """The median of what was measured around places of each picture.

    Around the root of a person, it is the depth to which
    `A2J(modality="video")` adds that of the joints; around all 2D joints, in
    depth maps of the person alone, what `UniPoseTraining` takes as `depths`.

    Args:
        depth: Array `(T, H, W)` in metres, 0 where nothing was measured.
        places: Array `(T, 2)` or `(T, V, 2)`: column and row.
        radius: Pixels to each side; 3 for 7 x 7 pixels.

    Returns:
        float32 `(T, 1)` or `(T, V)`; 0 where nothing was measured around the
        place.
    """
    places = np.round(places).astype(int).reshape(len(depth), -1, 2)
    found = np.zeros(places.shape[:2], "float32")
    for picture, own, values in zip(depth, places, found, strict=True):
        for i, (column, row) in enumerate(own):
            part = picture[
                max(row - radius, 0) : max(row + radius + 1, 0),
                max(column - radius, 0) : max(column + radius + 1, 0),
            ]
            part = part[part > 0]
            if part.size:
                values[i] = np.median(part)
    return found


def reliable_joints(
    joints: ArrayLike,
    places: ArrayLike,
    intrinsics: ArrayLike,
    scores: ArrayLike | None = None,
    reach=0.15,
    least=0.3,
) -> np.ndarray:
    """Joints that agree with 2D joints; the others become zeros.

    For training by joints that another network found, which leaves out what
    is zero. The measure is that of C3P: in the plane of the joint's depth,
    the distance to the viewing ray of the 2D joint, divided by the length of
    the ray at depth 1. The limits are choices.

    Args:
        joints: Array `(..., V, 3)` in metres.
        places: Array `(..., V, 2)`, columns and rows of 2D joints.
        intrinsics: Array `(3, 3)`.
        scores: Optional array `(..., V)`, scores of 2D joints.
        reach: Largest distance in metres.
        least: Lowest score.

    Returns:
        Array like `joints`.
    """
    (fx, _, cx), (_, fy, cy), _ = _matrix(intrinsics)
    joints, places = np.asarray(joints), np.asarray(places, "float64")
    ray = np.stack(
        [
            (places[..., 0] - cx) / fx,
            (places[..., 1] - cy) / fy,
            np.ones(places.shape[:-1]),
        ],
        axis=-1,
    )
    distance = np.linalg.norm(joints[..., 2:] * ray - joints, axis=-1)
    is_sure = distance / np.linalg.norm(ray, axis=-1) <= reach
    if scores is not None:
        is_sure &= np.asarray(scores) >= least
    return np.where(is_sure[..., None], joints, 0).astype(joints.dtype)


def _matrix(intrinsics):
    intrinsics = np.asarray(intrinsics, "float64")
    if intrinsics.shape != (3, 3) or not intrinsics[[0, 1], [0, 1]].all():
        raise ValueError(
            "`intrinsics` must be the matrix ((fx, 0, cx), (0, fy, cy), "
            f"(0, 0, 1)) of a camera. Received shape {intrinsics.shape}: "
            f"{intrinsics.tolist()}"
        )
    return intrinsics


def _size(size):
    return (size, size) if np.ndim(size) == 0 else tuple(size)


def _check_boxes(boxes):
    is_empty = ~(boxes[..., 2:] > 0).all(axis=-1)
    if is_empty.any():
        raise ValueError(
            f"{is_empty.sum()} of {is_empty.size} boxes are empty, as of "
            "pictures without a person. Leave these out."
        )


def _enlarged(low, high, is_any, margin):
    size = np.where(is_any[..., None], high - low, 0)
    start = np.where(is_any[..., None], low, 0) - size * margin / 2
    box = np.concatenate([start, size * (1 + margin)], axis=-1)
    return box.astype("float32")
