import numpy as np
import pytest

from keras_skeleton.datasets.readers import _layouts
from keras_skeleton.datasets.readers import bvh
from keras_skeleton.skeletons import Skeleton

ARM = """HIERARCHY
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
  JOINT RightArm
  {
    OFFSET -2.0 0.0 0.0
    CHANNELS 3 Zrotation Xrotation Yrotation
    End Site
    {
      OFFSET 0.0 3.0 1.0
    }
  }
}
MOTION
Frames: 3
Frame Time: 0.0083333
0 0 0 0 0 0 0 0 0 0 0 0
10 20 30 90 0 0 0 90 0 0 0 0
0 0 0 90 90 0 0 0 90 0 0 0
"""
NAMES = ["Hips", "LeftArm", "LeftArm_end", "RightArm", "RightArm_end"]


def test_positions_of_an_example_by_hand():
    motion = bvh.parse_bvh(ARM.encode())
    assert motion.names == NAMES
    assert motion.parents == [-1, 0, 1, 0, 3]
    assert motion.frame_time == 0.0083333
    expected = [
        # No rotation: sums of offsets.
        [[0, 0, 0], [2, 0, 0], [2, 3, 0], [-2, 0, 0], [-2, 3, 1]],
        # About z by 90 degrees x becomes y and y becomes -x. The left arm
        # turns its limb from y to z before, which the root leaves there.
        [[10, 20, 30], [10, 22, 30], [10, 22, 33], [10, 18, 30], [7, 18, 31]],
        # About x first: y becomes z, z becomes -y; then about z. The left
        # arm turns its limb about y before, which does not move it.
        [[0, 0, 0], [0, 2, 0], [0, 2, 3], [0, -2, 0], [1, -2, 3]],
    ]
    np.testing.assert_allclose(bvh.joint_positions(motion), expected, atol=1e-9)


def test_order_of_the_channels():
    """One joint turned about y, then x, then z, each by its own angle."""
    order = "Yrotation Xrotation Zrotation"
    text = ARM.replace("Zrotation Xrotation Yrotation", order)
    angles = np.radians([20, 35, -50])
    (cy, cx, cz), (sy, sx, sz) = np.cos(angles), np.sin(angles)
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    text = text.replace("0 0 0 0 0 0 0 0 0 0 0 0", "0 0 0 20 35 -50" + " 0" * 6)
    found = bvh.joint_positions(bvh.parse_bvh(text.encode()))[0]
    expected = about_y @ about_x @ about_z @ [-2, 3, 1]
    np.testing.assert_allclose(found[4], expected, atol=1e-12)


def test_bones_keep_their_length():
    rng = np.random.default_rng(0)
    rows = "\n".join(
        " ".join(map(str, rng.normal(0, 90, 12))) for _ in range(3)
    )
    text = ARM[: ARM.index("0 0 0 0 0 0 0")] + rows
    motion = bvh.parse_bvh(text.encode())
    places = bvh.joint_positions(motion)
    for joint, parent in enumerate(motion.parents[1:], 1):
        lengths = np.linalg.norm(places[:, joint] - places[:, parent], axis=-1)
        expected = np.linalg.norm(motion.offsets[joint])
        np.testing.assert_allclose(lengths, expected)


def test_position_channels_replace_or_add():
    text = ARM.replace("OFFSET 0.0 0.0 0.0", "OFFSET 1.0 0.0 5.0")
    text = text.replace(
        "6 Xposition Yposition Zposition", "5 Zposition Xposition"
    )
    text = text.replace("0 0 0 0 0 0 0 0 0 0 0 0", "7 9 0 0 0 0 0 0 0 0 0")
    text = text.replace("10 20 30 90", "0 0 90").replace(
        "0 0 0 90 90", "0 0 0 9"
    )
    motion = bvh.parse_bvh(text.encode())
    found = bvh.joint_positions(motion)[0, 0]
    np.testing.assert_array_equal(found, [9, 0, 7])
    found = bvh.joint_positions(motion, relative_positions=True)[0, 0]
    np.testing.assert_array_equal(found, [10, 0, 12])


