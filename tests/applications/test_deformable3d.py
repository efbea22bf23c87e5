"""3D deformable transformer beyond what holds for every system."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_skeleton import explain
from keras_skeleton.applications import DeformableTransformer3D
from keras_skeleton.applications._deformable import DeformableAttention
from keras_skeleton.applications._deformable import interleaved
from keras_skeleton.applications.deformable3d import PoseTokens
from keras_skeleton.layers.convolution import convolve_volume
from keras_skeleton.layers.convolution import depthwise_volume


def batch(model, count=2, seed=0):
    """Skeletons inside of the picture, and video."""
    random = np.random.default_rng(seed)
    form = model.input_form
    skeletons = random.uniform(1, 16, (count, *form["skeletons"]))
    skeletons[..., 2] = random.uniform(0.3, 1, skeletons.shape[:-1])
    video = random.normal(size=(count, *form["video"]))
    return {
        "skeletons": skeletons.astype("float32"),
        "video": video.astype("float32"),
    }


@pytest.mark.parametrize("strides", [(1, 1), (2, 2), (1, 2)])
def test_convolutions_over_three_axes(strides):
    random = np.random.default_rng(0)
    x = random.normal(size=(2, 5, 6, 7, 3)).astype("float32")
    kernel = random.normal(size=(3, 3, 3, 3, 4)).astype("float32")
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (1, 1), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(
        padded, (3, 3, 3), axis=(1, 2, 3)
    )[:, :: strides[0], :: strides[1], :: strides[1]]
    expected = np.einsum("nthwcijk,ijkcd->nthwd", windows, kernel)
    x, given = ops.convert_to_tensor(x), ops.convert_to_tensor(kernel)
    found = convolve_volume(x, given, strides)
    np.testing.assert_allclose(ops.convert_to_numpy(found), expected, atol=1e-4)
    if strides == (1, 1):
        found = depthwise_volume(x, given[..., 0])
        expected = np.einsum("nthwcijk,ijkc->nthwc", windows, kernel[..., 0])
        np.testing.assert_allclose(
            ops.convert_to_numpy(found), expected, atol=1e-4
        )


def test_tokens_between_places():
    layer = DeformableAttention(1)
    z = np.arange(2 * 3 * 4, dtype="float32").reshape(1, 2, 3, 4, 1)
    offsets = np.zeros((1, 2, 3, 4, 3), "float32")
    offsets[..., 0], offsets[..., 2] = 0.25, -0.5
    found = layer.sample(
        ops.convert_to_tensor(z), ops.convert_to_tensor(offsets)
    )
    frame, row, column = np.meshgrid(
        range(2), range(3), range(4), indexing="ij"
    )
    place = [np.minimum(frame + 0.25, 1), row, np.maximum(column - 0.5, 0)]
    expected = 12 * place[0] + 4 * place[1] + place[2]
    np.testing.assert_allclose(
        ops.convert_to_numpy(found)[0, ..., 0], expected, atol=1e-5
    )


@pytest.mark.once
@pytest.mark.parametrize("length", [4, 5, 6, 7])
def test_groups_go_back_to_their_places(length):
    x = ops.convert_to_tensor(np.arange(2 * length * 3).reshape(2, length, 3))
    parts = [x[:, r::3] for r in range(3)]
    np.testing.assert_array_equal(
        ops.convert_to_numpy(interleaved(parts, 1, length)),
        ops.convert_to_numpy(x),
    )


def test_a_joint_shows_its_place_in_the_video():
    tokens = np.random.default_rng(0).normal(size=(1, 2, 3, 3, 4))
    tokens = tokens.astype("float32")
    heatmaps = np.zeros((1, 4, 3, 3, 2), "float32")
    heatmaps[:, :2, 1, 2, 0] = 1
    heatmaps[:, 2, 0, 0, 0] = heatmaps[:, 3, 2, 1, 0] = 0.5
    layer = PoseTokens()
    layer(tokens, heatmaps)
    for variable in layer.weights:
        variable.assign(np.zeros(variable.shape))
    found = ops.convert_to_numpy(layer(tokens, heatmaps))[0]
    np.testing.assert_allclose(found[0, 0], tokens[0, 0, 1, 2], atol=1e-4)
    mean = (tokens[0, 1, 0, 0] + tokens[0, 1, 2, 1]) / 2
    np.testing.assert_allclose(found[1, 0], mean, atol=1e-4)
    # A joint that is nowhere shows nothing, in half precision too.
    assert not found[:, 1].any()
    half = PoseTokens(dtype="mixed_float16")
    half(tokens, heatmaps)
    assert np.isfinite(ops.convert_to_numpy(half(tokens, heatmaps))).all()
    # Places of both frames, the first ones first, whatever the video shows.
    place = np.zeros(layer.place.shape, "float32")
    place[5, 0] = place[9 + 5, 1] = place[9 + 7, 2] = 1
    layer.place.assign(place)
    found = ops.convert_to_numpy(layer(0 * tokens, heatmaps))[0, :, 0]
    np.testing.assert_allclose(found, [[1, 1, 0, 0], [0, 0, 0.5, 0]], atol=1e-6)


def test_what_matters_is_shown():
    keras.utils.set_random_seed(0)
    arguments = {**DeformableTransformer3D.tiny, "num_blocks": 2}
    model = DeformableTransformer3D(**arguments, classes=3)
    x = batch(model)
    joints, frames = model.importance(x)
    assert joints.shape == (2, 2, 20) and frames.shape == (2, 2)
    for values in (joints, frames):
        assert np.all(values > 0)
        np.testing.assert_allclose(values.max(axis=-1), 1, atol=1e-6)
    earlier, _ = model.importance(x, block=0)
    assert np.abs(earlier - joints).max() > 0
    maps = explain.attention_maps(model, x)
    assert maps.shape == (2, 2, 1, 2, 2, 40)
    np.testing.assert_allclose(maps.sum(axis=-1), 1, atol=1e-5)
    # Those of the joints: of each head and token all frames in one row.
    layer = model.get_layer("block_1").joints
    random = np.random.default_rng(0)
    pose, cross = (
        ops.convert_to_tensor(random.normal(size=shape).astype("float32"))
        for shape in ((2, 2, 20, 8), (2, 2, 8))
    )
    rows = ops.convert_to_numpy(layer.importance(pose, cross))
    rows = rows.transpose(0, 1, 3, 2, 4).reshape(2, 2, 2, 40)
    found = ops.convert_to_numpy(layer.attention_weights(pose, cross))
    np.testing.assert_allclose(
        found, rows / rows.sum(axis=-1, keepdims=True), rtol=1e-4
    )


def test_tokens_of_low_score_are_left_out():
    keras.utils.set_random_seed(0)
    layer = DeformableAttention(2, threshold=0.5)
    random = np.random.default_rng(0)
    z = random.normal(size=(1, 2, 3, 3, 4)).astype("float32")
    cross = random.normal(size=(1, 2, 4)).astype("float32")
    layer(z, cross)
    layer.score_map.bias.assign([-20.0])
    weights = layer.attention_weights(*map(ops.convert_to_tensor, (z, cross)))
    weights = ops.convert_to_numpy(weights)
    np.testing.assert_allclose(weights[..., 2:], 0, atol=1e-6)
    np.testing.assert_allclose(weights[..., :2].sum(axis=-1), 1, atol=1e-5)


@pytest.mark.once
@pytest.mark.parametrize(
    "changed, message",
    [
        ({"video_shape": (4, 16, 1)}, "four positive numbers"),
        ({"input_shape": (1, 8, 20, 4)}, "column, row"),
        ({"input_shape": (1, 7, 20, 3)}, "frames of the grid, 2"),
        ({"num_heads": 3}, "multiple of `num_heads`"),
        ({"stages": ()}, "must name at least one"),
        ({"joint_stride": 0}, "must be at least 1"),
        ({"temporal_stride": 0}, "must be at least 1"),
        ({"num_blocks": 0}, "must be at least 1"),
        ({"offset_range": (1, 2)}, "must be three numbers"),
        ({"threshold": 2}, "from 0 to 1"),
    ],
)
def test_arguments_that_do_not_fit(changed, message):
    with pytest.raises(ValueError, match=message):
        DeformableTransformer3D(**{**DeformableTransformer3D.tiny, **changed})
