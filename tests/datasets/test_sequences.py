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
    with pytest.warns(UserWarning, match="1 classes have no clip left"):
        assert data.fraction(0.5, permutation=order).names == list("dba")
    one = data.fraction(0.5, every_class=True)
    assert one.names == data.fraction(0.5, seed=0, every_class=True).names
    assert set(one.labels) == {0, 1, 2} and len(one) == 3
    # The first of each class, and then by the order, which stays.
    found = data.fraction(0.6, permutation=order, every_class=True)
    assert found.names == list("dbac")[:4]
    assert len(data.fraction(0.1, every_class=True)) == 3
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


def masks(count, chosen):
    mask = np.zeros(count, bool)
    mask[chosen] = True
    return mask


@pytest.mark.parametrize("make", [list, np.array, lambda mask: mask.tolist()])
def test_masks_mean_the_same_at_both_doors(make):
    train, test = masks(7, [0, 3, 6]), masks(7, [1, 2, 4, 5])
    splits = {"own": {"train": make(train), "test": make(test)}}
    data = Sequences.from_arrays(make_clips(), skeleton=ARM, splits=splits)
    again = Sequences(data.bodies, data.lengths, skeleton=ARM, splits=splits)
    for each in (data, again):
        found = [part.names for part in each.split("own")]
        assert found == [
            [f"clip_{i:06d}" for i in (0, 3, 6)],
            [f"clip_{i:06d}" for i in (1, 2, 4, 5)],
        ]


def test_splits_by_name():
    splits = {"own": {"train": ["a.json", "c"], "test": np.array(["b", "x"])}}
    with pytest.raises(ValueError, match="1 of the 2 names in .*'test'"):
        make_data(splits=splits)
    splits["own"]["test"] = ["b", "d", "e", "x"]
    with pytest.warns(UserWarning, match="3 of the 4 names .*called 'x'"):
        data = make_data(splits=splits)
    train, test = data.split("own")
    assert train.names == list("ac") and test.names == list("bde")


def test_doubtful_splits_are_told():
    with pytest.warns(UserWarning, match="2 clips are in the 'train' and in"):
        make_data(splits={"own": {"train": [0, 1, 2], "test": [1, 2, 3]}})
    with pytest.warns(UserWarning, match="names 1 clips more than once"):
        make_data(splits={"own": {"train": [0, 1, 1]}})
    mask = [1, 0, 0, 1, 0, 0, 1]
    with pytest.raises(ValueError, match="as many numbers 0 and 1 as there a"):
        make_data(splits={"own": {"train": mask}})


def test_labels_by_name():
    names = ["walk", "run", "walk", "run", "nod", "nod", "walk"]
    data = Sequences.from_arrays(make_clips(), names, skeleton=ARM)
    assert data.class_names == ["nod", "run", "walk"]
    assert data.labels.tolist() == [2, 1, 2, 1, 0, 0, 2]
    order = ["walk", "run", "nod"]
    data = Sequences.from_arrays(
        make_clips(), np.array(names), skeleton=ARM, class_names=order
    )
    assert data.labels.tolist() == [0, 1, 0, 1, 2, 2, 0]
    again = Sequences(
        data.bodies, data.lengths, names, skeleton=ARM, class_names=order
    )
    np.testing.assert_array_equal(again.labels, data.labels)
    unknown = [None, *names[1:]]
    data = Sequences.from_arrays(make_clips(), unknown, skeleton=ARM)
    assert data.labels.tolist() == [-1, 1, 2, 1, 0, 0, 2]
    with pytest.raises(ValueError, match="among the 1 classes.*'run'"):
        Sequences.from_arrays(
            make_clips(), names, skeleton=ARM, class_names=["walk"]
        )


