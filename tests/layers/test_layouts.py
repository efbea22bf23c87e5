"""Layers that take clips of several joint layouts in one batch."""

import keras
import numpy as np
import pytest
from keras import ops
from support import gradients

from keras_skeleton import layers

SIZES = {"large": 5, "small": 3}
GRAPHS = {
    name: layers.partition_graph(size, [(i + 1, i) for i in range(size - 1)], 0)
    for name, size in SIZES.items()
}
LAYOUT = np.array([0, 1, 1, 0, 1], "int32")


def clips(random):
    return random.normal(size=(5, 2, 4, 5, 3)).astype("float32")


def randomize(layer, random):
    for variable in layer.weights:
        low = 0.5 if "variance" in variable.path else -1
        variable.assign(random.uniform(low, 1, variable.shape))


def array(x):
    return np.array(ops.convert_to_numpy(x))


def alone(norm, name):
    """The normalization of one layout, with its variables."""
    number = list(SIZES).index(name)
    single = layers.PersonNormalization(shared=True)
    single.build((None, 2, 4, SIZES[name], 3))
    single.set_weights(norm.norms[number].get_weights())
    return single


@pytest.mark.parametrize("training", [False, True])
def test_normalization(random, training):
    x = clips(random)
    norm = layers.LayoutNormalization(SIZES)
    norm.build(x.shape)
    randomize(norm, random)
    singles = {name: alone(norm, name) for name in SIZES}
    y = array(norm(x, layout=LAYOUT, training=training))
    for number, (name, size) in enumerate(SIZES.items()):
        rows = number == LAYOUT
        own = singles[name](x[rows][:, :, :, :size], training=training)
        np.testing.assert_allclose(
            y[rows][:, :, :, :size], array(own), atol=1e-5
        )
        assert not y[rows][:, :, :, size:].any()
        for one, two in zip(
            norm.norms[number].weights, singles[name].weights, strict=True
        ):
            np.testing.assert_allclose(
                array(one.value), array(two.value), atol=1e-6
            )


def test_normalization_of_a_layout_that_is_not_there(random):
    x = clips(random)
    norm = layers.LayoutNormalization(SIZES)
    norm.build(x.shape)
    randomize(norm, random)
    before = norm.norms[0].get_weights(), norm.norms[1].get_weights()
    before = keras.tree.map_structure(np.array, before)
    y = norm(x, layout=np.ones(5, "int32"), training=True)
    assert np.isfinite(array(y)).all()
    for old, new in zip(before[0], norm.norms[0].get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    for old, variable in zip(before[1], norm.norms[1].weights, strict=True):
        moves = "moving" in variable.path
        assert np.array_equal(old, array(variable.value)) != moves


def test_graph_convolution(random):
    x = clips(random)[:, 0]
    convolution = layers.LayoutGraphConvolution(6, GRAPHS)
    convolution.build(x.shape)
    randomize(convolution, random)
    y = array(convolution(x, layout=LAYOUT))
    for number, (name, size) in enumerate(SIZES.items()):
        single = layers.PartitionGraphConvolution(6, GRAPHS[name])
        single.build((None, 4, size, 3))
        values = {v.path.split("/", 1)[1]: v for v in convolution.weights}
        for variable in single.weights:
            key = variable.path.split("/", 1)[1]
            own = values.get(key, values.get(f"{key}_{name}"))
            variable.assign(own.value)
        rows = number == LAYOUT
        np.testing.assert_allclose(
            y[rows][:, :, :size], array(single(x[rows][:, :, :size])), atol=1e-5
        )
        # Padded joints are those of nobody: they receive nothing.
        padded = array(
            convolution.receive(
                x[rows], np.zeros((rows.sum(), 3, 5, 5), "float32")
            )
        )
        assert not padded.any()


def test_no_gradient_for_a_layout_that_is_not_there(random):
    x = clips(random)[:, 0]
    inputs = {
        "x": keras.Input(x.shape[1:], name="x"),
        "layout": keras.Input((), dtype="int32", name="layout"),
    }
    convolution = layers.LayoutGraphConvolution(6, GRAPHS, name="convolution")
    y = convolution(inputs["x"], layout=inputs["layout"])
    model = keras.Model(inputs, y)

    def loss(model, x):
        return ops.mean(ops.square(model(x)))

    _, found = gradients(model, loss, {"x": x, "layout": np.ones(5, "int32")})
    assert found["convolution/importance_small"].any()
    assert not found["convolution/importance_large"].any()


def test_filled_joints(random):
    x = clips(random)
    y = array(layers.FillJoints(SIZES.values())(x, layout=LAYOUT))
    for number, size in enumerate(SIZES.values()):
        rows = number == LAYOUT
        own = x[rows][:, :, :, :size]
        np.testing.assert_array_equal(y[rows][:, :, :, :size], own)
        np.testing.assert_allclose(y[rows].mean(3), own.mean(3), atol=1e-6)
        np.testing.assert_allclose(y[rows].max(3), own.max(3), atol=1e-6)


def test_dense(random):
    x = random.normal(size=(5, 4)).astype("float32")
    head = layers.LayoutDense(3, SIZES, activation="softmax")
    y = array(head(x, layout=LAYOUT))
    for number in range(2):
        own = ops.softmax(head.heads[number](x))
        rows = number == LAYOUT
        np.testing.assert_allclose(y[rows], array(own)[rows], atol=1e-6)


def test_feature_drop_of_everything():
    """Where all stands out, nothing is left, and nothing is divided by 0."""
    drop = layers.FeatureDrop(threshold=0.1)
    y = drop(np.ones((2, 3, 4, 5), "float32"))
    np.testing.assert_array_equal(array(y), 0)


@pytest.mark.once
@pytest.mark.parametrize(
    "layer",
    [
        layers.LayoutNormalization(SIZES),
        layers.LayoutGraphConvolution(6, GRAPHS, importance=False),
        layers.FillJoints(SIZES.values()),
        layers.LayoutDense(3, SIZES, activation="softmax"),
        layers.FeatureDrop(0.8, 1e-3),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_serialisation(layer):
    config = keras.saving.serialize_keras_object(layer)
    revived = keras.saving.deserialize_keras_object(config)
    assert type(revived) is type(layer)
    assert revived.get_config() == layer.get_config()


@pytest.mark.once
def test_too_few_joints():
    with pytest.raises(ValueError, match="Pad clips to the largest layout"):
        layers.LayoutGraphConvolution(6, GRAPHS).build((None, 4, 3, 3))
