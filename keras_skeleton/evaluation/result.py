"""What a protocol finds: one result for all of them."""

import csv
import dataclasses
import json
import pathlib
import typing

import keras
import numpy as np
from numpy.typing import ArrayLike

from keras_skeleton import _outputs
from keras_skeleton._types import PathLike
from keras_skeleton.evaluation import metrics

if typing.TYPE_CHECKING:
    from matplotlib.figure import Figure

# Fields that JSON does not hold: models, and arrays as long as the data.
_IN_MEMORY = ("model", "predictions", "features")


@dataclasses.dataclass(frozen=True)
class Percentage:
    """One measured number.

    Attributes:
        value: The number in percent.
        of: Clips that it was measured on.
        correct: How many of them are right, where the number is a count.
        deviation: Standard deviation over repetitions (that of a sample,
            `n - 1`), where the number is their mean.
    """

    value: float
    of: int
    correct: int | None = None
    deviation: float | None = None

    @classmethod
    def count(cls, is_right: ArrayLike) -> typing.Self:
        """The share of clips that are right, of booleans `(N,)`."""
        correct, of = int(np.sum(is_right)), len(is_right)
        return cls(100 * correct / of, of, correct)

    @classmethod
    def mean(cls, measured) -> typing.Self:
        """The mean of the same number over several repetitions."""
        measured = list(measured)
        if len(measured) == 1:
            return measured[0]
        values = [each.value for each in measured]
        return cls(
            float(np.mean(values)),
            measured[0].of,
            deviation=float(np.std(values, ddof=1)),
        )

    def __str__(self):
        if self.correct is not None:
            return f"{self.value:.2f} % ({self.correct} of {self.of})"
        if self.deviation is not None:
            return f"{self.value:.2f} ± {self.deviation:.2f} % ({self.of})"
        return f"{self.value:.2f} % ({self.of})"


@dataclasses.dataclass(frozen=True)
class Distance:
    """One measured distance.

    Attributes:
        value: The mean distance.
        of: How many distances it is the mean of.
        unit: Its unit.
        deviation: As that of `Percentage`.
    """

    value: float
    of: int
    unit: str = "cm"
    deviation: float | None = None

    def __str__(self):
        return f"{self.value:.2f} {self.unit} ({self.of})"


@dataclasses.dataclass(frozen=True, eq=False)
class Predictions:
    """What was said of each test clip.

    Attributes:
        labels: int64 array `(N,)`, the true classes.
        predicted: int64 array `(N,)`.
        scores: Array `(N, classes)` of logits or probabilities, or `None`.
        names: List of the names of the clips, `None` where they have none.
        is_copy: Boolean array `(N,)`: which clips are exact copies of
            training clips; `None` where it is not known.
    """

    labels: np.ndarray
    predicted: np.ndarray
    scores: np.ndarray | None = None
    names: list | None = None
    is_copy: np.ndarray | None = None

    def save(self, path: PathLike, class_names=None) -> None:
        """Writes a table (CSV), one line for each clip."""
        count = 1 + int(max(self.labels.max(), self.predicted.max()))
        classes = [str(index) for index in range(count)]
        classes[: len(class_names or ())] = class_names or ()
        names = self.names or [str(row) for row in range(len(self.labels))]
        copy = [""] * len(names) if self.is_copy is None else self.is_copy

        def write(part):
            with open(part, "w", newline="", encoding="utf-8") as file:
                writer = csv.writer(file)
                writer.writerow(
                    ("clip", "label", "predicted", "class", "predicted_class")
                    + ("is_copy_of_training_clip",)
                )
                for row, (true, best) in enumerate(
                    zip(self.labels, self.predicted, strict=True)
                ):
                    writer.writerow(
                        (names[row], int(true), int(best))
                        + (classes[true], classes[best])
                        + ("" if copy[row] == "" else int(copy[row]),)
                    )

        write_whole(path, write)


