import numpy as np
import pytest
from keras import ops

from keras_skeleton import weights
from keras_skeleton.applications import MAMP
from keras_skeleton.applications import PSUMNet
from keras_skeleton.datasets import Sequences
from keras_skeleton.evaluation import evaluate_model
from keras_skeleton.evaluation import extract_features
from keras_skeleton.evaluation import linear_probe
from keras_skeleton.layers.augmentation import CropResize


def toy(seed, number=40):
    """Two classes that move along different directions."""
    random = np.random.default_rng(seed)
    labels = random.permutation(number) % 2
    clips = random.normal(scale=0.1, size=(number, 1, 8, 20, 3))
    clips[np.arange(number), ..., 0] += np.where(labels, 1.0, -1.0)[
        :, None, None, None
    ]
    return clips.astype("float32"), labels


def numbers(model):
    return [ops.convert_to_numpy(value).copy() for value in model.weights]


def test_learns_and_leaves_the_encoder_alone(encoder, tmp_path):
    before = numbers(encoder)
    trainable = len(encoder.trainable_variables)
    test = toy(1)
    probe = linear_probe(encoder, toy(0), test, 2, epochs=8, batch_size=16)
    assert probe.value == 100
    assert len(probe.history["test accuracy"]) == 8
    assert probe.history["test accuracy"][-1] == probe.value
    assert len(encoder.trainable_variables) == trainable
    for old, new in zip(before, numbers(encoder), strict=True):
        np.testing.assert_array_equal(old, new)
    assert isinstance(probe.model, MAMP)
    assert evaluate_model(probe.model, test).value == 100
    assert [v.path for v in probe.model.get_layer("head_norm").weights] == [
        "head_norm/moving_mean",
        "head_norm/moving_variance",
    ]
    path = weights.save_weights(probe.model, tmp_path / "probe.safetensors")
    again = MAMP(path, classes=2)
    np.testing.assert_allclose(
        again.predict_on_batch(test[0]),
        probe.model.predict_on_batch(test[0]),
        atol=1e-5,
    )


def test_several_networks_in_one():
    """Each part of the body has features of its own."""
    encoder = PSUMNet(**PSUMNet.tiny)
    before = numbers(encoder)
    shape = encoder.input_shape[1:]
    clips = np.random.default_rng(0).normal(size=(6, *shape))
    data = clips.astype("float32"), np.arange(6) % 2
    probe = linear_probe(encoder, data, data, 2, epochs=1)
    for old, new in zip(before, numbers(encoder), strict=True):
        np.testing.assert_array_equal(old, new)
    # The head has learnt from what it gets in the model.
    features, _ = extract_features(encoder, data)
    mean = ops.convert_to_numpy(
        probe.model.get_layer("head_norm").moving_mean.value
    )
    np.testing.assert_allclose(mean, 0.1 * features.mean(axis=0), atol=1e-5)


def test_labels_without_relation_are_not_learnt(encoder):
    clips, _ = toy(0)
    random = np.random.default_rng(5)
    test, labels = toy(1, 100)
    probe = linear_probe(
        encoder,
        (clips, random.integers(0, 2, len(clips))),
        (test, random.integers(0, 2, len(test))),
        2,
        epochs=2,
    )
    assert 20 < probe.value < 80


def test_follows_the_published_rule(encoder):
    """Against stochastic gradient descent written out in NumPy."""
    train, test = toy(0, 12), toy(1, 8)
    probe = linear_probe(
        encoder, train, test, 2, epochs=3, batch_size=5, seed=7
    )
    kernel = 0.01 * np.random.default_rng(7).normal(size=(8, 2))
    features = ops.convert_to_numpy(encoder(train[0])).mean(axis=(1, 2, 3))
    bias = np.zeros(2)
    mean, variance = np.zeros(8), np.ones(8)
    velocity = [np.zeros((8, 2)), np.zeros(2)]
    for step in range(6):
        order = np.random.default_rng([7, step // 2]).permutation(12)
        rows = order[step % 2 * 5 : step % 2 * 5 + 5]
        x = features[rows].astype("float64")
        mean = 0.9 * mean + 0.1 * x.mean(axis=0)
        variance = 0.9 * variance + 0.1 * x.var(axis=0, ddof=1)
        x = (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + 1e-6)
        scores = np.exp(x @ kernel + bias)
        error = scores / scores.sum(axis=1, keepdims=True)
        error -= np.eye(2)[train[1][rows]]
        gradients = [x.T @ error / 5, error.mean(axis=0)]
        rate = 0.05 * (1 + np.cos(np.pi * step / 6))
        for index, gradient in enumerate(gradients):
            velocity[index] = 0.9 * velocity[index] + gradient
        kernel = kernel - rate * velocity[0]
        bias = bias - rate * velocity[1]
    norm = probe.model.get_layer("head_norm")
    dense = probe.model.get_layer("predictions")
    for variable, expected in (
        (norm.moving_mean, mean),
        (norm.moving_variance, variance),
        (dense.kernel, kernel),
        (dense.bias, bias),
    ):
        np.testing.assert_allclose(
            ops.convert_to_numpy(variable.value), expected, rtol=1e-3, atol=1e-4
        )


def test_features_of_each_epoch(encoder):
    clips, labels = toy(0, 12)
    sequences = Sequences.from_arrays(list(clips), labels, skeleton="nw_ucla")
    seen = []

    class Crop(CropResize):
        def of_chosen(self, clips, frames, draws, lengths):
            seen.append(np.array(draws))
            return super().of_chosen(clips, frames, draws, lengths)

    crop = Crop(8, interval=(0.5, 1.0), min_frames=4)
    batches = sequences.to_keras([crop], batch_size=6, training=True)
    probe = linear_probe(
        encoder, batches, toy(1), 2, epochs=3, extract_each_epoch=True
    )
    # Two batches in each of three epochs, with new draws.
    assert len(seen) == 6
    assert len({draws.tobytes() for draws in seen}) == 6
    assert len(probe.history["test accuracy"]) == 3


def test_bad_input(encoder, clips):
    values, labels = clips
    with pytest.raises(ValueError, match="training data must have labels"):
        linear_probe(encoder, values, clips, 2)
    with pytest.raises(ValueError, match="test labels.*Received 5"):
        linear_probe(encoder, clips, (values, labels * 5), 2)
