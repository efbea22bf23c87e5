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
from keras_skeleton.layers.augmentation import RandomScale
from keras_skeleton.layers.augmentation.dropping import DropAxis
from keras_skeleton.layers.augmentation.dropping import DropJoints
from keras_skeleton.layers.augmentation.dropping import RandomApply
from keras_skeleton.layers.augmentation.dropping import ZeroInvisible
from keras_skeleton.layers.augmentation.frames import RandomFrames
from keras_skeleton.layers.augmentation.frames import RandomSegmentFrames
from keras_skeleton.layers.augmentation.parts import SelectJoints
from keras_skeleton.layers.augmentation.views import MainPerson
from keras_skeleton.layers.augmentation.views import MinMaxNormalization
from keras_skeleton.layers.augmentation.views import RandomView
from keras_skeleton.layers.augmentation.views import RootNormalization


@pytest.fixture
def load(fixtures_dir):
    def load(pattern):
        paths = sorted(fixtures_dir("cascadeformer").glob(pattern))
        if not paths:
            pytest.skip(f"there are no fixtures cascadeformer/{pattern}")
        return map(read_fixture, paths)

    return load


def from_official(x):
    """(C, T, V, M) to (1, M, T, V, C)."""
    return x.transpose(3, 1, 2, 0)[None]


def rows(arrays, prefix):
    """Numbers of the clips of a file."""
    names = [key.removeprefix(prefix) for key in arrays]
    names = [name for name in names if name.isdigit()]
    assert names
    return sorted(map(int, names))


def test_ntu_feeder(load):
    for config, arrays in load("prep_ntu60_feeder*.npz"):
        window, tests = config["window"], []
        for row in rows(arrays, "in/data_"):
            clips = from_official(arrays[f"in/data_{row}"])
            valid = int(arrays[f"in/valid_{row}"])
            share, start, *angles = arrays[f"in/train_p_bias_rot_{row}"].astype(
                "float64"
            )
            numbers = draws.of_crop((0.5, 1), share, start, valid)
            train = CropResize(window, (0.5, 1))(clips, draws=numbers[None])
            expected = from_official(arrays[f"out/train_crop_{row}"])
            assert_close(train, expected, "train crop")
            limit = max(0.3, *np.abs(angles))
            numbers = draws.of_angles(angles, limit)[None]
            train = RandomRotation(limit)(train, draws=numbers)
            expected = from_official(arrays[f"out/train_rot_{row}"])
            assert_close(train, expected, "train rotation")
            test = CropResize(window, (0.95,))(clips)
            assert_close(test, from_official(arrays[f"out/test_{row}"]), "test")
            tests.append(MainPerson()(test)[:, 0])
        main = ops.concatenate(tests)
        assert_close(main, arrays["out/test_main_person"], "main person")


