"""Linear probing: how well a frozen encoder separates the classes."""

import dataclasses

import keras
import numpy as np

from keras_skeleton import _graph
from keras_skeleton.evaluation import features as feature_extraction
from keras_skeleton.evaluation import metrics


@dataclasses.dataclass(frozen=True)
class LinearProbe:
    """Result of `linear_probe`.

    Attributes:
        model: The encoder with the trained linear head, a model of
            `keras_skeleton.applications` that can be saved like any other.
        accuracy: Top-1 accuracy on the test data after the last epoch, in
            percent.
        history: List of the top-1 accuracies after each epoch, in percent.
            Published tables state the best of them, which is chosen on the
            test data: say so when you do.
    """

    model: keras.Model
    accuracy: float
    history: list


def linear_probe(
    encoder,
    train,
    test,
    classes,
    epochs=100,
    learning_rate=0.1,
    batch_size=256,
    feature_batch_size=64,
    extract_each_epoch=False,
    seed=0,
    verbose=0,
):
    """Trains a linear classifier on a frozen encoder.

    The encoder stays in inference mode. Its features are pooled by the rule
    of its system, normalized by a batch normalization without scale and
    offset, and classified by one dense layer. Stochastic gradient descent
    with momentum 0.9, the learning rate falls along a cosine to 0, plain
    cross-entropy, incomplete training batches are left out.

    As the encoder is frozen, features are computed once. That leaves out the
    augmentation of the published protocol: pass augmented training batches
    and `extract_each_epoch=True` to have it, at the cost of one pass through
    the encoder per epoch.

    The head starts from random values; `keras.utils.set_random_seed` makes
    them repeatable.

    Args:
        encoder: A model of `keras_skeleton.applications`. It is not changed.
        train: Training data with labels, see `extract_features`. Batches
            need no shuffling.
        test: Test data with labels.
        classes: Number of classes.
        epochs: Passes over the training features.
        learning_rate: Learning rate of the first step. Published: 0.1, and
            0.01 for the second part of PKU-MMD.
        batch_size: Training features per step.
        feature_batch_size: Clips per pass through the encoder; for arrays
            only.
        extract_each_epoch: Whether training features are computed anew
            before each epoch.
        seed: Seed of the order of the training features.
        verbose: As in `keras.Model.fit`.

    Returns:
        A `LinearProbe`.

    Raises:
        ValueError: If labels are missing or outside the classes.

    Example:

    ```python
    crop = CropResize(120, interval=(0.95,))
    train, test = (part.to_keras([crop]) for part in data.split("xsub"))
    probe = linear_probe(encoder, train, test, classes=60)
    print(f"{probe.accuracy:.1f} %")
    ```

    Reference: Mao et al., arXiv 2308.07092.
    """
    model = type(encoder)(encoder=encoder, classes=classes, head="linear")
    # What the head takes: features as its system pools them.
    pooled = _graph.layer_node(model, "head_norm").input_tensors[0]
    extractor = keras.Model(model.input, pooled)

    def extract(data, what):
        found, labels = feature_extraction.predict(
            extractor, data, feature_batch_size
        )
        if labels is None:
            raise ValueError(f"The {what} data must have labels.")
        return found, metrics.check_labels(labels, classes, f"{what} labels")

    def extract_train(epoch):
        if hasattr(train, "set_epoch"):
            train.set_epoch(epoch)
        elif epoch and isinstance(train, keras.utils.PyDataset):
            train.on_epoch_end()
        return extract(train, "training")

    batches = _FeatureBatches(extract_train(0), batch_size, seed)

    def begin(epoch, logs=None):
        if epoch and extract_each_epoch:
            batches.data = extract_train(epoch)
        batches.shuffle(epoch)

    # The layers of the head alone: the encoder cannot change.
    inputs = keras.Input((batches.data[0].shape[1],))
    normalized = model.get_layer("head_norm")(inputs)
    head = keras.Model(inputs, model.get_layer("predictions")(normalized))
    schedule = keras.optimizers.schedules.CosineDecay(
        learning_rate, epochs * len(batches)
    )
    head.compile(
        keras.optimizers.SGD(schedule, momentum=0.9),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
    )
    # Shuffled by the batches themselves.
    history = head.fit(
        batches,
        epochs=epochs,
        validation_data=extract(test, "test"),
        validation_batch_size=batch_size,
        shuffle=False,
        callbacks=[keras.callbacks.LambdaCallback(on_epoch_begin=begin)],
        verbose=verbose,
    ).history["val_accuracy"]
    accuracies = [100.0 * float(value) for value in history]
    return LinearProbe(model, accuracies[-1], accuracies)


class _FeatureBatches(keras.utils.PyDataset):
    """Full batches of features in an order of each epoch's own."""

    # The epoch is set by a callback: `fit` may call `on_epoch_end` before
    # the first epoch.

    def __init__(self, data, batch_size, seed):
        super().__init__()
        self.data = data
        self.batch_size = min(batch_size, len(data[0]))
        self.seed = seed
        self.shuffle(0)

    def shuffle(self, epoch):
        generator = np.random.default_rng([self.seed, epoch])
        self.order = generator.permutation(len(self.data[0]))

    def __len__(self):
        return len(self.data[0]) // self.batch_size

    def __getitem__(self, index):
        size = self.batch_size
        rows = self.order[index * size : (index + 1) * size]
        features, labels = self.data
        return features[rows], labels[rows]
