import os
import re
import subprocess
import sys

import keras
import numpy as np
import pytest

from keras_skeleton import skeletons
from keras_skeleton.datasets import Sequences
from keras_skeleton.layers.augmentation import CropResize
from keras_skeleton.layers.augmentation import Motion
from keras_skeleton.layers.augmentation import RandomMirror
from keras_skeleton.layers.augmentation import RandomRotation

ARM = skeletons.Skeleton(
    "sequences_arm",
    ("body", "elbow", "left_hand", "right_hand"),
    ((1, 0), (2, 1), (3, 1)),
    mirror=((2, 3),),
)
LENGTHS = (5, 1, 9, 70, 3, 6, 130)


def make_clips(lengths=LENGTHS, seed=0):
    generator = np.random.default_rng(seed)
    return [generator.normal(size=(length, 4, 3)) for length in lengths]


def make_data(**changes):
    arguments = {
        "labels": [0, 1, 2, 0, 1, 2, 0],
        "skeleton": ARM,
        "names": list("abcdefg"),
        "metadata": {
            "subject": [1, 1, 2, 2, 3, 3, 4],
            "place": list("xyxyxyx"),
        },
        "class_names": ["wave", "point", "clap"],
        "splits": {"half": {"train": [0, 2, 4, 6], "test": [1, 3, 5]}},
    }
    return Sequences.from_arrays(make_clips(), **{**arguments, **changes})


def assert_equal(first, second):
    assert len(first) == len(second)
    assert first.names == second.names
    assert first.skeleton == second.skeleton
    assert first.class_names == second.class_names
    np.testing.assert_array_equal(first.labels, second.labels)
    np.testing.assert_array_equal(first.bodies, second.bodies)
    np.testing.assert_array_equal(first.lengths, second.lengths)
    assert first.metadata.keys() == second.metadata.keys()
    for name, values in first.metadata.items():
        np.testing.assert_array_equal(values, second.metadata[name])
    assert first.splits.keys() == second.splits.keys()
    for protocol, parts in first.splits.items():
        for part, indices in parts.items():
            found = second.splits[protocol][part]
            np.testing.assert_array_equal(indices, found)


def test_clips_and_labels():
    data = make_data()
    for index, clip in enumerate(make_clips()):
        found, label = data[index]
        np.testing.assert_array_equal(found, np.float32(clip)[None])
        assert label == index % 3
    assert data[-1][0].shape == (1, 130, 4, 3)
    with pytest.raises(IndexError):
        data[7]
    assert data.bodies.shape == (sum(LENGTHS), 4, 3)
    text = "7 clips of 1 to 130 frames, 1 person, 4 joints, 3 coordinates, "
    assert repr(data) == f"Sequences({text}3 classes, protocols half)"


def test_several_persons():
    one = np.ones((5, 4, 3))
    two = np.full((2, 3, 4, 3), 2.0)
    data = Sequences.from_arrays([one, two], skeleton=ARM)
    assert data[0][0].shape == (2, 5, 4, 3)
    assert not data[0][0][1].any()
    np.testing.assert_array_equal(data[1][0], two)
    np.testing.assert_array_equal(data.labels, [-1, -1])


def test_select_and_split():
    data = make_data()
    train, test = data.split("half")
    assert train.names == list("aceg") and test.names == list("bdf")
    for part in (train, test):
        for index, name in enumerate(part.names):
            whole = data.names.index(name)
            np.testing.assert_array_equal(part[index][0], data[whole][0])
            assert part[index][1] == data[whole][1]
        bodies = np.concatenate([clip[0] for clip, _ in part])
        np.testing.assert_array_equal(part.bodies, bodies)
        assert part.lengths.sum() == len(bodies)
    picked = data.select([6, -6, 2]).select([2, 1])
    assert picked.names == ["c", "b"]
    np.testing.assert_array_equal(picked.metadata["subject"], [2, 1])
    np.testing.assert_array_equal(picked.splits["half"]["train"], [0])
    chosen = data.select(data.metadata["subject"] == 3)
    assert chosen.names == ["e", "f"]
    assert len(data.select([])) == 0 and "0 clips" in repr(data.select([]))
    for wrong in ([7], [-8], [0.5], [[0]], [True]):
        with pytest.raises(ValueError, match="clips"):
            data.select(wrong)
    with pytest.raises(ValueError, match="'xview'.*'half'"):
        data.split("xview")


