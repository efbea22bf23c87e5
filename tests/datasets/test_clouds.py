import numpy as np
import pytest

from keras_skeleton.datasets import clouds

pytestmark = pytest.mark.once


def body(random, count=300):
    """A long, flat cloud, turned and in front of the camera."""
    points = random.uniform(-1, 1, (count, 3)) * (0.3, 0.9, 0.1)
    angle = 0.4
    c, s = np.cos(angle), np.sin(angle)
    turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    return points @ turn.T + (0.2, 0.1, 3)


def test_prepared_clouds(random):
    scene = [body(random), body(random, 50)]
    found = clouds.prepare_clouds(scene, 120, (30, 8), neighbours=9)
    points, rotation = found["points"], found["rotation"]
    assert points.shape == (2, 120, 6) and points.dtype == np.float32
    np.testing.assert_allclose(np.linalg.det(rotation), 1, rtol=1e-5)
    assert (rotation[:, 1, 0] >= 0).all() and (rotation[:, 2, 2] >= 0).all()
    # The long side of the cloud is 1 / 1.2 of the box, the middle at 0.
    geometry = [found[key] for key in ("rotation", "offset", "length")]
    extent = np.ptp(points[1, :, 0])
    assert extent == pytest.approx(1 / 1.2, rel=1e-4)
    np.testing.assert_allclose(points[0, :, :3].mean(axis=0), 0, atol=1e-6)
    back = clouds.from_box(points[..., :3], *geometry)
    np.testing.assert_allclose(
        clouds.to_box(back, *geometry), points[..., :3], atol=1e-5
    )
    for cloud, own in zip(back, scene, strict=True):
        distance = np.linalg.norm(cloud[:, None] - own, axis=-1)
        assert distance.min(axis=1).max() < 1e-5
    # 50 points twice, and 20 of them a third time.
    nearest = np.linalg.norm(back[1][:, None] - scene[1], axis=-1).argmin(1)
    counts = np.bincount(nearest)
    assert sorted(counts) == [2] * 30 + [3] * 20
    # Of 300 points, none twice.
    assert len(np.unique(points[0, :, :3], axis=0)) == 120
    again = clouds.prepare_clouds(scene, 120, (30, 8), neighbours=9)
    np.testing.assert_array_equal(points, again["points"])
    other = clouds.prepare_clouds(scene, 120, (30, 8), neighbours=9, seed=1)
    assert np.any(other["points"] != points)


def test_first_points_cover_the_cloud(random):
    found = clouds.prepare_clouds([body(random)], 200, (40, 10))["points"][0]

    def reach(centres):
        distance = np.linalg.norm(
            found[:, None, :3] - found[None, centres, :3], axis=-1
        )
        return distance.min(axis=1).max()

    for count in (40, 10):
        drawn = random.choice(200, (20, count))
        assert reach(np.arange(count)) < min(reach(rows) for rows in drawn)


def test_farthest_points():
    line = np.zeros((5, 3))
    line[:, 0] = [0, 1, 4, 9, 10]
    np.testing.assert_array_equal(
        clouds.farthest_points(line, 5), [0, 4, 2, 1, 3]
    )
    same = clouds.farthest_points(np.zeros((4, 3)), 4, start=2)
    assert sorted(same) == [0, 1, 2, 3] and same[0] == 2
    with pytest.raises(ValueError, match="1 to the 5 points"):
        clouds.farthest_points(line, 6)


def test_normals_face_the_camera(random):
    sphere = random.normal(size=(400, 3))
    sphere /= np.linalg.norm(sphere, axis=1, keepdims=True)
    centre = np.array([0, 0, 3.0])
    points = sphere + centre
    seen = np.sum(sphere * points, axis=1) < -0.5
    normals = clouds.surface_normals(points[seen], points, 12)
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1)
    assert np.sum(normals * sphere[seen], axis=1).min() > 0.95
    # More neighbours than there are points.
    assert clouds.surface_normals(points[:3], points[:4]).shape == (3, 3)


def direct_clusters(points, radius, least):
    """DBSCAN by its definition, with all pairs."""
    distance = np.linalg.norm(points[:, None] - points, axis=-1)
    near = distance <= radius
    core = near.sum(axis=1) >= least
    part = np.where(core, np.arange(len(points)), len(points))
    for _ in points:
        linked = np.where(near & core, part, len(points)).min(axis=1)
        part = np.where(core, np.minimum(part, linked), part)
    return core, part


def test_clusters(random):
    points = np.concatenate(
        [
            0.15 * random.normal(size=(120, 3)),
            0.1 * random.normal(size=(70, 3)) + 1.2,
            random.uniform(-2, 2, (60, 3)),
        ]
    )
    labels = clouds.clusters(points, 0.2, 6)
    core, part = direct_clusters(points, 0.2, 6)
    pairs = set(zip(labels[core].tolist(), part[core].tolist(), strict=True))
    assert len(pairs) == len(set(labels[core])) == len(set(part[core])) > 1
    distance = np.linalg.norm(points[:, None] - points[core], axis=-1)
    np.testing.assert_array_equal(labels >= 0, distance.min(axis=1) <= 0.2)
    edge = ~core & (labels >= 0)
    assert edge.any()
    np.testing.assert_array_equal(
        labels[edge], labels[core][distance[edge].argmin(axis=1)]
    )
    counts = np.bincount(labels[labels >= 0])
    assert (np.diff(counts) <= 0).all()
    assert (clouds.clusters(points[:5], 0.01, 3) == -1).all()
    assert clouds.clusters(np.zeros((0, 3))).shape == (0,)


def test_the_person_of_a_scene(random):
    person = random.uniform((-0.2, -1.0, 2.6), (0.2, 0.8, 2.8), (900, 3))
    hand = random.uniform((0.0, 0.0, 2.55), (0.1, 0.1, 2.6), (40, 3))
    hand[:, 2] -= 0.2
    floor = random.uniform((-0.8, -1.12, 1.9), (0.9, -1.1, 3.6), (1500, 3))
    chair = random.uniform((0.6, -0.9, 2.5), (0.8, -0.7, 2.7), (60, 3))
    wall = random.uniform((-2, -1, 4), (2, 1, 4.1), (300, 3))
    gone = np.full((3, 3), np.nan)
    parts = [person, hand, floor, chair, wall, gone]
    found = clouds.clean_person(np.concatenate(parts), margin=0.25)
    shares = [
        each.mean()
        for each in np.split(found, np.cumsum([len(x) for x in parts])[:-1])
    ]
    assert shares[0] > 0.9 and shares[1] == 1
    assert shares[2:] == [0, 0, 0, 0]
    # Without a floor, nothing is taken for one.
    alone = clouds.clean_person(person)
    assert alone.mean() > 0.99
    assert not clouds.clean_person(wall).any()


def test_errors(random):
    with pytest.raises(ValueError, match="falling"):
        clouds.prepare_clouds([body(random)], 100, (20, 30))
    with pytest.raises(ValueError, match=r"\(2, 3\) for frame 1"):
        clouds.prepare_clouds([body(random), np.ones((2, 3))], 9, (3,))
    with pytest.raises(ValueError, match="not finite"):
        clouds.prepare_clouds([np.full((5, 3), np.nan)], 9, (3,))
    with pytest.raises(ValueError, match="one place"):
        clouds.prepare_clouds([np.ones((5, 3))], 9, (3,))
    with pytest.raises(ValueError, match="no clouds"):
        clouds.prepare_clouds([])
