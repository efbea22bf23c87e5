import numpy as np
import pytest

from keras_skeleton.datasets import Sequences
from keras_skeleton.layers import augmentation

LOST = 3  # an ear that was never found


def poses():
    """One clip (M, T, V, 3) of x, y and a score, in pixels."""
    generator = np.random.default_rng(0)
    places = generator.uniform(100, 600, (1, 20, 17, 2))
    scores = generator.uniform(0.5, 1.0, (1, 20, 17, 1))
    clip = np.concatenate([places, scores], axis=-1).astype("float32")
    clip[:, :, LOST] = 0
    return clip


def prepared(*transforms, coordinates=("x", "y", "score"), as_dataset=False):
    clip = poses()
    if len(coordinates) == 4:
        clip = np.concatenate([clip[..., :1], clip], axis=-1)
    data = Sequences.from_arrays(
        [clip], [0], skeleton="coco17", coordinates=coordinates
    )
    make = data.to_dataset if as_dataset else data.to_keras
    batches = make(list(transforms), batch_size=1, seed=1, sampler=InOrder())
    return clip, np.asarray(next(iter(batches))[0][0])


class InOrder:
    def order(self, epoch, seed, labels):
        return np.arange(len(labels))


SHAPE = (1, 20, 17, 3)
MOVING = [
    augmentation.Center(skeleton="coco17"),
    augmentation.Center(per="frame"),
    augmentation.RandomRotation(0.3, dimensions=2),
    augmentation.RandomScale((0.8, 0.9)),
    augmentation.MinMaxNormalization(),
    augmentation.RootNormalization(11),
    augmentation.BoneNormalization((5, 11)),
    augmentation.GaussianNoise(SHAPE, 3.0),
    augmentation.DropAxis(),
    augmentation.RandomShear(dimensions=2),
    augmentation.JointCorruption(3, dimensions=2),
    augmentation.GaussianBlur(),
    augmentation.RandomApply(augmentation.RandomScale((0.8, 0.9)), 1.0),
    augmentation.RandomChoice([augmentation.Center(), augmentation.DropAxis()]),
]


@pytest.mark.once
@pytest.mark.parametrize("transform", MOVING, ids=lambda t: t.name)
def test_scores_stay_scores(transform):
    clip, made = prepared(transform)
    np.testing.assert_array_equal(made[..., 2], clip[..., 2])
    assert not made[:, :, LOST].any()
    assert np.any(made[..., :2] != clip[..., :2])


@pytest.mark.once
def test_noise_of_the_size_of_the_body():
    """PYSKL's noise takes who has a joint at the origin for absent."""
    noise = augmentation.RandomNoise(SHAPE, 0.1)
    clip, made = prepared(noise)
    np.testing.assert_array_equal(made, clip)
    kept = noise.beside_scores(1)
    clip[:, :, LOST] = 300.0, 200.0, 0.5
    made = np.asarray(kept(clip[None], training=True))[0]
    np.testing.assert_array_equal(made[..., 2], clip[..., 2])
    assert np.any(np.abs(made[..., :2] - clip[..., :2]) > 1)


def test_in_space_and_in_views():
    """MediaPipe's fourth value is a score, too, in any pipeline."""
    turn = augmentation.RandomRotation(0.5)
    coordinates = ("x", "y", "z", "visibility")
    clip, made = prepared(turn, coordinates=coordinates)
    np.testing.assert_array_equal(made[..., 3], clip[..., 3])
    assert np.any(np.abs(made[..., :3] - clip[..., :3]) > 1)

    views = augmentation.Views(augmentation.Center(), one=[turn], two=[])
    data = Sequences.from_arrays(
        [clip], [0], skeleton="coco17", coordinates=coordinates
    )
    (batch,) = data.to_keras([views], labels=False, shuffle=True)
    for view in ("one", "two"):
        np.testing.assert_array_equal(batch[view][0, ..., 3], clip[..., 3])


def test_tensorflow_pipeline_is_the_same():
    pytest.importorskip("tensorflow")
    scale = augmentation.RandomScale((0.5, 0.9))
    one, other = (
        prepared(augmentation.Center(), scale, as_dataset=as_dataset)[1]
        for as_dataset in (False, True)
    )
    np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-4)


