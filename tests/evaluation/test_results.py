import csv
import dataclasses
import json

import numpy as np
import pytest

from keras_skeleton import evaluation
from keras_skeleton.evaluation import Comparison
from keras_skeleton.evaluation import Percentage
from keras_skeleton.evaluation import Predictions
from keras_skeleton.evaluation import Result
from keras_skeleton.evaluation.result import measure

pytestmark = pytest.mark.once

LABELS = np.array([0, 1, 2, 0, 1, 2, 0, 1])
PREDICTED = np.array([0, 1, 1, 0, 1, 2, 2, 0])
IS_COPY = np.array([True, False, False, False, True, False, False, False])


def make_result(**changed):
    predictions = Predictions(
        LABELS, PREDICTED, None, [f"clip {i}" for i in range(8)], IS_COPY
    )
    fields = {
        "protocol": "linear",
        "title": "linear",
        "system": "some",
        "data": "toy xview",
        "history": {"loss": [2.0, 1.0], "test accuracy": [40.0, 62.5]},
        "settings": {"epochs": 2, "steps": [1]},
        "seconds": 1.5,
        **measure(predictions, 3, ["sit", "walk", "run"]),
    }
    return Result(**{**fields, **changed})


def test_counts():
    result = make_result()
    assert (result.correct, result.of, result.value) == (5, 8, 62.5)
    own = result.without_duplicates["top1"]
    assert (own.correct, own.of, own.value) == (3, 6, 50)
    assert result.confusion == [[2, 0, 1], [1, 2, 0], [0, 1, 1]]
    np.testing.assert_allclose(result.per_class, [200 / 3, 200 / 3, 50])
    mean = result.scores["mean_class"]
    assert mean.value == pytest.approx(np.mean(result.per_class))


def test_text():
    lines = str(make_result()).splitlines()
    assert lines[0] == "some on toy xview: linear"
    assert lines[1].split("  ")[-1] == "without copies of training clips"
    assert "62.50 % (5 of 8)" in lines[2] and "50.00 % (3 of 6)" in lines[2]
    without = str(make_result(without_duplicates={}))
    assert "copies" not in without
    assert repr(make_result()) == "Result(linear, top1 62.50 % (5 of 8))"


def test_mean_of_repetitions():
    runs = [Percentage.count(np.arange(4) < n) for n in (1, 2, 3)]
    mean = Percentage.mean(runs)
    assert mean == Percentage(50.0, 4, None, 25.0)
    assert str(mean) == "50.00 ± 25.00 % (4)"
    assert Percentage.mean(runs[:1]) == runs[0]


def test_saved_and_loaded(tmp_path):
    result = make_result(runs=(make_result(), make_result(seconds=2.0)))
    result.save(tmp_path / "new" / "result.json")
    again = Result.load(tmp_path / "new" / "result.json")
    assert again.to_dict() == result.to_dict()
    assert again.scores == result.scores
    assert again.runs[1].seconds == 2.0
    assert str(again) == str(result)
    content = json.loads((tmp_path / "new" / "result.json").read_text())
    assert content["scores"]["top1"]["correct"] == 5
    assert not list(tmp_path.rglob("*.part"))
    with pytest.raises(ValueError, match="`protocol` and `scores`"):
        Result.from_dict({"top1": 50})


def test_table_of_predictions(tmp_path):
    predictions = make_result().predictions
    predictions.save(tmp_path / "table.csv", ["sit", "walk"])
    with open(tmp_path / "table.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["predicted"]) for row in rows] == PREDICTED.tolist()
    assert rows[2]["class"] == "2" and rows[2]["predicted_class"] == "walk"
    assert [row["is_copy_of_training_clip"] for row in rows].count("1") == 2
    unknown = dataclasses.replace(predictions, is_copy=None, names=None)
    unknown.save(tmp_path / "table.csv")
    assert ",\n" in (tmp_path / "table.csv").read_text().replace("\r", "")


def test_comparison(tmp_path):
    knn = {"1-nn": Percentage(70.0, 8), "5-nn": Percentage(60.0, 8)}
    table = Comparison([make_result()])
    table.add(make_result(system="other", without_duplicates={}))
    table.add(Result("knn", knn, {"1-nn": Percentage(65.0, 6)}, system="other"))
    semi = Percentage(51.0, 8, None, 2.0)
    table.add(Result("semi", {"top1": semi}, title="semi 10 %", system="some"))
    table.results = [each.named(data="toy") for each in table.results]
    assert table.to_markdown().splitlines() == [
        "|  | linear | semi 10 % | 1-nn | 5-nn |",
        "| --- | --- | --- | --- | --- |",
        "| some | 62.5 (50.0) | 51.0 ± 2.0 |  |  |",
        "| other | 62.5 |  | 70.0 (65.0) | 60.0 |",
    ]
    assert str(table).splitlines()[2].split()[:2] == ["other", "62.5"]
    table.save(tmp_path / "table.json")
    again = Comparison.load(tmp_path / "table.json")
    assert again.to_markdown() == table.to_markdown()
    table.save(tmp_path / "table.md")
    text = (tmp_path / "table.md").read_text()
    assert text == table.to_markdown() + "\n"
    # Of two data sets, rows say which.
    table.add(make_result(data="more"))
    assert "some on more" in table.table


def test_best_epochs_are_columns_of_their_own():
    score = {"top1": Percentage(50.0, 8, 4)}
    score["top1, best epoch on test"] = Percentage(75.0, 8, 6)
    result = Result("linear", score, title="linear")
    assert list(result.columns) == ["linear", "linear, best epoch on test"]


def with_scores(logits, **changed):
    scores = np.asarray(logits, "float32")
    predictions = Predictions(
        np.array([0, 1]), scores.argmax(1), scores, ["a", "b"], None
    )
    predictions = dataclasses.replace(predictions, **changed)
    return Result(
        "classifier", **measure(predictions, 2), system="net", title="top-1"
    )


def test_fused_streams():
    joint = with_scores([[1.0, 0.0], [2.0, 0.0]])
    bone = with_scores([[0.0, 0.5], [0.0, 3.0]])
    fused = evaluation.fuse({"joint": joint, "bone": bone})
    assert (joint.correct, bone.correct, fused.correct) == (1, 1, 2)
    fused = evaluation.fuse([joint, bone], [0.6, 0.3])
    assert (fused.correct, fused.system) == (1, "net")
    assert fused.settings["weights"] == [0.6, 0.3]
    for changed, message in (
        ({"names": ["b", "a"]}, "2 of 2 rows differ.*row 0: 'a' and 'b'"),
        ({"names": ["a"]}, "there are 2 and 1 names"),
        ({"labels": np.array([1, 0])}, "labels of the clips differ"),
        ({"scores": None}, "'bone' has no scores"),
    ):
        other = with_scores([[0.0, 0.5], [0.0, 3.0]], **changed)
        with pytest.raises(ValueError, match=message):
            evaluation.fuse({"joint": joint, "bone": other})
