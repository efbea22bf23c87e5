"""Losses of BRL and those that it is compared with, by the official code."""

import keras
import numpy as np
import pytest
from keras import ops
from support import assert_close
from support import cases
from support import nominal_counts

from keras_skeleton import losses
from keras_skeleton.training import StepModel


class Gradient(StepModel):
    """Takes the gradient of a loss with respect to logits."""

    def __init__(self, shape):
        super().__init__()
        self.logits = self.add_weight(shape, name="logits")
        self.built = True

    def objective(self, x, y, training):
        return self.of(y, self.logits.value), {}, ()


def gradient(model, loss, labels, logits):
    """The value of a loss and its gradient, of one step of descent."""
    model.of = loss
    model.logits.assign(logits)
    model.compile(keras.optimizers.SGD(1.0))
    history = model.fit(
        np.zeros((len(labels), 1)),
        labels,
        len(labels),
        shuffle=False,
        verbose=0,
    )
    moved = ops.convert_to_numpy(model.logits.value)
    return history.history["loss"][0], logits - moved


def assert_loss(model, loss, arrays, expected, name, with_gradient=True):
    labels, logits = arrays["in/label"], arrays["in/logit"]
    assert_close(loss(labels, logits), expected, name)
    key = f"grad/{name.split(': ')[-1]}/logit"
    if with_gradient and key in arrays:
        _, found = gradient(model, loss, labels, logits)
        # A difference of logits loses digits of a small gradient.
        assert_close(found, arrays[key], f"{name}: gradient", 1e-4)


def test_action_aware(fixtures_dir):
    for name, config, arrays in cases(fixtures_dir("brl"), "aa_loss_*.npz"):
        counts = nominal_counts(config["split"])
        plain = losses.WeightedCrossentropy(np.ones(len(counts)))
        aware = losses.ActionAwareCrossentropy(counts)
        inverted = losses.ActionAwareCrossentropy(counts, inverted=True)
        model = Gradient(arrays["in/logit"].shape)
        for epoch in range(config["epochs"]):
            loss = plain
            if epoch >= 19:
                loss = inverted if epoch % 2 == 0 else aware
            key = f"epoch{epoch:02}"
            weights = arrays[f"out/{key}_weight"]
            # The phase before has one weight for all.
            weights = np.broadcast_to(weights, (len(counts),))
            assert_close(loss.class_weights, weights, f"{name}: {key}")
            expected = arrays[f"out/{key}_loss"]
            assert_loss(model, loss, arrays, expected, f"{name}: {key}")


def others(counts):
    """The loss of each official name at an epoch."""
    plain = losses.SmoothedCrossentropy()
    balanced = losses.ClassBalancedCrossentropy(counts)
    margin = losses.LabelMarginCrossentropy(counts)
    late = losses.LabelMarginCrossentropy(counts, beta=0.999999)
    sensitive = losses.KeyPointSensitiveCrossentropy(counts)
    focal = losses.FocalCrossentropy()
    second = losses.KeyPointSensitiveCrossentropy(counts, second_phase=True)
    gumbel = losses.GumbelCrossentropy()
    return {
        "FocalLoss": lambda epoch: focal,
        # Its weights are overwritten with ones before they come into use.
        "TwostageWeightedLoss": lambda epoch: plain,
        "TwostageFocalLoss": lambda epoch: plain if epoch < 19 else focal,
        "TwostageCBLoss": lambda epoch: plain if epoch < 19 else balanced,
        "TwostageLDAMLoss": lambda epoch: margin if epoch < 19 else late,
        "TwostageBalancedSoftmax": lambda epoch: losses.BalancedSoftmax(counts),
        "KPSLoss": lambda epoch: sensitive if epoch < 16 else second,
        "GumbelCE": lambda epoch: plain if epoch < 20 else gumbel,
    }


def test_others(fixtures_dir):
    for name, config, arrays in cases(fixtures_dir("brl"), "other_losses*.npz"):
        known = others(nominal_counts(config["split"]))
        model = Gradient(arrays["in/logit"].shape)
        for official in config["losses"]:
            for epoch in config["epochs"]:
                key = f"{official}_epoch{epoch:02}"
                assert_loss(
                    model,
                    known[official](epoch),
                    arrays,
                    arrays[f"out/{key}"],
                    f"{name}: {key}",
                    # In between nothing is new.
                    with_gradient=epoch in (0, 21),
                )


@pytest.mark.once
def test_betas(fixtures_dir):
    for name, config, arrays in cases(fixtures_dir("brl"), "class_counts*.npz"):
        for split, classes in config["splits"]:
            counts = nominal_counts({"split": split, "num_classes": classes})
            expected = arrays[f"out/{split}_{classes}_beta_y"]
            found = losses.action_aware_betas(counts)
            assert_close(found, expected, f"{name}: {split} of {classes}")


def test_certain_clips_have_gradients():
    """Also where the exponent is below 1."""
    logits = np.array([[100.0, -100.0, 0.0]], "float32")
    loss = losses.FocalCrossentropy(0.5)
    value, found = gradient(Gradient((1, 3)), loss, np.array([0]), logits)
    assert value == 0
    np.testing.assert_allclose(found, 0, atol=1e-3)
