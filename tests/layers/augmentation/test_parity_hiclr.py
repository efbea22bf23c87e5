"""Augmentations and preprocessing of HiCLR, with the draws of its feeder."""

import math

import draws as draws_for
import numpy as np
import pytest
from keras import ops
from support import assert_close
from support import cases

from keras_skeleton import skeletons
from keras_skeleton.applications.hiclr import JointMask
from keras_skeleton.evaluation import fuse_scores
from keras_skeleton.layers import style_transfer
from keras_skeleton.layers.augmentation import Bones
from keras_skeleton.layers.augmentation import DropAxis
from keras_skeleton.layers.augmentation import GaussianBlur
from keras_skeleton.layers.augmentation import GaussianNoise
from keras_skeleton.layers.augmentation import MaskJoints
from keras_skeleton.layers.augmentation import Motion
from keras_skeleton.layers.augmentation import RandomApply
from keras_skeleton.layers.augmentation import RandomMirror
from keras_skeleton.layers.augmentation import RandomRotation
from keras_skeleton.layers.augmentation import RandomShear
from keras_skeleton.layers.augmentation import RandomTimeFlip
from keras_skeleton.layers.augmentation import Streams
from keras_skeleton.layers.augmentation import TemporalCrop
from keras_skeleton.layers.augmentation import basic_augmentation
from keras_skeleton.layers.augmentation import facing_preprocessing
from keras_skeleton.layers.augmentation import strong_augmentation

SKELETON = skeletons.get("ntu")
SIGMA = 0.01


def from_official(x):
    """(C, T, V, M), or with samples before, to (N, M, T, V, C)."""
    x = x if x.ndim == 5 else x[None]
    return x.transpose(0, 4, 2, 3, 1)


def drawn(arrays, name):
    """The random numbers of one operation, in the order of their drawing."""
    prefix = f"in/{name}/draw"
    keys = [key for key in arrays if key.startswith(prefix)]
    keys.sort(key=lambda key: int(key[len(prefix) :].partition("_")[0]))
    return iter([arrays[key] for key in keys])


def crop_draws(numbers, clips):
    padding = clips.shape[2] // 6
    return [draws_for.of_integers(next(numbers), 0, 2 * padding)]


def shear_draws(numbers):
    # Below the diagonal of each column, then what lies above it.
    a0, a1, a2, b0, b1, b2 = (next(numbers) for _ in range(6))
    row_by_row = [a0, b0, a1, b1, a2, b2]
    return list(draws_for.of_range(row_by_row, -0.5, 0.5))


def rotation_draws(numbers):
    axis = int(next(numbers))
    limits = [30.0 if i == axis else 1.0 for i in range(3)]
    return [
        draws_for.of_integers(axis, 0, 2),
        *(float(next(numbers)) / limit for limit in limits),
    ]


def applied(numbers, count, draws):
    """Draws of `RandomApply`; there are no more where it does nothing."""
    first = float(next(numbers))
    return [first, *(draws(numbers) if first < 0.5 else [0.0] * count)]


def noise_draws(numbers):
    return draws_for.of_normal(from_official(next(numbers)) / SIGMA)


def blur_draws(numbers):
    sigma = draws_for.of_range(next(numbers), 0.1, 2.0)
    return [float(next(numbers)), sigma]


def axis_draws(numbers):
    return [draws_for.of_integers(next(numbers), 0, 2)]


def rotation():
    return RandomRotation(
        math.radians(30), min_angle=0.0, minor_angle=math.radians(1)
    )


def basic_draws(numbers, clips):
    return [*crop_draws(numbers, clips), *shear_draws(numbers)]


def strong_draws(numbers, clips):
    count = 2 * math.ceil(clips[0].size / 2)
    return [
        *basic_draws(numbers, clips),
        float(next(numbers)),
        *rotation_draws(numbers),
        *applied(numbers, count, noise_draws),
        *blur_draws(numbers),
        *applied(numbers, 1, axis_draws),
    ]


# For each official operation, our transforms and their draws.
OPERATIONS = {
    "shear": lambda x: ([RandomShear()], lambda n: shear_draws(n)),
    "temperal_crop": lambda x: ([TemporalCrop()], lambda n: crop_draws(n, x)),
    "random_spatial_flip": lambda x: (
        [RandomMirror(SKELETON, reflect=False)],
        lambda n: [float(next(n))],
    ),
    "random_time_flip": lambda x: (
        [RandomTimeFlip()],
        lambda n: [float(next(n))],
    ),
    "random_rotate": lambda x: ([rotation()], rotation_draws),
    "gaus_noise": lambda x: (
        [RandomApply(GaussianNoise(x.shape[1:], absent=True))],
        lambda n: applied(n, 2 * math.ceil(x[0].size / 2), noise_draws),
    ),
    "gaus_filter": lambda x: ([RandomApply(GaussianBlur())], blur_draws),
    "axis_mask": lambda x: (
        [RandomApply(DropAxis())],
        lambda n: applied(n, 1, axis_draws),
    ),
    "basic": lambda x: (basic_augmentation(), lambda n: basic_draws(n, x)),
    "strong": lambda x: (
        strong_augmentation(SKELETON, x.shape[1:]),
        lambda n: strong_draws(n, x),
    ),
}


