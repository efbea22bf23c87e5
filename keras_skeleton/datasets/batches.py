"""Batches of clips: what is in each, and `keras.utils.PyDataset` of them."""

import concurrent.futures
import math

import keras
import numpy as np

from keras_skeleton.datasets import _coordinates
from keras_skeleton.datasets import _names
from keras_skeleton.datasets import samplers

# NumPy works through a batch in pieces of this size: larger arrays leave the
# processor's cache between two operations, which halves the speed.
PIECE_BYTES = 1 << 19
# Bytes of clips that are padded together before transforms shorten them: one
# long clip would make all others of a batch as long. TensorFlow works through
# larger pieces, as each has a cost of its own.
PADDED_BYTES = {"numpy": 1 << 22, "tensorflow": 1 << 24}


class EpochPlan:
    """What is in each batch of each epoch, and how it is prepared.

    The order of the clips and the random draws of the transforms are a pure
    function of the seed and the epoch; outside training nothing is drawn. If
    the first transform chooses frames, only those are read.

    Args:
        sequences: The `Sequences`.
        transforms: See `Sequences.to_keras`, also for the other arguments.
    """

    def __init__(
        self,
        sequences,
        transforms=(),
        batch_size=32,
        shuffle=False,
        sampler=None,
        seed=0,
        labels=True,
        numbers=False,
        drop_remainder=False,
        shard=None,
        training=None,
    ):
        self.sequences = sequences
        self.transforms = _check_transforms(transforms)
        self.batch_size = _check_count("batch_size", batch_size, 1)
        self.seed = _check_count("seed", seed, 0)
        self.labels = bool(labels)
        self.numbers = bool(numbers)
        self.drop_remainder = bool(drop_remainder)
        if not len(sequences):
            raise ValueError("There are no clips to make batches of.")
        if self.labels and np.any(sequences.labels < 0):
            unknown = np.flatnonzero(sequences.labels < 0)
            raise ValueError(
                f"{len(unknown)} of {len(sequences)} clips have no label: "
                f"{_names.list_some(sequences.names[i] for i in unknown)}. "
                "Give them one where they are read, leave them out by "
                "`select`, or pass labels=False for batches of clips alone."
            )
        if training is None:
            training = bool(shuffle) or sampler is not None
        self.training = bool(training)
        self.sampler = _check_sampler(sampler, shuffle)
        self.epoch_size = len(self._order(0))
        self.shard = self._check_shard(shard)
        self.num_draws = 0
        if self.training:
            self.num_draws = sum(each.num_draws for each in self.transforms)
        self.longest = int(sequences.lengths.max())
        if drop_remainder and self.epoch_size < self.batch_size:
            raise ValueError(
                f"{self.epoch_size} clips fill no batch of {self.batch_size}, "
                "and drop_remainder=True leaves out incomplete ones."
            )
        persons, joints, coordinates = sequences.frame_shape
        self.applied = _coordinates.keeping_scores(
            self.transforms,
            _coordinates.count_scores(sequences.coordinates),
            (None, persons, None, joints, coordinates),
        )
        self._on_numpy = [each.twin("numpy") for each in self.applied]
        self._set_shapes()

    def _set_shapes(self):
        """Finds what is known of the shapes before and after transforms."""
        persons, joints, coordinates = self.sequences.frame_shape
        length = None
        shape = self._output_shape((None, persons, None, joints, coordinates))
        if any(view[2] is None for view in shapes_of_views(shape)):
            length = self.longest
            shape = self._output_shape(
                (None, persons, length, joints, coordinates)
            )
        self.batch_shape = shape
        self.has_fixed_length = length is None
        self.num_chosen = 0
        if self.chooses_frames:
            draws = np.zeros((1, self.num_draws), "float32")
            length = self._chosen_frames(np.ones(1, "int32"), draws).shape[1]
            self.num_chosen = length
        self.raw_shape = (None, persons, length, joints, coordinates)
        made = (math.prod(view[1:]) for view in shapes_of_views(shape))
        self._bytes_made = 4 * sum(made)
        self._bytes_of_frame = 4 * persons * joints * coordinates

    @property
    def chooses_frames(self):
        """Whether the first transform tells which frames are to be read."""
        return bool(self._on_numpy) and hasattr(
            self._on_numpy[0], "choose_frames"
        )

    @property
    def pads_batches(self):
        """Whether clips are padded to the longest, and shortened then."""
        return self.has_fixed_length and not self.chooses_frames

    def _check_shard(self, shard):
        if shard is None:
            return 0, 1
        index, count = shard
        _check_count("shard[1]", count, 1)
        if not 0 <= _check_count("shard[0]", index, 0) < count:
            raise ValueError(
                "`shard` must be (index, count) with an index from 0 to "
                f"count - 1. Received: {shard}"
            )
        if self.batch_size % count:
            raise ValueError(
                "`batch_size` is that of all shards together, and must be a "
                f"multiple of their number. Received: batch_size="
                f"{self.batch_size}, shard={shard}"
            )
        rest = self.epoch_size % self.batch_size
        if 0 < rest < count and not self.drop_remainder:
            raise ValueError(
                f"The last of the batches of {self.batch_size} has only "
                f"{rest} clips, not one for each of {count} shards. Pass "
                "drop_remainder=True or choose another `batch_size`."
            )
        return int(index), int(count)

    def rows(self, index):
        """Returns the places in the epoch's order that a batch takes."""
        shard, count = self.shard
        start = index * self.batch_size
        stop = min(start + self.batch_size, self.epoch_size)
        return slice(start + shard, stop, count)

    def _output_shape(self, shape):
        """Shape of the clips of a batch, or a dict of those of its views."""
        for transform in self.applied:
            if isinstance(shape, dict):
                raise ValueError(
                    "`Views` must be the last of the transforms: put those "
                    "that follow into each view."
                )
            shape = transform.compute_output_shape(shape)
        return shape if isinstance(shape, dict) else tuple(shape)

    @property
    def num_batches(self):
        full, rest = divmod(self.epoch_size, self.batch_size)
        return full + bool(rest and not self.drop_remainder)

    def _order(self, epoch):
        num_clips = len(self.sequences)
        order = self.sampler.order(epoch, self.seed, self.sequences.labels)
        order = np.asarray(order)
        if (
            order.ndim != 1
            or not order.size
            or order.dtype.kind not in "iu"
            or order.min() < 0
            or order.max() >= num_clips
        ):
            raise ValueError(
                "A sampler's `order` must be an array of clip numbers from 0 "
                f"to {num_clips - 1}. {type(self.sampler).__name__} returned "
                f"{order!r}."
            )
        return order.astype("int64")

    def epoch_plan(self, epoch):
        """Returns the clips of an epoch in order, and the draws of each.

        Returns:
            int64 array `(epoch_size,)` and float32 array
            `(epoch_size, num_draws)` of numbers in [0, 1).
        """
        order = self._order(int(epoch))
        if len(order) != self.epoch_size:
            raise ValueError(
                "A sampler must give as many clips in every epoch. "
                f"{type(self.sampler).__name__} gave {self.epoch_size} in "
                f"epoch 0 and {len(order)} in epoch {epoch}."
            )
        generator = np.random.default_rng([self.seed, int(epoch)])
        # `Shuffled` has used these numbers.
        generator.permutation(len(self.sequences))
        shape = (len(self.sequences), self.num_draws)
        draws = generator.random(shape, "float32")[order]
        is_repeat = np.ones(self.epoch_size, bool)
        is_repeat[np.unique(order, return_index=True)[1]] = False
        shape = (int(is_repeat.sum()), self.num_draws)
        draws[is_repeat] = generator.random(shape, "float32")
        return order, draws

    def pieces(self, indices, engine="numpy"):
        """Divides a batch, so that little is padded and stays in memory.

        Args:
            indices: int array of the clips of the batch.
            engine: `"numpy"` or `"tensorflow"`.

        Returns:
            int64 array of places in the batch, piece after piece, and int64
            array of where each piece ends among them.
        """
        num_clips = len(indices)
        order = np.arange(num_clips)
        read = np.zeros(num_clips, "int64")
        # Else all are of one length.
        if self.pads_batches:
            lengths = self.sequences.lengths[indices]
            read = self._bytes_of_frame * lengths
            if num_clips * read.max() > PADDED_BYTES[engine]:
                order = np.argsort(lengths, kind="stable")
        most_made = PIECE_BYTES if engine == "numpy" else np.inf
        stops, start = [], 0
        for stop, row in enumerate(order.tolist()):
            count = stop + 1 - start
            # The newest of a piece is the longest, where it matters.
            if count > 1 and (
                count * self._bytes_made > most_made
                or count * read[row] > PADDED_BYTES[engine]
            ):
                stops.append(stop)
                start = stop
        return order, np.array([*stops, num_clips])

    def read(self, indices, draws):
        """Returns raw clips, padded, or their chosen frames; and lengths.

        Returns:
            float32 array `(N, M, T, V, C)`; int32 array `(N, T)` of the
            numbers of the frames, or `(N, 0)` if they were not chosen; int32
            array `(N,)`, the frames that each clip has in the data set.
        """
        lengths = self.sequences.lengths[indices].astype("int32")
        if self.chooses_frames:
            frames = self._chosen_frames(lengths, draws)
            return self.sequences.take_frames(indices, frames), frames, lengths
        length = int(lengths.max()) if self.has_fixed_length else self.longest
        frames = np.zeros((len(indices), 0), "int32")
        return self.sequences.padded(indices, length), frames, lengths

    def _chosen_frames(self, lengths, draws):
        first = self._on_numpy[0]
        draws = self._own(draws, 0, first.num_draws)
        frames = first.choose_frames(lengths, draws, self.longest)
        return frames.astype("int32")

    def _own(self, draws, start, stop):
        """A transform's columns of the draws; `None` where it has none."""
        has_draws = self.training and stop > start
        return draws[:, start:stop] if has_draws else None

    def read_labels(self, indices):
        """Returns int32 labels."""
        return self.sequences.labels[indices].astype("int32")

    def transform(self, clips, frames, lengths, draws, transforms=None):
        """Applies each transform with its columns of the draws.

        Args:
            clips: What `read` returned, also for `frames` and `lengths`.
            frames: int32 `(N, T)`.
            lengths: int32 `(N,)`.
            draws: float32 `(N, num_draws)`.
            transforms: Twins of the transforms, by default those for NumPy.

        Returns:
            The clips, or a dict of their views.
        """
        start = 0
        transforms = transforms or self._on_numpy
        for index, each in enumerate(transforms):
            stop = start + each.num_draws
            own = self._own(draws, start, stop)
            start = stop
            if index == 0 and self.chooses_frames:
                each.check(tuple(clips.shape))
                changed = each.of_chosen(clips, frames, own, lengths)
            else:
                changed = each.call(clips, own, lengths)
            # Nobody asks for the lengths of what is ready.
            if index + 1 < len(transforms):
                lengths = each.new_lengths(clips, own, lengths)
            clips = changed
        return clips

    def example(self):
        """Returns the first clip as `fit` gets it, and how many scores are in.

        Returns:
            float32 array `(1, M, T, V, C)`, or a dict of views; and how many
            of its last coordinates are scores.
        """
        draws = np.zeros((1, self.num_draws), "float32")
        made = self.transform(*self.read(np.zeros(1, "int64"), draws), draws)
        coordinates = self.sequences.coordinates
        scores = _coordinates.count_scores(coordinates)
        same = np.shape(made)[-1:] == (len(coordinates),)
        return made, scores if same else 0

    def batch(self, clips, numbers, labels):
        """Returns what `fit` gets: clips, and what else was asked for.

        Args:
            clips: What `transform` returned.
            numbers: int32 `(N,)`, the numbers of the clips.
            labels: int32 `(N,)`.
        """
        if self.numbers:
            clips = {"clips": clips, "sample": numbers}
        return (clips, labels) if self.labels else clips


