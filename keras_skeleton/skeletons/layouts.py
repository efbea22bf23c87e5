"""The layouts that come with the package."""

from keras_skeleton.skeletons.registry import get
from keras_skeleton.skeletons.registry import register_built_in
from keras_skeleton.skeletons.skeleton import Skeleton


def _chains(*chains):
    """Edges along chains of joints that start at the parent's end."""
    return tuple(
        (child, parent)
        for chain in chains
        for parent, child in zip(chain, chain[1:], strict=False)
    )


def _sides(left, right):
    return tuple(zip(left, right, strict=True))


def _built_in(*aliases, joints, **arguments):
    register_built_in(Skeleton(joints=joints.split(), **arguments), *aliases)


_built_in(
    name="ntu",
    joints="spine_base spine_mid neck head "
    "left_shoulder left_elbow left_wrist left_hand "
    "right_shoulder right_elbow right_wrist right_hand "
    "left_hip left_knee left_ankle left_foot "
    "right_hip right_knee right_ankle right_foot spine_shoulder "
    "left_hand_tip left_thumb right_hand_tip right_thumb",
    # Hand tips hang on the thumbs and thumbs on the hands, as in the graph
    # that most published models on this layout use.
    edges=_chains(
        (20, 1, 0),
        (20, 2, 3),
        (20, 4, 5, 6, 7, 22, 21),
        (20, 8, 9, 10, 11, 24, 23),
        (0, 12, 13, 14, 15),
        (0, 16, 17, 18, 19),
    ),
    mirror=_sides(
        (4, 5, 6, 7, 12, 13, 14, 15, 21, 22),
        (8, 9, 10, 11, 16, 17, 18, 19, 23, 24),
    ),
    center=1,
    parts={
        "trunk": (0, 1, 2, 3, 20),
        "left_arm": (4, 5, 6, 7, 21, 22),
        "right_arm": (8, 9, 10, 11, 23, 24),
        "left_leg": (12, 13, 14, 15),
        "right_leg": (16, 17, 18, 19),
    },
)
_built_in(
    "nw_ucla",
    name="kinect20",
    joints="hip_center spine shoulder_center head "
    "left_shoulder left_elbow left_wrist left_hand "
    "right_shoulder right_elbow right_wrist right_hand "
    "left_hip left_knee left_ankle left_foot "
    "right_hip right_knee right_ankle right_foot",
    edges=_chains(
        (2, 1, 0),
        (2, 3),
        (2, 4, 5, 6, 7),
        (2, 8, 9, 10, 11),
        (0, 12, 13, 14, 15),
        (0, 16, 17, 18, 19),
    ),
    mirror=_sides((4, 5, 6, 7, 12, 13, 14, 15), (8, 9, 10, 11, 16, 17, 18, 19)),
    center=1,
    parts={
        "trunk": (0, 1, 2, 3),
        "left_arm": (4, 5, 6, 7),
        "right_arm": (8, 9, 10, 11),
        "left_leg": (12, 13, 14, 15),
        "right_leg": (16, 17, 18, 19),
    },
)
_built_in(
    name="coco17",
    joints="nose left_eye right_eye left_ear right_ear "
    "left_shoulder right_shoulder left_elbow right_elbow "
    "left_wrist right_wrist left_hip right_hip left_knee right_knee "
    "left_ankle right_ankle",
    edges=_chains(
        (0, 1, 3),
        (0, 2, 4),
        (0, 5, 7, 9),
        (0, 6, 8, 10),
        (5, 11, 13, 15),
        (6, 12, 14, 16),
    ),
    mirror=_sides(range(1, 17, 2), range(2, 17, 2)),
    parts={
        "head": (0, 1, 2, 3, 4),
        "left_arm": (5, 7, 9),
        "right_arm": (6, 8, 10),
        "left_leg": (11, 13, 15),
        "right_leg": (12, 14, 16),
    },
)
# What ACLNet makes of `coco17`: three joints in the middle of the body more.
_built_in(
    "coco_new",
    name="coco20",
    joints="nose left_eye right_eye left_ear right_ear "
    "left_shoulder right_shoulder left_elbow right_elbow "
    "left_wrist right_wrist left_hip right_hip left_knee right_knee "
    "left_ankle right_ankle pelvis spine shoulder_center",
    edges=_chains(
        (19, 0, 1, 3),
        (0, 2, 4),
        (19, 5, 7, 9),
        (19, 6, 8, 10),
        (19, 18, 17, 11, 13, 15),
        (17, 12, 14, 16),
    ),
    mirror=_sides(range(1, 17, 2), range(2, 17, 2)),
    center=19,
    parts={
        "head": (0, 1, 2, 3, 4),
        "trunk": (17, 18, 19),
        "left_arm": (5, 7, 9),
        "right_arm": (6, 8, 10),
        "left_leg": (11, 13, 15),
        "right_leg": (12, 14, 16),
    },
)
_built_in(
    name="openpose18",
    joints="nose neck right_shoulder right_elbow right_wrist "
    "left_shoulder left_elbow left_wrist right_hip right_knee right_ankle "
    "left_hip left_knee left_ankle right_eye left_eye right_ear left_ear",
    edges=_chains(
        (1, 0, 14, 16),
        (0, 15, 17),
        (1, 2, 3, 4),
        (1, 5, 6, 7),
        (2, 8, 9, 10),
        (5, 11, 12, 13),
    ),
    mirror=_sides((5, 6, 7, 11, 12, 13, 15, 17), (2, 3, 4, 8, 9, 10, 14, 16)),
    center=1,
    parts={
        "head": (0, 1, 14, 15, 16, 17),
        "left_arm": (5, 6, 7),
        "right_arm": (2, 3, 4),
        "left_leg": (11, 12, 13),
        "right_leg": (8, 9, 10),
    },
)
_built_in(
    name="openpose25",
    joints="nose neck right_shoulder right_elbow right_wrist "
    "left_shoulder left_elbow left_wrist mid_hip "
    "right_hip right_knee right_ankle left_hip left_knee left_ankle "
    "right_eye left_eye right_ear left_ear left_big_toe left_small_toe "
    "left_heel right_big_toe right_small_toe right_heel",
    edges=_chains(
        (1, 0, 15, 17),
        (0, 16, 18),
        (1, 2, 3, 4),
        (1, 5, 6, 7),
        (1, 8, 9, 10, 11, 22, 23),
        (11, 24),
        (8, 12, 13, 14, 19, 20),
        (14, 21),
    ),
    mirror=_sides(
        (5, 6, 7, 12, 13, 14, 16, 18, 19, 20, 21),
        (2, 3, 4, 9, 10, 11, 15, 17, 22, 23, 24),
    ),
    center=1,
    parts={
        "trunk": (0, 1, 8, 15, 16, 17, 18),
        "left_arm": (5, 6, 7),
        "right_arm": (2, 3, 4),
        "left_leg": (12, 13, 14, 19, 20, 21),
        "right_leg": (9, 10, 11, 22, 23, 24),
    },
)
# OpenPose's experimental BODY_25B: the joints of COCO, then the upper neck,
# the top of the head and the feet.
_built_in(
    "body_25b",
    name="openpose25b",
    joints="nose left_eye right_eye left_ear right_ear left_shoulder "
    "right_shoulder left_elbow right_elbow left_wrist right_wrist left_hip "
    "right_hip left_knee right_knee left_ankle right_ankle upper_neck "
    "head_top left_big_toe left_small_toe left_heel right_big_toe "
    "right_small_toe right_heel",
    edges=_chains(
        (17, 0, 1, 3),
        (0, 2, 4),
        (17, 18),
        (17, 5, 7, 9),
        (17, 6, 8, 10),
        (5, 11, 13, 15, 19, 20),
        (15, 21),
        (6, 12, 14, 16, 22, 23),
        (16, 24),
    ),
    mirror=_sides(
        (1, 3, 5, 7, 9, 11, 13, 15, 19, 20, 21),
        (2, 4, 6, 8, 10, 12, 14, 16, 22, 23, 24),
    ),
    center=17,
    parts={
        "head": (0, 1, 2, 3, 4, 17, 18),
        "left_arm": (5, 7, 9),
        "right_arm": (6, 8, 10),
        "left_leg": (11, 13, 15, 19, 20, 21),
        "right_leg": (12, 14, 16, 22, 23, 24),
    },
)
# Halpe-FullBody's 26 joints, which AlphaPose and MMPose estimate.
_built_in(
    "halpe_26",
    name="halpe26",
    joints="nose left_eye right_eye left_ear right_ear left_shoulder "
    "right_shoulder left_elbow right_elbow left_wrist right_wrist left_hip "
    "right_hip left_knee right_knee left_ankle right_ankle head_top neck "
    "mid_hip left_big_toe right_big_toe left_small_toe right_small_toe "
    "left_heel right_heel",
    edges=_chains(
        (18, 0, 1, 3),
        (0, 2, 4),
        (18, 17),
        (18, 5, 7, 9),
        (18, 6, 8, 10),
        (18, 19, 11, 13, 15, 20, 22),
        (15, 24),
        (19, 12, 14, 16, 21, 23),
        (16, 25),
    ),
    mirror=_sides(
        (1, 3, 5, 7, 9, 11, 13, 15, 20, 22, 24),
        (2, 4, 6, 8, 10, 12, 14, 16, 21, 23, 25),
    ),
    center=18,
    parts={
        "head": (0, 1, 2, 3, 4, 17),
        "trunk": (18, 19),
        "left_arm": (5, 7, 9),
        "right_arm": (6, 8, 10),
        "left_leg": (11, 13, 15, 20, 22, 24),
        "right_leg": (12, 14, 16, 21, 23, 25),
    },
)
_built_in(
    name="penn13",
    joints="head left_shoulder right_shoulder left_elbow right_elbow "
    "left_wrist right_wrist left_hip right_hip left_knee right_knee "
    "left_ankle right_ankle",
    edges=_chains((0, 1, 3, 5), (0, 2, 4, 6), (1, 7, 9, 11), (2, 8, 10, 12)),
    mirror=_sides(range(1, 13, 2), range(2, 13, 2)),
    parts={
        "head": (0,),
        "left_arm": (1, 3, 5),
        "right_arm": (2, 4, 6),
        "left_leg": (7, 9, 11),
        "right_leg": (8, 10, 12),
    },
)
_built_in(
    name="mediapipe33",
    joints="nose left_eye_inner left_eye left_eye_outer right_eye_inner "
    "right_eye right_eye_outer left_ear right_ear left_mouth right_mouth "
    "left_shoulder right_shoulder left_elbow right_elbow left_wrist "
    "right_wrist left_pinky right_pinky left_index right_index left_thumb "
    "right_thumb left_hip right_hip left_knee right_knee left_ankle "
    "right_ankle left_heel right_heel left_foot right_foot",
    edges=_chains(
        (0, 1, 2, 3, 7),
        (0, 4, 5, 6, 8),
        (0, 9),
        (0, 10),
        (0, 11, 13, 15, 17),
        (15, 19),
        (15, 21),
        (0, 12, 14, 16, 18),
        (16, 20),
        (16, 22),
        (11, 23, 25, 27, 29, 31),
        (12, 24, 26, 28, 30, 32),
    ),
    mirror=_sides(
        (1, 2, 3, 7, *range(9, 33, 2)), (4, 5, 6, 8, *range(10, 33, 2))
    ),
    parts={
        "head": tuple(range(11)),
        "left_arm": tuple(range(11, 23, 2)),
        "right_arm": tuple(range(12, 23, 2)),
        "left_leg": tuple(range(23, 33, 2)),
        "right_leg": tuple(range(24, 33, 2)),
    },
)
_built_in(
    name="h36m17",
    joints="pelvis right_hip right_knee right_ankle left_hip left_knee "
    "left_ankle spine thorax neck head left_shoulder left_elbow left_wrist "
    "right_shoulder right_elbow right_wrist",
    edges=_chains(
        (0, 1, 2, 3),
        (0, 4, 5, 6),
        (0, 7, 8, 9, 10),
        (8, 11, 12, 13),
        (8, 14, 15, 16),
    ),
    mirror=_sides((4, 5, 6, 11, 12, 13), (1, 2, 3, 14, 15, 16)),
    parts={
        "trunk": (0, 7, 8, 9, 10),
        "left_arm": (11, 12, 13),
        "right_arm": (14, 15, 16),
        "left_leg": (4, 5, 6),
        "right_leg": (1, 2, 3),
    },
)
_built_in(
    name="itop15",
    joints="head neck right_shoulder left_shoulder right_elbow left_elbow "
    "right_hand left_hand torso right_hip left_hip right_knee left_knee "
    "right_foot left_foot",
    edges=_chains(
        (8, 1, 0),
        (1, 2, 4, 6),
        (1, 3, 5, 7),
        (8, 9, 11, 13),
        (8, 10, 12, 14),
    ),
    mirror=_sides((3, 5, 7, 10, 12, 14), (2, 4, 6, 9, 11, 13)),
    center=8,
    parts={
        "trunk": (0, 1, 8),
        "left_arm": (3, 5, 7),
        "right_arm": (2, 4, 6),
        "left_leg": (10, 12, 14),
        "right_leg": (9, 11, 13),
    },
)
_built_in(
    name="shrec22",
    joints="wrist palm "
    + " ".join(
        f"{finger}_{place}"
        for finger in ("thumb", "index", "middle", "ring", "little")
        for place in ("base", "first", "second", "tip")
    ),
    edges=_chains(
        (0, 1, 2, 3, 4, 5),
        (1, 6, 7, 8, 9),
        (1, 10, 11, 12, 13),
        (1, 14, 15, 16, 17),
        (1, 18, 19, 20, 21),
    ),
    parts={
        "palm": (0, 1),
        "thumb": (2, 3, 4, 5),
        "index": (6, 7, 8, 9),
        "middle": (10, 11, 12, 13),
        "ring": (14, 15, 16, 17),
        "little": (18, 19, 20, 21),
    },
)
_built_in(
    name="panoptic19",
    joints="neck nose body_center "
    "left_shoulder left_elbow left_wrist left_hip left_knee left_ankle "
    "right_shoulder right_elbow right_wrist right_hip right_knee right_ankle "
    "left_eye left_ear right_eye right_ear",
    edges=_chains(
        (2, 0, 1),
        (0, 3, 4, 5),
        (0, 9, 10, 11),
        (2, 6, 7, 8),
        (2, 12, 13, 14),
        (1, 15, 16),
        (1, 17, 18),
    ),
    mirror=_sides((*range(3, 9), 15, 16), (*range(9, 15), 17, 18)),
    center=2,
    parts={
        "trunk": (0, 1, 2, 15, 16, 17, 18),
        "left_arm": (3, 4, 5),
        "right_arm": (9, 10, 11),
        "left_leg": (6, 7, 8),
        "right_leg": (12, 13, 14),
    },
)


