"""Heads that nobody has trained are told of wherever a model is used."""

import warnings

import keras
import numpy as np
import pytest

from keras_skeleton.applications import MAMP
from keras_skeleton.evaluation import evaluate_model
from keras_skeleton.losses import SmoothedCrossentropy
from keras_skeleton.serving import FrozenModel
from keras_skeleton.serving import StreamingClassifier
from keras_skeleton.weights import load_weights
from keras_skeleton.weights import save_weights

pytestmark = pytest.mark.once

CLIPS = np.random.default_rng(0).normal(size=(4, 1, 8, 20, 3)).astype("float32")
LABELS = np.arange(4) % 3
DOORS = {
    "predict": lambda model: model.predict(CLIPS, verbose=0),
    "evaluate_model": lambda model: evaluate_model(model, (CLIPS, LABELS)),
    "FrozenModel": FrozenModel,
    "StreamingClassifier": StreamingClassifier,
}


@pytest.fixture(scope="module")
def encoder():
    tiny = {**MAMP.tiny, "input_shape": CLIPS.shape[1:], "skeleton": "kinect20"}
    return MAMP(**tiny)


def times_told(model, door):
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        DOORS[door](model)
        DOORS[door](model)
    return sum("is not trained" in str(each.message) for each in found)


@pytest.mark.parametrize("door", DOORS)
def test_each_door_tells_it_once(encoder, door):
    model = MAMP(encoder=encoder, classes=3)
    assert times_told(model, door) == 1
    # Whatever has changed the head has trained it.
    kernel = model.get_layer("predictions").kernel
    kernel.assign(kernel.value + 0.1)
    assert times_told(model, "evaluate_model") == 0


def test_models_remember_it_when_they_are_loaded(encoder, tmp_path):
    model = MAMP(encoder=encoder, classes=3)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.get_config() == model.get_config()
    assert times_told(loaded, "predict") == 1
    path = save_weights(model, tmp_path / "a.safetensors", "float16")
    again = MAMP(path, classes=3)
    assert again.fresh_head
    loaded.compile("sgd", SmoothedCrossentropy())
    loaded.fit(CLIPS, LABELS, verbose=0)
    loaded.save(tmp_path / "trained.keras")
    trained = keras.saving.load_model(tmp_path / "trained.keras")
    assert times_told(trained, "predict") == 0
    assert "fresh_head" not in trained.get_config()
    load_weights(again, save_weights(trained, tmp_path / "b.safetensors"))
    assert times_told(again, "predict") == 0
