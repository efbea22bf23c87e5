"""Other views of the same clips: bones instead of joints, motion."""

import keras

from keras_skeleton import skeletons
from keras_skeleton.layers.augmentation.base import SkeletonTransform
from keras_skeleton.layers.augmentation.chains import copy_with
from keras_skeleton.layers.augmentation.space import check_joints
from keras_skeleton.layers.augmentation.space import take_joints

STREAMS = ("joint", "bone", "joint_motion", "bone_motion")
# These and the streams of BRL and ACLNet, of vectors over several bones.
ALL_STREAMS = (*STREAMS, "skip", "skip_motion")

# Bones of published models, which are not the trees of the layouts. In 2D the
# hips hang on the nose or the shoulders, the neck on the nose. ACLNet hangs
# the nose on the neck, and `openpose20` has two joints more, in the middle of
# the hips (18) and of the trunk (19). MS-CLR's are the edges of its graphs:
# the eyeballs of SMPL-X have none, and of the rings around Berkeley's body
# several begin at one joint.
PUBLISHED_BONES = {
    "coco": tuple(
        enumerate((0, 0, 0, 1, 2, 0, 0, 5, 6, 7, 8, 0, 0, 11, 12, 13, 14))
    ),
    "openpose": tuple(
        enumerate((0, 0, 1, 2, 3, 1, 5, 6, 2, 8, 9, 5, 11, 12, 0, 0, 14, 15))
    ),
    "openpose18": tuple(
        enumerate((1, 1, 1, 2, 3, 1, 5, 6, 2, 8, 9, 5, 11, 12, 0, 0, 14, 15))
    ),
    "openpose20": tuple(
        enumerate(
            (1, 1, 1, 2, 3, 1, 5, 6, 18, 8)
            + (9, 18, 11, 12, 0, 0, 14, 15, 19, 1)
        )
    ),
    # The 21 joints of a hand that MediaPipe finds: the wrist, then fingers.
    "hand21": tuple(enumerate((0, *(0, 1, 2, 3), *(0, 5, 6, 7))))
    + tuple(enumerate((*(0, 9, 10, 11), *(0, 13, 14, 15)), 9))
    + tuple(enumerate((0, 17, 18, 19), 17)),
    "smplx42": tuple(
        edge
        for edge in skeletons.get("smplx42").edges
        if edge not in ((23, 15), (24, 15))
    ),
    "berkeley_mhad43": (
        *((0, 1), (0, 2), (3, 4), (3, 35), (4, 5), (4, 6), (6, 27), (7, 8)),
        *((7, 28), (8, 9), (8, 10), (10, 36), (11, 12), (11, 19), (12, 13)),
        *((13, 14), (14, 15), (15, 16), (15, 17), (15, 18), (19, 20)),
        *((20, 21), (21, 22), (22, 23), (23, 24), (23, 25), (23, 26)),
        *((27, 29), (27, 35), (28, 29), (28, 30), (30, 31), (31, 32)),
        *((32, 33), (33, 34), (35, 37), (36, 37), (36, 38), (38, 39)),
        *((39, 40), (40, 41), (41, 42)),
    ),
}
# Where the vectors over several bones begin, by name, if not at the joint that
# many bones up the tree of the layout: those of ACLNet in 2D, some of which
# are one bone long.
PUBLISHED_SKIPS = {
    "coco": tuple(
        enumerate((0, 1, 2, 0, 0, 5, 6, 0, 0, 5, 6, 11, 12, 0, 0, 11, 12))
    ),
    "openpose18": tuple(
        enumerate((0, 1, 2, 1, 2, 5, 1, 5, 1, 2, 8, 1, 5, 11, 1, 1, 0, 0))
    ),
    "openpose20": tuple(
        enumerate(
            (0, 1, 2, 1, 2, 5, 1, 5, 19, 18)
            + (8, 19, 18, 11, 1, 1, 0, 0, 1, 19)
        )
    ),
}

# The score from which a joint at zero counts as one that was found there.
LIKELY = 0.5


def is_found(ops, clips):
    """Which joints of clips with a score were found, `(N, M, T, V, 1)`.

    What was not found is at zero, and may have a small score all the same:
    YOLO has it so below 0.5. A joint with a larger one is at the origin.
    """
    is_placed = ops.any(clips[..., :-1] != 0, axis=-1, keepdims=True)
    return is_placed | (clips[..., -1:] >= LIKELY)


