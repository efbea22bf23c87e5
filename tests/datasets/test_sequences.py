import re
import subprocess
import sys

import numpy as np
import pytest
from arms import ARM
from arms import LENGTHS
from arms import make_clips
from arms import make_data

from keras_skeleton.datasets import Sequences

pytestmark = pytest.mark.once


def test_clips_and_labels():
    data = make_data()
    for index, clip in enumerate(make_clips()):
        found, label = data[index]
        np.testing.assert_array_equal(found, np.float32(clip)[None])
        assert label == index % 3
    assert data[-1][0].shape == (1, 130, 4, 3)
    with pytest.raises(IndexError):
        data[7]
    assert data.bodies.shape == (sum(LENGTHS), 4, 3)
    text = "7 clips of 1 to 130 frames, 1 person, 4 joints, 3 coordinates, "
    assert repr(data) == f"Sequences({text}3 classes, protocols half)"


def test_several_persons():
    one = np.ones((5, 4, 3))
    two = np.full((2, 3, 4, 3), 2.0)
    data = Sequences.from_arrays([one, two], skeleton=ARM)
    assert data[0][0].shape == (2, 5, 4, 3)
    assert not data[0][0][1].any()
    np.testing.assert_array_equal(data[1][0], two)
    np.testing.assert_array_equal(data.labels, [-1, -1])


def test_select_and_split():
    data = make_data()
    train, test = data.split("half")
    assert train.names == list("aceg") and test.names == list("bdf")
    for part in (train, test):
        for index, name in enumerate(part.names):
            whole = data.names.index(name)
            np.testing.assert_array_equal(part[index][0], data[whole][0])
            assert part[index][1] == data[whole][1]
        bodies = np.concatenate([clip[0] for clip, _ in part])
        np.testing.assert_array_equal(part.bodies, bodies)
        assert part.lengths.sum() == len(bodies)
    picked = data.select([6, -6, 2]).select([2, 1])
    assert picked.names == ["c", "b"]
    np.testing.assert_array_equal(picked.metadata["subject"], [2, 1])
    np.testing.assert_array_equal(picked.splits["half"]["train"], [0])
    chosen = data.select(data.metadata["subject"] == 3)
    assert chosen.names == ["e", "f"]
    assert len(data.select([])) == 0 and "0 clips" in repr(data.select([]))
    for wrong in ([7], [-8], [0.5], [[0]], [True]):
        with pytest.raises(ValueError, match="clips"):
            data.select(wrong)
    with pytest.raises(ValueError, match="'xview'.*'half'"):
        data.split("xview")


def test_persons_come_before_frames():
    one = np.full((5, 4, 3), 1.0)
    two = np.stack([np.full((3, 4, 3), 2.0), np.full((3, 4, 3), 3.0)])
    data = Sequences.from_arrays([one, two], skeleton=ARM)
    assert data.bodies[:, 0, 0].tolist() == [1] * 5 + [2] * 3 + [3] * 3
    assert data.clip(0).shape == (1, 5, 4, 3)
    np.testing.assert_array_equal(data.clip(1), two)
    again = Sequences(
        data.bodies, data.lengths, persons=data.persons, skeleton=ARM
    )
    np.testing.assert_array_equal(again[1][0], two)
    np.testing.assert_array_equal(again[0][0], data[0][0])


def test_take_frames():
    data = make_data()
    taken = data.take_frames([2, 0], np.array([[8, 0, 3], [4, 4, 1]]))
    assert taken.shape == (2, 1, 3, 4, 3)
    np.testing.assert_array_equal(taken[0], data[2][0][:, [8, 0, 3]])
    np.testing.assert_array_equal(taken[1], data[0][0][:, [4, 4, 1]])
    with pytest.raises(IndexError):
        data.take_frames([0], np.array([[5]]))


def test_splits_as_masks():
    mask = np.array([1, 0, 0, 1, 0, 0, 1], bool)
    splits = {"own": {"train": mask, "test": ~mask}}
    data = make_data(splits=splits)
    train, test = data.split("own")
    assert train.names == list("adg") and test.names == list("bcef")
    clips = make_clips()
    clips[3] = np.zeros((0, 4, 3))
    data = Sequences.from_arrays(
        clips, skeleton=ARM, splits=splits, strict=False
    )
    np.testing.assert_array_equal(data.splits["own"]["train"], [0, 5])


def test_fraction():
    data = make_data()
    order = [3, 1, 0, 2, 6, 5, 4]
    assert data.fraction(0.5, permutation=order).names == list("dba")
    assert data.fraction(0.5).names == data.fraction(0.5, seed=0).names
    assert sorted(data.fraction(1.0, seed=3).names) == list("abcdefg")
    for wrong in ({"ratio": 0}, {"ratio": 1.1}, {"ratio": 0.1}):
        with pytest.raises(ValueError):
            data.fraction(**wrong)
    with pytest.raises(ValueError, match="every clip once"):
        data.fraction(0.5, permutation=[0, 0, 1, 2, 3, 4, 5])


