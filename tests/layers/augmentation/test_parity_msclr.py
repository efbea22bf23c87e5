"""The flips of MS-CLR's joint layouts."""

import dataclasses

import numpy as np
import pytest
from support import cases

from keras_skeleton import skeletons
from keras_skeleton.layers.augmentation import RandomMirror

pytestmark = pytest.mark.once

# The published permutation leaves the hands of SMPL where they are.
STAYS = {"smpl_24": (22, 23)}


def test_flips(fixtures_dir):
    for name, config, arrays in cases(
        fixtures_dir("msclr"), "conventions*.npz"
    ):
        for layout in config["skeletons"]:
            skeleton = skeletons.get(layout.replace("-rgb+d", ""))
            pairs = [
                pair
                for pair in skeleton.mirror
                if not set(pair) & set(STAYS.get(layout, ()))
            ]
            skeleton = dataclasses.replace(skeleton, mirror=pairs)
            flip = RandomMirror(skeleton, rate=1.0, reflect=False).on_numpy()
            clip = arrays[f"in/x_{layout}"].transpose(3, 1, 2, 0)[None]
            found = flip(clip, np.zeros((1, 1)))[0].transpose(3, 1, 2, 0)
            expected = arrays[f"out/flip_{layout}"]
            np.testing.assert_array_equal(found, expected, f"{name}: {layout}")
