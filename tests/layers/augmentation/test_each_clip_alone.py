"""What a transform makes of a clip hangs on no other clip of the batch."""

import keras
import numpy as np
import pytest
from support import assert_close

from keras_skeleton import skeletons
from keras_skeleton.layers import augmentation
from keras_skeleton.layers.augmentation import FrameChoice
from keras_skeleton.layers.augmentation import SkeletonTransform
from keras_skeleton.layers.augmentation import Streams

SIZE = 12
ARM = skeletons.Skeleton(
    "alone_arm",
    ("body", "elbow", "left_hand", "right_hand"),
    ((1, 0), (2, 1), (3, 1)),
    mirror=((2, 3),),
    parts={"left_arm": (2,), "right_arm": (3,)},
)
FACE = skeletons.Skeleton("alone_face", ("nose", "elbow"), ((1, 0),))
LENGTHS = np.array([12, 5, 8, 1, 7], "int32")
MOTION = Streams(ARM, score=True)
ARGUMENTS = {
    "AlignShoulders": [{"shoulders": (2, 3)}],
    "BoneNormalization": [{"bone": (0, 1)}],
    "Bones": [{"skeleton": ARM}],
    "Center": [
        {},
        {"joint": 1},
        {"joint": 1, "per": "frame"},
        {"joint": 1, "per": "person"},
    ],
    "CorruptFrames": [
        {"num_frames": SIZE, "fill": fill}
        for fill in (None, "interpolation", "duplication")
    ],
    "CropResize": [
        {"num_frames": 7, "min_frames": 3},
        {"num_frames": 7, "interval": 0.8},
    ],
    "CropToPeople": [
        {"image_size": (60, 80)},
        {"image_size": (60, 80), "size": (9, 8), "stays_inside": False},
    ],
    "DropAxis": [{}],
    "DropJoints": [
        {"joints": (1, 2), "frames": (2, 6)},
        {"joints": (1, 2), "frames": None},
    ],
    "DropPart": [{"skeleton": ARM}],
    "DropSide": [{"skeleton": ARM}],
    "FaceFront": [
        {"shoulders": (2, 3)},
        {"shoulders": (2, 3), "published": True},
    ],
    "FillLostFrames": [{}, {"fill": "duplication", "at_end": False}],
    "GaussianBlur": [{}, {"normalized": True}],
    "GaussianNoise": [{"clip_shape": (2, SIZE, 4, 3)}],
    "JointCorruption": [{"num_joints": 2}],
    "KeepScores": [{"layer": augmentation.Center(joint=1)}],
    "LoopFrames": [{}],
    "MainPerson": [{}],
    "MapSkeleton": [
        {"source": ARM, "target": FACE, "missing": missing, "score": score}
        for missing, score in (("nearest", None), ("zero", "min"))
    ],
    "MaskFrames": [{"num_frames": SIZE}],
    "MaskJoints": [{"num_frames": SIZE, "num_joints": 4, "ratio": 0.5}],
    "MinMaxNormalization": [{}],
    "Motion": [{}, {"score": True}],
    "PadTo": [{"num_frames": 9}, {"num_frames": 9, "mode": "zero"}],
    "Persons": [{"num_persons": 3, "mode": "repeat"}],
    "PreNormalize2D": [{}, {"mode": "auto"}],
    "PreNormalize3D": [{"center": 0, "spine": (0, 1), "shoulders": (2, 3)}],
    "RandomApply": [
        {"layer": augmentation.DropJoints((1, 2), (2, 6))},
        {
            "layer": augmentation.PreNormalize3D(0, shoulders=(2, 3)),
            "probability": 0.5,
        },
    ],
    "RandomChoice": [
        {"layers": [augmentation.RandomTimeFlip(), augmentation.LoopFrames()]}
    ],
    "RandomCropInPlane": [{"image_size": (60, 80), "size": (9, 8)}],
    "RandomFlipInPlane": [{"skeleton": ARM, "width": 80}],
    "RandomFrames": [{"num_frames": 7}],
    "RandomMirror": [{"skeleton": ARM}, {"skeleton": ARM, "reflect": False}],
    "RandomNoise": [
        {"clip_shape": (2, SIZE, 4, 3)},
        {"clip_shape": (2, SIZE, 4, 3), "base": "video"},
    ],
    "RandomRotation": [{}, {"minor_angle": 0.1}],
    "RandomScale": [{"factor": (0.5, 1.5)}],
    "RandomSegmentFrames": [{"num_frames": 7}],
    "RandomShear": [{}],
    "RandomTimeFlip": [{}],
    "RandomTimeShift": [{}],
    "RandomView": [{}],
    "RootNormalization": [{}],
    "ScaleInPlane": [{"image_size": (60, 80), "size": (9, 8)}],
    "SegmentSample": [{"num_frames": 5, "num_clips": 2}],
    "SelectJoints": [{"joints": (3, 0)}],
    "SplitClips": [{"num_clips": 3}],
    "Streams": [
        {"skeleton": ARM},
        {"skeleton": ARM, "streams": ("skip", "skip_motion"), "skips": 3},
    ],
    "TemporalCrop": [{}],
    "UniformSample": [
        {"num_frames": 5, "num_clips": 2, "interval": (0.5, 1)},
        {"num_frames": 5, "num_clips": 2, "mode": "test", "streams": MOTION},
    ],
    "UniformSampleDecode": [{"num_frames": 5, "streams": MOTION}],
    "ZeroInvisible": [{}],
}
CASES = [
    (name, arguments)
    for name, variants in ARGUMENTS.items()
    for arguments in variants
]
# Made for clips of one length.
FIXED_LENGTH = {
    *("CorruptFrames", "GaussianNoise", "MaskFrames", "MaskJoints"),
    *("RandomNoise", "SplitClips"),
}


