import keras
import numpy as np
import pytest
from keras import ops

from keras_skeleton import skeletons
from keras_skeleton.layers import augmentation
from keras_skeleton.layers.augmentation import Bones
from keras_skeleton.layers.augmentation import Center
from keras_skeleton.layers.augmentation import CropResize
from keras_skeleton.layers.augmentation import GaussianNoise
from keras_skeleton.layers.augmentation import MapSkeleton
from keras_skeleton.layers.augmentation import Motion
from keras_skeleton.layers.augmentation import PadTo
from keras_skeleton.layers.augmentation import Persons
from keras_skeleton.layers.augmentation import PreNormalize2D
from keras_skeleton.layers.augmentation import PreNormalize3D
from keras_skeleton.layers.augmentation import RandomMirror
from keras_skeleton.layers.augmentation import RandomNoise
from keras_skeleton.layers.augmentation import RandomRotation
from keras_skeleton.layers.augmentation import RandomScale
from keras_skeleton.layers.augmentation import SegmentSample
from keras_skeleton.layers.augmentation import SplitClips
from keras_skeleton.layers.augmentation import Streams
from keras_skeleton.layers.augmentation import UniformSample
from keras_skeleton.layers.augmentation import UniformSampleDecode

ARM = skeletons.Skeleton(
    "augmentation_arm",
    ("body", "left_hand", "right_hand"),
    ((1, 0), (2, 0)),
    mirror=((1, 2),),
    center=0,
)
HANDS = skeletons.Skeleton(
    "augmentation_hands", ("right_hand", "left_hand"), ((1, 0),)
)
MAKERS = {
    "crop": lambda: CropResize(6, interval=(0.4, 0.9), min_frames=3, seed=1),
    "center_crop": lambda: CropResize(6, interval=(0.8,), min_frames=2),
    "rotation": lambda: RandomRotation((0.1, 0.5, 2.0), seed=4),
    "scale": lambda: RandomScale((0.5, 1.5), name="zoom"),
    "mirror": lambda: RandomMirror(ARM),
    "center": lambda: Center(joint=2),
    "center_skeleton": lambda: Center(skeleton=ARM),
    "center_mean": lambda: Center(),
    "center_frames": lambda: Center(joint=1, per="frame"),
    "center_persons": lambda: Center(skeleton=ARM, per="person"),
    "rotation_main": lambda: RandomRotation(0.5, 0.0, minor_angle=0.1),
    "swap": lambda: RandomMirror(ARM, rate=0.7, reflect=False),
    "normalize_3d_alone": lambda: PreNormalize3D(
        align_center=False, spine=(1, 0), shoulders=(2, 0), compact=False
    ),
    "bones": lambda: Bones(ARM),
    "motion": lambda: Motion(),
    "bones_with_scores": lambda: Bones(bones=[(1, None), (2, 0)], score=True),
    "motion_with_scores": lambda: Motion(score=True),
    "streams_with_scores": lambda: Streams(
        streams=("bone_motion", "bone"), bones=((2, 1),), score=True
    ),
    "rotation_2d": lambda: RandomRotation(1.0, -0.2, dimensions=2, seed=2),
    "scale_axes": lambda: RandomScale([(0.5, 1.5), (0.8, 0.9)], seed=2),
    "flip": lambda: RandomMirror(ARM, image_width=6, rate=0.7),
    "noise_shared": lambda: RandomNoise(
        (2, 10, 3, 3), base="video", shared=True
    ),
    "gaussian_noise": lambda: GaussianNoise((2, 10, 3, 3), 0.5, seed=2),
    "gaussian_noise_everywhere": lambda: GaussianNoise(
        (2, 10, 3, 3), absent=True
    ),
    "normalize_2d": lambda: PreNormalize2D((20, 30), threshold=0.2),
    "normalize_2d_auto": lambda: PreNormalize2D(mode="auto"),
    "normalize_2d_square": lambda: PreNormalize2D(mode="square"),
    "normalize_3d_half": lambda: PreNormalize3D(
        2, spine=(1, 0), shoulders=(2, 0), half_precision=True
    ),
    "persons": lambda: Persons(3, mode="repeat"),
    "sample": lambda: UniformSample(4, 2, (0.5, 0.9), seed=4),
    "sample_test": lambda: UniformSample(
        3, 2, mode="test", streams=Streams(ARM), test_seed=1, max_frames=10
    ),
    "sample_segments": lambda: SegmentSample(4, seed=4),
    "sample_decode": lambda: UniformSampleDecode(
        6, interval=0.5, streams=Streams(ARM, "joint_motion")
    ),
    "pad_zero": lambda: PadTo(
        14, mode="zero", streams=Streams(ARM, ("joint", "bone_motion"))
    ),
    "split": lambda: SplitClips(5),
    "map": lambda: MapSkeleton(ARM, HANDS),
    "map_with_scores": lambda: MapSkeleton(ARM, HANDS, score="mean"),
}
CHANGES_WITHOUT_TRAINING = (
    *("crop", "sample", "sample_decode", "sample_segments"),
)


