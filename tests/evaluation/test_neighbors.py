import numpy as np
import pytest

from keras_skeleton.evaluation import knn
from keras_skeleton.evaluation import knn_accuracy


def brute_force(train, labels, test, k, metric):
    predicted = []
    for row in test.astype("float64"):
        if metric == "cosine":
            distance = [
                1 - row @ other / np.linalg.norm(row) / np.linalg.norm(other)
                for other in train.astype("float64")
            ]
        else:
            distance = [np.linalg.norm(row - other) for other in train]
        nearest = labels[np.argsort(distance, kind="stable")[:k]]
        values, votes = np.unique(nearest, return_counts=True)
        predicted.append(values[np.argmax(votes)])
    return np.array(predicted)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("k", [1, 2, 5, 40])
def test_against_brute_force(k, metric):
    random = np.random.default_rng(k)
    train = random.normal(2.0, 1.0, size=(40, 6)).astype("float32")
    test = random.normal(2.0, 1.0, size=(33, 6)).astype("float32")
    labels = random.integers(0, 4, 40)
    expected = brute_force(train, labels, test, k, metric)
    found = knn(train, labels, test, k, metric, batch_size=10)
    np.testing.assert_array_equal(found, expected)
    truth = random.integers(0, 4, 33)
    assert knn_accuracy(train, labels, test, truth, k, metric) == pytest.approx(
        100 * np.mean(expected == truth)
    )


def test_metrics_differ():
    train = np.array([[1.0, 0.0], [10.0, 10.0]])
    test = np.array([[1.0, 0.9]])
    assert knn(train, [0, 1], test).tolist() == [1]
    assert knn(train, [0, 1], test, metric="euclidean").tolist() == [0]


def test_equal_votes_go_to_the_lowest_class():
    train = np.array([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]])
    assert knn(train, [3, 1, 1], train[:1], k=1).tolist() == [3]
    assert knn(train, [3, 1, 1], train[:1], k=2).tolist() == [1]


def test_test_classes_without_training_features():
    accuracy = knn_accuracy(np.eye(2), [0, 1], np.eye(2), [0, 7])
    assert accuracy == 50


@pytest.mark.parametrize(
    "change, message",
    [
        ({"k": 3}, "from 1 to .* 2"),
        ({"k": 0}, "k=0"),
        ({"metric": "angle"}, "Received 'angle'"),
        ({"train_labels": [0]}, "2 clips, but 1 entries"),
        ({"train_labels": [0, -1]}, "Received -1"),
        ({"test_features": np.ones((1, 3))}, "2 values and test features 3"),
        ({"test_features": [[np.nan, 1.0]]}, "`test_features` holds NaN"),
        ({"train_features": np.ones(2)}, "Received shape"),
    ],
)
def test_bad_input(change, message):
    arguments = {
        "train_features": np.eye(2),
        "train_labels": [0, 1],
        "test_features": np.eye(2),
    }
    with pytest.raises(ValueError, match=message):
        knn(**{**arguments, **change})


def test_near_neighbours_weigh_more():
    train = np.array([[1.0, 0.0], [0.8, 0.6], [0.8, 0.6], [0.0, 1.0]])
    test = np.array([[1.0, 0.05]])
    labels = [1, 0, 0, 2]
    assert knn(train, labels, test, 3).tolist() == [0]
    assert knn(train, labels, test, 3, temperature=0.1).tolist() == [1]
    assert knn(train, labels, test, 3, temperature=10.0).tolist() == [0]
    for temperature, metric in ((0.1, "euclidean"), (0.0, "cosine")):
        with pytest.raises(ValueError, match="temperature"):
            knn(train, labels, test, metric=metric, temperature=temperature)
