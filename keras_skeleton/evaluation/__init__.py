"""How good a model or an encoder is. All accuracies are in percent."""

from keras_skeleton._lazy import attach

_HOMES = {
    "confusion_matrix": "metrics",
    "is_in_top_k": "metrics",
    "mean_class_accuracy": "metrics",
    "per_class_accuracy": "metrics",
    "top_k_accuracy": "metrics",
    "average_scores": "averaging",
    "fuse_scores": "averaging",
    "to_probabilities": "averaging",
    "extract_features": "features",
    "predict": "features",
    "Comparison": "comparison",
    "Percentage": "result",
    "Predictions": "result",
    "Result": "result",
    "linear_probe": "probe",
    "knn": "neighbors",
    "knn_accuracy": "neighbors",
    "nearest_neighbors": "neighbors",
    "choose_labelled": "few_labels",
    "semi_supervised": "few_labels",
    "fine_tune": "fine_tuning",
    "transfer": "fine_tuning",
    "few_shot": "unseen",
    "average_precision": "ranking",
    "retrieval": "ranking",
    "cross_view": "views",
    "cross_view_table": "views",
    "default_corruptions": "corrupted",
    "robustness": "corrupted",
    "fuse": "streams",
    "embed": "pictures",
    "feature_map": "pictures",
    "evaluate_model": "evaluate",
    "evaluate_weights": "evaluate",
}

__getattr__, __dir__, __all__ = attach(__name__, homes=_HOMES)
