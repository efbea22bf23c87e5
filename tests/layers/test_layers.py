import keras
import numpy as np
import pytest
from keras import ops

from keras_skeleton import layers


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda: layers.FoldPersons(name="a"), (3, 2, 4, 5, 3)),
        (lambda: layers.TokenGrid(2, 3, 5, name="a"), (4, 15, 6)),
        (lambda: layers.JointEmbedding(6, 2, 5, name="a"), (4, 8, 10, 2)),
        (lambda: layers.PositionEmbedding(3, 5, name="a"), (4, 15, 6)),
        (lambda: layers.DropPath(0.3, seed=2, name="a"), (4, 15, 6)),
        (
            lambda: layers.BatchNormalization(
                momentum=0.8, epsilon=1e-4, center=False, name="a"
            ),
            (4, 6),
        ),
        (
            lambda: layers.SelfAttention(
                2,
                use_qkv_bias=False,
                dropout_rate=0.1,
                attention_dropout_rate=0.2,
                name="a",
            ),
            (4, 15, 6),
        ),
        (
            lambda: layers.TransformerBlock(
                2,
                mlp_ratio=3,
                use_qkv_bias=False,
                dropout_rate=0.1,
                attention_dropout_rate=0.2,
                drop_path_rate=0.3,
                epsilon=1e-4,
                name="a",
            ),
            (4, 15, 6),
        ),
    ],
)
def test_config_shape_and_model(make, shape):
    layer = make()
    x = random(*shape)
    outputs = layer(x)
    config = layer.get_config()
    revived = type(layer).from_config(config)
    assert revived.get_config() == config
    assert tuple(layer.compute_output_shape(shape)) == tuple(outputs.shape)
    inputs = keras.Input(shape[1:])
    model = keras.Model(inputs, make()(inputs))
    assert model.output_shape[1:] == tuple(outputs.shape[1:])
    if len(outputs) == len(x) and model.trainable_weights:
        model.compile("sgd", "mse")
        model.fit(x, np.zeros(outputs.shape, "float32"), verbose=0)


def test_patchify_order():
    frames, joints = 4, 6
    clips = np.zeros((1, frames, joints, 2), "float32")
    for t in range(frames):
        for v in range(joints):
            clips[0, t, v] = [10 * t + v, -(10 * t + v)]
    tokens = ops.convert_to_numpy(layers.patchify(clips, 2, 3))
    assert tokens.shape == (1, 4, 12)
    # Token 1 is the first segment of the second joint patch.
    np.testing.assert_array_equal(
        tokens[0, 1], [3, -3, 4, -4, 5, -5, 13, -13, 14, -14, 15, -15]
    )
    # Token 2 is the second segment of the first joint patch.
    assert tokens[0, 2, 0] == 20


def test_gather_and_scatter_tokens():
    tokens = random(3, 7, 4)
    indices = np.array([[6, 0], [2, 3], [1, 5]])
    picked = ops.convert_to_numpy(layers.gather_tokens(tokens, indices))
    expected = np.take_along_axis(tokens, indices[..., None], axis=1)
    np.testing.assert_array_equal(picked, expected)
    back = ops.convert_to_numpy(layers.scatter_tokens(picked, indices, 7))
    expected = np.zeros_like(tokens)
    np.put_along_axis(expected, indices[..., None], picked, axis=1)
    np.testing.assert_array_equal(back, expected)


def test_attention_equals_numpy():
    layer = layers.SelfAttention(2)
    x = random(3, 5, 8)
    outputs = ops.convert_to_numpy(layer(x))
    kernel, bias, out_kernel, out_bias = layer.get_weights()
    qkv = (x @ kernel + bias).reshape(3, 5, 3, 2, 4).transpose(2, 0, 3, 1, 4)
    scores = qkv[0] @ qkv[1].transpose(0, 1, 3, 2) / 2.0
    weights = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
    mixed = (weights @ qkv[2]).transpose(0, 2, 1, 3).reshape(3, 5, 8)
    np.testing.assert_allclose(
        outputs, mixed @ out_kernel + out_bias, atol=1e-5
    )
    np.testing.assert_allclose(
        ops.convert_to_numpy(layer.attention_weights(x)), weights, atol=1e-6
    )


