import pickle

import h5py
import numpy as np
import pytest

from keras_skeleton.datasets.readers import itop

# Person, frame, validity.
TRAIN = [(0, 0, 1), (0, 1, 1), (0, 2, 0), (0, 3, 1), (1, 0, 1), (1, 1, 1)]
TEST = [(4, 7, 0), (4, 8, 1), (4, 9, 1), (4, 10, 1)]


def write_labels(path, frames, seed=0):
    rng = np.random.default_rng(seed)
    count = len(frames)
    arrays = {
        "id": np.array([f"{p:02d}_{f:05d}" for p, f, _ in frames], "S8"),
        "is_valid": np.array([v for *_, v in frames], "u1"),
        "visible_joints": rng.integers(0, 2, (count, 15)).astype("i2"),
        "image_coordinates": rng.integers(0, 240, (count, 15, 2)).astype("i2"),
        "real_world_coordinates": rng.normal(size=(count, 15, 3)).astype("f2"),
        "segmentation": np.zeros((count, 4, 4), "i1"),
    }
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file[name] = array
    return arrays


@pytest.fixture
def folder(tmp_path):
    write_labels(tmp_path / "ITOP_side_train_labels.h5", TRAIN)
    write_labels(tmp_path / "ITOP_side_test_labels.h5", TEST, seed=1)
    return tmp_path


def test_runs_of_valid_frames(folder):
    path = folder / "ITOP_side_train_labels.h5"
    arrays = write_labels(path, TRAIN)
    data = itop.load_data(folder, strict=True)
    assert data.names == [
        "train_00_000000",
        "train_00_000003",
        "train_01_000004",
        "test_04_000001",
    ]
    np.testing.assert_array_equal(data.lengths, [2, 1, 2, 3])
    np.testing.assert_array_equal(data.metadata["person"], [0, 0, 1, 4])
    np.testing.assert_array_equal(data.metadata["first_frame"], [0, 3, 4, 1])
    np.testing.assert_array_equal(data.labels, -1)
    clip, _ = data[2]
    assert clip.shape == (1, 2, 15, 4)
    world, visible = arrays["real_world_coordinates"], arrays["visible_joints"]
    np.testing.assert_array_equal(clip[0, ..., :3], world[4:6])
    np.testing.assert_array_equal(clip[0, ..., 3], visible[4:6])
    train, test = data.split("official")
    assert (len(train), len(test)) == (3, 1)
    data = itop.load_data(path, coordinates="image", strict=True)
    np.testing.assert_array_equal(
        data[2][0][0, ..., :2], arrays["image_coordinates"][4:6]
    )
    assert data[2][0].shape == (1, 2, 15, 3)
    assert not len(data.splits["official"]["test"])


def test_reader_can_be_pickled(folder):
    reader = itop.ITOPReader(folder)
    units = reader.units()
    copy = pickle.loads(pickle.dumps(reader))
    assert copy.units() == units
    (clip,) = copy.read(units[-1])
    assert clip.name == "test_04_000001"


def test_images(tmp_path):
    depth = np.arange(3 * 240 * 320, dtype="f2").reshape(3, 240, 320)
    path = tmp_path / "ITOP_side_test_depth_map.h5"
    with h5py.File(path, "w") as file:
        file["data"] = depth
    images = itop.open_images(path)
    np.testing.assert_array_equal(images[1:3], depth[1:3])
    images.file.close()
    with h5py.File(path, "w") as file:
        file.create_dataset("data", (2, 76800, 3), "f2")
    assert itop.open_images(path).shape == (2, 76800, 3)
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["data"] = depth[..., :10]
    with pytest.raises(ValueError, match="expected .*240, 320.*76800"):
        itop.open_images(tmp_path / "other.h5")
    (tmp_path / "other.h5").write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ValueError, match="not a complete HDF5"):
        itop.open_images(tmp_path / "other.h5")
    with pytest.raises(FileNotFoundError):
        itop.open_images(tmp_path / "nowhere.h5")


def write_images(folder, count=4):
    """Images that are full of the number of their frame."""
    depth = np.zeros((count, 240, 320), "f2") + np.arange(count)[:, None, None]
    with h5py.File(folder / "ITOP_side_test_depth_map.h5", "w") as file:
        file["data"] = depth
    with h5py.File(folder / "ITOP_side_test_point_cloud.h5", "w") as file:
        file["data"] = np.zeros((count, 76800, 3), "f2") + count


