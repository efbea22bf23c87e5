"""Times the views of HiCLR inside a compiled training step.

    KERAS_BACKEND=tensorflow python benchmarks/views.py [--step]

The four views of a batch are made in a step that does nothing else; with
`--step` also the whole step of `HiCLRPretext`, without views and with them.
What counts is the time of the processor, so that other processes disturb
less; `taskset -c 0` keeps everything on one core.
"""

import argparse
import time

import keras
import numpy as np
from keras import ops

from keras_skeleton.applications import HiCLRPretext
from keras_skeleton.training import PretextModel

SHAPE = (1, 50, 20, 3)
SKELETON = "nw_ucla"


class OnlyViews(PretextModel):
    """A step that makes views, and no more of them than a sum."""

    def __init__(self, augmentation):
        super().__init__()
        self.augmentation = augmentation
        self.scale = self.add_weight(name="scale", shape=())
        self.built = True

    def call(self, clips):
        return clips * self.scale

    def objective(self, x, y, training):
        views = self.augmentation(x, training=training)
        return sum(ops.mean(self(view)) for view in views.values()), {}, ()


def milliseconds(model, clips, repeats):
    model.compile("sgd")
    taken = []
    for _ in range(repeats + 2):
        start = time.process_time()
        float(np.ravel(model.train_on_batch(clips))[0])
        taken.append(1000 * (time.process_time() - start))
    return min(taken[2:])


def pretext(augmentation):
    return HiCLRPretext(
        input_shape=SHAPE,
        skeleton=SKELETON,
        queue_size=2048,
        augmentation=augmentation,
        seed=0,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--step", action="store_true")
    options = parser.parse_args()
    shape = (options.batch_size, *SHAPE)
    clips = np.random.default_rng(0).normal(size=shape).astype("float32")
    models = {"views alone": OnlyViews(pretext("published").augmentation)}
    if options.step:
        models["step without views"] = pretext(None)
        models["step with views"] = pretext("published")
    for name, model in models.items():
        taken = milliseconds(model, clips, options.repeats)
        print(f"{keras.backend.backend()}, {name}: {taken:.1f} ms")


if __name__ == "__main__":
    main()
