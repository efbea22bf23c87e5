import warnings

import numpy as np
import pytest

from keras_skeleton.datasets import ntu

NAME = "S001C002P003R001A007"


def body_lines(identity, joints, num_joints=25):
    lines = [f"{identity} 0 1 1 1 1 0 0.036981 0.063379 2", str(num_joints)]
    for x, y, z in joints:
        lines.append(f"{x:.6f} {y:.6f} {z:.6f} 240 250 898 638 1 0 0 0 2")
    return lines


def person(seed, num_frames=20, height=1.7):
    """Plausible coordinates: taller than wide, moving a little."""
    generator = np.random.default_rng(seed)
    joints = generator.uniform(-0.3, 0.3, (1, 25, 3))
    joints[..., 1] = np.linspace(0, height, 25)
    joints = joints + 0.05 * generator.standard_normal((num_frames, 25, 3))
    return np.round(joints + [0, 0, 3], 6)


def write_raw(folder, name, bodies, num_frames=20, newline="\r\n", end=True):
    """Writes bodies given as `{identity: {frame: joints}}`."""
    lines = [str(num_frames)]
    for frame in range(num_frames):
        present = {k: v[frame] for k, v in bodies.items() if frame in v}
        lines.append(str(len(present)))
        for identity, joints in present.items():
            lines += body_lines(identity, joints)
    text = newline.join(lines) + (newline if end else "")
    path = folder / f"{name}.skeleton"
    path.write_bytes(text.encode())
    return path


def throughout(joints):
    return dict(enumerate(joints))


def test_parse(tmp_path):
    first, second = person(0), person(1)
    bodies = {
        "72057594037931101": throughout(first),
        "72057594037931102": {4: second[0], 9: second[1]},
    }
    path = write_raw(tmp_path, NAME, bodies)
    recording = ntu.parse_skeleton_file(path)
    assert recording.num_frames == 20
    assert list(recording.bodies) == list(bodies)
    frames, joints = recording.bodies["72057594037931101"]
    assert frames.tolist() == list(range(20))
    assert joints.dtype == "float32"
    assert np.array_equal(joints, first.astype("float32"))
    frames, joints = recording.bodies["72057594037931102"]
    assert frames.tolist() == [4, 9]
    assert np.array_equal(joints, second[:2].astype("float32"))


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("end", [True, False])
def test_parse_line_ends(tmp_path, newline, end):
    joints = person(0)
    path = write_raw(
        tmp_path, NAME, {"7": throughout(joints)}, newline=newline, end=end
    )
    _, read = ntu.parse_skeleton_file(path).bodies["7"]
    assert np.array_equal(read, joints.astype("float32"))


def replaced(row, text):
    def change(lines):
        lines[row] = text
        return lines

    return change


# Line 3 is the first body, line 4 its joint count, lines 5 to 29 its joints.
@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda lines: [], "line 1"),
        (replaced(0, "many"), "line 1"),
        (replaced(0, "21"), "ends before"),
        (replaced(0, "19"), "goes on"),
        (replaced(1, "2"), "line 30"),
        (replaced(1, "-1"), "line 2"),
        (replaced(3, "24"), "line 4"),
        (replaced(3, "26"), "line 4"),
        (replaced(10, "0.1 0.2"), "line 11"),
        (replaced(10, ""), "line 11"),
        (replaced(10, "0.1 word 0.2" + 9 * " 0"), "line 11"),
        (replaced(10, "0.1 nan 0.2" + 9 * " 0"), "line 11"),
        (replaced(10, "0.1 1e99 0.2" + 9 * " 0"), "line 11"),
        (lambda lines: lines[:100], "line 101"),
        (lambda lines: lines[:-1], "ends before"),
        (replaced(-1, "0.1 0.2 3.0 240"), "line 561"),
        (lambda lines: ["\x00\x01"] * 50, "line 1"),
    ],
)
def test_parse_names_the_line(tmp_path, change, line):
    path = write_raw(tmp_path, NAME, {"7": throughout(person(0))})
    lines = change(path.read_text().splitlines())
    path.write_text("\n".join(lines))
    with pytest.raises(ValueError, match=f"{NAME}.*{line}"):
        ntu.parse_skeleton_file(path)


def test_one_person(tmp_path):
    joints = person(0)
    # Frames without a body disappear.
    frames = {
        frame: joints[frame] for frame in range(20) if frame not in (0, 5)
    }
    write_raw(tmp_path, NAME, {"7": frames})
    expected = np.stack(list(frames.values())).astype("float32")
    expected = expected - expected[0, 1]
    data = ntu.prepare_raw(tmp_path, strict=True)
    clip, label = data[0]
    assert label == 6
    assert clip.shape == (2, 18, 25, 3)
    assert np.array_equal(clip[0], expected)
    assert not clip[1].any()
    assert {k: v.tolist() for k, v in data.metadata.items()} == {
        "subject": [3],
        "camera": [2],
        "setup": [1],
        "repetition": [1],
    }
    assert len(data.class_names) == 60 and data.class_names[6] == "throw"
    # The larger data set stores single persons twice.
    data = ntu.prepare_raw(tmp_path, "ntu120", strict=True)
    assert np.array_equal(data[0][0][1], expected)
    assert len(data.class_names) == 120