@dataclasses.dataclass(frozen=True, eq=False)
class Result:
    """What a protocol of `keras_skeleton.evaluation` found.

    Prints as a table. Several make a `Comparison`.

    Attributes:
        protocol: Name of the protocol, for example `"linear"`.
        scores: Dict of `Percentage` by name over all test clips, the one that
            matters most first: `"top1"`, `"top5"` (of more than five classes)
            and `"mean_class"` of what classifies; others name their own, and
            what estimates poses has a `Distance` among them.
        without_duplicates: The same over the test clips that are no exact
            copies of training clips. Empty if there are no copies, or if it
            is not known, as of arrays.
        joints: Dict of the scores of each joint, by its name: of poses.
        title: Heading of the score, where it is not the protocol's name.
        system: What was measured, for example `"stars nw_ucla"`.
        data: What on, for example `"nw_ucla xview"`.
        class_names: List of the names of the classes, or `None`.
        confusion: Counts as nested lists, true class in rows; or `None`.
        history: Dict of lists, one number for each epoch: of a training.
        settings: Dict of all that the protocol was told or chose itself.
        environment: Dict of the backend and of versions.
        seconds: How long it took.
        runs: Tuple of the `Result` of each repetition, where there are
            several.
        model: The trained classifier, where there is one. Not saved, like
            the two that follow.
        predictions: `Predictions` of the test clips, or `None`.
        features: Tuple of the features `(N, D)` and the labels `(N,)` of the
            test clips, or `None`.

    Example:

    ```python
    result = linear_probe(encoder, *data.split("xsub"))
    print(result)
    result.save("linear.json")
    result.draw("confusion").savefig("confusion.png")
    ```
    """

    protocol: str
    scores: dict
    without_duplicates: dict = dataclasses.field(default_factory=dict)
    joints: dict = dataclasses.field(default_factory=dict)
    title: str = ""
    system: str = ""
    data: str = ""
    class_names: list | None = None
    confusion: list | None = None
    history: dict = dataclasses.field(default_factory=dict)
    settings: dict = dataclasses.field(default_factory=dict)
    environment: dict = dataclasses.field(default_factory=dict)
    seconds: float | None = None
    runs: tuple = ()
    model: keras.Model | None = None
    predictions: Predictions | None = None
    features: tuple | None = None

    @property
    def value(self) -> float:
        """The first score, usually in percent."""
        return next(iter(self.scores.values())).value

    @property
    def correct(self) -> int | None:
        """Number of clips that the first score counts as right."""
        return next(iter(self.scores.values())).correct

    @property
    def of(self) -> int:
        """Number of test clips."""
        return next(iter(self.scores.values())).of

    @property
    def per_class(self) -> list | None:
        """Percentage of each class; `None` for classes without clips."""
        if self.confusion is None:
            return None
        return [
            None if np.isnan(value) else float(value)
            for value in metrics.per_class_accuracy(self.confusion)
        ]

    @property
    def columns(self) -> dict:
        """The scores that a `Comparison` shows, by heading.

        Dict of pairs: over all clips, and without copies (or `None`).
        """
        names = list(self.scores)
        if names[0] == "top1":
            # What else is known of a classification would be too much there.
            names = [n for n in names if n.startswith("top1")]
        return {
            name.replace("top1", self.title or self.protocol): (
                self.scores[name],
                self.without_duplicates.get(name),
            )
            for name in names
        }

    def named(self, system=None, data=None) -> typing.Self:
        """The same result under other names, as a `Comparison` shows them."""
        return dataclasses.replace(
            self,
            system=self.system if system is None else system,
            data=self.data if data is None else data,
        )

    def __str__(self):
        words = [self.system, f"on {self.data}" if self.data else ""]
        words = " ".join(filter(None, words))
        heading = self.title or self.protocol
        rows = [("", "all test clips", "without copies of training clips")]
        if not self.without_duplicates:
            rows = [row[:2] for row in rows]
        for name, score in self.scores.items():
            kept = self.without_duplicates.get(name)
            rows.append((name, str(score), *([str(kept)] if kept else [])))
        return "\n".join(
            [
                f"{words}: {heading}" if words else heading,
                *lines(rows),
                *self._joint_lines(),
            ]
        )

    def _joint_lines(self):
        if not self.joints:
            return []
        rows = [("", *next(iter(self.joints.values())))]
        for joint, scores in self.joints.items():
            rows.append((joint, *map(str, scores.values())))
        return lines(rows)

    def __repr__(self):
        name, score = next(iter(self.scores.items()))
        return f"Result({self.title or self.protocol}, {name} {score})"

    def to_dict(self) -> dict:
        """The result as plain data, which JSON can hold."""
        found = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if field.name not in _IN_MEMORY
        }
        for key in ("scores", "without_duplicates"):
            found[key] = {
                name: dataclasses.asdict(score)
                for name, score in found[key].items()
            }
        found["joints"] = {
            joint: {
                name: dataclasses.asdict(score)
                for name, score in scores.items()
            }
            for joint, scores in found["joints"].items()
        }
        found["runs"] = [run.to_dict() for run in self.runs]
        return {**found, "per_class": self.per_class}

    @classmethod
    def from_dict(cls, found: dict) -> typing.Self:
        """The result that `to_dict` described."""
        names = {field.name for field in dataclasses.fields(cls)}
        names -= set(_IN_MEMORY)
        if not isinstance(found, dict) or not {"protocol", "scores"} <= set(
            found
        ):
            raise ValueError(
                "A result is a dict with `protocol` and `scores`, as "
                f"`Result.to_dict` makes it. Received: {str(found)[:80]}"
            )
        found = {key: value for key, value in found.items() if key in names}
        for key in ("scores", "without_duplicates"):
            found[key] = _numbers(found.get(key, {}))
        found["joints"] = {
            joint: _numbers(scores)
            for joint, scores in found.get("joints", {}).items()
        }
        found["runs"] = tuple(map(cls.from_dict, found.get("runs", ())))
        return cls(**found)

    def save(self, path: PathLike) -> None:
        """Writes the result as JSON; the file appears once it is complete."""
        write_json(path, self.to_dict())

    @classmethod
    def load(cls, path: PathLike) -> typing.Self:
        """Reads what `save` wrote."""
        return cls.from_dict(json.loads(pathlib.Path(path).read_text("utf-8")))

    def draw(self, what: str, **options) -> "Figure":
        """Draws a part of the result.

        Args:
            what: `"confusion"`, the matrix; `"curves"`, the numbers of each
                epoch; or `"features"`, a map of the test clips, see
                `evaluation.feature_map`.
            **options: Further arguments of the function that draws.

        Returns:
            A matplotlib `Figure`. Save it with `figure.savefig(path)`.

        Raises:
            ValueError: If the result does not hold that.
        """
        from keras_skeleton.evaluation import pictures

        return pictures.draw(self, what, **options)


