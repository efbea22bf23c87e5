"""Settings of the official codes that differ from the published ones.

Against plain NumPy, with generated numbers: fixtures have other settings.
"""

import numpy as np
import pytest
from keras import ops
from support import assert_close
from support import relative_error

from keras_skeleton import layers
from keras_skeleton.applications import A2J
from keras_skeleton.applications import EPAMNet
from keras_skeleton.applications import STGCNPlusPlus
from keras_skeleton.applications import UniPose
from keras_skeleton.applications import _pose_attention
from keras_skeleton.layers import augmentation
from keras_skeleton.weights import convert_array

RANDOM = np.random.default_rng(0)


def normal(*shape):
    return RANDOM.normal(size=shape).astype("float32")


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x):
    x = np.exp(x - x.max(axis=-1, keepdims=True))
    return x / x.sum(axis=-1, keepdims=True)


@pytest.mark.parametrize("serial", [False, True])
def test_attention_of_another_size(serial):
    video, pose = normal(1, 4, 5, 3, 2), normal(1, 4, 5, 3, 6)
    kind = "serial" if serial else "nested"
    layer = _pose_attention.pose_attention(kind, size=3)
    layer(video, pose)
    picture, time = normal(3, 3, 2, 1), normal(3, 1, 1)
    layer.kernel.assign(picture)
    layer.temporal_kernel.assign(time)
    both = np.stack([pose.max(axis=-1), pose.mean(axis=-1)], axis=-1)
    padded = np.pad(both, ((0, 0), (0, 0), (1, 1), (1, 1), (0, 0)))
    where = np.zeros((1, 4, 5, 3), "float32")
    for row in range(3):
        for column in range(3):
            cut = padded[:, :, row : row + 5, column : column + 3]
            where += cut @ picture[row, column, :, 0]
    # A new normalization divides by the root of 1 + epsilon.
    where = sigmoid(where / np.sqrt(1 + 1e-5))[..., None]
    shown = video * where if serial else where
    mean = np.pad(shown.mean(axis=(2, 3, 4)), ((0, 0), (1, 1)))
    when = sigmoid(sum(mean[:, i : i + 4] * time[i, 0, 0] for i in range(3)))
    when = when[:, :, None, None, None]
    expected = video * (1 + (when if serial else where * when))
    assert_close(layer(video, pose), expected, kind)


def test_attention_with_a_softmax():
    video, pose = normal(1, 2, 2, 3, 9), normal(1, 2, 2, 3, 5)
    layer = _pose_attention.pose_attention("nonlocal_softmax", reduction=3)
    layer(video, pose)
    for variable in layer.weights:
        variable.assign(normal(*variable.shape))

    def mapped(name, x):
        dense = getattr(layer, name)
        kernel, bias = map(ops.convert_to_numpy, dense.get_weights())
        return x @ kernel + bias

    flat, of_pose = video.reshape(12, 9), pose.reshape(12, 5)
    theta, phi = mapped("theta", of_pose), mapped("phi", flat)
    assert theta.shape == (12, 3)
    seen = softmax(theta @ phi.T / 3**0.5) @ mapped("value", flat)
    expected = (flat + mapped("output_map", seen)).reshape(video.shape)
    assert_close(layer(video, pose), expected, "softmax")


def test_strides_and_excitation_of_epamnet():
    settings = {
        **EPAMNet.tiny,
        "video_shape": (4, 24, 24, 3),
        "heatmap_size": 12,
        "video_blocks": (1, 3),
        "video_strides": (1, 3),
        "skeleton_strides": (3,),
        "skeleton_stem_stride": 1,
        "expansion": 1.5,
        "skeleton_expansion": 3.0,
        "excitation_reduction": 2,
    }
    model = EPAMNet(**settings, excitation="all", attention="none")
    # The stem takes half of 24 pixels, then a third.
    assert model.get_layer("video_end").output.shape[1:] == (4, 4, 4, 24)
    assert model.get_layer("skeletons_end").output.shape[1:] == (8, 4, 4, 24)
    for i in range(3):
        block = model.get_layer(f"video_stage_1_block_{i}")
        # 24 channels inside; 12 are rounded to a multiple of 8.
        assert block.squeeze.units == 16
    block = model.get_layer("video_stage_0_block_0")
    assert not block.has_shortcut and block.squeeze.units == 8
    plain = EPAMNet(**settings, excitation="none")
    assert not any("squeeze" in v.path for v in plain.weights)
    for wrong, message in (
        ({"video_strides": (1, 2, 3)}, "`video_strides` must be one"),
        ({"attention_size": 4}, "`attention_size` must be an odd"),
        ({"skeleton_stem_stride": 2}, "are 4 x 4 and 2 x 2"),
        ({"excitation": "some"}, "`excitation`"),
    ):
        with pytest.raises(ValueError, match=message):
            EPAMNet(**{**settings, **wrong})