def test_load_data(tmp_path):
    longer = ARM.replace("OFFSET 2.0", "OFFSET 4.0").replace("\n", "\r\n")
    (tmp_path / "wave.bvh").write_text(ARM)
    (tmp_path / "taller").mkdir()
    (tmp_path / "taller" / "wave.BVH").write_bytes(longer.encode())
    data = bvh.load_data(
        tmp_path, scale=0.01, labels={"taller/wave": "wave"}, strict=True
    )
    assert data.names == ["taller/wave", "wave"]
    np.testing.assert_array_equal(data.labels, [0, -1])
    np.testing.assert_allclose(data.metadata["frame_time"], 0.0083333)
    skeleton = data.skeleton
    assert skeleton.joints == tuple(NAMES)
    assert skeleton.parents == (0, 0, 1, 0, 3)
    assert skeleton.mirror == ((1, 3), (2, 4))
    assert data[0][0].shape == (1, 3, 5, 3)
    np.testing.assert_allclose(data[0][0][0, 0, 1], [0.04, 0, 0], atol=1e-7)
    np.testing.assert_allclose(data[1][0][0, 0, 1], [0.02, 0, 0], atol=1e-7)


def test_equal_names_and_sides():
    text = ARM.replace("LeftArm", "L_arm").replace("RightArm", "R_arm")
    skeleton = bvh.make_skeleton(bvh.parse_bvh(text.encode()))
    assert skeleton.mirror == ((1, 3), (2, 4))
    text = ARM.replace("RightArm", "LeftArm")
    skeleton = bvh.make_skeleton(bvh.parse_bvh(text.encode()))
    assert skeleton.joints[3:] == ("LeftArm_2", "LeftArm_2_end")
    assert skeleton.mirror == ()


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("HIERARCHY", "HIERARCHIE", "does not begin with HIERARCHY"),
        ("MOTION", "", "no part MOTION"),
        ("ROOT Hips", "JOINT Hips", "does not grow from one ROOT"),
        ("JOINT RightArm", "ROOT RightArm", "does not grow from one ROOT"),
        ("}\nMOTION", "MOTION", "not complete"),
        ("}\nMOTION", "}\n}\nMOTION", "its hierarchy holds b'}'"),
        ("}\nMOTION", "} ROOT B { OFFSET 1 1 1 }\nMOTION", "one ROOT"),
        ("OFFSET 2.0", "OFFSET two", "'two' is not a number"),
        ("OFFSET 2.0", "OFFSETS 2.0", "where b'OFFSET' is expected"),
        ("CHANNELS 6", "CHANNELS 7", "7 channels"),
        ("CHANNELS 6", "CHANNELS -1", "not a whole number"),
        ("CHANNELS 6", "CHANNELS 5", "holds b'Yrotation'"),
        ("Yposition", "Wposition", "no channel b'Wposition'"),
        ("Frames: 3", "Frames: 4", "36 numbers; expected 4 frames of 12"),
        ("Frames: 3", "Frames: 99999999999999999999", "expected 99999"),
        ("Frames: 3", "Frames: three", "not a whole number"),
        ("Frames: 3", "", "lacks `Frames:`"),
        ("Time: 0.0083333", "Time: nan", "`Frame Time:` is nan"),
        ("10 20 30", "10 2O 30", "not a number"),
        ("10 20 30", "10 inf 30", "infinite"),
        ("10 20 30", "10 1e300 30", "infinite"),
        ("JOINT RightArm", "JOINT OtherArm", "are not the 5"),
    ],
)
def test_bad_files_are_reported(tmp_path, old, new, reason):
    (tmp_path / "a.bvh").write_text(ARM)
    assert old in ARM
    (tmp_path / "b.bvh").write_text(ARM.replace(old, new))
    with pytest.warns(UserWarning, match=r"\bb(.bvh)?:"):
        data = bvh.load_data(tmp_path)
    assert data.names == ["a"]
    assert reason in data.skipped[0][1]
    with pytest.raises(ValueError, match=r"b(.bvh)?:"):
        bvh.load_data(tmp_path, strict=True)


def test_too_much(tmp_path):
    joints = "".join(
        f"JOINT j{i} {{ OFFSET 1 1 1 CHANNELS 0 }}\n" for i in range(255)
    )
    head = "HIERARCHY ROOT r { OFFSET 0 0 0 CHANNELS 1 Xposition\n"
    tail = "\nMOTION\nFrames: {0}\nFrame Time: 1\n"
    text = head + joints + "}" + tail.format(70_000) + "1 " * 70_000
    with pytest.raises(ValueError, match="too long"):
        bvh.parse_bvh(text.encode())
    text = head + joints + "JOINT k { OFFSET 1 1 1 } }" + tail.format(1) + "1"
    with pytest.raises(ValueError, match="more than 256 joints"):
        bvh.parse_bvh(text.encode())
    (tmp_path / "a.bvh").write_text("no")
    with pytest.raises(
        ValueError, match="None of the 1 files.* is a BVH file.*begin with HIER"
    ):
        bvh.load_data(tmp_path)
    with pytest.raises(FileNotFoundError, match=".bvh file"):
        bvh.load_data(tmp_path / "nowhere")


