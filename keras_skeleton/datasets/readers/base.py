"""From the files of a data set to its sequences: what all readers share."""

import concurrent.futures
import contextlib
import csv
import json
import multiprocessing
import multiprocessing.connection
import os
import pathlib
import struct
import threading
import typing
import zlib
from collections.abc import Iterator

import numpy as np

from keras_skeleton import _progress
from keras_skeleton import skeletons
from keras_skeleton._types import PathLike
from keras_skeleton.datasets import _clips
from keras_skeleton.datasets import _missing
from keras_skeleton.datasets import _names
from keras_skeleton.datasets.sequences import Sequences
from keras_skeleton.skeletons.skeleton import Skeleton
from keras_skeleton.skeletons.skeleton import SkeletonLike

# Enough work for a process to be worth the way there, few enough units that
# a stopped preparation loses little.
UNITS_AT_ONCE = 128
REPEATED = "another clip has the same name"
# What libraries raise where data are other than all that was thought of.
SURPRISES = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    RuntimeError,
    TypeError,
    csv.Error,
    struct.error,
    zlib.error,
)


class Clip(typing.NamedTuple):
    """One clip as a reader finds it.

    Attributes:
        name: string, unique in the data set.
        frames: array `(T, V, C)`, or `(M, T, V, C)` for several persons.
        label: integer, the class from 0, or -1 where it is unknown.
        metadata: dictionary of numbers or strings, the same keys for all
            clips, for example `{"subject": 3, "camera": 1}`.
        notes: tuple of texts, what its user should know of how it was read,
            for example that the numbers of persons were not believed.
    """

    name: str
    frames: np.ndarray
    label: int = -1
    metadata: dict = {}
    notes: tuple = ()


class Skipped(typing.NamedTuple):
    """A clip that cannot be used, and why."""

    name: str
    reason: str


class Reader:
    """What there is to know about one format: its parts and how to read them.

    A data set is a list of units, mostly files, each of which can be read by
    itself. `collect` reads them into memory, `prepare` into a file, with
    several processes, and `beam.prepare` on a cluster; all call `read`.

    A subclass sets `skeleton` and `class_names`, and implements `units`,
    `read` and `splits`. It must be picklable and cheap to pickle: what is
    large (the content of an archive, an annotation file) is opened when it
    is first needed, in each process.

    Attributes:
        skeleton: `Skeleton` or the name of a registered one.
        class_names: list of strings, or `None`.
        coordinates: Names of the coordinates, see `Sequences`.
        missing: What to do where something was not found: `"zeros"`,
            `"interpolate"` or `"error"`, see `configure`.
    """

    skeleton = None
    class_names = None
    coordinates = None
    missing = "zeros"

    def configure(
        self, missing=None, skeleton: SkeletonLike | PathLike | None = None
    ) -> typing.Self:
        """Sets what every reader can be told, and returns the reader.

        Args:
            missing: What to do with joints and frames that were not found
                (NaN, an empty cell, null): `"zeros"` makes zeros of them,
                `"interpolate"` fills them from the frames around (frames
                without this person, and joints with a score of 0, too),
                `"error"` leaves the clip out with a reason. `None` changes
                nothing.
            skeleton: `Skeleton`, or what `layout` takes, with as many joints
                as that of the reader, in the order of the data. `None`
                changes nothing.

        Raises:
            ValueError: If `missing` is something else, or the skeleton has
                another number of joints.
        """
        if missing is not None:
            self.missing = _missing.check(missing)
        if skeleton is not None:
            own, skeleton = skeletons.get(self.skeleton), layout(skeleton)
            if own.num_joints != skeleton.num_joints:
                raise ValueError(
                    f"The skeleton {skeleton.name!r} has "
                    f"{skeleton.num_joints} joints, the data have "
                    f"{own.num_joints}, as {own.name!r}."
                )
            self.skeleton = skeleton
        return self

    def check(self, names, skipped) -> list:
        """Compares what its user named with what there is, in the end.

        Args:
            names: list of the names of all clips.
            skipped: list of `(name, reason)` of what was left out.

        Returns:
            List of `(what, text)` to be told.

        Raises:
            ValueError: If nothing of it is there, or if half of the clips
                are of none of the classes.
        """
        _names.check_classes(len(names), skipped)
        return []

    def units(self) -> list:
        """Returns the list of units, in the order of the clips in them.

        A unit is a path, a string, a number or a tuple of these.
        """
        raise NotImplementedError

    def read(self, unit) -> Iterator[Clip | Skipped]:
        """Yields each clip of a unit: a `Clip`, or `Skipped`.

        Raises:
            ValueError, OSError: If the whole unit cannot be used. The
                message says why, without repeating the name of the unit.
        """
        raise NotImplementedError

    def unit_name(self, unit) -> str:
        """Returns what a person would call a unit."""
        return getattr(unit, "name", None) or str(unit)

    def identity(self):
        """Returns what tells this data from other data or another version.

        Unfinished work goes on only for the same identity. By default, the
        public attributes, which are the reader's options, and the size and
        time of archives and files that it opened.
        """
        identity = [type(self).__qualname__]
        for name, value in sorted(vars(self).items()):
            if not name.startswith("_"):
                identity.append((name, repr(value)))
            for source in value if isinstance(value, list) else [value]:
                identity.append(_file_state(getattr(source, "path", source)))
        return identity

    def splits(self, names, labels, metadata) -> dict:
        """Returns `{protocol: {"train": indices, "test": indices}}`.

        Args:
            names: list of the names of all clips.
            labels: int array of their labels.
            metadata: dictionary of arrays, one value for each clip.
        """
        return {}


