"""Evaluation of classifiers and of registered weights on test data."""

import csv
import json
import os
import pathlib
import time

import keras
import numpy as np

from keras_skeleton.evaluation import features
from keras_skeleton.evaluation import metrics
from keras_skeleton.evaluation import recipe as recipes


def evaluate_model(model, data, batch_size=64):
    """Measures a classifier on labelled data.

    Args:
        model: A classifier with outputs `(N, classes)`, logits or
            probabilities.
        data: Labelled data, see `extract_features`.
        batch_size: Clips per batch; for arrays only.

    Returns:
        Dict, accuracies in percent:

        - `top1`; `top5`, which is `None` for five classes or fewer
        - `mean_class`: mean over the classes of `per_class`
        - `per_class`: list, `None` for classes without clips
        - `confusion`: counts as nested lists, true class in rows
        - `num_clips`, `classes`

    Raises:
        ValueError: If labels are missing or outside the classes, or an
            output is not finite.
    """
    scores, labels = _scores(model, data, batch_size)
    return _measure(scores, labels)


def evaluate_weights(
    system,
    weights,
    data_path,
    *,
    data_set=None,
    protocol=None,
    transforms=None,
    stream=None,
    batch_size=64,
    predictions_path=None,
    confusion_path=None,
    json_path=None,
):
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
        weights: Name of registered weights with a head, or a file of
            `save_weights`.
        data_path: The data, see the reader of the data set; or a file of
            `Sequences.save` (`.h5`).
        data_set: Name of the data set, a key of `datasets.formats.FORMATS`.
        protocol: Name of the protocol.
        transforms: List of transforms, or what
            `layers.augmentation.serialize_transforms` makes of it.
        stream: A stream that the weights take in the place of the joints,
            one of `"bone"`, `"joint_motion"` and `"bone_motion"`; made of
            the clips after the transforms. The transforms of cards make
            their stream themselves.
        batch_size: Clips per batch.
        predictions_path: Where to write a table (CSV) of all predictions.
        confusion_path: Where to write a picture (PNG) of the confusion
            matrix; needs matplotlib.
        json_path: Where to write the result.

    Returns:
        Dict as of `evaluate_model`, and:

        - `correct`: number of clips whose best class is the right one
        - `top1_without_duplicates`, `correct_without_duplicates`,
          `num_clips_without_duplicates`: over the test clips that are no
          exact copies of training clips (`None` if there are none)
        - `system`, `weights`, `data_set`, `protocol`, `stream`,
          `class_names`
        - `backend`, `keras`, `keras_skeleton`: name and versions
        - `seconds`: from reading the data to the last prediction

    Raises:
        ValueError: If the weights have no head, nothing says what to
            evaluate them on, or data and model do not fit.
        FileNotFoundError: If weights or data are missing.

    Example:

    ```python
    result = evaluate_weights("mamp", "nw_ucla", "all_sqe.zip")
    print(f"{result['top1']:.1f} %")
    ```
    """
    model, found = _load(system, weights)
    given = {
        "data_set": data_set,
        "protocol": protocol,
        "transforms": transforms,
    }
    recipe = recipes.find_recipe(str(weights), given, *found)
    start = time.perf_counter()
    train, test = recipes.read_data(recipe, data_path)
    if stream is not None:
        recipe = recipes.show_stream(recipe, stream, test.skeleton)
    batches = test.to_keras(recipe.transforms, batch_size)
    _check_fit(model, batches.plan.batch_shape, test.class_names)
    scores, labels = _scores(model, batches, batch_size)
    seconds = time.perf_counter() - start
    copies = test.duplicates(train)
    kept = np.setdiff1d(np.arange(len(test)), copies)
    result = {
        "system": system,
        "weights": str(weights),
        "data_set": recipe.data_set,
        "protocol": recipe.protocol,
        "stream": recipe.stream,
        **_measure(scores, labels),
        **_count(scores, labels, kept),
        "class_names": test.class_names,
        "backend": keras.backend.backend(),
        "keras": keras.__version__,
        "keras_skeleton": _version(),
        "seconds": round(seconds, 3),
    }
    if json_path is not None:
        text = json.dumps(result, indent=2, allow_nan=False) + "\n"
        _write(json_path, lambda part: part.write_text(text, "utf-8"))
    if predictions_path is not None:
        _write_predictions(predictions_path, test, scores, copies)
    if confusion_path is not None:
        _write_confusion(confusion_path, result)
    return result


def _version():
    import keras_skeleton

    return keras_skeleton.__version__


def _load(system, weights):
    """The classifier, and the dicts that may hold its recipe."""
    from keras_skeleton.weights import conversion
    from keras_skeleton.weights import reader
    from keras_skeleton.weights import registry

    path, entry = registry.resolve(system, weights)
    metadata = {}
    tensors = {}
    if path.suffix.lower() == ".safetensors":
        tensors, metadata = reader.read_safetensors(path)
    if metadata.get("format") != registry.FILE_FORMAT:
        raise ValueError(
            f"{path.name} is no file of `save_weights`. Load it into a model, "
            "and evaluate that with `evaluate_model`, or save it with "
            "`keras_skeleton.weights.save_weights`."
        )
    registry.check_system(path, metadata, system)
    biases = [a for n, a in tensors.items() if n.endswith("predictions/bias")]
    if not biases:
        raise ValueError(
            f"The weights {str(weights)!r} of {system} are those of an "
            "encoder, without a classification head. Fine-tune a classifier, "
            "or train a head with `keras_skeleton.evaluation.linear_probe`."
        )
    application, *_ = conversion.classes_of(system).values()
    # A name is checked against the hash of its card; what converted files
    # say of their own architecture goes beyond the card, such as their head.
    named = entry is not None and entry.obtained != "by hand"
    model = application(weights if named else path, classes=biases[0].size)
    recipe = {} if entry is None else entry.recipe
    return model, [recipe, metadata]


def _check_fit(model, shape, class_names):
    # `SplitClips` puts the several clips of a sample on an axis before.
    if tuple(model.input_shape[1:]) != tuple(shape[-4:]):
        raise ValueError(
            f"The model takes clips {tuple(model.input_shape[1:])} (persons, "
            "frames, joints, coordinates), but the transforms make clips "
            f"{tuple(shape[1:])} of the data. Pass the data set and the "
            "transforms that the weights were trained with."
        )
    classes = model.output_shape[-1]
    if class_names is not None and len(class_names) > classes:
        raise ValueError(
            f"The data have {len(class_names)} classes, but the weights know "
            f"{classes}: they were trained on other data."
        )


def _scores(model, data, batch_size):
    if len(model.output_shape) != 2:
        raise ValueError(
            "A classifier gives outputs of shape (samples, classes). "
            f"Received {model.name!r} with outputs {model.output_shape}: "
            "build it with `classes=`."
        )
    scores, labels = features.predict(model, data, batch_size)
    if labels is None:
        raise ValueError("The data must have labels: (clips, labels).")
    return scores, labels


def _measure(scores, labels):
    classes = scores.shape[1]
    top1 = metrics.top_k_accuracy(scores, labels)
    matrix = metrics.confusion_matrix(labels, scores.argmax(axis=1), classes)
    return {
        "top1": top1,
        "top5": metrics.top_k_accuracy(scores, labels, 5)
        if classes > 5
        else None,
        "mean_class": metrics.mean_class_accuracy(matrix),
        "per_class": [
            None if np.isnan(value) else float(value)
            for value in metrics.per_class_accuracy(matrix)
        ],
        "confusion": matrix.tolist(),
        "num_clips": len(labels),
        "classes": classes,
    }


def _count(scores, labels, kept):
    """Clips that are right, of all and of those that are no copies."""
    is_right = scores.argmax(axis=1) == labels
    correct = int(is_right[kept].sum())
    return {
        "correct": int(is_right.sum()),
        "num_clips_without_duplicates": len(kept),
        "correct_without_duplicates": correct,
        "top1_without_duplicates": 100 * correct / len(kept)
        if len(kept)
        else None,
    }


def _write_predictions(path, test, scores, copies):
    names = test.class_names
    if names is None:
        names = [str(index) for index in range(scores.shape[1])]
    is_copy = np.isin(np.arange(len(test)), copies)
    predicted = scores.argmax(axis=1)

    def write(part):
        with open(part, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(
                ("clip", "label", "predicted", "class", "predicted_class")
                + ("is_copy_of_training_clip",)
            )
            for row, label in enumerate(test.labels):
                best = int(predicted[row])
                writer.writerow(
                    (test.names[row], int(label), best, names[label])
                    + (names[best] if best < len(names) else str(best),)
                    + (int(is_copy[row]),)
                )

    _write(path, write)


def _write_confusion(path, result):
    from keras_skeleton.drawing import draw_confusion_matrix

    names = result["class_names"]
    if names is not None and len(names) != result["classes"]:
        names = None
    figure = draw_confusion_matrix(np.array(result["confusion"]), names)
    _write(
        path,
        lambda part: figure.savefig(part, format="png", bbox_inches="tight"),
    )


def _write(path, function):
    """Lets a function write a file, which appears once it is complete."""
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        function(part)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