def make_clips(lengths=(9, 4, 7, 1), persons=2, seed=0):
    clips = np.zeros((len(lengths), persons, 10, 3, 3), "float32")
    generator = np.random.default_rng(seed)
    for index, length in enumerate(lengths):
        shape = clips[index, :, :length].shape
        clips[index, :, :length] = generator.normal(size=shape)
    clips[1, 1] = 0
    return clips


def make_draws(layer, samples=4, seed=0):
    shape = (samples, layer.num_draws)
    return np.random.default_rng(seed).random(shape, "float32")


def run(layer, clips, **kwargs):
    return ops.convert_to_numpy(layer(clips, **kwargs))


@pytest.mark.parametrize("name", MAKERS)
def test_all_ways_of_running_agree(name):
    tf = pytest.importorskip("tensorflow")
    layer = MAKERS[name]()
    clips = make_clips()
    draws = make_draws(layer) if layer.num_draws else None
    eager = run(layer, clips, draws=draws)
    assert eager.shape == layer.compute_output_shape(clips.shape)
    assert eager.dtype == "float32"
    assert not np.array_equal(eager, clips)
    arrays = layer.on_numpy()(clips, draws=draws)
    assert isinstance(arrays, np.ndarray) and arrays.dtype == "float32"
    np.testing.assert_allclose(arrays, eager, atol=2e-6)
    data = (clips,) if draws is None else (clips, draws)
    dataset = tf.data.Dataset.from_tensor_slices(data).batch(4)
    if draws is None:
        mapped = next(iter(dataset.map(layer)))
    else:
        mapped = next(iter(dataset.map(lambda x, u: layer(x, draws=u))))
    np.testing.assert_allclose(mapped.numpy(), eager, atol=2e-6)

    inputs = keras.Input(clips.shape[1:])
    if draws is None:
        model = keras.Model(inputs, layer(inputs))
        output = model.predict(clips, verbose=0)
    else:
        numbers = keras.Input((layer.num_draws,))
        model = keras.Model([inputs, numbers], layer(inputs, draws=numbers))
        output = model.predict([clips, draws], verbose=0)
    np.testing.assert_allclose(output, eager, atol=1e-5)


@pytest.mark.parametrize("name", MAKERS)
def test_serialisation(name, tmp_path):
    layer = MAKERS[name]()
    config = keras.saving.serialize_keras_object(layer)
    revived = keras.saving.deserialize_keras_object(config)
    assert type(revived) is type(layer)
    assert revived.get_config() == layer.get_config()
    clips = make_clips()
    draws = make_draws(layer) if layer.num_draws else None
    np.testing.assert_array_equal(
        run(revived, clips, draws=draws), run(layer, clips, draws=draws)
    )
    inputs = keras.Input(clips.shape[1:])
    model = keras.Model(inputs, layer(inputs))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(
        loaded.predict(clips, verbose=0), model.predict(clips, verbose=0)
    )


@pytest.mark.parametrize("name", MAKERS)
def test_training_argument(name):
    layer = MAKERS[name]()
    clips = make_clips()
    calm = run(layer, clips, training=False)
    first = run(layer, clips, training=True)
    second = run(layer, clips, training=True)
    if layer.num_draws:
        if name not in ("mirror", "flip", "swap"):
            assert not np.array_equal(first, second)
        if name not in CHANGES_WITHOUT_TRAINING:
            np.testing.assert_array_equal(calm, clips)
    else:
        np.testing.assert_array_equal(first, calm)


