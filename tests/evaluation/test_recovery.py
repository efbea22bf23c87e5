import numpy as np
import pytest

from keras_skeleton.evaluation import mpjpe
from keras_skeleton.evaluation import mpjve
from keras_skeleton.evaluation import n_mpjpe

pytestmark = pytest.mark.once
ALL = (mpjpe, n_mpjpe, mpjve)


def clips(seed=0):
    return np.random.default_rng(seed).normal(size=(2, 1, 6, 4, 3))


def test_what_each_error_does_not_see():
    true = clips()
    assert all(error(true, true) < 1e-12 for error in ALL)
    assert abs(n_mpjpe(true, 3 * true)) < 1e-12
    assert mpjpe(true, 3 * true) > 1
    moved = true + [0, 3, 4]
    assert abs(mpjpe(true, moved) - 5) < 1e-12
    assert abs(mpjve(true, moved)) < 1e-12
    # The scale is the best one.
    restored = clips(1)
    best = n_mpjpe(true[:, :, :1], restored[:, :, :1])
    assert best < mpjpe(true[:, :, :1], restored[:, :, :1])


def test_frames_that_count():
    true, restored = clips(), clips()
    restored[:, :, 2] += [0, 3, 4]
    valid = np.ones(true.shape[:3])
    assert abs(mpjpe(true, restored) - 5 / 6) < 1e-12
    assert abs(mpjve(true, restored) - 2) < 1e-12
    valid[:, :, 2] = 0
    assert all(error(true, restored, valid) < 1e-12 for error in ALL)
    assert abs(mpjpe(true, restored, 1 - valid) - 5) < 1e-12
    zeros = np.zeros_like(true)
    size = np.linalg.norm(true, axis=-1).mean()
    assert abs(n_mpjpe(true, zeros) - size) < 1e-12


@pytest.mark.parametrize("error", ALL)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: (x, x[:1], None), "one shape"),
        (lambda x: (x, np.where(x > 1, np.nan, x), None), "finite"),
        (lambda x: (x, x, np.ones((2, 6))), "value for each frame"),
        (lambda x: (x, x, np.zeros((2, 1, 6))), "No frame counts"),
        (lambda x: (x[0, 0, 0], x[0, 0, 0], None), "frames"),
    ],
)
def test_errors_are_explained(error, change, message):
    with pytest.raises(ValueError, match=message):
        error(*change(clips()))


def test_one_frame_does_not_move():
    with pytest.raises(ValueError, match="motion"):
        mpjve(clips()[:, :, :1], clips()[:, :, :1])