def public_transforms():
    public = map(augmentation.__dict__.get, augmentation.__all__)
    return {
        each
        for each in public
        if isinstance(each, type) and issubclass(each, SkeletonTransform)
    } - {SkeletonTransform, FrameChoice, augmentation.Views}


@pytest.mark.once
def test_every_transform_is_tested():
    assert {each.__name__ for each in public_transforms()} == set(ARGUMENTS)


def make_batch():
    """Padded clips; some end in frames without anybody, or have a gap."""
    shape = (len(LENGTHS), 2, SIZE, 4, 3)
    clips = np.random.default_rng(0).normal(size=shape).astype("float32")
    clips *= 30
    clips[1, 1] = 0
    clips[2, :, 6:] = 0
    clips[4, :, 2:4] = 0
    for clip, length in zip(clips, LENGTHS, strict=True):
        clip[:, length:] = 0
    return clips


def make_layer(name, arguments):
    layer = getattr(augmentation, name)(**arguments)
    draws = None
    if layer.num_draws:
        shape = (len(LENGTHS), layer.num_draws)
        draws = np.random.default_rng(1).random(shape, "float32")
    return layer.twin("numpy"), draws


def run(twin, clips, draws, lengths):
    return (
        twin.call(clips, draws, lengths),
        twin.new_lengths(clips, draws, lengths),
    )


@pytest.mark.once
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(("name", "arguments"), CASES)
def test_each_clip_alone(name, arguments, training):
    twin, draws = make_layer(name, arguments)
    draws = draws if training else None
    clips = make_batch()
    check_alone(name, twin, clips, draws)
    if name == "PreNormalize2D":
        # Without scores, padding is told by the lengths.
        check_alone(name, twin, clips[..., :2], draws)


def check_alone(name, twin, clips, draws):
    together, new_lengths = run(twin, clips, draws, LENGTHS)
    assert new_lengths.shape == LENGTHS.shape
    for row in range(len(clips)):
        one = slice(row, row + 1)
        numbers = None if draws is None else draws[one]
        # With the padding that others bring, and without.
        cut = SIZE if name in FIXED_LENGTH else LENGTHS[row]
        for alone in (clips[one], clips[one, :, :cut]):
            found, length = run(twin, alone, numbers, LENGTHS[one])
            frames = found.shape[2]
            np.testing.assert_allclose(
                found, together[one, :, :frames], rtol=1e-5, atol=1e-5
            )
            assert length == new_lengths[one]
            assert not np.any(together[one, :, frames:])


