import dataclasses

import keras
import numpy as np
import pytest
from keras import ops
from support import gradients

from keras_skeleton.applications import MAMP
from keras_skeleton.applications import MAMPPretext
from keras_skeleton.applications import mamp
from keras_skeleton.datasets import synthetic
from keras_skeleton.layers import augmentation
from keras_skeleton.layers.augmentation import Center
from keras_skeleton.layers.augmentation import CropResize
from keras_skeleton.losses import SmoothedCrossentropy
from keras_skeleton.weights import registry
from keras_skeleton.weights.conversion import variables_of

TINY = {
    "input_shape": (2, 8, 20, 3),
    "skeleton": "nw_ucla",
    "hidden_dim": 8,
    "num_layers": 2,
    "num_heads": 2,
    "head_dim": 6,
}
OFF_DEFAULT = {
    "input_shape": (2, 12, 20, 3),
    "skeleton": "kinect20",
    "hidden_dim": 12,
    "num_layers": 3,
    "num_heads": 3,
    "mlp_ratio": 2,
    "segment_length": 3,
    "joints_per_patch": 2,
    "use_qkv_bias": False,
    "dropout_rate": 0.1,
    "attention_dropout_rate": 0.15,
    "drop_path_rate": 0.2,
    "head": "linear",
    "head_dim": 5,
    "head_dropout_rate": 0.4,
    "name": "other",
}
PRETEXT_OFF_DEFAULT = {
    "mask_ratio": 0.7,
    "masking_temperature": 0.5,
    "target": "joints",
    "normalize_target": False,
    "motion_stride": 2,
    "decoder_dim": 6,
    "decoder_layers": 2,
    "name": "other_pretext",
}


def clips(shape=TINY["input_shape"], count=3, seed=0):
    random = np.random.default_rng(seed)
    return random.normal(size=(count, *shape)).astype("float32")


@pytest.mark.once
@pytest.mark.parametrize(
    ("arguments", "parameters"),
    [
        ({}, 6_336_000),
        # Trainable 19,572,284, and the moving mean and variance of 2048.
        ({"classes": 60}, 19_572_284 + 2 * 2048),
        ({"classes": 120}, 19_695_224 + 2 * 2048),
        ({"classes": 60, "head": "linear"}, 6_351_420 + 2 * 256),
    ],
)
def test_published_size(arguments, parameters):
    assert MAMP(**arguments).count_params() == parameters


@pytest.mark.once
@pytest.mark.parametrize(
    ("decoder_layers", "parameters"), [(3, 8_789_004), (5, 10_368_524)]
)
def test_published_pretext_size(decoder_layers, parameters):
    model = MAMPPretext(decoder_layers=decoder_layers)
    count = sum(int(np.prod(v.shape)) for v in variables_of(model).values())
    assert count == parameters


@pytest.mark.once
def test_saving_pretext_keeps_every_argument(tmp_path):
    encoder = {
        key: value
        for key, value in OFF_DEFAULT.items()
        if key not in ("head", "head_dim", "head_dropout_rate", "name")
    }
    model = MAMPPretext(**encoder, **PRETEXT_OFF_DEFAULT)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert isinstance(loaded, MAMPPretext)
    config = loaded.get_config()
    for name, value in {**encoder, **PRETEXT_OFF_DEFAULT}.items():
        assert config[name] == value, name
    for saved, variable in zip(model.weights, loaded.weights, strict=True):
        assert saved.path == variable.path
        np.testing.assert_array_equal(
            ops.convert_to_numpy(saved.value),
            ops.convert_to_numpy(variable.value),
        )


@pytest.mark.parametrize("target", ["motion", "joints"])
def test_pretext_gradients_reach_every_variable(target):
    keras.utils.set_random_seed(0)
    model = MAMPPretext(
        **TINY, decoder_dim=8, decoder_layers=1, mask_ratio=0.5, target=target
    )

    def loss(model, x):
        return model.objective(x, None, training=True)[0]

    _, found = gradients(model, loss, clips())
    for path, gradient in found.items():
        assert np.abs(gradient).max() > 0, path


def test_head_shares_the_encoder():
    pretext = MAMPPretext(**TINY, decoder_dim=8, decoder_layers=1)
    pretext.compile("adam")
    model = MAMP(encoder=pretext.encoder, classes=3, drop_path_rate=0.3)
    assert model.blocks[0] is pretext.encoder.blocks[0]
    before = ops.convert_to_numpy(model(clips()))
    pretext.fit(clips(), batch_size=3, verbose=0)
    assert np.abs(ops.convert_to_numpy(model(clips())) - before).max() > 0