def shapes_of_views(shape):
    """The shapes of the views of a batch, or that of its only one."""
    return shape.values() if isinstance(shape, dict) else [shape]


def _check_count(name, value, minimum):
    if not isinstance(value, int | np.integer) or value < minimum:
        raise ValueError(
            f"`{name}` must be a whole number from {minimum} up. "
            f"Received: {value!r}"
        )
    return int(value)


def _check_transforms(transforms):
    if not isinstance(transforms, list | tuple):
        transforms = [transforms]
    for transform in transforms:
        if not hasattr(transform, "twin"):
            raise ValueError(
                "`transforms` must be a list of transforms from "
                "`keras_skeleton.layers.augmentation` (or other "
                f"`SkeletonTransform` layers). Received: {transform!r}"
            )
    return list(transforms)


def _check_sampler(sampler, shuffle):
    if sampler is None:
        return samplers.Shuffled() if shuffle else samplers.InOrder()
    if shuffle:
        raise ValueError(
            "Pass either shuffle=True or a `sampler`. Received both, with "
            f"sampler={sampler!r}."
        )
    if not hasattr(sampler, "order"):
        raise ValueError(
            "`sampler` must have a method `order(epoch, seed, labels)`, like "
            f"those of `datasets.samplers`. Received: {sampler!r}"
        )
    return sampler


