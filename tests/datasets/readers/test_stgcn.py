import os
import pickle

import numpy as np
import pytest

from keras_skeleton.datasets.readers import stgcn

NAMES = {
    "train": ["S001C001P001R001A002", "S001C002P002R002A060"],
    "val": ["S002C001P003R001A001"],
}
LENGTHS = {"train": [7, 12], "val": [20]}


@pytest.fixture(params=["data", "data_joint", "position"])
def folder(request, tmp_path):
    return write(tmp_path / "xview", request.param)


def write(folder, stem="data", joints=25, length=20):
    folder.mkdir()
    generator = np.random.default_rng(0)
    for part, names in NAMES.items():
        shape = (len(names), 3, length, joints, 2)
        data = generator.normal(0, 1, shape).astype("float32")
        if joints == 18:
            data[:, 2] = generator.uniform(0, 1, data[:, 2].shape)
        for row, frames in enumerate(LENGTHS[part]):
            data[row, :, frames:] = 0
        data[0, ..., 1] = 0
        np.save(folder / f"{part}_{stem}.npy", data)
        labels = [int(name[-3:]) - 1 for name in names]
        files = [f"{name}.skeleton" for name in names]
        with open(folder / f"{part}_label.pkl", "wb") as file:
            pickle.dump((files, labels), file)
    return folder


def test_clips(folder):
    data = stgcn.load_data(folder, strict=True)
    assert data.names == NAMES["train"] + NAMES["val"]
    assert data.labels.tolist() == [1, 59, 0]
    assert data.lengths.tolist() == [7, 12, 20]
    assert data.class_names[1] == "eat meal/snack"
    assert data.metadata["subject"].tolist() == [1, 2, 3]
    path = next(folder.glob("train_*.npy"))
    expected = np.load(path)[1][:, :12].transpose(3, 1, 2, 0)
    np.testing.assert_array_equal(data[1][0], expected)
    assert not data[0][0][1].any()
    train, test = data.split("xview")
    assert (train.names, test.names) == (NAMES["train"], NAMES["val"])


def test_without_names(tmp_path):
    folder = write(tmp_path / "frame50", joints=18)
    for part, names in NAMES.items():
        (folder / f"{part}_label.pkl").unlink()
        labels = np.arange(len(names))[:, None]
        np.save(folder / f"{part}_label.npy", labels)
    data = stgcn.load_data(folder, split="xsub", class_names=["a", "b"])
    assert data.skeleton.name == "openpose18"
    assert data.coordinates == ("x", "y", "score")
    assert data.names == ["train_000000", "train_000001", "val_000000"]
    assert data.labels.tolist() == [0, 1, 0]
    assert len(data.split("xsub")[1]) == 1
    with pytest.raises(ValueError, match="labels up to 1.*only 1 class"):
        stgcn.load_data(folder, class_names=["a"])


def test_lengths_of_repeated_frames(tmp_path):
    """2s-AGCN fills arrays up by repetition and says how often."""
    folder = write(tmp_path / "xsub", "data_joint")
    np.save(folder / "train_num_frame.npy", np.array([5, 11]))
    assert stgcn.load_data(folder).lengths.tolist() == [5, 11, 20]
    # Nobody is found in the last frames, which belong to the clip.
    np.save(folder / "train_num_frame.npy", np.array([9, 11]))
    assert stgcn.load_data(folder).lengths.tolist() == [9, 11, 20]
    np.save(folder / "train_num_frame.npy", np.array([0, 11]))
    with pytest.raises(ValueError, match="no lengths"):
        stgcn.load_data(folder)


def test_one_part_and_python_2(tmp_path):
    folder = write(tmp_path / "any")
    (folder / "val_data.npy").unlink()
    names = "".join(f"S'{n}.skeleton'\na" for n in NAMES["train"])
    text = f"((l{names}(lI1\naI59\nat."
    (folder / "train_label.pkl").write_bytes(text.encode())
    data = stgcn.load_data(folder)
    assert data.names == NAMES["train"]
    assert data.labels.tolist() == [1, 59]
    assert len(data.splits["official"]["test"]) == 0


def test_padding_only(tmp_path):
    folder = write(tmp_path / "any")
    array = np.load(folder / "train_data.npy", mmap_mode="r+")
    array[0] = 0
    array[1, 0, 3, 2, 0] = np.inf
    array.flush()
    with pytest.warns(UserWarning, match="(?s)values are 0.*infinite"):
        data = stgcn.load_data(folder)
    assert data.names == NAMES["val"]