def test_fraction():
    data = make_data()
    order = [3, 1, 0, 2, 6, 5, 4]
    assert data.fraction(0.5, permutation=order).names == list("dba")
    assert data.fraction(0.5).names == data.fraction(0.5, seed=0).names
    assert sorted(data.fraction(1.0, seed=3).names) == list("abcdefg")
    for wrong in ({"ratio": 0}, {"ratio": 1.1}, {"ratio": 0.1}):
        with pytest.raises(ValueError):
            data.fraction(**wrong)
    with pytest.raises(ValueError, match="every clip once"):
        data.fraction(0.5, permutation=[0, 0, 1, 2, 3, 4, 5])


def test_padded():
    data = make_data()
    batch = data.padded([2, 0])
    assert batch.shape == (2, 1, 9, 4, 3) and batch.dtype == "float32"
    np.testing.assert_array_equal(batch[1, :, :5], data[0][0])
    assert not batch[1, :, 5:].any()
    np.testing.assert_array_equal(data.padded([2], 4)[0], data[2][0][:, :4])
    assert data.padded([0], 12).shape == (1, 1, 12, 4, 3)


def test_duplicates():
    clips = make_clips()
    data = Sequences.from_arrays([*clips, clips[2], clips[0]], skeleton=ARM)
    np.testing.assert_array_equal(data.duplicates(), [7, 8])
    changed = [clip.copy() for clip in clips]
    changed[1][0, 0, 0] += 1
    changed[4] = changed[4][:2]
    # The same frames in a set with room for two persons.
    changed[6] = np.stack([changed[6], np.zeros_like(changed[6])])
    other = Sequences.from_arrays(changed, skeleton=ARM)
    np.testing.assert_array_equal(data.duplicates(other), [0, 2, 3, 5, 6, 7, 8])
    np.testing.assert_array_equal(other.duplicates(data), [0, 2, 3, 5, 6])


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


GOOD = np.ones((6, 4, 3))
HOLE = np.ones((6, 4, 3))
HOLE[3, 1, 2] = np.inf