def test_own_draws_differ_between_clips():
    clips = np.repeat(make_clips()[:1], 64, axis=0)
    for name in ("crop", "rotation", "scale", "mirror"):
        out = run(MAKERS[name](), clips, training=True)
        different = len(np.unique(out.reshape(64, -1), axis=0))
        assert different == 2 if name == "mirror" else different > 8


def test_own_draws_inside_tf_data():
    tf = pytest.importorskip("tensorflow")
    layer = RandomScale((0.5, 1.5), seed=3)
    dataset = tf.data.Dataset.from_tensor_slices(make_clips()).batch(4)
    dataset = dataset.map(lambda clips: layer(clips, training=True))
    first, second = (next(iter(dataset)).numpy() for _ in range(2))
    assert not np.array_equal(first, second)


def reference_crop(clip, num_frames, start, length):
    position = (np.arange(num_frames) + 0.5) * length / num_frames - 0.5
    position = np.clip(position, 0, length - 1)
    out = np.empty((clip.shape[0], num_frames, *clip.shape[2:]))
    for index in np.ndindex(clip.shape[0], *clip.shape[2:]):
        values = clip[index[0], start : start + length, index[1], index[2]]
        out[index[0], :, index[1], index[2]] = np.interp(
            position, np.arange(length), values
        )
    return out


def test_crop_resize_random_crop():
    clips = make_clips()
    draws = np.array([[0.25, 0.9], [0.5, 0.5], [0.999, 0.999], [0.0, 0.0]])
    layer = CropResize(12, interval=(0.4, 0.9), min_frames=3)
    out = run(layer, clips, draws=draws)
    for row, valid in enumerate((9, 4, 7, 1)):
        share = draws[row, 0] * (0.9 - 0.4) + 0.4
        length = min(max(int(np.floor(valid * share)), 3), valid)
        start = int(np.floor(draws[row, 1] * (valid - length + 1)))
        expected = reference_crop(clips[row], 12, start, length)
        np.testing.assert_allclose(out[row], expected, atol=1e-5)


@pytest.mark.parametrize("share", [0.95, 0.5, 1.0])
def test_crop_resize_center_crop(share):
    clips = make_clips()
    out = run(CropResize(7, interval=share), clips)
    for row, valid in enumerate((9, 4, 7, 1)):
        start = int((1 - share) * valid / 2)
        expected = reference_crop(clips[row], 7, start, valid - 2 * start)
        np.testing.assert_allclose(out[row], expected, atol=1e-5)


def test_crop_resize_outside_training():
    clips = make_clips()
    np.testing.assert_array_equal(
        run(CropResize(7), clips), run(CropResize(7, interval=0.95), clips)
    )


def test_crop_resize_frame_numbers_match_python():
    # Shares whose product with the length lies on or beside a whole number:
    # single precision gets several of them wrong.
    frames = np.arange(1, 301)
    hundredths = np.arange(100) / 100
    ramp = np.arange(1, 302, dtype="float32")
    clips = np.where(
        np.arange(301) < frames[:, None], ramp, np.float32(0)
    ).astype("float32")[:, None, :, None, None]
    layer = CropResize(1, interval=(0.5, 1.0), min_frames=1)
    for value in hundredths[::9]:
        draws = np.stack([np.full(300, value), np.full(300, 0.0)], axis=1)
        out = run(layer, clips, draws=draws)[:, 0, 0, 0, 0]
        share = value * (1.0 - 0.5) + 0.5
        length = np.maximum(np.floor(frames * share), 1)
        # One frame sits in the middle of the crop.
        np.testing.assert_allclose(out, (length + 1) / 2, rtol=1e-6)


def test_crop_resize_of_nothing_is_zero():
    clips = make_clips()
    clips[2] = 0
    for layer in (CropResize(5, min_frames=2), CropResize(5, interval=0.95)):
        draws = make_draws(layer) if layer.num_draws else None
        out = run(layer, clips, draws=draws)
        assert np.isfinite(out).all()
        np.testing.assert_array_equal(out[2], 0)
        np.testing.assert_array_equal(out[1, 1], 0)


