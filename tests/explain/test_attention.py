import keras
import numpy as np
import pytest
from keras import ops

from keras_skeleton import explain


def _value(variable):
    return ops.convert_to_numpy(variable.value).astype("float64")


def _layer_norm(tokens, layer):
    mean = tokens.mean(-1, keepdims=True)
    variance = tokens.var(-1, keepdims=True)
    scaled = (tokens - mean) / np.sqrt(variance + layer.epsilon)
    return scaled * _value(layer.gamma) + _value(layer.beta)


def _block_attention(tokens, block):
    """The attention weights of a block, written out in NumPy."""
    heads = block.num_heads
    normed = _layer_norm(tokens, block.norm_1)
    dense = block.attention.qkv
    mixed = normed @ _value(dense.kernel) + _value(dense.bias)
    query, key, _ = np.split(mixed, 3, axis=-1)
    weights = []
    for part_query, part_key in zip(
        np.split(query, heads, -1), np.split(key, heads, -1), strict=True
    ):
        scores = part_query @ part_key.swapaxes(-1, -2)
        scores = np.exp(scores / np.sqrt(part_key.shape[-1]))
        weights.append(scores / scores.sum(-1, keepdims=True))
    return np.stack(weights, axis=1)


def test_maps_equal_a_numpy_computation(make_transformer, make_clips):
    model, clips = make_transformer(), make_clips("kinect20", 4)
    maps = explain.attention_maps(model, clips, batch_size=2)
    assert maps.shape == (2, 4, 2, 2, 40, 40)
    assert maps.dtype == np.float32
    np.testing.assert_allclose(maps.sum(axis=-1), 1, atol=1e-5)
    for index in range(2):
        block = model.get_layer(f"block_{index}")
        front = keras.Model(model.inputs[0], block.input)
        tokens = front.predict_on_batch(clips)
        expected = _block_attention(tokens.astype("float64"), block)
        # Row n * M + m of the folded batch is person m of sample n.
        expected = expected.reshape(4, 2, 2, 40, 40)
        np.testing.assert_allclose(maps[index], expected, atol=1e-5)


class Looks(keras.layers.Layer):
    """A layer of no known class that says what it attends to."""

    def call(self, tokens):
        return tokens

    def attention_weights(self, tokens):
        return ops.softmax(ops.matmul(tokens, ops.swapaxes(tokens, 1, 2)))[
            :, None
        ]


def test_any_layer_may_show_its_attention(random):
    inputs = keras.Input((2, 4, 5, 3))
    x = ops.reshape(inputs, (-1, 20, 3))
    x = Looks(name="tokens")(x)
    x = Looks(name="again")(2 * x)
    y = Looks(name="joints")(ops.mean(ops.reshape(x, (-1, 4, 5, 3)), axis=1))
    outputs = keras.layers.Dense(2)(keras.layers.Flatten()(y))
    model = keras.Model(inputs, outputs)
    names = ("tokens", "again", "joints")
    assert explain.attention_layers(model) == names
    clips = random.normal(size=(3, 2, 4, 5, 3))
    with pytest.raises(ValueError, match=r"'joints', .*Choose some"):
        explain.attention_maps(model, clips)
    maps = explain.attention_maps(model, clips, layers=["tokens", "again"])
    for scale, found in zip((1, 2), maps, strict=True):
        tokens = scale * clips.reshape(6, 20, 3)
        scores = np.exp(tokens @ tokens.swapaxes(1, 2))
        expected = scores / scores.sum(axis=-1, keepdims=True)
        np.testing.assert_allclose(
            found.reshape(expected.shape), expected, atol=1e-5
        )
    maps = explain.attention_maps(model, clips, layers=["joints"])
    assert maps.shape == (1, 3, 2, 1, 5, 5)
    for wrong in ([], ["tokens", "hands"]):
        with pytest.raises(ValueError, match="some of tokens, again, joints"):
            explain.attention_maps(model, clips, layers=wrong)


def test_maps_follow_this_model_when_layers_are_shared(
    make_transformer, make_clips
):
    model = make_transformer()
    clips = make_clips("kinect20")
    own = explain.attention_maps(model, clips)
    inputs = keras.Input(model.input_shape[1:])
    x = inputs * 2.0
    for layer in model.layers[1:]:
        x = layer(x)
        if layer.name == "features":
            break
    outer = keras.Model(inputs, x)
    doubled = explain.attention_maps(outer, clips)
    np.testing.assert_allclose(
        doubled, explain.attention_maps(model, 2 * clips), atol=1e-5
    )
    assert np.abs(doubled - own).max() > 1e-3


def test_rollout_equals_products_of_matrices(random):
    maps = random.dirichlet(np.ones(6), size=(3, 2, 1, 4, 6))
    rollout = explain.attention_rollout(maps, residual=0.3)
    for sample in range(2):
        expected = np.eye(6)
        for layer in range(3):
            step = 0.7 * maps[layer, sample, 0].mean(axis=0) + 0.3 * np.eye(6)
            expected = step @ expected
        np.testing.assert_allclose(rollout[sample, 0], expected, atol=1e-6)
    np.testing.assert_allclose(rollout.sum(axis=-1), 1, atol=1e-5)


