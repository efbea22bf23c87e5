"""Transforms as plain data, which JSON can hold."""

import json

import keras

from keras_skeleton.layers import augmentation
from keras_skeleton.layers.augmentation._frames import FrameChoice
from keras_skeleton.layers.augmentation.base import SkeletonTransform

BASES = (SkeletonTransform, FrameChoice)


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
        described: List of `{"class": name, "config": arguments}`, or its
            JSON text. Arguments that are left out have their default.

    Returns:
        List of transforms.

    Raises:
        ValueError: If a name or an argument is unknown.
    """
    known = _known()
    transforms = []
    if isinstance(described, str):
        try:
            described = json.loads(described)
        except ValueError as error:
            raise ValueError(
                f"The transforms are no valid JSON: {error}"
            ) from error
    for each in described:
        if not isinstance(each, dict) or set(each) - {"class", "config"}:
            raise ValueError(
                "A transform is described by a dict with the keys 'class' "
                f"and 'config'. Received {each!r}."
            )
        name = each.get("class")
        if name not in known:
            raise ValueError(
                f"Unknown transform {name!r}. Known are {', '.join(known)}."
            )
        cls = known[name]
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


def _known():
    """The transforms of `layers.augmentation`, by name."""
    found = {name: getattr(augmentation, name) for name in augmentation.__all__}
    return {
        name: cls
        for name, cls in sorted(found.items())
        if isinstance(cls, type)
        and issubclass(cls, SkeletonTransform)
        and cls not in BASES
    }
