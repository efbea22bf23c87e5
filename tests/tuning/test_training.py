import keras
import numpy as np
import pytest
from keras import ops

from keras_skeleton.applications import BRL
from keras_skeleton.applications import CTRGCN
from keras_skeleton.applications import ACLNetTraining
from keras_skeleton.applications import HyperGCN
from keras_skeleton.applications import MAMPPretext
from keras_skeleton.applications import PSUMNet
from keras_skeleton.training import SGD
from keras_skeleton.training import WarmupSteps

keras_tuner = pytest.importorskip("keras_tuner")

from keras_skeleton import tuning  # noqa: E402

SKELETON = {"input_shape": (1, 4, 20, 3), "skeleton": "nw_ucla"}
RECIPE = {"learning_rate", "weight_decay", "label_smoothing"}
# Class, the narrow spaces of a short test, arguments, and what is searched.
SYSTEMS = {
    "hypergcn": (
        HyperGCN,
        {"blocks": ((1, 1), (1, 1)), "hidden_dim": 8, "num_neighbors": 4},
        {"num_heads": 2, **SKELETON},
        {
            "num_virtual_joints",
            "distinct_virtual_joints",
            "divergence_weight",
            "dropout_rate",
        },
    ),
    "psumnet": (
        "psumnet",
        {"hidden_dim": [4, 8]},
        {"part": "leg", "input_shape": (1, 4, 9, 12), "skeleton": "nw_ucla"},
        {"hidden_dim", "dropout_rate"},
    ),
}


def _parameters(**values):
    hp = keras_tuner.HyperParameters()
    hp.values.update(values)
    return hp


@pytest.mark.parametrize("system", SYSTEMS)
def test_search(system, tmp_path):
    make, spaces, arguments, searched = SYSTEMS[system]
    random = np.random.default_rng(0)
    clips = random.normal(size=(4, *arguments["input_shape"]))
    data = clips.astype("float32"), np.arange(4) % 2
    space = tuning.Training(make, 2, steps=2, spaces=spaces, **arguments)
    tuner = keras_tuner.RandomSearch(
        space, space.objective, max_trials=1, seed=1, directory=tmp_path
    )
    tuner.search(*data, validation_data=data, batch_size=2, epochs=1, verbose=0)
    (trial,) = tuner.oracle.get_best_trials(1)
    assert 0 <= trial.score <= 1
    assert set(trial.hyperparameters.values) == RECIPE | searched


@pytest.mark.once
def test_build_uses_what_was_drawn():
    space = tuning.Training(
        HyperGCN,
        3,
        steps=100,
        warmup_share=0.1,
        spaces={
            "learning_rate": 0.05,
            "weight_decay": 4e-4,
            "label_smoothing": 0.1,
            "hidden_dim": [8, 16],
            "num_virtual_joints": 2,
            "divergence_weight": 0.7,
        },
        num_heads=4,
        **SKELETON,
    )
    model = space.build(
        _parameters(hidden_dim=16, num_neighbors=7, dropout_rate=0.25)
    )
    assert isinstance(model, HyperGCN) and model.output_shape == (None, 3)
    config = model.get_config()
    for name, value in {
        "hidden_dim": 16,
        "num_virtual_joints": 2,
        "num_neighbors": 7,
        "divergence_weight": 0.7,
        "dropout_rate": 0.25,
        "num_heads": 4,
    }.items():
        assert config[name] == value
    optimizer = model.optimizer
    assert isinstance(optimizer, SGD) and optimizer.nesterov
    assert optimizer.momentum == 0.9
    assert optimizer.get_config()["weight_decay"] == 4e-4
    assert model.loss.label_smoothing == 0.1
    rate = optimizer._learning_rate
    for step, expected in ((0, 0), (5, 0.025), (10, 0.05), (100, 0)):
        value = float(ops.convert_to_numpy(rate(step)))
        assert value == pytest.approx(expected, abs=1e-7)


@pytest.mark.once
def test_other_systems():
    hp = _parameters(adaptive=False, hidden_dim=4)
    model = tuning.Training(
        "ctrgcn", 3, 10, spaces={"hidden_dim": [4, 8]}, **SKELETON
    ).build(hp)
    assert isinstance(model, CTRGCN)
    assert model.get_config()["adaptive"] is False
    assert model.get_config()["hidden_dim"] == 4
    searched = {"hidden_dim", "adaptive", "dropout_rate"}
    assert {entry.name for entry in hp.space} == RECIPE | searched
    model = tuning.Training(
        PSUMNet, 3, 10, spaces={"hidden_dim": 4}, bones="corrected", **SKELETON
    ).build(_parameters())
    assert isinstance(model, PSUMNet)
    assert model.parts == ("body", "hand", "leg")
    assert model.get_config()["bones"] == "corrected"


