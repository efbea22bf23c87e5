"""Times CascadeFormer against plain PyTorch (`cascade_twin.py`).

    python benchmarks/cascadeformer.py --backends tensorflow torch jax --write

Both models have the same weights; before anything is timed, their outputs are
compared. Each runs in a process of its own, on the same number of cores, and
they take turns call by call. Of all calls the fastest counts.
"""

import dataclasses

import numpy as np
import timing

# The best backend may take this share of the twin's time.
AIMS = {"inference": 0.6, "fine-tuning": 0.8, "pre-training": 0.8}
SIZES = {
    "NW-UCLA": {"input_shape": (1, 64, 20, 3), "skeleton": "nw_ucla"},
    "Penn Action": {"input_shape": (1, 96, 13, 2), "skeleton": "penn13"},
}
CLASSES = 15
CASES = (
    ("inference", 1),
    ("inference", 16),
    ("fine-tuning", 16),
    ("pre-training", 16),
)
START, END = "<!-- cascadeformer -->", "<!-- end of cascadeformer -->"


@dataclasses.dataclass(frozen=True)
class Case:
    size: str
    job: str
    batch: int

    @property
    def input_shape(self):
        return SIZES[self.size]["input_shape"]

    def data(self):
        """Clips and labels, the same in every process."""
        generator = np.random.default_rng(0)
        clips = generator.normal(size=(self.batch, *self.input_shape))
        labels = generator.integers(CLASSES, size=self.batch)
        return clips.astype("float32"), labels.astype("int64")


class Ours:
    """Our model on one backend."""

    def __init__(self, case, backend, threads):
        timing.limit_threads(backend, threads)
        import keras

        from keras_skeleton import applications
        from keras_skeleton.losses import SmoothedCrossentropy
        from keras_skeleton.weights.conversion import variables_of

        keras.utils.set_random_seed(0)
        self.keras, self.variables_of = keras, variables_of
        self.case = case
        self.clips, self.labels = case.data()
        arguments = SIZES[case.size]
        if case.job == "pre-training":
            self.model = applications.CascadeFormerPretext(**arguments)
            self.model.compile(keras.optimizers.Adam(1e-4))
        else:
            self.model = applications.CascadeFormer(
                **arguments, classes=CLASSES
            )
            self.model.compile(
                keras.optimizers.AdamW(3e-5, weight_decay=1e-4),
                loss=SmoothedCrossentropy(),
            )

    def compute(self, _):
        """Outputs to compare, and the weights they were computed with."""
        numpy = self.keras.ops.convert_to_numpy
        weights = {
            path: np.array(numpy(variable.value))
            for path, variable in self.variables_of(self.model).items()
        }
        if self.case.job != "pre-training":
            return [self.model.predict_on_batch(self.clips)], weights
        outputs = self.model(self.clips, training=False)
        names = ("prediction", "mask")
        return [np.array(numpy(outputs[name])) for name in names], weights

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
        import cascade_twin
        import torch

        torch.set_num_threads(threads)
        torch.manual_seed(0)
        self.torch, self.case = torch, case
        self.copy_weights = cascade_twin.copy_weights
        self.clips, self.labels = map(torch.from_numpy, case.data())
        classes = None if case.job == "pre-training" else CLASSES
        self.model = cascade_twin.CascadeFormer(case.input_shape, classes)
        if classes is None:
            self.optimizer = torch.optim.Adam(self.model.parameters(), 1e-4)
        else:
            self.optimizer = torch.optim.AdamW(
                self.model.parameters(), 3e-5, weight_decay=1e-4
            )

    def compute(self, ours):
        """Outputs with the weights, and the mask, of our model."""
        outputs, weights = ours
        self.copy_weights(weights, self.model)
        self.model.eval()
        with self.torch.inference_mode():
            if self.case.job == "pre-training":
                mask = self.torch.from_numpy(outputs[1])
                result = [self.model.predict(self.clips, mask), mask]
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
            loss = self.model.pretext_loss(self.clips)
        loss.backward()
        self.optimizer.step()
        loss.item()


def run(options):
    """Measures all chosen cases; yields the lines of the table."""
    yield "| data | job | batch | backend | ours, ms | twin, ms | ratio |" + (
        " ours, GB | twin, GB |"
    )
    yield "|---|---|---|---|---|---|---|---|---|"
    failures = []
    for size in options.sizes:
        for job, batch in CASES:
            if job not in options.jobs:
                continue
            case, ratios = Case(size, job, batch), {}
            for backend in options.backends:
                start = f"| {size} | {job} | {batch} | {backend} |"
                line, ratio = timing.row(
                    start, (Ours, Twin), case, backend, options
                )
                if ratio:
                    ratios[backend] = ratio
                yield line
            name = f"{size} {job} with batch {batch}"
            failures += timing.check_aims(name, ratios, AIMS[job])
    yield ""
    yield from failures or ["All aims are met in what was measured."]


def main():
    parser, several = timing.options_parser(__doc__)
    several("--sizes", default=tuple(SIZES), choices=SIZES)
    several("--jobs", default=tuple(AIMS), choices=AIMS)
    timing.report(run, parser.parse_args(), START, END)


if __name__ == "__main__":
    main()
