"""Results side by side: one row for each system."""

import json
import pathlib
import typing

from keras_skeleton._types import PathLike
from keras_skeleton.evaluation import result as results


class Comparison:
    """A table of several results: systems in rows, protocols in columns.

    The number in brackets leaves out test clips that are exact copies of
    training clips, where there are some. Of several results of one system
    for the same heading, the last one is shown.

    Args:
        found: List of `Result`. `Result.named` gives them the names by which
            rows are told apart.

    Example:

    ```python
    table = Comparison()
    for name, encoder in encoders.items():
        for protocol in (linear_probe, nearest_neighbors):
            result = protocol(encoder, train, test)
            table.add(result.named(system=name))
    print(table)
    table.save("encoders.json")
    ```
    """

    def __init__(self, found=()):
        self.results = list(found)

    def add(self, result: results.Result) -> None:
        """Adds a `Result`."""
        self.results.append(result)

    @property
    def table(self) -> dict:
        """Dict of rows, dicts by heading of pairs as of `Result.columns`."""
        several = len({result.data for result in self.results}) > 1
        rows = {}
        for result in self.results:
            name = result.system
            if several and result.data:
                name = f"{name} on {result.data}".strip()
            rows.setdefault(name, {}).update(result.columns)
        return rows

    def _cells(self):
        rows = self.table
        columns = dict.fromkeys(key for row in rows.values() for key in row)
        yield ("", *columns)
        for name, row in rows.items():
            yield name, *(_cell(*row.get(key, (None, None))) for key in columns)

    def __str__(self):
        return "\n".join(results.lines(list(self._cells())))

    def to_markdown(self) -> str:
        """The table in Markdown."""
        heading, *rows = self._cells()
        rows = [heading, ["---"] * len(heading), *rows]
        return "\n".join(f"| {' | '.join(row)} |" for row in rows)

    def to_dict(self) -> dict:
        """All results as plain data, which JSON can hold."""
        return {"results": [result.to_dict() for result in self.results]}

    def save(self, path: PathLike) -> None:
        """Writes all results as JSON, or the table where `path` ends in .md."""
        if pathlib.Path(path).suffix == ".md":
            text = self.to_markdown() + "\n"
            results.write_whole(path, lambda p: p.write_text(text, "utf-8"))
        else:
            results.write_json(path, self.to_dict())

    @classmethod
    def load(cls, path: PathLike) -> typing.Self:
        """Reads what `save` wrote as JSON."""
        content = json.loads(pathlib.Path(path).read_text("utf-8"))
        return cls(map(results.Result.from_dict, content["results"]))


def _cell(score, kept):
    if score is None:
        return ""
    text = f"{score.value:.1f}"
    if score.deviation is not None:
        text = f"{text} ± {score.deviation:.1f}"
    return text if kept is None else f"{text} ({kept.value:.1f})"
