"""Errors of poses: fixture `metrics`, and what alignment takes away."""

import keras
import numpy as np
import pytest
from support import cases

from keras_skeleton import evaluation
from keras_skeleton.evaluation.result import Result

SYSTEM = "unipose"
ERRORS = {
    "mpjpe_m": {},
    "mpjpe_root_aligned_m": {"align": "root", "root": 8},
    "pa_mpjpe_m": {"align": "procrustes"},
}


@pytest.fixture(scope="module")
def fixture(fixtures_dir):
    ((_, _, arrays),) = cases(fixtures_dir(SYSTEM), "metrics*.npz")
    return arrays


def poses(seed=0, count=5):
    return np.random.default_rng(seed).normal(size=(count, 15, 3))


def turned(poses, scale=1.0):
    """Poses turned about two axes, scaled and moved."""
    c, s = np.cos(1.1), np.sin(1.1)
    about_z = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
    return scale * poses @ about_z @ about_x + (0.3, -2, 1)


@pytest.mark.once
def test_functions(fixture):
    found, true = fixture["in/pred"], fixture["in/gt"]
    for name, arguments in ERRORS.items():
        errors = evaluation.joint_errors(true, found, **arguments)
        expected = float(fixture[f"out/{name}"])
        assert errors.mean() == pytest.approx(expected, rel=1e-9), name
    assert evaluation.mpjpe(true, found) == pytest.approx(
        float(fixture["out/mpjpe_m"])
    )
    assert evaluation.root_mpjpe(true, found, 8) == pytest.approx(
        float(fixture["out/mpjpe_root_aligned_m"])
    )
    assert evaluation.pa_mpjpe(true, found) == pytest.approx(
        float(fixture["out/pa_mpjpe_m"])
    )
    each = evaluation.joint_accuracy(true, found, per_joint=True)
    np.testing.assert_allclose(each, 100 * fixture["out/map10cm_per_joint"])
    result = evaluation.measure_poses(true, found, "itop15")
    name, (first, *_) = "within 10 cm", result["scores"].values()
    assert first.value == pytest.approx(100 * float(fixture["out/map10cm"]))
    assert [x[name].value for x in result["joints"].values()] == (
        pytest.approx(each)
    )


def test_metrics_of_keras(fixture):
    found, true = fixture["in/pred"], fixture["in/gt"]
    metrics = {
        name: evaluation.JointError(name=name, **arguments)
        for name, arguments in ERRORS.items()
    }
    metrics["map10cm"] = evaluation.JointAccuracy(name="map10cm")
    inputs = keras.Input(found.shape[1:])
    model = keras.Model(
        inputs, keras.layers.Dense(3, kernel_initializer="identity")(inputs)
    )
    model.compile(
        "sgd",
        "mae",
        metrics=list(metrics.values()),
        jit_compile=keras.backend.backend() != "torch",
    )
    logs = model.evaluate(found, true, verbose=0, return_dict=True)
    for name in metrics:
        expected = float(fixture[f"out/{name}"])
        assert logs[name] == pytest.approx(expected, rel=1e-5), name
    for joint, expected in enumerate(fixture["out/map10cm_per_joint"][:4]):
        metric = evaluation.JointAccuracy(joint=joint)
        metric.update_state(true, found)
        assert float(metric.result()) == pytest.approx(expected)
    # The second sample does not count.
    metric = evaluation.JointError()
    metric.update_state(true, found, np.array([1, 0]))
    expected = evaluation.mpjpe(true[:1], found[:1])
    assert float(metric.result()) == pytest.approx(expected, rel=1e-5)
    copy = evaluation.JointError.from_config(
        metrics["mpjpe_root_aligned_m"].get_config()
    )
    copy.update_state(true, found)
    assert float(copy.result()) == pytest.approx(
        float(fixture["out/mpjpe_root_aligned_m"]), rel=1e-5
    )


