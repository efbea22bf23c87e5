"""What would train on nonsense is refused with a reason."""

import keras
import numpy as np
import pytest

from keras_skeleton.applications import STGCN
from keras_skeleton.datasets import Sequences
from keras_skeleton.layers.augmentation import MinMaxNormalization
from keras_skeleton.losses import FocalCrossentropy
from keras_skeleton.losses import SmoothedCrossentropy

SHAPE = STGCN.tiny["input_shape"]
CLIPS = np.random.default_rng(0).normal(size=(8, *SHAPE)).astype("float32")
LABELS = np.arange(8) % 4


@pytest.fixture(scope="module")
def model():
    return STGCN(classes=4, **STGCN.tiny)


def fit(model, labels=LABELS, clips=CLIPS, loss=None):
    model.compile("sgd", SmoothedCrossentropy() if loss is None else loss)
    return model.fit(clips, labels, epochs=1, verbose=0)


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (LABELS + 1, "2 of 8 labels are others.*clip 3: 4.*subtract 1"),
        (LABELS + 2, "right number of `classes`"),
        (LABELS - 1, "first that of clip 0: -1.*left out"),
        (np.eye(4)[LABELS], "a column for each class.*argmax"),
        (np.array(list("abcdabcd")), "texts such as 'a'"),
        ([9, 0, 1, 2, 3, 0, 1, 2], "clip 0: 9"),
        (LABELS + 0.5, "8 of 8 are none, such as 0.5"),
    ],
)
@pytest.mark.once
def test_labels_that_are_no_class(model, labels, words):
    for loss in (None, FocalCrossentropy()):
        with pytest.raises(ValueError, match=words):
            fit(model, labels, loss=loss)


def test_labels_of_sequences_are_named(model):
    data = Sequences.from_arrays(
        list(CLIPS), LABELS + 1, names=list("abcdefgh"), skeleton="kinect20"
    )
    model.compile("sgd", SmoothedCrossentropy())
    with pytest.raises(ValueError, match="the clip 'd': 4"):
        model.fit(data.to_keras(batch_size=4), verbose=0)
    loss = model.fit(
        data.select(np.flatnonzero(data.labels < 4)).to_keras(), verbose=0
    ).history["loss"]
    assert np.isfinite(loss).all()


@pytest.mark.once
@pytest.mark.parametrize(
    "loss",
    [
        "sparse_categorical_crossentropy",
        keras.losses.SparseCategoricalCrossentropy(),
        keras.losses.CategoricalCrossentropy(),
    ],
    ids=str,
)
def test_a_loss_of_probabilities_on_logits(model, loss):
    with pytest.raises(ValueError, match="takes probabilities.*from_logits"):
        fit(model, loss=loss)


def test_no_loss_at_all():
    # A new one, as Keras keeps the loss of an earlier `compile`.
    model = STGCN(classes=4, **STGCN.tiny)
    model.compile("sgd")
    with pytest.raises(ValueError, match="compiled without a loss.*Recipe"):
        model.fit(CLIPS, LABELS, verbose=0)


def test_fitting_losses_train(model):
    fit(model)
    fit(model, loss=keras.losses.SparseCategoricalCrossentropy(True))
    fit(
        model,
        np.eye(4)[LABELS],
        loss=keras.losses.CategoricalCrossentropy(True),
    )


@pytest.mark.once
def test_probabilities_and_encoders():
    model = STGCN(classes=4, classifier_activation="softmax", **STGCN.tiny)
    fit(model, loss="sparse_categorical_crossentropy")
    encoder = STGCN(**STGCN.tiny)
    with pytest.raises(ValueError, match="is an encoder.*`classes=`"):
        fit(encoder, loss="sparse_categorical_crossentropy")


@pytest.mark.once
@pytest.mark.parametrize("value", (np.nan, np.inf))
def test_clips_that_are_not_finite(model, value):
    clips = CLIPS.copy()
    clips[5, 0, 2, 3, 1] = value
    with pytest.raises(ValueError, match="1 of 8 clips.*clip 5.*zeros"):
        fit(model, clips=clips)


def test_what_is_held_out_is_looked_at(model):
    model.compile("sgd", SmoothedCrossentropy())
    with pytest.raises(ValueError, match="subtract 1"):
        model.evaluate(CLIPS, LABELS + 1, verbose=0)
    with pytest.raises(ValueError, match="clip 0: 4"):
        held_out = (CLIPS, LABELS + 4)
        model.fit(CLIPS, LABELS, validation_data=held_out, verbose=0)


@pytest.mark.once
def test_units_are_told(model):
    clips = 1000 * CLIPS
    with pytest.warns(UserWarning, match="large, .* millimetres by 0.001"):
        fit(model, clips=clips)
    data = Sequences.from_arrays(list(clips), LABELS, skeleton="kinect20")
    with pytest.warns(UserWarning, match="large"):
        model.fit(data.to_keras(), verbose=0)
    small = MinMaxNormalization()
    model.fit(data.to_keras([small]), verbose=0)


@pytest.mark.once
def test_axes_of_st_gcn_are_told():
    with pytest.raises(ValueError, match="one coordinate of 3 persons"):
        STGCN(input_shape=(3, 16, 20, 1), skeleton="kinect20")
    arguments = {**STGCN.tiny, "input_shape": (3, *SHAPE[1:3], 2)}
    with pytest.warns(UserWarning, match="3 persons of 2 coordinates"):
        STGCN(**arguments)
