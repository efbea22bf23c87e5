"""BRL: training of a classifier on long-tailed data."""

import keras
import numpy as np
from keras import ops

from keras_skeleton import losses
from keras_skeleton import skeletons
from keras_skeleton.applications._application import check_number
from keras_skeleton.applications._conventions import conventions
from keras_skeleton.applications._input_check import InputCheck
from keras_skeleton.applications.stgcnpp import STGCNPlusPlus
from keras_skeleton.training import BodyMixing
from keras_skeleton.training import SupervisedModel

# What the published code does otherwise than it seems to be meant, by name.
QUIRKS = ("alternating_betas", "joint_order", "one_share", "skipping")
# Factors of the scores (after softmax) of the streams in published fusions.
FUSION_WEIGHTS = {
    ("joint", "bone"): (1.0, 1.0),
    ("joint", "bone", "joint_motion", "bone_motion"): (2.0, 2.0, 1.0, 1.0),
    ("joint", "bone", "skip", "joint_motion", "bone_motion", "skip_motion"): (
        *(2.0, 2.0, 2.0),
        *(1.0, 1.0, 1.0),
    ),
}


@keras.saving.register_keras_serializable(package="keras_skeleton")
class BRL(InputCheck, SupervisedModel):
    """Balanced representation learning: trains a classifier on few clips.

    Some classes have hundreds of training clips, others a handful. In each
    step, some clips of the batch receive the lower body of another one, and
    the label is shared between the two, in favour of the rarer class
    (`keras_skeleton.training.BodyMixing`):

        loss = mean(share * loss(label) + (1 - share) * loss(other label))

    The loss is the plain cross-entropy in the first epochs and a weighted one
    from `switch_epoch` on (`losses.ActionAwareCrossentropy`), so that the
    features are learned from the data as they are and the decision between
    the classes without their frequencies.

    To the method belong also `datasets.samplers.Rebalanced`, which shows the
    rarest third of the classes more often, the augmentations of the recipe
    below, and one network for each of six streams
    (`layers.augmentation.Streams`: joints, bones, the vectors over two bones
    `"skip"`, and their motion), whose scores are added (`FUSION_WEIGHTS`).
    The published recipe: 24 epochs of five rounds, SGD with Nesterov momentum
    0.9, weight decay 5e-4 on all variables, learning rate 0.0125 for batches
    of 16, falling to 0 by a cosine; 64 frames (`UniformSample`) of clips that
    were turned upright (`PreNormalize3D`), scaled (0.1), turned (0.3) and
    mirrored.

    The plain classifier `model` is what remains after training. The authors'
    weights are those of `STGCNPlusPlus` and `CTRGCN`, whose names begin with
    `brl_`.

    `official` names what the published code does otherwise than it seems to
    be meant:

    - `"alternating_betas"`: in every second epoch of the second phase the
      weights are nearly alike;
    - `"joint_order"`, `"one_share"`, `"skipping"`: see `BodyMixing`.

    By default there is none of these; that is a choice. So are the counts,
    those of the data at hand: the published code has those of its list with
    600 clips in the first class and 6 in the last whatever list it trains on
    (`datasets.class_counts`).

    Args:
        model: The classifier, with logits; built from `model_arguments` if
            left out, as `STGCNPlusPlus` with a class for each count.
        class_counts: Training clips of each class, for example
            `np.bincount(train.labels)`.
        upper: Joints of the upper body. By default all but the legs (the
            `parts` of the skeleton with `"leg"` in their names) and the joint
            that both hang on, as published for NTU RGB+D and NW-UCLA.
        mix_ratio: Share of the clips of a batch that are mixed.
        upper_share: Share of the label that goes with the upper body. By
            default its share of the joints, as published.
        dominance: How many times more clips a class must have than the other
            for the label to be wholly that of the other. `None` shares all
            labels by `upper_share`.
        loss: The loss from `switch_epoch` on: `"action_aware"`, or a
            `keras.losses.Loss` of labels and logits, such as those of
            `keras_skeleton.losses`.
        first_loss: The loss before, by default the plain cross-entropy.
        switch_epoch: Epoch, from 0, from which on `loss` counts. Published:
            19, of 24 epochs.
        official: Names of quirks, see above.
        seed: Seed of the mixing.
        name: Name of the model.
        dtype: Data type policy of the layers.
        **model_arguments: Arguments of `STGCNPlusPlus`.

    Attributes:
        model: The plain classifier.
        mixing: The `BodyMixing`.

    Input shape: `(N, M, T, V, C)`, the stream of the classifier. `predict`
    gives the scores `(N, classes)`.

    Raises:
        ValueError: If arguments do not fit together.

    Example:

    >>> training = BRL(class_counts=np.bincount(train.labels),
    ...                input_shape=(1, 64, 20, 3), skeleton="nw_ucla")
    >>> training.compile(SGD(0.0125, momentum=0.9, nesterov=True,
    ...                      weight_decay=5e-4))
    >>> sampler = Repeated(5, Rebalanced())
    >>> history = training.fit(train.to_keras(transforms, batch_size=16,
    ...                                       sampler=sampler), epochs=24)
    >>> training.model.save("classifier.keras")

    Reference: Liu et al., Balanced Representation Learning for Long-tailed
    Skeleton-based Action Recognition, 2023, arXiv 2308.14024; official code
    firework8/BRL.
    """

    system = "brl"
    reported = ("accuracy",)
    network = STGCNPlusPlus
    search_space = {
        **STGCNPlusPlus.search_space,
        "mix_ratio": (1 / 32, 1 / 4, "log"),
        "upper_share": (0.5, 0.75),
        "dominance": [1.5, 3.0, 6.0],
    }
    # Of long-tailed NTU RGB+D, whose epochs show every clip five times.
    recipes = {
        "training": {
            "optimizer": "sgd",
            "learning_rate": 0.0125,
            "minimum": 0.0,
            "warmup_epochs": 0,
            "epochs": 120,
            "batch_size": 16,
            "weight_decay": 5e-4,
            "nesterov": True,
        },
    }
    tiny = {
        "input_shape": (1, 8, 20, 3),
        "skeleton": "kinect20",
        "hidden_dim": 6,
        "blocks": ((1, 1), (2, 2)),
        "class_counts": (30, 10, 2),
        "mix_ratio": 0.5,
        "switch_epoch": 1,
    }

    def __init__(
        self,
        model=None,
        *,
        class_counts,
        upper=None,
        mix_ratio=1 / 16,
        upper_share=None,
        dominance=3.0,
        loss="action_aware",
        first_loss=None,
        switch_epoch=19,
        official=(),
        seed=None,
        name="brl",
        dtype=None,
        **model_arguments,
    ):
        class_counts = _checked_counts(class_counts)
        check_number("switch_epoch", switch_epoch, 0, whole=True)
        check_number("mix_ratio", mix_ratio, 0, 1)
        if upper_share is not None:
            check_number("upper_share", upper_share, 0, 1)
        if dominance is not None:
            check_number("dominance", dominance, 1)
        if first_loss is not None:
            _check_loss("first_loss", first_loss, "None")
        if loss != "action_aware":
            _check_loss("loss", loss, "'action_aware'")
        model = _classifier(model, class_counts, model_arguments, dtype)
        super().__init__(model, name=name, dtype=dtype)
        official = (official,) if isinstance(official, str) else official
        official = tuple(sorted(official))
        if not set(official) <= set(QUIRKS):
            raise ValueError(
                f"`official` may name {', '.join(QUIRKS)}. Received "
                f"official={list(official)}."
            )
        if upper is None and not hasattr(model, "skeleton"):
            raise ValueError(
                f"The classifier {model.name!r} does not tell its skeleton: "
                "name the joints of the upper body, `upper=`."
            )
        if upper is None:
            upper = upper_joints(skeletons.get(model.skeleton))
        self.mixing = BodyMixing(
            upper,
            model.input_shape[3],
            None if dominance is None else class_counts,
            ratio=mix_ratio,
            upper_share=upper_share,
            dominance=dominance or 1.0,
            official=set(official) - {"alternating_betas"},
            seed=seed,
            name="mixing",
            dtype=dtype,
        )
        self.official = official
        self.switch_epoch = int(switch_epoch)
        self._arguments = {
            "class_counts": class_counts.tolist(),
            "upper": list(upper),
            "mix_ratio": mix_ratio,
            "upper_share": upper_share,
            "dominance": dominance,
            "loss": loss,
            "first_loss": first_loss,
            "switch_epoch": switch_epoch,
            "official": list(official),
            "seed": seed,
        }
        self.phases = [first_loss or losses.SmoothedCrossentropy(), loss]
        if loss == "action_aware":
            self.phases[1:] = [losses.ActionAwareCrossentropy(class_counts)]
            if "alternating_betas" in official:
                inverted = losses.ActionAwareCrossentropy(
                    class_counts, inverted=True
                )
                self.phases.append(inverted)

    @property
    def input_form(self):
        return tuple(self.model.input_shape[1:])

    def objective(self, x, y, training, sample_weight=None):
        y = ops.reshape(ops.cast(y, "int32"), (-1,))
        received, share = y, ops.ones_like(y, dtype="float32")
        if training:
            x, received, share = self.mix(x, y)
        logits = ops.cast(self.model(x, training=training), "float32")
        own = self.loss_of(y, logits)
        other = self.loss_of(received, logits)
        values = share * own + (1 - share) * other
        best = ops.cast(ops.argmax(logits, axis=-1), "int32")
        right = share * ops.cast(best == y, "float32")
        right = right + (1 - share) * ops.cast(best == received, "float32")
        if sample_weight is not None:
            values = values * ops.reshape(sample_weight, (-1,))
        return ops.mean(values), {"accuracy": ops.mean(right)}, ()

    def mix(self, clips, labels):
        """Mixed clips, the labels received, and the shares of the own."""
        return self.mixing(clips, labels)

    def loss_of(self, labels, logits):
        """The loss of each clip in the current phase, `(N,)`."""
        values = [phase.call(labels, logits) for phase in self.phases]
        after = self.epoch.value - self.switch_epoch
        second = values[1]
        if len(values) > 2:
            second = ops.where(after % 2 == 0, second, values[2])
        return ops.where(after >= 0, second, values[0])

    def get_config(self):
        return {
            **keras.saving.serialize_keras_object(
                {"model": self.model, **self._arguments}
            ),
            "name": self.name,
            "dtype": self.dtype_policy.name,
        }

    @classmethod
    def from_config(cls, config):
        return cls(**keras.saving.deserialize_keras_object(config))


