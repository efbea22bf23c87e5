"""Training and test clips of a protocol, whatever they are passed as."""

import copy
import math

import keras
import numpy as np

from keras_skeleton import _inputs
from keras_skeleton.datasets import samplers
from keras_skeleton.evaluation import features
from keras_skeleton.evaluation import metrics
from keras_skeleton.layers.augmentation import CropResize
from keras_skeleton.layers.augmentation import filling_lost_frames


class Part:
    """Labelled clips of one part of the data, ready for a model.

    Args:
        data: `Sequences`, or what `extract_features` takes.
        model: The model that the clips are for.
        what: What part it is, for messages.
        transforms: List of transforms that bring the clips of `Sequences` to
            the form that the model takes. By default the middle 95 %,
            resized in time.
        batch_size: Clips per pass through the model; of `Sequences` and
            arrays.
        class_names: Names of classes, in the order of which labels are
            numbered where the data have names, too.

    Attributes:
        sequences: The `Sequences`, where the clips come from one, or `None`.
        batches: What `features.predict` takes.
        names: Names of the clips in the order of the batches, or `None`.
    """

    def __init__(
        self,
        data,
        model,
        what,
        transforms=None,
        batch_size=64,
        class_names=None,
    ):
        self.model, self.what = model, what
        data = _numbered(data, class_names)
        self.sequences, self.names = None, None
        self.transforms, self.batch_size = transforms, batch_size
        self.batches = data
        if features.is_sequences(data):
            self.sequences = data
            if transforms is None:
                self.transforms = published(model)
            self.batches = data.to_keras(self.transforms, batch_size)
            check_fit(model, self.batches.plan.batch_shape)
        elif transforms is not None:
            raise ValueError(
                f"`transforms` are for `Sequences`, but the {what} data are a "
                f"{type(data).__name__}, whose clips should be ready. Pass "
                "either the `Sequences` themselves, or no transforms."
            )
        elif hasattr(data, "plan"):
            plan = data.plan
            self.sequences, self.transforms = plan.sequences, plan.transforms
            self.batch_size = plan.batch_size
        if self.is_in_order:
            self.names = list(self.sequences.names)

    @property
    def is_in_order(self):
        """Whether the batches hold each clip of `sequences` once, in order."""
        if self.sequences is None:
            return False
        plan = self.batches.plan
        return (
            isinstance(plan.sampler, samplers.InOrder)
            and plan.shard == (0, 1)
            and not (
                plan.drop_remainder and len(plan.sequences) % plan.batch_size
            )
        )

    @property
    def class_names(self):
        """Names of the classes, or `None`."""
        return None if self.sequences is None else self.sequences.class_names

    def predict(self, model=None, **options):
        """Outputs of a model, by default the part's, and the labels.

        Raises:
            ValueError: If the clips have no labels.
        """
        outputs, labels = features.predict(
            model or self.model, self.batches, self.batch_size, **options
        )
        return outputs, self.checked(labels)

    def checked(self, labels):
        """The labels, which must be there."""
        if labels is None:
            raise ValueError(
                f"The {self.what} data must have labels: (clips, labels)."
            )
        return metrics.check_labels(labels, np.inf, f"{self.what} labels")

    @property
    def knows_labels(self):
        """Whether `labels` can tell them."""
        return self.sequences is not None or isinstance(self.batches, tuple)

    def labels(self):
        """The labels, in the order of `select`."""
        if self.sequences is not None:
            return self.checked(self.sequences.labels)
        if features.is_array(self.batches):
            return self.checked(None)
        if not self.knows_labels:
            raise ValueError(
                f"All labels of the {self.what} clips are needed at once. Pass "
                "a `Sequences`, its batches, or arrays (clips, labels), or the "
                "number of `classes` where nothing else is asked of them. "
                f"Received a {type(self.batches).__name__}."
            )
        return self.checked(features.unpack(self.batches)[1])

    def select(self, rows):
        """The part with some of its clips only."""
        labels = self.labels()
        if self.sequences is not None:
            data, transforms = self.sequences.select(rows), self.transforms
        else:
            inputs, _ = features.unpack(self.batches)
            data = _inputs.rows_of(inputs, rows), labels[rows]
            transforms = None
        return Part(data, self.model, self.what, transforms, self.batch_size)

    def training(self, batch_size, seed, augmentation=None, repeat=1):
        """Shuffled batches for `fit`; incomplete ones are left out.

        Args:
            batch_size: Clips per batch.
            seed: Seed of order and augmentation.
            augmentation: Transforms in the place of the part's; of
                `Sequences` only.
            repeat: How often an epoch shows every clip.
        """
        if self.sequences is None and augmentation is not None:
            raise ValueError(
                "`augmentation` is for `Sequences`. Batches of your own can "
                "augment the clips themselves."
            )
        if self.sequences is not None:
            transforms = self.transforms
            return self.sequences.to_keras(
                transforms if augmentation is None else augmentation,
                min(batch_size, len(self.sequences)),
                sampler=samplers.Repeated(repeat),
                seed=seed,
                drop_remainder=True,
            )
        if isinstance(self.batches, tuple):
            inputs, labels = features.unpack(self.batches)
            return ArrayBatches(inputs, labels, batch_size, seed, repeat)
        return self.batches


