"""Losses for training data in which few classes have most of the clips.

All are cross-entropies of whole-number labels and logits that know how many
clips each class has. What changes during a training, such as weights that
come late, is two losses one after the other (`applications.BRL`).
"""

import keras
import numpy as np
from keras import ops

from keras_skeleton.losses.classification import known_labels


def effective_number_weights(counts, beta):
    """Weights of classes by the effective number of their clips.

    `w_c = (1 - beta) / (1 - beta^n_c)` for `n_c` clips, all `C` of them
    multiplied so that they add up to `C`: alike for `beta = 0`, and one over
    the number of clips for `beta` near 1.

    Args:
        counts: Clips of each class.
        beta: A number from 0 to below 1, or one for each class.

    Returns:
        float64 array `(C,)`.

    Example:

    >>> effective_number_weights([100, 1], 0.999).round(2)
    array([0.02, 1.98])

    Reference: Cui et al., Class-Balanced Loss Based on Effective Number of
    Samples, CVPR 2019, arXiv 1901.05555.
    """
    counts = _check_counts(counts)
    beta = np.broadcast_to(np.asarray(beta, "float64"), counts.shape)
    if beta.min() < 0 or beta.max() >= 1:
        raise ValueError(
            f"`beta` must be from 0 to below 1. Received beta={beta.tolist()}."
        )
    weights = (1 - beta) / (1 - beta**counts)
    return weights * len(counts) / weights.sum()


def action_aware_betas(counts, low=0.99, span=0.0099):
    """The `beta` of each class in the action-aware loss of BRL.

    It grows with the clips of the class, from `low` for the rarest to `low +
    span` for the most frequent.

    Args:
        counts: Clips of each class.
        low: See above.
        span: See above.

    Returns:
        float64 array `(C,)`.
    """
    counts = _check_counts(counts)
    spread = counts.max() - counts.min()
    share = (counts - counts.min()) / spread if spread else np.ones_like(counts)
    return low + span * share


class Labelled(keras.losses.Loss):
    """Base of cross-entropies with a known number of classes."""

    def call(self, y_true, y_pred):
        logits = ops.convert_to_tensor(y_pred)
        labels, is_class = known_labels(y_true, logits.shape[-1])
        return ops.where(is_class, self.of_labels(labels, logits), np.nan)

    def of_labels(self, labels, logits):
        """The loss of each clip, `(N,)`.

        Args:
            labels: int32 tensor `(N,)`.
            logits: Tensor `(N, C)`.
        """
        raise NotImplementedError


def _crossentropy(labels, logits):
    chosen = ops.one_hot(labels, logits.shape[-1], dtype=logits.dtype)
    return -ops.sum(chosen * ops.log_softmax(logits, axis=-1), axis=-1)


@keras.saving.register_keras_serializable(package="keras_skeleton")
class WeightedCrossentropy(Labelled):
    """Cross-entropy in which classes have weights.

    `sum w_y ce / sum w_y` over the clips of a batch.

    Args:
        class_weights: Weight of each class.
        **kwargs: As in `keras.losses.Loss`.

    Example:

    >>> loss = WeightedCrossentropy([1.0, 3.0])
    >>> float(loss([0, 1], [[0.0, 0.0], [0.0, 0.0]]))  # log(2)
    0.6931...
    """

    def __init__(self, class_weights, name="weighted_crossentropy", **kwargs):
        super().__init__(name=name, **kwargs)
        weights = np.asarray(class_weights, "float64")
        if weights.ndim != 1 or not weights.size or not weights.min() >= 0:
            raise ValueError(
                "`class_weights` must be a list of numbers from 0 up, one for "
                f"each class. Received class_weights={class_weights}."
            )
        self.class_weights = weights

    def of_labels(self, labels, logits):
        values = _crossentropy(labels, logits)
        weights = ops.convert_to_tensor(self.class_weights, values.dtype)
        weights = ops.take(weights, labels)
        # Keras divides by the number of clips.
        mean = ops.maximum(ops.mean(weights), keras.config.epsilon())
        return values * weights / mean

    def get_config(self):
        weights = self.class_weights.tolist()
        return {**super().get_config(), "class_weights": weights}


