"""Frames out of video files and folders of pictures."""

import os
import re

import numpy as np

PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")


def import_av():
    """The module of PyAV.

    Raises:
        ImportError: If it is missing.
    """
    try:
        import av
    except ImportError as error:
        raise ImportError(
            "Video files are read and written by PyAV: pip install "
            '"keras-skeleton[video]".'
        ) from error
    return av


def decode(path):
    """Yields the frames of a video file, as PyAV gives them.

    Raises:
        ValueError: Where the file cannot be decoded, or not any further.
    """
    av = import_av()
    try:
        with av.open(os.fspath(path)) as container:
            if not container.streams.video:
                raise ValueError("it holds no video")
            container.streams.video[0].thread_type = "AUTO"
            yield from container.decode(video=0)
    except av.error.EOFError:
        return
    except av.error.FFmpegError as error:
        raise ValueError(f"it cannot be decoded: {error}") from error


def to_picture(frame, size=None):
    """A frame of PyAV as it is to be seen: turned as the file says.

    Args:
        frame: The frame.
        size: `(H, W)` to resize to, or `None`.

    Returns:
        uint8 array `(H, W, 3)`.
    """
    turns = round(frame.rotation / 90) % 4
    if size is not None:
        height, width = size[::-1] if turns % 2 else size
        frame = frame.reformat(width, height)
    picture = frame.to_ndarray(format="rgb24")
    # Many libraries read views that are not contiguous wrongly.
    return np.ascontiguousarray(np.rot90(picture, turns))


def pictures_of(folder):
    """Paths of the pictures in a folder, by the numbers in their names.

    Raises:
        ValueError: If there are none.
    """
    files = sorted(filter(_is_picture, folder.iterdir()), key=_by_numbers)
    if not files:
        raise ValueError("it holds no pictures")
    return files


def _is_picture(path):
    return path.suffix.lower() in PICTURES and not path.name.startswith(".")


def _by_numbers(path):
    """Sorts `frame_10` behind `frame_9`."""
    parts = re.split(r"(\d+)", path.stem)
    return [int(part) if part.isdigit() else part for part in parts]
