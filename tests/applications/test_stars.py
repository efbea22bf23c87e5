"""What STARS promises beside the outputs of the official code."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_skeleton.applications import MAMP
from keras_skeleton.applications import STARS
from keras_skeleton.applications import STARSPretext
from keras_skeleton.datasets import Sequences
from keras_skeleton.layers.augmentation import RandomRotation
from keras_skeleton.layers.augmentation import Views
from keras_skeleton.training import LayerwiseAdamW
from keras_skeleton.weights.conversion import variables_of

JIT = keras.backend.backend() != "torch"
SHAPE = STARS.tiny["input_shape"]


def clips(count=8, seed=0):
    random = np.random.default_rng(seed)
    return random.normal(size=(count, *SHAPE)).astype("float32")


def values(model):
    return {
        path: np.array(ops.convert_to_numpy(variable.value))
        for path, variable in variables_of(model).items()
    }


def test_it_is_a_mamp():
    encoder = MAMP(**MAMP.tiny)
    same = STARS(encoder=encoder)
    assert same.name == "stars"
    assert all(
        a is b for a, b in zip(same.weights, encoder.weights, strict=True)
    )
    assert STARS.arguments() == MAMP.arguments()
    assert STARS(**STARS.tiny, classes=3).output_shape == (None, 3)


def test_only_the_upper_half_moves():
    keras.utils.set_random_seed(0)
    model = STARSPretext(**STARSPretext.tiny)
    before = values(model)
    model.compile(
        LayerwiseAdamW(
            1e-2, weight_decay=0.01, decay_vectors=True, clipnorm=3.0
        ),
        jit_compile=JIT,
    )
    model.fit(clips(), batch_size=4, verbose=0)
    after = values(model)
    moved = {path for path in after if (after[path] != before[path]).any()}
    frozen = {
        path
        for path in after
        if path.startswith(("joint_embedding", "position_", "block_0"))
    }
    assert len(frozen) == 16
    assert not moved & frozen
    assert {v.path for v in model.trainable_variables} <= moved
    classifier = STARS(encoder=model.release(), classes=3)
    assert len(classifier.trainable_variables) == len(
        STARS(**STARS.tiny, classes=3).trainable_variables
    )


def test_a_clip_is_encoded_once_and_normalized_twice():
    keras.utils.set_random_seed(0)
    model = STARSPretext(**STARSPretext.tiny)
    start = model.get_weights()
    once = model.objective(clips(), None, training=True)[0]
    norm = np.array(
        ops.convert_to_numpy(model.head.projector.moving_mean.value)
    )
    model.set_weights(start)
    twice = model.objective((clips(), clips()), None, training=True)[0]
    once, twice = (ops.convert_to_numpy(loss) for loss in (once, twice))
    np.testing.assert_allclose(once, twice, rtol=1e-5)
    np.testing.assert_allclose(
        ops.convert_to_numpy(model.head.projector.moving_mean.value),
        norm,
        atol=1e-6,
    )
    pooled = ops.convert_to_numpy(model.encoder(clips())).mean(axis=0)
    np.testing.assert_allclose(norm, pooled * (1 - 0.9**2), atol=1e-5)


def test_views_and_numbers_of_a_pipeline():
    model = STARSPretext(**STARSPretext.tiny)
    data = Sequences.from_arrays(list(clips()[:, 0]), skeleton="nw_ucla")
    turned = [RandomRotation(0.5)]
    batches = data.to_keras(
        Views(query=turned, key=turned),
        batch_size=4,
        labels=False,
        numbers=True,
    )
    model.compile(LayerwiseAdamW(0.0))
    model.fit(batches, shuffle=False, verbose=0)
    stored = ops.convert_to_numpy(model.queue.column("sample"))
    assert stored.tolist() == [*range(8), *[-1] * 8]


def test_nobody_is_their_own_neighbour():
    model = STARSPretext(**STARSPretext.tiny)
    numbers = np.arange(8)
    data = {"clips": clips(), "sample": numbers}
    model.compile(LayerwiseAdamW(0.0))
    model.fit(data, batch_size=8, shuffle=False, verbose=0)
    stored = ops.convert_to_numpy(model.queue.column("sample"))
    assert stored.tolist() == [*range(8), *[-1] * 8]
    found = model(clips(), training=True)["projection"]
    for samples, own in ((None, True), (numbers, False)):
        similarity = model.queue.similarity(found, samples)
        nearest = ops.convert_to_numpy(ops.argmax(similarity, axis=1))
        assert (nearest == numbers).all() == own
        assert (nearest == numbers).any() == own


def test_candidates_are_drawn():
    model = STARSPretext(
        **STARSPretext.tiny | {"num_candidates": 3}, symmetric=True
    )
    ranks = ops.convert_to_numpy(model.queue.draw(100))
    assert set(ranks.tolist()) == {0, 1, 2}
    model.compile("sgd", jit_compile=JIT)
    assert np.isfinite(model.fit(clips(), verbose=0).history["loss"]).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"tuned_blocks": 3}, "tuned_blocks"),
        ({"num_candidates": 17}, "num_candidates"),
        ({"encoder": MAMP(**MAMP.tiny)}, "either"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        STARSPretext(**STARSPretext.tiny, **arguments)


def test_mixed_precision():
    model = STARSPretext(**STARSPretext.tiny, dtype="mixed_bfloat16")
    model.compile("sgd")
    loss = model.fit(clips(), batch_size=4, verbose=0).history["loss"]
    assert np.isfinite(loss).all()
    assert keras.backend.standardize_dtype(model.queue.features.dtype) == (
        "float32"
    )
