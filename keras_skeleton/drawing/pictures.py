"""Frames of video or depth with the skeletons that belong to them."""

import typing

import numpy as np
from numpy.typing import ArrayLike

from keras_skeleton import skeletons
from keras_skeleton.drawing import checks
from keras_skeleton.drawing.canvas import new_figure
from keras_skeleton.skeletons.skeleton import SkeletonLike

if typing.TYPE_CHECKING:
    from matplotlib.figure import Figure

PERSON_COLORS = ("#ffd23f", "#3bceac", "#ee4266", "#7fb7ff")
# Depth maps are grey, bright where they are near: skeletons stand out.
DEPTH_COLORS, MAP_COLORS = "gray_r", "inferno"
# Inches of a frame and of the names of rows.
FRAME_SIZE, NAME_WIDTH = 1.7, 1.1


def draw_pictures(
    pictures: ArrayLike | dict,
    joints: ArrayLike | dict | None = None,
    skeleton: SkeletonLike | None = None,
    maps: ArrayLike | dict | None = None,
    *,
    frames: int | ArrayLike = 6,
    title=None,
) -> "Figure":
    """Draws a sheet of frames of video or depth, with skeletons in them.

    Joints at exactly (0, 0), and those whose score is 0, were not found and
    are not drawn.

    Args:
        pictures: uint8 `(T, H, W, 3)` or `(T, H, W, 1)`, video or infrared
            pictures; or `(T, H, W)`, depth maps of any unit (uint8: grey
            pictures), 0 where nothing was measured. Or a dict of such arrays,
            one row of the sheet for each.
        joints: Array `(M, T, V, C)` of columns and rows in pixels of the
            pictures and, with `C = 3`, scores; or a dict by row; or `None`.
        skeleton: A `Skeleton` or its registered name, the limbs of `joints`.
        maps: Array `(T', H', W')` that is not negative, such as an attention,
            laid over the pictures in colours; `T'` parts of the time and
            `H' x W'` parts of a picture. Or a dict by row.
        frames: Number of frames to show, spread evenly over the clip, or
            their numbers.
        title: Title of the figure.

    Returns:
        A matplotlib `Figure`. Save it with `figure.savefig(path)`.

    Raises:
        ValueError: If pictures, joints and maps do not belong together.

    Example:

    >>> drawn = synthetic.draw_clip(clip, "kinect20", camera)
    >>> joints = camera.project(clip)[..., :2]
    >>> figure = draw_pictures(drawn["video"], joints, "kinect20")
    """
    rows = _by_row(pictures, {"": None})
    joints, maps = _by_row(joints, rows), _by_row(maps, rows)
    if not rows:
        raise ValueError("`pictures` must hold at least one row.")
    if joints and skeleton is None:
        raise ValueError(
            "Pass the `skeleton` of the joints, which says what the limbs are."
        )
    skeleton = None if skeleton is None else skeletons.get(skeleton)
    rows = {name: _check_pictures(name, row) for name, row in rows.items()}
    chosen = {
        name: _choose_frames(len(row), frames) for name, row in rows.items()
    }
    columns = max(map(len, chosen.values()))
    height, width = max(row.shape[1:3] for row in rows.values())
    has_names = any(rows)
    figure = new_figure(
        (
            FRAME_SIZE * columns + NAME_WIDTH * has_names,
            (FRAME_SIZE * height / width + 0.25) * len(rows)
            + 0.4 * bool(title),
        )
    )
    panels = figure.subplots(len(rows), columns, squeeze=False)
    for panel in panels.flat:
        panel.axis("off")
    for line, (name, row) in zip(panels, rows.items(), strict=True):
        seen = _check_joints(name, joints.get(name), len(row), skeleton)
        heat = _check_map(name, maps.get(name))
        limits = _depth_limits(row)
        for panel, frame in zip(line, chosen[name], strict=False):
            _draw_frame(panel, row, frame, limits)
            # What lies outside of the picture is cut off.
            panel.autoscale(False)
            if heat is not None:
                _draw_map(panel, heat, frame, row.shape)
            if seen is not None:
                _draw_joints(panel, seen[:, frame], skeleton)
            panel.set_title(f"Frame {frame}", fontsize=8, pad=3)
        line[0].text(
            -0.06,
            0.5,
            name,
            transform=line[0].transAxes,
            ha="right",
            va="center",
            fontsize=9,
            wrap=True,
        )
    if title:
        figure.suptitle(title)
    return figure


