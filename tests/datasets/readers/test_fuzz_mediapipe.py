import contextlib
import json

import numpy as np
from fuzzing import fuzzed
from fuzzing import mutated
from hypothesis import given

from keras_skeleton.datasets.readers import mediapipe

PERSON = (np.arange(132) / 8).reshape(33, 4).tolist()
NAMED = [dict(zip(mediapipe.VALUES, values, strict=True)) for values in PERSON]
FRAMES = [
    {"pose_landmarks": [PERSON, PERSON]},
    {"pose_landmarks": {"landmark": NAMED}},
    {"pose_landmarks": None},
]
ROW = ",".join(str(k / 8) for k in range(132))
TABLE = f"frame,person,x\n0,0,{ROW}\n0,1,{ROW}\n1,0,{ROW}\n".encode()


@fuzzed
@given(mutated([json.dumps(FRAMES).encode()]))
def test_json(data):
    with contextlib.suppress(ValueError):
        for persons in mediapipe.parse_json(data):
            for person in persons:
                assert person.shape == (33, 4)


@fuzzed
@given(mutated([TABLE]))
def test_csv(data):
    with contextlib.suppress(ValueError):
        for persons in mediapipe.parse_csv(data):
            for person in persons.values():
                assert person.shape == (33, 4)