def _hand(base):
    """Edges from the base of a hand of 21 joints along its fingers."""
    fingers = (range(base + k, base + k + 4) for k in range(1, 21, 4))
    return _chains(*((base, *finger) for finger in fingers))


# The body of "openpose25", then the hands.
_built_in(
    name="ntu_x67",
    joints=" ".join(
        (
            *get("openpose25").joints,
            *(
                f"{side}_{joint}"
                for side in ("left", "right")
                for joint in (
                    "hand",
                    *(
                        f"{finger}_{place}"
                        for finger in "thumb index middle ring little".split()
                        for place in ("base", "first", "second", "tip")
                    ),
                )
            ),
        )
    ),
    edges=(
        *get("openpose25").edges,
        *_chains((7, 25), (4, 46)),
        *_hand(25),
        *_hand(46),
    ),
    mirror=(
        *get("openpose25").mirror,
        *_sides(range(25, 46), range(46, 67)),
    ),
    center=1,
    parts={
        **get("openpose25").parts,
        "left_hand": tuple(range(25, 46)),
        "right_hand": tuple(range(46, 67)),
    },
)

_SMPL_BODY = (
    "pelvis left_hip right_hip spine1 left_knee right_knee spine2 "
    "left_ankle right_ankle spine3 left_foot right_foot neck left_collar "
    "right_collar head left_shoulder right_shoulder left_elbow right_elbow "
    "left_wrist right_wrist"
)
_SMPL_CHAINS = (
    (9, 6, 3, 0),
    (0, 1, 4, 7, 10),
    (0, 2, 5, 8, 11),
    (9, 13, 16, 18, 20),
    (9, 14, 17, 19, 21),
)
_SMPL_SIDES = (1, 4, 7, 10, 13, 16, 18, 20), (2, 5, 8, 11, 14, 17, 19, 21)