BIPED = """HIERARCHY
ROOT Bip01 Pelvis
{
  OFFSET 0 0 0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT Bip01 L Thigh {
    OFFSET 1 0 0
    CHANNELS 1 Zrotation
    End Site
    {
      OFFSET 0 -4 0
    }
  }
  JOINT Bip01 R Thigh
  {
    OFFSET -1 0 0
    CHANNELS 1 Zrotation
    End Site of the leg
    {
      OFFSET 0 -4 0
    }
  }
}
MOTION
Frames: 1
Frame Time: 0.1
0 9 0 0 0 0 90 0
"""


def test_names_with_spaces():
    motion = bvh.parse_bvh(BIPED.encode())
    left, right = "Bip01 L Thigh", "Bip01 R Thigh"
    ends = [f"{side}_end" for side in (left, right)]
    assert motion.names == ["Bip01 Pelvis", left, ends[0], right, ends[1]]
    assert bvh.make_skeleton(motion).mirror == ((1, 3), (2, 4))
    places = bvh.joint_positions(motion)[0]
    np.testing.assert_allclose(places[2], [5, 9, 0], atol=1e-12)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("LeftUpLeg", "RightUpLeg"),
        ("mixamorig:LeftUpLeg", "mixamorig:RightUpLeg"),
        ("Bip01 L Thigh", "Bip01 R Thigh"),
        ("thigh.L", "thigh.R"),
        ("thigh_l", "thigh_r"),
        ("upper_arm.L.001", "upper_arm.R.001"),
        ("lThigh", "rThigh"),
        ("LHip", "RHip"),
        ("L_Hip", "R_Hip"),
        ("l_hip", "r_hip"),
        ("left thigh", "right thigh"),
        ("hipL", "hipR"),
    ],
)
def test_sides_in_names(left, right):
    names = ["Hips", right, left, "Collar", "Lower back"]
    assert _layouts.mirror(names) == [(2, 1)]
    assert _layouts.mirror(["Hips", left]) == []


def test_the_first_reason_is_kept(tmp_path):
    (tmp_path / "a.bvh").write_text("no")
    (tmp_path / "b.bvh").write_text(BIPED.replace("OFFSET -1", "OFFSET one"))
    with pytest.raises(
        ValueError, match="can be read. 'b.bvh': line 16: 'one'"
    ):
        bvh.load_data(tmp_path)


def test_another_layout_can_be_named(tmp_path):
    (tmp_path / "a.bvh").write_text(BIPED)
    own = Skeleton("legs", "abcde", [(1, 0), (2, 1), (3, 0), (4, 3)])
    assert bvh.load_data(tmp_path, skeleton=own).skeleton == own
    with pytest.raises(ValueError, match="25 joints, the data have 5"):
        bvh.load_data(tmp_path, skeleton="ntu")
    for wrong in ("abc", 0, -1, None, True, float("nan")):
        with pytest.raises(ValueError, match="`scale` must be a number above"):
            bvh.load_data(tmp_path, scale=wrong)
    with pytest.raises(ValueError, match="must be true or false"):
        bvh.load_data(tmp_path, relative_positions="no")


def test_sides_without_a_partner_are_told(tmp_path):
    names = ("Hips", "LHip", "RHip", "LKnee", "RKne", "Lumbar", "lower", "L5")
    skeleton = Skeleton("own", names, [(j, 0) for j in range(1, 8)], [(1, 2)])
    with pytest.warns(UserWarning, match="The joints 'LKnee', 'RKne' name"):
        _layouts.check_sides(skeleton)
    path = tmp_path / "a.bvh"
    path.write_text(BIPED.replace("Bip01 R Thigh", "Bip01 Thigh"))
    with pytest.warns(UserWarning, match="name a side"):
        data = bvh.load_data(path)
    # One's own layout is believed.
    bvh.load_data(path, skeleton=data.skeleton)
