"""A first-in first-out store of feature vectors."""

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
        seed: Seed of the random unit vectors the queue starts with.

    Example:

    >>> queue = FeatureQueue(size=512, dim=64)
    >>> queue.push(ops.ones((32, 64)))
    >>> queue.vectors().shape
    (512, 64)
    """

    def __init__(self, size, dim, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.size = size
        self.dim = dim
        self.seed = seed
        self.features = self.add_weight(
            name="features",
            shape=(size, dim),
            initializer=keras.initializers.RandomNormal(1.0, seed=seed),
            trainable=False,
        )
        self.features.assign(ops.normalize(self.features.value, axis=-1))
        self.position = self.add_weight(
            name="position",
            shape=(),
            initializer="zeros",
            dtype="int32",
            trainable=False,
        )
        self.built = True

    def vectors(self):
        """The stored vectors `(K, D)`, as a copy without gradient.

        A copy, because on PyTorch a later `push` would change the tensor that
        the backward pass still needs.
        """
        return ops.stop_gradient(ops.copy(self.features.value))

    def push(self, vectors):
        """Replaces the oldest vectors by `vectors` `(n, D)`, `n <= K`."""
        count = ops.shape(vectors)[0]
        places = (self.position + ops.arange(count, dtype="int32")) % self.size
        self.features.assign(
            ops.scatter_update(
                ops.copy(self.features.value),
                places[:, None],
                ops.stop_gradient(ops.cast(vectors, self.features.dtype)),
            )
        )
        self.position.assign((self.position + count) % self.size)

    def get_config(self):
        return {
            **super().get_config(),
            "size": self.size,
            "dim": self.dim,
            "seed": self.seed,
        }
