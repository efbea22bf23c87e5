import json

import numpy as np
import pytest

from keras_skeleton import skeletons
from keras_skeleton.skeletons import Skeleton

pytestmark = pytest.mark.once

ARM = {
    "name": "arm",
    "joints": ("shoulder", "elbow", "hand", "thumb"),
    "edges": ((1, 0), (2, 1), (3, 2)),
}


@pytest.mark.parametrize("name", skeletons.names())
def test_registered_skeletons_are_whole(name):
    skeleton = skeletons.get(name)
    size = skeleton.num_joints
    assert len(skeleton.edges) == size - 1
    assert skeleton.hop_distances().min() == 0
    members = sorted(j for part in skeleton.parts.values() for j in part)
    assert members == list(range(size))
    for left, right in skeleton.mirror:
        assert skeleton.joints[left].startswith("left_")
        twin = skeleton.joints[left].replace("left_", "right_")
        assert skeleton.joints[right] == twin
    sided = [joint for joint in skeleton.joints if joint.startswith("left_")]
    assert len(skeleton.mirror) == len(sided)


@pytest.mark.parametrize("name", skeletons.names())
def test_round_trip(name):
    skeleton = skeletons.get(name)
    text = json.dumps(skeleton.to_dict())
    assert Skeleton.from_dict(json.loads(text)) == skeleton
    assert skeletons.get(skeletons.serialize(skeleton)) == skeleton
    assert hash(skeletons.get(json.loads(text))) == hash(skeleton)


def test_ntu_has_the_published_bones():
    pairs = "1-2 2-21 3-21 4-3 5-21 6-5 7-6 8-7 9-21 10-9 11-10 12-11 13-1 "
    pairs += "14-13 15-14 16-15 17-1 18-17 19-18 20-19 22-23 21-21 23-8 "
    pairs += "24-25 25-12"
    bones = [
        tuple(int(j) - 1 for j in pair.split("-")) for pair in pairs.split()
    ]
    assert sorted(skeletons.get("ntu").bones) == sorted(bones)


def test_nw_ucla_is_kinect20():
    assert skeletons.get("nw_ucla") is skeletons.get("kinect20")
    assert skeletons.get("nw_ucla").root == 2


def swapped(*ranges):
    return [joint for each in ranges for joint in each]


@pytest.mark.parametrize(
    ("name", "permutation"),
    [
        (
            "smpl_24",
            [0, 2, 1, 3, 5, 4, 6, 8, 7, 9, 11, 10, 12, 14, 13, 15, 17, 16, 19]
            # The published list leaves the hands where they are.
            + [18, 21, 20, 23, 22],
        ),
        (
            "smplx_42",
            [0, 2, 1, 3, 5, 4, 6, 8, 7, 9, 11, 10, 12, 14, 13, 15, 17, 16, 19]
            + [18, 21, 20, 22, 24, 23, 26, 25, 27, 29, 28, 31, 30, 35, 36, 37]
            + [32, 33, 34, 40, 41, 38, 39],
        ),
        (
            "berkeley_mhad_43",
            [0, 2, 1, 6, 4, 5, 3, 10, 8, 9, 7]
            + swapped(range(19, 27), range(11, 19))
            + swapped(range(35, 43), range(27, 35)),
        ),
    ],
)
def test_published_mirrors(name, permutation):
    assert list(skeletons.get(name).mirror_permutation) == permutation


def test_published_bones_of_bodies_and_markers():
    smpl = "1-4 4-7 7-10 13-10 16-13 2-1 5-2 8-5 11-8 3-1 6-3 9-6 12-9 14-10 "
    smpl += "17-14 19-17 21-19 23-21 15-10 18-15 20-18 22-20 24-22"
    bones = {
        tuple(sorted(int(j) - 1 for j in pair.split("-")))
        for pair in smpl.split()
    }
    found = skeletons.get("smpl24").edges
    assert {tuple(sorted(pair)) for pair in found} == bones
    # The root is where the published graphs have their centre.
    for name in ("smpl24", "smplx42", "berkeley_mhad43"):
        assert skeletons.get(name).root == skeletons.get(name).center


def test_topology():
    arm = Skeleton(**ARM, mirror=[[2, 3]])
    assert arm.root == 0
    assert arm.parents == (0, 0, 1, 2)
    assert arm.mirror_permutation == (0, 1, 3, 2)
    np.testing.assert_array_equal(arm.adjacency().sum(0), [1, 2, 2, 1])
    np.testing.assert_array_equal(np.diag(arm.adjacency(self_loops=True)), 1)
    np.testing.assert_array_equal(
        arm.hop_distances(),
        [[0, 1, 2, 3], [1, 0, 1, 2], [2, 1, 0, 1], [3, 2, 1, 0]],
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"edges": ((1, 0), (2, 1), (4, 2))}, "numbered 0 to 3"),
        ({"edges": ((1, 0), (1, 2), (3, 2))}, "more than one parent"),
        ({"edges": ((1, 0), (2, 1))}, "3 edges, received 2"),
        ({"edges": ((0, 1), (1, 0), (3, 2))}, "not connected"),
        ({"edges": ((1, 0), (2, 1), (3, 2, 1))}, "must hold pairs"),
        ({"mirror": ((1, 2), (2, 3))}, "joint twice"),
        ({"mirror": ((1, 7),)}, "`mirror` names joint 7"),
        ({"center": 4}, "`center` names joint 4"),
        ({"parts": {"hand": (2, -1)}}, "names joint -1"),
        ({"joints": ("a", "a", "b", "c")}, "named twice"),
        ({"joints": (), "edges": ()}, "empty"),
    ],
)
def test_wrong_skeletons(change, message):
    with pytest.raises(ValueError, match=message):
        Skeleton(**{**ARM, **change})


def test_registry():
    arm = Skeleton(**{**ARM, "name": "registry_test_arm"})
    with pytest.raises(ValueError, match="coco17.*ntu"):
        skeletons.get("registry_test_arm")
    assert skeletons.register(arm) is skeletons.get("registry_test_arm")
    assert skeletons.get(arm) is arm
    assert isinstance(skeletons.serialize(arm), dict)
    other = Skeleton(**{**ARM, "name": "ntu"})
    with pytest.raises(ValueError, match="another skeleton"):
        skeletons.register(other)
    assert skeletons.serialize(other) == other.to_dict()
    with pytest.raises(ValueError, match="Unknown skeleton 25"):
        skeletons.get(25)
    with pytest.raises(ValueError, match="described by"):
        skeletons.get({"name": "arm"})
