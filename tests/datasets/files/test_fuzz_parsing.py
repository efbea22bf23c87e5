import contextlib
import json

import numpy as np
from fuzzing import fuzzed
from fuzzing import mutated
from hypothesis import given
from hypothesis import strategies as st

from keras_skeleton.datasets.files import parsing

VALUES = [[[1, -2.5], [3e4, 0]], [[0.25, 5], [6, 7]]]
TABLE = b"1 2.5 -3e2\n0 4 5\n6 7 8\n"


@fuzzed
@given(mutated([json.dumps(VALUES).encode()]))
def test_json(data):
    with contextlib.suppress(ValueError):
        found = parsing.parse_json(data)
        array = parsing.to_array(found, (None, 2, 2))
        assert array.dtype == np.float32
        assert array.shape[1:] == (2, 2)


@fuzzed
@given(mutated([TABLE, TABLE.replace(b"\n", b"\r\n"), TABLE[:-1]]))
def test_tables(data):
    with contextlib.suppress(ValueError):
        table = parsing.parse_table(data, 3)
        assert table.shape == (len(table), 3)
        lines = [line for line in data.splitlines() if line.strip()]
        expected = [[float(word) for word in line.split()] for line in lines]
        np.testing.assert_array_equal(table, expected)


@fuzzed
@given(st.binary(max_size=200))
def test_any_bytes(data):
    with contextlib.suppress(ValueError):
        parsing.parse_json(data)
    with contextlib.suppress(ValueError):
        parsing.parse_table(data, 2)
