"""Gradient saliency and Grad-CAM on all backends."""

import warnings

import keras
import numpy as np
from numpy.typing import ArrayLike

from keras_skeleton import _graph
from keras_skeleton import _inputs
from keras_skeleton._scores import to_probabilities
from keras_skeleton.explain import _gradient
from keras_skeleton.explain import _model


def saliency(
    model,
    clips: ArrayLike | dict,
    class_index=None,
    *,
    reduction="norm",
    batch_size=8,
) -> np.ndarray:
    """How strongly a class score reacts to moving each joint.

    The gradient of the class logit with respect to the input coordinates,
    reduced over the coordinates of a joint. The unit is logits per unit of
    the coordinates (per metre for data in metres). A model that ends in
    softmax is explained by its logits, with a warning.

    Args:
        model: A Functional classifier.
        clips: Array `(N, M, T, V, C)`, or a dict of arrays by name for a
            model with several inputs.
        class_index: The class to explain: one integer, or one per clip. The
            predicted class by default.
        reduction: `"norm"`, the length of the gradient of a joint, which does
            not depend on the choice of axes; or `"max"`, the largest absolute
            coordinate, as tf-keras-vis does.
        batch_size: Clips computed at a time.

    Returns:
        Array `(N, M, T, V)`, float32, not normalised; zero for absent
        persons (all coordinates zero). `to_shares` makes shares of it,
        `to_skeleton` brings the joints of a part of the body to the skeleton.
        For several inputs a dict with the map of each, which is reduced over
        its last axis: `(N, T, H, W)` of video.

    Example:

    ```python
    shares = to_shares(saliency(model, clips))
    draw_heat_map(shares[0], "ntu")
    ```

    Reference:
        Simonyan et al., Deep Inside Convolutional Networks
        (arXiv 1312.6034).
    """
    clips = _model.check_inputs(model, clips)
    scorer = scorer_of(model)
    classes = classes_of(scorer, clips, class_index)
    batches = _model.batches((clips, one_hot_rows(scorer, classes)), batch_size)
    parts = [
        _gradient.gradient(scorer, chosen, batch) for batch, chosen in batches
    ]
    gradients = keras.tree.map_structure(
        lambda *arrays: np.concatenate(arrays), *parts
    )
    return _reduce(gradients, clips, reduction)


def grad_cam(
    model,
    clips: ArrayLike | dict,
    class_index=None,
    layer="features",
    *,
    batch_size=8,
) -> np.ndarray:
    """Class activation map of a feature layer, weighted by its gradient.

    `relu(sum over D of mean gradient[d] * features[..., d])`, the mean taken
    over persons, time and joints. Paths to the class scores that go round
    the layer are held fixed.

    Where the scores are a dense layer of the mean of the features, as in the
    published heads of graph networks, the map of `"features"` adds up to the
    class score before the `relu` (without the bias). A head that treats every
    joint differently is seen through the mean; where this matters, prefer
    `saliency`.

    Where the layer is a `Concatenate` of feature maps along the joints, as of
    networks of several parts of the body, the channels of one map have
    nothing to do with those of another: the mean is taken for each map by
    itself.

    Args:
        model: A Functional classifier.
        clips: Array `(N, M, T, V, C)`, or a dict of arrays by name for a
            model with several inputs.
        class_index: The class to explain: one integer, or one per clip. The
            predicted class by default.
        layer: Name of a layer with output `(N, M, T', V', D)`, or with the
            persons in the batch, `(N * M, T', V', D)`, as the blocks of graph
            networks (`"block_3"`). A layer that sees other inputs than
            skeletons has one map for each sample, in the place of a person.
        batch_size: Clips computed at a time.

    Returns:
        Array `(N, M, T', V')`, float32, not normalised; zero for absent
        persons. `upsample` brings it to frames and joints, `to_skeleton` the
        joints of parts of the body to those of the skeleton.

    Reference:
        Selvaraju et al., Grad-CAM, ICCV 2017 (arXiv 1610.02391).
    """
    clips = _model.check_inputs(model, clips)
    values, slopes, seen = features_and_slopes(
        model, clips, class_index, layer, batch_size
    )
    sizes = [
        tensor.shape[-2] for tensor in _joined_maps(model, layer)
    ] or values.shape[-2:-1]
    return _weighted(values, slopes, sizes) * seen[:, :, None, None]


