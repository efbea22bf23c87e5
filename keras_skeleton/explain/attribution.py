"""Class scores divided among joints: gradients times what the joints do."""

import numpy as np
from numpy.typing import ArrayLike

from keras_skeleton.explain import _gradient
from keras_skeleton.explain import _model
from keras_skeleton.explain import saliency


def held_still(clips: ArrayLike, fill="mean") -> np.ndarray:
    """Clips in which nothing moves: what attributions are compared with.

    Args:
        clips: Array `(N, M, T, V, C)`.
        fill: `"mean"`, each joint at its mean place of the frames that show
            the person; or `"first"`, its place in the first of these.

    Returns:
        Array of the same shape. Absent persons and frames stay zero.

    Raises:
        ValueError: If there is no such `fill`.
    """
    if fill not in ("mean", "first"):
        raise ValueError(
            f"`fill` must be 'mean' or 'first'. Received: {fill!r}"
        )
    clips = np.asarray(clips, dtype="float32")
    is_seen = np.any(clips != 0, axis=(3, 4))[..., None, None]
    if fill == "first":
        first = np.argmax(is_seen, axis=2)[:, :, None]
        place = np.take_along_axis(clips, first, axis=2)
    else:
        count = np.maximum(is_seen.sum(axis=2, keepdims=True), 1)
        place = clips.sum(axis=2, keepdims=True) / count
    return np.where(is_seen, place, 0.0).astype("float32")


def integrated_gradients(
    model,
    clips: ArrayLike,
    class_index=None,
    *,
    steps=16,
    fill="mean",
    batch_size=8,
) -> np.ndarray:
    """How much each joint adds to a class score, by what it does.

    The gradient of the class logit is averaged over a straight path from the
    clip in which nobody moves (`held_still`) to the clip, and multiplied by
    the difference of the two. Over all joints and frames, these parts add up
    to the difference of the logits, but for the error of the sum; parts of a
    joint may be negative. With `steps=1` it is the gradient at the clip times
    the difference: "gradient x input".

    Args:
        model: A Functional classifier with one input.
        clips: Array `(N, M, T, V, C)`.
        class_index: The class to explain: one integer, or one per clip. The
            predicted class by default.
        steps: Places on the path.
        fill: See `held_still`.
        batch_size: Clips computed at a time.

    Returns:
        Array `(N, M, T, V)`, float32, in logits; zero for absent persons.

    Raises:
        ValueError: If the model has several inputs.

    Example:

    ```python
    parts = integrated_gradients(model, clips)
    draw_heat_map(to_shares(np.maximum(parts, 0))[0], "ntu")
    ```

    Reference: Sundararajan et al., Axiomatic Attribution for Deep Networks,
    ICML 2017 (arXiv 1703.01365).
    """
    clips = _model.check_inputs(model, clips)
    if isinstance(clips, dict):
        raise ValueError(
            "Gradients are integrated for models with one input. Received a "
            f"model with the inputs {', '.join(map(repr, clips))}."
        )
    if steps < 1:
        raise ValueError(f"`steps` must be at least 1. Received: {steps}")
    clips = np.asarray(clips, dtype="float32")
    still = held_still(clips, fill)
    scorer = saliency.scorer_of(model)
    classes = saliency.classes_of(scorer, clips, class_index)
    chosen = saliency.one_hot_rows(scorer, classes)
    # In the middle of equal pieces of the path, which a sum is most exact at.
    places = (np.arange(steps) + 0.5) / steps if steps > 1 else [1.0]
    total = np.zeros_like(clips)
    for place in places:
        path = (still + place * (clips - still)).astype("float32")
        parts = [
            _gradient.gradient(scorer, weights, batch)
            for batch, weights in _model.batches((path, chosen), batch_size)
        ]
        total += np.concatenate(parts)
    return ((clips - still) * total / len(places)).sum(axis=-1)


def gradient_times_input(
    model, clips: ArrayLike, class_index=None, **options
) -> np.ndarray:
    """The gradient of a class score times how far joints are from rest.

    `integrated_gradients` of a single step, at the clip itself.

    Args:
        model: See `integrated_gradients`, also for the other arguments.
        clips: Array `(N, M, T, V, C)`.
        class_index: The class to explain.
        **options: `fill` and `batch_size`.

    Returns:
        Array `(N, M, T, V)`, float32.
    """
    return integrated_gradients(model, clips, class_index, steps=1, **options)
