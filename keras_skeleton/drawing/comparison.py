"""Clips before and after a change, frame by frame."""

import typing

import numpy as np
from numpy.typing import ArrayLike

from keras_skeleton.drawing import checks
from keras_skeleton.drawing import geometry
from keras_skeleton.drawing.canvas import new_figure
from keras_skeleton.skeletons.skeleton import SkeletonLike

if typing.TYPE_CHECKING:
    from matplotlib.figure import Figure

BEFORE_COLOR = "#c9ced8"
SIDE_COLORS = {"left": "#1f77b4", "right": "#d9661f", "": "#3a4454"}
# From a little beside and above, so that depth shows too: radians.
YAW, PITCH = 0.45, 0.2
# Sizes in inches; bodies take this share of their cells.
LABEL_WIDTH, CELL_WIDTH, CELL_HEIGHT, FILLED = 1.9, 0.95, 1.0, 0.9


def draw_comparison(
    clips: dict,
    skeleton: SkeletonLike,
    before: ArrayLike | None = None,
    *,
    frames: int | ArrayLike = 6,
    up="y",
    title=None,
) -> "Figure":
    """Draws what became of a clip, a row for each change.

    Left limbs are blue, right ones orange, and the clip as it was is grey
    behind them. The frames are spread evenly over each clip, so that clips of
    different lengths can be compared. Joints at zero are lost and are not
    drawn, unless it is a single one, which the clip is centred on then.

    Args:
        clips: Dict from the name of each row to a clip `(M, T, V, C)` or
            `(T, V, C)` with 2 or 3 coordinates.
        skeleton: A `Skeleton` or the name of a registered one.
        before: The clip before, or `None`.
        frames: Number of frames to show, evenly spread; or their numbers,
            the same in all clips.
        up: Axis that points up: `"y"` (Kinect), `"z"`, or `"-y"` for image
            coordinates.
        title: Title of the figure.

    Returns:
        A matplotlib `Figure`. Save it with `figure.savefig(path)`.

    Raises:
        ValueError: If there is no row, or clips do not fit the skeleton.

    Example:

    ```python
    sheared = RandomShear()(clip[None], training=True)[0]
    figure = draw_comparison({"Shear": sheared}, "ntu", before=clip)
    ```
    """
    count = frames if isinstance(frames, int) else len(frames)
    if not clips or count < 1:
        raise ValueError(
            "`clips` must hold at least one clip and `frames` must be at "
            "least 1, or frame numbers. Received "
            f"{len(clips)} clips and frames={frames}."
        )
    behind = None
    if before is not None:
        behind, skeleton = _flat(before, skeleton, frames, up, "before")
    rows = {}
    for name, clip in clips.items():
        rows[name], skeleton = _flat(clip, skeleton, frames, up, name)
    width = LABEL_WIDTH + CELL_WIDTH * count
    figure = new_figure((width, CELL_HEIGHT * len(rows)))
    figure.get_layout_engine().set(w_pad=0, h_pad=0, wspace=0, hspace=0)
    panels = figure.subplots(
        len(rows),
        2,
        squeeze=False,
        width_ratios=(LABEL_WIDTH, CELL_WIDTH * count),
    )
    for (label, panel), name in zip(panels, rows, strict=True):
        label.text(0.04, 0.5, name, va="center", fontsize=9)
        _draw_row(panel, rows[name], behind, skeleton)
        for each in (label, panel):
            each.set_axis_off()
    if title:
        figure.suptitle(title, fontsize=11)
    return figure


def _flat(clip, skeleton, frames, up, name):
    """Places of joints in the picture, `(M, frames, V, 2)`, NaN if lost."""
    clip, skeleton = checks.check_clip(clip, skeleton, name=name)
    last = clip.shape[1] - 1
    if isinstance(frames, int):
        chosen = np.linspace(0, last, frames).round().astype(int)
    else:
        chosen = np.asarray(frames, dtype=int)
        if chosen.min() < 0 or chosen.max() > last:
            raise ValueError(
                f"`frames` of the clip {name!r} must lie in 0..{last}. "
                f"Received: {list(frames)}"
            )
    clip = clip[:, chosen]
    x, y, z = np.moveaxis(geometry.to_upright(clip, up), -1, 0)
    # As the sensor sees it: x grows to its left.
    beside = np.sin(YAW) * z - np.cos(YAW) * x
    depth = np.cos(YAW) * z + np.sin(YAW) * x
    height = np.cos(PITCH) * y + np.sin(PITCH) * depth
    is_lost = np.all(clip == 0, axis=-1)
    is_lost &= is_lost.sum(axis=-1, keepdims=True) > 1
    points = np.stack([beside, height], axis=-1)
    return np.where(is_lost[..., None], np.nan, points), skeleton


def _draw_row(panel, points, behind, skeleton):
    shown = [points] if behind is None else [behind, points]
    every = np.concatenate([each.reshape(-1, 2) for each in shown])
    if np.isnan(every).all():
        every = np.zeros((1, 2))
    low, high = np.nanmin(every, axis=0), np.nanmax(every, axis=0)
    # The same scale in both directions, and frames in columns.
    cell = np.array([CELL_WIDTH, CELL_HEIGHT])
    cell = cell * max(np.max((high - low) / cell), 1e-6) / FILLED
    frames = points.shape[1]
    shift = np.zeros((frames, 1, 2))
    shift[:, 0, 0] = np.arange(frames) * cell[0]
    if behind is not None:
        _draw_bodies(panel, behind + shift, skeleton, BEFORE_COLOR)
    _draw_bodies(panel, points + shift, skeleton, None)
    start = (low + high - cell) / 2
    panel.set_xlim(start[0], start[0] + frames * cell[0])
    panel.set_ylim(start[1], start[1] + cell[1])


def _draw_bodies(panel, points, skeleton, color):
    """Draws bodies `(M, frames, V, 2)`, in one colour or by their sides."""
    from matplotlib.collections import LineCollection

    sides = _sides(skeleton)
    bones = points[:, :, np.array(skeleton.edges)]
    colors = [color or SIDE_COLORS[sides[child]] for child, _ in skeleton.edges]
    lines = bones.reshape(-1, 2, 2)
    colors = colors * (len(lines) // len(colors))
    width = 1.2 if color else 1.6
    lines = LineCollection(
        lines, colors=colors, linewidths=width, capstyle="round"
    )
    panel.add_collection(lines)
    if color is None:
        colors = [SIDE_COLORS[sides[j]] for j in range(skeleton.num_joints)]
        joints = points.reshape(-1, 2)
        colors = colors * (len(joints) // len(colors))
        panel.scatter(*joints.T, c=colors, s=3.5, linewidths=0, zorder=3)


def _sides(skeleton):
    """Whether each joint is on the left, the right or neither side."""
    sides = [""] * skeleton.num_joints
    for left, right in skeleton.mirror:
        sides[left], sides[right] = "left", "right"
    return sides
