import keras
import numpy as np
import pytest

from keras_skeleton import explain
from keras_skeleton.explain import faithfulness

ARM = 2  # the joint whose motion the model looks at


@pytest.fixture(scope="module")
def model():
    """Class 1 if one joint moves, whatever all others do."""
    inputs = keras.Input((1, 6, 4, 3))
    joint = inputs[:, :, :, ARM]
    change = keras.layers.Lambda(
        lambda x: keras.ops.sum(
            keras.ops.square(x[:, :, 1:] - x[:, :, :-1]), axis=(1, 2, 3)
        )[:, None]
    )(joint)
    scores = keras.layers.Dense(
        2, kernel_initializer=keras.initializers.Constant([[-0.5, 0.5]])
    )(change)
    return keras.Model(inputs, scores)


@pytest.fixture(scope="module")
def clips():
    """The arm moves little, the joint beside it much."""
    generator = np.random.default_rng(0)
    clips = np.ones((5, 1, 6, 4, 3), "float32")
    clips[:, :, :, ARM] += generator.normal(size=(5, 1, 6, 3)).astype("f4")
    clips[:, :, :, 1] += 5 * generator.normal(size=(5, 1, 6, 3)).astype("f4")
    return clips


def one_joint(clips, joint):
    values = np.zeros(clips.shape[:4], "float32")
    values[..., joint] = 1
    return values


def test_the_map_of_the_right_joint_wins(model, clips):
    maps = {
        "right": one_joint(clips, ARM),
        "wrong": one_joint(clips, 0),
        "saliency": explain.saliency(model, clips),
        "parts": explain.integrated_gradients(model, clips),
        "product": explain.gradient_times_input(model, clips),
    }
    found = faithfulness(model, maps, clips, 1, steps=4)
    scores = found.scores
    for name in ("right", "saliency", "parts", "product"):
        assert scores[name] == pytest.approx(max(scores.values()))
    assert scores["wrong"] < scores["random order"] < scores["right"]
    assert scores["what moves most"] < scores["right"]
    assert found.best != "wrong"
    # With the arm held still, both classes are as likely.
    assert found.deletion["right"][1] == pytest.approx(0.5, abs=1e-4)
    assert found.insertion["right"][1] == pytest.approx(
        found.deletion["right"][0], abs=1e-4
    )
    for name in scores:
        assert found.deletion[name][-1] == pytest.approx(0.5, abs=1e-4)
    assert "saliency" in str(found)


def test_frames(model, clips):
    """Only the step between the third and the fourth frame moves the arm."""
    clips = np.ones_like(clips)
    clips[:, :, 3:, ARM] += 1
    right = np.zeros((5, 1, 6, 1), "float32")
    right[:, :, 3:] = 1
    found = faithfulness(
        model, {"right": right, "wrong": 1 - right}, clips, 1, over="frames"
    )
    assert found.over == "frames"
    half = found.deletion["right"][5]
    assert half == pytest.approx(0.5, abs=1e-4)
    assert found.deletion["right"][0] > 0.9


def test_parts_add_up_to_the_difference_of_the_logits(model, clips):
    parts = explain.integrated_gradients(model, clips, 1, steps=8)
    assert parts.shape == clips.shape[:4]
    still = explain.held_still(clips)
    logits = (model.predict(x, verbose=0)[:, 1] for x in (clips, still))
    np.testing.assert_allclose(
        parts.sum(axis=(1, 2, 3)), np.subtract(*logits), rtol=1e-3
    )
    np.testing.assert_array_equal(parts[..., [0, 1, 3]], 0)


@pytest.mark.once
def test_held_still():
    clips = np.zeros((1, 2, 4, 1, 2), "float32")
    clips[0, 0, 1:3, 0] = [[1, 2], [3, 6]]
    still = explain.held_still(clips)
    assert still[0, 0, :, 0].tolist() == [[0, 0], [2, 4], [2, 4], [0, 0]]
    first = explain.held_still(clips, "first")
    assert first[0, 0, :, 0].tolist() == [[0, 0], [1, 2], [1, 2], [0, 0]]
    assert not still[0, 1].any() and not first[0, 1].any()
    with pytest.raises(ValueError, match="'mean' or 'first'"):
        explain.held_still(clips, "last")


@pytest.mark.once
def test_maps_of_several_inputs(model, clips):
    speed = keras.Input((2,), name="speed")
    skeletons = keras.Input(clips.shape[1:], name="skeletons")
    scores = model(skeletons) + keras.ops.mean(speed, axis=-1, keepdims=True)
    inputs = {"skeletons": skeletons, "speed": speed}
    both = keras.Model(inputs, scores)
    batch = {"skeletons": clips, "speed": np.zeros((5, 2), "float32")}
    maps = explain.saliency(both, batch)
    for given in (maps, {"saliency": maps}):
        found = faithfulness(both, given, batch, 1, steps=4)
        assert found.scores[found.best] == max(found.scores.values())


@pytest.mark.once
def test_picture_and_errors(model, clips):
    pytest.importorskip("matplotlib")
    maps = {"right": one_joint(clips, ARM)}
    found = faithfulness(model, maps, clips, steps=2, repetitions=1)
    figure = found.draw()
    assert [len(panel.lines) for panel in figure.axes] == [3, 3]
    with pytest.raises(ValueError, match="axes .samples, persons"):
        faithfulness(model, maps["right"][0], clips)
    with pytest.raises(ValueError, match="must lie in 0..1"):
        faithfulness(model, maps, clips, 9)
    with pytest.raises(ValueError, match="one integer per clip"):
        faithfulness(model, maps, clips, [0, 1])
    many = faithfulness(model, maps, clips, steps=999, repetitions=1)
    assert len(many.shares) == 1 + 4
    with pytest.raises(ValueError, match="is of 2 persons"):
        faithfulness(model, np.zeros((5, 2, 6, 4)), clips)
    with pytest.raises(ValueError, match="'joints' or 'frames'"):
        faithfulness(model, maps, clips, over="bones")
    with pytest.raises(ValueError, match="at least 1"):
        faithfulness(model, maps, clips, steps=0)
    with pytest.raises(ValueError, match="at least 1"):
        explain.integrated_gradients(model, clips, steps=0)
