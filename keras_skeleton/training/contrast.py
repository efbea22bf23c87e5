"""Momentum contrast: queries against keys of a slower copy and a queue."""

import keras
from keras import ops

from keras_skeleton import _values
from keras_skeleton.training.momentum import twin
from keras_skeleton.training.momentum import update_momentum
from keras_skeleton.training.queue import FeatureQueue
from keras_skeleton.training.step_model import PretextModel
from keras_skeleton.training.vectors import unit_vectors


@keras.saving.register_keras_serializable(package="keras_skeleton")
class Branch(keras.Model):
    """An encoder and the projector of its pooled features.

    Args:
        encoder: Model from clips to features `(N, D)`.
        projector: Layer or model from features to embeddings `(N, E)`.
        **kwargs: Arguments of `keras.Model`.

    Output shape: `(N, E)`, of length 1.
    """

    def __init__(self, encoder, projector, **kwargs):
        super().__init__(**kwargs)
        self.encoder = encoder
        self.projector = projector
        if not projector.built:
            projector.build(encoder.output_shape)
        self.built = True

    def call(self, clips, training=None):
        return self.project(self.encoder(clips, training=training), training)

    def project(self, features, training=None):
        """Embeddings `(N, E)` of features `(N, D)`, of length 1."""
        embeddings = self.projector(features, training=training)
        return unit_vectors(embeddings)

    def compute_output_shape(self, input_shape):
        return self.projector.compute_output_shape(self.encoder.output_shape)

    def get_config(self):
        return {
            "encoder": keras.saving.serialize_keras_object(self.encoder),
            "projector": keras.saving.serialize_keras_object(self.projector),
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config):
        parts = {
            key: keras.saving.deserialize_keras_object(config[key])
            for key in ("encoder", "projector")
        }
        return cls(**{**config, **parts})


