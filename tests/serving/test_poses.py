import json
import types

import numpy as np
import people
import pytest

from keras_skeleton.serving import Frame
from keras_skeleton.serving import poses
from keras_skeleton.serving.poses.tracking import distance

pytestmark = pytest.mark.once


def person(x, y=0.0, score=0.9, is_up=False):
    return poses.Person(people.body(x, y, is_up), np.full(17, score))


def follow(frames, rate=30):
    tracker = poses.Tracker()
    numbers = [
        [number for number, _ in tracker.update(found, t / rate)]
        for t, found in enumerate(frames)
    ]
    return tracker, numbers


def test_persons_keep_their_numbers_in_any_order():
    frames = [[person(t), person(100 - t)] for t in range(30)]
    frames[10:20] = [found[::-1] for found in frames[10:20]]
    tracker, _ = follow(frames)
    assert [len(track.times) for track in tracker.tracks] == [30, 30]
    first = [p.joints[0, 0] for p in tracker.tracks[0].people]
    np.testing.assert_array_equal(first, np.arange(30.0))


def test_one_slot_with_two_persons_is_two():
    frames = [[person(t)] for t in range(10)]
    frames += [[person(200 + t)] for t in range(10)]
    _, numbers = follow(frames)
    assert numbers == [[1]] * 10 + [[2]] * 10


def test_the_same_person_twice_is_one():
    frames = [[person(t, score=0.6), person(t + 2)] for t in range(8)]
    tracker, numbers = follow(frames)
    assert numbers == [[1]] * 8
    assert tracker.tracks[0].people[0].score == pytest.approx(0.9)


def test_who_is_away_too_long_is_new():
    frames = [[person(0)]] + [[]] * 20 + [[person(1)]] + [[]] * 40
    frames += [[person(2)]]
    _, numbers = follow(frames)
    assert [found for found in numbers if found] == [[1], [1], [2]]


def test_nobody():
    nobody = poses.Person(np.zeros((17, 2)), np.zeros(17))
    tracker, numbers = follow([[nobody], []])
    assert numbers == [[], []] and tracker.tracks == []
    assert distance(nobody, person(0)) == np.inf


def reference(path):
    """Persons, frame by frame, of the results of an estimator."""
    with np.load(path) as file:
        values = dict(file)
    if "count" in values:
        parts = zip(values["keypoints"], values["scores"], strict=True)
        found = [
            [poses.Person(*each) for each in zip(*frame, strict=True)][:count]
            for frame, count in zip(parts, values["count"], strict=True)
        ]
    else:
        slots = values["normalised"].reshape(len(values["times_ms"]), -1, 33, 4)
        found = [
            [
                poses.Person(each[:, :2] * values["size"], each[:, 3])
                for each in frame
                if each.any()
            ]
            for frame in slots
        ]
    return found, values["times_ms"] / 1000


# Frames in which somebody is seen for longer than half a second, by eye: the
# man until his somersault, the woman, the man who runs off.
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("demo_lite", [(4, 160), (162, 206), (208, 227)]),
        ("demo_lite_poses2", [(4, 191), (59, 206), (198, 227)]),
        ("demo_movenet", [(0, 71), (38, 195), (189, 223)]),
        ("walk_lite", [(0, 89)]),
        ("walk_movenet", [(0, 89)]),
        ("jacks_lite", [(0, 89)]),
        ("jacks_movenet", [(0, 89)]),
        ("walk_rotated_lite", [(0, 89)]),
        ("walk_vfr_lite", [(0, 89)]),
    ],
)
def test_people_of_real_videos(pose_dir, name, expected):
    tracker = poses.Tracker()
    for found, time in zip(*reference(pose_dir / f"{name}.npz"), strict=True):
        tracker.update(found, time)
    long = [track for track in tracker.tracks if len(track.times) >= 15]
    found = [(round(30 * t.start), round(30 * t.end)) for t in long]
    assert len(found) == len(expected)
    np.testing.assert_allclose(found, expected, atol=2)
    # The woman walks on the ground, the man is on the roof: nobody is both.
    for track in long:
        middles = np.array([p.joints.mean(0) for p in track.people])
        steps = np.linalg.norm(np.diff(middles, axis=0), axis=-1)
        sizes = np.array([p.size for p in track.people[1:]])
        assert (steps < 0.6 * sizes).all()


