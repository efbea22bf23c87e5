import warnings

import keras
import numpy as np
import pytest
from keras import ops

from keras_skeleton import explain
from keras_skeleton.applications import psumnet
from keras_skeleton.explain.saliency import SoftmaxWarning


def _logits(model, clips):
    return model.predict_on_batch(clips)


def _difference(model, clips, place, class_index, step=2e-2):
    """d logit / d coordinate by a central difference."""
    low, high = clips.copy(), clips.copy()
    low[place] -= step
    high[place] += step
    change = _logits(model, high) - _logits(model, low)
    return change[place[0], class_index] / (2 * step)


def test_saliency_equals_finite_differences(make_transformer, make_clips):
    model, clips = make_transformer("ntu"), make_clips("ntu")
    values = explain.saliency(model, clips, [2, 0])
    largest = explain.saliency(model, clips, [2, 0], reduction="max")
    assert values.shape == clips.shape[:-1]
    for place in [(0, 1, 3, 7), (1, 0, 7, 19)]:
        chosen = [2, 0][place[0]]
        gradient = [
            _difference(model, clips, (*place, axis), chosen)
            for axis in range(3)
        ]
        scale = values.max()
        norm = np.linalg.norm(gradient)
        np.testing.assert_allclose(values[place], norm, atol=3e-3 * scale)
        np.testing.assert_allclose(
            largest[place], np.abs(gradient).max(), atol=3e-3 * scale
        )


def test_default_class_is_the_predicted_one_and_batches_agree(
    make_transformer, make_clips
):
    model, clips = make_transformer(), make_clips("kinect20", 4)
    best = _logits(model, clips).argmax(axis=1)
    values = explain.saliency(model, clips, batch_size=2)
    parts = [
        explain.saliency(model, clips[rows], best[rows])
        for rows in (slice(0, 2), slice(2, 4))
    ]
    expected = np.concatenate(parts)
    scale = expected.max()
    np.testing.assert_allclose(values, expected, atol=1e-5 * scale)


def test_grad_cam_equals_finite_differences(make_transformer, make_clips):
    model, clips = make_transformer(), make_clips("kinect20")
    cam = explain.grad_cam(model, clips, 1)
    assert cam.shape == (2, 2, 2, 20)
    features = keras.Model(model.inputs[0], model.get_layer("features").output)
    features = features.predict_on_batch(clips)
    # The head is linear in the features: logits = mean over persons and
    # time, times a kernel. Its gradient is the kernel / (persons * time).
    kernel = model.get_layer("predictions").kernel
    kernel = ops.convert_to_numpy(kernel.value)[:, 1].reshape(20, -1)
    weights = kernel.mean(axis=0) / 4
    expected = np.maximum((features * weights).sum(-1), 0)
    assert expected.any()
    np.testing.assert_allclose(cam, expected, atol=1e-5 * expected.max())


def test_models_without_attention(convolutional, make_clips):
    clips = make_clips("kinect20", 2, 1)
    values = explain.saliency(convolutional, clips)
    cam = explain.grad_cam(convolutional, clips)
    assert values.shape == (2, 1, 8, 20) and values.any()
    assert cam.shape == (2, 1, 4, 20)
    place = (0, 0, 3, 11)
    best = _logits(convolutional, clips)[0].argmax()
    gradient = [
        _difference(convolutional, clips, (*place, axis), best)
        for axis in range(3)
    ]
    np.testing.assert_allclose(
        values[place], np.linalg.norm(gradient), atol=3e-3 * values.max()
    )


def test_absent_persons_are_zero(make_transformer, make_clips):
    model, clips = make_transformer(), make_clips("kinect20")
    clips[0, 1] = 0
    for function in (explain.saliency, explain.grad_cam):
        values = function(model, clips, 0)
        assert not values[0, 1].any()
        assert values[0, 0].any()


def test_softmax_is_explained_by_its_logits(make_transformer, make_clips):
    clips = make_clips("kinect20")
    plain = make_transformer()
    model = make_transformer(activation="softmax")
    for function in (explain.saliency, explain.grad_cam):
        with pytest.warns(SoftmaxWarning, match="logits"):
            values = function(model, clips, 1)
        expected = function(plain, clips, 1)
        scale = expected.max()
        np.testing.assert_allclose(values, expected, atol=1e-5 * scale)
    with warnings.catch_warnings():
        warnings.simplefilter("error", SoftmaxWarning)
        probabilities = explain.class_probabilities(model, clips)
    np.testing.assert_allclose(probabilities, _logits(model, clips), atol=1e-5)
    np.testing.assert_allclose(
        explain.class_probabilities(plain, clips), probabilities, atol=1e-5
    )


def test_changed_weights_change_the_maps(make_transformer, make_clips):
    model, clips = make_transformer(), make_clips("kinect20")
    before = explain.grad_cam(model, clips, 0)
    kernel = model.get_layer("predictions").kernel
    kernel.assign(2 * kernel)
    after = explain.grad_cam(model, clips, 0)
    kernel.assign(0.5 * kernel)  # the model is shared between tests
    np.testing.assert_allclose(after, 2 * before, rtol=1e-4, atol=1e-7)


