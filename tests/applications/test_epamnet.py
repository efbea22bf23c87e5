"""EPAM-Net beyond what holds for every system."""

import math

import keras
import numpy as np
import pytest
from keras import ops

from keras_skeleton import explain
from keras_skeleton.applications import EPAMNet
from keras_skeleton.applications import epamnet
from keras_skeleton.applications._xshift import XShiftBlock
from keras_skeleton.layers.convolution import _padded
from keras_skeleton.layers.convolution import _sum_of_products
from keras_skeleton.layers.convolution import depthwise_rows
from keras_skeleton.losses import JointCrossentropy


def batch(model, count=4, seed=0):
    """Skeletons inside of the image, and video."""
    random = np.random.default_rng(seed)
    form = model.input_form
    skeletons = random.uniform(1, 16, (count, *form["skeletons"]))
    skeletons[..., 2] = random.uniform(0.3, 1, skeletons.shape[:-1])
    video = random.normal(size=(count, *form["video"]))
    return {
        "skeletons": skeletons.astype("float32"),
        "video": video.astype("float32"),
    }


def products(kernel, output):
    """Multiplications with additions of a kernel at all places."""
    return math.prod(kernel) * math.prod(output[1:-1])


def operations(model):
    """Multiplications with additions of one clip, in kernels and matrices."""
    total = 0
    for layer in model.layers:
        if isinstance(layer, XShiftBlock):
            before, after = layer.input.shape, layer.output.shape
            total += products(layer.expand.kernel.shape, before)
            total += products(layer.convolution.kernel.shape, after)
            total += products(layer.project.kernel.shape, after)
            if layer.is_excited:
                total += 2 * math.prod(layer.squeeze.kernel.shape)
            if layer.has_shortcut:
                total += products(layer.shortcut.kernel.shape, after)
        elif layer.name.endswith(("_stem", "_end")):
            (kernel,) = [v for v in layer.weights if v.name == "kernel"]
            total += products(kernel.shape, layer.output.shape)
        elif isinstance(layer, keras.layers.Dense):
            total += math.prod(layer.kernel.shape)
        elif layer.name == "attention":
            frames, height, width = layer.output.shape[1:4]
            kernels = layer.kernel, layer.temporal_kernel
            places = frames * height * width, frames
            total += sum(
                math.prod(kernel.shape) * count
                for kernel, count in zip(kernels, places, strict=True)
            )
    return total


@pytest.mark.once
def test_size_and_operations_are_the_published_ones():
    counts = {
        "both": (2_538_717, 7.62),
        "video": (2_006_010, 4.262),
        "skeletons": (532_600, 3.356),
    }
    for streams, (parameters, billions) in counts.items():
        model = EPAMNet(classes=60, streams=streams)
        found = sum(math.prod(v.shape) for v in model.trainable_weights)
        assert found == parameters
        assert operations(model) / 1e9 == pytest.approx(billions, abs=0.005)
        keras.backend.clear_session()


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [(7, 6), (8, 9)])
def test_convolutions_by_channel_are_one(stride, size):
    random = np.random.default_rng(0)
    x = random.normal(size=(2, *size, 3)).astype("float32")
    kernel = random.normal(size=(3, 3, 3)).astype("float32")
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    rows, columns = (range(0, n, stride) for n in size)
    expected = np.array(
        [
            [
                (padded[:, i : i + 3, j : j + 3] * kernel).sum(axis=(1, 2))
                for j in columns
            ]
            for i in rows
        ]
    ).transpose(2, 0, 1, 3)
    x, kernel = ops.convert_to_tensor(x), ops.convert_to_tensor(kernel)
    for found in (
        depthwise_rows(x, kernel, stride),
        _sum_of_products(_padded(x, kernel), x, kernel, stride),
    ):
        np.testing.assert_allclose(
            ops.convert_to_numpy(found), expected, atol=1e-5
        )


@pytest.mark.parametrize("attention", epamnet.ATTENTIONS)
def test_variants_of_the_attention(attention):
    keras.utils.set_random_seed(0)
    model = EPAMNet(**EPAMNet.tiny, attention=attention, classes=3)
    for variable in model.trainable_variables:
        # Maps that begin as nothing would hide what comes before them.
        if not np.any(ops.convert_to_numpy(variable.value)):
            variable.assign(0.3 * np.ones(variable.shape))
    x = batch(model)
    scores = model.predict_on_batch(x)
    part = keras.Model(model.input, model.get_layer("video_scores").output)
    before = part.predict_on_batch(x)
    other = {**x, "skeletons": batch(model, seed=1)["skeletons"]}
    change = np.abs(part.predict_on_batch(other) - before).max()
    # The pose acts on the scores of the video through the attention alone.
    assert (change > 0) == (attention != "none")
    assert np.abs(model.predict_on_batch(other) - scores).max() > 0


