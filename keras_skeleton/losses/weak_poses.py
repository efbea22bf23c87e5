"""What poses must satisfy, where none is known: losses without 3D labels."""

import numpy as np
from keras import ops

from keras_skeleton import skeletons

TERMS = (
    *("ray", "length", "symmetry", "motion", "constancy", "surface"),
    "depth",
)
FORMS = ("code", "poster", "metric")
_C3P = {
    "ray": 10.0,
    "length": 1.0,
    "symmetry": 0.002,
    "motion": 0.1,
    "constancy": 0.002,
}
#: Weights of the terms in each form.
WEIGHTS = {
    "code": _C3P,
    "poster": _C3P,
    "metric": {
        "ray": 1.0,
        "symmetry": 0.1,
        "constancy": 0.1,
        "motion": 0.05,
        "surface": 0.5,
    },
}
PROJECTIONS = ("ray", "plane", "pixels")
# Upper arm, forearm, thigh and shin of the left side, then of the right, in
# metres: the general lengths that the code of C3P names.
GENERAL_LENGTHS = (
    *(0.3052, 0.3112, 0.4775, 0.4607),
    *(0.3014, 0.3084, 0.4784, 0.4603),
)
# How far joints lie behind the skin that a camera sees, in metres, by what
# their names say; the first that fits counts. Rough measures of adults.
GENERAL_DEPTHS = (
    *((name, 0.1) for name in ("head", "neck", "spine", "chest", "torso")),
    *((name, 0.1) for name in ("hip", "pelvis", "nose", "eye", "ear")),
    *((name, 0.06) for name in ("shoulder", "elbow", "knee")),
)
GENERAL_DEPTH = 0.03
# So far behind its place a joint is likely to be covered by something.
_COVERED = 0.1
# The bones of C3P whose lengths are compared: others than the edges, as the
# nose and the shoulders are no bone.
_COCO17 = (
    (0, 1), (0, 2), (1, 3), (2, 4), (5, 6), (5, 7), (6, 8), (7, 9), (8, 10),
    (5, 11), (6, 12), (11, 13), (12, 14), (13, 15), (14, 16),
)  # fmt: skip


def limbs(skeleton):
    """The bones of arms and legs.

    Args:
        skeleton: A `Skeleton` with parts `left_arm` and `left_leg`, or its
            registered name.

    Returns:
        int array `(2, L, 2)`: pairs of joints of the left side, and their
        mirror images.

    Raises:
        ValueError: If it has no such parts.
    """
    skeleton = skeletons.get(skeleton)
    left = []
    for part in ("left_arm", "left_leg"):
        if part not in skeleton.parts:
            raise ValueError(
                f"The skeleton {skeleton.name!r} has no part {part!r}, whose "
                "bones are compared with the other side. Leave out the terms "
                "'length' and 'symmetry', or give the skeleton such parts."
            )
        joints = set(skeleton.parts[part])
        left += [
            (parent, child)
            for child, parent in skeleton.edges
            if child in joints and parent in joints
        ]
    left = np.array(left, "int32")
    return np.stack(
        [left, np.array(skeleton.mirror_permutation, "int32")[left]]
    )


def symmetric_bones(skeleton):
    """All bones of the left side and their mirror images, as `limbs`."""
    skeleton = skeletons.get(skeleton)
    mirror = skeleton.mirror_permutation
    edges = {frozenset(edge) for edge in skeleton.edges}
    pairs, seen = [], set()
    for child, parent in skeleton.edges:
        other = (mirror[parent], mirror[child])
        key = frozenset((parent, child))
        if frozenset(other) in edges - {key} - seen:
            pairs.append(((parent, child), other))
            seen.add(key)
    return np.array(pairs, "int32").reshape(-1, 2, 2).swapaxes(0, 1)


def general_depths(skeleton):
    """How far the joints of a person lie behind the skin.

    Args:
        skeleton: A `Skeleton` or its registered name.

    Returns:
        float32 array `(V,)` in metres: `GENERAL_DEPTHS`, and `GENERAL_DEPTH`
        of hands, feet and all others.
    """
    return np.array(
        [
            next((d for word, d in GENERAL_DEPTHS if word in name), 0)
            or GENERAL_DEPTH
            for name in skeletons.get(skeleton).joints
        ],
        "float32",
    )


