"""Checks of numbers where they come in."""

import math
import numbers


def number(name, value, low=0.0, high=math.inf, is_open=False):
    """Raises a `ValueError` unless a value is a number of a range.

    Args:
        name: The name of the argument.
        value: What was passed for it.
        low: The smallest number it may be.
        high: The largest one.
        is_open: Whether `low` itself is none of them.
    """
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if (
        not is_number
        or not math.isfinite(value)
        or not low <= value <= high
        or (is_open and value == low)
    ):
        expected = f"above {low:g}" if is_open else f"from {low:g}"
        if high < math.inf:
            expected += f" to {high:g}"
        elif not is_open:
            expected += " up"
        raise ValueError(
            f"`{name}` must be a number {expected}. Received: {value!r}"
        )


def whole(name, value, low=1):
    """Raises a `ValueError` unless a value is a whole number from `low` up."""
    if (
        not isinstance(value, numbers.Integral)
        or isinstance(value, bool)
        or value < low
    ):
        raise ValueError(
            f"`{name}` must be a whole number from {low} up. Received: "
            f"{value!r}"
        )
