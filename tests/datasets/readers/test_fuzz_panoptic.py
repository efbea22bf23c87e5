import contextlib
import json

import numpy as np
from fuzzing import fuzzed
from fuzzing import mutated
from hypothesis import given

from keras_skeleton.datasets.readers import panoptic

NUMBERS = (np.arange(76) / 8).tolist()
BODIES = [{"id": 0, "joints19": NUMBERS}, {"id": 3, "joints15": NUMBERS[:60]}]
FRAME = json.dumps({"version": 0.7, "bodies": BODIES}).encode()


def test_example():
    assert list(panoptic.parse_bodies(FRAME)) == [0, 3]


@fuzzed
@given(mutated([FRAME]))
def test_bodies(data):
    with contextlib.suppress(ValueError):
        for joints in panoptic.parse_bodies(data).values():
            assert joints.shape == (19, 4)
            assert joints.dtype == np.float32
