import io
import re
import struct
import zipfile
import zlib

import numpy as np
import pytest

from keras_skeleton.datasets import Sequences
from keras_skeleton.datasets.files.matlab import parse_matlab
from keras_skeleton.datasets.readers import penn_action

TYPES = {"i1": 1, "u1": 2, "i2": 3, "u2": 4, "i4": 5, "u4": 6, "f8": 9}
CLASSES = {"f8": 6, "i1": 8, "u1": 9, "i2": 10, "u2": 11, "i4": 12, "u4": 13}


def element(kind, data, order="<"):
    if 0 < len(data) <= 4:
        return struct.pack(f"{order}I", len(data) << 16 | kind) + data.ljust(
            4, b"\0"
        )
    padding = b"\0" * (-len(data) % 8)
    return struct.pack(f"{order}II", kind, len(data)) + data + padding


def variable(name, value, order="<", stored=None, array_class=None, dims=None):
    """A matrix element; `stored` is the type that MATLAB packs numbers in."""
    if isinstance(value, str):
        array_class = 4
        numbers = np.array([list(map(ord, value))], "u2")
    else:
        numbers = np.asarray(value)
        array_class = array_class or CLASSES[numbers.dtype.str[1:]]
    dims = numbers.shape if dims is None else dims
    if stored:
        numbers = numbers.astype(stored)
    kind = TYPES[numbers.dtype.str[1:]]
    swapped = numbers.astype(numbers.dtype.newbyteorder(order))
    parts = (
        element(6, struct.pack(f"{order}II", array_class, 0), order)
        + element(5, struct.pack(f"{order}{len(dims)}i", *dims), order)
        + element(1, name.encode(), order)
        + element(kind, swapped.tobytes(order="F"), order)
    )
    return element(14, parts, order)


def matlab(elements, compress=True, order="<"):
    head = b"MATLAB 5.0 MAT-file".ljust(124)
    version = b"\x00\x01IM" if order == "<" else b"\x01\x00MI"
    if compress:
        elements = [zlib.compress(data) for data in elements]
        elements = [
            struct.pack(f"{order}II", 15, len(data)) + data for data in elements
        ]
    return head + version + b"".join(elements)


def values(action="bowl", frames=5, train=1, dtype="f8", **changes):
    rng = np.random.default_rng(frames)
    found = {
        "action": action,
        "pose": "back",
        "x": rng.integers(0, 250, (frames, 13)).astype(dtype),
        "y": rng.integers(0, 250, (frames, 13)).astype("f8"),
        "visibility": rng.integers(0, 2, (frames, 13)).astype("u1"),
        "train": np.array([[train]], "i4"),
        "bbox": np.ones((frames - 1, 4)),
        "dimensions": np.array([[360, 480, frames]], "u2"),
        "nframes": np.array([[frames]], "u1"),
        **changes,
    }
    return {name: value for name, value in found.items() if value is not None}


def annotation(**arguments):
    found = values(**arguments).items()
    return matlab([variable(name, value) for name, value in found])


FILES = {
    "0001": dict(action="baseball_pitch", train=-1),
    "0002": dict(action="squat", frames=7, dtype="u1"),
    "0003": dict(action="tennis_serve", frames=2, dtype="u2", pose="left"),
}


@pytest.mark.parametrize("form", ["folder", "parent", "zip", "archive"])
def test_reads_every_form(tmp_path, form):
    files = {f"{name}.mat": annotation(**FILES[name]) for name in FILES}
    path = tmp_path / "labels"
    if form in ("zip", "archive"):
        with zipfile.ZipFile(tmp_path / "labels.zip", "w") as archive:
            for name, data in files.items():
                archive.writestr(f"labels/{name}", data)
        path = tmp_path / "labels.zip" if form == "zip" else tmp_path
    else:
        path.mkdir()
        for name, data in files.items():
            (path / name).write_bytes(data)
        path = tmp_path if form == "parent" else path
    data = penn_action.load_data(path, strict=True)
    assert data.names == list(FILES)
    np.testing.assert_array_equal(data.labels, [0, 11, 14])
    np.testing.assert_array_equal(data.lengths, [5, 7, 2])
    assert data.metadata["pose"].tolist() == ["back", "back", "left"]
    assert data.metadata["height"].tolist() == [360] * 3
    assert data.metadata["width"].tolist() == [480] * 3
    train, test = data.split("official")
    assert (train.names, test.names) == (["0002", "0003"], ["0001"])
    expected = values(**FILES["0002"])
    clip, _ = data[1]
    for place, name in enumerate(("x", "y", "visibility")):
        np.testing.assert_array_equal(clip[0, :, :, place], expected[name])
    data.save(tmp_path / "penn.h5")
    loaded = Sequences.load(tmp_path / "penn.h5")
    assert loaded.metadata["pose"].tolist() == ["back", "back", "left"]
    assert loaded.split("official")[1].names == ["0001"]


