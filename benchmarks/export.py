"""Exports the graph networks, and times the exported files.

    python benchmarks/export.py --backends tensorflow torch jax --write

Every model of full size, with random weights, is exported by `model.export`
on a backend. Another process, without Keras, runs the file: ONNX by
onnxruntime, LiteRT by ai-edge-litert, SavedModel by TensorFlow. Before it is
timed on single clips, its outputs are compared with those of the model. Where
there is no file, or it does not run, the table says why.
"""

import dataclasses
import os
import pathlib
import tempfile

import graphs
import numpy as np
import timing

NETWORKS = {
    **graphs.NETWORKS,
    "PSUMNet NTU": {
        "name": "PSUMNet",
        "input_shape": (2, 64, 25, 3),
        "skeleton": "ntu",
        "classes": 60,
    },
}
ARGUMENTS = ("input_shape", "skeleton", "classes", "part")
FORMATS = {"tf_saved_model": "", "onnx": ".onnx", "litert": ".tflite"}
START, END = "<!-- export results -->", "<!-- end of export results -->"


@dataclasses.dataclass(frozen=True)
class Case:
    network: str
    path: str = ""

    def clips(self):
        """One clip, the same in every process."""
        shape = (1, *NETWORKS[self.network]["input_shape"])
        generator = np.random.default_rng(0)
        return generator.normal(size=shape).astype("float32")


class Model:
    """A model on one backend, which exports itself."""

    def __init__(self, case, backend, threads):
        timing.limit_threads(backend, threads)
        import keras

        from keras_skeleton import applications

        keras.utils.set_random_seed(0)
        self.clips = case.clips()
        settings = NETWORKS[case.network]
        network = getattr(applications, settings["name"])
        self.model = network(
            **{key: settings[key] for key in ARGUMENTS if key in settings}
        )
        # With a fixed number of clips, JAX takes many times as long.
        batch = None if backend == "jax" else 1
        shape = (batch, *self.clips.shape[1:])
        self.signature = [keras.InputSpec("float32", shape)]

    def compute(self, argument):
        """Writes a file; returns the model's scores, or what went wrong."""
        path, form = argument
        try:
            self.model.export(
                path,
                format=form,
                input_signature=self.signature,
                verbose=False,
            )
        except Exception as error:
            return f"not exported: {describe(error)} | | | |"
        return self.model.predict_on_batch(self.clips)


class File:
    """An exported file."""

    def __init__(self, case, backend, threads):
        self.case, self.threads = case, threads
        self.clips = case.clips()

    def compute(self, _):
        """The scores of the file, or what went wrong."""
        suffix = pathlib.Path(self.case.path).suffix
        load = {"": saved_model, ".onnx": onnx, ".tflite": litert}[suffix]
        try:
            self.run = load(self.case.path, self.threads)
            return np.array(self.run(self.clips))
        except Exception as error:
            return describe(error)

    def step(self):
        self.run(self.clips)


def saved_model(path, threads):
    timing.limit_threads("tensorflow", threads)
    import tensorflow as tf

    model = tf.saved_model.load(path)
    return lambda clips: model.serve(clips).numpy()


def onnx(path, threads):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(
        path, options, providers=["CPUExecutionProvider"]
    )
    name = session.get_inputs()[0].name
    return lambda clips: session.run(None, {name: clips})[0]


def litert(path, threads):
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(path, num_threads=threads)
    interpreter.allocate_tensors()
    inputs = interpreter.get_input_details()[0]["index"]
    outputs = interpreter.get_output_details()[0]["index"]

    def run(clips):
        interpreter.set_tensor(inputs, clips)
        interpreter.invoke()
        return interpreter.get_tensor(outputs)

    return run


def describe(error):
    lines = str(error).strip().splitlines() or [""]
    text = f"{type(error).__name__}: {lines[0]}".replace("|", "/")
    return text if len(text) <= 100 else text[:97] + "..."


def run(options):
    """Measures all chosen models; yields the lines of the table."""
    yield "| model | backend | format | MB | fastest, ms | median, ms |" + (
        " twin's fastest, ms | ratio |"
    )
    yield "|---|---|---|---|---|---|---|---|"
    for network in options.networks:
        for backend in options.backends:
            with tempfile.TemporaryDirectory() as folder:
                yield from run_model(network, backend, folder, options)


def run_model(network, backend, folder, options):
    model = timing.Worker(Model, Case(network), backend, options.threads)
    try:
        for form in options.formats:
            path = os.path.join(folder, f"model{FORMATS[form]}")
            try:
                expected = model.ask("compute", (path, form))
                found = expected
                if not isinstance(expected, str):
                    case = Case(network, path)
                    found = run_file(case, backend, expected, options)
            except RuntimeError as error:
                found = str(error)
            yield f"| {network} | {backend} | {form} | {found} |"
    finally:
        model.close()


def run_file(case, backend, expected, options):
    """Size and times of a file, or what went wrong."""
    workers = [timing.Worker(File, case, backend, options.threads)]
    try:
        scores = workers[0].ask("compute")
        if isinstance(scores, str):
            return f"does not run: {scores} | | | |"
        timing.compare([expected], [scores], 1e-5)
        # PSUMNet's three together have no twin.
        if case.network in graphs.NETWORKS:
            twin = graphs.Case(case.network, "inference", 1)
            workers.append(
                timing.Worker(graphs.Twin, twin, "torch", options.threads)
            )
        times = 1000 * timing.take_turns(workers, options.repeats)
    finally:
        for worker in workers:
            worker.close()
    fastest, *twin = np.min(times, axis=0)
    median = np.median(times, axis=0)[0]
    cells = [megabytes(case.path), fastest, median, *twin]
    ratio = f"{fastest / twin[0]:.2f}" if twin else "| "
    return " | ".join([*(f"{cell:.1f}" for cell in cells), ratio])


def megabytes(path):
    path = pathlib.Path(path)
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(each.stat().st_size for each in files) / 1e6


def main():
    parser, several = timing.options_parser(__doc__)
    several("--networks", default=tuple(NETWORKS), choices=NETWORKS)
    several("--formats", default=tuple(FORMATS), choices=FORMATS)
    timing.report(run, parser.parse_args(), START, END)


if __name__ == "__main__":
    main()