def test_a_track_at_other_times():
    first, last = person(0.0), person(30.0)
    scores = np.full(17, 0.5, "float32")
    scores[3] = 0
    lost = poses.Person(np.full((17, 2), 7.0), scores)
    track = poses.Track(1, [0.0, 1.0, 3.0], [first, lost, last])
    joints, scores, world = track.at(np.array([0.5, 1.0, 2.0, 9.0]))
    assert world is None
    np.testing.assert_allclose(joints[1, 0], (7, 7))
    np.testing.assert_allclose(joints[0, 0], (first.joints[0] + 7) / 2)
    # The joint that was lost goes on evenly from where it was.
    np.testing.assert_allclose(joints[1, 3, 0], first.joints[3, 0] + 10)
    np.testing.assert_allclose(joints[3], last.joints)
    np.testing.assert_allclose(scores[:, 3], [0.45, 0, 0.45, 0.9], atol=1e-6)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ((np.zeros((17, 3)), np.zeros(17)), "joints of a person"),
        ((np.zeros((17, 2)), np.zeros(16)), "scores of a person"),
        ((np.full((17, 2), np.nan), np.zeros(17)), "NaN"),
        ((np.zeros((17, 2)), np.zeros(17), np.zeros((17, 2))), "world of a"),
    ],
)
def test_wrong_persons(arrays, message):
    with pytest.raises(ValueError, match=message):
        poses.Person(*arrays)


def test_ones_own_function():
    frame = Frame(0, 0.0, people.picture([(20, 30, True), (70, 30, False)]))
    estimator = poses.make_estimator(people.estimate)
    first, second = estimator(frame)
    np.testing.assert_allclose(first.joints, people.body(19.5, 29.5, True))
    np.testing.assert_allclose(second.joints, people.body(69.5, 29.5, False))
    one = poses.PoseFunction(lambda image: np.zeros(3))
    with pytest.raises(ValueError, match="joints and scores as a tuple"):
        one(frame)
    for found in ((None, None), (np.zeros((17, 2)), np.zeros(17))):
        flat = poses.PoseFunction(lambda image, found=found: found)
        with pytest.raises(ValueError, match=r"scores \(P, V\).*Received"):
            flat(frame)
    assert poses.PoseFunction(lambda image: ([], []))(frame) == []
    other = poses.PoseFunction(people.estimate, skeleton="penn13")
    with pytest.raises(ValueError, match="penn13.*13 joints.*with 17"):
        other(frame)


def test_unknown_estimators(tmp_path):
    with pytest.raises(ValueError, match="rtmlib, mediapipe"):
        poses.make_estimator("openpose")
    with pytest.raises(FileNotFoundError, match="weights of a pose"):
        poses.make_estimator("rtmlib", model=tmp_path / "none.onnx")


def test_poses_out_of_openpose_files(tmp_path):
    for t in range(3):
        found = []
        for x in (10, 60)[: 2 - t % 2]:
            values = np.zeros((25, 3))
            values[:, :2] = np.arange(50).reshape(25, 2) + x + t
            values[:, 2] = 0.5
            found.append({"pose_keypoints_2d": values.ravel().tolist()})
        content = json.dumps({"version": 1.3, "people": found})
        (tmp_path / f"walk_{t:012d}_keypoints.json").write_text(content)
    estimator = poses.FilePoses(tmp_path, "openpose", frame_rate=10)
    assert estimator.skeleton.name == "openpose25"
    frames = list(estimator.frames())
    assert [frame.time for frame in frames] == [0, 0.1, 0.2]
    assert [len(estimator(frame)) for frame in frames] == [2, 1, 2]
    np.testing.assert_allclose(estimator(frames[1])[0].joints[0], (11, 12))
    assert estimator(Frame(9, 0.9, None)) == []


def test_poses_out_of_mediapipe_files(tmp_path):
    values = np.full((33, 4), 0.5).tolist()
    path = tmp_path / "walk.json"
    path.write_text(json.dumps([{"pose_landmarks": [values]}] * 2))
    with pytest.raises(ValueError, match="--size"):
        poses.FilePoses(path, "mediapipe")
    estimator = poses.FilePoses(path, "mediapipe", size=(200, 100))
    (found,) = estimator(next(iter(estimator.frames())))
    np.testing.assert_allclose(found.joints[4], (100, 50))
    with pytest.raises(ValueError, match="openpose, coco, mediapipe"):
        poses.FilePoses(path, "alphapose")


def test_a_library_that_is_missing(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "rtmlib", None)
    monkeypatch.setitem(sys.modules, "mediapipe", None)
    for name in ("rtmlib", "mediapipe"):
        with pytest.raises(ImportError, match=r"keras-skeleton\[pose\]"):
            poses.make_estimator(name)


def test_models_that_cannot_be_fetched(monkeypatch):
    import sys

    def fail(*arguments, **more):
        raise OSError("no network")

    monkeypatch.setitem(sys.modules, "rtmlib", types.SimpleNamespace(RTMO=fail))
    with pytest.raises(ConnectionError, match="https://.*--pose-model"):
        poses.make_estimator("rtmlib")