def compared_bones(skeleton):
    """The bones whose lengths are to stay, `(B, 2)`."""
    skeleton = skeletons.get(skeleton)
    if skeleton.name == "coco17":
        return np.array(_COCO17, "int32")
    return np.array(skeleton.edges, "int32")[:, ::-1]


def back_project(keypoints, intrinsics):
    """The viewing rays of pixels.

    Args:
        keypoints: Tensor `(N, T, V, 2)`, column and row in pixels.
        intrinsics: Tensor `(N, 3, 3)` of the camera. Negative focal lengths
            stand for axes that point to the left or up.

    Returns:
        Tensor `(N, T, V, 3)` of points on the rays at depth 1.
    """
    keypoints = keypoints[..., :2]
    matrix = intrinsics[:, None, None]
    x = (keypoints[..., 0] - matrix[..., 0, 2]) / matrix[..., 0, 0]
    y = (keypoints[..., 1] - matrix[..., 1, 2]) / matrix[..., 1, 1]
    return ops.stack([x, y, ops.ones_like(x)], axis=-1)


def transform_points(points, matrix):
    """Points in the frame of reference of another camera.

    Args:
        points: Tensor `(N, T, V, 3)`.
        matrix: Tensor `(N, 4, 4)`.

    Returns:
        Tensor `(N, T, V, 3)`.
    """
    turned = ops.matmul(points, ops.swapaxes(matrix[:, None, :3, :3], 2, 3))
    return turned + matrix[:, None, None, :3, 3]


