"""Tables of systems, weights, formats and skeletons, for the documentation.

All are written from the code, those of weights from their cards.

    python -m keras_skeleton.weights.tables README.md docs/*.md \
        keras_skeleton/applications/*.py

writes the tables in the given files anew. A table is known by its heading,
its first line.
"""

import pathlib
import sys

from keras_skeleton import applications
from keras_skeleton import skeletons
from keras_skeleton.applications import _catalogue
from keras_skeleton.datasets import formats
from keras_skeleton.weights import cards
from keras_skeleton.weights import published
from keras_skeleton.weights import registry

# Kinds of scores that tables have a column for.
_COLUMNS = ("linear", "1-nn", "finetuned", "supervised", "fused")


def weights_table(*systems):
    """Markdown table of the weights of some systems, one row for each.

    Weights of several streams that differ in nothing else share a row; where
    their scores differ, it has the lowest and the highest. The number in
    brackets leaves out test clips that are copies of training clips.

    Args:
        *systems: Names of systems.

    Returns:
        The lines of the table.
    """
    entries = [entry for system in systems for entry in _entries(system)]
    kinds = [kind for kind in _COLUMNS if any(e.score(kind) for e in entries)]
    heading = ["data", *(cards.KINDS[k] for k in kinds), "from"]
    rows = [
        [
            f"`{name}`",
            _data(entry),
            *(_cells(group, kind) for kind in kinds),
            "us" if entry.is_ours else "authors",
        ]
        for name, group in _grouped(entries)
        for entry in group[:1]
    ]
    if len(systems) == 1:
        return _lines([_title(*systems), *heading], rows)
    for row, (_, group) in zip(rows, _grouped(entries), strict=True):
        row.insert(0, _title(group[0].system))
    return _lines(["system", "`weights=`", *heading], rows)


def seeds_table(entry):
    """Markdown table of the scores of all trainings by one recipe.

    Args:
        entry: The `PretrainedWeights`.

    Returns:
        The lines of the table.
    """
    own = entry.training[-1]["seed"]
    seeds = sorted({s.seed for s in entry.scores if s.seed is not None} | {own})
    kinds = list(dict.fromkeys(score.kind for score in entry.scores))
    rows = [
        [
            cards.KINDS[kind],
            *(
                cell(entry, kind, None if seed == own else seed)
                or cell(entry, kind, seed)
                for seed in seeds
            ),
        ]
        for kind in kinds
    ]
    heading = [_title(entry.system), *(f"seed {seed}" for seed in seeds)]
    return _lines(heading, rows)


def cell(entry, kind, seed=None):
    """The score of a kind, and in brackets that without copies."""
    score = entry.score(kind, seed=seed)
    if score is None:
        return ""
    kept = entry.score(kind, without_duplicates=True, seed=seed)
    return str(score) if kept is None else f"{score} ({kept})"


def _cells(entries, kind):
    """The score of a kind that entries have, or the range of theirs."""
    scores = [entry.score(kind) for entry in entries]
    texts = {cell(entry, kind) for entry in entries}
    if len(texts) == 1 or not all(scores):
        return min(texts)
    low, high = (f(scores, key=lambda s: s.value) for f in (min, max))
    return f"{low}-{high}"


def systems_table():
    """Markdown table of all systems: where published, what they are.

    Returns:
        The lines of the table.
    """
    rows = [
        [_classes(system), _papers(entry), entry.summary]
        for system, entry in _catalogue.CATALOGUE.items()
    ]
    return _lines(["system", "paper", "what it is"], rows)


def choice_table():
    """Markdown table of what each system is good for.

    Returns:
        The lines of the table.
    """
    rows = []
    for system, entry in _catalogue.CATALOGUE.items():
        found = _entries(system)
        ours = sum(each.is_ours for each in found)
        counts = f"{len(found)}, {ours} packaged" if ours else str(len(found))
        rows.append([_title(system), entry.good_for, counts])
    return _lines(["system", "good for", "weights"], rows)


def formats_table():
    """Markdown table of what `keras-skeleton prepare` reads.

    Returns:
        The lines of the table.
    """
    rows = [
        [f"`{name}`", found.summary] for name, found in formats.FORMATS.items()
    ]
    return _lines(["FORMAT", "what SOURCE is"], rows)


