import sys

import numpy as np
import pytest
from keras import ops

from keras_skeleton.applications import MAMP
from keras_skeleton.applications import MAMPPretext

keras_tuner = pytest.importorskip("keras_tuner")

from keras_skeleton import tuning  # noqa: E402

TINY = {
    "input_shape": (1, 8, 20, 3),
    "skeleton": "nw_ucla",
    "hidden_dim": 8,
    "num_layers": 1,
    "num_heads": 2,
}


@pytest.fixture
def clips():
    random = np.random.default_rng(0)
    values = random.normal(size=(8, 1, 8, 20, 3)).astype("float32")
    return values, np.arange(8) % 2


def random_search(space, folder, **kwargs):
    return keras_tuner.RandomSearch(
        space,
        space.objective,
        max_trials=2,
        seed=1,
        directory=folder,
        project_name="search",
        **kwargs,
    )


@pytest.mark.once
def test_draw():
    hp = keras_tuner.HyperParameters()
    assert tuning.draw(hp, "fixed", 0.5) == 0.5
    assert tuning.draw(hp, "range", (0.1, 0.3)) == 0.1
    assert tuning.draw(hp, "log", (1e-3, 1e-1, "log")) == 1e-3
    assert tuning.draw(hp, "choice", [3, 5]) == 3
    assert [entry.name for entry in hp.space] == ["range", "log", "choice"]
    assert hp.space[1].sampling == "log"
    hp.values["range"] = np.float64(0.2)
    assert type(tuning.draw(hp, "range", (0.1, 0.3))) is float
    with pytest.raises(ValueError, match="range of 'x'"):
        tuning.draw(hp, "x", (1, 2, "cubic"))


def test_search_fine_tuning(clips, tmp_path):
    encoder = MAMP(**TINY)
    made = []

    def copy():
        made.append(MAMP(**TINY))
        made[-1].set_weights(encoder.get_weights())
        return made[-1]

    before = encoder.get_weights()
    space = tuning.FineTuning(
        MAMP, 2, steps=4, encoder=copy, head_dim=6, spaces={"layer_decay": 0.8}
    )
    tuner = random_search(space, tmp_path)
    tuner.search(
        *clips,
        validation_data=clips,
        batch_size=4,
        epochs=1,
        verbose=0,
    )
    trials = tuner.oracle.get_best_trials(2)
    assert len(trials) == 2
    assert len({trial.trial_id for trial in trials}) == 2
    for trial in trials:
        assert 0 <= trial.score <= 1
        assert set(trial.hyperparameters.values) == {
            "learning_rate",
            "weight_decay",
            "label_smoothing",
            "drop_path_rate",
            "head_dropout_rate",
        }
    for old, new in zip(before, encoder.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.once
def test_build_uses_what_was_drawn(tmp_path):
    encoder = MAMP(**TINY)
    space = tuning.FineTuning(
        MAMP,
        3,
        steps=100,
        warmup_share=0.1,
        encoder=lambda: encoder,
        spaces={
            "learning_rate": 3e-4,
            "layer_decay": 0.5,
            "weight_decay": 0.02,
            "label_smoothing": 0.15,
            "drop_path_rate": 0.3,
            "head_dropout_rate": [0.1, 0.2],
        },
    )
    hp = keras_tuner.HyperParameters()
    hp.values["head_dropout_rate"] = 0.2
    model = space.build(hp)
    assert model.output_shape == (None, 3)
    config = model.get_config()
    assert config["drop_path_rate"] == 0.3
    assert config["head_dropout_rate"] == 0.2
    assert model.optimizer.decoupled_weight_decay == 0.02
    assert model.optimizer.scales["block_0"] == 0.5
    assert model.loss.label_smoothing == 0.15
    schedule = model.optimizer._learning_rate
    for step, rate in ((0, 0), (10, 3e-4), (100, 1e-5)):
        assert float(ops.convert_to_numpy(schedule(step))) == pytest.approx(
            rate, rel=1e-4
        )


@pytest.mark.once
def test_search_pretraining(clips, tmp_path):
    space = tuning.Pretraining(
        MAMPPretext,
        steps=2,
        spaces={"decoder_layers": 1, "decoder_dim": [4, 8]},
        labelled=(clips, clips),
        **TINY,
    )
    tuner = random_search(space, tmp_path)
    tuner.search(clips[0], batch_size=4, epochs=1, verbose=0)
    trials = tuner.oracle.get_best_trials(2)
    assert len(trials) == 2
    for trial in trials:
        # Every clip is its own nearest neighbour.
        assert trial.score == 100
        assert np.isfinite(trial.metrics.get_best_value("loss"))
        assert 0.75 <= trial.hyperparameters.get("mask_ratio") <= 0.95


@pytest.mark.once
def test_objective_of_pretraining(clips):
    names = [
        tuning.Pretraining("mamp", 2, **arguments, **TINY).objective.name
        for arguments in (
            {},
            {"validate": True},
            {"labelled": (clips, clips)},
        )
    ]
    assert names == ["loss", "val_loss", "knn_accuracy"]


@pytest.mark.once
def test_pretraining_takes_fixed_values():
    space = tuning.Pretraining(
        MAMPPretext,
        steps=2,
        spaces={"mask_ratio": 0.8, "decoder_dim": 4, "decoder_layers": 1},
        target="joints",
        **TINY,
    )
    model = space.build(keras_tuner.HyperParameters())
    config = model.get_config()
    assert config["mask_ratio"] == 0.8
    assert config["decoder_layers"] == 1
    assert config["target"] == "joints"


@pytest.mark.once
def test_bad_input():
    with pytest.raises(ValueError, match="Unknown in `spaces`: rate"):
        tuning.FineTuning("mamp", 2, 10, spaces={"rate": 1})
    with pytest.raises(ValueError, match="steps=0"):
        tuning.FineTuning("mamp", 2, 0)
    for wrong in (MAMP(**TINY), "ntu60"):
        with pytest.raises(ValueError, match="must be a function"):
            tuning.FineTuning("mamp", 2, 10, encoder=wrong)
    with pytest.raises(ValueError, match="without `weights` beside it"):
        tuning.FineTuning("mamp", 2, 10, weights="ntu60", encoder=MAMP)


@pytest.mark.once
def test_without_keras_tuner(monkeypatch):
    monkeypatch.setitem(sys.modules, "keras_tuner", None)
    monkeypatch.delitem(sys.modules, "keras_skeleton.tuning.hypermodels")
    with pytest.raises(ImportError, match=r"keras-skeleton\[tune\]"):
        _ = tuning.FineTuning