@pytest.mark.once
def test_graphs_over_several_bones():
    edges = [(1, 0), (2, 1), (3, 2), (4, 1), (5, 4)]
    hops = np.full((6, 6), 99)
    np.fill_diagonal(hops, 0)
    for a, b in edges:
        hops[a, b] = hops[b, a] = 1
    for via in range(6):
        hops = np.minimum(hops, hops[:, [via]] + hops[[via]])
    graphs = layers.partition_graph(6, edges, center=0, max_hop=2)
    near = hops <= 2
    # Beyond two bones all are equally far from the centre.
    far = np.minimum(hops[0], 3)
    expected = np.zeros((5, 6, 6))
    for receiver in range(6):
        for sender in range(6):
            if near[receiver, sender]:
                hop = hops[receiver, sender]
                is_nearer = far[sender] < far[receiver]
                number = 0 if hop == 0 else 2 * hop - 1 + is_nearer
                share = 1 / near[receiver].sum()
                expected[number, receiver, sender] = share
    np.testing.assert_allclose(graphs, expected, rtol=1e-6)


@pytest.mark.once
def test_widths_between_whole_numbers():
    model = STGCNPlusPlus(
        input_shape=(1, 8, 17, 3),
        skeleton="coco17",
        hidden_dim=13,
        blocks=((1, 1), (1.5, 1), (2.25, 2)),
    )
    # 19.5 and 29.25 are rounded down.
    assert [block.output.shape[-1] for block in model.blocks] == [13, 19, 29]
    assert STGCNPlusPlus.from_config(model.get_config()).output_shape[-1] == 29


@pytest.mark.once
def test_bones_of_other_layouts_and_half_precision():
    clips = normal(1, 1, 3, 21, 3)
    hand = [0, 0, 1, 2, 3, 0, 5, 6, 7, 0, 9, 10, 11, 0, 13, 14, 15]
    hand += [0, 17, 18, 19]
    bones = clips - clips[:, :, :, hand]
    found = augmentation.Streams(streams="bone", bones="hand21")(clips)
    assert_close(found, bones, "hand")
    # 20 joints: hips hang on 18, that on 19, and both on the neck, 1.
    pairs = {8: 18, 11: 18, 18: 19, 19: 1, 0: 1, 16: 14}
    skips = {8: 19, 9: 18, 11: 19, 12: 18, 18: 1, 19: 19, 13: 11}
    clips = clips[:, :, :, :20]
    layer = augmentation.Streams(
        streams=("bone", "skip"), bones="openpose20", skips="openpose20"
    )
    found = ops.convert_to_numpy(layer(clips))
    for channels, starts in ((slice(3), pairs), (slice(3, 6), skips)):
        for joint, start in starts.items():
            np.testing.assert_allclose(
                found[:, :, :, joint, channels],
                clips[:, :, :, joint] - clips[:, :, :, start],
                atol=1e-6,
            )
    half = clips.astype("float16")
    layer = augmentation.Streams(
        "kinect20",
        ("bone", "joint_motion", "bone_motion"),
        half_precision=True,
    )
    again = augmentation.Streams.from_config(layer.get_config())
    found = ops.convert_to_numpy(again(half.astype("float32")))
    bone = half - half[:, :, :, list(layer.parents(20))]
    bone = bone.astype("float32")
    np.testing.assert_array_equal(found[..., :3], bone)
    np.testing.assert_array_equal(
        found[:, :, :-1, :, 3:6], (half[:, :, 1:] - half[:, :, :-1])
    )
    np.testing.assert_array_equal(
        found[:, :, :-1, :, 6:], bone[:, :, 1:] - bone[:, :, :-1]
    )


