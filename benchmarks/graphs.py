"""Times the graph networks against plain PyTorch (`graph_twins.py` and others).

    python benchmarks/graphs.py --backends tensorflow torch jax --write

Both models have the same weights; before anything is timed, their outputs, or
the losses of a training step, are compared. Each runs in a process of its
own, on the same number of cores, and they take turns, so that what else the
machine does hits both: call by call, or `--calls` in a row for single clips.
Of all calls the fastest counts. Ours is called as users call it:
`predict_on_batch` and `train_on_batch` after `compile` with its defaults, and
`serving.FrozenModel` for single clips ("frozen inference").
"""

import dataclasses
import importlib

import numpy as np
import timing

# What the best backend may take of the twin's time.
AIMS = {"inference": 0.6, "frozen inference": 0.6, "training": 0.8}
SPEED = (
    ("inference", 1),
    ("frozen inference", 1),
    ("inference", 16),
    ("training", 16),
)
# `published` are milliseconds per sample of the published code in the cases of
# `PUBLISHED`.
PUBLISHED = (("inference", 1), ("inference", 16), ("training", 16))
NETWORKS = {
    "CTR-GCN NW-UCLA": {
        "name": "CTRGCN",
        "input_shape": (1, 52, 20, 3),
        "skeleton": "nw_ucla",
        "classes": 10,
        "published": (21, 14, 38),
    },
    "Hyper-GCN base NW-UCLA": {
        "name": "HyperGCN",
        "input_shape": (1, 64, 20, 3),
        "skeleton": "nw_ucla",
        "classes": 10,
        "published": (23, 15, 47),
    },
    "Hyper-GCN base NTU": {
        "name": "HyperGCN",
        "input_shape": (2, 64, 25, 3),
        "skeleton": "ntu",
        "classes": 60,
        "published": (45, 43, 133),
        # More than 25 points, for which PyTorch takes distances from a
        # matrix product, whose error float32 shows.
        "tolerance": 5e-3,
    },
    "PSUMNet body NTU": {
        "name": "PSUMNet",
        "input_shape": (2, 64, 25, 12),
        "skeleton": "ntu",
        "classes": 60,
        "part": "body",
        "published": (58, 45, 134),
    },
    "PSUMNet hand NTU": {
        "name": "PSUMNet",
        "input_shape": (2, 64, 13, 12),
        "skeleton": "ntu",
        "classes": 60,
        "part": "hand",
    },
    "PSUMNet leg NTU": {
        "name": "PSUMNet",
        "input_shape": (2, 64, 9, 12),
        "skeleton": "ntu",
        "classes": 60,
        "part": "leg",
    },
    "ST-GCN++ (BRL) NTU": {
        "name": "STGCNPlusPlus",
        "input_shape": (2, 64, 25, 3),
        "skeleton": "ntu",
        "classes": 60,
        "twins": "pyskl_twins",
    },
    "DG-STGCN NTU": {
        "name": "DGSTGCN",
        "input_shape": (2, 100, 25, 3),
        "skeleton": "ntu",
        "classes": 60,
        "twins": "pyskl_twins",
    },
    "ACLNet NTU": {
        "name": "ACLNet",
        "input_shape": (2, 100, 25, 3),
        "skeleton": "ntu",
        "classes": 60,
        "twins": "pyskl_twins",
    },
    "FineTec Gym": {
        "name": "FineTec",
        "input_shape": (1, 48, 17, 2),
        "skeleton": "coco17",
        "classes": 99,
        "twins": "finetec_twin",
        "ours": "finetec_ours",
        "lost": 12,
    },
}
RECIPE = {"learning_rate": 1e-3, "momentum": 0.9, "weight_decay": 4e-4}
START, END = "<!-- graph results -->", "<!-- end of graph results -->"
REMARK = (
    "The rows `published` hold what the published code took on another "
    "machine of this kind, which did nothing else."
)


@dataclasses.dataclass(frozen=True)
class Case:
    network: str
    job: str
    batch: int

    def settings(self, *names):
        network = NETWORKS[self.network]
        return {name: network[name] for name in names if name in network}

    @property
    def tolerance(self):
        return NETWORKS[self.network].get("tolerance", 1e-4)

    def data(self):
        """Clips and labels, the same in every process."""
        generator = np.random.default_rng(0)
        network = NETWORKS[self.network]
        clips = generator.normal(size=(self.batch, *network["input_shape"]))
        labels = generator.integers(network["classes"], size=self.batch)
        for clip in clips:
            # `lost` frames, other ones in each clip.
            order = generator.permutation(clip.shape[1])
            clip[:, order[: network.get("lost", 0)]] = 0
        return clips.astype("float32"), labels.astype("int64")


class Ours:
    """Our model on one backend."""

    def __init__(self, case, backend, threads):
        timing.limit_threads(backend, threads)
        import keras

        from keras_skeleton import applications
        from keras_skeleton.training import SGD

        keras.utils.set_random_seed(0)
        self.case = case
        self.clips, self.labels = case.data()
        network = getattr(applications, NETWORKS[case.network]["name"])
        self.model = network(
            **case.settings("input_shape", "skeleton", "classes", "part")
        )
        self.model.compile(
            SGD(**RECIPE, nesterov=True),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        )

    def compute(self, twins):
        """Outputs, or the loss of a step, with the weights of the twin."""
        from keras import ops

        from keras_skeleton.weights import load_official

        _, state, draws = twins
        own = NETWORKS[self.case.network].get("ours")
        if own is not None:
            own = importlib.import_module(own)
        load = own.load if own else load_official
        load(self.model, state)
        if draws:
            # The loss for the twin's draws; the steps that are timed draw.
            loss = own.loss(self.model, self.clips, self.labels, draws)
            return [ops.convert_to_numpy(loss)]
        if self.case.job == "frozen inference":
            from keras_skeleton.serving import FrozenModel

            self.frozen = FrozenModel(self.model, self.case.batch)
        return [np.array(self.step())]

    def step(self):
        if self.case.job == "inference":
            return self.model.predict_on_batch(self.clips)
        if self.case.job == "frozen inference":
            return self.frozen(self.clips)
        return self.model.train_on_batch(self.clips, self.labels)