CHOOSERS = [
    (name, arguments)
    for name, arguments in CASES
    if issubclass(getattr(augmentation, name), FrameChoice)
]


@pytest.mark.once
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(("name", "arguments"), CHOOSERS)
def test_frames_are_chosen_without_the_clips(name, arguments, training):
    twin, draws = make_layer(name, arguments)
    draws = draws if training else None
    clips = make_batch()
    frames = twin.choose_frames(LENGTHS, draws, SIZE)
    assert np.all((frames >= 0) & (frames < LENGTHS[:, None]))
    chosen = np.stack(
        [clip[:, row] for clip, row in zip(clips, frames, strict=True)]
    )
    found = twin.of_chosen(chosen, frames, draws, LENGTHS)
    expected, lengths = run(twin, clips, draws, LENGTHS)
    np.testing.assert_array_equal(found, expected)
    assert set(lengths) == {found.shape[2]}


@pytest.mark.once
def test_choosers_are_those_that_take_frames():
    assert {name for name, _ in CHOOSERS} == {
        *("CropResize", "PadTo", "RandomFrames", "RandomSegmentFrames"),
        *("SegmentSample", "UniformSample", "UniformSampleDecode"),
    }


@pytest.mark.once
def test_lengths_are_found_only_where_none_are_passed():
    clips = np.arange(1, 11, dtype="float32").reshape(1, 1, 10, 1, 1)
    # Nobody is found in frames 3 to 5 and in the last two.
    clips[:, :, [2, 3, 4, 8, 9]] = 0
    layer = augmentation.RandomFrames(10)
    run = layer.on_numpy()
    found = run(clips, lengths=np.array([10]))
    np.testing.assert_array_equal(found, clips)
    even = np.linspace(0, 7, 10).astype(int)
    np.testing.assert_array_equal(run(clips), clips[:, :, even])
    with pytest.raises(ValueError, match=r"`lengths`.*shape \(1, 1\)"):
        run(clips, lengths=np.array([[10]]))


def test_lengths_on_tensors_in_a_model_and_in_tf_data():
    layer = augmentation.CropResize(7, interval=0.8)
    clips = make_batch()
    expected = layer.on_numpy()(clips, lengths=LENGTHS)
    assert not np.allclose(expected, layer.on_numpy()(clips))
    # Relative to the scale: compilers round the places of frames otherwise.
    assert_close(layer(clips, lengths=LENGTHS), expected, "tensors")
    inputs = [keras.Input(clips.shape[1:]), keras.Input((), dtype="int32")]
    model = keras.Model(inputs, layer(inputs[0], lengths=inputs[1]))
    found = model.predict_on_batch([clips, LENGTHS])
    assert_close(found, expected, "model")
    tf = pytest.importorskip("tensorflow")
    dataset = tf.data.Dataset.from_tensors((clips, LENGTHS))
    (found,) = dataset.map(lambda clips, n: layer(clips, lengths=n))
    assert_close(found.numpy(), expected, "tf.data")


@pytest.mark.once
def test_lengths_beyond_the_clips_show_no_other_person():
    clips = np.ones((2, 2, 4, 1, 1), "float32")
    clips[:, 1] = 5
    frames = augmentation.RandomFrames(8).on_numpy()
    found = frames(clips, lengths=np.array([4, 9]))
    assert np.all(found[:, 0] == 1) and np.all(found[:, 1] == 5)


@pytest.mark.once
def test_lengths_after_a_transform():
    clips = make_batch()
    normalize = augmentation.PreNormalize3D(0, shoulders=(2, 3)).twin("numpy")
    # Frames without the first person are left out.
    lengths = normalize.new_lengths(clips, None, LENGTHS)
    assert lengths.tolist() == [12, 5, 6, 1, 5]
    apply = augmentation.RandomApply(
        augmentation.PreNormalize3D(0, shoulders=(2, 3)), 0.5
    ).twin("numpy")
    draws = np.array([[0.9], [0.1], [0.9], [0.1], [0.1]])
    lengths = apply.new_lengths(clips, draws, LENGTHS)
    assert lengths.tolist() == [12, 5, 8, 1, 5]
    drop = augmentation.DropJoints().twin("numpy")
    assert drop.new_lengths(clips, None, LENGTHS) is LENGTHS
