import json
import types

import numpy as np
import pytest

from keras_skeleton import skeletons
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
        ("a.csv", "", "no line with columns"),
        ("a.csv", "x,y\n", "no line below the names of its columns"),
        ("a.csv", "0,0,1,2\n", "4 columns and no names; needed are 132"),
        ("a.csv", "x,y\n0,1\n", "of its 2 columns .'x', 'y'.*from_csv"),
        ("a.csv", f"{ROW}\none\n", "line 2 has 1 columns, others have 134"),
        ("a.csv", f"{ROW}\n{ROW[:-1]}x\n", "line 2: .*134' is not a number"),
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


CELLS = [list(map(str, landmarks(t).ravel())) for t in range(5)]
WORDS = [f"{a}{j}" for j in range(1, 34) for a in "xyzv"]
NAMES = [
    f"{joint}_{axis}"
    for joint in skeletons.get("mediapipe33").joints
    for axis in ("x", "y", "z", "visibility")
]


def table(head, rows, mark=","):
    lines = [head] * bool(head) + rows
    return "".join(mark.join(line) + "\n" for line in lines)


TABLES = {
    "class first": table(["class", *WORDS], [["wave", *c] for c in CELLS]),
    "label last": table([*WORDS, "label"], [[*c, "wave"] for c in CELLS]),
    "class, no header": table(None, [["wave", *c] for c in CELLS]),
    "frame, no person": table(
        ["Frame", *WORDS], [[str(t), *c] for t, c in enumerate(CELLS)]
    ),
    "frames in another order": table(
        ["frame", *WORDS],
        [[str(t), *c] for t, c in reversed(list(enumerate(CELLS)))],
    ),
    "names of frames": table(
        ["image", *WORDS],
        [[f"img_{t + 7}.jpg", *c] for t, c in reversed(list(enumerate(CELLS)))],
    ),
    "nothing but landmarks": table(None, CELLS),
    "landmarks and their names": table(NAMES, CELLS),
    "upper case": table([n.upper() for n in NAMES], CELLS),
    "other columns, other order": table(
        ["time_of_day", *NAMES[::-1]], [["12:00", *c[::-1]] for c in CELLS]
    ),
    "numbers first": table([f"{w[1:]}_{w[0]}" for w in WORDS], CELLS),
    "names without numbers": table(list("xyzv") * 33, CELLS),
    "semicolons": table(
        ["frame", "person", *WORDS],
        [[str(t), "0", *c] for t, c in enumerate(CELLS)],
        ";",
    ),
    "decimal commas": table(
        WORDS, [[v.replace(".", ",") for v in c] for c in CELLS], ";"
    ),
    "tabs": table(WORDS, CELLS, "\t"),
    "an index of pandas": table(
        ["", *WORDS], [[str(t), *c] for t, c in enumerate(CELLS)]
    ),
}


@pytest.mark.parametrize("form", TABLES)
def test_tables(tmp_path, form):
    (tmp_path / "wave.csv").write_text(TABLES[form])
    data = mediapipe.load_data(tmp_path, strict=True)
    assert data.names == ["wave"]
    expected = np.float32([[landmarks(t) for t in range(5)]])
    np.testing.assert_array_equal(data[0][0], expected)
    if "wave" in TABLES[form]:
        assert data.class_names == ["wave"] and data.labels.tolist() == [0]
    else:
        assert data.labels.tolist() == [-1]


def test_tables_without_visibility(tmp_path):
    rows = [[v for i, v in enumerate(c) if i % 4 < 3] for c in CELLS]
    names = [n for n in NAMES if not n.endswith("visibility")]
    for head in (None, names):
        (tmp_path / "wave.csv").write_text(table(head, rows))
        clip = mediapipe.load_data(tmp_path, strict=True)[0][0]
        assert (clip[..., 3] == 1).all()
        expected = np.float32([landmarks(t)[:, :3] for t in range(5)])
        np.testing.assert_array_equal(clip[0, ..., :3], expected)


def test_a_table_of_several_classes_is_cut(tmp_path):
    labels = ["wave", "wave", "nod", "nod", "wave"]
    rows = [[label, *c] for label, c in zip(labels, CELLS, strict=True)]
    (tmp_path / "all.csv").write_text(table(["class", *WORDS], rows))
    data = mediapipe.load_data(tmp_path, strict=True)
    assert data.names == ["all/wave", "all/nod", "all/wave_2"]
    assert data.lengths.tolist() == [2, 2, 1]
    assert data.class_names == ["nod", "wave"]
    assert data.labels.tolist() == [1, 0, 1]


@pytest.mark.parametrize("cell", ["", "nan", "NaN", "None", "null", "N/A"])
def test_empty_cells(tmp_path, cell):
    rows = [["0", "0", *c] for c in CELLS]
    for t, row in enumerate(rows):
        row[0] = str(t)
    rows[2][2:] = [cell] * 132
    rows[3][2 + 4 * 5] = cell
    (tmp_path / "wave.csv").write_text(table(["frame", "person", *WORDS], rows))
    with pytest.warns(UserWarning, match="133 values in 2 of its 5 frames"):
        data = mediapipe.load_data(tmp_path, strict=True)
    clip = data[0][0][0]
    assert not clip[2].any() and not clip[3, 5].any()
    assert clip[3, 4].all() and clip[[0, 1, 4]].all()
    with pytest.warns(UserWarning, match="34 joints in frames were interpol"):
        data = mediapipe.load_data(tmp_path, missing="interpolate")
    expected = np.float32([landmarks(t) for t in range(5)])
    np.testing.assert_allclose(data[0][0][0], expected, atol=1e-6)
    with pytest.raises(ValueError, match="pass missing='zeros'"):
        mediapipe.load_data(tmp_path, missing="error")
    with pytest.raises(ValueError, match="`missing` must be one of"):
        mediapipe.load_data(tmp_path, missing="drop")


