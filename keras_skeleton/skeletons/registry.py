"""The layouts that are known by name."""

from keras_skeleton.skeletons.skeleton import Skeleton
from keras_skeleton.skeletons.skeleton import SkeletonLike

_REGISTRY = {}
_BUILT_IN = set()


def register(skeleton: Skeleton, *aliases) -> Skeleton:
    """Makes a layout available by its name.

    Args:
        skeleton: The `Skeleton`.
        *aliases: Further names for it.

    Returns:
        The skeleton.

    Raises:
        ValueError: If a name belongs to another layout already.
    """
    if not isinstance(skeleton, Skeleton):
        raise ValueError(f"Expected a `Skeleton`. Received: {skeleton!r}")
    for name in (skeleton.name, *aliases):
        if _REGISTRY.get(name, skeleton) != skeleton:
            raise ValueError(
                f"The name {name!r} belongs to another skeleton. Choose "
                "another name."
            )
    for name in (skeleton.name, *aliases):
        _REGISTRY[name] = skeleton
    return skeleton


def register_built_in(skeleton, *aliases):
    """As `register`, for layouts that come with the package.

    They are there whenever it is imported, so that files need not describe
    them.
    """
    register(skeleton, *aliases)
    _BUILT_IN.update((skeleton.name, *aliases))


def names() -> list[str]:
    """Names of all registered layouts, aliases included."""
    return sorted(_REGISTRY)


def get(identifier: SkeletonLike) -> Skeleton:
    """Returns the layout for a name, a `Skeleton` or its dictionary.

    Example:

    >>> get("ntu").num_joints
    25

    Raises:
        ValueError: If no layout of that name is registered.
    """
    if isinstance(identifier, Skeleton):
        return identifier
    if isinstance(identifier, dict):
        return Skeleton.from_dict(identifier)
    if isinstance(identifier, str) and identifier in _REGISTRY:
        return _REGISTRY[identifier]
    raise ValueError(
        f"Unknown skeleton {identifier!r}. Registered are "
        f"{', '.join(names())}; pass a `Skeleton` or register yours with "
        "`skeletons.register`."
    )


def serialize(skeleton: SkeletonLike) -> str | dict:
    """What `get` needs to find the layout again, ready for JSON.

    The name for the layouts that come with the package, else the whole
    layout, so that files open where it has not been registered.
    """
    skeleton = get(skeleton)
    built_in = skeleton.name in _BUILT_IN
    if built_in and _REGISTRY[skeleton.name] == skeleton:
        return skeleton.name
    return skeleton.to_dict()
