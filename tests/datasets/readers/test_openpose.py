import json
import pickle
import zipfile

import numpy as np
import pytest

from keras_skeleton import skeletons
from keras_skeleton.datasets.readers import _extracted
from keras_skeleton.datasets.readers import base as readers
from keras_skeleton.datasets.readers import openpose


def body(t, place=0.0, joints=25):
    """A person of 100 pixels who walks to the right."""
    rng = np.random.default_rng(joints)
    person = np.column_stack(
        [rng.uniform(0, 100, (joints, 2)), rng.uniform(0.1, 1, joints)]
    )
    person[:, 0] += place + 5 * t
    person[3] = 0
    return np.round(person, 3)


def frame(persons, key="pose_keypoints_2d", identities=None, version=1.3):
    people = []
    for index, person in enumerate(persons):
        people.append({key: person.ravel().tolist()})
        if identities is not None:
            people[-1]["person_id"] = [identities[index]]
        if version > 1:
            people[-1]["hand_left_keypoints_2d"] = []
    return json.dumps({"version": version, "people": people})


def write(folder, frames, prefix="walk", numbers=None):
    folder.mkdir(parents=True, exist_ok=True)
    for number, text in zip(numbers or range(len(frames)), frames, strict=True):
        path = folder / f"{prefix}{number:012d}_keypoints.json"
        path.write_text(text)


@pytest.mark.parametrize(
    ("joints", "key", "version"),
    [
        (25, "pose_keypoints_2d", 1.3),
        (18, "pose_keypoints_2d", 1.1),
        (18, "pose_keypoints", 0.1),
    ],
)
def test_one_folder_is_one_clip(tmp_path, joints, key, version):
    people = [[body(t, joints=joints)] for t in range(12)]
    people[4] = []
    frames = [frame(persons, key, version=version) for persons in people]
    write(tmp_path / "walk", frames, "walk_", numbers=[*range(11), 100])
    data = openpose.load_data(tmp_path / "walk", strict=True)
    assert data.names == ["walk"]
    assert data.skeleton.name == f"openpose{joints}"
    assert data.coordinates == ("x", "y", "score")
    np.testing.assert_array_equal(data.labels, [-1])
    clip = data[0][0]
    assert clip.shape == (1, 12, joints, 3)
    for t, persons in enumerate(people):
        expected = persons[0] if persons else np.zeros((joints, 3))
        np.testing.assert_array_equal(clip[0, t], np.float32(expected))


@pytest.mark.parametrize("form", ["folder", "zip", "one_folder"])
def test_several_clips_and_labels(tmp_path, form):
    root = tmp_path / "poses"
    for index, name in enumerate(("jump_01", "run_01", "walk_02")):
        frames = [frame([body(t)]) for t in range(index + 2)]
        folder = root if form == "one_folder" else root / name
        write(folder, frames, f"{name}_")
    if form == "zip":
        with zipfile.ZipFile(tmp_path / "poses.zip", "w") as archive:
            for path in root.rglob("*.json"):
                archive.write(path, path.relative_to(tmp_path))
        root = tmp_path / "poses.zip"
    labels = {"walk_02": "walk", "run_01": "run", "other": "walk"}
    with pytest.warns(UserWarning, match="2 of the 3 names.*'other'"):
        data = openpose.load_data(root, labels=labels, strict=True)
    assert data.names == ["jump_01", "run_01", "walk_02"]
    assert data.class_names == ["run", "walk"]
    np.testing.assert_array_equal(data.labels, [-1, 0, 1])
    np.testing.assert_array_equal(data.lengths, [2, 3, 4])


def test_persons_are_followed(tmp_path):
    first = [body(t) for t in range(6)]
    second = [body(-t, place=300) for t in range(6)]
    people = [
        [a, b][:: (-1) ** t]
        for t, (a, b) in enumerate(zip(first, second, strict=True))
    ]
    people[3] = [second[3]]
    far = body(0, place=5000)
    people[4] = [far, *people[4]]
    write(tmp_path, [frame(persons) for persons in people])
    clip = openpose.load_data(tmp_path, strict=True)[0][0]
    np.testing.assert_array_equal(clip[0], np.float32(second))
    np.testing.assert_array_equal(clip[1, 4], np.float32(first[4]))
    assert not clip[1, 3].any()
    three = openpose.load_data(tmp_path, num_persons=3, strict=True)[0][0]
    np.testing.assert_array_equal(three[2, 4], np.float32(far))
    one = openpose.load_data(tmp_path, num_persons=1, strict=True)[0][0]
    np.testing.assert_array_equal(one, clip[:1])