# By tf-keras-vis itself: an old name of scipy, and a list of one input.
@pytest.mark.filterwarnings("ignore:.*scipy.ndimage:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:The structure of `inputs`:UserWarning")
def test_tf_keras_vis_agrees(make_transformer, make_clips):
    if keras.backend.backend() != "tensorflow":
        pytest.skip("tf-keras-vis works on the TensorFlow backend only")
    pytest.importorskip("tf_keras_vis")
    from tf_keras_vis.gradcam import Gradcam
    from tf_keras_vis.saliency import Saliency
    from tf_keras_vis.utils.scores import CategoricalScore

    model, clips = make_transformer(), make_clips("kinect20")
    classes = [1, 2]
    theirs = Saliency(model, clone=False)(
        CategoricalScore(classes), clips, normalize_map=False
    )
    ours = explain.saliency(model, clips, classes, reduction="max")
    np.testing.assert_allclose(ours, theirs, atol=1e-5 * theirs.max())
    theirs = Gradcam(model, clone=False)(
        CategoricalScore(classes),
        clips,
        penultimate_layer="features",
        seek_penultimate_conv_layer=False,
        expand_cam=False,
        normalize_cam=False,
    )
    ours = explain.grad_cam(model, clips, classes)
    theirs = np.asarray(theirs)
    assert theirs.shape == (2, 2, 2, 20) and theirs.any()
    np.testing.assert_allclose(ours, theirs, atol=1e-5 * theirs.max())


@pytest.mark.parametrize("reduction", ["norm", "max"])
def test_tf_keras_vis_wrappers(make_transformer, make_clips, reduction):
    if keras.backend.backend() != "tensorflow":
        pytest.skip("tf-keras-vis works on the TensorFlow backend only")
    pytest.importorskip("tf_keras_vis")
    model = make_transformer(activation="softmax")
    clips = make_clips("kinect20")
    clips[1, 1] = 0
    with pytest.warns(SoftmaxWarning):
        ours = explain.saliency(model, clips, reduction=reduction)
        theirs = explain.tf_keras_vis_saliency(
            model, clips, reduction=reduction
        )
        np.testing.assert_allclose(theirs, ours, atol=1e-5 * ours.max())
        smooth = explain.tf_keras_vis_saliency(
            model, clips, reduction=reduction, smooth_samples=2
        )
        assert smooth.shape == ours.shape and np.isfinite(smooth).all()
        ours = explain.grad_cam(model, clips)
        theirs = explain.tf_keras_vis_grad_cam(model, clips)
        np.testing.assert_allclose(theirs, ours, atol=1e-5 * ours.max())


def test_tf_keras_vis_elsewhere(make_transformer, make_clips):
    if keras.backend.backend() == "tensorflow":
        pytest.skip("the TensorFlow backend has tf-keras-vis")
    model, clips = make_transformer(), make_clips("kinect20")
    for function in (
        explain.tf_keras_vis_saliency,
        explain.tf_keras_vis_grad_cam,
    ):
        with pytest.raises(RuntimeError, match="TensorFlow backend only"):
            function(model, clips)


def test_saliency_of_graph_networks(graph_network):
    model, clips = graph_network
    values = explain.saliency(model, clips, [2, 0])
    assert values.shape == clips.shape[:-1]
    for place in [(0, 1, 3, 7), (1, 0, 2, 4)]:
        chosen = [2, 0][place[0]]
        gradient = [
            _difference(model, clips, (*place, axis), chosen, 2e-3)
            for axis in range(clips.shape[-1])
        ]
        norm = np.linalg.norm(gradient)
        np.testing.assert_allclose(
            values[place], norm, atol=1e-2 * values.max()
        )


def _head(model, features, prefix=""):
    """By hand: Grad-CAM of a head that takes the mean, and its score."""
    layer = model.get_layer(f"{prefix}predictions")
    kernel = ops.convert_to_numpy(layer.kernel.value)[:, 1]
    weights = kernel / features[0, ..., 0].size
    bias = ops.convert_to_numpy(layer.bias.value)[1]
    return (features * weights).sum(-1), bias


def test_grad_cam_of_graph_networks(graph_network):
    model, clips = graph_network
    features = keras.Model(model.inputs[0], model.get_layer("features").output)
    features = features.predict_on_batch(clips)
    cam = explain.grad_cam(model, clips, 1)
    assert cam.shape == features.shape[:-1]
    if getattr(model, "parts", None) == psumnet.PARTS:
        pieces = np.split(features, [20, 29], axis=3)
        factors = model.get_layer("predictions").factors
        parts = [
            _head(model, piece, f"{part}_")
            for part, piece in zip(psumnet.PARTS, pieces, strict=True)
        ]
        values = np.concatenate(
            [f * p[0] for f, p in zip(factors, parts, strict=True)], axis=3
        )
        bias = sum(f * p[1] for f, p in zip(factors, parts, strict=True))
    else:
        values, bias = _head(model, features)
    expected = np.maximum(values, 0)
    assert expected.any() and (values < 0).any()
    np.testing.assert_allclose(cam, expected, atol=1e-5 * expected.max())
    # What the map leaves out is the bias and what it cuts off.
    np.testing.assert_allclose(
        values.sum(axis=(1, 2, 3)) + bias,
        _logits(model, clips)[:, 1],
        rtol=1e-4,
    )


