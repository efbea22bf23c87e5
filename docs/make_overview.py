"""Draws `docs/overview.png`: a clip, what counted, and the prediction.

    KERAS_BACKEND=tensorflow python docs/make_overview.py [FILE]

A small CTR-GCN is trained on generated clips first, for a minute or two. What
the picture shows of the model is the first test clip of a kick, whatever the
model makes of it.
"""

import pathlib
import sys

import keras
import numpy as np
from matplotlib.figure import Figure

import keras_skeleton as ks
from keras_skeleton.layers.augmentation import Center
from keras_skeleton.layers.augmentation import CropResize

ACTIONS = ["wave one hand", "clap", "throw", "kick", "jump", "sit down"]
FRAMES, SKELETON = 32, "kinect20"


def train():
    """A classifier, its test clips and their labels."""
    keras.utils.set_random_seed(0)
    data = ks.datasets.synthetic.load_data(600, ACTIONS, skeleton=SKELETON)
    train, test = data.split("xsub")
    center = Center(skeleton=SKELETON)
    form = [center, CropResize(FRAMES, interval=(0.95,))]
    model = ks.applications.CTRGCN(
        input_shape=(1, FRAMES, 20, 3),
        skeleton=SKELETON,
        classes=len(ACTIONS),
        hidden_dim=16,
    )
    model.compile(
        "adamw", ks.losses.SmoothedCrossentropy(0.1), metrics=["accuracy"]
    )
    batches = train.to_keras(form, batch_size=16, shuffle=True, seed=0)
    model.fit(batches, epochs=8, shuffle=False, verbose=2)
    kicks = test.select(test.labels == data.class_names.index("kick"))
    clips, _ = kicks.to_keras(form, batch_size=1)[0]
    return model, clips, data.class_names


def main(path):
    model, clips, names = train()
    chances = ks.explain.class_probabilities(model, clips)[0]
    best = int(np.argmax(chances))
    found = ks.explain.integrated_gradients(model, clips, best)
    shares = ks.explain.to_shares(np.maximum(found, 0))[0]
    strip = ks.drawing.draw_strip(
        clips[0], SKELETON, shares, frames=5, title="", label="Importance (%)"
    )
    strip.canvas.draw()
    pixels = np.asarray(strip.canvas.buffer_rgba())
    figure = Figure(figsize=(9, 5.2), layout="constrained")
    upper, lower = figure.subfigures(2, height_ratios=(2.2, 1))
    axes = upper.subplots()
    axes.imshow(pixels)
    axes.set_axis_off()
    axes.set_title("A clip, and the joints that the prediction rests on")
    axes = lower.subplots()
    order = np.argsort(chances)
    colors = ["#52627a" if i != best else "#d1495b" for i in order]
    axes.barh([names[i] for i in order], 100 * chances[order], color=colors)
    axes.set_xlabel("Probability (%)")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)
    print(path, f"predicted: {names[best]}, {100 * chances[best]:.0f} %")


if __name__ == "__main__":
    here = pathlib.Path(__file__).parent
    main(sys.argv[1] if sys.argv[1:] else here / "overview.png")
