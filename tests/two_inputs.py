"""A small classifier of skeletons together with video."""

import functools

import keras
import numpy as np
from keras import ops

from keras_skeleton import skeletons

SKELETONS = (2, 4, 20, 3)
VIDEO = (3, 5, 6, 2)
CLASSES = 3


@functools.cache  # compiled functions stay with a model
def two_inputs():
    """Two branches that are joined; all weights random."""
    inputs = {
        "video": keras.Input(VIDEO, name="video"),
        "skeletons": keras.Input(SKELETONS, name="skeletons"),
    }
    x = keras.layers.Dense(5, activation="tanh", name="features")(
        inputs["skeletons"]
    )
    y = keras.layers.Conv3D(
        4, 3, padding="same", activation="tanh", name="video_features"
    )(inputs["video"])
    joined = keras.layers.Concatenate(name="joined")(
        [
            keras.layers.GlobalAveragePooling3D(name="pooled")(x),
            keras.layers.GlobalAveragePooling3D(name="video_pooled")(y),
        ]
    )
    hidden = keras.layers.Dense(6, activation="tanh", name="hidden")(joined)
    outputs = keras.layers.Dense(CLASSES, name="predictions")(hidden)
    model = keras.Model(inputs, outputs, name="two_inputs")
    random = np.random.default_rng(0)
    for variable in model.trainable_variables:
        variable.assign(random.normal(0, 0.6, variable.shape))
    model.skeleton = skeletons.get("nw_ucla")
    return model


def arrays(number, seed=1):
    """Inputs of so many samples, in another order than the model's."""
    random = np.random.default_rng(seed)
    return {
        "skeletons": random.normal(size=(number, *SKELETONS)).astype("float32"),
        "video": random.normal(size=(number, *VIDEO)).astype("float32"),
    }


def logits(model, inputs):
    """Class scores `(N, classes)`, all samples at once."""
    return ops.convert_to_numpy(model(inputs, training=False))
