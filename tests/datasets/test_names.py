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
