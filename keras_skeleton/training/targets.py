"""What `fit` gets, looked at before it trains on nonsense without a word.

Labels outside the classes have no class in a cross-entropy: on some backends
the loss falls as if all were well. Losses that take logits for probabilities,
and not-a-numbers, do as much harm as silently.
"""

import warnings

import keras
import numpy as np

from keras_skeleton import _inputs
from keras_skeleton.losses import JointCrossentropy
from keras_skeleton.losses import SmoothedCrossentropy
from keras_skeleton.losses.long_tailed import Labelled

# Those that take the numbers of classes.
_SPARSE = (
    SmoothedCrossentropy,
    JointCrossentropy,
    Labelled,
    keras.losses.SparseCategoricalCrossentropy,
)
_OF_PROBABILITIES = {
    "sparse_categorical_crossentropy": "SparseCategoricalCrossentropy",
    "categorical_crossentropy": "CategoricalCrossentropy",
}


# Of metres, and of coordinates that are normalized, few are above 10.
LARGE = 20.0


def warn_of_units(x):
    """Tells where clips are in millimetres or pixels, which train badly.

    Args:
        x: The data, as `fit` gets them.
    """
    plan = getattr(x, "plan", None)
    scores = 0
    if plan is not None:
        x, scores = plan.example()
    clips = _inputs.skeletons_of(x)
    if not isinstance(clips, np.ndarray) or clips.ndim != 5 or not len(clips):
        return
    places = clips[:: max(1, len(clips) // 8), ..., : clips.shape[-1] - scores]
    places = np.abs(places[places != 0])
    size = float(np.median(places)) if places.size else 0.0
    if size > LARGE:
        warnings.warn(
            f"The coordinates are large, {size:.0f} in the median, and models "
            "expect metres or what is normalized; they train badly so. "
            "Multiply millimetres by 0.001 and centimetres by 0.01; pixels "
            "are normalized by `layers.augmentation.pose_preprocessing`.",
            stacklevel=4,
        )


def check_classes(x, y, classes):
    """Raises a `ValueError` where labels are not those of some classes.

    Args:
        x: The data, as `fit` gets them.
        y: The labels, as `fit` gets them.
        classes: The number of classes.
    """
    labels, names = _labels(x, y)
    if labels is not None:
        _check_labels(labels, classes, names)


def check_targets(model, x, y):
    """Raises a `ValueError` where a classifier cannot learn from its data.

    What cannot be looked at without using it up, such as a `tf.data.Dataset`,
    is left alone.

    Args:
        model: An application that is about to be trained.
        x: The data, as `fit` gets them.
        y: The labels, as `fit` gets them.
    """
    loss = getattr(model, "loss", None)
    classes, activation = (
        model.ends[key] for key in ("classes", "classifier_activation")
    )
    labels, names = _labels(x, y)
    if classes is None:
        if _is_sparse(loss) and labels is not None:
            raise ValueError(
                f"The model {model.name!r} is an encoder: it ends in features "
                "and has no classes to learn. Pass `classes=` to its "
                "constructor, or put a head on it: "
                f"{type(model).__name__}(encoder=encoder, classes=10)."
            )
    else:
        _check_loss(loss, activation)
        if labels is not None and loss is None and _needs_loss(model):
            raise ValueError(
                f"The model {model.name!r} was compiled without a loss, so "
                "that nothing would be learned from the labels. Pass `loss=` "
                'to `compile`, as in compile("adam", keras_skeleton.losses.'
                "SmoothedCrossentropy()), or compile by the system's recipe, "
                "see keras_skeleton.training.Recipe."
            )
        if labels is not None and _is_sparse(loss):
            _check_labels(labels, classes, names)
    check_finite(x)


def class_names(x, classes):
    """Names of so many classes, as far as data know them, or `None`."""
    clips = getattr(getattr(x, "plan", None), "sequences", None)
    names = getattr(clips, "class_names", None)
    if names is None or len(names) != classes:
        return None
    return tuple(names)


def _needs_loss(model):
    """Whether a compiled model learns from nothing but `compile(loss=)`."""
    own = [
        name
        for name in ("compute_loss", "train_step")
        if getattr(type(model), name) is not getattr(keras.Model, name)
    ]
    return model.compiled and not own


def _labels(x, y):
    """Labels and names of clips, as far as they can be seen."""
    plan = getattr(x, "plan", None)
    if plan is not None and y is None:
        clips = plan.sequences
        return (clips.labels, clips.names) if plan.labels else (None, None)
    if isinstance(y, list | tuple | np.ndarray):
        return np.asarray(y), None
    if y is not None and hasattr(y, "shape"):
        return keras.ops.convert_to_numpy(y), None
    return None, None


def _is_sparse(loss):
    return loss == "sparse_categorical_crossentropy" or isinstance(
        loss, _SPARSE
    )


def _check_loss(loss, activation):
    """Without an activation the outputs are logits."""
    if activation not in (None, "linear"):
        return
    by_name = loss if isinstance(loss, str) else None
    name = _OF_PROBABILITIES.get(by_name)
    if name is None and isinstance(
        loss,
        keras.losses.SparseCategoricalCrossentropy
        | keras.losses.CategoricalCrossentropy,
    ):
        if not loss.get_config().get("from_logits", True):
            name = type(loss).__name__
    if name is not None:
        raise ValueError(
            f"The loss {by_name or name!r} takes probabilities, but the model "
            "gives logits, on which it would learn nothing. Compile with "
            "`keras_skeleton.losses.SmoothedCrossentropy()` or with "
            f"`keras.losses.{name}(from_logits=True)`, or build the model "
            "with classifier_activation='softmax'."
        )


def _check_labels(labels, classes, names):
    if labels.dtype.kind in "USO":
        found = labels.reshape(-1).tolist()
        odd = next((x for x in found if not isinstance(x, int | float)), None)
        advice = "Clips without a label have to be left out."
        if isinstance(odd, str | bytes):
            advice = (
                "`numpy.unique(labels, return_inverse=True)` gives the names "
                "of the classes and the numbers."
            )
            odd = f"texts such as {odd!r}"
        raise ValueError(
            f"Labels must be whole numbers from 0, but there are {odd}. "
            f"{advice}"
        )
    if labels.ndim == 2 and labels.shape[1] == classes > 1:
        raise ValueError(
            f"Labels of shape {labels.shape} have a column for each class, "
            "but the loss takes the numbers of the classes. Pass "
            "`labels.argmax(axis=1)`, or compile with "
            "`keras.losses.CategoricalCrossentropy(from_logits=True)`."
        )
    flat = labels.reshape(-1)
    if flat.dtype.kind == "f":
        known = flat[np.isfinite(flat)]
        broken = known[known != np.floor(known)]
        if len(broken):
            raise ValueError(
                f"Labels must be whole numbers from 0, but {len(broken)} of "
                f"{len(flat)} are none, such as {broken[0]}."
            )
    outside = np.flatnonzero(~((flat >= 0) & (flat < classes)))
    if not len(outside):
        return
    first = int(outside[0])
    where = f"clip {first}" if names is None else f"the clip {names[first]!r}"
    advice = "Clips without a label (-1) have to be left out."
    if flat.max() >= classes:
        advice = "Pass the right number of `classes` to the model."
        if flat.min() >= 1 and flat.max() == classes:
            advice = (
                "They seem to count from 1: subtract 1 from all, so that "
                "they count from 0."
            )
    raise ValueError(
        f"The model has {classes} classes, with the labels 0 to "
        f"{classes - 1}, but {len(outside)} of {len(flat)} labels are "
        f"others, the first that of {where}: {flat[first]}. {advice}"
    )


def check_finite(x):
    """Raises a `ValueError` where clips in arrays are not finite."""
    for name, array in (x if isinstance(x, dict) else {"": x}).items():
        if not isinstance(array, np.ndarray) or array.dtype.kind != "f":
            continue
        # A sum shows what is not finite without another array as large.
        totals = array.reshape(len(array), -1).sum(axis=1, dtype="float64")
        bad = np.flatnonzero(~np.isfinite(totals))
        if len(bad):
            of = f" of the input {name!r}" if name else ""
            raise ValueError(
                f"{len(bad)} of {len(array)} clips{of} hold values that are "
                f"not finite (NaN or infinite), the first is clip {bad[0]}. "
                "So would be all that is computed from them. Where a joint "
                "or a person was not found, put zeros: "
                "`numpy.nan_to_num(clips)`."
            )