@pytest.mark.once
def test_bones_and_motions_have_the_mean_of_two_scores():
    skeleton = "coco17"
    for transform in (
        augmentation.Bones(skeleton),
        augmentation.Streams(skeleton, ("bone",)),
        augmentation.UniformSample(
            20, streams=augmentation.Streams(skeleton, ("bone",))
        ),
    ):
        clip, made = prepared(transform)
        told = augmentation.Bones(skeleton, score=True)(clip[None])[0]
        told = np.array(told)
        told[:, :, LOST] = 0  # from an eye that was found
        np.testing.assert_allclose(made, told, atol=1e-4)
    clip, made = prepared(augmentation.Motion())
    mean = (clip[:, 1:, :, 2] + clip[:, :-1, :, 2]) / 2
    np.testing.assert_allclose(made[:, :-1, :, 2], mean, rtol=1e-6)
    # Whoever says that there is none is obeyed: so some publications do it.
    clip, made = prepared(augmentation.Motion(score=False))
    change = clip[:, 1:, :, 2] - clip[:, :-1, :, 2]
    np.testing.assert_allclose(made[:, :-1, :, 2], change, atol=1e-6)


@pytest.mark.once
def test_what_follows_several_streams_is_left_alone():
    """There, scores stand between places."""
    streams = augmentation.Streams("coco17", ("joint", "bone"))
    _, made = prepared(streams, augmentation.RandomScale((0.5, 0.5)))
    _, before = prepared(streams)
    np.testing.assert_allclose(made, before / 2, rtol=1e-6)


@pytest.mark.once
def test_errors_name_the_score():
    with pytest.raises(ValueError, match="the last 1 are scores"):
        prepared(augmentation.RandomRotation(0.3))
    with pytest.raises(ValueError, match="cannot be scores"):
        layer = augmentation.KeepScores(augmentation.Center(), 2)
        layer(np.ones((1, 1, 4, 17, 2)))
    with pytest.raises(ValueError, match="at least 1 score"):
        augmentation.KeepScores(augmentation.Center(), 0)
    with pytest.raises(ValueError, match="keeps the shape"):
        layer = augmentation.KeepScores(augmentation.CropResize(5))
        layer(np.ones((1, 1, 4, 17, 3)))


def test_keep_scores_in_a_model_and_as_data():
    layer = augmentation.KeepScores(augmentation.Center(skeleton="coco17"))
    (again,) = augmentation.deserialize_transforms(
        augmentation.serialize_transforms([layer])
    )
    clips = poses()[None]
    made = np.asarray(again(clips))
    np.testing.assert_allclose(made, layer.on_numpy()(clips), rtol=1e-6)
    np.testing.assert_array_equal(made[..., 2], clips[..., 2])
    assert not made[:, :, :, LOST].any()


@pytest.mark.once
@pytest.mark.parametrize("image_shape", (None, (640, 700)))
def test_pose_preprocessing(image_shape):
    form = augmentation.pose_preprocessing(16, image_shape)
    clip, made = prepared(*form)
    assert made.shape == (1, 16, 17, 3)
    assert np.abs(made[..., :2]).max() <= 1 + 1e-6
    assert not made[:, :, LOST, :2].any()
    assert 0.5 <= made[:, :, 0, 2].min() and made[..., 2].max() <= 1
    assert len(np.unique(clip[..., 2])) > 100


@pytest.mark.once
def test_pose_preprocessing_keeps_the_aspect():
    form = augmentation.pose_preprocessing(16, keep_aspect=True)
    clip, made = prepared(*form[:2])
    is_seen = clip[..., 2] > 0.01
    sides = np.ptp(made[is_seen][:, :2], axis=0)
    expected = np.ptp(clip[is_seen][:, :2], axis=0)
    np.testing.assert_allclose(sides.max(), 2, rtol=1e-5)
    np.testing.assert_allclose(
        sides[0] / sides[1], expected[0] / expected[1], rtol=1e-4
    )
    # Nobody at all: no infinity meets another one.
    nobody = np.zeros((1, *clip.shape), "float32")
    assert not form[0].on_numpy()(nobody).any()
    with pytest.raises(ValueError, match="image_shape=\\(9, 16\\)"):
        augmentation.pose_preprocessing(16, (9, 16), keep_aspect=True)


