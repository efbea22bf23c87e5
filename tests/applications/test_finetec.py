import keras
import numpy as np
import pytest
from keras import ops

from keras_skeleton.applications import FineTec
from keras_skeleton.applications import FineTecPretext
from keras_skeleton.applications import _completion
from keras_skeleton.applications import _decomposition
from keras_skeleton.applications import _physics
from keras_skeleton.applications._dynamics import MotionFusion
from keras_skeleton.applications._dynamics import SequenceFusion
from keras_skeleton.losses import SmoothedCrossentropy
from keras_skeleton.skeletons import Skeleton

PAIR = {**FineTec.tiny, "input_shape": (2, 8, 20, 3)}
ALL = [
    (network, start)
    for network in _completion.NETWORKS
    for start in _completion.STARTS
]


def clips(shape=PAIR["input_shape"], count=3, seed=0):
    random = np.random.default_rng(seed)
    return random.normal(size=(count, *shape)).astype("float32")


def to_numpy(x):
    return ops.convert_to_numpy(x)


def randomize(model, seed=1):
    random = np.random.default_rng(seed)
    for variable in model.variables:
        if "float" in variable.dtype and "moving" not in variable.path:
            variable.assign(random.normal(0, 0.3, variable.shape))
    return model


def restored(model, x):
    return [to_numpy(each) for each in model.restore(x)]


@pytest.mark.parametrize(("network", "start"), ALL)
def test_only_lost_frames_are_made(network, start):
    model = randomize(FineTec(**PAIR, completion=network, start=start))
    x = clips()
    x[0, :, [0, 3, 7]] = 0
    # One person is there for a while, one never.
    x[1, 1, :5] = 0
    x[2, 1] = x[2, 0, 4] = 0
    found, mask = restored(model, x)
    expected = np.zeros(x.shape[:4])
    expected[0, :, [0, 3, 7]] = expected[2, 0, 4] = 1
    np.testing.assert_array_equal(mask, expected)
    np.testing.assert_array_equal(found[mask == 0], x[mask == 0])
    assert found[mask == 1].any(axis=-1).all()
    # Persons are restored by themselves.
    alone = randomize(FineTec(**FineTec.tiny, completion=network, start=start))
    one, _ = restored(alone, x[:1, :1])
    np.testing.assert_allclose(one[0, 0], found[0, 0], atol=1e-5)
    # A frame that was seen decides about those that were not.
    x[0, 0, 5] += 1
    changed, _ = restored(model, x)
    assert np.abs(changed - found)[0, 0, 3].max() > 1e-4


def test_which_frames_are_lost():
    x = clips((1, 8, 20, 3))
    x[0, :, 2] = x[0, :, 6:] = 0
    masks = {}
    for validity in ("frames", "length"):
        model = FineTec(**FineTec.tiny, validity=validity)
        masks[validity] = restored(model, x)[1][0, 0, :, 0]
    np.testing.assert_array_equal(masks["frames"], [0, 0, 1, 0, 0, 0, 1, 1])
    np.testing.assert_array_equal(masks["length"], [0, 0, 1, 0, 0, 0, 0, 0])
    model = randomize(FineTec(**FineTec.tiny, validity="given", classes=3))
    valid = np.ones((3, 8), "float32")
    valid[0, 4] = 0
    inputs = {"skeletons": x, "valid": valid}
    found, mask = restored(model, inputs)
    assert mask[0, 0, 4].all() and mask.sum() == 20
    # What a lost frame holds does not matter.
    wrong = {"skeletons": x + 0, "valid": valid}
    wrong["skeletons"][0, :, 4] = 9
    again, _ = restored(model, wrong)
    np.testing.assert_array_equal(again, found)
    np.testing.assert_allclose(
        model.predict_on_batch(wrong), model.predict_on_batch(inputs)
    )


def test_the_bank_and_the_pose():
    encoder = FineTec(**PAIR)
    assert not encoder.completion.is_filled
    x = clips()
    x[0, 0, 3] = x[1, 1] = 0
    encoder.fill_bank(x)
    assert encoder.completion.is_filled
    whole = x.reshape(-1, *x.shape[2:])[[1, 2, 4, 5]]
    np.testing.assert_allclose(
        to_numpy(encoder.completion.prior.value),
        whole.mean(axis=(0, 1)),
        atol=1e-6,
    )
    bank = to_numpy(encoder.completion.bank.value)
    assert all((whole == each).all(axis=(1, 2, 3)).any() for each in bank)
    # An untrained completion starts near the pose.
    x[2, :, 5] = 0
    found, _ = restored(encoder, x)
    pose = to_numpy(encoder.completion.prior.value)
    assert np.abs(found[2, :, 5] - pose).max() < 1
    for wrong, message in (
        (x[:, :, :5], "takes whole clips"),
        (x * (np.arange(8) < 5)[:, None, None], "Nobody is seen"),
    ):
        with pytest.raises(ValueError, match=message):
            encoder.fill_bank(wrong)


