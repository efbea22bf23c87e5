"""One prediction explained on a page."""

import pathlib

import numpy as np
from numpy.typing import ArrayLike

from keras_skeleton import _inputs
from keras_skeleton import _outputs
from keras_skeleton._types import PathLike
from keras_skeleton.drawing import checks
from keras_skeleton.drawing.page import write_page
from keras_skeleton.explain import attention
from keras_skeleton.explain.attribution import integrated_gradients
from keras_skeleton.explain.class_attention import class_attention
from keras_skeleton.explain.class_attention import has_class_attention
from keras_skeleton.explain.faithfulness import RANDOM
from keras_skeleton.explain.faithfulness import faithfulness
from keras_skeleton.explain.parts import to_skeleton
from keras_skeleton.explain.saliency import class_probabilities
from keras_skeleton.explain.saliency import grad_cam
from keras_skeleton.explain.saliency import saliency
from keras_skeleton.skeletons.skeleton import SkeletonLike

# What each map shows, most faithful first: see the table in the documentation.
INTEGRATED = "Integrated gradients"
CLASS_ATTENTION = "Class attention"
GRAD_CAM = "Grad-CAM"
SALIENCY = "Gradient saliency"
ROLLOUT = "Attention rollout"
NOTES = {
    INTEGRATED: "What each joint's movement adds to the score of the class.",
    CLASS_ATTENTION: "What attention brings to the score of the class.",
    GRAD_CAM: "Where the last features lie that speak for the class.",
    SALIENCY: "Where the score of the class reacts most to small changes.",
    ROLLOUT: "Where the model looks, whatever the class: no explanation of it.",
}


def explain(
    model,
    clip: ArrayLike | dict,
    class_names=None,
    path: PathLike = "explanation.html",
    *,
    skeleton: SkeletonLike | None = None,
    class_index=None,
    layer: str | None = "features",
    shown: ArrayLike | None = None,
    label=None,
    measure=True,
    title=None,
    frame_rate=30,
    up="y",
) -> pathlib.Path:
    """Explains one prediction of a classifier on an interactive page.

    Computes integrated gradients (of models with one input), Grad-CAM,
    gradient saliency and, where a model attends to its features, class
    attention and attention rollout, and writes them with `write_page`, the
    one that was most faithful on packaged weights first. Of several inputs,
    the map of the skeletons is drawn.

    Args:
        model: A classifier that takes clips, or a dict of inputs with clips
            named `"skeletons"`.
        clip: Array `(M, T, V, C)` as the model takes it, or `(T, V, C)`. For
            several inputs a dict with the arrays of one sample.
        class_names: Names of the classes; numbers by default.
        path: Where to write the page.
        skeleton: A `Skeleton` or its registered name; `model.skeleton` by
            default.
        class_index: The class to explain; the predicted one by default.
        layer: The layer of Grad-CAM, whose map has frames and joints, see
            `grad_cam`; `None` leaves it out.
        shown: Array `(M, T, V, C)`, the clip to draw where the model takes
            something else than the places of all joints: bones, motion, or
            the channels of a part of the body. `clip` by default.
        label: The true class of the clip, which is told beside the predicted
            one.
        measure: Whether to measure how faithful each map is on this clip
            (`faithfulness` over joints) and to say so: it takes about a
            hundred predictions.
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
    _outputs.check({"`path`": path})
    _inputs.form_of(model)
    skeleton = skeleton or getattr(model, "skeleton", None)
    if skeleton is None:
        raise ValueError(
            "The model names no skeleton. Pass `skeleton=`, for example "
            'skeleton="ntu".'
        )
    inputs, clip = _check_inputs(clip)
    shown = _check_shown(model, clip, shown)
    shown, skeleton = checks.check_clip(shown, skeleton)
    probabilities = class_probabilities(model, inputs)[0]
    best = int(np.argmax(probabilities))
    chosen = best if class_index is None else class_index
    names = checks.class_names(class_names, len(probabilities))
    maps = {}
    found = _maps(model, inputs, chosen, layer)
    for name, tokens in found.items():
        values = attention.upsample(tokens, *shown.shape[1:3])[0]
        # A map without persons is that of all of them.
        maps[name] = np.broadcast_to(values, shown.shape[:3])
    notes = {name: NOTES[name] for name in found}
    # Joints are held still by their numbers in the clip.
    if measure and clip.shape[2] == shown.shape[2]:
        scores = faithfulness(
            model, found, inputs, chosen, steps=5, repetitions=1
        ).scores
        for name in notes:
            notes[name] += (
                f" Faithfulness on this clip: {scores[name]:.2f} (in random "
                f"order {scores[RANDOM]:.2f})."
            )
    prediction = f"Predicted: {names[best]} ({100 * probabilities[best]:.1f} %)"
    if label is not None:
        if not isinstance(label, int | np.integer) or not (
            0 <= label < len(names)
        ):
            raise ValueError(
                f"`label` must be the number of a class, 0 to "
                f"{len(names) - 1}. Received: {label!r}"
            )
        prediction += f"; labelled: {names[label]}"
    return write_page(
        path,
        shown,
        skeleton,
        maps,
        title=title or f"Why “{names[chosen]}”?",
        prediction=prediction,
        notes=notes,
        probabilities=probabilities,
        class_names=names,
        frame_rate=frame_rate,
        up=up,
    )


def _maps(model, inputs, class_index, layer):
    """Maps `(1, M, T', V)` of one sample by their names."""
    maps = {}
    form = _inputs.form_of(model)
    has_several = isinstance(form, dict)
    name = _inputs.SKELETONS if has_several else form.name
    if not has_several:
        parts = integrated_gradients(model, inputs, class_index)
        maps[INTEGRATED] = to_skeleton(np.maximum(parts, 0), model, name)
    if has_class_attention(model):
        relevance = class_attention(model, inputs, class_index)
        maps[CLASS_ATTENTION] = to_skeleton(relevance, model)
    if layer is not None:
        cam = grad_cam(model, inputs, class_index, layer)
        maps[GRAD_CAM] = to_skeleton(cam, model, layer)
    gradients = _inputs.skeletons_of(saliency(model, inputs, class_index))
    maps[SALIENCY] = to_skeleton(gradients, model, name)
    if attention.shows_features(model):
        weights = attention.attention_maps(model, inputs)
        tokens = attention.importance(
            attention.attention_rollout(weights),
            attention.feature_grid(model),
            inputs,
        )
        maps[ROLLOUT] = to_skeleton(tokens, model)
    return maps


def _check_inputs(clip):
    """A batch of one sample, and the clip in it."""
    found = _inputs.skeletons_of(clip)
    if found is None:
        raise ValueError(
            "There are no skeletons to draw among the inputs "
            f"{', '.join(map(repr, clip))}. Name them "
            f"{_inputs.SKELETONS!r} in the model and in `clip`."
        )
    found = np.asarray(found, dtype="float32")
    if found.ndim == 3:
        found = found[None]
    if not isinstance(clip, dict):
        return found[None], found
    clip = {**clip, _inputs.SKELETONS: found}
    batch = {name: np.asarray(array)[None] for name, array in clip.items()}
    return batch, found


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
    checks.check_finite(clip, "clip")
    shown = np.asarray(shown, dtype="float32")
    if shown.ndim == 3:
        shown = shown[None]
    if shown.shape[:2] != clip.shape[:2]:
        raise ValueError(
            "`shown` must have the persons and frames of `clip`, "
            f"{clip.shape[:2]}. Received shape {shown.shape}."
        )
    return shown
