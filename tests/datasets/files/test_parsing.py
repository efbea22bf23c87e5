import numpy as np
import pytest

from keras_skeleton.datasets.files import parsing


def test_tables():
    table = parsing.parse_table(b"1 2.5\r\n\r\n-3e2  4\n5\t6", 2)
    np.testing.assert_array_equal(table, [[1, 2.5], [-300, 4], [5, 6]])


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b" \n\n", "empty"),
        (b"1 2\n3\n", "line 2 has 1 values; expected 2"),
        (b"1 2\n\n3 4 5", "line 3 has 3 values"),
        (b"1 2\n3 four\n", "line 2 holds something"),
        (b"1 2\n3 \x00\n", "line 2 holds something"),
        (b"1 2\n3 4,5\n", "line 2 holds something"),
        (b"1 2\n3 \xff\n", "line 2 holds something"),
    ],
)
def test_wrong_tables(data, reason):
    with pytest.raises(ValueError, match=reason):
        parsing.parse_table(data, 2)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[1,]", "\0", b"\xff\xfe\x00", "[" * 100_000, '{"a": ' * 9999],
)
def test_wrong_json(text):
    with pytest.raises(ValueError, match="JSON"):
        parsing.parse_json(text)


def test_arrays():
    array = parsing.to_array([[1, 2.5], [3, 1e300]], (None, 2))
    assert array.dtype == np.float32
    np.testing.assert_array_equal(array, [[1, 2.5], [3, np.inf]])
    assert parsing.to_array([], (None,)).shape == (0,)


DEEP = []
for _ in range(900):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    "values",
    [
        [1, [2]],
        ["one"],
        {"a": 1},
        [{"a": 1}],
        None,
        3,
        [[1, 2, 3]],
        [10**400],
        DEEP,
        # Arrays of texts take as much for each as for the longest.
        ["x" * 1_000_000, *["y"] * 100_000],
    ],
)
def test_wrong_arrays(values):
    with pytest.raises(ValueError, match="ragged|expected"):
        parsing.to_array(values, (None, 2))


@pytest.mark.parametrize(
    ("numbers", "places"),
    [
        ([], []),
        ([7], [0]),
        ([0, 1, 2, 5, 6], [0, 1, 2, 5, 6]),
        ([10, 20, 30, 50], [0, 1, 2, 4]),
        # Times, chosen pictures, and numbers that are those of all videos.
        ([0.0, 0.033, 0.067, 0.1], [0, 1, 2, 3]),
        ([0, 7, 12, 30], [0, 1, 2, 3]),
        ([0, 1, 2, 3, 900], [0, 1, 2, 3, 4]),
        ([0, 2, 4, 7], [0, 1, 2, 3]),
    ],
)
def test_places_of_frames(numbers, places):
    assert parsing.frame_places(numbers) == places