def _numbers(found):
    """Plain data as `Percentage` and `Distance`, which has a unit."""
    return {
        name: (Distance if "unit" in score else Percentage)(**score)
        for name, score in found.items()
    }


def environment():
    """The backend and the versions that a number was measured with."""
    import keras_skeleton

    return {
        "backend": keras.backend.backend(),
        "keras": keras.__version__,
        "keras_skeleton": keras_skeleton.__version__,
    }


def measure(predictions, classes, class_names=None):
    """What a classification is measured by.

    Args:
        predictions: `Predictions`.
        classes: Number of classes.
        class_names: Names of the classes; left out where they are others.

    Returns:
        Dict of the fields `scores`, `without_duplicates`, `confusion`,
        `class_names` and `predictions` of a `Result`.
    """
    labels, predicted = predictions.labels, predictions.predicted

    def scores_of(rows):
        true, best = labels[rows], predicted[rows]
        found = {"top1": Percentage.count(best == true)}
        if predictions.scores is not None and classes > 5:
            is_right = metrics.is_in_top_k(predictions.scores[rows], true, 5)
            found["top5"] = Percentage.count(is_right)
        mean = metrics.mean_class_accuracy(
            metrics.confusion_matrix(true, best, classes)
        )
        return {**found, "mean_class": Percentage(mean, len(true))}

    if class_names is not None and len(class_names) != classes:
        class_names = None
    return {
        **with_and_without(scores_of, len(labels), predictions.is_copy),
        "confusion": metrics.confusion_matrix(
            labels, predicted, classes
        ).tolist(),
        "class_names": None if class_names is None else list(class_names),
        "predictions": predictions,
    }


def with_and_without(scores_of, number, is_copy):
    """Scores over all test clips, and over those that are no copies.

    Args:
        scores_of: Function from numbers of test clips to a dict of scores.
        number: Number of test clips.
        is_copy: See `Predictions`.

    Returns:
        Dict of the fields `scores` and `without_duplicates` of a `Result`.
    """
    kept = np.arange(number if is_copy is None else 0)
    if is_copy is not None:
        kept = np.flatnonzero(~is_copy)
    return {
        "scores": scores_of(np.arange(number)),
        "without_duplicates": scores_of(kept) if 0 < len(kept) < number else {},
    }


def lines(rows):
    """Rows of texts as lines with columns below each other."""
    width = max(map(len, rows))
    rows = [(*row, *[""] * (width - len(row))) for row in rows]
    sizes = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            text.ljust(size) for text, size in zip(row, sizes, strict=True)
        ).rstrip()
        for row in rows
    ]


def write_json(path, content):
    """Writes plain data as JSON."""
    text = json.dumps(content, indent=2, allow_nan=False) + "\n"
    write_whole(path, lambda part: part.write_text(text, "utf-8"))


def write_whole(path, function):
    """Lets a function write a file, which appears once it is complete."""
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with _outputs.replacing(path) as part:
        function(part)
