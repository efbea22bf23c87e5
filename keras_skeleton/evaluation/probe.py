"""Linear probing: how well a frozen encoder separates the classes."""

import dataclasses
import time

import keras
import numpy as np
from keras import ops

from keras_skeleton import _graph
from keras_skeleton import _inputs
from keras_skeleton import layers
from keras_skeleton.evaluation import features as feature_extraction
from keras_skeleton.evaluation import fitting
from keras_skeleton.evaluation import measured
from keras_skeleton.evaluation import parts
from keras_skeleton.evaluation.result import Result


def linear_probe(
    encoder,
    train,
    test,
    classes=None,
    *,
    transforms=None,
    augmentation=None,
    extract_each_epoch=False,
    validation=None,
    best_on_test=False,
    feature_batch_size=64,
    seed=0,
    verbose=0,
    **recipe,
) -> Result:
    """Trains a linear classifier on a frozen encoder.

    The encoder stays in inference mode. Its features are pooled by the rule
    of its system, normalized or not, and classified by one dense layer that
    is trained by stochastic gradient descent with momentum 0.9 on plain
    cross-entropy; incomplete training batches are left out.

    What the caller does not say of the training comes from the `recipes` of
    the encoder's class, the published ones, and else is that of MAMP. Where
    other `epochs` are given, the `steps` move in proportion.

    As the encoder is frozen, features are computed once. That leaves out the
    augmentation of the published protocols: pass `augmentation`, or augmented
    training batches and `extract_each_epoch=True`, to have it, at the cost of
    one pass through the encoder per epoch.

    Published tables state the accuracy of the best epoch on the test data.
    Here it is that of the last epoch, or of the best on `validation` data.

    Args:
        encoder: A model of `keras_skeleton.applications`, or another one
            that `extract_features` takes. It is not changed.
        train: Training clips with labels: `Sequences`, or see
            `extract_features`. Batches need no shuffling.
        test: Test clips with labels.
        classes: Number of classes. By default as many as have names, or as
            the labels say.
        transforms: Of `Sequences`: list of transforms that bring clips to
            the form that the encoder takes; by default the middle 95 %,
            resized in time.
        augmentation: Of `Sequences`: transforms of the training clips in the
            place of `transforms`, drawn anew for each epoch.
        extract_each_epoch: Whether training features are computed anew
            before each epoch.
        validation: Clips with labels by which the best epoch is chosen.
        best_on_test: Whether to tell also the accuracy of the epoch that is
            best on the test data, under a name that says so.
        feature_batch_size: Clips per pass through the encoder; for
            `Sequences` and arrays.
        seed: Seed of the head's first values and of the order of features.
        verbose: 1 for progress bars.
        **recipe: What differs from the system's recipe: `epochs`,
            `learning_rate`, `minimum` (where the cosine ends), `steps`
            (epochs after which the rate is a tenth; `()` for a cosine),
            `warmup_epochs`, `batch_size` (features per step),
            `weight_decay`, `nesterov`, `normalize` (by a batch normalization
            without scale and offset) and `head_stddev` (of the first values
            of the dense layer, whose mean is 0).

    Returns:
        A `Result`. Its `model` is the encoder with the trained linear head,
        an application like the encoder that can be saved like any other.

    Raises:
        ValueError: If labels are missing or outside the classes, or data and
            encoder do not fit.

    Example:

    ```python
    crop = CropResize(120, interval=(0.95,))
    result = linear_probe(encoder, *data.split("xsub"), transforms=[crop])
    print(result)
    ```

    Reference: Mao et al., arXiv 2308.07092; Zhang et al., arXiv 2211.13466
    (HiCLR), whose features are not normalized.
    """
    start = time.perf_counter()
    recipe = fitting.HeadRecipe.of(encoder, "linear", **recipe)
    encoder_of = feature_extraction.feature_model(encoder)
    train, test = parts.both_parts(
        train, test, encoder_of, transforms, feature_batch_size
    )
    if augmentation is not None:
        train = _augmented(train, augmentation)
        extract_each_epoch = True
    test_set = test.predict(verbose=verbose)
    first = train.predict(verbose=verbose)
    classes = parts.count_classes(
        classes, (train, first[1]), (test, test_set[1])
    )
    watched = {"test": _accuracy_on(*test_set)}
    if validation is not None:
        held_out = parts.Part(
            validation, encoder_of, "validation", transforms, feature_batch_size
        )
        watched["validation"] = _accuracy_on(*held_out.predict())
    model = linear_classifier(encoder, classes)
    head = _head(model, recipe, seed)
    batches = parts.ArrayBatches(*first, recipe.batch_size, seed)

    def begin(epoch):
        if epoch and extract_each_epoch:
            batches.inputs, batches.labels = _extract(train, epoch)

    head.compile(
        recipe.make_optimizer(head, len(batches)),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    history, epoch = fitting.fit(
        head, batches, recipe.epochs, watched, verbose, begin
    )
    scores = ops.convert_to_numpy(head(test_set[0], training=False))
    is_copy = parts.copies(train, test)
    found = measured.classified(scores, test_set[1], classes, test, is_copy)
    if best_on_test:
        found["scores"] |= fitting.best_on_test(history, len(scores))
    return measured.finished(
        "linear",
        encoder,
        start,
        **found,
        history=history,
        settings={**dataclasses.asdict(recipe), "seed": seed, "epoch": epoch},
        model=model,
        features=test_set,
    )


def linear_classifier(encoder, classes):
    """A classifier with a new linear head that shares an encoder.

    Args:
        encoder: An application, or a model that `extract_features` takes.
        classes: Number of classes.

    Returns:
        A model with the layers `head_norm` and `predictions`; of the class
        of the encoder if that is an application.
    """
    if hasattr(encoder, "linear_head_graph"):
        return type(encoder)(encoder=encoder, classes=classes, head="linear")
    pooled = feature_extraction.feature_model(encoder).outputs[0]
    x = layers.BatchNormalization(
        epsilon=1e-6, center=False, scale=False, name="head_norm"
    )(pooled)
    outputs = keras.layers.Dense(classes, name="predictions")(x)
    return keras.Model(_inputs.form_of(encoder), outputs)


def _head(model, recipe, seed):
    """The layers of the head alone: the encoder cannot change."""
    norm, dense = model.get_layer("head_norm"), model.get_layer("predictions")
    generator = np.random.default_rng(seed)
    kernel = generator.normal(size=dense.kernel.shape)
    dense.kernel.assign(recipe.head_stddev * kernel)
    # What the head takes: features as its system pools them.
    pooled = _graph.layer_node(model, "head_norm").input_tensors[0]
    inputs = keras.Input(pooled.shape[1:])
    if recipe.normalize:
        return keras.Model(inputs, dense(norm(inputs)))
    # Statistics that leave the features alone.
    size = norm.moving_mean.shape
    norm.moving_mean.assign(np.zeros(size))
    norm.moving_variance.assign(np.full(size, 1 - norm.epsilon))
    return keras.Model(inputs, dense(inputs))


def _accuracy_on(inputs, labels):
    def measure(model):
        scores = ops.convert_to_numpy(model(inputs, training=False))
        return 100 * np.mean(scores.argmax(axis=1) == labels)

    return measure


def _augmented(train, augmentation):
    """The part whose batches augment the clips."""
    if train.sequences is None:
        raise ValueError(
            "`augmentation` is for `Sequences`. Pass augmented batches and "
            "extract_each_epoch=True instead."
        )
    size = train.batch_size
    batches = train.sequences.to_keras(augmentation, size, training=True)
    return parts.Part(batches, train.model, train.what)


def _extract(train, epoch):
    batches = train.batches
    if hasattr(batches, "set_epoch"):
        batches.set_epoch(epoch)
    elif isinstance(batches, keras.utils.PyDataset):
        batches.on_epoch_end()
    return train.predict()
