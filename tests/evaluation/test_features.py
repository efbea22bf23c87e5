import keras
import numpy as np
import pytest
from keras import ops
from two_inputs import arrays
from two_inputs import logits
from two_inputs import two_inputs

from keras_skeleton.applications import MAMP
from keras_skeleton.datasets import Sequences
from keras_skeleton.evaluation import extract_features
from keras_skeleton.evaluation import features as module
from keras_skeleton.layers.augmentation import CropResize
from keras_skeleton.layers.augmentation import SplitClips


@pytest.fixture
def sequences():
    random = np.random.default_rng(1)
    clips = [random.normal(size=(length, 20, 3)) for length in range(6, 13)]
    return Sequences.from_arrays(
        clips, [0, 1, 0, 1, 0, 1, 1], skeleton="nw_ucla"
    )


def mean_features(encoder, clips):
    return ops.convert_to_numpy(encoder(clips)).mean(axis=(1, 2, 3))


def test_arrays(encoder, clips):
    values, labels = clips
    found, own_labels = extract_features(encoder, clips, batch_size=4)
    assert found.shape == (10, 8)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, mean_features(encoder, values), atol=1e-5)
    np.testing.assert_array_equal(own_labels, labels)
    found, own_labels = extract_features(encoder, values, pooling="max")
    np.testing.assert_allclose(
        found, ops.convert_to_numpy(encoder(values)).max((1, 2, 3)), atol=1e-5
    )
    assert own_labels is None


@pytest.mark.parametrize("kind", ["to_keras", "to_dataset"])
def test_batches(encoder, sequences, kind):
    if kind == "to_dataset":
        pytest.importorskip("tensorflow")
    crop = CropResize(8, interval=(0.95,))
    batches = getattr(sequences, kind)([crop], batch_size=3)
    expected = mean_features(
        encoder,
        ops.convert_to_numpy(crop(sequences.padded(range(len(sequences))))),
    )
    found, labels = extract_features(encoder, batches)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_array_equal(labels, sequences.labels)


def test_list_of_batches_of_clips_alone(encoder, clips):
    values = clips[0]
    found, labels = extract_features(encoder, [values[:4], values[4:]])
    np.testing.assert_allclose(found, mean_features(encoder, values), atol=1e-5)
    assert labels is None


def test_classifier_and_model_of_features(encoder, clips):
    expected, _ = extract_features(encoder, clips)
    classifier = MAMP(encoder=encoder, classes=3)
    pooled = MAMP(encoder=encoder, pooling="avg")
    own = keras.Model(pooled.input, pooled.output * 1.0)
    for model in (classifier, pooled, own):
        found, _ = extract_features(model, clips)
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_last_batch_has_the_shape_of_the_others(clips):
    class Model:
        shapes = []

        def predict_on_batch(self, batch):
            self.shapes.append(batch.shape)
            return batch[:, 0, 0, 0]

    found, _ = module.predict(Model(), clips, batch_size=4)
    assert {shape[0] for shape in Model.shapes} == {4}
    np.testing.assert_array_equal(found, clips[0][:, 0, 0, 0])


def test_layers_of_several_models(encoder, clips):
    """The features of this model, though its layers were used before."""
    values = clips[0]
    inputs = keras.Input(encoder.input_shape[1:], name="skeletons")
    x = 2.0 * inputs
    for layer in encoder.layers[1:]:
        x = layer(x)
    model = keras.Model(inputs, keras.layers.GlobalMaxPooling3D()(x))
    found, _ = extract_features(model, values)
    expected = mean_features(encoder, 2 * values)
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("shape", [(5,), (3, 4, 5), (2, 3, 4, 3, 5)])
def test_pooling_of_any_shape(shape, random):
    inputs = keras.Input(shape)
    maps = keras.layers.Activation("tanh", name="features")(inputs)
    model = keras.Model(inputs, keras.layers.Flatten()(maps))
    values = random.normal(size=(6, *shape)).astype("float32")
    axes = tuple(range(1, len(shape)))
    for pooling, reduce in (
        ("published", np.mean),
        ("avg", np.mean),
        ("max", np.max),
    ):
        found, _ = extract_features(model, values, pooling, batch_size=4)
        expected = reduce(np.tanh(values), axis=axes)
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_rule_of_a_system(random):
    class LastFrame(keras.Model):
        def pooled(self, features, kind="published"):
            if kind == "published":
                return ops.mean(features[:, :, -1], axis=(1, 2))
            return ops.mean(features, axis=(1, 2, 3))

    inputs = keras.Input((1, 4, 3, 2))
    maps = keras.layers.Activation("tanh", name="features")(inputs)
    model = LastFrame(inputs, maps)
    values = random.normal(size=(5, 1, 4, 3, 2)).astype("float32")
    found, _ = extract_features(model, values)
    expected = np.tanh(values)[:, 0, -1].mean(axis=1)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    found, _ = extract_features(model, values, pooling="avg")
    np.testing.assert_allclose(
        found, np.tanh(values).mean((1, 2, 3)), atol=1e-5
    )
    # Built once: else each would be compiled anew, and leave nodes behind.
    assert module.feature_model(model) is module.feature_model(model)


