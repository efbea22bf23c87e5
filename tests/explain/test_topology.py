import keras
import numpy as np
import pytest
from keras import ops

from keras_skeleton import drawing
from keras_skeleton import explain

pytest.importorskip("matplotlib")

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
    topology = convolution.topology
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
    topology = convolution.topology
    raw = ops.convert_to_numpy(
        topology.edge_importance.value
    ) * ops.convert_to_numpy(topology.body_graph.value)
    _close(body, raw / np.abs(raw).sum(axis=-1, keepdims=True))
    gate = max(ops.convert_to_numpy(topology.gate.value)[0], 0)
    assert gate > 0
    graphs = explain.clip_topology(model, clips, block)
    _close(graphs, body + gate * edges.graph)
    _close(graphs, ops.convert_to_numpy(convolution.graph(inputs)))


def test_without_virtual_joints(make_graph_network, clips):
    model = make_graph_network("hypergcn", num_virtual_joints=0)
    assert explain.hyper_edges(model, clips).graph.shape == (3, 2, 2, 20, 20)


def test_bad_models_blocks_and_clips(
    make_graph_network, make_transformer, clips
):
    model = make_graph_network("ctrgcn")
    with pytest.raises(ValueError, match="no graph convolutions"):
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


def _arrows(panel):
    from matplotlib.patches import FancyArrowPatch

    return [p for p in panel.patches if isinstance(p, FancyArrowPatch)]


def _render(figure, tmp_path):
    path = tmp_path / "figure.png"
    figure.savefig(path)
    assert path.stat().st_size > 2000


@pytest.mark.parametrize("skeleton", ["nw_ucla", "ntu"])
def test_drawn_topology(make_clips, random, tmp_path, skeleton):
    frame = make_clips(skeleton, 1)[0, :, 0]
    joints = frame.shape[1]
    size = joints + 2
    graph = random.random((2, size, size))
    graph[:, 3, 5] = 2
    figure = drawing.draw_topology(frame, skeleton, graph, num_links=7)
    body, table, second, _, bar = figure.axes
    assert second.get_title() == "Person 2" and bar.get_ylabel() == "Weight"
    assert len(_arrows(body)) == 7
    assert len(body.lines) == joints - 1
    # Joints and virtual joints, and the names of the latter.
    assert [len(c.get_offsets()) for c in body.collections] == [joints, 2]
    assert [text.get_text() for text in body.texts] == ["V1", "V2"]
    np.testing.assert_allclose(table.images[0].get_array(), graph[0], rtol=1e-6)
    names = [text.get_text() for text in table.get_yticklabels()]
    assert names[-2:] == ["Virtual 1", "Virtual 2"] and len(names) == size
    # The strongest link lies on top: from joint 5 to joint 3.
    places = body.collections[0].get_offsets()
    start, end = _arrows(body)[-1]._posA_posB
    np.testing.assert_allclose(start, places[5])
    np.testing.assert_allclose(end, places[3])
    _render(figure, tmp_path)


def test_symmetric_and_signed_graphs(make_clips):
    frame = make_clips("nw_ucla", 1)[0, 0, 0]
    graph = np.zeros((20, 20))
    graph[2, 7] = graph[7, 2] = -1
    graph[4, 9] = graph[9, 4] = 0.5
    np.fill_diagonal(graph, 3)
    figure = drawing.draw_topology(frame, "nw_ucla", graph)
    body, table, bar = figure.axes
    # Each pair once, without a direction; links of weight 0 not at all.
    assert len(_arrows(body)) == 2
    styles = {type(a.get_arrowstyle()).__name__ for a in _arrows(body)}
    assert styles == {"Curve"}
    assert table.images[0].get_clim() == (-1, 1)
    widths = [arrow.get_linewidth() for arrow in _arrows(body)]
    assert widths == sorted(widths) and widths[0] < widths[1]


def test_topology_of_a_part(make_clips, random):
    frame = make_clips("nw_ucla", 1)[0]
    frame[1] = 0
    graph = random.random((9, 9))
    figure = drawing.draw_topology(frame[:, 0], "nw_ucla", graph, joints=HAND)
    body, table, _ = figure.axes
    assert len(body.lines) == 19
    assert len(body.collections[0].get_offsets()) == 9
    assert table.get_yticklabels()[1].get_text() == "Left shoulder"