@pytest.mark.parametrize(
    ("clip", "reason"),
    [
        (np.ones((6, 5, 3)), "5 joints.*'sequences_arm' has 4"),
        (np.ones((4, 6, 3)), "frames and joints seem to be swapped"),
        (np.ones((3, 6, 4)), "another order"),
        (np.ones((1, 6, 3, 4)), "another order"),
        (np.ones((6, 4, 9)), "9 coordinates"),
        (np.ones((60, 2, 4, 3)), "persons and frames seem to be swapped"),
        (np.ones((6, 12)), "its shape is"),
        (np.ones((0, 4, 3)), "empty"),
        (HOLE, "infinite.*frame 3"),
        (HOLE[None], "infinite.*frame 3"),
        (np.full((6, 4, 3), 1e300), "infinite"),
        ([[1, 2], [3]], "rectangular"),
        (np.full((6, 4, 3), "1"), "no real numbers"),
        (None, "no real numbers"),
        (np.ones((6, 4, 2)), "2 coordinates, others have 3"),
    ],
)
@pytest.mark.filterwarnings("ignore:overflow")
def test_faulty_clips(clip, reason):
    clips = [GOOD, clip, GOOD * 2]
    arguments = {
        "labels": [0, 1, 2],
        "names": ["first", "bad one", "last"],
        "metadata": {"camera": [1, 2, 3]},
        "splits": {"half": {"train": [0, 1], "test": [2]}},
        "skeleton": ARM,
    }
    with pytest.raises(ValueError, match=rf"1 of 3[\s\S]*bad one.*{reason}"):
        Sequences.from_arrays(clips, **arguments)
    data = Sequences.from_arrays(clips, strict=False, **arguments)
    assert data.names == ["first", "last"]
    np.testing.assert_array_equal(data.labels, [0, 2])
    np.testing.assert_array_equal(data.metadata["camera"], [1, 3])
    np.testing.assert_array_equal(data.splits["half"]["train"], [0])
    np.testing.assert_array_equal(data.splits["half"]["test"], [1])
    ((name, why),) = data.skipped
    assert name == "bad one" and re.search(reason, why)
    assert "1 left out" in repr(data)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"labels": [0, 1]}, "7 clips but 2 entries of 'labels'"),
        ({"labels": np.eye(7)}, "one-hot"),
        ({"labels": [0.5] * 7}, "whole number"),
        ({"labels": [0, 1, 3, 0, 0, 0, 0]}, "the label 3 for clip 2"),
        ({"names": ["a"]}, "entries of 'names'"),
        ({"metadata": {"camera": [1]}}, "entries of 'camera'"),
        ({"splits": {"half": {"train": [99]}}}, "indices"),
        ({"skeleton": "coco17"}, "7 of 7 clips"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        make_data(**arguments)


def test_wrong_structure():
    bodies = np.zeros((6, 4, 3), "float32")
    for lengths in ([3], [3, 0, 3], [7, -1], [1.5, 4.5], [[6]], [], [5]):
        with pytest.raises(ValueError, match="`lengths`"):
            Sequences(bodies, lengths, skeleton=ARM)
    for persons in ([1], [2, 0], [3, 1, 1], [2, 2]):
        with pytest.raises(ValueError, match="`persons`"):
            Sequences(bodies, [2, 2], persons=persons, skeleton=ARM)
    for wrong in (bodies[0], bodies[:, :2]):
        with pytest.raises(ValueError, match="`bodies`"):
            Sequences(wrong, [6], skeleton=ARM)
    with pytest.raises(ValueError, match="no clips"):
        Sequences.from_arrays([], skeleton=ARM)


def make_transforms():
    return [
        CropResize(8, (0.5, 1.0), min_frames=2),
        RandomRotation(0.4),
        Motion(),
        RandomMirror(ARM),
    ]


def to_numpy(batches):
    return [
        tuple(np.asarray(part) for part in batch)
        if isinstance(batch, tuple)
        else (np.asarray(batch),)
        for batch in batches
    ]


def assert_batches_equal(first, second, atol=0.0):
    assert len(first) == len(second)
    for one, other in zip(first, second, strict=True):
        assert [part.shape for part in one] == [part.shape for part in other]
        for part, twin in zip(one, other, strict=True):
            assert part.dtype == twin.dtype
            np.testing.assert_allclose(part, twin, atol=atol)


@pytest.mark.parametrize("transformed", [True, False])
@pytest.mark.parametrize("labels", [True, False])
@pytest.mark.parametrize("drop_remainder", [True, False])
def test_both_pipelines_agree(transformed, labels, drop_remainder):
    pytest.importorskip("tensorflow")
    data = make_data()
    arguments = {
        "transforms": make_transforms() if transformed else (),
        "batch_size": 3,
        "shuffle": True,
        "seed": 5,
        "labels": labels,
        "drop_remainder": drop_remainder,
    }
    batches = data.to_keras(**arguments)
    dataset = data.to_dataset(**arguments)
    spec = dataset.element_spec[0] if labels else dataset.element_spec
    length = 8 if transformed else max(LENGTHS)
    expected = (3 if drop_remainder else None, 1, length, 4, 3)
    assert tuple(spec.shape) == expected
    assert len(batches) == len(dataset) == (2 if drop_remainder else 3)
    epochs = []
    for _ in range(3):
        epochs.append(to_numpy(batches))
        assert_batches_equal(epochs[-1], to_numpy(dataset), atol=1e-5)
    assert not np.array_equal(epochs[0][0][0], epochs[1][0][0])
    batches.set_epoch(1)
    dataset.set_epoch(1)
    assert_batches_equal(to_numpy(batches), epochs[1])
    assert_batches_equal(to_numpy(dataset), epochs[1], atol=1e-5)


def test_order_without_shuffling():
    data = make_data()
    batches = data.to_keras(batch_size=3)
    clips, labels = batches[0]
    np.testing.assert_array_equal(labels, [0, 1, 2])
    assert labels.dtype == "int32"
    np.testing.assert_array_equal(clips, data.padded([0, 1, 2], 130))
    assert len(batches[2][1]) == 1
    with pytest.raises(IndexError):
        batches[3]


def test_shuffling_shows_every_clip_once():
    data = make_data(labels=list(range(7)), class_names=None)
    batches = data.to_keras(batch_size=3, shuffle=True)
    orders = [
        np.concatenate([labels for _, labels in batches]).tolist()
        for _ in range(4)
    ]
    assert all(sorted(order) == list(range(7)) for order in orders)
    assert len({tuple(order) for order in orders}) > 1
    again = data.to_keras(batch_size=2, shuffle=True)
    found = np.concatenate([labels for _, labels in again]).tolist()
    assert found == orders[0]
    other = data.to_keras(batch_size=7, shuffle=True, seed=1)
    assert other[0][1].tolist() != orders[0]


def test_padding_does_not_change_crops():
    # A batch of short clips is padded less than one with a long clip.
    data = make_data()
    crop = CropResize(8, 0.95)
    whole = data.to_keras(crop, batch_size=7)[0][0]
    single = [data.select([i]).to_keras(crop)[0][0][0] for i in range(7)]
    np.testing.assert_allclose(whole, single, atol=1e-6)


@pytest.mark.parametrize(
    ("kind", "workers"),
    [("to_keras", 1), ("to_keras", 2), ("to_dataset", None)],
)
def test_fit_sees_the_planned_epochs(kind, workers):
    if kind == "to_dataset":
        pytest.importorskip("tensorflow")
    data = make_data()
    transforms = [CropResize(4, (0.5, 1.0), min_frames=2)]
    seen = []

    class Record(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            batches.set_epoch(epoch)

        def on_epoch_end(self, epoch, logs=None):
            seen.append(logs["loss"])

    def train(first, last):
        keras.utils.set_random_seed(1)
        model = keras.Sequential(
            [keras.Input((1, 4, 4, 3)), keras.layers.Flatten()]
            + [keras.layers.Dense(3, kernel_initializer="zeros")]
        )
        model.compile(
            keras.optimizers.SGD(0.0),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        )
        model.layers[-1].set_weights([np.eye(48, 3), np.zeros(3)])
        model.fit(
            batches,
            initial_epoch=first,
            epochs=last,
            callbacks=[Record()],
            verbose=0,
            shuffle=False,
        )
        assert model.predict(batches, verbose=0).shape == (7, 3)

    make = getattr(data, kind)
    arguments = {"batch_size": 3, "shuffle": True, "seed": 2}
    batches = make(transforms, workers=workers, **arguments)
    train(0, 3)
    batches = make(transforms, workers=workers, **arguments)
    train(2, 3)
    assert len(set(seen[:3])) == 3
    assert seen[3] == pytest.approx(seen[2], rel=1e-6)


def test_threads_give_the_same_batches():
    data = make_data()
    batches = data.to_keras(make_transforms(), batch_size=2, shuffle=True)
    threaded = data.to_keras(
        make_transforms(), batch_size=2, shuffle=True, workers=3
    )
    inputs = keras.Input((1, 8, 4, 3))
    model = keras.Model(inputs, keras.layers.Identity()(inputs))
    expected = np.concatenate([clips for clips, _ in batches])
    found = model.predict(threaded, verbose=0)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_pipelines_from_disk(tmp_path):
    data = make_data()
    data.save(tmp_path / "clips.h5")
    mapped = Sequences.load(tmp_path / "clips.h5", in_memory=False)
    arguments = {"transforms": make_transforms(), "batch_size": 4, "seed": 3}
    assert_batches_equal(
        to_numpy(mapped.to_keras(**arguments)),
        to_numpy(data.to_keras(**arguments)),
    )


@pytest.mark.parametrize("kind", ["to_keras", "to_dataset"])
def test_wrong_pipelines(kind):
    make = getattr(make_data(), kind)
    with pytest.raises(ValueError, match="`batch_size`"):
        make(batch_size=0)
    with pytest.raises(ValueError, match="`seed`"):
        make(seed=-1)
    with pytest.raises(ValueError, match="`transforms`"):
        make([lambda clips: clips])
    with pytest.raises(ValueError, match="fill no batch"):
        make(batch_size=8, drop_remainder=True)
    unlabelled = make_data(labels=None)
    with pytest.raises(ValueError, match="labels=False"):
        getattr(unlabelled, kind)()
    with pytest.raises(ValueError, match="no clips"):
        getattr(make_data().select([]), kind)()


def test_without_tensorflow(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(ImportError, match="pip install tensorflow.*to_keras"):
        make_data().to_dataset()


def test_imports_are_lazy():
    code = (
        "import sys, keras_skeleton.datasets.sequences; "
        "heavy = {'tensorflow', 'keras', 'h5py', 'torch', 'jax'}; "
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