def test_ntu_snapshot(load):
    for config, arrays in load("prep_ntu_snapshot*.npz"):
        size, share = config["T_out"], config["p"]
        for row in rows(arrays, "in/xyz_"):
            clips = arrays[f"in/xyz_{row}"][None, None]
            length = clips.shape[2]
            seen = int(length * share)
            if seen < size:
                seen = int(length * (-(-size // seen) + 1) * share)
            edges = np.arange(size + 1) * (seen / size)
            edges = edges.astype("int64")
            numbers = draws.of_integers(
                arrays[f"in/frame_idx_{row}"], edges[:-1], edges[1:] - 1
            )
            layer = RandomSegmentFrames(size, share)
            clips = layer(clips, draws=numbers[None])
            expected = arrays[f"out/sampled_{row}"][None, None]
            assert_close(clips, expected, "sampled", 0)
            clips = RootNormalization()(clips)
            expected = arrays[f"out/normalised_{row}"][None, None]
            assert_close(clips, expected, "normalised")

            angle, scale = arrays[f"in/angle_deg_scale_{row}"]
            clips = ops.convert_to_numpy(clips) + arrays[f"in/noise_{row}"]
            limit = np.radians(max(10.0, abs(angle)))
            numbers = [
                0.5,
                0.5,
                draws.of_angles(np.radians(angle), limit),
            ]
            clips = RandomRotation((0.0, 0.0, limit))(
                clips, draws=np.array([numbers])
            )
            numbers = [[draws.of_range(scale, 0.9, 1.1)]]
            clips = RandomScale((0.9, 1.1))(clips, draws=np.array(numbers))
            expected = arrays[f"out/augmented_{row}"][None, None]
            assert_close(clips, expected, "augmented")


def frame_numbers(frames, length, numbers=None):
    ramp = np.arange(1, length + 1, dtype="float32").reshape(1, 1, -1, 1, 1)
    return ops.convert_to_numpy(frames(ramp, draws=numbers)).ravel() - 1


def drop(clips, arrays, row, probability):
    """Drops the axis, the joints and the frames that were dropped."""
    axis = int(arrays[f"in/train_drop_axis_{row}"])
    number = draws.of_integers(max(axis, 0), 0, clips.shape[-1] - 1)
    numbers = [[0.0 if axis >= 0 else 1.0, number]]
    layer = RandomApply(DropAxis(), probability)
    clips = layer(clips, draws=np.array(numbers))

    joints = np.flatnonzero(arrays[f"in/train_drop_joint_mask_{row}"])
    frames = np.flatnonzero(arrays[f"in/train_drop_frame_mask_{row}"])
    layer = RandomApply(DropJoints(), probability)
    numbers = np.ones((1, layer.num_draws))
    if len(joints):
        first, middle = 3, 3 + layer.layer.joints[1]
        numbers[0, 0] = 0
        numbers[0, 1] = draws.of_integers(len(joints), *layer.layer.joints)
        numbers[0, 2] = draws.of_integers(len(frames), *layer.layer.frames)
        numbers[0, first : first + len(joints)] = draws.of_choice(
            joints, clips.shape[3]
        )
        numbers[0, middle : middle + len(frames)] = draws.of_choice(
            frames, clips.shape[2]
        )
    return layer(clips, draws=numbers)


def test_ucla(load):
    for config, arrays in load("prep_nucla*.npz"):
        order = [joint - 1 for joint in config["joint_order_1based"]]
        select = SelectJoints(order)
        frames = RandomFrames(config["time_steps"])
        for row in rows(arrays, "in/skeleton_"):
            clips = arrays[f"in/skeleton_{row}"][None, None]
            length = clips.shape[2]
            centred = Center(joint=1)(clips)
            test = frames(MinMaxNormalization()(centred))
            streams = {
                "j": test,
                "b": Bones("kinect20")(test),
                "jm": Motion()(test),
            }
            for name, stream in streams.items():
                expected = arrays[f"out/test_{name}_{row}"][None, None]
                assert_close(select(stream), expected, name)
            flat = ops.convert_to_numpy(select(test))[0, 0]
            flat = flat.transpose(0, 2, 1).reshape(len(flat), -1)
            expected = arrays[f"out/test_flat_v1_0_{row}"]
            assert_close(flat, expected, "flat")
            index = arrays[f"out/test_index_t_{row}"]
            index = np.round((index + 1) / 2 * length)
            found = frame_numbers(frames, length)
            np.testing.assert_array_equal(found, index)

            x, y, scale = arrays[f"in/train_agx_agy_scale_{row}"]
            numbers = [
                draws.of_integers(x, -60, 60),
                draws.of_integers(y, -60, 60),
                draws.of_range(scale, 0.5, 1.5),
            ]
            train = RandomView()(centred, draws=np.array([numbers]))
            index = arrays[f"in/train_frame_idx_{row}"]
            numbers = draws.of_frames(index, length)[None]
            found = frame_numbers(frames, length, numbers)
            np.testing.assert_array_equal(found, index)
            train = frames(MinMaxNormalization()(train), draws=numbers)
            train = select(drop(train, arrays, row, config["p"]))
            expected = arrays[f"out/train_j_{row}"][None, None]
            assert_close(train, expected, "train")


def test_penn(load):
    for _, arrays in load("prep_penn*.npz"):
        batch = arrays["out/batch"]
        for row in rows(arrays, "in/x_"):
            parts = (arrays[f"in/{name}_{row}"] for name in "xy")
            seen = arrays[f"in/visibility_{row}"]
            clips = np.stack([*parts, seen], axis=-1)[None, None]
            clips = ops.convert_to_numpy(ZeroInvisible()(clips))[0, 0]
            assert_close(clips, arrays[f"out/seq_{row}"], "clip", 0)
            np.testing.assert_array_equal(clips, batch[row, : len(clips)])
            assert not batch[row, len(clips) :].any()
        flat = batch.reshape(*batch.shape[:2], -1)
        np.testing.assert_array_equal(flat, arrays["out/batch_flat"])
