import json

import numpy as np
import pytest
from keras import ops

from keras_skeleton.datasets import Sequences
from keras_skeleton.layers.augmentation import Bones
from keras_skeleton.layers.augmentation import CropResize
from keras_skeleton.layers.augmentation import Motion
from keras_skeleton.layers.augmentation import RandomRotation
from keras_skeleton.skeletons import Skeleton

MAX_ANGLE = 0.3


@pytest.fixture
def load(fixtures_dir):
    def load(pattern):
        paths = sorted(fixtures_dir("mamp").glob(pattern))
        if not paths:
            pytest.skip(f"there are no fixtures mamp/{pattern}")
        for path in paths:
            with np.load(path) as file:
                arrays = {name: file[name] for name in file.files}
            yield json.loads(str(arrays.pop("config"))), arrays

    return load


def from_official(x):
    """(C, T, V, M) or (N, C, T, V, M) to the same with (M, T, V, C)."""
    return np.moveaxis(np.moveaxis(x, -4, -1), -2, -4)


def chain(joints):
    """Any tree will do where only the number of joints matters."""
    return Skeleton(
        "chain",
        [f"joint_{index}" for index in range(joints)],
        [(index, index - 1) for index in range(1, joints)],
    )


def run(layer, clips, draws=None):
    return ops.convert_to_numpy(layer(clips, draws=draws))


def draws_of_angles(angles, limit):
    return np.asarray(angles)[None] / limit / 2 + 0.5


def assert_close(output, expected):
    scale = max(np.abs(expected).max(), 1e-6)
    assert output.shape == expected.shape
    assert np.abs(output - expected).max() <= 1e-5 * scale


def test_crop_and_resize(load):
    for config, arrays in load("mamp_feeder_transforms*.npz"):
        for crop in config["crops"]:
            case = crop["case"]
            layer = CropResize(crop["window"], crop["p_interval"])
            draws = None
            if layer.num_draws:
                draws = np.array([[crop["u_p"], crop["u_bias"]]])
            clip = from_official(arrays[f"in/crop_x_{case}"])
            expected = from_official(arrays[f"out/crop_y_{case}"])
            assert_close(run(layer, clip[None], draws)[0], expected)


def test_rotation(load):
    for config, arrays in load("mamp_feeder_transforms*.npz"):
        for rotation in config["rotations"]:
            case, angles = rotation["case"], rotation["angles"]
            limit = max(MAX_ANGLE, *np.abs(angles))
            clip = from_official(arrays[f"in/rot_x_{case}"])
            output = run(
                RandomRotation(limit),
                clip[None],
                draws_of_angles(angles, limit),
            )
            expected = from_official(arrays[f"out/rot_y_{case}"])
            assert_close(output[0], expected)


def read_part(config, arrays, part):
    """The prepared set as clips without their padding, and its labels."""
    rows = arrays[f"in/x_{part}"]
    persons, joints = arrays["out/val"].shape[-1], arrays["out/val"].shape[-2]
    clips = rows.reshape(*rows.shape[:2], persons, joints, -1)
    clips = clips.transpose(0, 2, 1, 3, 4)
    # As the official feeder finds them.
    lengths = (clips.sum(axis=(1, 3, 4)) != 0).sum(axis=1)
    clips = [clip[:, :n] for clip, n in zip(clips, lengths, strict=True)]
    labels = arrays[f"in/y_{part}"].argmax(axis=1)
    skeleton = "ntu" if joints == 25 else chain(joints)
    return Sequences.from_arrays(clips, labels, skeleton=skeleton)


def batch_of(data, transforms):
    ((clips, labels),) = data.to_keras(transforms, batch_size=len(data))
    return clips, labels


def test_evaluation_feeder(load):
    for config, arrays in load("mamp_feeder_dataset*.npz"):
        data = read_part(config, arrays, "test")
        crop = CropResize(config["window_size"], (0.95,))
        streams = {"val": [], "val_vel": [Motion()]}
        if data.skeleton.name == "ntu":
            streams["val_bone"] = [Bones("ntu")]
            streams["val_bone_vel"] = [Bones("ntu"), Motion()]
        for name, transforms in streams.items():
            clips, labels = batch_of(data, [crop, *transforms])
            assert_close(clips, from_official(arrays[f"out/{name}"]))
            np.testing.assert_array_equal(labels, arrays["out/val_label"])


def test_training_feeder(load):
    for config, arrays in load("mamp_feeder_dataset*.npz"):
        data = read_part(config, arrays, "train")
        crop = CropResize(config["window_size"], (0.5, 1))
        for draw in config["train_draws"]:
            index = draw["index"]
            limit = max(MAX_ANGLE, *np.abs(draw["angles"]))
            numbers = np.array([[draw["u_p"], draw["u_bias"]]])
            clips = run(crop, data.padded([index]), numbers)
            clips = run(
                RandomRotation(limit),
                clips,
                draws_of_angles(draw["angles"], limit),
            )
            expected = from_official(arrays["out/train"][index])
            assert_close(clips[0], expected)


@pytest.mark.filterwarnings("ignore:.* no clip left in this share")
def test_semi_supervised_subset(load):
    for config, arrays in load("mamp_feeder_dataset*.npz"):
        data = read_part(config, arrays, "train")
        subset = data.fraction(
            config["semi_ratio"], permutation=arrays["in/semi_permutation"]
        )
        np.testing.assert_array_equal(subset.labels, arrays["out/semi_label"])
        crop = CropResize(config["window_size"], (0.95,))
        clips, _ = batch_of(subset, crop)
        assert_close(clips[0], from_official(arrays["out/semi_first"]))
