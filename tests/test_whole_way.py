"""From data to a prediction, the way a user goes.

Runs on every backend, and where a library that others need is missing:
`KERAS_SKELETON_WITHOUT=tensorflow` (see conftest.py).
"""

import importlib
import os

import keras
import numpy as np
import pytest

import keras_skeleton
from keras_skeleton import evaluation
from keras_skeleton.applications import MAMP
from keras_skeleton.applications import MAMPPretext
from keras_skeleton.datasets import synthetic
from keras_skeleton.layers.augmentation import Center
from keras_skeleton.layers.augmentation import CropResize

WITHOUT = os.environ.get("KERAS_SKELETON_WITHOUT", "").split(",")


def test_missing_libraries_are_missing():
    for library in filter(None, WITHOUT):
        with pytest.raises(ModuleNotFoundError, match=library):
            importlib.import_module(library)


def test_every_part_is_imported():
    for name in keras_skeleton.__all__:
        part = getattr(keras_skeleton, name)
        for public in getattr(part, "__all__", ()):
            assert getattr(part, public) is not None


def test_train_evaluate_save_and_predict(tmp_path):
    keras.utils.set_random_seed(0)
    data = synthetic.load_data(24, classes=2, skeleton="kinect20")
    transforms = [Center(joint=1), CropResize(8, min_frames=8)]
    batches = data.to_keras(transforms, batch_size=12)
    pretext = MAMPPretext(**MAMPPretext.tiny)
    pretext.compile("adam")
    unlabelled = data.to_keras(transforms, batch_size=12, labels=False)
    pretext.fit(unlabelled, verbose=0)
    features = evaluation.extract_features(pretext.encoder, batches[0])
    # Every clip is its own nearest neighbour.
    assert evaluation.knn_accuracy(*features, *features) == 100
    model = MAMP(encoder=pretext.encoder, classes=2)
    model.compile(
        "adam",
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    model.fit(batches, verbose=0)
    logs = model.evaluate(batches, verbose=0, return_dict=True)
    assert np.isfinite(logs["loss"])
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    clips, _ = batches[0]
    np.testing.assert_array_equal(
        model.predict_on_batch(clips), loaded.predict_on_batch(clips)
    )
