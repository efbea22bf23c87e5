"""What the transforms of contrastive training promise, in NumPy."""

import numpy as np
import pytest

from keras_skeleton.layers import augmentation
from keras_skeleton.layers.augmentation import Center
from keras_skeleton.layers.augmentation import CropResize
from keras_skeleton.layers.augmentation import DropAxis
from keras_skeleton.layers.augmentation import DropJoints
from keras_skeleton.layers.augmentation import FaceFront
from keras_skeleton.layers.augmentation import GaussianBlur
from keras_skeleton.layers.augmentation import GaussianNoise
from keras_skeleton.layers.augmentation import JointCorruption
from keras_skeleton.layers.augmentation import LoopFrames
from keras_skeleton.layers.augmentation import MaskJoints
from keras_skeleton.layers.augmentation import PreNormalize3D
from keras_skeleton.layers.augmentation import RandomChoice
from keras_skeleton.layers.augmentation import RandomMirror
from keras_skeleton.layers.augmentation import RandomRotation
from keras_skeleton.layers.augmentation import RandomScale
from keras_skeleton.layers.augmentation import RandomShear
from keras_skeleton.layers.augmentation import RandomTimeFlip
from keras_skeleton.layers.augmentation import TemporalCrop

pytestmark = pytest.mark.once

FRAMES, JOINTS = 12, 20


def make_clips(samples=4, seed=0, persons=1):
    shape = (samples, persons, FRAMES, JOINTS, 3)
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def random_draws(layer, samples, seed=0):
    shape = (samples, layer.num_draws)
    return np.random.default_rng(seed).random(shape, "float32")


def run(layer, clips, draws=None, lengths=None):
    if draws is None and layer.num_draws:
        draws = random_draws(layer, len(clips))
    return layer.on_numpy()(clips, draws, lengths)


def test_temporal_crop_goes_back_at_the_ends():
    frames = np.arange(1, 13, dtype="float32").reshape(1, 1, 12, 1, 1)
    clips = np.repeat(frames, 3, axis=0)
    found = run(TemporalCrop(4), clips, np.array([[0.0], [0.5], [0.999]]))
    first, middle, last = found[:, 0, :, 0, 0].astype(int).tolist()
    assert first == [3, 2, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9]
    assert middle == list(range(1, 13))
    assert last == [4, 5, 6, 7, 8, 9, 10, 11, 12, 12, 11, 10]


def test_time_flip():
    clips = make_clips(2)
    lengths = np.array([12, 5])
    clips[1, :, 5:] = 0
    found = run(RandomTimeFlip(1.0), clips, lengths=lengths)
    np.testing.assert_array_equal(found[0], clips[0, :, ::-1])
    np.testing.assert_array_equal(found[1, :, :5], clips[1, :, 4::-1])
    np.testing.assert_array_equal(run(RandomTimeFlip(0.0), clips), clips)


def test_blur():
    impulse = np.zeros((1, 1, FRAMES, 1, 1), "float32")
    impulse[:, :, 6] = 1
    draws = np.array([[0.5]])
    sigma = 1.05
    expected = np.exp(-((np.arange(FRAMES) - 6) ** 2) / (2 * sigma**2))
    lengths = np.array([FRAMES])
    found = run(GaussianBlur(), impulse, draws, lengths).ravel()
    np.testing.assert_allclose(found, expected, atol=1e-6)
    expected[np.abs(np.arange(FRAMES) - 6) > 2] = 0
    found = run(GaussianBlur(num_taps=5), impulse, draws, lengths).ravel()
    np.testing.assert_allclose(found, expected, atol=1e-6)
    # A person who stands still stays so, to the ends of the clip.
    still = np.ones((3, 1, FRAMES, 2, 3), "float32")
    still[1, :, 7:] = 0
    found = run(GaussianBlur(normalized=True), still)
    np.testing.assert_allclose(found, still, atol=1e-6)
    assert run(GaussianBlur(), still, np.ones((3, 1)) - 1e-6).max() > 4.9


