"""CSV tables with a line for each person in a frame, all joints in it.

Programs and tutorials order the columns as they like, with a header or
without. Columns are found by their names; where these tell nothing, by their
number.
"""

import csv
import io
import math
import re
import typing

import numpy as np

from keras_skeleton.datasets.files import parsing

MARKS = (",", ";", "\t", "|", " ")
# Cells that stand for nothing found.
EMPTY = {"", "nan", "na", "n/a", "none", "null", "-nan", "<na>"}
FRAME = (
    *("frame", "frame_id", "frame_idx", "frame_index", "frame_no", "frames"),
    *("frame_number", "frame_num", "image", "image_id", "timestamp", "time"),
    *("time_ms", "timestamp_ms", "t", "ms"),
)
PERSON = ("person", "person_id", "personid", "track_id", "pose_id", "person_no")
LABEL = ("label", "class", "action", "category", "target", "pose", "gesture")
CLIP = (
    *("clip", "clip_id", "video", "video_id", "video_name", "sequence"),
    *("sequence_id", "seq", "seq_id", "file", "filename", "file_name", "name"),
    *("sample", "sample_id"),
)
AXES = {
    **dict.fromkeys(("x", "posx", "position_x"), 0),
    **dict.fromkeys(("y", "posy"), 1),
    **dict.fromkeys(("z", "posz"), 2),
    **dict.fromkeys(
        ("v", "vis", "visibility", "score", "conf", "confidence", "c"), 3
    ),
}
# Whole numbers as tables write them where some cells of a column are empty.
WHOLE = re.compile(r"(-?\d{1,18})\.0+", re.ASCII)
DIGITS = re.compile(r"(\d{1,18})", re.ASCII)
WORDS = re.compile(r"[A-Za-z]+|\d+")
LONGEST_LINE = 1 << 20
LARGEST_JOINT = 1000


class Table(typing.NamedTuple):
    """What a table holds, a row for each line.

    Attributes:
        frames: list of numbers, or for names of frames of tuples that order
            them by the numbers in them; `None` without such a column.
        persons: list of texts, or `None` without such a column.
        labels: list of texts, empty for an unknown one, or `None` without
            such a column.
        clips: list of texts, or `None` without such a column.
        values: float32 array `(lines, V, 4)`: x, y, z and visibility, NaN in
            empty cells; the visibility is 1 where there is no column for it.
        lines: list of the numbers of the lines in the file.
    """

    frames: list | None
    persons: list | None
    labels: list | None
    clips: list | None
    values: np.ndarray
    lines: list


def parse(data, joints, hint=""):
    """Reads a table.

    Args:
        data: bytes of the text.
        joints: list of the names of the joints.
        hint: string, where else to go, for messages.

    Returns:
        A `Table`.

    Raises:
        ValueError: if the columns that are needed are not there, or a line
            holds something else than numbers in them.
    """
    mark, rows = _split(data)
    if not rows:
        raise ValueError("it has no line with columns of numbers")
    width = len(rows[0][1])
    header = None
    if _is_header(rows[0][1], mark):
        header = [cell.strip().lower() for cell in rows[0][1]]
        rows = rows[1:]
        if not rows:
            raise ValueError("it has no line below the names of its columns")
        width = _data_width(header, rows, width)
    for line, row in rows:
        if len(row) != width:
            raise ValueError(
                f"line {line} has {len(row)} columns, others have {width}"
            )
    found = _find_columns(header, rows[0][1], joints, mark, hint)
    values = np.array(
        [
            [_number(row[c], line, c, header, mark) for c in found["values"]]
            for line, row in rows
        ]
    )
    values = values.reshape(len(rows), len(joints), -1)
    values = parsing.to_float32(values)
    if values.shape[-1] == 3:
        seen = np.where(np.isnan(values).any(-1), np.nan, 1)
        values = np.concatenate([values, seen[..., None]], -1)
    return Table(
        _column(rows, found["frame"], _frame),
        _column(rows, found["person"], str.strip),
        _column(rows, found["label"], label_of),
        _column(rows, found["clip"], str.strip),
        values.astype("float32"),
        [line for line, _ in rows],
    )


