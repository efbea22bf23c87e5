"""Stores that were damaged, or that somebody made to do harm."""

import json
import pathlib
import shutil
import subprocess
import sys

import h5py
import numpy as np
import pytest
from arms import ARM
from arms import assert_equal
from arms import make_data

from keras_skeleton import cli
from keras_skeleton.datasets import Sequences
from keras_skeleton.datasets import _checksums

pytestmark = pytest.mark.once

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "clips.h5"


def make_many(count=300, frames=40):
    """Enough for several blocks of checksums."""
    generator = np.random.default_rng(0)
    clips = [generator.normal(size=(frames, 4, 3)) for _ in range(count)]
    names = [f"clip {index}" for index in range(count)]
    return Sequences.from_arrays(clips, skeleton=ARM, names=names)


def flip(path, place, bit=0):
    with open(path, "r+b") as file:
        file.seek(place)
        value = file.read(1)[0]
        file.seek(place)
        file.write(bytes([value ^ 1 << bit]))


def place_of_bodies(path):
    with h5py.File(path) as file:
        return file["bodies"].id.get_offset()


@pytest.mark.parametrize("in_memory", [True, False])
def test_every_flipped_byte_is_noticed(path, in_memory):
    data = make_data()
    data.save(path)
    whole = path.read_bytes()
    for place in np.random.default_rng(0).integers(0, len(whole), 80):
        path.write_bytes(whole)
        flip(path, int(place), int(place) % 8)
        with pytest.raises(ValueError, match="clips.h5"):
            Sequences.load(path, in_memory=in_memory).bodies.sum()
    path.write_bytes(whole)
    assert_equal(Sequences.load(path, in_memory=in_memory), data)


def test_damage_names_the_clips_and_leaves_the_others(path):
    data = make_many()
    data.save(path)
    size = 40 * 4 * 3 * 4
    flip(path, place_of_bodies(path) + 150 * size + 7)
    loaded = Sequences.load(path, in_memory=False)
    np.testing.assert_array_equal(loaded.clip(3), data.clip(3))
    np.testing.assert_array_equal(loaded.clip(299), data.clip(299))
    readings = [
        lambda: loaded.clip(150),
        lambda: loaded[150],
        lambda: loaded.select([150]).padded([0]),
        lambda: loaded.take_frames([150], np.zeros((1, 2), int)),
        lambda: list(loaded.to_keras(batch_size=100, labels=False)),
        lambda: loaded.bodies,
        lambda: loaded.save(path.with_name("copy.h5")),
        lambda: Sequences.load(path),
    ]
    for read in readings:
        with pytest.raises(ValueError, match="clips.h5.*damaged.*'clip 150'"):
            read()
    with pytest.raises(ValueError) as caught:
        loaded.clip(150)
    # Those of one block, not all.
    assert "of these 9" in str(caught.value)
    assert "'clip 3'" not in str(caught.value)
    assert not path.with_name("copy.h5").exists()
    # A path beside it shares the frames.
    joined = Sequences.load([path, path], in_memory=False)
    np.testing.assert_array_equal(joined.clip(303), data.clip(3))
    with pytest.raises(ValueError, match="'clip 150'"):
        joined.clip(450)


def test_check_of_a_whole_store(path, capsys):
    data = make_many()
    data.save(path)
    assert cli.main(["show", "--check", str(path)]) == 0
    assert "is whole" in capsys.readouterr().out
    start = place_of_bodies(path)
    flip(path, start + 100)
    flip(path, start + 299 * 1920)
    assert cli.main(["show", "--check", str(path)]) == 2
    error = capsys.readouterr().err
    assert "clips.h5" in error and "'clip 0'" in error
    assert "'clip 299'" in error and "'clip 150'" not in error
    assert not path.with_suffix(".html").exists()
    data.save(path)
    flip(path, 3000)
    assert cli.main(["show", "--check", str(path)]) == 2
    # Of several files each is looked at.
    first, second = (path.with_name(f"x-0000{i}-of-00002.h5") for i in (0, 1))
    data.save(first)
    data.save(second)
    whole = str(path.with_name("x.h5"))
    assert cli.main(["show", "--check", whole]) == 0
    flip(second, start + 100)
    capsys.readouterr()
    assert cli.main(["show", "--check", whole]) == 2
    error = capsys.readouterr().err
    assert second.name in error and first.name not in error


