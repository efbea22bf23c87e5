"""From what was said of the test clips to the fields of a `Result`."""

import time

from keras_skeleton.evaluation import parts
from keras_skeleton.evaluation import result as results


def classified(scores, labels, classes, test, is_copy=None):
    """The fields of one classification.

    Args:
        scores: Array `(N, classes)` of logits or probabilities.
        labels: The true classes, `(N,)`.
        classes: Number of classes.
        test: The test `Part`.
        is_copy: See `Predictions`.

    Returns:
        Dict of fields of a `Result`.
    """
    predictions = results.Predictions(
        labels, scores.argmax(axis=1), scores, test.names, is_copy
    )
    return results.measure(predictions, classes, test.class_names)


def compared(found, labels, test, is_copy=None):
    """The fields of several classifications of the same test clips.

    Args:
        found: Dict from the name of a score to the predicted classes. The
            confusion is that of the first.
        labels: The true classes, `(N,)`.
        test: The test `Part`.
        is_copy: See `Predictions`.

    Returns:
        Dict of fields of a `Result`.
    """
    first = next(iter(found.values()))
    predictions = results.Predictions(labels, first, None, test.names, is_copy)
    # Memories may know classes that are not tested, and the reverse.
    classes = parts.count_classes(
        None, (test, labels), *((test, other) for other in found.values())
    )

    def scores_of(rows):
        return {
            name: results.Percentage.count(predicted[rows] == labels[rows])
            for name, predicted in found.items()
        }

    return {
        **results.measure(predictions, classes, test.class_names),
        **results.with_and_without(scores_of, len(labels), is_copy),
    }


def finished(protocol, about, start, **fields):
    """The `Result` of a protocol that ends now.

    Args:
        protocol: Name of the protocol.
        about: The model that was measured.
        start: What `time.perf_counter` said when it began.
        **fields: Further fields.
    """
    return results.Result(
        protocol,
        **fields,
        system=about.name,
        environment=results.environment(),
        seconds=round(time.perf_counter() - start, 3),
    )
