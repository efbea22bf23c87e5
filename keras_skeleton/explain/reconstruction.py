"""What a masked-prediction model makes of the joints that it does not see."""

import typing

import keras
import numpy as np
from keras import ops
from numpy.typing import ArrayLike

from keras_skeleton import _inputs
from keras_skeleton.drawing import draw_comparison
from keras_skeleton.explain import _gradient

if typing.TYPE_CHECKING:
    from matplotlib.figure import Figure


def reconstruct(
    pretext, clips: ArrayLike, batch_size=8
) -> tuple[np.ndarray, np.ndarray]:
    """Hides joints as in pre-training, and puts them where they are predicted.

    Args:
        pretext: A model with the ability `restore(clips)`, which gives clips
            with the predicted joints in their places, and the mask. Models
            of pre-training hide joints themselves (`SkeletonMAEPretext`,
            `CascadeFormerPretext`, `FineTecPretext`); a `FineTec` restores
            what is lost in the clips.
        clips: Array `(N, M, T, V, C)` as the model takes it, or the dict of
            its inputs.
        batch_size: Clips computed at a time.

    Returns:
        Tuple of the clips `(N, M', T, V, C)`, of the persons that the model
        sees, and the mask `(N, M', T, V)`, 1 where a joint was hidden.

    Raises:
        ValueError: If the model predicts no places of joints.

    Example:

    ```python
    restored, mask = reconstruct(pretext, clips)
    error = np.linalg.norm(restored - clips, axis=-1)[mask == 1].mean()
    ```
    """
    if not hasattr(pretext, "restore"):
        raise ValueError(
            f"The model {pretext.name!r}, a {type(pretext).__name__}, predicts "
            "no places of joints. Pass a model of pre-training with a method "
            "`restore`, such as a SkeletonMAEPretext."
        )
    inputs = keras.tree.map_structure(
        lambda x: np.asarray(x, dtype="float32"), clips
    )
    clips = _inputs.skeletons_of(inputs)
    if clips is None or clips.ndim != 5 or not len(clips):
        raise ValueError(
            "`clips` must be at least one clip, of the shape (N, M, T, V, C). "
            f"Received shape {np.shape(clips)}."
        )
    found = []
    with _gradient.without_gradient():
        for start in range(0, len(clips), batch_size):
            rows = slice(start, start + batch_size)
            batch = keras.tree.map_structure(
                ops.convert_to_tensor, _inputs.rows_of(inputs, rows)
            )
            found.append(
                [ops.convert_to_numpy(x) for x in pretext.restore(batch)]
            )
    restored, masks = zip(*found, strict=True)
    return np.concatenate(restored), np.concatenate(masks)


def draw_reconstruction(
    pretext,
    clip: ArrayLike,
    true: ArrayLike | None = None,
    *,
    frames: int | ArrayLike = 6,
    up="y",
    title=None,
) -> "Figure":
    """Draws what a model sees of a clip, and where it expects the rest.

    The first row has what the model sees, the second one hidden joints where
    they are predicted, both over the clip as it is, in grey.

    Args:
        pretext: See `reconstruct`.
        clip: Array `(M, T, V, C)` as the model takes it, or the dict of its
            inputs, each without the first axis.
        true: Array of the same shape, the clip before something was lost,
            drawn in grey; by default `clip`.
        frames: Number of frames to show, evenly spread; or their numbers.
        up: Axis that points up, see `keras_skeleton.drawing.draw_comparison`.
        title: Title of the figure.

    Returns:
        A matplotlib `Figure`.

    Example:

    ```python
    draw_reconstruction(pretext, clips[0], up="-y").savefig("hidden.png")
    ```
    """
    inputs = keras.tree.map_structure(lambda x: np.asarray(x)[None], clip)
    restored, mask = (each[0] for each in reconstruct(pretext, inputs))
    clip = np.asarray(_inputs.skeletons_of(inputs)[0], dtype="float32")
    before = clip
    if true is not None:
        before = np.asarray(true, dtype="float32")
        if before.shape != clip.shape:
            raise ValueError(
                "`true` must be the clip before something was lost, of shape "
                f"{clip.shape}. Received shape {before.shape}."
            )
    if len(restored) != len(clip):
        # The model sees one person, whose visible joints are unchanged.
        errors = [
            np.abs(restored - person)[mask == 0].sum()
            for person in clip[:, None]
        ]
        before = before[np.argmin(errors)][None]
    rows = {
        "seen": np.where(mask[..., None] > 0, 0, restored),
        "predicted": restored,
    }
    return draw_comparison(
        rows,
        getattr(pretext, "encoder", pretext).skeleton,
        before,
        frames=frames,
        up=up,
        title=title,
    )
