import pickle

import numpy as np
import pytest

from keras_skeleton import skeletons
from keras_skeleton.datasets.readers import _layouts
from keras_skeleton.datasets.readers import pyskl

generator = np.random.default_rng(0)


def annotation(name, label, shape=(1, 6, 25, 3), **more):
    joints = generator.normal(1, 0.5, shape).astype("float16")
    return {
        "frame_dir": name,
        "label": label,
        "total_frames": shape[1],
        "keypoint": joints,
        **more,
    }


def annotation_2d(name, label, shape=(2, 6, 17, 2), **more):
    scores = generator.uniform(0, 1, shape[:3]).astype("float16")
    return annotation(
        name,
        label,
        shape,
        keypoint_score=scores,
        img_shape=(1080, 1920),
        original_shape=(1080, 1920),
        **more,
    )


def write(path, annotations, protocol=2, **split):
    content = {"split": split, "annotations": annotations}
    path.write_bytes(pickle.dumps(content, protocol))
    return path


NTU = [
    f"S001C00{c}P00{p}R001A0{a:02d}"
    for c, p, a in [(1, 1, 1), (2, 3, 60), (3, 5, 7)]
]


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_three_dimensions(tmp_path, protocol):
    content = [
        annotation(NTU[0], 0),
        annotation(NTU[1], 59, (2, 9, 25, 3)),
        annotation(NTU[2], 6),
    ]
    path = write(
        tmp_path / "ntu60_3danno.pkl",
        content,
        protocol,
        xsub_train=[NTU[2], NTU[0]],
        xsub_val=[NTU[1], "S009C001P001R001A001"],
        xview_train=[NTU[1], NTU[2]],
        xview_val=NTU[:1],
    )
    with pytest.warns(UserWarning, match="No clip is called 'S009C001P001"):
        data = pyskl.load_data(path, "ntu60_3d", strict=True)
    assert data.names == NTU
    assert data.labels.tolist() == [0, 59, 6]
    assert data.class_names[59] == "walking apart from each other"
    assert data.skeleton.name == "ntu"
    for index, expected in enumerate(content):
        clip, _ = data[index]
        keypoint = expected["keypoint"].astype("float32")
        np.testing.assert_array_equal(clip[: len(keypoint)], keypoint)
    assert data.coordinates == ("x", "y", "z")
    # The parts are in the order of the file.
    assert data.splits["xsub"]["train"].tolist() == [0, 2]
    assert data.splits["xsub"]["test"].tolist() == [1]
    assert data.splits["xview"]["test"].tolist() == [0]
    assert data.metadata["camera"].tolist() == [1, 2, 3]
    assert data.metadata["subject"].tolist() == [1, 3, 5]
    assert set(data.metadata) == {"setup", "camera", "subject", "repetition"}


def test_two_dimensions(tmp_path):
    content = [annotation_2d("v_1", 3), annotation_2d("v_2", 5, (1, 4, 17, 2))]
    path = write(
        tmp_path / "any.pkl",
        content,
        train1=["v_1"],
        test1=["v_2"],
        train2=["v_2"],
        test2=["v_1"],
    )
    data = pyskl.load_data(path, strict=True)
    assert data.skeleton.name == "coco17"
    assert data.metadata["height"].tolist() == [1080, 1080]
    assert data.metadata["width"].tolist() == [1920, 1920]
    clip, label = data[0]
    assert label == 3 and clip.shape == (2, 6, 17, 3)
    np.testing.assert_array_equal(clip[..., :2], content[0]["keypoint"])
    np.testing.assert_array_equal(clip[..., 2], content[0]["keypoint_score"])
    assert data.coordinates == ("x", "y", "score")
    train, test = data.split("split_2")
    assert (train.names, test.names) == (["v_2"], ["v_1"])


def test_bare_list_by_file_name(tmp_path):
    """As MMAction2 wrote before there were splits in the files."""
    clip = annotation("x", 1, (1, 3, 18, 2))
    clip["filename"] = clip.pop("frame_dir")
    path = tmp_path / "train.pkl"
    path.write_bytes(pickle.dumps([clip], 4))
    data = pyskl.load_data(path, class_names=["a", "b"])
    assert data.names == ["x"]
    assert data.skeleton.name == "openpose18"
    assert data.splits == {}
    assert data.coordinates == ("x", "y")
    assert data.class_names == ["a", "b"]


