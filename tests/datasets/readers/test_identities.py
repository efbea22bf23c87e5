"""Who is who: identities in all spellings, and where they are lacking."""

import json

import numpy as np
import pytest

from keras_skeleton.datasets.readers import _extracted
from keras_skeleton.datasets.readers import coco
from keras_skeleton.datasets.readers import openpose

NUM_FRAMES = 24


def people(joints=17):
    """Two who pass each other, as pairs of number and pose."""
    figure = np.stack(
        [np.arange(joints), 8.0 * np.arange(joints), np.ones(joints)], -1
    )
    for t in range(NUM_FRAMES):
        for number, x in ((1, 20 + 8 * t), (2, 20 + 8 * (NUM_FRAMES - 1 - t))):
            pose = figure.copy()
            pose[:, 0] += x
            yield t, number, pose


def ends(clip):
    return {(int(p[0, 0, 0]), int(p[-1, 0, 0])) for p in clip}


RIGHT = {(20, 204), (204, 20)}


def write(folder, name_of):
    entries = [
        {
            "image_id": t,
            "keypoints": pose.ravel().tolist(),
            **name_of(t, number),
        }
        for t, number, pose in people()
    ]
    (folder / "two.json").write_text(json.dumps(entries))
    return folder


def in_letters(number):
    return "_ab"[number]


@pytest.mark.parametrize(
    "form",
    [int, float, str, lambda n: [n], lambda n: [[float(n)]], in_letters],
)
@pytest.mark.parametrize("key", ["idx", "track_id"])
def test_spellings(tmp_path, form, key):
    write(tmp_path, lambda t, number: {key: form(number)})
    assert ends(coco.load_data(tmp_path)[0][0]) == RIGHT


@pytest.mark.parametrize("value", [None, -1, "", [], "missing"])
def test_single_detections_without_identity(tmp_path, value):
    lost = {(0, 1), (7, 2), (8, 2), (20, 1)}

    def name_of(t, number):
        if (t, number) not in lost:
            return {"track_id": number}
        return {} if value == "missing" else {"track_id": value}

    data = coco.load_data(write(tmp_path, name_of), num_persons=5)
    assert data[0][0].shape[0] == 2
    assert data[0][0].any(axis=(-1, -2)).all()
    assert ends(data[0][0]) == RIGHT


def test_a_repeated_identity_is_told(tmp_path):
    write(tmp_path, lambda t, number: {"idx": 1 if t == 3 else number})
    with pytest.warns(UserWarning, match="two: the identity 1 is that of sev"):
        data = coco.load_data(tmp_path)
    assert ends(data[0][0]) == RIGHT
    write(tmp_path, lambda t, number: {"idx": 0})
    with pytest.warns(UserWarning, match="two: the identity 0"):
        data = coco.load_data(tmp_path)
    assert data[0][0].shape[0] == 2


@pytest.mark.parametrize("form", [int, str, lambda n: [n]])
def test_openpose(tmp_path, form):
    frames = {}
    for t, number, pose in people(25):
        person = {
            "person_id": form(number),
            "pose_keypoints_2d": pose.ravel().tolist(),
        }
        frames.setdefault(t, []).append(person)
    for t, persons in frames.items():
        text = json.dumps({"people": persons[:: (-1) ** t]})
        (tmp_path / f"two_{t:03d}_keypoints.json").write_text(text)
    data = openpose.load_data(tmp_path, skeleton="openpose25")
    assert ends(data[0][0]) == RIGHT


def test_identity():
    for value in (3, 3.0, "3", " 3 ", [3], [[3.0]], ("3",)):
        assert _extracted.identity(value) == 3
    for value in (None, True, -1, "-1", "", "None", float("nan"), [1, 2], {}):
        assert _extracted.identity(value) is None
    assert _extracted.identity(["anna"]) == "anna"