@pytest.mark.parametrize("in_memory", [True, False])
def test_stores_without_checksums_open(path, in_memory, capsys):
    data = make_data()
    data.save(path)
    with h5py.File(path, "a") as file:
        file.attrs["version"] = 2
    shutil.copy(path, path.with_name("other.h5"))
    both = [path, path.with_name("other.h5")]
    with pytest.warns(UserWarning, match="clips.h5.*without checks") as warned:
        loaded = Sequences.load(both, in_memory=in_memory)
    assert len(warned) == 1
    np.testing.assert_array_equal(
        loaded.bodies[: len(data.bodies)], data.bodies
    )
    assert cli.main(["show", "--check", str(path)]) == 0
    assert "without checksums" in capsys.readouterr().out
    # A store of today that lost them is damaged.
    with h5py.File(path, "a") as file:
        file.attrs["version"] = 3
    with pytest.raises(ValueError, match="clips.h5.*checksums are missing"):
        Sequences.load(path, in_memory=in_memory)


def seal(path):
    """Gives a changed store checksums that fit, as an attacker would."""
    with h5py.File(path, "a") as file:
        file.attrs["version"] = 3
    with h5py.File(path) as file:
        bodies = file.get("bodies", getlink=True)
        start = size = 0
        if isinstance(bodies, h5py.HardLink):
            bodies = file["bodies"]
            if isinstance(bodies, h5py.Dataset):
                start = bodies.id.get_offset() or 0
                size = bodies.nbytes if start else 0
    content = path.read_bytes()
    writer = _checksums.Writer()
    writer.update(content[start : start + size])
    _checksums.append(path, start, writer)


def as_virtual(file, name):
    layout = h5py.VirtualLayout(file[name].shape, file[name].dtype)
    layout[:] = h5py.VirtualSource("other.h5", name, file[name].shape)
    del file[name]
    file.create_virtual_dataset(name, layout)


def as_external(file, name):
    shape, dtype = file[name].shape, file[name].dtype
    del file[name]
    outside = str(pathlib.Path(file.filename).with_name("outside"))
    size = int(np.prod(shape)) * 8
    file.create_dataset(name, shape, dtype, external=[(outside, 0, size)])


def as_link(file, name):
    del file[name]
    file[name] = h5py.ExternalLink("other.h5", f"/{name}")


def as_soft_link(file, name):
    file.move(name, "kept")
    file[name] = h5py.SoftLink("/kept")


def as_group(file, name):
    del file[name]
    file.create_group(name)


def as_words(file, name):
    del file[name]
    file[name] = ["one", "two"]


def as_nothing(file, name):
    del file[name]
    file[name] = h5py.Empty("f4")


def as_compressed(file, name):
    values = file[name][()]
    del file[name]
    file.create_dataset(
        name, data=values, chunks=values.shape, compression="gzip"
    )


def as_huge(file, name):
    shape, dtype = file[name].shape, file[name].dtype
    del file[name]
    shape = (1 << 36, *shape[1:])
    file.create_dataset(name, shape, dtype, chunks=(1024, *shape[1:]))


def as_unwritten(file, name):
    shape, dtype = file[name].shape, file[name].dtype
    del file[name]
    file.create_dataset(name, (1 << 40, *shape[1:]), dtype)


CHANGES = [
    as_virtual,
    as_external,
    as_link,
    as_soft_link,
    as_group,
    as_words,
    as_nothing,
    as_compressed,
    as_huge,
    as_unwritten,
]
PLACES = [
    "bodies",
    "lengths",
    "persons",
    "labels",
    "metadata/subject",
    "splits/half/train",
]