@pytest.mark.parametrize(
    ("lists", "expected"),
    [
        ({"train": ["a"], "val": ["b"]}, {"official": ([0], [1])}),
        ({"train": ["a"], "test": ["b"]}, {"official": ([0], [1])}),
        ({"train": ("b", "a")}, {"official": ([0, 1], [])}),
        ({"xset_train": ["a"], "xset_test": {"b"}}, {"xset": ([0], [1])}),
        ({"train3": ["a"], "test3": ["b"]}, {"split_3": ([0], [1])}),
        ({"all": np.array(["a", "b"])}, {"all": ([0, 1], [])}),
        ({"my_own_val": ["a"]}, {"my_own": ([], [0])}),
    ],
)
def test_names_of_splits(lists, expected):
    splits = pyskl.join_splits(pyskl.read_lists(lists, "file"), ["a", "b"])
    found = {k: (v["train"], v["test"]) for k, v in splits.items()}
    assert found == expected


def test_three_parts():
    lists = {"train": ["a"], "val": ["b"], "test": ["c"]}
    splits = pyskl.join_splits(lists, ["a", "b", "c"])
    expected = {"train": [0], "validation": [1], "test": [2]}
    assert splits == {"official": expected}


def test_rule_of_nw_ucla(tmp_path):
    names = ["a01_s02_e03_v01", "a12_s01_e00_v03"]
    path = write(
        tmp_path / "nw_ucla.pkl",
        [annotation(n, 0, (1, 5, 20, 3)) for n in names],
        train=names[:1],
        val=names[1:],
    )
    data = pyskl.load_data(path, "nw_ucla")
    assert data.splits["xview"]["test"].tolist() == [1]
    assert data.metadata["subject"].tolist() == [2, 1]
    assert data.metadata["repetition"].tolist() == [3, 0]
    assert data.metadata["camera"].tolist() == [1, 3]


@pytest.mark.parametrize("joints", [17, 18, 20, 25, 33])
def test_joints_tell_the_skeleton(tmp_path, joints):
    name = _layouts.BY_SIZE[joints][0]
    clip = annotation("x", 0, (1, 3, joints, 3))
    path = write(tmp_path / "any.pkl", [None, clip])
    assert pyskl.AnnotationReader(path).skeleton == skeletons.get(name)


def test_joints_of_no_layout(tmp_path):
    clip = annotation("x", 0, (1, 3, 15, 3))
    path = write(tmp_path / "other.pkl", [clip])
    with pytest.raises(ValueError, match="Pass `skeleton`: layouts of 15"):
        pyskl.AnnotationReader(path)
    data = pyskl.load_data(path, skeleton="itop15")
    assert data[0][0].shape == (1, 3, 15, 3)


def broken(**changes):
    return {**annotation_2d("bad", 1), **changes}


CYCLE = []
CYCLE += [CYCLE] * 3


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (None, "no dictionary"),
        ({}, "its name is"),
        (broken(frame_dir=3), "its name is"),
        (broken(frame_dir="a\0b"), "control characters"),
        (broken(label=101), "its label is 101"),
        (broken(label=-2), "its label is -2"),
        (broken(label="b"), "its label is 'b'"),
        (broken(label=CYCLE), "its label is of type list"),
        (broken(total_frames=7), "'total_frames' is 7"),
        (broken(keypoint=None), "'keypoint'"),
        (broken(keypoint=CYCLE), "'keypoint' is of type list"),
        (broken(keypoint=np.array(["a"])), "no numbers"),
        (broken(keypoint=np.ones((6, 17, 2))), "its 'keypoint' has the shape"),
        (broken(keypoint=np.ones((2, 6, 9, 2))), "'keypoint_score'"),
        (
            broken(keypoint=np.ones((1, 6, 9, 3)), keypoint_score=None),
            "9 joints",
        ),
        (broken(keypoint=np.full((2, 6, 17, 2), np.nan)), "NaN"),
        (broken(keypoint=np.full((2, 6, 17, 2), 1e300)), "infinite"),
        (
            broken(
                keypoint=np.zeros((2, 6, 17, 2)),
                keypoint_score=np.zeros((2, 6, 17)),
            ),
            "all its values are 0",
        ),
        (
            broken(
                keypoint=np.zeros((0, 6, 17, 2)),
                keypoint_score=np.zeros((0, 6, 17)),
            ),
            "empty",
        ),
        (broken(keypoint_score=None), "2 coordinates, others have 3"),
        (broken(img_shape=CYCLE), "img_shape"),
        (broken(img_shape=(-1, 5)), "img_shape"),
        (broken(img_shape=7), "img_shape"),
    ],
)
def test_annotations_that_cannot_be_used(tmp_path, bad, message):
    good = [annotation_2d("a", 1), annotation_2d("b", 2)]
    path = write(tmp_path / "bad.pkl", [good[0], bad, good[1]], train=["a"])
    with pytest.warns(UserWarning, match=message):
        data = pyskl.load_data(path, "ucf101" if bad else None)
    assert data.names == ["a", "b"]
    assert len(data.skipped) == 1
    with pytest.raises(ValueError, match=message):
        pyskl.load_data(path, "ucf101", strict=True)


