"""Layouts of joints as files describe them, and whether one is likely."""

import re
import warnings

import numpy as np

from keras_skeleton import skeletons
from keras_skeleton.datasets import _names
from keras_skeleton.skeletons import Skeleton

# Ways to write sides into a name, the left one first. A single letter must
# stand alone, or before a capital as in `lThigh`.
SIDES = tuple(
    (re.compile(pattern.format(left)), right)
    for pattern, left, right in (
        ("{}", "left", "right"),
        ("{}", "Left", "Right"),
        ("{}", "LEFT", "RIGHT"),
        ("(?<![A-Za-z0-9]){}(?![A-Za-z0-9])", "L", "R"),
        ("(?<![A-Za-z0-9]){}(?![A-Za-z0-9])", "l", "r"),
        ("^{}(?=[A-Z])", "l", "r"),
        ("^{}", "L", "R"),
        ("(?<=:){}(?=[A-Za-z])", "L", "R"),
        ("(?<=[a-z0-9]){}$", "L", "R"),
    )
)
# What surely is a side: a word, a letter alone, or one before a word.
SIDED = re.compile(
    r"[Ll]eft|LEFT|[Rr]ight|RIGHT|(?<![A-Za-z0-9])[LlRr](?![A-Za-z0-9])"
    r"|(?:^|(?<=:))(?:[lr](?=[A-Z])|[LR](?=[A-Z][a-z]))"
)

# Layouts by the number of joints, the usual one first.
BY_SIZE = {
    13: ("penn13",),
    17: ("coco17", "h36m17"),
    18: ("openpose18",),
    19: ("panoptic19",),
    20: ("nw_ucla", "coco20"),
    22: ("shrec22",),
    25: ("ntu", "openpose25", "openpose25b"),
    26: ("halpe26",),
    33: ("mediapipe33",),
}


def other_side(joint, joints):
    """The name of the right joint of a left one, if it is among the joints.

    Args:
        joint: string, the name of a joint.
        joints: the names of all.

    Returns:
        A name, or `None`.
    """
    for left, right in SIDES:
        twin = _bare(left.sub(right, _bare(joint)))
        if twin != _bare(joint):
            for other in joints:
                if _bare(other) == twin:
                    return other
    return None


def _bare(joint):
    # In names that are parts of words, `_` is a border as a space is.
    return joint.replace("_", " ")


def mirror(joints):
    """Pairs `(left, right)` of the joints whose names differ by the side."""
    places = {joint: place for place, joint in enumerate(joints)}
    pairs, taken = [], set()
    for joint, place in places.items():
        twin = places.get(other_side(joint, joints))
        if twin is not None and not taken & {place, twin}:
            pairs.append((place, twin))
            taken |= {place, twin}
    return pairs


def check_sides(skeleton, stacklevel=4):
    """Tells which joints name a side, but have no partner on the other.

    Args:
        skeleton: A `Skeleton`.
        stacklevel: See `warnings.warn`.
    """
    paired = {joint for pair in skeleton.mirror for joint in pair}
    alone = [
        name
        for joint, name in enumerate(skeleton.joints)
        if joint not in paired and SIDED.search(_bare(name))
    ]
    # A hand alone has one side.
    if alone and len(alone) < skeleton.num_joints:
        warnings.warn(
            f"The joints {_names.list_some(alone)} name a side, but no joint "
            "has this name with the other side: mirrored clips would leave "
            "them on theirs. Mend the names, or pass a `Skeleton` of your own "
            "as `skeleton`.",
            stacklevel=stacklevel,
        )


def make(name, joints, pairs):
    """Makes a `Skeleton` of names and of pairs of joints that are joined.

    Args:
        name: string.
        joints: list of strings.
        pairs: list of pairs of numbers from 0. Where they form a circle, the
            shortest way counts; what they do not reach hangs on joint 0.
    """
    near = {joint: [] for joint in range(len(joints))}
    for first, second in pairs:
        if first in near and second in near:
            near[first].append(second)
            near[second].append(first)
    edges, reached, wave = [], {0}, [0]
    while len(reached) < len(joints):
        if not wave:
            alone = min(set(near) - reached)
            edges.append((alone, 0))
            wave, reached = [alone], reached | {alone}
        following = []
        for parent in wave:
            for child in near[parent]:
                if child not in reached:
                    edges.append((child, parent))
                    reached.add(child)
                    following.append(child)
        wave = following
    return Skeleton(name, joints, edges, mirror(joints))


def of_bones(made):
    """The registered layout with the bones and sides of another, or `None`."""
    for name in BY_SIZE.get(made.num_joints, ()):
        known = skeletons.get(name)
        if all(
            set(map(tuple, getattr(known, what)))
            == set(map(tuple, getattr(made, what)))
            for what in ("edges", "mirror")
        ):
            return known
    return None


def of_size(num_joints):
    """Says which registered layouts have so many joints."""
    found = sorted(
        {
            skeletons.get(name).name
            for name in skeletons.names()
            if skeletons.get(name).num_joints == num_joints
        }
    )
    if not found:
        return (
            f"no registered layout has {num_joints} joints; pass a `Skeleton` "
            "of your own as `skeleton`"
        )
    return (
        f"layouts of {num_joints} joints are "
        f"{', '.join(map(repr, found))}; pass one of them, or a `Skeleton`, "
        "as `skeleton`"
    )


def spread(skeleton, bodies):
    """How long the bones are, as a share of how large the body is.

    Args:
        skeleton: A `Skeleton`.
        bodies: list of arrays `(V, C)` of places and a score.

    Returns:
        A number, smaller for a layout that fits better, or NaN where too few
        joints are seen.
    """
    lengths = []
    for body in bodies:
        is_seen = (body[:, -1] > 0) & np.isfinite(body).all(-1)
        places = np.float64(body[:, :-1])
        if is_seen.sum() < 5:
            continue
        size = np.ptp(places[is_seen], axis=0).max()
        both = [(c, p) for c, p in skeleton.edges if is_seen[c] and is_seen[p]]
        if not both or not 0 < size < np.inf:
            continue
        child, parent = np.array(both).T
        bones = np.linalg.norm(places[child] - places[parent], axis=-1)
        lengths.append(bones.mean() / size)
    return float(np.mean(lengths)) if lengths else np.nan


def likeliest(names, bodies):
    """The layout that fits bodies best, the first one if none is better.

    Args:
        names: list of names of layouts of the same number of joints.
        bodies: See `spread`.

    Returns:
        A name.
    """
    best = names[0]
    least = spread(skeletons.get(best), bodies)
    for name in names[1:]:
        found = spread(skeletons.get(name), bodies)
        # Bones of a wrong layout lead across the whole body.
        if found < 0.7 * least:
            best, least = name, found
    return best


def guess(names, bodies, stacklevel=4):
    """The layout that fits bodies best, told where it is not the usual one.

    Args:
        names: See `likeliest`.
        bodies: See `spread`.
        stacklevel: See `warnings.warn`.

    Returns:
        A name.
    """
    likely = likeliest(names, bodies)
    if likely != names[0]:
        size = skeletons.get(likely).num_joints
        warnings.warn(
            f"The persons have {size} joints, which fit {likely!r} better "
            f"than the usual {names[0]!r}, and are read as {likely!r}. Pass "
            f"`skeleton`: {of_size(size)}.",
            stacklevel=stacklevel,
        )
    return likely
