import pickle

import numpy as np
import pytest

from keras_skeleton.datasets.readers import fine_gym

NAMES = [
    "A0xAXXysHUo_002184_002237_0035_0036",
    "_E_xAXXysHUo_000010_000020_0000_0003",
    "0LtLS9wROrk_002407_002435_0003_0005",
]
LABELS = [0, 98, 12]


@pytest.fixture
def path(tmp_path):
    generator = np.random.default_rng(0)
    annotations = [
        {
            "frame_dir": name,
            "label": label,
            "total_frames": 5,
            "img_shape": (720, 1280),
            "original_shape": (720, 1280),
            "keypoint": generator.uniform(1, 700, (1, 5, 17, 2)).astype("f2"),
            "keypoint_score": generator.uniform(0, 1, (1, 5, 17)).astype("f2"),
            "kp_w_gt": np.zeros((5, 17, 3), "float32"),
        }
        for name, label in zip(NAMES, LABELS, strict=True)
    ]
    content = {
        "split": {"train": NAMES[:2], "val": NAMES[2:]},
        "annotations": annotations,
    }
    path = tmp_path / "gym.pkl"
    path.write_bytes(pickle.dumps(content, 2))
    return path


def test_clips(path):
    data = fine_gym.load_data(path, strict=True)
    assert data.names == NAMES
    assert data.labels.tolist() == LABELS
    assert data.frame_shape == (1, 17, 3)
    assert data.metadata["width"].tolist() == [1280] * 3
    train, test = data.split("official")
    assert (train.names, test.names) == (NAMES[:2], NAMES[2:])
    assert fine_gym.load_data(path, "gym288").class_names is None


def test_lists_of_fine_gym(path, tmp_path):
    train, val = tmp_path / "train.txt", tmp_path / "val.txt"
    train.write_bytes(
        b"A0xAXXysHUo_E_002184_002237_A_0035_0036 5\r\n"
        b"unknown_E_000000_000001_A_0000_0001 3"
    )
    val.write_text("_E_xAXXysHUo_E_000010_000020_A_0000_0003 7\n\n")
    with pytest.raises(ValueError, match="1 of the 2 names in `train_list`"):
        fine_gym.load_data(path, train_list=train, test_list=val)
    train.write_bytes(train.read_bytes().partition(b"\r\n")[0])
    data = fine_gym.load_data(path, train_list=train, test_list=val)
    assert data.names == NAMES[:2]
    assert data.labels.tolist() == [5, 7]
    assert data.splits["official"]["train"].tolist() == [0]
    assert data.splits["official"]["test"].tolist() == [1]
    with pytest.raises(ValueError, match="both"):
        fine_gym.load_data(path, train_list=train)
    with pytest.raises(FileNotFoundError, match="FineGym"):
        fine_gym.load_data(path, train_list=train, test_list="none.txt")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "empty"),
        (b"a 1\nb", "line 2"),
        (b"a 1 2", "line 1"),
        (b"a 99", "label in line 1 is 99"),
        (b"a -1", "line 1"),
        (b"a \xd9\xa3", "line 1"),
        (b"a 99999999999999999999", "line 1"),
        (b"\xff\xfe", "UTF-8"),
    ],
)
def test_damaged_lists(path, tmp_path, data, message):
    (tmp_path / "list.txt").write_bytes(data)
    with pytest.raises(ValueError, match=f"list.txt.*{message}"):
        fine_gym.load_data(
            path,
            train_list=tmp_path / "list.txt",
            test_list=tmp_path / "list.txt",
        )


def test_class_names(path, tmp_path):
    categories = tmp_path / "gym99_categories.txt"
    lines = [
        f"Clabel: {i}; set: 0; Glabel: {i}; (VT) element {i}" for i in range(99)
    ]
    categories.write_text("\n".join(lines))
    data = fine_gym.load_data(path, class_names=categories)
    assert data.class_names[98] == "(VT) element 98"
    plain = [f"element {i}" for i in range(99)]
    categories.write_text("\n".join(plain) + "\n")
    assert fine_gym.load_data(path, class_names=categories).class_names == plain
    assert fine_gym.load_data(path, class_names=plain).class_names == plain
    categories.write_bytes(b"a\x00b")
    with pytest.raises(ValueError, match="gym99_categories.txt.*no list"):
        fine_gym.load_data(path, class_names=categories)


def test_arguments(path, tmp_path):
    with pytest.raises(ValueError, match="'gym99' or 'gym288'"):
        fine_gym.load_data(path, "gym530")
    with pytest.raises(FileNotFoundError, match="Gym288-skeleton"):
        fine_gym.load_data(tmp_path / "none.pkl", "gym288")
    with pytest.raises(FileNotFoundError, match="gym_hrnet.pkl"):
        fine_gym.load_data(tmp_path / "none.pkl")


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("a_E_000001_000002_A_0003_0004", "a_000001_000002_0003_0004"),
        ("a_000001_000002_0003_0004", "a_000001_000002_0003_0004"),
        ("_-E_A_1_2_3_4", "_-E_A_1_2_3_4"),
        ("other", "other"),
    ],
)
def test_names_with_and_without_marks(name, key):
    assert fine_gym.clip_key(name) == key
