"""From a video to labels: who does what, from when to when."""

import contextlib
import time
import warnings
from collections.abc import Callable

import numpy as np

from keras_skeleton import _outputs
from keras_skeleton._progress import Progress
from keras_skeleton._types import PathLike
from keras_skeleton.serving import numbers
from keras_skeleton.serving import segments
from keras_skeleton.serving import video_output
from keras_skeleton.serving.classifier import as_classifier
from keras_skeleton.serving.frames import open_source
from keras_skeleton.serving.poses.estimators import PoseEstimator
from keras_skeleton.serving.poses.estimators import make_estimator
from keras_skeleton.serving.poses.tracking import Tracker
from keras_skeleton.serving.segments import VideoPrediction

# Frames per second to classify at where neither the weights nor, with more,
# the video say.
HIGHEST_RATE = 30.0


def predict_video(
    source,
    weights,
    *,
    poses: str | PoseEstimator | Callable = "rtmlib",
    pose_model: PathLike | None = None,
    people=None,
    min_score=None,
    window=None,
    step=None,
    smoothing=3,
    threshold=0.0,
    min_seconds=0.5,
    frame_rate=30.0,
    form=None,
    output: PathLike | None = None,
    json_path: PathLike | None = None,
    csv_path: PathLike | None = None,
    page_path: PathLike | None = None,
    verbose=0,
) -> VideoPrediction:
    """Says what each person in a video does.

    Frames are read one by one with their exact times; persons are found in
    each, followed, brought to the joints, units and rate that the weights
    expect, and classified in windows that overlap. The probabilities of
    neighbouring windows are averaged, and windows of one label joined. Only
    joints are kept, so a video may be long. Every person is classified
    alone, also by weights that know actions of two.

    Args:
        source: Path of a video or of a folder of pictures, an object as
            `serving.frames.VideoFile`, or `None` if `poses` are a
            `FilePoses`.
        weights: `"SYSTEM:NAME"`, `"SYSTEM:FILE"` or a `PoseClassifier`.
        poses: What finds the joints, see `poses.make_estimator`:
            `"rtmlib"`, `"mediapipe"`, an estimator or one's own function.
        pose_model: Path of the file with the estimator's weights.
        people: How many persons to look for at most.
        min_score: Score from which on the estimator counts a person.
        window: Seconds that are classified at a time; by default the length
            of clips of the data the weights were trained on.
        step: Seconds from one window to the next; a quarter of `window` by
            default.
        smoothing: Windows to average over, an odd number.
        threshold: Probability below which a window has no label.
        min_seconds: Persons who are seen in fewer frames than such a time
            has are left out.
        frame_rate: Frames per second of a folder of pictures.
        form: `PoseForm` in the place of that of the weights.
        output: Where to write the video with skeletons and labels, a path
            that ends in `.mp4` or `.gif`; without sound.
        json_path: Where to write everything but the poses.
        csv_path: Where to write a line for each window.
        page_path: Where to write a page with the moving skeletons; that there
            is none for nobody, or for a long video, is a note.
        verbose: 1 for a progress bar.

    Returns:
        A `VideoPrediction`.

    Raises:
        ValueError: If video, estimator and weights do not fit each other.
        FileNotFoundError: If the video, or a model, is not there.
        ImportError: If a library is missing.

    Example:

    ```python
    found = predict_video(
        "walk.mp4", "ctrgcn:nw_ucla", poses="mediapipe", output="out.mp4"
    )
    for segment in found.segments:
        print(segment.person, segment.start, segment.end, segment.name)
    ```
    """
    numbers.check(
        window=window,
        step=step,
        smoothing=smoothing,
        threshold=threshold,
        min_seconds=min_seconds,
        people=people,
        min_score=min_score,
    )
    if output is not None:
        video_output.check_ending(output)
    _outputs.check(
        {
            "`output`": output,
            "`json_path`": json_path,
            "`csv_path`": csv_path,
            "`page_path`": page_path,
        },
        {"the video": source, "`pose_model`": pose_model},
    )
    if source is None and not hasattr(poses, "frames"):
        raise ValueError(
            "There is no video. Pass one, or poses out of files (`FilePoses`)."
        )
    is_video = source is not None
    frames = open_source(source, frame_rate) if is_video else poses.frames()
    classifier = as_classifier(weights, form)
    estimator = make_estimator(poses, pose_model, people, min_score)
    # Whether weights and estimator fit shows before the long work.
    classifier.bridge(estimator, size=(1, 1))
    rate = classifier.form.frame_rate
    rate = rate or min(frames.frame_rate, HIGHEST_RATE)
    window = window or classifier.form.window
    step = step or window / 4
    if window * rate < 2:
        raise ValueError(
            f"`window` must hold at least two frames, {2 / rate:.3g} s at "
            f"{rate:.4g} frames per second. Received: {window} s"
        )
    clock = Clock()
    tracker, size, count, last = _follow(frames, estimator, clock, verbose)
    size = size or getattr(frames, "size", None)
    tracks = [
        track
        for track in tracker.tracks
        if len(track.times) >= min_seconds * frames.frame_rate
    ]
    for number, track in enumerate(tracks, start=1):
        track.number = number
    bridge = classifier.bridge(estimator, size)
    notes = [*bridge.notes, *frames.notes]
    if _are_shares(tracks, size):
        notes.append(
            "All joints lie within two pixels of the corner: the estimator "
            "seems to give shares of the picture. Multiply them by its width "
            "and height."
        )
    with clock("classifier"):
        windows = _classify(
            tracks, classifier, bridge, rate, window, step, smoothing, threshold
        )
        joined = []
        for track in tracks:
            own = [each for each in windows if each.person == track.number]
            joined += segments.join(own, track.start, track.end)
    found = segments.VideoPrediction(
        source=str(frames.path) if is_video else None,
        weights=classifier.label,
        class_names=classifier.class_names,
        size=size,
        frame_rate=frames.frame_rate,
        num_frames=count,
        duration=last,
        tracks=tracks,
        skeleton=estimator.skeleton,
        windows=windows,
        segments=joined,
        notes=notes,
        seconds=clock.seconds,
    )
    no_page = video_output.why_no_page(found) if page_path is not None else ""
    if no_page:
        found.notes.append(no_page)
    for note in found.notes:
        warnings.warn(note, stacklevel=2)
    # What takes longest comes last: who stops it has the rest.
    if json_path is not None:
        found.save(json_path)
    if csv_path is not None:
        found.save_csv(csv_path)
    if page_path is not None and not no_page:
        video_output.write_page(page_path, found)
    if output is not None:
        with clock("drawing"):
            video_output.write_video(output, found, frames, verbose)
    return found


