import contextlib
import pickle

import numpy as np
from fuzzing import fuzzed
from fuzzing import mutated
from hypothesis import given

from keras_skeleton.datasets.readers import dhg
from keras_skeleton.datasets.readers import shrec17
from keras_skeleton.datasets.readers.base import read_units

ROW = " ".join(f"{0.01 * k:.6f}" for k in range(66))
CLIPS = [f"{ROW}\n{ROW}\n{ROW}".encode(), f"{ROW}\r\n".encode()]
LIMITS = b"1 1 1 1 0 4\n14 2 20 5 10 60\n"
ARRAYS = [np.ones((3, 2, 22, 1), "float32"), np.ones((3, 4, 22, 1), "float32")]
LABELS = [["1_1_2_1", "3_2_2_1"], [0, 2]]


@fuzzed
@given(mutated(CLIPS))
def test_frames(data):
    with contextlib.suppress(ValueError):
        frames = shrec17.parse_frames(data)
        assert frames.shape[1:] == (22, 3)
        assert frames.dtype == np.float32


@fuzzed
@given(mutated([LIMITS]))
def test_limits(data):
    with contextlib.suppress(ValueError):
        for key, limits in dhg.parse_limits(data).items():
            assert (len(key), len(limits)) == (4, 2)
            assert min(limits) >= 0


class Source:
    """Files in memory."""

    def __init__(self, files):
        self.files = files
        self.names = list(files)
        self.read = files.get


def prepared(arrays, labels):
    reader = object.__new__(shrec17.PreparedReader)
    reader.classes = 14
    reader._source = Source(
        {"train_skeleton.pkl": arrays, "train_label_14.pkl": labels}
    )
    return read_units(reader, ["train"])


def test_prepared_example():
    clips, skipped = prepared(pickle.dumps(ARRAYS), pickle.dumps(LABELS))
    assert (len(clips), skipped) == (2, [])


@fuzzed
@given(
    mutated([pickle.dumps(ARRAYS, 2), pickle.dumps(ARRAYS, 4)]),
    mutated([pickle.dumps(LABELS, 0), pickle.dumps(LABELS, 4)]),
)
def test_prepared(arrays, labels):
    prepared(arrays, pickle.dumps(LABELS))
    prepared(pickle.dumps(ARRAYS), labels)
