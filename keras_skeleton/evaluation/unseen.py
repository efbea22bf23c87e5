"""Classes that were never seen: few labelled clips of each."""

import time

import numpy as np

from keras_skeleton import _values
from keras_skeleton.evaluation import features as feature_extraction
from keras_skeleton.evaluation import measured
from keras_skeleton.evaluation import neighbors
from keras_skeleton.evaluation import parts
from keras_skeleton.evaluation import result as results


def few_shot(
    encoder,
    train,
    test,
    *,
    classes=None,
    shots=None,
    k: int | tuple | list = 1,
    repetitions=1,
    metric="cosine",
    transforms=None,
    feature_batch_size=64,
    seed=0,
    verbose=0,
) -> results.Result:
    """Recognizes classes that the encoder was not trained on.

    A test clip of these classes has the class of its nearest labelled clips.
    In the published form these are all training clips of the classes, and
    what is called `n` shots are `n` neighbours: `shots=None`, `k=(1, 5)`.
    With `shots`, as many labelled clips of each class are drawn at random,
    several times, and a class is what the `k` nearest of them say.

    Args:
        encoder: See `linear_probe`, also for data and `transforms`.
        train: Labelled clips.
        test: Clips to recognize, with labels.
        classes: Numbers of the unseen classes, as `range(60, 120)` of NTU
            RGB+D 120 for an encoder that saw the first 60. By default all
            that the data have.
        shots: Labelled clips of each class, or `None` for all.
        k: Numbers of neighbours, one or several.
        repetitions: How often labelled clips are drawn.
        metric: See `knn`.
        transforms: See `linear_probe`.
        feature_batch_size: See `linear_probe`.
        seed: Seed of the drawing.
        verbose: 1 for progress bars.

    Returns:
        A `Result` with a score for each `k`. Over several repetitions it is
        the mean.

    Raises:
        ValueError: If there are no clips of the classes, or not as many as
            `shots` of one of them.

    Example:

    ```python
    few_shot(encoder, *data.split("xsub"), classes=range(60, 120), k=(1, 5))
    ```

    Reference: Mehraban et al., arXiv 2407.10935 (STARS).
    """
    start = time.perf_counter()
    ks = _values.whole_numbers("k", k, 1)
    repetitions = _values.whole_number("repetitions", repetitions, 1)
    if shots is not None:
        shots = _values.whole_number("shots", shots, 1)
    elif repetitions > 1:
        raise ValueError(
            "Several `repetitions` need `shots`: without, all labelled clips "
            f"are used. Received: repetitions={repetitions}, shots=None"
        )
    if classes is not None:
        classes = _values.whole_numbers("classes", classes, 0)
    train, test = parts.both_parts(
        train,
        test,
        feature_extraction.feature_model(encoder),
        transforms,
        feature_batch_size,
    )
    is_copy = parts.copies(train, test)
    memory = train.predict(verbose=verbose)
    queries = test.predict(verbose=verbose)
    memory, _ = _of_classes(memory, classes, "training")
    queries, rows = _of_classes(queries, classes, "test")
    test.names = None if test.names is None else [test.names[i] for i in rows]
    is_copy = None if is_copy is None else is_copy[rows]
    prefix = "few-shot" if shots is None else f"{shots}-shot"
    runs = []
    for each in range(seed, seed + repetitions):
        support = memory
        if shots is not None:
            chosen = _draw(memory[1], shots, each)
            support = memory[0][chosen], memory[1][chosen]
        found = {
            f"{prefix} {n}-nn": neighbors.knn(*support, queries[0], n, metric)
            for n in ks
        }
        runs.append(measured.compared(found, queries[1], test, is_copy))
    return measured.finished(
        "few-shot",
        encoder,
        start,
        **_mean_of(runs),
        settings={
            "classes": sorted(map(int, np.unique(queries[1]))),
            "shots": shots,
            "k": list(ks),
            "repetitions": repetitions,
            "metric": metric,
            "seed": seed,
        },
        features=queries,
    )


def _mean_of(runs):
    """The fields of a result from those of several."""
    if len(runs) == 1:
        return runs[0]
    found = {**runs[0], "predictions": None}
    for key in ("scores", "without_duplicates"):
        found[key] = {
            name: results.Percentage.mean(run[key][name] for run in runs)
            for name in runs[0][key]
        }
    confusion = np.sum([run["confusion"] for run in runs], axis=0)
    return {**found, "confusion": confusion.tolist()}


def _of_classes(data, classes, what):
    """Features and labels of some classes, and the numbers of the clips."""
    features, labels = data
    rows = np.arange(len(labels))
    if classes is not None:
        rows = np.flatnonzero(np.isin(labels, list(classes)))
    if not len(rows):
        raise ValueError(
            f"There are no {what} clips of the classes {list(classes)}. The "
            f"data have {sorted(map(int, np.unique(labels)))}."
        )
    return (features[rows], labels[rows]), rows


def _draw(labels, shots, seed):
    """As many clips of each class, drawn at random."""
    generator = np.random.default_rng(seed)
    chosen = []
    for label in np.unique(labels):
        own = generator.permutation(np.flatnonzero(labels == label))
        if shots > len(own):
            raise ValueError(
                f"`shots` must be from 1 to the {len(own)} labelled clips "
                f"that there are of class {int(label)}. Received: {shots}"
            )
        chosen.append(own[:shots])
    return np.concatenate(chosen)
