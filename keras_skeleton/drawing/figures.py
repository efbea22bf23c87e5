"""Figures of skeletons and of what a model looked at (matplotlib)."""

import pathlib
import typing
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from keras_skeleton import _outputs
from keras_skeleton import skeletons
from keras_skeleton._types import PathLike
from keras_skeleton.drawing import checks
from keras_skeleton.drawing import geometry
from keras_skeleton.drawing.canvas import COLOR_MAP
from keras_skeleton.drawing.canvas import new_figure
from keras_skeleton.skeletons.skeleton import SkeletonLike

if typing.TYPE_CHECKING:
    from matplotlib.figure import Figure

BONE_COLORS = ("#52627a", "#8a6f5a", "#5a7d5f", "#7a5a80")
JOINT_COLOR = "#1f77b4"
DEFAULT_LABEL = "Importance (share, %)"


def draw_skeleton(
    frame: ArrayLike,
    skeleton: SkeletonLike,
    importance: ArrayLike | None = None,
    *,
    up="y",
    title=None,
    label=DEFAULT_LABEL,
) -> "Figure":
    """Draws the persons of one frame in three dimensions.

    Joints are sized and coloured by their importance. A person whose
    coordinates are all zero is absent and is not drawn.

    Args:
        frame: Array `(M, V, C)` or `(V, C)` with 2 or 3 coordinates.
        skeleton: A `Skeleton` or the name of a registered one.
        importance: Array `(M, V)` or `(V,)` of non-negative shares (1 is
            everything), drawn in per cent. `None` draws all joints alike.
        up: Axis that points up: `"y"` (Kinect), `"z"`, or `"-y"` for image
            coordinates.
        title: Title of the figure.
        label: Text at the colour bar.

    Returns:
        A matplotlib `Figure`. Save it with `figure.savefig(path)`.

    Example:

    ```python
    figure = draw_skeleton(clip[:, 12], "ntu", shares[:, 12])
    figure.savefig("frame_12.png")
    ```
    """
    frame, skeleton = checks.check_clip(frame, skeleton, 3, "frame")
    if importance is not None:
        importance = checks.check_importance(importance, frame.shape[:2])
        importance = importance[:, None]
    return _draw_frames(
        frame[:, None],
        skeleton,
        importance,
        frames=[0],
        names=[""],
        up=up,
        title=title or f"Skeleton ({skeleton.name}, {_persons(frame)})",
        label=label,
        size=(6.0, 6.0),
    )


def draw_strip(
    clip: ArrayLike,
    skeleton: SkeletonLike,
    importance: ArrayLike | None = None,
    *,
    frames: int | ArrayLike = 6,
    up="y",
    title=None,
    label=DEFAULT_LABEL,
) -> "Figure":
    """Draws several frames of a clip side by side.

    Args:
        clip: Array `(M, T, V, C)` or `(T, V, C)`.
        skeleton: A `Skeleton` or the name of a registered one.
        importance: Array `(M, T, V)` of non-negative shares, or `None`.
        frames: Number of frames, spread evenly over the frames that show
            somebody, or a list of frame numbers (counted from 0).
        up: Axis that points up: `"y"`, `"z"` or `"-y"`.
        title: Title of the figure.
        label: Text at the colour bar.

    Returns:
        A matplotlib `Figure`.

    Example:

    ```python
    draw_strip(clip, "ntu", shares, frames=[0, 30, 60, 90])
    ```
    """
    clip, skeleton = checks.check_clip(clip, skeleton)
    if importance is not None:
        importance = checks.check_importance(importance, clip.shape[:3])
    frames = _choose_frames(clip, frames)
    return _draw_frames(
        clip,
        skeleton,
        importance,
        frames=frames,
        names=[f"Frame {frame}" for frame in frames],
        up=up,
        title=title or "Key frames",
        label=label,
        size=(2.3 * len(frames) + 0.8, 3.4),
    )