def test_rotation_keeps_distances_and_zeros():
    clips = make_clips()
    draws = np.array([[1.0, 0.5, 0.5], [0.2, 0.7, 0.1], [0, 0, 0], [0.5] * 3])
    out = run(RandomRotation((0.4, 0.8, 1.2)), clips, draws=draws)
    np.testing.assert_allclose(
        np.linalg.norm(out, axis=-1), np.linalg.norm(clips, axis=-1), atol=1e-5
    )
    np.testing.assert_array_equal(out[1, 1], 0)
    np.testing.assert_allclose(out[3], clips[3], atol=1e-6)
    # About x alone, by 0.4, turning z towards y.
    y = np.cos(0.4) * clips[0, ..., 1] + np.sin(0.4) * clips[0, ..., 2]
    np.testing.assert_allclose(out[0, ..., 1], y, atol=1e-6)


def test_scale():
    clips = make_clips()
    draws = [[0.0], [0.25], [0.5], [0.75]]
    out = run(RandomScale((0.5, 1.5)), clips, draws=np.array(draws))
    factor = np.array([0.5, 0.75, 1.0, 1.25]).reshape(4, 1, 1, 1, 1)
    np.testing.assert_allclose(out, clips * factor, rtol=1e-6)


def test_mirror():
    clips = make_clips()
    draws = np.array([[0.49], [0.5], [0.0], [0.99]])
    out = run(RandomMirror(ARM), clips, draws=draws)
    mirrored = clips[:, :, :, [0, 2, 1]] * np.float32([-1, 1, 1])
    np.testing.assert_array_equal(out[[0, 2]], mirrored[[0, 2]])
    np.testing.assert_array_equal(out[[1, 3]], clips[[1, 3]])


def test_center():
    clips = make_clips() + 0
    clips[0, 0, :2] = 0
    out = run(Center(joint=2), clips)
    origin = clips[0, 0, 2, 2]
    np.testing.assert_allclose(out[0, 0, 2, 2], 0)
    np.testing.assert_allclose(out[0, 1, :9], clips[0, 1, :9] - origin)
    np.testing.assert_array_equal(out[0, 0, :2], 0)
    np.testing.assert_array_equal(out[0, :, 9:], 0)
    np.testing.assert_array_equal(out[1, 1], 0)
    np.testing.assert_allclose(
        run(Center(skeleton=ARM), clips)[2, 0, 0, 0], 0, atol=1e-7
    )
    mean = run(Center(), clips)[2, 0, 0].mean(axis=0)
    np.testing.assert_allclose(mean, 0, atol=1e-6)


def test_bones_and_motion():
    clips = make_clips()
    bones = run(Bones(ARM), clips)
    np.testing.assert_array_equal(bones[..., 0, :], 0)
    np.testing.assert_allclose(
        bones[..., 2, :], clips[..., 2, :] - clips[..., 0, :]
    )
    motion = run(Motion(), clips)
    np.testing.assert_array_equal(motion[:, :, -1], 0)
    np.testing.assert_allclose(
        motion[:, :, :-1], clips[:, :, 1:] - clips[:, :, :-1]
    )


def test_stays_in_single_precision_under_a_policy():
    policy = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy("mixed_bfloat16")
        out = RandomScale((1.0, 1.0))(make_clips(), training=True)
    finally:
        keras.config.set_dtype_policy(policy)
    np.testing.assert_array_equal(ops.convert_to_numpy(out), make_clips())


def test_bones_as_pairs():
    clips = make_clips()
    layer = Bones(bones=[(0, 1), (1, None), (0, 2)])
    bones = run(layer, clips)
    # The later pair counts, the origin is a parent, others are zero.
    np.testing.assert_array_equal(bones[..., 0, :], -run_bone(clips, 2, 0))
    np.testing.assert_array_equal(bones[..., 1, :], clips[..., 1, :])
    np.testing.assert_array_equal(bones[..., 2, :], 0)


def run_bone(clips, joint, parent):
    return clips[..., joint, :] - clips[..., parent, :]