@pytest.mark.once
def test_what_alignment_takes_away():
    true = poses()
    moved = turned(true, scale=1.7)
    assert evaluation.pa_mpjpe(true, moved) < 1e-12
    assert evaluation.root_mpjpe(true, moved, 3) > 0.5
    assert evaluation.root_mpjpe(true, true + (1, 2, 3), 3) < 1e-12
    # A reflection is no rotation.
    assert evaluation.pa_mpjpe(true, true * (-1, 1, 1)) > 0.1
    # The map found is the best of those near it.
    found = poses(1)
    best = evaluation.procrustes(true, found)
    square = np.sum((best - true) ** 2)
    for change in (1.01, 0.99):
        assert np.sum((change * best - true) ** 2) > square
    # Flat poses, and those of one place.
    flat = true * (1, 1, 0)
    assert evaluation.pa_mpjpe(flat, turned(flat)) < 1e-12
    assert np.isfinite(evaluation.pa_mpjpe(true, 0 * true))


@pytest.mark.once
def test_exactly_the_threshold():
    true = np.zeros((1, 2, 3))
    found = np.array([[[0, 0.5, 0], [0.25, 0, 0]]])
    assert evaluation.joint_accuracy(true, found, 0.5) == 50
    assert evaluation.joint_accuracy(true, found, 0.5, inclusive=True) == 100
    for inclusive, share in ((False, 0.5), (True, 1.0)):
        metric = evaluation.JointAccuracy(0.5, inclusive)
        metric.update_state(true, found)
        assert float(metric.result()) == share
    found = np.concatenate([found, found + 9])
    near = evaluation.joint_accuracy(
        0 * found, found, 0.5, valid=[1, 0], per_joint=True
    )
    np.testing.assert_array_equal(near, [0, 100])


@pytest.mark.once
def test_result_of_a_model(tmp_path):
    true = poses()
    inputs = keras.Input((15, 3))
    model = keras.Model(
        inputs,
        keras.layers.Dense(
            3, kernel_initializer="identity", bias_initializer="ones"
        )(inputs),
        name="shifted",
    )
    found = true.astype("float32")
    result = evaluation.evaluate_poses(model, found, true, "itop15")
    assert result.value == 0
    assert result.scores["error"].value == pytest.approx(100 * 3**0.5)
    assert result.scores["error, root aligned"].value < 1e-3
    text = str(result)
    assert "left_knee" in text and "173.21 cm (5)" in text
    result.save(tmp_path / "result.json")
    assert str(Result.load(tmp_path / "result.json")) == text
    assert evaluation.Comparison([result]).to_markdown().count("173.2") == 1
    with pytest.raises(ValueError, match="no skeleton"):
        evaluation.evaluate_poses(model, found, true)
    with pytest.raises(ValueError, match="true ones have"):
        evaluation.evaluate_poses(model, found, true[:, :3], "itop15")


@pytest.mark.once
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"align": "scale"}, "'procrustes'"),
        ({"align": "root"}, "root=None"),
        ({"align": "root", "root": 15}, "0 to 14"),
    ],
)
def test_wrong_alignment(arguments, message):
    with pytest.raises(ValueError, match=message):
        evaluation.joint_errors(poses(), poses(), **arguments)


@pytest.mark.once
def test_wrong_poses():
    true = poses()
    with pytest.raises(ValueError, match="one shape"):
        evaluation.pa_mpjpe(true, true[:, :3])
    with pytest.raises(ValueError, match="above 0"):
        evaluation.joint_accuracy(true, true, 0)
    with pytest.raises(ValueError, match="15 joints of 'itop15'"):
        evaluation.measure_poses(true[:, :3], true[:, :3], "itop15")
    with pytest.raises(ValueError, match="no joint 'tail'"):
        evaluation.measure_poses(true, true, "itop15", root="tail")
    with pytest.raises(ValueError, match="two or three coordinates"):
        evaluation.JointError().update_state(true[..., :1], true[..., :1])
    with pytest.raises(ValueError, match="one shape"):
        evaluation.JointError().update_state(true, true[:, :3])
