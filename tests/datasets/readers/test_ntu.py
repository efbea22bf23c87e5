import gzip
import io
import itertools
import types
import warnings
import zipfile

import numpy as np
import pytest

from keras_skeleton.datasets.files import archives
from keras_skeleton.datasets.readers import _prepared
from keras_skeleton.datasets.readers import base as readers
from keras_skeleton.datasets.readers import ntu

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
        (replaced(0, "9" * 19), "ends before"),
        (replaced(0, "9" * 4000), "ends before"),
        (replaced(0, "9" * 5000), "line 1"),
        (replaced(0, "20.0"), "line 1"),
        (replaced(1, "9" * 19), "line 30"),
        (replaced(1, "9" * 5000), "line 2"),
        (replaced(1, "-1"), "line 2"),
        (replaced(1, "1 1"), "line 2"),
        (replaced(3, "24"), "line 4"),
        (replaced(3, "26"), "line 4"),
        (replaced(3, "9" * 5000), "line 4"),
        (replaced(10, "0.1 0.2"), "line 11"),
        (replaced(10, ""), "line 11"),
        (replaced(10, "0.1 word 0.2" + 9 * " 0"), "line 11"),
        (replaced(10, "0.1 inf 0.2" + 9 * " 0"), "line 11"),
        (replaced(10, "0.1 0_2 0.2" + 9 * " 0"), "line 11"),
        (replaced(10, "0.1 0x2 0.2" + 9 * " 0"), "line 11"),
        (replaced(10, "0.1 0.\x002 0.2" + 9 * " 0"), "line 11"),
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
    with pytest.warns(UserWarning, match="4 of 5") as record:
        data = ntu.prepare_raw(tmp_path)
    assert data.names == [NAME]
    assert len(data.skipped) == 4
    for path in (empty, cut, odd):
        assert path.stem in str(record[0].message)
    with pytest.raises(ValueError, match=empty.stem):
        ntu.prepare_raw(tmp_path, strict=True)
    with pytest.raises(ValueError, match="1 of 1"):
        ntu.prepare_raw([cut])
    for nothing in (tmp_path / "nowhere", [tmp_path / "none.skeleton"], []):
        with pytest.raises(FileNotFoundError):
            ntu.prepare_raw(nothing)
    with pytest.raises(ValueError, match="ntu61"):
        ntu.prepare_raw(tmp_path, "ntu61")


def write_archive(path, folder):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.glob("*.skeleton")):
            archive.write(file, f"nturgb+d_skeletons/{file.name}")


def test_archives_and_workers(tmp_path, monkeypatch):
    root = tmp_path / "data"
    monkeypatch.setattr(readers, "UNITS_AT_ONCE", 2)
    names = [f"S001C001P{subject:03d}R001A001" for subject in range(1, 6)]
    large = "S018C001P045R001A061"
    for index, name in enumerate([*names, large]):
        folder = root / ("second" if name == large else "first")
        folder.mkdir(parents=True, exist_ok=True)
        write_raw(folder, name, {"7": throughout(person(index))})
    for folder in ("first", "second"):
        write_archive(root / f"{folder}.zip", root / folder)
    raw = ntu.load_data([root / "first", root / "second"], "ntu120")
    before = sorted(root.rglob("*"))
    archives = [root / "first.zip", root / "second.zip"]
    for workers in (1, 2):
        data = ntu.load_data(archives, "ntu120", strict=True, workers=workers)
        assert data.names == raw.names == [*names, large]
        assert np.array_equal(data.bodies, raw.bodies)
    assert sorted(root.rglob("*")) == before
    assert len(ntu.load_data(archives[0])) == 5
    with pytest.raises(FileNotFoundError, match="none belongs to 'ntu60'"):
        ntu.load_data(archives[1])
    # The first of two equal names is read.
    with pytest.warns(UserWarning, match="same name"):
        assert len(ntu.load_data([root / "first", archives[0]])) == 5


def test_pyskl_with_one_body(tmp_path):
    joints = person(0)
    frames = {frame: joints[frame] for frame in (3, 4, 8)}
    other = {frame: person(1)[frame] for frame in range(11)}
    write_raw(tmp_path, NAME, {"7": frames})
    write_raw(
        tmp_path, "S001C002P003R001A050", {"1": other, "2": throughout(joints)}
    )
    data = ntu.load_data(tmp_path, preparation="pyskl", strict=True)
    expected = np.stack(list(frames.values())).astype("float16")
    assert np.array_equal(data.clip(0)[0], expected)
    # Too short a body is noise.
    assert np.array_equal(data.clip(1)[0], joints.astype("float16"))


