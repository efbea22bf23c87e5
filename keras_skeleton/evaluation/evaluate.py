"""Evaluation of classifiers and of registered weights on test data."""

import time

from keras_skeleton._fresh_head import tell_fresh_head
from keras_skeleton._types import PathLike
from keras_skeleton.evaluation import measured
from keras_skeleton.evaluation import parts
from keras_skeleton.evaluation import protocols
from keras_skeleton.evaluation import recipe as recipes
from keras_skeleton.evaluation import result as results


def evaluate_model(
    model, data, batch_size=64, *, train=None, transforms=None, verbose=0
) -> results.Result:
    """Measures a classifier on labelled data.

    Warns where its head came without weights and was not trained since.

    Args:
        model: A classifier with outputs `(N, classes)`, logits or
            probabilities.
        data: Labelled test clips, see `linear_probe`. Of `Sequences`, whose
            classes have names, these say which classes they are, if the
            model knows names, too: from its weights, or its training.
        batch_size: Clips per batch; for `Sequences` and arrays.
        train: The `Sequences` that the model was trained on, or batches of
            them, to tell test clips that are copies of training clips.
        transforms: See `linear_probe`.
        verbose: 1 for a progress bar.

    Returns:
        A `Result` with the scores `"top1"`, `"top5"` (of more than five
        classes) and `"mean_class"`.

    Raises:
        ValueError: If labels are missing or outside the classes, classes
            have names that the model does not know, or an output is not
            finite.

    Example:

    ```python
    result = evaluate_model(model, test.to_keras([crop]))
    print(f"{result.correct} of {result.of} test clips")
    ```
    """
    start = time.perf_counter()
    if len(model.output_shape) != 2:
        raise ValueError(
            "A classifier gives outputs of shape (samples, classes). "
            f"Received {model.name!r} with outputs {model.output_shape}: "
            "build it with `classes=`."
        )
    tell_fresh_head(model, "evaluate_model")
    names = getattr(model, "class_names", None)
    test = parts.Part(data, model, "test", transforms, batch_size, names)
    classes = model.output_shape[1]
    if test.class_names is not None and len(test.class_names) > classes:
        raise ValueError(
            f"The data have {len(test.class_names)} classes, but the weights "
            f"know {classes}: they were trained on other data."
        )
    scores, labels = test.predict(verbose=verbose)
    parts.count_classes(classes, (test, labels))
    is_copy = None
    if train is not None:
        train = parts.Part(train, model, "training", transforms, batch_size)
        is_copy = parts.copies(train, test)
    return measured.finished(
        "classifier",
        model,
        start,
        title="top-1",
        **measured.classified(scores, labels, classes, test, is_copy),
        model=model,
    )