# Bones hang on the chest (`spine3`) and not on the pelvis, as in the graphs
# of the published models on this layout.
_built_in(
    "smpl_24",
    name="smpl24",
    joints=f"{_SMPL_BODY} left_hand right_hand",
    edges=_chains(*_SMPL_CHAINS, (9, 12, 15), (20, 22), (21, 23)),
    mirror=_sides((*_SMPL_SIDES[0], 22), (*_SMPL_SIDES[1], 23)),
    center=9,
    parts={
        "trunk": (0, 3, 6, 9, 12, 15),
        "left_arm": (13, 16, 18, 20, 22),
        "right_arm": (14, 17, 19, 21, 23),
        "left_leg": (1, 4, 7, 10),
        "right_leg": (2, 5, 8, 11),
    },
)
# 42 joints and points of the surface of SMPL-X: 0 to 24, 28, 43, 55 to 66,
# 68, 71 and 73 of its list. The head hangs on the jaw, as published. The
# eyeballs (`..._eyeball`) hang on the head here, as in the body model; the
# published graph leaves them alone.
_built_in(
    "smplx_42",
    name="smplx42",
    joints=f"{_SMPL_BODY} jaw left_eyeball right_eyeball "
    "left_middle_base right_middle_base nose right_eye left_eye right_ear "
    "left_ear left_big_toe left_small_toe left_heel right_big_toe "
    "right_small_toe right_heel left_thumb left_middle_tip right_thumb "
    "right_middle_tip",
    edges=_chains(
        *_SMPL_CHAINS,
        (9, 12, 22, 15, 27, 28, 30),
        (27, 29, 31),
        (15, 23),
        (15, 24),
        (20, 25),
        (20, 38),
        (20, 39),
        (21, 26),
        (21, 40),
        (21, 41),
        (10, 32),
        (10, 33),
        (7, 34),
        (11, 35),
        (11, 36),
        (8, 37),
    ),
    mirror=_sides(
        (*_SMPL_SIDES[0], 23, 25, 29, 31, 32, 33, 34, 38, 39),
        (*_SMPL_SIDES[1], 24, 26, 28, 30, 35, 36, 37, 40, 41),
    ),
    center=9,
    parts={
        "trunk": (0, 3, 6, 9, 12),
        "head": (15, 22, 23, 24, 27, 28, 29, 30, 31),
        "left_arm": (13, 16, 18, 20, 25, 38, 39),
        "right_arm": (14, 17, 19, 21, 26, 40, 41),
        "left_leg": (1, 4, 7, 10, 32, 33, 34),
        "right_leg": (2, 5, 8, 11, 35, 36, 37),
    },
)
# Markers of motion capture on the skin, not joints. The published graph is no
# tree: it has rings around the body and three parts that do not hang
# together. This one keeps what is a tree in it, and lets head and shoulders
# hang on the top of the back, the back on the chest and the chest on the
# belly.
_built_in(
    "berkeley_mhad_43",
    name="berkeley_mhad43",
    joints="head left_head right_head right_back back_low back_top left_back "
    "left_side belly chest right_side "
    + " ".join(
        f"{side}_{place}"
        for side in ("left", "right")
        for place in (
            "shoulder_1 shoulder_2 arm elbow wrist hand_1 hand_2 hand_3"
        ).split()
    )
    + " "
    + " ".join(
        f"{side}_{place}"
        for side in ("left", "right")
        for place in (
            "hip_back hip_front hip_side leg knee ankle heel foot"
        ).split()
    ),
    edges=_chains(
        (8, 9, 5, 0, 1),
        (0, 2),
        (5, 4, 3),
        (4, 6),
        (8, 7, 28),
        (8, 10, 36),
        (5, 11, 12, 13, 14, 15, 16),
        (15, 17),
        (15, 18),
        (5, 19, 20, 21, 22, 23, 24),
        (23, 25),
        (23, 26),
        (28, 29, 27),
        (28, 30, 31, 32, 33, 34),
        (36, 37, 35),
        (36, 38, 39, 40, 41, 42),
    ),
    mirror=_sides(
        (1, 6, 7, *range(11, 19), *range(27, 35)),
        (2, 3, 10, *range(19, 27), *range(35, 43)),
    ),
    center=8,
    parts={
        "head": (0, 1, 2),
        "trunk": tuple(range(3, 11)),
        "left_arm": tuple(range(11, 19)),
        "right_arm": tuple(range(19, 27)),
        "left_leg": tuple(range(27, 35)),
        "right_leg": tuple(range(35, 43)),
    },
)
