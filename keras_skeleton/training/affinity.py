"""Contrast of samples with typical ones, where classes are easily confused.

What it needs to remember, which classes were taken for which, what is typical
of each class and the last samples, is saved with the model.
"""

import keras
from keras import ops

from keras_skeleton.training.queue import FeatureQueue

# Added to lengths, and to sums before their logarithm, as published.
_LENGTH, _SUM = 1e-12, 1e-6
# A similarity that takes no part in a softmax.
_ABSENT = -1e9


def confusions(labels, predictions, num_classes):
    """Which classes were taken for which in a batch.

    Args:
        labels: Classes, whole numbers `(N,)`.
        predictions: The classes that were found, `(N,)`.
        num_classes: Number of classes `K`.

    Returns:
        Tuple of the number of samples of the class of the row that were
        taken for that of the column, float32 `(K, K)` with a zero diagonal,
        and the number of samples of each class, `(K,)`.

    Example:

    >>> errors, samples = confusions([0, 0, 1], [0, 1, 1], 2)
    >>> errors.tolist(), samples.tolist()
    ([[0.0, 1.0], [0.0, 0.0]], [2.0, 1.0])
    """
    true = ops.one_hot(labels, num_classes, dtype="float32")
    found = ops.one_hot(predictions, num_classes, dtype="float32")
    counts = ops.matmul(ops.transpose(true), found)
    return counts * (1 - ops.eye(num_classes)), ops.sum(true, axis=0)


def superclasses(bank, num_neighbors=10, num_shared=5):
    """The classes that each class is easily confused with.

    The neighbours of a class are the `num_neighbors` that it has most
    confusions with, those of lower number where there are as many; a class
    without confusions may be its own neighbour. A class also belongs to the
    superclass of every other with which it shares `num_shared` neighbours.

    Args:
        bank: Counts of confusions `(K, K)`, the true class in the row.
        num_neighbors: Neighbours of a class; all if there are fewer classes.
        num_shared: Least number of shared neighbours.

    Returns:
        Tuple of booleans `(K, K)`: which classes (columns) are neighbours of
        which (rows), and which belong to whose superclass.
    """
    classes = bank.shape[0]
    order = ops.argsort(-ops.cast(bank, "int32"), axis=1)
    neighbors = ops.argsort(order, axis=1) < num_neighbors
    counted = ops.cast(neighbors, "float32")
    shared = ops.matmul(counted, ops.transpose(counted)) >= num_shared
    others = ops.logical_not(ops.eye(classes, dtype="bool"))
    linked = ops.logical_and(shared, others)
    return neighbors, ops.logical_or(neighbors, linked)


def margin_contrast(
    vectors, labels, memory, memory_labels, temperature=0.1, margin=0.1
):
    """Each vector should be nearer to those of its class than to any other.

    With similarities `s[i, j]` of a vector to those of the memory and of the
    batch, divided by `temperature`, positives `j` of the same class but not
    `i` itself, and the negatives of other classes,

        loss[i] = mean over positives j of
            log(exp(s[i, j] - margin) + sum over negatives k of exp(s[i, k]))
            - s[i, j]

    or 0 without positives.

    Args:
        vectors: Unit vectors `(N, D)` of the batch.
        labels: Their classes, whole numbers `(N,)`.
        memory: Unit vectors `(Q, D)` of earlier samples.
        memory_labels: Their classes `(Q,)`.
        temperature: Divides the cosines.
        margin: Taken from the similarity of a positive in the denominator.

    Returns:
        The losses `(N,)`.
    """
    columns = ops.concatenate([memory, vectors])
    column_labels = ops.concatenate([memory_labels, labels])
    similarity = ops.matmul(vectors, ops.transpose(columns)) / temperature
    # The vector itself takes part in the largest one.
    largest = ops.max(similarity, axis=1, keepdims=True)
    similarity = similarity - ops.stop_gradient(largest)
    rows = ops.arange(ops.shape(vectors)[0]) + ops.shape(memory)[0]
    is_self = rows[:, None] == ops.arange(ops.shape(columns)[0])
    same = labels[:, None] == column_labels[None]
    positive = ops.logical_and(same, ops.logical_not(is_self))
    positive = ops.cast(positive, similarity.dtype)
    negative = ops.cast(ops.logical_not(same), similarity.dtype)
    power = ops.exp(similarity)
    total = ops.exp(-margin) * power * positive + ops.sum(
        negative * power, axis=1, keepdims=True
    )
    losses = positive * (ops.log(total + _SUM) - similarity)
    return ops.sum(losses, axis=1) / ops.maximum(ops.sum(positive, axis=1), 1)


