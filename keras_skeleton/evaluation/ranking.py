"""Retrieval: whether clips of the same class lie nearest to each other."""

import time

import numpy as np
from keras import ops
from numpy.typing import ArrayLike

from keras_skeleton import _values
from keras_skeleton.evaluation import features as feature_extraction
from keras_skeleton.evaluation import measured
from keras_skeleton.evaluation import metrics
from keras_skeleton.evaluation import neighbors
from keras_skeleton.evaluation import parts
from keras_skeleton.evaluation import result as results

# Queries compared at a time.
_BATCH_SIZE = 256


def retrieval(
    encoder,
    train,
    test,
    *,
    ranks=(1, 5),
    exclude=(),
    metric="cosine",
    transforms=None,
    feature_batch_size=64,
    verbose=0,
) -> results.Result:
    """Looks up every test clip among the training clips.

    The training clips are ordered by how near they lie to a test clip. Those
    of its class should come first: the average precision of the test clip is
    the mean, over them, of the share of such clips among all up to there.
    Test clips of a class without training clips do not count.

    People are identified like this: classes are subjects, the training clips
    a gallery, in which a probe is looked up that must not find itself. For
    re-identification on CASIA-B, walking with a bag among normal walks, the
    features being those of an encoder that was trained on other subjects:

    ```python
    _, people = data.split("subjects")
    gallery, probes = (
        people.select(people.metadata["condition"] == kind)
        for kind in ("nm", "bg")
    )
    retrieval(encoder, gallery, probes, exclude=("name",), ranks=(1, 5, 10))
    ```

    Args:
        encoder: See `linear_probe`, also for data and `transforms`.
        train: Clips with labels to find, the gallery.
        test: Clips with labels to look up, the queries.
        ranks: `r` of the scores `"rank-r"`: the share of test clips with one
            of their class among the first `r`.
        exclude: Which pairs do not count. Names of metadata, or `"name"`: a
            test clip is not looked for among the training clips that agree
            with it in all of them (`Sequences` in order). Or booleans
            `(test clips, training clips)`.
        metric: `"cosine"` or `"euclidean"`.
        transforms: See `linear_probe`.
        feature_batch_size: See `linear_probe`.
        verbose: 1 for progress bars.

    Returns:
        A `Result` with the scores `"mAP"` (mean average precision),
        `"rank-1"` and `"rank-5"`.

    Raises:
        ValueError: If no test clip has a training clip of its class, or the
            clips have no such metadata.

    Example:

    ```python
    print(retrieval(encoder, *data.split("xsub")))
    ```
    """
    start = time.perf_counter()
    # No rank at all leaves the mean average precision.
    if np.size(ranks):
        ranks = _values.whole_numbers("ranks", ranks, 1)
    if isinstance(exclude, str):
        exclude = (exclude,)
    train, test = parts.both_parts(
        train,
        test,
        feature_extraction.feature_model(encoder),
        transforms,
        feature_batch_size,
    )
    gallery = train.predict(verbose=verbose)
    queries = test.predict(verbose=verbose)
    named = isinstance(exclude, list | tuple)
    excluded = agreement(train, test, exclude) if named else exclude
    precision, first = average_precision(
        *gallery, *queries, metric=metric, excluded=excluded
    )

    def scores_of(rows):
        rows = rows[first[rows] > 0]
        if not len(rows):
            raise ValueError(
                "No test clip has a training clip of its class. Pass training "
                "and test clips of the same classes."
            )
        mean = 100 * float(precision[rows].mean())
        return {
            "mAP": results.Percentage(mean, len(rows)),
            **{
                f"rank-{rank}": results.Percentage.count(first[rows] <= rank)
                for rank in ranks
            },
        }

    return measured.finished(
        "retrieval",
        encoder,
        start,
        **results.with_and_without(
            scores_of, len(queries[1]), parts.copies(train, test)
        ),
        class_names=test.class_names,
        settings={
            "ranks": list(ranks),
            "exclude": list(exclude) if named else "pairs",
            "metric": metric,
        },
        features=queries,
    )


