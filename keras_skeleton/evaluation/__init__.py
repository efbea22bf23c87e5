"""How good a model or an encoder is. All accuracies are in percent."""

from keras_skeleton._lazy import attach

_HOMES = {
    "confusion_matrix": "metrics",
    "mean_class_accuracy": "metrics",
    "per_class_accuracy": "metrics",
    "top_k_accuracy": "metrics",
    "average_scores": "averaging",
    "fuse_scores": "averaging",
    "to_probabilities": "averaging",
    "extract_features": "features",
    "predict": "features",
    "LinearProbe": "probe",
    "linear_probe": "probe",
    "knn": "neighbors",
    "knn_accuracy": "neighbors",
    "SemiSupervised": "few_labels",
    "semi_supervised": "few_labels",
    "evaluate_model": "evaluate",
    "evaluate_weights": "evaluate",
}

__getattr__, __dir__, __all__ = attach(__name__, homes=_HOMES)
