import contextlib
import struct
import zlib

import numpy as np
from fuzzing import fuzzed
from fuzzing import mutated
from hypothesis import given

from keras_skeleton.datasets.files.matlab import parse_matlab
from keras_skeleton.datasets.readers import penn_action


def element(kind, data):
    padding = b"\0" * (-len(data) % 8)
    return struct.pack("<II", kind, len(data)) + data + padding


def variable(name, array_class, kind, array):
    parts = (
        element(6, struct.pack("<II", array_class, 0))
        + element(5, struct.pack("<ii", *array.shape))
        + element(1, name.encode())
        + element(kind, array.tobytes(order="F"))
    )
    return element(14, parts)


def text(name, value):
    return variable(name, 4, 4, np.array([list(map(ord, value))], "u2"))


JOINTS = np.arange(39, dtype="u1").reshape(3, 13)
ELEMENTS = [
    text("action", "bowl"),
    text("pose", "back"),
    variable("x", 9, 2, JOINTS),
    variable("y", 6, 9, JOINTS.astype("f8")),
    variable("visibility", 9, 2, JOINTS % 2),
    variable("train", 12, 5, np.ones((1, 1), "i4")),
    variable("dimensions", 11, 4, np.array([[36, 48, 3]], "u2")),
]
HEAD = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM"
PACKED = [zlib.compress(data, 0) for data in ELEMENTS]
PACKED = [struct.pack("<II", 15, len(data)) + data for data in PACKED]
EXAMPLES = [HEAD + b"".join(ELEMENTS), HEAD + b"".join(PACKED)]


def test_examples():
    for data in EXAMPLES:
        frames, label, metadata = penn_action.parse_annotation(data)
        assert (frames.shape, label) == ((3, 13, 3), 3)
        assert metadata["width"] == 48


@fuzzed
@given(mutated(EXAMPLES))
def test_annotations(data):
    with contextlib.suppress(ValueError):
        parse_matlab(data)
    with contextlib.suppress(ValueError):
        frames, label, _ = penn_action.parse_annotation(data)
        assert frames.shape[1:] == (13, 3)
        assert 0 <= label < 15
