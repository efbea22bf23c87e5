"""One prediction explained on a page."""

import numpy as np

from keras_skeleton.drawing import _geometry
from keras_skeleton.drawing.page import write_page
from keras_skeleton.explain import attention
from keras_skeleton.explain.parts import to_skeleton
from keras_skeleton.explain.saliency import class_probabilities
from keras_skeleton.explain.saliency import grad_cam
from keras_skeleton.explain.saliency import saliency


def explain(
    model,
    clip,
    class_names=None,
    path="explanation.html",
    *,
    skeleton=None,
    class_index=None,
    shown=None,
    title=None,
    frame_rate=30,
    up="y",
):
    """Explains one prediction of a classifier on an interactive page.

    Computes gradient saliency, Grad-CAM and, for transformers, attention
    rollout, and writes them with `write_page`.

    Args:
        model: A classifier of this package.
        clip: Array `(M, T, V, C)` as the model takes it, or `(T, V, C)`.
        class_names: Names of the classes; numbers by default.
        path: Where to write the page.
        skeleton: A `Skeleton` or its registered name; `model.skeleton` by
            default.
        class_index: The class to explain; the predicted one by default.
        shown: Array `(M, T, V, C)`, the clip to draw where the model takes
            something else than the places of all joints: bones, motion, or
            the twelve channels of a part of the body. `clip` by default.
        title: Heading of the page; by default the explained class.
        frame_rate: Frames per second at normal speed.
        up: Axis that points up: `"y"`, `"z"` or `"-y"`.

    Returns:
        The path, a `pathlib.Path`.

    Example:

    ```python
    model = keras_skeleton.applications.MAMP("ntu60", classes=60)
    explain(model, clip, class_names, "prediction.html")
    ```
    """
    skeleton = skeleton or getattr(model, "skeleton", None)
    if skeleton is None:
        raise ValueError(
            "The model names no skeleton. Pass `skeleton=`, for example "
            'skeleton="ntu".'
        )
    clip = np.asarray(clip, dtype="float32")
    if clip.ndim == 3:
        clip = clip[None]
    shown = _check_shown(model, clip, shown)
    shown, skeleton = _geometry.check_clip(shown, skeleton)
    clips = clip[None]
    probabilities = class_probabilities(model, clips)[0]
    best = int(np.argmax(probabilities))
    chosen = best if class_index is None else class_index
    names = _geometry.class_names(class_names, len(probabilities))

    def spread(tokens):
        tokens = to_skeleton(tokens, model)
        return attention.upsample(tokens, *shown.shape[1:3])[0]

    maps = {}
    if attention.transformer_blocks(model):
        weights = attention.attention_maps(model, clips)
        tokens = attention.importance(
            attention.attention_rollout(weights),
            attention.feature_grid(model),
            clips,
        )
        maps["Attention rollout"] = spread(tokens)
    maps["Gradient saliency"] = spread(saliency(model, clips, chosen))
    maps["Grad-CAM"] = spread(grad_cam(model, clips, chosen))
    return write_page(
        path,
        shown,
        skeleton,
        maps,
        title=title or f"Why “{names[chosen]}”?",
        prediction=(
            f"Predicted: {names[best]} ({100 * probabilities[best]:.1f} %)"
        ),
        probabilities=probabilities,
        class_names=names,
        frame_rate=frame_rate,
        up=up,
    )


def _check_shown(model, clip, shown):
    """The clip to draw."""
    if shown is None:
        if clip.shape[-1:] > (3,):
            raise ValueError(
                f"The model {model.name!r} takes {clip.shape[-1]} channels "
                "per joint, which cannot be drawn. Pass the clip (M, T, V, 3) "
                "of the whole skeleton as `shown=`."
            )
        return clip
    _geometry.check_finite(clip, "clip")
    shown = np.asarray(shown, dtype="float32")
    if shown.ndim == 3:
        shown = shown[None]
    if shown.shape[:2] != clip.shape[:2]:
        raise ValueError(
            "`shown` must have the persons and frames of `clip`, "
            f"{clip.shape[:2]}. Received shape {shown.shape}."
        )
    return shown
