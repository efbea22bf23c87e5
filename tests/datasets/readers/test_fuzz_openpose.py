import contextlib
import json

import numpy as np
from fuzzing import fuzzed
from fuzzing import mutated
from hypothesis import given
from hypothesis import strategies as st

from keras_skeleton.datasets.readers import _extracted
from keras_skeleton.datasets.readers import openpose


def frame(joints, **more):
    numbers = (np.arange(joints * 3) / 8).tolist()
    person = {"pose_keypoints_2d": numbers, **more}
    return json.dumps({"version": 1.3, "people": [person, person]}).encode()


EXAMPLES = [frame(25, person_id=[-1]), frame(18, person_id=[4]), frame(18)]


@fuzzed
@given(st.lists(mutated(EXAMPLES), min_size=1, max_size=3))
def test_frames(files):
    with contextlib.suppress(ValueError):
        frames = [openpose.parse_frame(data) for data in files]
        for persons in frames:
            for identity, joints in persons:
                assert joints.shape[1:] == (3,)
                assert identity is None or isinstance(
                    identity, str | float | int
                )
        if len({len(j) for persons in frames for _, j in persons}) == 1:
            clip = _extracted.track(
                [[joints for _, joints in persons] for persons in frames],
                2,
                [[identity for identity, _ in persons] for persons in frames],
            )
            assert clip.shape[0] <= 2
            assert clip.shape[1] == len(files)
