import json
import types

import numpy as np
import pytest

from keras_skeleton.datasets.readers import mediapipe


def landmarks(t, place=0.0):
    rng = np.random.default_rng(7)
    values = np.round(rng.uniform(0.1, 0.3, (33, 4)), 4)
    values[:, 0] += place + 0.01 * t
    return values


def as_dicts(values):
    return [
        dict(zip(mediapipe.VALUES, row, strict=True)) for row in values.tolist()
    ]


def as_objects(values):
    return [types.SimpleNamespace(**landmark) for landmark in as_dicts(values)]


def write_json(path, people, form):
    frames = []
    for persons in people:
        found = {
            "lists": [values.tolist() for values in persons],
            "dicts": [as_dicts(values) for values in persons],
            "alone": as_dicts(persons[0]) if persons else None,
            "message": {"landmark": as_dicts(persons[0])} if persons else None,
        }[form]
        frames.append({"pose_landmarks": found, "pose_world_landmarks": []})
    content = {"frames": frames} if form == "dicts" else frames
    path.write_text(json.dumps(content))


@pytest.mark.parametrize("form", ["lists", "dicts", "alone", "message"])
def test_json(tmp_path, form):
    people = [[landmarks(t)] for t in range(4)]
    people[2] = []
    write_json(tmp_path / "walk.json", people, form)
    data = mediapipe.load_data(tmp_path, labels={"walk": "walk"}, strict=True)
    assert data.names == ["walk"]
    assert data.class_names == ["walk"]
    assert data.coordinates == ("x", "y", "z", "visibility")
    clip, label = data[0]
    assert label == 0
    expected = [p[0] if p else np.zeros((33, 4)) for p in people]
    np.testing.assert_array_equal(clip, np.float32([expected]))
    with pytest.raises(ValueError, match="nobody"):
        mediapipe.load_data(tmp_path, landmarks="world", strict=True)


def test_csv(tmp_path):
    lines = ["frame,person," + ",".join("xyzv" * 33)]
    for t in (10, 2, 3):
        for person, place in ((1, 0.0), (0, 0.01)):
            numbers = landmarks(t, place).ravel()
            if (t, person) != (3, 0):
                lines.append(f"{t},{person}," + ",".join(map(str, numbers)))
    text = "\ufeff" + "\r\n".join(lines)
    (tmp_path / "walk.csv").write_bytes(text.encode())
    data = mediapipe.load_data(tmp_path, num_persons=2, strict=True)
    clip = data[0][0]
    expected = [[landmarks(t) for t in (2, 3, 10)]]
    expected.append([landmarks(t, 0.01) for t in (2, 3, 10)])
    expected[1][1] = np.zeros((33, 4))
    np.testing.assert_array_equal(clip, np.float32(expected))


@pytest.mark.parametrize("old", [True, False])
def test_results(old):
    results = []
    for t in range(3):
        persons = [as_objects(landmarks(t))] if t != 1 else []
        if old:
            wrapped = [types.SimpleNamespace(landmark=p) for p in persons]
            persons = wrapped[0] if wrapped else None
        results.append(
            types.SimpleNamespace(
                pose_landmarks=None, pose_world_landmarks=persons
            )
        )
    clip = mediapipe.from_results(results, landmarks="world")
    expected = [landmarks(0), np.zeros((33, 4)), landmarks(2)]
    np.testing.assert_array_equal(clip, np.float32([expected]))
    with pytest.raises(ValueError, match="nobody"):
        mediapipe.from_results(results)
    with pytest.raises(ValueError, match="frame 0 has no 'pose_landmarks'"):
        mediapipe.from_results([3])
    with pytest.raises(ValueError, match="'image' or 'world'"):
        mediapipe.from_results(results, landmarks="hands")


def test_unknown_visibility_is_visible():
    found = as_objects(landmarks(0))
    for landmark in found:
        landmark.visibility = None
    result = types.SimpleNamespace(pose_landmarks=[found])
    clip = mediapipe.from_results([result])
    np.testing.assert_array_equal(clip[..., 3], 1)


ROW = ",".join(["0,0", *map(str, landmarks(0).ravel())])


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("a.json", "{", "JSON"),
        ("a.json", "{}", "no list of frames"),
        ("a.json", "[3]", "frame 0 has no 'pose_landmarks'"),
        ("a.json", '[{"pose_landmarks": 3}]', "frame 0: it holds something"),
        ("a.json", '[{"pose_landmarks": "abc"}]', "frame 0: it holds"),
        ("a.json", '[{"pose_landmarks": [[[1, 2]]]}]', "frame 0: .*expected"),
        ("a.json", '[{"pose_landmarks": [[{"x": 1}]]}]', "frame 0: "),
        ("a.csv", "", "nobody"),
        ("a.csv", "x,y\n", "nobody"),
        ("a.csv", "0,0,1,2\n", "line 1 does not hold 134 numbers"),
        ("a.csv", f"{ROW}\none\n", "line 2 does not hold"),
        ("a.csv", f"{ROW}\n{ROW}\n", "line 2 repeats"),
    ],
)
def test_bad_files_are_reported(tmp_path, name, text, reason):
    (tmp_path / "good.csv").write_text(ROW)
    (tmp_path / name).write_text(text)
    with pytest.warns(UserWarning, match=rf"{name}: .*{reason}"):
        data = mediapipe.load_data(tmp_path)
    assert data.names == ["good"]
    with pytest.raises(FileNotFoundError, match="load_data"):
        mediapipe.load_data(tmp_path / "nowhere")
