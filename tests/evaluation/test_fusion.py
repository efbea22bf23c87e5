import numpy as np
import pytest

from keras_skeleton.evaluation import fuse_scores

pytestmark = pytest.mark.once

SCORES = {
    "joint": np.array([[1.0, 3.0], [0.0, 2.0]]),
    "bone": np.array([[4.0, 0.0], [5.0, 1.0]]),
}


def test_scores_are_added():
    np.testing.assert_array_equal(
        fuse_scores(list(SCORES.values())), [[5, 3], [5, 3]]
    )
    np.testing.assert_array_equal(
        fuse_scores(SCORES, {"bone": 2, "joint": 1}), [[9, 3], [10, 4]]
    )


def test_probabilities():
    fused = fuse_scores(SCORES, probabilities=True)
    np.testing.assert_allclose(fused.sum(axis=1), 2)
    share = 1 / (1 + np.exp(2)) + 1 / (1 + np.exp(-4))
    np.testing.assert_allclose(fused[0, 0], share)


@pytest.mark.parametrize(
    ("scores", "weights", "message"),
    [
        ([np.ones((2, 3)), np.ones((2, 4))], None, "same shape"),
        ([np.ones(3)], None, "same shape"),
        ([], None, "same shape"),
        (list(SCORES.values()), [1, 2, 3], "each of the 2 models"),
        (SCORES, {"joint": 1}, "must name the models"),
        (list(SCORES.values()), {"joint": 1}, "a dictionary"),
    ],
)
def test_bad_arguments(scores, weights, message):
    with pytest.raises(ValueError, match=message):
        fuse_scores(scores, weights)
