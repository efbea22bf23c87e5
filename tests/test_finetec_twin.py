"""The PyTorch twin of FineTec computes what ours does."""

import pathlib

import numpy as np
import pytest
from keras import ops
from support import assert_close

from keras_skeleton.applications import FineTec
from keras_skeleton.losses import SmoothedCrossentropy

pytestmark = pytest.mark.once

torch = pytest.importorskip("torch")
BENCHMARKS = pathlib.Path(__file__).parents[1] / "benchmarks"
SHAPE = (2, 12, 17, 2)
BLOCKS = ((1, 1), (2, 2))
CLASSES = 3


@pytest.fixture
def pair(monkeypatch):
    """What loads weights, our model, its twin, and both forms of clips."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    twins = pytest.importorskip("finetec_twin")
    ours = pytest.importorskip("finetec_ours")
    model = FineTec(
        input_shape=SHAPE,
        classes=CLASSES,
        hidden_dim=12,
        blocks=BLOCKS,
        bank_size=2,
        fusion_dim=8,
        fusion_heads=2,
    )
    torch.manual_seed(0)
    twin = twins.FineTec(
        SHAPE,
        CLASSES,
        width=12,
        plan=BLOCKS,
        bank_size=2,
        fusion_dim=8,
        fusion_heads=2,
    )
    twins.randomize(twin)
    with torch.no_grad():
        for parameter in twin.motion_fusion.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape))
    state = {k: x.numpy().copy() for k, x in twin.state_dict().items()}
    ours.load(model, state)
    clips = np.random.default_rng(0).normal(size=(6, *SHAPE)).astype("float32")
    clips[0, :, [1, 2, 7]] = clips[1, :, 5:] = 0
    # One person is never there. (For who is there for a while, our filling of
    # dropped frames has a rule of its own.)
    clips[2, 1] = clips[2, :, 3] = 0
    theirs = torch.from_numpy(clips.transpose(0, 4, 2, 3, 1).copy())
    return ours, model, twin, clips, theirs


def test_outputs(pair):
    _, model, twin, clips, theirs = pair
    with torch.inference_mode():
        expected = twin.eval()(theirs).numpy()
    assert_close(model.predict_on_batch(clips), expected, "scores")


def test_training(pair):
    ours, model, twin, clips, theirs = pair
    labels = np.array([0, 2, 1, 1, 0, 2])
    model.compile("sgd", SmoothedCrossentropy())
    twin.train()
    expected = twin.loss(theirs, torch.from_numpy(labels))
    expected.backward()
    draws = {name: x.numpy() for name, x in twin.draws.items()}
    # All that is random happens to some clip and not to all.
    assert 0 < draws["flips"].mean() < 1
    assert (draws["dropped"].sum(axis=1) == 2).all()
    assert len(set(draws["length"])) > 1 and draws["start"].any()
    found = ours.loss(model, clips, labels, draws)
    found.backward()
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)
    # The accelerations are in it.
    assert len(model.losses) == 1 and model.losses[0].item() > 0
    names, parameters = ours.names(model), dict(twin.named_parameters())
    assert len(model.trainable_variables) == sum(
        parameter.requires_grad for parameter in parameters.values()
    )
    for variable in model.trainable_variables:
        path = variable.path
        gradient = parameters[names[path]].grad.numpy()
        gradient = ours.converted(model, path, gradient)
        found = ops.convert_to_numpy(variable.value.grad)
        # That of a bias before a normalization is rounding, 1e-7; all others
        # are 4e-5 or more.
        bound = 1e-4 * np.abs(gradient).max() + 2e-7
        assert np.abs(found - gradient).max() <= bound, path