class _Counted(Labelled):
    """Base of losses that follow from the clips of each class."""

    def __init__(self, class_counts, **kwargs):
        super().__init__(**kwargs)
        self.class_counts = _check_counts(class_counts)

    def get_config(self):
        counts = self.class_counts.tolist()
        return {**super().get_config(), "class_counts": counts}


@keras.saving.register_keras_serializable(package="keras_skeleton")
class ClassBalancedCrossentropy(_Counted):
    """Cross-entropy weighted by the effective number of clips.

    Args:
        class_counts: Clips of each class.
        beta: See `effective_number_weights`.
        **kwargs: As in `keras.losses.Loss`.

    Reference: Cui et al., CVPR 2019, arXiv 1901.05555.
    """

    def __init__(
        self, class_counts, beta=0.999, name="class_balanced", **kwargs
    ):
        super().__init__(class_counts, name=name, **kwargs)
        self.beta = beta
        self._weighted = WeightedCrossentropy(
            effective_number_weights(self.class_counts, beta)
        )

    def of_labels(self, labels, logits):
        return self._weighted.of_labels(labels, logits)

    def get_config(self):
        return {**super().get_config(), "beta": self.beta}


@keras.saving.register_keras_serializable(package="keras_skeleton")
class ActionAwareCrossentropy(_Counted):
    """Cross-entropy of BRL, weighted by an effective number of each class.

    As `ClassBalancedCrossentropy`, with a `beta` for each class
    (`action_aware_betas`), so that weights lie further apart.

    Args:
        class_counts: Clips of each class.
        inverted: Whether the betas are one minus what they should be, which
            makes the weights almost alike. The published code has them so in
            every second epoch, as it overwrites its list in place.
        **kwargs: As in `keras.losses.Loss`.

    Reference: Liu et al., Balanced Representation Learning for Long-tailed
    Skeleton-based Action Recognition, 2023, arXiv 2308.14024.
    """

    def __init__(
        self, class_counts, inverted=False, name="action_aware", **kwargs
    ):
        super().__init__(class_counts, name=name, **kwargs)
        self.inverted = inverted
        betas = action_aware_betas(self.class_counts)
        self._weighted = WeightedCrossentropy(
            effective_number_weights(
                self.class_counts, 1 - betas if inverted else betas
            )
        )

    @property
    def class_weights(self):
        """The weights of the classes, float64 array `(C,)`."""
        return self._weighted.class_weights

    def of_labels(self, labels, logits):
        return self._weighted.of_labels(labels, logits)

    def get_config(self):
        return {**super().get_config(), "inverted": self.inverted}


@keras.saving.register_keras_serializable(package="keras_skeleton")
class LabelMarginCrossentropy(_Counted):
    """Cross-entropy with margins that are larger for rare classes (LDAM).

    The logit of the right class loses a margin proportional to `n^(-1/4)`,
    then all are multiplied.

    Args:
        class_counts: Clips of each class.
        max_margin: Margin of the rarest class.
        scale: Factor of the logits.
        beta: As in `ClassBalancedCrossentropy`, for weights of the classes;
            0 for none. Published: 0 first, then 0.999999.
        **kwargs: As in `keras.losses.Loss`.

    Reference: Cao et al., Learning Imbalanced Datasets with
    Label-Distribution-Aware Margin Loss, NeurIPS 2019, arXiv 1906.07413.
    """

    def __init__(
        self,
        class_counts,
        max_margin=0.5,
        scale=30.0,
        beta=0.0,
        name="label_margin",
        **kwargs,
    ):
        super().__init__(class_counts, name=name, **kwargs)
        self.max_margin = max_margin
        self.scale = scale
        self.beta = beta
        margins = self.class_counts**-0.25
        self._margins = margins * max_margin / margins.max()
        self._weighted = WeightedCrossentropy(
            effective_number_weights(self.class_counts, beta)
        )

    def of_labels(self, labels, logits):
        chosen = ops.one_hot(labels, logits.shape[-1], dtype=logits.dtype)
        margins = ops.convert_to_tensor(self._margins, logits.dtype)
        logits = self.scale * (logits - chosen * margins)
        return self._weighted.of_labels(labels, logits)

    def get_config(self):
        return {
            **super().get_config(),
            "max_margin": self.max_margin,
            "scale": self.scale,
            "beta": self.beta,
        }


