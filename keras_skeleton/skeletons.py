"""Joint layouts: names of joints, bones, body parts, sides."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Skeleton:
    """A joint layout: which joints there are and how bones connect them.

    The bones form a tree. Everything that needs topology takes a `Skeleton`
    or the name of a registered one, so it works on any layout.

    Args:
        name: Name of the layout.
        joints: Names of the `V` joints, in the order of the data.
        edges: Pairs `(child, parent)` of joint indices from 0, `V - 1` of
            them: every joint but the root is a child once.
        mirror: Pairs `(left, right)` of joints that swap in a mirror.
        center: Joint that clips are centred on.
        parts: Dictionary from the name of a body part to joint indices.

    Raises:
        ValueError: If the indices do not describe a tree or a mirror.

    Example:

    >>> arm = Skeleton("arm", ("shoulder", "elbow", "hand"), ((1, 0), (2, 1)))
    >>> arm.parents
    (0, 0, 1)
    """

    name: str
    joints: tuple
    edges: tuple
    mirror: tuple = ()
    center: int = 0
    parts: dict = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        def store(field, value):
            object.__setattr__(self, field, value)

        store("joints", tuple(str(joint) for joint in self.joints))
        store("edges", self._pairs("edges", self.edges))
        store("mirror", self._pairs("mirror", self.mirror))
        store("center", int(self.center))
        parts = {
            str(part): tuple(int(joint) for joint in joints)
            for part, joints in dict(self.parts).items()
        }
        store("parts", parts)
        self._check()

    # A dictionary of parts has no hash of its own.
    def __hash__(self):
        return hash((self.name, self.joints, self.edges, self.mirror))

    def _pairs(self, what, pairs):
        pairs = tuple(tuple(int(joint) for joint in pair) for pair in pairs)
        wrong = [pair for pair in pairs if len(pair) != 2]
        if wrong:
            raise self._error(f"`{what}` must hold pairs, but holds {wrong[0]}")
        return pairs

    def _error(self, text):
        return ValueError(f"Skeleton {self.name!r}: {text}.")

    def _check(self):
        size = self.num_joints
        if not size:
            raise self._error("`joints` is empty")
        repeated = {j for j in self.joints if self.joints.count(j) > 1}
        if repeated:
            raise self._error(f"joints named twice: {sorted(repeated)}")
        groups = {
            "edges": [joint for pair in self.edges for joint in pair],
            "mirror": [joint for pair in self.mirror for joint in pair],
            "center": [self.center],
            **{f"parts[{k!r}]": list(v) for k, v in self.parts.items()},
        }
        for what, indices in groups.items():
            outside = [joint for joint in indices if not 0 <= joint < size]
            if outside:
                raise self._error(
                    f"`{what}` names joint {outside[0]}, but the {size} "
                    f"joints are numbered 0 to {size - 1} (lists that count "
                    "from 1 need 1 subtracted)"
                )
        children = [child for child, _ in self.edges]
        twice = sorted({c for c in children if children.count(c) > 1})
        if twice:
            raise self._error(
                f"joint {twice[0]} has more than one parent; `edges` are "
                "(child, parent) pairs of a tree"
            )
        if len(children) != size - 1:
            raise self._error(
                f"a tree of {size} joints has {size - 1} edges, received "
                f"{len(children)}; leave out edges from a joint to itself"
            )
        unreached = np.flatnonzero(self.hop_distances()[self.root] < 0)
        if unreached.size:
            raise self._error(
                f"joint {unreached[0]} is not connected to the root "
                f"{self.root}; `edges` must form one tree"
            )
        sides = groups["mirror"]
        if len(set(sides)) != len(sides):
            raise self._error("`mirror` names a joint twice")

    @property
    def num_joints(self):
        return len(self.joints)

    @property
    def root(self):
        """The joint that is nobody's child."""
        children = {child for child, _ in self.edges}
        return next(j for j in range(self.num_joints) if j not in children)

    @property
    def parents(self):
        """Parent of every joint; the root is its own parent."""
        parents = list(range(self.num_joints))
        for child, parent in self.edges:
            parents[child] = parent
        return tuple(parents)

    @property
    def bones(self):
        """Pairs `(joint, parent)` for all joints, `(root, root)` included."""
        return tuple(enumerate(self.parents))

    @property
    def mirror_permutation(self):
        """Index of the joint that each joint becomes in a mirror."""
        order = list(range(self.num_joints))
        for left, right in self.mirror:
            order[left], order[right] = right, left
        return tuple(order)

    def adjacency(self, self_loops=False):
        """Symmetric float32 matrix `(V, V)`, 1 where a bone connects."""
        matrix = np.eye(self.num_joints, dtype="float32") * bool(self_loops)
        for child, parent in self.edges:
            matrix[child, parent] = matrix[parent, child] = 1
        return matrix

    def hop_distances(self):
        """Int64 matrix `(V, V)`: bones on the way between two joints."""
        step = self.adjacency() > 0
        distances = np.full(step.shape, -1)
        reached = np.eye(self.num_joints, dtype=bool)
        for hops in range(self.num_joints):
            distances[reached & (distances < 0)] = hops
            reached = reached @ step
        return distances

    def to_dict(self):
        """The layout as plain lists, ready for JSON."""
        return {
            "name": self.name,
            "joints": list(self.joints),
            "edges": [list(edge) for edge in self.edges],
            "mirror": [list(pair) for pair in self.mirror],
            "center": self.center,
            "parts": {name: list(part) for name, part in self.parts.items()},
        }

    @classmethod
    def from_dict(cls, config):
        """Builds the layout that `to_dict` described."""
        known = {field.name for field in dataclasses.fields(cls)}
        if not {"name", "joints", "edges"} <= set(config) <= known:
            raise ValueError(
                "A skeleton is described by 'name', 'joints', 'edges' and "
                "optionally 'mirror', 'center', 'parts'. Received the keys "
                f"{sorted(config)}."
            )
        return cls(**config)


