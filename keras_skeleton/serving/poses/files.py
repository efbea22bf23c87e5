"""Poses that were extracted before, in files of OpenPose and others."""

import numpy as np

from keras_skeleton._types import PathLike
from keras_skeleton.datasets import formats
from keras_skeleton.datasets.readers import base
from keras_skeleton.serving import numbers
from keras_skeleton.serving.frames import Frame
from keras_skeleton.serving.poses.estimators import PoseEstimator
from keras_skeleton.serving.poses.people import Person

FORMATS = ("openpose", "coco", "mediapipe")


class FilePoses(PoseEstimator):
    """Poses out of files, in the place of an estimator.

    They are read by `datasets.openpose`, `datasets.coco` or
    `datasets.mediapipe`, and belong to frames by number. With the video they
    were made of, they are drawn over its pictures; without, `frames` gives
    empty frames to go with them.

    Args:
        path: What the reader takes; if it holds several clips, the one to
            use is `clip`.
        format: `"openpose"`, `"coco"` or `"mediapipe"`.
        size: `(width, height)` of the video in pixels. Files of MediaPipe,
            whose places are shares of the picture, need it.
        frame_rate: Frames per second of the video.
        people: Persons to read at most.
        clip: Name of a clip.

    Raises:
        ValueError: If the files cannot be used.
    """

    def __init__(
        self,
        path: PathLike,
        format,
        size=None,
        frame_rate=30.0,
        people=6,
        clip=None,
    ):
        if format not in FORMATS:
            raise ValueError(
                f"`format` must be one of {', '.join(FORMATS)}. Received: "
                f"{format!r}"
            )
        numbers.check(frame_rate=frame_rate, people=people)
        is_mediapipe = format == "mediapipe"
        if is_mediapipe and size is None:
            raise ValueError(
                "Files of MediaPipe hold places as shares of the picture. "
                "Pass its size in pixels: size=(width, height), or --size "
                "WIDTHxHEIGHT."
            )
        data = base.collect(
            formats.make_reader(format, path, num_persons=people or 6)
        )
        number = _choose(data, clip, path)
        poses = _frames_first(data[number][0])
        super().__init__(data.skeleton)
        self.size, self.frame_rate = size, float(frame_rate)
        places, scores = poses[..., :2], poses[..., -1]
        if is_mediapipe:
            places = places * np.array(size, "float32")
        elif poses.shape[-1] == 2:
            scores = poses.any(-1)
        scores = np.clip(scores, 0, 1)
        self._people = [
            [
                Person(*person)
                for person in zip(*frame, strict=True)
                if person[1].any()
            ]
            for frame in zip(places, scores, strict=True)
        ]

    def __len__(self):
        return len(self._people)

    def estimate(self, frame: Frame) -> list[Person]:
        # A video may be longer than what was extracted.
        if frame.number < len(self):
            return self._people[frame.number]
        return []

    def frames(self):
        """Frames without pictures, for `predict_video`."""
        return _EmptyFrames(len(self), self.frame_rate, self.size)


class _EmptyFrames:
    path = None

    def __init__(self, count, frame_rate, size):
        self.num_frames, self.frame_rate = count, frame_rate
        self.size, self.notes = size, []

    def __iter__(self):
        for number in range(self.num_frames):
            yield Frame(number, number / self.frame_rate, None)


def _choose(data, clip, path):
    if clip is None and len(data) == 1:
        return 0
    if clip in data.names:
        return data.names.index(clip)
    names = ", ".join(data.names[:5]) + (", ..." if len(data) > 5 else "")
    raise ValueError(
        f"{str(path)!r} holds {len(data)} clips: {names}. Choose one by its "
        f"name: clip=. Received: {clip!r}"
    )


def _frames_first(clip):
    return np.swapaxes(np.asarray(clip, "float32"), 0, 1)
