"""An application of two inputs: skeletons and a video of the same frames."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_skeleton.applications._application import Application
from keras_skeleton.applications._application import constructor
from keras_skeleton.training import MaskedPrediction


@keras.saving.register_keras_serializable(package="test")
class SeenAndTracked(Application):
    """Joints, each beside what the whole frame of the video shows."""

    system = "seen_and_tracked"

    @constructor
    def __init__(
        self,
        weights=None,
        *,
        input_shape=(1, 4, 20, 3),
        video_shape=(4, 6, 6, 1),
        skeleton="kinect20",
        classes=None,
        pooling=None,
        encoder=None,
        classifier_activation=None,
        head="published",
        hidden_dim=8,
        name="seen_and_tracked",
        dtype=None,
    ):
        """See the class."""

    @staticmethod
    def make_inputs(settings):
        return {
            "skeletons": keras.Input(settings["input_shape"], name="skeletons"),
            "video": keras.Input(settings["video_shape"], name="video"),
        }

    @staticmethod
    def encoder_graph(inputs, settings, skeleton, dtype):
        dim = settings["hidden_dim"]
        joints = keras.layers.Dense(dim, "tanh", name="joints")(
            inputs["skeletons"]
        )
        frames = keras.layers.Dense(dim, "tanh", name="frames")(
            ops.mean(inputs["video"], axis=(2, 3))
        )
        frames = ops.expand_dims(ops.expand_dims(frames, 1), 3)
        return keras.layers.Add(name="features")([joints, frames])

    @staticmethod
    def head_graph(features, settings, skeleton, classes, activation, dtype):
        x = SeenAndTracked.pooled(features, dtype=dtype)
        return keras.layers.Dense(
            classes, activation=activation, name="predictions"
        )(x)


@keras.saving.register_keras_serializable(package="test")
class Reconstruction(MaskedPrediction):
    """Predicts hidden joints from the video: a pretext of two inputs."""

    def __init__(self, encoder):
        super().__init__()
        self.encoder = encoder
        self.output_layer = keras.layers.Dense(3)
        self.output_layer.build(encoder.output_shape)
        self.built = True

    def hide(self, clips):
        mask = ops.concatenate([ops.ones((1, 10)), ops.zeros((1, 10))], axis=1)
        return mask, mask * ops.ones_like(clips["skeletons"][:, 0, 0, :, 0])

    def predict_hidden(self, clips, choice, training=None):
        shown = (1 - choice)[:, None, None, :, None] * clips["skeletons"]
        features = self.encoder({**clips, "skeletons": shown})
        return ops.mean(self.output_layer(features), axis=(1, 2))

    def make_target(self, clips):
        return ops.mean(clips["skeletons"], axis=(1, 2))


def batch(count=8, seed=0):
    random = np.random.default_rng(seed)
    return {
        "skeletons": random.normal(size=(count, 1, 4, 20, 3)).astype("float32"),
        "video": random.normal(size=(count, 4, 6, 6, 1)).astype("float32"),
    }


def test_fit_and_save(tmp_path):
    keras.utils.set_random_seed(0)
    model = SeenAndTracked(classes=2, hidden_dim=6)
    model.compile(
        keras.optimizers.Adam(0.05),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    labels = np.arange(8) % 2
    losses = model.fit(batch(), labels, epochs=8, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.get_config() == model.get_config()
    outputs = model.predict_on_batch(batch())
    np.testing.assert_allclose(
        loaded.predict_on_batch(batch()), outputs, atol=1e-6
    )
    changed = {**batch(), "video": batch(seed=1)["video"]}
    assert np.abs(model.predict_on_batch(changed) - outputs).max() > 1e-3


def test_a_head_on_its_encoder():
    encoder = SeenAndTracked()
    model = SeenAndTracked(encoder=encoder, classes=3, head="linear")
    assert model.predict_on_batch(batch()).shape == (8, 3)
    assert encoder.predict_on_batch(batch()).shape == (8, 1, 4, 20, 8)


def test_a_pretext_model_of_two_inputs():
    keras.utils.set_random_seed(0)
    pretext = Reconstruction(SeenAndTracked())
    pretext.compile(keras.optimizers.Adam(0.02))
    losses = pretext.fit(batch(), epochs=8, verbose=0).history["loss"]
    assert losses[-1] < losses[0]


def test_other_inputs_are_refused():
    model = SeenAndTracked(classes=2)
    with pytest.raises(ValueError, match="'skeletons', 'video'"):
        model({"skeletons": batch()["skeletons"]})
    with pytest.raises(ValueError, match="'video' of shape"):
        model({**batch(), "video": batch()["video"][:, :2]})
