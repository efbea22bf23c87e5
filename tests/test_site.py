"""What the documentation says is there, and what it shows runs.

The site itself is built by `.ci/run`, which checks links and anchors.
"""

import ast
import functools
import importlib.util
import pathlib
import re
import runpy

import keras
import pytest

import keras_skeleton

pytestmark = pytest.mark.once

ROOT = pathlib.Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([ROOT / "README.md", *DOCS.glob("*.md")])
BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
# What makes the examples of a page small, and must stand there.
SMALLER = {
    "start.md": {
        "num_clips=600": "num_clips=24",
        "epochs=20": "epochs=1",
        "CropResize(32,": "CropResize(8,",
        "(1, 32, 20, 3)": "(1, 8, 20, 3)",
    },
    "own_data.md": {},
}


def blocks(page):
    """The Python code of a page."""
    return BLOCK.findall(page.read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", SMALLER)
def test_examples_run(page, tmp_path, monkeypatch, capsys):
    keras.utils.set_random_seed(0)
    code = "\n".join(blocks(DOCS / page))
    for text, smaller in SMALLER[page].items():
        assert text in code
        code = code.replace(text, smaller)
    monkeypatch.chdir(tmp_path)
    exec(compile(code, page, "exec"), {})
    if page == "start.md":
        written = {path.name for path in tmp_path.iterdir()}
        assert {"clip.html", "model.keras"} <= written
        assert "clip.html" in capsys.readouterr().out


def resolve(name):
    """The object of a dotted name below `keras_skeleton`."""
    return functools.reduce(getattr, name.split("."), keras_skeleton)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_names_exist(page):
    for code in blocks(page):
        ast.parse(code)
        for module, names in re.findall(
            r"^from keras_skeleton\.?([\w.]*) import (.+)$", code, re.MULTILINE
        ):
            for name in names.split(", "):
                assert resolve(f"{module}.{name}".strip("."))
    text = page.read_text(encoding="utf-8")
    for name in re.findall(r"\bks\.((?:\w+\.)*\w+)", text):
        assert resolve(name), name
    # Files of the repository that are named; the site has guides as pages.
    for path in re.findall(
        r"\b((?:benchmarks|guides|docs|tests|keras_skeleton)/[\w/]+\.\w+)",
        text,
    ):
        path = re.sub(r"^(guides/\w+)\.md$", r"\1.py", path)
        assert (ROOT / path).is_file(), path


def test_links_of_the_readme():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)#]+)", text)
    local = [each for each in targets if not each.startswith("https://")]
    assert len(local) > 10
    for target in local:
        assert (ROOT / target).exists(), target


needs_mkdocs = pytest.mark.skipif(
    not importlib.util.find_spec("mkdocstrings_handlers"),
    reason="the extra `docs` is not installed",
)


@needs_mkdocs
def test_every_public_name_has_a_place(monkeypatch):
    monkeypatch.syspath_prepend(DOCS / "tools")
    hooks = runpy.run_path(str(DOCS / "tools" / "hooks.py"))
    pages, _ = hooks["interface"]()
    text = "\n".join(pages.values())
    documented = set(re.findall(r"^::: (\S+)$", text, re.MULTILINE))
    for room in hooks["rooms"]():
        module = resolve(room.partition(".")[2])
        places = hooks["public_names"](room)
        assert set(places) == set(module.__all__), room
        for name, place in places.items():
            assert {f"{room}.{name}", place} & documented, (room, name)


@needs_mkdocs
def test_docstrings_as_markdown():
    tools = runpy.run_path(str(DOCS / "tools" / "docstrings.py"))
    text = """Does something.

    Args:
        x: A number.

    Call arguments:
        clips: Array
            `(N, C)`.

    Input shape: `(N, C)`.

    Example:

    >>> f(1)
    2

    Reference: A paper.""".replace("\n    ", "\n")
    assert tools["as_markdown"](text).split("\n") == [
        *("Does something.", "", "Args:", "    x: A number.", ""),
        *("**Call arguments**", "", "- `clips`: Array", "        `(N, C)`."),
        *("", "**Input shape**", "", "`(N, C)`.", "", "**Example**", "", ""),
        *("", "```pycon", ">>> f(1)", "2", "```", "", "**Reference**", ""),
        "A paper.",
    ]
