import dataclasses
import json

import h5py
import keras
import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from keras_skeleton import _download as download
from keras_skeleton import applications
from keras_skeleton import weights
from keras_skeleton.applications import MAMP
from keras_skeleton.applications import MAMPPretext
from keras_skeleton.datasets import formats
from keras_skeleton.layers import augmentation
from keras_skeleton.weights import cards
from keras_skeleton.weights import loading
from keras_skeleton.weights import mamp

pytestmark = pytest.mark.once


def values(model):
    return {v.path: keras.ops.convert_to_numpy(v.value) for v in model.weights}


def assert_loaded(model, source, without=()):
    source = values(source) if isinstance(source, keras.Model) else source
    for path, array in values(model).items():
        fresh = bool(without) and path.startswith(without)
        assert np.array_equal(array, source[path]) != fresh, path


HEAD = ("head_", "predictions")


def randomize(model, seed=1):
    random = np.random.default_rng(seed)
    for variable in model.weights:
        variable.assign(random.uniform(0.5, 1, variable.shape))
    return model


def test_registered_weights_of_mamp():
    names = weights.names(system="mamp")
    assert {"ntu60", "ntu60_xview", "ntu120_xsub", "ntu120_xset"} <= set(names)
    for name in names:
        entry = weights.get("mamp", name)
        assert (entry.system, entry.name) == ("mamp", name)
        assert entry.licence
        assert entry.scores
        assert entry.configuration["input_shape"]
        if entry.obtained == "by hand":
            (file,) = entry.files
            assert file.page.startswith("https://")
            assert "likely" in file.name
        # Also before the file is there.
        assert weights.configuration("mamp", name) == entry.configuration


def test_unknown_names_list_the_known_ones():
    with pytest.raises(ValueError, match="ntu120_xset, ntu120_xsub, ntu60"):
        weights.get("mamp", "ntu61")
    with pytest.raises(ValueError, match="'ntu61'.*ntu60_xview"):
        weights.resolve("mamp", "ntu61")
    with pytest.raises(ValueError, match="no system 'mump'"):
        weights.names(system="mump")
    with pytest.raises(ValueError, match="'mump', and no system of that name"):
        weights.names("mump")
    with pytest.raises(ValueError, match="weights=3"):
        weights.resolve("mamp", 3)


@pytest.mark.parametrize(
    "arguments, expected",
    [
        (("*/nw_ucla",), {"ctrgcn/nw_ucla", "hypergcn/nw_ucla"}),
        (("*ucla*",), {"ctrgcn/nw_ucla_bone", "mamp/nw_ucla_pretext"}),
        (("nw_ucla",), {"mamp/nw_ucla", "ctrgcn/nw_ucla"}),
        (("hypergcn",), {"hypergcn/nw_ucla", "hypergcn/base_ntu60_xsub_bone"}),
        (("psumnet/ntu60_xsub_body",), {"psumnet/ntu60_xsub_body"}),
        (("ntu60*", "mamp"), {"ntu60", "ntu60_xview"}),
        (("nothing*",), set()),
        (("Hyper-GCN",), {"hypergcn/nw_ucla", "hypergcn/nw_ucla_bone"}),
        (("hyper_gcn/NW-UCLA",), {"hypergcn/nw_ucla"}),
        (("ntu60_xview", "Mamp"), {"ntu60_xview"}),
        (("DSTA",), set()),
    ],
)
def test_names_by_pattern(arguments, expected):
    found = weights.names(*arguments)
    assert found == sorted(found)
    assert expected <= set(found)
    if len(expected) != 2:
        assert expected == set(found)
    for name in found:
        system, _, rest = name.rpartition("/")
        weights.get(system or "mamp", rest)


def test_names_of_all_systems():
    every = weights.names()
    # Networks that others train, a system that trains other networks, and
    # systems that released none.
    without = {
        *("brl", "deformable3d", "dsta", "finetec", "mmixer"),
        "skeletonmae",
    }
    systems = {name.split("/")[0] for name in every}
    assert systems == set(applications.SYSTEMS) - without
    assert weights.names("mamp") == [n for n in every if n[:5] == "mamp/"]


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({}, "either a count"),
        ({"correct": 3}, "either a count"),
        ({"percent": 90.0}, "either a count"),
        ({"correct": 3, "of": 4, "percent": 75.0}, "either a count"),
        ({"correct": 5, "of": 4}, "`correct` must be"),
        ({"kind": "best", "correct": 3, "of": 4}, "`kind` must be"),
    ],
)
def test_scores_are_counts_or_stated(arguments, message):
    with pytest.raises(ValueError, match=message):
        weights.Score(**{"measure": "top1", "kind": "linear", **arguments})


