"""Checks of single values where they come in."""

import numpy as np


def whole_number(name, value, least=None):
    """Returns an argument that is a whole number.

    Args:
        name: The name of the argument.
        value: What was passed for it.
        least: The smallest number it may be, if there is one.

    Raises:
        ValueError: If it is something else.
    """
    is_whole = isinstance(value, int | np.integer) or (
        isinstance(value, float) and value.is_integer()
    )
    limit = "" if least is None else f" from {least} up"
    if (
        not is_whole
        or isinstance(value, bool)
        or (least is not None and value < least)
    ):
        raise ValueError(
            f"`{name}` must be a whole number{limit}. Received: {value!r}"
        )
    return int(value)


def whole_numbers(name, values, least=None):
    """Returns an argument that is one whole number or several, as a tuple.

    Args:
        name: See `whole_number`, also for `least`.
        values: What was passed for it.

    Raises:
        ValueError: If it is something else, or none.
    """
    several = values
    if np.ndim(values) == 0 and not hasattr(values, "__iter__"):
        several = (values,)
    several = () if isinstance(several, str) else tuple(several)
    if not several:
        raise ValueError(
            f"`{name}` must be one or more whole numbers. Received: {values!r}"
        )
    return tuple(whole_number(name, value, least) for value in several)


def number(name, value, above=None, least=None, most=None):
    """Returns an argument that is a finite number, as a float.

    Args:
        name: The name of the argument.
        value: What was passed for it.
        above: What it must be larger than, if anything.
        least: The smallest number it may be, if there is one.
        most: The largest one.

    Raises:
        ValueError: If it is something else.
    """
    is_number = isinstance(value, int | float | np.integer | np.floating)
    limits = (("above", above), ("from", least), ("to", most))
    limit = "".join(f" {w} {x:g}" for w, x in limits if x is not None)
    if (
        not is_number
        or isinstance(value, bool)
        or not np.isfinite(value)
        or (above is not None and value <= above)
        or (least is not None and value < least)
        or (most is not None and value > most)
    ):
        raise ValueError(
            f"`{name}` must be a number{limit}. Received: {value!r}"
        )
    return float(value)


def truth(name, value):
    """Returns an argument that is true or false.

    Raises:
        ValueError: If it is something else.
    """
    if not isinstance(value, bool | np.bool_):
        raise ValueError(f"`{name}` must be true or false. Received: {value!r}")
    return bool(value)
