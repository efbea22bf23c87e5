"""The base of all encoders and classifiers."""

import functools
import inspect
import math
import typing
import warnings

import keras
import numpy as np

from keras_skeleton import layers
from keras_skeleton import skeletons
from keras_skeleton._compat import current_path
from keras_skeleton._fresh_head import FreshHead
from keras_skeleton._fresh_head import tell_fresh_head
from keras_skeleton.applications._frozen import freeze
from keras_skeleton.applications._frozen import frozen_layers
from keras_skeleton.applications._frozen import without_frozen
from keras_skeleton.applications._input_check import InputCheck
from keras_skeleton.training import given
from keras_skeleton.training import targets

# To type checkers a constructor keeps the signature that it is written with.
Init = typing.TypeVar("Init")
# Arguments that say how a model ends and what it is called; all others are
# settings of the architecture.
_ENDS = ("classes", "pooling", "classifier_activation")
_FIT = inspect.signature(keras.Model.fit)
_NOT_SETTINGS = ("self", "weights", "encoder", *_ENDS, "name", "dtype")


def check_shape(input_shape, skeleton):
    """The input shape as a tuple of ints, which must suit the skeleton."""
    if (
        not isinstance(input_shape, list | tuple)
        or len(input_shape) != 4
        or any(size is None or int(size) < 1 for size in input_shape)
        or any(int(size) != size for size in input_shape)
    ):
        raise ValueError(
            "`input_shape` must be four positive numbers (persons, frames, "
            "joints, coordinates), for example (2, 120, 25, 3). Received "
            f"input_shape={input_shape}."
        )
    input_shape = tuple(int(size) for size in input_shape)
    if input_shape[3] == 1:
        raise ValueError(
            f"input_shape={input_shape} means one coordinate of "
            f"{input_shape[0]} persons; expected (persons, frames, joints, "
            "coordinates). ST-GCN and its successors order axes otherwise, "
            "(coordinates, frames, joints, persons)."
        )
    if (input_shape[0], input_shape[3]) == (3, 2):
        warnings.warn(
            f"input_shape={input_shape} means 3 persons of 2 coordinates: "
            "its axes are (persons, frames, joints, coordinates). If "
            "coordinates come first, as with ST-GCN, it has to be "
            f"{(2, *input_shape[1:3], 3)}.",
            stacklevel=5,
        )
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


def check_choice(name, value, choices):
    """Raises a `ValueError` for a value of an argument that is no choice."""
    if value not in choices:
        *others, last = map(repr, choices)
        raise ValueError(
            f"`{name}` must be {', '.join(others)} or {last}. Received "
            f"{name}={value!r}."
        )


def check_number(name, value, least, most=math.inf, whole=False):
    """Raises a `ValueError` for an argument that is no number of a range.

    Args:
        name: Name of the argument.
        value: What was passed for it.
        least: The smallest number it may be.
        most: The largest.
        whole: Whether it has to be a whole number.
    """
    kinds = (int, np.integer)
    if not whole:
        kinds += (float, np.floating)
    # Comparisons with NaN are false.
    is_number = isinstance(value, kinds) and not isinstance(value, bool)
    if not is_number or not least <= value <= most:
        limit = f"{least} up" if most == math.inf else f"{least} to {most}"
        raise ValueError(
            f"`{name}` must be a {'whole ' if whole else ''}number from "
            f"{limit}. Received {name}={value!r}."
        )


def _check_end(classes, pooling):
    if classes is not None and (
        not isinstance(classes, int | np.integer) or classes < 1
    ):
        raise ValueError(
            "`classes` must be None (for the encoder) or a positive whole "
            f"number (for a classifier). Received classes={classes!r}."
        )
    check_choice("pooling", pooling, (None, "avg", "max", "published"))
    if classes is not None and pooling is not None:
        raise ValueError(
            "`pooling` belongs to the encoder; a classifier pools in its "
            f"head. Received classes={classes} and pooling={pooling!r}: leave "
            "one of them out."
        )


