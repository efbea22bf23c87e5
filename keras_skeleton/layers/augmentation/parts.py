"""Parts of the body: their joints and bones."""

import dataclasses

import keras
import numpy as np

from keras_skeleton import skeletons
from keras_skeleton.layers.augmentation._choice import integers
from keras_skeleton.layers.augmentation.base import SkeletonTransform
from keras_skeleton.layers.augmentation.space import check_joints
from keras_skeleton.layers.augmentation.space import take_joints

# Parts of the body in the order in which published draws count them.
_LIMBS = ("left_arm", "left_leg", "right_arm", "right_leg")


@dataclasses.dataclass(frozen=True)
class BodyPart:
    """Joints of a part of the body, and its bones.

    Args:
        joints: Indices of the joints in the whole skeleton; their order is
            that of the part.
        bones: Pairs `(joint, parent)`, indices into `joints`, as `Streams`
            takes them: of several pairs for one joint the last counts, and a
            joint without one has the bone zero.
    """

    joints: tuple
    bones: tuple


def _chain(*joints):
    """Bones `(child, parent)` along a chain that starts at the parent."""
    return tuple(zip(joints[1:], joints, strict=False))


def _finger_chains(palm, first):
    """Five fingers of four joints each."""
    return tuple(
        pair
        for start in range(first, first + 20, 4)
        for pair in _chain(palm, *range(start, start + 4))
    )


_NTU_HAND = BodyPart(
    joints=(20, 4, 5, 6, 7, 21, 22, 8, 9, 10, 11, 23, 24),
    bones=(
        *_chain(0, 1, 2, 3, 4, 5),
        (6, 4),
        *_chain(0, 7, 8, 9, 10, 11),
        (12, 10),
    ),
)
_NTU_LEG_JOINTS = (0, *range(12, 20))
_NTUX_LEFT_HAND = tuple(range(25, 46))
_NTUX_RIGHT_HAND = tuple(range(46, 67))
_NTUX_BODY = BodyPart(
    # OpenPose's body, then the wrist and the finger tips of each hand.
    joints=(
        *range(25),
        *_NTUX_RIGHT_HAND[::4],
        *_NTUX_LEFT_HAND[::4],
    ),
    bones=(
        *_chain(1, 0),
        *_chain(1, 2, 3, 4),
        *_chain(1, 5, 6, 7),
        *_chain(1, 8, 9, 10, 11),
        *_chain(8, 12, 13, 14),
        *_chain(0, 15, 17),
        *_chain(0, 16, 18),
        *_chain(14, 19, 20),
        (21, 14),
        *_chain(11, 22, 23),
        (24, 11),
        (25, 3),
        *_chain(25, 26, 27),
        *((tip, 25) for tip in range(28, 31)),
        (31, 6),
        *((tip, 31) for tip in range(32, 37)),
    ),
)
_NTUX_HAND = BodyPart(
    joints=(*range(2, 8), *_NTUX_RIGHT_HAND, *_NTUX_LEFT_HAND),
    bones=(
        *_chain(0, 1, 2, 6),
        *_finger_chains(6, 7),
        *_chain(0, 3, 4, 5, 27),
        *_finger_chains(27, 28),
    ),
)
_NTUX_LEG = BodyPart(
    joints=(8, 9, 10, 11, 24, 22, 23, 12, 13, 14, 21, 19, 20),
    bones=(
        *_chain(0, 1, 2, 3, 4),
        *_chain(3, 5, 6),
        *_chain(0, 7, 8, 9, 10),
        *_chain(9, 11, 12),
    ),
)
_SHREC_BONES = skeletons.get("shrec22").edges
# The published code counts joints from 1 where this list counts from 0, and
# takes parents for children: joint -1 is the last one.
_SHREC_SHIFTED = tuple(
    ((parent - 1) % 22, child - 1) for child, parent in _SHREC_BONES
)

_PARTS = {
    ("ntu", "body"): BodyPart(tuple(range(25)), skeletons.get("ntu").edges),
    ("ntu", "hand"): _NTU_HAND,
    # The published right leg begins one joint too early: at the left foot,
    # which also loses its own bone, and without the right foot.
    ("ntu", "leg"): BodyPart(
        _NTU_LEG_JOINTS,
        (*_chain(0, 1, 2, 3, 4), *_chain(0, 4, 5, 6, 7)),
    ),
    ("ntu_x", "body"): _NTUX_BODY,
    ("ntu_x", "hand"): _NTUX_HAND,
    ("ntu_x", "leg"): _NTUX_LEG,
    ("shrec", "hand"): BodyPart(tuple(range(22)), _SHREC_SHIFTED),
}
_CORRECTED = {
    ("ntu", "leg"): BodyPart(
        _NTU_LEG_JOINTS,
        (*_chain(0, 1, 2, 3, 4), *_chain(0, 5, 6, 7, 8)),
    ),
    ("shrec", "hand"): BodyPart(tuple(range(22)), _SHREC_BONES),
}


