"""Times MAMP against the same model in plain PyTorch (`twins.py`).

    python benchmarks/mamp.py --backends tensorflow torch jax --write

Both models have the same weights; before anything is timed, their outputs are
compared. Each runs in a process of its own, on the same number of cores, and
they take turns call by call, so that what else the machine does hits both.
Of all calls the fastest counts.

With batch 16, a training step of the full size needs up to 20 GB of memory
on backends that keep the attention weights. Cases that do not fit into the
free memory are left out and named.
"""

import argparse
import dataclasses
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
JOBS = ("inference", "fine-tuning", "pre-training")
# The best backend, and each of them, may take this share of the twin's time.
AIMS = {"inference": 0.65, "fine-tuning": 0.8, "pre-training": 0.8}
LIMITS = {"tensorflow": 1.5, "torch": 1.5, "jax": 2.0}
NETWORK = {
    "hidden_dim": 256,
    "num_layers": 8,
    "num_heads": 8,
    "segment_length": 4,
}
DECODER = {"decoder_dim": 256, "decoder_layers": 3}
MASKING = {"mask_ratio": 0.9, "masking_temperature": 0.8}
HEAD = {"head_dim": 2048, "head_dropout_rate": 0.3}
SIZES = {
    "full": {"input_shape": (2, 120, 25, 3), "skeleton": "ntu", "classes": 60},
    "small": {
        "input_shape": (1, 60, 20, 3),
        "skeleton": "nw_ucla",
        "classes": 10,
    },
}
START, END = "<!-- results -->", "<!-- end of results -->"


@dataclasses.dataclass(frozen=True)
class Case:
    size: str
    job: str
    batch: int

    @property
    def persons(self):
        return self.batch * SIZES[self.size]["input_shape"][0]

    def data(self):
        """Clips and labels, the same in every process."""
        generator = np.random.default_rng(0)
        settings = SIZES[self.size]
        clips = generator.normal(size=(self.batch, *settings["input_shape"]))
        labels = generator.integers(settings["classes"], size=self.batch)
        return clips.astype("float32"), labels.astype("int64")

    def gigabytes(self):
        """About what ours needs if the attention weights are kept."""
        _, frames, joints, _ = SIZES[self.size]["input_shape"]
        length = frames // NETWORK["segment_length"] * joints
        layers = NETWORK["num_layers"]
        if self.job == "inference":
            layers = 2
        if self.job == "pre-training":
            layers = DECODER["decoder_layers"] + 1
        weights = 2.5 * NETWORK["num_heads"] * length**2
        tokens = 24 * length * NETWORK["hidden_dim"]
        return 1 + 4 * layers * self.persons * (weights + tokens) / 1e9


class Ours:
    """Our model on one backend."""

    def __init__(self, case, backend, threads):
        if backend == "tensorflow":
            import tensorflow as tf

            tf.config.threading.set_intra_op_parallelism_threads(threads)
            tf.config.threading.set_inter_op_parallelism_threads(threads)
        elif backend == "torch":
            import torch

            torch.set_num_threads(threads)
        import keras

        from keras_skeleton.applications import MAMP
        from keras_skeleton.applications import MAMPPretext
        from keras_skeleton.losses import SmoothedCrossentropy
        from keras_skeleton.pretext import LayerwiseAdamW

        keras.utils.set_random_seed(0)
        self.numpy = keras.ops.convert_to_numpy
        self.case = case
        self.clips, self.labels = case.data()
        settings = {**SIZES[case.size], **NETWORK}
        classes = settings.pop("classes")
        if case.job == "pre-training":
            self.model = MAMPPretext(**settings, **DECODER, **MASKING)
            self.model.compile(LayerwiseAdamW(1e-3, beta_2=0.95))
        else:
            self.model = MAMP(
                **settings, **HEAD, classes=classes, drop_path_rate=0.3
            )
            self.model.compile(
                LayerwiseAdamW(3e-4), loss=SmoothedCrossentropy(0.1)
            )

    def compute(self, weights=None):
        """Outputs to compare, and the weights they were computed with."""
        weights = {
            variable.path: np.array(self.numpy(variable.value))
            for variable in self.model.weights
            if "seed_generator" not in variable.path
        }
        if self.case.job == "pre-training":
            outputs = self.model(self.clips, training=False)
            names = ("prediction", "target", "mask")
            outputs = [np.array(self.numpy(outputs[key])) for key in names]
        else:
            outputs = [self.model.predict_on_batch(self.clips)]
        return outputs, weights

    def step(self):
        if self.case.job == "inference":
            self.model.predict_on_batch(self.clips)
        elif self.case.job == "fine-tuning":
            self.model.train_on_batch(self.clips, self.labels)
        else:
            self.model.train_on_batch(self.clips)


