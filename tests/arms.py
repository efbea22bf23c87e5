"""A small data set of clips of different lengths, for tests of data."""

import numpy as np

from keras_skeleton import skeletons
from keras_skeleton.datasets import Sequences

ARM = skeletons.Skeleton(
    "sequences_arm",
    ("body", "elbow", "left_hand", "right_hand"),
    ((1, 0), (2, 1), (3, 1)),
    mirror=((2, 3),),
)
LENGTHS = (5, 1, 9, 70, 3, 6, 130)


def make_clips(lengths=LENGTHS, seed=0):
    generator = np.random.default_rng(seed)
    return [generator.normal(size=(length, 4, 3)) for length in lengths]


def make_data(**changes):
    arguments = {
        "labels": [0, 1, 2, 0, 1, 2, 0],
        "skeleton": ARM,
        "names": list("abcdefg"),
        "metadata": {
            "subject": [1, 1, 2, 2, 3, 3, 4],
            "place": list("xyxyxyx"),
        },
        "class_names": ["wave", "point", "clap"],
        "splits": {"half": {"train": [0, 2, 4, 6], "test": [1, 3, 5]}},
    }
    return Sequences.from_arrays(make_clips(), **{**arguments, **changes})


def assert_equal(first, second):
    assert len(first) == len(second)
    assert first.names == second.names
    assert first.skeleton == second.skeleton
    assert first.class_names == second.class_names
    np.testing.assert_array_equal(first.labels, second.labels)
    np.testing.assert_array_equal(first.bodies, second.bodies)
    np.testing.assert_array_equal(first.lengths, second.lengths)
    assert first.metadata.keys() == second.metadata.keys()
    for name, values in first.metadata.items():
        np.testing.assert_array_equal(values, second.metadata[name])
    assert first.splits.keys() == second.splits.keys()
    for protocol, parts in first.splits.items():
        for part, indices in parts.items():
            found = second.splits[protocol][part]
            np.testing.assert_array_equal(indices, found)
