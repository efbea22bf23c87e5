"""Errors of pose estimators, made for a training."""

import importlib.util
import pathlib

import numpy as np
import pytest

pytestmark = pytest.mark.once

FILE = pathlib.Path(__file__).parents[1] / "benchmarks" / "estimator_errors.py"
LENGTHS = (40, 25)
HIDDEN = 4


@pytest.fixture(scope="module")
def errors():
    spec = importlib.util.spec_from_file_location("estimator_errors", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.EstimatorErrors


@pytest.fixture(scope="module")
def clips():
    """Two labelled clips, and what they are padded with."""
    generator = np.random.default_rng(0)
    clips = np.zeros((2, 1, 40, 13, 3), "float32")
    for clip, length in zip(clips, LENGTHS, strict=True):
        clip[0, :length, :, :2] = generator.uniform(100, 300, (13, 2))
        clip[0, :length, :, 2] = np.arange(13) != HIDDEN
    return clips


def test_without_errors_labels_stay(errors, clips):
    layer = errors(16, "penn13", strength=0.0)
    made = layer.on_numpy()(clips, np.full((2, 1), 0.3), np.array(LENGTHS))
    expected = np.where(np.arange(13)[:, None] == HIDDEN, 0, clips[:, :, :16])
    np.testing.assert_allclose(made, expected, rtol=1e-5)


@pytest.mark.parametrize("varied", [False, True])
def test_errors_follow_from_the_draws(errors, clips, varied):
    layer = errors(32, "penn13", varied=varied)
    size = np.linalg.norm(np.ptp(clips[0, 0, 0, :, :2], axis=0))
    moved, lost = [], []
    for draw in np.random.default_rng(1).random((20, 1, 1)):
        draws = np.repeat(draw, 2, axis=0)
        made = layer.on_numpy()(clips, draws, np.array(LENGTHS))
        again = layer.on_numpy()(clips[:1], draws[:1], np.array(LENGTHS[:1]))
        np.testing.assert_array_equal(made[:1], again)
        assert made.shape == (2, 1, 32, 13, 3)
        places, scores = made[..., :2], made[..., 2]
        assert np.isfinite(made).all() and scores.max() <= 1
        assert not places[scores == 0].any()
        assert scores.any(axis=(1, 2, 3)).all()
        lost.append((scores[0] == 0).mean())
        distances = places[0, 0] - clips[0, 0, :32, :, :2]
        distances = np.linalg.norm(distances, axis=-1)[scores[0, 0] > 0]
        moved.append(np.median(distances) / size)
    assert 0 < np.mean(lost) < 0.4
    if not varied:
        # In proportion to the person, and small.
        assert 0.002 < np.mean(moved) < 0.05
