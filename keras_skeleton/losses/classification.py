"""Losses of classifiers."""

import keras
import numpy as np
from keras import ops


def known_labels(labels, classes):
    """Labels as int32 `(N,)`, and which of them are among the classes.

    The others become 0: their loss is to be no number, so that nobody trains
    on without a word, as backends without a check of labels would.
    """
    labels = ops.reshape(ops.cast(labels, "int32"), (-1,))
    is_class = ops.logical_and(labels >= 0, labels < classes)
    return ops.where(is_class, labels, 0), is_class


@keras.saving.register_keras_serializable(package="keras_skeleton")
class SmoothedCrossentropy(keras.losses.Loss):
    """Cross-entropy of whole-number labels with label smoothing.

    With the smoothing `e`, `(1 - e)` times the negative log-probability of
    the label plus `e` times the mean of it over all classes. (Keras smooths
    one-hot labels only.)

    Args:
        label_smoothing: The smoothing `e`, in [0, 1]. Published recipes of
            fine-tuning use 0.1.
        from_logits: Whether predictions are logits (the default of this
            package's classifiers) or probabilities.
        **kwargs: As in `keras.losses.Loss`.

    Example:

    >>> loss = SmoothedCrossentropy(0.1)
    >>> float(loss([0], [[0.0, 0.0]]))  # log(2)
    0.6931...
    """

    def __init__(
        self,
        label_smoothing=0.0,
        from_logits=True,
        name="smoothed_crossentropy",
        **kwargs,
    ):
        super().__init__(name=name, **kwargs)
        if not 0 <= label_smoothing <= 1:
            raise ValueError(
                "`label_smoothing` must lie in [0, 1]. Received "
                f"label_smoothing={label_smoothing}."
            )
        self.label_smoothing = label_smoothing
        self.from_logits = from_logits

    def call(self, y_true, y_pred):
        if self.from_logits:
            log_probability = ops.log_softmax(y_pred, axis=-1)
        else:
            log_probability = ops.log(
                ops.maximum(y_pred, keras.config.epsilon())
            )
        classes = y_pred.shape[-1]
        labels, is_class = known_labels(y_true, classes)
        chosen = ops.one_hot(labels, classes, dtype=log_probability.dtype)
        smooth = self.label_smoothing
        target = (1 - smooth) * chosen + smooth / classes
        loss = -ops.sum(target * log_probability, axis=-1)
        return ops.where(is_class, loss, np.nan)

    def get_config(self):
        return {
            **super().get_config(),
            "label_smoothing": self.label_smoothing,
            "from_logits": self.from_logits,
        }


@keras.saving.register_keras_serializable(package="keras_skeleton")
class JointCrossentropy(keras.losses.Loss):
    """Weighted sum of the cross-entropies of several scores of a clip.

    For models in which several heads look for the same class: the streams of
    EPAM-Net, the fused and auxiliary heads of M-Mixer.

    Args:
        weights: A number for each of the scores; 1 for all by default.
        label_smoothing: As in `SmoothedCrossentropy`.
        **kwargs: As in `keras.losses.Loss`.

    Call arguments:
        y_true: Whole numbers `(N,)` or `(N, 1)`.
        y_pred: Logits `(N, scores, classes)`.

    Raises:
        ValueError: If predictions are of another shape.

    Example:

    >>> loss = JointCrossentropy()
    >>> float(loss([0], np.zeros((1, 2, 2))))  # 2 log(2)
    1.3862...
    """

    def __init__(
        self,
        weights=None,
        label_smoothing=0.0,
        name="joint_crossentropy",
        **kwargs,
    ):
        super().__init__(name=name, **kwargs)
        self.weights = None if weights is None else tuple(map(float, weights))
        self.single = SmoothedCrossentropy(label_smoothing)

    def call(self, y_true, y_pred):
        shape = tuple(y_pred.shape)
        count = len(self.weights) if self.weights else shape[1]
        if len(shape) != 3 or shape[1] != count:
            raise ValueError(
                "Predictions must be several scores of each clip, (samples, "
                f"{count if self.weights else 'scores'}, classes). Received "
                f"shape {shape}."
            )
        total = 0.0
        for i, weight in enumerate(self.weights or count * (1.0,)):
            if weight:
                total += weight * self.single.call(y_true, y_pred[:, i])
        return total

    def get_config(self):
        return {
            **super().get_config(),
            "weights": self.weights and list(self.weights),
            "label_smoothing": self.single.label_smoothing,
        }
