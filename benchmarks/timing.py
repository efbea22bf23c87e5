"""What the benchmarks of models share: processes, turns, tables.

A model to be measured is a class that is called with a case, a backend and a
number of threads, with two methods: `step()` does once what is timed, and
`compute(other)` gives outputs to compare. The model that is computed first
gets `None` there and returns outputs and weights; the other gets both and
returns outputs.
"""

import argparse
import functools
import importlib.metadata
import multiprocessing
import os
import pathlib
import platform
import resource
import time

import numpy as np

BACKENDS = ("tensorflow", "torch", "jax")
# No backend may take more than this share of the twin's time.
LIMITS = {"tensorflow": 1.5, "torch": 1.5, "jax": 2.0}
ENDED = (
    "a process ended early, for want of memory or with the error printed above"
)


def limit_threads(backend, threads):
    """To be called before Keras is imported."""
    if backend == "tensorflow":
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
    elif backend == "torch":
        import torch

        torch.set_num_threads(threads)


def serve(connection, memory, kind, *arguments):
    """Runs in a process of its own and does what it is told."""
    if memory:
        # Rather an error here than the end of some other process.
        limit = int(memory * 1e9)
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    model = kind(*arguments)
    while True:
        try:
            order, argument = connection.recv()
        except EOFError:
            # Who gave the orders has ended.
            return
        if order == "compute":
            connection.send(model.compute(argument))
        elif order == "step":
            # Idle threads of the other process may spin for some milliseconds.
            time.sleep(0.05)
            calls, clock = argument
            clock, seconds = getattr(time, clock), []
            for _ in range(calls):
                start = clock()
                model.step()
                seconds.append(clock() - start)
            connection.send(min(seconds))
        else:
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            connection.send(peak / 1e6)
            return


class Worker:
    def __init__(self, kind, case, backend, threads, memory=None):
        os.environ["KERAS_BACKEND"] = backend
        context = multiprocessing.get_context("spawn")
        self.connection, other = context.Pipe()
        self.process = context.Process(
            target=serve,
            args=(other, memory, kind, case, backend, threads),
            daemon=True,
        )
        self.process.start()
        other.close()

    def ask(self, order, argument=None):
        try:
            self.connection.send((order, argument))
            return self.connection.recv()
        except (EOFError, ConnectionError) as error:
            raise RuntimeError(ENDED) from error

    def close(self):
        self.connection.close()
        self.process.kill()
        self.process.join()


def measure(
    kinds,
    case,
    backend,
    threads,
    repeats,
    first=0,
    tolerance=1e-4,
    calls=1,
    clock="perf_counter",
):
    """Times two models in turns.

    Args:
        kinds: Classes of both models.
        case: What both are called with.
        backend: Backend of Keras.
        threads: Threads of each.
        repeats: Turns of each that count.
        first: Which of the two is computed first.
        tolerance: Relative, of the other's outputs.
        calls: Calls in a row in each turn, of which the fastest counts.
        clock: See `take_turns`.

    Returns:
        Of both, the seconds of the fastest call and the peak memory in GB.
    """
    workers = []
    try:
        for kind in kinds:
            workers.append(Worker(kind, case, backend, threads))
        computed = workers[first].ask("compute")
        other = workers[1 - first].ask("compute", computed)
        compare(computed[0], other, tolerance)
        return (
            take_turns(workers, repeats, calls, clock).min(axis=0),
            [worker.ask("stop") for worker in workers],
        )
    finally:
        for worker in workers:
            worker.close()


def row(start, kinds, case, backend, options, **measured):
    """A line of a table with times and memory, and the ratio.

    Args:
        start: What the line begins with.
        kinds: Ours and the twin.
        case: What both compute.
        backend: The backend of ours.
        options: What `options_parser` gives.
        **measured: Further arguments of `measure`.

    Returns:
        The line, and the ratio or `None` where it failed.
    """
    try:
        (ours, twin), memory = measure(
            kinds,
            case,
            backend,
            options.threads,
            options.repeats,
            clock=options.clock,
            **measured,
        )
    except RuntimeError as error:
        return f"{start} failed: {error} | | | | |", None
    return (
        f"{start} {1000 * ours:.1f} | {1000 * twin:.1f} | "
        f"{ours / twin:.2f} | {memory[0]:.1f} | {memory[1]:.1f} |",
        ours / twin,
    )


