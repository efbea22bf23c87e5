import keras
import numpy as np
import pytest
from graph_networks import randomize_network
from keras import ops

from keras_skeleton import evaluation
from keras_skeleton import weights
from keras_skeleton.applications import CTRGCN
from keras_skeleton.applications import ctrgcn

TINY = {
    "input_shape": (1, 8, 20, 3),
    "skeleton": "nw_ucla",
    "hidden_dim": 4,
    "blocks": ((1, 1), (2, 2)),
}


def clips(shape=TINY["input_shape"], count=3, seed=0):
    random = np.random.default_rng(seed)
    return random.normal(size=(count, *shape)).astype("float32")


@pytest.mark.once
@pytest.mark.usefixtures("zeros_at_first")
def test_published_size():
    model = CTRGCN(classes=60)
    count = sum(int(np.prod(v.shape)) for v in model.trainable_weights)
    assert count == 1_446_672
    assert [block.stride for block in model.blocks].count(2) == 2
    assert model.blocks[-1].output.shape == (None, 16, 25, 256)


@pytest.mark.once
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


def test_optimizer_is_built_before_the_first_step():
    model = CTRGCN(**TINY, classes=4)
    model.compile(keras.optimizers.SGD(momentum=0.9), "mse")
    model.make_train_function()
    assert len(model.optimizer.variables) >= len(model.trainable_variables)


@pytest.mark.once
def test_registered_weights_say_where_to_get_them():
    assert "ntu60_xsub_joint" in weights.names(system="ctrgcn")
    with pytest.raises(FileNotFoundError, match="convert ctrgcn"):
        CTRGCN("ntu60_xsub_joint")


@pytest.mark.once
def test_preprocess_and_decode():
    assert ctrgcn.preprocess_input(clips((2, 90, 25, 3))).shape[2] == 64
    named = ctrgcn.decode_predictions([[0.0, 1.0]], ["sit", "stand"], top=1)
    assert named == [[("stand", 1.0)]]
    # Of a call, which carries gradients in PyTorch.
    model = CTRGCN(**CTRGCN.tiny, classes=2)
    scores = model(clips(CTRGCN.tiny["input_shape"]))
    named = ctrgcn.decode_predictions(scores, ["sit", "stand"])
    assert {name for name, _ in named[0]} == {"sit", "stand"}
    assert evaluation.top_k_accuracy(scores, [0] * len(scores)) >= 0


@pytest.mark.once
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
