"""Mixing the bodies of two clips of a batch."""

import keras
import numpy as np
from keras import ops

QUIRKS = ("joint_order", "one_share", "skipping")


@keras.saving.register_keras_serializable(package="keras_skeleton")
class BodyMixing(keras.layers.Layer):
    """Gives some clips of a batch the lower body of another one.

    Of `N` clips `int(ratio * N)` are chosen; each keeps its upper body, in
    all frames and for all persons, and receives the lower body of a donor,
    another clip of the batch as it was before. The label is then shared
    between the two: `upper_share` belongs to the clip's own, the rest to the
    donor's. Where one class has more than `dominance` times the clips of the
    other, the label is wholly that of the rarer one.

    Args:
        upper: Joints of the upper body.
        num_joints: Joints of the clips, `V`; all others are the lower body.
        class_counts: Clips of each class. `None` shares all labels by
            `upper_share`.
        ratio: Share of the clips that are mixed.
        upper_share: Share of the label that is the clip's own; by default
            the share of joints in the upper body.
        dominance: See above.
        official: Names of what is done as in the published code:
            `"joint_order"` writes the joints of the mixed body in another
            order, all of the upper body first; `"one_share"` gives the whole
            batch the share of its last mixed clip, or 0 (without counts
            `upper_share`) if there is none; `"skipping"` never mixes a
            clip right behind a mixed one, and takes no donor that was mixed
            before.
        seed: Seed of the choices.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        clips: Tensor `(N, M, T, V, C)`.
        labels: Whole numbers `(N,)`.
        chosen: Optional booleans `(N,)`, the clips to mix.
        donors: Optional numbers `(N,)` of the clips that give; they count
            for the chosen clips.

    Returns:
        The clips, the labels of what was received `(N,)`, and the share of
        the own labels `(N,)`. Clips that are not mixed have their own label
        twice, and the share 1.

    Raises:
        ValueError: If an argument does not fit the joints.

    Example:

    >>> mixing = BodyMixing(range(1, 12), 20, np.array([100, 10]))
    >>> clips, received, share = mixing(np.zeros((16, 1, 52, 20, 3)), labels)

    Reference: Liu et al., Balanced Representation Learning for Long-tailed
    Skeleton-based Action Recognition, 2023, arXiv 2308.14024.
    """

    def __init__(
        self,
        upper,
        num_joints,
        class_counts=None,
        ratio=1 / 16,
        upper_share=None,
        dominance=3.0,
        official=(),
        seed=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        try:
            upper = sorted({int(joint) for joint in upper})
        except (TypeError, ValueError):
            raise ValueError(
                "`upper` must be a list of numbers of joints, counted from 0. "
                f"Received upper={upper!r}."
            ) from None
        if not upper or not 0 <= upper[0] <= upper[-1] < num_joints:
            raise ValueError(
                "`upper` must name joints of the upper body, counted from 0, "
                f"of {num_joints} joints. Received upper={upper}."
            )
        if len(upper) == num_joints:
            raise ValueError("`upper` names all joints: no lower body is left.")
        if not 0 <= ratio <= 1:
            raise ValueError(
                f"`ratio` must be from 0 to 1. Received ratio={ratio}."
            )
        wrong = set(official) - set(QUIRKS)
        if wrong:
            raise ValueError(
                f"`official` may name {', '.join(QUIRKS)}. Received "
                f"{sorted(wrong)}."
            )
        self.upper = upper
        self.num_joints = num_joints
        self.class_counts = class_counts
        if class_counts is not None:
            self.class_counts = np.asarray(class_counts, "float64")
        self.ratio = ratio
        self.upper_share = upper_share
        if upper_share is None:
            self.upper_share = len(upper) / num_joints
        self.dominance = dominance
        self.official = tuple(sorted(official))
        self.seed = seed
        self.generator = keras.random.SeedGenerator(seed)

    def call(self, clips, labels, chosen=None, donors=None):
        labels = ops.reshape(ops.cast(labels, "int32"), (-1,))
        # The number of clips may only be known when the step runs.
        place = ops.cumsum(ops.ones_like(labels)) - 1
        if chosen is None:
            chosen = self.choose(labels)
        mixed = self.are_mixed(ops.cast(chosen, "bool"), place)
        if donors is None:
            donors = self.draw_donors(mixed, place)
        donors = ops.where(mixed, ops.cast(donors, "int32"), place)
        received = ops.take(labels, donors)
        share = self.own_share(labels, received)
        if "one_share" in self.official:
            share = self.last_share(share, mixed, place)
        else:
            share = ops.where(mixed, share, ops.ones_like(share))
        mask = ops.reshape(mixed, (-1, 1, 1, 1, 1))
        clips = ops.where(mask, self.join(clips, donors), clips)
        return clips, received, share

    def choose(self, labels):
        """Which clips are chosen, booleans `(N,)`."""
        number = ops.shape(labels)[0]
        draws = keras.random.uniform((number,), seed=self.generator)
        # Rounding must not take a clip away.
        count = ops.floor(self.ratio * ops.cast(number, "float32") + 1e-4)
        # Ranks of random numbers are a random order.
        rank = ops.argsort(ops.argsort(draws))
        return ops.cast(rank, "float32") < count

    def are_mixed(self, chosen, place):
        """Which of the chosen clips are mixed, booleans `(N,)`."""
        if "skipping" not in self.official:
            return chosen
        # Of chosen clips one behind the other, every second one.
        rest = ops.where(chosen, -ops.ones_like(place), place)
        is_before = place[None] <= place[:, None]
        last = ops.max(ops.where(is_before, rest[None], -1), axis=1)
        return ops.logical_and(chosen, (place - last) % 2 == 1)

    def draw_donors(self, mixed, place):
        """A donor for each clip, int32 `(N,)`."""
        number = ops.shape(place)[0]
        draws = keras.random.uniform((number, number), seed=self.generator)
        possible = place[None] != place[:, None]
        if "skipping" in self.official:
            taken = ops.logical_and(place[None] < place[:, None], mixed[None])
            possible = ops.logical_and(possible, ops.logical_not(taken))
        draws = ops.where(possible, draws, -ops.ones_like(draws))
        return ops.cast(ops.argmax(draws, axis=1), "int32")

    def own_share(self, labels, received):
        """How much of the label is the clip's own, `(N,)`."""
        share = ops.zeros_like(labels, dtype="float32") + self.upper_share
        if self.class_counts is None:
            return share
        counts = ops.convert_to_tensor(self.class_counts, "float32")
        own, other = ops.take(counts, labels), ops.take(counts, received)
        share = ops.where(own > self.dominance * other, 0.0, share)
        return ops.where(other > self.dominance * own, 1.0, share)

    def last_share(self, share, mixed, place):
        """The share of the last mixed clip for all, `(N,)`."""
        last = ops.max(ops.where(mixed, place, -ops.ones_like(place)))
        none = self.upper_share if self.class_counts is None else 0.0
        found = ops.where(last < 0, none, ops.take(share, ops.maximum(last, 0)))
        return ops.zeros_like(share) + found

    def join(self, clips, donors):
        """Upper bodies with those of the donors below."""
        lower = sorted(set(range(self.num_joints)) - set(self.upper))
        other = ops.take(clips, donors, axis=0)
        if "joint_order" in self.official:
            parts = [
                ops.take(clips, self.upper, axis=3),
                ops.take(other, lower, axis=3),
            ]
            return ops.concatenate(parts, axis=3)
        is_upper = np.zeros((self.num_joints, 1), bool)
        is_upper[self.upper] = True
        return ops.where(is_upper, clips, other)

    def get_config(self):
        counts = self.class_counts
        return {
            **super().get_config(),
            "upper": self.upper,
            "num_joints": self.num_joints,
            "class_counts": None if counts is None else counts.tolist(),
            "ratio": self.ratio,
            "upper_share": self.upper_share,
            "dominance": self.dominance,
            "official": list(self.official),
            "seed": self.seed,
        }
