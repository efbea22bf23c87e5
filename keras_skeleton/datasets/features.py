"""Frames of clips beside their skeletons: arrays of any form, and videos."""

import pathlib
import re

import numpy as np

from keras_skeleton.datasets import _checks
from keras_skeleton.datasets import _decoding

VIDEOS = (".avi", ".mp4", ".mov", ".mkv", ".webm", ".mpg", ".mpeg", ".m4v")


class Features:
    """Clips of frames of one form: features, pictures, depth, point clouds.

    It has the face of `Sequences` as far as frames go, and is joined with
    them by `Aligned`.

    Args:
        arrays: Dict from the name of a clip to its frames, an array
            `(T, ...)`: features `(T, D)`, pictures `(T, H, W, C)`, depth maps
            `(T, H, W)` or `(T, H, W, 1)`, point clouds `(T, P, 3)`. Arrays
            may lie in files (`numpy.load(path, mmap_mode="r")`).
        skipped: List of `(name, reason)` of clips that were left out.

    Raises:
        ValueError: If there are no clips, a clip has no frames, or frames
            differ in form.

    Example:

    >>> features = Features({"a": np.zeros((30, 512)), "b": np.ones((9, 512))})
    >>> features
    Features(2 clips of 9 to 30 frames of shape (512,))
    """

    def __init__(self, arrays, skipped=()):
        if not arrays:
            raise ValueError("There are no clips. Received an empty dict.")
        self.names = [str(name) for name in arrays]
        self.skipped = list(skipped)
        self._clips = [
            clip if hasattr(clip, "shape") else np.asarray(clip)
            for clip in arrays.values()
        ]
        self.lengths = np.array([len(clip) for clip in self._clips], "int64")
        shapes = [tuple(clip.shape[1:]) for clip in self._clips]
        for name, length, shape in zip(
            self.names, self.lengths, shapes, strict=True
        ):
            if not length or shape != shapes[0]:
                raise ValueError(
                    f"The clip {name!r} has {length} frames of shape {shape}; "
                    f"expected one or more of the shape {shapes[0]} of the "
                    "first clip."
                )
        self.frame_shape = shapes[0]

    @classmethod
    def from_folder(cls, folder, pattern="*.npy"):
        """Reads the `.npy` files of a folder, without loading their frames.

        Args:
            folder: The folder.
            pattern: Which files; the name of a clip is that of its file
                without the ending.

        Raises:
            ValueError: If no file can be read; what cannot is left out, and
                named in `skipped`.
        """
        arrays, skipped = {}, []
        for path in sorted(pathlib.Path(folder).glob(pattern)):
            try:
                arrays[path.stem] = np.load(
                    path, mmap_mode="r", allow_pickle=False
                )
            except (OSError, ValueError) as error:
                skipped.append((path.name, str(error)))
        if not arrays:
            raise ValueError(
                f"No file {pattern!r} of {str(folder)!r} could be read. "
                f"{skipped[0] if skipped else 'There is none.'}"
            )
        return cls(arrays, skipped)

    def __len__(self):
        return len(self.names)

    def __repr__(self):
        return (
            f"{type(self).__name__}({len(self)} clips of {min(self.lengths)} "
            f"to {max(self.lengths)} frames of shape {self.frame_shape})"
        )

    def select(self, indices):
        """Returns the given clips, in the given order.

        Args:
            indices: List of clip numbers, or one boolean for each clip.
        """
        indices = _checks.check_indices(indices, len(self))
        selection = object.__new__(type(self))
        selection.__dict__.update(self.__dict__)
        selection.names = [self.names[index] for index in indices]
        selection.lengths = self.lengths[indices]
        selection._clips = [self._clips[index] for index in indices]
        return selection

    def clip(self, index):
        """All frames of a clip, `(T, ...)`."""
        return self.take(index, np.arange(self.lengths[index]))

    def take(self, index, frames):
        """Some frames of a clip.

        Args:
            index: Number of the clip.
            frames: int `(K,)`, numbers of frames, in any order.

        Returns:
            Array `(K, ...)`.
        """
        return np.asarray(self._clips[index][frames])

    def take_frames(self, indices, frames):
        """Some frames of several clips.

        Args:
            indices: Numbers `(N,)` of the clips.
            frames: int `(N, K)`, numbers of frames of each.

        Returns:
            Array `(N, K, ...)`.
        """
        return np.stack(
            [
                self.take(index, own)
                for index, own in zip(indices, frames, strict=True)
            ]
        )


