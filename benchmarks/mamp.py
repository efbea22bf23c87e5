"""Times MAMP and STARS against the same model in plain PyTorch (`twins.py`).

    python benchmarks/mamp.py --backends tensorflow torch jax --write

Both models have the same weights; before anything is timed, their outputs are
compared. Each runs in a process of its own, on the same number of cores, and
they take turns call by call, so that what else the machine does hits both.
Of all calls the fastest counts.

With batch 16, a training step of the full size needs up to 20 GB of memory
on backends that keep the attention weights. Cases that do not fit into the
free memory are left out and named.
"""

import dataclasses

import numpy as np
import timing

# The best backend may take this share of the twin's time.
AIMS = {
    "inference": 0.65,
    "fine-tuning": 0.8,
    "pre-training": 0.8,
    "tuning": 0.8,
}
JOBS = tuple(AIMS)
NETWORK = {
    "hidden_dim": 256,
    "num_layers": 8,
    "num_heads": 8,
    "segment_length": 4,
}
DECODER = {"decoder_dim": 256, "decoder_layers": 3}
MASKING = {"mask_ratio": 0.9, "masking_temperature": 0.8}
TUNING = {"predictor_dim": 4096, "queue_size": 32768, "temperature": 0.07}
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
        if self.job == "tuning":
            layers = layers // 2 + 1
        weights = 2.5 * NETWORK["num_heads"] * length**2
        tokens = 24 * length * NETWORK["hidden_dim"]
        return 1 + 4 * layers * self.persons * (weights + tokens) / 1e9


class Ours:
    """Our model on one backend."""

    def __init__(self, case, backend, threads):
        timing.limit_threads(backend, threads)
        import keras

        from keras_skeleton.applications import MAMP
        from keras_skeleton.applications import MAMPPretext
        from keras_skeleton.applications import STARSPretext
        from keras_skeleton.losses import SmoothedCrossentropy
        from keras_skeleton.training import LayerwiseAdamW
        from keras_skeleton.training import layerwise_scales
        from keras_skeleton.weights.conversion import variables_of

        self.variables_of = variables_of
        keras.utils.set_random_seed(0)
        self.numpy = keras.ops.convert_to_numpy
        self.case = case
        self.clips, self.labels = case.data()
        settings = {**SIZES[case.size], **NETWORK}
        classes = settings.pop("classes")
        if case.job == "pre-training":
            self.model = MAMPPretext(**settings, **DECODER, **MASKING)
            self.model.compile(LayerwiseAdamW(1e-3, beta_2=0.95))
        elif case.job == "tuning":
            self.model = STARSPretext(**settings, **TUNING)
            self.model.compile(
                LayerwiseAdamW(
                    1e-3,
                    weight_decay=0.01,
                    decay_vectors=True,
                    beta_2=0.95,
                    clipnorm=3.0,
                    scales=layerwise_scales(self.model.encoder, 0.45),
                )
            )
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
            path: np.array(self.numpy(variable.value))
            for path, variable in self.variables_of(self.model).items()
        }
        names = {
            "pre-training": ("prediction", "target", "mask"),
            "tuning": ("projection", "prediction"),
        }.get(self.case.job)
        if names:
            outputs = self.model(self.clips, training=False)
            outputs = [np.array(self.numpy(outputs[key])) for key in names]
        else:
            outputs = [self.model.predict_on_batch(self.clips)]
        return outputs, weights

    def step(self):
        if self.case.job == "inference":
            self.model.predict_on_batch(self.clips)
        elif self.case.job == "fine-tuning":
            self.model.train_on_batch(self.clips, self.labels)
        elif self.case.job == "tuning":
            samples = np.arange(len(self.clips))
            self.model.train_on_batch({"clips": self.clips, "sample": samples})
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
        rate = 0.3 if case.job in ("inference", "fine-tuning") else 0.0
        encoder = twins.Encoder(shape, **NETWORK, drop_path_rate=rate)
        if case.job == "pre-training":
            heads = NETWORK["num_heads"]
            self.model = twins.Pretext(
                encoder, shape, heads, **DECODER, **MASKING
            )
            self.optimizer = twins.optimizer(self.model, 1e-3, 0.95)
        elif case.job == "tuning":
            self.model = twins.Tuning(encoder, **TUNING)
            self.optimizer = self.model.optimizer(1e-3, 0.45)
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
            elif self.case.job == "tuning":
                result = self.model(self.clips)
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
        elif self.case.job == "tuning":
            samples = self.torch.arange(len(self.clips))
            loss = self.model.loss(self.clips, samples)
        else:
            loss = self.model.loss(self.clips)
        loss.backward()
        if self.case.job == "tuning":
            self.model.clip_gradients(3.0)
        self.optimizer.step()
        loss.item()


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
                smallest = 2 if job in ("fine-tuning", "tuning") else 1
                case = Case(size, job, max(batch, smallest))
                ratios = {}
                for backend in options.backends:
                    line, ratio = run_case(case, backend, options)
                    if ratio:
                        ratios[backend] = ratio
                    yield line
                name = f"{size} {job} with batch {case.batch}"
                failures += timing.check_aims(name, ratios, AIMS[job])
    yield ""
    yield from failures or ["All aims are met in what was measured."]


def run_case(case, backend, options):
    start = f"| {case.size} | {case.job} | {case.batch} | {backend} |"
    needed, free = 1.5 * case.gigabytes(), timing.free_gigabytes()
    if needed > free:
        return (
            f"{start} left out: needs about {needed:.0f} GB, {free:.0f} GB "
            "are free | | | | |",
            None,
        )
    return timing.row(start, (Ours, Twin), case, backend, options)


def main():
    parser, several = timing.options_parser(__doc__)
    several("--sizes", default=tuple(SIZES), choices=SIZES)
    several("--jobs", default=JOBS, choices=JOBS)
    several("--batches", default=(1, 16), type=int)
    timing.report(run, parser.parse_args(), START, END)


if __name__ == "__main__":
    main()