def test_scores_of_bones_and_motion():
    clips = make_clips()
    scores = clips[..., 2]
    bones = run(Bones(ARM, score=True), clips)
    np.testing.assert_allclose(
        bones[..., 2, 2], (scores[..., 2] + scores[..., 0]) / 2, atol=1e-6
    )
    np.testing.assert_array_equal(
        bones[..., :2], run(Bones(ARM), clips)[..., :2]
    )
    motion = run(Motion(score=True), clips)
    mean = (scores[:, :, 1:] + scores[:, :, :-1]) / 2
    np.testing.assert_allclose(motion[:, :, :-1, :, 2], mean, atol=1e-6)
    np.testing.assert_array_equal(motion[:, :, -1], 0)


def test_streams_are_those_of_the_single_layers():
    clips = make_clips()
    bones = run(Bones(ARM), clips)
    expected = {
        "joint": clips,
        "bone": bones,
        "joint_motion": run(Motion(), clips),
        "bone_motion": run(Motion(), bones),
    }
    for streams in (("bone_motion", "joint"), ("bone", "joint_motion")):
        output = run(Streams(ARM, streams), clips)
        parts = [expected[stream] for stream in streams]
        np.testing.assert_array_equal(output, np.concatenate(parts, axis=-1))


def test_streams_before_sampling_know_the_padding():
    clips = make_clips()
    streams = Streams(ARM, ("joint_motion",))
    output = run(PadTo(12, mode="zero", streams=streams), clips)
    for row, length in enumerate((9, 4, 7, 1)):
        expected = run(Motion(), clips[row : row + 1, :, :length])
        np.testing.assert_array_equal(output[row, :, :length], expected[0])
        np.testing.assert_array_equal(output[row, :, length:], 0)
    # Its motion is zero, but the last frame of the clip is sampled, too.
    sample = UniformSample(9, streams=streams, mode="test")
    output = run(sample, clips[:1])
    np.testing.assert_array_equal(output, run(Motion(), clips[:1, :, :9]))


def frame_numbers(lengths, frames=30):
    """Clips that show the number of each frame, from 1."""
    number = np.arange(1, frames + 1)
    number = np.where(number <= np.array(lengths)[:, None], number, 0)
    return number[:, None, :, None, None].astype("float32")


@pytest.mark.parametrize("kind", [UniformSample, UniformSampleDecode])
def test_uniform_sample_spreads_frames(kind):
    lengths = np.repeat([0, 1, 5, 8, 11, 15, 16, 29], 40)
    layer = kind(8, num_clips=2, interval=(0.5, 1.0))
    numbers = np.random.default_rng(0).random((len(lengths), layer.num_draws))
    numbers[:20] = 0
    numbers[20:40] = 1 - 2.0**-24
    out = run(layer, frame_numbers(lengths), draws=numbers)[:, 0, :, 0, 0]
    assert np.all(out[lengths == 0] == 0)
    out, lengths = out[lengths > 0], lengths[lengths > 0]
    assert np.all((out >= 1) & (out <= lengths[:, None]))
    long = lengths >= 16
    assert np.all(np.diff(out[long, :8]) > 0)
    assert np.all(np.diff(out[long, 8:]) > 0)
    # Every frame but the very rare is found.
    assert len(np.unique(out[lengths == 29])) == 29


def test_uniform_sample_leaves_out_random_frames():
    layer = UniformSample(8)
    lengths = np.full(300, 10)
    numbers = np.random.default_rng(0).random((300, layer.num_draws))
    out = run(layer, frame_numbers(lengths), draws=numbers)[:, 0, :, 0, 0]
    assert np.all(np.diff(out) >= 1) and np.all(np.diff(out) <= 2)
    # 2 of 9 places, all pairs alike likely.
    assert len(np.unique(out, axis=0)) == 36


def test_uniform_sample_in_testing_depends_on_the_length_alone():
    clips = make_clips()
    layer = UniformSample(5, num_clips=3, mode="test")
    assert layer.num_draws == 0
    both = run(layer, clips)
    for row, length in enumerate((9, 4, 7, 1)):
        alone = run(layer, clips[row : row + 1, :, :length])
        np.testing.assert_array_equal(alone[0], both[row])
    training = UniformSample(5, num_clips=3)
    np.testing.assert_array_equal(run(training, clips), both)


