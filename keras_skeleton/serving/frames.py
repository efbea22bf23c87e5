"""Frames with their times: of a video file, a folder or a camera."""

import pathlib
import typing

import numpy as np

from keras_skeleton.datasets import _decoding


class Frame(typing.NamedTuple):
    """A frame of a source.

    Attributes:
        number: Its number, from 0.
        time: Seconds since the first frame.
        image: uint8 array `(H, W, 3)`, red, green, blue; or `None` where
            there are poses but no pictures.
    """

    number: int
    time: float
    image: np.ndarray | None


class VideoFile:
    """The frames of a video file, at the times that the file names.

    Frames are turned as the file says. What follows a place where the file
    is broken is left out, and told in `notes`.

    Args:
        path: The file.

    Attributes:
        num_frames: How many frames there should be, or `None`.
        frame_rate: Frames per second in the mean.
        notes: list of texts, complete after the last frame.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If no frame can be decoded.
    """

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.notes = []
        if not self.path.is_file():
            raise FileNotFoundError(f"There is no video {str(path)!r}.")
        av = _decoding.import_av()
        try:
            with av.open(str(self.path)) as container:
                if not container.streams.video:
                    raise ValueError(f"{self.path.name} holds no video.")
                stream = container.streams.video[0]
                self.frame_rate = float(stream.average_rate or 30)
                self.num_frames = stream.frames or None
                if self.num_frames is None and container.duration:
                    seconds = container.duration / av.time_base
                    self.num_frames = round(seconds * self.frame_rate)
        except av.error.FFmpegError as error:
            raise ValueError(
                f"{self.path.name} is no video that can be read: {error}"
            ) from error

    def __iter__(self):
        first = last = None
        number = 0
        self.notes.clear()
        frames = _decoding.decode(self.path)
        while True:
            try:
                frame = next(frames, None)
            except ValueError as error:
                if number:
                    self.notes.append(
                        f"{self.path.name} is broken after {number} frames; "
                        "the rest was left out."
                    )
                    return
                raise ValueError(f"{self.path.name}: {error}") from error
            if frame is None:
                break
            time = frame.time
            if time is None:
                time = 0.0 if last is None else last + 1 / self.frame_rate
            first = time if first is None else first
            if last is not None and time <= last:
                # A time that stands still or goes back tells nothing.
                time = last + 0.5 / self.frame_rate
            last = time
            yield Frame(number, time - first, _decoding.to_picture(frame))
            number += 1
        if not number:
            raise ValueError(f"{self.path.name} has no frames.")
        if self.num_frames and number < 0.9 * self.num_frames:
            self.notes.append(
                f"{self.path.name} ends after {number} of {self.num_frames} "
                "frames."
            )


class Pictures:
    """The frames of a folder of pictures, by the numbers in their names.

    Args:
        folder: The folder.
        frame_rate: Frames per second at which they were taken.

    Attributes: As `VideoFile`.
    """

    def __init__(self, folder, frame_rate=30.0):
        self.path = pathlib.Path(folder)
        self.frame_rate = float(frame_rate)
        self.notes = []
        try:
            self._files = _decoding.pictures_of(self.path)
        except ValueError as error:
            raise ValueError(f"{str(folder)!r}: {error}.") from error
        self.num_frames = len(self._files)

    def __iter__(self):
        from PIL import Image

        self.notes.clear()
        for number, file in enumerate(self._files):
            try:
                with Image.open(file) as picture:
                    image = np.array(picture.convert("RGB"))
            except OSError as error:
                self.notes.append(f"{file.name} was left out: {error}")
                continue
            yield Frame(number, number / self.frame_rate, image)


def open_source(source, frame_rate=30.0):
    """The frames of a file or folder, or of an own source of `Frame`.

    Args:
        source: Path of a video or of a folder of pictures; or an object with
            the attributes of `VideoFile` that yields `Frame`.
        frame_rate: Frames per second of a folder of pictures.
    """
    if not isinstance(source, str | pathlib.PurePath):
        return source
    path = pathlib.Path(source)
    return Pictures(path, frame_rate) if path.is_dir() else VideoFile(path)
