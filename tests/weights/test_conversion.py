import keras
import numpy as np
import pytest

from keras_skeleton.applications import MAMP
from keras_skeleton.applications import MAMPPretext
from keras_skeleton.losses import SmoothedCrossentropy
from keras_skeleton.weights import convert_array
from keras_skeleton.weights import load_official
from keras_skeleton.weights import load_weights
from keras_skeleton.weights import official_names
from keras_skeleton.weights import resize_temporal_embedding

pytestmark = pytest.mark.once


def values(model):
    return {v.path: keras.ops.convert_to_numpy(v.value) for v in model.weights}


def assert_unchanged(model, before):
    for path, array in values(model).items():
        np.testing.assert_array_equal(array, before[path])


def test_every_tensor_arrives_in_the_layout_of_keras(tiny, official):
    model = MAMP(classes=5, **tiny)
    tensors = official(kind="finetune")
    load_official(model, tensors)
    loaded = values(model)
    names = official_names(model)
    assert set(names) == set(loaded)
    for path, name in names.items():
        tensor = tensors[name]
        if name == "joints_embed.proj.weight":
            for frame in range(4):
                np.testing.assert_array_equal(
                    loaded[path][frame * 3 : frame * 3 + 3],
                    tensor[:, :, frame, 0].T,
                )
            continue
        expected = tensor.T if path.endswith("kernel") else tensor
        np.testing.assert_array_equal(loaded[path], expected)
        np.testing.assert_array_equal(
            convert_array(model, name, tensor), expected
        )


def test_parts_that_a_model_lacks_are_left_out(tiny, official):
    tensors = official(decoder_layers=1)
    encoder = MAMP(**tiny)
    load_official(encoder, tensors)
    load_official(encoder, official(kind="finetune"))
    load_official(encoder, official(kind="linear"))
    pretext = MAMPPretext(decoder_dim=4, decoder_layers=1, **tiny)
    load_official(pretext, tensors)
    np.testing.assert_array_equal(
        values(pretext)["mask_token/token"], tensors["mask_token"]
    )


def test_tensors_without_elements_hold_nothing(tiny, official):
    # Hyper-GCN saves its virtual joints even where there are none.
    tensors = official(kind="finetune")
    load_official(MAMP(classes=5, **tiny), {**tensors, "x": np.zeros((0, 4))})
    with pytest.raises(ValueError, match="Left over: x"):
        load_official(
            MAMP(classes=5, **tiny), {**tensors, "x": np.zeros((1, 4))}
        )
    with pytest.raises(ValueError, match="Missing: head.fc2.bias"):
        load_official(
            MAMP(classes=5, **tiny), {**tensors, "head.fc2.bias": np.zeros(0)}
        )


def test_linear_head_in_both_forms(tiny, official):
    model = MAMP(classes=5, head="linear", **tiny)
    tensors = official(kind="linear")
    load_official(model, tensors)
    loaded = values(model)
    for path, name in {
        "head_norm/moving_mean": "head.fc.0.running_mean",
        "head_norm/moving_variance": "head.fc.0.running_var",
        "predictions/bias": "head.fc.1.bias",
    }.items():
        np.testing.assert_array_equal(loaded[path], tensors[name])
    # As constructed: no normalization, so the features must pass unchanged.
    tensors = official(kind="plain")
    load_official(model, tensors)
    clips = np.random.default_rng(0).normal(size=(3, 1, 8, 20, 3))
    features = keras.Model(model.inputs[0], model.get_layer("pooled").output)
    pooled = keras.ops.convert_to_numpy(features(clips))
    expected = pooled @ tensors["head.fc.weight"].T + tensors["head.fc.bias"]
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(model(clips)), expected, rtol=1e-5
    )


