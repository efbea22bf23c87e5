"""Times EPAM-Net against plain PyTorch (`epam_twin.py`).

    python benchmarks/epamnet.py --backends tensorflow torch jax --write

The published network, from the pictures of the pose on, which the twin does
not draw. Both models have the same weights; before anything is timed, their
scores are compared. Each runs in a process of its own, on the same number of
cores, and they take turns call by call. Of all calls the fastest counts.
"""

import dataclasses

import numpy as np
import timing

AIMS = {"inference": 0.6, "training": 0.8}
START, END = "<!-- epamnet -->", "<!-- end of epamnet -->"
CLASSES = 60


@dataclasses.dataclass(frozen=True)
class Case:
    job: str
    batch: int

    def data(self):
        """Video, pictures of the pose and labels, channels last."""
        generator = np.random.default_rng(0)
        video = generator.normal(size=(self.batch, 16, 224, 224, 3))
        pose = generator.uniform(size=(self.batch, 48, 56, 56, 17)) ** 20
        labels = generator.integers(CLASSES, size=self.batch)
        return video.astype("float32"), pose.astype("float32"), labels


class Ours:
    """Our model on one backend."""

    def __init__(self, case, backend, threads):
        timing.limit_threads(backend, threads)
        import keras

        from keras_skeleton.applications import EPAMNet
        from keras_skeleton.losses import JointCrossentropy
        from keras_skeleton.weights import load_official

        self.case, self.load = case, load_official
        *self.inputs, self.labels = case.data()
        self.model = EPAMNet(classes=CLASSES)
        layer = self.model.get_layer
        start = [self.model.input["video"], layer("heatmaps").output]
        scores = [
            layer(f"{stream}_scores").output
            for stream in ("video", "skeletons")
        ]
        self.network = keras.Model(start, keras.ops.stack(scores, axis=1))
        self.network.compile(
            keras.optimizers.SGD(0.0015, momentum=0.9), JointCrossentropy()
        )

    def compute(self, twins):
        """Scores with the weights of the twin."""
        _, weights = twins
        self.load(self.model, weights)
        return [self.network.predict_on_batch(self.inputs)]

    def step(self):
        if self.case.job == "inference":
            self.network.predict_on_batch(self.inputs)
        else:
            self.network.train_on_batch(self.inputs, self.labels)


class Twin:
    """The same model in plain PyTorch."""

    def __init__(self, case, backend, threads):
        import epam_twin
        import torch

        torch.set_num_threads(threads)
        torch.manual_seed(0)
        self.torch, self.case = torch, case
        *inputs, labels = case.data()
        self.inputs = [
            torch.from_numpy(np.ascontiguousarray(np.moveaxis(x, -1, 1)))
            for x in inputs
        ]
        self.labels = torch.from_numpy(labels)
        self.model = epam_twin.EPAMNet(CLASSES)
        self.optimizer = torch.optim.SGD(
            self.model.parameters(), 0.0015, momentum=0.9
        )

    def compute(self, _):
        """Scores, and the weights they were computed with."""
        self.model.eval()
        with self.torch.inference_mode():
            scores = self.torch.stack(self.model(*self.inputs), dim=1).numpy()
        weights = {k: v.numpy() for k, v in self.model.state_dict().items()}
        self.model.train(self.case.job != "inference")
        return [scores], weights

    def step(self):
        if self.case.job == "inference":
            with self.torch.inference_mode():
                self.model(*self.inputs)
            return
        self.optimizer.zero_grad()
        loss = self.torch.nn.functional.cross_entropy
        total = sum(
            loss(each, self.labels) for each in self.model(*self.inputs)
        )
        total.backward()
        self.optimizer.step()
        total.item()


def run(options):
    """Measures all chosen cases; yields the lines of the table."""
    yield "| job | batch | backend | ours, ms | twin, ms | ratio |" + (
        " ours, GB | twin, GB |"
    )
    yield "|---|---|---|---|---|---|---|---|"
    failures = []
    for job in options.jobs:
        case, ratios = Case(job, options.batch), {}
        for backend in options.backends:
            start = f"| {job} | {case.batch} | {backend} |"
            line, ratio = timing.row(
                start, (Ours, Twin), case, backend, options, first=1
            )
            if ratio:
                ratios[backend] = ratio
            yield line
        failures += timing.check_aims(job, ratios, AIMS[job])
    yield ""
    yield from failures or ["All aims are met in what was measured."]


def main():
    parser, several = timing.options_parser(__doc__)
    several("--jobs", default=tuple(AIMS), choices=AIMS)
    parser.add_argument("--batch", default=1, type=int)
    timing.report(run, parser.parse_args(), START, END)


if __name__ == "__main__":
    main()