def _difference(ops, end, start, score, is_origin=None):
    """`end - start`; a score, the last channel, is the mean of the two.

    With the score `"found"`, it is zero where an end was not found; starts
    of which `is_origin` says that they are the origin always are.
    """
    if not score:
        return end - start
    mean = (end[..., -1:] + start[..., -1:]) / 2
    change = ops.concatenate([end[..., :-1] - start[..., :-1], mean], axis=-1)
    if score != "found":
        return change
    has_start = is_found(ops, start)
    if is_origin is not None:
        has_start = has_start | is_origin
    has_both = is_found(ops, end) & has_start
    return ops.where(has_both, change, ops.zeros_like(change))


def _bones(backend, clips, parents, score):
    ops = backend.numpy
    joints = clips
    if clips.shape[3] in parents:
        origin = ops.zeros_like(clips[:, :, :, :1])
        joints = ops.concatenate([clips, origin], axis=3)
    start = take_joints(backend, joints, parents)
    is_origin = [parent == clips.shape[3] for parent in parents]
    is_origin = ops.reshape(backend.convert_to_tensor(is_origin), (-1, 1))
    return _difference(ops, clips, start, score, is_origin)


def _motion(backend, clips, score, is_followed=None):
    ops = backend.numpy
    change = _difference(ops, clips[:, :, 1:], clips[:, :, :-1], score)
    last = ops.zeros_like(clips[:, :, :1])
    change = ops.concatenate([change, last], axis=2)
    if is_followed is None:
        return change
    is_followed = is_followed[:, None, :, None, None]
    return ops.where(is_followed, change, ops.zeros_like(change))


def _are_followed(backend, clips, lengths):
    """Which frames are not the last of their clip, `(N, T)`, or `None`.

    Nothing moves from the last frame of a clip into its padding.
    """
    if lengths is None:
        return None
    frames = backend.shape(clips)[2]
    number = backend.numpy.arange(1, frames + 1, dtype="int32")
    return number[None] < lengths[:, None]


def _with_score(transform, number):
    """The transform with a score, unless it was told whether there is one."""
    if transform.score is not None or number != 1:
        return transform
    return copy_with(transform, score="found")


def _check_score(score, *choices):
    """What `score` means: `None`, one of some words, or whether there is."""
    if isinstance(score, str) and score not in choices:
        words = ", ".join(map(repr, choices))
        raise ValueError(
            f"`score` must be None, True, False or {words}. Received: {score!r}"
        )
    return score if score is None or isinstance(score, str) else bool(score)


def _starts(pairs, num_joints):
    """Where the vector of each joint begins, `num_joints` for the origin."""
    # Without a pair it begins at the joint itself, and is zero.
    starts = list(range(num_joints))
    for joint, start in pairs:
        starts[joint] = num_joints if start is None else start
    return starts


def _check_pairs(what, pairs):
    pairs = tuple(tuple(pair) for pair in pairs)
    for pair in pairs:
        joints = [joint for joint in pair[:2] if joint is not None]
        if len(pair) != 2 or pair[0] is None or min(joints) < 0:
            raise ValueError(
                f"`{what}` must be pairs (joint, start) of joint numbers from "
                f"0, the start None for the origin. Received: {pair}"
            )
    return pairs


class _BoneTransform(SkeletonTransform):
    """A transform that knows bones, from a skeleton or as given."""

    def __init__(self, skeleton=None, bones=None, score=None, **kwargs):
        super().__init__(**kwargs)
        self.skeleton = None if skeleton is None else skeletons.get(skeleton)
        self.bones = bones
        self.score = _check_score(score, "found", "bone")
        if isinstance(bones, str):
            if bones not in PUBLISHED_BONES:
                raise ValueError(
                    f"Unknown bones {bones!r}. There are "
                    f"{', '.join(PUBLISHED_BONES)}; pass pairs "
                    "(joint, parent), or a `skeleton` alone for its bones."
                )
            self._pairs = PUBLISHED_BONES[bones]
        elif bones is not None:
            self.bones = self._pairs = _check_pairs("bones", bones)
        elif self.skeleton is not None:
            self._pairs = self.skeleton.bones
        else:
            self._pairs = ()

    def beside_scores(self, number):
        return _with_score(self, number)

    def parents(self, num_joints):
        """Start of the bone of each joint, `num_joints` for the origin."""
        return _starts(self._pairs, num_joints)

    def check(self, shape):
        if self.skeleton is not None:
            check_joints(self, shape)
        self.check_pairs(self._pairs, shape)

    def check_pairs(self, pairs, shape):
        """Raises a `ValueError` where clips lack a joint of the pairs."""
        largest = max((max(a, b or 0) for a, b in pairs), default=0)
        if largest >= shape[3]:
            raise ValueError(
                f"{type(self).__name__} has a bone of joint {largest}, but "
                f"the clips have the joints 0 to {shape[3] - 1}. Received "
                f"clips of shape {shape}."
            )

    def get_config(self):
        bones = self.bones
        if isinstance(bones, tuple):
            bones = [list(pair) for pair in bones]
        return {
            **super().get_config(),
            "skeleton": self.skeleton and skeletons.serialize(self.skeleton),
            "bones": bones,
            "score": self.score,
        }


