import gzip

import numpy as np
import pytest

from keras_skeleton.datasets._long_tailed import class_counts
from keras_skeleton.datasets._long_tailed import find_names
from keras_skeleton.datasets._long_tailed import long_tailed
from keras_skeleton.datasets._long_tailed import read_name_list

pytestmark = pytest.mark.once

# Classes, largest class, and the sizes of the lists by imbalance.
PUBLISHED = {
    "ntu60": (60, 600, {10: 14142, 50: 9150, 100: 7892}),
    "ntu120_xsub": (120, 600, {10: 28182, 50: 18137, 100: 15600}),
    "ntu120_xset": (120, 400, {10: 18771, 50: 12069, 100: 10378}),
    "nw_ucla": (10, 100, {10: 403}),
}


def make_clips(sizes=(40, 30, 35, 8), seed=3):
    labels = np.repeat(np.arange(len(sizes)), sizes)
    names = [f"S{i % 7:03d}P{i:03d}A{c:03d}" for i, c in enumerate(labels)]
    order = np.random.default_rng(seed).permutation(len(names))
    return [names[i] for i in order], labels[order]


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_sizes(name):
    classes, largest, sizes = PUBLISHED[name]
    for imbalance, size in sizes.items():
        counts = class_counts(classes, largest, imbalance)
        assert counts.sum() == size
        assert counts[0] == largest
        assert counts[-1] == largest // imbalance
        assert (np.diff(counts) <= 0).all()


def test_published_rule():
    # The published script's own steps, with NumPy's global generator.
    names, labels = make_clips()
    state = np.random.get_state()
    np.random.seed(0)
    expected = []
    for label in range(4):
        members = sorted(
            name for name, c in zip(names, labels, strict=True) if c == label
        )
        np.random.shuffle(members)
        expected += members[: int(20 * (1 / 10) ** (label / 3))]
    np.random.set_state(state)
    kept = long_tailed(names, labels, 20, 10)
    assert [names[index] for index in kept] == expected
    assert np.bincount(labels[kept]).tolist() == [20, 9, 4, 2]


def test_order_of_clips_does_not_matter():
    names, labels = make_clips()
    again, same = make_clips(seed=8)
    first = [names[i] for i in long_tailed(names, labels, 20, 10)]
    second = [again[i] for i in long_tailed(again, same, 20, 10)]
    assert first == second
    other = [names[i] for i in long_tailed(names, labels, 20, 10, seed=1)]
    assert first != other


def test_lists_are_nested_and_small_classes_whole():
    names, labels = make_clips((9, 9, 3))
    small, large = (set(long_tailed(names, labels, 9, k)) for k in (9, 2))
    assert small < large
    kept = long_tailed(names, labels, 100, 2)
    np.testing.assert_array_equal(np.sort(kept), np.arange(21))


def test_class_without_clips():
    names, labels = make_clips((9, 9))
    kept = long_tailed(names, labels * 2, 9, 3, num_classes=4)
    assert np.bincount(labels[kept] * 2).tolist() == [9, 0, 4]


def test_published_lists(data_dir):
    folder = data_dir("brl_long_tailed")
    paths = sorted(folder.glob("NTU60_*_exp_*.txt.gz"))
    assert paths
    lists = {}
    for path in paths:
        _, protocol, _, imbalance = path.name.split(".")[0].split("_")
        names = read_name_list(path)
        labels = np.array([int(name[-3:]) for name in names]) - 1
        counts = np.bincount(labels, minlength=60)
        expected = class_counts(60, 600, int(imbalance))
        np.testing.assert_array_equal(counts, expected)
        lists[protocol, int(imbalance)] = set(names)
    for protocol in {protocol for protocol, _ in lists}:
        smallest = lists[protocol, 100]
        assert smallest < lists[protocol, 50] < lists[protocol, 10]


def test_read_name_list(tmp_path):
    text = "b.skeleton\r\na\n\n  c \n"
    plain, packed = tmp_path / "list.txt", tmp_path / "list.txt.gz"
    plain.write_bytes(text.encode())
    packed.write_bytes(gzip.compress(text.encode()))
    assert read_name_list(plain) == read_name_list(str(packed))
    assert read_name_list(plain) == ["b", "a", "c"]


def test_read_name_list_bad_files(tmp_path):
    path = tmp_path / "list.txt.gz"
    with pytest.raises(FileNotFoundError):
        read_name_list(path)
    whole = gzip.compress("\n".join(make_clips()[0]).encode())
    for content in (whole[:-20], b"not compressed", whole[:30] + whole[40:]):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="not a complete .gz"):
            read_name_list(path)
    path = tmp_path / "list.txt"
    for content, message in (
        (b"\n\n", "no names"),
        (b"a b\n", "one name on each line"),
        (b"\xff\xfe", "not a text file"),
    ):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=message):
            read_name_list(path)


def test_find_names():
    names, _ = make_clips()
    found = find_names(names, [names[5], names[2]])
    np.testing.assert_array_equal(found, [2, 5])
    with pytest.warns(UserWarning, match="1 of the 2 names"):
        np.testing.assert_array_equal(find_names(names, [names[5], "x"]), [5])
    with pytest.raises(ValueError, match="None of the 1 names"):
        find_names(names, ["x"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((["a"], [0, 1], 5, 10), "one whole number for each name"),
        ((["a"], [0.5], 5, 10), "one whole number for each name"),
        ((["a", "b"], [0, -1], 5, 10), "1 of them without a class"),
        (([], np.zeros(0, int), 5, 10), "0 clips"),
        ((["a"], [3], 5, 10, 2), "There are 2 classes"),
        ((["a"], [0], 0, 10), "`max_count`"),
        ((["a"], [0], 5, 0.1), "`imbalance`"),
    ],
)
def test_wrong_input(arguments, message):
    with pytest.raises(ValueError, match=message):
        long_tailed(*arguments)
