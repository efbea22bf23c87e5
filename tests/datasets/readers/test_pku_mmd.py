import zipfile

import numpy as np
import pytest

from keras_skeleton.datasets.readers import pku_mmd


@pytest.fixture
def raw(tmp_path):
    """Three recordings of 400 frames with known instances."""
    generator = np.random.default_rng(0)
    (tmp_path / "skeleton").mkdir()
    (tmp_path / "label").mkdir()
    rows = {}
    for video in ("0002-M", "0002-L", "0003-R"):
        rows[video] = np.round(generator.uniform(-1, 3, (400, 150)), 6)
        rows[video][:, 75:] = 0
        rows[video][20:30] = 0
        np.savetxt(
            tmp_path / "skeleton" / f"{video}.txt", rows[video], fmt="%.6f"
        )
    labels = tmp_path / "label"
    (labels / "0002-M.txt").write_text("51,0,10,2\n1,20,30,2\n3,395,400,1\n")
    (labels / "0002-L.txt").write_text("7,40,390,2")
    (labels / "0003-R.txt").write_bytes(b"9,5,6,2\r\n10,380,450,2\r\n")
    (tmp_path / "cross-subject.txt").write_text(
        "Training videos:\n0002-M, 0002-L\nValidation videos:\n0003-R\n"
    )
    return tmp_path, rows


def test_instances(raw):
    folder, rows = raw
    data = pku_mmd.prepare_raw(folder, strict=True)
    # Sorted by recording; the instance without anybody is dropped, one
    # longer than 300 frames is cut, one that runs over the end is shortened.
    assert data.names == [
        "0002-L_001",
        "0002-M_001",
        "0002-M_003",
        "0003-R_001",
        "0003-R_002",
    ]
    assert data.labels.tolist() == [6, 50, 2, 8, 9]
    assert data.lengths.tolist() == [300, 10, 5, 1, 20]
    assert data.class_names[50] == "writing"
    clip, _ = data[2]
    expected = rows["0002-M"][395:400].reshape(5, 2, 25, 3).swapaxes(0, 1)
    assert np.array_equal(clip, expected.astype("float32"))
    assert not clip[1].any()


def test_an_instance_ends_with_the_last_frame_that_shows_somebody(raw):
    folder, rows = raw
    # Nobody is seen in frames 20 to 29.
    (folder / "label" / "0002-M.txt").write_text("2,12,25,2\n3,18,33,2\n")
    data = pku_mmd.prepare_raw(folder, strict=True)
    chosen = [data.names.index(f"0002-M_00{number}") for number in (1, 2)]
    assert data.lengths[chosen].tolist() == [8, 15]
    expected = rows["0002-M"][18:33, :75].reshape(15, 25, 3)
    found = data.clip(chosen[1])[0]
    assert np.array_equal(found, expected.astype("float32"))


@pytest.mark.parametrize(
    "name", ["cross-view.txt", "cross_view.txt", "cross_view_v2.txt"]
)
def test_split_lists(raw, name):
    folder, _ = raw
    (folder / name).write_text("Training videos:\n0003-R\nValidation:\n0002-M")
    data = pku_mmd.prepare_raw(folder)
    assert set(data.splits) == {"xsub", "xview"}
    train, test = data.split("xsub")
    assert train.names == ["0002-L_001", "0002-M_001", "0002-M_003"]
    assert test.names == ["0003-R_001", "0003-R_002"]
    # What no list names is for testing.
    train, test = data.split("xview")
    assert train.names == ["0003-R_001", "0003-R_002"]
    assert len(test) == 3


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("skeleton/0002-M.txt", "1 2 3\n", "line 1 has 3 values; .* 150"),
        ("skeleton/0002-M.txt", " ".join(["x"] * 150), "line 1"),
        ("skeleton/0002-M.txt", "", "empty"),
        ("label/0002-M.txt", "1,2\n", "line 1 has 2 values; expected 4"),
        ("label/0002-M.txt", "one,2,3,4\n", "line 1"),
        ("label/0002-M.txt", "1,2,3,4\n1,2.5,3,4\n", "action 2: .* whole"),
        ("label/0002-M.txt", "1,2,nan,4\n", "action 1: .* whole"),
        ("label/0002-M.txt", "1,2,1e300,4\n", "action 1: .* whole"),
    ],
)
def test_broken_recordings_are_left_out(raw, file, text, message):
    folder, _ = raw
    (folder / file).write_text(text)
    with pytest.warns(UserWarning, match=f"0002-M: .*{message}"):
        data = pku_mmd.prepare_raw(folder)
    assert data.names == ["0002-L_001", "0003-R_001", "0003-R_002"]
    assert [name for name, _ in data.skipped] == ["0002-M"]
    with pytest.raises(ValueError, match=message):
        pku_mmd.prepare_raw(folder, strict=True)