@keras.saving.register_keras_serializable(package="keras_skeleton")
class ClassAffinity(keras.layers.Layer):
    """What is typical of each class, and which classes are confused.

    A sample should be nearer to the prototype of its class than to those of
    its superclass, the classes that it is easily confused with
    (`superclasses`):

        loss = -log softmax(f . p[label], (f . p[d] for d in superclass)) / t

    of unit vectors, for the first entry. The temperature `t` grows with the
    size of the superclass. A class that is in its own superclass is once more
    in the denominator, as published.

    Prototypes follow the means of those samples of a batch that were
    classified rightly; a step's own samples take part in its prototypes, and
    so do their gradients. From `counting_epochs` on confusions are counted,
    and never forgotten; from `contrast_epochs` on the first step of each
    epoch sets the superclasses anew, and there is a loss.

    Args:
        num_classes: Number of classes `K`.
        dim: Width `D` of a vector.
        momentum: Share of a prototype that stays in a step.
        counting_epochs: Epochs before confusions are counted.
        contrast_epochs: Epochs before there are superclasses and a loss.
        num_neighbors: See `superclasses`.
        num_shared: See `superclasses`.
        sizes: Largest sizes of superclasses of all temperatures but the last.
        temperatures: Temperature for each of the sizes, and for all above.
        seed: Seed of the first prototypes, normal numbers.
        **kwargs: Arguments of `keras.layers.Layer`.

    Reference: the code of Affinity Contrastive Learning for Skeleton-based
    Human Activity Understanding, arXiv 2601.16694, firework8/ACLNet.
    """

    def __init__(
        self,
        num_classes,
        dim,
        momentum=0.9,
        counting_epochs=29,
        contrast_epochs=30,
        num_neighbors=10,
        num_shared=5,
        sizes=(10, 20),
        temperatures=(0.1, 0.5, 1.0),
        seed=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if len(temperatures) != len(sizes) + 1 or min(temperatures) <= 0:
            raise ValueError(
                "`temperatures` must hold a number above 0 for each of "
                "`sizes` and one for larger superclasses. Received sizes="
                f"{tuple(sizes)} and temperatures={tuple(temperatures)}."
            )
        self.num_classes = num_classes
        self.dim = dim
        self.momentum = momentum
        self.counting_epochs = counting_epochs
        self.contrast_epochs = contrast_epochs
        self.num_neighbors = num_neighbors
        self.num_shared = num_shared
        self.sizes = tuple(sizes)
        self.temperatures = tuple(temperatures)
        self.seed = seed
        table = (num_classes, num_classes)
        self.prototypes = self._state(
            "prototypes",
            (num_classes, dim),
            keras.initializers.RandomNormal(stddev=1.0, seed=seed),
            "float32",
        )
        self.bank = self._state("confusions", table, "zeros")
        self.members = self._state("superclasses", table, "zeros")
        self.set_in = self._state(
            "set_in_epoch", (), keras.initializers.Constant(-1)
        )
        self.built = True

    def _state(self, name, shape, initializer, dtype="int32"):
        return self.add_weight(
            name=name,
            shape=shape,
            initializer=initializer,
            dtype=dtype,
            trainable=False,
            # Every replica counts the samples of all.
            aggregation="only_first_replica",
        )

    def contrast(self, vectors, labels, scores, epoch):
        """The loss of each sample, and what `update` needs.

        Where several devices share a batch, each sees its own part of it.

        Args:
            vectors: Tensor `(N, D)`, of any length.
            labels: Classes, int32 `(N,)`.
            scores: Class scores `(N, K)`.
            epoch: Number of the epoch, from 0.

        Returns:
            Tuple of the losses `(N,)` and a dict of sums over the batch.
        """
        found = ops.cast(ops.argmax(scores, axis=-1), "int32")
        true = ops.one_hot(labels, self.num_classes, dtype=vectors.dtype)
        right = ops.cast(found == labels, vectors.dtype)[:, None] * true
        errors, samples = confusions(labels, found, self.num_classes)
        sums = {
            "vectors": ops.matmul(ops.transpose(right), vectors),
            "right": ops.sum(right, axis=0),
            "errors": errors,
            "samples": samples,
        }
        prototypes = _unit(self._moved(sums))
        bank = self._counted(sums, epoch)
        members = ops.take(self._members(bank, epoch), labels, axis=0)
        similarity = ops.matmul(_unit(vectors), ops.transpose(prototypes))
        own = ops.sum(true * similarity, axis=1, keepdims=True)
        others = ops.where(members > 0, similarity, _ABSENT)
        logits = ops.concatenate([own, others], axis=1)
        logits = logits / self.temperature(members)[:, None]
        losses = -ops.log_softmax(logits, axis=1)[:, 0]
        is_on = epoch >= self.contrast_epochs
        losses = ops.where(is_on, losses, ops.zeros_like(losses))
        return losses, {k: ops.stop_gradient(x) for k, x in sums.items()}

    def temperature(self, members):
        """The temperatures `(N,)` of superclasses `(N, K)`."""
        size = ops.sum(ops.cast(members, "int32"), axis=1)
        found = ops.full_like(size, self.temperatures[-1], dtype="float32")
        pairs = zip(self.sizes, self.temperatures[:-1], strict=True)
        for largest, temperature in sorted(pairs, reverse=True):
            found = ops.where(size <= largest, temperature, found)
        return found

    def update(self, sums, epoch):
        """Remembers a batch.

        Args:
            sums: Dict as of `contrast`, added up over all devices.
            epoch: See `contrast`.
        """
        bank = self._counted(sums, epoch)
        members = self._members(bank, epoch)
        self.prototypes.assign(self._moved(sums))
        self.bank.assign(bank)
        self.members.assign(members)
        epoch = ops.cast(epoch, "int32")
        is_on = epoch >= self.contrast_epochs
        self.set_in.assign(ops.where(is_on, epoch, self.set_in.value))

    def _moved(self, sums):
        """The prototypes after a batch; gradients reach its vectors only."""
        old = ops.stop_gradient(ops.copy(self.prototypes.value))
        count = sums["right"][:, None]
        mean = sums["vectors"] / ops.maximum(count, 1)
        moved = self.momentum * old + (1 - self.momentum) * mean
        return ops.where(count > 0, moved, old)

    def _counted(self, sums, epoch):
        """The confusions after a batch.

        Errors count for the class that was missed, and for the one that was
        found as often as the batch has samples of it: so does the published
        code.
        """
        errors, samples = sums["errors"], sums["samples"]
        new = errors + samples[:, None] * ops.transpose(errors)
        new = ops.where(epoch >= self.counting_epochs, new, 0.0)
        return ops.copy(self.bank.value) + ops.cast(ops.round(new), "int32")

    def _members(self, bank, epoch):
        """The superclasses of an epoch, which its first step sets."""
        is_first = ops.logical_and(
            epoch >= self.contrast_epochs, self.set_in.value != epoch
        )

        def anew():
            _, members = superclasses(bank, self.num_neighbors, self.num_shared)
            return ops.cast(members, "int32")

        return ops.cond(is_first, anew, lambda: ops.copy(self.members.value))

    def get_config(self):
        names = (
            "num_classes",
            "dim",
            "momentum",
            "counting_epochs",
            "contrast_epochs",
            "num_neighbors",
            "num_shared",
            "sizes",
            "temperatures",
            "seed",
        )
        return {
            **super().get_config(),
            **{name: getattr(self, name) for name in names},
        }


@keras.saving.register_keras_serializable(package="keras_skeleton")
class LabelledMemory(FeatureQueue):
    """The last unit vectors and their classes, for `margin_contrast`.

    The newest entries are the batch itself. There is no loss before the
    memory is full, the first batch that fills it being part of it.

    Args:
        size: Number of vectors `Q`, the batch included.
        dim: Width `D` of a vector.
        temperature: See `margin_contrast`.
        margin: See `margin_contrast`.
        seed: Seed of the vectors that the memory starts with.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    def __init__(
        self, size, dim, temperature=0.1, margin=0.1, seed=None, **kwargs
    ):
        super().__init__(size, dim, {"label": -1}, seed, **kwargs)
        self.temperature = temperature
        self.margin = margin

    def contrast(self, vectors, labels):
        """The losses `(N,)` of a batch that is about to be pushed.

        Args:
            vectors: Unit vectors `(N, D)`, fewer than the memory holds.
            labels: Classes, int32 `(N,)`.

        Raises:
            ValueError: If the batch is larger than the memory.
        """
        if vectors.shape[0] is not None and vectors.shape[0] > self.size:
            raise ValueError(
                f"The memory holds {self.size} samples, the batch among them. "
                f"Received a batch of {vectors.shape[0]}: take a larger "
                "`memory_size`, or smaller batches."
            )
        kept = self.size - ops.shape(vectors)[0]
        memory_labels = self.newest(kept, "label")
        losses = margin_contrast(
            vectors,
            labels,
            self.newest(kept),
            memory_labels,
            self.temperature,
            self.margin,
        )
        is_full = ops.all(memory_labels >= 0)
        return ops.where(is_full, losses, ops.zeros_like(losses))

    def get_config(self):
        config = super().get_config()
        del config["columns"]
        return {
            **config,
            "temperature": self.temperature,
            "margin": self.margin,
        }


def _unit(vectors):
    square = ops.sum(ops.square(vectors), axis=-1, keepdims=True)
    # A root of 0 would have no gradient.
    return vectors / (ops.sqrt(ops.maximum(square, _LENGTH**2)) + _LENGTH)
