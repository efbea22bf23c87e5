"""Every official fixture of a finished system is used by a test."""

import ast
import fnmatch
import pathlib

import pytest

TESTS = pathlib.Path(__file__).parent
SYSTEMS = sorted(
    path.stem.removeprefix("test_parity_")
    for path in TESTS.glob("applications/test_parity_*.py")
)
pytestmark = pytest.mark.once


def strings(path):
    """The texts that stand in a module."""
    nodes = ast.walk(ast.parse(path.read_text()))
    return {
        node.value
        for node in nodes
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_file_matches_a_pattern(fixtures_dir, system):
    patterns = set()
    for path in TESTS.rglob("test_parity_*.py"):
        found = strings(path)
        if system in found:
            patterns |= {x for x in found if x.endswith(("npz", ".json"))}
    folder = fixtures_dir(system)
    unused = [
        path.name
        for path in folder.iterdir()
        if path.suffix in (".npz", ".json")
        and not any(fnmatch.fnmatch(path.name, x) for x in patterns)
    ]
    assert not unused
