"""Training with few labels, repeated over several choices of clips."""

import dataclasses
import functools
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from keras_skeleton import _values
from keras_skeleton.evaluation import features
from keras_skeleton.evaluation import parts
from keras_skeleton.evaluation import result as results
from keras_skeleton.evaluation.fine_tuning import fine_tune
from keras_skeleton.evaluation.probe import linear_probe

CHOICES = ("random", "balanced")
_METHODS = {
    "finetune": functools.partial(fine_tune, kind="semi"),
    "linear": linear_probe,
}


def choose_labelled(
    labels: ArrayLike, ratio: float, choice="random", seed=0
) -> np.ndarray:
    """The clips that keep their label.

    Args:
        labels: Whole numbers `(N,)`, the classes.
        ratio: Share of the clips, above 0 and at most 1.
        choice: `"random"`: `int(N * ratio)` of all, without regard to their
            classes, as in the official code of MAMP and CMD. `"balanced"`:
            `round(ratio * count)` of the `count` clips of each class, and at
            least one, as in that of HiCLR.
        seed: Seed of the choice.

    Returns:
        int64 array of clip numbers.

    Raises:
        ValueError: If the share is none, or no clip is left.

    Example:

    >>> choose_labelled([0, 0, 1, 1], 0.5, "balanced")
    array([0, 3])
    """
    labels = np.asarray(labels)
    if not 0 < ratio <= 1:
        raise ValueError(
            f"`ratio` must be above 0 and at most 1. Received: {ratio}"
        )
    if choice not in CHOICES:
        raise ValueError(
            f"`choice` must be one of {', '.join(map(repr, CHOICES))}. "
            f"Received: {choice!r}"
        )
    generator = np.random.default_rng(seed)
    if choice == "random":
        chosen = generator.permutation(len(labels))[: int(len(labels) * ratio)]
        if not len(chosen):
            raise ValueError(
                f"A share of {ratio} of {len(labels)} clips is no clip at all."
            )
        return chosen
    chosen = []
    for label in np.unique(labels):
        own = generator.permutation(np.flatnonzero(labels == label))
        chosen.append(own[: max(1, round(ratio * len(own)))])
    return np.concatenate(chosen)


def semi_supervised(
    encoder,
    train,
    test,
    classes=None,
    *,
    ratio=0.1,
    choice="random",
    repetitions=5,
    method: str | Callable = "finetune",
    full_epochs=False,
    transforms=None,
    seed=0,
    **options,
) -> results.Result:
    """Trains on a small share of the labelled clips, several times.

    Each repetition draws its own clips. (The official code of MAMP repeats
    with one and the same choice.) Copies among the test clips are those of
    any training clip, as the encoder may have seen all of them.

    Args:
        encoder: See `fine_tune`, also for data, `classes` and `transforms`.
        train: All training clips: `Sequences`, batches of
            `Sequences.to_keras`, or arrays.
        test: Test clips with labels.
        ratio: Share of the training clips that keep their label; published
            are 0.01, 0.05, 0.1 and 0.2.
        choice: How they are chosen, see `choose_labelled`.
        repetitions: Number of trainings.
        method: `"finetune"` for `fine_tune`, by the system's recipe of the
            kind `"semi"` where it has one; `"linear"` for `linear_probe`; or
            a function of the encoder, the chosen clips, the test clips and
            `classes`, which takes `seed=` and `transforms=` and returns a
            `Result`.
        full_epochs: Whether an epoch shows the few clips about as often as
            to be as long as one of all clips, as HiCLR does.
        seed: Seed of the first repetition; the others follow.
        **options: Further arguments of `fine_tune` or `linear_probe`.

    Returns:
        A `Result` with the mean and the standard deviation; its `runs` are
        the results of the repetitions. The confusion is that of all of them,
        and the `model` that of the last.

    Raises:
        ValueError: If nothing is left to train on, or as in `fine_tune`.

    Example:

    ```python
    train, test = data.split("xsub")
    semi_supervised(encoder, train, test, ratio=0.01, choice="balanced")
    ```
    """
    start = time.perf_counter()
    repetitions = _values.whole_number("repetitions", repetitions, 1)
    if full_epochs and method == "linear":
        raise ValueError(
            "full_epochs=True is for fine-tuning: a linear head sees the "
            "features of the chosen clips alone. Raise `epochs` instead."
        )
    part = parts.Part(train, encoder, "training", transforms)
    labels = part.labels()
    run = method if callable(method) else _METHODS.get(method)
    if run is None:
        raise ValueError(
            "`method` must be 'finetune', 'linear' or a function. Received: "
            f"{method!r}"
        )
    classes = parts.count_classes(classes, (part, labels))
    # The encoder may have seen all training clips, with or without labels.
    is_copy = parts.copies(part, parts.Part(test, encoder, "test", transforms))
    runs = []
    for each in range(seed, seed + repetitions):
        rows = choose_labelled(labels, ratio, choice, each)
        if full_epochs:
            options["repeat"] = parts.times(len(rows), len(labels))
        few = part.select(rows)
        few = few.sequences if features.is_sequences(train) else few.batches
        found = run(
            encoder,
            few,
            test,
            classes,
            transforms=transforms,
            seed=each,
            **options,
        )
        runs.append(_with_copies(found, is_copy, classes))
        # One trained model is enough to keep.
        model = runs[-1].model
        runs[-1] = dataclasses.replace(runs[-1], model=None, features=None)
    return _mean_of(
        runs,
        "semi",
        title=f"semi {100 * ratio:g} %",
        system=encoder.name,
        model=model,
        settings={
            "ratio": ratio,
            "choice": choice,
            "repetitions": repetitions,
            "num_labelled": len(rows),
            "method": getattr(method, "__name__", method),
            "full_epochs": full_epochs,
        },
        seconds=round(time.perf_counter() - start, 3),
    )


def _with_copies(run, is_copy, classes):
    """The result of a repetition, with the copies of all training clips."""
    if is_copy is None or run.predictions is None:
        return run
    predictions = dataclasses.replace(run.predictions, is_copy=is_copy)
    found = results.measure(predictions, classes, run.class_names)
    found["scores"] = {**run.scores, **found["scores"]}
    return dataclasses.replace(run, **found)


def _mean_of(runs, protocol, *, settings, **fields):
    """One result of those of several repetitions."""
    first = runs[0]
    confusion = np.sum([run.confusion for run in runs], axis=0)

    def mean(scores):
        return {
            name: results.Percentage.mean(each[name] for each in scores)
            for name in scores[0]
        }

    return results.Result(
        protocol,
        mean([run.scores for run in runs]),
        mean([run.without_duplicates for run in runs]),
        **fields,
        class_names=first.class_names,
        confusion=confusion.tolist(),
        settings={**first.settings, **settings},
        environment=results.environment(),
        runs=tuple(runs),
        history=first.history if len(runs) == 1 else {},
        predictions=first.predictions if len(runs) == 1 else None,
    )
