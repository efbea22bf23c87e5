import draws as draws_for
import keras
import numpy as np
import pytest
from keras import ops

from keras_skeleton import skeletons
from keras_skeleton.layers.augmentation import CropResize
from keras_skeleton.layers.augmentation import RandomChoice
from keras_skeleton.layers.augmentation import RandomScale
from keras_skeleton.layers.augmentation import SkeletonTransform
from keras_skeleton.layers.augmentation import corruption
from keras_skeleton.layers.augmentation import dropping
from keras_skeleton.layers.augmentation import filling
from keras_skeleton.layers.augmentation import frames
from keras_skeleton.layers.augmentation import linear
from keras_skeleton.layers.augmentation import parts
from keras_skeleton.layers.augmentation import temporal
from keras_skeleton.layers.augmentation import views
from keras_skeleton.layers.augmentation._choice import choose
from keras_skeleton.layers.augmentation.corruption import CorruptFrames
from keras_skeleton.layers.augmentation.corruption import MaskFrames
from keras_skeleton.layers.augmentation.corruption import corruption_draws
from keras_skeleton.layers.augmentation.dropping import DropAxis
from keras_skeleton.layers.augmentation.dropping import DropJoints
from keras_skeleton.layers.augmentation.dropping import RandomApply
from keras_skeleton.layers.augmentation.dropping import ZeroInvisible
from keras_skeleton.layers.augmentation.filling import FillLostFrames
from keras_skeleton.layers.augmentation.frames import RandomFrames
from keras_skeleton.layers.augmentation.frames import RandomSegmentFrames
from keras_skeleton.layers.augmentation.parts import SelectJoints
from keras_skeleton.layers.augmentation.parts import body_part
from keras_skeleton.layers.augmentation.views import AlignShoulders
from keras_skeleton.layers.augmentation.views import BoneNormalization
from keras_skeleton.layers.augmentation.views import MainPerson
from keras_skeleton.layers.augmentation.views import MinMaxNormalization
from keras_skeleton.layers.augmentation.views import RandomView
from keras_skeleton.layers.augmentation.views import RootNormalization
from keras_skeleton.skeletons import Skeleton

MODULES = (
    corruption,
    dropping,
    filling,
    frames,
    linear,
    parts,
    temporal,
    views,
)
SIZE = 10
# Arms of a hand each, at one trunk.
ARMS = Skeleton(
    "arms",
    joints=("trunk", "left_arm", "right_arm", "left_hand", "right_hand"),
    edges=((1, 0), (2, 0), (3, 1), (4, 2)),
    parts={"left_arm": (1, 3), "right_arm": (2, 4)},
    mirror=((1, 2), (3, 4)),
)
MAKERS = {
    "align": lambda: AlignShoulders((1, 3)),
    "apply": lambda: RandomApply(RandomScale((2, 3)), 0.6, seed=3),
    "apply_fixed": lambda: RandomApply(MinMaxNormalization(), 0.6, seed=3),
    "axis": lambda: DropAxis(seed=2),
    "bone_length": lambda: BoneNormalization((3, 1)),
    "corrupt": lambda: CorruptFrames(SIZE, "severe", name="lost"),
    "corrupt_share": lambda: CorruptFrames(SIZE, 0.3, "interpolation"),
    "duplicate": lambda: CorruptFrames(SIZE, "moderate", "duplication"),
    "fill": lambda: FillLostFrames("duplication"),
    "frames": lambda: RandomFrames(7, seed=1),
    "joints": lambda: DropJoints((1, 3), (2, 6), seed=5),
    "main_person": lambda: MainPerson(),
    "mask": lambda: MaskFrames(SIZE, seed=9),
    "mask_one": lambda: MaskFrames(SIZE, ("suffix", "pattern"), 0.3),
    "min_max": lambda: MinMaxNormalization(),
    "root": lambda: RootNormalization(2),
    "segments": lambda: RandomSegmentFrames(7, seed=1),
    "select": lambda: SelectJoints((3, 0, 3)),
    "blur": lambda: temporal.GaussianBlur((0.5, 3.0), 5, normalized=True),
    "blur_published": lambda: temporal.GaussianBlur(seed=4),
    "choice": lambda: RandomChoice(
        [linear.RandomShear(0.3), DropJoints((1, 2), None)], seed=5
    ),
    "corrupt_joints": lambda: linear.JointCorruption(3, 0.5, 0.3),
    "front": lambda: views.FaceFront((1, 3)),
    "front_published": lambda: views.FaceFront((1, 3), published=True),
    "joints_always": lambda: DropJoints((1, 3), None),
    "loop": lambda: temporal.LoopFrames(),
    "mask_joints": lambda: corruption.MaskJoints(SIZE, 5, 0.5, seed=1),
    "shear": lambda: linear.RandomShear(0.2, seed=3),
    "shear_2d": lambda: linear.RandomShear(1.0, dimensions=2),
    "temporal_crop": lambda: temporal.TemporalCrop(3, seed=3),
    "part": lambda: parts.DropPart(ARMS, seed=4),
    "side": lambda: dropping.DropSide(ARMS, seed=4),
    "time_shift": lambda: temporal.RandomTimeShift(seed=4),
    "time_flip": lambda: temporal.RandomTimeFlip(0.7, seed=3),
    "view": lambda: RandomView(40, (0.2, 0.7), seed=8),
    "visible": lambda: ZeroInvisible(0.1),
}
OFF_BY_ONE = {("ntu", "leg"), ("shrec", "hand")}
# What a random transform does outside training, if it does anything.
CALM_CHANGES = {"frames", "segments"}


