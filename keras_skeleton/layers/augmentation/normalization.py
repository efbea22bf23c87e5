"""Putting clips into coordinates of the body or of the image."""

import keras

from keras_skeleton import _values
from keras_skeleton.layers.augmentation.base import SkeletonTransform
from keras_skeleton.layers.augmentation.scores import KeepScores
from keras_skeleton.layers.augmentation.space import rotate

# Magnitudes below which PYSKL takes a coordinate, or an axis, for zero.
ZERO = 1e-8
SHORT_AXIS = 1e-6
# Ranges, in pixels, above which its `auto` mode normalises.
LEAST_RANGE = 10.0


def _cross(ops, first, second):
    """Cross product over the last axis, which broadcasts on all backends."""
    return ops.roll(first, -1, -1) * ops.roll(second, -2, -1) - ops.roll(
        first, -2, -1
    ) * ops.roll(second, -1, -1)


@keras.saving.register_keras_serializable(package="keras_skeleton")
class PreNormalize3D(SkeletonTransform):
    """Centres clips in space and turns the body to a fixed direction.

    1. Of two persons, the one who is seen in more frames becomes the first.
    2. Frames without the first person are dropped, for both; zeros follow
       the frames that remain.
    3. The place of one joint of the first person in the first frame is
       subtracted from all joints that are not zero.
    4. The clip is rotated about the origin such that in the first frame the
       spine of the first person points along z, then such that the line
       between the shoulders points along x, which may tilt the spine again.
       A line without length, or along its axis already, turns nothing, nor
       does one that points exactly the other way.

    A clip of zeros stays. Clips with scores need `compact=False`.

    Args:
        center: Joint that is subtracted; by default joint 1 of 25, and the
            last of any other number, as in PYSKL.
        align_center: Whether to centre.
        align_spine: Whether to rotate.
        spine: Joints at the lower and the upper end of the spine.
        shoulders: Joints of the right and the left shoulder.
        half_precision: Whether the centre is subtracted, and the angle of
            the spine computed, with numbers rounded to float16. PYSKL does
            so, as its data files hold float16, and its released models have
            seen such clips; the difference is about a millimetre.
        compact: Whether to swap persons and drop frames, the first two steps.
        **kwargs: See `SkeletonTransform`.

    Call arguments:
        clips: float32 tensor `(N, M, T, V, 3)` with `M` of 1 or 2, in
            metres.

    Returns:
        float32 tensor of the same shape.

    Raises:
        ValueError: If there are more persons, or other coordinates.

    Reference: [Duan et al., 2022](https://arxiv.org/abs/2205.09443).
    """

    def __init__(
        self,
        center=None,
        align_center=True,
        align_spine=True,
        spine=(0, 1),
        shoulders=(8, 4),
        half_precision=False,
        compact=True,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if center is not None:
            center = _values.whole_number("center", center)
        self.center = center
        self.compact = bool(compact)
        self.align_center = bool(align_center)
        self.align_spine = bool(align_spine)
        self.spine = self._pair("spine", spine)
        self.shoulders = self._pair("shoulders", shoulders)
        self.half_precision = bool(half_precision)

    def _pair(self, name, joints):
        pair = tuple(int(joint) for joint in joints)
        if len(pair) != 2:
            raise ValueError(f"`{name}` must be two joints. Received: {joints}")
        return pair

    def beside_scores(self, number):
        if self.compact:
            raise ValueError(
                "PreNormalize3D drops frames and swaps persons by their "
                "places x, y, z, and would lose whose the scores are. Pass "
                "compact=False, or PreNormalize2D for poses in the image."
            )
        return KeepScores(self, number)

    def check(self, shape):
        if shape[1] > 2 or shape[-1] != 3:
            raise ValueError(
                "PreNormalize3D takes one or two persons with the "
                "coordinates x, y, z; `Persons(2)` keeps the first two. "
                f"Received clips of shape {shape}."
            )
        joints = {self.center or 0} if self.align_center else set()
        if self.align_spine:
            joints.update(self.spine, self.shoulders)
        wrong = [joint for joint in joints if not 0 <= joint < shape[3]]
        if wrong:
            raise ValueError(
                f"PreNormalize3D uses joint {wrong[0]}, but the clips have "
                f"the joints 0 to {shape[3] - 1}. Received shape {shape}."
            )

    def transform(self, clips, draws, lengths):
        ops = self.backend.numpy
        if self.compact:
            clips = self._compact(clips)
        if self.align_center:
            joint = self.center
            if joint is None:
                joint = 1 if clips.shape[3] == 25 else -1
            place = clips[:, 0, 0, joint][:, None, None, None]
            is_seen = ops.any(clips != 0, axis=-1, keepdims=True)
            centred = clips - place
            if self.half_precision:
                centred = self._rounded(centred)
            clips = ops.where(is_seen, centred, ops.zeros_like(centred))
        if self.align_spine:
            half_precision = self.half_precision
            up = self._rotation(clips, self.spine, 2, half_precision)
            clips = rotate(self.backend, clips, up)
            # The first rotation has led to double precision.
            front = self._rotation(clips, self.shoulders[::-1], 0)
            clips = rotate(self.backend, clips, front)
        return clips

    def _compact(self, clips):
        """Swaps persons and moves frames that show the first to the front."""
        backend, ops = self.backend, self.backend.numpy
        is_seen, count = self._seen(clips)
        swap = (count[:, 0] < count[:, -1])[:, None]
        is_seen = ops.where(swap, is_seen[:, -1], is_seen[:, 0])
        swap = swap[:, :, None, None, None]
        clips = ops.where(swap, ops.flip(clips, axis=1), clips)
        length = backend.shape(clips)[2]
        number = ops.arange(length, dtype="int32")[None]
        # All keys differ, so the order does not depend on the sort.
        order = ops.argsort(ops.where(is_seen, number, number + length))
        clips = self.take_frames(clips, backend.cast(order, "int32"))
        is_kept = number < ops.max(count, axis=1)[:, None]
        is_kept = is_kept[:, None, :, None, None]
        return ops.where(is_kept, clips, ops.zeros_like(clips))

    def _seen(self, clips):
        """In which frames who is seen, `(N, M, T)`, and in how many."""
        ops = self.backend.numpy
        is_seen = ops.any(ops.abs(clips) > ZERO, axis=(3, 4))
        return is_seen, ops.sum(self.backend.cast(is_seen, "int32"), axis=2)

    def new_lengths(self, clips, draws, lengths):
        if not self.compact:
            return lengths
        return self.backend.numpy.max(self._seen(clips)[1], axis=1)

    def _rounded(self, values):
        cast = self.backend.cast
        return cast(cast(values, "float16"), "float32")

    def _rotation(self, clips, joints, target, half_precision=False):
        """Matrices `(N, 3, 3)`, for rows, that turn a line onto an axis."""
        ops = self.backend.numpy
        start, end = joints
        line = clips[:, 0, 0, end] - clips[:, 0, 0, start]
        if half_precision:
            line = self._rounded(line)
        identity = self.backend.convert_to_tensor(
            [[1.0, 0, 0], [0, 1.0, 0], [0, 0, 1.0]], "float32"
        )
        axis = _cross(ops, line, identity[target])
        is_turned = ops.sum(ops.abs(axis), axis=-1) >= SHORT_AXIS
        one = ops.ones_like(line[:, 0])
        square = ops.where(is_turned, ops.sum(line**2, axis=-1), one)
        breadth = ops.where(is_turned, ops.sum(axis**2, axis=-1), one)
        breadth = ops.sqrt(breadth)
        if half_precision:
            length = self._rounded(ops.sqrt(self._rounded(square)))
            cos = ops.clip(self._rounded(line[:, target] / length), -1.0, 1.0)
            sin = ops.sqrt((1.0 - cos) * (1.0 + cos))
        else:
            length = ops.sqrt(square)
            # More precise than from the cosine where the angle is small.
            cos, sin = line[:, target] / length, breadth / length
        axis = (axis / breadth[:, None])[:, None]
        cos, sin = cos[:, None, None], sin[:, None, None]
        spin = _cross(ops, axis, identity)
        along = ops.transpose(axis, (0, 2, 1)) * axis
        matrix = cos * identity + sin * spin + (1.0 - cos) * along
        return ops.where(is_turned[:, None, None], matrix, identity)

    def get_config(self):
        return {
            **super().get_config(),
            "center": self.center,
            "align_center": self.align_center,
            "align_spine": self.align_spine,
            "spine": list(self.spine),
            "shoulders": list(self.shoulders),
            "half_precision": self.half_precision,
            "compact": self.compact,
        }


@keras.saving.register_keras_serializable(package="keras_skeleton")
class PreNormalize2D(SkeletonTransform):
    """Brings clips in an image to coordinates between -1 and 1.

    With `mode="fix"` the image becomes the square from -1 to 1. With
    `mode="auto"` the smallest rectangle around all frames and persons of a
    clip does, of joints that count, if it is more than 10 units wide and
    high; else the clip stays. `mode="square"` does the same with a square
    about that rectangle, so that nobody is stretched; it is not published.

    Where there is a third coordinate, it is the score of the joint and stays
    as it is; joints with a score of at most `threshold` do not count, and
    their x and y become zero. Without scores all joints count, those at zero
    too, except in padded frames and absent persons, which stay zero.

    Args:
        image_shape: Height and width of the images, in the units of the
            clips.
        threshold: Largest score of joints that are left out.
        mode: `"fix"`, `"auto"` or `"square"`.
        **kwargs: See `SkeletonTransform`.

    Call arguments:
        clips: float32 tensor `(N, M, T, V, C)`, `C` being 2 or, with scores,
            3; in pixels.

    Returns:
        float32 tensor of the same shape.

    Raises:
        ValueError: If the clips have other coordinates.

    Reference: [Duan et al., 2022](https://arxiv.org/abs/2205.09443).
    """

    def __init__(
        self, image_shape=(1080, 1920), threshold=0.01, mode="fix", **kwargs
    ):
        super().__init__(**kwargs)
        self.image_shape = tuple(float(side) for side in image_shape)
        if len(self.image_shape) != 2 or not min(self.image_shape) > 0:
            raise ValueError(
                "`image_shape` must be a height and a width above 0. "
                f"Received: {image_shape}"
            )
        if mode not in ("fix", "auto", "square"):
            raise ValueError(
                f"`mode` must be 'fix', 'auto' or 'square'. Received: {mode!r}"
            )
        self.threshold = float(threshold)
        self.mode = mode

    def check(self, shape):
        if shape[-1] not in (2, 3):
            raise ValueError(
                "PreNormalize2D takes the coordinates x and y, and at most a "
                f"score. Received clips of shape {shape}."
            )

    def transform(self, clips, draws, lengths):
        ops = self.backend.numpy
        places, scores = clips[..., :2], clips[..., 2:]
        if clips.shape[-1] == 3:
            counts = scores > self.threshold
        else:
            counts = self._is_present(clips, lengths)
        if self.mode == "fix":
            height, width = self.image_shape
            half = self.draws_as_tensor([width / 2, height / 2])
            normalized = (places - half) / half
        else:
            normalized = self._fill_square(places, counts)
        normalized = ops.where(counts, normalized, ops.zeros_like(normalized))
        return ops.concatenate([normalized, scores], axis=-1)

    def _is_present(self, clips, lengths):
        """Whether a joint belongs to a person and a frame, `(..., 1)`."""
        ops = self.backend.numpy
        is_person = ops.any(clips != 0, axis=(2, 3, 4), keepdims=True)
        number = ops.arange(self.backend.shape(clips)[2], dtype="int32")
        is_frame = number[None] < self.valid_length(clips, lengths)[:, None]
        is_frame = is_frame[:, None, :, None, None]
        every = ops.ones_like(clips[..., :1], dtype="bool")
        return ops.logical_and(ops.logical_and(is_person, is_frame), every)

    def _fill_square(self, places, counts):
        ops = self.backend.numpy
        limit = ops.full_like(places, float("inf"))
        axes = (1, 2, 3)
        high = ops.max(ops.where(counts, places, -limit), axes, keepdims=True)
        low = ops.min(ops.where(counts, places, limit), axes, keepdims=True)
        # Where no joint counts, infinities must not meet.
        is_empty = high < low
        high, low = (
            ops.where(is_empty, ops.zeros_like(end), end) for end in (high, low)
        )
        is_wide = ops.all(high - low > LEAST_RANGE, axis=-1, keepdims=True)
        span = high - low
        if self.mode == "square":
            span = ops.max(span, axis=-1, keepdims=True)
        span = ops.where(is_wide, span, ops.ones_like(high))
        middle = ops.where(is_wide, (high + low) / 2, ops.zeros_like(high))
        return ops.where(is_wide, (places - middle) / span * 2, places)

    def get_config(self):
        return {
            **super().get_config(),
            "image_shape": list(self.image_shape),
            "threshold": self.threshold,
            "mode": self.mode,
        }
