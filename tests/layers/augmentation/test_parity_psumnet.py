import draws
import numpy as np
import pytest
from support import assert_close
from support import read_fixture

from keras_skeleton.layers.augmentation import CropResize
from keras_skeleton.layers.augmentation import PadTo
from keras_skeleton.layers.augmentation import RandomRotation
from keras_skeleton.layers.augmentation import Streams
from keras_skeleton.layers.augmentation.parts import SelectJoints
from keras_skeleton.layers.augmentation.parts import body_part
from keras_skeleton.layers.augmentation.views import BoneNormalization

TRAIN_INTERVAL, TEST_INTERVAL = (0.5, 1), (0.95,)


@pytest.fixture
def load(fixtures_dir):
    def load(pattern):
        paths = sorted(fixtures_dir("psumnet").glob(pattern))
        if not paths:
            pytest.skip(f"there are no fixtures psumnet/{pattern}")
        return map(read_fixture, paths)

    return load


def from_official(x):
    """(C, T, V, M) to (1, M, T, V, C)."""
    return x.transpose(3, 1, 2, 0)[None]


def check_parts(clips, arrays, prefix, layout):
    keys = [key for key in arrays if key.startswith(f"out/{prefix}_")]
    assert keys
    for key in keys:
        part = body_part(layout, key.rpartition("_")[2])
        output = Streams(bones=part.bones)(SelectJoints(part.joints)(clips))
        assert_close(output, from_official(arrays[key]), key)


def test_ntu_feeder(load):
    for config, arrays in load("feeder_ntu[!x]*npz"):
        clips = from_official(arrays["in/data"])
        for part, joints in config["joint_lists"].items():
            assert body_part("ntu", part).joints == tuple(joints)
        low, high = config.get("train_p_interval", TRAIN_INTERVAL)
        share = low + (high - low) * arrays["in/crop_u"].astype("float64")
        numbers = draws.of_crop(
            (low, high), share, arrays["in/crop_begin"], config["valid_frames"]
        )
        layer = CropResize(config["window"], (low, high))
        train = layer(clips, draws=numbers[None])
        angles = arrays["in/rot_angles"]
        limit = max(0.3, *np.abs(angles))
        numbers = draws.of_angles(angles, limit)[None]
        train = RandomRotation(limit)(train, draws=numbers)
        check_parts(train, arrays, "train", "ntu")
        interval = config.get("test_p_interval", TEST_INTERVAL)
        test = CropResize(config["window"], interval)(clips)
        check_parts(test, arrays, "test", "ntu")


def test_ntux_feeder(load):
    for config, arrays in load("feeder_ntux*.npz"):
        interval = config.get("test_p_interval", TEST_INTERVAL)
        clips = from_official(arrays["in/data"])
        test = CropResize(config["window"], interval)(clips)
        check_parts(test, arrays, "test", "ntu_x")


def test_shrec_feeder(load):
    for _, arrays in load("feeder_shrec*.npz"):
        clips = BoneNormalization((0, 10))(arrays["in/raw"][None, None])
        expected = from_official(arrays["out/normalised"])
        assert_close(clips, expected, "normalised")
        part = body_part("shrec", "hand")
        expected = from_official(arrays["out/unified"])
        clips = SelectJoints(part.joints)(clips)
        padded = PadTo(expected.shape[2], mode="zero")(clips)
        assert_close(Streams(bones=part.bones)(padded), expected, "unified")


def test_graphs(load):
    layouts = {"ntu": "ntu", "ntux": "ntu_x", "shrec": "shrec"}
    for _, arrays in load("graphs*.npz"):
        for key, expected in arrays.items():
            layout, _, name = key.removeprefix("out/").partition("_")
            bones = body_part(layouts[layout], name).bones
            size = len(body_part(layouts[layout], name).joints)
            graph = np.stack([np.eye(size), *np.zeros((2, size, size))])
            for joint, parent in bones:
                graph[1, parent, joint] = graph[2, joint, parent] = 1
            graph /= np.maximum(graph.sum(axis=1, keepdims=True), 1)
            assert_close(graph, expected, key)
