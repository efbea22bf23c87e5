import numpy as np
import pytest
from arms import make_data

from keras_skeleton.datasets import samplers
from keras_skeleton.layers.augmentation import CropResize

LABELS = np.array([0] * 9 + [2] * 4 + [1] * 2)
ALL = {
    "in_order": samplers.InOrder(),
    "shuffled": samplers.Shuffled(),
    "repeated": samplers.Repeated(3),
    "balanced": samplers.ClassBalanced(),
    "rebalanced": samplers.Rebalanced(1.5),
    "repeated_balanced": samplers.Repeated(2, samplers.ClassBalanced(4)),
}


@pytest.mark.once
@pytest.mark.parametrize("name", ALL)
def test_an_order_is_a_pure_function(name):
    sampler = ALL[name]
    orders = [sampler.order(epoch, 7, LABELS) for epoch in range(3)]
    again = [sampler.order(epoch, 7, LABELS) for epoch in (2, 1, 0)]
    for first, second in zip(orders, reversed(again), strict=True):
        assert first.dtype == "int64"
        np.testing.assert_array_equal(first, second)
    assert len({len(order) for order in orders}) == 1
    is_fixed = name == "in_order"
    assert np.array_equal(orders[0], orders[1]) == is_fixed
    other = sampler.order(0, 8, LABELS)
    assert np.array_equal(orders[0], other) == is_fixed


@pytest.mark.once
def test_repeated():
    order = samplers.Repeated(3).order(1, 5, LABELS)
    parts = [samplers.Shuffled().order(e, 5, LABELS) for e in (3, 4, 5)]
    np.testing.assert_array_equal(order, np.concatenate(parts))
    for times in (0, 1.5):
        with pytest.raises(ValueError, match="`times`"):
            samplers.Repeated(times)


@pytest.mark.once
@pytest.mark.parametrize(("count", "each"), [(None, 5), (1, 1), (9, 9)])
def test_class_balanced(count, each):
    order = samplers.ClassBalanced(count).order(0, 0, LABELS)
    counts = np.bincount(LABELS[order])
    assert counts.tolist() == [each] * 3
    for label in range(3):
        members = np.flatnonzero(LABELS == label)
        shown = np.bincount(order, minlength=len(LABELS))[members]
        assert shown.max() - shown.min() <= 1
    # Classes are mixed.
    assert each == 1 or np.any(np.diff(LABELS[order], n=2))


@pytest.mark.once
def test_rebalanced():
    # The rarest class of three is shown as often as the most frequent one.
    order = samplers.Rebalanced().order(0, 0, LABELS)
    assert np.bincount(LABELS[order]).tolist() == [9, 9, 4]
    shown = np.bincount(order)[LABELS == 1]
    assert sorted(shown) == [4, 5]
    order = samplers.Rebalanced(2, [100, 50, 10]).order(0, 0, LABELS)
    assert np.bincount(LABELS[order]).tolist() == [18, 4, 80]
    with pytest.raises(ValueError, match="names 2 classes"):
        samplers.Rebalanced(class_counts=[3, 1]).order(0, 0, LABELS)
    with pytest.raises(ValueError, match="have no class"):
        samplers.Rebalanced().order(0, 0, np.array([0, -1]))
    with pytest.raises(ValueError, match="`times`"):
        samplers.Rebalanced(0)


@pytest.mark.once
def test_class_balanced_finds_all_clips_in_time():
    sampler = samplers.ClassBalanced()
    seen = set()
    for epoch in range(30):
        seen.update(sampler.order(epoch, 0, LABELS).tolist())
    assert len(seen) == len(LABELS)


@pytest.mark.once
def test_class_balanced_refuses():
    with pytest.raises(ValueError, match="1 of 2 clips have no class"):
        samplers.ClassBalanced().order(0, 0, np.array([0, -1]))
    with pytest.raises(ValueError, match="`count`"):
        samplers.ClassBalanced(0)


class Fixed:
    def __init__(self, *orders):
        self.orders = orders

    def order(self, epoch, seed, labels):
        return self.orders[epoch]


@pytest.mark.parametrize("kind", ["to_keras", "to_dataset"])
@pytest.mark.parametrize("drop_remainder", [True, False])
def test_pipelines_follow_the_sampler(kind, drop_remainder):
    if kind == "to_dataset":
        pytest.importorskip("tensorflow")
    data = make_data()
    sampler = Fixed([6, 1, 1, 0, 1], [5, 4, 3, 2, 1])
    batches = getattr(data, kind)(
        batch_size=2, sampler=sampler, drop_remainder=drop_remainder
    )
    size = 4 if drop_remainder else 5
    assert len(batches) == (size + 1) // 2
    for order in sampler.orders:
        epoch = list(batches)
        clips = np.concatenate([np.asarray(clips) for clips, _ in epoch])
        labels = np.concatenate([np.asarray(labels) for _, labels in epoch])
        expected = data.padded(order, 130)[:size]
        np.testing.assert_array_equal(clips, expected)
        np.testing.assert_array_equal(labels, data.labels[order][:size])


@pytest.mark.once
def test_a_clip_shown_again_is_transformed_anew():
    data = make_data()
    crop = CropResize(8, (0.2, 0.6), min_frames=2)
    arguments = {"batch_size": 7, "seed": 3, "labels": False}
    once = data.to_keras(crop, training=True, **arguments)[0]
    sampler = samplers.Repeated(3, samplers.InOrder())
    batches = data.to_keras(crop, sampler=sampler, **arguments)
    first, second, third = batches
    # The first time with the numbers of an epoch without repeats.
    np.testing.assert_array_equal(first, once)
    assert not np.array_equal(second[6], first[6])
    assert not np.array_equal(second[6], third[6])
    batches.set_epoch(0)
    np.testing.assert_array_equal(batches[2], third)


@pytest.mark.once
def test_shuffle_is_short_for_a_sampler():
    data = make_data()
    crop = CropResize(8, (0.5, 1.0), min_frames=2)
    short = data.to_keras(crop, batch_size=3, shuffle=True, seed=2)
    long = data.to_keras(
        crop, batch_size=3, sampler=samplers.Shuffled(), seed=2
    )
    for one, other in zip(short, long, strict=True):
        np.testing.assert_array_equal(one[0], other[0])
        np.testing.assert_array_equal(one[1], other[1])


@pytest.mark.once
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sampler": samplers.InOrder(), "shuffle": True}, "either shuffle"),
        ({"sampler": "balanced"}, "method `order"),
        ({"sampler": Fixed([7])}, "numbers from 0 to 6. Fixed returned"),
        ({"sampler": Fixed([-1])}, "numbers from 0 to 6"),
        ({"sampler": Fixed([])}, "numbers from 0 to 6"),
        ({"sampler": Fixed([0.5])}, "numbers from 0 to 6"),
    ],
)
def test_wrong_samplers(arguments, message):
    with pytest.raises(ValueError, match=message):
        make_data().to_keras(**arguments)


@pytest.mark.once
def test_epochs_of_different_size():
    batches = make_data().to_keras(sampler=Fixed([0, 1], [0, 1, 2]))
    batches.set_epoch(1)
    with pytest.raises(ValueError, match="gave 2 in epoch 0 and 3 in epoch 1"):
        batches[0]
