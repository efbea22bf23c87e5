"""HaLP's encoder and its pre-training, beyond what holds for all systems."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_skeleton import evaluation
from keras_skeleton.applications import HaLP
from keras_skeleton.applications import HaLPPretext
from keras_skeleton.applications.halp import STREAMS
from keras_skeleton.training import ResumeTraining
from keras_skeleton.training.hallucination import make_positives

JIT = keras.backend.backend() != "torch"


def clips(count=8, seed=0):
    random = np.random.default_rng(seed)
    shape = (count, *HaLP.tiny["input_shape"])
    return random.normal(size=shape).astype("float32")


def pretext(**arguments):
    keras.utils.set_random_seed(0)
    return HaLPPretext(**{**HaLPPretext.tiny, "seed": 1, **arguments})


@pytest.mark.once
def test_published_features_are_those_of_the_last_frame():
    encoder = HaLP(**HaLP.tiny)
    pooled = HaLP(encoder=encoder, pooling="published")
    x = clips(2)
    np.testing.assert_array_equal(
        ops.convert_to_numpy(pooled(x)),
        ops.convert_to_numpy(encoder(x))[:, 0, -1, 0],
    )
    later = x.copy()
    later[:, :, -1] = 0
    assert (ops.convert_to_numpy(pooled(later) - pooled(x)) != 0).all()


@pytest.mark.once
def test_published_head_begins_small():
    keras.utils.set_random_seed(0)
    settings = {**HaLP.tiny, "hidden_dim": 64}
    head = HaLP(**settings, classes=60).get_layer("predictions")
    kernel, bias = map(ops.convert_to_numpy, head.weights)
    assert kernel.std() == pytest.approx(0.01, rel=0.05)
    assert not bias.any()


@pytest.mark.once
def test_three_streams_are_averaged():
    random = np.random.default_rng(0)
    logits = {stream: random.normal(size=(4, 5)) for stream in STREAMS}
    fused = evaluation.fuse_scores(logits, dict.fromkeys(STREAMS, 1 / 3))
    np.testing.assert_allclose(fused, np.mean(list(logits.values()), axis=0))


def test_streams_train_and_resume(tmp_path):
    """With prototypes, draws and counts, a stopped training goes on."""
    streams = ("joint_motion", "bone")

    def train(epochs, path):
        model = pretext(streams=streams, warmup=4, num_layers=1)
        model.compile(keras.optimizers.SGD(0.1, momentum=0.9), jit_compile=JIT)
        logs = model.fit(
            clips(),
            batch_size=4,
            epochs=epochs,
            shuffle=False,
            verbose=0,
            callbacks=[ResumeTraining(path, verbose=0)],
        ).history
        return model, logs

    whole, logs = train(2, tmp_path / "whole")
    assert set(logs) == {"loss", *HaLPPretext.reported}
    assert all(np.isfinite(values).all() for values in logs.values())
    assert logs["distillation"][-1] > 0
    assert logs["hallucination"][-1] != 0
    train(1, tmp_path / "cut")
    resumed, _ = train(2, tmp_path / "cut")
    for one, other in zip(whole.variables, resumed.variables, strict=True):
        np.testing.assert_allclose(
            ops.convert_to_numpy(one.value),
            ops.convert_to_numpy(other.value),
            atol=1e-6,
            err_msg=one.path,
        )
    assert len({v.path for v in whole.weights}) == len(whole.weights)
    # Each stream has an encoder that can go on alone.
    for stream in streams:
        encoder = whole.queries[stream].encoder
        assert HaLP(encoder=encoder, classes=3).output_shape == (None, 3)


def test_warmup():
    model = pretext(warmup=8)
    model.compile(keras.optimizers.SGD(0.01), jit_compile=JIT)
    found = []
    for _ in range(3):
        logs = model.fit(clips(), batch_size=8, verbose=0).history
        empty = not ops.convert_to_numpy(
            model.prototypes["joint"].centers()
        ).any()
        found.append((empty, logs["hallucination"][0] == 0))
        assert logs["loss"][0] == pytest.approx(
            logs["contrast"][0] + 2 * logs["hallucination"][0], rel=1e-5
        )
    assert found == [(True, True), (False, False), (False, False)]


@pytest.mark.once
def test_the_baseline_has_no_prototypes():
    model = pretext(hallucination_weight=0.0)
    assert not model.prototypes
    assert not any("prototypes" in v.path for v in model.weights)
    model.compile("sgd")
    logs = model.fit(clips(), batch_size=8, verbose=0).history
    assert logs["hallucination"] == [0.0]
    assert logs["loss"] == logs["contrast"]


def test_positives_lie_before_the_boundary():
    random = np.random.default_rng(0)
    keys, prototypes = (
        ops.normalize(random.normal(size=(n, 16)).astype("float32"), axis=-1)
        for n in (6, 8)
    )
    columns = random.integers(0, 7, size=(6, 20))
    near, is_kept = make_positives(
        keys, prototypes, columns, ops.full((6, 20), 0.9)
    )
    far, _ = make_positives(keys, prototypes, columns, ops.full((6, 20), 0.1))
    for positives in (near, far):
        length = np.linalg.norm(ops.convert_to_numpy(positives), axis=-1)
        np.testing.assert_allclose(length, 1, atol=1e-5)
    near, far = (
        ops.convert_to_numpy(ops.sum(x * keys[:, None], axis=-1))
        for x in (near, far)
    )
    assert (near > far).all()
    assert ops.convert_to_numpy(is_kept).any()


@pytest.mark.once
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"streams": ("joint", "motion")}, "joint_motion"),
        ({"streams": ("bone", "bone")}, "once"),
        ({"num_skipped": 0}, "`num_skipped` must be a whole number from 1"),
        ({"num_skipped": 4}, "num_skipped=4"),
        ({"num_candidates": 0}, "`num_candidates`.*from 1 up"),
        ({"num_positives": 0}, "`num_positives`"),
        ({"refresh_period": 0}, "`refresh_period`"),
        ({"warmup": -1}, "`warmup`"),
        ({"margin": -1.0}, "`margin`"),
        ({"hallucination_weight": float("nan")}, "`hallucination_weight`"),
        ({"teacher_temperature": 0}, "`teacher_temperature`.*above 0"),
        ({"num_clustered": 17}, "num_clustered=17"),
        ({"streams": STREAMS, "num_distilled": 17}, "num_distilled=17"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        pretext(**arguments)
