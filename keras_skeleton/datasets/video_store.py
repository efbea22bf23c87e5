"""One file of decoded, resized pictures: videos and depth maps made ready.

Decoding a video up to the frames of a batch costs far more than the batch.
The store keeps every frame as a small picture of its own, so that any frame
is read at once. PNG keeps all numbers, so frames are exactly those of lazy
decoding; JPEG is smaller and changes them slightly.
"""

import dataclasses
import io
import json
import os
import pickle
import shutil
import zlib

import h5py
import numpy as np

from keras_skeleton import _outputs
from keras_skeleton import _progress
from keras_skeleton._types import PathLike
from keras_skeleton.datasets import _picture_sources
from keras_skeleton.datasets import _unfinished
from keras_skeleton.datasets.files import hdf5

FORMAT = "keras_skeleton videos"
VERSION = 1
ENCODINGS = ("png", "jpeg")
CHUNK = 1 << 18
# Bytes that are copied at once.
PIECE = 1 << 24
# Clips of a part, which are decoded anew after a stop.
CLIPS_AT_ONCE = 32


@dataclasses.dataclass
class Report:
    """What `prepare` did.

    Attributes:
        path: File written.
        num_clips: Clips in it.
        num_frames: Frames of all clips.
        frame_shape: `(H, W, 3)`, or `(H, W)` of one channel.
        skipped: List of `(name, reason)` of clips that were left out.
        num_resumed: Clips that an earlier, stopped run had been through.
    """

    path: str
    num_clips: int
    num_frames: int
    frame_shape: tuple
    skipped: list
    num_resumed: int = 0


def prepare(
    files: dict,
    path: PathLike,
    size=None,
    encoding="png",
    quality=95,
    *,
    skipped=(),
    progress=False,
    overwrite=False,
) -> Report:
    """Decodes videos, folders of pictures or depth maps into one file.

    Each is decoded once, from its first frame to its last. What cannot be
    decoded to its end is left out as a whole and named in the report.
    Finished work is kept in the folder `<path>.parts` until the store is
    complete: a run that was stopped goes on there when it is started again.
    The store is written there and moved, so that it is never half written.

    Args:
        files: Dict from the name of a clip to what `Videos` takes.
        path: The `.h5` file to write.
        size: `(H, W)` of the frames; by default they stay as they are, and
            all must have one size.
        encoding: `"png"` or `"jpeg"`, see `Videos.save`.
        quality: Of JPEG, from 1 to 100.
        skipped: Pairs `(name, reason)` of what was left out before.
        progress: Whether to show how far it is.
        overwrite: Whether a file that is there may be replaced.

    Returns:
        A `Report`.

    Raises:
        FileExistsError: If the file is there, without `overwrite`.
        ValueError: If no clip can be used, or an argument is out of range.

    Example:

    >>> files = find_videos("nturgb+d_rgb")
    >>> report = prepare(files, "ntu60_video.h5", size=(224, 224))
    """
    path = os.fspath(path)
    size = _check_size(size)
    if encoding not in ENCODINGS or not 1 <= quality <= 100:
        raise ValueError(
            "`encoding` must be 'png' or 'jpeg' and `quality` from 1 to 100. "
            f"Received: {encoding!r} and {quality}"
        )
    if os.path.exists(path) and not overwrite:
        raise FileExistsError(
            f"{path!r} is there already. Pass overwrite=True (--overwrite) to "
            "replace it."
        )
    _outputs.check({"`path`": path})
    settings = size, encoding, quality
    folder = _unfinished.open_parts(
        f"{path}.parts",
        _unfinished.fingerprint_of(
            [VERSION, CLIPS_AT_ONCE, settings, *map(_identity, files.items())]
        ),
    )
    parts, resumed, form = [], 0, None
    items = list(files.items())
    with _progress.Progress(len(items), "clip") as shown:
        for start in range(0, len(items), CLIPS_AT_ONCE):
            chunk = items[start : start + CLIPS_AT_ONCE]
            part = folder / f"part_{start // CLIPS_AT_ONCE:06d}.h5"
            step = (lambda: shown.add(1)) if progress else None
            if part.exists():
                resumed += len(chunk)
                if progress:
                    shown.add(len(chunk))
            else:
                with (
                    _outputs.replacing(part) as unfinished,
                    h5py.File(unfinished, "w") as file,
                ):
                    _write(file, chunk, settings, form, step)
            parts.append(part)
            form = _form_of(part) or form
    try:
        # In that folder, so that nothing else is left after a stop.
        whole = folder / "whole.h5"
        with h5py.File(whole, "w") as file:
            report = _join(file, parts, list(skipped))
        os.replace(whole, path)
    finally:
        shutil.rmtree(folder)
    report.path, report.num_resumed = path, resumed
    return report


