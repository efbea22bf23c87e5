"""Every public object says what it is."""

import importlib
import inspect
import pathlib
import re
import runpy

import pytest

pytestmark = pytest.mark.once

DOCS = pathlib.Path(__file__).parents[1] / "docs"
PACKAGES = (
    "applications",
    "datasets",
    "evaluation",
    "drawing",
    "explain",
    "layers",
    "layers.augmentation",
    "losses",
    "serving",
    "serving.poses",
    "training",
    "tuning",
    "weights",
)
# What Keras asks every layer, model and loss to define.
HOOKS = {"build", "call", "compute_output_shape", "get_config", "from_config"}


@pytest.mark.parametrize("package", PACKAGES)
def test_public_objects_are_documented(package):
    module = importlib.import_module(f"keras_skeleton.{package}")
    assert module.__doc__
    missing = []
    for name in module.__all__:
        thing = getattr(module, name)
        # A class's own text, not that of a Keras base class.
        if not thing.__doc__ or (
            inspect.isclass(thing) and not vars(thing).get("__doc__")
        ):
            missing.append(name)
        for member, value in vars(thing).items():
            public = not member.startswith("_") and member not in HOOKS
            if public and inspect.isfunction(value):
                ours = value.__module__.startswith("keras_skeleton")
                if ours and not inspect.getdoc(getattr(thing, member)):
                    missing.append(f"{name}.{member}")
    assert not missing


def test_page_of_augmentations(tmp_path):
    from keras_skeleton.layers import augmentation

    page = (DOCS / "augmentations.md").read_text()
    for name in augmentation.__all__:
        assert f"`{name}`" in page or f"`{name}(" in page, name
    pictures = set(re.findall(r"\]\((\S+\.png)\)", page))
    assert pictures == {path.name for path in DOCS.glob("*.png")}
    sizes = [(DOCS / name).stat().st_size for name in pictures]
    assert 0 < sum(sizes) < 300_000
    # The script still draws all of them.
    script = runpy.run_path(str(DOCS / "make_augmentations.py"))
    script["main"](tmp_path / "docs")
    assert pictures == {path.name for path in (tmp_path / "docs").iterdir()}
