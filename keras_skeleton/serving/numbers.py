"""Which numbers the prediction of videos takes; needs no Keras."""

from keras_skeleton import _values

# Nothing in front of a camera exceeds it.
HIGHEST_FRAME_RATE = 1000.0


def check(
    *,
    window=None,
    step=None,
    smoothing=1,
    threshold=0.0,
    min_seconds=0.0,
    people=None,
    min_score=None,
    frame_rate=None,
):
    """Raises a `ValueError` for numbers that make no sense.

    Args:
        window: Seconds of a window, or `None`, as also for others below.
        step: Seconds from one window to the next.
        smoothing: Windows to average.
        threshold: Probability below which there is no label.
        min_seconds: For how long somebody must be seen.
        people: How many persons to look for.
        min_score: Score from which on somebody counts.
        frame_rate: Frames per second.
    """
    for name, value in (("window", window), ("step", step)):
        if value is not None:
            _values.number(name, value, above=0)
    _values.whole_number("smoothing", smoothing, 1)
    if smoothing % 2 == 0:
        raise ValueError(
            "`smoothing` must be an odd number of windows, 1 for none. "
            f"Received: {smoothing}"
        )
    _values.number("threshold", threshold, least=0, most=1)
    _values.number("min_seconds", min_seconds, least=0)
    if min_score is not None:
        _values.number("min_score", min_score, least=0, most=1)
    if people is not None:
        _values.whole_number("people", people, 1)
    if frame_rate is not None:
        _values.number(
            "frame_rate", frame_rate, above=0, most=HIGHEST_FRAME_RATE
        )