def _identity(item):
    """What tells the source of a clip from another."""
    name, source = item
    if isinstance(source, (str, os.PathLike)):
        exists = os.path.exists(source)
        state = _unfinished.state_of(source) if exists else None
        return name, os.fspath(source), state
    if isinstance(source, (list, tuple)):
        return name, *(_identity(("", each)) for each in source)
    return name, zlib.crc32(pickle.dumps(source))


def _check_size(size):
    if size is None:
        return None
    try:
        height, width = map(int, size)
    except (TypeError, ValueError):
        height = width = 0
    if min(height, width) < 1:
        raise ValueError(
            "`size` must be the height and width of frames in pixels, such as "
            f"[224, 224]. Received: {size!r}"
        )
    return height, width


def _write(file, items, settings, form, step):
    """Writes a part: the clips `items` in the form of those before."""
    data = _new_data(file)
    names, lengths, ends, checksums, skipped = [], [], [], [], []
    start = 0
    for name, source in items:
        if step is not None:
            step()
        try:
            frames, own = _encode_clip(source, *settings)
            if form is not None and own != form:
                raise ValueError(
                    f"its frames are {_words(own)}, those of the clips "
                    f"before are {_words(form)}; pass a `size`"
                )
        except (OSError, ValueError) as error:
            skipped.append((str(name), str(error)))
            continue
        form = own
        joined = b"".join(frames)
        data.resize(start + len(joined), axis=0)
        data[start:] = np.frombuffer(joined, "uint8")
        ends.append(start + np.cumsum([len(each) for each in frames]))
        names.append(str(name))
        lengths.append(len(frames))
        checksums.append(zlib.crc32(joined))
        start += len(joined)
    ends = np.concatenate(ends) if ends else []
    _finish(file, names, lengths, ends, checksums, skipped, form)


def _join(file, parts, skipped):
    """Copies the clips of all parts into the store."""
    data, start = _new_data(file), 0
    names, form = [], None
    lengths, ends, checksums = [], [], []
    for part in parts:
        with hdf5.open_file(part) as source:
            found = source["encoded"]
            data.resize(start + len(found), axis=0)
            for first in range(0, len(found), PIECE):
                piece = found[first : first + PIECE]
                data[start + first : start + first + len(piece)] = piece
            ends.append(start + source["ends"][:])
            lengths.append(source["lengths"][:])
            checksums.append(source["checksums"][:])
            names += _read_text(source, "names")
            skipped += map(tuple, _read_text(source, "skipped"))
            start += len(found)
        form = _form_of(part) or form
    if not names:
        raise ValueError(
            f"None of {len(skipped)} videos can be used. The first: "
            f"{skipped[0] if skipped else 'there is none'}"
        )
    lengths, ends, checksums = map(np.concatenate, (lengths, ends, checksums))
    _finish(file, names, lengths, ends, checksums, skipped, form)
    return Report("", len(names), int(lengths.sum()), form[0], skipped)


def _new_data(file):
    return file.create_dataset(
        "encoded", (0,), "uint8", maxshape=(None,), chunks=(CHUNK,)
    )


def _finish(file, names, lengths, ends, checksums, skipped, form):
    """Writes what is told of the frames."""
    file["ends"] = np.array(ends, "int64")
    file["lengths"] = np.array(lengths, "int64")
    file["checksums"] = np.array(checksums, "uint32")
    shape, kind = form or ((), None)
    file.attrs["description"] = json.dumps(
        {
            "format": FORMAT,
            "version": VERSION,
            "frame_shape": list(shape),
            "dtype": kind,
        }
    )
    # As data sets: lists of many names are too long for an attribute.
    for key, value in (("names", names), ("skipped", skipped)):
        text = json.dumps(value).encode()
        file[key] = np.frombuffer(text, "uint8")


def _read_text(file, key):
    return json.loads(bytes(hdf5.open_dataset(file, key)[:]))


def _form_of(part):
    """Shape and type of the frames of a part, `None` if it has none."""
    with hdf5.open_file(part) as file:
        description = json.loads(file.attrs["description"])
    shape = tuple(description["frame_shape"])
    return (shape, description["dtype"]) if shape else None


def _words(form):
    shape, kind = form
    return f"{' x '.join(map(str, shape))} {kind}"


def _encode_clip(source, size, encoding, quality):
    """The encoded frames of a clip, their shape and type."""
    frames, form = [], None
    for frame in _picture_sources.iterate(source, size):
        own = (tuple(frame.shape), str(frame.dtype))
        if own[1] not in ("uint8", "uint16"):
            raise ValueError(
                f"its numbers are {own[1]}; a store takes pictures of 8 bits "
                "and depth maps of 16 bits (millimetres, mostly)"
            )
        if form is not None and own != form:
            raise ValueError(
                f"frame {len(frames)} is {_words(own)}, those before are "
                f"{_words(form)}; pass a `size`"
            )
        form = own
        frames.append(_encode(frame, encoding, quality))
    if not frames:
        raise ValueError("it has no frames")
    return frames, form


