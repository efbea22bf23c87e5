"""Names that people give for clips: in labels, in splits, in lists.

What a reader calls a clip, its user may call by its file, with an ending or
with the folders before it. Such names are found; what no clip is called is
told, and where nothing or only half was found, refused.
"""

import csv
import io
import json
import os
import pathlib
import warnings

import numpy as np

# Endings of files of poses, and of the videos they were made of.
ENDINGS = (
    *(".json", ".csv", ".bvh", ".npy", ".npz", ".pkl", ".pickle", ".skeleton"),
    *(".txt", ".mat", ".h5", ".zip", ".mp4", ".avi", ".mov", ".mkv", ".webm"),
)
SHOWN = 5
# What is written for a label where there is none.
NO_CLASS = ("", "nan", "NaN", "None", "<NA>")
LONGEST_NUMBER = 18
LABEL_HINT = (
    "pass a dictionary from names of clips to classes, or the path of a .csv "
    "file with a line `name,label` for each clip, or of a .json file"
)


def plain(name):
    """A name without the ending of a file, with `/` between folders."""
    name = str(name).strip().replace("\\", "/")
    while name.startswith("./"):
        name = name[2:]
    for ending in ENDINGS:
        if name.lower().endswith(ending) and len(name) > len(ending):
            return name[: -len(ending)]
    return name


class Finder:
    """Finds which of the names that were given means a clip.

    A clip is meant by its own name; else by that name with the ending of a
    file, or with folders before it, if only one of the given names is so.

    Args:
        given: names.
        clips: names of clips or of their files, as far as they are known: a
            name that is one of them means no other clip.
    """

    def __init__(self, given, clips=()):
        self.given = list(given)
        own = set(map(plain, clips))
        self._exact = {name: name for name in self.given}
        self._plain, self._tails = {}, {}
        for name in self.given:
            text = plain(name)
            self._plain.setdefault(text, []).append(name)
            parts = text.split("/") if text not in own else ()
            for start in range(1, len(parts)):
                tail = "/".join(parts[start:])
                self._tails.setdefault(tail, []).append(name)

    def find(self, clip):
        """Returns the given name that means the clip, or `None`."""
        if clip in self._exact:
            return clip
        text = plain(clip)
        for known in (self._plain, self._tails):
            found = known.get(text, ())
            if len(found) == 1:
                return found[0]
        return None

    def unmatched(self, clips):
        """Returns the given names that mean none of the clips, in order."""
        used = {self.find(clip) for clip in clips}
        return [name for name in self.given if name not in used]


def list_some(names):
    """The first few names, and how many more there are."""
    names = list(names)
    text = ", ".join(repr(str(name)[:80]) for name in names[:SHOWN])
    if len(names) > SHOWN:
        text += f" and {len(names) - SHOWN} more"
    return text or "none"


def report(what, given, unmatched, clips, complete=False):
    """Tells which given names no clip has.

    Args:
        what: What they were given for, such as `"labels"`.
        given: All names that were given.
        unmatched: Those without a clip.
        clips: The names of clips.
        complete: Whether all clips were meant by some name, so that the
            others are those of a larger data set.

    Raises:
        ValueError: If at most half of the names have a clip, or none has;
            where `complete`, if none has.
    """
    if not unmatched:
        return
    matched = len(given) - len(unmatched)
    text = (
        f"{matched} of the {len(given)} names in `{what}` are names of clips. "
        f"No clip is called {list_some(unmatched)}; the clips are called "
        f"{list_some(clips)}."
    )
    if not matched or (2 * matched <= len(given) and not complete):
        raise ValueError(text)
    warnings.warn(text, stacklevel=5)


def indices_of(names, clips, what):
    """Returns the numbers of the clips that are meant by a list of names.

    Args:
        names: list of strings.
        clips: The names of all clips.
        what: What they are given for.

    Raises:
        ValueError: See `report`.
    """
    finder = Finder(dict.fromkeys(map(str, names)), clips)
    found = {}
    for index, clip in enumerate(clips):
        name = finder.find(clip)
        if name is not None:
            found.setdefault(name, []).append(index)
    unmatched = [name for name in finder.given if name not in found]
    report(what, finder.given, unmatched, clips)
    return [i for name in finder.given for i in found.get(name, ())]


