import keras
import numpy as np
import pytest
from keras import ops

from keras_skeleton.applications import MAMP
from keras_skeleton.datasets import Sequences
from keras_skeleton.evaluation import extract_features
from keras_skeleton.evaluation import features as module
from keras_skeleton.layers.augmentation import CropResize


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
