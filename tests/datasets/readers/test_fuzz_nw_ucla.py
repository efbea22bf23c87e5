"""Damaged files of NW-UCLA are read or refused, and nothing else."""

import json

import numpy as np
from fuzzing import fuzzed
from fuzzing import mutated
from hypothesis import given

from keras_skeleton.datasets.readers import nw_ucla


def text(num_frames, label):
    generator = np.random.default_rng(num_frames)
    clip = np.round(generator.normal(size=(num_frames, 20, 3)), 3).tolist()
    content = {"file_name": "a", "skeletons": clip, "label": label}
    return json.dumps(content).encode()


EXAMPLES = [text(1, 1), text(4, 10)]


@fuzzed
@given(mutated(EXAMPLES))
def test_files(data):
    try:
        clip, label = nw_ucla.parse_clip(data)
    except ValueError as error:
        assert str(error)
    else:
        assert clip.dtype == np.float32
        assert clip.ndim == 3 and clip.shape[-1] == 3
        assert 0 <= label < 10