def body_part(layout, part, corrected=False):
    """Returns the joints and the bones of a part, as PSUMNet uses them.

    Taken from the whole skeleton, all parts share its frame of reference.

    Layouts: `"ntu"` (25 joints; parts `"body"`, `"hand"`, `"leg"`),
    `"ntu_x"` (the first 67 of the 118 joints of NTU-X: OpenPose's body, 21
    joints of the left and 21 of the right hand; the same parts) and
    `"shrec"` (22 joints; `"hand"`).

    In the published code, two lists of bones are off by one joint: that of
    NTU's legs, where the right leg hangs on the left foot, and that of
    SHREC, where every bone begins and ends one joint early. Published
    weights need them; `corrected=True` gives the ones meant.

    Args:
        layout: `"ntu"`, `"ntu_x"` or `"shrec"`.
        part: `"body"`, `"hand"` or `"leg"`.
        corrected: Whether the bones are those meant, instead of those
            published.

    Returns:
        A `BodyPart`.

    Raises:
        ValueError: If there is no such part.

    Example: the hands' twelve channels (places, bones, and the motion of
    both).

    >>> hand = body_part("ntu", "hand")
    >>> clips = SelectJoints(hand.joints)(np.ones((2, 2, 64, 25, 3)))
    >>> Streams(bones=hand.bones)(clips).shape
    (2, 2, 64, 13, 12)

    Reference: [PSUMNet](https://arxiv.org/abs/2208.05775).
    """
    key = (layout, part)
    if key not in _PARTS:
        known = ", ".join(f"{part} of {layout}" for layout, part in _PARTS)
        raise ValueError(
            f"There is no part {part!r} of the layout {layout!r}; there are: "
            f"{known}."
        )
    return _CORRECTED.get(key, _PARTS[key]) if corrected else _PARTS[key]


@keras.saving.register_keras_serializable(package="keras_skeleton")
class SelectJoints(SkeletonTransform):
    """Takes some joints, in a given order.

    Args:
        joints: Indices of the joints, each as often as it is wanted.
        **kwargs: See `SkeletonTransform`.

    Input shape: `(N, M, T, V, C)`.

    Output shape: `(N, M, T, len(joints), C)`.

    Raises:
        ValueError: If the clips lack a joint.

    Example:

    >>> arms = SelectJoints((4, 5, 6, 7, 8, 9, 10, 11))
    >>> arms(np.ones((2, 1, 64, 20, 3))).shape
    (2, 1, 64, 8, 3)
    """

    def __init__(self, joints, **kwargs):
        super().__init__(**kwargs)
        self.joints = tuple(int(joint) for joint in joints)
        if not self.joints or min(self.joints) < 0:
            raise ValueError(
                "`joints` must be indices of joints, counted from 0. "
                f"Received: {joints}"
            )

    def check(self, shape):
        if max(self.joints) >= shape[3]:
            raise ValueError(
                f"SelectJoints takes joint {max(self.joints)}, but the clips "
                f"have the joints 0 to {shape[3] - 1}. Received clips of "
                f"shape {shape}."
            )

    def transform(self, clips, draws, lengths):
        return take_joints(self.backend, clips, self.joints)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:3], len(self.joints), input_shape[-1])

    def get_config(self):
        return {**super().get_config(), "joints": list(self.joints)}


@keras.saving.register_keras_serializable(package="keras_skeleton")
class DropPart(SkeletonTransform):
    """Sets one random part of the body to zero, for all frames and persons.

    Args:
        skeleton: `Skeleton` or the name of a registered one.
        parts: Names of its parts that may be dropped. Defaults to those of
            its arms and legs, as published.
        **kwargs: See `SkeletonTransform`.

    Call arguments:
        clips: float32 tensor `(N, M, T, V, C)`.
        draws: Optional `(N, 1)` numbers in [0, 1), from which the number of
            the part, `floor(draw * parts)`, follows.
        training: Whether to act when there are no draws.

    Returns:
        Clips of the same shape.

    Raises:
        ValueError: If the skeleton does not have the parts.

    Example:

    >>> layer = RandomApply(DropPart("ntu"), probability=0.2)
    >>> layer(np.ones((2, 1, 64, 25, 3)), training=True).shape
    (2, 1, 64, 25, 3)

    Reference: the code of [ACLNet](https://arxiv.org/abs/2601.16694).
    """

    num_draws = 1

    def __init__(self, skeleton, parts=None, **kwargs):
        super().__init__(**kwargs)
        self.skeleton = skeletons.get(skeleton)
        known = self.skeleton.parts
        if parts is None:
            parts = [part for part in _LIMBS if part in known]
        self.parts = tuple(parts)
        if not self.parts or not set(self.parts) <= set(known):
            raise ValueError(
                f"`parts` must be some of the skeleton {self.skeleton.name!r}:"
                f" {', '.join(known) or 'it has none'}. Received: "
                f"{', '.join(self.parts) or 'none'}"
            )

    def check(self, shape):
        check_joints(self, shape)

    def transform(self, clips, draws, lengths):
        ops = self.backend.numpy
        number = integers(self, draws[:, 0], 0, len(self.parts) - 1)
        table = np.zeros((len(self.parts), self.skeleton.num_joints), "bool")
        for row, part in enumerate(self.parts):
            table[row, list(self.skeleton.parts[part])] = True
        table = self.backend.convert_to_tensor(table)
        dropped = ops.take(table, number, axis=0)
        return ops.where(dropped[:, None, None, :, None], 0.0, clips)

    def get_config(self):
        return {
            **super().get_config(),
            "skeleton": skeletons.serialize(self.skeleton),
            "parts": list(self.parts),
        }
