"""People found in a gallery, seen from other sides."""

import keras
import numpy as np
import pytest

from keras_skeleton import evaluation
from keras_skeleton.applications import ACLNetTraining
from keras_skeleton.datasets import Sequences
from keras_skeleton.layers.augmentation import CropResize
from keras_skeleton.layers.augmentation import MapSkeleton
from keras_skeleton.layers.augmentation import UniformSampleDecode

pytestmark = pytest.mark.once

VIEWS = (0, 90, 180)
CONDITIONS = ("bg", "nm")
CROP = CropResize(4, interval=(0.95,))


def walkers(sequences, noise, seed):
    """Clips of four people in all views, each with a place of its own."""
    random = np.random.default_rng(seed)
    clips, labels, metadata = [], [], {"view": [], "condition": []}
    for person in range(4):
        for view in VIEWS:
            for condition in sequences:
                place = np.zeros(3)
                place[:2] = np.cos(person), np.sin(person)
                clip = place + noise * random.normal(size=(6, 20, 3))
                clips.append(clip)
                labels.append(person)
                metadata["view"].append(view)
                metadata["condition"].append(condition)
    return clips, labels, metadata


def sequences(*arguments):
    clips, labels, metadata = walkers(*arguments)
    metadata = {key: np.array(value) for key, value in metadata.items()}
    return Sequences.from_arrays(
        clips, labels, skeleton="nw_ucla", metadata=metadata
    )


@pytest.fixture
def mean_position():
    inputs = keras.Input((1, 4, 20, 3))
    x = keras.layers.GlobalAveragePooling3D()(inputs)
    return keras.Model(inputs, x)


@pytest.fixture
def parts():
    return sequences(("nm",), 6.0, 0), sequences(CONDITIONS, 6.0, 1)


def features_of(encoder, part):
    return evaluation.extract_features(encoder, part.to_keras([CROP]))


def test_table_by_hand():
    random = np.random.default_rng(0)
    gallery, probes = random.normal(size=(2, 30, 3)).astype("float32")
    labels = random.integers(0, 3, (2, 30))
    views = random.integers(0, 3, (2, 30))
    table, rows, columns = evaluation.cross_view_table(
        gallery, labels[0], views[0], probes, labels[1], views[1],
        metric="euclidean",
    )  # fmt: skip
    assert rows.tolist() == columns.tolist() == [0, 1, 2]
    for own in rows:
        for seen in columns:
            if own == seen:
                assert np.isnan(table[own, seen])
                continue
            right = []
            for probe in np.flatnonzero(views[1] == own):
                places = np.flatnonzero(views[0] == seen)
                distance = np.linalg.norm(
                    gallery[places] - probes[probe], axis=1
                )
                nearest = labels[0][places[distance.argmin()]]
                right.append(nearest == labels[1][probe])
            assert table[own, seen] == pytest.approx(100 * np.mean(right))
    whole = evaluation.cross_view_table(
        gallery, labels[0], views[0], probes, labels[1], views[1],
        same_view=True,
    )  # fmt: skip
    assert not np.isnan(whole[0]).any()


def test_scores_of_conditions(mean_position, parts):
    gallery, probes = parts
    result = evaluation.cross_view(
        mean_position, gallery, probes, transforms=[CROP]
    )
    assert list(result.scores) == ["rank-1", "rank-1 bg", "rank-1 nm"]
    known = features_of(mean_position, gallery)
    found, labels = features_of(mean_position, probes)
    for condition in CONDITIONS:
        rows = probes.metadata["condition"] == condition
        table, _, _ = evaluation.cross_view_table(
            *known,
            gallery.metadata["view"],
            found[rows],
            labels[rows],
            probes.metadata["view"][rows],
        )
        score = result.scores[f"rank-1 {condition}"]
        assert score.value == pytest.approx(np.nanmean(table))
        assert score.of == rows.sum()
        assert 100 / 4 < score.value < 100
    mean = np.mean([result.scores[f"rank-1 {c}"].value for c in CONDITIONS])
    assert result.value == pytest.approx(mean)


