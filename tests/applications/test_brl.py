import keras
import numpy as np
import pytest
from keras import ops

from keras_skeleton import losses
from keras_skeleton import skeletons
from keras_skeleton.applications import BRL
from keras_skeleton.applications import STGCNPlusPlus
from keras_skeleton.applications.brl import upper_joints
from keras_skeleton.training import BodyMixing
from keras_skeleton.training import ResumeTraining

LABELS = np.array([0, 1, 2, 0, 0, 1, 0, 2])


def clips():
    random = np.random.default_rng(0)
    shape = (len(LABELS), *BRL.tiny["input_shape"])
    return random.normal(size=shape).astype("float32")


def values(model):
    return [np.array(ops.convert_to_numpy(v.value)) for v in model.weights]


def test_learns_saves_and_resumes(tmp_path):
    keras.utils.set_random_seed(0)

    def fit(model, epochs, state):
        return model.fit(
            clips(),
            LABELS,
            batch_size=4,
            epochs=epochs,
            shuffle=False,
            verbose=0,
            callbacks=[ResumeTraining(state, verbose=0)],
        ).history

    model = BRL(**BRL.tiny, seed=1)
    start = values(model)
    model.compile(keras.optimizers.Adam(1e-2))
    logs = fit(model, 4, tmp_path / "one")
    assert np.isfinite(logs["loss"]).all()
    assert set(logs) == {"loss", "accuracy"}
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert type(loaded) is BRL
    assert loaded.get_config() == model.get_config()
    for one, other in zip(values(model), values(loaded), strict=True):
        np.testing.assert_array_equal(one, other)
    # What stopped after two epochs goes on as if it had not.
    parts = BRL(**BRL.tiny, seed=1)
    parts.set_weights(start)
    parts.compile(keras.optimizers.Adam(1e-2))
    fit(parts, 2, tmp_path / "two")
    rest = BRL(**BRL.tiny, seed=1)
    rest.compile(keras.optimizers.Adam(1e-2))
    assert len(fit(rest, 4, tmp_path / "two")["loss"]) == 2
    for one, other in zip(values(model), values(rest), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
    # The classifier is a plain one.
    assert type(loaded.model) is STGCNPlusPlus
    np.testing.assert_allclose(
        model.predict(clips(), verbose=0),
        loaded.model.predict(clips(), verbose=0),
        atol=1e-5,
    )
    evaluated = model.evaluate(clips(), LABELS, verbose=0, return_dict=True)
    best = model.predict(clips(), verbose=0).argmax(axis=1)
    assert evaluated["accuracy"] == pytest.approx((best == LABELS).mean())


@pytest.mark.once
def test_without_mixing_and_weights_it_is_plain_training():
    arguments = {**BRL.tiny, "mix_ratio": 0.0, "switch_epoch": 9}
    model = BRL(**arguments)
    logits = model.model(clips(), training=True)
    plain = losses.SmoothedCrossentropy(reduction=None)(LABELS, logits)
    plain = ops.convert_to_numpy(plain)
    weights = np.arange(len(LABELS), dtype="float32")
    for sample_weight in (None, weights):
        loss, *_ = model.objective(clips(), LABELS, True, sample_weight)
        factor = 1 if sample_weight is None else sample_weight
        expected = (plain * factor).mean()
        found = ops.convert_to_numpy(loss)
        np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_bodies_are_mixed_in_their_places():
    skeleton = skeletons.get("kinect20")
    upper = upper_joints(skeleton)
    assert upper == list(range(1, 12))
    layer = BodyMixing(upper, 20, (30, 10, 2), ratio=0.5, seed=0)
    x = clips()
    mixed, received, share = map(ops.convert_to_numpy, layer(x, LABELS))
    changed = np.flatnonzero((mixed != x).any(axis=(1, 2, 3, 4)))
    assert len(changed) == 4
    np.testing.assert_array_equal(mixed[..., upper, :], x[..., upper, :])
    lower = [0, *range(12, 20)]
    for i in range(len(LABELS)):
        gave = [
            j
            for j in range(len(LABELS))
            if np.array_equal(mixed[i][..., lower, :], x[j][..., lower, :])
        ]
        assert gave == [i] if i not in changed else gave != [i]
        assert received[i] == LABELS[gave[0]]
        own, other = (30, 10, 2)[LABELS[i]], (30, 10, 2)[received[i]]
        expected = 11 / 20
        if own > 3 * other:
            expected = 0
        elif other > 3 * own or i not in changed:
            expected = 1
        assert share[i] == pytest.approx(expected)
    # Another call, another choice.
    again = ops.convert_to_numpy(layer(x, LABELS)[0])
    assert not np.array_equal(again, mixed)


@pytest.mark.once
@pytest.mark.parametrize("skipping", [True, False])
def test_donors(skipping):
    official = ("skipping",) if skipping else ()
    layer = BodyMixing([0], 2, ratio=0.5, official=official, seed=3)
    x = np.arange(8.0).reshape(8, 1, 1, 1, 1) + np.zeros((8, 1, 1, 2, 1))
    seen = set()
    for _ in range(40):
        mixed = ops.convert_to_numpy(layer(x, LABELS)[0])[:, 0, 0, 1, 0]
        places = np.flatnonzero(mixed != np.arange(8))
        seen.add(len(places))
        if skipping:
            assert not np.isin(places + 1, places).any()
            for i in places:
                assert mixed[i] not in places[places < i]
    assert seen == ({4} if not skipping else seen)
    assert max(seen) == 4


@pytest.mark.once
def test_other_losses():
    loss = losses.LabelMarginCrossentropy((30, 10, 2), beta=0.9)
    model = BRL(**{**BRL.tiny, "loss": loss})
    assert model.get_config()["loss"]["class_name"] == "LabelMarginCrossentropy"
    model.compile("sgd")
    logs = model.fit(clips(), LABELS, epochs=2, verbose=0).history
    assert np.isfinite(logs["loss"]).all()


@pytest.mark.once
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"official": ("spelling",)}, "alternating_betas"),
        ({"loss": "focal"}, "'action_aware' or a"),
        ({"class_counts": (3, 0, 1)}, "leave it out"),
        ({"upper": [20]}, "of 20 joints"),
        ({"upper": range(20)}, "no lower body"),
        ({"upper": ["head"]}, "list of numbers of joints.*'head'"),
        ({"mix_ratio": 2}, "`mix_ratio` must be .* from 0 to 1. Received"),
        ({"upper_share": 1.5}, "`upper_share` must be .* from 0 to 1"),
        ({"dominance": 0}, "`dominance` must be a number from 1 up"),
        ({"switch_epoch": 1.5}, "`switch_epoch` must be a whole number"),
        ({"first_loss": "focal"}, "`first_loss` must be None or a"),
        ({"class_counts": 60}, "class_counts=60"),
        ({"class_counts": (3, np.nan, 1)}, "each of at least two classes"),
        ({"classes": 4}, "names 3 classes. Received classes=4: leave it out"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        BRL(**{**BRL.tiny, **arguments})


@pytest.mark.once
def test_bad_classifiers():
    model = STGCNPlusPlus(**STGCNPlusPlus.tiny, classes=4)
    with pytest.raises(ValueError, match="names 3 classes"):
        BRL(model, class_counts=(3, 2, 1))
    with pytest.raises(ValueError, match="not both"):
        BRL(model, class_counts=(4, 3, 2, 1), hidden_dim=8)
    with pytest.raises(ValueError, match="model='ntu60'"):
        BRL("ntu60", class_counts=(3, 2, 1))
    model = STGCNPlusPlus(
        **STGCNPlusPlus.tiny, classes=3, classifier_activation="softmax"
    )
    with pytest.raises(ValueError, match="without `classifier_activation`"):
        BRL(model, class_counts=(3, 2, 1))
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    with pytest.raises(ValueError, match="does not tell its skeleton"):
        BRL(model, class_counts=(3, 2, 1))
    arm = skeletons.Skeleton("brl_arm", ("body", "hand"), ((1, 0),))
    with pytest.raises(ValueError, match="no parts with 'leg'"):
        upper_joints(arm)
    # Legs that hang on different joints leave these to the upper body.
    assert upper_joints(skeletons.get("coco17")) == list(range(11))
