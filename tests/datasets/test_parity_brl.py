import numpy as np
import pytest
from support import cases
from support import nominal_counts
from support import read_fixture

from keras_skeleton.datasets import samplers

pytestmark = pytest.mark.once


def test_class_counts(fixtures_dir):
    paths = sorted(fixtures_dir("brl").glob("class_counts*.npz"))
    if not paths:
        pytest.skip("there are no fixtures brl/class_counts*.npz")
    for path in paths:
        config, arrays = read_fixture(path)
        for split, classes in config["splits"]:
            expected = arrays[f"out/{split}_{classes}_count"]
            counts = nominal_counts({"split": split, "num_classes": classes})
            np.testing.assert_array_equal(counts, expected)
            np.testing.assert_allclose(
                counts.sum() / counts,
                arrays[f"out/{split}_{classes}_inverse_frequency"],
                rtol=1e-5,
            )


def test_sampler(fixtures_dir):
    for name, config, arrays in cases(fixtures_dir("brl"), "sampler_*.npz"):
        labels, classes = arrays["in/labels"], config["num_classes"]
        counts = nominal_counts(config)
        sampler = samplers.Rebalanced(config["times"], counts)
        expected = arrays["out/class_prob"]
        shows = sampler.shows(labels) / config["times"]
        np.testing.assert_allclose(shows, expected, 1e-5, err_msg=name)
        permutations = [
            arrays[f"in/perm_{i}"] for i in range(config["num_perms"])
        ]
        remaining = iter(permutations)
        order = sampler.drawn(labels, lambda _, rest=remaining: next(rest))
        # Every process takes its share, of as many for all.
        replicas = config["num_replicas"]
        order = np.append(order, order[: -len(order) % replicas])
        order = order[config["rank"] :: replicas]
        assert len(order) == arrays["out/num_samples"]
        np.testing.assert_array_equal(order, arrays["out/indices"], name)
        drawn = np.bincount(labels[order], minlength=classes)
        np.testing.assert_array_equal(drawn, arrays["out/drawn_per_class"])