def make_clips(lengths=(10, 4, 7, 1), persons=2, seed=0):
    shape = (len(lengths), persons, SIZE, 5, 3)
    clips = np.random.default_rng(seed).normal(size=shape)
    for index, length in enumerate(lengths):
        clips[index, :, length:] = 0
    clips[1, 1] = 0
    clips[0, 1, 6:] = 0
    clips[2, :, 3] = 0
    return clips.astype("float32")


def make_draws(layer, samples=4, seed=0):
    if not layer.num_draws:
        return None
    shape = (samples, layer.num_draws)
    return np.random.default_rng(seed).random(shape, "float32")


def run(layer, clips, **kwargs):
    return ops.convert_to_numpy(layer(clips, **kwargs))


def run_random(layer, clips):
    """In NumPy, which need not compile what another test compares."""
    return layer.on_numpy()(clips, make_draws(layer, len(clips)))


@pytest.mark.parametrize("name", MAKERS)
def test_all_ways_of_running_agree(name):
    tf = pytest.importorskip("tensorflow")
    layer, clips = MAKERS[name](), make_clips()
    draws = make_draws(layer)
    eager = run(layer, clips, draws=draws)
    assert eager.shape == layer.compute_output_shape(clips.shape)
    assert eager.dtype == "float32" and np.isfinite(eager).all()
    if eager.shape == clips.shape:
        assert not np.array_equal(eager, clips)
    arrays = layer.on_numpy()(clips, draws)
    assert isinstance(arrays, np.ndarray) and arrays.dtype == "float32"
    np.testing.assert_allclose(arrays, eager, atol=2e-6)

    data = (clips,) if draws is None else (clips, draws)
    dataset = tf.data.Dataset.from_tensors(data)
    # Batches of any length, as of clips padded to the longest.
    dataset = dataset.map(
        lambda *data: (
            tf.ensure_shape(
                tf.py_function(lambda x: x, data[:1], tf.float32),
                (None, 2, None, 5, 3),
            ),
            *data[1:],
        )
    )
    mapped = dataset.map(lambda clips, draws=None: layer(clips, draws=draws))
    mapped = next(iter(mapped)).numpy()
    np.testing.assert_allclose(mapped, eager, atol=2e-6)

    inputs = [keras.Input(x.shape[1:]) for x in data]
    outputs = layer(inputs[0], draws=inputs[1] if inputs[1:] else None)
    model = keras.Model(inputs, outputs)
    assert model.output_shape == (None, *eager.shape[1:])
    output = model.predict_on_batch(list(data))
    np.testing.assert_allclose(output, eager, atol=1e-5)


@pytest.mark.parametrize("name", MAKERS)
def test_serialisation(name, tmp_path):
    layer, clips = MAKERS[name](), make_clips()
    config = keras.saving.serialize_keras_object(layer)
    revived = keras.saving.deserialize_keras_object(config)
    assert type(revived) is type(layer)
    assert revived.get_config() == layer.get_config()
    draws = make_draws(layer)
    np.testing.assert_array_equal(
        run(revived, clips, draws=draws), run(layer, clips, draws=draws)
    )
    inputs = keras.Input(clips.shape[1:])
    keras.Model(inputs, layer(inputs)).save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(run(loaded, clips), run(layer, clips))