@pytest.mark.parametrize(
    "content",
    [
        {"a": 1},
        {"annotations": 3},
        {"annotations": []},
        {"annotations": [None]},
        {"annotations": [annotation("a", 1)], "split": [1]},
        [],
        3,
        None,
    ],
    ids=str,
)
def test_other_pickles(tmp_path, content):
    path = tmp_path / "other.pkl"
    path.write_bytes(pickle.dumps(content))
    with pytest.raises(ValueError, match="other.pkl"):
        pyskl.AnnotationReader(path)


def test_splits_that_are_no_lists(tmp_path):
    for value in (3, CYCLE, [None], None, {"a": 1}):
        path = write(tmp_path / "bad.pkl", [annotation("a", 1)], train=value)
        with pytest.raises(ValueError, match="bad.pkl: split train"):
            pyskl.load_data(path)


def test_arguments(tmp_path):
    with pytest.raises(FileNotFoundError, match="https://.*gym_hrnet.pkl"):
        pyskl.load_data(tmp_path / "gym.pkl", "gym99")
    with pytest.raises(ValueError, match="Unknown data set 'gym'"):
        pyskl.load_data(tmp_path / "gym.pkl", "gym")
    for name in set(pyskl.ADDRESSES) - {"k400"}:
        assert name in pyskl.DATA_SETS
        assert pyskl.ADDRESSES[name].startswith("https://")
    for known in pyskl.DATA_SETS.values():
        assert known.class_names is None or (
            len(known.class_names) == known.num_classes
        )


def test_reader_is_small_when_pickled(tmp_path):
    path = write(
        tmp_path / "large.pkl",
        [annotation(f"x{i}", 0, (1, 300, 25, 3)) for i in range(20)],
    )
    reader = pyskl.AnnotationReader(path)
    pickled = pickle.dumps(reader)
    assert len(pickled) < 5000
    (clip,) = pickle.loads(pickled).read(19)
    assert clip.name == "x19"
    assert reader.unit_name(3) == "x3"


def test_lists_that_name_no_clip(tmp_path):
    content = [annotation("v/a", 1), annotation("b", 0)]
    path = write(tmp_path / "a.pkl", content, train=["v/a.mp4"], val=["x", "y"])
    with pytest.raises(ValueError, match=r"0 of the 2 names in `split\['val'"):
        pyskl.load_data(path)
    path = write(tmp_path / "b.pkl", content, train=["v/a.mp4"], val=["b"])
    train, test = pyskl.load_data(path).split("official")
    assert (train.names, test.names) == (["v/a"], ["b"])


def test_labels_of_all_kinds(tmp_path):
    labels = ["run", None, "walk"]
    content = [annotation(f"c{i}", label) for i, label in enumerate(labels)]
    data = pyskl.load_data(write(tmp_path / "a.pkl", content))
    assert data.class_names == ["run", "walk"]
    assert data.labels.tolist() == [0, -1, 1]
    labels = [2.0, float("nan"), -1, "walk"]
    content = [annotation(f"c{i}", label) for i, label in enumerate(labels)]
    path = write(tmp_path / "b.pkl", content)
    data = pyskl.load_data(path, class_names=["a", "walk", "c"])
    assert data.labels.tolist() == [2, -1, -1, 1]


def test_bones_tell_the_skeleton(tmp_path):
    """25 joints are those of a Kinect, unless OpenPose's fit better."""
    openpose = skeletons.get("openpose25")
    places = np.zeros((25, 2))
    for child, parent in sorted(openpose.edges, key=lambda edge: edge[0] > 8):
        places[child] = places[parent] + np.random.default_rng(child).normal(
            size=2
        )
    clip = annotation("x", 0, (1, 3, 25, 2))
    clip["keypoint"] = np.broadcast_to(100 + 9 * places, (1, 3, 25, 2)).copy()
    path = write(tmp_path / "a.pkl", [clip])
    with pytest.warns(UserWarning, match="fit 'openpose25' better"):
        data = pyskl.load_data(path)
    assert data.skeleton == openpose


def test_the_first_reason_is_told(tmp_path):
    path = write(tmp_path / "a.pkl", [annotation("x", 0, (3, 17, 2))])
    with pytest.raises(ValueError, match="has the shape .*its keys are"):
        pyskl.load_data(path)


def test_too_few_class_names(tmp_path):
    content = [annotation(f"c{i}", i % 2) for i in range(4)]
    path = write(tmp_path / "a.pkl", content)
    with (
        pytest.warns(UserWarning, match="c1: Labels must be"),
        pytest.raises(ValueError, match="2 of 4 clips .* none of the classes"),
    ):
        pyskl.load_data(path, class_names=["only"])
