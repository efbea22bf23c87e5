import json

import numpy as np
import pytest

from keras_skeleton import cli
from keras_skeleton import datasets
from keras_skeleton import demo

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo") / "new" / "folder"
    return folder, demo.run(output=folder, seed=3, sizes=demo.SHORT)


def test_demo_writes_pictures_and_results(finished):
    folder, results = finished
    assert {path.name for path in folder.iterdir()} == {
        "importance.png",
        "motion.gif",
        "motion.html",
        "results.json",
    }
    assert (folder / "importance.png").read_bytes().startswith(b"\x89PNG")
    assert (folder / "motion.gif").read_bytes().startswith(b"GIF89a")
    assert json.loads((folder / "results.json").read_text()) == results


def test_demo_reports_whole_clips_as_accuracy(finished):
    _, results = finished
    assert results["num_labelled_clips"] == 30
    assert results["seed"] == 3
    for key in ("accuracy_from_scratch", "accuracy_pretrained"):
        right = results[key] * results["num_test_clips"] / 100
        assert 0 <= right <= results["num_test_clips"]
        assert right == pytest.approx(round(right), abs=1e-6)


def test_choose_per_class_is_balanced_and_repeatable():
    data = datasets.synthetic.load_data(num_clips=60, classes=5)
    few = demo.choose_per_class(data, 3, seed=1)
    np.testing.assert_array_equal(np.bincount(few.labels), [3] * 5)
    assert len(set(few.names)) == 15
    assert few.names == demo.choose_per_class(data, 3, seed=1).names
    assert few.names != demo.choose_per_class(data, 3, seed=2).names


def test_demo_command_names_a_missing_path(tmp_path, capsys):
    missing = tmp_path / "nothing.zip"
    assert cli.main(["demo", str(missing), "--output", str(tmp_path)]) == 2
    assert "nothing.zip" in capsys.readouterr().err
