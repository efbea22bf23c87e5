"""Prepares and trains on a store larger than the memory that is allowed.

    python benchmarks/memory.py

The process gets a limit on the memory it may write to (`RLIMIT_DATA`, Linux).
Under it, a generated data set several times as large is prepared, and a small
classifier sees one epoch of it. The store lies in a temporary folder and is
removed.
"""

import argparse
import os
import pathlib
import resource
import tempfile
import time

import keras
import numpy as np

from keras_skeleton.datasets import Sequences
from keras_skeleton.datasets import preparation
from keras_skeleton.datasets.readers import base as readers
from keras_skeleton.layers.augmentation import CropResize

GIGABYTE = 1 << 30
FRAMES = 200


class GeneratedReader(readers.Reader):
    """Clips of one person that are made when they are read."""

    skeleton = "ntu"

    def __init__(self, num_clips):
        self.num_clips = num_clips

    def units(self):
        return list(range(self.num_clips))

    def read(self, unit):
        generator = np.random.default_rng(unit)
        frames = generator.random((FRAMES, 25, 3), "float32")
        yield readers.Clip(f"clip_{unit:07d}", frames, unit % 10)


def used():
    """Memory that the process holds and may write to, in GB."""
    for line in pathlib.Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1]) / (1 << 20)
    raise OSError("There is no RssAnon in /proc/self/status.")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gigabytes", type=float, default=4)
    parser.add_argument("--limit", type=float, default=1)
    options = parser.parse_args()
    limit = int(options.limit * GIGABYTE)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    num_clips = int(options.gigabytes * GIGABYTE / (FRAMES * 25 * 3 * 4)) + 1
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "store.h5")
        start = time.monotonic()
        preparation.prepare(GeneratedReader(num_clips), path)
        seconds = time.monotonic() - start
        size = os.path.getsize(path) / GIGABYTE
        print(
            f"{num_clips} clips, {size:.1f} GB, prepared in {seconds:.0f} s; "
            f"{used():.2f} GB in use of {options.limit:g} GB allowed"
        )
        data = Sequences.load(path, in_memory=False)
        model = keras.Sequential(
            [
                keras.Input((1, 64, 25, 3)),
                keras.layers.Flatten(),
                keras.layers.Dense(10),
            ]
        )
        model.compile(
            "sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        )
        start = time.monotonic()
        batches = data.to_keras([CropResize(64)], batch_size=256, shuffle=True)
        model.fit(batches, shuffle=False, verbose=0)
        seconds = time.monotonic() - start
        print(
            f"one epoch in random order on {keras.backend.backend()}: "
            f"{seconds:.0f} s; {used():.2f} GB in use"
        )
        try:
            Sequences.load(path)
        except MemoryError:
            print("reading the whole store into memory is refused, as it must")
        else:
            raise RuntimeError("The limit on memory had no effect.")


if __name__ == "__main__":
    main()
