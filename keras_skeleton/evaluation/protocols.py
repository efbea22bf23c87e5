"""The protocols by which encoders are compared, by name."""

import inspect

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
