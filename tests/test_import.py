import ast
import importlib
import json
import os
import pathlib
import subprocess
import sys
import types

import keras
import numpy as np
import pytest

import keras_skeleton
from keras_skeleton import _lazy

MOST_SECONDS = 0.3
SCRIPT = """
import json, sys, time
import keras
before = set(sys.modules)
start = time.process_time()
import keras_skeleton
seconds = time.process_time() - start
new = sorted(set(sys.modules) - before)
print(json.dumps({"seconds": seconds, "new": new}))
"""


@pytest.fixture(scope="module")
def imports():
    """What importing the package adds to `import keras`.

    Five times at most, as other processes may use the processor's caches: the
    fastest counts. The first one may have to compile, which an installed
    package does not.
    """
    environment = dict(os.environ)
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    results = []
    while len(results) < 5 and not (
        results and min(each["seconds"] for each in results) < MOST_SECONDS
    ):
        process = subprocess.run(
            [sys.executable, "-c", SCRIPT],
            capture_output=True,
            text=True,
            check=True,
            env=environment,
        )
        results.append(json.loads(process.stdout.splitlines()[-1]))
    return results


def test_import_adds_less_than_a_third_of_a_second(imports):
    # Of the processor.
    assert min(each["seconds"] for each in imports) < MOST_SECONDS


def test_import_loads_no_large_library(imports):
    new = {name.partition(".")[0] for name in imports[0]["new"]}
    assert "keras_skeleton" in new
    large = {"tensorflow", "torch", "jax"} - {keras.backend.backend()}
    large |= {"matplotlib", "sklearn", "tf_keras_vis", "keras_tuner"}
    assert not new & large
    assert "keras_skeleton.explain" not in imports[0]["new"]


def test_all_that_keras_saves_is_known(imports):
    """What a saved file may name is there after the plain import."""
    root = pathlib.Path(keras_skeleton.__file__).parent
    registering = [
        ".".join(("keras_skeleton", *path.relative_to(root).parts))
        for path in root.rglob("*.py")
        if "@keras.saving.register_keras_serializable" in path.read_text()
    ]
    assert len(registering) > 50
    names = {name.removesuffix(".py") for name in registering}
    assert names <= set(imports[0]["new"])


def test_all_subpackages_load_on_first_use():
    for name in keras_skeleton.__all__:
        assert getattr(keras_skeleton, name).__name__.endswith(name)


@pytest.mark.once
def test_type_checkers_see_what_loads_on_first_use():
    """In sources of a package with `py.typed`, as `name as name` only."""
    root = pathlib.Path(keras_skeleton.__file__).parent
    assert (root / "py.typed").exists()
    packages = [
        ".".join(("keras_skeleton", *path.parent.relative_to(root).parts))
        for path in root.rglob("__init__.py")
        if "with on_first_use(" in path.read_text(encoding="utf-8")
    ]
    assert len(packages) > 5
    for package in packages:
        module = importlib.import_module(package)
        text = pathlib.Path(module.__file__).read_text(encoding="utf-8")
        tree = ast.parse(text)
        block = next(each for each in tree.body if isinstance(each, ast.With))
        seen = [each for line in block.body for each in line.names]
        assert all(each.asname == each.name for each in seen), package
        assert sorted(each.name for each in seen) == module.__all__
        # A module with `__getattr__` has every name to them.
        functions = [each for each in tree.body if hasattr(each, "args")]
        assert "__getattr__" not in {each.name for each in functions}
        with pytest.raises(AttributeError):
            module.nowhere  # noqa: B018


@pytest.mark.once
def test_imports_wait_for_the_first_use(monkeypatch):
    monkeypatch.setattr(_lazy, "PLACES", {})
    module = types.ModuleType("keras_skeleton.drawing")
    vars(module).update(on_first_use=_lazy.on_first_use)
    code = """with on_first_use(globals()):
        from fractions import Fraction as Share
        from keras_skeleton.drawing import charts as charts
        from nowhere import nothing as nothing"""
    exec(code, vars(module))
    assert module.__all__ == ["Share", "charts", "nothing"]
    assert module.Share(1, 2) == 0.5
    assert callable(module.charts.draw_bars)
    with pytest.raises(ModuleNotFoundError, match="nowhere"):
        module.nothing  # noqa: B018


@pytest.mark.once
@pytest.mark.parametrize(
    ("place", "name", "found"),
    [
        ("keras_skeleton", "MAMP", "keras_skeleton.applications.MAMP"),
        ("keras_skeleton", "Sequences", "keras_skeleton.datasets.Sequences"),
        ("layers", "CropResize", "keras_skeleton.layers.augmentation.CropRes"),
        ("datasets", "HaLP", "keras_skeleton.applications.HaLP"),
    ],
)
def test_names_looked_for_elsewhere(place, name, found):
    import keras_skeleton

    module = getattr(keras_skeleton, place, keras_skeleton)
    with pytest.raises(AttributeError, match=f"it is {found}"):
        getattr(module, name)
    with pytest.raises(AttributeError, match="no attribute 'nowhere'$"):
        module.nowhere  # noqa: B018


def test_a_saved_model_opens_in_another_process(tmp_path):
    from keras_skeleton.applications import MAMP
    from keras_skeleton.losses import SmoothedCrossentropy

    model = MAMP(**MAMP.tiny, classes=3)
    model.compile("adam", SmoothedCrossentropy(0.1))
    model.fit(np.ones((3, *model.input_form)), np.arange(3), verbose=0)
    model.save(tmp_path / "model.keras")
    code = (
        "import sys, keras, keras_skeleton;"
        "model = keras.saving.load_model(sys.argv[1]);"
        "print(type(model).__name__, model.loss.label_smoothing)"
    )
    process = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "model.keras"],
        capture_output=True,
        text=True,
    )
    assert process.stdout.split()[-2:] == ["MAMP", "0.1"], process.stderr
