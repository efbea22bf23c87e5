import dataclasses

import keras
import numpy as np
import pytest
from keras import ops

from keras_skeleton import cli
from keras_skeleton import explain
from keras_skeleton import weights
from keras_skeleton.applications import CascadeFormer
from keras_skeleton.applications import CascadeFormerPretext
from keras_skeleton.weights import cards
from keras_skeleton.weights import cascadeformer
from keras_skeleton.weights import conversion
from keras_skeleton.weights import loading

PAIR = {**CascadeFormer.tiny, "input_shape": (2, 8, 20, 3)}
KINDS = ("linear", "convolution", "transformer")


def clips(shape=PAIR["input_shape"], count=3, seed=0):
    random = np.random.default_rng(seed)
    return random.normal(size=(count, *shape)).astype("float32")


def randomize(model, seed=1):
    random = np.random.default_rng(seed)
    for variable in model.trainable_variables:
        variable.assign(random.normal(0, 0.4, variable.shape))
    return model


def predict(model, x):
    return model.predict_on_batch(x)


def test_the_person_that_is_seen():
    x = clips()
    x[0, 0] *= 0.1
    x[1, 1] *= 0.1
    x[2, 0] = 0
    chosen = x[[0, 1, 2], [1, 0, 1]][:, None]
    first = x[:, :1]
    for person, expected in (("main", chosen), ("first", first)):
        model = randomize(CascadeFormer(**PAIR, person=person, classes=3))
        alone = randomize(CascadeFormer(**CascadeFormer.tiny, classes=3))
        np.testing.assert_allclose(
            predict(model, x), predict(alone, expected), atol=1e-5
        )
        seen = ops.convert_to_numpy(model.one_person(x))
        np.testing.assert_array_equal(seen, expected[:, 0])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("head", ["cascade", "cascade_mlp", "linear"])
def test_padding_does_not_leak(kind, head):
    """A clip and the same clip in a longer model give the same scores."""
    x = clips((1, 8, 20, 3))
    x[0, :, 6:] = 0
    # In the middle of a clip, a frame without anybody is no padding.
    x[1, :, 3] = 0
    longer = np.concatenate([x, np.zeros_like(x)], axis=2)
    scores = {}
    for mask_padding in (True, False):
        arguments = {
            **CascadeFormer.tiny,
            "num_positions": 16,
            "frame_embedding": kind,
            "mask_padding": mask_padding,
            "classes": 3,
            "head": head,
        }
        short = randomize(CascadeFormer(**arguments))
        arguments["input_shape"] = (1, 16, 20, 3)
        long = randomize(CascadeFormer(**arguments))
        scores[mask_padding] = predict(short, x), predict(long, longer)
    np.testing.assert_allclose(*scores[True], atol=1e-5)
    assert np.abs(scores[False][0] - scores[False][1]).max() > 1e-4
    # Where nothing is padded, the mask changes nothing.
    np.testing.assert_allclose(scores[True][0][2], scores[False][0][2], 1e-4)


def test_an_empty_clip_has_finite_scores():
    model = CascadeFormer(**PAIR, mask_padding=True, classes=3)
    assert np.isfinite(predict(model, np.zeros((2, 2, 8, 20, 3)))).all()


def test_pooled_features_are_those_of_valid_frames():
    x = clips((1, 8, 20, 3))
    x[0, :, 5:] = 0
    arguments = {**CascadeFormer.tiny, "mask_padding": True}
    encoder = CascadeFormer(**arguments)
    pooled = CascadeFormer(encoder=encoder, pooling="published")
    found, features = predict(pooled, x), predict(encoder, x)[:, 0, :, 0]
    np.testing.assert_allclose(found[0], features[0, :5].mean(0), atol=1e-5)
    np.testing.assert_allclose(found[1], features[1].mean(0), atol=1e-5)


