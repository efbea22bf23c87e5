"""Numbers and JSON out of bytes that may be anything."""

import json
import warnings

import numpy as np


def parse_json(data):
    """Returns what JSON text means.

    Raises:
        ValueError: if it is not JSON, or nested too deeply to be data.
    """
    try:
        return json.loads(data)
    except RecursionError:
        raise ValueError("its JSON is nested too deeply") from None
    except ValueError as error:
        raise ValueError(f"it cannot be read as JSON: {error}") from error


def parse_table(data, width):
    """Reads lines of numbers, separated by spaces.

    Args:
        data: bytes; empty lines are left out.
        width: integer, the numbers in each line.

    Returns:
        float64 array `(lines, width)`.

    Raises:
        ValueError: if a line holds something else; it names the line.
    """
    lines = data.splitlines()
    while lines and not lines[-1].strip():
        lines.pop()
    kept = [line for line in lines if line.strip()]
    if not kept:
        raise ValueError("it is empty")
    values = parse_numbers(b" ".join(kept))
    counts = [len(line.split()) for line in kept]
    if values is None or any(count != width for count in counts):
        raise ValueError(_first_fault(lines, width))
    return values.reshape(len(kept), width)


def parse_numbers(data):
    """Returns the numbers of a text as a float64 array, or `None`.

    `None` stands for a text that holds anything else.
    """
    if not data.strip():
        return np.zeros(0)
    # The converter takes a NUL for the end of the text.
    if b"\0" in data:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)
        try:
            return np.fromstring(data, "float64", sep=" ")
        except (DeprecationWarning, ValueError):
            return None


def _first_fault(lines, width):
    for number, line in enumerate(lines, 1):
        count = len(line.split())
        if count and count != width:
            return f"line {number} has {count} values; expected {width}"
        if parse_numbers(line) is None:
            return f"line {number} holds something that is not a number"
    return "it holds something that is not a number"


def to_array(values, shape):
    """Makes a float32 array of nested lists of numbers.

    Args:
        values: what `parse_json` returned, or a part of it.
        shape: tuple of the expected sizes; `None` allows any.

    Returns:
        float32 array; numbers beyond its range are infinite.

    Raises:
        ValueError: if `values` is anything else.
    """
    array = to_numbers(values)
    fits = array.ndim == len(shape) and all(
        wanted in (None, size)
        for wanted, size in zip(shape, array.shape, strict=True)
    )
    if not fits:
        words = ", ".join("any" if n is None else str(n) for n in shape)
        raise ValueError(
            f"its numbers have the shape {array.shape}; expected ({words})"
        )
    return array


def to_numbers(values):
    """Makes a float32 array of nested lists of numbers of any shape.

    Args:
        values: what `parse_json` returned, or a part of it; null is NaN.

    Raises:
        ValueError: if the lists are ragged or hold something else.
    """
    # Without a type, one long text would set the size of all entries.
    try:
        return to_float32(np.array(values, "float64"))
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise ValueError(
            f"its lists of numbers are ragged or hold something else: {error}"
        ) from None


def to_float32(array):
    """Converts numbers; those beyond the range become infinite."""
    with np.errstate(over="ignore"):
        return np.asarray(array).astype("float32")
