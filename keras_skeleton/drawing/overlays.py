"""Joints drawn on the pictures that they were found in (matplotlib)."""

import numpy as np

from keras_skeleton import skeletons
from keras_skeleton.drawing.canvas import new_figure

FOUND_COLOR, TRUE_COLOR = "#ff5a36", "#ffffff"


def draw_on_pictures(
    pictures, places, skeleton, true=None, *, names=None, title=None
):
    """Draws joints on depth maps or pictures, side by side.

    Args:
        pictures: Array `(N, H, W)` of depths, of which 0 is not drawn, or
            `(N, H, W, 3)` of colours, 0 to 1 or 0 to 255.
        places: Array `(N, V, 2)` of columns and rows in pixels, or more
            numbers, of which the others do not count.
        skeleton: A `Skeleton` or its registered name.
        true: Optional array like `places`, drawn in white below them.
        names: Text above each picture; the number by default.
        title: Title of the figure.

    Returns:
        A matplotlib `Figure`. Save it with `figure.savefig(path)`.

    Raises:
        ValueError: If there are not as many places as pictures, or others
            than the skeleton's.

    Example:

    ```python
    draw_on_pictures(depth[:4], camera.project(found[:4]), "itop15")
    ```
    """
    skeleton = skeletons.get(skeleton)
    pictures = np.asarray(pictures)
    layers = [(np.asarray(places), FOUND_COLOR)]
    if true is not None:
        layers.insert(0, (np.asarray(true), TRUE_COLOR))
    expected = (len(pictures), skeleton.num_joints)
    for each, _ in layers:
        if pictures.ndim not in (3, 4) or each.shape[:2] != expected:
            raise ValueError(
                "Pictures (N, H, W) need places (N, V, 2) of the "
                f"{skeleton.num_joints} joints of {skeleton.name!r}. Received "
                f"shapes {pictures.shape} and {each.shape}."
            )
    if names is None:
        names = [str(number) for number in range(len(pictures))]
    figure = new_figure((2.6 * len(pictures), 3.1))
    panels = figure.subplots(1, len(pictures), squeeze=False)[0]
    for number, panel in enumerate(panels):
        _show(panel, pictures[number])
        for each, color in layers:
            _draw_joints(panel, each[number, :, :2], skeleton, color)
        panel.set_title(names[number], fontsize=10)
    if title:
        figure.suptitle(title)
    return figure


def _show(panel, picture):
    if picture.ndim == 3:
        scale = 255 if picture.max() > 1 else 1
        panel.imshow(picture / scale)
    else:
        depth = np.where(picture > 0, picture, np.nan)
        # Near things are bright.
        panel.imshow(depth, cmap="viridis_r")
    panel.set_xlim(-0.5, picture.shape[1] - 0.5)
    panel.set_ylim(picture.shape[0] - 0.5, -0.5)
    panel.axis("off")


def _draw_joints(panel, joints, skeleton, color):
    for child, parent in skeleton.edges:
        panel.plot(
            *joints[[child, parent]].T,
            color=color,
            linewidth=1.8,
            solid_capstyle="round",
        )
    panel.scatter(
        *joints.T, c=color, s=11, edgecolors="#26303f", linewidths=0.5, zorder=3
    )
