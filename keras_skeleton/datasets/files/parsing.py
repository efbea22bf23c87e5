"""Text, numbers and JSON out of bytes that may be anything."""

import codecs
import collections
import itertools
import json
import math
import warnings

import numpy as np

# What is filled for null and empty lists: so many numbers at most, or so many
# for each that is there.
MOST_FILLED = 1 << 22
MOST_FOR_EACH = 100


def decode(data):
    """The text of a table in UTF-8, or in UTF-16 where it begins so.

    Raises:
        ValueError: if it is in another encoding.
    """
    wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return data.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"line {line} is not UTF-8 text, but probably Latin-1 (Windows); "
            "save it as UTF-8, in Excel as 'CSV UTF-8'"
        ) from error


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
    """Makes a float32 array of nested lists, see `to_doubles`."""
    return to_float32(to_doubles(values))


def to_doubles(values):
    """Makes a float64 array of nested lists of numbers of any shape.

    Args:
        values: what `parse_json` returned, or a part of it; null is NaN, as
            are the numbers of a joint or a frame that is null or empty.

    Raises:
        ValueError: if the lists are ragged or hold something else.
    """
    # Without a type, one long text would set the size of all entries.
    try:
        return np.array(values, "float64")
    except (TypeError, ValueError, OverflowError, RecursionError):
        pass
    try:
        shape = nested_shape(values)
        count = _count_numbers(values)
        if math.prod(shape) > max(MOST_FILLED, MOST_FOR_EACH * count):
            raise ValueError("nearly all of them are empty")
        return np.array(_fill(values, shape), "float64")
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise ValueError(
            f"its lists of numbers are ragged or hold something else: {error}"
        ) from None


def nested_shape(values, depth=8):
    """The sizes of nested lists, of the first ones that go deepest."""
    if not isinstance(values, list) or not depth:
        return ()
    inner = (nested_shape(value, depth - 1) for value in values)
    return len(values), *max(inner, key=len, default=())


def _count_numbers(values):
    if isinstance(values, list):
        return sum(map(_count_numbers, values))
    return values is not None


def _fill(values, shape):
    """Nested lists with NaN in place of what is null or empty."""
    if values is None or (shape and values == []):
        return np.full(shape, np.nan)
    if not shape:
        return values
    size = len(values) if isinstance(values, list) else 0
    if size != shape[0]:
        there = f"{size} entries" if size else "a single value"
        raise ValueError(f"{there} where others have {shape[0]}")
    return [_fill(value, shape[1:]) for value in values]


def to_float32(array):
    """Converts numbers; those beyond the range become infinite."""
    with np.errstate(over="ignore"):
        return np.asarray(array).astype("float32")


def frame_places(numbers):
    """Places of frames in a clip, by the numbers that the frames have.

    Numbers between others that are left out are frames that show nobody:
    trackers write no line for them, and they are lost time, not the end of a
    clip. Where most numbers are a step of `n` apart, every `n`-th frame was
    looked at. Numbers only say the order where they are no whole ones, where
    no step is that of most, or where more than half of a clip would be empty.

    Args:
        numbers: sorted list of different numbers.

    Returns:
        List of integers from 0.

    Example:

    >>> frame_places([4, 6, 8, 12])
    [0, 1, 2, 4]
    """
    in_order = list(range(len(numbers)))
    if len(numbers) < 3 or any(number % 1 for number in numbers):
        return in_order
    steps = collections.Counter(
        after - before for before, after in itertools.pairwise(numbers)
    )
    step, count = steps.most_common(1)[0]
    if 2 * count < len(numbers) - 1 or any(each % step for each in steps):
        return in_order
    places = [int((number - numbers[0]) // step) for number in numbers]
    return places if places[-1] < 2 * len(numbers) else in_order


def with_lost_frames(frames, numbers, lost=()):
    """Frames with others where numbers are left out, see `frame_places`.

    Args:
        frames: list of frames.
        numbers: their numbers, sorted.
        lost: what stands for a frame that shows nobody.
    """
    places = frame_places(numbers)
    whole = [lost] * (places[-1] + 1) if places else []
    for place, frame in zip(places, frames, strict=True):
        whole[place] = frame
    return whole