def test_scores_would_be_lost_with_frames():
    with pytest.raises(ValueError, match="whose the scores are"):
        prepared(augmentation.PreNormalize3D())
    clip, made = prepared(
        augmentation.PreNormalize3D(compact=False),
        coordinates=("x", "y", "z", "score"),
    )
    np.testing.assert_array_equal(made[..., 3], clip[..., 3])


WRIST = 9


def flicker():
    """A clip that moves by 2 in each frame, with a wrist lost in two."""
    clip = np.full((1, 20, 17, 3), 0.9, "float32")
    clip[..., :2] = 300 + 2 * np.arange(20)[:, None, None]
    clip[..., :2] += 10 * np.arange(17)[:, None]
    clip[0, 5:7, WRIST] = 0, 0, 0.3  # as YOLO has it
    return clip


def made_of_flicker(transform):
    data = Sequences.from_arrays(
        [flicker()], [0], skeleton="coco17", coordinates=("x", "y", "score")
    )
    return np.asarray(next(iter(data.to_keras([transform], 1)))[0])[0, 0]


@pytest.mark.parametrize("kind", ("bone", "motion", "both"))
def test_no_vector_to_a_joint_that_was_not_found(kind):
    transform = {
        "bone": augmentation.Bones("coco17"),
        "motion": augmentation.Motion(),
        "both": augmentation.Streams("coco17", ("bone_motion",)),
    }[kind]
    made = made_of_flicker(transform)
    lost = slice(5, 7) if kind == "bone" else slice(4, 7)
    assert not made[lost, WRIST].any()
    assert np.abs(made[..., :2]).max() < 100
    np.testing.assert_allclose(made[:4, WRIST, 2], 0.9, rtol=1e-6)
    # Whoever asks for the published differences gets them, on any backend.
    (told,) = augmentation.deserialize_transforms(
        augmentation.serialize_transforms([transform.beside_scores(1)])
    )
    np.testing.assert_allclose(told(flicker()[None])[0, 0], made, atol=1e-4)


@pytest.mark.once
def test_bones_from_the_origin_and_of_a_joint_at_it():
    """The origin is found; and so is a joint that others are centred at."""
    clip = flicker()
    clip[..., :2] -= clip[..., :1, :2]
    pairs = ((0, None), (1, 0))
    bones = augmentation.Bones(bones=pairs, score="found")(clip[None])[0]
    np.testing.assert_allclose(bones[..., 1, :2], 10)
    np.testing.assert_allclose(bones[..., 0, 2], 0.45, rtol=1e-6)
    with pytest.raises(ValueError, match="'found'"):
        augmentation.Motion(score="lost")


@pytest.mark.parametrize("num_frames", (16, 40))
def test_time_is_not_interpolated_to_a_joint_that_was_not_found(num_frames):
    crop = augmentation.CropResize(num_frames, 1.0)
    made = made_of_flicker(crop)
    wrist = made[:, WRIST]
    is_found = wrist[:, 2] > 0.5
    assert is_found.any() and not is_found.all()
    np.testing.assert_allclose(wrist[is_found, 2], 0.9, rtol=1e-6)
    assert wrist[is_found, 0].min() > 380 and not wrist[~is_found, :2].any()
    again = type(crop).from_config(crop.beside_scores(1).get_config())
    np.testing.assert_allclose(again(flicker()[None])[0, 0], made, atol=1e-3)
    halfway = np.asarray(crop(flicker()[None]))[0, 0, :, WRIST, 0]
    assert ((halfway > 0) & (halfway < 380)).any()


@pytest.mark.parametrize("normalized", (False, True))
def test_no_blur_with_a_joint_that_was_not_found(normalized):
    """A wrist that stays where it is stays there, or grows as it does."""
    clip = np.ones((1, 1, 20, 17, 3), "float32")
    clip[..., :2] = 300
    draws = np.full((1, 1), 0.5, "float32")
    blur = augmentation.GaussianBlur(normalized=normalized).beside_scores(1)
    whole = np.array(blur(clip, draws=draws))
    clip[0, 0, 5:7, WRIST] = 0
    made = np.array(blur(clip, draws=draws))
    assert not made[0, 0, 5:7, WRIST].any()
    whole[0, 0, 5:7, WRIST] = 0
    np.testing.assert_allclose(made, whole, rtol=1e-4)
