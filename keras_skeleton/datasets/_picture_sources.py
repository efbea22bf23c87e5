"""Where the pictures of one clip come from: a folder, a video, raw numbers.

A source has a `shape` `(T, ...)`, gives some frames by `source[frames]` and
all of them, one after another, when it is iterated: the same ones, so that
what is stored is what would be decoded.
"""

import os
import pathlib

import numpy as np

from keras_skeleton.datasets import _decoding


def open_source(path, size=None):
    """The source of what a clip is made of.

    Args:
        path: Path of a video file or of a folder of pictures, a list of paths
            of pictures in their order, a source, or the `ValueError` that
            says why there is none.
        size: `(H, W)` to resize frames to, or `None`.

    Raises:
        ValueError: If nothing can be read from it.
        OSError: If it is not there.
    """
    if isinstance(path, ValueError):
        raise path
    if isinstance(path, (list, tuple)):
        return PictureFiles(path, size)
    if not isinstance(path, (str, os.PathLike)):
        return path if size is None else path.resized(size)
    path = pathlib.Path(path)
    if path.is_dir():
        return PictureFiles(_decoding.pictures_of(path), size)
    return VideoFile(path, size)


def iterate(path, size=None):
    """All frames of what `open_source` takes, in one pass."""
    if isinstance(path, (str, os.PathLike)) and not os.path.isdir(path):
        # The source would decode it once before, to count.
        return decoded(path, size)
    return iter(open_source(path, size))


class PictureFiles:
    """Pictures of one clip, in the given order.

    Args:
        files: List of paths.
        size: `(H, W)` or `None`.
    """

    def __init__(self, files, size=None):
        self.size = size
        self.files = [pathlib.Path(each) for each in files]
        if not self.files:
            raise ValueError("it holds no pictures")
        self.shape = (len(self.files), *self[[0]].shape[1:])

    def __len__(self):
        return len(self.files)

    def __getitem__(self, frames):
        return np.stack([self._read(self.files[frame]) for frame in frames])

    def __iter__(self):
        return map(self._read, self.files)

    def _read(self, path):
        from PIL import Image

        try:
            with Image.open(path) as picture:
                return to_array(picture, self.size)
        except (OSError, SyntaxError, ValueError) as error:
            raise ValueError(f"{path.name!r}: {error}") from error


def to_array(picture, size=None):
    """The numbers of a Pillow picture.

    Returns:
        uint8 `(H, W, 3)`, or of one channel `(H, W)` in the type of the file:
        depth maps keep their 16 bits.
    """
    from PIL import Image

    if picture.mode in ("P", "RGBA", "CMYK", "1", "LA", "YCbCr"):
        picture = picture.convert("RGB")
    is_depth = picture.mode.startswith(("I", "F"))
    if size is not None and picture.size != tuple(size)[::-1]:
        # Between depths there is nothing to be mixed.
        how = Image.NEAREST if is_depth else Image.BILINEAR
        picture = picture.resize(tuple(size)[::-1], how)
    array = np.asarray(picture)
    if is_depth and array.dtype == np.int32:
        # Older Pillow gives the 16 bits of a PNG as whole numbers of 32.
        if array.size and 0 <= array.min() and array.max() < 1 << 16:
            array = array.astype("uint16")
    return array


class VideoFile:
    """One video file, decoded by PyAV. Frames are counted as they are decoded.

    Args:
        path: Path of the file.
        size: `(H, W)` or `None`.
    """

    def __init__(self, path, size=None):
        self.path, self.size = path, size
        count, shape = 0, None
        for frame in decoded(path, size):
            count, shape = count + 1, frame.shape
        self.shape = (count, *shape)

    def __len__(self):
        return self.shape[0]

    def __iter__(self):
        return decoded(self.path, self.size)

    def __getitem__(self, frames):
        frames = np.asarray(frames).tolist()
        found = {
            number: picture
            for number, picture in decoded(self.path, self.size, set(frames))
        }
        if lost := set(frames) - set(found):
            raise ValueError(
                f"{os.fspath(self.path)!r} has changed: frame {min(lost)} of "
                f"{len(self)} cannot be decoded any more."
            )
        return np.stack([found[frame] for frame in frames])


def decoded(path, size=None, wanted=None):
    """Decodes a video.

    Args:
        path: Path of the file.
        size: `(H, W)` or `None`.
        wanted: Set of the numbers of the frames to give; all by default.

    Yields:
        uint8 arrays `(H, W, 3)`; with `wanted` pairs of number and array.

    Raises:
        ValueError: If it is no video, has no frames, or is damaged.
    """
    last = None if wanted is None else max(wanted, default=-1)
    count = 0
    for frame in _decoding.decode(path):
        if wanted is None:
            yield _decoding.to_picture(frame, size)
        elif count in wanted:
            yield count, _decoding.to_picture(frame, size)
        count += 1
        if last is not None and count > last:
            return
    if not count:
        raise ValueError("it has no frames")


class RawDepth:
    """Depth maps that lie one behind another in a file, without a header.

    Args:
        path: Path of the file.
        frames: int `(T,)`, which of them are the clip; -1 for a map of zeros,
            of an instant without one.
        height: Rows of a map.
        width: Columns of a map.
        is_mirrored: Whether columns are stored from right to left.
        size: `(H, W)` to resize to, or `None`.

    Maps are uint16, their numbers little-endian.
    """

    def __init__(
        self, path, frames, height, width, is_mirrored=False, size=None
    ):
        self.path, self.frames = path, np.asarray(frames, "int64")
        self.form, self.is_mirrored = (height, width), is_mirrored
        self.size = self.form if size is None else tuple(size)
        count, rest = divmod(os.path.getsize(path), 2 * height * width)
        if rest or not count or self.frames.max(initial=-1) >= count:
            raise ValueError(
                f"it has {os.path.getsize(path)} bytes; expected a whole "
                f"number of maps of {height} x {width} numbers of two bytes, "
                f"at least {self.frames.max(initial=-1) + 1}"
            )
        self.shape = (len(self.frames), *self.size)

    def resized(self, size):
        """The same with another size."""
        return RawDepth(
            self.path, self.frames, *self.form, self.is_mirrored, size
        )

    def __len__(self):
        return len(self.frames)

    def __iter__(self):
        return (self[[frame]][0] for frame in range(len(self)))

    def __getitem__(self, frames):
        maps = np.zeros((len(frames), *self.form), "uint16")
        stored = np.memmap(self.path, "<u2", "r").reshape(-1, *self.form)
        for place, frame in enumerate(self.frames[np.asarray(frames)]):
            if frame >= 0:
                maps[place] = stored[frame]
        if self.is_mirrored:
            maps = maps[:, :, ::-1]
        if self.size == self.form:
            return maps
        # The nearest number, since between depths there is nothing.
        rows, columns = (
            (np.arange(new) * 2 + 1) * old // (2 * new)
            for new, old in zip(self.size, self.form, strict=True)
        )
        return maps[:, rows[:, None], columns]