def draw_heat_map(
    importance: ArrayLike,
    skeleton: SkeletonLike,
    *,
    title=None,
    label=DEFAULT_LABEL,
) -> "Figure":
    """Draws importance over joints (rows) and frames (columns).

    Args:
        importance: Array `(T, V)`, or `(M, T, V)` for one panel per person,
            of non-negative shares (1 is everything), drawn in per cent.
        skeleton: A `Skeleton` or the name of a registered one.
        title: Title of the figure.
        label: Text at the colour bar.

    Returns:
        A matplotlib `Figure`.

    Example:

    ```python
    draw_heat_map(shares[0], "ntu", title="Attention rollout")
    ```
    """
    skeleton = skeletons.get(skeleton)
    importance = np.asarray(importance, dtype="float32")
    if importance.ndim == 2:
        importance = importance[None]
    if importance.ndim != 3 or importance.shape[2] != skeleton.num_joints:
        raise ValueError(
            f"`importance` must have the shape (T, V) or (M, T, V) with V = "
            f"{skeleton.num_joints} joints of the skeleton "
            f"{skeleton.name!r}. Received shape {importance.shape}."
        )
    importance = checks.check_importance(importance, importance.shape)
    num_persons, _, num_joints = importance.shape
    figure = new_figure((9.5, num_persons * (0.19 * num_joints + 0.9) + 0.6))
    panels = figure.subplots(num_persons, 1, sharex=True, squeeze=False)[:, 0]
    low, high = _limits(importance)
    for person, panel in enumerate(panels):
        picture = panel.imshow(
            100 * importance[person].T,
            aspect="auto",
            cmap="magma",
            vmin=100 * low,
            vmax=100 * high,
            interpolation="nearest",
        )
        panel.set_yticks(
            range(num_joints), geometry.joint_names(skeleton), fontsize=8
        )
        panel.set_ylabel("Joint")
        if num_persons > 1:
            absent = "" if importance[person].any() else " (absent)"
            panel.set_title(f"Person {person + 1}{absent}", fontsize=10)
    panels[-1].set_xlabel("Frame")
    figure.colorbar(picture, ax=list(panels), label=label, pad=0.02)
    figure.suptitle(title or "Importance of each joint over time")
    return figure


def animate(
    clip: ArrayLike,
    skeleton: SkeletonLike,
    importance: ArrayLike | None = None,
    path: PathLike = "skeleton.gif",
    *,
    frame_rate=15,
    up="y",
    title=None,
    label=DEFAULT_LABEL,
) -> pathlib.Path:
    """Writes an animated GIF of a clip.

    Args:
        clip: Array `(M, T, V, C)` or `(T, V, C)`.
        skeleton: A `Skeleton` or the name of a registered one.
        importance: Array `(M, T, V)` of non-negative shares, or `None`.
        path: Where to write; an existing file is replaced.
        frame_rate: Frames per second.
        up: Axis that points up: `"y"`, `"z"` or `"-y"`.
        title: Title above the skeleton.
        label: Text at the colour bar.

    Returns:
        The path, a `pathlib.Path`.

    Example:

    ```python
    animate(clip, "ntu", shares, path="prediction.gif")
    ```
    """
    from matplotlib.animation import FuncAnimation
    from matplotlib.animation import PillowWriter

    if not frame_rate > 0:
        raise ValueError(
            f"`frame_rate` must be positive. Received: {frame_rate}"
        )
    clip, skeleton = checks.check_clip(clip, skeleton)
    if importance is not None:
        importance = checks.check_importance(importance, clip.shape[:3])
    path = Path(path)
    title = title or "Skeleton clip"
    figure = _draw_frames(
        clip,
        skeleton,
        importance,
        frames=[0],
        names=[""],
        up=up,
        title=title,
        label=label,
        size=(5.2, 5.2),
    )
    # A layout solved once keeps the picture still from frame to frame.
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    panel = figure.axes[0]
    points = _plot_coordinates(clip, up)
    limits = _limits(importance)

    def show(frame):
        panel.clear()
        _draw_panel(panel, points, clip, skeleton, importance, frame, limits)
        figure.suptitle(f"{title} (frame {frame} of 0–{clip.shape[1] - 1})")

    motion = FuncAnimation(figure, show, frames=clip.shape[1])
    with _outputs.replacing(path, keep_ending=True) as part:
        motion.save(part, writer=PillowWriter(fps=frame_rate), dpi=80)
    return path


def _draw_frames(
    clip, skeleton, importance, *, frames, names, up, title, label, size
):
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    figure = new_figure(size)
    limits = _limits(importance)
    points = _plot_coordinates(clip, up)
    panels = []
    for column, (frame, name) in enumerate(zip(frames, names, strict=True)):
        panel = figure.add_subplot(1, len(frames), column + 1, projection="3d")
        _draw_panel(panel, points, clip, skeleton, importance, frame, limits)
        panel.set_title(name, fontsize=10, y=-0.24)
        panels.append(panel)
    if importance is not None:
        low, high = limits
        scale = ScalarMappable(Normalize(100 * low, 100 * high), cmap=COLOR_MAP)
        figure.colorbar(scale, ax=panels, label=label, shrink=0.75, pad=0.02)
    figure.suptitle(title)
    return figure