def labels_of(data):
    """The set of texts in the column of labels of a table.

    Empty where there is no such column, or the table cannot be read.
    """
    try:
        mark, rows = _split(data)
    except (ValueError, csv.Error):
        return set()
    if not rows:
        return set()
    column = None
    if _is_header(rows[0][1], mark):
        header = [cell.strip().lower() for cell in rows[0][1]]
        column = next((header.index(n) for n in LABEL if n in header), None)
        rows = rows[1:]
    else:
        texts = _texts(rows[0][1], mark)
        column = texts[-1] if texts else None
    if column is None:
        return set()
    return {label_of(row[column]) for _, row in rows if column < len(row)}


def plain(cell):
    """A cell without spaces around it, and 1.0 as 1."""
    cell = cell.strip()
    match = WHOLE.fullmatch(cell)
    return match[1] if match else cell


def label_of(cell):
    """The label in a cell, empty where the cell says that there is none."""
    cell = plain(cell)
    return "" if cell.lower() in EMPTY else cell


def _split(data):
    """The mark between columns, and pairs of line number and cells."""
    text = parsing.decode(data)
    if "\0" in text:
        raise ValueError("it is not a text of columns")
    first = next((line for line in text.splitlines() if line.strip()), "")
    if len(first) > LONGEST_LINE:
        raise ValueError("its first line is too long for columns of numbers")
    counts = {mark: first.count(mark) for mark in MARKS}
    # Names of columns may have spaces.
    counts[" "] *= not any(counts[mark] > 1 for mark in MARKS[:-1])
    # With decimal commas, semicolons divide.
    mark = ";" if counts[";"] > 1 else max(MARKS, key=counts.get)
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=mark, skipinitialspace=True
    )
    try:
        rows = [(reader.line_num, row) for row in reader]
    except csv.Error as error:
        raise ValueError(f"line {reader.line_num}: {error}") from error
    if mark == " ":
        rows = [(line, [c for c in row if c]) for line, row in rows]
    return mark, [(line, row) for line, row in rows if any(map(str.strip, row))]


def _data_width(header, rows, width):
    """The columns of lines, of which the first may have no name."""
    first = len(rows[0][1])
    if first == width + 1 and not header[-1:] == [""]:
        # As pandas writes an index in some forms.
        header.insert(0, "")
        return first
    if first != width and len({len(row) for _, row in rows}) == 1:
        raise ValueError(
            f"its first line names {width} columns, the others have {first}"
        )
    return width


def _is_header(row, mark):
    """Whether a line names columns: no number is in most of its cells."""
    numbers = sum(_is_number(cell, mark) for cell in row)
    texts = sum(cell.strip().lower() not in EMPTY for cell in row) - numbers
    return texts > numbers


def _is_number(cell, mark):
    try:
        float(_plain(cell, mark))
    except ValueError:
        return False
    return cell.strip().lower() not in EMPTY


def _plain(cell, mark):
    cell = cell.strip()
    if len(cell) > 40 or "_" in cell or not cell.isascii():
        return "text"
    return cell.replace(",", ".") if mark != "," else cell


def _number(cell, line, column, header, mark):
    if cell.strip().lower() in EMPTY:
        return math.nan
    try:
        return float(_plain(cell, mark))
    except ValueError:
        name = header[column] if header else f"number {column + 1}"
        raise ValueError(
            f"line {line}: {cell[:40]!r} in the column {name!r} is not a number"
        ) from None


def _column(rows, place, read):
    return None if place is None else [read(row[place]) for _, row in rows]


def _frame(cell):
    """A number, or for a name such as `frame_12.jpg` what orders it."""
    try:
        number = float(cell.strip().replace(",", "."))
    except ValueError:
        number = math.nan
    if math.isfinite(number):
        return number
    order = DIGITS.split(cell.strip())
    order[1::2] = map(int, order[1::2])
    return tuple(order)


