"""Nearest neighbours in feature space."""

import time

import numpy as np
from keras import ops
from numpy.typing import ArrayLike

from keras_skeleton import _values
from keras_skeleton._arrays import to_numpy
from keras_skeleton.evaluation import features as feature_extraction
from keras_skeleton.evaluation import measured
from keras_skeleton.evaluation import metrics
from keras_skeleton.evaluation import parts
from keras_skeleton.evaluation.result import Result


def nearest_neighbors(
    encoder,
    train,
    test,
    *,
    k=(1, 5, 20),
    metric="cosine",
    temperature=None,
    transforms=None,
    feature_batch_size=64,
    verbose=0,
) -> Result:
    """Classifies test clips by the nearest training clips.

    Nothing is trained. Features are pooled by the rule of the encoder's system.

    Args:
        encoder: See `linear_probe`, also for data and `transforms`.
        train: Training clips with labels, the memory.
        test: Test clips with labels.
        k: Numbers of neighbours, one or several. The confusion is that of
            the first.
        metric: See `knn`.
        temperature: See `knn`.
        transforms: See `linear_probe`.
        feature_batch_size: Clips per pass through the encoder; for
            `Sequences` and arrays.
        verbose: 1 for progress bars.

    Returns:
        A `Result` with the scores `"1-nn"`, `"5-nn"` and so on.

    Raises:
        ValueError: If labels are missing, `k` is not between 1 and the
            number of training clips, or data and encoder do not fit.

    Example:

    >>> nearest_neighbors(encoder, *data.split("xview"), k=1)
    Result(knn, 1-nn 79.96 % (371 of 464))

    Reference: evaluation of STARS, arXiv 2407.10935.
    """
    start = time.perf_counter()
    ks = _values.whole_numbers("k", k, 1)
    train, test = parts.both_parts(
        train,
        test,
        feature_extraction.feature_model(encoder),
        transforms,
        feature_batch_size,
    )
    memory = train.predict(verbose=verbose)
    queries = test.predict(verbose=verbose)
    found = {
        f"{n}-nn": knn(*memory, queries[0], n, metric, temperature=temperature)
        for n in ks
    }
    is_copy = parts.copies(train, test)
    return measured.finished(
        "knn",
        encoder,
        start,
        **measured.compared(found, queries[1], test, is_copy),
        settings={"k": list(ks), "metric": metric, "temperature": temperature},
        features=queries,
    )


def knn(
    train_features: ArrayLike,
    train_labels: ArrayLike,
    test_features: ArrayLike,
    k=1,
    metric="cosine",
    batch_size=1024,
    temperature=None,
) -> np.ndarray:
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
    train = check_features(train_features, "train_features")
    test = check_features(test_features, "test_features")
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
    if temperature is not None and (metric != "cosine" or temperature <= 0):
        raise ValueError(
            "`temperature` must be None or positive, and needs "
            f"metric='cosine'. Received temperature={temperature} and "
            f"metric={metric!r}."
        )
    closeness_of = closeness_to(train, metric)
    predicted = []
    for start in range(0, len(test), batch_size):
        closeness = closeness_of(test[start : start + batch_size])
        closeness, nearest = ops.top_k(closeness, int(k))
        nearest = ops.convert_to_numpy(nearest)
        weights = np.ones(nearest.shape, "float32")
        if temperature is not None:
            weights = np.exp(ops.convert_to_numpy(closeness) / temperature)
        votes = _count(labels[nearest], weights, labels.max() + 1)
        predicted.append(votes.argmax(axis=1))
    return np.concatenate(predicted)


def knn_accuracy(
    train_features: ArrayLike,
    train_labels: ArrayLike,
    test_features: ArrayLike,
    test_labels: ArrayLike,
    k=1,
    metric="cosine",
    temperature=None,
) -> float:
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


def closeness_to(memory, metric):
    """A function that tells how near features lie to those of a memory.

    Args:
        memory: float32 array `(N, D)`.
        metric: `"cosine"` or `"euclidean"`.

    Returns:
        Function from an array `(number, D)` to a tensor `(number, N)`, larger
        where they are nearer: similarities of the `"cosine"`, and of
        distances what orders them the other way round.
    """
    if metric not in ("cosine", "euclidean"):
        raise ValueError(
            f"`metric` must be 'cosine' or 'euclidean'. Received {metric!r}."
        )
    if metric == "cosine":
        center = np.zeros(memory.shape[1], "float32")
        memory = _normalize(memory)
        penalty = np.zeros(len(memory), "float32")
    else:
        # Distances do not change, and are computed with less rounding, when
        # the features lie around the origin.
        center = memory.mean(axis=0)
        memory = memory - center
        penalty = np.sum(np.square(memory), axis=1) / 2
    columns = ops.transpose(ops.convert_to_tensor(memory))
    penalty = ops.convert_to_tensor(penalty)

    def closeness(features):
        features = features - center
        if metric == "cosine":
            features = _normalize(features)
        return ops.matmul(ops.convert_to_tensor(features), columns) - penalty

    return closeness


def _count(labels, weights, num_classes):
    """The votes for each class, `(number, classes)`."""
    votes = np.zeros((len(labels), num_classes), "float32")
    np.add.at(votes, (np.arange(len(labels))[:, None], labels), weights)
    return votes


def _normalize(features):
    norm = np.linalg.norm(features, axis=1, keepdims=True)
    return features / np.maximum(norm, 1e-12)


def check_features(features, name):
    """Returns features as float32 `(N, D)`, or raises a `ValueError`."""
    features = to_numpy(features, "float32")
    if features.ndim != 2 or not features.size:
        raise ValueError(
            f"`{name}` must have one row of features per clip. Received "
            f"shape {features.shape}."
        )
    if not np.isfinite(features).all():
        raise ValueError(f"`{name}` holds NaN or infinite values.")
    return features
