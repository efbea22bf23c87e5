"""Frames with their times: of a video file, a folder or a camera."""

import os
import pathlib
import threading
import time
import typing
from collections.abc import Iterator

import numpy as np

from keras_skeleton._types import PathLike
from keras_skeleton.datasets import _decoding
from keras_skeleton.serving import numbers

# Seconds without a frame after which a camera is gone.
LONGEST_WAIT = 5.0


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

    def __init__(self, path: PathLike):
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
                f"{self.path.name} is no video that can be read: {error}. If "
                "it was cut off, its index is lost, which most cameras write "
                "at the end of a file: copy it again."
            ) from error

    def __iter__(self) -> Iterator[Frame]:
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
            now = frame.time
            if now is None:
                now = 0.0 if last is None else last + 1 / self.frame_rate
            first = now if first is None else first
            if last is not None and now <= last:
                # A time that stands still or goes back tells nothing.
                now = last + 0.5 / self.frame_rate
            last = now
            yield Frame(number, now - first, _decoding.to_picture(frame))
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

    def __init__(self, folder: PathLike, frame_rate=30.0):
        numbers.check(frame_rate=frame_rate)
        self.path = pathlib.Path(folder)
        self.frame_rate = float(frame_rate)
        self.notes = []
        try:
            self._files = _decoding.pictures_of(self.path)
        except ValueError as error:
            raise ValueError(f"{str(folder)!r}: {error}.") from error
        self.num_frames = len(self._files)

    def __iter__(self) -> Iterator[Frame]:
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

    Raises:
        ValueError: If it is none of these.
    """
    if not isinstance(source, str | pathlib.PurePath):
        wanted = ("__iter__", "frame_rate", "num_frames", "notes", "path")
        if missing := [name for name in wanted if not hasattr(source, name)]:
            raise ValueError(
                "A video is the path of a file or folder, or an object as "
                f"`serving.frames.VideoFile`. Received: {type(source)}, "
                f"without {', '.join(missing)}."
            )
        return source
    path = pathlib.Path(source)
    return Pictures(path, frame_rate) if path.is_dir() else VideoFile(path)


class Camera:
    """The newest frames of a camera, by OpenCV.

    Frames that nobody had time for are left out, so what is seen is never
    late. Each iteration opens the camera anew.

    Args:
        device: Number of the camera from 0, or an address that OpenCV
            reads, such as `"rtsp://..."`.

    Attributes:
        frame_rate: Frames per second that the camera promises.

    Raises:
        ConnectionError: While iterating, where the camera cannot be opened
            or gives no more frames.
    """

    path, num_frames = None, None

    def __init__(self, device: int | str = 0):
        self.device = device
        self.frame_rate = 30.0
        self.notes = []

    def __iter__(self) -> Iterator[Frame]:
        # What is wrong is told here, once; OpenCV would at each try.
        os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
        try:
            import cv2
        except ImportError as error:
            raise ImportError(
                "Cameras are read by OpenCV: pip install "
                f'"keras-skeleton[pose]" ({error}).'
            ) from error
        capture = cv2.VideoCapture(self.device)
        newest = _Newest(capture)
        try:
            if not capture.isOpened():
                raise ConnectionError(
                    f"The camera {self.device!r} cannot be opened. Is it "
                    "there, and does no other program use it?"
                )
            rate = capture.get(cv2.CAP_PROP_FPS)
            if 1 <= rate <= 240:
                self.frame_rate = rate
            newest.start()
            number, start = 0, None
            while (found := newest.take()) is not None:
                taken, image = found
                start = taken if start is None else start
                image = np.ascontiguousarray(image[..., ::-1])
                yield Frame(number, taken - start, image)
                number += 1
            raise ConnectionError(
                f"The camera {self.device!r} gives no more frames."
            )
        finally:
            newest.stop()
            capture.release()


class _Newest(threading.Thread):
    """Reads a camera all the time and keeps the last frame only."""

    def __init__(self, capture):
        super().__init__(daemon=True)
        self._capture = capture
        self._condition = threading.Condition()
        self._found, self._ends = None, False

    def run(self):
        while not self._ends:
            is_there, image = self._capture.read()
            with self._condition:
                if is_there:
                    self._found = (time.monotonic(), image)
                else:
                    self._ends = True
                self._condition.notify()

    def take(self):
        """The time and picture of a frame that is new, `None` at the end."""
        with self._condition:
            # A driver may wait for ever for a camera that was unplugged.
            self._condition.wait_for(
                lambda: self._found or self._ends, LONGEST_WAIT
            )
            found, self._found = self._found, None
            return found

    def stop(self):
        self._ends = True
        if self.is_alive():
            self.join(LONGEST_WAIT)