def test_attention_of_the_cascade():
    model = CascadeFormer(
        **{**PAIR, "cross_attention_heads": 2}, mask_padding=True, classes=3
    )
    randomize(model)
    x = clips()
    x[:, :, 6:] = 0
    names = ("block_0", "block_1", "cascade_block_0", "cross_attention")
    assert explain.attention_layers(model) == names
    maps = explain.attention_maps(model, x, batch_size=2)
    assert maps.shape == (4, 3, 1, 2, 8, 8)
    np.testing.assert_allclose(maps.sum(axis=-1), 1, atol=1e-5)
    assert not maps[..., 6:].any()
    layer = model.get_layer("cross_attention")
    inner = keras.Model(model.input, layer.input[:2])
    tokens, context = (predict(inner, x)[i].astype("float64") for i in (0, 1))
    kernel, bias = (
        ops.convert_to_numpy(each.value).astype("float64")
        for each in (layer.attention.qkv.kernel, layer.attention.qkv.bias)
    )
    query = tokens @ kernel[:, :8] + bias[:8]
    key = context @ kernel[:, 8:16] + bias[8:16]
    for head in range(2):
        part = slice(4 * head, 4 * head + 4)
        scores = query[..., part] @ key[..., part].swapaxes(1, 2) / 2
        scores = np.exp(scores[..., :6])
        expected = scores / scores.sum(-1, keepdims=True)
        found = maps[3, :, 0, head, :, :6]
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_attention_between_the_joints_of_frames():
    """Of version 1.2, shown as graphs that clips have."""
    model = CascadeFormer(**PAIR, frame_embedding="transformer", classes=3)
    randomize(model)
    x = clips()
    x[:, :, 6:] = 0
    assert explain.graph_blocks(model) == ("joint_transformer",)
    graphs = explain.clip_topology(model, x, batch_size=2)
    assert graphs.shape == (3, 1, 2, 20, 20)
    np.testing.assert_allclose(graphs.sum(axis=-1), 1, atol=1e-5)
    layer = model.get_layer("joint_transformer")
    seen = ops.convert_to_numpy(model.one_person(x)).astype("float64")
    kernel, bias, mixing, offset = (
        ops.convert_to_numpy(each.value).astype("float64")
        for each in (
            layer.embedding.kernel,
            layer.embedding.bias,
            layer.block.attention.qkv.kernel,
            layer.block.attention.qkv.bias,
        )
    )
    query, key, _ = np.split(
        (seen[:, :6] @ kernel + bias) @ mixing + offset, 3, axis=-1
    )
    for head in range(2):
        part = slice(4 * head, 4 * head + 4)
        scores = query[..., part] @ key[..., part].swapaxes(2, 3) / 2
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
        expected = scores / scores.sum(axis=-1, keepdims=True)
        np.testing.assert_allclose(
            graphs[:, 0, head], expected.mean(axis=1), atol=1e-5
        )
    with pytest.raises(ValueError, match="see `clip_topology`"):
        explain.shared_topology(model)
    nobody = explain.clip_topology(model, 0 * x)
    assert np.isfinite(nobody).all()


def test_a_report_of_a_pair(tmp_path):
    for heads in (2, 4):
        model = CascadeFormer(
            **{**PAIR, "cross_attention_heads": heads}, classes=3
        )
        path = tmp_path / f"{heads}.html"
        explain.explain(model, clips()[0], path=path)
        # Attention is followed where all layers have as many heads.
        assert ("Attention rollout" in path.read_text()) == (heads == 2)


@pytest.mark.parametrize("hidden", ["joints", "frames"])
@pytest.mark.parametrize("value_order", ["joints", "coordinates"])
def test_what_is_hidden(hidden, value_order):
    arguments = {
        **CascadeFormer.tiny,
        "input_shape": (1, 9, 20, 3),
        "num_positions": 9,
        "value_order": value_order,
    }
    model = CascadeFormerPretext(hidden=hidden, mask_ratio=0.3, **arguments)
    x = clips((1, 9, 20, 3), count=4)
    one = model.prepare(x)
    mask, counted = model.hide(one)
    masked = ops.convert_to_numpy(model.masked(one, mask))
    mask, counted = map(ops.convert_to_numpy, (mask, counted))
    np.testing.assert_array_equal(mask, counted)
    # 0.3 * 180 is 54, but 0.3 * 9 * 20 is below.
    count = 54 if hidden == "joints" else 2 * 20
    np.testing.assert_array_equal(mask.sum(axis=1), count)
    assert ((masked == 0).sum(axis=(1, 2, 3)) == 3 * count).all()
    is_kept = masked != 0
    np.testing.assert_array_equal(masked[is_kept], x[:, 0][is_kept])
    places = np.reshape(mask, (4, 9, 20))
    if hidden == "frames":
        assert set(places.sum(axis=2).ravel()) == {0, 20}
    if value_order == "joints":
        np.testing.assert_array_equal(is_kept.all(axis=-1), places == 0)
    else:
        # Three neighbouring values of all x, y, z of a frame.
        values = is_kept.transpose(0, 1, 3, 2).reshape(4, 9, 20, 3)
        np.testing.assert_array_equal(values.all(axis=-1), places == 0)


