import pickle

import numpy as np
import pytest

from keras_skeleton.datasets.readers import human36m

generator = np.random.default_rng(0)
# Source, camera, action and frames.
CLIPS = {
    "train": [
        ("s_01_act_02_subact_01_ca_01", "54138969", "Walking", 20),
        ("s_11_act_02_subact_01_ca_02", "55011271", "Eating", 7),
    ],
    "test": [("S9_Greeting_1", "60457274", "Greeting", 40)],
}


def make(as_arrays=False):
    content = {}
    for part, clips in CLIPS.items():
        columns = {"source": [], "camera_name": [], "action": []}
        for source, camera, action, length in clips:
            columns["source"] += [source] * length
            columns["camera_name"] += [camera] * length
            columns["action"] += [action] * length
        total = len(columns["source"])
        if as_arrays:
            columns = {k: np.array(v) for k, v in columns.items()}
            columns["camera_name"] = columns["camera_name"].astype("int64")
            columns["source"] = columns["source"].astype(object)
        poses = generator.uniform(1, 900, (total, 17, 3))
        content[part] = {
            **columns,
            "joint3d_image": poses,
            "joint_2d": poses[..., :2].astype("float32"),
            "confidence": generator.uniform(0, 1, (total, 17)),
            "2.5d_factor": np.ones(total),
        }
    return content


def write(path, content, protocol=4):
    path.write_bytes(pickle.dumps(content, protocol))
    return path


@pytest.mark.parametrize("as_arrays", [False, True])
@pytest.mark.parametrize("protocol", [2, 4])
def test_whole_clips(tmp_path, as_arrays, protocol):
    content = make(as_arrays)
    path = write(tmp_path / "h36m.pkl", content, protocol)
    data = human36m.load_data(path, normalize=False, strict=True)
    assert data.lengths.tolist() == [20, 7, 40]
    assert data.names[1] == "s_11_act_02_subact_01_ca_02_0000020"
    assert data.class_names == ["Eating", "Greeting", "Walking"]
    assert data.labels.tolist() == [2, 0, 1]
    assert data.metadata["subject"].tolist() == [1, 11, 9]
    assert data.metadata["camera"].tolist() == [
        "54138969",
        "55011271",
        "60457274",
    ]
    joints = content["train"]["joint3d_image"].astype("float32")
    np.testing.assert_array_equal(data[1][0][0], joints[20:])
    train, test = data.split("official")
    assert (len(train), len(test)) == (2, 1)


def test_normalization(tmp_path):
    content = make()
    path = write(tmp_path / "h36m.pkl", content)
    data = human36m.load_data(path)
    for index, part, frames, height in (
        (0, "train", slice(0, 20), 1002),
        (1, "train", slice(20, 27), 1000),
    ):
        x, y, z = np.moveaxis(content[part]["joint3d_image"][frames], -1, 0)
        expected = [x / 500 - 1, y / 500 - height / 1000, z / 500]
        np.testing.assert_allclose(
            data[index][0][0], np.stack(expected, -1), atol=1e-6
        )
    data = human36m.load_data(path, poses="2d")
    assert data.coordinates == ("x", "y", "score")
    clip = data[2][0][0]
    places = content["test"]["joint_2d"].astype("float64")
    expected = places / 500 - [1, 1.002]
    np.testing.assert_allclose(clip[..., :2], expected, atol=1e-6)
    confidence = content["test"]["confidence"].astype("float32")
    np.testing.assert_array_equal(clip[..., 2], confidence)
    del content["test"]["confidence"], content["train"]["confidence"]
    data = human36m.load_data(write(path, content), poses="2d")
    assert (data[2][0][..., 2] == 1).all()


def test_clips_of_one_length(tmp_path):
    path = write(tmp_path / "h36m.pkl", make())
    whole = human36m.load_data(path)
    data = human36m.load_data(path, clip_length=16)
    # What is left over at the end is not used; short sources stay whole.
    assert data.lengths.tolist() == [16, 7, 16, 16]
    data = human36m.load_data(path, clip_length=16, stride=3)
    assert data.lengths.tolist() == [16, 16, 7] + 9 * [16]
    assert data.metadata["start"].tolist() == [0, 3, 0, *range(0, 25, 3)]
    for index, source, start in ((1, 0, 3), (4, 2, 3)):
        np.testing.assert_array_equal(
            data[index][0], whole[source][0][:, start : start + 16]
        )
    assert len(data.split("official")[0]) == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"joint3d_image": None}, "not an array"),
        ({"joint3d_image": np.ones((27, 16, 3))}, "has the shape"),
        ({"joint3d_image": np.ones((27, 17, 2))}, "has 2 coordinates"),
        ({"joint3d_image": np.ones((5, 17, 3))}, "27 entries for 5"),
        ({"source": None}, "'source' is"),
        ({"source": [[]] * 27}, "'source' is"),
        ({"source": ["a\0"] * 27}, "'source' holds"),
        ({"camera_name": ["x"] * 26}, "26 entries for 27"),
        ({"action": [""] * 27}, "'action' holds"),
    ],
)
def test_damaged_parts(tmp_path, change, message):
    content = make()
    content["train"].update(change)
    path = write(tmp_path / "h36m.pkl", content)
    with pytest.raises(ValueError, match=f"h36m.pkl.*{message}"):
        human36m.load_data(path)


def test_damaged_files(tmp_path):
    for content in (3, {}, {"train": []}, {"val": {}}):
        path = write(tmp_path / "h36m.pkl", content)
        with pytest.raises(ValueError, match="h36m.pkl"):
            human36m.load_data(path)
    content = make()
    content["train"]["confidence"] = np.ones((27, 16))
    with pytest.raises(ValueError, match="'confidence' has the shape"):
        human36m.load_data(write(path, content), poses="2d")
    content["train"]["camera_name"][0] = "5"
    content["train"]["joint3d_image"][22] = np.inf
    with pytest.warns(UserWarning, match="(?s)its camera is '5'.*infinite"):
        data = human36m.load_data(write(path, content))
    assert len(data) == 1


def test_arguments(tmp_path):
    with pytest.raises(FileNotFoundError, match="MotionBERT"):
        human36m.load_data(tmp_path / "none.pkl")
    path = write(tmp_path / "h36m.pkl", make())
    for wrong in ({"poses": "4d"}, {"clip_length": 0}, {"stride": -1}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            human36m.load_data(path, **wrong)


def test_reader_opens_the_file_again(tmp_path):
    path = write(tmp_path / "h36m.pkl", make())
    reader = human36m.Human36MReader(path)
    pickled = pickle.dumps(reader)
    assert len(pickled) < 2000
    (clip,) = pickle.loads(pickled).read(reader.units()[2])
    assert clip.name == "S9_Greeting_1_0000000"