def refused(path, words="clips.h5"):
    for in_memory in (True, False):
        with pytest.raises((ValueError, OSError), match=words):
            Sequences.load(path, in_memory=in_memory)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (change, name)
        for change in CHANGES
        for name in PLACES
        # Two words do for metadata, but for their number.
        if (change, name) != (as_words, "metadata/subject")
    ],
)
@pytest.mark.parametrize("sealed", [True, False])
def test_data_sets_that_are_none(path, change, name, sealed):
    make_data().save(path)
    make_data().save(path.with_name("other.h5"))
    path.with_name("outside").write_bytes(bytes(10_000))
    with h5py.File(path, "a") as file:
        file.attrs["version"] = 2
        change(file, name)
    if sealed:
        seal(path)
    refused(path)


@pytest.mark.parametrize("change", [as_link, as_soft_link, as_words])
@pytest.mark.parametrize("name", ["metadata", "splits", "splits/half"])
def test_groups_that_are_none(path, change, name):
    make_data().save(path)
    make_data().save(path.with_name("other.h5"))
    with h5py.File(path, "a") as file:
        file.attrs["version"] = 2
        change(file, name)
    refused(path)


def describe(path, text=None, **changes):
    with h5py.File(path, "a") as file:
        file.attrs["version"] = 2
        found = json.loads(file["description"].asstr()[()])
        del file["description"]
        file["description"] = text or json.dumps({**found, **changes})


WIDE = {"name": "wide", "edges": [], "joints": ["a"] * 50_000}
LEAVES = [
    {"names": 5},
    {"names": ["a"]},
    {"names": [1] * 7},
    {"num_persons": 1 << 40},
    {"num_persons": 0},
    {"num_persons": "2"},
    {"num_persons": True},
    {"coordinates": ["x"]},
    {"coordinates": None},
    {"skeleton": "nobody"},
    {"skeleton": 3},
    {"skeleton": WIDE},
    {"skeleton": {**ARM.to_dict(), "edges": [[1, 0]] * 50_000}},
    {"skeleton": {**ARM.to_dict(), "edges": 4}},
    {"skeleton": {**ARM.to_dict(), "edges": [[1, []]]}},
    {"skeleton": {**ARM.to_dict(), "center": {}}},
    {"skeleton": {**ARM.to_dict(), "parts": [1]}},
    {"skeleton": {**ARM.to_dict(), "more": 1}},
    {"class_names": 5},
    {"class_names": [["a"]]},
    {"class_names": ["only one"]},
    {"skipped": [1, 2]},
    {"skipped": [["a", "b", "c"]]},
    {"skipped": "ab"},
    {"surplus": 1},
    {"text": "[" * 100_000 + "]" * 100_000},
    {"text": "{"},
    {"text": "null"},
    {"text": "9" * 10_000},
]


@pytest.mark.parametrize("changes", LEAVES, ids=lambda c: str(c)[:40])
def test_descriptions_that_are_none(path, changes):
    make_data().save(path)
    describe(path, **changes)
    refused(path)


@pytest.mark.parametrize("key", ["names", "skeleton", "skipped"])
def test_descriptions_that_lack_something(path, key):
    make_data().save(path)
    with h5py.File(path) as file:
        found = json.loads(file["description"].asstr()[()])
    del found[key]
    describe(path, json.dumps(found))
    refused(path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("lengths", [0] * 7),
        ("lengths", [1 << 62] * 7),
        ("lengths", [1 << 33] * 7),
        ("lengths", [-5] * 7),
        ("lengths", [1] * 6),
        ("persons", [1 << 32] * 7),
        ("labels", [9] * 7),
        ("labels", [0] * 6),
        ("labels", [0.5] * 7),
        ("splits/half/train", [-9]),
        ("splits/half/train", [7]),
        ("splits/half/train", [[0, 1]]),
        ("metadata/subject", [1, 2]),
        ("metadata/subject", 3),
        ("metadata/\n", [1] * 7),
        ("splits/half/\x07", [1]),
        ("splits/half/deep/deeper", [1]),
    ],
)
def test_numbers_that_do_not_fit(path, name, value):
    make_data().save(path)
    with h5py.File(path, "a") as file:
        file.attrs["version"] = 2
        if name in file:
            del file[name]
        file[name] = value
    refused(path)


