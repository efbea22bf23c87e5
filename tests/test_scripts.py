"""Scripts that are run by hand: what they name exists."""

import ast
import importlib
import pathlib

import pytest

pytestmark = pytest.mark.once

ROOT = pathlib.Path(__file__).parents[1]
SCRIPTS = sorted((*ROOT.glob("benchmarks/*.py"), *ROOT.glob("guides/*.py")))


def resolve(module, name):
    """What `from module import name` gives."""
    found = importlib.import_module(module)
    if not hasattr(found, name):
        return importlib.import_module(f"{module}.{name}")
    return getattr(found, name)


def imported(tree):
    """What the names stand for that a script imports from the package."""
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for each in node.names:
                if each.name == "keras_skeleton":
                    found = importlib.import_module(each.name)
                    names[each.asname or each.name] = found
        elif isinstance(node, ast.ImportFrom) and (
            (node.module or "").partition(".")[0] == "keras_skeleton"
        ):
            for each in node.names:
                found = resolve(node.module, each.name)
                names[each.asname or each.name] = found
    return names


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_names_of_the_package_exist(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = imported(tree)
    # A name that a script gives to something of its own is that.
    own = {
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    } | {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    missing = []

    def look_up(node):
        """The object of a dotted name, or `None` if it is not ours."""
        if isinstance(node, ast.Name):
            return None if node.id in own else names.get(node.id)
        if not isinstance(node, ast.Attribute):
            return None
        holder = look_up(node.value)
        if holder is None or not hasattr(holder, "__name__"):
            return None
        if not hasattr(holder, node.attr):
            missing.append(ast.unparse(node))
        return getattr(holder, node.attr, None)

    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            look_up(node)
    assert not missing
