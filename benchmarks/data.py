"""Times preparing and feeding against the plain style (`feeders.py`).

    python benchmarks/data.py --write

Three jobs: preparing raw NTU RGB+D files, the training batches of MAMP, and
those of the NW-UCLA recipe of CTR-GCN. Before anything is timed, both sides
must compute the same. They take turns on one core; of all turns the fastest
counts. Time is the processor's time of the process, which is that on the
clock where the core does nothing else; only the rates with several workers
are by the clock.

The data are generated, in the form and size of the real ones. Nothing of
them stays.
"""

import argparse
import os
import pathlib
import random
import tempfile
import time

import numpy as np
import timing

JOBS = ("raw", "mamp", "nw_ucla")
# How many times faster than the plain style, on one core.
AIMS = {"raw": 3.0, "mamp": 5.0, "nw_ucla": 3.0}
START, END = "<!-- data results -->", "<!-- end of data results -->"
BODIES_PER_FILE = 125


def moving_person(generator, num_frames, num_joints):
    """Places `(T, V, 3)` in metres of somebody three metres away."""
    place = generator.uniform(-0.3, 0.3, (1, num_joints, 3))
    place[..., 1] = np.linspace(-0.9, 0.7, num_joints)
    steps = generator.normal(0, 0.01, (num_frames, num_joints, 3))
    return place + np.cumsum(steps, axis=0) + [0, 0, 3]


def write_raw_file(path, generator, num_persons):
    """A file of NTU RGB+D, with the projections of a Kinect v2."""
    num_frames = BODIES_PER_FILE // num_persons
    persons = [
        moving_person(generator, num_frames, 25) for _ in range(num_persons)
    ]
    lines = [str(num_frames)]
    for frame in range(num_frames):
        lines.append(str(num_persons))
        for index, person in enumerate(persons):
            lean = " ".join(f"{x:.7g}" for x in generator.normal(0, 0.1, 2))
            identity = 72057594037931101 + index
            lines += [f"{identity} 0 1 1 1 1 0 {lean} 2", "25"]
            for joint, (x, y, z) in enumerate(person[frame]):
                turn = generator.normal(size=4)
                turn /= np.linalg.norm(turn)
                if joint in (3, 15, 19, 21, 22, 23, 24):
                    turn[:] = 0
                fields = [x, y, z]
                fields += [366.4 * x / z + 256.3, -366.5 * y / z + 208.5]
                fields += [1055.8 * (x + 0.072) / z + 955.3]
                fields += [-1056.5 * y / z + 567.1, *turn]
                lines.append(" ".join(f"{f:.7g}" for f in fields) + " 2")
    path.write_bytes(("\r\n".join(lines) + "\r\n").encode())


def alternate(functions, repeats, what):
    """How much of `what` each function does per second, called in turns."""
    best = dict.fromkeys(functions, np.inf)
    for _ in range(repeats):
        for name, function in functions.items():
            start = time.process_time()
            function()
            best[name] = min(best[name], time.process_time() - start)
    return {name: what / seconds for name, seconds in best.items()}


def time_raw(options):
    """Files per second of the preparation of raw files."""
    import feeders

    from keras_skeleton.datasets.readers import base as readers
    from keras_skeleton.datasets.readers import ntu

    generator = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        for index in range(options.files):
            # Of the real files, about one in five shows two persons.
            num_persons, action = (2, 50) if index % 5 == 0 else (1, 1)
            name = f"S001C001P{index + 1:03d}R001A{action:03d}.skeleton"
            path = pathlib.Path(folder, name)
            write_raw_file(path, generator, num_persons)
        paths = sorted(pathlib.Path(folder).iterdir())
        size = np.mean([path.stat().st_size for path in paths])
        yield f"Raw files: {len(paths)} of {size / 1000:.0f} kB on average."
        reader = ntu.NTUReader(folder)
        data = readers.collect(reader, strict=True)
        rows = feeders.prepare_files(paths)
        clips = data.padded(np.arange(len(data)), rows.shape[1])
        same = clips.swapaxes(1, 2).reshape(rows.shape)
        assert np.array_equal(same, rows), "the preparations differ"
        rates = alternate(
            {
                "plain": lambda: feeders.prepare_files(paths),
                "ours": lambda: readers.collect(reader, strict=True),
            },
            options.repeats,
            len(paths),
        )
        yield from table("raw", "files", rates)
        yield ""
        yield from time_workers(reader, options)


def time_workers(reader, options):
    """Files per second when the same files are read over and over."""
    from keras_skeleton.datasets.readers import base as readers

    cores = options.cores
    chunks = [list(reader.units())] * options.rounds
    for workers in (1, 2):
        if workers > len(cores):
            yield f"Workers: {workers}: not measured, there is one core."
            continue
        os.sched_setaffinity(0, cores[:workers])
        with readers.reading(reader, chunks, workers) as results:
            next(results)
            # The processes have started; what they read meanwhile is not
            # counted either.
            start = time.perf_counter()
            count = sum(len(clips) for clips, _ in results)
            seconds = time.perf_counter() - start
        yield f"Workers: {workers}, files per second: {count / seconds:.0f}."
    os.sched_setaffinity(0, cores[:1])


