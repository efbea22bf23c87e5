"""Pages that the site makes of the package: its interface and its guides.

Hooks of MkDocs. Nothing of the package is run but the lists of its names.
"""

import ast
import functools
import importlib
import os
import pathlib
import re
import sys

from mkdocs.structure.files import File

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(ROOT / "docs" / "tools"))

import gallery  # noqa: E402

from keras_skeleton import _lazy  # noqa: E402

PACKAGE = "keras_skeleton"
GUIDES = ROOT / "guides"
# A name in a text, a row of a table, and what is left as it is: blocks of
# code, and what is linked already.
CODE = re.compile(r"`ks\.([\w.]*\w)[^`]*`")
ROW = re.compile(r"^\|.*$", re.MULTILINE)
TAKEN = re.compile(r"(^```.*?^```|\[[^\]]*\][\[(])", re.MULTILINE | re.DOTALL)


def public_names(package):
    """Where the public names of a package are defined, by name.

    Args:
        package: Full name of the package.

    Returns:
        Dict from the name to the full name of what it stands for.
    """
    path = ROOT.joinpath(*package.split("."))
    tree = ast.parse((path / "__init__.py").read_text(encoding="utf-8"))
    names, places = [], {}
    for node in tree.body:
        if isinstance(node, ast.ImportFrom):
            for each in node.names:
                place = f"{node.module}.{each.name}"
                places[each.asname or each.name] = place
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.List):
            if node.targets[0].id == "__all__":
                names = ast.literal_eval(node.value)
    if names:
        return {name: places[name] for name in names}
    importlib.import_module(package)
    return _lazy.PLACES.get(package, {})


@functools.cache
def rooms():
    """Full names of the packages that are documented, those inside last."""
    found = []
    for name in sorted(_lazy.PLACES[PACKAGE]):
        room = f"{PACKAGE}.{name}"
        found.append(room)
        folder = ROOT.joinpath(*room.split("."))
        for path in sorted(folder.glob("[a-z]*/__init__.py")):
            inner = f"{room}.{path.parent.name}"
            # One whose names the room itself offers has no pages of its own.
            if public_names(inner).keys() - public_names(room).keys():
                found.append(inner)
    return found


def first_line(path):
    """What the docstring of a module begins with."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    return text.partition("\n\n")[0].replace("\n", " ")


def source_of(name):
    """The file of a module or package, or None for what is inside of one."""
    path = ROOT.joinpath(*name.split("."))
    for each in (path / "__init__.py", path.with_suffix(".py")):
        if each.is_file():
            return each
    return None


def pages_of(room):
    """Pages of a room: dict from a part's name to what it documents."""
    parts = {}
    for name, place in sorted(public_names(room).items()):
        if f"{room}.{name}" in rooms():
            continue
        is_module = source_of(place) is not None
        module = place if is_module else place.rpartition(".")[0]
        part = module.removeprefix(f"{room}.").lstrip("_")
        parts.setdefault(part.removeprefix("readers."), []).append(
            identifiers()[f"{room}.{name}"]
        )
    return parts


@functools.cache
def identifiers():
    """Under which name the site has each public name, room and module."""
    found = {room: room for room in rooms()}
    for room in rooms():
        for name, place in public_names(room).items():
            full = f"{room}.{name}"
            # A module's own place, also where a function inside is hidden
            # behind a module of its name.
            is_module = source_of(place) or source_of(full)
            found[full] = place if is_module else full
    return found


def linked(markdown):
    """Text in which names such as `ks.losses` lead to their pages."""
    known = identifiers()

    def link(match, is_short=False):
        room, _, last = match[1].rpartition(".")
        name = f"{PACKAGE}.{match[1]}"
        while name not in known and name != PACKAGE:
            name = name.rpartition(".")[0]
        if name not in known or (is_short and not room):
            return match[0]
        return f"[{f'`{last}`' if is_short else match[0]}][{known[name]}]"

    def row(match):
        # Columns are narrow: the last part of a name must do.
        return CODE.sub(functools.partial(link, is_short=True), match[0])

    parts = TAKEN.split(markdown)
    for index in range(0, len(parts), 2):
        parts[index] = CODE.sub(link, ROW.sub(row, parts[index]))
    return "".join(parts)


