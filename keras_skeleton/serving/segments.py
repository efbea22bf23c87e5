"""What was recognised in a video: windows, segments, tables of them."""

import csv
import dataclasses
import io
import json

import numpy as np

from keras_skeleton import _outputs
from keras_skeleton._types import PathLike


@dataclasses.dataclass(frozen=True)
class Window:
    """One stretch of time of one person that was classified.

    Attributes:
        person: The person's number, from 1.
        start: Seconds.
        end: Seconds.
        label: The class, or `None` below the threshold.
        name: Its name, or `None`.
        score: Smoothed probability of the most probable class.
        probabilities: tuple of the smoothed probabilities of all classes.
    """

    person: int
    start: float
    end: float
    label: int | None
    name: str | None
    score: float
    probabilities: tuple = dataclasses.field(repr=False, default=())


@dataclasses.dataclass(frozen=True)
class Segment:
    """Neighbouring windows of one label, joined.

    Attributes: As `Window`, `score` being the mean of the windows' scores.
    """

    person: int
    start: float
    end: float
    label: int | None
    name: str | None
    score: float


def cut(start, end, window, step):
    """Start and end of the windows of a stretch of time, all within it.

    A stretch that is shorter than a window is one window. The last one ends
    where the stretch does.

    Example:

    >>> cut(0.0, 5.0, window=2.0, step=2.0)
    [(0.0, 2.0), (2.0, 4.0), (3.0, 5.0)]
    """
    if end - start <= window:
        return [(start, end)]
    count = int((end - start - window) / step + 1e-6) + 1
    starts = [start + number * step for number in range(count)]
    if end - window - starts[-1] > 0.1 * step:
        starts.append(end - window)
    return [(each, each + window) for each in starts]


def smooth(probabilities, count):
    """The mean of each row and its neighbours, `count` rows in all.

    Args:
        probabilities: Array `(N, classes)` in order of time.
        count: An odd number; at the ends, as many rows as there are.
    """
    reach = count // 2
    return np.stack(
        [
            probabilities[max(row - reach, 0) : row + reach + 1].mean(0)
            for row in range(len(probabilities))
        ]
    )


def join(windows, start, end):
    """Segments of one person's windows in order of time.

    Where two windows overlap or leave a gap, the border lies in the middle
    between their middles.

    Args:
        windows: list of `Window`.
        start: Seconds at which the first segment begins.
        end: Seconds at which the last one ends.
    """
    middles = [(each.start + each.end) / 2 for each in windows]
    borders = [(a + b) / 2 for a, b in zip(middles, middles[1:], strict=False)]
    starts, ends = [start, *borders], [*borders, end]
    groups = []
    for place, window in enumerate(windows):
        if groups and windows[groups[-1][-1]].label == window.label:
            groups[-1].append(place)
        else:
            groups.append([place])
    return [
        Segment(
            windows[group[0]].person,
            starts[group[0]],
            ends[group[-1]],
            windows[group[0]].label,
            windows[group[0]].name,
            float(np.mean([windows[place].score for place in group])),
        )
        for group in groups
    ]


@dataclasses.dataclass(eq=False)
class VideoPrediction:
    """Everything that `predict_video` found.

    Attributes:
        source: Path of the video, or `None`.
        weights: Name of the weights.
        class_names: Names of the classes.
        size: `(width, height)` of the frames in pixels, or `None`.
        frame_rate: Frames per second of the video in the mean.
        num_frames: Frames that were read.
        duration: Seconds from the first to the last frame.
        tracks: list of `poses.Track`, the persons seen long enough.
        skeleton: The estimator's layout of joints.
        windows: list of `Window`, by person and time.
        segments: list of `Segment`, by person and time.
        notes: list of texts that a user should read.
        seconds: Dict of the seconds spent in decoding, pose, tracking,
            classifier and drawing.
    """

    source: str | None
    weights: str
    class_names: list
    size: tuple | None
    frame_rate: float
    num_frames: int
    duration: float
    tracks: list
    skeleton: object
    windows: list
    segments: list
    notes: list
    seconds: dict

    def label_at(self, person: int, time: float) -> Segment | None:
        """The `Segment` of a person at a time, or `None`."""
        for segment in self.segments:
            if segment.person == person:
                if segment.start <= time <= segment.end:
                    return segment
        return None

    def __str__(self):
        if not self.windows:
            return "Nobody was seen long enough to be classified."
        lines = [_line(window) for window in self.windows]
        lines += ["", "Segments:"]
        lines += [_line(segment) for segment in self.segments]
        return "\n".join(lines)

    def to_dict(self) -> dict:
        """All but the poses, ready for JSON."""
        plain = ("source", "weights", "class_names", "num_frames", "notes")
        return {
            **{name: getattr(self, name) for name in plain},
            "size": self.size and list(self.size),
            "frame_rate": round(self.frame_rate, 3),
            "duration": round(self.duration, 3),
            "people": [
                {
                    "person": track.number,
                    "start": round(track.start, 3),
                    "end": round(track.end, 3),
                }
                for track in self.tracks
            ],
            "windows": [_plain(each) for each in self.windows],
            "segments": [_plain(each) for each in self.segments],
            "seconds": {k: round(v, 3) for k, v in self.seconds.items()},
        }

    def save(self, path: PathLike) -> None:
        """Writes what `to_dict` gives as JSON."""
        text = json.dumps(self.to_dict(), indent=1) + "\n"
        _outputs.write_text(path, text)

    def save_csv(self, path: PathLike) -> None:
        """Writes a table with a line for each window."""
        text = io.StringIO()
        table = csv.writer(text, lineterminator="\n")
        table.writerow(("person", "start", "end", "label", "name", "score"))
        for each in self.windows:
            values = _plain(each)
            table.writerow(
                [
                    "" if values[key] is None else values[key]
                    for key in ("person", "start", "end", "label", "name")
                ]
                + [values["score"]]
            )
        _outputs.write_text(path, text.getvalue())


def _line(each):
    when = f"{each.start:.1f}-{each.end:.1f} s"
    name = each.name or "(unsure)"
    return f"person {each.person}  {when:>14}  {name}  {each.score:.2f}"


def _plain(each):
    values = dataclasses.asdict(each)
    for key in ("start", "end"):
        values[key] = round(values[key], 3)
    values["score"] = round(values["score"], 4)
    if "probabilities" in values:
        values["probabilities"] = [
            round(float(p), 4) for p in values["probabilities"]
        ]
    return values
