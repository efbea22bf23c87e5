"""A joint layout: names of joints, bones, body parts, sides."""

import dataclasses
import typing
from collections.abc import Sequence

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
    joints: Sequence
    edges: Sequence
    mirror: Sequence = ()
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
    def num_joints(self) -> int:
        return len(self.joints)

    @property
    def root(self) -> int:
        """The joint that is nobody's child."""
        children = {child for child, _ in self.edges}
        return next(j for j in range(self.num_joints) if j not in children)

    @property
    def parents(self) -> tuple:
        """Parent of every joint; the root is its own parent."""
        parents = list(range(self.num_joints))
        for child, parent in self.edges:
            parents[child] = parent
        return tuple(parents)

    @property
    def bones(self) -> tuple:
        """Pairs `(joint, parent)` for all joints, `(root, root)` included."""
        return tuple(enumerate(self.parents))

    def ancestors(self, hops) -> tuple:
        """The joint that many bones up from each joint.

        Args:
            hops: Number of bones.

        Returns:
            Tuple of joints; a joint itself where the root is nearer.

        Example:

        >>> get("coco17").ancestors(2)[:4]
        (0, 1, 2, 0)
        """
        if hops < 0:
            raise ValueError(
                f"`hops` is a number of bones, 0 or more. Received {hops}."
            )
        parents, root = self.parents, self.root
        found = []
        for joint in range(self.num_joints):
            path = [joint]
            while path[-1] != root and len(path) <= hops:
                path.append(parents[path[-1]])
            found.append(path[hops] if len(path) > hops else joint)
        return tuple(found)

    @property
    def mirror_permutation(self) -> tuple:
        """Index of the joint that each joint becomes in a mirror."""
        order = list(range(self.num_joints))
        for left, right in self.mirror:
            order[left], order[right] = right, left
        return tuple(order)

    def adjacency(self, self_loops=False) -> np.ndarray:
        """Symmetric float32 matrix `(V, V)`, 1 where a bone connects."""
        matrix = np.eye(self.num_joints, dtype="float32") * bool(self_loops)
        for child, parent in self.edges:
            matrix[child, parent] = matrix[parent, child] = 1
        return matrix

    def hop_distances(self) -> np.ndarray:
        """Int64 matrix `(V, V)`: bones on the way between two joints."""
        step = self.adjacency() > 0
        distances = np.full(step.shape, -1)
        reached = np.eye(self.num_joints, dtype=bool)
        for hops in range(self.num_joints):
            distances[reached & (distances < 0)] = hops
            reached = reached @ step
        return distances

    def to_dict(self) -> dict:
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
    def from_dict(cls, config: dict) -> typing.Self:
        """Builds the layout that `to_dict` described."""
        known = {field.name for field in dataclasses.fields(cls)}
        if not {"name", "joints", "edges"} <= set(config) <= known:
            raise ValueError(
                "A skeleton is described by 'name', 'joints', 'edges' and "
                "optionally 'mirror', 'center', 'parts'. Received the keys "
                f"{sorted(config)}."
            )
        return cls(**config)


# A layout, the name of a registered one, or what `Skeleton.to_dict` gives.
SkeletonLike = Skeleton | str | dict
