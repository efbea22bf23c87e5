"""Maps of joints from one layout to another.

Joints of two layouts are the same where they have the same name. Layouts
that call one point of the body by different names, or different points by
one name, are brought to common names here first, and joints that a layout
lacks are made of those it has where there is a documented way: the neck of
OpenPose, for example, is the middle of the shoulders.
"""

import dataclasses

import numpy as np

from keras_skeleton.skeletons.registry import get
from keras_skeleton.skeletons.skeleton import Skeleton
from keras_skeleton.skeletons.skeleton import SkeletonLike

# Names that mean one point wherever they occur.
_SYNONYMS = {
    "hip_center": "pelvis",
    "mid_hip": "pelvis",
    "spine_base": "pelvis",
    "body_center": "pelvis",
    "spine_mid": "spine",
    "spine2": "spine",
    "torso": "spine",
    "spine_shoulder": "shoulder_center",
}
# Names that mean another point in a layout than elsewhere.
_OPENPOSE = {"neck": "shoulder_center"}
_LOCAL_NAMES = {
    "openpose18": _OPENPOSE,
    "openpose25": _OPENPOSE,
    "openpose25b": {"upper_neck": "neck", "head_top": "head"},
    "halpe26": {**_OPENPOSE, "head_top": "head"},
    "panoptic19": _OPENPOSE,
    "ntu_x67": _OPENPOSE,
    "h36m17": {"thorax": "shoulder_center"},
    "berkeley_mhad43": {"head": "head_front"},
}
# Joints that layouts lack, and what they are the mean of: the first way that
# there is counts.
_MEANS = {
    "pelvis": [("left_hip", "right_hip")],
    "shoulder_center": [("left_shoulder", "right_shoulder")],
    "spine": [("belly", "back_low"), ("pelvis", "shoulder_center")],
    "spine1": [("pelvis", "spine")],
    "spine3": [("spine", "shoulder_center")],
    "neck": [("shoulder_center", "head")],
    "head": [
        ("head_front", "left_head", "right_head"),
        ("left_ear", "right_ear"),
        ("left_eye", "right_eye"),
    ],
}
# What comes nearest to a joint that cannot be had.
_NEAREST = {
    "nose": "head",
    "head": "nose",
    "jaw": "head",
    "head_front": "head",
    "belly": "spine",
    "back_low": "spine",
    "back_top": "shoulder_center",
    "chest": "shoulder_center",
}
for _side in ("left", "right"):
    _SYNONYMS |= {
        f"{_side}_hand_tip": f"{_side}_middle_tip",
        f"{_side}_thumb_tip": f"{_side}_thumb",
    }
    _LOCAL_NAMES["ntu_x67"] = {
        **_LOCAL_NAMES["ntu_x67"],
        # Where the hand begins.
        f"{_side}_hand": f"{_side}_hand_root",
    }
    _LOCAL_NAMES["mediapipe33"] = {
        **_LOCAL_NAMES.get("mediapipe33", {}),
        # Their knuckles.
        f"{_side}_index": f"{_side}_index_base",
        f"{_side}_pinky": f"{_side}_little_base",
    }
    _MEANS |= {
        f"{_side}_{joint}": [
            tuple(
                part if part == "shoulder_center" else f"{_side}_{part}"
                for part in way.split()
            )
            for way in ways
        ]
        for joint, ways in {
            "shoulder": ["shoulder_1 shoulder_2"],
            "collar": ["shoulder_center shoulder"],
            "hip": ["hip_back hip_front hip_side"],
            "arm": ["shoulder elbow"],
            "leg": ["hip knee"],
            "foot": ["big_toe small_toe"],
            "hand": [
                "hand_1 hand_2 hand_3",
                "wrist middle_base",
                "index_base little_base",
            ],
        }.items()
    }
    _NEAREST |= {
        f"{_side}_{joint}": other
        for other, joints in {
            "nose": "eye mouth",
            "head": "ear head",
            "spine": "back side",
        }.items()
        for joint in joints.split()
    }
    _NEAREST |= {
        f"{_side}_{joint}": f"{_side}_{other}"
        for other, joints in {
            "eye": "eyeball eye_inner eye_outer",
            "hand": "wrist thumb middle_tip middle_base index_base "
            "little_base hand_1 hand_2 hand_3",
            "wrist": "hand hand_root",
            "shoulder": "shoulder_1 shoulder_2",
            "hip": "hip_back hip_front hip_side",
            "ankle": "foot heel",
            "foot": "big_toe small_toe",
        }.items()
        for joint in joints.split()
    }


