"""Fine-tuning: how good a classifier an encoder is the beginning of."""

import dataclasses
import time

import keras
import numpy as np

from keras_skeleton.evaluation import fitting
from keras_skeleton.evaluation import measured
from keras_skeleton.evaluation import parts
from keras_skeleton.evaluation import probe
from keras_skeleton.evaluation.result import Result
from keras_skeleton.layers import augmentation as transforms_of
from keras_skeleton.training import Recipe


def fine_tune(
    encoder,
    train,
    test,
    classes=None,
    *,
    transforms=None,
    augmentation=None,
    validation=None,
    best_on_test=False,
    repeat=1,
    kind="finetune",
    feature_batch_size=64,
    seed=0,
    verbose=0,
    **recipe,
) -> Result:
    """Trains a classifier that starts from an encoder, and measures it.

    The encoder stays as it is: a copy of it gets the head of its system and
    is trained as a whole. What the caller does not say of the training comes
    from the `recipes` of the encoder's class, and else is that of MAMP
    without layer-wise decay. A warm-up takes at most a tenth of the training.

    Published tables often state the accuracy of the best epoch on the test
    data. Here it is that of the last epoch, or of the best on `validation`
    data.

    Args:
        encoder: A model of `keras_skeleton.applications`, or another one
            that `extract_features` takes, which gets a linear head.
        train: Training clips with labels: `Sequences`, arrays, or batches;
            batches other than those of `Sequences.to_keras` have to be
            shuffled.
        test: Test clips with labels.
        classes: See `linear_probe`.
        transforms: See `linear_probe`.
        augmentation: Of `Sequences`: transforms of the training clips in the
            place of `transforms`. By default these, with what the recipe
            says: the share of a clip that `CropResize` takes (`interval`),
            and further transforms after it.
        validation: See `linear_probe`.
        best_on_test: See `linear_probe`.
        repeat: How often an epoch shows every training clip.
        kind: Which of the system's recipes counts: `"finetune"`, or `"semi"`
            or `"transfer"` where it has one of its own.
        feature_batch_size: Clips per pass where nothing is trained.
        seed: Seed of Keras' generators (`keras.utils.set_random_seed`), of
            the order of the clips and of augmentation.
        verbose: 1 for progress bars.
        **recipe: What differs from the system's recipe: `optimizer`
            (`"adamw"` or `"sgd"`), `learning_rate`, `minimum`, `steps`,
            `warmup_epochs`, `epochs`, `batch_size`, `weight_decay`,
            `nesterov`, `layer_decay`, `label_smoothing`, `interval`,
            `augmentation` (as data, see `serialize_transforms`) and
            `arguments` (of the classifier, such as
            `{"drop_path_rate": 0.3}`).

    Returns:
        A `Result`, whose `model` is the trained classifier.

    Raises:
        ValueError: If labels are missing or outside the classes, or data and
            encoder do not fit.

    Example:

    ```python
    result = fine_tune(encoder, *data.split("xsub"), epochs=50)
    result.model.save("classifier.keras")
    ```
    """
    start = time.perf_counter()
    kinds = (kind, "finetune")
    recipe = Recipe.of(encoder, kinds, **recipe)
    train, test = parts.both_parts(
        train, test, encoder, transforms, feature_batch_size
    )
    if augmentation is None and train.sequences is not None:
        augmentation = recipe.transforms(
            train.transforms, train.sequences.coordinates
        )
    classes = _count_classes(classes, train, test)
    keras.utils.set_random_seed(seed)
    model = _classifier(encoder, classes, recipe.arguments)
    batches = train.training(recipe.batch_size, seed, augmentation, repeat)
    recipe.compile(model, batches)
    watched = {}
    if best_on_test:
        watched["test"] = _accuracy_on(test)
    if validation is not None:
        watched["validation"] = _accuracy_on(
            parts.Part(
                validation, model, "validation", transforms, feature_batch_size
            )
        )
    history, epoch = fitting.fit(
        model, batches, recipe.epochs, watched, verbose
    )
    scores, labels = test.predict(model, verbose=verbose)
    parts.count_classes(classes, (test, labels))
    is_copy = parts.copies(train, test)
    found = measured.classified(scores, labels, classes, test, is_copy)
    if best_on_test:
        found["scores"] |= fitting.best_on_test(history, len(labels))
    return measured.finished(
        kind,
        encoder,
        start,
        title="fine-tuned" if kind == "finetune" else kind,
        **found,
        history=history,
        settings={
            **dataclasses.asdict(recipe),
            "repeat": repeat,
            "seed": seed,
            "epoch": epoch,
        },
        model=model,
    )


def transfer(encoder, train, test, classes=None, **options) -> Result:
    """Fine-tunes an encoder on other data than it was pre-trained on.

    Data of another skeleton are brought to the encoder's by `MapSkeleton`.
    The rest is as in `fine_tune`; of the published recipes that of the kind
    `"transfer"` counts, where a system has one.

    Args:
        encoder: See `fine_tune`, also for the other arguments.
        **options: Further arguments of `fine_tune`. `transforms`, where they
            are given, bring clips to the form that the encoder takes; those
            that map the joints of another skeleton must be among them. By
            default they are the middle 95 %, resized in time, and the
            mapping, if joints can be had of which `skeletons.mapping` knows.

    Returns:
        A `Result`, whose settings name both skeletons.

    Raises:
        ValueError: If joints of the encoder's skeleton cannot be had, or the
            transforms do not bring the clips to the form that it takes.

    Example:

    ```python
    encoder = MAMP("ntu60")
    result = transfer(encoder, *pku.split("xsub"))
    ```
    """
    mine, theirs = (getattr(x, "skeleton", None) for x in (encoder, train))
    if options.get("transforms") is None and None not in (mine, theirs):
        options["transforms"] = parts.published(encoder)
        if mine != theirs:
            options["transforms"] += [transforms_of.MapSkeleton(theirs, mine)]
    found = fine_tune(encoder, train, test, classes, kind="transfer", **options)
    for key, skeleton in (("from_skeleton", mine), ("to_skeleton", theirs)):
        found.settings[key] = getattr(skeleton, "name", None)
    return found


def _count_classes(classes, *both):
    # Of batches of others, labels come with the clips only.
    return parts.count_classes(
        classes,
        *(
            (part, part.labels())
            for part in both
            if classes is None or part.knows_labels
        ),
    )


def _classifier(encoder, classes, arguments):
    if getattr(encoder, "task", "classes") != "classes":
        raise ValueError(
            f"The model {encoder.name!r} gives {encoder.task} and has no "
            "features to classify. Train it by `compile()` and `fit(inputs, "
            "joints)`, and measure it by `evaluation.evaluate_poses`."
        )
    copy = fitting.copy_of(encoder)
    if hasattr(encoder, "linear_head_graph"):
        return type(encoder)(encoder=copy, classes=classes, **arguments)
    return probe.linear_classifier(copy, classes)


def _accuracy_on(part):
    def measure(model):
        scores, labels = part.predict(model)
        return 100 * np.mean(scores.argmax(axis=1) == labels)

    return measure
