"""Figures of points, curves and bars: features, numbers of each epoch."""

import typing

import numpy as np
from numpy.typing import ArrayLike

from keras_skeleton.drawing import checks
from keras_skeleton.drawing.canvas import new_figure

if typing.TYPE_CHECKING:
    from matplotlib.figure import Figure

# The form of the points of each ten classes.
_MARKERS = "osD^vP*X"


def draw_points(
    points: ArrayLike, labels: ArrayLike, class_names=None, *, title=None
) -> "Figure":
    """Draws points in two dimensions in the colours of their classes.

    Beyond ten classes, forms tell those of the same colour apart.

    Args:
        points: Array `(N, 2)`.
        labels: Whole numbers `(N,)`, the classes.
        class_names: Names of the classes; numbers by default.
        title: Title of the figure.

    Returns:
        A matplotlib `Figure`.

    Example:

    ```python
    draw_points(points, labels, ["walk", "run"]).savefig("map.png")
    ```
    """
    from matplotlib import colormaps

    points, labels, names = _check_points(points, labels, class_names)
    shown = [int(label) for label in np.unique(labels)]
    columns = -(-len(shown) // 24)
    figure = new_figure((8.0 + 2.4 * columns, 7.2))
    panel = figure.subplots()
    for place, label in enumerate(shown):
        own = points[labels == label]
        panel.scatter(
            *own.T,
            s=26 if len(points) < 1500 else 10,
            color=colormaps["tab10"](place % 10),
            # Beyond ten classes the form tells those of a colour apart.
            marker=_MARKERS[place // 10 % len(_MARKERS)],
            alpha=0.8,
            linewidths=0.3,
            edgecolors="white",
            label=names[label],
        )
    # The axes of such a map have no meaning.
    panel.set_xticks([])
    panel.set_yticks([])
    panel.set_aspect("equal", adjustable="datalim")
    for side in panel.spines.values():
        side.set_color("#d5dae2")
    figure.legend(
        loc="outside right upper",
        ncols=columns,
        fontsize=9,
        frameon=False,
        markerscale=1.4,
    )
    figure.suptitle(title or f"{len(points)} points of {len(shown)} classes")
    return figure


def _check_points(points, labels, class_names):
    """The points, their labels and the names of all classes."""
    points = np.asarray(points, dtype="float64")
    labels = np.asarray(labels)
    if points.ndim != 2 or points.shape[1] != 2 or not len(points):
        raise ValueError(
            "`points` must be one or more points in two dimensions, (N, 2). "
            f"Received shape {points.shape}."
        )
    if labels.shape != (len(points),) or labels.dtype.kind not in "iu":
        raise ValueError(
            f"`labels` must be {len(points)} whole numbers, one for each "
            f"point. Received shape {labels.shape} and dtype {labels.dtype}."
        )
    checks.check_finite(points, "points")
    count = 1 + int(labels.max())
    names = checks.class_names(
        class_names, count if class_names is None else len(class_names)
    )
    if count > len(names):
        raise ValueError(
            f"There are {len(names)} `class_names`, but a label {count - 1}."
        )
    return points, labels, names


def draw_curves(
    curves: dict, x_label="Epoch", y_label="", *, title=None
) -> "Figure":
    """Draws numbers that follow each other as lines.

    Args:
        curves: Dict from a name to the numbers, which are counted from 1; or
            to a tuple of their places and the numbers.
        x_label: Text at the horizontal axis.
        y_label: Text at the vertical axis.
        title: Title of the figure.

    Returns:
        A matplotlib `Figure`.

    Example:

    ```python
    draw_curves({"training": [40, 60], "test": [38, 51]}, y_label="Top-1 (%)")
    ```
    """
    figure = new_figure((7.2, 4.4))
    _draw_lines(figure.subplots(), curves, x_label, y_label)
    if title:
        figure.suptitle(title)
    return figure


def draw_bars(values: dict, y_label="", *, line=None, title=None) -> "Figure":
    """Draws numbers beside each other as bars, with the numbers above.

    Args:
        values: Dict from a name to a number of at least 0.
        y_label: Text at the vertical axis.
        line: Name and height of a line across, such as `("chance", 25.0)`,
            or `None`.
        title: Title of the figure.

    Returns:
        A matplotlib `Figure`.

    Raises:
        ValueError: If there are no numbers, or one is below 0 or not finite.

    Example:

    ```python
    draw_bars({"video": 61.7, "both": 72.5}, "Top-1 (%)", line=("chance", 25))
    ```
    """
    heights = np.array(list(values.values()), "float64")
    if not heights.size or not np.all(heights >= 0):
        raise ValueError(
            "`values` must be one or more numbers of at least 0. Received: "
            f"{values}"
        )
    checks.check_finite(heights, "values")
    figure = new_figure((1.6 + 1.3 * len(values), 3.8))
    panel = figure.subplots()
    bars = panel.bar(list(values), heights, width=0.62, color="#52627a")
    panel.bar_label(bars, fmt="%.1f", padding=2, fontsize=9)
    if line is not None:
        name, height = line
        panel.axhline(height, color="#d9661f", linewidth=1.2, linestyle="--")
        panel.annotate(
            name,
            (1, height),
            xycoords=("axes fraction", "data"),
            xytext=(0, 3),
            textcoords="offset points",
            ha="right",
            fontsize=8,
            color="#d9661f",
        )
    panel.set_ylabel(y_label)
    panel.spines[["top", "right"]].set_visible(False)
    if title:
        figure.suptitle(title)
    return figure


def draw_curve_panels(
    panels: dict, x_label="", y_label="", *, title=None
) -> "Figure":
    """Draws several sets of curves beside each other, on one scale.

    Args:
        panels: Dict from the title of a panel to its curves, see
            `draw_curves`.
        x_label: Text at the horizontal axes.
        y_label: Text at the vertical axis.
        title: Title of the figure.

    Returns:
        A matplotlib `Figure`.
    """
    if not panels:
        raise ValueError("`panels` must hold at least one. Received none.")
    figure = new_figure((5.2 * len(panels), 4.4))
    row = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for panel, (name, curves) in zip(row, panels.items(), strict=True):
        _draw_lines(panel, curves, x_label, y_label)
        panel.set_title(name, fontsize=10)
        y_label = ""
    if title:
        figure.suptitle(title)
    return figure


def _draw_lines(panel, curves, x_label, y_label):
    if not curves:
        raise ValueError("`curves` must hold at least one. Received none.")
    for name, values in curves.items():
        x = np.arange(1, len(values) + 1)
        if isinstance(values, tuple):
            x, values = values
        values = np.asarray(values, dtype="float64")
        if values.ndim != 1 or not len(values) or len(x) != len(values):
            raise ValueError(
                f"The curve {name!r} must be one or more numbers, with as "
                f"many places. Received shape {values.shape} at {len(x)}."
            )
        checks.check_finite(values, f"curves[{name!r}]")
        (line,) = panel.plot(
            x, values, label=name, linewidth=1.8, marker="o" * (len(x) < 15)
        )
        panel.annotate(
            f"{values[-1]:.1f}",
            (x[-1], values[-1]),
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
            color=line.get_color(),
        )
    panel.set_xlabel(x_label)
    panel.set_ylabel(y_label)
    panel.grid(color="#e3e7ee", linewidth=0.7)
    panel.spines[["top", "right"]].set_visible(False)
    panel.legend(frameon=False)
