"""Prototypes: centres of clusters of unit vectors."""

import keras
from keras import ops

# Vectors of one direction: the angle between them is 0 in float32.
_SAME = 1e-12


def spherical_kmeans(
    vectors,
    centers,
    spares,
    tolerance=1e-3,
    mean_tolerance=1e-4 * 128,
    max_iterations=100,
):
    """Clusters unit vectors by the angle between them.

    A cluster's new centre is the Karcher mean of its vectors: that which the
    logarithms of the vectors at it, which point along the arcs, average to 0.
    From the cluster's first vector it goes along the average, by a step that
    is halved each time that the average has grown. In turn vectors join the
    nearest centre and centres move, until these move by less than `tolerance`
    on average.

    Shapes are static and all clusters move at once, so it runs in compiled
    steps. There is no gradient.

    Args:
        vectors: Unit vectors `(n, D)`.
        centers: First centres `(P, D)`, as `first_centers` draws them.
        spares: Rows of vectors `(max_iterations, P)`, whole numbers below
            `n`: what a cluster without vectors gets for its centre.
        tolerance: See above, in radians.
        mean_tolerance: A mean is taken when the square of the average is
            not above it.
        max_iterations: Most rounds, and most steps to a mean.

    Returns:
        Tuple `(centers, labels)`: unit vectors `(P, D)`, and the cluster of
        each vector, int32 `(n,)`, by the centres before the last move.

    Reference: the Riemannian k-means of geomstats 2.5.0, which the official
    code of HaLP calls.
    """
    labels = ops.zeros_like(vectors[:, 0], dtype="int32")

    def goes_on(i, centers, moved, labels):
        return ops.logical_and(i < max_iterations, moved >= tolerance)

    def move(i, centers, moved, labels):
        labels = _nearest(vectors, centers)
        spare = ops.take(vectors, ops.take(spares, i, axis=0), axis=0)
        new = _karcher_means(
            vectors, labels, spare, mean_tolerance, max_iterations
        )
        return i + 1, new, ops.mean(_angle(centers, new)), labels

    start = (
        ops.zeros((), "int32"),
        centers,
        ops.full((), 2 * tolerance, centers.dtype),
        labels,
    )
    _, centers, _, labels = ops.while_loop(goes_on, move, start)
    return centers, labels


def first_centers(vectors, draws, spread=True):
    """Draws the centres that clustering starts from among the vectors.

    Args:
        vectors: Unit vectors `(n, D)`.
        draws: Numbers in [0, 1), `(P,)`.
        spread: Whether, after the first, a vector is drawn with a probability
            proportional to its angle to the nearest centre so far
            (k-means++, but for the square); else all are equally likely.

    Returns:
        Tensor `(P, D)`.
    """
    count = ops.shape(vectors)[0]
    size = ops.cast(count, draws.dtype)
    rows = ops.cast(ops.floor(draws * size), "int32")
    if not spread:
        return ops.take(vectors, rows, axis=0)

    def draw(i, state):
        centers, angles = state
        reached = ops.cumsum(angles) <= draws[i] * ops.sum(angles)
        row = ops.minimum(ops.sum(ops.cast(reached, "int32")), count - 1)
        new = ops.take(vectors, row, axis=0)
        centers = ops.where(
            (ops.arange(draws.shape[0]) == i)[:, None], new, centers
        )
        return centers, ops.minimum(angles, _angle(vectors, new))

    first = ops.take(vectors, rows[0], axis=0)
    centers = ops.broadcast_to(first, (draws.shape[0], vectors.shape[1]))
    state = centers, _angle(vectors, first)
    return ops.fori_loop(1, draws.shape[0], draw, state)[0]


def _nearest(vectors, centers):
    similarity = ops.matmul(vectors, ops.transpose(centers))
    return ops.cast(ops.argmax(similarity, axis=1), "int32")


def _angle(a, b):
    """Angles between unit vectors; small ones keep their digits."""
    chord = ops.sqrt(ops.sum(ops.square(a - b), axis=-1))
    return 2 * ops.arcsin(ops.minimum(chord / 2, 1.0))


def _karcher_means(vectors, labels, spare, tolerance, max_iterations):
    """The mean of each cluster `(P, D)`; a spare vector where it is empty."""
    clusters = spare.shape[0]
    members = ops.one_hot(labels, clusters, axis=0, dtype=vectors.dtype)
    sizes = ops.sum(members, axis=1)
    members = members / ops.maximum(sizes, 1)[:, None]
    first = ops.take(vectors, ops.argmax(members > 0, axis=1), axis=0)

    def goes_on(i, means, moving, step, least):
        return ops.logical_and(i < max_iterations, ops.any(moving))

    def move(i, means, moving, step, least):
        average, variance = _average_logarithm(vectors, members, means)
        norm = ops.sqrt(ops.sum(ops.square(average), axis=1))
        far = ops.logical_and(norm**2 > tolerance, variance > _SAME)
        moving = ops.logical_and(moving, ops.logical_or(i == 0, far))
        means = ops.where(
            moving[:, None], _exponential(means, step[:, None] * average), means
        )
        step = ops.where(norm > least, step / 2, step)
        return i + 1, means, moving, step, ops.minimum(least, norm)

    ones = ops.ones_like(sizes)
    start = (
        ops.zeros((), "int32"),
        first,
        sizes > 1,
        ones,
        # The length of all vectors together: no average is longer.
        ops.sqrt(ops.maximum(sizes, 1)),
    )
    means = ops.while_loop(goes_on, move, start)[1]
    return ops.where((sizes > 0)[:, None], means, spare)


