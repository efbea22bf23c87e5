"""Giving clips the style of others."""

from keras import ops


def style_transfer(clips, styles, per_frame=False, epsilon=1e-5):
    """Brings mean and deviation of clips to those of other clips.

    This is adaptive instance normalization, for each person and coordinate by
    itself, over frames and joints:

        (x - mean(x)) / std(x) * std(y) + mean(y)

    `std` is the root of the unbiased variance plus `epsilon`. As it mixes
    clips, it belongs into a training step and is no transform.

    Args:
        clips: Tensor `(N, M, T, V, C)`, the content.
        styles: Tensor of this shape, for example the same clips in another
            order.
        per_frame: Whether mean and deviation are those of each frame, over
            its joints alone.
        epsilon: Added to variances.

    Returns:
        Tensor `(N, M, T, V, C)`.

    Example:

    >>> clips = np.random.normal(size=(4, 1, 50, 25, 3))
    >>> style_transfer(clips, np.roll(clips, 1, axis=0)).shape
    (4, 1, 50, 25, 3)

    Reference: Huang and Belongie, Arbitrary Style Transfer in Real-time with
    Adaptive Instance Normalization, ICCV 2017, arXiv 1703.06868; for
    skeletons Zhang et al., AAAI 2023, arXiv 2211.13466.
    """
    clips, styles = map(ops.convert_to_tensor, (clips, styles))
    axes = (3,) if per_frame else (2, 3)
    mean, deviation = _statistics(clips, axes, epsilon)
    other_mean, other_deviation = _statistics(styles, axes, epsilon)
    return (clips - mean) / deviation * other_deviation + other_mean


def _statistics(clips, axes, epsilon):
    count = 1
    for axis in axes:
        count *= clips.shape[axis]
    mean = ops.mean(clips, axis=axes, keepdims=True)
    squares = ops.sum(ops.square(clips - mean), axis=axes, keepdims=True)
    return mean, ops.sqrt(squares / (count - 1) + epsilon)
