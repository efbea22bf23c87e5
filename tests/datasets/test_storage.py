import os

import numpy as np
import pytest
from arms import ARM
from arms import assert_equal
from arms import make_data

from keras_skeleton.datasets import Sequences

pytestmark = pytest.mark.once


@pytest.mark.parametrize("in_memory", [True, False])
def test_save_and_load(tmp_path, in_memory):
    path = tmp_path / "clips.h5"
    data = make_data()
    data.skipped = [("h", "it is empty")]
    data.save(path)
    loaded = Sequences.load(path, in_memory=in_memory)
    assert_equal(loaded, data)
    assert list(map(tuple, loaded.skipped)) == data.skipped
    assert isinstance(loaded.bodies, np.memmap) is not in_memory
    np.testing.assert_array_equal(loaded.padded([1, 3]), data.padded([1, 3]))
    # Saving over the file that the clips come from.
    loaded.select([4, 0]).save(path)
    assert_equal(Sequences.load(path), data.select([4, 0]))
    loaded.select([]).save(path)
    assert len(Sequences.load(path, in_memory=in_memory)) == 0
    assert os.listdir(tmp_path) == ["clips.h5"]


def test_save_is_atomic(tmp_path, monkeypatch):
    path = tmp_path / "clips.h5"
    data = make_data()
    data.save(path)
    whole = path.read_bytes()

    def fail(index):
        raise OSError("disk full")

    broken = make_data()
    monkeypatch.setattr(broken, "clip", fail)
    with pytest.raises(OSError, match="disk full"):
        broken.save(path)
    assert path.read_bytes() == whole
    assert os.listdir(tmp_path) == ["clips.h5"]


def test_load_refuses_other_files(tmp_path):
    import h5py

    path = tmp_path / "clips.h5"
    with pytest.raises(FileNotFoundError, match="clips.h5"):
        Sequences.load(path)
    make_data().save(path)
    whole = path.read_bytes()
    for size in (0, 10, 1000, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(ValueError, match="clips.h5.*cut off"):
            Sequences.load(path, in_memory=False)
    path.write_text("name,label\n")
    with pytest.raises(ValueError, match="another kind"):
        Sequences.load(path)
    with h5py.File(path, "w") as file:
        file["frames"] = np.zeros(3)
    with pytest.raises(ValueError, match="not one that"):
        Sequences.load(path)
    path.write_bytes(whole)
    with h5py.File(path, "a") as file:
        file.attrs["version"] = 99
    with pytest.raises(ValueError, match="newer version"):
        Sequences.load(path)
    path.write_bytes(whole)
    with h5py.File(path, "a") as file:
        del file["labels"]
    with pytest.raises(ValueError, match="damaged"):
        Sequences.load(path)


def write_old_form(data, path):
    """Writes a file of version 1: bodies frame by frame, with offsets."""
    import h5py

    data.save(path)
    bodies = [
        data.clip(index).swapaxes(0, 1).reshape(-1, 4, 3)
        for index in range(len(data))
    ]
    with h5py.File(path, "a") as file:
        file["bodies"][:] = np.concatenate(bodies)
        del file["lengths"]
        file["offsets"] = np.cumsum([0, *data.lengths])
        file.attrs["version"] = 1


def make_pairs(count=3, seed=0):
    """Clips of one and of two persons."""
    generator = np.random.default_rng(seed)
    clips = [
        generator.normal(size=(1 + index % 2, 4 + index, 4, 3))
        for index in range(count)
    ]
    return Sequences.from_arrays(clips, range(count), skeleton=ARM)


@pytest.mark.parametrize("in_memory", [True, False])
def test_old_form(tmp_path, in_memory):
    data = make_pairs(5)
    path = tmp_path / "clips.h5"
    write_old_form(data, path)
    with pytest.warns(UserWarning, match="clips.h5.*old form") as warned:
        old = Sequences.load(path, in_memory=in_memory)
    assert len(warned) == 1
    assert_equal(old, data)
    for index in range(5):
        np.testing.assert_array_equal(old.clip(index), data.clip(index))
    picked = old.select([3, 1])
    np.testing.assert_array_equal(picked.bodies, data.select([3, 1]).bodies)
    # Written anew it is of today's form, and nothing is said.
    old.save(tmp_path / "new.h5")
    new = Sequences.load(tmp_path / "new.h5", in_memory=in_memory)
    assert_equal(new, data)
    assert isinstance(new.bodies, np.memmap) is not in_memory


def test_old_form_among_shards(tmp_path):
    first, second = make_pairs(2), make_pairs(3, seed=1)
    paths = [tmp_path / "first.h5", tmp_path / "second.h5"]
    write_old_form(first, paths[0])
    second.save(paths[1])
    with pytest.warns(UserWarning, match="first.h5.*old form"):
        joined = Sequences.load(paths, in_memory=False)
    expected = np.concatenate([first.bodies, second.bodies])
    np.testing.assert_array_equal(joined.bodies, expected)
    np.testing.assert_array_equal(joined.clip(1), first.clip(1))
    np.testing.assert_array_equal(joined.clip(3), second.clip(1))


@pytest.mark.parametrize("in_memory", [True, False])
def test_take_frames_from_disk(tmp_path, in_memory):
    data = make_pairs(4)
    paths = [tmp_path / f"{index}.h5" for index in range(2)]
    for index, path in enumerate(paths):
        data.select([2 * index, 2 * index + 1]).save(path)
    joined = Sequences.load(paths, in_memory=in_memory)
    frames = np.array([[3, 0, 0], [5, 1, 6], [0, 4, 2]])
    taken = joined.take_frames([1, 2, 0], np.minimum(frames, 3))
    assert taken.shape == (3, 2, 3, 4, 3) and taken.dtype == "float32"
    for row, index in enumerate([1, 2, 0]):
        expected = data[index][0][:, np.minimum(frames, 3)[row]]
        np.testing.assert_array_equal(taken[row], expected)
