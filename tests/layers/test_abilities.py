"""What layers tell `explain` about themselves, see `keras_skeleton.layers`."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_skeleton import layers

ARM = layers.spatial_graph(3, [(1, 0), (2, 1)])
BODY = layers.virtual_joint_graph(3, [(1, 0), (2, 1)], 2)


def make(kind):
    name = {"name": "graph_convolution"}
    if kind == "fixed":
        return layers.GraphConvolution(8, ARM, **name)
    if kind == "channels":
        return layers.ChannelTopologyGraphConvolution(8, ARM, 2, **name)
    return layers.HyperGraphConvolution(8, BODY, 2, 2, 3, **name)


#: By kind, the shapes without and with inputs of four rows.
SHAPES = {
    "fixed": ((3, 3, 3), (3, 3, 3)),
    "channels": ((3, 3, 3), (4, 3, 8, 3, 3)),
    "hyper": ((2, 5, 5), (4, 2, 5, 5)),
}


@pytest.fixture(params=SHAPES)
def block(request):
    """The kind of a graph convolution, and a block of it."""
    block = layers.SpatioTemporalBlock(make(request.param))
    block.build((None, 6, 3, 4))
    random = np.random.default_rng(1)
    for variable in block.trainable_variables:
        variable.assign(random.normal(size=variable.shape))
    return request.param, block


def inputs():
    random = np.random.default_rng(2)
    return ops.convert_to_tensor(random.normal(size=(4, 6, 3, 4)), "float32")


def test_topology(block):
    kind, block = block
    convolution = block.graph_convolution
    shared, own = SHAPES[kind]
    for layer in (convolution, block):
        assert tuple(layer.topology().shape) == shared
        assert tuple(layer.topology(inputs()).shape) == own
    np.testing.assert_array_equal(
        ops.convert_to_numpy(block.topology(inputs())),
        ops.convert_to_numpy(convolution.topology(inputs())),
    )


def test_hyper_edges(block):
    kind, block = block
    if kind != "hyper":
        assert not hasattr(block, "hyper_edges")
        return
    incidence, weights, graph = block.hyper_edges(inputs())
    assert tuple(incidence.shape) == tuple(graph.shape) == (4, 2, 5, 5)
    assert tuple(weights.shape) == (4, 2, 5)
    # A joint receives from another by the hyper-edges that both are in.
    members = ops.convert_to_numpy(incidence) > 0
    linked = np.einsum("bhue,bhve->bhuv", members, members) > 0
    np.testing.assert_array_equal(ops.convert_to_numpy(graph) > 0, linked)


def test_a_block_has_no_more_abilities_than_its_convolution():
    class Plain(keras.layers.Dense):
        filters = 8

    block = layers.SpatioTemporalBlock(Plain(8))
    assert not hasattr(block, "topology")
    assert not hasattr(block, "hyper_edges")


@pytest.mark.parametrize(
    "make", [layers.SelfAttention, layers.TransformerBlock]
)
def test_attention_weights(make):
    layer = make(2)
    tokens = ops.reshape(inputs(), (4, 18, 4))
    layer.build(tokens.shape)
    weights = ops.convert_to_numpy(layer.attention_weights(tokens))
    assert weights.shape == (4, 2, 18, 18)
    np.testing.assert_allclose(weights.sum(axis=-1), 1, atol=1e-5)
    # With its own weights a layer returns what it returns.
    np.testing.assert_allclose(
        ops.convert_to_numpy(layer.with_attention(weights, tokens)),
        ops.convert_to_numpy(layer(tokens)),
        atol=1e-5,
    )


@pytest.mark.parametrize("bias", [True, False])
def test_attention_to_another_sequence(bias):
    tokens = ops.reshape(inputs(), (4, 18, 4))
    layer = layers.CrossAttention(2, use_qkv_bias=bias)
    context = tokens[:, :7]
    mixed = layer(tokens, context)
    weights = ops.convert_to_numpy(layer.attention_weights(tokens, context))
    assert weights.shape == (4, 2, 18, 7)
    np.testing.assert_allclose(weights.sum(axis=-1), 1, atol=1e-5)
    np.testing.assert_allclose(
        ops.convert_to_numpy(layer.with_attention(weights, tokens, context)),
        ops.convert_to_numpy(mixed),
        atol=1e-5,
    )
    # What comes twice is seen as once.
    twice = ops.concatenate([context, context], axis=1)
    np.testing.assert_allclose(
        ops.convert_to_numpy(layer(tokens, twice)),
        ops.convert_to_numpy(mixed),
        atol=1e-5,
    )
    itself = layers.SelfAttention(2, use_qkv_bias=bias)
    itself.build(tokens.shape)
    itself.set_weights(layer.get_weights())
    np.testing.assert_allclose(
        ops.convert_to_numpy(itself(tokens)),
        ops.convert_to_numpy(layer(tokens, tokens)),
        atol=1e-5,
    )