def _file_state(path):
    """Size and time of a file, or `None` for what is no file."""
    if not isinstance(path, str | os.PathLike) or not os.path.isfile(path):
        return None
    state = os.stat(path)
    return state.st_size, state.st_mtime_ns


def read_units(reader, units):
    """Reads units one after the other.

    Nothing that is wrong with a file ends the reading.

    Args:
        reader: A `Reader`.
        units: Some of its units.

    Returns:
        A list of `Clip` with checked frames, and a list of `Skipped`.
    """
    skeleton = skeletons.get(reader.skeleton)
    names = reader.coordinates or ()
    clips, skipped = [], []
    for unit in units:
        name = reader.unit_name(unit)
        try:
            for found in reader.read(unit):
                if isinstance(found, Skipped):
                    skipped.append(found)
                    continue
                frames, note, fault = _clips.settle(
                    found.frames, skeleton, reader.missing, names
                )
                if fault is None and not np.any(frames):
                    fault = "all its values are 0"
                    fault = f"{note}; {fault}" if note else fault
                if fault is None:
                    notes = (*found.notes, note) if note else found.notes
                    clips.append(found._replace(frames=frames, notes=notes))
                else:
                    skipped.append(Skipped(found.name, fault))
        except (ValueError, OSError) as error:
            skipped.append(Skipped(name, str(error)))
        # What a file holds must not end the reading of thousands of others.
        except SURPRISES as error:
            reason = f"it cannot be read: {type(error).__name__}: {error}"
            skipped.append(Skipped(name, reason))
    return clips, skipped


def layout(identifier: SkeletonLike | PathLike) -> Skeleton:
    """Returns a `Skeleton` for what a user passes for it.

    Args:
        identifier: `Skeleton`, its dictionary, the name of a registered one,
            or the path of a `.json` file of `Skeleton.to_dict`.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is none of these.
    """
    if isinstance(identifier, os.PathLike) or (
        isinstance(identifier, str) and identifier.lower().endswith(".json")
    ):
        path = pathlib.Path(identifier)
        try:
            identifier = json.loads(path.read_text("utf-8"))
            if not isinstance(identifier, dict):
                raise ValueError("it describes no skeleton")
            return skeletons.get(identifier)
        except (ValueError, TypeError, RecursionError) as error:
            raise ValueError(
                f"The skeleton of {str(path)!r} cannot be read: {error}"
            ) from error
    try:
        return skeletons.get(identifier)
    except TypeError as error:
        raise ValueError(f"`skeleton` is no layout: {error}") from error


def notes_of(clips):
    """List of `(name, note)` of the clips that `read_units` returned."""
    return [(clip.name, note) for clip in clips for note in clip.notes]


