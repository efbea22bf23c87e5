"""What weights are evaluated on: data set, protocol and transforms."""

import dataclasses
import json
import pathlib

import keras

from keras_skeleton import datasets
from keras_skeleton.datasets import formats
from keras_skeleton.datasets.readers import base as readers
from keras_skeleton.layers import augmentation

_FIELDS = ("data_set", "protocol", "transforms")


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How weights are evaluated.

    Attributes:
        data_set: Name of the data set in `datasets.formats.FORMATS`.
        protocol: Name of a protocol of that data set.
        transforms: List of transforms, applied in turn.
    """

    data_set: str
    protocol: str
    transforms: list


def find_recipe(label, *sources):
    """Puts a `Recipe` together; the first source that has a field wins.

    Args:
        label: Name of the weights, for messages.
        *sources: Dicts with some of the keys `data_set`, `protocol` and
            `transforms`, as values or, for transforms, as the list of
            `serialize_transforms` or its JSON text.
    """
    found = {}
    for field in _FIELDS:
        values = [s[field] for s in sources if s.get(field)]
        if not values:
            raise ValueError(
                f"Nothing says what to evaluate the weights {label!r} on: "
                f"`{field}` is missing. Pass `{field}=`, or record it with "
                f"the weights: save_weights(model, path, {field}=...)."
            )
        found[field] = values[0]
    transforms = found["transforms"]
    if isinstance(transforms, str):
        try:
            transforms = json.loads(transforms)
        except ValueError as error:
            raise ValueError(
                f"The transforms of {label!r} are no valid JSON: {error}"
            ) from error
    if any(isinstance(each, dict) for each in transforms):
        transforms = deserialize_transforms(transforms)
    found["transforms"] = list(transforms)
    return Recipe(**found)


def serialize_transforms(transforms):
    """Describes transforms so that JSON can hold them.

    Args:
        transforms: List of transforms of `layers.augmentation`.

    Returns:
        List of `{"class": name, "config": arguments}`.

    Example:

    >>> serialize_transforms([CropResize(48, interval=(0.95,))])
    [{'class': 'CropResize', 'config': {'num_frames': 48, ...}}]
    """
    described = []
    for transform in transforms:
        config = dict(transform.get_config())
        for key in ("name", "trainable", "dtype"):
            config.pop(key)
        if config["seed"] is None:
            config.pop("seed")
        described.append({"class": type(transform).__name__, "config": config})
    return described


def deserialize_transforms(described):
    """Builds the transforms that `serialize_transforms` described.

    Only transforms of `layers.augmentation` are built, so that a description
    from elsewhere cannot run any other code.

    Args:
        described: List of `{"class": name, "config": arguments}`.

    Returns:
        List of transforms.

    Raises:
        ValueError: If a name or an argument is unknown.
    """
    transforms = []
    for each in described:
        if not isinstance(each, dict) or set(each) - {"class", "config"}:
            raise ValueError(
                "A transform is described by a dict with the keys 'class' "
                f"and 'config'. Received {each!r}."
            )
        name = each.get("class")
        known = sorted(set(augmentation.__all__) - {"SkeletonTransform"})
        if name not in known:
            raise ValueError(
                f"Unknown transform {name!r}. Known are {', '.join(known)}."
            )
        cls = getattr(augmentation, name)
        try:
            transform = keras.saving.deserialize_keras_object(
                {
                    "module": cls.__module__,
                    "class_name": name,
                    "registered_name": keras.saving.get_registered_name(cls),
                    "config": each.get("config", {}),
                },
                safe_mode=True,
            )
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"The transform {name} cannot be built from "
                f"{each.get('config')}: {error}"
            ) from error
        transforms.append(transform)
    return transforms


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
