"""The base of pretext models, proven on a small momentum-contrast model."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_skeleton.training import FeatureQueue
from keras_skeleton.training import PretextModel
from keras_skeleton.training import StepModel
from keras_skeleton.training import SupervisedModel
from keras_skeleton.training import update_momentum

MOMENTUM = 0.9
TEMPERATURE = 0.2


def make_encoder(name):
    encoder = keras.Sequential(
        [keras.layers.Input((6,)), keras.layers.Dense(4, name="features")],
        name=name,
    )
    return encoder


@keras.saving.register_keras_serializable(package="test")
class TinyContrast(PretextModel):
    """Momentum contrast with an EMA copy of the encoder and a queue."""

    reported = ("positive_similarity",)

    def __init__(self, queue_size=8, **kwargs):
        super().__init__(**kwargs)
        self.queue_size = queue_size
        self.query = make_encoder("query")
        self.key = make_encoder("key")
        self.key.trainable = False
        self.key.set_weights(self.query.get_weights())
        self.queue = FeatureQueue(queue_size, 4, seed=3)
        self.built = True

    def call(self, inputs, training=None):
        return self.query(inputs, training=training)

    def objective(self, x, y, training):
        query = ops.normalize(self.query(x["view"]), axis=-1)
        key = ops.normalize(self.key(x["other"]), axis=-1)
        key = ops.stop_gradient(key)
        positive = ops.sum(query * key, axis=-1, keepdims=True)
        negative = ops.matmul(query, ops.transpose(self.queue.vectors()))
        logits = ops.concatenate([positive, negative], axis=1) / TEMPERATURE
        loss = -ops.mean(ops.log_softmax(logits, axis=-1)[:, 0])
        return loss, {"positive_similarity": ops.mean(positive)}, key

    def after_step(self, key):
        self.queue.push(key)
        update_momentum(self.key, self.query, MOMENTUM)

    def get_config(self):
        return {"queue_size": self.queue_size, "name": self.name}


def batches(count=5, size=4):
    random = np.random.default_rng(0)
    return [
        {
            name: random.normal(size=(size, 6)).astype("float32")
            for name in ("view", "other")
        }
        for _ in range(count)
    ]


def reference(model, data, rate):
    """The same training written out in NumPy."""
    kernel, bias = (w.astype("float64") for w in model.query.get_weights())
    key_kernel, key_bias = kernel.copy(), bias.copy()
    queue = ops.convert_to_numpy(model.queue.vectors()).astype("float64")
    place, losses = 0, []
    for batch in data:
        raw = batch["view"] @ kernel + bias
        norm = np.linalg.norm(raw, axis=1, keepdims=True)
        query = raw / norm
        key = batch["other"] @ key_kernel + key_bias
        key /= np.linalg.norm(key, axis=1, keepdims=True)
        positive = (query * key).sum(1, keepdims=True)
        logits = np.concatenate([positive, query @ queue.T], 1) / TEMPERATURE
        logits -= logits.max(1, keepdims=True)
        share = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        losses.append(-np.log(share[:, 0]).mean())
        share[:, 0] -= 1
        share /= TEMPERATURE * len(query)
        slope = share[:, :1] * key + share[:, 1:] @ queue
        slope -= (slope * query).sum(1, keepdims=True) * query
        slope /= norm
        kernel = kernel - rate * batch["view"].T @ slope
        bias = bias - rate * slope.sum(0)
        for row in key:
            queue[place % len(queue)] = row
            place += 1
        key_kernel = MOMENTUM * key_kernel + (1 - MOMENTUM) * kernel
        key_bias = MOMENTUM * key_bias + (1 - MOMENTUM) * bias
    return losses, (kernel, bias), (key_kernel, key_bias), queue, place


@pytest.mark.parametrize("queue_size", [8, 6])
def test_momentum_contrast_equals_numpy(queue_size):
    keras.utils.set_random_seed(1)
    model = TinyContrast(queue_size)
    model.compile(keras.optimizers.SGD(0.5))
    data = batches()
    expected = reference(model, data, 0.5)
    losses = []
    for batch in data:
        history = model.fit(batch, batch_size=4, verbose=0, shuffle=False)
        losses.append(history.history["loss"][0])
    np.testing.assert_allclose(losses, expected[0], rtol=1e-5)
    for weights, ours in zip(
        expected[1:3], (model.query, model.key), strict=True
    ):
        for value, array in zip(weights, ours.get_weights(), strict=True):
            np.testing.assert_allclose(array, value, atol=1e-5)
    queue = ops.convert_to_numpy(model.queue.vectors())
    np.testing.assert_allclose(queue, expected[3], atol=1e-5)
    position = int(ops.convert_to_numpy(model.queue.position.value))
    assert position == expected[4] % queue_size


def test_logs_and_evaluate():
    model = TinyContrast()
    model.compile("sgd")
    data = batches(1)[0]
    history = model.fit(
        data, batch_size=4, verbose=0, validation_data=(data, None)
    )
    assert set(history.history) == {
        "loss",
        "positive_similarity",
        "val_loss",
        "val_positive_similarity",
    }
    logs = model.evaluate(data, verbose=0, return_dict=True)
    assert set(logs) == {"loss", "positive_similarity"}
    before = ops.convert_to_numpy(model.queue.vectors())
    model.evaluate(data, verbose=0)
    np.testing.assert_array_equal(
        before, ops.convert_to_numpy(model.queue.vectors())
    )


def test_all_state_is_saved(tmp_path):
    model = TinyContrast()
    model.compile("sgd")
    model.fit(batches(1)[0], batch_size=4, epochs=3, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert isinstance(loaded, TinyContrast)
    for saved, variable in zip(model.weights, loaded.weights, strict=True):
        np.testing.assert_array_equal(
            ops.convert_to_numpy(saved.value),
            ops.convert_to_numpy(variable.value),
        )


def test_gradient_accumulation():
    data = batches(1, size=8)[0]
    model = TinyContrast(queue_size=16)
    start = model.query.get_weights()
    model.compile(keras.optimizers.SGD(0.5, gradient_accumulation_steps=2))
    half = {name: array[:4] for name, array in data.items()}
    model.fit(half, batch_size=4, verbose=0)
    for before, after in zip(start, model.query.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)
    model.fit(half, batch_size=4, verbose=0)
    assert np.abs(model.query.get_weights()[0] - start[0]).max() > 0


@pytest.mark.skipif(
    keras.backend.backend() == "torch",
    reason="Keras has no steps_per_execution on PyTorch",
)
def test_steps_per_execution():
    data = batches(1, size=16)[0]
    results = []
    for steps in (1, 4):
        keras.utils.set_random_seed(0)
        model = TinyContrast()
        model.compile("sgd", steps_per_execution=steps)
        model.fit(data, batch_size=4, shuffle=False, verbose=0)
        results.append(model.query.get_weights()[0])
    np.testing.assert_allclose(results[0], results[1], atol=1e-6)


@pytest.mark.parametrize("jit_compile", [True, False])
def test_jit_compile(jit_compile):
    if jit_compile and keras.backend.backend() == "torch":
        pytest.skip("one torch.compile of a step takes a minute on a CPU")
    keras.utils.set_random_seed(1)
    model = TinyContrast()
    model.compile(keras.optimizers.SGD(0.5), jit_compile=jit_compile)
    data = batches(3)
    expected = reference(model, data, 0.5)
    for batch in data:
        model.fit(batch, batch_size=4, verbose=0, shuffle=False)
    np.testing.assert_allclose(
        model.query.get_weights()[0], expected[1][0], atol=1e-5
    )


def test_wrong_report_is_an_error():
    class Wrong(TinyContrast):
        reported = ("other",)

    model = Wrong()
    model.compile("sgd", run_eagerly=True)
    with pytest.raises(ValueError, match="positive_similarity"):
        model.fit(batches(1)[0], verbose=0)


class _Labelled(StepModel):
    """A linear model with a penalty, trained on labels with weights."""

    reported = ("epoch_seen",)
    takes_sample_weight = True

    def __init__(self):
        super().__init__()
        self.encoder = keras.Sequential(
            [
                keras.layers.Input((6,)),
                keras.layers.Dense(
                    4, kernel_regularizer=keras.regularizers.L2(0.5)
                ),
                keras.layers.ActivityRegularization(l2=0.25),
            ]
        )
        self.built = True

    def call(self, x):
        return self.encoder(x)

    def objective(self, x, y, training, sample_weight):
        # Two calls: what both add themselves counts.
        outputs = (self.encoder(x) + self.encoder(2 * x)) / 3
        error = ops.mean(ops.square(outputs[:, 0] - y) * sample_weight)
        return error, {"epoch_seen": ops.cast(self.epoch, "float32")}, ()


def test_labels_weights_and_the_losses_of_layers():
    keras.utils.set_random_seed(0)
    model = _Labelled()
    kernel, bias = model.encoder.get_weights()
    random = np.random.default_rng(0)
    x = random.normal(size=(4, 6)).astype("float32")
    y, weight = x[:, 0], np.array([0.0, 1.0, 2.0, 0.5], "float32")
    outputs = [x @ kernel + bias, 2 * x @ kernel + bias]
    error = np.mean(np.square((sum(outputs) / 3)[:, 0] - y) * weight)
    added = sum(0.25 * np.square(each).sum() / 4 for each in outputs)
    penalty = 0.5 * np.square(kernel).sum()
    model.compile(keras.optimizers.SGD(0.0))
    logs = model.evaluate(x, y, sample_weight=weight, verbose=0)
    expected = error + added + penalty
    assert logs[0] == pytest.approx(expected, rel=1e-5)
    history = model.fit(
        x, y, sample_weight=weight, epochs=3, verbose=0, shuffle=False
    ).history
    np.testing.assert_allclose(history["loss"], 3 * [expected], rtol=1e-5)
    assert history["epoch_seen"] == [0.0, 1.0, 2.0]
    assert int(ops.convert_to_numpy(model.seen.value)) == 12


def test_weights_nobody_takes_are_refused():
    model = TinyContrast()
    model.compile("sgd", run_eagerly=True)

    class Labelled(_Labelled):
        takes_sample_weight = False

        def objective(self, x, y, training):
            return super().objective(x, y, training, 1.0)

    model = Labelled()
    model.compile("sgd", run_eagerly=True)
    x = np.zeros((4, 6), "float32")
    with pytest.raises(ValueError, match="no sample weights"):
        model.fit(x, x[:, 0], sample_weight=x[:, 0], verbose=0)


def test_supervised_model_trains_the_plain_classifier():
    class Plain(SupervisedModel):
        def objective(self, x, y, training, sample_weight):
            logits = self.model(x, training=training)
            loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
            return loss(y, logits, sample_weight=sample_weight), {}, ()

    keras.utils.set_random_seed(0)
    classifier = make_encoder("classifier")
    before = classifier.get_weights()[0]
    model = Plain(classifier)
    model.compile(keras.optimizers.SGD(0.5))
    x = np.random.default_rng(0).normal(size=(8, 6)).astype("float32")
    labels = np.arange(8) % 4
    losses = model.fit(x, labels, epochs=5, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    assert np.abs(classifier.get_weights()[0] - before).max() > 0
    np.testing.assert_allclose(
        model.predict(x, verbose=0), classifier.predict(x, verbose=0)
    )
    with pytest.raises(ValueError, match="labels"):
        model.fit(x, verbose=0)
    with pytest.raises(ValueError, match="clip 1: 9"):
        model.fit(x[:2], np.array([0, 9]), verbose=0)
    with pytest.raises(ValueError, match="clip 3"):
        x[3, 2] = np.nan
        model.fit(x, labels, verbose=0)