def _encode(frame, encoding, quality):
    from PIL import Image

    buffer = io.BytesIO()
    picture = Image.fromarray(frame)
    if encoding == "jpeg" and frame.dtype == np.uint8:
        picture.save(buffer, "JPEG", quality=int(quality))
    else:
        # Little effort: a few percent more space, several times as fast.
        picture.save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()


class StoredClip:
    """The frames of one clip of a store.

    Args:
        store: The opened file.
        starts: int `(T,)`, where each frame begins.
        ends: int `(T,)`, where it ends.
    """

    def __init__(self, store, starts, ends):
        self.store, self.starts, self.ends = store, starts, ends
        self.shape = (len(starts), *store.frame_shape)

    def __len__(self):
        return len(self.starts)

    def __iter__(self):
        return (self[[frame]][0] for frame in range(len(self)))

    def __getitem__(self, frames):
        return np.stack([self._read(int(frame)) for frame in frames])

    def _read(self, frame):
        from PIL import Image

        content = self.store.read(self.starts[frame], self.ends[frame])
        try:
            with Image.open(io.BytesIO(content)) as picture:
                array = _picture_sources.to_array(picture)
        except (OSError, SyntaxError, ValueError) as error:
            raise ValueError(f"frame {frame} is damaged: {error}") from error
        if array.shape != self.shape[1:]:
            raise ValueError(
                f"frame {frame} has the shape {array.shape}, not "
                f"{self.shape[1:]}"
            )
        return array


class _Store:
    """The encoded frames of a file, which is opened in each process."""

    def __init__(self, path, frame_shape):
        self.path, self.frame_shape = path, frame_shape
        self._file = self._process = None

    def __getstate__(self):
        return {**self.__dict__, "_file": None, "_process": None}

    def read(self, start, end):
        # A handle must not be shared by processes that were forked.
        if self._process != os.getpid():
            self._file = hdf5.open_file(self.path)
            self._process = os.getpid()
        return self._file["encoded"][start:end].tobytes()


def open_clips(path):
    """The clips of a store by name, and what had been left out.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no store of videos, or damaged.
    """
    path = os.fspath(path)
    description, names, skipped, lengths, ends, _ = _open(path)
    shape = tuple(description["frame_shape"])
    store = _Store(path, shape)
    starts = np.concatenate([[0], ends[:-1]])
    stops = np.cumsum(lengths)
    clips = {
        name: StoredClip(
            store, starts[stop - length : stop], ends[stop - length : stop]
        )
        for name, length, stop in zip(names, lengths, stops, strict=True)
    }
    return clips, skipped


def is_store(path: PathLike) -> bool:
    """Whether a file says that it is a store of videos."""
    try:
        with hdf5.open_file(path) as file:
            return FORMAT in str(file.attrs.get("description", ""))
    except (ValueError, *hdf5.ERRORS):
        return False


def find_damage(path):
    """Names of clips whose bytes are not those that were written."""
    _, names, _, lengths, ends, checksums = _open(path)
    stops = np.cumsum(lengths)
    firsts = stops - lengths
    starts = np.concatenate([[0], ends])
    with hdf5.open_file(path) as file:
        encoded = file["encoded"]
        return [
            name
            for name, first, stop, expected in zip(
                names, firsts, stops, checksums, strict=True
            )
            if zlib.crc32(encoded[starts[first] : ends[stop - 1]].tobytes())
            != expected
        ]


def _open(path):
    """Description, names, skipped, lengths, ends and checksums, checked."""
    path = os.fspath(path)
    try:
        with hdf5.open_file(path) as file:
            description = json.loads(file.attrs.get("description", "{}"))
            if (
                not isinstance(description, dict)
                or description.get("format") != FORMAT
                or description.get("version") != VERSION
            ):
                raise ValueError(
                    "it is no store of videos of this version; "
                    "`keras-skeleton prepare videos` writes one"
                )
            names, skipped = (
                _read_text(file, key) for key in ("names", "skipped")
            )
            lengths, ends, checksums = (
                hdf5.open_dataset(file, key)[:]
                for key in ("lengths", "ends", "checksums")
            )
            total = len(hdf5.open_dataset(file, "encoded"))
            shape = description.get("frame_shape")
    except FileNotFoundError:
        raise
    except hdf5.ERRORS as error:
        raise ValueError(f"{path!r}: {error}") from error
    is_sound = (
        isinstance(shape, list)
        and len(shape) in (2, 3)
        and all(isinstance(each, int) and each > 0 for each in shape)
        and lengths.dtype == ends.dtype == np.int64
        and lengths.ndim == ends.ndim == 1
        and len(names) == len(lengths) == len(checksums)
        and len(lengths) > 0
        and lengths.min() > 0
        and lengths.sum() == len(ends)
        and np.all(np.diff(ends, prepend=0) > 0)
        and ends[-1] == total
        and all(isinstance(name, str) for name in names)
    )
    if not is_sound:
        raise ValueError(f"{path!r}: its parts contradict each other")
    return (
        description,
        names,
        list(map(tuple, skipped)),
        lengths,
        ends,
        (checksums),
    )
