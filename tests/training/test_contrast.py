"""Momentum contrast of branches, and models of two encoders of one class."""

import keras
import numpy as np
import pytest
from keras import ops
from support import gradients

from keras_skeleton import weights
from keras_skeleton.applications import CTRGCN
from keras_skeleton.layers.augmentation import RandomShear
from keras_skeleton.layers.augmentation import Views
from keras_skeleton.training import Branch
from keras_skeleton.training import FeatureQueue
from keras_skeleton.training import MomentumContrast
from keras_skeleton.training import ResumeTraining
from keras_skeleton.training.vectors import unit_vectors
from keras_skeleton.weights.conversion import variables_of

SHAPE = CTRGCN.tiny["input_shape"]


def projector():
    return keras.layers.Dense(6, name="projector")


def branch():
    return Branch(CTRGCN(**CTRGCN.tiny, pooling="avg"), projector())


def contrast(streams=("joint",), **arguments):
    queries = {}
    for stream in streams:
        with keras.name_scope(stream):
            queries[stream] = branch()
    return MomentumContrast(
        queries, queue_size=8, momentum=0.9, temperature=0.5, **arguments
    )


def clips(count=4, seed=0):
    random = np.random.default_rng(seed)
    return random.normal(size=(count, *SHAPE)).astype("float32")


def test_paths_are_unique():
    model = contrast(("joint", "motion"))
    paths = [variable.path for variable in model.weights]
    assert len(set(paths)) == len(paths)
    assert any(path.startswith("key_joint/") for path in paths)
    assert any(path.startswith("motion/") for path in paths)
    assert variables_of(model)  # refuses two of one path
    assert not model.keys["joint"].trainable_weights
    with pytest.raises(ValueError, match="name_scope"):
        MomentumContrast({"joint": branch(), "motion": branch()}, queue_size=8)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"queue_size": 0}, "queue_size"),
        ({"queue_size": 1.5}, "`queue_size` must be a whole number from 1"),
        ({"momentum": 2}, "`momentum`.*Received: 2"),
        ({"temperature": 0.0}, "`temperature`.*Received: 0.0"),
        ({"augmentation": "weak"}, "a layer that makes the views query, key"),
        ({"augmentation": [RandomShear()]}, "Received: \\[<RandomShear"),
        ({"augmentation": Views(weak=[], key=[])}, "makes weak, key"),
    ],
)
def test_refused_arguments(arguments, reason):
    with pytest.raises(ValueError, match=reason):
        MomentumContrast({"joint": branch()}, **{"queue_size": 8, **arguments})


def test_a_vector_without_direction_spoils_nothing():
    """The gradient of a division by its length would be NaN."""
    table = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    table.set_weights([np.float32([[0, 0, 0], [3, 0, 4]]), np.zeros(3)])
    rows = np.eye(2, dtype="float32")

    def loss(table, rows):
        return ops.sum(unit_vectors(table(rows)))

    value, found = gradients(table, loss, rows)
    assert value == pytest.approx(7 / 5)
    kernel = found[table.layers[0].kernel.path]
    np.testing.assert_allclose(kernel[0], 1)
    np.testing.assert_allclose(kernel[1], [0.032, 0.2, -0.024], atol=1e-6)


def test_a_loss_is_refused():
    model = contrast()
    model.compile("sgd", loss="mse")
    with pytest.raises(ValueError, match="an objective of its own"):
        model.fit(clips(), verbose=0)


def test_a_step():
    """Keys move first, towards the weights of the step before; then the loss;
    then the keys of the batch enter the queue."""
    keras.utils.set_random_seed(0)
    model = contrast()
    query, key = model.queries["joint"], model.keys["joint"]
    for variable in key.weights:  # as if from an earlier step
        variable.assign(0.5 * variable.value)
    old = [np.array(ops.convert_to_numpy(v.value)) for v in key.weights]
    moved = [
        0.9 * before + 0.1 * np.array(ops.convert_to_numpy(new.value))
        if new.trainable
        else before
        for before, new in zip(old, query.weights, strict=True)
    ]
    queue = np.array(ops.convert_to_numpy(model.queues["joint"].vectors()))
    view, other = clips(seed=1), clips(seed=2)
    # Batch statistics decide in training, whatever the running ones are.
    q = ops.convert_to_numpy(query(view, training=True))
    for variable, value in zip(key.weights, moved, strict=True):
        variable.assign(value)
    k = ops.convert_to_numpy(key(other, training=True))
    for variable, value in zip(key.weights, old, strict=True):
        variable.assign(value)
    logits = (
        np.concatenate([(q * k).sum(1, keepdims=True), q @ queue.T], 1) / 0.5
    )
    expected = -np.mean(logits[:, 0] - np.log(np.exp(logits).sum(axis=1)))

    model.compile(keras.optimizers.SGD(0.1))
    # A dataset that yields pairs of views as the inputs.
    history = model.fit(_Pairs(view, other), verbose=0, shuffle=False)
    assert history.history["loss"][0] == pytest.approx(expected, rel=1e-4)
    for variable, value in zip(key.weights, moved, strict=True):
        if "moving" not in variable.path:
            np.testing.assert_allclose(
                ops.convert_to_numpy(variable.value), value, atol=1e-5
            )
    stored = ops.convert_to_numpy(model.queues["joint"].vectors())
    np.testing.assert_allclose(stored[:4], k, atol=1e-5)
    np.testing.assert_allclose(stored[4:], queue[4:], atol=1e-6)
    assert int(model.seen.value) == 4


class _Pairs(keras.utils.PyDataset):
    def __init__(self, view, other):
        super().__init__()
        self.views = view, other

    def __len__(self):
        return 1

    def __getitem__(self, index):
        return (self.views,)


def test_resume_is_exact(tmp_path):
    def train(epochs, path):
        keras.utils.set_random_seed(0)
        model = contrast()
        model.compile(keras.optimizers.SGD(0.1, momentum=0.9))
        model.fit(
            clips(8),
            batch_size=4,
            epochs=epochs,
            shuffle=False,
            verbose=0,
            callbacks=[ResumeTraining(path, verbose=0)],
        )
        return model

    whole = train(3, tmp_path / "whole.npz")
    train(1, tmp_path / "cut.npz")
    resumed = train(3, tmp_path / "cut.npz")
    assert int(resumed.epoch.value) == int(whole.epoch.value) == 2
    assert int(resumed.seen.value) == int(whole.seen.value) == 24
    for one, other in zip(whole.weights, resumed.weights, strict=True):
        np.testing.assert_allclose(
            ops.convert_to_numpy(one.value),
            ops.convert_to_numpy(other.value),
            atol=1e-6,
            err_msg=one.path,
        )


def test_the_encoder_goes_on_alone(tmp_path):
    model = contrast()
    weights.save_weights(model.encoder, tmp_path / "encoder.safetensors")
    model = CTRGCN(tmp_path / "encoder.safetensors", classes=3)
    assert model.output_shape == (None, 3)


def test_columns():
    queue = FeatureQueue(5, 2, columns={"sample": -1})
    assert ops.convert_to_numpy(queue.column("sample")).tolist() == [-1] * 5
    for start in (0, 3):
        ids = np.arange(start, start + 3)
        queue.push(np.ones((3, 2)) * start, sample=ids)
    stored = ops.convert_to_numpy(queue.column("sample")).tolist()
    assert stored == [5, 1, 2, 3, 4]
    with pytest.raises(ValueError, match="sample"):
        queue.push(np.ones((3, 2)))
