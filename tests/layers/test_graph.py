import math

import keras
import numpy as np
import pytest
from graph_networks import randomize_layer
from keras import ops
from support import gradients

from keras_skeleton import layers
from keras_skeleton import skeletons

ARM = layers.spatial_graph(3, [(1, 0), (2, 1)])


def features(*shape, seed=0):
    random = np.random.default_rng(seed)
    return random.normal(size=shape).astype("float32")


@pytest.mark.parametrize("name", ["ntu", "nw_ucla", "coco17"])
def test_spatial_graph(name):
    skeleton = skeletons.get(name)
    graph = layers.spatial_graph(skeleton.num_joints, skeleton.edges)
    np.testing.assert_array_equal(graph[0], np.eye(skeleton.num_joints))
    parents = [parent for _, parent in skeleton.edges]
    for child, parent in skeleton.edges:
        assert graph[1, parent, child] == 1
        share = np.float32(1 / parents.count(parent))
        assert graph[2, child, parent] == share
    assert (graph[1:] > 0).sum() == 2 * len(skeleton.edges)


def test_joints_with_two_parents_send_to_both():
    graph = layers.spatial_graph(3, [(2, 0), (2, 1)])
    np.testing.assert_array_equal(graph[1, :, 2], [0.5, 0.5, 0])


def test_edges_outside_the_body():
    with pytest.raises(ValueError, match="numbered 0 to 2"):
        layers.spatial_graph(3, [(3, 2)])


def dense(layer, x):
    kernel, bias = layer.get_weights()
    return x @ kernel + bias


def normalized(x, norm):
    gamma, beta, mean, variance = norm.get_weights()
    return (x - mean) / np.sqrt(variance + norm.epsilon) * gamma + beta


def by_definition(layer, x):
    """The layer outside training, as its formula says."""
    graph, gate = (
        ops.convert_to_numpy(variable.value)
        for variable in (layer.graph, layer.gate)
    )
    z = 0
    for s in range(len(graph)):
        q = dense(layer.receivers[s], x).mean(axis=1)
        k = dense(layer.senders[s], x).mean(axis=1)
        difference = np.tanh(q[:, :, None] - k[:, None])
        topology = gate * dense(layer.relations[s], difference)
        topology += graph[s][:, :, None]
        values = dense(layer.values[s], x)
        z = z + np.einsum("buvc,btvc->btuc", topology, values)
    shortcut = x
    if layer.shortcut is not None:
        shortcut = normalized(dense(layer.shortcut, x), layer.shortcut_norm)
    return np.maximum(normalized(z, layer.norm) + shortcut, 0)


ACTIVATIONS = {
    "prelu": lambda x: np.where(x > 0, x, 0.25 * x),
    "relu": lambda x: np.maximum(x, 0),
    "elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    "gelu": lambda x: x * (1 + np.vectorize(math.erf)(x / 2**0.5)) / 2,
}


def normalized_each(x, norm):
    """A layer normalization."""
    gamma, beta = norm.get_weights()
    x = x - x.mean(axis=-1, keepdims=True)
    variance = np.square(x).mean(axis=-1, keepdims=True)
    return x / np.sqrt(variance + 1e-5) * gamma + beta


@pytest.mark.parametrize(
    ("kind", "normalization", "residual"),
    [
        ("prelu", "batch", False),
        ("relu", "batch", True),
        ("elu", "layer", True),
        ("gelu", "layer", False),
    ],
)
def test_graph_isomorphism(kind, normalization, residual):
    graph = layers.body_graph(3, [(1, 0), (2, 1)])
    network = layers.GraphIsomorphismNetwork(
        4,
        graph,
        2,
        activation=kind,
        center_weight=1.5,
        residual=residual,
        normalization=normalization,
    )
    x = features(2, 5, 3, 2)
    network.build(x.shape)
    randomize_layer(network)
    act = ACTIVATIONS[kind]
    norm_of = normalized if normalization == "batch" else normalized_each
    expected = x
    for layer in network.layers:
        if kind == "prelu":
            for each in (layer.hidden_activation, layer.activation):
                each.alpha.assign([[0.25]])
        given = expected
        y = np.einsum("ij,btjc->btic", graph + 1.5 * np.eye(3), given)
        for linear, norm in (
            (layer.hidden, layer.hidden_norm),
            (layer.projection, layer.norm),
        ):
            y = act(norm_of(dense(linear, y), norm))
        if residual:
            if layer.shortcut is not None:
                given = given @ layer.shortcut.get_weights()[0]
            y = y + given
        expected = y
    for found in (network, network.copy("copied")):
        if not found.built:
            found.build(x.shape)
            found.set_weights(network.get_weights())
        found = ops.convert_to_numpy(found(x))
        np.testing.assert_allclose(found, expected, atol=2e-5)