def test_loss_is_the_mean_over_hidden_coordinates():
    model = CascadeFormerPretext(**CascadeFormer.tiny)
    model.draw = lambda rows, length: ops.tile(
        ops.arange(length, dtype="float32")[None], (rows, 1)
    )
    outputs = model(clips((1, 8, 20, 3)))
    found = {key: ops.convert_to_numpy(x) for key, x in outputs.items()}
    assert (found["mask"][:, :48] == 1).all()
    error = (found["prediction"] - found["target"]) ** 2
    expected = error[found["mask"] == 1].mean()
    loss = model.objective(clips((1, 8, 20, 3)), None, False)[0]
    np.testing.assert_allclose(ops.convert_to_numpy(loss), expected, 1e-5)


def test_masked_padding_is_not_predicted():
    """The padding of a clip is neither seen nor counted."""
    x = clips((1, 8, 20, 3))
    x[:, :, 5:] = 0
    arguments = {**CascadeFormer.tiny, "mask_padding": True}
    model = CascadeFormerPretext(**arguments, hidden="frames", mask_ratio=0.9)
    outputs = model(x)
    mask = ops.convert_to_numpy(outputs["mask"]).reshape(3, 8, 20)
    assert not mask[:, 5:].any()
    assert mask[:, :5].any()
    plain = CascadeFormerPretext(
        **CascadeFormer.tiny, hidden="frames", mask_ratio=0.9
    )
    mask = ops.convert_to_numpy(plain(x)["mask"]).reshape(3, 8, 20)
    assert mask[:, 5:].any()
    # All that is hidden may be padding.
    x[:, :, 1:] = 0
    model.draw = lambda rows, length: ops.tile(
        -ops.arange(length, dtype="float32")[None], (rows, 1)
    )
    loss = model.objective(x, None, False)[0]
    assert float(ops.convert_to_numpy(loss)) == 0


@pytest.mark.once
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"person": "last"}, "`person` must be 'main' or 'first'"),
        ({"frame_embedding": "graph"}, "`frame_embedding` must be"),
        ({"cross_attention": "full"}, "`cross_attention` must be"),
        ({"value_order": "xyz"}, "`value_order` must be"),
        ({"position_initializer": "ones"}, "`position_initializer` must be"),
        ({"num_positions": 7}, "8 frames need as many positions"),
        ({"num_heads": 3}, "does not divide into num_heads=3"),
    ],
)
def test_arguments_that_cannot_be(arguments, message):
    with pytest.raises(ValueError, match=message):
        CascadeFormer(**{**CascadeFormer.tiny, **arguments})


@pytest.mark.once
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"hidden": "bones"}, "`hidden` must be 'joints' or 'frames'"),
        ({"mask_ratio": 1.0}, "`mask_ratio` must lie between 0 and 1"),
        ({"encoder": "given"}, "not both"),
    ],
)
def test_pretext_arguments_that_cannot_be(arguments, message):
    if "encoder" in arguments:
        arguments = {"encoder": CascadeFormer(**CascadeFormer.tiny)}
    with pytest.raises(ValueError, match=message):
        CascadeFormerPretext(**arguments, **CascadeFormer.tiny)


def official(model, roles):
    """Random tensors of the official names, by file."""
    random = np.random.default_rng(0)
    table = conversion.table_for(model)
    files = {role: {} for role in roles}
    for path, variable in conversion.variables_of(model).items():
        _, name = table.find(path)
        role, _, rest = name.partition(".")
        if role not in roles:
            role, rest = roles[0], name
        # The axes of kernels are in the other order.
        shape = tuple(variable.shape)
        shape = shape if path.endswith("positions") else shape[::-1]
        files[role][rest] = random.normal(size=shape).astype("float32")
    return files