def test_scores_are_rounded_once():
    def text(correct, of):
        return str(weights.Score("top1", "fused", correct, of))

    # Of two digits, each would be rounded to the other side.
    assert text(422, 464) == "90.9"
    assert text(326, 369) == "88.3"
    assert text(409, 464) == "88.1"
    assert text(319, 369) == "86.4"


def test_score_of_a_card():
    entry = weights.get("mamp", "nw_ucla")
    assert entry.score("finetuned").correct == 422
    assert entry.score("finetuned", without_duplicates=True).of == 369
    assert entry.score("from scratch", seed=1).correct == 405
    assert entry.score("linear") is None
    stated = weights.get("mamp", "ntu60").score("linear")
    assert (stated.percent, stated.stated_by) == (85.0, "the authors")


def test_cards_say_what_to_evaluate_by():
    for name in weights.names():
        entry = weights.get(*name.split("/"))
        recipe = entry.recipe
        application = applications.SYSTEMS[entry.system][0]
        if getattr(applications, application).task == "poses":
            # Poses are found in depth maps and clouds, not in clips.
            assert recipe["data_set"] and not recipe.get("transforms")
            continue
        described = recipe["transforms"]
        built = augmentation.deserialize_transforms(described)
        again = augmentation.serialize_transforms(built)
        for card, full in zip(described, again, strict=True):
            assert card["class"] == full["class"]
            assert card["config"].items() <= full["config"].items()
        shape = (2, entry.configuration["input_shape"][0], 40)
        joints = {"nw_ucla": 20, "penn_action": 13, "pyskl": 17}
        joints |= dict.fromkeys(("toyota_smarthome", "ntu60_2d"), 17)
        joints |= dict.fromkeys(("ntu120_2d", "pku_mmd_2d"), 17)
        shape = (*shape, joints.get(recipe["data_set"], 25), 3)
        for transform in built:
            shape = transform.compute_output_shape(shape)
        assert tuple(shape[1:]) == entry.configuration["input_shape"]
        data_set, classes = recipe["data_set"], entry.class_names
        if data_set == "pyskl":
            data_set = entry.name.removeprefix("2d_").partition("_")[0]
        # Other data of the same kind have no reader yet.
        if data_set in formats.FORMATS:
            classes = formats.class_names(data_set)
        assert entry.class_names == tuple(classes)
        assert entry.classes in (None, len(classes))
        if recipe["stream"] not in (None, "joint"):
            assert entry.name.endswith(f"_{recipe['stream']}")


def test_streams_of_a_system_have_the_same_fused_score():
    for system in applications.SYSTEMS:
        found = {}
        for name in weights.names("nw_ucla*", system=system):
            entry = weights.get(system, name)
            for without in (False, True):
                score = entry.score("fused", without)
                assert score == found.setdefault(without, score)


def test_weights_of_several_files(tiny, official, tmp_path, monkeypatch):
    def page(role):
        return weights.File(f"{role}.pth", "by hand", role, page=f"at {role}")

    entry = dataclasses.replace(
        weights.get("mamp", "ntu60"),
        files=(page("encoder"), page("decoder")),
        configuration=tiny,
    )
    monkeypatch.setattr(mamp, "PRETRAINED", (entry,))
    with pytest.raises(FileNotFoundError) as error:
        MAMP("ntu60")
    assert "encoder.pth from at encoder and decoder.pth" in str(error.value)
    assert "convert mamp ntu60 ENCODER_FILE DECODER_FILE" in str(error.value)
    seen = {}

    def build(entry, tensors):
        seen.update(tensors)
        raise ValueError("enough")

    monkeypatch.setattr(mamp, "build", build)
    paths = [tmp_path / "a.npz", tmp_path / "b.npz"]
    for path in paths:
        np.savez(path, **{"norm.weight": np.ones(8)})
    with pytest.raises(ValueError, match="enough"):
        loading.install(entry, paths)
    assert set(seen) == {"encoder.norm.weight", "decoder.norm.weight"}
    with pytest.raises(ValueError, match=r"2 file\(s\), encoder, decoder"):
        loading.install(entry, paths[:1])


