"""First-in first-out stores of feature vectors."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_skeleton")
class FeatureQueue(keras.layers.Layer):
    """Holds the last `size` feature vectors, for contrast or neighbours.

    The content is saved with the model, so a resumed training goes on with
    the same queue.

    Args:
        size: Number of vectors `K`.
        dim: Width `D` of a vector.
        columns: Dict from the name of a whole number that is kept beside
            each vector, such as the number of its sample, to the value that
            it has at first.
        seed: Seed of the random unit vectors the queue starts with.

    Example:

    >>> queue = FeatureQueue(size=512, dim=64)
    >>> queue.push(ops.ones((32, 64)))
    >>> queue.vectors().shape
    (512, 64)
    """

    def __init__(self, size, dim, columns=None, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.size = size
        self.dim = dim
        self.columns = dict(columns or {})
        self.seed = seed
        self.features = self._state(
            "features",
            (size, dim),
            keras.initializers.RandomNormal(1.0, seed=seed),
        )
        self.features.assign(ops.normalize(self.features.value, axis=-1))
        self.position = self._state("position", (), "zeros", "int32")
        self._columns = {
            name: self._state(
                name, (size,), keras.initializers.Constant(value), "int32"
            )
            for name, value in self.columns.items()
        }
        self.built = True

    def _state(self, name, shape, initializer, dtype=None):
        return self.add_weight(
            name=name,
            shape=shape,
            initializer=initializer,
            dtype=dtype,
            trainable=False,
            # Every replica pushes the same gathered vectors.
            aggregation="only_first_replica",
        )

    def vectors(self):
        """The stored vectors `(K, D)`, as a copy without gradient.

        A copy, because on PyTorch a later `push` would change the tensor that
        the backward pass still needs.
        """
        return ops.stop_gradient(ops.copy(self.features.value))

    def newest(self, count, column=None):
        """The vectors that came last, the oldest of them first.

        Args:
            count: Their number, at most `K`.
            column: Name of the whole numbers to return in their place.
        """
        places = self.position - count + ops.arange(count, dtype="int32")
        stored = self.vectors() if column is None else self.column(column)
        return ops.take(stored, places % self.size, axis=0)

    def column(self, name):
        """The whole numbers `(K,)` beside the vectors, as a copy."""
        return ops.copy(self._columns[name].value)

    def push(self, vectors, **columns):
        """Replaces the oldest entries.

        Args:
            vectors: Tensor `(n, D)`, `n <= K`. The queue goes round.
            **columns: For each column a tensor `(n,)`.
        """
        if set(columns) != set(self.columns):
            raise ValueError(
                f"The queue {self.name!r} keeps the columns "
                f"{sorted(self.columns)} beside its vectors. Received "
                f"{sorted(columns)}."
            )
        count = ops.shape(vectors)[0]
        places = (self.position + ops.arange(count, dtype="int32")) % self.size
        self._replace(self.features, places, vectors)
        for name, values in columns.items():
            self._replace(self._columns[name], places, values)
        self.position.assign((self.position + count) % self.size)

    @staticmethod
    def _replace(variable, places, values):
        values = ops.stop_gradient(ops.cast(values, variable.dtype))
        variable.assign(
            ops.scatter_update(
                ops.copy(variable.value), places[:, None], values
            )
        )

    def get_config(self):
        return {
            **super().get_config(),
            "size": self.size,
            "dim": self.dim,
            "columns": self.columns,
            "seed": self.seed,
        }


@keras.saving.register_keras_serializable(package="keras_skeleton")
class NeighborQueue(FeatureQueue):
    """A queue of features in which the nearest ones are looked up.

    Beside each vector it keeps the number of the sample that it comes from,
    -1 where that is not known.

    Args:
        size: Number of vectors `K`.
        dim: Width `D` of a vector.
        num_candidates: The neighbour is drawn uniformly from that many
            nearest vectors; published: 1, the nearest itself.
        seed: Seed of the first vectors and of the draw.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    def __init__(self, size, dim, num_candidates=1, seed=None, **kwargs):
        super().__init__(size, dim, {"sample": -1}, seed, **kwargs)
        if not 1 <= num_candidates <= size:
            raise ValueError(
                "`num_candidates` must be at least 1 and at most the size of "
                f"the queue, {size}. Received {num_candidates}."
            )
        self.num_candidates = num_candidates
        self.seed_generator = keras.random.SeedGenerator(seed)

    def similarity(self, projections, samples=None):
        """Cosine similarity `(N, K)` of unit vectors to those of the queue.

        Vectors of the same sample get -1: nobody is their own neighbour.

        Args:
            projections: Unit vectors `(N, D)`.
            samples: Whole numbers `(N,)`, or `None` if they are not known.
        """
        found = ops.matmul(projections, ops.transpose(self.vectors()))
        if samples is None:
            return found
        own = self.column("sample")[None] == ops.cast(samples, "int32")[:, None]
        return ops.where(own, -1.0, found)

    def neighbors(self, projections, samples=None):
        """The nearest vector of the queue for each row, `(N, D)`.

        Args:
            projections: See `similarity`, also for `samples`.
        """
        found = self.similarity(projections, samples)
        if self.num_candidates == 1:
            places = ops.argmax(found, axis=1)
        else:
            _, nearest = ops.top_k(found, self.num_candidates)
            rank = self.draw(ops.shape(found)[0])
            chosen = ops.one_hot(rank, self.num_candidates, dtype="int32")
            places = ops.sum(ops.cast(nearest, "int32") * chosen, axis=1)
        return ops.take(self.vectors(), places, axis=0)

    def draw(self, count):
        """Ranks of the drawn neighbours, int32 `(count,)`."""
        return keras.random.randint(
            (count,), 0, self.num_candidates, seed=self.seed_generator
        )

    def get_config(self):
        config = super().get_config()
        del config["columns"]
        return {**config, "num_candidates": self.num_candidates}
