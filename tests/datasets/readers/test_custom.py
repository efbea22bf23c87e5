import json
import zipfile

import numpy as np
import pytest

from keras_skeleton import skeletons
from keras_skeleton.datasets import Sequences
from keras_skeleton.datasets.readers import custom

ARM = skeletons.Skeleton("arm", ("shoulder", "elbow", "hand"), ((1, 0), (2, 1)))
LINES = """\
clip,frame,person,joint,x,y,z,label,subject,split
wave_01,0,a,shoulder,1,2,3,wave,7,train
wave_01,0,a,2,4,5,6,wave,7,train
wave_01,2.5,a,elbow,7,8,9,wave,7,train
wave_01,2.5,b,hand,-1,-2,-3e-1,wave,7,train

point_01,10,a,hand,3,3,3,1,8,test
point_01,9,a,0,2,2,2,1,8,test
other,0,a,0,2,2,2,,9,
"""
EXPECTED = np.zeros((2, 2, 3, 3), "float32")
EXPECTED[0, 0, 0] = 1, 2, 3
EXPECTED[0, 0, 2] = 4, 5, 6
EXPECTED[0, 1, 1] = 7, 8, 9
EXPECTED[1, 1, 2] = -1, -2, -0.3


@pytest.mark.parametrize("form", ["file", "folder", "zip"])
def test_csv(tmp_path, form):
    path = tmp_path / "clips.csv"
    path.write_bytes(b"\xef\xbb\xbf" + LINES.replace("\n", "\r\n").encode())
    if form == "zip":
        path = tmp_path / "clips.zip"
        with zipfile.ZipFile(path, "w") as archive:
            archive.write(tmp_path / "clips.csv", "top/clips.csv")
    elif form == "folder":
        path = tmp_path
    data = custom.from_csv(
        path, ARM, ["wave", "point"], ["subject", "split"], strict=True
    )
    assert data.names == ["wave_01", "point_01", "other"]
    assert data.coordinates == ("x", "y", "z")
    np.testing.assert_array_equal(data.labels, [0, 1, -1])
    np.testing.assert_array_equal(data.metadata["subject"], [7, 8, 9])
    np.testing.assert_array_equal(data[0][0], EXPECTED)
    np.testing.assert_array_equal(data[1][0][0, :, 0, 0], [2, 0])
    train, test = data.split("own")
    assert (train.names, test.names) == (["wave_01"], ["point_01"])
    data.save(tmp_path / "own.h5")
    assert Sequences.load(tmp_path / "own.h5").skeleton == ARM


def test_numbers_that_are_left_out_are_lost_time(tmp_path):
    lines = [f"{t},hand,{t},1,1" for t in (4, 5, 6, 9)]
    path = tmp_path / "wave.csv"
    path.write_text("\n".join(["frame,joint,x,y,z", *lines]))
    clip = custom.from_csv(path, ARM, strict=True)[0][0]
    assert clip[0, :, 2, 0].tolist() == [4, 5, 6, 0, 0, 9]


def test_a_file_is_a_clip_without_names(tmp_path):
    lines = "joint,frame,y,x,score\n0,0,2,1,0.5\nhand,0,4,3,0.25\n"
    for name in ("a", "b"):
        (tmp_path / f"{name}.csv").write_text(lines)
    data = custom.from_csv(tmp_path, ARM, strict=True)
    assert data.names == ["a", "b"]
    assert data.coordinates == ("x", "y", "score")
    expected = [[[[1, 2, 0.5], [0, 0, 0], [3, 4, 0.25]]]]
    np.testing.assert_array_equal(data[1][0], expected)
    assert data.splits == {}
    np.testing.assert_array_equal(data.labels, -1)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("wave_01,0,a,2,", "wave_01,0,a,3,", "line 3: .* no joint '3'"),
        ("wave_01,0,a,2,", "wave_01,0,a,0,", "line 3 describes the same"),
        ("7,8,9", "7,eight,9", "line 4: 'eight' in the column 'y'"),
        ("7,8,9", "7,inf,9", "line 4: 'inf' in the column 'y'"),
        ("2.5,a", "1e999,a", "line 4: '1e999' in the column 'frame'"),
        ("4,5,6,wave", "4,5,6,walk", "differ in the column 'label'"),
        ("4,5,6,wave,7", "4,5,6,wave,6", "differ in the column 'subject'"),
        (",wave,", ",walk,", "Received: 'walk'"),
        (",wave,", ",2,", "among the 2 classes"),
    ],
)
def test_bad_clips_are_reported(tmp_path, old, new, reason):
    (tmp_path / "clips.csv").write_text(LINES.replace(old, new))
    names = ["wave", "point"]
    with pytest.warns(UserWarning, match=f"wave_01: .*{reason}"):
        data = custom.from_csv(tmp_path, ARM, names, ["subject"])
    assert data.names == ["point_01", "other"]
    with pytest.raises(ValueError, match="wave_01"):
        custom.from_csv(tmp_path, ARM, names, ["subject"], strict=True)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("3,3,3,1,8,test", "3,3,3,1,8", "line 7 has 9 values"),
        ("3,3,3,1,8,test", '3,3,3,1,8,"test', "line 9"),
        (",subject,", ",object,", "no column 'subject'"),
        (",subject,", ",person,", "the column 'person' twice"),
        ("frame", "image", "no column 'frame'"),
        (",z,", ",depth,", "the coordinates"),
        ("wave_01", "\xff", "not UTF-8"),
    ],
)
def test_bad_files_are_reported(tmp_path, old, new, reason):
    (tmp_path / "a.csv").write_text(LINES)
    changed = LINES.replace(old, new).encode("latin1")
    (tmp_path / "b.csv").write_bytes(changed)
    names = ["wave", "point"]
    with pytest.warns(UserWarning, match=f"b.csv: .*{reason}"):
        data = custom.from_csv(tmp_path, ARM, names, ["subject"])
    assert len(data) == 3