def test_test_sampling_inside_tf_data_without_a_known_length():
    tf = pytest.importorskip("tensorflow")
    layer = UniformSample(5, num_clips=2, mode="test", max_frames=9)
    clips = make_clips()
    signature = tf.TensorSpec((None, 2, None, 3, 3))

    def batches(clips):
        return tf.data.Dataset.from_generator(
            lambda: iter([clips]), output_signature=signature
        ).map(layer)

    (output,) = batches(clips)
    np.testing.assert_allclose(output.numpy(), run(layer, clips), atol=1e-6)
    assert output.shape == layer.compute_output_shape(clips.shape)
    too_long = np.concatenate([clips, np.ones_like(clips)], axis=2)
    with pytest.raises(tf.errors.InvalidArgumentError):
        next(iter(batches(too_long)))


def test_split_clips_follows_uniform_sample():
    clips = make_clips()
    layer = UniformSample(5, num_clips=3, mode="test")
    flat = run(layer, clips)
    split = run(SplitClips(3), flat)
    assert split.shape == (4, 3, 2, 5, 3, 3)
    np.testing.assert_array_equal(split[:, 1], flat[:, :, 5:10])


def test_persons():
    clips = make_clips()
    repeated = run(Persons(3, mode="repeat"), clips)
    np.testing.assert_array_equal(repeated[1], np.stack([clips[1, 0]] * 3))
    np.testing.assert_array_equal(repeated[0, :2], clips[0])
    np.testing.assert_array_equal(repeated[0, 2], 0)
    zeros = run(Persons(3), clips)
    np.testing.assert_array_equal(zeros[:, :2], clips)
    np.testing.assert_array_equal(zeros[:, 2], 0)
    np.testing.assert_array_equal(run(Persons(1), clips), clips[:, :1])


def test_flip_in_images():
    clips = make_clips()
    clips[0, 0, 3, 1] = 0
    layer = RandomMirror(ARM, image_width=10, rate=1.0)
    out = run(layer, clips, draws=np.full((4, 1), 0.99))
    swapped = clips[:, :, :, [0, 2, 1]]
    np.testing.assert_array_equal(out[..., 1:], swapped[..., 1:])
    x = np.where(swapped[..., 0] != 0, 10 - swapped[..., 0], 0)
    np.testing.assert_allclose(out[..., 0], x, atol=1e-6)
    # The same as in coordinates around the centre of the image.
    normalize = PreNormalize2D((8, 10), threshold=-9)
    centred = run(RandomMirror(ARM, rate=1.0), run(normalize, clips + 1))
    direct = run(normalize, run(layer, clips + 1))
    np.testing.assert_allclose(centred[..., :2], direct[..., :2], atol=1e-6)


def test_rotation_in_the_plane():
    clips = make_clips()
    layer = RandomRotation(1.0, min_angle=-0.5, dimensions=2)
    numbers = np.array([[1 / 3], [0.0], [0.5], [1.0]])
    out = run(layer, clips, draws=numbers)
    np.testing.assert_allclose(out[0], clips[0], atol=1e-6)
    np.testing.assert_array_equal(out[..., 2], clips[..., 2])
    x, y = np.moveaxis(clips[1, ..., :2], -1, 0)
    turned = np.cos(-0.5) * x - np.sin(-0.5) * y
    np.testing.assert_allclose(out[1, ..., 0], turned, atol=1e-6)


def test_scale_of_single_coordinates():
    clips = make_clips()
    layer = RandomScale([(0.5, 1.5), (1.0, 3.0)])
    numbers = np.array([[0.0, 0.5], [0.25, 0.0], [0.5, 0.5], [0.75, 1.0]])
    out = run(layer, clips, draws=numbers)
    factor = np.stack([0.5 + numbers[:, 0], 1 + 2 * numbers[:, 1]], axis=1)
    factor = np.pad(factor, [(0, 0), (0, 1)], constant_values=1)
    expected = clips * factor[:, None, None, None]
    np.testing.assert_allclose(out, expected, rtol=1e-6)


