import json
import pickle
import zipfile

import numpy as np
import pytest

from keras_skeleton.datasets.readers import kinetics

generator = np.random.default_rng(0)


def person(score=None):
    scores = np.round(generator.uniform(0.1, 1, 18), 3)
    if score is not None:
        scores[:] = score
    scores[generator.integers(18)] = 0
    places = np.round(generator.uniform(0, 1, 36), 3)
    return {"pose": places.tolist(), "score": scores.tolist()}


def clip(persons, label=3, name="abseiling"):
    """A clip with so many persons in each frame."""
    return {
        "data": [
            {"frame_index": i, "skeleton": [person() for _ in range(count)]}
            for i, count in enumerate(persons, 1)
        ],
        "label": name,
        "label_index": label,
    }


def reference(content):
    """The published preparation, one number at a time."""
    data = np.zeros((3, 300, 18, 5))
    for frame in content["data"]:
        for m, each in enumerate(frame["skeleton"][:5]):
            for v in range(18):
                x, y = each["pose"][2 * v : 2 * v + 2]
                score = each["score"][v]
                if score != 0:
                    values = x - 0.5, y - 0.5, score
                    data[:, frame["frame_index"], v, m] = values
    for t in range(300):
        totals = [data[2, t, :, m].sum() for m in range(5)]
        order = sorted(range(5), key=lambda m: -totals[m])
        data[:, t] = data[:, t][:, :, order]
    return data[..., :2].astype("float32").transpose(3, 1, 2, 0)


def dump(path, content):
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text(json.dumps(content))


@pytest.fixture
def folder(tmp_path):
    clips = {
        "train": {"a": clip([2, 0, 7, 1]), "b": clip([1] * 5, 0, "archery")},
        "val": {"c": clip([3] * 3), "d": clip([0, 0])},
    }
    for part, contents in clips.items():
        labels = {}
        for name, content in contents.items():
            dump(tmp_path / f"kinetics_{part}" / f"{name}.json", content)
            labels[name] = {
                "has_skeleton": name != "d",
                "label": content["label"],
                "label_index": content["label_index"],
            }
        dump(tmp_path / f"kinetics_{part}_label.json", labels)
    return tmp_path, {**clips["train"], **clips["val"]}


def test_clips(folder):
    path, contents = folder
    data = kinetics.load_data(path, strict=True)
    assert data.names == ["a", "b", "c"]
    assert data.labels.tolist() == [3, 0, 3]
    assert data.class_names == ["archery", "1", "2", "abseiling"]
    # The frames have the numbers 1 to 4, and number 0 is empty.
    assert data.lengths.tolist() == [5, 6, 4]
    for index, name in enumerate(data.names):
        expected = reference(contents[name])
        found, _ = data[index]
        persons, frames = found.shape[:2]
        np.testing.assert_array_equal(found, expected[:persons, :frames])
        assert not expected[persons:].any()
        assert not expected[:, frames:].any()
    assert data.splits["official"]["train"].tolist() == [0, 1]
    assert data.splits["official"]["test"].tolist() == [2]


def test_archive(folder, tmp_path):
    path, _ = folder
    archive = tmp_path / "kinetics.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        for file in path.rglob("*.json"):
            name = file.relative_to(path).as_posix()
            opened.write(file, f"kinetics-skeleton/{name}")
    data = kinetics.load_data(archive)
    assert data.names == ["a", "b", "c"]
    assert len(data.split("official")[0]) == 2


def test_without_lists_of_labels(folder):
    path, _ = folder
    for file in path.glob("*_label.json"):
        file.unlink()
    with pytest.warns(UserWarning, match="d: it shows nobody"):
        data = kinetics.load_data(path)
    assert data.labels.tolist() == [3, 0, 3]
    assert data.class_names is None


def test_number_of_persons(folder):
    path, contents = folder
    assert kinetics.load_data(path, max_persons=1).frame_shape[0] == 1
    raw = json.dumps(contents["a"]).encode()
    # Of seven, the first five of the file are looked at.
    assert kinetics.parse_clip(raw, 9)[0].shape == (5, 5, 18, 3)
    with pytest.raises(ValueError, match="max_persons"):
        kinetics.load_data(path, max_persons=0)


def test_persons_of_equal_scores_keep_their_order():
    persons = [person(0.5) for _ in range(3)]
    for each in persons:
        each["score"] = [0.5] * 18
    content = clip([0])
    content["data"][0]["skeleton"] = persons
    found, _ = kinetics.parse_clip(json.dumps(content).encode())
    np.testing.assert_array_equal(found, reference(content)[:, :2])


def mmskeleton(persons):
    joints = np.round(generator.uniform(1, 200, (18, 3)), 2)
    joints[:, 2] = generator.uniform(0.1, 1, 18)
    joints[4, 2] = 0
    return {
        "info": {
            "video_name": "x.mp4",
            "resolution": [340, 256],
            "num_frame": 30,
            "num_keypoints": 18,
            "keypoint_channels": ["x", "y", "score"],
            "version": "1.0",
        },
        "annotations": [
            {
                "frame_index": t,
                "id": i,
                "person_id": identity,
                "keypoints": joints.tolist(),
            }
            for t, i, identity in persons
        ],
        "category_id": 7,
    }, joints


def test_form_of_mmskeleton(tmp_path):
    content, joints = mmskeleton(
        [(0, 0, None), (2, 1, 0), (2, 0, 1), (2, 0, 5), (40, 0, None)]
    )
    dump(tmp_path / "train" / "x.json", content)
    data = kinetics.load_data(tmp_path, strict=True)
    found, label = data[0]
    assert label == 7 and found.shape == (2, 3, 18, 3)
    expected = joints.astype("float32")
    size = np.float32([340, 256])
    expected[:, :2] = expected[:, :2] / size - np.float32(0.5)
    expected[4] = 0
    for place, time in ((0, 0), (0, 2), (1, 2)):
        np.testing.assert_array_equal(found[place, time], expected)
    assert not found[:, 1].any() and not found[1, 0].any()