def test_mostly_empty_tables(tmp_path):
    lines = [f"{i},p{i},hand,1,1" for i in range(300)]
    (tmp_path / "a.csv").write_text(
        "frame,person,joint,x,y\n" + "\n".join(lines)
    )
    with pytest.raises(ValueError, match="300 lines leave most of 300 persons"):
        custom.from_csv(tmp_path, ARM, strict=True)
    (tmp_path / "a.csv").write_text("frame,person,joint,x,y\n")
    with pytest.raises(ValueError, match="no lines"):
        custom.from_csv(tmp_path, ARM, strict=True)
    with pytest.raises(FileNotFoundError, match=".csv file"):
        custom.from_csv(tmp_path / "nowhere", ARM)


def content(**changes):
    clips = [
        {"name": "one", "label": "wave", "frames": EXPECTED.tolist()},
        {"label": 1, "frames": EXPECTED[0].tolist()},
        {"name": "three", "frames": EXPECTED[0].tolist()},
    ]
    for clip, subject in zip(clips, (3, "four", 5.5), strict=True):
        clip["subject"] = subject
    whole = {
        "skeleton": ARM.to_dict(),
        "class_names": ["wave", "point"],
        "clips": clips,
    }
    return {**whole, **changes}


def test_json(tmp_path):
    (tmp_path / "own.json").write_text(json.dumps(content()))
    data = custom.from_json(tmp_path, metadata=["subject"], strict=True)
    assert data.names == ["one", "own_1", "three"]
    assert data.skeleton == ARM
    assert data.class_names == ["wave", "point"]
    np.testing.assert_array_equal(data.labels, [0, 1, -1])
    np.testing.assert_array_equal(data[0][0], EXPECTED)
    np.testing.assert_array_equal(data[2][0][0], EXPECTED[0])
    assert data.metadata["subject"].tolist() == ["3", "four", "5.5"]
    other = content(skeleton=None, class_names=None, coordinates=list("uvw"))
    (tmp_path / "own.json").write_text(json.dumps(other))
    data = custom.from_json(tmp_path, ARM, ["wave", "point"], strict=True)
    assert data.skeleton == ARM
    assert data.coordinates == ("u", "v", "w")
    with pytest.raises(ValueError, match="names no 'skeleton'"):
        custom.from_json(tmp_path)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"skeleton": 3}, "Unknown skeleton 3"),
        ({"skeleton": {"name": "arm"}}, "list of at most 256 joints"),
        ({"skeleton": {**ARM.to_dict(), "joints": ["a"] * 999}}, "at most 256"),
        ({"skeleton": {**ARM.to_dict(), "edges": [3]}}, "'skeleton' is inval"),
        ({"skeleton": {**ARM.to_dict(), "edges": [[1, 0]]}}, "1"),
        ({"class_names": "wave"}, "not a list of texts"),
        ({"clips": 3}, "no list 'clips'"),
        ({"clips": []}, "no joint of 2 to 4"),
    ],
)
def test_wrong_json_descriptions(tmp_path, changes, reason):
    (tmp_path / "own.json").write_text(json.dumps(content(**changes)))
    with pytest.raises(ValueError, match=f"own.json.*{reason}"):
        custom.from_json(tmp_path)


