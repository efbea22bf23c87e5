import json
import re
import shutil
import zipfile

import numpy as np
import pytest

from keras_skeleton.datasets.readers import nw_ucla


def content(name, frames=5, seed=0, **changes):
    clip = np.random.default_rng([seed, frames]).normal(size=(frames, 20, 3))
    action = int(name[1:3])
    return {
        "file_name": name,
        "skeletons": np.round(clip, 5).tolist(),
        "label": nw_ucla.ACTIONS.index(action) + 1,
        **changes,
    }


@pytest.fixture
def files():
    names = [
        "a01_s01_e00_v01",
        "a02_s03_e01_v02",
        "a02_s03_e01_v03",
        "a08_s10_e10_v02",
        "a12_s02_e00_v03",
    ]
    made = {
        name: content(name, frames=index + 3)
        for index, name in enumerate(names)
    }
    made["a02_s03_e01_v03"] = made["a02_s03_e01_v02"]
    return {name: json.dumps(value) for name, value in made.items()}


def write_zip(path, files, top="all_sqe/", with_entry=False):
    with zipfile.ZipFile(path, "w") as archive:
        if with_entry:
            archive.mkdir(top.rstrip("/"))
        for name, text in files.items():
            archive.writestr(f"{top}{name}.json", text)


def write_folder(path, files):
    path.mkdir()
    for name, text in files.items():
        (path / f"{name}.json").write_text(text)


@pytest.mark.parametrize(
    "form", ["zip", "entry", "flat", "beside", "folder", "parent"]
)
def test_reads_every_form(tmp_path, files, form):
    path = tmp_path / "all_sqe.zip"
    if form in ("zip", "beside"):
        write_zip(path, files)
    elif form == "entry":
        write_zip(path, files, with_entry=True)
    elif form == "flat":
        write_zip(path, files, top="")
    else:
        path = tmp_path / "all_sqe"
        write_folder(path, files)
    before = sorted(tmp_path.rglob("*"))
    data = nw_ucla.load_data(
        str(tmp_path if form in ("beside", "parent") else path), strict=True
    )
    assert sorted(tmp_path.rglob("*")) == before
    assert data.names == sorted(files)
    assert len(data.class_names) == 10
    np.testing.assert_array_equal(data.labels, [0, 1, 1, 6, 9])
    np.testing.assert_array_equal(data.lengths, [3, 4, 4, 6, 7])
    np.testing.assert_array_equal(data.metadata["subject"], [1, 3, 3, 10, 2])
    np.testing.assert_array_equal(data.metadata["camera"], [1, 2, 3, 2, 3])
    np.testing.assert_array_equal(data.metadata["repetition"], [0, 1, 1, 10, 0])
    clip, label = data[3]
    expected = json.loads(files["a08_s10_e10_v02"])["skeletons"]
    np.testing.assert_array_equal(clip, np.float32([expected]))
    assert label == 6
    train, test = data.split("xview")
    assert set(train.metadata["camera"]) == {1, 2}
    assert test.names == ["a02_s03_e01_v03", "a12_s02_e00_v03"]
    np.testing.assert_array_equal(test.duplicates(train), [0])
    assert data.split("xview_1")[1].names == ["a01_s01_e00_v01"]


