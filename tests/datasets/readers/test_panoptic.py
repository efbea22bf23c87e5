import json
import pickle
import zipfile

import numpy as np
import pytest

from keras_skeleton import skeletons
from keras_skeleton.datasets.readers import panoptic


def body(identity, t, joints=19):
    rng = np.random.default_rng([identity, t])
    values = np.round(rng.normal(size=(joints, 4)) * 100, 3)
    values[:, 3] = np.round(rng.uniform(0.1, 1, joints), 3)
    values[7, 3] = -1
    return {"id": identity, f"joints{joints}": values.ravel().tolist()}


def frame(bodies):
    content = {"version": 0.7, "univTime": 53541.5, "fpsType": "hd_29_97"}
    return json.dumps({**content, "bodies": bodies})


def write(folder, frames, first=100):
    folder.mkdir(parents=True, exist_ok=True)
    for t, bodies in enumerate(frames):
        path = folder / f"body3DScene_{first + t:08d}.json"
        path.write_text(frame(bodies))


def expected(found):
    values = np.float32(next(v for k, v in found.items() if k != "id"))
    joints = np.zeros((19, 4), "float32")
    joints[: len(values) // 4] = values.reshape(-1, 4)
    joints[7] = 0
    return joints


FRAMES = [
    [body(0, 0), body(5, 0)],
    [body(5, 1)],
    [body(5, 2), body(0, 2), body(9, 2)],
]


def test_one_sequence(tmp_path):
    folder = tmp_path / "171204_pose1" / "hdPose3d_stage1_coco19"
    write(folder, FRAMES)
    data = panoptic.load_data(tmp_path, unit="centimetres", strict=True)
    clip, label = data[0]
    assert label == -1
    assert clip.shape == (3, 3, 19, 4)
    assert data.metadata["first_frame"].tolist() == [100]
    for t, found in enumerate(FRAMES):
        for place, identity in enumerate((5, 0, 9)):
            here = [b for b in found if b["id"] == identity]
            joints = expected(here[0]) if here else np.zeros((19, 4))
            np.testing.assert_array_equal(clip[place, t], joints)
    metres = panoptic.load_data(folder, strict=True)[0][0]
    np.testing.assert_allclose(metres[..., :3], clip[..., :3] / 100, rtol=1e-6)
    np.testing.assert_array_equal(metres[..., 3], clip[..., 3])
    two = panoptic.load_data(folder, num_persons=2, strict=True)
    assert two[0][0].shape[0] == 2


def test_order_of_the_head(tmp_path):
    write(tmp_path / "a", [[body(0, 0)]])
    listed = panoptic.load_data(tmp_path, strict=True)[0][0][0, 0]
    other = panoptic.load_data(tmp_path, head="right_left", strict=True)
    other = other[0][0][0, 0]
    np.testing.assert_array_equal(other[:15], listed[:15])
    joints = skeletons.get("panoptic19").joints
    order = ("right_eye", "left_eye", "right_ear", "left_ear")
    for place, name in enumerate(order, 15):
        np.testing.assert_array_equal(other[joints.index(name)], listed[place])
    with pytest.raises(ValueError, match="Received: 'ears'"):
        panoptic.load_data(tmp_path, head="ears")


def test_several_sequences_in_an_archive_and_15_joints(tmp_path):
    for name in ("pose1", "pose2"):
        write(tmp_path / "cmu" / name / "coco", [[body(3, 0, joints=15)]])
    with zipfile.ZipFile(tmp_path / "cmu.zip", "w") as archive:
        for path in (tmp_path / "cmu").rglob("*.json"):
            archive.write(path, path.relative_to(tmp_path))
        archive.writestr("cmu/pose1/calibration.json", "{}")
    data = panoptic.load_data(tmp_path / "cmu.zip", strict=True)
    assert data.names == ["pose1/coco", "pose2/coco"]
    assert data[0][0].shape == (1, 1, 19, 4)
    assert not data[0][0][0, 0, 15:].any()
    reader = panoptic.PanopticReader(tmp_path / "cmu.zip")
    assert pickle.loads(pickle.dumps(reader)).units() == data.names


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "JSON"),
        ("[]", "no list 'bodies'"),
        (frame([3]), "no number 'id'"),
        (frame([{"id": True}]), "no number 'id'"),
        (frame([{"id": 1}]), "ragged|expected"),
        (frame([{"id": 1, "joints19": [1] * 75}]), "expected .76"),
        (frame([body(1, 0), body(1, 1)]), "two bodies 1"),
    ],
)
def test_bad_files_are_reported(tmp_path, text, reason):
    write(tmp_path / "good", FRAMES)
    write(tmp_path / "bad", FRAMES)
    (tmp_path / "bad" / "body3DScene_00000101.json").write_text(text)
    with pytest.warns(UserWarning, match=rf"bad/body3DScene.*({reason})"):
        data = panoptic.load_data(tmp_path)
    assert data.names == ["good"]
    with pytest.raises(FileNotFoundError, match="domedb"):
        panoptic.load_data(tmp_path / "nowhere")


def test_nobody(tmp_path):
    write(tmp_path / "empty", [[], []])
    with pytest.raises(ValueError, match="nobody"):
        panoptic.load_data(tmp_path, strict=True)


def test_null_is_nobody():
    assert panoptic.parse_bodies('{"bodies": null}') == {}
    found = panoptic.parse_bodies(frame([{"id": 1, "joints19": None}]))
    assert found == {}