def test_noise_follows_the_box():
    clips = np.tile(make_clips((10, 10))[:1], (200, 1, 1, 1, 1)) + 9
    clips[:, 1, 4:] = 0
    layer = RandomNoise(clips.shape[1:], sigma=0.1, seed=3)
    moved = run(layer, clips, training=True) - clips
    np.testing.assert_array_equal(moved[:, 1, 4:], 0)
    distance = np.linalg.norm(moved, axis=-1)[:, 0]
    box = np.linalg.norm(np.ptp(clips[0, 0], axis=1), axis=-1)
    spread = np.sqrt((distance**2).mean(axis=(0, 2)))
    np.testing.assert_allclose(spread, 0.1 * box, rtol=0.15)
    shared = RandomNoise(
        clips.shape[1:], sigma=0.1, base="video", shared=True, seed=3
    )
    moved = run(shared, clips, training=True) - clips
    np.testing.assert_allclose(moved[:, 0, 5], moved[:, 1, 2], atol=1e-5)


def test_prenormalize_3d():
    clips = make_clips(persons=2)
    # The first person is missing in one frame, and seen less than the second.
    clips[0, 0, 3] = 0
    clips[2, 0, 1] = 0
    clips[2, 1, 2:4] = 0
    clips[3] = 0
    layer = PreNormalize3D(0, spine=(0, 1), shoulders=(2, 1))
    out = run(layer, clips)
    np.testing.assert_array_equal(out[3], 0)
    assert np.all(np.any(out[0, 0] != 0, axis=(1, 2)) == (np.arange(10) < 9))
    assert np.all(np.any(out[2, 0] != 0, axis=(1, 2)) == (np.arange(10) < 6))
    # Centred, the line of the shoulders along x, sizes as before.
    first = out[:3, 0, 0]
    np.testing.assert_allclose(first[:, 0], 0, atol=1e-6)
    before = np.stack([clips[0, 1, 0], clips[1, 0, 0], clips[2, 0, 0]])
    width = np.linalg.norm(before[:, 2] - before[:, 1], axis=-1)
    line = first[:, 2] - first[:, 1]
    np.testing.assert_allclose(line[:, 0], width, rtol=1e-5)
    np.testing.assert_allclose(line[:, 1:], 0, atol=1e-5)
    np.testing.assert_allclose(
        np.linalg.norm(first[:, 1], axis=-1),
        np.linalg.norm(before[:, 1] - before[:, 0], axis=-1),
        rtol=1e-5,
    )


def test_prenormalize_3d_leaves_aligned_bodies():
    clips = np.zeros((2, 1, 2, 3, 3), "float32")
    clips[0, :, :, 1] = 0, 0, 1
    clips[0, :, :, 2] = 0.5, 0, 1
    # Upside down: the axis of the rotation is not defined.
    clips[1] = clips[0] * np.float32([1, 1, -1])
    layer = PreNormalize3D(0, spine=(0, 1), shoulders=(2, 1))
    np.testing.assert_allclose(run(layer, clips), clips, atol=1e-6)


def test_half_precision_differs_by_rounding():
    clips = make_clips().astype("float16").astype("float32")
    arguments = {"center": 1, "spine": (0, 1), "shoulders": (2, 1)}
    exact = run(PreNormalize3D(**arguments), clips)
    rounded = run(PreNormalize3D(half_precision=True, **arguments), clips)
    error = np.abs(exact - rounded).max()
    assert 1e-5 < error < 4 * np.spacing(np.float16(np.abs(clips).max()))


