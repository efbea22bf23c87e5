"""What all applications share: checks and defaults."""

import keras
import numpy as np

from keras_skeleton import skeletons


def check_shape(input_shape, skeleton):
    """The input shape as a tuple of ints, which must suit the skeleton."""
    if (
        not isinstance(input_shape, list | tuple)
        or len(input_shape) != 4
        or any(size is None or int(size) < 1 for size in input_shape)
    ):
        raise ValueError(
            "`input_shape` must be four positive numbers (persons, frames, "
            "joints, coordinates), for example (2, 120, 25, 3). Received "
            f"input_shape={input_shape}."
        )
    input_shape = tuple(int(size) for size in input_shape)
    joints = input_shape[2]
    if joints != skeleton.num_joints:
        swapped = skeleton.num_joints in input_shape
        raise ValueError(
            f"input_shape={input_shape} has {joints} joints on its third "
            f"axis, but the skeleton {skeleton.name!r} has "
            f"{skeleton.num_joints}. "
            + (
                "The axes seem to be in another order: "
                "expected (persons, frames, joints, coordinates)."
                if swapped
                else "Pass the matching `skeleton=`; registered are "
                f"{', '.join(skeletons.names())}."
            )
        )
    return input_shape


def _check_end(classes, pooling):
    if classes is not None and (
        not isinstance(classes, int | np.integer) or classes < 1
    ):
        raise ValueError(
            "`classes` must be None (for the encoder) or a positive whole "
            f"number (for a classifier). Received classes={classes!r}."
        )
    if pooling not in (None, "avg", "max"):
        raise ValueError(
            "`pooling` must be None, 'avg' or 'max'. Received "
            f"pooling={pooling!r}."
        )
    if classes is not None and pooling is not None:
        raise ValueError(
            "`pooling` belongs to the encoder; a classifier pools in its "
            f"head. Received classes={classes} and pooling={pooling!r}: leave "
            "one of them out."
        )


def _settle(system, given, published, weights, encoder, head_settings):
    """Settles architecture arguments: given, then inherited, then published.

    Args:
        system: Name of the system in the registry of weights.
        given: The arguments that the caller named.
        published: The published configuration with all arguments.
        weights: The `weights` argument; may bring a configuration along.
        encoder: An encoder that brings its configuration along, or `None`.
        head_settings: Arguments that may differ from those of `encoder`.

    Returns:
        A dict with a value for each key of `published`.
    """
    inherited = {}
    if encoder is not None:
        if weights is not None:
            raise ValueError(
                "Pass either `encoder` or `weights`, not both: an encoder "
                "comes with its weights."
            )
        inherited = encoder.get_config()
        clash = [
            key
            for key, value in given.items()
            if key not in head_settings and value != inherited[key]
        ]
        if clash:
            raise ValueError(
                "A given `encoder` fixes the architecture. Received also "
                f"{', '.join(f'{key}={given[key]!r}' for key in clash)}: "
                "leave them out, or build a new encoder with them."
            )
    elif weights is not None:
        from keras_skeleton.weights import configuration

        inherited = configuration(system, weights)
    return {
        key: given.get(key, inherited.get(key, default))
        for key, default in published.items()
    }


def pool(features, kind, dtype=None):
    """Pools a feature map `(N, M, T', V', D)` to `(N, D)`."""
    layer = {
        "avg": keras.layers.GlobalAveragePooling3D,
        "max": keras.layers.GlobalMaxPooling3D,
    }[kind]
    return layer(name="pooled", dtype=dtype)(features)


