"""The protocols by which encoders are compared, by name."""

import inspect

from keras_skeleton.evaluation import pictures
from keras_skeleton.evaluation.corrupted import robustness
from keras_skeleton.evaluation.few_labels import semi_supervised
from keras_skeleton.evaluation.fine_tuning import fine_tune
from keras_skeleton.evaluation.fine_tuning import transfer
from keras_skeleton.evaluation.neighbors import nearest_neighbors
from keras_skeleton.evaluation.probe import linear_probe
from keras_skeleton.evaluation.ranking import retrieval
from keras_skeleton.evaluation.unseen import few_shot
from keras_skeleton.evaluation.views import cross_view

#: Functions of an encoder, training clips and test clips that return a
#: `Result`, by the names that `keras-skeleton evaluate --protocol` takes.
PROTOCOLS = {
    "linear": linear_probe,
    "knn": nearest_neighbors,
    "semi": semi_supervised,
    "finetune": fine_tune,
    "transfer": transfer,
    "few-shot": few_shot,
    "retrieval": retrieval,
    "cross-view": cross_view,
    "robustness": robustness,
}

#: What a result holds beside its numbers, and `evaluate_weights` can write;
#: under `None` that of a classifier as it is.
WRITTEN = {
    None: ("predictions", "confusion"),
    "linear": ("predictions", "confusion", "features", "curves"),
    "knn": ("predictions", "confusion", "features"),
    "semi": ("predictions", "confusion", "curves"),
    "finetune": ("predictions", "confusion", "curves"),
    "transfer": ("predictions", "confusion", "curves"),
    "few-shot": ("predictions", "confusion", "features"),
    "retrieval": ("features",),
    "cross-view": ("features",),
    "robustness": ("predictions", "confusion"),
}


def check_written(protocol, wanted, repetitions=None):
    """Raises what writing would, before anything is computed.

    Args:
        protocol: Name of a protocol, or `None` for none.
        wanted: Names of what is to be written.
        repetitions: How often the protocol is repeated, if it was said.

    Raises:
        ValueError: If the protocol's result will not hold something.
        ImportError: If the library that draws it is missing.
    """
    held = WRITTEN[protocol]
    if protocol is not None:
        known = inspect.signature(PROTOCOLS[protocol]).parameters
        if repetitions is None and "repetitions" in known:
            repetitions = known["repetitions"].default
    if repetitions is not None and repetitions > 1:
        held = [x for x in held if x not in ("predictions", "curves")]
    missing = [each for each in wanted if each not in held]
    if missing:
        of = "" if protocol is None else f" of the protocol {protocol!r}"
        several = ""
        if repetitions is not None and repetitions > 1:
            several = f", the mean of {repetitions} repetitions,"
        raise ValueError(
            f"The result{of}{several} holds no {' and no '.join(missing)}. "
            f"What can be written of it: {', '.join(held)}."
        )
    if "features" in wanted:
        pictures.needed("sklearn.manifold", "scikit-learn")


def check_options(protocol, options):
    """Raises a `ValueError` if a protocol is unknown or has no such option.

    Args:
        protocol: Name of a protocol, or `None` for none.
        options: Dict of arguments by name.
    """
    known = {}
    if protocol is not None:
        if protocol not in PROTOCOLS:
            raise ValueError(
                f"`protocol` must be None or one of {', '.join(PROTOCOLS)}. "
                f"Received: {protocol!r}. How the data set is divided is for "
                "`split` to say."
            )
        known = inspect.signature(PROTOCOLS[protocol]).parameters
        if any(p.kind == p.VAR_KEYWORD for p in known.values()):
            # These check what belongs to a recipe themselves.
            return
    unknown = [name for name in options if name not in known]
    if unknown:
        raise ValueError(
            f"{', '.join(f'`{name}`' for name in unknown)} cannot be chosen "
            f"for the protocol {protocol!r}."
        )