def _draw_panel(panel, points, clip, skeleton, importance, frame, limits):
    from matplotlib import colormaps

    people = geometry.present(clip[:, frame])
    for person in np.flatnonzero(people):
        joints = points[person, frame]
        color = BONE_COLORS[person % len(BONE_COLORS)]
        for child, parent in skeleton.edges:
            ends = joints[[child, parent]]
            panel.plot(
                *ends.T,
                color=color,
                linewidth=3.2,
                solid_capstyle="round",
                zorder=1,
                clip_on=False,
                in_layout=False,
            )
        if importance is None:
            colors, sizes = JOINT_COLOR, 26.0
        else:
            low, high = limits
            level = (importance[person, frame] - low) / (high - low)
            level = np.clip(level, 0, 1)
            colors, sizes = colormaps[COLOR_MAP](level), 14 + 150 * level
        panel.scatter(
            *joints.T,
            c=colors,
            s=sizes,
            depthshade=False,
            edgecolors="#26303f",
            linewidths=0.6,
            zorder=2,
            clip_on=False,
            in_layout=False,
        )
    _frame_panel(panel, points, clip)


def _frame_panel(panel, points, clip):
    """Same cube for all frames, with a floor and without axis numbers."""
    seen = points[geometry.present(clip)].reshape(-1, 3)
    if not len(seen):
        seen = np.zeros((1, 3))
    low, high = np.percentile(seen, [0.5, 99.5], axis=0)
    middle = (low + high) / 2
    reach = np.maximum(high - low, 0.45 * (high - low).max() + 1e-3) * 0.53
    panel.set_xlim(middle[0] - reach[0], middle[0] + reach[0])
    panel.set_ylim(middle[1] - reach[1], middle[1] + reach[1])
    panel.set_zlim(middle[2] - reach[2], middle[2] + reach[2])
    panel.set_box_aspect(reach, zoom=1.4)
    panel.set_proj_type("persp", focal_length=0.6)
    # Seen from the sensor, a little from above and from the side.
    panel.view_init(elev=14, azim=68)
    for axis in (panel.xaxis, panel.yaxis, panel.zaxis):
        axis.set_ticklabels([])
        axis.pane.set_visible(axis is panel.zaxis)
        axis.line.set_color("none")
        axis._axinfo["grid"].update(color="#d5dae2", linewidth=0.6)
        axis._axinfo["tick"].update(inward_factor=0, outward_factor=0)
    panel.xaxis._axinfo["grid"]["linewidth"] = 0.6
    panel.zaxis.pane.set_facecolor("#eef1f5")


def _plot_coordinates(clip, up):
    # matplotlib has z up: (x, depth towards the viewer, height).
    x, y, z = np.moveaxis(geometry.to_upright(clip, up), -1, 0)
    return np.stack([x, -z, y], axis=-1)


def _limits(importance):
    """The lowest and highest share among persons that have any."""
    if importance is None or not importance.any():
        return 0.0, 1.0
    seen = importance[importance.any(axis=(1, 2))]
    low, high = float(seen.min()), float(seen.max())
    return (low, high) if high > low else (0.0, high)


def _choose_frames(clip, frames):
    num_frames = clip.shape[1]
    if isinstance(frames, int):
        if frames < 1:
            raise ValueError(
                f"`frames` must be at least 1 or a list of frame numbers. "
                f"Received: {frames}"
            )
        seen = np.flatnonzero(geometry.present(clip).any(axis=0))
        seen = seen if len(seen) else np.arange(num_frames)
        chosen = np.linspace(0, len(seen) - 1, min(frames, len(seen)))
        return [int(frame) for frame in seen[chosen.round().astype(int)]]
    frames = [int(frame) for frame in frames]
    if not frames or min(frames) < 0 or max(frames) >= num_frames:
        raise ValueError(
            f"`frames` must lie in 0..{num_frames - 1}. Received: {frames}"
        )
    return frames


def _persons(frame):
    count = int(geometry.present(frame).sum())
    return "1 person" if count == 1 else f"{count} persons"
