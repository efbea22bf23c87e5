"""HaLP: momentum contrast with positives made in feature space."""

import keras
from keras import ops

from keras_skeleton import layers
from keras_skeleton.applications._application import Application
from keras_skeleton.applications._application import constructor
from keras_skeleton.applications._conventions import conventions


@keras.saving.register_keras_serializable(package="keras_skeleton")
class HaLP(Application):
    """The recurrent network of HaLP: encoder, or classifier with a head.

    All coordinates of a frame, those of both persons, are one vector. It is
    batch-normalized and passes through layers of gated recurrent units
    (`keras_skeleton.layers.StackedGRU`), two units beside each other in each.
    The features of a clip are the states of both at its last frame. It is
    the network of CMD and of skeleton-contrast as well.

    As in the published code, and unlike in the papers' words, both units go
    forward in time: `backward=True` is the bidirectional network that the
    papers speak of, with which published weights give nothing of use.

    The encoder ends in the layer `features` of shape `(N, 1, T, 1, D)` with
    `D` twice `hidden_dim`, or after `pooling` in `(N, D)`. The classifier ends
    in the layer `predictions`. Absent persons (all zero) take part like the
    others, as in the published code.

    One model sees one stream: joints, their motion, or bones. Published
    results of three streams are those of the mean of their logits
    (`keras_skeleton.evaluation.fuse_scores`).

    `weights` of the authors are the momentum contrast that their training
    begins with (`hallucination_weight=0` in `HaLPPretext`), of which they
    state no score; those after it are not released. Publications state for
    them, by linear probe and 1-nn, 79.7 and 65.8 % on NTU-60 X-sub, 71.1 and
    55.8 % on NTU-120 X-sub.

    | `HaLP` | data | from |
    |---|---|---|
    | `ntu60_baseline` | NTU-60 X-sub | authors |
    | `ntu120_baseline` | NTU-120 X-sub | authors |
    | `pku_baseline` | PKU-MMD X-sub | authors |

    Args:
        weights: `None` (random), a registered name, a path, or an `hf://` or
            `https://` address.
        input_shape: `(M, T, V, C)`: persons, frames, joints, coordinates.
            Defaults to `(2, 64, 25, 3)`. Weights fit any `T`.
        skeleton: A `Skeleton` or its registered name. Defaults to `"ntu"`.
        classes: `None` for the encoder, a number for the classifier.
        pooling: `None`, or how the encoder's output is pooled: `"avg"` or
            `"max"` over the frames, or `"published"`, the system's own rule,
            which is the last frame.
        encoder: A built HaLP encoder to put a head on. Layers and variables
            are shared.
        classifier_activation: Activation of `predictions`. Defaults to none:
            the outputs are logits.
        head: `"published"` (default): dense layer on the last frame. Or
            `"linear"`, which normalizes between the two.
        hidden_dim: Width of the state of one recurrent unit. Defaults to
            1024.
        num_layers: Layers of recurrent units. Defaults to 3.
        backward: Whether the second unit of each layer goes backward in
            time. Defaults to `False`.
        name: Name of the model.
        dtype: Data type policy of the layers.

    Input shape: `(N, M, T, V, C)`, metres.

    Raises:
        ValueError: If arguments contradict each other, the skeleton or the
            weights; the message says how to mend it.

    Example:

    >>> model = HaLP(input_shape=(1, 64, 20, 3), skeleton="nw_ucla",
    ...              classes=10)
    >>> model(np.zeros((2, 1, 64, 20, 3))).shape
    (2, 10)

    Reference: Shah et al., HaLP: Hallucinating Latent Positives for
    Skeleton-based Self-Supervised Learning of Actions, CVPR 2023, arXiv
    2304.00387; official code anshulbshah/HaLP.
    """

    system = "halp"
    search_space = {
        "hidden_dim": [128, 256, 512, 1024],
        "num_layers": [1, 2, 3],
        "backward": [True, False],
    }
    tiny = {
        "input_shape": (1, 8, 20, 3),
        "skeleton": "kinect20",
        "hidden_dim": 8,
        "num_layers": 2,
    }

    @constructor
    def __init__(
        self,
        weights=None,
        *,
        input_shape=(2, 64, 25, 3),
        skeleton="ntu",
        classes=None,
        pooling=None,
        encoder=None,
        classifier_activation=None,
        head="published",
        hidden_dim=1024,
        num_layers=3,
        backward=False,
        name="halp",
        dtype=None,
    ):
        """See the class."""

    @staticmethod
    def encoder_graph(inputs, settings, skeleton, dtype):
        persons, frames, joints, coordinates = settings["input_shape"]
        # The order of the values of a frame: joint, coordinate, person.
        x = keras.layers.Permute((2, 3, 4, 1), dtype=dtype)(inputs)
        x = keras.layers.Reshape(
            (frames, joints * coordinates * persons), name="frames", dtype=dtype
        )(x)
        x = layers.BatchNormalization(name="input_norm", dtype=dtype)(x)
        x = layers.StackedGRU(
            settings["hidden_dim"],
            settings["num_layers"],
            settings["backward"],
            name="gru",
            dtype=dtype,
        )(x)
        return keras.layers.Reshape(
            (1, frames, 1, x.shape[-1]), name="features", dtype=dtype
        )(x)

    @classmethod
    def pooled(cls, features, kind="published", dtype=None):
        if kind != "published":
            return super().pooled(features, kind, dtype)
        return LastFrame(name="pooled", dtype=dtype)(features)

    @classmethod
    def head_graph(
        cls, features, settings, skeleton, classes, activation, dtype
    ):
        return keras.layers.Dense(
            classes,
            activation=activation,
            kernel_initializer=keras.initializers.RandomNormal(stddev=0.01),
            name="predictions",
            # The loss needs full precision whatever the layers compute in.
            dtype="float32",
        )(cls.pooled(features, dtype=dtype))


@keras.saving.register_keras_serializable(package="keras_skeleton")
class LastFrame(keras.layers.Layer):
    """The features of the last frame, averaged over persons and joints.

    Input shape: `(N, M, T, V, D)`.

    Output shape: `(N, D)`.
    """

    def call(self, inputs):
        return ops.mean(inputs[:, :, -1], axis=(1, 2))

    def compute_output_shape(self, input_shape):
        return (input_shape[0], input_shape[-1])


preprocess_input, decode_predictions = conventions("halp", num_frames=64)
