"""What the coordinates of clips are: places, and scores behind them."""

import math

import numpy as np

# Names of a score, in any case.
SCORES = {
    *("score", "scores", "confidence", "conf", "likelihood", "probability"),
    *("prob", "visibility", "presence", "c", "p", "s"),
}
# What is a score, by its values: networks go a little beyond 0 and 1.
LEAST, LARGEST = -0.1, 1.3
# Places of which half are farther than this from zero are not of that kind.
FAR = 10.0


def is_score(name):
    """Whether a coordinate of this name is a score."""
    return str(name).strip().lower() in SCORES


def count_scores(coordinates):
    """How many of the last coordinates are scores, by their names."""
    number = 0
    while number < len(coordinates) and is_score(coordinates[-1 - number]):
        number += 1
    return number


def check(names, number):
    """Returns the names of the coordinates as a tuple."""
    if names is None:
        names = ("x", "y", "z", "w")[:number]
    names = tuple(str(name) for name in names)
    if len(names) != number:
        raise ValueError(
            f"`coordinates` must name the {number} coordinates of the "
            f"frames. Received: {names}"
        )
    return names


def may_be_scores(values, largest=LARGEST):
    """Whether all of some values are such as scores have; NaN do not count."""
    values = np.asarray(values)
    values = values[~np.isnan(values)]
    return bool(np.all((values >= LEAST) & (values <= largest)))


def seem_scored(clips):
    """Whether clips are x and y in pixels and a score, by their values.

    Args:
        clips: iterable of arrays `(..., C)`; what is none does not count.
    """
    seems = False
    for clip in clips:
        try:
            clip = np.asarray(clip, "float32")
        except (ValueError, TypeError, OverflowError):
            continue
        if clip.ndim not in (3, 4) or clip.shape[-1] != 3:
            continue
        if not may_be_scores(clip[..., 2]):
            return False
        places = np.abs(clip[np.nan_to_num(clip[..., 2]) > 0][:, :2])
        if places.size and not np.nanmedian(places) > FAR:
            return False
        seems = seems or bool(places.size)
    return seems


def keeping_scores(transforms, number, shape):
    """Transforms that are told that the last coordinates are scores.

    What follows streams of several kinds is not: there, scores are in
    between.

    Args:
        transforms: List of transforms, or of functions of NumPy arrays.
        number: How many of the last coordinates are scores.
        shape: That of the clips, `(N, M, T, V, C)`; of numbers alone where
            there are functions, which are tried to see what they make of it.

    Returns:
        List of the same, each as `SkeletonTransform.beside_scores` says.

    Example:

    >>> (centred,) = keeping_scores([Center()], 1, (None, 1, None, 17, 3))
    >>> type(centred).__name__
    'KeepScores'
    """
    if not number:
        return list(transforms)
    coordinates, told = shape[-1], []
    for each in transforms:
        if not hasattr(each, "beside_scores"):
            told.append(each)
            clips = np.linspace(1, 2, math.prod(shape), dtype="float32")
            shape = np.shape(each(clips.reshape(shape)))
            continue
        has_scores = isinstance(shape, tuple) and shape[-1] == coordinates
        told.append(each.beside_scores(number) if has_scores else each)
        shape = told[-1].compute_output_shape(shape)
    return told