def test_clips_of_a_sample_are_averaged(encoder, random):
    values = random.normal(size=(5, 1, 3 * 8, 20, 3)).astype("float32")
    split = SplitClips(3)(values)
    features = mean_features(encoder, values.reshape(15, 1, 8, 20, 3))
    expected = features.reshape(5, 3, -1).mean(axis=1)
    found, labels = extract_features(
        encoder, (ops.convert_to_numpy(split), np.arange(5)), batch_size=2
    )
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_array_equal(labels, np.arange(5))


@pytest.mark.parametrize("probabilities", [False, True])
def test_scores_of_the_clips_of_a_sample(probabilities):
    model = keras.Sequential(
        [keras.Input((1, 1, 1, 2)), keras.layers.Flatten()]
    )
    scores = np.log([[[0.9, 0.1], [0.2, 0.8]]])
    inputs = scores.reshape(1, 2, 1, 1, 1, 2)
    found, _ = module.predict(model, inputs, probabilities=probabilities)
    expected = [[0.55, 0.45]] if probabilities else scores.mean(axis=1)
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("kind", ["arrays", "batches", "to_dataset"])
def test_several_inputs(kind):
    model, inputs, labels = two_inputs(), arrays(5), np.arange(5)
    expected = logits(model, inputs)
    data = inputs, labels
    if kind == "batches":
        data = [
            (
                {name: array[rows] for name, array in inputs.items()},
                labels[rows],
            )
            for rows in (slice(0, 3), slice(3, 5))
        ]
    elif kind == "to_dataset":
        tf = pytest.importorskip("tensorflow")
        data = tf.data.Dataset.from_tensor_slices(data).batch(3)
    found, own_labels = module.predict(model, data, batch_size=2)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_array_equal(own_labels, labels)
    if kind == "arrays":
        found, own_labels = module.predict(model, inputs, batch_size=2)
        np.testing.assert_allclose(found, expected, atol=1e-5)
        assert own_labels is None
        features, _ = extract_features(model, inputs)
        assert features.shape == (5, 5)


def test_clips_of_several_inputs():
    model, inputs = two_inputs(), arrays(6)
    split = {
        name: array.reshape(2, 3, *array.shape[1:])
        for name, array in inputs.items()
    }
    found, _ = module.predict(model, split, batch_size=1)
    expected = logits(model, inputs).reshape(2, 3, -1).mean(axis=1)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    split["video"] = split["video"][:, :2]
    with pytest.raises(ValueError, match=r"number of clips.*\[2, 3\]"):
        module.predict(model, split)


def test_bad_input(encoder, clips, sequences):
    values, labels = clips
    with pytest.raises(ValueError, match="to_keras"):
        extract_features(encoder, sequences)
    with pytest.raises(ValueError, match="10 clips, but 9 labels"):
        extract_features(encoder, (values, labels[:9]))
    with pytest.raises(ValueError, match="'middle'"):
        extract_features(encoder, clips, pooling="middle")
    with pytest.raises(ValueError, match="no batches"):
        extract_features(encoder, [])
    with pytest.raises(ValueError, match="layer named 'features'"):
        maps = keras.Sequential([keras.Input((4, 3)), keras.layers.Dense(2)])
        extract_features(maps, np.zeros((2, 4, 3)))
    values[7] = np.nan
    with pytest.raises(ValueError, match="1 of 10 clips.*clip 7"):
        extract_features(encoder, clips)
