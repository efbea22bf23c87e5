import pathlib
import pickle
import zipfile

import numpy as np
import pytest

from keras_skeleton.datasets.readers import dhg
from keras_skeleton.datasets.readers import shrec17

CLIPS = [(1, 1, 1, 1), (2, 2, 3, 10), (10, 1, 28, 2), (14, 2, 27, 3)]


def make_frames(numbers, width=3):
    rng = np.random.default_rng(numbers)
    shape = (numbers[0] + 3, 22, width)
    return np.round(rng.normal(size=shape), 6).astype("float32")


def text(frames, end="\n"):
    rows = frames.reshape(len(frames), -1)
    return end.join(" ".join(f"{x:.6f}" for x in row) for row in rows)


def write(folder, name="skeletons_{0}.txt", clips=CLIPS, end="\n"):
    for numbers in clips:
        g, f, s, e = numbers
        place = folder / f"gesture_{g}/finger_{f}/subject_{s}/essai_{e}"
        place.mkdir(parents=True)
        for kind, width in (("world", 3), ("image", 2)):
            frames = make_frames(numbers, width)
            path = place / name.format(kind)
            path.write_text(text(frames, end), newline="")
        (place / "general_information.txt").write_text("1 2 3")
    return folder


def test_raw_files(tmp_path):
    write(tmp_path / "top" / "HandGestureDataset_SHREC2017", end="\r\n")
    data = shrec17.load_data(tmp_path / "top", strict=True)
    assert data.names == ["1_1_1_1", "2_2_3_10", "10_1_28_2", "14_2_27_3"]
    assert data.class_names[9] == "swipe down"
    np.testing.assert_array_equal(data.labels, [0, 1, 9, 13])
    np.testing.assert_array_equal(data.metadata["subject"], [1, 3, 28, 27])
    np.testing.assert_array_equal(data.metadata["finger"], [1, 2, 1, 2])
    np.testing.assert_array_equal(data.metadata["repetition"], [1, 10, 2, 3])
    for index, numbers in enumerate(CLIPS):
        expected = make_frames(numbers)[None]
        np.testing.assert_allclose(data[index][0], expected, atol=1e-6)
    train, test = data.split("official")
    assert train.names == ["2_2_3_10", "14_2_27_3"]
    assert test.names == ["1_1_1_1", "10_1_28_2"]


def test_28_classes_and_image_coordinates(tmp_path):
    folder = write(tmp_path / "shrec")
    with zipfile.ZipFile(tmp_path / "shrec.zip", "w") as archive:
        for path in folder.rglob("*.txt"):
            archive.write(path, path.relative_to(tmp_path))
    data = shrec17.load_data(
        tmp_path / "shrec.zip", classes=28, coordinates="image", strict=True
    )
    np.testing.assert_array_equal(data.labels, [0, 3, 18, 27])
    assert data.class_names[3] == "tap (whole hand)"
    assert data.class_names[18] == "swipe down (one finger)"
    assert data[2][0].shape == (1, 13, 22, 2)


def test_normalisation():
    clip = make_frames((4, 1, 1, 1))
    clip[0, 5] = 0
    clip[2, 10] = clip[2, 0] = 0
    found = shrec17.normalize_hand(clip)
    length = np.linalg.norm(clip[0, 10] - clip[0, 0])
    expected = (clip - clip[0, 0]) / length
    expected[0, 5] = expected[2, 10] = expected[2, 0] = 0
    np.testing.assert_allclose(found, expected, atol=1e-6)
    shifted = np.concatenate([np.zeros((2, 22, 3), "float32"), clip])
    moved = shrec17.normalize_hand(shifted)
    np.testing.assert_array_equal(moved[:-2], found)
    assert not moved[-2:].any()
    unscaled = shrec17.normalize_hand(clip, bone=None)
    np.testing.assert_allclose(unscaled / length, found, atol=1e-6)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "empty"),
        ("1 2 3\n", "line 1 has 3 values; expected 66"),
        (text(make_frames((1, 1, 1, 1)))[:-30], "line 4"),
        (text(make_frames((1, 1, 1, 1))).replace("0.", "O."), "not a number"),
        ("nan " * 66, "NaN"),
        ("1e300 " * 66, "infinite"),
        ("0 " * 66, "all its values are 0"),
    ],
)
def test_bad_files_are_reported(tmp_path, content, reason):
    folder = write(tmp_path / "shrec")
    (path,) = folder.glob("gesture_2/*/*/*/skeletons_world.txt")
    path.write_text(content)
    with pytest.warns(UserWarning, match="gesture_2|2_2_3_10"):
        data = shrec17.load_data(folder)
    assert len(data) == 3
    assert reason in data.skipped[0][1]
    with pytest.raises(ValueError, match="gesture_2|2_2_3_10"):
        shrec17.load_data(folder, strict=True)


def test_wrong_numbers_and_arguments(tmp_path):
    folder = write(tmp_path / "shrec", clips=[(15, 1, 1, 1), (1, 1, 1, 1)])
    with pytest.warns(UserWarning, match="no such gesture"):
        assert shrec17.load_data(folder).names == ["1_1_1_1"]
    with pytest.raises(FileNotFoundError, match="SHREC2017"):
        shrec17.load_data(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="SHREC2017"):
        shrec17.load_data(tmp_path / "shrec" / "gesture_1")
    with pytest.raises(ValueError, match="14 or 28"):
        shrec17.load_data(folder, classes=20)
    with pytest.raises(ValueError, match="'world' or 'image'"):
        shrec17.load_data(folder, coordinates="depth")
    with pytest.raises(ValueError, match="needs the coordinates"):
        shrec17.load_data(folder, coordinates="image", normalize=True)


