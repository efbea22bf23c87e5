"""Imports between the rooms of the package point one way."""

import ast
import pathlib

import pytest

import keras_skeleton

pytestmark = pytest.mark.once

ROOT = pathlib.Path(keras_skeleton.__file__).parent
# For each room, the rooms that it may import from.
MAY_IMPORT = {
    "skeletons": set(),
    "losses": set(),
    "drawing": {"skeletons"},
    "layers": {"skeletons"},
    "training": {"layers", "losses"},
    "datasets": {"skeletons", "drawing"},
    "weights": {"datasets", "layers", "skeletons"},
    "applications": {
        "datasets",
        "layers",
        "losses",
        "skeletons",
        "training",
        "weights",
    },
    "serving": {
        "applications",
        "datasets",
        "drawing",
        "layers",
        "skeletons",
        "weights",
    },
    "explain": {"drawing", "layers", "skeletons"},
    "evaluation": {
        "applications",
        "datasets",
        "drawing",
        "layers",
        "losses",
        "skeletons",
        "training",
        "weights",
    },
    "tuning": {"applications", "evaluation", "losses", "training"},
}


# Weights know applications by the names in this list only.
BY_NAME = ("weights", "keras_skeleton.applications")


def imported_rooms(path):
    """The room of each import, and the full name that is imported."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{each.name}" for each in node.names]
        elif isinstance(node, ast.Import):
            names = [each.name for each in node.names]
        else:
            continue
        for name in names:
            package, _, rest = name.partition(".")
            if package == "keras_skeleton":
                yield rest.partition(".")[0], name


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_arrows_point_one_way(room):
    place = ROOT / room
    files = (
        place.rglob("*.py") if place.is_dir() else [place.with_suffix(".py")]
    )
    wrong = []
    for path in files:
        for other, name in imported_rooms(path):
            if other in {room, *MAY_IMPORT[room]} or other not in MAY_IMPORT:
                continue
            if (room, name) != BY_NAME:
                wrong.append(f"{path.relative_to(ROOT)} imports {name}")
    assert not wrong, wrong


def test_every_room_has_a_rule():
    rooms = {
        path.name for path in ROOT.iterdir() if (path / "__init__.py").exists()
    }
    assert rooms == set(MAY_IMPORT)
