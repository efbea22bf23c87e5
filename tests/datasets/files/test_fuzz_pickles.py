import pickle

import numpy as np
from fuzzing import fuzzed
from fuzzing import mutated
from hypothesis import given
from hypothesis import strategies as st

from keras_skeleton.datasets.files.pickles import StoredArray
from keras_skeleton.datasets.files.pickles import parse_pickle

CONTENT = {
    "split": {"xsub_train": ["a"], "xsub_val": ["b"]},
    "annotations": [
        {
            "frame_dir": "a",
            "label": 1,
            "img_shape": (1080, 1920),
            "keypoint": np.ones((1, 3, 17, 2), "float16"),
            "keypoint_score": np.ones((1, 3, 17), "float16"),
            "valid": {0.5: 3, 0.9: np.int64(1)},
            "source": np.array(["x", "yz"]),
        }
    ],
    "large": np.zeros(5000, "u1"),
}
EXAMPLES = [pickle.dumps(CONTENT, protocol) for protocol in (0, 2, 4, 5)]


@fuzzed
@given(mutated(EXAMPLES), st.booleans())
def test_pickles(data, lazy):
    try:
        found = parse_pickle(data, lazy=lazy)
        if isinstance(found, dict) and isinstance(
            found.get("large"), StoredArray
        ):
            np.asarray(found["large"])
    except ValueError:
        pass
