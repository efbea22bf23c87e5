import keras
import numpy as np
import pytest
from keras import ops
from support import gradients

from keras_skeleton.layers import AdaptiveHyperGraph
from keras_skeleton.layers import DivergenceRegularizer
from keras_skeleton.layers import HyperGraphConvolution
from keras_skeleton.layers import virtual_joint_graph

CHAIN = [(1, 0), (2, 1), (3, 2)]


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def array(tensor):
    return ops.convert_to_numpy(tensor)


def randomize(layer, seed=0):
    """Gives every variable other values, so that each one counts."""
    random = np.random.default_rng(seed)
    for variable in layer.weights:
        value = random.uniform(0.5, 1.5, variable.shape)
        if "kernel" in variable.path or "virtual" in variable.path:
            value = random.normal(size=variable.shape)
        variable.assign(value.astype("float32"))


def reference(layer, nodes):
    """The hyper-graph of one set of nodes, joint by joint, in float64."""
    heads = layer.num_heads

    def grouped(dense, x):
        kernel = array(dense.kernel).astype("float64")
        depth = kernel.shape[1]
        parts = [
            x[:, k * depth : (k + 1) * depth] @ kernel[k] for k in range(heads)
        ]
        return np.concatenate(parts, 1) + array(dense.bias)

    joints = len(nodes)
    z = grouped(layer.projection, nodes).reshape(joints, heads, -1)
    hidden = grouped(layer.weight_hidden, nodes)
    hidden = np.where(hidden > 0, hidden, 0.01 * hidden)
    kernel, bias = map(array, layer.weight_output.weights)
    weights = np.tanh(hidden @ kernel + bias)
    graphs = []
    for k in range(heads):
        body = array(layer.body_graph)[k] * array(layer.edge_importance)[k]
        body = body / (np.abs(body).sum(1, keepdims=True) + 1e-8)
        incidence = np.zeros((joints, joints))
        for u in range(joints):
            distance = np.linalg.norm(z[u, k] - z[:, k], axis=1)
            nearest = np.argsort(distance, kind="stable")[: layer.num_neighbors]
            share = np.exp(-distance[nearest])
            incidence[u, nearest] = share / share.sum()
        weighted = incidence * weights[:, k]
        left = weighted / np.abs(weighted).sum(1, keepdims=True)
        right = incidence * weights[:, k] / incidence.sum(0)
        gate = max(array(layer.gate)[0], 0)
        graphs.append(body + gate * left @ right.T)
    return np.stack(graphs)


def test_graph_of_virtual_joints():
    graph = virtual_joint_graph(4, CHAIN, 2)
    assert graph.dtype == "float32"
    np.testing.assert_array_equal(
        graph,
        [
            [1, 1, 0, 0, 1, 1],
            [1, 1, 1, 0, 1, 1],
            [0, 1, 1, 1, 1, 1],
            [0, 0, 1, 1, 1, 1],
            [1, 1, 1, 1, 1, 0],
            [1, 1, 1, 1, 0, 1],
        ],
    )


@pytest.mark.parametrize(("gate", "neighbors"), [(0.7, 3), (-0.5, 2), (1, 9)])
def test_hyper_graph(gate, neighbors):
    graph = virtual_joint_graph(4, CHAIN, 1)
    layer = AdaptiveHyperGraph(graph, num_heads=2, num_neighbors=neighbors)
    layer.build((None, 5, 24))
    randomize(layer)
    layer.gate.assign([gate])
    nodes = numbers(3, 5, 24)
    found = array(layer(nodes))
    for row in range(3):
        expected = reference(layer, nodes[row].astype("float64"))
        np.testing.assert_allclose(found[row], expected, atol=2e-6)
    chosen = array(layer.incidence(nodes)) > 0
    assert (chosen.sum(-1) == min(neighbors, 5)).all()


def test_equally_near_joints_are_not_all_chosen():
    layer = AdaptiveHyperGraph(np.eye(6), num_heads=1, num_neighbors=2)
    layer.build((None, 6, 8))
    pairs = np.repeat(numbers(2, 3, 8), 2, axis=1)
    for nodes in (pairs, np.ones_like(pairs)):
        incidence = array(layer.incidence(nodes))
        assert ((incidence > 0).sum(-1) == 2).all()
        np.testing.assert_allclose(incidence.sum(-1), 1, rtol=1e-6)


def convolution(**changes):
    virtual = changes.get("num_virtual_joints", 2)
    graph = virtual_joint_graph(4, CHAIN, virtual)
    arguments = {
        "filters": 16,
        "body_graph": graph,
        "num_virtual_joints": virtual,
        "num_heads": 2,
        "num_neighbors": 3,
        **changes,
    }
    return HyperGraphConvolution(**arguments)