@pytest.mark.parametrize(
    "line", ["0,1,2,2", "52,1,2,2", "3,-5,9,2", "3,400,410,2", "3,9,9,2"]
)
def test_impossible_actions_are_left_out(raw, line):
    folder, _ = raw
    (folder / "label" / "0002-M.txt").write_text(f"2,3,4,2\n{line}\n")
    with pytest.warns(UserWarning, match="1 of 5"):
        data = pku_mmd.prepare_raw(folder)
    assert [name for name, _ in data.skipped] == ["0002-M_002"]
    with pytest.raises(ValueError, match="0002-M_002"):
        pku_mmd.prepare_raw(folder, strict=True)


def test_missing_parts(raw, tmp_path):
    folder, _ = raw
    (folder / "label" / "0003-R.txt").unlink()
    with pytest.warns(UserWarning, match="0003-R"):
        assert len(pku_mmd.prepare_raw(folder)) == 3
    (folder / "cross-subject.txt").write_text("Training videos:\n")
    with pytest.raises(ValueError, match="line 2"):
        pku_mmd.prepare_raw(folder)
    (folder / "cross-subject.txt").unlink()
    with pytest.raises(FileNotFoundError, match="split list"):
        pku_mmd.prepare_raw(folder)
    (folder / "cross-subject.txt").write_text("Training videos:\n0002-M\n")
    for path in (folder / "skeleton").glob("*.txt"):
        path.unlink()
    with pytest.raises(FileNotFoundError, match="skeleton"):
        pku_mmd.prepare_raw(folder)


def test_archive(raw, tmp_path):
    folder, _ = raw
    expected = pku_mmd.load_data(folder, strict=True)
    assert set(expected.metadata["camera"]) == {"L", "M", "R"}
    path = tmp_path / "pku.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*.txt")):
            name = str(file.relative_to(folder))
            name = name.replace("skeleton/", "PKU_Skeleton_Renew/")
            name = name.replace("label/", "Train_Label_PKU_final/")
            archive.write(file, f"pku/{name}")
    data = pku_mmd.load_data(path, strict=True)
    assert data.names == expected.names
    assert np.array_equal(data.bodies, expected.bodies)
    assert np.array_equal(
        data.splits["xsub"]["test"], expected.splits["xsub"]["test"]
    )


def test_load_prepared(tmp_path):
    arrays = {}
    for part in ("train", "test"):
        x = np.zeros((2, 30, 150), "float32")
        x[0, :9], x[1, :14] = 1.0, 2.0
        arrays[f"x_{part}"] = x
        arrays[f"y_{part}"] = np.eye(51)[[3, 50]]
    np.savez(tmp_path / "PKUv1_XSub.npz", **arrays)
    data = pku_mmd.load_data(tmp_path / "PKUv1_XSub.npz")
    assert data.lengths.tolist() == [9, 14, 9, 14]
    assert data.labels.tolist() == [3, 50, 3, 50]
    assert data.class_names == list(pku_mmd.CLASS_NAMES)


def test_lists_of_other_recordings(raw):
    folder, _ = raw
    (folder / "cross-view.txt").write_text("Training:\n0003-R, 0009-L\n")
    with pytest.raises(ValueError, match="1 of the 2 names in `the training"):
        pku_mmd.prepare_raw(folder)