class ArrayBatches(keras.utils.PyDataset):
    """Full batches of arrays, in an order of each epoch's own.

    The epoch is set by a callback, as `fit` may call `on_epoch_end` before
    the first epoch.

    Args:
        inputs: Array, or dict of arrays by name.
        labels: Array `(N,)`.
        batch_size: Samples per batch; fewer where there are not as many.
        seed: Seed of the order.
        repeat: How often an epoch shows every sample.
    """

    def __init__(self, inputs, labels, batch_size, seed, repeat=1):
        super().__init__()
        self.inputs, self.labels = inputs, labels
        self.batch_size = min(batch_size, len(labels))
        self.seed, self.repeat = seed, repeat
        self.set_epoch(0)

    def set_epoch(self, epoch):
        """Makes `epoch` the number of the coming epoch."""
        generator = np.random.default_rng([self.seed, epoch])
        number = len(self.labels)
        self.order = np.concatenate(
            [generator.permutation(number) for _ in range(self.repeat)]
        )

    def __len__(self):
        return len(self.order) // self.batch_size

    def __getitem__(self, index):
        size = self.batch_size
        rows = self.order[index * size : (index + 1) * size]
        return _inputs.rows_of(self.inputs, rows), self.labels[rows]


def both_parts(train, test, model, transforms=None, batch_size=64):
    """The training and the test `Part`, with the same numbers of classes."""
    train = Part(train, model, "training", transforms, batch_size)
    names = train.class_names
    return train, Part(test, model, "test", transforms, batch_size, names)


def _numbered(data, class_names):
    """Data with labels in the order of class names, where both have names."""
    plan = getattr(data, "plan", None)
    clips = data if features.is_sequences(data) else plan and plan.sequences
    own = getattr(clips, "class_names", None)
    if own is None or class_names is None or list(own) == list(class_names):
        return data
    clips = clips.with_class_names(class_names)
    if plan is None:
        return clips
    data, plan = copy.copy(data), copy.copy(plan)
    data.plan, plan.sequences = plan, clips
    return data


def copies(train, test):
    """Which clips of a part are exact copies of another's; `None` unknown.

    Args:
        train: A `Part`.
        test: A `Part`.

    Returns:
        Boolean array over the clips of `test`, or `None`.
    """
    if train.sequences is None or not test.is_in_order:
        return None
    numbers = np.arange(len(test.sequences))
    return np.isin(numbers, test.sequences.duplicates(train.sequences))


def count_classes(classes, *parts_and_labels):
    """The number of classes: as given, by name, or by the labels.

    Args:
        classes: The number, or `None`.
        *parts_and_labels: Pairs of a `Part` and its labels.

    Raises:
        ValueError: If a label is none of the classes.
    """
    if classes is None:
        classes = 1 + max(int(labels.max()) for _, labels in parts_and_labels)
        named = [len(part.class_names or ()) for part, _ in parts_and_labels]
        classes = max(classes, *named)
    for part, labels in parts_and_labels:
        metrics.check_labels(labels, classes, f"{part.what} labels")
    return int(classes)


def check_fit(model, shape):
    """Raises a `ValueError` if a model does not take clips of a shape.

    Args:
        model: The model.
        shape: Shape of the clips, the batch included.
    """
    expected = getattr(model, "input_shape", None)
    inputs = getattr(model, "input", None)
    if isinstance(inputs, dict) and not isinstance(shape, dict):
        raise ValueError(
            f"The model takes the inputs {', '.join(map(repr, inputs))} by "
            "name, but the data give clips alone. Of a model of several "
            "layouts, pass `encoder.for_layout(name)`."
        )
    # `SplitClips` puts the several clips of a sample on an axis before.
    if isinstance(expected, tuple) and tuple(expected[1:]) != tuple(shape[-4:]):
        own = getattr(model, "skeleton", None)
        of = "" if own is None else f" of the skeleton {own.name!r}"
        raise ValueError(
            f"The model takes clips {tuple(expected[1:])} (persons, frames, "
            f"joints, coordinates){of}, but the transforms make clips "
            f"{tuple(shape[1:])} of the data. Pass the data set and the "
            "transforms that the weights were trained with; for data of "
            "another skeleton, transforms that map its joints (`MapSkeleton`)."
        )


def published(model):
    """The middle 95 % of clips, in as many frames as a model takes.

    Lost frames are filled before.

    Returns:
        List of transforms.

    Raises:
        ValueError: If the model takes more than one array of clips.
    """
    shape = getattr(model, "input_shape", None)
    if not isinstance(shape, tuple) or len(shape) != 5:
        raise ValueError(
            "`Sequences` need `transforms`, as the model does not take one "
            f"array of clips alone: {model.name!r} takes {shape}."
        )
    return filling_lost_frames([CropResize(shape[2], interval=(0.95,))])


def times(number, of):
    """How often `number` clips are shown to make at least `of`."""
    return max(1, math.ceil(of / number))
