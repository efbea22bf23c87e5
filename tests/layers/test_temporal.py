import itertools

import keras
import numpy as np
import pytest
from graph_networks import randomize_layer
from keras import ops
from support import gradients

from keras_skeleton import layers


def features(*shape, seed=0):
    random = np.random.default_rng(seed)
    return random.normal(size=shape).astype("float32")


def convolution(x, kernel, bias, stride, dilation, padding):
    """Term by term, as the definition says."""
    reach = dilation * (len(kernel) // 2)
    mode = {"zeros": "constant", "edge": "edge"}[padding]
    padded = np.pad(x, ((0, 0), (reach, reach), (0, 0), (0, 0)), mode=mode)
    outputs = [
        sum(
            padded[:, first + i * dilation] @ matrix
            for i, matrix in enumerate(kernel)
        )
        for first in range(0, x.shape[1], stride)
    ]
    return np.stack(outputs, axis=1) + bias


@pytest.mark.parametrize("padding", ["zeros", "edge"])
def test_convolution(padding):
    for frames, stride, dilation in itertools.product(
        (7, 8), (1, 2, 3), (1, 2, 3)
    ):
        layer = layers.TemporalConvolution(5, 3, stride, dilation, padding)
        layer.build((None, frames, 4, 3))
        layer.bias.assign(features(5))
        x = features(2, frames, 4, 3)
        outputs = ops.convert_to_numpy(layer(x))
        assert outputs.shape == layer.compute_output_shape(x.shape)
        kernel, bias = map(ops.convert_to_numpy, layer.get_weights())
        np.testing.assert_allclose(
            outputs,
            convolution(x, kernel, bias, stride, dilation, padding),
            atol=1e-5,
        )


def normalized(x, norm):
    """Batch normalization outside training."""
    gamma, beta, mean, variance = norm.get_weights()
    return (x - mean) / np.sqrt(variance + norm.epsilon) * gamma + beta


def by_branches(layer, x):
    """The layer outside training, one step after another."""
    outputs = []
    for i, (dense, norm) in enumerate(
        zip(layer.pointwise, layer.pointwise_norms, strict=True)
    ):
        kernel, bias = dense.get_weights()
        y = normalized(x @ kernel + bias, norm)
        if i < len(layer.dilations):
            kernel, bias = layer.convolutions[i].get_weights()
            y = convolution(
                np.maximum(y, 0),
                kernel,
                bias,
                layer.stride,
                layer.dilations[i],
                layer.padding,
            )
            y = normalized(y, layer.convolution_norms[i])
        elif i == len(layer.dilations):
            y = np.pad(np.maximum(y, 0), ((0, 0), (1, 1), (0, 0), (0, 0)))
            y = np.max([y[:, :-2], y[:, 1:-1], y[:, 2:]], axis=0)
            y = normalized(y[:, :: layer.stride], layer.pooling_norm)
        else:
            y = y[:, :: layer.stride]
        outputs.append(y)
    return np.concatenate(outputs, axis=-1)


@pytest.mark.parametrize(
    ("arguments", "frames"),
    [
        ({}, 9),
        ({"stride": 2}, 9),
        ({"stride": 2, "padding": "edge"}, 8),
        ({"kernel_size": 3, "dilations": (1, 2, 3, 4)}, 10),
    ],
)
def test_scales(arguments, frames):
    layer = layers.MultiScaleTemporalConvolution(12, **arguments)
    x = features(2, frames, 4, 6)
    layer.build(x.shape)
    randomize_layer(layer)
    outputs = ops.convert_to_numpy(layer(x))
    assert outputs.shape == layer.compute_output_shape(x.shape)
    expected = by_branches(layer, x)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(outputs / scale, expected / scale, atol=1e-5)


def test_training_uses_and_tracks_batch_statistics():
    layer = layers.MultiScaleTemporalConvolution(8)
    x = features(3, 6, 4, 5)
    outputs = ops.convert_to_numpy(layer(x, training=True))
    kernel, bias = layer.pointwise[3].get_weights()
    y = x @ kernel + bias
    norm = layer.pointwise_norms[3]
    gamma, _, mean, variance = norm.get_weights()
    axes = (0, 1, 2)
    expected = (y - y.mean(axes)) / np.sqrt(y.var(axes) + 1e-5) * gamma
    np.testing.assert_allclose(outputs[..., 6:], expected, atol=1e-5)
    np.testing.assert_allclose(mean, 0.1 * y.mean(axes), atol=1e-6)
    np.testing.assert_allclose(
        variance, 0.9 + 0.1 * y.var(axes, ddof=1), atol=1e-6
    )


def test_frozen_layers_keep_their_statistics():
    layer = layers.MultiScaleTemporalConvolution(8)
    x = features(3, 6, 4, 5)
    layer.build(x.shape)
    layer.trainable = False
    before = layer.get_weights()
    frozen = ops.convert_to_numpy(layer(x, training=True))
    np.testing.assert_array_equal(frozen, ops.convert_to_numpy(layer(x)))
    for old, new in zip(before, layer.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_gradients_reach_every_variable():
    inputs = keras.Input((6, 4, 5))
    layer = layers.MultiScaleTemporalConvolution(8, stride=2)
    model = keras.Model(inputs, layer(inputs))
    target = ops.convert_to_tensor(features(3, 3, 4, 8))

    def loss(model, x):
        # In inference mode, as batch statistics leave biases no gradient.
        return ops.mean(ops.square(model(x, training=False) - target))

    _, found = gradients(model, loss, features(3, 6, 4, 5))
    assert [path for path, x in found.items() if not np.any(x)] == []


def test_saving_keeps_every_argument(tmp_path):
    inputs = keras.Input((9, 4, 5))
    x = layers.TemporalConvolution(
        7, 3, stride=2, dilation=3, padding="edge", name="one"
    )(inputs)
    x = layers.MultiScaleTemporalConvolution(
        10, 3, dilations=(2, 3, 4), stride=2, padding="edge", name="many"
    )(x)
    model = keras.Model(inputs, x)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    for name in ("one", "many"):
        config = model.get_layer(name).get_config()
        assert loaded.get_layer(name).get_config() == config
    clips = features(2, 9, 4, 5)
    np.testing.assert_array_equal(
        ops.convert_to_numpy(model(clips)), ops.convert_to_numpy(loaded(clips))
    )


def test_half_precision():
    layer = layers.MultiScaleTemporalConvolution(8, dtype="mixed_bfloat16")
    x = features(2, 6, 4, 5)
    for training in (False, True):
        outputs = layer(x, training=training)
        assert keras.backend.standardize_dtype(outputs.dtype) == "bfloat16"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"filters": 10}, "multiple of the 4 branches"),
        ({"kernel_size": 4}, "odd number"),
        ({"stride": 0}, "stride must be at least 1"),
        ({"dilations": (1, 0)}, "dilation must be at least 1"),
        ({"padding": "same"}, "'zeros', 'edge'"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        layers.MultiScaleTemporalConvolution(**{"filters": 8, **arguments})