@keras.saving.register_keras_serializable(package="keras_skeleton")
class BalancedSoftmax(_Counted):
    """Cross-entropy of logits to which the logarithm of the counts is added.

    Args:
        class_counts: Clips of each class.
        **kwargs: As in `keras.losses.Loss`.

    Reference: Ren et al., Balanced Meta-Softmax for Long-Tailed Visual
    Recognition, NeurIPS 2020, arXiv 2007.10740.
    """

    def __init__(self, class_counts, name="balanced_softmax", **kwargs):
        super().__init__(class_counts, name=name, **kwargs)

    def of_labels(self, labels, logits):
        counts = ops.convert_to_tensor(np.log(self.class_counts), logits.dtype)
        return _crossentropy(labels, logits + counts)


@keras.saving.register_keras_serializable(package="keras_skeleton")
class FocalCrossentropy(Labelled):
    """Cross-entropy that counts less where a clip is easy.

    `(1 - p)^gamma ce`, with `p` the probability of the right class. (Keras
    has it of one-hot labels.)

    Args:
        gamma: Exponent, from 0 up.
        **kwargs: As in `keras.losses.Loss`.

    Reference: Lin et al., Focal Loss for Dense Object Detection, ICCV 2017,
    arXiv 1708.02002.
    """

    def __init__(self, gamma=2.0, name="focal", **kwargs):
        super().__init__(name=name, **kwargs)
        if gamma < 0:
            raise ValueError(
                f"`gamma` must be at least 0. Received gamma={gamma}."
            )
        self.gamma = gamma

    def of_labels(self, labels, logits):
        values = _crossentropy(labels, logits)
        # Above 0, where roots have no gradient.
        wrong = ops.maximum(1 - ops.exp(-values), keras.config.epsilon())
        return wrong**self.gamma * values

    def get_config(self):
        return {**super().get_config(), "gamma": self.gamma}


@keras.saving.register_keras_serializable(package="keras_skeleton")
class KeyPointSensitiveCrossentropy(_Counted):
    """Cross-entropy whose scales and margins follow from the counts.

    The logits of class `c` are multiplied by `s_c`, proportional to `log(50
    n_c / min n)` and 1 for the rarest; that of the right class loses the
    margin of the class at the other end of the list, so that rare ones have
    the largest. In the second phase all logits of a clip are also multiplied
    by the `s` of the class at the other end.

    The published code takes the list from its other end in place of an order
    by counts, as classes are ordered by them there; so it is here.

    Args:
        class_counts: Clips of each class, the most frequent first.
        second_phase: See above; published from the 17th epoch on.
        max_margin: The largest margin.
        **kwargs: As in `keras.losses.Loss`.

    Reference: Li et al., Key Point Sensitive Loss for Long-tailed Visual
    Recognition, IEEE TPAMI 2022, as the code of BRL has it.
    """

    def __init__(
        self,
        class_counts,
        second_phase=False,
        max_margin=0.5,
        name="key_point_sensitive",
        **kwargs,
    ):
        super().__init__(class_counts, name=name, **kwargs)
        self.second_phase = second_phase
        self.max_margin = max_margin
        scales = np.log(50 * self.class_counts / self.class_counts.min())
        self._scales = scales / scales.min()
        self._margins = self._scales[::-1] * max_margin / self._scales.max()

    def of_labels(self, labels, logits):
        scales, margins = (
            ops.convert_to_tensor(x, logits.dtype)
            for x in (self._scales, self._margins.copy())
        )
        chosen = ops.one_hot(labels, logits.shape[-1], dtype=logits.dtype)
        logits = logits * scales - chosen * margins
        if self.second_phase:
            own = ops.clip(ops.take(ops.flip(scales), labels), 1, 50)
            logits = logits * ops.expand_dims(own, -1)
        return _crossentropy(labels, logits)

    def get_config(self):
        return {
            **super().get_config(),
            "second_phase": self.second_phase,
            "max_margin": self.max_margin,
        }


