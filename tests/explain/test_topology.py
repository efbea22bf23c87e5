import keras
import numpy as np
import pytest
from keras import ops

from keras_skeleton import explain

HAND = (2, 4, 5, 6, 7, 8, 9, 10, 11)


@pytest.fixture
def clips(make_clips):
    return make_clips("nw_ucla", 3)[:, :, :4]


def _convolution(model, block):
    return model.get_layer(block).graph_convolution


def _inputs(model, clips, block):
    """The inputs of a block: persons in the batch."""
    tensor = model.get_layer(block).input
    return keras.Model(model.inputs[0], tensor).predict_on_batch(clips)


def _numpy(layer):
    return [ops.convert_to_numpy(v.value) for v in (layer.kernel, layer.bias)]


def _refined(convolution, x):
    """CTR-GCN's graphs `(B, S, channels, V, V)` by its formula."""
    mean = x.mean(axis=1)
    gate = ops.convert_to_numpy(convolution.gate.value)
    shared = ops.convert_to_numpy(convolution.graph.value)
    graphs = []
    for s, graph in enumerate(shared):
        ends = []
        for layer in (convolution.receivers[s], convolution.senders[s]):
            kernel, bias = _numpy(layer)
            ends.append(mean @ kernel + bias)
        difference = np.tanh(ends[0][:, :, None] - ends[1][:, None])
        kernel, bias = _numpy(convolution.relations[s])
        relation = gate * (difference @ kernel + bias)
        graphs.append(relation.transpose(0, 3, 1, 2) + graph)
    return np.stack(graphs, axis=1)


def _hyper_edges(convolution, x, neighbors):
    """Hyper-GCN's incidence, weights and hyper-graph by its formulas."""
    topology = convolution.adaptive_graph
    virtual = ops.convert_to_numpy(convolution.virtual_joints.value)
    nodes = x.mean(axis=1)
    virtual = np.broadcast_to(virtual, (len(nodes), *virtual.shape))
    nodes = np.concatenate([nodes, virtual], axis=1)

    def project(layer):
        kernel, bias = _numpy(layer)
        heads = np.split(nodes, len(kernel), axis=-1)
        parts = [h @ k for h, k in zip(heads, kernel, strict=True)]
        parts = np.stack(parts, axis=1)
        return parts + bias.reshape(len(kernel), 1, -1)

    z = project(topology.projection)
    distance = np.linalg.norm(z[:, :, :, None] - z[:, :, None], axis=-1)
    rank = distance.argsort(axis=-1, kind="stable").argsort(axis=-1)
    shares = np.where(rank < neighbors, np.exp(-distance), 0)
    incidence = shares / shares.sum(axis=-1, keepdims=True)
    hidden = project(topology.weight_hidden)
    hidden = np.where(hidden > 0, hidden, 0.01 * hidden)
    hidden = hidden.transpose(0, 2, 1, 3).reshape(*nodes.shape[:2], -1)
    kernel, bias = _numpy(topology.weight_output)
    weights = np.tanh(hidden @ kernel + bias).transpose(0, 2, 1)
    weighted = incidence * weights[:, :, None]
    left = weighted / np.abs(weighted).sum(axis=-1, keepdims=True)
    right = incidence * (weights / incidence.sum(axis=-2))[:, :, None]
    return incidence, weights, left @ right.swapaxes(-1, -2)


def _close(found, expected):
    expected = expected.reshape(found.shape)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(found, expected, atol=1e-5 * scale)


def test_blocks(make_graph_network, make_transformer):
    assert explain.graph_blocks(make_graph_network("ctrgcn")) == (
        "block_0",
        "block_1",
    )
    whole = make_graph_network("psumnet")
    names = ("body_block_0", "hand_block_0", "leg_block_0")
    assert explain.graph_blocks(whole) == names
    assert explain.block_joints(whole, "hand_block_0") == HAND
    assert explain.block_joints(whole, 0) == tuple(range(20))
    part = make_graph_network("hand", part="hand")
    assert explain.block_joints(part) == HAND
    hyper = make_graph_network("hypergcn")
    assert explain.block_joints(hyper) == tuple(range(20))
    assert explain.graph_blocks(make_transformer()) == ()


@pytest.mark.parametrize("block", ["block_0", "block_1"])
def test_graphs_of_channels(make_graph_network, clips, block):
    model = make_graph_network("ctrgcn")
    convolution = _convolution(model, block)
    shared = explain.shared_topology(model, block)
    np.testing.assert_array_equal(
        shared, ops.convert_to_numpy(convolution.graph.value)
    )
    graphs = explain.clip_topology(model, clips, block, channels="all")
    assert graphs.shape == (3, 2, 3, convolution.filters, 20, 20)
    inputs = _inputs(model, clips, block)
    _close(graphs, _refined(convolution, inputs))
    # They are those that the layer uses: joint u receives from joint v.
    z = 0
    for s, layer in enumerate(convolution.values):
        values = ops.convert_to_numpy(layer(inputs))
        folded = graphs[:, :, s].reshape(6, -1, 20, 20)
        z = z + np.einsum("bcuv,btvc->btuc", folded, values)
    norm = ops.convert_to_numpy(convolution.norm(z))
    x = inputs
    if convolution.shortcut is not None:
        x = convolution.shortcut_norm(convolution.shortcut(inputs))
        x = ops.convert_to_numpy(x)
    _close(np.maximum(norm + x, 0), ops.convert_to_numpy(convolution(inputs)))