def _average_logarithm(vectors, members, means):
    """The average of the logarithms at each mean, and of their squares."""
    cosine = ops.clip(ops.matmul(means, ops.transpose(vectors)), -1.0, 1.0)
    angle = ops.arccos(cosine)
    sine = ops.sqrt(ops.maximum(1 - ops.square(cosine), _SAME))
    weight = members * ops.where(angle > 1e-4, angle / sine, 1.0)
    # log(x) = angle / sine * (x - cosine * mean)
    average = ops.matmul(weight, vectors) - means * ops.sum(
        weight * cosine, axis=1, keepdims=True
    )
    return average, ops.sum(members * ops.square(angle), axis=1)


def _exponential(means, tangents):
    length = ops.sqrt(ops.sum(ops.square(tangents), axis=1, keepdims=True))
    direction = tangents / ops.maximum(length, _SAME)
    moved = ops.cos(length) * means + ops.sin(length) * direction
    return ops.normalize(moved, axis=-1)


@keras.saving.register_keras_serializable(package="keras_skeleton")
class Prototypes(keras.layers.Layer):
    """Centres of clusters of the unit vectors that a training has seen last.

    They are 0 before the first `update`, and are computed anew by every
    `period`-th. They are saved with the model, and so is how many updates are
    left until then.

    Args:
        count: Number of prototypes, `P`.
        dim: Width `D` of a vector.
        period: Updates from one clustering to the next.
        spread: How the first centres are drawn, see `first_centers`.
        seed: Seed of what is drawn.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:

    >>> prototypes = Prototypes(20, 128, period=10)
    >>> queue = FeatureQueue(512, 128)
    >>> prototypes.update(queue.newest(256), True)
    >>> prototypes.centers().shape
    (20, 128)
    """

    #: Most rounds of a clustering.
    max_iterations = 100

    def __init__(self, count, dim, period=10, spread=True, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.count = count
        self.dim = dim
        self.period = period
        self.spread = spread
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.vectors = self._state("vectors", (count, dim), "zeros")
        self.countdown = self._state(
            "countdown", (), keras.initializers.Constant(-1), "int32"
        )
        self.built = True

    def _state(self, name, shape, initializer, dtype=None):
        return self.add_weight(
            name=name,
            shape=shape,
            initializer=initializer,
            dtype=dtype,
            trainable=False,
            aggregation="only_first_replica",
        )

    def centers(self):
        """The prototypes `(P, D)`, as a copy without gradient."""
        return ops.stop_gradient(ops.copy(self.vectors.value))

    def begin(self, vectors, is_due):
        """Clusters, where it is due, if there was no `update` yet.

        Args:
            vectors: See `update`, also for `is_due`.
        """
        is_first = ops.logical_and(is_due, self.countdown.value < 0)
        self._cluster(vectors, is_first)

    def update(self, vectors, is_due):
        """Clusters at the first update and at every `period`-th after it.

        Args:
            vectors: Unit vectors `(n, D)`, at least as many as prototypes.
            is_due: Boolean scalar: whether this counts as an update.
        """
        left = self.countdown.value
        self._cluster(vectors, ops.logical_and(is_due, left <= 0))
        left = ops.where(left <= 0, self.period - 1, left - 1)
        self.countdown.assign(ops.where(is_due, left, self.countdown.value))

    def _cluster(self, vectors, is_due):
        draws = keras.random.uniform(
            (1 + self.max_iterations, self.count), seed=self.seed_generator
        )
        centers = ops.cond(
            is_due,
            lambda: self.cluster(vectors, draws),
            lambda: ops.copy(self.vectors.value),
        )
        self.vectors.assign(centers)

    def cluster(self, vectors, draws):
        """The prototypes of vectors.

        Args:
            vectors: Unit vectors `(n, D)`.
            draws: Numbers in [0, 1), `(1 + max_iterations, P)`: one for each
                first centre, then for the spares of each round.
        """
        size = ops.cast(ops.shape(vectors)[0], draws.dtype)
        return spherical_kmeans(
            vectors,
            first_centers(vectors, draws[0], self.spread),
            ops.cast(ops.floor(draws[1:] * size), "int32"),
            max_iterations=self.max_iterations,
        )[0]

    def get_config(self):
        return {
            **super().get_config(),
            "count": self.count,
            "dim": self.dim,
            "period": self.period,
            "spread": self.spread,
            "seed": self.seed,
        }