class Clock:
    """Adds up the seconds that parts of the work take.

    Attributes:
        seconds: Dict of seconds by part.
    """

    def __init__(self):
        parts = ("decoding", "pose", "tracking", "classifier", "drawing")
        self.seconds = dict.fromkeys(parts, 0.0)

    @contextlib.contextmanager
    def __call__(self, part):
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[part] += time.perf_counter() - start


def _follow(frames, estimator, clock, verbose):
    """The `Tracker` after all frames, their size, number and last time."""
    tracker, size, count, last = Tracker(), None, 0, 0.0
    progress = contextlib.nullcontext()
    if verbose:
        progress = Progress(frames.num_frames, "frame", pace=True)
    with estimator, progress:
        each = iter(frames)
        while True:
            with clock("decoding"):
                frame = next(each, None)
            if frame is None:
                break
            with clock("pose"):
                people = estimator(frame)
            with clock("tracking"):
                tracker.update(people, frame.time)
            if size is None and frame.image is not None:
                size = frame.image.shape[1::-1]
            count, last = count + 1, frame.time
            if verbose:
                progress.add(1)
    return tracker, size, count, last


def _classify(
    tracks, classifier, bridge, rate, window, step, smoothing, threshold
):
    """The windows of all persons, by person and time."""
    spans, clips = [], []
    for track in tracks:
        count = int((track.end - track.start) * rate + 1e-6) + 1
        poses = bridge(*track.at(track.start + np.arange(count) / rate))
        cuts = segments.cut(track.start, track.end, window, step)
        for start, end in cuts:
            first = round((start - track.start) * rate)
            size = max(round((end - start) * rate), 1)
            clips.append(poses[first : first + size])
        spans.append(cuts)
    if not clips:
        return []
    rows = classifier.probabilities(clips)
    found = []
    for track, cuts in zip(tracks, spans, strict=True):
        own, rows = rows[: len(cuts)], rows[len(cuts) :]
        for (start, end), row in zip(
            cuts, segments.smooth(own, smoothing), strict=True
        ):
            best = int(row.argmax())
            is_sure = row[best] >= threshold
            found.append(
                segments.Window(
                    track.number,
                    start,
                    end,
                    best if is_sure else None,
                    classifier.class_names[best] if is_sure else None,
                    float(row[best]),
                    tuple(row.tolist()),
                )
            )
    return found


def _are_shares(tracks, size):
    """Whether places look like shares of a picture, not pixels."""
    found = [
        person.joints[person.scores > 0]
        for track in tracks
        for person in track.people
    ]
    if size is None or min(size) < 16 or not found:
        return False
    places = np.concatenate(found)
    return len(places) > 0 and float(np.abs(places).max()) < 2