@pytest.mark.parametrize("channels", [5, 6])
def test_convolution(channels):
    layer = layers.ChannelTopologyGraphConvolution(6, ARM, 2)
    x = features(2, 4, 3, channels)
    layer.build(x.shape)
    randomize_layer(layer)
    assert (layer.shortcut is None) == (channels == 6)
    outputs = ops.convert_to_numpy(layer(x))
    assert outputs.shape == layer.compute_output_shape(x.shape)
    expected = by_definition(layer, x)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(outputs / scale, expected / scale, atol=1e-5)


@pytest.mark.parametrize("adaptive", [True, False])
@pytest.mark.parametrize("channels", [5, 6])
def test_shared_graphs(channels, adaptive):
    layer = layers.GraphConvolution(6, ARM, adaptive)
    x = features(2, 4, 3, channels)
    layer.build(x.shape)
    assert any(v is layer.graph for v in layer.trainable_variables) == adaptive
    randomize_layer(layer)
    graph = ops.convert_to_numpy(layer.graph.value)
    if adaptive:
        graph = graph / (np.linalg.norm(graph, axis=2, keepdims=True) + 1e-4)
    z = sum(
        dense(value, np.einsum("uv,btvc->btuc", graph[s], x))
        for s, value in enumerate(layer.values)
    )
    shortcut = x
    if channels != 6:
        shortcut = normalized(dense(layer.shortcut, x), layer.shortcut_norm)
    expected = np.maximum(normalized(z, layer.norm) + shortcut, 0)
    outputs = ops.convert_to_numpy(layer(x))
    assert outputs.shape == layer.compute_output_shape(x.shape)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(outputs / scale, expected / scale, atol=1e-5)


def test_new_layers_use_the_given_graph():
    layer = layers.ChannelTopologyGraphConvolution(6, ARM, 2)
    x = features(2, 4, 3, 5)
    layer.build(x.shape)
    topologies = ops.convert_to_numpy(layer.topology(x))
    assert topologies.shape == (2, len(ARM), 6, 3, 3)
    expected = np.broadcast_to(ARM[:, None], topologies.shape)
    np.testing.assert_array_equal(topologies, expected)


def test_training_normalizes_and_tracks():
    layer = layers.ChannelTopologyGraphConvolution(6, ARM, 2)
    x = features(2, 4, 3, 6)
    layer.build(x.shape)
    randomize_layer(layer)
    before = layer.norm.get_weights()
    outputs = ops.convert_to_numpy(layer(x, training=True))
    after = layer.norm.get_weights()
    # The statistics that the layer has taken over are those of the batch.
    mean = (after[2] - 0.9 * before[2]) / 0.1
    count = 2 * 4 * 3
    variance = (after[3] - 0.9 * before[3]) / 0.1 * (count - 1) / count
    layer.norm.set_weights([*before[:2], mean, variance])
    expected = by_definition(layer, x)
    np.testing.assert_allclose(outputs, expected, atol=1e-4)


def make_block(graph=ARM, dtype=None, **arguments):
    convolution = layers.ChannelTopologyGraphConvolution(
        8, graph, 2, name="graph_convolution", dtype=dtype
    )
    return layers.SpatioTemporalBlock(convolution, dtype=dtype, **arguments)


@pytest.mark.parametrize(
    ("channels", "stride", "residual"),
    [(8, 1, True), (8, 2, True), (5, 1, True), (5, 2, False)],
)
@pytest.mark.parametrize("multi_scale", [True, False])
def test_block(channels, stride, residual, multi_scale):
    block = make_block(
        stride=stride, residual=residual, multi_scale=multi_scale
    )
    x = features(2, 5, 3, channels)
    block.build(x.shape)
    randomize_layer(block)
    outputs = ops.convert_to_numpy(block(x))
    assert outputs.shape == block.compute_output_shape(x.shape)
    y = block.graph_convolution(x)
    expected = ops.convert_to_numpy(block.temporal_convolution(y))
    if not multi_scale:
        expected = normalized(expected, block.temporal_norm)
    if residual and (channels, stride) == (8, 1):
        assert block.shortcut is None
        expected = expected + x
    elif residual:
        expected = expected + normalized(
            dense(block.shortcut, x[:, ::stride]), block.shortcut_norm
        )
    expected = np.maximum(expected, 0)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(outputs / scale, expected / scale, atol=1e-5)


