"""Run by test_replicas: momentum contrast on two devices and on one."""

import sys

import keras
import numpy as np
import tensorflow as tf

from keras_skeleton.training import Branch
from keras_skeleton.training import MomentumContrast

devices = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(
    devices[0], 2 * [tf.config.LogicalDeviceConfiguration()]
)


def train(strategy):
    keras.utils.set_random_seed(0)
    with strategy.scope():
        encoder = keras.Sequential(
            [keras.Input((6,)), keras.layers.Dense(4, activation="tanh")],
            name="encoder",
        )
        branch = Branch(encoder, keras.layers.Dense(3, name="projector"))
        model = MomentumContrast(
            {"joint": branch}, queue_size=16, momentum=0.9, seed=1
        )
        random = np.random.default_rng(0)
        for variable in encoder.weights:
            variable.assign(random.normal(size=variable.shape))
        model.compile(keras.optimizers.SGD(0.5))
    clips = np.random.default_rng(1).normal(size=(24, 6)).astype("float32")
    history = model.fit(clips, batch_size=8, epochs=2, shuffle=False, verbose=0)
    return history.history["loss"], model


two, model_of_two = train(tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]))
one, model_of_one = train(tf.distribute.get_strategy())
np.testing.assert_allclose(two, one, rtol=1e-5)
pairs = zip(model_of_two.weights, model_of_one.weights, strict=True)
for ours, expected in pairs:
    np.testing.assert_allclose(
        ours.numpy(), expected.numpy(), atol=1e-5, err_msg=ours.path
    )
sys.stdout.write("equal\n")