def test_arrays_bring_views(mean_position, parts):
    gallery, probes = parts
    named = evaluation.cross_view(
        mean_position, gallery, probes, condition=None, transforms=[CROP]
    )
    assert list(named.scores) == ["rank-1", "rank-1 all"]
    arrays = [
        tuple(np.concatenate(x) for x in zip(*part.to_keras([CROP]),
                                             strict=True))
        for part in parts
    ]  # fmt: skip
    views = [part.metadata["view"] for part in parts]
    given = evaluation.cross_view(
        mean_position, *arrays, view=views, condition=None
    )
    assert given.value == named.value
    with pytest.raises(ValueError, match="Of arrays"):
        evaluation.cross_view(mean_position, *arrays, condition=None)
    with pytest.raises(ValueError, match="no metadata 'side'"):
        evaluation.cross_view(
            mean_position, *parts, view="side", transforms=[CROP]
        )
    with pytest.raises(ValueError, match="no other view than 0"):
        evaluation.cross_view(
            mean_position, *arrays, view=[np.zeros(12), np.zeros(24)],
            condition=None,
        )  # fmt: skip


def test_retrieval_without_some_pairs(mean_position, parts):
    _, probes = parts
    found, labels = features_of(mean_position, probes)
    same = evaluation.retrieval(
        mean_position, probes, probes, transforms=[CROP]
    )
    assert same.scores["rank-1"].value == 100
    for exclude in (("name",), ("view", "condition")):
        result = evaluation.retrieval(
            mean_position, probes, probes, exclude=exclude, transforms=[CROP]
        )
        columns = [
            np.array(probes.names) if name == "name" else probes.metadata[name]
            for name in exclude
        ]
        pairs = np.all([c[:, None] == c[None] for c in columns], axis=0)
        first = []
        for row, query in enumerate(found):
            norm = np.linalg.norm(found, axis=1) * np.linalg.norm(query)
            closeness = np.where(pairs[row], -np.inf, found @ query / norm)
            first.append(labels[closeness.argmax()] == labels[row])
        assert result.scores["rank-1"].correct == np.sum(first) < len(found)
        precision, _ = evaluation.average_precision(
            found, labels, found, labels, excluded=pairs
        )
        assert result.value == pytest.approx(100 * precision.mean())
        kept = ~pairs[0]
        alone, _ = evaluation.average_precision(
            found[kept], labels[kept], found[:1], labels[:1]
        )
        assert precision[0] == pytest.approx(alone[0])
    with pytest.raises(ValueError, match="excluded pairs must be booleans"):
        evaluation.average_precision(
            found, labels, found, labels, excluded=[True]
        )


def test_gait_in_the_image():
    keras.utils.set_random_seed(0)
    random = np.random.default_rng(0)
    clips, labels, metadata = walkers(("nm",), 0.1, 0)
    clips = [
        np.concatenate(
            [100 * clip[:, :17, :2], random.uniform(size=(6, 17, 1))], axis=-1
        )
        for clip in clips
    ]
    data = Sequences.from_arrays(
        clips,
        labels,
        skeleton="coco17",
        coordinates=("x", "y", "score"),
        metadata={key: np.array(value) for key, value in metadata.items()},
    )
    transforms = [MapSkeleton("coco17", "coco20"), UniformSampleDecode(8)]
    shape = {"input_shape": (1, 8, 20, 3), "skeleton": "coco20"}
    training = ACLNetTraining(
        **{**ACLNetTraining.tiny, **shape, "classes": 4, "memory_size": 8}
    )
    training.compile("adam")
    batches = data.to_keras(transforms, 4, shuffle=True)
    logs = training.fit(batches, epochs=2, verbose=0).history
    assert np.isfinite(logs["loss"]).all() and logs["intra_class"][-1] > 0
    result = evaluation.cross_view(
        training.model, data, data, transforms=transforms
    )
    # People stand far apart: of four, chance would find a quarter.
    assert result.value > 50
    assert result.scores["rank-1 nm"].of == 12