class Twin:
    """The same model in plain PyTorch."""

    def __init__(self, case, backend, threads):
        import torch
        import twins

        torch.set_num_threads(threads)
        torch.manual_seed(0)
        self.torch, self.twins, self.case = torch, twins, case
        self.clips, self.labels = map(torch.from_numpy, case.data())
        settings = SIZES[case.size]
        shape = settings["input_shape"]
        rate = 0.0 if case.job == "pre-training" else 0.3
        encoder = twins.Encoder(shape, **NETWORK, drop_path_rate=rate)
        if case.job == "pre-training":
            heads = NETWORK["num_heads"]
            self.model = twins.Pretext(
                encoder, shape, heads, **DECODER, **MASKING
            )
            self.optimizer = twins.optimizer(self.model, 1e-3, 0.95)
        else:
            self.model = twins.Classifier(
                encoder, shape, settings["classes"], **HEAD
            )
            self.optimizer = twins.optimizer(self.model, 3e-4, 0.999)

    def compute(self, ours):
        """Outputs with the weights, and the mask, of our model."""
        outputs, weights = ours
        self.twins.copy_weights(weights, self.model)
        self.model.eval()
        with self.torch.inference_mode():
            if self.case.job == "pre-training":
                kept = np.nonzero(outputs[2] == 0)[1]
                kept = kept.reshape(len(outputs[2]), -1)
                result = self.model(self.clips, self.torch.from_numpy(kept))
            else:
                result = [self.model(self.clips)]
        self.model.train(self.case.job != "inference")
        return [tensor.numpy() for tensor in result]

    def step(self):
        if self.case.job == "inference":
            with self.torch.inference_mode():
                self.model(self.clips).numpy()
            return
        self.optimizer.zero_grad()
        if self.case.job == "fine-tuning":
            loss = self.model.loss(self.clips, self.labels)
        else:
            loss = self.model.loss(self.clips)
        loss.backward()
        self.optimizer.step()
        loss.item()


def serve(connection, kind, case, backend, threads):
    """Runs in a process of its own and does what it is told."""
    model = kind(case, backend, threads)
    while True:
        order, argument = connection.recv()
        if order == "compute":
            connection.send(model.compute(argument))
        elif order == "step":
            # Idle threads of the other process may spin for some milliseconds.
            time.sleep(0.05)
            start = time.perf_counter()
            model.step()
            connection.send(time.perf_counter() - start)
        else:
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            connection.send(peak / 1e6)
            return


class Worker:
    def __init__(self, *arguments):
        context = multiprocessing.get_context("spawn")
        self.connection, other = context.Pipe()
        self.process = context.Process(
            target=serve, args=(other, *arguments), daemon=True
        )
        self.process.start()
        other.close()

    def ask(self, order, argument=None):
        self.connection.send((order, argument))
        return self.connection.recv()

    def close(self):
        self.connection.close()
        self.process.kill()
        self.process.join()