def write_prepared(folder, test="test"):
    folder.mkdir()
    for part, clips in (("train", CLIPS[1::2]), (test, CLIPS[::2])):
        arrays = [
            shrec17.normalize_hand(make_frames(numbers)).transpose(2, 0, 1)
            for numbers in clips
        ]
        names = ["_".join(map(str, numbers)) for numbers in clips]
        for classes in (14, 28):
            labels = [
                (g - 1) * (classes // 14) + (f - 1) * (classes == 28)
                for g, f, _, _ in clips
            ]
            path = folder / f"{part}_label_{classes}.pkl"
            path.write_bytes(pickle.dumps([names, labels]))
        path = folder / f"{part}_skeleton.pkl"
        path.write_bytes(pickle.dumps([array[..., None] for array in arrays]))
    return folder


@pytest.mark.parametrize("test", ["test", "val"])
@pytest.mark.parametrize("classes", [14, 28])
def test_prepared_files_equal_the_raw_ones(tmp_path, test, classes):
    folder = write_prepared(tmp_path / "prepared", test)
    data = shrec17.load_prepared(folder, classes, strict=True)
    raw = shrec17.load_data(
        write(tmp_path / "raw"), classes, normalize=True, strict=True
    )
    assert data.class_names == raw.class_names
    for index, name in enumerate(data.names):
        place = raw.names.index(name)
        np.testing.assert_allclose(data[index][0], raw[place][0], atol=1e-5)
        assert data.labels[index] == raw.labels[place]
    assert sorted(data.split("official")[1].names) == sorted(
        raw.split("official")[1].names
    )


class Trap:
    def __reduce__(self):
        return pathlib.Path.touch, (pathlib.Path("trapped"),)


def test_bad_prepared_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = write_prepared(tmp_path / "prepared")
    good = pickle.loads((folder / "train_skeleton.pkl").read_bytes())
    for content in ([Trap()], {}, good[:1], [good[0], "text"]):
        path = folder / "train_skeleton.pkl"
        path.write_bytes(pickle.dumps(content))
        with pytest.warns(UserWarning, match="left out|skipped|cannot"):
            data = shrec17.load_prepared(folder)
        assert set(data.split("official")[1].names) == {"1_1_1_1", "10_1_28_2"}
        assert not (tmp_path / "trapped").exists()
    (folder / "train_label_14.pkl").unlink()
    with pytest.warns(UserWarning, match="train_label_14.pkl"):
        shrec17.load_prepared(folder)
    with pytest.raises(FileNotFoundError, match="train_skeleton.pkl"):
        shrec17.load_prepared(tmp_path / "nowhere")


def write_dhg(folder):
    clips = [(1, 1, 1, 1), (2, 2, 3, 5), (14, 2, 20, 3)]
    write(folder, "skeleton_{0}.txt", clips)
    lines = ["1 1 1 1 1 2", "2 2 3 5 0 4", "14 2 20 3 3 16"]
    path = folder / "informations_troncage_sequences.txt"
    path.write_text("\r\n".join(lines))
    return clips


def test_dhg(tmp_path):
    clips = write_dhg(tmp_path / "DHG2016")
    data = dhg.load_data(tmp_path, classes=28, strict=True)
    np.testing.assert_array_equal(data.labels, [0, 15, 27])
    assert data.class_names[15] == "tap (whole hand)"
    np.testing.assert_array_equal(data.lengths, [2, 5, 14])
    expected = make_frames(clips[0])[1:3]
    np.testing.assert_allclose(data[0][0][0], expected, atol=1e-6)
    assert len(data.splits) == 20
    train, test = data.split("subject_3")
    assert (train.names, test.names) == (["1_1_1_1", "14_2_20_3"], ["2_2_3_5"])
    data = dhg.load_data(tmp_path, normalize=True, trim=False, strict=True)
    np.testing.assert_array_equal(data.labels, [0, 1, 13])
    np.testing.assert_array_equal(data.lengths, [4, 5, 17])
    assert data.class_names == list(shrec17.GESTURES)
    clip = make_frames(clips[0])
    np.testing.assert_allclose(data[0][0][0], clip - clip[0, 0], atol=1e-6)


@pytest.mark.parametrize("line", ["1 1 1 1 1 4", "1 1 1 1 3 2", "1 1 1 2 0 1"])
def test_wrong_limits_of_dhg(tmp_path, line):
    write_dhg(tmp_path / "dhg")
    path = tmp_path / "dhg" / "informations_troncage_sequences.txt"
    path.write_text(path.read_text().replace("1 1 1 1 1 2", line))
    with pytest.warns(UserWarning, match="informations"):
        assert len(dhg.load_data(tmp_path)) == 2
    path.write_text("1 1 1 one\n")
    with pytest.raises(ValueError, match="line 1: expected six"):
        dhg.load_data(tmp_path)
    path.unlink()
    with pytest.raises(FileNotFoundError, match="trim=False"):
        dhg.load_data(tmp_path)