def test_identities_are_believed(tmp_path):
    first = [body(t) for t in range(4)]
    second = [body(t, place=10) for t in range(4)]
    frames = [
        frame(
            [a, b] if t % 2 else [b, a], identities=[7, 3] if t % 2 else [3, 7]
        )
        for t, (a, b) in enumerate(zip(first, second, strict=True))
    ]
    write(tmp_path / "known", frames)
    clip = openpose.load_data(tmp_path / "known", strict=True)[0][0]
    np.testing.assert_array_equal(clip[0], np.float32(second))
    np.testing.assert_array_equal(clip[1], np.float32(first))
    frames = [frame([a], identities=[-1]) for a in first]
    write(tmp_path / "unknown", frames)
    data = openpose.load_data(tmp_path / "unknown", strict=True)
    assert data[0][0].shape[0] == 1


def test_someone_who_comes_back_late_is_new():
    person = np.float32(body(0))
    gap = [[]] * (_extracted.LONGEST_GAP - 1)
    clip = _extracted.track([[person], *gap, [person]], 5)
    assert clip.shape[0] == 1
    clip = _extracted.track([[person], *gap, [], [person]], 5)
    assert clip.shape[0] == 2
    assert _extracted.track([[], []], 2).shape[:2] == (0, 2)
    with pytest.raises(ValueError, match="101 persons"):
        _extracted.track([[person] * 101], 2)
    with pytest.raises(ValueError, match="at least 1"):
        _extracted.track([[person]], 0)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "JSON"),
        ("[]", "no list 'people'"),
        ('{"people": 3}', "no list 'people'"),
        ('{"people": [3]}', "not described"),
        ('{"people": [{"face": []}]}', "no 'pose_keypoints_2d'"),
        ('{"people": [{"pose_keypoints_2d": [1, 2]}]}', "expected 75"),
        ('{"people": [{"pose_keypoints_2d": "text"}]}', "ragged"),
        (frame([body(0, joints=18)]), "18 joints"),
        ('{"people": [{"pose_keypoints_2d": []}]}', None),
    ],
)
def test_bad_files_are_reported(tmp_path, text, reason):
    write(tmp_path / "a", [frame([body(t)]) for t in range(3)])
    write(tmp_path / "b", [frame([body(0)]), text])
    if reason is None:
        assert len(openpose.load_data(tmp_path, strict=True)) == 2
        return
    with pytest.warns(UserWarning, match="b/walk000000000001_keypoints.json"):
        data = openpose.load_data(tmp_path)
    assert len(data) == 1
    assert reason in data.skipped[0][1]
    with pytest.raises(ValueError, match="b/walk"):
        openpose.load_data(tmp_path, strict=True)


def test_wrong_paths_and_arguments(tmp_path):
    with pytest.raises(FileNotFoundError, match="--write_json"):
        openpose.load_data(tmp_path / "nowhere")
    write(tmp_path / "a", [frame([])])
    with pytest.raises(ValueError, match="shows a person"):
        openpose.load_data(tmp_path)
    with pytest.raises(ValueError, match="nobody"):
        openpose.load_data(tmp_path, skeleton="openpose25", strict=True)
    with pytest.raises(ValueError, match="Unknown skeleton 'nut'"):
        openpose.load_data(tmp_path, skeleton="nut")
    for labels, names, reason in (
        ({"a": "run", "b": 1}, None, "Received: 'run'"),
        ({"a": 2}, ["run", "walk"], "among the 2 classes"),
        ({"a": -1}, None, "whole numbers from 0"),
        ({"a": 0.5}, None, "whole numbers from 0"),
    ):
        with pytest.raises(ValueError, match=reason):
            openpose.load_data(tmp_path, labels=labels, class_names=names)


def test_reader_can_be_pickled(tmp_path):
    write(tmp_path / "a", [frame([body(0)])])
    write(tmp_path / "b", [frame([body(0)])])
    reader = openpose.OpenPoseReader(tmp_path, labels={"b": 4})
    copy = pickle.loads(pickle.dumps(reader))
    assert copy.units() == reader.units() == ["a/walk", "b/walk"]
    clips, skipped = readers.read_units(copy, copy.units())
    assert len(clips) == 2
    assert not skipped