def tf_keras_vis_saliency(
    model, clips: ArrayLike, class_index=None, *, reduction="norm", **options
) -> np.ndarray:
    """Saliency or SmoothGrad as tf-keras-vis computes it.

    Only on the TensorFlow backend; `saliency` works on all of them and gives
    the same values.

    Args:
        model: A Functional classifier with one input.
        clips: Array `(N, M, T, V, C)`.
        class_index: As in `saliency`.
        reduction: As in `saliency`.
        **options: Passed on to `tf_keras_vis.saliency.Saliency`, for example
            `smooth_samples=20, smooth_noise=0.1` for SmoothGrad.

    Returns:
        Array `(N, M, T, V)` as `saliency` returns it.

    Raises:
        RuntimeError: On another backend than TensorFlow.
        ImportError: If tf-keras-vis is not installed.
    """
    vis = _import_tf_keras_vis("saliency")
    clips = _check_one_input(model, clips)
    scorer = scorer_of(model)
    classes = classes_of(scorer, clips, class_index)
    gradients = vis.Saliency(_with_input_list(scorer), clone=False)(
        _categories(classes),
        clips,
        keepdims=True,
        normalize_map=False,
        **options,
    )
    return _reduce(np.asarray(gradients), clips, reduction)


def tf_keras_vis_grad_cam(
    model, clips: ArrayLike, class_index=None, layer="features", **options
) -> np.ndarray:
    """Grad-CAM as tf-keras-vis computes it.

    Only on the TensorFlow backend; `grad_cam` works on all of them and gives
    the same values. The map stays on the grid of tokens (`expand_cam=False`):
    the zoom of tf-keras-vis cannot tell persons and coordinates apart from
    image axes.

    Args:
        model: A Functional classifier with one input.
        clips: Array `(N, M, T, V, C)`.
        class_index: As in `grad_cam`.
        layer: Name of a layer with output `(N, M, T', V', D)`. Maps joined
            along the joints are computed one by one, as in `grad_cam`.
        **options: Passed on to `tf_keras_vis.gradcam.Gradcam`.

    Returns:
        Array `(N, M, T', V')` as `grad_cam` returns it.

    Raises:
        RuntimeError: On another backend than TensorFlow.
        ImportError: If tf-keras-vis is not installed.
    """
    vis = _import_tf_keras_vis("gradcam")
    clips = _check_one_input(model, clips)
    if len(_feature_tensor(model, layer).shape) != 5:
        raise ValueError(
            f"The layer {layer!r} has its persons in the batch, which "
            "tf-keras-vis would take for samples. Use `grad_cam`."
        )
    scorer = scorer_of(model)
    classes = classes_of(scorer, clips, class_index)
    pieces = [
        tensor._keras_history.operation.name
        for tensor in _joined_maps(model, layer)
    ]
    gradcam = vis.Gradcam(_with_input_list(scorer), clone=False)
    maps = [
        gradcam(
            _categories(classes),
            clips,
            penultimate_layer=piece,
            seek_penultimate_conv_layer=False,
            expand_cam=False,
            normalize_cam=False,
            **options,
        )
        for piece in pieces or [layer]
    ]
    return np.concatenate(maps, axis=3) * _present(clips)


def class_probabilities(
    model, clips: ArrayLike | dict, batch_size=8
) -> np.ndarray:
    """Class probabilities of a classifier that ends in logits or softmax.

    Args:
        model: A Functional classifier.
        clips: Array `(N, M, T, V, C)`, or a dict of arrays by name for a
            model with several inputs.
        batch_size: Clips computed at a time.

    Returns:
        Array `(N, classes)`, whose rows sum to 1.
    """
    clips = _model.check_inputs(model, clips)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SoftmaxWarning)
        scores = _model.run(scorer_of(model), clips, batch_size)
    return to_probabilities(scores)