def test_gradients_reach_every_variable():
    inputs = keras.Input((4, 3, 5))
    block = make_block(stride=2)
    model = keras.Model(inputs, block(inputs))
    randomize_layer(model)
    target = ops.convert_to_tensor(features(3, 2, 3, 8))

    def loss(model, x):
        # In inference mode, as batch statistics leave biases no gradient.
        return ops.mean(ops.square(model(x, training=False) - target))

    _, found = gradients(model, loss, features(3, 4, 3, 5))
    assert [path for path, x in found.items() if not np.any(x)] == []


def test_fixed_graphs_are_not_trained():
    layer = layers.ChannelTopologyGraphConvolution(6, ARM, 2, adaptive=False)
    layer.build((None, 4, 3, 5))
    assert not any(v is layer.graph for v in layer.trainable_variables)


def test_saving_keeps_every_argument(tmp_path):
    inputs = keras.Input((2, 5, 3, 4))
    x = layers.PersonNormalization(name="norm", momentum=0.8)(inputs)
    x = layers.FoldPersons()(x)
    x = layers.ChannelTopologyGraphConvolution(
        6, ARM, 3, adaptive=False, name="graph"
    )(x)
    x = layers.GraphConvolution(4, ARM, adaptive=False, name="shared")(x)
    x = make_block(
        graph=2 * ARM,
        stride=2,
        residual=False,
        padding="edge",
        multi_scale=False,
        name="block",
    )(x)
    model = keras.Model(inputs, x)
    randomize_layer(model)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    for name in ("norm", "graph", "shared", "block"):
        config = model.get_layer(name).get_config()
        assert loaded.get_layer(name).get_config() == config
    clips = features(2, 2, 5, 3, 4)
    np.testing.assert_array_equal(
        ops.convert_to_numpy(model(clips)), ops.convert_to_numpy(loaded(clips))
    )


def test_person_normalization():
    layer = layers.PersonNormalization()
    x = 3 + features(4, 2, 6, 3, 2) * np.arange(1, 4)[:, None]
    x = x.astype("float32")
    outputs = ops.convert_to_numpy(layer(x, training=True))
    axes = (0, 2)
    np.testing.assert_allclose(outputs.mean(axes), 0, atol=1e-5)
    np.testing.assert_allclose(outputs.std(axes), 1, atol=1e-4)
    gamma, beta, mean, variance = layer.get_weights()
    assert gamma.shape == beta.shape == (2 * 3 * 2,)
    np.testing.assert_allclose(mean, 0.1 * x.mean(axes).ravel(), atol=1e-5)
    np.testing.assert_allclose(
        variance, 0.9 + 0.1 * x.var(axes, ddof=1).ravel(), rtol=1e-5
    )
    layer.trainable = False
    outputs = ops.convert_to_numpy(layer(x, training=True))
    shape = (2, 1, 3, 2)
    expected = (x - mean.reshape(shape)) / np.sqrt(
        variance.reshape(shape) + 1e-5
    )
    np.testing.assert_allclose(outputs, expected, atol=1e-5)


def test_half_precision():
    block = make_block(dtype="mixed_bfloat16")
    x = features(2, 4, 3, 5)
    for training in (False, True):
        outputs = block(x, training=training)
        assert keras.backend.standardize_dtype(outputs.dtype) == "bfloat16"


def test_bad_arguments():
    with pytest.raises(ValueError, match="graphs, joints, joints"):
        layers.ChannelTopologyGraphConvolution(6, ARM[0], 2)
    with pytest.raises(ValueError, match="`relation_channels` must be"):
        layers.ChannelTopologyGraphConvolution(6, ARM, 0)
    with pytest.raises(ValueError, match="`filters` must be"):
        layers.GraphConvolution(0, ARM)
    layer = layers.ChannelTopologyGraphConvolution(6, ARM, 2)
    with pytest.raises(ValueError, match="graph has 3 joints"):
        layer.build((None, 4, 5, 6))
