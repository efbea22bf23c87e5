"""What weights are evaluated on: data set, protocol and transforms."""

import dataclasses
import pathlib

from keras_skeleton import datasets
from keras_skeleton.datasets import formats
from keras_skeleton.datasets.readers import base as readers
from keras_skeleton.layers import augmentation

# Transforms come last: the stream is theirs.
_FIELDS = ("data_set", "protocol", "transforms")


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How weights are evaluated.

    Attributes:
        data_set: Name of the data set in `datasets.formats.FORMATS`.
        protocol: How that data set is divided, one of its `splits`.
        transforms: List of transforms, applied in turn; those that make the
            stream included. Those of cards follow `FillLostFrames`, which
            leaves clips that are whole as they are.
        stream: Name of the stream, or `None`.
    """

    data_set: str
    protocol: str
    transforms: list
    stream: str | None = None


def find_recipe(label, *sources):
    """Puts a `Recipe` together; the first source that has a field wins.

    Args:
        label: Name of the weights, for messages.
        *sources: Dicts with some of the keys `data_set`, `protocol`,
            `transforms` and `stream`, as values or, for transforms, as the
            list of `serialize_transforms` or its JSON text.
    """
    found = {}
    for field in _FIELDS:
        holders = [source for source in sources if source.get(field)]
        if not holders:
            argument = "split" if field == "protocol" else field
            raise ValueError(
                f"Nothing says what to evaluate the weights {label!r} on: "
                f"`{argument}` is missing. Pass `{argument}=`, or record it "
                f"with the weights: save_weights(model, path, {field}=...)."
            )
        found[field] = holders[0][field]
        # The name of the stream that these transforms make.
        found["stream"] = holders[0].get("stream") or None
    transforms = found["transforms"]
    if any(isinstance(each, dict | str) for each in transforms):
        transforms = augmentation.deserialize_transforms(transforms)
        transforms = augmentation.filling_lost_frames(transforms)
    found["transforms"] = list(transforms)
    return Recipe(**found)


def show_stream(recipe, stream, skeleton):
    """The recipe with a stream of its clips in the place of the joints.

    Args:
        recipe: A `Recipe` whose transforms make no stream yet.
        stream: A name of `layers.augmentation.Streams`.
        skeleton: The `Skeleton` of the data.

    Raises:
        ValueError: If the transforms make a stream already.
    """
    if any(isinstance(t, augmentation.Streams) for t in recipe.transforms):
        raise ValueError(
            f"Received stream={stream!r}, but the transforms end in `Streams` "
            "already. Pass either `stream`, or `transforms` that make it."
        )
    streams = augmentation.Streams(skeleton, streams=stream)
    transforms = [*recipe.transforms, streams]
    return dataclasses.replace(recipe, transforms=transforms, stream=stream)


def read_data(recipe, path):
    """Reads the training and test clips of a recipe.

    Args:
        recipe: A `Recipe`.
        path: A prepared store (`.h5`), or what the reader of the data set
            takes.

    Returns:
        Tuple `(train, test)` of `Sequences`.
    """
    path = pathlib.Path(path)
    if recipe.data_set not in formats.FORMATS:
        raise ValueError(
            f"Unknown data set {recipe.data_set!r}. Known are "
            f"{', '.join(formats.FORMATS)}."
        )
    if not path.exists():
        raise FileNotFoundError(f"There is no file or folder {str(path)!r}.")
    if path.suffix in (".h5", ".hdf5"):
        data = datasets.Sequences.load(path, in_memory=False)
    else:
        # Prepared arrays do not say by which protocol they were divided.
        options = {}
        if path.suffix == ".npz":
            options["split"] = recipe.protocol
        reader = formats.make_reader(recipe.data_set, path, **options)
        data = readers.collect(reader)
    return data.split(recipe.protocol)
