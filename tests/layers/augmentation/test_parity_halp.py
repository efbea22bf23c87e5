"""Augmentations and preprocessing of HaLP, with the draws of its feeder."""

import draws as draws_for
import numpy as np
from support import assert_close
from support import cases

from keras_skeleton.layers.augmentation import Bones
from keras_skeleton.layers.augmentation import CropResize
from keras_skeleton.layers.augmentation import JointCorruption
from keras_skeleton.layers.augmentation import Motion
from keras_skeleton.layers.augmentation import RandomChoice
from keras_skeleton.layers.augmentation import corrupting_augmentation
from keras_skeleton.layers.augmentation import upright_preprocessing

STREAMS = {"joint": None, "motion": Motion(), "bone": Bones("ntu")}


def from_official(x):
    """(C, T, V, M), or with samples before, to (N, M, T, V, C)."""
    x = x if x.ndim == 5 else x[None]
    return x.transpose(0, 4, 2, 3, 1)


def drawn(arrays, name):
    """The random numbers of one operation, in the order of their drawing."""
    prefix = f"in/{name}/draw"
    keys = [key for key in arrays if key.startswith(prefix)]
    keys.sort(key=lambda key: int(key[len(prefix) :].partition("_")[0]))
    return [arrays[key] for key in keys]


def crop_draws(numbers, interval, valid):
    low, high = interval
    share = low + (high - low) * float(numbers[0])
    return draws_for.of_crop(interval, share, numbers[1], valid)


def corruption_draws(numbers, population):
    kind, joints, *matrix = numbers
    chosen = draws_for.of_choice(joints, population)
    matrix = np.array(matrix, "float64").reshape(-1)
    if not len(matrix):
        matrix = np.zeros(9)
    return [float(kind), *chosen, *draws_for.of_range(matrix, -1.0, 1.0)]


def check(arrays, name, operation, layer, clips, draws=None, lengths=None):
    draws = None if draws is None else np.array([draws], "float64")
    found = layer(clips, draws=draws, lengths=lengths)
    expected = from_official(arrays[f"out/{operation}/y"])
    assert_close(found, expected, f"{name}: {operation}")


def test_crops(fixtures_dir):
    for name, config, arrays in cases(
        fixtures_dir("halp"), "augmentations*.npz"
    ):
        clips = from_official(arrays["in/x"])
        valid = int(arrays["in/num_frames"])
        lengths, size = np.array([valid], "int32"), config["out"]
        intervals = {
            "temporal_cropresize": tuple(config["l_ratio"]),
            "crop_subsequence_train": (0.5, 1.0),
        }
        for operation, interval in intervals.items():
            numbers = drawn(arrays, operation)
            draws = crop_draws(numbers, interval, valid)
            layer = CropResize(size, interval)
            check(arrays, name, operation, layer, clips, draws, lengths)
        layer = CropResize(size, (0.95,))
        check(
            arrays, name, "crop_subsequence_test", layer, clips, None, lengths
        )


def test_augmentations(fixtures_dir):
    for name, config, arrays in cases(
        fixtures_dir("halp"), "augmentations*.npz"
    ):
        clips = from_official(arrays["in/x_short"])
        assert corrupting_augmentation()[0].interval == (0.1, 1.0)
        population = clips.shape[3]
        crop, choice = corrupting_augmentation(
            config["out"], interval=config["l_ratio"]
        )
        assert (crop.num_frames, crop.interval) == (
            config["out"],
            tuple(config["l_ratio"]),
        )
        corruption, shear = choice.layers
        for operation in ("joint_corruption_zero", "joint_corruption_linear"):
            numbers = drawn(arrays, operation)
            layer = JointCorruption(len(numbers[1]))
            draws = corruption_draws(numbers, population)
            check(arrays, name, operation, layer, clips, draws)
            assert layer.num_joints == corruption.num_joints
            both = RandomChoice([layer, shear])
            draws = [0.4, *draws, *np.zeros(6)]
            check(arrays, name, operation, both, clips, draws)
        numbers = np.array(drawn(arrays, "pose_augmentation"), "float64")
        draws = draws_for.of_range(numbers, -1.0, 1.0)
        check(arrays, name, "pose_augmentation", shear, clips, draws)
        draws = [0.6, *np.zeros(corruption.num_draws), *draws]
        check(arrays, name, "pose_augmentation", choice, clips, draws)


def test_streams(fixtures_dir):
    for name, _, arrays in cases(fixtures_dir("halp"), "augmentations*.npz"):
        # What is encoded are the frames that the crop has made.
        clips = from_official(arrays["out/temporal_cropresize/y"])
        for stream, layer in STREAMS.items():
            found = (
                clips if layer is None else np.asarray(layer.on_numpy()(clips))
            )
            # Features are sorted by joint, coordinate, person.
            found = found.transpose(0, 2, 3, 4, 1)
            found = found.reshape(*found.shape[:2], -1)
            expected = arrays[f"out/encoder_input_{stream}"]
            assert_close(found, expected, f"{name}: {stream}")


def test_preprocessing(fixtures_dir):
    for name, _, arrays in cases(fixtures_dir("halp"), "preprocess*.npz"):
        clips = from_official(arrays["in/x"])
        # Persons start over up to the end of the file's array.
        lengths = np.full(len(clips), clips.shape[2], "int32")
        for layer in upright_preprocessing():
            clips = layer(clips, lengths=lengths)
        assert_close(clips, from_official(arrays["out/y"]), name)