class MomentumContrast(PretextModel):
    """Momentum contrast of one or several streams.

    For each stream a query branch is trained to find, among the keys of a
    queue, the key of another view of the same clip. Keys come from a copy of
    the branch whose weights follow slowly. A step is:

    1. The key branches move towards the query branches.
    2. Cross-entropy of `query . keys / temperature`, the right key being that
       of the same clip.
    3. The keys of the batch, of all devices, enter the queue.

    A batch is a dict of views of the clips by their names (`view_names`), or
    a tuple of them in this order; or the clips alone, of which the step makes
    the views by `augmentation`, or which are all views where there is none.
    A subclass may ask for other views, mine other positives or add terms by
    its own `view_names`, `contrast` or `objective`.

    All weights have paths of their own: those of the key branch of a stream
    begin with `key_<stream>`. Those of several query branches must differ
    too: build each under `keras.name_scope(stream)`.

    Args:
        queries: Dict from the name of each stream to its `Branch`.
        queue_size: Keys in the queue of each stream.
        momentum: Share of the old weights of a key branch that stays.
        temperature: Divides the similarities.
        columns: What the queues keep beside each key, see `FeatureQueue`.
        seed: Seed of what the queues hold at first.
        augmentation: Layer from clips `(N, M, T, V, C)` to a dict of the
            views, such as `keras_skeleton.layers.augmentation.Views`; it runs
            inside the step. Only for batches of clips alone.
        copy_keys: Whether key branches begin with the weights of the query
            branches, or with random ones.
        **kwargs: Arguments of `keras.Model`.

    Raises:
        ValueError: If numbers are out of range, `augmentation` is no layer or
            makes other views, or two weights have the same path.

    Reference: He et al., Momentum Contrast for Unsupervised Visual
    Representation Learning, CVPR 2020, arXiv 1911.05722.
    """

    #: Names of the views in a batch.
    view_names = ("query", "key")

    def __init__(
        self,
        queries,
        queue_size=32768,
        momentum=0.999,
        temperature=0.07,
        columns=None,
        seed=None,
        augmentation=None,
        copy_keys=True,
        **kwargs,
    ):
        queue_size = _values.whole_number("queue_size", queue_size, 1)
        _values.number("momentum", momentum, least=0, most=1)
        _values.number("temperature", temperature, above=0)
        check_augmentation(augmentation, self.view_names)
        super().__init__(**kwargs)
        self.queries = dict(queries)
        self.augmentation = augmentation
        self.momentum = momentum
        self.temperature = temperature
        self.keys = {
            stream: twin(query, f"key_{stream}", copy_keys)
            for stream, query in self.queries.items()
        }
        self.queues = {
            stream: FeatureQueue(
                queue_size,
                query.compute_output_shape(None)[-1],
                columns,
                seed,
                name=f"queue_{stream}",
            )
            for stream, query in self.queries.items()
        }
        _check_paths(self)
        if augmentation is not None and not augmentation.built:
            augmentation.build(self.encoder.input_shape)
        self.built = True

    @property
    def encoder(self) -> keras.Model:
        """The encoder of the first stream."""
        return next(iter(self.queries.values())).encoder

    def call(self, clips, training=None):
        """Embeddings of the first stream's query branch."""
        return next(iter(self.queries.values()))(clips, training=training)

    def views_of(self, x, training=None):
        """Dict of the views of a batch, by `view_names`."""
        if isinstance(x, list | tuple) and len(x) == len(self.view_names):
            return dict(zip(self.view_names, x, strict=True))
        if isinstance(x, dict) and set(x) == set(self.view_names):
            return x
        if isinstance(x, list | tuple | dict):
            found = list(x) if isinstance(x, dict) else f"{len(x)} arrays"
            raise ValueError(
                f"{type(self).__name__} takes batches of the views "
                f"{', '.join(map(repr, self.view_names))}, or of clips alone. "
                f"Received {found}."
            )
        if self.augmentation is None:
            return dict.fromkeys(self.view_names, x)
        return self.augmentation(x, training=training)

    def streams_of(self, view):
        """What each stream's branch takes of a view; itself by default."""
        return dict.fromkeys(self.queries, view)

    def before_step(self):
        for stream, query in self.queries.items():
            update_momentum(self.keys[stream], query, self.momentum)

    def similarities(self, query, key, queue):
        """Logits `(N, 1 + K)`: those of the own key, then of the queue.

        Args:
            query: Embeddings `(N, E)`.
            key: The keys of the same clips `(N, E)`, without gradient.
            queue: The keys of the queue `(K, E)`.
        """
        positive = ops.sum(query * key, axis=-1, keepdims=True)
        negative = ops.matmul(query, ops.transpose(queue))
        logits = ops.concatenate([positive, negative], axis=1)
        return logits / self.temperature

    def contrast(self, query, key, queue):
        """The loss of one stream; arguments as of `similarities`."""
        logits = self.similarities(query, key, queue)
        return -ops.mean(ops.log_softmax(logits, axis=-1)[:, 0])

    def embed_keys(self, view, training):
        """The keys of all streams, without gradient."""
        return {
            stream: ops.stop_gradient(
                self.keys[stream](clips, training=training)
            )
            for stream, clips in self.streams_of(view).items()
        }

    def objective(self, x, y, training):
        views = self.views_of(x, training)
        keys = self.embed_keys(views["key"], training)
        losses = [
            self.contrast(
                self.queries[stream](clips, training=training),
                keys[stream],
                self.queues[stream].vectors(),
            )
            for stream, clips in self.streams_of(views["query"]).items()
        ]
        return sum(losses[1:], start=losses[0]), {}, keys

    def after_step(self, carried):
        for stream, keys in carried.items():
            self.queues[stream].push(self.gather(keys))