@keras.saving.register_keras_serializable(package="keras_skeleton")
class Bones(_BoneTransform):
    """Replaces each joint by the vector from its parent; the root is zero.

    With `Motion`, bones come first.

    Args:
        skeleton: `Skeleton` or the name of a registered one.
        bones: Pairs `(joint, parent)` in place of those of the skeleton, or
            a name; see `Streams`.
        score: Whether the last coordinate is a score: that of a bone is the
            mean of the scores of its two joints. `"found"`: so, and a bone
            is zero where one of them was not found, that is, at zero with a
            score below 0.5. `None`: `"found"` where the `coordinates` of the
            data end in a score, else there is none.
        **kwargs: See `SkeletonTransform`.

    Input and output shape: `(N, M, T, V, C)`.
    """

    def __init__(self, skeleton=None, bones=None, score=None, **kwargs):
        super().__init__(skeleton, bones, score, **kwargs)
        if skeleton is None and bones is None:
            raise ValueError("Bones needs a `skeleton` or `bones`.")

    def transform(self, clips, draws, lengths):
        parents = self.parents(clips.shape[3])
        return _bones(self.backend, clips, parents, self.score)


@keras.saving.register_keras_serializable(package="keras_skeleton")
class Motion(SkeletonTransform):
    """Replaces each frame by its difference to the next; the last is zero.

    Where `lengths` are passed, the last frame is that of the clip. Without
    them it is that of the batch: clips are to have no padding, for example
    after `CropResize`, as else the last frame moves to the zeros that follow.

    Args:
        score: Whether the last coordinate is a score: that of a motion is
            the mean of the scores in the two frames. `"found"`: so, and a
            joint that was not found in one of them does not move, all is
            zero. `None`: see `Bones`.
        **kwargs: See `SkeletonTransform`.

    Input and output shape: `(N, M, T, V, C)`.
    """

    def __init__(self, score=None, **kwargs):
        super().__init__(**kwargs)
        self.score = _check_score(score, "found")

    def beside_scores(self, number):
        return _with_score(self, number)

    def transform(self, clips, draws, lengths):
        is_followed = _are_followed(self.backend, clips, lengths)
        return _motion(self.backend, clips, self.score, is_followed)

    def get_config(self):
        return {**super().get_config(), "score": self.score}


