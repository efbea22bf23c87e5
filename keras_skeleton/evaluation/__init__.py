"""How good a model or an encoder is. All accuracies are in percent."""

import importlib

_HOMES = {
    "confusion_matrix": "metrics",
    "mean_class_accuracy": "metrics",
    "per_class_accuracy": "metrics",
    "top_k_accuracy": "metrics",
    "extract_features": "features",
    "predict": "features",
    "LinearProbe": "probe",
    "linear_probe": "probe",
    "knn": "neighbors",
    "knn_accuracy": "neighbors",
    "SemiSupervised": "few_labels",
    "semi_supervised": "few_labels",
    "deserialize_transforms": "recipe",
    "serialize_transforms": "recipe",
    "evaluate_model": "evaluate",
    "evaluate_weights": "evaluate",
}

__all__ = sorted(_HOMES)


def __getattr__(name):
    if name in _HOMES:
        home = importlib.import_module(f"{__name__}.{_HOMES[name]}")
        return getattr(home, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *__all__])
