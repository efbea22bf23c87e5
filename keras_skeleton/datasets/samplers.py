"""Which clips an epoch shows, and in which order.

A sampler has a method `order(epoch, seed, labels)`. It returns int64 clip
numbers `(K,)`, which may name a clip several times or never, and is a pure
function: training that goes on where it stopped sees the same. `K` must be
the same in every epoch, as the number of batches follows from it. A class of
one's own is as good as those of this module.
"""

import numpy as np


class InOrder:
    """Every clip once, in the order of the data set."""

    def order(self, epoch, seed, labels) -> np.ndarray:
        """Returns the clips of an epoch.

        Args:
            epoch: Number of the epoch, from 0.
            seed: Whole number.
            labels: int array, the class of every clip, -1 where unknown.

        Returns:
            int64 array of clip numbers.
        """
        return np.arange(len(labels))


class Shuffled:
    """Every clip once, in an order that is new in each epoch."""

    def order(self, epoch, seed, labels) -> np.ndarray:
        """Returns the clips of an epoch, see `InOrder.order`."""
        return np.random.default_rng([seed, epoch]).permutation(len(labels))


class Repeated:
    """Several epochs of another sampler as one, for small data sets.

    Recipes for NW-UCLA show every clip five times in an epoch, each time
    transformed anew. Epoch `e` consists of the other sampler's epochs
    `times * e` to `times * e + times - 1`, one after the other.

    Args:
        times: How many of them, a whole number.
        sampler: The other sampler, by default `Shuffled()`.

    Example:

    >>> Repeated(2, InOrder()).order(0, 0, np.zeros(3))
    array([0, 1, 2, 0, 1, 2])
    """

    def __init__(self, times, sampler=None):
        if int(times) != times or times < 1:
            raise ValueError(
                "`times` must be a whole number from 1 up. Received: "
                f"times={times}"
            )
        self.times = int(times)
        self.sampler = Shuffled() if sampler is None else sampler

    def order(self, epoch, seed, labels) -> np.ndarray:
        """Returns the clips of an epoch, see `InOrder.order`."""
        first = self.times * epoch
        return np.concatenate(
            [
                self.sampler.order(first + index, seed, labels)
                for index in range(self.times)
            ]
        )


class Rebalanced:
    """Clips of the rarest third of the classes more often than the others.

    A clip of one of these classes is shown `n_max / n` times in an epoch, on
    average, where `n` are the clips of its class and `n_max` those of the
    most frequent one; all others once. Where that is no whole number, a
    random share of the class is shown once more. Classes in the middle thus
    become the rarest, as published for BRL.

    Args:
        times: How often all of that, for the effect of `Repeated`.
        class_counts: Clips of each class, by default those of the data. The
            published code has nominal ones (`datasets.class_counts`), of
            classes ordered from the most frequent to the rarest.

    Raises:
        ValueError: From `order`, if the class of a clip is unknown.

    Example:

    >>> labels = np.array([0] * 8 + [1] * 4 + [2] * 2)
    >>> np.bincount(labels[Rebalanced().order(0, 0, labels)])
    array([8, 4, 8])

    Reference: Liu et al., 2023, arXiv 2308.14024.
    """

    def __init__(self, times=1, class_counts=None):
        if not times >= 1:
            raise ValueError(
                f"`times` must be at least 1. Received: times={times}"
            )
        self.times = times
        self.class_counts = class_counts

    def order(self, epoch, seed, labels) -> np.ndarray:
        """Returns the clips of an epoch, see `InOrder.order`."""
        generator = np.random.default_rng([seed, epoch])
        return self.drawn(labels, generator.permutation)

    def shows(self, labels):
        """How often a clip of each class is shown on average, `(C,)`."""
        labels = _known(labels)
        counts = self.class_counts
        counts = np.bincount(labels) if counts is None else np.asarray(counts)
        if labels.max(initial=0) >= len(counts):
            raise ValueError(
                f"`class_counts` names {len(counts)} classes, but a clip has "
                f"the label {labels.max()}."
            )
        number = len(counts)
        shows = np.ones(number)
        rarest = np.argsort(-counts, kind="stable")[2 * (number // 3) :]
        shows[rarest] = counts.max() / np.maximum(counts[rarest], 1)
        return self.times * shows

    def drawn(self, labels, permutation):
        """The clips of an epoch, by a function that shuffles `n` numbers."""
        labels = _known(labels)
        shows = self.shows(labels)
        chosen = []
        # In the order in which the classes appear.
        _, first = np.unique(labels, return_index=True)
        for label in labels[np.sort(first)]:
            members = np.flatnonzero(labels == label)
            whole, rest = divmod(shows[label], 1)
            chosen += int(whole) * [members]
            count = int(rest * len(members))
            chosen.append(members[permutation(len(members))[:count]])
        chosen = np.concatenate(chosen)
        return chosen[permutation(len(chosen))]


class ClassBalanced:
    """As many clips of every class, in an order that is new in each epoch.

    The clips of each class are shuffled as often as needed to have `count`
    of them, the last time in part; so in an epoch none is shown more than
    once more often than another of its class. Then all classes are shuffled
    together. Classes without clips do not count.

    Args:
        count: Clips of every class in an epoch. By default the mean number
            of clips of a class, rounded up, so that an epoch keeps its size:
            clips of rare classes are then shown several times, and of
            frequent ones a share.

    Raises:
        ValueError: From `order`, if the class of a clip is unknown.

    Example:

    >>> labels = np.array([0, 0, 0, 0, 0, 1])
    >>> labels[ClassBalanced().order(0, 0, labels)].sum()
    3
    """

    def __init__(self, count=None):
        if count is not None and (int(count) != count or count < 1):
            raise ValueError(
                "`count` must be a whole number from 1 up, or None. Received: "
                f"count={count}"
            )
        self.count = None if count is None else int(count)

    def order(self, epoch, seed, labels) -> np.ndarray:
        """Returns the clips of an epoch, see `InOrder.order`."""
        labels = _known(labels)
        generator = np.random.default_rng([seed, epoch])
        classes = np.unique(labels)
        count = self.count or -(-len(labels) // len(classes))
        chosen = []
        for label in classes:
            members = np.flatnonzero(labels == label)
            shuffles = -(-count // len(members))
            rows = [generator.permutation(members) for _ in range(shuffles)]
            chosen.append(np.concatenate(rows)[:count])
        return generator.permutation(np.concatenate(chosen))


def _known(labels):
    """The classes of the clips, all of which must be known."""
    labels = np.asarray(labels)
    if np.any(labels < 0):
        raise ValueError(
            f"{int(np.sum(labels < 0))} of {len(labels)} clips have no "
            "class. Leave them out (`sequences.select`) or take another "
            "sampler."
        )
    return labels
