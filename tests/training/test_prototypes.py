"""Clusters of unit vectors, and the layer that keeps their centres."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_skeleton.training import FeatureQueue
from keras_skeleton.training import PretextModel
from keras_skeleton.training import Prototypes
from keras_skeleton.training.prototypes import first_centers
from keras_skeleton.training.prototypes import spherical_kmeans


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def bundles(random, directions, count=10, spread=0.05):
    """Vectors around each of some directions, one bundle after another."""
    noise = random.normal(size=(len(directions), count, directions.shape[1]))
    vectors = directions[:, None] + spread * noise
    return unit(vectors.reshape(-1, directions.shape[1])).astype("float32")


def test_finds_bundles(random):
    directions = np.eye(4, 6)
    vectors = bundles(random, directions)
    centers, labels = spherical_kmeans(
        vectors,
        ops.convert_to_tensor(vectors[[3, 12, 25, 39]]),
        np.zeros((100, 4), "int32"),
        mean_tolerance=1e-12,
    )
    labels = ops.convert_to_numpy(labels)
    np.testing.assert_array_equal(labels, np.repeat(np.arange(4), 10))
    centers = ops.convert_to_numpy(centers)
    np.testing.assert_allclose(np.linalg.norm(centers, axis=1), 1, atol=1e-5)
    # At a Karcher mean, the arcs to its vectors cancel.
    for i, center in enumerate(centers):
        own = vectors[labels == i]
        cosine = (own @ center)[:, None]
        arcs = (own - cosine * center) * np.arccos(cosine)
        arcs = arcs / np.sqrt(1 - cosine**2)
        np.testing.assert_allclose(arcs.mean(axis=0), 0, atol=1e-5)


def test_an_empty_cluster_gets_a_spare(random):
    vectors = bundles(random, np.eye(2, 5))
    # No vector is nearest to the last centre.
    centers = np.stack([vectors[0], vectors[10], -vectors[0]])
    spares = np.full((1, 3), 4, "int32")
    found, labels = spherical_kmeans(
        vectors, ops.convert_to_tensor(centers), spares, max_iterations=1
    )
    assert set(ops.convert_to_numpy(labels)) == {0, 1}
    np.testing.assert_array_equal(ops.convert_to_numpy(found)[2], vectors[4])


def test_a_single_vector_stays(random):
    vectors = unit(random.normal(size=(3, 4))).astype("float32")
    found, _ = spherical_kmeans(
        vectors, ops.convert_to_tensor(vectors), np.zeros((100, 3), "int32")
    )
    np.testing.assert_array_equal(ops.convert_to_numpy(found), vectors)


def test_first_centers():
    # Ten copies of one vector, and one other, at a right angle.
    copies = np.repeat(np.eye(2, 3, dtype="float32"), [10, 1], axis=0)
    vectors = ops.convert_to_tensor(copies)
    draws = ops.convert_to_tensor(np.float32([0.1, 0.4]))
    alike = ops.convert_to_numpy(first_centers(vectors, draws, spread=False))
    np.testing.assert_array_equal(alike, copies[[1, 4]])
    # Copies have no probability: the angle to the first centre is 0.
    for draw in (0.0, 0.4, 0.99):
        draws = ops.convert_to_tensor(np.float32([0.1, draw]))
        spread = ops.convert_to_numpy(first_centers(vectors, draws))
        np.testing.assert_array_equal(spread, copies[[0, 10]])


class Counting(PretextModel):
    """Updates its prototypes after every step, from the third on."""

    def __init__(self):
        super().__init__()
        self.layer = keras.layers.Dense(1)
        self.layer.build((None, 6))
        self.queue = FeatureQueue(12, 6, seed=0)
        self.prototypes = Prototypes(3, 6, period=2, seed=0, dtype="float32")
        self.built = True

    def call(self, inputs):
        return self.layer(inputs)

    def objective(self, x, y, training):
        return ops.mean(self.layer(x)), {}, ops.normalize(x, axis=-1)

    def after_step(self, carried):
        self.queue.push(carried)
        is_due = self.seen.value >= 8
        self.prototypes.update(self.queue.newest(8), is_due)


def test_when_prototypes_are_computed(random):
    keras.utils.set_random_seed(0)
    model = Counting()
    model.compile("sgd", jit_compile=keras.backend.backend() != "torch")
    # 4 clips in a step: updates begin with the third.
    for step, count in enumerate((-1, -1, 1, 0, 1, 0)):
        old = np.array(ops.convert_to_numpy(model.prototypes.centers()))
        x = random.normal(size=(4, 6)).astype("float32")
        model.fit(x, batch_size=4, verbose=0)
        new = ops.convert_to_numpy(model.prototypes.centers())
        assert int(model.prototypes.countdown.value) == count
        assert (old != new).any() == (step in (2, 4))
        if step >= 2:
            np.testing.assert_allclose(np.linalg.norm(new, axis=1), 1, 1e-5)


def test_newest():
    queue = FeatureQueue(5, 1)
    for start in (0, 3):
        queue.push(np.arange(start, start + 3, dtype="float32")[:, None])
    newest = ops.convert_to_numpy(queue.newest(4))[:, 0]
    assert newest.tolist() == [2, 3, 4, 5]


@pytest.mark.once
def test_serialisation():
    layer = Prototypes(3, 6, period=2, spread=False, seed=1)
    again = Prototypes.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