def test_pyskl_with_two_bodies(tmp_path):
    first, second = 3 * person(0, 30), person(1, 30)
    bodies = {
        "1": {frame: first[frame] for frame in range(9, 27)},
        "2": {frame: second[frame] for frame in range(5, 23)},
        # Shares no frame with the first body, and so continues it.
        "3": {frame: second[frame] for frame in range(27, 30)},
        "4": {0: second[0]},
    }
    write_raw(tmp_path, NAME, bodies, 30)
    reader = ntu.NTUReader(tmp_path, preparation="pyskl")
    (clip,) = reader.read(*reader.units())
    # The frames of nobody at the start go, and so do short bodies; the less
    # moving body is there first, and so becomes the first person.
    frames = clip.frames
    assert frames.shape == (2, 22, 25, 3)
    assert np.array_equal(frames[0, :18], second[5:23].astype("float16"))
    assert np.array_equal(frames[1, 4:], first[9:27].astype("float16"))
    assert not frames[0, 18:].any() and not frames[1, :4].any()


def test_pyskl_with_noise_only(tmp_path):
    wide = [person(index)[..., [1, 0, 2]] for index in range(2)]
    bodies = {str(i): throughout(joints) for i, joints in enumerate(wide)}
    write_raw(tmp_path, NAME, bodies)
    with pytest.raises(ValueError, match="wider than tall"):
        ntu.load_data(tmp_path, preparation="pyskl")
    # Here the last body stays.
    assert len(ntu.load_data(tmp_path, strict=True)) == 1
    with pytest.raises(ValueError, match="preparation.*'other'"):
        ntu.load_data(tmp_path, preparation="other")


# The performers of each setup of NTU RGB+D 120. All did all actions of the
# setup twice before three cameras.
PERFORMERS = {
    1: "1-8",
    2: "3 7-14",
    3: "1 2 7 8 15-19",
    4: "3 7 8 20",
    5: "4 10 13 15-18 21",
    6: "1 7 8 15-17 19 22-24",
    7: "1 7 8 15-19 25-28",
    8: "1 7 8 15 19 25 29-36",
    9: "7 8 15-17 19 25",
    10: "7 8 13 15-19 21 25",
    11: "1 2 7 8 15-19 25 27 28 38",
    12: "7 8 15-19 25 27 28 37",
    13: "7 8 15-19 25 27 28 37",
    14: "7 8 15 17 19 25 27 37 39",
    15: "7 8 15-17 19 25 37",
    16: "7 8 19 21 25 39 40",
    17: "3 7-9 15-17 20",
    18: "8 41-45",
    19: "8 41 42 46-51",
    20: "8 41 43 44 52-54",
    21: "55-60",
    22: "61-67",
    23: "55-68",
    24: "57 60-64 67",
    25: "55 56 58 59 65 66 68",
    26: "8 41 44 49-51 69-72 74-77",
    27: "6 8 11 41 43 44 78-86",
    28: "8 41-43 46 48 70 73 87",
    29: "6 8 41 43 44 48 49 51 67 74 75 80 88-90",
    30: "8 11 41 43 44 48 67 75 76 81 85 88 91-96",
    31: "6 8 41-44 51 67 82 85 96-101",
    32: "8 41 43 44 67 102-106",
}


def all_names(setups):
    """Names of all recordings, those with missing skeletons included."""
    for setup in setups:
        actions = range(1, 61) if setup <= 17 else range(61, 121)
        for span in PERFORMERS[setup].split():
            low, _, high = span.partition("-")
            performers = range(int(low), int(high or low) + 1)
            for numbers in itertools.product(
                (1, 2, 3), performers, (1, 2), actions
            ):
                yield "S{:03d}C{:03d}P{:03d}R{:03d}A{:03d}".format(
                    setup, *numbers
                )


@pytest.mark.parametrize("preparation", ntu.PREPARATIONS)
@pytest.mark.parametrize(
    ("dataset", "num_names", "num_usable", "counts"),
    [
        (
            "ntu60",
            56_880,
            56_578,
            {"xsub": (40_091, 16_487), "xview": (37_646, 18_932)},
        ),
        (
            "ntu120",
            114_480,
            113_945,
            {"xsub": (63_026, 50_919), "xset": (54_468, 59_477)},
        ),
    ],
)
def test_published_counts(
    monkeypatch, preparation, dataset, num_names, num_usable, counts
):
    names = sorted(all_names(range(1, 18 if dataset == "ntu60" else 33)))
    assert len(names) == num_names
    source = types.SimpleNamespace(names=[f"{n}.skeleton" for n in names])
    monkeypatch.setattr(archives, "open_source", lambda *_: source)
    reader = ntu.NTUReader("raw.zip", dataset, preparation)
    usable = [reader.unit_name(unit) for unit in reader.units()]
    assert len(usable) == num_usable
    splits = reader.splits(usable, None, {})
    assert set(splits) - {"one_shot"} == set(counts)
    for protocol, parts in splits.items():
        used = np.concatenate(list(parts.values()))
        assert np.array_equal(np.sort(used), np.arange(num_usable))
        if protocol in counts:
            sizes = len(parts["train"]), len(parts["test"])
            assert sizes == counts[protocol]


