"""ACLNet: DG-STGCN whose graphs are contrasted between confused classes."""

import keras
from keras import ops

from keras_skeleton._types import PathLike
from keras_skeleton.applications._application import check_number
from keras_skeleton.applications._application import constructor
from keras_skeleton.applications._conventions import conventions
from keras_skeleton.applications._input_check import InputCheck
from keras_skeleton.applications.dgstgcn import DGSTGCN
from keras_skeleton.applications.stgcnpp import BLOCKS
from keras_skeleton.skeletons.skeleton import SkeletonLike
from keras_skeleton.training import ClassAffinity
from keras_skeleton.training import LabelledMemory
from keras_skeleton.training import SupervisedModel
from keras_skeleton.training.vectors import unit_vectors

# Factors of the scores (after softmax) of the streams in published fusions.
FUSION_WEIGHTS = {
    (
        *("joint", "bone", "skip"),
        *("joint_motion", "bone_motion", "skip_motion"),
    ): (2.0, 2.0, 2.0, 1.0, 1.0, 1.0),
    ("joint", "bone", "joint_motion", "bone_motion"): (2.0, 2.0, 1.0, 1.0),
    ("joint", "bone"): (1.0, 1.0),
}


@keras.saving.register_keras_serializable(package="keras_skeleton")
class ACLNet(DGSTGCN):
    """ACLNet: encoder, or classifier with a head.

    The network is `DGSTGCN`, wider. What is ACLNet's own is its training,
    `ACLNetTraining`: the graphs that clips add to those of the last block
    (`graph_features`) are contrasted with what is typical of each class among
    those it is easily confused with. Afterwards the classifier is used by
    itself.

    One model sees one stream. The published results add the scores of six
    (`FUSION_WEIGHTS`): joints, bones, skipped bones, and the motion of each,
    as `layers.augmentation.Streams` makes them, before frames are sampled
    (`UniformSampleDecode(100, streams=...)`). People in the image, with the 17
    joints of COCO, are shown with three more in the middle of the body, the
    layout `coco20`: `MapSkeleton("coco17", "coco20")`, for scores and places
    alike; their streams are made after sampling, by `Streams("coco20", ...,
    score="bone")`.

    People themselves are recognized, by gait or again in another video, where
    the classes are persons: `keras_skeleton.evaluation.cross_view` and
    `retrieval` compare the pooled features of clips. That the paper reports
    this for CASIA-B is known, but not how it was done; all of it is our
    choice:

    ```python
    data = keras_skeleton.datasets.casia_b.load_data()
    train, _ = data.split("subjects")
    transforms = [
        augmentation.MapSkeleton("coco17", "coco20"),
        augmentation.UniformSampleDecode(60),
    ]
    training = ACLNetTraining(
        input_shape=(1, 60, 20, 3), skeleton="coco20", classes=74
    )
    training.compile(keras_skeleton.training.SGD(0.025, momentum=0.9))
    training.fit(train.to_keras(transforms, 16, shuffle=True), epochs=150)
    gallery, probes = data.split("gallery")
    evaluation.cross_view(
        training.model, gallery, probes, transforms=transforms
    )
    ```

    `weights` of the authors are `"ntu60_xsub_<stream>"` with the stream
    `joint`, `bone` or `bone_motion`, and of further runs
    `"second_ntu60_xsub_joint"`, `"second_ntu60_xsub_bone"` and
    `"third_ntu60_xsub_bone"`. They are fetched at the first use. Others of
    their repository are had by the address, such as
    `"hf://firework8/ACLNet/k400/<run>/best_top1_acc_epoch_<number>.pth"`,
    with the arguments that they were trained with: for Kinetics and FineGYM
    `skeleton="coco20"`. `"nw_ucla"` comes with the package, three blocks of a
    quarter of the width. Top-1 accuracy in percent, in brackets without
    copies of training clips:

    | `ACLNet` | data | supervised | fused | from |
    |---|---|---|---|---|
    | `ntu60_xsub_<stream>` | NTU-60 X-sub | | 93.6 | authors |
    | `second_ntu60_xsub_<stream>` | NTU-60 X-sub | | 93.6 | authors |
    | `third_ntu60_xsub_bone` | NTU-60 X-sub | | 93.6 | authors |
    | `nw_ucla` | NW-UCLA X-view | 87.3 (91.6) | | us |

    Args:
        weights: `None` (random), a registered name, a path, or an `hf://` or
            `https://` address.
        input_shape: `(M, T, V, C)`: persons, frames, joints, coordinates.
            Defaults to `(2, 100, 25, 3)`. Weights fit any `M` and `T`.
        skeleton: A `Skeleton` or its registered name. Defaults to `"ntu"`.
        classes: `None` for the encoder, a number for the classifier.
        pooling: `None`, or how the encoder's output is pooled over persons,
            time and joints: `"avg"`, `"max"` or `"published"`, the system's
            own rule, which is the average.
        encoder: A built encoder to put a head on. Layers and variables are
            shared.
        classifier_activation: Activation of `predictions`. Defaults to none:
            the outputs are logits.
        head: `"published"` (default): mean over persons, time and joints,
            dense layer. Or `"linear"`, which normalizes between the two.
        hidden_dim: Channels of the first blocks, a multiple of `num_graphs`,
            and at least one for each of the 6 branches over time. Defaults to
            96.
        blocks: For each block its width, in multiples of `hidden_dim`, and
            its stride over time. Defaults to `BLOCKS`, the ten published
            ones.
        num_graphs: Graphs of each block, which share its channels. Defaults
            to 8.
        graph_ratio: Channels of each graph, as a share of those of the block;
            one over `num_graphs` where none is given. Defaults to `None`.
        dropout_rate: Dropout at the end of each block but the first. Defaults
            to 0.
        name: Name of the model.
        dtype: Data type policy of the layers.

    Input shape: `(N, M, T, V, C)`; metres, or pixels and the score.

    Raises:
        ValueError: If arguments contradict each other, the skeleton or the
            weights; the message says how to mend it.

    Example:

    >>> model = ACLNet(input_shape=(1, 64, 20, 3), skeleton="nw_ucla",
    ...                classes=10)
    >>> model(np.zeros((2, 1, 64, 20, 3))).shape
    (2, 10)

    Reference: Affinity Contrastive Learning for Skeleton-based Human Activity
    Understanding, 2026, arXiv 2601.16694; official code firework8/ACLNet.
    """

    system = "aclnet"
    # As of DG-STGCN, but for smaller batches.
    recipes = {
        "training": {
            **DGSTGCN.recipes["training"],
            "learning_rate": 0.025,
            "batch_size": 16,
        },
    }

    @constructor
    def __init__(
        self,
        weights: PathLike | None = None,
        *,
        input_shape=(2, 100, 25, 3),
        skeleton: SkeletonLike = "ntu",
        classes=None,
        pooling=None,
        encoder=None,
        classifier_activation=None,
        head="published",
        hidden_dim=96,
        blocks=BLOCKS,
        num_graphs=8,
        graph_ratio=None,
        dropout_rate=0.0,
        name="aclnet",
        dtype=None,
    ):
        """See the class."""


