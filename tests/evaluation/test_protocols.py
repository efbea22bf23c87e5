"""The protocols on small encoders and clips that are easy to tell apart."""

import keras
import numpy as np
import pytest
from keras import ops
from support import chain_skeleton

from keras_skeleton import evaluation
from keras_skeleton.applications import CTRGCN
from keras_skeleton.applications import MAMP
from keras_skeleton.evaluation import fitting
from keras_skeleton.evaluation.protocols import PROTOCOLS
from keras_skeleton.layers.augmentation import CropResize
from keras_skeleton.layers.augmentation import MapSkeleton
from keras_skeleton.layers.augmentation import MaskFrames
from keras_skeleton.layers.augmentation import Streams

CROP = CropResize(8, interval=(0.95,))


def numbers(model):
    return [ops.convert_to_numpy(value).copy() for value in model.weights]


def as_arrays(part):
    clips, labels = zip(*part.to_keras([CROP], batch_size=5), strict=True)
    return np.concatenate(clips), np.concatenate(labels)


@pytest.fixture
def parts(toy):
    return toy.split("xview")


def test_nearest_neighbors(encoder, parts):
    result = evaluation.nearest_neighbors(encoder, *parts, k=(1, 5))
    train, test = (
        evaluation.extract_features(encoder, part.to_keras([CROP]))
        for part in parts
    )
    assert list(result.scores) == ["1-nn", "5-nn"]
    for k, name in ((1, "1-nn"), (5, "5-nn")):
        right = evaluation.knn(*train, test[0], k) == test[1]
        assert result.scores[name].correct == right.sum()
        own = result.without_duplicates[name]
        kept = np.setdiff1d(range(12), [2, 7])
        assert (own.correct, own.of) == (right[kept].sum(), 10)
    assert result.predictions.names == parts[1].names
    assert np.flatnonzero(result.predictions.is_copy).tolist() == [2, 7]
    np.testing.assert_allclose(result.features[0], test[0], atol=1e-5)
    arrays = map(as_arrays, parts)
    again = evaluation.nearest_neighbors(encoder, *arrays, k=1)
    assert again.correct == result.correct
    # Nobody can tell of arrays which are copies.
    assert again.without_duplicates == {}


@pytest.mark.parametrize(
    ("kind", "epochs"),
    [(MAMP, 20), pytest.param(CTRGCN, 5, marks=pytest.mark.once)],
)
def test_fine_tune(kind, epochs, parts):
    keras.utils.set_random_seed(0)
    encoder = kind(**kind.tiny)
    before = numbers(encoder)
    options = {"epochs": epochs, "batch_size": 6, "learning_rate": 0.02}
    options["arguments"] = {}
    result = evaluation.fine_tune(encoder, *parts, **options, seed=3)
    assert result.value > 80
    assert isinstance(result.model, kind)
    assert result.model.output_shape == (None, 3)
    assert len(result.history["loss"]) == epochs
    assert result.history["loss"][-1] < result.history["loss"][0]
    # The encoder is as it was.
    for old, new in zip(before, numbers(encoder), strict=True):
        np.testing.assert_array_equal(old, new)
    found = evaluation.evaluate_model(result.model, parts[1], train=parts[0])
    assert found.correct == result.correct
    assert found.without_duplicates == result.without_duplicates


def test_the_epoch_is_chosen_on_validation_data(encoder, parts):
    train, test = parts
    clips, labels = as_arrays(test)
    # Of these the best epoch is an early one, as training goes against them.
    validation = clips, (labels + 1) % 3
    options = {"batch_size": 6, "epochs": 5, "best_on_test": True}
    data = encoder, as_arrays(train), (clips, labels)
    last = evaluation.linear_probe(*data, **options)
    assert last.settings["epoch"] == 5
    for function in (evaluation.linear_probe, evaluation.fine_tune):
        chosen = function(*data, validation=validation, **options)
        watched = chosen.history["validation accuracy"]
        epoch = int(np.argmax(watched))
        assert chosen.settings["epoch"] == epoch + 1 < 5
        tests = chosen.history["test accuracy"]
        assert chosen.value == pytest.approx(tests[epoch])
        # The best on the test data is told besides, under its name.
        best = chosen.scores["top1, best epoch on test"]
        assert best.value == pytest.approx(max(tests))
        assert best.correct == round(12 * max(tests) / 100)


