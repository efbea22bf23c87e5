import dataclasses
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from keras_skeleton import cli
from keras_skeleton import weights
from keras_skeleton.applications import MAMP
from keras_skeleton.applications import MAMPPretext
from keras_skeleton.weights import mamp

pytestmark = pytest.mark.once

TINY = {
    "input_shape": (1, 8, 20, 3),
    "skeleton": "nw_ucla",
    "hidden_dim": 8,
    "num_layers": 2,
    "num_heads": 2,
    "head_dim": 6,
}


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache of its own, and registered weights `tiny`."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras_home"))
    entry = dataclasses.replace(
        weights.get("mamp", "ntu60"),
        name="tiny",
        configuration=TINY,
        pretext={"decoder_dim": 4, "decoder_layers": 1},
    )
    monkeypatch.setattr(mamp, "PRETRAINED", (entry,))
    return tmp_path / "keras_home" / "models" / "keras_skeleton"


def official_file(model, path, **changes):
    """A file with the official tensors of a model's shapes."""
    random = np.random.default_rng(0)
    shapes = {v.path: tuple(v.shape) for v in model.weights}
    tensors = {}
    for variable, name in weights.official_names(model).items():
        shape = shapes[variable]
        if name == "joints_embed.proj.weight":
            shape = (shape[1], 3, 4, 1)
        elif variable.endswith("kernel"):
            shape = shape[::-1]
        tensors[name] = random.uniform(0.5, 1, shape).astype("float32")
    np.savez(path, **{**tensors, **changes})
    return tensors


def test_convert_makes_the_name_work(cache, tmp_path, capsys):
    with pytest.raises(FileNotFoundError, match="convert mamp tiny FILE"):
        MAMP("tiny")
    pretext = MAMPPretext(decoder_dim=4, decoder_layers=1, **TINY)
    file = tmp_path / "official.npz"
    tensors = official_file(pretext, file)
    assert cli.main(["convert", "mamp", "tiny", str(file)]) == 0
    out = capsys.readouterr().out
    assert f"{len(tensors)} tensors converted" in out
    assert [p.name for p in cache.iterdir()] == ["mamp_tiny.safetensors"]
    encoder = MAMP("tiny")
    np.testing.assert_array_equal(
        keras.ops.convert_to_numpy(encoder.get_layer("norm").gamma.value),
        tensors["norm.weight"],
    )
    assert MAMP("tiny", classes=3).output_shape == (None, 3)


@pytest.mark.parametrize("head", ["finetune", "linear"])
def test_convert_a_file_with_a_head(cache, tmp_path, head):
    file = tmp_path / "official.npz"
    tensors = official_file(MAMP(classes=7, head=head, **TINY), file)
    assert cli.main(["convert", "mamp", "tiny", str(file)]) == 0
    model = MAMP("tiny", classes=7, head=head)
    bias = "head.fc2.bias" if head == "finetune" else "head.fc.1.bias"
    np.testing.assert_array_equal(
        keras.ops.convert_to_numpy(model.get_layer("predictions").bias.value),
        tensors[bias],
    )


