"""Batches of clips: the same for `keras.utils.PyDataset` and `tf.data`."""

import concurrent.futures
import math

import keras
import numpy as np

# NumPy works through a batch in pieces of this size: larger arrays leave the
# processor's cache between two operations, which halves the speed.
PIECE_BYTES = 1 << 19


class EpochPlan:
    """What is in each batch of each epoch, and how it is prepared.

    The order of the clips and the random draws of the transforms are a pure
    function of the seed and the epoch.

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
        seed=0,
        labels=True,
        drop_remainder=False,
        shard=None,
    ):
        self.sequences = sequences
        self.transforms = _check_transforms(transforms)
        self.batch_size = _check_count("batch_size", batch_size, 1)
        self.shuffle = bool(shuffle)
        self.seed = _check_count("seed", seed, 0)
        self.labels = bool(labels)
        self.drop_remainder = bool(drop_remainder)
        if not len(sequences):
            raise ValueError("There are no clips to make batches of.")
        if self.labels and np.any(sequences.labels < 0):
            raise ValueError(
                "Some clips have no label. Pass labels=False for batches of "
                "clips alone."
            )
        self.shard = self._check_shard(shard)
        self.num_draws = sum(each.num_draws for each in self.transforms)
        self.longest = int(sequences.lengths.max())
        if drop_remainder and len(sequences) < self.batch_size:
            raise ValueError(
                f"{len(sequences)} clips fill no batch of {self.batch_size}, "
                "and drop_remainder=True leaves out incomplete ones."
            )
        persons, joints, coordinates = sequences.frame_shape
        self.has_fixed_length = True
        shape = self._output_shape((None, persons, None, joints, coordinates))
        if shape[2] is None:
            self.has_fixed_length = False
            shape = self._output_shape(
                (None, persons, self.longest, joints, coordinates)
            )
        self.batch_shape = shape

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
        rest = len(self.sequences) % self.batch_size
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
        stop = min(start + self.batch_size, len(self.sequences))
        return slice(start + shard, stop, count)

    def _output_shape(self, shape):
        for transform in self.transforms:
            shape = tuple(transform.compute_output_shape(shape))
        return shape

    @property
    def num_batches(self):
        full, rest = divmod(len(self.sequences), self.batch_size)
        return full + bool(rest and not self.drop_remainder)

    def epoch_plan(self, epoch):
        """Returns the clips of an epoch in order, and the draws of each.

        Returns:
            int64 array `(num_clips,)` and float32 array
            `(num_clips, num_draws)` of numbers in [0, 1).
        """
        generator = np.random.default_rng([self.seed, int(epoch)])
        num_clips = len(self.sequences)
        order = generator.permutation(num_clips)
        draws = generator.random((num_clips, self.num_draws), "float32")
        if not self.shuffle:
            order = np.arange(num_clips)
        return order.astype("int64"), draws[order]

    def pieces(self, num_clips):
        """Yields the bounds of groups of clips that stay in fast memory."""
        size = max(1, PIECE_BYTES // (4 * math.prod(self.batch_shape[1:])))
        for start in range(0, num_clips, size):
            yield start, min(start + size, num_clips)

    def read(self, indices):
        """Returns raw clips, padded."""
        length = self.longest
        if self.has_fixed_length:
            length = int(self.sequences.lengths[indices].max())
        return self.sequences.padded(indices, length)

    def read_labels(self, indices):
        """Returns int32 labels."""
        return self.sequences.labels[indices].astype("int32")

    def transform(self, clips, draws, functions):
        """Applies each function with its transform's columns of the draws."""
        start = 0
        for each, function in zip(self.transforms, functions, strict=True):
            stop = start + each.num_draws
            own = draws[:, start:stop] if each.num_draws else None
            clips = function(clips, draws=own)
            start = stop
        return clips


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
        if not hasattr(transform, "on_numpy"):
            raise ValueError(
                "`transforms` must be a list of transforms from "
                "`keras_skeleton.layers.augmentation` (or other "
                f"`SkeletonTransform` layers). Received: {transform!r}"
            )
    return list(transforms)


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
        self._functions = [each.on_numpy() for each in plan.transforms]

    def set_epoch(self, epoch):
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
        clips = [
            self._prepare(order[start:stop], draws[start:stop])
            for start, stop in self.plan.pieces(len(order))
        ]
        clips = clips[0] if len(clips) == 1 else np.concatenate(clips)
        if not self.plan.labels:
            return clips
        return clips, self.plan.read_labels(order)

    def _prepare(self, indices, draws):
        clips = self.plan.read(indices)
        return self.plan.transform(clips, draws, self._functions)


class _EpochCounter:
    def __init__(self):
        self.epoch = 0

    def assign(self, epoch):
        self.epoch = int(epoch)

    def advance(self):
        self.epoch += 1
        return self.epoch - 1


def build_dataset(plan, workers=None):
    """Returns the batches of an `EpochPlan` as a `tf.data.Dataset`."""
    try:
        import tensorflow as tf
    except ImportError as error:
        raise ImportError(
            "`to_dataset` makes a `tf.data.Dataset` and needs TensorFlow: "
            "pip install tensorflow. Without it, `to_keras` gives the same "
            "batches."
        ) from error

    counter = _EpochCounter()
    persons, joints, coordinates = plan.sequences.frame_shape
    length = None if plan.has_fixed_length else plan.longest
    raw_shape = (None, persons, length, joints, coordinates)

    def start(_):
        order, draws = tf.numpy_function(
            lambda: plan.epoch_plan(counter.advance()),
            [],
            [tf.int64, tf.float32],
        )
        order = tf.ensure_shape(order, (len(plan.sequences),))
        draws = tf.ensure_shape(draws, (len(plan.sequences), plan.num_draws))
        rows = tf.data.Dataset.from_tensor_slices((order, draws))
        rows = rows.take(plan.num_batches * plan.batch_size)
        shard, count = plan.shard
        rows = rows.shard(count, shard)
        return rows.batch(plan.batch_size // count)

    def prepare(indices, draws):
        clips, labels = tf.numpy_function(
            lambda indices: (plan.read(indices), plan.read_labels(indices)),
            [indices],
            [tf.float32, tf.int32],
        )
        clips = tf.ensure_shape(clips, raw_shape)
        clips = plan.transform(clips, draws, plan.transforms)
        batch = None
        if plan.drop_remainder:
            batch = plan.batch_size // plan.shard[1]
        clips = tf.ensure_shape(clips, (batch, *plan.batch_shape[1:]))
        if not plan.labels:
            return clips
        return clips, tf.ensure_shape(labels, (batch,))

    dataset = tf.data.Dataset.range(1).flat_map(start)
    dataset = dataset.apply(
        tf.data.experimental.assert_cardinality(plan.num_batches)
    )
    dataset = dataset.map(
        prepare,
        num_parallel_calls=tf.data.AUTOTUNE if workers is None else workers,
        deterministic=True,
    )
    dataset = dataset.prefetch(tf.data.AUTOTUNE)
    options = tf.data.Options()
    # There are no files for `tf.distribute` to divide among its workers.
    options.experimental_distribute.auto_shard_policy = (
        tf.data.experimental.AutoShardPolicy.DATA
        if plan.shard == (0, 1)
        else tf.data.experimental.AutoShardPolicy.OFF
    )
    dataset = dataset.with_options(options)
    dataset.set_epoch = counter.assign
    return dataset
