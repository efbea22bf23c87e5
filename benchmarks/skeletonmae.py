"""Times pre-training of SkeletonMAE against PyTorch (`skeletonmae_twin.py`).

    python benchmarks/skeletonmae.py --threads 1 --clock process_time --write

As `cascadeformer.py`: the same weights, outputs compared before anything is
timed, turns in processes of their own; the fastest call counts.
"""

import dataclasses

import numpy as np
import timing

# The best backend may take this share of the twin's time.
AIM = 0.8
SHAPE = (1, 32, 17, 2)
RATE = 1.5e-4
START, END = "<!-- skeletonmae -->", "<!-- end of skeletonmae -->"


@dataclasses.dataclass(frozen=True)
class Case:
    batch: int

    def clips(self):
        """The same in every process."""
        generator = np.random.default_rng(0)
        return generator.normal(size=(self.batch, *SHAPE)).astype("float32")


class Ours:
    """Our model on one backend."""

    def __init__(self, case, backend, threads):
        timing.limit_threads(backend, threads)
        import keras

        from keras_skeleton.applications import SkeletonMAEPretext
        from keras_skeleton.weights.conversion import variables_of

        keras.utils.set_random_seed(0)
        self.numpy, self.variables_of = keras.ops.convert_to_numpy, variables_of
        self.clips = case.clips()
        self.model = SkeletonMAEPretext(input_shape=SHAPE)
        self.model.compile(keras.optimizers.Adam(RATE))

    def compute(self, _):
        """Outputs to compare, and the weights and graph they came from."""
        weights = {
            path: np.array(self.numpy(variable.value))
            for path, variable in self.variables_of(self.model).items()
        }
        found = self.model(self.clips, training=False)
        outputs = [
            np.array(self.numpy(found[name]))
            for name in ("target", "prediction", "mask")
        ]
        return outputs, weights, self.model.encoder.joint_encoder.graph

    def step(self):
        self.model.train_on_batch(self.clips)


class Twin:
    """The same model in plain PyTorch."""

    def __init__(self, case, backend, threads):
        import torch

        torch.set_num_threads(threads)
        torch.manual_seed(0)
        self.torch = torch
        self.clips = torch.from_numpy(case.clips())

    def compute(self, ours):
        import skeletonmae_twin

        outputs, weights, graph = ours
        hidden = np.flatnonzero(outputs[2][0])
        self.model = skeletonmae_twin.SkeletonMAE(SHAPE, hidden).eval()
        skeletonmae_twin.copy_weights(weights, graph, self.model)
        with self.torch.inference_mode():
            found = [tensor.numpy() for tensor in self.model(self.clips)]
        self.model.train()
        self.optimizer = self.torch.optim.Adam(self.model.parameters(), RATE)
        return [*found, outputs[2]]

    def step(self):
        self.optimizer.zero_grad()
        loss = self.model.loss(self.clips)
        loss.backward()
        self.optimizer.step()
        loss.item()


def run(options):
    """Measures the backends; yields the lines of the table."""
    yield "| job | batch | backend | ours, ms | twin, ms | ratio |" + (
        " ours, GB | twin, GB |"
    )
    yield "|---|---|---|---|---|---|---|---|"
    ratios = {}
    for backend in options.backends:
        start = f"| pre-training | {options.batch} | {backend} |"
        case = Case(options.batch)
        line, ratio = timing.row(start, (Ours, Twin), case, backend, options)
        if ratio:
            ratios[backend] = ratio
        yield line
    yield ""
    failures = [*timing.check_aims("pre-training", ratios, AIM)]
    yield from failures or ["All aims are met in what was measured."]


def main():
    parser, _ = timing.options_parser(__doc__)
    parser.add_argument("--batch", default=64, type=int)
    timing.report(run, parser.parse_args(), START, END)


if __name__ == "__main__":
    main()
