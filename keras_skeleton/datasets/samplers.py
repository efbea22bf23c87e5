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

    def order(self, epoch, seed, labels):
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

    def order(self, epoch, seed, labels):
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

    def order(self, epoch, seed, labels):
        """Returns the clips of an epoch, see `InOrder.order`."""
        first = self.times * epoch
        return np.concatenate(
            [
                self.sampler.order(first + index, seed, labels)
                for index in range(self.times)
            ]
        )


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

    def order(self, epoch, seed, labels):
        """Returns the clips of an epoch, see `InOrder.order`."""
        labels = np.asarray(labels)
        if np.any(labels < 0):
            raise ValueError(
                f"{int(np.sum(labels < 0))} of {len(labels)} clips have no "
                "class. Leave them out (`sequences.select`) or take another "
                "sampler."
            )
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
