"""Losses of classifiers."""

import keras
from keras import ops


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
        labels = ops.reshape(ops.cast(y_true, "int32"), (-1,))
        chosen = ops.one_hot(labels, classes, dtype=log_probability.dtype)
        smooth = self.label_smoothing
        target = (1 - smooth) * chosen + smooth / classes
        return -ops.sum(target * log_probability, axis=-1)

    def get_config(self):
        return {
            **super().get_config(),
            "label_smoothing": self.label_smoothing,
            "from_logits": self.from_logits,
        }