def evaluate_weights(
    system: str,
    weights: PathLike,
    data_path: PathLike,
    *,
    protocol=None,
    data_set=None,
    split=None,
    transforms=None,
    stream=None,
    batch_size=64,
    verbose=0,
    json_path: PathLike | None = None,
    predictions_path: PathLike | None = None,
    confusion_path: PathLike | None = None,
    features_path: PathLike | None = None,
    curves_path: PathLike | None = None,
    **options,
) -> results.Result:
    """Evaluates trained weights on the test part of their data set.

    What is not passed is taken from the card of registered weights, or from
    what `save_weights` recorded in the file:

    ```python
    save_weights(
        model,
        "mine.safetensors",
        data_set="nw_ucla",
        protocol="xview",
        transforms=augmentation.serialize_transforms([crop]),
    )
    ```

    Args:
        system: Name of the system, for example `"mamp"`.
        weights: Name of registered weights, or a file of `save_weights`.
        data_path: The data, see the reader of the data set; or a file of
            `Sequences.save` (`.h5`).
        protocol: `None` to measure weights with a classification head as
            they are; or one of `PROTOCOLS`, which train or compare on the
            features of the encoder.
        data_set: Name of the data set, a key of `datasets.formats.FORMATS`.
        split: How it is divided into training and test clips, one of the
            `splits` of the data set: what cards call its protocol.
        transforms: List of transforms, or what
            `layers.augmentation.serialize_transforms` makes of it.
        stream: A stream that the weights take in the place of the joints,
            a name of `layers.augmentation.Streams` such as `"bone"`; made
            of the clips after the transforms. The transforms of cards make
            their stream themselves.
        batch_size: Clips per pass through the model.
        verbose: 1 for progress bars.
        json_path: Where to write the result.
        predictions_path: Where to write a table (CSV) of all predictions.
        confusion_path: Where to write a picture (PNG) of the confusion
            matrix; needs matplotlib, like the two that follow.
        features_path: Where to write a map of the features (PNG); needs
            scikit-learn.
        curves_path: Where to write the accuracies of each epoch (PNG).
        **options: Arguments of the protocol's function.

    Returns:
        A `Result`.

    Raises:
        ValueError: If the weights have no head to measure, nothing says what
            to evaluate them on, data, model and options do not fit, or the
            protocol's result does not hold what is to be written.
        ImportError: If the library that draws the features is missing.
        FileNotFoundError: If weights or data are missing.

    Example:

    ```python
    result = evaluate_weights("mamp", "nw_ucla", "all_sqe.zip")
    print(f"{result.value:.1f} %")
    evaluate_weights("stars", "nw_ucla", "all_sqe.zip", protocol="knn", k=1)
    ```
    """
    protocols.check_options(protocol, options)
    pictures = {
        "confusion": confusion_path,
        "features": features_path,
        "curves": curves_path,
    }
    pictures = {k: path for k, path in pictures.items() if path is not None}
    tables = [] if predictions_path is None else ["predictions"]
    protocols.check_written(
        protocol, [*tables, *pictures], options.get("repetitions")
    )
    model, found = _load(system, weights, protocol, options)
    given = {"data_set": data_set, "protocol": split, "transforms": transforms}
    recipe = recipes.find_recipe(str(weights), given, *found)
    train, test = recipes.read_data(recipe, data_path)
    if stream is not None:
        recipe = recipes.show_stream(recipe, stream, test.skeleton)
    shared = {"transforms": recipe.transforms, "verbose": verbose}
    if protocol is None:
        result = evaluate_model(model, test, batch_size, train=train, **shared)
    else:
        result = protocols.PROTOCOLS[protocol](
            model,
            train,
            test,
            feature_batch_size=batch_size,
            **shared,
            **options,
        )
    result = result.named(
        f"{system} {weights}", f"{recipe.data_set} {recipe.protocol}"
    )
    result.settings.update(
        system=system,
        weights=str(weights),
        data_set=recipe.data_set,
        split=recipe.protocol,
        stream=recipe.stream,
    )
    if json_path is not None:
        result.save(json_path)
    if predictions_path is not None:
        result.predictions.save(predictions_path, result.class_names)
    for what, path in pictures.items():
        _write_picture(path, result.draw(what))
    return result


def _write_picture(path, figure):
    results.write_whole(
        path,
        lambda part: figure.savefig(part, format="png", bbox_inches="tight"),
    )


def _load(system, weights, protocol, options):
    """The model, and the dicts that may hold its recipe."""
    # A classifier can be robust by itself; all else begins with the encoder.
    takes_head = protocol is None or (
        protocol == "robustness" and options.get("method") is None
    )
    from keras_skeleton.weights import load_model

    model, found = load_model(system, weights, head=takes_head)
    if protocol is None and model.ends["classes"] is None:
        raise ValueError(
            f"The weights {str(weights)!r} of {system} are those of an "
            "encoder, without a classification head. Choose a protocol that "
            f"needs none, one of {', '.join(protocols.PROTOCOLS)} (as "
            "`--protocol linear`, or `linear_probe` in Python), or fine-tune "
            "a classifier."
        )
    return model, found
