"""Filling frames in which nobody was found.

What becomes of such frames in the middle of a clip is one rule everywhere,
in data sets, in videos and in live sources: they are time that was lost, in
which people moved on, and not the end of the clip. Readers keep them as
zeros, `FillLostFrames` fills them, and `filling_lost_frames` puts it before
the transforms of a system wherever the package prepares clips by itself.
"""

import keras

from keras_skeleton.layers.augmentation.base import SkeletonTransform

FILLS = ("interpolation", "duplication")


def check_fill(fill, choices=FILLS):
    """Raises a `ValueError` for a way to fill that there is not."""
    if fill not in choices:
        raise ValueError(f"`fill` must be one of {choices}. Received: {fill}")


def filled(layer, clips, is_left, fill):
    """Clips whose other frames are made of those that are left.

    Args:
        layer: The transform.
        clips: `(N, M, T, V, C)`.
        is_left: Which frames are kept, boolean `(N, T)`. A clip of which
            none is left stays as it is.
        fill: `"interpolation"` or `"duplication"`.
    """
    backend, ops = layer.backend, layer.backend.numpy
    size = backend.shape(clips)[2]
    frame = ops.arange(size, dtype="int32")
    is_before = is_left[:, None] & (frame[None] <= frame[:, None])
    is_after = is_left[:, None] & (frame[None] >= frame[:, None])
    before = ops.max(ops.where(is_before, frame, -1), axis=2)
    after = ops.min(ops.where(is_after, frame, size), axis=2)
    # At the ends, the only neighbour; without any, the frame itself.
    before, after = (
        ops.where(before < 0, ops.where(after >= size, frame, after), before),
        ops.where(after >= size, ops.where(before < 0, frame, before), after),
    )
    left = layer.take_frames(clips, before)
    if fill == "duplication":
        return left
    right = layer.take_frames(clips, after)
    # Who is in one of the neighbours only does not move to or from zero.
    is_here = layer.is_present(left)[..., None, None]
    is_there = layer.is_present(right)[..., None, None]
    left, right = (
        ops.where(is_here, left, right),
        ops.where(is_there, right, left),
    )
    gap = backend.cast(ops.maximum(after - before, 1), "float32")
    weight = backend.cast(frame - before, "float32") / gap
    # Where both neighbours are the same frame, any weight will do.
    return left + weight[:, None, :, None, None] * (right - left)


@keras.saving.register_keras_serializable(package="keras_skeleton")
class FillLostFrames(SkeletonTransform):
    """Fills frames in which nobody was found, from those beside them.

    A frame is lost where the coordinates of all persons are zero, within the
    length of the clip: what follows the last frame with anybody is lost
    where `lengths` say that the clip goes on, else it is padding and stays.
    Frames with somebody stay as they are.

    - `"interpolation"`: on a straight line in time between the frames
      before and after the gap. Who is in one of them only stands still.
    - `"duplication"`: as in the last frame before the gap.

    Beyond the first and the last frame with anybody, these two are repeated.
    Scores are filled as coordinates are.

    Put it first, before what looks at coordinates. Classifiers lose most of
    their accuracy to frames of zeros, and keep most of it with filled ones.
    Recipes, `preprocess_input`, evaluation by cards and `serving` do so by
    themselves. A clip without lost frames stays the same, bit by bit.

    Args:
        fill: `"interpolation"` or `"duplication"`.
        at_end: Whether `lengths` say where clips end. If not, zeros after the
            last frame with anybody are padding whatever they say, as in
            clips that were brought to one length before they were read.
        **kwargs: See `SkeletonTransform`.

    Call arguments:
        clips: float32 tensor `(N, M, T, V, C)`.
        lengths: Optional int32 `(N,)`, the frames of each clip.

    Returns:
        Clips of the same shape.

    Example:

    >>> clips = np.zeros((1, 1, 5, 1, 2))
    >>> clips[:, :, 0], clips[:, :, 4] = 1, 3
    >>> FillLostFrames()(clips)[0, 0, :, 0, 0]
    [1. 1.5 2. 2.5 3.]

    Reference: the plain alternatives of
    [FineTec](https://arxiv.org/abs/2512.25067).
    """

    def __init__(self, fill="interpolation", at_end=True, **kwargs):
        super().__init__(**kwargs)
        check_fill(fill)
        self.fill = fill
        self.at_end = bool(at_end)

    def transform(self, clips, draws, lengths):
        ops = self.backend.numpy
        size = self.backend.shape(clips)[2]
        frame = ops.arange(size, dtype="int32")
        lengths = lengths if self.at_end else None
        is_inside = frame < self.valid_length(clips, lengths)[:, None]
        is_left = is_inside & ops.any(self.is_present(clips), axis=1)
        is_lost = is_inside & ~is_left
        if self.backend.name == "numpy" and not is_lost.any():
            # Most batches: pipelines need not wait for what changes nothing.
            return clips
        made = filled(self, clips, is_left, self.fill)
        return ops.where(is_lost[:, None, :, None, None], made, clips)

    def get_config(self):
        config = {"fill": self.fill, "at_end": self.at_end}
        return {**super().get_config(), **config}


def filling_lost_frames(transforms):
    """Transforms that fill lost frames before they do anything else.

    Args:
        transforms: List of transforms.

    Returns:
        List of the same after `FillLostFrames(at_end=False)`, as zeros at
        the end may be padding; or as it is where there is one in it.

    Example:

    >>> first, crop = filling_lost_frames([CropResize(64)])
    """
    transforms = list(transforms)
    if any(isinstance(each, FillLostFrames) for each in transforms):
        return transforms
    return [FillLostFrames(at_end=False), *transforms]