def test_two_persons_by_motion_and_noise_removed(tmp_path):
    quiet, lively = person(0), 3 * person(1)
    wide = person(2)[..., [1, 0, 2]]
    bodies = {
        "1": throughout(quiet),
        "2": throughout(lively),
        "3": throughout(person(3)[:11]),
        "4": throughout(wide),
    }
    write_raw(tmp_path, NAME, bodies)
    clip, _ = ntu.prepare_raw(tmp_path, strict=True)[0]
    origin = lively.astype("float32")[0, 1]
    assert np.array_equal(clip[0], lively.astype("float32") - origin)
    assert np.array_equal(clip[1], quiet.astype("float32") - origin)


def test_body_that_returns_is_moved_up(tmp_path):
    full, other = 3 * person(0), person(1)
    absent = (8, 9, 10)
    gap = {frame: other[frame] for frame in range(20) if frame not in absent}
    write_raw(tmp_path, NAME, {"1": throughout(full), "2": gap})
    clip, _ = ntu.prepare_raw(tmp_path, strict=True)[0]
    origin = full.astype("float32")[0, 1]
    moved = np.stack(list(gap.values())).astype("float32") - origin
    assert np.array_equal(clip[1, :17], moved)
    assert not clip[1, 17:].any()


def test_selection_and_protocols(tmp_path):
    names = [
        "S001C001P001R001A001",
        "S001C002P003R001A002",
        "S001C003P002R002A060",
        "S018C001P045R001A061",
        "S019C001P044R001A001",
        # Listed as missing.
        "S001C002P005R002A008",
    ]
    (tmp_path / "more").mkdir()
    for index, name in enumerate(names):
        folder = tmp_path / "more" if index % 2 else tmp_path
        write_raw(folder, name, {"7": throughout(person(index))})
    small = ntu.prepare_raw(tmp_path, strict=True)
    assert small.names == names[:3]
    train, test = small.split("xsub")
    assert train.names == [names[0], names[2]] and test.names == [names[1]]
    train, test = small.split("xview")
    assert train.names == [names[1], names[2]] and test.names == [names[0]]
    large = ntu.prepare_raw([tmp_path], "ntu120", strict=True)
    assert large.names == names[:5]
    train, test = large.split("xset")
    assert train.names == [names[3]]
    assert test.names == [*names[:3], names[4]]
    train, test = large.split("xsub")
    assert train.metadata["subject"].tolist() == [1, 2, 45]
    files = [tmp_path / f"{names[0]}.skeleton"]
    assert ntu.prepare_raw(files).names == names[:1]


def test_broken_files_are_reported_and_left_out(tmp_path):
    good = {"7": throughout(person(0))}
    write_raw(tmp_path, NAME, good)
    empty = write_raw(tmp_path, "S001C001P001R001A001", {})
    cut = write_raw(tmp_path, "S001C001P002R001A001", good)
    cut.write_bytes(cut.read_bytes()[:-3000])
    short = {str(i): throughout(person(i)[:9]) for i in range(2)}
    write_raw(tmp_path, "S001C001P004R001A001", short)
    odd = write_raw(tmp_path, "holiday", good)
    with pytest.warns(UserWarning, match="4 of 5 files") as record:
        data = ntu.prepare_raw(tmp_path)
    assert data.names == [NAME]
    assert len(data.skipped) == 4
    for path in (empty, cut, odd):
        assert path.stem in str(record[0].message)
    with pytest.raises(ValueError, match=empty.stem):
        ntu.prepare_raw(tmp_path, strict=True)
    with pytest.raises(ValueError, match="1 of 1 files"):
        ntu.prepare_raw([cut])
    for nothing in (tmp_path / "nowhere", [tmp_path / "none.skeleton"], []):
        with pytest.raises(FileNotFoundError):
            ntu.prepare_raw(nothing)
    with pytest.raises(ValueError, match="ntu61"):
        ntu.prepare_raw(tmp_path, "ntu61")