def skeletons_table():
    """Markdown table of the registered joint layouts.

    Returns:
        The lines of the table.
    """
    names = {}
    for name in skeletons.names():
        # Those that come with the package are serialized as their name.
        if isinstance(skeletons.serialize(name), str):
            names.setdefault(skeletons.get(name), []).append(f"`{name}`")
    rows = [
        [", ".join(spellings), str(found.num_joints), found.joints[0]]
        for found, spellings in names.items()
    ]
    return _lines(["`skeleton=`", "joints", "the first"], rows)


def summary(entry):
    """One line of a list of weights.

    Args:
        entry: The `PretrainedWeights`.

    Returns:
        Tuple of texts: name with system, data, scores, whether the weights
        are there, and licence.
    """
    scores = [
        f"{cards.KINDS[kind]} {cell(entry, kind)}"
        for kind in _COLUMNS
        if entry.score(kind)
    ]
    state = entry.obtained
    if state == "by hand" and cards.installed_path(*_key(entry)).is_file():
        state = "installed"
    return (
        "/".join(_key(entry)),
        _data(entry),
        ", ".join(scores),
        state,
        entry.licence,
    )


def tables():
    """All tables of the documentation, as lists of lines."""
    systems = tuple(applications.SYSTEMS)
    return [
        systems_table(),
        choice_table(),
        formats_table(),
        skeletons_table(),
        weights_table(*systems),
        *(weights_table(system) for system in systems),
        seeds_table(registry.get("mamp", "nw_ucla")),
    ]


def rewrite(text):
    """Writes the known tables in a text anew.

    Args:
        text: Markdown, or Python with Markdown in its docstrings.

    Returns:
        Tuple of the text with its tables as they should be, and the number
        of tables that were found.
    """
    known = {table[0]: table for table in tables()}
    lines, count, is_old = [], 0, False
    for line in text.split("\n"):
        content = line.strip()
        if content in known:
            indent = line[: len(line) - len(line.lstrip())]
            lines += [f"{indent}{row}" for row in known[content]]
            count, is_old = count + 1, True
        elif not is_old or not content.startswith("|"):
            lines.append(line)
            is_old = False
    return "\n".join(lines), count


def _key(entry):
    return entry.system, entry.name


def _data(entry):
    if not entry.recipe:
        return "unknown"
    recipe = entry.recipe
    return published.data_name(recipe["data_set"], recipe["protocol"])


def _classes(system):
    return ", ".join(f"`{name}`" for name in applications.SYSTEMS[system])


def _papers(entry):
    return ", ".join(
        f"[{where}](https://arxiv.org/abs/{number})"
        for where, number in entry.papers
    )


def _title(system):
    return f"`{applications.SYSTEMS[system][0]}`"


def _entries(system):
    """Cards in the order that they are registered in, ours at the end."""
    entries = [registry.get(system, n) for n in registry.names(system=system)]
    official = [e.name for e in registry.official(system)]
    place = {name: i for i, name in enumerate(official)}
    return sorted(entries, key=lambda e: place.get(e.name, len(place)))


def _grouped(entries):
    """Pairs of a name, with `<stream>` in it for several, and their cards."""
    groups = {}
    for entry in entries:
        stream = entry.recipe.get("stream")
        name = entry.name
        if stream and name.endswith(f"_{stream}") and not entry.is_ours:
            name = f"{name.removesuffix(stream)}<stream>"
        groups.setdefault((entry.system, name), []).append(entry)
    return [
        (name if len(group) > 1 else group[0].name, group)
        for (_, name), group in groups.items()
    ]


def _lines(heading, rows):
    return [
        f"| {' | '.join(heading)} |",
        "|" + len(heading) * "---|",
        *(f"| {' | '.join(row)} |".replace("  ", " ") for row in rows),
    ]


def main(paths):
    """Writes the tables in files anew."""
    for path in map(pathlib.Path, paths):
        text, count = rewrite(path.read_text(encoding="utf-8"))
        path.write_text(text, encoding="utf-8")
        print(f"{path}: {count} tables")


if __name__ == "__main__":
    main(sys.argv[1:])
