"""HiCLR's pre-training beyond what the official outputs show."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_skeleton.applications import DSTA
from keras_skeleton.applications import STGCN
from keras_skeleton.applications import HiCLR
from keras_skeleton.applications import HiCLRPretext
from keras_skeleton.applications.hiclr import JointMask
from keras_skeleton.applications.hiclr import growing_views

SHAPE = HiCLRPretext.tiny["input_shape"]


def clips(count=4, seed=0):
    random = np.random.default_rng(seed)
    return random.normal(size=(count, *SHAPE)).astype("float32")


def losses(model, x, epochs=1):
    model.compile(keras.optimizers.SGD(0.01))
    return model.fit(x, batch_size=4, epochs=epochs, verbose=0).history


@pytest.mark.parametrize(
    ("encoder", "arguments"),
    [
        (None, {"strong": "edges", "stream": "bone"}),
        (None, {"strong": "style", "stream": "joint_motion"}),
        (DSTA, {"strong": "edges", "copy_keys": False}),
    ],
)
def test_other_forms_train(encoder, arguments):
    own = HiCLRPretext.tiny | arguments
    if encoder is not None:
        own = {"embedding_dim": 8, "queue_size": 16} | arguments
        encoder = encoder(**encoder.tiny)
    model = HiCLRPretext(encoder, **own)
    history = losses(model, clips())
    assert np.isfinite(history["loss"]).all()
    total = history["contrast"][0] + history["consistency"][0]
    assert history["loss"][0] == pytest.approx(total, rel=1e-5)
    stream = own.get("stream", "joint")
    assert list(model.queries) == [stream]
    again = HiCLRPretext.from_config(model.get_config())
    assert type(again.encoder) is type(model.encoder)


def test_views_of_the_pipeline_are_those_of_the_step():
    """Where batches hold views, the step makes none."""
    keras.utils.set_random_seed(0)
    arguments = HiCLRPretext.tiny | {"strong": None, "seed": 1}
    views = growing_views("kinect20", SHAPE)(clips(), training=True)
    views = {name: ops.convert_to_numpy(x) for name, x in views.items()}
    model = HiCLRPretext(**arguments)
    # Batch statistics are all that training would change.
    expected = model.objective(views, None, training=False)[0]
    found = model.objective(
        tuple(views[name] for name in model.view_names), None, training=False
    )[0]
    np.testing.assert_allclose(
        ops.convert_to_numpy(found), ops.convert_to_numpy(expected), rtol=1e-5
    )
    with pytest.raises(ValueError, match="views 'basic', 'key'"):
        model.views_of({"query": clips()})


@pytest.mark.parametrize("ratio", [0.0, 0.1, 0.5])
def test_joint_mask(ratio):
    mask = JointMask(ratio, seed=1)
    mask.build(None)
    mask.value.assign([7.0])
    x = np.ones((2, 2, 6, 20, 3), "float32")
    found = ops.convert_to_numpy(mask(x))
    masked = found == 7
    assert (masked.sum(axis=3) == int(20 * ratio)).all()
    assert (found[~masked] == 1).all()
    # The same for all clips, persons and coordinates; new in each call.
    assert (masked == masked[:1, :1, :, :, :1]).all()
    if ratio:
        again = ops.convert_to_numpy(mask(x)) == 7
        assert (again != masked).any()


def test_neighbours_are_positives_from_an_epoch_on():
    model = HiCLRPretext(**HiCLRPretext.tiny | {"mining_epoch": 2})
    size = 1 + model.queue_size
    drawn = np.random.default_rng(0).normal(size=(3, 3, size))
    logits = list(ops.convert_to_tensor(drawn.astype("float32")))
    for epoch, mined in ((1, False), (2, True)):
        model.epoch.assign(epoch)
        found = ops.convert_to_numpy(model.positives(logits))
        np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-6)
        for row in range(3):
            nearest = {1 + int(np.argmax(x[row, 1:])) for x in drawn}
            expected = {0, *nearest} if mined else {0}
            assert set(np.flatnonzero(found[row])) == expected


def test_dropout_of_a_head_on_a_finished_encoder():
    encoder = STGCN(**STGCN.tiny, dropout_rate=0.0)
    model = STGCN(encoder=encoder, classes=3, dropout_rate=0.9)
    x = clips()
    first, second = (model(x, training=True) for _ in range(2))
    assert not np.allclose(
        ops.convert_to_numpy(first), ops.convert_to_numpy(second)
    )
    assert {id(v) for v in encoder.weights} <= {id(v) for v in model.weights}
    assert HiCLR(encoder=encoder, classes=3).get_config()["dropout_rate"] == 0