class SoftmaxWarning(UserWarning):
    """A model that ends in softmax is explained by its logits."""


def scorer_of(model):
    """The model up to its logits."""

    def build():
        scores, had_softmax = _model.logits(model)
        return keras.Model(_inputs.form_of(model), scores), had_softmax

    scorer, had_softmax = _graph.cached(model, "scorer", build)
    if had_softmax:
        warnings.warn(
            f"The model {model.name!r} ends in softmax; its logits are "
            "explained instead, since a saturated softmax has no gradient.",
            SoftmaxWarning,
            stacklevel=3,
        )
    return scorer


def features_and_slopes(model, clips, class_index, layer, batch_size):
    """Features of checked inputs, and the gradient of a class score there.

    Returns:
        Tuple of two arrays `(N, M, T', V', D)` and 1 for the persons who are
        there, else 0, `(N, M)`.
    """
    features = _feature_tensor(model, layer)
    front = _model.part(model, ("front", layer), lambda: features)
    head, around = _graph.cached(
        model, ("head", layer), lambda: cut_head(model, features)
    )
    classes = classes_of(scorer_of(model), clips, class_index)
    seen = seen_persons(model, features, clips)
    found = []
    everything = (clips, one_hot_rows(head, classes), seen)
    for batch, chosen, persons in _model.batches(everything, batch_size):
        values = _model.run(front, batch, batch_size)
        arrays = _model.given_arrays(model, batch)
        fixed = [arrays[id(tensor)] for tensor in around]
        slopes = _gradient.gradient(head, chosen, values, fixed)
        found.append(
            [_unfold(array, persons, layer) for array in (values, slopes)]
        )
    values, slopes = map(np.concatenate, zip(*found, strict=True))
    return values, slopes, seen


def cut_head(model, features):
    """The model from a layer on, and the inputs that it takes beside the
    features, from which some paths go round the layer."""
    scores, _ = _model.logits(model)
    around = _graph.inputs_of(model, scores, around=features)
    inputs = [features, *around] if around else features
    return keras.Model(inputs, scores), around


def seen_persons(model, features, clips):
    """1 for the persons of a layer's map who are there, else 0: `(N, M)`.

    A map without persons counts for all.
    """
    skeletons = _inputs.skeletons_of(_inputs.form_of(model))
    sources = _graph.inputs_of(model, features)
    alone = len(sources) == 1 and sources[0] is skeletons
    if skeletons is not None and len(skeletons.shape) == 5:
        persons = skeletons.shape[1]
        own = persons if alone else 1
        if len(features.shape) == 5:
            own = features.shape[1]
        if own == persons and (alone or persons > 1):
            return _model.present_persons(_inputs.skeletons_of(clips))
    return np.ones((_inputs.count(clips), 1), "float32")


def _feature_tensor(model, layer):
    tensor = _graph.layer_output(model, layer)
    if len(tensor.shape) not in (4, 5):
        raise ValueError(
            f"The layer {layer!r} must give (N, M, T', V', D) or, with the "
            "persons in the batch, (N * M, T', V', D). Its output shape is "
            f"{tensor.shape}."
        )
    return tensor


def _joined_maps(model, layer):
    """The feature maps that a layer joins along the joints; none for other
    layers."""
    node = _graph.layer_node(model, layer)
    operation, rank = node.operation, len(node.outputs[0].shape)
    if not isinstance(operation, keras.layers.Concatenate):
        return []
    return node.input_tensors if operation.axis in (rank - 2, -2) else []


def _unfold(features, persons, layer):
    """`(N * M, T', V', D)` as `(N, M, T', V', D)`."""
    samples, number = persons.shape
    if features.ndim == 5:
        return features
    if len(features) != samples * number:
        raise ValueError(
            f"The layer {layer!r} must give one map for each of the "
            f"{number} persons of {samples} clips. Its output has "
            f"{len(features)} rows."
        )
    return features.reshape(samples, number, *features.shape[1:])