def read_labels(labels):
    """Returns the dictionary of labels that was given, or is in a file.

    Args:
        labels: dictionary, `None`, or path of a `.csv` file (a name and a
            label in each line, a first line of other words being a header)
            or of a `.json` file of a dictionary.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is something else.
    """
    if labels is None:
        return {}
    if isinstance(labels, str | os.PathLike):
        return _read_label_file(pathlib.Path(labels))
    if hasattr(labels, "items"):
        return dict(labels.items())
    raise ValueError(f"`labels` is a {type(labels).__name__}; {LABEL_HINT}.")


def _read_label_file(path):
    if not path.is_file():
        raise FileNotFoundError(
            f"`labels` is {str(path)!r}, but there is no such file; "
            f"{LABEL_HINT}."
        )
    try:
        text = path.read_text("utf-8-sig")
        if path.suffix.lower() == ".json":
            content = json.loads(text)
            if not isinstance(content, dict):
                raise ValueError("it is no dictionary from names to labels")
            return content
        return _parse_label_lines(text)
    except (ValueError, RecursionError, csv.Error) as error:
        raise ValueError(
            f"The labels in {str(path)!r} cannot be read: {error}"
        ) from error


def _parse_label_lines(text):
    first = text.partition("\n")[0]
    mark = max(",;\t ", key=lambda mark: (first.count(mark), mark != " "))
    rows = [
        (number, [cell.strip() for cell in row if cell.strip()])
        for number, row in enumerate(
            csv.reader(io.StringIO(text, newline=""), delimiter=mark), 1
        )
    ]
    rows = [(number, row) for number, row in rows if row]
    if rows and is_header(rows[0][1]):
        rows = rows[1:]
    labels = {}
    for number, row in rows:
        if len(row) != 2:
            raise ValueError(
                f"line {number} has {len(row)} values; expected a name and a "
                "label"
            )
        name, label = row
        if labels.setdefault(name, label) != label:
            raise ValueError(f"line {number} gives {name!r} another label")
    return labels


def is_header(row):
    """Whether two words are the names of columns of names and labels."""
    words = {word.lower().strip("# ") for word in row}
    return bool(
        words & {"label", "labels", "class", "action", "category", "target"}
    ) and bool(
        words
        & {"name", "names", "clip", "file", "filename", "file_name", "video"}
        | words & {"path", "id", "sample", "sequence"}
    )


def number_labels(labels, class_names):
    """Turns labels into numbers.

    Args:
        labels: dictionary from names of clips to classes: numbers from 0, or
            names of classes; `None` or NaN where it is not known. Or the
            path of a file of them, see `read_labels`; or `None`.
        class_names: list of strings, or `None` for the names in `labels`, in
            alphabetical order.

    Returns:
        A dictionary from names of clips to numbers, and the names of the
        classes, or `None`.

    Raises:
        ValueError: if a label is not among the classes.
    """
    class_names = check_class_names(class_names)
    labels = {
        name: label
        for name, label in read_labels(labels).items()
        if not is_unknown(label)
    }
    values = read_texts(list(labels.values()), class_names, labels)
    labels = dict(zip(labels, values, strict=True))
    is_named = [isinstance(label, str) for label in labels.values()]
    if class_names is None and any(is_named) and all(is_named):
        class_names = sorted(set(labels.values()))
    return {
        str(name): number_label(label, class_names)
        for name, label in labels.items()
    }, class_names


