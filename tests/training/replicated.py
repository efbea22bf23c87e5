"""Run by test_replicas: contrast on two devices and on one.

python replicated.py momentum_contrast | hallucination
"""

import sys

import keras
import numpy as np
import tensorflow as tf

from keras_skeleton.applications import HaLPPretext
from keras_skeleton.training import Branch
from keras_skeleton.training import MomentumContrast

SHAPE = HaLPPretext.tiny["input_shape"]

devices = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(
    devices[0], 2 * [tf.config.LogicalDeviceConfiguration()]
)


def momentum_contrast():
    encoder = keras.Sequential(
        [keras.Input((6,)), keras.layers.Dense(4, activation="tanh")],
        name="encoder",
    )
    branch = Branch(encoder, keras.layers.Dense(3, name="projector"))
    return MomentumContrast(
        {"joint": branch}, queue_size=16, momentum=0.9, seed=1
    )


def hallucination():
    """A model without chance and, in inference mode, batch statistics."""
    model = HaLPPretext(
        **HaLPPretext.tiny
        | {"num_prototypes": 2, "margin": None, "momentum": 0.9},
        augmentation=None,
        seed=1,
    )
    for branch in (model.queries["joint"], model.keys["joint"]):
        branch.encoder.get_layer("input_norm").trainable = False
    return model


def train(strategy, build, shape):
    keras.utils.set_random_seed(0)
    with strategy.scope():
        model = build()
        random = np.random.default_rng(0)
        for variable in model.encoder.weights:
            if variable.trainable:
                variable.assign(0.5 * random.normal(size=variable.shape))
        model.compile(keras.optimizers.SGD(0.5))
    clips = np.random.default_rng(1).normal(size=(24, *shape))
    history = model.fit(
        clips.astype("float32"),
        batch_size=8,
        epochs=2,
        shuffle=False,
        verbose=0,
    )
    return history.history["loss"], model


SHAPES = {momentum_contrast: (6,), hallucination: SHAPE}
build = globals()[sys.argv[1]]
two, model_of_two = train(
    tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]), build, SHAPES[build]
)
one, model_of_one = train(tf.distribute.get_strategy(), build, SHAPES[build])
np.testing.assert_allclose(two, one, rtol=1e-5)
pairs = zip(model_of_two.weights, model_of_one.weights, strict=True)
for ours, expected in pairs:
    np.testing.assert_allclose(
        ours.numpy(), expected.numpy(), atol=1e-5, err_msg=ours.path
    )
sys.stdout.write("equal\n")