@dataclasses.dataclass(frozen=True, eq=False)
class JointMapping:
    """How the joints of one layout are made of those of another.

    Attributes:
        source: The `Skeleton` of the clips to map.
        target: The `Skeleton` to map to.
        weights: float32 array `(V_target, V_source)`. Each row adds up to 1,
            or is 0 for a joint that is left out.
        missing: Names of the joints of the target that the source cannot
            give; what is in their rows was chosen by `mapping(missing=)`.
    """

    source: Skeleton
    target: Skeleton
    weights: np.ndarray
    missing: tuple = ()

    def parts(self, joint) -> dict:
        """What a joint of the target is made of.

        Args:
            joint: Its name.

        Returns:
            Dict from the names of joints of the source to their weights.
        """
        row = self.weights[self.target.joints.index(joint)]
        return {self.source.joints[i]: float(row[i]) for i in row.nonzero()[0]}

    def apply(self, clips, score=None, ops=np):
        """Maps the joints of clips.

        Args:
            clips: Array `(..., V_source, C)`.
            score: Whether the last coordinate is a score, and that of a mean
                of joints: `"min"`, the least of theirs, or `"mean"`. A joint
                of which one part is absent (score 0) is absent: all 0. `None`
                if there are no scores.
            ops: Module with NumPy's functions for the arrays at hand.

        Returns:
            Array `(..., V_target, C)`.
        """
        if score is None:
            return ops.matmul(self.weights, clips)
        places, scores = clips[..., :-1], clips[..., -1:]
        is_part = self.weights > 0
        # A row for each joint of the target, a column for each of the source.
        table = scores[..., None, :, 0]
        least = ops.min(ops.where(is_part, table, np.float32(np.inf)), axis=-1)
        least = least[..., None]
        new_scores = least
        if score == "mean":
            new_scores = ops.matmul(self.weights, scores)
        mapped = ops.concatenate(
            [ops.matmul(self.weights, places), new_scores], axis=-1
        )
        is_made = is_part.any(axis=1, keepdims=True)
        is_seen = ops.logical_and(is_made, least > 0)
        return ops.where(is_seen, mapped, np.float32(0))


def mapping(
    source: SkeletonLike, target: SkeletonLike, missing="error"
) -> JointMapping:
    """How to make the joints of one layout out of those of another.

    A joint is taken from the joint of the same name or meaning, or else is
    the mean of others, where this is how it is commonly had: the pelvis as
    the middle of the hips, the head as the middle of the ears or else of the
    eyes, the neck of OpenPose and Panoptic, the thorax of Human3.6M and
    Kinect's `spine_shoulder` as the middle of the shoulders, a point of the
    spine as the middle of its neighbours, the hand out of its knuckles, and
    joints out of the markers around them. Such means are near the joint, not
    the joint itself: a Kinect sees the head above the middle of the ears.

    Args:
        source: The layout of the clips, a `Skeleton` or the name of a
            registered one.
        target: The layout to bring them to.
        missing: What becomes of joints that cannot be had: `"error"`;
            `"nearest"`, the next joint that can (of the body: the wrist for a
            hand, the head for the nose; else along the bones of the target);
            or `"zero"`, as joints that were not seen.

    Returns:
        A `JointMapping`.

    Raises:
        ValueError: If joints cannot be had and `missing` is `"error"`, or if
            none can.

    Example:

    >>> neck = mapping("coco17", "openpose18").parts("neck")
    >>> neck
    {'left_shoulder': 0.5, 'right_shoulder': 0.5}
    """
    source, target = get(source), get(target)
    if missing not in ("error", "nearest", "zero"):
        raise ValueError(
            "`missing` must be 'error', 'nearest' or 'zero'. Received "
            f"missing={missing!r}."
        )
    own = {}
    for joint, point in enumerate(_points(source)):
        own.setdefault(point, {joint: 1.0})
    points = _points(target)
    if source == target:
        rows = [{joint: 1.0} for joint in range(source.num_joints)]
    else:
        rows = [_find(point, own) for point in points]
    lacking = [joint for joint, row in enumerate(rows) if row is None]
    _check(source, target, lacking, missing)
    if missing == "nearest":
        found = {j: row for j, row in enumerate(rows) if row is not None}
        for joint in lacking:
            rows[joint] = _stand_in(target, joint, points, own, found)
    weights = np.zeros((target.num_joints, source.num_joints), "float32")
    for joint, row in enumerate(rows):
        for part, weight in (row or {}).items():
            weights[joint, part] = weight
    weights.flags.writeable = False
    names = tuple(target.joints[joint] for joint in lacking)
    return JointMapping(source, target, weights, names)


def _points(skeleton):
    """The common names of the joints of a layout."""
    local = _LOCAL_NAMES.get(skeleton.name, {})
    return [
        local.get(joint, _SYNONYMS.get(joint, joint))
        for joint in skeleton.joints
    ]


def _find(point, own):
    """What a point is made of, a dict of joints to weights, or `None`."""
    if point in own:
        return own[point]
    for way in _MEANS.get(point, ()):
        parts = [_find(each, own) for each in way]
        if None in parts:
            continue
        row = {}
        for part in parts:
            for joint, weight in part.items():
                row[joint] = row.get(joint, 0) + weight / len(parts)
        return row
    return None


def _stand_in(target, joint, points, own, found):
    """What takes the place of a joint that cannot be had."""
    point, tried = points[joint], set()
    while point in _NEAREST and point not in tried:
        tried.add(point)
        point = _NEAREST[point]
        row = _find(point, own)
        if row is not None:
            return row
    distances = target.hop_distances()[joint]
    return found[min(found, key=lambda other: distances[other])]


def _check(source, target, lacking, missing):
    if len(lacking) == target.num_joints:
        raise ValueError(
            f"The layout {source.name!r} has no joint in common with "
            f"{target.name!r}. Joints are told by their names: "
            f"{', '.join(source.joints[:6])}, ... and "
            f"{', '.join(target.joints[:6])}, ..."
        )
    if lacking and missing == "error":
        names = ", ".join(target.joints[joint] for joint in lacking)
        raise ValueError(
            f"Clips of {source.name!r} do not give all joints of "
            f"{target.name!r}; missing are: {names}. Pass missing='nearest' "
            "to take the nearest joints for them, or missing='zero' to leave "
            "them at 0 as joints that were not seen."
        )
