import numpy as np
import pytest
from support import read_fixture

from keras_skeleton.datasets._long_tailed import class_counts

pytestmark = pytest.mark.once


def test_class_counts(fixtures_dir):
    paths = sorted(fixtures_dir("brl").glob("class_counts*.npz"))
    if not paths:
        pytest.skip("there are no fixtures brl/class_counts*.npz")
    for path in paths:
        config, arrays = read_fixture(path)
        for split, classes in config["splits"]:
            expected = arrays[f"out/{split}_{classes}_count"]
            largest = int(expected.max())
            # The nominal lists, of a hundredth in the smallest class on
            # NTU and a tenth on NW-UCLA.
            imbalance = 10 if split == "train" else 100
            counts = class_counts(classes, largest, imbalance)
            np.testing.assert_array_equal(counts, expected)
            np.testing.assert_allclose(
                counts.sum() / counts,
                arrays[f"out/{split}_{classes}_inverse_frequency"],
                rtol=1e-5,
            )
