"""M-Mixer beyond what holds for every system."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_skeleton import explain
from keras_skeleton.applications import STGCN
from keras_skeleton.applications import MMixer
from keras_skeleton.losses import JointCrossentropy


def batch(model, count=4, seed=0):
    random = np.random.default_rng(seed)
    return {
        name: random.normal(size=(count, *shape)).astype("float32")
        for name, shape in model.input_form.items()
    }


@pytest.mark.once
def test_size_is_that_of_the_specification():
    model = MMixer(classes=60)
    count = sum(int(np.prod(v.shape)) for v in model.trainable_weights)
    assert count == 18_218_556


def test_three_modalities_each_see_the_others():
    keras.utils.set_random_seed(0)
    widths = {"video": 5, "depth": 4, "infrared": 3}
    # Means have no heads that the width would have to be a multiple of.
    for content, width in (("cfem", 8), ("mean", 7)):
        arguments = {**MMixer.tiny, "modalities": widths, "content": content}
        model = MMixer(**{**arguments, "hidden_dim": width})
        x = batch(model)
        before = model.predict_on_batch(x)
        assert before.shape == (4, 1, 8, 3, width)
        # The last frame of one changes the first states of the others.
        changed = {name: array.copy() for name, array in x.items()}
        changed["depth"][:, -1] += 3
        difference = np.abs(model.predict_on_batch(changed) - before)
        first = difference[:, 0, 0].max(axis=(0, 2))
        assert first[0] > 0 and first[2] > 0 and first[1] == 0


@pytest.mark.parametrize("content", ["cfem", "mean"])
@pytest.mark.parametrize("readout", ["last", "mean"])
def test_padding_changes_nothing(content, readout):
    keras.utils.set_random_seed(0)
    arguments = {
        **MMixer.tiny,
        "modalities": {"video": 5, "depth": 4},
        "content": content,
        "readout": readout,
        "classes": 3,
    }
    model = MMixer(**arguments, mask_padding=True)
    x = batch(model)
    x = {name: array[:, :6] for name, array in x.items()}
    short = MMixer(**{**arguments, "input_shape": (1, 6, 20, 3)})
    short.set_weights(model.get_weights())
    padded = {
        name: np.pad(array, ((0, 0), (0, 2), (0, 0)))
        for name, array in x.items()
    }
    np.testing.assert_allclose(
        model.predict_on_batch(padded), short.predict_on_batch(x), atol=1e-5
    )


def test_training_with_a_head_for_each_modality():
    keras.utils.set_random_seed(0)
    model = MMixer(**MMixer.tiny, classes=2)
    training = model.by_head()
    x, labels = batch(model), np.array([0, 1, 0, 1])
    training.compile(
        keras.optimizers.Adam(0.02), JointCrossentropy((1, 0.25, 0.25))
    )
    losses = training.fit(x, labels, epochs=10, verbose=0).history["loss"]
    assert losses[-1] < losses[0] - 0.2
    np.testing.assert_allclose(
        training.predict_on_batch(x)[:, 0],
        model.predict_on_batch(x),
        atol=1e-5,
    )
    with pytest.raises(ValueError, match="no scores"):
        MMixer(**MMixer.tiny).by_head()


def test_extractors_of_pictures_and_of_clips(tmp_path):
    keras.utils.set_random_seed(0)
    frames = keras.Sequential(
        [
            keras.Input((6, 6, 3)),
            keras.layers.Conv2D(5, 3, activation="relu"),
            keras.layers.GlobalAveragePooling2D(),
        ]
    )
    clips = STGCN(**{**STGCN.tiny, "blocks": ((1, 1),), "output_dim": 4})
    mixer = MMixer(
        **{
            **MMixer.tiny,
            "modalities": {"video": 5, "body": 4, "depth": 3},
        },
        classes=2,
    )
    model = mixer.with_extractors({"video": frames, "body": clips})
    random = np.random.default_rng(0)
    x = {
        "video": random.normal(size=(2, 8, 6, 6, 3)).astype("float32"),
        "body": random.normal(size=(2, 1, 8, 20, 3)).astype("float32"),
        "depth": random.normal(size=(2, 8, 3)).astype("float32"),
    }
    scores = model.predict_on_batch(x)
    expected = mixer.predict_on_batch(
        {
            "video": np.stack(
                [frames.predict_on_batch(clip) for clip in x["video"]]
            ),
            "body": clips.predict_on_batch(x["body"]).mean(axis=(1, 3)),
            "depth": x["depth"],
        }
    )
    np.testing.assert_allclose(scores, expected, atol=1e-5)
    model.compile("adam", "mse")
    model.fit(x, np.zeros((2, 2)), verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(
        loaded.predict_on_batch(x), model.predict_on_batch(x), atol=1e-5
    )
    with pytest.raises(ValueError, match="of width 5"):
        mixer.with_extractors({"video": clips})
    with pytest.raises(ValueError, match="extractors of sound"):
        mixer.with_extractors({"sound": frames})


def test_attention_of_the_queries_is_shown():
    model = MMixer(**MMixer.tiny, classes=2)
    names = ("complement_skeletons", "complement_video")
    assert explain.attention_layers(model) == names
    layer = model.get_layer(names[0])
    x = ops.convert_to_tensor(np.ones((2, 8, 8), "float32"))
    weights = ops.convert_to_numpy(layer.attention_weights(x))
    assert weights.shape == (2, 2, 1, 8)
    np.testing.assert_allclose(weights.sum(axis=-1), 1, atol=1e-5)


@pytest.mark.once
@pytest.mark.parametrize(
    "changed, message",
    [
        ({"modalities": {"video": 5}}, "two or more"),
        ({"modalities": 3}, "two or more"),
        ({"content": "sum"}, "`content` must be"),
        ({"readout": "first"}, "`readout` must be"),
        ({"num_heads": 3}, "multiple of `num_heads`"),
        ({"num_queries": 0}, "`num_queries` must be a whole number from 1"),
    ],
)
def test_arguments_that_do_not_fit(changed, message):
    with pytest.raises(ValueError, match=message):
        MMixer(**{**MMixer.tiny, **changed})