def figure(skeleton, turn=0.0):
    """A person who stands, in the order of a layout."""
    heights = {
        **dict(head=20, nose=60, eye=50, ear=52, neck=95, shoulder=110),
        **dict(elbow=160, wrist=210, hip=230, knee=320, ankle=400, toe=415),
        "heel": 410,
    }
    sides = {"left": 20.0, "right": -20.0}
    pose = np.ones((skeleton.num_joints, 3))
    for place, joint in enumerate(skeleton.joints):
        kind = next(k for k in reversed(heights) if k in joint.split("_"))
        pose[place, 1] = heights[kind]
        pose[place, 0] = 200 + turn + sides.get(joint.partition("_")[0], 0)
    return pose


@pytest.mark.parametrize("name", ["openpose25", "openpose25b"])
def test_layouts_of_one_number_are_told_apart(tmp_path, name):
    layout = skeletons.get(name)
    pose = figure(layout)
    write(tmp_path, [frame([pose])] * 4)
    if name == "openpose25":
        data = openpose.load_data(tmp_path)
    else:
        with pytest.warns(UserWarning, match="fit 'openpose25b' better"):
            data = openpose.load_data(tmp_path)
    assert data.skeleton is layout
    # Who says which it is, is believed.
    for said in ("openpose25", layout):
        data = openpose.load_data(tmp_path, skeleton=said)
        assert data.skeleton == skeletons.get(said)
        np.testing.assert_array_equal(data[0][0][0, 0], np.float32(pose))


def test_any_layout_can_be_named(tmp_path):
    own = skeletons.Skeleton(
        "own", ["a", "b", "c", "d", "e"], [(j, 0) for j in range(1, 5)]
    )
    poses = tmp_path / "poses"
    write(poses, [frame([body(t, joints=5)]) for t in range(2)])
    with pytest.raises(ValueError, match="5 joints.*`Skeleton` of your own"):
        openpose.load_data(poses)
    (tmp_path / "own.json").write_text(json.dumps(own.to_dict()))
    for said in (own, own.to_dict(), tmp_path / "own.json"):
        assert openpose.load_data(poses, skeleton=said).skeleton == own
    with pytest.raises(ValueError, match="have 5 joints.*'ntu' 25"):
        openpose.load_data(poses, skeleton="ntu")
    (tmp_path / "own.json").write_text("{}")
    with pytest.raises(ValueError, match="own.json' cannot be read"):
        openpose.load_data(poses, skeleton=tmp_path / "own.json")


def test_the_first_reason_is_shown(tmp_path):
    write(tmp_path, ["{", frame([])])
    with pytest.raises(ValueError, match="walk000000000000_.*: it cannot be r"):
        openpose.load_data(tmp_path)


def test_names_that_do_not_fit_are_told(tmp_path):
    write(tmp_path / "a", [frame([body(0)])])
    (tmp_path / "calibration.json").write_text("{}")
    with pytest.warns(UserWarning, match="calibration.json: its name does not"):
        assert openpose.load_data(tmp_path).names == ["a/walk"]


def test_people_that_are_null_are_nobody(tmp_path):
    write(tmp_path / "walk", [frame([body(t)]) for t in range(4)])
    file = sorted(tmp_path.rglob("*.json"))[2]
    file.write_text('{"version": 1.3, "people": null}')
    clip = openpose.load_data(tmp_path / "walk", num_persons=1)[0][0]
    assert clip[0].any(axis=(1, 2)).tolist() == [True, True, False, True]


@pytest.mark.parametrize("name", ["f-{}.json", "{}_pose.json", "a.{}.json"])
def test_other_names_of_frames(tmp_path, name):
    for t in range(12):
        (tmp_path / name.format(t)).write_text(frame([body(t)]))
    data = openpose.load_data(tmp_path, num_persons=1)
    assert data.lengths.tolist() == [12]


def test_a_file_of_a_whole_clip_is_no_frame(tmp_path):
    (tmp_path / "walk.json").write_text("[]")
    with pytest.raises(ValueError, match="'walk.json', and files of whole"):
        openpose.load_data(tmp_path)


def test_null_is_nobody():
    person = {"pose_keypoints_2d": [None] * 3 + [1.0] * 72}
    data = json.dumps({"people": [None, {"pose_keypoints_2d": None}, person]})
    ((_, joints),) = openpose.parse_frame(data)
    assert np.isnan(joints[0]).all() and (joints[1:] == 1).all()
    assert openpose.parse_frame(json.dumps({"people": None})) == []