def test_attention_with_dropout_is_the_same_outside_training():
    plain = layers.SelfAttention(2)
    dropping = layers.SelfAttention(2, attention_dropout_rate=0.5)
    x = random(3, 5, 8)
    expected = plain(x)
    dropping(x)
    dropping.set_weights(plain.get_weights() + dropping.get_weights()[4:])
    np.testing.assert_allclose(
        ops.convert_to_numpy(dropping(x)),
        ops.convert_to_numpy(expected),
        atol=1e-5,
    )


def test_drop_path_statistics():
    layer = layers.DropPath(0.25, seed=1)
    x = np.ones((4000, 2), "float32")
    np.testing.assert_array_equal(ops.convert_to_numpy(layer(x)), x)
    outputs = ops.convert_to_numpy(layer(x, training=True))
    assert set(np.unique(outputs)) == {0.0, np.float32(1 / 0.75)}
    np.testing.assert_array_equal(outputs[:, 0], outputs[:, 1])
    assert abs((outputs[:, 0] == 0).mean() - 0.25) < 0.03
    again = ops.convert_to_numpy(layer(x, training=True))
    assert (again != outputs).any()


def test_batch_normalization_tracks_the_unbiased_variance():
    layer = layers.BatchNormalization()
    # Far from 0 compared to the spread, where E[x^2] - E[x]^2 loses digits.
    x = (100 + random(5, 3) * 0.1).astype("float32")
    outputs = ops.convert_to_numpy(layer(x, training=True))
    exact = x.astype("float64")
    expected = (exact - exact.mean(0)) / np.sqrt(exact.var(0) + 1e-5)
    np.testing.assert_allclose(outputs, expected, atol=2e-3)
    np.testing.assert_allclose(
        ops.convert_to_numpy(layer.moving_variance.value),
        0.9 + 0.1 * exact.var(0, ddof=1),
        rtol=1e-5,
    )
    frozen = layers.BatchNormalization(trainable=False)
    frozen(x, training=True)
    assert (ops.convert_to_numpy(frozen.moving_mean.value) == 0).all()


def test_motion_aware_masking_prefers_motion():
    patches = np.zeros((400, 6, 5, 12), "float32")
    patches[:, :, 0] = np.arange(6)[None, :, None]
    masking = layers.MotionAwareMasking(0.5, temperature=0.2, seed=0)
    kept, mask = masking(patches)
    assert kept.shape == (400, 15)
    mask = ops.convert_to_numpy(mask).reshape(400, 6, 5)
    assert (mask.sum((1, 2)) == 15).all()
    moving, still = mask[:, :, 0].mean(), mask[:, :, 1:].mean()
    assert moving > still + 0.2
    uniform = layers.MotionAwareMasking(0.5, seed=0)
    _, mask = uniform(patches)
    mask = ops.convert_to_numpy(mask).reshape(400, 6, 5)
    assert abs(mask[:, :, 0].mean() - 0.5) < 0.05


def test_mask_token_fills_the_hidden_places():
    layer = layers.MaskToken()
    tokens = random(2, 2, 4)
    kept = np.array([[2, 0], [1, 2]])
    mask = np.array([[0, 1, 0], [1, 0, 0]], "float32")
    outputs = ops.convert_to_numpy(layer(tokens, kept, mask))
    token = ops.convert_to_numpy(layer.token.value)[0, 0]
    np.testing.assert_allclose(outputs[0], [tokens[0, 1], token, tokens[0, 0]])
    np.testing.assert_allclose(outputs[1], [token, tokens[1, 0], tokens[1, 1]])


@pytest.mark.parametrize("rate", [-0.1, 1.0])
def test_bad_drop_path_rate(rate):
    with pytest.raises(ValueError, match=str(rate)):
        layers.DropPath(rate)


@pytest.mark.once
def test_blocks_take_lora():
    tokens = np.random.default_rng(0).normal(size=(2, 5, 8)).astype("float32")
    block = layers.TransformerBlock(num_heads=2)
    before = ops.convert_to_numpy(block(tokens))
    block.mlp_hidden.enable_lora(2)
    np.testing.assert_allclose(
        ops.convert_to_numpy(block(tokens)), before, rtol=1e-5, atol=1e-6
    )
    change = block.mlp_hidden.lora_kernel_b
    change.assign(np.ones(change.shape))
    assert np.abs(ops.convert_to_numpy(block(tokens)) - before).max() > 1e-3
