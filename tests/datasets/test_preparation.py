import json
import pathlib

import numpy as np
import pytest

from keras_skeleton.datasets import Sequences
from keras_skeleton.datasets import preparation
from keras_skeleton.datasets.readers import base as readers
from keras_skeleton.skeletons import Skeleton

pytestmark = pytest.mark.once

LEG = Skeleton("leg", ("hip", "knee", "foot"), ((1, 0), (2, 1)))


class LegReader(readers.Reader):
    """Text files of a label and then one number for each frame."""

    skeleton = LEG
    class_names = ["kick", "step"]

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self._num_read = 0

    def units(self):
        return sorted(self.folder.glob("*.txt"))

    def read(self, unit):
        self._num_read += 1
        label, *values = map(float, unit.read_text().split())
        frames = (
            np.ones((2, len(values), 3, 3)) * np.array(values)[:, None, None]
        )
        if label == 0:
            frames[1] = 0
        yield readers.Clip(
            unit.stem, frames, int(label), {"subject": int(unit.stem) % 3}
        )

    def splits(self, names, labels, metadata):
        is_test = metadata["subject"] == 0
        return {
            "xsub": {
                "train": np.flatnonzero(~is_test),
                "test": np.flatnonzero(is_test),
            }
        }


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(readers, "UNITS_AT_ONCE", 4)
    folder = tmp_path / "raw"
    folder.mkdir()
    generator = np.random.default_rng(0)
    for index in range(14):
        values = generator.random(3 + index)
        text = " ".join([str(index % 2), *map(str, values)])
        (folder / f"{index:02d}.txt").write_text(text)
    (folder / "05.txt").write_text("1 0.5 nonsense")
    (folder / "06.txt").write_text("0 nan")
    (folder / "07.txt").write_text("1")
    return folder


def assert_same(first, second):
    assert first.names == second.names
    assert first.frame_shape == second.frame_shape
    assert first.class_names == second.class_names
    np.testing.assert_array_equal(first.labels, second.labels)
    np.testing.assert_array_equal(first.bodies, second.bodies)
    np.testing.assert_array_equal(
        first.metadata["subject"], second.metadata["subject"]
    )
    assert sorted(map(tuple, first.skipped)) == sorted(
        map(tuple, second.skipped)
    )
    for part in ("train", "test"):
        np.testing.assert_array_equal(
            first.splits["xsub"][part], second.splits["xsub"][part]
        )


def test_collect(folder):
    with pytest.warns(UserWarning, match="3 of 14 clips or files"):
        data = readers.collect(LegReader(folder))
    assert len(data) == 11
    assert data.frame_shape == (2, 3, 3)
    assert [name for name, _ in data.skipped] == ["05.txt", "06", "07"]
    # The second person, absent in clips of class 0, takes no room.
    counts = np.where(data.labels == 0, 1, 2)
    assert [data.clip(i).shape[0] for i in range(11)] == counts.tolist()
    clip, label = data[0]
    assert clip.shape == (2, 3, 3, 3)
    assert label == 0
    assert not clip[1].any()
    with pytest.raises(ValueError, match="could not convert"):
        readers.collect(LegReader(folder), strict=True)


def test_prepare_equals_collect(folder, tmp_path):
    with pytest.warns(UserWarning):
        expected = readers.collect(LegReader(folder))
    path = tmp_path / "legs.h5"
    report = preparation.prepare(LegReader(folder), path)
    assert report.num_units == 14
    assert report.num_resumed == 0
    assert report.num_clips == 11
    assert report.class_counts == {"kick": 6, "step": 5}
    assert [name for name, _ in report.skipped] == ["05.txt", "06", "07"]
    assert_same(Sequences.load(path), expected)
    assert_same(Sequences.load(path, in_memory=False), expected)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["legs.h5", "raw"]


def test_shards(folder, tmp_path):
    preparation.prepare(LegReader(folder), tmp_path / "one.h5")
    whole = Sequences.load(tmp_path / "one.h5")
    path = tmp_path / "many.h5"
    report = preparation.prepare(LegReader(folder), path, shards=3)
    assert [pathlib.Path(p).name for p in report.paths] == [
        "many-00000-of-00003.h5",
        "many-00001-of-00003.h5",
        "many-00002-of-00003.h5",
    ]
    for in_memory in (True, False):
        assert_same(Sequences.load(path, in_memory=in_memory), whole)
    second = Sequences.load(report.paths[1])
    assert second.names == whole.names[4:8]
    assert_same(Sequences.load(report.paths), whole)
    pathlib.Path(report.paths[1]).unlink()
    with pytest.raises(ValueError, match="1 of the 3 shards"):
        Sequences.load(path)
    with pytest.raises(ValueError, match="cannot be divided among 12"):
        preparation.prepare(LegReader(folder), path, shards=12)


