"""What no model can take is refused before Keras or a layer fails on it."""

import keras
import numpy as np
import pytest

from keras_skeleton.applications import BRL
from keras_skeleton.applications import STGCN
from keras_skeleton.applications import MMixer
from keras_skeleton.applications import SkeletonMAEPretext
from keras_skeleton.applications import UniPose
from keras_skeleton.losses import SmoothedCrossentropy
from keras_skeleton.training import ResumeTraining

SHAPE = STGCN.tiny["input_shape"]
CLIPS = np.random.default_rng(0).normal(size=(4, *SHAPE)).astype("float32")
LABELS = np.arange(4) % 3


def compiled(model):
    model.compile("sgd", SmoothedCrossentropy())
    return model


@pytest.fixture(scope="module")
def model():
    return compiled(STGCN(classes=3, **STGCN.tiny))


class Batches(keras.utils.PyDataset):
    """A dataset of one's own."""

    def __init__(self, clips, labels=None):
        super().__init__()
        self.clips, self.labels, self.epochs = clips, labels, 0

    def __len__(self):
        return 2

    def __getitem__(self, index):
        rows = slice(2 * index, 2 * index + 2)
        if self.labels is None:
            return self.clips[rows]
        return self.clips[rows], self.labels[rows]

    def on_epoch_end(self):
        self.epochs += 1


@pytest.mark.once
@pytest.mark.parametrize(
    ("clips", "labels", "words"),
    [
        (None, LABELS, "no inputs for the model"),
        ("clips.npy", LABELS, "no files. Received: 'clips.npy'.*numpy.load"),
        (CLIPS[:0], LABELS[:0], "clips of shape .* hold no samples"),
        (CLIPS[0], LABELS, "with .* after the first axis. Received shape"),
        (CLIPS[..., 1:, :], LABELS, "Received shape"),
        (CLIPS, None, r"there are none. Pass .* fit\(clips, labels\)"),
        (CLIPS, LABELS[:3], "Received 4 clips, 3 labels"),
        (CLIPS, [0, None, 1, 2], "there are None.*left out"),
        (CLIPS.tolist(), LABELS, r"received a list of 4. `numpy.asarray\("),
        (list(CLIPS), LABELS, r"received a list of 4. `numpy.stack\("),
        ([*CLIPS[1:], CLIPS[0][:, 1:]], LABELS, "different shapes.*Sequences"),
        (CLIPS.astype(object), LABELS, "takes numbers.*the type object"),
        ({"clips": CLIPS}, LABELS, "takes one array.*dictionary with 'clips'"),
        (Batches(CLIPS), None, "yield batches of"),
        (Batches(CLIPS, LABELS + 1), None, "subtract 1"),
        (Batches(CLIPS, np.array(list("abca"))), None, "texts such as"),
        (Batches(CLIPS * np.nan, LABELS), None, "2 of 2 clips.*not finite"),
        (Batches(CLIPS[:, :, 1:], LABELS), None, "Received shape"),
    ],
)
def test_data_that_no_classifier_can_learn_from(model, clips, labels, words):
    with pytest.raises(ValueError, match=words):
        model.fit(clips, labels, verbose=0)
    with pytest.raises(ValueError, match=words):
        model.evaluate(clips, labels, verbose=0)


@pytest.mark.once
def test_what_is_predicted_is_looked_at(model):
    clips = CLIPS.copy()
    clips[2, 0, 0, 0, 0] = np.nan
    with pytest.raises(ValueError, match="first is clip 2"):
        model.predict(clips)
    with pytest.raises(ValueError, match="no samples"):
        model.predict(CLIPS[:0])
    scores = model.predict(CLIPS, verbose=0)
    for given in ({"skeletons": CLIPS}, [CLIPS], Batches(CLIPS)):
        found = model.predict(given, verbose=0)
        np.testing.assert_allclose(found, scores, atol=1e-6)


def test_a_dataset_of_ones_own_trains_and_is_told_of_epochs(model):
    batches, held_out = Batches(CLIPS, LABELS), Batches(CLIPS, LABELS)
    logs = model.fit(batches, validation_data=held_out, epochs=2, verbose=0)
    assert np.isfinite(logs.history["val_loss"]).all()
    assert batches.epochs >= 2
    with pytest.raises(ValueError, match="there are none"):
        model.fit(CLIPS, LABELS, validation_data=(CLIPS,), verbose=0)


@pytest.mark.once
@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ((CLIPS, LABELS), "single samples.*batch"),
        ((CLIPS[:, None], LABELS), "Received shape"),
        ((CLIPS, np.array(list("abca"))), "texts as labels"),
        ((CLIPS,), "yield batches of"),
    ],
)
def test_what_a_dataset_of_tensorflow_says_of_itself(model, parts, words):
    tf = pytest.importorskip("tensorflow")
    dataset = tf.data.Dataset.from_tensor_slices(parts)
    if "single" not in words:
        dataset = dataset.batch(2)
    with pytest.raises(ValueError, match=words):
        model.fit(dataset, verbose=0)


@pytest.mark.once
def test_several_inputs():
    model = compiled(MMixer(classes=3, **MMixer.tiny))
    x = {
        name: np.ones((4, *shape), "float32")
        for name, shape in model.input_form.items()
    }
    for changed, words in (
        ({"video": x["video"]}, "Received: 'video', without 'skeletons'"),
        ({**x, "depth": x["video"]}, "'depth'"),
        ({**x, "video": None}, "'video' .* must be an array.*NoneType"),
        ({**x, "video": x["video"][:3]}, "4 skeletons, 3 video, 4 labels"),
        (list(x.values()), "list of 2: give each array its name"),
        ({**x, "video": x["video"].tolist()}, "must be an array.*list"),
    ):
        with pytest.raises(ValueError, match=words):
            model.fit(changed, LABELS, verbose=0)


@pytest.mark.once
def test_steps_of_our_own():
    training = BRL(**BRL.tiny)
    training.compile("sgd")
    fewer = CLIPS[:, :8, 1:]
    for function in (training.fit, training.train_on_batch, training.evaluate):
        with pytest.raises(ValueError, match="Received shape"):
            function(fewer, LABELS)
        with pytest.raises(ValueError, match="there are none"):
            function(np.ones((4, *training.input_form), "float32"))
    pretext = SkeletonMAEPretext(**SkeletonMAEPretext.tiny)
    pretext.compile("sgd")
    with pytest.raises(ValueError, match="received a list of 4"):
        pretext.fit(list(CLIPS), verbose=0)


def test_poses_are_evaluated():
    model = UniPose(**UniPose.tiny)
    model.compile()
    x = {
        name: np.ones((2, *shape), "float32")
        for name, shape in model.input_form.items()
    }
    joints = model.predict(x, verbose=0)
    assert model.evaluate(x, joints, verbose=0) < 1e-5
    with pytest.raises(ValueError, match="Received None.*no such labels"):
        model.evaluate(x)


def test_training_stops_where_the_loss_is_no_number(tmp_path):
    model = compiled(STGCN(classes=3, **STGCN.tiny))

    # A generator cannot be looked at before.
    def batches():
        while True:
            yield np.full((2, *model.input_form), np.nan), np.zeros(2)

    state = tmp_path / "state.npz"
    with pytest.warns(UserWarning, match="loss of epoch 1 is nan"):
        history = model.fit(
            batches(),
            steps_per_epoch=1,
            epochs=3,
            verbose=0,
            callbacks=[ResumeTraining(state)],
        )
    assert history.epoch == [0]
    assert not state.exists()
