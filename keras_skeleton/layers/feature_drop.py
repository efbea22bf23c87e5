"""Leaving out the features that stand out most."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_skeleton")
class FeatureDrop(keras.layers.Layer):
    """Leaves out joints, and then single features, that stand out.

    An augmentation of feature maps that draws nothing: each feature gets a
    number from the square of its distance to the mean of its channel in the
    row, over frames and joints,

        attention = sigmoid(d / (4 (sum(d) / (T V - 1) + epsilon)) + 1/2)

    Joints whose mean attention, over frames and channels, reaches the
    threshold are left out, and then each feature whose own does. What
    remains grows such that the number of entries, over the whole batch, is
    made up for: so a row depends on the others of its batch. No gradient
    flows through the attention.

    Args:
        threshold: Attention from which on something is left out. (AimCLR
            calls it the share to keep, which it is not.)
        epsilon: Added to the mean square.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: Tensor `(B, T, V, C)`.
        is_joint: Optional tensor `(B, V)`, 1 for joints and 0 for padding,
            which counts nowhere and becomes 0.

    Output shape: `(B, T, V, C)`.

    Example:

    >>> FeatureDrop()(keras.random.normal((4, 13, 25, 256))).shape
    (4, 13, 25, 256)

    Reference: Guo et al., Contrastive Learning from Extremely Augmented
    Skeleton Sequences for Self-supervised Action Recognition, AAAI 2022,
    arXiv 2112.03590.
    """

    def __init__(self, threshold=0.7, epsilon=1e-4, **kwargs):
        super().__init__(**kwargs)
        self.threshold = threshold
        self.epsilon = epsilon

    def call(self, inputs, is_joint=None):
        _, frames, joints, channels = inputs.shape
        x = ops.stop_gradient(ops.cast(inputs, "float32"))
        if is_joint is None:
            is_joint = ops.ones_like(x[:, 0, :, 0])
        real = ops.cast(is_joint, "float32")[:, None, :, None]
        count = ops.sum(real, axis=2, keepdims=True)
        mean = ops.sum(x * real, axis=(1, 2), keepdims=True) / (frames * count)
        distance = ops.square(x - mean) * real
        spread = ops.sum(distance, axis=(1, 2), keepdims=True)
        spread = spread / (frames * count - 1) + self.epsilon
        attention = ops.sigmoid(distance / (4 * spread) + 0.5)
        of_joint = ops.mean(attention, axis=(1, 3), keepdims=True)
        kept_joints = self._kept(of_joint) * real
        kept = self._kept(attention) * real
        entries = ops.sum(real)
        share = kept_joints * entries / _at_least_one(kept_joints)
        entries = entries * frames * channels
        share = share * kept * entries / _at_least_one(kept)
        return inputs * ops.cast(share, inputs.dtype)

    def _kept(self, attention):
        return ops.cast(attention < self.threshold, "float32")

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {
            **super().get_config(),
            "threshold": self.threshold,
            "epsilon": self.epsilon,
        }


def _at_least_one(kept):
    """The number of entries that stay, so that one may divide by it."""
    return ops.maximum(ops.sum(kept), 1)
