import csv
import dataclasses
import json
import shutil

import keras
import numpy as np
import pytest
from sklearn import metrics as reference

from keras_skeleton import cli
from keras_skeleton import evaluation
from keras_skeleton.applications import BRL
from keras_skeleton.applications import MAMP
from keras_skeleton.datasets import Sequences
from keras_skeleton.layers.augmentation import Center
from keras_skeleton.layers.augmentation import CropResize
from keras_skeleton.layers.augmentation import Streams
from keras_skeleton.layers.augmentation import deserialize_transforms
from keras_skeleton.layers.augmentation import serialize_transforms
from keras_skeleton.losses import SmoothedCrossentropy
from keras_skeleton.weights import cards
from keras_skeleton.weights import registry
from keras_skeleton.weights import save_weights

CLASSES = 6


@pytest.fixture
def transforms():
    return [Center(joint=1), CropResize(8, interval=(0.95,))]


@pytest.fixture
def sequences():
    """30 clips; two of the ten for testing are copies of training clips."""
    random = np.random.default_rng(2)
    clips = [
        random.normal(size=(int(length), 20, 3))
        for length in random.integers(5, 15, 30)
    ]
    clips[20], clips[25] = clips[3], clips[4]
    labels = random.integers(0, CLASSES, 30)
    labels[[20, 25]] = labels[[3, 4]]
    return Sequences.from_arrays(
        clips,
        labels,
        skeleton="nw_ucla",
        class_names=[f"class {index}" for index in range(CLASSES)],
        splits={"xview": {"train": range(20), "test": range(20, 30)}},
    )


@pytest.fixture
def model(tiny):
    keras.utils.set_random_seed(1)
    return MAMP(classes=CLASSES, head="linear", **tiny)


@pytest.fixture
def data_path(sequences, tmp_path):
    sequences.save(tmp_path / "data.h5")
    return tmp_path / "data.h5"


@pytest.fixture
def weights_path(model, transforms, tmp_path):
    described = serialize_transforms(transforms)
    return save_weights(
        model,
        tmp_path / "mine.safetensors",
        data_set="nw_ucla",
        protocol="xview",
        transforms=described,
    )


def expected_scores(model, sequences, transforms):
    _, test = sequences.split("xview")
    clips = test.padded(range(len(test)))
    for transform in transforms:
        clips = keras.ops.convert_to_numpy(transform(clips))
    return model.predict_on_batch(clips), test.labels


def test_evaluate_model(model, sequences, transforms):
    scores, labels = expected_scores(model, sequences, transforms)
    _, test = sequences.split("xview")
    result = evaluation.evaluate_model(model, test.to_keras(transforms, 4))
    best = scores.argmax(axis=1)
    assert result.value == pytest.approx(100 * np.mean(best == labels))
    assert result.scores["top5"].value == pytest.approx(
        100
        * reference.top_k_accuracy_score(
            labels, scores, k=5, labels=range(CLASSES)
        )
    )
    np.testing.assert_array_equal(
        result.confusion,
        reference.confusion_matrix(labels, best, labels=range(CLASSES)),
    )
    present = [value for value in result.per_class if value is not None]
    assert result.scores["mean_class"].value == pytest.approx(np.mean(present))
    assert result.of == 10
    assert result.class_names == test.class_names
    assert result.predictions.names == test.names
    # Nobody said what the model was trained on.
    assert result.without_duplicates == {}


def test_few_classes_have_no_top5(tiny, clips):
    result = evaluation.evaluate_model(MAMP(classes=2, **tiny), clips)
    assert list(result.scores) == ["top1", "mean_class"]


