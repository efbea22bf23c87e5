"""Training with few labels, repeated over several choices of clips."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class SemiSupervised:
    """Result of `semi_supervised`; accuracies in percent.

    Attributes:
        accuracies: List with the result of each repetition.
        mean: Their mean.
        deviation: Their standard deviation (that of a sample, `n - 1`); 0
            for a single repetition.
    """

    accuracies: list
    mean: float
    deviation: float


def semi_supervised(run, train, ratio, repetitions=5, seed=0):
    """Repeats a training on different small shares of the labelled clips.

    Each repetition draws its own clips, without regard to their classes.
    (The official code of MAMP repeats with one and the same choice.)

    Args:
        run: Function of the chosen `Sequences` and a seed. It builds and
            trains a fresh model and returns its accuracy in percent.
        train: `Sequences` of all training clips.
        ratio: Share of them, for example 0.01 or 0.1.
        repetitions: Number of trainings.
        seed: Seed of the first; the others follow.

    Returns:
        A `SemiSupervised`.

    Example:

    ```python
    def run(few, seed):
        keras.utils.set_random_seed(seed)
        model = MAMP("ntu60", classes=60, drop_path_rate=0.3)
        ...  # compile
        model.fit(few.to_keras(augmentation, 48, shuffle=True), epochs=100)
        return evaluate_model(model, test)["top1"]

    semi_supervised(run, train, ratio=0.01)
    ```
    """
    if repetitions < 1:
        raise ValueError(
            f"`repetitions` must be at least 1. Received {repetitions}."
        )
    accuracies = [
        float(run(train.fraction(ratio, each), each))
        for each in range(seed, seed + repetitions)
    ]
    deviation = np.std(accuracies, ddof=1) if repetitions > 1 else 0.0
    return SemiSupervised(
        accuracies, float(np.mean(accuracies)), float(deviation)
    )