def interface():
    """Pages of the interface, by path, and their place in the navigation."""
    pages, nav, index = {}, [], ["# API", ""]
    index += ["Every public name of `keras_skeleton`; what the terminal offers"]
    index += ["stands under [commands](commands.md)."]
    index += ["", "| room | what is in it |", "|---|---|"]
    for room in rooms():
        short = room.partition(".")[2]
        folder = f"api/{short.replace('.', '_')}"
        summary = first_line(source_of(room))
        index.append(f"| [`{short}`]({folder[4:]}/index.md) | {summary} |")
        entries, lines = [f"{folder}/index.md"], []
        for part, objects in sorted(pages_of(room).items()):
            path = f"{folder}/{part.replace('.', '_')}.md"
            entries.append({part: path})
            pages[path] = part_page(short, part, objects)
            links = ", ".join(
                f"[`{x.rpartition('.')[2]}`][{x}]" for x in objects
            )
            lines.append(f"| [{part}]({path.rpartition('/')[2]}) | {links} |")
        text = [f"# {short}", "", f"::: {room}", "    options:"]
        text += ["      members: false", "      show_root_heading: false", ""]
        text += ["| page | names |", "|---|---|", *lines, ""]
        pages[f"{folder}/index.md"] = "\n".join(text)
        nav.append({short: entries})
    pages["api/index.md"] = "\n".join(index) + "\n"
    return pages, ["api/index.md", *nav]


def part_page(room, part, objects):
    """The page about some objects, or about modules as a whole."""
    text = [f"# {room}: {part}", ""]
    # What a system's module offers beside its classes, once, behind them.
    modules = [each for each in objects if source_of(each)]
    inside = {x for x in objects if x not in modules}
    for name in sorted(inside):
        text += [f"::: {name}", ""]
    for module in modules:
        text += [f"::: {module}"]
        if inside:
            hidden = [f'"!^{each.rpartition(".")[2]}$"' for each in inside]
            text += ["    options:"]
            text += [f'      filters: ["!^_", {", ".join(sorted(hidden))}]']
        text += [""]
    return "\n".join(text)


def commands_page():
    """What each command says of itself."""
    from keras_skeleton import cli

    os.environ["COLUMNS"] = "76"
    parser = cli._parser()
    found = next(
        action.choices
        for action in parser._actions
        if isinstance(action.choices, dict)
    )
    text = ["# Commands", "", "`python -m keras_skeleton` is the same as"]
    text += ["`keras-skeleton`, which installing the package brings.", ""]
    for name, each in {"keras-skeleton": parser, **found}.items():
        text += [f"## {name}", "", "```text", each.format_help(), "```", ""]
    return "\n".join(text)


def guide_page(path):
    """A guide as a page: its texts, and its code in between."""
    title, parts = None, []
    cells = re.split(r"^# %%.*\n", path.read_text("utf-8"), flags=re.M)
    for cell in filter(str.strip, cells):
        cell = cell.strip()
        if cell.startswith('"""'):
            parts.append(cell.strip('"').strip())
            title = title or parts[0].partition("\n")[0].lstrip("# ")
        else:
            parts.append(f"```python\n{cell}\n```")
    parts.append(gallery.shown(path.stem, ".."))
    return "\n\n".join(filter(None, parts)) + "\n", title


def on_config(config):
    """Puts generated pages into the navigation."""
    pages, nav = interface()
    pages["api/commands.md"] = commands_page()
    nav.insert(1, "api/commands.md")
    guides = []
    for path in sorted(GUIDES.glob("*.py")):
        name = f"guides/{path.stem}.md"
        pages[name], _ = guide_page(path)
        guides.append(name)
    for entry in config.nav:
        if entry.get("API") == "api":
            entry["API"] = nav
        elif entry.get("Guides") == "guides":
            entry["Guides"] = guides
    config.extra["generated"] = pages
    return config


def on_files(files, config):
    """Adds generated pages and pictures."""
    for name, text in config.extra["generated"].items():
        files.append(File.generated(config, name, content=text))
    for name, path in gallery.pictures().items():
        file = File.generated(config, name, abs_src_path=os.fspath(path))
        files.append(file)
    return files


def on_page_markdown(markdown, page, config, files):
    """Fills the gallery, and links names to the interface."""
    if page.file.src_uri == "gallery.md":
        markdown = markdown.replace("<!-- pictures -->", gallery.listing())
    if page.file.src_uri.startswith("api/"):
        return markdown
    return linked(markdown)


def on_page_content(html, page, config, files):
    """Mends what the templates make of the pages."""
    # What is returned has no name, before which a dash would stand.
    html = re.sub(
        r'(<li class="doc-section-item field-body">)\s*–', r"\1", html
    )
    # Pictures that fill the width open by themselves, to look closer.
    return re.sub(
        r'<p>(<img [^>]*src="([^"]+)"[^>]*>)</p>',
        r'<p><a href="\2">\1</a></p>',
        html,
    )
