import keras
import numpy as np
import pytest
from graph_networks import randomize_network
from keras import ops
from support import gradients

from keras_skeleton import weights
from keras_skeleton.applications import CTRGCN
from keras_skeleton.applications import ctrgcn

TINY = {
    "input_shape": (1, 8, 20, 3),
    "skeleton": "nw_ucla",
    "hidden_dim": 4,
    "blocks": ((1, 1), (2, 2)),
}
OFF_DEFAULT = {
    "input_shape": (2, 9, 17, 2),
    "skeleton": "coco17",
    "hidden_dim": 8,
    "blocks": ((2, 1),),
    "head": "linear",
    "adaptive": False,
    "baseline": True,
    "dropout_rate": 0.3,
    "name": "other",
}


def clips(shape=TINY["input_shape"], count=3, seed=0):
    random = np.random.default_rng(seed)
    return random.normal(size=(count, *shape)).astype("float32")


@pytest.mark.usefixtures("zeros_at_first")
def test_published_size():
    model = CTRGCN(classes=60)
    count = sum(int(np.prod(v.shape)) for v in model.trainable_weights)
    assert count == 1_446_672
    assert [block.stride for block in model.blocks].count(2) == 2
    assert model.blocks[-1].output.shape == (None, 16, 25, 256)


@pytest.mark.parametrize(
    ("skeleton", "joints", "coordinates", "persons"),
    [("ntu", 25, 3, 2), ("coco17", 17, 2, 1)],
)
def test_any_layout(skeleton, joints, coordinates, persons):
    shape = (persons, 9, joints, coordinates)
    encoder = CTRGCN(
        input_shape=shape,
        skeleton=skeleton,
        hidden_dim=4,
        blocks=TINY["blocks"],
    )
    # The second of two blocks halves the frames and doubles the channels.
    assert encoder.output_shape == (None, persons, 5, joints, 8)
    model = CTRGCN(encoder=encoder, classes=4)
    outputs = model.predict_on_batch(clips(shape))
    assert outputs.shape == (3, 4)
    assert np.isfinite(outputs).all()
    one = model.predict_on_batch(clips(shape)[1:2])
    scale = np.abs(one).max()
    np.testing.assert_allclose(outputs[1:2] / scale, one / scale, atol=1e-5)


@pytest.mark.parametrize(
    "extra",
    [{"classes": 4, "classifier_activation": "softmax"}, {"pooling": "max"}],
)
def test_saving_keeps_every_argument(extra, tmp_path):
    arguments = {**OFF_DEFAULT, **extra}
    model = CTRGCN(**arguments)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert isinstance(loaded, CTRGCN)
    assert loaded.get_config() == model.get_config()
    for name, value in arguments.items():
        assert model.get_config()[name] == value, name
    x = clips(arguments["input_shape"])
    np.testing.assert_array_equal(
        model.predict_on_batch(x), loaded.predict_on_batch(x)
    )


def test_own_weights_bring_the_architecture(tmp_path):
    model = CTRGCN(**TINY, classes=4)
    randomize_network(model)
    path = tmp_path / "model.safetensors"
    weights.save_weights(model, path)
    loaded = CTRGCN(path, classes=4)
    assert loaded.get_config() == model.get_config()
    for saved, variable in zip(model.weights, loaded.weights, strict=True):
        np.testing.assert_array_equal(
            ops.convert_to_numpy(saved.value),
            ops.convert_to_numpy(variable.value),
        )


def test_gradients_reach_every_variable():
    keras.utils.set_random_seed(0)
    model = CTRGCN(**{**TINY, "hidden_dim": 16}, classes=4)
    randomize_network(model)

    def loss(model, x):
        # In inference mode, as batch statistics leave biases no gradient.
        return ops.mean(ops.square(model(x, training=False)[:, 0] - 1))

    _, found = gradients(model, loss, clips())
    assert [path for path, x in found.items() if not np.any(x)] == []


def test_fit_learns():
    keras.utils.set_random_seed(0)
    x, y = clips(count=4), np.arange(4)
    model = CTRGCN(**TINY, classes=4)
    model.compile(
        keras.optimizers.SGD(0.1, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    history = model.fit(x, y, batch_size=4, epochs=30, verbose=0)
    assert history.history["loss"][-1] < 0.5 * history.history["loss"][0]


def test_optimizer_is_built_before_the_first_step():
    model = CTRGCN(**TINY, classes=4)
    model.compile(keras.optimizers.SGD(momentum=0.9), "mse")
    model.make_train_function()
    assert len(model.optimizer.variables) >= len(model.trainable_variables)


def test_registered_weights_say_where_to_get_them():
    assert "ntu60_xsub_joint" in weights.names(system="ctrgcn")
    with pytest.raises(FileNotFoundError, match="convert ctrgcn"):
        CTRGCN("ntu60_xsub_joint")


def test_preprocess_and_decode():
    assert ctrgcn.preprocess_input(clips((2, 90, 25, 3))).shape[2] == 64
    named = ctrgcn.decode_predictions([[0.0, 1.0]], ["sit", "stand"], top=1)
    assert named == [[("stand", 1.0)]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"hidden_dim": 6}, "multiple of the 4 branches"),
        ({"input_shape": (1, 8, 25, 3)}, "the skeleton 'kinect20'"),
        ({"classes": 0}, "`classes` must be"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        CTRGCN(**{**TINY, **arguments})
