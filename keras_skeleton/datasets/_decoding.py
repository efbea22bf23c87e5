"""Frames out of video files and folders of pictures."""

import os
import re

import numpy as np

PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
# What a video may be shorter than it declares: a share, and some frames.
SLACK, FRAMES_OF_SLACK = 0.05, 2


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


def decode(path, whole=False):
    """Yields the frames of a video file, as PyAV gives them.

    Args:
        path: Path of the file.
        whole: Whether damage that the decoder gets over is an error, too:
            frames that it had to guess, and an end before the declared one.

    Raises:
        ValueError: Where the file cannot be decoded, or not any further.
    """
    av = import_av()
    try:
        with av.open(os.fspath(path)) as container:
            if not container.streams.video:
                raise ValueError("it holds no video")
            container.streams.video[0].thread_type = "AUTO"
            frames = container.decode(video=0)
            yield from _undamaged(frames, container) if whole else frames
    except av.error.EOFError:
        return
    except av.error.FFmpegError as error:
        raise ValueError(f"it cannot be decoded: {error}") from error


def _undamaged(frames, container):
    """The frames of a video, as long as they are whole and up to its end.

    Ends are compared as times, since there are videos whose frames come at
    irregular times, or some of which were dropped when they were recorded.
    """
    stream = container.streams.video[0]
    rate = float(stream.average_rate or stream.guessed_rate or 0)
    declared = _declared_seconds(container, stream, rate)
    count, times = 0, []
    for frame in frames:
        if frame.is_corrupt:
            raise ValueError(f"it is damaged at frame {count}")
        count += 1
        if frame.time is not None:
            times = [*times[:1], frame.time]
        yield frame
    if not rate or not count:
        return
    seconds = (times[-1] - times[0] if times else (count - 1) / rate) + 1 / rate
    if seconds < declared - max(SLACK * declared, FRAMES_OF_SLACK / rate):
        raise ValueError(
            f"it is cut off or damaged: of {declared:.2f} seconds that it "
            f"declares, {seconds:.2f} can be decoded ({count} frames)"
        )


def _declared_seconds(container, stream, rate):
    """How long a video says that it is, 0 where it says nothing."""
    found = [0.0]
    if stream.duration is not None:
        found.append(float(stream.duration * stream.time_base))
    # MP4 may have frames that are not to be shown; the duration knows it.
    if rate and "mp4" not in container.format.name:
        found.append(stream.frames / rate)
    # Matroska tells it of each stream in words.
    if match := re.fullmatch(
        r"(\d+):(\d\d):(\d\d(?:\.\d+)?)", stream.metadata.get("DURATION", "")
    ):
        hours, minutes, seconds = map(float, match.groups())
        found.append(3600 * hours + 60 * minutes + seconds)
    elif len(container.streams) == 1 and container.duration is not None:
        # Of several streams, sound may be longer.
        found.append(container.duration / 1e6)
    return max(found)


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
    files = sorted(filter(is_picture, folder.iterdir()), key=by_numbers)
    if not files:
        raise ValueError("it holds no pictures")
    return files


def check_numbers(files):
    """Checks that none of the numbered pictures of a clip is lacking.

    Their number is the first one in their names that is not the same in all.
    Numbers at other than whole steps, as of times, tell nothing.

    Args:
        files: List of paths, by number.

    Raises:
        ValueError: If pictures are lacking between others, or several have
            the same numbers.
    """
    numbers = [tuple(map(int, re.findall(r"\d+", path.stem))) for path in files]
    known = {}
    for path, own in zip(files, numbers, strict=True):
        if own and own in known:
            raise ValueError(
                f"it holds several pictures of one number, {known[own]!r} and "
                f"{path.name!r}; leave one series of pictures in it"
            )
        known[own] = path.name
    if len({len(own) for own in numbers}) > 1:
        return
    columns = [
        column for column in zip(*numbers, strict=True) if len(set(column)) > 1
    ]
    if not columns:
        return
    steps = np.diff(columns[0])
    step = max(steps.min(), 1)
    is_gap = steps > step
    if np.any(steps % step) or is_gap.mean() >= 0.5 or not is_gap.any():
        return
    place = int(is_gap.argmax())
    raise ValueError(
        f"{int((steps // step - 1).sum())} of its pictures are lacking, the "
        f"first between {files[place].name!r} and {files[place + 1].name!r}"
    )


def is_picture(path):
    """Whether the ending is that of a picture, and it is not hidden."""
    return path.suffix.lower() in PICTURES and not path.name.startswith(".")


def by_numbers(path):
    """Sorts `frame_10` behind `frame_9`."""
    parts = re.split(r"(\d+)", path.stem)
    return [int(part) if part.isdigit() else part for part in parts]
