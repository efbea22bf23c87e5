"""Preparing a data set: from its files to one store, by several processes."""

import dataclasses
import json
import os
import pathlib
import shutil

import numpy as np

from keras_skeleton import _outputs
from keras_skeleton._types import PathLike
from keras_skeleton.datasets import _clips
from keras_skeleton.datasets import _storage
from keras_skeleton.datasets import _unfinished
from keras_skeleton.datasets.readers import base as readers
from keras_skeleton.datasets.readers.base import Reader
from keras_skeleton.datasets.sequences import Sequences


@dataclasses.dataclass
class Report:
    """What `prepare` did.

    Attributes:
        paths: Files written.
        num_units: Units (files, mostly) of the data set.
        num_resumed: How many of them an earlier, stopped run had read.
        num_clips: Clips written.
        class_counts: Dictionary from class name (or number) to clips.
        skipped: list of `(name, reason)` of what was left out.
        notes: list of `(name, text)` of what was done to clips, for example
            to values that were not found.
    """

    paths: list
    num_units: int
    num_resumed: int
    num_clips: int
    class_counts: dict
    skipped: list
    notes: list = dataclasses.field(default_factory=list)


def prepare(
    reader: Reader,
    path: PathLike,
    workers=1,
    shards=1,
    progress=False,
    overwrite=False,
) -> Report:
    """Reads a data set and writes its store, for `Sequences.load`.

    Units that cannot be read are left out and reported. Finished work is
    kept in the folder `<path>.parts` until the store is complete: a run that
    was stopped goes on there when it is started again. A store is never half
    written, and memory holds a few clips at a time.

    Args:
        reader: A `readers.Reader`.
        path: The `.h5` file to write.
        workers: Processes that read.
        shards: Files to divide the store among, for training on several
            machines. With more than one, they are named
            `<stem>-00000-of-00008.h5`, and `Sequences.load(path)` reads all,
            `Sequences.load` of one of them that one.
        progress: Whether to show a progress bar.
        overwrite: Whether files that are there may be replaced.

    Returns:
        A `Report`.

    Raises:
        FileExistsError: If a file to write is there, without `overwrite`.
        IsADirectoryError: If `path` is a folder.
        ValueError: If no clip can be used, or the file to write is one of
            those to read.
        FileNotFoundError: If there is nothing to read.
    """
    _outputs.check_file("`path`", path)
    path = os.fspath(path)
    if shards < 1:
        raise ValueError(f"`shards` must be at least 1. Received: {shards}")
    if not overwrite:
        _check_free(path, shards)
    _check_source(reader, path)
    units = readers.find_units(reader)
    chunks = readers.chunked(units, readers.UNITS_AT_ONCE)
    folder = _unfinished.open_parts(
        f"{path}.parts", _fingerprint(reader, units)
    )
    parts = [folder / f"part_{index:06d}.h5" for index in range(len(chunks))]
    tasks = [
        (str(part), chunk)
        for part, chunk in zip(parts, chunks, strict=True)
        if not part.exists()
    ]
    sizes = [len(chunk) for _, chunk in tasks]
    with readers.reading(reader, tasks, workers, write_part) as results:
        for _ in readers.with_progress(results, sizes, progress):
            pass  # The parts are on disk.
    sequences = _join(reader, parts)
    notes = [note for part in parts for note in _read_notes(part)]
    notes += reader.check(sequences.names, sequences.skipped)
    paths = _save(sequences, path, shards)
    shutil.rmtree(folder)
    return Report(
        paths=paths,
        num_units=len(units),
        num_resumed=len(units) - sum(sizes),
        num_clips=len(sequences),
        class_counts=count_classes(sequences),
        skipped=sequences.skipped,
        notes=notes,
    )


def _check_source(reader, path):
    """Refuses to replace a file that is read."""
    for value in vars(reader).values():
        for source in value if isinstance(value, list) else [value]:
            source = getattr(source, "path", source)
            if isinstance(source, str | os.PathLike) and os.path.isfile(source):
                _outputs.check_apart({"the store": path}, {"SOURCE": source})


def _check_free(path, shards):
    paths = (
        [path]
        if shards == 1
        else [
            _storage.shard_path(path, index, shards) for index in range(shards)
        ]
    )
    for each in paths:
        if os.path.exists(each):
            raise FileExistsError(
                f"{each!r} is there already. Pass overwrite=True (as a "
                "command, --overwrite) to replace it, or another path."
            )


def write_part(reader, task):
    """Reads the units of a task and writes their clips into its file.

    Args:
        reader: A `readers.Reader`.
        task: Path of the file, and a list of units.
    """
    path, units = task
    clips, skipped = readers.read_units(reader, units)
    # First, as the part itself tells that the task is done.
    pathlib.Path(f"{path}.notes").write_text(
        json.dumps(readers.notes_of(clips)), "utf-8"
    )
    readers.assemble(reader, clips, skipped).save(path)


def _read_notes(part):
    path = pathlib.Path(f"{part}.notes")
    return list(map(tuple, json.loads(path.read_text("utf-8"))))


def _fingerprint(reader, units):
    """Tells whether unfinished work belongs to this reader and its files."""
    parts = [reader.identity(), _storage.VERSION, readers.UNITS_AT_ONCE]
    for unit in units:
        parts.append(unit)
        if isinstance(unit, os.PathLike):
            parts.append(_unfinished.state_of(unit))
    return _unfinished.fingerprint_of(parts)


def _join(reader, parts):
    """All clips of the parts, with their splits; the frames stay on disk."""
    sequences = Sequences.load(parts, in_memory=False)
    _, first = np.unique(sequences.names, return_index=True)
    repeated = np.setdiff1d(np.arange(len(sequences)), first)
    skipped = sequences.skipped + [
        (sequences.names[index], readers.REPEATED) for index in repeated
    ]
    sequences = sequences.select(np.sort(first))
    sequences.skipped = skipped
    _clips.report_skipped(skipped, len(sequences) + len(skipped), False, False)
    sequences.splits = reader.splits(
        sequences.names, sequences.labels, sequences.metadata
    )
    return sequences


def _save(sequences, path, shards):
    if shards == 1:
        sequences.save(path)
        return [path]
    if shards > len(sequences):
        raise ValueError(
            f"{len(sequences)} clips cannot be divided among {shards} shards."
        )
    paths = []
    rows = np.array_split(np.arange(len(sequences)), shards)
    for index, indices in enumerate(rows):
        shard = sequences.select(indices)
        # Once is enough.
        shard.skipped = sequences.skipped if index == 0 else []
        paths.append(_storage.shard_path(path, index, shards))
        shard.save(paths[-1])
    return paths


def count_classes(sequences) -> dict:
    """Returns the number of clips by class name, or by number."""
    names, labels = sequences.class_names, sequences.labels
    counts = {}
    for label, count in zip(
        *np.unique(labels, return_counts=True), strict=True
    ):
        if label < 0:
            name = "unknown"
        else:
            name = int(label) if names is None else names[label]
        counts[name] = int(count)
    return counts