def test_weights_by_hand_say_how_to_get_them():
    with pytest.raises(FileNotFoundError) as error:
        MAMP(weights="ntu60")
    for part in (
        "ntu60_xsub.pth",
        "https://rec.ustc.edu.cn/share/",
        "keras-skeleton convert mamp ntu60 FILE",
    ):
        assert part in str(error.value)


def test_round_trip_with_configuration(tiny, tmp_path):
    model = randomize(MAMP(classes=5, head_dropout_rate=0.1, **tiny))
    path = weights.save_weights(
        model, tmp_path / "new" / "a.safetensors", source="a test"
    )
    assert [p.name for p in path.parent.iterdir()] == ["a.safetensors"]
    with safe_open(path, framework="np") as file:
        assert file.metadata()["source"] == "a test"
        assert file.metadata()["system"] == "mamp"
    found = weights.configuration("mamp", path)
    assert found["input_shape"] == tiny["input_shape"]
    assert found["head_dropout_rate"] == 0.1
    assert not {"classes", "name", "dtype"} & set(found)
    same = MAMP(path, classes=5)
    assert_loaded(same, model)
    encoder = MAMP(str(path))
    assert_loaded(encoder, model)


def test_half_precision(tiny, tmp_path):
    model = randomize(MAMP(**tiny))
    path = tmp_path / "half.safetensors"
    weights.save_weights(model, path, dtype="float16")
    loaded = values(MAMP(path))
    for name, array in values(model).items():
        assert loaded[name].dtype == "float32"
        np.testing.assert_array_equal(
            loaded[name], array.astype("float16").astype("float32")
        )


@pytest.mark.parametrize("value", [np.nan, 1e6])
def test_values_that_a_file_cannot_hold(tiny, tmp_path, value):
    model = MAMP(**tiny)
    variable = model.weights[-1]
    variable.assign(np.full(variable.shape, value))
    path = tmp_path / "a.safetensors"
    with pytest.raises(ValueError, match="norm/beta"):
        weights.save_weights(model, path, dtype="float16")
    assert not list(tmp_path.glob("a.*"))


def test_save_weights_arguments(tiny, tmp_path):
    model = MAMP(**tiny)
    with pytest.raises(ValueError, match="a.npz"):
        weights.save_weights(model, tmp_path / "a.npz")
    with pytest.raises(ValueError, match="int8"):
        weights.save_weights(model, tmp_path / "a.safetensors", dtype="int8")


def test_head_is_loaded_only_if_it_is_the_wanted_one(tiny, tmp_path):
    source = randomize(MAMP(classes=5, **tiny))
    path = weights.save_weights(source, tmp_path / "a.safetensors")
    assert_loaded(MAMP(path, classes=5), source)
    assert_loaded(MAMP(path), source)
    for other in ({"classes": 4}, {"classes": 5, "head": "linear"}):
        model = MAMP(path, **other)
        encoder = {k: v for k, v in values(source).items() if k[0] != "h"}
        encoder = {k: v for k, v in encoder.items() if "predictions" not in k}
        for name, array in encoder.items():
            np.testing.assert_array_equal(values(model)[name], array)
        assert model.output_shape == (None, other["classes"])
    with pytest.raises(ValueError, match=r"head_hidden/kernel \(160, 6\)"):
        MAMP(path, classes=5, head_dim=7)


def test_head_stays_fresh_without_one_in_the_file(tiny, tmp_path):
    source = randomize(MAMPPretext(decoder_dim=4, decoder_layers=1, **tiny))
    path = weights.save_weights(source, tmp_path / "a.safetensors")
    model = randomize(MAMP(classes=5, **tiny), seed=2)
    before = values(model)
    weights.load_weights(model, path)
    head = {k: v for k, v in before.items() if k.startswith(HEAD)}
    assert len(head) == 8
    assert_loaded(model, {**values(source), **head})
    # The decoder goes with the pretext model.
    pretext = MAMPPretext(decoder_dim=4, decoder_layers=1, **tiny)
    weights.load_weights(pretext, path)
    assert_loaded(pretext, source)


