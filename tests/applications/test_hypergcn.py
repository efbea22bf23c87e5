import keras
import numpy as np
import pytest
from keras import ops

from keras_skeleton import skeletons
from keras_skeleton import weights
from keras_skeleton.applications import HyperGCN
from keras_skeleton.applications import hypergcn
from keras_skeleton.layers import virtual_joint_graph
from keras_skeleton.losses import SmoothedCrossentropy

TINY = {
    "input_shape": (2, 8, 20, 3),
    "skeleton": "nw_ucla",
    "hidden_dim": 8,
    "num_heads": 2,
    "blocks": ((1, 1), (1, 1)),
}


@pytest.fixture(autouse=True)
def _numpy_draws(monkeypatch):
    """First values from NumPy: JAX compiles a function for every shape."""
    random = np.random.default_rng(0)

    def draw(self, shape, dtype=None):
        values = random.normal(scale=0.3, size=shape)
        return ops.convert_to_tensor(values, dtype or "float32")

    for initializer in ("RandomNormal", "RandomUniform", "VarianceScaling"):
        cls = getattr(keras.initializers, initializer)
        monkeypatch.setattr(cls, "__call__", draw)


def clips(shape=TINY["input_shape"], count=3, seed=0):
    random = np.random.default_rng(seed)
    return random.normal(size=(count, *shape)).astype("float32")


@pytest.mark.parametrize(
    ("skeleton", "shape", "blocks"),
    [("ntu", (2, 8, 25, 3), "large"), ("coco17", (1, 9, 17, 2), "base")],
)
def test_any_layout(skeleton, shape, blocks):
    arguments = {
        **TINY,
        "input_shape": shape,
        "skeleton": skeleton,
        "blocks": blocks,
    }
    encoder = HyperGCN(**arguments)
    frames, width = -(-shape[1] // 4), {"base": 16, "large": 32}[blocks]
    expected = (None, shape[0], frames, shape[2], width)
    assert encoder.output_shape == expected
    model = HyperGCN(encoder=encoder, classes=4, dropout_rate=0.1)
    assert model.blocks[0] is encoder.blocks[0]
    x = clips(shape)
    outputs = model.predict_on_batch(x)
    assert outputs.shape == (3, 4)
    assert np.isfinite(outputs).all()
    other = model.predict_on_batch(x[::-1])
    np.testing.assert_allclose(outputs[::-1], other, atol=1e-4)


def test_fit_adds_the_divergence():
    model = HyperGCN(**TINY, classes=3, divergence_weight=2.0)
    assert len(model.losses) == len(model.blocks)
    model.compile(
        keras.optimizers.SGD(0.01),
        SmoothedCrossentropy(0.1, name="smoothed"),
        metrics=[SmoothedMetric()],
        jit_compile=keras.backend.backend() != "torch",
    )
    history = model.fit(clips(), np.arange(3), shuffle=False, verbose=0)
    # Virtual joints begin equal: a divergence of 1 in every block.
    loss, own = history.history["loss"][0], history.history["smoothed"][0]
    assert loss == pytest.approx(own + 2.0, rel=1e-5)


class SmoothedMetric(keras.metrics.MeanMetricWrapper):
    def __init__(self):
        super().__init__(SmoothedCrossentropy(0.1).call, name="smoothed")


@pytest.mark.once
@pytest.mark.parametrize(
    "arguments",
    [
        {"num_virtual_joints": 0},
        {"num_virtual_joints": 1},
        {"divergence_weight": 0.0},
    ],
)
def test_no_divergence(arguments):
    model = HyperGCN(**TINY, classes=3, **arguments)
    assert model.losses == []


@pytest.mark.once
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"input_shape": (1, 8, 25, 3)}, "25 joints"),
        ({"blocks": "small"}, "blocks='small'"),
        ({"bones": "right"}, "bones='right'"),
        ({"hidden_dim": 10}, "hidden_dim=10"),
        ({"hidden_dim": 12, "num_heads": 8}, "num_heads=8"),
        ({"num_virtual_joints": -1}, "num_virtual_joints=-1"),
        ({"num_neighbors": 0}, "num_neighbors=0"),
        ({"classes": 0}, "classes"),
        ({"classes": 3, "pooling": "avg"}, "pooling"),
        ({"weights": "nonsense"}, "nonsense"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        HyperGCN(**{**TINY, **arguments})


@pytest.mark.once
def test_bones():
    published = hypergcn.body_edges("ntu")
    own = hypergcn.body_edges("ntu", "skeleton")
    assert own == skeletons.get("ntu").edges
    assert {(21, 22), (23, 24)} == set(own) - set(published)
    assert {(21, 7), (23, 11)} == set(published) - set(own)
    for name in ("nw_ucla", "coco17"):
        skeleton = skeletons.get(name)
        assert hypergcn.body_edges(name) == skeleton.edges


@pytest.mark.once
@pytest.mark.parametrize("bones", ["published", "skeleton"])
def test_graph_of_the_body(bones):
    arguments = {**TINY, "input_shape": (1, 4, 25, 3), "skeleton": "ntu"}
    model = HyperGCN(**arguments, bones=bones)
    expected = virtual_joint_graph(25, hypergcn.body_edges("ntu", bones), 3)
    for block in model.blocks:
        topology = block.graph_convolution.adaptive_graph
        for graph in ops.convert_to_numpy(topology.body_graph.value):
            np.testing.assert_array_equal(graph, expected)


@pytest.mark.once
def test_published_weights_say_where_they_are():
    names = [
        name
        for name in weights.names(system="hypergcn")
        if weights.get("hypergcn", name).obtained == "by hand"
    ]
    assert len(names) == 32
    entry = weights.get("hypergcn", "large_ntu120_xset_bone_motion")
    assert entry.score("fused").percent == 92.0
    assert entry.classes == 120
    with pytest.raises(FileNotFoundError, match="drive.google.com"):
        HyperGCN("base_ntu60_xsub_joint")


@pytest.mark.once
def test_clips_of_the_wrong_shape():
    model = HyperGCN(**TINY)
    with pytest.raises(ValueError, match=r"\(2, 8, 20, 3\)"):
        model(np.zeros((3, 2, 8, 25, 3), "float32"))


def test_preprocess_input():
    x = clips((2, 10, 20, 3))
    result = hypergcn.preprocess_input(x)
    assert result.shape == (3, 2, 64, 20, 3)
    decoded = hypergcn.decode_predictions([[0.1, 2.0]], ["sit", "stand"], 1)
    assert decoded[0][0][0] == "stand"