class Attack:
    def __reduce__(self):
        return os.system, ("false",)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("train_label.pkl", pickle.dumps(Attack()), "system"),
        ("train_label.pkl", pickle.dumps([1]), "no pair"),
        ("train_label.pkl", pickle.dumps((["a"], [1, 2])), "label for each"),
        ("train_label.pkl", pickle.dumps((["a"], [1])), "1 labels"),
        ("train_label.pkl", pickle.dumps((["a", "b"], [1, -2])), "-2"),
        ("train_label.pkl", pickle.dumps(([1.5, "b"], [1, 2])), "names"),
        ("train_label.pkl", b"", "empty"),
        ("train_data.npy", b"", "train_data.npy"),
        ("train_data.npy", b"PK\x03\x04", "train_data.npy"),
        ("train_data.npy", b"\x93NUMPY\x01\x00\x04\x00{(: ", "train_data"),
        ("train_data.npy", bytes(100), "train_data.npy"),
    ],
)
def test_damaged_files(tmp_path, file, content, message):
    folder = write(tmp_path / "any")
    (folder / file).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        stgcn.load_data(folder)


def test_arrays_that_lie(tmp_path):
    folder = write(tmp_path / "any")
    path = folder / "train_data.npy"
    intact = path.read_bytes()
    for wrong in (b"(9, 3, 20", b"(2, 3,-20", b"(2,3,1e99", b"(2, 3, 2j,"):
        path.write_bytes(intact.replace(b"(2, 3, 20", wrong))
        with pytest.raises(ValueError, match="train_data.npy"):
            stgcn.load_data(folder)
    path.write_bytes(intact[:-1])
    with pytest.raises(ValueError, match="train_data.npy"):
        stgcn.load_data(folder)
    for array in (
        np.zeros((2, 3, 20, 25)),
        np.zeros((2, 3, 20, 25, 2), "S1"),
        np.zeros((0, 3, 20, 25, 2)),
    ):
        np.save(path, array)
        with pytest.raises(ValueError, match="train_data.npy"):
            stgcn.load_data(folder)
    np.save(path, np.array([{}] * 2, dtype=object))
    with pytest.raises(ValueError, match="train_data.npy"):
        stgcn.load_data(folder)


def test_what_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match="train_label.pkl"):
        stgcn.load_data(tmp_path)
    folder = write(tmp_path / "any", joints=21)
    with pytest.raises(ValueError, match="Pass `skeleton`"):
        stgcn.load_data(folder)
    (folder / "train_label.pkl").unlink()
    with pytest.raises(FileNotFoundError, match="no labels"):
        stgcn.load_data(folder)


def test_reader_opens_files_again(folder):
    reader = stgcn.ArrayReader(folder)
    copy = pickle.loads(pickle.dumps(reader))
    (clip,) = copy.read(copy.units()[2])
    assert clip.name == reader.unit_name(("val", 0)) == NAMES["val"][0]


def test_axes_in_another_order_are_refused(tmp_path):
    folder = write(tmp_path / "arrays")
    path = folder / "train_data.npy"
    np.save(path, np.load(path).transpose(0, 4, 2, 3, 1))
    with pytest.raises(ValueError, match="2 coordinates of 3 persons"):
        stgcn.load_data(folder)


def test_the_other_part_may_be_called_test(tmp_path):
    folder = write(tmp_path / "arrays")
    for file in list(folder.glob("val_*")):
        file.rename(folder / file.name.replace("val", "test"))
    train, test = stgcn.load_data(folder).split("official")
    assert len(train) and len(test)


def test_names_as_labels(tmp_path):
    folder = write(tmp_path / "own", joints=18)
    names = [f"clip_{i}" for i in range(3)]
    with open(folder / "train_label.pkl", "wb") as file:
        pickle.dump((names[:2], ["walk", None]), file)
    (folder / "val_label.pkl").unlink()
    np.save(folder / "val_label.npy", np.array(["run"]))
    data = stgcn.load_data(folder)
    assert data.class_names == ["run", "walk"]
    assert data.labels.tolist() == [1, -1, 0]
    data = stgcn.load_data(folder, class_names=["walk", "sit", "run"])
    assert data.labels.tolist() == [0, -1, 2]
    with pytest.raises(ValueError, match="among the 1 classes"):
        stgcn.load_data(folder, class_names=["walk"])
