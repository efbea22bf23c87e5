import functools

import keras
import numpy as np
import pytest
from keras import ops

from keras_skeleton import layers
from keras_skeleton import skeletons
from keras_skeleton.applications import CTRGCN
from keras_skeleton.applications import HyperGCN
from keras_skeleton.applications import PSUMNet
from keras_skeleton.applications import psumnet

NUM_CLASSES = 3


@functools.cache  # compiled functions stay with a model
def _transformer(skeleton="kinect20", activation=None, persons=2, frames=8):
    """A tiny classifier of the package's form with all weights random."""
    joints = skeletons.get(skeleton).num_joints
    inputs = keras.Input((persons, frames, joints, 3), name="skeletons")
    x = layers.FoldPersons(name="fold_persons")(inputs)
    x = layers.JointEmbedding(8, 4, 1, name="joint_embedding")(x)
    x = layers.PositionEmbedding(
        frames // 4, joints, name="position_embedding"
    )(x)
    for index in range(2):
        x = layers.TransformerBlock(2, 2, name=f"block_{index}")(x)
    x = layers.TokenGrid(persons, frames // 4, joints, name="features")(x)
    x = ops.mean(x, axis=(1, 2))
    x = ops.reshape(x, (-1, joints * 8))
    outputs = keras.layers.Dense(
        NUM_CLASSES, activation=activation, name="predictions"
    )(x)
    model = keras.Model(inputs, outputs)
    random = np.random.default_rng(2)
    for variable in model.trainable_variables:
        variable.assign(random.normal(0, 0.4, variable.shape))
    model.skeleton = skeletons.get(skeleton)
    return model


@pytest.fixture
def make_transformer():
    return _transformer


@pytest.fixture
def convolutional():
    """A classifier without attention."""
    inputs = keras.Input((1, 8, 20, 3))
    x = keras.layers.Conv3D(
        6, (1, 3, 1), (1, 2, 1), padding="same", activation="tanh"
    )(inputs)
    x = keras.layers.Conv3D(4, (1, 1, 3), padding="same", name="features")(x)
    x = keras.layers.GlobalAveragePooling3D()(x)
    outputs = keras.layers.Dense(NUM_CLASSES, name="predictions")(x)
    return keras.Model(inputs, outputs)


@functools.cache
def _graph_network(system, persons=2, frames=4, **arguments):
    """A shallow graph network with all weights random."""
    cls = {"ctrgcn": CTRGCN, "hypergcn": HyperGCN}.get(system, PSUMNet)
    if system == "hypergcn":
        arguments = {"num_heads": 2} | arguments
    joints, channels = 20, 3
    if "part" in arguments:
        part = psumnet.part_of("nw_ucla", arguments["part"])
        joints, channels = len(part.joints), 12
    model = cls(
        input_shape=(persons, frames, joints, channels),
        skeleton="nw_ucla",
        classes=NUM_CLASSES,
        **{"hidden_dim": 8, "blocks": cls.tiny["blocks"]} | arguments,
    )
    random = np.random.default_rng(3)
    for variable in sorted(model.trainable_variables, key=lambda v: v.path):
        start = float(variable.path.endswith(("gamma", "gate")))
        variable.assign(random.normal(start, 0.4, variable.shape))
    return model


@pytest.fixture
def make_graph_network():
    return _graph_network


@pytest.fixture(params=["ctrgcn", "hypergcn", "psumnet", "leg"])
def graph_network(request):
    """One of each system, and the clips that it takes."""
    # With all joints as neighbours, no choice among them makes a jump.
    arguments = {
        "hypergcn": {"num_neighbors": 30},
        "leg": {"part": "leg"},
    }.get(request.param, {})
    model = _graph_network(request.param, **arguments)
    random = np.random.default_rng(4)
    shape = (2, *model.input_shape[1:])
    return model, random.normal(size=shape).astype("float32")
