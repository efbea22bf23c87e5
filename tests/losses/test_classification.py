import keras
import numpy as np
import pytest
from keras import ops

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
