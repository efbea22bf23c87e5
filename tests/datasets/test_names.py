"""Names that people give for clips, in labels and splits."""

import json

import numpy as np
import pytest

from keras_skeleton.datasets import _names
from keras_skeleton.datasets.readers import coco

pytestmark = pytest.mark.once

POSE = [[5.0 + j, 3.0 * j, 0.9] for j in range(17)]


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "poses"
    (place / "b").mkdir(parents=True)
    entries = [{"image_id": t, "keypoints": sum(POSE, [])} for t in range(3)]
    for name in ("walk_01", "walk_02", "b/run_01"):
        (place / f"{name}.json").write_text(json.dumps(entries))
    return place


@pytest.mark.parametrize(
    "form",
    ["{}", "{}.json", "{}.mp4", "./{}.json", "/home/me/poses/{}.json"],
)
def test_names_of_files_count(folder, form):
    labels = {"walk_01": "walk", "walk_02": "walk", "b/run_01": "run"}
    labels = {form.format(name): label for name, label in labels.items()}
    data = coco.load_data(folder, labels=labels)
    assert data.names == ["b/run_01", "walk_01", "walk_02"]
    assert data.labels.tolist() == [0, 1, 1]
    windows = {n.replace("/", "\\"): label for n, label in labels.items()}
    assert coco.load_data(folder, labels=windows).labels.tolist() == [0, 1, 1]


def test_what_matches_nothing_is_told(folder):
    labels = {"walk_1": 1, "walk_02": 1, "b/run_01": 0}
    with pytest.warns(UserWarning, match="2 of the 3 names.*'walk_1'") as told:
        data = coco.load_data(folder, labels=labels)
    assert "'walk_01'" in str(told[0].message)
    assert data.labels.tolist() == [0, -1, 1]
    for wrong in ({"walk_1": 1}, {"walk_1": 1, "walk_02": 1}):
        with pytest.raises(ValueError, match="No clip is called 'walk_1'"):
            coco.load_data(folder, labels=wrong)
    # Labels of a larger set, of which all clips here have one.
    labels = {name: 0 for name in ("walk_01", "walk_02", "b/run_01", *"uvwx")}
    with pytest.warns(UserWarning, match="3 of the 7 names"):
        assert coco.load_data(folder, labels=labels).labels.tolist() == [0] * 3


@pytest.mark.parametrize(
    "text",
    [
        "name,label\nwalk_01,walk\nwalk_02,walk\nb/run_01,run\n",
        "walk_01.json;walk\nwalk_02.json;walk\n\nb/run_01.json;run\n",
        "walk_01 1\nwalk_02 1\nb/run_01 0\n",
        "\ufefffile,class\nwalk_01,1\nwalk_02,1\nb/run_01,0\n",
        '{"walk_01": "walk", "walk_02": "walk", "b/run_01": "run"}',
    ],
)
def test_files_of_labels(folder, tmp_path, text):
    path = tmp_path / ("labels.json" if text[0] == "{" else "labels.csv")
    path.write_text(text, "utf-8")
    data = coco.load_data(folder, labels=path)
    assert data.labels.tolist() == [0, 1, 1]
    assert coco.load_data(folder, labels=str(path)).names == data.names


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        ([0, 1, 2], "is a list; pass a dictionary"),
        (3, "is a int; pass"),
        ({"walk_01": [0, 1]}, "Labels must be whole"),
        ({"walk_01": 0.5}, "Labels must be whole"),
    ],
)
def test_labels_of_another_kind(folder, labels, reason):
    with pytest.raises(ValueError, match=reason):
        coco.load_data(folder, labels=labels)


def test_bad_files_of_labels(folder, tmp_path):
    with pytest.raises(FileNotFoundError, match="no such file; pass a dict"):
        coco.load_data(folder, labels="labels.csv")
    path = tmp_path / "labels.csv"
    for text, reason in (
        ("walk_01,1,2\n", "line 1 has 3 values"),
        ("name,label\nwalk_01\n", "line 2 has 1 values"),
        ("walk_01,1\nwalk_01,2\n", "line 2 gives 'walk_01' another"),
    ):
        path.write_text(text)
        with pytest.raises(ValueError, match=reason):
            coco.load_data(folder, labels=path)


def test_unknown_labels_and_whole_floats(folder):
    labels = {"walk_01": 1.0, "walk_02": np.int64(0), "b/run_01": np.nan}
    data = coco.load_data(folder, labels=labels)
    assert data.labels.tolist() == [-1, 1, 0]


def test_a_name_of_one_clip_means_no_other():
    finder = _names.Finder(["b/walk"], ["walk.json", "b/walk.json"])
    assert finder.find("walk") is None
    assert finder.find("b/walk") == "b/walk"


def test_a_name_that_could_mean_two_is_not_used():
    finder = _names.Finder(["a/walk.json", "b/walk.json"])
    assert finder.find("walk") is None
    assert finder.find("a/walk") == "a/walk.json"


@pytest.mark.parametrize(
    ("text", "labels", "classes"),
    [
        ("clip_name,activity\nx/walk_01,walk\nrun_01,run\n", [1, 0, -1], 2),
        # Words that are not known, but name no clip either.
        ("was,wie\nwalk_01,walk\nrun_01,run\nwalk_02,walk\n", [1, 0, 1], 2),
        ("label,clip\nwalk,walk_01\nrun,run_01\n", [1, 0, -1], 2),
        ("name,label,subject\nwalk_01,walk,3\nrun_01,run,\n", [1, 0, -1], 2),
        (",name,label\n0,walk_01,walk\n1,run_01,run\n", [1, 0, -1], 2),
        ("name,label\n0,walk_01,walk\n1,run_01,run\n", [1, 0, -1], 2),
        ("walk_01,walk\nrun_01,NaN\nwalk_02,\n", [0, -1, -1], 1),
        ("walk_01,None\nrun_01,run\nwalk_02,null\n", [-1, 0, -1], 1),
        ("walk_01,1.0\nrun_01,0.0\n", [1, 0, -1], 0),
        # A first line is a clip where its name has a number.
        ("clip_01,action_3\nwalk_01,walk\nrun_01,run\n", [2, 1, -1], 3),
    ],
)
def test_tables_of_labels(tmp_path, text, labels, classes):
    folder = tmp_path / "poses"
    folder.mkdir()
    entries = [{"image_id": t, "keypoints": sum(POSE, [])} for t in range(2)]
    for name in ("walk_01", "run_01", "walk_02"):
        (folder / f"{name}.json").write_text(json.dumps(entries))
    path = tmp_path / "labels.csv"
    path.write_text(text, "utf-16" if classes == 2 else "utf-8")
    if "clip_01" in text:
        with pytest.warns(UserWarning, match="No clip is called 'clip_01'"):
            data = coco.load_data(folder, labels=path)
    else:
        data = coco.load_data(folder, labels=path)
    order = [data.names.index(n) for n in ("walk_01", "run_01", "walk_02")]
    assert data.labels[order].tolist() == labels
    assert len(data.class_names or ()) == classes


def test_a_header_alone_is_no_label():
    assert _names._parse_label_lines("name,label\n", ()) == {}


def test_another_encoding_is_named(folder, tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("walk_01,gehen\nb/run_01,l\u00e4uft\n", "latin-1")
    with pytest.raises(ValueError, match="line 2 is not UTF-8.*save it as"):
        coco.load_data(folder, labels=path)