def read_texts(labels, class_names, clips):
    """Labels of which texts are as they are meant.

    There are no blanks around names. Whole numbers are numbers: all, where
    no class is called otherwise, or those that are not among given classes.

    Args:
        labels: list of labels, of which some may be texts.
        class_names: list of strings, or `None`.
        clips: iterable of the names of their clips, for messages.

    Raises:
        ValueError: If a text is none, such as `""` or `"nan"`.
    """
    known = set(class_names or ())

    def is_new(label):
        return isinstance(label, str) and label not in known

    labels = [each.strip() if is_new(each) else each for each in labels]
    named = zip(clips, labels, strict=False)
    empty = [clip for clip, x in named if is_new(x) and x in NO_CLASS]
    if empty:
        raise ValueError(
            f"The labels of {len(empty)} clips are texts that name no class, "
            "such as '' or 'nan'. Pass None where the class is not known. "
            f"The clips are {list_some(empty)}."
        )
    texts = list(filter(is_new, labels))
    if known or all(map(is_whole, texts)):
        return [int(x) if is_new(x) and is_whole(x) else x for x in labels]
    return labels


def is_whole(text):
    """Whether a text is a whole number."""
    digits = text.removeprefix("-")
    return digits.isdecimal() and len(digits) <= LONGEST_NUMBER


def number_all(labels, class_names, clips=None):
    """Turns a list of labels into numbers, if they are names.

    Args:
        labels: one number or name of a class for each clip, `None` for an
            unknown one; or `None`.
        class_names: list of strings, or `None` for the names in `labels`, in
            alphabetical order.
        clips: names of the clips, or `None`.

    Returns:
        The labels, and the names of the classes or `None`.

    Raises:
        ValueError: If a label is not among the classes.
    """
    class_names = check_class_names(class_names)
    if labels is None:
        return None, class_names
    array = np.asarray(labels)
    if array.ndim != 1 or array.dtype.kind not in "USOf":
        return labels, class_names
    if array.dtype.kind == "S":
        labels = array = array.astype("U")
    # NumPy makes the text "nan" of a number among texts.
    values = array.tolist() if array is labels else list(labels)
    if array.dtype.kind == "f" and not np.isnan(array).any():
        return labels, class_names
    if clips is None:
        clips = range(len(values))
    values = read_texts(values, class_names, clips)
    named = [value for value in values if isinstance(value, str)]
    if class_names is None and named:
        class_names = sorted(set(named))
    return [
        -1 if is_no_class(value) else number_label(value, class_names)
        for value in values
    ], class_names


def is_no_class(label):
    """Whether a label is unknown, or the number for that."""
    is_number = isinstance(label, int | np.integer)
    return is_unknown(label) or (is_number and label == -1)


def check_class_names(class_names):
    """The names of classes as a list of strings, or `None`."""
    if class_names is None:
        return None
    if isinstance(class_names, str | dict | set) or not hasattr(
        class_names, "__iter__"
    ):
        raise ValueError(
            "`class_names` must be a list of names, such as ['run', 'walk']. "
            f"Received: {class_names!r}"
        )
    class_names = [str(name) for name in class_names]
    twice = {name for name in class_names if class_names.count(name) > 1}
    if twice:
        raise ValueError(
            f"`class_names` holds {list_some(sorted(twice))} more than once."
        )
    return class_names


def is_unknown(label):
    """Whether a label stands for an unknown class."""
    if label is None:
        return True
    return isinstance(label, float | np.floating) and bool(np.isnan(label))


def number_label(label, class_names):
    """Returns the number of a class that is given by number or name."""
    if isinstance(label, str) and class_names and label in class_names:
        return class_names.index(label)
    limit = np.inf if class_names is None else len(class_names)
    if isinstance(label, float | np.floating) and label == int(label):
        label = int(label)
    is_number = isinstance(label, int | np.integer)
    if not is_number or isinstance(label, bool) or not 0 <= label < limit:
        words = "whole numbers from 0"
        if class_names is not None:
            words = (
                f"among the {len(class_names)} classes ({words}, or "
                f"{list_some(class_names)})"
            )
        raise ValueError(f"Labels must be {words}. Received: {label!r}")
    return int(label)