def test_files_that_do_not_fit_change_nothing(tiny, tmp_path):
    source = randomize(MAMP(**tiny))
    path = weights.save_weights(source, tmp_path / "a.safetensors")
    for change, message in (
        ({"num_layers": 1}, r"Left over: block_1/"),
        ({"num_layers": 3}, r"Missing: block_2/"),
        (
            {"hidden_dim": 10},
            r"shape: joint_embedding/kernel \(12, 8\) for \(12, 10\)",
        ),
        ({"segment_length": 2}, r"joint_embedding/kernel"),
        (
            {"input_shape": (1, 8, 25, 3), "skeleton": "ntu"},
            "position_embedding/joint",
        ),
    ):
        model = MAMP(**{**tiny, **change})
        before = values(model)
        with pytest.raises(ValueError, match=message):
            weights.load_weights(model, path)
        assert_loaded(model, before)


def test_other_number_of_frames(tiny, tmp_path):
    source = randomize(MAMP(**tiny))
    path = weights.save_weights(source, tmp_path / "a.safetensors")
    model = MAMP(path, input_shape=(1, 16, 20, 3))
    name = "position_embedding/temporal"
    resized = weights.resize_temporal_embedding(values(source)[name], 4)
    assert_loaded(model, {**values(source), name: resized})


def test_weights_of_another_system(tiny, tmp_path):
    path = tmp_path / "other.safetensors"
    metadata = {"format": "keras_skeleton", "system": "stars"}
    save_file({"a": np.zeros(1)}, path, metadata)
    for action in (
        lambda: weights.configuration("mamp", path),
        lambda: weights.load_weights(MAMP(**tiny), path),
    ):
        with pytest.raises(ValueError, match="'stars', not of 'mamp'"):
            action()


def test_corrupt_file(tiny, tmp_path):
    path = tmp_path / "a.safetensors"
    weights.save_weights(MAMP(**tiny), path)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match="a.safetensors is corrupt"):
        weights.load_weights(MAMP(**tiny), path)


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_official_tensors_by_path(tiny, official, tmp_path, suffix):
    path = tmp_path / f"official{suffix}"
    save = np.savez if suffix == ".npz" else lambda p, **t: save_file(t, p)
    tensors = official(kind="finetune")
    save(path, **tensors)
    assert weights.configuration("mamp", path) == {}
    model = MAMP(path, classes=5, **tiny)
    loaded = values(model)
    for name, tensor in (
        ("predictions/bias", "head.fc2.bias"),
        ("norm/beta", "norm.bias"),
    ):
        np.testing.assert_array_equal(loaded[name], tensors[tensor])
    # Other classes, or no head in the file: the head stays fresh.
    MAMP(path, classes=4, **tiny)
    save(path, **official())
    MAMP(path, classes=5, **tiny)


def test_arrays_by_variable_path(tiny, tmp_path):
    source = randomize(MAMP(**tiny))
    path = tmp_path / "ours.npz"
    np.savez(path, **values(source))
    assert_loaded(MAMP(path, **tiny), source)


@pytest.mark.parametrize("suffix", [".weights.h5", ".keras"])
def test_files_of_keras(tiny, tmp_path, suffix):
    source = randomize(MAMP(classes=5, **tiny))
    path = tmp_path / f"model{suffix}"
    save = source.save if suffix == ".keras" else source.save_weights
    save(path)
    assert_loaded(MAMP(path, classes=5, **tiny), source)
    model = MAMP(classes=4, **tiny)
    before = values(model)
    advice = {
        ".keras": r"(?s)nothing was changed.*MAMP in this file has classes=5 "
        r"\(here 4\)\. Pass these",
        ".weights.h5": "(?s)nothing was changed.*pass the arguments of",
    }
    with pytest.raises(ValueError, match=advice[suffix]):
        weights.load_weights(model, path)
    assert_loaded(model, before)
    path.write_bytes(b"not a file of keras")
    with pytest.raises(ValueError, match=f"model{suffix}"):
        weights.load_weights(model, path)