class Videos(Features):
    """Clips in video files or folders of pictures, decoded when needed.

    Files are decoded by PyAV (`pip install keras-skeleton[video]`), pictures
    by Pillow. Depth maps as 16-bit pictures keep their numbers.

    Args:
        files: Dict from the name of a clip to its file, or to the folder with
            its pictures, which are taken in the order of the numbers in their
            names.
        size: `(H, W)` to which frames are resized, or `None` to leave them:
            all must then have one size.
        skipped: List of `(name, reason)` of clips that were left out before.

    Attributes:
        skipped: List of `(name, reason)` of what could not be read.

    Raises:
        ValueError: If none of the files can be read.
        ImportError: If the library is missing.

    Example:

    ```python
    videos = Videos.from_folder("nturgb+d_rgb", size=(224, 224))
    data = Aligned(skeletons=ntu.load_data("skeletons.zip"), video=videos)
    ```
    """

    def __init__(self, files, size=None, skipped=()):
        if size is not None and (len(size) != 2 or min(size) < 1):
            raise ValueError(
                "`size` must be the height and width of frames in pixels. "
                f"Received: {size}"
            )
        self.size = None if size is None else tuple(map(int, size))
        readable, skipped = {}, list(skipped)
        for name, path in files.items():
            path = pathlib.Path(path)
            kind = _Folder if path.is_dir() else _File
            try:
                readable[name] = kind(path, self.size)
            except (OSError, ValueError) as error:
                skipped.append((str(name), f"{path.name}: {error}"))
        if not readable:
            raise ValueError(
                f"None of {len(files)} videos can be read. The first: "
                f"{skipped[0] if skipped else 'there is none'}"
            )
        super().__init__(readable, skipped)

    @classmethod
    def from_folder(cls, folder, pattern="*", size=None):
        """The videos, and folders of pictures, in a folder.

        Args:
            folder: The folder.
            pattern: Which of them. The name of a clip is that of its file
                without the ending; of NTU RGB+D also without what follows
                the action, as in `S001C001P001R001A001_rgb.avi`.
            size: See `Videos`.
        """
        files, folder = {}, pathlib.Path(folder)
        if not folder.is_dir():
            raise FileNotFoundError(f"There is no folder {str(folder)!r}.")
        for path in sorted(folder.glob(pattern)):
            if path.is_dir() or path.suffix.lower() in VIDEOS:
                name = path.stem if path.is_file() else path.name
                files[re.sub(r"(A\d{3})_(rgb|ir|depth)$", r"\1", name)] = path
        if not files:
            raise ValueError(
                f"There are no videos and no folders of pictures {pattern!r} "
                f"in {str(folder)!r}. Videos end in {', '.join(VIDEOS)}."
            )
        return cls(files, size)


class _Folder:
    """Pictures of one clip."""

    def __init__(self, path, size):
        self.size = size
        self.files = _decoding.pictures_of(path)
        self.shape = (len(self.files), *self[[0]].shape[1:])

    def __len__(self):
        return len(self.files)

    def __getitem__(self, frames):
        from PIL import Image

        pictures = []
        for frame in frames:
            with Image.open(self.files[frame]) as picture:
                if picture.mode in ("P", "RGBA", "CMYK"):
                    picture = picture.convert("RGB")
                is_depth = picture.mode.startswith(("I", "F"))
                if self.size is not None and picture.size != self.size[::-1]:
                    # Between depths there is nothing to be mixed.
                    how = Image.NEAREST if is_depth else Image.BILINEAR
                    picture = picture.resize(self.size[::-1], how)
                pictures.append(np.asarray(picture))
        return np.stack(pictures)


class _File:
    """One video file."""

    def __init__(self, path, size):
        self.path, self.size = path, size
        count, first = 0, None
        for picture in _decoding.decode(path):
            if first is None:
                first = picture
            count += 1
        if first is None:
            raise ValueError("it has no frames")
        self.shape = (count, *_decoding.to_picture(first).shape)
        if size is not None:
            self.shape = (count, *size, 3)

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, frames):
        frames = np.asarray(frames)
        wanted = set(frames.tolist())
        last, found = max(wanted), {}
        for number, picture in enumerate(_decoding.decode(self.path)):
            if number in wanted:
                found[number] = _decoding.to_picture(picture, self.size)
            if number >= last:
                break
        return np.stack([found[frame] for frame in frames.tolist()])