def test_gaussian_noise():
    clips = make_clips(50, persons=2)
    clips[:25, 1] = 0
    layer = GaussianNoise(clips.shape[1:], sigma=0.3)
    noise = run(layer, clips) - clips
    assert not noise[:25, 1].any()
    noise = np.concatenate([noise[:, 0].ravel(), noise[25:, 1].ravel()])
    assert abs(noise.mean()) < 0.005 and abs(noise.std() - 0.3) < 0.005
    kurtosis = np.mean(noise**4) / np.mean(noise**2) ** 2
    assert abs(kurtosis - 3) < 0.1
    layer = GaussianNoise(clips.shape[1:], sigma=0.3, absent=True)
    assert abs(run(layer, clips)[:25, 1].std() - 0.3) < 0.01


def test_shear():
    clips = make_clips(1)
    numbers = np.array([[0.1, -0.2, 0.3, 0.4, -0.5, 0.25]])
    matrix = [[1, 0.1, -0.2], [0.3, 1, 0.4], [-0.5, 0.25, 1]]
    found = run(RandomShear(0.5), clips, numbers + 0.5)
    expected = np.einsum("ij,nmtvj->nmtvi", matrix, clips)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    found = run(RandomShear(0.5, 2), clips, numbers[:, :2] + 0.5)
    expected = np.array(clips)
    expected[..., 0] += 0.1 * clips[..., 1]
    expected[..., 1] -= 0.2 * clips[..., 0]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_joint_corruption():
    clips = make_clips(200)
    found = run(JointCorruption(7), clips)
    is_kept = np.all(found == clips, axis=(1, 2, 4))
    assert np.all(is_kept.sum(axis=1) == JOINTS - 7)
    zeros = np.array(
        [not np.any(f[:, :, ~k]) for f, k in zip(found, is_kept, strict=True)]
    )
    assert 80 < zeros.sum() < 120
    # All joints are lost as often.
    assert np.abs((~is_kept).mean(axis=0) - 7 / JOINTS).max() < 0.12


def test_choice_applies_one():
    layers = [RandomScale((2, 2)), RandomScale((3, 3)), LoopFrames()]
    clips = make_clips(300)
    factor = (run(RandomChoice(layers), clips) / clips)[:, 0, 0, 0, 0]
    values, counts = np.unique(factor.round(4), return_counts=True)
    assert values.tolist() == [1, 2, 3] and counts.min() > 70


def test_masked_joints_of_each_frame():
    clips = make_clips(100)
    found = run(MaskJoints(FRAMES, JOINTS, 0.19), clips)
    masked = np.all(found == 0, axis=-1)[:, 0]
    assert np.all(masked.sum(axis=2) == 3)
    assert not np.all(masked == masked[:, :1])
    assert np.abs(masked.mean(axis=(0, 1)) - 3 / JOINTS).max() < 0.03
    layer = MaskJoints(FRAMES, JOINTS, 0.01)
    np.testing.assert_array_equal(run(layer, clips), clips)


def test_joints_dropped_in_all_frames():
    clips = make_clips(50)
    dropped = np.all(run(DropJoints((2, 4), None), clips) == 0, axis=-1)[:, 0]
    assert np.all(dropped == dropped[:, :1])
    assert set(dropped[:, 0].sum(axis=1)) == {2, 3, 4}


def test_main_axis_of_rotation():
    layer = RandomRotation(0.5, min_angle=0.0, minor_angle=0.0)
    point = np.zeros((60, 1, 1, 3, 3), "float32")
    point[:, 0, 0] = np.eye(3)
    found = run(layer, point)[:, 0, 0]
    stays = np.isclose(found, np.eye(3)).all(axis=-1)
    # The vector along the axis stays, the others turn.
    assert np.all(stays.sum(axis=1) == 1)
    assert np.all(stays.sum(axis=0) > 8)
    layer = RandomRotation(0.5, minor_angle=0.1)
    draws = np.array([[0.0, 0.75, 0.75, 0.75]])
    found = run(layer, point[:1], draws)
    same = RandomRotation((0.25, 0.05, 0.05))
    expected = run(same, point[:1], np.array([[1.0, 1.0, 1.0]]))
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_flip_without_reflection():
    clips = make_clips(1)
    layer = RandomMirror("kinect20", rate=1.0, reflect=False)
    order = layer.skeleton.mirror_permutation
    np.testing.assert_array_equal(run(layer, clips), clips[:, :, :, order])


