import numpy as np
import pytest
from sklearn import metrics as reference

from keras_skeleton import evaluation

pytestmark = pytest.mark.once


@pytest.fixture
def outcome():
    random = np.random.default_rng(3)
    scores = random.normal(size=(200, 7))
    labels = random.integers(0, 7, 200)
    scores[np.arange(200), labels] += 1.0
    return scores, labels


@pytest.mark.parametrize("k", [1, 2, 5])
def test_top_k_accuracy(outcome, k):
    scores, labels = outcome
    expected = reference.top_k_accuracy_score(
        labels, scores, k=k, labels=range(7)
    )
    found = evaluation.top_k_accuracy(scores, labels, k)
    assert found == pytest.approx(100 * expected)


def test_equal_scores_count_like_argmax():
    scores = np.zeros((4, 3))
    labels = np.array([0, 0, 1, 2])
    expected = 100 * np.mean(scores.argmax(axis=1) == labels)
    assert evaluation.top_k_accuracy(scores, labels) == expected
    assert evaluation.top_k_accuracy(scores, labels, 2) == 75
    assert evaluation.top_k_accuracy(scores, labels, 3) == 100


def test_confusion_matrix_and_class_accuracy(outcome):
    scores, labels = outcome
    predicted = scores.argmax(axis=1)
    matrix = evaluation.confusion_matrix(labels, predicted, 7)
    np.testing.assert_array_equal(
        matrix, reference.confusion_matrix(labels, predicted)
    )
    np.testing.assert_allclose(
        evaluation.per_class_accuracy(matrix),
        100 * reference.recall_score(labels, predicted, average=None),
    )
    assert evaluation.mean_class_accuracy(matrix) == pytest.approx(
        100 * reference.balanced_accuracy_score(labels, predicted)
    )


def test_class_without_clips():
    matrix = evaluation.confusion_matrix([0, 0, 2], [0, 1, 2], 3)
    np.testing.assert_array_equal(
        evaluation.per_class_accuracy(matrix), [50, np.nan, 100]
    )
    assert evaluation.mean_class_accuracy(matrix) == 75
    # As published.
    assert evaluation.mean_class_accuracy(matrix, absent=0) == 50


@pytest.mark.parametrize(
    "scores, labels, k, message",
    [
        ([[0.1, np.nan]], [0], 1, "1 of 1 clips are NaN"),
        ([[0.1, 0.2]], [2], 1, "from 0 to 1.*Received 2 for clip 0"),
        ([[0.1, 0.2]], [-1], 1, "Received -1"),
        ([[0.1, 0.2]], [0.5], 1, "Received 0.5"),
        ([[0.1, 0.2]], [0, 1], 1, "1 clips, but 2 entries"),
        ([[0.1, 0.2]], [[1, 0]], 1, "not one-hot"),
        ([0.1, 0.2], [0, 1], 1, "one row per clip"),
        ([[0.1, 0.2]], [0], 3, "from 1 to the 2"),
        ([[0.1, 0.2]], [0], 0, "k=0"),
        (np.zeros((0, 2)), [], 1, "Received shape"),
    ],
)
def test_bad_input(scores, labels, k, message):
    with pytest.raises(ValueError, match=message):
        evaluation.top_k_accuracy(scores, labels, k)


def test_bad_matrices():
    with pytest.raises(ValueError, match="`predicted`.*Received 5"):
        evaluation.confusion_matrix([0, 1], [0, 5], 2)
    with pytest.raises(ValueError, match="square"):
        evaluation.per_class_accuracy(np.zeros((2, 3)))
    with pytest.raises(ValueError, match="no clips"):
        evaluation.mean_class_accuracy(np.zeros((2, 2)))


def test_groups_of_classes():
    counts = [6, 600, 30, 40, 150, 19, 100]
    groups = evaluation.class_groups(counts)
    assert groups["many"].tolist() == [1, 4]
    assert groups["medium"].tolist() == [3, 6]
    assert groups["few"].tolist() == [0, 2, 5]
    groups = evaluation.class_groups(counts, (100, 20))
    assert groups["many"].tolist() == [1, 4]
    assert groups["medium"].tolist() == [2, 3, 6]
    assert groups["few"].tolist() == [0, 5]
    with pytest.raises(ValueError, match="a higher and a lower"):
        evaluation.class_groups(counts, (20, 100))
    with pytest.raises(ValueError, match="one number for each class"):
        evaluation.class_groups([])


def test_accuracy_of_groups():
    labels = np.array([0, 0, 0, 0, 1, 1, 2])
    predicted = np.array([0, 0, 0, 1, 1, 0, 0])
    matrix = evaluation.confusion_matrix(labels, predicted, 4)
    groups = {"many": [0, 1], "few": [2], "none": [3]}
    found = evaluation.group_accuracy(matrix, groups)
    assert found["many"] == pytest.approx((75 + 50) / 2)
    assert found["few"] == 0
    assert np.isnan(found["none"])
