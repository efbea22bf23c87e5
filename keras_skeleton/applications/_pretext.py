"""What contrastive pretext models are put together from."""

from contextlib import nullcontext

import keras

from keras_skeleton import _graph
from keras_skeleton import layers
from keras_skeleton.applications._application import check_choice
from keras_skeleton.applications._input_check import InputCheck
from keras_skeleton.layers.augmentation import Streams
from keras_skeleton.training import Branch
from keras_skeleton.training import ConsistentContrast


def pooled_encoder(application, encoder, arguments, dtype):
    """The encoder of a pretext model, whose outputs are pooled.

    Args:
        application: Class to build one of, if there is none.
        encoder: Encoder whose layers it shares, or `None`.
        arguments: Those of the encoder, if there is none.
        dtype: Data type policy of the layers.
    """
    if encoder is None:
        return application(**{"dtype": dtype, **arguments}, pooling="published")
    if not isinstance(encoder, keras.Model):
        raise ValueError(
            "`encoder` must be a model of `keras_skeleton.applications`. "
            f"Received: {encoder!r}"
        )
    if arguments:
        raise ValueError(
            "Pass either `encoder` or the arguments to build one, not both. "
            f"Received an encoder and {', '.join(arguments)}."
        )
    return type(encoder)(encoder=encoder, pooling="published", dtype=dtype)


def projected(encoder, dim, dtype):
    """The branch of an encoder and a projector, of the published beginning."""
    projector = layers.Projector(
        dim,
        kernel_initializer=keras.initializers.RandomNormal(stddev=0.02),
        name="projector",
        dtype=dtype,
    )
    return Branch(encoder, projector)


def stream_branches(encoder, streams, dim, dtype):
    """Branches by stream, each with an encoder of its own.

    The paths of the weights of all but the first begin with the stream's name.

    Args:
        encoder: The encoder of the first stream, which the others' are built
            like.
        streams: Names of the streams.
        dim: Channels of the embeddings.
        dtype: Data type policy of the projectors.
    """
    branches = {}
    for stream in streams:
        scope = keras.name_scope(stream) if branches else nullcontext()
        with scope:
            own = encoder
            if branches:
                own = _graph.rebuilt(encoder)
            projector = layers.Projector(dim, name="projector", dtype=dtype)
            branches[stream] = Branch(own, projector)
    return branches


def stream_transform(stream, skeleton):
    """The layer from joints to a stream, `None` for the joints themselves."""
    if stream == "joint":
        return None
    layer = Streams(skeleton, streams=[stream], name=f"to_{stream}")
    # Else Keras would call the whole model on a batch to build it, which may
    # be a dict of views.
    layer.build(None)
    return layer


def pretext_config(model, *names):
    """The configuration of a pretext model with its encoder."""
    config = {
        "encoder": model.encoder,
        **{name: getattr(model, name) for name in names},
    }
    return {
        **keras.saving.serialize_keras_object(config),
        "name": model.name,
        "dtype": model.dtype_policy.name,
    }


class StreamContrast(InputCheck, ConsistentContrast):
    """Base of consistent contrast whose encoder sees one stream.

    Args:
        application: Class of the encoder, if there is none.
        encoder: The encoder, or `None`.
        encoder_arguments: Those of the encoder, if there is none.
        stream: `"joint"`, `"bone"` or `"joint_motion"`.
        embedding_dim: Channels that are compared.
        augmentation: A layer, `None`, or `"published"` for what
            `published_views` makes.
        dtype: Data type policy of the layers.
        **contrast: Arguments of `ConsistentContrast`.
    """

    trains_on_inputs = False
    #: Names of the arguments that a subclass adds, kept as attributes.
    own_arguments = ()

    recipes = {
        "pretrain": {
            "optimizer": "sgd",
            "learning_rate": 0.1,
            "steps": (250,),
            "warmup_epochs": 0,
            "epochs": 300,
            "batch_size": 128,
            "weight_decay": 1e-4,
            "nesterov": False,
            "label_smoothing": 0.0,
        },
    }

    def __init__(
        self,
        application,
        encoder,
        encoder_arguments,
        *,
        stream,
        embedding_dim,
        augmentation,
        dtype,
        **contrast,
    ):
        check_choice("stream", stream, ("joint", "bone", "joint_motion"))
        encoder = pooled_encoder(application, encoder, encoder_arguments, dtype)
        if isinstance(augmentation, str):
            check_choice("augmentation", augmentation, ("published", None))
            augmentation = self.published_views(encoder)
        super().__init__(
            {stream: projected(encoder, embedding_dim, dtype)},
            augmentation=augmentation,
            dtype=dtype,
            **contrast,
        )
        self.embedding_dim = embedding_dim
        for name in ("queue_size", "copy_keys", "seed"):
            setattr(self, name, contrast[name])
        self.to_stream = self.stream_layer(stream)

    @staticmethod
    def published_views(encoder):
        """The layer that makes the published views of an encoder's clips."""
        raise NotImplementedError

    @property
    def input_form(self):
        return self.encoder.input_form

    def stream_layer(self, stream):
        """Function from a view to what the encoder sees, or `None`."""
        return stream_transform(stream, self.encoder.skeleton)

    def streams_of(self, view):
        if self.to_stream is not None:
            view = self.to_stream(view)
        return {self.stream: view}

    def get_config(self):
        return pretext_config(
            self,
            "stream",
            "embedding_dim",
            "queue_size",
            "momentum",
            "temperature",
            "mining_epoch",
            "num_mined",
            "copy_keys",
            "augmentation",
            "seed",
            *self.own_arguments,
        )

    @classmethod
    def from_config(cls, config):
        return cls(**keras.saving.deserialize_keras_object(config))
