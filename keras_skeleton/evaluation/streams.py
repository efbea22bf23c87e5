"""Results of several streams or models put together."""

import numpy as np

from keras_skeleton.evaluation import averaging
from keras_skeleton.evaluation import result as results


def fuse(found, weights=None, probabilities=False) -> results.Result:
    """Adds the class scores of several results on the same test clips.

    Args:
        found: List of `Result` with scores in their `predictions`, such as
            of `evaluate_weights` or `linear_probe`; or a dict by stream.
        weights: Factor of each, see `fuse_scores`. Published factors of
            joints, bones and motion are 0.6, 0.6 and 0.4 (MS-CLR).
        probabilities: See `fuse_scores`.

    Returns:
        A `Result`.

    Raises:
        ValueError: If a result has no scores, or names or labels of the
            clips differ.

    Example:

    ```python
    streams = {
        name: evaluate_weights("ctrgcn", weights, "all_sqe.zip")
        for name, weights in (("joint", "nw_ucla"), ("bone", "nw_ucla_bone"))
    }
    print(fuse(streams, {"joint": 0.6, "bone": 0.4}))
    ```
    """
    if isinstance(found, results.Result) or not found:
        raise ValueError(
            "Pass several results to fuse, a list or a dict by stream. "
            f"Received: {found!r}"
        )
    by_name = found if isinstance(found, dict) else dict(enumerate(found, 1))
    if weights is not None and not isinstance(weights, dict):
        if len(weights) != len(by_name):
            raise ValueError(
                f"`weights` must be one number for each of the {len(by_name)} "
                f"results to fuse. Received: {weights!r}"
            )
        weights = dict(zip(by_name, weights, strict=True))
    said = {name: result.predictions for name, result in by_name.items()}
    for name, each in said.items():
        if each is None or each.scores is None:
            raise ValueError(
                f"Of the results to fuse, {name!r} has no scores of the "
                "classes. They are not saved with a result: fuse those that "
                "were just measured."
            )
    names = {name: each.names for name, each in said.items()}
    scores = averaging.fuse_scores(
        {name: each.scores for name, each in said.items()},
        weights,
        probabilities,
        None if any(each is None for each in names.values()) else names,
    )
    first, *others = by_name.values()
    labels = first.predictions.labels
    for other in others:
        if not np.array_equal(other.predictions.labels, labels):
            raise ValueError(
                "The labels of the clips differ between the results to fuse: "
                "they were measured on other clips, or in another order."
            )
    predictions = results.Predictions(
        labels,
        scores.argmax(axis=1),
        scores,
        first.predictions.names,
        first.predictions.is_copy,
    )
    return results.Result(
        "fused",
        title="fused",
        system=" + ".join(
            dict.fromkeys(each.system for each in by_name.values())
        ),
        data=first.data,
        **results.measure(predictions, scores.shape[1], first.class_names),
        settings={
            "streams": list(map(str, by_name)),
            "weights": None if weights is None else list(weights.values()),
            "probabilities": probabilities,
        },
        environment=results.environment(),
        runs=tuple(by_name.values()),
    )