_REGISTRY = {}
_BUILT_IN = set()


def register(skeleton, *aliases):
    """Makes a layout available by its name.

    Args:
        skeleton: The `Skeleton`.
        *aliases: Further names for it.

    Returns:
        The skeleton.

    Raises:
        ValueError: If a name belongs to another layout already.
    """
    if not isinstance(skeleton, Skeleton):
        raise ValueError(f"Expected a `Skeleton`. Received: {skeleton!r}")
    for name in (skeleton.name, *aliases):
        if _REGISTRY.get(name, skeleton) != skeleton:
            raise ValueError(
                f"The name {name!r} belongs to another skeleton. Choose "
                "another name."
            )
    for name in (skeleton.name, *aliases):
        _REGISTRY[name] = skeleton
    return skeleton


def names():
    """Names of all registered layouts, aliases included."""
    return sorted(_REGISTRY)


def get(identifier):
    """Returns the layout for a name, a `Skeleton` or its dictionary.

    Example:

    >>> get("ntu").num_joints
    25

    Raises:
        ValueError: If no layout of that name is registered.
    """
    if isinstance(identifier, Skeleton):
        return identifier
    if isinstance(identifier, dict):
        return Skeleton.from_dict(identifier)
    if isinstance(identifier, str) and identifier in _REGISTRY:
        return _REGISTRY[identifier]
    raise ValueError(
        f"Unknown skeleton {identifier!r}. Registered are "
        f"{', '.join(names())}; pass a `Skeleton` or register yours with "
        "`skeletons.register`."
    )


def serialize(skeleton):
    """What `get` needs to find the layout again, ready for JSON.

    The name for the layouts that come with the package, else the whole
    layout, so that files open where it has not been registered.
    """
    skeleton = get(skeleton)
    built_in = skeleton.name in _BUILT_IN
    if built_in and _REGISTRY[skeleton.name] == skeleton:
        return skeleton.name
    return skeleton.to_dict()


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
    skeleton = Skeleton(joints=joints.split(), **arguments)
    register(skeleton, *aliases)
    _BUILT_IN.update((skeleton.name, *aliases))


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