@pytest.mark.once
def test_files_of_keras_that_point_elsewhere(tiny, tmp_path):
    source = randomize(MAMP(**tiny))
    path = tmp_path / "model.weights.h5"
    source.save_weights(path)
    source.save_weights(tmp_path / "other.weights.h5")
    names = []
    with h5py.File(path) as file:
        file.visit(names.append)
        found = [each for each in names if isinstance(file[each], h5py.Dataset)]
    name = found[0]
    replacements = [
        lambda file: h5py.ExternalLink("other.weights.h5", f"/{name}"),
        lambda file: h5py.SoftLink(f"/{found[1]}"),
        lambda file: np.dtype("f4"),
        lambda file: file.create_dataset("huge", (1 << 40,), chunks=(1024,)),
        lambda file: "text",
    ]
    model = randomize(MAMP(**tiny), seed=2)
    before = values(model)
    for replacement in replacements:
        source.save_weights(path)
        with h5py.File(path, "a") as file:
            del file[name]
            file[name] = replacement(file)
        with pytest.raises(ValueError, match="model.weights.h5.*changed"):
            weights.load_weights(model, path)
        assert_loaded(model, before)


def test_packaged_weights(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(cards, "PACKAGED_FOLDER", tmp_path)
    source = randomize(MAMP(classes=3, **tiny))
    path = tmp_path / "mamp_small.safetensors"
    weights.save_weights(source, path, dtype="float16")
    card = {
        "classes": 3,
        "class_names": ["sit", "stand", "walk"],
        "licence": "research only",
        "scores": [
            {"measure": "top1", "kind": "finetuned", "correct": 1, "of": 2}
        ],
    }
    file = {"name": path.name, "obtained": "packaged"}
    file["sha256"] = download.file_sha256(path)
    card["files"] = [file]
    card_path = tmp_path / "mamp_small.json"
    card_path.write_text(json.dumps(card))
    assert "small" in weights.names(system="mamp")
    entry = weights.get("mamp", "small")
    assert entry.class_names == ("sit", "stand", "walk")
    assert entry.configuration["input_shape"] == tiny["input_shape"]
    model = MAMP("small", classes=3)
    for name, array in values(source).items():
        np.testing.assert_allclose(values(model)[name], array, atol=1e-3)
    assert MAMP("small").output_shape == (None, 1, 2, 20, 8)
    assert entry.score("finetuned").value == 50.0
    other = [{**file, "sha256": 64 * "0"}]
    card_path.write_text(json.dumps({**card, "files": other}))
    with pytest.raises(ValueError, match="mamp_small.safetensors is corrupt"):
        MAMP("small")
    card_path.write_text(
        json.dumps({**card, "configuration": entry.configuration})
    )
    path.unlink()
    with pytest.raises(FileNotFoundError, match="mamp_small.safetensors"):
        MAMP("small")


def test_weights_with_an_address(tiny, monkeypatch, tmp_path):
    path = weights.save_weights(MAMP(**tiny), tmp_path / "a.safetensors")
    requests = []

    def fetch(address, sha256=None, file_name=None):
        requests.append((address, sha256))
        return path

    monkeypatch.setattr(download, "fetch", fetch)
    file = weights.File(
        "a.safetensors",
        "fetched",
        url="https://example.org/a.safetensors",
        sha256=64 * "a",
    )
    entry = dataclasses.replace(
        weights.get("mamp", "ntu60"),
        files=(file,),
        configuration=tiny,
    )
    monkeypatch.setattr(mamp, "PRETRAINED", (entry,))
    MAMP("ntu60")
    assert set(requests) == {(file.url, file.sha256)}
    requests.clear()
    MAMP("hf://user/repository/a.safetensors")
    assert set(requests) == {("hf://user/repository/a.safetensors", None)}


def test_name_before_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ntu60").write_bytes(b"x")
    with pytest.raises(FileNotFoundError, match="by hand"):
        weights.resolve("mamp", "ntu60")
    path, entry = weights.resolve("mamp", "./ntu60")
    assert (path.read_bytes(), entry) == (b"x", None)
