"""Classification of a live source, frame by frame. Needs NumPy only."""

import dataclasses

import numpy as np
from numpy.typing import ArrayLike

from keras_skeleton._fresh_head import tell_fresh_head
from keras_skeleton._scores import to_probabilities
from keras_skeleton.datasets import _coordinates


@dataclasses.dataclass(frozen=True, eq=False)
class Prediction:
    """What a `StreamingClassifier` says after a frame.

    Attributes:
        frame: Number of the last frame that counted, from 0.
        label: The most probable class, or `None` if its probability is below
            the threshold.
        name: Name of the class, or `None` without label or names.
        probability: Probability of the most probable class.
        probabilities: Smoothed probabilities of all classes, `(classes,)`.
        current: The same from this window alone, not smoothed.
    """

    frame: int
    label: int | None
    name: str | None
    probability: float
    probabilities: np.ndarray
    current: np.ndarray


class StreamingClassifier:
    """Classifies what the last frames of a live source show.

    Frames come in one at a time. The last `window` of them are kept; every
    `every` frames they make a clip, which is transformed, classified in a
    batch of one and smoothed with the predictions before.

    A clip has the form that data sets have: it begins with the first frame of
    the window in which somebody is seen and goes on to the last, and zeros
    fill it up at the end. So it always has `window` frames, also at the
    beginning, and nothing is compiled twice. Frames between these in which
    nobody is seen are time that was lost: transforms of
    `layers.augmentation` fill them first, as they do in data sets
    (`FillLostFrames`); functions of one's own find zeros there.

    The constructor passes a made-up clip through the transforms and the
    model, which compiles them and shows at once whether they fit.

    Args:
        model: A Keras classifier, or a function from a float32 array of clips
            `(1, M, T, V, C)` to scores `(1, classes)`, such as a
            `FrozenModel`, which is faster, or a file that was exported.
        transforms: Transforms of `layers.augmentation` for evaluation, or
            functions of NumPy arrays `(1, M, T, V, C)`, applied in turn.
            Random transforms do what they do outside training.
        window: Frames to keep. Defaults to those that the model takes.
        frame_shape: `(M, V, C)` of the frames: persons, joints, coordinates.
            Defaults to what the model takes, where the transforms leave that
            as it is.
        coordinates: Names of the coordinates, as of `Sequences`. Where the
            last are scores, as in `("x", "y", "score")`, transforms do not
            move them (`KeepScores`), as in pipelines of `Sequences`.
            Defaults to places alone; streams of `PoseClassifier` know it.
        every: Frames from one prediction to the next.
        min_frames: Predictions begin when the window shows somebody in that
            many frames.
        smoothing: Share of the past, from 0 to below 1: probabilities become
            `smoothing * past + (1 - smoothing) * current` (exponential
            smoothing, for each prediction). Or a function
            `smoothing(past, current)` of two arrays `(classes,)`; it is not
            called for the first prediction.
        threshold: Probability below which the label is `None`.
        class_names: Names of the classes, in label order.
        from_logits: Whether the model gives logits, and not probabilities.

    Raises:
        ValueError: If arguments do not fit each other or the model.

    Example:

    ```python
    classifier = StreamingClassifier(
        FrozenModel(model), transforms, window=60, every=5, class_names=names
    )
    for joints in camera:  # arrays (V, C), or None when nobody is there
        prediction = classifier.update(joints)
        if prediction is not None and prediction.label is not None:
            print(prediction.name, prediction.probability)
    ```

    The same with an exported file:

    ```python
    session = onnxruntime.InferenceSession("model.onnx")
    name = session.get_inputs()[0].name
    classifier = StreamingClassifier(
        lambda clips: session.run(None, {name: clips})[0],
        transforms, window=60, frame_shape=(1, 20, 3),
    )
    ```
    """

    def __init__(
        self,
        model,
        transforms=(),
        *,
        window=None,
        frame_shape=None,
        coordinates=None,
        every=1,
        min_frames=1,
        smoothing=0.5,
        threshold=0.0,
        class_names=None,
        from_logits=True,
    ):
        if not isinstance(transforms, list | tuple):
            transforms = [transforms]
        takes = getattr(model, "input_shape", None)
        if window is None and _is_clip_shape(takes):
            window = takes[2]
        if frame_shape is None and _is_clip_shape(takes):
            frame_shape = (takes[1], *takes[3:])
            _check_kept(transforms, (*takes[1:2], window, *takes[3:]))
        self.window = _count("window", window)
        self.frame_shape = _check_frame_shape(frame_shape)
        self.every = _count("every", every)
        self.min_frames = _count("min_frames", min_frames)
        if self.min_frames > self.window:
            raise ValueError(
                "A window never shows more frames than it has. Received "
                f"min_frames={min_frames} and window={window}."
            )
        self.threshold = _share("threshold", threshold, 1)
        self.smoothing = smoothing
        if not callable(smoothing):
            self.smoothing = _share("smoothing", smoothing, np.nextafter(1, 0))
        self.class_names = None if class_names is None else list(class_names)
        self.from_logits = from_logits
        self._score = getattr(model, "predict_on_batch", model)
        if not callable(self._score):
            raise ValueError(
                "`model` must be a Keras model or a function of clips. "
                f"Received {model!r}."
            )
        tell_fresh_head(model, "serving")
        persons, joints, number = self.frame_shape
        self._shape = (persons, self.window, joints, number)
        self.coordinates = _coordinates.check(coordinates, number)
        if any(hasattr(each, "on_numpy") for each in transforms):
            transforms = self._completed(transforms)
        self._transforms = [
            each.on_numpy() if hasattr(each, "on_numpy") else each
            for each in transforms
        ]
        self._try(takes)
        self.reset()

    def _completed(self, transforms):
        """Transforms that fill lost frames first and keep scores."""
        # Keras is there anyway.
        from keras_skeleton.layers.augmentation import filling_lost_frames

        number = _coordinates.count_scores(self.coordinates)
        transforms = filling_lost_frames(transforms)
        return _coordinates.keeping_scores(
            transforms, number, (1, *self._shape)
        )

    def _try(self, takes):
        size = int(np.prod(self._shape))
        clip = np.linspace(1, 2, size, dtype="float32").reshape(self._shape)
        clips = self._transform(clip[None])
        if _is_clip_shape(takes) and clips.shape[1:] != tuple(takes[1:]):
            raise ValueError(
                f"Of windows of {self.window} frames (persons, joints, "
                f"coordinates) = {self.frame_shape}, the transforms make "
                f"clips {clips.shape[1:]}, but the model takes clips "
                f"{tuple(takes[1:])}. Pass the transforms it was evaluated "
                "with, and the `window` and `frame_shape` of the source."
            )
        classes = self._scores(clips).shape[0]
        if self.class_names and len(self.class_names) != classes:
            raise ValueError(
                f"The model has {classes} classes. Received "
                f"{len(self.class_names)} class names."
            )

    def reset(self) -> None:
        """Forgets all frames and predictions, as after a change of scene."""
        self._frames = np.zeros(self._shape, "float32")
        self._is_seen = np.zeros(self.window, bool)
        self._count = 0
        self._past = None

    def update(self, frame: ArrayLike | list | None) -> Prediction | None:
        """Takes the next frame.

        Args:
            frame: Array `(M, V, C)`, or `(V, C)` for a single person. Persons
                who are missing are zeros, `None` in a list of persons, or
                left out at the end; `None` is a frame without anybody. A
                joint with a coordinate that is NaN was not found: it becomes
                zeros, as in files that are read.

        Returns:
            A `Prediction`, or `None` if none is due after this frame, or the
            window shows nobody or too little.

        Raises:
            ValueError: If the frame has another shape or holds infinite
                numbers, or the model's output is not finite. The frame then
                does not count.
        """
        frame = self._check(frame)
        place = self._count % self.window
        self._frames[:, place] = frame
        self._is_seen[place] = frame.any()
        self._count += 1
        if self._count % self.every:
            return None
        return self._predict()

    def _check(self, frame):
        persons, joints, coordinates = self.frame_shape
        whole = np.zeros(self.frame_shape, "float32")
        if frame is None:
            return whole
        if isinstance(frame, list | tuple):
            nobody = np.zeros((joints, coordinates), "float32")
            frame = [nobody if each is None else each for each in frame]
        try:
            found = np.asarray(frame, "float32")
        except (TypeError, ValueError) as error:
            raise ValueError(
                "A frame must be an array of numbers (persons, joints, "
                f"coordinates). Received {type(frame).__name__}: {error}"
            ) from error
        if found.ndim == 2:
            found = found[None]
        if (
            found.ndim != 3
            or found.shape[1:] != (joints, coordinates)
            or len(found) > persons
        ):
            raise ValueError(
                "A frame must have the shape (persons, joints, coordinates) "
                f"= {self.frame_shape}, with fewer persons if some are "
                f"missing, or {self.frame_shape[1:]} for one person. Received "
                f"shape {np.shape(frame)}."
            )
        if np.isinf(found).any():
            raise ValueError(
                "A frame has infinite coordinates. Pass NaN or zeros for "
                "joints or persons that are lost, or None for the frame."
            )
        is_lost = np.isnan(found).any(-1, keepdims=True)
        whole[: len(found)] = np.where(is_lost, 0, found)
        return whole

    def _predict(self):
        # From the oldest frame on; at the beginning the first is the oldest.
        first = self._count if self._count > self.window else 0
        order = (first + np.arange(self.window)) % self.window
        seen = np.flatnonzero(self._is_seen[order])
        if not len(seen):
            # Who comes next has nothing to do with who was there.
            self._past = None
        if len(seen) < self.min_frames:
            return None
        order = order[seen[0] : seen[-1] + 1]
        clips = np.zeros((1, *self._shape), "float32")
        # A checked mode would write to a copy first.
        np.take(
            self._frames,
            order,
            axis=1,
            out=clips[0, :, : len(order)],
            mode="clip",
        )
        scores = self._scores(self._transform(clips))
        current = self._probabilities(scores)
        smoothed = current
        if self._past is not None:
            smoothed = self._smooth(self._past, current)
        self._past = smoothed
        return self._prediction(smoothed, current)

    def _transform(self, clips):
        for transform in self._transforms:
            clips = transform(clips)
        return np.asarray(clips, "float32")

    def _scores(self, clips):
        """Scores of one clip, `(classes,)`."""
        scores = self._score(clips)
        if hasattr(scores, "detach"):
            scores = scores.detach().cpu()
        scores = np.asarray(scores, "float32")
        if scores.ndim != 2 or len(scores) != 1:
            raise ValueError(
                "The model must give scores of shape (1, classes) for clips "
                f"{clips.shape}. Received shape {scores.shape}: a classifier "
                "is built with `classes=`."
            )
        return scores[0]

    def _probabilities(self, scores):
        if not np.isfinite(scores).all():
            raise ValueError(
                f"The model gives NaN or infinite scores after frame "
                f"{self._count - 1}. Check its weights and the transforms."
            )
        if not self.from_logits:
            return scores
        return to_probabilities(scores)

    def _smooth(self, past, current):
        if callable(self.smoothing):
            return np.asarray(self.smoothing(past, current), "float32")
        return self.smoothing * past + (1 - self.smoothing) * current

    def _prediction(self, probabilities, current):
        best = int(probabilities.argmax())
        label = best if probabilities[best] >= self.threshold else None
        name = None
        if label is not None and self.class_names is not None:
            name = self.class_names[label]
        # Arrays of its own: the past must not change with them.
        return Prediction(
            frame=self._count - 1,
            label=label,
            name=name,
            probability=float(probabilities[best]),
            probabilities=probabilities.copy(),
            current=current.copy(),
        )


