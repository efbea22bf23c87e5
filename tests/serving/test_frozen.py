import keras
import numpy as np
import pytest
from graph_networks import randomize_network
from support import assert_close
from two_inputs import SKELETONS
from two_inputs import VIDEO
from two_inputs import arrays
from two_inputs import logits
from two_inputs import two_inputs

from keras_skeleton import applications
from keras_skeleton.serving import FrozenModel
from keras_skeleton.serving import StreamingClassifier

SHAPE = (2, 12, 20, 3)


def clips(number, shape=SHAPE):
    values = np.random.default_rng(1).normal(size=(number, *shape))
    return values.astype("float32")


@pytest.fixture(scope="module")
def small():
    keras.utils.set_random_seed(0)
    inputs = keras.Input(SHAPE)
    x = keras.layers.Flatten(name="flat")(inputs)
    return keras.Model(inputs, keras.layers.Dense(4)(x))


@pytest.mark.parametrize("name", ["CTRGCN", "HyperGCN"])
def test_equals_prediction(name):
    keras.utils.set_random_seed(0)
    cls = getattr(applications, name)
    model = cls(**cls.tiny, classes=5)
    randomize_network(model)
    inputs = clips(1, model.input_shape[1:])
    outputs = FrozenModel(model)(inputs)
    assert isinstance(outputs, np.ndarray)
    expected = keras.ops.convert_to_numpy(model.predict_on_batch(inputs))
    assert np.abs(expected).max() > 0
    assert_close(outputs, expected, name)


@pytest.mark.parametrize("policy", ["bfloat16", "mixed_float16"])
def test_keeps_the_data_types(policy):
    dense = keras.layers.Dense(4, dtype=policy)
    model = keras.Sequential([keras.Input((8,)), dense])
    inputs = np.linspace(-1, 1, 8, dtype="float32")[None]
    expected = model.predict_on_batch(inputs)
    outputs = FrozenModel(model)(inputs)
    assert outputs.dtype == keras.ops.convert_to_numpy(expected).dtype
    assert_close(
        outputs.astype("float32"),
        keras.ops.convert_to_numpy(expected).astype("float32"),
        policy,
        1e-2,
    )


def test_takes_several_clips(small):
    inputs = clips(3)
    expected = keras.ops.convert_to_numpy(small.predict_on_batch(inputs))
    assert_close(FrozenModel(small, 3)(inputs), expected, "scores")


def test_keeps_the_weights_of_the_moment(small):
    inputs = clips(1)
    frozen = FrozenModel(small)
    before = frozen(inputs)
    old = small.get_weights()
    small.set_weights([2 * values + 1 for values in old])
    after = keras.ops.convert_to_numpy(small.predict_on_batch(inputs))
    np.testing.assert_array_equal(frozen(inputs), before)
    assert np.abs(after - before).max() > 0.1
    assert_close(FrozenModel(small)(inputs), after, "frozen anew")
    small.set_weights(old)


def test_leaves_the_model_as_it_is():
    keras.utils.set_random_seed(0)
    layers = [
        keras.layers.BatchNormalization(),
        keras.layers.Dropout(0.5),
        keras.layers.Flatten(),
        keras.layers.Dense(4),
    ]
    model = keras.Sequential([keras.Input(SHAPE), *layers])
    before = model.get_weights()
    FrozenModel(model)(clips(1))
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(new, old)
    model.compile("sgd", "mse")
    model.train_on_batch(clips(2), np.ones((2, 4)))
    for old, new in zip(before, model.get_weights(), strict=True):
        assert np.abs(old - new).max() > 0


def test_outputs_keep_their_structure(small):
    hidden = small.get_layer("flat").output
    model = keras.Model(
        small.input, {"hidden": hidden, "scores": [small.output]}
    )
    inputs = clips(1)
    outputs = FrozenModel(model)(inputs)
    expected = keras.ops.convert_to_numpy(small.predict_on_batch(inputs))
    assert_close(outputs["scores"][0], expected, "scores")
    np.testing.assert_array_equal(outputs["hidden"], inputs.reshape(1, -1))


def test_takes_several_inputs():
    model, inputs = two_inputs(), arrays(2)
    frozen = FrozenModel(model, batch_size=2)
    assert frozen.input_shape == {
        "skeletons": (2, *SKELETONS),
        "video": (2, *VIDEO),
    }
    assert_close(frozen(inputs), logits(model, inputs), "scores")
    with pytest.raises(ValueError, match="'video', 'skeletons'"):
        frozen(inputs["video"])
    with pytest.raises(ValueError, match=r"frozen for video \(2, 3, 5, 6, 2\)"):
        frozen({**inputs, "video": inputs["video"][:1]})


def test_takes_what_becomes_an_array(small):
    frozen = FrozenModel(small)
    inputs = np.round(clips(1))
    np.testing.assert_array_equal(
        frozen(inputs.astype("int64").tolist()), frozen(inputs)
    )


def test_a_stream_can_use_it(small):
    frame = clips(1)[0, :, 0]
    found = [
        StreamingClassifier(model).update(frame).probabilities
        for model in (small, FrozenModel(small))
    ]
    assert_close(found[1], found[0], "probabilities")


def test_says_what_does_not_fit(small):
    frozen = FrozenModel(small, 2)
    with pytest.raises(ValueError, match=r"for clips \(2, 2, 12, 20, 3\)"):
        frozen(clips(1))
    with pytest.raises(ValueError, match="at least 1"):
        FrozenModel(small, 0)
    with pytest.raises(ValueError, match="shapes unknown"):
        FrozenModel(keras.Sequential([keras.layers.Dense(2)]))
    with pytest.raises(ValueError, match=r"\(None, None, 3\)"):
        FrozenModel(
            keras.Sequential([keras.Input((None, 3)), keras.layers.Dense(2)])
        )
    with pytest.raises(ValueError, match="built Keras model"):
        FrozenModel(lambda clips: clips)
