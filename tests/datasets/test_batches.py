import sys
import tracemalloc

import keras
import numpy as np
import pytest
from arms import ARM
from arms import LENGTHS
from arms import make_data

from keras_skeleton.datasets import Sequences
from keras_skeleton.layers.augmentation import CropResize
from keras_skeleton.layers.augmentation import MaskFrames
from keras_skeleton.layers.augmentation import Motion
from keras_skeleton.layers.augmentation import PadTo
from keras_skeleton.layers.augmentation import RandomFrames
from keras_skeleton.layers.augmentation import RandomMirror
from keras_skeleton.layers.augmentation import RandomRotation
from keras_skeleton.layers.augmentation import RandomScale
from keras_skeleton.layers.augmentation import RandomSegmentFrames
from keras_skeleton.layers.augmentation import Streams
from keras_skeleton.layers.augmentation import UniformSample
from keras_skeleton.layers.augmentation import UniformSampleDecode
from keras_skeleton.layers.augmentation import Views


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


def make_gaps():
    """Clips in which nobody is found at the end, or in the middle."""
    clips = [np.ones((30, 4, 3)) * np.arange(1, 31)[:, None, None]] * 3
    clips = [clip.copy() for clip in clips]
    clips[0][20:] = 0
    clips[1][10:20] = 0
    return Sequences.from_arrays([*clips, np.ones((90, 4, 3))], skeleton=ARM)


@pytest.mark.parametrize("kind", ["to_keras", "to_dataset"])
@pytest.mark.parametrize("leading", [[], [RandomRotation(0.0)]])
@pytest.mark.parametrize(
    "choice",
    [CropResize(30, 1.0), RandomSegmentFrames(30), PadTo(30, "zero")],
)
def test_lengths_are_those_of_the_data_set(kind, leading, choice):
    if kind == "to_dataset":
        pytest.importorskip("tensorflow")
    data = make_gaps()
    # All frames are taken as they are, whoever is in them, whether they are
    # chosen before they are read or after another transform.
    batches = getattr(data.select([0, 1, 2]), kind)(
        [*leading, choice], labels=False
    )
    (clips,) = batches
    expected = data.padded([0, 1, 2], 30)
    np.testing.assert_allclose(np.asarray(clips), expected, atol=1e-6)


@pytest.mark.once
def test_the_end_of_a_clip_with_a_gap_is_seen():
    data = make_gaps()
    (clips,) = data.to_keras(CropResize(15, 1.0), labels=False)
    assert clips[1, 0, -1, 0, 0] > 29
    # Half-way between the last two pairs of frames, as nothing is left out.
    np.testing.assert_allclose(clips[2, 0, :, 0, 0], np.arange(15) * 2 + 1.5)


@pytest.mark.parametrize("kind", ["to_keras", "to_dataset"])
def test_nothing_moves_into_the_padding(kind):
    if kind == "to_dataset":
        pytest.importorskip("tensorflow")
    data = make_data()
    whole = list(getattr(data, kind)(Motion(), batch_size=7, labels=False))
    for index, clip in enumerate(np.asarray(whole[0])):
        alone = data.select([index]).to_keras(Motion(), labels=False)[0][0]
        np.testing.assert_allclose(clip[:, : alone.shape[1]], alone, atol=1e-6)
        assert not clip[:, alone.shape[1] :].any()


@pytest.mark.once
def test_lengths_follow_the_transforms():
    data = make_gaps().select([0])
    transforms = [
        PadTo(25),
        MaskFrames(25, "suffix", 0.4),
        RandomSegmentFrames(5),
    ]
    (clips,) = data.to_keras(transforms, labels=False, training=True)
    # Ten of 25 frames are removed, which does not make the clip shorter.
    assert np.flatnonzero(clips[0, 0, :, 0, 0]).tolist() == [0, 1, 2]


@pytest.mark.parametrize("make", ("to_keras", "to_dataset"))
def test_nothing_is_drawn_outside_training(make):
    """Passes over test clips are equal, whatever seed and epoch."""
    if make == "to_dataset":
        pytest.importorskip("tensorflow")
    transforms = [RandomFrames(8), RandomScale((0.5, 2.0))]
    data = make_data()
    passes = []
    for seed in (0, 1):
        batches = getattr(data, make)(transforms, 7, seed=seed, labels=False)
        for _ in range(2):
            passes.append(np.asarray(next(iter(batches))))
    even = RandomFrames(8).on_numpy()(data.padded(range(7)), None, data.lengths)
    for each in passes:
        np.testing.assert_array_equal(each, even)
    asked = getattr(data, make)(transforms, 7, labels=False, training=True)
    assert np.any(np.asarray(next(iter(asked))) != even)
    # And a training may look at clips as they are tested.
    batches = getattr(data, make)(
        transforms, 7, shuffle=True, labels=False, training=False, numbers=True
    )
    batch = next(iter(batches))
    order = np.asarray(batch["sample"])
    np.testing.assert_array_equal(np.asarray(batch["clips"]), even[order])