def test_convert_a_file_that_does_not_fit(cache, tmp_path, capsys):
    file = tmp_path / "official.npz"
    official_file(MAMP(**TINY), file, extra=np.zeros((2, 3)))
    assert cli.main(["convert", "mamp", "tiny", str(file)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("keras-skeleton: error: ")
    assert error.count("\n") == 1
    assert "extra (2, 3)" in error
    assert not cache.exists()


@pytest.mark.parametrize(
    "words, message",
    [
        (["mump", "tiny", "x.pth"], "no system 'mump'"),
        (["mamp", "ntu61", "x.pth"], "Registered are"),
        (["mamp", "tiny", "nowhere.pth"], "nowhere.pth"),
    ],
)
def test_errors_are_one_line(cache, capsys, words, message):
    assert cli.main(["convert", *words]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    "prefix", ["module.", "_orig_mod.model.", "net.", "module.encoder."]
)
def test_convert_a_file_of_a_wrapped_model(cache, tmp_path, prefix):
    file = tmp_path / "official.npz"
    tensors = official_file(MAMP(**TINY), file)
    np.savez(file, **{prefix + name: a for name, a in tensors.items()})
    assert cli.main(["convert", "mamp", "tiny", str(file)]) == 0
    np.testing.assert_array_equal(
        keras.ops.convert_to_numpy(MAMP("tiny").get_layer("norm").gamma.value),
        tensors["norm.weight"],
    )


def test_convert_a_file_of_a_wrapped_body_and_head(cache, tmp_path):
    file = tmp_path / "official.npz"
    tensors = official_file(MAMP(classes=7, **TINY), file)
    wrapped = {
        f"model.{'cls_head' if 'head.' in name else 'backbone'}.{name}": array
        for name, array in tensors.items()
    }
    np.savez(file, **wrapped, **{"criterion.weight": np.ones(7)})
    with pytest.warns(UserWarning, match="criterion.weight"):
        assert cli.main(["convert", "mamp", "tiny", str(file)]) == 0
    head = MAMP("tiny", classes=7).get_layer("predictions")
    np.testing.assert_array_equal(
        keras.ops.convert_to_numpy(head.bias.value), tensors["head.fc2.bias"]
    )


def test_convert_an_entry_of_a_checkpoint(cache, tmp_path, capsys):
    torch = pytest.importorskip("torch")
    tensors = official_file(MAMP(**TINY), tmp_path / "official.npz")
    tensors = {name: torch.from_numpy(a) for name, a in tensors.items()}
    file = tmp_path / "official.pth"
    torch.save({"model": {"x": torch.zeros(2)}, "teacher": tensors}, file)
    words = ["convert", "mamp", "tiny", str(file)]
    assert cli.main(words) == 2
    assert cli.main([*words, "--key", "teacher"]) == 0
    assert cli.main([*words, "--key", "student"]) == 2
    assert "no entry 'student'" in capsys.readouterr().err


def test_convert_tensors_under_any_key(cache, tmp_path, capsys):
    torch = pytest.importorskip("torch")
    tensors = official_file(MAMP(**TINY), tmp_path / "official.npz")
    tensors = {name: torch.from_numpy(a) for name, a in tensors.items()}
    file = tmp_path / "official.pth"
    words = ["convert", "mamp", "tiny", str(file)]
    for content in (
        {"ema": tensors, "epoch": 3},
        {"state_dict": {"net": tensors}},
        {"model_state_dict": tensors, "optimizer": {"lr": 0.1}},
    ):
        torch.save(content, file)
        assert cli.main(words) == 0
    both = {f"module.student.{name}": a for name, a in tensors.items()}
    both |= {f"module.teacher.{name}": a for name, a in tensors.items()}
    both["module.queue"] = torch.zeros(3)
    torch.save(both, file)
    assert cli.main(words) == 2
    assert "choose one by key='teacher'" in capsys.readouterr().err
    assert cli.main([*words, "--key", "teacher"]) == 0


def test_list_of_weights(tmp_path, monkeypatch, capsys):
    assert cli.main(["weights", "ctrgcn/nw_ucla*"]) == 0
    *lines, last = capsys.readouterr().out.splitlines()
    assert last == "4 weights"
    assert [line.split()[0] for line in lines] == [
        "ctrgcn/nw_ucla",
        "ctrgcn/nw_ucla_bone",
        "ctrgcn/nw_ucla_bone_motion",
        "ctrgcn/nw_ucla_joint_motion",
    ]
    for text in ("NW-UCLA X-view", "92.9 (91.1)", "packaged", "Apache-2.0"):
        assert text in lines[0]
    assert cli.main(["weights", "mump"]) == 2
    assert "no system of that name" in capsys.readouterr().err


def test_list_says_what_is_installed(cache, tmp_path, capsys):
    file = tmp_path / "official.npz"
    official_file(MAMP(**TINY), file)
    assert cli.main(["weights", "mamp/tiny"]) == 0
    assert "by hand" in capsys.readouterr().out
    assert cli.main(["convert", "mamp", "tiny", str(file)]) == 0
    assert cli.main(["weights", "mamp/tiny"]) == 0
    out = capsys.readouterr().out
    assert "installed" in out and "by hand" not in out


def test_convert_what_needs_no_conversion(capsys):
    assert cli.main(["convert", "mamp", "nw_ucla", "x.pth"]) == 0
    assert "needs no conversion" in capsys.readouterr().out


def test_missing_command(capsys):
    with pytest.raises(SystemExit) as error:
        cli.main([])
    assert error.value.code == 2
    assert "COMMAND" in capsys.readouterr().err


def test_module_runs():
    root = os.path.dirname(os.path.dirname(cli.__file__))
    result = subprocess.run(
        [sys.executable, "-m", "keras_skeleton", "convert", "--help"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": root},
    )
    assert result.returncode == 0, result.stderr
    assert "SYSTEM NAME FILE [FILE ...]" in result.stdout