def run(layers, clips, draws=None):
    start, lengths = 0, np.full(len(clips), clips.shape[2], "int32")
    for layer in layers:
        stop = start + layer.num_draws
        own = draws[:, start:stop] if layer.num_draws else None
        clips = layer(clips, draws=own, lengths=lengths)
        start = stop
    assert draws is None or start == draws.shape[1]
    return clips


def test_augmentations(fixtures_dir):
    folder = fixtures_dir("hiclr")
    for name, _, arrays in cases(folder, "augmentations*.npz"):
        outputs = [key for key in arrays if key.startswith("out/")]
        assert outputs
        for key in outputs:
            operation = key.split("/")[1]
            clips = from_official(arrays[f"in/{operation}/x"])
            layers, draws = OPERATIONS[operation](clips)
            numbers = drawn(arrays, operation)
            found = run(layers, clips, np.array([draws(numbers)], "float64"))
            assert not list(numbers)
            expected = from_official(arrays[key])
            assert_close(found, expected, f"{name}: {operation}")


def test_streams(fixtures_dir):
    folder = fixtures_dir("hiclr")
    for name, _, arrays in cases(folder, "streams_mask_adain_graph*.npz"):
        clips = from_official(arrays["in/x"])
        streams = {"motion": Motion(), "bone": Bones(SKELETON)}
        for stream, layer in streams.items():
            expected = from_official(arrays[f"out/{stream}"])
            assert_close(layer(clips), expected, f"{name}: {stream}")
        both = Streams(SKELETON, ("joint_motion", "bone"))(clips)
        expected = [from_official(arrays[f"out/{key}"]) for key in streams]
        assert_close(both, np.concatenate(expected, axis=-1), name)


def test_mask(fixtures_dir):
    folder = fixtures_dir("hiclr")
    for name, _, arrays in cases(folder, "streams_mask_adain_graph*.npz"):
        clips, joints = from_official(arrays["in/x"]), arrays["in/mask_joints"]
        samples, _, frames, num_joints, _ = clips.shape
        expected = from_official(arrays["out/masked"])
        masked = np.zeros((frames, num_joints), bool)
        np.put_along_axis(masked, joints, True, axis=1)
        # The step's own layer, with a mask for the whole batch.
        ratio = (joints.shape[1] + 0.5) / num_joints
        layer = JointMask(ratio)
        layer.build(None)
        layer.value.assign(arrays["in/mask_value"])
        layer.draw = lambda *shape, kept=~masked: ops.convert_to_tensor(kept)
        assert_close(layer(clips), expected, name)
        # The transform, with zeros and a mask for each clip.
        numbers = np.where(masked, 0.1, 0.9) + np.arange(num_joints) * 1e-3
        numbers = np.repeat(numbers.reshape(1, -1), samples, axis=0)
        found = MaskJoints(frames, num_joints, ratio)(clips, draws=numbers)
        zeros = np.where(masked[None, None, :, :, None], 0, expected)
        assert_close(found, zeros, name)


def test_style(fixtures_dir):
    folder = fixtures_dir("hiclr")
    for name, _, arrays in cases(folder, "streams_mask_adain_graph*.npz"):
        clips = from_official(arrays["in/x"])
        styles = clips[arrays["in/style_index"]]
        for key, per_frame in (("adain_TV", False), ("adain_V", True)):
            found = style_transfer(clips, styles, per_frame)
            expected = from_official(arrays[f"out/{key}"])
            assert_close(found, expected, f"{name}: {key}")


@pytest.mark.once
def test_fusion(fixtures_dir):
    folder = fixtures_dir("hiclr")
    for name, _, arrays in cases(folder, "streams_mask_adain_graph*.npz"):
        scores = [arrays[f"in/score_{x}"] for x in ("joint", "bone", "motion")]
        found = fuse_scores(scores, [0.5, 0.5, 0.5])
        assert_close(found, arrays["out/fusion_equal"], name)
        found = fuse_scores(scores, [0.6, 0.6, 0.4])
        assert_close(found, arrays["out/fusion_664"], name)


def test_preprocessing(fixtures_dir):
    for name, config, arrays in cases(fixtures_dir("hiclr"), "preprocess*.npz"):
        clips = from_official(arrays["in/x"])
        lengths = np.any(clips[:, 0, :, 0] != 0, axis=-1).sum(axis=1)
        np.testing.assert_array_equal(lengths, arrays["out/length"])
        *layers, turn = facing_preprocessing(config["t_length"])
        for layer in layers:
            clips = layer(clips, lengths=lengths)
        expected = from_official(arrays["out/position_before_rotation"])
        assert_close(clips, expected, f"{name}: before rotation")
        expected = from_official(arrays["out/position"])
        assert_close(turn(clips), expected, name)
