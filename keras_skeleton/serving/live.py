"""What the people before a camera do, while they do it."""

import dataclasses
import math
import threading
from collections.abc import Callable
from collections.abc import Iterable

import numpy as np

from keras_skeleton._types import PathLike
from keras_skeleton.serving import numbers
from keras_skeleton.serving.classifier import as_classifier
from keras_skeleton.serving.frames import Camera
from keras_skeleton.serving.frames import Frame
from keras_skeleton.serving.poses.estimators import PoseEstimator
from keras_skeleton.serving.poses.estimators import make_estimator
from keras_skeleton.serving.poses.people import Person
from keras_skeleton.serving.poses.people import Track
from keras_skeleton.serving.poses.tracking import Tracker
from keras_skeleton.serving.streaming import StreamingClassifier
from keras_skeleton.serving.video import HIGHEST_RATE
from keras_skeleton.serving.video import Clock


@dataclasses.dataclass(frozen=True, eq=False)
class LivePerson:
    """A person in the newest frame.

    Attributes:
        number: The person's number, from 1.
        person: The `poses.Person`.
        name: What the person does, or `None` where that is not known yet or
            below the threshold.
        probability: Probability of the most probable class, or `None`.
    """

    number: int
    person: Person
    name: str | None = None
    probability: float | None = None


class LivePredictor:
    """Follows and classifies people from frame to frame.

    Each person has a `StreamingClassifier` of their own. Frames come when
    they come: between them, people are taken to move evenly, so that a slow
    camera and a fast one look alike to the weights. What was seen since the
    last prediction is brought to the weights' joints and rate all at once,
    when the next one is due: between predictions there is little to do.

    Args:
        weights: See `predict_video`.
        estimator: A `poses.PoseEstimator`.
        frame_rate: Frames per second to classify at where the weights do not
            say.
        window: Seconds to look back; those of the weights by default.
        step: Seconds from one prediction to the next.
        smoothing: Share of the past, see `StreamingClassifier`.
        threshold: Probability below which there is no name.

    Raises:
        ValueError: If a number is none of these.

    Attributes:
        seconds: Dict of the seconds spent in each part of the work.
    """

    def __init__(
        self,
        weights,
        estimator,
        frame_rate=30.0,
        window=None,
        step=0.5,
        smoothing=0.5,
        threshold=0.0,
    ):
        numbers.check(window=window, step=step, threshold=threshold)
        self.classifier = as_classifier(weights)
        self.estimator = estimator
        form = self.classifier.form
        self.rate = form.frame_rate or min(frame_rate, HIGHEST_RATE)
        window = form.window if window is None else window
        self._every = max(round(step * self.rate), 1)
        self._make = self.classifier.stream(
            max(round(window * self.rate), 1),
            self._every,
            smoothing,
            threshold,
        )
        # Whether they fit shows at once.
        self.notes = self.classifier.bridge(estimator, (1, 1)).notes
        # Classifiers of those who are gone serve those who come.
        self._idle = [self._make()]
        self._streams = {}
        self._clock = Clock()
        self.seconds = self._clock.seconds
        self.reset()

    def reset(self) -> None:
        """Forgets everybody."""
        self._tracker = Tracker(remember=False)
        for number in list(self._streams):
            self._retire(number)
        self._bridge = None

    def update(self, frame: Frame) -> list[LivePerson]:
        """Takes the next frame.

        Args:
            frame: A `Frame`.

        Returns:
            List of `LivePerson`.
        """
        if self._bridge is None:
            size = frame.image.shape[1::-1]
            self._bridge = self.classifier.bridge(self.estimator, size)
        with self._clock("pose"):
            people = self.estimator(frame)
        with self._clock("tracking"):
            found = self._tracker.update(people, frame.time)
        there = {track.number for track in self._tracker.tracks}
        for gone in set(self._streams) - there:
            self._retire(gone)
        with self._clock("classifier"):
            return [
                LivePerson(number, person, *self._say(number, person, frame))
                for number, person in found
            ]

    def _retire(self, number):
        classifier = self._streams.pop(number).classifier
        classifier.reset()
        self._idle.append(classifier)

    def _say(self, number, person, frame):
        """Name and probability of what a person does."""
        # Frames of the weights' rate are numbered from the source's start.
        last = math.floor(frame.time * self.rate + 1e-6)
        stream = self._streams.get(number)
        if stream is None:
            classifier = self._idle.pop() if self._idle else self._make()
            due = last + self._every - 1
            stream = _Stream(classifier, last, due, Track(number))
            self._streams[number] = stream
        stream.seen.add(frame.time, person)
        if last >= stream.due:
            times = np.arange(stream.next, last + 1) / self.rate
            for pose in self._bridge(*stream.seen.at(times)):
                said = stream.classifier.update(pose)
                if said is not None:
                    stream.said = said.name, said.probability
            stream.next = last + 1
            late = (last - stream.due) // self._every
            stream.due += (late + 1) * self._every
            # What comes next moves from here.
            stream.seen = Track(number, [frame.time], [person])
        return stream.said


