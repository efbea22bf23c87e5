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
        return PictureFiles(_numbered(path), size)
    return VideoFile(path, size)


def _numbered(folder):
    files = _decoding.pictures_of(folder)
    _decoding.check_numbers(files)
    return files


def iterate(path, size=None):
    """All frames of what `open_source` takes, in one pass."""
    if isinstance(path, (str, os.PathLike)) and not os.path.isdir(path):
        # The source would decode it once before, to count.
        return decoded(path, size)
    if isinstance(path, (str, os.PathLike)):
        path = _numbered(pathlib.Path(path))
    if isinstance(path, (list, tuple)):
        # All are about to be read.
        return iter(PictureFiles(path, size, check=False))
    return iter(open_source(path, size))


class PictureFiles:
    """Pictures of one clip, in the given order.

    Args:
        files: List of paths.
        size: `(H, W)` or `None`.
        check: Whether to look for damaged pictures, and for those of another
            form, at once. Every file is read.

    Raises:
        ValueError: If there are no pictures, or one cannot be used.
    """

    def __init__(self, files, size=None, check=True):
        self.size = size
        self.files = [pathlib.Path(each) for each in files]
        if not self.files:
            raise ValueError("it holds no pictures")
        self.shape = (len(self.files), *self[[0]].shape[1:])
        if check:
            forms = [self._check(path) for path in self.files]
            for path, form in zip(self.files, forms, strict=True):
                if form != forms[0]:
                    raise ValueError(
                        f"{path.name!r} is {form}, {self.files[0].name!r} is "
                        f"{forms[0]}"
                    )

    def __len__(self):
        return len(self.files)

    def __getitem__(self, frames):
        return np.stack([self._read(self.files[frame]) for frame in frames])

    def __iter__(self):
        return map(self._read, self.files)

    def _read(self, path):
        return _opened(path, lambda picture: to_array(picture, self.size))

    def _check(self, path):
        """Finds damage without unpacking where possible; size and type."""
        return _opened(path, self._form_of_whole)

    def _form_of_whole(self, picture):
        kind = picture.mode if picture.mode in ("L", "F") else "RGB"
        if picture.mode.startswith("I"):
            kind = "I"
        size = "" if self.size else "{1} x {0} ".format(*picture.size)
        if picture.format == "PNG":
            # By the checksums.
            picture.verify()
        else:
            # Of JPEG a small picture, which is faster.
            picture.draft(None, (1, 1))
            picture.load()
        return f"{size}{kind}"


def _opened(path, function):
    """What a function gives of the picture in a file."""
    from PIL import Image

    try:
        with Image.open(path) as picture:
            return function(picture)
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
            if shape not in (None, frame.shape):
                raise ValueError(
                    f"frame {count} has the shape {frame.shape}, those before "
                    f"have {shape}; pass a `size`"
                )
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
    # Some frames alone are taken of what was whole when it was opened.
    for frame in _decoding.decode(path, whole=wanted is None):
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
        return cut_nearest(maps, (0, 0, *self.form[::-1]), self.size)


def cut_nearest(pictures, box, size):
    """Cuts out a box; each pixel is the one that its middle falls into.

    For depth: between depths there is nothing.

    Args:
        pictures: Array `(K, H, W, ...)`.
        box: Left, top, right and bottom in pixels, within the picture.
        size: Rows and columns of what is returned.
    """
    left, top, right, bottom = box
    rows, columns = (
        np.clip(
            np.floor(low + (np.arange(new) + 0.5) * (high - low) / new), 0, last
        ).astype(int)
        for low, high, new, last in (
            (top, bottom, size[0], pictures.shape[1] - 1),
            (left, right, size[1], pictures.shape[2] - 1),
        )
    )
    return pictures[:, rows[:, None], columns]