CHOICES = [
    CropResize(16),
    RandomFrames(16),
    RandomSegmentFrames(16),
    UniformSample(16, streams=Streams(ARM)),
    UniformSample(16, num_clips=2, mode="test"),
    UniformSampleDecode(16),
    PadTo(16),
]


@pytest.mark.once
@pytest.mark.parametrize("choice", CHOICES, ids=lambda c: c.name)
@pytest.mark.parametrize("in_memory", [True, False])
def test_a_long_clip_takes_no_memory(choice, in_memory, tmp_path):
    lengths = (20, 30, 20_000, 40)
    generator = np.random.default_rng(0)
    clips = [generator.normal(size=(n, 4, 3)) for n in lengths]
    data = Sequences.from_arrays(clips, skeleton=ARM)
    data.save(tmp_path / "clips.h5")
    data = Sequences.load(tmp_path / "clips.h5", in_memory=in_memory)
    batches = data.to_keras([choice], shuffle=True, labels=False)
    if choice.num_draws == 0:
        batches[0]  # Tables of the test pipeline are made once.
    tracemalloc.start()
    batch = batches[0]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert batch.shape == choice.compute_output_shape((4, 1, 1, 4, 3))
    padded = 4 * max(lengths) * 4 * 3 * 4
    # A batch, what it is made of and what it takes on the way.
    assert peak < max(12 * batch.nbytes, 60_000) < padded / 20
    plan = batches.plan
    order, draws = plan.epoch_plan(0)
    raw, frames, _ = plan.read(order, draws)
    assert raw.shape[2] == frames.shape[1] <= 2 * batch.shape[2]


@pytest.mark.once
def test_chosen_frames_give_what_padded_clips_give():
    data = make_data()
    for choice in CHOICES:
        batches = data.to_keras(
            [choice], batch_size=7, labels=False, training=True
        )
        draws = batches.plan.epoch_plan(0)[1] if choice.num_draws else None
        expected = choice.on_numpy()(data.padded(range(7)), draws, data.lengths)
        np.testing.assert_array_equal(batches[0], expected, choice.name)


@pytest.mark.parametrize("kind", ["to_keras", "to_dataset"])
@pytest.mark.parametrize("views", [True, False])
def test_one_long_clip_among_short_ones(kind, views, monkeypatch):
    """Where frames are not chosen first, few are padded to its length."""
    if kind == "to_dataset":
        pytest.importorskip("tensorflow")
    generator = np.random.default_rng(0)
    lengths = [30 + index % 20 for index in range(48)]
    lengths[17] = 40_000
    clips = [generator.normal(size=(length, 4, 3)) for length in lengths]
    data = Sequences.from_arrays(clips, range(48), skeleton=ARM)
    transforms = [Motion(), CropResize(8, (0.5, 1.0), min_frames=2)]
    if views:
        transforms = [Views([Motion()], one=transforms[1:], two=transforms[1:])]
    read, padded = [], Sequences.padded

    def record(self, *arguments):
        found = padded(self, *arguments)
        read.append(found.nbytes)
        return found

    monkeypatch.setattr(Sequences, "padded", record)
    settings = {"batch_size": 48, "shuffle": True, "seed": 3}
    (batch,) = getattr(data, kind)(transforms, **settings)
    assert max(read) < 3 * 40_000 * 4 * 3 * 4
    assert sum(read) < 5 * 40_000 * 4 * 3 * 4
    # The same, all padded to the longest at once.
    plan = data.to_keras(transforms, **settings).plan
    order, draws = plan.epoch_plan(0)
    expected = plan.transform(*plan.read(order, draws), draws)
    found, labels = batch
    np.testing.assert_array_equal(labels, order)
    for view in ("one", "two") if views else (None,):
        one, other = (x[view] if view else x for x in (found, expected))
        np.testing.assert_allclose(np.asarray(one), other, atol=1e-5)
