"""`keras-skeleton evaluate --protocol`."""

import inspect
import re

import keras
import pytest

from keras_skeleton import cli
from keras_skeleton.applications import MAMP
from keras_skeleton.evaluation import Result
from keras_skeleton.evaluation.protocols import PROTOCOLS
from keras_skeleton.evaluation.protocols import WRITTEN
from keras_skeleton.layers.augmentation import CropResize
from keras_skeleton.layers.augmentation import serialize_transforms
from keras_skeleton.weights import save_weights

pytestmark = pytest.mark.once

SHORT = {
    "linear": "--epochs 2 --learning-rate 0.2 --seed 3",
    "knn": "--k 1 3",
    "semi": "--ratio 0.5 --choice balanced --repetitions 2 --epochs 1",
    "finetune": "--epochs 1",
    "transfer": "--epochs 1",
    "few-shot": "--classes 0 2 --shots 1 --k 1",
    "retrieval": "",
    "cross-view": "--view camera --condition none",
    "robustness": "--fill interpolation --seed 2",
}


@pytest.fixture
def save(toy, tiny, tmp_path):
    """A function that saves weights, with or without a head, and the clips."""
    toy.save(tmp_path / "data.h5")

    def write(classes=None, **described):
        keras.utils.set_random_seed(0)
        path = tmp_path / "mine.safetensors"
        recipe = {
            "data_set": "nw_ucla",
            "protocol": "xview",
            "transforms": serialize_transforms([CropResize(8, (0.95,))]),
        }
        save_weights(
            MAMP(classes=classes, **tiny), path, **{**recipe, **described}
        )
        return ["evaluate", "mamp", str(path), str(tmp_path / "data.h5")]

    return write


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_each_protocol(protocol, save, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    pytest.importorskip("sklearn")
    words = [*save(), "--protocol", protocol, *SHORT[protocol].split()]
    file = tmp_path / "result.json"
    written = set(WRITTEN[protocol])
    if "--repetitions" in words:
        written -= {"predictions", "curves"}
    for name in written:
        words += [f"--{name}", str(tmp_path / name)]
    assert cli.main([*words, "--json", str(file)]) == 0, capsys.readouterr().err
    assert all((tmp_path / name).stat().st_size for name in written)
    result = Result.load(file)
    assert result.protocol == protocol
    assert result.data == "nw_ucla xview"
    assert result.without_duplicates
    out = capsys.readouterr().out
    assert str(result) in out
    assert "without copies of training clips" in out
    # Its progress, in batches or epochs, in plain lines as this is no terminal.
    assert re.search(r"^\d+ of \d+ \w+, ", out, re.M) or protocol == "semi"
    assert not set("━\b\r\x1b") & set(out)


def test_options_reach_the_protocol(save, tmp_path, capsys):
    file = tmp_path / "result.json"
    words = [*save(), "--quiet", "--json", str(file), "--protocol"]
    assert cli.main([*words, "linear", *SHORT["linear"].split()]) == 0
    settings = Result.load(file).settings
    assert (settings["epochs"], settings["seed"]) == (2, 3)
    assert settings["learning_rate"] == 0.2
    assert settings["split"] == "xview"
    assert not re.search(r"^\d+ of \d+ ", capsys.readouterr().out, re.M)
    assert cli.main([*words, "knn", "--k", "3"]) == 0
    assert list(Result.load(file).scores) == ["3-nn"]


def test_pictures_and_tables(save, tmp_path):
    pytest.importorskip("matplotlib")
    pytest.importorskip("sklearn")
    words = [*save(), "--quiet", "--protocol", "linear", "--epochs", "2"]
    files = {
        name: tmp_path / f"{name}.png"
        for name in ("confusion", "features", "curves")
    }
    for name, path in files.items():
        words += [f"--{name}", str(path)]
    words += ["--predictions", str(tmp_path / "table.csv")]
    assert cli.main(words) == 0
    for path in files.values():
        assert path.read_bytes().startswith(b"\x89PNG")
    assert len((tmp_path / "table.csv").read_text().splitlines()) == 13


def test_errors(save, toy, tmp_path, capsys):
    def error(*words):
        assert cli.main([*map(str, words), "--quiet"]) == 2
        return capsys.readouterr().err

    words = save()
    text = error(*words)
    assert "without a classification head" in text
    assert "--protocol linear" in text
    assert "`ratio` cannot be chosen" in error(
        *words, "--protocol", "knn", "--ratio", 0.1
    )
    assert "`k` cannot be chosen" in error(*words, "--k", 1)
    assert "Unknown 'k'" in error(*words, "--protocol", "linear", "--k", 1)
    assert "'xset'" in error(*words, "--protocol", "knn", "--split", "xset")
    # Before anything is computed: the data are not even looked for.
    for protocol, what in (
        ("retrieval", "predictions"),
        ("knn", "curves"),
        ("finetune", "features"),
        ("semi", "curves"),
    ):
        assert f"holds no {what}. What can be written of it: " in error(
            *words[:-1], "none.h5", "--protocol", protocol, f"--{what}", "a.png"
        )
    toy.labels[:] = -1
    toy.save(tmp_path / "data.h5")
    assert "no label" in error(*words, "--protocol", "knn")
    with pytest.raises(SystemExit):
        cli.main([*words, "--protocol", "xview"])


def test_a_classifier_is_robust_by_itself(save, tmp_path):
    file = tmp_path / "result.json"
    words = [*save(classes=3), "--quiet", "--json", str(file)]
    assert cli.main(words) == 0
    own = Result.load(file)
    words += ["--protocol", "robustness"]
    assert cli.main(words) == 0
    robust = Result.load(file)
    assert robust.settings["method"] == "classifier"
    assert robust.scores["clean"] == own.scores["top1"]
    assert cli.main([*words, "--method", "knn"]) == 0
    assert Result.load(file).settings["method"] == "knn"


def test_names_are_those_of_the_functions():
    assert list(cli.PROTOCOLS) == list(PROTOCOLS)
    for function in PROTOCOLS.values():
        parameters = list(inspect.signature(function).parameters)
        assert parameters[:3] in (
            ["encoder", "train", "test"],
            ["model", "train", "test"],
        )