def test_evaluate_weights(
    model, weights_path, data_path, sequences, transforms, tmp_path
):
    result = evaluation.evaluate_weights(
        "mamp",
        weights_path,
        data_path,
        batch_size=4,
        json_path=tmp_path / "new" / "result.json",
        predictions_path=tmp_path / "predictions.csv",
    )
    scores, labels = expected_scores(model, sequences, transforms)
    right = scores.argmax(axis=1) == labels
    assert result.value == pytest.approx(100 * right.mean())
    kept = np.setdiff1d(range(10), [0, 5])
    own = result.without_duplicates["top1"]
    assert own.of == 8
    assert own.value == pytest.approx(100 * right[kept].mean())
    assert result.correct == right.sum()
    assert own.correct == right[kept].sum()
    assert result.settings["stream"] is None
    assert result.environment["backend"] == keras.backend.backend()
    assert result.seconds > 0
    assert (result.system[:5], result.data) == ("mamp ", "nw_ucla xview")
    again = evaluation.Result.load(tmp_path / "new" / "result.json")
    assert again.to_dict() == result.to_dict()
    with open(tmp_path / "predictions.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["label"]) for row in rows] == labels.tolist()
    assert [int(row["predicted"]) for row in rows] == scores.argmax(1).tolist()
    assert [row["is_copy_of_training_clip"] for row in rows].count("1") == 2
    assert rows[0]["class"] == f"class {labels[0]}"
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.once
def test_confusion_picture(weights_path, data_path, tmp_path):
    pytest.importorskip("matplotlib")
    path = tmp_path / "confusion.png"
    evaluation.evaluate_weights(
        "mamp", weights_path, data_path, confusion_path=path
    )
    assert path.read_bytes().startswith(b"\x89PNG")


@pytest.mark.once
def test_arguments_win_over_the_file(weights_path, data_path):
    other = [CropResize(8, interval=(0.5,))]
    arguments = ("mamp", weights_path, data_path)
    recorded = evaluation.evaluate_weights(*arguments)
    changed = evaluation.evaluate_weights(*arguments, transforms=other)
    assert recorded.of == changed.of
    with pytest.raises(ValueError, match="'xsub'.*'xview'"):
        evaluation.evaluate_weights(*arguments, split="xsub")


@pytest.mark.once
def test_failure_leaves_the_old_file(weights_path, data_path, tmp_path):
    path = tmp_path / "result.json"
    path.write_text("old")
    with pytest.raises(ValueError, match="Unknown data set 'ucla'"):
        evaluation.evaluate_weights(
            "mamp", weights_path, data_path, data_set="ucla", json_path=path
        )
    assert path.read_text() == "old"


@pytest.fixture
def registered(weights_path, tmp_path, monkeypatch):
    """Packaged weights of the name `small`."""
    folder = tmp_path / "packaged"
    folder.mkdir()
    shutil.copy(weights_path, folder / "mamp_small.safetensors")
    (folder / "mamp_small.json").write_text(json.dumps({"classes": CLASSES}))
    monkeypatch.setattr(cards, "PACKAGED_FOLDER", folder)
    return "small"


@pytest.mark.once
def test_registered_name(model, registered, data_path, sequences, transforms):
    result = evaluation.evaluate_weights("mamp", registered, data_path)
    scores, labels = expected_scores(model, sequences, transforms)
    assert result.system == "mamp small"
    assert result.value == pytest.approx(
        100 * np.mean(scores.argmax(axis=1) == labels)
    )


@pytest.mark.once
def test_card_wins_over_the_file(registered, data_path, monkeypatch):
    path, entry = registry.resolve("mamp", registered)
    card = dataclasses.replace(entry, recipe={"protocol": "xset"})
    monkeypatch.setattr(registry, "resolve", lambda *_: (path, card))
    with pytest.raises(ValueError, match="Unknown protocol 'xset'"):
        evaluation.evaluate_weights("mamp", registered, data_path)


@pytest.mark.once
def test_command(registered, data_path, tmp_path, capsys):
    words = ["evaluate", "mamp", registered, str(data_path)]
    file = tmp_path / "result.json"
    table = tmp_path / "table.csv"
    options = ["--json", str(file), "--predictions", str(table)]
    assert cli.main([*words, *options, "--batch-size", "4"]) == 0
    result = evaluation.Result.load(file)
    out = capsys.readouterr().out
    right = result.correct
    assert "mamp small on nw_ucla xview: top-1" in out
    assert f"{10 * right:.2f} % ({right} of 10)" in out
    assert "without copies of training clips" in out
    assert len(table.read_text("utf-8").splitlines()) == 11
    assert cli.main([*words[:3], str(tmp_path / "nowhere.zip")]) == 2
    assert "nowhere.zip" in capsys.readouterr().err


@pytest.mark.once
@pytest.mark.parametrize("as_file", [False, True])
def test_command_for_weights_of_ones_own(
    as_file, model, data_path, sequences, transforms, tmp_path
):
    path = save_weights(model, tmp_path / "own.safetensors")
    text = json.dumps(serialize_transforms(transforms))
    if as_file:
        (tmp_path / "transforms.json").write_text(text)
        text = str(tmp_path / "transforms.json")
    file = tmp_path / "result.json"
    words = ["evaluate", "mamp", str(path), str(data_path)]
    options = ["--data-set", "nw_ucla", "--split", "xview"]
    options += ["--transforms", text, "--stream", "bone"]
    table = tmp_path / "table.csv"
    options += ["--json", str(file), "--predictions", str(table)]
    assert cli.main([*words, *options]) == 0
    bones = Streams("nw_ucla", streams="bone")
    scores, labels = expected_scores(model, sequences, [*transforms, bones])
    result = evaluation.Result.load(file)
    assert result.correct == (scores.argmax(axis=1) == labels).sum()
    assert result.settings["stream"] == "bone"
    with open(table, encoding="utf-8") as opened:
        found = [int(row["predicted"]) for row in csv.DictReader(opened)]
    assert found == scores.argmax(axis=1).tolist()


@pytest.mark.once
def test_stream_of_a_stream(weights_path, data_path, transforms):
    streams = Streams("nw_ucla", streams="bone")
    with pytest.raises(ValueError, match="`Streams` already"):
        evaluation.evaluate_weights(
            "mamp",
            weights_path,
            data_path,
            transforms=[*transforms, streams],
            stream="bone",
        )


@pytest.mark.once
def test_weights_that_cannot_be_evaluated(model, tiny, data_path, tmp_path):
    path = tmp_path / "weights.safetensors"
    save_weights(model, path)
    with pytest.raises(ValueError, match="`data_set` is missing"):
        evaluation.evaluate_weights("mamp", path, data_path)
    save_weights(MAMP(**tiny), path)
    with pytest.raises(ValueError, match="without a classification head"):
        evaluation.evaluate_weights("mamp", path, data_path)
    np.savez(tmp_path / "some.npz", x=np.zeros(2))
    with pytest.raises(ValueError, match="no file of `save_weights`"):
        evaluation.evaluate_weights("mamp", tmp_path / "some.npz", data_path)


@pytest.mark.once
def test_data_that_do_not_fit(weights_path, data_path, tmp_path, tiny):
    arguments = {"system": "mamp", "weights": weights_path}
    with pytest.raises(FileNotFoundError, match="nowhere.h5"):
        evaluation.evaluate_weights(
            data_path=tmp_path / "nowhere.h5", **arguments
        )
    with pytest.raises(ValueError, match=r"\(1, 8, 20, 3\).*\(1, 16, 20, 3\)"):
        evaluation.evaluate_weights(
            data_path=data_path, transforms=[CropResize(16)], **arguments
        )
    path = save_weights(MAMP(classes=2, **tiny), tmp_path / "two.safetensors")
    with pytest.raises(ValueError, match="6 classes, but the weights know 2"):
        evaluation.evaluate_weights(
            "mamp",
            path,
            data_path,
            data_set="nw_ucla",
            split="xview",
            transforms=[CropResize(8)],
        )
    with pytest.raises(FileNotFoundError, match="NTU RGB"):
        (tmp_path / "raw").mkdir()
        evaluation.evaluate_weights(
            data_path=tmp_path / "raw", data_set="ntu60", **arguments
        )


@pytest.mark.once
def test_transforms_as_json(transforms):
    described = serialize_transforms([*transforms, Center(skeleton="nw_ucla")])
    again = deserialize_transforms(json.loads(json.dumps(described)))
    clips = np.random.default_rng(0).normal(size=(2, 1, 12, 20, 3))
    for old, new in zip(transforms, again, strict=False):
        np.testing.assert_array_equal(
            keras.ops.convert_to_numpy(old(clips)),
            keras.ops.convert_to_numpy(new(clips)),
        )
    assert again[2].joint == Center(skeleton="nw_ucla").joint
    assert serialize_transforms(again) == described


@pytest.mark.once
@pytest.mark.parametrize(
    "described, message",
    [
        ({"class": "Lambda", "config": {}}, "Unknown transform 'Lambda'"),
        ({"class": "SkeletonTransform"}, "Unknown transform"),
        ({"class": "CropResize", "module": "os"}, "the keys 'class'"),
        ({"class": "CropResize", "config": {"frames": 3}}, "cannot be built"),
        ("CropResize", "Received 'CropResize'"),
    ],
)
def test_bad_transforms(described, message):
    with pytest.raises(ValueError, match=message):
        deserialize_transforms([described])


def test_outputs_that_are_no_scores(encoder, model, clips):
    with pytest.raises(ValueError, match="build it with `classes=`"):
        evaluation.evaluate_model(encoder, clips)
    with pytest.raises(ValueError, match="must have labels"):
        evaluation.evaluate_model(model, clips[0])
    with pytest.raises(ValueError, match="Received 6"):
        evaluation.evaluate_model(model, (clips[0], clips[1] * 6))


def in_another_order(data):
    names = data.class_names[::-1]
    labels = len(names) - 1 - data.labels
    return Sequences.from_arrays(
        [data.clip(i) for i in range(len(data))],
        labels,
        skeleton=data.skeleton,
        class_names=[name.upper().replace(" ", "_") for name in names],
    )


def test_classes_are_those_of_the_same_names(model, sequences, transforms):
    train, test = sequences.split("xview")
    expected = evaluation.evaluate_model(model, test, transforms=transforms)
    turned = in_another_order(test)
    # Nobody said what its classes are called.
    other = evaluation.evaluate_model(model, turned, transforms=transforms)
    assert other.confusion != expected.confusion
    model.class_names = tuple(test.class_names)
    for data in (turned, turned.to_keras(transforms, 4)):
        found = evaluation.evaluate_model(
            model,
            data,
            transforms=None if data is not turned else transforms,
        )
        assert found.confusion == expected.confusion
        assert found.class_names == list(test.class_names)
    encoder = MAMP(**model.tiny | {"skeleton": "nw_ucla"})
    one, two = (
        evaluation.nearest_neighbors(
            encoder, train, each, transforms=transforms, k=1
        )
        for each in (test, turned)
    )
    assert one.confusion == two.confusion


def test_classes_of_other_names_are_refused(model, sequences, transforms):
    _, test = sequences.split("xview")
    model.class_names = (*test.class_names[1:], "swim")
    with pytest.raises(ValueError, match="called 'class 0', which are not"):
        evaluation.evaluate_model(model, test, transforms=transforms)
    with pytest.raises(ValueError, match="there are none"):
        Sequences.from_arrays(
            [np.ones((4, 20, 3))], [0], skeleton="nw_ucla"
        ).with_class_names(["sit"])


def test_a_model_knows_the_classes_that_it_was_trained_on(
    model, sequences, transforms, tmp_path
):
    train, _ = sequences.split("xview")
    batches = train.to_keras(transforms, 4, shuffle=True)
    model.compile("sgd", SmoothedCrossentropy())
    model.fit(batches, verbose=0)
    names = tuple(train.class_names)
    assert model.class_names == names
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.class_names == names
    path = save_weights(model, tmp_path / "mine.safetensors")
    assert MAMP(path, classes=CLASSES).class_names == names
    assert MAMP(path, classes=2).class_names is None
    model.fit(*next(iter(batches)), verbose=0)
    assert model.class_names is None
    training = BRL(model, class_counts=np.bincount(train.labels) + 1)
    training.compile("sgd")
    training.fit(batches, verbose=0)
    assert model.class_names == names