def test_graphs_of_the_baseline(make_graph_network, clips):
    model = make_graph_network("ctrgcn", baseline=True)
    shared = explain.shared_topology(model, 0)
    np.testing.assert_allclose(np.linalg.norm(shared, axis=2), 1, atol=1e-3)
    with pytest.raises(ValueError, match="same for all clips"):
        explain.clip_topology(model, clips, 0)


def test_means_of_channels_and_batches(make_graph_network, clips):
    model = make_graph_network("ctrgcn")
    graphs = explain.clip_topology(model, clips, 0, channels="all")
    _close(explain.clip_topology(model, clips, 0), graphs.mean(axis=3))
    absolute = explain.clip_topology(
        model, clips, "block_0", channels="absolute", batch_size=2
    )
    _close(absolute, np.abs(graphs).mean(axis=3))


def test_graphs_of_a_part(make_graph_network, clips):
    model = make_graph_network("psumnet")
    graphs = explain.clip_topology(model, clips, "hand_block_0", channels="all")
    assert graphs.shape == (3, 2, 3, 16, 9, 9)
    inputs = _inputs(model, clips, "hand_block_0")
    _close(graphs, _refined(_convolution(model, "hand_block_0"), inputs))


def test_hyper_edges(make_graph_network, clips):
    block = "block_1"
    model = make_graph_network(
        "hypergcn", num_neighbors=4, distinct_virtual_joints=True
    )
    convolution = _convolution(model, block)
    edges = explain.hyper_edges(model, clips, block, batch_size=2)
    assert edges.incidence.shape == (3, 2, 2, 23, 23)
    assert edges.weights.shape == (3, 2, 2, 23)
    inputs = _inputs(model, clips, block)
    for found, expected in zip(
        edges, _hyper_edges(convolution, inputs, 4), strict=True
    ):
        _close(found, expected)
    # Every joint is in four hyper-edges, its own among them.
    np.testing.assert_allclose(edges.incidence.sum(axis=-1), 1, atol=1e-6)
    assert ((edges.incidence > 0).sum(axis=-1) == 4).all()
    own = np.diagonal(edges.incidence, axis1=-2, axis2=-1)
    np.testing.assert_allclose(own, edges.incidence.max(axis=-1))
    assert (np.abs(edges.weights) < 1).all() and (edges.graph >= 0).all()
    # The clip's graph is that of the body plus the gated hyper-graph.
    body = explain.shared_topology(model, block)
    topology = convolution.adaptive_graph
    raw = ops.convert_to_numpy(
        topology.edge_importance.value
    ) * ops.convert_to_numpy(topology.body_graph.value)
    _close(body, raw / np.abs(raw).sum(axis=-1, keepdims=True))
    gate = max(ops.convert_to_numpy(topology.gate.value)[0], 0)
    assert gate > 0
    graphs = explain.clip_topology(model, clips, block)
    _close(graphs, body + gate * edges.graph)
    _close(graphs, ops.convert_to_numpy(convolution.topology(inputs)))


def test_without_virtual_joints(make_graph_network, clips):
    model = make_graph_network("hypergcn", num_virtual_joints=0)
    assert explain.hyper_edges(model, clips).graph.shape == (3, 2, 2, 20, 20)


def test_any_layer_may_show_its_graphs(random):
    class Similar(keras.layers.Layer):
        def call(self, inputs):
            return inputs

        def topology(self, inputs=None):
            if inputs is None:
                return ops.eye(5)[None]
            mean = ops.mean(inputs, axis=1)
            return ops.matmul(mean, ops.swapaxes(mean, 1, 2))[:, None]

    inputs = keras.Input((2, 4, 5, 3))
    x = Similar(name="similar")(ops.reshape(inputs, (-1, 4, 5, 3)))
    model = keras.Model(inputs, keras.layers.Dense(2)(x))
    assert explain.graph_blocks(model) == ("similar",)
    np.testing.assert_array_equal(
        explain.shared_topology(model), np.eye(5)[None]
    )
    clips = random.normal(size=(3, 2, 4, 5, 3))
    mean = clips.mean(axis=2)
    expected = np.einsum("nmuc,nmvc->nmuv", mean, mean)[:, :, None]
    found = explain.clip_topology(model, clips, batch_size=2)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_bad_models_blocks_and_clips(
    make_graph_network, make_transformer, clips
):
    model = make_graph_network("ctrgcn")
    with pytest.raises(ValueError, match="no layers with a `topology`"):
        explain.shared_topology(make_transformer())
    for wrong in (2, -3, "block_2", None, 1.5):
        with pytest.raises(ValueError, match="block_0, block_1, or a number"):
            explain.shared_topology(model, wrong)
    with pytest.raises(ValueError, match="no hyper-edges"):
        explain.hyper_edges(model, clips)
    with pytest.raises(ValueError, match="`channels`"):
        explain.clip_topology(model, clips, channels="max")
    with pytest.raises(ValueError, match="Received shape"):
        explain.clip_topology(model, clips[..., :2])