class Twin:
    """The same model in plain PyTorch."""

    def __init__(self, case, backend, threads):
        import torch

        twins = importlib.import_module(
            NETWORKS[case.network].get("twins", "graph_twins")
        )
        torch.set_num_threads(threads)
        torch.manual_seed(0)
        self.torch, self.case = torch, case
        clips, labels = case.data()
        clips = np.ascontiguousarray(clips.transpose(0, 4, 2, 3, 1))
        self.clips, self.labels = map(torch.from_numpy, (clips, labels))
        network = getattr(twins, NETWORKS[case.network]["name"])
        self.model = network(**case.settings("input_shape", "classes", "part"))
        twins.randomize(self.model)
        self.model.train(case.job == "training")
        rate = RECIPE["learning_rate"]
        settings = {k: x for k, x in RECIPE.items() if k != "learning_rate"}
        self.optimizer = torch.optim.SGD(
            self.model.parameters(), lr=rate, nesterov=True, **settings
        )

    def compute(self, _):
        """Outputs, or the loss of a step, the weights before, the draws."""
        state = {
            name: tensor.numpy().copy()
            for name, tensor in self.model.state_dict().items()
        }
        outputs, draws = [self.step()], getattr(self.model, "draws", {})
        return outputs, state, {name: x.numpy() for name, x in draws.items()}

    def step(self):
        if self.case.job != "training":
            with self.torch.inference_mode():
                return self.model(self.clips).numpy()
        self.optimizer.zero_grad()
        loss = self.model.loss(self.clips, self.labels)
        loss.backward()
        self.optimizer.step()
        return np.array(loss.item())


def run(options):
    """Measures all chosen cases; yields the lines of the tables."""
    failures = []
    if "speed" in options.measures:
        yield "| model | job | batch | backend | ours, ms per clip |" + (
            " twin, ms per clip | ratio |"
        )
        yield "|---|---|---|---|---|---|---|"
        for network in options.networks:
            for job, batch in SPEED:
                if job not in options.jobs:
                    continue
                case, ratios = Case(network, job, batch), {}
                for backend in options.backends:
                    line, ratio = time_case(case, backend, options)
                    if ratio:
                        ratios[backend] = ratio
                    yield line
                published = NETWORKS[network].get("published")
                if published:
                    i = PUBLISHED.index((job.removeprefix("frozen "), batch))
                    yield (
                        f"| {network} | {job} | {batch} | published | | "
                        f"{published[i]} | |"
                    )
                name = f"{network}, {job} with batch {batch}"
                failures += timing.check_aims(name, ratios, AIMS[job])
        yield ""
        yield REMARK
        yield ""
        yield from failures or ["All aims are met in what was measured."]
        yield ""
    if "memory" in options.measures:
        batch = options.memory_batch
        yield f"Peak memory of training steps with batch {batch}:"
        yield ""
        yield "| model | backend | ours, GB | twin, GB | ratio |"
        yield "|---|---|---|---|---|"
        for network in options.networks:
            yield from weigh(Case(network, "training", batch), options)


def time_case(case, backend, options):
    start = f"| {case.network} | {case.job} | {case.batch} | {backend} |"
    try:
        (ours, twin), _ = timing.measure(
            (Ours, Twin),
            case,
            backend,
            options.threads,
            options.repeats,
            first=1,
            tolerance=case.tolerance,
            calls=options.calls if case.batch == 1 else 1,
            clock=options.clock,
        )
    except RuntimeError as error:
        return f"{start} failed: {error} | | |", None
    per_clip = 1000 / case.batch
    return (
        f"{start} {per_clip * ours:.1f} | {per_clip * twin:.1f} | "
        f"{ours / twin:.2f} |",
        ours / twin,
    )


def weigh(case, options):
    """Lines of the table of memory for one network."""

    def peak(kind, backend):
        try:
            return timing.peak_memory(kind, case, backend, options.threads)
        except RuntimeError:
            return np.nan

    twin = peak(Twin, "torch")
    for backend in options.backends:
        ours = peak(Ours, backend)
        numbers = [
            "does not fit" if np.isnan(number) else f"{number:.1f}"
            for number in (ours, twin)
        ]
        ratio = ours / twin
        numbers.append("" if np.isnan(ratio) else f"{ratio:.2f}")
        yield f"| {case.network} | {backend} | {' | '.join(numbers)} |"


def main():
    parser, several = timing.options_parser(__doc__)
    several("--networks", default=tuple(NETWORKS), choices=NETWORKS)
    several("--jobs", default=tuple(AIMS), choices=AIMS)
    measures = ("speed", "memory")
    several("--measures", default=measures, choices=measures)
    parser.add_argument("--memory-batch", default=64, type=int)
    parser.add_argument(
        "--calls", default=5, type=int, help="in a row, for single clips"
    )
    timing.report(run, parser.parse_args(), START, END)


if __name__ == "__main__":
    main()
