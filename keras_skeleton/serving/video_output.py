"""The video again, with skeletons and labels; the interactive page."""

import contextlib
import fractions
import pathlib

import numpy as np

from keras_skeleton import _outputs
from keras_skeleton import drawing
from keras_skeleton._progress import Progress
from keras_skeleton.datasets import _decoding

# A GIF holds every picture whole: small and slow enough to be passed on.
GIF_WIDTH, GIF_RATE = 480, 10.0
# Where there are poses and no video.
EMPTY_SIZE = (640, 480)
MOST_PAGE_FRAMES = 3000
ENDINGS = (".mp4", ".gif")


def check_ending(path):
    """Raises an error unless a video can be written under that name."""
    if pathlib.Path(path).suffix.lower() not in ENDINGS:
        raise ValueError(
            f"A video is written to a file that ends in {' or '.join(ENDINGS)}"
            f". Received: {str(path)!r}"
        )


def write_video(path, prediction, frames, verbose=0):
    """Writes the frames of a video with what was found in them.

    The frames are read a second time and keep their times; there is no
    sound. A `.gif` gets at most 10 frames per second, 480 pixels wide.

    Args:
        path: Path that ends in `.mp4` or `.gif`; replaced if it is there.
        prediction: The `VideoPrediction`.
        frames: Where the frames come from, as in `predict_video`.
        verbose: 1 for a progress bar.
    """
    path = pathlib.Path(path)
    check_ending(path)
    write = _write_gif if path.suffix.lower() == ".gif" else _write_mp4
    pictures = _drawn(prediction, frames, verbose)
    with _outputs.replacing(path, keep_ending=True) as part:
        write(part, pictures, prediction)


def _drawn(prediction, frames, verbose):
    """Yields the time and the picture of each frame."""
    painter = Painter(prediction)
    progress = contextlib.nullcontext()
    if verbose:
        progress = Progress(prediction.num_frames, "drawn frame", pace=True)
    with progress:
        for frame in frames:
            yield frame.time, painter(frame)
            if verbose:
                progress.add(1)


class Painter:
    """Draws what was found over the frames of a video.

    Args:
        prediction: The `VideoPrediction`.
    """

    def __init__(self, prediction):
        self._prediction = prediction
        self._at = {}
        for track in prediction.tracks:
            for time, person in zip(track.times, track.people, strict=True):
                self._at.setdefault(time, []).append((track.number, person))

    def __call__(self, frame):
        """The picture of a frame, uint8 `(H, W, 3)`."""
        prediction = self._prediction
        found = self._at.get(float(frame.time), [])
        image = frame.image
        if image is None:
            image = tuple(prediction.size or EMPTY_SIZE)
        return drawing.draw_over(
            image,
            [person.joints for _, person in found],
            prediction.skeleton,
            [person.scores for _, person in found],
            [self._text(number, frame.time) for number, _ in found],
            [number for number, _ in found],
        )

    def _text(self, number, time):
        segment = self._prediction.label_at(number, time)
        if segment is None or segment.name is None:
            return f"{number}"
        return f"{number}: {segment.name} {segment.score:.2f}"


def _write_mp4(path, pictures, prediction):
    av = _decoding.import_av()
    codec = "libx264" if "libx264" in av.codecs_available else "mpeg4"
    rate = fractions.Fraction(prediction.frame_rate).limit_denominator(1000)
    with av.open(str(path), "w") as container:
        # Fast, and larger by a little.
        options = {"preset": "veryfast"} if codec == "libx264" else {}
        stream = container.add_stream(codec, rate=rate, options=options)
        stream.pix_fmt = "yuv420p"
        # Milliseconds, so that frames keep uneven times.
        stream.codec_context.time_base = fractions.Fraction(1, 1000)
        size, last = None, -1
        for time, picture in pictures:
            if size is None:
                size = tuple(side - side % 2 for side in picture.shape[:2])
                stream.height, stream.width = size
            frame = av.VideoFrame.from_ndarray(
                np.ascontiguousarray(_fitted(picture, size)), format="rgb24"
            )
            last = max(round(1000 * time), last + 1)
            frame.pts, frame.time_base = last, fractions.Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _fitted(picture, size):
    """The picture without its last row and column where sizes are odd."""
    height, width = size
    if picture.shape[0] < height or picture.shape[1] < width:
        whole = np.zeros((height, width, 3), "uint8")
        whole[: picture.shape[0], : picture.shape[1]] = picture[:height, :width]
        return whole
    return picture[:height, :width]


def _write_gif(path, pictures, prediction):
    from PIL import Image

    def thinned():
        due = 0.0
        for time, picture in pictures:
            if time < due - 1e-3:
                continue
            due = max(due + 1 / GIF_RATE, time)
            image = Image.fromarray(picture)
            if image.width > GIF_WIDTH:
                high = round(image.height * GIF_WIDTH / image.width)
                image = image.resize((GIF_WIDTH, max(high, 1)))
            yield image.quantize(128)

    images = thinned()
    next(images).save(
        path,
        save_all=True,
        append_images=images,
        duration=round(1000 / min(GIF_RATE, prediction.frame_rate)),
        loop=0,
    )


def why_no_page(prediction):
    """Why a prediction cannot be shown on a page; empty if it can."""
    count, people = len(_page_times(prediction)), len(prediction.tracks)
    if not people:
        return "Nobody was seen who could be shown on a page."
    if count * people > MOST_PAGE_FRAMES:
        return (
            f"The page would hold {count} frames of {people} persons; "
            f"it has room for {MOST_PAGE_FRAMES} in all. Write a video "
            "instead: output='out.mp4'."
        )
    return ""


def _page_times(prediction):
    rate = min(prediction.frame_rate, 30.0)
    return np.arange(int(prediction.duration * rate) + 1) / rate


def write_page(path, prediction):
    """Writes the interactive page of all persons, see `drawing.write_page`.

    Raises:
        ValueError: If there is nobody, or the video is longer than such a
            page can hold.
    """
    if reason := why_no_page(prediction):
        raise ValueError(reason)
    times, tracks = _page_times(prediction), prediction.tracks
    count = len(times)
    joints = prediction.skeleton.num_joints
    clip = np.zeros((len(tracks), count, joints, 2), "float32")
    for row, track in zip(clip, tracks, strict=True):
        there = (times >= track.start) & (times <= track.end)
        row[there] = track.at(times[there])[0]
    drawing.write_page(
        path,
        clip,
        prediction.skeleton,
        title=pathlib.Path(prediction.source or "Poses").name,
        prediction="; ".join(
            f"person {each.person}, {each.start:.1f}-{each.end:.1f} s: "
            f"{each.name or 'unsure'}"
            for each in prediction.segments[:12]
        ),
        frame_rate=min(prediction.frame_rate, 30.0),
        up="-y",
    )