def test_padded():
    data = make_data()
    batch = data.padded([2, 0])
    assert batch.shape == (2, 1, 9, 4, 3) and batch.dtype == "float32"
    np.testing.assert_array_equal(batch[1, :, :5], data[0][0])
    assert not batch[1, :, 5:].any()
    np.testing.assert_array_equal(data.padded([2], 4)[0], data[2][0][:, :4])
    assert data.padded([0], 12).shape == (1, 1, 12, 4, 3)


def test_duplicates():
    clips = make_clips()
    data = Sequences.from_arrays([*clips, clips[2], clips[0]], skeleton=ARM)
    np.testing.assert_array_equal(data.duplicates(), [7, 8])
    changed = [clip.copy() for clip in clips]
    changed[1][0, 0, 0] += 1
    changed[4] = changed[4][:2]
    # The same frames in a set with room for two persons.
    changed[6] = np.stack([changed[6], np.zeros_like(changed[6])])
    other = Sequences.from_arrays(changed, skeleton=ARM)
    np.testing.assert_array_equal(data.duplicates(other), [0, 2, 3, 5, 6, 7, 8])
    np.testing.assert_array_equal(other.duplicates(data), [0, 2, 3, 5, 6])


GOOD = np.ones((6, 4, 3))
HOLE = np.ones((6, 4, 3))
HOLE[3, 1, 2] = np.inf


@pytest.mark.parametrize(
    ("clip", "reason"),
    [
        (np.ones((6, 5, 3)), "5 joints.*'sequences_arm' has 4"),
        (np.ones((4, 6, 3)), "frames and joints seem to be swapped"),
        (np.ones((3, 6, 4)), "another order"),
        (np.ones((1, 6, 3, 4)), "another order"),
        (np.ones((6, 4, 9)), "9 coordinates"),
        (np.ones((60, 2, 4, 3)), "persons and frames seem to be swapped"),
        (np.ones((6, 12)), "its shape is"),
        (np.ones((0, 4, 3)), "empty"),
        (HOLE, "infinite.*frame 3"),
        (HOLE[None], "infinite.*frame 3"),
        (np.full((6, 4, 3), 1e300), "infinite"),
        ([[1, 2], [3]], "rectangular"),
        (np.full((6, 4, 3), "1"), "no real numbers"),
        (None, "no real numbers"),
        (np.ones((6, 4, 2)), "2 coordinates, others have 3"),
    ],
)
@pytest.mark.filterwarnings("ignore:overflow")
def test_faulty_clips(clip, reason):
    clips = [GOOD, clip, GOOD * 2]
    arguments = {
        "labels": [0, 1, 2],
        "names": ["first", "bad one", "last"],
        "metadata": {"camera": [1, 2, 3]},
        "splits": {"half": {"train": [0, 1], "test": [2]}},
        "skeleton": ARM,
    }
    with pytest.raises(ValueError, match=rf"1 of 3[\s\S]*bad one.*{reason}"):
        Sequences.from_arrays(clips, **arguments)
    data = Sequences.from_arrays(clips, strict=False, **arguments)
    assert data.names == ["first", "last"]
    np.testing.assert_array_equal(data.labels, [0, 2])
    np.testing.assert_array_equal(data.metadata["camera"], [1, 3])
    np.testing.assert_array_equal(data.splits["half"]["train"], [0])
    np.testing.assert_array_equal(data.splits["half"]["test"], [1])
    ((name, why),) = data.skipped
    assert name == "bad one" and re.search(reason, why)
    assert "1 left out" in repr(data)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"labels": [0, 1]}, "7 clips but 2 entries of 'labels'"),
        ({"labels": np.eye(7)}, "one-hot"),
        ({"labels": [0.5] * 7}, "whole number"),
        ({"labels": [0, 1, 3, 0, 0, 0, 0]}, "the label 3 for clip 2"),
        ({"names": ["a"]}, "entries of 'names'"),
        ({"metadata": {"camera": [1]}}, "entries of 'camera'"),
        ({"splits": {"half": {"train": [99]}}}, "indices"),
        ({"skeleton": "coco17"}, "7 of 7 clips"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        make_data(**arguments)


def test_wrong_structure():
    bodies = np.zeros((6, 4, 3), "float32")
    for lengths in ([3], [3, 0, 3], [7, -1], [1.5, 4.5], [[6]], [], [5]):
        with pytest.raises(ValueError, match="`lengths`"):
            Sequences(bodies, lengths, skeleton=ARM)
    for persons in ([1], [2, 0], [3, 1, 1], [2, 2]):
        with pytest.raises(ValueError, match="`persons`"):
            Sequences(bodies, [2, 2], persons=persons, skeleton=ARM)
    for wrong in (bodies[0], bodies[:, :2]):
        with pytest.raises(ValueError, match="`bodies`"):
            Sequences(wrong, [6], skeleton=ARM)
    with pytest.raises(ValueError, match="no clips"):
        Sequences.from_arrays([], skeleton=ARM)


def test_imports_are_lazy():
    code = (
        "import sys, keras_skeleton.datasets.sequences; "
        "heavy = {'tensorflow', 'keras', 'h5py', 'torch', 'jax'}; "
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