def time_mamp(options):
    """Clips per second of the training batches of MAMP."""
    import feeders
    import torch

    from keras_skeleton.datasets import Sequences
    from keras_skeleton.layers.augmentation import CropResize
    from keras_skeleton.layers.augmentation import RandomRotation

    generator = np.random.default_rng(0)
    lengths = generator.integers(60, 151, options.clips)
    rows = np.zeros((options.clips, 300, 150), "float32")
    clips = []
    for index, (row, length) in enumerate(zip(rows, lengths, strict=True)):
        persons = np.zeros((2, length, 25, 3), "float32")
        for person in persons[: 2 if index % 5 == 0 else 1]:
            person[:] = moving_person(generator, length, 25)
        row[:length] = persons.swapaxes(0, 1).reshape(length, 150)
        clips.append(persons)
    labels = generator.integers(0, 60, options.clips)
    plain = feeders.MAMPFeeder(rows, labels)
    data = Sequences.from_arrays(clips, labels, skeleton="ntu")
    transforms = [CropResize(120, (0.5, 1.0)), RandomRotation(0.3)]
    numbers = generator.uniform(size=(options.clips, 5)).astype("float32")
    check_equal(
        data,
        transforms,
        numbers,
        lambda index: plain.sample(
            index,
            numbers[index, 0].astype("float64") * 0.5 + 0.5,
            numbers[index, 1].astype("float64"),
            torch.from_numpy(numbers[index, 2:] * 2 - 1) * 0.3,
        ).numpy(),
    )
    yield f"MAMP: {options.clips} clips of 60 to 150 frames, batch 32."
    yield from time_batches("mamp", plain, data, transforms, 32, options)


def time_nw_ucla(options):
    """Clips per second of the training batches of NW-UCLA."""
    import feeders

    from keras_skeleton.datasets import Sequences
    from keras_skeleton.layers.augmentation import Center
    from keras_skeleton.layers.augmentation.frames import RandomFrames
    from keras_skeleton.layers.augmentation.views import MinMaxNormalization
    from keras_skeleton.layers.augmentation.views import RandomView

    generator = np.random.default_rng(0)
    # Lengths as in the real training set: median 34, mean 43, up to 201.
    lengths = generator.lognormal(np.log(34), 0.68, options.clips)
    lengths = np.clip(lengths, 1, 201).astype("int64")
    clips = [
        moving_person(generator, length, 20).astype("float32")
        for length in lengths
    ]
    labels = generator.integers(0, 10, options.clips)
    plain = feeders.NWUCLAFeeder(clips, labels)
    data = Sequences.from_arrays(clips, labels, skeleton="nw_ucla")
    transforms = [
        Center(joint=1),
        RandomView(60, (0.5, 1.5)),
        MinMaxNormalization(),
        RandomFrames(52),
    ]
    # Draws of frames decide in another way there: both show all in turn.
    numbers = generator.uniform(size=(options.clips, 3)).astype("float32")
    check_equal(
        data,
        transforms[:3],
        numbers,
        lambda index: plain.sample(
            index,
            np.floor(numbers[index, :2].astype("float64") * 121) - 60,
            0.5 + numbers[index, 2],
            np.minimum(np.arange(52), lengths[index] - 1),
        ),
        frames=52,
    )
    yield (
        f"NW-UCLA: {options.clips} clips of {lengths.min()} to "
        f"{lengths.max()} frames, batch 16."
    )
    yield from time_batches("nw_ucla", plain, data, transforms, 16, options)


def check_equal(data, transforms, numbers, sample, frames=None):
    """Compares some clips with those of the plain style, draw by draw."""
    for index in range(0, len(data), max(1, len(data) // 16)):
        clips = data.padded([index])
        start = 0
        for transform in transforms:
            stop = start + transform.num_draws
            draws = numbers[index : index + 1, start:stop]
            clips = transform.on_numpy()(
                clips, draws=draws if transform.num_draws else None
            )
            start = stop
        ours = clips[0].transpose(3, 1, 2, 0)
        if frames is not None:
            ours = ours[:, np.minimum(np.arange(frames), ours.shape[1] - 1)]
        expected = sample(index)
        error = np.abs(ours - expected).max() / np.abs(expected).max()
        assert error < 1e-5, f"clip {index} differs by {error:.1e}"


def time_batches(job, plain, data, transforms, batch_size, options):
    import feeders

    arguments = {
        "batch_size": batch_size,
        "shuffle": True,
        "drop_remainder": True,
    }
    batches = {
        "plain": feeders.loader(plain, batch_size),
        "to_keras": data.to_keras(transforms, **arguments),
        "to_dataset": data.to_dataset(transforms, **arguments),
    }
    count = len(data) // batch_size * batch_size

    def drain(source):
        received = sum(len(clips) for clips, _ in source)
        assert received == count

    functions = {
        name: lambda source=source: drain(source)
        for name, source in batches.items()
    }
    for function in functions.values():
        function()
    yield from table(job, "clips", alternate(functions, options.repeats, count))


def table(job, unit, rates):
    yield ""
    yield f"| | {unit} per second | ratio | aim |"
    yield "|---|---|---|---|"
    for name, rate in rates.items():
        ratio = rate / rates["plain"]
        aim = "" if name == "plain" else f"{AIMS[job]:.0f}"
        yield f"| {name} | {rate:.0f} | {ratio:.1f} | {aim} |"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--jobs", nargs="+", choices=JOBS, default=JOBS)
    parser.add_argument("--files", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=24)
    parser.add_argument("--clips", type=int, default=1024)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument(
        "--write", action="store_true", help="put the tables into README.md"
    )
    options = parser.parse_args()
    options.cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, options.cores[:1])
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = "1"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import torch

    torch.set_num_threads(1)
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
    lines = [timing.describe_machine(1, os.getloadavg()[0])]
    print(lines[0], flush=True)
    timers = {"raw": time_raw, "mamp": time_mamp, "nw_ucla": time_nw_ucla}
    for job in options.jobs:
        lines.append("")
        print(flush=True)
        for line in timers[job](options):
            print(line, flush=True)
            lines.append(line)
    if options.write:
        page = pathlib.Path(__file__).with_name("README.md")
        timing.write_table(page, lines, START, END)


if __name__ == "__main__":
    main()