def measure(case, backend, threads, repeats):
    """Seconds of ours and of the twin, and the peak memory of both in GB."""
    os.environ["KERAS_BACKEND"] = backend
    workers = []
    try:
        for kind in (Ours, Twin):
            workers.append(Worker(kind, case, backend, threads))
        ours, twin = workers
        computed = ours.ask("compute")
        compare(computed[0], twin.ask("compute", computed))
        seconds = np.empty((2 + repeats, 2))
        for row in seconds:
            row[:] = [worker.ask("step") for worker in workers]
        # The first calls compile.
        return (
            seconds[2:].min(axis=0),
            [worker.ask("stop") for worker in workers],
        )
    except (EOFError, ConnectionError) as error:
        raise RuntimeError(
            "a process ended early, for want of memory or with the error "
            "printed above"
        ) from error
    finally:
        for worker in workers:
            worker.close()


def compare(ours, twins):
    for one, other in zip(ours, twins, strict=True):
        error = np.abs(one - other).max() / np.abs(one).max()
        if not error < 1e-4:
            raise RuntimeError(
                f"the twin computes something else: relative error {error:.1e}"
            )


def free_gigabytes():
    for line in pathlib.Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable"):
            return int(line.split()[1]) / 1e6
    return 0.0


def run(options):
    """Measures all chosen cases; yields the lines of the table."""
    yield "| size | job | batch | backend | ours, ms | twin, ms | ratio |" + (
        " ours, GB | twin, GB |"
    )
    yield "|---|---|---|---|---|---|---|---|---|"
    failures = []
    for size in options.sizes:
        for job in options.jobs:
            for batch in options.batches:
                # Batch normalization cannot train on a single clip.
                smallest = 2 if job == "fine-tuning" else 1
                case = Case(size, job, max(batch, smallest))
                ratios = {}
                for backend in options.backends:
                    line, ratio = run_case(case, backend, options)
                    if ratio:
                        ratios[backend] = ratio
                    yield line
                failures += check_aims(case, ratios)
    yield ""
    yield from failures or ["All aims are met in what was measured."]


def run_case(case, backend, options):
    start = f"| {case.size} | {case.job} | {case.batch} | {backend} |"
    needed, free = 1.5 * case.gigabytes(), free_gigabytes()
    if needed > free:
        return (
            f"{start} left out: needs about {needed:.0f} GB, {free:.0f} GB "
            "are free | | | | |",
            None,
        )
    try:
        (ours, twin), memory = measure(
            case, backend, options.threads, options.repeats
        )
    except RuntimeError as error:
        return f"{start} failed: {error} | | | | |", None
    return (
        f"{start} {1000 * ours:.1f} | {1000 * twin:.1f} | "
        f"{ours / twin:.2f} | {memory[0]:.1f} | {memory[1]:.1f} |",
        ours / twin,
    )


def check_aims(case, ratios):
    name = f"{case.size} {case.job} with batch {case.batch}"
    if ratios and min(ratios.values()) > AIMS[case.job]:
        yield (
            f"- Aim missed: {name}, best backend {min(ratios.values()):.2f} "
            f"of the twin, aim {AIMS[case.job]}."
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


def write_table(path, lines, start=START, end=END):
    """Replaces the part of a page between the two marks."""
    text = path.read_text(encoding="utf-8")
    before, _, rest = text.partition(start)
    after = rest.partition(end)[2]
    text = f"{before}{start}\n\n" + "\n".join(lines) + f"\n\n{end}{after}"
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    several = functools.partial(parser.add_argument, nargs="+")
    several("--backends", default=BACKENDS, choices=BACKENDS)
    several("--sizes", default=tuple(SIZES), choices=SIZES)
    several("--jobs", default=JOBS, choices=JOBS)
    several("--batches", default=(1, 16), type=int)
    parser.add_argument("--threads", default=2, type=int)
    parser.add_argument("--repeats", default=8, type=int)
    parser.add_argument(
        "--write", action="store_true", help="put the table into README.md"
    )
    options = parser.parse_args()
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
        write_table(pathlib.Path(__file__).with_name("README.md"), lines)


if __name__ == "__main__":
    main()