def take_turns(workers, repeats, calls=1, clock="perf_counter"):
    """Seconds of the fastest call in each turn (rows) of each worker.

    Args:
        workers: The workers.
        repeats: Turns that count.
        calls: Calls in a row in each turn.
        clock: Name of the clock in `time`. `"process_time"` does not count
            what else the machine does, but adds up threads.
    """
    turns = [
        [worker.ask("step", (calls, clock)) for worker in workers]
        for _ in range(2 + repeats)
    ]
    # The first calls compile.
    return np.array(turns[2:])


def peak_memory(kind, case, backend, threads, steps=2):
    """Peak memory in GB of some steps in a process of their own."""
    worker = Worker(kind, case, backend, threads, 0.9 * free_gigabytes())
    try:
        for _ in range(steps):
            worker.ask("step", (1, "perf_counter"))
        return worker.ask("stop")
    finally:
        worker.close()


def compare(ours, twins, tolerance):
    for one, other in zip(ours, twins, strict=True):
        error = np.abs(one - other).max() / np.abs(one).max()
        if not error < tolerance:
            raise RuntimeError(
                f"the twin computes something else: relative error {error:.1e}"
            )


def free_gigabytes():
    for line in pathlib.Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable"):
            return int(line.split()[1]) / 1e6
    return 0.0


def check_aims(name, ratios, aim):
    """Lines about what takes a larger share of the twin's time than wanted.

    Args:
        name: What was measured.
        ratios: Dict from backends to shares.
        aim: The share that the best backend may take.
    """
    if ratios and min(ratios.values()) > aim:
        yield (
            f"- Aim missed: {name}, best backend {min(ratios.values()):.2f} "
            f"of the twin, aim {aim}."
        )
    for backend, ratio in ratios.items():
        if ratio > LIMITS[backend]:
            yield (
                f"- Aim missed: {name} on {backend}, {ratio:.2f} of the twin, "
                f"aim {LIMITS[backend]}."
            )


def describe_machine(threads, load):
    packages = ("keras", "tensorflow-cpu", "tensorflow", "torch", "jax")
    versions = []
    for package in packages:
        try:
            versions.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return (
        f"{threads} threads of {os.cpu_count()} ({platform.machine()}), "
        f"Python {platform.python_version()}, {', '.join(versions)}. "
        f"Load of the machine before: {load:.1f}."
    )


def write_table(path, lines, start, end):
    """Replaces the part of a page between the two marks."""
    text = path.read_text(encoding="utf-8")
    before, mark, rest = text.partition(start)
    if not mark or end not in rest:
        raise ValueError(f"{path} has no part between {start!r} and {end!r}.")
    after = rest.partition(end)[2]
    text = f"{before}{start}\n\n" + "\n".join(lines) + f"\n\n{end}{after}"
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)


def options_parser(description):
    """A parser with the options of every benchmark of models, and `several`.

    `several` adds an option that takes more than one value.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawTextHelpFormatter
    )
    several = functools.partial(parser.add_argument, nargs="+")
    several("--backends", default=BACKENDS, choices=BACKENDS)
    parser.add_argument("--threads", default=2, type=int)
    parser.add_argument("--repeats", default=8, type=int)
    parser.add_argument(
        "--clock",
        default="perf_counter",
        choices=("perf_counter", "process_time"),
        help="process_time, with one thread, on a machine that does more",
    )
    parser.add_argument(
        "--write", action="store_true", help="put the table into README.md"
    )
    return parser, several


def report(run, options, start, end):
    """Prints the lines of `run(options)`, and writes them if asked to."""
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, cores[: options.threads])
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    lines = [describe_machine(options.threads, os.getloadavg()[0]), ""]
    print(lines[0] + "\n", flush=True)
    for line in run(options):
        print(line, flush=True)
        lines.append(line)
    if options.write:
        page = pathlib.Path(__file__).with_name("README.md")
        write_table(page, lines, start, end)
