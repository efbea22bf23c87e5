import numpy as np
import pytest

from keras_skeleton import layers
from keras_skeleton.datasets import depth
from keras_skeleton.datasets import synthetic

pytestmark = pytest.mark.once


def test_crops_are_nearest_neighbours():
    picture = np.arange(2 * 6 * 8, dtype="float32").reshape(2, 6, 8) + 1
    boxes = [[2, 1, 4, 2], [-1, -1, 4, 4]]
    crops = depth.crop_depth(picture, boxes, (4, 4))
    assert crops.shape == (2, 4, 4, 1) and crops.dtype == np.float32
    # Each pixel of four columns once, each of two rows twice.
    np.testing.assert_array_equal(
        crops[0, ..., 0], picture[0, [1, 1, 2, 2], 2:6]
    )
    # Outside of the picture nothing was measured.
    assert not crops[1, 0].any() and not crops[1, :, 0].any()
    np.testing.assert_array_equal(crops[1, 1:, 1:, 0], picture[1, :3, :3])
    scaled = depth.crop_depth(picture, boxes, 4, mean=2.0, deviation=4.0)
    np.testing.assert_allclose(scaled, (crops - 2) / 4)
    nan = np.where(picture == picture[0, 1, 2], np.nan, picture)
    assert depth.crop_depth(nan, boxes, 4)[0, 0, 0] == 0
    colors = depth.crop_depth(np.repeat(picture[..., None], 3, -1), boxes, 4)
    np.testing.assert_array_equal(colors[..., 1:2], crops)


def test_boxes_of_joints_and_of_masks():
    places = np.zeros((2, 4, 3))
    places[0, :3, :2] = [[10, 20], [30, 60], [20, 40]]
    boxes = depth.person_boxes(places)
    # Joints at (0, 0) do not count; 20 % larger in all.
    np.testing.assert_allclose(boxes, [[8, 16, 24, 48], [0, 0, 0, 0]])
    mask = np.zeros((2, 20, 30), bool)
    mask[0, 5:15, 10:20] = True
    np.testing.assert_allclose(
        depth.mask_boxes(mask), [[9.5, 4.5, 11, 11], [0, 0, 0, 0]]
    )


def test_joints_go_into_the_crop_and_back():
    random = np.random.default_rng(0)
    camera = synthetic.Camera(60, 80)
    joints = random.uniform((-1, -1, 2), (1, 1, 4), (3, 5, 3))
    places = camera.project(joints)
    boxes = depth.person_boxes(places)
    found = depth.joints_in_crop(joints, boxes, camera.intrinsics, (32, 48))
    np.testing.assert_allclose(found[..., 2], 50 * joints[..., 2], rtol=1e-5)
    back = boxes[:, None, 0] + found[..., 1] * boxes[:, None, 2] / 48
    np.testing.assert_allclose(back, places[..., 0], atol=1e-3)
    layer = layers.CropToCamera(32, 48)
    intrinsics = np.tile(camera.intrinsics, (3, 1, 1))
    np.testing.assert_allclose(
        layer(found, boxes, intrinsics), joints, atol=1e-4
    )
    root = np.float32([[2.0], [2.5], [3.0]])
    found = depth.joints_in_crop(
        joints, boxes, camera.intrinsics, (32, 48), root_depth=root
    )
    np.testing.assert_allclose(
        layer(found, boxes, intrinsics, root), joints, atol=1e-4
    )
    joints[1, 2] = 0
    found = depth.joints_in_crop(joints, boxes, camera.intrinsics, 32)
    assert not found[1, 2].any() and found[1, 1].all()


def test_depth_around_a_place():
    picture = np.zeros((3, 20, 20))
    picture[0, 8:12, 8:12] = 2.0
    picture[0, 9, 9] = 9.0
    picture[1, 0, 19] = 3.0
    found = depth.depth_at(picture, np.array([[9.6, 9.4], [21, -2], [5, 5]]))
    np.testing.assert_allclose(found, [[2], [3], [0]])
    several = np.array([[[9.6, 9.4], [21, -2]], [[5, 5], [19, 0]]])
    found = depth.depth_at(picture[:2], several)
    np.testing.assert_allclose(found, [[2, 0], [0, 3]])


def test_statistics_leave_out_what_was_not_measured():
    assert depth.depth_statistics([0, 0, 2, 4.0]) == (3.0, 1.0)
    with pytest.raises(ValueError, match="Nothing was measured"):
        depth.depth_statistics(np.zeros(3))


def test_errors():
    picture = np.ones((2, 6, 8))
    with pytest.raises(ValueError, match="a box"):
        depth.crop_depth(picture, [[0, 0, 1, 1]])
    with pytest.raises(ValueError, match="1 of 2 boxes are empty"):
        depth.crop_depth(picture, [[0, 0, 1, 1], [0, 0, 0, 0]])
    with pytest.raises(ValueError, match="depth of -1 m"):
        depth.joints_in_crop([[[0, 0, -1]]], [[0, 0, 1, 1]], np.eye(3))
    with pytest.raises(ValueError, match="must be the matrix"):
        depth.joints_in_crop([[[0, 0, 1]]], [[0, 0, 1, 1]], (1, 1, 0, 0))


def test_joints_far_from_their_rays_are_left_out():
    camera = synthetic.Camera(60, 80)
    joints = np.array([[[0.3, -0.2, 2.5], [0.0, 0.0, 3.0], [0.1, 0.1, 3.0]]])
    places = camera.project(joints)[..., :2]
    # In the middle of the picture, a distance is what it is.
    moved = joints + [[0, 0, 0], [0.16, 0, 0], [0, 0, 0]]
    for reach, kept in ((0.15, False), (0.17, True)):
        found = depth.reliable_joints(
            moved, places, camera.intrinsics, [[0.9, 0.9, 0.2]], reach
        )
        np.testing.assert_array_equal(found[0, 0], moved[0, 0])
        assert found[0, 1].any() == kept
        assert not found[0, 2].any()
