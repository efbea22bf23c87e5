import keras
import numpy as np
import pytest
from graph_networks import randomize_layer
from keras import ops

from keras_skeleton import layers
from keras_skeleton import weights
from keras_skeleton.applications import STGCN
from keras_skeleton.applications import STGCNPlusPlus

ARM = layers.spatial_graph(3, [(1, 0), (2, 1)])


def numbers(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


@pytest.mark.once
def test_published_size():
    model = STGCNPlusPlus(classes=60)
    count = sum(int(np.prod(v.shape)) for v in model.trainable_weights)
    assert count == 1_403_144
    assert [block.stride for block in model.blocks].count(2) == 2
    assert model.feature_map.shape == (None, 2, 25, 25, 256)


@pytest.mark.once
def test_any_number_of_channels():
    model = STGCNPlusPlus(
        input_shape=(1, 8, 17, 4), skeleton="coco17", hidden_dim=6, classes=3
    )
    assert model(numbers((2, 1, 8, 17, 4))).shape == (2, 3)


@pytest.mark.once
def test_original_form_of_stgcn():
    model = STGCN(input_shape=(1, 8, 25, 3), hidden_dim=64, classes=60)
    # Of the manifest of PYSKL.
    count = sum(int(np.prod(v.shape)) for v in model.trainable_weights)
    assert count == 3_098_832
    blocks = ((1, 1), (2, 2))
    model = STGCN(input_shape=(1, 8, 25, 3), output_dim=None, blocks=blocks)
    assert model.feature_map.shape == (None, 1, 4, 25, 32)


def test_mixed_convolution_by_hand():
    layer = layers.MixedTemporalConvolution(7, dilations=(1, 2), stride=2)
    x = numbers((2, 7, 3, 5))
    layer.build(x.shape)
    randomize_layer(layer)
    kernels = {w.path.split("/", 1)[-1]: np.array(w) for w in layer.weights}

    def dense(name, x):
        return x @ kernels[f"{name}/kernel"] + kernels[f"{name}/bias"]

    def norm(name, x):
        mean, variance = (
            kernels[f"{name}/moving_{kind}"] for kind in ("mean", "variance")
        )
        x = (x - mean) / np.sqrt(variance + 1e-5)
        return x * kernels[f"{name}/gamma"] + kernels[f"{name}/beta"]

    outputs = []
    for i in range(3):
        y = norm(f"pointwise_norm_{i}", dense(f"pointwise_{i}", x))
        y = np.maximum(y, 0)
        if i == 2:
            y = np.pad(y, ((0, 0), (1, 1), (0, 0), (0, 0)))
            outputs.append(np.stack([y[:, t : t + 7] for t in range(3)]).max(0))
            continue
        dilation = i + 1
        y = np.pad(y, ((0, 0), (dilation, dilation), (0, 0), (0, 0)))
        kernel = kernels[f"convolution_{i}/kernel"]
        parts = [
            y[:, k * dilation : k * dilation + 7] @ kernel[k] for k in range(3)
        ]
        outputs.append(sum(parts) + kernels[f"convolution_{i}/bias"])
    outputs.append(dense("pointwise_3", x))
    y = np.concatenate([y[:, ::2] for y in outputs], axis=-1)
    y = np.maximum(norm("mixing_norm", y), 0)
    expected = norm("norm", dense("mixing", y))
    found = ops.convert_to_numpy(layer(x))
    np.testing.assert_allclose(found, expected, rtol=2e-4, atol=2e-4)


def test_mean_joint():
    layer = layers.MixedTemporalConvolution(6, mean_joint=True)
    plain = layers.MixedTemporalConvolution(6)
    x = numbers((2, 5, 4, 3))
    for each in (layer, plain):
        each.build(x.shape)
    randomize_layer(layer)
    others = [w for w in layer.weights if w is not layer.gates]
    for variable, value in zip(plain.weights, others, strict=True):
        variable.assign(value)
    # Without gates, no joint receives from the others.
    layer.gates.assign(np.zeros(4))
    np.testing.assert_allclose(
        ops.convert_to_numpy(layer(x)),
        ops.convert_to_numpy(plain(x)),
        rtol=1e-4,
        atol=1e-4,
    )
    layer.gates.assign([0, 1, 0, 0])
    changed = ops.convert_to_numpy(layer(x) - plain(x))
    assert np.abs(changed[:, :, [0, 2, 3]]).max() < 1e-4
    assert np.abs(changed[:, :, 1]).max() > 1e-2
    again = layers.MixedTemporalConvolution.from_config(layer.get_config())
    assert again.mean_joint


@pytest.mark.once
def test_block_with_a_given_convolution_over_time():
    graph = layers.PartitionGraphConvolution(8, ARM, adaptive=True)
    over_time = layers.MixedTemporalConvolution(8, stride=2)
    block = layers.SpatioTemporalBlock(graph, temporal_convolution=over_time)
    assert block.stride == 2
    assert block(numbers((2, 6, 3, 4))).shape == (2, 3, 3, 8)
    config = keras.saving.serialize_keras_object(block)
    again = keras.saving.deserialize_keras_object(config)
    assert again(numbers((2, 6, 3, 4))).shape == (2, 3, 3, 8)
    assert again.get_config()["temporal_convolution"] is not None
    with pytest.raises(ValueError, match="same `filters`"):
        layers.SpatioTemporalBlock(
            graph, temporal_convolution=layers.MixedTemporalConvolution(9)
        )


@pytest.mark.once
def test_residual_of_the_graph_convolution():
    graph = layers.PartitionGraphConvolution(
        4, ARM, importance=False, adaptive=True, residual=True
    )
    x = numbers((2, 6, 3, 4))
    graph.build(x.shape)
    graph.norm.gamma.assign(np.zeros(4))
    assert graph.graph.trainable
    assert graph.shortcut is None
    expected = np.maximum(x, 0)
    np.testing.assert_allclose(ops.convert_to_numpy(graph(x)), expected)


@pytest.mark.once
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"hidden_dim": 5}, "at least 6"),
        ({"bones": "other"}, "`bones` must be"),
        ({"blocks": ((1, 0),)}, "`blocks` must hold"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        STGCNPlusPlus(**{**STGCNPlusPlus.tiny, **arguments})


@pytest.mark.once
def test_bad_branches():
    with pytest.raises(ValueError, match="at least 6, one for each branch"):
        layers.MixedTemporalConvolution(5)


@pytest.mark.once
def test_registered_weights_have_addresses():
    entry = weights.get("stgcnpp", "2d_ntu60_xsub_bone_motion")
    (file,) = entry.files
    assert file.url.endswith("/stgcnpp/stgcnpp_ntu60_xsub_hrnet/bm.pth")
    assert entry.configuration["skeleton"] == "coco17"
    entry = weights.get("stgcnpp", "aug_ntu120_xset_joint")
    (file,) = entry.files
    assert file.url.endswith("/strong_aug/ntu120_xset_3dkp/j.pth")
    assert entry.score("supervised").percent == 86.7