class SequenceBatches(keras.utils.PyDataset):
    """The batches of an `EpochPlan`, for `fit` on any backend.

    Made by `Sequences.to_keras`. Iterating over it once is one epoch.

    Args:
        plan: An `EpochPlan`.
        workers: Threads that prepare batches.
    """

    def __init__(self, plan, workers=1):
        # Outside TensorFlow, `fit` looks at a batch before it starts; Keras'
        # threads keep what they made then, and each epoch ends in the next.
        threads_of_keras = keras.backend.backend() == "tensorflow"
        super().__init__(workers=workers if threads_of_keras else 1)
        self._pool = None
        if workers > 1 and not threads_of_keras:
            self._pool = concurrent.futures.ThreadPoolExecutor(workers)
        self._num_ahead = 2 * workers
        self._ahead = {}
        self.plan = plan
        self.epoch = 0
        self._current = None

    def set_epoch(self, epoch: int) -> None:
        """Makes `epoch` the number of the coming epoch."""
        self.epoch = int(epoch)

    def on_epoch_end(self):
        self.epoch += 1

    def __len__(self):
        return self.plan.num_batches

    def __getitem__(self, index):
        if self._pool is None:
            return self._batch(self.epoch, index)
        # Nobody asks for those past the end, which are errors.
        self._ahead = {
            key: self._ahead.get(key) or self._pool.submit(self._batch, *key)
            for key in ((self.epoch, index + i) for i in range(self._num_ahead))
        }
        return self._ahead.pop((self.epoch, index)).result()

    def __iter__(self):
        epoch = self.epoch
        self.epoch += 1
        for index in range(len(self)):
            yield self._batch(epoch, index)

    def _batch(self, epoch, index):
        if not 0 <= index < len(self):
            raise IndexError(f"There are {len(self)} batches, not {index}.")
        current = self._current
        if current is None or current[0] != epoch:
            # Assigned in one piece, as several threads may come here.
            current = self._current = (epoch, *self.plan.epoch_plan(epoch))
        _, order, draws = current
        rows = self.plan.rows(index)
        order, draws = order[rows], draws[rows]
        places, stops = self.plan.pieces(order)
        pieces = [
            self._prepare(order[piece], draws[piece])
            for piece in np.split(places, stops[:-1])
        ]
        clips = pieces[0]
        if len(pieces) > 1:
            into = np.argsort(places)
            clips = keras.tree.map_structure(
                lambda *parts: np.concatenate(parts)[into], *pieces
            )
        labels = self.plan.read_labels(order)
        return self.plan.batch(clips, order.astype("int32"), labels)

    def _prepare(self, indices, draws):
        return self.plan.transform(*self.plan.read(indices, draws), draws)
