import draws
import numpy as np
import pytest
from support import assert_close
from support import read_fixture

from keras_skeleton import skeletons
from keras_skeleton.layers.augmentation import Bones
from keras_skeleton.layers.augmentation import Center
from keras_skeleton.layers.augmentation import CropResize
from keras_skeleton.layers.augmentation import Motion
from keras_skeleton.layers.augmentation import RandomRotation
from keras_skeleton.layers.augmentation import UniformSample
from keras_skeleton.layers.augmentation.dropping import DropAxis
from keras_skeleton.layers.augmentation.dropping import DropJoints
from keras_skeleton.layers.augmentation.dropping import RandomApply
from keras_skeleton.layers.augmentation.frames import RandomFrames
from keras_skeleton.layers.augmentation.views import AlignShoulders
from keras_skeleton.layers.augmentation.views import MinMaxNormalization
from keras_skeleton.layers.augmentation.views import RandomView

ROOT = 20
# Tips and thumbs hang on the hands; the root keeps its place.
NTU_BONES = (
    *(bone for bone in skeletons.get("ntu").bones if bone[0] < 21),
    *((21, 7), (22, 7), (23, 11), (24, 11), (ROOT, None)),
)
NTU_STREAMS = {
    "joint": [Bones(bones=[*((j, ROOT) for j in range(25)), (ROOT, None)])],
    "bone": [Bones(bones=NTU_BONES)],
    "joint_motion": [Motion()],
    "bone_motion": [Bones(bones=NTU_BONES), Motion()],
}
UCLA_STREAMS = {
    "joint": [],
    "bone": [Bones("kinect20")],
    "motion": [Motion()],
    "bone_motion": [Bones("kinect20"), Motion()],
}


@pytest.fixture
def load(fixtures_dir):
    def load(pattern):
        paths = sorted(fixtures_dir("hypergcn").glob(pattern))
        if not paths:
            pytest.skip(f"there are no fixtures hypergcn/{pattern}")
        return map(read_fixture, paths)

    return load


def from_official(x):
    """(C, T, V, M) to (1, M, T, V, C)."""
    return x.transpose(3, 1, 2, 0)[None]


def check_streams(clips, arrays, prefix, streams):
    for name, layers in streams.items():
        output = clips
        for layer in layers:
            output = layer(output)
        key = f"out/{prefix}_{name}"
        assert_close(output, from_official(arrays[key]), key)


def test_ntu_feeder(load):
    for config, arrays in load("feeder_ntu*.npz"):
        clips = from_official(arrays["in/data"])
        low, high = config["train_p_interval"]
        share = low + (high - low) * arrays["in/crop_u"].astype("float64")
        numbers = draws.of_crop(
            (low, high), share, arrays["in/crop_begin"], config["valid_frames"]
        )
        layer = CropResize(config["window"], (low, high))
        train = layer(clips, draws=numbers[None])
        expected = from_official(arrays["out/train_crop_resize"])
        assert_close(train, expected, "train crop")
        angles = arrays["in/rot_angles"]
        limit = max(0.3, *np.abs(angles))
        numbers = draws.of_angles(angles, limit)[None]
        train = RandomRotation(limit)(train, draws=numbers)
        check_streams(train, arrays, "train", NTU_STREAMS)

        test = CropResize(config["window"], config["test_p_interval"])(clips)
        expected = from_official(arrays["out/test_crop_resize"])
        assert_close(test, expected, "test crop")
        check_streams(test, arrays, "test", NTU_STREAMS)


def test_align(load):
    for _, arrays in load("feeder_ntu*.npz"):
        clips = from_official(arrays["out/test_crop_resize"])
        aligned = AlignShoulders()(clips)
        assert_close(aligned, from_official(arrays["out/align"]), "align")
        joints = {"joint": NTU_STREAMS["joint"]}
        check_streams(aligned, arrays, "align", joints)


def clip_draws(arrays, name, length, layer):
    """Draws of `UniformSample` by what `get_clips` drew."""
    window = layer.num_frames
    numbers = np.full((1, layer.num_draws), 0.5)
    choice = arrays.get(f"in/clips_{name}_choice")
    if choice is not None:
        # The smallest numbers belong to the frames that are left out.
        numbers[0, 2:] = 0.9 + np.arange(window + 1) / window / 100
        numbers[0, 2 + choice] = np.arange(len(choice)) / window / 2
        return numbers
    random = arrays[f"in/clips_{name}_randint"]
    if length < window:
        numbers[0, 2] = draws.of_integers(random, 0, length - 1)
    else:
        size = np.diff(np.arange(window + 1) * length // window)
        numbers[0, 2:-1] = draws.of_integers(random, 0, size - 1)
    return numbers


def test_clips(load):
    for config, arrays in load("feeder_ntu*.npz"):
        layer = UniformSample(config["window"])
        keys = [key for key in arrays if key.startswith("out/clips_")]
        assert keys
        for key in keys:
            name = key.removeprefix("out/clips_")
            clips = from_official(arrays[f"in/clips_{name}_data"])
            numbers = clip_draws(arrays, name, clips.shape[2], layer)
            output = layer(clips, draws=numbers)
            assert_close(output, from_official(arrays[key]), key, 0)


def drop_axis_draws(arrays, coordinates):
    axis = int(arrays["in/drop_axis"])
    chosen = draws.of_integers(max(axis, 0), 0, coordinates - 1)
    return np.array([[0.0 if axis >= 0 else 1.0, chosen]])


def drop_joints_draws(arrays, layer, shape):
    numbers = np.zeros((1, layer.num_draws))
    # Whether it drops is known from the uniform number itself.
    numbers[0, 0] = arrays["in/drop_joint_u"]
    if "in/drop_joint_joints" in arrays:
        drop = layer.layer
        joints = arrays["in/drop_joint_joints"]
        frames = arrays["in/drop_joint_frames"]
        numbers[0, 1] = draws.of_integers(len(joints), *drop.joints)
        numbers[0, 2] = draws.of_integers(len(frames), *drop.frames)
        first, middle = 3, 3 + drop.joints[1]
        numbers[0, first : first + len(joints)] = draws.of_choice(
            joints, shape[3]
        )
        numbers[0, middle : middle + len(frames)] = draws.of_choice(
            frames, shape[2]
        )
    return numbers


def test_ucla_feeder(load):
    for config, arrays in load("feeder_ucla*.npz"):
        clip = arrays["in/skeletons"]
        centred = Center(joint=1)(clip[None, None])
        numbers = [
            draws.of_integers(arrays["in/angle_x_deg"], -60, 60),
            draws.of_integers(arrays["in/angle_y_deg"], -60, 60),
            draws.of_range(arrays["in/scale"], 0.5, 1.5),
        ]
        turned = RandomView()(centred, draws=np.array([numbers]))
        assert_close(turned, arrays["out/rotated"][None, None], "rotated")

        frames = RandomFrames(config["time_steps"])
        numbers = draws.of_frames(arrays["in/frame_index_sorted"], len(clip))
        train = frames(MinMaxNormalization()(turned), draws=numbers[None])
        numbers = drop_axis_draws(arrays, train.shape[-1])
        train = RandomApply(DropAxis(), 0.5)(train, draws=numbers)
        layer = RandomApply(DropJoints(), 0.5)
        numbers = drop_joints_draws(arrays, layer, train.shape)
        train = layer(train, draws=numbers)
        check_streams(train, arrays, "train", UCLA_STREAMS)
        test = frames(MinMaxNormalization()(centred))
        check_streams(test, arrays, "val", UCLA_STREAMS)
