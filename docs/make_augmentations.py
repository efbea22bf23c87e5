"""Draws the pictures of `docs/augmentations.md`.

    KERAS_BACKEND=torch python docs/make_augmentations.py [FOLDER]

Each row shows what one transform makes of the same generated clip. The draws
are chosen so that the effect can be seen: they lie in the upper part of the
published range.
"""

import io
import math
import pathlib
import sys

import numpy as np
from PIL import Image

from keras_skeleton import drawing
from keras_skeleton.datasets import synthetic
from keras_skeleton.layers import augmentation as aug

SKELETON, FRAMES, JOINTS = "ntu", 48, 25
COLORS = 48
# Drawn as if its z were y, which points up in all others.
UPRIGHT = "PreNormalize3D()\n(whose z is up)"


def make_clip():
    """A clip `(1, FRAMES, V, 3)` of somebody who kicks."""
    sequences = synthetic.load_data(
        num_clips=1, classes=["kick"], skeleton=SKELETON, noise=0.0, seed=3
    )
    clip = sequences.clip(0)[None]
    clip = aug.CropResize(FRAMES, interval=0.95).on_numpy()(clip)
    # No joint at zero, where joints that are lost would be.
    return aug.Center(skeleton=SKELETON).on_numpy()(clip)[0] + 1e-3


def apply(layer, clip, draws=0.9):
    """What a transform makes of a clip, by one number, by several or a seed.

    A whole number is the seed of all draws; a number between 0 and 1 is every
    draw; a list holds the first draws, and seed 0 gives the others.
    """
    if layer.num_draws:
        seed = draws if isinstance(draws, int) else 0
        numbers = np.random.default_rng(seed).random((1, layer.num_draws))
        if isinstance(draws, float):
            numbers[:] = draws
        elif isinstance(draws, list):
            numbers[0, : len(draws)] = draws
    else:
        numbers = None
    return layer.on_numpy()(clip[None], numbers)[0]


def in_space():
    degrees = math.radians
    main = aug.RandomRotation(degrees(30), 0.0, minor_angle=degrees(1))
    shape = (1, FRAMES, JOINTS, 3)
    return {
        "RandomShear(0.5)": (aug.RandomShear(0.5), 3),
        "RandomShear(1.0)": (aug.RandomShear(1.0), 12),
        "RandomRotation()": (aug.RandomRotation(0.3), [0.7, 0.98, 0.9]),
        "RandomRotation(\nminor_angle=...)": (main, [0.9, 0.5, 0.5, 0.98]),
        "RandomView()": (aug.RandomView(), [0.2, 0.1, 0.6]),
        "RandomScale((0.8, 1.2))": (aug.RandomScale((0.8, 1.2)), [0.95]),
        "RandomMirror()": (aug.RandomMirror(SKELETON), [0.0]),
        "RandomMirror(\nreflect=False)": (
            aug.RandomMirror(SKELETON, reflect=False),
            [0.0],
        ),
        "RandomNoise(0.01)": (aug.RandomNoise(shape), 1),
        "GaussianNoise(0.01)": (aug.GaussianNoise(shape), 1),
    }


def in_time():
    return {
        "TemporalCrop()": (aug.TemporalCrop(), [0.98]),
        "CropResize(48,\n(0.1, 1.0))": (
            aug.CropResize(FRAMES, (0.1, 1.0), min_frames=8),
            [0.3, 0.5],
        ),
        "RandomTimeFlip()": (aug.RandomTimeFlip(), [0.0]),
        "GaussianBlur()": (aug.GaussianBlur(), [0.4]),
        "GaussianBlur(\nnormalized=True)": (
            aug.GaussianBlur(normalized=True),
            [0.98],
        ),
        "UniformSample(24)": (aug.UniformSample(24), 1),
        "RandomFrames(24)": (aug.RandomFrames(24), 2),
        "RandomSegmentFrames(24)": (aug.RandomSegmentFrames(24), 1),
    }


def lost():
    return {
        "DropAxis()": (aug.DropAxis(), [0.0]),
        "DropJoints()": (aug.DropJoints(), 3),
        "DropJoints((4, 12),\nframes=None)": (
            aug.DropJoints((4, 12), None),
            5,
        ),
        'DropPart("ntu")': (aug.DropPart(SKELETON), [0.1]),
        'DropSide("ntu")': (aug.DropSide(SKELETON), [0.1]),
        "MaskJoints(0.1)": (aug.MaskJoints(FRAMES, JOINTS, 0.1), 1),
        "JointCorruption()\nas zeros": (aug.JointCorruption(), [0.1]),
        "JointCorruption()\nby a matrix": (aug.JointCorruption(), [0.9]),
        "MaskFrames(ratios=0.5)": (
            aug.MaskFrames(FRAMES, "random", 0.5),
            3,
        ),
        "MaskFrames(\n'in-between')": (
            aug.MaskFrames(FRAMES, "in-between", 0.5),
            [0.5, 0.5, 0.5, 0.5, 0.5],
        ),
        "CorruptFrames(\nfill='duplication')": (
            aug.CorruptFrames(FRAMES, "severe", "duplication"),
            2,
        ),
    }


def without_draws():
    return {
        "Center(per='person')": (aug.Center(20, per="person"), None),
        "FaceFront()": (aug.FaceFront(), None),
        "AlignShoulders()": (aug.AlignShoulders(), None),
        UPRIGHT: (aug.PreNormalize3D(), None),
        "RootNormalization()": (aug.RootNormalization(), None),
        "MinMaxNormalization()": (aug.MinMaxNormalization(), None),
    }


def save(figure, path):
    """As a PNG of few colours."""
    file = io.BytesIO()
    figure.savefig(file, dpi=100)
    image = Image.open(file).convert("RGB")
    image.quantize(COLORS, dither=Image.Dither.NONE).save(path, optimize=True)


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    clip = make_clip()
    pictures = {
        "space": (in_space(), clip),
        "time": (in_time(), clip),
        "loss": (lost(), clip),
        # Other coordinates: the clip before would lie elsewhere.
        "coordinates": (without_draws(), None),
    }
    for name, (rows, before) in pictures.items():
        made = {} if before is not None else {"as it was": clip}
        for label, (layer, draws) in rows.items():
            made[label] = apply(layer, clip, draws)
        if UPRIGHT in made:
            x, y, z = np.moveaxis(made[UPRIGHT], -1, 0)
            made[UPRIGHT] = np.stack([x, z, -y], axis=-1)
        figure = drawing.draw_comparison(made, SKELETON, before)
        save(figure, folder / f"augmentations_{name}.png")


if __name__ == "__main__":
    here = pathlib.Path(__file__).parent
    main(pathlib.Path(sys.argv[1]) if sys.argv[1:] else here)