def _weighted(features, gradient, sizes):
    """The map `(N, M, T', V')`, in runs of `sizes` joints."""
    ends = np.cumsum(sizes)[:-1]
    maps = []
    for values, slopes in zip(
        np.split(features, ends, axis=3),
        np.split(gradient, ends, axis=3),
        strict=True,
    ):
        weights = slopes.mean(axis=(1, 2, 3), keepdims=True)
        maps.append(np.maximum((weights * values).sum(axis=-1), 0))
    return np.concatenate(maps, axis=3)


def classes_of(scorer, clips, class_index):
    num_classes = scorer.outputs[0].shape[-1]
    if class_index is None:
        return _model.run(scorer, clips).argmax(axis=1)
    return check_classes(class_index, _inputs.count(clips), num_classes)


def check_classes(class_index, number, num_classes):
    """The class of each of `number` clips, int `(number,)`."""
    classes = np.asarray(class_index)
    if classes.dtype.kind not in "iu" or classes.shape not in ((), (number,)):
        raise ValueError(
            "`class_index` must be an integer or one integer per clip "
            f"({number}). Received: {class_index!r}"
        )
    classes = np.broadcast_to(classes, (number,))
    if (classes < 0).any() or (classes >= num_classes).any():
        raise ValueError(
            f"`class_index` must lie in 0..{num_classes - 1}. Received: "
            f"{class_index!r}"
        )
    return classes


def one_hot_rows(scorer, classes):
    """One-hot rows: the weights of the explained scores."""
    return np.eye(scorer.outputs[0].shape[-1], dtype="float32")[classes]


def _reduce(gradients, clips, reduction):
    """Maps without the last axis, zero for absent persons."""
    if reduction == "norm":
        reduce = _norm
    elif reduction == "max":
        reduce = _largest
    else:
        raise ValueError(
            f'`reduction` must be "norm" or "max". Received: {reduction!r}'
        )
    maps = keras.tree.map_structure(reduce, gradients)
    skeletons = _inputs.skeletons_of(maps)
    if skeletons is not None:
        # In place: one of the arrays of a dict.
        skeletons *= _present(_inputs.skeletons_of(clips))
    return maps


def _norm(gradients):
    return np.sqrt(np.square(gradients).sum(axis=-1))


def _largest(gradients):
    return np.abs(gradients).max(axis=-1)


def _present(clips):
    return _model.present_persons(clips)[..., None, None]


def _check_one_input(model, clips):
    clips = _model.check_inputs(model, clips)
    if isinstance(clips, dict):
        raise ValueError(
            "tf-keras-vis explains models with one input. Received "
            f"{model.name!r} with {', '.join(map(repr, clips))}. Use "
            "`saliency` and `grad_cam`."
        )
    return clips


def _import_tf_keras_vis(module):
    if keras.backend.backend() != "tensorflow":
        raise RuntimeError(
            "tf-keras-vis works on the TensorFlow backend only. The current "
            f"backend is {keras.backend.backend()!r}. Use `saliency` and "
            "`grad_cam`, which work on every backend and give the same "
            "values."
        )
    try:
        # It still imports from a name space that scipy has deprecated.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            if module == "saliency":
                import tf_keras_vis.saliency as vis
            else:
                import tf_keras_vis.gradcam as vis
    except ImportError as error:
        raise ImportError(
            "This function needs tf-keras-vis: "
            "pip install keras-skeleton[saliency]"
        ) from error
    return vis


def _with_input_list(scorer):
    # tf-keras-vis always passes a list.
    return _graph.cached(
        scorer, "list", lambda: keras.Model(scorer.inputs, scorer.outputs[0])
    )


def _categories(classes):
    from tf_keras_vis.utils.scores import CategoricalScore

    return CategoricalScore([int(index) for index in classes])
