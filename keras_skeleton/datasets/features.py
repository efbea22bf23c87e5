"""Frames of clips beside their skeletons: arrays of any form, and videos."""

import collections
import pathlib
import re
import typing

import numpy as np
from numpy.typing import ArrayLike

from keras_skeleton._types import PathLike
from keras_skeleton.datasets import _checks
from keras_skeleton.datasets import _picture_sources

if typing.TYPE_CHECKING:
    from keras_skeleton.datasets import video_store

VIDEOS = (".avi", ".mp4", ".mov", ".mkv", ".webm", ".mpg", ".mpeg", ".m4v")


class Features:
    """Clips of frames of one form: features, pictures, depth, point clouds.

    It has the face of `Sequences` as far as frames go, and is joined with
    them by `Aligned`.

    Args:
        arrays: Dict from the name of a clip to its frames, an array
            `(T, ...)`: features `(T, D)`, pictures `(T, H, W, C)`, depth maps
            `(T, H, W)` or `(T, H, W, 1)`, point clouds `(T, P, 3)`. Arrays
            may lie in files (`numpy.load(path, mmap_mode="r")`, data sets of
            h5py).
        skipped: List of `(name, reason)` of clips that were left out.

    Raises:
        ValueError: If there are no clips, a clip has no frames, or frames
            differ in form.

    Example:

    >>> features = Features({"a": np.zeros((30, 512)), "b": np.ones((9, 512))})
    >>> features
    Features(2 clips of 9 to 30 frames of shape (512,))
    """

    def __init__(self, arrays: dict, skipped=()):
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
    def from_folder(cls, folder: PathLike, pattern="*.npy") -> typing.Self:
        """Reads the `.npy` files of a folder, without loading their frames.

        Args:
            folder: The folder.
            pattern: Which files; the name of a clip is that of its file
                without the ending.

        Raises:
            ValueError: If no file can be read; what cannot, or has frames of
                another form than most, is left out, and named in `skipped`.
        """
        arrays, skipped = {}, []
        for path in sorted(pathlib.Path(folder).glob(pattern)):
            try:
                arrays[path.stem] = np.load(
                    path, mmap_mode="r", allow_pickle=False
                )
            except (OSError, ValueError) as error:
                skipped.append((path.name, str(error)))
        arrays = _of_one_form(arrays, skipped)
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

    def select(self, indices: ArrayLike) -> typing.Self:
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

    def clip(self, index: int) -> np.ndarray:
        """All frames of a clip, `(T, ...)`."""
        return self.take(index, np.arange(self.lengths[index]))

    def take(self, index: int, frames: ArrayLike) -> np.ndarray:
        """Some frames of a clip.

        Args:
            index: Number of the clip.
            frames: int `(K,)`, numbers of frames, in any order.

        Returns:
            Array `(K, ...)`.
        """
        clip = self._clips[index]
        try:
            if isinstance(clip, np.ndarray):
                return np.asarray(clip[frames])
            # Files of HDF5 give each frame once, in order; and others need
            # not be decoded twice.
            own, places = np.unique(
                np.asarray(frames, "int64"), return_inverse=True
            )
            return np.asarray(clip[own])[places.reshape(-1)]
        except (OSError, ValueError) as error:
            # What was there when it was opened.
            raise ValueError(
                f"Frames of the clip {self.names[index]!r} cannot be read: "
                f"{error}"
            ) from error

    def take_frames(self, indices: ArrayLike, frames: ArrayLike) -> np.ndarray:
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
        files: Dict from the name of a clip to its file; or to the folder with
            its pictures, which are taken in the order of the numbers in their
            names; or to a list of the paths of its pictures.
        size: `(H, W)` to which frames are resized, or `None` to leave them:
            clips of another size than most are then left out.
        skipped: List of `(name, reason)` of clips that were left out before.

    Attributes:
        skipped: List of `(name, reason)` of what could not be read.

    Every file is looked through when it is opened. Damaged clips are left
    out: videos that end 5 % (and two frames) before the end that they
    declare, or have frames that the decoder had to guess, and folders with
    damaged pictures or gaps between the numbers of their pictures. These
    limits are a choice. Lists of pictures may have gaps. For many clips, look
    through them once: `save` or `keras-skeleton prepare` makes a store.

    Raises:
        ValueError: If none of the files can be read.
        ImportError: If the library is missing.

    Example:

    ```python
    videos = Videos.from_folder("nturgb+d_rgb", size=(224, 224))
    data = Aligned(skeletons=ntu.load_data("skeletons.zip"), video=videos)
    ```
    """

    def __init__(self, files: dict, size=None, skipped=()):
        if size is not None and (len(size) != 2 or min(size) < 1):
            raise ValueError(
                "`size` must be the height and width of frames in pixels. "
                f"Received: {size}"
            )
        self.size = None if size is None else tuple(map(int, size))
        readable, skipped = {}, list(skipped)
        for name, path in files.items():
            try:
                readable[name] = _picture_sources.open_source(path, self.size)
            except (OSError, ValueError) as error:
                skipped.append((str(name), str(error)))
        readable = _of_one_form(readable, skipped, "; pass a `size`")
        if not readable:
            raise ValueError(
                f"None of {len(files)} videos can be read. The first: "
                f"{skipped[0] if skipped else 'there is none'}"
            )
        super().__init__(readable, skipped)

    @classmethod
    def from_folder(
        cls, folder: PathLike, pattern="*", size=None
    ) -> typing.Self:
        """The videos, and folders of pictures, in a folder.

        Args:
            folder: The folder.
            pattern: Which of them. The name of a clip is that of its file
                without the ending; of NTU RGB+D also without what follows
                the action, as in `S001C001P001R001A001_rgb.avi`.
            size: See `Videos`.
        """
        return cls(find_videos(folder, pattern), size)

    @classmethod
    def load(cls, path: PathLike) -> typing.Self:
        """Opens a store that `save` or `keras-skeleton prepare` wrote.

        Args:
            path: The `.h5` file.

        Returns:
            `Videos` whose frames are read when needed.

        Raises:
            FileNotFoundError: If it is not there.
            ValueError: If it is another kind of file, or damaged.

        Example:

        >>> videos = Videos.load("ntu60_video.h5")
        """
        from keras_skeleton.datasets import video_store

        videos = object.__new__(cls)
        Features.__init__(videos, *video_store.open_clips(path))
        videos.size = videos.frame_shape[:2]
        return videos

    def save(
        self, path: PathLike, encoding="png", quality=95, overwrite=False
    ) -> "video_store.Report":
        """Writes all frames into one file, for `Videos.load`.

        Frames are those that decoding gives, in their number, order and size.

        Args:
            path: The `.h5` file.
            encoding: `"png"`, which keeps every number, or `"jpeg"`, which
                takes a fifth to a tenth of the space and changes them
                slightly. Depth maps are PNG in any case.
            quality: Of JPEG, up to 100.
            overwrite: Whether a file that is there may be replaced.

        Returns:
            A `video_store.Report`, with the clips that could not be read any
            more in `skipped`.
        """
        from keras_skeleton.datasets import video_store

        return video_store.prepare(
            dict(zip(self.names, self._clips, strict=True)),
            path,
            encoding=encoding,
            quality=quality,
            skipped=self.skipped,
            overwrite=overwrite,
        )


def _of_one_form(clips, skipped, remedy=""):
    """The clips whose frames have the shape of most; others are skipped.

    Args:
        clips: Dict from names to arrays `(T, ...)`.
        skipped: List to which `(name, reason)` are added.
        remedy: What to do, the end of the reason.
    """
    counts = collections.Counter(
        tuple(clip.shape[1:])
        for clip in clips.values()
        if clip.shape[:1] > (0,)
    )
    if not counts:
        return clips
    usual = counts.most_common(1)[0][0]
    kept = {}
    for name, clip in clips.items():
        if clip.shape[:1] > (0,) and tuple(clip.shape[1:]) == usual:
            kept[name] = clip
        else:
            skipped.append(
                (
                    str(name),
                    f"its shape is {tuple(clip.shape)}; frames of most clips "
                    f"have the shape {usual}{remedy}",
                )
            )
    return kept


def find_videos(folder: PathLike, pattern="*") -> dict:
    """The videos and folders of pictures in a folder.

    Args:
        folder: The folder.
        pattern: Which of them.

    Returns:
        Dict from names of clips to paths, see `Videos.from_folder`.

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If there are none in it, or two of one name.
    """
    files, folder = {}, pathlib.Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"There is no folder {str(folder)!r}.")
    for path in sorted(folder.glob(pattern)):
        if path.is_dir() or path.suffix.lower() in VIDEOS:
            name = path.stem if path.is_file() else path.name
            name = re.sub(r"(A\d{3})_(rgb|ir|depth)$", r"\1", name)
            if name in files:
                raise ValueError(
                    f"{files[name].name!r} and {path.name!r} in "
                    f"{str(folder)!r} have the same name of a clip, {name!r}. "
                    "Pass a `pattern` that only one of them fits."
                )
            files[name] = path
    if not files:
        raise ValueError(
            f"There are no videos and no folders of pictures {pattern!r} "
            f"in {str(folder)!r}. Videos end in {', '.join(VIDEOS)}."
        )
    return files
