"""One self-contained HTML page that plays and explains a clip."""

import html
import json
import pathlib
import re
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from keras_skeleton import _outputs
from keras_skeleton._types import PathLike
from keras_skeleton.drawing import checks
from keras_skeleton.drawing import geometry
from keras_skeleton.skeletons.skeleton import SkeletonLike


def write_page(
    path: PathLike,
    clip: ArrayLike,
    skeleton: SkeletonLike,
    importance: ArrayLike | dict | None = None,
    *,
    title="Skeleton clip",
    prediction=None,
    notes: dict | None = None,
    probabilities: ArrayLike | None = None,
    class_names=None,
    frame_rate=30,
    up="y",
) -> pathlib.Path:
    """Writes an interactive page of one clip as a single HTML file.

    The skeleton moves and its joints glow by importance. The page plays,
    pauses, scrubs, rotates and zooms, by pointer or keyboard, and shows a map
    of joints over time. It needs no server, no network and no library: all data
    and code are inside the file, so it can be mailed or put into a report.

    Args:
        path: Where to write; an existing file is replaced.
        clip: Array `(M, T, V, C)` or `(T, V, C)` with 2 or 3 coordinates. A
            person whose coordinates are all zero in a frame is absent there.
        skeleton: A `Skeleton` or the name of a registered one.
        importance: Array `(M, T, V)` of non-negative numbers, or a dict of
            several such arrays by the name under which they can be chosen.
            Only their relative size matters.
        title: Heading of the page.
        prediction: A sentence shown beside the heading.
        notes: Dict of a sentence or two on each map of `importance`, by its
            name.
        probabilities: K class probabilities, listed with bars.
        class_names: K names of the classes.
        frame_rate: Frames per second at normal speed.
        up: Axis that points up: `"y"` (Kinect), `"z"`, or `"-y"` for image
            coordinates.

    Returns:
        The path, a `pathlib.Path`.

    Raises:
        ValueError: If an array has the wrong shape or holds NaN.
        OSError: If the path is none of a file that can be written.

    Example:

    ```python
    write_page(
        "throw.html",
        clip,
        "nw_ucla",
        {"Attention": attention, "Saliency": saliency},
        title="Throw",
        probabilities=[0.9, 0.1],
        class_names=["throw", "carry"],
    )
    ```
    """
    clip, skeleton = checks.check_clip(clip, skeleton)
    if not (np.isfinite(frame_rate) and frame_rate > 0):
        raise ValueError(
            f"`frame_rate` must be positive. Received: {frame_rate}"
        )
    data = _describe_clip(clip, skeleton, up)
    data["frameRate"] = float(frame_rate)
    data["maps"] = _describe_maps(importance, clip, notes or {})
    data["classes"] = _describe_classes(probabilities, class_names)
    text = _fill(data, str(title), str(prediction or ""))
    _outputs.write_text(path, text)
    return Path(path)


def _describe_clip(clip, skeleton, up):
    points = geometry.to_upright(clip, up)
    present = geometry.present(clip)
    seen = points[present] if present.any() else np.zeros((1, 1, 3))
    seen = seen.reshape(-1, 3)
    # Percentiles: one tracking error must not shrink the whole body.
    low, high = np.percentile(seen, [1, 99], axis=0)
    center = (low + high) / 2
    radius = max(float(np.linalg.norm(high - low)) / 2, 1e-6)
    floor = min(float(low[1]), float(center[1])) - 0.02 * radius
    # Four digits relative to the body are below one screen pixel.
    digits = max(0, 4 - int(np.floor(np.log10(radius))))
    return {
        "shape": list(clip.shape[:3]),
        "points": np.round(points.astype("float64"), digits).ravel().tolist(),
        "present": present.astype(int).ravel().tolist(),
        "firstFrame": int(np.argmax(present.any(axis=0))),
        "joints": geometry.joint_names(skeleton),
        "edges": [[int(a), int(b)] for a, b in skeleton.edges],
        "center": center.tolist(),
        "radius": radius,
        "floor": floor,
        "depth": clip.shape[-1] == 3,
    }


def _describe_maps(importance, clip, notes):
    if importance is None:
        return []
    if not isinstance(importance, dict):
        importance = {"Importance": importance}
    unknown = sorted(set(notes) - set(importance))
    if unknown:
        raise ValueError(
            f"`notes` are of the maps {', '.join(map(repr, importance))}. "
            f"Received also {', '.join(map(repr, unknown))}."
        )
    counted = geometry.present(clip)
    maps = []
    for name, values in importance.items():
        values = checks.check_importance(
            values, clip.shape[:3], f"importance[{name!r}]"
        )
        # Shares of the whole: comparable between maps of any unit.
        total = float(values.sum(dtype="float64"))
        shares = values.astype("float64") / (total or 1.0)
        seen = shares[counted] if counted.any() else shares
        bottom, top = (float(q) for q in np.percentile(seen, [0.5, 99.5]))
        if not top > bottom:
            bottom, top = 0.0, float(shares.max()) or 1.0
        maps.append(
            {
                "name": str(name),
                "note": str(notes.get(name, "")),
                "values": [float(f"{share:.4g}") for share in shares.ravel()],
                "bottom": bottom,
                "top": top,
                "count": int(seen.size),
            }
        )
    return maps


def _describe_classes(probabilities, class_names, most=8):
    if probabilities is None:
        return []
    probabilities = np.asarray(probabilities, dtype="float64").ravel()
    checks.check_finite(probabilities, "probabilities")
    names = checks.class_names(class_names, len(probabilities))
    best = np.argsort(-probabilities, kind="stable")[:most]
    return [
        {"name": names[index], "probability": float(probabilities[index])}
        for index in best
    ]


def _fill(data, title, prediction):
    template = resources.files("keras_skeleton.drawing").joinpath(
        "page_template.html"
    )
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    # Inside a script element only "<" could end it; the others are for
    # readers that take the page for XML.
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    values = {
        "TITLE": html.escape(title),
        "PREDICTION": html.escape(prediction),
        "DATA": text,
    }
    # One pass, so that a title that holds a place-holder stays a title.
    return re.sub(
        "@@(TITLE|PREDICTION|DATA)@@",
        lambda match: values[match[1]],
        template.read_text(encoding="utf-8"),
    )
