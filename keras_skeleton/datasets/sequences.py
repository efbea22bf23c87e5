"""Skeleton clips of different lengths, in memory or in one file."""

import hashlib
import os

import numpy as np

from keras_skeleton import skeletons
from keras_skeleton.datasets import _clips


class Sequences:
    """Clips of one data set, their labels and where they come from.

    All clips lie in one block of frames, which may be larger than memory:
    `Sequences.load(path, in_memory=False)` reads frames from disk when they
    are asked for. Selections share the block.

    Most callers get a `Sequences` from a reader such as
    `datasets.nw_ucla.load_data`, or from `Sequences.from_arrays`.

    Args:
        frames: float32 array `(F, M, V, C)`: all frames of all clips, one
            clip after the other; `M` persons, `V` joints, `C` coordinates.
            Absent persons are zeros.
        offsets: int array `(num_clips + 1,)`; clip `i` holds the frames
            `offsets[i]` to `offsets[i + 1] - 1`.
        labels: int array `(num_clips,)` counted from 0, or `None` where the
            classes are unknown (stored as -1).
        names: list of strings, one for each clip, or `None`.
        metadata: dictionary of arrays `(num_clips,)`, for example
            `"subject"`, `"camera"`, `"setup"`, `"repetition"`.
        skeleton: `Skeleton` or the name of a registered one.
        class_names: list of strings in label order, or `None`.
        splits: dictionary `{protocol: {"train": indices, "test": indices}}`.
        skipped: list of `(name, reason)` of clips that were left out.

    Raises:
        ValueError: If the arguments do not fit together.

    Example:

    >>> clips = [np.ones((length, 20, 3)) for length in (30, 45)]
    >>> Sequences.from_arrays(clips, [0, 1], skeleton="kinect20")
    Sequences(2 clips of 30 to 45 frames, 1 person, 20 joints, 3 coordinates)
    """

    def __init__(
        self,
        frames,
        offsets,
        labels=None,
        names=None,
        metadata=None,
        skeleton="ntu",
        class_names=None,
        splits=None,
        skipped=(),
    ):
        self.skeleton = skeletons.get(skeleton)
        offsets = np.asarray(offsets, "int64")
        num_clips = len(offsets) - 1
        if np.ndim(frames) != 4 or frames.shape[2] != self.skeleton.num_joints:
            raise ValueError(
                "`frames` must have the axes (frames, persons, joints, "
                f"coordinates) and the {self.skeleton.num_joints} joints of "
                f"the skeleton {self.skeleton.name!r}. Received frames of "
                f"shape {np.shape(frames)}."
            )
        if (
            num_clips < 0
            or offsets[0] != 0
            or offsets[-1] != len(frames)
            or np.any(np.diff(offsets) < 1)
        ):
            raise ValueError(
                "`offsets` must rise from 0 to the number of frames, "
                f"{len(frames)}, with at least one frame for each clip. "
                f"Received offsets from {offsets[:1]} to {offsets[-1:]}."
            )
        if frames.dtype != np.float32:
            frames = np.asarray(frames, "float32")
        self._store = frames
        self._starts = offsets[:-1]
        self._lengths = np.diff(offsets)
        self.labels = self._check_labels(labels, num_clips, class_names)
        self.class_names = None if class_names is None else list(class_names)
        if names is None:
            names = [f"clip_{index:06d}" for index in range(num_clips)]
        self.names = [str(name) for name in names]
        self.metadata = {k: np.asarray(v) for k, v in (metadata or {}).items()}
        for what, values in {"names": self.names, **self.metadata}.items():
            if len(values) != num_clips:
                raise ValueError(
                    f"There are {num_clips} clips but {len(values)} entries "
                    f"of {what!r}."
                )
        self.splits = {}
        for protocol, parts in (splits or {}).items():
            self.splits[protocol] = {
                part: self._check_indices(indices)
                for part, indices in parts.items()
            }
        self.skipped = list(skipped)

    @staticmethod
    def _check_labels(labels, num_clips, class_names):
        if labels is None:
            return np.full(num_clips, -1, "int64")
        received = np.asarray(labels)
        labels = received.astype("int64") if received.size else received
        if labels.shape != (num_clips,) or np.any(labels != received):
            raise ValueError(
                "`labels` must be one whole number for each of the "
                f"{num_clips} clips (not one-hot rows). Received labels of "
                f"shape {received.shape} and dtype {received.dtype}."
            )
        labels = labels.astype("int64")
        limit = np.inf if class_names is None else len(class_names)
        outside = np.flatnonzero((labels < -1) | (labels >= limit))
        if outside.size:
            raise ValueError(
                "`labels` count from 0, with -1 for an unknown class, and "
                f"there are {limit} class names. Received the label "
                f"{labels[outside[0]]} for clip {outside[0]}."
            )
        return labels

    def _check_indices(self, indices):
        indices = np.asarray(indices)
        if indices.dtype == bool and indices.shape == (len(self),):
            return np.flatnonzero(indices)
        if not indices.size:
            return np.zeros(0, "int64")
        if indices.ndim != 1 or indices.dtype.kind not in "iu":
            raise ValueError(
                "Clips are chosen by a list of indices or by one boolean for "
                f"each clip. Received an array of shape {indices.shape} and "
                f"dtype {indices.dtype}; there are {len(self)} clips."
            )
        if indices.min() < -len(self) or indices.max() >= len(self):
            raise ValueError(
                f"There are {len(self)} clips. Received indices from "
                f"{indices.min()} to {indices.max()}."
            )
        return indices.astype("int64") % len(self)

    @classmethod
    def from_arrays(
        cls,
        clips,
        labels=None,
        *,
        skeleton,
        names=None,
        metadata=None,
        class_names=None,
        splits=None,
        strict=True,
    ):
        """Checks clips and joins them.

        Args:
            clips: list of arrays `(T, V, C)`, or `(M, T, V, C)` for several
                persons; `T` and `M` may differ between clips.
            labels: one class for each clip, counted from 0, or `None`.
            skeleton: `Skeleton` or the name of a registered one.
            names: names of the clips, used in messages.
            metadata: see `Sequences`.
            class_names: see `Sequences`.
            splits: see `Sequences`; indices into `clips`.
            strict: Whether a faulty clip is an error. If not, it is left
                out and its name and the reason are added to `skipped`.

        Returns:
            A `Sequences`.

        Raises:
            ValueError: If a clip is faulty and `strict`, if all are, or if
                the arguments do not fit together.
        """
        clips = list(clips)
        skeleton = skeletons.get(skeleton)
        if names is None:
            names = [f"clip_{index:06d}" for index in range(len(clips))]
        names = list(names)
        given = {"names": names, **(metadata or {})}
        if labels is not None:
            given["labels"] = labels
        for what, values in given.items():
            if len(values) != len(clips):
                raise ValueError(
                    f"There are {len(clips)} clips but {len(values)} entries "
                    f"of {what!r}."
                )
        faults = _clips.find_faults(clips, skeleton)
        skipped = [(names[i], fault) for i, fault in faults.items()]
        if skipped and (strict or len(skipped) == len(clips)):
            lines = "\n".join(f"  {name}: {why}" for name, why in skipped[:10])
            more = len(skipped) - 10
            lines += f"\n  and {more} more" if more > 0 else ""
            raise ValueError(
                f"{len(skipped)} of {len(clips)} clips cannot be used:\n{lines}"
            )
        if not clips:
            raise ValueError("There are no clips.")
        kept = [i for i in range(len(clips)) if i not in faults]
        frames, offsets = _clips.join([clips[i] for i in kept])
        return cls(
            frames,
            offsets,
            labels=None if labels is None else np.asarray(labels)[kept],
            names=[names[i] for i in kept],
            metadata={
                k: np.asarray(v)[kept] for k, v in (metadata or {}).items()
            },
            skeleton=skeleton,
            class_names=class_names,
            splits=_clips.renumber(splits or {}, kept, len(clips)),
            skipped=skipped,
        )

    def __len__(self):
        return len(self._starts)

    def __getitem__(self, index):
        """Returns clip `index`, `(M, T, V, C)`, and its label."""
        index = int(index)
        if not -len(self) <= index < len(self):
            raise IndexError(f"There are {len(self)} clips, not {index}.")
        return self._clip(index).transpose(1, 0, 2, 3), int(self.labels[index])

    def _clip(self, index):
        start = self._starts[index]
        return np.asarray(self._store[start : start + self._lengths[index]])

    def __repr__(self):
        persons, joints, coordinates = self._store.shape[1:]
        words = [f"{len(self)} clips"]
        if len(self):
            words[0] += (
                f" of {min(self._lengths)} to {max(self._lengths)} frames"
            )
        words.append(f"{persons} person{'s' if persons > 1 else ''}")
        words.append(f"{joints} joints")
        words.append(f"{coordinates} coordinates")
        if self.class_names is not None:
            words.append(f"{len(self.class_names)} classes")
        if self.splits:
            words.append(f"protocols {', '.join(self.splits)}")
        if self.skipped:
            words.append(f"{len(self.skipped)} left out")
        return f"Sequences({', '.join(words)})"

    @property
    def frame_shape(self):
        """Shape `(M, V, C)` of a frame."""
        return tuple(self._store.shape[1:])

    @property
    def lengths(self):
        """Frames of every clip."""
        return self._lengths

    @property
    def offsets(self):
        """Where every clip begins in `frames`, and the end."""
        return np.concatenate([[0], np.cumsum(self._lengths)]).astype("int64")

    @property
    def frames(self):
        """All frames, `(F, M, V, C)`; a selection copies its own."""
        offsets = self.offsets
        whole = offsets[-1] == len(self._store)
        if whole and np.array_equal(self._starts, offsets[:-1]):
            return self._store
        frames = np.empty((offsets[-1], *self._store.shape[1:]), "float32")
        for index, start in enumerate(offsets[:-1]):
            frames[start : offsets[index + 1]] = self._clip(index)
        return frames

    def select(self, indices):
        """Returns the given clips, in the given order.

        Args:
            indices: list of clip numbers, or one boolean for each clip.
        """
        indices = self._check_indices(indices)
        selection = object.__new__(type(self))
        selection.__dict__.update(self.__dict__)
        selection._starts = self._starts[indices]
        selection._lengths = self._lengths[indices]
        selection.labels = self.labels[indices]
        selection.names = [self.names[index] for index in indices]
        selection.metadata = {k: v[indices] for k, v in self.metadata.items()}
        selection.splits = {
            protocol: {
                part: np.flatnonzero(np.isin(indices, members))
                for part, members in parts.items()
            }
            for protocol, parts in self.splits.items()
        }
        return selection

    def split(self, protocol):
        """Returns `(train, test)` by the published rule of a protocol."""
        if protocol not in self.splits:
            raise ValueError(
                f"Unknown protocol {protocol!r}. These clips have "
                f"{', '.join(map(repr, self.splits)) or 'none'}."
            )
        parts = self.splits[protocol]
        return self.select(parts["train"]), self.select(parts["test"])

    def fraction(self, ratio, seed=0, permutation=None):
        """Returns a share of the clips for training with few labels.

        Clips are shuffled and the first `int(len(self) * ratio)` kept,
        without regard to their classes, as the published semi-supervised
        protocols do.

        Args:
            ratio: Share to keep, above 0 and at most 1.
            seed: Seed of the shuffling.
            permutation: The shuffled indices themselves, instead of `seed`.
        """
        if not 0 < ratio <= 1:
            raise ValueError(
                f"`ratio` must be above 0 and at most 1. Received: {ratio}"
            )
        if permutation is None:
            permutation = np.random.default_rng(seed).permutation(len(self))
        elif not np.array_equal(np.sort(permutation), np.arange(len(self))):
            raise ValueError(
                "`permutation` must hold every clip once. Received "
                f"{len(permutation)} indices for {len(self)} clips."
            )
        kept = int(len(self) * ratio)
        if not kept:
            raise ValueError(
                f"A share of {ratio} of {len(self)} clips is no clip at all."
            )
        return self.select(np.asarray(permutation)[:kept])

    def padded(self, indices, length=None):
        """Returns clips in one array, with zeros after their end.

        Args:
            indices: list of clip numbers.
            length: Frames to pad to, by default those of the longest clip;
                longer clips lose their end.

        Returns:
            float32 array `(N, M, T, V, C)`.
        """
        indices = self._check_indices(indices)
        lengths = self._lengths[indices]
        if length is None:
            length = int(lengths.max(initial=0))
        persons, *rest = self._store.shape[1:]
        batch = np.zeros((len(indices), persons, length, *rest), "float32")
        for row, start, size in zip(
            batch, self._starts[indices], lengths, strict=True
        ):
            size = min(size, length)
            row[:, :size] = self._store[start : start + size].swapaxes(0, 1)
        return batch

    def duplicates(self, other=None):
        """Finds clips whose frames are an exact copy of another clip's.

        Args:
            other: `Sequences` to look in, for example the training part.
                By default, these clips themselves: then a clip counts if
                an earlier one is the same.

        Returns:
            int64 array of clip numbers, rising.
        """
        seen = (
            set()
            if other is None
            else set(map(other._digest, range(len(other))))
        )
        copies = []
        for index in range(len(self)):
            digest = self._digest(index)
            if digest in seen:
                copies.append(index)
            elif other is None:
                seen.add(digest)
        return np.array(copies, "int64")

    def _digest(self, index):
        # Adding zero turns -0.0, equal but of other bytes, into 0.0. Places
        # kept for absent persons do not count.
        clip = self._clip(index) + np.float32(0)
        present = np.flatnonzero(clip.any(axis=(0, 2, 3)))
        clip = clip[:, : present.max(initial=-1) + 1]
        digest = hashlib.blake2b(str(clip.shape).encode(), digest_size=16)
        digest.update(np.ascontiguousarray(clip))
        return digest.digest()

    def save(self, path):
        """Writes everything into one HDF5 file.

        The file is written beside `path` and renamed, so a file of that name
        is always a whole one.
        """
        from keras_skeleton.datasets import _storage

        _storage.save(self, os.fspath(path))

    @classmethod
    def load(cls, path, in_memory=True):
        """Reads a file that `save` wrote.

        Args:
            path: path of the file.
            in_memory: Whether to read the frames now. If not, they are read
                from the file when they are asked for, which must stay.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If the file is cut off or of another kind.
        """
        from keras_skeleton.datasets import _storage

        return cls(**_storage.load(os.fspath(path), in_memory))

    def to_keras(
        self,
        transforms=(),
        batch_size=32,
        shuffle=False,
        seed=0,
        labels=True,
        drop_remainder=False,
        workers=1,
    ):
        """Returns batches for `fit`, on any backend, without TensorFlow.

        The order of the clips and all random draws follow from `seed` and
        the number of the epoch alone, and are those of `to_dataset`.

        Args:
            transforms: list of transforms from `layers.augmentation`,
                applied to each batch in turn.
            batch_size: Clips per batch.
            shuffle: Whether each epoch has a new order.
            seed: Whole number.
            labels: Whether to yield `(clips, labels)`, or clips alone.
            drop_remainder: Whether to leave out an incomplete last batch.
            workers: Threads that prepare batches.

        Returns:
            A `keras.utils.PyDataset`. Its attribute `epoch` is the number of
            the coming epoch; `set_epoch(k)` makes it `k`, for training that
            goes on where it stopped.
        """
        from keras_skeleton.datasets import batches

        plan = batches.EpochPlan(
            self, transforms, batch_size, shuffle, seed, labels, drop_remainder
        )
        return batches.SequenceBatches(plan, workers=workers)

    def to_dataset(
        self,
        transforms=(),
        batch_size=32,
        shuffle=False,
        seed=0,
        labels=True,
        drop_remainder=False,
        workers=None,
    ):
        """Returns the batches of `to_keras` as a `tf.data.Dataset`.

        Transforms run inside the TensorFlow graph, several batches at a
        time, on any Keras backend.

        Args:
            transforms: See `to_keras`, also for the other arguments.
            workers: Batches to prepare at a time, by default as many as
                TensorFlow sees fit.

        Returns:
            A `tf.data.Dataset` with `set_epoch(k)` as an attribute. Every
            iteration is an epoch. Datasets derived from it (by `take`, for
            example) follow, but do not have the attribute themselves.

        Raises:
            ImportError: If TensorFlow is not installed.
        """
        from keras_skeleton.datasets import batches

        plan = batches.EpochPlan(
            self, transforms, batch_size, shuffle, seed, labels, drop_remainder
        )
        return batches.build_dataset(plan, workers)
