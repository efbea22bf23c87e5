"""Names that people give for clips: in labels, in splits, in lists.

What a reader calls a clip, its user may call by its file, with an ending or
with the folders before it. Such names are found; what no clip is called is
told, and where nothing or only half was found, refused.
"""

import csv
import io
import os
import pathlib
import re
import warnings

import numpy as np

from keras_skeleton.datasets.files import parsing
from keras_skeleton.datasets.files import wide

# Endings of files of poses, and of the videos they were made of.
ENDINGS = (
    *(".json", ".csv", ".bvh", ".npy", ".npz", ".pkl", ".pickle", ".skeleton"),
    *(".txt", ".mat", ".h5", ".zip", ".mp4", ".avi", ".mov", ".mkv", ".webm"),
)
SHOWN = 5
# Words in the names of columns of names and labels, the surest first.
NAME_WORDS = (
    *("clip", "clips", "video", "file", "filename", "sequence", "sample"),
    *("path", "name", "names", "id"),
)
LABEL_WORDS = (
    *("label", "labels", "class", "action", "category", "target", "activity"),
    *("gesture", "exercise"),
)
WORDS = re.compile(r"[a-z]+")
# How the reason begins for which a clip of no class is left out.
NO_CLASS = "Labels must be"
# What is written for a label where there is none.
UNLABELLED = ("", "nan", "NaN", "None", "<NA>")
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


def read_labels(labels, files=()):
    """Returns the dictionary of labels that was given, or is in a file.

    Args:
        labels: dictionary, `None`, or path of a `.csv` file (a name and a
            label in each line; of more columns where a header says which are
            these; empty, NaN, null or None for an unknown label) or of a
            `.json` file of a dictionary.
        files: names of files, by which a first line that names none of them
            is known for a header.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is something else.
    """
    if labels is None:
        return {}
    if isinstance(labels, str | os.PathLike):
        return _read_label_file(pathlib.Path(labels), files)
    if hasattr(labels, "items"):
        return dict(labels.items())
    raise ValueError(f"`labels` is a {type(labels).__name__}; {LABEL_HINT}.")


def _read_label_file(path, files):
    if not path.is_file():
        raise FileNotFoundError(
            f"`labels` is {str(path)!r}, but there is no such file; "
            f"{LABEL_HINT}."
        )
    try:
        if path.suffix.lower() == ".json":
            content = parsing.parse_json(path.read_bytes())
            if not isinstance(content, dict):
                raise ValueError("it is no dictionary from names to labels")
            return content
        return _parse_label_lines(parsing.decode(path.read_bytes()), files)
    except (ValueError, csv.Error) as error:
        raise ValueError(
            f"The labels in {str(path)!r} cannot be read: {error}"
        ) from error


def _parse_label_lines(text, files):
    first = text.partition("\n")[0]
    mark = max(",;\t ", key=lambda mark: (first.count(mark), mark != " "))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=mark)
    rows = [(reader.line_num, list(map(str.strip, row))) for row in reader]
    if mark == " ":
        rows = [(number, list(filter(None, row))) for number, row in rows]
    rows = [(number, row) for number, row in rows if any(row)]
    places = _find_columns([row for _, row in rows], files)
    labels = {}
    for number, row in rows if places is None else rows[1:]:
        if places is not None and len(row) > max(places):
            row = [row[place] for place in places]
        elif len(row) != 2:
            row = list(filter(None, row))
        if len(row) != 2 or not row[0]:
            raise ValueError(
                f"line {number} has {len(row)} values; expected a name and a "
                "label, or a first line that says which columns are these, "
                "such as `name,label`"
            )
        name, label = row[0], wide.label_of(row[1]) or None
        if label is not None and label.lstrip("-").isdecimal():
            label = int(label)
        if labels.setdefault(name, label) != label:
            raise ValueError(f"line {number} gives {name!r} another label")
    return labels


