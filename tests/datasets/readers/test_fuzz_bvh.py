import contextlib

from fuzzing import fuzzed
from fuzzing import mutated
from hypothesis import given

from keras_skeleton.datasets.readers import bvh

ARM = b"""HIERARCHY
ROOT Hips
{
  OFFSET 0.0 0.0 0.0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT LeftArm
  {
    OFFSET 2.0 0.0 0.0
    CHANNELS 3 Zrotation Xrotation Yrotation
    End Site
    {
      OFFSET 0.0 3.0 0.0
    }
  }
}
MOTION
Frames: 2
Frame Time: 0.0083333
1 2 3 4 5 6 7 8 9
9 8 7 6 5 4 3 2 1
"""


@fuzzed
@given(mutated([ARM, ARM.replace(b"\n", b"\r\n")]))
def test_motions(data):
    with contextlib.suppress(ValueError):
        motion = bvh.parse_bvh(data)
        skeleton = bvh.make_skeleton(motion)
        places = bvh.joint_positions(motion)
        frames = len(motion.values)
        assert places.shape == (frames, skeleton.num_joints, 3)
