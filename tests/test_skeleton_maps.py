"""Maps of joints between layouts."""

import itertools

import numpy as np
import pytest

from keras_skeleton import skeletons
from keras_skeleton.skeletons import Skeleton
from keras_skeleton.skeletons import mapping

pytestmark = pytest.mark.once

BODIES = sorted({skeletons.get(n).name for n in skeletons.names()})
BODIES.remove("shrec22")  # a hand
FACE = ("nose", "left_eye", "right_eye", "left_ear", "right_ear")


def middle(*joints):
    return dict.fromkeys(joints, pytest.approx(1 / len(joints)))


@pytest.mark.parametrize(
    ("source", "target"), list(itertools.product(BODIES, BODIES))
)
def test_every_pair_of_bodies(source, target):
    found = mapping(source, target, missing="nearest")
    weights = found.weights
    size = found.target.num_joints, found.source.num_joints
    assert weights.shape == size
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-6)
    # A mirrored clip becomes the mirrored one: left is not mixed with right.
    mirrored = weights[list(found.target.mirror_permutation)]
    mirrored = mirrored[:, list(found.source.mirror_permutation)]
    np.testing.assert_allclose(weights, mirrored, atol=1e-6)
    left_out = mapping(source, target, missing="zero")
    assert left_out.missing == found.missing
    for joint in found.target.joints:
        expected = {} if joint in found.missing else found.parts(joint)
        assert left_out.parts(joint) == expected


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        ("coco17", "openpose18", {"neck": ("left_shoulder", "right_shoulder")}),
        (
            "mediapipe33",
            "coco17",
            {"nose": ("nose",), "left_knee": ("left_knee",)},
        ),
        (
            "coco17",
            "h36m17",
            {
                "pelvis": ("left_hip", "right_hip"),
                "thorax": ("left_shoulder", "right_shoulder"),
                "head": ("left_ear", "right_ear"),
                "spine": (
                    *("left_hip", "right_hip"),
                    *("left_shoulder", "right_shoulder"),
                ),
            },
        ),
        (
            "smplx42",
            "ntu",
            {
                "spine_base": ("pelvis",),
                "spine_mid": ("spine2",),
                "neck": ("neck",),
                "left_hand": ("left_wrist", "left_middle_base"),
                "left_hand_tip": ("left_middle_tip",),
                "left_thumb": ("left_thumb",),
            },
        ),
        (
            "ntu",
            "kinect20",
            {
                "hip_center": ("spine_base",),
                "shoulder_center": ("spine_shoulder",),
            },
        ),
        ("panoptic19", "h36m17", {"pelvis": ("body_center",)}),
        (
            "berkeley_mhad43",
            "smpl24",
            {
                "left_hip": (
                    "left_hip_back",
                    "left_hip_front",
                    "left_hip_side",
                ),
                "head": ("head", "left_head", "right_head"),
                "left_hand": ("left_hand_1", "left_hand_2", "left_hand_3"),
                "right_shoulder": ("right_shoulder_1", "right_shoulder_2"),
            },
        ),
    ],
)
def test_documented_joints(source, target, expected):
    found = mapping(source, target)
    assert not found.missing
    for joint, parts in expected.items():
        assert found.parts(joint) == middle(*parts), joint


def test_one_name_for_two_points():
    """The neck of OpenPose is not that of a Kinect."""
    found = mapping("ntu", "openpose25", missing="zero")
    assert found.parts("neck") == {"spine_shoulder": 1}
    assert set(FACE) < set(found.missing)


def test_joints_that_cannot_be_had():
    with pytest.raises(
        ValueError, match="missing are: nose, left_eye, right_eye, left_ear"
    ):
        mapping("ntu", "coco17")
    found = mapping("ntu", "coco17", missing="nearest")
    assert found.missing == FACE
    for joint in FACE:
        assert found.parts(joint) == {"head": 1}
    found = mapping("coco17", "ntu", missing="nearest")
    assert found.parts("right_hand_tip") == {"right_wrist": 1}
    with pytest.raises(ValueError, match="no joint in common"):
        mapping("ntu", "shrec22", missing="nearest")
    with pytest.raises(ValueError, match="'error', 'nearest' or 'zero'"):
        mapping("ntu", "coco17", missing="skip")


def test_layouts_of_others():
    arm = Skeleton(
        "maps_arm", ("spine_base", "sleeve", "left_hand"), ((1, 0), (2, 1))
    )
    found = mapping("kinect20", arm, missing="nearest")
    assert found.missing == ("sleeve",)
    # The nearest along the bones, of two the first.
    assert found.parts("sleeve") == found.parts("spine_base")
    assert found.parts("spine_base") == {"hip_center": 1}
    np.testing.assert_array_equal(mapping(arm, arm).weights, np.eye(3))


def test_clips(random):
    clips = random.normal(size=(2, 1, 4, 17, 3)).astype("float32")
    found = mapping("coco17", "openpose18")
    mapped = found.apply(clips)
    assert mapped.shape == (2, 1, 4, 18, 3)
    np.testing.assert_allclose(
        mapped[..., 1, :], clips[..., 5:7, :].mean(axis=3), atol=1e-6
    )
    np.testing.assert_array_equal(mapped[..., 0, :], clips[..., 0, :])


@pytest.mark.parametrize(("score", "expected"), [("min", 0.2), ("mean", 0.5)])
def test_scores(random, score, expected):
    clips = random.random((3, 17, 3)).astype("float32")
    clips[:, 5:7, 2] = 0.2, 0.8
    clips[1, 6] = 0  # not seen
    found = mapping("coco17", "openpose25", missing="zero")
    mapped = found.apply(clips, score)
    neck = mapped[:, found.target.joints.index("neck")]
    assert neck[0, 2] == pytest.approx(expected)
    np.testing.assert_allclose(neck[0, :2], clips[0, 5:7, :2].mean(axis=0))
    np.testing.assert_array_equal(neck[1], 0)
    toe = found.target.joints.index("left_big_toe")
    np.testing.assert_array_equal(mapped[:, toe], 0)
    np.testing.assert_array_equal(mapped[:, 0], clips[:, 0])
