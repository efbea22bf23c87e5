"""Damaged files: what parsers of text and bytes must survive."""

import os
import re

from hypothesis import HealthCheck
from hypothesis import settings
from hypothesis import strategies as st

# How many damaged inputs each parser gets.
FUZZ_EXAMPLES = int(os.environ.get("KERAS_SKELETON_FUZZ", 100))

NUMBER = re.compile(rb"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
ODD_VALUES = (
    b"0",
    b"-1",
    b"1",
    b"2147483648",
    b"99999999999999999999",
    b"1e400",
    b"-1e-400",
    b"nan",
    b"NaN",
    b"inf",
    b"-Infinity",
    b"1.5",
    b"1_0",
    b"0x10",
    b"\xd9\xa3",
    b"null",
    b"true",
    b"[]",
    b"{}",
    b'""',
    b"one",
    b"",
)
ODD_BYTES = (b"\x00", b"\xff", b"\xef\xbb\xbf", b"\r", b"\n\n", b"[" * 5000)


def fuzzed(function):
    """Runs a test on as many examples as the environment asks for."""
    return settings(
        max_examples=FUZZ_EXAMPLES,
        deadline=None,
        derandomize="KERAS_SKELETON_FUZZ" not in os.environ,
        suppress_health_check=list(HealthCheck),
    )(function)


@st.composite
def mutated(draw, examples, most=4):
    """Files that were damaged in one or more ways.

    Args:
        examples: list of bytes, intact files.
        most: The most changes to one file.

    Returns:
        A strategy for bytes.
    """
    data = draw(st.sampled_from(list(examples)))
    for _ in range(draw(st.integers(1, most))):
        data = draw(st.sampled_from(MUTATIONS))(draw, data)
    return data


def _position(draw, data):
    return draw(st.integers(0, len(data)))


def _truncate(draw, data):
    return data[: _position(draw, data)]


def _flip(draw, data):
    if not data:
        return data
    place = draw(st.integers(0, len(data) - 1))
    changed = data[place] ^ (1 << draw(st.integers(0, 7)))
    return data[:place] + bytes([changed]) + data[place + 1 :]


def _set_byte(draw, data):
    place = _position(draw, data)
    value = bytes([draw(st.integers(0, 255))])
    return data[:place] + value + data[place + 1 :]


def _delete(draw, data):
    start = _position(draw, data)
    return data[:start] + data[start + draw(st.integers(1, 200)) :]


def _repeat(draw, data):
    start = _position(draw, data)
    end = min(len(data), start + draw(st.integers(1, 200)))
    return data[:end] + data[start:end] + data[end:]


def _insert(draw, data):
    place = _position(draw, data)
    value = draw(st.sampled_from(ODD_BYTES + ODD_VALUES))
    return data[:place] + value + data[place:]


def _change_number(draw, data):
    # From a random place on, as large files have very many numbers.
    match = NUMBER.search(data, draw(st.integers(0, max(len(data) - 1, 0))))
    match = match or NUMBER.search(data)
    if not match:
        return data
    value = draw(st.sampled_from(ODD_VALUES))
    return data[: match.start()] + value + data[match.end() :]


def _swap_lines(draw, data):
    lines = data.split(b"\n")
    first = draw(st.integers(0, len(lines) - 1))
    second = draw(st.integers(0, len(lines) - 1))
    lines[first], lines[second] = lines[second], lines[first]
    return b"\n".join(lines)


def _delete_line(draw, data):
    lines = data.split(b"\n")
    del lines[draw(st.integers(0, len(lines) - 1))]
    return b"\n".join(lines)


def _other_line_ends(draw, data):
    end = draw(st.sampled_from([b"\r\n", b"\r", b"\n\n"]))
    return data.replace(b"\r\n", b"\n").replace(b"\n", end)


MUTATIONS = (
    _truncate,
    _flip,
    _set_byte,
    _delete,
    _repeat,
    _insert,
    _change_number,
    _change_number,
    _swap_lines,
    _delete_line,
    _other_line_ends,
)