def test_protocols_without_a_part(path):
    data = make_data(splits={"half": {"val": [0], "train": [1]}})
    data.save(path)
    with pytest.raises(ValueError, match="'half'.*no 'test'"):
        Sequences.load(path).split("half")


def test_numbers_whose_product_overflows(path):
    make_data().save(path)
    with h5py.File(path, "a") as file:
        file.attrs["version"] = 2
        total = len(file["bodies"])
        file["lengths"][:] = [total] + [1 << 32] * 6
        file["persons"][:] = [1] + [1 << 32] * 6
    refused(path)


@pytest.mark.parametrize(
    ("name", "value"),
    [("version", "2"), ("version", [2]), ("version", 2.0), ("format", 3)],
)
def test_marks_that_are_none(path, name, value):
    make_data().save(path)
    with h5py.File(path, "a") as file:
        file.attrs[name] = value
    refused(path, "clips.h5.*not one that")


def test_one_data_set_under_many_names(path):
    data = make_many()
    data.save(path)
    with h5py.File(path, "a") as file:
        file.attrs["version"] = 2
        file["metadata/m"] = np.zeros(300)
        for index in range(3000):
            file[f"metadata/m{index}"] = file["metadata/m"]
    refused(path, "clips.h5.*more than the file can hold")


def test_one_text_in_many_places(path):
    data = make_many()
    data.metadata["place"] = np.array(["x" * 10_000] + ["y"] * 299)
    data.save(path)
    loaded = Sequences.load(path)
    np.testing.assert_array_equal(
        loaded.metadata["place"], data.metadata["place"]
    )
    with h5py.File(path) as file:
        place = file["metadata/place"].id.get_offset()
    content = bytearray(path.read_bytes())
    content[place : place + 16 * 300] = content[place : place + 16] * 300
    path.write_bytes(content)
    with h5py.File(path, "a") as file:
        file.attrs["version"] = 2
    refused(path, "clips.h5.*texts in its 'place'")
    # A size that is not that of the text: HDF5 would write past its end.
    data.save(path)
    content = bytearray(path.read_bytes())
    content[place : place + 4] = (4).to_bytes(4, "little")
    path.write_bytes(content)
    with h5py.File(path, "a") as file:
        file.attrs["version"] = 2
    refused(path, "clips.h5.*not where it should be")


def test_one_long_text_among_many_short_ones(path):
    data = make_many(3000, frames=1)
    data.save(path)
    with h5py.File(path, "a") as file:
        file.attrs["version"] = 2
        texts = ["x"] * 2999 + ["x" * 100_000]
        file["metadata/place"] = np.array(texts, h5py.string_dtype())
    refused(path, "clips.h5.*too long")


def test_hostile_stores_need_little_memory(path):
    resource = pytest.importorskip("resource")
    make_data().save(path)
    with h5py.File(path, "a") as file:
        file.attrs["version"] = 2
        as_huge(file, "bodies")
        as_huge(file, "labels")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused(path)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert after - before < 20_000


@pytest.mark.parametrize(
    "words",
    [
        ("objects", 60, False),
        ("bytes", 40, False),
        ("bytes", 40, True),
    ],
    ids=str,
)
def test_fuzzed_stores(words):
    """A few; thousands were tried by hand, see `benchmarks/README.md`."""
    kind, count, without_sums = words
    command = [sys.executable, str(ROOT / "benchmarks" / "fuzz_stores.py")]
    command += ["--child", kind, "--count", str(count)]
    command += ["--without-sums"] if without_sums else []
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    outcomes = {line["outcome"] for line in lines if "outcome" in line}
    assert len(lines) == 2 * count, done.stderr
    allowed = {"refused", "as it was"}
    if kind == "objects" or without_sums:
        allowed |= {"other clips"}
    assert outcomes <= allowed
    assert "refused" in outcomes
