"""CSV tables of joints, divided into clips."""

import csv
import io
import itertools
import math
import re
import typing

import numpy as np

from keras_skeleton.datasets import _coordinates
from keras_skeleton.datasets.files import parsing
from keras_skeleton.datasets.files import wide

COORDINATES = ("x", "y", "z", "score")
NEEDED = ("frame", "joint", "x", "y")
# Places in a clip for each line of its table.
MOST_EMPTY = 100


class Table(typing.NamedTuple):
    """The lines of a CSV table, by clips.

    Attributes:
        columns: dictionary from the names of columns to their places.
        clips: dictionary from the name of each clip, or `None`, to a list
            of pairs: the number of a line and its texts.
    """

    columns: dict
    clips: dict


def parse_csv(data, metadata=()):
    """Reads a CSV table.

    Args:
        data: bytes of the text.
        metadata: names of further columns that are needed.

    Returns:
        A `Table`.

    Raises:
        ValueError: if a column is missing or a line has another length.
    """
    rows = _open_rows(data)
    clips = {}
    try:
        header = _read_header(rows)
        columns = {name: place for place, name in enumerate(header)}
        check_columns(columns, metadata)
        for row in rows:
            if not any(row):
                continue
            if len(row) != len(header):
                raise ValueError(
                    f"line {rows.line_num} has {len(row)} values, the first "
                    f"line {len(header)}"
                )
            name = row[columns["clip"]] if "clip" in columns else None
            clips.setdefault(name, []).append((rows.line_num, row))
    except csv.Error as error:
        raise ValueError(f"line {rows.line_num}: {error}") from error
    if not clips:
        raise ValueError("it has no lines below the first")
    return Table(columns, clips)


def check_columns(columns, metadata=()):
    """Raises a `ValueError` that says which columns are lacking."""
    missing = [n for n in (*NEEDED, *metadata) if n not in columns]
    if missing:
        there = ", ".join(repr(name[:40]) for name in list(columns)[:8])
        raise ValueError(
            f"its first line names no column {missing[0]!r}; needed are "
            f"{', '.join(map(repr, (*NEEDED, *metadata)))}, there are {there}"
            f"{', ...' if len(columns) > 8 else ''}"
        )


def parse_header(data):
    """Returns the names of the columns of a CSV table."""
    try:
        return _read_header(_open_rows(data))
    except csv.Error as error:
        raise ValueError(f"line 1: {error}") from error


def labels_of(data):
    """Returns the labels in their column of a CSV table, if there is one."""
    rows = _open_rows(data)
    try:
        header = _read_header(rows)
        if "label" not in header:
            return set()
        place = header.index("label")
        return {wide.label_of(row[place]) for row in rows if place < len(row)}
    except csv.Error as error:
        raise ValueError(f"line {rows.line_num}: {error}") from error


def coordinates_of(columns):
    """Returns the coordinates among the names of columns, in order."""
    return tuple(name for name in COORDINATES if name in columns)


def _open_rows(data):
    text = parsing.decode(data)
    first = text.partition("\n")[0]
    # Where commas are decimal, semicolons divide.
    mark = max(",;\t", key=first.count)
    return csv.reader(
        io.StringIO(text, newline=""), delimiter=mark, strict=True
    )


def _read_header(rows):
    names = [name.strip().lower() for name in next(rows, [])]
    # A single letter may mean many another thing in a table.
    scores = [n for n in names if len(n) > 1 and _coordinates.is_score(n)]
    if len(scores) == 1 and "score" not in names:
        names[names.index(scores[0])] = "score"
    seen = set()
    for name in filter(None, names):
        if name in seen:
            raise ValueError(
                f"its first line names the column {name[:40]!r} twice"
            )
        seen.add(name)
    return names


def arrange(rows, columns, skeleton):
    """Lays the lines of a clip out over persons, frames and joints.

    Args:
        rows: list of pairs, see `Table`.
        columns: See `Table`.
        skeleton: A `Skeleton`.

    Returns:
        float32 array `(M, T, V, C)`.

    Raises:
        ValueError: if a line holds no number or joint, or repeats one, or
            if the array would be mostly empty.
    """
    numbers = _numbers(rows, columns, "frame")
    ordered = sorted(set(numbers))
    times = dict(zip(ordered, parsing.frame_places(ordered), strict=True))
    used = coordinates_of(columns)
    values = [_numbers(rows, columns, name, True) for name in used]
    values = parsing.to_float32(values).T
    # A line of neither joint nor numbers is a frame that shows nobody.
    shown = ~np.isnan(values).all(-1) | [
        row[columns["joint"]].strip() != "" for _, row in rows
    ]
    if not shown.any():
        raise ValueError(f"its {len(times)} frames show nobody")
    persons = {}
    if "person" in columns:
        for _, row in itertools.compress(rows, shown):
            persons.setdefault(row[columns["person"]], len(persons))
    joints = {str(index): index for index in range(skeleton.num_joints)}
    joints |= {_word(name): i for i, name in enumerate(skeleton.joints)}
    joints |= {name: index for index, name in enumerate(skeleton.joints)}
    num_frames = max(times.values()) + 1
    shape = (max(len(persons), 1), num_frames, skeleton.num_joints)
    if math.prod(shape) > MOST_EMPTY * len(rows):
        raise ValueError(
            f"its {len(rows)} lines leave most of {shape[0]} persons, "
            f"{shape[1]} frames and {shape[2]} joints empty"
        )
    places = {}
    for (line, row), number in itertools.compress(
        zip(rows, numbers, strict=True), shown
    ):
        word = wide.plain(row[columns["joint"]])
        joint = joints.get(word, joints.get(_word(word)))
        if joint is None:
            raise ValueError(
                f"line {line}: the skeleton {skeleton.name!r} has no joint "
                f"{word[:40]!r}; numbers of joints go from 0 to "
                f"{skeleton.num_joints - 1}"
            )
        person = persons[row[columns["person"]]] if persons else 0
        place = (person, times[number], joint)
        if places.setdefault(place, line) != line:
            raise ValueError(
                f"line {line} describes the same joint as line {places[place]}"
            )
    clip = np.zeros((*shape, len(used)), "float32")
    clip[tuple(np.array(list(places)).T)] = values[shown]
    return clip


def _word(joint):
    return re.sub(r"[\s_-]+", "_", joint.strip().lower())


def only_value(rows, columns, name, read=wide.plain):
    """The text that a column has in all lines of a clip."""
    values = {read(row[columns[name]]) for _, row in rows}
    if len(values) > 1:
        first, second = sorted(values)[:2]
        raise ValueError(
            f"its lines differ in the column {name!r}: {first[:40]!r} and "
            f"{second[:40]!r}"
        )
    return values.pop()


def _numbers(rows, columns, name, may_lack=False):
    """The numbers of a column, NaN where there is none and may be none."""
    numbers = []
    for line, row in rows:
        cell = row[columns[name]].strip()
        if may_lack and cell.lower() in wide.EMPTY:
            numbers.append(math.nan)
            continue
        try:
            number = float(cell.replace(",", "."))
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise ValueError(
                f"line {line}: {cell[:40]!r} in the column {name!r} is not a "
                "number"
            )
        numbers.append(number)
    return numbers
