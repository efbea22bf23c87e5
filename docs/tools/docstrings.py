"""Makes the package's docstrings known to griffe, which reads sources alone.

What it lacks: where names live that load lazily, the two functions that every
module of a system is given, and the headings of docstrings that are no
sections of Google's style (`Example:`, `Reference:`).
"""

import ast
import pathlib
import re
import sys

import griffe

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from keras_skeleton import _lazy  # noqa: E402
from keras_skeleton import applications  # noqa: E402

CONVENTIONS = ROOT / "keras_skeleton" / "applications" / "_conventions.py"
# What Keras asks every layer, model and loss to define.
HOOKS = ("build", "call", "compute_output_shape", "get_config", "from_config")
SECTION = re.compile(
    r"^(Examples?|References?|Input shape|Output shape|Input and output shape"
    r"|Call arguments|Protocols?|Layouts):[ ]*(.*)$"
)
# Sections that griffe knows itself; a heading of ours ends before them.
KNOWN = re.compile(r"^(Args|Attributes|Raises|Returns|Yields):$")
ARGUMENT = re.compile(r"^    (\*{0,2}\w+(?:, \*{0,2}\w+)*): ?(.*)$")


def as_markdown(text):
    """A docstring whose further headings and examples are Markdown."""
    lines, is_inside = [], False
    for line in text.split("\n"):
        heading = SECTION.match(line)
        if heading:
            name, rest = heading.groups()
            lines += [f"**{name}**", "", rest] if rest else [f"**{name}**", ""]
            is_inside = not rest
        elif is_inside and line and not line.startswith(" "):
            is_inside = False
            lines.append(line)
        elif is_inside:
            argument = ARGUMENT.match(line)
            if argument:
                names = ", ".join(
                    f"`{name}`" for name in argument[1].split(", ")
                )
                lines.append(f"- {names}: {argument[2]}".rstrip())
            else:
                lines.append(line)
        else:
            lines.append(line)
    return "\n".join(_fenced(lines))


def _fenced(lines):
    """Fences around what a Python prompt shows."""
    is_open = is_fenced = False
    for line in lines:
        if line.lstrip().startswith("```"):
            is_fenced = not is_fenced
        elif not is_fenced and line.lstrip().startswith(">>>") and not is_open:
            is_open = True
            yield from ("", "```pycon")
        elif is_open and not line.strip():
            is_open = False
            yield "```"
        yield line
    if is_open:
        yield "```"


def given_functions():
    """`preprocess_input` and `decode_predictions`, which are made by a call."""
    source = CONVENTIONS.read_text(encoding="utf-8")
    maker = next(
        node
        for node in ast.parse(source).body
        if isinstance(node, ast.FunctionDef) and node.name == "conventions"
    )
    code = "\n\n".join(
        ast.unparse(node)
        for node in maker.body
        if isinstance(node, ast.FunctionDef)
    )
    return griffe.visit("conventions", CONVENTIONS, code).functions


class Docstrings(griffe.Extension):
    """Reads the package's docstrings as they are meant."""

    def on_package(self, *, pkg, **kwargs):
        if pkg.name != "keras_skeleton":
            return
        for package, names in _lazy.PLACES.items():
            found = pkg[package.partition(".")[2]] if "." in package else pkg
            for name, place in names.items():
                if name not in found.members:
                    found.set_member(name, griffe.Alias(name, place))
        for system in applications.SYSTEMS:
            module = pkg[f"applications.{system}"]
            for name, function in given_functions().items():
                if name in module.members:
                    module.set_member(name, function)
        self._rewrite(pkg)

    def _rewrite(self, thing):
        if thing.docstring is not None:
            thing.docstring.value = as_markdown(thing.docstring.value)
        for name, member in list(thing.members.items()):
            if member.is_alias:
                continue
            if thing.is_class and name in HOOKS:
                thing.del_member(name)
            elif name == "__init__":
                # Whatever it says, the class says it.
                member.docstring = None
            else:
                self._rewrite(member)
