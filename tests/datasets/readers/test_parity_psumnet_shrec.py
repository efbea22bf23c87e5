"""The hands of SHREC'17 as the published code prepares them."""

import numpy as np
import pytest
from support import assert_close
from support import read_fixture

from keras_skeleton.datasets.readers import shrec17


def test_normalisation(fixtures_dir):
    paths = sorted(fixtures_dir("psumnet").glob("feeder_shrec*.npz"))
    if not paths:
        pytest.skip("there are no such fixtures")
    for path in paths:
        _, arrays = read_fixture(path)
        found = shrec17.normalize_hand(arrays["in/raw"])
        expected = arrays["out/normalised"][..., 0].transpose(1, 2, 0)
        assert_close(found, np.ascontiguousarray(expected), path.name)