@dataclasses.dataclass(eq=False)
class _Stream:
    """What is known of a person.

    Attributes:
        classifier: The person's `StreamingClassifier`.
        next: Number of the first frame that it has not had.
        due: Number of the frame after which it says something.
        seen: The `Track` of what it has not had, and of the frame before.
        said: Name and probability, see `LivePerson`.
    """

    classifier: StreamingClassifier
    next: int
    due: int
    seen: Track
    said: tuple = (None, None)


def predict_live(
    weights,
    camera: int | str | Iterable[Frame] = 0,
    *,
    poses: str | PoseEstimator | Callable = "rtmlib",
    pose_model: PathLike | None = None,
    people=None,
    min_score=None,
    show=None,
    stop=None,
    wait=1.0,
    **options,
) -> None:
    """Classifies people before a camera until it is told to stop.

    If the camera or the estimator fails, that is told, and both are tried
    again after `wait` seconds, until they are back.

    Args:
        weights: See `predict_video`, also for the arguments up to
            `min_score`.
        camera: Number or address of a `frames.Camera`, or any other source
            of `Frame`.
        poses: What finds the joints.
        pose_model: Path of the file with the estimator's weights.
        people: How many persons to look for at most.
        min_score: Score from which on the estimator counts a person.
        show: Function `show(frame, people, message)`, called for each frame
            with a list of `LivePerson` and `""`; with `None`, no people and
            what is wrong where there is no frame. By default, what changes
            is printed.
        stop: `threading.Event` that ends it, or `None`.
        wait: Seconds.
        **options: See `LivePredictor`.

    Raises:
        ValueError: If weights and estimator do not fit each other.
        FileNotFoundError: If a model is not there.
        ImportError: If a library is missing.

    Example:

    ```python
    predict_live("ctrgcn:nw_ucla", 0, poses="mediapipe")
    ```
    """
    stop = stop or threading.Event()
    show = show or Printer()
    is_device = isinstance(camera, int | str)
    source = Camera(camera) if is_device else camera
    estimator = make_estimator(poses, pose_model, people, min_score)
    predictor = LivePredictor(
        weights, estimator, **{"frame_rate": source.frame_rate, **options}
    )
    for note in predictor.notes:
        show(None, [], note)
    while not stop.is_set():
        predictor.reset()
        try:
            with estimator:
                for frame in source:
                    show(frame, predictor.update(frame), "")
                    if stop.is_set():
                        return
            message = "The camera gives no more frames."
        except ImportError:
            raise
        # Whatever a driver or a model may raise: it may be back soon.
        except Exception as error:
            message = str(error) or type(error).__name__
        show(None, [], f"{message} Trying again.")
        stop.wait(wait)


class Printer:
    """Prints who begins to do what, and what is wrong, once each."""

    def __init__(self):
        self._said, self._message = {}, ""

    def __call__(self, frame, people, message):
        if message and message != self._message:
            print(message, flush=True)
        self._message = message
        there = {each.number: each for each in people}
        for number, each in there.items():
            if each.name != self._said.get(number):
                print(
                    f"{frame.time:8.1f} s  person {number}  "
                    f"{each.name or '(unsure)'}  {each.probability or 0:.2f}",
                    flush=True,
                )
        self._said = {number: each.name for number, each in there.items()}