@pytest.mark.parametrize("virtual", [0, 2])
@pytest.mark.parametrize("filters", [8, 16])
def test_convolution(virtual, filters):
    layer = convolution(filters=filters, num_virtual_joints=virtual)
    x = numbers(3, 5, 4, 8)
    layer.build(x.shape)
    randomize(layer)
    everything = x
    if virtual:
        joints = np.broadcast_to(
            array(layer.virtual_joints), (3, 5, virtual, 8)
        )
        everything = np.concatenate([x, joints], axis=2)
    graph = array(layer.adaptive_graph(everything.mean(1)))
    heads = everything.reshape(3, 5, 4 + virtual, 2, 4)
    values = np.einsum("btvkc,kcd->btvkd", heads, array(layer.value.kernel))
    values = values + array(layer.value.bias).reshape(2, -1)
    y = np.einsum("bkuv,btvkd->btukd", graph, values)[:, :, :4]
    y = array(layer.norm(y.reshape(3, 5, 4, filters)))
    shortcut = x
    if filters != 8:
        shortcut = array(layer.shortcut_norm(layer.shortcut(x)))
    outputs = array(layer(x))
    expected = np.maximum(y + shortcut, 0)
    np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-5)
    assert layer.compute_output_shape(x.shape) == expected.shape
    # The same with statistics of the batch: only the scale differs.
    assert np.isfinite(array(layer(x, training=True))).all()


def test_virtual_joints_begin_equal_or_distinct():
    for distinct in (False, True):
        layer = convolution(
            num_virtual_joints=3, distinct_virtual_joints=distinct
        )
        layer.build((None, 5, 4, 8))
        rows = array(layer.virtual_joints)
        assert np.abs(rows).max() > 0
        assert (rows[0] == rows[1]).all() != distinct


def test_gradients_are_finite_where_joints_are_equal():
    """Distances of 0 have a gradient of 0, not NaN."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((5, 4, 8)),
            convolution(num_virtual_joints=3, divergence_weight=1.0),
        ]
    )
    # Beginning with almost no weight, the graph would have no gradient.
    model.layers[0].norm.gamma.assign(np.ones(16))

    def loss(model, x):
        return ops.mean(ops.square(model(x) - 1))

    _, found = gradients(model, loss, numbers(2, 5, 4, 8))
    assert set(found) == {v.path for v in model.trainable_variables}
    for path, gradient in found.items():
        assert np.isfinite(gradient).all(), path
        assert np.abs(gradient).max() > 0, path


@pytest.mark.parametrize("rows", [0, 1])
def test_no_divergence_without_two_rows(rows):
    regularizer = DivergenceRegularizer(2.0)
    assert float(regularizer(ops.ones((rows, 4)))) == 0


def test_divergence():
    regularizer = DivergenceRegularizer(2.0)
    right_angles = np.array([[1, 0], [0, 3], [-2, 0]], "float32")
    assert float(regularizer(ops.array(right_angles))) == pytest.approx(0)
    rows = np.array([[1, 0], [1, 1]], "float32")
    expected = 2.0 * (2 * 2**-0.5) / 2
    assert float(regularizer(ops.array(rows))) == pytest.approx(expected)
    zeros = np.zeros((2, 4), "float32")
    # Rows of zeros have no angle: neither equal nor NaN.
    assert np.isfinite(float(regularizer(ops.array(zeros))))
    config = regularizer.get_config()
    assert DivergenceRegularizer.from_config(config).weight == 2.0


@pytest.mark.parametrize("virtual", [0, 1, 2])
def test_divergence_is_a_loss_of_the_layer(virtual):
    layer = convolution(num_virtual_joints=virtual, divergence_weight=0.5)
    layer.build((None, 5, 4, 8))
    losses = [float(ops.convert_to_numpy(loss)) for loss in layer.losses]
    # Equal at the beginning.
    assert losses == ([pytest.approx(0.5)] if virtual > 1 else [])


def test_config_keeps_every_argument():
    layer = convolution(
        divergence_weight=0.5, distinct_virtual_joints=True, name="other"
    )
    config = layer.get_config()
    again = HyperGraphConvolution.from_config(config)
    assert again.get_config() == config
    assert config["num_neighbors"] == 3
    topology = layer.adaptive_graph
    again = AdaptiveHyperGraph.from_config(topology.get_config())
    assert again.get_config() == topology.get_config()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: AdaptiveHyperGraph(np.ones((2, 3))), "square"),
        (lambda: AdaptiveHyperGraph(np.eye(3), num_neighbors=0), "neighbors"),
        (lambda: convolution(filters=15), "num_heads=2"),
        (lambda: convolution(filters=0), "filters"),
        (lambda: convolution().build((None, 5, 4, 7)), "num_heads=2"),
        (lambda: convolution().build((None, 5, 6, 8)), "6 joints"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()