@pytest.mark.once
def test_losses_with_a_memory(tmp_path):
    random = np.random.default_rng(0)
    clips = random.normal(size=(4, *SKELETON["input_shape"]))
    data = clips.astype("float32"), np.arange(4) % 2
    space = tuning.Training(
        "brl",
        2,
        steps=2,
        spaces={"hidden_dim": 6, "blocks": ((1, 1),), "mix_ratio": [0.5]},
        class_counts=(2, 2),
        switch_epoch=0,
        **SKELETON,
    )
    tuner = keras_tuner.RandomSearch(
        space, space.objective, max_trials=1, seed=1, directory=tmp_path
    )
    tuner.search(*data, validation_data=data, batch_size=2, epochs=1, verbose=0)
    (trial,) = tuner.oracle.get_best_trials(1)
    drawn = trial.hyperparameters.values
    # Its loss is its own: no smoothing.
    assert set(drawn) == {
        *("learning_rate", "weight_decay"),
        *("mix_ratio", "upper_share", "dominance", "dropout_rate"),
    }
    model = space.build(trial.hyperparameters)
    assert isinstance(model, BRL) and model.get_config()["mix_ratio"] == 0.5
    network = model.model.get_config()
    assert network["dropout_rate"] == drawn["dropout_rate"]
    assert network["classes"] == 2 and network["hidden_dim"] == 6

    space = tuning.Training(
        ACLNetTraining, 2, steps=2, spaces={"hidden_dim": 16}, **SKELETON
    )
    assert space.published.learning_rate == 0.025
    assert "inter_weight" in space.spaces and "num_graphs" in space.spaces
    # The name of the system stands for the network alone.
    assert "inter_weight" not in tuning.Training("aclnet", 2, 2).spaces


@pytest.mark.once
def test_decay_in_steps():
    space = tuning.Training(
        PSUMNet,
        2,
        steps=100,
        warmup_share=0.1,
        spaces={"learning_rate": 0.1, "decay": ["cosine", "steps"]},
        part="leg",
        **{**SKELETON, "input_shape": (1, 4, 9, 12)},
    )
    model = space.build(_parameters(hidden_dim=16, decay="steps"))
    with pytest.raises(ValueError, match="'cosine' or 'steps'"):
        space.build(_parameters(hidden_dim=16, decay="line"))
    rate = model.optimizer._learning_rate
    expected = {0: 0, 5: 0.05, 10: 0.1, 54: 0.1, 55: 0.01, 84: 0.01, 85: 1e-3}
    same = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(rate)
    )
    for schedule in (rate, same):
        for step, value in expected.items():
            found = float(ops.convert_to_numpy(schedule(step)))
            assert found == pytest.approx(value, rel=1e-5)
    assert float(WarmupSteps(0.1, [])(0)) == pytest.approx(0.1)


@pytest.mark.once
def test_given_arguments_are_not_searched():
    space = tuning.Training("hypergcn", 2, 10, hidden_dim=8)
    searched = {*space.recipe, *HyperGCN.search_space}
    assert set(space.spaces) == searched - {"hidden_dim"}


@pytest.mark.once
def test_spaces_may_add_arguments():
    space = tuning.Training(
        CTRGCN, 2, 10, spaces={"baseline": [True, False]}, **SKELETON
    )
    model = space.build(_parameters(baseline=True, hidden_dim=32))
    assert model.get_config()["baseline"] is True


@pytest.mark.once
def test_bad_input():
    with pytest.raises(ValueError, match="Unknown in `spaces`: layer_decay"):
        tuning.Training(CTRGCN, 2, 10, spaces={"layer_decay": 0.5})
    with pytest.raises(ValueError, match="Unknown in `spaces`: size"):
        tuning.Training("psumnet", 2, 10, spaces={"size": "base"})
    with pytest.raises(ValueError, match="spaces={'hidden_dim': 8}"):
        tuning.Training(
            HyperGCN, 2, 10, hidden_dim=8, spaces={"hidden_dim": [8, 16]}
        )
    with pytest.raises(ValueError, match="spaces={'learning_rate': 0.1}"):
        tuning.Training(HyperGCN, 2, 10, learning_rate=0.1)
    with pytest.raises(ValueError, match="warmup_share=1"):
        tuning.Training(HyperGCN, 2, 10, warmup_share=1)
    for wrong in ("gcn", MAMPPretext, keras.Model, None):
        with pytest.raises(ValueError, match="one of .*, mamp, .*"):
            tuning.Training(wrong, 2, 10)
    with pytest.raises(ValueError, match="one of .*mamp, "):
        tuning.Pretraining("psumnet", 10)