def test_frames(folder):
    arrays = write_labels(folder / "ITOP_side_test_labels.h5", TEST, seed=1)
    write_images(folder)
    data = itop.load_frames(folder)
    np.testing.assert_array_equal(data["index"], [1, 2, 3])
    np.testing.assert_array_equal(data["depth"][:, 7, 9], [1, 2, 3])
    assert data["depth"].dtype == np.float32
    np.testing.assert_array_equal(data["person"], [4, 4, 4])
    np.testing.assert_array_equal(
        data["joints"], np.float32(arrays["real_world_coordinates"][1:])
    )
    np.testing.assert_array_equal(
        data["places"], arrays["image_coordinates"][1:]
    )
    assert data["visible"].dtype == bool
    data = itop.load_frames(folder, frames=[2, 0], points=True)
    np.testing.assert_array_equal(data["index"], [3, 1])
    assert data["points"].shape == (2, 76800, 3) and "depth" not in data
    # What the camera's numbers say is what points are made by.
    (fx, _, cx), (_, fy, cy), _ = itop.INTRINSICS
    u, v, z = 100, 30, 2.5
    assert (u - cx) * z / fx == pytest.approx((u - 160) * z * 0.0035)
    assert (v - cy) * z / fy == pytest.approx((120 - v) * z * 0.0035)


def test_frames_that_do_not_fit(folder):
    with pytest.raises(FileNotFoundError, match="depth_map.*zenodo"):
        itop.load_frames(folder)
    with pytest.raises(FileNotFoundError, match="ITOP_top_test_labels"):
        itop.load_frames(folder, view="top")
    with pytest.raises(ValueError, match="'side' and 'all'"):
        itop.load_frames(folder, part="all")
    write_images(folder, count=2)
    with pytest.raises(ValueError, match="2 frames, but frame 3"):
        itop.load_frames(folder)
    cloud = folder / "ITOP_side_test_point_cloud.h5"
    cloud.replace(folder / "ITOP_side_test_depth_map.h5")
    with pytest.raises(ValueError, match="frames of shape"):
        itop.load_frames(folder)


def change(path, name, value):
    with h5py.File(path, "a") as file:
        del file[name]
        if value is not None:
            file[name] = value


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("id", None, "no data set 'id'"),
        ("id", np.array([b"one"] * 4), "the id of frame 1"),
        ("id", np.arange(4), "the type int64"),
        ("is_valid", np.ones(3, "u1"), r"shape \(3,\); expected \(4\)"),
        ("id", np.zeros((4, 2), "S8"), "expected .any"),
        ("id", h5py.ExternalLink("other.h5", "/id"), "no data set 'id'"),
        ("id", h5py.SoftLink("/is_valid"), "no data set 'id'"),
    ],
)
def test_damaged_index(folder, name, value, reason):
    change(folder / "ITOP_side_test_labels.h5", name, value)
    with pytest.raises(ValueError, match=f"ITOP_side_test.*{reason}"):
        itop.load_data(folder)


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("real_world_coordinates", None, "no data set"),
        ("real_world_coordinates", np.ones((4, 15, 2)), "expected"),
        ("real_world_coordinates", np.ones((2, 15, 3)), "end before"),
        ("real_world_coordinates", np.full((4, 15, 3), np.nan), "NaN"),
        ("visible_joints", np.ones((4, 14)), "visible_joints"),
    ],
)
def test_damaged_joints(folder, name, value, reason):
    change(folder / "ITOP_side_test_labels.h5", name, value)
    with pytest.warns(UserWarning, match="test_04"):
        data = itop.load_data(folder)
    assert len(data) == 3
    assert reason in data.skipped[0][1]


def test_huge_claims_are_not_believed(folder):
    path = folder / "ITOP_side_test_labels.h5"
    with h5py.File(path, "a") as file:
        del file["is_valid"], file["id"]
        file.create_dataset("id", (1 << 40,), "S8", chunks=(1024,))
        file.create_dataset("is_valid", (1 << 40,), "u1", chunks=(1024,))
    assert path.stat().st_size < 100_000
    with pytest.raises(ValueError, match="shape"):
        itop.load_data(folder)


def test_wrong_paths_and_arguments(folder, tmp_path):
    with pytest.raises(FileNotFoundError, match="gunzip"):
        itop.load_data(folder, view="top")
    with pytest.raises(FileNotFoundError, match="zenodo"):
        itop.load_data(folder / "nowhere")
    with pytest.raises(ValueError, match="Received: 'front' and 'world'"):
        itop.load_data(folder, view="front")
    write_labels(tmp_path / "labels.h5", TEST)
    with pytest.raises(ValueError, match="does not tell"):
        itop.load_data(tmp_path / "labels.h5")
