"""Several views of each clip, in a step and in pipelines."""

import keras
import numpy as np
import pytest
from arms import ARM
from arms import LENGTHS
from arms import make_data
from keras import ops

from keras_skeleton.layers.augmentation import Center
from keras_skeleton.layers.augmentation import CropResize
from keras_skeleton.layers.augmentation import DropAxis
from keras_skeleton.layers.augmentation import Motion
from keras_skeleton.layers.augmentation import RandomApply
from keras_skeleton.layers.augmentation import RandomMirror
from keras_skeleton.layers.augmentation import RandomRotation
from keras_skeleton.layers.augmentation import RandomScale
from keras_skeleton.layers.augmentation import Views
from keras_skeleton.layers.augmentation import deserialize_transforms
from keras_skeleton.layers.augmentation import serialize_transforms
from keras_skeleton.training import PretextModel
from keras_skeleton.training import ResumeTraining

NAMES = ("weak", "strong", "plain")


def make_views(seed=None):
    weak = [RandomRotation(0.4)]
    strong = [
        CropResize(8, (0.5, 1.0), min_frames=2),
        *weak,
        RandomApply(DropAxis(), 0.5),
        Motion(),
    ]
    return Views(
        [Center(), RandomMirror(ARM)],
        weak=weak,
        strong=strong,
        plain=[],
        seed=seed,
    )


def make_clips(samples=6, frames=12, seed=0):
    shape = (samples, 1, frames, 4, 3)
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def as_numpy(views):
    return {name: ops.convert_to_numpy(view) for name, view in views.items()}


def assert_same(found, expected, atol=0.0):
    assert set(found) == set(expected)
    for name, view in expected.items():
        np.testing.assert_allclose(
            ops.convert_to_numpy(found[name]), view, atol=atol, err_msg=name
        )


def test_views_are_chains_with_draws_of_their_own():
    layer = make_views()
    assert layer.view_names == NAMES
    assert layer.num_draws == 1 + 3 + (2 + 3 + 2)
    clips, lengths = make_clips(), np.array([12, 12, 5, 12, 7, 3], "int32")
    for clip, length in zip(clips, lengths, strict=True):
        clip[:, length:] = 0
    draws = np.random.default_rng(1).random((6, layer.num_draws), "float32")
    expected, start = {}, 1
    common = Center()(clips, lengths=lengths)
    common = RandomMirror(ARM)(common, draws=draws[:, :1], lengths=lengths)
    for name, layers in layer.views.items():
        view, left = common, lengths
        for each in layers:
            stop = start + each.num_draws
            own = draws[:, start:stop] if each.num_draws else None
            view = each(view, draws=own, lengths=left)
            left = each.new_lengths(view, own, left)
            start = stop
        expected[name] = ops.convert_to_numpy(view)
    found = layer(clips, draws=draws, lengths=lengths)
    assert_same(found, expected)
    shapes = layer.compute_output_shape(clips.shape)
    assert {k: v.shape for k, v in expected.items()} == shapes
    found = layer.on_numpy()(clips, draws=draws, lengths=lengths)
    assert_same(found, expected, atol=1e-6)
    found = layer.twin("numpy").new_lengths(clips, draws, lengths)
    assert found["strong"].tolist() == [8] * 6
    assert found["weak"].tolist() == lengths.tolist()
    # A clip alone, without the padding that others bring.
    alone = layer(clips[2:3, :, :5], draws=draws[2:3], lengths=lengths[2:3])
    for name, view in as_numpy(alone).items():
        frames = view.shape[2]
        np.testing.assert_allclose(
            view[0], expected[name][2, :, :frames], atol=1e-6
        )


def test_training_and_not():
    layer = make_views(seed=3)
    clips = make_clips()
    calm = as_numpy(layer(clips))
    assert_same(layer(clips, training=False), calm)
    np.testing.assert_array_equal(calm["weak"], calm["plain"])
    first = as_numpy(layer(clips, training=True))
    second = as_numpy(layer(clips, training=True))
    same = Views(query=[RandomScale((0.5, 2.0))], key=[RandomScale((0.5, 2.0))])
    made = as_numpy(same(clips, training=True))
    assert not np.allclose(made["query"], made["key"])
    for name in ("weak", "strong"):
        assert not np.allclose(first[name], second[name])
        assert not np.allclose(first[name], calm[name])
    again = make_views(seed=3)
    assert_same(again(clips, training=True), first)


