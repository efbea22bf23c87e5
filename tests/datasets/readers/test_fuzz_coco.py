import contextlib
import json

import numpy as np
from fuzzing import fuzzed
from fuzzing import mutated
from hypothesis import given

from keras_skeleton.datasets.readers import _extracted
from keras_skeleton.datasets.readers import coco

PERSON = (np.arange(51) / 8).tolist()
ENTRIES = [
    {"image_id": image, "keypoints": PERSON, "score": 0.5, "track_id": 3}
    for image in ("a/1.jpg", "a/20.jpg", 3, 4)
]
EXAMPLES = [
    json.dumps(ENTRIES).encode(),
    json.dumps({"annotations": ENTRIES[2:]}).encode(),
]


@fuzzed
@given(mutated(EXAMPLES))
def test_keypoints(data):
    with contextlib.suppress(ValueError):
        for frames in coco.parse_keypoints(data).values():
            clip = _extracted.track(
                [[person for _, person in persons] for persons in frames],
                2,
                [[identity for identity, _ in persons] for persons in frames],
            )
            assert clip.shape[1] == len(frames)