def _is_clip_shape(shape):
    """Whether a model says that it takes batches of clips of one shape."""
    return (
        isinstance(shape, list | tuple)
        and len(shape) == 5
        and all(isinstance(size, int) for size in shape[1:])
    )


def _check_kept(transforms, shape):
    """Raises an error unless frames go through the transforms unchanged."""
    output = (None, *shape)
    for transform in transforms:
        if hasattr(transform, "compute_output_shape"):
            output = tuple(transform.compute_output_shape(output))
    if (output[1], *output[3:]) != (shape[0], *shape[2:]):
        raise ValueError(
            "The transforms change persons, joints or coordinates, so the "
            "model does not tell the shape of the frames. Pass "
            "`frame_shape=(persons, joints, coordinates)`."
        )


def _check_frame_shape(shape):
    if (
        not isinstance(shape, list | tuple)
        or len(shape) != 3
        or not all(isinstance(size, int | np.integer) for size in shape)
        or min(shape) < 1
    ):
        raise ValueError(
            "`frame_shape` must be three positive numbers (persons, joints, "
            "coordinates); a model that does not tell its `input_shape` "
            f"needs it. Received frame_shape={shape!r}."
        )
    return tuple(int(size) for size in shape)


def _count(name, value):
    if not isinstance(value, int | np.integer) or value < 1:
        raise ValueError(
            f"`{name}` must be a positive whole number of frames. Received "
            f"{name}={value!r}."
        )
    return int(value)


def _share(name, value, limit):
    if not isinstance(value, int | float) or not 0 <= value <= limit:
        raise ValueError(
            f"`{name}` must be a number from 0 to "
            f"{'1' if limit == 1 else 'below 1'}. Received {name}={value!r}."
        )
    return float(value)
