"""Streams and augmentations of BRL, with the draws of the fixtures."""

import draws as draws_for
import numpy as np
from keras import ops
from support import assert_close
from support import cases
from support import part

from keras_skeleton.layers.augmentation import DropAxis
from keras_skeleton.layers.augmentation import DropSide
from keras_skeleton.layers.augmentation import GaussianBlur
from keras_skeleton.layers.augmentation import RandomApply
from keras_skeleton.layers.augmentation import RandomMirror
from keras_skeleton.layers.augmentation import RandomNoise
from keras_skeleton.layers.augmentation import RandomRotation
from keras_skeleton.layers.augmentation import RandomScale
from keras_skeleton.layers.augmentation import RandomShear
from keras_skeleton.layers.augmentation import RandomTimeFlip
from keras_skeleton.layers.augmentation import RandomTimeShift
from keras_skeleton.layers.augmentation import Streams
from keras_skeleton.layers.augmentation import TemporalCrop

SKELETONS = {
    "nturgb+d": "ntu",
    "nw_ucla": "nw_ucla",
    "coco": "coco17",
    "openpose": "openpose18",
}
KINDS = {"j": "joint", "b": "bone", "k": "skip", "l": "skip", "n": "skip"}


def test_streams(fixtures_dir):
    for name, config, arrays in cases(fixtures_dir("brl"), "streams_*.npz"):
        dataset, clip = config["dataset"], arrays["in/keypoint"]
        if "in/keypoint_score" in arrays:
            score = arrays["in/keypoint_score"][..., None]
            clip = np.concatenate([clip, score], axis=-1)
        hops = {"k": 2, "l": 3, "n": 4}
        if dataset == "nw_ucla":
            # There the official longer hops repeat the shortest.
            hops = dict.fromkeys(hops, 2)
        for feature in config["feats"]:
            letter, motion = feature[0], "_motion" if feature[1:] else ""
            is_flat = dataset in ("coco", "openpose")
            layer = Streams(
                SKELETONS[dataset],
                KINDS[letter] + motion,
                bones=dataset if is_flat else None,
                score=is_flat and clip.shape[-1] == 3,
                skips=hops.get(letter, 2),
            )
            found = layer(clip[None])[0]
            assert_close(found, arrays[f"out/{feature}"], f"{name}: {feature}")


def spatial_flip(clip, dataset, p):
    layer = RandomMirror(SKELETONS[dataset], rate=p, reflect=False)
    return layer, lambda draw: draw


def random_apply(layer, probability, rest):
    """With the draws of the layer, or none where it does nothing."""

    def draws(first, *others):
        if first >= probability:
            assert not others
            return [first, *layer.num_draws * [0.0]]
        return [first, *np.atleast_1d(rest(*others))]

    return RandomApply(layer, probability), draws


def shear(clip, r):
    # Officially all above the diagonal's first entry come before the rest.
    def draws(a1, a2, a3, b1, b2, b3):
        return draws_for.of_range([a1, b1, a2, b2, a3, b3], -r, r)

    return RandomShear(r), draws


def crop(clip, temperal_padding_ratio):
    padding = clip.shape[1] // temperal_padding_ratio
    return TemporalCrop(
        temperal_padding_ratio
    ), lambda start: draws_for.of_integers(start, 0, 2 * padding)


def blur(clip, channels, kernel, sigma):
    assert channels == clip.shape[-1]

    def draws(width, first):
        return [first, draws_for.of_range(width, *sigma)]

    return RandomApply(GaussianBlur(tuple(sigma), kernel)), draws


# For each official operation, our transform and what makes its draws.
OPERATIONS = {
    "RandomScale": lambda clip, scale: (
        RandomScale(3 * [(1 - scale, 1 + scale)]),
        lambda *values: draws_for.of_range(values, -1, 1),
    ),
    "RandomRot": lambda clip, theta: (
        RandomRotation(theta),
        lambda *values: draws_for.of_angles(values, theta),
    ),
    "Spatial_Flip": spatial_flip,
    "Temperal_Flip": lambda clip, p: (RandomTimeFlip(p), lambda draw: draw),
    "Temperal_Shift": lambda clip, p: random_apply(
        RandomTimeShift(),
        p,
        lambda start: draws_for.of_integers(start, 0, clip.shape[1] - 1),
    ),
    "Temperal_Crop": crop,
    "Shear": shear,
    "Mask": lambda clip, p: random_apply(
        DropAxis(), p, lambda axis: draws_for.of_integers(axis, 0, 2)
    ),
    "Part_Drop": lambda clip, p: random_apply(
        DropSide("ntu"), p, lambda side: draws_for.of_integers(side, 0, 1)
    ),
    "RandomGaussianBlur": blur,
}


def test_augmentations(fixtures_dir):
    for name, config, arrays in cases(fixtures_dir("brl"), "augment*.npz"):
        clip = arrays["in/keypoint"]
        for i, (operation, args, _) in enumerate(config["ops"]):
            key = f"out/{i:02}_{operation}"
            values = part(arrays, f"{key}_draw")
            values = [values[number] for number in sorted(values, key=int)]
            if operation == "RandomGaussianNoise":
                layer = RandomNoise(clip.shape, **args)
                numbers = draws_for.of_noise(*values, clip.shape[-1])
            else:
                layer, draws = OPERATIONS[operation](clip, **args)
                numbers = np.atleast_1d(draws(*np.concatenate(values)))
            found = layer(
                clip[None], draws=numbers[None], lengths=[clip.shape[1]]
            )
            expected = arrays[key]
            found = ops.convert_to_numpy(found)[0]
            assert_close(found, expected, f"{name}: {operation} {args}")