def test_a_stopped_preparation_goes_on(folder, tmp_path, monkeypatch):
    class Stopped(Exception):
        pass

    path = tmp_path / "legs.h5"
    reader = LegReader(folder)
    read = reader.read

    def stop_at_nine(unit):
        if unit.stem == "09":
            raise Stopped
        return read(unit)

    reader.read = stop_at_nine
    # A reader's public attributes are its options; this is none.
    monkeypatch.setattr(
        preparation, "_fingerprint", lambda reader, units: str(len(units))
    )
    with pytest.raises(Stopped):
        preparation.prepare(reader, path)
    assert not path.exists()
    again = LegReader(folder)
    report = preparation.prepare(again, path)
    assert report.num_resumed == 8
    assert again._num_read == 6
    preparation.prepare(LegReader(folder), tmp_path / "at_once.h5")
    assert_same(Sequences.load(path), Sequences.load(tmp_path / "at_once.h5"))


def test_changed_files_are_read_again(folder, tmp_path):
    reader = LegReader(folder)
    units = reader.units()
    first = preparation._fingerprint(reader, units)
    assert preparation._fingerprint(LegReader(folder), units) == first
    (folder / "03.txt").write_text("1 1 2 3")
    assert preparation._fingerprint(reader, units) != first
    reader.folder = folder / "elsewhere"
    assert preparation._fingerprint(reader, units[:1]) != first


def test_foreign_folder_is_kept(folder, tmp_path):
    foreign = tmp_path / "legs.h5.parts"
    foreign.mkdir()
    (foreign / "letter.txt").write_text("dear")
    with pytest.raises(ValueError, match="something else"):
        preparation.prepare(LegReader(folder), tmp_path / "legs.h5")
    assert (foreign / "letter.txt").exists()


def test_nothing_usable(folder, tmp_path):
    for file in folder.glob("*.txt"):
        file.write_text("nothing")
    with pytest.raises(ValueError, match="14 of 14"):
        preparation.prepare(LegReader(folder), tmp_path / "legs.h5")
    assert not (tmp_path / "legs.h5").exists()


def test_repeated_names(folder, tmp_path):
    other = folder / "other"
    other.mkdir()
    (other / "00.txt").write_text((folder / "00.txt").read_text())
    reader = LegReader(folder)
    units = [*reader.units(), other / "00.txt"]
    reader.units = lambda: units
    with pytest.warns(UserWarning, match="same name"):
        data = readers.collect(reader)
    assert data.names.count("00") == 1
    report = preparation.prepare(reader, tmp_path / "legs.h5")
    assert ("00", readers.REPEATED) in map(tuple, report.skipped)


def test_files_of_different_data_sets_do_not_join(folder, tmp_path):
    preparation.prepare(LegReader(folder), tmp_path / "legs.h5")
    clips = [np.ones((4, 3, 2))]
    Sequences.from_arrays(
        clips, [0], skeleton=LEG, class_names=LegReader.class_names
    ).save(tmp_path / "flat.h5")
    with pytest.raises(ValueError, match="coordinates"):
        Sequences.load([tmp_path / "legs.h5", tmp_path / "flat.h5"])


def test_report_is_plain(folder, tmp_path):
    report = preparation.prepare(LegReader(folder), tmp_path / "legs.h5")
    assert json.loads(json.dumps(vars(report)))["num_clips"] == 11


def test_beam(folder, tmp_path):
    apache_beam = pytest.importorskip("apache_beam")
    from keras_skeleton.datasets import beam

    preparation.prepare(LegReader(folder), tmp_path / "legs.h5")
    path = tmp_path / "on_beam.h5"
    with apache_beam.Pipeline(runner="DirectRunner") as pipeline:
        report = pipeline | beam.Prepare(LegReader(folder), path, shards=3)
        (
            report
            | apache_beam.combiners.ToList()
            | apache_beam.Map(
                lambda found: (tmp_path / "report.json").write_text(
                    json.dumps(found)
                )
            )
        )
    assert_same(Sequences.load(path), Sequences.load(tmp_path / "legs.h5"))
    (report,) = json.loads((tmp_path / "report.json").read_text())
    assert report["num_clips"] == 11
    assert len(report["skipped"]) == 3
    assert not list(tmp_path.glob("*.part*"))
    with pytest.raises(ValueError, match="among 15 shards"):
        with apache_beam.Pipeline(runner="DirectRunner") as pipeline:
            pipeline | beam.Prepare(LegReader(folder), path, shards=15)
