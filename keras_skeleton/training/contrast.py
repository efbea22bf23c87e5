"""Momentum contrast: queries against keys of a slower copy and a queue."""

import keras
from keras import ops

from keras_skeleton.training.momentum import twin
from keras_skeleton.training.momentum import update_momentum
from keras_skeleton.training.queue import FeatureQueue
from keras_skeleton.training.step_model import PretextModel


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
        features = self.encoder(clips, training=training)
        embeddings = self.projector(features, training=training)
        return ops.normalize(embeddings, axis=-1)

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

    A batch is a pair of views of the clips, the query's and the key's; or the
    clips alone, which then are both views. A subclass may mine other
    positives or add terms by its own `contrast` or `objective`.

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
        **kwargs: Arguments of `keras.Model`.

    Reference: He et al., Momentum Contrast for Unsupervised Visual
    Representation Learning, CVPR 2020, arXiv 1911.05722.
    """

    def __init__(
        self,
        queries,
        queue_size=32768,
        momentum=0.999,
        temperature=0.07,
        columns=None,
        seed=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.queries = dict(queries)
        self.momentum = momentum
        self.temperature = temperature
        self.keys = {
            stream: twin(query, f"key_{stream}")
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
        self.built = True

    @property
    def encoder(self):
        """The encoder of the first stream."""
        return next(iter(self.queries.values())).encoder

    def call(self, clips, training=None):
        """Embeddings of the first stream's query branch."""
        return next(iter(self.queries.values()))(clips, training=training)

    def views(self, x):
        """By stream, the query's view and the key's view of a batch."""
        query, key = x if isinstance(x, list | tuple) else (x, x)
        return {stream: (query, key) for stream in self.queries}

    def before_step(self):
        for stream, query in self.queries.items():
            update_momentum(self.keys[stream], query, self.momentum)

    def contrast(self, query, key, queue):
        """The loss of one stream.

        Args:
            query: Embeddings `(N, E)`.
            key: The keys of the same clips `(N, E)`, without gradient.
            queue: The keys of the queue `(K, E)`.
        """
        positive = ops.sum(query * key, axis=-1, keepdims=True)
        negative = ops.matmul(query, ops.transpose(queue))
        logits = ops.concatenate([positive, negative], axis=1)
        shares = ops.log_softmax(logits / self.temperature, axis=-1)
        return -ops.mean(shares[:, 0])

    def objective(self, x, y, training):
        losses, keys = [], {}
        for stream, (query_view, key_view) in self.views(x).items():
            query = self.queries[stream](query_view, training=training)
            key = self.keys[stream](key_view, training=training)
            keys[stream] = ops.stop_gradient(key)
            queue = self.queues[stream].vectors()
            losses.append(self.contrast(query, keys[stream], queue))
        return sum(losses[1:], start=losses[0]), {}, keys

    def after_step(self, carried):
        for stream, keys in carried.items():
            self.queues[stream].push(self.gather(keys))


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