@pytest.mark.parametrize("name", MAKERS)
def test_training_argument(name):
    layer, clips = MAKERS[name](), make_clips((10, 4, 7, 1) * 8)
    calm = run(layer, clips, training=False)
    first = run(layer, clips, training=True)
    second = run(layer, clips, training=True)
    if not layer.num_draws:
        np.testing.assert_array_equal(first, calm)
        return
    assert not np.array_equal(first, second)
    if name not in CALM_CHANGES:
        np.testing.assert_array_equal(calm, clips)


def test_every_transform_is_tested():
    tested = {type(make()).__name__ for make in MAKERS.values()}
    public = {
        name
        for module in MODULES
        for name, value in vars(module).items()
        if isinstance(value, type)
        and issubclass(value, SkeletonTransform)
        and value.__module__ == module.__name__
        and not name.startswith("_")
    }
    assert tested == public | {"RandomChoice"}


def sample_one_by_one(population, count, draws):
    chosen = []
    for step in range(count):
        last, draw = population - count + step, draws[step]
        number = int(draw * (last + 1))
        chosen.append(last if number in chosen else number)
    return chosen


@pytest.mark.parametrize("population", [6, 7, 9, 40])
def test_choice_equals_sampling_one_by_one(population):
    layer, samples, size = DropAxis(), 300, 6
    generator = np.random.default_rng(population)
    draws = generator.random((samples, size), "float32")
    count = generator.integers(0, size + 1, samples)
    chosen = choose(
        layer,
        ops.full((samples,), population, "int32"),
        ops.convert_to_tensor(count, "int32"),
        ops.convert_to_tensor(draws, "float32"),
    )
    for row, number, numbers in zip(
        ops.convert_to_numpy(chosen), count, draws, strict=True
    ):
        expected = sample_one_by_one(population, number, numbers)
        assert row.tolist() == expected + [-1] * (size - number)
        assert len(set(expected)) == number


def test_choice_is_uniform():
    layer, samples = DropAxis(), 20000
    draws = np.random.default_rng(0).random((samples, 3))
    chosen = choose(
        layer,
        ops.full((samples,), 5, "int32"),
        ops.full((samples,), 3, "int32"),
        ops.convert_to_tensor(draws, "float32"),
    )
    sets = np.sort(ops.convert_to_numpy(chosen), axis=1)
    _, counts = np.unique(sets, axis=0, return_counts=True)
    assert len(counts) == 10
    np.testing.assert_allclose(counts, samples / 10, rtol=0.1)


def ramp(lengths, longest):
    number = np.arange(1, longest + 1, dtype="float32")
    clips = np.where(number <= np.array(lengths)[:, None], number, 0)
    return clips[:, None, :, None, None].astype("float32")


@pytest.mark.parametrize("num_frames", [1, 2, 13, 52, 64, 130])
def test_even_frames_are_those_of_linspace(num_frames):
    lengths = range(1, 202)
    index = run(RandomFrames(num_frames), ramp(lengths, 205))[:, 0, :, 0, 0]
    for length, row in zip(lengths, index, strict=True):
        expected = np.linspace(0, length - 1, num_frames).astype("int64")
        np.testing.assert_array_equal(row - 1, expected)


def test_random_frames_come_from_copies_of_the_clip():
    layer = RandomFrames(130)
    index = run_random(layer, ramp([1, 2, 300], 300))[:, 0, :, 0, 0]
    assert (np.diff(index, axis=1) >= 0).all()
    assert set(index[0]) == {1.0}
    counts = np.unique(index[1], return_counts=True)[1]
    assert counts.sum() == 130 and counts.max() <= 100
    assert len(set(index[2])) > 60 and index[2].max() <= 300


