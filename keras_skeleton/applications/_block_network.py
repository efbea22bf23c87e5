"""Base of networks whose blocks may be called in another way than built."""

import keras

from keras_skeleton.applications._application import Application


class BlockNetwork(Application):
    """An application of blocks with options of their own for each call.

    Dropout and dropped edges belong to the call of a block, not to the block:
    so a head on a finished encoder may have another dropout, and pre-training
    may show one view to the network with dropped edges, all with the same
    variables.

    A subclass implements `features_again(**options)`.
    """

    changeable = ("head", "dropout_rate")

    @classmethod
    def reused_features(cls, encoder, settings):
        rate = settings["dropout_rate"]
        if rate == encoder.settings["dropout_rate"]:
            return encoder.feature_map
        return encoder.features_again(dropout_rate=rate)

    def features_again(self, **options):
        """The feature map of another call of the same layers.

        Args:
            **options: Call arguments of the blocks, such as `dropout_rate`
                and `edge_dropout`.

        Returns:
            Symbolic tensor `(N, M, T', V, D)`, from the same input.
        """
        raise NotImplementedError

    def augmented(self, **options):
        """A model of the same layers that is augmented inside.

        Args:
            **options: See `features_again`.

        Returns:
            A model from clips to pooled features `(N, D)`.
        """
        features = self.features_again(**options)
        return keras.Model(self.input, self.pooled(features))

    @classmethod
    def head_graph(
        cls, features, settings, skeleton, classes, activation, dtype
    ):
        x = cls.pooled(features, dtype=dtype)
        limit = x.shape[-1] ** -0.5
        uniform = keras.initializers.RandomUniform
        return keras.layers.Dense(
            classes,
            activation=activation,
            kernel_initializer=uniform(-limit, limit),
            bias_initializer=uniform(-limit, limit),
            name="predictions",
            # The loss needs full precision whatever the layers compute in.
            dtype="float32",
        )(x)
