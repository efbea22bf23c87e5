import io
import pickle

import numpy as np
import pytest

from keras_skeleton.datasets.readers import casia_b

generator = np.random.default_rng(0)
HEADER = "image_name," + ",".join(f"value_{i}" for i in range(51))


def row(sequence, frame, pose, folder="../data/casia-b"):
    numbers = ",".join(f"{value:.2f}" for value in pose.ravel())
    return f"{folder}/{sequence}/{frame:06d}.jpg,{numbers}"


def poses(length):
    return np.round(generator.uniform(1, 300, (length, 17, 3)), 2)


SEQUENCES = {
    name: poses(length)
    for name, length in {
        "001-nm-01-000": 3,
        "074-cl-02-180": 2,
        "075-nm-04-090": 4,
        "075-nm-05-090": 2,
        "124-bg-01-018": 3,
        "124-cl-02-036": 1,
    }.items()
}


@pytest.fixture
def tables(tmp_path):
    files = {
        "casia-b_pose_train_valid.csv": ["001-nm-01-000", "074-cl-02-180"],
        "casia-b_pose_test.csv": list(SEQUENCES)[2:],
    }
    for file, names in files.items():
        lines = [HEADER]
        for name in names:
            lines += [row(name, i, p) for i, p in enumerate(SEQUENCES[name])]
        (tmp_path / file).write_text("\n".join(lines) + "\n")
    return tmp_path


def check(data):
    assert sorted(data.names) == sorted(SEQUENCES)
    for index, name in enumerate(data.names):
        clip, label = data[index]
        np.testing.assert_array_equal(
            clip[0], SEQUENCES[name].astype("float32")
        )
        assert label == int(name[:3]) - 1
        fields = ("subject", "condition", "sequence", "view")
        found = [data.metadata[key][index] for key in fields]
        subject, condition, sequence, view = name.split("-")
        assert found == [int(subject), condition, int(sequence), int(view)]
    assert data.class_names[123] == "124"
    names = {
        protocol: [sorted(part.names) for part in data.split(protocol)]
        for protocol in data.splits
    }
    gallery = ["075-nm-04-090"]
    assert names == {
        "subjects": [list(SEQUENCES)[:2], list(SEQUENCES)[2:]],
        "gallery": [
            gallery,
            ["075-nm-05-090", "124-bg-01-018", "124-cl-02-036"],
        ],
        "gallery_nm": [gallery, ["075-nm-05-090"]],
        "gallery_bg": [gallery, ["124-bg-01-018"]],
        "gallery_cl": [gallery, ["124-cl-02-036"]],
    }


def test_tables(tables):
    check(casia_b.load_data(tables, strict=True))
    test = casia_b.load_data(tables / "casia-b_pose_test.csv")
    assert len(test) == 4


def test_folders(tmp_path):
    for name, frames in SEQUENCES.items():
        subject, condition, sequence, view = name.split("-")
        folder = tmp_path / subject / f"{condition}-{sequence}" / view
        folder.mkdir(parents=True)
        (folder / f"{view}.pkl").write_bytes(
            pickle.dumps(frames.astype("float32"))
        )
    check(casia_b.load_data(tmp_path, strict=True))
    single = tmp_path / "001" / "nm-01" / "000" / "000.pkl"
    assert casia_b.load_data(single).names == ["001-nm-01-000"]
    for bad in (np.zeros((3, 18, 3)), {"a": 1}, np.array(["x"]), np.float32(1)):
        single.write_bytes(pickle.dumps(bad))
        with pytest.warns(UserWarning, match="001-nm-01-000"):
            assert len(casia_b.load_data(tmp_path)) == 5


def test_rows_in_any_order_and_broken_ones(tmp_path):
    first, second = poses(3), poses(2)
    short = row("002-nm-01-000", 7, first[0]).rpartition(",")[0]
    word = row("002-nm-01-000", 8, first[0]).replace(",", ",x", 1)
    lines = [
        HEADER,
        row("002-nm-01-000", 0, first[0]),
        row("002-nm-02-000", 0, second[0]),
        short,
        row("002-nm-01-000", 1, second[1]),
        word,
        "nothing",
        row("002-nm-01-000", 1, first[1]),
        row("002-nm-02-000", 4, second[1]),
        row("002-nm-01-000", 2, first[2]).replace(".jpg", ".png"),
    ]
    path = tmp_path / "poses.csv"
    # With other line ends and none after the last.
    path.write_bytes("\r\n".join(lines).encode())
    data = casia_b.load_data(path, strict=True)
    assert data.names == ["002-nm-01-000", "002-nm-02-000"]
    # Of two rows of one frame, the last counts.
    np.testing.assert_array_equal(data[0][0][0], first.astype("float32"))
    np.testing.assert_array_equal(data[1][0][0], second.astype("float32"))


def test_what_cannot_be_used(tmp_path):
    path = tmp_path / "poses.csv"
    good = row("002-nm-01-000", 0, poses(1)[0])
    lines = [
        HEADER,
        good,
        row("000-nm-01-000", 0, poses(1)[0]),
        row("125-nm-01-000", 0, poses(1)[0]),
        row("003-nm-01-000", 0, poses(1)[0])[:60],
        row("004-nm-01-000", 0, poses(1)[0] * np.nan),
    ]
    path.write_text("\n".join(lines))
    with pytest.warns(UserWarning, match="(?s)no subject 000.*no row"):
        data = casia_b.load_data(path)
    assert data.names == ["002-nm-01-000"]
    assert len(data.skipped) == 4
    path.write_text(HEADER)
    with pytest.raises(ValueError):
        casia_b.load_data(path)
    path.unlink()
    for missing in (tmp_path, path):
        with pytest.raises(FileNotFoundError, match="GaitGraph"):
            casia_b.load_data(missing)


def test_long_lines():
    file = io.BytesIO(b"a" * 300_000 + b"\n" + b"/001-nm-01-000/1.jpg,1\n")
    assert list(casia_b.find_sequences(file)) == ["001-nm-01-000"]