def test_one_shot_protocol(monkeypatch):
    names = sorted(all_names((1, 18)))
    source = types.SimpleNamespace(names=[f"{n}.skeleton" for n in names])
    monkeypatch.setattr(archives, "open_source", lambda *_: source)
    reader = ntu.NTUReader("raw.zip", "ntu120")
    usable = [reader.unit_name(unit) for unit in reader.units()]
    parts = reader.splits(usable, None, {})["one_shot"]
    names = {part: [usable[i] for i in parts[part]] for part in parts}
    actions = {part: {int(name[-3:]) for name in names[part]} for part in names}
    assert actions["exemplars"] == actions["test"] == set(range(1, 121, 6))
    assert actions["train"] == set(range(1, 121)) - actions["test"]
    assert len(names["exemplars"]) == 20
    assert names["exemplars"][0] == "S001C003P008R001A001"
    assert names["exemplars"][-1] == "S018C003P008R001A115"


def test_the_named_recordings_exist(data_dir):
    """Published lists name no recording that the table above lacks."""
    names = set(all_names(PERFORMERS))
    folder = data_dir("brl_long_tailed")
    listed = set(folder.with_name("ntu_missing_120.txt").read_text().split())
    assert len(listed) == 535
    for path in sorted(folder.glob("*.txt.gz")):
        listed.update(gzip.open(path, "rt").read().split())
    listed = {name[:20] for name in listed}
    assert listed <= names
    # They name every performer of each setup of NTU RGB+D 60.
    pairs = {(name[:4], name[8:12]) for name in listed if name < "S018"}
    assert pairs == {(n[:4], n[8:12]) for n in names if n < "S018"}


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


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("NTU60_CV.npz", "xview"),
        ("NTU120_XSet.npz", "xset"),
        ("ntu120_csub.npz", "xsub"),
        ("data.npz", "xsub"),
    ],
)
def test_the_name_tells_the_protocol(tmp_path, prepared, name, split):
    np.savez(tmp_path / name, **prepared)
    assert list(ntu.load_data(tmp_path / name).splits) == [split]
    assert list(ntu.load_data(tmp_path / name, split="own").splits) == ["own"]


def test_load_prepared_in_pieces(tmp_path, prepared, monkeypatch):
    path = tmp_path / "data.npz"
    np.savez_compressed(path, **prepared)
    whole = ntu.load_prepared(path)
    monkeypatch.setattr(_prepared, "SAMPLES_AT_ONCE", 2)
    monkeypatch.setattr(readers, "UNITS_AT_ONCE", 1)
    for workers in (1, 2):
        pieces = ntu.load_prepared(path, workers=workers)
        assert np.array_equal(whole.bodies, pieces.bodies)
        assert np.array_equal(whole.labels, pieces.labels)
    # Units can be read in any order.
    reader = ntu.make_reader(path)
    for unit in reversed(reader.units()):
        for clip in reader.read(unit):
            found, label = whole[whole.names.index(clip.name)]
            assert label == clip.label
            assert np.array_equal(clip.frames, found)


def test_load_prepared_leaves_out_unusable_samples(tmp_path, prepared):
    prepared["x_train"][1] = 0
    prepared["x_test"][0, 2, 5] = np.inf
    path = tmp_path / "data.npz"
    np.savez(path, **prepared)
    with pytest.warns(UserWarning, match="2 of 5"):
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


@pytest.mark.parametrize(
    ("array", "shape", "message"),
    [
        ("x_train", (3, 31, 150), "complete"),
        ("x_train", (3, 10**9, 150), "1 to 10000 frames"),
        ("x_train", (3, -1, 150), "1 to 10000 frames"),
        ("x_train", (10**12, 30, 150), "as many samples"),
        ("y_train", (10**12, 60), "complete"),
        ("y_train", (3, 10**12), "one-hot"),
        ("y_train", (-3, 60), "as many samples"),
    ],
)
def test_load_prepared_with_a_lying_header(
    tmp_path, prepared, array, shape, message
):
    path = tmp_path / "data.npz"
    true = {name: values.shape for name, values in prepared.items()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, values in prepared.items():
            content = io.BytesIO()
            header = np.lib.format.header_data_from_array_1_0(values)
            header["shape"] = shape if name == array else true[name]
            np.lib.format.write_array_header_1_0(content, header)
            data = content.getvalue() + values.tobytes()
            archive.writestr(f"{name}.npy", data)
    with pytest.raises(ValueError, match=message):
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
        assert np.array_equal(ours.bodies, theirs.bodies)
        assert np.array_equal(ours.labels, theirs.labels)