def test_prenormalize_2d_without_scores_keeps_padding():
    clips = make_clips()[..., :2]
    clips[0, 0, 3, 1] = 0
    for mode in ("fix", "auto"):
        out = run(PreNormalize2D((40, 20), mode=mode), clips * 100)
        np.testing.assert_array_equal(out[0, :, 9:], 0)
        np.testing.assert_array_equal(out[1, 1], 0)
        assert np.all(out[0, 0, 3, 1] != 0)
    np.testing.assert_allclose(np.abs(out[0]).max(axis=(0, 1, 2)), 1, rtol=1e-6)
    fixed = run(PreNormalize2D((40, 20)), clips)
    np.testing.assert_allclose(fixed[0, 0, 3, 1], -1)
    # A body smaller than ten pixels stays.
    same = run(PreNormalize2D(mode="auto"), clips)
    np.testing.assert_array_equal(same, clips)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Motion()(make_clips()[0]), "leading axis"),
        (lambda: RandomRotation()(make_clips()[..., :2]), "three coordinates"),
        (lambda: Bones("ntu")(make_clips()), "25 joints, but clips with 3"),
        (lambda: RandomMirror("ntu")(make_clips()), "25 joints"),
        (lambda: MapSkeleton("ntu", ARM), "missing are: body"),
        (lambda: MapSkeleton("ntu", "ntu")(make_clips()), "25 joints"),
        (lambda: MapSkeleton("ntu", "ntu", score="max"), "`score` must be"),
        (lambda: Center(joint=3)(make_clips()), "joints 0 to 2"),
        (
            lambda: RandomScale((0.5, 1))(make_clips(), draws=np.ones((4, 2))),
            "needs 1 draws",
        ),
        (lambda: RandomScale((0, 1)), "above 0"),
        (lambda: RandomRotation((1, 2)), "one angle or three"),
        (lambda: CropResize(5, interval=(0.9, 0.5)), "`interval`"),
        (lambda: CropResize(5, interval=(0.5, 1.5)), "`interval`"),
        (lambda: CropResize(0), "`num_frames`"),
        (lambda: Bones("nothing"), "Unknown skeleton"),
        (lambda: Bones(), "needs a `skeleton` or `bones`"),
        (lambda: Bones(bones="kinetics"), "Unknown bones 'kinetics'"),
        (lambda: Bones(bones=[(0, 1, 2)]), "pairs"),
        (lambda: Bones(bones=[(None, 1)]), "pairs"),
        (lambda: Bones(bones=[(1, -1)]), "pairs"),
        (lambda: Bones(bones=[(1, 3)])(make_clips()), "bone of joint 3"),
        (lambda: Streams(ARM, "velocity"), "`streams` must be"),
        (lambda: Streams(ARM, ()), "`streams` must be"),
        (lambda: Streams(streams="bone"), "need a `skeleton`"),
        (lambda: RandomRotation(dimensions=4), "2 or 3"),
        (lambda: RandomRotation((1, 2), dimensions=2), "one angle"),
        (
            lambda: RandomRotation(dimensions=2)(make_clips()[..., :1]),
            "x and y",
        ),
        (lambda: RandomScale([(1, 2), (2, 1)]), "above 0"),
        (lambda: RandomScale([(1, 2)] * 4)(make_clips()), "4 coordinates"),
        (lambda: RandomMirror(ARM, rate=2), "`rate`"),
        (lambda: RandomNoise((2, 3, 4)), "`clip_shape`"),
        (lambda: RandomNoise((2, 3, 4, 3), base="clip"), "`base`"),
        (lambda: RandomNoise((2, 3, 4, 3), shared=True), "base='video'"),
        (lambda: RandomNoise((2, 3, 4, 3))(make_clips()), "made for clips"),
        (lambda: PreNormalize2D((0, 1)), "`image_shape`"),
        (lambda: PreNormalize2D(mode="box"), "`mode`"),
        (lambda: PreNormalize2D()(make_clips()[..., :1]), "x and y"),
        (lambda: PreNormalize3D(spine=(0, 1, 2)), "two joints"),
        (lambda: PreNormalize3D()(make_clips()), "joints 0 to 2"),
        (
            lambda: PreNormalize3D(3, align_spine=False)(make_clips()),
            "uses joint 3",
        ),
        (lambda: PreNormalize3D()(make_clips(persons=3)), "one or two"),
        (lambda: Persons(0), "`num_persons`"),
        (lambda: Persons(mode="loop"), "`mode`"),
        (lambda: PadTo(0), "`num_frames`"),
        (lambda: PadTo(5, mode="edge"), "`mode`"),
        (lambda: PadTo(5, streams=Motion()), "`Streams` layer"),
        (lambda: PadTo(5, streams=Streams("ntu"))(make_clips()), "25 joints"),
        (lambda: UniformSample(5, num_clips=0), "`num_clips`"),
        (lambda: UniformSample(5, interval=(0.9, 0.5)), "`interval`"),
        (lambda: UniformSample(5, mode="val"), "`mode`"),
        (lambda: SplitClips(0), "`num_clips`"),
        (lambda: SplitClips(3)(make_clips()), "3 samples"),
    ],
)
def test_wrong_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_every_transform_is_tested():
    tested = {type(make()) for make in MAKERS.values()}
    modules = {each.__module__ for each in tested}
    public = {getattr(augmentation, name) for name in augmentation.__all__}
    assert tested == {each for each in public if each.__module__ in modules}