def test_features_as_they_are(encoder, parts):
    """Without normalization, as in HiCLR, the head sees them unchanged."""
    result = evaluation.linear_probe(
        encoder, *parts, normalize=False, epochs=3, learning_rate=0.5
    )
    dense = result.model.get_layer("predictions")
    kernel, bias = (ops.convert_to_numpy(v) for v in dense.weights)
    features, _ = result.features
    clips, _ = as_arrays(parts[1])
    np.testing.assert_allclose(
        result.model.predict_on_batch(clips),
        features @ kernel + bias,
        atol=1e-4,
    )
    assert result.settings["normalize"] is False


def test_a_model_of_ones_own(parts):
    inputs = keras.Input((1, 8, 20, 3))
    pooled = keras.layers.GlobalAveragePooling3D()(inputs)
    encoder = keras.Model(inputs, pooled, name="mean")
    for function in (evaluation.linear_probe, evaluation.fine_tune):
        result = function(
            encoder, *parts, epochs=30, batch_size=6, learning_rate=0.1
        )
        assert result.value == 100
        assert result.system == "mean"


def test_transfer_from_another_skeleton(parts):
    keras.utils.set_random_seed(0)
    changed = {"input_shape": (1, 8, 13, 3), "skeleton": "penn13"}
    encoder = MAMP(**{**MAMP.tiny, **changed})
    options = {"epochs": 2, "batch_size": 6}
    result = evaluation.transfer(encoder, *parts, **options)
    assert result.settings["from_skeleton"] == "penn13"
    assert result.settings["to_skeleton"] == parts[0].skeleton.name
    assert (result.protocol, result.of) == ("transfer", 12)
    # The classifier saw the joints that a mapping makes of the clips.
    mapped = [MapSkeleton("nw_ucla", "penn13"), CROP]
    found = evaluation.evaluate_model(
        result.model, parts[1], transforms=mapped, train=parts[0]
    )
    assert found.scores["top1"] == result.scores["top1"]
    with pytest.raises(ValueError, match=r"'penn13'.*`MapSkeleton`"):
        evaluation.transfer(encoder, *parts, transforms=[CROP], **options)
    unknown = chain_skeleton(13)
    encoder = MAMP(**{**MAMP.tiny, **changed, "skeleton": unknown})
    with pytest.raises(ValueError, match="chain_13"):
        evaluation.transfer(encoder, *parts, **options)


@pytest.mark.once
def test_few_shot(encoder, parts):
    train, test = parts
    result = evaluation.few_shot(encoder, train, test, classes=[0, 2], k=(1, 3))
    rows = [
        np.flatnonzero(np.isin(part.labels, [0, 2])) for part in (train, test)
    ]
    expected = evaluation.nearest_neighbors(
        encoder, train.select(rows[0]), test.select(rows[1]), k=(1, 3)
    )
    assert list(result.scores) == ["few-shot 1-nn", "few-shot 3-nn"]
    for k in (1, 3):
        score = result.scores[f"few-shot {k}-nn"]
        assert score == expected.scores[f"{k}-nn"]
    assert result.settings["classes"] == [0, 2]
    assert result.predictions.names == expected.predictions.names
    drawn = evaluation.few_shot(
        encoder, train, test, shots=1, repetitions=4, seed=1
    )
    score = drawn.scores["1-shot 1-nn"]
    assert score.deviation is not None and score.of == 12
    assert np.sum(drawn.confusion) == 4 * 12
    for arguments, message in (
        ({"classes": [7]}, r"no training clips of the classes \[7\]"),
        ({"shots": 7}, "from 1 to the 6 labelled clips"),
        ({"repetitions": 3}, "need `shots`"),
    ):
        with pytest.raises(ValueError, match=message):
            evaluation.few_shot(encoder, train, test, **arguments)


@pytest.mark.once
@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_average_precision(metric, random):
    from sklearn.metrics import average_precision_score

    gallery, queries = random.normal(size=(2, 40, 6)).astype("float32")
    labels = random.integers(0, 4, (2, 40))
    labels[1, 5] = 9
    precision, first = evaluation.average_precision(
        gallery, labels[0], queries, labels[1], metric
    )
    for row, query in enumerate(queries):
        distance = np.linalg.norm(gallery - query, axis=1)
        if metric == "cosine":
            norm = np.linalg.norm(gallery, axis=1) * np.linalg.norm(query)
            distance = -(gallery @ query) / norm
        same = labels[0] == labels[1, row]
        expected = average_precision_score(same, -distance) if any(same) else 0
        assert precision[row] == pytest.approx(expected)
        places = np.flatnonzero(same[np.argsort(distance)])
        assert first[row] == (places[0] + 1 if len(places) else 0)