@keras.saving.register_keras_serializable(package="keras_skeleton")
class Streams(_BoneTransform):
    """Shows clips as several streams, one after another in the channels.

    `"joint"` are the clips themselves, `"bone"` the vector to each joint
    from its parent, `"skip"` that from its parent's parent (zero where there
    is none), `"joint_motion"`, `"bone_motion"` and `"skip_motion"` the
    difference of these to the next frame, zero in the last one.

    Motion needs `lengths`, or clips without padding (see `Motion`). Where
    frames are sampled and motion is meant between neighbours of the original
    clip, as in most graph networks' recipes, give this layer to
    `UniformSample` or `PadTo`.

    Args:
        skeleton: `Skeleton` or the name of a registered one, whose bones
            count. Not needed with `bones` or without a stream of bones.
        streams: One or more of `"joint"`, `"bone"`, `"skip"`,
            `"joint_motion"`, `"bone_motion"` and `"skip_motion"`, in the
            order of the output. Defaults to joints, bones and their motion.
        bones: Pairs `(joint, parent)` in place of those of the skeleton,
            joints from 0. The parent `None` means the origin, so that the
            bone is the joint's own place; a joint without a pair has the
            bone zero, and of two pairs the later counts. `"coco"` and
            `"openpose"` are the pairs of published 2D models, `"hand21"` those
            of a hand, `"openpose18"` and `"openpose20"` those of ACLNet,
            `"smplx42"` and
            `"berkeley_mhad43"` those of MS-CLR, whose bones are not the
            layouts' own: hips hang on the nose, for example.
        score: Whether the last coordinate is a score, which no difference
            is taken of: bones and motions have the mean of two scores. With
            `"bone"` bones alone have it, and scores are subtracted in the
            others, as published for ACLNet. `"found"`: as `True`, and zero
            where one of two joints was not found, as published code has it
            nowhere. `None`: see `Bones`.
        half_precision: Whether differences of the clips themselves are
            rounded to half precision, as in published code whose clips come
            out of files of half precision and were not turned.
        skips: Where the vectors of `"skip"` begin: a number of bones up the
            skeleton's tree, 2 by default, as published for BRL; or pairs
            `(joint, start)` as in `bones`, or, as published for ACLNet,
            `"coco"`, `"openpose18"` or `"openpose20"`.
        **kwargs: See `SkeletonTransform`.

    Call arguments:
        clips: float32 tensor `(N, M, T, V, C)`.

    Returns:
        float32 tensor `(N, M, T, V, S * C)` of `S` streams.

    Example:

    >>> layer = Streams("ntu", ("joint", "bone", "joint_motion"))
    >>> layer(np.ones((2, 1, 80, 25, 3))).shape
    (2, 1, 80, 25, 9)

    Reference: [Duan et al., 2022](https://arxiv.org/abs/2205.09443); for
    `"skip"` [Liu et al., 2023](https://arxiv.org/abs/2308.14024).
    """

    def __init__(
        self,
        skeleton=None,
        streams=STREAMS,
        bones=None,
        score=None,
        skips=2,
        half_precision=False,
        **kwargs,
    ):
        super().__init__(skeleton, bones, score, **kwargs)
        self.half_precision = bool(half_precision)
        streams = (streams,) if isinstance(streams, str) else tuple(streams)
        if not streams or not set(streams) <= set(ALL_STREAMS):
            raise ValueError(
                f"`streams` must be some of {', '.join(ALL_STREAMS)}. "
                f"Received: {streams}"
            )
        self.skips = skips
        self._skip_pairs = ()
        if any(stream.startswith("skip") for stream in streams):
            self._skip_pairs = self._check_skips(skips)
        needs_bones = any(stream.startswith("bone") for stream in streams)
        if needs_bones and skeleton is None and bones is None:
            raise ValueError(
                f"The streams {', '.join(streams)} need a `skeleton` or "
                "`bones`."
            )
        self.streams = streams

    def _check_skips(self, skips):
        if isinstance(skips, str):
            if skips not in PUBLISHED_SKIPS:
                raise ValueError(
                    f"Unknown skips {skips!r}. There are "
                    f"{', '.join(PUBLISHED_SKIPS) or 'none'}; pass a number "
                    "of bones, or pairs (joint, start)."
                )
            return PUBLISHED_SKIPS[skips]
        if not isinstance(skips, int):
            self.skips = _check_pairs("skips", skips)
            return self.skips
        if self.skeleton is None:
            raise ValueError(
                f"The streams of skips={skips} bones need a `skeleton`."
            )
        return tuple(enumerate(self.skeleton.ancestors(skips)))

    def check(self, shape):
        super().check(shape)
        self.check_pairs(self._skip_pairs, shape)

    def transform(self, clips, draws, lengths):
        is_followed = _are_followed(self.backend, clips, lengths)
        return self.features(self.backend, clips, is_followed)

    @property
    def has_motion(self):
        """Whether a stream depends on the next frame."""
        return any(stream.endswith("motion") for stream in self.streams)

    def features(self, backend, clips, is_followed=None):
        """Returns the streams of clips, for use within other transforms.

        Args:
            backend: The `backend` of the transform at work.
            clips: `(N, M, T, V, C)`.
            is_followed: boolean `(N, T)`, whether the next frame counts:
                where not, nothing moves. Without it, it does.

        Returns:
            `(N, M, T, V, S * C)`.
        """

        def rounded(values):
            if not self.half_precision:
                return values
            cast = backend.cast
            return cast(cast(values, "float16"), "float32")

        kinds = {"joint": clips}
        outputs = []
        in_bones = elsewhere = self.score
        if self.score == "bone":
            in_bones, elsewhere = True, False
        for stream in self.streams:
            kind = stream.removesuffix("_motion")
            if kind not in kinds:
                pairs = self._pairs if kind == "bone" else self._skip_pairs
                starts = _starts(pairs, clips.shape[3])
                score = in_bones if kind == "bone" else elsewhere
                kinds[kind] = rounded(_bones(backend, clips, starts, score))
            output = kinds[kind]
            if stream.endswith("motion"):
                output = _motion(backend, output, elsewhere, is_followed)
                if kind == "joint":
                    output = rounded(output)
            outputs.append(output)
        return backend.numpy.concatenate(outputs, axis=-1)

    def compute_output_shape(self, input_shape):
        *rest, coordinates = input_shape
        return (*rest, len(self.streams) * coordinates)

    def get_config(self):
        skips = self.skips
        if isinstance(skips, tuple):
            skips = [list(pair) for pair in skips]
        return {
            **super().get_config(),
            "streams": list(self.streams),
            "skips": skips,
            "half_precision": self.half_precision,
        }
