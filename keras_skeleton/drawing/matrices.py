"""Figures of matrices: attention between joints, confusion of classes."""

import typing

import numpy as np
from numpy.typing import ArrayLike

from keras_skeleton import skeletons
from keras_skeleton.drawing import checks
from keras_skeleton.drawing import geometry
from keras_skeleton.drawing.canvas import new_figure
from keras_skeleton.skeletons.skeleton import SkeletonLike

if typing.TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_attention(
    attention: ArrayLike,
    skeleton: SkeletonLike | None = None,
    *,
    names=None,
    title=None,
) -> "Figure":
    """Draws attention between joints or frames: a row a layer, a column a head.

    Args:
        attention: Array `(layers, heads, V', V')` as `joint_attention`
            returns it: from the row's joint to the column's joint. Or, of
            frames, `(layers, heads, T, T)`.
        skeleton: A `Skeleton` or the name of a registered one. Names are
            written at the axes where a token is one joint (V' = V). `None`
            where tokens are frames, as those of CascadeFormer.
        names: Names of the layers; numbers by default.
        title: Title of the figure.

    Returns:
        A matplotlib `Figure`.

    Example:

    ```python
    maps = attention_maps(model, clips)
    joints = joint_attention(maps, feature_grid(model))
    draw_attention(joints[:, 0, 0], "ntu")  # first sample, first person
    frames = [map[0, 0] for map in attention_maps(cascadeformer, clips)]
    draw_attention(frames, names=attention_layers(cascadeformer))
    ```
    """
    attention = np.asarray(attention, dtype="float32")
    if attention.ndim != 4 or attention.shape[2] != attention.shape[3]:
        raise ValueError(
            "`attention` must have the shape (layers, heads, V', V') of one "
            f"person of one sample. Received shape {attention.shape}. "
            "`explain.joint_attention` makes (layers, N, M, heads, V', V'); "
            "of frames, `explain.attention_maps` makes (N, M, heads, T, T) "
            "for each layer."
        )
    checks.check_finite(attention, "attention")
    num_layers, num_heads, num_tokens = attention.shape[:3]
    if names is None:
        names = [f"Layer {layer + 1}" for layer in range(num_layers)]
    if len(names) != num_layers:
        raise ValueError(
            f"`names` must name each of the {num_layers} layers. Received "
            f"names={list(names)}."
        )
    ticks, labels, axis = _tokens(num_tokens, skeleton)
    # A panel below this width could not hold one line of text per joint.
    side = min(3.2, max(1.3, 0.13 * num_tokens))
    figure = new_figure((side * num_heads + 2.2, side * num_layers + 1.6))
    panels = figure.subplots(
        num_layers, num_heads, squeeze=False, sharex=True, sharey=True
    )
    for layer in range(num_layers):
        for head in range(num_heads):
            panel = panels[layer, head]
            picture = panel.imshow(
                100 * attention[layer, head],
                cmap="magma",
                vmin=0,
                vmax=100 * float(attention.max()),
                interpolation="nearest",
            )
            panel.set_title(f"{names[layer]}, head {head + 1}", fontsize=8)
            panel.set_xticks(ticks, labels, rotation=90, fontsize=6)
            panel.set_yticks(ticks, labels, fontsize=6)
            panel.tick_params(length=1.5, pad=1.5)
    figure.supylabel(f"From {axis}", fontsize=10)
    figure.supxlabel(f"To {axis}", fontsize=10)
    figure.colorbar(
        picture,
        ax=panels.ravel().tolist(),
        label="Share of a row's attention (%)",
        pad=0.02,
        fraction=0.05,
    )
    between = "frames" if skeleton is None else "joints"
    figure.suptitle(title or f"Attention between {between}")
    return figure


def _tokens(count, skeleton):
    """Where ticks of an axis of tokens are, their texts, and what it shows."""
    if skeleton is None:
        ticks = range(0, count, max(count // 8, 1))
        return ticks, ticks, "frame"
    skeleton = skeletons.get(skeleton)
    if count == skeleton.num_joints:
        return range(count), geometry.joint_names(skeleton), "joint"
    return range(count), range(count), "joint patch (number)"


def draw_confusion_matrix(
    matrix: ArrayLike, class_names=None, *, title=None
) -> "Figure":
    """Draws a confusion matrix in per cent of each true class.

    Args:
        matrix: Array `(K, K)` of counts: true class in rows, predicted class
            in columns.
        class_names: List of K names; numbers by default.
        title: Title of the figure; by default it gives the accuracy.

    Returns:
        A matplotlib `Figure`.

    Example:

    ```python
    draw_confusion_matrix([[8, 2], [1, 9]], ["walk", "run"])
    ```
    """
    matrix = np.asarray(matrix, dtype="float64")
    if (
        matrix.ndim != 2
        or matrix.shape[0] != matrix.shape[1]
        or not len(matrix)
    ):
        raise ValueError(
            f"`matrix` must be square (true class, predicted class). "
            f"Received shape {matrix.shape}."
        )
    checks.check_finite(matrix, "matrix")
    if (matrix < 0).any():
        raise ValueError("`matrix` must hold counts. Received negative values.")
    num_classes = len(matrix)
    names = checks.class_names(class_names, num_classes)
    totals = matrix.sum(axis=1, keepdims=True)
    share = 100 * matrix / np.maximum(totals, 1e-12)
    side = max(4.0, 0.42 * num_classes) if num_classes <= 30 else 13.0
    figure = new_figure((side + 2.6, side + 1.6))
    panel = figure.subplots()
    picture = panel.imshow(share, cmap="Blues", vmin=0, vmax=100)
    size = 9 if num_classes <= 30 else 6
    panel.set_xticks(range(num_classes), names, fontsize=size)
    panel.set_yticks(range(num_classes), names, fontsize=size)
    for text in panel.get_xticklabels():
        text.set(rotation=45, ha="right", rotation_mode="anchor")
    if num_classes <= 30:
        for row, column in np.argwhere(matrix > 0):
            panel.text(
                column,
                row,
                f"{share[row, column]:.0f}",
                ha="center",
                va="center",
                fontsize=8,
                color="white" if share[row, column] > 55 else "#1b2a41",
            )
    panel.set_xlabel("Predicted class")
    panel.set_ylabel("True class")
    figure.colorbar(
        picture, ax=panel, label="Share of the true class (%)", shrink=0.8
    )
    total = matrix.sum()
    accuracy = 100 * np.trace(matrix) / total if total else 0.0
    figure.suptitle(
        title
        or f"Confusion matrix: {accuracy:.1f} % of {total:.0f} clips correct"
    )
    return figure