@pytest.mark.once
def test_retrieval(encoder, parts):
    result = evaluation.retrieval(encoder, *parts, ranks=(1, 3))
    nearest = evaluation.nearest_neighbors(encoder, *parts, k=1)
    assert list(result.scores) == ["mAP", "rank-1", "rank-3"]
    assert result.scores["rank-1"].correct == nearest.correct
    assert result.without_duplicates["mAP"].of == 10
    other = parts[1].select([0]), parts[1].select([1])
    with pytest.raises(ValueError, match="No test clip has a training clip"):
        evaluation.retrieval(encoder, *other)


class Recorder(keras.Model):
    """A classifier by the mean position that keeps what it was given."""

    def __init__(self):
        inputs = keras.Input((1, 8, 20, 3))
        x = keras.layers.GlobalAveragePooling3D()(inputs)
        x = keras.layers.Activation("linear", name="predictions")(x)
        super().__init__(inputs, x)
        self.seen = []

    def predict_on_batch(self, batch):
        self.seen.append(np.array(batch))
        return super().predict_on_batch(batch)


def test_robustness_of_a_classifier(parts):
    model = Recorder()
    result = evaluation.robustness(model, *parts)
    assert result.scores["clean"].value == 100
    clean, *corrupted = model.seen
    lost = [(clips == 0).all(axis=(1, 3, 4)) for clips in corrupted]
    assert [each.sum(axis=1).tolist() for each in lost[:3]] == [
        [count] * 12 for count in (2, 4, 6)
    ]
    moved = [np.abs(clips - clean).mean() for clips in corrupted[3:]]
    assert 0 < moved[0] < moved[1] < moved[2]
    # Every other system sees the same gaps, also in arrays.
    other = Recorder()
    arrays = map(as_arrays, parts)
    again = evaluation.robustness(other, *arrays)
    for mine, theirs in zip(model.seen, other.seen, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-6)
    assert again.scores == result.scores
    assert result.without_duplicates["25 % frames lost"].of == 10


@pytest.mark.once
def test_streams_are_made_of_corrupted_joints(parts):
    model = Recorder()
    motion = Streams("nw_ucla", streams="joint_motion")
    evaluation.robustness(
        model,
        *parts,
        transforms=[CROP, motion],
        corruptions={"end": MaskFrames(8, ["suffix"], [0.5])},
    )
    end = model.seen[1]
    # Where the body vanishes, joints move all the way to the origin.
    assert (end[:, :, 4:] == 0).all()
    size = np.abs(end).mean(axis=(0, 1, 3, 4))
    assert size[3] > 2 * size[:3].max()


@pytest.mark.once
@pytest.mark.parametrize("method", ["knn", "linear"])
def test_robustness_of_an_encoder(method, encoder, parts):
    recipe = {"epochs": 5} if method == "linear" else {}
    result = evaluation.robustness(encoder, *parts, method=method, **recipe)
    expected = {
        "knn": evaluation.nearest_neighbors,
        "linear": evaluation.linear_probe,
    }[method](encoder, *parts, **(recipe or {"k": 1}))
    assert result.scores["clean"].correct == expected.correct
    assert len(result.columns) == 7
    with pytest.raises(ValueError, match="epochs belong to method='linear'"):
        evaluation.robustness(encoder, *parts, method="knn", epochs=3)
    with pytest.raises(ValueError, match="method='tree'"):
        evaluation.robustness(encoder, *parts, method="tree")


@pytest.mark.once
def test_recipe_of_a_head():
    """What the caller says, then the system, then what is common."""

    class Own(MAMP):
        recipes = {"linear": {"learning_rate": 3.0, "steps": (80,)}}

    recipe = fitting.HeadRecipe.of(Own, "linear")
    assert recipe.learning_rate == 3.0
    assert recipe.steps == (80,) and recipe.epochs == 100
    given = {"epochs": 10, "learning_rate": 1.0, "batch_size": None}
    recipe = fitting.HeadRecipe.of(Own, "linear", **given)
    assert (recipe.learning_rate, recipe.steps) == (1.0, (8,))
    assert recipe.batch_size == 256
    with pytest.raises(ValueError, match="Unknown 'rate'"):
        fitting.HeadRecipe.of(Own, "linear", rate=3)


