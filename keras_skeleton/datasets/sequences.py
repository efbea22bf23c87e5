"""Skeleton clips of different lengths, in memory or in one file."""

import copy
import os
import typing
import warnings
from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike

from keras_skeleton import _values
from keras_skeleton import skeletons
from keras_skeleton._types import PathLike
from keras_skeleton.datasets import _checks
from keras_skeleton.datasets import _clips
from keras_skeleton.datasets import _coordinates
from keras_skeleton.datasets import _long_tailed
from keras_skeleton.datasets import _missing
from keras_skeleton.datasets import _names
from keras_skeleton.datasets import _selection
from keras_skeleton.skeletons.skeleton import SkeletonLike

if typing.TYPE_CHECKING:
    from keras_skeleton.datasets.batches import SequenceBatches


class Sequences:
    """Clips of one data set, their labels and where they come from.

    All clips lie in one block of bodies, which may be larger than memory:
    `Sequences.load(path, in_memory=False)` reads bodies from disk when they
    are asked for. Selections share the block.

    Most callers get a `Sequences` from a reader such as
    `datasets.nw_ucla.load_data`, or from `Sequences.from_arrays`.

    Args:
        bodies: float32 array `(B, V, C)` of `V` joints with `C` coordinates:
            clip after clip, in a clip person after person, of a person frame
            after frame. Persons who are absent in some frames are zeros
            there.
        lengths: int array `(num_clips,)`, the frames of each clip.
        labels: int array `(num_clips,)` counted from 0, or the names of the
            classes, or `None` where they are unknown (stored as -1).
        names: list of strings, one for each clip, or `None`.
        metadata: dictionary of arrays `(num_clips,)`, for example
            `"subject"`, `"camera"`, `"setup"`, `"repetition"`.
        skeleton: `Skeleton` or the name of a registered one.
        class_names: list of strings in label order, or `None`; by default
            the labels in alphabetical order, if they are names.
        splits: dictionary `{protocol: {"train": indices, "test": indices}}`:
            numbers of clips, one boolean for each clip, or names of clips.
            Clips in two parts are told in a warning.
        skipped: list of `(name, reason)` of clips that were left out.
        persons: int array `(num_clips,)`, how many persons `bodies` holds
            of each clip; by default one.
        num_persons: `M`, the persons that batches have room for; by default
            the largest of `persons`.
        coordinates: Names of the `C` coordinates; `"x", "y", "z"` as far as
            they go by default. Two-dimensional poses with a confidence have
            `"x", "y", "score"`, or another word for a score: `"conf"`,
            `"likelihood"`, `"visibility"`, `"p"` and the like, in any case.

    Raises:
        ValueError: If the arguments do not fit together.

    Example:

    >>> clips = [np.ones((length, 20, 3)) for length in (30, 45)]
    >>> Sequences.from_arrays(clips, [0, 1], skeleton="kinect20")
    Sequences(2 clips of 30 to 45 frames, 1 person, 20 joints, 3 coordinates)
    """

    def __init__(
        self,
        bodies,
        lengths: ArrayLike,
        labels=None,
        names=None,
        metadata=None,
        skeleton: SkeletonLike = "ntu",
        class_names=None,
        splits=None,
        skipped=(),
        persons: ArrayLike | None = None,
        num_persons=None,
        coordinates=None,
    ):
        self.skeleton = skeletons.get(skeleton)
        lengths = _checks.check_counts("lengths", lengths)
        num_clips = len(lengths)
        if persons is None:
            persons = np.ones(num_clips, "int64")
        persons = _checks.check_counts("persons", persons, num_clips)
        _checks.check_bodies(bodies, self.skeleton, lengths * persons)
        if bodies.dtype != np.float32:
            bodies = bodies.astype("float32")
        self._bodies = bodies
        self._starts = np.cumsum(lengths * persons) - lengths * persons
        self._lengths = lengths
        self._persons = persons
        self._num_persons = max(num_persons or 1, int(persons.max(initial=1)))
        self.coordinates = _coordinates.check(coordinates, bodies.shape[-1])
        labels, self.class_names = _names.number_all(labels, class_names, names)
        self.labels = _checks.check_labels(labels, num_clips, self.class_names)
        if names is None:
            names = [f"clip_{index:06d}" for index in range(num_clips)]
        self.names = [str(name) for name in names]
        self.metadata = {k: np.asarray(v) for k, v in (metadata or {}).items()}
        _checks.check_entries(num_clips, {"names": self.names, **self.metadata})
        self.splits = {}
        for protocol, parts in _checks.check_splits(splits).items():
            self.splits[protocol] = {
                part: _checks.check_indices(
                    _selection.find_part(
                        f"splits[{protocol!r}][{part!r}]", indices, self.names
                    ),
                    len(self),
                )
                for part, indices in parts.items()
            }
        _selection.report_overlap(self.splits, self.names)
        self.skipped = list(skipped)
        # What `from_arrays` counted, to be shown.
        self._zeros = None

    @classmethod
    def from_arrays(
        cls,
        clips,
        labels=None,
        *,
        skeleton: SkeletonLike,
        names=None,
        metadata=None,
        class_names=None,
        splits=None,
        coordinates=None,
        strict=True,
        missing="zeros",
    ) -> typing.Self:
        """Checks clips and joins them.

        Args:
            clips: list of arrays `(T, V, C)`, or `(M, T, V, C)` for several
                persons; `T` and `M` may differ between clips.
            labels: one class for each clip, counted from 0 or by name, or
                `None`. Texts that are all whole numbers are numbers, and
                blanks around names do not count.
            skeleton: `Skeleton` or the name of a registered one.
            names: names of the clips, used in messages.
            metadata: see `Sequences`.
            class_names: see `Sequences`.
            splits: see `Sequences`; indices into `clips`, or names.
            coordinates: see `Sequences`. By default a third one from 0 to 1
                beside two in pixels is a `"score"`, which is told in a
                warning. Clips that seem to have the axes of ST-GCN,
                (coordinates, frames, joints, persons), are a fault unless
                these are named.
            strict: Whether a faulty clip is an error. If not, it is left
                out and its name and the reason are added to `skipped`.
            missing: What to do with joints that were not found (NaN, `None`
                or masked) and frames without anybody. `"zeros"` makes zeros
                of them, as absent joints are here; `"interpolate"` fills
                them, and frames of zeros in which a person is lost, from the
                frames around; `"error"` takes them for a fault. What was
                done is told in a warning. Infinite values are a fault.

        Returns:
            A `Sequences`.

        Raises:
            ValueError: If a clip is faulty and `strict`, if all are, or if
                the arguments do not fit together.
        """
        clips = _checks.check_clips(clips)
        splits = _checks.check_splits(splits)
        skeleton = skeletons.get(skeleton)
        if names is None:
            names = [f"clip_{index:06d}" for index in range(len(clips))]
        names = list(names)
        labels, class_names = _names.number_all(labels, class_names, names)
        given = {"names": names, **(metadata or {})}
        if labels is not None:
            given["labels"] = labels
        _checks.check_entries(len(clips), given)
        is_named = coordinates is not None
        if not is_named and _coordinates.seem_scored(clips):
            coordinates = ("x", "y", "score")
            warnings.warn(
                "The third coordinate lies between 0 and 1, the others are "
                "pixels: it is taken for a score. Pass coordinates=('x', 'y', "
                "'score') to say so, or ('x', 'y', 'z') if it is none.",
                stacklevel=2,
            )
        faults, notes = _clips.settle_all(
            clips, skeleton, _missing.check(missing), coordinates, is_named
        )
        skipped = [(names[i], fault) for i, fault in faults.items()]
        _clips.report_skipped(skipped, len(clips), strict, warn=False)
        kept = [i for i in range(len(clips)) if i not in faults]
        notes = [(names[i], note) for i, note in notes.items()]
        zeros = _clips.count_zeros(clips[i] for i in kept)
        if zeros["clips"]:
            empty = [names[i] for i in kept if not clips[i].any()]
            notes.append((_names.list_some(empty), "show nobody: all is zeros"))
        _clips.report_notes(notes)
        sequences = cls(
            **_clips.join([clips[i] for i in kept], skeleton.num_joints),
            labels=None if labels is None else np.asarray(labels)[kept],
            names=[names[i] for i in kept],
            metadata={
                k: np.asarray(v)[kept] for k, v in (metadata or {}).items()
            },
            skeleton=skeleton,
            class_names=class_names,
            splits=_clips.renumber(splits, kept, names),
            skipped=skipped,
            coordinates=coordinates,
        )
        sequences._zeros = zeros
        return sequences

    def __len__(self):
        return len(self._starts)

    def __getitem__(self, index: int) -> tuple:
        """Returns clip `index`, `(M, T, V, C)`, and its label."""
        index = int(index)
        if not -len(self) <= index < len(self):
            raise IndexError(f"There are {len(self)} clips, not {index}.")
        return self.padded([index])[0], int(self.labels[index])

    def __iter__(self) -> Iterator[tuple]:
        return map(self.__getitem__, range(len(self)))

    def clip(self, index: int) -> np.ndarray:
        """Returns clip `index` as it is kept, `(P, T, V, C)`.

        `P` is the number of persons kept for this clip: at most `M`, and at
        least up to the last one who appears in it.
        """
        start, length = self._starts[index], self._lengths[index]
        persons = self._persons[index]
        bodies = np.asarray(self._bodies[start : start + length * persons])
        return bodies.reshape(persons, length, *bodies.shape[1:])

    def __repr__(self):
        persons, joints, coordinates = self.frame_shape
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
        for what, count in (self._zeros or {}).items():
            if count and what != "frames_at_end":
                words.append(f"{count} {what.partition('_')[0]} of zeros")
        return f"Sequences({', '.join(words)})"

    @property
    def frame_shape(self) -> tuple[int, int, int]:
        """Shape `(M, V, C)` of a frame."""
        return self._num_persons, *map(int, self._bodies.shape[1:])

    @property
    def lengths(self) -> np.ndarray:
        """Frames of every clip."""
        return self._lengths

    @property
    def persons(self) -> np.ndarray:
        """Persons kept of every clip, see `clip`."""
        return self._persons

    @property
    def bodies(self) -> np.ndarray:
        """All bodies, `(B, V, C)`; a selection copies its own."""
        counts = self._lengths * self._persons
        starts = np.cumsum(counts) - counts
        is_whole = counts.sum() == len(self._bodies)
        if is_whole and np.array_equal(self._starts, starts):
            # What is mapped into memory stays so, and is checked.
            return np.asanyarray(self._bodies)
        shape = self._bodies.shape[1:]
        bodies = [self.clip(i).reshape(-1, *shape) for i in range(len(self))]
        return np.concatenate([np.zeros((0, *shape), "float32"), *bodies])

    def select(self, indices: ArrayLike) -> typing.Self:
        """Returns the given clips, in the given order.

        Args:
            indices: list of clip numbers, or one boolean for each clip.
        """
        indices = _checks.check_indices(indices, len(self))
        selection = object.__new__(type(self))
        selection.__dict__.update(self.__dict__)
        selection._zeros = None
        selection._starts = self._starts[indices]
        selection._lengths = self._lengths[indices]
        selection._persons = self._persons[indices]
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

    def split(self, protocol: str) -> tuple[typing.Self, typing.Self]:
        """Returns `(train, test)` by the published rule of a protocol."""
        if protocol not in self.splits:
            raise ValueError(
                f"Unknown protocol {protocol!r}. These clips have "
                f"{', '.join(map(repr, self.splits)) or 'none'}."
            )
        parts = self.splits[protocol]
        if missing := {"train", "test"} - set(parts):
            raise ValueError(
                f"The protocol {protocol!r} of these clips has no "
                f"{' and no '.join(map(repr, sorted(missing)))} part, only "
                f"{sorted(parts)}."
            )
        return self.select(parts["train"]), self.select(parts["test"])

    def split_by(
        self, by: str | list = "random", test: float | list = 0.25, seed=0
    ) -> tuple[typing.Self, typing.Self]:
        """Returns `(train, test)`, divided by a rule of one's own.

        Args:
            by: `"random"` for about the same share of each class, with at
                least one clip of each class for training; or what keeps
                clips together: a key of `metadata` such as `"subject"`, or a
                list with one value for each clip.
            test: Share of the clips to test on, which whole groups can only
                come near to; or, with groups, a list of those to test on.
            seed: Seed of the draw.

        Raises:
            ValueError: If there is no such key, or a part would be empty.

        Example:

        >>> clips = [np.ones((9, 20, 3))] * 8
        >>> data = Sequences.from_arrays(
        ...     clips, [0, 1] * 4, skeleton="kinect20",
        ...     metadata={"subject": [1, 1, 2, 2, 3, 3, 4, 4]},
        ... )
        >>> train, test = data.split_by("subject", test=[2, 4])
        >>> train.metadata["subject"].tolist()
        [1, 1, 3, 3]
        """
        groups = by
        if isinstance(by, str):
            if by != "random" and by not in self.metadata:
                raise ValueError(
                    "Clips are split 'random' or by a key of their metadata, "
                    f"which are {_names.list_some(self.metadata)}. Received: "
                    f"{by!r}"
                )
            groups = None if by == "random" else self.metadata[by]
        if groups is not None:
            groups = np.asarray(groups)
            _checks.check_entries(len(self), {"by": groups})
        is_test = _selection.split(self.labels, groups, test, seed)
        return self.select(~is_test), self.select(is_test)

    def with_class_names(self, class_names) -> typing.Self:
        """The same clips, with classes numbered in the order of other names.

        Args:
            class_names: list of strings, such as those of other data, or of
                weights. They may have more classes; spellings may differ in
                case, blanks and marks.

        Raises:
            ValueError: If clips are of classes that are not among them, or
                there are no names.

        Example:

        ```python
        test = test.with_class_names(train.class_names)
        ```
        """
        class_names = _names.check_class_names(class_names)
        if self.class_names is None or class_names is None:
            raise ValueError(
                "Classes are numbered by their names, but there are none. "
                "Pass `class_names=` where the clips are read."
            )
        same = copy.copy(self)
        same.class_names = class_names
        if self.labels is not None:
            same.labels = _names.renumber(
                self.labels, self.class_names, class_names
            )
        return same

    def resample(
        self, rate: float, source: ArrayLike | None = None
    ) -> typing.Self:
        """Returns the clips at a common frame rate.

        Joints move on straight lines between two frames; one that is lost
        in one of them is as in the nearer one.

        Args:
            rate: Frames per second to get.
            source: Frames per second that the clips have, one number or one
                for each clip; by default by their metadata, `"frame_rate"`,
                `"fps"` or `"frame_time"` in seconds.

        Raises:
            ValueError: If the rates are unknown or no numbers above 0.
        """
        rate = _values.number("rate", rate, above=0)
        sources = _checks.frame_rates(source, self.metadata, len(self))
        clips = [
            _selection.resample(self.clip(index), source, rate)
            for index, source in enumerate(sources)
        ]
        metadata = {
            **self.metadata,
            "frame_rate": np.full(len(self), rate),
        }
        metadata.pop("fps", None)
        if "frame_time" in metadata:
            metadata["frame_time"] = np.full(len(self), 1 / rate)
        resampled = Sequences(
            **{
                **_clips.join(clips, self.skeleton.num_joints),
                "num_persons": self._num_persons,
            },
            labels=self.labels,
            names=self.names,
            metadata=metadata,
            skeleton=self.skeleton,
            class_names=self.class_names,
            skipped=self.skipped,
            coordinates=self.coordinates,
        )
        resampled.splits = self.splits
        return resampled

    def fraction(
        self,
        ratio: float,
        seed=0,
        permutation: ArrayLike | None = None,
        every_class=False,
    ) -> typing.Self:
        """Returns a share of the clips for training with few labels.

        Clips are shuffled and the first `int(len(self) * ratio)` kept,
        without regard to their classes, as the published semi-supervised
        protocols do. Classes of which no clip is left are told in a warning.

        Args:
            ratio: Share to keep, above 0 and at most 1.
            seed: Seed of the shuffling.
            permutation: The shuffled indices themselves, instead of `seed`.
            every_class: Whether to keep at least one clip of each class, if
                need be more than the share.
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
        permutation = np.asarray(permutation)
        kept = int(len(self) * ratio)
        if every_class:
            return self.select(
                _selection.keep_classes(permutation, self.labels, kept)
            )
        if not kept:
            raise ValueError(
                f"A share of {ratio} of {len(self)} clips is no clip at all."
            )
        share = self.select(permutation[:kept])
        _selection.report_lost_classes(
            self.labels, share.labels, self.class_names
        )
        return share

    def long_tailed(
        self,
        max_count=None,
        imbalance=None,
        names: list | PathLike | None = None,
        seed=0,
    ) -> typing.Self:
        """Returns a share of the clips in which classes are rare or frequent.

        The clips of class `c` of `C`, in the order of their names, are
        shuffled, and `int(max_count * (1 / imbalance) ** (c / (C - 1)))` of
        them kept. For NTU RGB+D 120 this gives the published lists of BRL;
        those of NTU RGB+D 60 have the same sizes but other members, and can
        be passed as `names`. Meant for the training clips.

        Args:
            max_count: Clips of the first class.
            imbalance: How many times more clips the first class has than the
                last.
            names: list of names to keep instead, or the path of a file with
                one in each line (`.txt` or `.txt.gz`).
            seed: Seed of the shuffling, 0 for the published lists.

        Raises:
            ValueError: If neither `names` nor both numbers are given, or
                there is no clip of one of the names.

        Reference: [BRL](https://arxiv.org/abs/2308.14024).
        """
        if names is None:
            if max_count is None or imbalance is None:
                raise ValueError(
                    "Pass `max_count` and `imbalance`, or `names`."
                )
            classes = self.class_names and len(self.class_names)
            indices = _long_tailed.long_tailed(
                self.names, self.labels, max_count, imbalance, classes, seed
            )
        else:
            if isinstance(names, str | os.PathLike):
                names = _long_tailed.read_name_list(names)
            indices = _long_tailed.find_names(self.names, names)
        return self.select(indices)

    def padded(self, indices: ArrayLike, length=None) -> np.ndarray:
        """Returns clips in one array, with zeros after their end.

        Args:
            indices: list of clip numbers.
            length: Frames to pad to, by default those of the longest clip;
                longer clips lose their end.

        Returns:
            float32 array `(N, M, T, V, C)`.
        """
        indices = _checks.check_indices(indices, len(self))
        lengths = self._lengths[indices]
        if length is None:
            length = int(lengths.max(initial=0))
        most, *rest = self.frame_shape
        batch = np.zeros((len(indices), most, length, *rest), "float32")
        for row, index in zip(batch, indices, strict=True):
            clip = self.clip(index)[:, :length]
            row[: clip.shape[0], : clip.shape[1]] = clip
        return batch

    def take_frames(self, indices: ArrayLike, frames: ArrayLike) -> np.ndarray:
        """Returns some frames of each clip, and reads no others.

        Args:
            indices: list of `N` clip numbers.
            frames: int array `(N, K)` of frame numbers below the length of
                each clip.

        Returns:
            float32 array `(N, M, K, V, C)`.
        """
        indices = _checks.check_indices(indices, len(self))
        most, *rest = self.frame_shape
        shape = (len(indices), most, frames.shape[1], *rest)
        batch = np.zeros(shape, "float32")
        for row, index, chosen in zip(batch, indices, frames, strict=True):
            clip = self.clip(index)
            row[: len(clip)] = clip[:, chosen]
        return batch

    def duplicates(self, other=None) -> np.ndarray:
        """Finds clips whose frames are an exact copy of another clip's.

        Args:
            other: `Sequences` to look in, for example the training part.
                By default, these clips themselves: then a clip counts if
                an earlier one is the same.

        Returns:
            int64 array of clip numbers, rising.
        """
        others = () if other is None else map(other.clip, range(len(other)))
        seen = set(map(_clips.digest, others))
        copies = []
        for index in range(len(self)):
            digest = _clips.digest(self.clip(index))
            if digest in seen:
                copies.append(index)
            elif other is None:
                seen.add(digest)
        return np.array(copies, "int64")

    def save(self, path: PathLike) -> None:
        """Writes everything into one HDF5 file.

        The file is written beside `path` and renamed, so a file of that name
        is always a whole one.
        """
        from keras_skeleton.datasets import _storage

        _storage.save(self, os.fspath(path))

    @classmethod
    def load(cls, path: PathLike | list, in_memory=True) -> typing.Self:
        """Reads a file that `save` wrote, or several.

        Args:
            path: path of the file; if it is divided among shards (see
                `datasets.preparation.prepare`), the path without their
                numbers. Or a list of paths, to join their clips. A file of
                an older form is read right, with a warning.
            in_memory: Whether to read the frames now. If not, they are read
                from the file when they are asked for, which must stay.

        A file carries checksums. What it says of its clips is checked here,
        frames when they are first read: here, or by whatever asks for them,
        which then raises a `ValueError` that names the file and the clips.
        Nothing outside of the file is read, whatever it says.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If the file is cut off, damaged or of another kind.
        """
        from keras_skeleton.datasets import _storage

        return cls(**_storage.load(path, in_memory))

    def to_keras(
        self,
        transforms=(),
        batch_size=32,
        shuffle=False,
        sampler=None,
        seed=0,
        labels=True,
        numbers=False,
        drop_remainder=False,
        workers=1,
        shard=None,
        training=None,
    ) -> "SequenceBatches":
        """Returns batches for `fit`, on any backend, without TensorFlow.

        The order of the clips and all random draws follow from `seed` and
        the number of the epoch alone, and are those of `to_dataset`.

        Args:
            transforms: list of transforms from `layers.augmentation`,
                applied to each batch in turn. They are told the length of
                every clip. If the first one chooses frames, only these are
                read; else clips are padded to the longest of those of about
                their length, before transforms shorten them. If the last
                one is `Views`, batches hold a dict of the views in place of
                the clips.
            batch_size: Clips per batch.
            shuffle: Whether each epoch has a new order; short for
                `sampler=samplers.Shuffled()`.
            sampler: Which clips an epoch shows, see `datasets.samplers`; by
                default each once, in order.
            seed: Whole number.
            labels: Whether to yield `(clips, labels)`, or clips alone.
            numbers: Whether to yield `{"clips": clips, "sample": numbers}` in
                place of the clips: with int32 `(N,)`, the number of each clip
                among these.
            drop_remainder: Whether to leave out an incomplete last batch.
            workers: Threads that prepare batches.
            shard: Tuple `(index, count)` for training on `count` machines or
                processes: this one's share of each batch. `batch_size`
                counts the clips of all shares, which together are the batch
                of a single process.
            training: Whether random transforms act. By default where there
                is `shuffle=True` or a `sampler`; else they do what they do
                outside training, so that all passes over test clips are the
                same, whatever the seed.

        Returns:
            A `keras.utils.PyDataset`. Its attribute `epoch` is the number of
            the coming epoch; `set_epoch(k)` makes it `k`, for training that
            goes on where it stopped.
        """
        from keras_skeleton.datasets import batches

        plan = batches.EpochPlan(
            self,
            transforms,
            batch_size,
            shuffle,
            sampler,
            seed,
            labels,
            numbers,
            drop_remainder,
            shard,
            training,
        )
        return batches.SequenceBatches(plan, workers=workers)

    def to_dataset(
        self,
        transforms=(),
        batch_size=32,
        shuffle=False,
        sampler=None,
        seed=0,
        labels=True,
        numbers=False,
        drop_remainder=False,
        workers=None,
        shard=None,
        training=None,
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
        from keras_skeleton.datasets import _tensorflow
        from keras_skeleton.datasets import batches

        plan = batches.EpochPlan(
            self,
            transforms,
            batch_size,
            shuffle,
            sampler,
            seed,
            labels,
            numbers,
            drop_remainder,
            shard,
            training,
        )
        return _tensorflow.build_dataset(plan, workers)