def test_a_new_head_changes_no_other_model():
    encoder = MAMP(**TINY)

    def features(model, training):
        part = keras.Model(model.input, model.feature_map)
        many = np.repeat(clips(count=1), 64, axis=0)
        return ops.convert_to_numpy(part(many, training=training))

    deep = MAMP(encoder=encoder, classes=3, drop_path_rate=0.5)
    plain = MAMP(encoder=encoder, classes=3, head="linear")
    assert deep.get_config()["drop_path_rate"] == 0.5
    assert plain.get_config()["drop_path_rate"] == 0.0
    # Each drops what it was built to drop, with the same weights.
    assert np.ptp(features(deep, training=True), axis=0).max() > 0.1
    for model in (plain, encoder):
        assert np.ptp(features(model, training=True), axis=0).max() < 1e-4
    np.testing.assert_allclose(
        features(deep, training=False), features(plain, False), atol=1e-5
    )
    with pytest.raises(ValueError, match="hidden_dim=16"):
        MAMP(encoder=encoder, classes=3, hidden_dim=16)


def test_pretraining_learns():
    keras.utils.set_random_seed(0)
    time = np.linspace(0, 6, 8)[None, None, :, None, None]
    phase = np.random.default_rng(0).uniform(0, 6, size=(16, 1, 1, 20, 3))
    x = np.sin(time + phase).astype("float32")
    model = MAMPPretext(
        **{**TINY, "input_shape": (1, 8, 20, 3), "hidden_dim": 16},
        decoder_dim=16,
        decoder_layers=1,
        mask_ratio=0.5,
    )
    model.compile(keras.optimizers.Adam(3e-3))
    history = model.fit(x, batch_size=16, epochs=60, verbose=0)
    assert history.history["loss"][-1] < 0.7 * history.history["loss"][0]


def test_zero_persons_are_masked_uniformly_and_give_no_nan():
    model = MAMPPretext(**TINY, decoder_dim=8, decoder_layers=1)
    x = clips()
    x[:, 1] = 0
    outputs = model(x)
    for name, value in outputs.items():
        assert np.isfinite(ops.convert_to_numpy(value)).all(), name
    target = ops.convert_to_numpy(outputs["target"])
    assert (target[1::2] == 0).all()


def test_half_precision():
    policy = "mixed_float16"
    model = MAMP(**TINY, classes=3, dtype=policy)
    model.compile("adam", SmoothedCrossentropy())
    model.fit(clips(), np.arange(3), verbose=0)
    assert model(clips()).dtype in ("float32", ops.ones(1).dtype)
    pretext = MAMPPretext(**TINY, decoder_dim=8, decoder_layers=1, dtype=policy)
    pretext.compile("adam")
    history = pretext.fit(clips(), verbose=0)
    assert np.isfinite(history.history["loss"][0])
    for variable in pretext.trainable_variables:
        assert variable.dtype == "float32"


@pytest.mark.parametrize("kind", ["to_keras", "to_dataset"])
def test_fit_from_sequences(kind):
    if kind == "to_dataset":
        pytest.importorskip("tensorflow")
    data = synthetic.load_data(12, classes=2, skeleton="kinect20")
    transforms = [Center(joint=1), CropResize(8, min_frames=8)]
    arguments = {**TINY, "input_shape": (1, 8, 20, 3)}
    pretext = MAMPPretext(**arguments, decoder_dim=8, decoder_layers=1)
    pretext.compile("adam")
    clips = getattr(data, kind)(transforms, batch_size=6, labels=False)
    history = pretext.fit(clips, validation_data=clips, verbose=0)
    assert {"loss", "val_loss"} <= set(history.history)
    model = MAMP(encoder=pretext.encoder, classes=2)
    model.compile("adam", SmoothedCrossentropy(0.1), metrics=["accuracy"])
    batches = getattr(data, kind)(transforms, batch_size=6)
    stop = keras.callbacks.EarlyStopping("val_loss", patience=1)
    model.fit(batches, validation_data=batches, verbose=0, callbacks=[stop])


