import keras
import numpy as np
import pytest
from keras import ops

from keras_skeleton import losses
from keras_skeleton.losses import JointCrossentropy
from keras_skeleton.losses import SmoothedCrossentropy


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_equals_keras_on_one_hot_labels(smoothing):
    random = np.random.default_rng(0)
    logits = random.normal(size=(6, 5)).astype("float32")
    labels = random.integers(0, 5, size=6)
    expected = keras.losses.CategoricalCrossentropy(
        from_logits=True, label_smoothing=smoothing
    )(np.eye(5, dtype="float32")[labels], logits)
    ours = SmoothedCrossentropy(smoothing)
    for shape in ((6,), (6, 1)):
        value = ours(labels.reshape(shape), logits)
        np.testing.assert_allclose(
            ops.convert_to_numpy(value),
            ops.convert_to_numpy(expected),
            rtol=1e-5,
        )
    share = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    value = SmoothedCrossentropy(smoothing, from_logits=False)(labels, share)
    np.testing.assert_allclose(
        ops.convert_to_numpy(value), ops.convert_to_numpy(expected), rtol=1e-4
    )


def test_config():
    loss = SmoothedCrossentropy(0.2, from_logits=False, name="a")
    revived = SmoothedCrossentropy.from_config(loss.get_config())
    assert revived.get_config() == loss.get_config()
    with pytest.raises(ValueError, match="1.5"):
        SmoothedCrossentropy(1.5)


COUNTS = [40, 10, 2]
LONG_TAILED = [
    losses.WeightedCrossentropy([1.0, 2.0, 3.0]),
    losses.ClassBalancedCrossentropy(COUNTS, beta=0.9),
    losses.ActionAwareCrossentropy(COUNTS, inverted=True),
    losses.LabelMarginCrossentropy(COUNTS, 0.3, 20.0, 0.9),
    losses.BalancedSoftmax(COUNTS),
    losses.EqualizationCrossentropy(COUNTS, 5, 0.9, inverted=True),
    losses.FocalCrossentropy(1.5),
    losses.KeyPointSensitiveCrossentropy(COUNTS, True, 0.3),
    losses.GumbelCrossentropy(),
]


def test_equalization():
    random = np.random.default_rng(0)
    logits = random.normal(size=(5, 3)).astype("float32")
    labels = np.array([0, 0, 1, 2, 1])
    # The third class is left out of the clips of the others.
    for ignored in (0.0, 0.6, 1.0):
        weights = np.ones((5, 3))
        weights[labels != 2, 2] = 1 - ignored
        share = np.exp(logits[np.arange(5), labels])
        share = share / (weights * np.exp(logits)).sum(1)
        loss = losses.EqualizationCrossentropy(COUNTS, 5, ignored)
        expected = -np.log(share).mean()
        assert float(loss(labels, logits)) == pytest.approx(expected, rel=1e-5)
    # As the code of BRL: of clips of the third, all others are left out.
    loss = losses.EqualizationCrossentropy(COUNTS, 5, 1.0, inverted=True)
    assert float(loss(labels[3:4], logits[3:4])) == 0
    counts = np.arange(60, 0, -1)
    assert losses.EqualizationCrossentropy(counts).threshold == counts[40]
    with pytest.raises(ValueError, match="ignored=2"):
        losses.EqualizationCrossentropy(COUNTS, ignored=2)


@pytest.mark.parametrize("loss", LONG_TAILED, ids=lambda x: x.name)
def test_long_tailed_losses(loss):
    random = np.random.default_rng(0)
    logits = random.normal(size=(6, 3)).astype("float32")
    labels = np.array([0, 0, 1, 0, 2, 1])
    value = float(loss(labels, logits))
    # Right answers cost less, and labels may stand in a column.
    assert float(loss(labels, 9 * np.eye(3, dtype="float32")[labels])) < value
    np.testing.assert_allclose(float(loss(labels[:, None], logits)), value)
    config = keras.saving.serialize_keras_object(loss)
    revived = keras.saving.deserialize_keras_object(config)
    assert revived.get_config() == loss.get_config()
    np.testing.assert_allclose(float(revived(labels, logits)), value)


def test_wrong_counts_and_weights():
    with pytest.raises(ValueError, match="leave it out"):
        losses.BalancedSoftmax([3, 0])
    with pytest.raises(ValueError, match="one for each class"):
        losses.WeightedCrossentropy([[1.0]])
    with pytest.raises(ValueError, match="below 1"):
        losses.ClassBalancedCrossentropy([3, 2], beta=1.0)
    with pytest.raises(ValueError, match="`gamma`"):
        losses.FocalCrossentropy(-1.0)


def test_joint_crossentropy_is_a_weighted_sum():
    random = np.random.default_rng(0)
    logits = random.normal(size=(6, 3, 5)).astype("float32")
    labels = random.integers(0, 5, size=6)
    parts = [
        float(SmoothedCrossentropy(0.1)(labels, logits[:, i])) for i in range(3)
    ]
    loss = JointCrossentropy(label_smoothing=0.1)
    assert float(loss(labels, logits)) == pytest.approx(sum(parts), rel=1e-5)
    loss = JointCrossentropy((1, 0, 0.5), label_smoothing=0.1)
    expected = parts[0] + parts[2] / 2
    assert float(loss(labels, logits)) == pytest.approx(expected, rel=1e-5)
    revived = JointCrossentropy.from_config(loss.get_config())
    assert revived.get_config() == loss.get_config()
    with pytest.raises(ValueError, match="3, classes"):
        loss(labels, logits[:, :2])


@pytest.mark.parametrize(
    "loss", [SmoothedCrossentropy(0.1), losses.BalancedSoftmax([3, 2, 1])]
)
def test_a_label_that_is_no_class_has_no_loss(loss):
    logits = np.random.default_rng(0).normal(size=(3, 3)).astype("float32")
    assert np.isfinite(float(loss([0, 1, 2], logits)))
    for labels in ([0, 1, 3], [-1, 1, 2]):
        assert np.isnan(float(loss(labels, logits)))
