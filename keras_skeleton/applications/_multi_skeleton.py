"""The network of MS-CLR, for clips in several joint layouts."""

import keras
from keras import ops

from keras_skeleton import layers
from keras_skeleton import skeletons
from keras_skeleton._types import PathLike
from keras_skeleton.applications._application import check_shape
from keras_skeleton.applications._application import constructor
from keras_skeleton.applications.stgcn import BLOCKS
from keras_skeleton.applications.stgcn import STGCN
from keras_skeleton.layers.augmentation.streams import PUBLISHED_BONES
from keras_skeleton.skeletons.skeleton import SkeletonLike


def _layouts_of(settings):
    """The layouts of a model, as skeletons by name."""
    layouts = settings["layouts"] or (settings["skeleton"],)
    return {each.name: each for each in map(skeletons.get, layouts)}


def _largest(settings):
    layouts = _layouts_of(settings).values()
    return max(layouts, key=lambda layout: layout.num_joints)


def _settle_layouts(settings, is_skeleton_named):
    """Checks `layouts`, and lets `skeleton` be one of them."""
    layouts = settings["layouts"]
    if not isinstance(layouts, tuple) or not layouts:
        raise ValueError(
            "`layouts` must be None or a list of layouts, such as "
            f"('ntu', 'smplx42'). Received layouts={layouts!r}."
        )
    found = [skeletons.get(each) for each in layouts]
    names = [each.name for each in found]
    if len(set(names)) != len(names) or any("/" in name for name in names):
        raise ValueError(
            "`layouts` must have different names, without slashes, as their "
            f"variables bear them. Received {names}."
        )
    settings["layouts"] = tuple(map(skeletons.serialize, found))
    if not is_skeleton_named:
        settings["skeleton"] = settings["layouts"][0]
    elif skeletons.get(settings["skeleton"]) not in found:
        raise ValueError(
            f"skeleton={settings['skeleton']!r} is none of the layouts "
            f"{', '.join(names)}. Add it, or leave `skeleton` out."
        )


def layout_input(features):
    """The symbolic input that says the layout of clips, or `None`.

    Args:
        features: Symbolic tensor that was computed from it.
    """
    inputs = keras.utils.get_source_inputs(features)
    return next((each for each in inputs if each.name == "layout"), None)