@pytest.mark.parametrize(
    "key", ["poseWorldLandmarks", "worldLandmarks", "pose_world_landmarks"]
)
def test_names_of_other_languages(tmp_path, key):
    people = [[landmarks(t).tolist()] if t != 1 else None for t in range(3)]
    frames = [{key: found, "poseLandmarks": []} for found in people]
    (tmp_path / "walk.json").write_text(json.dumps(frames))
    clip = mediapipe.load_data(tmp_path, landmarks="world")[0][0]
    expected = [landmarks(0), np.zeros((33, 4)), landmarks(2)]
    np.testing.assert_array_equal(clip, np.float32([expected]))
    # Frames that are what would be under the key, and three numbers.
    short = [None if p is None else [j[:3] for j in p[0]] for p in people]
    (tmp_path / "walk.json").write_text(json.dumps(short))
    bare = mediapipe.load_data(tmp_path, landmarks="world")[0][0]
    np.testing.assert_array_equal(bare[..., :3], clip[..., :3])


def test_the_reason_names_what_is_there(tmp_path):
    (tmp_path / "walk.json").write_text('[{"hands": []}, {"hands": []}]')
    with pytest.raises(ValueError, match="frame 0 .*its keys are 'hands'"):
        mediapipe.load_data(tmp_path)
    (tmp_path / "walk.json").write_text("[null, null]")
    with pytest.raises(ValueError, match="its 2 frames show nobody"):
        mediapipe.load_data(tmp_path)


def test_frames_and_landmarks_go_by_their_numbers(tmp_path):
    frames = []
    for t in (2, 0, 1):
        found = [
            {"id": j, "x": float(t), "y": float(j), "z": 0.0, "visibility": 1}
            for j in range(33)
        ]
        frames.append({"frame": t, "landmarks": found[::-1]})
    (tmp_path / "a.json").write_text(json.dumps(frames))
    by_frame = {f"frame_{f['frame']}": f for f in frames}
    (tmp_path / "b.json").write_text(json.dumps(by_frame))
    data = mediapipe.load_data(tmp_path)
    for clip, _ in (data[0], data[1]):
        assert clip[0, :, 3, :2].tolist() == [[0, 3], [1, 3], [2, 3]]


def test_other_forms_of_landmarks(tmp_path):
    values = landmarks(0)
    names = skeletons.get("mediapipe33").joints
    named = {
        name.upper(): dict(zip("XYZ", place[:3].tolist(), strict=True))
        for name, place in zip(names, values, strict=True)
    }
    forms = {
        "flat": [values.ravel().tolist()],
        "presence": [np.pad(values, [(0, 0), (0, 1)]).tolist()],
        "named": [{"pose": named}],
        "null": [values.tolist(), [None] * 33],
    }
    for name, content in forms.items():
        (tmp_path / "a.json").write_text(json.dumps(content))
        if name == "null":
            with pytest.warns(UserWarning, match="were not found"):
                clip = mediapipe.load_data(tmp_path)[0][0]
        else:
            clip = mediapipe.load_data(tmp_path)[0][0]
        np.testing.assert_allclose(
            clip[0, 0, :, :3], values[:, :3], atol=1e-6, err_msg=name
        )


def test_tables_of_several_videos_and_of_samples(tmp_path):
    row = ",".join(["0.5"] * 99)
    axes = ",".join(f"{axis}{j}" for j in range(33) for axis in "xyz")
    head = f"video,frame,{axes}"
    lines = [f"v{t // 3},{t % 3},{row}" for t in range(6)]
    (tmp_path / "a.csv").write_text("\n".join([head, *lines]))
    data = mediapipe.load_data(tmp_path)
    assert data.names == ["a/v0", "a/v1"]
    assert data.lengths.tolist() == [3, 3]
    # The name of each sample comes first, the class after it.
    lines = [f"s{t},up,{row}" for t in range(4)]
    (tmp_path / "a.csv").write_text("\n".join(lines))
    data = mediapipe.load_data(tmp_path)
    assert (data.class_names, data.lengths.tolist()) == (["up"], [4])


def test_one_person_comes_back_after_a_gap(tmp_path):
    frames = [
        {"frame": t, "landmarks": [landmarks(t, 0.9 * (t > 4)).tolist()]}
        for t in (1, 2, 6, 7)
    ]
    (tmp_path / "a.json").write_text(json.dumps(frames))
    clip = mediapipe.load_data(tmp_path, num_persons=2)[0][0]
    expected = [landmarks(t, 0.9 * (t > 4)) for t in (1, 2, 6, 7)]
    # Three frames show nobody, and are lost time.
    assert clip.shape[1] == 7 and not clip[:, 2:5].any()
    np.testing.assert_allclose(clip[:, [0, 1, 5, 6]], [expected], atol=1e-6)


def test_null_and_empty_lists_are_nobody():
    person = landmarks(0).tolist()
    frames = [None, [], [None], [[]], [None, person], {"pose_landmarks": None}]
    found = mediapipe.parse_json(json.dumps(frames))
    assert list(map(len, found)) == [0, 0, 0, 0, 1, 0]