def _by_row(values, rows):
    """A dict by row; of one array, that of the only row."""
    if values is None:
        return {}
    if not isinstance(values, dict):
        return dict.fromkeys(list(rows)[:1], values)
    if unknown := set(values) - set(rows) if rows != {"": None} else set():
        raise ValueError(
            f"There are pictures of the rows {', '.join(map(repr, rows))}, "
            f"but none of {sorted(unknown)[0]!r}."
        )
    return values


def _check_pictures(name, pictures):
    pictures = np.asarray(pictures)
    if pictures.ndim == 3 and pictures.dtype == np.uint8:
        # Depth has more than 8 bits.
        pictures = pictures[..., None]
    is_depth = pictures.ndim == 3
    is_video = pictures.ndim == 4 and pictures.shape[-1] in (1, 3)
    if not pictures.size or not (is_depth or is_video):
        raise ValueError(
            "Pictures must have the shape (T, H, W, 3), (T, H, W, 1) or, of "
            f"depth maps, (T, H, W). Received shape {pictures.shape} of "
            f"{name!r}."
        )
    if is_video and pictures.dtype != np.uint8:
        raise ValueError(
            "Pictures of video must be uint8, from 0 to 255. Received "
            f"{pictures.dtype} of {name!r}."
        )
    return pictures


def _check_joints(name, joints, number, skeleton):
    if joints is None:
        return None
    joints, _ = checks.check_clip(joints, skeleton, 4, "joints")
    if joints.shape[1] != number:
        raise ValueError(
            f"There are {number} pictures of {name!r}, but joints of "
            f"{joints.shape[1]} frames."
        )
    return joints


def _check_map(name, values):
    if values is None:
        return None
    values = np.asarray(values, "float32")
    if values.ndim != 3 or not values.size or not (values >= 0).all():
        raise ValueError(
            "`maps` must be (T', H', W') and not negative. Received shape "
            f"{values.shape} of {name!r}."
        )
    low, high = values.min(), values.max()
    return (values - low) / max(high - low, 1e-12)


def _choose_frames(number, frames):
    if isinstance(frames, int):
        if frames < 1:
            raise ValueError(
                "`frames` must be at least 1 or a list of frame numbers. "
                f"Received: {frames}"
            )
        chosen = np.linspace(0, number - 1, min(frames, number))
        return chosen.round().astype(int).tolist()
    frames = [int(frame) for frame in frames]
    if not frames or min(frames) < 0 or max(frames) >= number:
        raise ValueError(
            f"`frames` must lie in 0..{number - 1}. Received: {frames}"
        )
    return frames


def _depth_limits(row):
    if row.ndim == 4:
        return None
    seen = row[row > 0]
    return np.percentile(seen, (1, 99)) if seen.size else (0, 1)


def _draw_frame(panel, row, frame, limits):
    if limits is None:
        picture = row[frame]
        if picture.shape[-1] == 1:
            picture = np.repeat(picture, 3, axis=-1)
        panel.imshow(picture, interpolation="nearest")
        return
    panel.set_facecolor("black")
    panel.imshow(
        np.ma.masked_less_equal(row[frame].astype("float32"), 0),
        cmap=DEPTH_COLORS,
        vmin=limits[0],
        vmax=limits[1],
        interpolation="nearest",
    )


def _draw_map(panel, heat, frame, shape):
    number, height, width = shape[:3]
    part = heat[frame * len(heat) // number]
    panel.imshow(
        part,
        cmap=MAP_COLORS,
        vmin=0,
        vmax=1,
        alpha=0.55,
        extent=(-0.5, width - 0.5, height - 0.5, -0.5),
        interpolation="bilinear",
    )


def _draw_joints(panel, frame, skeleton):
    """Draws persons `(M, V, C)`."""
    for person, joints in enumerate(frame):
        is_found = np.any(joints[:, :2] != 0, axis=-1)
        if joints.shape[-1] == 3:
            is_found &= joints[:, 2] > 0
        color = PERSON_COLORS[person % len(PERSON_COLORS)]
        for child, parent in skeleton.edges:
            if is_found[child] and is_found[parent]:
                panel.plot(
                    *joints[[child, parent], :2].T,
                    color=color,
                    linewidth=1.2,
                    in_layout=False,
                )
        panel.scatter(
            *joints[is_found, :2].T,
            s=5,
            color="white",
            edgecolors="#26303f",
            linewidths=0.4,
            zorder=3,
            in_layout=False,
        )