@pytest.mark.once
@pytest.mark.parametrize("ratio", [None, 1.5, (0.5, 0.8)])
def test_boxes_of_another_shape(ratio):
    joints = RANDOM.uniform(60, 140, (1, 2, 3, 5, 2)).astype("float32")
    joints[..., 1] = joints[..., 1] * 0.4 + 100
    layer = augmentation.CropToPeople(
        (300, 400), padding=0.5, stays_inside=False, ratio=ratio, threshold=3
    )
    layer = augmentation.CropToPeople.from_config(layer.get_config())
    low, high = (f(joints, axis=(0, 1, 2, 3)) for f in (np.min, np.max))
    middle, half = (low + high) / 2, 1.5 * (high - low) / 2
    if ratio is not None:
        least, greatest = np.broadcast_to(ratio, 2)
        half[1] = max(half[1], least * half[0])
        half[0] = max(half[0], half[1] / greatest)
    first = np.trunc(middle - half)
    box = layer.box(ops.convert_to_tensor(joints))
    expected = (*first, *(np.trunc(middle + half) - first))
    assert [float(x[0, 0, 0, 0]) for x in box] == list(expected)
    found = ops.convert_to_numpy(layer(joints))
    np.testing.assert_allclose(found, joints - first, rtol=1e-6)
    # A box that is too tight is that of the image.
    layer = augmentation.CropToPeople((300, 400), ratio=ratio, threshold=100)
    assert float(layer.box(ops.convert_to_tensor(joints))[3][0, 0, 0, 0]) == 300
    with pytest.raises(ValueError, match="`ratio` must be"):
        augmentation.CropToPeople((300, 400), ratio=(2, 1))


@pytest.mark.once
def test_anchors_that_differ_by_direction():
    grid = layers.anchor_grid(2, 3, 8, (2, 6), (1, 3, 5))
    expected = [
        (8 * row + i, 8 * column + k)
        for column in range(3)
        for row in range(2)
        for i in (2, 6)
        for k in (1, 3, 5)
    ]
    np.testing.assert_array_equal(grid, expected)
    settings = {**A2J.tiny, "anchor_places": (8,), "coordinates": "crop"}
    model = A2J(**{**settings, "anchor_column_places": (2, 8, 14)})
    layer = model.get_layer("weights_output")
    assert layer.filters == 3 * model.skeleton.num_joints
    votes = model.get_layer("votes")
    assert votes.input[0].shape[1] == 2 * 3 * 3
    with pytest.raises(ValueError, match="at least one place"):
        A2J(**{**settings, "anchor_places": ()})


@pytest.mark.once
def test_heads_and_interpolation_of_unipose():
    fine, coarse = normal(1, 6, 3), normal(1, 5, 3)
    indices, weights = layers.InterpolationWeights(4)(fine, coarse)
    square = ((fine[0, :, None] - coarse[0, None]) ** 2).sum(axis=-1)
    order = np.argsort(square, axis=1)[:, :4]
    np.testing.assert_array_equal(ops.convert_to_numpy(indices)[0], order)
    share = 1 / (np.take_along_axis(square, order, axis=1) + 1e-8)
    share /= share.sum(axis=1, keepdims=True)
    assert relative_error(weights, share[None].astype("float32"), "") < 1e-5
    model = UniPose(**{**UniPose.tiny, "head_dim": (7, 5)}, num_interpolated=4)
    assert model.get_layer("ways_1").number == 4
    hidden = model.get_layer("stage_2_vectors_hidden")
    assert [dense.units for dense in hidden.dense_layers] == [7, 5]
    # The second layer of a head has the fourth number of the official code.
    kernel = normal(5, 7, 1, 1)
    found = convert_array(model, "netG22.layers.0.3.weight", kernel)
    np.testing.assert_array_equal(found, kernel[:, :, 0, 0].T)
