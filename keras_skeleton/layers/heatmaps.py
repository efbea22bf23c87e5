"""Joints in the image plane, drawn as pictures."""

import keras
from keras import ops

# Scores below this are not drawn, as published.
LOWEST_SCORE = 1e-4


@keras.saving.register_keras_serializable(package="keras_skeleton")
class PoseHeatmaps(keras.layers.Layer):
    """Draws a picture of every joint, or of every limb, in every frame.

    With `s` the score of a joint at `(u, v)`, pixel `(x, y)` of its picture is

        s * exp(-((x - u)^2 + (y - v)^2) / (2 sigma^2))

    inside of the square of whole pixels that reaches `3 sigma` to each side,
    and 0 outside. Of a limb from `a` to `b` it is

        min(s_a, s_b) * exp(-d^2 / (2 sigma^2))

    with `d` the distance of the pixel to the segment, inside of its bounding
    box with `3 sigma` to each side; of a limb shorter than a pixel it is the
    picture of `a`. All persons are drawn into the same pictures, the larger
    value counting, so that there may be any number of them.

    Joints with a score below 0.0001 are not drawn. A score is the third
    coordinate. Where there is none, joints at exactly (0, 0) are missing and
    all others have score 1: that rule is a choice of ours.

    Args:
        size: `(H, W)`, rows and columns of the pictures.
        sigma: Standard deviation, in pixels.
        limbs: `None` for joints, or pairs `(a, b)` of joints that limbs
            connect.
        use_score: Whether scores count; if not, everybody's joints are drawn
            with 1, missing ones too, as published.
        window: Whether values outside of the squares are 0. If not, they go
            on as the formula says.

    Input shape: `(N, M, T, V, 2)` or `(N, M, T, V, 3)`: column and row in
        pixels of the picture, and score.

    Output shape: `(N, T, H, W, V)`, or with the limbs in place of joints.

    Raises:
        ValueError: If clips have another number of coordinates.

    Example:

    >>> PoseHeatmaps((56, 56), 0.6)(ops.zeros((2, 1, 48, 17, 3))).shape
    (2, 48, 56, 56, 17)

    Reference: Duan et al., Revisiting Skeleton-based Action Recognition,
    CVPR 2022, arXiv 2104.13586.
    """

    def __init__(
        self,
        size,
        sigma=0.6,
        limbs=None,
        use_score=True,
        window=True,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if len(size) != 2 or min(size) < 1 or sigma <= 0:
            raise ValueError(
                "`size` must be rows and columns of the pictures and `sigma` "
                f"a number above 0. Received size={size} and sigma={sigma}."
            )
        self.size = tuple(int(each) for each in size)
        self.sigma = float(sigma)
        self.limbs = limbs
        if limbs is not None:
            self.limbs = tuple((int(a), int(b)) for a, b in limbs)
        self.use_score = use_score
        self.window = window

    def call(self, clips):
        if clips.shape[-1] not in (2, 3):
            raise ValueError(
                "Pictures are drawn of joints in the image plane: column, row "
                "and, as third coordinate, score. Received clips of shape "
                f"{tuple(clips.shape)}."
            )
        # Whole pixels need more digits than half precision has.
        clips = ops.cast(clips, "float32")
        # From here on (N, M, T, 1, 1, V): pixels come before joints.
        x, y = (
            clips[:, :, :, None, None, :, 0],
            clips[:, :, :, None, None, :, 1],
        )
        score = self._score(clips)[:, :, :, None, None]
        draw = self._joints if self.limbs is None else self._limbs
        maps = draw(x, y, score)
        # Two at a time: `max` over this axis takes TensorFlow far longer.
        combined = maps[:, 0]
        for person in range(1, clips.shape[1]):
            combined = ops.maximum(combined, maps[:, person])
        return ops.cast(combined, self.compute_dtype)

    def _score(self, clips):
        if not self.use_score:
            return ops.ones_like(clips[..., 0])
        if clips.shape[-1] == 3:
            score = clips[..., 2]
        else:
            found = (clips[..., 0] != 0) | (clips[..., 1] != 0)
            score = ops.cast(found, clips.dtype)
        return ops.where(score >= LOWEST_SCORE, score, 0.0)

    def _joints(self, x, y, score):
        rows, columns = self._pixels()
        # Column and row by themselves: the exponential of a sum is a product.
        across = self._bell(columns - x) * self._inside(columns, x, x)
        down = self._bell(rows - y) * self._inside(rows, y, y)
        return (score * across) * down

    def _limbs(self, x, y, score):
        first, second = ([pair[i] for pair in self.limbs] for i in (0, 1))

        def ends(values):
            return ops.take(values, first, -1), ops.take(values, second, -1)

        rows, columns = self._pixels()
        (ax, bx), (ay, by), (sa, sb) = ends(x), ends(y), ends(score)
        length = ops.square(bx - ax) + ops.square(by - ay)
        # Where along the segment the nearest point is, from 0 to 1.
        place = (columns - ax) * (bx - ax) + (rows - ay) * (by - ay)
        place = ops.clip(place / ops.maximum(length, 1e-6), 0.0, 1.0)
        is_dot = length < 1
        place = ops.where(is_dot, 0.0, place)
        bx, by = ops.where(is_dot, ax, bx), ops.where(is_dot, ay, by)
        distance = ops.square(columns - ax - place * (bx - ax))
        distance = distance + ops.square(rows - ay - place * (by - ay))
        inside = self._inside(columns, ops.minimum(ax, bx), ops.maximum(ax, bx))
        inside = inside * self._inside(
            rows, ops.minimum(ay, by), ops.maximum(ay, by)
        )
        value = ops.exp(-distance / (2 * self.sigma**2)) * inside
        lower = ops.minimum(sa, sb)
        is_drawn = ops.cast(lower > 0, lower.dtype)
        return value * is_drawn * ops.where(is_dot, sa, lower)

    def _pixels(self):
        rows, columns = (ops.arange(n, dtype="float32") for n in self.size)
        return rows[:, None, None], columns[:, None]

    def _bell(self, distance):
        return ops.exp(-ops.square(distance) / (2 * self.sigma**2))

    def _inside(self, pixels, low, high):
        """1 for the pixels near `low` to `high`, 0 for the others."""
        if not self.window:
            return 1.0
        reach = 3 * self.sigma
        # Towards zero, as published: also for what lies left of the picture.
        start = _whole(low - reach)
        end = _whole(high + reach)
        return ops.cast((pixels >= start) & (pixels <= end), low.dtype)

    def compute_output_shape(self, input_shape):
        channels = input_shape[3] if self.limbs is None else len(self.limbs)
        return (input_shape[0], input_shape[2], *self.size, channels)

    def get_config(self):
        return {
            **super().get_config(),
            "size": list(self.size),
            "sigma": self.sigma,
            "limbs": self.limbs and [list(pair) for pair in self.limbs],
            "use_score": self.use_score,
            "window": self.window,
        }


def _whole(x):
    return ops.sign(x) * ops.floor(ops.abs(x))