def _find_columns(rows, files):
    """The columns of names and labels, or `None` if no line says which."""
    if not rows:
        return None
    known = {plain(name).rpartition("/")[2] for name in files}
    named = [plain(row[0]).rpartition("/")[2] in known for row in rows]
    # Names of columns have no numbers in them.
    has_number = [re.search(r"\d", cell) for cell in rows[0]]
    header = [
        [] if number else WORDS.findall(cell.lower())
        for cell, number in zip(rows[0], has_number, strict=True)
    ]
    label = _find_word(header, LABEL_WORDS, ())
    name = _find_word(header, NAME_WORDS, LABEL_WORDS)
    if None in (name, label) or named[0]:
        # Where all others name a file, and the first line has no number.
        is_alone = not named[0] and named[1:] and all(named[1:])
        if len(header) != 2 or any(has_number) or not is_alone:
            return None
        name, label = 0, 1
    # pandas may leave the index without a name.
    width = len(header) + 1
    shift = {(len(row), row[-1] != "") for row in rows[1:]} == {(width, True)}
    return name + shift, label + shift


def _find_word(header, words, unless):
    """The place of the first column whose name holds one of the words."""
    for word in words:
        for place, cell in enumerate(header):
            if word in cell and not set(cell) & set(unless):
                return place
    return None


def number_labels(labels, class_names, files=()):
    """Turns labels into numbers.

    Args:
        labels: dictionary from names of clips to classes: numbers from 0, or
            names of classes; `None` or NaN where it is not known. Or the
            path of a file of them, see `read_labels`; or `None`.
        class_names: list of strings, or `None` for the names in `labels`, in
            alphabetical order.
        files: See `read_labels`.

    Returns:
        A dictionary from names of clips to numbers, and the names of the
        classes, or `None`.

    Raises:
        ValueError: if a label is not among the classes.
    """
    class_names = check_class_names(class_names)
    labels = {
        name: label
        for name, label in read_labels(labels, files).items()
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
    empty = [clip for clip, x in named if is_new(x) and x in UNLABELLED]
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


def renumber(labels, own, others):
    """Numbers of classes in the order of other names.

    Names that differ in case, blanks and marks only are the same.

    Args:
        labels: int array of labels in the order of `own`, -1 if unknown.
        own: names of the classes.
        others: names in the order that the numbers are to have.

    Returns:
        int array.

    Raises:
        ValueError: If labels are of classes that are not among the others.
    """
    numbers = {name: number for number, name in enumerate(others)}
    spelled = {_spelling(name): numbers[name] for name in reversed(others)}
    found = [
        numbers.get(name, spelled.get(_spelling(name), -1)) for name in own
    ]
    used, counts = np.unique(labels[labels >= 0], return_counts=True)
    unknown = {
        own[label]: count
        for label, count in zip(used.tolist(), counts.tolist(), strict=True)
        if found[label] < 0
    }
    if unknown:
        raise ValueError(
            f"{sum(unknown.values())} of {len(labels)} clips are of classes "
            f"that are called {list_some(unknown)}, which are not among "
            f"{list_some(others)}. Leave them out, or give classes the same "
            "names by `class_names=` if they are the same."
        )
    found = np.asarray([*found, -1])
    return found[labels]


def _spelling(name):
    return "".join(filter(str.isalnum, name.casefold())) or name


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
    if isinstance(label, float | np.floating) and float(label).is_integer():
        label = int(label)
    is_number = isinstance(label, int | np.integer)
    if not is_number or isinstance(label, bool) or not 0 <= label < limit:
        words = "whole numbers from 0"
        if class_names is not None:
            words = (
                f"among the {len(class_names)} classes ({words}, or "
                f"{list_some(class_names)})"
            )
        raise ValueError(f"{NO_CLASS} {words}. Received: {label!r}")
    return int(label)


def check_classes(num_clips, skipped):
    """Refuses classes that are not those of half of the clips.

    Args:
        num_clips: The clips that were read.
        skipped: list of `(name, reason)` of those that were left out.

    Raises:
        ValueError: If so many were left out for their labels.
    """
    lost = [clip for clip in skipped if clip[1].startswith(NO_CLASS)]
    total = num_clips + len(lost)
    if lost and 2 * len(lost) >= total:
        raise ValueError(
            f"{len(lost)} of {total} clips have labels that are none of the "
            f"classes: {list_some(name for name, _ in lost)}. {lost[0][1]}; "
            "pass the `class_names` of all classes."
        )
