"""Readers of annotation pickles and arrays on damaged files."""

import functools
import io
import pathlib
import pickle
import tempfile

import numpy as np
import pytest
from fuzzing import fuzzed
from fuzzing import mutated
from hypothesis import given

from keras_skeleton.datasets.readers import fine_gym
from keras_skeleton.datasets.readers import human36m
from keras_skeleton.datasets.readers import k400
from keras_skeleton.datasets.readers import pyskl
from keras_skeleton.datasets.readers import stgcn
from keras_skeleton.datasets.readers.base import read_units


@pytest.fixture(scope="module")
def folder():
    with tempfile.TemporaryDirectory() as name:
        yield pathlib.Path(name)


def dumps(content):
    return [pickle.dumps(content, protocol) for protocol in (0, 2, 4)]


def read_all(make, path, data):
    """Reads a file with nothing but the errors that are promised."""
    path.write_bytes(data)
    try:
        reader = make(path)
        units = list(reader.units())[:20]
    except (ValueError, OSError):
        return
    clips, skipped = read_units(reader, units)
    names = [clip.name for clip in clips]
    labels = np.array([clip.label for clip in clips], "int64")
    keys = clips[0].metadata if clips else ()
    metadata = {k: np.array([c.metadata[k] for c in clips]) for k in keys}
    try:
        splits = reader.splits(names, labels, metadata)
    except ValueError:
        return
    for parts in splits.values():
        for indices in parts.values():
            assert all(0 <= index < len(clips) for index in indices)


def clips(num_joints, coordinates, **more):
    generator = np.random.default_rng(0)
    return [
        {
            "frame_dir": name,
            "label": label,
            "total_frames": 4,
            "keypoint": generator.normal(
                0, 1, (2, 4, num_joints, coordinates)
            ).astype("float16"),
            **more,
        }
        for label, name in enumerate(
            ["S001C001P001R001A001", "S002C002P002R002A002"]
        )
    ]


SPLIT = {
    "xsub_train": ["S001C001P001R001A001"],
    "xsub_val": ["S002C002P002R002A002"],
}
ANNOTATIONS = [
    *dumps({"split": SPLIT, "annotations": clips(25, 3)}),
    *dumps(
        {
            "split": {"train1": ["a"], "test1": ["b"]},
            "annotations": clips(
                17,
                2,
                img_shape=(340, 256),
                keypoint_score=np.ones((2, 4, 17), "float16"),
            ),
        }
    ),
]


@fuzzed
@given(data=mutated(ANNOTATIONS))
def test_annotations(folder, data):
    read_all(pyskl.AnnotationReader, folder / "any.pkl", data)


INDEX = dumps(
    [
        {
            "frame_dir": "a",
            "label": 1,
            "total_frames": 9,
            "img_shape": (340, 256),
            "raw_file": "kp.pkl",
            "frame_inds": np.int16([1, 1, 3]),
            "box_score": np.float16([0.9, 0.8, 0.5]),
            "valid": {0.5: 2, 0.8: 1},
        }
    ]
)
JOINTS = dumps({"a": {"keypoint": np.ones((3, 17, 3), "float16")}})


@fuzzed
@given(data=mutated(INDEX))
def test_index(folder, data):
    (folder / "kp.pkl").write_bytes(JOINTS[1])
    make = functools.partial(
        k400.K400Reader,
        keypoints=folder,
        box_threshold=0.5,
        valid_ratio=0.1,
    )
    read_all(make, folder / "index.pkl", data)


@fuzzed
@given(data=mutated(JOINTS))
def test_files_of_the_index(folder, data):
    index = folder / "intact.pkl"
    index.write_bytes(INDEX[1])
    (folder / "kp.pkl").write_bytes(data)
    read_units(k400.K400Reader(index, folder), [0])


HUMAN36M = dumps(
    {
        part: {
            "source": ["s_01_act_02"] * 3 + ["s_05_act_02"] * 2,
            "camera_name": ["54138969"] * 5,
            "action": ["Eating"] * 5,
            "joint_2d": np.ones((5, 17, 2), "float32"),
            "confidence": np.ones((5, 17), "float32"),
        }
        for part in ("train", "test")
    }
)


@fuzzed
@given(data=mutated(HUMAN36M))
def test_human36m(folder, data):
    make = functools.partial(human36m.Human36MReader, poses="2d")
    read_all(make, folder / "h36m.pkl", data)


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


ARRAY = npy(np.ones((2, 3, 4, 25, 2), "float32"))
LABELS = dumps((["a.skeleton", "b.skeleton"], [0, 1]))


@fuzzed
@given(data=mutated([ARRAY[:128]]))
def test_headers_of_arrays(folder, data):
    (folder / "train_label.pkl").write_bytes(LABELS[1])
    path = folder / "train_data.npy"
    read_all(lambda _: stgcn.ArrayReader(folder), path, data + ARRAY[128:])


@fuzzed
@given(data=mutated(LABELS))
def test_labels_of_arrays(folder, data):
    (folder / "train_data.npy").write_bytes(ARRAY)
    path = folder / "train_label.pkl"
    read_all(lambda _: stgcn.ArrayReader(folder), path, data)


LIST = b"\n".join(
    b"A0xAXXysHUo_E_002184_00223%d_A_0035_0036 %d" % (i, i) for i in range(9)
)


@fuzzed
@given(data=mutated([LIST]))
def test_annotation_lists(data):
    try:
        table = fine_gym.parse_list(data, 99)
    except ValueError:
        return
    assert all(0 <= label < 99 for label in table.values())


CATEGORIES = b"\n".join(
    b"Clabel: %d; set: 1; Glabel: 2; (VT) salto, 0.5 turn" % i for i in range(9)
)


@fuzzed
@given(data=mutated([CATEGORIES]))
def test_categories(data):
    try:
        names = fine_gym.parse_categories(data)
    except ValueError:
        return
    assert all(name.isprintable() for name in names)