def test_arrays(tmp_path):
    array = generator.normal(0, 1, (2, 3, 300, 18, 2)).astype("float32")
    array[:, :, 200:] = 0
    np.save(tmp_path / "val_data.npy", array)
    with open(tmp_path / "val_label.pkl", "wb") as file:
        pickle.dump((["a", "b"], [399, 0]), file)
    data = kinetics.load_data(tmp_path)
    assert data.lengths.tolist() == [200, 200]
    assert data.labels.tolist() == [399, 0]
    np.testing.assert_array_equal(
        data[1][0], array[1, :, :200].transpose(3, 1, 2, 0)
    )
    assert len(data.split("official")[1]) == 2


def frame(**changes):
    each = {"frame_index": 1, "skeleton": [person()]}
    return {"data": [{**each, **changes}], "label_index": 3}


def annotations(**changes):
    content, _ = mmskeleton([(0, 0, None)])
    return {**content, **changes}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "neither the key"),
        ({"data": 3, "label_index": 1}, "'data' is not a list"),
        ({"data": [3], "label_index": 1}, "'data' is not a list"),
        ({"data": [], "label_index": 1}, "shows nobody"),
        ({"data": []}, "its label is"),
        ({"data": [], "label_index": 1e9}, "its label is"),
        ({"data": [], "label_index": 10**40}, "a huge number"),
        (frame(frame_index=-1), "frame_index"),
        (frame(frame_index=10**9), "frame_index"),
        (frame(frame_index=1.5), "frame_index"),
        (frame(skeleton=None), "shows nobody"),
        (frame(skeleton=[{}]), "numbers have the shape"),
        (frame(skeleton=[{"pose": [0] * 36}]), "numbers have the shape"),
        (
            frame(skeleton=[{"pose": ["0"] * 36, "score": [1] * 18}]),
            "numbers have the shape",
        ),
        (
            frame(skeleton=[{"pose": [0] * 35, "score": [1] * 18}]),
            "numbers have the shape",
        ),
        (
            frame(
                skeleton=[
                    {"pose": [0] * 36, "score": [1] * 18},
                    {"pose": [0] * 34, "score": [1] * 18},
                ]
            ),
            "ragged",
        ),
        (annotations(info=None), "'info'"),
        (annotations(info={"resolution": [0, 1]}), "resolution"),
        (annotations(info={"resolution": [1e300, 1]}), "resolution"),
        (annotations(info={"resolution": [1, 1]}), "num_frame"),
        (annotations(annotations=[]), "shows nobody"),
        (annotations(annotations=[{"frame_index": 0}]), "person_id"),
        (annotations(category_id=None), "its label is"),
    ],
)
def test_damaged_clips(folder, content, message):
    path, _ = folder
    dump(path / "kinetics_train" / "b.json", content)
    with pytest.warns(UserWarning, match=f"b: .*{message}"):
        data = kinetics.load_data(path)
    assert data.names == ["a", "c"]


def test_labels_that_disagree(folder):
    path, _ = folder
    dump(path / "kinetics_train" / "b.json", clip([1], 2))
    with pytest.raises(ValueError, match="its label is 2, in the list"):
        kinetics.load_data(path, strict=True)


@pytest.mark.parametrize(
    "content", [[], {"a": 3}, {"a": {}}, {"a": {"label_index": "0"}}], ids=str
)
def test_damaged_lists_of_labels(folder, content):
    path, _ = folder
    dump(path / "kinetics_train_label.json", content)
    with pytest.raises(ValueError, match="kinetics_train_label.json: "):
        kinetics.load_data(path)


def test_nothing_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="st-gcn"):
        kinetics.load_data(tmp_path)


def test_reader_opens_files_again(folder):
    reader = pickle.loads(pickle.dumps(kinetics.make_reader(folder[0])))
    (found,) = reader.read(reader.units()[0])
    assert found.name == "a"


def test_lists_of_labels_of_other_clips(folder):
    path, _ = folder
    entry = {"has_skeleton": True, "label": "x", "label_index": 1}
    dump(path / "kinetics_train_label.json", {"x": entry, "y": entry})
    with pytest.raises(ValueError, match="0 of the 2 names in `train_label"):
        kinetics.load_data(path)
    # Those of a larger data set, of which all clips here have a label.
    own = {n: {"label_index": i} for n, i in (("a", 3), ("b", 0))}
    more = {**own, "x": entry, "y": entry}
    dump(path / "kinetics_train_label.json", more)
    with pytest.warns(UserWarning, match="2 of the 4 names"):
        assert kinetics.load_data(path).names == ["a", "b", "c"]


def test_null_is_nobody_and_no_joint():
    content = clip([1, 1, 1, 2])
    content["data"][0]["skeleton"] = None
    content["data"][1]["skeleton"] = [None, {"pose": None, "score": None}]
    pose = content["data"][2]["skeleton"][0]
    pose["pose"][6:8] = None, None
    pose["score"][3] = 0
    content["data"].append(None)
    frames, label = kinetics.parse_clip(json.dumps(content))
    assert (frames.shape, label) == ((2, 5, 18, 3), 3)
    assert not frames[:, :3].any() and not frames[:, 3, 3].any()
    assert frames[0, 3, 4:].any() and np.isfinite(frames).all()