@pytest.fixture
def small(monkeypatch):
    """The cards, standing for small models of the same form."""
    entries = tuple(
        dataclasses.replace(
            entry,
            configuration={
                **entry.configuration,
                "hidden_dim": 16,
                "num_layers": 1,
                "mlp_dim": 8,
            },
        )
        for entry in cascadeformer.PRETRAINED
    )
    monkeypatch.setattr(cascadeformer, "PRETRAINED", entries)
    return entries


@pytest.mark.once
def test_the_four_files_of_a_model_of_other_sizes(tmp_path):
    arguments = {**CascadeFormer.tiny, "cascade_layers": 3, "classes": 4}
    source, model = CascadeFormer(**arguments), CascadeFormer(**arguments)
    paths = {}
    for role, tensors in official(source, cascadeformer.ROLES).items():
        paths[role] = tmp_path / f"Own_finetuned_{role}.npz"
        np.savez(paths[role], **tensors)
    weights.load_official(model, paths)
    names = weights.official_names(model)
    for path, variable in conversion.variables_of(model).items():
        role, _, name = names[path].partition(".")
        expected = np.load(paths[role])[name]
        np.testing.assert_array_equal(
            ops.convert_to_numpy(variable.value),
            conversion.convert_array(model, names[path], expected),
        )
    del paths["T2"]
    with pytest.raises(ValueError, match="Missing: T2.encoder"):
        weights.load_official(model, paths)


@pytest.mark.once
@pytest.mark.parametrize(
    "name", [entry.name for entry in cascadeformer.PRETRAINED]
)
def test_the_four_files_of_a_model(name, small, tmp_path, capsys):
    with pytest.raises(FileNotFoundError) as error:
        CascadeFormer(name)
    words = f"convert cascadeformer {name} T1_FILE T2_FILE CROSS_ATTN_FILE"
    assert words in str(error.value)
    assert "hf://YusenPeng/CascadeFormerCheckpoints" in str(error.value)

    entry = weights.get("cascadeformer", name)
    arguments = entry.configuration
    source = CascadeFormer(**arguments, classes=entry.classes)
    files = official(source, cascadeformer.ROLES)
    # The decoder of pre-training stays in the file.
    values = np.prod(arguments["input_shape"][2:])
    files["T1"]["reconstruction_head.weight"] = np.zeros((values, 16))
    files["T1"]["reconstruction_head.bias"] = np.zeros(values)
    paths = [str(tmp_path / f"{role}.npz") for role in files]
    for path, tensors in zip(paths, files.values(), strict=True):
        np.savez(path, **tensors)
    assert cli.main(["convert", "cascadeformer", name, *paths]) == 0, (
        capsys.readouterr().err
    )
    model = CascadeFormer(name, classes=entry.classes)
    loaded = conversion.variables_of(model)
    assert model.settings["head"] == arguments["head"]
    for path, official_name in weights.official_names(model).items():
        role, _, rest = official_name.partition(".")
        tensor = conversion.convert_array(
            model, official_name, files[role][rest]
        )
        found = ops.convert_to_numpy(loaded[path].value)
        np.testing.assert_array_equal(found, tensor)


@pytest.mark.once
def test_the_first_file_alone(small, tmp_path, capsys):
    entry = small[1]
    source = CascadeFormerPretext(**entry.configuration)
    path = tmp_path / "pretrained.npz"
    tensors = official(source, ("T1",))["T1"]
    np.savez(path, **tensors)
    words = ["convert", "cascadeformer", entry.name, str(path)]
    assert cli.main(words) == 0, capsys.readouterr().err
    encoder = CascadeFormer(entry.name, classes=entry.classes)
    np.testing.assert_array_equal(
        ops.convert_to_numpy(encoder.get_layer("block_0").norm_1.gamma.value),
        tensors["transformer_encoder.layers.0.norm1.weight"],
    )
    with pytest.raises(ValueError, match="T1, T2, cross_attn, head, of which"):
        loading.install(entry, [path, path])
    whole = CascadeFormer(**entry.configuration, classes=entry.classes)
    installed = cards.installed_path(entry.system, entry.name)
    weights.save_weights(whole, installed)
    assert cli.main(words) == 2
    assert "tensors which these files have not" in capsys.readouterr().err
    assert cli.main([*words, "--overwrite"]) == 0
