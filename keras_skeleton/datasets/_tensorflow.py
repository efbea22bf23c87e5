"""Batches of clips as a `tf.data.Dataset`."""

from keras_skeleton.datasets.batches import shapes_of_views


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
    twins = [each.twin("tensorflow") for each in plan.applied]
    shapes = list(shapes_of_views(plan.batch_shape))
    has_views = isinstance(plan.batch_shape, dict)
    views = list(plan.batch_shape) if has_views else []

    def start(_):
        order, draws = tf.numpy_function(
            lambda: plan.epoch_plan(counter.advance()),
            [],
            [tf.int64, tf.float32],
        )
        order = tf.ensure_shape(order, (plan.epoch_size,))
        draws = tf.ensure_shape(draws, (plan.epoch_size, plan.num_draws))
        rows = tf.data.Dataset.from_tensor_slices((order, draws))
        rows = rows.take(plan.num_batches * plan.batch_size)
        shard, count = plan.shard
        rows = rows.shard(count, shard)
        return rows.batch(plan.batch_size // count)

    def transformed(indices, draws):
        """List of the clips, or of those of each view."""
        clips, frames, lengths = tf.numpy_function(
            plan.read, [indices, draws], [tf.float32, tf.int32, tf.int32]
        )
        clips = tf.ensure_shape(clips, plan.raw_shape)
        lengths = tf.ensure_shape(lengths, (None,))
        frames = tf.ensure_shape(frames, (None, plan.num_chosen))
        clips = plan.transform(clips, frames, lengths, draws, twins)
        return [clips[view] for view in views] if views else [clips]

    def transformed_in_pieces(indices, draws):
        """The same, piece after piece."""
        places, stops = tf.numpy_function(
            lambda indices: plan.pieces(indices, "tensorflow"),
            [indices],
            [tf.int64, tf.int64],
        )
        places = tf.ensure_shape(places, (None,))
        stops = tf.ensure_shape(stops, (None,))

        def add(step, start, arrays):
            piece = places[start : stops[step]]
            made = transformed(
                tf.gather(indices, piece), tf.gather(draws, piece)
            )
            return (
                step + 1,
                stops[step],
                [
                    array.write(step, clips)
                    for array, clips in zip(arrays, made, strict=True)
                ],
            )

        arrays = [
            tf.TensorArray(
                tf.float32,
                tf.size(stops),
                element_shape=(None, *shape[1:]),
                infer_shape=False,
            )
            for shape in shapes
        ]
        *_, arrays = tf.while_loop(
            lambda step, *_: step < tf.size(stops),
            add,
            (0, tf.constant(0, tf.int64), arrays),
            parallel_iterations=1,
        )
        into = tf.argsort(places)
        return [tf.gather(array.concat(), into) for array in arrays]

    def prepare(indices, draws):
        make = transformed_in_pieces if plan.pads_batches else transformed
        made = make(indices, draws)
        batch = None
        if plan.drop_remainder:
            batch = plan.batch_size // plan.shard[1]
        made = [
            tf.ensure_shape(clips, (batch, *shape[1:]))
            for clips, shape in zip(made, shapes, strict=True)
        ]
        clips = dict(zip(views, made, strict=True)) if views else made[0]
        labels = tf.numpy_function(plan.read_labels, [indices], tf.int32)
        numbers = tf.ensure_shape(tf.cast(indices, tf.int32), (batch,))
        return plan.batch(clips, numbers, tf.ensure_shape(labels, (batch,)))

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