@pytest.mark.parametrize(
    ("clip", "reason"),
    [
        (3, "not described"),
        ({}, "no 'frames'"),
        ({"frames": 3}, "expected"),
        ({"frames": [[[1, 2]]]}, "expected .any, any, 3"),
        ({"frames": [[[1, 2, 3], [4]]]}, "ragged"),
        ({"frames": [[[1, 2, 3]]]}, "1 joints"),
        ({"frames": EXPECTED.tolist(), "label": "walk"}, "'walk'"),
        ({"frames": EXPECTED.tolist(), "label": [1]}, r"\[1\]"),
        ({"frames": (EXPECTED * np.nan).tolist()}, "NaN"),
    ],
)
def test_bad_json_clips_are_reported(tmp_path, clip, reason):
    clips = [*content()["clips"], clip]
    (tmp_path / "own.json").write_text(json.dumps(content(clips=clips)))
    with pytest.warns(UserWarning, match=f"own_3: .*{reason}"):
        assert len(custom.from_json(tmp_path)) == 3


def test_the_way_in_the_documentation(tmp_path):
    clips = [EXPECTED, EXPECTED[0]]
    data = Sequences.from_arrays(clips, [0, 1], skeleton=ARM)
    np.testing.assert_array_equal(data[0][0], EXPECTED)
    assert data.skeleton.num_joints == 3


def test_other_spellings_in_tables(tmp_path):
    rows = [
        f"{clip},{t},{joint},0.1,0.2,0.9,1.0,{part}"
        for clip, part in (("a", "Train"), ("b", "val"))
        for t in range(2)
        for joint in ("Left-Elbow", "0.0")
    ]
    head = "clip,frame,joint,x,y,confidence,label,split"
    path = tmp_path / "own.csv"
    path.write_text("\n".join([head, *rows]))
    bones = skeletons.Skeleton(
        "bones", ("shoulder", "left elbow"), edges=((1, 0),)
    )
    data = custom.from_csv(path, bones, metadata=["split"])
    assert data.coordinates == ("x", "y", "score")
    assert data.labels.tolist() == [1, 1]
    train, test = data.split("own")
    assert (train.names, test.names) == (["a"], ["b"])
    path.write_text(path.read_text().replace("Train", "1").replace("val", "2"))
    with pytest.raises(ValueError, match="'split' holds '1', '2'"):
        custom.from_csv(path, bones, metadata=["split"])


def test_null_and_empty_lists_were_not_found(tmp_path):
    frames = EXPECTED[0].tolist()
    lost = {
        "frame": [*frames, None],
        "first": [[], *frames],
        "joint": [frames[0], [None, frames[1][1], []]],
        "person": [frames, [None, []]],
        "nobody": [None, []],
    }
    clips = [{"name": name, "frames": each} for name, each in lost.items()]
    path = tmp_path / "own.json"
    path.write_text(json.dumps({"skeleton": ARM.to_dict(), "clips": clips}))
    with pytest.warns(UserWarning) as told:
        data = custom.from_json(path)
    assert "nobody: its 2 frames show nobody" in str(told[0].message)
    assert "joint: 6 values in 1 of its 2 frames" in str(told[1].message)
    found = {name: data[i][0] for i, name in enumerate(data.names)}
    empty = np.zeros((1, 3, 3), "float32")
    whole = EXPECTED[0]
    np.testing.assert_array_equal(found["frame"][0], [*whole, *empty])
    np.testing.assert_array_equal(found["first"][0], [*empty, *whole])
    np.testing.assert_array_equal(found["joint"][0], whole)
    np.testing.assert_array_equal(found["person"][0], whole)
    clips[0]["frames"][0] = [[1.0, 2.0, 3.0], [4.0]]
    path.write_text(json.dumps({"skeleton": ARM.to_dict(), "clips": clips}))
    with pytest.warns(UserWarning) as told:
        custom.from_json(path)
    assert "frame: its lists of numbers are ragged" in str(told[0].message)
    assert "1 entries where others have 3" in str(told[0].message)


def test_words_for_nothing_in_tables(tmp_path):
    head = "clip,frame,person,joint,x,y,label\n"
    words = ("NaN", "null", "None", "", "wave", "2.0")
    rows = [
        f"{name},{t},a,{joint}\n"
        for name, label in zip("abcdef", words, strict=True)
        for t, joint in ((0, f"elbow,1,2,{label}"), (1, f",,,{label}"))
    ]
    path = tmp_path / "own.csv"
    path.write_text(head + "".join(rows).replace("1,a,,", "1,,,"), "utf-16")
    data = custom.from_csv(path, ARM, ["point", "wave", "hold"])
    assert data.labels.tolist() == [-1, -1, -1, -1, 1, 2]
    assert data.frame_shape == (1, 3, 2)
    assert data.lengths.tolist() == [2] * 6
    path.write_text(head + "".join(row for row in rows if "2.0" not in row))
    assert custom.from_csv(path, ARM).class_names == ["wave"]
