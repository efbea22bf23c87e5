import numpy as np
import pytest

from keras_skeleton.datasets import Sequences
from keras_skeleton.evaluation import semi_supervised

pytestmark = pytest.mark.once


@pytest.fixture
def train():
    clips = [np.full((4, 20, 3), index + 1.0) for index in range(20)]
    return Sequences.from_arrays(clips, np.arange(20) % 2, skeleton="nw_ucla")


def test_each_repetition_has_its_own_clips(train):
    chosen = []

    def run(few, seed):
        chosen.append((seed, tuple(few.names)))
        return 50 + seed

    result = semi_supervised(run, train, 0.25, repetitions=3, seed=4)
    assert [seed for seed, _ in chosen] == [4, 5, 6]
    assert {len(names) for _, names in chosen} == {5}
    assert len({names for _, names in chosen}) == 3
    assert result.accuracies == [54, 55, 56]
    assert result.mean == 55
    assert result.deviation == pytest.approx(1)
    assert semi_supervised(run, train, 1, repetitions=1).deviation == 0


def test_bad_input(train):
    with pytest.raises(ValueError, match="at least 1"):
        semi_supervised(lambda few, seed: 0, train, 0.5, repetitions=0)
    with pytest.raises(ValueError, match="no clip at all"):
        semi_supervised(lambda few, seed: 0, train, 0.01)