def test_head_stays_fresh_only_when_asked(tiny, official):
    model = MAMP(classes=5, **tiny)
    before = values(model)
    tensors = official(decoder_layers=1)
    with pytest.raises(ValueError, match="head='fresh'.*Missing: head.fc1"):
        load_official(model, tensors)
    assert_unchanged(model, before)
    load_official(model, tensors, head="fresh")
    loaded = values(model)
    np.testing.assert_array_equal(loaded["norm/gamma"], tensors["norm.weight"])
    np.testing.assert_array_equal(
        loaded["predictions/kernel"], before["predictions/kernel"]
    )
    load_official(model, official(kind="finetune", classes=9), head="fresh")
    with pytest.raises(ValueError, match="`head` must be"):
        load_official(model, tensors, head="new")


def in_parts(body, head):
    """Other names of tensors, for their body and for their head."""
    return lambda tensors: {
        (head if name.startswith("head.") else body) + name: array
        for name, array in tensors.items()
    }


@pytest.mark.parametrize(
    "body, head",
    [
        ("model.", "model."),
        ("_orig_mod.net.", "_orig_mod.net."),
        ("backbone.", "cls_head."),
        ("model.backbone.", "model.cls_head."),
        ("encoder.", ""),
    ],
)
def test_what_trainers_put_before_names(tiny, official, body, head):
    tensors = official(kind="finetune")
    model = MAMP(classes=5, **tiny)
    load_official(model, tensors)
    wanted = values(model)
    wrapped = in_parts(body, head)(tensors)
    loss = {"criterion.weight": np.ones(5), "train_loss": np.ones(1)}
    other = MAMP(classes=5, **tiny)
    with pytest.warns(UserWarning, match="left out.*criterion.weight.*loss"):
        load_official(other, {**wrapped, **loss})
    assert_unchanged(other, wanted)
    # The head of a file is known by its name where a model has none.
    load_official(MAMP(**tiny), wrapped)
    with pytest.raises(ValueError, match="Left over: queue"):
        load_official(other, {**wrapped, "queue": np.ones((2, 2))})
    part = f"{body}blocks.1.attn.proj.bias"
    del wrapped[part]
    with pytest.raises(ValueError, match="Missing: blocks.1.*criterion"):
        load_official(other, {**wrapped, **loss})


def test_two_models_in_a_file_are_not_guessed_at(tiny, official):
    tensors = official(kind="finetune")
    both = in_parts("student.", "student.")(tensors)
    both |= in_parts("teacher.", "teacher.")(tensors)
    both["zeros"] = np.zeros(3)
    with pytest.raises(
        ValueError, match="loaded. .*key='teacher'.*; and .*mor"
    ):
        load_official(MAMP(classes=5, **tiny), {**both, "loss.x": np.ones(1)})


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda t: t.pop("blocks.1.attn.proj.bias"), "Missing: blocks.1.attn"),
        (
            lambda t: t.update({"blocks.2.norm1.weight": np.zeros(8)}),
            r"Left over: blocks.2.norm1.weight \(8,\)",
        ),
        (
            lambda t: t.update({"norm.bias": np.zeros(7)}),
            r"shape: norm.bias \(7,\) for norm/beta \(8,\)",
        ),
        (
            lambda t: t.update({"norm.weight": np.zeros((8, 1))}),
            r"norm.weight \(8, 1\)",
        ),
        (
            lambda t: t.update({"pos_embed": np.zeros((1, 1, 25, 8))}),
            r"pos_embed \(1, 1, 25, 8\)",
        ),
        # The same number of values per token, in another arrangement.
        (
            lambda t: t.update(
                {"joints_embed.proj.weight": np.zeros((8, 3, 2, 2))}
            ),
            "joints_embed.proj.weight",
        ),
        (
            lambda t: t.update({"blocks.0.attn.proj.weight": np.zeros(64)}),
            "blocks.0.attn.proj.weight",
        ),
        (
            lambda t: t.update({"temp_embed": np.zeros((1, 2, 1, 9))}),
            "temp_embed",
        ),
    ],
)
def test_nothing_is_loaded_from_what_does_not_fit(
    tiny, official, change, message
):
    model = MAMP(**tiny)
    before = values(model)
    tensors = official()
    change(tensors)
    with pytest.raises(ValueError, match=message):
        load_official(model, tensors)
    assert_unchanged(model, before)