def collect(
    reader: Reader,
    strict=False,
    workers=1,
    progress=False,
    missing=None,
    skeleton=None,
) -> Sequences:
    """Reads a whole data set into memory.

    Args:
        reader: A `Reader`.
        strict: Whether a clip that cannot be used is an error. If not, it is
            left out, and named in a warning and in `skipped`.
        workers: Processes that read.
        progress: Whether to show a progress bar.
        missing: See `Reader.configure`.
        skeleton: See `Reader.configure`.

    Returns:
        A `Sequences`.

    Raises:
        FileNotFoundError: If there is nothing to read.
        ValueError: If no clip can be used, or if one cannot and `strict`.
    """
    reader.configure(missing, skeleton)
    chunks = chunked(find_units(reader), UNITS_AT_ONCE)
    clips, skipped = [], []
    with reading(reader, chunks, workers) as results:
        sizes = [len(chunk) for chunk in chunks]
        for more, faults in with_progress(results, sizes, progress):
            clips += more
            skipped += faults
    notes = notes_of(clips)
    sequences = assemble(reader, clips, skipped)
    total = len(sequences) + len(sequences.skipped)
    _clips.report_skipped(sequences.skipped, total, strict)
    notes += reader.check(sequences.names, sequences.skipped)
    _clips.report_notes(notes)
    return sequences


def find_units(reader):
    """The units of a reader, of which there must be some."""
    try:
        units = list(reader.units())
    except (TypeError, LookupError, ArithmeticError) as error:
        raise ValueError(
            "The files that are there cannot be listed: "
            f"{type(error).__name__}: {error}"
        ) from error
    if not units:
        raise ValueError(
            "There is nothing to read: the files that are there hold nothing "
            f"that a {type(reader).__name__} knows."
        )
    return units


def assemble(reader, clips, skipped):
    """Makes `Sequences` of what `read_units` returned, even of nothing."""
    kept, seen = [], set()
    skipped = [tuple(each) for each in skipped]
    for clip in clips:
        if clip.name in seen:
            skipped.append((clip.name, REPEATED))
        else:
            seen.add(clip.name)
            kept.append(clip)
    names = [clip.name for clip in kept]
    labels = np.array([clip.label for clip in kept], "int64")
    metadata = {
        key: np.array([clip.metadata[key] for clip in kept])
        for key in (kept[0].metadata if kept else ())
    }
    skeleton = skeletons.get(reader.skeleton)
    return Sequences(
        **_clips.join([clip.frames for clip in kept], skeleton.num_joints),
        labels=labels,
        names=names,
        metadata=metadata,
        skeleton=skeleton,
        class_names=reader.class_names,
        coordinates=reader.coordinates if kept else None,
        splits=reader.splits(names, labels, metadata) if kept else {},
        skipped=skipped,
    )


def chunked(units, size):
    """Divides a list into lists of `size`, the last of which may be shorter."""
    return [units[i : i + size] for i in range(0, len(units), size)]


def with_progress(results, sizes, show):
    """Passes results on, and shows how many of the units in them are done."""
    if not show:
        yield from results
        return
    with _progress.Progress(sum(sizes), "file") as bar:
        for size, result in zip(sizes, results, strict=True):
            bar.add(size)
            yield result


@contextlib.contextmanager
def reading(reader, tasks, workers=1, function=read_units):
    """Applies `function(reader, task)` to all tasks, in their order.

    Args:
        reader: A `Reader`.
        tasks: list, for `read_units` one of lists of units.
        workers: Processes that do it; with 1, this one does.
        function: What to do with a task, a function of a module.

    Yields:
        An iterator over the results.
    """
    if workers < 1:
        raise ValueError(f"`workers` must be at least 1. Received: {workers}")
    if workers == 1 or len(tasks) < 2:
        yield (function(reader, task) for task in tasks)
        return
    # A fresh process each: engines do not survive a fork.
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(
        min(workers, len(tasks)), context, _set_work, (reader, function)
    ) as pool:
        try:
            yield pool.map(_work, tasks)
        finally:
            pool.shutdown(cancel_futures=True)


def _set_work(reader, function):
    global _reader, _function
    _reader, _function = reader, function
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent():
    """Ends this process when the one that started it is gone.

    The pipe that work comes from is held open by the workers themselves, so
    that one whose parent was killed would wait for ever.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)


def _work(task):
    return _function(_reader, task)
