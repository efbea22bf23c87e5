import keras
import numpy as np
import pytest
from keras import ops

from keras_skeleton import skeletons
from keras_skeleton.layers import augmentation
from keras_skeleton.layers.augmentation import Bones
from keras_skeleton.layers.augmentation import Center
from keras_skeleton.layers.augmentation import CropResize
from keras_skeleton.layers.augmentation import Motion
from keras_skeleton.layers.augmentation import RandomMirror
from keras_skeleton.layers.augmentation import RandomRotation
from keras_skeleton.layers.augmentation import RandomScale

ARM = skeletons.Skeleton(
    "augmentation_arm",
    ("body", "left_hand", "right_hand"),
    ((1, 0), (2, 0)),
    mirror=((1, 2),),
    center=0,
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
    "bones": lambda: Bones(ARM),
    "motion": lambda: Motion(),
}


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
    assert np.abs(eager - clips[:, :, : eager.shape[2]]).max() > 0
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
        assert not np.array_equal(first, second) or name == "mirror"
        if name != "crop":
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


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Motion()(make_clips()[0]), "leading axis"),
        (lambda: RandomRotation()(make_clips()[..., :2]), "three coordinates"),
        (lambda: Bones("ntu")(make_clips()), "25 joints, but clips with 3"),
        (lambda: RandomMirror("ntu")(make_clips()), "25 joints"),
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
    ],
)
def test_wrong_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_every_transform_is_tested():
    tested = {type(make()).__name__ for make in MAKERS.values()}
    assert tested == set(augmentation.__all__) - {"SkeletonTransform"}
