"""Tables of the documentation agree with the cards."""

import inspect
import pathlib

import pytest

from keras_skeleton import applications
from keras_skeleton import weights
from keras_skeleton.applications import _catalogue
from keras_skeleton.weights import tables

pytestmark = pytest.mark.once

ROOT = pathlib.Path(tables.__file__).parents[2]
PAGES = {"README.md": 1, "docs/systems.md": 2, "docs/weights.md": 2}
PAGES["docs/data.md"] = 2
# PSUMNet has one official network of three, and no table; nor have systems
# without weights.
TABLES = {
    system: system != "psumnet" and bool(weights.names(system=system))
    for system in applications.SYSTEMS
}
FILES = [(ROOT / page, count) for page, count in PAGES.items()] + [
    (
        inspect.getsourcefile(
            getattr(applications, applications.SYSTEMS[system][0])
        ),
        count,
    )
    for system, count in TABLES.items()
]


@pytest.mark.parametrize(("path", "count"), FILES)
def test_tables_are_those_of_the_cards(path, count):
    path = pathlib.Path(path)
    if not path.exists():
        pytest.skip("the documentation is not there")
    text = path.read_text(encoding="utf-8")
    written, found = tables.rewrite(text)
    assert found == count, f"tables in {path.name} by their headings"
    assert written == text, (
        "Write the tables anew: python -m keras_skeleton.weights.tables "
        "README.md docs/*.md keras_skeleton/applications/*.py"
    )


def test_a_table_that_is_out_of_date_is_written_anew():
    table = tables.weights_table("mamp")
    heading, line, first, *rest = table
    old = [heading, line, first.replace("85.0", "86.0"), "| an | old row |"]
    text = "\n".join(f"    {row}" for row in old)
    text = f"Before.\n\n{text}\n\n    | another | table |\n"
    written, count = tables.rewrite(text)
    assert count == 1
    expected = "\n".join(f"    {row}" for row in table)
    assert written == f"Before.\n\n{expected}\n\n    | another | table |\n"
    assert tables.rewrite(written)[0] == written


def test_files_are_written(tmp_path, capsys):
    path = tmp_path / "a.md"
    path.write_text(tables.weights_table("ctrgcn")[0] + "\n")
    tables.main([path])
    expected = "\n".join(tables.weights_table("ctrgcn"))
    assert path.read_text() == f"{expected}\n"
    assert "a.md: 1 tables" in capsys.readouterr().out


def test_every_system_has_a_row():
    """Add what is missing to `applications/_catalogue.py`."""
    assert set(_catalogue.CATALOGUE) == set(applications.SYSTEMS)
    rows = tables.systems_table()[2:], tables.choice_table()[2:]
    assert [len(each) for each in rows] == 2 * [len(applications.SYSTEMS)]


def test_rows():
    row = "| `CTRGCN` | a first model where there are labels | 24, 4 packaged |"
    assert row in tables.choice_table()
    table = tables.weights_table("mamp")
    assert "| `ntu60` | NTU-60 X-sub | 85.0 | | 93.0 | authors |" in table
    row = "| `nw_ucla` | NW-UCLA X-view | | | 90.9 (89.7) | us |"
    assert row in table
    table = tables.weights_table("ctrgcn", "hypergcn")
    row = (
        "| `CTRGCN` | `ntu60_xsub_<stream>` | NTU-60 X-sub | | 92.4 | authors |"
    )
    assert row in table
    assert len(table) == len(set(table)) == 22