def upper_joints(skeleton):
    """Joints of the upper body: without legs and the joint both hang on.

    Args:
        skeleton: A `Skeleton` whose `parts` have legs.

    Returns:
        List of joints.

    Raises:
        ValueError: If it has none.
    """
    legs = [set(part) for k, part in skeleton.parts.items() if "leg" in k]
    if not legs:
        raise ValueError(
            f"The skeleton {skeleton.name!r} has no parts with 'leg' in their "
            "names: name the joints of the upper body, `upper=`."
        )
    lower = set().union(*legs)
    hips = {skeleton.parents[joint] for joint in lower} - lower
    if len(hips) == 1:
        lower |= hips
    return [j for j in range(skeleton.num_joints) if j not in lower]


def _checked_counts(class_counts):
    """The clips of each class as an array."""
    counts = np.asarray(class_counts)
    if (
        counts.ndim != 1
        or counts.dtype.kind not in "iuf"
        or len(counts) < 2
        or not (np.isfinite(counts) & (counts >= 0)).all()
    ):
        raise ValueError(
            "`class_counts` must be the training clips of each of at least "
            "two classes, for example np.bincount(labels). Received "
            f"class_counts={class_counts!r}."
        )
    return counts


def _check_loss(name, loss, other):
    if not isinstance(loss, keras.losses.Loss):
        raise ValueError(
            f"`{name}` must be {other} or a `keras.losses.Loss` of labels "
            "and logits, such as those of `keras_skeleton.losses`. Received "
            f"{name}={loss!r}."
        )