def test_rollout_of_no_attention_is_the_identity():
    maps = np.broadcast_to(np.eye(5), (2, 1, 1, 3, 5, 5))
    rollout = explain.attention_rollout(maps)
    np.testing.assert_allclose(rollout[0, 0], np.eye(5), atol=1e-6)


def test_importance_is_attention_received():
    # Every query looks at token 4 = segment 1, patch 1 of a 2 x 3 grid.
    attention = np.zeros((1, 1, 6, 6))
    attention[..., 4] = 1
    tokens = explain.importance(attention, (2, 3))
    expected = [[[[0, 0, 0], [0, 1, 0]]]]
    np.testing.assert_array_equal(tokens, expected)
    maps = np.broadcast_to(attention, (2, 3, 1, 1, 6, 6)).swapaxes(1, 3)
    simple = explain.importance(maps, (2, 3))
    np.testing.assert_array_equal(simple, expected)


def test_absent_persons_have_no_importance(make_transformer, make_clips):
    model, clips = make_transformer(), make_clips("kinect20")
    clips[1, 1] = 0
    rollout = explain.attention_rollout(explain.attention_maps(model, clips))
    grid = explain.feature_grid(model)
    assert grid == (2, 20)
    tokens = explain.importance(rollout, grid, clips)
    assert tokens.shape == (2, 2, 2, 20)
    totals = tokens.sum(axis=(2, 3))
    np.testing.assert_allclose(totals, [[1, 1], [1, 0]], atol=1e-5)


def test_upsampling_keeps_sums_and_places(random):
    tokens = random.random((2, 1, 2, 3)).astype("float32")
    full = explain.upsample(tokens, 7, 6)
    assert full.shape == (2, 1, 7, 6)
    np.testing.assert_allclose(full.sum((2, 3)), tokens.sum((2, 3)), rtol=1e-5)
    # Frames 0..3 belong to segment 0, joints 2 and 3 to patch 1.
    np.testing.assert_allclose(
        full[:, :, :4, 2:4].sum((2, 3)), tokens[:, :, 0, 1], rtol=1e-5
    )


def test_joint_and_frame_importance(random):
    tokens = random.random((1, 2, 2, 3))
    tokens[0, 1] = 0
    joints = explain.joint_importance(tokens, num_joints=6)
    frames = explain.frame_importance(tokens, num_frames=8)
    assert joints.shape == (1, 2, 6) and frames.shape == (1, 2, 8)
    total = tokens[0, 0].sum()
    np.testing.assert_allclose(
        joints[0, 0, 4:], tokens[0, 0, :, 2].sum() / total / 2, rtol=1e-5
    )
    np.testing.assert_allclose(
        frames[0, 0, :4], tokens[0, 0, 0].sum() / total / 4, rtol=1e-5
    )
    assert not joints[0, 1].any() and not frames[0, 1].any()


def test_joint_attention_sums_keys_and_averages_queries(random):
    maps = random.dirichlet(np.ones(6), size=(2, 1, 1, 3, 6))
    joints = explain.joint_attention(maps, (2, 3))
    assert joints.shape == (2, 1, 1, 3, 3, 3)
    np.testing.assert_allclose(joints.sum(axis=-1), 1, atol=1e-5)
    # Joint 1 is tokens 1 and 4; joint 2 is tokens 2 and 5.
    block = maps[1, 0, 0, 2][np.ix_([1, 4], [2, 5])]
    expected = block.sum(axis=1).mean()
    np.testing.assert_allclose(joints[1, 0, 0, 2, 1, 2], expected, rtol=1e-5)


def test_shares_per_person_or_per_clip(random):
    values = random.random((2, 2, 3, 4))
    person = explain.to_shares(values)
    np.testing.assert_allclose(person.sum((2, 3)), 1, rtol=1e-5)
    clip = explain.to_shares(values, per_person=False)
    np.testing.assert_allclose(clip.sum((1, 2, 3)), 1, rtol=1e-5)
    np.testing.assert_allclose(
        clip[0, 0] / clip[0, 1], values[0, 0] / values[0, 1], rtol=1e-4
    )


def test_bad_input(make_transformer, make_clips, convolutional):
    model, clips = make_transformer(), make_clips("kinect20")
    with pytest.raises(ValueError, match="no attention"):
        explain.attention_maps(convolutional, clips[:, :1])
    with pytest.raises(ValueError, match="batch axis"):
        explain.attention_maps(model, clips[0])
    with pytest.raises(ValueError, match="finite"):
        explain.attention_maps(model, np.where(clips > 2, np.nan, clips))
    with pytest.raises(ValueError, match="residual"):
        explain.attention_rollout(np.ones((1, 1, 1, 1, 2, 2)), residual=1)
    with pytest.raises(ValueError, match="layers, N, M, heads, L, L"):
        explain.attention_rollout(np.ones((1, 1, 2, 2)))
    with pytest.raises(ValueError, match="feature_grid"):
        explain.importance(np.ones((1, 1, 6, 6)), (2, 2))
    with pytest.raises(ValueError, match="N, M = "):
        explain.importance(np.ones((1, 1, 6, 6)), (2, 3), clips)
    with pytest.raises(ValueError, match="must not be smaller"):
        explain.upsample(np.ones((1, 1, 4, 4)), 3, 4)
    with pytest.raises(ValueError, match="non-negative"):
        explain.to_shares(-np.ones((1, 1, 4, 4)))
