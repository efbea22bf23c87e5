import pickle

import numpy as np
import pytest

from keras_skeleton.datasets.readers import k400

generator = np.random.default_rng(0)
# Frame and score of each skeleton of three videos.
VIDEOS = {
    "a": ([1, 1, 3, 7], [0.9, 0.55, 0.7, 0.95]),
    "b": ([1, 3, 5], [0.95, 0.5, 0.4]),
    "c": ([5], [0.6]),
}
LABELS = {"a": 0, "b": 399, "c": 7}


@pytest.fixture
def files(tmp_path):
    folder = tmp_path / "kpfiles"
    folder.mkdir()
    annotations, joints = [], {}
    for name, (frames, scores) in VIDEOS.items():
        frames, scores = np.int16(frames), np.float16(scores)
        joints[name] = generator.uniform(1, 300, (len(frames), 17, 3)).astype(
            "float16"
        )
        raw = "kp_1.pkl" if name != "c" else "kp_2.pkl"
        annotations.append(
            {
                "frame_dir": name,
                "label": LABELS[name],
                "total_frames": 10,
                "img_shape": (340, 256),
                "original_shape": (340, 256),
                "raw_file": f"/home/author/kpfiles/{raw}",
                "frame_inds": frames,
                "box_score": scores,
                "valid": {
                    t: len(set(frames[scores >= t])) for t in k400.THRESHOLDS
                },
            }
        )
    write(folder / "kp_1.pkl", {n: {"keypoint": joints[n]} for n in "ab"})
    write(folder / "kp_2.pkl", {"c": {"keypoint": joints["c"]}})
    index = write(
        tmp_path / "k400_hrnet.pkl",
        {
            "split": {"train": ["a", "c"], "val": ["b"]},
            "annotations": annotations,
        },
    )
    return index, folder, annotations, joints


def write(path, content):
    path.write_bytes(pickle.dumps(content, 2))
    return path


def test_everything_by_default(files):
    index, folder, _, joints = files
    data = k400.load_data(index, folder, strict=True)
    assert data.names == ["a", "b", "c"]
    assert data.labels.tolist() == [0, 399, 7]
    assert data.lengths.tolist() == [3, 3, 1]
    assert data.metadata["height"].tolist() == [340] * 3
    assert data.splits["official"]["train"].tolist() == [0, 2]
    clip, _ = data[0]
    expected = joints["a"].astype("float32")
    np.testing.assert_array_equal(clip[:, 0], expected[:2])
    np.testing.assert_array_equal(clip[0, 1:], expected[2:])
    assert not clip[1, 1:].any()


def test_share_of_frames_with_somebody(files):
    index, folder, _, joints = files
    # Of 10 frames, a has 2 with a score of 0.8, b has 1, c none.
    for ratio, names in ((0.1, "ab"), (0.2, "a"), (0.3, "")):
        reader = k400.K400Reader(index, folder, 0.8, ratio)
        assert [reader.unit_name(u) for u in reader.units()] == list(names)
    data = k400.load_data(index, folder, 0.8, 0.2)
    clip, _ = data[0]
    np.testing.assert_array_equal(
        clip[0], joints["a"][[0, 3]].astype("float32")
    )
    with pytest.raises(ValueError, match="box_threshold"):
        k400.load_data(index, folder, 0.75, 0.2)


def test_other_form_of_the_index(files, tmp_path):
    _, folder, annotations, _ = files
    for annotation in annotations:
        for threshold, count in annotation.pop("valid").items():
            annotation[f"valid@{threshold}"] = count
    path = write(tmp_path / "index.pkl", annotations)
    assert k400.K400Reader(path, folder, 0.8, 0.2).units() == [0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"raw_file": None}, "its name is"),
        ({"raw_file": "kp_9.pkl"}, "kp_9.pkl"),
        ({"raw_file": "../../k400_hrnet.pkl"}, "k400_hrnet.pkl"),
        ({"raw_file": ".."}, "no name"),
        ({"raw_file": "kp_2.pkl"}, "no entry"),
        ({"label": 400}, "its label is 400"),
        ({"frame_inds": np.int16([1, 1, 3])}, "4 skeletons"),
        ({"frame_inds": np.int16([3, 1, 1, 7])}, "must not decrease"),
        ({"frame_inds": np.float32([1, 1, 3, 7])}, "whole numbers"),
        ({"frame_inds": [1, 1, 3, 7]}, "not an array"),
    ],
)
def test_clips_that_cannot_be_used(files, tmp_path, change, message):
    _, folder, annotations, _ = files
    annotations[0].update(change)
    path = write(tmp_path / "index.pkl", annotations)
    with pytest.warns(UserWarning, match=message):
        data = k400.load_data(path, folder)
    assert data.names == ["b", "c"]


def test_more_persons_than_memory(files, tmp_path):
    _, folder, annotations, _ = files
    # 5,000 persons in one frame and one in each of 5,000 others.
    frames = np.r_[np.zeros(5000), np.arange(5001)].astype("int16")
    annotations[0]["frame_inds"] = frames
    joints = np.ones((len(frames), 17, 3), "float16")
    write(folder / "kp_1.pkl", {"a": {"keypoint": joints}})
    path = write(tmp_path / "index.pkl", annotations[:1])
    with pytest.raises(ValueError, match="more persons than a video can"):
        list(k400.K400Reader(path, folder).read(0))


def test_what_is_missing(files, tmp_path):
    index, folder, *_ = files
    with pytest.raises(FileNotFoundError, match="openxlab"):
        k400.load_data(index, tmp_path / "nothing")
    with pytest.raises(FileNotFoundError, match="openxlab"):
        k400.load_data(tmp_path / "nothing.pkl", folder)


def test_reader_opens_files_again(files):
    index, folder, *_ = files
    reader = k400.K400Reader(index, folder)
    list(reader.read(0))
    copy = pickle.loads(pickle.dumps(reader))
    assert next(iter(copy.read(2))).name == "c"