@keras.saving.register_keras_serializable(package="keras_skeleton")
class MSCLR(STGCN):
    """The network of `STGCN`, for clips of one or of several joint layouts.

    With several `layouts` all layers are shared, but for the graphs, the
    weights of their edges and the normalization of the input, which each
    layout has for itself. The inputs are then named: `"skeletons"`, clips
    with the joints of the largest layout, those of others padded at the end
    of the axis; and `"layout"`, for each clip the number of its layout in
    `layouts`. A batch may mix them, and one compiled network serves them
    all. What is in padded joints at the input does not matter. Behind the
    first block they carry values that no joint receives, but that count in
    the batch statistics of the normalizations in training, as in the
    published code. In the layer `features` they hold the mean of the joints
    that there are, so that any pooling is one of these.

    With one layout the input is the clips alone, and the network is
    AimCLR's.

    With `head="ensemble"` there is a linear layer for each layout. A sample
    is classified by the mean of the logits of its clips in all layouts:
    `ensemble()`, or `keras_skeleton.evaluation` where they are clips of one
    sample. Trained on clips of all layouts, the loss is the published one
    (the sum over layouts, here their mean).

    The authors have released no weights. They report, for a linear probe of
    three streams on NTU-60, 80.9 (X-sub) and 86.7 (X-view), with the ensemble
    88.0 and 94.2; AimCLR, trained with one layout, 79.2 and 84.0. The bones
    of their ensemble are, when it is tested, those of Kinect in all layouts,
    which are not the ones of the training: `Bones(bones=skeletons.get("ntu")
    .bones)` makes them, `Bones(layout)` those that are meant.

    Ours, top-1 in percent, in brackets without copies of training clips:

    | `MSCLR` | data | linear | 1-nn | from |
    |---|---|---|---|---|
    | `nw_ucla` | NW-UCLA X-view | 65.7 (69.6) | 62.1 (52.3) | us |

    Args:
        weights: `None` (random), a registered name, a path, or an `hf://` or
            `https://` address. Those of several layouts also fit a model of
            some of them: name its `skeleton` or its `layouts`.
        input_shape: `(M, T, V, C)`: persons, frames, joints, coordinates;
            `V` is that of the largest layout. Defaults to `(2, 50, 25, 3)`,
            with the joints of the layouts.
        skeleton: The layout, a `Skeleton` or its registered name, where there
            is only one; of several, the one that pictures show, the first if
            left out. Defaults to `"ntu"`.
        layouts: The layouts where there are several, such as
            `("kinect20", "coco17")`. Defaults to `None`.
        classes: `None` for the encoder, a number for the classifier.
        pooling: `None`, or how the encoder's output is pooled over persons,
            time and joints: `"avg"`, `"max"` or `"published"`, the system's
            own rule, which is the average.
        encoder: A built encoder to put a head on. Layers and variables are
            shared.
        classifier_activation: Activation of `predictions`. Defaults to none:
            the outputs are logits.
        head: `"published"` (default): mean over persons, time and joints,
            dense layer. `"ensemble"`: the same with a dense layer for each
            layout. Or `"linear"`, which normalizes between the two.
        hidden_dim: Channels of the first blocks. Defaults to 16.
        output_dim: Channels of the last block. Defaults to 256.
        blocks: For each block but the last its width, in multiples of
            `hidden_dim`, and its stride over time. Defaults to `BLOCKS`, the
            nine published ones.
        kernel_size: Frames in the kernels over time. Defaults to 9.
        dropout_rate: Dropout at the end of each block but the first. Defaults
            to 0.5.
        published_graphs: Whether SMPL-X and Berkeley MHAD have the edges of
            the published code, in which the eyeballs are joined to nothing,
            and the markers form rings in three pieces. Else edges are those
            of the layouts' trees. Defaults to `True`.
        name: Name of the model.
        dtype: Data type policy of the layers.

    Input shape: `(N, M, T, V, C)`, metres; with several layouts a dict of
    these `"skeletons"` and of `"layout"`, int `(N,)`.

    Raises:
        ValueError: If arguments contradict each other, the layouts or the
            weights; the message says how to mend it.

    Example:

    >>> encoder = MSCLR(layouts=("ntu", "smplx42"))
    >>> clips = {"skeletons": np.zeros((2, 2, 50, 42, 3)),
    ...          "layout": np.array([0, 1])}
    >>> encoder(clips).shape
    (2, 2, 13, 42, 256)

    Reference: Kiray et al., MS-CLR: Multi-Skeleton Contrastive Learning for
    Human Action Recognition, arXiv 2508.14889; official code 3Dwe-ai/ms-clr
    and alvaroritter/AimCLR. Guo et al., Contrastive Learning from Extremely
    Augmented Skeleton Sequences for Self-supervised Action Recognition, AAAI
    2022, arXiv 2112.03590; official code Levigty/AimCLR.
    """

    system = "msclr"
    heads = ("published", "ensemble")

    @constructor
    def __init__(
        self,
        weights: PathLike | None = None,
        *,
        input_shape=(2, 50, 25, 3),
        skeleton: SkeletonLike = "ntu",
        layouts=None,
        classes=None,
        pooling=None,
        encoder=None,
        classifier_activation=None,
        head="published",
        hidden_dim=16,
        output_dim=256,
        blocks=BLOCKS,
        kernel_size=9,
        dropout_rate=0.5,
        published_graphs=True,
        name="msclr",
        dtype=None,
    ):
        """See the class."""

    def _settle(self, named, arguments, weights, encoder):
        settings = super()._settle(named, arguments, weights, encoder)
        if encoder is None and "skeleton" in named and "layouts" not in named:
            # One of those that the weights are of.
            settings["layouts"] = None
        if settings["layouts"] is not None:
            _settle_layouts(settings, "skeleton" in named)
        if encoder is None and "input_shape" not in named:
            persons, frames, _, coordinates = settings["input_shape"]
            joints = _largest(settings).num_joints
            settings["input_shape"] = persons, frames, joints, coordinates
        return settings

    @staticmethod
    def settle_shape(settings, skeleton):
        return check_shape(settings["input_shape"], _largest(settings))

    @staticmethod
    def make_inputs(settings):
        clips = keras.Input(settings["input_shape"], name="skeletons")
        if len(_layouts_of(settings)) == 1:
            return clips
        layout = keras.Input((), dtype="int32", name="layout")
        return {"skeletons": clips, "layout": layout}

    @staticmethod
    def graph_convolution(settings, skeleton, **arguments):
        graphs = {}
        for name, layout in _layouts_of(settings).items():
            edges = layout.edges
            if settings["published_graphs"]:
                edges = PUBLISHED_BONES.get(name, edges)
            graphs[name] = layers.partition_graph(
                layout.num_joints, edges, layout.root
            )
        return layers.LayoutGraphConvolution(graphs=graphs, **arguments)

    @staticmethod
    def input_norm(settings, skeleton, **arguments):
        return layers.LayoutNormalization(
            {k: each.num_joints for k, each in _layouts_of(settings).items()},
            **arguments,
        )

    @staticmethod
    def _features(inputs, norm, blocks, dtype, dropout_rate=None, **options):
        if not isinstance(inputs, dict):
            return STGCN._features(
                inputs, norm, blocks, dtype, dropout_rate, **options
            )
        clips, layout = inputs["skeletons"], inputs["layout"]
        persons = clips.shape[1]
        x = norm(clips, layout=layout)
        x = layers.FoldPersons(name="fold_persons", dtype=dtype)(x)
        rows = ops.repeat(layout, persons)
        for i, block in enumerate(blocks):
            rate = dropout_rate if i > 0 else None
            x = block(x, dropout_rate=rate, layout=rows, **options)
        x = layers.TokenGrid(
            persons, x.shape[1], x.shape[2], name="padded_features", dtype=dtype
        )(x)
        return layers.FillJoints(
            norm.sizes.values(), name="features", dtype=dtype
        )(x, layout=layout)

    @classmethod
    def head_graph(
        cls, features, settings, skeleton, classes, activation, dtype
    ):
        if settings["head"] == "published":
            return super().head_graph(
                features, settings, skeleton, classes, activation, dtype
            )
        x = cls.pooled(features, dtype=dtype)
        limit = x.shape[-1] ** -0.5
        uniform = keras.initializers.RandomUniform
        head = layers.LayoutDense(
            classes,
            _layouts_of(settings),
            activation=activation,
            kernel_initializer=uniform(-limit, limit),
            bias_initializer=uniform(-limit, limit),
            name="predictions",
            # The loss needs full precision whatever the layers compute in.
            dtype="float32",
        )
        return head(x, layout=layout_input(features))

    @property
    def layouts(self):
        """The layouts, as skeletons by name."""
        return _layouts_of(self.settings)

    def for_layout(self, layout):
        """An encoder or classifier of one of the layouts, on clips alone.

        Args:
            layout: The `Skeleton` or its name.

        Returns:
            A model with copies of this one's weights.

        Raises:
            ValueError: If it is none of the layouts.
        """
        layout = skeletons.get(layout)
        self._number(layout.name)
        persons, frames, _, coordinates = self.settings["input_shape"]
        model = type(self).from_config(
            {
                **self.get_config(),
                "skeleton": layout,
                "layouts": None,
                "input_shape": (
                    persons,
                    frames,
                    layout.num_joints,
                    coordinates,
                ),
            }
        )
        prefix = f"{self.scope}/" if self.scope else ""
        ours = dict(
            zip(
                (v.path.removeprefix(prefix) for v in self.weights),
                self.get_weights(),
                strict=True,
            )
        )
        for variable in model.weights:
            variable.assign(ours[variable.path])
        return model

    def ensemble(self):
        """A model from clips in all layouts to the mean of their scores.

        Returns:
            A model from a dict of clips `(N, M, T, V, C)` by the names of the
            layouts, without padding, to `(N, classes)`.
        """
        persons, frames, joints, coordinates = self.settings["input_shape"]
        inputs, scores = {}, []
        for number, (name, layout) in enumerate(self.layouts.items()):
            shape = (persons, frames, layout.num_joints, coordinates)
            clips = inputs[name] = keras.Input(shape, name=name)
            if len(self.layouts) == 1:
                scores.append(self(clips))
                continue
            margin = ((0, joints - layout.num_joints), (0, 0))
            scores.append(
                self(
                    {
                        "skeletons": ops.pad(clips, (*3 * ((0, 0),), *margin)),
                        "layout": ops.full_like(
                            clips[:, 0, 0, 0, 0], number, dtype="int32"
                        ),
                    }
                )
            )
        return keras.Model(inputs, sum(scores) / len(scores))

    def _number(self, name):
        names = list(self.layouts)
        if name not in names:
            raise ValueError(
                f"The model {self.name!r} has the layouts {', '.join(names)}, "
                f"but not {name!r}."
            )
        return names.index(name)