def constructor(init: Init) -> Init:
    """Makes the constructor of an application out of its signature.

    The signature is the one place where the arguments of a system stand, with
    the published values as defaults; the decorated function has no body. What
    the caller did not name comes from `weights` or from `encoder`, and only
    then from the signature, so it must be known which arguments were named.
    """
    signature = inspect.signature(init)

    @functools.wraps(init)
    def construct(self, *args, **kwargs):
        bound = signature.bind(self, *args, **kwargs)
        named = frozenset(bound.arguments)
        bound.apply_defaults()
        arguments = {k: v for k, v in bound.arguments.items() if k != "self"}
        self.construct(named, **arguments)

    # Keras looks at the constructor itself, not through the wrapper.
    construct.__signature__ = signature
    return construct


def renamed(init: Init, name) -> Init:
    """The constructor of a subclass that differs in its default name only.

    Args:
        init: The constructor of the base class, made by `constructor`.
        name: The new default of the argument `name`.
    """
    signature = inspect.signature(init)

    def __init__(self):
        """See the class."""

    __init__.__signature__ = signature.replace(
        parameters=[
            each.replace(default=name) if each.name == "name" else each
            for each in signature.parameters.values()
        ]
    )
    return constructor(__init__)


class Application(InputCheck, FreshHead, keras.Model):
    """Base of all encoders and classifiers.

    A subclass states its arguments in the signature of its constructor (see
    `constructor`), and says how its parts are built: `encoder_graph`,
    `head_graph` and, where it has rules of its own, `make_inputs`, `pooled`,
    `reused_features`, `settle_shape` and `check`. Methods that build get the
    settings as a dict by the names of the arguments.

    Attributes:
        system: Name of the system, of its module and its weights.
        task: What its full models give: `"classes"`, or `"poses"` (see
            `PoseEstimator`).
        heads: Names of the heads that `head=` offers beside `"linear"`, the
            published one first.
        changeable: Names of arguments that may differ from those of a given
            `encoder`: they concern the head, or how its layers are called.
        search_space: Dict of the arguments that are worth a search, see
            `keras_skeleton.tuning.draw`.
        recipes: Dict of the published recipes of training with labels by
            kind: `"linear"`, `"finetune"`, `"semi"` or `"transfer"`, each a
            dict of what `keras_skeleton.evaluation.linear_probe` or
            `fine_tune` is to do otherwise than by default.
        takes_pixels: Whether clips may be in pixels, without normalization.
        tiny: Dict of the arguments of the smallest useful form, for tests
            and first tries.
        skeleton: The `Skeleton`.
        settings: Dict of all settled arguments of the architecture.
        scope: What the paths of its variables begin with, where it was built
            inside `keras.name_scope`.
        feature_map: The symbolic output of the layer `features`.
        input_form: Shape of the input without the batch, or a dict of them.
        ends: Dict of how the model ends: `classes`, `pooling` and
            `classifier_activation`.
        class_names: Tuple of the names of its classes, or `None`: from the
            weights that were loaded, or the `Sequences` it was trained on.
    """

    system = None
    task = "classes"
    heads = ("published",)
    changeable = ("head",)
    search_space = {}
    recipes = {}
    takes_pixels = False
    tiny = {}

    def construct(
        self, named, weights, *, name, dtype, encoder=None, **arguments
    ):
        """What constructors do, see `constructor`.

        Args:
            named: Names of the arguments that the caller named.
            weights: As documented by the class.
            name: Name of the model.
            dtype: Data type policy of the layers.
            encoder: A built encoder, or `None`.
            **arguments: All other arguments of the signature.
        """
        ends = {key: arguments.pop(key) for key in _ENDS if key in arguments}
        settings = self._settle(named, arguments, weights, encoder)
        skeleton = skeletons.get(settings["skeleton"])
        settings["skeleton"] = skeletons.serialize(skeleton)
        settings["input_shape"] = self.settle_shape(settings, skeleton)
        self.check_ends(settings, ends)
        self.check(settings)

        if encoder is None:
            inputs = self.make_inputs(settings)
            features = self.encoder_graph(inputs, settings, skeleton, dtype)
        else:
            inputs = encoder.input
            features = self.reused_features(encoder, settings)
        outputs = self.end_graph(features, settings, skeleton, ends, dtype)
        super().__init__(inputs=inputs, outputs=outputs, name=name)
        self.dtype_policy = keras.dtype_policies.get(dtype)

        self.scope = current_path()
        self.skeleton = skeleton
        self.settings = settings
        self.feature_map = features
        self.input_form = keras.tree.map_structure(
            lambda x: tuple(x.shape[1:]), inputs
        )
        self.ends = ends
        self.class_names = None
        if weights is not None:
            from keras_skeleton.weights import load_weights

            load_weights(self, weights)
        elif encoder is not None:
            self.note_fresh_head()

    def check_ends(self, settings, ends):
        """Raises a `ValueError` if a model cannot end as it is to."""
        _check_end(ends["classes"], ends["pooling"])
        check_choice("head", settings["head"], (*self.heads, "linear"))

    def end_graph(self, features, settings, skeleton, ends, dtype):
        """What follows the feature map: a head, pooling or nothing."""
        if ends["classes"] is not None:
            graph = self.head_graph
            if settings["head"] == "linear":
                graph = self.linear_head_graph
            return graph(
                features,
                settings,
                skeleton,
                int(ends["classes"]),
                ends["classifier_activation"],
                dtype,
            )
        if ends["pooling"] is not None:
            return self.pooled(features, ends["pooling"], dtype)
        return features

    def fit(self, x=None, y=None, *args, **kwargs) -> keras.callbacks.History:
        """Trains the model, see `keras.Model.fit`.

        Raises:
            ValueError: If labels, loss or clips are such that nothing could
                be learned: labels outside the classes, a loss of
                probabilities on logits, values that are not finite.
        """
        bound = _FIT.bind(self, x, y, *args, **kwargs)
        given.look_at_fit(self, bound.arguments)
        if not self.takes_pixels:
            targets.warn_of_units(x)
        self.class_names = targets.class_names(x, self.ends.get("classes"))
        return super().fit(*bound.args[1:], **bound.kwargs)

    def evaluate(self, x=None, y=None, *args, **kwargs):
        """Measures loss and metrics, see `keras.Model.evaluate`.

        Raises:
            ValueError: See `fit`.
        """
        # What `fit` validates with was looked at before it began.
        if not kwargs.get("_use_cached_eval_dataset"):
            x = self.look_at(x, y)
            tell_fresh_head(self, "evaluate")
        return super().evaluate(x, y, *args, **kwargs)

    def check_data(self, x, y):
        """Raises a `ValueError` for data that nothing can be learned from."""
        targets.check_targets(self, x, y)

    @property
    def takes_labels(self):
        return getattr(self, "loss", None) is not None

    def predict(self, x, *args, **kwargs):
        """Computes outputs, see `keras.Model.predict`.

        Warns where the head came without weights and was not trained since.

        Raises:
            ValueError: See `InputCheck`.
        """
        tell_fresh_head(self, "predict")
        return super().predict(x, *args, **kwargs)

    def _settle(self, named, arguments, weights, encoder):
        """The settings: what was named, else inherited, else published."""
        inherited = {}
        if encoder is not None:
            if weights is not None:
                raise ValueError(
                    "Pass either `encoder` or `weights`, not both: an encoder "
                    "comes with its weights."
                )
            inherited = encoder.get_config()
            missing = [key for key in arguments if key not in inherited]
            if missing:
                raise ValueError(
                    f"{type(self).__name__} cannot put a head on the encoder "
                    f"{encoder.name!r}, a {type(encoder).__name__} without "
                    f"{', '.join(missing)}. Use `type(encoder)(encoder="
                    "encoder, classes=...)`."
                )
        elif weights is not None:
            from keras_skeleton.weights import configuration

            inherited = configuration(self.system, weights)
        settings = {}
        for key, value in arguments.items():
            if key not in named:
                value = inherited.get(key, value)
            settings[key] = plain(value)
        if encoder is not None:
            clash = [
                f"{key}={arguments[key]!r}"
                for key in arguments
                if key in named
                and key not in self.changeable
                and _form(key, settings[key]) != _form(key, inherited[key])
            ]
            if clash:
                raise ValueError(
                    "A given `encoder` fixes the architecture. Received also "
                    f"{', '.join(clash)}: leave them out, or build a new "
                    "encoder with them."
                )
        return settings

    @classmethod
    def arguments(cls) -> dict:
        """The published defaults of all settings, by name."""
        parameters = inspect.signature(cls.__init__).parameters
        return {
            key: plain(parameter.default)
            for key, parameter in parameters.items()
            if key not in _NOT_SETTINGS
        }

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
    def make_inputs(settings):
        """The symbolic input, or a dict of them by name."""
        return keras.Input(settings["input_shape"], name="skeletons")

    @staticmethod
    def encoder_graph(inputs, settings, skeleton, dtype):
        """The feature map, from a layer `features`."""
        raise NotImplementedError

    @classmethod
    def reused_features(cls, encoder, settings):
        """The feature map of a finished encoder, which stays as it is."""
        return encoder.feature_map

    @staticmethod
    def head_graph(features, settings, skeleton, classes, activation, dtype):
        """The scores of the published head, from a layer `predictions`."""
        raise NotImplementedError

    def start_head(self):
        """Sets a head that weights lack to where it starts from an encoder.

        For heads that begin as copies of parts of the encoder, whose weights
        were loaded after the head was made; does nothing by default.
        """

    @classmethod
    def linear_head_graph(
        cls, features, settings, skeleton, classes, activation, dtype
    ):
        """The class scores of the head by which encoders are compared.

        Pooling by the system's own rule, batch normalization without scale
        and offset, dense layer.
        """
        x = cls.pooled(features, dtype=dtype)
        x = layers.BatchNormalization(
            epsilon=1e-6,
            center=False,
            scale=False,
            name="head_norm",
            dtype=dtype,
        )(x)
        return keras.layers.Dense(
            classes,
            activation=activation,
            kernel_initializer=keras.initializers.TruncatedNormal(stddev=0.01),
            name="predictions",
            # The loss needs full precision whatever the layers compute in.
            dtype="float32",
        )(x)

    @classmethod
    def pooled(cls, features, kind="published", dtype=None):
        """Pools a symbolic feature map `(N, M, T', V', D)` to `(N, D)`.

        Args:
            features: The feature map.
            kind: `"avg"` or `"max"` over persons, time and joints, or
                `"published"`, the rule by which the system pools features
                that are compared: the average, unless a subclass knows
                another.
            dtype: Data type policy of the layer.
        """
        layer = keras.layers.GlobalAveragePooling3D
        if kind == "max":
            layer = keras.layers.GlobalMaxPooling3D
        return layer(name="pooled", dtype=dtype)(features)

    def get_config(self):
        config = {
            **self.settings,
            **self.ends,
            "name": self.name,
            "dtype": self.dtype_policy.name,
        }
        # No arguments, but what a model is to know when it is loaded.
        states = {
            "frozen": frozen_layers(self),
            "fresh_head": self.fresh_head,
            "class_names": self.class_names and list(self.class_names),
        }
        return {**config, **{k: v for k, v in states.items() if v}}

    @classmethod
    def from_config(cls, config):
        config, frozen = without_frozen(config)
        fresh_head = config.pop("fresh_head", None)
        class_names = config.pop("class_names", None)
        model = cls(**config)
        freeze(model, frozen)
        if fresh_head is not None:
            model.note_fresh_head(fresh_head)
        model.class_names = class_names and tuple(class_names)
        return model


def plain(value):
    """Arguments in the form to keep: tuples for lists, at any depth."""
    if isinstance(value, list | tuple):
        return tuple(plain(each) for each in value)
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    return value


def _form(key, value):
    """A form in which equal arguments are equal."""
    return skeletons.get(value) if key == "skeleton" else plain(value)
