"""Damaged files of PKU-MMD are read or refused, and nothing else."""

import numpy as np
from fuzzing import fuzzed
from fuzzing import mutated
from hypothesis import given

from keras_skeleton.datasets.readers import pku_mmd

ROWS = np.random.default_rng(0).uniform(-1, 3, (4, 150))
SKELETONS = [
    "\n".join(" ".join(f"{x:.4f}" for x in row) for row in ROWS).encode(),
    "\r\n".join(" ".join(f"{x:.1e}" for x in row) for row in ROWS).encode(),
]
ACTIONS = [b"51,0,10,2\n1,20,30,2\n3,395,400,1\n", b"7,40,390,2"]
LISTS = [b"Training videos:\n0002-M, 0002-L\nValidation videos:\n0003-R\n"]


@fuzzed
@given(mutated(SKELETONS))
def test_skeletons(data):
    try:
        rows = pku_mmd.parse_skeletons(data)
    except ValueError as error:
        assert str(error)
    else:
        assert rows.dtype == np.float32 and rows.shape[1:] == (2, 25, 3)
        assert 2 * rows.size <= len(data) + 1


@fuzzed
@given(mutated(ACTIONS))
def test_actions(data):
    try:
        actions = pku_mmd.parse_actions(data)
    except ValueError as error:
        assert str(error)
        return
    assert actions.dtype == np.int64 and actions.shape[1:] == (4,)
    rows = np.ones((50, 2, 25, 3), "float32")
    for action in actions:
        try:
            clip = pku_mmd._cut(rows, *action[:3])
        except ValueError as error:
            assert str(error)
        else:
            assert 1 <= len(clip) <= 50


@fuzzed
@given(mutated(LISTS))
def test_split_lists(data):
    try:
        names = pku_mmd.parse_split_list(data)
    except ValueError as error:
        assert "line 2" in str(error)
    else:
        assert all(isinstance(name, str) for name in names)