@pytest.mark.once
def test_bad_data(encoder, parts):
    train, test = parts
    arrays = as_arrays(train)
    for name in ("linear", "finetune", "knn", "retrieval", "robustness"):
        with pytest.raises(ValueError, match="must have labels"):
            PROTOCOLS[name](encoder, arrays[0], arrays)
    with pytest.raises(ValueError, match="`transforms` are for `Sequences`"):
        evaluation.linear_probe(encoder, arrays, arrays, transforms=[CROP])
    with pytest.raises(ValueError, match="takes clips .1, 8, 20, 3."):
        evaluation.linear_probe(
            encoder, train, test, transforms=[CropResize(9)]
        )
    with pytest.raises(ValueError, match="`augmentation` is for `Sequences`"):
        evaluation.linear_probe(encoder, arrays, arrays, augmentation=[CROP])
    with pytest.raises(ValueError, match="training labels.*2 classes"):
        evaluation.fine_tune(encoder, train, test, 2, epochs=1, batch_size=6)


@pytest.mark.once
@pytest.mark.parametrize(
    ("protocol", "arguments", "reason"),
    [
        ("knn", {"k": 1.5}, "`k` must be a whole number from 1 up"),
        ("knn", {"k": True}, "`k`"),
        ("knn", {"k": "5"}, "`k` must be one or more"),
        ("few-shot", {"k": ()}, "`k` must be one or more"),
        ("few-shot", {"classes": -1}, "`classes`"),
        ("few-shot", {"shots": 0}, "`shots`"),
        ("few-shot", {"repetitions": 2}, "need `shots`"),
        ("semi", {"repetitions": 1.5}, "`repetitions`"),
        ("semi", {"method": "linear", "full_epochs": True}, "Raise `epochs`"),
        ("linear", {"steps": (-1,)}, "`steps`"),
        ("retrieval", {"ranks": (0, 1)}, "`ranks`"),
        ("robustness", {"corruptions": [CROP]}, "a dict of transforms"),
    ],
)
def test_odd_arguments(protocol, arguments, reason, encoder, parts):
    with pytest.raises(ValueError, match=reason):
        PROTOCOLS[protocol](encoder, *parts, **arguments)


@pytest.mark.once
def test_one_number_is_as_good_as_several(encoder, parts):
    found = evaluation.few_shot(encoder, *parts, classes=1, k=1)
    assert found.settings["classes"] == [1]
    found = evaluation.retrieval(encoder, *parts, ranks=2, exclude="camera")
    assert list(found.scores) == ["mAP", "rank-2"]
    assert found.settings["exclude"] == ["camera"]
    assert fitting.HeadRecipe.of(encoder, steps=3).steps == (3,)


@pytest.mark.once
@pytest.mark.parametrize("data", [None, "train", 3])
def test_what_is_no_data(data, encoder, parts):
    with pytest.raises(ValueError, match="Pass `Sequences`, batches"):
        evaluation.nearest_neighbors(encoder, data, parts[1], k=1)


@pytest.mark.once
def test_what_is_no_encoder(parts):
    with pytest.raises(ValueError, match="Received str 'stars'"):
        evaluation.nearest_neighbors("stars", *parts, k=1)


@pytest.mark.once
@pytest.mark.parametrize("labels", [[0.5, 1.0], ["a", "b"]])
def test_labels_that_are_no_numbers(labels, encoder):
    data = np.zeros((2, 1, 8, 20, 3), "float32"), np.array(labels)
    with pytest.raises(ValueError, match="Labels must be whole numbers"):
        evaluation.nearest_neighbors(encoder, data, data, k=1)


@pytest.mark.once
def test_what_cannot_be_fused(encoder, parts):
    result = evaluation.linear_probe(encoder, *parts, epochs=1)
    with pytest.raises(ValueError, match="several results"):
        evaluation.fuse(result)
    with pytest.raises(ValueError, match="several results"):
        evaluation.fuse([])
    with pytest.raises(ValueError, match="each of the 2 results"):
        evaluation.fuse([result, result], [0.5])
