"""How good a model or an encoder is. All accuracies are in percent."""

from keras_skeleton._lazy import on_first_use

with on_first_use(globals()):
    from keras_skeleton.evaluation.averaging import (
        average_scores as average_scores,
    )
    from keras_skeleton.evaluation.averaging import fuse_scores as fuse_scores
    from keras_skeleton.evaluation.averaging import (
        to_probabilities as to_probabilities,
    )
    from keras_skeleton.evaluation.comparison import Comparison as Comparison
    from keras_skeleton.evaluation.corrupted import (
        default_corruptions as default_corruptions,
    )
    from keras_skeleton.evaluation.corrupted import robustness as robustness
    from keras_skeleton.evaluation.evaluate import (
        evaluate_model as evaluate_model,
    )
    from keras_skeleton.evaluation.evaluate import (
        evaluate_weights as evaluate_weights,
    )
    from keras_skeleton.evaluation.features import (
        extract_features as extract_features,
    )
    from keras_skeleton.evaluation.features import predict as predict
    from keras_skeleton.evaluation.few_labels import (
        choose_labelled as choose_labelled,
    )
    from keras_skeleton.evaluation.few_labels import (
        semi_supervised as semi_supervised,
    )
    from keras_skeleton.evaluation.fine_tuning import fine_tune as fine_tune
    from keras_skeleton.evaluation.fine_tuning import transfer as transfer
    from keras_skeleton.evaluation.metrics import class_groups as class_groups
    from keras_skeleton.evaluation.metrics import (
        confusion_matrix as confusion_matrix,
    )
    from keras_skeleton.evaluation.metrics import (
        group_accuracy as group_accuracy,
    )
    from keras_skeleton.evaluation.metrics import is_in_top_k as is_in_top_k
    from keras_skeleton.evaluation.metrics import (
        mean_class_accuracy as mean_class_accuracy,
    )
    from keras_skeleton.evaluation.metrics import (
        per_class_accuracy as per_class_accuracy,
    )
    from keras_skeleton.evaluation.metrics import (
        top_k_accuracy as top_k_accuracy,
    )
    from keras_skeleton.evaluation.neighbors import knn as knn
    from keras_skeleton.evaluation.neighbors import knn_accuracy as knn_accuracy
    from keras_skeleton.evaluation.neighbors import (
        nearest_neighbors as nearest_neighbors,
    )
    from keras_skeleton.evaluation.pictures import embed as embed
    from keras_skeleton.evaluation.pictures import feature_map as feature_map
    from keras_skeleton.evaluation.pose_metrics import (
        JointAccuracy as JointAccuracy,
    )
    from keras_skeleton.evaluation.pose_metrics import JointError as JointError
    from keras_skeleton.evaluation.poses import evaluate_poses as evaluate_poses
    from keras_skeleton.evaluation.poses import joint_accuracy as joint_accuracy
    from keras_skeleton.evaluation.poses import joint_errors as joint_errors
    from keras_skeleton.evaluation.poses import measure_poses as measure_poses
    from keras_skeleton.evaluation.poses import pa_mpjpe as pa_mpjpe
    from keras_skeleton.evaluation.poses import procrustes as procrustes
    from keras_skeleton.evaluation.poses import root_mpjpe as root_mpjpe
    from keras_skeleton.evaluation.probe import linear_probe as linear_probe
    from keras_skeleton.evaluation.ranking import (
        average_precision as average_precision,
    )
    from keras_skeleton.evaluation.ranking import retrieval as retrieval
    from keras_skeleton.evaluation.recovery import mpjpe as mpjpe
    from keras_skeleton.evaluation.recovery import mpjve as mpjve
    from keras_skeleton.evaluation.recovery import n_mpjpe as n_mpjpe
    from keras_skeleton.evaluation.result import Percentage as Percentage
    from keras_skeleton.evaluation.result import Predictions as Predictions
    from keras_skeleton.evaluation.result import Result as Result
    from keras_skeleton.evaluation.streams import fuse as fuse
    from keras_skeleton.evaluation.unseen import few_shot as few_shot
    from keras_skeleton.evaluation.views import cross_view as cross_view
    from keras_skeleton.evaluation.views import (
        cross_view_table as cross_view_table,
    )