@pytest.mark.parametrize("start", _completion.STARTS)
def test_the_first_stage_trains_the_completion_alone(start):
    keras.utils.set_random_seed(0)
    pretext = FineTecPretext(**FineTec.tiny, start=start, seed=1)
    encoder = pretext.encoder
    before = {v.path: np.array(to_numpy(v.value)) for v in encoder.variables}
    x = 0.2 * clips((1, 8, 20, 3), 6) + clips((1, 1, 20, 3), 1)
    pretext.compile(keras.optimizers.Adam(3e-3))
    losses = pretext.fit(x, epochs=40, batch_size=6, verbose=0).history["loss"]
    assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:5])
    changed = {
        v.path
        for v in encoder.variables
        if not np.array_equal(before[v.path], to_numpy(v.value))
    }
    assert changed and all(p.startswith("completion/") for p in changed)
    found, mask = restored(pretext, x)
    assert 0 < mask.mean() < 1
    np.testing.assert_array_equal(found[mask == 0], x[mask == 0])

    # The second stage leaves it as it is.
    model = FineTec(encoder=encoder, classes=3)
    trained = [np.array(w) for w in encoder.completion.get_weights()]
    model.compile("sgd", SmoothedCrossentropy())
    model.fit(x, np.arange(6) % 3, verbose=0)
    for old, new in zip(trained, encoder.completion.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert not encoder.completion.trainable_variables
    free = FineTec(**FineTec.tiny, freeze_completion=False)
    assert free.completion.trainable_variables


def test_hidden_frames_and_the_loss():
    pretext = FineTecPretext(
        **PAIR, ratios=(0.5,), strategies=("prefix",), seed=0
    )
    x = clips()
    x[1, 1] = x[0, :, 7] = 0
    pretext.encoder.fill_bank(clips(seed=3))
    found = pretext(x)
    assert tuple(found["prediction"].shape) == (6, 8, 2 * 60)
    mask = np.ones((6, 8))
    mask[3] = mask[:2, 7] = 0
    np.testing.assert_array_equal(to_numpy(found["mask"]), mask)
    prepared = pretext.prepare(x)
    choice, _ = pretext.hide(prepared)
    lost, hidden = (to_numpy(choice[key]) for key in ("lost", "hidden"))
    np.testing.assert_array_equal(hidden[0], [1, 1, 1, 1, 0, 0, 0, 0])
    assert set(lost[[2, 4, 5]].sum(axis=1)) == {4} and lost[3].all()
    bank = to_numpy(pretext.completion.bank.value)
    used = to_numpy(prepared["examples"])
    assert all((bank == each).all(axis=(1, 2, 3)).any() for each in used)


def test_frames_given_as_lost_teach_nothing():
    pretext = FineTecPretext(**FineTec.tiny, validity="given", seed=0)
    x, valid = clips((1, 8, 20, 3), 3), np.ones((3, 8), "float32")
    x[0, :, 4], valid[0, 4] = 1e6, 0
    pretext.compile("adam")
    logs = pretext.fit({"skeletons": x, "valid": valid}, verbose=0).history
    assert logs["loss"][0] < 1e3
    assert np.abs(to_numpy(pretext.completion.bank.value)).max() < 1e3


def test_batches_fill_the_bank():
    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 3

        def __getitem__(self, index):
            return clips((1, 8, 20, 3), 2, index), np.zeros(2)

    pretext = FineTecPretext(**FineTec.tiny)
    pretext.compile("adam")
    pretext.fit(Batches(), verbose=0)
    assert pretext.completion.is_filled

    def generate():
        yield clips((1, 8, 20, 3), 2), np.zeros(2)

    pretext = FineTecPretext(**FineTec.tiny)
    pretext.compile("adam")
    with pytest.raises(ValueError, match="fill_bank"):
        pretext.fit(generate(), steps_per_epoch=1, verbose=0)


def test_the_regions_that_move_are_perturbed():
    layer = _decomposition.RegionPerturbation(((0, 1), (2,), (3, 4)), 1)
    x = np.zeros((40, 10, 6, 2), "float32")
    x[:, :, :, 0] = np.arange(6)
    # Joints 3 and 4 move; joint 5 belongs to no region.
    x[:, :, 3:, 1] = np.arange(10)[:, None] ** 2
    dynamic, static = (to_numpy(each) for each in layer(x))
    np.testing.assert_array_equal(
        dynamic[:, :, [0, 1, 2, 5]], x[:, :, [0, 1, 2, 5]]
    )
    assert (dynamic[:, :, 3:5] != x[:, :, 3:5]).any(axis=(1, 2, 3)).all()
    np.testing.assert_array_equal(static[:, :, 3:], x[:, :, 3:])
    is_mirrored = (static[:, :, :3] != x[:, :, :3]).any(axis=(1, 2, 3))
    assert 5 < is_mirrored.sum() < 35
    places = static[is_mirrored][0, 0, :3, 0]
    np.testing.assert_allclose(places, [5, 4, 3], rtol=1e-5)
    # Of equal regions the first is dynamic.
    same = np.zeros((1, 9, 6, 2), "float32")
    same[..., 0] = np.arange(9)[:, None]
    is_dynamic, is_static = layer.joint_groups(same)
    np.testing.assert_array_equal(to_numpy(is_dynamic)[0, :2], True)
    np.testing.assert_array_equal(to_numpy(is_static)[0, 2:5], True)
    assert not to_numpy(is_static)[0, 5]


def test_the_equation_of_motion():
    x = clips((6, 5, 2))
    for mass, size in (("coordinates", 10), ("joints", 5)):
        layer = _physics.LagrangianAcceleration(mass)
        small = to_numpy(layer(x))
        # All terms but the identity start near 0.
        assert np.abs(small).max() < 1.5
        randomize(layer)
        terms = {k: to_numpy(v) for k, v in layer.terms(x).items()}
        inverse = terms["inverse_mass"]
        assert inverse.shape == (3, 6, size, size)
        np.testing.assert_allclose(inverse, inverse.swapaxes(-1, -2), atol=1e-4)
        # Mass and gravity do not depend on velocities: time reversed.
        back = layer.terms(x[:, ::-1])
        for key in ("inverse_mass", "gravity"):
            np.testing.assert_allclose(
                to_numpy(back[key])[:, ::-1], terms[key], atol=1e-4
            )
        damping = to_numpy(back["damping"])[:, ::-1]
        assert np.abs(damping - terms["damping"]).max() > 1e-2


def test_accelerations_are_a_loss_of_training():
    layer = MotionFusion(((0, 1), (2, 3), (4,)), 1, hidden_dim=8, seed=0)
    x = clips((2, 8, 5, 3))
    x[1, 1] = 0
    out = to_numpy(layer(x, training=False))
    assert out.shape == (3, 2, 8, 5, 6) and not layer.losses
    assert not out[1, 1].any() and out[1, 0].any()
    layer(x, training=True)
    (loss,) = layer.losses
    plain = MotionFusion(
        ((0, 1), (2, 3), (4,)), 1, hidden_dim=8, acceleration_weight=0.0
    )
    plain(x, training=True)
    assert to_numpy(ops.stop_gradient(loss)) > 0 and not plain.losses


def test_copies_of_a_sequence_are_seen_as_one():
    fusion = SequenceFusion(8, 2)
    x = ops.convert_to_tensor(clips((6, 5, 2)))
    once = fusion(x, [x])
    randomize(fusion)
    once = fusion(x, [x])
    np.testing.assert_allclose(
        to_numpy(fusion(x, [x, x])), to_numpy(once), atol=1e-5
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"input_shape": (1, 2, 20, 3)}, "3 frames or more"),
        ({"completion": "mlp"}, "`completion` must be 'drawn' or 'sic'"),
        ({"validity": "zeros"}, "`validity` must be"),
        ({"start": "mean"}, "`start` must be"),
        ({"mass": "full"}, "`mass` must be"),
        ({"fusion_dim": 9}, "multiple of `fusion_heads`"),
        ({"bank_size": 0}, "`bank_size` must be at least 1"),
        ({"dynamic_regions": 5}, "none static"),
        (
            {
                "skeleton": Skeleton(
                    "no_parts", "abc", ((1, 0), (2, 1))
                ).to_dict(),
                "input_shape": (1, 8, 3, 2),
            },
            "names 0 parts",
        ),
    ],
)
def test_errors_are_explained(arguments, message):
    with pytest.raises(ValueError, match=message):
        FineTec(**{**FineTec.tiny, **arguments})
    if "completion" in arguments:
        with pytest.raises(ValueError, match="not both"):
            FineTecPretext(FineTec(**FineTec.tiny), bank_size=3)