def test_left_stays_left(random):
    frame = np.zeros((20, 3))
    frame[:, 1] = random.random(20)
    for angle in np.radians([-80, -30, 0, 45, 80]):
        # Along one line on the ground, as the sensor sees it from -z.
        along = np.linspace(-1, 1, 20)
        frame[:, 0], frame[:, 2] = np.cos(angle) * along, np.sin(angle) * along
        figure = drawing.draw_topology(frame, "nw_ucla", np.eye(20))
        x, y = figure.axes[0].collections[0].get_offsets().T
        np.testing.assert_allclose(x, -along, atol=1e-5)
        np.testing.assert_allclose(y, frame[:, 1], atol=1e-6)


def test_drawn_hyper_edges(make_clips, random, tmp_path):
    frame = make_clips("ntu", 1)[0, :, 0]
    incidence = random.random((2, 27, 27)) * (random.random((2, 27, 27)) < 0.2)
    incidence[:, 4, 7] = 3
    weights = random.random((2, 27)) - 0.5
    figure = drawing.draw_hyper_edges(
        frame, "ntu", incidence, weights=weights, edges=[7, 11, 26]
    )
    assert len(figure.axes) == 6
    panel = figure.axes[3]
    count = np.count_nonzero(incidence[1, :, 7])
    assert panel.get_title() == (
        f"Left hand\nweight {weights[1, 7]:.2f}, {count} joints"
    )
    assert figure.axes[5].get_title().startswith("Virtual 2")
    # An outline and its filling, then joints and virtual joints.
    assert len(panel.collections) == 4
    sizes = panel.collections[2].get_sizes()
    assert np.argmax(sizes) == 4
    assert (sizes > 10).sum() == np.count_nonzero(incidence[1, :25, 7])
    # The outline holds the members.
    filling = panel.collections[0].get_paths()[0]
    places = panel.collections[2].get_offsets()
    assert filling.contains_points(places[incidence[1, :25, 7] > 0]).all()
    _render(figure, tmp_path)


def test_the_strongest_hyper_edges(make_clips, random):
    frame = make_clips("nw_ucla", 1)[0, 0, 0]
    incidence = 0.1 * np.eye(20)
    incidence[:, 8] = 1
    weights = np.zeros(20)
    weights[[3, 13]] = 0.2, -0.9
    figure = drawing.draw_hyper_edges(
        frame, "nw_ucla", incidence, weights=weights, edges=2
    )
    titles = [panel.get_title() for panel in figure.axes]
    assert titles == [
        "Left knee\nweight -0.90, 1 joint",
        "Head\nweight 0.20, 1 joint",
    ]
    figure = drawing.draw_hyper_edges(frame, "nw_ucla", incidence, edges=1)
    assert figure.axes[0].get_title() == "Right shoulder\n20 joints"


def test_bad_drawings(make_clips):
    frame = make_clips("nw_ucla", 1)[0, :, 0]

    def wrong(match, graph, *, function=drawing.draw_topology, **arguments):
        with pytest.raises(ValueError, match=match):
            function(
                arguments.pop("frame", frame), "nw_ucla", graph, **arguments
            )

    square = np.eye(20)
    wrong("block_joints", np.eye(9))
    wrong(r"\(V', V'\)", np.ones((20, 19)))
    wrong("2 axes", np.ones((3, 20, 20)))
    wrong("2 axes", np.ones((2, 3, 20, 20)))
    wrong("finite", np.full((20, 20), np.nan))
    wrong("num_links", square, num_links=-1)
    wrong("joints of the skeleton", square, joints=[20])
    wrong("nobody", square, frame=0 * frame)
    wrong("20", square, frame=frame[:, :5])
    wrong("`up`", square, up="x")
    hyper = {"function": drawing.draw_hyper_edges}
    wrong("Choose one head", np.ones((20, 19)), **hyper)
    wrong("Choose one head", -square, **hyper)
    wrong("20 values", square, weights=np.ones(3), **hyper)
    wrong("0..19", square, edges=[20], **hyper)
    wrong("at least 1", square, edges=0, **hyper)