class PoseConstraints:
    """Losses of poses of which only pictures are known.

    Terms by name, of joints `Y` in metres, `X` of them in the frame of
    reference of the camera of the pictures, rays `r` of the 2D joints, and
    lengths `B` of bones. In the form `"code"`, the default and that of the
    published code of C3P, means over clips, frames and joints or bones:

    - `ray`: `|X_z r - X| / |r| / |X|`, the distance to the viewing ray within
      the plane of the joint's depth over the ray's length. It is at most the
      distance to the ray, and less the farther from the optical axis.
    - `length`: `(B - given B)^2` of the limbs.
    - `symmetry`: `(ratio - 1)^2` of left to right, and of right to left, of
      the limbs.
    - `motion`: squares of `Y_t - (Y_(t-1) + Y_(t+1)) / 2`.
    - `constancy`: `(B / mean - 1)^2`, where the mean is that of all bones of
      the same frame, or with `constancy="clip"` that of the same bone in the
      clip, as on the poster.

    `"poster"` is the form of C3P's poster, which its code does not follow:
    sums over a clip in the place of means, absolute values in the place of
    squares in `symmetry` and `constancy`, lengths of vectors in `motion`, and
    the mean of the same bone in the clip.

    `"metric"` is a form of ours, in metres: `ray` is the distance to the ray
    (`projection="ray"`), `|X_x - X_z r_x| + |X_y - X_z r_y|` (`"plane"`), or
    the distance in the picture (`"pixels"`); `symmetry` the difference in
    length of all bones of both sides; `constancy` that to the mean of the
    same bone in the clip; `motion` the length of the second difference; and
    `surface` how much farther than `thickness` a joint is from the cloud.

    `depth` may be added to any form, a choice of ours: a depth camera says
    how far away the skin is that it sees at a 2D joint, and the joint lies
    behind it by what `joint_depths` says, or farther where something is in
    front of it. With `g` how much too far back a joint is, the term is the
    mean of `-g` where that is negative, and of `c (1 - exp(-g / c))` with `c`
    10 cm where it is not, which pulls less the farther away.

    None but `surface`, `depth` and the choice of real points that joints are
    near to (`UniPose`) fixes how far away a pose is.

    All forms may weight `ray` by scores of the 2D joints, a choice: the mean
    is then weighted. C3P has no scores.

    Args:
        skeleton: A `Skeleton` or its registered name.
        form: `"code"`, `"poster"` or `"metric"`.
        weights: Dict of the weights of terms that differ from `WEIGHTS[form]`.
        constancy: `"frame"` or `"clip"`; of the form `"code"` only.
        projection: `"ray"`, `"plane"` or `"pixels"`; of `"metric"` only.
        thickness: In metres. Default 0.15.
        min_score: Least score of 2D joints that count; a choice. Default 0.
        joint_depths: How far joints lie behind the skin, `(V,)` in metres,
            for `depth`. Defaults to `general_depths`.

    Attributes:
        weights: Dict of the weights of all terms that count.

    Reference: see `applications.UniPose`; wucunlin/C3P.
    """

    def __init__(
        self,
        skeleton,
        form="code",
        weights=None,
        constancy="frame",
        projection="ray",
        thickness=0.15,
        min_score=0.0,
        joint_depths=None,
    ):
        for name, value, choices in (
            ("form", form, FORMS),
            ("constancy", constancy, ("frame", "clip")),
            ("projection", projection, PROJECTIONS),
        ):
            if value not in choices:
                raise ValueError(
                    f"`{name}` must be one of {', '.join(map(repr, choices))}. "
                    f"Received {name}={value!r}."
                )
        unknown = set(weights or {}) - set(TERMS)
        if unknown:
            raise ValueError(
                f"`weights` may name {', '.join(TERMS)}. Received also: "
                f"{', '.join(sorted(unknown))}."
            )
        merged = {**WEIGHTS[form], **(weights or {})}
        if min(merged.values()) < 0:
            raise ValueError(
                f"`weights` must not be negative. Received weights={weights}."
            )
        self.weights = {key: float(w) for key, w in merged.items() if w}
        self.form = form
        self.constancy = constancy
        self.projection = projection
        self.thickness = thickness
        self.min_score = min_score
        self.bones = compared_bones(skeleton)
        self.joint_depths = general_depths(skeleton)
        if joint_depths is not None:
            given = np.asarray(joint_depths, "float32")
            if given.shape != self.joint_depths.shape:
                raise ValueError(
                    "`joint_depths` must be metres for each of the "
                    f"{len(self.joint_depths)} joints. Received shape "
                    f"{given.shape}."
                )
            self.joint_depths = given
        if form == "metric":
            self.pairs = symmetric_bones(skeleton)
        if form != "metric" or "length" in self.weights:
            if {"length", "symmetry"} & set(self.weights):
                self.limbs = limbs(skeleton)

    def __call__(
        self,
        joints,
        keypoints,
        intrinsics,
        extrinsics=None,
        bone_lengths=None,
        points=None,
        depths=None,
    ):
        """The terms of some clips.

        Args:
            joints: Tensor `(N, T, V, 3)` in metres.
            keypoints: Tensor `(N, T, V, 2)`, column and row in pixels, or
                `(N, T, V, 3)` with scores.
            intrinsics: Tensor `(N, 3, 3)` of the camera of the pictures.
            extrinsics: Tensor `(N, 4, 4)` from the frame of reference of the
                joints to that camera; by default they are the same.
            bone_lengths: Tensor `(N, 2 L)` of the lengths of `limbs` in
                metres, for `length`.
            points: Tensor `(N, T, P, 3)` in metres, for `surface`.
            depths: Tensor `(N, T, V)` in metres: the depth that the camera of
                the pictures measures at the 2D joints, for `depth`; 0 where
                it measures none.

        Returns:
            Tuple of the weighted sum and a dict of the terms by name.
        """
        joints, keypoints, intrinsics, extrinsics = map(
            _single, (joints, keypoints, intrinsics, extrinsics)
        )
        bone_lengths, points, depths = map(
            _single, (bone_lengths, points, depths)
        )
        found = {}
        for name in self.weights:
            if name == "ray":
                found[name] = self._ray(
                    joints, keypoints, intrinsics, extrinsics
                )
            elif name == "length":
                found[name] = self._length(joints, bone_lengths)
            elif name == "surface":
                found[name] = self._surface(joints, points)
            elif name == "depth":
                found[name] = self._depth(joints, depths, extrinsics)
            else:
                found[name] = getattr(self, f"_{name}")(joints)
        total = sum(self.weights[name] * value for name, value in found.items())
        return total, found

    def _ray(self, joints, keypoints, intrinsics, extrinsics):
        if extrinsics is not None:
            joints = transform_points(joints, extrinsics)
        rays = back_project(keypoints, intrinsics)
        depth = joints[..., 2:]
        if self.form != "metric":
            found = length_of(depth * rays - joints) / length_of(rays)
            found = found / length_of(joints)
        elif self.projection == "ray":
            direction = rays / length_of(rays)[..., None]
            along = ops.sum(joints * direction, axis=-1, keepdims=True)
            found = length_of(joints - along * direction)
        elif self.projection == "plane":
            found = ops.sum(ops.abs(joints - depth * rays), axis=-1)
        else:
            # What a camera sees of what is at its depth or behind it.
            near = ops.where(depth > 0, ops.maximum(depth, 1e-3), 1e-3)
            offset = joints / near - rays
            focal = ops.stack(
                [intrinsics[:, 0, 0], intrinsics[:, 1, 1]], axis=-1
            )
            found = length_of(offset[..., :2] * focal[:, None, None])
        if keypoints.shape[-1] == 2:
            return self._reduce(found)
        score = keypoints[..., 2]
        score = ops.where(score < self.min_score, 0.0, score)
        if self.form == "poster":
            return self._reduce(score * found)
        return ops.sum(score * found) / ops.maximum(ops.sum(score), 1e-6)

    def _length(self, joints, bone_lengths):
        wanted = bone_lengths[:, None]
        found = bone_length(joints, self.limbs.reshape(-1, 2))
        return self._reduce(ops.square(found - wanted))

    def _symmetry(self, joints):
        if self.form == "metric":
            left, right = (bone_length(joints, side) for side in self.pairs)
            return ops.mean(ops.abs(left - right))
        left, right = (bone_length(joints, side) for side in self.limbs)
        ratios = ops.concatenate([left / right, right / left], axis=-1)
        return self._reduce(self._deviation(ratios - 1))

    def _constancy(self, joints):
        lengths = bone_length(joints, self.bones)
        per_frame = self.form == "code" and self.constancy == "frame"
        mean = ops.mean(lengths, axis=2 if per_frame else 1, keepdims=True)
        if self.form == "metric":
            return ops.mean(ops.abs(lengths - mean))
        return self._reduce(self._deviation(lengths / mean - 1))

    def _motion(self, joints):
        second = joints[:, 2:] - 2 * joints[:, 1:-1] + joints[:, :-2]
        if self.form == "code":
            return ops.mean(ops.square(second / 2))
        if self.form == "metric":
            return ops.mean(length_of(second))
        return self._reduce(length_of(second / 2))

    def _surface(self, joints, points):
        # Of the nearest point alone, so that no more than its way is kept.
        squares = 0
        for i in range(3):
            way = joints[:, :, :, None, i] - points[:, :, None, :, i]
            squares = squares + ops.square(way)
        nearest = ops.argmin(ops.stop_gradient(squares), axis=-1)
        one_hot = ops.one_hot(nearest, points.shape[2], dtype=joints.dtype)
        distance = length_of(joints - ops.matmul(one_hot, points))
        return ops.mean(ops.maximum(distance - self.thickness, 0))

    def _depth(self, joints, depths, extrinsics):
        if extrinsics is not None:
            joints = transform_points(joints, extrinsics)
        behind = (
            joints[..., 2] - depths - ops.convert_to_tensor(self.joint_depths)
        )
        hidden = _COVERED * (1 - ops.exp(-ops.relu(behind) / _COVERED))
        is_known = ops.cast(depths > 0, behind.dtype)
        found = is_known * (ops.relu(-behind) + hidden)
        if self.form == "poster":
            return self._reduce(found)
        return ops.sum(found) / ops.maximum(ops.sum(is_known), 1.0)

    def _deviation(self, x):
        return ops.square(x) if self.form == "code" else ops.abs(x)

    def _reduce(self, x):
        """Mean, or the sum over a clip and the mean over clips."""
        if self.form != "poster":
            return ops.mean(x)
        axes = tuple(range(1, len(x.shape)))
        return ops.mean(ops.sum(x, axis=axes))


def _single(given):
    return None if given is None else ops.cast(given, "float32")


def length_of(x):
    """Lengths of vectors, with a gradient of 0 at 0."""
    return ops.sqrt(ops.maximum(ops.sum(ops.square(x), axis=-1), 1e-20))


def bone_length(joints, bones):
    """Lengths of bones.

    Args:
        joints: Tensor `(N, T, V, 3)`.
        bones: Pairs of joints, `(B, 2)`.

    Returns:
        Tensor `(N, T, B)`.
    """
    ends = [ops.take(joints, bones[:, i], axis=2) for i in (0, 1)]
    return length_of(ends[0] - ends[1])