def test_small_unsigned_coordinates_do_not_wrap():
    x = np.array([[250] * 13, [3] * 13], "u1")
    clip, _, _ = penn_action.parse_annotation(annotation(frames=2, x=x))
    np.testing.assert_array_equal(clip[1, :, 0] - clip[0, :, 0], -247)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not a MATLAB 5 file"),
        (b"MATLAB 7.3".ljust(200), "not a MATLAB 5 file"),
        (annotation()[:-40], "cut off"),
        (annotation(action="juggling"), "'juggling', which is no class"),
        (annotation(action=None), "None, which is no class"),
        (annotation(x=None), "no array 'x'"),
        (annotation(y="text"), "no array 'y'"),
        (annotation(x=np.ones((5, 14))), r"'x' has the shape \(5, 14\)"),
        (annotation(x=np.ones((4, 13))), "have the shapes"),
        (annotation(train=0), "`train` is 0"),
        (annotation(visibility=np.full((5, 13), 2, "u1")), "neither 0 nor 1"),
        (annotation(dimensions=np.zeros((1, 3))), "`dimensions` holds 0"),
        (annotation(dimensions=np.full((1, 3), np.nan)), "holds nan"),
    ],
)
def test_bad_files_are_reported(tmp_path, data, reason):
    (tmp_path / "0001.mat").write_bytes(annotation())
    (tmp_path / "0002.mat").write_bytes(data)
    with pytest.warns(UserWarning, match="0002.mat"):
        found = penn_action.load_data(tmp_path)
    assert found.names == ["0001"]
    ((name, why),) = found.skipped
    assert name == "0002.mat"
    assert re.search(reason, why)
    with pytest.raises(ValueError, match="0002.mat"):
        penn_action.load_data(tmp_path, strict=True)


def test_nothing_to_read(tmp_path):
    with pytest.raises(FileNotFoundError, match="PennAction"):
        penn_action.load_data(tmp_path)
    with pytest.raises(FileNotFoundError, match="PennAction"):
        penn_action.load_data(tmp_path / "nowhere")


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("compress", [True, False])
def test_matlab_files(order, compress):
    table = np.arange(6.0).reshape(2, 3)
    content = parse_matlab(
        matlab(
            [
                variable("table", table, order),
                variable("packed", table, order, stored="u1"),
                variable("text", "größe", order),
                variable("number", np.array([[-3]], "i2"), order),
                variable("none", np.zeros((0, 4)), order),
                variable("cell", np.zeros((1, 1)), order, array_class=1),
            ],
            compress,
            order,
        )
    )
    assert list(content) == ["table", "packed", "text", "number", "none"]
    np.testing.assert_array_equal(content["table"], table)
    np.testing.assert_array_equal(content["packed"], table)
    assert content["text"] == "größe"
    assert content["number"].tolist() == [[-3]]
    assert content["number"].dtype == np.int16
    assert content["none"].shape == (0, 4)


def test_matlab_files_as_scipy_writes_them():
    io_module = pytest.importorskip("scipy.io")
    expected = {"x": np.arange(6.0).reshape(2, 3), "action": "größe"}
    for compress in (False, True):
        file = io.BytesIO()
        io_module.savemat(file, expected, do_compression=compress)
        content = parse_matlab(file.getvalue())
        np.testing.assert_array_equal(content["x"], expected["x"])
        assert content["action"] == "größe"


def test_hostile_matlab_files():
    huge = [
        variable("x", np.zeros((1, 1)), array_class=kind, dims=(2**31 - 1, 1))
        for kind in (1, 2, 4, 5, 6)
    ]
    for data in huge[:2] + huge[3:4]:
        assert parse_matlab(matlab([data])) == {}
    with pytest.raises(ValueError, match="1 numbers but the shape"):
        parse_matlab(matlab([huge[4]]))
    bomb = matlab([b"\0" * (1 << 27)])
    assert len(bomb) < 1 << 18
    with pytest.raises(ValueError, match="unpacks to more than"):
        parse_matlab(bomb)
    data = variable("x", np.zeros((1, 1)))
    for _ in range(5000):
        data = element(14, data)
    assert parse_matlab(matlab([data])) == {}


def test_the_real_files(data_dir):
    data = penn_action.load_data(data_dir("penn_action"), strict=True)
    assert len(data) == 2326
    assert (data.lengths.min(), data.lengths.max()) == (18, 663)
    assert np.median(data.lengths) == 56
    assert data.lengths.sum() == 163_841
    train, test = data.split("official")
    assert (len(train), len(test)) == (1258, 1068)
    expected = (
        "104/63 115/58 69/71 135/85 43/45 89/77 40/42 56/56 98/101 104/107 "
        "50/50 114/117 46/48 80/77 115/71"
    )
    counts = zip(
        *(np.bincount(part.labels) for part in (train, test)), strict=True
    )
    assert " ".join(f"{a}/{b}" for a, b in counts) == expected
    # Classes follow each other in the order of the files.
    assert np.all(np.diff(data.labels) >= 0)
    visible = data.bodies[..., 2]
    assert set(np.unique(visible)) == {0, 1}
    assert 0.21 < 1 - visible.mean() < 0.23