@pytest.mark.parametrize(("size", "share"), [(8, 1.0), (30, 1.0), (8, 0.7)])
def test_segments(size, share):
    layer = RandomSegmentFrames(size, share)
    # Of 123 / 30 frames, the 30th segment ends below 123 in Python's numbers.
    for length in (3, 8, 9, 40, 123):
        seen, total = int(length * share), length
        if seen < size:
            total = length * (-(-size // seen) + 1)
            seen = int(total * share)
        edges = [int(i * (seen / size)) for i in range(size + 1)]
        count = np.maximum(np.diff(edges), 1)
        for value in (0.0, 0.5, 0.999999):
            draws = np.full((1, size), value)
            index = layer.on_numpy()(ramp([length], 130), draws).ravel() - 1
            expected = edges[:-1] + (count * value).astype(int)
            expected = (total - seen) // 2 + expected
            np.testing.assert_array_equal(index, expected % length)


def test_empty_clips_stay_empty():
    clips = make_clips()
    clips[2] = 0
    for name, make in MAKERS.items():
        layer = make()
        out = run_random(layer, clips)
        assert np.isfinite(out).all()
        np.testing.assert_array_equal(out[2], 0, err_msg=name)


def test_view_turns_about_y_then_x():
    clips = make_clips()[:1]
    numbers = [draws_for.of_integers(a, -90, 90) for a in (90, 90)]
    draws = np.array([[*numbers, 0.25]])
    out = run(RandomView(90, (1, 5)), clips, draws=draws)
    x, y, z = np.moveaxis(clips, -1, 0)
    # About y: (z, y, -x); then about x, y becomes z and z becomes -y.
    np.testing.assert_allclose(out, 2 * np.stack([z, x, y], -1), atol=1e-5)


def test_min_max():
    clips = make_clips()
    clips[0, ..., 2] = 4
    out = run(MinMaxNormalization(), clips)
    shown = clips[2][clips[2].any(axis=(2, 3))]
    low, high = shown.min(axis=(0, 1)), shown.max(axis=(0, 1))
    expected = (clips[2, :, :7] - low) / (high - low) * 2 - 1
    # A frame without anybody stays so.
    expected[:, 3] = 0
    np.testing.assert_allclose(out[2, :, :7], expected, atol=1e-5)
    np.testing.assert_array_equal(out[2, :, 7:], 0)
    np.testing.assert_array_equal(out[1, 1], 0)
    np.testing.assert_array_equal(out[0, ..., 2], 0)
    assert out[3].min() == -1 and abs(out[3].max() - 1) < 1e-6


def test_align_shoulders():
    clips = make_clips()
    # Along x already, and against it: there is no shortest way.
    clips[2, 0, 0, [1, 3]] = [[0, 1, 0], [2, 1, 0]]
    clips[3, 0, 0, [1, 3]] = [[2, 1, 0], [0, 1, 0]]
    out = run(AlignShoulders((1, 3)), clips)
    line = (out[:, 0, 0, 3] - out[:, 0, 0, 1])[:2]
    length = np.linalg.norm(clips[:2, 0, 0, 3] - clips[:2, 0, 0, 1], axis=1)
    np.testing.assert_allclose(line[:, 0], length, rtol=1e-5)
    np.testing.assert_allclose(line[:, 1:], 0, atol=1e-5)
    np.testing.assert_array_equal(out[2:], clips[2:])
    sizes = [np.linalg.norm(x, axis=-1) for x in (out, clips)]
    np.testing.assert_allclose(*sizes, atol=1e-5)
    # A turn, not a mirror.
    boxes = [np.linalg.det(x[0, 0, :, 1:4]) for x in (out, clips)]
    np.testing.assert_allclose(*boxes, atol=1e-4)


def test_main_person_and_invisible_joints():
    clips = make_clips()
    clips[0, 1] *= 9
    out = run(MainPerson(), clips)
    np.testing.assert_array_equal(out[0, 0], clips[0, 1])
    np.testing.assert_array_equal(out[1, 0], clips[1, 0])
    out = run(ZeroInvisible(0.1), clips)
    seen = clips[..., 2:] > 0.1
    np.testing.assert_array_equal(out, clips[..., :2] * seen)


def test_drop_joints_counts():
    ones = np.ones((500, 1, 20, 9, 2), "float32")
    out = run_random(DropJoints((2, 4), (3, 30)), ones)
    dropped = out[:, 0, :, :, 0] == 0
    np.testing.assert_array_equal(dropped, out[:, 0, :, :, 1] == 0)
    joints, times = dropped.any(axis=1), dropped.any(axis=2)
    blocks = times[:, :, None] & joints[:, None]
    np.testing.assert_array_equal(dropped, blocks)
    assert set(joints.sum(axis=1)) == {2, 3, 4}
    assert set(times.sum(axis=1)) == set(range(3, 21))
    assert joints.any(axis=0).all() and not joints.all(axis=0).any()


def test_random_apply_share():
    ones = np.ones((2000, 1, 2, 2, 2), "float32")
    layer = RandomApply(RandomScale((2, 2)), 0.2)
    changed = run_random(layer, ones)[:, 0, 0, 0, 0] == 2
    assert 0.15 < changed.mean() < 0.25


def test_corruption():
    ones = np.ones((200, 1, SIZE, 5, 3), "float32")
    layer = CorruptFrames(SIZE, "severe")
    lost = run_random(layer, ones)[:, 0, :, 0, 0] == 0
    assert set(lost.sum(axis=1)) == {7}
    np.testing.assert_allclose(lost.mean(axis=0), 0.7, atol=0.15)
    for level, share in (("minor", 0.25), ("moderate", 0.5), ("severe", 0.75)):
        assert CorruptFrames(SIZE, level).share == share
    whole = CorruptFrames(SIZE, 0.05)
    assert whole.num_draws == 0
    np.testing.assert_array_equal(run(whole, ones, training=True), ones)

    clips = make_clips((SIZE,) * 4)
    draws = corruption_draws(layer, [3, 1, 3, 0], seed=5)
    np.testing.assert_array_equal(draws[0], draws[2])
    np.testing.assert_array_equal(draws[1:2], corruption_draws(layer, [1], 5))
    assert len(np.unique(draws)) == 3 * layer.num_draws
    kept = run(layer, np.ones_like(clips), draws=draws)[:, 0, :, 0, 0] > 0
    filled = CorruptFrames(SIZE, "severe", "interpolation")
    filled = run(filled, clips, draws=draws)
    frame = np.arange(SIZE)
    for row in range(4):
        left = frame[kept[row]]
        expected = np.interp(frame, left, clips[row, 0, left, 1, 2])
        np.testing.assert_allclose(filled[row, 0, :, 1, 2], expected, atol=1e-6)


def test_filling_lost_frames():
    clips = make_clips((6, 6, 6, 6))
    clips[0, :, 0] = clips[0, :, 2:4] = clips[0, :, 5] = 0
    clips[1] = 0
    # The second person comes while nobody is found.
    clips[2, 1, :2] = clips[2, :, 2:4] = 0
    lengths = np.array([6, 6, 6, 4])
    one, other = clips[0, :, 1], clips[0, :, 4]
    expected = {
        "interpolation": [one, one, one + (other - one) / 3],
        "duplication": [one, one, one],
    }
    for fill, start in expected.items():
        layer = FillLostFrames(fill)
        out = run(layer, clips, lengths=lengths)
        third = one + (other - one) * 2 / 3
        rest = [one if fill == "duplication" else third, other, other]
        wanted = np.stack([*start, *rest], axis=1)
        np.testing.assert_allclose(out[0, :, :6], wanted, atol=1e-5)
        np.testing.assert_array_equal(out[0, :, 6:], 0)
        np.testing.assert_array_equal(out[1], 0)
        np.testing.assert_array_equal(out[3], clips[3])
        # The end of a clip whose length nobody knows is padding.
        unknown = run(layer, clips)
        np.testing.assert_array_equal(unknown[0, :, 5:], 0)
        np.testing.assert_allclose(unknown[0, :, :5], wanted[:, :5], atol=1e-5)
        inside = run(FillLostFrames(fill, at_end=False), clips, lengths=lengths)
        np.testing.assert_array_equal(inside[0], unknown[0])
        # Nobody moves to or from zero.
        here = clips[2, 1, 4] if fill == "interpolation" else 0
        np.testing.assert_allclose(out[2, 1, 2], here, atol=1e-6)
        assert out[2, 0, 2].any()


def test_masking_strategies_and_ratios():
    ones = np.ones((600, 1, SIZE, 1, 1), "float32")
    counts = {int(ratio * SIZE) for ratio in (0.25, 0.5, 0.75)}
    for strategy in ("random", "prefix", "suffix", "in-between"):
        layer = MaskFrames(SIZE, strategy)
        lost = run_random(layer, ones)[:, 0, :, 0, 0] == 0
        assert set(lost.sum(axis=1)) == counts
        if strategy == "in-between":
            assert not lost[:, [0, -1]].any() and lost[:, 1:-1].any(0).all()
            starts = (np.diff(lost.astype(int), axis=1) == 1).sum(axis=1)
            assert (starts == 1).all()
    lost = run_random(MaskFrames(SIZE, "in-between", 0.95), ones[:1])
    assert (lost == 0).sum() == SIZE - 2
    out = run_random(MaskFrames(SIZE, "pattern"), ones)
    kept = {tuple(np.flatnonzero(row)) for row in out[:, 0, :, 0, 0]}
    expected = {
        tuple(range(offset, SIZE, period))
        for period in (2, 3, 4)
        for offset in range(period)
    }
    assert kept == expected


def test_body_parts():
    for layout, part in (
        ("ntu", "body"),
        ("ntu", "hand"),
        ("ntu", "leg"),
        ("ntu_x", "body"),
        ("ntu_x", "hand"),
        ("ntu_x", "leg"),
        ("shrec", "hand"),
    ):
        found = body_part(layout, part, corrected=True)
        size = len(found.joints)
        # The corrected bones are a tree.
        names = [str(joint) for joint in found.joints]
        tree = skeletons.Skeleton("part", names, found.bones)
        assert tree.num_joints == size
        same = found == body_part(layout, part)
        assert same == (
            (layout, part) not in {("ntu", "leg"), ("shrec", "hand")}
        )
    ntu = dict(skeletons.get("ntu").edges)
    leg = body_part("ntu", "leg", corrected=True)
    for child, parent in leg.bones:
        assert ntu[leg.joints[child]] == leg.joints[parent]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: RandomFrames(0), "`num_frames`"),
        (lambda: RandomSegmentFrames(2.5), "`num_frames`"),
        (lambda: RandomSegmentFrames(8, 0.0), "`share`"),
        (lambda: RandomView(200), "`max_angle`"),
        (lambda: RandomView(3.5), "`max_angle`"),
        (lambda: RandomView(factor=(2, 1)), "`factor`"),
        (lambda: RandomView()(make_clips()[..., :2]), "three coordinates"),
        (lambda: RandomView()(make_clips()[0]), "leading axis"),
        (lambda: AlignShoulders((1, 1)), "two different joints"),
        (lambda: AlignShoulders()(make_clips()), "uses joint 8"),
        (lambda: RootNormalization(5)(make_clips()), "joints 0 to 4"),
        (lambda: BoneNormalization((2, 2)), "two different joints"),
        (lambda: BoneNormalization()(make_clips()), "joints 0 to 4"),
        (lambda: RandomApply(3), "`SkeletonTransform`"),
        (lambda: RandomApply(DropAxis(), 1.5), "`probability`"),
        (
            lambda: RandomApply(CropResize(3))(make_clips()),
            "keeps the shape of clips, but CropResize",
        ),
        (
            lambda: RandomApply(DropAxis())(
                make_clips(), draws=np.ones((4, 1))
            ),
            "needs 2 draws",
        ),
        (lambda: DropJoints((3, 2)), "`joints`"),
        (lambda: DropJoints(frames=(3,)), "`frames`"),
        (lambda: ZeroInvisible()(make_clips()[..., :1]), "as a score"),
        (lambda: SelectJoints(()), "`joints`"),
        (lambda: SelectJoints((-1,)), "`joints`"),
        (lambda: SelectJoints((1, 5))(make_clips()), "takes joint 5"),
        (lambda: body_part("ntu", "head"), "no part 'head'"),
        (lambda: CorruptFrames(SIZE, "huge"), "`level`"),
        (lambda: CorruptFrames(SIZE, 1.0), "`level`"),
        (lambda: CorruptFrames(1), "`num_frames`"),
        (lambda: CorruptFrames(SIZE, fill="linear"), "`fill`"),
        (lambda: CorruptFrames(9)(make_clips()), "made for 9 frames"),
        (lambda: MaskFrames(SIZE, "all"), "`strategies`"),
        (lambda: MaskFrames(SIZE, ratios=(0.5, 1)), "`ratios`"),
    ],
)
def test_wrong_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
