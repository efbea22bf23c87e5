"""Losses of masked prediction."""

import keras
from keras import ops

FORMS = ("mean", "paper")


@keras.saving.register_keras_serializable(package="keras_skeleton")
class ReweightedCosineError(keras.losses.Loss):
    """The re-weighted cosine error between hidden and predicted features.

    With the cosine `c` between what is predicted for a hidden joint and what
    it was, its error is `(1 - c) ** exponent`: joints that are nearly right
    count less the larger the exponent is. The length of features does not
    count.

    - `"mean"`: the mean over all hidden joints of the batch, as in GraphMAE.
    - `"paper"`: the mean over skeletons of the sum over their `n` hidden
      joints of `((1 - c) / n) ** exponent`, as the formula of SkeletonMAE
      has it; smaller by `n ** (exponent - 1)`.

    Args:
        exponent: Published: 2. At least 1.
        form: `"mean"` or `"paper"`.
        **kwargs: As in `keras.losses.Loss`.

    Call arguments:
        y_true: Features `(B, V, D)` of the joints of each skeleton.
        y_pred: Features `(B, V, D)` that are predicted.
        sample_weight: Mask `(B, V)`, 1 where a joint is hidden, else 0; all
            count without. Skeletons of which nothing is hidden do not count.

    Returns:
        The scalar loss; `call` alone gives the error of each joint, `(B, V)`.

    Example:

    >>> loss = ReweightedCosineError()
    >>> float(loss([[[1.0, 0.0], [1.0, 0.0]]], [[[2.0, 0.0], [0.0, 1.0]]]))
    0.5

    Reference: Hou et al., GraphMAE, KDD 2022, arXiv 2205.10803; Yan et al.,
    SkeletonMAE, ICCV 2023, arXiv 2307.08476.
    """

    def __init__(
        self,
        exponent=2.0,
        form="mean",
        name="reweighted_cosine_error",
        **kwargs,
    ):
        super().__init__(name=name, **kwargs)
        if not exponent >= 1:
            raise ValueError(
                f"`exponent` must be at least 1. Received exponent={exponent}."
            )
        if form not in FORMS:
            raise ValueError(
                f"`form` must be one of {', '.join(map(repr, FORMS))}. "
                f"Received form={form!r}."
            )
        self.exponent = exponent
        self.form = form

    def call(self, y_true, y_pred):
        y_true, y_pred = (
            ops.cast(y_true, "float32"),
            ops.cast(y_pred, "float32"),
        )
        cosine = ops.sum(y_true * y_pred, axis=-1)
        cosine = cosine * _inverse_norm(y_true) * _inverse_norm(y_pred)
        # Rounding lets a cosine exceed 1, of which no power need exist.
        return ops.power(ops.maximum(1 - cosine, 0), self.exponent)

    def __call__(self, y_true, y_pred, sample_weight=None):
        y_true = ops.convert_to_tensor(y_true)
        y_pred = ops.convert_to_tensor(y_pred)
        error = self.call(y_true, y_pred)
        mask = ops.ones_like(error)
        if sample_weight is not None:
            mask = ops.cast(sample_weight, error.dtype)
        if self.form == "mean":
            return ops.sum(error * mask) / ops.maximum(ops.sum(mask), 1)
        hidden = ops.sum(mask, axis=-1)
        total = ops.sum(error * mask, axis=-1)
        total = total / ops.power(ops.maximum(hidden, 1), self.exponent)
        skeletons = ops.sum(ops.cast(hidden > 0, error.dtype))
        return ops.sum(total) / ops.maximum(skeletons, 1)

    def get_config(self):
        return {
            **super().get_config(),
            "exponent": self.exponent,
            "form": self.form,
        }


def _inverse_norm(x):
    """1 / length of vectors, finite with a gradient at 0."""
    return ops.rsqrt(ops.maximum(ops.sum(ops.square(x), axis=-1), 1e-24))