def agreement(train, test, names):
    """Which test clips agree with which training clips in all of some fields.

    Args:
        train: A `Part`.
        test: A `Part`.
        names: Names of metadata, or `"name"`.

    Returns:
        Booleans `(test clips, training clips)`, or `None` without names.
    """
    same = None
    for name in names:
        ours, theirs = field(test, name), field(train, name)
        found = np.asarray(ours)[:, None] == np.asarray(theirs)[None]
        same = found if same is None else same & found
    return same


def field(part, name):
    """Metadata of the clips of a `Part`, or their names (`"name"`).

    Raises:
        ValueError: If the clips have none of that name.
    """
    if not part.is_in_order:
        raise ValueError(
            f"{name!r} of the {part.what} clips is not known: metadata come "
            "with `Sequences`, or with their batches in order. Of arrays, "
            "pass what the clips are to be told by as an array."
        )
    known = part.sequences.metadata
    if name == "name":
        return np.asarray(part.names)
    if name not in known:
        raise ValueError(
            f"The {part.what} clips have no metadata {name!r}. They have "
            f"{', '.join(map(repr, known)) or 'none'}, and 'name'."
        )
    return np.asarray(known[name])


def average_precision(
    gallery: ArrayLike,
    gallery_labels: ArrayLike,
    queries: ArrayLike,
    query_labels: ArrayLike,
    metric="cosine",
    excluded: ArrayLike | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """The average precision of each query, see `retrieval`.

    Of equally near clips, the one with the lower number comes first.

    Args:
        gallery: Features `(G, D)` of the clips to find.
        gallery_labels: Their classes, `(G,)`.
        queries: Features `(N, D)` of the clips to look up.
        query_labels: Their classes, `(N,)`.
        metric: `"cosine"` or `"euclidean"`.
        excluded: Booleans `(N, G)`: for which query which clips of the
            gallery do not count; `None` if all count.

    Returns:
        Tuple of the average precision `(N,)`, 0 to 1, and the rank of the
        first clip of the same class `(N,)`, counted from 1; both are 0 for
        queries of a class that the gallery does not have.

    Example:

    >>> average_precision([[1.0, 0.0], [0.0, 1.0]], [0, 1], [[2.0, 1.0]], [1])
    (array([0.5]), array([2]))
    """
    gallery = neighbors.check_features(gallery, "gallery")
    queries = neighbors.check_features(queries, "queries")
    gallery_labels = metrics.check_labels(
        gallery_labels, np.inf, "gallery_labels", len(gallery)
    )
    query_labels = metrics.check_labels(
        query_labels, np.inf, "query_labels", len(queries)
    )
    if excluded is not None:
        excluded = np.asarray(excluded, "bool")
        if excluded.shape != (len(queries), len(gallery)):
            raise ValueError(
                "The excluded pairs must be booleans (queries, gallery), "
                f"{(len(queries), len(gallery))}. Received shape "
                f"{excluded.shape}."
            )
    closeness_of = neighbors.closeness_to(gallery, metric)
    precision = np.zeros(len(queries))
    first = np.zeros(len(queries), "int64")
    for start in range(0, len(queries), _BATCH_SIZE):
        rows = range(start, min(start + _BATCH_SIZE, len(queries)))
        closeness = ops.convert_to_numpy(closeness_of(queries[rows]))
        is_same = gallery_labels[None] == query_labels[rows][:, None]
        if excluded is not None:
            # Behind all that count, where nothing is looked for.
            closeness = np.where(excluded[rows], -np.inf, closeness)
            is_same &= ~excluded[rows]
        order = np.argsort(-closeness, axis=1, kind="stable")
        is_same = np.take_along_axis(is_same, order, axis=1)
        for row, same in zip(rows, is_same, strict=True):
            place = 1 + np.flatnonzero(same)
            if len(place):
                precision[row] = np.mean(np.arange(1, 1 + len(place)) / place)
                first[row] = place[0]
    return precision, first
