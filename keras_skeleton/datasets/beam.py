"""Preparing a data set on a cluster, as an Apache Beam pipeline.

    python -m keras_skeleton.datasets.beam ntu60 RAW_DIR OUT.h5 --shards 64

runs on the local machine; `--runner` and the other options of Apache Beam
take it to any engine that Beam knows. Needs `keras-skeleton[beam]`.
"""

import argparse
import os
import tempfile

import numpy as np

from keras_skeleton.datasets import _storage
from keras_skeleton.datasets.readers import base as readers

try:
    import apache_beam
    from apache_beam.io.filesystems import FileSystems
except ImportError as error:
    raise ImportError(
        "keras_skeleton.datasets.beam needs Apache Beam: "
        "pip install 'keras-skeleton[beam]'. Without it, "
        "`keras-skeleton prepare` works on one machine."
    ) from error


class Prepare(apache_beam.PTransform):
    """Reads a data set and writes its store, one shard at a time.

    The clips, their order and their splits are those of
    `preparation.prepare`, read by the same reader; only clips of the same
    name in different shards are not noticed. The workers must see the files
    of the reader, by a file system that they share.

    Args:
        reader: A `readers.Reader`.
        path: The `.h5` file to divide among shards, on any file system that
            Beam knows. `Sequences.load(path)` reads local shards.
        shards: Number of files, at most one for each unit of the reader.

    Returns:
        A collection of one dictionary with `"num_clips"` and `"skipped"`, a
        list of `(name, reason)`.

    Raises:
        ValueError: If there are fewer units than shards.

    Example:

    ```python
    with apache_beam.Pipeline(options=options) as pipeline:
        reader = formats.make_reader("ntu120", "nturgb+d_skeletons")
        pipeline | Prepare(reader, "ntu120.h5", shards=64) | Map(print)
    ```
    """

    def __init__(self, reader, path, shards):
        super().__init__()
        self.reader = reader
        self.path = os.fspath(path)
        self.shards = shards

    def expand(self, pipeline):
        units = list(self.reader.units())
        if not 1 <= self.shards <= len(units):
            raise ValueError(
                f"The {len(units)} files cannot be divided among "
                f"{self.shards} shards."
            )
        bounds = np.linspace(0, len(units), self.shards + 1).astype(int)
        tasks = [
            (
                _storage.shard_path(self.path, index, self.shards),
                units[bounds[index] : bounds[index + 1]],
            )
            for index in range(self.shards)
        ]
        return (
            pipeline
            | "Shards" >> apache_beam.Create(tasks)
            # Otherwise the engine may leave all shards to one worker.
            | "Distribute" >> apache_beam.Reshuffle()
            | "Read and write" >> apache_beam.Map(_write_shard, self.reader)
            | "Report" >> apache_beam.CombineGlobally(_join_reports)
        )


def _write_shard(task, reader):
    path, units = task
    clips, skipped = readers.read_units(reader, units)
    sequences = readers.assemble(reader, clips, skipped)
    with tempfile.TemporaryDirectory() as folder:
        local = os.path.join(folder, "shard.h5")
        sequences.save(local)
        _copy(local, path)
    return {"num_clips": len(sequences), "skipped": sequences.skipped}


def _copy(local, path):
    """Copies a file to where it takes its name only once it is whole."""
    partial = f"{path}.{os.urandom(4).hex()}.partial"
    with open(local, "rb") as source, FileSystems.create(partial) as target:
        while block := source.read(1 << 20):
            target.write(block)
    if FileSystems.exists(path):
        FileSystems.delete([path])
    FileSystems.rename([partial], [path])


def _join_reports(reports):
    reports = list(reports)
    return {
        "num_clips": sum(report["num_clips"] for report in reports),
        "skipped": [one for report in reports for one in report["skipped"]],
    }


def main(arguments=None):
    """Runs the pipeline with the options of the command line."""
    from keras_skeleton.datasets import formats

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("format", choices=sorted(formats.FORMATS))
    parser.add_argument("source")
    parser.add_argument("path", metavar="OUT.h5")
    parser.add_argument("--shards", type=int, default=1)
    options, others = parser.parse_known_args(arguments)
    reader = formats.make_reader(options.format, options.source)
    with apache_beam.Pipeline(argv=others) as pipeline:
        prepare = Prepare(reader, options.path, options.shards)
        _ = pipeline | prepare | apache_beam.Map(_print_report)


def _print_report(report):
    print(f"{report['num_clips']} clips")
    for name, reason in report["skipped"]:
        print(f"left out {name}: {reason}")


if __name__ == "__main__":
    main()
