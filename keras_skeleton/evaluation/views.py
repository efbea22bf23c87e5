"""Recognition of people who are seen from another side than before."""

import time

import numpy as np
from keras import ops
from numpy.typing import ArrayLike

from keras_skeleton.evaluation import features as feature_extraction
from keras_skeleton.evaluation import measured
from keras_skeleton.evaluation import metrics
from keras_skeleton.evaluation import neighbors
from keras_skeleton.evaluation import parts
from keras_skeleton.evaluation import ranking
from keras_skeleton.evaluation import result as results


def cross_view(
    encoder,
    train,
    test,
    *,
    view: str | tuple | list = "view",
    condition: str | ArrayLike | None = "condition",
    same_view=False,
    metric="cosine",
    transforms=None,
    feature_batch_size=64,
    verbose=0,
) -> results.Result:
    """Finds every test clip's person in a gallery seen from each other view.

    For each view of the test clips (probes) and each view of the training
    clips (gallery), a probe is recognized if the nearest clip of the gallery
    is of its class. The share of such probes is averaged over the views of
    the gallery, the probes' own left out, then over the views of the probes:
    the usual score of gait recognition on CASIA-B, for each condition of the
    probes, and the mean of these.

    ACLNet's paper reports gait recognition, but what of its training and
    evaluation could not be read. That features are the pooled ones before the
    classifier, and are compared by their cosine, is our choice.

    Args:
        encoder: See `linear_probe`, also for data and `transforms`. Classes
            of its own training are others: people whom it never saw.
        train: Clips with labels, the gallery.
        test: Clips with labels, the probes.
        view: Name of the metadata that tell the views of `Sequences`; or, of
            any data, a pair of arrays: the view of each clip of the gallery,
            and of each probe.
        condition: Name of the metadata of the probes that each have a score
            of their own; or an array with one for each probe; or `None` for
            one score over all.
        same_view: Whether the probes' own view counts too.
        metric: `"cosine"` or `"euclidean"`.
        transforms: See `linear_probe`.
        feature_batch_size: See `linear_probe`.
        verbose: 1 for progress bars.

    Returns:
        A `Result` with the score `"rank-1"`, the mean over the conditions,
        and one for each condition, such as `"rank-1 nm"`.

    Raises:
        ValueError: If views or conditions are not known, or there is no other
            view.

    Example:

    ```python
    data = keras_skeleton.datasets.casia_b.load_data()
    gallery, probes = data.split("gallery")
    print(cross_view(encoder, gallery, probes, transforms=transforms))
    ```

    Reference: Yu et al., A Framework for Evaluating the Effect of View Angle,
    Clothing and Carrying Condition on Gait Recognition, ICPR 2006.
    """
    start = time.perf_counter()
    train, test = parts.both_parts(
        train,
        test,
        feature_extraction.feature_model(encoder),
        transforms,
        feature_batch_size,
    )
    named = isinstance(view, str)
    if named:
        views = [ranking.field(part, view) for part in (train, test)]
    else:
        views = list(view)
    conditions = condition
    if isinstance(condition, str):
        conditions = ranking.field(test, condition)
    gallery = train.predict(verbose=verbose)
    probes = test.predict(verbose=verbose)
    count = len(probes[1])
    if conditions is None:
        conditions = np.full(count, "all")
    conditions = _check_rows("condition", conditions, count)
    own_views = np.asarray(views[1])

    def scores_of(rows):
        found = {}
        for each in sorted(set(conditions[rows].tolist())):
            chosen = rows[conditions[rows] == each]
            table, _, _ = cross_view_table(
                *gallery,
                views[0],
                probes[0][chosen],
                probes[1][chosen],
                own_views[chosen],
                same_view=same_view,
                metric=metric,
            )
            mean = float(np.mean(np.nanmean(table, axis=1)))
            found[f"rank-1 {each}"] = results.Percentage(mean, len(chosen))
        mean = float(np.mean([score.value for score in found.values()]))
        return {"rank-1": results.Percentage(mean, len(rows)), **found}

    return measured.finished(
        "cross-view",
        encoder,
        start,
        **results.with_and_without(scores_of, count, parts.copies(train, test)),
        class_names=test.class_names,
        settings={
            "view": view if named else "arrays",
            "condition": condition if isinstance(condition, str) else None,
            "same_view": same_view,
            "metric": metric,
        },
        features=probes,
    )


def cross_view_table(
    gallery: ArrayLike,
    gallery_labels: ArrayLike,
    gallery_views: ArrayLike,
    probes: ArrayLike,
    probe_labels: ArrayLike,
    probe_views: ArrayLike,
    same_view=False,
    metric="cosine",
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rank-1 for each view of probes and each of a gallery, in percent.

    Args:
        gallery: Features `(G, D)`.
        gallery_labels: Their classes, `(G,)`.
        gallery_views: Their views, numbers or names, `(G,)`.
        probes: Features `(N, D)`.
        probe_labels: Their classes, `(N,)`.
        probe_views: Their views, `(N,)`.
        same_view: Whether pairs of one view count.
        metric: `"cosine"` or `"euclidean"`.

    Returns:
        Tuple of the table, float array `(P, Q)` with NaN where pairs do not
        count; the `P` views of the probes; and the `Q` views of the gallery.

    Raises:
        ValueError: If shapes do not fit, or a probe has no other view.

    Example:

    >>> features, people, views = np.eye(2), [0, 1], [0, 90]
    >>> cross_view_table(features, people, views, features, people, views)[0]
    array([[nan,  0.],
           [ 0., nan]])
    """
    gallery = neighbors.check_features(gallery, "gallery")
    probes = neighbors.check_features(probes, "probes")
    gallery_labels = metrics.check_labels(
        gallery_labels, np.inf, "gallery_labels", len(gallery)
    )
    probe_labels = metrics.check_labels(
        probe_labels, np.inf, "probe_labels", len(probes)
    )
    gallery_views = _check_rows("gallery_views", gallery_views, len(gallery))
    probe_views = _check_rows("probe_views", probe_views, len(probes))
    rows, columns = np.unique(probe_views), np.unique(gallery_views)
    table = np.full((len(rows), len(columns)), np.nan)
    for column, seen in enumerate(columns):
        places = np.flatnonzero(gallery_views == seen)
        closeness_of = neighbors.closeness_to(gallery[places], metric)
        closeness = ops.convert_to_numpy(closeness_of(probes))
        found = gallery_labels[places][closeness.argmax(axis=1)]
        for row, own in enumerate(rows):
            if same_view or own != seen:
                is_own = probe_views == own
                right = found[is_own] == probe_labels[is_own]
                table[row, column] = 100 * right.mean()
    alone = rows[np.isnan(table).all(axis=1)]
    if len(alone):
        raise ValueError(
            f"The gallery has no other view than {alone[0]}, that of some "
            "probes. Pass same_view=True to compare within a view."
        )
    return table, rows, columns


def _check_rows(what, values, count):
    values = np.asarray(values)
    if values.shape != (count,):
        raise ValueError(
            f"`{what}` must hold one value for each of the {count} clips. "
            f"Received shape {values.shape}."
        )
    return values