def test_serialisation(tmp_path):
    layer = make_views(seed=3)
    config = keras.saving.serialize_keras_object(layer)
    revived = keras.saving.deserialize_keras_object(config)
    assert revived.get_config() == layer.get_config()
    (described,) = serialize_transforms([layer])
    (other,) = deserialize_transforms([described])
    clips = make_clips()
    draws = np.random.default_rng(1).random((6, layer.num_draws), "float32")
    expected = as_numpy(layer(clips, draws=draws))
    assert_same(revived(clips, draws=draws), expected)
    assert_same(other(clips, draws=draws), expected)
    inputs = keras.Input(clips.shape[1:])
    model = keras.Model(inputs, layer(inputs))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    found = loaded.predict(clips, verbose=0)
    assert_same(found, as_numpy(layer(clips)), atol=1e-6)


@pytest.mark.once
def test_wrong_arguments():
    with pytest.raises(ValueError, match="at least one view"):
        Views([Center()])
    with pytest.raises(ValueError, match="`query` must be a list of transf"):
        Views(query=[keras.layers.Dense(3)])
    with pytest.raises(ValueError, match="`key` must be a list.*Views"):
        Views(key=make_views())
    with pytest.raises(ValueError, match="must be the last"):
        make_data().to_keras([make_views(), Motion()])
    with pytest.raises(ValueError, match="needs 11 draws"):
        make_views()(make_clips(), draws=np.zeros((6, 3)))


@pytest.mark.parametrize("resized", [True, False])
@pytest.mark.parametrize(("labels", "numbers"), [(True, False), (False, True)])
def test_pipelines(resized, labels, numbers, monkeypatch):
    tf = pytest.importorskip("tensorflow")
    monkeypatch.setattr("keras_skeleton.datasets.batches.PIECE_BYTES", 1)
    data = make_data()
    transforms = [CropResize(9, 0.9), make_views()]
    arguments = {
        "transforms": transforms if resized else make_views(),
        "batch_size": 3,
        "shuffle": True,
        "seed": 5,
        "labels": labels,
        "numbers": numbers,
        "drop_remainder": True,
    }
    batches = data.to_keras(**arguments)
    dataset = data.to_dataset(**arguments)
    frames = 9 if resized else max(LENGTHS)
    spec = dataset.element_spec
    for each in tf.nest.flatten(spec):
        assert each.shape[0] == 3
    for _ in range(2):
        for batch, twin in zip(batches, dataset, strict=True):
            keras.tree.assert_same_structure(batch, twin)
            clips = batch[0] if labels else batch
            order, _ = batches.plan.epoch_plan(batches.epoch - 1)
            if numbers:
                assert clips["sample"].dtype == "int32"
                assert set(clips["sample"]) <= set(order)
                clips = clips["clips"]
            assert clips["weak"].shape == (3, 1, frames, 4, 3)
            assert clips["strong"].shape == (3, 1, 8, 4, 3)
            for one, other in zip(
                keras.tree.flatten(batch),
                keras.tree.flatten(twin),
                strict=True,
            ):
                np.testing.assert_allclose(one, other.numpy(), atol=1e-5)


@pytest.mark.once
def test_numbers_are_those_of_the_clips():
    data = make_data()
    batches = data.to_keras(
        batch_size=3, shuffle=True, labels=False, numbers=True
    )
    seen = []
    for batch in batches:
        seen.extend(batch["sample"])
        expected = data.padded(batch["sample"], batch["clips"].shape[2])
        np.testing.assert_array_equal(batch["clips"], expected)
    assert sorted(seen) == list(range(7))


class Contrast(PretextModel):
    """Tells how far its views are from each other."""

    def __init__(self, augmentation):
        super().__init__()
        self.augmentation = augmentation
        self.layer = keras.layers.Dense(3)
        self.layer.build((None, 3))
        self.built = True

    def call(self, clips):
        return self.layer(clips)

    def objective(self, x, y, training):
        views = self.augmentation(x, training=training)
        query, key = self.layer(views["query"]), self.layer(views["key"])
        return ops.mean(ops.square(query - key)), {}, ()


def train(path, epochs):
    keras.utils.set_random_seed(0)
    views = Views(
        query=[RandomRotation(0.4), RandomApply(DropAxis())],
        key=[RandomRotation(0.4)],
        seed=1,
    )
    model = Contrast(views)
    model.compile("sgd")
    losses = model.fit(
        make_clips(),
        batch_size=3,
        epochs=epochs,
        shuffle=False,
        verbose=0,
        callbacks=[ResumeTraining(path, verbose=0)],
    ).history["loss"]
    return losses, ops.convert_to_numpy(model.layer.kernel.value)


def test_a_resumed_training_goes_on_with_the_same_views(tmp_path):
    whole, kernel = train(tmp_path / "whole.npz", 4)
    assert len(set(whole)) == 4
    first, _ = train(tmp_path / "cut.npz", 2)
    second, found = train(tmp_path / "cut.npz", 4)
    assert first + second == whole
    np.testing.assert_array_equal(found, kernel)
