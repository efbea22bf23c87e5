import numpy as np
import pytest

from keras_skeleton.evaluation import average_scores
from keras_skeleton.evaluation import fuse_scores
from keras_skeleton.evaluation import to_probabilities

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


def test_softmax():
    scores = np.array([[[0.0, np.log(3)], [1000.0, 999.0]]])
    share = 1 / (1 + np.exp(-1))
    np.testing.assert_allclose(
        to_probabilities(scores), [[[0.25, 0.75], [share, 1 - share]]]
    )


def test_clips_of_a_sample(random):
    scores = random.normal(size=(4, 3, 5)).astype("float32")
    average = average_scores(scores)
    assert average.dtype == np.float32
    np.testing.assert_allclose(average, scores.mean(axis=1))
    features = random.normal(size=(2, 3, 4, 5))
    np.testing.assert_allclose(average_scores(features), features.mean(axis=1))


def test_averaged_probabilities():
    # One sure clip against two that lean the other way a little.
    scores = np.log([[[0.99, 0.01], [0.4, 0.6], [0.4, 0.6]]])
    np.testing.assert_allclose(
        average_scores(scores, probabilities=True), [[1.79 / 3, 1.21 / 3]]
    )


def test_absent_persons_do_not_count():
    scores = np.array([[[1.0, 2.0], [9.0, 9.0]], [[4.0, 0.0], [0.0, 4.0]]])
    present = [[True, False], [True, True]]
    np.testing.assert_allclose(
        average_scores(scores, present), [[1, 2], [2, 2]]
    )
    np.testing.assert_allclose(
        average_scores(scores, [[0, 0], [3, 1]]), [[5, 5.5], [3, 1]]
    )


def test_bad_averages():
    with pytest.raises(ValueError, match=r"Received shape \(2, 3\)"):
        average_scores(np.ones((2, 3)))
    with pytest.raises(ValueError, match=r"each sample, \(2, 3\)"):
        average_scores(np.ones((2, 3, 4)), np.ones((2, 4)))
    with pytest.raises(ValueError, match="not negative"):
        average_scores(np.ones((2, 3, 4)), -np.ones((2, 3)))