def test_split_by():
    clips = [np.full((3, 4, 3), 1.0 + i) for i in range(40)]
    labels = [i % 4 for i in range(40)]
    subjects = [i // 5 for i in range(40)]
    data = Sequences.from_arrays(
        clips, labels, skeleton=ARM, metadata={"subject": subjects}
    )
    train, test = data.split_by(test=0.3, seed=1)
    assert sorted(train.names + test.names) == data.names
    assert np.bincount(test.labels).tolist() == [3] * 4
    assert data.split_by(test=0.3, seed=1)[1].names == test.names
    assert data.split_by(test=0.3, seed=2)[1].names != test.names
    train, test = data.split_by("subject", test=0.25)
    assert len(test) == 10
    assert not set(train.metadata["subject"]) & set(test.metadata["subject"])
    train, test = data.split_by("subject", test=[1, 7])
    assert set(test.metadata["subject"]) == {1, 7} and len(train) == 30
    rooms = ["a"] * 30 + ["b"] * 10
    assert len(data.split_by(rooms, test=0.2)[1]) == 10
    # A class of one clip stays in the training part.
    few = data.select([0, 4, 8, 1])
    assert few.split_by(test=0.1)[1].labels.tolist() == [0]
    for arguments, reason in (
        ({"by": "camera"}, "are 'subject'. Received: 'camera'"),
        ({"test": 1}, "share above 0 and below 1"),
        ({"test": [3]}, "share above 0 and below 1"),
        ({"by": "subject", "test": [9]}, "No clip is of the group '9'"),
        ({"by": "subject", "test": range(8)}, "none is left"),
        ({"by": ["a"] * 40}, "of one group, 'a'"),
        ({"by": ["a"]}, "40 clips but 1 entries of 'by'"),
    ):
        with pytest.raises(ValueError, match=reason):
            data.split_by(**arguments)


def test_resample():
    line = np.arange(9.0)[:, None, None] + np.ones((9, 4, 3))
    data = Sequences.from_arrays(
        [line, line[:5]],
        [1, 0],
        skeleton=ARM,
        metadata={"frame_rate": [60, 30]},
    )
    slow = data.resample(30)
    assert slow.lengths.tolist() == [5, 5]
    np.testing.assert_array_equal(slow[0][0][0], np.float32(line[::2]))
    np.testing.assert_array_equal(slow[1][0], data[1][0])
    assert slow.metadata["frame_rate"].tolist() == [30, 30]
    assert slow.labels.tolist() == [1, 0] and slow.names == data.names
    fast = data.resample(45, source=[30, 30])
    expected = 1 + np.arange(13) * 30 / 45
    np.testing.assert_allclose(fast[0][0][0, :, 0, 0], expected, rtol=1e-6)
    lost = line.copy()
    lost[4] = lost[7, 2] = 0
    data = Sequences.from_arrays([lost], skeleton=ARM)
    found = data.resample(60, source=30)[0][0][0]
    assert not found[8].any() and not found[14, 2].any()
    # Nothing lies between a joint and one that is lost.
    assert set(np.unique(found[[7, 9]])) <= {0.0, 4.0, 6.0}
    with pytest.raises(ValueError, match="pass `source`"):
        data.resample(30)
    with pytest.raises(ValueError, match="`rate` must be a number above 0"):
        data.resample("fast", 30)
    with pytest.raises(ValueError, match="`source` must be one number"):
        data.resample(30, [30, 30])


def test_zeros_are_counted():
    clip = np.ones((6, 4, 3))
    clip[2:4] = clip[5] = 0
    data = Sequences.from_arrays([clip, clip], skeleton=ARM)
    assert "4 frames of zeros" in repr(data)
    with pytest.warns(UserWarning, match="'clip_000001': show nobody"):
        data = Sequences.from_arrays([clip, 0 * clip], skeleton=ARM)
    assert "1 clips of zeros" in repr(data)


@pytest.mark.parametrize("persons", [1, 2])
def test_axes_of_stgcn_are_recognised(persons):
    generator = np.random.default_rng(0)
    clips = list(generator.normal(size=(2, 3, 30, 4, persons)))
    with pytest.raises(ValueError, match=r"ST-GCN; pass .*transpose\(3, 1, 2"):
        Sequences.from_arrays(clips, skeleton=ARM)
    turned = [clip.transpose(3, 1, 2, 0) for clip in clips]
    data = Sequences.from_arrays(turned, skeleton=ARM)
    assert data.frame_shape == (persons, 4, 3)
    # With a place for a second person who is not there.
    flat = generator.normal(size=(2, 30, 4, 2))
    flat[..., 1] = 0
    with pytest.raises(ValueError, match="ST-GCN"):
        Sequences.from_arrays([flat], skeleton=ARM)
    # Who names the coordinates means it.
    three = generator.normal(size=(3, 30, 4, 2))
    data = Sequences.from_arrays([three], skeleton=ARM, coordinates=("x", "y"))
    assert data.frame_shape == (3, 4, 2)
    with pytest.raises(ValueError, match="1 coordinates, where 2 to 4"):
        Sequences(np.ones((6, 4, 1)), [6], skeleton=ARM)


@pytest.mark.once
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"clips": {"a": np.ones((5, 20, 3))}}, "its keys as `names`"),
        ({"clips": "clips.npy"}, "must be a list of arrays"),
        ({"clips": np.ones((5, 20, 3))}, r"`\[clip\]`"),
        ({"clips": [np.ones((5, 60))]}, r"clip.reshape\(-1, 20, 3\)"),
        ({"clips": [np.ones((5, 120))]}, "swapaxes"),
        ({"labels": 1}, "'labels' must be a list"),
        ({"labels": {1, 2}}, "'labels' must be a list"),
        ({"class_names": ["a", "a"]}, "'a' more than once"),
        ({"class_names": {}}, "must be a list of names"),
        ({"splits": {"train": [0], "test": [1]}}, "names of protocols"),
        ({"splits": [[0], [1]]}, "names of protocols"),
    ],
    ids=str,
)
def test_arguments_of_another_form(change, message):
    given = {"clips": [np.ones((5, 20, 3))] * 2, **change}
    with pytest.raises(ValueError, match=message):
        Sequences.from_arrays(**given, skeleton="kinect20")