def _classifier(model, class_counts, arguments, dtype):
    """The given classifier, or the published one."""
    classes = len(class_counts)
    if model is None:
        if arguments.get("classes", classes) != classes:
            raise ValueError(
                f"`class_counts` names {classes} classes. Received classes="
                f"{arguments['classes']!r}: leave it out."
            )
        arguments = {**arguments, "classes": classes}
        return STGCNPlusPlus(**{"dtype": dtype, **arguments})
    if arguments:
        raise ValueError(
            "Pass either `model` or the arguments to build one, not both. "
            f"Received a model and {', '.join(arguments)}."
        )
    if not isinstance(model, keras.Model):
        raise ValueError(
            "`model` must be a built classifier, such as "
            f"STGCNPlusPlus(weights, classes={classes}). Received "
            f"model={model!r}."
        )
    if model.output_shape != (None, classes):
        raise ValueError(
            f"The classifier {model.name!r} gives {model.output_shape}, but "
            f"`class_counts` names {classes} classes: expected (None, "
            f"{classes})."
        )
    if (
        getattr(model.layers[-1], "activation", None)
        is keras.activations.softmax
    ):
        raise ValueError(
            f"The classifier {model.name!r} gives probabilities, but the "
            "losses take logits: build it without `classifier_activation`."
        )
    return model


preprocess_input, decode_predictions = conventions("brl", num_frames=64)
