"""Joints and frames that were not found: one rule for everything read.

NaN, an empty cell and JSON's null mean "not found". What is not found is
zeros in this package; an option fills it from the frames around instead, or
refuses the clip.
"""

import numpy as np

MODES = ("zeros", "interpolate", "error")
# How `error` says what to do.
MEND = (
    "pass missing='zeros' to make zeros of them, or missing='interpolate' to "
    "fill them from the frames before and after"
)


def check(missing):
    """Returns a way of treating what was not found, if it is one.

    Raises:
        ValueError: If it is not one of `MODES`.
    """
    if not isinstance(missing, str) or missing not in MODES:
        raise ValueError(
            f"`missing` must be one of {', '.join(map(repr, MODES))}. "
            f"Received: {missing!r}"
        )
    return missing


def settle(clip, missing="zeros", scored=False):
    """Brings joints and frames that were not found to the one form.

    A joint is lost where one of its numbers is NaN, and where its score is 0;
    all joints of a person are lost in a frame of zeros between two frames
    that show this person. Before the first and after the last of them, the
    person is absent, and stays zeros.

    Args:
        clip: float array `(T, V, C)` or `(M, T, V, C)`, which may hold NaN
            but no infinite numbers.
        missing: `"zeros"`: lost joints become zeros. `"interpolate"`: they
            lie between those of the nearest frames with this joint, or where
            it is in the one nearest frame; joints that are never found stay
            zeros. `"error"`: NaN, and frames without anybody before the last
            one with somebody, are a fault.
        scored: Whether the last coordinate is a score.

    Returns:
        The clip, a text that says what was done, or `None`, and a text that
        says why the clip cannot be used, or `None`.
    """
    unknown = np.isnan(clip)
    lost = unknown.any(-1)
    if unknown.any():
        everywhere = unknown.reshape(-1, clip.shape[-1]).all(0)
        if everywhere.any() and not everywhere.all():
            which = int(np.argmax(everywhere))
            fault = f"its coordinate {which} (from 0) is NaN or empty in all "
            return clip, None, f"{fault}frames; leave it out"
        clip = np.where(lost[..., None], np.float32(0), clip)
    told = _count(unknown)
    if missing == "error":
        return clip, None, _fault(told, clip)
    if missing == "interpolate":
        shape = (-1, *clip.shape[-3:])
        bodies, filled = interpolate(
            clip.reshape(shape), lost.reshape(shape[:-1]), scored
        )
        clip = bodies.reshape(clip.shape)
        if filled:
            done = f"{filled} joints in frames were interpolated"
            told = done if told is None else f"{told}; {done}"
        return clip, told, None
    return clip, told and f"{told}; their joints are set to zero", None


def _count(unknown):
    if not unknown.any():
        return None
    frames = unknown.any((-2, -1))
    frames = frames.any(0) if frames.ndim == 2 else frames
    return (
        f"{int(unknown.sum())} values in {int(frames.sum())} of its "
        f"{len(frames)} frames were not found (NaN, empty or null)"
    )


def _fault(told, clip):
    if told:
        return f"{told}; {MEND}"
    inner, _ = count_empty_frames(clip)
    if inner:
        return f"{inner} of its {clip.shape[-3]} frames show nobody; {MEND}"
    return None


def count_empty_frames(clip):
    """Counts frames of zeros.

    Args:
        clip: float array `(T, V, C)` or `(M, T, V, C)`.

    Returns:
        How many come before a frame that shows somebody, and how many after
        the last one that does.
    """
    shown = clip.any(axis=(-2, -1))
    shown = np.flatnonzero(shown.any(0) if shown.ndim == 2 else shown)
    last = int(shown.max(initial=-1)) + 1
    return last - len(shown), clip.shape[-3] - last


def interpolate(bodies, lost, scored=False):
    """Fills lost joints of each person from the frames around, see `settle`.

    Args:
        bodies: float array `(M, T, V, C)` without NaN.
        lost: bool array `(M, T, V)`, joints that are known to be lost.
        scored: See `settle`.

    Returns:
        The filled array, and how many joints in frames were filled.
    """
    bodies = np.array(bodies)
    filled = 0
    times = np.arange(bodies.shape[1])
    for body, away in zip(bodies, lost, strict=True):
        # Without a score, a single joint at the origin may be there.
        is_empty = ~body.any((-2, -1))
        away = away | is_empty[:, None]
        if scored:
            away = away | (body[..., -1] == 0)
        shown = np.flatnonzero(~is_empty)
        inside = np.zeros(len(times), bool)
        inside[shown.min(initial=len(times)) : shown.max(initial=-1) + 1] = True
        for joint in range(body.shape[1]):
            have = ~away[:, joint]
            wanted = away[:, joint] & inside
            if not have.any() or not wanted.any():
                continue
            for coordinate in range(body.shape[2]):
                body[wanted, joint, coordinate] = np.interp(
                    times[wanted], times[have], body[have, joint, coordinate]
                )
            filled += int(wanted.sum())
    return bodies, filled
