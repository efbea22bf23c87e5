import numpy as np
import pytest

from keras_skeleton import skeletons
from keras_skeleton.datasets import clouds as point_clouds
from keras_skeleton.datasets import synthetic

pytestmark = pytest.mark.once

CAMERA = synthetic.Camera(72, 64)


@pytest.fixture(scope="module")
def clip():
    data = synthetic.load_data(2, skeleton="kinect20", max_frames=32, noise=0)
    return data[0][0]


@pytest.fixture(scope="module")
def drawn(clip):
    return synthetic.draw_clip(clip, "kinect20", CAMERA, seed=3)


def test_forms(clip, drawn):
    frames = clip.shape[1]
    assert drawn["video"].shape == (frames, 72, 64, 3)
    assert drawn["video"].dtype == np.uint8
    assert drawn["depth"].shape == drawn["person"].shape == (frames, 72, 64)
    assert drawn["depth"].min() > 0
    assert set(np.unique(drawn["person"])) == {-1, 0}


def test_joints_lie_inside_of_the_figure(clip, drawn):
    """Where a joint is in the picture, the surface is a little before it."""
    places = CAMERA.project(clip)[0]
    number = 0
    for frame, joints in enumerate(places):
        columns, rows = np.round(joints[:, :2]).astype(int).T
        inside = (columns >= 0) & (columns < 64) & (rows >= 0) & (rows < 72)
        # Thin limbs may fall between pixels.
        person = drawn["person"][frame, rows[inside], columns[inside]]
        assert (person == 0).mean() > 0.9
        depth = drawn["depth"][frame, rows[inside], columns[inside]]
        is_person = person == 0
        before = joints[inside, 2][is_person] - depth[is_person]
        assert before.min() > -0.08
        number += (before < 0.2).sum()
    # Behind other limbs, it may be more.
    assert number > 0.85 * places.shape[0] * places.shape[1]


def test_camera_and_its_reverse():
    points = np.random.default_rng(0).uniform((-1, -1, 2), (1, 1, 4), (9, 3))
    pixels = CAMERA.project(points)
    np.testing.assert_allclose(CAMERA.unproject(pixels), points, atol=1e-5)
    middle = CAMERA.project([0, 0, 3])
    np.testing.assert_allclose(middle, [31.5, 35.5, 3])
    # x points to the left of the picture, y up.
    assert CAMERA.project([1, 1, 3])[0] < 31.5
    assert CAMERA.project([1, 1, 3])[1] < 35.5


def test_points_lie_on_the_figure(clip, drawn):
    is_person = drawn["person"] >= 0
    clouds = synthetic.depth_points(drawn["depth"], CAMERA, 256, mask=is_person)
    assert clouds.shape == (clip.shape[1], 256, 3)
    for cloud, joints in zip(clouds, clip[0], strict=True):
        child, parent = np.array(skeletons.get("kinect20").edges).T
        share = np.linspace(0, 1, 9)[:, None, None]
        axis = joints[parent] + share * (joints[child] - joints[parent])
        axis = axis.reshape(-1, 3)
        distance = np.linalg.norm(cloud[:, None] - axis, axis=-1).min(axis=1)
        assert distance.max() < 0.2
    empty = synthetic.depth_points(np.zeros((1, 4, 4)), CAMERA, 5)
    assert not empty.any()


def test_film_and_the_clouds_of_its_depth_maps():
    data = synthetic.load_data(num_clips=2, skeleton="kinect20", noise=0)
    camera = synthetic.Camera(32, 40)
    found = synthetic.film(data, 3, camera)
    assert found["depth"].shape == found["person"].shape == (2, 3, 32, 40)
    assert found["skeletons"].shape == (2, 1, 3, 20, 3)
    np.testing.assert_array_equal(
        found["skeletons"][1][:, [0, 2]], data[1][0][:, [0, -1]]
    )
    depth, person = found["depth"][1], found["person"][1]
    clouds = point_clouds.depth_clouds(depth, person, camera.intrinsics)
    assert [len(cloud) for cloud in clouds] == person.sum(axis=(1, 2)).tolist()
    rows, columns = np.nonzero(person[2])
    pixels = [columns, rows, depth[2, rows, columns]]
    expected = camera.unproject(np.stack(pixels, axis=-1))
    np.testing.assert_allclose(clouds[2], expected, atol=1e-5)


def test_persons_hide_each_other_and_absent_ones_are_not_drawn(clip):
    behind = clip[:, :1] + (0, 0, 1)
    both = np.concatenate([behind, clip[:, :1], 0 * clip[:, :1]])
    drawn = synthetic.draw_clip(both, "kinect20", CAMERA)
    assert set(np.unique(drawn["person"])) <= {-1, 0, 1}
    alone = synthetic.draw_clip(clip[:, :1], "kinect20", CAMERA)
    np.testing.assert_array_equal(drawn["person"] == 1, alone["person"] == 0)


def test_seeds(clip):
    one, same, other = (
        synthetic.draw_clip(clip[:, :2], "kinect20", CAMERA, noise=0.01, seed=s)
        for s in (1, 1, 2)
    )
    for key in one:
        np.testing.assert_array_equal(one[key], same[key])
    assert np.any(one["video"] != other["video"])
    np.testing.assert_array_equal(one["person"], other["person"])
    assert np.std(one["depth"] - other["depth"]) == pytest.approx(
        0.01 * 2**0.5, rel=0.2
    )


def test_errors(clip):
    with pytest.raises(ValueError, match="20 joints of 'kinect20'"):
        synthetic.draw_clip(clip[0], "kinect20")
    with pytest.raises(ValueError, match="at least one pixel"):
        synthetic.Camera(0)
    with pytest.raises(ValueError, match="above 0 pixels"):
        synthetic.Camera(focal=-1.0)