INFINITE = content("a03_s01_e00_v01")
INFINITE["skeletons"][2][7][1] = float("inf")
RAGGED = content("a03_s01_e00_v01")
RAGGED["skeletons"][2].pop()
TWENTYFIVE = content("a03_s01_e00_v01")
TWENTYFIVE["skeletons"] = np.ones((5, 25, 3)).tolist()
SWAPPED = content("a03_s01_e00_v01")
SWAPPED["skeletons"] = np.ones((20, 5, 3)).tolist()


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("a03_s01_e00_v01", json.dumps(INFINITE), "infinite.*frame 2"),
        ("a03_s01_e00_v01", json.dumps(RAGGED), "ragged"),
        ("a03_s01_e00_v01", json.dumps(TWENTYFIVE), "25 joints"),
        ("a03_s01_e00_v01", json.dumps(SWAPPED), "swapped"),
        ("a03_s01_e00_v01", json.dumps(INFINITE)[:200], "JSON"),
        ("a03_s01_e00_v01", "", "JSON"),
        ("a03_s01_e00_v01", "[1]", "no key 'skeletons'"),
        ("a03_s01_e00_v01", '{"skeletons": []}', "no key 'label'"),
        (
            "a03_s01_e00_v01",
            json.dumps(content("a03_s01_e00_v01", skeletons=[])),
            "shape|empty",
        ),
        (
            "a03_s01_e00_v01",
            json.dumps(content("a03_s01_e00_v01", label=11)),
            "label is 11",
        ),
        (
            "a03_s01_e00_v01",
            json.dumps(content("a03_s01_e00_v01", label="3")),
            "label is '3'",
        ),
        (
            "a03_s01_e00_v01",
            json.dumps(content("a03_s01_e00_v01", label=4)),
            "action 3",
        ),
        ("a07_s01_e00_v01", json.dumps(INFINITE), "no such action"),
        ("a03_s01_e00_v04", json.dumps(INFINITE), "no such action or camera"),
        ("notes", "{}", "name is not like"),
    ],
)
def test_bad_files_are_reported(tmp_path, files, name, text, reason):
    path = tmp_path / "sequences.zip"
    write_zip(path, {**files, name: text})
    with pytest.warns(UserWarning, match=rf"1 of 6[\s\S]*{name}"):
        data = nw_ucla.load_data(path)
    assert data.names == sorted(files)
    ((skipped, why),) = data.skipped
    assert skipped == name
    assert re.search(reason, why)
    with pytest.raises(ValueError, match=name):
        nw_ucla.load_data(path, strict=True)


def test_damaged_member(tmp_path, files):
    path = tmp_path / "all_sqe.zip"
    write_zip(path, files)
    raw = bytearray(path.read_bytes())
    raw[raw.find(b'"skeletons": [[[') + 20] ^= 1
    path.write_bytes(raw)
    with pytest.warns(UserWarning, match="a01_s01_e00_v01"):
        assert len(nw_ucla.load_data(path)) == 4


def test_nothing_to_read(tmp_path, files):
    with pytest.raises(FileNotFoundError, match="dropbox.*all_sqe.zip"):
        nw_ucla.load_data(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="Get all_sqe.zip"):
        nw_ucla.load_data(tmp_path)
    write_zip(tmp_path / "other.zip", {"readme": "{}"})
    with pytest.raises(FileNotFoundError, match="a01_s01_e00_v01.json"):
        nw_ucla.load_data(tmp_path / "other.zip")
    write_zip(tmp_path / "all_sqe.zip", files)
    whole = (tmp_path / "all_sqe.zip").read_bytes()
    (tmp_path / "all_sqe.zip").write_bytes(whole[:-500])
    with pytest.raises(ValueError, match="complete .zip"):
        nw_ucla.load_data(tmp_path)
    shutil.rmtree(tmp_path / "all_sqe", ignore_errors=True)
    write_zip(tmp_path / "all_sqe.zip", {"a03_s01_e00_v01": "{"})
    with pytest.raises(ValueError, match="1 of 1"):
        nw_ucla.load_data(tmp_path)


def test_the_real_archive(data_dir):
    data = nw_ucla.load_data(data_dir("nw_ucla"), strict=True)
    assert len(data) == 1484
    assert data.lengths.sum() == 58_534
    assert (data.lengths.min(), data.lengths.max()) == (1, 201)
    counts = [150, 152, 141, 173, 148, 149, 142, 142, 145, 142]
    np.testing.assert_array_equal(np.bincount(data.labels), counts)
    train, test = data.split("xview")
    assert (len(train), len(test)) == (1020, 464)
    copies = test.duplicates(train)
    assert len(copies) == 95
    assert set(test.labels[copies]) == {1, 2}
    assert len(train.duplicates()) == 0