def test_training_by_stream_from_streams_alone():
    keras.utils.set_random_seed(0)
    model = EPAMNet(**EPAMNet.tiny, classes=2, dropout_rate=0.0)
    alone = {
        stream: EPAMNet(**EPAMNet.tiny, classes=2, streams=stream)
        for stream in ("video", "skeletons")
    }
    model.load_streams(**alone)
    x, labels = batch(model), np.array([0, 1, 0, 1])
    expected = alone["skeletons"].predict_on_batch(x["skeletons"])
    training = model.by_stream()
    found = training.predict_on_batch(x)
    assert found.shape == (4, 2, 2)
    np.testing.assert_allclose(found[:, 1], expected, atol=1e-6)
    np.testing.assert_allclose(
        model.predict_on_batch(x), found.sum(axis=1), atol=1e-6
    )
    training.compile(keras.optimizers.Adam(0.01), JointCrossentropy())
    losses = training.fit(x, labels, epochs=8, verbose=0).history["loss"]
    assert losses[-1] < losses[0] - 0.1
    # The classifier has learned with it.
    np.testing.assert_allclose(
        model.predict_on_batch(x),
        training.predict_on_batch(x).sum(axis=1),
        atol=1e-5,
    )
    wider = {**EPAMNet.tiny, "video_hidden_dim": 16}
    with pytest.raises(ValueError, match="stream 'video' with the same"):
        model.load_streams(EPAMNet(**wider, classes=2, streams="video"))
    with pytest.raises(ValueError, match="both streams"):
        alone["video"].by_stream()


@pytest.mark.parametrize("attention", ["nested", "serial"])
def test_importance_is_what_weighs_the_video(attention):
    model = EPAMNet(**EPAMNet.tiny, attention=attention)
    x = batch(model, 2)
    found = model.importance(x)
    layer = model.get_layer("attention")
    before = layer.input[0]
    both = keras.Model(model.input, [before, layer.output])
    features, weighed = both.predict_on_batch(x)
    assert found.shape == features.shape[:4]
    np.testing.assert_allclose(
        weighed, features * (1 + found[..., None]), atol=1e-5
    )
    for changed in ({"streams": "video"}, {"attention": "nonlocal"}):
        with pytest.raises(ValueError, match="no weights of places"):
            EPAMNet(**{**EPAMNet.tiny, **changed}).importance(x)


@pytest.mark.skipif(
    keras.backend.backend() != "torch",
    reason="compiled backends train in half precision anyway",
)
def test_half_precision_trains_without_an_accelerator():
    model = EPAMNet(**EPAMNet.tiny, classes=2, dtype="mixed_float16")
    model.compile(
        "sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    kernel = model.get_layer("video_stem").convolution.kernel
    before = ops.convert_to_numpy(kernel.value).copy()
    assert np.isfinite(model.train_on_batch(batch(model), np.array([0, 1] * 2)))
    assert np.any(before != ops.convert_to_numpy(kernel.value))


def test_saliency_of_both_inputs():
    model = EPAMNet(**EPAMNet.tiny, classes=2)
    x = batch(model, 2)
    found = explain.saliency(model, x)
    assert found["video"].shape[:4] == x["video"].shape[:4]
    assert np.isfinite(found["skeletons"]).all()


@pytest.mark.once
def test_inputs_are_prepared_by_one_choice_of_frames():
    frames = np.arange(20, dtype="float32")
    video = np.zeros((2, 20, 4, 4, 3)) + frames[:, None, None, None]
    clips = np.zeros((2, 1, 20, 17, 3)) + frames[:, None, None]
    found = epamnet.preprocess_input(
        {"skeletons": clips, "video": video}, 12, 4, lengths=[20, 9]
    )
    assert found["skeletons"].shape == (2, 1, 12, 17, 3)
    seen = found["video"] * epamnet.PIXEL_DEVIATION + epamnet.PIXEL_MEAN
    np.testing.assert_allclose(
        seen[:, :, 0, 0, 0], found["skeletons"][:, 0, ::3, 0, 0], atol=1e-4
    )
    assert found["skeletons"][1].max() == 8
    assert np.all(np.diff(found["skeletons"][0, 0, :, 0, 0]) > 0)


@pytest.mark.once
@pytest.mark.parametrize(
    "changed, message",
    [
        ({"streams": "depth"}, "`streams` must be 'both'"),
        ({"video_shape": (3, 16, 16, 3)}, "whole multiple"),
        ({"video_shape": (4, 16, 3)}, "four positive numbers"),
        ({"heatmap_size": 16}, "4 x 4 and 8 x 8"),
        ({"input_shape": (1, 8, 20, 4)}, "column, row"),
        ({"image_size": (16,)}, "`image_size`"),
        ({"video_shift": 0}, "`video_shift` must be a whole number from 2"),
        ({"expansion": 0}, "`expansion` must be a number from 1"),
        ({"video_blocks": (0,)}, "`video_blocks` must be at least one"),
    ],
)
def test_arguments_that_do_not_fit(changed, message):
    with pytest.raises(ValueError, match=message):
        EPAMNet(**{**EPAMNet.tiny, **changed})


@pytest.mark.once
def test_inputs_that_do_not_fit():
    with pytest.raises(ValueError, match="same frames"):
        epamnet.preprocess_input(
            {"skeletons": np.zeros((1, 1, 9, 17, 3)), "video": np.zeros((1, 8))}
        )
    with pytest.raises(ValueError, match="'skeletons', 'video' or both"):
        epamnet.preprocess_input(np.zeros((1, 1, 9, 17, 3)))
    model = EPAMNet(**EPAMNet.tiny)
    inputs = batch(model)
    with pytest.raises(ValueError, match="frames, rows, columns, channels"):
        model({**inputs, "video": inputs["video"][:, :2]})