def _find_columns(header, row, joints, mark, hint):
    """Places of the columns of frame, person, label, clip and values."""
    found = dict.fromkeys(("frame", "person", "label", "clip"))
    if header is None:
        return {**found, **_by_number(row, len(joints), mark, hint)}
    for kind, names in (
        ("frame", FRAME),
        ("person", PERSON),
        ("label", LABEL),
        ("clip", CLIP),
    ):
        for name in names:
            if name in header and found[kind] is None:
                found[kind] = header.index(name)
    special = set(found.values()) - {None}
    others = [
        (place, name)
        for place, name in enumerate(header)
        if place not in special
    ]
    found["values"] = _by_name(others, joints)
    if found["values"] is None:
        places = [p for p, n in others if n or _is_number(row[p], mark)]
        if len(places) not in (3 * len(joints), 4 * len(joints)):
            raise ValueError(_lacking(header, others, joints, hint))
        found["values"] = places
    return found


def _by_name(columns, joints):
    """The places of x, y, z, visibility of each joint, or `None`."""
    found = {}
    for place, name in columns:
        key = _joint_and_axis(name, joints)
        if key is not None and found.setdefault(key, place) != place:
            return None
    numbers = {joint for joint, _ in found if isinstance(joint, int)}
    names = [joint.lower() for joint in joints]
    if set(names) <= {joint for joint, _ in found}:
        order = names
    elif numbers >= set(range(len(joints))) and len(joints) not in numbers:
        order = range(len(joints))
    elif numbers >= set(range(1, len(joints) + 1)) and 0 not in numbers:
        order = range(1, len(joints) + 1)
    else:
        return None
    for axes in ((0, 1, 2, 3), (0, 1, 2)):
        if all((joint, axis) in found for joint in order for axis in axes):
            return [found[joint, axis] for joint in order for axis in axes]
    return None


def _joint_and_axis(name, joints):
    words = WORDS.findall(name.lower())
    if not words:
        return None
    for index in (-1, 0):
        axis = AXES.get(words[index])
        rest = words[:-1] if index else words[1:]
        if axis is None or not rest:
            continue
        text = "_".join(rest)
        for joint in joints:
            if text == joint.lower() or text.endswith(f"_{joint.lower()}"):
                if text == joint.lower() or rest[0] in ("landmark", "pose"):
                    return joint.lower(), axis
        numbers = [word for word in rest if word.isdigit()]
        if len(numbers) == 1 and int(numbers[0]) < LARGEST_JOINT:
            return int(numbers[0]), axis
    return None


def _by_number(row, num_joints, mark, hint):
    """Without names, the values are the last columns."""
    texts = _texts(row, mark)
    # A label may stand after the values, too.
    end = len(row) - (texts[-1:] == [len(row) - 1])
    for width in (4 * num_joints, 3 * num_joints):
        before = end - width
        if not 0 <= before <= 4 or any(before <= p < end for p in texts):
            continue
        found = {"values": list(range(before, end))}
        if texts:
            found["label"] = texts[-1]
        if len(texts) > 1:
            found["clip"] = texts[0]
        for kind, place in zip(
            ("frame", "person"),
            [place for place in range(before) if place not in texts],
            strict=False,
        ):
            found[kind] = place
        return found
    raise ValueError(
        f"its lines have {len(row)} columns and no names; needed are "
        f"{4 * num_joints} (x, y, z, visibility of {num_joints} joints) or "
        f"{3 * num_joints}, after columns of the label, the frame and the "
        f"person as far as there are any{hint}"
    )


def _texts(row, mark):
    """The places of cells that are neither numbers nor empty."""
    return [p for p, cell in enumerate(row) if not _could_be(cell, mark)]


def _could_be(cell, mark):
    return cell.strip().lower() in EMPTY or _is_number(cell, mark)


def _lacking(header, others, joints, hint):
    named = [name for _, name in others if name]
    return (
        f"of its {len(header)} columns ({', '.join(map(repr, header[:6]))}"
        f"{', ...' if len(header) > 6 else ''}), {len(named)} are neither "
        f"frame, person nor label; needed are x, y, z and, optionally, "
        f"visibility of {len(joints)} joints, as columns named x0, y0, z0, v0 "
        f"or {joints[0]}_x, or in this order{hint}"
    )
