"""The weights that come with the package."""

import json

import numpy as np
import pytest
from keras import ops

from keras_skeleton import _download as download
from keras_skeleton import applications
from keras_skeleton import evaluation
from keras_skeleton import weights
from keras_skeleton.applications import MAMP
from keras_skeleton.datasets import formats
from keras_skeleton.datasets import nw_ucla
from keras_skeleton.datasets import penn_action
from keras_skeleton.weights import reader
from keras_skeleton.weights import registry

PACKAGED = [
    (system, name)
    for system in applications.SYSTEMS
    for name in weights.names(system=system)
    if weights.get(system, name).obtained == "packaged"
]
CLASSIFIERS = [each for each in PACKAGED if weights.get(*each).classes]
# One card of each system: that of the shortest name.
ONE_OF_EACH = {
    system: min((n for s, n in CLASSIFIERS if s == system), key=len)
    for system, _ in CLASSIFIERS
}
DATA = {
    "nw_ucla": (nw_ucla, "all_sqe.zip"),
    "penn_action": (penn_action, "labels.zip"),
}


@pytest.mark.once
@pytest.mark.parametrize("system", ["mamp", "ctrgcn", "hypergcn"])
def test_nw_ucla_is_packaged(system):
    assert (system, "nw_ucla") in CLASSIFIERS


@pytest.mark.once
@pytest.mark.parametrize(("system", "name"), PACKAGED)
def test_file_is_small_and_described(system, name):
    entry = weights.get(system, name)
    assert entry.path().stat().st_size < 5_000_000
    assert entry.source and entry.licence and entry.scores and entry.training
    assert entry.files[0].sha256 == download.file_sha256(entry.path())
    class_names = formats.class_names(entry.recipe["data_set"])
    assert list(entry.class_names) == list(class_names)
    # What the file says of itself.
    recorded = reader.read_metadata(entry.path())
    assert entry.recipe["data_set"] == recorded["data_set"]
    assert entry.recipe["protocol"] == recorded["protocol"]
    assert entry.recipe["transforms"] == json.loads(recorded["transforms"])
    assert registry.configuration(system, name) == entry.configuration


def test_encoder_and_classifier_load_without_a_network(monkeypatch):
    monkeypatch.setattr(registry.download, "fetch", None)
    encoder = MAMP(weights="nw_ucla")
    model = MAMP(weights="nw_ucla", classes=10)
    assert encoder.output_shape == (None, 1, 8, 20, 128)
    for ours, theirs in zip(encoder.weights, model.weights, strict=False):
        np.testing.assert_array_equal(
            ops.convert_to_numpy(ours.value),
            ops.convert_to_numpy(theirs.value),
        )
    # Another number of classes gets a new head.
    other = MAMP(weights="nw_ucla", classes=12)
    assert other.output_shape == (None, 12)


@pytest.fixture(scope="module")
def stores(data_dir, tmp_path_factory):
    """A function from the name of a data set to a folder of two stores.

    One holds all clips, the other every twentieth. Each is read once.
    """
    folders = {}

    def find(name):
        if name not in folders:
            reader, file = DATA[name]
            data = reader.load_data(data_dir(name) / file)
            folders[name] = folder = tmp_path_factory.mktemp(name)
            data.save(folder / "all.h5")
            some = np.arange(0, len(data), 20)
            data.select(some).save(folder / "some.h5")
        return folders[name]

    return find


@pytest.mark.parametrize(("system", "name"), sorted(ONE_OF_EACH.items()))
def test_some_clips_are_recognized(stores, system, name):
    # That all backends give the same logits is proven by the fixtures. Here
    # one card of each system shows that cards are read the same on each.
    data_set = weights.get(system, name).recipe["data_set"]
    found = evaluation.evaluate_weights(
        system, name, stores(data_set) / "some.h5", batch_size=32
    )
    assert found.of > 20
    assert found.correct > 0.8 * found.of


@pytest.mark.once
@pytest.mark.parametrize(("system", "name"), CLASSIFIERS)
def test_scores_of_the_card_are_reached(stores, system, name):
    entry = weights.get(system, name)
    path = stores(entry.recipe["data_set"]) / "all.h5"
    # Batches of one size, as a last one of another would be compiled, too.
    found = evaluation.evaluate_weights(system, name, path, batch_size=16)
    kind = "finetuned" if entry.score("finetuned") else "supervised"
    for without, scores in enumerate((found.scores, found.without_duplicates)):
        score = entry.score(kind, bool(without))
        if not scores:
            # No test clip is a copy.
            assert without and score is None
            continue
        assert scores["top1"].of == score.of
        # One clip of difference for rounding on another backend.
        assert scores["top1"].correct == pytest.approx(score.correct, abs=1)