def test_layers_with_persons_in_the_batch(make_graph_network, make_clips):
    model, clips = make_graph_network("ctrgcn"), make_clips("nw_ucla", 3)
    clips = clips[:, :, :4]
    clips[1, 1] = 0
    # The layer `features` only moves the persons out of the batch.
    expected = explain.grad_cam(model, clips, 1)
    cam = explain.grad_cam(model, clips, 1, layer="block_1", batch_size=2)
    np.testing.assert_allclose(cam, expected, atol=1e-5 * expected.max())
    assert not cam[1, 1].any() and cam[1, 0].any()
    early = explain.grad_cam(model, clips, 1, layer="block_0")
    assert early.shape == (3, 2, 4, 20) and early.any()


def test_layers_beside_other_paths(make_graph_network, make_clips):
    model, clips = make_graph_network("psumnet"), make_clips("nw_ucla")
    clips = clips[:, :, :4]
    cam = explain.grad_cam(model, clips, 2)
    hand = explain.grad_cam(model, clips, 2, layer="hand_features")
    np.testing.assert_allclose(hand, cam[..., 20:29], atol=1e-5 * cam.max())
    inputs = keras.Input((2, 4, 20, 3))
    side = keras.layers.Dense(4, name="side")(inputs)
    x = keras.layers.Add()([ops.sin(side), keras.layers.Dense(4)(inputs)])
    x = keras.layers.GlobalAveragePooling3D()(x)
    outputs = keras.layers.Dense(3, name="predictions")(x)
    model = keras.Model(inputs, outputs)
    values = keras.Model(inputs, side).predict_on_batch(clips)
    kernel = ops.convert_to_numpy(model.get_layer("predictions").kernel.value)
    weights = np.cos(values).mean(axis=(1, 2, 3), keepdims=True) * kernel[:, 2]
    expected = np.maximum((weights * values).sum(-1), 0) / (2 * 4 * 20)
    cam = explain.grad_cam(model, clips, 2, layer="side")
    np.testing.assert_allclose(cam, expected, atol=1e-5 * expected.max())


def test_tf_keras_vis_on_graph_networks(make_graph_network, make_clips):
    if keras.backend.backend() != "tensorflow":
        pytest.skip("tf-keras-vis works on the TensorFlow backend only")
    pytest.importorskip("tf_keras_vis")
    model = make_graph_network("psumnet")
    clips = make_clips("nw_ucla")[:, :, :4]
    for ours, theirs in (
        (explain.grad_cam, explain.tf_keras_vis_grad_cam),
        (explain.saliency, explain.tf_keras_vis_saliency),
    ):
        expected = ours(model, clips, 1)
        values = theirs(model, clips, 1)
        np.testing.assert_allclose(values, expected, atol=1e-5 * expected.max())
    with pytest.raises(ValueError, match="Use `grad_cam`"):
        explain.tf_keras_vis_grad_cam(model, clips, layer="hand_block_0")


def test_bad_input(make_transformer, make_clips):
    model, clips = make_transformer(), make_clips("kinect20")
    with pytest.raises(ValueError, match="0..2"):
        explain.saliency(model, clips, 3)
    with pytest.raises(ValueError, match="integer"):
        explain.saliency(model, clips, [0, 1, 2])
    with pytest.raises(ValueError, match="integer"):
        explain.grad_cam(model, clips, 0.5)
    with pytest.raises(ValueError, match="reduction"):
        explain.saliency(model, clips, 0, reduction="mean")
    with pytest.raises(ValueError, match="Received shape"):
        explain.saliency(model, clips[..., :2])
    with pytest.raises(ValueError, match="no layer 'tokens'"):
        explain.grad_cam(model, clips, 0, layer="tokens")
    with pytest.raises(ValueError, match="N, M, T', V', D"):
        explain.grad_cam(model, clips, 0, layer="block_0")
    inputs = keras.Input((2, 8, 20, 3))
    x = ops.mean(inputs, axis=1)
    x = keras.layers.Dense(2, name="no_persons")(x)
    outputs = keras.layers.Dense(3)(keras.layers.GlobalAveragePooling2D()(x))
    without = keras.Model(inputs, outputs)
    with pytest.raises(ValueError, match="each of the 2 persons"):
        explain.grad_cam(without, clips, 0, layer="no_persons")
    encoder = keras.Model(model.inputs[0], model.get_layer("features").output)
    with pytest.raises(ValueError, match="classes="):
        explain.saliency(encoder, clips)
