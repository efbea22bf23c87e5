import draws
import numpy as np
import pytest
from keras import ops
from support import assert_close
from support import read_fixture

from keras_skeleton.layers.augmentation import Bones
from keras_skeleton.layers.augmentation import Center
from keras_skeleton.layers.augmentation import CropResize
from keras_skeleton.layers.augmentation import Motion
from keras_skeleton.layers.augmentation import RandomRotation
from keras_skeleton.layers.augmentation.frames import RandomFrames
from keras_skeleton.layers.augmentation.views import MinMaxNormalization
from keras_skeleton.layers.augmentation.views import RandomView

TRAIN_INTERVAL, TEST_INTERVAL = (0.5, 1), (0.95,)


@pytest.fixture
def load(fixtures_dir):
    def load(pattern):
        paths = sorted(fixtures_dir("ctrgcn").glob(pattern))
        if not paths:
            pytest.skip(f"there are no fixtures ctrgcn/{pattern}")
        return map(read_fixture, paths)

    return load


def from_official(x):
    """(C, T, V, M) to (1, M, T, V, C)."""
    return x.transpose(3, 1, 2, 0)[None]


def streams(skeleton):
    return {
        "joint": [],
        "bone": [Bones(skeleton)],
        "joint_motion": [Motion()],
        "motion": [Motion()],
        "bone_motion": [Bones(skeleton), Motion()],
    }


def check_streams(clips, arrays, prefix, skeleton):
    found = 0
    for name, layers in streams(skeleton).items():
        key = f"out/{prefix}_{name}"
        if key in arrays:
            output = clips
            for layer in layers:
                output = layer(output)
            assert_close(output, from_official(arrays[key]), key)
            found += 1
    assert found == 4


def test_ntu_feeder(load):
    for config, arrays in load("feeder_ntu*.npz"):
        clips = from_official(arrays["in/data"])
        low, high = config.get("train_p_interval", TRAIN_INTERVAL)
        share = low + (high - low) * arrays["in/crop_u"].astype("float64")
        crop = draws.of_crop(
            (low, high), share, arrays["in/crop_begin"], config["valid_frames"]
        )
        angles = arrays["in/rot_angles"]
        limit = max(0.3, *np.abs(angles))
        train = CropResize(config["window"], (low, high))(
            clips, draws=crop[None]
        )
        train = RandomRotation(limit)(
            train, draws=draws.of_angles(angles, limit)[None]
        )
        check_streams(train, arrays, "train", "ntu")
        interval = config.get("test_p_interval", TEST_INTERVAL)
        test = CropResize(config["window"], interval)(clips)
        check_streams(test, arrays, "test", "ntu")


def test_ucla_feeder(load):
    for config, arrays in load("feeder_ucla*.npz"):
        clip = arrays["in/skeletons"]
        centred = Center(joint=1)(clip[None, None])
        numbers = [
            draws.of_integers(arrays["in/angle_x_deg"], -60, 60),
            draws.of_integers(arrays["in/angle_y_deg"], -60, 60),
            draws.of_range(arrays["in/scale"], 0.5, 1.5),
        ]
        turned = RandomView(60, (0.5, 1.5))(centred, draws=np.array([numbers]))
        assert_close(turned, arrays["out/rotated"][None, None], "rotated")

        frames = RandomFrames(config["time_steps"])
        index = arrays["in/frame_index_sorted"]
        numbers = draws.of_frames(index, len(clip))[None]
        train = frames(MinMaxNormalization()(turned), draws=numbers)
        check_streams(train, arrays, "train", "kinect20")
        check_streams(
            frames(MinMaxNormalization()(centred)), arrays, "val", "kinect20"
        )


def test_ucla_frame_numbers(load):
    for config, arrays in load("feeder_ucla*.npz"):
        length = len(arrays["in/skeletons"])
        ramp = np.arange(1, length + 1, dtype="float32")
        ramp = ramp.reshape(1, 1, -1, 1, 1)
        layer = RandomFrames(config["time_steps"])
        index = ops.convert_to_numpy(layer(ramp)).ravel() - 1
        np.testing.assert_array_equal(index, arrays["out/val_frame_index"])
        expected = arrays["in/frame_index_sorted"]
        numbers = draws.of_frames(expected, length)[None]
        index = ops.convert_to_numpy(layer(ramp, draws=numbers)).ravel() - 1
        np.testing.assert_array_equal(index, expected)