@keras.saving.register_keras_serializable(package="keras_skeleton")
class GumbelCrossentropy(Labelled):
    """Cross-entropy of logits that pass through Gumbel's distribution.

    `exp(-exp(-z))` of logits `z` between -4 and 10 takes their place.

    Args:
        **kwargs: As in `keras.losses.Loss`.

    Reference: Alexandridis et al., Long-tailed Instance Segmentation using
    Gumbel Optimized Loss, ECCV 2022, arXiv 2207.10936, as the code of BRL
    has it.
    """

    def __init__(self, name="gumbel", **kwargs):
        super().__init__(name=name, **kwargs)

    def of_labels(self, labels, logits):
        values = ops.exp(-ops.exp(-ops.clip(logits, -4, 10)))
        return _crossentropy(labels, values)


@keras.saving.register_keras_serializable(package="keras_skeleton")
class EqualizationCrossentropy(_Counted):
    """Cross-entropy that spares rare classes the clips of the others (EQL).

    Every clip of another class pushes the logit of a rare class down. Here a
    rare class is left out of the softmax of such clips with the probability
    `ignored`:

        -z_y + log(sum over c of w_c exp(z_c)),
        w_c = 1 - ignored for a rare class c other than y, else 1

    In the paper each clip draws, for each class, whether it is left out. The
    probability stands in place of the draw here, so that the loss has no
    state: a choice, and no other with 0 or 1. So are the default values of
    `ignored`, which the paper tunes for each data set, and of `threshold`,
    which is that of the code of BRL.

    Args:
        class_counts: Clips of each class.
        threshold: Classes with fewer clips are rare. By default the clips of
            the most frequent class among the rarest third.
        ignored: A number from 0 to 1, see above.
        inverted: Whether all but the rare classes are left out instead. The
            code of BRL does so, with the probability 1 - 0.00176 (after its
            20th epoch; before, it has the plain cross-entropy).
        **kwargs: As in `keras.losses.Loss`.

    Example:

    >>> loss = EqualizationCrossentropy([100, 40, 5], threshold=10, ignored=1)
    >>> float(loss([0], [[0.0, 0.0, 9.0]]))  # log(2): the third is left out
    0.6931...

    Reference: Tan et al., Equalization Loss for Long-Tailed Object
    Recognition, CVPR 2020, arXiv 2003.05176.
    """

    def __init__(
        self,
        class_counts,
        threshold=None,
        ignored=0.95,
        inverted=False,
        name="equalization",
        **kwargs,
    ):
        super().__init__(class_counts, name=name, **kwargs)
        if not 0 <= ignored <= 1:
            raise ValueError(
                f"`ignored` must be from 0 to 1. Received ignored={ignored}."
            )
        if threshold is None:
            ordered = np.sort(self.class_counts)[::-1]
            threshold = float(ordered[len(ordered) // 3 * 2])
        self.threshold = threshold
        self.ignored = ignored
        self.inverted = inverted
        left_out = self.class_counts < threshold
        if inverted:
            left_out = ~left_out
        # Half precision has the number for "none" as well.
        weight = np.log(1 - ignored) if ignored < 1 else -1e4
        self._log_weights = np.where(left_out, weight, 0.0)

    def of_labels(self, labels, logits):
        chosen = ops.one_hot(labels, logits.shape[-1], dtype=logits.dtype)
        weights = ops.convert_to_tensor(self._log_weights, logits.dtype)
        return _crossentropy(labels, logits + (1 - chosen) * weights)

    def get_config(self):
        return {
            **super().get_config(),
            "threshold": self.threshold,
            "ignored": self.ignored,
            "inverted": self.inverted,
        }


def _check_counts(counts):
    found = np.asarray(counts, "float64")
    if found.ndim != 1 or not found.size or not found.min() >= 1:
        raise ValueError(
            "The clips of each class must be a list of numbers from 1 up, one "
            "for each class, for example np.bincount(labels). Received "
            f"{np.asarray(counts).tolist()}: a class without clips has no "
            "weight; leave it out."
        )
    return found