@pytest.fixture
def prepared():
    generator = np.random.default_rng(0)
    lengths = {"train": (7, 30, 12), "test": (20, 1)}
    arrays = {}
    for part, frames in lengths.items():
        x = np.zeros((len(frames), 30, 150), "float32")
        for row, length in zip(x, frames, strict=True):
            row[:length] = generator.standard_normal((length, 150))
        # A single person, and a frame in between without anybody.
        x[0, :, 75:] = 0
        x[0, 3] = 0
        labels = generator.integers(0, 60, len(frames))
        arrays[f"x_{part}"] = x
        arrays[f"y_{part}"] = np.eye(60)[labels]
    return arrays


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_load_prepared(tmp_path, prepared, save):
    path = tmp_path / "NTU60_XView.npz"
    save(path, **prepared)
    data = ntu.load_prepared(path, split="xview", strict=True)
    assert data.lengths.tolist() == [7, 30, 12, 20, 1]
    assert data.class_names[0] == "drink water"
    for name, part in zip(("train", "test"), data.split("xview"), strict=True):
        x = prepared[f"x_{name}"]
        clips = part.padded(np.arange(len(part)), 30).swapaxes(1, 2)
        assert np.array_equal(clips.reshape(x.shape), x)
        assert np.array_equal(prepared[f"y_{name}"].argmax(1), part.labels)


def test_load_prepared_in_pieces(tmp_path, prepared, monkeypatch):
    path = tmp_path / "data.npz"
    np.savez(path, **prepared)
    whole = ntu.load_prepared(path)
    monkeypatch.setattr(ntu._preparation, "ROWS_AT_ONCE", 60)
    pieces = ntu.load_prepared(path)
    assert np.array_equal(whole.frames, pieces.frames)
    assert np.array_equal(whole.labels, pieces.labels)


def test_load_prepared_leaves_out_unusable_samples(tmp_path, prepared):
    prepared["x_train"][1] = 0
    prepared["x_test"][0, 2, 5] = np.nan
    path = tmp_path / "data.npz"
    np.savez(path, **prepared)
    with pytest.warns(UserWarning, match="2 of 5 samples"):
        data = ntu.load_prepared(path)
    assert data.names == ["train_000000", "train_000002", "test_000001"]
    assert [name for name, _ in data.skipped] == ["train_000001", "test_000000"]
    assert data.labels[1] == prepared["y_train"][2].argmax()
    train, test = data.split("xsub")
    assert len(train) == 2 and len(test) == 1
    with pytest.raises(ValueError, match="train_000001"):
        ntu.load_prepared(path, strict=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: a.pop("y_test"), "y_test"),
        (lambda a: a.update(x_train=a["x_train"][..., :75]), "150"),
        (lambda a: a.update(x_train=a["x_train"][0]), "150"),
        (lambda a: a.update(x_train=a["x_train"][:2]), "as many samples"),
        (lambda a: a.update(y_train=a["y_train"] * 0), "one 1"),
        (lambda a: a.update(y_train=a["y_train"].argmax(1)), "one-hot"),
        (lambda a: a.update(y_test=a["y_test"][:, :0]), "one-hot"),
        (lambda a: a.update(y_train=np.eye(61)[:3]), "same number"),
        (lambda a: a.update(x_test=a["x_test"].astype(object)), "numbers"),
        (lambda a: a.update(x_test=np.asfortranarray(a["x_test"])), "C order"),
    ],
)
def test_load_prepared_rejects(tmp_path, prepared, change, message):
    change(prepared)
    path = tmp_path / "data.npz"
    np.savez(path, **prepared)
    with pytest.raises(ValueError, match=message):
        ntu.load_prepared(path)


@pytest.mark.parametrize("share", [0, 0.3, 0.99])
def test_load_prepared_cut_off(tmp_path, prepared, share):
    path = tmp_path / "data.npz"
    np.savez(path, **prepared)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ValueError, match="complete"):
        ntu.load_prepared(path)


def test_load_prepared_damaged(tmp_path, prepared):
    path = tmp_path / "data.npz"
    np.savez(path, **prepared)
    content = bytearray(path.read_bytes())
    content[3000] ^= 255
    path.write_bytes(content)
    with pytest.raises(ValueError, match="complete"):
        ntu.load_prepared(path)
    with pytest.raises(FileNotFoundError):
        ntu.load_prepared(tmp_path / "absent.npz")


def test_raw_and_prepared_agree(tmp_path):
    """A file written as the official code does reads back equal."""
    for index in range(4):
        name = f"S001C00{1 + index % 3}P00{1 + index}R001A00{1 + index}"
        joints = person(index, 12 + index)
        write_raw(tmp_path, name, {"7": throughout(joints)}, 12 + index)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        raw = ntu.prepare_raw(tmp_path)
    arrays = {}
    for name, part in zip(("train", "test"), raw.split("xview"), strict=True):
        clips = part.padded(np.arange(len(part)), 16).swapaxes(1, 2)
        arrays[f"x_{name}"] = clips.reshape(len(part), 16, 150)
        arrays[f"y_{name}"] = np.eye(60)[part.labels]
    np.savez(tmp_path / "data.npz", **arrays)
    loaded = ntu.load_prepared(tmp_path / "data.npz", "xview")
    parts = zip(raw.split("xview"), loaded.split("xview"), strict=True)
    for ours, theirs in parts:
        assert np.array_equal(ours.frames, theirs.frames)
        assert np.array_equal(ours.labels, theirs.labels)