@keras.saving.register_keras_serializable(package="keras_skeleton")
class ACLNetTraining(InputCheck, SupervisedModel):
    """Training of `ACLNet` with contrast between easily confused classes.

    Beside the cross-entropy of the scores there are two losses of the graph
    features of the clips (`ACLNet.graph_features`), each by a projection of
    its own:

    - between classes (`keras_skeleton.training.ClassAffinity`): nearer to the
      prototype of its class than to those of its superclass, the classes that
      were often confused with it. Confusions are counted after
      `counting_epochs`; after `contrast_epochs` each epoch's first step sets
      the superclasses, and the loss begins.
    - within classes (`keras_skeleton.training.margin_contrast`): nearer, by a
      margin, to the last samples of its class than to the last of others.

    Both kinds of memory, the confusions and how far the epochs have come are
    saved with the model, so that a stopped training resumes exactly; in the
    published code they are lost, and epochs are only counted where there is
    validation. Evaluation knows no contrast: its loss is the cross-entropy.

    Published: `training.SGD(0.025, momentum=0.9, nesterov=True,
    weight_decay=5e-4)` on all variables, the rate falling to 0 as a cosine,
    16 clips in a batch, 150 epochs; for Kinetics 0.1 and 64 clips.

    Sample weights count in all three losses. The memories take all samples
    alike.

    Args:
        model: An `ACLNet` or `DGSTGCN` with classes, whose outputs are
            logits. By default, one is built of the further arguments.
        inter_weight: Factor of the loss between classes.
        intra_weight: Factor of the loss within classes.
        projection_dim: Width of the two projections.
        memory_size: Samples in the memory of the loss within classes, the
            batch included. Published: 512; 1024 for NTU-120 and FineGYM, 2048
            for Kinetics.
        counting_epochs: Epochs before confusions are counted.
        contrast_epochs: Epochs before the loss between classes begins.
        num_neighbors: Classes that a class has most confusions with.
        temperature: Of the loss within classes; that of the loss between
            classes depends on the size of the superclass.
        margin: Of the loss within classes, in what the softmax is taken of.
        seed: Seed of what the memories hold at first.
        name: Name of the model.
        dtype: Data type policy of a model that is built.
        **arguments: Those of `ACLNet`, if `model` is left out.

    Attributes:
        model: The plain classifier, which is used and saved by itself after
            training.
        affinity: The `ClassAffinity`.
        memory: The `LabelledMemory`.

    Raises:
        ValueError: If `model` and arguments of one are passed, it is no
            classifier with logits, or a number is outside its range.

    Example:

    ```python
    training = ACLNetTraining(classes=60)
    training.compile(keras_skeleton.training.SGD(0.025, momentum=0.9))
    training.fit(train, epochs=150)
    training.model.save("aclnet.keras")
    ```

    Reference: Affinity Contrastive Learning for Skeleton-based Human Activity
    Understanding, 2026, arXiv 2601.16694; official code firework8/ACLNet.
    """

    system = "aclnet"
    reported = ("accuracy", "crossentropy", "inter_class", "intra_class")
    network = ACLNet
    recipes = ACLNet.recipes
    search_space = {
        **ACLNet.search_space,
        "inter_weight": (0.01, 1.0, "log"),
        "intra_weight": (0.01, 1.0, "log"),
        "num_neighbors": [3, 5, 10],
        "temperature": (0.05, 0.2),
        "margin": (0.0, 0.3),
    }
    tiny = {
        **ACLNet.tiny,
        "classes": 3,
        "projection_dim": 8,
        "memory_size": 4,
        "counting_epochs": 0,
        "contrast_epochs": 0,
        "num_neighbors": 2,
    }

    def __init__(
        self,
        model=None,
        *,
        inter_weight=0.1,
        intra_weight=0.1,
        projection_dim=256,
        memory_size=512,
        counting_epochs=29,
        contrast_epochs=30,
        num_neighbors=10,
        temperature=0.1,
        margin=0.1,
        seed=None,
        name="aclnet_training",
        dtype=None,
        **arguments,
    ):
        check_number("inter_weight", inter_weight, 0)
        check_number("intra_weight", intra_weight, 0)
        check_number("projection_dim", projection_dim, 1, whole=True)
        check_number("memory_size", memory_size, 2, whole=True)
        check_number("counting_epochs", counting_epochs, 0, whole=True)
        check_number("contrast_epochs", contrast_epochs, 0, whole=True)
        check_number("num_neighbors", num_neighbors, 1, whole=True)
        check_number("temperature", temperature, 1e-6)
        check_number("margin", margin, 0)
        if model is None:
            model = ACLNet(**arguments, dtype=dtype)
        elif arguments:
            raise ValueError(
                "Pass either `model` or the arguments to build one, not both. "
                f"Received a model and {', '.join(arguments)}."
            )
        _check_model(model)
        super().__init__(model, name=name, dtype=dtype)
        self.inter_weight = inter_weight
        self.intra_weight = intra_weight
        self.seed = seed
        width = model.settings["input_shape"][2] ** 2
        self.inter_projection = _projection(
            width, projection_dim, "inter_projection"
        )
        self.intra_projection = _projection(
            width, projection_dim, "intra_projection"
        )
        self.affinity = ClassAffinity(
            model.output_shape[-1],
            projection_dim,
            counting_epochs=counting_epochs,
            contrast_epochs=contrast_epochs,
            num_neighbors=num_neighbors,
            seed=seed,
            name="affinity",
        )
        self.memory = LabelledMemory(
            memory_size,
            projection_dim,
            temperature,
            margin,
            seed=seed,
            name="memory",
        )
        self._forward = keras.Model(
            model.input, [model.output, model.blocks[-1].input]
        )

    @property
    def input_form(self):
        return self.model.input_form

    def objective(self, x, y, training, sample_weight=None):
        scores, last = self._forward(x, training=training)
        scores = ops.cast(scores, "float32")
        labels = ops.cast(ops.reshape(y, (-1,)), "int32")
        entropy = keras.losses.sparse_categorical_crossentropy(
            labels, scores, from_logits=True
        )
        inter = intra = ops.zeros_like(entropy)
        carried = ()
        if training:
            graphs = self.model.graph_features(last)
            graphs = ops.cast(graphs, "float32")
            inter, sums = self.affinity.contrast(
                self.inter_projection(graphs), labels, scores, self.epoch.value
            )
            vectors = unit_vectors(self.intra_projection(graphs))
            intra = self.memory.contrast(vectors, labels)
            carried = sums, vectors, labels
        right = ops.cast(ops.argmax(scores, axis=-1), "int32") == labels
        report = {
            name: _mean(values, sample_weight)
            for name, values in (
                ("crossentropy", entropy),
                ("inter_class", inter),
                ("intra_class", intra),
            )
        }
        loss = (
            report["crossentropy"]
            + self.inter_weight * report["inter_class"]
            + self.intra_weight * report["intra_class"]
        )
        report["accuracy"] = ops.mean(ops.cast(right, "float32"))
        return loss, report, carried

    def after_step(self, carried):
        sums, vectors, labels = carried
        # Of several devices, each has counted its own share of the batch.
        total = {
            name: ops.sum(self.gather(value[None]), axis=0)
            for name, value in sums.items()
        }
        self.affinity.update(total, self.epoch.value)
        self.memory.push(self.gather(vectors), label=self.gather(labels))

    def get_config(self):
        return {
            "model": keras.saving.serialize_keras_object(self.model),
            "inter_weight": self.inter_weight,
            "intra_weight": self.intra_weight,
            "projection_dim": self.affinity.dim,
            "memory_size": self.memory.size,
            "counting_epochs": self.affinity.counting_epochs,
            "contrast_epochs": self.affinity.contrast_epochs,
            "num_neighbors": self.affinity.num_neighbors,
            "temperature": self.memory.temperature,
            "margin": self.memory.margin,
            "seed": self.seed,
            "name": self.name,
            "dtype": self.dtype_policy.name,
        }

    @classmethod
    def from_config(cls, config):
        model = keras.saving.deserialize_keras_object(config["model"])
        return cls(**{**config, "model": model})


def _check_model(model):
    if not isinstance(model, DGSTGCN):
        raise ValueError(
            "`model` must be an `ACLNet` or a `DGSTGCN`. Received a "
            f"{type(model).__name__}."
        )
    config = model.get_config()
    if config["classes"] is None or config["classifier_activation"]:
        raise ValueError(
            "`model` must be a classifier that gives logits. Received one "
            f"with classes={config['classes']!r} and classifier_activation="
            f"{config['classifier_activation']!r}."
        )


def _projection(width, dim, name):
    """A dense layer, built; graphs are 0 at first, but its biases are not."""
    limit = width**-0.5
    uniform = keras.initializers.RandomUniform
    layer = keras.layers.Dense(
        dim,
        kernel_initializer=uniform(-limit, limit),
        bias_initializer=uniform(-limit, limit),
        name=name,
        # The losses need full precision whatever the layers compute in.
        dtype="float32",
    )
    layer.build((None, width))
    return layer


def _mean(values, weight):
    """The mean over the batch, of values times their weights."""
    if weight is not None:
        values = values * ops.cast(ops.reshape(weight, (-1,)), values.dtype)
    return ops.mean(values)


preprocess_input, decode_predictions = conventions("aclnet", num_frames=100)
