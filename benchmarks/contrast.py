"""Times contrastive pre-training against plain PyTorch (`contrast_twins.py`).

    python benchmarks/contrast.py --threads 1 --write

A call is one training step: all networks' passes, the loss, SGD with
momentum, the keys that follow and the queue. Both sides get the same views,
and take turns in processes of their own; the fastest call counts, by the
processor time of the whole process, which other work on the machine hardly
changes. Both draw weights at random: that twins compute what is published is
what `tests/test_contrast_twins.py` insists on.

"with views" times ours once more, with views that are made of the clips in
the step by the published augmentation.
"""

import dataclasses

import numpy as np
import timing

# What the best backend may take of the twin's time, and what views may take
# of a step.
AIM = 0.8
VIEWS_AIM = 0.15
RECIPE = {"learning_rate": 0.01, "momentum": 0.9, "weight_decay": 1e-4}
CONTRAST = {"momentum": 0.999, "temperature": 0.07}
# Widths as published. Frames of HaLP are fewer: its time grows with them on
# both sides alike.
SYSTEMS = {
    "HiCLR": {
        "input_shape": (1, 50, 20, 3),
        "views": ("basic", "key", "normal", "strong"),
        "queue_size": 32768,
        "batch": 16,
    },
    "HaLP": {
        "input_shape": (1, 16, 20, 3),
        "views": ("query", "key"),
        "queue_size": 16384,
        "batch": 16,
    },
    "MSCLR": {
        "input_shape": (1, 50, 42, 3),
        "views": ("basic", "key", "extreme"),
        "queue_size": 32768,
        "batch": 8,
    },
}
LAYOUTS = {"ntu": 25, "smplx42": 42}
START, END = "<!-- contrast results -->", "<!-- end of contrast results -->"


@dataclasses.dataclass(frozen=True)
class Case:
    system: str
    with_views: bool = False

    @property
    def shape(self):
        return SYSTEMS[self.system]["input_shape"]

    @property
    def batch(self):
        return SYSTEMS[self.system]["batch"]

    @property
    def queue_size(self):
        return SYSTEMS[self.system]["queue_size"]

    def clips(self):
        """A dict of the views, the same in every process."""
        generator = np.random.default_rng(0)
        shape = (self.batch, *self.shape)
        return {
            view: generator.normal(size=shape).astype("float32")
            for view in SYSTEMS[self.system]["views"]
        }


class Ours:
    """Our model on one backend."""

    def __init__(self, case, backend, threads):
        timing.limit_threads(backend, threads)
        import keras

        from keras_skeleton import applications
        from keras_skeleton.training import SGD

        keras.utils.set_random_seed(0)
        pretext = getattr(applications, f"{case.system}Pretext")
        arguments = {"queue_size": case.queue_size, **CONTRAST}
        views = case.clips()
        if case.system == "MSCLR":
            arguments["layouts"] = tuple(LAYOUTS)
            layouts = (np.full(case.batch, i, "int32") for i in (0, 1, 0))
            views = {
                view: {"skeletons": clips, "layout": layout}
                for (view, clips), layout in zip(
                    views.items(), layouts, strict=True
                )
            }
        else:
            arguments["skeleton"] = "nw_ucla"
        if case.system == "HaLP":
            arguments["warmup"] = 0
        self.batch = views
        if case.with_views:
            self.batch = next(iter(case.clips().values()))
        self.model = pretext(input_shape=case.shape, **arguments)
        self.model.compile(SGD(**RECIPE))

    def compute(self, _):
        return []

    def step(self):
        self.model.train_on_batch(self.batch)


class Twin:
    """The same step in plain PyTorch."""

    def __init__(self, case, backend, threads):
        import contrast_twins
        import torch

        torch.set_num_threads(threads)
        torch.manual_seed(0)
        self.views = [
            torch.from_numpy(
                np.ascontiguousarray(clips.transpose(0, 4, 2, 3, 1))
            )
            for clips in case.clips().values()
        ]
        sizes = {"hidden_dim": 16, "output_dim": 256, "dropout": 0.5}
        if case.system == "MSCLR":
            sizes["layouts"] = LAYOUTS
            self.views += [*LAYOUTS]
        if case.system == "HaLP":
            sizes = {
                "hidden_dim": 1024,
                "num_layers": 3,
                "num_prototypes": 20,
                "num_positives": 100,
                "margin": 0.8,
                "weight": 2.0,
            }
        self.model = getattr(contrast_twins, case.system)(
            case.shape,
            **sizes,
            head_dim=128,
            queue_size=case.queue_size,
            **CONTRAST,
        )
        settings = {k: x for k, x in RECIPE.items() if k != "learning_rate"}
        self.optimizer = torch.optim.SGD(
            [p for p in self.model.parameters() if p.requires_grad],
            lr=RECIPE["learning_rate"],
            **settings,
        )

    def compute(self, _):
        return [], None

    def step(self):
        self.optimizer.zero_grad()
        self.model.loss(*self.views).backward()
        self.optimizer.step()


def run(options):
    """Measures all chosen cases; yields the lines of the table."""
    failures = []
    yield "| system | batch | backend | ours, ms | twin, ms | ratio |"
    yield "|---|---|---|---|---|---|"
    for system in options.systems:
        case, ratios = Case(system), {}
        for backend in options.backends:
            start = f"| {system} | {case.batch} | {backend} |"
            try:
                ours, twin = measure(
                    (Ours, Twin), 2 * (case,), backend, options
                )
            except RuntimeError as error:
                yield f"{start} failed: {error} | | |"
                continue
            ratios[backend] = ours / twin
            yield (
                f"{start} {1000 * ours:.0f} | {1000 * twin:.0f} | "
                f"{ours / twin:.2f} |"
            )
        failures += timing.check_aims(system, ratios, AIM)
    yield ""
    yield from failures or ["All aims are met in what was measured."]
    if options.views:
        yield from weigh_views(options)


def weigh_views(options):
    """Lines about the share of a step that making the views takes."""
    yield ""
    yield "| system | backend | step, ms | with views, ms | share of views |"
    yield "|---|---|---|---|---|"
    for system in options.views:
        cases = Case(system), Case(system, with_views=True)
        for backend in options.backends:
            start = f"| {system} | {backend} |"
            try:
                step, both = measure((Ours, Ours), cases, backend, options)
            except RuntimeError as error:
                yield f"{start} failed: {error} | | |"
                continue
            yield (
                f"{start} {1000 * step:.0f} | {1000 * both:.0f} | "
                f"{1 - step / both:.0%} (aim {VIEWS_AIM:.0%}) |"
            )


def measure(kinds, cases, backend, options):
    """Seconds of the fastest call of both."""
    workers = []
    try:
        for kind, case in zip(kinds, cases, strict=True):
            workers.append(timing.Worker(kind, case, backend, options.threads))
        for worker in workers:
            worker.ask("compute")
        return timing.take_turns(
            workers, options.repeats, clock="process_time"
        ).min(axis=0)
    finally:
        for worker in workers:
            worker.close()


def main():
    parser, several = timing.options_parser(__doc__)
    several("--systems", default=tuple(SYSTEMS), choices=SYSTEMS)
    parser.add_argument(
        "--views",
        nargs="*",
        default=("HiCLR", "HaLP"),
        choices=("HiCLR", "HaLP"),
        help="systems whose views are timed in the step",
    )
    timing.report(run, parser.parse_args(), START, END)


if __name__ == "__main__":
    main()
