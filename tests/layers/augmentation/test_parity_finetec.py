import draws
import numpy as np
import pytest
from keras import ops
from support import assert_close
from support import read_fixture

from keras_skeleton.layers.augmentation.corruption import CorruptFrames
from keras_skeleton.layers.augmentation.corruption import MaskFrames
from keras_skeleton.layers.augmentation.filling import FillLostFrames


@pytest.fixture
def load(fixtures_dir):
    def load(pattern):
        paths = sorted(fixtures_dir("finetec").glob(pattern))
        if not paths:
            pytest.skip(f"there are no fixtures finetec/{pattern}")
        return map(read_fixture, paths)

    return load


def removed_frames(layer, size, numbers):
    ones = np.ones((1, 1, size, 1, 1), "float32")
    return ops.convert_to_numpy(layer(ones, draws=numbers)).ravel() == 0


def test_corruption(load):
    for config, arrays in load("corruption*.npz"):
        clips = arrays["in/S_gt"][None, None]
        size = clips.shape[2]
        for level, ratio in config["ratios"].items():
            layer = CorruptFrames(size, ratio)
            numbers = draws.of_choice(arrays[f"in/drop_{level}"], size)[None]
            assert layer.num_draws == numbers.shape[1]
            np.testing.assert_array_equal(
                ~removed_frames(layer, size, numbers),
                arrays[f"out/keep_{level}"],
            )
            for fill, key in (
                (None, "S_corrupt"),
                ("interpolation", "interpolation"),
                ("duplication", "duplication"),
            ):
                layer = CorruptFrames(size, ratio, fill)
                expected = arrays[f"out/{key}_{level}"][None, None]
                output = layer(clips, draws=numbers)
                assert_close(output, expected, key)
                if fill is not None:
                    # What a pipeline meets are the zeros alone.
                    lost = arrays[f"out/S_corrupt_{level}"][None, None]
                    layer = FillLostFrames(fill)
                    output = layer(lost, lengths=np.array([size]))
                    assert_close(output, expected, key)


def test_masking_strategies(load):
    for config, arrays in load("corruption*.npz"):
        clips = arrays["in/S_gt"][None, None]
        size = clips.shape[2]
        ratio = config["mask_ratio_of_strategies"]
        period, offset = arrays["in/mask_pattern_period_offset"]
        start, count = arrays["in/mask_inbetween_start_len"]
        assert count == int(ratio * size)
        numbers = [
            0.5,
            0.5,
            draws.of_integers(period, 2, 4),
            draws.of_integers(offset, 0, period - 1),
            draws.of_integers(start, 1, size - 1 - count),
            *draws.of_choice(arrays["in/mask_random_idx"], size),
        ]
        for strategy in MaskFrames(size).strategies:
            layer = MaskFrames(size, strategy, ratio)
            name = strategy.replace("-", "")
            numbers = np.array(numbers).reshape(1, -1)
            np.testing.assert_array_equal(
                removed_frames(layer, size, numbers),
                arrays[f"out/mask_{name}"],
            )
            expected = arrays[f"out/S_mask_{name}"][None, None]
            output = layer(clips, draws=numbers)
            assert_close(output, expected, strategy)
