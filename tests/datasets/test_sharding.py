import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from keras_skeleton.datasets import Sequences
from keras_skeleton.layers.augmentation import CropResize
from keras_skeleton.layers.augmentation import RandomRotation
from keras_skeleton.skeletons import Skeleton

ARM = Skeleton("arm", ("shoulder", "elbow", "hand"), ((1, 0), (2, 1)))
TRANSFORMS = [RandomRotation(0.3), CropResize(6, (0.5, 1.0), min_frames=2)]


def make_data(num_clips=19):
    generator = np.random.default_rng(0)
    clips = [
        generator.normal(size=(5 + index, 3, 3)) for index in range(num_clips)
    ]
    return Sequences.from_arrays(clips, np.arange(num_clips) % 4, skeleton=ARM)


@pytest.mark.parametrize("kind", ["to_keras", "to_dataset"])
@pytest.mark.parametrize("drop_remainder", [True, False])
@pytest.mark.parametrize("count", [2, 3])
def test_shards_make_up_the_batches(kind, drop_remainder, count):
    if kind == "to_dataset":
        pytest.importorskip("tensorflow")
    make = getattr(make_data(), kind)
    arguments = {
        "transforms": TRANSFORMS,
        "batch_size": 6,
        "shuffle": True,
        "seed": 3,
        "drop_remainder": drop_remainder,
    }
    if not drop_remainder:
        # 19 clips leave one, too few for all shards.
        with pytest.raises(ValueError, match="only 1 clips"):
            make(**arguments, shard=(0, count))
        make = getattr(make_data(22), kind)
    whole = make(**arguments)
    shards = [make(**arguments, shard=(i, count)) for i in range(count)]
    assert {len(shard) for shard in shards} == {len(whole)}
    for epoch in range(2):
        parts = [list(shard) for shard in shards]
        for step, (clips, labels) in enumerate(whole):
            for index in range(count):
                share, share_labels = parts[index][step]
                np.testing.assert_array_equal(
                    np.asarray(share_labels), np.asarray(labels)[index::count]
                )
                np.testing.assert_allclose(
                    np.asarray(share),
                    np.asarray(clips)[index::count],
                    atol=1e-6,
                )
        assert step == len(whole) - 1, epoch


def test_wrong_shards():
    data = make_data()
    with pytest.raises(ValueError, match="from 0 to"):
        data.to_keras(shard=(2, 2))
    with pytest.raises(ValueError, match="multiple of their number"):
        data.to_keras(batch_size=5, shard=(0, 2))


TRAIN = """
import keras
import numpy as np
from keras_skeleton.datasets import Sequences
from keras_skeleton.layers.augmentation import CropResize
from keras_skeleton.skeletons import Skeleton

arm = Skeleton("arm", ("shoulder", "elbow", "hand"), ((1, 0), (2, 1)))
generator = np.random.default_rng(0)
clips = [generator.normal(size=(5 + index, 3, 3)) for index in range(16)]
data = Sequences.from_arrays(clips, np.arange(16) % 4, skeleton=arm)


def train(batches):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input((1, 6, 3, 3)), keras.layers.Flatten()]
        + [keras.layers.Dense(4)]
    )
    model.compile(
        keras.optimizers.SGD(0.1),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    # Keras looks at a batch before it trains, which may count as an epoch.
    follow = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: batches.set_epoch(epoch)
    )
    model.fit(batches, epochs=2, verbose=0, shuffle=False, callbacks=[follow])
    return np.concatenate([w.ravel() for w in model.get_weights()])


crop = CropResize(6, (0.5, 1.0), min_frames=2)
arguments = dict(batch_size=8, shuffle=True, drop_remainder=True)
"""

# Before TensorFlow is at work.
TWO_DEVICES = """
import tensorflow as tf

device = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(
    device, [tf.config.LogicalDeviceConfiguration()] * 2
)
"""

STRATEGY = """
expected = train(data.to_dataset(crop, **arguments))
with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
    found = train(data.to_dataset(crop, **arguments))
np.testing.assert_allclose(found, expected, atol=1e-5)
"""

DISTRIBUTION = """
expected = train(data.to_keras(crop, **arguments))
devices = keras.distribution.list_devices("cpu")
assert len(devices) == 2
keras.distribution.set_distribution(
    keras.distribution.DataParallel(devices=devices)
)
found = train(data.to_keras(crop, **arguments))
np.testing.assert_allclose(found, expected, atol=1e-5)
"""


def run(code, **environment):
    result = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr[-3000:]


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="tf.distribute"
)
def test_tf_distribute():
    run(TWO_DEVICES + TRAIN + STRATEGY)


@pytest.mark.skipif(
    keras.backend.backend() != "jax", reason="keras.distribution is for JAX"
)
def test_keras_distribution():
    run(
        TRAIN + DISTRIBUTION,
        XLA_FLAGS="--xla_force_host_platform_device_count=2",
    )
