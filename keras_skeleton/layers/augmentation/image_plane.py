"""Transforms of clips in the image plane: boxes around people, pictures.

Coordinates are columns and rows in pixels, and a score. A coordinate of
exactly 0 says that the joint was not found: no box moves it.
"""

import keras

from keras_skeleton import _values
from keras_skeleton import skeletons
from keras_skeleton.layers.augmentation.base import SkeletonTransform

# Tighter boxes, in pixels, are taken for a failure of the pose estimation.
SMALLEST_BOX = 10


class _ImagePlane(SkeletonTransform):
    """Base of transforms of two coordinates, and of scores that stay."""

    def check(self, shape):
        if shape[-1] not in (2, 3):
            raise ValueError(
                f"{type(self).__name__} takes joints in the image plane: "
                "column, row and, as third coordinate, score. Received clips "
                f"of shape {shape}."
            )

    def joined(self, x, y, clips):
        """Clips with other columns and rows and the same scores."""
        rest = [clips[..., i] for i in range(2, clips.shape[-1])]
        return self.backend.numpy.stack([x, y, *rest], axis=-1)


@keras.saving.register_keras_serializable(package="keras_skeleton")
class CropToPeople(_ImagePlane):
    """Moves and resizes clips to the box around everybody in all frames.

    The tight box around all joints that were found becomes larger by
    `padding` and, extended about its centre, a square, or what `ratio` says.
    Its edges are cut off to whole pixels. Then the box is scaled to `size`,
    columns and rows each by their own factor. Where the tight box has less
    than `threshold` pixels in width or height, the whole image is the box.

    Args:
        image_size: `(H, W)` of the image that joints were found in, pixels.
        size: `(H, W)` that the box is scaled to, or `None` to keep its size.
        padding: Share by which the box becomes larger.
        stays_inside: Whether the box ends at the edges of the image, as in
            EPAM-Net; then it may be no square.
        ratio: Height by width of the box, or the least and the greatest that
            it may have; `None` for whatever it has.
        threshold: Pixels below which a tight box is taken for a failure of
            the pose estimation.
        **kwargs: See `SkeletonTransform`.

    Call arguments:
        clips: float32 tensor `(N, M, T, V, C)`, `C` being 2 or 3.

    Returns:
        Clips of the same shape.

    Raises:
        ValueError: If clips have other coordinates.

    Example:

    >>> CropToPeople((1080, 1920), (56, 56))(np.ones((2, 1, 48, 17, 3))).shape
    (2, 1, 48, 17, 3)

    Reference: [Duan et al., 2022](https://arxiv.org/abs/2104.13586).
    """

    def __init__(
        self,
        image_size,
        size=None,
        padding=0.25,
        stays_inside=True,
        ratio=1.0,
        threshold=SMALLEST_BOX,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.image_size = _size("image_size", image_size)
        self.size = None if size is None else _size("size", size)
        self.padding = float(padding)
        self.stays_inside = bool(stays_inside)
        self.ratio = _ratios(ratio)
        self.threshold = float(threshold)

    def transform(self, clips, draws, lengths):
        left, top, width, height = self.box(clips, lengths)
        x = self._placed(clips[..., 0], left, width, 1)
        y = self._placed(clips[..., 1], top, height, 0)
        return self.joined(x, y, clips)

    def _placed(self, values, start, extent, axis):
        ops = self.backend.numpy
        placed = ops.where(values != 0, values - start, values)
        if self.size is None:
            return placed
        return placed * (self.size[axis] / ops.maximum(extent, 1.0))

    def box(self, clips, lengths=None):
        """The boxes: left, top, width and height, each `(N, 1, 1, 1)`."""
        ops = self.backend.numpy
        ends = [
            self._ends(clips[..., i], lengths, limit)
            for i, limit in enumerate(reversed(self.image_size))
        ]
        (low_x, high_x), (low_y, high_y) = ends
        is_small = (high_x - low_x < self.threshold) | (
            high_y - low_y < self.threshold
        )
        half_x, half_y = (
            (high - low) / 2 * (1 + self.padding) for low, high in ends
        )
        if self.ratio is not None:
            least, greatest = self.ratio
            half_y = ops.maximum(least * half_x, half_y)
            half_x = ops.maximum(half_y / greatest, half_x)
        box = []
        for (low, high), half, limit in zip(
            ends, (half_x, half_y), reversed(self.image_size), strict=True
        ):
            centre = (low + high) / 2
            first, last = centre - half, centre + half
            if self.stays_inside:
                first = ops.maximum(first, 0.0)
                last = ops.minimum(last, float(limit))
            # Towards zero, as published.
            first = ops.where(is_small, 0.0, self._whole(first))
            last = ops.where(is_small, float(limit), self._whole(last))
            box.append((first, last - first))
        (left, width), (top, height) = box
        return left, top, width, height

    def _ends(self, values, lengths, limit):
        """Least and greatest coordinate of a clip's joints that were found."""
        ops = self.backend.numpy
        found = values != 0
        if lengths is not None:
            frame = ops.arange(values.shape[2], dtype="int32")
            found = found & (frame < lengths[:, None])[:, None, :, None]
        # Far outside of any image, so that a clip without joints is small.
        far = 1e9
        axes = (1, 2, 3)
        low = ops.min(ops.where(found, values, far), axis=axes, keepdims=True)
        high = ops.max(ops.where(found, values, -far), axis=axes, keepdims=True)
        nobody = low > high
        return ops.where(nobody, 0.0, low), ops.where(nobody, 0.0, high)

    def _whole(self, x):
        ops = self.backend.numpy
        return ops.sign(x) * ops.floor(ops.abs(x))

    def get_config(self):
        return {
            **super().get_config(),
            "image_size": list(self.image_size),
            "size": self.size and list(self.size),
            "padding": self.padding,
            "stays_inside": self.stays_inside,
            "ratio": self.ratio and list(self.ratio),
            "threshold": self.threshold,
        }


@keras.saving.register_keras_serializable(package="keras_skeleton")
class ScaleInPlane(_ImagePlane):
    """Scales clips from one size of picture to another.

    Args:
        image_size: `(H, W)` before.
        size: `(H, W)` after.
        **kwargs: See `SkeletonTransform`.

    Call arguments:
        clips: float32 tensor `(N, M, T, V, C)`, `C` being 2 or 3.

    Returns:
        Clips of the same shape.
    """

    def __init__(self, image_size, size, **kwargs):
        super().__init__(**kwargs)
        self.image_size = _size("image_size", image_size)
        self.size = _size("size", size)

    def transform(self, clips, draws, lengths):
        y, x = (
            after / before
            for before, after in zip(self.image_size, self.size, strict=True)
        )
        return self.joined(clips[..., 0] * x, clips[..., 1] * y, clips)

    def get_config(self):
        return {
            **super().get_config(),
            "image_size": list(self.image_size),
            "size": list(self.size),
        }


@keras.saving.register_keras_serializable(package="keras_skeleton")
class RandomFlipInPlane(_ImagePlane):
    """Turns clips into what a mirror shows, each with a probability.

    Columns `x` become `width - x`, and joints of the left and the right side
    change places, with their scores. A picture of the same clip is to be
    flipped with the same draw.

    Args:
        skeleton: A `Skeleton` or its registered name.
        width: Columns of the picture.
        probability: How likely a clip is flipped.
        **kwargs: See `SkeletonTransform`.

    Call arguments:
        clips: float32 tensor `(N, M, T, V, C)`, `C` being 2 or 3.
        draws: Optional `(N, 1)` numbers in [0, 1); a clip is flipped below
            `probability`.
        training: Whether to flip when there are no draws.

    Returns:
        Clips of the same shape.
    """

    num_draws = 1

    def __init__(self, skeleton, width, probability=0.5, **kwargs):
        super().__init__(**kwargs)
        self.skeleton = skeletons.get(skeleton)
        self.width = _values.whole_number("width", width, 1)
        self.probability = _values.number(
            "probability", probability, least=0, most=1
        )

    def transform(self, clips, draws, lengths):
        ops = self.backend.numpy
        x = clips[..., 0]
        x = ops.where(x != 0, self.width - x, x)
        flipped = self.joined(x, clips[..., 1], clips)
        order = list(self.skeleton.mirror_permutation)
        flipped = ops.take(flipped, order, axis=3)
        is_flipped = self.draws_as_tensor(draws)[:, 0] < self.probability
        return ops.where(is_flipped[:, None, None, None, None], flipped, clips)

    def get_config(self):
        return {
            **super().get_config(),
            "skeleton": skeletons.serialize(self.skeleton),
            "width": self.width,
            "probability": self.probability,
        }


@keras.saving.register_keras_serializable(package="keras_skeleton")
class RandomCropInPlane(_ImagePlane):
    """Cuts a random part out of the picture and scales it to a size.

    Area and ratio of width to height are drawn, the latter evenly on a
    logarithmic scale, and then the place; edges are whole pixels. Published
    code draws ten times until the part fits and else takes the largest square
    in the middle. Here one draw is made and sides that are too long are cut
    to the picture: with one number each, a picture can follow.

    Args:
        image_size: `(H, W)` of the picture.
        size: `(H, W)` that the part is scaled to.
        area: Least and greatest share of the picture's area.
        ratio: Least and greatest width by height.
        **kwargs: See `SkeletonTransform`.

    Call arguments:
        clips: float32 tensor `(N, M, T, V, C)`, `C` being 2 or 3.
        draws: Optional `(N, 4)` numbers in [0, 1): area, ratio, left edge,
            top edge.
        training: Whether to cut when there are no draws; else clips are
            scaled only.

    Returns:
        Clips of the same shape.
    """

    num_draws = 4

    def __init__(
        self,
        image_size,
        size,
        area=(0.56, 1.0),
        ratio=(0.75, 4 / 3),
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.image_size = _size("image_size", image_size)
        self.size = _size("size", size)
        self.area = tuple(float(limit) for limit in area)
        self.ratio = tuple(float(limit) for limit in ratio)

    def transform(self, clips, draws, lengths):
        return self.cut(clips, *self.parts(draws))

    def deterministic(self, clips, lengths):
        height, width = self.image_size
        return self.cut(clips, 0.0, 0.0, float(width), float(height))

    def parts(self, draws):
        """Left and top edge, width and height of the parts, each `(N,)`."""
        ops = self.backend.numpy
        draws = self.draws_as_tensor(draws)
        height, width = self.image_size
        low, high = self.area
        area = (low + (high - low) * draws[:, 0]) * (height * width)
        low, high = self.ratio
        ratio = low * (high / low) ** draws[:, 1]
        wide = ops.floor(ops.minimum(ops.sqrt(area * ratio) + 0.5, width))
        tall = ops.floor(ops.minimum(ops.sqrt(area / ratio) + 0.5, height))
        left = ops.floor(draws[:, 2] * (width - wide + 1))
        top = ops.floor(draws[:, 3] * (height - tall + 1))
        return left, top, wide, tall

    def cut(self, clips, left, top, width, height):
        """Clips of parts of the picture, each number one for all or `(N,)`."""
        ops = self.backend.numpy

        def placed(values, start, extent, size):
            start, extent = (
                each
                if isinstance(each, float)
                else ops.reshape(each, (-1, 1, 1, 1))
                for each in (start, extent)
            )
            return (values - start) * (size / extent)

        x = placed(clips[..., 0], left, width, self.size[1])
        y = placed(clips[..., 1], top, height, self.size[0])
        # Padding, and who is absent, stay zero.
        here = self.is_present(clips)[..., None, None]
        return ops.where(here, self.joined(x, y, clips), ops.zeros_like(clips))

    def get_config(self):
        return {
            **super().get_config(),
            "image_size": list(self.image_size),
            "size": list(self.size),
            "area": list(self.area),
            "ratio": list(self.ratio),
        }


def _ratios(value):
    """The least and the greatest height by width of a box, or `None`."""
    if value is None:
        return None
    pair = value if isinstance(value, list | tuple) else (value, value)
    if len(pair) != 2 or not 0 < pair[0] <= pair[1]:
        raise ValueError(
            "`ratio` must be a number above 0, the least and the greatest "
            f"such number, or None. Received ratio={value!r}."
        )
    return tuple(float(each) for each in pair)


def _size(name, value):
    if len(value) != 2 or min(value) < 1:
        raise ValueError(
            f"`{name}` must be rows and columns in pixels. Received: {value}"
        )
    return tuple(int(each) for each in value)
