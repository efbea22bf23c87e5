"""Nearest neighbours in feature space."""

import numpy as np
from keras import ops

from keras_skeleton.evaluation import metrics


def knn(
    train_features,
    train_labels,
    test_features,
    k=1,
    metric="cosine",
    batch_size=1024,
    temperature=None,
):
    """Classifies by the majority of the `k` nearest training features.

    Every neighbour has one vote, or with a `temperature` the weight
    `exp(similarity / temperature)`; of classes with equal votes the one with
    the lowest number wins, as in the published protocol. Runs on the
    backend's device.

    Args:
        train_features: Array `(N, D)`.
        train_labels: N whole numbers, counted from 0.
        test_features: Array `(number, D)`.
        k: Number of neighbours; published protocols use 1, 2, 5 and 10.
        metric: `"cosine"` or `"euclidean"`.
        batch_size: Test features compared at a time.
        temperature: `None` for equal votes. Training is watched with 0.1 and
            10, 20 or 40 neighbours in the published code; for the cosine
            only.

    Returns:
        int64 array `(number,)`: the predicted classes.

    Raises:
        ValueError: If shapes do not fit, a feature is not finite, or `k` is
            not between 1 and N, or a temperature goes with distances.

    Example:

    >>> knn([[1.0, 0.0], [0.0, 1.0]], [0, 1], [[2.0, 1.0]])
    array([0])

    Reference: evaluation of STARS, arXiv 2407.10935.
    """
    train = _check_features(train_features, "train_features")
    test = _check_features(test_features, "test_features")
    if train.shape[1] != test.shape[1]:
        raise ValueError(
            f"Training features have {train.shape[1]} values and test "
            f"features {test.shape[1]}: both must come from one encoder."
        )
    labels = metrics.check_labels(
        train_labels, np.inf, "train_labels", len(train)
    )
    if not isinstance(k, int | np.integer) or not 1 <= k <= len(train):
        raise ValueError(
            "`k` must be a whole number from 1 to the number of training "
            f"features, {len(train)}. Received k={k!r}."
        )
    if metric not in ("cosine", "euclidean"):
        raise ValueError(
            f"`metric` must be 'cosine' or 'euclidean'. Received {metric!r}."
        )
    if temperature is not None and (metric != "cosine" or temperature <= 0):
        raise ValueError(
            "`temperature` must be None or positive, and needs "
            f"metric='cosine'. Received temperature={temperature} and "
            f"metric={metric!r}."
        )
    if metric == "cosine":
        train, test = _normalize(train), _normalize(test)
        penalty = np.zeros(len(train), "float32")
    else:
        # Distances do not change, and are computed with less rounding, when
        # the features lie around the origin.
        center = train.mean(axis=0)
        train, test = train - center, test - center
        penalty = np.sum(np.square(train), axis=1) / 2
    memory = ops.transpose(ops.convert_to_tensor(train))
    penalty = ops.convert_to_tensor(penalty)
    predicted = []
    for start in range(0, len(test), batch_size):
        batch = ops.convert_to_tensor(test[start : start + batch_size])
        closeness = ops.matmul(batch, memory) - penalty
        closeness, nearest = ops.top_k(closeness, int(k))
        nearest = ops.convert_to_numpy(nearest)
        weights = np.ones(nearest.shape, "float32")
        if temperature is not None:
            weights = np.exp(ops.convert_to_numpy(closeness) / temperature)
        votes = _count(labels[nearest], weights, labels.max() + 1)
        predicted.append(votes.argmax(axis=1))
    return np.concatenate(predicted)


def knn_accuracy(
    train_features,
    train_labels,
    test_features,
    test_labels,
    k=1,
    metric="cosine",
    temperature=None,
):
    """Percentage of test features that `knn` classifies right.

    Args:
        train_features: See `knn`, also for the other arguments.
        test_labels: Whole numbers, the true classes.

    Returns:
        A float, 0 to 100.
    """
    predicted = knn(
        train_features,
        train_labels,
        test_features,
        k,
        metric,
        temperature=temperature,
    )
    # Classes without training features can be asked for, but never found.
    test_labels = metrics.check_labels(
        test_labels, np.inf, "test_labels", len(predicted)
    )
    return 100.0 * float(np.mean(predicted == test_labels))


def _count(labels, weights, num_classes):
    """The votes for each class, `(number, classes)`."""
    votes = np.zeros((len(labels), num_classes), "float32")
    np.add.at(votes, (np.arange(len(labels))[:, None], labels), weights)
    return votes


def _normalize(features):
    norm = np.linalg.norm(features, axis=1, keepdims=True)
    return features / np.maximum(norm, 1e-12)


def _check_features(features, name):
    features = np.asarray(features, dtype="float32")
    if features.ndim != 2 or not features.size:
        raise ValueError(
            f"`{name}` must have one row of features per clip. Received "
            f"shape {features.shape}."
        )
    if not np.isfinite(features).all():
        raise ValueError(f"`{name}` holds NaN or infinite values.")
    return features