def test_all_problems_are_listed_at_once(tiny, official):
    tensors = official()
    del tensors["norm.bias"]
    tensors["extra"] = np.zeros((2, 3))
    tensors["norm.weight"] = np.zeros(3)
    with pytest.raises(ValueError) as error:
        load_official(MAMP(**tiny), tensors)
    for part in ("norm.bias", "extra (2, 3)", "norm.weight (3,)"):
        assert part in str(error.value)


def test_temporal_embedding_is_resized(tiny, official):
    model = MAMP(**{**tiny, "input_shape": (1, 20, 20, 3)})
    tensors = official(segments=2)
    load_official(model, tensors)
    np.testing.assert_allclose(
        values(model)["position_embedding/temporal"],
        resize_temporal_embedding(tensors["temp_embed"], 5),
        rtol=1e-6,
    )


def test_resize_keeps_a_constant_and_the_ends_of_a_symmetric_one():
    constant = np.full((1, 7, 1, 3), 2.0)
    resized = resize_temporal_embedding(constant, 12)
    np.testing.assert_allclose(resized, np.full((1, 12, 1, 3), 2.0))
    symmetric = np.array([1.0, 4, 1]).reshape(1, 3, 1, 1)
    resized = resize_temporal_embedding(symmetric, 8)
    np.testing.assert_allclose(resized, resized[:, ::-1])
    assert resize_temporal_embedding(symmetric, 3) is symmetric
    with pytest.raises(ValueError, match=r"\(3, 2\)"):
        resize_temporal_embedding(np.zeros((3, 2)), 4)


def test_resize_agrees_with_torch():
    torch = pytest.importorskip("torch")
    random = np.random.default_rng(0)
    for old, new in ((30, 12), (5, 64), (1, 4), (6, 1)):
        embedding = random.normal(size=(1, old, 1, 4)).astype("float32")
        expected = torch.nn.functional.interpolate(
            torch.from_numpy(embedding).permute(0, 3, 1, 2),
            size=(new, 1),
            mode="bicubic",
            align_corners=False,
        ).permute(0, 2, 3, 1)
        np.testing.assert_allclose(
            resize_temporal_embedding(embedding, new),
            expected.numpy(),
            atol=1e-5,
        )


def test_subclass_and_stranger(tiny, official):
    class MyModel(MAMP):
        pass

    load_official(MyModel(**tiny), official())
    stranger = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    with pytest.raises(ValueError, match="No conversion table.*Sequential"):
        load_official(stranger, official())


def test_path_of_a_checkpoint(tiny, official, tmp_path):
    path = tmp_path / "official.npz"
    tensors = official()
    np.savez(path, **tensors)
    model = MAMP(**tiny)
    load_official(model, path)
    np.testing.assert_array_equal(
        values(model)["norm/gamma"], tensors["norm.weight"]
    )


def test_convert_array_of_an_unknown_name(tiny):
    with pytest.raises(ValueError, match="'nothing.weight'"):
        convert_array(MAMP(**tiny), "nothing.weight", np.zeros(3))


def test_a_head_that_is_not_trained_is_told(tiny, official, tmp_path):
    """Weights without a head for the classes leave it as it was drawn."""
    np.savez(tmp_path / "encoder.npz", **official())
    model = MAMP(classes=5, head="linear", **tiny)
    load_weights(model, tmp_path / "encoder.npz")
    clips = np.ones((2, *tiny["input_shape"]), "float32")
    with pytest.warns(UserWarning, match="none for 5 classes"):
        model.predict(clips, verbose=0)
    # Once is enough, and what is trained is no longer told.
    model.predict(clips, verbose=0)
    load_weights(model, tmp_path / "encoder.npz")
    model.compile("sgd", SmoothedCrossentropy())
    model.fit(clips, np.arange(2), verbose=0)
    model.predict(clips, verbose=0)