def test_centring_of_frames():
    clips = make_clips(2, persons=2)
    clips[0, 1] = 0
    clips[1, 0, 3, 5] = 0
    found = run(Center(4, per="frame"), clips)
    expected = clips - clips[:, :1, :, 4:5]
    expected[0, 1] = expected[1, 0, 3, 5] = 0
    np.testing.assert_array_equal(found, expected)
    found = run(Center(4, per="person"), clips)
    np.testing.assert_array_equal(found[:, :, :, 4], 0)
    found = run(Center(per="person"), clips)
    np.testing.assert_allclose(found[1, 1].mean(axis=1), 0, atol=1e-6)


def test_facing_the_front():
    clips = make_clips(3, persons=2)
    found = run(FaceFront((4, 8)), clips)
    line = found[..., 8, :] - found[..., 4, :]
    np.testing.assert_allclose(line[..., 2], 0, atol=1e-5)
    assert np.all(line[..., 0] > 0)
    np.testing.assert_array_equal(found[..., 1], clips[..., 1])
    np.testing.assert_allclose(
        np.linalg.norm(found, axis=-1),
        np.linalg.norm(clips, axis=-1),
        atol=1e-5,
    )
    # A clip that never turns around: both ways of finding the angle agree.
    clips[..., 8, 2] = clips[..., 4, 2] + 0.5
    ways = (run(FaceFront((4, 8), each), clips) for each in (True, False))
    np.testing.assert_allclose(*ways, atol=5e-3)


def test_looping_of_persons():
    clips = np.zeros((1, 3, 10, 1, 1), "float32")
    clips[0, 0, [2, 3, 5], 0, 0] = 1, 2, 3
    clips[0, 1, [0, 1, 3], 0, 0] = 4, 5, 6
    found = run(LoopFrames(), clips, lengths=np.array([9]))[0, :, :, 0, 0]
    assert found.tolist() == [
        [1, 2, 3, 1, 2, 3, 1, 2, 3, 0],
        [4, 5, 0, 6, 4, 5, 0, 6, 4, 0],
        [0] * 10,
    ]


def test_normalization_without_compacting_keeps_the_frames():
    clips = make_clips(2, persons=2)
    clips[:, 0, :4] = 0
    layer = PreNormalize3D(align_center=False, align_spine=False, compact=False)
    np.testing.assert_array_equal(run(layer, clips), clips)
    lengths = np.array([12, 7])
    assert layer.twin("numpy").new_lengths(clips, None, lengths) is lengths


@pytest.mark.parametrize(
    ("name", "arguments", "match"),
    [
        ("TemporalCrop", {"padding_ratio": 0}, "`padding_ratio` must be"),
        ("RandomTimeFlip", {"rate": 2}, "`rate` must be from 0 to 1"),
        ("GaussianBlur", {"sigma": (0, 1)}, "`sigma` must be"),
        ("GaussianBlur", {"num_taps": 4}, "must be an odd number"),
        ("GaussianNoise", {"clip_shape": (1, 2)}, "`clip_shape` must be"),
        ("GaussianNoise", {"clip_shape": (1,) * 4, "sigma": -1}, "`sigma`"),
        ("RandomShear", {"dimensions": 4}, "`dimensions` 2 or 3"),
        ("JointCorruption", {"num_joints": 0}, "`num_joints` must be"),
        ("MaskJoints", {"num_frames": 0, "num_joints": 3}, "`num_frames`"),
        ("RandomChoice", {"layers": []}, "at least one transform"),
        ("RandomChoice", {"layers": [3]}, "must be a list of transforms"),
        ("RandomRotation", {"minor_angle": 1, "dimensions": 2}, "minor"),
        ("Center", {"per": "joint"}, "`per` must be"),
        ("FaceFront", {"shoulders": (1, 1)}, "two different joints"),
    ],
)
def test_wrong_arguments(name, arguments, match):
    with pytest.raises(ValueError, match=match):
        getattr(augmentation, name)(**arguments)


@pytest.mark.parametrize(
    ("layer", "match"),
    [
        (JointCorruption(21), "smaller `num_joints`.*20, 3"),
        (RandomChoice([DropAxis(), CropResize(5)]), "CropResize makes"),
        (GaussianNoise((1, 9, 20, 3)), "GaussianNoise was made for clips"),
        (MaskJoints(9, 20), "MaskJoints was made for 9 frames"),
        (FaceFront((4, 20)), "uses joint 20"),
    ],
)
def test_wrong_clips(layer, match):
    with pytest.raises(ValueError, match=match):
        run(layer, make_clips())
    with pytest.raises(ValueError, match="pass dimensions=2"):
        run(RandomShear(), make_clips()[..., :2])
