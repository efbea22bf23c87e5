import pickle

import h5py
import numpy as np
import pytest

from keras_skeleton import skeletons
from keras_skeleton.datasets.readers import ntu_x

NAMES = {
    "S001C001P001R001A001": (3, 5, 118, 1),
    "S001C002P003R002A060": (3, 4, 118, 2),
    "S002C003P002R001A013": (3, 6, 67, 2),
}


def write(folder, names=NAMES):
    arrays = {}
    for seed, (name, shape) in enumerate(names.items()):
        part = "test" if "P003" in name else "train"
        arrays[name] = np.random.default_rng(seed).normal(size=shape)
        path = folder / part / f"{name}.h5"
        path.parent.mkdir(parents=True, exist_ok=True)
        with h5py.File(path, "w") as file:
            file["another"] = np.zeros(3)
            file["data"] = arrays[name].astype("float32")
    return arrays


def test_reads_the_first_67_joints(tmp_path):
    arrays = write(tmp_path)
    data = ntu_x.load_data(tmp_path, strict=True)
    assert data.names == sorted(NAMES)
    np.testing.assert_array_equal(data.labels, [0, 59, 12])
    assert len(data.class_names) == 60
    np.testing.assert_array_equal(data.metadata["camera"], [1, 2, 3])
    for index, name in enumerate(data.names):
        expected = np.float32(arrays[name][:, :, :67]).transpose(3, 1, 2, 0)
        clip = data[index][0]
        np.testing.assert_array_equal(clip[: len(expected)], expected)
        assert not clip[len(expected) :].any()
    assert data.split("xsub")[1].names == ["S001C002P003R002A060"]
    assert data.split("xview")[1].names == ["S001C001P001R001A001"]
    data = ntu_x.load_data(tmp_path, version=120, strict=True)
    assert list(data.splits) == ["xsub", "xset"]
    assert data.split("xset")[0].names == ["S002C003P002R001A013"]


def test_layout_keeps_the_published_bones():
    pairs = "1-0 2-1 4-3 7-6 9-8 14-13 46-4 50-49 25-7 29-28 33-32".split()
    edges = skeletons.get("ntu_x67").edges
    for pair in pairs:
        child, parent = map(int, pair.split("-"))
        assert (child, parent) in edges or (parent, child) in edges


def test_bad_files_are_reported(tmp_path):
    write(tmp_path)
    bad = {
        "S001C001P001R001A002": np.zeros((3, 5, 60, 1)),
        "S001C001P001R001A003": np.zeros((3, 5, 67)),
        "S001C001P001R001A004": np.full((3, 5, 67, 1), np.nan),
        "S001C001P001R001A061": np.ones((3, 5, 67, 1)),
    }
    for name, array in bad.items():
        with h5py.File(tmp_path / "train" / f"{name}.h5", "w") as file:
            file["data"] = array
    (tmp_path / "train" / "S001C001P001R001A005.h5").write_bytes(b"no")
    with h5py.File(tmp_path / "train/S001C001P001R001A006.h5", "w"):
        pass
    with pytest.warns(UserWarning, match="6 of 9"):
        data = ntu_x.load_data(tmp_path)
    assert data.names == sorted(NAMES)
    reasons = " ".join(why for _, why in data.skipped)
    for reason in ("67 joints", "expected", "NaN", "61", "HDF5", "no array"):
        assert reason in reasons
    assert pickle.loads(pickle.dumps(ntu_x.NTUXReader(tmp_path))).units()


def test_nothing_to_read(tmp_path):
    with pytest.raises(FileNotFoundError, match="skelemoa/ntu-x"):
        ntu_x.load_data(tmp_path)
    with pytest.raises(ValueError, match="60 or 120"):
        ntu_x.load_data(tmp_path, version=25)