@pytest.mark.once
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"input_shape": (1, 8, 25, 3)}, "25 joints"),
        ({"input_shape": (8, 20, 3)}, "four positive numbers"),
        ({"input_shape": (1, 20, 8, 3)}, "another order"),
        ({"input_shape": (1, 9, 20, 3)}, "9 frames"),
        ({"joints_per_patch": 3}, "20 joints"),
        ({"skeleton": "octopus"}, "octopus"),
        ({"classes": 0}, "classes"),
        ({"classes": 2.5}, "classes"),
        ({"classes": 3, "pooling": "avg"}, "pooling"),
        ({"pooling": "mean"}, "pooling"),
        ({"head": "top"}, "head"),
        ({"num_heads": 3}, "num_heads"),
        ({"weights": "nonsense"}, "nonsense"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        MAMP(**{**TINY, **arguments})


@pytest.mark.once
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mask_ratio": 1.0}, "mask_ratio"),
        ({"masking_temperature": -1}, "temperature"),
        ({"target": "bones"}, "target"),
        ({"decoder_layers": 3}, "decoder_layers"),
        ({"motion_stride": 8}, "motion_stride"),
        ({"encoder": "given"}, "either `encoder`"),
    ],
)
def test_bad_pretext_arguments(arguments, message):
    if "encoder" in arguments:
        arguments = {"encoder": MAMP(**TINY)}
    arguments = {**TINY, "decoder_dim": 8, "decoder_layers": 1, **arguments}
    with pytest.raises(ValueError, match=message):
        MAMPPretext(**arguments)


def test_masking_everything_is_an_error():
    model = MAMPPretext(
        **TINY, decoder_dim=8, decoder_layers=1, mask_ratio=0.99
    )
    with pytest.raises(ValueError, match="leaves no token"):
        model(clips())


@pytest.mark.once
def test_encoder_fixes_the_architecture():
    encoder = MAMP(**TINY)
    with pytest.raises(ValueError, match="hidden_dim=16"):
        MAMP(encoder=encoder, classes=3, hidden_dim=16)
    with pytest.raises(ValueError, match="not both"):
        MAMP("ntu60", encoder=encoder, classes=3)


@pytest.mark.once
@pytest.mark.parametrize(
    "shape", [(3, 2, 8, 25, 3), (3, 2, 20, 8, 3), (3, 8, 20, 3)]
)
def test_clips_of_the_wrong_shape(shape):
    for model in (
        MAMP(**TINY, classes=3),
        MAMPPretext(**TINY, decoder_dim=8, decoder_layers=1),
    ):
        with pytest.raises(ValueError) as caught:
            model(np.zeros(shape, "float32"))
        for part in (r"(2, 8, 20, 3)", str(shape), "persons, frames, joints"):
            assert part in str(caught.value)


@pytest.mark.once
def test_decode_predictions():
    names = ["sit down", "stand up", "throw"]
    decoded = mamp.decode_predictions([[0.1, 2.0, 0.3]], names, top=2)
    assert [name for name, _ in decoded[0]] == ["stand up", "throw"]
    # Logits become probabilities, which stay what they are.
    expected = np.exp([2.0, 0.3]) / np.exp([0.1, 2.0, 0.3]).sum()
    np.testing.assert_allclose([p for _, p in decoded[0]], expected, 1e-6)
    decoded = mamp.decode_predictions([[0.2, 0.7, 0.1]], names, top=1)
    assert decoded == [[("stand up", pytest.approx(0.7))]]
    with pytest.raises(ValueError, match="3 class names"):
        mamp.decode_predictions([[0.1, 2.0]], names)


def test_preprocess_input():
    x = clips((2, 10, 20, 3))
    x[0, :, 6:] = 0
    result = ops.convert_to_numpy(mamp.preprocess_input(x))
    assert result.shape == (3, 2, 120, 20, 3)
    assert np.abs(result[0, :, -1]).max() > 0


@pytest.mark.once
def test_preprocess_input_keeps_scores(monkeypatch):
    recipe = {
        "data_set": "nw_ucla",
        "form": {"coordinates": ["x", "y", "score"], "up": "-y"},
        "transforms": augmentation.serialize_transforms([Center(joint=0)]),
    }
    entry = dataclasses.replace(registry.get("mamp", "nw_ucla"), recipe=recipe)
    monkeypatch.setattr(registry, "get", lambda system, name: entry)
    x = clips((1, 8, 20, 3))
    x[:, :, :, 3, :2] = 0
    result = ops.convert_to_numpy(mamp.preprocess_input(x, "nw_ucla"))
    np.testing.assert_array_equal(result[..., 2], x[..., 2])
    assert not result[:, :, :, 3, :2].any()