class ClipModel:
    """Mixin of models that take clips: checks their shape, starts quickly.

    The model has the attribute `clip_shape`, `(M, T, V, C)`.
    """

    def __call__(self, inputs, *args, **kwargs):
        for clips in keras.tree.flatten(inputs):
            shape = tuple(clips.shape)
            if shape[1:] != self.clip_shape:
                raise ValueError(
                    f"The model {self.name!r} takes clips of shape (samples, "
                    "persons, frames, joints, coordinates) with "
                    f"{self.clip_shape} after the first axis. Received shape "
                    f"{shape}. Check the order of the axes, and bring clips "
                    "to the number of frames with `CropResize`; another "
                    "layout needs a model with another `input_shape` and "
                    "`skeleton`."
                )
        return super().__call__(inputs, *args, **kwargs)

    def make_train_function(self, force=False):
        # Else TensorFlow would make the optimizer's hundreds of variables
        # while it traces the first step: a fifth of the time of CTR-GCN's.
        if self.optimizer is not None and not self.optimizer.built:
            self.optimizer.build(self.trainable_variables)
        return super().make_train_function(force)


class Application(ClipModel, keras.Model):
    """Base of all encoders and classifiers.

    A subclass names its `system`, its `published` configuration and the
    `head_settings` among it that may change when a head is put on a finished
    encoder. It says how its parts are built (`encoder_graph`, `head_graph`)
    and, if need be, how its arguments are checked (`settle_shape`, `check`)
    and how a finished encoder is adapted (`adapt`). Its constructor passes
    its arguments on; those that are `None` count as left out.

    Attributes:
        skeleton: The `Skeleton`.
        clip_shape: Shape `(M, T, V, C)` of a clip.
        settings: Dict of all settled arguments of the architecture.
    """

    system = None
    published = {}
    head_settings = ()

    def __init__(
        self,
        weights,
        *,
        classes,
        pooling,
        encoder,
        classifier_activation,
        name,
        dtype,
        **arguments,
    ):
        given = {k: v for k, v in arguments.items() if v is not None}
        settings = _settle(
            self.system,
            given,
            self.published,
            weights,
            encoder,
            self.head_settings,
        )
        skeleton = skeletons.get(settings["skeleton"])
        settings["skeleton"] = skeletons.serialize(skeleton)
        settings["input_shape"] = self.settle_shape(settings, skeleton)
        _check_end(classes, pooling)
        self.check(settings)

        if encoder is None:
            inputs = keras.Input(settings["input_shape"], name="skeletons")
            features = self.encoder_graph(inputs, settings, skeleton, dtype)
        else:
            self.adapt(encoder, settings)
            inputs = encoder.inputs[0]
            features = encoder.get_layer("features").output
        outputs = features
        if classes is not None:
            outputs = self.head_graph(
                features,
                settings,
                skeleton,
                int(classes),
                classifier_activation,
                dtype,
            )
        elif pooling is not None:
            outputs = pool(features, pooling, dtype)
        super().__init__(inputs=inputs, outputs=outputs, name=name)
        self.dtype_policy = keras.dtype_policies.get(dtype)

        self.skeleton = skeleton
        self.clip_shape = settings["input_shape"]
        self.settings = settings
        self._end = {
            "classes": classes,
            "pooling": pooling,
            "classifier_activation": classifier_activation,
        }
        if weights is not None:
            from keras_skeleton.weights import load_weights

            load_weights(self, weights)

    @staticmethod
    def settle_shape(settings, skeleton):
        """The checked `input_shape`."""
        return check_shape(settings["input_shape"], skeleton)

    @staticmethod
    def check(settings):
        """Checks settings, and brings them to the form to keep.

        Raises:
            ValueError: If they cannot be built.
        """

    @staticmethod
    def encoder_graph(inputs, settings, skeleton, dtype):
        """The feature map, from a layer `features`."""
        raise NotImplementedError

    @staticmethod
    def adapt(encoder, settings):
        """Gives a finished encoder what `head_settings` say about it."""

    @staticmethod
    def head_graph(features, settings, skeleton, classes, activation, dtype):
        """The class scores, from a layer `predictions`."""
        raise NotImplementedError

    def get_config(self):
        return {
            **self.settings,
            **self._end,
            "name": self.name,
            "dtype": self.dtype_policy.name,
        }

    @classmethod
    def from_config(cls, config):
        return cls(**config)