class ConsistentContrast(MomentumContrast):
    """Momentum contrast whose stronger views follow weaker ones.

    The first of several embeddings `q_0, q_1, ...` of each clip is contrasted
    with the key. Each further one must see the key and the queue as the
    embedding that guides it does: with `p_i` the softmax of its
    `similarities`,

        loss = contrast(p_0) + mean over i > 0 of
               cross-entropy(stop_gradient(p_guide(i)), p_i)

    From `mining_epoch` on the positives of `contrast` are, beside the own
    key, those keys of the queue that are among the `num_mined` nearest to any
    of the clip's embeddings, all with the same weight.

    A subclass says which embeddings there are (`embed`).

    Args:
        queries: Dict of the name of the one stream to its `Branch`.
        mining_epoch: Number of epochs before neighbours count as positives;
            `None` if they never do.
        num_mined: Neighbours of each embedding.
        **kwargs: Arguments of `MomentumContrast`.

    Reference: Guo et al., Contrastive Learning from Extremely Augmented
    Skeleton Sequences for Self-supervised Action Recognition, AAAI 2022,
    arXiv 2112.03590; Zhang et al., Hierarchical Consistent Contrastive
    Learning for Skeleton-Based Action Recognition with Growing
    Augmentations, AAAI 2023, arXiv 2211.13466.
    """

    #: For each embedding after the first, the number of the one it follows.
    guides = ()
    reported = ("contrast", "consistency")

    def __init__(self, queries, mining_epoch=None, num_mined=1, **kwargs):
        super().__init__(queries, **kwargs)
        (self.stream,) = self.queries
        size = self.queues[self.stream].size
        num_mined = _values.whole_number("num_mined", num_mined, 1)
        if mining_epoch is not None:
            mining_epoch = _values.whole_number("mining_epoch", mining_epoch, 0)
        if num_mined > size:
            raise ValueError(
                "`num_mined` must be at least 1 and at most `queue_size`. "
                f"Received num_mined={num_mined} and queue_size={size}."
            )
        self.mining_epoch = mining_epoch
        self.num_mined = num_mined

    def embed(self, views, training):
        """List of the query embeddings `(N, E)`, the weakest view first."""
        raise NotImplementedError(f"{type(self).__name__} must define `embed`.")

    def objective(self, x, y, training):
        views = self.views_of(x, training)
        queries = self.embed(views, training)
        keys = self.embed_keys(views["key"], training)
        queue = self.queues[self.stream].vectors()
        logits = [
            self.similarities(query, keys[self.stream], queue)
            for query in queries
        ]
        contrast = _crossentropy(self.positives(logits), logits[0])
        consistency = [
            _crossentropy(ops.softmax(logits[guide], axis=-1), follower)
            for guide, follower in zip(self.guides, logits[1:], strict=True)
        ]
        consistency = ops.mean(ops.stack(consistency))
        report = {"contrast": contrast, "consistency": consistency}
        return contrast + consistency, report, keys

    def positives(self, logits):
        """The weight of each key as a positive, `(N, 1 + K)`, sums 1."""
        size = logits[0].shape[-1]
        own = ops.one_hot(ops.zeros_like(logits[0][:, 0], "int32"), size)
        if self.mining_epoch is None:
            return own
        mined = ops.cast(own, "bool")
        for each in logits:
            each = ops.stop_gradient(each)
            # The own key is one already, and is not to take a place.
            nearest, _ = ops.top_k(each[:, 1:], self.num_mined)
            mined = ops.logical_or(mined, each >= nearest[:, -1:])
        mined = ops.cast(mined, own.dtype)
        mined = mined / ops.sum(mined, axis=1, keepdims=True)
        return ops.where(self.epoch.value >= self.mining_epoch, mined, own)


def _crossentropy(targets, logits):
    shares = ops.log_softmax(logits, axis=-1)
    targets = ops.stop_gradient(targets)
    return -ops.mean(ops.sum(targets * shares, axis=-1))


def check_augmentation(augmentation, names):
    """Raises a `ValueError` for what cannot make views in the step.

    Args:
        augmentation: See `MomentumContrast`.
        names: Names of the views that are needed.
    """
    if augmentation is None:
        return
    if not isinstance(augmentation, keras.layers.Layer):
        raise ValueError(
            "`augmentation` must be None or a layer that makes the views "
            f"{', '.join(names)} of clips, such as `Views`. Received: "
            f"{augmentation!r}"
        )
    made = getattr(augmentation, "view_names", names)
    if not set(names) <= set(made):
        raise ValueError(
            f"`augmentation` must make the views {', '.join(names)}. "
            f"Received a layer that makes {', '.join(made)}."
        )


def _check_paths(model):
    seen = set()
    for variable in model.weights:
        if variable.path in seen:
            raise ValueError(
                f"Two weights of the model {model.name!r} have the path "
                f"{variable.path!r}. Build each branch under "
                "`keras.name_scope(stream)`."
            )
        seen.add(variable.path)
