"""HDF5 files of others: what is read of them, and what is refused."""

import h5py
import numpy as np
import pytest

from keras_skeleton.datasets.files import hdf5

pytestmark = pytest.mark.once


@pytest.fixture
def path(tmp_path):
    return tmp_path / "data.h5"


def write(path, name="data", *arguments, **settings):
    with h5py.File(path, "w") as file:
        return file.create_dataset(name, *arguments, **settings)


def get(path, name="data", shape=(None,), kinds="fiu", most=1 << 40):
    with hdf5.open_file(path) as file:
        return hdf5.get_dataset(file, name, shape, kinds, most)[()]


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"chunks": (100,)},
        {"chunks": (1000,), "compression": "gzip", "compression_opts": 9},
        {"chunks": (1000,), "compression": "lzf", "shuffle": True},
        {"chunks": (5000,), "fletcher32": True, "maxshape": (None,)},
    ],
    ids=str,
)
@pytest.mark.parametrize("constant", [True, False])
def test_all_usual_forms_are_read(path, settings, constant):
    data = np.zeros(5000) if constant else np.random.random(5000)
    write(path, data=data, **settings)
    np.testing.assert_array_equal(get(path), data)


@pytest.mark.parametrize(
    "settings",
    [
        {"shape": (1 << 36,), "chunks": (1024,)},
        {"shape": (1 << 36,), "chunks": (1024,), "compression": "gzip"},
        {"shape": (1 << 36,)},
        {"shape": (10,), "chunks": (1 << 28,), "maxshape": (None,)},
    ],
    ids=str,
)
def test_more_than_the_file_holds(path, settings):
    write(path, dtype="f4", **settings)
    with pytest.raises(ValueError, match="'data' .*(shape|chunks)"):
        get(path)


def test_filters_that_have_to_be_loaded(path):
    with h5py.File(path, "w") as file:
        plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plan.set_chunk((10,))
        # Optional, so that it can be written without the filter.
        plan.set_filter(32015, h5py.h5z.FLAG_OPTIONAL, ())
        space = h5py.h5s.create_simple((10,))
        h5py.h5d.create(file.id, b"data", h5py.h5t.NATIVE_INT32, space, plan)
    with pytest.raises(ValueError, match="unknown filters .32015"):
        get(path)


def test_texts(path):
    texts = ["a", "", "ää", "b" * 5000, "a"]
    write(path, data=np.array(texts, object), dtype=h5py.string_dtype())
    with hdf5.open_file(path) as file:
        found = hdf5.open_dataset(file, "data")
        assert hdf5.is_text(found)
        read = hdf5.read_text(found, "data", 6000)
        assert [each.decode() for each in read] == texts
        with pytest.raises(ValueError, match="larger than it"):
            hdf5.read_text(found, "data", 5000)
    with h5py.File(path, "w") as file:
        file["data"] = "one"
        kind = h5py.string_dtype()
        file.create_dataset("chunks", (3,), kind, chunks=(3,))
    with hdf5.open_file(path) as file:
        found = hdf5.open_dataset(file, "data")
        assert hdf5.read_text(found, "data", 3) == [b"one"]
        found = hdf5.open_dataset(file, "chunks")
        with pytest.raises(ValueError, match="in chunks"):
            hdf5.read_text(found, "chunks", 10)


def soft(file):
    file["a/soft"] = h5py.SoftLink("/a/b")


def external(file):
    file["a/far"] = h5py.ExternalLink("other.h5", "/x")


def outside(file):
    file.create_dataset("a/x", (10,), "u1", external=[("/etc/passwd", 0, 10)])


def virtual(file):
    layout = h5py.VirtualLayout((3,), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "x", (3,))
    file.create_virtual_dataset("a/x", layout)


def huge(file):
    file.create_dataset("a/x", (1 << 40,), "f4", chunks=(1024,))


def many(file):
    for index in range(50):
        file.create_dataset(f"a/x{index}", (1 << 21,), "f4", chunks=(1024,))


def in_a_circle(file):
    file["a/again"] = file["a"]


def twice(file):
    file["a/again"] = file["a/b"]


def deep(file):
    file["/".join("d" * 200)] = 1


def kind(file):
    file["a/kind"] = np.dtype("f4")


@pytest.mark.parametrize(
    "change",
    [
        soft,
        external,
        outside,
        virtual,
        huge,
        many,
        in_a_circle,
        twice,
        deep,
        kind,
    ],
)
def test_whole_files(path, change):
    with h5py.File(path, "w") as file:
        file["a/b"] = np.zeros(1000)
        file["c"] = "text"
    hdf5.check_file(path)
    with h5py.File(path, "a") as file:
        change(file)
    with pytest.raises(ValueError, match="its|it has"):
        hdf5.check_file(path)
